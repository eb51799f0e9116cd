/* SPDX-License-Identifier: BSD-2-Clause */
/* Collapsed output, and everything that both pictures share. The SVG has test_render_svg.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <errno.h>

#include "render/render.h"
#include "tests/web/samples.h"

static char *render(const struct profile *p, const char *format)
{
	struct err err = {0};
	struct buf out;

	buf_init(&out, 1 << 30);
	if (render_format_find(format)->render(p, &out, &err) < 0)
		fail_msg("%s: %s", format, err.text);
	return out.data ? out.data : strdup("");
}

static void assert_collapsed(struct builder *b, const char *expected)
{
	struct profile *p = builder_end(b);
	char *text = render(p, "collapsed");

	assert_string_equal(text, expected);
	free(text);
	profile_free(p);
}

static void formats_are_listed_with_the_default_first(void **state)
{
	size_t n = 0;

	(void)state;
	assert_string_equal(render_format_at(0)->name, "flamegraph");
	assert_string_equal(render_format_at(0)->extension, "svg");
	for (const struct render_format *f; (f = render_format_at(n)); n++) {
		assert_ptr_equal(render_format_find(f->name), f);
		assert_true(*f->help);
	}
	assert_int_equal(n, 2);
	assert_null(render_format_find("pprof"));
	assert_null(render_format_find(""));
}

static void every_kind_has_its_form(void **state)
{
	struct builder b;

	(void)state;
	builder_start(&b, "kinds");
	BUILDER_ADD(&b, 2, 20, {FRAME_PROCESS, "python3 (7)", NULL, 0, NULL},
		{FRAME_THREAD, "MainThread (7)", NULL, 0, NULL},
		{FRAME_PYTHON, "Shop.run", "/srv/shop.py", 12, NULL},
		{FRAME_NATIVE, "qsort", NULL, 0, "libc.so.6"},
		{FRAME_INLINED, "swap", "sort.c", 3, "libc.so.6"});
	BUILDER_ADD(&b, 3, 30, {FRAME_PROCESS, "python3 (7)", NULL, 0, NULL},
		{FRAME_THREAD, "MainThread (7)", NULL, 0, NULL},
		{FRAME_PYTHON, "Shop.run", "/srv/shop.py", 12, NULL},
		{FRAME_KERNEL, "vfs_read", NULL, 0, NULL});
	BUILDER_ADD(&b, 1, 10, {FRAME_PROCESS, "node (8)", NULL, 0, NULL},
		{FRAME_JIT, "LazyCompile:~go", NULL, 0, NULL});
	BUILDER_ADD(&b, 4, 40, {FRAME_PROCESS, "node (8)", NULL, 0, NULL},
		{FRAME_NATIVE, "[node+0x1f3]", NULL, 0, "node"});
	BUILDER_ADD(&b, 5, 50, {FRAME_PROCESS, "node (8)", NULL, 0, NULL},
		{FRAME_NOTE, "[truncated]", NULL, 0, NULL});
	BUILDER_ADD(&b, 8, 80, {FRAME_CONTAINER, "0123456789ab", NULL, 0, NULL},
		{FRAME_PROCESS, "web", NULL, 3, NULL}, {FRAME_THREAD, "main", NULL, 4711, NULL});
	BUILDER_ADD(&b, 6, 60, {FRAME_PYTHON, "no_line", "a.py", 0, NULL});
	BUILDER_ADD(&b, 7, 70, {FRAME_PYTHON, "no_file", NULL, 0, NULL});
	assert_collapsed(&b,
		"0123456789ab;web;main 8\n"
		"no_file 7\n"
		"no_line (a.py) 6\n"
		"node (8);LazyCompile:~go_[j] 1\n"
		"node (8);[node+0x1f3] 4\n"
		"node (8);[truncated] 5\n"
		"python3 (7);MainThread (7);Shop.run (/srv/shop.py:12);qsort;swap_[i] 2\n"
		"python3 (7);MainThread (7);Shop.run (/srv/shop.py:12);vfs_read_[k] 3\n");
}

static void stacks_that_read_the_same_are_one_line(void **state)
{
	struct builder b;

	(void)state;
	builder_start(&b, "same");
	/* other modules and lines, but the format shows neither */
	BUILDER_ADD(&b, 1, 0, {FRAME_NATIVE, "f", "f.c", 1, "a.so"},
		{FRAME_NATIVE, "g", NULL, 0, "a.so"});
	BUILDER_ADD(&b, 2, 0, {FRAME_NATIVE, "f", "f.c", 9, "b.so"},
		{FRAME_NATIVE, "g", NULL, 0, "a.so"});
	BUILDER_ADD(&b, 4, 0, {FRAME_NATIVE, "f", "f.c", 9, "b.so"});
	/* these differ in what is shown */
	BUILDER_ADD(&b, 8, 0, {FRAME_PYTHON, "f", "f.py", 1, NULL});
	BUILDER_ADD(&b, 16, 0, {FRAME_PYTHON, "f", "f.py", 2, NULL});
	assert_collapsed(&b, "f 4\nf;g 3\nf (f.py:1) 8\nf (f.py:2) 16\n");
}

static void what_would_break_a_line_is_replaced(void **state)
{
	struct builder b;

	(void)state;
	builder_start(&b, "hostile");
	BUILDER_ADD(&b, 1, 0, {FRAME_NATIVE, "a;b", NULL, 0, NULL});
	BUILDER_ADD(&b, 1, 0, {FRAME_PYTHON, "c\nd", "p;q\r.py", 3, NULL});
	BUILDER_ADD(&b, 1, 0, {FRAME_NATIVE, "e\x1b[31m\x7f\xc2\x85\xc2\x9b!", NULL, 0, NULL});
	BUILDER_ADD(&b, 1, 0, {FRAME_NATIVE, "g\xe2\x80\xa8h\xe2\x80\xa9i", NULL, 0, NULL});
	BUILDER_ADD(&b, 1, 0,
		{FRAME_NATIVE, "j\xff \xc3( \xed\xa0\x80 \xc0\xaf \xf5\x80 \xe2\x82", NULL, 0,
			NULL});
	BUILDER_ADD(&b, 1, 0,
		{FRAME_NATIVE, "k \xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x94\xa5", NULL, 0, NULL});
	BUILDER_ADD(&b, 1, 0, {FRAME_NATIVE, "", NULL, 0, NULL});
#define R "\xef\xbf\xbd"
	assert_collapsed(&b, "[unknown] 1\n"
			     "a:b 1\n"
			     "c?d (p:q?.py:3) 1\n"
			     "e?[31m??"
			     "?! 1\n"
			     "g?h?i 1\n"
			     "j" R " " R "( " R R R " " R R " " R R " " R R " 1\n"
			     "k \xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x94\xa5 1\n");
#undef R
}

static void samples_without_a_stack_are_not_dropped(void **state)
{
	struct builder b;

	(void)state;
	builder_start(&b, "bare");
	b.p->nodes[0].self_samples = 5;
	BUILDER_ADD(&b, 0, 0, {FRAME_NATIVE, "never_sampled", NULL, 0, NULL});
	assert_collapsed(&b, "[no stack] 5\n");
	builder_start(&b, "nothing");
	assert_collapsed(&b, "");
}

/* The same stacks, added in two orders. */
static struct profile *shuffled(bool backwards)
{
	struct builder b;
	char name[3][16];

	builder_start(&b, "shuffled");
	for (uint32_t k = 0; k < 3000; k++) {
		uint32_t i = backwards ? 2999 - k : k;

		snprintf(name[0], sizeof(name[0]), "a%u", i % 17);
		snprintf(name[1], sizeof(name[1]), "b%u", i % 131);
		snprintf(name[2], sizeof(name[2]), "c%u", i % 5);
		BUILDER_ADD(&b, 1 + i % 3, 10 * i, {FRAME_PYTHON, name[0], "x.py", i % 17, NULL},
			{FRAME_NATIVE, name[1], NULL, 0, name[2]},
			{FRAME_KERNEL, name[2], NULL, 0, NULL});
	}
	return builder_end(&b);
}

static void output_depends_on_the_profile_alone(void **state)
{
	struct profile *p = shuffled(false), *q = shuffled(true);

	(void)state;
	for (size_t i = 0; render_format_at(i); i++) {
		const char *format = render_format_at(i)->name;
		char *once = render(p, format), *twice = render(p, format),
		     *other = render(q, format);

		assert_string_equal(once, twice);
		assert_string_equal(once, other);
		free(once);
		free(twice);
		free(other);
	}
	profile_free(p);
	profile_free(q);
}

static void a_damaged_profile_is_refused(void **state)
{
	struct err err = {0};
	struct builder b;
	struct profile *p;
	struct buf out;

	(void)state;
	builder_start(&b, "damaged");
	BUILDER_ADD(
		&b, 1, 1, {FRAME_NATIVE, "a", NULL, 0, NULL}, {FRAME_NATIVE, "b", NULL, 0, NULL});
	p = builder_end(&b);
	buf_init(&out, 1 << 20);
	for (size_t i = 0; render_format_at(i); i++) {
		p->nodes[1].parent = 2;
		assert_int_equal(render_format_at(i)->render(p, &out, &err), -EINVAL);
		assert_non_null(strstr(err.text, "record again"));
		p->nodes[1].parent = 0;
		p->nodes[2].frame = 99;
		assert_int_equal(render_format_at(i)->render(p, &out, &err), -EINVAL);
		p->nodes[2].frame = 2;
		p->frames[1].name = 12345; /* a string that is none */
		assert_int_equal(render_format_at(i)->render(p, &out, &err), 0);
		p->frames[1].name = 0;
	}
	buf_free(&out);
	profile_free(p);
}

static void a_result_over_the_limit_says_so(void **state)
{
	struct profile *p = shuffled(false);

	(void)state;
	for (size_t i = 0; render_format_at(i); i++) {
		struct err err = {0};
		struct buf out;

		buf_init(&out, 2000);
		assert_int_equal(render_format_at(i)->render(p, &out, &err), -E2BIG);
		assert_non_null(strstr(err.text, "larger than the limit"));
		assert_true(out.len <= 2000);
		buf_free(&out);
	}
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_are_listed_with_the_default_first),
		cmocka_unit_test(every_kind_has_its_form),
		cmocka_unit_test(stacks_that_read_the_same_are_one_line),
		cmocka_unit_test(what_would_break_a_line_is_replaced),
		cmocka_unit_test(samples_without_a_stack_are_not_dropped),
		cmocka_unit_test(output_depends_on_the_profile_alone),
		cmocka_unit_test(a_damaged_profile_is_refused),
		cmocka_unit_test(a_result_over_the_limit_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
