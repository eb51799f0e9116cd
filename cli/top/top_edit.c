/* SPDX-License-Identifier: BSD-2-Clause */
/* A line that is typed: UTF-8, with the cursor between characters. */
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "cli/top/top_state.h"

enum { CTRL_A = 1, CTRL_D = 4, CTRL_E = 5, CTRL_H = 8, CTRL_K = 11, CTRL_U = 21, CTRL_W = 23 };

static bool is_inside(char c) /* a character, not at its first byte */
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

static size_t before(const struct top_edit *e, size_t at)
{
	while (at && is_inside(e->text[--at]))
		;
	return at;
}

static size_t behind(const struct top_edit *e, size_t at)
{
	if (at < e->len)
		at++;
	while (at < e->len && is_inside(e->text[at]))
		at++;
	return at;
}

static void cut(struct top_edit *e, size_t from, size_t to)
{
	memmove(e->text + from, e->text + to, e->len - to + 1);
	e->len -= to - from;
	e->at = from;
}

static void insert(struct top_edit *e, uint32_t key)
{
	char bytes[16];
	size_t n = wcrtomb(bytes, (wchar_t)key, &(mbstate_t){0});

	if (n == (size_t)-1 || e->len + n + 1 > sizeof(e->text))
		return;
	memmove(e->text + e->at + n, e->text + e->at, e->len - e->at + 1);
	memcpy(e->text + e->at, bytes, n);
	e->at += n;
	e->len += n;
}

static size_t word_before(const struct top_edit *e)
{
	size_t at = e->at;

	while (at && e->text[at - 1] == ' ')
		at--;
	while (at && e->text[at - 1] != ' ')
		at--;
	return at;
}

bool top_edit_press(struct top_edit *e, uint32_t key)
{
	switch (key) {
	case TOP_KEY_LEFT:
		e->at = before(e, e->at);
		return true;
	case TOP_KEY_RIGHT:
		e->at = behind(e, e->at);
		return true;
	case TOP_KEY_HOME:
	case CTRL_A:
		e->at = 0;
		return true;
	case TOP_KEY_END:
	case CTRL_E:
		e->at = e->len;
		return true;
	case TOP_KEY_BACKSPACE:
	case CTRL_H:
		cut(e, before(e, e->at), e->at);
		return true;
	case TOP_KEY_DELETE:
	case CTRL_D:
		cut(e, e->at, behind(e, e->at));
		return true;
	case CTRL_U:
		cut(e, 0, e->at);
		return true;
	case CTRL_K:
		cut(e, e->at, e->len);
		return true;
	case CTRL_W:
		cut(e, word_before(e), e->at);
		return true;
	default:
		if (key < ' ' || key >= TOP_KEY_UP || !iswprint((wint_t)key))
			return false;
		insert(e, key);
		return true;
	}
}
