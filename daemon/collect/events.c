/* SPDX-License-Identifier: BSD-2-Clause */
/* The perf events that make the programs run: one per thread of a target, inherited by the kernel
 * to threads (and children) that it starts later; or one per CPU.
 *
 * The period of an event is changed at random now and then, so that it cannot beat with a target
 * that does the same thing again and again in step with it. A change restarts the running period,
 * so it is done seldom. */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "base/fd.h"
#include "collect/ebpf.h"
#include "process/process.h"
#include "sample.skel.h"

#define LOG_ROOM "collect"
#include "base/log.h"

enum {
	ATTACH_TRIES = 20,
	CHANGE_AFTER_MIN = 24, /* samples between two changes of the period, */
	CHANGE_AFTER_SPAN = 32,
	JITTER_PERCENT = 6, /* the period lies within +- this much of the nominal one */
};

static int event_open(struct perf_event_attr *attr, int tid, int cpu)
{
	int fd = (int)syscall(SYS_perf_event_open, attr, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* xorshift64*: cheap, and good enough to be out of step with anything. */
static uint32_t random_below(struct collect *c, uint32_t limit)
{
	c->random ^= c->random >> 12;
	c->random ^= c->random << 25;
	c->random ^= c->random >> 27;
	return (uint32_t)((c->random * 0x2545f4914f6cdd1dULL) >> 32) % limit;
}

static uint64_t period_draw(struct collect *c)
{
	uint64_t nominal = NS_PER_S / c->options.rate_hz, span = nominal * JITTER_PERCENT / 100;

	return span ? nominal - span + random_below(c, (uint32_t)(2 * span)) : nominal;
}

bool events_have_pmu(void)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_CPU_CYCLES,
		.freq = 1,
		.sample_freq = 100,
		.disabled = 1,
		.inherit = 1};
	FD_CLOSE int fd = event_open(&attr, 0, -1);

	return fd >= 0;
}

static void attr_fill(struct collect *c, struct perf_event_attr *attr)
{
	*attr = (struct perf_event_attr){.size = sizeof(*attr), .disabled = 1};
	if (c->use_cycles) {
		attr->type = PERF_TYPE_HARDWARE;
		attr->config = PERF_COUNT_HW_CPU_CYCLES;
		attr->freq = 1;
		attr->sample_freq = c->options.rate_hz;
	} else {
		attr->type = PERF_TYPE_SOFTWARE;
		attr->config = PERF_COUNT_SW_CPU_CLOCK;
		attr->sample_period = period_draw(c);
	}
	attr->exclude_idle = c->options.per_cpu;
}

static struct event *event_add(struct collect *c, int fd)
{
	if (c->n_events == c->cap_events) {
		size_t cap = c->cap_events ? c->cap_events * 2 : 16;
		struct event *events = realloc(c->events, cap * sizeof(*events));

		if (!events)
			return NULL;
		c->events = events;
		c->cap_events = cap;
	}
	c->events[c->n_events] = (struct event){
		.fd = fd, .until_change = CHANGE_AFTER_MIN + random_below(c, CHANGE_AFTER_SPAN)};
	return &c->events[c->n_events++];
}

static int event_error(struct err *err, int rc, uint32_t pid)
{
	if (rc == -EACCES || rc == -EPERM)
		return err_set(err, rc,
			"sampling process %u is not permitted; run as root, or give profd CAP_PERFMON (and CAP_SYS_PTRACE "
			"for processes of other users)",
			pid);
	if (rc == -EMFILE)
		return err_set(err, rc,
			"process %u has more threads than profd may open files; raise `ulimit -n`",
			pid);
	return err_set(err, rc, "cannot sample process %u: %s", pid, strerror(-rc));
}

/* Opens an event and ties the sampling program to it. */
static int event_attach(struct collect *c, struct perf_event_attr *attr, uint32_t tid, int cpu)
{
	int fd = event_open(attr, tid ? (int)tid : -1, cpu), rc;
	struct event *event;
	size_t *index;

	if (fd < 0)
		return fd;
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, bpf_program__fd(c->skeleton->progs.profd_sample)) <
		0) {
		rc = -errno;
		fd_close(&fd);
		return rc;
	}
	event = event_add(c, fd);
	if (!event) {
		fd_close(&fd);
		return -ENOMEM;
	}
	event->tid = tid;
	event->cpu = (uint32_t)(cpu < 0 ? 0 : cpu);
	event->on_exec = attr->enable_on_exec;
	event->period_ns = event->before_ns = attr->sample_period;
	index = map_put(c->event_of_tid, tid ? &event->tid : &event->cpu, NULL);
	if (index)
		*index = c->n_events - 1;
	return 0;
}

/* Closes the events from number `first` on: an attempt that did not succeed. */
static void events_drop(struct collect *c, size_t first)
{
	while (c->n_events > first) {
		struct event *event = &c->events[--c->n_events];

		map_del(c->event_of_tid, event->tid ? &event->tid : &event->cpu);
		fd_close(&event->fd);
	}
}

static bool same_threads(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b)
{
	return n_a == n_b && !memcmp(a, b, n_a * sizeof(*a));
}

/* One event per thread. A thread that is born between the listing and the opening may have
 * inherited the event of its parent or not; to be sure, the same threads must be there after as
 * before (the events are not enabled yet, so an attempt costs nothing). */
static int attach_threads_once(
	struct collect *c, uint32_t pid, struct perf_event_attr *attr, bool *settled)
{
	uint32_t *before = NULL, *after = NULL;
	size_t n_before, n_after;
	int rc = process_threads(pid, &before, &n_before);

	for (size_t i = 0; i < n_before && !rc; i++) {
		attr->sample_period = c->use_cycles ? c->options.rate_hz : period_draw(c);
		rc = event_attach(c, attr, before[i], -1);
		if (rc == -ESRCH)
			rc = 0; /* it has ended meanwhile */
	}
	if (!rc)
		rc = process_threads(pid, &after, &n_after);
	if (!rc)
		*settled = same_threads(before, n_before, after, n_after);
	free(before);
	free(after);
	return rc;
}

static int attach_threads(struct collect *c, uint32_t pid, bool children, bool on_exec)
{
	size_t first = c->n_events;
	struct perf_event_attr attr;
	bool settled = false;
	int rc = 0;

	for (int try = 0; try < ATTACH_TRIES && !settled && !rc; try++) {
		events_drop(c, first);
		attr_fill(c, &attr);
		attr.inherit = 1;
		attr.inherit_thread = !children; /* from Linux 5.13 */
		attr.enable_on_exec = on_exec;
		rc = attach_threads_once(c, pid, &attr, &settled);
	}
	if (!rc && !settled)
		log_warn(
			"process %u starts threads all the time; some of the present ones may be missed",
			pid);
	if (!rc && c->n_events == first)
		rc = -ESRCH;
	if (rc < 0)
		events_drop(c, first);
	return rc;
}

static int attach_cpus(struct collect *c)
{
	int cpus = libbpf_num_possible_cpus();
	struct perf_event_attr attr;

	for (int cpu = 0; cpu < cpus; cpu++) {
		int rc;

		attr_fill(c, &attr);
		rc = event_attach(c, &attr, 0, cpu);
		if (rc < 0 && rc != -ENODEV) /* an offline CPU */
			return rc;
	}
	return 0;
}

/* Events, and the files that processes map, take a descriptor each. */
void events_limit_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int collect_host(struct collect *c, struct err *err)
{
	bool again = c->n_events > 0;
	int rc;

	events_drop(c, 0);
	rc = attach_cpus(c);
	if (rc == -EACCES || rc == -EPERM)
		return err_set(err, rc,
			"sampling every process is not permitted; run as root, or give profd CAP_PERFMON "
			"and CAP_BPF");
	if (rc < 0)
		return err_set(err, rc, "cannot sample the CPUs: %s", strerror(-rc));
	return again ? collect_start(c, err) : 0;
}

int collect_attach(struct collect *c, uint32_t pid, bool children, bool on_exec, struct err *err)
{
	int rc = 0;

	if (!c->options.per_cpu) {
		rc = attach_threads(c, pid, children, on_exec);
	} else {
		if (!c->n_events)
			rc = attach_cpus(c);
		collect_follow(c, pid);
	}
	if (rc == -ESRCH)
		return err_set(err, rc, "there is no process %u any more", pid);
	return rc < 0 ? event_error(err, rc, pid) : 0;
}

void collect_follow(struct collect *c, uint32_t pid)
{
	uint8_t one = 1;

	if (c->options.per_cpu && !c->options.host)
		bpf_map_update_elem(bpf_map__fd(c->skeleton->maps.targets), &pid, &one, BPF_ANY);
}

int collect_start(struct collect *c, struct err *err)
{
	for (size_t i = 0; i < c->n_events; i++)
		if (!c->events[i].on_exec && ioctl(c->events[i].fd, PERF_EVENT_IOC_ENABLE, 0) < 0)
			return err_set(
				err, -errno, "cannot enable a perf event: %s", strerror(errno));
	return 0;
}

void events_stop(struct collect *c)
{
	for (size_t i = 0; i < c->n_events; i++)
		ioctl(c->events[i].fd, PERF_EVENT_IOC_DISABLE, 0);
}

void events_close(struct collect *c)
{
	events_drop(c, 0);
	free(c->events);
}

uint64_t events_running_ns(const struct collect *c)
{
	uint64_t sum = 0, count;

	if (c->options.per_cpu || c->use_cycles)
		return 0;
	for (size_t i = 0; i < c->n_events; i++)
		if (read(c->events[i].fd, &count, sizeof(count)) == sizeof(count))
			sum += count;
	return sum;
}

static int event_set_period(struct event *event, uint64_t period)
{
	if (ioctl(event->fd, PERF_EVENT_IOC_PERIOD, &period) < 0)
		return -errno;
	event->before_ns = event->period_ns;
	event->period_ns = period;
	event->changed_ns = clock_now_ns();
	return 0;
}

void events_sampled(struct collect *c, struct sample *s)
{
	size_t *index = map_get(c->event_of_tid, c->options.per_cpu ? &s->cpu : &s->tid);
	struct event *event = index ? &c->events[*index] : NULL;
	uint64_t period;

	if (c->use_cycles)
		s->weight_ns = NS_PER_S / c->options.rate_hz;
	if (!event || c->use_cycles)
		return;
	/* The kernel goes on telling the period that the event was opened with. */
	s->weight_ns = s->time_ns < event->changed_ns ? event->before_ns : event->period_ns;
	if (--event->until_change)
		return;
	event->until_change = CHANGE_AFTER_MIN + random_below(c, CHANGE_AFTER_SPAN);
	/* Every other one mirrors the one before, so that the rate keeps close to what was asked
	 * for. */
	event->mirror = !event->mirror;
	period = event->mirror ? 2 * (NS_PER_S / c->options.rate_hz) - event->period_ns
			       : period_draw(c);
	event_set_period(event, period);
}

int collect_set_rate(struct collect *c, uint32_t rate_hz)
{
	int rc = 0;

	c->options.rate_hz = rate_hz;
	for (size_t i = 0; i < c->n_events && !rc; i++) {
		struct event *event = &c->events[i];

		/* The kernel takes a frequency where the event was opened with one. */
		rc = event_set_period(event, c->use_cycles ? rate_hz : period_draw(c));
		event->mirror = false;
	}
	return rc;
}
