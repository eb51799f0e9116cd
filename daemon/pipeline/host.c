/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/host.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "pipeline/cost.h"
#include "pipeline/moment.h"
#include "pipeline/roster.h"
#include "pipeline/selection.h"
#include "pipeline/targets.h"

#define LOG_ROOM "host"
#include "base/log.h"

enum {
	TABLE_CELLS =
		4 << 20, /* 16 MiB of unwind rows in the kernel, for all programs of the host */
	TABLE_MAPPINGS = 65536, /* executable mappings of all sampled processes */
	SWEEP_WINDOWS = 3,      /* between two looks for files that nobody maps any more */
};

/* News of processes wake the daemon so often at most: what starts lives longer than that, and a
 * host that starts thousands of processes a second must not keep it busy. */
static const uint64_t events_pause_ns = 10 * NS_PER_MS;
static const size_t symbols_max_bytes = (size_t)12 << 20;

struct host {
	const struct daemon_config *config;
	struct sampling sampling;
	struct roster *roster;
	struct aggregate *tree; /* of the open window */
	struct targets targets;
	struct host_listener listener; /* `stack` NULL: nobody */
	struct moment start;           /* of the open window */
	uint64_t events_ns;            /* last look at process events */
	long online_cpus;
	uint32_t rate_hz;
	bool all; /* every process is selected */
	struct host_totals totals;
};

/* ---- hooks -------------------------------------------------------------------------------------
 */

/* With events for its targets' threads; otherwise with one for every CPU. */
static bool is_attached(const struct host *h)
{
	return h->targets.of.n_pids > 0;
}

static void on_event(void *arg, const struct process_event *event, struct process *p)
{
	struct host *h = arg;
	struct member *m = p->identity ? roster_find(h->roster, p->identity) : NULL;

	targets_event(&h->targets, event, p);
	if (m && (event->kind == PROCESS_EXECED || event->kind == PROCESS_EXITED)) {
		roster_python(m, h->sampling.python);
		m->exited = true;
	}
	if (event->kind == PROCESS_EXECED || event->kind == PROCESS_FORKED)
		p->identity = 0; /* from now on it is another program */
	if (h->listener.event)
		h->listener.event(h->listener.arg, event, p);
}

static bool on_wants(void *arg, struct process *p)
{
	struct host *h = arg;
	const struct member *m;

	if (!targets_want(&h->targets, p->pid))
		return false;
	if (h->all)
		return true;
	m = roster_member(h->roster, p);
	return m && m->selected;
}

/* Before the stack is built, since its root tells whose it is. */
static void on_sampled(void *arg, struct process *p)
{
	struct host *h = arg;

	roster_member(h->roster, p);
}

static bool on_stack(
	void *arg, struct process *p, const struct sample *s, const struct stack *stack)
{
	struct host *h = arg;
	struct member *m = p && p->identity ? roster_find(h->roster, p->identity) : NULL;

	if (!p && h->targets.of.viewer)
		return true; /* of a process that ended before anything was known of it */
	if (!m || aggregate_add(h->tree, stack->locations, stack->n, s->weight_ns) < 0)
		return false;
	m->samples++;
	if (h->listener.stack)
		h->listener.stack(h->listener.arg, p, s, stack);
	return true;
}

void host_listen(struct host *h, const struct host_listener *listener)
{
	h->listener = listener ? *listener : (struct host_listener){0};
}

/* ---- opening -----------------------------------------------------------------------------------
 */

static void window_start(struct host *h, const struct moment *now)
{
	h->start = *now;
	memset(&h->sampling.quality, 0, sizeof(h->sampling.quality));
}

/* Everything that runs: only the tables of Python are made now, the others with the first sample.
 */
static int processes_find(struct host *h, struct err *err)
{
	uint32_t *pids;
	size_t n;
	int rc = process_list(&pids, &n);

	if (rc < 0)
		return err_set(err, rc, "cannot list the processes: %s", strerror(-rc));
	for (size_t i = 0; i < n; i++) {
		struct process *p = targets_want(&h->targets, pids[i])
					    ? sampling_process(&h->sampling, pids[i], NULL)
					    : NULL;

		if (p)
			roster_member(h->roster, p);
	}
	free(pids);
	return 0;
}

/* Those that were asked for; but for one that is still to become the program that is meant. */
static void members_find(struct host *h)
{
	for (size_t i = 0; i < h->targets.of.n_pids && !h->targets.of.on_exec; i++) {
		struct process *p = process_find(h->sampling.processes, h->targets.of.pids[i]);

		if (p)
			roster_member(h->roster, p);
	}
}

static int whole_begin(struct host *h, struct err *err)
{
	int rc = sampling_watch(&h->sampling, err);

	if (!rc)
		process_watch_host(h->sampling.watch);
	if (!rc)
		rc = sampling_load(&h->sampling, err);
	if (!rc)
		rc = processes_find(h, err);
	if (!rc)
		rc = collect_host(h->sampling.collect, err);
	return rc ? rc : collect_start(h->sampling.collect, err);
}

static int attached_begin(struct host *h, struct err *err)
{
	int rc = targets_start(&h->targets, &h->sampling, err);

	if (!rc)
		members_find(h);
	return rc;
}

static int sampling_begin(struct host *h, struct err *err)
{
	bool attached = is_attached(h);
	const struct sampling_options options = {
		.collect = {.rate_hz = h->config->rate_hz,
			.kernel_stacks = h->config->kernel,
			.native_stacks = h->config->native,
			.host = !attached,
			.per_cpu =
				attached && !h->targets.of.on_exec && targets_are_many(&h->targets),
			.table_cells = attached ? 0 : TABLE_CELLS,
			.table_mappings = attached ? 0 : TABLE_MAPPINGS},
		.stacks = {.process_root = true,
			.thread_root = true,
			.numbered_roots = true,
			.native = h->config->native},
		.lazy = !attached,
	};
	const struct sampling_hooks hooks = {.arg = h,
		.event = on_event,
		.wants = on_wants,
		.sampled = on_sampled,
		.stack = on_stack};
	int rc = sampling_open(&h->sampling, &options, &hooks, err);

	if (rc)
		return rc;
	return attached ? attached_begin(h, err) : whole_begin(h, err);
}

struct host *host_open(
	const struct daemon_config *config, const struct host_targets *targets, struct err *err)
{
	static const struct host_targets everything = {0};
	struct host *h = calloc(1, sizeof(*h));
	int rc;

	if (!h) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	h->config = config;
	h->rate_hz = config->rate_hz;
	h->all = selection_is_all(config);
	h->online_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	rc = targets_open(&h->targets, targets ? targets : &everything, err);
	h->roster = rc ? NULL : roster_new(config, err);
	h->tree = h->roster ? aggregate_new(err) : NULL;
	if (!h->tree || sampling_begin(h, err) < 0) {
		host_close(h);
		return NULL;
	}
	h->start = moment_now(h->sampling.collect);
	return h;
}

void host_close(struct host *h)
{
	if (!h)
		return;
	sampling_close(&h->sampling);
	aggregate_free(h->tree);
	roster_free(h->roster);
	targets_close(&h->targets);
	free(h);
}

void host_configure(struct host *h, const struct daemon_config *config)
{
	h->config = config;
	h->all = selection_is_all(config);
	roster_configure(h->roster, config);
}

struct sampling *host_sampling(struct host *h)
{
	return &h->sampling;
}

bool host_ended(struct host *h, bool look)
{
	return targets_ended(&h->targets, h->sampling.processes, look);
}

bool host_hides(const struct host *h)
{
	return h->targets.hidden;
}

/* ---- running -----------------------------------------------------------------------------------
 */

int host_pause(struct host *h, bool paused, struct err *err)
{
	if (paused == h->totals.paused)
		return 0;
	h->totals.paused = paused;
	if (!paused) {
		struct moment now = moment_now(h->sampling.collect);

		window_start(h, &now);
		return collect_start(h->sampling.collect, err);
	}
	collect_detach(h->sampling.collect);
	return 0;
}

void host_set_rate(struct host *h, uint32_t rate_hz)
{
	int rc = collect_set_rate(h->sampling.collect, rate_hz);

	if (rc < 0)
		log_warn("cannot change the rate to %u a second: %s", rate_hz, strerror(-rc));
	else
		h->rate_hz = rate_hz;
}

void host_poll(const struct host *h, struct pollfd fds[HOST_POLLS])
{
	bool rest = clock_now_ns() - h->events_ns < events_pause_ns;

	fds[0] = (struct pollfd){.fd = collect_fd(h->sampling.collect), .events = POLLIN};
	fds[1] = (struct pollfd){
		.fd = rest ? -1 : process_watch_fd(h->sampling.watch), .events = POLLIN};
}

void host_drain(struct host *h)
{
	if (clock_now_ns() - h->events_ns < events_pause_ns) {
		sampling_drain_samples(&h->sampling);
		return;
	}
	sampling_drain(&h->sampling);
	h->events_ns = clock_now_ns();
}

/* ---- the end of a window -----------------------------------------------------------------------
 */

static uint32_t series_number(void *arg, uint32_t pid, uint64_t identity)
{
	const struct host *h = arg;
	const struct member *m = roster_find(h->roster, identity);

	(void)pid;
	/* Every stack that was kept is of a member with samples, and so of one in the window. */
	return m && m->index ? m->index - 1 : UINT32_MAX;
}

static void quality_fill(const struct host *h, const struct moment *end, struct profile_quality *q)
{
	struct profile_quality named = *q;

	*q = h->sampling.quality;
	q->frames_seen = named.frames_seen;
	q->unsymbolized_frames = named.unsymbolized_frames;
	q->requested_hz = h->rate_hz;
	moment_quality(&h->start, end, is_attached(h), q);
}

static int profile_make(struct host *h, struct window *w, struct err *err)
{
	struct namer namer = {.processes = h->sampling.processes,
		.python = h->sampling.python,
		.symbols = h->sampling.symbols,
		.stacker = h->sampling.stacker,
		.series = series_number,
		.series_arg = h};

	w->profile = aggregate_profile(h->tree, location_name, &namer, err);
	if (!w->profile)
		return err->code;
	w->profile->title = strdup("");
	w->profile->source = strdup("ebpf");
	w->profile->start_unix_ns = w->start_unix_ns;
	return w->profile->title && w->profile->source ? 0 : -ENOMEM;
}

static struct window *window_make(struct host *h, const struct moment *end)
{
	struct window *w = calloc(1, sizeof(*w));
	struct err err = {0};
	int rc = -ENOMEM;

	if (w) {
		w->start_unix_ns = h->start.unix_ns;
		w->duration_ns = end->ns - h->start.ns;
		w->period_ns = NS_PER_S / h->rate_hz;
		rc = roster_window(h->roster, h->sampling.python, w);
	}
	if (!rc)
		rc = profile_make(h, w, &err);
	if (!rc)
		return w;
	window_free(w);
	log_warn("a window is lost: %s", strerror(-rc));
	return NULL;
}

static void totals_add(struct host *h, const struct profile_quality *q)
{
	h->totals.samples += q->samples;
	h->totals.lost += q->lost;
	h->totals.truncated += q->truncated;
	h->totals.achieved_hz = q->achieved_hz;
	h->totals.window_s = (double)q->duration_ns / NS_PER_S;
	h->totals.last = *q;
	h->totals.windows++;
}

/* CPUs that came online have no event yet; those that went took theirs along. */
static void cpus_follow(struct host *h)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	struct err err = {0};

	if (is_attached(h) || online == h->online_cpus || h->totals.paused)
		return;
	h->online_cpus = online;
	log_info("%ld CPUs are online now", online);
	if (collect_host(h->sampling.collect, &err) < 0)
		log_warn("%s", err.text);
}

/* Whatever the closed window does not need any more. */
static void sweep(struct host *h)
{
	if (h->listener.settle)
		h->listener.settle(h->listener.arg);
	roster_trim(h->roster);
	sampling_sweep(&h->sampling, symbols_max_bytes, h->totals.windows % SWEEP_WINDOWS == 0);
	targets_sweep(&h->targets, h->sampling.processes);
#ifdef __GLIBC__
	if (h->totals.windows % SWEEP_WINDOWS == 0)
		malloc_trim(0); /* what was let go is the host's again, not ours */
#endif
}

struct window *host_close_window(struct host *h)
{
	struct aggregate *fresh = aggregate_new(NULL);
	struct moment end = moment_now(h->sampling.collect);
	struct window *w = NULL;

	if (fresh) {
		w = window_make(h, &end);
		if (w) {
			quality_fill(h, &end, &w->profile->quality);
			totals_add(h, &w->profile->quality);
		} else
			h->totals.lost += h->sampling.quality.samples;
		aggregate_free(h->tree);
		h->tree = fresh;
		sweep(h);
	}
	window_start(h, &end);
	cpus_follow(h);
	return w;
}

/* ---- what people ask ---------------------------------------------------------------------------
 */

bool host_next(const struct host *h, size_t *at, struct host_row *out)
{
	struct member *m;

	while (roster_next(h->roster, at, &m)) {
		double window_s = h->totals.window_s;

		if (m->exited || !m->selected)
			continue;
		*out = (struct host_row){
			.pid = m->series.pid,
			.series = &m->series,
			.threads = m->totals.threads,
			.samples = m->last,
			.cpu = window_s > 0 ? (double)m->last / h->rate_hz / window_s : 0,
		};
		return true;
	}
	return false;
}

void host_totals(const struct host *h, struct host_totals *out)
{
	*out = h->totals;
	out->processes = (uint32_t)roster_count(h->roster);
	out->rate_hz = h->rate_hz;
	out->selected = !h->all;
	selection_text(h->config, out->selection, sizeof(out->selection));
}

const struct series *host_series(struct host *h, struct process *p)
{
	const struct member *m = roster_member(h->roster, p);

	return m ? &m->series : NULL;
}

void host_meters(const struct host *h, struct host_meters *out)
{
	struct collect_stats stats;

	collect_stats(h->sampling.collect, &stats);
	*out = (struct host_meters){
		.lost = h->totals.lost + h->sampling.quality.lost + stats.lost -
			h->start.stats.lost,
		.cpu_ns = cost_cpu_ns(),
		.kernel_ns = stats.run_ns,
	};
}
