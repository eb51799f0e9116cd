/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside serve/ only: what both ends of a watch count, and up to where.
 *
 *   profile of an interval --watch_send.c--> struct watch_news --watch_write.c--> lines
 *   lines --watch_receive.c--> tree and counts
 *
 * Strings, frames and nodes are numbered in the order in which they are told, each kind for itself.
 * String 0 is "", frame 0 and node 0 are the root: both ends know them from the beginning. */
#ifndef PROFD_SERVE_WATCH_H
#define PROFD_SERVE_WATCH_H

#include "base/buf.h"
#include "serve/channel.h"
#include "serve/serve.h"

/* How many numbers there may be until they begin anew. */
struct watch_limits {
	uint32_t nodes, frames, strings, processes;
	size_t text_bytes; /* by watch_text_bytes(), of all strings and frames */
	/* Of the sender: bytes of an interval, roughly, unless it waits; and of a line, which has
	 * to hold the longest string (12 KiB) and 2 KiB more. */
	size_t interval_bytes, line_bytes;
};

/* Of what is kept for a client that may be one of many; and the most that a receiver takes. */
extern const struct watch_limits watch_limits_shared, watch_limits_most;

struct watch_sender *watch_sender_new_limited(uint64_t id, const struct watch_limits *limits);
struct watch_receiver *watch_receiver_new_limited(const struct watch_limits *limits);

/* What a string takes, with the NUL; and what a frame takes of its own: processes and threads get a
 * name with their number in it, where they are received. */
static inline size_t watch_text_bytes(size_t length)
{
	return length + 1;
}

static inline size_t watch_frame_text_bytes(uint32_t kind, size_t name_length)
{
	return kind == FRAME_PROCESS || kind == FRAME_THREAD ? name_length + 16 : 0;
}

struct watch_edge {
	uint32_t parent, frame;
};

/* A process as it is told: numbers of strings, and `gil` in thousandths, -1: not known. */
struct watch_told_process {
	uint32_t pid, comm, user, container, python, threads, ended;
	int32_t gil;
};

/* What one interval adds to what was told before. */
struct watch_news {
	bool reset; /* all numbers began anew before it */
	const struct intern *strings;
	uint32_t first_string; /* new are those from this number on */
	const struct frame *frames;
	size_t n_frames;
	const struct watch_edge *nodes;
	size_t n_nodes;
	const struct watch_count *counts;
	size_t n_counts;
	const struct watch_told_process *processes;
	size_t n_processes;
	uint64_t samples; /* sum of the counts */
};

/* Writes it as lines of at most `line_bytes` and gives them to the channel; `waits` until the other
 * side takes them. */
int watch_write(struct channel *ch, uint64_t id, const struct serve_watch *interval,
	const struct watch_news *news, size_t line_bytes, bool waits);

#endif
