/* SPDX-License-Identifier: BSD-2-Clause */
/* What is seen while a profile is taken: a line redrawn in place on a terminal, else plain lines
 * now and then. */
#ifndef PROFD_CLI_PROGRESS_H
#define PROFD_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool silent;
	bool bar;           /* redraw one line; else plain lines */
	bool drawn;         /* the line is on the screen now */
	double duration_s;  /* 0: open end */
	double next_line_s; /* of plain lines */
};

/* `shares_terminal`: somebody else writes on the same terminal, so that no line there is ours to
 * redraw. */
void progress_init(struct progress *p, bool silent, bool shares_terminal, double duration_s);

void progress_show(struct progress *p, double elapsed_s, uint64_t samples, uint64_t lost);
void progress_say(
	struct progress *p, const char *text); /* in place of the bar, where there is one */
void progress_clear(struct progress *p);       /* before anything else is said, and at the end */

/* The bar as text, `columns` wide at most: for the terminal, and for tests. Returns its width. */
unsigned progress_line(const struct progress *p, unsigned columns, bool utf8, double elapsed_s,
	uint64_t samples, uint64_t lost, char *to, unsigned to_bytes);

#endif
