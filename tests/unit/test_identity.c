/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "process/cgroup.h"
#include "process/process.h"
#include "process/procfs.h"
#include "tests/unit/pid_reuse.h"

/* ---- control groups ---- */

#define ID_A  "4f0c2bd3a1e59786001122334455667788990abcdef0123456789abcdef01234"
#define ID_B  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define POD   "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1a2b_3c.slice"
#define USER  "/user.slice/user-1000.slice/user@1000.service"
#define V1(p) "12:pids:" p "\n11:cpu,cpuacct:" p "\n1:name=systemd:" p "\n"

static const struct {
	const char *text, *path, *container;
} CGROUPS[] = {
	/* no container */
	{"", "", ""},
	{"0::/\n", "/", ""},
	{"0::/init.scope\n", "/init.scope", ""},
	{"0::/system.slice/nginx.service\n", "/system.slice/nginx.service", ""},
	{"0::" USER "/app.slice/app-org.gnome.Terminal.slice/vte-spawn-9c2f.scope\n",
		USER "/app.slice/app-org.gnome.Terminal.slice/vte-spawn-9c2f.scope", ""},
	{"0::/system.slice/docker.service\n", "/system.slice/docker.service", ""},
	{"0::/system.slice/containerd.service\n", "/system.slice/containerd.service", ""},
	/* unified */
	{"0::/system.slice/docker-" ID_A ".scope\n", "/system.slice/docker-" ID_A ".scope",
		"4f0c2bd3a1e5"},
	{"0::/docker/" ID_A "\n", "/docker/" ID_A, "4f0c2bd3a1e5"},
	{"0::/docker/" ID_A "/init.scope\n", "/docker/" ID_A "/init.scope", "4f0c2bd3a1e5"},
	{"0::" USER "/user.slice/docker-" ID_A ".scope\n", USER "/user.slice/docker-" ID_A ".scope",
		"4f0c2bd3a1e5"},
	{"0::" POD "/cri-containerd-" ID_B ".scope\n", POD "/cri-containerd-" ID_B ".scope",
		"0123456789ab"},
	{"0::/kubepods/burstable/pod1a2b-3c/" ID_B "\n", "/kubepods/burstable/pod1a2b-3c/" ID_B,
		"0123456789ab"},
	{"0::" POD "/crio-" ID_B ".scope\n", POD "/crio-" ID_B ".scope", "0123456789ab"},
	{"0::/system.slice/kubepods-pod1.slice:cri-containerd:" ID_B "\n",
		"/system.slice/kubepods-pod1.slice:cri-containerd:" ID_B, "0123456789ab"},
	{"0::" USER "/user.slice/libpod-" ID_A ".scope/container\n",
		USER "/user.slice/libpod-" ID_A ".scope/container", "4f0c2bd3a1e5"},
	{"0::/machine.slice/libpod-" ID_A ".scope/libpod-payload-" ID_A "\n",
		"/machine.slice/libpod-" ID_A ".scope/libpod-payload-" ID_A, "4f0c2bd3a1e5"},
	{"0::/machine.slice/machine-web\\x2d1.scope/payload\n",
		"/machine.slice/machine-web\\x2d1.scope/payload", "web-1"},
	{"0::/machine.slice/systemd-nspawn@web.service/payload/init.scope\n",
		"/machine.slice/systemd-nspawn@web.service/payload/init.scope", "web"},
	{"0::/lxc.payload.web/system.slice/cron.service\n",
		"/lxc.payload.web/system.slice/cron.service", "web"},
	/* one inside another: the inner one; the kind of a node in a container */
	{"0::/docker/" ID_A "/kubelet.slice/kubelet-pod2.slice/cri-containerd-" ID_B ".scope\n",
		"/docker/" ID_A "/kubelet.slice/kubelet-pod2.slice/cri-containerd-" ID_B ".scope",
		"0123456789ab"},
	{"0::/lxc.payload.web/docker/" ID_A "\n", "/lxc.payload.web/docker/" ID_A, "4f0c2bd3a1e5"},
	/* seen out of a private cgroup namespace */
	{"0::/../../../system.slice/docker-" ID_A ".scope\n",
		"/../../../system.slice/docker-" ID_A ".scope", "4f0c2bd3a1e5"},
	{"0::/../" ID_A "\n", "/../" ID_A, "4f0c2bd3a1e5"},
	{"0::/..\n", "/..", ""},
	/* removed around its last process */
	{"0::/docker/" ID_A " (deleted)\n", "/docker/" ID_A, "4f0c2bd3a1e5"},
	/* the older hierarchies, alone and beside the unified one */
	{V1("/docker/" ID_A), "/docker/" ID_A, "4f0c2bd3a1e5"},
	{V1("/lxc/web"), "/lxc/web", "web"},
	{V1("/lxc.payload/web/init.scope"), "/lxc.payload/web/init.scope", "web"},
	{V1("/docker/" ID_A) "0::/system.slice/containerd.service\n", "/docker/" ID_A,
		"4f0c2bd3a1e5"},
	{"2:cpu:/docker/" ID_B "\n0::/docker/" ID_A "\n", "/docker/" ID_A, "4f0c2bd3a1e5"},
	{"9:name=systemd:/\n4:memory:/jobs/7\n0::/\n", "/", ""},
	{"4:memory:/jobs/7\n1:name=systemd:/user.slice\n", "/user.slice", ""},
	{"4:memory:/jobs/7\n3:cpu:/\n", "/jobs/7", ""},
	/* what only looks like one: a monitor, a check, a virtual machine, other digits */
	{"0::/machine.slice/libpod-conmon-" ID_A ".scope\n",
		"/machine.slice/libpod-conmon-" ID_A ".scope", ""},
	{"0::/system.slice/crio-conmon-" ID_A ".scope\n",
		"/system.slice/crio-conmon-" ID_A ".scope", ""},
	{"0::/system.slice/" ID_A "-6b1c.service\n", "/system.slice/" ID_A "-6b1c.service", ""},
	{"0::/lxc.monitor.web\n", "/lxc.monitor.web", ""},
	{"0::/machine.slice/machine-qemu\\x2d1\\x2dvm.scope\n",
		"/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", ""},
	{"0::/docker/a" ID_A "\n", "/docker/a" ID_A, ""},
	{"0::/docker/4F0C2bd3a1e59786001122334455667788990abcdef0123456789abcdef01234\n",
		"/docker/4F0C2bd3a1e59786001122334455667788990abcdef0123456789abcdef01234", ""},
	/* nonsense */
	{"0::\n0:\n:::\n::/\nx", "/", ""},
	{"0::/machine-.scope/lxc.payload./lxc//\n", "/machine-.scope/lxc.payload./lxc//", ""},
	{"0::/lxc.payload.\\x00\\x0\\xzz\n", "/lxc.payload.\\x00\\x0\\xzz", "\\x0\\xzz"},
};

static void test_cgroups(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(CGROUPS) / sizeof(CGROUPS[0]); i++) {
		char *text = strdup(CGROUPS[i].text); /* of its size: reading beyond it is found */
		struct cgroup cgroup;

		cgroup_parse(text, &cgroup);
		assert_string_equal(cgroup.path, CGROUPS[i].path);
		assert_string_equal(cgroup.container, CGROUPS[i].container);
		free(text);
	}
}

static void test_cgroup_long_name(void **state)
{
	char text[512] = "0::/lxc.payload.";
	struct cgroup cgroup;

	(void)state;
	memset(text + strlen(text), 'n', 300);
	cgroup_parse(text, &cgroup);
	assert_int_equal(strlen(cgroup.container), sizeof(cgroup.container) - 1);
}

/* ---- texts ---- */

#define STAT_REST                                                                                  \
	" S 1 2 3 0 -1 4194560 1 0 0 0 17 18 0 0 20 -5 3 0 4711 1000000 42 18446744073709551615"

static void test_stat(void **state)
{
	static const char *const NAMES[] = {"x", "", "a b", "a) R 1 2 (b", ")))", "line\nfeed"};
	struct procfs_stat stat;
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
		snprintf(text, sizeof(text), "12 (%s)" STAT_REST, NAMES[i]);
		assert_true(procfs_stat_parse(text, &stat));
		assert_string_equal(stat.comm, NAMES[i]);
		assert_int_equal(stat.state, 'S');
		assert_int_equal(stat.user_ticks, 17);
		assert_int_equal(stat.system_ticks, 18);
		assert_int_equal(stat.threads, 3);
		assert_int_equal(stat.start_ticks, 4711);
		assert_int_equal(stat.rss_pages, 42);
	}
	assert_false(procfs_stat_parse("", &stat));
	assert_false(procfs_stat_parse("12 (x)", &stat));
	assert_false(procfs_stat_parse("12 (x) ", &stat));
	assert_false(procfs_stat_parse("12 (x) S 1 2 3", &stat));
	assert_false(procfs_stat_parse(") 12 (x", &stat));
}

static void test_status(void **state)
{
	static const char TEXT[] =
		"Name:\tUid:\\n 7\nUid:\t1\t2\t3\t4\nGroups: \nxPid:\t9\nPid:\t8";
	uint64_t n[4] = {0};

	(void)state;
	assert_int_equal(procfs_status_numbers(TEXT, "Uid:", n, 4), 4);
	assert_int_equal(n[0], 1);
	assert_int_equal(n[3], 4);
	assert_int_equal(procfs_status_numbers(TEXT, "Uid:", n, 2), 2);
	assert_int_equal(procfs_status_numbers(TEXT, "Groups:", n, 4), 0);
	assert_int_equal(procfs_status_numbers(TEXT, "Pid:", n, 4), 1);
	assert_int_equal(n[0], 8);
	assert_int_equal(procfs_status_numbers(TEXT, "NSpid:", n, 4), 0);
}

/* ---- who ---- */

/* A child that runs `body` and then waits for its end. It has done so when this returns. */
static pid_t child_start(void (*body)(void))
{
	int ready[2];
	pid_t child;
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		if (body)
			body();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

static void child_end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void test_own_series(void **state)
{
	struct series s, again;
	struct process_usage usage;
	struct timespec now;
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	(void)state;
	assert_true(n > 0);
	exe[n] = '\0';
	assert_int_equal(process_series((uint32_t)getpid(), true, &s), 0);
	assert_true(process_usage_read((uint32_t)getpid(), &usage));
	assert_int_equal(s.pid, getpid());
	assert_int_equal(strlen(s.boot), 36);
	assert_int_equal(s.start_ticks, usage.start_ticks);
	assert_int_equal(s.uid, geteuid());
	assert_string_equal(s.comm, usage.comm);
	assert_string_equal(s.exe, exe);
	assert_non_null(strstr(s.command_line, program_invocation_name));
	assert_string_equal(s.python, "");
	if (!geteuid())
		assert_string_equal(s.user, "root");

	/* it began before now, and after the machine did */
	clock_gettime(CLOCK_REALTIME, &now);
	assert_true(s.start_unix_ns / NS_PER_S <= (uint64_t)now.tv_sec);
	assert_int_equal(s.start_unix_ns % (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK)), 0);
	clock_gettime(CLOCK_BOOTTIME, &now);
	assert_true(s.start_ticks <= ((uint64_t)now.tv_sec + 1) * (uint64_t)sysconf(_SC_CLK_TCK));

	assert_int_equal(process_series((uint32_t)getpid(), false, &again), 0);
	assert_string_equal(again.command_line, "");
	assert_string_equal(again.boot, s.boot);
	series_clear(&s);
	series_clear(&again);
}

/* The age by the clock of the day and that by the clock since boot are the same. */
static void test_start_time(void **state)
{
	uint64_t ticks_hz = (uint64_t)sysconf(_SC_CLK_TCK), age_ns, age_by_day_ns, difference_ns;
	struct timespec since_boot, day;
	struct series s;

	(void)state;
	assert_int_equal(process_series((uint32_t)getpid(), false, &s), 0);
	clock_gettime(CLOCK_BOOTTIME, &since_boot);
	clock_gettime(CLOCK_REALTIME, &day);
	age_ns = (uint64_t)since_boot.tv_sec * NS_PER_S + (uint64_t)since_boot.tv_nsec -
		 s.start_ticks * (NS_PER_S / ticks_hz);
	age_by_day_ns = (uint64_t)day.tv_sec * NS_PER_S + (uint64_t)day.tv_nsec - s.start_unix_ns;
	difference_ns = age_ns > age_by_day_ns ? age_ns - age_by_day_ns : age_by_day_ns - age_ns;
	assert_true(difference_ns < 10 * NS_PER_S); /* however late this thread runs between */
	series_clear(&s);
}

static void odd_name(void)
{
	prctl(PR_SET_NAME, "a) R\n(b");
}

static void test_odd_name(void **state)
{
	pid_t child = child_start(odd_name);
	struct series s;

	(void)state;
	assert_int_equal(process_series((uint32_t)child, false, &s), 0);
	assert_string_equal(s.comm, "a) R\n(b");
	assert_int_equal(s.uid, geteuid());
	series_clear(&s);
	child_end(child);
}

static void nameless_user(void)
{
	if (setresgid(3999999999, 3999999999, 3999999999) < 0 ||
		setresuid(0, 3999999999, 3999999999) < 0)
		_exit(1);
}

/* The effective user, and the number of one that has no name. */
static void test_nameless_user(void **state)
{
	struct series s;
	pid_t child;

	(void)state;
	if (geteuid()) {
		print_message("# SKIP only root can become another user\n");
		skip();
	}
	child = child_start(nameless_user);
	assert_int_equal(process_series((uint32_t)child, false, &s), 0);
	assert_int_equal(s.uid, 3999999999);
	assert_string_equal(s.user, "3999999999");
	series_clear(&s);
	child_end(child);
}

/* Arguments of any length and content become one line of bounded length. */
static void test_command_line(void **state)
{
	static char huge[100000];
	struct series s;
	int gate[2], execed[2];
	pid_t child;
	char byte;

	(void)state;
	memset(huge, 'h', sizeof(huge) - 1);
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	assert_int_equal(pipe2(execed, O_CLOEXEC), 0);
	child = fork();
	if (!child) {
		dup2(gate[0], STDIN_FILENO);
		execl("/bin/sh", "sh", "-c", "read line", "", "two words", huge, (char *)NULL);
		_exit(127);
	}
	close(gate[0]);
	close(execed[1]);
	assert_int_equal(read(execed[0], &byte, 1), 0);
	assert_int_equal(process_series((uint32_t)child, true, &s), 0);
	assert_memory_equal(s.command_line, "sh -c read line  two words hhh", 30);
	assert_int_equal(strlen(s.command_line), 4095);
	assert_string_equal(s.comm, "sh");
	assert_non_null(strstr(s.exe, "sh"));
	series_clear(&s);
	close(gate[1]);
	close(execed[0]);
	waitpid(child, NULL, 0);
}

/* One that has ended still has a name, until its parent takes note. */
static void test_ended(void **state)
{
	pid_t child = child_start(odd_name);
	struct series_usage usage;
	struct series s;

	(void)state;
	kill(child, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)child, NULL, WEXITED | WNOWAIT), 0);
	assert_int_equal(process_series((uint32_t)child, true, &s), 0);
	assert_string_equal(s.comm, "a) R\n(b");
	assert_string_equal(s.exe, "");
	assert_string_equal(s.command_line, "");
	series_clear(&s);
	assert_int_equal(process_counters((uint32_t)child, &usage), 0);
	assert_int_equal(usage.rss_bytes, 0);
	waitpid(child, NULL, 0);
	assert_int_equal(process_series((uint32_t)child, true, &s), -ESRCH);
	series_clear(&s);
	assert_int_equal(process_counters((uint32_t)child, &usage), -ESRCH);
	assert_int_equal(process_series(0, true, &s), -ESRCH);
	series_clear(&s);
}

/* A folder stays with its process: of the next one with the PID nothing is read. */
static void test_reused_pid(void **state)
{
	struct series before, after;
	struct timespec now;
	struct buf text;
	uint64_t tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	pid_t child = child_start(NULL), second;
	int folder = procfs_open((uint32_t)child);

	(void)state;
	buf_init(&text, PROCFS_TEXT_MAX_BYTES);
	assert_true(folder >= 0);
	assert_int_equal(procfs_read(folder, "stat", &text, NULL), 0);
	assert_int_equal(process_series((uint32_t)child, false, &before), 0);
	child_end(child);
	do /* start times are told in ticks: let this one pass */
		clock_gettime(CLOCK_BOOTTIME, &now);
	while (((uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec) / tick_ns <=
		before.start_ticks);
	second = pid_reuse(child);
	if (second < 0) {
		print_message("# SKIP cannot choose a PID: %s\n", strerror(-second));
		close(folder);
		buf_free(&text);
		series_clear(&before);
		skip();
	}
	assert_int_equal(second, child);
	assert_int_equal(procfs_read(folder, "stat", &text, NULL), -ESRCH);
	assert_int_equal(procfs_read(folder, "status", &text, NULL), -ESRCH);
	assert_int_equal(process_series((uint32_t)child, false, &after), 0);
	assert_true(after.start_ticks > before.start_ticks);
	child_end(second);
	series_clear(&before);
	series_clear(&after);
	buf_free(&text);
	close(folder);
}

/* ---- counters ---- */

static void test_counters_cpu_and_memory(void **state)
{
	enum { BYTES = 64 << 20 };
	struct series_usage before, after;
	uint32_t self = (uint32_t)getpid();
	char *memory;

	(void)state;
	assert_int_equal(process_counters(self, &before), 0);
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	memset(memory, 1, BYTES);
	do
		assert_int_equal(process_counters(self, &after), 0);
	while (after.user_ns + after.system_ns < before.user_ns + before.system_ns + 50000000);
	assert_true(after.rss_bytes >= before.rss_bytes + BYTES * 9ULL / 10);
	assert_true(after.user_ns >= before.user_ns && after.system_ns >= before.system_ns);
	assert_int_equal(after.threads, 1);
	munmap(memory, BYTES);
}

static void *switch_often(void *arg)
{
	struct timespec short_while = {.tv_nsec = 100000};

	for (int i = 0; i < 200; i++)
		nanosleep(&short_while, NULL);
	pthread_barrier_wait(arg); /* its switches are told as long as it lives */
	pthread_barrier_wait(arg);
	return NULL;
}

static void check_switches(unsigned n_threads, uint64_t at_least)
{
	struct series_usage before, after;
	pthread_barrier_t barrier;
	pthread_t threads[80];

	assert_int_equal(process_counters((uint32_t)getpid(), &before), 0);
	pthread_barrier_init(&barrier, NULL, n_threads + 1);
	for (unsigned i = 0; i < n_threads; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, switch_often, &barrier), 0);
	pthread_barrier_wait(&barrier);
	assert_int_equal(process_counters((uint32_t)getpid(), &after), 0);
	assert_int_equal(after.threads, n_threads + 1);
	assert_true(after.voluntary_switches >= before.voluntary_switches + at_least);
	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
}

/* Of all threads, of many as well: 100 of the 200 sleeps at least are switches. */
static void test_counters_switches(void **state)
{
	(void)state;
	check_switches(3, 300);
	check_switches(80, 6300);
}

static void own_io(uint64_t *read_bytes, uint64_t *written_bytes)
{
	FILE *f = fopen("/proc/self/io", "re");
	char line[128];

	*read_bytes = *written_bytes = UINT64_MAX;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "read_bytes: %" SCNu64, read_bytes);
		sscanf(line, "write_bytes: %" SCNu64, written_bytes);
	}
	fclose(f);
}

static void test_counters_io(void **state)
{
	uint64_t read_before, read_after, written_before, written_after;
	struct series_usage usage;

	(void)state;
	own_io(&read_before, &written_before);
	assert_int_equal(process_counters((uint32_t)getpid(), &usage), 0);
	own_io(&read_after, &written_after);
	assert_in_range(usage.read_bytes, read_before, read_after);
	assert_in_range(usage.written_bytes, written_before, written_after);
}

/* ---- which ---- */

static void *stay(void *arg)
{
	pthread_barrier_wait(arg);
	pthread_barrier_wait(arg);
	return NULL;
}

static void test_list(void **state)
{
	pid_t child = child_start(NULL);
	pthread_barrier_t barrier;
	uint32_t *pids, *tids;
	size_t n, n_threads;
	int found = 0;
	pthread_t thread;

	(void)state;
	pthread_barrier_init(&barrier, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, stay, &barrier), 0);
	pthread_barrier_wait(&barrier);
	assert_int_equal(process_threads((uint32_t)getpid(), &tids, &n_threads), 0);
	assert_int_equal(n_threads, 2);
	assert_int_equal(process_list(&pids, &n), 0);
	for (size_t i = 0; i < n; i++) {
		assert_true(!i || pids[i - 1] < pids[i]);
		assert_int_not_equal(pids[i], tids[0] == (uint32_t)getpid() ? tids[1] : tids[0]);
		found += pids[i] == (uint32_t)child || pids[i] == (uint32_t)getpid();
	}
	assert_int_equal(found, 2);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&barrier);
	free(pids);
	free(tids);
	child_end(child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cgroups),
		cmocka_unit_test(test_cgroup_long_name),
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_own_series),
		cmocka_unit_test(test_start_time),
		cmocka_unit_test(test_odd_name),
		cmocka_unit_test(test_nameless_user),
		cmocka_unit_test(test_command_line),
		cmocka_unit_test(test_ended),
		cmocka_unit_test(test_reused_pid),
		cmocka_unit_test(test_counters_cpu_and_memory),
		cmocka_unit_test(test_counters_switches),
		cmocka_unit_test(test_counters_io),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
