/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/rowmap.h"

#include <errno.h>
#include <stdlib.h>

#include "base/map.h"

/* 64 MiB of address space; memory is taken only where a number is set. */
enum { NEAR_MAX = 16 << 20 };

int rowmap_init(struct rowmap *x, int64_t rows_max)
{
	*x = (struct rowmap){0};
	x->n_near = rows_max < 0 ? 1 : rows_max >= NEAR_MAX ? NEAR_MAX : (size_t)rows_max + 1;
	x->near = calloc(x->n_near, sizeof(*x->near));
	x->far = map_new(sizeof(int64_t), sizeof(uint32_t));
	if (x->near && x->far)
		return 0;
	rowmap_free(x);
	return -ENOMEM;
}

void rowmap_free(struct rowmap *x)
{
	free(x->near);
	map_free(x->far);
	*x = (struct rowmap){0};
}

uint32_t *rowmap_at(struct rowmap *x, int64_t row)
{
	if (row >= 0 && (uint64_t)row < x->n_near)
		return &x->near[row];
	return map_put(x->far, &row, NULL);
}
