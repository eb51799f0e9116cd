/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening and closing the writer's side. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/map.h"
#include "store/inner.h"
#include "store/lock.h"
#include "store/schema.h"
#include "store/statements.h"

enum { CACHE_KIB = 1024, NODES_MAX = 48 << 10, NODE_BYTES = 16, FILE_MODE = 0640 };

const struct store_limits store_limits_default = {
	.fine_s = 6 * 3600,
	.minute_s = 7 * 86400,
	.hour_s = 90 * 86400,
	.max_bytes = 1 << 30,
};

/* ---- opening -----------------------------------------------------------------------------------
 */

static int cannot_write(const char *path, int cause, struct err *err)
{
	if (cause == EACCES || cause == EPERM || cause == EROFS)
		return err_set(err, cause == EROFS ? -EROFS : -EACCES,
			"the store %s may not be written: %s; run as its owner, or name a store "
			"elsewhere",
			path, strerror(cause));
	return err_set(err, -cause, "cannot open the store %s: %s", path, strerror(cause));
}

/* Makes the file where there is none. One that exists is not opened: closing it would let go the
 * locks that a reader in this process may hold on it. */
static int file_prepare(const char *path, struct err *err)
{
	struct stat st;
	int fd;

	if (stat(path, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			return err_set(err, -EUCLEAN,
				"%s is not a regular file; name another file for the store", path);
		return faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) < 0
			       ? cannot_write(path, errno, err)
			       : 0;
	}
	fd = errno == ENOENT ? open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE) : -1;
	if (fd < 0)
		return cannot_write(path, errno, err);
	if (fchmod(fd, FILE_MODE) < 0) {
		int cause = errno;

		close(fd);
		return cannot_write(path, cause, err);
	}
	close(fd);
	return 0;
}

/* A profile file is somebody's, and is to stay as it is. Asked before the first change to the file.
 */
static int recording_refuse(struct store *s, struct err *err)
{
	int64_t recordings = 0;
	int version, rc = schema_check(&s->db, &version, NULL);

	if (rc < 0)
		return 0; /* schema_prepare() says what it is */
	rc = db_number(&s->db,
		"SELECT count(*) FROM meta WHERE name = 'kind' AND value = 'recording'",
		&recordings, err);
	if (rc < 0 || !recordings)
		return rc;
	return err_set(err, -ENOTSUP,
		"%s is a profile file, which nothing is added to; name another file for the store",
		s->db.path);
}

static int store_prepare(struct store *s, const char *path, struct err *err)
{
	int64_t deleted = 0;
	int rc = 0;

	s->memory = !strcmp(path, ":memory:");
	if (!s->memory) {
		s->lock_fd = lock_take(path, err);
		rc = s->lock_fd < 0 ? s->lock_fd : file_prepare(path, err);
	}
	if (!rc)
		rc = db_open(&s->db, path, DB_WRITE, CACHE_KIB, store_statements, STATEMENTS, err);
	if (!rc)
		rc = recording_refuse(s, err);
	if (!rc)
		rc = schema_prepare(&s->db, err);
	if (!rc)
		rc = db_find(&s->db, META_GET, &deleted, err, "t", "deleted_samples");
	s->deleted = deleted > 0 ? (uint64_t)deleted : 0;
	return rc < 0 ? rc : 0;
}

struct store *store_open(const char *path, const struct store_limits *limits, struct err *err)
{
	struct store *s = calloc(1, sizeof(*s));
	int rc = 0;

	if (s) {
		s->lock_fd = -1;
		s->limits = *limits;
		cache_init(&s->nodes, sizeof(int64_t), NODE_BYTES, NODES_MAX);
		rc = dict_init(&s->dict, &s->db);
	}
	if (!s || rc < 0) {
		store_close(s);
		err_set(err, -ENOMEM, "out of memory for the store");
		return NULL;
	}
	rc = store_prepare(s, path, err);
	if (!rc)
		return s;
	store_close(s);
	return NULL;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	sweep_free(s);
	dict_free(&s->dict);
	cache_drop(&s->nodes);
	map_free(s->levels);
	db_close(&s->db);
	fd_close(&s->lock_fd);
	free(s);
}

void store_set_limits(struct store *s, const struct store_limits *limits)
{
	s->limits = *limits;
	s->warned_cap = false;
}

/* ---- what several files need -------------------------------------------------------------------
 */

int store_end(struct store *s, int rc, struct err *err)
{
	if (rc < 0)
		db_rollback(&s->db);
	else
		rc = db_commit(&s->db, err);
	if (rc < 0) {
		dict_drop(&s->dict);
		cache_drop(&s->nodes);
		map_free(s->levels);
		s->levels = NULL;
	}
	return rc;
}

int store_meta_set(struct store *s, const char *name, int64_t value, struct err *err)
{
	return db_run(&s->db, META_SET, err, "ti", name, value);
}

int store_damaged(struct store *s, int64_t window, struct err *err)
{
	return err_set(err, -EUCLEAN,
		"the store %s is damaged: the samples of window %lld make no sense; %s", s->db.path,
		(long long)window, db_repair(&s->db));
}

/* ---- figures -----------------------------------------------------------------------------------
 */

uint64_t store_log_bytes(const struct store *s)
{
	char name[PATH_MAX];
	struct stat st;
	int n = snprintf(name, sizeof(name), "%s-wal", s->db.path);

	return n > 0 && (size_t)n < sizeof(name) && stat(name, &st) == 0 ? (uint64_t)st.st_size : 0;
}

int store_size(struct store *s, uint64_t *bytes, uint64_t *free_bytes, struct err *err)
{
	int64_t pages, free_pages, page_bytes;
	int rc = db_number(&s->db, "PRAGMA page_count", &pages, err);

	if (!rc)
		rc = db_number(&s->db, "PRAGMA freelist_count", &free_pages, err);
	if (!rc)
		rc = db_number(&s->db, "PRAGMA page_size", &page_bytes, err);
	if (rc < 0)
		return rc;
	*bytes = (uint64_t)(pages * page_bytes);
	*free_bytes = (uint64_t)(free_pages * page_bytes);
	if (!s->memory)
		*bytes += store_log_bytes(s);
	return 0;
}

int store_used(struct store *s, uint64_t *bytes, struct err *err)
{
	uint64_t free_bytes, all;
	int rc = store_size(s, &all, &free_bytes, err);

	*bytes = 0;
	if (!rc)
		*bytes = all - free_bytes - (s->memory ? 0 : store_log_bytes(s));
	return rc;
}

static int stats_windows(struct store *s, struct store_stats *out, struct err *err)
{
	sqlite3_stmt *row;
	int rc = db_use(&s->db, STATS, &row, err, "");

	while (!rc && (rc = db_step(&s->db, row, err)) == 1) {
		uint64_t start = (uint64_t)sqlite3_column_int64(row, 2);
		uint64_t end = (uint64_t)sqlite3_column_int64(row, 3);
		unsigned tier = (unsigned)sqlite3_column_int(row, 0);

		rc = 0;
		if (tier >= TIERS)
			continue;
		out->windows[tier] = (uint64_t)sqlite3_column_int64(row, 1);
		out->samples += (uint64_t)sqlite3_column_int64(row, 4);
		out->lost += (uint64_t)sqlite3_column_int64(row, 5);
		if (!out->last_unix_ns || start < out->first_unix_ns)
			out->first_unix_ns = start;
		if (end > out->last_unix_ns)
			out->last_unix_ns = end;
	}
	return rc;
}

int store_stats(struct store *s, struct store_stats *out, struct err *err)
{
	uint64_t free_bytes;
	int rc;

	*out = (struct store_stats){0};
	rc = stats_windows(s, out, err);
	if (!rc)
		rc = store_size(s, &out->bytes, &free_bytes, err);
	/* Counting reads the whole table: once. */
	if (!rc && s->dict.n_stacks < 0)
		rc = db_number(&s->db, "SELECT count(*) FROM stacks", &s->dict.n_stacks, err);
	if (!rc && s->dict.n_series < 0)
		rc = db_number(&s->db, "SELECT count(*) FROM series", &s->dict.n_series, err);
	if (rc < 0)
		return rc;
	out->stacks = (uint64_t)s->dict.n_stacks;
	out->series = (uint64_t)s->dict.n_series;
	return 0;
}
