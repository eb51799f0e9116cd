/* SPDX-License-Identifier: BSD-2-Clause */
/* One recording for one client.
 *
 *     sampling --stacks--> aggregate --> profile --> render --> the client's file
 *                                           +-----> analyze --> the client's summary
 */
#include "pipeline/recording.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "analyze/analyze.h"
#include "base/clock.h"
#include "base/fd.h"
#include "pipeline/cost.h"
#include "pipeline/sampling.h"
#include "render/render.h"

#define LOG_ROOM "recording"
#include "base/log.h"

enum {
	TICK_MS = 100,          /* how long samples may wait in the ring */
	ALIVE_CHECK_TICKS = 10, /* between two looks at /proc for targets whose end was not told */
	TOP_ROWS = 5,
	BUSY_SHOWN = 3,
	PER_CPU_THREADS =
		1000, /* from so many threads on, events per CPU cost less than events per thread */
};

static const size_t output_max_bytes = (size_t)2 << 30;

struct recording {
	struct channel *channel;
	const struct record_request *request;
	const struct viewer *viewer; /* NULL: may see whatever profd may */
	struct sampling sampling;
	struct aggregate *tree;
	struct map *visible; /* pid -> bool: whether the viewer may see it, since its last exec */
	bool hidden;         /* there were samples of processes that the viewer may not see */
	uint64_t start_ns, end_ns, start_unix_ns;
	struct process_usage *family; /* descendants of the first target at the start */
	size_t n_family;
	bool stop; /* the client said so, or has gone */
	bool gone;
	enum serve_ended ended;
};

static bool is_target(const struct recording *r, uint32_t pid)
{
	for (size_t i = 0; i < r->request->n_pids; i++)
		if (r->request->pids[i] == pid)
			return true;
	return false;
}

/* ---- what sampling asks and tells --------------------------------------------------------------
 */

/* A program with other rights (sudo) can be started below a process of the viewer's; so the
 * question is asked again after each exec, and one that has gone before it could be asked is not
 * shown. */
static bool is_visible(struct recording *r, uint32_t pid)
{
	bool fresh, *visible;

	if (!r->viewer)
		return true;
	visible = map_put(r->visible, &pid, &fresh);
	if (visible && fresh)
		*visible = viewer_may_see(r->viewer, pid);
	return visible && *visible;
}

static void on_event(void *arg, const struct process_event *event, struct process *p)
{
	struct recording *r = arg;
	bool parent, *visible;

	if (!r->viewer || (event->kind != PROCESS_FORKED && event->kind != PROCESS_EXECED))
		return;
	map_del(r->visible, &p->pid);
	if (event->kind == PROCESS_EXECED) {
		is_visible(r, p->pid);
		return;
	}
	parent = is_visible(r, event->parent); /* until its exec a child has its parent's rights */
	visible = map_put(r->visible, &p->pid, NULL);
	if (visible)
		*visible = parent;
}

static bool on_wants(void *arg, struct process *p)
{
	struct recording *r = arg;

	/* A child that was not asked for, on a kernel that cannot inherit to threads only. */
	if (!r->request->subprocesses && !is_target(r, p->pid))
		return false;
	if (is_visible(r, p->pid))
		return true;
	r->hidden = true;
	return false;
}

static bool on_stack(
	void *arg, struct process *p, const struct sample *s, const struct stack *stack)
{
	struct recording *r = arg;

	if (!p && r->viewer)
		return true; /* of a process that ended before anything was known of it */
	return aggregate_add(r->tree, stack->locations, stack->n, s->weight_ns) == 0;
}

/* ---- start -------------------------------------------------------------------------------------
 */

static int targets_open(struct recording *r, struct err *err)
{
	const struct record_request *q = r->request;
	int rc = 0;

	for (size_t i = 0; i < q->n_pids && !rc; i++)
		rc = process_check(q->pids[i], err);
	if (!rc)
		rc = sampling_watch(&r->sampling, err);
	for (size_t i = 0; i < q->n_pids && !rc; i++)
		if (!sampling_process(&r->sampling, q->pids[i], err))
			rc = err->code;
	if (!rc)
		process_descendants(q->pids[0], &r->family, &r->n_family);
	return rc;
}

static size_t threads_count(const struct record_request *q)
{
	size_t sum = 0, n;
	uint32_t *tids;

	for (size_t i = 0; i < q->n_pids; i++)
		if (!process_threads(q->pids[i], &tids, &n)) {
			sum += n;
			free(tids);
		}
	return sum;
}

static void children_attach(struct recording *r, uint32_t pid)
{
	struct process_usage *list;
	size_t n;

	if (process_descendants(pid, &list, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (!is_target(r, list[i].pid) && sampling_process(&r->sampling, list[i].pid, NULL))
			collect_attach(r->sampling.collect, list[i].pid, true, false, NULL);
	free(list);
}

/* The processes that are there already; those to come are inherited and told by events. */
static int targets_attach(struct recording *r, struct err *err)
{
	const struct record_request *q = r->request;

	for (size_t i = 0; i < q->n_pids; i++) {
		int rc = collect_attach(
			r->sampling.collect, q->pids[i], q->subprocesses, q->on_exec, err);

		if (rc < 0)
			return rc;
		if (q->subprocesses)
			children_attach(r, q->pids[i]);
	}
	return collect_start(r->sampling.collect, err);
}

static int rooms_open(struct recording *r, struct err *err)
{
	const struct record_request *q = r->request;
	const struct sampling_options options = {
		.collect = {.rate_hz = q->rate_hz,
			.kernel_stacks = q->kernel,
			.native_stacks = q->native,
			.per_cpu = !q->on_exec && threads_count(q) > PER_CPU_THREADS},
		/* With --subprocesses there are, or may come, several processes. */
		.stacks = {.process_root = q->n_pids > 1 || q->subprocesses,
			.thread_root = q->threads,
			.native = q->native},
	};
	const struct sampling_hooks hooks = {
		.arg = r, .wants = on_wants, .stack = on_stack, .event = on_event};

	r->visible = map_new(sizeof(uint32_t), sizeof(bool));
	if (!r->visible)
		return err_set(err, -ENOMEM, "out of memory");
	r->tree = aggregate_new(err);
	return r->tree ? sampling_open(&r->sampling, &options, &hooks, err) : err->code;
}

static int recording_start(struct recording *r, struct err *err)
{
	struct timespec now;
	int rc = rooms_open(r, err);

	if (!rc)
		rc = targets_open(r, err);
	if (!rc)
		rc = sampling_load(&r->sampling, err);
	if (!rc)
		rc = targets_attach(r, err);
	clock_gettime(CLOCK_REALTIME, &now);
	r->start_unix_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
	r->start_ns = clock_now_ns();
	return rc;
}

static void recording_close(struct recording *r)
{
	sampling_close(&r->sampling);
	aggregate_free(r->tree);
	map_free(r->visible);
	free(r->family);
}

/* ---- run ---------------------------------------------------------------------------------------
 */

static bool targets_ended(struct recording *r, bool look)
{
	for (size_t i = 0; i < r->request->n_pids; i++) {
		struct process *p = process_find(r->sampling.processes, r->request->pids[i]);

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
		if (call.kind == SERVE_STOP && call.id == r->request->id)
			r->stop = true;
		else if (call.kind != SERVE_STOP) {
			err_set(&err, -EBUSY,
				"one recording is running on this connection already");
			serve_send_error(r->channel, call.id, &err);
		}
		serve_call_clear(&call);
	}
	if (rc < 0)
		r->gone = r->stop = true;
}

static void progress_tell(struct recording *r)
{
	struct collect_stats stats;

	collect_stats(r->sampling.collect, &stats);
	serve_send_progress(r->channel, r->request->id,
		(double)(clock_now_ns() - r->start_ns) / NS_PER_S, r->sampling.quality.samples,
		stats.lost + r->sampling.quality.lost);
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

static void recording_follow(struct recording *r)
{
	uint64_t deadline = r->start_ns + (uint64_t)(r->request->duration_s * NS_PER_S),
		 last_tick = r->start_ns;
	struct pollfd fds[] = {{.fd = channel_fd(r->channel), .events = POLLIN},
		{.fd = collect_fd(r->sampling.collect), .events = POLLIN},
		{.fd = process_watch_fd(r->sampling.watch), .events = POLLIN}};
	unsigned ticks = 0;

	while (!r->stop) {
		poll(fds, 3, wait_ms(r, deadline));
		sampling_drain(&r->sampling);
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
	collect_detach(r->sampling.collect);
	sampling_drain(&r->sampling);
}

/* ---- finish ------------------------------------------------------------------------------------
 */

static void own_cost(struct profile_quality *q)
{
	q->profiler_cpu_ns = cost_cpu_ns();
	q->profiler_rss_bytes = cost_peak_rss_bytes();
}

static void quality_fill(struct recording *r, struct profile_quality *q)
{
	struct collect_stats stats;
	uint64_t taken;

	collect_stats(r->sampling.collect, &stats);
	*q = r->sampling.quality;
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
	if (r->sampling.first_sample_ns)
		log_debug("first sample %.1f ms after the start",
			((double)r->sampling.first_sample_ns - (double)r->start_ns) / NS_PER_MS);
}

static uint32_t shown_pid(const struct recording *r, uint32_t pid)
{
	uint32_t shown = r->viewer ? viewer_pid_to(r->viewer, pid) : pid;

	return shown ? shown : pid;
}

static char *title_make(const struct recording *r)
{
	struct buf text;
	const struct record_request *q = r->request;

	if (*q->title)
		return strdup(q->title);
	buf_init(&text, 4096);
	for (size_t i = 0; i < q->n_pids; i++) {
		const struct process *p = process_find(r->sampling.processes, q->pids[i]);

		buf_printf(&text, "%s%s (%u)", i ? ", " : "", p ? p->comm : "?",
			shown_pid(r, q->pids[i]));
	}
	return text.data;
}

static struct profile *profile_make(struct recording *r, struct err *err)
{
	struct namer namer = {.processes = r->sampling.processes,
		.python = r->sampling.python,
		.symbols = r->sampling.symbols,
		.stacker = r->sampling.stacker};
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
		notes_add(&r->sampling.notes,
			"its children were busy: %s%s; add --subprocesses to profile them", names,
			n > BUSY_SHOWN ? " and others" : "");
}

static void note_idle(struct recording *r)
{
	double duration_s = (double)(r->end_ns - r->start_ns) / NS_PER_S;
	double expected = duration_s * r->request->rate_hz;

	if ((double)r->sampling.quality.samples > expected * 0.01 || r->request->subprocesses ||
		r->ended == ENDED_EXITED)
		return;
	notes_add(&r->sampling.notes,
		"the process was idle: %llu samples in %.1f s; profile it under load, or longer",
		(unsigned long long)r->sampling.quality.samples, duration_s);
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
		if (r->hidden)
			notes_add(&r->sampling.notes,
				"samples of processes with other rights than yours are not shown");
		finished.profile = p;
		finished.notes = r->sampling.notes.list;
		finished.n_notes = r->sampling.notes.n;
		rc = serve_send_finished(r->channel, r->request->id, &finished);
	}
	profile_free(p);
	return rc;
}

/* The client hears its own numbers. */
static int started_tell(struct recording *r)
{
	const struct record_request *q = r->request;
	char *title = title_make(r);
	uint32_t *pids = calloc(q->n_pids, sizeof(*pids));
	struct serve_started started = {
		.source = "ebpf", .title = title, .pids = pids, .n_pids = q->n_pids};
	int rc = -ENOMEM;

	for (size_t i = 0; pids && i < q->n_pids; i++)
		pids[i] = shown_pid(r, q->pids[i]);
	if (pids)
		rc = serve_send_started(r->channel, q->id, &started);
	free(title);
	free(pids);
	return rc;
}

int recording_run(struct channel *channel, const struct record_request *request,
	const struct viewer *viewer, int output, struct err *err)
{
	struct recording *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	r->channel = channel;
	r->request = request;
	r->viewer = viewer;
	rc = recording_start(r, err);
	if (!rc)
		rc = started_tell(r);
	if (!rc) {
		recording_follow(r);
		rc = r->gone ? -EPIPE : recording_finish(r, output, err);
	}
	recording_close(r);
	free(r);
	return rc;
}
