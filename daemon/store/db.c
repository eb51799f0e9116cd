/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/db.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum { URI_BYTES_MAX = 16384, VALUE_BYTES_MAX = 4 << 20 };

/* ---- errors ------------------------------------------------------------------------------------
 */

static int fail_full(const struct db *db, struct err *err)
{
	return err_set(err, -ENOSPC,
		"no space for the store %s; free some on that disk, or lower the size that the "
		"store may take",
		db->path);
}

static int fail_io(const struct db *db, int cause, const char *what, struct err *err)
{
	/* A quota and a limit on the size of files read the same for people. */
	if (cause == ENOSPC || cause == EDQUOT || cause == EFBIG)
		return fail_full(db, err);
	return err_set(err, -EIO,
		"the disk failed on the store %s: %s%s%s; look for disk errors in the kernel's log",
		db->path, what, cause ? ": " : "", cause ? strerror(cause) : "");
}

static int fail_open(const struct db *db, int cause, struct err *err)
{
	if (cause == EACCES || cause == EPERM)
		return err_set(err, -EACCES,
			"no permission for the store %s; run as its owner or as root", db->path);
	if (cause == EROFS)
		return err_set(err, -EROFS,
			"the store %s lies on a read-only file system; name a store elsewhere",
			db->path);
	if (cause == ENOENT)
		return err_set(err, -ENOENT, "there is no store %s; name the right file", db->path);
	return err_set(err, cause ? -cause : -EIO, "cannot open the store %s: %s", db->path,
		cause ? strerror(cause) : "not a regular file?");
}

int db_fail(struct db *db, int sqlite_code, struct err *err)
{
	int last = errno, cause = db->handle ? sqlite3_system_errno(db->handle) : 0;
	const char *what = sqlite3_errstr(sqlite_code);

	switch (sqlite_code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(err, -EBUSY,
			"another program keeps the store %s locked; end it, or wait", db->path);
	case SQLITE_FULL:
		return fail_full(db, err);
	case SQLITE_IOERR:
		/* SQLite does not always keep the cause; errno was 0 before the call. */
		return fail_io(db, cause ? cause : last, what, err);
	case SQLITE_NOMEM:
		return err_set(err, -ENOMEM, "out of memory for the store %s", db->path);
	case SQLITE_CANTOPEN:
		return fail_open(db, cause, err);
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return fail_open(db, EACCES, err);
	case SQLITE_READONLY:
		return err_set(err, cause == EACCES ? -EACCES : -EROFS,
			"the store %s may not be written; give the daemon's user write permission "
			"for the file and its folder, or name a store elsewhere",
			db->path);
	case SQLITE_INTERRUPT:
		return err_set(err, -EINTR, "reading the store %s was interrupted", db->path);
	default:
		return err_set(err, -EUCLEAN, "%s is damaged or not a store of profd (%s); %s",
			db->path, db->handle ? sqlite3_errmsg(db->handle) : what, db_repair(db));
	}
}

const char *db_repair(const struct db *db)
{
	return db->reads ? "copy or record it anew; where it is the daemon's, move it away, with "
			   "its -wal file, and the daemon makes a new one"
			 : "move it away, with its -wal file, and the daemon makes a new one";
}

/* ---- opening -----------------------------------------------------------------------------------
 */

/* A path as the URI that SQLite needs for its options. */
static int uri_make(const char *path, enum db_mode mode, struct buf *uri)
{
	buf_puts(uri, "file:");
	for (const char *p = path; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if ((c | 32) >= 'a' && (c | 32) <= 'z')
			buf_putc(uri, *p);
		else if ((c >= '0' && c <= '9') || strchr("/._-:", c))
			buf_putc(uri, *p);
		else
			buf_printf(uri, "%%%02x", c);
	}
	buf_puts(uri, mode == DB_WRITE ? "?mode=rw" : "?mode=ro");
	return mode == DB_IMMUTABLE ? buf_puts(uri, "&immutable=1") : uri->error;
}

/* A store may come from anywhere: its own views, triggers and functions are never run, and nothing
 * in it can make us hold more than a few megabytes. */
static void limits_set(sqlite3 *handle)
{
	static const struct {
		int what, value;
	} switches[] = {
		{SQLITE_DBCONFIG_DEFENSIVE, 1},
		{SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
		{SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
		{SQLITE_DBCONFIG_ENABLE_VIEW, 0},
		{SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
	};
	static const struct {
		int what, value;
	} limits[] = {
		{SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX},
		{SQLITE_LIMIT_SQL_LENGTH, 1 << 18},
		{SQLITE_LIMIT_COLUMN, 100},
		{SQLITE_LIMIT_EXPR_DEPTH, 100},
		{SQLITE_LIMIT_COMPOUND_SELECT, 10},
		{SQLITE_LIMIT_ATTACHED, 0},
		{SQLITE_LIMIT_TRIGGER_DEPTH, 1},
		{SQLITE_LIMIT_WORKER_THREADS, 0},
	};

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		sqlite3_db_config(handle, switches[i].what, switches[i].value, NULL);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		sqlite3_limit(handle, limits[i].what, limits[i].value);
}

static int handle_open(struct db *db, enum db_mode mode, struct err *err)
{
	int flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
		    SQLITE_OPEN_EXRESCODE;
	struct buf uri;
	int rc;

	flags |= mode == DB_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
	buf_init(&uri, URI_BYTES_MAX);
	if (!strcmp(db->path, ":memory:"))
		/* Unlike ":memory:" it can be handed out without a copy (store/file.c). */
		rc = sqlite3_open_v2("file:profd?vfs=memdb", &db->handle, flags, NULL);
	else if (uri_make(db->path, mode, &uri) < 0)
		return err_set(err, -ENAMETOOLONG, "the path of the store is too long");
	else
		rc = sqlite3_open_v2(uri.data, &db->handle, flags, NULL);
	buf_free(&uri);
	if (rc == SQLITE_OK)
		return 0;
	rc = db_fail(db, rc, err);
	return rc;
}

int db_open(struct db *db, const char *path, enum db_mode mode, unsigned cache_kib,
	const char *const *texts, size_t n, struct err *err)
{
	char pragmas[160];
	int rc;

	*db = (struct db){.texts = texts, .n = n, .reads = mode != DB_WRITE};
	db->path = strdup(path);
	db->ready = calloc(n + 1, sizeof(*db->ready));
	if (!db->path || !db->ready) {
		db_close(db);
		return err_set(err, -ENOMEM, "out of memory for the store");
	}
	rc = handle_open(db, mode, err);
	if (!rc) {
		limits_set(db->handle);
		sqlite3_busy_timeout(db->handle, DB_BUSY_MS);
		snprintf(pragmas, sizeof(pragmas),
			"PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; "
			"PRAGMA temp_store = MEMORY; PRAGMA cache_size = -%u",
			cache_kib);
		rc = db_exec(db, pragmas, err);
	}
	if (rc < 0)
		db_close(db);
	return rc;
}

int db_open_bytes(struct db *db, const void *bytes, size_t len, const char *name,
	unsigned cache_kib, const char *const *texts, size_t n, struct err *err)
{
	/* SQLite does not write to what it may only read. */
	unsigned char *data = (unsigned char *)(uintptr_t)bytes;
	char *path;
	int rc = db_open(db, ":memory:", DB_WRITE, cache_kib, texts, n, err);

	if (rc < 0)
		return rc;
	db->reads = true;
	path = strdup(name);
	if (path) {
		free(db->path);
		db->path = path;
	}
	rc = sqlite3_deserialize(db->handle, "main", data, (sqlite3_int64)len, (sqlite3_int64)len,
		SQLITE_DESERIALIZE_READONLY);
	rc = !path             ? err_set(err, -ENOMEM, "out of memory for the store")
	     : rc == SQLITE_OK ? 0
			       : db_fail(db, rc, err);
	if (rc < 0)
		db_close(db);
	return rc;
}

void db_close(struct db *db)
{
	for (size_t i = 0; db->ready && i < db->n; i++)
		sqlite3_finalize(db->ready[i]);
	sqlite3_close(db->handle);
	free(db->ready);
	free(db->path);
	*db = (struct db){0};
}

/* ---- statements --------------------------------------------------------------------------------
 */

int db_exec(struct db *db, const char *sql, struct err *err)
{
	int rc;

	errno = 0;
	rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : db_fail(db, rc, err);
}

int db_number(struct db *db, const char *sql, int64_t *out, struct err *err)
{
	sqlite3_stmt *statement;
	int rc = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW) {
		*out = sqlite3_column_int64(statement, 0);
		rc = SQLITE_OK;
	} else if (rc == SQLITE_DONE) {
		*out = 0;
		rc = SQLITE_OK;
	}
	if (rc != SQLITE_OK)
		rc = db_fail(db, rc, err);
	sqlite3_finalize(statement);
	return rc;
}

static int bind(sqlite3_stmt *statement, const char *form, va_list ap)
{
	int rc = SQLITE_OK;

	for (int i = 1; *form && rc == SQLITE_OK; form++, i++) {
		const void *data;
		size_t len;

		switch (*form) {
		case 'i':
			rc = sqlite3_bind_int64(statement, i, va_arg(ap, int64_t));
			break;
		case 'r':
			rc = sqlite3_bind_double(statement, i, va_arg(ap, double));
			break;
		case 't':
			data = va_arg(ap, const char *);
			rc = sqlite3_bind_text(statement, i, data, -1, SQLITE_STATIC);
			break;
		default:
			data = va_arg(ap, const void *);
			len = va_arg(ap, size_t);
			rc = sqlite3_bind_blob64(statement, i, data, len, SQLITE_STATIC);
			break;
		}
	}
	return rc;
}

static int use(struct db *db, size_t which, sqlite3_stmt **out, struct err *err, const char *form,
	va_list ap)
{
	int rc = SQLITE_OK;

	if (!db->ready[which])
		rc = sqlite3_prepare_v3(db->handle, db->texts[which], -1, SQLITE_PREPARE_PERSISTENT,
			&db->ready[which], NULL);
	else
		sqlite3_reset(db->ready[which]);
	if (rc == SQLITE_OK)
		rc = bind(db->ready[which], form, ap);
	*out = db->ready[which];
	return rc == SQLITE_OK ? 0 : db_fail(db, rc, err);
}

int db_use(struct db *db, size_t which, sqlite3_stmt **out, struct err *err, const char *form, ...)
{
	va_list ap;
	int rc;

	va_start(ap, form);
	rc = use(db, which, out, err, form, ap);
	va_end(ap);
	return rc;
}

int db_step(struct db *db, sqlite3_stmt *statement, struct err *err)
{
	int rc;

	errno = 0;
	rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		return 1;
	rc = rc == SQLITE_DONE ? 0 : db_fail(db, rc, err);
	sqlite3_reset(statement);
	return rc;
}

void db_done(sqlite3_stmt *statement)
{
	sqlite3_reset(statement);
}

int db_run(struct db *db, size_t which, struct err *err, const char *form, ...)
{
	sqlite3_stmt *statement;
	va_list ap;
	int rc;

	va_start(ap, form);
	rc = use(db, which, &statement, err, form, ap);
	va_end(ap);
	while (!rc) {
		rc = db_step(db, statement, err);
		if (rc <= 0)
			return rc;
		rc = 0;
	}
	return rc;
}

int db_find(struct db *db, size_t which, int64_t *out, struct err *err, const char *form, ...)
{
	sqlite3_stmt *statement;
	va_list ap;
	int rc;

	va_start(ap, form);
	rc = use(db, which, &statement, err, form, ap);
	va_end(ap);
	if (!rc)
		rc = db_step(db, statement, err);
	if (rc != 1)
		return rc;
	*out = sqlite3_column_int64(statement, 0);
	db_done(statement);
	return 1;
}

int db_begin(struct db *db, struct err *err)
{
	return db_exec(db, "BEGIN IMMEDIATE", err);
}

int db_commit(struct db *db, struct err *err)
{
	int rc = db_exec(db, "COMMIT", err);

	if (rc < 0)
		db_rollback(db);
	return rc;
}

void db_rollback(struct db *db)
{
	for (size_t i = 0; i < db->n; i++)
		sqlite3_reset(db->ready[i]);
	/* After some errors SQLite has rolled back already. */
	if (!sqlite3_get_autocommit(db->handle))
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}
