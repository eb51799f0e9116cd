/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's functions as /proc/kallsyms lists them. */
#ifndef PROFD_SYMBOLIZE_KERNEL_H
#define PROFD_SYMBOLIZE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

struct kernel_symbols;

/* Reads the list; one that cannot be read, or hides its addresses, is empty; with `warn` that is
 * logged. NULL: out of memory. */
struct kernel_symbols *kernel_symbols_read(const char *path, bool warn);
void kernel_symbols_free(struct kernel_symbols *k);

/* Whether it names no address at all (kptr_restrict, or not readable). */
bool kernel_symbols_are_hidden(const struct kernel_symbols *k);

struct kernel_function {
	const char *name, *module; /* owned by the list; "kernel" for what is in no module */
	uint64_t offset;           /* of the address into it */
};

bool kernel_symbols_find(
	const struct kernel_symbols *k, uint64_t address, struct kernel_function *out);

#endif
