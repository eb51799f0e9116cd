/* SPDX-License-Identifier: BSD-2-Clause */
/* Offsets by version: rows of data.
 *
 * 3.11 and 3.12 keep their structs for all patch releases of a minor version; the rows below were
 * computed with offsetof() from the headers that these versions install (Include/internal/, built
 * with a GIL, 64 bits) and are checked by tests/unit/test_python.c with the interpreters that are
 * there. From 3.13 on the interpreter carries a table of its own at the start of _PyRuntime,
 * _Py_DebugOffsets: 64-bit words, whose order is another in every minor version (3.13:
 * Include/internal/pycore_runtime.h, 3.14: Include/internal/pycore_debug_offsets.h). */
#include "python/layout.h"

#include <errno.h>
#include <string.h>

enum {
	OB_TYPE = 8, /* Include/object.h: builds with a GIL */
	OB_SIZE = 16,
	OWNER_CSTACK =
		3, /* 3.12, 3.13: FRAME_OWNED_BY_CSTACK; 3.14: FRAME_OWNED_BY_INTERPRETER, and 4 */
	OWNER_NEVER = 0x100,
	TAG_MASK = 7, /* 3.14: low bits of _PyStackRef (Include/internal/pycore_stackref.h) */
};

static const struct {
	unsigned major, minor;
	struct layout layout;
} known[] = {
	/* CPython 3.11: Include/cpython/pystate.h, Include/cpython/code.h,
	 * Include/internal/pycore_frame.h, pycore_interp.h, pycore_runtime.h,
	 * Include/cpython/unicodeobject.h */
	{3, 11,
		{.walk = {.code_mask = ~0ULL,
			 .interp_next = 0,
			 .interp_threads = 16,
			 .tstate_next = 8,
			 .tstate_thread_id = 152,
			 .tstate_frame = 56,
			 .tstate_chunk = 296,
			 .tstate_exc_info = 120,
			 .tstate_from = 56,
			 .tstate_bytes = 256,
			 .cframe_frame = 8,
			 .frame_code = 32,
			 .frame_previous = 48,
			 .frame_instr = 56,
			 .frame_owner = 69,
			 .frame_entry = 68,
			 .frame_stacktop = 64,
			 .frame_shim_owner = OWNER_NEVER,
			 .frame_bytes = 72,
			 .code_first_line = 72,
			 .code_ident = 88,
			 .code_traceable = 168,
			 .code_bytecode = 184,
			 .code_locals = 76,
			 .code_stack = 68,
			 .frame_words = 9 /* FRAME_SPECIALS_SIZE */},
			.runtime_interpreters = 40,
			.runtime_main = 48,
			.runtime_gil = 376, /* pycore_ceval_state.h, pycore_gil.h */
			.tstate_interp = 16,
			.code_filename = 112,
			.code_qualname = 128,
			.code_linetable = 136,
			.bytes_size = OB_SIZE,
			.bytes_data = 32,
			.unicode_length = 16,
			.unicode_state = 32,
			.unicode_ascii = 48,
			.unicode_compact = 72}},
	/* CPython 3.12: the same headers. */
	{3, 12,
		{.walk = {.code_mask = ~0ULL,
			 .interp_next = 0,
			 .interp_threads = 72,
			 .tstate_next = 8,
			 .tstate_thread_id = 136,
			 .tstate_frame = 56,
			 .tstate_chunk = 232,
			 .tstate_exc_info = 104,
			 .tstate_from = 56,
			 .tstate_bytes = 192,
			 .cframe_frame = 0,
			 .frame_code = 0,
			 .frame_previous = 8,
			 .frame_instr = 56,
			 .frame_owner = 70,
			 .frame_entry = PROFD_PYTHON_NONE,
			 .frame_stacktop = 64,
			 .frame_shim_owner = OWNER_CSTACK,
			 .frame_bytes = 72,
			 .code_first_line = 68,
			 .code_ident = 88,
			 .code_traceable = 176,
			 .code_bytecode = 192,
			 .code_locals = 76,
			 .code_stack = PROFD_PYTHON_NONE},
			.runtime_interpreters = 40,
			.runtime_main = 48,
			.interp_gil = 1056,
			.interp_gil_pointer = 384,
			.tstate_interp = 16,
			.code_filename = 112,
			.code_qualname = 128,
			.code_linetable = 136,
			.bytes_size = OB_SIZE,
			.bytes_data = 32,
			.unicode_length = 16,
			.unicode_state = 32,
			.unicode_ascii = 40,
			.unicode_compact = 56}},
};

/* What of _Py_DebugOffsets is used: number of its 64-bit word, by version. */
enum debug_field {
	D_RUNTIME_INTERPRETERS,
	D_INTERP_NEXT,
	D_INTERP_THREADS,
	D_INTERP_GIL,
	D_TSTATE_NEXT,
	D_TSTATE_INTERP,
	D_TSTATE_FRAME,
	D_TSTATE_THREAD_ID,
	D_TSTATE_CHUNK,
	D_FRAME_PREVIOUS,
	D_FRAME_CODE,
	D_FRAME_INSTR,
	D_FRAME_OWNER,
	D_CODE_FILENAME,
	D_CODE_NAME,
	D_CODE_QUALNAME,
	D_CODE_LINETABLE,
	D_CODE_FIRST_LINE,
	D_CODE_NAMES,
	D_CODE_KINDS,
	D_CODE_BYTECODE,
	D_OB_TYPE,
	D_BYTES_SIZE,
	D_BYTES_DATA,
	D_UNICODE_STATE,
	D_UNICODE_LENGTH,
	D_UNICODE_ASCII,
	D_FIELDS
};

static const struct debug_version {
	unsigned major, minor;
	uint8_t words[D_FIELDS];
	uint64_t code_mask;
	uint16_t bytes;
} debug_versions[] = {
	/* CPython 3.13: Include/internal/pycore_runtime.h */
	{3, 13,
		{5, 8, 9, 17, 21, 22, 23, 24, 26, 29, 30, 31, 33, 35, 36, 37, 38, 39, 41, 42, 43,
			45, 65, 66, 68, 69, 70},
		~0ULL, 584},
	/* CPython 3.14: Include/internal/pycore_debug_offsets.h */
	{3, 14,
		{5, 8, 9, 18, 24, 25, 26, 27, 29, 32, 33, 34, 36, 40, 41, 42, 43, 44, 46, 47, 48,
			51, 75, 76, 78, 79, 80},
		~(uint64_t)TAG_MASK, 760},
};

/* tstate_from and tstate_bytes: the part of a thread state that holds all that a walk needs. */
static bool set_state_part(struct profd_python *w)
{
	uint16_t from = w->tstate_frame, to = w->tstate_frame;
	const uint16_t others[] = {w->tstate_thread_id, w->tstate_chunk};

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		from = others[i] < from ? others[i] : from;
		to = others[i] > to ? others[i] : to;
	}
	w->tstate_from = from;
	if (to == w->tstate_chunk)
		to = (uint16_t)(to + 8); /* datastack_top */
	w->tstate_bytes = (uint16_t)(to + 8 - from);
	return w->tstate_bytes < PROFD_PYTHON_STATE_BYTES;
}

const struct layout *layout_known(unsigned major, unsigned minor)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].major == major && known[i].minor == minor)
			return &known[i].layout;
	return NULL;
}

bool layout_has_debug_offsets(const void *data, size_t bytes, uint64_t *version)
{
	if (bytes < 24 || memcmp(data, "xdebugpy", 8) != 0)
		return false;
	memcpy(version, (const char *)data + 8, sizeof(*version));
	return true;
}

static uint64_t word_at(const void *data, unsigned number)
{
	uint64_t v;

	memcpy(&v, (const char *)data + number * 8, sizeof(v));
	return v;
}

/* Structs that sane tables do not exceed: all but the interpreter and the runtime are small, and
 * the offsets into those two that are used lie near their start. */
static bool in_bounds(enum debug_field field, uint64_t offset)
{
	if (field == D_CODE_FIRST_LINE)
		return offset % 4 == 0 && offset < 512;
	if (field == D_INTERP_GIL)
		return offset % 4 == 0 && offset > 0 && offset < 60000;
	if (field == D_FRAME_OWNER)
		return offset < PROFD_PYTHON_FRAME_BYTES - 8;
	if (field == D_UNICODE_STATE || field == D_UNICODE_ASCII)
		return offset % 4 == 0 && offset < 512;
	if (field == D_INTERP_NEXT || field == D_INTERP_THREADS || field == D_RUNTIME_INTERPRETERS)
		return offset % 8 == 0 && offset < 60000;
	if (field >= D_FRAME_PREVIOUS && field <= D_FRAME_INSTR)
		return offset % 8 == 0 && offset < PROFD_PYTHON_FRAME_BYTES - 8;
	return offset % 8 == 0 && offset < 512;
}

static void set_walk(struct profd_python *w, const uint16_t *f, uint64_t code_mask)
{
	uint16_t last = f[D_FRAME_OWNER];

	for (int i = D_FRAME_PREVIOUS; i <= D_FRAME_INSTR; i++)
		last = f[i] > last ? f[i] : last;
	*w = (struct profd_python){
		.code_mask = code_mask,
		.interp_next = f[D_INTERP_NEXT],
		.interp_threads = f[D_INTERP_THREADS],
		.tstate_next = f[D_TSTATE_NEXT],
		.tstate_thread_id = f[D_TSTATE_THREAD_ID],
		.tstate_frame = f[D_TSTATE_FRAME],
		.tstate_chunk = f[D_TSTATE_CHUNK],
		.tstate_exc_info = PROFD_PYTHON_NONE,
		.cframe_frame = PROFD_PYTHON_NONE,
		.frame_code = f[D_FRAME_CODE],
		.frame_previous = f[D_FRAME_PREVIOUS],
		.frame_instr = f[D_FRAME_INSTR],
		.frame_owner = f[D_FRAME_OWNER],
		.frame_entry = PROFD_PYTHON_NONE,
		.frame_stacktop = PROFD_PYTHON_NONE,
		.frame_shim_owner = OWNER_CSTACK,
		.frame_bytes = (uint16_t)((last | 7) + 1),
		.code_first_line = f[D_CODE_FIRST_LINE],
		.code_ident = (uint16_t)(f[D_CODE_NAMES] - 8),
		/* Right before co_extra and the bytecode in 3.13 and 3.14 (Include/cpython/code.h).
		 */
		.code_traceable = (uint16_t)(f[D_CODE_BYTECODE] - 16),
		.code_bytecode = f[D_CODE_BYTECODE],
		/* co_firstlineno, co_nlocalsplus, co_framesize (likewise). */
		.code_locals = (uint16_t)(f[D_CODE_FIRST_LINE] + 8),
		.code_stack = PROFD_PYTHON_NONE,
	};
}

/* The fields that a fingerprint is made of must be one piece, as in all versions so far. */
static bool code_makes_sense(const uint16_t *f)
{
	static const uint8_t row[] = {D_CODE_NAMES, D_CODE_KINDS, D_CODE_FILENAME, D_CODE_NAME,
		D_CODE_QUALNAME, D_CODE_LINETABLE};

	for (size_t i = 1; i < sizeof(row); i++)
		if (f[row[i]] != f[row[i - 1]] + 8)
			return false;
	return f[D_CODE_NAMES] >= 24 && f[D_CODE_NAMES] < 128 && f[D_OB_TYPE] == OB_TYPE &&
	       f[D_CODE_FIRST_LINE] < f[D_CODE_BYTECODE] - 16 &&
	       f[D_CODE_BYTECODE] > f[D_CODE_LINETABLE] + 16 &&
	       f[D_CODE_BYTECODE] < PROFD_PYTHON_CODE_BYTES;
}

static int layout_read(
	const struct debug_version *v, const void *data, struct layout *layout, struct err *err)
{
	uint16_t f[D_FIELDS];

	for (int i = 0; i < D_FIELDS; i++) {
		uint64_t offset = word_at(data, v->words[i]);

		if (!in_bounds((enum debug_field)i, offset)) {
			if (i != D_INTERP_GIL) /* which no walk needs */
				goto senseless;
			offset = 0;
		}
		f[i] = (uint16_t)offset;
	}
	if (!code_makes_sense(f))
		goto senseless;
	set_walk(&layout->walk, f, v->code_mask);
	if (!set_state_part(&layout->walk))
		goto senseless;
	layout->runtime_interpreters = f[D_RUNTIME_INTERPRETERS];
	/* Right behind the head of the list (3.13: Include/internal/pycore_runtime.h, 3.14:
	 * Include/internal/pycore_runtime_structs.h). */
	layout->runtime_main = (uint16_t)(f[D_RUNTIME_INTERPRETERS] + 8);
	layout->runtime_gil = 0;
	layout->interp_gil = f[D_INTERP_GIL];
	layout->interp_gil_pointer = 0;
	layout->tstate_interp = f[D_TSTATE_INTERP];
	layout->code_filename = f[D_CODE_FILENAME];
	layout->code_qualname = f[D_CODE_QUALNAME];
	layout->code_linetable = f[D_CODE_LINETABLE];
	layout->bytes_size = f[D_BYTES_SIZE];
	layout->bytes_data = f[D_BYTES_DATA];
	layout->unicode_length = f[D_UNICODE_LENGTH];
	layout->unicode_state = f[D_UNICODE_STATE];
	layout->unicode_ascii = f[D_UNICODE_ASCII];
	/* PyCompactUnicodeObject adds utf8_length and utf8 (Include/cpython/unicodeobject.h). */
	layout->unicode_compact = (uint16_t)(f[D_UNICODE_ASCII] + 16);
	return 0;
senseless:
	return err_set(err, -ENOTSUP,
		"the interpreter's table of offsets (_Py_DebugOffsets) makes no sense for CPython %u.%u: "
		"its Python frames are not shown",
		v->major, v->minor);
}

int layout_from_debug_offsets(
	const void *data, size_t bytes, struct layout *layout, struct err *err)
{
	uint64_t version;
	unsigned major, minor;

	if (!layout_has_debug_offsets(data, bytes, &version))
		return err_set(err, -ENOTSUP,
			"the interpreter has no table of offsets (_Py_DebugOffsets)");
	major = version_major(version);
	minor = version_minor(version);
	if (word_at(data, 2))
		return err_set(err, -ENOTSUP,
			"CPython %u.%u without a GIL (free-threaded) is not supported yet: its native "
			"frames are shown, its Python frames are not",
			major, minor);
	for (size_t i = 0; i < sizeof(debug_versions) / sizeof(*debug_versions); i++) {
		const struct debug_version *v = &debug_versions[i];

		if (v->major == major && v->minor == minor && bytes >= v->bytes)
			return layout_read(v, data, layout, err);
	}
	return err_set(err, -ENOTSUP,
		"CPython %u.%u is not supported yet: its native frames are shown, its Python frames are not",
		major, minor);
}
