/* SPDX-License-Identifier: BSD-2-Clause */
/* The rows: which columns there is room for, and what stands in them. */
#include <stdio.h>
#include <string.h>

#include "cli/terminal.h"
#include "cli/top/top_draw.h"

enum column_id {
	COLUMN_CPU,
	COLUMN_SELF,
	COLUMN_TOTAL,
	COLUMN_TREND,
	COLUMN_SAMPLES,
	COLUMN_ROLE,
	COLUMN_NAME,
	COLUMN_PLACE,
	COLUMN_KIND,
	COLUMN_PROCESS,
	COLUMNS
};

/* Where a column begins and how wide it is; 0: it has no room. One blank lies between two. */
struct columns {
	int at[COLUMNS], width[COLUMNS];
	bool place_in_name; /* `function (file:line)` */
};

/* From how many columns of the screen on: what gives way first has the highest number. */
enum {
	FROM_TREND = 56,
	FROM_SAMPLES = 96,
	FROM_PROCESS = 108,
	FROM_KIND = 118,
	FROM_PLACE = 132,
	FROM_TREND_16 = 110,
	FROM_TREND_24 = 160,
};

enum { SHARE = 6, SAMPLES = 9, KIND = 7, ROLE = 7, PLACE_ROOM = 12, TEXT_BYTES = 4096 };

/* A trend is drawn in proportion to its own highest value, but that counts as this at least: else a
 * function that is hardly ever met would look as lively as a hot one. */
static const float trend_floor = 0.05f;

#define HOT_SHARE  0.20
#define WARM_SHARE 0.05

static bool is_about_processes(enum top_view view)
{
	return view == TOP_PROCESSES || view == TOP_THREADS;
}

/* ---- where columns are -------------------------------------------------------------------------
 */

static void plan(struct columns *c, enum top_view view, int screen)
{
	const bool processes = is_about_processes(view);
	int at = 1, rest = screen - 1;

	*c = (struct columns){.width = {[COLUMN_TOTAL] = SHARE}};
	c->width[processes ? COLUMN_CPU : COLUMN_SELF] = SHARE;
	if (screen >= FROM_TREND)
		c->width[COLUMN_TREND] = screen >= FROM_TREND_24   ? TOP_TREND
					 : screen >= FROM_TREND_16 ? 16
								   : 8;
	if (screen >= FROM_SAMPLES || (processes && screen >= FROM_TREND))
		c->width[COLUMN_SAMPLES] = SAMPLES;
	if (view == TOP_CALLERS)
		c->width[COLUMN_ROLE] = ROLE;
	if (!processes && screen >= FROM_KIND)
		c->width[COLUMN_KIND] = KIND;
	if ((view == TOP_THREADS && screen >= FROM_TREND) ||
		(view != TOP_PROCESSES && screen >= FROM_PROCESS))
		c->width[COLUMN_PROCESS] = screen >= FROM_TREND_24 ? 26 : 20;
	for (int i = 0; i < COLUMNS; i++)
		rest -= c->width[i] ? c->width[i] + 1 : 0;
	if (!processes && screen >= FROM_PLACE)
		c->width[COLUMN_PLACE] = rest * 2 / 5;
	c->place_in_name = !processes && !c->width[COLUMN_PLACE];
	c->width[COLUMN_NAME] =
		rest - 1 - (c->width[COLUMN_PLACE] ? c->width[COLUMN_PLACE] + 1 : 0);
	for (int i = 0; i < COLUMNS; i++) {
		c->at[i] = at;
		at += c->width[i] ? c->width[i] + 1 : 0;
	}
}

static const char *const name_heads[TOP_VIEWS] = {
	"FUNCTION", "LINE", "PROCESS", "THREAD", "CALL TREE", "FUNCTION"};

static const enum column_id sorted_column[TOP_SORTS] = {
	COLUMN_SELF, COLUMN_TOTAL, COLUMN_SAMPLES, COLUMN_NAME};

/* The mark of the order stands before a number's head and behind a text's. */
static void draw_head(struct top_canvas *cv, int line, const struct columns *c,
	const struct top_state *st, bool blocks)
{
	static const char *const heads[COLUMNS] = {"CPU%", "SELF%", "TOTAL%", "TREND", "SAMPLES",
		"", NULL, "FILE:LINE", "KIND", "PROCESS"};
	const enum top_view view = top_state_view(st);
	enum column_id sorted = sorted_column[st->sort[view]];
	const char *mark = st->reverse[view] ? (blocks ? "\u25b2" : "^") : blocks ? "\u25bc" : "v";

	if (sorted == COLUMN_SELF && is_about_processes(view))
		sorted = COLUMN_TOTAL;
	top_tint(cv, line, 0, cv->columns, TOP_STYLE_HEAD);
	for (int i = 0; i < COLUMNS; i++) {
		const bool is_number = i <= COLUMN_TOTAL || i == COLUMN_SAMPLES;
		const char *head = i == COLUMN_NAME ? name_heads[view] : heads[i];
		const int len = (int)strlen(head);
		const enum top_style style = i == (int)sorted ? TOP_STYLE_HEAD_ON : TOP_STYLE_HEAD;
		int at = c->at[i];

		if (!c->width[i])
			continue;
		if (is_number)
			at += c->width[i] - len;
		top_put(cv, line, at, c->width[i], style, head);
		if (i == (int)sorted)
			top_put(cv, line, is_number ? at - 1 : at + len, 1, style, mark);
	}
}

/* ---- cells -------------------------------------------------------------------------------------
 */

static enum top_style style_of_kind(enum frame_kind kind)
{
	switch (kind) {
	case FRAME_PYTHON:
		return TOP_STYLE_PYTHON;
	case FRAME_NATIVE:
		return TOP_STYLE_NATIVE;
	case FRAME_INLINED:
		return TOP_STYLE_INLINED;
	case FRAME_JIT:
		return TOP_STYLE_JIT;
	case FRAME_KERNEL:
		return TOP_STYLE_KERNEL;
	case FRAME_NOTE:
		return TOP_STYLE_NOTE;
	case FRAME_PROCESS:
	case FRAME_THREAD:
	case FRAME_CONTAINER:
		return TOP_STYLE_PROCESS;
	case FRAME_ROOT:
	case FRAME_KINDS:
	default:
		return TOP_STYLE_PLAIN;
	}
}

static enum top_style style_of_share(double share)
{
	return share >= HOT_SHARE    ? TOP_STYLE_HOT
	       : share >= WARM_SHARE ? TOP_STYLE_WARM
				     : TOP_STYLE_PLAIN;
}

static void draw_share(
	struct top_canvas *cv, int line, const struct columns *c, enum column_id id, double share)
{
	if (c->width[id])
		top_put_format(cv, line, c->at[id], c->width[id], style_of_share(share), "%*.1f",
			c->width[id], 100 * share);
}

void top_draw_trend(struct top_canvas *cv, int line, int column, int width, const float *values,
	unsigned n, bool blocks)
{
	static const char *const bars[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	static const char *const signs[] = {" ", ".", ":", "-", "=", "+", "*", "#", "#"};
	const unsigned shown = n < (unsigned)width ? n : (unsigned)width;
	float most = trend_floor;

	for (unsigned i = n - shown; i < n; i++)
		if (values[i] > most)
			most = values[i];
	for (unsigned i = 0; i < shown; i++) {
		const float value = values[n - shown + i];
		int level = value > 0 ? 1 + (int)(value / most * 7.999f) : 0;

		level = level > 8 ? 8 : level;
		top_put(cv, line, column + width - (int)shown + (int)i, 1, TOP_STYLE_TREND,
			blocks ? bars[level] : signs[level]);
	}
}

/* `file:line`, or the module where there is no file. A path is cut at its front, because the file's
 * own name stands at its end. */
static size_t place_of(const struct top_item *row, size_t columns, char *to, size_t bytes)
{
	const char *whole = *row->file ? row->file : row->module, *shown = whole;
	char text[TEXT_BYTES + 32], number[16] = "";

	if (row->line)
		snprintf(number, sizeof(number), ":%u", row->line);
	while (strlen(shown) + strlen(number) > columns - (shown > whole ? 3 : 0) &&
		strchr(shown + 1, '/'))
		shown = strchr(shown + 1, '/') + 1;
	snprintf(text, sizeof(text), "%s%.4000s%s", shown > whole ? "../" : "", shown, number);
	return terminal_text(text, columns, to, bytes);
}

static int put_place(
	struct top_canvas *cv, int line, int column, int width, const struct top_item *row)
{
	char text[TEXT_BYTES];

	if (width <= 0 || (!*row->file && !*row->module))
		return 0;
	place_of(row, (size_t)width, text, sizeof(text));
	return top_put(cv, line, column, width, TOP_STYLE_DIM, text);
}

/* What stands before a name in the tree: its depth, and whether it can be unfolded. */
static int put_branch(struct top_canvas *cv, int line, int column, int width,
	const struct top_item *row, bool blocks)
{
	const char *mark = !row->has_children ? (blocks ? "\u00b7 " : "  ")
			   : row->unfolded    ? (blocks ? "\u25be " : "- ")
					      : (blocks ? "\u25b8 " : "+ ");
	const int most = width / 2;
	int used = (int)(row->depth < (unsigned)most ? row->depth : (unsigned)most);

	if (row->depth > (unsigned)most) /* too deep to be drawn: as a number */
		used = top_put_format(
			cv, line, column, most, TOP_STYLE_DIM, "%*u", most, row->depth);
	return used + top_put(cv, line, column + used, width - used,
			      row->has_children ? TOP_STYLE_KEY : TOP_STYLE_DIM, mark);
}

static void draw_name(struct top_canvas *cv, int line, const struct columns *c, enum top_view view,
	const struct top_item *row, bool blocks)
{
	int at = c->at[COLUMN_NAME], left = c->width[COLUMN_NAME], used;
	const int ended = row->ended && is_about_processes(view) ? 8 : 0;
	enum top_style style = row->ended ? TOP_STYLE_DIM : style_of_kind(row->kind);

	if (view == TOP_TREE) {
		used = put_branch(cv, line, at, left, row, blocks);
		at += used;
		left -= used;
	}
	if (view == TOP_CALLERS && row->role == TOP_ROLE_SELF)
		style = TOP_STYLE_BOLD;
	used = top_put_hostile(cv, line, at, left - ended, style, row->name);
	at += used;
	left -= used;
	if (ended && left >= ended)
		top_put(cv, line, at, left, TOP_STYLE_DIM, " (ended)");
	if (!c->place_in_name || left < PLACE_ROOM || (!*row->file && !*row->module))
		return;
	used = top_put(cv, line, at, left, TOP_STYLE_DIM, " (");
	used += put_place(cv, line, at + used, left - used - 1, row);
	top_put(cv, line, at + used, left - used, TOP_STYLE_DIM, ")");
}

static void draw_process(
	struct top_canvas *cv, int line, const struct columns *c, const struct top_item *row)
{
	const int at = c->at[COLUMN_PROCESS], width = c->width[COLUMN_PROCESS];
	char more[24] = "";
	int room = width, used;

	if (!width)
		return;
	if (row->more_processes)
		room -= snprintf(more, sizeof(more), " +%u", row->more_processes);
	used = top_put_hostile(
		cv, line, at, room, row->ended ? TOP_STYLE_DIM : TOP_STYLE_PROCESS, row->process);
	top_put(cv, line, at + used, width - used, TOP_STYLE_DIM, more);
}

/* ---- rows --------------------------------------------------------------------------------------
 */

static const char *const roles[] = {"", "caller", "itself", "callee"};

static void draw_row(struct top_canvas *cv, int line, const struct columns *c, enum top_view view,
	const struct top_page *page, const struct top_item *row, bool blocks)
{
	char n[32];

	if (c->width[COLUMN_CPU])
		top_put_format(cv, line, c->at[COLUMN_CPU], SHARE, style_of_share(row->total),
			"%*.1f", SHARE, 100 * row->total * page->busy_cpus);
	draw_share(cv, line, c, COLUMN_SELF, row->self);
	draw_share(cv, line, c, COLUMN_TOTAL, row->total);
	if (c->width[COLUMN_TREND])
		top_draw_trend(cv, line, c->at[COLUMN_TREND], c->width[COLUMN_TREND], row->trend,
			row->n_trend, blocks);
	if (c->width[COLUMN_SAMPLES])
		top_put_format(cv, line, c->at[COLUMN_SAMPLES], SAMPLES, TOP_STYLE_PLAIN, "%*s",
			SAMPLES, terminal_count(row->total_samples, n));
	if (c->width[COLUMN_ROLE] && (unsigned)row->role < sizeof(roles) / sizeof(roles[0]))
		top_put(cv, line, c->at[COLUMN_ROLE], ROLE, TOP_STYLE_KEY, roles[row->role]);
	draw_name(cv, line, c, view, row, blocks);
	if (c->width[COLUMN_PLACE])
		put_place(cv, line, c->at[COLUMN_PLACE], c->width[COLUMN_PLACE], row);
	if (c->width[COLUMN_KIND])
		top_put(cv, line, c->at[COLUMN_KIND], KIND, TOP_STYLE_DIM,
			frame_kind_name(row->kind));
	draw_process(cv, line, c, row);
}

static void draw_nothing(struct top_canvas *cv, int line, const struct top_state *st,
	const struct top_page *page, const struct top_about *about)
{
	const char *why = "waiting for the first samples ...";

	if (page && st->filter[0])
		why = "nothing matches the filter; Esc clears it";
	else if (page && (about->ended || about->trouble))
		why = "there were no samples";
	else if (page && page->samples == 0)
		why = "no samples yet: what is watched does not use the CPU";
	top_put(cv, line, 2, cv->columns, TOP_STYLE_DIM, why);
}

void top_draw_table(struct top_canvas *cv, const struct top_layout *l, const struct top_state *st,
	const struct top_page *page, const struct top_about *about)
{
	const enum top_view view = top_state_view(st);
	struct columns c;

	plan(&c, view, cv->columns);
	draw_head(cv, l->head, &c, st, about->blocks);
	if (!page || !page->n_rows) {
		draw_nothing(cv, l->rows + 1, st, page, about);
		return;
	}
	for (int i = 0; i < l->n_rows && st->first + (size_t)i < page->n_rows; i++) {
		const size_t row = st->first + (size_t)i;

		if (row == st->cursor)
			cv->selected = l->rows + i;
		draw_row(cv, l->rows + i, &c, view, page, &page->rows[row], about->blocks);
	}
}
