/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: one client's live view: a tree of its own that is named, sent and begun anew
 * with each interval. */
#ifndef PROFD_PIPELINE_LIVE_H
#define PROFD_PIPELINE_LIVE_H

#include "pipeline/sampling.h"
#include "serve/serve.h"

struct live;

/* `viewer` and `s` have to outlive it. -ESRCH, -EPERM: a process that was asked for. */
struct live *live_open(const struct live_request *request, const struct viewer *viewer,
	const struct sampling *s, struct err *err);
void live_close(struct live *l); /* NULL is allowed */

uint64_t live_id(const struct live *l);
uint64_t live_due_ns(const struct live *l); /* CLOCK_MONOTONIC: of the next message */

void live_add(struct live *l, struct process *p, const struct sample *s, const struct stack *stack);

void live_settle(struct live *l); /* as struct host_listener tells */

/* Sends what came since the last time. `lost` is a total of all samples ever lost. */
void live_send(struct live *l, struct channel *ch, uint64_t lost);

#endif
