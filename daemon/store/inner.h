/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the writer share. Inner to store/. */
#ifndef PROFD_STORE_INNER_H
#define PROFD_STORE_INNER_H

#include "store/db.h"
#include "store/dict.h"
#include "store/pack.h"
#include "store/store.h"

struct map;
struct sweep;

enum tier { TIER_FINE, TIER_MINUTE, TIER_HOUR, TIERS };

struct store {
	struct db db;
	struct store_limits limits;
	struct dict dict;
	struct cache nodes;  /* stack -> struct node, for rollups */
	struct map *levels;  /* what usage said last of a process, see usage.c */
	struct sweep *sweep; /* NULL: none under way */
	uint64_t deleted;    /* samples deleted since the last sweep, also in the file's `meta` */
	uint64_t n_written;  /* windows, by this process */
	int lock_fd;
	bool memory;
	bool warned_cap; /* said once that the cap cannot be kept */
};

/* Ends a transaction: on rc < 0 rolls back and forgets what is not true any more. Returns the
 * final outcome. */
int store_end(struct store *s, int rc, struct err *err);
int store_meta_set(struct store *s, const char *name, int64_t value, struct err *err);
/* Of the file with its log, and how much of the file is free. */
int store_size(struct store *s, uint64_t *bytes, uint64_t *free_bytes, struct err *err);
uint64_t store_log_bytes(const struct store *s);
int store_damaged(struct store *s, int64_t window, struct err *err);

/* ---- usage.c: what processes used ---- */

/* The rows of a window. series_ids: [w->n_series] row numbers, 0: not in the store yet; it is put
 * there where a row needs it. `sampled`: [n_series]. */
int usage_write(struct store *s, const struct window *w, int64_t window, int64_t *series_ids,
	const bool *sampled, struct err *err);

/* ---- merge.c: windows into longer ones ---- */

/* One group that is old enough: 1 merged, 0 none, or an error. */
int merge_step(struct store *s, enum tier from, uint64_t older_than_unix_ns, struct err *err);

/* ---- rollup.c: functions of a window, series by series ---- */

struct rollup;
struct rollup *rollup_new(struct store *s, int64_t window, enum tier tier, uint64_t window_samples);
void rollup_free(struct rollup *r);
/* Entries in the order of series. */
int rollup_add(struct rollup *r, const struct pack_entry *e, uint64_t period_ns, struct err *err);
int rollup_end(struct rollup *r, struct err *err);

/* ---- sweep.c: what nothing refers to any more ---- */

/* One piece: 1 there is more, 0 done or nothing to do, or an error. */
int sweep_step(struct store *s, bool wanted, struct err *err);
void sweep_free(struct store *s);
void sweep_mark_row(struct store *s, uint64_t series_first, const void *data, size_t len);

/* ---- counts of a window ---- */

/* A pack_row_fn; `arg` is a struct counts_row. */
struct counts_row {
	struct store *s;
	int64_t window;
	uint64_t period_ns;
	uint32_t *n_rows; /* of the window so far */
	struct err *err;
};
int counts_put(
	void *arg, uint64_t series_first, uint64_t series_last, const void *data, size_t len);

struct window_row {
	int64_t id;
	enum tier tier;
	uint64_t start_unix_ns, duration_ns, period_ns;
	struct profile_quality quality;
};
int window_put(struct store *s, struct window_row *w, struct err *err); /* sets id */
int window_drop(struct store *s, int64_t window, struct err *err);      /* with all of it */

#endif
