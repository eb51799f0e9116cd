/* SPDX-License-Identifier: BSD-2-Clause */
#include "analyze/slices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int slices_init(struct slices *s, const struct tally *t)
{
	size_t rows = (size_t)t->n_rows + 1;

	*s = (struct slices){.t = t, .n_words = t->p->n_nodes / 64 + 1};
	s->self = calloc(rows, sizeof(*s->self));
	s->total = calloc(rows, sizeof(*s->total));
	s->below = calloc(t->p->n_nodes, sizeof(*s->below));
	s->marked = calloc(s->n_words, sizeof(*s->marked));
	return s->self && s->total && s->below && s->marked ? 0 : -ENOMEM;
}

void slices_clear(struct slices *s)
{
	free(s->self);
	free(s->total);
	free(s->below);
	free(s->marked);
	*s = (struct slices){0};
}

/* Hands on what the marked nodes of one word have, last to first: all that lies above a node has
 * been added to it by then, as that goes to smaller numbers only, perhaps of this very word. */
static void collect_word(struct slices *s, uint32_t word)
{
	uint64_t bits = s->marked[word];

	while (bits) {
		uint32_t bit = 63 - (uint32_t)__builtin_clzll(bits), i = word * 64 + bit;
		const struct tally_node *node = &s->t->nodes[i];

		bits ^= 1ULL << bit;
		if (i) { /* the root is where everything ends */
			s->total[node->row] += s->below[i];
			s->below[node->up] += s->below[i];
			if (node->up / 64 == word)
				bits |= 1ULL << node->up % 64;
			else
				s->marked[node->up / 64] |= 1ULL << node->up % 64;
		}
		s->below[i] = 0;
	}
	s->marked[word] = 0;
}

/* Gives nodes and rows what the slice counted right there. */
static void spread(struct slices *s, const struct profile_count *count)
{
	uint32_t first = tally_first(s->t, count->node);
	uint32_t row = s->t->nodes[count->node].row;

	s->below[first] += count->samples;
	s->marked[first / 64] |= 1ULL << first % 64;
	if (row != NO_ROW)
		s->self[row] += count->samples;
}

int slices_count(struct slices *s, size_t i, uint64_t *n)
{
	const struct profile *p = s->t->p;
	const struct profile_slice *slice = &p->slices[i];

	*n = 0;
	if (slice->first > p->n_counts || slice->n > p->n_counts - slice->first)
		return -EINVAL;
	for (size_t k = slice->first; k < slice->first + slice->n; k++)
		if (p->counts[k].node >= p->n_nodes)
			return -EINVAL;
	memset(s->self, 0, s->t->n_rows * sizeof(*s->self));
	memset(s->total, 0, s->t->n_rows * sizeof(*s->total));
	for (size_t k = slice->first; k < slice->first + slice->n; k++) {
		spread(s, &p->counts[k]);
		*n += p->counts[k].samples;
	}
	for (size_t word = s->n_words; *n && word-- > 0;)
		if (s->marked[word])
			collect_word(s, (uint32_t)word);
	return 0;
}
