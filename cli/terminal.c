/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/terminal.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "base/fd.h"

bool terminal_is_utf8(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

bool terminal_has_colour(int fd)
{
	const char *off = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && !(off && *off) && term && *term && strcmp(term, "dumb") != 0;
}

unsigned terminal_columns(int fd)
{
	struct winsize size;

	return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

bool terminal_is_foreground(int fd)
{
	return tcgetpgrp(fd) == getpgrp();
}

/* Characters that show nothing but change how others are shown: zero-width ones, marks of
 * direction. */
static bool is_invisible(wchar_t c)
{
	return (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0x061c || c == 0xfeff || c == 0xad;
}

/* One character of `s`: how many bytes it takes, and its width in columns, or -1 where it must not
 * reach a terminal. */
static size_t next_character(const char *s, int *width)
{
	mbstate_t state = {0};
	wchar_t c;
	size_t n = mbrtowc(&c, s, strlen(s), &state);

	*width = -1;
	if (n == (size_t)-1 || n == (size_t)-2 || !n)
		return 1;
	if (iswprint((wint_t)c) && !is_invisible(c))
		*width = wcwidth(c);
	return n;
}

/* How wide `bytes` is once it is harmless. */
static size_t width_of(const char *bytes)
{
	size_t columns = 0;
	int width;

	while (*bytes) {
		bytes += next_character(bytes, &width);
		columns += width < 0 ? 1 : (size_t)width;
	}
	return columns;
}

size_t terminal_text(const char *bytes, size_t columns, char *to, size_t to_bytes)
{
	const char *ellipsis = terminal_is_utf8() ? "\u2026" : "~";
	bool cut = width_of(bytes) > columns;
	size_t used = 0, len = 0;

	if (!columns || to_bytes < 8) {
		to[0] = '\0';
		return 0;
	}
	while (*bytes) {
		int width;
		size_t n = next_character(bytes, &width);
		size_t wide = width < 0 ? 1 : (size_t)width;

		if (used + wide > columns - cut || len + n + 4 > to_bytes) {
			len += (size_t)snprintf(to + len, to_bytes - len, "%s", ellipsis);
			used++;
			break;
		}
		if (width < 0)
			to[len++] = '?';
		else {
			memcpy(to + len, bytes, n);
			len += n;
		}
		used += wide;
		bytes += n;
	}
	to[len] = '\0';
	return used;
}

void say(const char *fmt, ...)
{
	char raw[1400], line[4096] = "profd: ";
	size_t n = strlen(line);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	terminal_text(raw, sizeof(raw), line + n, sizeof(line) - n - 1);
	n = strlen(line);
	line[n++] = '\n';
	if (fd_write_all(STDERR_FILENO, line, n) < 0)
		return; /* nobody is left to tell */
}

char *terminal_count(uint64_t n, char *to)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	char *at = to;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*at++ = ',';
		*at++ = digits[i];
	}
	*at = '\0';
	return to;
}

char *terminal_duration(double s, char *to)
{
	unsigned long whole = s > 0 && s < 1e9 ? (unsigned long)s : 0;

	if (s < 100)
		snprintf(to, 32, "%.1f s", s);
	else if (whole < 3600)
		snprintf(to, 32, "%lu:%02lu min", whole / 60, whole % 60);
	else
		snprintf(to, 32, "%lu:%02lu:%02lu h", whole / 3600, whole / 60 % 60, whole % 60);
	return to;
}

char *terminal_bytes(uint64_t n, char *to)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)n;
	size_t unit = 0;

	while (value >= 1000 && unit < 4) {
		value /= 1024;
		unit++;
	}
	snprintf(to, 32, unit && value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return to;
}
