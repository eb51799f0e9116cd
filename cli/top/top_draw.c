/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/top/top_draw.h"

#include <stdio.h>
#include <string.h>

enum {
	LINES_OF_ROOM = 16,    /* from so many lines on there are two of figures, */
	COLUMNS_OF_ROOM = 170, /* unless all of them fit into one */
	HELP_KEYS = 17,        /* columns of the keys in the help */
	HELP_COLUMN = 68,      /* of a column of the help */
};

void top_layout(struct top_layout *l, int lines, int columns)
{
	l->figures = 1;
	l->n_figures = lines >= LINES_OF_ROOM && columns < COLUMNS_OF_ROOM ? 2 : 1;
	l->tabs = l->figures + l->n_figures;
	l->head = l->tabs + 1;
	l->rows = l->head + 1;
	l->foot = lines - 1;
	l->n_rows = l->foot > l->rows ? l->foot - l->rows : 0;
}

size_t top_draw_rows(int lines, int columns)
{
	struct top_layout l;

	top_layout(&l, lines, columns);
	return (size_t)l.n_rows;
}

/* ---- the help ----------------------------------------------------------------------------------
 */

static bool is_shown(const struct top_help *h, bool replay)
{
	return h->when == TOP_HELP_BOTH || h->when == (replay ? TOP_HELP_REPLAY : TOP_HELP_LIVE);
}

static void draw_help_line(
	struct top_canvas *cv, int line, int column, int width, const struct top_help *h)
{
	const bool heading = !*h->keys && h->what[0] >= 'A' && h->what[0] <= 'Z';

	if (heading) {
		top_put(cv, line, column, width, TOP_STYLE_BOLD, h->what);
		return;
	}
	top_put(cv, line, column + 2, HELP_KEYS, TOP_STYLE_KEY, h->keys);
	top_put(cv, line, column + 2 + HELP_KEYS, width - 2 - HELP_KEYS, TOP_STYLE_PLAIN, h->what);
}

static void draw_help(struct top_canvas *cv, const struct top_layout *l, struct top_state *st)
{
	const struct top_help *shown[64];
	const size_t columns = cv->columns >= 2 * HELP_COLUMN ? 2 : 1;
	size_t n = 0, first, lines;

	for (const struct top_help *h = top_help; h->keys; h++)
		if (is_shown(h, st->replay) && n < sizeof(shown) / sizeof(shown[0]))
			shown[n++] = h;
	lines = (n + columns - 1) / columns;
	first = lines > (size_t)l->n_rows + 1 ? lines - (size_t)l->n_rows - 1 : 0;
	if (st->help_first < first)
		first = st->help_first;
	st->help_first = first;
	for (size_t i = 0; i < n; i++) {
		const size_t line = i % lines;

		if (line >= first && line - first <= (size_t)l->n_rows)
			draw_help_line(cv, l->head + (int)(line - first),
				(int)(i / lines) * HELP_COLUMN + 1, HELP_COLUMN - 2, shown[i]);
	}
	top_put(cv, l->foot, 1, cv->columns, TOP_STYLE_DIM,
		lines > (size_t)l->n_rows + 1 ? "Up, Down: more of it; any other key goes back"
					      : "any key goes back");
}

/* ---- the last line -----------------------------------------------------------------------------
 */

struct hint {
	const char *key, *what;
	bool live, replay;
};

static const struct hint hints[] = {
	{"F1", "Help", true, true},
	{"Tab", "View", true, true},
	{"Enter", "Callers", true, true},
	{"/", "Filter", true, true},
	{"Space", "Pause", true, false},
	{"Space", "Play", false, true},
	{"[ ]", "Step", false, true},
	{"s", "Save", true, true},
	{"q", "Quit", true, true},
	{"1-4", "Sort", true, true},
	{"e", "Span", true, true},
	{"r", "Reset", true, false},
	{"+ -", "Rate", true, false},
	{"+ -", "Speed", false, true},
	{NULL, NULL, false, false},
};

static const char *enter_does(enum top_view view, const char *usual)
{
	return view == TOP_TREE                               ? "Unfold"
	       : view == TOP_PROCESSES || view == TOP_THREADS ? "Only it"
							      : usual;
}

static void draw_hints(struct top_canvas *cv, int line, const struct top_state *st)
{
	int column = 0;

	for (const struct hint *h = hints; h->key; h++) {
		const char *what = h->what;
		int width;

		if (!(st->replay ? h->replay : h->live))
			continue;
		if (!strcmp(h->key, "Enter"))
			what = enter_does(top_state_view(st), what);
		width = (int)(strlen(h->key) + strlen(what)) + 2;
		if (column + width > cv->columns)
			break;
		column += top_put(cv, line, column, cv->columns, TOP_STYLE_KEY, h->key) + 1;
		column += top_put(cv, line, column, cv->columns, TOP_STYLE_DIM, what) + 1;
		column += cv->columns >= 100;
	}
}

/* What is typed, its end in sight; the text comes from a keyboard, and is as hostile as a name. */
static void draw_edit(struct top_canvas *cv, int line, const char *label, const struct top_edit *e)
{
	int column = top_put(cv, line, 0, cv->columns, TOP_STYLE_PROMPT, label) + 1;
	char before[TOP_EDIT_BYTES];
	size_t from = 0;
	int used;

	do { /* the cursor has to be on the screen: what stands before it gives way */
		snprintf(before, sizeof(before), "%.*s", (int)(e->at - from), e->text + from);
		used = top_put_hostile(cv, line, column, cv->columns, TOP_STYLE_PLAIN, before);
		if (column + used < cv->columns - 1 || from >= e->at)
			break;
		from += 8;
		while (from < e->at && ((unsigned char)e->text[from] & 0xc0) == 0x80)
			from++;
		if (from > e->at)
			from = e->at;
	} while (true);
	column += used;
	cv->cursor_line = line;
	cv->cursor_column = column < cv->columns ? column : cv->columns - 1;
	column += top_put_hostile(cv, line, column, cv->columns, TOP_STYLE_PLAIN, e->text + e->at);
	if (e->wrong[0])
		top_put_hostile(cv, line, column + 2, cv->columns, TOP_STYLE_BAD, e->wrong);
	else
		for (; column < cv->columns && column >= 0; column++)
			top_put(cv, line, column, 1, TOP_STYLE_PLAIN, " ");
}

static void draw_foot(struct top_canvas *cv, int line, const struct top_state *st)
{
	switch (st->mode) {
	case TOP_MODE_FILTER:
		draw_edit(cv, line, "Filter (regex):", &st->edit);
		break;
	case TOP_MODE_SAVE:
		draw_edit(cv, line, "Save as:", &st->edit);
		break;
	case TOP_MODE_DELAY:
		draw_edit(cv, line, "Seconds between two pictures:", &st->edit);
		break;
	case TOP_MODE_HELP:
		break;
	case TOP_MODE_ROWS:
	default:
		if (st->message[0])
			top_put_hostile(cv, line, 0, cv->columns,
				st->message_bad ? TOP_STYLE_BAD : TOP_STYLE_PLAIN, st->message);
		else
			draw_hints(cv, line, st);
		break;
	}
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

void top_draw(struct top_canvas *cv, struct top_state *st, const struct top_page *page,
	const struct top_about *about)
{
	struct top_layout l;

	if (cv->lines < TOP_LINES_MIN || cv->columns < TOP_COLUMNS_MIN) {
		top_put(cv, 0, 0, cv->columns, TOP_STYLE_BAD, "too small");
		top_put_format(cv, 1, 0, cv->columns, TOP_STYLE_PLAIN, "needs %dx%d",
			TOP_COLUMNS_MIN, TOP_LINES_MIN);
		return;
	}
	top_layout(&l, cv->lines, cv->columns);
	top_draw_header(cv, &l, st, page, about);
	if (st->mode == TOP_MODE_HELP)
		draw_help(cv, &l, st);
	else
		top_draw_table(cv, &l, st, page, about);
	draw_foot(cv, l.foot, st);
}
