/* SPDX-License-Identifier: BSD-2-Clause */
/* The page of the call tree. What is unfolded is what people have said; else the path on which most
 * of the weight lies, so that the first look says something:
 *
 *     98 %  v main              more than half of what is above it: unfolds by itself, and stays so
 *     90 %    v serve           until it is less than a third
 *     30 %      > parse
 *     25 %      > render
 *
 * A path of which nothing branches off, as that into a program's main function, costs no depth. A
 * process stands in the tree where there are several, a thread where its process has several.
 * With a filter: the rows that match, what leads to them, and below them what people unfold. */
#include "cli/top/top_model_inner.h"

#include <errno.h>
#include <stdlib.h>

enum {
	OPENS_ITSELF_STEPS = 8,  /* that lose a tenth or more of the weight */
	OPENS_ITSELF_DEPTH = 16, /* in all */
};

/* ---- branches ----------------------------------------------------------------------------------
 */

static void sum_up(const struct top_forest *f, const struct top_span *v, struct top_tree_branch *b)
{
	for (uint32_t i = 0; i < v->p.n_nodes; i++) {
		struct top_tree_branch *at = &b[f->nodes[i].branch];
		uint64_t value = top_span_value(v, v->below[i].samples, v->below[i].weight_ns);

		at->self_samples += v->p.nodes[i].self_samples;
		at->self_weight_ns += v->p.nodes[i].self_weight_ns;
		if (value > at->frame_value || !at->frame) {
			at->frame_value = value;
			at->frame = v->p.nodes[i].frame;
		}
	}
	for (uint32_t i = f->n_branches; i-- > 0;) {
		b[i].below.samples += b[i].self_samples;
		b[i].below.weight_ns += b[i].self_weight_ns;
		if (!i)
			break;
		b[f->branches[i].parent].below.samples += b[i].below.samples;
		b[f->branches[i].parent].below.weight_ns += b[i].below.weight_ns;
	}
}

static uint32_t kind_of(const struct top_forest *f, uint32_t branch)
{
	return f->p.frames[f->branches[branch].frame].kind;
}

/* Leaves out the only process, and each thread that is the only one of its process. */
static int skip_single(const struct top_forest *f, struct top_tree_branch *b)
{
	uint32_t *roots = calloc(f->n_branches, sizeof(*roots)); /* PROCESS, THREAD right below */

	if (!roots)
		return -ENOMEM;
	for (int pass = 0; pass < 2; pass++)
		for (uint32_t i = 1; i < f->n_branches; i++) {
			uint32_t kind = kind_of(f, i), parent = f->branches[i].parent;

			if ((kind != FRAME_PROCESS && kind != FRAME_THREAD) ||
				!top_tree_is_shown(&b[i], false))
				continue;
			if (pass == 0)
				roots[parent]++;
			else
				b[i].skipped = roots[parent] == 1;
		}
	for (uint32_t i = 1; i < f->n_branches; i++) {
		uint32_t parent = f->branches[i].parent;

		b[i].above = b[parent].skipped ? b[parent].above : parent;
	}
	free(roots);
	return 0;
}

static void match(struct top_model *m, struct top_tree_branch *b)
{
	const struct top_forest *f = &m->forest;

	for (uint32_t i = 1; i < f->n_branches; i++) {
		const struct top_tree_branch *parent = &b[f->branches[i].parent];

		b[i].follows = parent->matches || parent->follows;
		b[i].matches = top_tree_is_shown(&b[i], false) &&
			       top_filter_frame(&m->filter, f, f->branches[i].frame);
	}
	for (uint32_t i = f->n_branches; i-- > 1;)
		if (b[i].matches || b[i].leads)
			b[f->branches[i].parent].leads = true;
}

struct top_tree_branch *top_tree_make(struct top_model *m, const struct top_span *v)
{
	struct top_tree_branch *b = calloc(m->forest.n_branches, sizeof(*b));

	if (!b)
		return NULL;
	sum_up(&m->forest, v, b);
	if (skip_single(&m->forest, b) < 0) {
		free(b);
		return NULL;
	}
	if (top_filter_is_on(&m->filter))
		match(m, b);
	return b;
}

/* ---- folds -------------------------------------------------------------------------------------
 */

static enum top_fold fold_of(const struct top_model *m, uint64_t key)
{
	const uint64_t *fold = map_get(m->folds, &key);

	return fold ? (enum top_fold) * fold : TOP_FOLD_NONE;
}

/* Beyond the bound, and without memory, it just is not remembered. */
static void fold_set(struct top_model *m, uint64_t key, enum top_fold fold)
{
	uint64_t *at;

	if (fold == TOP_FOLD_NONE) {
		map_del(m->folds, &key);
		return;
	}
	if (map_count(m->folds) >= TOP_FOLDS_MAX && !map_get(m->folds, &key))
		return;
	at = map_put(m->folds, &key, NULL);
	if (at)
		*at = fold;
}

void top_model_unfold(struct top_model *m, uint64_t key, bool unfolded, bool all)
{
	const struct top_forest *f = &m->forest;
	enum top_fold fold = unfolded ? TOP_FOLD_OPEN : TOP_FOLD_SHUT;
	uint32_t branch = key ? top_forest_branch(f, key) : 0;
	bool *below;

	if (key)
		fold_set(m, key, fold);
	if (!all || (key && !branch))
		return;
	below = calloc(f->n_branches, sizeof(*below));
	if (!below)
		return;
	below[branch] = true;
	for (uint32_t i = branch + 1; i < f->n_branches; i++) {
		below[i] = below[f->branches[i].parent];
		if (below[i])
			fold_set(m, f->branches[i].key, fold);
	}
	free(below);
}

/* ---- the page ----------------------------------------------------------------------------------
 */

struct tree_step {
	uint32_t branch, depth;
	uint32_t steps; /* on its path, that lose weight */
};

struct tree_page {
	struct top_model *m;
	const struct top_query *q;
	const struct top_span *v;
	struct top_tree_branch *b;
	uint32_t *first, *beside; /* [n_branches] shown children; 0: no more */
	struct tree_step *open;   /* what is still to be put, a stack */
	uint32_t n_open;
	struct top_draft *children; /* of one branch, being sorted */
	struct top_draft *drafts;   /* the rows, in order */
	size_t n, cap;
	bool filtered;
};

static void link_children(struct tree_page *t)
{
	for (uint32_t i = t->m->forest.n_branches; i-- > 1;) {
		const struct top_tree_branch *b = &t->b[i];

		if (b->skipped || !top_tree_is_shown(b, t->filtered))
			continue;
		t->beside[i] = t->first[b->above];
		t->first[b->above] = i;
	}
}

static uint64_t value_of(const struct tree_page *t, uint32_t branch)
{
	const struct top_amount *below = &t->b[branch].below;

	return top_span_value(t->v, below->samples, below->weight_ns);
}

static bool opens_itself(struct tree_page *t, const struct tree_step *step)
{
	uint64_t key = t->m->forest.branches[step->branch].key, value = value_of(t, step->branch);
	uint64_t whole = value_of(t, t->b[step->branch].above);
	bool was = fold_of(t->m, key) == TOP_FOLD_OPENED_ITSELF;
	bool is = step->depth < OPENS_ITSELF_DEPTH && step->steps < OPENS_ITSELF_STEPS &&
		  value > (was ? whole / 3 : whole / 2);

	if (is != was)
		fold_set(t->m, key, is ? TOP_FOLD_OPENED_ITSELF : TOP_FOLD_NONE);
	return is;
}

static bool is_open(struct tree_page *t, const struct tree_step *step)
{
	enum top_fold fold = fold_of(t->m, t->m->forest.branches[step->branch].key);

	if (!t->first[step->branch])
		return false;
	if (fold == TOP_FOLD_OPEN || fold == TOP_FOLD_SHUT)
		return fold == TOP_FOLD_OPEN;
	return t->filtered ? t->b[step->branch].leads : opens_itself(t, step);
}

static void draft_branch(const struct tree_page *t, uint32_t branch, struct top_draft *d)
{
	const struct top_forest *f = &t->m->forest;
	const struct top_tree_branch *b = &t->b[branch];

	*d = (struct top_draft){.node = branch};
	top_draft_describe(t->m, d, b->frame);
	d->item.key = f->branches[branch].key;
	d->item.self_samples = b->self_samples;
	d->item.total_samples = b->below.samples;
	d->item.self = top_span_share(t->v, b->self_samples, b->self_weight_ns);
	d->item.total = top_span_share(t->v, b->below.samples, b->below.weight_ns);
	d->item.process = "";
	d->item.has_children = t->first[branch] != 0;
}

/* Puts the children of a branch on the stack, the one to be shown first on top. */
static void open_children(struct tree_page *t, uint32_t branch, uint32_t depth, uint32_t steps)
{
	uint64_t whole = value_of(t, branch);
	size_t n = 0;

	for (uint32_t i = t->first[branch]; i; i = t->beside[i])
		draft_branch(t, i, &t->children[n++]);
	top_drafts_sort(t->children, n, t->q);
	while (n-- > 0) {
		uint32_t child = t->children[n].node;
		bool loses = value_of(t, child) < whole - whole / 10;

		t->open[t->n_open++] = (struct tree_step){child, depth, steps + loses};
	}
}

/* The process that a branch belongs to: pid, whether it has ended; of a process and a thread. */
static void put_root(const struct tree_page *t, struct top_draft *d)
{
	const struct top_forest *f = &t->m->forest;
	const struct frame *frame = &f->p.frames[d->frame];
	uint32_t branch = d->node;

	if (frame->kind == FRAME_THREAD) {
		d->item.tid = frame->line;
		branch = f->branches[branch].parent;
		frame = &f->p.frames[f->branches[branch].frame];
	}
	if (frame->kind == FRAME_PROCESS) {
		d->item.pid = frame->line;
		d->item.ended = top_pid_ended(t->m, frame->line);
	}
}

static void put_branches(struct tree_page *t)
{
	open_children(t, 0, 0, 0);
	while (t->n_open) {
		struct tree_step step = t->open[--t->n_open];
		bool open = is_open(t, &step);

		if (t->n < t->cap) {
			struct top_draft *d = &t->drafts[t->n];

			draft_branch(t, step.branch, d);
			d->item.depth = step.depth;
			d->item.unfolded = open;
			if (d->item.kind == FRAME_PROCESS || d->item.kind == FRAME_THREAD)
				put_root(t, d);
		}
		t->n++;
		if (open)
			open_children(t, step.branch, step.depth + 1, step.steps);
	}
}

/* Each node counts for the nearest branch above it that has a row. */
static int put_trends(struct tree_page *t)
{
	const struct top_forest *f = &t->m->forest;
	size_t rows = t->m->page.n_rows;
	struct top_owner *owners = calloc(f->p.n_nodes, sizeof(*owners));
	uint32_t *row_of = malloc(f->n_branches * sizeof(*row_of));
	uint32_t *above = calloc(rows + 1, sizeof(*above));
	int rc = owners && row_of && above ? 0 : -ENOMEM;

	if (rc == 0) {
		for (uint32_t i = 0; i < f->n_branches; i++)
			row_of[i] = TOP_NO_ROW;
		for (uint32_t i = 0; i < rows; i++)
			row_of[t->drafts[i].node] = i;
		for (uint32_t i = 0; i < rows; i++)
			above[i] = row_of[t->b[t->drafts[i].node].above];
		for (uint32_t i = 1; i < f->n_branches; i++)
			if (row_of[i] == TOP_NO_ROW)
				row_of[i] = row_of[f->branches[i].parent];
		for (uint32_t i = 0; i < f->p.n_nodes; i++) {
			uint32_t branch = f->nodes[i].branch, row = row_of[branch];

			owners[i] = (struct top_owner){
				row, row != TOP_NO_ROW && t->drafts[row].node == branch};
		}
		top_page_trend(t->m, t->q, owners, above);
	}
	free(owners);
	free(row_of);
	free(above);
	return rc;
}

static int tree_alloc(struct tree_page *t)
{
	uint32_t n = t->m->forest.n_branches;

	t->cap = t->q->limit && t->q->limit < TOP_ROWS_MAX ? t->q->limit : TOP_ROWS_MAX;
	if (t->cap > n)
		t->cap = n;
	t->b = top_tree_make(t->m, t->v);
	t->first = calloc(n, sizeof(*t->first));
	t->beside = calloc(n, sizeof(*t->beside));
	t->open = calloc(n, sizeof(*t->open));
	t->drafts = calloc(t->cap, sizeof(*t->drafts));
	return t->b && t->first && t->beside && t->open && t->drafts ? 0 : -ENOMEM;
}

/* Room for the children of any one branch. */
static int children_alloc(struct tree_page *t)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < t->m->forest.n_branches; i++) {
		uint32_t n = 0;

		for (uint32_t k = t->first[i]; k; k = t->beside[k])
			n++;
		most = n > most ? n : most;
	}
	t->children = calloc((size_t)most + 1, sizeof(*t->children));
	return t->children ? 0 : -ENOMEM;
}

int top_page_tree(struct top_model *m, const struct top_query *q, const struct top_span *v)
{
	struct tree_page t = {.m = m, .q = q, .v = v, .filtered = top_filter_is_on(&m->filter)};
	int rc = tree_alloc(&t);

	if (rc == 0) {
		link_children(&t);
		rc = children_alloc(&t);
	}
	if (rc == 0) {
		put_branches(&t);
		rc = top_drafts_put(m, q, t.drafts, t.n < t.cap ? t.n : t.cap);
	}
	if (rc == 0) {
		m->page.n_all = t.n;
		rc = put_trends(&t);
	}
	free(t.b);
	free(t.first);
	free(t.beside);
	free(t.open);
	free(t.children);
	free(t.drafts);
	return rc;
}
