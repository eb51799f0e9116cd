/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "store/reader.h"

enum { TEXTS_MAX = 1024, SQL_BYTES_MAX = 1 << 17 };

static const char every_series[] =
	"SELECT s.id FROM series s JOIN strings comm ON comm.id = s.comm "
	"JOIN strings user ON user.id = s.user JOIN strings container ON container.id = s.container "
	"WHERE 1";

bool query_is_chosen(const struct store_query *q)
{
	return q->n_pids || q->comms.n || q->containers.n || q->users.n || q->threads.n ||
	       q->one_uid;
}

/* ---- SQL: first its text, then the same order of parameters ------------------------------------
 */

static void sql_list(struct buf *sql, const char *column, size_t n)
{
	buf_printf(sql, "%s IN (", column);
	for (size_t i = 0; i < n; i++)
		buf_puts(sql, i ? ",?" : "?");
	buf_putc(sql, ')');
}

static void sql_write(struct buf *sql, const struct store_query *q)
{
	buf_puts(sql, every_series);
	if (q->one_uid)
		buf_puts(sql, " AND s.uid = ?");
	if (q->n_pids)
		sql_list(sql, " AND s.pid", q->n_pids);
	if (q->comms.n)
		sql_list(sql, " AND comm.text", q->comms.n);
	if (q->users.n) {
		sql_list(sql, " AND (user.text", q->users.n);
		sql_list(sql, " OR CAST(s.uid AS TEXT)", q->users.n);
		buf_putc(sql, ')');
	}
	if (q->containers.n) {
		buf_puts(sql, " AND (0");
		for (size_t i = 0; i < q->containers.n; i++)
			buf_puts(sql, " OR (length(?) > 0 AND "
				      "substr(container.text, 1, length(?)) = ?)"
				      " OR (? = 'host' AND s.container = 0)");
		buf_putc(sql, ')');
	}
	buf_puts(sql, " ORDER BY s.id");
}

static int bind_texts(sqlite3_stmt *s, int *at, const struct store_texts *texts, int times)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < texts->n; i++)
		for (int k = 0; k < times && rc == SQLITE_OK; k++)
			rc = sqlite3_bind_text(s, (*at)++, texts->list[i], -1, SQLITE_STATIC);
	return rc;
}

static int bind_query(sqlite3_stmt *s, const struct store_query *q)
{
	int at = 1, rc = SQLITE_OK;

	if (q->one_uid)
		rc = sqlite3_bind_int64(s, at++, q->uid);
	for (size_t i = 0; i < q->n_pids && rc == SQLITE_OK; i++)
		rc = sqlite3_bind_int64(s, at++, q->pids[i]);
	if (rc == SQLITE_OK)
		rc = bind_texts(s, &at, &q->comms, 1);
	if (rc == SQLITE_OK)
		rc = bind_texts(s, &at, &q->users, 1);
	if (rc == SQLITE_OK)
		rc = bind_texts(s, &at, &q->users, 1);
	if (rc == SQLITE_OK)
		rc = bind_texts(s, &at, &q->containers, 4);
	return rc;
}

/* ---- the result --------------------------------------------------------------------------------
 */

static int ids_add(struct chosen *c, size_t *cap, int64_t id)
{
	if (c->n == *cap) {
		size_t more = *cap ? *cap * 2 : 64;
		int64_t *ids = realloc(c->ids, more * sizeof(*ids));

		if (!ids)
			return -ENOMEM;
		c->ids = ids;
		*cap = more;
	}
	c->ids[c->n++] = id;
	return 0;
}

static int rows_read(struct chosen *c, struct db *db, sqlite3_stmt *s, struct err *err)
{
	size_t cap = 0;
	int rc;

	while ((rc = db_step(db, s, err)) == 1)
		if (ids_add(c, &cap, sqlite3_column_int64(s, 0)) < 0)
			return err_set(err, -ENOMEM, "out of memory for the processes of a store");
	return rc;
}

int chosen_make(struct chosen *c, struct db *db, const struct store_query *q, struct err *err)
{
	sqlite3_stmt *s = NULL;
	struct buf sql;
	int rc;

	*c = (struct chosen){.all = !query_is_chosen(q)};
	if (c->all)
		return 0;
	if (q->n_pids > TEXTS_MAX || q->comms.n > TEXTS_MAX || q->users.n > TEXTS_MAX ||
		q->containers.n > TEXTS_MAX)
		return err_set(err, -E2BIG, "a question names at most %d of a kind", TEXTS_MAX);
	buf_init(&sql, SQL_BYTES_MAX);
	sql_write(&sql, q);
	if (sql.error)
		rc = err_set(err, sql.error, "the question is too long");
	else {
		rc = sqlite3_prepare_v2(db->handle, sql.data, (int)sql.len, &s, NULL);
		if (rc == SQLITE_OK)
			rc = bind_query(s, q);
		rc = rc == SQLITE_OK ? rows_read(c, db, s, err) : db_fail(db, rc, err);
	}
	sqlite3_finalize(s);
	buf_free(&sql);
	return rc;
}

void chosen_free(struct chosen *c)
{
	free(c->ids);
	*c = (struct chosen){0};
}

bool chosen_any(const struct chosen *c, int64_t first, int64_t last)
{
	size_t low = 0, high = c->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (c->ids[middle] < first)
			low = middle + 1;
		else
			high = middle;
	}
	return c->all || (low < c->n && c->ids[low] <= last);
}

bool chosen_has(const struct chosen *c, int64_t id)
{
	return chosen_any(c, id, id);
}

bool thread_chosen(const struct store_query *q, uint32_t tid, const char *name)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", tid);
	for (size_t i = 0; i < q->threads.n; i++)
		if (!strcmp(q->threads.list[i], name) || !strcmp(q->threads.list[i], number))
			return true;
	return !q->threads.n;
}
