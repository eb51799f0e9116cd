/* SPDX-License-Identifier: BSD-2-Clause */
/* analyze_trends(): the shares of each slice, on profiles made by hand. */
#include "report_rows.h"

#include <errno.h>
#include <stdint.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { NONE, MAIN, WORK, READ, APP, LIBC, PROCESS };
static char *strings[] = {"", "main", "work", "read", "app.py", "libc.so.6", "python3 (7)"};

static struct frame frames[] = {{FRAME_ROOT, 0, 0, 0, 0}, {FRAME_PROCESS, PROCESS, 0, 7, 0},
	{FRAME_PYTHON, MAIN, APP, 1, 0}, {FRAME_PYTHON, WORK, APP, 5, 0},
	{FRAME_PYTHON, WORK, APP, 6, 0}, {FRAME_NATIVE, READ, 0, 0, LIBC}};

/* 0 all > 1 process > 2 main > 3 work:5 > 4 work:6 > 5 read; 6 read, called by main */
static struct stack_node nodes[] = {{0, 0, 0, 0}, {0, 1, 0, 0}, {1, 2, 0, 0}, {2, 3, 0, 0},
	{3, 4, 0, 0}, {4, 5, 0, 0}, {2, 5, 0, 0}};

/* Two slices with samples and one without. */
static const uint32_t counts[3][7] = {
	{0, 0, 1, 2, 3, 4, 0}, {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 1, 3}};

static struct profile make(void)
{
	struct profile p = {.strings = strings,
		.n_strings = COUNT(strings),
		.frames = frames,
		.n_frames = COUNT(frames),
		.nodes = nodes,
		.n_nodes = COUNT(nodes)};

	for (size_t i = 0; i < COUNT(nodes); i++) {
		nodes[i].self_samples = 0;
		for (size_t s = 0; s < 3; s++)
			nodes[i].self_samples += counts[s][i];
		nodes[i].self_weight_ns = nodes[i].self_samples * PERIOD_NS;
	}
	for (size_t s = 0; s < 3; s++)
		add_slice(&p, counts[s], COUNT(nodes));
	return p;
}

static void clear(struct profile *p)
{
	free(p->slices);
	free(p->counts);
}

static void check(const float *shares, float first, float last)
{
	assert_true(shares[0] == first);
	assert_true(shares[1] == 0.0F); /* nothing ran then */
	assert_true(shares[2] == last);
}

static void test_functions(void **state)
{
	struct profile p = make();
	float self[9], total[9];
	struct report r;
	size_t work, read, top;

	(void)state;
	assert_int_equal(analyze_report(&p, REPORT_FUNCTION, REPORT_SELF, 0, &r), 0);
	assert_int_equal(r.n_rows, 3);
	assert_int_equal(analyze_trends(&p, &r, self, total), 0);
	work = (size_t)(find(&r, "work") - r.rows);
	read = (size_t)(find(&r, "read") - r.rows);
	top = (size_t)(find(&r, "main") - r.rows);
	check(&self[3 * work], 0.5F, 0);
	check(&total[3 * work], 0.9F, 0.25F); /* twice on the stack, counted once */
	check(&self[3 * read], 0.4F, 1);
	check(&total[3 * read], 0.4F, 1);
	check(&self[3 * top], 0.1F, 0);
	check(&total[3 * top], 1, 1);
	report_clear(&r);
	clear(&p);
}

/* Rows by root have all that is below them, as in the report itself. */
static void test_some_rows_of_another_kind(void **state)
{
	struct profile p = make();
	struct report r;
	float shares[6];

	(void)state;
	assert_int_equal(analyze_report(&p, REPORT_PROCESS, REPORT_SELF, 0, &r), 0);
	assert_int_equal(analyze_trends(&p, &r, shares, NULL), 0);
	check(shares, 1, 1);
	report_clear(&r);
	assert_int_equal(analyze_report(&p, REPORT_LINE, REPORT_TOTAL, 0, &r), 0);
	assert_int_equal(r.n_rows, 4);
	r.rows[0] = *find(&r, "read");
	r.n_rows = 1; /* those that are shown */
	assert_int_equal(analyze_trends(&p, &r, NULL, shares), 0);
	check(shares, 0.4F, 1);
	report_clear(&r);
	clear(&p);
}

static void test_what_does_not_hold_together(void **state)
{
	struct profile p = make();
	float shares[9];
	struct report r;

	(void)state;
	assert_int_equal(analyze_report(&p, REPORT_FUNCTION, REPORT_SELF, 0, &r), 0);
	r.rows[0].frame = COUNT(frames);
	assert_int_equal(analyze_trends(&p, &r, shares, NULL), -EINVAL);
	r.rows[0].frame = 1; /* a process is no function */
	assert_int_equal(analyze_trends(&p, &r, shares, NULL), -EINVAL);
	report_clear(&r);
	assert_int_equal(analyze_report(&p, REPORT_FUNCTION, REPORT_SELF, 0, &r), 0);
	p.counts[0].node = COUNT(nodes);
	assert_int_equal(analyze_trends(&p, &r, shares, NULL), -EINVAL);
	p.counts[0].node = 2;
	p.slices[2].n = p.n_counts + 1;
	assert_int_equal(analyze_trends(&p, &r, shares, NULL), -EINVAL);
	report_clear(&r);
	clear(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_some_rows_of_another_kind),
		cmocka_unit_test(test_what_does_not_hold_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
