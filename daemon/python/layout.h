/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside python/: where the fields of one CPython version lie. */
#ifndef PROFD_PYTHON_LAYOUT_H
#define PROFD_PYTHON_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "bpf/contract.h"

/* Bytes that layout_from_debug_offsets() wants from the start of _PyRuntime, for any version. */
enum { LAYOUT_DEBUG_OFFSETS_BYTES = 888 };

struct layout {
	struct profd_python walk;      /* offsets only; addresses are 0 */
	uint16_t runtime_interpreters; /* _PyRuntime.interpreters.head */
	uint16_t runtime_main;         /* _PyRuntime.interpreters.main */
	/* `locked` of the GIL: in _PyRuntime up to 3.11 (ceval.gil), in the main interpreter from
	 * 3.12 on (_gil). One of them is 0. */
	uint16_t runtime_gil, interp_gil;
	/* The main interpreter's pointer to its own GIL (ceval.gil), which proves `interp_gil`
	 * where that is not told by the interpreter itself; else 0. Lies before it. */
	uint16_t interp_gil_pointer;
	uint16_t tstate_interp;
	uint16_t code_filename, code_qualname, code_linetable;
	uint16_t bytes_size, bytes_data;
	uint16_t unicode_length, unicode_state,
		unicode_ascii;    /* ascii: where the text of an ASCII string is */
	uint16_t unicode_compact; /* where the text of another one is */
};

/* PY_VERSION_HEX: major << 24 | minor << 16 | micro << 8 | level << 4 | serial
 * (Include/patchlevel.h). */
static inline unsigned version_major(uint64_t hex)
{
	return (unsigned)(hex >> 24 & 0xff);
}
static inline unsigned version_minor(uint64_t hex)
{
	return (unsigned)(hex >> 16 & 0xff);
}

/* The layout of a version whose offsets are constants (3.11, 3.12); NULL: of another one. */
const struct layout *layout_known(unsigned major, unsigned minor);

/* The layout that an interpreter from 3.13 on tells itself. `data`: the first bytes of its
 * _PyRuntime. -ENOTSUP with the reason where it is of another version, free-threaded, or makes no
 * sense. */
int layout_from_debug_offsets(
	const void *data, size_t bytes, struct layout *layout, struct err *err);

/* Whether `data` begins with a _Py_DebugOffsets; sets the version it tells. */
bool layout_has_debug_offsets(const void *data, size_t bytes, uint64_t *version);

#endif
