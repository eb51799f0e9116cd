/* SPDX-License-Identifier: BSD-2-Clause */
/* What is played of a file, window after window. */
#include "engine_files.h"

static void ask_play(struct engine *e, const char *path, const char *comm)
{
	struct watch_request *q = calloc(1, sizeof(*q));
	char *comms[] = {(char *)(uintptr_t)comm, NULL};
	struct err err = {0};

	assert_non_null(q);
	*q = (struct watch_request){.id = 5, .interval_s = 1, .kernel = true, .native = true};
	if (comm) {
		q->comms = comms;
		q->n_comms = 1;
	}
	snprintf(q->store, sizeof(q->store), "%s", path);
	if (serve_send_watch_request(e->channel, q, &err) < 0)
		fail_msg("%s", err.text);
	free(q);
}

static json_t *expect_started(struct engine *e)
{
	enum serve_kind kind;
	json_t *message = receive(e, &kind);

	if (kind != SERVE_STARTED)
		fail_msg("%s", json_dumps(message, 0));
	return message;
}

/* The next interval; false: something else came, and `*message` is it. */
static bool next_interval(struct engine *e, struct watch_receiver *w, struct watch_interval *out)
{
	int rc = 0;

	while (!rc) {
		enum serve_kind kind;
		struct err err = {0};
		json_t *message = receive(e, &kind);

		assert_int_equal(kind, SERVE_WATCH);
		rc = watch_receiver_take(w, message, out, &err);
		if (rc < 0)
			fail_msg("%s", err.text);
		json_decref(message);
	}
	return true;
}

/* Samples of the interval in the function. */
static uint64_t samples_of(
	const struct watch_receiver *w, const struct watch_interval *interval, const char *name)
{
	const struct profile *tree = watch_receiver_tree(w);
	uint64_t sum = 0;

	for (size_t i = 0; i < interval->n_counts; i++) {
		const struct frame *f = &tree->frames[tree->nodes[interval->counts[i].node].frame];

		if (!strncmp(tree->strings[f->name], name, strlen(name)))
			sum += interval->counts[i].samples;
	}
	return sum;
}

static void test_plays_window_after_window(void **state)
{
	struct engine *e = *state;
	struct watch_receiver *w = watch_receiver_new();
	struct watch_interval interval = {0};
	const struct watch_process *processes;
	json_t *started;
	size_t n;

	file_write(e->folder->store, "app.py (103)", evenly);
	ask_play(e, e->folder->store, NULL);
	started = expect_started(e);
	assert_string_equal(
		json_string_value(json_object_get(body_of(started, "started"), "title")),
		"app.py (103)");
	json_decref(started);
	for (unsigned i = 0; i < WINDOWS; i++) {
		unsigned others = i >= WINDOWS / 2 ? 10 : 0;

		next_interval(e, w, &interval);
		assert_int_equal(interval.samples, 100 + others);
		assert_int_equal(samples_of(w, &interval, "hot"), evenly[i % 3] + others);
		assert_int_equal(samples_of(w, &interval, "cold"), 100 - evenly[i % 3]);
		assert_true(fabs(interval.start_unix_s - (double)(DAY_ONE / NS_PER_S) - i) < 0.01);
		assert_true(fabs(interval.interval_s - 1) < 0.001);
		assert_true(fabs(interval.elapsed_s - i - 1) < 0.001);
		assert_true(fabs(interval.rate_hz - 99) < 0.001);
		assert_int_equal(interval.lost, i);
		assert_int_equal(interval.truncated, 2);
		assert_int_equal(interval.failed, 12);
		assert_false(interval.shared);
		assert_int_equal(interval.last, i == WINDOWS - 1);
		processes = watch_receiver_processes(w, &n);
		assert_int_equal(n, others ? 2 : 1);
		assert_int_equal(processes[0].pid, 103);
		assert_string_equal(processes[0].comm, "worker3");
		assert_string_equal(processes[0].user, "1000");
		assert_string_equal(processes[0].container, "");
		assert_string_equal(processes[0].python, "3.12.1");
		assert_int_equal(processes[0].threads, 4);
	}
	assert_int_equal(processes[1].pid, 104);
	assert_string_equal(processes[1].user, "anna");
	assert_string_equal(processes[1].container, "c0ffee000001");
	watch_receiver_free(w);
}

/* Each stack stands below its process and its thread, with their numbers. */
static void test_roots_of_what_is_played(void **state)
{
	struct engine *e = *state;
	struct watch_receiver *w = watch_receiver_new();
	struct watch_interval interval = {0};
	const struct profile *tree;
	unsigned seen = 0;

	file_write(e->folder->store, "", evenly);
	ask_play(e, e->folder->store, NULL);
	json_decref(expect_started(e));
	while (!interval.last)
		next_interval(e, w, &interval);
	tree = watch_receiver_tree(w);
	for (uint32_t i = 1; i < tree->n_nodes; i++) {
		const struct frame *f = &tree->frames[tree->nodes[i].frame];
		uint32_t parent = tree->nodes[i].parent;

		assert_int_equal(!parent, f->kind == FRAME_PROCESS);
		if (f->kind != FRAME_THREAD)
			continue;
		assert_int_equal(tree->nodes[parent].parent, 0);
		assert_true(f->line == 203 || f->line == 204);
		assert_int_equal(tree->frames[tree->nodes[parent].frame].line, f->line - 100);
		seen++;
	}
	assert_int_equal(seen, 2);
	watch_receiver_free(w);
}

static void test_plays_what_was_chosen(void **state)
{
	struct engine *e = *state;
	struct watch_receiver *w = watch_receiver_new();
	struct watch_interval interval = {0};
	uint64_t samples = 0;
	unsigned n = 0;

	file_write(e->folder->store, "", evenly);
	ask_play(e, e->folder->store, "worker4");
	json_decref(expect_started(e));
	for (; !interval.last; n++) {
		next_interval(e, w, &interval);
		samples += interval.samples;
	}
	assert_int_equal(n, WINDOWS); /* also those in which it did nothing */
	assert_int_equal(samples, 10 * WINDOWS / 2);
	watch_receiver_free(w);
}

static void test_plays_an_empty_file(void **state)
{
	struct engine *e = *state;
	struct watch_receiver *w = watch_receiver_new();
	struct watch_interval interval = {0};

	store_close(store_must(e->folder->store));
	ask_play(e, e->folder->store, NULL);
	json_decref(expect_started(e));
	next_interval(e, w, &interval);
	assert_true(interval.last);
	assert_int_equal(interval.samples, 0);
	watch_receiver_free(w);
}

/* More windows than there may be intervals are joined, and nothing is lost by it. */
static void test_joins_many_windows(void **state)
{
	struct engine *e = *state;
	struct store *s = store_must(e->folder->store);
	struct watch_receiver *w = watch_receiver_new();
	struct watch_interval interval = {0};
	struct window *one = window_new(DAY_ONE, 1000);
	const struct sample_text sample = {.process = 1, .tid = 5, .thread = "main"};
	uint64_t samples = 0;
	unsigned n = 0;

	window_sample(one, &sample, 3);
	for (unsigned i = 0; i < 4000; i++) {
		one->start_unix_ns = DAY_ONE + i * 10 * NS_PER_S;
		write_must(s, one);
	}
	store_close(s);
	window_free(one);
	ask_play(e, e->folder->store, NULL);
	json_decref(expect_started(e));
	for (; !interval.last; n++) {
		next_interval(e, w, &interval);
		samples += interval.samples;
		assert_true(interval.shared); /* a daemon's */
	}
	assert_in_range(n, 1000, 3600);
	assert_int_equal(samples, 3 * 4000);
	watch_receiver_free(w);
}

static void test_what_cannot_be_played(void **state)
{
	struct engine *e = *state;
	enum serve_kind kind;
	struct err err = {0};
	json_t *message;

	ask_play(e, e->folder->store, NULL);
	message = receive(e, &kind);
	assert_int_equal(kind, SERVE_ERROR);
	assert_int_equal(serve_get_error(message, &err), -ENOENT);
	json_decref(message);
	/* And the connection goes on. */
	file_write(e->folder->store, "", evenly);
	ask_play(e, e->folder->store, NULL);
	json_decref(expect_started(e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENGINE_TEST(test_plays_window_after_window),
		ENGINE_TEST(test_roots_of_what_is_played),
		ENGINE_TEST(test_plays_what_was_chosen),
		ENGINE_TEST(test_plays_an_empty_file),
		ENGINE_TEST(test_joins_many_windows),
		ENGINE_TEST(test_what_cannot_be_played),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
