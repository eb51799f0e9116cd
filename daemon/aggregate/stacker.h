/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside aggregate/: what stack.c remembers and name.c reads. */
#ifndef PROFD_AGGREGATE_STACKER_H
#define PROFD_AGGREGATE_STACKER_H

#include "aggregate/aggregate.h"
#include "base/map.h"

/* Addresses of NOTE locations beside enum walk_end of the native walk. */
enum { NOTE_PYTHON = 0x100, NOTE_PYTHON_GONE = 0x200, NOTE_NATIVE = 0x201 };

struct thread_name {
	char text[16];
};

struct process_key {
	uint64_t pid, start_ticks;
};

struct stacker {
	struct python *python;
	struct stack_options options;
	struct map *thread_names;  /* tid -> struct thread_name, as last seen */
	struct map *process_names; /* struct process_key -> struct thread_name; of numbered roots */
	/* Scratch of one build. */
	struct location *native, *python_frames, *merged, *stack;
	bool *is_eval, *entry;
};

#endif
