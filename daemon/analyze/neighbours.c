/* SPDX-License-Identifier: BSD-2-Clause */
/* Who stands right above and right below one row on the stacks.
 *
 *     main > work > read      `work` is called by main. It calls read and helper, and itself.
 *     main > work > helper > work > read
 *
 * By callers a stack is told apart at the row's outermost node, so that their totals add up to the
 * row's own. By callees it counts once for each that the row calls anywhere on it: the second stack
 * counts for helper and for read, so that their totals may add up to more. What the row calls of
 * itself is no call. */
#include "analyze/analyze.h"

#include <errno.h>
#include <stdlib.h>

#include "analyze/report.h"

struct amount {
	uint64_t samples, weight_ns;
};

struct neighbours {
	const struct tally *t;
	uint32_t row;
	struct amount *all;  /* [n_nodes] of a node and what lies below it */
	uint32_t *last_call; /* [n_nodes] the nearest node, itself included, right below one of the
				row; 0: none */
	struct tally_row *callers, *callees; /* [t->n_rows] */
};

static void neighbours_clear(struct neighbours *n)
{
	free(n->all);
	free(n->last_call);
	free(n->callers);
	free(n->callees);
}

static int neighbours_alloc(struct neighbours *n)
{
	size_t rows = (size_t)n->t->n_rows + 1;

	n->all = calloc(n->t->p->n_nodes, sizeof(*n->all));
	n->last_call = calloc(n->t->p->n_nodes, sizeof(*n->last_call));
	n->callers = calloc(rows, sizeof(*n->callers));
	n->callees = calloc(rows, sizeof(*n->callees));
	if (!n->all || !n->last_call || !n->callers || !n->callees)
		return -ENOMEM;
	for (uint32_t i = 0; i < n->t->n_rows; i++) {
		n->callers[i] = n->callees[i] = (struct tally_row){
			.frame = n->t->rows[i].frame, .kind = n->t->rows[i].kind};
	}
	return 0;
}

static void sum_up(struct neighbours *n)
{
	const struct profile *p = n->t->p;

	for (uint32_t i = p->n_nodes; i-- > 0;) {
		n->all[i].samples += p->nodes[i].self_samples;
		n->all[i].weight_ns += p->nodes[i].self_weight_ns;
		if (!i)
			break;
		n->all[p->nodes[i].parent].samples += n->all[i].samples;
		n->all[p->nodes[i].parent].weight_ns += n->all[i].weight_ns;
	}
}

static void add_total(struct tally_row *to, const struct amount *amount)
{
	to->total_samples += amount->samples;
	to->total_weight_ns += amount->weight_ns;
}

static void add_self(struct tally_row *to, const struct stack_node *node)
{
	to->self_samples += node->self_samples;
	to->self_weight_ns += node->self_weight_ns;
}

/* Whether a stack that ends at `i` has passed such a call of the same callee before. */
static bool is_counted(const struct neighbours *n, uint32_t i)
{
	const struct profile *p = n->t->p;
	uint32_t row = n->t->nodes[i].row;

	i = n->last_call[p->nodes[i].parent];
	while (i && n->t->nodes[i].row != row)
		i = n->last_call[p->nodes[i].parent];
	return i != 0;
}

static void add_callee(struct neighbours *n, uint32_t i)
{
	struct tally_row *callee = &n->callees[n->t->nodes[i].row];

	add_self(callee, &n->t->p->nodes[i]);
	if (!is_counted(n, i))
		add_total(callee, &n->all[i]);
	n->last_call[i] = i;
}

static void look(struct neighbours *n, uint32_t i)
{
	const struct stack_node *node = &n->t->p->nodes[i];
	const struct tally_node *at = &n->t->nodes[i], *above = &n->t->nodes[node->parent];

	n->last_call[i] = n->last_call[node->parent];
	if (at->row == n->row) {
		struct amount self = {node->self_samples, node->self_weight_ns};

		add_self(&n->callees[n->row], node);
		add_total(&n->callees[n->row], &self);
		if (at->outermost && above->row != NO_ROW)
			add_total(&n->callers[above->row], &n->all[i]);
	} else if (above->row == n->row && at->row != NO_ROW) {
		add_callee(n, i);
	}
}

/* The rows with something in them, as shares of what `n->row` has. */
static int fill(const struct neighbours *n, struct tally_row *rows, enum report_sort sort,
	struct report *out)
{
	static const struct row_error unknown = {-1, -1};
	const struct tally_row *whole = &n->t->rows[n->row];
	struct tally t = *n->t;
	uint32_t *order = calloc((size_t)t.n_rows + 1, sizeof(*order));

	if (!order)
		return -ENOMEM;
	t.rows = rows;
	t.samples = whole->total_samples;
	t.weight_ns = whole->total_weight_ns;
	*out = (struct report){
		.by = t.by, .sort = sort, .samples = t.samples, .weight_ns = t.weight_ns};
	out->n_rows = out->n_all = report_order(&t, sort, order);
	out->rows = calloc(out->n_rows + 1, sizeof(*out->rows));
	for (size_t i = 0; out->rows && i < out->n_rows; i++)
		report_row_fill(&out->rows[i], &t, order[i], &unknown);
	free(order);
	return out->rows ? 0 : -ENOMEM;
}

static int find(const struct tally *t, enum report_sort sort, uint32_t row, struct report *callers,
	struct report *callees)
{
	struct neighbours n = {.t = t, .row = row};
	int rc = neighbours_alloc(&n);

	if (rc == 0) {
		sum_up(&n);
		for (uint32_t i = 1; i < t->p->n_nodes; i++)
			look(&n, i);
		rc = fill(&n, n.callers, sort, callers);
	}
	if (rc == 0)
		rc = fill(&n, n.callees, sort, callees);
	neighbours_clear(&n);
	return rc;
}

int analyze_neighbours(const struct profile *p, const struct report *r, size_t row,
	struct report *callers, struct report *callees)
{
	struct tally t;
	int rc;

	*callers = *callees = (struct report){.by = r->by, .sort = r->sort};
	if (row >= r->n_rows || tally_is_by_root(r->by))
		return -EINVAL;
	rc = tally_make(&t, p, r->by);
	if (rc == 0 &&
		(r->rows[row].frame >= p->n_frames || t.row_of[r->rows[row].frame] == NO_ROW))
		rc = -EINVAL;
	if (rc == 0)
		rc = find(&t, r->sort, t.row_of[r->rows[row].frame], callers, callees);
	tally_clear(&t);
	if (rc < 0) {
		report_clear(callers);
		report_clear(callees);
	}
	return rc;
}
