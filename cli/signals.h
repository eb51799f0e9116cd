/* SPDX-License-Identifier: BSD-2-Clause */
/* Signals as things to read, so that an end asked for by Ctrl-C is one more event of the loop, and
 * that a command started by profd finds mask and dispositions as profd itself found them. */
#ifndef PROFD_CLI_SIGNALS_H
#define PROFD_CLI_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

#include "base/err.h"

struct signals {
	int fd; /* readable when a signal waits */
	sigset_t held, before;
	struct sigaction child_before, pipe_before;
};

/* From now on SIGINT, SIGTERM, SIGCHLD and, unless it was ignored (nohup), SIGHUP wait to be read.
 */
int signals_open(struct signals *s, struct err *err);
void signals_close(struct signals *s);

/* The next waiting signal, or 0. `*from_terminal`: the terminal sent it, to the whole foreground
 * group. */
int signals_next(struct signals *s, bool *from_terminal);

void signals_restore(const struct signals *s); /* in a child, before exec: all as it was */

/* Lets signals act as usual while something else than the loop may block, and holds them again. */
void signals_let_go(const struct signals *s);
void signals_hold(const struct signals *s);

#endif
