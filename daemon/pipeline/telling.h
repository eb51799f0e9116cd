/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: what a recording and its client say to one another, whatever the samples
 * become: a picture (recording.c) or a profile file (keeping.c).
 *
 *   telling_open, start sampling, telling_start, telling_started
 *   each turn of the loop: telling_listen, telling_tick, telling_is_over
 *   telling_end, the output, telling_finished */
#ifndef PROFD_PIPELINE_TELLING_H
#define PROFD_PIPELINE_TELLING_H

#include "base/buf.h"
#include "base/notes.h"
#include "process/process.h"
#include "serve/serve.h"

struct telling {
	struct channel *channel;
	const struct record_request *request; /* its PIDs are profd's own */
	const struct viewer *viewer;          /* NULL: may see whatever profd may */
	uint64_t start_ns, end_ns;            /* CLOCK_MONOTONIC: of the sampling */
	uint64_t start_unix_ns;
	uint64_t tick_ns; /* the last tick */
	unsigned ticks;
	struct process_usage *family; /* descendants of the first target at the start */
	size_t n_family;
	bool stop; /* the client said so, or has gone */
	bool gone;
	enum serve_ended ended;
};

/* Before sampling begins. To be closed. */
void telling_open(struct telling *t, struct channel *channel, const struct record_request *request,
	const struct viewer *viewer);
void telling_close(struct telling *t);

/* Sampling has begun; has ended. */
void telling_start(struct telling *t);
void telling_end(struct telling *t);

/* What is recorded, for people, with the client's own numbers. NULL: out of memory. */
char *telling_title(const struct telling *t, struct process_table *processes);
int telling_started(const struct telling *t, struct process_table *processes);

/* CLOCK_MONOTONIC: when it is over; UINT64_MAX: only by its client, or with its processes. */
uint64_t telling_deadline_ns(const struct telling *t);

/* How long to wait at most for the next turn. */
int telling_wait_ms(const struct telling *t);

/* Takes in what the client says meanwhile. */
void telling_listen(struct telling *t);

/* Whether the client is to be told of the progress now. */
bool telling_tick(struct telling *t);
void telling_progress(const struct telling *t, uint64_t samples, uint64_t lost);

/* Whether a look at /proc is due for targets whose end was not told. */
bool telling_looks(const struct telling *t);

/* Whether the recording is over by now, and why (`ended`). */
bool telling_is_over(struct telling *t, bool all_ended);

int telling_write(int fd, const struct buf *bytes, struct err *err);

/* The last word. `p` is the whole profile; its quality gets what profd itself has used by now, and
 * `notes` what people should know of so few samples. `hidden`: there were samples of processes that
 * the viewer may not see. */
int telling_finished(const struct telling *t, struct profile *p, struct notes *notes, bool hidden);

#endif
