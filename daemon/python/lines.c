/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/lines.h"

#include <stdlib.h>

enum {
	CODE_UNIT = 2,
	FORM_ONE_LINE = 10, /* 10 .. 12: the line moves by 0 .. 2; two bytes of columns */
	FORM_NO_COLUMNS = 13,
	FORM_LONG = 14,
	FORM_NO_LOCATION = 15,
};

/* Up to `end` (in bytes, exclusive) from the end of the range before: `line`. */
struct line_range {
	uint32_t end, line;
};

struct lines {
	size_t n;
	struct line_range ranges[];
};

struct reader {
	const uint8_t *at, *end;
};

/* Six bits a byte, the lowest first; bit 6: more follow. */
static uint32_t read_varint(struct reader *r)
{
	uint64_t v = 0;
	unsigned shift = 0;

	while (r->at < r->end && shift < 36) {
		uint8_t b = *r->at++;

		v |= (uint64_t)(b & 63) << shift;
		shift += 6;
		if (!(b & 64))
			break;
	}
	return (uint32_t)v;
}

/* Sign in bit 0. */
static int64_t read_signed(struct reader *r)
{
	uint32_t v = read_varint(r);

	return v & 1 ? -(int64_t)(v >> 1) : (int64_t)(v >> 1);
}

static void skip(struct reader *r, size_t bytes)
{
	r->at = (size_t)(r->end - r->at) < bytes ? r->end : r->at + bytes;
}

/* What follows the first byte of an entry; returns by how much the line moves. */
static int64_t read_entry(struct reader *r, unsigned form)
{
	int64_t delta;

	if (form < FORM_ONE_LINE) {
		skip(r, 1);
		return 0;
	}
	if (form < FORM_NO_COLUMNS) {
		skip(r, 2);
		return form - FORM_ONE_LINE;
	}
	if (form == FORM_NO_LOCATION)
		return 0;
	delta = read_signed(r);
	if (form == FORM_LONG)
		for (int i = 0; i < 3; i++) /* lines to the end, column, column at the end */
			read_varint(r);
	return delta;
}

static void add(struct lines *l, uint32_t end, uint32_t line)
{
	if (l->n && l->ranges[l->n - 1].line == line)
		l->ranges[l->n - 1].end = end;
	else
		l->ranges[l->n++] = (struct line_range){end, line};
}

struct lines *lines_decode(const uint8_t *table, size_t bytes, uint32_t first_line)
{
	struct lines *l = malloc(sizeof(*l) + bytes * sizeof(*l->ranges)), *fit;
	struct reader r = {table, table + bytes};
	int64_t line = first_line;
	uint32_t offset = 0;

	if (!l)
		return NULL;
	l->n = 0;
	while (r.at < r.end &&
		*r.at & 0x80) { /* the first byte of an entry, and no other, has bit 7 */
		unsigned form = *r.at >> 3 & 15;

		offset += ((*r.at++ & 7) + 1U) * CODE_UNIT;
		line += read_entry(&r, form);
		add(l, offset,
			form == FORM_NO_LOCATION || line < 0 || line > INT32_MAX ? 0
										 : (uint32_t)line);
	}
	fit = realloc(l, sizeof(*l) + l->n * sizeof(*l->ranges));
	return fit ? fit : l;
}

uint32_t lines_find(const struct lines *l, uint32_t offset)
{
	size_t low = 0, n = l->n;

	while (n) { /* the first range that ends beyond the offset */
		size_t half = n / 2;

		if (l->ranges[low + half].end <= offset) {
			low += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return low < l->n ? l->ranges[low].line : 0;
}

size_t lines_bytes(const struct lines *l)
{
	return sizeof(*l) + l->n * sizeof(*l->ranges);
}
