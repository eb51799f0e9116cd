/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/top/top_canvas.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/terminal.h"

enum { FORMAT_BYTES = 512, HOSTILE_BYTES = 4096 };

static struct top_cell *cell_at(const struct top_canvas *cv, int line, int column)
{
	return &cv->cells[(size_t)line * (size_t)cv->columns + (size_t)column];
}

int top_canvas_begin(struct top_canvas *cv, int lines, int columns)
{
	const size_t n = (size_t)lines * (size_t)columns;
	struct top_cell *cells = cv->cells;

	if (lines != cv->lines || columns != cv->columns || !cells)
		cells = realloc(cv->cells, (n ? n : 1) * sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	*cv = (struct top_canvas){.lines = lines,
		.columns = columns,
		.cells = cells,
		.selected = -1,
		.cursor_line = -1,
		.cursor_column = -1};
	memset(cells, 0, n * sizeof(*cells));
	for (size_t i = 0; i < n; i++) {
		cells[i].text[0] = L' ';
		cells[i].width = 1;
	}
	return 0;
}

void top_canvas_free(struct top_canvas *cv)
{
	free(cv->cells);
	*cv = (struct top_canvas){0};
}

/* What combines with the character before it goes into that one's cell, as far as there is room. */
static void combine(struct top_canvas *cv, int line, int column, wchar_t c)
{
	struct top_cell *cell = cell_at(cv, line, column);
	size_t n;

	if (!cell->width && column)
		cell--;
	n = wcslen(cell->text);
	if (n + 1 < TOP_CELL_CHARS)
		cell->text[n] = c;
}

static void set_cell(
	struct top_canvas *cv, int line, int column, wchar_t c, int width, enum top_style style)
{
	struct top_cell *cell = cell_at(cv, line, column);

	*cell = (struct top_cell){.style = (uint8_t)style, .width = (uint8_t)width};
	cell->text[0] = c;
	if (width == 2)
		cell[1] = (struct top_cell){.style = (uint8_t)style};
}

int top_put(struct top_canvas *cv, int line, int column, int width, enum top_style style,
	const char *text)
{
	const size_t len = strlen(text);
	mbstate_t state = {0};
	int used = 0;

	if (line < 0 || line >= cv->lines || column < 0)
		return 0;
	if (width > cv->columns - column)
		width = cv->columns - column;
	for (size_t at = 0; at < len;) {
		wchar_t c;
		size_t n = mbrtowc(&c, text + at, len - at, &state);
		int wide = n && n <= len - at ? wcwidth(c) : -1;

		if (wide < 0) { /* our own text has none; whatever it is, it does no harm */
			c = L'?';
			n = wide = 1;
			state = (mbstate_t){0};
		}
		if (used + wide > width)
			break;
		if (wide)
			set_cell(cv, line, column + used, c, wide, style);
		else if (used)
			combine(cv, line, column + used - 1, c);
		used += wide;
		at += n;
	}
	return used;
}

int top_put_hostile(struct top_canvas *cv, int line, int column, int width, enum top_style style,
	const char *text)
{
	char clean[HOSTILE_BYTES];

	if (width > cv->columns - column)
		width = cv->columns - column;
	if (width <= 0)
		return 0;
	terminal_text(text, (size_t)width, clean, sizeof(clean));
	return top_put(cv, line, column, width, style, clean);
}

int top_put_format(struct top_canvas *cv, int line, int column, int width, enum top_style style,
	const char *fmt, ...)
{
	char text[FORMAT_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return top_put(cv, line, column, width, style, text);
}

void top_tint(struct top_canvas *cv, int line, int column, int width, enum top_style style)
{
	if (line < 0 || line >= cv->lines || column < 0)
		return;
	for (int i = column; i < cv->columns && i < column + width; i++)
		cell_at(cv, line, i)->style = (uint8_t)style;
}

void top_canvas_text(const struct top_canvas *cv, int line, char *to, size_t bytes)
{
	size_t len = 0, end = 0;

	for (int column = 0; column < cv->columns; column++) {
		const struct top_cell *cell = cell_at(cv, line, column);

		for (const wchar_t *c = cell->text; cell->width && *c; c++) {
			char one[16];
			size_t n = wcrtomb(one, *c, &(mbstate_t){0});

			if (n == (size_t)-1 || len + n + 1 > bytes)
				continue;
			memcpy(to + len, one, n);
			len += n;
			if (*c != L' ')
				end = len;
		}
	}
	to[end] = '\0';
}
