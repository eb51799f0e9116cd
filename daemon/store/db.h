/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection to SQLite: opened with everything off that a hostile file could use, statements
 * prepared once, and SQLite's errors as ours. Inner to store/. */
#ifndef PROFD_STORE_DB_H
#define PROFD_STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/err.h"

enum { DB_BUSY_MS = 2000 }; /* how long another program's lock is waited for */

struct db {
	sqlite3 *handle;
	char *path;               /* as the user named it, for texts */
	const char *const *texts; /* [n] the statements of this connection, by number */
	sqlite3_stmt **ready;     /* [n] prepared at first use, NULL before */
	size_t n;
	bool reads; /* not opened by the writer */
};

enum db_mode {
	DB_WRITE,     /* the file exists, or is ":memory:" */
	DB_READ,      /* beside a writer */
	DB_IMMUTABLE, /* nobody writes, and no file can be made beside it */
};

/* `cache_kib` bounds the pages that are kept. On failure there is nothing to close. */
int db_open(struct db *db, const char *path, enum db_mode mode, unsigned cache_kib,
	const char *const *texts, size_t n, struct err *err);
void db_close(struct db *db); /* zeroed memory is allowed */

/* The same for reading the bytes of a file, which have to stay as they are. `name` is for texts. */
int db_open_bytes(struct db *db, const void *bytes, size_t len, const char *name,
	unsigned cache_kib, const char *const *texts, size_t n, struct err *err);

/* What to do about a file that makes no sense, for texts. */
const char *db_repair(const struct db *db);

/* What SQLite said, as negative errno with a text. `doing` names what failed: "write to". */
int db_fail(struct db *db, int sqlite_code, struct err *err);

int db_exec(struct db *db, const char *sql, struct err *err);
/* The first column of the only row: pragmas and counts. */
int db_number(struct db *db, const char *sql, int64_t *out, struct err *err);

/* The statement `which`, reset, with its parameters bound by `form`, one letter each: i int64_t,
 * r double, t const char *, b const void * and size_t. Texts and blobs are not copied: they have
 * to hold until db_done. */
int db_use(struct db *db, size_t which, sqlite3_stmt **out, struct err *err, const char *form, ...);

/* 1: there is a row; 0: the end, the statement is reset. On errors it is reset, too. */
int db_step(struct db *db, sqlite3_stmt *statement, struct err *err);
void db_done(sqlite3_stmt *statement);

/* db_use, and db_step to the end. */
int db_run(struct db *db, size_t which, struct err *err, const char *form, ...);

/* db_use, and the first row's first column: 1, or 0 where there is none. */
int db_find(struct db *db, size_t which, int64_t *out, struct err *err, const char *form, ...);

/* A transaction. After db_begin exactly one of the two others; db_commit rolls back where it
 * fails. */
int db_begin(struct db *db, struct err *err);
int db_commit(struct db *db, struct err *err);
void db_rollback(struct db *db);

#endif
