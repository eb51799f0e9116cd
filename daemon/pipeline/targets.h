/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: the processes that were asked for, in a recording or a watch: how they are
 * found and attached, and what of them and of those below them may be seen. */
#ifndef PROFD_PIPELINE_TARGETS_H
#define PROFD_PIPELINE_TARGETS_H

#include "base/map.h"
#include "pipeline/host.h"

struct targets {
	struct host_targets of; /* n_pids 0: every process there is */
	struct map *visible; /* pid -> bool: whether the viewer may see it, since its last exec */
	bool hidden;         /* there were samples of processes that the viewer may not see */
};

/* `of` is copied, its PIDs and viewer are not. `t` is to be closed also after an error. */
int targets_open(struct targets *t, const struct host_targets *of, struct err *err);
void targets_close(struct targets *t);

/* The numbers of a client, which become profd's. -ESRCH, -EPERM: not a process that it may see.
 * `viewer` NULL: they are profd's already, and it may see all. */
int targets_admit(const struct viewer *viewer, uint32_t *pids, size_t n, struct err *err);

bool targets_have(const struct targets *t, uint32_t pid); /* among those asked for by number */

/* So many threads that events per CPU cost less than events per thread. */
bool targets_are_many(const struct targets *t);

/* From opened rooms (sampling_open) to running events: checks, watches, reads, loads and attaches.
 */
int targets_start(const struct targets *t, struct sampling *s, struct err *err);

/* What sampling tells (sampling_hooks.event) and asks (sampling_hooks.wants). */
void targets_event(struct targets *t, const struct process_event *event, const struct process *p);
bool targets_want(struct targets *t, uint32_t pid);

/* As host_ended(). */
bool targets_ended(const struct targets *t, const struct process_table *processes, bool look);

/* Forgets what is known of processes that the table does not know any more. */
void targets_sweep(struct targets *t, const struct process_table *processes);

#endif
