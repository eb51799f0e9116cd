/* SPDX-License-Identifier: BSD-2-Clause */
/* Hostile bytes -> JSON strings. jansson refuses what is not UTF-8; names of processes, functions
 * and files may be any bytes. */
#include "serve/channel.h"

#include <string.h>

#include "base/buf.h"

enum { TEXT_MAX = 2048 };

/* The length of the well-formed UTF-8 sequence at `s`, or 0 (Unicode 15, table 3-7: no overlong
 * forms, no surrogates, nothing over U+10FFFF). Reads no further than the terminating NUL. */
static size_t utf8_length(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

json_t *serve_text_cut(const char *bytes, size_t at)
{
	const unsigned char *s = (const unsigned char *)bytes;
	struct buf text;
	json_t *json = NULL;

	buf_init(&text, at + 16);
	while (*s) {
		size_t n = utf8_length(s);

		if (text.len + (n ? n : 3) > at) {
			buf_puts(&text, "\u2026");
			break;
		}
		if (n)
			buf_add(&text, s, n);
		else
			buf_puts(&text, "\ufffd");
		s += n ? n : 1;
	}
	if (!buf_failed(&text))
		json = json_stringn_nocheck(text.data ? text.data : "", text.len);
	buf_free(&text);
	return json;
}

bool serve_text_is_clean(const char *bytes)
{
	const unsigned char *s = (const unsigned char *)bytes;
	size_t n;

	while (*s && (n = utf8_length(s)) > 0)
		s += n;
	return !*s && (size_t)((const char *)s - bytes) <= TEXT_MAX;
}

json_t *serve_text(const char *bytes)
{
	return serve_text_cut(bytes, TEXT_MAX);
}
