/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables as people see them: the page schema/README.md is true, and its queries run. */
#include "test_store_model.h"

#include <time.h>

#include <sqlite3.h>

enum { README_BYTES_MAX = 1 << 18 };

/* ---- helpers -----------------------------------------------------------------------------------
 */

static char *readme(void)
{
	char *data = calloc(1, README_BYTES_MAX);
	FILE *file = fopen("schema/README.md", "r");

	assert_non_null(file);
	assert_in_range(fread(data, 1, README_BYTES_MAX - 1, file), 1000, README_BYTES_MAX - 2);
	fclose(file);
	return data;
}

static sqlite3 *open_shell(const char *path)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	return db;
}

static int64_t number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s;
	int64_t value;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK || sqlite3_step(s) != SQLITE_ROW)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	value = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return value;
}

/* Two days, the older part merged, and one that is still to come: 03:12 of today is there whatever
 * time it is now. */
static void store_of_today(const char *path)
{
	const struct store_about about = {.is_recording = true, .title = "python3 (4711)"};
	struct store *s = store_must(path);
	struct chance c = {1};
	struct err err = {0};
	uint64_t now = (uint64_t)time(NULL) * NS_PER_S, at = now - 2 * DAY_NS;

	for (; at < now + DAY_NS; at += 1800 * NS_PER_S) {
		struct window *w = window_any(&c, at, 52631578, 30);
		struct sample_text t = {.process = 1, .tid = 101, .thread = "main", .n = 2};

		t.frames[0].kind = t.frames[1].kind = FRAME_PYTHON;
		t.frames[0].name = "main";
		t.frames[1].name = "handle_request";
		t.frames[0].file = t.frames[1].file = "app.py";
		t.frames[0].module = t.frames[1].module = "";
		window_sample(w, &t, 100);
		w->duration_ns = 1800 * NS_PER_S;
		w->usage[1].read_bytes = 1 << 20;
		write_must(s, w);
		window_free(w);
	}
	maintain_all(s, now, true);
	/* As a profile file says what it is about. */
	assert_int_equal(store_describe(s, &about, &err), 0);
	store_close(s);
}

/* ---- the page ----------------------------------------------------------------------------------
 */

static unsigned rows_of(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s;
	unsigned rows = 0;
	int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

	if (rc != SQLITE_OK)
		fail_msg("%s\n%s", sqlite3_errmsg(db), sql);
	while ((rc = sqlite3_step(s)) == SQLITE_ROW)
		rows++;
	if (rc != SQLITE_DONE)
		fail_msg("%s\n%s", sqlite3_errmsg(db), sql);
	sqlite3_finalize(s);
	return rows;
}

static void test_queries(void **state)
{
	const struct folder *f = *state;
	char *page = readme(), *at = page;
	unsigned n = 0;
	sqlite3 *db;

	store_of_today(f->store);
	db = open_shell(f->store);
	while ((at = strstr(at, "```sql\n"))) {
		char *end = strstr(at += 7, "```");

		assert_non_null(end);
		*end = '\0';
		/* A library may be built without dbstat; the shell is not. */
		if (!strstr(at, "dbstat") || sqlite3_compileoption_used("ENABLE_DBSTAT_VTAB"))
			if (!rows_of(db, at))
				fail_msg("no answer to:\n%s", at);
		at = end + 1;
		n++;
	}
	assert_in_range(n, 8, 40);
	sqlite3_close(db);
	free(page);
}

/* Every table and every view is on the page. */
static void test_nothing_is_missing(void **state)
{
	const struct folder *f = *state;
	char *page = readme(), quoted[80];
	sqlite3_stmt *s;
	sqlite3 *db;
	unsigned n = 0;

	store_close(store_must(f->store));
	db = open_shell(f->store);
	assert_int_equal(sqlite3_prepare_v2(db,
				 "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') "
				 "AND name NOT LIKE 'sqlite%'",
				 -1, &s, NULL),
		SQLITE_OK);
	while (sqlite3_step(s) == SQLITE_ROW) {
		snprintf(quoted, sizeof(quoted), "`%s`", (const char *)sqlite3_column_text(s, 0));
		if (!strstr(page, quoted))
			fail_msg("%s is not explained", quoted);
		n++;
	}
	sqlite3_finalize(s);
	sqlite3_close(db);
	free(page);
	assert_in_range(n, 15, 30);
}

/* ---- the view that unpacks ---------------------------------------------------------------------
 */

/* What SQL alone reads is what was written, stack by stack. */
static void test_view_is_the_samples(void **state)
{
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	struct chance c = {2};
	sqlite3 *db;
	uint64_t samples = 0, square = 0;

	for (unsigned i = 0; i < 30; i++) {
		struct window *w = window_any(
			&c, DAY_ONE + i * 10 * NS_PER_S, i % 2 ? 52631578 : 100000000, 200);

		write_must(s, w);
		for (uint32_t k = 0; k < w->profile->n_nodes; k++)
			samples += w->profile->nodes[k].self_samples;
		for (uint32_t k = 0; k < w->profile->n_nodes; k++)
			square += w->profile->nodes[k].self_samples *
				  w->profile->nodes[k].self_samples;
		window_free(w);
	}
	db = open_shell(f->store);
	assert_int_equal(number(db, "SELECT sum(samples) FROM samples"), samples);
	assert_int_equal(number(db, "SELECT sum(samples * samples) FROM samples"), square);
	maintain_all(s, DAY_ONE + DAY_NS, true);
	assert_int_equal(number(db, "SELECT sum(samples) FROM samples"), samples);
	/* All that is named is there, and each stack once. */
	assert_int_equal(number(db, "SELECT count(*) FROM samples x WHERE x.stack NOT IN "
				    "(SELECT id FROM stacks UNION ALL SELECT 0)"),
		0);
	assert_int_equal(number(db, "SELECT count(*) FROM samples x LEFT JOIN threads t ON "
				    "t.series = x.series AND t.number = x.thread "
				    "WHERE t.tid IS NULL"),
		0);
	assert_int_equal(number(db, "SELECT count(*) FROM (SELECT 1 FROM samples GROUP BY "
				    "window, period_ns, series, thread, stack "
				    "HAVING count(*) > 1)"),
		0);
	assert_int_equal(number(db, "SELECT count(*) FROM (SELECT window, sum(samples) AS n "
				    "FROM samples GROUP BY window) x JOIN windows w "
				    "ON w.id = x.window WHERE x.n <> w.samples"),
		0);
	assert_int_equal(
		number(db, "SELECT sum(weight_ns) - sum(samples * period_ns) FROM samples"), 0);
	sqlite3_close(db);
	store_close(s);
}

/* ---- rollups and usage -------------------------------------------------------------------------
 */

static void test_rollups(void **state)
{
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	sqlite3 *db;

	for (unsigned i = 0; i < 6; i++) {
		struct window *w = window_new(DAY_ONE + i * 10 * NS_PER_S, 10 * NS_PER_MS);
		struct sample_text t = {.process = 0, .tid = 100, .thread = "t", .n = 3};

		/* outer - inner - outer: recursion, whose total counts once */
		for (unsigned k = 0; k < 3; k++) {
			t.frames[k].kind = FRAME_PYTHON;
			t.frames[k].name = k % 2 ? "inner" : "outer";
			t.frames[k].file = "a.py";
			t.frames[k].line = k;
			t.frames[k].module = "";
		}
		window_sample(w, &t, 50);
		t.n = 2;
		window_sample(w, &t, 30);
		/* one in a thousand is below a minute's bound */
		t.frames[0].name = "rare";
		t.n = 1;
		window_sample(w, &t, 1);
		write_must(s, w);
		window_free(w);
	}
	maintain_all(s, DAY_ONE + DAY_NS, true);
	db = open_shell(f->store);
#define OF(column, name)                                                                           \
	number(db, "SELECT sum(" column ") FROM rollups JOIN function_names USING (function) "     \
		   "WHERE name = '" name "'")
	assert_int_equal(OF("self_ms", "outer"), 6 * 50 * 10);
	assert_int_equal(OF("total_ms", "outer"), 6 * 80 * 10);
	assert_int_equal(OF("self_ms", "inner"), 6 * 30 * 10);
	assert_int_equal(OF("total_ms", "inner"), 6 * 80 * 10);
	assert_int_equal(number(db, "SELECT count(*) FROM rollups"), 2);
	sqlite3_close(db);
	store_close(s);
}

static void test_usage(void **state)
{
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	sqlite3 *db = NULL;

	for (unsigned i = 0; i < 6; i++) {
		struct window *w = window_new(DAY_ONE + i * 10 * NS_PER_S, 1000);

		/* 0 is busy; 1 idles, with a memory that grows late; the others do nothing */
		for (unsigned k = 0; k < PROCESSES; k++)
			w->usage[k] = (struct series_usage){.rss_bytes = 8 << 20, .threads = 2};
		w->usage[0] = (struct series_usage){.user_ns = 2 * NS_PER_S,
			.system_ns = 1500,
			.rss_bytes = (uint64_t)(i + 1) << 20,
			.threads = 6 - i,
			.voluntary_switches = 10,
			.involuntary_switches = 3,
			.read_bytes = 4096,
			.written_bytes = 512};
		if (i == 5)
			w->usage[1].rss_bytes = 80 << 20;
		write_must(s, w);
		window_free(w);
	}
	db = open_shell(f->store);
	assert_int_equal(number(db, "SELECT count(*) FROM usage"), PROCESSES + 5 + 1);
	maintain_all(s, DAY_ONE + DAY_NS, true);
	assert_int_equal(number(db, "SELECT count(*) FROM usage"), PROCESSES);
#define USED(column, pid)                                                                          \
	number(db, "SELECT sum(" column ") FROM usage JOIN processes USING (series) "              \
		   "WHERE pid = " pid)
	assert_int_equal(USED("user_us", "100"), 12 * 1000000);
	assert_int_equal(USED("system_us", "100"), 6 * 2);
	assert_int_equal(USED("usage.rss_kib", "100"), 6 << 10);
	assert_int_equal(USED("threads", "100"), 6);
	assert_int_equal(USED("voluntary_switches", "100"), 60);
	assert_int_equal(USED("involuntary_switches", "100"), 18);
	assert_int_equal(USED("read_bytes", "100"), 6 * 4096);
	assert_int_equal(USED("written_bytes", "100"), 6 * 512);
	assert_int_equal(USED("rss_kib", "101"), 80 << 10);
	assert_int_equal(USED("rss_kib", "102"), 8 << 10);
	sqlite3_close(db);
	store_close(s);
}

/* A process that learns more of itself stays one; one that execs, or changes its user, becomes
 * another. */
static void test_identity(void **state)
{
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	sqlite3 *db;

	for (unsigned i = 0; i < 4; i++) {
		struct window *w = window_new(DAY_ONE + i * 10 * NS_PER_S, 1000);
		struct sample_text t = {.process = 0, .tid = 100, .thread = "t"};

		free(w->series[0].python);
		w->series[0].python = strdup(i == 1 ? "3.13.2" : "");
		if (i == 2)
			w->series[0].uid = 0;
		if (i == 3)
			strcpy(w->series[0].exe, "/bin/other");
		window_sample(w, &t, 1);
		write_must(s, w);
		window_free(w);
	}
	db = open_shell(f->store);
	assert_int_equal(number(db, "SELECT count(*) FROM series WHERE pid = 100"), 3);
	assert_int_equal(number(db, "SELECT count(*) FROM processes WHERE pid = 100 "
				    "AND python = '3.13.2'"),
		1);
	sqlite3_close(db);
	store_close(s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
		TEST(test_queries),
		TEST(test_nothing_is_missing),
		TEST(test_view_is_the_samples),
		TEST(test_rollups),
		TEST(test_usage),
		TEST(test_identity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
