/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: the stacks of one interval of a watch, however long its client lets it last.
 *
 *     gathering_add --> tree of locations ------------------------------> gathering_take: profile
 *                            | gathering_settle, before names are lost          ^
 *                            +-----> tree of named frames ----------------------+
 */
#ifndef PROFD_PIPELINE_GATHERING_H
#define PROFD_PIPELINE_GATHERING_H

#include "aggregate/aggregate.h"

enum {
	GATHERING_NODES_MAX = 1 << 16,     /* of either tree */
	GATHERING_TEXT_BYTES_MAX = 2 << 20 /* of named frames, once each */
};

struct gathering;

/* `name` and `arg` as for aggregate_profile; asked in gathering_settle and gathering_take, and in
 * gathering_add where a tree is full. NULL: out of memory. */
struct gathering *gathering_new(aggregate_name_fn *name, void *arg, struct err *err);
void gathering_free(struct gathering *g); /* NULL is allowed */

/* Adds one sample, root first. What finds no room is counted as lost. */
void gathering_add(struct gathering *g, const struct location *stack, size_t n, uint64_t weight_ns);

/* Names what is there: afterwards its locations may change their meaning. */
void gathering_settle(struct gathering *g);

/* All of it as a profile, and how many samples found no room; what comes then is the next interval.
 * NULL: out of memory, and it goes on as it was. */
struct profile *gathering_take(struct gathering *g, uint64_t *lost);

#endif
