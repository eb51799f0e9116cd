/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Inside python.h: from the native thread to its PyThreadState. */
#ifndef PROFD_BPF_PYTHON_STATE_H
#define PROFD_BPF_PYTHON_STATE_H

#include "bpf/env.h"

#ifdef __bpf__
#define PYTHON_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define PYTHON_ROLLED
#endif

enum python_limits {
	PYTHON_MAX_STATES = 4096,   /* thread states and interpreters in a search */
	PYTHON_MAX_NEW_STATES = 64, /* in a search among those that came since the last one */
	PYTHON_SEARCH_NS =
		100000000, /* at most one search through all of them per thread in so long */
	PYTHON_MAX_STEPS =
		3 *
		PROFD_MAX_PYTHON_FRAMES, /* shims and frames that have not started are not shown */
	PYTHON_OWNER_THREAD = 0,         /* FRAME_OWNED_BY_..., 3.11 - 3.14: pycore_frame.h */
	PYTHON_OWNER_GENERATOR = 1,
	/* PyGenObject: gi_exc_state, 16 more bytes up to gi_frame_state, gi_iframe (3.11 - 3.13).
	 */
	PYTHON_EXC_TO_FRAME = 32,
	PYTHON_OB_TYPE = 8,  /* Include/object.h, builds with a GIL */
	PYTHON_OB_SIZE = 16, /* of a code object: its length in instructions */
	PYTHON_FRAME_WORDS = PROFD_PYTHON_FRAME_BYTES / 8,
	PYTHON_WINDOW_WORDS = PROFD_PYTHON_WINDOW_BYTES / 8,
	PYTHON_SINGLE_AT =
		PYTHON_WINDOW_WORDS - PYTHON_FRAME_WORDS, /* place of a frame from elsewhere */
	PYTHON_WINDOW_MAX = PYTHON_SINGLE_AT * 8,         /* bytes of the others */
	PYTHON_STATE_MAX = 1024,    /* sizeof(PyThreadState) in 3.11 and 3.12 is less */
	PYTHON_STACK_MAX = 1 << 23, /* one _PyCFrame is not farther from the next */
	PYTHON_CHUNK_MAX =
		1 << 20,        /* a frame farther above its chunk's start is not in that chunk */
	PYTHON_CHUNK_DATA = 24, /* _PyStackChunk: previous, size, top, data: cpython/pystate.h */
	PYTHON_CHUNK_SKIP = 8,  /* the first one's first word is left free: pystate.c, push_chunk */
};

#define PYTHON_ENTRY_FLAG    (1ULL << 63)
#define PYTHON_ADDRESS_LIMIT (1ULL << 56)

struct python_context {
	struct profd_scratch *s;
	const struct profd_python *py;
	__u32 steps; /* of the search */
};

/* A pointer of the target. */
ENV_INLINE int python_pointer(__u64 address, __u64 *value)
{
	return env_read_user(value, sizeof(*value), address) ? -1 : 0;
}

/* ---- the thread state --------------------------------------------------------------------------
 */

ENV_INLINE __u64 python_state_word(
	const struct profd_python_walk *w, const struct profd_python *py, __u16 offset)
{
	return w->state[((__u16)(offset - py->tstate_from) >> 3) &
			(PROFD_PYTHON_STATE_BYTES / 8 - 1)];
}

/* Reads the innermost _PyCFrame: the frame it is in, and the frame that the _PyCFrame outside it is
 * in, which lies farther out on the stack, or (the first one of all) in the thread state. Where it
 * has none outside, or is in no frame, that may be because it is not filled yet. */
ENV_INLINE int python_cframe(
	struct profd_python_walk *w, const struct profd_python *py, __u64 cframe, __u64 tstate)
{
	__u64 two[2], previous;

	if (env_read_user(two, sizeof(two), cframe + py->cframe_frame))
		return -1;
	w->frame = two[0];
	previous = two[1];
	if (cframe - tstate < PYTHON_STATE_MAX)
		return 0;
	if (previous > cframe || previous - tstate - 1 < PYTHON_STATE_MAX)
		w->check = !python_pointer(previous + py->cframe_frame, &w->outer);
	w->unproven = !w->check || !w->frame;
	return 0;
}

/* Whether `tstate` is a state of this thread, and which frame it is in (0: none). */
ENV_INLINE int python_state_read(
	struct profd_python_walk *w, const struct profd_python *py, __u64 tstate)
{
	__u32 bytes = py->tstate_bytes & (PROFD_PYTHON_STATE_BYTES - 1);

	w->check = w->unproven = 0;
	w->outer = 0;
	if (env_read_user(w->state, bytes, tstate + py->tstate_from) ||
		python_state_word(w, py, py->tstate_thread_id) != w->fsbase)
		return -1;
	w->base = w->chunk = python_state_word(w, py, py->tstate_chunk);
	w->top = python_state_word(w, py, py->tstate_chunk + 8);
	w->frame = python_state_word(w, py, py->tstate_frame);
	w->generator = w->cframe = 0;
	if (py->cframe_frame == PROFD_PYTHON_NONE)
		return 0;
	w->generator = python_state_word(w, py, py->tstate_exc_info) + PYTHON_EXC_TO_FRAME;
	w->cframe = w->frame;
	return python_cframe(w, py, w->cframe, tstate);
}

/* One thread state, or the end of an interpreter's list. A thread may have states in several
 * interpreters: the first one with frames counts (newest interpreter first), or one without. */
static long python_search_step(__u32 i, void *data)
{
	struct python_context *c = data;
	struct profd_python_walk *w = &c->s->python;
	const struct profd_python *py = c->py;
	__u64 id;

	(void)i;
	if (!w->tstate) {
		if (w->stop || python_pointer(w->interp + py->interp_next, &w->interp) ||
			!w->interp)
			return 1;
		return python_pointer(w->interp + py->interp_threads, &w->tstate) ? 1 : 0;
	}
	if (w->tstate == w->stop || python_pointer(w->tstate + py->tstate_thread_id, &id))
		return 1;
	if (id == w->fsbase && !python_state_read(w, py, w->tstate)) {
		w->found = w->tstate;
		if (w->frame)
			return 1;
	}
	return python_pointer(w->tstate + py->tstate_next, &w->tstate) ? 1 : 0;
}

/* Sets w->found, and w->frame and its kin where there is one.
 *
 * What was found is remembered and only checked at the next sample. A thread without a state (or
 * whose state has no frames: it may have got another one) is looked for again as soon as the list
 * has a new head, among the new states only, and from time to time among all. */
ENV_INLINE int python_find(struct python_context *c, __u64 interp)
{
	struct profd_python_walk *w = &c->s->python;
	struct profd_python_thread now = {.interp = interp, .time_ns = c->s->record.time_ns};
	__u64 key = (__u64)c->s->record.pid << 32 | c->s->record.tid;
	struct profd_python_thread *last = env_python_thread(key);

	w->found = 0;
	if (last && last->interp == interp && last->tstate &&
		!python_state_read(w, c->py, last->tstate)) {
		w->found = last->tstate;
		if (w->frame)
			return 0;
	}
	if (python_pointer(interp + c->py->interp_threads, &now.head))
		return -1;
	w->stop = 0;
	c->steps = PYTHON_MAX_STATES;
	if (last && last->interp == interp && now.time_ns - last->time_ns < PYTHON_SEARCH_NS) {
		if (last->head == now.head)
			return 0;
		w->stop = last->head;
		c->steps = PYTHON_MAX_NEW_STATES;
		now.time_ns = last->time_ns;
	}
	w->interp = interp;
	w->tstate = now.head;
	env_loop(c->steps, python_search_step, c);
	now.tstate = w->found;
	env_python_thread_set(key, &now);
	return 0;
}

#endif
