/* SPDX-License-Identifier: BSD-2-Clause */
/* What people read: harmless names, the progress line, the summary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "cli/progress.h"
#include "cli/summary.h"
#include "cli/terminal.h"

#define GRIN "\xf0\x9f\x98\x80" /* U+1F600, two columns wide */

static void expect_text(const char *bytes, size_t columns, const char *text, size_t width)
{
	char got[256];
	size_t w = terminal_text(bytes, columns, got, sizeof(got));

	assert_string_equal(got, text);
	assert_int_equal(w, width);
}

static void test_text_in_utf8(void **state)
{
	(void)state;
	if (!setlocale(LC_CTYPE, "C.UTF-8")) {
		print_message("skipped: there is no locale C.UTF-8\n");
		skip();
	}
	expect_text("plain", 80, "plain", 5);
	expect_text("plain", 5, "plain", 5);
	expect_text("plain", 4, "pla\u2026", 4);
	expect_text("plain", 1, "\u2026", 1);
	expect_text("plain", 0, "", 0);
	expect_text("gr\u00fc\u00df", 80, "gr\u00fc\u00df", 4);
	expect_text(GRIN GRIN GRIN, 6, GRIN GRIN GRIN, 6);
	expect_text(GRIN GRIN GRIN, 5, GRIN GRIN "\u2026", 5);
	expect_text(GRIN GRIN GRIN, 4, GRIN "\u2026", 3); /* no half of a wide one */
	expect_text("e\u0301x", 2, "e\u0301x", 2);        /* combining */
}

static void test_text_is_harmless(void **state)
{
	(void)state;
	if (!setlocale(LC_CTYPE, "C.UTF-8")) {
		print_message("skipped: there is no locale C.UTF-8\n");
		skip();
	}
	expect_text("\033[31mred\033]0;title\a", 80, "?[31mred?]0;title?", 18);
	expect_text("a\rb\nc\td\x7f", 80, "a?b?c?d?", 8);
	expect_text("\xff\xfe\xc3", 80, "???", 3);
	expect_text("\xc2\x9b"
		    "31m",
		80, "?31m", 4);                    /* C1 control: CSI */
	expect_text("x\u202etxt", 80, "x?txt", 5); /* turns the direction of writing */
	expect_text("x\u200b\u2066y", 80, "x??y", 4);
}

static void test_text_without_utf8(void **state)
{
	(void)state;
	setlocale(LC_CTYPE, "C");
	expect_text("gr\xc3\xbc", 80, "gr??", 4);
	expect_text("plain", 4, "pla~", 4);
}

/* However small the room, it ends with a NUL inside of it. */
static void test_text_in_little_room(void **state)
{
	(void)state;
	setlocale(LC_CTYPE, "C.UTF-8");
	for (size_t bytes = 1; bytes < 64; bytes++) {
		char *room = malloc(bytes);

		terminal_text(GRIN "abc" GRIN "\033" GRIN "abcdefgh" GRIN GRIN GRIN GRIN, 80, room,
			bytes);
		assert_true(strlen(room) < bytes);
		free(room);
	}
}

static void test_numbers(void **state)
{
	char to[32];

	(void)state;
	assert_string_equal(terminal_count(0, to), "0");
	assert_string_equal(terminal_count(999, to), "999");
	assert_string_equal(terminal_count(1000, to), "1,000");
	assert_string_equal(terminal_count(1234567, to), "1,234,567");
	assert_string_equal(terminal_count(UINT64_MAX, to), "18,446,744,073,709,551,615");
	assert_string_equal(terminal_duration(0.04, to), "0.0 s");
	assert_string_equal(terminal_duration(59.94, to), "59.9 s");
	assert_string_equal(terminal_duration(100, to), "1:40 min");
	assert_string_equal(terminal_duration(3605, to), "1:00:05 h");
	assert_string_equal(terminal_bytes(999, to), "999 bytes");
	assert_string_equal(terminal_bytes(2048, to), "2.0 KiB");
	assert_string_equal(terminal_bytes(42 << 20, to), "42 MiB");
}

static void test_progress_line(void **state)
{
	struct progress p = {.bar = true, .duration_s = 60};
	char line[512];
	unsigned width;

	(void)state;
	width = progress_line(&p, 79, false, 15, 1485, 0, line, sizeof(line));
	assert_int_equal(width, strlen(line));
	assert_non_null(strstr(line, "15.0 s / 60.0 s"));
	assert_non_null(strstr(line, "1,485 samples, 0 lost"));
	assert_non_null(strstr(line, "======")); /* a quarter of it */
	assert_null(strstr(line, "======================"));
	width = progress_line(&p, 79, false, 60, 1, 0, line, sizeof(line));
	assert_null(strstr(line, "--"));
	progress_line(&p, 79, false, 1e9, 1, 0, line, sizeof(line)); /* past its end */
	assert_null(strstr(line, "--"));
	p.duration_s = 0;
	progress_line(&p, 79, false, 15, 1485, 7, line, sizeof(line));
	assert_string_equal(line, "  15.0 s  1,485 samples, 7 lost");
}

/* It never is wider than the terminal, or redrawing it would fill the screen. */
static void test_progress_line_is_never_too_wide(void **state)
{
	struct progress p = {.bar = true, .duration_s = 86400};
	char line[512];

	(void)state;
	for (unsigned columns = 1; columns < 300; columns++) {
		unsigned width = progress_line(
			&p, columns, false, 40000, UINT64_MAX, UINT64_MAX, line, sizeof(line));

		assert_int_equal(width, strlen(line));
		assert_true(width <= columns);
	}
}

/* ---- the summary -------------------------------------------------------------------------------
 */

static json_t *finished(int samples)
{
	return json_pack(
		"{s:s, s:f, s:{s:f, s:f}, s:i, s:i, s:i, s:{s:i}, s:{s:f, s:f, s:i}, s:[{s:s, s:s, "
		"s:i, s:n, s:s, s:f, s:f}, {s:s, s:n, s:n, s:s, s:s, s:f, s:f}], s:s, s:[s]}",
		"source", "ebpf", "duration_s", 60.04, "rate_hz", "requested", 99.0, "achieved",
		98.7, "samples", samples, "lost", 3, "truncated", 2, "failed", "native-no-rule", 4,
		"profiler", "cpu_s", 0.25, "kernel_cpu_s", 0.05, "rss_bytes", 42 << 20, "top",
		"function", "spin\033[2J", "file",
		"/srv/deep/down/in/some/long/path/of/a/package/that/does/not/fit/worker.py", "line",
		42, "module", "kind", "python", "self", 0.612, "total", 1.0, "function",
		"std::vector<std::basic_string<char>, std::allocator<std::basic_string<char> > >::push_back",
		"file", "line", "module", "libx.so", "kind", "native", "self", 0.1, "total", 0.1,
		"ended", "duration", "notes", "a note \033[0m");
}

static char *print(int samples, unsigned columns)
{
	json_t *f = finished(samples);
	struct summary s = {"out.svg", "flamegraph", 421888, "py\033thon3 (4711)", f};
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	assert_non_null(f);
	if (samples < 100) /* no note: the summary has to find its own words */
		json_array_clear(json_object_get(f, "notes"));
	summary_print(to, &s, columns);
	fclose(to);
	json_decref(f);
	return text;
}

static void test_summary(void **state)
{
	char *text;

	(void)state;
	setlocale(LC_CTYPE, "C.UTF-8");
	text = print(5931, 80);
	assert_non_null(strstr(text, "wrote out.svg (412 KiB)"));
	assert_non_null(
		strstr(text, "5,931 samples in 60.0 s, 98.7 Hz per running thread (99 asked for)"));
	assert_non_null(strstr(text, "lost 3, truncated 2, failed: native-no-rule 4"));
	assert_non_null(strstr(text, "0.25 s of CPU"));
	assert_non_null(strstr(text, " 61.2%  100.0%  spin?[2J ("));
	assert_non_null(strstr(text, "worker.py:42)"));
	assert_non_null(strstr(text, "a note ?[0m"));
	assert_null(strchr(text, '\033'));
	assert_null(strstr(text, "idle"));
	free(text);
}

static void test_summary_keeps_to_the_width(void **state)
{
	char *text;

	(void)state;
	setlocale(LC_CTYPE, "C");
	text = print(5931, 80);
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
		assert_in_range(end - line, 0, 80);
	free(text);
}

static void test_summary_of_an_idle_process(void **state)
{
	char *text;

	(void)state;
	text = print(0, 80);
	assert_non_null(strstr(text, "py?thon3 (4711) used no CPU time in 60.0 s"));
	assert_non_null(strstr(text, "--duration"));
	free(text);
	text = print(7, 80);
	assert_non_null(strstr(text, "nearly idle: 7 samples"));
	free(text);
}

static void test_summary_json(void **state)
{
	json_t *f = finished(10), *object;
	struct summary s = {"o\xffut.svg", "flamegraph", 5, "x", f};
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	(void)state;
	assert_int_equal(summary_print_json(to, &s), 0);
	fclose(to);
	assert_ptr_equal(strchr(text, '\n'), text + bytes - 1); /* one line */
	object = json_loads(text, 0, NULL);
	assert_non_null(object);
	assert_string_equal(
		json_string_value(json_object_get(object, "output")), "o\xef\xbf\xbdut.svg");
	assert_int_equal(json_integer_value(json_object_get(object, "samples")), 10);
	assert_true(json_number_value(json_object_get(
			    json_object_get(object, "rate_hz"), "achieved")) == 98.7);
	assert_int_equal(json_array_size(json_object_get(object, "top")), 2);
	json_decref(object);
	json_decref(f);
	free(text);
}

/* Whatever a daemon of another mind answers, it is printed without a crash. */
static void test_summary_of_nonsense(void **state)
{
	static const char *const bodies[] = {"{}", "{\"top\":5,\"failed\":[1],\"notes\":{}}",
		"{\"top\":[1,null,{}],\"notes\":[1,{}],\"failed\":{\"x\":\"y\"}}",
		"{\"samples\":-1,\"duration_s\":\"x\",\"rate_hz\":[],\"profiler\":null}",
		"{\"samples\":1e300,\"duration_s\":1e300,\"top\":[{\"self\":1e300,\"line\":-5}]}"};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		json_t *f = json_loads(bodies[i], 0, NULL);
		struct summary s = {"x", "flamegraph", 5, "x", f};
		char *text = NULL;
		size_t bytes;
		FILE *to = open_memstream(&text, &bytes);

		summary_print(to, &s, 80);
		assert_int_equal(summary_print_json(to, &s), 0);
		fclose(to);
		assert_true(bytes > 0);
		free(text);
		json_decref(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_in_utf8),
		cmocka_unit_test(test_text_is_harmless),
		cmocka_unit_test(test_text_without_utf8),
		cmocka_unit_test(test_text_in_little_room),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_progress_line),
		cmocka_unit_test(test_progress_line_is_never_too_wide),
		cmocka_unit_test(test_summary),
		cmocka_unit_test(test_summary_keeps_to_the_width),
		cmocka_unit_test(test_summary_of_an_idle_process),
		cmocka_unit_test(test_summary_json),
		cmocka_unit_test(test_summary_of_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
