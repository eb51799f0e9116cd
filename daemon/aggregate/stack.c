/* SPDX-License-Identifier: BSD-2-Clause */
/* A sample's numbers -> one stack of locations, root first. Addresses become places in files here,
 * while the mappings are those of the sample's time; names come later. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/aggregate.h"
#include "aggregate/stacker.h"
#include "process/process.h"
#include "python/python.h"

enum { MAX_FRAMES = 4096, ROOT_FRAMES = 4 };

struct stacker *stacker_new(
	struct python *python, const struct stack_options *options, struct err *err)
{
	struct stacker *st = calloc(1, sizeof(*st));

	if (st) {
		st->python = python;
		st->options = *options;
		st->thread_names = map_new(sizeof(uint32_t), sizeof(struct thread_name));
		st->process_names = map_new(sizeof(struct process_key), sizeof(struct thread_name));
		st->native = calloc(MAX_FRAMES, sizeof(*st->native));
		st->is_eval = calloc(MAX_FRAMES, sizeof(*st->is_eval));
		st->python_frames = calloc(MAX_FRAMES, sizeof(*st->python_frames));
		st->entry = calloc(MAX_FRAMES, sizeof(*st->entry));
		st->merged = calloc(2 * MAX_FRAMES, sizeof(*st->merged));
		st->stack = calloc(3 * MAX_FRAMES + ROOT_FRAMES, sizeof(*st->stack));
	}
	if (st && st->thread_names && st->process_names && st->native && st->is_eval &&
		st->python_frames && st->entry && st->merged && st->stack)
		return st;
	stacker_free(st);
	err_set(err, -ENOMEM, "out of memory");
	return NULL;
}

void stacker_free(struct stacker *st)
{
	if (!st)
		return;
	map_free(st->thread_names);
	map_free(st->process_names);
	free(st->native);
	free(st->is_eval);
	free(st->python_frames);
	free(st->entry);
	free(st->merged);
	free(st->stack);
	free(st);
}

/* An empty map in place of a full one; the full one stays where memory is out. */
static void names_forget(struct map **names, size_t key_bytes)
{
	struct map *empty = map_new(key_bytes, sizeof(struct thread_name));

	if (!empty)
		return;
	map_free(*names);
	*names = empty;
}

void stacker_forget_threads(struct stacker *st)
{
	names_forget(&st->thread_names, sizeof(uint32_t));
	names_forget(&st->process_names, sizeof(struct process_key));
}

/* Code that no file holds is named by the process's perf map, if it has one. */
static struct location native_location(const struct process *p, uint64_t address)
{
	const struct mapping *m = process_mapping(p, address);

	if (m && m->image)
		return (struct location){.kind = FRAME_NATIVE,
			.scope = m->image->number,
			.address = address - m->bias};
	return (struct location){.kind = FRAME_JIT, .scope = p->pid, .address = address};
}

static size_t native_fill(struct stacker *st, const struct process *p, const struct sample *s)
{
	size_t n = s->n_user < MAX_FRAMES ? s->n_user : MAX_FRAMES;

	for (size_t i = 0; i < n; i++) {
		struct location *l = &st->native[i];

		*l = native_location(p, s->user[i]);
		st->is_eval[i] = l->kind == FRAME_NATIVE &&
				 python_is_eval(st->python, (uint32_t)l->scope, l->address);
	}
	return n;
}

static size_t python_fill(struct stacker *st, const struct process *p, const struct sample *s)
{
	size_t n = s->n_python < MAX_FRAMES ? s->n_python : MAX_FRAMES;

	for (size_t i = 0; i < n; i++) {
		if (python_location(st->python, p, &s->python[i], &st->python_frames[i]) < 0)
			st->python_frames[i] =
				(struct location){.kind = FRAME_NOTE, .address = NOTE_PYTHON_GONE};
		st->entry[i] = s->python[i].entry;
	}
	return n;
}

static void thread_name_learn(struct stacker *st, const struct sample *s)
{
	struct thread_name *name;

	if (!st->options.thread_root)
		return;
	name = map_put(st->thread_names, &s->tid, NULL);
	if (name)
		memcpy(name->text, s->comm, sizeof(name->text));
}

/* What tells a process from those that had its PID before. */
static uint64_t root_number(const struct process *p)
{
	return p->identity ? p->identity : p->start_ticks;
}

static void process_name_learn(struct stacker *st, const struct process *p)
{
	struct process_key key = {p->pid, root_number(p)};
	struct thread_name *name;

	if (!st->options.process_root || !st->options.numbered_roots)
		return;
	name = map_put(st->process_names, &key, NULL);
	if (name)
		memcpy(name->text, p->comm, sizeof(name->text));
}

static bool is_cut(enum walk_end end)
{
	return end != WALK_NONE && end != WALK_COMPLETE && end != WALK_NO_THREAD;
}

/* What stands below the stack: process, thread, and a note where the outermost frames are missing.
 */
static size_t roots_put(
	struct stacker *st, const struct process *p, const struct sample *s, struct location *out)
{
	size_t n = 0;

	if (st->options.process_root)
		out[n++] = (struct location){.kind = FRAME_PROCESS,
			.scope = s->pid,
			.address = p && st->options.numbered_roots ? root_number(p) : 0};
	if (st->options.thread_root)
		out[n++] = (struct location){.kind = FRAME_THREAD, .scope = s->tid};
	if (is_cut(s->user_end))
		out[n++] = (struct location){.kind = FRAME_NOTE, .address = s->user_end};
	else if (is_cut(s->python_end))
		out[n++] = (struct location){
			.kind = FRAME_NOTE, .address = NOTE_PYTHON + s->python_end};
	return n;
}

static size_t kernel_put(const struct sample *s, struct location *out)
{
	size_t n = s->n_kernel < MAX_FRAMES ? s->n_kernel : MAX_FRAMES;

	for (size_t i = 0; i < n; i++) {
		size_t from = n - 1 - i;

		/* A return address may lie behind the end of its function. */
		out[i] = (struct location){
			.kind = FRAME_KERNEL, .address = s->kernel[from] - (from > 0)};
	}
	return n;
}

/* Without native frames: the Python frames as they are, or a sign that there is native code only.
 */
static size_t python_only(const struct merge_input *in, struct location *out)
{
	if (in->n_python)
		memcpy(out, in->python, in->n_python * sizeof(*out));
	else
		*out = (struct location){.kind = FRAME_NOTE, .address = NOTE_NATIVE};
	return in->n_python ? in->n_python : 1;
}

void stacker_build(
	struct stacker *st, const struct process *p, const struct sample *s, struct stack *out)
{
	struct merge_input in = {
		.native = st->native,
		.is_eval = st->is_eval,
		.native_complete = s->user_end == WALK_COMPLETE,
		.python = st->python_frames,
		.entry = st->entry,
		.python_complete = s->python_end == WALK_COMPLETE,
	};
	size_t n, n_merged;

	out->matched = true;
	out->has_jit = false;
	thread_name_learn(st, s);
	if (p) {
		process_name_learn(st, p);
		in.n_native = native_fill(st, p, s);
		in.n_python = python_fill(st, p, s);
	}
	n_merged = st->options.native ? merge_stack(&in, st->merged, &out->matched)
				      : python_only(&in, st->merged);
	n = roots_put(st, p, s, st->stack);
	while (n_merged) {
		st->stack[n] = st->merged[--n_merged];
		out->has_jit |= st->stack[n++].kind == FRAME_JIT;
	}
	n += kernel_put(s, st->stack + n);
	out->locations = st->stack;
	out->n = n;
}
