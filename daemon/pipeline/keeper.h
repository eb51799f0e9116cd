/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: brings closed windows into the store, whatever happens to the disk.
 *
 *     host --window--> [ waiting windows ] --store_write--> store
 *
 * A window that cannot be written waits, in order, and is tried again with each later one; sampling
 * goes on. Only when too many wait is the oldest given up, and counted. */
#ifndef PROFD_PIPELINE_KEEPER_H
#define PROFD_PIPELINE_KEEPER_H

#include "flow/window.h"
#include "pipeline/pipeline.h"
#include "store/store.h"

enum { KEEPER_WAITING_MAX = 64 };

struct keeper;

/* Opens the store. A damaged one is moved aside, and a new one begun. A disk that is full or
 * read-only is no error: it is tried again. NULL: another daemon writes to it, it is newer than
 * this profd, or memory is out. */
struct keeper *keeper_open(const struct daemon_config *config, struct err *err);
void keeper_close(struct keeper *k); /* what waits is tried once more */

void keeper_configure(struct keeper *k, const struct daemon_config *config);

/* Takes the window over (NULL: none, but what waits is tried again). */
void keeper_add(struct keeper *k, struct window *w);

/* A piece of housekeeping; whether there is more. To be called in idle moments. */
bool keeper_maintain(struct keeper *k);

/* The wall clock was set: for a while nothing is deleted for its age. */
void keeper_distrust_clock(struct keeper *k);

struct keeper_state {
	const char *error; /* NULL: all is well. Holds until the next call */
	uint64_t waiting, lost;
	struct store_stats stats;
};
void keeper_state(struct keeper *k, struct keeper_state *out);

#endif
