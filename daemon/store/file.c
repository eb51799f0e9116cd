/* SPDX-License-Identifier: BSD-2-Clause */
/* A store in memory as a profile file: what it is about, and its bytes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "store/file.h"
#include "store/inner.h"
#include "store/statements.h"

static const char recording[] = "recording";

/* Names of what can stand at the roots of a recording. */
static const struct {
	enum store_root root;
	const char *name;
} roots[] = {
	{STORE_ROOT_NONE, "none"},
	{STORE_ROOT_PROCESS, "process"},
	{STORE_ROOT_THREAD, "process thread"},
	{STORE_ROOT_THREAD_ONLY, "thread"},
};

enum { ROOTS = sizeof(roots) / sizeof(roots[0]) };

/* ---- what it is about --------------------------------------------------------------------------
 */

static int meta_text(struct store *s, const char *name, const char *value, struct err *err)
{
	return db_run(&s->db, META_SET, err, "tt", name, value);
}

int store_describe(struct store *s, const struct store_about *about, struct err *err)
{
	const char *root = roots[0].name;
	int rc;

	for (size_t i = 0; i < ROOTS; i++)
		if (roots[i].root == about->root)
			root = roots[i].name;
	rc = db_begin(&s->db, err);
	if (rc < 0)
		return rc;
	rc = meta_text(s, "kind", about->is_recording ? recording : "", err);
	if (!rc)
		rc = meta_text(s, "title", about->title, err);
	if (!rc)
		rc = meta_text(s, "profd", about->version, err);
	if (!rc)
		rc = meta_text(s, "source", about->source, err);
	if (!rc)
		rc = meta_text(s, "roots", root, err);
	return store_end(s, rc, err);
}

void about_take(struct store_about *about, const char *name, const char *value)
{
	if (!strcmp(name, "kind"))
		about->is_recording = !strcmp(value, recording);
	else if (!strcmp(name, "title"))
		snprintf(about->title, sizeof(about->title), "%s", value);
	else if (!strcmp(name, "profd"))
		snprintf(about->version, sizeof(about->version), "%s", value);
	else if (!strcmp(name, "source"))
		snprintf(about->source, sizeof(about->source), "%s", value);
	for (size_t i = 0; i < ROOTS && !strcmp(name, "roots"); i++)
		if (!strcmp(roots[i].name, value))
			about->root = roots[i].root;
}

/* ---- its bytes ---------------------------------------------------------------------------------
 */

/* Rows get their numbers in the order of writing, so that the tables have few gaps: a VACUUM would
 * make the file 4 % smaller, and take three times its size in memory. */
int store_serialize(struct store *s, struct buf *out, struct err *err)
{
	sqlite3_int64 n_bytes = 0;
	unsigned char *bytes;
	int rc;

	if (!s->memory)
		return err_set(err, -EINVAL, "%s is a file already", s->db.path);
	bytes = sqlite3_serialize(s->db.handle, "main", &n_bytes, SQLITE_SERIALIZE_NOCOPY);
	if (!bytes)
		return err_set(err, -ENOMEM, "out of memory for a profile file");
	rc = buf_add(out, bytes, (size_t)n_bytes); /* the bytes themselves stay SQLite's */
	if (rc < 0)
		return err_set(
			err, rc, "a profile file of %lld bytes is too large", (long long)n_bytes);
	return 0;
}
