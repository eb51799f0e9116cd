/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of several names for one address a person expects, and how it reads. */
#ifndef PROFD_SYMBOLIZE_NAMES_H
#define PROFD_SYMBOLIZE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RAW_NAME_MAX = 4096 }; /* mangled names; what is longer is cut and not demangled */

enum name_binding { NAME_GLOBAL, NAME_WEAK, NAME_LOCAL };

struct name_choice {
	const char *name; /* NUL-terminated */
	bool is_function; /* false: a bare label */
	bool has_size;
	enum name_binding binding;
};

/* Whether `a` is the better name. A strict order: never true both ways. The first that differs
 * decides: a function before a label; one with a size before one without; exported before local;
 *   fewer leading underscores (so that `write`, weak, wins over `__write`; `_Z` and `_R` do not
 * count, nor does
 *   `__vdso_`, which tells the vDSO's functions from those of libc); global before weak; the
 * shorter; the first of the alphabet. */
bool name_is_better(const struct name_choice *a, const struct name_choice *b);

/* Whether no person ever wants to see it: empty, `.L...`, and the mapping symbols `$x`, `$d.1`, ...
 * of arm64. */
bool name_is_internal(const char *name);

/* Length without the version of an ELF name: `memcpy@@GLIBC_2.14` -> 6. */
size_t name_bare_length(const char *name);

/* The name as people read it into `out` (at least SYMBOL_NAME_MAX + 1 bytes): C++ and Rust
 * demangled without parameter lists and hashes, anything else as it is; cut to SYMBOL_NAME_MAX
 * bytes. */
void name_demangle(const char *raw, char *out);

#endif
