/* SPDX-License-Identifier: BSD-2-Clause */
/* The private daemon: the engine in a process of its own, for one command line only. */
#ifndef PROFD_CLI_PRIVATE_H
#define PROFD_CLI_PRIVATE_H

#include <sys/types.h>

#include "base/err.h"
#include "serve/serve.h"

struct signals;

struct engine {
	pid_t pid;               /* 0: none */
	struct channel *channel; /* NULL: closed */
};

/* Forks the engine and greets it; the answer comes over the channel. It ends when the channel is
 * closed, and dies with this process at the latest. */
int engine_start(struct engine *e, const struct signals *signals, struct err *err);

/* Closes the channel and waits until the engine has gone: at most `grace_ms`, then it is killed.
 * Returns its wait status; a second call does nothing and returns 0. */
int engine_end(struct engine *e, int grace_ms);

#endif
