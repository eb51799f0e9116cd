/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/terminal.h"

enum { BAR_LEAST = 8, BAR_MOST = 40, LINE_EVERY_S = 10 };

static const char CLEAR_LINE[] = "\r\033[K";

void progress_init(struct progress *p, bool silent, bool shares_terminal, double duration_s)
{
	const bool draws = isatty(STDERR_FILENO) && terminal_columns(STDERR_FILENO) >= 20;

	*p = (struct progress){.silent = silent,
		.bar = draws && !shares_terminal,
		.duration_s = duration_s,
		.next_line_s = LINE_EVERY_S};
}

static void put(const char *text)
{
	if (fd_write_all(STDERR_FILENO, text, strlen(text)) < 0)
		return; /* nobody is left to tell */
}

void progress_clear(struct progress *p)
{
	if (p->drawn)
		put(CLEAR_LINE);
	p->drawn = false;
}

void progress_say(struct progress *p, const char *text)
{
	char line[256];

	if (p->silent)
		return;
	if (!p->bar) {
		say("%s", text);
		return;
	}
	if (!terminal_is_foreground(STDERR_FILENO))
		return;
	snprintf(line, sizeof(line), "%sprofd: %s", CLEAR_LINE, text);
	put(line);
	p->drawn = true;
}

/* The filled part in eighths of nothing finer than a cell: a half cell shows that it moves. */
static unsigned add_bar(char *to, unsigned to_bytes, unsigned cells, double share, bool utf8)
{
	unsigned halves = (unsigned)(share * 2 * cells), len = 0;

	for (unsigned i = 0; i < cells && len + 4 < to_bytes; i++) {
		const char *cell = utf8 ? "\u2500" : "-";

		if (halves >= 2 * i + 2)
			cell = utf8 ? "\u2501" : "=";
		else if (halves == 2 * i + 1)
			cell = utf8 ? "\u257e" : "-";
		len += (unsigned)snprintf(to + len, to_bytes - len, "%s", cell);
	}
	return len;
}

unsigned progress_line(const struct progress *p, unsigned columns, bool utf8, double elapsed_s,
	uint64_t samples, uint64_t lost, char *to, unsigned to_bytes)
{
	char elapsed[32], whole[32], n[32], n_lost[32], left[80], right[80];
	char bar[BAR_MOST * 3 + 8] = "";
	double share = p->duration_s > 0 ? elapsed_s / p->duration_s : 0;
	unsigned width, cells = 0;

	snprintf(left, sizeof(left), "%s%s%s", terminal_duration(elapsed_s, elapsed),
		p->duration_s > 0 ? " / " : "",
		p->duration_s > 0 ? terminal_duration(p->duration_s, whole) : "");
	snprintf(right, sizeof(right), "%s samples, %s lost", terminal_count(samples, n),
		terminal_count(lost, n_lost));
	width = (unsigned)(2 + strlen(left) + 2 + strlen(right));
	if (p->duration_s > 0 && columns >= width + 2 + BAR_LEAST) {
		cells = columns - width - 2 < BAR_MOST ? columns - width - 2 : BAR_MOST;
		add_bar(bar, sizeof(bar), cells, share < 1 ? share : 1, utf8);
		snprintf(to, to_bytes, "  %s  %s  %s", left, bar, right);
		return width + 2 + cells;
	}
	snprintf(to, to_bytes, "  %s  %s", left, right);
	if (width > columns && columns < to_bytes) { /* plain ASCII here */
		to[columns] = '\0';
		width = columns;
	}
	return width;
}

static void draw(struct progress *p, double elapsed_s, uint64_t samples, uint64_t lost)
{
	char line[512], text[600];
	const char *on = "", *off = "";

	if (!terminal_is_foreground(STDERR_FILENO))
		return;
	if (terminal_has_colour(STDERR_FILENO)) {
		on = lost ? "\033[33m" : "\033[36m";
		off = "\033[0m";
	}
	/* One column stays free: in the last one some terminals wrap. */
	progress_line(p, terminal_columns(STDERR_FILENO) - 1, terminal_is_utf8(), elapsed_s,
		samples, lost, line, sizeof(line));
	snprintf(text, sizeof(text), "%s%s%s%s", CLEAR_LINE, on, line, off);
	put(text);
	p->drawn = true;
}

void progress_show(struct progress *p, double elapsed_s, uint64_t samples, uint64_t lost)
{
	char elapsed[32], n[32], n_lost[32];

	if (p->silent)
		return;
	if (p->bar) {
		draw(p, elapsed_s, samples, lost);
		return;
	}
	if (elapsed_s < p->next_line_s)
		return;
	while (p->next_line_s <= elapsed_s)
		p->next_line_s += LINE_EVERY_S;
	say("%s, %s samples, %s lost", terminal_duration(elapsed_s, elapsed),
		terminal_count(samples, n), terminal_count(lost, n_lost));
}
