/* SPDX-License-Identifier: BSD-2-Clause */
/* Two files or parts of them, compared. */
#include "engine_files.h"

struct compared {
	json_t *message, *body;
	char *text; /* what was written, NUL-terminated */
};

static void compared_clear(struct compared *c)
{
	json_decref(c->message);
	free(c->text);
}

static char *content_of(int fd)
{
	off_t len = lseek(fd, 0, SEEK_END);
	char *text = calloc(1, (size_t)len + 1);

	assert_non_null(text);
	assert_int_equal(pread(fd, text, (size_t)len, 0), len);
	return text;
}

static struct compared compare(struct engine *e, const struct diff_request *q)
{
	FD_CLOSE int fd = memfd_create("output", MFD_CLOEXEC);
	struct compared c;
	enum serve_kind kind;
	struct err err = {0};

	assert_int_equal(serve_send_diff(e->channel, q, fd, &err), 0);
	c.message = receive(e, &kind);
	if (kind != SERVE_COMPARED)
		fail_msg("%s", json_dumps(c.message, 0));
	c.body = body_of(c.message, "compared");
	c.text = content_of(fd);
	return c;
}

static struct diff_request *question(const struct engine *e, const char *before, const char *after)
{
	struct diff_request *q = calloc(1, sizeof(*q));

	assert_non_null(q);
	*q = (struct diff_request){
		.id = 6, .by = "function", .sort = "total", .format = "json", .kernel = true};
	snprintf(q->before.store, sizeof(q->before.store), "%s/%s", e->folder->path, before);
	snprintf(q->after.store, sizeof(q->after.store), "%s/%s", e->folder->path, after);
	return q;
}

static void side_make(const struct engine *e, const char *name, const unsigned shares[3])
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", e->folder->path, name);
	file_write(path, name, shares);
}

static void side_remove(const struct engine *e, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", e->folder->path, name);
	unlink(path);
}

static const char *text_of_member(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* All sentences for people as one text. */
static void notes_of(const struct compared *c, char *to, size_t bytes)
{
	size_t i;
	json_t *note;

	*to = '\0';
	json_array_foreach(json_object_get(c->body, "notes"), i, note)
		snprintf(to + strlen(to), bytes - strlen(to), "%s\n", json_string_value(note));
}

static void test_finds_what_changed(void **state)
{
	struct engine *e = *state;
	struct diff_request *q;
	struct compared c;
	char notes[4096];

	side_make(e, "a", evenly);
	side_make(e, "b", more);
	q = question(e, "a", "b");
	c = compare(e, q);
	assert_string_equal(text_of_member(c.body, "verdict"), "changed");
	assert_string_equal(text_of_member(c.body, "worst_function"), "hot");
	/* 50 of 105 samples, then 80 and the other process's 5. */
	assert_true(fabs(real(c.body, "worst") - 30.0 / 105) < 0.001);
	assert_true(real(body_of(c.body, "before"), "samples") == 100 * WINDOWS + 60);
	assert_true(real(body_of(c.body, "after"), "windows") == WINDOWS);
	assert_non_null(strstr(c.text, "\"hot\""));
	assert_non_null(strstr(c.text, "cold"));
	assert_null(strchr(c.text, '\x1b'));
	notes_of(&c, notes, sizeof(notes)); /* of the same second, but not of the same file */
	assert_string_equal(notes, "");
	compared_clear(&c);
	/* A limit is of the rows that are shown, not of what is found. */
	q->limit = 1;
	snprintf(q->sort, sizeof(q->sort), "self");
	c = compare(e, q);
	assert_true(real(c.body, "rows") == 1 && real(c.body, "rows_all") > 1);
	assert_string_equal(text_of_member(c.body, "worst_function"), "hot");
	compared_clear(&c);
	free(q);
	side_remove(e, "a");
	side_remove(e, "b");
}

static void test_equal_sides(void **state)
{
	struct engine *e = *state;
	struct diff_request *q;
	struct compared c;
	char notes[4096];

	side_make(e, "a", evenly);
	q = question(e, "a", "a");
	c = compare(e, q);
	assert_string_equal(text_of_member(c.body, "verdict"), "same");
	assert_true(real(c.body, "worst") == 0);
	assert_true(json_is_null(json_object_get(c.body, "worst_function")));
	notes_of(&c, notes, sizeof(notes));
	assert_non_null(strstr(notes, "12 s are in both sides"));
	compared_clear(&c);
	/* Two halves of it have nothing in common. */
	q->before.until_unix_s = (double)(DAY_ONE / NS_PER_S) + WINDOWS / 2;
	q->after.since_unix_s = q->before.until_unix_s;
	c = compare(e, q);
	notes_of(&c, notes, sizeof(notes));
	assert_null(strstr(notes, "both sides"));
	assert_true(real(body_of(c.body, "before"), "windows") == WINDOWS / 2);
	compared_clear(&c);
	free(q);
	side_remove(e, "a");
}

static void test_sides_that_say_nothing(void **state)
{
	struct engine *e = *state;
	struct diff_request *q;
	struct compared c;
	char notes[4096], *nobody[] = {"nobody", NULL};

	side_make(e, "a", evenly);
	store_close(store_must(e->folder->store));
	q = question(e, "a", "profd.db");
	q->before.comms = nobody;
	q->before.n_comms = 1;
	c = compare(e, q);
	assert_string_equal(text_of_member(c.body, "verdict"), "not enough data");
	assert_true(*text_of_member(c.body, "why"));
	notes_of(&c, notes, sizeof(notes));
	assert_non_null(strstr(notes, "before: no sample"));
	assert_non_null(strstr(notes, "after: the store has no windows"));
	compared_clear(&c);
	free(q);
	side_remove(e, "a");
}

/* Windows of ten seconds against those of one, at another rate. */
static void test_sides_that_are_not_alike(void **state)
{
	struct engine *e = *state;
	struct store *s = store_must(e->folder->store);
	struct chance chance = {21};
	struct diff_request *q;
	struct compared c;
	char notes[4096];

	for (unsigned i = 0; i < 8; i++) {
		struct window *w =
			window_any(&chance, DAY_ONE + i * 10 * NS_PER_S, NS_PER_S / 19, 60);

		write_must(s, w);
		window_free(w);
	}
	store_close(s);
	side_make(e, "b", more);
	q = question(e, "profd.db", "b");
	c = compare(e, q);
	notes_of(&c, notes, sizeof(notes));
	assert_non_null(strstr(notes, "before was sampled at 19 Hz, after at 99 Hz"));
	assert_non_null(strstr(notes, "steps of 10.0 s, after of 1.0 s"));
	compared_clear(&c);
	free(q);
	side_remove(e, "b");
}

static void test_every_format_of_a_comparison(void **state)
{
	static const char *const formats[] = {"table", "json", "csv", "flamegraph"};
	static const char *const bys[] = {"function", "line", "module"};
	struct engine *e = *state;
	struct diff_request *q;

	side_make(e, "a", evenly);
	side_make(e, "b", more);
	q = question(e, "a", "b");
	for (size_t i = 0; i < COUNT(formats); i++)
		for (size_t k = 0; k < COUNT(bys); k++) {
			struct compared c;

			snprintf(q->format, sizeof(q->format), "%s", formats[i]);
			snprintf(q->by, sizeof(q->by), "%s", bys[k]);
			c = compare(e, q);
			assert_non_null(
				strstr(c.text, strcmp(bys[k], "module") ? "hot" : "app.py"));
			compared_clear(&c);
		}
	free(q);
	side_remove(e, "a");
	side_remove(e, "b");
}

static void test_a_side_that_is_no_store(void **state)
{
	struct engine *e = *state;
	FD_CLOSE int fd = memfd_create("output", MFD_CLOEXEC);
	struct diff_request *q;
	enum serve_kind kind;
	struct err err = {0};
	json_t *message;

	side_make(e, "a", evenly);
	q = question(e, "a", "missing");
	assert_int_equal(serve_send_diff(e->channel, q, fd, &err), 0);
	message = receive(e, &kind);
	assert_int_equal(kind, SERVE_ERROR);
	assert_int_equal(serve_get_error(message, &err), -ENOENT);
	assert_non_null(strstr(err.text, "missing"));
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	json_decref(message);
	free(q);
	side_remove(e, "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENGINE_TEST(test_finds_what_changed),
		ENGINE_TEST(test_equal_sides),
		ENGINE_TEST(test_sides_that_say_nothing),
		ENGINE_TEST(test_sides_that_are_not_alike),
		ENGINE_TEST(test_every_format_of_a_comparison),
		ENGINE_TEST(test_a_side_that_is_no_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
