/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/unwind.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "bpf/contract.h"
#include "unwind/state.h"

#define LOG_ROOM "unwind"
#include "base/log.h"

enum {
	SPARE_CELLS = 2 << 20, /* 8 MiB: the libraries of a large program that come later */
	SPARE_MAPPINGS = 8192,
	SWEEP_TABLES = 16, /* new ones between two looks for rules that are not used any more */
};

struct unwind *unwind_new(struct err *err)
{
	struct unwind *u = calloc(1, sizeof(*u));

	if (u) {
		u->rules = rules_new();
		u->tables = map_new(sizeof(struct image *), sizeof(struct table *));
		u->spaces = map_new(sizeof(uint64_t), sizeof(struct space *));
		u->known = map_new(sizeof(uint32_t), sizeof(struct known *));
	}
	if (!u || !u->rules || !u->tables || !u->spaces || !u->known) {
		unwind_free(u);
		err_set(err, -ENOMEM, "out of memory for unwind tables");
		return NULL;
	}
	return u;
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* Behind the page index a table has rows, whose low half is the number of a rule. */
static void rules_mark(const struct unwind *u, const struct table *t, bool *used)
{
	const uint32_t *cells = table_cells(u, t);

	for (uint32_t i = t->n_pages + 1; i < t->n_cells; i++)
		used[cells[i] & 0xffff] = true;
}

/* Rules are shared by all tables; over weeks the numbers of those that no table has any more are
 * needed again. */
static void rules_collect(struct unwind *u)
{
	bool *used;
	const void *key;
	void *value;
	size_t at = 0;

	if (u->new_tables++ < SWEEP_TABLES || !rules_are_short(u->rules, RULES_OF_A_FILE_MAX))
		return;
	used = calloc(PROFD_MAX_RULES, sizeof(*used));
	if (!used)
		return;
	u->new_tables = 0;
	while (map_next(u->tables, &at, &key, &value))
		if (*(struct table **)value && (*(struct table **)value)->n_cells)
			rules_mark(u, *(struct table **)value, used);
	for (const struct table *t = u->forgotten; t; t = t->next_forgotten)
		if (t->n_cells)
			rules_mark(u, t, used);
	rules_sweep(u->rules, used);
	free(used);
}

static void compile(struct unwind *u, struct table *t, const struct image *image)
{
	uint64_t start = clock_now_ns(), took;
	int rc;

	rules_collect(u);
	rc = table_compile(t, image, u->rules);
	took = clock_now_ns() - start;
	u->stats.tables++;
	u->stats.compile_ns += took;
	u->stats.rows += t->n_rows;
	u->stats.unsupported_rows += t->n_unsupported;
	if (rc < 0) {
		t->n_cells = 0;
		u->stats.table_failures++;
		log_debug("%s: no unwind table (%s), frame pointers are tried", image->path,
			strerror(-rc));
	} else {
		log_debug("%s: %u rows, %u unsupported, %u bad entries, %" PRIu64 " us",
			image->path, t->n_rows, t->n_unsupported, t->n_bad_entries, took / 1000);
	}
}

/* The table of an image, compiled if need be. n_cells is 0: it has none. NULL: out of memory. */
static struct table *table_get(struct unwind *u, const struct image *image)
{
	struct table **at = map_put(u->tables, &image, NULL);

	if (at && !*at) {
		*at = calloc(1, sizeof(**at));
		if (*at)
			compile(u, *at, image);
		else
			map_del(u->tables, &image);
	}
	return at ? *at : NULL;
}

void unwind_forget_image(struct unwind *u, const struct image *image)
{
	struct table **at = map_get(u->tables, &image), *t = at ? *at : NULL;

	if (!t)
		return;
	if (!t->refs) {
		table_drop(u, t);
		return;
	}
	map_del(u->tables, &image);
	t->image = NULL;
	t->forgotten = true;
	t->next_forgotten = u->forgotten;
	u->forgotten = t;
}

/* ---- spaces ---------------------------------------------------------------------------------- */

static void space_put(struct unwind *u, struct space *s)
{
	if (!s || --s->refs)
		return;
	if (s->layout)
		map_del(u->spaces, &s->layout);
	for (size_t i = 0; i < s->n; i++)
		if (s->tables[i])
			table_put(u, s->tables[i]);
	slice_put(u, s->slice);
	free(s->tables);
	free(s->mappings);
	free(s);
}

static void describe(struct profd_mapping *to, const struct mapping *m, const struct table *t)
{
	*to = (struct profd_mapping){.start = m->start, .end = m->end, .bias = m->bias};
	if (!m->image) {
		to->kind = PROFD_MAPPING_ANON;
	} else if (!t->n_cells) {
		to->kind = PROFD_MAPPING_FP;
	} else {
		to->kind = PROFD_MAPPING_TABLE;
		to->vaddr_start = t->vaddr_start;
		to->n_pages = t->n_pages;
	}
}

/* Mappings and tables of the process into `s`, which is empty. */
static int space_fill(struct unwind *u, struct space *s, const struct process *p)
{
	s->mappings = calloc(p->n_mappings + 1, sizeof(*s->mappings));
	s->tables = calloc(p->n_mappings + 1, sizeof(struct table *));
	if (!s->mappings || !s->tables)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_mappings; i++) {
		const struct mapping *m = &p->mappings[i];
		struct table *t = m->image ? table_get(u, m->image) : NULL;

		if (m->image && !t)
			return -ENOMEM;
		describe(&s->mappings[i], m, t);
		if (t && t->n_cells) {
			table_take(u, t);
			s->tables[i] = t;
		}
		s->n = i + 1;
	}
	return 0;
}

/* The space of the process as it is now: that of its parent where it has the same mappings. One
 * reference is the caller's. NULL: out of memory. */
static struct space *space_get(struct unwind *u, const struct process *p)
{
	struct space **at = p->layout ? map_get(u->spaces, &p->layout) : NULL, *s;

	if (at) {
		(*at)->refs++;
		return *at;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->refs = 1;
	s->memo_generation = next_memo_generation(u);
	if (space_fill(u, s, p) < 0) {
		space_put(u, s);
		return NULL;
	}
	at = p->layout ? map_put(u->spaces, &p->layout, NULL) : NULL;
	if (at) {
		*at = s;
		s->layout = p->layout;
	}
	return s;
}

/* ---- processes ------------------------------------------------------------------------------- */

static struct known *known_get(struct unwind *u, uint32_t pid, struct err *err)
{
	struct known **at = map_put(u->known, &pid, NULL);

	if (at && !*at) {
		*at = calloc(1, sizeof(**at));
		if (*at)
			(*at)->pid = pid;
		else
			map_del(u->known, &pid);
	}
	if (!at || !*at) {
		err_set(err, -ENOMEM, "out of memory for process %u", pid);
		return NULL;
	}
	return *at;
}

/* Whether the kernel walks with all that there can be. */
static bool is_placed(const struct unwind *u, const struct known *k)
{
	return k->slice && k->slice == k->space->slice &&
	       !(k->space->incomplete && k->space->room != u->room);
}

int unwind_process(struct unwind *u, const struct process *p, struct err *err)
{
	struct known *k = known_get(u, p->pid, err);

	if (!k)
		return -ENOMEM;
	if (!k->space || k->generation != p->generation) {
		struct space *s = space_get(u, p); /* what it was stays where memory is out */

		if (!s)
			return err_set(err, -ENOMEM,
				"out of memory for the unwind tables of process %u", p->pid);
		space_put(u, k->space);
		k->space = s;
		k->generation = p->generation;
	}
	/* The kernel needs nothing for a process that is gone. */
	return u->kernel && !p->exited && !is_placed(u, k) ? place_process(u, k, err) : 0;
}

void unwind_forget(struct unwind *u, uint32_t pid)
{
	struct known **at = map_get(u->known, &pid), *k = at ? *at : NULL;

	if (!k)
		return;
	if (u->kernel)
		place_forget(u, k);
	space_put(u, k->space);
	map_del(u->known, &pid);
	free(k);
}

void unwind_reclaim(struct unwind *u)
{
	u->epoch++;
	place_reclaim(u, false);
}

/* ---- the kernel side ------------------------------------------------------------------------- */

static uint32_t with_spare(uint64_t need, uint64_t spare)
{
	uint64_t all = need + (need > spare ? need : spare);

	return all < UINT32_MAX / 2 ? (uint32_t)all
				    : UINT32_MAX / 2; /* above: tables in user memory */
}

uint32_t unwind_cells_needed(const struct unwind *u)
{
	const void *key;
	void *value;
	uint64_t sum = 0;
	size_t at = 0;

	while (map_next(u->tables, &at, &key, &value))
		sum += (*(struct table **)value)->n_cells;
	return with_spare(sum, SPARE_CELLS);
}

uint32_t unwind_mappings_needed(const struct unwind *u)
{
	const void *key;
	void *value;
	uint64_t sum = 0;
	size_t at = 0;

	while (map_next(u->known, &at, &key, &value))
		if ((*(struct known **)value)->space)
			sum += (*(struct known **)value)->space->n;
	return with_spare(
		sum * 2, SPARE_MAPPINGS); /* twice: an old slice outlives its successor's birth */
}

static int bind_areas(struct unwind *u, const struct collect_tables *t, struct err *err)
{
	uint32_t cells = t->n_cells & ~1U, max = UINT32_MAX / 2;
	uint32_t n_rules;

	if (u->kernel)
		return err_set(err, -EALREADY, "the kernel's tables are bound already");
	rules_all(u->rules, &n_rules);
	if (rules_mirror(u->rules, t->rules, t->n_rules) < 0)
		return err_set(err, -ENOSPC,
			"the kernel's table of rules has room for %u, needed are %u", t->n_rules,
			n_rules);
	if (area_init(&u->cells, cells < max ? cells : max) < 0 ||
		area_init(&u->slices, t->n_mappings) < 0)
		return err_set(err, -ENOMEM, "out of memory for unwind tables");
	u->kernel = t;
	return 0;
}

int unwind_bind(struct unwind *u, const struct collect_tables *t, struct err *err)
{
	const void *key;
	void *value;
	size_t at = 0;
	int rc = bind_areas(u, t, err);

	while (rc == 0 && map_next(u->known, &at, &key, &value)) {
		struct known *k = *(struct known **)value;

		rc = k->space ? place_process(u, k, err) : 0;
		if (rc == -ENOSPC) /* said there; it stays served from user memory */
			rc = 0;
	}
	return rc;
}

void unwind_stats(const struct unwind *u, struct unwind_stats *stats)
{
	uint32_t n;

	*stats = u->stats;
	rules_all(u->rules, &n);
	stats->rules = n;
	stats->cells_used = u->cells.used;
	stats->cells = u->cells.size;
}

void unwind_free(struct unwind *u)
{
	const void *key;
	void *value;
	size_t at;

	if (!u)
		return;
	for (at = 0; u->known && map_next(u->known, &at, &key, &value); at = 0)
		unwind_forget(u, *(const uint32_t *)key);
	place_reclaim(u, true);
	for (at = 0; u->tables && map_next(u->tables, &at, &key, &value);) {
		table_free_cells(*(struct table **)value);
		free(*(struct table **)value);
	}
	map_free(u->known);
	map_free(u->spaces);
	map_free(u->tables);
	rules_free(u->rules);
	area_close(&u->cells);
	area_close(&u->slices);
	free(u->scratch);
	free(u);
}
