/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside `profd top`: what was seen so far, and the rows of what is to be shown. Knows nothing of
 * terminals and sockets.
 *
 *    watch_receiver --interval--> top_model --top_query--> struct top_page
 */
#ifndef PROFD_CLI_TOP_MODEL_H
#define PROFD_CLI_TOP_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "serve/serve.h"

struct top_model;

struct top_model *top_model_new(void); /* NULL: out of memory */
void top_model_free(struct top_model *m);

/* Takes in an interval that `w` has just given. 0, -ENOMEM, or -EINVAL with a text: numbers that do
 * not hold together; nothing has changed then. Where the numbers began anew, and with
 * another receiver than before (the rate was changed), what was seen stays: frames are known again
 * by their names. */
int top_model_add(struct top_model *m, const struct watch_receiver *w,
	const struct watch_interval *interval, struct err *err);

/* Forgets all samples. Unfolded nodes, what is known of processes, and what is kept of a file stay.
 */
void top_model_reset(struct top_model *m);

enum top_view {
	TOP_FUNCTIONS,
	TOP_LINES,
	TOP_PROCESSES,
	TOP_THREADS,
	TOP_TREE,
	TOP_CALLERS, /* callers, the function itself, its callees: of query.focus */
	TOP_VIEWS
};
const char *top_view_name(enum top_view view); /* "functions", ... for titles and JSON */

/* Most first, by samples those of the total; names in the order of their bytes. Callers and callees
 * are sorted each for themselves, the function stands between them. */
enum top_sort { TOP_BY_SELF, TOP_BY_TOTAL, TOP_BY_SAMPLES, TOP_BY_NAME, TOP_SORTS };

enum { TOP_TREND = 24 }; /* intervals in a trend, at most */

struct top_query {
	enum top_view view;
	enum top_sort sort;
	bool reverse;
	double span_s;      /* only the last so many seconds, in whole intervals, at least one and
			     * 600 at most; 0: all since the start or reset */
	const char *filter; /* POSIX extended regex, case ignored unless it has upper case letters:
			     * rows whose name, file, module or process matches; the shares stay
			     * those of the whole. In the tree: rows that match, with what leads to
			     * them; what is below them is folded. At most 256 bytes, no references
			     * to groups. NULL or "": all */
	uint64_t focus;     /* TOP_CALLERS: the `key` of a row of functions, lines or of the tree */
	size_t limit;       /* rows; 0: all, 65,536 at most. Of callers at most half as many */
};

enum top_role { TOP_ROLE_NONE, TOP_ROLE_CALLER, TOP_ROLE_SELF, TOP_ROLE_CALLEE };

/* A row; `struct top_row` is one of analyze/. */
struct top_item {
	/* The same function (process, thread, node) has the same one in later pages */
	uint64_t key;
	const char *name, *file, *module; /* hostile; "" : not known or without meaning here */
	uint32_t line;                    /* 0: likewise */
	enum frame_kind kind;
	/* The process with most of it, "python3 (4711)", and how many more there are. A thread's is
	 * its own; "" in the process view. */
	const char *process;
	uint32_t more_processes;
	uint32_t pid, tid; /* of a process or a thread (it has both); else 0 */
	bool ended;        /* that process has ended; of a function: all that ran it have */
	uint64_t self_samples, total_samples;
	double self, total; /* shares of the span's whole weight, 0 to 1 */
	/* Share of its total (self where the order is by self) in each of the last intervals,
	 * oldest first; [n_trend]. Of callers and callees none */
	float trend[TOP_TREND];
	unsigned n_trend;
	/* Of the tree */
	unsigned depth;
	bool has_children, unfolded;
	enum top_role role; /* of TOP_CALLERS */
};

/* The whole of the screen but for how it looks. */
struct top_page {
	struct top_item *rows;
	size_t n_rows, n_all; /* n_all: without the limit */
	double span_s;        /* what it covers in fact */
	uint64_t samples;     /* in the span */
	double busy_cpus;     /* CPUs in use on average in the span: weight by time */
	/* of the last interval */
	double rate_hz, cpu_percent, kernel_cpu_percent, interval_s;
	uint64_t rss_bytes;
	uint32_t cpus;
	bool shared;
	double elapsed_s; /* since the start, whatever was reset */
	/* since the start or reset */
	uint64_t samples_all, lost, truncated, failed;
	/* those told of that live now, their threads; those that ended */
	uint32_t processes, threads, ended;
	/* Of the span, of the Python processes the highest share; negative: not known */
	double gil;
	bool last;         /* nothing will follow */
	const char *focus; /* TOP_CALLERS: the function's name */
};

/* Makes the page; holds until the next call of any function here. A process that had samples since
 * the reset has a row in its view even where it has none in the span. 0; -ENOMEM; -EINVAL with a
 * text: the filter is no regular expression; -ENOENT: focus was never seen, or is a process or a
 * thread. */
int top_model_page(
	struct top_model *m, const struct top_query *q, struct top_page **page, struct err *err);

/* Folds or unfolds a node of the tree; with `all` everything below it, too, as far as it was seen
 * (key 0: the whole tree). What nobody has folded or unfolded does so by itself: the path on which
 * most of the weight lies is unfolded until it has branched 8 times, 16 deep at most. */
void top_model_unfold(struct top_model *m, uint64_t key, bool unfolded, bool all);

/* Whether the text is such a filter; the error says what is wrong with it. */
int top_filter_check(const char *filter, struct err *err);

/* ---- out of it ----------------------------------------------------------------------------------
 */

/* A page as a JSON object; the shape is in top_out.c. NULL: no memory. */
json_t *top_page_json(const struct top_page *page, const struct top_query *q);

/* A page as a plain table, at most `columns` wide (0: no limit; below 40 as 40); names made
 * harmless. 0, or the buffer's error. */
int top_page_table(const struct top_page *page, const struct top_query *q, unsigned columns,
	bool colours, struct buf *out);

/* The stacks of the span (what the tree shows: with a filter, those that hold a match) in any
 * format of render/, with this title. Processes and threads stand in it where they stand in the
 * tree. 0, or negative errno with a text. */
int top_model_render(struct top_model *m, const struct top_query *q, const char *format,
	const char *title, struct buf *out, struct err *err);

/* ---- playing a file
 * ------------------------------------------------------------------------------ Intervals that are
 * kept with top_model_keep() instead of top_model_add() are shown when the time comes. Over 128 MiB
 * of them every two become one, so that there are fewer of them after a call of top_model_keep();
 * the position follows. */
int top_model_keep(struct top_model *m, const struct watch_receiver *w,
	const struct watch_interval *interval, struct err *err);
size_t top_model_kept(const struct top_model *m);
/* Shows the kept intervals up to number `n` (exclusive): adds what is missing, or begins anew. */
int top_model_seek(struct top_model *m, size_t n, struct err *err);
size_t top_model_position(const struct top_model *m);
double top_model_time(const struct top_model *m); /* unix seconds at the position's end */

#endif
