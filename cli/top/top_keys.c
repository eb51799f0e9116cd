/* SPDX-License-Identifier: BSD-2-Clause */
/* What keys mean. Those of py-spy's `top` (1 to 4, L, R, ?, Ctrl-C) do here what they do there. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/top/top_state.h"

enum { CTRL_B = 2, CTRL_F = 6, CTRL_L = 12, TABS = TOP_CALLERS, LEAP = 10 };

/* ---- where the cursor is -----------------------------------------------------------------------
 */

static void scroll(struct top_state *st)
{
	if (st->cursor < st->first)
		st->first = st->cursor;
	if (st->page_rows && st->cursor >= st->first + st->page_rows)
		st->first = st->cursor - st->page_rows + 1;
}

static void go_to(struct top_state *st, const struct top_page *page, size_t row)
{
	if (!page || !page->n_rows)
		return;
	st->cursor = row < page->n_rows ? row : page->n_rows - 1;
	st->follows = st->cursor > 0;
	st->cursor_key = page->rows[st->cursor].key;
	scroll(st);
}

static void go_to_top(struct top_state *st)
{
	st->cursor = st->first = 0;
	st->follows = false;
	st->cursor_key = 0;
}

void top_state_settle(struct top_state *st, const struct top_page *page)
{
	for (size_t i = 0; st->follows && i < page->n_rows; i++)
		if (page->rows[i].key == st->cursor_key) {
			st->cursor = i;
			break;
		}
	if (st->cursor >= page->n_rows)
		st->cursor = page->n_rows ? page->n_rows - 1 : 0;
	if (st->cursor < page->n_rows)
		st->cursor_key = page->rows[st->cursor].key;
	if (st->first && st->first + st->page_rows > page->n_rows)
		st->first = page->n_rows > st->page_rows ? page->n_rows - st->page_rows : 0;
	scroll(st);
}

static const struct top_item *row_at_cursor(const struct top_state *st, const struct top_page *page)
{
	return page && st->cursor < page->n_rows ? &page->rows[st->cursor] : NULL;
}

/* ---- what is shown -----------------------------------------------------------------------------
 */

enum top_view top_state_view(const struct top_state *st)
{
	return st->n_focus ? TOP_CALLERS : st->view;
}

void top_state_query(const struct top_state *st, struct top_query *q)
{
	const enum top_view view = top_state_view(st);

	*q = (struct top_query){.view = view,
		.sort = st->sort[view],
		.reverse = st->reverse[view],
		.span_s = st->span_s,
		.filter = st->filter,
		.focus = st->n_focus ? st->focus[st->n_focus - 1] : 0};
}

static enum top_action show(struct top_state *st, enum top_view view)
{
	st->n_focus = 0;
	st->view = view;
	go_to_top(st);
	return TOP_REFRESH;
}

static enum top_action order(struct top_state *st, enum top_sort sort)
{
	const enum top_view view = top_state_view(st);

	st->sort[view] = sort;
	st->reverse[view] = false;
	go_to_top(st);
	return TOP_REFRESH;
}

static enum top_action order_beside(struct top_state *st, int by)
{
	const int sort = (int)st->sort[top_state_view(st)] + by;

	return sort < 0 || sort >= TOP_SORTS ? TOP_NOTHING : order(st, (enum top_sort)sort);
}

enum top_action top_state_focus(struct top_state *st, uint64_t key)
{
	if (!key && !st->n_focus)
		return TOP_NOTHING;
	if (!key)
		st->n_focus--;
	else {
		if (st->n_focus == TOP_FOCUS_MAX)
			memmove(st->focus, st->focus + 1, --st->n_focus * sizeof(*st->focus));
		st->focus[st->n_focus++] = key;
	}
	go_to_top(st);
	return TOP_REFRESH;
}

/* All -> the last minute -> the last ten seconds -> all. */
static enum top_action span(struct top_state *st)
{
	st->span_s = st->span_s == 0 ? 60 : st->span_s > 10 ? 10 : 0;
	return TOP_REFRESH;
}

/* ---- a filter, and a process as one ------------------------------------------------------------
 */

/* A regular expression that matches this text alone; false: it is too long. */
static bool quote(const char *text, char *to, size_t bytes)
{
	size_t n = 0;

	to[n++] = '^';
	for (; *text; text++) {
		if (n + 4 > bytes)
			return false;
		if (strchr("\\.[]{}()*+?|^$", *text))
			to[n++] = '\\';
		to[n++] = *text;
	}
	to[n++] = '$';
	to[n] = '\0';
	return true;
}

static enum top_action show_process(struct top_state *st, const char *process)
{
	char filter[sizeof(st->filter)];

	if (!*process || !quote(process, filter, sizeof(filter)))
		return TOP_NOTHING;
	memcpy(st->filter, filter, sizeof(filter));
	top_state_say(st, false, "only %.100s; Esc shows all again", process);
	return show(st, TOP_FUNCTIONS);
}

static enum top_action try_filter(struct top_state *st)
{
	struct err err = {0};

	st->edit.wrong[0] = '\0';
	if (top_filter_check(st->edit.text, &err) < 0) {
		snprintf(st->edit.wrong, sizeof(st->edit.wrong), "%.199s", err.text);
		return TOP_NOTHING;
	}
	snprintf(st->filter, sizeof(st->filter), "%.256s", st->edit.text);
	go_to_top(st);
	return TOP_REFRESH;
}

static enum top_action press_filter(struct top_state *st, uint32_t key)
{
	if (key == TOP_KEY_ESCAPE) {
		st->filter[0] = '\0';
		st->mode = TOP_MODE_ROWS;
		go_to_top(st);
		return TOP_REFRESH;
	}
	if (key == TOP_KEY_ENTER) {
		if (!st->edit.wrong[0])
			st->mode = TOP_MODE_ROWS;
		return TOP_NOTHING;
	}
	return top_edit_press(&st->edit, key) ? try_filter(st) : TOP_NOTHING;
}

static enum top_action press_line(struct top_state *st, uint32_t key)
{
	if (key == TOP_KEY_ESCAPE) {
		st->mode = TOP_MODE_ROWS;
		return TOP_NOTHING;
	}
	if (key == TOP_KEY_ENTER)
		return st->mode == TOP_MODE_SAVE ? TOP_SAVE : TOP_DELAY;
	if (top_edit_press(&st->edit, key)) {
		st->edit.wrong[0] = '\0';
		st->edit.confirm = false;
	}
	return TOP_NOTHING;
}

void top_state_edit(struct top_state *st, enum top_mode mode, const char *text)
{
	st->mode = mode;
	st->edit = (struct top_edit){0};
	snprintf(st->edit.text, sizeof(st->edit.text), "%s", text);
	st->edit.len = st->edit.at = strlen(st->edit.text);
}

/* ---- keys --------------------------------------------------------------------------------------
 */

static enum top_action press_help(struct top_state *st, uint32_t key)
{
	switch (key) {
	case TOP_KEY_DOWN:
	case 'j':
		st->help_first++; /* who draws it knows where it ends */
		break;
	case TOP_KEY_UP:
	case 'k':
		st->help_first -= st->help_first > 0;
		break;
	case TOP_KEY_PAGE_DOWN:
	case ' ':
		st->help_first += LEAP;
		break;
	case TOP_KEY_PAGE_UP:
		st->help_first -= st->help_first > LEAP ? LEAP : st->help_first;
		break;
	default: /* any other key goes back to the rows */
		st->mode = TOP_MODE_ROWS;
		break;
	}
	return TOP_NOTHING;
}

static enum top_action enter(struct top_state *st, const struct top_item *row)
{
	if (!row)
		return TOP_NOTHING;
	switch (top_state_view(st)) {
	case TOP_PROCESSES:
		return show_process(st, row->name);
	case TOP_THREADS:
		return show_process(st, row->process);
	case TOP_TREE:
		st->target = row->key;
		return !row->has_children ? TOP_NOTHING : row->unfolded ? TOP_FOLD : TOP_UNFOLD;
	case TOP_CALLERS:
		return row->role == TOP_ROLE_SELF ? TOP_NOTHING : top_state_focus(st, row->key);
	default:
		return top_state_focus(st, row->key);
	}
}

/* The row above that the row at the cursor hangs on. */
static void go_to_parent(struct top_state *st, const struct top_page *page)
{
	const unsigned depth = page->rows[st->cursor].depth;
	size_t row = st->cursor;

	while (row && page->rows[row].depth >= depth)
		row--;
	go_to(st, page, row);
}

static enum top_action sideways(struct top_state *st, const struct top_page *page, bool right)
{
	const struct top_item *row = row_at_cursor(st, page);

	if (top_state_view(st) != TOP_TREE || !row)
		return TOP_NOTHING;
	st->target = row->key;
	if (right && row->has_children && !row->unfolded)
		return TOP_UNFOLD;
	if (right && row->has_children)
		go_to(st, page, st->cursor + 1);
	if (!right && row->has_children && row->unfolded)
		return TOP_FOLD;
	if (!right && row->depth)
		go_to_parent(st, page);
	return TOP_NOTHING;
}

static enum top_action back(struct top_state *st)
{
	if (st->n_focus)
		return top_state_focus(st, 0);
	if (!st->filter[0])
		return TOP_NOTHING;
	st->filter[0] = '\0';
	go_to_top(st);
	return TOP_REFRESH;
}

/* Of a file's time. False: not one of these keys. */
static bool press_replay(struct top_state *st, uint32_t key, enum top_action *action)
{
	switch (key) {
	case '[':
	case ',':
		st->steps = -1;
		break;
	case ']':
	case '.':
		st->steps = 1;
		break;
	case '{':
		st->steps = -LEAP;
		break;
	case '}':
		st->steps = LEAP;
		break;
	default:
		return false;
	}
	*action = st->replay ? TOP_STEP : TOP_NOTHING;
	return st->replay;
}

static bool press_move(struct top_state *st, const struct top_page *page, uint32_t key)
{
	const size_t leap = st->page_rows ? st->page_rows : 1;

	switch (key) {
	case TOP_KEY_UP:
	case 'k':
		go_to(st, page, st->cursor ? st->cursor - 1 : 0);
		return true;
	case TOP_KEY_DOWN:
	case 'j':
		go_to(st, page, st->cursor + 1);
		return true;
	case TOP_KEY_PAGE_UP:
	case CTRL_B:
		go_to(st, page, st->cursor > leap ? st->cursor - leap : 0);
		return true;
	case TOP_KEY_PAGE_DOWN:
	case CTRL_F:
		go_to(st, page, st->cursor + leap);
		return true;
	case TOP_KEY_HOME:
	case 'g':
		go_to(st, page, 0);
		return true;
	case TOP_KEY_END:
	case 'G':
		go_to(st, page, SIZE_MAX);
		return true;
	default:
		return false;
	}
}

static bool press_view(struct top_state *st, uint32_t key, enum top_action *action)
{
	const enum top_view lines = st->view == TOP_LINES ? TOP_FUNCTIONS : TOP_LINES;

	if (key >= TOP_KEY_F1 + 1 && key <= TOP_KEY_F1 + TABS)
		*action = show(st, (enum top_view)(key - TOP_KEY_F1 - 1));
	else if (key == TOP_KEY_TAB)
		*action = show(st, (st->view + 1) % TABS);
	else if (key == TOP_KEY_BACK_TAB)
		*action = show(st, (st->view + TABS - 1) % TABS);
	else if (key == 'f')
		*action = show(st, TOP_FUNCTIONS);
	else if (key == 'l' || key == 'L')
		*action = show(st, lines);
	else if (key == 'p')
		*action = show(st, TOP_PROCESSES);
	else if (key == 't')
		*action = show(st, TOP_THREADS);
	else if (key == 'c')
		*action = show(st, TOP_TREE);
	else if (key >= '1' && key < '1' + TOP_SORTS)
		*action = order(st, (enum top_sort)(key - '1'));
	else if (key == '<' || key == '>')
		*action = order_beside(st, key == '<' ? -1 : 1);
	else
		return false;
	return true;
}

static enum top_action press_tree(
	struct top_state *st, const struct top_page *page, bool all, bool unfold)
{
	const struct top_item *row = row_at_cursor(st, page);

	if (top_state_view(st) != TOP_TREE || !row || !row->has_children)
		return TOP_NOTHING;
	st->target = row->key;
	return all ? TOP_UNFOLD_ALL : unfold ? TOP_UNFOLD : TOP_FOLD;
}

static enum top_action press_other(struct top_state *st, const struct top_page *page, uint32_t key)
{
	const struct top_item *row = row_at_cursor(st, page);
	const enum top_view view = top_state_view(st);

	switch (key) {
	case TOP_KEY_LEFT:
	case TOP_KEY_RIGHT:
		return sideways(st, page, key == TOP_KEY_RIGHT);
	case '*':
		return press_tree(st, page, true, true);
	case 'o':
		return row && view != TOP_PROCESSES && view != TOP_THREADS
			       ? top_state_focus(st, row->key)
			       : TOP_NOTHING;
	case TOP_KEY_BACKSPACE:
	case '\b':
	case TOP_KEY_ESCAPE:
		return back(st);
	case 'i':
	case 'I':
		st->reverse[view] = !st->reverse[view];
		go_to_top(st);
		return TOP_REFRESH;
	case 'e':
		return span(st);
	case '/':
		top_state_edit(st, TOP_MODE_FILTER, st->filter);
		return TOP_NOTHING;
	case 'h':
	case '?':
	case TOP_KEY_F1:
		st->mode = TOP_MODE_HELP;
		st->help_first = 0;
		return TOP_NOTHING;
	default:
		return TOP_NOTHING;
	}
}

static enum top_action press_rows(struct top_state *st, const struct top_page *page, uint32_t key)
{
	enum top_action action = TOP_NOTHING;

	if (press_move(st, page, key) || press_view(st, key, &action) ||
		press_replay(st, key, &action))
		return action;
	switch (key) {
	case TOP_KEY_ENTER:
	case '\n':
		return enter(st, row_at_cursor(st, page));
	case ' ':
		st->paused = !st->paused;
		return TOP_PAUSE;
	case 'z':
	case 'r':
	case 'R':
		return TOP_RESET;
	case '+':
	case '=':
		return TOP_FASTER;
	case '-':
		return TOP_SLOWER;
	case 's':
	case 'S':
		return TOP_ASK_SAVE;
	case 'd':
		top_state_edit(st, TOP_MODE_DELAY, "");
		return TOP_NOTHING;
	case 'q':
	case 'Q':
	case TOP_KEY_F1 + 9:
		return TOP_QUIT;
	case CTRL_L:
		return TOP_REPAINT;
	default:
		return press_other(st, page, key);
	}
}

enum top_action top_state_press(struct top_state *st, const struct top_page *page, uint32_t key)
{
	st->message[0] = '\0';
	switch (st->mode) {
	case TOP_MODE_HELP:
		return press_help(st, key);
	case TOP_MODE_FILTER:
		return press_filter(st, key == '\n' ? TOP_KEY_ENTER : key);
	case TOP_MODE_SAVE:
	case TOP_MODE_DELAY:
		return press_line(st, key == '\n' ? TOP_KEY_ENTER : key);
	case TOP_MODE_ROWS:
	default:
		return press_rows(st, page, key);
	}
}

/* ---- the rest ----------------------------------------------------------------------------------
 */

enum top_sort top_usual_sort(enum top_view view)
{
	return view == TOP_FUNCTIONS || view == TOP_LINES ? TOP_BY_SELF : TOP_BY_TOTAL;
}

void top_state_init(struct top_state *st, enum top_view view, size_t page_rows)
{
	*st = (struct top_state){.view = view, .page_rows = page_rows};
	for (int i = 0; i < TOP_VIEWS; i++)
		st->sort[i] = top_usual_sort((enum top_view)i);
}

void top_state_say(struct top_state *st, bool bad, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(st->message, sizeof(st->message), fmt, ap);
	va_end(ap);
	st->message_bad = bad;
}
