/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/sampling.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define LOG_ROOM "sampling"
#include "base/log.h"

enum { SWEEP_BATCH = 512 };

static const size_t python_max_bytes = (size_t)8 << 20; /* of functions and code objects */
static const uint64_t jit_look_ns = 200 * NS_PER_MS;

/* What was done about a process so far. */
struct known {
	uint64_t python_generation, unwind_generation; /* that the tables stand at */
	uint64_t jit_ns;                               /* last look at its perf map */
};

/* ---- tables follow processes -------------------------------------------------------------------
 */

/* What people should know of the processes of one recording; of a host's there is no end. */
__attribute__((format(printf, 2, 3))) static void note(struct sampling *s, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (s->options.collect.host)
		log_debug("%s", text);
	else
		notes_add(&s->notes, "%s", text);
}

static void note_denied_files(struct sampling *s, const struct process *p)
{
	for (size_t i = 0; i < p->n_mappings; i++)
		if (p->mappings[i].is_denied) {
			note(s,
				"the files of process %u may not be read, so its native frames have no names and its Python "
				"frames are missing; run as its user or as root, or give profd CAP_SYS_PTRACE",
				p->pid);
			return;
		}
}

/* Python is quick, and without it a sample has no Python frames. */
static void python_update(struct sampling *s, struct process *p, struct known *known)
{
	struct err err = {0};

	if (!s->bound || known->python_generation == p->generation)
		return;
	known->python_generation = p->generation;
	if (python_process(s->python, p, &err) < 0 && err.text[0])
		note(s, "%s", err.text);
}

static void unwind_update(struct sampling *s, struct process *p, struct known *known)
{
	struct err err = {0};

	if (known->unwind_generation == p->generation)
		return;
	known->unwind_generation = p->generation;
	note_denied_files(s, p);
	if (unwind_process(s->unwind, p, &err) < 0)
		log_debug("%s", err.text);
}

/* Python first: a native stack can still be walked afterwards. */
static void tables_update(struct sampling *s, struct process *p, bool has_sample)
{
	struct known *known = map_put(s->known, &p->pid, NULL);

	if (!known)
		return;
	python_update(s, p, known);
	if (has_sample || !s->options.lazy || known->unwind_generation)
		unwind_update(s, p, known);
}

struct process *sampling_process(struct sampling *s, uint32_t pid, struct err *err)
{
	struct process *p = process_get(s->processes, pid, err);

	if (p)
		tables_update(s, p, false);
	return p;
}

/* ---- events ------------------------------------------------------------------------------------
 */

/* Their samples were in the ring before the news of their end: a drain after that has had them all.
 */
static void ended_retire(struct sampling *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct process *p = process_find(s->processes, s->ended_pids[i]);

		if (!p || !p->exited)
			continue; /* another process by that number */
		unwind_forget(s->unwind, p->pid);
		python_forget(s->python, p->pid);
		process_retire(p);
		map_del(s->known, &p->pid);
	}
	s->n_ended -= n;
	if (n)
		memmove(s->ended_pids, s->ended_pids + n, s->n_ended * sizeof(*s->ended_pids));
}

static void ended_add(struct sampling *s, uint32_t pid)
{
	if (s->n_ended == s->cap_ended) {
		size_t cap = s->cap_ended ? s->cap_ended * 2 : 64;
		uint32_t *pids = realloc(s->ended_pids, cap * sizeof(*pids));

		if (!pids)
			return; /* it is kept until the end */
		s->ended_pids = pids;
		s->cap_ended = cap;
	}
	s->ended_pids[s->n_ended++] = pid;
}

static void on_event(void *arg, const struct process_event *event)
{
	struct sampling *s = arg;
	struct process *p;

	if (event->kind == PROCESS_KSYMBOL) {
		symbolizer_refresh_kernel(s->symbols);
		return;
	}
	p = process_find(s->processes, event->pid);
	if (p && s->hooks.event)
		s->hooks.event(s->hooks.arg, event, p);
	if (!p || !s->hooks.wants(s->hooks.arg, p))
		return;
	switch (event->kind) {
	case PROCESS_FORKED:
		collect_follow(s->collect, event->pid);
		map_del(s->known, &event->pid); /* of one that had the number before */
		symbolizer_forget_jit(s->symbols, event->pid);
		tables_update(s, p, false);
		break;
	case PROCESS_EXECED:
		symbolizer_forget_jit(s->symbols, event->pid);
		python_forget(s->python, event->pid);
		tables_update(s, p, false);
		break;
	case PROCESS_MAPPED:
		tables_update(s, p, false);
		break;
	case PROCESS_EXITED:
		ended_add(s, event->pid);
		break;
	default:
		break;
	}
}

/* ---- samples -----------------------------------------------------------------------------------
 */

/* Names of JIT code are in a file that can be reached only while the process lives. */
static void jit_names_read(struct sampling *s, const struct process *p)
{
	struct known *known = map_get(s->known, &p->pid);

	if (!known || p->exited || clock_now_ns() - known->jit_ns < jit_look_ns)
		return;
	known->jit_ns = clock_now_ns();
	symbolizer_preload_jit(s->symbols, p->pid, NULL);
}

static void sample_count(
	struct profile_quality *q, const struct sample *s, const struct stack *stack)
{
	q->samples++;
	q->native_end[s->user_end]++;
	q->python_end[s->python_end]++;
	q->truncated += s->user_end == WALK_TRUNCATED || s->python_end == WALK_TRUNCATED;
	q->unmerged += !stack->matched;
}

/* Right after an exec the kernel side may still walk by what was known of the program before: of
 * one that is no Python that means nothing. */
static void python_check(const struct sampling *s, const struct process *p, struct sample *sample)
{
	if (sample->python_end == WALK_NONE || *python_version(s->python, p->pid))
		return;
	sample->python_end = WALK_NONE;
	sample->python = NULL;
	sample->n_python = 0;
}

static void on_sample(void *arg, const struct sample *given)
{
	struct sampling *s = arg;
	struct sample sample = *given;
	struct process *p;
	struct stack stack;

	/* First what happened to the processes before this sample was taken. */
	process_watch_drain(s->watch, sample.time_ns, on_event, s);
	p = process_get(s->processes, sample.pid, NULL);
	if (p && !s->hooks.wants(s->hooks.arg, p))
		return;
	if (!s->first_sample_ns)
		s->first_sample_ns = sample.time_ns;
	if (p) {
		tables_update(s, p, true);
		python_check(s, p, &sample);
	}
	if (p && s->hooks.sampled)
		s->hooks.sampled(s->hooks.arg, p);
	if (p && sample.registers)
		unwind_finish(s->unwind, p, &sample, s->pcs, SAMPLING_MAX_PCS);
	stacker_build(s->stacker, p, &sample, &stack);
	if (!s->hooks.stack(s->hooks.arg, p, &sample, &stack)) {
		s->quality.lost++;
		return;
	}
	sample_count(&s->quality, &sample, &stack);
	if (stack.has_jit && p)
		jit_names_read(s, p);
}

void sampling_drain_samples(struct sampling *s)
{
	size_t n_ended = s->n_ended;

	collect_drain(s->collect, on_sample, s);
	ended_retire(s, n_ended);
}

void sampling_drain(struct sampling *s)
{
	sampling_drain_samples(s);
	process_watch_drain(s->watch, clock_now_ns(), on_event, s);
	unwind_reclaim(s->unwind);
}

/* ---- opening -----------------------------------------------------------------------------------
 */

int sampling_open(struct sampling *s, const struct sampling_options *options,
	const struct sampling_hooks *hooks, struct err *err)
{
	s->options = *options;
	s->hooks = *hooks;
	s->known = map_new(sizeof(uint32_t), sizeof(struct known));
	s->symbols = symbolizer_new();
	if (!s->known || !s->symbols)
		return err_set(err, -ENOMEM, "out of memory");
	if (!(s->processes = process_table_new(err)) || !(s->unwind = unwind_new(err)) ||
		!(s->python = python_new(err)) ||
		!(s->stacker = stacker_new(s->python, &options->stacks, err)))
		return err->code;
	return 0;
}

int sampling_watch(struct sampling *s, struct err *err)
{
	s->watch = process_watch_open(s->processes, err);
	return s->watch ? 0 : err->code;
}

int sampling_load(struct sampling *s, struct err *err)
{
	struct collect_options options = s->options.collect;
	const struct collect_tables *tables;
	struct process *p;
	size_t at = 0;
	int rc;

	if (options.table_cells < unwind_cells_needed(s->unwind))
		options.table_cells = unwind_cells_needed(s->unwind);
	if (options.table_mappings < unwind_mappings_needed(s->unwind))
		options.table_mappings = unwind_mappings_needed(s->unwind);
	s->collect = collect_open(&options, err);
	if (!s->collect)
		return err->code;
	tables = collect_tables(s->collect);
	rc = unwind_bind(s->unwind, tables, err);
	python_bind(s->python, tables->pythons_fd);
	s->bound = !rc;
	while (s->bound && (p = process_next(s->processes, &at)))
		tables_update(s, p, false);
	return rc;
}

void sampling_close(struct sampling *s)
{
	if (s->collect)
		collect_detach(s->collect);
	unwind_free(s->unwind);
	collect_close(s->collect);
	process_watch_close(s->watch);
	python_free(s->python);
	stacker_free(s->stacker);
	symbolizer_free(s->symbols);
	process_table_free(s->processes);
	map_free(s->known);
	free(s->ended_pids);
}

/* ---- housekeeping ------------------------------------------------------------------------------
 */

static void image_forget(void *arg, const struct image *image)
{
	struct sampling *s = arg;

	unwind_forget_image(s->unwind, image);
	symbolizer_forget_image(s->symbols, image->number);
	python_forget_image(s->python, image->number);
}

static bool is_over(const struct sampling *s, const struct process *p)
{
	return p->exited && !map_get(s->known, &p->pid);
}

static void processes_sweep(struct sampling *s)
{
	uint32_t gone[SWEEP_BATCH];
	size_t n;

	do {
		struct process *p;
		size_t at = 0;

		n = 0;
		while (n < SWEEP_BATCH && (p = process_next(s->processes, &at)))
			if (is_over(s, p))
				gone[n++] = p->pid;
		for (size_t i = 0; i < n; i++) {
			symbolizer_forget_jit(s->symbols, gone[i]);
			process_remove(s->processes, process_find(s->processes, gone[i]));
		}
	} while (n == SWEEP_BATCH);
}

void sampling_sweep(struct sampling *s, size_t symbols_bytes, bool images)
{
	processes_sweep(s);
	stacker_forget_threads(s->stacker);
	python_functions_reset(s->python, python_max_bytes);
	symbolizer_trim(s->symbols, symbols_bytes);
	if (images)
		process_images_sweep(s->processes, image_forget, s);
}
