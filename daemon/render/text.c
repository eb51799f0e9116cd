/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/text.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"

/* Follows Unicode 15, table 3-7 (well-formed UTF-8 byte sequences). */
uint32_t text_next(const char **s)
{
	const unsigned char *p = (const unsigned char *)*s;
	uint32_t c = p[0];
	unsigned char low = 0x80, high = 0xbf;
	int more;

	if (!c)
		return 0;
	(*s)++;
	if (c < 0x80)
		return c;
	if (c < 0xc2 || c > 0xf4)
		return TEXT_REPLACED;
	more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	c &= 0x3fu >> more;
	for (int i = 1; i <= more; i++) {
		if (p[i] < low || p[i] > high)
			return TEXT_REPLACED;
		c = c << 6 | (p[i] & 0x3f);
		low = 0x80;
		high = 0xbf;
	}
	*s += more;
	return c;
}

void text_put(struct buf *b, uint32_t c)
{
	char bytes[4];
	size_t n;

	if (c < 0x80) {
		bytes[0] = (char)c;
		n = 1;
	} else if (c < 0x800) {
		bytes[0] = (char)(0xc0 | c >> 6);
		bytes[1] = (char)(0x80 | (c & 0x3f));
		n = 2;
	} else if (c < 0x10000) {
		bytes[0] = (char)(0xe0 | c >> 12);
		bytes[1] = (char)(0x80 | (c >> 6 & 0x3f));
		bytes[2] = (char)(0x80 | (c & 0x3f));
		n = 3;
	} else {
		bytes[0] = (char)(0xf0 | c >> 18);
		bytes[1] = (char)(0x80 | (c >> 12 & 0x3f));
		bytes[2] = (char)(0x80 | (c >> 6 & 0x3f));
		bytes[3] = (char)(0x80 | (c & 0x3f));
		n = 4;
	}
	buf_add(b, bytes, n);
}

static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

/* Marks, embeddings, overrides and isolates of the Unicode bidirectional algorithm (UAX 9, section
 * 2): a name that holds one could make what stands beside it read backwards. */
static bool turns_direction(uint32_t c)
{
	return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

static uint32_t shown(uint32_t c)
{
	if (is_control(c) || turns_direction(c) || c == 0xfffe || c == 0xffff)
		return TEXT_REPLACED;
	return c;
}

/* How many bytes from `s` on are printable ASCII and none of `special`: copied as they are. */
static size_t plain_bytes(const char *s, const char *special)
{
	size_t n = 0;

	while (s[n] >= 0x20 && s[n] < 0x7f && !strchr(special, s[n]))
		n++;
	return n;
}

static void put_xml(struct buf *b, uint32_t c)
{
	if (c == '<')
		buf_puts(b, "&lt;");
	else if (c == '>')
		buf_puts(b, "&gt;");
	else if (c == '&')
		buf_puts(b, "&amp;");
	else if (c == '"')
		buf_puts(b, "&quot;");
	else if (c == '\'')
		buf_puts(b, "&#39;");
	else
		text_put(b, shown(c));
}

void text_xml(struct buf *b, const char *s)
{
	while (*s) {
		size_t n = plain_bytes(s, "<>&\"'");

		buf_add(b, s, n);
		s += n;
		if (*s)
			put_xml(b, text_next(&s));
	}
}

/* Columns of a fixed-width font; from Hangul Jamo on most scripts are two wide. Too wide is
 * harmless. */
static unsigned cells_of(uint32_t c)
{
	return c >= 0x1100 && c != TEXT_REPLACED ? 2 : 1;
}

void text_xml_cut(struct buf *b, const char *s, unsigned cells)
{
	const char *end = s,
		   *cut = s; /* behind what fits, and behind what fits beside an ellipsis */
	unsigned used = 0;

	for (const char *at = s; *at && used <= cells;) {
		used += cells_of(shown(text_next(&at)));
		if (used <= cells)
			end = at;
		if (used < cells)
			cut = at;
	}
	if (used > cells)
		end = cut;
	while (s < end)
		put_xml(b, text_next(&s));
	if (used > cells)
		text_put(b, 0x2026);
}

void text_json(struct buf *b, const char *s)
{
	buf_putc(b, '"');
	while (*s) {
		size_t n = plain_bytes(s, "<>&\"\\");
		uint32_t c;

		buf_add(b, s, n);
		s += n;
		if (!*s)
			break;
		c = shown(text_next(&s));
		if (c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c == 0x2028 ||
			c == 0x2029)
			buf_printf(b, "\\u%04x", c);
		else
			text_put(b, c);
	}
	buf_putc(b, '"');
}

void text_folded(struct buf *b, const char *s)
{
	while (*s) {
		size_t n = plain_bytes(s, ";");
		uint32_t c;

		buf_add(b, s, n);
		s += n;
		if (!*s)
			break;
		c = text_next(&s);
		if (c == ';')
			c = ':';
		else if (is_control(c) || c == 0x2028 || c == 0x2029)
			c = '?';
		text_put(b, c);
	}
}

void text_count(struct buf *b, uint64_t n)
{
	char digits[32];
	size_t at = sizeof(digits), written = 0;

	do {
		if (written && written % 3 == 0)
			digits[--at] = ',';
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
		written++;
	} while (n);
	buf_add(b, digits + at, sizeof(digits) - at);
}

void text_time(struct buf *b, uint64_t ns)
{
	uint64_t s = ns / NS_PER_S;

	if (!ns)
		buf_puts(b, "0 s");
	else if (s >= 7200)
		buf_printf(b, "%llu h %02llu min", (unsigned long long)(s / 3600),
			(unsigned long long)(s / 60 % 60));
	else if (s >= 120)
		buf_printf(b, "%llu min %02llu s", (unsigned long long)(s / 60),
			(unsigned long long)(s % 60));
	else if (s >= 1)
		buf_printf(b, "%.2f s", (double)ns / 1e9);
	else if (ns >= NS_PER_MS)
		buf_printf(b, "%.1f ms", (double)ns / 1e6);
	else
		buf_printf(b, "%.1f us", (double)ns / 1e3);
}

const char *text_of(const struct profile *p, uint32_t number)
{
	return number < p->n_strings ? p->strings[number] : "";
}

int text_result(const struct buf *b, struct err *err)
{
	if (!buf_failed(b))
		return 0;
	if (b->error == -E2BIG)
		return err_set(err, -E2BIG,
			"the result is larger than the limit of %zu MiB; record for a shorter time or fewer processes",
			b->max >> 20);
	return err_set(
		err, b->error, "not enough memory to write the result; record for a shorter time");
}
