/* SPDX-License-Identifier: BSD-2-Clause */
/* Who samples for `profd record`: the system's daemon where there is one, because then it takes no
 * privilege; else a private engine, where that can work. */
#ifndef PROFD_CLI_CHOOSE_H
#define PROFD_CLI_CHOOSE_H

#include "cli/connect.h"

struct signals;

struct choice {
	const char *socket; /* what --socket says, or NULL */
	bool verbose;       /* say which one it is, and why */
};

/* Connects to the daemon or starts a private engine. A daemon that the user did not name and that
 * is not there, and CONNECT_NONE, lead to a private engine in any case; one that cannot be spoken
 * to, where a private engine can work. Else its error is returned. -EINTR: a signal waits. */
int choose_peer(
	struct peer *p, const struct choice *c, const struct signals *signals, struct err *err);

/* After the daemon refused, or went, before it had sampled anything: replaces it with a private
 * engine where `why` is a matter of rights or of the connection, and a private engine can work. 0:
 * `p` is one; else `why`'s code, or negative errno with a new text. */
int choose_again(
	struct peer *p, const struct choice *c, const struct signals *signals, struct err *why);

#endif
