/* SPDX-License-Identifier: BSD-2-Clause */
/* Which parts of a fixed row of elements are taken. First fit: there are hundreds of pieces, not
 * millions. */
#ifndef PROFD_UNWIND_AREA_H
#define PROFD_UNWIND_AREA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct area {
	struct extent {
		uint32_t at, n;
	} * free; /* sorted, never adjacent */
	size_t n_free, cap;
	uint32_t size, used;
};

/* Elements 0 .. size - 1, all free. 0 or -ENOMEM. */
int area_init(struct area *a, uint32_t size);
void area_close(struct area *a);

bool area_take(struct area *a, uint32_t n, uint32_t *at); /* n > 0; false: no piece is that long */

/* Gives back a piece that was taken. Where memory is out it stays taken. */
void area_give(struct area *a, uint32_t at, uint32_t n);

#endif
