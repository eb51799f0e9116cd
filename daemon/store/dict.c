/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/dict.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/intern.h"
#include "store/db.h"
#include "store/marks.h"
#include "store/statements.h"

/* All of them full, the dictionaries take about 20 MB. */
enum {
	TEXTS_MAX = 1 << 15,
	TEXTS_BYTES_MAX = 4 << 20,
	TEXT_BYTES_MAX = 8192,
	FUNCTIONS_MAX = 24 << 10, /* three quarters of a power of two: base/map's fullest */
	FRAMES_MAX = 24 << 10,
	STACKS_MAX = 96 << 10,
	THREADS_PER_SERIES_MAX = 1 << 30,
};

struct edge {
	int64_t parent, child;
};

int dict_init(struct dict *d, struct db *db)
{
	*d = (struct dict){.db = db, .n_stacks = -1, .n_series = -1};
	cache_init(&d->functions, sizeof(struct dict_function), sizeof(int64_t), FUNCTIONS_MAX);
	cache_init(&d->frames, sizeof(struct edge), sizeof(int64_t), FRAMES_MAX);
	cache_init(&d->stacks, sizeof(struct edge), sizeof(int64_t), STACKS_MAX);
	d->texts = intern_new();
	return d->texts ? 0 : -ENOMEM;
}

void dict_free(struct dict *d)
{
	intern_free(d->texts);
	free(d->ids);
	cache_drop(&d->functions);
	cache_drop(&d->frames);
	cache_drop(&d->stacks);
	*d = (struct dict){0};
}

static void texts_drop(struct dict *d)
{
	struct intern *fresh = intern_new();

	if (!fresh) {
		/* The texts stay, their numbers are forgotten. */
		for (size_t i = 0; i < d->cap_ids; i++)
			d->ids[i] = -1;
		return;
	}
	intern_free(d->texts);
	d->texts = fresh;
	free(d->ids);
	d->ids = NULL;
	d->cap_ids = d->text_bytes = 0;
}

void dict_drop(struct dict *d)
{
	texts_drop(d);
	cache_drop(&d->functions);
	cache_drop(&d->frames);
	cache_drop(&d->stacks);
	d->n_stacks = d->n_series = -1;
}

static void mark(struct dict *d, enum mark_table table, int64_t id)
{
	if (d->marks)
		marks_set(d->marks, table, id);
}

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory for the store");
}

/* ---- texts -------------------------------------------------------------------------------------
 */

/* Where the row number of a text is remembered; NULL: out of memory. */
static int64_t *text_slot(struct dict *d, const char *text, size_t len)
{
	uint32_t before = intern_count(d->texts), number;

	if (before >= TEXTS_MAX || d->text_bytes > TEXTS_BYTES_MAX)
		texts_drop(d);
	before = intern_count(d->texts);
	number = intern_bytes(d->texts, text, len);
	if (!number)
		return NULL;
	if (number >= d->cap_ids) {
		size_t cap = d->cap_ids ? d->cap_ids * 2 : 256;
		int64_t *ids = realloc(d->ids, cap * sizeof(*ids));

		if (!ids)
			return NULL;
		for (size_t i = d->cap_ids; i < cap; i++)
			ids[i] = -1;
		d->ids = ids;
		d->cap_ids = cap;
	}
	if (intern_count(d->texts) > before)
		d->text_bytes += len + 1;
	return &d->ids[number];
}

int dict_text(struct dict *d, const char *text, int64_t *id, struct err *err)
{
	size_t len = text ? strnlen(text, TEXT_BYTES_MAX) : 0;
	int64_t *slot;
	const char *kept;
	int rc;

	*id = 0;
	if (!len)
		return 0;
	slot = text_slot(d, text, len);
	if (!slot)
		return no_memory(err);
	if (*slot < 0) {
		kept = intern_text(d->texts, (uint32_t)(slot - d->ids));
		rc = db_find(d->db, TEXT_FIND, slot, err, "t", kept);
		if (!rc)
			rc = db_run(d->db, TEXT_ADD, err, "t", kept);
		if (rc < 0)
			return rc;
		if (!rc)
			*slot = sqlite3_last_insert_rowid(d->db->handle);
	}
	*id = *slot;
	mark(d, MARK_STRINGS, *id);
	return 0;
}

/* ---- functions, frames, stacks -----------------------------------------------------------------
 */

static int function_number(
	struct dict *d, const struct dict_function *f, int64_t *id, struct err *err)
{
	int64_t *known = cache_get(&d->functions, f);
	int rc;

	if (known) {
		*id = *known;
		return 0;
	}
	rc = db_find(d->db, FUNCTION_FIND, id, err, "iiii", f->name, f->file, f->module, f->kind);
	if (!rc) {
		rc = db_run(d->db, FUNCTION_ADD, err, "iiii", f->name, f->file, f->module, f->kind);
		*id = sqlite3_last_insert_rowid(d->db->handle);
	}
	if (rc < 0)
		return rc;
	cache_put(&d->functions, f, id);
	return 0;
}

int dict_frame(struct dict *d, const struct dict_function *function, uint32_t line, int64_t *id,
	struct err *err)
{
	struct edge key = {.child = line};
	int64_t *known;
	int rc = function_number(d, function, &key.parent, err);

	if (rc < 0)
		return rc;
	mark(d, MARK_FUNCTIONS, key.parent);
	known = cache_get(&d->frames, &key);
	if (known) {
		*id = *known;
	} else {
		rc = db_find(d->db, FRAME_FIND, id, err, "ii", key.parent, key.child);
		if (!rc) {
			rc = db_run(d->db, FRAME_ADD, err, "ii", key.parent, key.child);
			*id = sqlite3_last_insert_rowid(d->db->handle);
		}
		if (rc < 0)
			return rc;
		cache_put(&d->frames, &key, id);
	}
	mark(d, MARK_FRAMES, *id);
	return 0;
}

int dict_stack(struct dict *d, int64_t parent, int64_t frame, int64_t *id, struct err *err)
{
	struct edge key = {parent, frame};
	int64_t *known = cache_get(&d->stacks, &key);
	int rc;

	if (known) {
		*id = *known;
		mark(d, MARK_STACKS, *id);
		return 0;
	}
	rc = db_find(d->db, STACK_FIND, id, err, "ii", parent, frame);
	if (!rc) {
		rc = db_run(d->db, STACK_ADD, err, "ii", parent, frame);
		*id = sqlite3_last_insert_rowid(d->db->handle);
		if (d->n_stacks >= 0)
			d->n_stacks++;
	}
	if (rc < 0)
		return rc;
	/* Readers rely on it to find the end of every chain. */
	if (*id <= parent)
		return err_set(err, -EUCLEAN,
			"the store %s is damaged: stack %lld lies below a later one; move it away "
			"and the daemon makes a new one",
			d->db->path, (long long)*id);
	cache_put(&d->stacks, &key, id);
	mark(d, MARK_STACKS, *id);
	return 0;
}

/* ---- processes and threads ---------------------------------------------------------------------
 */

enum { BOOT, COMM, EXE, CONTAINER, USER, COMMAND_LINE, CGROUP, PYTHON, SERIES_TEXTS };

static int series_add(
	struct dict *d, const struct series *s, const int64_t *texts, int64_t *id, struct err *err)
{
	int rc = db_run(d->db, SERIES_ADD, err, "iiiiiiiiiiii", (int64_t)s->pid,
		(int64_t)s->start_ticks, texts[BOOT], (int64_t)s->uid, texts[COMM], texts[EXE],
		texts[CONTAINER], (int64_t)s->start_unix_ns, texts[USER], texts[COMMAND_LINE],
		texts[CGROUP], texts[PYTHON]);

	*id = sqlite3_last_insert_rowid(d->db->handle);
	if (!rc && d->n_series >= 0)
		d->n_series++;
	return rc;
}

/* What may change or become known while a process lives keeps its latest value. */
static int series_renew(struct dict *d, const int64_t *texts, int64_t id, struct err *err)
{
	return db_run(d->db, SERIES_RENEW, err, "iiiii", id, texts[USER], texts[COMMAND_LINE],
		texts[CGROUP], texts[PYTHON]);
}

int dict_series(struct dict *d, const struct series *s, int64_t *id, struct err *err)
{
	const char *const sources[SERIES_TEXTS] = {s->boot, s->comm, s->exe, s->container, s->user,
		s->command_line, s->cgroup, s->python};
	int64_t texts[SERIES_TEXTS];
	sqlite3_stmt *found;
	bool same = true;
	int rc = 0;

	for (int i = 0; i < SERIES_TEXTS && !rc; i++)
		rc = dict_text(d, sources[i], &texts[i], err);
	if (!rc)
		rc = db_use(d->db, SERIES_FIND, &found, err, "iiiiiii", (int64_t)s->pid,
			(int64_t)s->start_ticks, texts[BOOT], (int64_t)s->uid, texts[COMM],
			texts[EXE], texts[CONTAINER]);
	if (!rc)
		rc = db_step(d->db, found, err);
	if (rc < 0)
		return rc;
	if (!rc) {
		rc = series_add(d, s, texts, id, err);
	} else {
		*id = sqlite3_column_int64(found, 0);
		for (int i = USER; i < SERIES_TEXTS; i++)
			same = same &&
			       (!texts[i] || sqlite3_column_int64(found, i - USER + 1) == texts[i]);
		db_done(found);
		rc = same ? 0 : series_renew(d, texts, *id, err);
	}
	mark(d, MARK_SERIES, *id);
	return rc;
}

int dict_thread(struct dict *d, int64_t series, uint32_t tid, const char *name, uint32_t *number,
	struct err *err)
{
	int64_t text, found;
	int rc = dict_text(d, name, &text, err);

	if (!rc)
		rc = db_find(d->db, THREAD_FIND, &found, err, "iii", series, (int64_t)tid, text);
	if (!rc)
		rc = db_find(d->db, THREAD_ADD, &found, err, "iii", series, (int64_t)tid, text);
	if (rc < 0)
		return rc;
	if (found < 1 || found > THREADS_PER_SERIES_MAX)
		return err_set(err, -EUCLEAN,
			"the store %s is damaged: thread number %lld; move it away and the daemon "
			"makes a new one",
			d->db->path, (long long)found);
	*number = (uint32_t)found;
	if (d->marks)
		marks_set_thread(d->marks, series, *number);
	return 0;
}
