/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening a store for reading. */
#include "store/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/file.h"
#include "store/schema.h"

enum { CACHE_KIB = 8192 };

static const char *const statements[READ_STATEMENTS] = {
	[READ_WINDOWS] = "SELECT id, start_unix_ns, duration_ns, lost, truncated, unmerged, "
			 "frames_seen, unsymbolized_frames, requested_hz, achieved_hz, "
			 "profiler_cpu_ns, profiler_kernel_ns, profiler_rss_bytes, samples "
			 "FROM windows "
			 "WHERE start_unix_ns < ?2 AND start_unix_ns + duration_ns > ?1 "
			 "ORDER BY start_unix_ns, id",
	[READ_WALKS] =
		"SELECT s.text, sum(k.samples) FROM windows w JOIN walks k ON k.window = w.id "
		"JOIN strings s ON s.id = k.cause "
		"WHERE w.start_unix_ns < ?2 AND w.start_unix_ns + w.duration_ns > ?1 "
		"GROUP BY k.cause",
	/* The same window by window, in the order of READ_WINDOWS. */
	[READ_WALKS_EACH] =
		"SELECT s.text, k.samples, w.id FROM windows w JOIN walks k ON k.window = w.id "
		"JOIN strings s ON s.id = k.cause "
		"WHERE w.start_unix_ns < ?2 AND w.start_unix_ns + w.duration_ns > ?1 "
		"ORDER BY w.start_unix_ns, w.id",
	[READ_COUNTS] = "SELECT period_ns, series_first, series_last, data FROM counts "
			"WHERE id >= (?1 << 20) AND id < ((?1 + 1) << 20) ORDER BY id",
	[READ_SERIES] = "SELECT s.pid, comm.text, container.text, s.start_ticks FROM series s "
			"JOIN strings comm ON comm.id = s.comm "
			"JOIN strings container ON container.id = s.container WHERE s.id = ?1",
	[READ_THREAD] = "SELECT t.tid, s.text FROM threads t JOIN strings s ON s.id = t.name "
			"WHERE t.series = ?1 AND t.number = ?2",
	[READ_STACK] = "SELECT parent, frame FROM stacks WHERE id = ?1",
	[READ_STACKS] = "SELECT id, parent, frame FROM stacks ORDER BY id",
	[READ_FRAME] = "SELECT r.line, f.kind, f.name, f.file, f.module FROM frames r "
		       "JOIN functions f ON f.id = r.function WHERE r.id = ?1",
	[READ_TEXT] = "SELECT text FROM strings WHERE id = ?1",
	[READ_META] = "SELECT name, value FROM meta WHERE typeof(value) = 'text' AND name IN "
		      "('kind', 'title', 'profd', 'source', 'roots')",
	[READ_PROCESSES] =
		"SELECT s.pid, comm.text, user.text, container.text, python.text, u.threads "
		"FROM series s JOIN strings comm ON comm.id = s.comm "
		"JOIN strings user ON user.id = s.user "
		"JOIN strings container ON container.id = s.container "
		"JOIN strings python ON python.id = s.python "
		"LEFT JOIN (SELECT series, max(threads) AS threads FROM usage GROUP BY series) u "
		"ON u.series = s.id ORDER BY s.id",
};

int reader_damaged(const struct db *db, struct err *err, const char *what, int64_t number)
{
	return err_set(err, -EUCLEAN, "the store %s is damaged: %s %lld; %s", db->path, what,
		(long long)number, db_repair(db));
}

static bool has_log(const char *path)
{
	char name[4096 + 8];
	struct stat st;

	snprintf(name, sizeof(name), "%s-wal", path);
	return stat(name, &st) == 0 && st.st_size > 0;
}

static int about_read(struct store_reader *r, struct err *err)
{
	sqlite3_stmt *s;
	int rc = db_use(&r->db, READ_META, &s, err, "");

	while (!rc && (rc = db_step(&r->db, s, err)) == 1) {
		const char *name = (const char *)sqlite3_column_text(s, 0),
			   *value = (const char *)sqlite3_column_text(s, 1);

		if (name && value)
			about_take(&r->about, name, value);
		rc = 0;
	}
	return rc;
}

/* What was opened has to be a store. */
static int reader_check(struct store_reader *r, struct err *err)
{
	int rc = schema_check(&r->db, &r->version, err);

	if (rc == -ENODATA)
		rc = err_set(err, -EUCLEAN,
			"%s is empty, not a store of profd; name another file, or start the daemon "
			"with it first",
			r->db.path);
	if (!rc)
		rc = about_read(r, err);
	if (rc < 0)
		db_close(&r->db);
	return rc;
}

static int reader_try(struct store_reader *r, const char *path, enum db_mode mode, struct err *err)
{
	int rc = db_open(&r->db, path, mode, CACHE_KIB, statements, READ_STATEMENTS, err);

	return rc < 0 ? rc : reader_check(r, err);
}

static int reader_start(struct store_reader *r, const char *path, struct err *err)
{
	struct stat st;
	int rc;

	if (stat(path, &st) < 0)
		return err_set(err, -errno, "cannot open the store %s: %s%s", path, strerror(errno),
			errno == ENOENT ? "; name the right file, or start the daemon" : "");
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EUCLEAN, "%s is not a regular file, so no store", path);
	if (access(path, R_OK) < 0)
		return err_set(err, -errno,
			"no permission to read the store %s; run as its owner, or ask the daemon",
			path);
	rc = reader_try(r, path, DB_READ, err);
	/* SQLite wants to make files beside one in WAL mode. Where it may not, and no log is there
	 * to be read, nobody writes. */
	if ((rc == -EACCES || rc == -EROFS || rc == -EIO || rc == -ENOENT) && !has_log(path))
		rc = reader_try(r, path, DB_IMMUTABLE, err);
	return rc;
}

static struct store_reader *reader_new(struct err *err)
{
	struct store_reader *r = calloc(1, sizeof(*r));

	if (!r)
		err_set(err, -ENOMEM, "out of memory for the store");
	return r;
}

struct store_reader *store_reader_open(const char *path, struct err *err)
{
	struct store_reader *r = reader_new(err);

	if (r && reader_start(r, path, err) == 0)
		return r;
	free(r);
	return NULL;
}

struct store_reader *store_reader_open_bytes(
	const void *bytes, size_t len, const char *name, struct err *err)
{
	struct store_reader *r = reader_new(err);
	int rc = -ENOMEM;

	if (r)
		rc = db_open_bytes(
			&r->db, bytes, len, name, CACHE_KIB, statements, READ_STATEMENTS, err);
	if (!rc)
		rc = reader_check(r, err);
	if (!rc)
		return r;
	free(r);
	return NULL;
}

void store_reader_close(struct store_reader *r)
{
	if (!r)
		return;
	db_close(&r->db);
	free(r->slices);
	free(r);
}

void store_reader_about(const struct store_reader *r, struct store_about *out)
{
	*out = r->about;
}

const struct store_slice *store_reader_slices(const struct store_reader *r)
{
	return r->slices;
}

/* ---- processes ---------------------------------------------------------------------------------
 */

static const char *text_at(sqlite3_stmt *s, int i)
{
	const char *text = (const char *)sqlite3_column_text(s, i);

	return text ? text : "";
}

int store_reader_processes(
	struct store_reader *r, store_process_fn *each, void *arg, struct err *err)
{
	sqlite3_stmt *s;
	int rc = db_use(&r->db, READ_PROCESSES, &s, err, "");

	while (!rc && (rc = db_step(&r->db, s, err)) == 1) {
		int64_t threads = sqlite3_column_int64(s, 5);
		const struct store_process p = {.pid = (uint32_t)sqlite3_column_int64(s, 0),
			.comm = text_at(s, 1),
			.user = text_at(s, 2),
			.container = text_at(s, 3),
			.python = text_at(s, 4),
			.threads = threads > 0 && threads <= UINT32_MAX ? (uint32_t)threads : 0};

		rc = each(arg, &p);
		if (rc)
			db_done(s);
	}
	return rc;
}

void store_reader_span(const struct store_reader *r, struct store_span *out)
{
	*out = r->span;
}
