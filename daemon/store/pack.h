/* SPDX-License-Identifier: BSD-2-Clause */
/* counts.data: who was sampled in which stack how often, in about a byte per sample.
 *
 * Numbers are unsigned LEB128: seven bits a byte, the lowest first, the high bit set where more
 * follow. A row holds groups, each of one thread:
 *
 *     head         bit 0: t; bits 1 to 3: s; above them the number of stacks less one
 *     [step]       with s = 7
 *     [thread]     with t
 *     first        bit 0: c; bit 1: n; above them d
 *     [count]      with c
 *     others, each:
 *       next       bit 0: c; above it the step from the stack before, less one
 *       [count]    with c
 *
 * The series is the group's before (series_first in a row's first group) plus s, or plus 7 and the
 * step. Without a thread number the thread is 1 where the series is a new one, and the one after
 * the group's before else. The first stack is the first one of the group before (0 in a row's first
 * group) plus d, with n less d and 1. Without a count it is 1, else it is what stands there plus 2.
 *
 * Within a window and period, rows in the order of their id hold ascending (series, thread, stack),
 * each once. Rows are cut at a size of which eight fill a page. Inner to store/. */
#ifndef PROFD_STORE_PACK_H
#define PROFD_STORE_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { PACK_ROW_BYTES = 496 };

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
	struct buf groups, stacks;         /* finished groups; stacks of the open one */
	uint64_t first, last;              /* series of the row's first and last group */
	uint64_t base;                     /* first stack of the row's last group */
	uint32_t thread;                   /* of the row's last group */
	struct pack_entry open;            /* the open group's last entry */
	uint64_t open_first, open_samples; /* its first stack, and that one's samples */
	uint64_t n;                        /* its number of stacks */
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
	uint64_t base; /* first stack of the group before */
};

void unpacker_init(struct unpacker *u, uint64_t series_first, const void *data, size_t len);
/* 1: `u->now` is the next entry; 0: the end; -EUCLEAN: malformed. */
int unpacker_next(struct unpacker *u);

#endif
