/* SPDX-License-Identifier: BSD-2-Clause */
/* From the kernel to whole stacks: the part that a recording and the daemon have in common.
 *
 *     process_watch --events--> unwind, python (tables follow what runs)
 *     collect -----samples--> [unwind_finish] --> stacker --> hooks.stack
 *
 * Inside pipeline/ only. */
#ifndef PROFD_PIPELINE_SAMPLING_H
#define PROFD_PIPELINE_SAMPLING_H

#include "aggregate/aggregate.h"
#include "base/map.h"
#include "base/notes.h"
#include "collect/collect.h"
#include "process/process.h"
#include "python/python.h"
#include "symbolize/symbolize.h"
#include "unwind/unwind.h"

enum { SAMPLING_MAX_PCS = 2048 };

struct sampling_hooks {
	void *arg;
	/* What happened to a process, wanted or not, before the tables follow. NULL: not of
	 * interest. */
	void (*event)(void *arg, const struct process_event *event, struct process *p);
	/* Whether samples and events of this process are wanted. */
	bool (*wants)(void *arg, struct process *p);
	/* A sample of a wanted process comes: whoever sets process.identity does it now. NULL: not
	 * of interest. */
	void (*sampled)(void *arg, struct process *p);
	/* A stack; `p` is NULL where nothing is known of its process. Whether it was kept. */
	bool (*stack)(
		void *arg, struct process *p, const struct sample *s, const struct stack *stack);
};

struct sampling_options {
	struct collect_options collect;
	struct stack_options stacks;
	bool lazy; /* a process gets its unwind tables with its first sample, not before */
};

struct sampling {
	struct sampling_hooks hooks;
	struct sampling_options options;
	struct process_table *processes;
	struct process_watch *watch;
	struct unwind *unwind;
	struct python *python;
	struct collect *collect;
	struct symbolizer *symbols;
	struct stacker *stacker;
	struct map *known;              /* pid -> what was done about it so far */
	uint64_t pcs[SAMPLING_MAX_PCS]; /* user frames of a deferred sample */
	struct profile_quality quality; /* samples, lost (by us) and how their walks ended */
	uint64_t first_sample_ns;
	uint32_t *
		ended_pids; /* processes that ended, until their last samples are out of the ring */
	size_t n_ended, cap_ended;
	bool bound; /* the kernel has its tables */
	struct notes notes;
};

/* Opens the rooms that need no permission; nothing is sampled yet. `s` is zeroed memory, to be
 * closed by sampling_close also after an error. */
int sampling_open(struct sampling *s, const struct sampling_options *options,
	const struct sampling_hooks *hooks, struct err *err);
void sampling_close(struct sampling *s);

/* Step two: watches processes, before the first look at any, so that no change falls between. */
int sampling_watch(struct sampling *s, struct err *err);

/* Step three: loads the programs and gives them the tables of the processes known so far. What
 * follows is collect_attach or collect_host, and collect_start. */
int sampling_load(struct sampling *s, struct err *err);

/* A process that is to be sampled is there: reads it and makes the tables fit. NULL: as
 * process_get. */
struct process *sampling_process(struct sampling *s, uint32_t pid, struct err *err);

/* Takes in all that waits: samples, and events up to now. */
void sampling_drain(struct sampling *s);

/* Takes in the samples, and the events that came before each. */
void sampling_drain_samples(struct sampling *s);

/* For an engine that runs for weeks, when nothing refers to locations any more: forgets processes
 * that have ended, and names over `symbols_bytes`; with `images` also what is known of files that
 * nobody maps. */
void sampling_sweep(struct sampling *s, size_t symbols_bytes, bool images);

#endif
