/* SPDX-License-Identifier: BSD-2-Clause */
/* For the tests of what goes wrong with a store: files and what is in them. */
#ifndef PROFD_TEST_STORE_FILES_H
#define PROFD_TEST_STORE_FILES_H

#include "test_store_model.h"

#include <errno.h>

#include <sqlite3.h>

static const struct store_query everything = {.root = STORE_ROOT_THREAD, .kernel = true};

static inline void sql(const char *path, const char *text)
{
	sqlite3 *db;
	char *message = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s", message);
	sqlite3_close(db);
}

static inline bool is_whole(const char *path)
{
	sqlite3_stmt *s = NULL;
	sqlite3 *db;
	bool ok = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
		  sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &s, NULL) == SQLITE_OK &&
		  sqlite3_step(s) == SQLITE_ROW &&
		  !strcmp((const char *)sqlite3_column_text(s, 0), "ok");

	sqlite3_finalize(s);
	sqlite3_close(db);
	return ok;
}

/* Both sides have to refuse, with a text that holds `part`. */
static inline void check_refused(const char *path, int code, int reader_code, const char *part)
{
	struct err err = {0};

	if (code) {
		assert_null(store_open(path, &store_limits_default, &err));
		assert_int_equal(err.code, code);
		assert_non_null(strstr(err.text, part));
	}
	if (reader_code) {
		err = (struct err){0};
		assert_null(store_reader_open(path, &err));
		assert_int_equal(err.code, reader_code);
		assert_non_null(strstr(err.text, part));
	}
}

static inline void check_store(const char *path, struct model *m)
{
	struct profile *p = read_must(path, &everything);

	model_check(m, p);
	profile_free(p);
}

static inline void write_some(struct store *s, struct chance *c, unsigned n, struct model *m)
{
	for (unsigned i = 0; i < n; i++) {
		struct window *w = window_any(c, DAY_ONE + i * 10 * NS_PER_S, 1000, 60);

		write_must(s, w);
		if (m)
			model_window(m, w);
		window_free(w);
	}
}

static inline void file_put(const char *path, const void *data, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	fclose(file);
}

static inline char *file_get(const char *path, size_t *len)
{
	FILE *file = fopen(path, "r");
	char *data;

	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	fseek(file, 0, SEEK_END);
	*len = (size_t)ftell(file);
	rewind(file);
	data = calloc(1, *len + 1);
	assert_int_equal(fread(data, 1, *len, file), *len);
	fclose(file);
	return data;
}

#endif
