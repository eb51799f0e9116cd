/* SPDX-License-Identifier: BSD-2-Clause */
#include "process/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"

struct process_table {
	struct map *processes; /* pid -> struct process * */
	struct images *images;
	uint64_t generation; /* last one given out */
};

struct process_table *process_table_new(struct err *err)
{
	struct process_table *t = calloc(1, sizeof(*t));

	if (t) {
		t->processes = map_new(sizeof(uint32_t), sizeof(struct process *));
		t->images = images_new();
	}
	if (!t || !t->processes || !t->images) {
		process_table_free(t);
		err_set(err, -ENOMEM, "out of memory for the process table");
		return NULL;
	}
	return t;
}

static void process_free(struct process *p)
{
	free(p->exe);
	free(p->mappings);
	free(p);
}

void process_table_free(struct process_table *t)
{
	struct process *p;
	size_t at = 0;

	if (!t)
		return;
	if (t->processes)
		while ((p = process_next(t, &at)))
			process_free(p);
	map_free(t->processes);
	images_free(t->images);
	free(t);
}

struct process *process_next(const struct process_table *t, size_t *at)
{
	const void *key;
	void *value;

	return map_next(t->processes, at, &key, &value) ? *(struct process **)value : NULL;
}

struct process *process_find(const struct process_table *t, uint32_t pid)
{
	struct process **p = map_get(t->processes, &pid);

	return p ? *p : NULL;
}

struct image *process_image(const struct process_table *t, uint32_t number)
{
	return images_at(t->images, number);
}

/* ---- processes ---------------------------------------------------------------------------------
 */

static int stat_read(struct process *p)
{
	struct process_usage now;

	if (!process_usage_read(p->pid, &now))
		return -ESRCH;
	memcpy(p->comm, now.comm, sizeof(p->comm));
	p->parent = now.parent;
	p->start_ticks = now.start_ticks;
	return 0;
}

static void exe_read(struct process *p)
{
	char name[64], path[4096];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/%u/exe", p->pid);
	n = readlink(name, path, sizeof(path) - 1);
	if (n < 0)
		return;
	path[n] = '\0';
	free(p->exe);
	p->exe = strdup(path);
}

int process_reread(struct process_table *t, struct process *p)
{
	struct mapping *mappings;
	size_t n;
	int rc = stat_read(p);

	if (rc < 0)
		return rc;
	rc = maps_read(t->images, p->pid, &mappings, &n, NULL);
	if (rc < 0)
		return rc;
	if (!n && p->n_mappings) { /* a process that is just ending has no memory left, but samples
				      had */
		free(mappings);
		return -ESRCH;
	}
	exe_read(p);
	free(p->mappings);
	p->mappings = mappings;
	p->n_mappings = n;
	p->generation = ++t->generation;
	return 0;
}

static struct process *process_add(struct process_table *t, uint32_t pid)
{
	struct process **slot = map_put(t->processes, &pid, NULL), *p;

	if (!slot)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p || !(p->exe = strdup(""))) {
		free(p);
		if (!*slot)
			map_del(t->processes, &pid);
		return NULL;
	}
	if (*slot)
		process_free(*slot);
	p->pid = pid;
	p->generation = ++t->generation;
	*slot = p;
	return p;
}

static void process_remove(struct process_table *t, struct process *p)
{
	map_del(t->processes, &p->pid);
	process_free(p);
}

struct process *process_get(struct process_table *t, uint32_t pid, struct err *err)
{
	struct process *p = process_find(t, pid);
	int rc;

	if (p)
		return p;
	p = process_add(t, pid);
	if (!p) {
		err_set(err, -ENOMEM, "out of memory for process %u", pid);
		return NULL;
	}
	rc = process_reread(t, p);
	if (!rc)
		return p;
	if (rc == -EACCES || rc == -EPERM)
		err_set(err, rc, "process %u belongs to another user or is protected; run as root",
			pid);
	else
		err_set(err, -ESRCH, "there is no process %u", pid);
	process_remove(t, p);
	return NULL;
}

struct process *process_fork(struct process_table *t, const struct process *parent, uint32_t pid)
{
	uint32_t parent_pid = parent->pid;
	struct process *p = process_add(t, pid);

	if (!p)
		return NULL;
	parent = process_find(t, parent_pid);
	if (!parent)
		return p;
	p->parent = parent_pid;
	memcpy(p->comm, parent->comm, sizeof(p->comm));
	free(p->exe);
	p->exe = strdup(parent->exe ? parent->exe : "");
	p->mappings = malloc(parent->n_mappings * sizeof(*p->mappings));
	if (p->mappings && parent->n_mappings) {
		memcpy(p->mappings, parent->mappings, parent->n_mappings * sizeof(*p->mappings));
		p->n_mappings = parent->n_mappings;
	}
	return p;
}

void process_clear(struct process_table *t, struct process *p)
{
	free(p->mappings);
	p->mappings = NULL;
	p->n_mappings = 0;
	p->generation = ++t->generation;
}

int process_map(struct process_table *t, struct process *p, const struct maps_line *line)
{
	struct mapping *fresh = malloc((p->n_mappings + 2) * sizeof(*fresh)), added;
	size_t n = 0, i;

	if (!fresh)
		return -ENOMEM;
	maps_mapping(t->images, p->pid, line, &added);
	for (i = 0; i < p->n_mappings && p->mappings[i].end <= added.start; i++)
		fresh[n++] = p->mappings[i];
	fresh[n++] = added;
	for (; i < p->n_mappings; i++)
		if (p->mappings[i].start >= added.end)
			fresh[n++] = p->mappings[i];
	free(p->mappings);
	p->mappings = fresh;
	p->n_mappings = n;
	p->generation = ++t->generation;
	return 0;
}

void process_retire(struct process *p)
{
	free(p->mappings);
	p->mappings = NULL;
	p->n_mappings = 0;
}

const struct mapping *process_mapping(const struct process *p, uint64_t address)
{
	size_t low = 0, high = p->n_mappings;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (address < p->mappings[mid].start)
			high = mid;
		else if (address >= p->mappings[mid].end)
			low = mid + 1;
		else
			return &p->mappings[mid];
	}
	return NULL;
}
