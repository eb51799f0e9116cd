/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines above the rows: what is watched, how much of it, at what cost; the views. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/terminal.h"
#include "cli/top/top_draw.h"

enum { METER = 12, FIGURES_MAX = 12, FIGURE_BYTES = 96, NARROW = 70 };

struct figure {
	char text[FIGURE_BYTES];
	enum top_style style;
	double meter; /* 0 to 1: a bar before the text; negative: none */
};

struct figures {
	struct figure list[FIGURES_MAX];
	size_t n;
};

static struct figure *add(struct figures *f, enum top_style style)
{
	struct figure *one = &f->list[f->n < FIGURES_MAX ? f->n++ : FIGURES_MAX - 1];

	*one = (struct figure){.style = style, .meter = -1};
	return one;
}

/* ---- figures -----------------------------------------------------------------------------------
 */

static void add_samples(
	struct figures *f, const struct top_page *page, const struct top_about *about)
{
	struct figure *one = add(f, TOP_STYLE_PLAIN);
	char n[32], rate[64] = "";

	if (about->changing && about->asked_hz)
		snprintf(rate, sizeof(rate), "changing to %u Hz, ", about->asked_hz);
	else if (page->rate_hz > 0)
		snprintf(rate, sizeof(rate), "%.0f Hz%s, ", page->rate_hz,
			page->shared ? " (daemon)" : "");
	snprintf(one->text, sizeof(one->text), "%s%s sample%s", rate,
		terminal_count(page->samples, n), page->samples == 1 ? "" : "s");
}

static void add_busy(struct figures *f, const struct top_page *page)
{
	struct figure *one = add(f, TOP_STYLE_PLAIN);

	if (page->cpus) {
		one->meter = page->busy_cpus / page->cpus;
		snprintf(one->text, sizeof(one->text), "%.2f of %u CPU%s", page->busy_cpus,
			page->cpus, page->cpus == 1 ? "" : "s");
	} else
		snprintf(one->text, sizeof(one->text), "%.2f CPUs", page->busy_cpus);
}

static void add_processes(struct figures *f, const struct top_page *page)
{
	struct figure *one = add(f, TOP_STYLE_PLAIN);
	char ended[32] = "";

	if (page->ended)
		snprintf(ended, sizeof(ended), ", %u ended", page->ended);
	snprintf(one->text, sizeof(one->text), "%u process%s, %u thread%s%s", page->processes,
		page->processes == 1 ? "" : "es", page->threads, page->threads == 1 ? "" : "s",
		ended);
}

static void add_bad(struct figures *f, const char *what, uint64_t n)
{
	char number[32];

	if (n)
		snprintf(add(f, TOP_STYLE_BAD)->text, FIGURE_BYTES, "%s %s", what,
			terminal_count(n, number));
}

static void add_cost(struct figures *f, const struct top_page *page)
{
	struct figure *one = add(f, TOP_STYLE_DIM);
	const double kernel = page->kernel_cpu_percent > 0 ? page->kernel_cpu_percent : 0;
	char bytes[32];

	snprintf(one->text, sizeof(one->text), "%s itself %.1f %%, %s",
		page->shared ? "the daemon" : "profd", page->cpu_percent + kernel,
		terminal_bytes(page->rss_bytes, bytes));
}

static void collect(struct figures *f, const struct top_page *page, const struct top_about *about)
{
	add_samples(f, page, about);
	add_busy(f, page);
	if (page->gil >= 0)
		snprintf(add(f, TOP_STYLE_PLAIN)->text, FIGURE_BYTES, "GIL held %.0f %%",
			100 * page->gil);
	add_bad(f, "lost", page->lost);
	add_bad(f, "truncated", page->truncated);
	add_bad(f, "failed", page->failed);
	add_processes(f, page);
	if (page->cpu_percent >= 0)
		add_cost(f, page);
}

/* Eighths of a column where the terminal has them. */
static void draw_meter(
	struct top_canvas *cv, int line, int column, int width, double share, bool blocks)
{
	static const char *const eighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
	const double full = (share < 0 ? 0 : share > 1 ? 1 : share) * width;

	top_put(cv, line, column, 1, TOP_STYLE_DIM, "[");
	top_put(cv, line, column + 1 + width, 1, TOP_STYLE_DIM, "]");
	for (int i = 0; i < width; i++) {
		const double part = full - i;
		const int eighth = part >= 1 ? 8 : part > 0 ? (int)(part * 8 + 0.5) : 0;

		top_put(cv, line, column + 1 + i, 1, TOP_STYLE_METER,
			blocks        ? eighths[eighth]
			: eighth >= 4 ? "|"
				      : " ");
	}
}

/* One after the other, and on the next line where one does not fit any more. */
static void draw_figures(struct top_canvas *cv, const struct top_layout *l, const struct figures *f,
	const struct top_about *about)
{
	const int meter = cv->columns >= NARROW ? METER : 0, gap = cv->columns >= 100 ? 3 : 2;
	int line = l->figures, column = 1;

	for (size_t i = 0; i < f->n; i++) {
		const struct figure *one = &f->list[i];
		const int bar = one->meter >= 0 && meter ? meter + 3 : 0;
		const int width = (int)strlen(one->text) + bar;

		if (column > 1 && column + width > cv->columns) {
			if (++line >= l->figures + l->n_figures)
				return;
			column = 1;
		}
		if (bar)
			draw_meter(cv, line, column, meter, one->meter, about->blocks);
		top_put(cv, line, column + bar, cv->columns, one->style, one->text);
		column += width + gap;
	}
}

/* ---- the first line ----------------------------------------------------------------------------
 */

static const char *playing(const struct top_state *st, const struct top_about *about, char *to)
{
	const time_t whole = (time_t)about->replay_unix_s;
	struct tm local;
	char when[40] = "";

	if (about->replay_unix_s > 0 && localtime_r(&whole, &local))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &local);
	snprintf(to, FIGURE_BYTES, " %s %s  %zu of %zu%s  x%g ", st->paused ? "STOPPED" : "REPLAY",
		when, about->position, about->kept, about->ended ? "" : "+", about->speed);
	return to;
}

static int draw_state(
	struct top_canvas *cv, int right, const struct top_state *st, const struct top_about *about)
{
	char text[FIGURE_BYTES];
	const char *what = NULL;
	int width;

	if (about->trouble)
		what = " NOTHING COMES ANY MORE ";
	else if (st->replay)
		what = playing(st, about, text);
	else if (st->paused)
		what = " PAUSED ";
	else if (about->ended)
		what = " ENDED ";
	if (!what)
		return right;
	width = (int)strlen(what);
	if (width > right)
		return right;
	top_put(cv, 0, right - width, width, about->trouble ? TOP_STYLE_BAD : TOP_STYLE_STATE,
		what);
	return right - width - 1;
}

static void draw_title(struct top_canvas *cv, const struct top_state *st,
	const struct top_page *page, const struct top_about *about)
{
	const char *badge = cv->columns >= NARROW ? " profd top " : " profd ";
	int column = top_put(cv, 0, 0, cv->columns, TOP_STYLE_BADGE, badge) + 1;
	int right = cv->columns;
	char elapsed[32];

	if (page && !st->replay) {
		terminal_duration(page->elapsed_s, elapsed);
		right -= (int)strlen(elapsed) + 1;
		top_put(cv, 0, right, cv->columns, TOP_STYLE_PLAIN, elapsed);
		right--;
	}
	right = draw_state(cv, right, st, about);
	if (right - column > 1)
		top_put_hostile(cv, 0, column, right - column, TOP_STYLE_BOLD, about->subject);
}

/* ---- the views ---------------------------------------------------------------------------------
 */

static const char *const tabs[] = {"Functions", "Lines", "Processes", "Threads", "Tree"};

static int draw_tabs(struct top_canvas *cv, int line, const struct top_state *st)
{
	const bool narrow = cv->columns < NARROW;
	int column = 1;

	for (int i = 0; i < TOP_CALLERS; i++) {
		const bool on = (int)st->view == i;
		enum top_style style = on ? TOP_STYLE_TAB_ON : TOP_STYLE_TAB;

		if (narrow && !on)
			continue;
		column += top_put_format(
			cv, line, column, cv->columns, style, on ? "[%s]" : " %s ", tabs[i]);
	}
	return column + 1;
}

static void draw_choice(struct top_canvas *cv, int line, int column, const struct top_state *st,
	const struct top_page *page)
{
	char span[48] = "";
	int right = cv->columns;

	if (st->span_s > 0) {
		snprintf(span, sizeof(span), "last %g s", st->span_s);
		right -= (int)strlen(span) + 1;
		if (right > column)
			top_put(cv, line, right, cv->columns, TOP_STYLE_STATE, span);
		right--;
	}
	if (st->n_focus && page && page->focus && right - column > 12) {
		column += top_put(cv, line, column, right - column, TOP_STYLE_DIM, "callers of ");
		column += top_put_hostile(
			cv, line, column, right - column, TOP_STYLE_BOLD, page->focus);
		column++;
	}
	if (st->filter[0] && right - column > 6) {
		column += top_put(cv, line, column, right - column, TOP_STYLE_DIM, "filter ");
		top_put_hostile(cv, line, column, right - column, TOP_STYLE_PROMPT, st->filter);
	}
}

void top_draw_header(struct top_canvas *cv, const struct top_layout *l, const struct top_state *st,
	const struct top_page *page, const struct top_about *about)
{
	struct top_layout rest = *l;
	struct figures f = {.n = 0};

	draw_title(cv, st, page, about);
	if (about->trouble) {
		top_put_hostile(cv, rest.figures++, 1, cv->columns, TOP_STYLE_BAD, about->trouble);
		rest.n_figures--;
	}
	if (page && rest.n_figures) {
		collect(&f, page, about);
		draw_figures(cv, &rest, &f, about);
	}
	draw_choice(cv, l->tabs, draw_tabs(cv, l->tabs, st), st, page);
}
