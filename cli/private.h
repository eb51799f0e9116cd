/* SPDX-License-Identifier: BSD-2-Clause */
/* The private daemon: the engine in a process of its own, for one command line only. */
#ifndef PROFD_CLI_PRIVATE_H
#define PROFD_CLI_PRIVATE_H

#include "cli/connect.h"

struct signals;

/* Forks the engine and greets it; the answer comes over the channel. It ends when the channel is
 * closed, and dies with this process at the latest. */
int private_start(struct peer *p, const struct signals *signals, struct err *err);

/* For peer_close(), after the channel was closed: waits until the engine has gone, at most
 * `grace_ms`, then kills it. Returns its wait status. */
int private_end(pid_t engine, int grace_ms);

/* Whether an engine of this user may sample at all: the capabilities that it takes are there. */
bool private_is_able(void);

#endif
