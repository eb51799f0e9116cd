/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's loop: sampling, windows, clients, signals, one after the other in one thread.
 *
 *     host --window--> keeper --> store          every window_s
 *     clients <------> host, keeper              as they ask
 *     governor: cost of the window --> rate
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/notify.h"
#include "pipeline/clients.h"
#include "pipeline/cost.h"
#include "pipeline/governor.h"
#include "pipeline/host.h"
#include "pipeline/keeper.h"
#include "pipeline/listening.h"
#include "pipeline/pipeline.h"

#define LOG_ROOM "daemon"
#include "base/log.h"

enum { LARGE_BYTES = 256 << 10, TICK_MS = 200, POLLS = HOST_POLLS + 1 + CLIENTS_MAX + 1 };

static const int64_t clock_step_ns = 500 * (int64_t)NS_PER_MS;

struct daemon {
	const struct daemon_start *start;
	struct daemon_config config;
	struct host *host;
	struct keeper *keeper;
	struct clients *clients;
	struct governor governor;
	struct notify notify;
	sigset_t old_signals;
	int signal_fd;
	uint64_t start_ns, window_end_ns, watchdog_ns, alive_ns, maintained_ns;
	int64_t clock_offset_ns;                /* wall clock less monotonic clock */
	double cpu_percent, kernel_cpu_percent; /* of the last window */
	bool paused, maintains, ends;
	bool own_socket; /* ours to remove */
	struct keeper_state keeper_state;
	struct host_totals totals;
	struct notes notes;
};

/* ---- windows -----------------------------------------------------------------------------------
 */

static void window_begin(struct daemon *d)
{
	d->window_end_ns = clock_now_ns() + (uint64_t)(d->config.window_s * NS_PER_S);
}

static void cost_follow(struct daemon *d)
{
	uint32_t before = d->governor.rate_hz, rate;
	const struct profile_quality *last = &d->totals.last;

	if (!last->duration_ns)
		return;
	d->cpu_percent = 100.0 * (double)last->profiler_cpu_ns / (double)last->duration_ns;
	d->kernel_cpu_percent =
		100.0 * (double)last->profiler_kernel_ns / (double)last->duration_ns;
	rate = governor_next(&d->governor, d->cpu_percent + d->kernel_cpu_percent,
		d->config.max_cpu_percent, d->config.rate_hz);
	if (rate == before)
		return;
	log_info("profiling cost %.2f %% of a CPU (limit %.2f): %u samples a second instead of %u",
		d->cpu_percent + d->kernel_cpu_percent, d->config.max_cpu_percent, rate, before);
	host_set_rate(d->host, rate);
}

static void window_close(struct daemon *d)
{
	struct window *w;

	host_drain(d->host);
	w = host_close_window(d->host);
	keeper_add(d->keeper, w);
	host_totals(d->host, &d->totals);
	cost_follow(d);
	d->maintains = true;
	window_begin(d);
}

static int64_t clock_offset(void)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	return (int64_t)wall.tv_sec * (int64_t)NS_PER_S + wall.tv_nsec - (int64_t)clock_now_ns();
}

/* A window lies in one time: where the clock was set, it ends. */
static void clock_follow(struct daemon *d)
{
	int64_t now = clock_offset(), step = now - d->clock_offset_ns;

	d->clock_offset_ns = now;
	if (llabs(step) < clock_step_ns)
		return;
	log_warn(
		"the clock was set by %+.1f s; nothing is deleted for its age within the next hour",
		(double)step / NS_PER_S);
	keeper_distrust_clock(d->keeper);
	if (!d->paused)
		window_close(d);
}

/* ---- what clients ask for ----------------------------------------------------------------------
 */

static void notes_make(struct daemon *d)
{
	d->notes.n = 0;
	if (d->paused)
		notes_add(&d->notes, "profiling is paused; `profd resume` goes on");
	if (d->governor.rate_hz < d->config.rate_hz)
		notes_add(&d->notes,
			"the rate is %u instead of %u a second, to keep the cost below max_cpu_percent = %g",
			d->governor.rate_hz, d->config.rate_hz, d->config.max_cpu_percent);
	if (d->keeper_state.waiting)
		notes_add(&d->notes, "%llu windows wait for the store",
			(unsigned long long)d->keeper_state.waiting);
}

static double unix_s(uint64_t ns)
{
	return (double)ns / NS_PER_S;
}

static void on_status(void *arg, struct serve_status *out)
{
	struct daemon *d = arg;
	const struct store_stats *store = &d->keeper_state.stats;

	host_totals(d->host, &d->totals);
	keeper_state(d->keeper, &d->keeper_state);
	notes_make(d);
	*out = (struct serve_status){
		.version = PROFD_VERSION,
		.source = "ebpf",
		.uptime_s = unix_s(clock_now_ns() - d->start_ns),
		.window_s = d->config.window_s,
		.paused = d->paused,
		.selection = d->totals.selection,
		.requested_hz = d->config.rate_hz,
		.current_hz = d->totals.rate_hz,
		.achieved_hz = d->totals.achieved_hz,
		.max_cpu_percent = d->config.max_cpu_percent,
		.samples = d->totals.samples,
		.lost = d->totals.lost,
		.truncated = d->totals.truncated,
		.windows = d->totals.windows,
		.windows_waiting = d->keeper_state.waiting,
		.windows_lost = d->keeper_state.lost,
		.quality = d->totals.windows ? &d->totals.last : NULL,
		.cpu_percent = d->cpu_percent,
		.kernel_cpu_percent = d->kernel_cpu_percent,
		.rss_bytes = cost_rss_bytes(),
		.processes = d->totals.processes,
		.clients = (uint32_t)clients_count(d->clients),
		.store = d->config.store,
		.store_error = d->keeper_state.error,
		.store_bytes = store->bytes,
		.store_max_bytes = d->config.store_max_bytes,
		.store_samples = store->samples,
		.store_first_unix_s = unix_s(store->first_unix_ns),
		.store_last_unix_s = unix_s(store->last_unix_ns),
		.notes = d->notes.list,
		.n_notes = d->notes.n,
	};
	memcpy(out->store_windows, store->windows, sizeof(out->store_windows));
}

static int on_pause(void *arg, bool paused, const char **said, struct err *err)
{
	struct daemon *d = arg;
	int rc;

	if (paused == d->paused) {
		*said = paused ? "profiling was paused already" : "profiling was not paused";
		return 0;
	}
	if (paused)
		window_close(d); /* nothing of it is lost */
	rc = host_pause(d->host, paused, err);
	if (rc)
		return rc;
	d->paused = paused;
	window_begin(d);
	*said = paused ? "profiling is paused" : "profiling goes on";
	log_info("%s", *said);
	notify_status(&d->notify, *said);
	return 0;
}

/* ---- signals -----------------------------------------------------------------------------------
 */

static void reload(struct daemon *d)
{
	struct daemon_config fresh;
	struct err err = {0};

	notify_reloading(&d->notify);
	if (!d->start->reload || d->start->reload(d->start->arg, &fresh, &err) < 0)
		log_warn("the configuration stays as it was: %s", err.text);
	else {
		/* These two are open; they change with a restart. */
		memcpy(fresh.store, d->config.store, sizeof(fresh.store));
		memcpy(fresh.socket, d->config.socket, sizeof(fresh.socket));
		if (!d->paused)
			window_close(d); /* a window has one rate and one selection */
		d->config = fresh;
		host_configure(d->host, &d->config);
		keeper_configure(d->keeper, &d->config);
		clients_configure(d->clients, &d->config);
		d->governor = (struct governor){.rate_hz = d->config.rate_hz};
		host_set_rate(d->host, d->config.rate_hz);
		window_begin(d);
		host_totals(d->host, &d->totals);
		log_info("configuration read again: %s, %u samples a second", d->totals.selection,
			d->config.rate_hz);
	}
	notify_ready(&d->notify, "profiling");
}

static void signals_handle(struct daemon *d)
{
	struct signalfd_siginfo info;

	while (read(d->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload(d);
		else if (info.ssi_signo == SIGCHLD)
			clients_reap(d->clients);
		else
			d->ends = true;
	}
}

static int signals_open(struct daemon *d, struct err *err)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error to tell, not a death */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &d->old_signals);
	d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return d->signal_fd < 0
		       ? err_set(err, -errno, "cannot wait for signals: %s", strerror(errno))
		       : 0;
}

/* ---- the loop ----------------------------------------------------------------------------------
 */

static int timeout_ms(const struct daemon *d)
{
	uint64_t now = clock_now_ns();
	int client = clients_timeout_ms(d->clients), timeout = TICK_MS;

	if (!d->paused && d->window_end_ns < now + TICK_MS * NS_PER_MS)
		timeout = d->window_end_ns <= now ? 0
						  : (int)((d->window_end_ns - now) / NS_PER_MS) + 1;
	return client >= 0 && client < timeout ? client : timeout;
}

static void watchdog_feed(struct daemon *d)
{
	if (!d->watchdog_ns || clock_now_ns() - d->alive_ns < d->watchdog_ns / 4)
		return;
	d->alive_ns = clock_now_ns();
	notify_alive(&d->notify);
}

static void turn(struct daemon *d)
{
	struct pollfd fds[POLLS];
	size_t n = 0, clients;

	host_poll(d->host, fds);
	n += HOST_POLLS;
	fds[n++] = (struct pollfd){.fd = d->signal_fd, .events = POLLIN};
	clients = clients_poll(d->clients, fds + n);
	poll(fds, n + clients, timeout_ms(d));
	host_drain(d->host);
	clock_follow(d);
	if (!d->paused && clock_now_ns() >= d->window_end_ns)
		window_close(d);
	else if (d->maintains && clock_now_ns() - d->maintained_ns >= TICK_MS * NS_PER_MS) {
		d->maintains = keeper_maintain(d->keeper);
		d->maintained_ns = clock_now_ns();
	}
	clients_handle(d->clients, fds + n, clients);
	signals_handle(d);
	watchdog_feed(d);
}

/* ---- start and end -----------------------------------------------------------------------------
 */

static int socket_open(struct daemon *d, struct err *err)
{
	int fd = notify_listen_fd();

	if (fd >= 0) { /* it may come as it likes: this loop must never wait in accept() */
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		return fd;
	}
	fd = listening_open(d->config.socket, err);
	d->own_socket = fd >= 0;
	return fd;
}

static int rooms_open(struct daemon *d, struct err *err)
{
	const struct clients_hooks hooks = {.arg = d, .status = on_status, .pause = on_pause};
	int fd;

	folder_make(d->config.store, 0750);
	d->keeper = keeper_open(&d->config, err);
	if (!d->keeper)
		return err->code;
	d->host = host_open(&d->config, NULL, err);
	if (!d->host)
		return err->code;
	fd = socket_open(d, err);
	if (fd < 0)
		return fd;
	d->clients = clients_open(fd, &d->config, d->host, &hooks, err);
	return d->clients ? 0 : err->code;
}

static int daemon_open(struct daemon *d, struct err *err)
{
	int rc;

	umask(027);
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, LARGE_BYTES); /* large blocks go back when they are freed */
#endif
	notify_open(&d->notify);
	d->watchdog_ns = notify_watchdog_ns();
	d->governor.rate_hz = d->config.rate_hz;
	d->clock_offset_ns = clock_offset();
	rc = signals_open(d, err);
	if (!rc)
		rc = rooms_open(d, err);
	if (rc)
		return rc;
	d->start_ns = clock_now_ns();
	window_begin(d);
	host_totals(d->host, &d->totals);
	log_info("profd %s: %s, %u samples a second, windows of %g s into %s, listening on %s",
		PROFD_VERSION, d->totals.selection, d->config.rate_hz, d->config.window_s,
		d->config.store, d->own_socket ? d->config.socket : "the socket that was passed");
	notify_ready(&d->notify, "profiling");
	return 0;
}

/* What was sampled so far is written: the open window, too. */
static void daemon_finish(struct daemon *d)
{
	log_info("ending: the open window is written");
	notify_stopping(&d->notify, "writing the open window");
	if (!d->paused)
		window_close(d);
}

static void daemon_close(struct daemon *d)
{
	clients_close(d->clients);
	if (d->own_socket)
		unlink(d->config.socket);
	keeper_close(d->keeper);
	host_close(d->host);
	fd_close(&d->signal_fd);
	sigprocmask(SIG_SETMASK, &d->old_signals, NULL);
}

int daemon_run(const struct daemon_start *start, struct err *err)
{
	struct daemon *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return err_set(err, -ENOMEM, "out of memory");
	d->start = start;
	d->config = start->config;
	d->signal_fd = -1;
	sigprocmask(SIG_SETMASK, NULL, &d->old_signals);
	rc = daemon_open(d, err);
	if (!rc) {
		while (!d->ends)
			turn(d);
		daemon_finish(d);
	}
	daemon_close(d);
	free(d);
	return rc;
}
