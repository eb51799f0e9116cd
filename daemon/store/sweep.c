/* SPDX-License-Identifier: BSD-2-Clause */
/* Deletes strings, functions, frames, stacks, threads and series that nothing refers to any more.
 * In pieces, between which windows are written and merged:
 *
 *   1. all windows are read and what they refer to is marked, from the highest number down: merging
 *      moves rows to lower numbers, so that none is missed. A window that is written meanwhile
 * marks what it refers to itself (dict.c, counts_put);
 *   2. the tables are gone through, each from its highest number down, those that refer before
 *      those that are referred to: a row that is marked marks what it refers to, another is
 *      deleted. A stack's parent has a lower number than the stack.
 *
 * Rows that were made after the beginning are not deleted. */
#include <errno.h>
#include <stdlib.h>

#include "store/inner.h"
#include "store/marks.h"
#include "store/statements.h"

#define LOG_ROOM "store"
#include "base/log.h"

enum { WINDOWS_PER_STEP = 32, ROWS_PER_STEP = 2048 };

enum stage {
	STAGE_WINDOWS,
	STAGE_STACKS,
	STAGE_FRAMES,
	STAGE_FUNCTIONS,
	STAGE_SERIES,
	STAGE_THREADS,
	STAGE_STRINGS,
	STAGES
};

/* How the rows of a table are gone through. */
static const struct {
	enum statement list, drop;
	enum mark_table table;
	struct {
		enum mark_table table;
		int column, n; /* `n` columns from `column` on refer to that table */
	} refers[2];
} tables[STAGES] = {
	[STAGE_STACKS] = {SWEEP_STACKS, STACK_DROP, MARK_STACKS,
		{{MARK_STACKS, 1, 1}, {MARK_FRAMES, 2, 1}}},
	[STAGE_FRAMES] = {SWEEP_FRAMES, FRAME_DROP, MARK_FRAMES, {{MARK_FUNCTIONS, 1, 1}}},
	[STAGE_FUNCTIONS] = {SWEEP_FUNCTIONS, FUNCTION_DROP, MARK_FUNCTIONS,
		{{MARK_STRINGS, 1, 3}}},
	[STAGE_SERIES] = {SWEEP_SERIES, SERIES_DROP, MARK_SERIES, {{MARK_STRINGS, 1, 8}}},
	[STAGE_STRINGS] = {SWEEP_STRINGS, STRING_DROP, MARK_STRINGS, {{0}}},
};

struct row_key {
	int64_t id, number; /* number: of threads */
};

struct sweep {
	struct marks marks;
	enum stage stage;
	struct row_key at;       /* the last row that was seen */
	uint64_t deleted_before; /* store.deleted at the beginning */
	uint64_t dropped;        /* rows */
	struct row_key drop[ROWS_PER_STEP];
	size_t n_drop;
};

void sweep_free(struct store *s)
{
	if (!s->sweep)
		return;
	s->dict.marks = NULL;
	marks_free(&s->sweep->marks);
	free(s->sweep);
	s->sweep = NULL;
}

static int sweep_start(struct store *s, struct err *err)
{
	static const char *const sizes[MARK_TABLES] = {
		[MARK_STRINGS] = "SELECT max(id) + 1 FROM strings",
		[MARK_FUNCTIONS] = "SELECT max(id) + 1 FROM functions",
		[MARK_FRAMES] = "SELECT max(id) + 1 FROM frames",
		[MARK_STACKS] = "SELECT max(id) + 1 FROM stacks",
		[MARK_SERIES] = "SELECT max(id) + 1 FROM series",
	};
	int64_t ends[MARK_TABLES];
	int rc = 0;

	for (int i = 0; i < MARK_TABLES && !rc; i++)
		rc = db_number(&s->db, sizes[i], &ends[i], err);
	if (rc < 0)
		return rc;
	s->sweep = calloc(1, sizeof(*s->sweep));
	rc = s->sweep ? marks_init(&s->sweep->marks, ends) : -ENOMEM;
	if (rc < 0) {
		free(s->sweep);
		s->sweep = NULL;
		return err_set(err, rc, "not enough memory for sweeping the store");
	}
	s->sweep->at.id = INT64_MAX;
	s->sweep->deleted_before = s->deleted;
	s->dict.marks = &s->sweep->marks;
	return 0;
}

/* ---- marking -----------------------------------------------------------------------------------
 */

void sweep_mark_row(struct store *s, uint64_t series_first, const void *data, size_t len)
{
	struct marks *marks = s->dict.marks;
	struct unpacker u;
	int rc;

	if (!marks)
		return;
	unpacker_init(&u, series_first, data, len);
	while ((rc = unpacker_next(&u)) == 1) {
		marks_set(marks, MARK_STACKS, (int64_t)u.now.stack);
		marks_set(marks, MARK_SERIES, (int64_t)u.now.series);
		marks_set_thread(marks, (int64_t)u.now.series, u.now.thread);
	}
	if (rc < 0)
		marks->failed = true; /* nobody knows what it refers to */
}

static int mark_column(struct store *s, enum statement which, int64_t window, enum mark_table table,
	struct err *err)
{
	sqlite3_stmt *row;
	int rc = db_use(&s->db, which, &row, err, "i", window);

	while (!rc && (rc = db_step(&s->db, row, err)) == 1) {
		marks_set(s->dict.marks, table, sqlite3_column_int64(row, 0));
		rc = 0;
	}
	return rc;
}

static int mark_window(struct store *s, int64_t window, struct err *err)
{
	sqlite3_stmt *row;
	int rc = db_use(&s->db, SWEEP_COUNTS, &row, err, "i", window);

	while (!rc && (rc = db_step(&s->db, row, err)) == 1) {
		sweep_mark_row(s, (uint64_t)sqlite3_column_int64(row, 0),
			sqlite3_column_blob(row, 1), (size_t)sqlite3_column_bytes(row, 1));
		rc = 0;
	}
	if (!rc)
		rc = mark_column(s, SWEEP_USAGE, window, MARK_SERIES, err);
	if (!rc)
		rc = mark_column(s, SWEEP_WALKS, window, MARK_STRINGS, err);
	return rc;
}

/* 1: there are more windows. */
static int windows_step(struct store *s, struct err *err)
{
	struct sweep *w = s->sweep;

	for (int i = 0; i < WINDOWS_PER_STEP; i++) {
		int rc = db_find(&s->db, SWEEP_WINDOW_NEXT, &w->at.id, err, "i", w->at.id);

		if (rc == 1)
			rc = mark_window(s, w->at.id, err);
		else if (!rc)
			return 0;
		if (rc < 0)
			return rc;
	}
	return 1;
}

/* ---- deleting ----------------------------------------------------------------------------------
 */

static int list_use(struct store *s, sqlite3_stmt **row, struct err *err)
{
	const struct sweep *w = s->sweep;

	if (w->stage == STAGE_THREADS)
		return db_use(&s->db, SWEEP_THREADS, row, err, "iii", w->at.id, w->at.number,
			(int64_t)ROWS_PER_STEP);
	return db_use(
		&s->db, tables[w->stage].list, row, err, "ii", w->at.id, (int64_t)ROWS_PER_STEP);
}

static bool row_keep(struct sweep *w, sqlite3_stmt *row, struct row_key *key)
{
	struct marks *marks = &w->marks;

	key->id = sqlite3_column_int64(row, 0);
	key->number = 0;
	if (w->stage == STAGE_THREADS) {
		key->number = sqlite3_column_int64(row, 1);
		if (!marks_has_thread(marks, key->id, (uint32_t)key->number))
			return false;
		marks_set(marks, MARK_STRINGS, sqlite3_column_int64(row, 2));
		return true;
	}
	if (!marks_has(marks, tables[w->stage].table, key->id))
		return false;
	for (size_t i = 0; i < 2; i++)
		for (int k = 0; k < tables[w->stage].refers[i].n; k++)
			marks_set(marks, tables[w->stage].refers[i].table,
				sqlite3_column_int64(row, tables[w->stage].refers[i].column + k));
	return true;
}

static int rows_drop(struct store *s, struct err *err)
{
	struct sweep *w = s->sweep;
	int rc = 0;

	for (size_t i = 0; i < w->n_drop && !rc; i++)
		rc = w->stage == STAGE_THREADS
			     ? db_run(&s->db, THREAD_DROP, err, "ii", w->drop[i].id,
				       w->drop[i].number)
			     : db_run(&s->db, tables[w->stage].drop, err, "i", w->drop[i].id);
	return rc;
}

/* 1: there are more rows. `at` moves on with the transaction only. */
static int rows_step(struct store *s, struct err *err)
{
	struct sweep *w = s->sweep;
	struct row_key key = w->at;
	sqlite3_stmt *row;
	size_t n = 0;
	int rc = db_begin(&s->db, err);

	if (rc < 0)
		return rc;
	w->n_drop = 0;
	rc = list_use(s, &row, err);
	while (!rc && (rc = db_step(&s->db, row, err)) == 1) {
		if (!row_keep(w, row, &key))
			w->drop[w->n_drop++] = key;
		n++;
		rc = 0;
	}
	if (!rc && w->marks.failed)
		rc = err_set(err, -ENOMEM, "not enough memory for sweeping the store");
	if (!rc)
		rc = rows_drop(s, err);
	rc = store_end(s, rc, err);
	if (rc < 0)
		return rc;
	w->at = key;
	w->dropped += w->n_drop;
	if (w->n_drop) {
		dict_drop(&s->dict);
		cache_drop(&s->nodes);
	}
	return n == ROWS_PER_STEP;
}

static int sweep_end(struct store *s, struct err *err)
{
	uint64_t left = s->deleted - s->sweep->deleted_before;
	int rc = db_begin(&s->db, err);

	if (!rc)
		rc = store_end(s, store_meta_set(s, "deleted_samples", (int64_t)left, err), err);
	if (rc < 0)
		return rc;
	log_debug("swept %llu rows that nothing refers to", (unsigned long long)s->sweep->dropped);
	s->deleted = left;
	sweep_free(s);
	return 0;
}

int sweep_step(struct store *s, bool wanted, struct err *err)
{
	int rc = 0;

	if (!s->sweep) {
		rc = wanted ? sweep_start(s, err) : 0;
		return rc < 0 || !wanted ? rc : 1;
	}
	if (s->sweep->marks.failed) {
		log_warn("cannot tell what is in use in the store: too large, or damaged; nothing "
			 "is swept");
		return sweep_end(s, err);
	}
	rc = s->sweep->stage == STAGE_WINDOWS ? windows_step(s, err) : rows_step(s, err);
	if (rc)
		return rc;
	s->sweep->stage++;
	s->sweep->at = (struct row_key){INT64_MAX, INT64_MAX};
	if (s->sweep->stage < STAGES)
		return 1;
	return sweep_end(s, err);
}
