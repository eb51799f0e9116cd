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
};

struct unwind *unwind_new(struct err *err)
{
	struct unwind *u = calloc(1, sizeof(*u));

	if (u) {
		u->rules = rules_new();
		u->tables = map_new(sizeof(struct image *), sizeof(struct table *));
		u->known = map_new(sizeof(uint32_t), sizeof(struct known *));
	}
	if (!u || !u->rules || !u->tables || !u->known) {
		unwind_free(u);
		err_set(err, -ENOMEM, "out of memory for unwind tables");
		return NULL;
	}
	return u;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void compile(struct unwind *u, struct table *t, const struct image *image)
{
	uint64_t start = clock_now_ns(), took;
	int rc = table_compile(t, image, u->rules);

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

/* ---- processes ------------------------------------------------------------------------------- */

static void known_clear(struct unwind *u, struct known *k)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->tables[i])
			table_put(u, k->tables[i]);
	free(k->tables);
	free(k->mappings);
	k->tables = NULL;
	k->mappings = NULL;
	k->n = 0;
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

/* Mappings and tables of the process into `k`, which is empty. */
static int known_fill(struct unwind *u, struct known *k, const struct process *p)
{
	k->mappings = calloc(p->n_mappings + 1, sizeof(*k->mappings));
	k->tables = calloc(p->n_mappings + 1, sizeof(struct table *));
	if (!k->mappings || !k->tables)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_mappings; i++) {
		const struct mapping *m = &p->mappings[i];
		struct table *t = m->image ? table_get(u, m->image) : NULL;

		if (m->image && !t)
			return -ENOMEM;
		describe(&k->mappings[i], m, t);
		if (t && t->n_cells) {
			t->refs++;
			k->tables[i] = t;
		}
		k->n = i + 1;
	}
	return 0;
}

/* Replaces what is known of the process; what it was stays where memory is out. */
static int known_update(struct unwind *u, struct known *k, const struct process *p, struct err *err)
{
	struct known fresh = *k;
	int rc;

	fresh.n = 0;
	rc = known_fill(u, &fresh, p);
	if (rc < 0) {
		known_clear(u, &fresh);
		return err_set(
			err, rc, "out of memory for the unwind tables of process %u", p->pid);
	}
	fresh.generation = p->generation;
	fresh.memo_generation = next_memo_generation(u);
	known_clear(u, k);
	*k = fresh;
	return 0;
}

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

int unwind_process(struct unwind *u, const struct process *p, struct err *err)
{
	struct known *k = known_get(u, p->pid, err);
	int rc;

	if (!k)
		return -ENOMEM;
	if (k->generation != p->generation) {
		rc = known_update(u, k, p, err);
		if (rc < 0)
			return rc;
	} else if (!u->kernel || (k->slice && !(k->incomplete && k->room != u->room))) {
		return 0;
	}
	return u->kernel ? place_process(u, k, err) : 0;
}

static void known_free(struct unwind *u, struct known *k)
{
	known_clear(u, k);
	map_del(u->known, &k->pid);
	free(k);
}

void unwind_forget(struct unwind *u, uint32_t pid)
{
	struct known **k = map_get(u->known, &pid);

	if (!k)
		return;
	if (u->kernel)
		place_forget(u, *k);
	known_free(u, *k);
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
		sum += (*(struct known **)value)->n;
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
		rc = place_process(u, *(struct known **)value, err);
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
	map_free(u->tables);
	rules_free(u->rules);
	area_close(&u->cells);
	area_close(&u->slices);
	free(u->scratch);
	free(u);
}
