/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside process/: how watch.c changes the table. */
#ifndef PROFD_PROCESS_TABLE_H
#define PROFD_PROCESS_TABLE_H

#include "process/maps.h"

/* Events tell the start of a process to within a tick or two; a larger difference means another
 * process by the same number. */
static inline bool process_same_start(uint64_t a_ticks, uint64_t b_ticks)
{
	return a_ticks <= b_ticks + 2 && b_ticks <= a_ticks + 2;
}

/* A process of which nothing is known yet, in place of one that had the number before. NULL: out of
 * memory. */
struct process *process_add(struct process_table *t, uint32_t pid);

/* Reads mappings, comm and exe again. -ESRCH where the process has gone: what is known stays. */
int process_reread(struct process_table *t, struct process *p);

/* A child as the parent was at fork. NULL: out of memory. */
struct process *process_fork(struct process_table *t, const struct process *parent, uint32_t pid);

/* After exec the old mappings are gone, and the next file that is mapped is the program. */
void process_clear(struct process_table *t, struct process *p);

/* Adds one mapping, in place of what it overlaps. 1; 0: it is known; -ESTALE: it is known now, but
 * not its file; -ENOMEM. */
int process_map(struct process_table *t, struct process *p, const struct maps_line *line);

#endif
