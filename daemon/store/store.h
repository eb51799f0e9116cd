/* SPDX-License-Identifier: BSD-2-Clause */
/* Profiles over time in one SQLite file. The tables are explained in schema/README.md.
 *
 *    window (10 s) --store_write--> [ 10 s windows ] --store_maintain--> [ 1 min ] --> [ 1 h ] -->
 * gone |                                |            | question
 * --store_read-----------------+--------------------------------+------------+--> profile
 *
 * Each instant is covered by windows of one tier only: older windows are merged into longer ones.
 * One writer at a time, any number of readers, also while it writes (WAL). What is in the file was
 * named by hostile processes, and the file itself may be damaged: everything read is checked. */
#ifndef PROFD_STORE_STORE_H
#define PROFD_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "flow/profile.h"
#include "flow/window.h"

/* ---- writing -----------------------------------------------------------------------------------
 */

struct store_limits {
	uint64_t fine_s;    /* how long windows stay as they were written; default 6 h */
	uint64_t minute_s;  /* how long windows of a minute are kept; default 7 days */
	uint64_t hour_s;    /* likewise of an hour; default 90 days. What is older is deleted */
	uint64_t max_bytes; /* cap of the file with its journal; default 1 GiB. The oldest go first
			     */
};
extern const struct store_limits store_limits_default;

struct store;

/* Opens for writing, makes the file (mode 0640) where there is none, and migrates an older one in
 * one transaction. ":memory:" is a store that nobody else sees. Errors, each with cause and next
 * step in the text:
 *   -EBUSY    another daemon writes to it       -EROFS, -EACCES  may not be written
 *   -ENOTSUP  made by a newer profd, or a       -EUCLEAN  damaged, or not a store of profd
 *             profile file
 *   -ENOSPC   the disk is full                  other: the file system's */
struct store *store_open(const char *path, const struct store_limits *limits, struct err *err);
void store_close(struct store *s); /* NULL is allowed */
void store_set_limits(struct store *s, const struct store_limits *limits);

/* Writes a window in one transaction: all of it is there afterwards, and stays through a crash of
 * the process (and of the machine, as far as the disk keeps its promise), or nothing. The same
 * errors as store_open; after one the store can be used on, and the same window given again. And
 * -EINVAL: not a window as flow/window.h says; giving it again is of no use. */
int store_write(struct store *s, const struct window *w, struct err *err);

/* One bounded piece of housekeeping (at most about `budget_ms`): merges windows that are old enough
 * into the next tier, deletes those that are too old or over the cap, sweeps strings, functions,
 * frames, stacks, threads and series that nothing refers to any more, gives space back to the file
 * system. `now_unix_ns` is the present; with `ages` false only the cap is kept (the clock is not to
 * be trusted). 1: there is more to do; 0: nothing for now; negative as store_write. */
int store_maintain(
	struct store *s, uint64_t now_unix_ns, bool ages, unsigned budget_ms, struct err *err);

/* Bytes that the tables take: of the file what is not free, without its journal. */
int store_used(struct store *s, uint64_t *bytes, struct err *err);

/* What stands at the root of an answer's stacks. */
enum store_root {
	STORE_ROOT_NONE,      /* all stacks in one tree */
	STORE_ROOT_COMM,      /* a PROCESS frame `comm` for all processes of that name */
	STORE_ROOT_PROCESS,   /* a PROCESS frame `comm (pid)`, each process its own */
	STORE_ROOT_THREAD,    /* that, and a THREAD frame `name (tid)` above it */
	STORE_ROOT_CONTAINER, /* a CONTAINER frame, `(host)` for none, and STORE_ROOT_COMM above it
			       */
	STORE_ROOT_THREAD_ONLY, /* a THREAD frame `name (tid)` alone */
	STORE_ROOT_NUMBERED,    /* a PROCESS frame `comm` whose line is the PID, and a THREAD frame
				   `name` whose line is its ID */
};

/* What a profile file is about, in rows of `meta` (schema/README.md). All of it empty in the store
 * of a daemon. */
struct store_about {
	bool is_recording;    /* one recording, not a part of a daemon's days */
	char title[256];      /* what was recorded, for people: "python3 (4711)"; hostile */
	char version[32];     /* of the profd that wrote it; hostile, as is the next */
	char source[16];      /* "ebpf" */
	enum store_root root; /* of its pictures, as the recording was asked for: NONE, PROCESS,
				 THREAD or THREAD_ONLY */
};
int store_describe(struct store *s, const struct store_about *about, struct err *err);

/* A whole profile file: everything that was written, as the bytes of a file that store_reader_open
 * reads on any medium. Appends to `out`. Only for a store in memory, else -EINVAL. 0 or as
 * store_write. */
struct buf;
int store_serialize(struct store *s, struct buf *out, struct err *err);

struct store_stats {
	uint64_t bytes;                       /* of the file and its journal */
	uint64_t windows[3];                  /* by tier: fine, minute, hour */
	uint64_t first_unix_ns, last_unix_ns; /* start of the oldest, end of the newest; 0: empty */
	uint64_t samples, lost, series, stacks;
};
int store_stats(struct store *s, struct store_stats *out, struct err *err);

/* ---- reading -----------------------------------------------------------------------------------
 */

struct store_reader;

/* Opens for reading only: beside a daemon that writes, or a file from elsewhere, also on read-only
 * media. Errors as store_open, and -ENOENT. An older version than this profd's can be read, too. */
struct store_reader *store_reader_open(const char *path, struct err *err);
void store_reader_close(struct store_reader *r);

/* The same of the bytes of a file (store_serialize), which have to stay as they are meanwhile.
 * `name` is for texts. */
struct store_reader *store_reader_open_bytes(
	const void *bytes, size_t len, const char *name, struct err *err);

void store_reader_about(const struct store_reader *r, struct store_about *out);

/* A list of texts; a series matches when any of them does, or when there are none. */
struct store_texts {
	const char *const *list;
	size_t n;
};

struct store_query {
	uint64_t since_unix_ns, until_unix_ns; /* windows that overlap; 0: no bound */
	const uint32_t *pids;
	size_t n_pids;
	struct store_texts comms;      /* exact */
	struct store_texts containers; /* how the ID begins; "host" for those in none */
	struct store_texts users;      /* name, or number */
	struct store_texts threads;    /* name, or number of the thread */
	bool one_uid;                  /* only series of `uid`: the asker may not see others */
	uint32_t uid;
	bool kernel; /* false: stacks end where the kernel's begin */
	enum store_root root;
	size_t slices_max; /* windows are joined to at most so many slices; 0: no slices */
};

/* The profile of what matches: names, tree, weights, slices (also of windows in which nothing
 * matched: they count as zero), and as quality that of the windows read, `lost` and the failures of
 * the windows as a whole where series were chosen. The achieved rate is that of the windows with
 * samples, by samples. Source is "store", or what wrote a profile file. An empty profile is no
 * error. The asker frees it. */
int store_read(
	struct store_reader *r, const struct store_query *q, struct profile **out, struct err *err);

/* What the profile was made of. */
struct store_span {
	uint64_t first_unix_ns, last_unix_ns; /* start of the first window, end of the last */
	uint64_t windows;
	uint64_t covered_ns; /* sum of their durations */
	uint64_t longest_ns; /* of one window: how coarse the answer is */
};
void store_reader_span(const struct store_reader *r, struct store_span *out); /* of the last read */

/* What the windows of one slice of the profile have in common, beside its samples. */
struct store_slice {
	uint64_t lost, truncated, failed; /* samples; failed: some part of the stack is missing */
	uint64_t profiler_cpu_ns, profiler_kernel_ns, profiler_rss_bytes;
	double requested_hz; /* mean by duration */
};
/* [profile.n_slices] of the last read; holds until the next. */
const struct store_slice *store_reader_slices(const struct store_reader *r);

/* Every series of the file, oldest first; texts hold during the call and are hostile, "" where not
 * known. Ends early with what `each` returns unless that is 0. 0, or as store_read. */
struct store_process {
	uint32_t pid;
	const char *comm, *user, *container, *python;
	uint32_t threads; /* at most at the same time; 0: not known */
};
typedef int store_process_fn(void *arg, const struct store_process *p);
int store_reader_processes(
	struct store_reader *r, store_process_fn *each, void *arg, struct err *err);

#endif
