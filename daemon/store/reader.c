/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening a store for reading. */
#include "store/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/schema.h"

enum { CACHE_KIB = 8192 };

static const char *const statements[READ_STATEMENTS] = {
	[READ_WINDOWS] = "SELECT id, start_unix_ns, duration_ns, lost, truncated, unmerged, "
			 "frames_seen, unsymbolized_frames, requested_hz, achieved_hz, "
			 "profiler_cpu_ns, profiler_kernel_ns, profiler_rss_bytes FROM windows "
			 "WHERE start_unix_ns < ?2 AND start_unix_ns + duration_ns > ?1 "
			 "ORDER BY start_unix_ns, id",
	[READ_WALKS] =
		"SELECT s.text, sum(k.samples) FROM windows w JOIN walks k ON k.window = w.id "
		"JOIN strings s ON s.id = k.cause "
		"WHERE w.start_unix_ns < ?2 AND w.start_unix_ns + w.duration_ns > ?1 "
		"GROUP BY k.cause",
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
};

int reader_damaged(const struct db *db, struct err *err, const char *what, int64_t number)
{
	return err_set(err, -EUCLEAN,
		"the store %s is damaged: %s %lld; move it away and the daemon makes a new one",
		db->path, what, (long long)number);
}

static bool has_log(const char *path)
{
	char name[4096 + 8];
	struct stat st;

	snprintf(name, sizeof(name), "%s-wal", path);
	return stat(name, &st) == 0 && st.st_size > 0;
}

static int reader_try(struct store_reader *r, const char *path, enum db_mode mode, struct err *err)
{
	int rc = db_open(&r->db, path, mode, CACHE_KIB, statements, READ_STATEMENTS, err);

	if (rc < 0)
		return rc;
	rc = schema_check(&r->db, &r->version, err);
	if (rc == -ENODATA)
		rc = err_set(err, -EUCLEAN,
			"%s is empty, not a store of profd; start the daemon with it first", path);
	if (rc < 0)
		db_close(&r->db);
	return rc;
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

struct store_reader *store_reader_open(const char *path, struct err *err)
{
	struct store_reader *r = calloc(1, sizeof(*r));

	if (!r) {
		err_set(err, -ENOMEM, "out of memory for the store");
		return NULL;
	}
	if (reader_start(r, path, err) == 0)
		return r;
	free(r);
	return NULL;
}

void store_reader_close(struct store_reader *r)
{
	if (!r)
		return;
	db_close(&r->db);
	free(r);
}

void store_reader_span(const struct store_reader *r, struct store_span *out)
{
	*out = r->span;
}
