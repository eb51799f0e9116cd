/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's copy: which tables and slices lie where, and when their place may be used again. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "bpf/contract.h"
#include "unwind/state.h"

#define LOG_ROOM "unwind"
#include "base/log.h"

enum {
	GRACE_EPOCHS = 2,
	IDLE_BYTES_MAX = 4 << 20,
};

uint32_t next_memo_generation(struct unwind *u)
{
	if (!++u->memo_generation)
		u->memo_generation = 1;
	return u->memo_generation;
}

static uint64_t cell_bytes(const struct table *t)
{
	return (uint64_t)t->n_cells * sizeof(*t->cells);
}

const uint32_t *table_cells(const struct unwind *u, const struct table *t)
{
	return t->placed ? (const uint32_t *)u->kernel->cells + t->at : t->cells;
}

void table_take(struct unwind *u, struct table *t)
{
	t->refs++;
	if (t->idle)
		u->idle_bytes -= cell_bytes(t);
	t->idle = false;
}

void table_drop(struct unwind *u, struct table *t)
{
	struct table **link = &u->forgotten;

	if (t->placed) {
		area_give(&u->cells, t->at, t->n_cells);
		u->room++;
	}
	if (t->idle)
		u->idle_bytes -= cell_bytes(t);
	if (t->forgotten) {
		while (*link != t)
			link = &(*link)->next_forgotten;
		*link = t->next_forgotten;
	} else {
		map_del(u->tables, &t->image);
	}
	table_free_cells(t);
	free(t);
}

/* A table that nobody uses stays in the kernel's area until its place is needed: programs come
 * back. So do some that have no place there. */
void table_put(struct unwind *u, struct table *t)
{
	if (--t->refs)
		return;
	t->idle_since = u->epoch;
	u->room++;
	if (t->forgotten) {
		table_drop(u, t);
	} else if (!t->placed && t->n_cells) {
		if (u->idle_bytes + cell_bytes(t) > IDLE_BYTES_MAX) {
			table_drop(u, t);
			return;
		}
		t->idle = true;
		u->idle_bytes += cell_bytes(t);
	}
}

/* The table that is idle for the longest time, or NULL. */
static struct table *find_idle(const struct unwind *u)
{
	struct table *oldest = NULL;
	const void *key;
	void *value;
	size_t at = 0;

	while (map_next(u->tables, &at, &key, &value)) {
		struct table *t = *(struct table **)value;

		if (t->placed && !t->refs && (!oldest || t->idle_since < oldest->idle_since))
			oldest = t;
	}
	return oldest;
}

static bool take_cells(struct unwind *u, uint32_t n, uint32_t *at)
{
	struct table *idle;

	while (!area_take(&u->cells, n, at)) {
		idle = n <= u->cells.size ? find_idle(u) : NULL;
		if (!idle)
			return false;
		table_drop(u, idle);
		u->stats.evicted++;
	}
	return true;
}

bool place_table(struct unwind *u, struct table *t)
{
	uint32_t at;

	if (t->placed)
		return true;
	if (!take_cells(u, t->n_cells, &at))
		return false;
	memcpy((uint32_t *)u->kernel->cells + at, t->cells, t->n_cells * sizeof(*t->cells));
	table_free_cells(t);
	t->at = at;
	t->placed = true;
	return true;
}

/* ---- slices ---------------------------------------------------------------------------------- */

static void slice_free(struct unwind *u, struct slice *s)
{
	for (size_t i = 0; i < s->n_tables; i++)
		table_put(u, s->tables[i]);
	if (s->n)
		area_give(&u->slices, s->at, s->n);
	u->room++;
	free(s->tables);
	free(s);
}

/* The kernel may still be reading it. */
void slice_put(struct unwind *u, struct slice *s)
{
	if (!s || --s->refs)
		return;
	s->retired = u->epoch;
	s->next = u->retired;
	u->retired = s;
}

void place_reclaim(struct unwind *u, bool now)
{
	struct slice **link = &u->retired, *s;

	while ((s = *link)) {
		if (!now && u->epoch - s->retired < GRACE_EPOCHS) {
			link = &s->next;
			continue;
		}
		*link = s->next;
		slice_free(u, s);
	}
}

/* The mappings that the kernel can walk, copied to `to` (room for space->n); their number. */
static uint32_t slice_fill(
	struct unwind *u, struct space *space, struct slice *s, struct profd_mapping *to)
{
	uint32_t n = 0;

	space->incomplete = false;
	for (size_t i = 0; i < space->n; i++) {
		struct table *t = space->tables[i];

		if (t && !place_table(u, t)) {
			space->incomplete = true;
			continue;
		}
		to[n] = space->mappings[i];
		if (t) {
			to[n].pages = t->at;
			table_take(u, t);
			s->tables[s->n_tables++] = t;
		}
		n++;
	}
	return n;
}

static struct slice *slice_new(struct unwind *u, struct space *space)
{
	struct profd_mapping *all = calloc(space->n + 1, sizeof(*all));
	struct slice *s = calloc(1, sizeof(*s));

	if (s)
		s->tables = calloc(space->n + 1, sizeof(*s->tables));
	if (!s || !all || !s->tables) {
		if (s)
			free(s->tables);
		free(s);
		free(all);
		return NULL;
	}
	s->refs = 1;
	s->memo_generation = next_memo_generation(u);
	s->n = slice_fill(u, space, s, all);
	if (s->n && !area_take(&u->slices, s->n, &s->at)) {
		s->n = 0;
		space->incomplete = true;
	}
	memcpy(u->kernel->mappings + s->at, all, s->n * sizeof(*all));
	free(all);
	return s;
}

static int announce(struct unwind *u, const struct known *k, const struct slice *s, struct err *err)
{
	struct profd_process p = {
		.mappings = s->at, .n_mappings = s->n, .generation = s->memo_generation};

	if (u->kernel->processes_fd < 0)
		return 0;
	atomic_thread_fence(memory_order_release); /* tables before the entry that leads to them */
	if (bpf_map_update_elem(u->kernel->processes_fd, &k->pid, &p, BPF_ANY) == 0)
		return 0;
	return err_set(err, -errno,
		"cannot tell the kernel about process %u: %s; its native stacks come slowly or not at all",
		k->pid,
		errno == E2BIG ? "too many processes are profiled at once" : strerror(errno));
}

/* A slice of all that has room at this moment. */
static int space_place(struct unwind *u, struct space *space)
{
	struct slice *s;

	if (space->slice && !(space->incomplete && space->room != u->room))
		return 0;
	s = slice_new(u, space);
	if (!s)
		return -ENOMEM;
	space->room = u->room;
	slice_put(u, space->slice);
	space->slice = s;
	return 0;
}

static int no_room(struct unwind *u, const struct known *k, struct err *err)
{
	u->stats.no_room++;
	if (!u->no_room_said)
		log_warn(
			"no room for all unwind tables in the kernel: some stacks are walked in user space");
	u->no_room_said = true;
	return err_set(
		err, -ENOSPC, "no room in the kernel for all unwind tables of process %u", k->pid);
}

int place_process(struct unwind *u, struct known *k, struct err *err)
{
	int rc = space_place(u, k->space);

	if (rc < 0)
		return err_set(err, rc, "out of memory for the mappings of process %u", k->pid);
	if (k->slice != k->space->slice) {
		rc = announce(u, k, k->space->slice, err);
		if (rc < 0)
			return rc;
		slice_put(u, k->slice);
		k->slice = k->space->slice;
		k->slice->refs++;
	}
	return k->space->incomplete ? no_room(u, k, err) : 0;
}

void place_forget(struct unwind *u, struct known *k)
{
	if (!k->slice)
		return;
	if (u->kernel->processes_fd >= 0)
		bpf_map_delete_elem(u->kernel->processes_fd, &k->pid);
	slice_put(u, k->slice);
	k->slice = NULL;
}
