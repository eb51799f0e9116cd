/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that are no stores, or damaged ones: an error or an answer, never a crash. */
#include "test_store_files.h"

/* ---- no stores ---------------------------------------------------------------------------------
 */

static void test_not_a_store(void **state)
{
	const struct folder *f = *state;
	char folder[128];

	check_refused(f->store, 0, -ENOENT, "cannot open");
	file_put(f->store, "", 0);
	check_refused(f->store, 0, -EUCLEAN, "is empty");
	store_close(store_must(f->store)); /* an empty file becomes one */
	store_remove(f);
	file_put(f->store, "this is no database at all, but long enough to be read", 54);
	check_refused(f->store, -EUCLEAN, -EUCLEAN, "not a store of profd");
	store_remove(f);
	sql(f->store, "CREATE TABLE other (a)");
	check_refused(f->store, -EUCLEAN, -EUCLEAN, "not a store of profd");
	store_remove(f);
	check_refused(f->path, -EUCLEAN, -EUCLEAN, "not a regular file");
	snprintf(folder, sizeof(folder), "%s.lock", f->path);
	unlink(folder);
	snprintf(folder, sizeof(folder), "%s/none/profd.db", f->path);
	check_refused(folder, -ENOENT, -ENOENT, "cannot");
}

/* Tables, views and triggers of others in a file that says it is ours. */
static void test_foreign_tables(void **state)
{
	const struct folder *f = *state;
	struct store_reader *r;
	struct err err = {0};
	struct profile *p;

	store_close(store_must(f->store));
	sql(f->store,
		"DROP VIEW times; DROP TABLE windows; CREATE VIEW windows AS SELECT 1 AS id, 0 AS tier, "
		"5 AS start_unix_ns, 5 AS duration_ns");
	r = store_reader_open(f->store, &err);
	assert_non_null(r);
	assert_int_equal(store_read(r, &everything, &p, &err), -EUCLEAN);
	assert_null(p);
	store_reader_close(r);
}

static void test_memory(void **state)
{
	struct store *s = store_must(":memory:");
	struct chance c = {3};
	struct store_stats stats;
	struct err err = {0};

	(void)state;
	write_some(s, &c, 10, NULL);
	maintain_all(s, DAY_ONE + DAY_NS, true);
	assert_int_equal(store_stats(s, &stats, &err), 0);
	assert_int_equal(stats.windows[1], 2);
	store_close(s);
	assert_int_equal(access(":memory:.lock", F_OK), -1);
}

/* ---- damage ------------------------------------------------------------------------------------
 */

static bool is_expected(int rc)
{
	return rc == 0 || rc == 1 || rc == -EUCLEAN || rc == -ENOTSUP || rc == -EIO ||
	       rc == -ENOSPC || rc == -E2BIG;
}

/* Everything that one does with a store; how much of it was refused. */
static unsigned use_all(const char *path)
{
	struct store_query q = {.slices_max = 5, .root = STORE_ROOT_THREAD};
	struct chance c = {4};
	struct window *w = window_any(&c, DAY_ONE + HOUR_NS, 1000, 20);
	struct err err = {0};
	struct store_reader *r = store_reader_open(path, &err);
	struct profile *p = NULL;
	struct store *s;
	unsigned refused = 0;
	int rc = r ? store_read(r, &q, &p, &err) : err.code;

	assert_true(is_expected(rc));
	refused += rc < 0;
	profile_free(p);
	store_reader_close(r);
	s = store_open(path, &store_limits_default, &err);
	assert_true(s || is_expected(err.code));
	if (s) {
		rc = store_write(s, w, &err);
		assert_true(is_expected(rc));
		refused += rc < 0;
		for (unsigned i = 0; i < 50 && rc >= 0; i++) {
			rc = store_maintain(s, DAY_ONE + 100 * DAY_NS, true, 20, &err);
			assert_true(is_expected(rc));
		}
		refused += rc < 0;
	}
	store_close(s);
	window_free(w);
	return refused + !s;
}

static void test_flipped_bytes(void **state)
{
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	struct chance c = {5};
	unsigned refused = 0, rounds = 300;
	size_t len;
	char *whole, *copy;

	write_some(s, &c, 12, NULL);
	maintain_all(s, DAY_ONE + 7 * HOUR_NS, true);
	write_some(s, &c, 6, NULL);
	store_close(s);
	whole = file_get(f->store, &len);
	copy = malloc(len);
	for (unsigned i = 0; i < rounds; i++) {
		unsigned flips = 1 + chance_below(&c, 1 << chance_below(&c, 8));

		memcpy(copy, whole, len);
		while (flips--)
			copy[chance_below(&c, (uint32_t)len)] ^= (char)(1 << chance_below(&c, 8));
		store_remove(f);
		file_put(f->store, copy, i % 10 ? len : chance_below(&c, (uint32_t)len));
		refused += use_all(f->store) > 0;
	}
	assert_in_range(refused, rounds / 4, rounds);
	free(copy);
	free(whole);
}

/* What bytes flipped by chance do not reach: the contents of rows. */
static void test_rows_that_make_no_sense(void **state)
{
	static const struct {
		const char *sql, *says;
	} cases[] = {
		{"UPDATE counts SET data = x'80' WHERE id >> 20 = 536870914", "window 536870914"},
		{"UPDATE counts SET data = x'00' WHERE id >> 20 = 536870914", "window 536870914"},
		{"UPDATE counts SET data = x'0002' WHERE id >> 20 = 536870914", "window 536870914"},
		{"UPDATE counts SET data = x'010000' WHERE id >> 20 = 536870914",
			"window 536870914"},
		{"UPDATE counts SET data = x'000180' WHERE id >> 20 = 536870914",
			"window 536870914"},
		{"UPDATE counts SET data = x'ffffffffffffffffffff01' WHERE id >> 20 = 536870914",
			"window 536870914"},
		{"UPDATE counts SET data = data || x'00' WHERE id >> 20 = 536870914",
			"window 536870914"},
		{"UPDATE counts SET data = substr(data, 1, length(data) - 1) WHERE id >> 20 = 536870914",
			"window 536870914"},
		{"UPDATE counts SET period_ns = -1 WHERE id >> 20 = 536870914", "window 536870914"},
		{"UPDATE counts SET period_ns = 1 << 60 WHERE id >> 20 = 536870914",
			"window 536870914"},
		{"UPDATE counts SET series_first = -5 WHERE id >> 20 = 536870914",
			"window 536870914"},
		{"UPDATE counts SET series_first = 1000 WHERE id >> 20 = 536870914",
			"a process is missing"},
		{"UPDATE windows SET duration_ns = 1 << 60 WHERE id = 536870914", "window"},
		{"DELETE FROM stacks WHERE id = 5", "damaged"},
		{"UPDATE stacks SET parent = id WHERE id = 5", "later"},
		{"UPDATE stacks SET parent = id + 1 WHERE id = 6", "later"},
		{"DELETE FROM frames", "a frame is missing"},
		{"DELETE FROM functions", "a frame is missing"},
		{"UPDATE functions SET kind = 1 WHERE id = 3", "a frame makes no sense"},
		{"UPDATE functions SET kind = 1 << 33 WHERE id = 3", "a frame makes no sense"},
		{"UPDATE frames SET line = -1 WHERE id = 3", "a frame makes no sense"},
		{"DELETE FROM strings", "missing"},
		{"DELETE FROM threads", "a thread is missing"},
		{"DELETE FROM series", "a process is missing"},
		{"DROP TABLE counts", "no such table"},
		{"ALTER TABLE windows RENAME COLUMN lost TO found", "no such column"},
	};
	const struct folder *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct store *s = store_must(f->store);
		struct chance c = {6};
		struct err err = {0};
		struct store_reader *r;
		struct profile *p;

		write_some(s, &c, 3, NULL);
		store_close(s);
		sql(f->store, cases[i].sql);
		r = store_reader_open(f->store, &err);
		assert_non_null(r);
		if (store_read(r, &everything, &p, &err) != -EUCLEAN || p ||
			!strstr(err.text, cases[i].says))
			fail_msg("%s: %d %s", cases[i].sql, err.code, err.text);
		store_reader_close(r);
		use_all(f->store);
		store_remove(f);
	}
}

/* A window that cannot be merged is no reason to grow beyond the cap, and is named. */
static void test_damage_and_cap(void **state)
{
	const struct folder *f = *state;
	struct store_limits limits = store_limits_default;
	struct store *s = store_must(f->store);
	struct chance c = {7};
	struct store_stats stats;
	struct err err = {0};
	int rc;

	write_some(s, &c, 100, NULL);
	sql(f->store, "UPDATE counts SET data = x'80' WHERE id >> 20 = 536870914");
	rc = store_maintain(s, DAY_ONE + DAY_NS, true, 100000, &err);
	assert_int_equal(rc, -EUCLEAN);
	assert_non_null(strstr(err.text, "window 536870914"));
	assert_int_equal(store_stats(s, &stats, &err), 0);
	limits.max_bytes = stats.bytes / 4;
	store_set_limits(s, &limits);
	/* The oldest windows go first, the damaged one among them. */
	maintain_all(s, DAY_ONE + DAY_NS, true);
	assert_int_equal(store_stats(s, &stats, &err), 0);
	assert_in_range(stats.bytes, 1, limits.max_bytes);
	assert_true(stats.windows[0] + stats.windows[1] > 0);
	store_close(s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
		TEST(test_not_a_store),
		TEST(test_foreign_tables),
		TEST(test_memory),
		TEST(test_flipped_bytes),
		TEST(test_rows_that_make_no_sense),
		TEST(test_damage_and_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
