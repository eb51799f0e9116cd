/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside `profd top`: the terminal. The only file that knows ncurses. */
#ifndef PROFD_CLI_TOP_SCREEN_H
#define PROFD_CLI_TOP_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/top/top_canvas.h"

struct top_screen;

/* Takes over the terminal at standard input and output. NULL, and the terminal is as it was: it
 * cannot place the cursor, or TERM names none that is known. Signals that resize, stop and continue
 * wait for top_screen_signals() from here on. */
struct top_screen *top_screen_open(struct err *err);
void top_screen_close(struct top_screen *s); /* the terminal as it was; NULL is allowed */

int top_screen_lines(const struct top_screen *s);
int top_screen_columns(const struct top_screen *s);
bool top_screen_has_blocks(const struct top_screen *s); /* block characters and arrows */

/* Shows the canvas; writes what is different from what the terminal shows. */
void top_screen_show(struct top_screen *s, const struct top_canvas *cv);
void top_screen_repaint(struct top_screen *s); /* somebody else wrote on it: all at the next show */

/* The next key that was pressed, as in top_state.h; TOP_KEY_NONE: none waits. */
uint32_t top_screen_key(struct top_screen *s);

/* Readable when one of those signals waits; then to be followed. Stops here where the terminal's
 * user says so, with the terminal as it was meanwhile. */
int top_screen_signal_fd(const struct top_screen *s);
void top_screen_signals(struct top_screen *s);

#endif
