/* SPDX-License-Identifier: BSD-2-Clause */
/* Housekeeping in small steps, the most useful first: what is too old goes, what is old is merged,
 * the cap is kept, what nothing refers to is swept, free pages go back to the file system. */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "store/inner.h"
#include "store/statements.h"

#define LOG_ROOM "store"
#include "base/log.h"

enum {
	DROPS_PER_STEP = 16, /* windows in a transaction */
	CAP_SHARE = 16,      /* so much below the cap is cleared, for not to begin anew at once */
	LOG_SHARE = 16,      /* a log above that part of the cap is put into the file first */
	SWEEP_SHARE = 8,     /* of the samples have to be gone for a sweep to be worth it */
	FREE_SHARE = 16,     /* of the file may be free */
	FREE_BYTES = 1 << 20,
	VACUUM_PAGES = 256,
	FUTURE_S = 86400,
};

int window_drop(struct store *s, int64_t window, struct err *err)
{
	static const enum statement drops[] = {
		WINDOW_DROP, WALKS_DROP, COUNTS_DROP, USAGE_DROP, ROLLUPS_DROP};
	int rc = 0;

	for (size_t i = 0; i < sizeof(drops) / sizeof(drops[0]) && !rc; i++)
		rc = db_run(&s->db, drops[i], err, "i", window);
	return rc;
}

/* ---- deleting windows --------------------------------------------------------------------------
 */

struct doomed {
	int64_t id;
	uint64_t samples;
};

static int doomed_list(struct store *s, enum statement which, uint64_t unix_ns, struct doomed *list,
	size_t *n, struct err *err)
{
	int64_t bound = unix_ns > INT64_MAX ? INT64_MAX : (int64_t)unix_ns;
	sqlite3_stmt *row;
	int rc = db_use(&s->db, which, &row, err, "ii", bound, (int64_t)DROPS_PER_STEP);

	for (*n = 0; !rc && (rc = db_step(&s->db, row, err)) == 1; rc = 0)
		if (*n < DROPS_PER_STEP)
			list[(*n)++] = (struct doomed){sqlite3_column_int64(row, 0),
				(uint64_t)sqlite3_column_int64(row, 1)};
	return rc;
}

/* How much is deleted at most: until `bytes` are in use, and no more than `samples`. */
struct enough {
	uint64_t bytes, samples;
};

/* Deletes from the front of the list, one at least. */
static int doomed_drop(struct store *s, const struct doomed *list, size_t n,
	const struct enough *enough, struct err *err)
{
	uint64_t samples = 0, used = UINT64_MAX;
	int rc = db_begin(&s->db, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n && !rc && used > enough->bytes; i++) {
		if (i && samples + list[i].samples > enough->samples)
			break;
		rc = window_drop(s, list[i].id, err);
		samples += list[i].samples + 1; /* empty ones leave names behind, too */
		if (!rc)
			rc = store_used(s, &used, err);
	}
	if (!rc)
		rc = store_meta_set(s, "deleted_samples", (int64_t)(s->deleted + samples), err);
	rc = store_end(s, rc, err);
	if (rc < 0)
		return rc;
	s->deleted += samples;
	return 1;
}

static int expire_step(struct store *s, uint64_t now_unix_ns, struct err *err)
{
	const struct enough all = {0, UINT64_MAX};
	struct doomed list[DROPS_PER_STEP];
	uint64_t age_ns = s->limits.hour_s * NS_PER_S;
	size_t n = 0;
	int rc = 0;

	if (s->limits.hour_s < UINT64_MAX / NS_PER_S && now_unix_ns > age_ns)
		rc = doomed_list(s, WINDOW_EXPIRED, now_unix_ns - age_ns, list, &n, err);
	return rc < 0 || !n ? rc : doomed_drop(s, list, n, &all, err);
}

/* ---- the cap -----------------------------------------------------------------------------------
 */

static int samples_share(struct store *s, uint64_t *share, struct err *err)
{
	int64_t samples;
	int rc = db_number(&s->db, "SELECT sum(samples) FROM windows", &samples, err);

	*share = rc < 0 || samples < 0 ? 0 : (uint64_t)samples / SWEEP_SHARE;
	return rc;
}

static int is_sweep_due(struct store *s, struct err *err)
{
	uint64_t share;
	int rc = s->deleted ? samples_share(s, &share, err) : 0;

	return rc < 0 || !s->deleted ? rc : s->deleted >= share;
}

static int vacuum(struct store *s, struct err *err)
{
	char sql[64];
	int rc;

	snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES);
	rc = db_exec(&s->db, sql, err);
	return rc < 0 ? rc : 1;
}

/* Puts the log into the file and cuts it, as far as no reader is in the way. */
static void log_cut(struct store *s)
{
	sqlite3_busy_timeout(s->db.handle, 0);
	sqlite3_wal_checkpoint_v2(s->db.handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sqlite3_busy_timeout(s->db.handle, DB_BUSY_MS);
}

/* Little by little: where the names take more space than the samples, a sweep comes in between. */
static int cap_drop(
	struct store *s, uint64_t now_unix_ns, bool ages, uint64_t enough_bytes, struct err *err)
{
	struct enough enough = {.bytes = enough_bytes};
	struct doomed list[DROPS_PER_STEP];
	size_t n = 0;
	int rc = samples_share(s, &enough.samples, err);

	/* Windows of a clock that was far ahead would outlive all others. */
	if (!rc && ages)
		rc = doomed_list(
			s, WINDOW_FUTURE, now_unix_ns + FUTURE_S * NS_PER_S, list, &n, err);
	if (!rc && !n)
		rc = doomed_list(s, WINDOW_OLDEST, 0, list, &n, err);
	if (rc < 0)
		return rc;
	if (n)
		return doomed_drop(s, list, n, &enough, err);
	if (!s->warned_cap)
		log_warn("the store is empty and still larger than it may be: raise its size");
	s->warned_cap = true;
	return 0;
}

static int cap_step(struct store *s, uint64_t now_unix_ns, bool ages, struct err *err)
{
	uint64_t max = s->limits.max_bytes, enough = max - max / CAP_SHARE;
	uint64_t bytes, used, free_bytes;
	int rc = store_size(s, &bytes, &free_bytes, err);

	if (rc < 0 || bytes <= max)
		return rc;
	if (!s->memory && !s->sweep && store_log_bytes(s) > max / LOG_SHARE) {
		log_cut(s);
		rc = store_size(s, &bytes, &free_bytes, err);
		if (rc < 0 || bytes <= max)
			return rc;
	}
	rc = store_used(s, &used, err);
	if (rc < 0)
		return rc;
	if (used <= enough)
		return free_bytes ? vacuum(s, err) : 0;
	/* What the deleted windows alone referred to may be enough. */
	rc = s->sweep ? 1 : is_sweep_due(s, err);
	if (rc > 0)
		rc = sweep_step(s, true, err) < 0 ? 0 : 1;
	return rc ? rc : cap_drop(s, now_unix_ns, ages, enough, err);
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

static int merges_step(struct store *s, uint64_t now_unix_ns, struct err *err)
{
	const uint64_t keep_s[] = {s->limits.fine_s, s->limits.minute_s};
	int rc = 0;

	for (enum tier from = TIER_FINE; from < TIER_HOUR && !rc; from++)
		if (keep_s[from] < now_unix_ns / NS_PER_S)
			rc = merge_step(s, from, now_unix_ns - keep_s[from] * NS_PER_S, err);
	return rc;
}

static int spare_step(struct store *s, struct err *err)
{
	uint64_t bytes, free_bytes;
	int rc = s->sweep ? 1 : is_sweep_due(s, err);

	if (rc < 0)
		return rc;
	if (rc) {
		rc = sweep_step(s, true, err);
		return rc < 0 ? rc : 1; /* its end may be the beginning of something else */
	}
	rc = store_size(s, &bytes, &free_bytes, err);
	if (!rc && free_bytes > FREE_BYTES && free_bytes > bytes / FREE_SHARE)
		rc = vacuum(s, err);
	return rc;
}

/* Windows that cannot be merged because they are damaged are no reason to let the file grow. */
static int step(struct store *s, uint64_t now_unix_ns, bool ages, struct err *err)
{
	int rc = ages ? expire_step(s, now_unix_ns, err) : 0, merged = 0;

	if (!rc && ages)
		merged = merges_step(s, now_unix_ns, err);
	if (rc || merged > 0)
		return rc ? rc : merged;
	rc = cap_step(s, now_unix_ns, ages, merged < 0 ? NULL : err);
	if (!rc)
		rc = spare_step(s, merged < 0 ? NULL : err);
	return merged < 0 && rc <= 0 ? merged : rc;
}

int store_maintain(
	struct store *s, uint64_t now_unix_ns, bool ages, unsigned budget_ms, struct err *err)
{
	uint64_t end_ns = clock_now_ns() + budget_ms * NS_PER_MS;
	int rc;

	do {
		rc = step(s, now_unix_ns, ages, err);
	} while (rc > 0 && clock_now_ns() < end_ns);
	return rc;
}
