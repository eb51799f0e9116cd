/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a flamegraph back: that it is XML, its drawn bars, its data. */
#ifndef PROFD_TESTS_UNIT_SVG_READER_H
#define PROFD_TESTS_UNIT_SVG_READER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <ctype.h>

#include "render/render.h"

enum { PLOT_MILLI = 1180000, NARROW_MILLI = 300, ROW = 18, ROWS_MAX = 8192 };

static inline char *render_svg(const struct profile *p)
{
	struct err err = {0};
	struct buf out;

	buf_init(&out, 1 << 30);
	if (render_format_find("flamegraph")->render(p, &out, &err) < 0)
		fail_msg("%s", err.text);
	return out.data;
}

static inline size_t occurrences(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

/* ---- a reader of the XML that we write: elements, attributes in double quotes, CDATA, entities
 * ---- */

static inline const char *name_end(const char *s)
{
	while (isalnum((unsigned char)*s) || strchr(":-_", *s))
		if (!*s++)
			return s - 1;
	return s;
}

static inline void check_entity(const char *s)
{
	static const char *const known[] = {"&lt;", "&gt;", "&amp;", "&quot;", "&#39;"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strncmp(s, known[i], strlen(known[i])))
			return;
	fail_msg("not an entity: %.20s", s);
}

/* Behind the tag; *delta is how it changes the depth. */
static inline const char *check_tag(const char *s, char stack[][32], int *depth)
{
	const char *end;
	size_t n;

	if (!strncmp(s, "<![CDATA[", 9)) {
		s = strstr(s, "]]>");
		assert_non_null(s);
		return s + 3;
	}
	if (s[1] == '/') {
		n = strlen(stack[--*depth]);
		assert_true(*depth >= 0 && !strncmp(s + 2, stack[*depth], n) && s[2 + n] == '>');
		return s + 3 + n;
	}
	end = name_end(s + 1);
	n = (size_t)(end - s - 1);
	assert_true(n > 0 && n < 32 && *depth < 15);
	memcpy(stack[*depth], s + 1, n);
	stack[(*depth)++][n] = '\0';
	while (*end == ' ') {
		end = name_end(end + 1);
		assert_true(end[0] == '=' && end[1] == '"');
		for (end += 2; *end != '"'; end++) {
			assert_true(*end && *end != '<');
			if (*end == '&')
				check_entity(end);
		}
		end++;
	}
	if (*end == '/') {
		(*depth)--;
		end++;
	}
	assert_int_equal(*end, '>');
	return end + 1;
}

static inline void check_xml(const char *s)
{
	static const char declaration[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
	char stack[16][32];
	int depth = 0;

	for (const char *c = s; *c; c++)
		assert_true((unsigned char)*c >= 0x20 || strchr("\n\t", *c));
	assert_int_equal(strncmp(s, declaration, sizeof(declaration) - 1), 0);
	s += sizeof(declaration) - 1;
	while (*s) {
		if (*s == '<') {
			s = check_tag(s, stack, &depth);
			continue;
		}
		if (*s == '&')
			check_entity(s);
		assert_true(strncmp(s, "]]>", 3) != 0);
		assert_true(depth > 0 || isspace((unsigned char)*s));
		s++;
	}
	assert_int_equal(depth, 0);
}

/* ---- the drawn bars -----------------------------------------------------------------------------
 */

struct bars {
	uint64_t width[ROWS_MAX]; /* thousandths of a px, by depth */
	uint64_t n, fillers, narrow_frames, hidden_frames;
};

static inline uint64_t attribute_milli(const char *tag, const char *name)
{
	char key[16];
	unsigned long long whole, part = 0;
	int digits = 0;
	const char *s;

	snprintf(key, sizeof(key), " %s=\"", name);
	s = strstr(tag, key);
	assert_non_null(s);
	whole = strtoull(s + strlen(key), (char **)&s, 10);
	if (*s == '.')
		for (s++; isdigit((unsigned char)*s); s++, digits++)
			part = part * 10 + (unsigned)(*s - '0');
	for (; digits < 3; digits++)
		part *= 10;
	return whole * 1000 + part;
}

static inline void read_bars(const char *svg, struct bars *bars)
{
	const char *s = strstr(svg, "<g class=\"bars\">"),
		   *stop = strstr(svg, "<g class=\"labels\">");
	uint64_t base = 0;

	memset(bars, 0, sizeof(*bars));
	assert_true(s && stop);
	while ((s = strstr(s, "<rect ")) && s < stop) {
		uint64_t y = attribute_milli(s, "y") / 1000, depth;

		if (!bars->n++)
			base = y;
		depth = (base - y) / ROW;
		assert_true(depth < ROWS_MAX && (base - y) % ROW == 0);
		bars->width[depth] += attribute_milli(s, "width");
		if (!strncmp(s, "<rect class=\"f", 14)) {
			unsigned long long frames, all;

			bars->fillers++;
			assert_int_equal(
				sscanf(strstr(s, "<title>"),
					"<title>%llu %*s too narrow to draw, %llu", &frames, &all),
				2);
			bars->narrow_frames += frames;
			bars->hidden_frames += all;
		}
		s++;
	}
}

/* ---- the data block, read back
 * -------------------------------------------------------------------- */

struct data {
	uint64_t *numbers;
	size_t n;
};

static inline int digit_of(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static inline struct data read_data(const char *svg, const char *class)
{
	struct data d = {.numbers = calloc(strlen(svg), sizeof(uint64_t))};
	char open[64];

	assert_non_null(d.numbers);
	snprintf(open, sizeof(open), "<metadata class=\"%s\">", class);
	for (const char *s = svg; (s = strstr(s, open));) {
		unsigned shift = 0;
		int digit;

		for (s += strlen(open); (digit = digit_of(*s)) >= 0; s++) {
			d.numbers[d.n] |= (uint64_t)(digit & 31) << shift;
			shift += 5;
			if (digit < 32) {
				d.n++;
				shift = 0;
			}
		}
		assert_int_equal(shift, 0);
		assert_int_equal(*s, '<');
	}
	return d;
}

struct sums {
	uint64_t nodes, samples[ROWS_MAX], weight_ns[ROWS_MAX]; /* self, by depth */
};

static inline void sum_data(const char *svg, struct sums *sums)
{
	struct data d = read_data(svg, "nodes");
	uint64_t depth = 0;

	memset(sums, 0, sizeof(*sums));
	for (size_t i = 0; i < d.n; sums->nodes++) {
		uint64_t packed;

		depth = i ? depth + 1 - d.numbers[i + 1] : 0;
		packed = d.numbers[i + 2];
		i += 3;
		assert_true(depth < ROWS_MAX);
		sums->samples[depth] += packed >> 1;
		if (packed & 1)
			sums->weight_ns[depth] += d.numbers[i++];
	}
	free(d.numbers);
}

static inline void sum_profile(const struct profile *p, struct sums *sums)
{
	uint32_t *depth = calloc(p->n_nodes, sizeof(*depth));

	memset(sums, 0, sizeof(*sums));
	sums->nodes = p->n_nodes;
	for (uint32_t i = 0; i < p->n_nodes; i++) {
		depth[i] = i ? depth[p->nodes[i].parent] + 1 : 0;
		sums->samples[depth[i]] += p->nodes[i].self_samples;
		sums->weight_ns[depth[i]] += p->nodes[i].self_weight_ns;
	}
	free(depth);
}

#endif
