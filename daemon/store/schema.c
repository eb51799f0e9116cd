/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/schema.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "0001_tables.sql.h"
#include "base/buf.h"
#include "store/db.h"

/* Each leads from the version before to its own. A version that was released never changes. */
static const struct migration {
	int version;
	const char *sql;
	size_t len;
} migrations[] = {
	{1, sql_0001_tables, sizeof(sql_0001_tables)},
};

enum {
	MIGRATIONS = sizeof(migrations) / sizeof(migrations[0]),
	SQL_BYTES_MAX = 1 << 18,
};

static int version_newest(void)
{
	return migrations[MIGRATIONS - 1].version;
}

static int foreign(const struct db *db, struct err *err)
{
	return err_set(err, -EUCLEAN, "%s is not a store of profd; name another file%s", db->path,
		db->reads ? "" : ", profd makes it where there is none");
}

int schema_check(struct db *db, int *version, struct err *err)
{
	int64_t application, user_version, tables;
	int rc = db_number(db, "PRAGMA application_id", &application, err);

	if (!rc)
		rc = db_number(db, "PRAGMA user_version", &user_version, err);
	if (!rc)
		rc = db_number(db, "SELECT count(*) FROM sqlite_schema", &tables, err);
	if (rc < 0)
		return rc;
	if (!application && !user_version && !tables)
		return -ENODATA;
	if (application != SCHEMA_APPLICATION_ID || user_version < 1)
		return foreign(db, err);
	if (user_version > version_newest())
		return err_set(err, -ENOTSUP,
			"the store %s has version %" PRId64
			", this profd knows versions up to %d; use the newer profd, or another "
			"store",
			db->path, user_version, version_newest());
	*version = (int)user_version;
	return 0;
}

static int migration_run(struct db *db, const struct migration *m, struct err *err)
{
	struct buf sql;
	char version[64];
	int rc;

	buf_init(&sql, SQL_BYTES_MAX);
	buf_add(&sql, m->sql, m->len);
	rc = sql.error ? err_set(err, sql.error, "out of memory for the store's tables")
		       : db_exec(db, sql.data, err);
	buf_free(&sql);
	snprintf(version, sizeof(version), "PRAGMA user_version = %d", m->version);
	return rc < 0 ? rc : db_exec(db, version, err);
}

static int migrate(struct db *db, int from, struct err *err)
{
	char application[64];
	int rc = db_begin(db, err);

	if (rc < 0)
		return rc;
	/* Another program may have been faster. */
	rc = schema_check(db, &from, err);
	if (rc == -ENODATA)
		from = rc = 0;
	snprintf(application, sizeof(application), "PRAGMA application_id = %d",
		SCHEMA_APPLICATION_ID);
	if (!rc)
		rc = db_exec(db, application, err);
	for (size_t i = 0; i < MIGRATIONS && !rc; i++)
		if (migrations[i].version > from)
			rc = migration_run(db, &migrations[i], err);
	if (!rc)
		return db_commit(db, err);
	db_rollback(db);
	return rc;
}

/* Only an empty file takes these. What is in memory becomes a file that is written once: small
 * pages waste less of it, in twenty tables with little in them. */
static const char new_file[] = "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL";
static const char new_memory[] = "PRAGMA page_size = 1024; PRAGMA auto_vacuum = NONE";

int schema_prepare(struct db *db, struct err *err)
{
	int version = 0, rc = schema_check(db, &version, err);

	if (rc == -ENODATA)
		rc = db_exec(db, strcmp(db->path, ":memory:") ? new_file : new_memory, err);
	if (rc < 0)
		return rc;
	/* The log is kept at its size: where the disk is full, housekeeping still has room in it.
	 */
	rc = db_exec(db,
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
		"PRAGMA journal_size_limit = 4194304; PRAGMA wal_autocheckpoint = 256",
		err);
	return rc < 0 || version == version_newest() ? rc : migrate(db, version, err);
}
