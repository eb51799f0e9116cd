/* SPDX-License-Identifier: BSD-2-Clause */
/* What changed, as a table, JSON and CSV: what is told, that it fits, that no name breaks it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <math.h>

#include "analyze/analyze.h"
#include "render/render.h"
#include "render/table.h"
#include "tests/web/samples.h"

enum { ROWS = 4 };

/* Two sides and what an analysis may have found: made by hand, so that every number is known. */
struct sides {
	struct profile *before, *after;
	struct diff_row rows[ROWS];
	struct diff d;
};

static struct profile *side(const char *title, uint64_t start_s)
{
	struct builder b;
	struct profile *p;

	builder_start(&b, title);
	p = builder_end(&b);
	p->start_unix_ns = start_s * 1000000000ULL;
	p->quality.duration_ns = 60000000000ULL;
	p->quality.samples = 6000;
	return p;
}

static struct diff_share share(double before, double after, double half, bool significant)
{
	return (struct diff_share){.before = before,
		.after = after,
		.low = after - before - half,
		.high = after - before + half,
		.p = significant ? 0.001 : 0.5,
		.significant = significant};
}

static const struct diff_row known_rows[ROWS] = {
	{.name = "parse", .file = "/app/parse.py", .module = "", .line = 31, .kind = FRAME_PYTHON},
	{.name = "old_helper", .file = "", .module = "libold.so", .kind = FRAME_NATIVE},
	{.name = "compile", .file = "/app/sql.py", .module = "", .line = 9, .kind = FRAME_PYTHON},
	{.name = "Worker.run", .file = "/app/w.py", .module = "", .line = 12, .kind = FRAME_PYTHON},
};

static void sides_make(struct sides *s)
{
	*s = (struct sides){
		.before = side("web 1", 1000000000),
		.after = side("web 2", 1000086400),
		.d = {.n_rows = ROWS,
			.n_all = 20,
			.n_significant = 3,
			.n_tested = 30,
			.by = REPORT_FUNCTION,
			.sort = REPORT_TOTAL,
			.verdict = DIFF_CHANGED,
			.samples = {6000, 6000},
			.weight_ns = {60000000000, 60000000000},
			.duration_ns = {60000000000, 60000000000},
			.slices = {60, 1},
			.blocks = {20, 1},
			.detectable = 0.004,
			.detectable_largest = 0.021},
	};
	memcpy(s->rows, known_rows, sizeof(known_rows));
	s->rows[0].total = share(0.12, 0.1532, 0.011, true);
	s->rows[0].self = share(0.02, 0.021, 0.004, false);
	s->rows[1].total = share(0.03, 0, 0.004, true);
	s->rows[1].self = share(0.03, 0, 0.004, true);
	s->rows[2].total = share(0.2, 0.201, 0.02, false);
	s->rows[2].self = share(0.1, 0.05, 0.02, true);
	s->rows[3].total = share(0.4, 0.391, 0.0205, false);
	s->rows[3].self = (struct diff_share){.low = -1, .high = 1, .p = 1};
	for (size_t i = 0; i < ROWS; i++)
		for (int k = 0; k < 2; k++) {
			const struct diff_share *t = &s->rows[i].total, *f = &s->rows[i].self;

			s->rows[i].total_samples[k] =
				(uint64_t)lround(6000 * (k ? t->after : t->before));
			s->rows[i].self_samples[k] =
				(uint64_t)lround(6000 * (k ? f->after : f->before));
		}
	s->d.rows = s->rows;
}

static void sides_clear(struct sides *s)
{
	profile_free(s->before);
	profile_free(s->after);
}

static char *render_styled(const struct sides *s, const char *format, struct table_style style)
{
	struct err err = {0};
	struct buf out;

	buf_init(&out, 1 << 22);
	if (diff_format_find(format)->render(s->before, s->after, &s->d, &style, &out, &err) < 0)
		fail_msg("%s: %s", format, err.text);
	return out.data;
}

static char *render(const struct sides *s, const char *format)
{
	return render_styled(s, format, (struct table_style){0});
}

static void formats_are_listed_with_the_default_first(void **state)
{
	static const char *const extensions[] = {"txt", "json", "csv", "svg"};
	size_t n = 0;

	(void)state;
	assert_string_equal(diff_format_at(0)->name, "table");
	for (const struct diff_format *f; (f = diff_format_at(n)); n++) {
		assert_ptr_equal(diff_format_find(f->name), f);
		assert_string_equal(f->extension, extensions[n]);
		assert_true(*f->help);
	}
	assert_int_equal(n, 4);
	assert_null(diff_format_find("collapsed"));
}

/* ---- for people --------------------------------------------------------------------------------
 */

#define HEAD                                                                                       \
	"before: 2001-09-09 01:46:40 UTC \u00b7 60.00 s \u00b7 6,000 samples \u00b7 0 lost "       \
	"\u00b7 0 truncated \u00b7 failed: 0 \u00b7 60 windows\n"                                  \
	"after: 2001-09-10 01:46:40 UTC \u00b7 60.00 s \u00b7 6,000 samples \u00b7 0 lost "        \
	"\u00b7 0 truncated \u00b7 failed: 0 \u00b7 1 window\n\n"

static void a_table_of_changes(void **state)
{
	struct sides s;
	char *text;

	(void)state;
	sides_make(&s);
	text = render(&s, "table");
	assert_string_equal(text,
		"web 1 \u2192 web 2: functions by change of total share\n" HEAD
		"BEFORE  AFTER  CHANGE          FUNCTION    FILE:LINE         KIND\n"
		" 12.0%  15.3%   +3.32 \u00b11.10 *  parse       /app/parse.py:31  python\n"
		"  3.0%      -   -3.00 \u00b10.40 *  old_helper  libold.so         native\n"
		" 20.0%  20.1%   +0.10 \u00b12.00 s  compile     /app/sql.py:9     python\n"
		" 40.0%  39.1%   -0.90 \u00b12.05    Worker.run  /app/w.py:12      python\n"
		"\n4 of 20 functions; --limit 0 shows all\n"
		"CHANGE is in points of share, \u00b1 half its 95 % interval, for that function alone\n"
		"* changed; the others may be chance, with all of them taken into account; s: its self "
		"share changed\n"
		"four of five comparisons like this one would find a change by 0.40 points of share in a "
		"middling function, by 2.1 in the largest\n"
		"3 functions changed: 1 grew, 2 shrank\n");
	free(text);
	sides_clear(&s);
}

static void by_self_the_other_share_is_shown(void **state)
{
	struct sides s;
	char *text;

	(void)state;
	sides_make(&s);
	s.d.sort = REPORT_SELF;
	text = render(&s, "table");
	assert_non_null(strstr(text, ": functions by change of self share\n"));
	assert_non_null(strstr(text, "  2.0%   2.1%   +0.10 \u00b10.40 t  parse "));
	assert_non_null(strstr(text, " 10.0%   5.0%   -5.00 \u00b12.00 *  compile "));
	assert_non_null(strstr(text, "     -      -    0.00          Worker.run "));
	assert_non_null(strstr(text, "; t: its total share changed\n"));
	free(text);
	sides_clear(&s);
}

static void last_line(const struct sides *s, const char *expected)
{
	char *text = render(s, "table"), *last;

	text[strlen(text) - 1] = '\0';
	last = strrchr(text, '\n');
	assert_string_equal(last + 1, expected);
	free(text);
}

static void the_verdict_is_the_last_word(void **state)
{
	struct sides s;
	char *text;

	(void)state;
	sides_make(&s);
	s.d.n_significant = 1;
	s.d.n_rows = 1;
	last_line(&s, "1 function changed: 1 grew, 0 shrank");
	s.d.n_significant = 12345; /* some of them are beyond the limit */
	s.d.by = REPORT_MODULE;
	last_line(&s, "12,345 modules changed");
	s.d.verdict = DIFF_SAME;
	s.d.n_significant = 0;
	last_line(&s, "nothing changed that can be told from chance");
	text = render(&s, "table");
	assert_null(strstr(text, "* changed"));
	free(text);
	s.d.verdict = DIFF_NOT_ENOUGH;
	s.d.detectable = -1;
	s.d.n_rows = s.d.n_all = 0;
	snprintf(
		s.d.why, sizeof(s.d.why), "before has 3 windows with samples, and 5 are the least");
	last_line(&s, "not enough data: before has 3 windows with samples, and 5 are the least");
	text = render(&s, "table");
	assert_null(strstr(text, "BEFORE"));
	assert_null(strstr(text, "four of five"));
	free(text);
	sides_clear(&s);
}

static void colours_tell_what_grew(void **state)
{
	struct sides s;
	char *text;

	(void)state;
	sides_make(&s);
	text = render_styled(&s, "table", (struct table_style){.colours = true});
	assert_non_null(strstr(text, "\x1b[31m 12.0%  15.3%   +3.32 \u00b11.10 *  parse"));
	assert_non_null(strstr(text, "\x1b[34m  3.0%      -   -3.00"));
	assert_non_null(strstr(text, "\x1b[34m 20.0%  20.1%   +0.10 \u00b12.00 s  compile"));
	assert_non_null(strstr(text, "\x1b[2m 40.0%  39.1%   -0.90"));
	free(text);
	text = render(&s, "table");
	assert_null(strchr(text, '\x1b'));
	free(text);
	sides_clear(&s);
}

static void a_table_fits_every_terminal(void **state)
{
	struct sides s;

	(void)state;
	sides_make(&s);
	s.rows[1].name =
		"a_name_that_is_longer_than_most_terminals_and_goes_on_and_on_and_on_without_end";
	s.rows[3].file = "/srv/very/deep/tree/of/folders/that/nobody/wants/to/read/in/full/w.py";
	for (unsigned columns = 1; columns < 220; columns++) {
		char *text = render_styled(&s, "table", (struct table_style){.columns = columns}),
		     *save;
		unsigned most = columns < 24 ? 24 : columns;

		if (!strstr(text, "CHANGE"))
			fail_msg("%u columns: the change is what has to stay:\n%s", columns, text);
		for (char *line = strtok_r(text, "\n", &save); line;
			line = strtok_r(NULL, "\n", &save))
			if (cell_width(line, 1000) > most)
				fail_msg("%u columns: %s", columns, line);
		free(text);
	}
	sides_clear(&s);
}

/* ---- for programs ------------------------------------------------------------------------------
 */

static json_t *parse(const struct sides *s)
{
	char *text = render(s, "json");
	json_t *value;

	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	value = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(value);
	free(text);
	return value;
}

static double real(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_number(value))
		fail_msg("%s is no number", key);
	return json_number_value(value);
}

static const char *string(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	if (!value)
		fail_msg("%s is no text", key);
	return value;
}

static void json_has_everything(void **state)
{
	struct sides s;
	json_t *v;
	const json_t *row, *total;

	(void)state;
	sides_make(&s);
	v = parse(&s);
	assert_string_equal(string(v, "by"), "function");
	assert_string_equal(string(v, "sort"), "total");
	assert_string_equal(string(v, "verdict"), "changed");
	assert_true(json_is_null(json_object_get(v, "why")));
	assert_true(real(v, "level") == DIFF_LEVEL && real(v, "detectable") == 0.004);
	assert_true(real(v, "detectable_largest") == 0.021 && real(v, "significant") == 3);
	assert_true(real(v, "tested") == 30 && real(v, "rows_all") == 20);
	assert_string_equal(string(json_object_get(v, "before"), "title"), "web 1");
	assert_true(real(json_object_get(v, "after"), "start_unix_s") == 1000086400);
	assert_true(real(json_object_get(v, "after"), "windows") == 1);
	assert_true(real(json_object_get(v, "before"), "blocks") == 20);
	assert_true(real(json_object_get(v, "before"), "samples") == 6000);
	assert_true(real(json_object_get(v, "before"), "weight_s") == 60);
	assert_int_equal(json_array_size(json_object_get(v, "rows")), ROWS);
	row = json_array_get(json_object_get(v, "rows"), 0);
	assert_string_equal(string(row, "name"), "parse");
	assert_string_equal(string(row, "kind"), "python");
	assert_true(real(row, "line") == 31 && json_is_null(json_object_get(row, "module")));
	total = json_object_get(row, "total");
	assert_true(real(total, "before") == 0.12 && real(total, "after") == 0.1532);
	assert_true(fabs(real(total, "change") - 0.0332) < 1e-9);
	assert_true(fabs(real(total, "low") - 0.0222) < 1e-9 &&
		    fabs(real(total, "high") - 0.0442) < 1e-9);
	assert_true(
		real(total, "p") == 0.001 && json_is_true(json_object_get(total, "significant")));
	assert_true(real(total, "samples_before") == 720 && real(total, "samples_after") == 919);
	assert_true(json_is_false(json_object_get(json_object_get(row, "self"), "significant")));
	row = json_object_get(json_array_get(json_object_get(v, "rows"), 3), "self");
	assert_true(json_is_null(json_object_get(row, "low")) &&
		    json_is_null(json_object_get(row, "high")));
	json_decref(v);
	sides_clear(&s);
}

static void json_says_what_is_missing(void **state)
{
	struct sides s;
	json_t *v;

	(void)state;
	sides_make(&s);
	s.d.verdict = DIFF_NOT_ENOUGH;
	s.d.n_rows = 0;
	s.d.detectable = s.d.detectable_largest = -1;
	snprintf(s.d.why, sizeof(s.d.why), "no samples");
	v = parse(&s);
	assert_string_equal(string(v, "verdict"), "not enough data");
	assert_string_equal(string(v, "why"), "no samples");
	assert_true(json_is_null(json_object_get(v, "detectable")));
	assert_true(json_is_null(json_object_get(v, "detectable_largest")));
	assert_int_equal(json_array_size(json_object_get(v, "rows")), 0);
	json_decref(v);
	sides_clear(&s);
}

static void csv_has_a_line_a_row(void **state)
{
	struct sides s;
	char *text;

	(void)state;
	sides_make(&s);
	text = render(&s, "csv");
	assert_string_equal(text,
		"name,file,line,module,kind,self_before,self_after,self_change,self_low,self_high,"
		"self_p,self_significant,self_samples_before,self_samples_after,total_before,"
		"total_after,total_change,total_low,total_high,total_p,total_significant,"
		"total_samples_before,total_samples_after\r\n"
		"\"parse\",\"/app/parse.py\",31,\"\",\"python\",0.020000000,0.021000000,0.001000000,"
		"-0.003000000,0.005000000,0.500000000,0,120,126,0.120000000,0.153200000,0.033200000,"
		"0.022200000,0.044200000,0.001000000,1,720,919\r\n"
		"\"old_helper\",\"\",,\"libold.so\",\"native\",0.030000000,0.000000000,-0.030000000,"
		"-0.034000000,-0.026000000,0.001000000,1,180,0,0.030000000,0.000000000,-0.030000000,"
		"-0.034000000,-0.026000000,0.001000000,1,180,0\r\n"
		"\"compile\",\"/app/sql.py\",9,\"\",\"python\",0.100000000,0.050000000,-0.050000000,"
		"-0.070000000,-0.030000000,0.001000000,1,600,300,0.200000000,0.201000000,0.001000000,"
		"-0.019000000,0.021000000,0.500000000,0,1200,1206\r\n"
		"\"Worker.run\",\"/app/w.py\",12,\"\",\"python\",0.000000000,0.000000000,0.000000000,,,"
		"1.000000000,0,0,0,0.400000000,0.391000000,-0.009000000,-0.029500000,0.011500000,"
		"0.500000000,0,2400,2346\r\n");
	free(text);
	sides_clear(&s);
}

/* ---- hostile -----------------------------------------------------------------------------------
 */

static void no_name_reaches_a_terminal(void **state)
{
	static const char hostile[] = "=cmd\x1b[31m\x07\r\n\"x\" \xff\xfe \xe2\x80\xae <b>";
	static const char *const formats[] = {"table", "json", "csv"};
	struct sides s;

	(void)state;
	sides_make(&s);
	free(s.before->title);
	s.before->title = strdup(hostile);
	for (size_t i = 0; i < ROWS; i++)
		s.rows[i].name = s.rows[i].file = s.rows[i].module = hostile;
	for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
		char *text = render_styled(&s, formats[f], (struct table_style){.columns = 120});

		for (const char *c = text; *c; c++)
			if (((unsigned char)*c < 0x20 && !strchr("\r\n", *c)) || *c == 0x7f)
				fail_msg("%s: a control character", formats[f]);
		if (f == 0)
			assert_null(strchr(text, '\r'));
		if (f == 2)
			assert_null(strstr(text, "\"=cmd"));
		free(text);
	}
	json_decref(parse(&s));
	sides_clear(&s);
}

static void a_result_over_the_limit_says_so(void **state)
{
	struct sides s;

	(void)state;
	sides_make(&s);
	for (size_t i = 0; diff_format_at(i); i++) {
		const struct table_style style = {0};
		struct err err = {0};
		struct buf out;

		buf_init(&out, 100);
		assert_int_equal(
			diff_format_at(i)->render(s.before, s.after, &s.d, &style, &out, &err),
			-E2BIG);
		assert_non_null(strstr(err.text, "larger than the limit"));
		buf_free(&out);
	}
	sides_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_are_listed_with_the_default_first),
		cmocka_unit_test(a_table_of_changes),
		cmocka_unit_test(by_self_the_other_share_is_shown),
		cmocka_unit_test(the_verdict_is_the_last_word),
		cmocka_unit_test(colours_tell_what_grew),
		cmocka_unit_test(a_table_fits_every_terminal),
		cmocka_unit_test(json_has_everything),
		cmocka_unit_test(json_says_what_is_missing),
		cmocka_unit_test(csv_has_a_line_a_row),
		cmocka_unit_test(no_name_reaches_a_terminal),
		cmocka_unit_test(a_result_over_the_limit_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
