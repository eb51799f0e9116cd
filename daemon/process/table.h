/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside process/: how watch.c changes the table. */
#ifndef PROFD_PROCESS_TABLE_H
#define PROFD_PROCESS_TABLE_H

#include "process/maps.h"

/* Reads mappings, comm and exe again. -ESRCH where the process has gone: what is known stays. */
int process_reread(struct process_table *t, struct process *p);

/* A child as the parent was at fork. NULL: out of memory. */
struct process *process_fork(struct process_table *t, const struct process *parent, uint32_t pid);

/* After exec the old mappings are gone. */
void process_clear(struct process_table *t, struct process *p);

/* Adds one mapping, in place of what it overlaps. */
int process_map(struct process_table *t, struct process *p, const struct maps_line *line);

/* Every known process, in no order. */
struct process *process_next(const struct process_table *t, size_t *at);

#endif
