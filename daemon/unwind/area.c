/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/area.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int area_init(struct area *a, uint32_t size)
{
	memset(a, 0, sizeof(*a));
	a->cap = 16;
	a->free = calloc(a->cap, sizeof(*a->free));
	if (!a->free)
		return -ENOMEM;
	a->size = size;
	if (size)
		a->free[a->n_free++] = (struct extent){.at = 0, .n = size};
	return 0;
}

void area_close(struct area *a)
{
	free(a->free);
	memset(a, 0, sizeof(*a));
}

static void drop(struct area *a, size_t i)
{
	a->n_free--;
	memmove(&a->free[i], &a->free[i + 1], (a->n_free - i) * sizeof(*a->free));
}

bool area_take(struct area *a, uint32_t n, uint32_t *at)
{
	for (size_t i = 0; i < a->n_free; i++) {
		struct extent *e = &a->free[i];

		if (e->n < n)
			continue;
		*at = e->at;
		e->at += n;
		e->n -= n;
		a->used += n;
		if (!e->n)
			drop(a, i);
		return true;
	}
	return false;
}

static bool insert(struct area *a, size_t i, uint32_t at, uint32_t n)
{
	if (a->n_free == a->cap) {
		struct extent *more = realloc(a->free, a->cap * 2 * sizeof(*more));

		if (!more)
			return false;
		a->free = more;
		a->cap *= 2;
	}
	memmove(&a->free[i + 1], &a->free[i], (a->n_free - i) * sizeof(*a->free));
	a->free[i] = (struct extent){.at = at, .n = n};
	a->n_free++;
	return true;
}

void area_give(struct area *a, uint32_t at, uint32_t n)
{
	struct extent *before, *after;
	size_t i = 0;

	while (i < a->n_free && a->free[i].at < at)
		i++;
	before = i ? &a->free[i - 1] : NULL;
	after = i < a->n_free ? &a->free[i] : NULL;
	if (before && before->at + before->n == at) {
		before->n += n;
		if (after && after->at == before->at + before->n) {
			before->n += after->n;
			drop(a, i);
		}
	} else if (after && at + n == after->at) {
		after->at = at;
		after->n += n;
	} else if (!insert(a, i, at, n)) {
		return;
	}
	a->used -= n;
}
