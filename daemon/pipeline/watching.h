/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: one client's watch: every interval the tree of stacks of that interval.
 *
 *   watch_*        the watch itself, over a host that samples (the daemon's, or one of its own)
 *   watching_run   a whole watch with samples of its own, in a private engine or a worker
 *   replaying_run  the same of a file (replaying.h)
 */
#ifndef PROFD_PIPELINE_WATCHING_H
#define PROFD_PIPELINE_WATCHING_H

#include "pipeline/host.h"
#include "serve/serve.h"

struct watch;

/* Over a host that others use as well, or that is its own. `request` has PIDs of the client, and is
 * copied; `viewer` (NULL: sees all) has to outlive it. -ESRCH, -EPERM: a process that was asked
 * for. */
struct watch *watch_open(const struct watch_request *request, const struct viewer *viewer,
	struct host *host, bool shared, struct err *err);
void watch_close(struct watch *w); /* NULL is allowed */

uint64_t watch_id(const struct watch *w);
uint64_t watch_due_ns(const struct watch *w); /* CLOCK_MONOTONIC: of the next interval's end */

/* The earlier of that and of its next look at who holds the GIL: watch_look() is to be called then,
 * and may be called at any time. */
uint64_t watch_wakes_ns(const struct watch *w);
void watch_look(struct watch *w);

/* Tells the client that it has begun, and of what. Queued. 0 or negative errno. */
int watch_start(const struct watch *w, struct channel *ch);

/* What the host tells (struct host_listener). */
void watch_add(
	struct watch *w, struct process *p, const struct sample *s, const struct stack *stack);
void watch_event(struct watch *w, const struct process_event *event);
void watch_settle(struct watch *w);

/* Sends the interval that ends now; while a slow client has some of the last one queued it goes on
 * gathering instead. 0, or negative errno: the client is to be let go. */
int watch_send(struct watch *w, struct channel *ch, bool last);

/* Whether all processes that were asked for by number have ended; never where none was. */
bool watch_ended(const struct watch *w);

/* Samples as the request says, with `started` before the first interval, until `stop`, the end of
 * all processes, or the client goes. */
int watching_run(struct channel *channel, const struct watch_request *request,
	const struct viewer *viewer, struct err *err);

#endif
