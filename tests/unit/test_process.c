/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "process/maps.h"
#include "process/process.h"

static bool parse(const char *text, struct maps_line *out, char *copy, size_t size)
{
	snprintf(copy, size, "%s", text);
	return maps_parse_line(copy, out);
}

static void test_maps_lines(void **state)
{
	struct maps_line line;
	char copy[512];

	(void)state;
	assert_true(parse(
		"7f0000001000-7f0000003000 r-xp 00002000 fe:00 1234                       /lib/libc.so.6",
		&line, copy, sizeof(copy)));
	assert_int_equal(line.start, 0x7f0000001000);
	assert_int_equal(line.end, 0x7f0000003000);
	assert_int_equal(line.file_offset, 0x2000);
	assert_int_equal(line.inode, 1234);
	assert_string_equal(line.path, "/lib/libc.so.6");
	assert_true(parse("1000-2000 rwxp 00000000 00:00 0 ", &line, copy, sizeof(copy)));
	assert_string_equal(line.path, "");
	assert_true(parse(
		"1000-2000 r-xp 00000000 00:01 9 /a b\\012c (deleted)", &line, copy, sizeof(copy)));
	assert_string_equal(line.path, "/a b\nc");
	assert_false(parse("1000-2000 rw-p 00000000 00:00 0 [heap]", &line, copy, sizeof(copy)));
	assert_false(parse("2000-1000 r-xp 00000000 00:00 0 ", &line, copy, sizeof(copy)));
	assert_false(parse("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]",
		&line, copy, sizeof(copy)));
	assert_false(parse("", &line, copy, sizeof(copy)));
	assert_false(parse("garbage", &line, copy, sizeof(copy)));
	assert_false(parse("1000-2000 r-xp", &line, copy, sizeof(copy)));
}

static void test_own_process(void **state)
{
	struct process_table *t = process_table_new(NULL);
	struct process *p = process_get(t, (uint32_t)getpid(), NULL);
	const struct mapping *m;
	uint64_t address = (uint64_t)(uintptr_t)test_own_process;
	bool vdso = false;

	(void)state;
	assert_non_null(p);
	assert_ptr_equal(process_find(t, p->pid), p);
	assert_int_equal(p->parent, getppid());
	assert_true(strstr(p->exe, "test_process") != NULL);
	m = process_mapping(p, address);
	assert_non_null(m);
	assert_int_equal(m->kind, MAPPING_FILE);
	assert_true(m->image->is_elf);
	assert_ptr_equal(process_image(t, m->image->number), m->image);
	for (size_t i = 0; i < p->n_mappings; i++) {
		assert_true(!i || p->mappings[i - 1].end <= p->mappings[i].start);
		vdso |= p->mappings[i].kind == MAPPING_VDSO && p->mappings[i].image &&
			p->mappings[i].image->is_elf;
	}
	assert_true(vdso);
	assert_null(process_mapping(p, 16));
	assert_null(process_mapping(p, UINT64_MAX));
	process_table_free(t);
}

static void test_no_process(void **state)
{
	struct process_table *t = process_table_new(NULL);
	struct err err = {0};

	(void)state;
	assert_null(process_get(t, 0x7ffffffe, &err));
	assert_int_equal(err.code, -ESRCH);
	assert_null(process_find(t, 0x7ffffffe));
	process_table_free(t);
}

static void test_read_memory(void **state)
{
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
	     copy[8192];
	uint32_t self = (uint32_t)getpid();

	(void)state;
	memset(pages, 'x', 8192);
	assert_int_equal(process_read(self, (uintptr_t)pages, copy, 8192), 8192);
	assert_memory_equal(copy, pages, 8192);
	munmap(pages + 4096, 4096);
	assert_int_equal(process_read(self, (uintptr_t)pages + 4000, copy, 200), 96);
	assert_int_equal(process_read(self, 16, copy, 8), -EFAULT);
	munmap(pages, 4096);
}

/* A target's symbolic link must not lead profd out of the target's root, nor to a device or FIFO.
 */
static void test_open_file(void **state)
{
	char folder[] = "/tmp/profd-test-XXXXXX", path[PATH_MAX];
	uint32_t self = (uint32_t)getpid();
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/fifo", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(process_open_file(self, path) < 0);
	unlink(path);
	snprintf(path, sizeof(path), "%s/link", folder);
	assert_int_equal(symlink("/proc/self/exe", path), 0);
	assert_true(process_open_file(self, path) < 0);
	unlink(path);
	assert_true(process_open_file(self, "/dev/null") < 0);
	assert_true(process_open_file(self, "relative") < 0);
	assert_int_equal(process_open_file(self, "/nonexistent-file"), -ENOENT);
	fd = process_open_file(self, "/etc/passwd");
	assert_true(fd >= 0);
	close(fd);
	rmdir(folder);
}

/* ---- events ---- */

struct seen {
	unsigned count[PROCESS_THREAD + 1];
	uint32_t pid[PROCESS_THREAD + 1];
};

static void see(void *arg, const struct process_event *event)
{
	struct seen *seen = arg;

	seen->count[event->kind]++;
	seen->pid[event->kind] = event->pid;
}

/* Drains until an event of the kind came, or for ten seconds. */
static bool wait_for(struct process_watch *w, struct seen *seen, enum process_event_kind kind)
{
	uint64_t deadline = clock_now_ns() + 10 * NS_PER_S;
	struct pollfd fd = {.fd = process_watch_fd(w), .events = POLLIN};

	while (!seen->count[kind] && clock_now_ns() < deadline) {
		poll(&fd, 1, 100);
		assert_true(process_watch_drain(w, clock_now_ns(), see, seen) >= 0);
	}
	return seen->count[kind] > 0;
}

static struct process_watch *watch_or_skip(struct process_table *t)
{
	struct err err = {0};
	struct process_watch *w = process_watch_open(t, &err);

	if (!w) {
		print_message("# SKIP %s\n", err.text);
		process_table_free(t);
		skip();
	}
	return w;
}

static void test_fork_exec_exit(void **state)
{
	struct process_table *t = process_table_new(NULL);
	struct process_watch *w = watch_or_skip(t);
	struct seen seen = {0};
	struct process *p;
	int gate[2];
	pid_t child;
	char byte;

	(void)state;
	assert_non_null(process_get(t, (uint32_t)getpid(), NULL));
	assert_int_equal(pipe(gate), 0);
	child = fork();
	if (!child) {
		close(gate[1]);
		if (read(gate[0], &byte, 1) < 0)
			_exit(1);
		execl("/bin/sleep", "sleep", "1000", (char *)NULL);
		_exit(127);
	}
	assert_true(wait_for(w, &seen, PROCESS_FORKED));
	assert_int_equal(seen.pid[PROCESS_FORKED], child);
	p = process_find(t, (uint32_t)child);
	assert_non_null(p);
	assert_int_equal(p->parent, getpid());
	assert_true(p->n_mappings > 0); /* its parent's */
	close(gate[1]);
	close(gate[0]);
	assert_true(wait_for(w, &seen, PROCESS_EXECED));
	assert_true(wait_for(w, &seen, PROCESS_MAPPED));
	assert_string_equal(p->comm, "sleep");
	assert_true(strstr(p->exe, "sleep") != NULL);
	assert_null(process_mapping(p, (uint64_t)(uintptr_t)test_fork_exec_exit));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_true(wait_for(w, &seen, PROCESS_EXITED));
	assert_true(p->exited);
	process_watch_close(w);
	process_table_free(t);
}

/* A mapping made while we look on is known with its file before the drain returns. */
static void test_late_mapping(void **state)
{
	struct process_table *t = process_table_new(NULL);
	struct process_watch *w = watch_or_skip(t);
	struct process *p = process_get(t, (uint32_t)getpid(), NULL);
	uint64_t generation = p->generation;
	struct seen seen = {0};
	const struct mapping *m;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char *code;

	(void)state;
	code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(code, MAP_FAILED);
	assert_true(wait_for(w, &seen, PROCESS_MAPPED));
	m = process_mapping(p, (uint64_t)(uintptr_t)code);
	assert_non_null(m);
	assert_non_null(m->image);
	assert_true(p->generation > generation);
	munmap(code, 4096);
	close(fd);
	process_watch_close(w);
	process_table_free(t);
}

static void test_family(void **state)
{
	pid_t child = fork();
	struct process_usage *list, usage;
	bool found = false;
	size_t n;

	(void)state;
	if (!child)
		for (;;)
			pause();
	assert_int_equal(process_descendants((uint32_t)getpid(), &list, &n), 0);
	for (size_t i = 0; i < n; i++)
		found |= list[i].pid == (uint32_t)child && list[i].parent == (uint32_t)getpid();
	free(list);
	assert_true(found);
	kill(child, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)child, NULL, WEXITED | WNOWAIT), 0);
	assert_true(process_usage_read((uint32_t)child, &usage));
	assert_int_equal(usage.state, 'Z');
	assert_false(process_is_alive((uint32_t)child));
	waitpid(child, NULL, 0);
	assert_false(process_usage_read((uint32_t)child, &usage));
	assert_true(process_is_alive((uint32_t)getpid()));
	assert_int_equal(process_leader((uint32_t)getpid()), getpid());
	assert_int_equal(process_descendants(0x7ffffffe, &list, &n), -ESRCH);
}

/* Busy ones first, idle ones and profd's own left out, however many there are. */
static void test_busy(void **state)
{
	enum { CHILDREN = 3 };
	struct process_usage before[CHILDREN + 1] = {{.pid = (uint32_t)getpid()}};
	struct process_busy busy[CHILDREN];
	pid_t children[CHILDREN];
	size_t n;

	(void)state;
	for (int i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		for (volatile unsigned long spin = 0; !children[i]; spin++)
			if (i == 2)
				pause();
		before[i + 1] = (struct process_usage){.pid = (uint32_t)children[i]};
	}
	for (int i = 0; i < 2; i++) {
		struct process_usage now = {0};

		while (now.cpu_ticks < (i ? 4 : 20))
			assert_true(process_usage_read((uint32_t)children[i], &now));
	}
	kill(children[0], SIGSTOP);
	kill(children[1], SIGSTOP);
	n = process_busy_since(before, CHILDREN + 1, 1, busy, CHILDREN);
	assert_int_equal(n, 2);
	assert_true(busy[0].share >= busy[1].share && busy[1].share >= 0.04);
	assert_int_equal(process_busy_since(before, CHILDREN + 1, 1, busy + 1, 1), 1);
	assert_int_equal(busy[1].pid, busy[0].pid);
	for (int i = 0; i < CHILDREN; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_maps_lines),
		cmocka_unit_test(test_own_process),
		cmocka_unit_test(test_no_process),
		cmocka_unit_test(test_read_memory),
		cmocka_unit_test(test_open_file),
		cmocka_unit_test(test_fork_exec_exit),
		cmocka_unit_test(test_late_mapping),
		cmocka_unit_test(test_family),
		cmocka_unit_test(test_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
