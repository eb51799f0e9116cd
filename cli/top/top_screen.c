/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/top/top_screen.h"

#include <curses.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/terminal.h"
#include "cli/top/top_state.h"

/* An escape key is told from the start of a key's sequence by what follows within this time. */
enum { ESCAPE_MS = 50, COLOURS_MANY = 256 };

struct top_screen {
	SCREEN *screen;
	int signal_fd;
	sigset_t held;
	int colours; /* 0, 8 or 256 */
	bool blocks;
	struct top_canvas shown; /* what the terminal shows */
};

/* ---- how styles look ---------------------------------------------------------------------------
 */

struct look {
	short colour, ground;  /* of 256; -1: the terminal's own */
	short few, few_ground; /* of 8 */
	attr_t attributes;
	attr_t plain; /* without colours */
};

/* Kinds of frames have the hues of the flamegraph, dark enough for a white ground and light enough
 * for a black one. */
static const struct look looks[TOP_STYLES] = {
	[TOP_STYLE_PLAIN] = {-1, -1, -1, -1, A_NORMAL, A_NORMAL},
	[TOP_STYLE_DIM] = {244, -1, -1, -1, A_NORMAL, A_NORMAL},
	[TOP_STYLE_BOLD] = {-1, -1, -1, -1, A_BOLD, A_BOLD},
	[TOP_STYLE_BADGE] = {231, 31, COLOR_WHITE, COLOR_BLUE, A_BOLD, A_REVERSE},
	[TOP_STYLE_STATE] = {16, 179, COLOR_BLACK, COLOR_YELLOW, A_NORMAL, A_REVERSE},
	[TOP_STYLE_BAD] = {160, -1, COLOR_RED, -1, A_BOLD, A_BOLD},
	[TOP_STYLE_METER] = {35, -1, COLOR_GREEN, -1, A_NORMAL, A_NORMAL},
	[TOP_STYLE_TAB] = {244, -1, -1, -1, A_NORMAL, A_NORMAL},
	[TOP_STYLE_TAB_ON] = {31, -1, COLOR_CYAN, -1, A_BOLD, A_BOLD},
	[TOP_STYLE_HEAD] = {250, 238, COLOR_BLACK, COLOR_WHITE, A_NORMAL, A_REVERSE},
	[TOP_STYLE_HEAD_ON] = {231, 238, COLOR_BLACK, COLOR_CYAN, A_BOLD, A_REVERSE | A_BOLD},
	[TOP_STYLE_WARM] = {166, -1, COLOR_YELLOW, -1, A_NORMAL, A_NORMAL},
	[TOP_STYLE_HOT] = {160, -1, COLOR_RED, -1, A_BOLD, A_BOLD},
	[TOP_STYLE_TREND] = {67, -1, COLOR_CYAN, -1, A_NORMAL, A_NORMAL},
	[TOP_STYLE_PYTHON] = {172, -1, COLOR_YELLOW, -1, A_NORMAL, A_NORMAL},
	[TOP_STYLE_NATIVE] = {167, -1, COLOR_RED, -1, A_NORMAL, A_NORMAL},
	[TOP_STYLE_INLINED] = {133, -1, COLOR_MAGENTA, -1, A_NORMAL, A_NORMAL},
	[TOP_STYLE_JIT] = {35, -1, COLOR_GREEN, -1, A_NORMAL, A_NORMAL},
	[TOP_STYLE_KERNEL] = {32, -1, COLOR_BLUE, -1, A_NORMAL, A_NORMAL},
	[TOP_STYLE_NOTE] = {244, -1, -1, -1, A_NORMAL, A_NORMAL},
	[TOP_STYLE_PROCESS] = {66, -1, COLOR_CYAN, -1, A_NORMAL, A_NORMAL},
	[TOP_STYLE_KEY] = {31, -1, COLOR_CYAN, -1, A_BOLD, A_BOLD},
	[TOP_STYLE_PROMPT] = {31, -1, COLOR_CYAN, -1, A_BOLD, A_BOLD},
};

/* The selected row is of one colour: on a ground of its own the others would be hard to read. */
enum { SELECTED_COLOUR = 231, SELECTED_GROUND = 24, SELECTED_PAIR = 1 + TOP_STYLES };

/* Pair 0 is the terminal's own. */
static void make_pairs(const struct top_screen *s)
{
	const bool many = s->colours == COLOURS_MANY;

	for (int i = 0; i < TOP_STYLES; i++) {
		const struct look *l = &looks[i];

		init_pair((short)(1 + i), many ? l->colour : l->few,
			many ? l->ground : l->few_ground);
	}
	if (many)
		init_pair(SELECTED_PAIR, SELECTED_COLOUR, SELECTED_GROUND);
}

static attr_t attributes(
	const struct top_screen *s, enum top_style style, bool selected, short *pair)
{
	const struct look *l = &looks[style];

	*pair = 0;
	if (s->colours == COLOURS_MANY) {
		*pair = (short)(selected ? SELECTED_PAIR : 1 + (int)style);
		return l->attributes;
	}
	if (selected) /* a ground of each colour would be a rainbow */
		return A_REVERSE | (l->attributes & A_BOLD);
	if (s->colours)
		*pair = (short)(1 + (int)style);
	return s->colours ? l->attributes : l->plain;
}

/* ---- taking the terminal over ------------------------------------------------------------------
 */

static bool is_able(const char *capability)
{
	const char *how = tigetstr(capability);

	return how && how != (const char *)-1;
}

static void explain(struct err *err)
{
	const char *term = getenv("TERM");

	err_set(err, -ENOTSUP,
		"the terminal '%.60s' is not known, or cannot place the cursor; set TERM to one that "
		"can, or print a table with --once",
		term ? term : "");
}

static const int curses_signals[] = {SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
enum { N_CURSES_SIGNALS = sizeof(curses_signals) / sizeof(curses_signals[0]) };

/* Handlers of ncurses do too much for a handler; signals are read here. */
static SCREEN *start_curses(void)
{
	struct sigaction before[N_CURSES_SIGNALS];
	SCREEN *screen;

	for (int i = 0; i < N_CURSES_SIGNALS; i++)
		sigaction(curses_signals[i], NULL, &before[i]);
	use_env(FALSE); /* the size is the terminal's, whatever LINES and COLUMNS say */
	use_tioctl(TRUE);
	set_escdelay(ESCAPE_MS);
	screen = newterm(NULL, stdout, stdin);
	for (int i = 0; i < N_CURSES_SIGNALS; i++)
		sigaction(curses_signals[i], &before[i], NULL);
	return screen;
}

static void start_colours(struct top_screen *s)
{
	if (!terminal_has_colour(STDOUT_FILENO) || !has_colors() || start_color() != OK)
		return;
	if (use_default_colors() != OK)
		assume_default_colors(COLOR_WHITE, COLOR_BLACK);
	s->colours = COLORS >= COLOURS_MANY && COLOR_PAIRS > SELECTED_PAIR ? COLOURS_MANY
		     : COLORS >= 8 && COLOR_PAIRS > TOP_STYLES             ? 8
									   : 0;
	if (s->colours)
		make_pairs(s);
}

static int hold_signals(struct top_screen *s, struct err *err)
{
	sigemptyset(&s->held);
	sigaddset(&s->held, SIGWINCH);
	sigaddset(&s->held, SIGTSTP);
	sigaddset(&s->held, SIGCONT);
	sigaddset(&s->held, SIGQUIT);
	s->signal_fd = signalfd(-1, &s->held, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0)
		return err_set(err, -errno, "cannot wait for signals: %s", strerror(errno));
	sigprocmask(SIG_BLOCK, &s->held, NULL);
	return 0;
}

struct top_screen *top_screen_open(struct err *err)
{
	struct top_screen *s = calloc(1, sizeof(*s));
	const char *term = getenv("TERM");

	if (!s) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	if (hold_signals(s, err) < 0) {
		free(s);
		return NULL;
	}
	s->screen = start_curses();
	if (!s->screen || !is_able("cup") || !is_able("clear")) {
		explain(err);
		top_screen_close(s);
		return NULL;
	}
	/* The console of Linux takes UTF-8, but its font has few of these characters. */
	s->blocks = terminal_is_utf8() && term && strcmp(term, "linux") != 0;
	start_colours(s);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	return s;
}

void top_screen_close(struct top_screen *s)
{
	if (!s)
		return;
	if (s->screen) {
		curs_set(1);
		if (!is_able("rmcup")) { /* there is no other screen to go back to */
			erase();
			refresh();
		}
		endwin();
		delscreen(s->screen);
	}
	sigprocmask(SIG_UNBLOCK, &s->held, NULL);
	fd_close(&s->signal_fd);
	top_canvas_free(&s->shown);
	free(s);
}

int top_screen_lines(const struct top_screen *s)
{
	(void)s;
	return LINES;
}

int top_screen_columns(const struct top_screen *s)
{
	(void)s;
	return COLS;
}

bool top_screen_has_blocks(const struct top_screen *s)
{
	return s->blocks;
}

/* ---- showing -----------------------------------------------------------------------------------
 */

static void show_line(const struct top_screen *s, const struct top_canvas *cv, int line)
{
	const struct top_cell *cells = cv->cells + (size_t)line * (size_t)cv->columns;

	for (int column = 0; column < cv->columns; column++) {
		const struct top_cell *cell = &cells[column];
		cchar_t c;
		short pair;
		attr_t a = attributes(s, (enum top_style)cell->style, line == cv->selected, &pair);

		if (!cell->width)
			continue;
		setcchar(&c, cell->text, a, pair, NULL);
		mvadd_wch(line, column, &c);
	}
}

/* Whether the terminal shows this line as it is. */
static bool is_shown(const struct top_screen *s, const struct top_canvas *cv, int line)
{
	const size_t at = (size_t)line * (size_t)cv->columns;

	return s->shown.cells && s->shown.lines == cv->lines && s->shown.columns == cv->columns &&
	       (s->shown.selected == line) == (cv->selected == line) &&
	       !memcmp(s->shown.cells + at, cv->cells + at,
		       (size_t)cv->columns * sizeof(*cv->cells));
}

static void remember(struct top_screen *s, const struct top_canvas *cv)
{
	if (top_canvas_begin(&s->shown, cv->lines, cv->columns) < 0) {
		top_canvas_free(&s->shown); /* then all is drawn again the next time */
		return;
	}
	memcpy(s->shown.cells, cv->cells,
		(size_t)cv->lines * (size_t)cv->columns * sizeof(*cv->cells));
	s->shown.selected = cv->selected;
}

void top_screen_show(struct top_screen *s, const struct top_canvas *cv)
{
	for (int line = 0; line < cv->lines; line++)
		if (!is_shown(s, cv, line))
			show_line(s, cv, line);
	curs_set(cv->cursor_line >= 0);
	if (cv->cursor_line >= 0)
		move(cv->cursor_line, cv->cursor_column);
	remember(s, cv);
	refresh();
}

void top_screen_repaint(struct top_screen *s)
{
	top_canvas_free(&s->shown);
	clearok(curscr, TRUE);
}

/* ---- keys and signals --------------------------------------------------------------------------
 */

static const struct {
	wint_t code;
	uint32_t key;
} codes[] = {
	{KEY_UP, TOP_KEY_UP},
	{KEY_DOWN, TOP_KEY_DOWN},
	{KEY_LEFT, TOP_KEY_LEFT},
	{KEY_RIGHT, TOP_KEY_RIGHT},
	{KEY_PPAGE, TOP_KEY_PAGE_UP},
	{KEY_NPAGE, TOP_KEY_PAGE_DOWN},
	{KEY_HOME, TOP_KEY_HOME},
	{KEY_END, TOP_KEY_END},
	{KEY_DC, TOP_KEY_DELETE},
	{KEY_BTAB, TOP_KEY_BACK_TAB},
	{KEY_BACKSPACE, TOP_KEY_BACKSPACE},
	{KEY_ENTER, TOP_KEY_ENTER},
};

uint32_t top_screen_key(struct top_screen *s)
{
	wint_t code;
	int rc = get_wch(&code);

	(void)s;
	if (rc == ERR)
		return TOP_KEY_NONE;
	if (rc != KEY_CODE_YES)
		return code ? (uint32_t)code : TOP_KEY_OTHER;
	if (code >= KEY_F(1) && code <= KEY_F(12))
		return TOP_KEY_F1 + (uint32_t)(code - KEY_F(1));
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].code == code)
			return codes[i].key;
	return TOP_KEY_OTHER;
}

int top_screen_signal_fd(const struct top_screen *s)
{
	return s->signal_fd;
}

static void follow_size(struct top_screen *s)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col ||
		(size.ws_row == LINES && size.ws_col == COLS))
		return;
	resizeterm(size.ws_row, size.ws_col);
	top_screen_repaint(s);
}

/* Acts as it would without us, with the terminal as it was meanwhile. */
static void let_act(struct top_screen *s, int signal_number)
{
	sigset_t one;

	endwin();
	sigemptyset(&one);
	sigaddset(&one, signal_number);
	raise(signal_number);
	sigprocmask(SIG_UNBLOCK, &one, NULL); /* here it stops, or ends */
	sigprocmask(SIG_BLOCK, &one, NULL);
	top_screen_repaint(s);
	follow_size(s);
	refresh();
}

void top_screen_signals(struct top_screen *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGTSTP || info.ssi_signo == SIGQUIT)
			let_act(s, (int)info.ssi_signo);
		else if (info.ssi_signo == SIGCONT)
			top_screen_repaint(s);
		else
			follow_size(s);
	}
}
