/* SPDX-License-Identifier: BSD-2-Clause */
/* When the kernel's list of functions is read: once, and again when it pays. It takes 50 to 100 ms,
 * and there are hosts that load BPF programs every second. */
#ifndef PROFD_SYMBOLIZE_KERNEL_LIST_H
#define PROFD_SYMBOLIZE_KERNEL_LIST_H

#include "symbolize/kernel.h"

struct kernel_list {
	const char *path;
	/* Between two readings: for an address without a name, and for one whose name may be
	 * another by now. */
	uint64_t unknown_pause_ns, changed_pause_ns;

	struct kernel_symbols *symbols; /* NULL: not read, or out of memory */
	uint64_t read_ns;
	bool was_read;       /* or was tried to */
	bool changed;        /* since it was read: whoever uses the list sets it */
	struct map *unknown; /* page -> when it may be asked for again */
};

int kernel_list_init(struct kernel_list *l, const char *path); /* 0 or -ENOMEM */
void kernel_list_close(struct kernel_list *l);

/* False: not known. What `out` points to holds until the next question. */
bool kernel_list_find(struct kernel_list *l, uint64_t address, struct kernel_function *out);

#endif
