/* SPDX-License-Identifier: BSD-2-Clause */
/* Address -> name, for people. Lazy: nothing is read before the first question about an image, the
 * kernel or a process, and what was read is kept until symbolizer_trim or a forget function.
 *
 *    native   the file's .symtab, or else its separate debug file's (by build ID, by
 * .gnu_debuglink), or else that in .gnu_debugdata; and always .dynsym. Demangled (C++, Rust).
 *    kernel   /proc/kallsyms: modules and BPF programs included
 *    JIT      /tmp/perf-PID.map as the process itself sees it
 *
 * Names are bytes out of hostile files: no NUL, at most SYMBOL_NAME_MAX bytes, anything else goes
 * (control characters and invalid UTF-8 too). They belong to the symbolizer and hold until the next
 * symbolizer_trim. Not for several threads at once. */
#ifndef PROFD_SYMBOLIZE_SYMBOLIZE_H
#define PROFD_SYMBOLIZE_SYMBOLIZE_H

#include <stdbool.h>
#include <stddef.h>
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

/* Modules or BPF programs were loaded, or went. kallsyms is read again, which takes 50 to 100 ms,
 * when that pays: for an address that has no name yet, at most each 10 s and ever more rarely for
 * one that does not get one; for an address in a module or BPF program, whose name may be another
 * by now, at most once a minute. (An address of no name is reason enough without this call, too:
 * nothing tells of modules.) */
void symbolizer_refresh_kernel(struct symbolizer *s);

/* Other pauses than these; for tests. */
void symbolizer_set_kernel_pauses(struct symbolizer *s, uint64_t unknown_ns, uint64_t changed_ns);

/* ---- for those who run for weeks
 * -----------------------------------------------------------------
 *
 * To be called when the names that were asked for are of no use any more: after a window was
 * closed. */

/* The image is about to be closed (process_images_sweep). */
void symbolizer_forget_image(struct symbolizer *s, uint32_t number);

/* Brings what is kept of images, perf maps and their names, by an estimate of its own, below
 * `bytes`: all names go first, then what was not asked for longest. All of it is read again when it
 * is asked for. The kernel's names are beside that: 10 to 20 MB, once. */
void symbolizer_trim(struct symbolizer *s, size_t bytes);

size_t symbolizer_bytes(const struct symbolizer *s); /* that estimate */

#endif
