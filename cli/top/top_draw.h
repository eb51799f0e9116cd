/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside `profd top`: the whole screen as cells, from a page and from what the user has chosen. The
 * same input gives the same picture.
 *
 *   line 0    profd top  WHAT IS WATCHED                                      PAUSED  1:23 min
 *   1, 2      99 Hz  8,213 samples  CPU ...  GIL ...  processes ...  lost ...  profd ...
 *   3         Functions  Lines  Processes  Threads  Tree              /filter/  last 60 s
 *   4          SELF% TOTAL% TREND    FUNCTION
 *   ...       rows, or the help
 *   last      keys, a message, or what is typed
 */
#ifndef PROFD_CLI_TOP_DRAW_H
#define PROFD_CLI_TOP_DRAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/top/top_canvas.h"
#include "cli/top/top_model.h"
#include "cli/top/top_state.h"

/* What the picture has beside the page. */
struct top_about {
	const char *subject; /* what is watched, for people; hostile */
	const char *trouble; /* why nothing comes any more; NULL: nothing is wrong. Hostile */
	uint32_t asked_hz;   /* 0: whatever the daemon samples at */
	bool changing;       /* the rate was changed, and its samples are still to come */
	bool ended;          /* all processes have; or the file was read to its end */
	/* Of a file */
	double replay_unix_s, speed;
	size_t position, kept;
	bool blocks; /* the terminal has block characters and arrows */
};

enum { TOP_COLUMNS_MIN = 30, TOP_LINES_MIN = 8 };

/* How many rows fit on a screen of that size. */
size_t top_draw_rows(int lines, int columns);

/* Draws on a canvas that was just begun. `page` NULL: there is none yet. */
void top_draw(struct top_canvas *cv, struct top_state *st, const struct top_page *page,
	const struct top_about *about);

/* ---- inside: the parts -------------------------------------------------------------------------
 */

struct top_layout {
	int figures, n_figures; /* lines of figures */
	int tabs, head, rows, n_rows, foot;
};
void top_layout(struct top_layout *l, int lines, int columns);

void top_draw_header(struct top_canvas *cv, const struct top_layout *l, const struct top_state *st,
	const struct top_page *page, const struct top_about *about);
void top_draw_table(struct top_canvas *cv, const struct top_layout *l, const struct top_state *st,
	const struct top_page *page, const struct top_about *about);

/* `n` values of 0 to 1, the newest on the right, in `width` columns. */
void top_draw_trend(struct top_canvas *cv, int line, int column, int width, const float *values,
	unsigned n, bool blocks);

#endif
