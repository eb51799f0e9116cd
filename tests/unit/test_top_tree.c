/* SPDX-License-Identifier: BSD-2-Clause */
/* The model of `profd top`: the call tree that unfolds, callers and callees, filters. */
#include "top_program.h"

#include <errno.h>

/* The rows of a page as "name name+ .name": a dot for each step of depth; `+` is folded, `-`
 * unfolded. */
static void check_tree(const struct top_page *page, const char *expected)
{
	char text[4096] = "";
	size_t n = 0;

	for (size_t i = 0; i < page->n_rows; i++) {
		const struct top_item *row = &page->rows[i];

		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.*s%s%s", i ? " " : "",
			(int)row->depth, "..........", row->name,
			!row->has_children ? ""
			: row->unfolded    ? "-"
					   : "+");
	}
	assert_string_equal(text, expected);
}

#define SEVEN "python3 (7)- .main- ..work- ...work- ....read"

static void test_first_look(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_TREE, .sort = TOP_BY_TOTAL};
	const struct top_page *page;
	struct program p;

	(void)state;
	program_init(&p);
	program_run(&p);
	feed_add(&p.f, m);
	page = page_of(m, &q);
	check_tree(page, SEVEN " python3 (8)+");
	assert_int_equal(page->n_all, 6);
	check_row(page, "python3 (7)", 0, 60, 100);
	check_row(page, "main", 10, 60, 100);
	check_row(page, "work", 15, 50, 100);            /* both lines below main */
	assert_int_equal(row_of(page, "work")->line, 5); /* the heavier one */
	assert_int_equal(page->rows[3].self_samples, 15);
	assert_int_equal(page->rows[3].total_samples, 35);
	assert_int_equal(page->rows[0].pid, 7);
	assert_int_equal(page->rows[1].pid, 0);
	q.limit = 2;
	page = page_of(m, &q);
	check_tree(page, "python3 (7)- .main-");
	assert_int_equal(page->n_all, 6);
	feed_clear(&p.f);
	top_model_free(m);
}

/* Processes and threads stand there only where there are several. */
static void test_levels(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_TREE, .sort = TOP_BY_TOTAL};
	struct program p;

	(void)state;
	program_init(&p);
	run_seven(&p);
	feed_add(&p.f, m);
	check_tree(page_of(m, &q), "main- .work- ..work- ...read");
	feed_count(&p.f, p.other, 100);
	feed_add(&p.f, m);
	check_tree(page_of(m, &q), "python3 (8)- .other python3 (7)+");
	feed_count(&p.f, p.work_8, 1);
	feed_add(&p.f, m);
	check_tree(page_of(m, &q), "python3 (8)- .other (9)- ..other .main (8)+ python3 (7)+");
	assert_int_equal(page_of(m, &q)->rows[1].tid, 9);
	assert_int_equal(page_of(m, &q)->rows[1].pid, 8);
	q.span_s = 1; /* by the span that is shown */
	check_tree(page_of(m, &q), "main- .work");
	feed_clear(&p.f);
	top_model_free(m);
}

static void test_folds(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_TREE, .sort = TOP_BY_TOTAL};
	struct program p;
	uint64_t main_key, eight_key;

	(void)state;
	program_init(&p);
	program_run(&p);
	feed_add(&p.f, m);
	main_key = row_of(page_of(m, &q), "main")->key;
	eight_key = row_of(page_of(m, &q), "python3 (8)")->key;
	top_model_unfold(m, main_key, false, false);
	check_tree(page_of(m, &q), "python3 (7)- .main+ python3 (8)+");
	top_model_unfold(m, eight_key, true, false);
	check_tree(page_of(m, &q), /* most of its weight is with one thread */
		"python3 (7)- .main+ python3 (8)- .main (8)- ..main- ...work .other (9)+");
	top_model_reset(m);
	check_tree(page_of(m, &q), "");
	program_run(&p);
	feed_add(&p.f, m);
	check_tree(page_of(m, &q),
		"python3 (7)- .main+ python3 (8)- .main (8)- ..main- ...work .other (9)+");
	top_model_unfold(m, eight_key, false, true);
	top_model_unfold(m, eight_key, true, false);
	check_tree(page_of(m, &q), "python3 (7)- .main+ python3 (8)- .main (8)+ .other (9)+");
	top_model_unfold(m, 0, true, true);
	check_tree(page_of(m, &q),
		SEVEN " python3 (8)- .main (8)- ..main- ...work .other (9)- ..other");
	top_model_unfold(m, 0, false, true);
	check_tree(page_of(m, &q), "python3 (7)+ python3 (8)+");
	top_model_unfold(m, 12345, true, true); /* there is no such */
	check_tree(page_of(m, &q), "python3 (7)+ python3 (8)+");
	feed_clear(&p.f);
	top_model_free(m);
}

/* What has unfolded by itself stays so while it has a third, and folds below that. */
static void test_unfolds_by_itself(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_TREE, .sort = TOP_BY_TOTAL, .span_s = 1};
	struct program p;

	(void)state;
	program_init(&p);
	feed_count(&p.f, p.main, 55);
	feed_count(&p.f, p.work_8, 45);
	feed_add(&p.f, m);
	check_tree(page_of(m, &q), "python3 (7)- .main python3 (8)+");
	feed_count(&p.f, p.main, 40);
	feed_count(&p.f, p.work_8, 60);
	feed_add(&p.f, m);
	check_tree(page_of(m, &q), "python3 (8)- .main- ..work python3 (7)- .main");
	feed_count(&p.f, p.main, 30);
	feed_count(&p.f, p.work_8, 70);
	feed_add(&p.f, m);
	check_tree(page_of(m, &q), "python3 (8)- .main- ..work python3 (7)+");
	feed_clear(&p.f);
	top_model_free(m);
}

static void test_depth_of_the_first_look(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_TREE, .sort = TOP_BY_TOTAL};
	const struct top_page *page;
	struct program p;
	char name[16];
	uint32_t at;

	(void)state;
	program_init(&p);
	at = p.main;
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		at = feed_python(&p.f, at, name, "app.py", 1);
	}
	feed_count(&p.f, at, 10);
	feed_add(&p.f, m);
	page = page_of(m, &q);
	assert_int_equal(page->n_rows, 17); /* depths 0 to 15 are unfolded */
	assert_int_equal(page->rows[16].depth, 16);
	assert_false(page->rows[16].unfolded);
	feed_clear(&p.f);
	top_model_free(m);
}

/* Three steps that keep nearly all of the weight, then such that lose a quarter of it. */
static void test_steps_of_the_first_look(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_TREE, .sort = TOP_BY_TOTAL};
	const struct top_page *page;
	struct program p;
	char name[16];
	uint32_t at, left = 1000000;

	(void)state;
	program_init(&p);
	at = p.main;
	for (int i = 0; i < 14; i++) {
		uint32_t lost = i < 3 ? left / 20 : left / 4;

		snprintf(name, sizeof(name), "f%d", i);
		feed_count(&p.f, at, lost);
		left -= lost;
		at = feed_python(&p.f, at, name, "app.py", 1);
	}
	feed_count(&p.f, at, left);
	feed_add(&p.f, m);
	page = page_of(m, &q);
	assert_int_equal(page->n_rows, 12);
	assert_string_equal(page->rows[11].name, "f10"); /* the eighth that loses some */
	assert_true(page->rows[10].unfolded);
	assert_true(page->rows[11].has_children && !page->rows[11].unfolded);
	feed_clear(&p.f);
	top_model_free(m);
}

static void test_orders_and_trends(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_TREE, .sort = TOP_BY_NAME};
	const struct top_page *page;
	struct program p;
	uint64_t key;

	(void)state;
	program_init(&p);
	run_seven(&p);
	feed_add(&p.f, m);
	program_run(&p);
	feed_add(&p.f, m);
	q.reverse = true;
	check_tree(page_of(m, &q), "python3 (8)+ " SEVEN);
	q.reverse = false;
	page = page_of(m, &q);
	check_tree(page, SEVEN " python3 (8)+");
	assert_int_equal(page->rows[0].n_trend, 2);
	assert_true(page->rows[0].trend[0] == 1 && page->rows[0].trend[1] == 0.6F);
	assert_true(page->rows[5].trend[0] == 0 && page->rows[5].trend[1] == 0.4F);
	assert_true(page->rows[2].trend[1] == 0.5F); /* work, and all below it */
	q.sort = TOP_BY_SELF;
	page = page_of(m, &q);
	assert_true(page->rows[0].trend[1] == 0); /* a process has none itself */
	assert_true(row_of(page, "work")->trend[1] == 0.15F);
	/* What is folded counts for the row that hides it */
	q.sort = TOP_BY_TOTAL;
	key = row_of(page, "main")->key;
	top_model_unfold(m, key, false, false);
	assert_true(row_of(page_of(m, &q), "main")->trend[1] == 0.6F);
	feed_clear(&p.f);
	top_model_free(m);
}

/* ---- callers -----------------------------------------------------------------------------------
 */

static void check_callers(struct top_model *m, uint64_t focus)
{
	struct top_query q = {.view = TOP_CALLERS, .sort = TOP_BY_TOTAL, .focus = focus};
	const struct top_page *page = page_of(m, &q);

	assert_string_equal(page->focus, "work");
	assert_int_equal(page->n_rows, 3);
	assert_int_equal(page->rows[0].role, TOP_ROLE_CALLER);
	assert_int_equal(page->rows[1].role, TOP_ROLE_SELF);
	assert_int_equal(page->rows[2].role, TOP_ROLE_CALLEE);
	check_row(page, "main", 0, 80, 100);
	check_row(page, "work", 60, 80, 100);
	check_row(page, "read", 20, 20, 100);
	assert_string_equal(page->rows[1].process, "python3 (7)");
	assert_int_equal(page->rows[1].n_trend, 1);
	assert_true(page->rows[1].trend[0] == 0.8F);
}

static void test_callers(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS};
	const struct top_page *page;
	struct top_page *none;
	struct err err = {0};
	struct program p;
	uint64_t work, read;

	(void)state;
	program_init(&p);
	program_run(&p);
	feed_add(&p.f, m);
	work = row_of(page_of(m, &q), "work")->key;
	read = row_of(page_of(m, &q), "read")->key;
	check_callers(m, work);
	q.view = TOP_TREE;
	check_callers(m, row_of(page_of(m, &q), "work")->key);

	q = (struct top_query){.view = TOP_CALLERS, .sort = TOP_BY_SELF, .focus = read};
	page = page_of(m, &q);
	assert_int_equal(page->n_rows, 2);
	check_row(page, "work", 0, 20, 100);
	check_row(page, "read", 20, 20, 100);
	assert_true(row_of(page, "work")->key == work); /* to go on from there */

	q.view = TOP_LINES;
	page = page_of(m, &q);
	assert_int_equal(page->rows[0].line, 5); /* self 35; called by main alone */
	q.focus = page->rows[0].key;
	q.view = TOP_CALLERS;
	page = page_of(m, &q);
	assert_int_equal(page->n_rows, 3);
	check_row(page, "main", 0, 70, 100);
	assert_int_equal(page->rows[1].self_samples, 35);
	assert_int_equal(page->rows[2].line, 6);
	assert_int_equal(page->rows[2].total_samples, 35);

	q.focus = 12345;
	assert_int_equal(top_model_page(m, &q, &none, &err), -ENOENT);
	q.view = TOP_PROCESSES;
	q.focus = page_of(m, &q)->rows[0].key;
	q.view = TOP_CALLERS;
	assert_int_equal(top_model_page(m, &q, &none, &err), -ENOENT);
	assert_true(*err.text);

	top_model_reset(m); /* the function is known, but nothing runs */
	q.focus = read;
	page = page_of(m, &q);
	assert_int_equal(page->n_rows, 1);
	assert_int_equal(page->rows[0].total_samples, 0);
	assert_string_equal(page->focus, "read");
	feed_clear(&p.f);
	top_model_free(m);
}

/* Many callers leave room for the function and its callees. */
static void test_little_room(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS, .sort = TOP_BY_TOTAL};
	const struct top_page *page;
	struct program p;
	char name[16];

	(void)state;
	program_init(&p);
	for (uint32_t i = 1; i <= 20; i++) {
		uint32_t at;

		snprintf(name, sizeof(name), "by%u", i);
		at = feed_python(&p.f, p.main, name, "app.py", i);
		at = feed_python(&p.f, at, "hot", "app.py", 99);
		feed_count(&p.f, at, i);
		snprintf(name, sizeof(name), "to%u", i);
		feed_count(&p.f, feed_python(&p.f, at, name, "app.py", i), i);
	}
	feed_add(&p.f, m);
	q.focus = row_of(page_of(m, &q), "hot")->key;
	q.view = TOP_CALLERS;
	assert_int_equal(page_of(m, &q)->n_rows, 41);
	q.limit = 6;
	page = page_of(m, &q);
	assert_int_equal(page->n_rows, 6);
	assert_int_equal(page->n_all, 41);
	assert_string_equal(page->rows[0].name, "by20");
	assert_string_equal(page->rows[1].name, "by19");
	assert_string_equal(page->rows[2].name, "hot");
	assert_string_equal(page->rows[3].name, "to20");
	assert_string_equal(page->focus, "hot");
	q.limit = 1;
	assert_string_equal(page_of(m, &q)->rows[0].name, "hot");
	feed_clear(&p.f);
	top_model_free(m);
}

/* ---- filters -----------------------------------------------------------------------------------
 */

static size_t rows_with(struct top_model *m, enum top_view view, const char *filter)
{
	struct top_query q = {.view = view, .filter = filter};

	return page_of(m, &q)->n_rows;
}

static void test_filter_of_rows(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS, .filter = "wo[r]k$"};
	struct program p;

	(void)state;
	program_init(&p);
	program_run(&p);
	feed_add(&p.f, m);
	assert_int_equal(page_of(m, &q)->n_rows, 1);
	assert_int_equal(page_of(m, &q)->n_all, 1);
	check_row(page_of(m, &q), "work", 60, 80, 100); /* shares are those of the whole */
	assert_int_equal(rows_with(m, TOP_FUNCTIONS, NULL), 4);
	assert_int_equal(rows_with(m, TOP_FUNCTIONS, ""), 4);
	assert_int_equal(rows_with(m, TOP_FUNCTIONS, "READ|OTHER"), 0); /* has upper case */
	assert_int_equal(rows_with(m, TOP_FUNCTIONS, "read|other"), 2);
	assert_int_equal(rows_with(m, TOP_FUNCTIONS, "APP"), 0);
	assert_int_equal(rows_with(m, TOP_FUNCTIONS, "^app\\.py$"), 3); /* the file */
	assert_int_equal(rows_with(m, TOP_FUNCTIONS, "libc"), 1);       /* the module */
	assert_int_equal(rows_with(m, TOP_FUNCTIONS, "\\(8\\)"), 3);    /* any process of it */
	assert_int_equal(rows_with(m, TOP_FUNCTIONS, "\\W"), 4);        /* no upper case letter */
	assert_int_equal(rows_with(m, TOP_LINES, "work"), 2);
	assert_int_equal(rows_with(m, TOP_PROCESSES, "8"), 1);
	assert_int_equal(rows_with(m, TOP_THREADS, "^other"), 1);
	assert_int_equal(rows_with(m, TOP_THREADS, "python3 .8"), 2);
	feed_clear(&p.f);
	top_model_free(m);
}

static void test_filter_of_the_tree(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_TREE, .sort = TOP_BY_TOTAL, .filter = "^read$"};
	const struct top_page *page;
	struct program p;
	uint64_t key;

	(void)state;
	program_init(&p);
	program_run(&p);
	feed_add(&p.f, m);
	page = page_of(m, &q);
	check_tree(page, SEVEN);
	check_row(page, "main", 10, 60, 100);
	q.filter = "^other$"; /* the function, and what leads to it */
	check_tree(page_of(m, &q), "python3 (8)- .other (9)- ..other");
	q.filter = "8"; /* what is below a match can be unfolded */
	page = page_of(m, &q);
	check_tree(page, "python3 (8)- .main (8)+ .other (9)+");
	key = page->rows[1].key;
	top_model_unfold(m, key, true, false);
	check_tree(page_of(m, &q), "python3 (8)- .main (8)- ..main+ .other (9)+");
	top_model_unfold(m, row_of(page_of(m, &q), "python3 (8)")->key, false, false);
	check_tree(page_of(m, &q), "python3 (8)+");
	q.filter = "nothing has this name";
	check_tree(page_of(m, &q), "");
	feed_clear(&p.f);
	top_model_free(m);
}

static void test_filter_of_callers(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS};
	struct program p;

	(void)state;
	program_init(&p);
	program_run(&p);
	feed_add(&p.f, m);
	q.focus = row_of(page_of(m, &q), "work")->key;
	q.view = TOP_CALLERS;
	q.filter = "read";
	assert_int_equal(page_of(m, &q)->n_rows, 2); /* the function itself stays */
	assert_true(has_row(page_of(m, &q), "work"));
	assert_true(has_row(page_of(m, &q), "read"));
	feed_clear(&p.f);
	top_model_free(m);
}

static void test_no_filters(void **state)
{
	static const char *const wrong[] = {"(", "[", "a{2", "*a|(", "(a)\\1", "a{300}{300}",
		"((a{1,100}){1,100}){1,100}", "[[:nothing:]]", "x{99999}"};
	static const char *const right[] = {"", "a", "[{](x|y)", "[]{5000}]", "[[:alpha:]{9999}]+",
		"\\{9999", "a{10}{10}", "(a|b)*c", "\xc3\xa9", "\\."};
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS};
	char longest[TOP_FILTER_MAX + 2];
	struct top_page *page;
	struct program p;

	(void)state;
	program_init(&p);
	program_run(&p);
	feed_add(&p.f, m);
	memset(longest, 'a', sizeof(longest));
	longest[TOP_FILTER_MAX + 1] = '\0';
	assert_int_equal(top_filter_check(longest, NULL), -EINVAL);
	longest[TOP_FILTER_MAX] = '\0';
	assert_int_equal(top_filter_check(longest, NULL), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct err err = {0};

		assert_int_equal(top_filter_check(wrong[i], &err), -EINVAL);
		assert_true(*err.text);
		q.filter = wrong[i];
		assert_int_equal(top_model_page(m, &q, &page, &err), -EINVAL);
	}
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		if (top_filter_check(right[i], NULL) != 0)
			fail_msg("%s", right[i]);
	assert_int_equal(top_filter_check(NULL, NULL), 0);
	q.filter = "work"; /* a good one after bad ones */
	assert_int_equal(page_of(m, &q)->n_rows, 1);
	feed_clear(&p.f);
	top_model_free(m);
}

/* A name of any length: its start counts. And the verdicts are of names, not of their numbers. */
static void test_filter_and_many_names(void **state)
{
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS, .filter = "end"};
	struct program p;
	char name[4000];

	(void)state;
	m->nodes_max = 100;
	program_init(&p);
	memset(name, 'x', sizeof(name) - 4);
	memcpy(name + sizeof(name) - 4, "end", 4);
	feed_count(&p.f, feed_python(&p.f, p.main, name, "app.py", 1), 1000);
	feed_add(&p.f, m);
	assert_int_equal(page_of(m, &q)->n_rows, 0);
	q.filter = "^x+$";
	assert_int_equal(page_of(m, &q)->n_rows, 1);
	for (uint32_t i = 0; i < 300; i++) { /* until the forest is planted anew */
		char other[16];

		snprintf(other, sizeof(other), "y%u", i);
		feed_count(&p.f, feed_python(&p.f, p.main, other, "app.py", 1), 1);
		feed_add(&p.f, m);
		assert_int_equal(page_of(m, &q)->n_rows, 1);
	}
	assert_int_equal(page_of(m, &q)->rows[0].self_samples, 1000);
	feed_clear(&p.f);
	top_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_look),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_folds),
		cmocka_unit_test(test_unfolds_by_itself),
		cmocka_unit_test(test_depth_of_the_first_look),
		cmocka_unit_test(test_steps_of_the_first_look),
		cmocka_unit_test(test_orders_and_trends),
		cmocka_unit_test(test_callers),
		cmocka_unit_test(test_little_room),
		cmocka_unit_test(test_filter_of_rows),
		cmocka_unit_test(test_filter_of_the_tree),
		cmocka_unit_test(test_filter_of_callers),
		cmocka_unit_test(test_no_filters),
		cmocka_unit_test(test_filter_and_many_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
