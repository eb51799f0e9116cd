/* SPDX-License-Identifier: BSD-2-Clause */
/* What top.c and report.c share: which frames are one row, and how much each row has.
 *
 * A row counts once per stack, however often it stands in it. So a node is `outermost` where none
 * of its ancestors belongs to its row, and a row's total is what its outermost nodes have below
 * them:
 *
 *     nodes     rows       outermost, up
 *     1 main    main       yes  0         a stack that ends at node 4 counts for the rows of
 *     2  work   work       yes  1         4, 2 and 1: 4 is outermost, 4.up is 2, 2.up is 1
 *     3   work  work       no   2
 *     4    read read       yes  2
 */
#ifndef PROFD_ANALYZE_TALLY_H
#define PROFD_ANALYZE_TALLY_H

#include <stdbool.h>

#include "analyze/analyze.h"

#define NO_ROW UINT32_MAX

struct tally_row {
	uint64_t self_samples, total_samples;
	uint64_t self_weight_ns, total_weight_ns;
	uint32_t frame; /* the one with the most total value */
	uint32_t kind;  /* enum frame_kind */
};

struct tally_node {
	uint32_t row; /* or NO_ROW */
	uint32_t up;  /* the nearest outermost node among its ancestors; 0: there is none */
	bool outermost;
};

struct tally {
	const struct profile *p;
	enum report_by by;
	bool weighted;               /* values are ns; false: samples, as no sample has a weight */
	uint32_t *row_of;            /* [n_frames] or NO_ROW */
	struct tally_row *rows;      /* [n_rows] */
	struct tally_node *nodes;    /* [p->n_nodes] */
	uint64_t samples, weight_ns; /* of the whole profile */
	uint32_t n_rows;
};

/* 0, -ENOMEM, or -EINVAL for a profile whose indices do not hold together. To be cleared by
 * tally_clear() in any case. */
int tally_make(struct tally *t, const struct profile *p, enum report_by by);
void tally_clear(struct tally *t);

/* The outermost node that a stack which ends at node `i` counts for first; 0: for none. */
static inline uint32_t tally_first(const struct tally *t, uint32_t i)
{
	return t->nodes[i].outermost ? i : t->nodes[i].up;
}

static inline uint64_t tally_value(const struct tally *t, uint64_t samples, uint64_t weight_ns)
{
	return t->weighted ? weight_ns : samples;
}

/* Whether rows are the roots of stacks. Samples seldom end in a root itself, so that its own are
 * all that it has. */
static inline bool tally_is_by_root(enum report_by by)
{
	return by == REPORT_PROCESS || by == REPORT_THREAD || by == REPORT_CONTAINER;
}

/* A string of the profile; "" for a number that is none. */
const char *tally_text(const struct profile *p, uint32_t number);

/* The number of the string that names the row. */
uint32_t tally_name(const struct tally *t, const struct tally_row *row);

/* Which of two rows stands first, as a comparator does: most value first, by `sort` and then by the
 * other; then by name, file, module, kind and line, down to what tells two rows apart. */
int tally_compare(const struct tally *t, enum report_sort sort, uint32_t a, uint32_t b);

#endif
