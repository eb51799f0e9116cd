/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The walker of Python frames: from the native thread to its PyThreadState, and from there frame by frame.
 *
 *   _PyRuntime.interpreters.head --> PyInterpreterState --> PyThreadState whose thread_id == FS base
 *     --> (3.11, 3.12: _PyCFrame -->) _PyInterpreterFrame --previous--> ... --> NULL
 *
 * A frame gives its code object, and the offset of the instruction that runs or that called the next frame:
 * prev_instr up to 3.12 and instr_ptr from 3.13 on both point into that instruction or its inline caches
 * (CPython Include/internal/pycore_frame.h, _PyInterpreterFrame_LASTI). Frames of the C eval loop's own (shims) mark
 * where a run of frames of one eval loop ends and are never shown; nor are frames that have not reached their
 * first instruction (as CPython's own traceback does), except where a run has no other, so that runs and native
 * eval-loop frames stay one to one.
 *
 * Most frames of a thread lie side by side in its data stack: they are read a window at a time.
 * Compiled for the kernel and for user space (env.h).
 *
 * void python_walk(struct profd_scratch *s, __u32 at, const struct profd_python *py, __u64 fsbase)
 *   In:  s->record.pid, tid, time_ns; `at`: number of the first free word in s->words; `fsbase`: pthread_self()
 *        of the thread.
 *   Out: s->words[at ...] = PROFD_PYTHON_WORDS a frame, innermost first; s->record.n_python, python_end,
 *        python_hash.
 *   Uses s->python. */
#ifndef PROFD_BPF_PYTHON_H
#define PROFD_BPF_PYTHON_H

#include "bpf/env.h"

enum python_limits {
	PYTHON_MAX_STATES = 4096,     /* thread states and interpreters in a search */
	PYTHON_MAX_NEW_STATES = 64,   /* in a search among those that came since the last one */
	PYTHON_SEARCH_NS = 100000000, /* at most one full search per thread in so long */
	PYTHON_OWNER_GENERATOR = 1,   /* FRAME_OWNED_BY_GENERATOR, 3.11 - 3.14 */
	PYTHON_CODE_FROM = 8,         /* ob_type: the first field of a code object that matters */
	PYTHON_CODE_SIZE = 16,        /* ob_size: instructions of the code object */
	PYTHON_MAX_INSTRUCTIONS = 1 << 28,
	PYTHON_FRAME_WORDS = PROFD_PYTHON_FRAME_BYTES / 8,
	PYTHON_CODE_WORDS = PROFD_PYTHON_CODE_BYTES / 8,
	PYTHON_WINDOW_WORDS = PROFD_PYTHON_WINDOW_BYTES / 8,
	PYTHON_SINGLE_AT = PYTHON_WINDOW_WORDS - PYTHON_FRAME_WORDS, /* word of the window for a lone frame */
	PYTHON_CHUNK_MAX = 1 << 20,   /* a frame farther above its chunk's start is not in that chunk */
	PYTHON_CHUNK_DATA = 24,       /* _PyStackChunk.data, 3.11 - 3.14: Include/internal/pycore_pystate.h */
};

#define PYTHON_ENTRY_FLAG (1ULL << 63)
#define PYTHON_ADDRESS_MASK ((1ULL << 56) - 1)

struct python_context {
	struct profd_scratch *s;
	const struct profd_python *py;
};

ENV_INLINE __u64 python_word(const __u64 *words, __u32 mask, __u32 offset)
{
	return words[(offset >> 3) & mask];
}

/* A pointer of the target; 0 where it cannot be read. */
ENV_INLINE int python_pointer(__u64 address, __u64 *value)
{
	return env_read_user(value, sizeof(*value), address) ? -1 : 0;
}

/* ---- the thread state -------------------------------------------------------------------------- */

/* The frame that a thread state is in now; where there are _PyCFrames also the frame that the outer one is in,
 * to check the first run against. */
ENV_INLINE int python_current_frame(
	struct profd_python_walk *w, const struct profd_python *py, __u64 tstate, __u64 *frame)
{
	__u64 cframe, previous;

	w->check = 0;
	if (python_pointer(tstate + py->tstate_frame, frame))
		return -1;
	if (py->cframe_frame == PROFD_PYTHON_NONE)
		return 0;
	cframe = *frame;
	if (python_pointer(cframe + py->cframe_frame, frame) ||
		python_pointer(cframe + py->cframe_previous, &previous))
		return -1;
	if (previous && !python_pointer(previous + py->cframe_frame, &w->outer))
		w->check = 1;
	return 0;
}
