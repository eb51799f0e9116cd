/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/profile.h"
#include "flow/window.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *name, *text;
} walk_ends[WALK_ENDS] = {
	[WALK_NONE] = {"none", "there was no stack to walk"},
	[WALK_COMPLETE] = {"complete", "the stack is whole"},
	[WALK_TRUNCATED] = {"truncated", "the stack is deeper than the limit"},
	[WALK_NO_MAPPING] = {"no-mapping", "an address outside every executable mapping"},
	[WALK_NO_TABLE] = {"no-table", "code without unwind information or frame pointers"},
	[WALK_NO_RULE] = {"no-rule", "no unwind rule for an address"},
	[WALK_UNSUPPORTED] = {"unsupported-rule", "an unwind rule that profd cannot express"},
	[WALK_UNREADABLE] = {"unreadable", "memory that could not be read at that instant"},
	[WALK_STUCK] = {"stuck", "a frame that does not lead outwards (corrupted stack?)"},
	[WALK_NOT_READY] = {"not-ready", "a process or library too new to be known"},
	[WALK_NO_THREAD] = {"no-thread", "a thread that Python does not know"},
	[WALK_BAD_FRAME] = {"bad-frame", "a Python frame that does not make sense"},
};

static const char *const frame_kinds[FRAME_KINDS] = {
	[FRAME_ROOT] = "root",
	[FRAME_PROCESS] = "process",
	[FRAME_THREAD] = "thread",
	[FRAME_PYTHON] = "python",
	[FRAME_NATIVE] = "native",
	[FRAME_INLINED] = "inlined",
	[FRAME_JIT] = "jit",
	[FRAME_KERNEL] = "kernel",
	[FRAME_NOTE] = "note",
	[FRAME_CONTAINER] = "container",
};

const char *walk_end_name(enum walk_end end)
{
	return (unsigned)end < WALK_ENDS ? walk_ends[end].name : "unknown";
}

const char *walk_end_text(enum walk_end end)
{
	return (unsigned)end < WALK_ENDS ? walk_ends[end].text : "an unknown cause";
}

const char *frame_kind_name(enum frame_kind kind)
{
	return (unsigned)kind < FRAME_KINDS ? frame_kinds[kind] : "unknown";
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < p->n_strings; i++)
		free(p->strings[i]);
	free(p->strings);
	free(p->frames);
	free(p->nodes);
	free(p->slices);
	free(p->counts);
	free(p->title);
	free(p->source);
	free(p);
}

void series_clear(struct series *s)
{
	char **texts[] = {&s->user, &s->comm, &s->exe, &s->command_line, &s->cgroup, &s->container,
		&s->python};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		free(*texts[i]);
		*texts[i] = NULL;
	}
}

void window_free(struct window *w)
{
	if (!w)
		return;
	profile_free(w->profile);
	for (size_t i = 0; i < w->n_series; i++)
		series_clear(&w->series[i]);
	free(w->series);
	free(w->usage);
	free(w);
}

static bool is_failure(enum walk_end end)
{
	return end > WALK_TRUNCATED && end != WALK_NO_THREAD;
}

void profile_failures(const struct profile_quality *q,
	void (*each)(void *arg, const char *cause, uint64_t n), void *arg)
{
	char cause[64];

	for (enum walk_end end = 0; end < WALK_ENDS; end++) {
		if (!is_failure(end))
			continue;
		snprintf(cause, sizeof(cause), "native-%s", walk_end_name(end));
		if (q->native_end[end])
			each(arg, cause, q->native_end[end]);
		snprintf(cause, sizeof(cause), "python-%s", walk_end_name(end));
		if (q->python_end[end])
			each(arg, cause, q->python_end[end]);
	}
	if (q->unmerged)
		each(arg, "python-unmerged", q->unmerged);
	if (q->failed_otherwise)
		each(arg, "cause-not-known", q->failed_otherwise);
}
