/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/table.h"

#include <string.h>

#include "render/text.h"
#include "render/width.h"

enum { MARKS_MAX = 4 }; /* on one letter; no language needs more */

/* A walk over the characters of a name. */
struct walk {
	const char *at;
	unsigned marks; /* on the letter before */
};

/* The start of a cell is no letter that a mark could stand on. */
static struct walk walk_start(const char *s)
{
	return (struct walk){.at = s, .marks = MARKS_MAX};
}

/* The next character as it is shown, and its width. */
static uint32_t walk_next(struct walk *w, unsigned *width)
{
	uint32_t c = text_next(&w->at);
	int columns = character_width(c);

	if (columns < 0 || (columns == 0 && w->marks == MARKS_MAX)) {
		c = TEXT_REPLACED;
		columns = 1;
	}
	w->marks = columns ? 0 : w->marks + 1;
	*width = (unsigned)columns;
	return c;
}

unsigned cell_width(const char *s, unsigned most)
{
	struct walk w = walk_start(s);
	unsigned used = 0, width;

	while (*w.at && used <= most) {
		walk_next(&w, &width);
		used += width;
	}
	return used;
}

/* Appends from `s` on what fits, and nothing that would show that something did not. */
static unsigned put(struct buf *b, const char *s, unsigned columns)
{
	struct walk w = walk_start(s);
	unsigned used = 0, width;

	while (*w.at) {
		uint32_t c = walk_next(&w, &width);

		if (used + width > columns)
			break;
		text_put(b, c);
		used += width;
	}
	return used;
}

unsigned cell_put(struct buf *b, const char *s, unsigned columns)
{
	unsigned used;

	if (!columns)
		return 0;
	if (cell_width(s, columns) <= columns)
		return put(b, s, columns);
	used = put(b, s, columns - 1);
	buf_puts(b, "\u2026");
	return used + 1;
}

unsigned cell_put_end(struct buf *b, const char *s, unsigned columns)
{
	struct walk w = walk_start(s);
	unsigned left, width;
	const char *part;

	if (!columns)
		return 0;
	left = cell_width(s, UINT32_MAX / 2);
	if (left <= columns)
		return put(b, s, columns);
	while (*w.at && left > columns - 1) {
		walk_next(&w, &width);
		left -= width;
	}
	while (*w.at && w.marks < MARKS_MAX) { /* a mark stays with its letter */
		struct walk ahead = w;

		walk_next(&ahead, &width);
		if (width)
			break;
		w = ahead;
	}
	part = strchr(w.at, '/');
	buf_puts(b, "\u2026");
	return 1 + put(b, part && part[1] ? part : w.at, columns - 1);
}
