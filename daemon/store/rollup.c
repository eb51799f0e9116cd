/* SPDX-License-Identifier: BSD-2-Clause */
/* Self and total time of the functions of each process of a merged window, so that a question for a
 * function over weeks needs no unpacking. Of each process the functions with the most time are
 * kept, as far as they have a share of the window that is worth a row. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "store/inner.h"
#include "store/statements.h"

static const struct {
	uint64_t share;  /* of the window's samples that a function needs, as 1 / share */
	size_t rows_max; /* per process */
} bounds[TIERS] = {
	[TIER_MINUTE] = {50, 32},
	[TIER_HOUR] = {1000, 256},
};

struct node {
	int64_t parent, function;
};

struct function_sum {
	uint64_t self_ns, total_ns, samples;
	uint64_t stack; /* the last stack that was added: recursion counts once */
};

struct function_row {
	int64_t function;
	struct function_sum sum;
};

struct rollup {
	struct store *s;
	int64_t window;
	enum tier tier;
	uint64_t samples_min;
	struct map *functions; /* int64_t -> struct function_sum */
	uint64_t series, n_stacks;
};

struct rollup *rollup_new(struct store *s, int64_t window, enum tier tier, uint64_t window_samples)
{
	struct rollup *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct rollup){.s = s, .window = window, .tier = tier};
	r->samples_min = window_samples / bounds[tier].share;
	if (r->samples_min < 2)
		r->samples_min = 2;
	return r;
}

void rollup_free(struct rollup *r)
{
	if (r)
		map_free(r->functions);
	free(r);
}

static int compare_rows(const void *a, const void *b)
{
	const struct function_row *x = a, *y = b;

	if (x->sum.total_ns != y->sum.total_ns)
		return x->sum.total_ns > y->sum.total_ns ? -1 : 1;
	return x->function < y->function ? -1 : x->function > y->function;
}

static int64_t rounded_ms(uint64_t ns)
{
	return (int64_t)((ns + NS_PER_MS / 2) / NS_PER_MS);
}

static size_t rows_take(const struct rollup *r, struct function_row *rows)
{
	const void *key;
	void *value;
	size_t at = 0, n = 0;

	while (map_next(r->functions, &at, &key, &value)) {
		const struct function_sum *sum = value;

		if (sum->samples >= r->samples_min)
			rows[n++] = (struct function_row){*(const int64_t *)key, *sum};
	}
	qsort(rows, n, sizeof(*rows), compare_rows);
	return n < bounds[r->tier].rows_max ? n : bounds[r->tier].rows_max;
}

/* The process before is complete. */
static int series_end(struct rollup *r, struct err *err)
{
	size_t n = r->functions ? map_count(r->functions) : 0;
	struct function_row *rows;
	int rc = 0;

	if (!n)
		return 0;
	rows = calloc(n, sizeof(*rows));
	if (!rows)
		return err_set(err, -ENOMEM, "out of memory for merging windows");
	n = rows_take(r, rows);
	for (size_t i = 0; i < n && !rc; i++)
		rc = db_run(&r->s->db, ROLLUP_ADD, err, "iiiii", r->window, (int64_t)r->series,
			rows[i].function, rounded_ms(rows[i].sum.self_ns),
			rounded_ms(rows[i].sum.total_ns));
	free(rows);
	map_free(r->functions);
	r->functions = NULL;
	return rc;
}

static int node_get(struct rollup *r, int64_t stack, struct node *node, struct err *err)
{
	const struct node *known = cache_get(&r->s->nodes, &stack);
	sqlite3_stmt *s;
	int rc;

	if (known) {
		*node = *known;
		return 0;
	}
	rc = db_use(&r->s->db, NODE_GET, &s, err, "i", stack);
	if (!rc)
		rc = db_step(&r->s->db, s, err);
	if (rc < 0)
		return rc;
	if (rc == 1) {
		*node = (struct node){sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1)};
		db_done(s);
	}
	if (!rc || node->parent < 0 || node->parent >= stack)
		return store_damaged(r->s, r->window, err);
	cache_put(&r->s->nodes, &stack, node);
	return 0;
}

int rollup_add(struct rollup *r, const struct pack_entry *e, uint64_t period_ns, struct err *err)
{
	uint64_t weight_ns = e->samples * period_ns;
	bool leaf = true;
	int rc = 0;

	if (e->series != r->series)
		rc = series_end(r, err);
	r->series = e->series;
	if (!rc && !r->functions)
		r->functions = map_new(sizeof(int64_t), sizeof(struct function_sum));
	if (!rc && !r->functions)
		rc = err_set(err, -ENOMEM, "out of memory for merging windows");
	r->n_stacks++;
	for (int64_t stack = (int64_t)e->stack; stack && !rc;) {
		struct function_sum *sum;
		struct node node;

		rc = node_get(r, stack, &node, err);
		if (rc < 0)
			return rc;
		sum = map_put(r->functions, &node.function, NULL);
		if (!sum)
			return err_set(err, -ENOMEM, "out of memory for merging windows");
		if (leaf)
			sum->self_ns += weight_ns;
		if (sum->stack != r->n_stacks) {
			sum->total_ns += weight_ns;
			sum->samples += e->samples;
		}
		sum->stack = r->n_stacks;
		leaf = false;
		stack = node.parent;
	}
	return rc;
}

int rollup_end(struct rollup *r, struct err *err)
{
	return series_end(r, err);
}
