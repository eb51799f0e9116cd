/* SPDX-License-Identifier: BSD-2-Clause */
/* counts.data: who was sampled in which stack how often, in about a byte per sample.
 *
 * Numbers are unsigned LEB128: seven bits a byte, the lowest first, the high bit set where more
 * follow. A row holds groups, each of one thread:
 *
 *     series      step from the group before; from series_first in the first group
 *     n * 2 + t   n stacks follow; with t a thread number stands before them, without it the
 *                 thread is 1 in a series' first group and the one after the group's before else
 *     [thread]
 *     n times:    step * 2 + c   stack number: step from the one before, the first from 0;
 *                 [count - 2]    with c; without it the count is 1
 *
 * Within a window and period, rows in the order of their id hold ascending (series, thread, stack),
 * each once. Rows are cut at a size of which four fill a page. Inner to store/. */
#ifndef PROFD_STORE_PACK_H
#define PROFD_STORE_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { PACK_ROW_BYTES = 992 };

/* No figure in a store is larger: sums of many stay within 64 bits. */
#define PACK_NUMBER_MAX (1ULL << 48)

struct pack_entry {
	uint64_t series, stack, samples;
	uint32_t thread;
};

/* Order of the first three. */
int pack_compare(const struct pack_entry *a, const struct pack_entry *b);

/* Takes a finished row. */
typedef int pack_row_fn(
	void *arg, uint64_t series_first, uint64_t series_last, const void *data, size_t len);

struct packer {
	pack_row_fn *row;
	void *arg;
	struct buf groups, stacks; /* finished groups; stacks of the open one */
	uint64_t first, last;      /* series of the row's first and last group */
	uint32_t thread;           /* of the row's last group */
	struct pack_entry open;    /* the open group's last entry */
	uint64_t n;                /* stacks in the open group */
};

void packer_init(struct packer *p, pack_row_fn *row, void *arg);
void packer_free(struct packer *p);
/* Entries in ascending order, samples above 0. */
int packer_add(struct packer *p, const struct pack_entry *entry);
int packer_end(struct packer *p); /* hands on what is left */

struct unpacker {
	const uint8_t *at, *end;
	struct pack_entry now;
	uint64_t left; /* stacks of the group */
};

void unpacker_init(struct unpacker *u, uint64_t series_first, const void *data, size_t len);
/* 1: `u->now` is the next entry; 0: the end; -EUCLEAN: malformed. */
int unpacker_next(struct unpacker *u);

#endif
