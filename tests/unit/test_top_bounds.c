/* SPDX-License-Identifier: BSD-2-Clause */
/* What the model of `profd top` takes at most, and what it makes of numbers that make no sense. */
#include "top_program.h"

#include <errno.h>

/* ---- bounds ------------------------------------------------------------------------------------
 */

static void test_intervals_are_bounded(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS};
	struct program p;

	(void)state;
	program_init(&p);
	for (uint32_t i = 0; i < TOP_RECENT_MAX + 50; i++) {
		feed_count(&p.f, i < 50 ? p.main : p.read, 2);
		feed_add(&p.f, m);
	}
	assert_int_equal(m->n_recent, TOP_RECENT_MAX);
	check_row(page_of(m, &q), "main", 100, 1300, 1300); /* all of it since the start */
	q.span_s = 10000;
	check_row(page_of(m, &q), "read", 1200, 1200, 1200); /* what a span can be made of */
	feed_clear(&p.f);
	top_model_free(m);
}

/* 100,000 stacks, of which one is heavy; then as many others. */
static void test_stacks_are_bounded(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS, .sort = TOP_BY_SELF, .limit = 5};
	const struct top_page *page;
	struct program p;
	char name[32];

	(void)state;
	m->nodes_max = 20000;
	program_init(&p);
	for (uint32_t i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		feed_count(&p.f, feed_python(&p.f, p.work, name, "many.py", 1), 1);
		if (i % 10000 == 9999) {
			feed_count(&p.f, p.read, 5000);
			feed_add(&p.f, m);
			assert_true(m->forest.p.n_nodes <= m->nodes_max);
		}
	}
	page = page_of(m, &q);
	assert_int_equal(page->samples, 150000);
	check_row(page, "read", 50000, 50000, 150000); /* its share is what it was */
	assert_string_equal(page->rows[0].name, "[rare stacks]");
	assert_int_equal(page->rows[0].kind, FRAME_NOTE);
	assert_true(page->rows[0].self_samples >= 80000);
	q.sort = TOP_BY_TOTAL;
	check_row(page_of(m, &q), "work", 0, 150000, 150000);
	q.view = TOP_PROCESSES;
	check_row(page_of(m, &q), "python3 (7)", 150000, 150000, 150000);
	q.span_s = 2; /* the intervals know the stacks by their new numbers */
	check_row(page_of(m, &q), "python3 (7)", 30000, 30000, 30000);
	feed_clear(&p.f);
	top_model_free(m);
}

/* Names that take memory instead of their number; kept ones keep what was not shown yet. */
static void test_names_are_bounded(void **state)
{
	struct top_model *m = top_model_new();
	struct err err = {0};
	struct program p;
	char name[1500];

	(void)state;
	m->text_bytes_max = 200000;
	program_init(&p);
	memset(name, 'x', sizeof(name));
	for (uint32_t i = 0; i < 1000; i++) {
		snprintf(name + 1480, 20, "%u", i);
		feed_count(&p.f, feed_python(&p.f, p.work, name, "many.py", 1), 1);
		if (i % 50 == 49) {
			feed_count(&p.f, p.read, 100);
			feed_keep(&p.f, m);
			assert_true(m->forest.text_bytes <= m->text_bytes_max);
		}
	}
	assert_int_equal(top_model_seek(m, 20, &err), 0);
	check_row(page_of(m, &(struct top_query){.view = TOP_FUNCTIONS}), "read", 2000, 2000, 3000);
	feed_clear(&p.f);
	top_model_free(m);
}

/* Processes come and go: those that have ended are forgotten, but for that they have. */
static void test_processes_are_bounded(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_PROCESSES, .sort = TOP_BY_SELF};
	const struct top_page *page;
	struct program p;

	(void)state;
	m->processes_max = 10;
	program_init(&p);
	for (uint32_t i = 0; i < 40; i++) {
		uint32_t pid = 100 + i;
		uint32_t process = feed_process(&p.f, "cc", pid);

		feed_count(&p.f,
			feed_native(&p.f, feed_thread(&p.f, process, "cc", pid), "cc1", "cc1"), 1);
		feed_count(&p.f, p.main, 1);
		feed_add(&p.f, m);
		assert_true(m->n_processes <= 10);
		feed_process_of(&p.f, pid)->ended = true;
	}
	feed_add(&p.f, m);
	page = page_of(m, &q);
	assert_int_equal(page->processes, 2);
	assert_int_equal(page->ended, 40);
	assert_int_equal(page->n_rows, 41);
	assert_false(row_of(page, "python3 (7)")->ended);
	assert_true(row_of(page, "cc (100)")->ended);
	assert_true(row_of(page, "cc (139)")->ended);
	feed_clear(&p.f);
	top_model_free(m);
}

/* A stack of any depth ends at the bound, and costs what that costs. */
static void test_depth_is_bounded(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS, .sort = TOP_BY_TOTAL};
	const struct top_page *page;
	struct program p;
	uint32_t at;

	(void)state;
	program_init(&p);
	at = p.work;
	for (uint32_t i = 0; i < 100000; i++)
		at = feed_python(&p.f, at, i % 2 ? "even" : "odd", "deep.py", i % 3);
	feed_count(&p.f, at, 10);
	feed_add(&p.f, m);
	assert_true(m->forest.p.n_nodes < TOP_DEPTH_MAX + 20);
	page = page_of(m, &q);
	assert_int_equal(page->samples, 10);
	assert_int_equal(row_of(page, "even")->total_samples, 10);
	assert_int_equal(row_of(page, "odd")->total_samples, 10);
	feed_clear(&p.f);
	top_model_free(m);
}

/* ---- damage ------------------------------------------------------------------------------------
 */

/* What is refused leaves the model as it was. */
static void check_refused(struct feed *f, struct top_model *m)
{
	struct err err = {0};

	feed_count(f, f->tree.n_nodes - 1, 1);
	assert_int_equal(feed_take(f, m, false, &err), -EINVAL);
	assert_true(*err.text);
	assert_int_equal(page_of(m, &(struct top_query){0})->samples, 100);
}

static void test_out_of_range(void **state)
{
	struct top_model *m = top_model_new();
	struct stack_node *node;
	struct frame *frame;
	struct program p;
	uint32_t n;

	(void)state;
	program_init(&p);
	program_run(&p);
	feed_add(&p.f, m);
	feed_python(&p.f, p.work, "new", "new.py", 1);
	node = &p.f.tree.nodes[p.f.tree.n_nodes - 1];
	frame = &p.f.tree.frames[node->frame];

	feed_count(&p.f, p.f.tree.n_nodes, 1);
	check_refused(&p.f, m);
	node->parent = p.f.tree.n_nodes - 1;
	check_refused(&p.f, m);
	node->parent = UINT32_MAX;
	check_refused(&p.f, m);
	node->parent = p.work;
	n = node->frame;
	node->frame = p.f.tree.n_frames;
	check_refused(&p.f, m);
	node->frame = n;
	n = frame->name;
	frame->name = p.f.tree.n_strings;
	check_refused(&p.f, m);
	frame->name = n;
	frame->kind = FRAME_KINDS;
	check_refused(&p.f, m);
	frame->kind = FRAME_ROOT;
	check_refused(&p.f, m);
	frame->kind = FRAME_PYTHON;
	feed_count(&p.f, 1, 1);
	p.f.counts[0].weight_ns = UINT64_MAX;
	check_refused(&p.f, m);
	n = p.f.tree.n_nodes;
	p.f.tree.n_nodes = 0;
	feed_count(&p.f, 0, 1);
	check_refused(&p.f, m);
	p.f.tree.n_nodes = n;
	feed_count(&p.f, n - 1, 100);
	feed_add(&p.f, m); /* and with everything in range it goes on */
	check_row(page_of(m, &(struct top_query){0}), "new", 100, 100, 200);
	feed_clear(&p.f);
	top_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_intervals_are_bounded),
		cmocka_unit_test(test_stacks_are_bounded),
		cmocka_unit_test(test_names_are_bounded),
		cmocka_unit_test(test_processes_are_bounded),
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_out_of_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
