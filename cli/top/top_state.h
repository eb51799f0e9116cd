/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside `profd top`: what the user has chosen so far, and what a key means in it. No terminal
 * here: a key comes in, the state changes, and what only others can do comes out as an action. */
#ifndef PROFD_CLI_TOP_STATE_H
#define PROFD_CLI_TOP_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/top/top_model.h"

/* A key: the character it types, or one of these. */
enum {
	TOP_KEY_NONE = 0,
	TOP_KEY_TAB = '\t',
	TOP_KEY_ENTER = '\r',
	TOP_KEY_ESCAPE = 27,
	TOP_KEY_BACKSPACE = 127,
	TOP_KEY_UP = 0x110000, /* above all characters */
	TOP_KEY_DOWN,
	TOP_KEY_LEFT,
	TOP_KEY_RIGHT,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_DELETE,
	TOP_KEY_BACK_TAB,
	TOP_KEY_F1, /* F2 and so on behind it */
	TOP_KEY_F12 = TOP_KEY_F1 + 11,
	TOP_KEY_OTHER
};

enum top_mode {
	TOP_MODE_ROWS,
	TOP_MODE_HELP,
	TOP_MODE_FILTER, /* these three: a line is typed */
	TOP_MODE_SAVE,
	TOP_MODE_DELAY
};

enum top_action {
	TOP_NOTHING, /* but to draw again */
	TOP_REFRESH, /* the rows may be others now */
	TOP_QUIT,
	TOP_REPAINT, /* the terminal's picture is spoilt */
	TOP_RESET,
	TOP_PAUSE, /* `paused` has changed */
	TOP_FASTER,
	TOP_SLOWER,   /* these two: the sampling rate, or the speed of playing */
	TOP_ASK_SAVE, /* a file name is to be proposed */
	TOP_SAVE,     /* what is typed is a file name */
	TOP_DELAY,    /* what is typed is a number of seconds */
	TOP_FOLD,
	TOP_UNFOLD,
	TOP_UNFOLD_ALL, /* these three: the node `target` */
	TOP_STEP        /* `steps` forwards or backwards */
};

enum {
	TOP_EDIT_BYTES = 1024,
	TOP_FILTER_BYTES = 256, /* a filter, its NUL not counted */
	TOP_FOCUS_MAX = 64,     /* functions to go back through */
};

/* A line that is typed. */
struct top_edit {
	char text[TOP_EDIT_BYTES];
	size_t len, at;  /* bytes; where the cursor is */
	char wrong[200]; /* what is wrong with it; "": nothing */
	bool confirm;    /* Enter once more does what it warned of */
};

struct top_state {
	enum top_view view; /* one of the tabs */
	enum top_sort sort[TOP_VIEWS];
	bool reverse[TOP_VIEWS];
	char filter[TOP_FILTER_BYTES + 1];
	double span_s;
	/* Functions whose callers and callees are shown, the last one now; 0: the tab is */
	uint64_t focus[TOP_FOCUS_MAX];
	size_t n_focus;
	/* The row with the cursor. Once it was moved away from the first row it stays with what
	 * that row is about, wherever that goes. */
	size_t cursor, first; /* `first` row on the screen */
	uint64_t cursor_key;
	bool follows;
	size_t page_rows; /* that fit on the screen; set by who draws */
	enum top_mode mode;
	struct top_edit edit;
	size_t help_first;
	bool paused, replay;
	uint64_t target;
	int steps;
	char message[300]; /* stands until the next key; "": none */
	bool message_bad;
};

/* By what a view is ordered unless the user says so. */
enum top_sort top_usual_sort(enum top_view view);

void top_state_init(struct top_state *st, enum top_view view, size_t page_rows);

enum top_view top_state_view(const struct top_state *st); /* TOP_CALLERS where that is shown */

/* What the model is to be asked for. */
void top_state_query(const struct top_state *st, struct top_query *q);

/* Where the cursor is in a new page. */
void top_state_settle(struct top_state *st, const struct top_page *page);

/* What a key does, seen on this page (NULL: there is none yet). */
enum top_action top_state_press(struct top_state *st, const struct top_page *page, uint32_t key);

/* Begins to type a line, with a text in it. */
void top_state_edit(struct top_state *st, enum top_mode mode, const char *text);

void top_state_say(struct top_state *st, bool bad, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- inside ------------------------------------------------------------------------------------
 */

/* A key in a line that is typed; whether it was one for the line. */
bool top_edit_press(struct top_edit *e, uint32_t key);

/* Goes to the callers of a function, or, for 0, back to where it was before. */
enum top_action top_state_focus(struct top_state *st, uint64_t key);

/* ---- the help ----------------------------------------------------------------------------------
 */

struct top_help {
	const char *keys; /* "": a heading; NULL ends the table */
	const char *what;
	enum { TOP_HELP_BOTH, TOP_HELP_LIVE, TOP_HELP_REPLAY } when;
};
extern const struct top_help top_help[];

#endif
