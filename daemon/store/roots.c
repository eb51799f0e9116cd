/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/roots.h"

#include <errno.h>
#include <stdio.h>

#include "base/map.h"

enum { NAME_BYTES = 512 };

struct series_key {
	int64_t series;
	uint64_t thread; /* 0: all of them */
};

struct series_row {
	uint32_t pid, start;
	char comm[NAME_BYTES], container[NAME_BYTES];
};

static bool has_thread_root(const struct store_query *q)
{
	return q->root == STORE_ROOT_THREAD || q->root == STORE_ROOT_THREAD_ONLY ||
	       q->root == STORE_ROOT_NUMBERED;
}

static int series_read(struct roots *r, int64_t series, struct series_row *row, struct err *err)
{
	struct db *db = r->db;
	const char *comm, *container;
	sqlite3_stmt *s;
	int rc = db_use(db, READ_SERIES, &s, err, "i", series);

	if (!rc)
		rc = db_step(db, s, err);
	if (rc < 0)
		return rc;
	if (!rc)
		return reader_damaged(db, err, "a process is missing", series);
	row->pid = (uint32_t)sqlite3_column_int64(s, 0);
	row->start = (uint32_t)sqlite3_column_int64(s, 3);
	comm = (const char *)sqlite3_column_text(s, 1);
	container = (const char *)sqlite3_column_text(s, 2);
	snprintf(row->comm, sizeof(row->comm), "%s", comm && *comm ? comm : "?");
	snprintf(row->container, sizeof(row->container), "%s",
		container && *container ? container : "(host)");
	db_done(s);
	return 0;
}

/* The line of a process's frame keeps apart those that had the same name and PID one after the
 * other. */
static int series_root(struct roots *r, int64_t series, uint32_t *node, struct err *err)
{
	char name[NAME_BYTES + 32];
	struct series_row row;
	uint32_t parent = 0;
	int rc;

	*node = 0;
	if (r->query->root == STORE_ROOT_NONE || r->query->root == STORE_ROOT_THREAD_ONLY)
		return 0;
	rc = series_read(r, series, &row, err);
	if (rc < 0)
		return rc;
	if (r->query->root == STORE_ROOT_CONTAINER)
		rc = forest_root(r->forest, 0, FRAME_CONTAINER, row.container, 0, &parent, err);
	if (rc < 0)
		return rc;
	if (r->query->root == STORE_ROOT_COMM || r->query->root == STORE_ROOT_CONTAINER)
		return forest_root(r->forest, parent, FRAME_PROCESS, row.comm, 0, node, err);
	if (r->query->root == STORE_ROOT_NUMBERED)
		return forest_root(r->forest, 0, FRAME_PROCESS, row.comm, row.pid, node, err);
	snprintf(name, sizeof(name), "%s (%u)", row.comm, row.pid);
	return forest_root(r->forest, 0, FRAME_PROCESS, name, row.start, node, err);
}

static int thread_root(struct roots *r, int64_t series, uint32_t number, uint32_t parent,
	uint32_t *node, struct err *err)
{
	struct db *db = r->db;
	char name[NAME_BYTES], label[NAME_BYTES + 32];
	sqlite3_stmt *s;
	const char *text;
	uint32_t tid;
	int rc = db_use(db, READ_THREAD, &s, err, "ii", series, (int64_t)number);

	if (!rc)
		rc = db_step(db, s, err);
	if (rc < 0)
		return rc;
	if (!rc)
		return reader_damaged(db, err, "a thread is missing of process", series);
	tid = (uint32_t)sqlite3_column_int64(s, 0);
	text = (const char *)sqlite3_column_text(s, 1);
	snprintf(name, sizeof(name), "%s", text ? text : "");
	db_done(s);
	*node = ROOTS_NO_MATCH;
	if (!thread_chosen(r->query, tid, name))
		return 0;
	*node = parent;
	if (!has_thread_root(r->query))
		return 0;
	if (!*name)
		snprintf(name, sizeof(name), "?");
	snprintf(label, sizeof(label), "%s (%u)", name, tid);
	return forest_root(r->forest, parent, FRAME_THREAD,
		r->query->root == STORE_ROOT_NUMBERED ? name : label, tid, node, err);
}

static int root_make(struct roots *r, const struct series_key *key, uint32_t *root, struct err *err)
{
	uint32_t parent;
	int rc;

	*root = ROOTS_NO_MATCH;
	if (!chosen_has(r->chosen, key->series))
		return 0;
	rc = series_root(r, key->series, &parent, err);
	if (!rc && key->thread)
		return thread_root(r, key->series, (uint32_t)key->thread, parent, root, err);
	*root = parent;
	return rc;
}

int roots_find(struct roots *r, const struct pack_entry *e, uint32_t *root, struct err *err)
{
	bool by_thread = r->query->threads.n || has_thread_root(r->query);
	struct series_key key = {(int64_t)e->series, by_thread ? e->thread : 0};
	uint32_t *known = map_get(r->known, &key);
	int rc;

	if (known) {
		*root = *known;
		return 0;
	}
	rc = root_make(r, &key, root, err);
	if (rc < 0)
		return rc;
	known = map_put(r->known, &key, NULL);
	if (!known)
		return err_set(err, -ENOMEM,
			"not enough memory for the answer; ask for a shorter time or fewer "
			"processes");
	*known = *root;
	return 0;
}

int roots_init(struct roots *r)
{
	r->known = map_new(sizeof(struct series_key), sizeof(uint32_t));
	return r->known ? 0 : -ENOMEM;
}

void roots_free(struct roots *r)
{
	map_free(r->known);
}
