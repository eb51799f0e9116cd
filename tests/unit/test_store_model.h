/* SPDX-License-Identifier: BSD-2-Clause */
/* For the tests of the store: windows made by chance, and a model that says what has to be in a
 * store that they were written to. A sample of the model is a line of text: its frames with all
 * that they say, from the process to the leaf. */
#ifndef PROFD_TEST_STORE_MODEL_H
#define PROFD_TEST_STORE_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "store/store.h"

#define MINUTE_NS (60 * NS_PER_S)
#define HOUR_NS   (3600 * NS_PER_S)
#define DAY_NS    (24 * HOUR_NS)
/* The start of an hour of some day. */
#define DAY_ONE (1700000400ULL / 3600 * 3600 * NS_PER_S)

enum { DEPTH_MAX = 24, PROCESSES = 12, LABEL_BYTES = 2048 };

/* ---- chance ---- */

struct chance {
	uint64_t state;
};

static inline uint32_t chance_below(struct chance *c, uint32_t n)
{
	c->state = c->state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(((c->state >> 33) * n) >> 31);
}

/* ---- windows ---- */

struct sample_text {
	uint32_t process, tid;
	const char *thread;
	struct {
		uint32_t kind, line;
		const char *name, *file, *module;
	} frames[DEPTH_MAX];
	size_t n;
};

static inline uint32_t window_text(struct profile *p, const char *text)
{
	for (uint32_t i = 0; i < p->n_strings; i++)
		if (!strcmp(p->strings[i], text))
			return i;
	p->strings = realloc(p->strings, (p->n_strings + 1) * sizeof(*p->strings));
	p->strings[p->n_strings] = strdup(text);
	return p->n_strings++;
}

static inline uint32_t window_frame(struct profile *p, struct frame f)
{
	for (uint32_t i = 0; i < p->n_frames; i++)
		if (!memcmp(&p->frames[i], &f, sizeof(f)))
			return i;
	p->frames = realloc(p->frames, (p->n_frames + 1) * sizeof(*p->frames));
	p->frames[p->n_frames] = f;
	return p->n_frames++;
}

static inline uint32_t window_node(struct profile *p, uint32_t parent, uint32_t frame)
{
	for (uint32_t i = 1; i < p->n_nodes; i++)
		if (p->nodes[i].parent == parent && p->nodes[i].frame == frame)
			return i;
	p->nodes = realloc(p->nodes, (p->n_nodes + 1) * sizeof(*p->nodes));
	p->nodes[p->n_nodes] = (struct stack_node){.parent = parent, .frame = frame};
	return p->n_nodes++;
}

static inline struct series series_of(uint32_t i)
{
	char comm[32], container[16];
	struct series s = {.pid = 100 + i, .start_ticks = 1000 + 7 * i, .uid = 1000 + i % 3};

	snprintf(comm, sizeof(comm), "worker%u", i % 5);
	snprintf(container, sizeof(container), "c0ffee%06u", i % 3);
	strcpy(s.boot, "00000000-0000-4000-8000-000000000000");
	s.start_unix_ns = DAY_ONE - DAY_NS + i;
	s.user = strdup(i % 3 == 1 ? "anna" : i % 3 == 2 ? "bert" : "1000");
	s.comm = strdup(comm);
	s.exe = strdup("/usr/bin/worker");
	s.command_line = strdup("");
	s.cgroup = strdup("/system.slice");
	s.container = strdup(i % 3 ? container : "");
	s.python = strdup(i % 2 ? "3.12.1" : "");
	return s;
}

static inline struct window *window_new(uint64_t start_unix_ns, uint64_t period_ns)
{
	struct window *w = calloc(1, sizeof(*w));
	struct profile *p = calloc(1, sizeof(*p));

	w->start_unix_ns = start_unix_ns;
	w->duration_ns = 10 * NS_PER_S;
	w->period_ns = period_ns;
	w->profile = p;
	p->nodes = calloc(1, sizeof(*p->nodes));
	p->n_nodes = 1;
	window_text(p, "");
	window_frame(p, (struct frame){.kind = FRAME_ROOT, .name = window_text(p, "all")});
	p->quality = (struct profile_quality){.requested_hz = 19,
		.achieved_hz = 18.5,
		.lost = 1,
		.truncated = 2,
		.unmerged = 3,
		.frames_seen = 100,
		.unsymbolized_frames = 10,
		.profiler_cpu_ns = 5000,
		.profiler_kernel_ns = 700,
		.profiler_rss_bytes = 30 << 20};
	p->quality.native_end[WALK_COMPLETE] = 40;
	p->quality.native_end[WALK_NO_RULE] = 4;
	p->quality.python_end[WALK_BAD_FRAME] = 5;
	w->n_series = PROCESSES;
	w->series = calloc(PROCESSES, sizeof(*w->series));
	w->usage = calloc(PROCESSES, sizeof(*w->usage));
	for (uint32_t i = 0; i < PROCESSES; i++) {
		w->series[i] = series_of(i);
		w->usage[i] = (struct series_usage){.rss_bytes = (uint64_t)(i + 1) << 20,
			.threads = 1 + i % 4,
			.user_ns = i % 4 ? 0 : 2 * NS_PER_S};
	}
	return w;
}

static inline void window_sample(struct window *w, const struct sample_text *s, uint64_t samples)
{
	struct profile *p = w->profile;
	uint32_t node = 0;

	node = window_node(p, node,
		window_frame(p, (struct frame){.kind = FRAME_PROCESS,
					.name = window_text(p, w->series[s->process].comm),
					.line = s->process}));
	node = window_node(p, node,
		window_frame(p, (struct frame){.kind = FRAME_THREAD,
					.name = window_text(p, s->thread),
					.line = s->tid}));
	for (size_t i = 0; i < s->n; i++)
		node = window_node(p, node,
			window_frame(p, (struct frame){.kind = s->frames[i].kind,
						.name = window_text(p, s->frames[i].name),
						.file = window_text(p, s->frames[i].file),
						.line = s->frames[i].line,
						.module = window_text(p, s->frames[i].module)}));
	p->nodes[node].self_samples += samples;
	p->nodes[node].self_weight_ns += samples * w->period_ns;
	p->quality.samples += samples;
}

/* A stack by chance: some hundred different functions, among them texts that are no UTF-8. */
static inline struct sample_text sample_any(struct chance *c)
{
	static const char *const names[] = {"main", "run", "handle_request", "json.loads",
		"std::sort<int>", "caf\xc3\xa9", "\xff\xfe bad", "a;b\nc", "compress", "x"};
	static const char *const files[] = {"/srv/app.py", "", "lib/worker.py"};
	static const char *const threads[] = {"main", "pool-1", ""};
	struct sample_text s = {.process = chance_below(c, PROCESSES)};

	s.tid = 100 + s.process + chance_below(c, 3);
	s.thread = threads[chance_below(c, 3)];
	s.n = chance_below(c, 8) ? 1 + chance_below(c, 10) : 0;
	for (size_t i = 0; i < s.n; i++) {
		s.frames[i].kind = FRAME_PYTHON + chance_below(c, 4);
		s.frames[i].name = names[chance_below(c, 10)];
		s.frames[i].file = files[chance_below(c, 3)];
		s.frames[i].line = chance_below(c, 3) * 100;
		s.frames[i].module = chance_below(c, 2) ? "libapp.so" : "";
	}
	if (s.n > 3 && !chance_below(c, 3)) {
		s.frames[s.n - 1].kind = FRAME_KERNEL;
		s.frames[s.n - 2].kind = FRAME_KERNEL;
	}
	return s;
}

static inline struct window *window_any(
	struct chance *c, uint64_t start_unix_ns, uint64_t period_ns, unsigned samples)
{
	struct window *w = window_new(start_unix_ns, period_ns);

	while (samples--) {
		struct sample_text s = sample_any(c);

		window_sample(w, &s, chance_below(c, 10) ? 1 : 2 + chance_below(c, 300));
	}
	return w;
}

/* ---- the model ---- */

struct model_line {
	char *text;
	uint64_t samples, weight_ns;
};

struct model {
	struct model_line *lines;
	size_t n, cap;
	uint64_t samples, windows;
};

static inline void model_free(struct model *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->lines[i].text);
	free(m->lines);
	*m = (struct model){0};
}

static inline int model_compare(const void *a, const void *b)
{
	return strcmp(((const struct model_line *)a)->text, ((const struct model_line *)b)->text);
}

static inline void model_line(struct model *m, const char *text, uint64_t samples, uint64_t weight)
{
	if (m->n == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 1024;
		m->lines = realloc(m->lines, m->cap * sizeof(*m->lines));
	}
	m->lines[m->n++] = (struct model_line){strdup(text), samples, weight};
	m->samples += samples;
}

/* Sorts, and makes lines of the same text one. */
static inline void model_join(struct model *m)
{
	size_t n = 0;

	if (m->n)
		qsort(m->lines, m->n, sizeof(*m->lines), model_compare);
	for (size_t i = 0; i < m->n; i++) {
		if (n && !strcmp(m->lines[n - 1].text, m->lines[i].text)) {
			m->lines[n - 1].samples += m->lines[i].samples;
			m->lines[n - 1].weight_ns += m->lines[i].weight_ns;
			free(m->lines[i].text);
		} else {
			m->lines[n++] = m->lines[i];
		}
	}
	m->n = n;
}

/* One frame as text. Processes and threads read as they do in an answer by thread. */
static inline void frame_text(
	char *out, size_t size, const struct profile *p, const struct window *w, uint32_t number)
{
	const struct frame *f = &p->frames[number];
	size_t n = strlen(out);

	if (w && f->kind == FRAME_PROCESS)
		snprintf(out + n, size - n, "|%u:%s (%u)", f->kind, p->strings[f->name],
			w->series[f->line].pid);
	else if (w && f->kind == FRAME_THREAD)
		snprintf(out + n, size - n, "|%u:%s (%u)", f->kind,
			*p->strings[f->name] ? p->strings[f->name] : "?", f->line);
	else if (f->kind == FRAME_PROCESS || f->kind == FRAME_THREAD)
		snprintf(out + n, size - n, "|%u:%s", f->kind, p->strings[f->name]);
	else
		snprintf(out + n, size - n, "|%u:%s:%s:%u:%s", f->kind, p->strings[f->name],
			p->strings[f->file], f->line, p->strings[f->module]);
}

/* All stacks of a profile: of a window with `w`, else of an answer. */
static inline void model_profile(struct model *m, const struct profile *p, const struct window *w)
{
	for (uint32_t i = 0; i < p->n_nodes; i++) {
		uint32_t path[DEPTH_MAX + 8], n = 0;
		char text[LABEL_BYTES] = "";

		if (!p->nodes[i].self_samples)
			continue;
		for (uint32_t at = i; at; at = p->nodes[at].parent)
			path[n++] = at;
		while (n)
			frame_text(text, sizeof(text), p, w, p->nodes[path[--n]].frame);
		model_line(m, text, p->nodes[i].self_samples, p->nodes[i].self_weight_ns);
	}
}

static inline void model_window(struct model *m, const struct window *w)
{
	model_profile(m, w->profile, w);
	m->windows++;
}

/* The answer to a question has to be the model, line by line. */
static inline void model_check(struct model *m, const struct profile *p)
{
	struct model is = {0};

	model_join(m);
	model_profile(&is, p, NULL);
	model_join(&is);
	assert_int_equal(is.samples, p->quality.samples);
	for (size_t i = 0; i < m->n && i < is.n; i++) {
		assert_string_equal(is.lines[i].text, m->lines[i].text);
		assert_int_equal(is.lines[i].samples, m->lines[i].samples);
		assert_int_equal(is.lines[i].weight_ns, m->lines[i].weight_ns);
	}
	assert_int_equal(is.n, m->n);
	model_free(&is);
}

/* ---- files ---- */

struct folder {
	char path[64], store[80];
};

static inline int folder_make(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));

	/* In memory where that is possible: each write waits for the disk. */
	if (f)
		snprintf(f->path, sizeof(f->path), "%s/profd-store-XXXXXX",
			access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!f || !mkdtemp(f->path))
		return -1;
	snprintf(f->store, sizeof(f->store), "%s/profd.db", f->path);
	*state = f;
	return 0;
}

static inline void store_remove(const struct folder *f)
{
	static const char *const ends[] = {"", "-wal", "-shm", "-journal", ".lock"};
	char name[128];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", f->store, ends[i]);
		unlink(name);
	}
}

static inline int folder_remove(void **state)
{
	struct folder *f = *state;

	store_remove(f);
	rmdir(f->path);
	free(f);
	return 0;
}

static inline struct store *store_must(const char *path)
{
	struct err err = {0};
	struct store *s = store_open(path, &store_limits_default, &err);

	if (!s)
		fail_msg("%s", err.text);
	return s;
}

static inline void write_must(struct store *s, const struct window *w)
{
	struct err err = {0};

	if (store_write(s, w, &err) < 0)
		fail_msg("%s", err.text);
}

static inline struct profile *read_must(const char *path, const struct store_query *q)
{
	struct err err = {0};
	struct store_reader *r = store_reader_open(path, &err);
	struct profile *p;

	if (!r)
		fail_msg("%s", err.text);
	if (store_read(r, q, &p, &err) < 0)
		fail_msg("%s", err.text);
	store_reader_close(r);
	return p;
}

static inline void maintain_all(struct store *s, uint64_t now_unix_ns, bool ages)
{
	struct err err = {0};
	int rc;

	while ((rc = store_maintain(s, now_unix_ns, ages, 1000, &err)) == 1)
		;
	if (rc < 0)
		fail_msg("%s", err.text);
}

#endif
