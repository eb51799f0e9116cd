/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports as tables, JSON and CSV: what they look like, that they fit, that no name breaks them. */
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
#include "render/text.h"
#include "render/width.h"
#include "tests/web/samples.h"

enum { PERIOD_NS = 10000000, SLICES = 6 };

static char *render_styled(const struct profile *p, const struct report *r, const char *format,
	struct table_style style)
{
	struct err err = {0};
	struct buf out;

	buf_init(&out, 1 << 26);
	if (table_format_find(format)->render(p, r, &style, &out, &err) < 0)
		fail_msg("%s: %s", format, err.text);
	return out.data;
}

static char *render(const struct profile *p, enum report_by by, size_t limit, const char *format,
	unsigned columns)
{
	struct report r;
	char *text;

	assert_int_equal(analyze_report(p, by, REPORT_SELF, limit, &r), 0);
	text = render_styled(p, &r, format, (struct table_style){.columns = columns});
	report_clear(&r);
	return text;
}

/* Every leaf gets the same number of samples in each slice, so that errors are those of chance. */
static void spread_evenly(struct profile *p)
{
	p->slices = calloc(SLICES, sizeof(*p->slices));
	p->counts = calloc((size_t)SLICES * p->n_nodes, sizeof(*p->counts));
	assert_true(p->slices && p->counts);
	for (; p->n_slices < SLICES; p->n_slices++) {
		struct profile_slice *slice = &p->slices[p->n_slices];

		slice->first = p->n_counts;
		for (uint32_t i = 0; i < p->n_nodes; i++)
			p->counts[p->n_counts++] = (struct profile_count){
				i, (uint32_t)(p->nodes[i].self_samples / SLICES)};
		slice->n = p->n_counts - slice->first;
	}
}

static struct profile *sample(void)
{
	const struct spec process = {FRAME_PROCESS, "python3 (4711)", NULL, 0, NULL};
	const struct spec run = {FRAME_PYTHON, "Worker.run", "/srv/app/worker.py", 31, NULL};
	const struct spec copy = {FRAME_NATIVE, "memcpy", NULL, 0, "libc.so.6"};
	const struct spec read = {FRAME_KERNEL, "vfs_read", NULL, 0, NULL};
	struct builder b;
	struct profile *p;

	builder_start(&b, "python3 (4711)");
	BUILDER_ADD(&b, 3600, 3600ULL * PERIOD_NS, process, run);
	BUILDER_ADD(&b, 1800, 1800ULL * PERIOD_NS, process, run, copy);
	BUILDER_ADD(&b, 594, 594ULL * PERIOD_NS, process, run, read);
	BUILDER_ADD(&b, 6, 6ULL * PERIOD_NS, process, {FRAME_NOTE, "[truncated]", NULL, 0, NULL});
	p = builder_end(&b);
	spread_evenly(p);
	p->start_unix_ns = 1000000000ULL * 1000000000ULL;
	p->quality.duration_ns = 60000000000ULL;
	p->quality.lost = 5;
	p->quality.native_end[WALK_NO_RULE] = 3;
	return p;
}

/* ---- for people --------------------------------------------------------------------------------
 */

static void formats_are_listed_with_the_default_first(void **state)
{
	size_t n = 0;

	(void)state;
	assert_string_equal(table_format_at(0)->name, "table");
	for (const struct table_format *f; (f = table_format_at(n)); n++) {
		assert_ptr_equal(table_format_find(f->name), f);
		assert_true(*f->help && *f->extension);
	}
	assert_int_equal(n, 3);
	assert_null(table_format_find("xml"));
}

#define HEAD                                                                                       \
	"2001-09-09 01:46:40 UTC \u00b7 60.00 s \u00b7 6,000 samples \u00b7 5 lost (0.08 %) "      \
	"\u00b7 0 truncated \u00b7 failed: native-no-rule 3\n\n"
#define FOOT "\u00b1 is half the 95 % interval, as the shares vary over time\n"

static void a_table_of_functions(void **state)
{
	struct profile *p = sample();
	char *text = render(p, REPORT_FUNCTION, 3, "table", 0);

	(void)state;
	assert_string_equal(text,
		"python3 (4711): functions, most self time first\n" HEAD
		" SELF       TOTAL       SAMPLES  FUNCTION    FILE:LINE              KIND\n"
		"60.0% \u00b11.3  99.9% \u00b10.2    3,600  Worker.run  /srv/app/worker.py:31  python\n"
		"30.0% \u00b11.2  30.0% \u00b11.2    1,800  memcpy      libc.so.6              native\n"
		" 9.9% \u00b10.8   9.9% \u00b10.8      594  vfs_read                           kernel\n"
		"\n3 of 4 functions; --limit 0 shows all\n" FOOT);
	free(text);
	profile_free(p);
}

/* Self and total are one for them, and they have no place. */
static void a_table_of_processes(void **state)
{
	struct profile *p = sample();
	char *text = render(p, REPORT_PROCESS, 0, "table", 0);

	(void)state;
	assert_string_equal(text,
		"python3 (4711): processes, busiest first\n" HEAD " SHARE       SAMPLES  PROCESS\n"
		"100.0% \u00b10.1    6,000  python3 (4711)\n\n" FOOT);
	free(text);
	text = render(p, REPORT_CONTAINER, 0, "table", 0);
	assert_non_null(strstr(text, "\nno containers are known in these samples\n"));
	free(text);
	profile_free(p);
}

/* What does not fit is left out or cut, what matters least first. */
static void a_narrow_table(void **state)
{
	struct profile *p = sample();
	char *text = render(p, REPORT_FUNCTION, 0, "table", 64);

	(void)state;
	assert_string_equal(text,
		"python3 (4711): functions, most self time first\n"
		"2001-09-09 01:46:40 UTC \u00b7 60.00 s \u00b7 6,000 samples\n"
		"5 lost (0.08 %) \u00b7 0 truncated \u00b7 failed: native-no-rule 3\n"
		"\n"
		" SELF       TOTAL       SAMPLES  FUNCTION     FILE:LINE\n"
		"60.0% \u00b11.3  99.9% \u00b10.2    3,600  Worker.run   \u2026/app/worker.py:31\n"
		"30.0% \u00b11.2  30.0% \u00b11.2    1,800  memcpy       libc.so.6\n"
		" 9.9% \u00b10.8   9.9% \u00b10.8      594  vfs_read\n"
		" 0.1% \u00b10.2   0.1% \u00b10.2        6  [truncated]\n\n" FOOT);
	free(text);
	text = render(p, REPORT_FUNCTION, 1, "table", 26);
	assert_non_null(strstr(text, "\n SELF       FUNCTION\n60.0% \u00b11.3  Worker.run\n"));
	assert_non_null(strstr(text, "\nfailed: native-no-rule 3\n"));
	free(text);
	profile_free(p);
}

static void errors_that_are_not_known_are_not_shown(void **state)
{
	struct profile *p = sample();
	char *text;

	(void)state;
	p->n_slices = REPORT_SLICES_MIN - 1;
	text = render(p, REPORT_FUNCTION, 0, "table", 0);
	assert_non_null(strstr(text, "\n SELF  TOTAL  SAMPLES  FUNCTION "));
	assert_non_null(strstr(text, "\n60.0%  99.9%    3,600  Worker.run "));
	assert_non_null(strstr(text, "\nno error bars: samples in fewer than 5 spans of time\n"));
	assert_null(strstr(text, "\u00b1"));
	free(text);
	profile_free(p);
}

/* Where the largest share is small, one digit would make all of them look alike; and nothing that
 * is there is shown as nothing. */
static void small_shares_have_more_digits(void **state)
{
	char name[16], *text;
	struct builder b;
	struct profile *p;

	(void)state;
	builder_start(&b, "flat");
	for (unsigned i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "f%02u", i);
		BUILDER_ADD(&b, 1000 + 10 * i, (1000 + 10ULL * i) * PERIOD_NS,
			{FRAME_NATIVE, "main", NULL, 0, "x"}, {FRAME_NATIVE, name, NULL, 0, "x"});
	}
	BUILDER_ADD(&b, 1, PERIOD_NS, {FRAME_NATIVE, "main", NULL, 0, "x"},
		{FRAME_NATIVE, "rare", NULL, 0, "x"});
	p = builder_end(&b);
	text = render(p, REPORT_FUNCTION, 0, "table", 0);
	assert_non_null(strstr(text, "\n 2.91%    2.9%    1,390  f39 "));
	assert_non_null(strstr(text, "\n<0.01%   <0.1%        1  rare "));
	assert_non_null(strstr(text, "\n 0.00%  100.0%        0  main "));
	free(text);
	profile_free(p);
}

static void no_samples_are_said_so(void **state)
{
	struct builder b;
	struct profile *p;

	(void)state;
	builder_start(&b, "");
	p = builder_end(&b);
	for (unsigned by = 0; by < REPORT_BYS; by++) {
		char *text = render(p, (enum report_by)by, 0, "table", 80);

		assert_non_null(strstr(text, "\n\nno samples: nothing ran"));
		assert_null(strstr(text, "SELF"));
		free(text);
	}
	profile_free(p);
}

/* ---- widths and hostile names ------------------------------------------------------------------
 */

static void widths_of_characters(void **state)
{
	static const struct {
		uint32_t c;
		int width;
	} known[] = {{'a', 1}, {0xe9, 1}, {0x2026, 1}, {0xfffd, 1}, {0x416, 1}, {0xa0, 1},
		{0x6f22, 2}, {0xac00, 2}, {0x3042, 2}, {0xff21, 2}, {0x1f525, 2}, {0x1100, 2},
		{0x20000, 2}, {0x301, 0}, {0x20dd, 0}, {0xfe0f, 0}, {0x1161, 0}, {0x5b0, 0},
		{0xe0100, 0}, {0, -1}, {'\n', -1}, {0x1b, -1}, {0x7f, -1}, {0x9b, -1}, {0xad, -1},
		{0x200b, -1}, {0x200d, -1}, {0x200f, -1}, {0x202e, -1}, {0x2028, -1}, {0x2066, -1},
		{0xfeff, -1}, {0xe0041, -1}, {0xffff, -1}, {0x10fffe, -1}, {0xd800, -1}};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (character_width(known[i].c) != known[i].width)
			fail_msg("U+%04X is %d wide, not %d", known[i].c,
				character_width(known[i].c), known[i].width);
}

static void check_cell(const char *s, bool at_end, unsigned columns, const char *expected)
{
	unsigned used;
	struct buf b;

	buf_init(&b, 4096);
	used = at_end ? cell_put_end(&b, s, columns) : cell_put(&b, s, columns);
	assert_string_equal(b.data ? b.data : "", expected);
	assert_int_equal(used, cell_width(expected, 4096));
	buf_free(&b);
}

static void cells_are_cut(void **state)
{
	(void)state;
	check_cell("abcdef", false, 6, "abcdef");
	check_cell("abcdef", false, 5, "abcd\u2026");
	check_cell("abcdef", false, 1, "\u2026");
	check_cell("abcdef", false, 0, "");
	check_cell("", false, 3, "");
	check_cell("\u6f22\u6f22\u6f22", false, 6, "\u6f22\u6f22\u6f22");
	check_cell("\u6f22\u6f22\u6f22", false, 5, "\u6f22\u6f22\u2026");
	check_cell("\u6f22\u6f22\u6f22", false, 4, "\u6f22\u2026");
	check_cell("e\u0301e\u0301e\u0301", false, 2, "e\u0301\u2026");
	check_cell("/usr/lib/app.py:3", true, 17, "/usr/lib/app.py:3");
	check_cell("/usr/lib/app.py:3", true, 16, "\u2026/lib/app.py:3");
	check_cell("/usr/lib/app.py:3", true, 11, "\u2026/app.py:3");
	check_cell("/usr/lib/app.py:3", true, 6, "\u2026.py:3");
	check_cell("/usr/lib/app.py:3", true, 0, "");
	check_cell("\u6f22\u6f22\u6f22", true, 4, "\u2026\u6f22");
	check_cell("abe\u0301f", true, 2, "\u2026f");
	/* Controls, direction, what is not UTF-8, and marks without end or a letter. */
	check_cell("a\x1b[2Jb\nc\xc2\x9b", false, 20, "a\ufffd[2Jb\ufffdc\ufffd");
	check_cell("a\xe2\x80\xae"
		   "b\xff\xc0\xaf",
		false, 20, "a\ufffdb\ufffd\ufffd\ufffd");
	check_cell("\u0301a", false, 20, "\ufffda");
	check_cell("a\u0301\u0301\u0301\u0301\u0301\u0301", false, 20,
		"a\u0301\u0301\u0301\u0301\ufffd\u0301");
}

/* Columns a line takes, each character looked up by itself; fails on what must not be there. */
static unsigned line_width(const char *s, const char *end)
{
	unsigned width = 0;

	while (s < end) {
		const char *start = s;
		uint32_t c = text_next(&s);
		int columns = character_width(c);

		if (columns < 0 || (c == TEXT_REPLACED && strncmp(start, "\xef\xbf\xbd", 3) != 0))
			fail_msg("an unsafe character at: %.40s", start);
		width += (unsigned)columns;
	}
	return width;
}

static const char *const hostile[] = {"a\x1b[31mred\x1b[0m", "two\nlines\r\n", "tab\tbed",
	"\xe2\x80\xae"
	"desrever",
	"\xff\xfe\xc3(", "\u6f22\u5b57\u6f22\u5b57\u6f22\u5b57\u6f22\u5b57",
	"e\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301", "\U0001f525\U0001f525\U0001f525",
	"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "quote\"d,\"comma\"", "",
	" x", "\\u0041\\", "</script>", "\x80\x80\x80\x80", "\xf0\x9f\x94", "\xed\xa0\x80",
	"\x01\x02\x7f", "\xef\xbf\xbf", "\u2028\u2029",
	"a very long name without any end to it "
	"that goes on and on, as those of templates do, until no terminal is wide enough for it"};

enum { HOSTILE = sizeof(hostile) / sizeof(hostile[0]) };

static struct profile *hostile_profile(void)
{
	struct builder b;
	struct profile *p;

	builder_start(&b, "\x1b]0;title\x07\xe2\x80\xae\xff");
	for (unsigned i = 0; i < HOSTILE; i++)
		BUILDER_ADD(&b, 12 * (1 + i), 12 * (1 + i) * PERIOD_NS,
			{FRAME_PROCESS, hostile[i], NULL, i, NULL},
			{i % 2 ? FRAME_PYTHON : FRAME_NATIVE, hostile[i],
				i % 3 ? hostile[(i + 5) % HOSTILE] : NULL, i % 2,
				hostile[(i + 7) % HOSTILE]});
	p = builder_end(&b);
	spread_evenly(p);
	return p;
}

static void every_line_fits(void **state)
{
	struct profile *p = hostile_profile();

	(void)state;
	for (unsigned columns = 0; columns < 220; columns++) {
		unsigned by = columns % REPORT_BYS, most = columns < 24 ? 24 : columns, lines = 0;
		char *text = render(p, (enum report_by)by, 0, "table", columns);

		for (const char *s = text, *end; *s; s = end + 1, lines++) {
			end = strchr(s, '\n');
			assert_non_null(end);
			assert_true(end == s || end[-1] != ' ');
			assert_true(line_width(s, end) <= most || !columns);
		}
		assert_true(by == REPORT_THREAD || by == REPORT_CONTAINER || lines > HOSTILE);
		free(text);
	}
	profile_free(p);
}

/* Colours are all that a style adds, and they end on the line where they began. */
static void colours_can_be_taken_away(void **state)
{
	struct profile *p = hostile_profile();
	char *plain, *coloured, *to;
	struct report r;
	unsigned colours = 0, open = 0;

	(void)state;
	assert_int_equal(analyze_report(p, REPORT_FUNCTION, REPORT_TOTAL, 9, &r), 0);
	plain = render_styled(p, &r, "table", (struct table_style){.columns = 90});
	coloured = to =
		render_styled(p, &r, "table", (struct table_style){.columns = 90, .colours = true});
	for (const char *s = coloured; *s; s++) {
		if (*s != '\x1b') {
			assert_false(*s == '\n' && open);
			*to++ = *s;
			continue;
		}
		open = strncmp(s, "\x1b[0m", 4) != 0;
		colours++;
		s = strchr(s, 'm');
	}
	*to = '\0';
	assert_string_equal(coloured, plain);
	assert_true(colours > 40);
	free(plain);
	free(coloured);
	report_clear(&r);
	profile_free(p);
}

/* ---- for programs ------------------------------------------------------------------------------
 */

static json_t *render_json(const struct profile *p, enum report_by by, size_t limit)
{
	char *text = render(p, by, limit, "json", 0);
	json_error_t error;
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!json)
		fail_msg("%s", error.text);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	free(text);
	return json;
}

static void json_has_all_numbers(void **state)
{
	struct profile *p = sample();
	json_t *json = render_json(p, REPORT_FUNCTION, 3), *rows, *row;
	const char *by, *sort, *name, *file, *kind;
	int samples, all, line, self_samples, total_samples;
	double weight_s, self, total, self_error, total_error, self_s, total_s;

	(void)state;
	assert_int_equal(json_unpack_ex(json, NULL, JSON_STRICT, "{s:s,s:s,s:i,s:F,s:i,s:o}", "by",
				 &by, "sort", &sort, "samples", &samples, "weight_s", &weight_s,
				 "rows_all", &all, "rows", &rows),
		0);
	assert_string_equal(by, "function");
	assert_string_equal(sort, "self");
	assert_true(samples == 6000 && weight_s == 60 && all == 4);
	assert_int_equal(json_array_size(rows), 3);
	row = json_array_get(rows, 0);
	assert_int_equal(json_object_size(row), 13);
	assert_int_equal(json_unpack(row, "{s:s,s:s,s:i,s:s,s:F,s:F,s:F,s:F,s:i,s:i,s:F,s:F,s:n}",
				 "name", &name, "file", &file, "line", &line, "kind", &kind, "self",
				 &self, "total", &total, "self_error", &self_error, "total_error",
				 &total_error, "self_samples", &self_samples, "total_samples",
				 &total_samples, "self_s", &self_s, "total_s", &total_s, "module"),
		0);
	assert_string_equal(name, "Worker.run");
	assert_string_equal(file, "/srv/app/worker.py");
	assert_string_equal(kind, "python");
	assert_true(line == 31 && self_samples == 3600 && total_samples == 5994);
	assert_true(self == 0.6 && total == 0.999 && self_s == 36 && total_s == 59.94);
	assert_true(fabs(self_error - 1.96 * sqrt(0.6 * 0.4 / 6000)) < 0.0001);
	assert_true(total_error > 0 && total_error < 0.002);
	row = json_array_get(rows, 2);
	assert_int_equal(json_unpack(row, "{s:n,s:n,s:n}", "file", "line", "module"), 0);
	json_decref(json);
	p->n_slices = 0;
	json = render_json(p, REPORT_FUNCTION, 0);
	row = json_array_get(json_object_get(json, "rows"), 0);
	assert_int_equal(json_unpack(row, "{s:n,s:n}", "self_error", "total_error"), 0);
	json_decref(json);
	profile_free(p);
}

static void json_is_json_whatever_the_names_are(void **state)
{
	struct profile *p = hostile_profile();

	(void)state;
	for (unsigned by = 0; by < REPORT_BYS; by++) {
		json_t *json = render_json(p, (enum report_by)by, 0), *row;
		size_t i;

		json_array_foreach(json_object_get(json, "rows"), i, row)
		{
			const char *name = json_string_value(json_object_get(row, "name"));

			assert_true(name && *name);
			assert_null(strstr(name, "\xff"));
		}
		assert_int_equal(i, json_integer_value(json_object_get(json, "rows_all")));
		json_decref(json);
	}
	profile_free(p);
}

/* Reads one field of RFC 4180 into `to`; returns what stands behind its comma or line end. */
static const char *csv_field(const char *s, char *to, size_t to_bytes, bool *last)
{
	bool quoted = *s == '"';
	size_t n = 0;

	for (s += quoted; quoted ? *s != '"' || s[1] == '"' : !strchr(",\r", *s); s++) {
		assert_true(*s && n + 1 < to_bytes);
		assert_true(quoted || *s != '"');
		s += *s == '"';
		to[n++] = *s;
	}
	to[n] = '\0';
	s += quoted;
	*last = *s == '\r';
	assert_true(*s == ',' || (*s == '\r' && s[1] == '\n'));
	return s + 1 + *last;
}

static void csv_has_all_numbers(void **state)
{
	static const char *const expected[] = {"Worker.run", "/srv/app/worker.py", "31", "",
		"python", "0.600000000", "0.999000000", NULL, NULL, "3600", "5994", "36.000000000",
		"59.940000000"};
	struct profile *p = sample();
	char *text = render(p, REPORT_FUNCTION, 0, "csv", 0), field[64];
	const char *s = strchr(text, '\n') + 1;
	bool last;

	(void)state;
	assert_int_equal(strncmp(text,
				 "name,file,line,module,kind,self,total,self_error,total_error,"
				 "self_samples,total_samples,self_s,total_s\r\n",
				 s - text),
		0);
	for (size_t i = 0; i < 13; i++) {
		s = csv_field(s, field, sizeof(field), &last);
		assert_int_equal(last, i == 12);
		if (expected[i])
			assert_string_equal(field, expected[i]);
		else
			assert_in_range((unsigned)(1e6 * strtod(field, NULL)), 500, 15000);
	}
	free(text);
	p->n_slices = 0;
	text = render(p, REPORT_FUNCTION, 1, "csv", 0);
	assert_non_null(strstr(text, ",0.600000000,0.999000000,,,3600,"));
	free(text);
	profile_free(p);
}

/* A spreadsheet takes none of the fields for a formula, and finds as many rows as there are. */
static void csv_is_safe_whatever_the_names_are(void **state)
{
	struct profile *p = hostile_profile();
	char *text = render(p, REPORT_FUNCTION, 0, "csv", 0), field[1024];
	unsigned rows = 0, fields = 0, guarded = 0;
	bool quotes = false, last;

	(void)state;
	for (const char *s = text; *s;) {
		s = csv_field(s, field, sizeof(field), &last);
		assert_true(!*field || !strchr("=+-@\t\r\n", *field));
		assert_true(strncmp(field, "\uff1d", 3) != 0);
		assert_null(strchr(field, '\x1b'));
		guarded += *field == '\'';
		quotes |= !strcmp(field, "quote\"d,\"comma\"");
		fields++;
		if (!last)
			continue;
		assert_int_equal(fields, 13);
		fields = 0;
		rows++;
	}
	assert_int_equal(rows, 1 + HOSTILE);
	assert_true(guarded >= 8 && quotes);
	free(text);
	profile_free(p);
}

static void a_result_over_the_limit_says_so(void **state)
{
	struct profile *p = hostile_profile();
	struct report r;

	(void)state;
	assert_int_equal(analyze_report(p, REPORT_FUNCTION, REPORT_SELF, 0, &r), 0);
	for (size_t i = 0; table_format_at(i); i++) {
		struct table_style style = {0};
		struct err err = {0};
		struct buf out;

		buf_init(&out, 300);
		assert_int_equal(table_format_at(i)->render(p, &r, &style, &out, &err), -E2BIG);
		assert_non_null(strstr(err.text, "larger than the limit"));
		assert_true(out.len <= 300);
		buf_free(&out);
	}
	report_clear(&r);
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_are_listed_with_the_default_first),
		cmocka_unit_test(a_table_of_functions),
		cmocka_unit_test(a_table_of_processes),
		cmocka_unit_test(a_narrow_table),
		cmocka_unit_test(errors_that_are_not_known_are_not_shown),
		cmocka_unit_test(small_shares_have_more_digits),
		cmocka_unit_test(no_samples_are_said_so),
		cmocka_unit_test(widths_of_characters),
		cmocka_unit_test(cells_are_cut),
		cmocka_unit_test(every_line_fits),
		cmocka_unit_test(colours_can_be_taken_away),
		cmocka_unit_test(json_has_all_numbers),
		cmocka_unit_test(json_is_json_whatever_the_names_are),
		cmocka_unit_test(csv_has_all_numbers),
		cmocka_unit_test(csv_is_safe_whatever_the_names_are),
		cmocka_unit_test(a_result_over_the_limit_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
