/* SPDX-License-Identifier: BSD-2-Clause */
/* The differential flamegraph as a file: that both profiles are one tree, that widths, colours and
 * data are right, that no name gets out of its place. What it does in a browser is tested by
 * tests/web. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <errno.h>

#include "analyze/analyze.h"
#include "render/diff_picture.h"
#include "render/render.h"
#include "tests/web/samples.h"

enum { PERIOD_NS = 10000000, NUMBERS_MAX = 256 };

static const struct spec root = {FRAME_NATIVE, "main", NULL, 0, "prog"};
static const struct spec hot = {FRAME_PYTHON, "hot", "/app/a.py", 10, NULL};
static const struct spec hot_moved = {FRAME_PYTHON, "hot", "/app/a.py", 22, NULL};
static const struct spec gone = {FRAME_NATIVE, "gone", NULL, 0, "prog"};
static const struct spec come = {FRAME_NATIVE, "come", NULL, 0, "prog"};

/* before: main 100 self, main > hot 100, main > gone 200; after: hot 300 at two lines, come 100 */
static struct profile *side(bool after)
{
	struct builder b;

	builder_start(&b, after ? "two" : "one");
	if (after) {
		BUILDER_ADD(&b, 100, 100ULL * PERIOD_NS, root, come);
		BUILDER_ADD(&b, 100, 100ULL * PERIOD_NS, root, hot);
		BUILDER_ADD(&b, 200, 200ULL * PERIOD_NS, root, hot_moved);
	} else {
		BUILDER_ADD(&b, 100, 100ULL * PERIOD_NS, root);
		BUILDER_ADD(&b, 100, 100ULL * PERIOD_NS, root, hot);
		BUILDER_ADD(&b, 200, 200ULL * PERIOD_NS, root, gone);
	}
	return builder_end(&b);
}

static struct diff_row row(
	const char *name, const char *file, enum frame_kind kind, bool significant)
{
	return (struct diff_row){
		.name = name,
		.file = file,
		.module = *file ? "" : "prog",
		.line = *file ? 22 : 0,
		.kind = kind,
		.self = {.low = -1, .high = 1, .p = 1},
		.total = {.before = 0.25,
			.after = 0.75,
			.low = 0.4,
			.high = 0.6,
			.p = 0.01,
			.significant = significant},
	};
}

struct picture_case {
	struct profile *before, *after;
	struct diff_row rows[4];
	struct diff d;
};

static void case_make(struct picture_case *c)
{
	*c = (struct picture_case){
		.before = side(false),
		.after = side(true),
		.rows = {row("hot", "/app/a.py", FRAME_PYTHON, true),
			row("gone", "", FRAME_NATIVE, true), row("come", "", FRAME_NATIVE, false),
			row("main", "", FRAME_NATIVE, true)},
		.d = {.n_rows = 4,
			.n_all = 4,
			.n_significant = 3,
			.sort = REPORT_TOTAL,
			.verdict = DIFF_CHANGED,
			.detectable = -1,
			.detectable_largest = -1},
	};
	c->d.rows = c->rows;
}

static void case_clear(struct picture_case *c)
{
	profile_free(c->before);
	profile_free(c->after);
}

static char *render(const struct picture_case *c)
{
	const struct table_style style = {0};
	struct err err = {0};
	struct buf out;

	buf_init(&out, 1 << 24);
	if (diff_format_find("flamegraph")->render(c->before, c->after, &c->d, &style, &out, &err) <
		0)
		fail_msg("%s", err.text);
	return out.data;
}

/* ---- the tree ----------------------------------------------------------------------------------
 */

static uint32_t node_of(const struct diff_tree *t, const char *name, uint32_t line)
{
	uint32_t found = 0;

	for (uint32_t i = 1; i < t->after.n_nodes; i++) {
		const struct frame *f = &t->joined.frames[t->ranks.frame[t->after.nodes[i].rank]];

		if (strcmp(t->joined.strings[f->name], name) != 0 || (line && f->line != line))
			continue;
		if (found)
			fail_msg("%s stands there twice", name);
		found = i;
	}
	return found;
}

static void expect(
	const struct diff_tree *t, const char *name, uint32_t line, uint64_t before, uint64_t after)
{
	uint32_t i = node_of(t, name, line);

	if (!i || t->before.nodes[i].samples != before || t->after.nodes[i].samples != after)
		fail_msg("%s:%u: node %u, %lu and %lu samples", name, line, i,
			(unsigned long)t->before.nodes[i].samples,
			(unsigned long)t->after.nodes[i].samples);
	assert_int_equal(t->before.nodes[i].weight_ns, before * PERIOD_NS);
	assert_int_equal(t->after.nodes[i].weight_ns, after * PERIOD_NS);
	assert_int_equal(t->before.nodes[i].rank, t->after.nodes[i].rank);
	assert_int_equal(t->before.nodes[i].end, t->after.nodes[i].end);
}

static void both_are_one_tree(void **state)
{
	struct picture_case c;
	struct diff_tree t;
	struct err err = {0};

	(void)state;
	case_make(&c);
	assert_int_equal(diff_tree_make(&t, c.before, c.after, &c.d, &err), 0);
	assert_int_equal(t.before.n_nodes, t.after.n_nodes);
	assert_int_equal(t.after.n_nodes, 5);
	expect(&t, "main", 0, 400, 400);
	expect(&t, "hot", 0, 100, 300);
	expect(&t, "gone", 0, 200, 0);
	expect(&t, "come", 0, 0, 100);
	assert_int_equal(t.before.nodes[node_of(&t, "main", 0)].self_samples, 100);
	assert_int_equal(t.row[t.after.nodes[node_of(&t, "hot", 0)].rank], 0);
	assert_int_equal(t.row[t.after.nodes[node_of(&t, "come", 0)].rank], 2);
	/* the line is that of the row: others of the function are not told apart */
	assert_int_equal(
		t.joined.frames[t.ranks.frame[t.after.nodes[node_of(&t, "hot", 0)].rank]].line, 22);
	diff_tree_clear(&t);
	diff_tree_clear(&t);
	case_clear(&c);
}

static void by_line_lines_stay_apart(void **state)
{
	struct picture_case c;
	struct diff_tree t;
	struct err err = {0};

	(void)state;
	case_make(&c);
	c.d.by = REPORT_LINE;
	assert_int_equal(diff_tree_make(&t, c.before, c.after, &c.d, &err), 0);
	assert_int_equal(t.after.n_nodes, 6);
	expect(&t, "hot", 10, 100, 100);
	expect(&t, "hot", 22, 0, 200);
	assert_int_equal(t.row[t.after.nodes[node_of(&t, "hot", 22)].rank], 0);
	assert_int_equal(t.row[t.after.nodes[node_of(&t, "hot", 10)].rank], DIFF_NO_ROW);
	diff_tree_clear(&t);
	case_clear(&c);
}

/* Rows of modules are found by what analyze/ calls a module of each kind of frame. */
static void rows_are_those_of_the_analysis(void **state)
{
	static const enum report_by bys[] = {REPORT_FUNCTION, REPORT_LINE, REPORT_MODULE};
	const struct spec inlined = {FRAME_INLINED, "small", "a.h", 3, "prog"};
	const struct spec nameless = {FRAME_NATIVE, "", NULL, 0, NULL};
	const struct spec kernel = {FRAME_KERNEL, "vfs_read", NULL, 0, NULL};
	const struct spec loaded = {FRAME_KERNEL, "ext4_read", NULL, 0, "ext4"};
	const struct spec jit = {FRAME_JIT, "score", NULL, 0, "perf.map"};
	const struct spec script = {FRAME_PYTHON, "<module>", NULL, 0, NULL};
	struct profile *p;
	struct builder b;

	(void)state;
	builder_start(&b, "all kinds");
	BUILDER_ADD(
		&b, 30, 0, root, script, hot, hot_moved, inlined, nameless, jit, loaded, kernel);
	p = builder_end(&b);
	for (size_t k = 0; k < sizeof(bys) / sizeof(bys[0]); k++) {
		struct err err = {0};
		struct diff_tree t;
		struct diff d;

		assert_int_equal(analyze_diff(p, p, bys[k], REPORT_TOTAL, 0, &d), 0);
		assert_int_equal(diff_tree_make(&t, p, p, &d, &err), 0);
		for (uint32_t i = 1; i < t.after.n_nodes; i++)
			if (t.row[t.after.nodes[i].rank] == DIFF_NO_ROW)
				fail_msg("by %s: node %u has no row", report_by_name(bys[k]), i);
		diff_tree_clear(&t);
		diff_clear(&d);
	}
	profile_free(p);
}

static void damage_is_an_error(void **state)
{
	(void)state;
	for (int what = 0; what < 5; what++) {
		struct picture_case c;
		const struct table_style style = {0};
		struct err err = {0};
		struct buf out;

		case_make(&c);
		if (what == 0)
			c.after->nodes[2].parent = 2;
		else if (what == 1)
			c.before->nodes[1].frame = c.before->n_frames;
		else if (what == 2)
			c.after->nodes[1].parent = UINT32_MAX;
		else if (what == 3)
			c.before->n_nodes = 0;
		else /* a string that is none is an empty one */
			c.after->frames[1].name = c.after->frames[1].file = UINT32_MAX;
		buf_init(&out, 1 << 24);
		assert_int_equal(diff_format_find("flamegraph")
					 ->render(c.before, c.after, &c.d, &style, &out, &err),
			what < 4 ? -EINVAL : 0);
		assert_int_equal(*err.text != 0, what < 4);
		buf_free(&out);
		case_clear(&c);
	}
}

/* ---- the file ----------------------------------------------------------------------------------
 */

/* Numbers as data.c writes them. */
static size_t read_numbers(const char *svg, const char *class, uint64_t *to)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char tag[64];
	const char *at;
	unsigned shift = 0;
	size_t n = 0;

	snprintf(tag, sizeof(tag), "<metadata class=\"%s\">", class);
	at = strstr(svg, tag);
	assert_non_null(at);
	to[0] = 0;
	for (at += strlen(tag); *at != '<'; at++) {
		uint64_t digit = (uint64_t)(strchr(digits, *at) - digits);

		assert_true(digit < 64 && n < NUMBERS_MAX - 1);
		to[n] |= (digit & 31) << shift;
		shift += 5;
		if (digit < 32) {
			to[++n] = 0;
			shift = 0;
		}
	}
	return n;
}

static void data_has_the_other_side(void **state)
{
	/* in order of names: all, main, come, gone, hot */
	static const uint64_t before[] = {
		0, 201, 100ULL * PERIOD_NS, 0, 401, 200ULL * PERIOD_NS, 201, 100ULL * PERIOD_NS};
	static const uint64_t change[] = {
		2 | 8, 0, 0, 0, 20000000, 2500000, 7500000, 14000000, 16000000};
	uint64_t numbers[NUMBERS_MAX];
	struct picture_case c;
	char *svg;

	(void)state;
	case_make(&c);
	svg = render(&c);
	assert_int_equal(read_numbers(svg, "before", numbers), 8);
	assert_memory_equal(numbers, before, sizeof(before));
	assert_int_equal(read_numbers(svg, "changes", numbers), 4 * 9);
	assert_memory_equal(numbers, change, sizeof(change));
	assert_int_equal(numbers[18], 8); /* `come` is not significant, its interval is known */
	/* hot tripled, gone went, come is not significant, main is as it was */
	assert_non_null(strstr(svg, "<metadata class=\"shades\">33306</metadata>"));
	assert_non_null(strstr(svg, "{\"by\":\"function\",\"steps\":3,\"scale\":10000000}"));
	free(svg);
	case_clear(&c);
}

static void the_first_view_is_after(void **state)
{
	struct picture_case c;
	char *svg;

	(void)state;
	case_make(&c);
	svg = render(&c);
	assert_non_null(strstr(svg, "<title>one \u2192 two</title>"));
	assert_non_null(strstr(svg, "<rect class=\"c6 e\" x=\"305\" y="));
	assert_non_null(strstr(svg, " width=\"885\" "));
	assert_non_null(strstr(svg,
		"hot (/app/a.py:22): after 75.00 % (3.00 s, 300 samples), before 25.00 % (1.00 s, 100 "
		"samples), change +50.00 points; as a function: self +0.00, total +50.00 "
		"(significant)</title>"));
	assert_null(strstr(svg, "<title>gone")); /* nothing of it is there to be drawn */
	assert_non_null(strstr(svg, "before: 400 samples"));
	assert_non_null(strstr(svg, "after: 400 samples"));
	assert_non_null(strstr(svg, "3 functions changed: "));
	assert_non_null(strstr(svg, ">widths: after</text>"));
	free(svg);
	case_clear(&c);
}

/* Steps of the ratio, with 0.1 % added to both shares. */
static void colours_go_by_the_ratio(void **state)
{
	static const struct {
		uint64_t before, after;
		char shade;
	} rows[] = {
		{10000, 10000, '3'}, {10000, 10400, '3'}, {10000, 10700, '4'}, {10000, 13000, '5'},
		{10000, 21000, '6'}, {10000, 9600, '3'}, {10000, 9300, '2'}, {10000, 7500, '1'},
		{10000, 4500, '0'}, {0, 10000, '6'}, {10000, 0, '0'},
		{10, 20, '4'}, /* doubled, but of 0.01 %: little */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct spec f = {FRAME_NATIVE, "main", NULL, 0, "prog"},
				  rest = {FRAME_NATIVE, "rest", NULL, 0, "prog"};
		struct picture_case c;
		struct builder b;
		char wanted[64], *svg;

		case_make(&c);
		case_clear(&c);
		builder_start(&b, "a");
		BUILDER_ADD(&b, rows[i].before, 0, f);
		BUILDER_ADD(&b, 100000 - rows[i].before, 0, rest);
		c.before = builder_end(&b);
		builder_start(&b, "b");
		BUILDER_ADD(&b, rows[i].after, 0, f);
		BUILDER_ADD(&b, 100000 - rows[i].after, 0, rest);
		c.after = builder_end(&b);
		svg = render(&c);
		snprintf(wanted, sizeof(wanted), "\"shades\">3%c3<", rows[i].shade);
		if (!strstr(svg, wanted))
			fail_msg("%lu to %lu: not %s", (unsigned long)rows[i].before,
				(unsigned long)rows[i].after, wanted);
		free(svg);
		case_clear(&c);
	}
}

static void names_stay_text(void **state)
{
	static const char hostile[] = "</title><script>alert(1)</script>]]>&\"'\x1b \xff";
	const struct spec f = {FRAME_PYTHON, hostile, hostile, 3, hostile};
	struct picture_case c;
	struct builder b;
	char *svg;

	(void)state;
	case_make(&c);
	profile_free(c.after);
	builder_start(&b, hostile);
	BUILDER_ADD(&b, 100, 0, f);
	c.after = builder_end(&b);
	c.rows[0].name = c.rows[0].file = hostile;
	svg = render(&c);
	assert_null(strstr(svg, "<script>alert"));
	assert_null(strchr(svg, '\x1b'));
	assert_non_null(strstr(svg, "&lt;script&gt;alert(1)"));
	free(svg);
	case_clear(&c);
}

static void a_side_may_be_empty(void **state)
{
	(void)state;
	for (int what = 0; what < 3; what++) {
		struct picture_case c;
		struct builder b;
		char *svg;

		case_make(&c);
		if (what != 1) {
			profile_free(c.before);
			builder_start(&b, "");
			c.before = builder_end(&b);
		}
		if (what != 0) {
			profile_free(c.after);
			builder_start(&b, "");
			c.after = builder_end(&b);
		}
		c.d.n_rows = what == 2 ? 0 : 4;
		svg = render(&c);
		assert_int_equal(
			strstr(svg, "No samples") && strstr(svg, "title middle\""), what != 0);
		assert_null(strstr(svg, "nan"));
		assert_null(strstr(svg, "inf,"));
		free(svg);
		case_clear(&c);
	}
}

static void equal_profiles_give_equal_bytes(void **state)
{
	struct picture_case c;
	char *first, *again;

	(void)state;
	case_make(&c);
	first = render(&c);
	again = render(&c);
	assert_string_equal(first, again);
	free(first);
	free(again);
	case_clear(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_are_one_tree),
		cmocka_unit_test(by_line_lines_stay_apart),
		cmocka_unit_test(rows_are_those_of_the_analysis),
		cmocka_unit_test(damage_is_an_error),
		cmocka_unit_test(data_has_the_other_side),
		cmocka_unit_test(the_first_view_is_after),
		cmocka_unit_test(colours_go_by_the_ratio),
		cmocka_unit_test(names_stay_text),
		cmocka_unit_test(a_side_may_be_empty),
		cmocka_unit_test(equal_profiles_give_equal_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
