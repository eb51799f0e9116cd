/* SPDX-License-Identifier: BSD-2-Clause */
/* Where functions start, for those without a symbol: the search table that the linker makes of the
 * unwind entries (.eh_frame_hdr, Linux Standard Base 10.6.2), which stripping leaves in place. */
#ifndef PROFD_SYMBOLIZE_STARTS_H
#define PROFD_SYMBOLIZE_STARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/elf_file.h"

struct starts {
	uint64_t base;    /* virtual address of the section */
	int32_t *offsets; /* from `base`, ascending; owned; NULL: there are none */
	size_t n;
};

/* A file without the table, or with a broken one, gives none. False: out of memory. */
bool starts_read(struct starts *st, const struct elf_file *file);
void starts_free(struct starts *st);

/* The last start at or before `vaddr`. False: there is none. */
bool starts_find(const struct starts *st, uint64_t vaddr, uint64_t *start);

#endif
