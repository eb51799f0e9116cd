/* SPDX-License-Identifier: BSD-2-Clause */
/* The picture of `profd top` without a terminal: a page becomes cells, whatever the size is and
 * whatever the names hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/top/top_draw.h"

enum { LINE_BYTES = 2048, ROWS = 40 };

struct screen {
	struct top_canvas cv;
	struct top_state st;
	struct top_about about;
	struct top_page page;
	struct top_item rows[ROWS];
	char names[ROWS][32];
};

static void set_up(struct screen *s)
{
	*s = (struct screen){.about = {.subject = "python3 (4711)", .speed = 1, .blocks = true},
		.page = {.samples = 8213,
			.rate_hz = 99,
			.busy_cpus = 1.5,
			.cpus = 4,
			.processes = 1,
			.threads = 4,
			.elapsed_s = 83,
			.cpu_percent = 0.2,
			.kernel_cpu_percent = 0.1,
			.rss_bytes = 41 << 20,
			.gil = -1}};
	top_state_init(&s->st, TOP_FUNCTIONS, 10);
	for (size_t i = 0; i < ROWS; i++) {
		snprintf(s->names[i], sizeof(s->names[i]), "function_%zu", i);
		s->rows[i] = (struct top_item){.key = i + 1,
			.name = s->names[i],
			.file = "/srv/app/views/list.py",
			.module = "",
			.line = (uint32_t)(10 + i),
			.kind = FRAME_PYTHON,
			.process = "python3 (4711)",
			.self = i ? 0.01 : 0.412,
			.total = i ? 0.02 : 0.98,
			.total_samples = 100 - i,
			.trend = {0, 0.5f, 1},
			.n_trend = 3};
	}
	s->page.rows = s->rows;
	s->page.n_rows = s->page.n_all = ROWS;
}

static void draw(struct screen *s, int lines, int columns)
{
	assert_int_equal(top_canvas_begin(&s->cv, lines, columns), 0);
	s->st.page_rows = top_draw_rows(lines, columns);
	top_state_settle(&s->st, &s->page);
	top_draw(&s->cv, &s->st, &s->page, &s->about);
}

static const char *line_of(const struct screen *s, int line)
{
	static char text[LINE_BYTES];

	top_canvas_text(&s->cv, line, text, sizeof(text));
	return text;
}

/* The first line that holds the text; -1: none does. */
static int find(const struct screen *s, const char *text)
{
	for (int line = 0; line < s->cv.lines; line++)
		if (strstr(line_of(s, line), text))
			return line;
	return -1;
}

static void assert_shows(const struct screen *s, const char *text)
{
	if (find(s, text) >= 0)
		return;
	for (int line = 0; line < s->cv.lines; line++)
		print_message("|%s\n", line_of(s, line));
	fail_msg("'%s' is not on the screen", text);
}

static void assert_hides(const struct screen *s, const char *text)
{
	if (find(s, text) >= 0)
		fail_msg("'%s' is on the screen: %s", text, line_of(s, find(s, text)));
}

/* ---- cells -------------------------------------------------------------------------------------
 */

static void test_cells(void **state)
{
	struct top_canvas cv = {0};
	char text[64];

	(void)state;
	assert_int_equal(top_canvas_begin(&cv, 2, 6), 0);
	assert_int_equal(top_put(&cv, 0, 0, 6, TOP_STYLE_PLAIN, "ab"), 2);
	assert_int_equal(top_put(&cv, 0, 2, 100, TOP_STYLE_PLAIN, "cdefgh"), 4);
	top_canvas_text(&cv, 0, text, sizeof(text));
	assert_string_equal(text, "abcdef");
	/* Outside: nothing happens. */
	assert_int_equal(top_put(&cv, 2, 0, 6, TOP_STYLE_PLAIN, "x"), 0);
	assert_int_equal(top_put(&cv, -1, 0, 6, TOP_STYLE_PLAIN, "x"), 0);
	assert_int_equal(top_put(&cv, 0, 6, 6, TOP_STYLE_PLAIN, "x"), 0);
	assert_int_equal(top_put(&cv, 0, 0, -3, TOP_STYLE_PLAIN, "x"), 0);
	top_canvas_free(&cv);
}

/* A wide character is not cut in two, and what combines stays with the character before it. */
static void test_wide_cells(void **state)
{
	struct top_canvas cv = {0};
	char text[64];

	(void)state;
	assert_int_equal(top_canvas_begin(&cv, 1, 5), 0);
	assert_int_equal(top_put(&cv, 0, 0, 5, TOP_STYLE_PLAIN, "\u95a2\u6570\u95a2"), 4);
	assert_int_equal(cv.cells[0].width, 2);
	assert_int_equal(cv.cells[1].width, 0);
	assert_int_equal(cv.cells[4].width, 1);
	assert_int_equal(top_put(&cv, 0, 0, 5, TOP_STYLE_PLAIN, "e\u0301x"), 2);
	assert_int_equal(cv.cells[0].text[1], 0x301);
	top_canvas_text(&cv, 0, text, sizeof(text));
	assert_string_equal(text, "e\u0301x\u6570");
	top_canvas_free(&cv);
}

/* Twenty marks on one character: those that there is room for. */
static void test_many_marks(void **state)
{
	struct top_canvas cv = {0};
	char text[128] = "e";

	(void)state;
	for (int i = 0; i < 20; i++)
		strcat(text, "\u0301");
	assert_int_equal(top_canvas_begin(&cv, 1, 5), 0);
	assert_int_equal(top_put(&cv, 0, 0, 5, TOP_STYLE_PLAIN, text), 1);
	assert_int_equal(cv.cells[0].text[TOP_CELL_CHARS - 1], 0);
	top_canvas_free(&cv);
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

static void test_80x24(void **state)
{
	struct screen s;

	(void)state;
	set_up(&s);
	draw(&s, 24, 80);
	assert_shows(&s, "profd top");
	assert_shows(&s, "python3 (4711)");
	assert_shows(&s, "83.0 s");
	assert_shows(&s, "99 Hz, 8,213 samples");
	assert_shows(&s, "1.50 of 4 CPUs");
	assert_shows(&s, "1 process, 4 threads");
	assert_shows(&s, "profd itself 0.3 %, 41 MiB");
	assert_hides(&s, "GIL");
	assert_hides(&s, "lost");
	assert_shows(&s, "[Functions]");
	assert_shows(&s, "\u25bcSELF%");
	assert_shows(&s, "  41.2   98.0");
	assert_shows(&s, "function_0 (/srv/app/views/list.py:10)");
	assert_shows(&s, "q Quit");
	assert_hides(&s, "SAMPLES");
	assert_hides(&s, "KIND");
	assert_int_equal(find(&s, "function_0 "), 5);
	assert_int_equal(s.cv.selected, 5);
	assert_int_equal(find(&s, "function_17 "), 22); /* the last one above the keys */
	top_canvas_free(&s.cv);
}

static void test_200x60(void **state)
{
	struct screen s;

	(void)state;
	set_up(&s);
	s.rows[1].more_processes = 2;
	draw(&s, 60, 200);
	assert_shows(&s, "SAMPLES");
	assert_shows(&s, "KIND");
	assert_shows(&s, "PROCESS");
	assert_shows(&s, "FILE:LINE");
	assert_shows(&s, "/srv/app/views/list.py:10");
	assert_shows(&s, "python3 (4711) +2");
	assert_shows(&s, "python ");
	assert_int_equal(find(&s, "function_39"), 43); /* all have room */
	top_canvas_free(&s.cv);
}

/* What is wrong with the samples is said, and is red. */
static void test_quality(void **state)
{
	struct screen s;
	int line;

	(void)state;
	set_up(&s);
	s.page.lost = 1234;
	s.page.truncated = 3;
	s.page.failed = 2;
	s.page.gil = 0.876;
	s.page.ended = 2;
	s.page.shared = true;
	draw(&s, 24, 120);
	assert_shows(&s, "lost 1,234");
	assert_shows(&s, "truncated 3");
	assert_shows(&s, "failed 2");
	assert_shows(&s, "GIL held 88 %");
	assert_shows(&s, "2 ended");
	assert_shows(&s, "the daemon itself");
	line = find(&s, "lost 1,234");
	for (int column = 0; column < s.cv.columns; column++) {
		const struct top_cell *cell = &s.cv.cells[line * s.cv.columns + column];

		if (cell->style == TOP_STYLE_BAD)
			return top_canvas_free(&s.cv);
	}
	fail_msg("lost samples are not red");
}

/* Every size, from nothing to more than there is: nothing is drawn outside, and small ones say so.
 */
static void test_sizes(void **state)
{
	struct screen s;

	(void)state;
	set_up(&s);
	for (int lines = 1; lines < 40; lines++)
		for (int columns = 1; columns < 170; columns += 3)
			for (int view = 0; view < TOP_VIEWS; view++) {
				s.st.view =
					view < TOP_CALLERS ? (enum top_view)view : TOP_FUNCTIONS;
				s.st.n_focus = view == TOP_CALLERS;
				draw(&s, lines, columns);
				if (lines >= TOP_LINES_MIN && columns >= TOP_COLUMNS_MIN) {
					assert_shows(&s, "profd");
					assert_true(s.cv.selected >= 0);
				}
			}
	draw(&s, 5, 20);
	assert_shows(&s, "too small");
	assert_shows(&s, "needs 30x8");
	top_canvas_free(&s.cv);
}

/* Nothing that a name holds reaches the cells but what can be shown. */
static void test_hostile_names(void **state)
{
	static const char *const names[] = {"\x1b[2J\x1b[31mred", "line\nbreak\r\t",
		"\u202eright to left", "\xff\xfe not UTF-8", "\u200bzero", "\x9b[1m", "%s%n%d"};
	struct screen s;

	(void)state;
	set_up(&s);
	s.about.subject = names[0];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		s.rows[i].name = s.rows[i].file = s.rows[i].process = names[i];
		s.rows[i].module = names[i];
	}
	for (int columns = 80; columns <= 200; columns += 60) {
		draw(&s, 24, columns);
		for (int i = 0; i < s.cv.lines * s.cv.columns; i++)
			for (const wchar_t *c = s.cv.cells[i].text; *c; c++)
				assert_true(*c >= L' ' && *c != 0x7f && *c != 0x9b &&
					    *c != 0x202e && *c != 0x200b);
		assert_shows(&s, "?[2J?[31mred");
		assert_shows(&s, "line?break");
		assert_shows(&s, "%s%n%d");
	}
	top_canvas_free(&s.cv);
}

/* ---- parts -------------------------------------------------------------------------------------
 */

static void test_trend(void **state)
{
	const float values[] = {0, 0.25f, 0.5f, 1, 0.001f};
	struct top_canvas cv = {0};
	char text[64];

	(void)state;
	assert_int_equal(top_canvas_begin(&cv, 1, 8), 0);
	top_draw_trend(&cv, 0, 0, 8, values, 5, true);
	top_canvas_text(&cv, 0, text, sizeof(text));
	assert_string_equal(text, "    \u2582\u2584\u2588\u2581");
	assert_int_equal(top_canvas_begin(&cv, 1, 8), 0);
	top_draw_trend(&cv, 0, 0, 3, values, 5, false); /* the newest ones */
	top_canvas_text(&cv, 0, text, sizeof(text));
	assert_string_equal(text, "=#.");
	/* A function that is hardly ever there does not look like a hot one. */
	assert_int_equal(top_canvas_begin(&cv, 1, 8), 0);
	top_draw_trend(&cv, 0, 0, 1, &values[4], 1, true);
	top_canvas_text(&cv, 0, text, sizeof(text));
	assert_string_equal(text, "\u2581");
	top_canvas_free(&cv);
}

static void test_order_is_marked(void **state)
{
	struct screen s;

	(void)state;
	set_up(&s);
	s.st.sort[TOP_FUNCTIONS] = TOP_BY_NAME;
	s.st.reverse[TOP_FUNCTIONS] = true;
	draw(&s, 24, 80);
	assert_shows(&s, "FUNCTION\u25b2");
	s.about.blocks = false;
	s.st.sort[TOP_FUNCTIONS] = TOP_BY_TOTAL;
	s.st.reverse[TOP_FUNCTIONS] = false;
	draw(&s, 24, 80);
	assert_shows(&s, "vTOTAL%");
	assert_shows(&s, ".");
	assert_hides(&s, "\u2588");
	top_canvas_free(&s.cv);
}

static void test_processes(void **state)
{
	struct screen s;

	(void)state;
	set_up(&s);
	s.st.view = TOP_PROCESSES;
	s.rows[0].name = "python3 (4711)";
	s.rows[0].kind = FRAME_PROCESS;
	s.rows[0].ended = true;
	draw(&s, 24, 80);
	assert_shows(&s, "CPU%");
	assert_shows(&s, "147.0   98.0"); /* of 1.5 CPUs */
	assert_shows(&s, "python3 (4711) (ended)");
	top_canvas_free(&s.cv);
}

static void test_tree(void **state)
{
	struct screen s;

	(void)state;
	set_up(&s);
	s.st.view = TOP_TREE;
	for (unsigned i = 0; i < ROWS; i++) {
		s.rows[i].depth = i * 4;
		s.rows[i].has_children = i % 2 == 0;
		s.rows[i].unfolded = i % 4 == 0;
	}
	draw(&s, 24, 80);
	assert_shows(&s, " \u25be function_0 ");
	assert_shows(&s, "     \u00b7 function_1 ");
	assert_shows(&s, "         \u25b8 function_2 ");
	assert_shows(&s, "68\u00b7 function_17"); /* too deep to be drawn */
	top_canvas_free(&s.cv);
}

static void test_callers(void **state)
{
	struct screen s;

	(void)state;
	set_up(&s);
	s.st.focus[0] = 7;
	s.st.n_focus = 1;
	s.page.focus = "function_1";
	s.rows[0].role = TOP_ROLE_CALLER;
	s.rows[1].role = TOP_ROLE_SELF;
	s.rows[2].role = TOP_ROLE_CALLEE;
	draw(&s, 24, 80);
	assert_shows(&s, "callers of function_1");
	assert_shows(&s, "caller  function_0");
	assert_shows(&s, "itself  function_1");
	assert_shows(&s, "callee  function_2");
	top_canvas_free(&s.cv);
}

static void test_states(void **state)
{
	struct screen s;

	(void)state;
	set_up(&s);
	s.st.paused = true;
	draw(&s, 24, 80);
	assert_shows(&s, " PAUSED ");
	s.st.paused = false;
	s.about.ended = true;
	draw(&s, 24, 80);
	assert_shows(&s, " ENDED ");
	s.about.trouble = "the daemon\x1b closed";
	draw(&s, 24, 80);
	assert_shows(&s, "the daemon? closed");
	s.about =
		(struct top_about){.subject = "night.profd", .position = 3, .kept = 60, .speed = 2};
	s.st.replay = true;
	draw(&s, 24, 80);
	assert_shows(&s, "REPLAY");
	assert_shows(&s, "3 of 60+  x2");
	assert_shows(&s, "Step");
	s.page.n_rows = 0;
	snprintf(s.st.filter, sizeof(s.st.filter), "nothing");
	s.st.span_s = 60;
	draw(&s, 24, 80);
	assert_shows(&s, "nothing matches the filter");
	assert_shows(&s, "filter nothing");
	assert_shows(&s, "last 60 s");
	top_canvas_free(&s.cv);
}

/* What is typed can be longer than the screen: its end, where the cursor is, is in sight. */
static void test_typing(void **state)
{
	struct screen s;
	char text[301];

	(void)state;
	set_up(&s);
	memset(text, 'x', 300);
	strcpy(text + 295, "end");
	top_state_edit(&s.st, TOP_MODE_SAVE, text);
	draw(&s, 24, 80);
	assert_shows(&s, "Save as: ");
	assert_shows(&s, "xend");
	assert_int_equal(s.cv.cursor_line, 23);
	assert_true(s.cv.cursor_column > 0 && s.cv.cursor_column < 80);
	top_state_edit(&s.st, TOP_MODE_FILTER, "(");
	strcpy(s.st.edit.wrong, "no closing bracket");
	draw(&s, 24, 80);
	assert_shows(&s, "Filter (regex): (");
	assert_shows(&s, "no closing bracket");
	top_canvas_free(&s.cv);
}

/* All of the help can be reached, at any height. */
static void test_help(void **state)
{
	struct screen s;

	(void)state;
	for (int lines = TOP_LINES_MIN; lines < 60; lines += 17)
		for (const struct top_help *h = top_help; h->keys; h++) {
			bool found = h->when == TOP_HELP_REPLAY || !*h->what;

			set_up(&s);
			s.st.mode = TOP_MODE_HELP;
			for (int i = 0; !found && i < 60; i++) {
				draw(&s, lines, 80);
				found = find(&s, h->what) >= 0;
				s.st.help_first++;
			}
			if (!found)
				fail_msg("'%s' is not in the help at %d lines", h->what, lines);
			top_canvas_free(&s.cv);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_wide_cells),
		cmocka_unit_test(test_many_marks),
		cmocka_unit_test(test_80x24),
		cmocka_unit_test(test_200x60),
		cmocka_unit_test(test_quality),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_trend),
		cmocka_unit_test(test_order_is_marked),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_callers),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_typing),
		cmocka_unit_test(test_help),
	};

	if (!setlocale(LC_CTYPE, "C.UTF-8")) {
		fprintf(stderr, "the locale C.UTF-8 is missing\n");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
