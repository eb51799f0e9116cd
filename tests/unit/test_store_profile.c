/* SPDX-License-Identifier: BSD-2-Clause */
/* Profile files: a store in memory as the bytes of a file, and what it says of itself. */
#include "test_store_recording.h"

#include <dirent.h>

/* ---- whole files -------------------------------------------------------------------------------
 */

static unsigned files_in(const char *folder)
{
	DIR *d = opendir(folder);
	unsigned n = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* Read with nothing made beside it: that works on any medium. The header tells SQLite not to want a
 * log. */
static void test_a_file_holds_all(void **state)
{
	const struct folder *f = *state;
	struct model m = {0};
	struct buf bytes;

	file_make(&bytes, 30, 40, &m);
	file_put(f->store, bytes.data, bytes.len);
	assert_int_equal(bytes.data[18], 1);
	assert_int_equal(bytes.data[19], 1);
	assert_memory_equal(bytes.data + 68, "prfd", 4);
	check_store(f->store, &m);
	assert_int_equal(files_in(f->path), 1);
	assert_true(is_whole(f->store));
	model_free(&m);
	buf_free(&bytes);
}

static void test_the_bytes_are_the_file(void **state)
{
	struct model m = {0};
	struct buf bytes, before;
	struct store_reader *r;
	struct err err = {0};
	struct profile *p;

	(void)state;
	file_make(&bytes, 5, 40, &m);
	buf_init(&before, bytes.len);
	buf_add(&before, bytes.data, bytes.len);
	r = open_must(&bytes);
	assert_int_equal(store_read(r, &everything, &p, &err), 0);
	model_check(&m, p);
	profile_free(p);
	store_reader_close(r);
	assert_memory_equal(before.data, bytes.data, bytes.len); /* reading leaves them alone */
	buf_free(&before);
	buf_free(&bytes);
	model_free(&m);
}

static void test_an_empty_recording(void **state)
{
	struct store_reader *r;
	struct store_about is;
	struct err err = {0};
	struct profile *p;
	struct buf bytes;

	(void)state;
	file_make(&bytes, 0, 0, NULL);
	r = open_must(&bytes);
	assert_int_equal(store_read(r, &everything, &p, &err), 0);
	assert_int_equal(p->quality.samples, 0);
	assert_int_equal(p->n_nodes, 1);
	store_reader_about(r, &is);
	assert_true(is.is_recording);
	profile_free(p);
	store_reader_close(r);
	buf_free(&bytes);
}

/* A daemon that is given one by mistake does not touch it. */
static void test_nothing_is_added_to_a_file(void **state)
{
	const struct folder *f = *state;
	struct model m = {0};
	struct buf bytes;
	char *after;
	size_t len;

	file_make(&bytes, 5, 40, &m);
	file_put(f->store, bytes.data, bytes.len);
	check_refused(f->store, -ENOTSUP, 0, "is a profile file");
	after = file_get(f->store, &len);
	assert_int_equal(len, bytes.len);
	assert_memory_equal(after, bytes.data, len);
	check_store(f->store, &m);
	free(after);
	model_free(&m);
	buf_free(&bytes);
}

static void test_only_what_is_in_memory(void **state)
{
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	struct err err = {0};
	struct buf bytes;

	buf_init(&bytes, 1 << 20);
	assert_int_equal(store_serialize(s, &bytes, &err), -EINVAL);
	assert_non_null(strstr(err.text, "is a file already"));
	assert_int_equal(bytes.len, 0);
	store_close(s);
}

static void test_a_file_over_its_bound(void **state)
{
	struct store *s = store_must(":memory:");
	struct chance c = {13};
	struct err err = {0};
	uint64_t empty, used;
	struct buf bytes;

	(void)state;
	assert_int_equal(store_used(s, &empty, &err), 0);
	write_some(s, &c, 20, NULL);
	assert_int_equal(store_used(s, &used, &err), 0);
	assert_true(used > empty + 20 * 60);
	buf_init(&bytes, 4096);
	assert_int_equal(store_serialize(s, &bytes, &err), -E2BIG);
	assert_non_null(strstr(err.text, "too large"));
	buf_init(&bytes, 64 << 20); /* and it can be used on */
	write_some(s, &c, 1, NULL);
	assert_int_equal(store_serialize(s, &bytes, &err), 0);
	assert_true(bytes.len <= used + (64 << 10));
	buf_free(&bytes);
	store_close(s);
}

/* What a sample takes beside the dictionary: a second file with the same stacks a hundred times. */
static void test_samples_are_small(void **state)
{
	uint64_t bytes_once, bytes_often, samples = 0;
	struct store *s = store_must(":memory:");
	struct chance c = {14};
	struct window *w = window_any(&c, DAY_ONE, NS_PER_S / 99, 100);
	struct err err = {0};
	struct buf bytes;

	(void)state;
	buf_init(&bytes, 64 << 20);
	write_must(s, w);
	assert_int_equal(store_serialize(s, &bytes, &err), 0);
	bytes_once = bytes.len;
	buf_reset(&bytes);
	for (unsigned i = 1; i <= 500; i++) {
		w->start_unix_ns += NS_PER_S;
		write_must(s, w);
		samples += w->profile->quality.samples;
	}
	assert_int_equal(store_serialize(s, &bytes, &err), 0);
	bytes_often = bytes.len - bytes_once;
	/* Some 300 bytes are the window's own, the rest samples. */
	assert_true(bytes_often < 500 * 300 + samples * 3 / 2);
	window_free(w);
	buf_free(&bytes);
	store_close(s);
}

/* ---- what it says of itself --------------------------------------------------------------------
 */

static void test_about(void **state)
{
	static const enum store_root roots[] = {
		STORE_ROOT_NONE, STORE_ROOT_PROCESS, STORE_ROOT_THREAD, STORE_ROOT_THREAD_ONLY};
	const struct folder *f = *state;
	struct err err = {0};

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		struct store *s = store_must(f->store);
		struct store_about is, given = about;
		struct store_reader *r = store_reader_open(f->store, &err);

		assert_non_null(r);
		store_reader_about(r, &is);
		assert_false(is.is_recording);
		assert_string_equal(is.title, "");
		store_reader_close(r);
		given.root = roots[i];
		assert_int_equal(store_describe(s, &given, &err), 0);
		store_close(s);
		r = store_reader_open(f->store, &err);
		assert_non_null(r);
		store_reader_about(r, &is);
		assert_true(is.is_recording);
		assert_string_equal(is.title, given.title);
		assert_string_equal(is.version, "9.8.7");
		assert_string_equal(is.source, "ebpf");
		assert_int_equal(is.root, roots[i]);
		store_reader_close(r);
		store_remove(f);
	}
}

/* Rows that nobody wrote so. */
static void test_about_that_makes_no_sense(void **state)
{
	const struct folder *f = *state;
	struct store_reader *r;
	struct store_about is;
	struct err err = {0};
	struct profile *p;

	store_close(store_must(f->store));
	sql(f->store, "INSERT INTO meta VALUES ('kind', 7), ('title', hex(zeroblob(1000))), "
		      "('profd', x'00ff'), ('roots', 'everywhere'), ('source', ''), ('', '')");
	r = store_reader_open(f->store, &err);
	assert_non_null(r);
	store_reader_about(r, &is);
	assert_false(is.is_recording);
	assert_int_equal(strlen(is.title), sizeof(is.title) - 1);
	assert_string_equal(is.version, "");
	assert_int_equal(is.root, STORE_ROOT_NONE);
	assert_int_equal(store_read(r, &everything, &p, &err), 0);
	assert_string_equal(p->source, "store");
	profile_free(p);
	store_reader_close(r);
	sql(f->store, "DROP TABLE meta");
	assert_null(store_reader_open(f->store, &err));
	assert_int_equal(err.code, -EUCLEAN);
	assert_non_null(strstr(err.text, "damaged"));
}

/* Title and source are the recording's own; what is asked for stands behind. */
static void test_title(void **state)
{
	const uint32_t pid = 103;
	struct store_query q = {.kernel = true};
	struct store_reader *r;
	struct err err = {0};
	struct profile *p;
	struct buf bytes;
	char expected[300];

	(void)state;
	file_make(&bytes, 2, 10, NULL);
	r = open_must(&bytes);
	assert_int_equal(store_read(r, &q, &p, &err), 0);
	assert_string_equal(p->title, about.title);
	assert_string_equal(p->source, "ebpf");
	profile_free(p);
	q.pids = &pid;
	q.n_pids = 1;
	assert_int_equal(store_read(r, &q, &p, &err), 0);
	snprintf(expected, sizeof(expected), "%s, PID 103", about.title);
	assert_string_equal(p->title, expected);
	profile_free(p);
	store_reader_close(r);
	buf_free(&bytes);
}

/* ---- roots -------------------------------------------------------------------------------------
 */

static bool is_number_of(const char *name, uint32_t line)
{
	char number[32];
	size_t n = (size_t)snprintf(number, sizeof(number), " (%u)", line), len = strlen(name);

	return len > n && !strcmp(name + len - n, number);
}

static void test_roots_with_numbers(void **state)
{
	struct store_query q = {.kernel = true, .root = STORE_ROOT_NUMBERED};
	struct store_reader *r;
	struct err err = {0};
	struct profile *p;
	unsigned processes = 0, threads = 0;
	struct buf bytes;

	(void)state;
	file_make(&bytes, 10, 40, NULL);
	r = open_must(&bytes);
	assert_int_equal(store_read(r, &q, &p, &err), 0);
	for (uint32_t i = 1; i < p->n_nodes; i++) {
		const struct frame *frame = &p->frames[p->nodes[i].frame];
		const char *name = p->strings[frame->name];
		uint32_t parent = p->nodes[i].parent;

		if (!parent) {
			assert_int_equal(frame->kind, FRAME_PROCESS);
			assert_in_range(frame->line, 100, 100 + PROCESSES - 1);
			assert_memory_equal(name, "worker", 6);
			assert_int_equal(strlen(name), 7);
			assert_int_equal(p->nodes[i].self_samples, 0);
			processes++;
		} else if (!p->nodes[parent].parent) {
			assert_int_equal(frame->kind, FRAME_THREAD);
			assert_in_range(frame->line, 100, 100 + PROCESSES + 3);
			assert_false(is_number_of(name, frame->line));
			assert_true(*name);
			threads++;
		}
	}
	assert_int_equal(processes, PROCESSES);
	assert_true(threads > PROCESSES);
	profile_free(p);
	q.root = STORE_ROOT_THREAD_ONLY;
	assert_int_equal(store_read(r, &q, &p, &err), 0);
	for (uint32_t i = 1; i < p->n_nodes; i++) {
		const struct frame *frame = &p->frames[p->nodes[i].frame];

		assert_int_equal(!p->nodes[i].parent, frame->kind == FRAME_THREAD);
		if (frame->kind == FRAME_THREAD)
			assert_true(is_number_of(p->strings[frame->name], frame->line));
	}
	profile_free(p);
	store_reader_close(r);
	buf_free(&bytes);
}

/* ---- slices and processes ----------------------------------------------------------------------
 */

static void failure_add(void *arg, const char *cause, uint64_t n)
{
	(void)cause;
	*(uint64_t *)arg += n;
}

static void check_slices(struct store_reader *r, size_t max)
{
	const struct store_query q = {.kernel = true, .slices_max = max};
	struct store_slice sum = {0};
	const struct store_slice *slices;
	uint64_t failed = 0;
	struct err err = {0};
	struct profile *p;

	assert_int_equal(store_read(r, &q, &p, &err), 0);
	slices = store_reader_slices(r);
	for (size_t i = 0; i < p->n_slices; i++) {
		sum.lost += slices[i].lost;
		sum.truncated += slices[i].truncated;
		sum.failed += slices[i].failed;
		sum.profiler_cpu_ns += slices[i].profiler_cpu_ns;
		sum.profiler_kernel_ns += slices[i].profiler_kernel_ns;
		assert_true(slices[i].requested_hz == 19);
		assert_int_equal(slices[i].profiler_rss_bytes, 30 << 20);
		assert_int_equal(slices[i].failed % 12, 0); /* 4 + 5 + 3 of each window */
		assert_int_equal(slices[i].lost, slices[i].failed / 12);
	}
	profile_failures(&p->quality, failure_add, &failed);
	assert_int_equal(sum.failed, failed);
	assert_int_equal(sum.lost, p->quality.lost);
	assert_int_equal(sum.truncated, p->quality.truncated);
	assert_int_equal(sum.profiler_cpu_ns, p->quality.profiler_cpu_ns);
	assert_int_equal(sum.profiler_kernel_ns, p->quality.profiler_kernel_ns);
	profile_free(p);
}

static void test_quality_of_slices(void **state)
{
	const struct store_query none = {.kernel = true};
	struct store_reader *r;
	struct err err = {0};
	struct profile *p;
	struct buf bytes;

	(void)state;
	file_make(&bytes, 20, 5, NULL);
	r = open_must(&bytes);
	check_slices(r, 1);
	check_slices(r, 7);
	check_slices(r, 1000);
	assert_int_equal(store_read(r, &none, &p, &err), 0);
	assert_null(store_reader_slices(r));
	profile_free(p);
	store_reader_close(r);
	buf_free(&bytes);
}

/* The rate is of the seconds in which something ran, whatever the windows without samples say. */
static void test_rate_of_windows_that_were_busy(void **state)
{
	static const struct {
		unsigned samples;
		double achieved_hz;
	} windows[] = {{60, 20}, {0, 0}, {0, 500}, {30, 10}, {5, 0}};
	const struct sample_text sample = {.process = 1, .tid = 5, .thread = "main"};
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	struct profile *p;

	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		struct window *w = window_new(DAY_ONE + i * 10 * NS_PER_S, 1000);

		if (windows[i].samples)
			window_sample(w, &sample, windows[i].samples);
		w->profile->quality.achieved_hz = windows[i].achieved_hz;
		write_must(s, w);
		window_free(w);
	}
	store_close(s);
	p = read_must(f->store, &everything);
	/* 60 samples take 3 s at 20 Hz, 30 take 3 s at 10 Hz. */
	assert_true(p->quality.achieved_hz > 14.999 && p->quality.achieved_hz < 15.001);
	profile_free(p);
}

static int process_take(void *arg, const struct store_process *p)
{
	unsigned *n = arg, i = p->pid - 100;
	struct series s = series_of(i);

	assert_int_equal(i, *n);
	assert_string_equal(p->comm, s.comm);
	assert_string_equal(p->user, s.user);
	assert_string_equal(p->container, s.container);
	assert_string_equal(p->python, s.python);
	assert_int_equal(p->threads, 1 + i % 4);
	series_clear(&s);
	return ++*n == 7 ? 42 : 0;
}

static void test_processes(void **state)
{
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	struct window *w = window_new(DAY_ONE, 1000);
	struct store_reader *r;
	struct err err = {0};
	unsigned n = 0;

	for (uint32_t i = 0; i < PROCESSES; i++) {
		const struct sample_text sample = {.process = i, .tid = 5, .thread = "main"};

		window_sample(w, &sample, 1);
	}
	write_must(s, w);
	store_close(s);
	window_free(w);
	r = store_reader_open(f->store, &err);
	assert_non_null(r);
	assert_int_equal(store_reader_processes(r, process_take, &n, &err), 42);
	n = 8;
	sql(f->store, "DELETE FROM series WHERE id <= 8");
	assert_int_equal(store_reader_processes(r, process_take, &n, &err), 0);
	assert_int_equal(n, PROCESSES);
	store_reader_close(r);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
		TEST(test_a_file_holds_all),
		TEST(test_the_bytes_are_the_file),
		TEST(test_an_empty_recording),
		TEST(test_nothing_is_added_to_a_file),
		TEST(test_only_what_is_in_memory),
		TEST(test_a_file_over_its_bound),
		TEST(test_samples_are_small),
		TEST(test_about),
		TEST(test_about_that_makes_no_sense),
		TEST(test_title),
		TEST(test_roots_with_numbers),
		TEST(test_quality_of_slices),
		TEST(test_rate_of_windows_that_were_busy),
		TEST(test_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
