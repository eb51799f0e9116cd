/* SPDX-License-Identifier: BSD-2-Clause */
/* The flamegraph as a file: that it is XML whatever the names are, and what it says in words. What
 * it does in a browser is tested by tests/web. */
#include "svg_reader.h"
#include "tests/web/samples.h"

static void hostile_names_stay_text(void **state)
{
	static const char *const names[] = {"<script>alert(1)</script>",
		"]]><script>alert(1)</script>", "</metadata></svg><script>alert(1)</script>",
		"a\" onload=\"alert(1)", "' onload='alert(1)", "&lt;&amp;&#60;", "<!-- -- -->",
		"c\x01\x08\x0b\x1f\x7f\n\t\r", "\xc2\x80\xc2\x9f", "bad \xff\xc3( \xed\xa0\x80",
		"\xef\xbf\xbe\xef\xbf\xbf", "sep\xe2\x80\xa8\xe2\x80\xa9", "desrever \xe2\x80\xae",
		"\\u003cscript\\u003e\\", ""};
	struct builder b;
	struct profile *p;
	char *svg;

	(void)state;
	builder_start(&b, "</title><script>alert(1)</script>]]>");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		BUILDER_ADD(&b, 10, 10, {FRAME_PYTHON, names[i], names[i], 1, names[i]},
			{FRAME_NOTE, names[i], NULL, 0, NULL});
	p = builder_end(&b);
	svg = render_svg(p);
	check_xml(svg);
	assert_int_equal(occurrences(svg, "<script"), 1);
	assert_int_equal(occurrences(svg, "</script"), 1);
	assert_int_equal(occurrences(svg, "]]>"), 1);
	assert_int_equal(occurrences(svg, "<metadata"), 4);
	assert_int_equal(occurrences(svg, "<!--"), 0);
	assert_int_equal(occurrences(svg, "\" onload"), 0);
	assert_int_equal(occurrences(svg, "\xed\xa0\x80") + occurrences(svg, "\xff") +
				 occurrences(svg, "\xef\xbf\xbe"),
		0);
	assert_int_equal(occurrences(svg, "\xe2\x80\xae") + occurrences(svg, "\x7f") +
				 occurrences(svg, "\xc2\x80"),
		0);
	assert_true(occurrences(svg, "&lt;script&gt;alert(1)&lt;/script&gt;") > 0);
	assert_true(occurrences(svg, "\\u005cu003cscript\\u005cu003e\\u005c") > 0);
	free(svg);
	profile_free(p);
}

static void lines_tell_twins_apart(void **state)
{
	struct builder b;
	struct profile *p;
	char *svg;

	(void)state;
	builder_start(&b, "twins");
	BUILDER_ADD(&b, 1, 1, {FRAME_PYTHON, "f", "f.py", 3, NULL});
	BUILDER_ADD(&b, 1, 1, {FRAME_PYTHON, "f", "f.py", 8, NULL});
	BUILDER_ADD(&b, 1, 1, {FRAME_PYTHON, "g", "f.py", 9, NULL});
	p = builder_end(&b);
	svg = render_svg(p);
	assert_non_null(strstr(svg, ">f:3</text>"));
	assert_non_null(strstr(svg, ">f:8</text>"));
	assert_non_null(strstr(svg, ">g</text>"));
	assert_non_null(strstr(svg, "<title>f (f.py:8): "));
	free(svg);
	profile_free(p);
}

/* Containers, processes and threads share a colour and an entry of the legend. */
static void roots_are_one_in_the_legend(void **state)
{
	const struct spec process = {FRAME_PROCESS, "web", NULL, 0, NULL};
	const struct spec python = {FRAME_PYTHON, "f", "f.py", 3, NULL};
	struct builder b;
	struct profile *p;
	char *svg;

	(void)state;
	builder_start(&b, "no containers");
	BUILDER_ADD(&b, 3, 3, process, python);
	BUILDER_ADD(&b, 1, 1, process);
	p = builder_end(&b);
	svg = render_svg(p);
	assert_non_null(strstr(svg, ">process, thread 25.0 %</text>"));
	free(svg);
	profile_free(p);
	builder_start(&b, "containers");
	BUILDER_ADD(&b, 2, 2, {FRAME_CONTAINER, "(host)", NULL, 0, NULL}, process, python);
	BUILDER_ADD(&b, 1, 1, {FRAME_CONTAINER, "(host)", NULL, 0, NULL}, process);
	BUILDER_ADD(&b, 1, 1, {FRAME_CONTAINER, "(host)", NULL, 0, NULL});
	p = builder_end(&b);
	svg = render_svg(p);
	assert_non_null(strstr(svg, ">container, process, thread 50.0 %</text>"));
	assert_int_equal(occurrences(svg, ">process, thread"), 0);
	assert_non_null(strstr(svg, "[\"container\",\"t\"]"));
	free(svg);
	profile_free(p);
}

/* The `line` of a root is a number of its own: it is not shown, and does not tell two apart. */
static void numbers_of_roots_are_no_lines(void **state)
{
	static struct sums read;
	struct builder b;
	struct profile *p;
	char *svg;

	(void)state;
	builder_start(&b, "numbers");
	for (uint32_t i = 0; i < 2; i++) {
		BUILDER_ADD(&b, 1, 1, {FRAME_PROCESS, "web", NULL, 6000 + i, NULL},
			{FRAME_THREAD, "main", NULL, 7000 + i, NULL});
		BUILDER_ADD(&b, 1, 1, {FRAME_PROCESS, "web", NULL, 6000 + i, NULL},
			{FRAME_PYTHON, "main", "f.py", 8000, NULL});
	}
	p = builder_end(&b);
	svg = render_svg(p);
	sum_data(svg, &read);
	assert_int_equal(read.nodes, 4); /* all, web, main and main */
	assert_non_null(strstr(svg, ">web</text>"));
	assert_non_null(strstr(svg, ">main:8000</text>"));
	assert_int_equal(occurrences(svg, ":600") + occurrences(svg, ":700"), 0);
	free(svg);
	profile_free(p);
}

static void an_empty_profile_says_so(void **state)
{
	struct builder b;
	struct profile *p;
	char *svg;

	(void)state;
	builder_start(&b, "idle");
	p = builder_end(&b);
	svg = render_svg(p);
	check_xml(svg);
	assert_non_null(strstr(svg, ">No samples</text>"));
	free(svg);
	p->n_frames = 0; /* not even a frame for the root */
	svg = render_svg(p);
	check_xml(svg);
	free(svg);
	profile_free(p);
}

static void quality_is_told(void **state)
{
	struct builder b;
	struct profile *p;
	char *svg;

	(void)state;
	builder_start(&b, "quality");
	BUILDER_ADD(&b, 12345, 1, {FRAME_NATIVE, "f", NULL, 0, NULL});
	b.p->start_unix_ns = 1000000000ULL * 1000000000ULL;
	b.p->quality.duration_ns = 60000000000ULL;
	b.p->quality.requested_hz = 99;
	b.p->quality.achieved_hz = 98.7;
	b.p->quality.lost = 5;
	b.p->quality.truncated = 4;
	b.p->quality.native_end[WALK_NO_RULE] = 3;
	b.p->quality.unmerged = 2;
	b.p->quality.unsymbolized_frames = 1;
	b.p->quality.frames_seen = 4;
	b.p->quality.profiler_cpu_ns = 500000000;
	b.p->quality.profiler_kernel_ns = 100000000;
	p = builder_end(&b);
	svg = render_svg(p);
	assert_non_null(strstr(svg, "2001-09-09 01:46:40 UTC"));
	assert_non_null(strstr(svg, "60.00 s recorded by ebpf"));
	assert_non_null(strstr(svg, "12,345 samples"));
	assert_non_null(strstr(svg, "98.7 of 99 Hz per running thread"));
	assert_non_null(strstr(svg, "5 lost (0.04 %)"));
	assert_non_null(strstr(svg, "4 truncated (0.03 %)"));
	assert_non_null(strstr(svg, "failed: native-no-rule 3, python-unmerged 2"));
	assert_non_null(strstr(svg, "25.0 % of frames without a symbol"));
	assert_non_null(strstr(svg, "profd itself: 1.0 % of a CPU"));
	free(svg);
	profile_free(p);
}

/* The file needs nothing from anywhere, and its script makes no markup out of text. */
static void the_file_is_self_contained(void **state)
{
	struct builder b;
	struct profile *p;
	char *svg;

	(void)state;
	builder_start(&b, "alone");
	BUILDER_ADD(&b, 1, 1, {FRAME_NATIVE, "f", NULL, 0, NULL});
	p = builder_end(&b);
	svg = render_svg(p);
	assert_int_equal(occurrences(svg, "://"), occurrences(svg, "://www.w3.org/"));
	assert_int_equal(occurrences(svg, "url("), occurrences(svg, "url(#profd-"));
	assert_int_equal(
		occurrences(svg, "href") + occurrences(svg, "@import") + occurrences(svg, " src="),
		0);
	assert_int_equal(occurrences(svg, "innerHTML") + occurrences(svg, "outerHTML") +
				 occurrences(svg, "eval("),
		0);
	assert_int_equal(
		occurrences(svg, "document.write") + occurrences(svg, "insertAdjacent"), 0);
	assert_int_equal(occurrences(svg, "new Function"), 0);
	free(svg);
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_names_stay_text),
		cmocka_unit_test(lines_tell_twins_apart),
		cmocka_unit_test(roots_are_one_in_the_legend),
		cmocka_unit_test(numbers_of_roots_are_no_lines),
		cmocka_unit_test(an_empty_profile_says_so),
		cmocka_unit_test(quality_is_told),
		cmocka_unit_test(the_file_is_self_contained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
