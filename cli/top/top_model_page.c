/* SPDX-License-Identifier: BSD-2-Clause */
/* A query -> a page: what all views have in common. */
#include "cli/top/top_model_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *top_view_name(enum top_view view)
{
	static const char *const names[TOP_VIEWS] = {
		[TOP_FUNCTIONS] = "functions",
		[TOP_LINES] = "lines",
		[TOP_PROCESSES] = "processes",
		[TOP_THREADS] = "threads",
		[TOP_TREE] = "tree",
		[TOP_CALLERS] = "callers",
	};

	return (unsigned)view < TOP_VIEWS ? names[view] : "unknown";
}

/* ---- the samples of a span ---------------------------------------------------------------------
 */

/* How many of the last intervals make up the span: as many as come closest to it. */
static size_t intervals_of(const struct top_model *m, double span_s)
{
	double sum = 0;
	size_t n = 0;

	while (n < m->n_recent) {
		double more = top_interval_s(top_model_recent(m, n));

		if (n && sum + more / 2 > span_s)
			break;
		sum += more;
		n++;
	}
	return n;
}

static void add_interval(struct top_totals *t, const struct top_interval *i)
{
	double s = top_interval_s(i);

	t->seconds += s;
	t->samples += i->samples;
	t->weight_ns += i->weight_ns;
	t->lost += i->head.lost;
	t->truncated += i->head.truncated;
	t->failed += i->head.failed;
	t->start_unix_s = i->head.start_unix_s; /* the oldest comes last */
	if (i->head.cpu_percent > 0)
		t->cpu_s += i->head.cpu_percent / 100 * s;
	if (i->head.kernel_cpu_percent > 0)
		t->kernel_cpu_s += i->head.kernel_cpu_percent / 100 * s;
}

/* The forest's nodes with the samples of the last intervals instead. */
static int count_span(struct top_model *m, struct top_span *v)
{
	if (m->cap_span_nodes < v->p.n_nodes) {
		struct stack_node *more =
			realloc(m->span_nodes, m->forest.cap_nodes * sizeof(*more));

		if (!more)
			return -ENOMEM;
		m->span_nodes = more;
		m->cap_span_nodes = m->forest.cap_nodes;
	}
	v->totals = (struct top_totals){0};
	for (uint32_t i = 0; i < v->p.n_nodes; i++)
		m->span_nodes[i] = (struct stack_node){
			.parent = v->p.nodes[i].parent, .frame = v->p.nodes[i].frame};
	for (size_t back = 0; back < v->intervals; back++) {
		const struct top_interval *i = top_model_recent(m, back);

		add_interval(&v->totals, i);
		for (size_t k = 0; k < i->n_counts; k++) {
			struct stack_node *node = &m->span_nodes[i->counts[k].node];

			node->self_samples += i->counts[k].samples;
			node->self_weight_ns += i->counts[k].weight_ns;
		}
	}
	v->p.nodes = m->span_nodes;
	return 0;
}

int top_span_make(struct top_model *m, double span_s, struct top_span *v)
{
	const struct stack_node *nodes;

	*v = (struct top_span){.p = m->forest.p, .totals = m->totals};
	if (span_s > 0) {
		v->intervals = intervals_of(m, span_s);
		if (v->intervals && count_span(m, v) < 0)
			return -ENOMEM;
	}
	v->weighted = v->totals.weight_ns > 0;
	v->below = calloc(v->p.n_nodes, sizeof(*v->below));
	if (!v->below)
		return -ENOMEM;
	nodes = v->p.nodes;
	for (uint32_t i = v->p.n_nodes; i-- > 0;) {
		v->below[i].samples += nodes[i].self_samples;
		v->below[i].weight_ns += nodes[i].self_weight_ns;
		if (!i)
			break;
		v->below[nodes[i].parent].samples += v->below[i].samples;
		v->below[nodes[i].parent].weight_ns += v->below[i].weight_ns;
	}
	return 0;
}

void top_span_clear(struct top_span *v)
{
	free(v->below);
	*v = (struct top_span){0};
}

double top_span_share(const struct top_span *v, uint64_t samples, uint64_t weight_ns)
{
	uint64_t whole = v->weighted ? v->totals.weight_ns : v->totals.samples;

	return whole ? (double)top_span_value(v, samples, weight_ns) / (double)whole : 0;
}

/* ---- rows --------------------------------------------------------------------------------------
 */

void top_draft_describe(const struct top_model *m, struct top_draft *d, uint32_t frame)
{
	const struct top_forest *f = &m->forest;
	const struct frame *content = &f->p.frames[frame];
	bool is_root = content->kind == FRAME_PROCESS || content->kind == FRAME_THREAD;

	d->frame = frame;
	d->item.name = content->name ? top_forest_name(f, content->name) : "[unknown]";
	d->item.file = is_root ? "" : top_forest_name(f, content->file);
	d->item.module = is_root ? "" : top_forest_name(f, content->module);
	d->item.line = is_root ? 0 : content->line;
	d->item.kind = (enum frame_kind)content->kind;
}

static int compare_reals(double a, double b)
{
	return (a < b) - (a > b); /* the larger first */
}

static int compare_counts(uint64_t a, uint64_t b)
{
	return (a < b) - (a > b);
}

static int compare_drafts(const void *a, const void *b, void *arg)
{
	const struct top_item *x = &((const struct top_draft *)a)->item;
	const struct top_item *y = &((const struct top_draft *)b)->item;
	const struct top_query *q = arg;
	int by_self = compare_reals(x->self, y->self), by_total = compare_reals(x->total, y->total);
	int by_name = strcmp(x->name, y->name), order = 0;

	if (q->sort == TOP_BY_SELF)
		order = by_self ? by_self : by_total;
	else if (q->sort == TOP_BY_TOTAL)
		order = by_total ? by_total : by_self;
	else if (q->sort == TOP_BY_SAMPLES)
		order = compare_counts(x->total_samples, y->total_samples);
	if (!order)
		order = by_name ? by_name : strcmp(x->file, y->file);
	if (!order)
		order = compare_counts(y->line, x->line);
	return order ? order : compare_counts(y->key, x->key);
}

void top_drafts_reverse(struct top_draft *drafts, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct top_draft other = drafts[i];

		drafts[i] = drafts[n - 1 - i];
		drafts[n - 1 - i] = other;
	}
}

void top_drafts_sort(struct top_draft *drafts, size_t n, const struct top_query *q)
{
	qsort_r(drafts, n, sizeof(*drafts), compare_drafts, (void *)q);
	if (q->reverse)
		top_drafts_reverse(drafts, n);
}

int top_drafts_put(
	struct top_model *m, const struct top_query *q, const struct top_draft *drafts, size_t n)
{
	size_t most = q->limit && q->limit < TOP_ROWS_MAX ? q->limit : TOP_ROWS_MAX;

	m->page.n_all = n;
	m->page.n_rows = n < most ? n : most;
	if (m->cap_rows < m->page.n_rows) {
		struct top_item *more =
			realloc(m->page.rows, m->page.n_rows * sizeof(*m->page.rows));

		if (!more) {
			m->page.n_rows = 0;
			return -ENOMEM;
		}
		m->page.rows = more;
		m->cap_rows = m->page.n_rows;
	}
	for (size_t i = 0; i < m->page.n_rows; i++)
		m->page.rows[i] = drafts[i].item;
	return 0;
}

void top_page_trend(struct top_model *m, const struct top_query *q, const struct top_owner *owners,
	const uint32_t *above)
{
	unsigned n = m->n_recent < TOP_TREND ? (unsigned)m->n_recent : TOP_TREND;
	struct top_item *rows = m->page.rows;
	bool by_self = q->sort == TOP_BY_SELF;

	for (size_t i = 0; i < m->page.n_rows; i++)
		rows[i].n_trend = n;
	for (unsigned t = 0; t < n; t++) {
		const struct top_interval *at = top_model_recent(m, n - 1 - t);

		for (size_t k = 0; k < at->n_counts; k++) {
			const struct top_owner *owner = &owners[at->counts[k].node];

			if (owner->row != TOP_NO_ROW && (owner->self || !by_self))
				rows[owner->row].trend[t] += (float)at->counts[k].samples;
		}
		for (size_t i = m->page.n_rows; i-- > 0;) {
			if (!by_self && above && above[i] != TOP_NO_ROW)
				rows[above[i]].trend[t] += rows[i].trend[t];
			if (at->samples)
				rows[i].trend[t] /= (float)at->samples;
		}
	}
}

/* ---- the head ----------------------------------------------------------------------------------
 */

static double gil_share(double held_s, double seconds)
{
	return held_s < seconds ? held_s / seconds : 1;
}

/* The share of the process that held its GIL most. What was not looked at did not run: it counts as
 * not held. */
static double find_gil(struct top_model *m, const struct top_span *v)
{
	double most = -1;

	for (uint32_t i = 0; i < m->n_processes; i++)
		m->processes[i].span_gil_s = v->intervals ? -1 : m->processes[i].gil_s;
	for (size_t back = 0; back < v->intervals; back++) {
		const struct top_interval *at = top_model_recent(m, back);

		for (size_t k = 0; k < at->n_told; k++) {
			struct top_process *p = top_model_process(m, at->told[k].pid);

			if (p && at->told[k].gil_s >= 0)
				p->span_gil_s = (p->span_gil_s > 0 ? p->span_gil_s : 0) +
						(double)at->told[k].gil_s;
		}
	}
	for (uint32_t i = 0; i < m->n_processes; i++)
		if (m->processes[i].span_gil_s > most)
			most = m->processes[i].span_gil_s;
	return most < 0 || v->totals.seconds <= 0 ? -1 : gil_share(most, v->totals.seconds);
}

static void count_processes(struct top_model *m)
{
	m->page.ended = m->n_forgotten;
	for (uint32_t i = 0; i < m->n_processes; i++) {
		const struct top_process *p = &m->processes[i];

		if (p->ended) {
			m->page.ended++;
		} else if (p->listed) {
			m->page.processes++;
			m->page.threads += p->threads;
		}
	}
}

static void make_head(struct top_model *m, const struct top_span *v)
{
	struct top_page *page = &m->page;
	struct top_item *rows = page->rows;

	*page = (struct top_page){
		.rows = rows,
		.span_s = v->totals.seconds,
		.samples = v->totals.samples,
		.busy_cpus = v->totals.seconds > 0
				     ? (double)v->totals.weight_ns / 1e9 / v->totals.seconds
				     : 0,
		.rate_hz = m->has_last ? m->last.rate_hz : -1,
		.cpu_percent = m->has_last ? m->last.cpu_percent : -1,
		.kernel_cpu_percent = m->has_last ? m->last.kernel_cpu_percent : -1,
		.interval_s = m->last.interval_s,
		.rss_bytes = m->last.rss_bytes,
		.cpus = m->last.cpus,
		.shared = m->last.shared,
		.elapsed_s = m->elapsed_before_s + m->last.elapsed_s,
		.samples_all = m->totals.samples,
		.lost = m->totals.lost,
		.truncated = m->totals.truncated,
		.failed = m->totals.failed,
		.gil = find_gil(m, v),
		.last = m->last.last,
	};
	count_processes(m);
}

static int make_rows(
	struct top_model *m, const struct top_query *q, const struct top_span *v, struct err *err)
{
	switch (q->view) {
	case TOP_FUNCTIONS:
	case TOP_LINES:
		return top_page_functions(m, q, v);
	case TOP_PROCESSES:
	case TOP_THREADS:
		return top_page_roots(m, q, v);
	case TOP_TREE:
		return top_page_tree(m, q, v);
	case TOP_CALLERS:
		return top_page_callers(m, q, v, err);
	default:
		return err_set(err, -EINVAL, "there is no view %d", (int)q->view);
	}
}

int top_model_page(
	struct top_model *m, const struct top_query *q, struct top_page **page, struct err *err)
{
	struct top_span v = {0};
	int rc = top_filter_set(&m->filter, q->filter, err);

	*page = &m->page;
	if (rc < 0)
		return rc;
	rc = top_span_make(m, q->span_s, &v);
	if (rc == 0) {
		make_head(m, &v);
		rc = make_rows(m, q, &v, err);
	}
	top_span_clear(&v);
	if (rc == -ENOMEM)
		err_set(err, rc, "not enough memory for the page; reset, or set a filter");
	return rc;
}
