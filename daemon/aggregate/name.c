/* SPDX-License-Identifier: BSD-2-Clause */
/* Locations -> frames with names, by what the rooms above know. */
#include <inttypes.h>
#include <stdio.h>

#include "aggregate/aggregate.h"
#include "aggregate/stacker.h"
#include "process/process.h"
#include "python/python.h"
#include "symbolize/symbolize.h"

static uint32_t name_at_offset(struct intern *strings, const char *module, uint64_t offset)
{
	char text[512];

	snprintf(text, sizeof(text), "[%.400s+0x%" PRIx64 "]", module, offset);
	return intern(strings, text);
}

static bool name_symbol(bool found, const struct symbol *symbol, const char *module,
	uint64_t offset, struct intern *strings, struct frame *out)
{
	out->name = found ? intern(strings, symbol->name) : name_at_offset(strings, module, offset);
	out->module = intern(strings, found ? symbol->module : module);
	return found;
}

static bool name_native(
	const struct namer *n, const struct location *l, struct intern *strings, struct frame *out)
{
	const struct image *image = process_image(n->processes, (uint32_t)l->scope);
	uint64_t start = l->address;
	struct symbol symbol;

	if (!image)
		return name_symbol(false, NULL, "unknown", l->address, strings, out);
	if (symbolize_native(n->symbols, image, l->address, &symbol))
		return name_symbol(true, &symbol, image->name, l->address, strings, out);
	/* Without a symbol the function goes by the offset of its start, not by one of each call in
	 * it. */
	symbolize_function_start(n->symbols, image, l->address, &start);
	return name_symbol(false, NULL, image->name, start, strings, out);
}

/* Code of no file: JIT code if the process's perf map tells, else just an address. */
static bool name_anonymous(
	const struct namer *n, const struct location *l, struct intern *strings, struct frame *out)
{
	struct symbol symbol;
	bool found = symbolize_jit(n->symbols, (uint32_t)l->scope, l->address, &symbol);

	if (!found)
		out->kind = FRAME_NATIVE;
	return name_symbol(found, &symbol, "anon", l->address, strings, out);
}

static bool name_kernel(
	const struct namer *n, const struct location *l, struct intern *strings, struct frame *out)
{
	struct symbol symbol;

	return name_symbol(symbolize_kernel(n->symbols, l->address, &symbol), &symbol, "kernel",
		l->address, strings, out);
}

static bool name_python(
	const struct namer *n, const struct location *l, struct intern *strings, struct frame *out)
{
	const struct python_function *f = python_function(n->python, (uint32_t)l->scope);

	out->name = intern(strings, f && *f->qualname ? f->qualname : "<unknown>");
	out->file = f ? intern(strings, f->file) : 0;
	out->line = l->line || !f ? l->line : f->first_line; /* code of no line: its function */
	return f != NULL;
}

static const char *process_comm(const struct namer *n, const struct process_key *key)
{
	const struct thread_name *name = map_get(n->stacker->process_names, key);
	const struct process *p;

	if (name)
		return name->text;
	p = process_find(n->processes, (uint32_t)key->pid);
	return p && (!key->start_ticks || p->start_ticks == key->start_ticks) ? p->comm : "?";
}

/* A number of its own where there is one, else in the name. */
static void name_root(const struct namer *n, const char *name, uint32_t id, uint32_t line,
	struct intern *strings, struct frame *out)
{
	char text[64];

	if (!*name) /* a process may call itself nothing */
		name = "?";
	snprintf(text, sizeof(text), "%s (%u)", name, id);
	out->name = intern(strings, n->series ? name : text);
	out->line = n->series ? line : 0;
}

static void name_process(
	const struct namer *n, const struct location *l, struct intern *strings, struct frame *out)
{
	struct process_key key = {l->scope, l->address};
	uint32_t pid = (uint32_t)l->scope;

	name_root(n, process_comm(n, &key), pid,
		n->series ? n->series(n->series_arg, pid, l->address) : 0, strings, out);
}

static void name_thread(
	const struct namer *n, const struct location *l, struct intern *strings, struct frame *out)
{
	uint32_t tid = (uint32_t)l->scope;
	const struct thread_name *name = map_get(n->stacker->thread_names, &tid);

	name_root(n, name ? name->text : "?", tid, tid, strings, out);
}

static void name_note(const struct location *l, struct intern *strings, struct frame *out)
{
	char text[96];

	if (l->address == NOTE_PYTHON_GONE)
		snprintf(text, sizeof(text), "[python: code object gone]");
	else if (l->address == NOTE_NATIVE)
		snprintf(text, sizeof(text), "[native]");
	else if (l->address == WALK_TRUNCATED || l->address == NOTE_PYTHON + WALK_TRUNCATED)
		snprintf(text, sizeof(text), "[truncated]");
	else if (l->address >= NOTE_PYTHON)
		snprintf(text, sizeof(text), "[python stack cut: %s]",
			walk_end_name((enum walk_end)(l->address - NOTE_PYTHON)));
	else
		snprintf(text, sizeof(text), "[unwind failed: %s]",
			walk_end_name((enum walk_end)l->address));
	out->name = intern(strings, text);
}

bool location_name(void *arg, const struct location *l, struct intern *strings, struct frame *out)
{
	const struct namer *n = arg;

	switch ((enum frame_kind)l->kind) {
	case FRAME_NATIVE:
		return name_native(n, l, strings, out);
	case FRAME_JIT:
		return name_anonymous(n, l, strings, out);
	case FRAME_KERNEL:
		return name_kernel(n, l, strings, out);
	case FRAME_PYTHON:
		return name_python(n, l, strings, out);
	case FRAME_PROCESS:
		name_process(n, l, strings, out);
		return true;
	case FRAME_THREAD:
		name_thread(n, l, strings, out);
		return true;
	default:
		name_note(l, strings, out);
		return true;
	}
}
