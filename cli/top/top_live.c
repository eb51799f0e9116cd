/* SPDX-License-Identifier: BSD-2-Clause */
/* The screen of `profd top`: one loop over samples, keys, signals and time.
 *
 *   what comes  ->  model  ->  page  ->  canvas  ->  terminal
 *                               ^
 *   a key  ->  state  ----------+-> action: reset, another rate, save, ...
 *
 * A page is made once an interval and after keys, never more often. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cli/terminal.h"
#include "cli/top/top.h"
#include "cli/top/top_draw.h"
#include "cli/top/top_save.h"
#include "cli/top/top_screen.h"
#include "cli/top/top_session.h"

#define DELAY_MIN_S 0.1
#define DELAY_MAX_S 60.0
#define SPEED_MIN   0.125
#define SPEED_MAX   64.0

enum { SAID_BYTES_MAX = 16 * 1024, KEYS_MAX = 64 /* taken at once */ };

struct live {
	const struct top_config *config;
	struct top_session session;
	struct top_screen *screen; /* NULL until sampling has begun */
	struct top_canvas canvas;
	struct top_state state;
	struct top_page *page; /* of the model as it is; NULL: to be made */
	double delay_s, speed;
	uint64_t next_step_ns; /* of playing */
	uint64_t end_ns;       /* 0: none */
	bool stale;            /* the picture is not what it should be */
	bool over;
	int said_fd, stderr_fd; /* what is said meanwhile, and where it is to be said; -1: it is no
				   terminal */
};

/* ---- what is said while there is a screen ------------------------------------------------------
 * An engine and libraries may write to the standard error at any time: that would spoil the
 * picture, so it is kept for later. */

static void hush(struct live *l)
{
	l->said_fd = l->stderr_fd = -1;
	if (!isatty(STDERR_FILENO))
		return;
	l->said_fd = memfd_create("profd-said", MFD_CLOEXEC);
	if (l->said_fd < 0)
		return;
	l->stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (l->stderr_fd < 0 || dup2(l->said_fd, STDERR_FILENO) < 0) {
		fd_close(&l->said_fd);
		fd_close(&l->stderr_fd);
	}
}

static void unhush(struct live *l)
{
	char said[SAID_BYTES_MAX];
	off_t bytes, from;
	ssize_t n;

	if (l->stderr_fd < 0)
		return;
	dup2(l->stderr_fd, STDERR_FILENO);
	fd_close(&l->stderr_fd);
	bytes = lseek(l->said_fd, 0, SEEK_END);
	from = bytes > SAID_BYTES_MAX ? bytes - SAID_BYTES_MAX : 0;
	n = pread(l->said_fd, said, sizeof(said), from);
	if (n > 0 && fd_write_all(STDERR_FILENO, said, (size_t)n) < 0)
		l->over = true; /* nobody is left to tell */
	fd_close(&l->said_fd);
}

/* ---- the picture -------------------------------------------------------------------------------
 */

static void make_page(struct live *l)
{
	struct top_query q;
	struct err err = {0};
	int rc;

	top_state_query(&l->state, &q);
	rc = top_model_page(l->session.model, &q, &l->page, &err);
	if (rc == -ENOENT && l->state.n_focus) { /* a reset has forgotten it */
		l->state.n_focus = 0;
		top_state_query(&l->state, &q);
		rc = top_model_page(l->session.model, &q, &l->page, &err);
	}
	if (rc < 0) {
		l->page = NULL;
		top_state_say(&l->state, true, "%s", err.text);
		return;
	}
	top_state_settle(&l->state, l->page);
}

static void describe(const struct live *l, struct top_about *a)
{
	const struct top_session *s = &l->session;

	*a = (struct top_about){.subject = s->subject,
		.trouble = s->trouble[0] ? s->trouble : NULL,
		.asked_hz = s->request.rate_hz,
		.changing = s->changing,
		.ended = s->phase == TOP_ENDED && !s->trouble[0],
		.speed = l->speed,
		.blocks = top_screen_has_blocks(l->screen)};
	if (!l->config->replay)
		return;
	a->replay_unix_s = top_model_time(s->model);
	a->position = top_model_position(s->model);
	a->kept = top_model_kept(s->model);
}

static void show(struct live *l)
{
	const int lines = top_screen_lines(l->screen), columns = top_screen_columns(l->screen);
	struct top_about about;

	l->stale = false;
	l->state.page_rows = top_draw_rows(lines, columns);
	if (!l->page)
		make_page(l);
	else
		top_state_settle(&l->state, l->page);
	describe(l, &about);
	if (top_canvas_begin(&l->canvas, lines, columns) < 0)
		return; /* the next picture may have the memory again */
	top_draw(&l->canvas, &l->state, l->page, &about);
	top_screen_show(l->screen, &l->canvas);
}

/* The model has changed: its page holds no more. */
static void forget_page(struct live *l)
{
	l->page = NULL;
	l->stale = true;
}

/* ---- playing a file ----------------------------------------------------------------------------
 */

static void seek_to(struct live *l, long position)
{
	const size_t kept = top_model_kept(l->session.model);
	struct err err = {0};

	if (position < 1)
		position = 1;
	if (top_model_seek(
		    l->session.model, (size_t)position < kept ? (size_t)position : kept, &err) < 0)
		top_state_say(&l->state, true, "%s", err.text);
	forget_page(l);
}

static void step(struct live *l, int steps)
{
	l->state.paused = true;
	seek_to(l, (long)top_model_position(l->session.model) + steps);
}

static bool at_end(const struct live *l)
{
	const struct top_model *m = l->session.model;

	return top_model_position(m) >= top_model_kept(m);
}

static void play(struct live *l)
{
	const uint64_t now = clock_now_ns();

	if (!l->config->replay || l->state.paused || now < l->next_step_ns)
		return;
	l->next_step_ns = now + (uint64_t)(l->delay_s / l->speed * NS_PER_S);
	if (!at_end(l))
		seek_to(l, (long)top_model_position(l->session.model) + 1);
	else if (l->session.phase == TOP_ENDED) { /* else more of it is still to come */
		l->state.paused = true;
		l->stale = true;
	}
}

static void play_or_stop(struct live *l)
{
	if (!l->state.paused && at_end(l) && l->session.phase == TOP_ENDED)
		seek_to(l, 1); /* once more from its start */
	l->next_step_ns = clock_now_ns() + (uint64_t)(l->delay_s / l->speed * NS_PER_S);
}

static void change_speed(struct live *l, bool faster)
{
	const double speed = faster ? l->speed * 2 : l->speed / 2;

	if (speed >= SPEED_MIN && speed <= SPEED_MAX)
		l->speed = speed;
	l->next_step_ns = clock_now_ns() + (uint64_t)(l->delay_s / l->speed * NS_PER_S);
}

/* ---- what keys ask for -------------------------------------------------------------------------
 */

static const uint32_t rates_hz[] = {19, 49, 99, 199, 499, 999, 1999, 4999};
enum { N_RATES = sizeof(rates_hz) / sizeof(rates_hz[0]) };

static bool is_over(struct live *l)
{
	const struct top_session *s = &l->session;

	if (s->phase == TOP_ENDED && !s->trouble[0])
		top_state_say(&l->state, false, "all processes have ended");
	return s->phase == TOP_ENDED && !s->trouble[0];
}

static void ask(struct live *l, uint32_t rate_hz)
{
	top_session_ask(&l->session, rate_hz, l->delay_s);
	forget_page(l);
}

static void change_rate(struct live *l, bool faster)
{
	const uint32_t asked = l->session.request.rate_hz;
	const uint32_t now = asked ? asked : (uint32_t)(l->session.rate_hz + 0.5);
	uint32_t next = 0;

	if (l->config->replay) {
		change_speed(l, faster);
		return;
	}
	for (size_t i = 0; i < N_RATES; i++) {
		const uint32_t rate = rates_hz[faster ? i : N_RATES - 1 - i];

		if (!next && (faster ? rate > now : rate < now))
			next = rate;
	}
	if (is_over(l))
		return;
	if (next)
		ask(l, next);
	else
		top_state_say(&l->state, false,
			"there is no %s rate among the keys; --rate takes any",
			faster ? "higher" : "lower");
}

static void change_delay(struct live *l)
{
	struct top_edit *e = &l->state.edit;
	char *end;
	double s = strtod(e->text, &end);

	if (end == e->text || *end || !(s >= DELAY_MIN_S && s <= DELAY_MAX_S)) {
		snprintf(e->wrong, sizeof(e->wrong), "a number from %g to %g, please", DELAY_MIN_S,
			DELAY_MAX_S);
		return;
	}
	l->state.mode = TOP_MODE_ROWS;
	l->delay_s = s;
	l->next_step_ns = clock_now_ns() + (uint64_t)(l->delay_s / l->speed * NS_PER_S);
	if (!l->config->replay && l->session.phase != TOP_ENDED)
		ask(l, l->session.request.rate_hz);
}

static void save(struct live *l)
{
	struct top_edit *e = &l->state.edit;
	char what[80];
	struct top_query q;
	struct err err = {0};
	int rc = top_save_check(e->text, &err);

	if (rc == -EEXIST && e->confirm)
		rc = 0;
	if (rc < 0) {
		snprintf(e->wrong, sizeof(e->wrong), "%.199s", err.text);
		e->confirm = rc == -EEXIST;
		return;
	}
	l->state.mode = TOP_MODE_ROWS;
	top_state_query(&l->state, &q);
	forget_page(l);
	rc = top_save(l->session.model, &q, e->text, l->session.subject, what, sizeof(what), &err);
	if (rc < 0)
		top_state_say(&l->state, true, "%s", err.text);
	else
		top_state_say(&l->state, false, "saved %.200s (%s)", e->text, what);
}

static void propose_name(struct live *l)
{
	char name[128];

	top_save_name(name, sizeof(name));
	top_state_edit(&l->state, TOP_MODE_SAVE, name);
}

static void reset(struct live *l)
{
	if (l->config->replay) {
		top_state_say(&l->state, false, "{ leads back to the start of a file");
		return;
	}
	top_model_reset(l->session.model);
	forget_page(l);
}

static void act(struct live *l, enum top_action action)
{
	switch (action) {
	case TOP_QUIT:
		l->over = true;
		break;
	case TOP_REPAINT:
		top_screen_repaint(l->screen);
		break;
	case TOP_RESET:
		reset(l);
		break;
	case TOP_FASTER:
	case TOP_SLOWER:
		change_rate(l, action == TOP_FASTER);
		break;
	case TOP_ASK_SAVE:
		propose_name(l);
		break;
	case TOP_SAVE:
		save(l);
		break;
	case TOP_DELAY:
		change_delay(l);
		break;
	case TOP_FOLD:
	case TOP_UNFOLD:
	case TOP_UNFOLD_ALL:
		top_model_unfold(l->session.model, l->state.target, action != TOP_FOLD,
			action == TOP_UNFOLD_ALL);
		forget_page(l);
		break;
	case TOP_STEP:
		step(l, l->state.steps);
		break;
	case TOP_PAUSE:
		if (l->config->replay)
			play_or_stop(l);
		break;
	case TOP_REFRESH:
		l->page = NULL;
		break;
	case TOP_NOTHING:
	default:
		break;
	}
}

static void read_keys(struct live *l)
{
	for (int i = 0; i < KEYS_MAX && !l->over; i++) {
		uint32_t key = top_screen_key(l->screen);

		if (key == TOP_KEY_NONE)
			return;
		if (!l->page)
			make_page(l);
		l->stale = true;
		act(l, top_state_press(&l->state, l->page, key));
	}
}

/* ---- the loop ----------------------------------------------------------------------------------
 */

/* While the picture stands still the engine gathers, and nothing is read. */
static bool is_reading(const struct live *l)
{
	return l->config->replay || !l->state.paused || l->session.phase == TOP_PREPARING;
}

static int until_ms(uint64_t at_ns, int timeout_ms)
{
	const uint64_t now = clock_now_ns();
	const uint64_t ms = at_ns > now ? (at_ns - now) / NS_PER_MS + 1 : 0;

	if (!at_ns)
		return timeout_ms;
	return timeout_ms < 0 || ms < (uint64_t)timeout_ms ? (int)(ms < 60000 ? ms : 60000)
							   : timeout_ms;
}

static int timeout_ms(const struct live *l)
{
	const struct top_session *s = &l->session;
	int ms = -1;

	if (is_reading(l) && s->peer.channel && channel_is_ready(s->peer.channel))
		return 0;
	if (l->config->replay && l->screen && !l->state.paused)
		ms = until_ms(l->next_step_ns, ms);
	ms = until_ms(s->retry_ns, ms);
	return until_ms(l->end_ns, ms);
}

static int begin(struct live *l, struct err *err)
{
	l->screen = top_screen_open(err);
	if (!l->screen)
		return err->code;
	top_state_init(&l->state, l->config->view,
		top_draw_rows(top_screen_lines(l->screen), top_screen_columns(l->screen)));
	snprintf(l->state.filter, sizeof(l->state.filter), "%.256s", l->config->filter);
	l->state.span_s = l->config->span_s;
	l->state.replay = l->config->replay != NULL;
	for (int i = 0; l->config->has_sort && i < TOP_VIEWS; i++)
		l->state.sort[i] = l->config->sort;
	if (l->config->duration_s > 0)
		l->end_ns = clock_now_ns() + (uint64_t)(l->config->duration_s * NS_PER_S);
	l->next_step_ns = clock_now_ns();
	l->stale = true;
	return 0;
}

/* What is to be done at a time, or once something else has happened. */
static int go_on(struct live *l, struct err *err)
{
	struct top_session *s = &l->session;

	if (s->stop_signal || (l->end_ns && clock_now_ns() >= l->end_ns))
		l->over = true;
	if (!l->screen && s->phase != TOP_PREPARING && !l->over)
		return begin(l, err);
	if (s->retry_ns && clock_now_ns() >= s->retry_ns) {
		top_session_retry(s);
		l->stale = true;
	}
	if (s->news[0]) {
		top_state_say(&l->state, true, "%s", s->news);
		s->news[0] = '\0';
		l->stale = true;
	}
	if (l->screen)
		play(l);
	return 0;
}

static int turn(struct live *l, struct err *err)
{
	struct pollfd p[TOP_SESSION_FDS + 2];
	const bool reads = is_reading(l);
	const enum top_phase phase = l->session.phase;
	int rc;

	top_session_fds(&l->session, reads, p);
	p[TOP_SESSION_FDS] = (struct pollfd){.fd = l->screen ? STDIN_FILENO : -1, .events = POLLIN};
	p[TOP_SESSION_FDS + 1] = (struct pollfd){
		.fd = l->screen ? top_screen_signal_fd(l->screen) : -1, .events = POLLIN};
	if (poll(p, TOP_SESSION_FDS + 2, timeout_ms(l)) < 0 && errno != EINTR)
		return err_set(err, -errno, "cannot wait: %s", strerror(errno));
	rc = top_session_handle(&l->session, reads, p, err);
	if (rc < 0)
		return rc;
	if (rc || l->session.phase != phase)
		forget_page(l);
	if (p[TOP_SESSION_FDS + 1].revents) {
		top_screen_signals(l->screen);
		l->stale = true;
	}
	if (p[TOP_SESSION_FDS].revents)
		read_keys(l);
	if (p[TOP_SESSION_FDS].revents & (POLLHUP | POLLERR | POLLNVAL))
		l->over = true; /* the terminal has gone */
	return go_on(l, err);
}

static int run_loop(struct live *l, struct err *err)
{
	while (!l->over) {
		int rc = turn(l, err);

		if (rc < 0)
			return rc;
		if (l->screen && l->stale && !l->over)
			show(l);
	}
	return 0;
}

/* ---- from start to end -------------------------------------------------------------------------
 */

/* Ctrl-C is one of the keys that end it. */
static int status_of(const struct live *l, int rc)
{
	const struct top_session *s = &l->session;

	if (s->stop_signal && (s->stop_signal != SIGINT || !s->started_ns))
		return 128 + s->stop_signal;
	return rc < 0 || s->trouble[0] ? CLI_FAILED : CLI_OK;
}

static void tell(const struct live *l, int rc, const struct err *err)
{
	if (rc < 0 && err->text[0])
		say("%s", err->text);
	else if (l->session.trouble[0])
		say("%s", l->session.trouble);
}

int top_live(const struct top_config *config)
{
	struct live *l = calloc(1, sizeof(*l));
	struct err err = {0};
	int rc, status;

	if (!l) {
		say("out of memory");
		return CLI_FAILED;
	}
	l->config = config;
	l->delay_s = config->delay_s;
	l->speed = 1;
	hush(l);
	rc = top_session_open(&l->session, config, true, &err);
	if (!rc)
		rc = run_loop(l, &err);
	top_screen_close(l->screen);
	top_session_stop(&l->session);
	unhush(l);
	tell(l, rc, &err);
	status = top_session_close(&l->session, status_of(l, rc), STDOUT_FILENO);
	top_canvas_free(&l->canvas);
	free(l);
	return status;
}
