/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Inside python.h: stacks at the few instructions at which the chain is not whole.
 *
 * Calls and returns take several stores, in an order that the compiler chooses:
 *   - an eval loop of 3.11 and 3.12 points tstate->cframe to its new _PyCFrame and fills that later;
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

enum python_places {
	PYTHON_IN_FRAMES = PROFD_REGISTERS,       /* registers, of functions' frames, */
	PYTHON_IN_CFRAMES = 2 * PROFD_REGISTERS,  /* of a _PyCFrame */
	PYTHON_IN_OUTER = 3 * PROFD_REGISTERS,    /* the _PyCFrame outside */
	PYTHON_IN_STACK = PYTHON_IN_OUTER + 1,    /* words of the stack */
	PYTHON_SCAN_WORDS = 128,                  /* of the stack at a time, */
	PYTHON_PLACES = PYTHON_IN_STACK + 16 * PYTHON_SCAN_WORDS,
	PYTHON_MAX_GUESSES = 4,
};

/* Whether there may be a frame that runs, of a generator or (where asked for) proven to be the
 * innermost one of a function. */
ENV_INLINE int python_is_guess(struct python_context *c, __u64 frame, int functions)
{
	struct profd_python_walk *w = &c->s->python;
	const struct profd_python *py = c->py;
	__u64 *to = &w->window[PYTHON_SINGLE_AT], code, previous, stack;
	__u32 owner;

	stack = c->s->registers[PROFD_REG_RSP]; /* shims lie there */
	if (!frame || frame & 7 || frame >= PYTHON_ADDRESS_LIMIT || frame == w->fresh ||
		frame - stack + PYTHON_STACK_MAX < 2 * PYTHON_STACK_MAX)
		return 0;
	if (env_read_user(to, py->frame_bytes & (PROFD_PYTHON_FRAME_BYTES - 1), frame))
		return 0;
	code = python_frame_word(w, PYTHON_SINGLE_AT, py->frame_code) & py->code_mask;
	previous = python_frame_word(w, PYTHON_SINGLE_AT, py->frame_previous);
	owner = python_frame_byte(w, PYTHON_SINGLE_AT, py->frame_owner);
	if (owner != PYTHON_OWNER_GENERATOR && (owner != PYTHON_OWNER_THREAD || !functions))
		return 0;
	if (owner == PYTHON_OWNER_GENERATOR && (!previous || (w->above && previous != w->above)))
		return 0;
	if (!code || code & 7 || code >= PYTHON_ADDRESS_LIMIT || python_code(w, py, code))
		return 0;
	return owner == PYTHON_OWNER_GENERATOR ||
	       python_is_innermost(c, frame + python_code_frame(w, py));
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

/* The frame of the _PyCFrame that the register points to, if that may be one. */
ENV_INLINE __u64 python_cframe_guess(struct python_context *c, __u64 cframe)
{
	__u64 stack = c->s->registers[PROFD_REG_RSP], frame;

	if (c->py->cframe_frame == PROFD_PYTHON_NONE || cframe & 7 ||
		cframe - stack >= PYTHON_STACK_MAX ||
		python_pointer(cframe + c->py->cframe_frame, &frame))
		return 0;
	return frame;
}

/* One place that may hold the address of the frame. */
static long python_guess_step(__u32 i, void *data)
{
	struct python_context *c = data;
	struct profd_python_walk *w = &c->s->python;
	__u32 at = w->scan++, reg = at % PROFD_REGISTERS;
	__u64 frame = c->s->registers[reg];

	(void)i;
	if (at >= PYTHON_PLACES)
		return 1;
	if (at >= PYTHON_IN_STACK)
		frame = python_stack_word(c, at - PYTHON_IN_STACK);
	else if (at >= PYTHON_IN_OUTER)
		frame = w->outer;
	else if (at >= PYTHON_IN_CFRAMES)
		frame = python_cframe_guess(c, frame);
	if (!python_is_guess(c, frame, at >= PYTHON_IN_FRAMES))
		return 0;
	w->guess = frame;
	return 1;
}

/* Whether a walk from one of the first so many places, from w->scan on, comes to an end. */
ENV_INLINE int python_walk_guessed(struct python_context *c, __u32 places)
{
	struct profd_python_walk *w = &c->s->python;

	w->guess = 0;
	w->window_from = w->window_bytes = 0;
	env_loop(places, python_guess_step, c);
	w->window_from = w->window_bytes = 0;
	if (!w->guess)
		return 0;
	w->check = 0;
	w->unproven = 1;
	w->above = 0;
	python_walk_frames(c, w->guess);
	return w->end == PROFD_END_COMPLETE || w->end == PROFD_END_TRUNCATED;
}
