/* SPDX-License-Identifier: BSD-2-Clause */
/* The checks of `profd doctor`: on this machine as root and as nobody, and by the files of hosts
 * that are set up in other ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "collect/probe.h"

enum { NOBODY = 65534 };

static const struct collect_check *find(
	const struct collect_check *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].name, name))
			return &list[i];
	fail_msg("there is no check \"%s\"", name);
	return NULL;
}

/* What holds for every list: names once, something found, and a next step where it is needed. */
static void check_list(const struct collect_check *list, size_t n)
{
	assert_true(n >= 20 && n <= COLLECT_CHECKS_MAX);
	for (size_t i = 0; i < n; i++) {
		assert_true(list[i].result <= CHECK_FAILED);
		assert_true(strlen(list[i].found) > 0);
		assert_true(strlen(list[i].fix) < sizeof(list[i].fix) - 1); /* and was not cut */
		if (list[i].result != CHECK_OK)
			assert_true(strlen(list[i].fix) > 0);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(list[i].name, list[k].name);
	}
}

static size_t open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void test_here(void **state)
{
	struct collect_check list[COLLECT_CHECKS_MAX], few[3];
	size_t files = open_files(), n = collect_probe(list, COLLECT_CHECKS_MAX);

	(void)state;
	check_list(list, n);
	assert_int_equal(open_files(), files);
	assert_int_equal(collect_probe(few, 3), 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(few[i].name, list[i].name);
	assert_int_equal(collect_probe(few, 0), 0);
}

/* What the check says of the programs is what loading them says. */
static void test_programs_agree_with_collect(void **state)
{
	struct collect_options options = {
		.rate_hz = 99, .kernel_stacks = true, .native_stacks = true};
	struct collect_check list[COLLECT_CHECKS_MAX];
	size_t n = collect_probe(list, COLLECT_CHECKS_MAX);
	const struct collect_check *programs = find(list, n, "eBPF programs");
	struct err err = {0};
	struct collect *c = collect_open(&options, &err);

	(void)state;
	assert_int_equal(programs->result, c ? CHECK_OK : CHECK_FAILED);
	if (!c)
		assert_memory_equal(programs->fix, err.text, 40);
	collect_close(c);
}

/* The list as a user without any right gets it, in a child. */
static size_t probe_as_nobody(struct collect_check *list, size_t cap)
{
	int ends[2], status;
	size_t n, bytes = 0;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (!pid) {
		if (geteuid() == 0 && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))
			_exit(1);
		prctl(PR_SET_DUMPABLE, 1); /* as a program that was started so */
		n = collect_probe(list, cap);
		_exit(fd_write_all(ends[1], list, n * sizeof(*list)) ? 2 : 0);
	}
	close(ends[1]);
	for (ssize_t got = 1; got > 0 && bytes < cap * sizeof(*list); bytes += (size_t)got) {
		got = read(ends[0], (char *)list + bytes, cap * sizeof(*list) - bytes);
		assert_true(got >= 0);
	}
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(bytes % sizeof(*list), 0);
	return bytes / sizeof(*list);
}

static void test_as_nobody(void **state)
{
	static const char *const names[] = {"CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE",
		"CAP_DAC_READ_SEARCH", "CAP_SYSLOG", "CAP_CHECKPOINT_RESTORE"};
	struct collect_check list[COLLECT_CHECKS_MAX];
	size_t n = probe_as_nobody(list, COLLECT_CHECKS_MAX);
	const struct collect_check *c;

	(void)state;
	check_list(list, n); /* `name` points to the same place in the child */
	c = find(list, n, "eBPF programs");
	assert_int_equal(c->result, CHECK_FAILED);
	assert_non_null(strstr(c->fix, "CAP_BPF"));
	c = find(list, n, "capabilities");
	assert_int_equal(c->result, CHECK_FAILED);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_non_null(strstr(c->found, names[i]));
		assert_non_null(strstr(c->fix, names[i]));
	}
	c = find(list, n, "mapped files");
	assert_int_equal(c->result, CHECK_WARNING);
	assert_non_null(strstr(c->fix, "CAP_CHECKPOINT_RESTORE"));
	c = find(list, n, "unprivileged_bpf");
	assert_true(c->result == CHECK_WARNING || strstr(c->found, "not there"));
	assert_int_equal(find(list, n, "kernel")->result, CHECK_OK);
	assert_int_equal(find(list, n, "container")->result, CHECK_OK);
}

/* ---- other hosts -------------------------------------------------------------------------------
 */

static char root[] = "/tmp/profd-probe-XXXXXX";

static void put(const char *path, const char *text)
{
	char full[256], *slash;
	FD_CLOSE int fd = -1;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (slash = strchr(full + sizeof(root), '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
	unlink(full);
	if (!strncmp(text, "->", 2)) {
		assert_int_equal(symlink(text + 2, full), 0);
		return;
	}
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static void take(const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "%s%s", root, path);
	unlink(full);
}

static struct collect_check run(const struct probe *p, const char *name)
{
	struct collect_check c = {.name = name};

	for (size_t i = 0; i < probe_settings_n; i++)
		if (!strcmp(probe_settings[i].name, name)) {
			probe_settings[i].run(p, &c);
			return c;
		}
	for (size_t i = 0; i < probe_surroundings_n; i++)
		if (!strcmp(probe_surroundings[i].name, name)) {
			probe_surroundings[i].run(p, &c);
			return c;
		}
	fail_msg("there is no check \"%s\"", name);
	return c;
}

#define RIGHT(x) (1ULL << (x))
static const uint64_t some_rights = RIGHT(PROBE_BPF) | RIGHT(PROBE_PERFMON);
static const uint64_t all_rights = RIGHT(PROBE_BPF) | RIGHT(PROBE_PERFMON) |
				   RIGHT(PROBE_SYS_PTRACE) | RIGHT(PROBE_DAC_READ_SEARCH) |
				   RIGHT(PROBE_SYSLOG) | RIGHT(PROBE_CHECKPOINT_RESTORE);

/* A file with some content, what is known of the attempts, and what the check has to say of it. */
struct host {
	const char *check, *path, *text; /* text NULL: no such file */
	enum collect_result result;
	const char *found, *fix; /* parts of the texts; NULL: no fix, "" any */
	uint64_t rights;
	int programs, events;
};

static const struct host hosts[] = {
	{"kernel", "/proc/sys/kernel/osrelease", "6.1.0-18-amd64\n", CHECK_OK, "6.1.0-18-amd64",
		NULL, 0, 0, 0},
	{"kernel", "/proc/sys/kernel/osrelease", "5.17.0\n", CHECK_OK, "5.17.0", NULL, 0, -EPERM,
		0},
	{"kernel", "/proc/sys/kernel/osrelease", "5.15.0-91-generic\n", CHECK_FAILED, "5.15",
		"5.17", 0, -EINVAL, 0},
	{"kernel", "/proc/sys/kernel/osrelease", "4.19.0\n", CHECK_FAILED, "4.19", "bpf_loop", 0,
		-EINVAL, 0},
	{"kernel", "/proc/sys/kernel/osrelease", "5.14.0-427.el9.x86_64\n", CHECK_OK, "el9", NULL,
		0, 0, 0},
	{"kernel", "/proc/sys/kernel/osrelease", "unheard of\n", CHECK_OK, "unheard of", NULL, 0, 0,
		0},
	{"BTF", "/sys/kernel/btf/vmlinux", NULL, CHECK_FAILED, "No such file",
		"CONFIG_DEBUG_INFO_BTF", 0, 0, 0},
	{"BTF", "/sys/kernel/btf/vmlinux", "\x9f\xeb\x01", CHECK_OK, "readable", NULL, 0, 0, 0},
	{"BTF", "/sys/kernel/btf/vmlinux", "x", CHECK_FAILED, "no BTF", "unmount", 0, 0, 0},
	{"perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid", "4\n", CHECK_FAILED, "4",
		"kernel.perf_event_paranoid=2", some_rights, -EPERM, -EACCES},
	{"perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid", "4\n", CHECK_OK, "4", NULL,
		all_rights, 0, 0},
	{"perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid", "2\n", CHECK_WARNING, "2",
		"can stay as it is", 0, -EPERM, -EACCES},
	{"perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid", "-1\n", CHECK_OK, "-1",
		NULL, some_rights, 0, 0},
	{"perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid", NULL, CHECK_FAILED, "no ",
		"CONFIG_PERF_EVENTS", all_rights, 0, 0},
	{"unprivileged_bpf", "/proc/sys/kernel/unprivileged_bpf_disabled", "2\n", CHECK_OK, "2",
		NULL, some_rights, 0, 0},
	{"unprivileged_bpf", "/proc/sys/kernel/unprivileged_bpf_disabled", "0\n", CHECK_WARNING,
		"0", "CAP_BPF", 0, -EPERM, 0},
	{"ptrace_scope", "/proc/sys/kernel/yama/ptrace_scope", NULL, CHECK_OK, "not in use", NULL,
		0, 0, 0},
	{"ptrace_scope", "/proc/sys/kernel/yama/ptrace_scope", "0\n", CHECK_OK, "0", NULL, 0, 0, 0},
	{"ptrace_scope", "/proc/sys/kernel/yama/ptrace_scope", "1\n", CHECK_WARNING, "1",
		"CAP_SYS_PTRACE", some_rights, 0, 0},
	{"ptrace_scope", "/proc/sys/kernel/yama/ptrace_scope", "2\n", CHECK_OK, "2", NULL,
		all_rights, 0, 0},
	{"ptrace_scope", "/proc/sys/kernel/yama/ptrace_scope", "3\n", CHECK_WARNING, "3", "reboot",
		all_rights, 0, 0},
	{"kernel names", "/proc/kallsyms", "ffffffff81000000 T _text\n", CHECK_OK, "readable", NULL,
		0, 0, 0},
	{"kernel names", "/proc/kallsyms", "0000000000000000 T _text\n0000000000000000 T f\n",
		CHECK_WARNING, "hides", "CAP_SYSLOG", some_rights, 0, 0},
	{"kernel names", "/proc/kallsyms", NULL, CHECK_WARNING, "no /proc/kallsyms", "--no-kernel",
		all_rights, 0, 0},
	{"lockdown", "/sys/kernel/security/lockdown", "[none] integrity confidentiality\n",
		CHECK_OK, "none", NULL, 0, 0, 0},
	{"lockdown", "/sys/kernel/security/lockdown", "none [integrity] confidentiality\n",
		CHECK_OK, "integrity", NULL, 0, 0, 0},
	{"lockdown", "/sys/kernel/security/lockdown", "none integrity [confidentiality]\n",
		CHECK_FAILED, "confidentiality", "lockdown=integrity", 0, 0, 0},
	{"container", "/proc/self/ns/pid", "->pid:[4026531836]", CHECK_OK, "not in a container",
		NULL, 0, 0, 0},
	{"container", "/proc/self/ns/pid", "->pid:[4026532571]", CHECK_OK, "of its own",
		"--pid=host", 0, 0, 0},
	{"container", "/proc/self/ns/pid", NULL, CHECK_FAILED, "does not describe", "mount", 0, 0,
		0},
	{"container", "/proc/self/ns/pid", "->pid:[none]", CHECK_FAILED, "does not describe",
		"mount", 0, 0, 0},
	{"cgroups", "/sys/fs/cgroup/cgroup.controllers", "cpu\n", CHECK_OK, "version 2", NULL, 0, 0,
		0},
	{"cgroups", "/sys/fs/cgroup/unified/cgroup.controllers", "cpu\n", CHECK_OK,
		"version 1 with", NULL, 0, 0, 0},
	{"sample rate", "/proc/sys/kernel/perf_event_max_sample_rate", "250\n", CHECK_WARNING,
		"250", "perf_event_max_sample_rate=100000", 0, 0, 0},
	{"sample rate", "/proc/sys/kernel/perf_event_max_sample_rate", "100000\n", CHECK_OK,
		"100000", NULL, 0, 0, 0},
	{"debug symbols", "/usr/lib/debug/.build-id", "a folder", CHECK_OK, "some", NULL, 0, 0, 0},
	{"debug symbols", "/usr/lib/debug/.build-id", NULL, CHECK_OK, "none", "-dbgsym", 0, 0, 0},
};

static void test_other_hosts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		const struct host *h = &hosts[i];
		struct probe p = {.root = root,
			.capabilities = h->rights,
			.programs = h->programs,
			.own_events = h->events,
			.cpu_events = h->events};
		struct collect_check c;

		if (h->text)
			put(h->path, h->text);
		c = run(&p, h->check);
		if (c.result != h->result || !strstr(c.found, h->found) ||
			(h->fix ? !strstr(c.fix, h->fix) : *c.fix != '\0'))
			fail_msg("%s with %s: %d, \"%s\", \"%s\"", h->check,
				h->text ? h->text : "no file", (int)c.result, c.found, c.fix);
		take(h->path);
	}
}

static void test_kptr_restrict(void **state)
{
	struct probe p = {.root = root, .capabilities = all_rights};
	struct collect_check c;

	(void)state;
	put("/proc/kallsyms", "0000000000000000 T _text\n");
	put("/proc/sys/kernel/kptr_restrict", "2\n");
	c = run(&p, "kernel names");
	assert_int_equal(c.result, CHECK_WARNING);
	assert_non_null(strstr(c.fix, "kernel.kptr_restrict=1"));
	take("/proc/kallsyms");
	take("/proc/sys/kernel/kptr_restrict");
}

/* Who made the container, by what it left behind. */
static void test_container_kinds(void **state)
{
	static const struct {
		const char *path, *text, *kind;
	} kinds[] = {
		{"/run/systemd/container", "systemd-nspawn\n", "systemd-nspawn"},
		{"/run/.containerenv", "", "podman"},
		{"/.dockerenv", "", "docker"},
		{"/proc/self/cgroup", "0::/kubepods.slice/pod1\n", "kubepods"},
		{"/proc/self/cgroup", "1:name=systemd:/lxc/web\n", "lxc"},
	};
	struct probe p = {.root = root};

	(void)state;
	put("/proc/self/ns/pid", "->pid:[4026531836]");
	assert_string_equal(run(&p, "container").found, "not in a container");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct collect_check c;

		put(kinds[i].path, kinds[i].text);
		c = run(&p, "container");
		assert_non_null(strstr(c.found, kinds[i].kind));
		take(kinds[i].path);
	}
	take("/proc/self/ns/pid");
}

static void test_status_file(void **state)
{
	struct probe p = {.root = root};

	(void)state;
	put("/proc/self/status", "Name:\tCapEff:\nCapPrm:\tffff\nCapEff:\t000000c000080000\n"
				 "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n");
	probe_self(&p);
	assert_true(probe_has(&p, PROBE_BPF) && probe_has(&p, PROBE_PERFMON) &&
		    probe_has(&p, PROBE_SYS_PTRACE));
	assert_false(probe_has(&p, PROBE_SYSLOG) || probe_has(&p, PROBE_CHECKPOINT_RESTORE));
	assert_int_equal(p.seccomp, 2);
	assert_int_equal(run(&p, "seccomp").result, CHECK_OK);
	p.programs = -EPERM;
	assert_int_equal(run(&p, "seccomp").result, CHECK_WARNING);

	/* CAP_SYS_ADMIN stands for what was split off from it, but not for all. */
	p.capabilities = RIGHT(PROBE_SYS_ADMIN);
	assert_true(probe_has(&p, PROBE_BPF) && probe_has(&p, PROBE_CHECKPOINT_RESTORE));
	assert_false(probe_has(&p, PROBE_SYS_PTRACE));
	assert_int_equal(run(&p, "capabilities").result, CHECK_WARNING);
	p.capabilities = all_rights;
	assert_int_equal(run(&p, "capabilities").result, CHECK_OK);
	p.capabilities = all_rights & ~RIGHT(PROBE_SYSLOG);
	assert_string_equal(run(&p, "capabilities").found, "missing: CAP_SYSLOG");
	take("/proc/self/status");
	p.capabilities = 1;
	probe_self(&p); /* cannot be read: as it was */
	assert_int_equal(p.capabilities, 1);
}

static int make_root(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		execl("/bin/rm", "rm", "-rf", "--", root, (char *)NULL);
		_exit(127);
	}
	return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_here),
		cmocka_unit_test(test_programs_agree_with_collect),
		cmocka_unit_test(test_as_nobody),
		cmocka_unit_test(test_other_hosts),
		cmocka_unit_test(test_kptr_restrict),
		cmocka_unit_test(test_container_kinds),
		cmocka_unit_test(test_status_file),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
