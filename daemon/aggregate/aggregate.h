/* SPDX-License-Identifier: BSD-2-Clause */
/* Samples -> a tree of locations with weights -> a profile with names.
 *
 *    sample -- stacker_build --> native locations --+
 *                                                   +-- merge_stack --> stack -- aggregate_add -->
 * tree Python locations --+                                              | location_name, asked
 * once per location ---------------- aggregate_profile --+--> profile
 */
#ifndef PROFD_AGGREGATE_AGGREGATE_H
#define PROFD_AGGREGATE_AGGREGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/intern.h"
#include "flow/profile.h"

/* ---- merging the native and the Python view of one stack
 * ----------------------------------------- */

/* Both stacks leaf first. A native frame with `is_eval` is a call of the interpreter's eval loop;
 * each stands for one run of Python frames, which ends with a frame that is marked as `entry`. */
struct merge_input {
	const struct location *native;
	const bool *is_eval; /* [n_native] */
	size_t n_native;
	bool native_complete; /* the native stack reaches its outermost frame */
	const struct location *python;
	const bool *entry; /* [n_python] */
	size_t n_python;
	bool python_complete;
};

/* Writes the merged stack, leaf first, to `out` (room for n_native + n_python) and returns its
 * length.
 * `*matched` is false where the two views do not fit one to one; the Python frames are then kept,
 * in their right order, and native frames whose place among them is not known are left out. */
size_t merge_stack(const struct merge_input *in, struct location *out, bool *matched);

/* ---- the tree -----------------------------------------------------------------------------------
 */

struct aggregate;

struct aggregate *aggregate_new(struct err *err);
void aggregate_free(struct aggregate *a);

/* Adds one sample. `stack` is root first. -ENOMEM, or -E2BIG where the tree has reached its limit
 * (16 million nodes): the sample is then not in it. */
int aggregate_add(struct aggregate *a, const struct location *stack, size_t n, uint64_t weight_ns);

size_t aggregate_nodes(const struct aggregate *a); /* how large it is; 1: no sample yet */

/* Gives the names of a location: fills kind, name, file, line and module of `out` with numbers of
 * `strings`. False: it has no symbol (the name is then made of its module and address). */
typedef bool aggregate_name_fn(
	void *arg, const struct location *location, struct intern *strings, struct frame *out);

/* The profile so far, named by `name` (asked once per location): equal frames below the same caller
 * become one. Fills the tree, strings, and of the quality `samples` and the symbol counts; the rest
 * is the caller's. NULL on failure. */
struct profile *aggregate_profile(
	const struct aggregate *a, aggregate_name_fn *name, void *arg, struct err *err);

/* ---- samples to stacks, locations to names
 * -------------------------------------------------------- */

struct process;
struct process_table;
struct python;
struct symbolizer;

struct stack_options {
	bool process_root,
		thread_root; /* a frame at the root that keeps processes, or threads, apart */
	bool native;         /* samples have native frames; otherwise Python frames stand alone */
	/* Processes are told apart by their start too, so that a PID given out anew is another one,
	 * and their names are kept, so that they may be gone when they are named. */
	bool numbered_roots;
};

struct stacker;

struct stacker *stacker_new(
	struct python *python, const struct stack_options *options, struct err *err);
void stacker_free(struct stacker *st);

struct stack {
	const struct location *locations; /* root first; the stacker's, until the next build */
	size_t n;
	bool has_jit; /* there is code of no file in it */
	bool matched; /* the Python frames took the places of the eval-loop frames one to one */
};

/* The whole stack of a sample. `p` is its process as it was at that time, or NULL where nothing is
 * known of it: then only kernel frames have a place. */
void stacker_build(
	struct stacker *st, const struct process *p, const struct sample *s, struct stack *out);

/* Forgets the names of threads and processes: at the end of a window, after it was named. */
void stacker_forget_threads(struct stacker *st);

/* What naming asks; `arg` of location_name. */
struct namer {
	const struct process_table *processes;
	const struct python *python;
	struct symbolizer *symbols;
	const struct stacker *stacker; /* knows the threads' names */
	/* With it, and stacks that have numbered roots, a PROCESS frame has the process's name
	 * alone and the number that this gives as its `line`, and a THREAD frame the thread's name
	 * and its ID as the line (flow/window.h). NULL: the numbers are part of the names. */
	uint32_t (*series)(void *arg, uint32_t pid, uint64_t identity);
	void *series_arg;
};

/* The aggregate_name_fn of real profiles. */
bool location_name(
	void *arg, const struct location *location, struct intern *strings, struct frame *out);

#endif
