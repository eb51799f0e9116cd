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
	uint64_t generation; /* last one given out, of layouts too */
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

int process_images_sweep(
	struct process_table *t, void (*each)(void *arg, const struct image *image), void *arg)
{
	const struct process *p;
	size_t at = 0;

	images_sweep_begin(t->images);
	while ((p = process_next(t, &at)))
		for (size_t i = 0; i < p->n_mappings; i++)
			if (p->mappings[i].image)
				images_seen(t->images, p->mappings[i].image);
	return images_sweep_end(t->images, each, arg);
}

/* ---- processes ---------------------------------------------------------------------------------
 */

/* The start that was told first stays: it is the identity of the process. */
static int stat_read(struct process *p)
{
	struct process_usage now;

	if (!process_usage_read(p->pid, &now))
		return -ESRCH;
	if (!p->start_ticks)
		p->start_ticks = now.start_ticks;
	else if (!process_same_start(p->start_ticks, now.start_ticks))
		return -ESRCH;
	memcpy(p->comm, now.comm, sizeof(p->comm));
	p->parent = now.parent;
	return 0;
}

static void exe_read(struct process *p)
{
	char name[64], path[4096], *exe;
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/%u/exe", p->pid);
	n = readlink(name, path, sizeof(path) - 1);
	if (n < 0)
		return;
	path[n] = '\0';
	maps_strip_deleted(path);
	exe = strdup(path);
	if (!exe)
		return;
	free(p->exe);
	p->exe = exe;
	p->exe_comes = false;
}

static bool mapping_equal(const struct mapping *a, const struct mapping *b)
{
	return a->start == b->start && a->end == b->end && a->file_offset == b->file_offset &&
	       a->bias == b->bias && a->kind == b->kind && a->is_denied == b->is_denied &&
	       a->image == b->image;
}

static bool mappings_equal(const struct process *p, const struct mapping *mappings, size_t n)
{
	if (n != p->n_mappings)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!mapping_equal(&p->mappings[i], &mappings[i]))
			return false;
	return true;
}

static void mappings_changed(struct process_table *t, struct process *p)
{
	p->generation = p->layout = ++t->generation;
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
	p->n_applied = 0;
	if (mappings_equal(p, mappings, n)) {
		free(mappings);
		return 0;
	}
	free(p->mappings);
	p->mappings = mappings;
	p->n_mappings = p->cap_mappings = n;
	mappings_changed(t, p);
	return 0;
}

struct process *process_add(struct process_table *t, uint32_t pid)
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
	p->n_threads = -1;
	mappings_changed(t, p);
	*slot = p;
	return p;
}

void process_remove(struct process_table *t, struct process *p)
{
	uint32_t pid = p->pid;

	map_del(t->processes, &pid);
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
	char *exe;

	if (!p)
		return NULL;
	parent = process_find(t, parent_pid);
	if (!parent)
		return p;
	p->parent = parent_pid;
	p->exe_comes = parent->exe_comes;
	memcpy(p->comm, parent->comm, sizeof(p->comm));
	exe = strdup(parent->exe);
	if (exe) {
		free(p->exe);
		p->exe = exe;
	}
	if (!parent->n_mappings)
		return p;
	p->mappings = malloc(parent->n_mappings * sizeof(*p->mappings));
	if (!p->mappings)
		return p;
	memcpy(p->mappings, parent->mappings, parent->n_mappings * sizeof(*p->mappings));
	p->n_mappings = p->cap_mappings = parent->n_mappings;
	p->layout = parent->layout;
	return p;
}

void process_clear(struct process_table *t, struct process *p)
{
	p->n_mappings = 0;
	p->n_applied = 0;
	p->exe_comes = true;
	mappings_changed(t, p);
}

/* ---- one more mapping --------------------------------------------------------------------------
 */

static int mappings_reserve(struct process *p, size_t n)
{
	struct mapping *more;
	size_t cap = p->cap_mappings ? p->cap_mappings : 8;

	if (n <= p->cap_mappings)
		return 0;
	while (cap < n)
		cap *= 2;
	more = realloc(p->mappings, cap * sizeof(*more));
	if (!more)
		return -ENOMEM;
	p->mappings = more;
	p->cap_mappings = cap;
	return 0;
}

/* Whether what the line says is known already: from the maps file, or because the process changes
 * the protection of its generated code to and fro. */
static bool is_known(const struct process *p, const struct maps_line *line)
{
	const struct mapping *m = process_mapping(p, line->start);

	if (!m || m->end < line->end)
		return false;
	if (maps_is_special(line->path) && strcmp(line->path, "[vdso]") != 0)
		return mapping_is_bare(m);
	return m->image && m->image->inode == line->inode &&
	       m->file_offset + (line->start - m->start) == line->file_offset;
}

/* The mappings [*first, *last) go, since `added` covers them; `pieces` of the outer two stay, or
 * grow together with it. Returns how many pieces there are, with `added` among them. */
static size_t cut(const struct process *p, struct mapping *added, size_t *first, size_t *last,
	struct mapping pieces[3])
{
	const struct mapping *all = p->mappings;
	bool bare = mapping_is_bare(added);
	uint64_t start = added->start, end = added->end;
	size_t n = 0, i = 0, j;

	while (i < p->n_mappings && all[i].end < start + !bare)
		i++;
	for (j = i; j < p->n_mappings && all[j].start < end + bare; j++)
		if (bare && mapping_is_bare(&all[j])) {
			added->start = all[j].start < added->start ? all[j].start : added->start;
			added->end = all[j].end > added->end ? all[j].end : added->end;
		}
	if (i < j && all[i].start < added->start) {
		pieces[n] = all[i];
		pieces[n].end = all[i].end < start ? all[i].end : start;
		n++;
	}
	pieces[n++] = *added;
	if (i < j && all[j - 1].end > added->end) {
		uint64_t skip = all[j - 1].start < end ? end - all[j - 1].start : 0;

		pieces[n] = all[j - 1];
		pieces[n].start += skip;
		pieces[n++].file_offset += skip;
	}
	*first = i;
	*last = j;
	return n;
}

int process_map(struct process_table *t, struct process *p, const struct maps_line *line)
{
	struct mapping added, pieces[3];
	size_t first, last, n;

	if (is_known(p, line))
		return 0;
	if (mappings_reserve(p, p->n_mappings + 2) < 0)
		return -ENOMEM;
	maps_mapping(t->images, p->pid, line, &added);
	n = cut(p, &added, &first, &last, pieces);
	memmove(p->mappings + first + n, p->mappings + last,
		(p->n_mappings - last) * sizeof(*p->mappings));
	memcpy(p->mappings + first, pieces, n * sizeof(*pieces));
	p->n_mappings = p->n_mappings - (last - first) + n;
	p->n_applied++;
	mappings_changed(t, p);
	return added.image || added.is_denied || maps_is_special(line->path) ? 1 : -ESTALE;
}

void process_retire(struct process *p)
{
	free(p->mappings);
	p->mappings = NULL;
	p->n_mappings = p->cap_mappings = 0;
	p->layout = 0;
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
