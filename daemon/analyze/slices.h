/* SPDX-License-Identifier: BSD-2-Clause */
/* How many samples each row of a tally has in one slice after the other. A slice holds few of the
 * profile's nodes: only these, and those that count them on, are looked at. */
#ifndef PROFD_ANALYZE_SLICES_H
#define PROFD_ANALYZE_SLICES_H

#include <stdint.h>

#include "analyze/tally.h"

struct slices {
	const struct tally *t;
	uint64_t *self, *total; /* [t->n_rows] of the slice that was counted last */
	/* Working memory */
	uint64_t *below;  /* [n_nodes] samples of the slice; all 0 between slices */
	uint64_t *marked; /* [n_words] a bit per node that has some */
	size_t n_words;
};

/* 0 or -ENOMEM; to be cleared in any case. */
int slices_init(struct slices *s, const struct tally *t);
void slices_clear(struct slices *s);

/* Counts slice `i` of the profile; `*n`: all its samples. 0, or -EINVAL for one that does not hold
 * together. */
int slices_count(struct slices *s, size_t i, uint64_t *n);

#endif
