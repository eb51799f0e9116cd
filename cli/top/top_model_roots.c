/* SPDX-License-Identifier: BSD-2-Clause */
/* The pages of processes and threads: the roots of stacks. */
#include "cli/top/top_model_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t root_of(const struct top_model *m, const struct top_query *q, uint32_t node)
{
	return q->view == TOP_THREADS ? m->forest.nodes[node].thread
				      : m->forest.nodes[node].process;
}

/* Which roots have samples since the reset: such a process is there even if it rests now. [n_nodes]
 * to be freed. NULL: out of memory. */
static bool *find_known(const struct top_model *m, const struct top_query *q)
{
	const struct profile *p = &m->forest.p;
	bool *known = calloc(p->n_nodes, sizeof(*known));

	for (uint32_t i = 0; known && i < p->n_nodes; i++)
		if (p->nodes[i].self_samples || p->nodes[i].self_weight_ns)
			known[root_of(m, q, i)] = true;
	return known;
}

static bool matches(struct top_model *m, uint32_t frame, uint32_t process)
{
	const struct top_forest *f = &m->forest;

	return top_filter_text(&m->filter, f, f->p.frames[frame].name) ||
	       (process &&
		       top_filter_text(&m->filter, f, f->p.frames[f->p.nodes[process].frame].name));
}

static void draft_root(struct top_model *m, const struct top_query *q, const struct top_span *v,
	uint32_t node, struct top_draft *d)
{
	const struct top_forest *f = &m->forest;
	const struct top_amount *below = &v->below[node];
	uint32_t process = f->nodes[node].process, frame = f->p.nodes[node].frame;

	*d = (struct top_draft){.node = node};
	top_draft_describe(m, d, frame);
	d->item.key = f->branches[f->nodes[node].branch].key;
	d->item.self_samples = d->item.total_samples = below->samples;
	d->item.self = d->item.total = top_span_share(v, below->samples, below->weight_ns);
	d->item.process = "";
	if (process) {
		const struct frame *of = &f->p.frames[f->p.nodes[process].frame];

		d->item.pid = of->line;
		d->item.ended = top_node_ended(m, process);
		if (q->view == TOP_THREADS)
			d->item.process = top_forest_name(f, of->name);
	}
	if (q->view == TOP_THREADS)
		d->item.tid = f->p.frames[frame].line;
}

/* Trends of the rows that are on the page now. */
static int put_trends(
	struct top_model *m, const struct top_query *q, const struct top_draft *drafts)
{
	uint32_t n = m->forest.p.n_nodes;
	struct top_owner *owners = calloc(n, sizeof(*owners));
	uint32_t *row_of = malloc(n * sizeof(*row_of));

	if (owners && row_of) {
		for (uint32_t i = 0; i < n; i++)
			row_of[i] = TOP_NO_ROW;
		for (size_t i = 0; i < m->page.n_rows; i++)
			row_of[drafts[i].node] = (uint32_t)i;
		for (uint32_t i = 0; i < n; i++)
			owners[i] = (struct top_owner){row_of[root_of(m, q, i)], true};
		top_page_trend(m, q, owners, NULL);
	}
	n = owners && row_of;
	free(owners);
	free(row_of);
	return n ? 0 : -ENOMEM;
}

static size_t draft_roots(struct top_model *m, const struct top_query *q, const struct top_span *v,
	const bool *known, struct top_draft *drafts)
{
	size_t n = 0;

	for (uint32_t i = 1; i < v->p.n_nodes; i++) {
		bool rests = !v->below[i].samples && !v->below[i].weight_ns;

		if (root_of(m, q, i) != i || !known[i] || (rests && q->view == TOP_THREADS) ||
			!matches(m, v->p.nodes[i].frame, m->forest.nodes[i].process))
			continue;
		if (drafts)
			draft_root(m, q, v, i, &drafts[n]);
		n++;
	}
	return n;
}

int top_page_roots(struct top_model *m, const struct top_query *q, const struct top_span *v)
{
	bool *known = find_known(m, q);
	struct top_draft *drafts = NULL;
	size_t n = 0;
	int rc = -ENOMEM;

	if (known) {
		n = draft_roots(m, q, v, known, NULL);
		drafts = calloc(n + 1, sizeof(*drafts));
	}
	if (drafts) {
		draft_roots(m, q, v, known, drafts);
		top_drafts_sort(drafts, n, q);
		rc = top_drafts_put(m, q, drafts, n);
	}
	if (rc == 0)
		rc = put_trends(m, q, drafts);
	free(known);
	free(drafts);
	return rc;
}
