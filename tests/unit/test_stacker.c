/* SPDX-License-Identifier: BSD-2-Clause */
/* The frames that stand below a stack: processes and threads, by name, or by name and number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "aggregate/aggregate.h"
#include "process/process.h"
#include "python/python.h"
#include "symbolize/symbolize.h"

struct world {
	struct process_table *table;
	struct python *python;
	struct symbolizer *symbols;
	struct stacker *stacker;
	struct aggregate *tree;
	struct namer namer;
};

static void world_open(struct world *w, bool numbered)
{
	struct stack_options options = {.process_root = true,
		.thread_root = true,
		.native = true,
		.numbered_roots = numbered};

	w->table = process_table_new(NULL);
	w->python = python_new(NULL);
	w->symbols = symbolizer_new();
	w->stacker = stacker_new(w->python, &options, NULL);
	w->tree = aggregate_new(NULL);
	w->namer = (struct namer){.processes = w->table,
		.python = w->python,
		.symbols = w->symbols,
		.stacker = w->stacker};
}

static void world_close(struct world *w)
{
	aggregate_free(w->tree);
	stacker_free(w->stacker);
	symbolizer_free(w->symbols);
	python_free(w->python);
	process_table_free(w->table);
}

/* A sample of a thread; of `p`, where that is known. */
static void sample(
	struct world *w, const struct process *p, uint32_t pid, uint32_t tid, const char *name)
{
	struct sample s = {.pid = pid, .tid = tid, .weight_ns = 1};
	struct stack stack;

	strncpy(s.comm, name, sizeof(s.comm) - 1);
	stacker_build(w->stacker, p, &s, &stack);
	assert_int_equal(aggregate_add(w->tree, stack.locations, stack.n, 1), 0);
}

static struct process process_of(uint32_t pid, uint64_t start_ticks, const char *comm)
{
	struct process p = {.pid = pid, .start_ticks = start_ticks};

	strncpy(p.comm, comm, sizeof(p.comm) - 1);
	return p;
}

static unsigned frames_of(
	const struct profile *p, enum frame_kind kind, const char *name, uint32_t line)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < p->n_frames; i++)
		n += p->frames[i].kind == kind && p->frames[i].line == line &&
		     !strcmp(p->strings[p->frames[i].name], name);
	return n;
}

static unsigned frames_of_kind(const struct profile *p, enum frame_kind kind)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < p->n_frames; i++)
		n += p->frames[i].kind == kind;
	return n;
}

static uint32_t series(void *arg, uint32_t pid, uint64_t start_ticks)
{
	unsigned *asked = arg;

	++*asked;
	return pid * 1000 + (uint32_t)start_ticks;
}

static void test_numbered(void **state)
{
	struct process first = process_of(7, 100, "old"), second = process_of(7, 200, "new"),
		       nameless = process_of(8, 300, "");
	struct profile *p;
	unsigned asked = 0;
	struct world w;

	(void)state;
	world_open(&w, true);
	w.namer.series = series;
	w.namer.series_arg = &asked;
	sample(&w, &first, 7, 7, "main");
	sample(&w, &first, 7, 71, "worker");
	sample(&w, &second, 7, 7, "main"); /* its PID was given out anew */
	sample(&w, &nameless, 8, 8, "");
	sample(&w, NULL, 9, 9, "lost");
	p = aggregate_profile(w.tree, location_name, &w.namer, NULL);
	assert_non_null(p);
	assert_int_equal(asked, 4); /* once for each */
	assert_int_equal(frames_of_kind(p, FRAME_PROCESS), 4);
	assert_int_equal(frames_of(p, FRAME_PROCESS, "old", 7100), 1);
	assert_int_equal(frames_of(p, FRAME_PROCESS, "new", 7200), 1);
	assert_int_equal(frames_of(p, FRAME_PROCESS, "?", 8300), 1);
	assert_int_equal(frames_of(p, FRAME_PROCESS, "?", 9000), 1);
	assert_int_equal(frames_of_kind(p, FRAME_THREAD), 4);
	assert_int_equal(frames_of(p, FRAME_THREAD, "main", 7), 1);
	assert_int_equal(frames_of(p, FRAME_THREAD, "worker", 71), 1);
	assert_int_equal(frames_of(p, FRAME_THREAD, "?", 8), 1);
	assert_int_equal(frames_of(p, FRAME_THREAD, "lost", 9), 1);
	profile_free(p);
	/* The next window knows nothing of it. */
	stacker_forget_threads(w.stacker);
	p = aggregate_profile(w.tree, location_name, &w.namer, NULL);
	assert_int_equal(frames_of(p, FRAME_PROCESS, "old", 7100), 0);
	assert_int_equal(frames_of(p, FRAME_PROCESS, "?", 7100), 1);
	assert_int_equal(frames_of(p, FRAME_THREAD, "?", 7), 1);
	profile_free(p);
	sample(&w, &second, 7, 7, "again");
	p = aggregate_profile(w.tree, location_name, &w.namer, NULL);
	assert_int_equal(frames_of(p, FRAME_PROCESS, "new", 7200), 1);
	assert_int_equal(frames_of(p, FRAME_THREAD, "again", 7), 1);
	profile_free(p);
	world_close(&w);
}

/* As a recording shows them: the PID is part of the name, and is all that tells them apart. */
static void test_by_name(void **state)
{
	struct process first = process_of(0x7ffffff0, 100, "old"),
		       second = process_of(0x7ffffff0, 200, "new");
	struct profile *p;
	struct world w;

	(void)state;
	world_open(&w, false);
	sample(&w, &first, first.pid, 71, "main");
	sample(&w, &second, first.pid, 71, "later");
	p = aggregate_profile(w.tree, location_name, &w.namer, NULL);
	assert_non_null(p);
	assert_int_equal(frames_of_kind(p, FRAME_PROCESS), 1);
	assert_int_equal(frames_of(p, FRAME_PROCESS, "? (2147483632)", 0), 1);
	assert_int_equal(frames_of_kind(p, FRAME_THREAD), 1);
	assert_int_equal(frames_of(p, FRAME_THREAD, "later (71)", 0), 1);
	profile_free(p);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbered),
		cmocka_unit_test(test_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
