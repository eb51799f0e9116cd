/* SPDX-License-Identifier: BSD-2-Clause */
#include "analyze/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const by_names[REPORT_BYS] = {
	[REPORT_FUNCTION] = "function",
	[REPORT_LINE] = "line",
	[REPORT_MODULE] = "module",
	[REPORT_PROCESS] = "process",
	[REPORT_THREAD] = "thread",
	[REPORT_CONTAINER] = "container",
};

const char *report_by_name(enum report_by by)
{
	return (unsigned)by < REPORT_BYS ? by_names[by] : "unknown";
}

bool report_by_find(const char *name, enum report_by *by)
{
	for (unsigned i = 0; i < REPORT_BYS; i++) {
		if (strcmp(by_names[i], name) != 0)
			continue;
		*by = (enum report_by)i;
		return true;
	}
	return false;
}

struct order {
	const struct tally *t;
	enum report_sort sort;
};

static int compare_rows(const void *a, const void *b, void *arg)
{
	const struct order *o = arg;

	return tally_compare(o->t, o->sort, *(const uint32_t *)a, *(const uint32_t *)b);
}

size_t report_order(const struct tally *t, enum report_sort sort, uint32_t *order)
{
	size_t n = 0;

	for (uint32_t i = 0; i < t->n_rows; i++)
		if (t->rows[i].total_samples || t->rows[i].total_weight_ns)
			order[n++] = i;
	qsort_r(order, n, sizeof(*order), compare_rows, &(struct order){t, sort});
	return n;
}

static const char *name_of(const struct tally *t, const struct tally_row *row)
{
	const char *name = tally_text(t->p, tally_name(t, row));

	if (*name)
		return name;
	return t->by == REPORT_MODULE && row->kind == FRAME_KERNEL ? "kernel" : "[unknown]";
}

static double share(const struct tally *t, uint64_t samples, uint64_t weight_ns)
{
	uint64_t whole = tally_value(t, t->samples, t->weight_ns);

	return whole ? (double)tally_value(t, samples, weight_ns) / (double)whole : 0;
}

void report_row_fill(struct report_row *out, const struct tally *t, uint32_t number,
	const struct row_error *error)
{
	const struct tally_row *row = &t->rows[number];
	const struct frame *f = &t->p->frames[row->frame];
	bool placed = t->by == REPORT_FUNCTION || t->by == REPORT_LINE;

	*out = (struct report_row){
		.name = name_of(t, row),
		.file = placed ? tally_text(t->p, f->file) : "",
		.module = placed ? tally_text(t->p, f->module) : "",
		.line = placed ? f->line : 0,
		.kind = (enum frame_kind)row->kind,
		.frame = row->frame,
		.self_samples = row->self_samples,
		.total_samples = row->total_samples,
		.self_weight_ns = row->self_weight_ns,
		.total_weight_ns = row->total_weight_ns,
		.self = share(t, row->self_samples, row->self_weight_ns),
		.total = share(t, row->total_samples, row->total_weight_ns),
		.self_error = error->self,
		.total_error = error->total,
	};
}

static int fill(struct report *out, const struct tally *t, size_t limit)
{
	uint32_t *order = calloc((size_t)t->n_rows + 1, sizeof(*order));
	struct row_error *errors = NULL;
	int rc = order ? report_errors(t, &errors, &out->has_errors) : -ENOMEM;

	if (rc == 0) {
		out->n_all = report_order(t, out->sort, order);
		out->n_rows = limit && limit < out->n_all ? limit : out->n_all;
		out->rows = calloc(out->n_rows + 1, sizeof(*out->rows));
		if (!out->rows)
			rc = -ENOMEM;
	}
	for (size_t i = 0; rc == 0 && i < out->n_rows; i++)
		report_row_fill(&out->rows[i], t, order[i], &errors[order[i]]);
	free(order);
	free(errors);
	return rc;
}

int analyze_report(const struct profile *p, enum report_by by, enum report_sort sort, size_t limit,
	struct report *out)
{
	struct tally t;
	int rc;

	*out = (struct report){.by = by, .sort = sort};
	rc = tally_make(&t, p, by);
	if (rc == 0) {
		out->samples = t.samples;
		out->weight_ns = t.weight_ns;
		rc = fill(out, &t, limit);
	}
	tally_clear(&t);
	if (rc < 0)
		report_clear(out);
	return rc;
}

void report_clear(struct report *r)
{
	free(r->rows);
	*r = (struct report){0};
}
