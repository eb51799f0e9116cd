/* SPDX-License-Identifier: BSD-2-Clause */
/* The wiring: the only file that knows all rooms.
 *
 *     process_watch --events--> unwind, python (tables follow what runs)
 *     collect -----samples--> [unwind_finish] --> stacker --> aggregate
 *     aggregate --> profile --> render --> the client's file
 *                       +-----> analyze --> the client's summary
 */
#include "pipeline/pipeline.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "aggregate/aggregate.h"
#include "analyze/analyze.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/map.h"
#include "base/notes.h"
#include "collect/collect.h"
#include "process/process.h"
#include "python/python.h"
#include "render/render.h"
#include "serve/serve.h"
#include "symbolize/symbolize.h"
#include "unwind/unwind.h"

#define LOG_ROOM "pipeline"
#include "base/log.h"

enum {
	TICK_MS = 100,          /* how long samples may wait in the ring */
	ALIVE_CHECK_TICKS = 10, /* between two looks at /proc for targets whose end was not told */
	MAX_PCS = 2048,
	TOP_ROWS = 5,
	BUSY_SHOWN = 3,
	JIT_LOOK_NS = 200000000,
	PER_CPU_THREADS =
		1000, /* from so many threads on, events per CPU cost less than events per thread */
};

static const size_t output_max_bytes = (size_t)2 << 30;

/* What was done about a process so far. */
struct known {
	uint64_t generation; /* that the tables stand at */
	uint64_t jit_ns;     /* last look at its perf map */
};

struct recording {
	struct channel *channel;
	const struct record_request *request;
	struct process_table *processes;
	struct process_watch *watch;
	struct unwind *unwind;
	struct python *python;
	struct collect *collect;
	struct symbolizer *symbols;
	struct stacker *stacker;
	struct aggregate *tree;
	struct map *known;     /* pid -> struct known */
	uint64_t pcs[MAX_PCS]; /* user frames of a deferred sample */
	struct profile_quality quality;
	uint64_t start_ns, first_sample_ns, end_ns, start_unix_ns;
	struct process_usage *family; /* descendants of the first target at the start */
	size_t n_family;
	uint32_t *
		ended_pids; /* processes that ended, until their last samples are out of the ring */
	size_t n_ended, cap_ended;
	bool bound; /* the kernel has its tables */
	bool stop;  /* the client said so, or has gone */
	bool gone;
	enum serve_ended ended;
	struct notes notes;
};

/* ---- tables follow processes -------------------------------------------------------------------
 */

static void note_denied_files(struct recording *r, const struct process *p)
{
	for (size_t i = 0; i < p->n_mappings; i++)
		if (p->mappings[i].is_denied) {
			notes_add(&r->notes,
				"the files of process %u may not be read, so its native frames have no names and its Python "
				"frames are missing; run as its user or as root, or give profd CAP_SYS_PTRACE",
				p->pid);
			return;
		}
}

static void tables_update(struct recording *r, struct process *p)
{
	struct known *known = map_put(r->known, &p->pid, NULL);
	struct err err = {0};

	if (!known || known->generation == p->generation)
		return;
	known->generation = p->generation;
	note_denied_files(r, p);
	/* Python first: it is quick, and without it a sample has no Python frames; a native stack
	 * can still be walked afterwards. */
	if (r->bound && python_process(r->python, p, &err) < 0 && err.text[0])
		notes_add(&r->notes, "%s", err.text);
	if (unwind_process(r->unwind, p, &err) < 0)
		log_debug("%s", err.text);
}

static bool is_target(const struct recording *r, uint32_t pid)
{
	for (size_t i = 0; i < r->request->n_pids; i++)
		if (r->request->pids[i] == pid)
			return true;
	return false;
}

/* Their samples were in the ring before the news of their end: a drain after that has had them all.
 */
static void ended_retire(struct recording *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct process *p = process_find(r->processes, r->ended_pids[i]);

		if (!p || !p->exited)
			continue; /* another process by that number */
		unwind_forget(r->unwind, p->pid);
		python_forget(r->python, p->pid);
		process_retire(p);
		map_del(r->known, &p->pid);
	}
	r->n_ended -= n;
	memmove(r->ended_pids, r->ended_pids + n, r->n_ended * sizeof(*r->ended_pids));
}

static void ended_add(struct recording *r, uint32_t pid)
{
	if (r->n_ended == r->cap_ended) {
		size_t cap = r->cap_ended ? r->cap_ended * 2 : 64;
		uint32_t *pids = realloc(r->ended_pids, cap * sizeof(*pids));

		if (!pids)
			return; /* it is kept until the end */
		r->ended_pids = pids;
		r->cap_ended = cap;
	}
	r->ended_pids[r->n_ended++] = pid;
}

static void on_event(void *arg, const struct process_event *event)
{
	struct recording *r = arg;
	struct process *p = process_find(r->processes, event->pid);

	if (!p || (!r->request->subprocesses && !is_target(r, event->pid)))
		return;
	switch (event->kind) {
	case PROCESS_FORKED:
		collect_follow(r->collect, event->pid);
		tables_update(r, p);
		break;
	case PROCESS_EXECED:
		symbolizer_forget_jit(r->symbols, event->pid);
		python_forget(r->python, event->pid);
		tables_update(r, p);
		break;
	case PROCESS_MAPPED:
		tables_update(r, p);
		break;
	case PROCESS_EXITED:
		ended_add(r, event->pid);
		break;
	default:
		break;
	}
}

/* Names of JIT code are in a file that can be reached only while the process lives. */
static void jit_names_read(struct recording *r, const struct process *p)
{
	struct known *known = map_get(r->known, &p->pid);

	if (!known || p->exited || clock_now_ns() - known->jit_ns < JIT_LOOK_NS)
		return;
	known->jit_ns = clock_now_ns();
	symbolizer_preload_jit(r->symbols, p->pid, NULL);
}

/* ---- samples -----------------------------------------------------------------------------------
 */

static void sample_count(struct recording *r, const struct sample *s, const struct stack *stack)
{
	r->quality.native_end[s->user_end]++;
	r->quality.python_end[s->python_end]++;
	r->quality.truncated += s->user_end == WALK_TRUNCATED || s->python_end == WALK_TRUNCATED;
	r->quality.unmerged += !stack->matched;
}

static void on_sample(void *arg, const struct sample *given)
{
	struct recording *r = arg;
	struct sample s = *given;
	struct process *p;
	struct stack stack;

	/* First what happened to the processes before this sample was taken. */
	process_watch_drain(r->watch, s.time_ns, on_event, r);
	if (!r->request->subprocesses && !is_target(r, s.pid))
		return; /* a child, on a kernel that cannot inherit to threads only */
	if (!r->first_sample_ns)
		r->first_sample_ns = s.time_ns;
	p = process_get(r->processes, s.pid, NULL);
	if (p)
		tables_update(r, p);
	if (p && s.registers)
		unwind_finish(r->unwind, p, &s, r->pcs, MAX_PCS);
	stacker_build(r->stacker, p, &s, &stack);
	if (aggregate_add(r->tree, stack.locations, stack.n, s.weight_ns) < 0) {
		r->quality.lost++;
		return;
	}
	r->quality.samples++;
	sample_count(r, &s, &stack);
	if (stack.has_jit && p)
		jit_names_read(r, p);
}

static void drain(struct recording *r)
{
	size_t n_ended = r->n_ended;

	collect_drain(r->collect, on_sample, r);
	ended_retire(r, n_ended);
	process_watch_drain(r->watch, clock_now_ns(), on_event, r);
	unwind_reclaim(r->unwind);
}

/* ---- start -------------------------------------------------------------------------------------
 */

static int target_open(struct recording *r, uint32_t pid, struct err *err)
{
	struct process *p = process_get(r->processes, pid, err);

	if (!p)
		return err->code;
	tables_update(r, p);
	return 0;
}

/* The watch is there before the first look at /proc, so that no change falls between the two. */
static int targets_open(struct recording *r, struct err *err)
{
	const struct record_request *q = r->request;
	int rc = 0;

	for (size_t i = 0; i < q->n_pids && !rc; i++)
		rc = process_check(q->pids[i], err);
	if (!rc && !(r->watch = process_watch_open(r->processes, err)))
		rc = err->code;
	for (size_t i = 0; i < q->n_pids && !rc; i++)
		rc = target_open(r, q->pids[i], err);
	if (!rc)
		process_descendants(q->pids[0], &r->family, &r->n_family);
	return rc;
}

static size_t threads_count(const struct recording *r)
{
	size_t sum = 0, n;
	uint32_t *tids;

	for (size_t i = 0; i < r->request->n_pids; i++)
		if (!process_threads(r->request->pids[i], &tids, &n)) {
			sum += n;
			free(tids);
		}
	return sum;
}

static int kernel_side_open(struct recording *r, struct err *err)
{
	struct collect_options options = {
		.rate_hz = r->request->rate_hz,
		.kernel_stacks = r->request->kernel,
		.native_stacks = r->request->native,
		.per_cpu = !r->request->on_exec && threads_count(r) > PER_CPU_THREADS,
		.table_cells = unwind_cells_needed(r->unwind),
		.table_mappings = unwind_mappings_needed(r->unwind),
	};
	const struct collect_tables *tables;
	int rc;

	r->collect = collect_open(&options, err);
	if (!r->collect)
		return err->code;
	tables = collect_tables(r->collect);
	rc = unwind_bind(r->unwind, tables, err);
	python_bind(r->python, tables->pythons_fd);
	r->bound = !rc;
	return rc;
}

/* The processes that are there already; those to come are inherited and told by events. */
static int targets_attach(struct recording *r, struct err *err)
{
	const struct record_request *q = r->request;

	for (size_t i = 0; i < q->n_pids; i++) {
		struct process *p = process_find(r->processes, q->pids[i]);
		struct process_usage *list;
		struct err local = {0};
		size_t n;
		int rc;

		if (python_process(r->python, p, &local) < 0 && local.text[0])
			notes_add(&r->notes, "%s", local.text);
		rc = collect_attach(r->collect, q->pids[i], q->subprocesses, q->on_exec, err);
		if (rc < 0)
			return rc;
		if (!q->subprocesses || process_descendants(q->pids[i], &list, &n) < 0)
			continue;
		for (size_t j = 0; j < n; j++)
			if (!is_target(r, list[j].pid) &&
				(p = process_get(r->processes, list[j].pid, NULL))) {
				tables_update(r, p);
				collect_attach(r->collect, list[j].pid, true, false, NULL);
			}
		free(list);
	}
	return collect_start(r->collect, err);
}

static int rooms_open(struct recording *r, struct err *err)
{
	/* With --subprocesses there are, or may come, several processes. */
	struct stack_options stacks = {
		.process_root = r->request->n_pids > 1 || r->request->subprocesses,
		.thread_root = r->request->threads,
		.native = r->request->native,
	};

	r->known = map_new(sizeof(uint32_t), sizeof(struct known));
	r->symbols = symbolizer_new();
	if (!r->known || !r->symbols)
		return err_set(err, -ENOMEM, "out of memory");
	if (!(r->processes = process_table_new(err)) || !(r->unwind = unwind_new(err)) ||
		!(r->python = python_new(err)) ||
		!(r->stacker = stacker_new(r->python, &stacks, err)) ||
		!(r->tree = aggregate_new(err)))
		return err->code;
	return 0;
}

static int recording_start(struct recording *r, struct err *err)
{
	struct timespec now;
	int rc = rooms_open(r, err);

	if (!rc)
		rc = targets_open(r, err);
	if (!rc)
		rc = kernel_side_open(r, err);
	if (!rc)
		rc = targets_attach(r, err);
	clock_gettime(CLOCK_REALTIME, &now);
	r->start_unix_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
	r->start_ns = clock_now_ns();
	return rc;
}

static void recording_close(struct recording *r)
{
	if (r->collect)
		collect_detach(r->collect);
	unwind_free(r->unwind);
	collect_close(r->collect);
	process_watch_close(r->watch);
	python_free(r->python);
	stacker_free(r->stacker);
	aggregate_free(r->tree);
	symbolizer_free(r->symbols);
	process_table_free(r->processes);
	map_free(r->known);
	free(r->family);
	free(r->ended_pids);
}

/* ---- run ---------------------------------------------------------------------------------------
 */

static bool targets_ended(struct recording *r, bool look)
{
	for (size_t i = 0; i < r->request->n_pids; i++) {
		struct process *p = process_find(r->processes, r->request->pids[i]);

		if (p && look && !p->exited && !process_is_alive(p->pid))
			p->exited = true;
		if (p && !p->exited)
			return false;
	}
	return true;
}

/* What the client says meanwhile: stop, or it has gone. */
static void client_listen(struct recording *r)
{
	struct serve_call call;
	struct err err = {0};
	int rc;

	while ((rc = serve_next(r->channel, &call, &err)) == 1) {
		fd_close(&call.fd);
		if (call.kind == SERVE_STOP && call.id == r->request->id)
			r->stop = true;
		else if (call.kind == SERVE_RECORD) {
			err_set(&err, -EBUSY,
				"one recording is running on this connection already");
			serve_send_error(r->channel, call.id, &err);
		}
	}
	if (rc < 0)
		r->gone = r->stop = true;
}

static void progress_tell(struct recording *r)
{
	struct collect_stats stats;

	collect_stats(r->collect, &stats);
	serve_send_progress(r->channel, r->request->id,
		(double)(clock_now_ns() - r->start_ns) / NS_PER_S, r->quality.samples,
		stats.lost + r->quality.lost);
}

static int wait_ms(const struct recording *r, uint64_t deadline_ns)
{
	uint64_t now = clock_now_ns();

	if (r->request->duration_s > 0 && deadline_ns <= now)
		return 0;
	if (r->request->duration_s > 0 && deadline_ns - now < TICK_MS * NS_PER_MS)
		return (int)((deadline_ns - now) / NS_PER_MS) + 1;
	return TICK_MS;
}

static void recording_run(struct recording *r)
{
	uint64_t deadline = r->start_ns + (uint64_t)(r->request->duration_s * NS_PER_S),
		 last_tick = r->start_ns;
	struct pollfd fds[] = {{.fd = channel_fd(r->channel), .events = POLLIN},
		{.fd = collect_fd(r->collect), .events = POLLIN},
		{.fd = process_watch_fd(r->watch), .events = POLLIN}};
	unsigned ticks = 0;

	while (!r->stop) {
		poll(fds, 3, wait_ms(r, deadline));
		drain(r);
		client_listen(r);
		if (clock_now_ns() - last_tick >= TICK_MS * NS_PER_MS) {
			last_tick = clock_now_ns();
			ticks++;
			if (ticks % 2 == 0)
				progress_tell(r);
		}
		r->ended = ENDED_STOPPED;
		if (r->request->duration_s > 0 && clock_now_ns() >= deadline) {
			r->ended = ENDED_DURATION;
			break;
		}
		if (targets_ended(r, ticks % ALIVE_CHECK_TICKS == 0)) {
			r->ended = ENDED_EXITED;
			break;
		}
	}
	r->end_ns = clock_now_ns();
	collect_detach(r->collect);
	drain(r);
}

/* ---- finish ------------------------------------------------------------------------------------
 */

static void own_cost(struct profile_quality *q)
{
	struct timespec cpu;
	struct rusage usage;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	getrusage(RUSAGE_SELF, &usage);
	q->profiler_cpu_ns = (uint64_t)cpu.tv_sec * NS_PER_S + (uint64_t)cpu.tv_nsec;
	q->profiler_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
}

static void quality_fill(struct recording *r, struct profile_quality *q)
{
	struct collect_stats stats;
	uint64_t taken;

	collect_stats(r->collect, &stats);
	*q = r->quality;
	q->duration_ns = r->end_ns - r->start_ns;
	q->lost += stats.lost;
	q->requested_hz = r->request->rate_hz;
	taken = q->samples + q->lost;
	/* Per second that the threads really ran; where that is not known, what was not lost. */
	if (stats.running_ns)
		q->achieved_hz = (double)q->samples * NS_PER_S / (double)stats.running_ns;
	else if (taken)
		q->achieved_hz = q->requested_hz * (double)q->samples / (double)taken;
	q->profiler_kernel_ns = stats.run_ns;
	own_cost(q);
	log_debug("%llu runs of the sampling program, %llu ns each; %llu samples deferred",
		(unsigned long long)stats.runs,
		(unsigned long long)(stats.runs ? stats.run_ns / stats.runs : 0),
		(unsigned long long)stats.deferred);
	if (r->first_sample_ns)
		log_debug("first sample %.1f ms after the start",
			((double)r->first_sample_ns - (double)r->start_ns) / NS_PER_MS);
}

static char *title_make(const struct recording *r)
{
	struct buf text;
	const struct record_request *q = r->request;

	if (*q->title)
		return strdup(q->title);
	buf_init(&text, 4096);
	for (size_t i = 0; i < q->n_pids; i++) {
		const struct process *p = process_find(r->processes, q->pids[i]);

		buf_printf(&text, "%s%s (%u)", i ? ", " : "", p ? p->comm : "?", q->pids[i]);
	}
	return text.data;
}

static struct profile *profile_make(struct recording *r, struct err *err)
{
	struct namer namer = {r->processes, r->python, r->symbols, r->stacker};
	struct profile *p = aggregate_profile(r->tree, location_name, &namer, err);
	struct profile_quality named;

	if (!p)
		return NULL;
	named = p->quality;
	quality_fill(r, &p->quality);
	p->quality.unsymbolized_frames = named.unsymbolized_frames;
	p->quality.frames_seen = named.frames_seen;
	p->start_unix_ns = r->start_unix_ns;
	p->title = title_make(r);
	p->source = strdup("ebpf");
	if (p->title && p->source)
		return p;
	profile_free(p);
	err_set(err, -ENOMEM, "out of memory for the profile");
	return NULL;
}

static int profile_write(
	const struct recording *r, const struct profile *p, int fd, struct err *err)
{
	const struct render_format *format = render_format_find(r->request->format);
	struct buf out;
	int rc;

	buf_init(&out, output_max_bytes);
	rc = format->render(p, &out, err);
	if (!rc) {
		rc = fd_write_all(fd, out.data, out.len);
		if (rc < 0)
			err_set(err, rc, "cannot write the profile: %s", strerror(-rc));
	}
	buf_free(&out);
	return rc;
}

/* The children that ran meanwhile, when the targets hardly did: the usual case of a server whose
 * parent process only looks after its workers. */
static void note_busy_children(struct recording *r, double duration_s)
{
	struct process_busy busy[BUSY_SHOWN + 1];
	size_t n = process_busy_since(r->family, r->n_family, duration_s, busy, BUSY_SHOWN + 1);
	char names[200] = "";

	for (size_t i = 0, at = 0; i < n && i < BUSY_SHOWN; i++, at = strlen(names))
		snprintf(names + at, sizeof(names) - at, "%s%s (%u) %.0f %%", i ? ", " : "",
			busy[i].comm, busy[i].pid, busy[i].share * 100);
	if (n)
		notes_add(&r->notes,
			"its children were busy: %s%s; add --subprocesses to profile them", names,
			n > BUSY_SHOWN ? " and others" : "");
}

static void note_idle(struct recording *r)
{
	double duration_s = (double)(r->end_ns - r->start_ns) / NS_PER_S;
	double expected = duration_s * r->request->rate_hz;

	if ((double)r->quality.samples > expected * 0.01 || r->request->subprocesses ||
		r->ended == ENDED_EXITED)
		return;
	notes_add(&r->notes,
		"the process was idle: %llu samples in %.1f s; profile it under load, or longer",
		(unsigned long long)r->quality.samples, duration_s);
	if (duration_s > 0.1)
		note_busy_children(r, duration_s);
}

static int recording_finish(struct recording *r, int output, struct err *err)
{
	struct top_row top[TOP_ROWS];
	struct serve_finished finished = {.top = top, .ended = r->ended};
	struct profile *p;
	int rc;

	p = profile_make(r, err);
	if (!p)
		return err->code;
	rc = profile_write(r, p, output, err);
	if (!rc)
		rc = analyze_top(p, TOP_ROWS, top, &finished.n_top);
	if (!rc) {
		own_cost(&p->quality);
		note_idle(r);
		finished.profile = p;
		finished.notes = r->notes.list;
		finished.n_notes = r->notes.n;
		rc = serve_send_finished(r->channel, r->request->id, &finished);
	}
	profile_free(p);
	return rc;
}

static int record(
	struct channel *channel, const struct record_request *request, int output, struct err *err)
{
	struct recording *r = calloc(1, sizeof(*r));
	struct serve_started started = {
		.source = "ebpf", .pids = request->pids, .n_pids = request->n_pids};
	int rc;

	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	r->channel = channel;
	r->request = request;
	rc = recording_start(r, err);
	if (!rc) {
		char *title = title_make(r);

		started.title = title;
		rc = serve_send_started(channel, request->id, &started);
		free(title);
	}
	if (!rc) {
		recording_run(r);
		rc = r->gone ? -EPIPE : recording_finish(r, output, err);
	}
	recording_close(r);
	free(r);
	return rc;
}

/* ---- the client --------------------------------------------------------------------------------
 */

static void call_answer(struct channel *channel, struct serve_call *call)
{
	struct err err = {0};
	int rc = 0;

	if (call->kind == SERVE_RECORD)
		rc = record(channel, &call->record, call->fd, &err);
	if (rc < 0 && err.text[0])
		serve_send_error(channel, call->id, &err);
	fd_close(&call->fd);
}

int pipeline_serve(int socket_fd)
{
	struct serve_call *call = calloc(1, sizeof(*call));
	struct err err = {0};
	struct channel *channel = channel_new(socket_fd, &err);
	int rc = channel && call ? 0 : -ENOMEM;

	while (rc >= 0) {
		struct pollfd fd = {.fd = channel ? channel_fd(channel) : -1, .events = POLLIN};

		rc = serve_next(channel, call, &err);
		if (rc == 1)
			call_answer(channel, call);
		else if (!rc)
			poll(&fd, 1, -1);
	}
	channel_free(channel);
	free(call);
	return rc == -EPIPE ? 0 : rc;
}
