/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables for people: numbers, a name, its place and its kind in columns, and the lines above and
 * below them. What the rows are is told by who asks (table_text.c: a report, diff_text.c: what
 * changed). What is too wide for the reader's terminal loses first its kind, then its place, then
 * columns of numbers; names and places are cut before that. */
#ifndef PROFD_RENDER_TABLE_LAYOUT_H
#define PROFD_RENDER_TABLE_LAYOUT_H

#include "render/table.h"

enum {
	COLUMNS_MIN = 24,   /* the narrowest table; a narrower terminal gets this one */
	COLUMNS_MAX = 4096, /* of one cell, where nothing else limits it */
	NUMBER_BYTES = 32,
	LAYOUT_NUMBERS = 5,
	FACTS_BYTES = 16384,
};

/* Parameters of SGR (ECMA-48, 8.3.117). */
#define LAYOUT_BOLD "1"
#define LAYOUT_DIM  "2"

/* One row. */
struct layout_cells {
	char numbers[LAYOUT_NUMBERS][NUMBER_BYTES];
	const char *name, *file, *module; /* hostile */
	uint32_t line;
	enum frame_kind kind;
	bool name_is_path; /* cut at the front */
	const char
		*colour; /* SGR of the whole line, then of the name alone by its kind; "": none */
};

/* A column of numbers; they stand on the right of it. */
struct layout_column {
	const char *title;
	unsigned least;  /* columns at least, where it is there at all */
	unsigned gap;    /* blanks before it */
	unsigned leaves; /* which ones go first where there is no room: 1, then 2; 0: it stays */
	bool dim;
	unsigned width; /* 0: left out. Made by layout_make() */
};

/* Widths are columns; 0 is a column that is left out. All columns but those of numbers stand two
 * blanks behind what is before them. */
struct layout {
	const struct table_style *style;
	struct layout_column numbers[LAYOUT_NUMBERS]; /* without a title: none */
	const char *title;                            /* of the names */
	size_t n_rows;
	void (*cells)(const struct layout *l, size_t i, struct layout_cells *out);
	const void *of; /* for `cells` */
	unsigned name, where, kind;
	struct buf where_text; /* holds "file:line" of the row that is drawn */
};

static inline unsigned wider(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

static inline unsigned narrower(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* All but the widths is set, `where_text` is zero. Makes the widths; to be freed by layout_free().
 */
void layout_make(struct layout *l);
void layout_free(struct layout *l);

void layout_put_titles(const struct layout *l, struct buf *out);
void layout_put_rows(struct layout *l, struct buf *out);

/* ---- texts of numbers: `to` has NUMBER_BYTES ---- */

/* "41.2%"; what is there but would be rounded away is "<0.1%". `digits` behind the point: 1 or 2.
 */
void layout_share(char *to, double share, int digits);
/* Half an interval, rounded up: an error is never shown as less than it is. Negative: nothing. */
void layout_error(char *to, double error, int digits);
void layout_count(char *to, uint64_t n);
/* Two digits where one would make all shares look alike. */
int layout_digits(double largest_share);

/* ---- lines above and below ---- */

/* One line, cut where it is too wide. */
void layout_put_line(
	const struct table_style *style, const char *text, const char *sgr, struct buf *out);
/* Our own words, dim, on as many lines as they need. Changes `text`. */
void layout_put_wrapped(const struct table_style *style, char *text, struct buf *out);
/* Facts, each ended by a newline, on as few lines as the width allows, in one piece where they can
 * be. */
void layout_put_facts(const struct table_style *style, char *facts, struct buf *out);
/* "20 of 340 functions; --limit 0 shows all", where it is so. */
void layout_put_limit(const struct table_style *style, size_t n_rows, size_t n_all,
	enum report_by by, struct buf *out);

const char *layout_title(enum report_by by); /* "FUNCTION" */
const char *layout_many(enum report_by by);  /* "functions" */
const char *layout_one(enum report_by by);   /* "function" */

#endif
