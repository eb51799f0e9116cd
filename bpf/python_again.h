/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Inside python.h: stacks at the few instructions at which the chain is not whole.
 *
 * Calls and returns take several stores, in an order that the compiler chooses:
 *   - an eval loop of 3.11 and 3.12 points tstate->cframe to its new _PyCFrame and fills that
 * later;
 *   - a call within an eval loop makes the new frame the current one and sets its `previous` later;
 *   - likewise where a generator is resumed; and where it yields, its `previous` is cleared before
 *     the frame that it was called from is the current one;
 *   - 3.11 unmaps the data stack's last chunk while the frame in it is still the current one.
 * The frame that was or will be the current one, as if the call were yet to come or had returned,
 * is in a register all the time, or in the _PyCFrame whose address is in one; or, if all of it
 * happens in a function called by the eval loop, in a register that is saved on the stack. Whatever
 * is found there is proven by the data stack, and by its chain (python_frame.h). */
#ifndef PROFD_BPF_PYTHON_AGAIN_H
#define PROFD_BPF_PYTHON_AGAIN_H

#include "bpf/python_frame.h"

/* Frames of generators come first: a function's may be outside of one. */
enum python_places {
	PYTHON_PASS = 32, /* places; registers and the _PyCFrame outside are less, a power of two */
	PYTHON_IN_CFRAMES = PYTHON_PASS,        /* that a _PyCFrame is in that is in a register, */
	PYTHON_IN_GENERATORS = 2 * PYTHON_PASS, /* or in a register, or in the _PyCFrame outside; */
	PYTHON_IN_REGISTERS = 4 * PYTHON_PASS,  /* likewise, of functions; */
	PYTHON_SCAN_WORDS = 128,                /* words of the stack, so many at a time */
	PYTHON_PLACES = PYTHON_IN_REGISTERS + 16 * PYTHON_SCAN_WORDS,
	PYTHON_MAX_GUESSES = 4,
};

/* Whether the frame in the place of single ones in the window is of a function, and the innermost
 * one. A frame that something is entered from runs; one that does not is being taken down. */
ENV_INLINE int python_is_function(struct python_context *c, __u64 frame)
{
	struct profd_python_walk *w = &c->s->python;
	const struct profd_python *py = c->py;
	__u64 end = frame + python_code_frame(w, py);

	if (!python_is_innermost(c, end))
		return 0;
	return py->frame_stacktop == PROFD_PYTHON_NONE || end == w->top || end == w->fresh ||
	       (__s32)python_frame_word(w, PYTHON_SINGLE_AT, py->frame_stacktop) < 0 ||
	       !python_is_entered(w, py, end);
}

/* Whether there may be a frame of that owner that runs. */
ENV_INLINE int python_is_guess(struct python_context *c, __u64 frame, __u32 owner)
{
	struct profd_python_walk *w = &c->s->python;
	const struct profd_python *py = c->py;
	__u64 stack = c->s->registers[PROFD_REG_RSP]; /* shims lie there */
	__u64 *to = &w->window[PYTHON_SINGLE_AT], code, previous, state;

	if (!frame || frame & 7 || frame >= PYTHON_ADDRESS_LIMIT || frame == w->fresh ||
		frame == w->guess || frame - stack + PYTHON_STACK_MAX < 2 * PYTHON_STACK_MAX ||
		env_read_user(to, py->frame_bytes & (PROFD_PYTHON_FRAME_BYTES - 1), frame))
		return 0;
	code = python_frame_word(w, PYTHON_SINGLE_AT, py->frame_code) & py->code_mask;
	previous = python_frame_word(w, PYTHON_SINGLE_AT, py->frame_previous);
	if (owner != python_frame_byte(w, PYTHON_SINGLE_AT, py->frame_owner) || !code || code & 7 ||
		code >= PYTHON_ADDRESS_LIMIT || python_code(w, py, code))
		return 0;
	if (owner != PYTHON_OWNER_GENERATOR)
		return python_is_function(c, frame);
	if (!previous || (w->above && previous != w->above) || python_pointer(frame - 8, &state))
		return 0;
	return !(state >> 24 & 0xff); /* PyGenObject.gi_frame_state: executing */
}

/* Word number `at` of the stack, where it points into the data stack; else 0. */
ENV_INLINE __u64 python_stack_word(struct python_context *c, __u32 at)
{
	struct profd_python_walk *w = &c->s->python;
	__u32 word = at % PYTHON_SCAN_WORDS;
	__u64 from = (c->s->registers[PROFD_REG_RSP] & ~7ULL) + (at - word) * 8ULL;
	__u64 value;

	if (w->window_from != from) {
		w->window_from = from;
		if (env_read_user(w->window, PYTHON_SCAN_WORDS * 8, from))
			w->scan = PYTHON_PLACES;
	}
	value = w->window[word & (PYTHON_WINDOW_WORDS - 1)];
	return value - w->base < PYTHON_CHUNK_MAX ? value : 0;
}

/* The frame of the _PyCFrame that a register points to, if it is one: farther out on the stack, and
 * in another one still farther out, or in the first one of all, which is in the thread state. */
ENV_INLINE __u64 python_cframe_guess(struct python_context *c, __u64 cframe)
{
	const struct profd_python_walk *w = &c->s->python;
	__u64 two[2];

	if (c->py->cframe_frame == PROFD_PYTHON_NONE || cframe & 7 || cframe == w->cframe ||
		cframe - c->s->registers[PROFD_REG_RSP] - 1 >= PYTHON_STACK_MAX ||
		env_read_user(two, sizeof(two), cframe + c->py->cframe_frame))
		return 0;
	return two[1] - cframe - 1 < PYTHON_STACK_MAX || two[1] - w->found < PYTHON_STATE_MAX
		       ? two[0]
		       : 0;
}

/* What is in one of the places but the stack; 0: nothing. */
ENV_INLINE __u64 python_place(struct python_context *c, __u32 at)
{
	__u32 place = at & (PYTHON_PASS - 1);

	if (place < PROFD_REGISTERS)
		return at & PYTHON_PASS ? c->s->registers[place]
					: python_cframe_guess(c, c->s->registers[place]);
	return place == PROFD_REGISTERS && at & PYTHON_PASS ? c->s->python.outer : 0;
}

/* One place that may hold the address of the frame. */
static long python_guess_step(__u32 i, void *data)
{
	struct python_context *c = data;
	struct profd_python_walk *w = &c->s->python;
	__u32 at = w->scan++;
	__u64 frame;

	(void)i;
	if (at >= PYTHON_PLACES)
		return 1;
	if (at < PYTHON_IN_REGISTERS)
		frame = python_place(c, at);
	else
		frame = python_stack_word(c, at - PYTHON_IN_REGISTERS);
	if (!python_is_guess(c, frame,
		    at < PYTHON_IN_GENERATORS ? PYTHON_OWNER_GENERATOR : PYTHON_OWNER_THREAD))
		return 0;
	w->guess = frame;
	w->guessed = 1;
	return 1;
}

/* Looks on through so many places. Whether there was another one. */
ENV_INLINE int python_guess_among(struct python_context *c, __u32 places)
{
	struct profd_python_walk *w = &c->s->python;

	w->guessed = 0;
	w->window_from = w->window_bytes = 0;
	env_loop(places, python_guess_step, c);
	w->window_from = w->window_bytes = 0;
	return w->guessed;
}

#ifdef __bpf__
__noinline int python_guess_global(__u32 places)
{
	struct python_context c;

	return python_context_here(&c) ? 0 : python_guess_among(&c, places);
}
#endif

ENV_INLINE int python_guess(struct python_context *c, __u32 places)
{
#ifdef __bpf__
	(void)c;
	return python_guess_global(places);
#else
	return python_guess_among(c, places);
#endif
}

/* Whether a walk from the guessed frame comes to an end. A generator may be called from another
 * one: the innermost one counts. */
ENV_INLINE int python_walk_guessed(struct python_context *c)
{
	struct profd_python_walk *w = &c->s->python;
	__u32 scan = w->scan;

	w->above = w->guess;
	w->scan = 0;
	python_guess(c, PYTHON_IN_GENERATORS);
	w->scan = scan;
	w->check = 0;
	w->unproven = 1;
	python_walk_from(c, w->guess);
	w->above = 0;
	return w->end == PROFD_END_COMPLETE || w->end == PROFD_END_TRUNCATED;
}

/* A walk without a proven frame: another one, from where there is one. */
ENV_INLINE void python_walk_again(struct python_context *c)
{
	struct profd_python_walk *w = &c->s->python;
	__u8 end = w->end;

	w->scan = 0;
	w->above = w->guess = 0;
	PYTHON_ROLLED
	for (int i = 0; i < PYTHON_MAX_GUESSES; i++) {
		if (!python_guess(c, PYTHON_PLACES))
			break;
		if (python_walk_guessed(c))
			return;
	}
	w->n = 0;
	w->end = end;
}

/* A chain that is right but for a generator at its inner end: that is in a register then. It may
 * miss where an eval loop of another generator is being entered, or where the new frame of a call
 * has the right `previous` of an earlier call instead of that of a generator that runs in between.
 */
ENV_INLINE void python_walk_between(struct python_context *c, __u64 innermost)
{
	struct profd_python_walk *w = &c->s->python;

	w->scan = 0;
	if (!python_guess(c, w->fresh ? PYTHON_IN_GENERATORS : PYTHON_IN_CFRAMES) ||
		python_walk_guessed(c))
		return;
	w->unproven = w->check = 0;
	w->fresh = w->guess = 0;
	python_walk_from(c, innermost);
}

#endif
