/* SPDX-License-Identifier: BSD-2-Clause */
/* analyze_neighbours(): who calls a function and whom it calls, on profiles made by hand. */
#include "report_rows.h"

#include <errno.h>
#include <stdint.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { NONE, MAIN, IDLE, WORK, HELPER, READ, APP, LIBC, PROCESS };
static char *strings[] = {
	"", "main", "idle", "work", "helper", "read", "app.py", "libc.so.6", "python3 (7)"};

static struct frame frames[] = {{FRAME_ROOT, 0, 0, 0, 0}, {FRAME_PROCESS, PROCESS, 0, 7, 0},
	{FRAME_PYTHON, MAIN, APP, 1, 0}, {FRAME_PYTHON, IDLE, APP, 90, 0},
	{FRAME_PYTHON, WORK, APP, 5, 0}, {FRAME_PYTHON, WORK, APP, 6, 0},
	{FRAME_PYTHON, HELPER, APP, 20, 0}, {FRAME_NATIVE, READ, 0, 0, LIBC}};
enum { F_ROOT, F_PROCESS, F_MAIN, F_IDLE, F_WORK_5, F_WORK_6, F_HELPER, F_READ };

/*      1 process
 *      2   main                     10
 *      3     work:5                  5
 *      4       read                 20
 *      5       helper                3
 *      6         work:6              2
 *      7           helper            1
 *      8             work:5          4
 *      9               read          5
 *     10   idle
 *     11     work:6                  6
 *     12   read                     44   called by nobody */
static struct stack_node nodes[] = {{0, F_ROOT, 0, 0}, {0, F_PROCESS, 0, 0}, {1, F_MAIN, 10, 0},
	{2, F_WORK_5, 5, 0}, {3, F_READ, 20, 0}, {3, F_HELPER, 3, 0}, {5, F_WORK_6, 2, 0},
	{6, F_HELPER, 1, 0}, {7, F_WORK_5, 4, 0}, {8, F_READ, 5, 0}, {1, F_IDLE, 0, 0},
	{10, F_WORK_6, 6, 0}, {1, F_READ, 44, 0}};

static struct profile make(void)
{
	for (size_t i = 0; i < COUNT(nodes); i++)
		nodes[i].self_weight_ns = nodes[i].self_samples * PERIOD_NS;
	return (struct profile){.strings = strings,
		.n_strings = COUNT(strings),
		.frames = frames,
		.n_frames = COUNT(frames),
		.nodes = nodes,
		.n_nodes = COUNT(nodes)};
}

/* Of a row of the report, by its name. */
static void ask(const struct profile *p, enum report_by by, enum report_sort sort, const char *name,
	struct report *callers, struct report *callees)
{
	struct report r;

	assert_int_equal(analyze_report(p, by, sort, 0, &r), 0);
	assert_int_equal(
		analyze_neighbours(p, &r, (size_t)(find(&r, name) - r.rows), callers, callees), 0);
	report_clear(&r);
}

static void check(const struct report *r, const char *name, uint64_t self, uint64_t total)
{
	const struct report_row *row = find(r, name);

	assert_int_equal(row->self_samples, self);
	assert_int_equal(row->total_samples, total);
	assert_int_equal(row->total_weight_ns, total * PERIOD_NS);
	assert_true(row->total == (double)total / (double)r->samples);
	assert_true(row->self_error < 0 && row->total_error < 0);
}

static void test_recursive_function(void **state)
{
	struct profile p = make();
	struct report callers, callees;

	(void)state;
	ask(&p, REPORT_FUNCTION, REPORT_TOTAL, "work", &callers, &callees);
	assert_int_equal(callers.samples, 46); /* all of 3 and of 11 */
	assert_int_equal(callers.n_rows, 2);   /* not helper: that is below work already */
	check(&callers, "main", 0, 40);
	check(&callers, "idle", 0, 6);
	assert_string_equal(callers.rows[0].name, "main");
	assert_int_equal(callees.samples, 46);
	assert_int_equal(callees.n_rows, 3);
	check(&callees, "work", 17, 17);  /* its own: 5 + 2 + 4 + 6 */
	check(&callees, "read", 25, 25);  /* at two places, on different stacks */
	check(&callees, "helper", 4, 15); /* one below the other: once */
	assert_string_equal(callees.rows[0].name, "read");
	report_clear(&callers);
	report_clear(&callees);
}

static void test_ends_of_stacks(void **state)
{
	struct profile p = make();
	struct report callers, callees;

	(void)state;
	ask(&p, REPORT_FUNCTION, REPORT_SELF, "read", &callers, &callees);
	assert_int_equal(callers.samples, 69);
	assert_int_equal(callers.n_rows, 1); /* the process is no caller */
	check(&callers, "work", 0, 25);
	assert_int_equal(callees.n_rows, 1);
	check(&callees, "read", 69, 69);
	report_clear(&callers);
	report_clear(&callees);
	ask(&p, REPORT_FUNCTION, REPORT_SELF, "idle", &callers, &callees);
	assert_int_equal(callers.n_rows, 0);
	assert_int_equal(callees.n_rows, 1); /* it has no time of its own */
	check(&callees, "work", 6, 6);
	report_clear(&callers);
	report_clear(&callees);
}

static void test_lines_and_modules(void **state)
{
	struct profile p = make();
	struct report callers, callees;

	(void)state;
	ask(&p, REPORT_LINE, REPORT_TOTAL, "idle", &callers, &callees);
	check(&callees, "work", 6, 6);
	assert_int_equal(callees.rows[0].line, 6);
	report_clear(&callers);
	report_clear(&callees);
	ask(&p, REPORT_MODULE, REPORT_TOTAL, "app.py", &callers, &callees);
	assert_int_equal(callers.n_rows, 0);
	check(&callees, "app.py", 31, 31);
	check(&callees, "libc.so.6", 25, 25);
	report_clear(&callers);
	report_clear(&callees);
}

static void test_what_does_not_hold_together(void **state)
{
	struct profile p = make();
	struct report r, callers, callees;

	(void)state;
	assert_int_equal(analyze_report(&p, REPORT_FUNCTION, REPORT_SELF, 0, &r), 0);
	assert_int_equal(analyze_neighbours(&p, &r, r.n_rows, &callers, &callees), -EINVAL);
	r.rows[0].frame = COUNT(frames);
	assert_int_equal(analyze_neighbours(&p, &r, 0, &callers, &callees), -EINVAL);
	r.rows[0].frame = F_PROCESS;
	assert_int_equal(analyze_neighbours(&p, &r, 0, &callers, &callees), -EINVAL);
	assert_null(callers.rows);
	assert_null(callees.rows);
	report_clear(&r);
	assert_int_equal(analyze_report(&p, REPORT_PROCESS, REPORT_SELF, 0, &r), 0);
	assert_int_equal(analyze_neighbours(&p, &r, 0, &callers, &callees), -EINVAL);
	report_clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recursive_function),
		cmocka_unit_test(test_ends_of_stacks),
		cmocka_unit_test(test_lines_and_modules),
		cmocka_unit_test(test_what_does_not_hold_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
