/* SPDX-License-Identifier: BSD-2-Clause */
/* Call frame information (.eh_frame, .debug_frame) -> rows of rules. DWARF 5 section 6.4; the
 * .eh_frame variant in the Linux Standard Base 10.6.1. Only what a walker needs of it is kept: the
 * CFA, and where the return address and rbp are. */
#ifndef PROFD_UNWIND_CFI_H
#define PROFD_UNWIND_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unwind/rules.h"
#include "unwind/sections.h"

/* Rows of higher priority come first; where ranges overlap they win. */
enum cfi_source { CFI_EH_FRAME, CFI_DEBUG_FRAME, CFI_PLT, CFI_SOURCES };

/* From `offset` (after the start of the range) to the next row, or to the end of the range. */
struct cfi_row {
	uint32_t offset;
	uint16_t rule;
};

/* A function as one entry describes it. */
struct cfi_range {
	uint64_t start, end; /* the file's virtual addresses */
	uint32_t first, n;   /* rows */
	uint32_t source;     /* enum cfi_source */
};

struct cfi {
	struct rules *rules;
	const struct image *image; /* entries outside its executable segments are left out */
	struct cfi_row *rows;
	size_t n_rows, cap_rows;
	struct cfi_range *ranges;
	size_t n_ranges, cap_ranges;
	uint32_t bad_entries; /* malformed ones, left out from the bad instruction on */
};

/* Adds all entries of the section. Malformed ones are counted and skipped. 0 or -ENOMEM, -E2BIG. */
int cfi_read(struct cfi *cfi, const struct section *section, enum cfi_source source);

/* Adds a range with one rule throughout. */
int cfi_add_range(
	struct cfi *cfi, uint64_t start, uint64_t end, uint16_t rule, enum cfi_source source);

void cfi_free(struct cfi *cfi); /* what is in it */

/* ---- between cfi.c and cfi_program.c --------------------------------------------------------- */

enum cfi_kind {
	CFI_UNSET,
	CFI_UNDEFINED,
	CFI_SAME,
	CFI_OFFSET,     /* *(CFA + value) */
	CFI_VALUE,      /* CFA + value */
	CFI_REGISTER,   /* in register number `value` */
	CFI_EXPRESSION, /* *(expression) */
	CFI_VALUE_EXPRESSION,
};

/* How one register is restored, or (UNSET, REGISTER, EXPRESSION) how the CFA is computed. */
struct cfi_register {
	enum cfi_kind kind;
	uint64_t base; /* of the CFA: DWARF number of the register that `value` is added to */
	int64_t value;
	const uint8_t *expression;
	size_t expression_bytes;
};

struct cfi_state {
	struct cfi_register cfa, fp, sp, ra;
};

struct cfi_entry { /* a CIE */
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra_register;
	uint8_t pointer_encoding;
	bool augmented; /* FDEs carry augmentation data */
	bool signal_frame;
	bool bad;
	struct cfi_state initial;
};

/* The rule of a state. */
uint16_t cfi_rule(struct rules *rules, const struct cfi_state *state, bool signal_frame);

/* Runs the instructions of [code, end) from `state` on. With `range` each row that comes about is
 * added; without (a CIE) only `state` changes. `vaddr_of_code` is the virtual address of `code`. 0,
 * -EINVAL (malformed; rows before that hold), -ENOMEM, -E2BIG. */
int cfi_run(struct cfi *cfi, const struct cfi_entry *cie, const uint8_t *code, const uint8_t *end,
	uint64_t vaddr_of_code, struct cfi_state *state, struct cfi_range *range);

int cfi_add_row(struct cfi *cfi, struct cfi_range *range, uint64_t offset, uint16_t rule);

#endif
