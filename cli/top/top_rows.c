/* SPDX-License-Identifier: BSD-2-Clause */
/* The pages of functions, of lines, and of who calls one of them. */
#include "cli/top/top_model_inner.h"

#include <errno.h>
#include <stdlib.h>

/* ---- trends ------------------------------------------------------------------------------------
 */

/* The last intervals as slices of the profile; to be freed by slices_clear in any case. */
static int slices_make(const struct top_model *m, struct profile *p)
{
	size_t n = m->n_recent < TOP_TREND ? m->n_recent : TOP_TREND, counts = 0;

	for (size_t i = 0; i < n; i++)
		counts += top_model_recent(m, i)->n_counts;
	p->slices = calloc(n + 1, sizeof(*p->slices));
	p->counts = calloc(counts + 1, sizeof(*p->counts));
	if (!p->slices || !p->counts)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct top_interval *at = top_model_recent(m, n - 1 - i);

		p->slices[i] = (struct profile_slice){.first = p->n_counts, .n = at->n_counts};
		for (size_t k = 0; k < at->n_counts; k++)
			p->counts[p->n_counts++] =
				(struct profile_count){at->counts[k].node, at->counts[k].samples};
	}
	p->n_slices = n;
	return 0;
}

static void slices_clear(struct profile *p)
{
	free(p->slices);
	free(p->counts);
}

/* Of the first rows of the page, which are those of `r`, from number `from` on. */
static int put_trends(struct top_model *m, const struct top_query *q, const struct top_span *v,
	const struct report *r, size_t from)
{
	bool by_self = q->sort == TOP_BY_SELF;
	struct profile p = v->p;
	float *shares = NULL;
	int rc = slices_make(m, &p);

	if (rc == 0 && p.n_slices && r->n_rows) {
		shares = calloc(r->n_rows * p.n_slices, sizeof(*shares));
		rc = shares ? analyze_trends(
				      &p, r, by_self ? shares : NULL, by_self ? NULL : shares)
			    : -ENOMEM;
	}
	for (size_t i = 0; rc == 0 && shares && i < r->n_rows; i++) {
		struct top_item *row = &m->page.rows[from + i];

		row->n_trend = (unsigned)p.n_slices;
		for (size_t k = 0; k < p.n_slices; k++)
			row->trend[k] = shares[i * p.n_slices + k];
	}
	free(shares);
	slices_clear(&p);
	return rc;
}

/* The same for rows that are drafts, all of one kind. */
static int put_trends_of(struct top_model *m, const struct top_query *q, const struct top_span *v,
	enum report_by by, const struct top_draft *drafts, size_t n, size_t from)
{
	struct report r = {.by = by, .n_rows = n, .rows = calloc(n + 1, sizeof(*r.rows))};
	int rc = r.rows ? 0 : -ENOMEM;

	for (size_t i = 0; rc == 0 && i < n; i++)
		r.rows[i].frame = drafts[i].frame;
	if (rc == 0)
		rc = put_trends(m, q, v, &r, from);
	free(r.rows);
	return rc;
}

/* ---- functions and lines -----------------------------------------------------------------------
 */

static void put_place(const struct top_model *m, struct top_item *item, const struct top_place *p)
{
	const struct top_forest *f = &m->forest;

	item->process = "";
	if (!p->process)
		return;
	item->process = top_forest_name(f, f->p.frames[f->p.nodes[p->process].frame].name);
	item->more_processes = p->more;
	item->ended = p->ended;
}

static void draft_row(const struct top_model *m, const struct top_span *v,
	const struct report_row *row, bool by_line, struct top_draft *d)
{
	const struct top_frame *frame = &m->forest.frames[row->frame];

	*d = (struct top_draft){0};
	top_draft_describe(m, d, row->frame);
	d->item.key = by_line ? frame->line_key : frame->function_key;
	d->item.self_samples = row->self_samples;
	d->item.total_samples = row->total_samples;
	d->item.self = top_span_share(v, row->self_samples, row->self_weight_ns);
	d->item.total = top_span_share(v, row->total_samples, row->total_weight_ns);
	d->item.process = "";
}

static const struct top_place *place_of(
	const struct top_model *m, const struct top_place *places, uint32_t frame, bool by_line)
{
	const struct top_frame *f = &m->forest.frames[frame];

	return &places[by_line ? f->line : f->function];
}

/* Those rows of the report that match, in its order; how many. */
static size_t draft_rows(struct top_model *m, const struct top_span *v, const struct report *r,
	const struct top_place *places, struct top_draft *drafts)
{
	bool by_line = r->by == REPORT_LINE;
	size_t n = 0;

	for (size_t i = 0; i < r->n_rows; i++) {
		uint32_t frame = r->rows[i].frame;
		const struct top_place *place = place_of(m, places, frame, by_line);

		if (!place->matches && !top_filter_frame(&m->filter, &m->forest, frame))
			continue;
		draft_row(m, v, &r->rows[i], by_line, &drafts[n]);
		put_place(m, &drafts[n++].item, place);
	}
	return n;
}

static int put_rows(struct top_model *m, const struct top_query *q, const struct top_span *v,
	const struct report *r, const struct top_place *places)
{
	struct top_draft *drafts = calloc(r->n_rows + 1, sizeof(*drafts));
	size_t n;
	int rc;

	if (!drafts)
		return -ENOMEM;
	n = draft_rows(m, v, r, places, drafts);
	if (q->sort == TOP_BY_SAMPLES || q->sort == TOP_BY_NAME)
		top_drafts_sort(drafts, n, q);
	else if (q->reverse) /* the report has them in order */
		top_drafts_reverse(drafts, n);
	rc = top_drafts_put(m, q, drafts, n);
	if (rc == 0)
		rc = put_trends_of(m, q, v, r->by, drafts, m->page.n_rows, 0);
	free(drafts);
	return rc;
}

int top_page_functions(struct top_model *m, const struct top_query *q, const struct top_span *v)
{
	enum report_by by = q->view == TOP_LINES ? REPORT_LINE : REPORT_FUNCTION;
	struct top_place *places;
	struct report r;
	int rc = analyze_report(
		&v->p, by, q->sort == TOP_BY_SELF ? REPORT_SELF : REPORT_TOTAL, 0, &r);

	if (rc < 0)
		return rc;
	places = top_places_make(m, v, by == REPORT_LINE);
	rc = places ? put_rows(m, q, v, &r, places) : -ENOMEM;
	free(places);
	report_clear(&r);
	return rc;
}

/* ---- callers and callees -----------------------------------------------------------------------
 */

/* What the page is about. */
struct focus {
	uint32_t frame;
	enum report_by by;
	struct report callers, callees;
	struct top_draft *drafts; /* callers, itself, callees */
	size_t n_callers, n;
};

static int find_focus(const struct top_model *m, uint64_t key, struct focus *f, struct err *err)
{
	const struct top_forest *forest = &m->forest;
	uint32_t branch, kind;

	f->by = REPORT_FUNCTION;
	f->frame = top_forest_function(forest, key);
	if (!f->frame) {
		f->frame = top_forest_line(forest, key);
		if (f->frame)
			f->by = REPORT_LINE;
	}
	if (!f->frame) {
		branch = top_forest_branch(forest, key);
		f->frame = branch ? forest->branches[branch].frame : 0;
	}
	kind = forest->p.frames[f->frame].kind;
	if (!f->frame || kind == FRAME_PROCESS || kind == FRAME_THREAD || kind == FRAME_CONTAINER)
		return err_set(err, -ENOENT,
			"there is no such function any more, or it is none; choose another");
	return 0;
}

static bool is_itself(const struct top_model *m, const struct focus *f, uint32_t frame)
{
	const struct top_frame *a = &m->forest.frames[f->frame], *b = &m->forest.frames[frame];

	return f->by == REPORT_LINE ? a->line == b->line : a->function == b->function;
}

/* The rows of one side, without its own, in order. */
static void draft_side(struct top_model *m, const struct top_query *q, const struct top_span *v,
	struct focus *f, const struct report *side, enum top_role role)
{
	size_t first = f->n;

	for (size_t i = 0; i < side->n_rows; i++) {
		const struct report_row *row = &side->rows[i];

		if (is_itself(m, f, row->frame) ||
			!top_filter_frame(&m->filter, &m->forest, row->frame))
			continue;
		draft_row(m, v, row, f->by == REPORT_LINE, &f->drafts[f->n]);
		f->drafts[f->n++].item.role = role;
	}
	top_drafts_sort(f->drafts + first, f->n - first, q);
}

static void draft_itself(struct top_model *m, const struct top_span *v, struct focus *f,
	const struct top_place *places)
{
	struct report_row row = {.frame = f->frame,
		.total_samples = f->callers.samples,
		.total_weight_ns = f->callers.weight_ns};
	struct top_draft *d = &f->drafts[f->n++];

	for (size_t i = 0; i < f->callees.n_rows; i++)
		if (is_itself(m, f, f->callees.rows[i].frame)) {
			row = f->callees.rows[i];
			row.total_samples = f->callers.samples;
			row.total_weight_ns = f->callers.weight_ns;
		}
	draft_row(m, v, &row, f->by == REPORT_LINE, d);
	put_place(m, &d->item, place_of(m, places, f->frame, f->by == REPORT_LINE));
	d->item.role = TOP_ROLE_SELF;
}

/* With little room callers get half of it at most. */
static int put_focus(
	struct top_model *m, const struct top_query *q, const struct top_span *v, struct focus *f)
{
	size_t callers = f->n_callers, n = f->n;
	int rc;

	if (q->limit && n > q->limit && callers > (q->limit - 1) / 2)
		callers = (q->limit - 1) / 2;
	rc = top_drafts_put(m, q, f->drafts + f->n_callers - callers, n - (f->n_callers - callers));
	if (rc < 0)
		return rc;
	/* The heaviest callers, not those next to the function */
	for (size_t i = 0; i < callers; i++)
		m->page.rows[i] = f->drafts[i].item;
	m->page.n_all = n;
	m->page.focus = m->page.rows[callers].name;
	return put_trends_of(m, q, v, f->by, &f->drafts[f->n_callers], 1, callers);
}

static int draft_focus(
	struct top_model *m, const struct top_query *q, const struct top_span *v, struct focus *f)
{
	struct top_place *places = top_places_make(m, v, f->by == REPORT_LINE);
	int rc = -ENOMEM;

	f->drafts = calloc(f->callers.n_rows + f->callees.n_rows + 1, sizeof(*f->drafts));
	if (f->drafts && places) {
		draft_side(m, q, v, f, &f->callers, TOP_ROLE_CALLER);
		f->n_callers = f->n;
		draft_itself(m, v, f, places);
		draft_side(m, q, v, f, &f->callees, TOP_ROLE_CALLEE);
		rc = put_focus(m, q, v, f);
	}
	free(f->drafts);
	free(places);
	return rc;
}

int top_page_callers(
	struct top_model *m, const struct top_query *q, const struct top_span *v, struct err *err)
{
	struct focus f = {0};
	struct report_row row = {0};
	struct report r = {.rows = &row, .n_rows = 1};
	int rc = find_focus(m, q->focus, &f, err);

	if (rc < 0)
		return rc;
	row.frame = f.frame;
	r.by = f.by;
	r.sort = q->sort == TOP_BY_SELF ? REPORT_SELF : REPORT_TOTAL;
	rc = analyze_neighbours(&v->p, &r, 0, &f.callers, &f.callees);
	if (rc == 0)
		rc = draft_focus(m, q, v, &f);
	report_clear(&f.callers);
	report_clear(&f.callees);
	return rc;
}
