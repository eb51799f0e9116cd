/* SPDX-License-Identifier: BSD-2-Clause */
/* One recording into a profile file.
 *
 *     host --window of a second--> store in memory --store_serialize--> the client's file
 *                                                        +--store_read--> the client's summary
 */
#include "pipeline/keeping.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pipeline/cost.h"
#include "pipeline/host.h"
#include "pipeline/telling.h"
#include "store/store.h"

#define LOG_ROOM "keeping"
#include "base/log.h"

static const uint64_t window_ns = NS_PER_S;

struct keeping {
	const struct record_request *request;
	struct telling telling;
	struct daemon_config config;
	struct host *host;
	struct store *store;
	struct store_about about;
	uint64_t max_bytes;
	uint64_t window_end_ns; /* of the open window */
	uint64_t told_cpu_ns;   /* of profd's own CPU time, in the windows so far */
	bool full;              /* nothing more may be added */
	struct err lost;        /* why the last window that could not be kept was not */
};

/* ---- start -------------------------------------------------------------------------------------
 */

/* What stands at the root of a direct recording's picture. */
static enum store_root root_of(const struct record_request *q)
{
	bool processes = q->n_pids > 1 || q->subprocesses;

	if (q->threads)
		return processes ? STORE_ROOT_THREAD : STORE_ROOT_THREAD_ONLY;
	return processes ? STORE_ROOT_PROCESS : STORE_ROOT_NONE;
}

static int about_make(struct keeping *k, struct err *err)
{
	char *title = telling_title(&k->telling, host_sampling(k->host)->processes);

	if (!title)
		return err_set(err, -ENOMEM, "out of memory");
	k->about = (struct store_about){.is_recording = true,
		.version = PROFD_VERSION,
		.source = "ebpf",
		.root = root_of(k->request)};
	snprintf(k->about.title, sizeof(k->about.title), "%s", title);
	free(title);
	return 0;
}

static int start(struct keeping *k, struct err *err)
{
	const struct record_request *q = k->request;
	const struct host_targets targets = {.pids = q->pids,
		.n_pids = q->n_pids,
		.subprocesses = q->subprocesses,
		.on_exec = q->on_exec,
		.viewer = k->telling.viewer};

	config_default(&k->config);
	k->config.rate_hz = q->rate_hz;
	k->config.kernel = q->kernel;
	k->config.native = q->native;
	k->store = store_open(":memory:", &store_limits_default, err);
	if (!k->store)
		return err->code;
	k->host = host_open(&k->config, &targets, err);
	if (!k->host)
		return err->code;
	telling_start(&k->telling);
	k->window_end_ns = k->telling.start_ns + window_ns;
	return about_make(k, err);
}

/* ---- windows -----------------------------------------------------------------------------------
 */

static void window_keep(struct keeping *k, const struct window *w)
{
	uint64_t used = 0;
	int rc = store_write(k->store, w, &k->lost);

	if (!rc)
		rc = store_used(k->store, &used, &k->lost);
	if (rc < 0)
		log_warn("a window is lost: %s", k->lost.text);
	k->full = rc == -ENOMEM || rc == -ENOSPC || used > k->max_bytes;
}

/* What it took to get here is a part of the first window's cost. */
static void window_close(struct keeping *k)
{
	struct window *w = host_close_window(k->host);
	uint64_t cpu_ns = cost_cpu_ns();

	if (!w)
		return; /* said in the log, and counted */
	w->profile->quality.profiler_cpu_ns = cpu_ns - k->told_cpu_ns;
	k->told_cpu_ns = cpu_ns;
	window_keep(k, w);
	window_free(w);
}

/* Less than half a window before the end belongs to the one before. */
static void window_turn(struct keeping *k)
{
	uint64_t now = clock_now_ns(), deadline = telling_deadline_ns(&k->telling);

	if (now < k->window_end_ns || deadline < k->window_end_ns + window_ns / 2)
		return;
	window_close(k);
	k->window_end_ns += window_ns;
	if (k->window_end_ns < now)
		k->window_end_ns = now + window_ns;
}

static void progress_tell(struct keeping *k)
{
	struct host_meters meters;
	struct host_totals totals;

	host_meters(k->host, &meters);
	host_totals(k->host, &totals);
	telling_progress(
		&k->telling, totals.samples + host_sampling(k->host)->quality.samples, meters.lost);
}

/* Until the next tick, or the end of the window. */
static int wait_ms(const struct keeping *k)
{
	uint64_t now = clock_now_ns();
	int ms = telling_wait_ms(&k->telling);

	if (k->window_end_ns <= now)
		return ms; /* it is the last */
	return (k->window_end_ns - now) / NS_PER_MS < (uint64_t)ms
		       ? (int)((k->window_end_ns - now) / NS_PER_MS) + 1
		       : ms;
}

static void follow(struct keeping *k)
{
	struct telling *t = &k->telling;
	struct pollfd fds[HOST_POLLS + 1];
	bool over = false;

	while (!over) {
		host_poll(k->host, fds);
		fds[HOST_POLLS] = (struct pollfd){.fd = channel_fd(t->channel), .events = POLLIN};
		poll(fds, HOST_POLLS + 1, wait_ms(k));
		host_drain(k->host);
		telling_listen(t);
		window_turn(k);
		if (telling_tick(t))
			progress_tell(k);
		over = telling_is_over(t, host_ended(k->host, telling_looks(t))) || k->full;
	}
	telling_end(t);
	collect_detach(host_sampling(k->host)->collect);
	sampling_drain(host_sampling(k->host));
	window_close(k);
}

/* ---- the end -----------------------------------------------------------------------------------
 */

/* Everything out of the file again: what is told is what others will read. */
static struct profile *read_back(const struct buf *bytes, struct err *err)
{
	const struct store_query query = {.kernel = true};
	struct store_reader *reader =
		store_reader_open_bytes(bytes->data, bytes->len, "(the recording)", err);
	struct profile *p = NULL;
	struct profile_quality *q;

	if (!reader)
		return NULL;
	if (store_read(reader, &query, &p, err) < 0)
		p = NULL;
	store_reader_close(reader);
	if (!p)
		return NULL;
	q = &p->quality;
	/* Where it is not known how long the threads ran, what was not lost. */
	if (!(q->achieved_hz > 0) && q->samples)
		q->achieved_hz =
			q->requested_hz * (double)q->samples / (double)(q->samples + q->lost);
	return p;
}

static void notes_make(struct keeping *k, struct notes *notes)
{
	if (k->full && k->lost.code)
		notes_add(notes, "the recording ended early: %s", k->lost.text);
	else if (k->full)
		notes_add(notes,
			"the recording ended early, after %.0f s: a profile file holds %.4g MiB at most; for "
			"longer ones lower --rate, or let the daemon record (profd daemon)",
			(double)(k->telling.end_ns - k->telling.start_ns) / NS_PER_S,
			(double)k->max_bytes / (1 << 20));
	else if (k->lost.code)
		notes_add(notes, "a part of the recording is missing: %s", k->lost.text);
}

static int finish(struct keeping *k, int output, struct err *err)
{
	struct notes *notes = &host_sampling(k->host)->notes;
	struct profile *p = NULL;
	struct buf bytes;
	int rc = store_describe(k->store, &k->about, err);

	buf_init(&bytes, 4 * KEEPING_BYTES_MAX);
	if (!rc)
		rc = store_serialize(k->store, &bytes, err);
	store_close(k->store);
	k->store = NULL;
	if (!rc)
		rc = telling_write(output, &bytes, err);
	if (!rc) {
		p = read_back(&bytes, err);
		rc = p ? 0 : err->code;
	}
	if (!rc) {
		notes_make(k, notes);
		rc = telling_finished(&k->telling, p, notes, host_hides(k->host));
	}
	profile_free(p);
	buf_free(&bytes);
	return rc;
}

int keeping_run(struct channel *channel, const struct record_request *request,
	const struct viewer *viewer, int output, uint64_t max_bytes, struct err *err)
{
	struct keeping *k = calloc(1, sizeof(*k));
	int rc;

	if (!k)
		return err_set(err, -ENOMEM, "out of memory");
	k->request = request;
	k->max_bytes = max_bytes;
	telling_open(&k->telling, channel, request, viewer);
	rc = start(k, err);
	if (!rc)
		rc = telling_started(&k->telling, host_sampling(k->host)->processes);
	if (!rc) {
		follow(k);
		rc = k->telling.gone ? -EPIPE : finish(k, output, err);
	}
	host_close(k->host);
	store_close(k->store);
	telling_close(&k->telling);
	free(k);
	return rc;
}
