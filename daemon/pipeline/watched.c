/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/watched.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/map.h"
#include "pipeline/watch_filter.h"

enum {
	ENTRIES_MAX = 1 << 16,
	TITLE_PROCESSES = 8,
	TITLE_BYTES = 240,
};

static const uint64_t threads_read_ns = 10 * NS_PER_S; /* of processes that idle */

/* A process that the client is told of. */
struct entry {
	uint64_t identity; /* of the program that the texts are of */
	uint32_t shown_pid;
	char *comm, *user, *container, *python; /* NULL: not known, or none */
	uint32_t threads;
	uint64_t threads_ns; /* when they were counted; 0: never */
	uint32_t looks, held;
	bool asked;    /* by its number */
	bool ended;    /* or has become a program that does not belong to the watch */
	bool sampled;  /* in this interval */
	bool followed; /* stands in gil_pids */
};

struct watched {
	const struct watch_request *request;
	const struct viewer *viewer; /* NULL: sees all */
	struct host *host;
	bool shared;
	struct map *programs; /* process.identity -> struct watched_program */
	struct map *entries;  /* pid -> struct entry */
	struct map *family;   /* pid -> bool: descends from one that was asked for */
	struct map *threads;  /* tid -> the client's number, where that is another */
	struct serve_watch_process *list;
	uint32_t *listed; /* the PIDs of `list` */
	size_t n_list, cap_list;
	uint32_t gil_pids[WATCHED_GILS]; /* who is looked at */
	size_t n_gil;
};

static const struct process_table *table(const struct watched *w)
{
	return host_sampling(w->host)->processes;
}

/* ---- entries -----------------------------------------------------------------------------------
 */

static void entry_clear(struct entry *e)
{
	char **texts[] = {&e->comm, &e->user, &e->container, &e->python};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		free(*texts[i]);
		*texts[i] = NULL;
	}
}

/* "" is not known, and so is what there is no memory for. */
static char *text_of(const char *s)
{
	return s && *s ? strdup(s) : NULL;
}

static struct entry *entry_put(struct watched *w, const struct watched_program *program,
	uint64_t identity, const struct series *series)
{
	struct entry *e = map_get(w->entries, &program->pid);

	if (!e && map_count(w->entries) < ENTRIES_MAX)
		e = map_put(w->entries, &program->pid, NULL);
	if (!e)
		return NULL;
	entry_clear(e);
	e->identity = identity;
	e->shown_pid = program->shown_pid;
	e->comm = text_of(series->comm);
	e->user = text_of(series->user);
	e->container = text_of(series->container);
	e->threads_ns = 0;
	e->ended = false;
	return e;
}

/* ---- what belongs to the watch -----------------------------------------------------------------
 */

static bool is_asked_for(const struct watched *w, uint32_t pid)
{
	const struct entry *e;

	if (!w->shared || !w->request->n_pids)
		return true;
	e = map_get(w->entries, &pid);
	return (e && e->asked && !e->ended) ||
	       (w->request->subprocesses && map_get(w->family, &pid));
}

/* A host of the watch's own samples nothing that may not be seen. */
static bool is_visible(const struct watched *w, uint32_t pid)
{
	const struct viewer *v = w->viewer;

	return !w->shared || !v || (v->all && v->same_pid_namespace) || viewer_may_see(v, pid);
}

static struct watched_program program_make(
	const struct watched *w, const struct process *p, const struct series *series)
{
	struct watched_program made = {.pid = p->pid, .shown_pid = p->pid};

	snprintf(made.comm, sizeof(made.comm), "%s", series->comm);
	made.wanted = is_asked_for(w, p->pid) && watch_filter_matches(w->request, series) &&
		      is_visible(w, p->pid);
	if (made.wanted && w->viewer) {
		uint32_t shown = viewer_pid_to(w->viewer, p->pid);

		made.wanted = shown || !w->shared;
		if (shown)
			made.shown_pid = shown;
	}
	return made;
}

/* What the process runs now; with its entry where it is wanted. NULL: out of memory. */
static const struct watched_program *program_of(struct watched *w, struct process *p)
{
	const struct series *series = host_series(w->host, p);
	struct watched_program *program;
	struct entry *e;
	bool fresh;

	if (!series)
		return NULL;
	program = map_put(w->programs, &p->identity, &fresh);
	if (!program)
		return NULL;
	if (fresh)
		*program = program_make(w, p, series);
	if (!program->wanted)
		return program;
	e = map_get(w->entries, &p->pid);
	if ((!e || e->identity != p->identity) && !entry_put(w, program, p->identity, series)) {
		map_del(w->programs, &p->identity);
		return NULL;
	}
	return program;
}

static void gil_follow(struct watched *w, struct entry *e, uint32_t pid)
{
	if (e->followed || w->n_gil == WATCHED_GILS)
		return;
	e->followed = true;
	w->gil_pids[w->n_gil++] = pid;
}

int watched_sampled(struct watched *w, struct process *p)
{
	const struct watched_program *program = map_get(w->programs, &p->identity);
	struct entry *e;

	if (!program)
		program = program_of(w, p);
	if (!program)
		return -ENOMEM;
	if (!program->wanted)
		return 0;
	e = map_get(w->entries, &p->pid);
	if (!e || e->identity != p->identity) /* it was told of as ended, or by another number */
		e = program_of(w, p) ? map_get(w->entries, &p->pid) : NULL;
	if (!e)
		return -E2BIG;
	if (!e->sampled && *python_version(host_sampling(w->host)->python, p->pid))
		gil_follow(w, e, p->pid);
	e->sampled = true;
	return 1;
}

const struct watched_program *watched_program(const struct watched *w, uint64_t identity)
{
	return map_get(w->programs, &identity);
}

/* ---- families ----------------------------------------------------------------------------------
 */

static bool is_of_family(const struct watched *w, uint32_t pid)
{
	const struct entry *e = map_get(w->entries, &pid);

	return (e && e->asked && !e->ended) || map_get(w->family, &pid);
}

void watched_event(struct watched *w, const struct process_event *event)
{
	struct entry *e;

	if (event->kind == PROCESS_EXITED) {
		e = map_get(w->entries, &event->pid);
		if (e)
			e->ended = true;
		map_del(w->family, &event->pid);
	} else if (event->kind == PROCESS_FORKED && w->request->subprocesses) {
		map_del(w->family, &event->pid); /* of one that had the number before */
		if (is_of_family(w, event->parent))
			map_put(w->family, &event->pid, NULL);
	}
}

static void family_find(struct watched *w)
{
	struct process_usage *list;
	size_t n;

	for (size_t i = 0; i < w->request->n_pids; i++) {
		if (process_descendants(w->request->pids[i], &list, &n) < 0)
			continue;
		for (size_t k = 0; k < n; k++)
			map_put(w->family, &list[k].pid, NULL);
		free(list);
	}
}

/* ---- opening -----------------------------------------------------------------------------------
 */

static int asked_add(struct watched *w, uint32_t pid, struct err *err)
{
	int rc = w->shared ? process_check(pid, err) : 0;
	struct process *p = rc ? NULL : process_get(host_sampling(w->host)->processes, pid, err);
	const struct series *series = p ? host_series(w->host, p) : NULL;
	struct watched_program program = {.pid = pid, .shown_pid = pid};
	uint32_t shown = p && w->viewer ? viewer_pid_to(w->viewer, pid) : 0;
	struct entry *e;

	if (!p)
		return rc ? rc : err->code;
	if (shown)
		program.shown_pid = shown;
	e = series ? entry_put(w, &program, p->identity, series) : NULL;
	if (!e)
		return err_set(err, -ENOMEM, "out of memory");
	e->asked = true;
	return 0;
}

static bool maps_new(struct watched *w)
{
	w->programs = map_new(sizeof(uint64_t), sizeof(struct watched_program));
	w->entries = map_new(sizeof(uint32_t), sizeof(struct entry));
	w->family = map_new(sizeof(uint32_t), sizeof(bool));
	w->threads = map_new(sizeof(uint32_t), sizeof(uint32_t));
	return w->programs && w->entries && w->family && w->threads;
}

struct watched *watched_new(const struct watch_request *request, const struct viewer *viewer,
	struct host *host, bool shared, struct err *err)
{
	struct watched *w = calloc(1, sizeof(*w));
	int rc = 0;

	if (!w || !maps_new(w)) {
		watched_free(w);
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	w->request = request;
	w->viewer = viewer;
	w->host = host;
	w->shared = shared;
	for (size_t i = 0; !rc && i < request->n_pids; i++)
		rc = asked_add(w, request->pids[i], err);
	if (!rc && shared && request->subprocesses)
		family_find(w);
	if (!rc)
		return w;
	watched_free(w);
	return NULL;
}

void watched_free(struct watched *w)
{
	const void *key;
	void *value;
	size_t at = 0;

	if (!w)
		return;
	while (w->entries && map_next(w->entries, &at, &key, &value))
		entry_clear(value);
	map_free(w->programs);
	map_free(w->entries);
	map_free(w->family);
	map_free(w->threads);
	free(w->list);
	free(w->listed);
	free(w);
}

/* ---- threads -----------------------------------------------------------------------------------
 */

uint32_t watched_thread(struct watched *w, uint32_t tid)
{
	uint32_t *shown;
	bool fresh;

	if (!w->viewer || w->viewer->same_pid_namespace)
		return tid;
	shown = map_put(w->threads, &tid, &fresh);
	if (shown && fresh)
		*shown = viewer_pid_to(w->viewer, tid);
	return shown && *shown ? *shown : tid;
}

uint32_t watched_thread_known(const struct watched *w, uint32_t tid)
{
	const uint32_t *shown = map_get(w->threads, &tid);

	return shown && *shown ? *shown : tid;
}

/* ---- the GIL -----------------------------------------------------------------------------------
 */

bool watched_has_looks(const struct watched *w)
{
	return w->n_gil > 0;
}

bool watched_look(struct watched *w)
{
	for (size_t i = 0; i < w->n_gil; i++) {
		struct process *p = process_find(table(w), w->gil_pids[i]);
		struct entry *e = map_get(w->entries, &w->gil_pids[i]);
		bool held;

		if (!p || p->exited || !e ||
			python_gil_held(host_sampling(w->host)->python, p, &held) < 0)
			continue;
		e->looks++;
		e->held += held;
	}
	return w->n_gil > 0;
}

/* ---- the list ----------------------------------------------------------------------------------
 */

/* /proc/PID/stat, field 20. */
static uint32_t threads_count(uint32_t pid)
{
	unsigned long threads = 0;
	char path[40], *end;
	struct buf text;

	buf_init(&text, 4096);
	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	end = file_read(path, &text) == 0 && text.len ? strrchr(text.data, ')') : NULL;
	if (!end || sscanf(end,
			    ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d"
			    " %*d %lu",
			    &threads) != 1)
		threads = 0;
	buf_free(&text);
	return (uint32_t)threads;
}

static void python_refresh(struct entry *e, const char *version)
{
	char *copy;

	if (!*version || (e->python && !strcmp(e->python, version)))
		return;
	copy = strdup(version);
	if (!copy)
		return;
	free(e->python);
	e->python = copy;
}

/* How the process stands now. An exec may have made it another program, and one that the client
 * may not know of any more. */
static void entry_refresh(struct watched *w, uint32_t pid)
{
	struct process *p = process_find(table(w), pid);
	struct entry *e = map_get(w->entries, &pid);
	const struct watched_program *program;
	uint32_t threads;

	if (!e->ended && (!p || p->exited))
		e->ended = true;
	if (e->ended)
		return;
	if (p->identity != e->identity) {
		program = program_of(w, p);
		e = map_get(w->entries, &pid);
		if (program && !program->wanted)
			e->ended = true;
	}
	if (e->ended)
		return;
	python_refresh(e, python_version(host_sampling(w->host)->python, pid));
	if (!e->sampled && e->threads_ns && clock_now_ns() - e->threads_ns < threads_read_ns)
		return;
	threads = threads_count(pid);
	if (threads)
		e->threads = threads;
	e->threads_ns = clock_now_ns();
}

static bool list_reserve(struct watched *w)
{
	size_t n = map_count(w->entries), cap = w->cap_list ? w->cap_list : 64;
	struct serve_watch_process *list;
	uint32_t *listed;

	if (n <= w->cap_list)
		return true;
	while (cap < n)
		cap *= 2;
	list = realloc(w->list, cap * sizeof(*list));
	if (list)
		w->list = list;
	listed = list ? realloc(w->listed, cap * sizeof(*listed)) : NULL;
	if (!listed)
		return false;
	w->listed = listed;
	w->cap_list = cap;
	return true;
}

int watched_list(struct watched *w, const struct serve_watch_process **list, size_t *n)
{
	const void *key;
	void *value;
	size_t at = 0;

	if (!list_reserve(w))
		return -ENOMEM;
	w->n_list = 0;
	while (map_next(w->entries, &at, &key, &value))
		w->listed[w->n_list++] = *(const uint32_t *)key;
	for (size_t i = 0; i < w->n_list; i++) {
		const struct entry *e;

		entry_refresh(w, w->listed[i]);
		e = map_get(w->entries, &w->listed[i]);
		w->list[i] = (struct serve_watch_process){.pid = e->shown_pid,
			.comm = e->comm,
			.user = e->user,
			.container = e->container,
			.python = e->python,
			.threads = e->threads,
			.ended = e->ended,
			.gil = e->looks ? (double)e->held / e->looks : -1};
	}
	*list = w->list;
	*n = w->n_list;
	return 0;
}

void watched_told(struct watched *w)
{
	w->n_gil = 0;
	for (size_t i = 0; i < w->n_list; i++) {
		struct entry *e = map_get(w->entries, &w->listed[i]);

		if (e->ended && !e->asked) {
			entry_clear(e);
			map_del(w->entries, &w->listed[i]);
			continue;
		}
		e->followed = false;
		if (e->sampled && e->python && !e->ended)
			gil_follow(w, e, w->listed[i]);
		e->sampled = false;
		e->looks = e->held = 0;
	}
	w->n_list = 0;
}

/* ---- housekeeping ------------------------------------------------------------------------------
 */

void watched_sweep(struct watched *w)
{
	struct map *programs = map_new(sizeof(uint64_t), sizeof(struct watched_program)),
		   *threads = map_new(sizeof(uint32_t), sizeof(uint32_t));
	const void *key;
	void *value;
	size_t at = 0;

	/* Of what runs on the answer is kept: it must not change without an exec. */
	while (programs && map_next(w->programs, &at, &key, &value)) {
		const struct watched_program *program = value;
		const struct process *p = process_find(table(w), program->pid);
		struct watched_program *slot = NULL;

		if (p && !p->exited && p->identity == *(const uint64_t *)key)
			slot = map_put(programs, key, NULL);
		if (slot)
			*slot = *program;
	}
	if (programs) {
		map_free(w->programs);
		w->programs = programs;
	}
	if (threads) {
		map_free(w->threads);
		w->threads = threads;
	}
}

bool watched_ended(const struct watched *w)
{
	for (size_t i = 0; i < w->request->n_pids; i++) {
		const struct entry *e = map_get(w->entries, &w->request->pids[i]);
		const struct process *p = process_find(table(w), w->request->pids[i]);

		if (e && !e->ended && p && !p->exited)
			return false;
	}
	return w->request->n_pids > 0;
}

/* ---- for people --------------------------------------------------------------------------------
 */

char *watched_title(const struct watched *w)
{
	const struct watch_request *q = w->request;
	struct buf text;

	buf_init(&text, TITLE_BYTES + TITLE_PROCESSES * sizeof(struct watched_program));
	for (size_t i = 0; i < q->n_pids && i < TITLE_PROCESSES; i++) {
		const struct entry *e = map_get(w->entries, &q->pids[i]);

		buf_printf(&text, "%s%.60s (%u)", i ? ", " : "", e && e->comm ? e->comm : "?",
			e ? e->shown_pid : q->pids[i]);
	}
	if (q->n_pids > TITLE_PROCESSES)
		buf_printf(&text, " and %zu more", q->n_pids - TITLE_PROCESSES);
	watch_filter_text(q, &text);
	if (!text.len)
		buf_puts(&text, "all processes");
	return text.data;
}
