/* SPDX-License-Identifier: BSD-2-Clause */
/* analyze_report(): rows by hand, and rows and error bars against a slow but plain reckoning. What
 * the error bars are worth has test_report_error.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>

#include "analyze/report.h"
#include "tests/unit/report_rows.h"
#include "tests/web/samples.h"

static struct report report(
	const struct profile *p, enum report_by by, enum report_sort sort, size_t limit)
{
	struct report r;

	assert_int_equal(analyze_report(p, by, sort, limit, &r), 0);
	assert_int_equal(r.by, by);
	assert_int_equal(r.sort, sort);
	return r;
}

/* ---- rows --------------------------------------------------------------------------------------
 */

static void names_lead_back(void **state)
{
	enum report_by by;

	(void)state;
	for (unsigned i = 0; i < REPORT_BYS; i++) {
		assert_true(report_by_find(report_by_name((enum report_by)i), &by));
		assert_int_equal(by, i);
	}
	assert_false(report_by_find("functions", &by));
	assert_false(report_by_find("", &by));
	assert_string_equal(report_by_name(REPORT_BYS), "unknown");
}

/* A web back end of two containers, three processes, with a function that calls itself. */
static struct profile *backend(void)
{
	const struct spec box = {FRAME_CONTAINER, "0123456789ab", NULL, 0, NULL};
	const struct spec host = {FRAME_CONTAINER, "(host)", NULL, 0, NULL};
	const struct spec web = {FRAME_PROCESS, "web", NULL, 0, NULL};
	const struct spec web2 = {FRAME_PROCESS, "web", NULL, 1, NULL}; /* another, of that name */
	const struct spec cron = {FRAME_PROCESS, "cron", NULL, 2, NULL};
	const struct spec thread = {FRAME_THREAD, "main", NULL, 4711, NULL};
	const struct spec run = {FRAME_PYTHON, "run", "app.py", 3, NULL};
	const struct spec walk1 = {FRAME_PYTHON, "walk", "app.py", 8, NULL};
	const struct spec walk2 = {FRAME_PYTHON, "walk", "app.py", 9, NULL};
	const struct spec copy = {FRAME_NATIVE, "copy", "copy.c", 5, "libc.so.6"};
	const struct spec fast = {FRAME_INLINED, "fast", "copy.c", 7, "libc.so.6"};
	const struct spec copy2 = {FRAME_NATIVE, "copy", NULL, 0, "other.so"};
	const struct spec read = {FRAME_KERNEL, "read", NULL, 0, NULL};
	const struct spec cut = {FRAME_NOTE, "[truncated]", NULL, 0, NULL};
	struct builder b;

	builder_start(&b, "backend");
	BUILDER_ADD(&b, 10, 10 * PERIOD_NS, box, web, thread, run);
	BUILDER_ADD(&b, 20, 20 * PERIOD_NS, box, web, thread, run, walk1);
	BUILDER_ADD(&b, 30, 30 * PERIOD_NS, box, web, thread, run, walk1, walk2, walk1);
	BUILDER_ADD(&b, 5, 5 * PERIOD_NS, box, web2, thread, run, walk2, copy, fast);
	BUILDER_ADD(&b, 15, 15 * PERIOD_NS, box, web2, thread, cut, run, copy, read);
	BUILDER_ADD(&b, 12, 12 * PERIOD_NS, host, cron, thread, copy2);
	BUILDER_ADD(&b, 8, 8 * PERIOD_NS, host, cron, thread, cut);
	return builder_end(&b);
}

static void check_row(const struct report *r, const char *name, enum frame_kind kind, uint64_t self,
	uint64_t total)
{
	const struct report_row *row = find(r, name);

	assert_int_equal(row->kind, kind);
	assert_int_equal(row->self_samples, self);
	assert_int_equal(row->total_samples, total);
	assert_int_equal(row->self_weight_ns, self * PERIOD_NS);
	assert_int_equal(row->total_weight_ns, total * PERIOD_NS);
	assert_true(row->self == (double)self / 100 && row->total == (double)total / 100);
	assert_true(row->self_error < 0 && row->total_error < 0); /* there are no slices */
}

static void functions(void **state)
{
	struct profile *p = backend();
	struct report r = report(p, REPORT_FUNCTION, REPORT_SELF, 0);

	(void)state;
	assert_int_equal(r.samples, 100);
	assert_int_equal(r.weight_ns, 100 * PERIOD_NS);
	assert_false(r.has_errors);
	assert_int_equal(r.n_rows, 7);
	assert_int_equal(r.n_all, 7);
	check_row(&r, "walk", FRAME_PYTHON, 50, 55);
	assert_string_equal(r.rows[0].name, "walk");
	assert_int_equal(r.rows[0].line, 8); /* where more of it ran */
	check_row(&r, "run", FRAME_PYTHON, 10, 80);
	check_row(&r, "fast", FRAME_INLINED, 5, 5);
	check_row(&r, "read", FRAME_KERNEL, 15, 15);
	check_row(&r, "[truncated]", FRAME_NOTE, 8, 23);
	/* Two of one name, of two files: that with more self weight first. */
	assert_string_equal(r.rows[2].name, "copy");
	assert_string_equal(r.rows[2].module, "other.so");
	assert_string_equal(r.rows[2].file, "");
	assert_int_equal(r.rows[2].self_samples, 12);
	assert_string_equal(r.rows[6].name, "copy");
	assert_string_equal(r.rows[6].file, "copy.c");
	assert_int_equal(r.rows[6].self_samples, 0);
	assert_int_equal(r.rows[6].total_samples, 20);
	report_clear(&r);
	profile_free(p);
}

static void lines(void **state)
{
	struct profile *p = backend();
	struct report r = report(p, REPORT_LINE, REPORT_TOTAL, 0);

	(void)state;
	assert_int_equal(r.n_rows, 8);
	check_row(&r, "run", FRAME_PYTHON, 10, 80);
	assert_string_equal(r.rows[0].name, "run");
	assert_string_equal(r.rows[1].name, "walk");
	assert_int_equal(r.rows[1].line, 8);
	assert_int_equal(r.rows[1].self_samples, 50);
	assert_int_equal(r.rows[1].total_samples, 50);
	assert_string_equal(r.rows[2].name, "walk");
	assert_int_equal(r.rows[2].line, 9);
	assert_int_equal(r.rows[2].self_samples, 0);
	assert_int_equal(r.rows[2].total_samples, 35);
	check_row(&r, "[truncated]", FRAME_NOTE, 8, 23);
	report_clear(&r);
	profile_free(p);
}

static void modules(void **state)
{
	struct profile *p = backend();
	struct report r = report(p, REPORT_MODULE, REPORT_SELF, 0);

	(void)state;
	assert_int_equal(r.n_rows, 4);
	check_row(&r, "app.py", FRAME_PYTHON, 60, 80);
	check_row(&r, "libc.so.6", FRAME_NATIVE, 5, 20);
	check_row(&r, "other.so", FRAME_NATIVE, 12, 12);
	check_row(&r, "kernel", FRAME_KERNEL, 15, 15);
	assert_string_equal(r.rows[0].file, "");
	assert_int_equal(r.rows[0].line, 0);
	report_clear(&r);
	profile_free(p);
}

/* The `line` of a root is a number of its own, so two processes of one name are one row. */
static void roots(void **state)
{
	struct profile *p = backend();
	struct report r = report(p, REPORT_PROCESS, REPORT_SELF, 0);

	(void)state;
	assert_int_equal(r.n_rows, 2);
	check_row(&r, "web", FRAME_PROCESS, 80, 80);
	check_row(&r, "cron", FRAME_PROCESS, 20, 20);
	assert_int_equal(r.rows[0].line, 0);
	report_clear(&r);
	r = report(p, REPORT_THREAD, REPORT_TOTAL, 0);
	assert_int_equal(r.n_rows, 1);
	check_row(&r, "main", FRAME_THREAD, 100, 100);
	report_clear(&r);
	r = report(p, REPORT_CONTAINER, REPORT_SELF, 0);
	assert_int_equal(r.n_rows, 2);
	check_row(&r, "0123456789ab", FRAME_CONTAINER, 80, 80);
	check_row(&r, "(host)", FRAME_CONTAINER, 20, 20);
	report_clear(&r);
	profile_free(p);
}

static void limit_keeps_the_first(void **state)
{
	struct profile *p = backend();
	struct report all = report(p, REPORT_FUNCTION, REPORT_TOTAL, 0);

	(void)state;
	for (size_t limit = 1; limit < 10; limit++) {
		struct report r = report(p, REPORT_FUNCTION, REPORT_TOTAL, limit);

		assert_int_equal(r.n_all, 7);
		assert_int_equal(r.n_rows, limit < 7 ? limit : 7);
		for (size_t i = 0; i < r.n_rows; i++)
			assert_memory_equal(&r.rows[i], &all.rows[i], sizeof(r.rows[i]));
		report_clear(&r);
	}
	report_clear(&all);
	profile_free(p);
}

static void shares_are_of_samples_where_nothing_has_a_weight(void **state)
{
	struct builder b;
	struct profile *p;
	struct report r;

	(void)state;
	builder_start(&b, "unweighted");
	BUILDER_ADD(&b, 3, 0, {FRAME_NATIVE, "a", NULL, 0, "x"});
	BUILDER_ADD(&b, 1, 0, {FRAME_NATIVE, "b", NULL, 0, "x"});
	BUILDER_ADD(&b, 0, 0, {FRAME_NATIVE, "never", NULL, 0, "x"});
	p = builder_end(&b);
	r = report(p, REPORT_FUNCTION, REPORT_SELF, 0);
	assert_int_equal(r.n_all, 2);
	assert_true(r.rows[0].self == 0.75 && r.rows[1].self == 0.25);
	assert_string_equal(r.rows[0].name, "a");
	report_clear(&r);
	profile_free(p);
}

static void nothing_gives_no_rows(void **state)
{
	struct builder b;
	struct profile *p;

	(void)state;
	builder_start(&b, "empty");
	p = builder_end(&b);
	for (unsigned by = 0; by < REPORT_BYS; by++) {
		struct report r = report(p, (enum report_by)by, REPORT_SELF, 0);

		assert_int_equal(r.n_rows, 0);
		assert_int_equal(r.samples, 0);
		report_clear(&r);
	}
	profile_free(p);
}

static void names_that_are_not_known_are_said_so(void **state)
{
	struct builder b;
	struct profile *p;
	struct report r;

	(void)state;
	builder_start(&b, "nameless");
	BUILDER_ADD(&b, 1, 1, {FRAME_NATIVE, "", NULL, 0, NULL});
	p = builder_end(&b);
	r = report(p, REPORT_FUNCTION, REPORT_SELF, 0);
	assert_string_equal(r.rows[0].name, "[unknown]");
	report_clear(&r);
	p->frames[1].name = p->frames[1].file = p->frames[1].module = 12345;
	for (enum report_by by = REPORT_FUNCTION; by <= REPORT_MODULE; by++) {
		r = report(p, by, REPORT_SELF, 0);
		assert_int_equal(r.n_rows, 1);
		assert_string_equal(r.rows[0].name, "[unknown]");
		assert_string_equal(r.rows[0].file, "");
		report_clear(&r);
	}
	profile_free(p);
}

static void a_damaged_profile_is_refused(void **state)
{
	struct profile *p = backend();
	const uint32_t one[] = {0, 1};
	struct top_row top[3];
	struct report r;
	size_t n;

	(void)state;
	add_slice(p, one, 2);
	p->nodes[1].parent = 2;
	assert_int_equal(analyze_report(p, REPORT_LINE, REPORT_SELF, 0, &r), -EINVAL);
	assert_null(r.rows);
	assert_int_equal(analyze_top(p, 3, top, &n), -EINVAL);
	p->nodes[1].parent = 0;
	p->nodes[2].frame = 99;
	assert_int_equal(analyze_report(p, REPORT_LINE, REPORT_SELF, 0, &r), -EINVAL);
	p->nodes[2].frame = 2;
	p->counts[0].node = p->n_nodes;
	assert_int_equal(analyze_report(p, REPORT_LINE, REPORT_SELF, 0, &r), -EINVAL);
	p->counts[0].node = 1;
	p->slices[0].n = SIZE_MAX;
	assert_int_equal(analyze_report(p, REPORT_LINE, REPORT_SELF, 0, &r), -EINVAL);
	p->slices[0].n = 0;
	p->slices[0].first = p->n_counts + 1;
	assert_int_equal(analyze_report(p, REPORT_LINE, REPORT_SELF, 0, &r), -EINVAL);
	p->slices[0].first = 0;
	assert_int_equal(analyze_report(p, REPORT_LINE, REPORT_SELF, 0, &r), 0);
	report_clear(&r);
	profile_free(p);
}

/* ---- a slow, plain reckoning -------------------------------------------------------------------
 */

/* A random profile with slices: functions of few names, so that most stacks hold some twice. */
static struct profile *random_profile(uint64_t seed)
{
	static const uint32_t kinds[] = {
		FRAME_PYTHON, FRAME_NATIVE, FRAME_INLINED, FRAME_KERNEL, FRAME_JIT, FRAME_NOTE};
	struct builder b;
	struct profile *p;
	uint32_t *samples;

	builder_start(&b, "random");
	while (b.p->n_nodes < 3000) {
		struct spec stack[20];
		char names[20][8], files[20][8];
		size_t n = 3 + dice(&seed, 18);

		for (size_t i = 0; i < n; i++) {
			snprintf(names[i], sizeof(names[i]), "f%u", dice(&seed, 6));
			snprintf(files[i], sizeof(files[i]), "m%u", dice(&seed, 3));
			stack[i] = (struct spec){kinds[dice(&seed, 6)], names[i],
				dice(&seed, 2) ? files[i] : NULL, dice(&seed, 3), files[i]};
		}
		stack[0] = (struct spec){FRAME_CONTAINER, names[0], NULL, 0, NULL};
		stack[1] = (struct spec){FRAME_PROCESS, names[1], NULL, dice(&seed, 9), NULL};
		stack[2] = (struct spec){FRAME_THREAD, names[2], NULL, dice(&seed, 9), NULL};
		builder_add(&b, stack, n, 0, 0);
	}
	p = builder_end(&b);
	samples = calloc(p->n_nodes, sizeof(*samples));
	assert_non_null(samples);
	for (unsigned slice = 0; slice < 9; slice++) {
		for (uint32_t i = 0; i < p->n_nodes; i++) {
			samples[i] = slice != 4 && !dice(&seed, 3) ? dice(&seed, 50) : 0;
			p->nodes[i].self_samples += samples[i];
			p->nodes[i].self_weight_ns += (uint64_t)samples[i] * PERIOD_NS;
		}
		add_slice(p, samples, p->n_nodes);
	}
	free(samples);
	return p;
}

/* Whether a frame belongs to a row, said once more and differently than tally.c does. */
static bool belongs(const struct profile *p, enum report_by by, const struct report_row *row,
	const struct frame *f)
{
	const char *name = p->strings[f->name], *file = p->strings[f->file],
		   *module = p->strings[f->module];

	if (by == REPORT_MODULE && row->kind == FRAME_PYTHON)
		return f->kind == FRAME_PYTHON && !strcmp(row->name, *file ? file : "[unknown]");
	if (by == REPORT_MODULE && row->kind == FRAME_NATIVE)
		return (f->kind == FRAME_NATIVE || f->kind == FRAME_INLINED) &&
		       !strcmp(row->name, module);
	if (by == REPORT_MODULE)
		return f->kind == (uint32_t)row->kind && !strcmp(row->name, module);
	if (f->kind != (uint32_t)row->kind || strcmp(row->name, name) != 0)
		return false;
	if (by != REPORT_FUNCTION && by != REPORT_LINE)
		return true;
	return !strcmp(row->file, file) && (*file || !strcmp(row->module, module)) &&
	       (by == REPORT_FUNCTION || row->line == f->line);
}

struct plain {
	uint64_t self, total;
};

static struct plain plain_slice(const struct profile *p, enum report_by by,
	const struct report_row *row, const struct profile_slice *slice, const bool *has)
{
	bool is_root = row->kind == FRAME_PROCESS || row->kind == FRAME_THREAD ||
		       row->kind == FRAME_CONTAINER;
	struct plain sum = {0};

	for (size_t i = slice->first; i < slice->first + slice->n; i++) {
		uint32_t node = p->counts[i].node;

		if (has[node])
			sum.total += p->counts[i].samples;
		if (is_root ? has[node]
			    : node && belongs(p, by, row, &p->frames[p->nodes[node].frame]))
			sum.self += p->counts[i].samples;
	}
	return sum;
}

/* By definition: the deviations are squared one by one, in a second pass. */
static double plain_error(const double *x, const double *n, size_t slices)
{
	double sum_x = 0, sum_n = 0, squares = 0, w = 0, ratio;

	for (size_t i = 0; i < slices; i++) {
		sum_x += x[i];
		sum_n += n[i];
		w += n[i] > 0;
	}
	for (size_t i = 0; i < slices; i++)
		squares += pow(x[i] - sum_x / sum_n * n[i], 2);
	ratio = report_student((uint32_t)w - 1) * sqrt(w / (w - 1) * squares) / sum_n;
	return fmin(1, fmax(ratio, report_binomial((uint64_t)sum_x, (uint64_t)sum_n)));
}

static void check_plain(const struct profile *p, const struct report *r, size_t number, bool *has)
{
	const struct report_row *row = &r->rows[number];
	double self[9], total[9], all[9];
	struct plain sum = {0};

	has[0] = false;
	for (uint32_t i = 1; i < p->n_nodes; i++)
		has[i] = has[p->nodes[i].parent] ||
			 belongs(p, r->by, row, &p->frames[p->nodes[i].frame]);
	for (size_t s = 0; s < 9; s++) {
		struct plain part = plain_slice(p, r->by, row, &p->slices[s], has);

		self[s] = (double)part.self;
		total[s] = (double)part.total;
		all[s] = 0;
		for (size_t i = 0; i < p->slices[s].n; i++)
			all[s] += p->counts[p->slices[s].first + i].samples;
		sum.self += part.self;
		sum.total += part.total;
	}
	assert_int_equal(row->self_samples, sum.self);
	assert_int_equal(row->total_samples, sum.total);
	assert_int_equal(row->total_weight_ns, sum.total * PERIOD_NS);
	assert_true(fabs(row->self_error - plain_error(self, all, 9)) < 1e-9);
	assert_true(fabs(row->total_error - plain_error(total, all, 9)) < 1e-9);
}

static void rows_and_errors_are_those_of_a_plain_reckoning(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct profile *p = random_profile(seed);
		bool *has = calloc(p->n_nodes, sizeof(*has));

		assert_non_null(has);
		for (unsigned by = 0; by < REPORT_BYS; by++) {
			struct report r = report(p, (enum report_by)by, REPORT_SELF, 0);

			assert_true(r.has_errors);
			assert_in_range(r.n_rows, 6, 1000);
			for (size_t i = 0; i < r.n_rows; i++)
				check_plain(p, &r, i, has);
			report_clear(&r);
		}
		free(has);
		profile_free(p);
	}
}

static void rows_are_in_order(void **state)
{
	struct profile *p = random_profile(5);
	struct report self = report(p, REPORT_LINE, REPORT_SELF, 0);
	struct report total = report(p, REPORT_LINE, REPORT_TOTAL, 0);

	(void)state;
	assert_int_equal(self.n_rows, total.n_rows);
	for (size_t i = 1; i < self.n_rows; i++) {
		assert_true(self.rows[i - 1].self_samples >= self.rows[i].self_samples);
		assert_true(total.rows[i - 1].total_samples >= total.rows[i].total_samples);
	}
	report_clear(&self);
	report_clear(&total);
	profile_free(p);
}

/* Rows of equal weight stand in the order of their names, whatever order they came in. */
static void ties_have_one_order(void **state)
{
	(void)state;
	for (unsigned first = 0; first < 4; first++) {
		static const char *const names[] = {"alpha", "bravo", "charlie", "delta"};
		struct builder b;
		struct profile *p;
		struct report r;

		builder_start(&b, "ties");
		for (unsigned i = 0; i < 4; i++)
			BUILDER_ADD(&b, 7, 7, {FRAME_NATIVE, names[(first + i) % 4], NULL, 0, "x"});
		p = builder_end(&b);
		r = report(p, REPORT_FUNCTION, REPORT_SELF, 3);
		for (unsigned i = 0; i < 3; i++)
			assert_string_equal(r.rows[i].name, names[i]);
		report_clear(&r);
		profile_free(p);
	}
}

static void depth_has_no_limit(void **state)
{
	enum { DEPTH = 300000 };
	struct spec *stack = calloc(DEPTH, sizeof(*stack));
	uint32_t *samples = calloc(DEPTH + 1, sizeof(*samples));
	struct builder b;
	struct profile *p;
	struct report r;

	(void)state;
	for (uint32_t i = 0; i < DEPTH; i++)
		stack[i] = (struct spec){FRAME_PYTHON, "recurse", "r.py", i % 9, NULL};
	builder_start(&b, "deep");
	builder_add(&b, stack, DEPTH, 7, 70);
	p = builder_end(&b);
	samples[DEPTH] = 7;
	add_slice(p, samples, DEPTH + 1);
	r = report(p, REPORT_FUNCTION, REPORT_SELF, 0);
	assert_int_equal(r.n_rows, 1);
	assert_int_equal(r.rows[0].self_samples, 7);
	assert_int_equal(r.rows[0].total_samples, 7);
	report_clear(&r);
	profile_free(p);
	free(stack);
	free(samples);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_lead_back),
		cmocka_unit_test(functions),
		cmocka_unit_test(lines),
		cmocka_unit_test(modules),
		cmocka_unit_test(roots),
		cmocka_unit_test(limit_keeps_the_first),
		cmocka_unit_test(shares_are_of_samples_where_nothing_has_a_weight),
		cmocka_unit_test(nothing_gives_no_rows),
		cmocka_unit_test(names_that_are_not_known_are_said_so),
		cmocka_unit_test(a_damaged_profile_is_refused),
		cmocka_unit_test(rows_and_errors_are_those_of_a_plain_reckoning),
		cmocka_unit_test(rows_are_in_order),
		cmocka_unit_test(ties_have_one_order),
		cmocka_unit_test(depth_has_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
