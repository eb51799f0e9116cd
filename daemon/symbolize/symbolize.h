/* SPDX-License-Identifier: BSD-2-Clause */
/* Address -> name, for people. Lazy: nothing is read before the first question about an image, the
 * kernel or a process, and what was read is kept.
 *
 *    native   the file's .symtab, or else its separate debug file's (by build ID, by
 * .gnu_debuglink), or else that in .gnu_debugdata; and always .dynsym. Demangled (C++, Rust).
 *    kernel   /proc/kallsyms: modules and BPF programs included
 *    JIT      /tmp/perf-PID.map as the process itself sees it
 *
 * Names are bytes out of hostile files: no NUL, at most SYMBOL_NAME_MAX bytes, anything else goes
 * (control characters and invalid UTF-8 too). They belong to the symbolizer and hold as long as it
 * does. Not for several threads at once. */
#ifndef PROFD_SYMBOLIZE_SYMBOLIZE_H
#define PROFD_SYMBOLIZE_SYMBOLIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { SYMBOL_NAME_MAX = 1024 }; /* longer ones are cut, and end in "..." */

struct image;
struct symbolizer;

struct symbol {
	const char *name; /* never empty */
	/* Native: image->name, the image's own. Kernel: "kernel", the module, or "bpf". JIT:
	 * "[jit]". */
	const char *module;
	uint64_t offset; /* of the address into the function, in bytes */
};

struct symbolizer *symbolizer_new(void); /* NULL: out of memory */
void symbolizer_free(struct symbolizer *s);

/* For tests, and for hosts that keep these elsewhere than in "/usr/lib/debug" and
 * "/proc/kallsyms". To be called before the first question. The text is the caller's and must stay.
 */
void symbolizer_set_debug_folder(struct symbolizer *s, const char *path);
void symbolizer_set_kallsyms(struct symbolizer *s, const char *path);

/* All three: true with `*out` filled; false where nothing is known of the address, `*out` then
 * untouched. Ask with the address of the call, not with the one behind it.
 *
 * `vaddr` is the file's own virtual address (image_vaddr() of process/). */
bool symbolize_native(
	struct symbolizer *s, const struct image *image, uint64_t vaddr, struct symbol *out);

/* Where a function without a symbol starts, so that all its addresses can go by one name. False:
 * not known. */
bool symbolize_function_start(
	struct symbolizer *s, const struct image *image, uint64_t vaddr, uint64_t *start);

bool symbolize_kernel(struct symbolizer *s, uint64_t address, struct symbol *out);

/* Reads the map again where it has grown and does not know the address yet. What was read stays
 * when the process ends, so that its last samples have names. */
bool symbolize_jit(struct symbolizer *s, uint32_t pid, uint64_t address, struct symbol *out);

/* Reads the map of a process while it lives. 0 or negative errno: -ENOENT there is none, -EPERM it
 * belongs to somebody else than the process or root. */
int symbolizer_preload_jit(struct symbolizer *s, uint32_t pid, struct err *err);

/* Forgets the map of a process: at exec, and when the PID is given anew. */
void symbolizer_forget_jit(struct symbolizer *s, uint32_t pid);

/* Makes the next question read kallsyms again: after modules or BPF programs were loaded. */
void symbolizer_refresh_kernel(struct symbolizer *s);

#endif
