/* SPDX-License-Identifier: BSD-2-Clause */
/* analyze_top() on profiles made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyze/analyze.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { NONE, MAIN, WORK, HELPER, APP_PY, LIB_PY, LIBC, OTHER_SO, NOTE };
static char *strings[] = {
	"", "main", "work", "helper", "app.py", "lib.py", "libc.so.6", "other.so", "[truncated]"};

/* Node i has parent[i], frame[i] and self[i] samples of 10 ms each; node 0 is the root. */
static struct profile make(
	struct frame *frames, uint32_t n_frames, struct stack_node *nodes, uint32_t n_nodes)
{
	for (uint32_t i = 0; i < n_nodes; i++)
		nodes[i].self_weight_ns = nodes[i].self_samples * 10000000;
	return (struct profile){.strings = strings,
		.n_strings = COUNT(strings),
		.frames = frames,
		.n_frames = n_frames,
		.nodes = nodes,
		.n_nodes = n_nodes};
}

static void test_self_and_total(void **state)
{
	struct frame frames[] = {{FRAME_ROOT, 0, 0, 0, 0}, {FRAME_PYTHON, MAIN, APP_PY, 1, 0},
		{FRAME_PYTHON, WORK, APP_PY, 5, 0}, {FRAME_NATIVE, HELPER, 0, 0, LIBC}};
	struct stack_node nodes[] = {{0, 0, 0, 0}, {0, 1, 10, 0}, {1, 2, 30, 0}, {2, 3, 60, 0}};
	struct profile p = make(frames, COUNT(frames), nodes, COUNT(nodes));
	struct top_row rows[5];
	size_t n;

	(void)state;
	assert_int_equal(analyze_top(&p, 5, rows, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(rows[0].frame, 3);
	assert_int_equal(rows[0].self_samples, 60);
	assert_true(rows[0].self == 0.6 && rows[0].total == 0.6);
	assert_int_equal(rows[1].frame, 2);
	assert_true(rows[1].self == 0.3 && rows[1].total == 0.9);
	assert_int_equal(rows[2].frame, 1);
	assert_true(rows[2].self == 0.1 && rows[2].total == 1.0);
	assert_int_equal(rows[2].total_weight_ns, 1000000000);
}

static void test_recursion_counts_once(void **state)
{
	struct frame frames[] = {{FRAME_ROOT, 0, 0, 0, 0}, {FRAME_PYTHON, WORK, APP_PY, 5, 0},
		{FRAME_PYTHON, WORK, APP_PY, 6, 0}};
	/* work:5 > work:6 > work:6, with samples at each depth */
	struct stack_node nodes[] = {{0, 0, 0, 0}, {0, 1, 1, 0}, {1, 2, 2, 0}, {2, 2, 3, 0}};
	struct profile p = make(frames, COUNT(frames), nodes, COUNT(nodes));
	struct top_row rows[5];
	size_t n;

	(void)state;
	assert_int_equal(analyze_top(&p, 5, rows, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].self_samples, 6);
	assert_int_equal(rows[0].total_samples, 6);
	assert_true(rows[0].total == 1.0);
	assert_int_equal(rows[0].frame, 2); /* line 6 has the most weight */
}

static void test_what_is_one_function(void **state)
{
	struct frame frames[] = {{FRAME_ROOT, 0, 0, 0, 0}, {FRAME_PYTHON, WORK, APP_PY, 5, 0},
		{FRAME_PYTHON, WORK, LIB_PY, 5, 0}, {FRAME_NATIVE, WORK, 0, 0, LIBC},
		{FRAME_NATIVE, WORK, 0, 0, OTHER_SO}, {FRAME_KERNEL, WORK, 0, 0, 0}};
	struct stack_node nodes[] = {
		{0, 0, 0, 0}, {0, 1, 5, 0}, {0, 2, 4, 0}, {0, 3, 3, 0}, {0, 4, 2, 0}, {0, 5, 1, 0}};
	struct profile p = make(frames, COUNT(frames), nodes, COUNT(nodes));
	struct top_row rows[9];
	size_t n;

	(void)state;
	assert_int_equal(analyze_top(&p, 9, rows, &n), 0);
	assert_int_equal(n, 5);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(rows[i].frame, i + 1);
}

static void test_roots_and_notes_are_no_functions(void **state)
{
	struct frame frames[] = {{FRAME_ROOT, 0, 0, 0, 0}, {FRAME_PROCESS, MAIN, 0, 0, 0},
		{FRAME_THREAD, WORK, 0, 0, 0}, {FRAME_NOTE, NOTE, 0, 0, 0},
		{FRAME_NATIVE, HELPER, 0, 0, LIBC}, {FRAME_CONTAINER, MAIN, 0, 0, 0}};
	struct stack_node nodes[] = {
		{0, 0, 0, 0}, {0, 5, 1, 0}, {1, 1, 1, 0}, {2, 2, 1, 0}, {3, 3, 1, 0}, {4, 4, 1, 0}};
	struct profile p = make(frames, COUNT(frames), nodes, COUNT(nodes));
	struct top_row rows[5];
	size_t n;

	(void)state;
	assert_int_equal(analyze_top(&p, 5, rows, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].frame, 4);
	assert_true(rows[0].self == 0.2); /* their weight is part of the whole */
}

static void test_ties_have_one_order(void **state)
{
	struct frame frames[] = {{FRAME_ROOT, 0, 0, 0, 0}, {FRAME_NATIVE, WORK, 0, 0, LIBC},
		{FRAME_PYTHON, MAIN, LIB_PY, 1, 0}, {FRAME_PYTHON, MAIN, APP_PY, 1, 0},
		{FRAME_NATIVE, HELPER, 0, 0, LIBC}};
	struct stack_node forth[] = {
		{0, 0, 0, 0}, {0, 1, 7, 0}, {0, 2, 7, 0}, {0, 3, 7, 0}, {0, 4, 7, 0}};
	struct stack_node back[] = {
		{0, 0, 0, 0}, {0, 4, 7, 0}, {0, 3, 7, 0}, {0, 2, 7, 0}, {0, 1, 7, 0}};
	const uint32_t order[] = {
		4, 3, 2}; /* helper, main of app.py, main of lib.py; work is cut off */
	struct profile p = make(frames, COUNT(frames), forth, COUNT(forth));
	struct profile q = make(frames, COUNT(frames), back, COUNT(back));
	struct top_row rows[3];
	size_t n;

	(void)state;
	assert_int_equal(analyze_top(&p, 3, rows, &n), 0);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(rows[i].frame, order[i]);
	assert_int_equal(analyze_top(&q, 3, rows, &n), 0);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(rows[i].frame, order[i]);
}

static void test_empty(void **state)
{
	struct frame frames[] = {{FRAME_ROOT, 0, 0, 0, 0}};
	struct stack_node nodes[] = {{0, 0, 0, 0}};
	struct profile p = make(frames, 1, nodes, 1);
	struct top_row rows[5];
	size_t n = 99;

	(void)state;
	assert_int_equal(analyze_top(&p, 5, rows, &n), 0);
	assert_int_equal(n, 0);
	n = 99;
	assert_int_equal(analyze_top(&p, 0, NULL, &n), 0);
	assert_int_equal(n, 0);
	p.n_frames = 0;
	assert_int_equal(analyze_top(&p, 5, rows, &n), 0);
	assert_int_equal(n, 0);
}

/* A function that only calls has no self weight, so it is not hot itself. */
static void test_callers_get_no_row(void **state)
{
	struct frame frames[] = {{FRAME_ROOT, 0, 0, 0, 0}, {FRAME_PYTHON, MAIN, APP_PY, 1, 0},
		{FRAME_PYTHON, WORK, APP_PY, 5, 0}};
	struct stack_node nodes[] = {{0, 0, 0, 0}, {0, 1, 0, 0}, {1, 2, 8, 0}};
	struct profile p = make(frames, COUNT(frames), nodes, COUNT(nodes));
	struct top_row rows[5];
	size_t n;

	(void)state;
	assert_int_equal(analyze_top(&p, 5, rows, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].frame, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_self_and_total),
		cmocka_unit_test(test_recursion_counts_once),
		cmocka_unit_test(test_what_is_one_function),
		cmocka_unit_test(test_roots_and_notes_are_no_functions),
		cmocka_unit_test(test_ties_have_one_order),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_callers_get_no_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
