/* SPDX-License-Identifier: BSD-2-Clause */
/* The command that is profiled: started by profd as its caller would have started it, and held back
 * until sampling is set up, so that its first instruction is sampled too. */
#ifndef PROFD_CLI_CHILD_H
#define PROFD_CLI_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct signals;

struct child {
	pid_t pid;      /* 0: none was started */
	int release_fd; /* a byte written lets it go on to exec; -1 afterwards */
	int report_fd;  /* the errno of a failed exec comes out of it, or its end; -1 afterwards */
	bool released;  /* it was let go: from here on its exit status is its own */
	bool exited;
	int wait_status; /* once `exited` */
};

/* Forks it, held. `private_fds` are descriptors that it shall not even hold while it waits. */
int child_start(struct child *c, char **argv, const struct signals *signals, const int *private_fds,
	size_t n_private_fds, struct err *err);

/* The same with another standard input, and another standard output and error; -1: the caller's
 * own. They stay the caller's. */
int child_start_with(struct child *c, char **argv, const struct signals *signals,
	const int *private_fds, size_t n_private_fds, int input_fd, int output_fd, struct err *err);

void child_release(struct child *c);

/* Whether exec failed, known once report_fd is readable: 0, or negative errno with a text. */
int child_exec_result(struct child *c, const char *name, struct err *err);

bool child_reap(struct child *c);    /* does not wait; true once it has ended */
void child_give_up(struct child *c); /* a held one ends without having run; waits for that */

/* As a shell has it: its exit status, or 128 + the signal that killed it. */
int child_status(const struct child *c);

#endif
