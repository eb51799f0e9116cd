/* SPDX-License-Identifier: BSD-2-Clause */
/* A page as a plain table:
 *
 *     functions, 990 samples in 10.0 s at 99 Hz, 1.00 of 2 CPUs busy, GIL held 98 %
 *     0 lost, 0 truncated, 3 failed
 *
 *       SELF   TOTAL  SAMPLES  FUNCTION    FILE:LINE          KIND    PROCESS
 *      41.2%   98.0%      970  Worker.run  /app/worker.py:31  python  python3 (4711)
 *
 * What is too wide loses first the process, then its kind, then its place; names and places are cut
 * before that. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/terminal.h"
#include "cli/top/top_model.h"

enum {
	TEXT_BYTES = 8192,  /* of a cell */
	COLUMNS_MAX = 4096, /* of a cell, where nothing limits it */
	PAD_MAX = 64,       /* to which cells are filled up there */
	NAME_MIN = 24,
	WHERE_MIN = 16,
	PROCESS_MAX = 24,
	KIND_COLUMNS = 7,
	INDENT_MAX = 40,    /* of the tree */
	LINE_COLUMNS = 100, /* of sentences, where nothing limits them */
};

#define BOLD "1"
#define DIM  "2"

struct layout {
	const struct top_page *page;
	const struct top_query *q;
	unsigned columns;
	bool colours;
	unsigned samples, name, where, kind, process; /* widths; 0: left out */
};

/* ---- texts -------------------------------------------------------------------------------------
 */

static bool has_places(const struct top_query *q)
{
	return q->view != TOP_PROCESSES && q->view != TOP_THREADS;
}

static const char *mark_of(const struct top_query *q, const struct top_item *item)
{
	if (q->view == TOP_TREE)
		return !item->has_children ? "  " : item->unfolded ? "- " : "+ ";
	if (q->view != TOP_CALLERS)
		return "";
	return item->role == TOP_ROLE_CALLER ? "by " : item->role == TOP_ROLE_CALLEE ? "  > " : "";
}

static void name_text(const struct top_query *q, const struct top_item *item, char *to)
{
	unsigned indent = item->depth < INDENT_MAX ? item->depth : INDENT_MAX;
	bool ended = item->ended && item->pid;

	snprintf(to, TEXT_BYTES, "%*s%s%s%s", q->view == TOP_TREE ? (int)(2 * indent) : 0, "",
		mark_of(q, item), item->name, ended ? " (ended)" : "");
}

static void where_text(const struct top_item *item, char *to)
{
	if (*item->file && item->line)
		snprintf(to, TEXT_BYTES, "%s:%u", item->file, item->line);
	else
		snprintf(to, TEXT_BYTES, "%s", *item->file ? item->file : item->module);
}

static void process_text(const struct top_item *item, char *to)
{
	if (item->more_processes)
		snprintf(to, TEXT_BYTES, "%s +%u", item->process, item->more_processes);
	else
		snprintf(to, TEXT_BYTES, "%s", item->process);
}

static unsigned width_of(const char *text)
{
	char clean[TEXT_BYTES];

	return (unsigned)terminal_text(text, COLUMNS_MAX, clean, sizeof(clean));
}

/* ---- widths ------------------------------------------------------------------------------------
 */

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static void widen(unsigned *width, const char *text)
{
	unsigned of = width_of(text);

	*width = of > *width ? of : *width;
}

static void measure(struct layout *l)
{
	char text[TEXT_BYTES];

	l->samples = (unsigned)strlen("SAMPLES");
	l->name = (unsigned)strlen("FUNCTION");
	l->where = has_places(l->q) ? (unsigned)strlen("FILE:LINE") : 0;
	l->kind = has_places(l->q) ? KIND_COLUMNS : 0;
	for (size_t i = 0; i < l->page->n_rows; i++) {
		const struct top_item *item = &l->page->rows[i];

		widen(&l->samples, terminal_count(item->total_samples, text));
		name_text(l->q, item, text);
		widen(&l->name, text);
		where_text(item, text);
		if (l->where)
			widen(&l->where, text);
		process_text(item, text);
		widen(&l->process, text);
	}
	if (l->process && l->process < strlen("PROCESS"))
		l->process = (unsigned)strlen("PROCESS");
}

/* What the columns take, two blanks before each. */
static unsigned taken(const struct layout *l)
{
	return 6 + 2 + 6 + 2 + l->samples + 2 + (l->kind ? l->kind + 2 : 0) +
	       (l->process ? l->process + 2 : 0);
}

static void fit(struct layout *l)
{
	unsigned room, least = smaller(l->name, NAME_MIN) +
			       (l->where ? smaller(l->where, WHERE_MIN) + 2 : 0);

	if (!l->columns)
		return;
	l->process = smaller(l->process, PROCESS_MAX);
	if (taken(l) + least > l->columns)
		l->process = 0;
	if (taken(l) + least > l->columns)
		l->kind = 0;
	if (taken(l) + least > l->columns)
		l->where = 0;
	room = l->columns > taken(l) + 8 ? l->columns - taken(l) : 8;
	if (!l->where) {
		l->name = smaller(l->name, room);
		return;
	}
	room -= 2;
	if (l->name + l->where <= room)
		return;
	/* The name gets three fifths, and what the place does not need */
	if (l->where <= room * 2 / 5)
		l->name = room - l->where;
	else if (l->name > room * 3 / 5)
		l->name = room * 3 / 5;
	l->where = room - l->name;
}

/* ---- cells -------------------------------------------------------------------------------------
 */

static void put_blanks(struct buf *out, unsigned n)
{
	while (n--)
		buf_putc(out, ' ');
}

static void put_right(struct buf *out, const char *text, unsigned columns)
{
	unsigned width = (unsigned)strlen(text);

	put_blanks(out, columns > width ? columns - width : 0);
	buf_puts(out, text);
}

static void colour(const struct layout *l, const char *sgr, struct buf *out)
{
	if (l->colours && *sgr)
		buf_printf(out, "\x1b[%sm", sgr);
}

/* As those of reports (ECMA-48, 8.3.117). */
static const char *colour_of(enum frame_kind kind)
{
	switch (kind) {
	case FRAME_PYTHON:
		return "33";
	case FRAME_NATIVE:
		return "31";
	case FRAME_INLINED:
		return "35";
	case FRAME_JIT:
		return "32";
	case FRAME_KERNEL:
		return "36";
	case FRAME_NOTE:
		return DIM;
	default:
		return "";
	}
}

/* The end of a path says more than its beginning. */
static const char *cut_front(const char *text, unsigned columns)
{
	size_t len = strlen(text);

	if (columns < 4 || len <= columns)
		return text;
	if (len > 4 * (size_t)columns) /* no character has more bytes */
		text += len - 4 * (size_t)columns;
	while (*text && width_of(text) > columns)
		do
			text++;
		while (((unsigned char)*text & 0xc0) == 0x80);
	return text;
}

/* A cell, and how many blanks are to stand before the next one. */
static unsigned put_text(
	const struct layout *l, const char *text, unsigned columns, struct buf *out)
{
	char clean[TEXT_BYTES];
	unsigned used = (unsigned)terminal_text(
		text, l->columns ? columns : COLUMNS_MAX, clean, sizeof(clean));
	unsigned pad = l->columns ? columns : smaller(columns, PAD_MAX);

	buf_puts(out, clean);
	return (pad > used ? pad - used : 0) + 2;
}

static unsigned put_next(const struct layout *l, const char *text, unsigned columns,
	unsigned blanks, struct buf *out)
{
	if (!columns)
		return blanks;
	if (!*text)
		return blanks + (l->columns ? columns : smaller(columns, PAD_MAX)) + 2;
	put_blanks(out, blanks);
	return put_text(l, text, columns, out);
}

static void put_titles(const struct layout *l, struct buf *out)
{
	static const char *const names[TOP_VIEWS] = {
		[TOP_PROCESSES] = "PROCESS", [TOP_THREADS] = "THREAD"};
	const char *name = names[l->q->view] ? names[l->q->view] : "FUNCTION";
	unsigned blanks = 2;

	colour(l, BOLD, out);
	buf_puts(out, "  SELF   TOTAL  ");
	put_right(out, "SAMPLES", l->samples);
	blanks = put_next(l, name, l->name, blanks, out);
	blanks = put_next(l, "FILE:LINE", l->where, blanks, out);
	blanks = put_next(l, "KIND", l->kind, blanks, out);
	put_next(l, "PROCESS", l->process, blanks, out);
	colour(l, "0", out);
	buf_putc(out, '\n');
}

static void put_row(const struct layout *l, const struct top_item *item, struct buf *out)
{
	char text[TEXT_BYTES], number[32];
	unsigned blanks;

	buf_printf(out, "%5.1f%%  %5.1f%%  ", 100 * item->self, 100 * item->total);
	put_right(out, terminal_count(item->total_samples, number), l->samples);
	buf_puts(out, "  ");
	name_text(l->q, item, text);
	colour(l, colour_of(item->kind), out);
	blanks = put_text(l, text, l->name, out);
	if (*colour_of(item->kind))
		colour(l, "0", out);
	where_text(item, text);
	blanks = put_next(l, l->columns ? cut_front(text, l->where) : text, l->where, blanks, out);
	blanks = put_next(l, frame_kind_name(item->kind), l->kind, blanks, out);
	process_text(item, text);
	put_next(l, text, l->process, blanks, out);
	buf_putc(out, '\n');
}

/* ---- above and below ---------------------------------------------------------------------------
 */

/* Parts of a sentence, on as many lines as they need. */
struct facts {
	const struct layout *l;
	struct buf *out;
	unsigned used; /* of the line */
};

static void put_fact(struct facts *f, const char *text)
{
	char clean[TEXT_BYTES];
	unsigned most = f->l->columns > 1 ? f->l->columns - 1 : LINE_COLUMNS; /* and a comma */
	unsigned width = (unsigned)terminal_text(text, most, clean, sizeof(clean));

	if (f->used && f->used + 2 + width > most) {
		buf_puts(f->out, ",\n");
		f->used = 0;
	} else if (f->used) {
		buf_puts(f->out, ", ");
		f->used += 2;
	}
	buf_puts(f->out, clean);
	f->used += width;
}

static void put_count(struct facts *f, uint64_t n, const char *what)
{
	char number[32], text[96];

	snprintf(text, sizeof(text), "%s %s", terminal_count(n, number), what);
	put_fact(f, text);
}

static void put_machine(struct facts *f, const struct top_page *page)
{
	char text[96];

	if (page->cpus)
		snprintf(text, sizeof(text), "%.2f of %u CPUs busy", page->busy_cpus, page->cpus);
	else
		snprintf(text, sizeof(text), "%.2f CPUs busy", page->busy_cpus);
	put_fact(f, text);
	if (page->gil >= 0) {
		snprintf(text, sizeof(text), "GIL held %.0f %%", 100 * page->gil);
		put_fact(f, text);
	}
	put_count(f, page->processes, page->processes == 1 ? "process" : "processes");
	if (page->ended)
		put_count(f, page->ended, "ended");
	if (page->cpu_percent >= 0) {
		double kernel = page->kernel_cpu_percent > 0 ? page->kernel_cpu_percent : 0;

		snprintf(text, sizeof(text), "profd itself %.2f %% of a CPU",
			page->cpu_percent + kernel);
		put_fact(f, text);
	}
}

static void put_head(const struct layout *l, struct buf *out)
{
	const struct top_page *page = l->page;
	struct facts f = {l, out, 0};
	char text[TEXT_BYTES], number[32], span[32];

	if (page->focus)
		snprintf(text, sizeof(text), "callers and callees of %.2000s", page->focus);
	else
		snprintf(text, sizeof(text), "%s", top_view_name(l->q->view));
	put_fact(&f, text);
	snprintf(text, sizeof(text), "%s samples in %s", terminal_count(page->samples, number),
		terminal_duration(page->span_s, span));
	put_fact(&f, text);
	if (page->rate_hz > 0) {
		snprintf(text, sizeof(text), "%.0f Hz", page->rate_hz);
		put_fact(&f, text);
	}
	put_machine(&f, page);
	put_count(&f, page->lost, "lost");
	put_count(&f, page->truncated, "truncated");
	put_count(&f, page->failed, "failed");
	buf_puts(out, "\n\n");
}

static void put_foot(const struct layout *l, struct buf *out)
{
	const struct top_page *page = l->page;
	char shown[32], all[32];

	if (!page->n_rows)
		buf_puts(out, page->samples ? "nothing matches\n"
					    : "no samples: nothing ran on a CPU in this time\n");
	else if (page->n_rows < page->n_all)
		buf_printf(out, "\n%s of %s rows\n", terminal_count(page->n_rows, shown),
			terminal_count(page->n_all, all));
}

int top_page_table(const struct top_page *page, const struct top_query *q, unsigned columns,
	bool colours, struct buf *out)
{
	struct layout l = {.page = page, .q = q, .columns = columns, .colours = colours};

	put_head(&l, out);
	if (page->n_rows) {
		measure(&l);
		fit(&l);
		put_titles(&l, out);
	}
	for (size_t i = 0; i < page->n_rows && !buf_failed(out); i++)
		put_row(&l, &page->rows[i], out);
	put_foot(&l, out);
	return out->error;
}
