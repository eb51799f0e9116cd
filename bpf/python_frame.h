/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Inside python.h: from the innermost frame to the outermost one. */
#ifndef PROFD_BPF_PYTHON_FRAME_H
#define PROFD_BPF_PYTHON_FRAME_H

#include "bpf/python_state.h"

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
	if (w->fresh && !w->run && !w->guess) { /* entered from C, which sets `previous` first */
		w->fresh = w->above = 0;
		w->unproven = 0;
	}
	if (python_close_run(s))
		return python_stop(w, PROFD_END_TRUNCATED);
	return 0;
}

/* 3.11: whether a generator's frame whose eval loop was left is in the chain all the same, because
 * gen.throw() hands on to the generator that this one waits for (Objects/genobject.c, _gen_throw).
 * It is no entry of a run then. Its stack pointer is saved, unlike that of a frame that runs. */
ENV_INLINE int python_is_thrown(const struct profd_python_walk *w, const struct profd_python *py,
	__u32 word, __u64 previous)
{
	if (w->check)
		return previous != w->outer;
	return w->run == 1 && !w->has_unstarted &&
	       (__s32)python_frame_word(w, word, py->frame_stacktop) >= 0;
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

/* ---- the data stack ----------------------------------------------------------------------------
 *
 * Frames of functions lie end to end in the thread's data stack, in the order of the chain, and the
 * last one ends at datastack_top: so a frame can be proven to be the one that another was called
 * from, generators' frames (which lie in their generators) aside. */

/* Bytes of a frame of the code object in w->code. */
ENV_INLINE __u64 python_code_frame(const struct profd_python_walk *w, const struct profd_python *py)
{
	__u64 words = python_code_int(w, py->code_locals);

	if (py->code_stack != PROFD_PYTHON_NONE)
		words += (__u64)python_code_int(w, py->code_stack) + py->frame_words;
	return words * 8;
}

/* Whether the code in w->code has not reached its first instruction at that offset. */
ENV_INLINE int python_is_unstarted(
	const struct profd_python_walk *w, const struct profd_python *py, __u64 offset)
{
	return (__s64)offset <
	       (__s64)python_code_int(w, py->code_traceable) * PROFD_PYTHON_CODE_UNIT;
}

/* Whether a frame at `above` is the next one on top of a frame that ends at `end`: right there, or
 * at the start of the last chunk where that was the end of the chunk before. */
ENV_INLINE int python_is_below(const struct profd_python_walk *w, __u64 end, __u64 above)
{
	__u64 chunk, top; /* in words of its data */

	if (end == above)
		return 1;
	return w->base && above == w->base + PYTHON_CHUNK_DATA &&
	       !python_pointer(w->base, &chunk) && !python_pointer(chunk + 16, &top) &&
	       end == chunk + PYTHON_CHUNK_DATA + top * 8;
}

/* Whether a frame that has not started, and that no eval loop has come to yet, is the last one in
 * the data stack. Changes w->code. */
ENV_INLINE int python_is_entered(
	struct profd_python_walk *w, const struct profd_python *py, __u64 frame)
{
	__u64 code, instr;

	if (python_pointer(frame + py->frame_code, &code) ||
		python_pointer(frame + py->frame_instr, &instr))
		return 0;
	code &= py->code_mask;
	return !python_code(w, py, code) && frame + python_code_frame(w, py) == w->top &&
	       python_is_unstarted(w, py, instr - (code + py->code_bytecode));
}

/* Where a frame ends that has returned and is being taken down; 0: none is at `frame`. Changes
 * w->code. */
ENV_INLINE __u64 python_dying(
	struct profd_python_walk *w, const struct profd_python *py, __u64 frame)
{
	__u64 code, top;

	if (py->frame_stacktop == PROFD_PYTHON_NONE ||
		python_pointer(frame + py->frame_code, &code) ||
		python_pointer(frame + py->frame_stacktop, &top) || (__s32)top < 0 ||
		python_code(w, py, code & py->code_mask))
		return 0;
	return frame + python_code_frame(w, py);
}

/* Whether the frame of a function that ends at `end` is the innermost one, but for those that are
 * known to be, or that are about to be entered, be it by a finalizer of what a function leaves
 * behind. Changes w->code. */
ENV_INLINE int python_is_innermost(struct python_context *c, __u64 end)
{
	struct profd_python_walk *w = &c->s->python;
	__u64 chunk = w->base + PYTHON_CHUNK_DATA;

	if (python_is_below(w, end, w->fresh) || python_is_below(w, end, w->top))
		return 1;
	if (python_is_below(w, end, chunk))
		end = chunk;
	if (python_is_entered(w, c->py, end))
		return 1;
	end = python_dying(w, c->py, end);
	return end && (end != w->fresh || end == w->guess) && python_is_entered(w, c->py, end);
}

/* Whether the frame that the walk begins with is beyond the top of the data stack. (Where a chunk
 * is being dropped, that top is the old one's for an instruction.) */
ENV_INLINE int python_is_gone(const struct profd_python_walk *w, __u64 frame, __u64 bytes)
{
	__u64 size;

	if (frame + bytes <= w->top || frame - w->base >= PYTHON_CHUNK_MAX)
		return 0;
	return !python_pointer(w->base + 8, &size) && frame - w->base < size &&
	       w->top - w->base <= size;
}

/* ---- from frame to frame -----------------------------------------------------------------------
 */

/* What the data stack says of a frame of a function. PROFD_END_NONE, or why it is wrong. */
ENV_INLINE __u32 python_prove(struct python_context *c, __u64 bytes, __u64 previous, int is_fresh)
{
	struct profd_python_walk *w = &c->s->python;

	if (w->unproven && !python_is_innermost(c, w->frame + bytes))
		return PROFD_END_BAD_FRAME;
	w->unproven = 0;
	if (is_fresh) { /* its `previous` is set a few instructions later, and may be stale */
		w->fresh = w->frame;
		w->above = previous;
		w->unproven = 1;
	}
	return PROFD_END_NONE;
}

/* Emits the frame at `word` of the window. PROFD_END_NONE, or why not. */
ENV_INLINE __u32 python_frame(struct python_context *c, __u32 word, __u32 owner, __u64 previous)
{
	const struct profd_python *py = c->py;
	struct profd_python_walk *w = &c->s->python;
	__u64 code = python_frame_word(w, word, py->frame_code) & py->code_mask;
	__u64 offset = python_frame_word(w, word, py->frame_instr) - (code + py->code_bytecode);
	__u64 bytes;
	__u32 end;
	int is_first = w->is_first, is_unstarted;

	w->is_first = 0;
	if (!code || code & 7 || code >= PYTHON_ADDRESS_LIMIT)
		return PROFD_END_BAD_FRAME;
	end = python_code(w, py, code);
	if (end)
		return end;
	bytes = python_code_frame(w, py);
	if (is_first && owner == PYTHON_OWNER_THREAD && python_is_gone(w, w->frame, bytes)) {
		w->unproven = 1; /* it has returned, or is stale */
		return w->frame == w->top ? PROFD_END_NONE : PROFD_END_BAD_FRAME;
	}
	is_unstarted = owner != PYTHON_OWNER_GENERATOR && python_is_unstarted(w, py, offset);
	if (is_unstarted) {
		w->unstarted[0] = code;
		w->unstarted[1] = w->fingerprint;
		w->has_unstarted = 1;
	} else if (offset >> 32 || offset / PROFD_PYTHON_CODE_UNIT >= w->code[PYTHON_OB_SIZE / 8]) {
		return PROFD_END_BAD_FRAME;
	} else if (python_emit(c->s, code, offset << 32 | w->fingerprint)) {
		return PROFD_END_TRUNCATED;
	}
	if (owner != PYTHON_OWNER_THREAD) {
		if (is_first && w->generator && w->generator != w->frame)
			w->above = w->frame; /* another one is running, or about to */
		return PROFD_END_NONE;
	}
	w->has_function = 1;
	return python_prove(c, bytes, previous, is_first && is_unstarted);
}

/* Behind the outermost frame. Where there was none of a function, there must be none on the data
 * stack. */
ENV_INLINE long python_finish(struct python_context *c)
{
	struct profd_python_walk *w = &c->s->python;
	__u64 bottom = w->base ? w->base + PYTHON_CHUNK_DATA + PYTHON_CHUNK_SKIP : 0;

	if ((w->unproven || (w->n && !w->has_function)) && !python_is_innermost(c, bottom)) {
		w->unproven = 1;
		return python_stop(w, PROFD_END_BAD_FRAME);
	}
	return python_stop(w, python_is_closed(w) ? PROFD_END_COMPLETE : PROFD_END_BAD_FRAME);
}

static long python_step(__u32 i, void *data)
{
	struct python_context *c = data;
	struct profd_scratch *s = c->s;
	const struct profd_python *py = c->py;
	struct profd_python_walk *w = &s->python;
	__u64 frame = w->frame, previous, stack;
	__u32 word, owner, end;

	(void)i;
	if (!frame)
		return python_finish(c);
	if (frame & 7 || frame >= PYTHON_ADDRESS_LIMIT)
		return python_stop(w, PROFD_END_BAD_FRAME);
	if (python_fetch(w, py, frame, &word))
		return python_stop(w, PROFD_END_UNREADABLE);
	previous = python_frame_word(w, word, py->frame_previous);
	owner = python_frame_byte(w, word, py->frame_owner);
	if (previous == frame)
		return python_stop(w, PROFD_END_STUCK);
	if (owner >= py->frame_shim_owner) {
		stack = s->registers[PROFD_REG_RSP];
		if (w->fresh && frame < stack && stack - frame < PYTHON_STACK_MAX)
			return python_stop(w, PROFD_END_BAD_FRAME); /* left long ago */
		return python_boundary(s, previous);
	}
	end = python_frame(c, word, owner, previous);
	if (end)
		return python_stop(w, end);
	if (py->frame_entry != PROFD_PYTHON_NONE && python_frame_byte(w, word, py->frame_entry) &&
		!(owner == PYTHON_OWNER_GENERATOR && python_is_thrown(w, py, word, previous)))
		return python_boundary(s, previous);
	w->frame = previous;
	return 0;
}

/* From scratch, with `frame` as the innermost one. */
ENV_INLINE void python_walk_frames(struct python_context *c, __u64 frame)
{
	struct profd_python_walk *w = &c->s->python;

	w->frame = frame;
	w->n = w->run = 0;
	w->end = w->has_unstarted = w->has_function = 0;
	w->is_first = 1;
	w->above = 0;
	env_loop(PYTHON_MAX_STEPS, python_step, c);
	if (!w->end)
		w->end = PROFD_END_STUCK;
	if (w->end != PROFD_END_COMPLETE && w->end != PROFD_END_TRUNCATED &&
		(w->check || w->unproven))
		w->n = 0; /* never proven */
}

/* In the kernel the walk is a function that takes numbers alone, and so is the search for a guess
 * (python_again.h): such a one is verified once, and not again for each place that calls it. */
#ifdef __bpf__
ENV_INLINE int python_context_here(struct python_context *c)
{
	__u32 cpu = bpf_get_smp_processor_id(), pid;

	c->s = bpf_map_lookup_elem(&scratches, &cpu);
	if (!c->s)
		return -1;
	pid = c->s->record.pid;
	c->py = bpf_map_lookup_elem(&pythons, &pid);
	c->steps = 0;
	return c->py ? 0 : -1;
}

__noinline int python_walk_global(__u64 frame)
{
	struct python_context c;

	if (python_context_here(&c))
		return -1;
	python_walk_frames(&c, frame);
	return 0;
}
#endif

/* The walk over the frames from this one on. */
ENV_INLINE void python_walk_from(struct python_context *c, __u64 frame)
{
#ifdef __bpf__
	(void)c;
	python_walk_global(frame);
#else
	python_walk_frames(c, frame);
#endif
}

#endif
