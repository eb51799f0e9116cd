/* SPDX-License-Identifier: BSD-2-Clause */
/* What sampling needs, tried out: the kernel's settings say what should work, this says what does.
 */
#include "collect/probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "collect/ebpf.h"

enum { PROBE_RATE_HZ = 99, MAPS_BYTES = 4096, PROCESSES_TRIED = 500 };

/* ---- the attempts ------------------------------------------------------------------------------
 */

static int event_try(uint64_t config, int pid, int cpu)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = config,
		.sample_period = NS_PER_S / PROBE_RATE_HZ,
		.disabled = 1};
	FD_CLOSE int fd =
		(int)syscall(SYS_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : 0;
}

/* A CPU that is online: number 0 need not be. */
static int some_cpu(void)
{
	unsigned cpu = 0;

	return syscall(SYS_getcpu, &cpu, NULL, NULL) ? 0 : (int)cpu;
}

static void events_try(struct probe *p)
{
	p->own_events = event_try(PERF_COUNT_SW_CPU_CLOCK, 0, -1);
	if (!p->own_events) /* the kind that tells of new processes and mappings */
		p->own_events = event_try(PERF_COUNT_SW_DUMMY, 0, -1);
	p->cpu_events = event_try(PERF_COUNT_SW_CPU_CLOCK, -1, some_cpu());
	p->hardware = events_have_pmu();
}

/* The real programs, with the smallest tables. */
static void programs_try(struct probe *p)
{
	struct collect_options options = {
		.rate_hz = PROBE_RATE_HZ, .kernel_stacks = true, .native_stacks = true};
	uint64_t begin_ns = clock_now_ns();
	struct collect *c = collect_open(&options, &p->programs_err);

	p->programs_ms = (clock_now_ns() - begin_ns) / NS_PER_MS;
	if (!c)
		p->programs = p->programs_err.code ? p->programs_err.code : -EINVAL;
	collect_close(c);
}

/* ---- what they say -----------------------------------------------------------------------------
 */

static void check_programs(const struct probe *p, struct collect_check *c)
{
	if (!p->programs) {
		probe_found(c, CHECK_OK, "the kernel takes them (%" PRIu64 " ms)", p->programs_ms);
		return;
	}
	probe_found(c, CHECK_FAILED, "the kernel refuses them: %s", strerror(-p->programs));
	probe_fix(c, "%s", p->programs_err.text);
}

static void check_events(const struct probe *p, struct collect_check *c)
{
	int rc = p->own_events ? p->own_events : p->cpu_events;

	if (!rc) {
		probe_found(c, CHECK_OK, "threads and whole CPUs can be sampled");
		return;
	}
	if (p->own_events)
		probe_found(c, CHECK_FAILED, "cannot be opened: %s", strerror(-rc));
	else
		probe_found(c, CHECK_WARNING, "threads can be sampled, whole CPUs not: %s",
			strerror(-rc));
	if (rc == -EACCES || rc == -EPERM)
		probe_fix(c,
			"run as root, or give profd CAP_PERFMON; where it has that already, see "
			"perf_event_paranoid and seccomp");
	else if (rc == -ENOSYS || rc == -ENOENT || rc == -EOPNOTSUPP)
		probe_fix(c, "boot a kernel built with CONFIG_PERF_EVENTS");
	else if (rc == -EMFILE)
		probe_fix(c, "too many files are open: raise `ulimit -n`");
	else
		probe_fix(c, "the kernel gives no reason that profd knows; `dmesg` may say more");
}

static void check_clock(const struct probe *p, struct collect_check *c)
{
	if (p->hardware)
		probe_found(c, CHECK_OK, "CPU cycles, counted by the hardware");
	else
		probe_found(c, CHECK_OK,
			"the kernel's cpu-clock timer: no hardware counter here, as in "
			"most virtual machines");
}

/* The first readable mapping of a process, or with `file` the first of a file. -ENODATA: none, as a
 * thread of the kernel has none. */
static int mapping_find(uint32_t pid, bool file, uint64_t *start, uint64_t *end)
{
	char path[64], text[MAPS_BYTES], mode[5], *rest = text, *line;
	FD_CLOSE int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	while ((line = strsep(&rest, "\n")))
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", start, end, mode) == 3 &&
			mode[0] == 'r' && (!file || strstr(line, " /")))
			return 0;
	return -ENODATA;
}

/* Whether a byte of the process' memory can be read, as Python's names are. 0; -ENODATA: there is
 * none, or it has ended. */
static int process_try(uint32_t pid)
{
	uint64_t start = 0, end = 0;
	char byte;
	int rc = mapping_find(pid, false, &start, &end);
	struct iovec to = {.iov_base = &byte, .iov_len = 1},
		     from = {.iov_base = (void *)(uintptr_t)start, .iov_len = 1};

	if (!rc && process_vm_readv((pid_t)pid, &to, 1, &from, 1, 0) < 0)
		rc = errno == EFAULT ? 0 : -errno;
	return rc == -ENOENT || rc == -ESRCH ? -ENODATA : rc;
}

/* Tries them all, but on a host with very many. */
static void processes_try(struct probe *p)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	while (dir && p->processes < PROCESSES_TRIED && (entry = readdir(dir))) {
		unsigned long pid = strtoul(entry->d_name, NULL, 10);
		int rc = pid && pid != (unsigned long)getpid() ? process_try((uint32_t)pid)
							       : -ENODATA;

		p->processes += rc != -ENODATA;
		p->readable += !rc;
	}
	if (dir)
		closedir(dir);
}

static void check_other_processes(const struct probe *p, struct collect_check *c)
{
	probe_found(c, CHECK_OK, "%u of %u other processes can be read", p->readable, p->processes);
	if (p->readable == p->processes)
		return;
	if (!probe_has(p, PROBE_SYS_PTRACE)) {
		c->result = CHECK_WARNING;
		probe_fix(c,
			"the others cannot be profiled, or stay without Python functions: run as root, or "
			"give profd CAP_SYS_PTRACE");
		return;
	}
	/* Some hosts guard single ones even from root; that costs no more than those. */
	if (p->readable * 2 < p->processes)
		c->result = CHECK_WARNING;
	probe_fix(c,
		"the others stay without Python functions although profd has CAP_SYS_PTRACE: see "
		"ptrace_scope, seccomp, and the rules of AppArmor or SELinux");
}

static void check_mapped_files(const struct probe *p, struct collect_check *c)
{
	FD_CLOSE int fd = -1;
	uint64_t start, end;
	char path[96];
	int rc = mapping_find((uint32_t)getpid(), true, &start, &end);

	(void)p;
	if (!rc) {
		snprintf(path, sizeof(path), "/proc/self/map_files/%" PRIx64 "-%" PRIx64, start,
			end);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		rc = fd < 0 ? -errno : 0;
	}
	if (!rc) {
		probe_found(c, CHECK_OK, "can be opened even when they were deleted or replaced");
		return;
	}
	probe_found(c, CHECK_WARNING, "found by their paths alone: %s", strerror(-rc));
	probe_fix(c,
		"programs that were upgraded while they run stay without names: run as root, or give "
		"profd CAP_CHECKPOINT_RESTORE");
}

static const struct probe_check attempts[] = {
	{"eBPF programs", check_programs},
	{"perf events", check_events},
	{"sampling clock", check_clock},
	{"other processes", check_other_processes},
	{"mapped files", check_mapped_files},
};

static size_t checks_run(const struct probe *p, const struct probe_check *list, size_t n,
	struct collect_check *out, size_t cap)
{
	size_t i;

	for (i = 0; i < n && i < cap; i++) {
		out[i] = (struct collect_check){.name = list[i].name};
		list[i].run(p, &out[i]);
	}
	return i;
}

size_t collect_probe(struct collect_check *out, size_t cap)
{
	struct probe p = {.root = ""};
	size_t n;

	probe_self(&p);
	events_try(&p);
	programs_try(&p);
	processes_try(&p);
	n = checks_run(&p, attempts, sizeof(attempts) / sizeof(attempts[0]), out, cap);
	n += checks_run(&p, probe_settings, probe_settings_n, out + n, cap - n);
	return n + checks_run(&p, probe_surroundings, probe_surroundings_n, out + n, cap - n);
}
