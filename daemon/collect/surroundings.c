/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks of what is around this process: containers, limits, files of others. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "collect/probe.h"

enum {
	CGROUP_BYTES = 65536,
	INITIAL_PID_NAMESPACE = 0xeffffffc, /* PROC_PID_INIT_INO of the kernel's proc_ns.h */
	FILES_ENOUGH = 4096,
	RATE_ENOUGH_HZ = 1000,
};

static const char *container_kind(const struct probe *p, char *text, size_t bytes)
{
	static const char *const marks[] = {"kubepods", "docker", "libpod", "lxc", "containerd"};
	char full[512];
	struct buf b;

	if (!probe_line(p, "/run/systemd/container", text, bytes) && *text)
		return text;
	if (probe_exists(p, "/run/.containerenv"))
		return "podman";
	if (probe_exists(p, "/.dockerenv"))
		return "docker";
	*text = '\0';
	buf_init(&b, CGROUP_BYTES);
	if (!file_read(probe_place(p, "/proc/self/cgroup", full, sizeof(full)), &b) && b.data)
		for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]) && !*text; i++)
			if (strstr(b.data, marks[i]))
				snprintf(text, bytes, "%s", marks[i]);
	buf_free(&b);
	return *text ? text : NULL;
}

/* `pid:[4026531836]` -> the number. */
static uint64_t pid_namespace(const struct probe *p)
{
	char full[512], link[64];
	ssize_t n = readlink(
		probe_place(p, "/proc/self/ns/pid", full, sizeof(full)), link, sizeof(link) - 1);
	uint64_t inode = 0;

	link[n < 0 ? 0 : n] = '\0';
	return sscanf(link, "pid:[%" SCNu64 "]", &inode) == 1 ? inode : 0;
}

static void check_container(const struct probe *p, struct collect_check *c)
{
	char text[32];
	const char *kind = container_kind(p, text, sizeof(text));
	uint64_t space = pid_namespace(p);

	if (!space) {
		probe_found(c, CHECK_FAILED, "/proc does not describe this process");
		probe_fix(c,
			"/proc is missing or is that of another PID namespace: mount -t proc proc /proc "
			"in the namespace that profd runs in");
	} else if (space == INITIAL_PID_NAMESPACE) {
		probe_found(c, CHECK_OK, "%s%s%s", kind ? "in a container (" : "not in a container",
			kind ? kind : "", kind ? "), with the host's PID namespace" : "");
	} else {
		probe_found(c, CHECK_OK, "%s%s, with a PID namespace of its own",
			kind ? "in a container: " : "in a container", kind ? kind : "");
		probe_fix(c,
			"profd sees the processes of this container alone; to see the whole host, run it on "
			"the host, or start the container with --pid=host");
	}
}

static void check_cgroups(const struct probe *p, struct collect_check *c)
{
	if (probe_exists(p, "/sys/fs/cgroup/cgroup.controllers"))
		probe_found(c, CHECK_OK, "version 2");
	else if (probe_exists(p, "/sys/fs/cgroup/unified/cgroup.controllers"))
		probe_found(c, CHECK_OK, "version 1 with a version 2 tree beside it");
	else if (probe_exists(p, "/proc/self/cgroup"))
		probe_found(c, CHECK_OK, "version 1, or not mounted here");
	else
		probe_found(c, CHECK_OK, "the kernel has none: nothing is told by container");
}

static void check_cpus(const struct probe *p, struct collect_check *c)
{
	char online[96];
	long n = sysconf(_SC_NPROCESSORS_ONLN), all = sysconf(_SC_NPROCESSORS_CONF);

	if (probe_line(p, "/sys/devices/system/cpu/online", online, sizeof(online)) < 0)
		probe_found(c, CHECK_OK, "%ld of %ld online", n, all);
	else
		probe_found(c, CHECK_OK, "%ld of %ld online (%s)", n, all, online);
}

static void check_files(const struct probe *p, struct collect_check *c)
{
	struct rlimit limit = {0};

	(void)p;
	getrlimit(RLIMIT_NOFILE, &limit);
	probe_found(c, CHECK_OK, "%" PRIu64 ", can be raised to %" PRIu64, (uint64_t)limit.rlim_cur,
		(uint64_t)limit.rlim_max);
	if (limit.rlim_max >= FILES_ENOUGH)
		return;
	c->result = CHECK_WARNING;
	probe_fix(c,
		"processes with many threads or libraries need more: `ulimit -Hn %d` before profd, or "
		"LimitNOFILE= in its unit, or docker run --ulimit nofile=%d",
		FILES_ENOUGH * 16, FILES_ENOUGH * 16);
}

static void check_rate(const struct probe *p, struct collect_check *c)
{
	long rate = probe_setting(p, "/proc/sys/kernel/perf_event_max_sample_rate", -1);

	if (rate < 0) {
		probe_found(c, CHECK_OK, "not known");
		return;
	}
	probe_found(c, CHECK_OK, "%ld samples a second and CPU", rate);
	if (rate >= RATE_ENOUGH_HZ)
		return;
	c->result = CHECK_WARNING;
	probe_fix(c,
		"higher rates are refused or throttled; the kernel lowers this when its interrupts take "
		"long: sysctl -w kernel.perf_event_max_sample_rate=100000, and "
		"kernel.perf_cpu_time_max_percent bounds it");
}

static void check_debug_symbols(const struct probe *p, struct collect_check *c)
{
	if (probe_exists(p, "/usr/lib/debug/.build-id")) {
		probe_found(c, CHECK_OK, "some in /usr/lib/debug");
		return;
	}
	probe_found(c, CHECK_OK, "none in /usr/lib/debug");
	probe_fix(c,
		"stripped programs show their exported functions alone; install the debug symbols of those "
		"that matter (packages named -dbgsym, -dbg or -debuginfo)");
}

const struct probe_check probe_surroundings[] = {
	{"container", check_container},
	{"cgroups", check_cgroups},
	{"CPUs", check_cpus},
	{"open files", check_files},
	{"sample rate", check_rate},
	{"debug symbols", check_debug_symbols},
};
const size_t probe_surroundings_n = sizeof(probe_surroundings) / sizeof(probe_surroundings[0]);
