/* SPDX-License-Identifier: BSD-2-Clause */
/* What goes into a store comes out of it: round trips, questions, merging, retention, sweeping. */
#include "test_store_model.h"

#include <errno.h>

static const struct store_query everything = {.root = STORE_ROOT_THREAD, .kernel = true};

static void check_store(const char *path, struct model *m)
{
	struct profile *p = read_must(path, &everything);

	model_check(m, p);
	profile_free(p);
}

static void test_round_trip(void **state)
{
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	struct chance c = {1};
	struct model m = {0};

	for (unsigned i = 0; i < 60; i++) {
		struct window *w = window_any(&c, DAY_ONE + i * 10 * NS_PER_S, 52631578, 150);

		write_must(s, w);
		model_window(&m, w);
		window_free(w);
	}
	check_store(f->store, &m);
	store_close(s);
	check_store(f->store, &m);
	model_free(&m);
}

/* ---- questions ---------------------------------------------------------------------------------
 */

static struct window *window_of_two(uint64_t start_unix_ns)
{
	struct window *w = window_new(start_unix_ns, 1000);
	struct sample_text s = {.process = 1, .tid = 101, .thread = "main", .n = 3};

	s.frames[0].kind = FRAME_PYTHON;
	s.frames[0].name = "run";
	s.frames[0].file = "app.py";
	s.frames[0].module = "";
	s.frames[1] = s.frames[0];
	s.frames[1].line = 12;
	s.frames[2].kind = FRAME_KERNEL;
	s.frames[2].name = "read";
	s.frames[2].file = "";
	s.frames[2].module = "kernel";
	window_sample(w, &s, 5);
	s.process = 3; /* in the host, user 1000 without a name, comm worker3 */
	s.tid = 777;
	s.thread = "other";
	s.n = 2;
	window_sample(w, &s, 2);
	s.process = 6; /* like 1 by comm, but on the host */
	s.n = 3;
	window_sample(w, &s, 10);
	return w;
}

static uint64_t samples_of(const char *path, const struct store_query *q)
{
	struct profile *p = read_must(path, q);
	uint64_t samples = p->quality.samples, sum = 0;

	for (uint32_t i = 0; i < p->n_nodes; i++)
		sum += p->nodes[i].self_samples;
	assert_int_equal(sum, samples);
	profile_free(p);
	return samples;
}

#define TEXTS(...)                                                                                 \
	{                                                                                          \
		(const char *const[]){__VA_ARGS__},                                                \
			sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)          \
	}

static void test_questions(void **state)
{
	const struct folder *f = *state;
	const uint32_t pids[] = {103, 4711};
	struct store *s = store_must(f->store);
	struct window *w = window_of_two(DAY_ONE);
	const struct {
		struct store_query q;
		uint64_t samples;
	} cases[] = {
		{{0}, 17},
		{{.pids = pids, .n_pids = 2}, 2},
		{{.pids = pids + 1, .n_pids = 1}, 0},
		{{.comms = TEXTS("worker1")}, 15},
		{{.comms = TEXTS("worker1", "worker3")}, 17},
		{{.comms = TEXTS("worker")}, 0},
		{{.containers = TEXTS("host")}, 12},
		{{.containers = TEXTS("c0ff")}, 5},
		{{.containers = TEXTS("")}, 0},
		{{.containers = TEXTS("c0ffee000002")}, 0},
		{{.containers = TEXTS("c0ffee000001", "host")}, 17},
		{{.users = TEXTS("anna")}, 5},
		{{.users = TEXTS("1000")}, 12},
		{{.users = TEXTS("1001")}, 5},
		{{.one_uid = true, .uid = 1001}, 5},
		{{.one_uid = true, .uid = 0}, 0},
		{{.threads = TEXTS("main")}, 5},
		{{.threads = TEXTS("777")}, 12},
		{{.threads = TEXTS("777"), .comms = TEXTS("worker3")}, 2},
		{{.since_unix_ns = DAY_ONE + 10 * NS_PER_S}, 0},
		{{.since_unix_ns = DAY_ONE + 10 * NS_PER_S - 1}, 17},
		{{.until_unix_ns = DAY_ONE}, 0},
		{{.until_unix_ns = DAY_ONE + 1}, 17},
	};

	write_must(s, w);
	window_free(w);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (samples_of(f->store, &cases[i].q) != cases[i].samples)
			fail_msg("question %zu", i);
	store_close(s);
}

/* The stacks of a profile, one a line. */
static void check_stacks(const char *path, const struct store_query *q, const char *expected)
{
	struct profile *p = read_must(path, q);
	struct model m = {0};
	char text[LABEL_BYTES] = "";

	model_profile(&m, p, NULL);
	model_join(&m);
	for (size_t i = 0; i < m.n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s %u\n",
			m.lines[i].text, (unsigned)m.lines[i].samples);
	assert_string_equal(text, expected);
	assert_string_equal(p->source, "store");
	model_free(&m);
	profile_free(p);
}

static void test_roots(void **state)
{
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	struct window *w = window_of_two(DAY_ONE);
	struct store_query q = {.kernel = true};

	write_must(s, w);
	window_free(w);
	check_stacks(f->store, &q,
		"|3:run:app.py:0:|3:run:app.py:12: 2\n"
		"|3:run:app.py:0:|3:run:app.py:12:|7:read::0:kernel 15\n");
	q.kernel = false;
	check_stacks(f->store, &q, "|3:run:app.py:0:|3:run:app.py:12: 17\n");
	q.root = STORE_ROOT_COMM;
	check_stacks(f->store, &q,
		"|1:worker1|3:run:app.py:0:|3:run:app.py:12: 15\n"
		"|1:worker3|3:run:app.py:0:|3:run:app.py:12: 2\n");
	q.root = STORE_ROOT_PROCESS;
	check_stacks(f->store, &q,
		"|1:worker1 (101)|3:run:app.py:0:|3:run:app.py:12: 5\n"
		"|1:worker1 (106)|3:run:app.py:0:|3:run:app.py:12: 10\n"
		"|1:worker3 (103)|3:run:app.py:0:|3:run:app.py:12: 2\n");
	q.root = STORE_ROOT_CONTAINER;
	check_stacks(f->store, &q,
		"|9:(host)::0:|1:worker1|3:run:app.py:0:|3:run:app.py:12: 10\n"
		"|9:(host)::0:|1:worker3|3:run:app.py:0:|3:run:app.py:12: 2\n"
		"|9:c0ffee000001::0:|1:worker1|3:run:app.py:0:|3:run:app.py:12: 5\n");
	store_close(s);
}

/* A stack that is the kernel's alone is nothing without it: its samples are the thread's own. */
static void test_kernel_alone(void **state)
{
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	struct window *w = window_new(DAY_ONE, 1000);
	struct sample_text t = {.process = 0, .tid = 100, .thread = "t", .n = 1};
	struct store_query q = {.root = STORE_ROOT_NONE};

	t.frames[0].kind = FRAME_KERNEL;
	t.frames[0].name = "idle";
	t.frames[0].file = t.frames[0].module = "";
	window_sample(w, &t, 4);
	write_must(s, w);
	window_free(w);
	check_stacks(f->store, &q, " 4\n");
	q.root = STORE_ROOT_COMM;
	check_stacks(f->store, &q, "|1:worker0 4\n");
	store_close(s);
}

/* ---- slices ------------------------------------------------------------------------------------
 */

static void check_slices(const char *path, size_t max, size_t expected)
{
	struct store_query q = {.slices_max = max, .kernel = true};
	struct profile *p = read_must(path, &q);
	uint64_t duration_ns = 0, *sums = calloc(p->n_nodes, sizeof(*sums));

	assert_int_equal(p->n_slices, expected);
	for (size_t i = 0; i < p->n_slices; i++) {
		const struct profile_slice *slice = &p->slices[i];

		assert_true(!i || p->slices[i - 1].start_unix_ns <= slice->start_unix_ns);
		assert_int_equal(slice->first, i ? p->slices[i - 1].first + p->slices[i - 1].n : 0);
		duration_ns += slice->duration_ns;
		for (size_t k = slice->first; k < slice->first + slice->n; k++) {
			assert_true(k == slice->first || p->counts[k - 1].node < p->counts[k].node);
			sums[p->counts[k].node] += p->counts[k].samples;
		}
	}
	assert_int_equal(duration_ns, p->quality.duration_ns);
	for (uint32_t i = 0; i < p->n_nodes; i++)
		assert_int_equal(sums[i], p->nodes[i].self_samples);
	free(sums);
	profile_free(p);
}

static void test_slices(void **state)
{
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	struct store_query none = {.kernel = true};
	struct chance c = {2};
	struct profile *p;

	for (unsigned i = 0; i < 40; i++) {
		struct window *w = window_any(&c, DAY_ONE + i * 10 * NS_PER_S, 1000, i % 4 * 20);

		write_must(s, w);
		window_free(w);
	}
	check_slices(f->store, 1, 1);
	check_slices(f->store, 7, 7);
	check_slices(f->store, 39, 20);
	check_slices(f->store, 40, 40);
	check_slices(f->store, 1000, 40);
	p = read_must(f->store, &none);
	assert_null(p->slices);
	profile_free(p);
	store_close(s);
}

/* ---- quality -----------------------------------------------------------------------------------
 */

static void check_quality(const char *path, uint64_t windows, uint64_t n)
{
	struct err err = {0};
	struct store_reader *r = store_reader_open(path, &err);
	struct store_query q = {.comms = TEXTS("nobody")};
	struct store_span span;
	struct profile *p;

	assert_non_null(r);
	assert_int_equal(store_read(r, &q, &p, &err), 0);
	store_reader_span(r, &span);
	assert_int_equal(span.windows, windows);
	assert_int_equal(span.first_unix_ns, DAY_ONE);
	assert_int_equal(span.covered_ns, n * 10 * NS_PER_S);
	assert_int_equal(p->start_unix_ns, DAY_ONE);
	assert_int_equal(p->quality.samples, 0);
	assert_int_equal(p->quality.lost, n);
	assert_int_equal(p->quality.truncated, 2 * n);
	assert_int_equal(p->quality.unmerged, 3 * n);
	assert_int_equal(p->quality.frames_seen, 100 * n);
	assert_int_equal(p->quality.unsymbolized_frames, 10 * n);
	assert_int_equal(p->quality.native_end[WALK_COMPLETE], 40 * n);
	assert_int_equal(p->quality.native_end[WALK_NO_RULE], 4 * n);
	assert_int_equal(p->quality.python_end[WALK_BAD_FRAME], 5 * n);
	assert_int_equal(p->quality.profiler_cpu_ns, 5000 * n);
	assert_int_equal(p->quality.profiler_kernel_ns, 700 * n);
	assert_int_equal(p->quality.profiler_rss_bytes, 30 << 20);
	assert_true(p->quality.requested_hz == 19 && p->quality.achieved_hz == 18.5);
	profile_free(p);
	store_reader_close(r);
}

static void test_quality(void **state)
{
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	struct store_stats stats;
	struct err err = {0};
	struct chance c = {3};

	assert_int_equal(store_stats(s, &stats, &err), 0);
	assert_int_equal(stats.last_unix_ns, 0);
	for (unsigned i = 0; i < 12; i++) {
		struct window *w = window_any(&c, DAY_ONE + i * 10 * NS_PER_S, 1000, 20);

		write_must(s, w);
		window_free(w);
	}
	check_quality(f->store, 12, 12);
	maintain_all(s, DAY_ONE + DAY_NS, true);
	check_quality(f->store, 2, 12);
	assert_int_equal(store_stats(s, &stats, &err), 0);
	assert_int_equal(stats.windows[0], 0);
	assert_int_equal(stats.windows[1], 2);
	assert_int_equal(stats.lost, 12);
	assert_int_equal(stats.first_unix_ns, DAY_ONE);
	assert_int_equal(stats.last_unix_ns, DAY_ONE + 120 * NS_PER_S);
	assert_int_equal(stats.series, PROCESSES);
	store_close(s);
}

/* ---- tiers, and what is old --------------------------------------------------------------------
 */

/* Nothing but what limits and the present allow may ever change the answer to a question. */
static void test_tiers(void **state)
{
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	struct chance c = {4};
	struct store_stats stats;
	struct model m = {0};
	struct err err = {0};
	uint64_t now = DAY_ONE;

	/* Nine days, of each hour a few windows, at two rates. */
	for (unsigned i = 0; i < 9 * 24 * 4; i++) {
		struct window *w = window_any(&c, now, i % 7 ? 52631578 : 100000000, 12);

		write_must(s, w);
		model_window(&m, w);
		window_free(w);
		maintain_all(s, now, true);
		now += i % 4 == 3 ? HOUR_NS - 3 * 20 * NS_PER_S : 20 * NS_PER_S;
		if (i % 100 == 99)
			check_store(f->store, &m);
	}
	check_store(f->store, &m);
	assert_int_equal(store_stats(s, &stats, &err), 0);
	assert_int_equal(stats.samples, m.samples);
	assert_in_range(stats.windows[0], 6 * 4, 6 * 4 + 8);
	assert_in_range(stats.windows[1], 160 * 2, 164 * 2);
	assert_in_range(stats.windows[2], 40, 50);
	model_free(&m);

	/* Much later all of it has gone, and what it referred to as well. */
	maintain_all(s, now + 200 * DAY_NS, true);
	check_store(f->store, &m);
	assert_int_equal(store_stats(s, &stats, &err), 0);
	assert_int_equal(stats.windows[0] + stats.windows[1] + stats.windows[2], 0);
	assert_int_equal(stats.stacks, 0);
	assert_int_equal(stats.series, 0);
	assert_in_range(stats.bytes, 1, 6 << 20);
	store_close(s);
}

static void test_no_ages(void **state)
{
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	struct window *w = window_of_two(DAY_ONE);
	struct store_stats stats;
	struct err err = {0};

	write_must(s, w);
	maintain_all(s, DAY_ONE + 1000 * DAY_NS, false);
	assert_int_equal(store_stats(s, &stats, &err), 0);
	assert_int_equal(stats.windows[0], 1);
	window_free(w);
	store_close(s);
}

/* The clock jumps, back and ahead: windows overlap, lie in the future and in one minute twice. */
static void test_clock(void **state)
{
	static const int64_t jumps_s[] = {
		0, 10, 20, -86400, -86390, 30, 40, 4000000, 4000010, 0, 5, 50};
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	struct chance c = {5};
	struct model m = {0};
	struct profile *p;
	struct store_query q = {.slices_max = 100};

	for (unsigned round = 0; round < 3; round++)
		for (size_t i = 0; i < sizeof(jumps_s) / sizeof(jumps_s[0]); i++) {
			uint64_t at = DAY_ONE + (uint64_t)(jumps_s[i] * (int64_t)NS_PER_S);
			struct window *w = window_any(&c, at, 1000, 30);

			write_must(s, w);
			model_window(&m, w);
			window_free(w);
			maintain_all(s, at + round * 7 * HOUR_NS, true);
		}
	check_store(f->store, &m);
	p = read_must(f->store, &q);
	for (size_t i = 1; i < p->n_slices; i++)
		assert_true(p->slices[i - 1].start_unix_ns <= p->slices[i].start_unix_ns);
	profile_free(p);
	maintain_all(s, DAY_ONE + 8 * DAY_NS, true);
	check_store(f->store, &m);
	model_free(&m);
	store_close(s);
}

/* ---- the cap -----------------------------------------------------------------------------------
 */

/* A window of stacks that are not seen again. */
static struct window *window_fresh(uint64_t start_unix_ns, unsigned number, unsigned stacks)
{
	struct window *w = window_new(start_unix_ns, 1000);
	char name[64];

	for (unsigned i = 0; i < stacks; i++) {
		struct sample_text t = {.process = i % PROCESSES, .tid = 1, .thread = "t", .n = 2};

		snprintf(name, sizeof(name), "function_%u_of_window_%u", i, number);
		t.frames[0].kind = t.frames[1].kind = FRAME_NATIVE;
		t.frames[0].name = "main";
		t.frames[1].name = name;
		t.frames[0].file = t.frames[1].file = "";
		t.frames[0].module = t.frames[1].module = "a.out";
		window_sample(w, &t, 1);
	}
	return w;
}

static void test_cap(void **state)
{
	const struct folder *f = *state;
	struct store_limits limits = store_limits_default;
	struct store *s = store_must(f->store);
	struct store_query q = {.slices_max = 1000000};
	struct store_stats stats;
	struct err err = {0};
	struct profile *p;
	uint64_t most = 0;
	const unsigned n = 400;

	limits.max_bytes = 2 << 20;
	store_set_limits(s, &limits);
	for (unsigned i = 0; i < n; i++) {
		struct window *w = window_fresh(DAY_ONE + i * 10 * NS_PER_S, i, 200);

		write_must(s, w);
		window_free(w);
		maintain_all(s, DAY_ONE + i * 10 * NS_PER_S, i % 2);
		assert_int_equal(store_stats(s, &stats, &err), 0);
		if (stats.bytes > most)
			most = stats.bytes;
	}
	assert_true(most <= limits.max_bytes);
	/* The newest are there without a gap, and not only a few of them. */
	p = read_must(f->store, &q);
	assert_in_range(p->n_slices, 20, n - 20);
	assert_int_equal(
		p->slices[p->n_slices - 1].start_unix_ns, DAY_ONE + (n - 1) * 10 * NS_PER_S);
	for (size_t i = 1; i < p->n_slices; i++)
		assert_int_equal(
			p->slices[i].start_unix_ns, p->slices[i - 1].start_unix_ns + 10 * NS_PER_S);
	assert_int_equal(p->quality.samples, p->n_slices * 200);
	profile_free(p);
	store_close(s);
}

/* Windows of a clock that was far ahead go first, when the clock can be trusted again. */
static void test_cap_and_future(void **state)
{
	const struct folder *f = *state;
	struct store_limits limits = store_limits_default;
	struct store *s = store_must(f->store);
	struct store_stats stats;
	struct err err = {0};

	for (unsigned i = 0; i < 40; i++) {
		uint64_t at = DAY_ONE + i * 10 * NS_PER_S + (i < 20 ? 9000 * DAY_NS : 0);
		struct window *w = window_fresh(at, i, 300);

		write_must(s, w);
		window_free(w);
	}
	assert_int_equal(store_stats(s, &stats, &err), 0);
	assert_true(stats.last_unix_ns > DAY_ONE + 9000 * DAY_NS);
	limits.max_bytes = stats.bytes * 6 / 10;
	store_set_limits(s, &limits);
	maintain_all(s, DAY_ONE + HOUR_NS, true);
	assert_int_equal(store_stats(s, &stats, &err), 0);
	assert_true(stats.bytes <= limits.max_bytes);
	assert_int_equal(stats.first_unix_ns, DAY_ONE + 200 * NS_PER_S);
	assert_int_equal(stats.windows[0] >= 20, 1);
	store_close(s);
}

/* ---- sweeping while windows are written --------------------------------------------------------
 */

/* Housekeeping in the smallest pieces, with windows written and merged in between: the sweep may
 * take nothing that is in use. */
static void test_sweep_between_writes(void **state)
{
	enum { WINDOWS = 1500 };
	const struct folder *f = *state;
	struct store_limits limits = {
		.fine_s = 60, .minute_s = 3600, .hour_s = 4 * 3600, .max_bytes = 1 << 30};
	struct store *s = store_must(f->store);
	struct model *parts = calloc(WINDOWS, sizeof(*parts)), kept = {0};
	struct chance c = {6};
	struct store_stats stats;
	struct err err = {0};
	uint64_t now = DAY_ONE, most = 0;

	store_set_limits(s, &limits);
	for (unsigned i = 0; i < WINDOWS; i++, now += 50 * NS_PER_S) {
		/* Much is never seen again, some comes back after it was forgotten. */
		struct window *w = i % 5 ? window_fresh(now, i % 3 ? i : i % 97, 40)
					 : window_any(&c, now, 1000, 10);

		write_must(s, w);
		model_window(&parts[i], w);
		window_free(w);
		assert_in_range(store_maintain(s, now, true, 0, &err), 0, 1);
		if (i % 100)
			continue;
		assert_int_equal(store_stats(s, &stats, &err), 0);
		most = stats.stacks > most ? stats.stacks : most;
	}
	maintain_all(s, now, true);
	assert_int_equal(store_stats(s, &stats, &err), 0);
	assert_in_range(stats.first_unix_ns, now - 5 * HOUR_NS, now - 3 * HOUR_NS);
	/* 20 hours made some 45,000 stacks, of which a fifth is in use. */
	assert_in_range(most, 9000, 30000);
	assert_in_range(stats.stacks, 9000, 30000);
	for (unsigned i = 0; i < WINDOWS; i++) {
		if (DAY_ONE + i * 50 * NS_PER_S >= stats.first_unix_ns)
			for (size_t k = 0; k < parts[i].n; k++)
				model_line(&kept, parts[i].lines[k].text, parts[i].lines[k].samples,
					parts[i].lines[k].weight_ns);
		model_free(&parts[i]);
	}
	check_store(f->store, &kept);
	model_free(&kept);
	free(parts);
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_questions, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_roots, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_kernel_alone, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_slices, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_quality, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_tiers, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_no_ages, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_clock, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_cap, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_cap_and_future, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(
			test_sweep_between_writes, folder_make, folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
