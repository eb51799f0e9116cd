/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside `profd top`: a picture of the screen as cells of characters, which is drawn without a
 * terminal and shown by top_screen. Only harmless text comes into it. */
#ifndef PROFD_CLI_TOP_CANVAS_H
#define PROFD_CLI_TOP_CANVAS_H

#include <stddef.h>
#include <stdint.h>
#include <wchar.h>

enum top_style {
	TOP_STYLE_PLAIN,
	TOP_STYLE_DIM,
	TOP_STYLE_BOLD,
	TOP_STYLE_BADGE,   /* profd's own name */
	TOP_STYLE_STATE,   /* paused, ended, ... */
	TOP_STYLE_BAD,     /* lost samples, errors */
	TOP_STYLE_METER,   /* the filled part of a bar */
	TOP_STYLE_TAB,     /* a view */
	TOP_STYLE_TAB_ON,  /* that is shown */
	TOP_STYLE_HEAD,    /* of a column */
	TOP_STYLE_HEAD_ON, /* by which the rows are ordered */
	TOP_STYLE_WARM,    /* a share that counts */
	TOP_STYLE_HOT,     /* one that matters */
	TOP_STYLE_TREND,
	TOP_STYLE_PYTHON,
	TOP_STYLE_NATIVE,
	TOP_STYLE_INLINED,
	TOP_STYLE_JIT,
	TOP_STYLE_KERNEL,
	TOP_STYLE_NOTE,
	TOP_STYLE_PROCESS,
	TOP_STYLE_KEY, /* in the line of keys and in the help */
	TOP_STYLE_PROMPT,
	TOP_STYLES
};

enum { TOP_CELL_CHARS = 4 };

/* A column of a line. What is two columns wide has an empty cell (`width` 0) behind it. */
struct top_cell {
	wchar_t text[TOP_CELL_CHARS]; /* a character, what combines with it, and 0 */
	uint8_t style, width;
	uint16_t unused; /* 0, so that cells can be compared byte by byte */
};

struct top_canvas {
	int lines, columns;
	struct top_cell *cells;         /* [lines * columns] */
	int selected;                   /* the line with the cursor of the rows; -1: none */
	int cursor_line, cursor_column; /* of what is typed; -1: none */
};

/* As large as it says and empty; 0 or -ENOMEM. What it held before is gone, but its memory is used
 * again: begin with zeroes. */
int top_canvas_begin(struct top_canvas *cv, int lines, int columns);
void top_canvas_free(struct top_canvas *cv);

/* Puts text from a column on, at most `width` columns and never over the edge. Returns how many
 * columns it took. top_put() takes text of our own and what terminal_text() has made harmless; it
 * does not cut within a wide character. */
int top_put(struct top_canvas *cv, int line, int column, int width, enum top_style style,
	const char *text);
int top_put_hostile(struct top_canvas *cv, int line, int column, int width, enum top_style style,
	const char *text);
int top_put_format(struct top_canvas *cv, int line, int column, int width, enum top_style style,
	const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* One style for `width` columns, blanks in them kept as they are. */
void top_tint(struct top_canvas *cv, int line, int column, int width, enum top_style style);

/* A line as text, without blanks at its end; cut where it does not fit. */
void top_canvas_text(const struct top_canvas *cv, int line, char *to, size_t bytes);

#endif
