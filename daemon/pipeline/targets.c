/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/targets.h"

#include <errno.h>
#include <stdlib.h>

enum {
	PER_CPU_THREADS =
		1000, /* from so many threads on, events per CPU cost less than events per thread */
};

int targets_open(struct targets *t, const struct host_targets *of, struct err *err)
{
	*t = (struct targets){.of = *of};
	t->visible = map_new(sizeof(uint32_t), sizeof(bool));
	return t->visible ? 0 : err_set(err, -ENOMEM, "out of memory");
}

void targets_close(struct targets *t)
{
	map_free(t->visible);
	t->visible = NULL;
}

int targets_admit(const struct viewer *viewer, uint32_t *pids, size_t n, struct err *err)
{
	for (size_t i = 0; viewer && i < n; i++) {
		uint32_t pid = viewer_pid_from(viewer, pids[i]);

		if (!pid)
			return err_set(err, -ESRCH, "there is no process %u", pids[i]);
		if (!viewer_may_see(viewer, pid))
			return err_set(err, -EPERM,
				"process %u is another user's, or protected; ask root to put you into the group profd",
				pids[i]);
		pids[i] = pid;
	}
	return 0;
}

bool targets_have(const struct targets *t, uint32_t pid)
{
	for (size_t i = 0; i < t->of.n_pids; i++)
		if (t->of.pids[i] == pid)
			return true;
	return false;
}

bool targets_are_many(const struct targets *t)
{
	size_t sum = 0, n;
	uint32_t *tids;

	for (size_t i = 0; i < t->of.n_pids; i++)
		if (!process_threads(t->of.pids[i], &tids, &n)) {
			sum += n;
			free(tids);
		}
	return sum > PER_CPU_THREADS;
}

/* ---- start -------------------------------------------------------------------------------------
 */

static int targets_read(const struct targets *t, struct sampling *s, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < t->of.n_pids && !rc; i++)
		rc = process_check(t->of.pids[i], err);
	if (!rc)
		rc = sampling_watch(s, err);
	for (size_t i = 0; i < t->of.n_pids && !rc; i++)
		if (!sampling_process(s, t->of.pids[i], err))
			rc = err->code;
	return rc;
}

static void children_attach(const struct targets *t, struct sampling *s, uint32_t pid)
{
	struct process_usage *list;
	size_t n;

	if (process_descendants(pid, &list, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (!targets_have(t, list[i].pid) && sampling_process(s, list[i].pid, NULL))
			collect_attach(s->collect, list[i].pid, true, false, NULL);
	free(list);
}

/* The processes that are there already; those to come are inherited and told by events. */
static int targets_attach(const struct targets *t, struct sampling *s, struct err *err)
{
	for (size_t i = 0; i < t->of.n_pids; i++) {
		int rc = collect_attach(
			s->collect, t->of.pids[i], t->of.subprocesses, t->of.on_exec, err);

		if (rc < 0)
			return rc;
		if (t->of.subprocesses)
			children_attach(t, s, t->of.pids[i]);
	}
	return collect_start(s->collect, err);
}

int targets_start(const struct targets *t, struct sampling *s, struct err *err)
{
	int rc = targets_read(t, s, err);

	if (!rc)
		rc = sampling_load(s, err);
	return rc ? rc : targets_attach(t, s, err);
}

/* ---- what may be seen --------------------------------------------------------------------------
 */

/* A program with other rights (sudo) can be started below a process of the viewer's; so the
 * question is asked again after each exec, and one that has gone before it could be asked is not
 * shown. */
static bool is_visible(struct targets *t, uint32_t pid)
{
	bool fresh, *visible;

	if (!t->of.viewer)
		return true;
	visible = map_put(t->visible, &pid, &fresh);
	if (visible && fresh)
		*visible = viewer_may_see(t->of.viewer, pid);
	return visible && *visible;
}

void targets_event(struct targets *t, const struct process_event *event, const struct process *p)
{
	bool parent, *visible;

	if (!t->of.viewer || (event->kind != PROCESS_FORKED && event->kind != PROCESS_EXECED))
		return;
	map_del(t->visible, &p->pid);
	if (event->kind == PROCESS_EXECED) {
		is_visible(t, p->pid);
		return;
	}
	parent = is_visible(t, event->parent); /* until its exec a child has its parent's rights */
	visible = map_put(t->visible, &p->pid, NULL);
	if (visible)
		*visible = parent;
}

bool targets_want(struct targets *t, uint32_t pid)
{
	/* A child that was not asked for, on a kernel that cannot inherit to threads only. */
	if (t->of.n_pids && !t->of.subprocesses && !targets_have(t, pid))
		return false;
	if (is_visible(t, pid))
		return true;
	t->hidden = true;
	return false;
}

/* ---- end ---------------------------------------------------------------------------------------
 */

bool targets_ended(const struct targets *t, const struct process_table *processes, bool look)
{
	for (size_t i = 0; i < t->of.n_pids; i++) {
		struct process *p = process_find(processes, t->of.pids[i]);

		if (p && look && !p->exited && !process_is_alive(p->pid))
			p->exited = true;
		if (p && !p->exited)
			return false;
	}
	return t->of.n_pids > 0;
}

void targets_sweep(struct targets *t, const struct process_table *processes)
{
	struct map *kept;
	const void *key;
	void *value;
	size_t at = 0;

	if (!map_count(t->visible))
		return;
	kept = map_new(sizeof(uint32_t), sizeof(bool));
	while (kept && map_next(t->visible, &at, &key, &value)) {
		bool *slot = process_find(processes, *(const uint32_t *)key)
				     ? map_put(kept, key, NULL)
				     : NULL;

		if (slot)
			*slot = *(bool *)value;
	}
	if (!kept)
		return;
	map_free(t->visible);
	t->visible = kept;
}
