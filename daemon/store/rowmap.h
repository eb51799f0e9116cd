/* SPDX-License-Identifier: BSD-2-Clause */
/* Row numbers of the file -> small numbers of ours: an array where row numbers lie close together,
 * a map for those beyond. Inner to store/. */
#ifndef PROFD_STORE_ROWMAP_H
#define PROFD_STORE_ROWMAP_H

#include <stddef.h>
#include <stdint.h>

struct map;

struct rowmap {
	uint32_t *near; /* [n_near] 0: absent */
	size_t n_near;
	struct map *far; /* int64_t -> uint32_t */
};

/* `rows_max`: the largest row number that is likely. -ENOMEM. */
int rowmap_init(struct rowmap *x, int64_t rows_max);
void rowmap_free(struct rowmap *x);

/* Where the number of a row stands, 0 before it is set; NULL: out of memory. Holds until the next
 * call. */
uint32_t *rowmap_at(struct rowmap *x, int64_t row);

#endif
