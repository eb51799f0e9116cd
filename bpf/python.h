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
	PYTHON_OWNER_GENERATOR = 1,      /* FRAME_OWNED_BY_GENERATOR, 3.11 - 3.14: pycore_frame.h */
	PYTHON_OB_TYPE = 8,              /* Include/object.h, builds with a GIL */
	PYTHON_OB_SIZE = 16,             /* of a code object: its length in instructions */
	PYTHON_FRAME_WORDS = PROFD_PYTHON_FRAME_BYTES / 8,
	PYTHON_WINDOW_WORDS = PROFD_PYTHON_WINDOW_BYTES / 8,
	PYTHON_SINGLE_AT =
		PYTHON_WINDOW_WORDS - PYTHON_FRAME_WORDS, /* place of a frame from elsewhere */
	PYTHON_WINDOW_MAX = PYTHON_SINGLE_AT * 8,         /* bytes of the others */
	PYTHON_STATE_MAX = 1024,    /* sizeof(PyThreadState) in 3.11 and 3.12 is less */
	PYTHON_STACK_MAX = 1 << 23, /* one _PyCFrame is not farther from the next */
	PYTHON_SCAN_WORDS =
		4 * PROFD_PYTHON_WINDOW_BYTES / 8, /* of the stack are searched for the next one */
	PYTHON_MAX_GUESSES = 4,
	PYTHON_CHUNK_MAX =
		1 << 20, /* a frame farther above its chunk's start is not in that chunk */
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

/* Reads a _PyCFrame: the frame it is in, and the frame that the _PyCFrame outside it is in, which
 * lies farther out on the stack, or (the first one of all) in the thread state. */
ENV_INLINE int python_cframe(
	struct profd_python_walk *w, const struct profd_python *py, __u64 cframe)
{
	__u64 previous;

	w->check = 0;
	if (env_read_user(w->cframe, sizeof(w->cframe), cframe + py->cframe_frame))
		return -1;
	w->frame = w->cframe[0];
	previous = w->cframe[1];
	if (previous <= cframe && previous - w->state_at - 1 >= PYTHON_STATE_MAX)
		return 0;
	w->check = !python_pointer(previous + py->cframe_frame, &w->outer);
	return 0;
}

/* Whether `tstate` is a state of this thread, and which frame it is in (0: none). */
ENV_INLINE int python_state_read(
	struct profd_python_walk *w, const struct profd_python *py, __u64 tstate)
{
	__u32 bytes = py->tstate_bytes & (PROFD_PYTHON_STATE_BYTES - 1);

	w->check = 0;
	if (env_read_user(w->state, bytes, tstate + py->tstate_from) ||
		python_state_word(w, py, py->tstate_thread_id) != w->fsbase)
		return -1;
	w->chunk = python_state_word(w, py, py->tstate_chunk);
	w->frame = python_state_word(w, py, py->tstate_frame);
	if (py->cframe_frame == PROFD_PYTHON_NONE)
		return 0;
	w->state_at = tstate;
	w->cframe_at = w->frame;
	w->frame = 0;
	return python_cframe(w, py, w->cframe_at);
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

/* ---- frames ------------------------------------------------------------------------------------
 */

ENV_INLINE long python_stop(struct profd_python_walk *w, __u32 end)
{
	w->end = (__u8)end;
	return 1;
}

/* Brings a frame into the window, and sets the word where it begins there. */
ENV_INLINE int python_fetch(
	struct profd_python_walk *w, const struct profd_python *py, __u64 frame, __u32 *word)
{
	__u64 offset = frame - w->window_from, depth = frame - w->chunk;
	__u32 frame_bytes = py->frame_bytes & (PROFD_PYTHON_FRAME_BYTES - 1), bytes;

	if (offset < w->window_bytes && offset + frame_bytes <= w->window_bytes) {
		*word = (__u32)offset >> 3;
		return 0;
	}
	if (w->chunk && depth < PYTHON_CHUNK_MAX) {
		bytes = (__u32)depth + frame_bytes;
		if (bytes > PYTHON_WINDOW_MAX)
			bytes = PYTHON_WINDOW_MAX;
		bytes &= PROFD_PYTHON_WINDOW_BYTES - 1; /* for the verifier */
		w->window_from = frame + frame_bytes - bytes;
		w->window_bytes = bytes;
		*word = (bytes - frame_bytes) >> 3;
		if (!env_read_user(w->window, bytes, w->window_from))
			return 0;
		w->window_bytes = 0;
		w->chunk = 0; /* partly paged out: single frames from here on */
	}
	*word = PYTHON_SINGLE_AT;
	return env_read_user(&w->window[PYTHON_SINGLE_AT], frame_bytes, frame) ? -1 : 0;
}

ENV_INLINE __u64 python_frame_word(const struct profd_python_walk *w, __u32 word, __u16 offset)
{
	return w->window[(word + (offset >> 3)) & (PYTHON_WINDOW_WORDS - 1)];
}

ENV_INLINE __u32 python_frame_byte(const struct profd_python_walk *w, __u32 word, __u16 offset)
{
	return (__u32)(python_frame_word(w, word, offset) >> ((offset & 7) * 8)) & 0xff;
}

ENV_INLINE __u32 python_code_int(const struct profd_python_walk *w, __u16 offset)
{
	return (__u32)(w->code[(offset >> 3) & (PROFD_PYTHON_CODE_BYTES / 8 - 1)] >>
		       ((offset & 4) * 8));
}

/* Brings a code object into w->code. PROFD_END_NONE, or why not. */
ENV_INLINE __u32 python_code(struct profd_python_walk *w, const struct profd_python *py, __u64 code)
{
	if (w->code_at == code)
		return PROFD_END_NONE;
	w->code_at = 0;
	if (env_read_user(w->code, (py->code_traceable + 4) & (PROFD_PYTHON_CODE_BYTES - 1), code))
		return PROFD_END_UNREADABLE;
	if (py->code_type && w->code[PYTHON_OB_TYPE / 8] != py->code_type)
		return PROFD_END_BAD_FRAME;
	w->fingerprint = profd_python_fingerprint(&w->code[(py->code_ident >> 3) & 15],
		python_code_int(w, py->code_first_line), w->code[PYTHON_OB_SIZE / 8]);
	w->code_at = code;
	return PROFD_END_NONE;
}

ENV_INLINE int python_emit(struct profd_scratch *s, __u64 code, __u64 where)
{
	struct profd_python_walk *w = &s->python;
	__u32 to = w->at + w->n * PROFD_PYTHON_WORDS;

	if (w->n >= PROFD_MAX_PYTHON_FRAMES || to > PROFD_SCRATCH_WORDS - PROFD_PYTHON_WORDS)
		return -1;
	s->words[to] = code;
	s->words[to + 1] = where;
	w->n++;
	w->run++;
	return 0;
}

/* The end of a run: its outermost frame gets the flag. */
ENV_INLINE int python_close_run(struct profd_scratch *s)
{
	struct profd_python_walk *w = &s->python;
	__u32 last;

	if (!w->run && w->has_unstarted && python_emit(s, w->unstarted[0], w->unstarted[1]))
		return -1;
	last = w->at + (w->n - 1) * PROFD_PYTHON_WORDS;
	if (w->run && last < PROFD_SCRATCH_WORDS)
		s->words[last] |= PYTHON_ENTRY_FLAG;
	w->run = 0;
	w->has_unstarted = 0;
	return 0;
}

/* The eval loop that ran the frames so far was entered from `previous`. */
ENV_INLINE long python_boundary(struct profd_scratch *s, __u64 previous)
{
	struct profd_python_walk *w = &s->python;

	if (w->check && previous != w->outer)
		return python_stop(w, PROFD_END_BAD_FRAME);
	w->check = 0;
	w->frame = previous;
	if (python_close_run(s))
		return python_stop(w, PROFD_END_TRUNCATED);
	return 0;
}

/* A chain ends behind a boundary. Where it does not, a frame is being taken out of it right now
 * (that of a generator loses its `previous` first), and what it is called from is not known. */
ENV_INLINE int python_is_closed(struct profd_python_walk *w)
{
	if (!w->run && !w->has_unstarted)
		return !w->check || !w->outer;
	w->n -= w->run;
	return 0;
}

/* Emits the frame at `word` of the window. PROFD_END_NONE, or why not. */
ENV_INLINE __u32 python_frame(
	struct profd_scratch *s, const struct profd_python *py, __u32 word, __u32 owner)
{
	struct profd_python_walk *w = &s->python;
	__u64 code = python_frame_word(w, word, py->frame_code) & py->code_mask;
	__u64 offset = python_frame_word(w, word, py->frame_instr) - (code + py->code_bytecode);
	__u32 end;

	if (!code || code & 7 || code >= PYTHON_ADDRESS_LIMIT)
		return PROFD_END_BAD_FRAME;
	end = python_code(w, py, code);
	if (end)
		return end;
	if (owner != PYTHON_OWNER_GENERATOR &&
		(__s64)offset <
			(__s64)python_code_int(w, py->code_traceable) * PROFD_PYTHON_CODE_UNIT) {
		w->unstarted[0] = code;
		w->unstarted[1] = w->fingerprint;
		w->has_unstarted = 1;
		return PROFD_END_NONE;
	}
	if (offset >> 32 || offset / PROFD_PYTHON_CODE_UNIT >= w->code[PYTHON_OB_SIZE / 8])
		return PROFD_END_BAD_FRAME;
	return python_emit(s, code, offset << 32 | w->fingerprint) ? PROFD_END_TRUNCATED
								   : PROFD_END_NONE;
}

static long python_step(__u32 i, void *data)
{
	struct python_context *c = data;
	struct profd_scratch *s = c->s;
	const struct profd_python *py = c->py;
	struct profd_python_walk *w = &s->python;
	__u64 frame = w->frame, previous;
	__u32 word, owner, end;

	(void)i;
	if (!frame)
		return python_stop(
			w, python_is_closed(w) ? PROFD_END_COMPLETE : PROFD_END_BAD_FRAME);
	if (frame & 7 || frame >= PYTHON_ADDRESS_LIMIT)
		return python_stop(w, PROFD_END_BAD_FRAME);
	if (python_fetch(w, py, frame, &word))
		return python_stop(w, PROFD_END_UNREADABLE);
	previous = python_frame_word(w, word, py->frame_previous);
	owner = python_frame_byte(w, word, py->frame_owner);
	if (previous == frame)
		return python_stop(w, PROFD_END_STUCK);
	if (owner >= py->frame_shim_owner)
		return python_boundary(s, previous);
	end = python_frame(s, py, word, owner);
	if (end)
		return python_stop(w, end);
	if (py->frame_entry != PROFD_PYTHON_NONE && python_frame_byte(w, word, py->frame_entry))
		return python_boundary(s, previous);
	w->frame = previous;
	return 0;
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

/* From scratch, with w->frame as the innermost one. */
ENV_INLINE void python_walk_frames(struct python_context *c)
{
	struct profd_python_walk *w = &c->s->python;

	w->n = w->run = 0;
	w->end = w->has_unstarted = 0;
	env_loop(PYTHON_MAX_STEPS, python_step, c);
	if (!w->end)
		w->end = PROFD_END_STUCK;
	if (w->check && w->end != PROFD_END_COMPLETE && w->end != PROFD_END_TRUNCATED)
		w->n = 0; /* never proven */
}

/* Whether there is a frame (none of the shims on the stack) whose code object is one. */
ENV_INLINE int python_is_frame(
	struct profd_python_walk *w, const struct profd_python *py, __u64 frame)
{
	__u64 code, type;

	if (!frame || frame & 7 || frame - w->cframe_at + PYTHON_STACK_MAX < 2 * PYTHON_STACK_MAX)
		return 0;
	if (python_pointer(frame + py->frame_code, &code))
		return 0;
	return !python_pointer((code & py->code_mask) + PYTHON_OB_TYPE, &type) &&
	       type == py->code_type;
}

/* Whether an address may be the _PyCFrame of the eval loop outside: farther out on the stack, in a
 * frame, and inside another _PyCFrame that is in a frame as well or is the first one of all. */
ENV_INLINE int python_is_cframe(
	struct profd_python_walk *w, const struct profd_python *py, __u64 cframe)
{
	if (cframe & 7 || cframe - w->cframe_at - 1 >= PYTHON_STACK_MAX ||
		python_cframe(w, py, cframe) || !w->check || !python_is_frame(w, py, w->frame))
		return 0;
	return w->outer ? python_is_frame(w, py, w->outer)
			: w->cframe[1] - w->state_at < PYTHON_STATE_MAX;
}

/* The word pair number `at` of the stack beyond the innermost _PyCFrame: is it another one? */
ENV_INLINE int python_scan_stack(
	struct profd_python_walk *w, const struct profd_python *py, __u32 at)
{
	__u32 word = at & (PYTHON_WINDOW_WORDS - 1);
	/* One window overlaps the next by a word, so that no pair is split. */
	__u64 from =
		w->cframe_at + 16 + at / PYTHON_WINDOW_WORDS * (PROFD_PYTHON_WINDOW_BYTES - 8ULL);
	__u64 address = from + word * 8ULL, frame = w->window[word];
	__u64 previous = w->window[(word + 1) & (PYTHON_WINDOW_WORDS - 1)];

	if (word == PYTHON_WINDOW_WORDS - 1)
		return 0;
	if (w->window_from != from) {
		w->window_bytes = 0;
		w->window_from = from;
		if (env_read_user(w->window, sizeof(w->window), from))
			return -1;
		frame = w->window[word];
		previous = w->window[(word + 1) & (PYTHON_WINDOW_WORDS - 1)];
	}
	if (!frame || frame & 7 || frame >= PYTHON_ADDRESS_LIMIT || previous & 7)
		return 0;
	if (previous - address >= PYTHON_STACK_MAX &&
		previous - w->state_at - 1 >= PYTHON_STATE_MAX)
		return 0;
	return python_is_cframe(w, py, address - py->cframe_frame);
}

/* One register, or one word of the stack. */
static long python_scan_step(__u32 i, void *data)
{
	struct python_context *c = data;
	struct profd_python_walk *w = &c->s->python;
	__u32 at = w->scan++;
	int found;

	(void)i;
	if (at < PROFD_REGISTERS)
		found = python_is_cframe(w, c->py, c->s->registers[at]);
	else
		found = python_scan_stack(w, c->py, at - PROFD_REGISTERS);
	w->guessed = found > 0;
	return found != 0;
}

/* 3.11 and 3.12 enter an eval loop by pointing tstate->cframe to a new _PyCFrame on the C stack,
 * and fill it some ten instructions later. In between it holds what the stack held. The address of
 * the outer one is in a register then, or it is the next one on the stack: the walk begins there,
 * as if the call were yet to come. What the stack holds may be stale, and is proven by the walk.
 * Otherwise the new one may know the way out already. */
ENV_INLINE void python_walk_again(struct python_context *c)
{
	struct profd_python_walk *w = &c->s->python;
	__u64 outer = w->check ? w->outer : 0;
	__u8 end = w->end;

	w->scan = 0;
	PYTHON_ROLLED
	for (int i = 0; i < PYTHON_MAX_GUESSES; i++) {
		w->guessed = 0;
		w->window_from = 0;
		env_loop(PYTHON_SCAN_WORDS, python_scan_step, c);
		w->window_bytes = 0;
		if (!w->guessed)
			break;
		python_walk_frames(c);
		if (w->n)
			return;
	}
	w->check = 0;
	w->frame = outer;
	if (outer)
		python_walk_frames(c);
	if (!w->n)
		w->end = end;
}

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
	__u64 interp;

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
	python_walk_frames(&c);
	if (!w->n && py->cframe_frame != PROFD_PYTHON_NONE)
		python_walk_again(&c);
	env_loop(w->n, python_hash_step, &hash);
	s->record.python_hash = hash.hash;
	python_done(s, w->n, w->end);
	return 0;
}

#endif
