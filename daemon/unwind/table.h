/* SPDX-License-Identifier: BSD-2-Clause */
/* The unwind table of one image: its page index and rows in the layout of bpf/contract.h. It holds
 * wherever its cells are put. */
#ifndef PROFD_UNWIND_TABLE_H
#define PROFD_UNWIND_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "process/process.h"
#include "unwind/rules.h"

enum { RULES_OF_A_FILE_MAX = 4096 };

struct table {
	const struct image *image;
	uint32_t *cells;  /* owned; NULL: not usable, or placed */
	uint32_t n_cells; /* an even number; 0: not usable, it has no table */
	uint32_t n_pages;
	uint64_t vaddr_start;
	uint32_t n_rows, n_unsupported, n_bad_entries;

	/* For unwind.c. */
	uint32_t refs;                /* spaces and slices that name it */
	bool forgotten;               /* its image is gone: freed with its last reference, */
	struct table *next_forgotten; /* and on a list until then */
	bool idle;                    /* counted in unwind.idle_bytes */
	bool placed;                  /* in the kernel's area, at cell number `at` */
	uint32_t at;
	uint64_t idle_since; /* epoch when refs became 0 */
};

/* Compiles what the file has. 0; -ENOENT: it has no usable unwind information; -E2BIG: more than a
 * table can hold; -ENOMEM. */
int table_compile(struct table *t, const struct image *image, struct rules *rules);

void table_free_cells(struct table *t);

#endif
