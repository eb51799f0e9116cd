/* SPDX-License-Identifier: BSD-2-Clause */
/* The model of `profd top`: intervals into pages of functions, lines, processes and threads. */
#include "top_program.h"

#include <errno.h>

static void test_functions(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS, .sort = TOP_BY_SELF};
	const struct top_page *page;
	struct program p;

	(void)state;
	program_init(&p);
	program_run(&p);
	feed_add(&p.f, m);
	page = page_of(m, &q);
	assert_int_equal(page->n_rows, 4);
	assert_int_equal(page->n_all, 4);
	check_row(page, "work", 60, 80, 100); /* recursion counts once */
	check_row(page, "read", 20, 20, 100);
	check_row(page, "main", 10, 90, 100);
	check_row(page, "other", 10, 10, 100);
	assert_string_equal(page->rows[0].name, "work");
	assert_string_equal(page->rows[2].name, "main"); /* as much self, more total than other */
	assert_string_equal(row_of(page, "work")->file, "app.py");
	assert_string_equal(row_of(page, "work")->process, "python3 (7)"); /* 50 of its 80 */
	assert_int_equal(row_of(page, "work")->more_processes, 1);
	assert_string_equal(row_of(page, "other")->process, "python3 (8)");
	assert_int_equal(row_of(page, "other")->more_processes, 0);
	assert_string_equal(row_of(page, "read")->module, "libc.so.6");
	assert_int_equal(row_of(page, "read")->kind, FRAME_NATIVE);
	feed_clear(&p.f);
	top_model_free(m);
}

static void test_orders(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS, .sort = TOP_BY_TOTAL};
	const struct top_page *page;
	struct program p;

	(void)state;
	program_init(&p);
	program_run(&p);
	feed_add(&p.f, m);
	assert_string_equal(page_of(m, &q)->rows[0].name, "main");
	q.reverse = true;
	assert_string_equal(page_of(m, &q)->rows[0].name, "other");
	assert_string_equal(page_of(m, &q)->rows[3].name, "main");
	q.sort = TOP_BY_SAMPLES;
	q.reverse = false;
	assert_string_equal(page_of(m, &q)->rows[0].name, "main");
	q.sort = TOP_BY_NAME;
	q.limit = 2;
	page = page_of(m, &q);
	assert_int_equal(page->n_rows, 2);
	assert_int_equal(page->n_all, 4);
	assert_string_equal(page->rows[0].name, "main");
	assert_string_equal(page->rows[1].name, "other");
	feed_clear(&p.f);
	top_model_free(m);
}

static void test_lines(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_LINES, .sort = TOP_BY_SELF};
	const struct top_page *page;
	struct program p;

	(void)state;
	program_init(&p);
	program_run(&p);
	feed_add(&p.f, m);
	page = page_of(m, &q);
	assert_int_equal(page->n_rows, 5);
	assert_int_equal(page->rows[0].line, 5);
	assert_int_equal(page->rows[0].self_samples, 35);
	assert_int_equal(page->rows[0].total_samples, 70);
	assert_int_equal(page->rows[1].line, 6);
	assert_int_equal(page->rows[1].self_samples, 25);
	assert_int_equal(page->rows[1].total_samples, 45);
	assert_string_equal(page->rows[0].process, "python3 (7)");
	assert_int_equal(page->rows[1].more_processes, 0);
	assert_true(page->rows[0].key != page->rows[1].key);
	feed_clear(&p.f);
	top_model_free(m);
}

static void test_processes_and_threads(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_PROCESSES, .sort = TOP_BY_SELF};
	const struct top_page *page;
	const struct top_item *row;
	struct program p;

	(void)state;
	program_init(&p);
	program_run(&p);
	feed_process_of(&p.f, 8)->threads = 2;
	feed_add(&p.f, m);
	page = page_of(m, &q);
	assert_int_equal(page->n_rows, 2);
	check_row(page, "python3 (7)", 60, 60, 100);
	check_row(page, "python3 (8)", 40, 40, 100);
	assert_int_equal(page->rows[0].pid, 7);
	assert_int_equal(page->rows[0].tid, 0);
	assert_string_equal(page->rows[0].file, "");
	assert_string_equal(page->rows[0].process, "");
	assert_int_equal(page->processes, 2);
	assert_int_equal(page->threads, 3);

	feed_process_of(&p.f, 8)->ended = true;
	feed_count(&p.f, p.main, 100);
	feed_add(&p.f, m);
	q.span_s = 1;
	page = page_of(m, &q);
	check_row(page, "python3 (7)", 100, 100, 100);
	check_row(page, "python3 (8)", 0, 0, 100); /* it is still told that it was there */
	assert_false(row_of(page, "python3 (7)")->ended);
	assert_true(row_of(page, "python3 (8)")->ended);
	assert_int_equal(page->processes, 1);
	assert_int_equal(page->ended, 1);

	q = (struct top_query){.view = TOP_THREADS, .sort = TOP_BY_SELF};
	page = page_of(m, &q);
	assert_int_equal(page->n_rows, 3);
	row = row_of(page, "other (9)");
	assert_int_equal(row->pid, 8);
	assert_int_equal(row->tid, 9);
	assert_true(row->ended);
	assert_string_equal(row->process, "python3 (8)");
	check_row(page, "main (7)", 160, 160, 200);
	check_row(page, "main (8)", 30, 30, 200);

	q.view = TOP_FUNCTIONS;
	page = page_of(m, &q);
	assert_true(row_of(page, "other")->ended);
	assert_false(row_of(page, "work")->ended); /* one of the two that ran it lives */
	feed_clear(&p.f);
	top_model_free(m);
}

static void test_spans_and_trends(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS, .sort = TOP_BY_SELF};
	const struct top_page *page;
	const struct top_item *row;
	struct program p;

	(void)state;
	program_init(&p);
	for (uint32_t i = 0; i < 30; i++) {
		feed_count(&p.f, i < 20 ? p.main : p.other, 10);
		feed_count(&p.f, p.read, i < 20 ? 0 : 30);
		feed_add(&p.f, m);
	}
	page = page_of(m, &q);
	assert_true(is_near(page->span_s, 30));
	assert_int_equal(page->samples, 600);
	check_row(page, "main", 200, 500, 600);
	row = row_of(page, "read");
	assert_int_equal(row->n_trend, TOP_TREND);
	assert_true(row->trend[0] == 0 && row->trend[13] == 0); /* intervals 6 to 19 */
	assert_true(row->trend[14] == 0.75F && row->trend[23] == 0.75F);

	q.span_s = 5;
	page = page_of(m, &q);
	assert_true(is_near(page->span_s, 5));
	assert_int_equal(page->samples, 200);
	check_row(page, "other", 50, 50, 200);
	check_row(page, "main", 0, 150, 200);
	assert_true(is_near(page->busy_cpus, 0.4)); /* 200 times 10 ms in 5 s */

	q.sort = TOP_BY_TOTAL; /* the trend is that of the order */
	row = row_of(page_of(m, &q), "main");
	assert_true(row->trend[0] == 1 && row->trend[23] == 0.75F);
	q.view = TOP_PROCESSES;
	row = row_of(page_of(m, &q), "python3 (8)");
	assert_true(row->trend[0] == 0 && row->trend[23] == 0.25F);

	q.span_s = 0.01; /* one interval at least */
	assert_int_equal(page_of(m, &q)->samples, 40);
	q.span_s = 1e9; /* all that is there */
	assert_int_equal(page_of(m, &q)->samples, 600);
	feed_clear(&p.f);
	top_model_free(m);
}

static void test_reset(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS, .sort = TOP_BY_SELF};
	const struct top_page *page;
	struct program p;
	uint64_t key;

	(void)state;
	program_init(&p);
	program_run(&p);
	p.f.head.lost = 5;
	feed_add(&p.f, m);
	page = page_of(m, &q);
	assert_int_equal(page->lost, 5);
	key = row_of(page, "read")->key;
	top_model_reset(m);
	page = page_of(m, &q);
	assert_int_equal(page->n_rows, 0);
	assert_int_equal(page->samples, 0);
	assert_int_equal(page->lost, 0);
	assert_true(page->span_s == 0 && page->busy_cpus == 0 && page->gil < 0);
	assert_true(is_near(page->rate_hz, 100));
	feed_count(&p.f, p.read, 3);
	feed_add(&p.f, m);
	page = page_of(m, &q);
	check_row(page, "read", 3, 3, 3);
	check_row(page, "work", 0, 3, 3);
	assert_true(row_of(page, "read")->key == key);
	assert_true(is_near(page->span_s, 1));
	assert_true(is_near(page->elapsed_s, 2)); /* since the start, not the reset */
	feed_clear(&p.f);
	top_model_free(m);
}

/* Other numbers for the same names: a receiver that began anew, or another one. */
static void test_other_numbers(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS, .sort = TOP_BY_SELF};
	const struct top_page *page;
	struct program p, other;
	uint32_t nodes;
	uint64_t key;

	(void)state;
	program_init(&p);
	program_run(&p);
	feed_add(&p.f, m);
	key = row_of(page_of(m, &q), "read")->key;
	nodes = m->forest.p.n_nodes;

	feed_init(&other.f);
	other.eight = feed_process(&other.f, "python3", 8);
	other.other = feed_python(
		&other.f, feed_thread(&other.f, other.eight, "other", 9), "other", "app.py", 3);
	other.seven = feed_process(&other.f, "python3", 7);
	other.main = feed_python(
		&other.f, feed_thread(&other.f, other.seven, "main", 7), "main", "app.py", 1);
	other.work = feed_python(&other.f, other.main, "work", "app.py", 5);
	other.again = feed_python(&other.f, other.work, "work", "app.py", 6);
	other.read = feed_native(&other.f, other.again, "read", "libc.so.6");
	feed_count(&other.f, other.read, 60);
	feed_count(&other.f, other.other, 40);
	other.f.head.elapsed_s = 0.5; /* a watch of its own */
	feed_add(&other.f, m);
	assert_int_equal(m->forest.p.n_nodes, nodes); /* nothing of it is new */
	page = page_of(m, &q);
	check_row(page, "read", 80, 80, 200);
	check_row(page, "other", 50, 50, 200);
	check_row(page, "work", 60, 140, 200);
	assert_true(row_of(page, "read")->key == key);
	assert_true(is_near(page->elapsed_s, 1.5));
	feed_clear(&other.f);
	feed_clear(&p.f);
	top_model_free(m);
}

static void test_gil(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS};
	struct program p;

	(void)state;
	program_init(&p);
	feed_add(&p.f, m);
	assert_true(page_of(m, &q)->gil < 0);
	for (int i = 0; i < 4; i++) {
		feed_process_of(&p.f, 7)->gil = i < 2 ? 0.5 : 0.1;
		feed_process_of(&p.f, 8)->gil = i < 2 ? -1 : 0.4;
		feed_add(&p.f, m);
	}
	/* In 5 s: 1.2 s of one, 0.8 s of the other; in the last two: 0.2 s and 0.8 s */
	assert_true(page_of(m, &q)->gil > 0.2399 && page_of(m, &q)->gil < 0.2401);
	q.span_s = 2;
	assert_true(page_of(m, &q)->gil > 0.3999 && page_of(m, &q)->gil < 0.4001);
	feed_clear(&p.f);
	top_model_free(m);
}

/* Without weights the shares are those of samples. */
static void test_no_weights(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS};
	struct program p;

	(void)state;
	program_init(&p);
	program_run(&p);
	for (size_t i = 0; i < p.f.n_counts; i++)
		p.f.counts[i].weight_ns = 0;
	feed_add(&p.f, m);
	check_row(page_of(m, &q), "work", 60, 80, 100);
	assert_string_equal(row_of(page_of(m, &q), "work")->process, "python3 (7)");
	q.view = TOP_PROCESSES;
	check_row(page_of(m, &q), "python3 (8)", 40, 40, 100);
	feed_clear(&p.f);
	top_model_free(m);
}

/* ---- a file ------------------------------------------------------------------------------------
 */

static void check_position(struct top_model *m, size_t n)
{
	struct top_query q = {.view = TOP_FUNCTIONS};
	const struct top_page *page = page_of(m, &q);

	assert_int_equal(top_model_position(m), n);
	assert_int_equal(page->samples, n * (n + 1) / 2);
	assert_true(is_near(page->span_s, (double)n));
	assert_true(is_near(top_model_time(m), 1000 + (double)n));
	assert_int_equal(page->ended, n > 7);
}

static void test_seek(void **state)
{
	struct top_model *m = top_model_new();
	struct err err = {0};
	struct program p;

	(void)state;
	assert_true(top_model_time(m) == 0);
	program_init(&p);
	for (uint32_t i = 1; i <= 10; i++) {
		feed_count(&p.f, p.read, i);
		feed_process_of(&p.f, 8)->ended = i > 7;
		feed_keep(&p.f, m);
	}
	assert_int_equal(top_model_kept(m), 10);
	check_position(m, 0);
	assert_int_equal(top_model_seek(m, 4, &err), 0);
	check_position(m, 4);
	assert_int_equal(top_model_seek(m, 10, &err), 0);
	check_position(m, 10);
	assert_int_equal(top_model_seek(m, 3, &err), 0);
	check_position(m, 3);
	assert_int_equal(top_model_seek(m, 99, &err), 0);
	check_position(m, 10);
	assert_int_equal(top_model_seek(m, 0, &err), 0);
	check_position(m, 0);
	assert_int_equal(top_model_seek(m, 2, &err), 0);
	top_model_reset(m);
	assert_int_equal(top_model_position(m), 2); /* goes on from here */
	assert_int_equal(top_model_seek(m, 3, &err), 0);
	assert_int_equal(page_of(m, &(struct top_query){0})->samples, 3);
	feed_clear(&p.f);
	top_model_free(m);
}

/* A file that is too long is shown in longer steps. */
static void test_long_file(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS};
	struct err err = {0};
	struct program p;
	size_t bytes = 0;

	(void)state;
	m->kept_bytes_max = 20000;
	program_init(&p);
	for (uint32_t i = 0; i < 300; i++) {
		program_run(&p);
		p.f.head.lost = 1;
		feed_keep(&p.f, m);
		if (i == 10)
			assert_int_equal(top_model_seek(m, 11, &err), 0);
	}
	for (size_t i = 0; i < m->n_kept; i++)
		bytes += top_interval_bytes(m->kept[i]);
	assert_int_equal(bytes, m->kept_bytes);
	assert_true(m->kept_bytes <= m->kept_bytes_max);
	assert_true(top_model_kept(m) > 10 && top_model_kept(m) < 100);
	assert_true(top_model_position(m) > 0);
	assert_int_equal(top_model_seek(m, top_model_kept(m), &err), 0);
	check_row(page_of(m, &q), "work", 18000, 24000, 30000);
	assert_true(is_near(page_of(m, &q)->span_s, 300));
	assert_int_equal(page_of(m, &q)->lost, 300);
	assert_true(is_near(top_model_time(m), 1300));
	feed_clear(&p.f);
	top_model_free(m);
}

/* Weights that together have no room. */
static void test_sum_of_weights(void **state)
{
	struct top_model *m = top_model_new();
	struct err err = {0};
	struct program p;
	int rc = 0;

	(void)state;
	program_init(&p);
	for (int i = 0; i < 5 && rc == 0; i++) {
		feed_count(&p.f, p.read, 1);
		p.f.counts[0].weight_ns = UINT64_MAX / 5;
		rc = feed_take(&p.f, m, false, &err);
	}
	assert_int_equal(rc, -EINVAL);
	assert_true(row_of(page_of(m, &(struct top_query){0}), "read")->self == 1);
	feed_clear(&p.f);
	top_model_free(m);
}

/* Numbers that no interval has, and a model that has none at all. */
static void test_odd_numbers(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS};
	struct top_page *page;
	struct err err = {0};
	struct program p;

	(void)state;
	for (unsigned view = 0; view < TOP_CALLERS; view++) {
		q.view = (enum top_view)view;
		assert_int_equal(page_of(m, &q)->n_rows, 0);
	}
	q.view = TOP_VIEWS;
	assert_int_equal(top_model_page(m, &q, &page, &err), -EINVAL);
	program_init(&p);
	p.f.head.interval_s = -5;
	p.f.head.rate_hz = p.f.head.cpu_percent = p.f.head.kernel_cpu_percent = -1;
	program_run(&p);
	feed_process_of(&p.f, 0); /* not a process */
	feed_add(&p.f, m);
	q.view = TOP_PROCESSES;
	assert_true(page_of(m, &q)->span_s == 0 && page_of(m, &q)->busy_cpus == 0);
	assert_int_equal(page_of(m, &q)->processes, 2);
	q.span_s = 3;
	assert_int_equal(page_of(m, &q)->samples, 100);
	feed_clear(&p.f);
	top_model_free(m);
	top_model_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_processes_and_threads),
		cmocka_unit_test(test_spans_and_trends),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_other_numbers),
		cmocka_unit_test(test_gil),
		cmocka_unit_test(test_no_weights),
		cmocka_unit_test(test_seek),
		cmocka_unit_test(test_long_file),
		cmocka_unit_test(test_sum_of_weights),
		cmocka_unit_test(test_odd_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
