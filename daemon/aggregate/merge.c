/* SPDX-License-Identifier: BSD-2-Clause */
/* The interpreter's C frames and the Python frames they run are two views of one stack:
 *
 *     native (leaf first)        Python (leaf first)         merged
 *     memcpy                                                 memcpy
 *     list_append                                            list_append
 *     _PyEval_EvalFrameDefault   inner                       inner
 *                                outer (entry)               outer
 *     slot_tp_call                                           slot_tp_call
 *     _PyEval_EvalFrameDefault   main (entry)                main
 *     _start                                                 _start
 */
#include <string.h>

#include "aggregate/aggregate.h"

struct cursor {
	const struct merge_input *in;
	struct location *out;
	size_t n;
	size_t python; /* next Python frame */
};

static size_t count_true(const bool *flags, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += flags[i];
	return count;
}

static void put(struct cursor *c, const struct location *location)
{
	c->out[c->n++] = *location;
}

/* The next run of Python frames, its entry frame included. */
static void put_run(struct cursor *c)
{
	bool last = false;

	while (!last && c->python < c->in->n_python) {
		last = c->in->entry[c->python];
		put(c, &c->in->python[c->python++]);
	}
}

static void put_rest(struct cursor *c)
{
	while (c->python < c->in->n_python)
		put(c, &c->in->python[c->python++]);
}

/* Native frames with runs in the place of eval loops. The `bare` innermost eval loops have no run:
 * one that is just starting or ending has no frame linked, and goes to the account of its caller,
 * as a call that the loop makes within itself does. Those behind the last run have none that is
 * known. */
static void put_native(struct cursor *c, size_t bare)
{
	const struct merge_input *in = c->in;

	for (size_t i = 0; i < in->n_native; i++) {
		if (!in->is_eval[i])
			put(c, &in->native[i]);
		else if (bare)
			bare--;
		else if (c->python < in->n_python)
			put_run(c);
		else
			put(c, &in->native[i]);
	}
}

/* What certainly is further in than every Python frame: the native frames up to the first eval
 * loop. */
static void put_native_leaf(struct cursor *c)
{
	const struct merge_input *in = c->in;

	for (size_t i = 0; i < in->n_native && !in->is_eval[i]; i++)
		put(c, &in->native[i]);
}

size_t merge_stack(const struct merge_input *in, struct location *out, bool *matched)
{
	struct cursor c = {.in = in, .out = out};
	size_t evals = count_true(in->is_eval, in->n_native);
	size_t runs = count_true(in->entry, in->n_python);

	if (in->n_python && !in->entry[in->n_python - 1])
		runs++; /* cut before its entry frame */
	*matched = true;
	if (!in->n_python) {
		put_native(&c, 0);
	} else if (in->native_complete && in->python_complete) {
		*matched = evals == runs || evals == runs + 1;
		if (*matched)
			put_native(&c, evals - runs);
	} else if (in->native_complete) { /* the outer Python frames are missing */
		*matched = evals >= runs;
		if (*matched)
			put_native(&c, 0);
	} else { /* the outer native frames are missing */
		*matched = evals > 0 && evals <= runs;
		if (*matched) {
			put_native(&c, 0);
			put_rest(&c);
		}
	}
	if (!*matched) {
		put_native_leaf(&c);
		put_rest(&c);
	}
	return c.n;
}
