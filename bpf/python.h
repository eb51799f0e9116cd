/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The walker of Python frames: from the native thread to its PyThreadState, and from there frame by
 * frame.
 *
 *   _PyRuntime.interpreters.head --> PyInterpreterState --> PyThreadState whose thread_id == FS
 * base
 *     --> (3.11, 3.12: _PyCFrame -->) _PyInterpreterFrame --previous--> ... --> NULL
 *
 * A frame gives its code object, and the offset of the instruction that runs or that called the
 * next frame: prev_instr up to 3.12 and instr_ptr from 3.13 on both point into that instruction or
 * its inline caches (CPython Include/internal/pycore_frame.h, _PyInterpreterFrame_LASTI). Frames of
 * the C eval loop's own (shims) mark where a run of frames of one eval loop ends and are never
 * shown; nor are frames that have not reached their first instruction (as CPython's own traceback
 * does), except where a run has no other, so that runs and native eval-loop frames stay one to one.
 *
 * Most frames of a thread lie side by side in its data stack: they are read a window at a time.
 * Compiled for the kernel and for user space (env.h).
 *
 * void python_walk(struct profd_scratch *s, __u32 at, const struct profd_python *py, __u64 fsbase)
 *   In:  s->record.pid, tid, time_ns, s->registers; `at`: number of the first free word in
 * s->words; `fsbase`: pthread_self() of the thread. Out: s->words[at ...] = PROFD_PYTHON_WORDS a
 * frame, innermost first; s->record.n_python, python_end, python_hash. Uses s->python. */
#ifndef PROFD_BPF_PYTHON_H
#define PROFD_BPF_PYTHON_H

#include "bpf/python_again.h"

/* A number for the chain of code objects, whatever the instructions. */
struct python_hash_context {
	struct profd_scratch *s;
	__u64 hash;
};

static long python_hash_step(__u32 i, void *data)
{
	struct python_hash_context *c = data;
	__u32 from = c->s->python.at + i * PROFD_PYTHON_WORDS;
	__u64 h = c->hash;

	if (from > PROFD_SCRATCH_WORDS - PROFD_PYTHON_WORDS)
		return 1;
	h = (h ^ c->s->words[from] ^ (c->s->words[from + 1] << 32)) * 0x9e3779b97f4a7c15ULL;
	c->hash = h ^ h >> 29;
	return 0;
}

ENV_INLINE void python_done(struct profd_scratch *s, __u32 n, __u32 end)
{
	s->record.n_python = (__u16)n;
	s->record.python_end = (__u8)end;
}

ENV_NOINLINE int python_walk(
	struct profd_scratch *s, __u32 at, const struct profd_python *py, __u64 fsbase)
{
	struct python_context c = {.s = s, .py = py};
	struct python_hash_context hash = {.s = s, .hash = s->record.pid};
	struct profd_python_walk *w = &s->python;
	__u64 interp, innermost;

	w->fsbase = fsbase;
	w->at = at;
	w->window_bytes = 0;
	w->code_at = w->window_from = 0;
	if (python_pointer(py->interpreters_head, &interp)) {
		python_done(s, 0, PROFD_END_UNREADABLE);
		return 0;
	}
	if (!interp || python_find(&c, interp) || !w->found) {
		python_done(s, 0, PROFD_END_NO_THREAD);
		return 0;
	}
	innermost = w->frame;
	w->fresh = w->guess = 0;
	python_walk_from(&c, innermost);
	if (!w->n && w->end != PROFD_END_COMPLETE)
		python_walk_again(&c);
	else if (w->above)
		python_walk_between(&c, innermost);
	env_loop(w->n, python_hash_step, &hash);
	s->record.python_hash = hash.hash;
	python_done(s, w->n, w->end);
	return 0;
}

#endif
