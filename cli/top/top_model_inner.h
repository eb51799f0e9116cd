/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the model of `profd top`: what its files share.
 *
 *   top_model_forest.c   stacks by content
 *   top_model_take.c     an interval as it came -> one of the forest's numbers
 *   top_model.c          what is shown: totals, the last intervals, processes; kept intervals
 *   top_model_prune.c    when there are too many stacks
 *   top_model_page.c     a query -> a page: what all views share
 *   top_rows.c           functions, lines, callers     top_model_places.c   which processes ran
 * them top_tree.c           the tree                      top_model_roots.c    processes, threads
 *   top_model_filter.c   which names match
 *   top_model_picture.c  a query -> a picture
 *   top_out.c            a page -> JSON                top_model_table.c    a page -> a table
 */
#ifndef PROFD_CLI_TOP_MODEL_INNER_H
#define PROFD_CLI_TOP_MODEL_INNER_H

#include <regex.h>

#include "cli/top/top_model.h"
#include "cli/top/top_model_forest.h"

enum {
	TOP_NODES_MAX = 1 << 18,
	TOP_TEXT_BYTES_MAX = 32 << 20,
	TOP_RECENT_MAX = 600, /* intervals that a span can be made of */
	TOP_RECENT_BYTES_MAX = 64 << 20,
	TOP_KEPT_BYTES_MAX = 128 << 20,
	TOP_FOLDS_MAX = 1 << 20,
	TOP_PROCESSES_MAX = 1 << 16, /* beyond it those that have ended are forgotten */
	TOP_ROWS_MAX = 1 << 16,      /* of a page */
};

/* ---- intervals ---------------------------------------------------------------------------------
 */

struct top_count {
	uint32_t node; /* of the forest; perhaps more than once */
	uint32_t samples;
	uint64_t weight_ns;
};

/* What was told of a process: something new, or its GIL. */
struct top_told {
	uint32_t pid, threads;
	float gil_s; /* seconds of the interval in which it was held; negative: not known */
	bool ended;
};

struct top_interval {
	struct watch_interval head; /* .counts, .n_counts, .reset without meaning */
	bool anew;                  /* the first of another watch: processes are told once more */
	bool kept;                  /* the list of kept intervals owns it */
	struct top_count *counts;
	size_t n_counts;
	struct top_told *told;
	size_t n_told;
	uint64_t samples, weight_ns; /* of the counts */
};

void top_interval_free(struct top_interval *i); /* NULL is allowed */
size_t top_interval_bytes(const struct top_interval *i);
double top_interval_s(const struct top_interval *i); /* never negative */

struct top_process {
	uint32_t pid;
	/* As it was told last: what is kept for later may be ahead of what is shown */
	bool is_told, told_ended;
	uint32_t told_threads;
	/* As it is shown */
	bool listed, ended;
	uint32_t threads;
	double gil_s;      /* since the reset; negative: not known */
	double span_gil_s; /* working memory of a page */
};

/* ---- names that match --------------------------------------------------------------------------
 */

enum { TOP_FILTER_MAX = 256 };

struct top_filter {
	char pattern[TOP_FILTER_MAX + 1]; /* "": matches all */
	regex_t compiled;
	uint8_t *verdicts; /* [cap], by number of the text: 0 not looked at yet */
	uint32_t cap;
};

int top_filter_set(struct top_filter *f, const char *pattern, struct err *err); /* NULL as "" */
void top_filter_forget(struct top_filter *f); /* the numbers of texts are others now */
void top_filter_clear(struct top_filter *f);

static inline bool top_filter_is_on(const struct top_filter *f)
{
	return f->pattern[0] != '\0';
}

/* Whether a text, or one of a frame's, matches. With no filter everything does. */
bool top_filter_text(struct top_filter *f, const struct top_forest *forest, uint32_t text);
bool top_filter_frame(struct top_filter *f, const struct top_forest *forest, uint32_t frame);

/* ---- the model ---------------------------------------------------------------------------------
 */

/* A number of the receiver's and what it was here the last time. Looked at anew in each interval,
 * as the receiver, or its numbers, may be others than then. */
struct top_guess {
	uint32_t number;
	uint32_t looked; /* in which interval */
};
struct top_guesses {
	struct top_guess *at;
	uint32_t cap;
};

struct top_totals {
	double seconds;
	uint64_t samples, weight_ns, lost, truncated, failed;
	double start_unix_s, cpu_s, kernel_cpu_s; /* the last two: profd's own */
};

/* The nodes' samples in a span. */
struct top_amount {
	uint64_t samples, weight_ns; /* of a node and what lies below it */
};
struct top_span {
	struct profile p;         /* the forest's, but for the samples of its nodes; no slices */
	struct top_amount *below; /* [p.n_nodes] */
	struct top_totals totals;
	bool weighted;    /* values are ns; false: samples, as none has a weight */
	size_t intervals; /* the last so many; 0: all since the reset */
};

struct top_model {
	struct top_forest forest;
	uint32_t nodes_max; /* TOP_NODES_MAX */
	size_t text_bytes_max, kept_bytes_max;

	/* Taking in */
	struct top_guesses texts, frames, nodes;
	uint32_t looks;
	uint32_t *path; /* [cap_path] */
	uint32_t cap_path;
	double taken_elapsed_s;
	struct map *process_by_pid;
	struct top_process *processes;
	uint32_t n_processes, cap_processes, processes_max;
	uint32_t n_forgotten; /* that had ended */

	/* What is shown */
	struct top_interval *recent[TOP_RECENT_MAX]; /* a ring */
	size_t recent_first, n_recent, recent_bytes;
	struct watch_interval last; /* the one shown last */
	bool has_last;
	double elapsed_before_s; /* of the watches before this one */
	struct top_totals totals;

	/* Kept for later; those of them that are shown may stand in the ring as well */
	struct top_interval **kept;
	size_t n_kept, cap_kept, kept_bytes, position;

	/* The page */
	struct map *folds; /* key of a branch -> enum top_fold */
	struct top_filter filter;
	struct top_page page;
	size_t cap_rows;
	struct stack_node *span_nodes; /* [cap_span_nodes] */
	uint32_t cap_span_nodes;
};

/* What people (or the shares) have said of a branch. */
enum top_fold { TOP_FOLD_NONE, TOP_FOLD_OPEN, TOP_FOLD_SHUT, TOP_FOLD_OPENED_ITSELF };

/* One interval as it came, as a new one in numbers of the forest, for the caller to free. 0,
 * -ENOMEM, or -EINVAL with a text: numbers that are out of range. */
int top_model_take(struct top_model *m, const struct profile *tree,
	const struct watch_process *processes, size_t n_processes,
	const struct watch_interval *interval, struct top_interval **taken, struct err *err);

/* Shows it, and takes it over; `-ENOMEM` frees it. */
int top_model_show(struct top_model *m, struct top_interval *taken, struct err *err);
int top_model_keep_taken(struct top_model *m, struct top_interval *taken, struct err *err);

/* Plants a forest of the heaviest stacks where there are too many; `taken` is an interval that
 * belongs to nobody yet. 0 or -ENOMEM, with nothing changed. */
int top_model_prune(struct top_model *m, struct top_interval *taken);

/* The entry of a PID; NULL: there is none. */
struct top_process *top_model_process(const struct top_model *m, uint32_t pid);

struct top_interval *top_model_recent(const struct top_model *m, size_t back); /* 0: the last */

/* ---- pages -------------------------------------------------------------------------------------
 */

/* To be cleared in any case. */
int top_span_make(struct top_model *m, double span_s, struct top_span *v);
void top_span_clear(struct top_span *v);

static inline uint64_t top_span_value(
	const struct top_span *v, uint64_t samples, uint64_t weight_ns)
{
	return v->weighted ? weight_ns : samples;
}
double top_span_share(const struct top_span *v, uint64_t samples, uint64_t weight_ns);

/* A row of a page while it is made. */
struct top_draft {
	struct top_item item;
	uint32_t frame; /* the forest's: where its texts come from */
	uint32_t node;  /* of processes and threads: their node; of the tree: the branch */
};
/* Texts, line and kind of a frame. */
void top_draft_describe(const struct top_model *m, struct top_draft *d, uint32_t frame);
void top_drafts_sort(struct top_draft *drafts, size_t n, const struct top_query *q);
void top_drafts_reverse(struct top_draft *drafts, size_t n);
/* Puts them on the page as they are, those within the limit. 0 or -ENOMEM. */
int top_drafts_put(
	struct top_model *m, const struct top_query *q, const struct top_draft *drafts, size_t n);

int top_page_functions(struct top_model *m, const struct top_query *q, const struct top_span *v);
int top_page_callers(
	struct top_model *m, const struct top_query *q, const struct top_span *v, struct err *err);
int top_page_roots(struct top_model *m, const struct top_query *q, const struct top_span *v);
int top_page_tree(struct top_model *m, const struct top_query *q, const struct top_span *v);

#define TOP_NO_ROW UINT32_MAX

/* The trends of the page, by where the samples of a node go. */
struct top_owner {
	uint32_t row; /* of the page; TOP_NO_ROW: none */
	bool self;    /* they are the row's own */
};
/* `owners` [n_nodes]; `above` [n_rows]: the row, a smaller number, that gets its total as well, or
 * TOP_NO_ROW. */
void top_page_trend(struct top_model *m, const struct top_query *q, const struct top_owner *owners,
	const uint32_t *above);

/* ---- which processes ran what ------------------------------------------------------------------
 */

struct top_place {
	uint32_t process; /* the node of the one with most of it; 0: none is known */
	uint32_t more;    /* how many others there are */
	bool ended;       /* all of them */
	bool matches;     /* the name of one of them does; not set without a filter */
};
/* By the frame that a function (a line) goes by: [n_frames], to be freed. NULL: out of memory. */
struct top_place *top_places_make(struct top_model *m, const struct top_span *v, bool by_line);
bool top_pid_ended(const struct top_model *m, uint32_t pid);
bool top_node_ended(const struct top_model *m, uint32_t process); /* of a PROCESS node */

/* ---- the tree ----------------------------------------------------------------------------------
 */

/* What the tree shows of each branch. */
struct top_tree_branch {
	uint64_t self_samples, self_weight_ns;
	struct top_amount below;
	uint32_t frame; /* the heaviest line of the function here */
	uint64_t frame_value;
	uint32_t above;               /* the branch it is shown under; 0: under none */
	bool skipped;                 /* the only process, or its only thread */
	bool matches, leads, follows; /* itself; something below it; something above it */
};
/* [n_branches], to be freed. NULL: out of memory. */
struct top_tree_branch *top_tree_make(struct top_model *m, const struct top_span *v);

/* Whether there is anything to show of it. */
static inline bool top_tree_is_shown(const struct top_tree_branch *b, bool filtered)
{
	return (b->below.samples || b->below.weight_ns) &&
	       (!filtered || b->matches || b->leads || b->follows);
}

#endif
