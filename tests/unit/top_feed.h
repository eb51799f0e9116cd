/* SPDX-License-Identifier: BSD-2-Clause */
/* What a receiver of a watch would hand on, made by hand: a tree that grows, and intervals over it.
 */
#ifndef PROFD_TESTS_TOP_FEED_H
#define PROFD_TESTS_TOP_FEED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/top/top_model_inner.h"

enum { FEED_PERIOD_NS = 10000000, FEED_PROCESSES = 64 };

struct feed {
	struct profile tree;
	uint32_t cap_strings, cap_frames, cap_nodes;
	struct watch_process processes[FEED_PROCESSES];
	size_t n_processes;
	struct watch_count *counts;
	size_t n_counts, cap_counts;
	struct watch_interval head; /* of the next interval */
};

static inline void *feed_grow(void *array, uint32_t n, uint32_t *cap, size_t bytes)
{
	if (n < *cap)
		return array;
	*cap = *cap ? *cap * 2 : 64;
	array = realloc(array, *cap * bytes);
	assert_non_null(array);
	return array;
}

static inline uint32_t feed_text(struct feed *f, const char *text)
{
	struct profile *p = &f->tree;

	/* The last ones first: a test of many names looks for none of them twice */
	for (uint32_t i = p->n_strings, looked = 0; i-- > 0 && looked < 200; looked++)
		if (!strcmp(p->strings[i], text))
			return i;
	p->strings = feed_grow(p->strings, p->n_strings, &f->cap_strings, sizeof(*p->strings));
	p->strings[p->n_strings] = strdup(text);
	assert_non_null(p->strings[p->n_strings]);
	return p->n_strings++;
}

static inline uint32_t feed_frame(struct feed *f, const struct frame *content)
{
	struct profile *p = &f->tree;

	for (uint32_t i = p->n_frames, looked = 0; i-- > 0 && looked < 200; looked++)
		if (!memcmp(&p->frames[i], content, sizeof(*content)))
			return i;
	p->frames = feed_grow(p->frames, p->n_frames, &f->cap_frames, sizeof(*p->frames));
	p->frames[p->n_frames] = *content;
	return p->n_frames++;
}

static inline uint32_t feed_node(struct feed *f, uint32_t parent, uint32_t frame)
{
	struct profile *p = &f->tree;

	p->nodes = feed_grow(p->nodes, p->n_nodes, &f->cap_nodes, sizeof(*p->nodes));
	p->nodes[p->n_nodes] = (struct stack_node){.parent = parent, .frame = frame};
	return p->n_nodes++;
}

static inline void feed_init(struct feed *f)
{
	*f = (struct feed){.head = {.start_unix_s = 1000,
				   .interval_s = 1,
				   .elapsed_s = 1,
				   .rate_hz = 100,
				   .cpus = 2,
				   .cpu_percent = 0.5,
				   .kernel_cpu_percent = 0.25,
				   .rss_bytes = 1 << 20}};
	feed_text(f, "");
	feed_frame(f, &(struct frame){.kind = FRAME_ROOT});
	feed_node(f, 0, 0);
}

static inline void feed_clear(struct feed *f)
{
	for (uint32_t i = 0; i < f->tree.n_strings; i++)
		free(f->tree.strings[i]);
	free(f->tree.strings);
	free(f->tree.frames);
	free(f->tree.nodes);
	free(f->counts);
	*f = (struct feed){0};
}

/* "comm (number)", below `parent`. */
static inline uint32_t feed_root(
	struct feed *f, uint32_t parent, enum frame_kind kind, const char *comm, uint32_t number)
{
	char name[64];

	snprintf(name, sizeof(name), "%s (%u)", comm, number);
	return feed_node(
		f, parent, feed_frame(f, &(struct frame){kind, feed_text(f, name), 0, number, 0}));
}

static inline struct watch_process *feed_process_of(struct feed *f, uint32_t pid)
{
	for (size_t i = 0; i < f->n_processes; i++)
		if (f->processes[i].pid == pid)
			return &f->processes[i];
	assert_true(f->n_processes < FEED_PROCESSES);
	f->processes[f->n_processes] = (struct watch_process){.pid = pid,
		.comm = "",
		.user = "",
		.container = "",
		.python = "",
		.threads = 1,
		.gil = -1};
	return &f->processes[f->n_processes++];
}

static inline uint32_t feed_process(struct feed *f, const char *comm, uint32_t pid)
{
	feed_process_of(f, pid);
	return feed_root(f, 0, FRAME_PROCESS, comm, pid);
}

static inline uint32_t feed_thread(struct feed *f, uint32_t process, const char *name, uint32_t tid)
{
	return feed_root(f, process, FRAME_THREAD, name, tid);
}

static inline uint32_t feed_python(
	struct feed *f, uint32_t parent, const char *name, const char *file, uint32_t line)
{
	return feed_node(f, parent,
		feed_frame(f, &(struct frame){FRAME_PYTHON, feed_text(f, name), feed_text(f, file),
				      line, 0}));
}

static inline uint32_t feed_native(
	struct feed *f, uint32_t parent, const char *name, const char *module)
{
	return feed_node(f, parent,
		feed_frame(f, &(struct frame){FRAME_NATIVE, feed_text(f, name), 0, 0,
				      feed_text(f, module)}));
}

/* Samples of the interval that is being made. */
static inline void feed_count(struct feed *f, uint32_t node, uint32_t samples)
{
	if (f->n_counts == f->cap_counts) {
		f->cap_counts = f->cap_counts ? f->cap_counts * 2 : 64;
		f->counts = realloc(f->counts, f->cap_counts * sizeof(*f->counts));
		assert_non_null(f->counts);
	}
	f->counts[f->n_counts++] =
		(struct watch_count){node, samples, (uint64_t)samples * FEED_PERIOD_NS};
	f->head.samples += samples;
}

static inline int feed_take(struct feed *f, struct top_model *m, bool keep, struct err *err)
{
	struct top_interval *taken;
	int rc;

	f->head.counts = f->counts;
	f->head.n_counts = f->n_counts;
	rc = top_model_take(m, &f->tree, f->processes, f->n_processes, &f->head, &taken, err);
	if (rc == 0)
		rc = keep ? top_model_keep_taken(m, taken, err) : top_model_show(m, taken, err);
	f->n_counts = 0;
	f->head.samples = f->head.lost = f->head.truncated = f->head.failed = 0;
	f->head.start_unix_s += f->head.interval_s;
	f->head.elapsed_s += f->head.interval_s;
	return rc;
}

/* Ends the interval, and begins the next one. */
static inline void feed_add(struct feed *f, struct top_model *m)
{
	struct err err = {0};
	int rc = feed_take(f, m, false, &err);

	if (rc < 0)
		fail_msg("%d: %s", rc, err.text);
}

static inline void feed_keep(struct feed *f, struct top_model *m)
{
	struct err err = {0};
	int rc = feed_take(f, m, true, &err);

	if (rc < 0)
		fail_msg("%d: %s", rc, err.text);
}

/* ---- pages -------------------------------------------------------------------------------------
 */

static inline const struct top_page *page_of(struct top_model *m, const struct top_query *q)
{
	struct top_page *page;
	struct err err = {0};
	int rc = top_model_page(m, q, &page, &err);

	if (rc < 0)
		fail_msg("%d: %s", rc, err.text);
	return page;
}

static inline const struct top_item *row_of(const struct top_page *page, const char *name)
{
	for (size_t i = 0; i < page->n_rows; i++)
		if (!strcmp(page->rows[i].name, name))
			return &page->rows[i];
	fail_msg("no row %s", name);
	return NULL;
}

static inline bool has_row(const struct top_page *page, const char *name)
{
	for (size_t i = 0; i < page->n_rows; i++)
		if (!strcmp(page->rows[i].name, name))
			return true;
	return false;
}

static inline bool is_near(double a, double b)
{
	return a - b < 1e-9 && b - a < 1e-9;
}

/* Samples and shares of a row, out of `whole` samples. */
static inline void check_row(const struct top_page *page, const char *name, uint64_t self,
	uint64_t total, uint64_t whole)
{
	const struct top_item *row = row_of(page, name);

	if (row->self_samples != self || row->total_samples != total)
		fail_msg("%s: self %llu, total %llu", name, (unsigned long long)row->self_samples,
			(unsigned long long)row->total_samples);
	assert_true(is_near(row->self, (double)self / (double)whole));
	assert_true(is_near(row->total, (double)total / (double)whole));
}

#endif
