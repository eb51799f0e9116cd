/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes that come and go on a host that is watched for long: what is known of those that are
 * gone before anybody looks, and that nothing of them stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "process/process.h"

enum { PAGE = 4096, KINDS = PROCESS_KSYMBOL + 1 };

struct world {
	struct process_table *table;
	struct process_watch *watch;
	uint32_t about; /* events of this process are counted */
	unsigned count[KINDS];
	uint32_t swept[64];
	unsigned n_swept;
};

static void see(void *arg, const struct process_event *event)
{
	struct world *w = arg;

	if (event->pid == w->about)
		w->count[event->kind]++;
}

static void drain(struct world *w)
{
	assert_true(process_watch_drain(w->watch, clock_now_ns(), see, w) >= 0);
}

/* Until an event of the kind came, or for ten seconds. */
static bool wait_for(struct world *w, enum process_event_kind kind)
{
	uint64_t deadline = clock_now_ns() + 10 * NS_PER_S;
	struct pollfd fd = {.fd = process_watch_fd(w->watch), .events = POLLIN};

	for (drain(w); !w->count[kind] && clock_now_ns() < deadline; drain(w))
		poll(&fd, 1, 100);
	return w->count[kind] > 0;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err err = {0};

	w->table = process_table_new(NULL);
	w->watch = process_watch_open(w->table, &err);
	if (!w->watch)
		print_message("# SKIP %s\n", err.text);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	process_watch_close(w->watch);
	process_table_free(w->table);
	free(w);
	return 0;
}

static struct process *self_of(struct world *w)
{
	if (!w->watch)
		skip();
	return process_get(w->table, (uint32_t)getpid(), NULL);
}

/* Runs a program to its end; nothing is drained meanwhile. */
static uint32_t run(const char *path)
{
	pid_t child = fork();
	int status;

	if (!child) {
		execl(path, "a-program", (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), 0);
	return (uint32_t)child;
}

/* A child that waits until it is killed; the test's end kills it, too. */
static uint32_t start_waiting(void)
{
	pid_t child = fork();

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return (uint32_t)child;
}

static void stop(uint32_t pid)
{
	kill((pid_t)pid, SIGKILL);
	waitpid((pid_t)pid, NULL, 0);
}

/* A copy of /bin/true, which no process has mapped before. */
static void copy_true(char *path)
{
	struct buf text;
	int fd;

	buf_init(&text, 16 << 20);
	assert_int_equal(file_read("/bin/true", &text), 0);
	strcpy(path, "/tmp/profd-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text.data, text.len), 0);
	assert_int_equal(fchmod(fd, 0700), 0);
	close(fd);
	buf_free(&text);
}

static const struct mapping *mapping_named(const struct process *p, const char *part)
{
	for (size_t i = 0; i < p->n_mappings; i++)
		if (p->mappings[i].image && strstr(p->mappings[i].image->path, part))
			return &p->mappings[i];
	return NULL;
}

/* ---- set-user-ID programs ---------------------------------------------------------------------
 */

/* A program that waits for its end, with the rights of somebody else. */
static void copy_setuid(char *path)
{
	struct buf text;
	int fd;

	buf_init(&text, 64 << 20);
	assert_int_equal(file_read("/bin/sleep", &text), 0);
	strcpy(path, "/tmp/profd-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text.data, text.len), 0);
	assert_int_equal(fchown(fd, 12346, 12346), 0);
	assert_int_equal(fchmod(fd, 04755), 0);
	close(fd);
	buf_free(&text);
}

static uint32_t start_setuid(const char *path)
{
	pid_t child = fork();

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(path, "sleep", "60", (char *)NULL);
		_exit(127);
	}
	return (uint32_t)child;
}

/* The kernel tells of an exit at such an exec. */
static void test_setuid_exec_is_no_end(void **state)
{
	struct world *w = *state;
	struct process *self = self_of(w), *p;
	char path[64];

	assert_non_null(self);
	if (geteuid() != 0)
		skip();
	copy_setuid(path);
	w->about = start_setuid(path);
	/* Everything that belongs to the exec: its own file is mapped, and libc by it. */
	for (int i = 0; i < 400; i++) {
		drain(w);
		p = process_find(w->table, w->about);
		if (p && mapping_named(p, path) && mapping_named(p, "libc"))
			break;
		poll(NULL, 0, 5);
	}
	assert_non_null(p);
	assert_false(p->exited);
	assert_non_null(mapping_named(p, path));
	w->count[PROCESS_EXITED] = 0;
	stop(w->about);
	assert_true(wait_for(w, PROCESS_EXITED));
	unlink(path);
}

/* ---- gone before anybody looks ----------------------------------------------------------------
 */

static void test_whole_though_gone(void **state)
{
	struct world *w = *state;
	struct process *self = self_of(w), *p;
	char path[64];

	assert_non_null(self);
	copy_true(path);
	w->about = run(path);
	drain(w);
	assert_int_equal(w->count[PROCESS_FORKED], 1);
	assert_int_equal(w->count[PROCESS_EXECED], 1);
	assert_int_equal(w->count[PROCESS_MAPPED], 1); /* all of them told at once */
	assert_int_equal(w->count[PROCESS_EXITED], 1);
	p = process_find(w->table, w->about);
	assert_non_null(p);
	assert_true(p->exited);
	assert_string_equal(p->exe, path);
	assert_memory_equal(p->comm, path + 5, 15);
	assert_int_equal(p->parent, getpid());
	assert_true(p->start_ticks >= self->start_ticks);
	assert_non_null(mapping_named(p, path)); /* opened by its path */
	assert_non_null(mapping_named(p, "ld-"));
	assert_ptr_equal(mapping_named(p, "libc")->image, mapping_named(self, "libc")->image);
	assert_non_null(mapping_named(p, "vdso"));
	assert_null(mapping_named(p, "test_process"));
	unlink(path);
	process_remove(w->table, p);
	assert_null(process_find(w->table, w->about));
}

/* Whatever lies under the path by now is not what ran. */
static void test_replaced_file_is_not_taken(void **state)
{
	struct world *w = *state;
	char path[64], other[64];
	struct process *p;

	assert_non_null(self_of(w));
	copy_true(path);
	copy_true(other);
	w->about = run(path);
	assert_int_equal(rename(other, path), 0);
	drain(w);
	p = process_find(w->table, w->about);
	assert_non_null(p);
	assert_string_equal(p->exe, path);
	assert_null(mapping_named(p, path));
	assert_non_null(mapping_named(p, "libc"));
	unlink(path);
}

static void test_start_time(void **state)
{
	struct world *w = *state;
	struct process_usage usage;
	unsigned exact = 0;

	assert_non_null(self_of(w));
	for (int i = 0; i < 50; i++) {
		struct process *p;

		w->about = start_waiting();
		assert_true(wait_for(w, PROCESS_FORKED));
		p = process_find(w->table, w->about);
		assert_true(process_usage_read(w->about, &usage));
		exact += p->start_ticks == usage.start_ticks;
		assert_true(p->start_ticks + 1 >= usage.start_ticks &&
			    p->start_ticks <= usage.start_ticks + 1);
		stop(w->about);
		w->count[PROCESS_FORKED] = 0;
	}
	assert_true(exact >= 45); /* all, but that the machine may have halted at a bad moment */
}

/* ---- the host ----------------------------------------------------------------------------------
 */

static void test_parent_not_known(void **state)
{
	struct world *w = *state;
	struct process *p;

	if (!w->watch)
		skip();
	w->about = run("/bin/true");
	drain(w);
	assert_null(process_find(w->table, w->about)); /* it was none of ours */
	process_watch_host(w->watch);
	w->about = start_waiting();
	assert_true(wait_for(w, PROCESS_FORKED));
	p = process_find(w->table, w->about);
	assert_non_null(p);
	assert_true(p->n_mappings > 0); /* from /proc: it lives */
	assert_true(strstr(p->exe, "test_process_life") != NULL);
	stop(w->about);
	assert_true(wait_for(w, PROCESS_EXITED));
	w->about = run("/bin/true");
	memset(w->count, 0, sizeof(w->count));
	drain(w);
	assert_int_equal(w->count[PROCESS_FORKED], 1);
	assert_int_equal(w->count[PROCESS_EXITED], 1);
	p = process_find(w->table, w->about);
	assert_string_equal(p->comm, "true");
	assert_non_null(mapping_named(p, "true"));
}

static void test_kernel_thread(void **state)
{
	struct world *w = *state;
	struct process_usage usage;
	struct process *p;

	if (!process_usage_read(2, &usage) || !usage.is_kernel_thread) {
		print_message("# SKIP this PID namespace has no kernel threads\n");
		skip();
	}
	p = process_get(w->table, 2, NULL);
	assert_non_null(p);
	assert_int_equal(p->n_mappings, 0);
	assert_string_equal(p->comm, usage.comm);
}

/* ---- ends --------------------------------------------------------------------------------------
 */

static void *thread_wait(void *gate)
{
	char byte;

	if (read(*(int *)gate, &byte, 1) < 0)
		_exit(1);
	_exit(0);
}

/* Its main thread ends, another goes on: the process has not ended. */
static void test_main_thread_ends_first(void **state)
{
	struct world *w = *state;
	uint64_t deadline = clock_now_ns() + 10 * NS_PER_S;
	struct process *p;
	pthread_t thread;
	int gate[2];

	assert_non_null(self_of(w));
	assert_int_equal(pipe(gate), 0);
	w->about = (uint32_t)fork();
	if (!w->about) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(gate[1]);
		if (pthread_create(&thread, NULL, thread_wait, &gate[0]) != 0)
			_exit(1);
		syscall(SYS_exit, 0);
	}
	assert_true(wait_for(w, PROCESS_THREAD));
	p = process_find(w->table, w->about);
	while (!p->main_exited && clock_now_ns() < deadline)
		drain(w);
	assert_true(p->main_exited);
	for (int i = 0; i < 10; i++)
		drain(w);
	assert_false(p->exited);
	close(gate[0]);
	close(gate[1]);
	assert_true(wait_for(w, PROCESS_EXITED));
	assert_true(p->exited);
	waitpid((pid_t)w->about, NULL, 0);
	drain(w);
	assert_int_equal(w->count[PROCESS_EXITED], 1);
}

/* Nobody counted its threads: it was there before. */
static void test_end_of_one_that_was_there(void **state)
{
	struct world *w = *state;

	if (!w->watch)
		skip();
	w->about = start_waiting();
	drain(w);
	assert_non_null(process_get(w->table, w->about, NULL));
	drain(w);
	assert_int_equal(w->count[PROCESS_EXITED], 0);
	stop(w->about);
	assert_true(wait_for(w, PROCESS_EXITED));
	assert_int_equal(w->count[PROCESS_EXITED], 1);
}

/* ---- mappings ----------------------------------------------------------------------------------
 */

static char *map_code(void *at, int fd, size_t pages)
{
	int flags = MAP_PRIVATE | (at ? MAP_FIXED : 0) | (fd < 0 ? MAP_ANONYMOUS : 0);
	char *code = mmap(at, pages * PAGE, PROT_READ | PROT_EXEC, flags, fd, 0);

	assert_ptr_not_equal(code, MAP_FAILED);
	return code;
}

static void test_mapping_in_a_mapping(void **state)
{
	FD_CLOSE int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct world *w = *state;
	struct process *self = self_of(w);
	const struct mapping *left, *middle, *right;
	uint64_t at, generation;
	char *code;

	w->about = self->pid;
	code = map_code(NULL, fd, 5);
	map_code(code + 2 * PAGE, -1, 1);
	at = (uint64_t)(uintptr_t)code;
	drain(w);
	left = process_mapping(self, at);
	middle = process_mapping(self, at + 2 * PAGE);
	right = process_mapping(self, at + 3 * PAGE);
	assert_int_equal(left->start, at);
	assert_int_equal(left->end, at + 2 * PAGE);
	assert_int_equal(left->kind, MAPPING_FILE);
	assert_int_equal(middle->start, at + 2 * PAGE);
	assert_int_equal(middle->end, at + 3 * PAGE);
	assert_int_equal(middle->kind, MAPPING_ANON);
	assert_int_equal(right->start, at + 3 * PAGE);
	assert_int_equal(right->end, at + 5 * PAGE);
	assert_ptr_equal(right->image, left->image);
	assert_int_equal(right->bias, left->bias);
	assert_int_equal(right->file_offset, 3 * PAGE);
	/* Generated code that is made writable and back, and more of it beside: one mapping. */
	generation = self->generation;
	mprotect(code + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE);
	mprotect(code + 2 * PAGE, PAGE, PROT_READ | PROT_EXEC);
	drain(w);
	assert_int_equal(self->generation, generation);
	map_code(code + 3 * PAGE, -1, 1);
	drain(w);
	assert_true(self->generation > generation);
	middle = process_mapping(self, at + 2 * PAGE);
	assert_int_equal(middle->start, at + 2 * PAGE);
	assert_int_equal(middle->end, at + 4 * PAGE);
	assert_int_equal(process_mapping(self, at + 4 * PAGE)->file_offset, 4 * PAGE);
	for (size_t i = 1; i < self->n_mappings; i++)
		assert_true(self->mappings[i - 1].end <= self->mappings[i].start);
	munmap(code, 5 * PAGE);
}

/* No event tells of memory that was unmapped. */
static void test_unmapped_memory_does_not_pile_up(void **state)
{
	enum { ROUNDS = 1000 };
	FD_CLOSE int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct world *w = *state;
	struct process *self = self_of(w);
	size_t before = self->n_mappings;
	char *place = mmap(NULL, (size_t)ROUNDS * 2 * PAGE, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	w->about = self->pid;
	assert_ptr_not_equal(place, MAP_FAILED);
	for (int i = 0; i < ROUNDS; i++) {
		char *code = map_code(place + (size_t)i * 2 * PAGE, fd, 1);

		munmap(code, PAGE);
		if (i % 10 == 0)
			drain(w);
		assert_true(self->n_mappings < before + 100);
	}
	drain(w);
	assert_true(w->count[PROCESS_MAPPED] >= ROUNDS / 10);
	munmap(place, (size_t)ROUNDS * 2 * PAGE);
}

static void test_layout(void **state)
{
	struct world *w = *state;
	struct process *self = self_of(w), *child;
	uint64_t before;
	char *code;

	w->about = start_waiting();
	assert_true(wait_for(w, PROCESS_FORKED));
	child = process_find(w->table, w->about);
	assert_int_not_equal(child->layout, 0);
	assert_int_equal(child->layout, self->layout);
	assert_int_not_equal(child->generation, self->generation);
	assert_int_equal(child->n_mappings, self->n_mappings);
	before = child->layout;
	w->about = self->pid;
	code = map_code(NULL, -1, 1);
	assert_true(wait_for(w, PROCESS_MAPPED));
	assert_int_equal(child->layout, before);
	assert_int_not_equal(self->layout, before);
	munmap(code, PAGE);
	stop(child->pid);
}

/* ---- images ------------------------------------------------------------------------------------
 */

static void sweep_see(void *arg, const struct image *image)
{
	struct world *w = arg;

	assert_true(w->n_swept < 64);
	assert_true(image->fd >= 0); /* not closed yet */
	w->swept[w->n_swept++] = image->number;
}

static void test_sweep(void **state)
{
	struct world *w = *state;
	struct process *self = self_of(w);
	uint32_t number, libc = mapping_named(self, "libc")->image->number;
	char path[64];

	copy_true(path);
	w->about = run(path);
	drain(w);
	number = mapping_named(process_find(w->table, w->about), path)->image->number;
	for (int i = 0; i < 4; i++) /* mapped, by a process that is gone but not removed */
		assert_int_equal(process_images_sweep(w->table, sweep_see, w), 0);
	process_remove(w->table, process_find(w->table, w->about));
	assert_int_equal(process_images_sweep(w->table, sweep_see, w), 0);
	w->about = run(path); /* again, just in time */
	drain(w);
	assert_int_equal(
		mapping_named(process_find(w->table, w->about), path)->image->number, number);
	assert_int_equal(process_images_sweep(w->table, sweep_see, w), 0);
	process_remove(w->table, process_find(w->table, w->about));
	assert_int_equal(process_images_sweep(w->table, sweep_see, w), 0);
	assert_non_null(process_image(w->table, number));
	assert_true(process_images_sweep(w->table, sweep_see, w) >= 1);
	assert_null(process_image(w->table, number));
	assert_non_null(process_image(w->table, libc));
	for (unsigned i = 0; i < w->n_swept; i++)
		assert_int_not_equal(w->swept[i], libc);
	w->about = run(path);
	drain(w);
	assert_true(mapping_named(process_find(w->table, w->about), path)->image->number > number);
	unlink(path);
}

static unsigned descriptors(void)
{
	uint32_t n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Hundreds of programs, each a file of its own: nothing stays of them. */
static void test_nothing_stays(void **state)
{
	struct world *w = *state;
	unsigned before = 0;
	size_t at = 0, known = 0;

	assert_non_null(self_of(w));
	for (int i = 0; i < 100; i++) {
		struct process *p;
		char path[64];

		copy_true(path);
		w->about = run(path);
		drain(w);
		p = process_find(w->table, w->about);
		assert_non_null(mapping_named(p, path));
		process_remove(w->table, p);
		unlink(path);
		w->n_swept = 0;
		process_images_sweep(w->table, sweep_see, w);
		if (i == 10)
			before = descriptors();
	}
	assert_int_equal(descriptors(), before);
	while (process_next(w->table, &at))
		known++;
	assert_int_equal(known, 1);
}

/* A file that was written to in place is another one, though its inode is the same. */
static void test_file_written_to(void **state)
{
	struct world *w = *state;
	struct process *p;
	uint32_t first;
	char path[64];
	int fd;

	assert_non_null(self_of(w));
	copy_true(path);
	w->about = run(path);
	drain(w);
	p = process_find(w->table, w->about);
	first = mapping_named(p, path)->image->number;
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, "more", 4), 4);
	close(fd);
	w->about = run(path);
	drain(w);
	p = process_find(w->table, w->about);
	assert_int_not_equal(mapping_named(p, path)->image->number, first);
	unlink(path);
}

/* ---- kernel symbols and time -------------------------------------------------------------------
 */

static int load_bpf_program(void)
{
	static const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uint64_t)(uintptr_t)program,
		.insn_cnt = 2,
		.license = (uint64_t)(uintptr_t) "GPL",
	};

	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

static void test_kernel_symbols(void **state)
{
	struct world *w = *state;
	int fds[3];

	if (!w->watch)
		skip();
	for (int i = 0; i < 3; i++) {
		fds[i] = load_bpf_program();
		if (fds[i] < 0) {
			print_message(
				"# SKIP BPF programs cannot be loaded: %s\n", strerror(errno));
			skip();
		}
	}
	assert_true(wait_for(w, PROCESS_KSYMBOL));
	assert_int_equal(w->count[PROCESS_KSYMBOL], 1); /* once for the three */
	for (int i = 0; i < 3; i++)
		fd_close(&fds[i]);
}

/* Events later than asked for wait for their time. */
static void test_until(void **state)
{
	struct world *w = *state;
	uint64_t before;

	assert_non_null(self_of(w));
	drain(w);
	before = clock_now_ns();
	w->about = run("/bin/true");
	assert_int_equal(process_watch_drain(w->watch, before, see, w), 0);
	assert_null(process_find(w->table, w->about));
	for (int i = 0; i < 200; i++) /* enough to be put together anew */
		run("/bin/true");
	assert_int_equal(process_watch_drain(w->watch, before, see, w), 0);
	drain(w);
	assert_int_equal(w->count[PROCESS_FORKED], 1);
	assert_int_equal(w->count[PROCESS_EXITED], 1);
	assert_non_null(mapping_named(process_find(w->table, w->about), "true"));
	assert_int_equal(process_watch_lost(w->watch), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_setuid_exec_is_no_end),
		TEST(test_whole_though_gone),
		TEST(test_replaced_file_is_not_taken),
		TEST(test_start_time),
		TEST(test_parent_not_known),
		TEST(test_kernel_thread),
		TEST(test_main_thread_ends_first),
		TEST(test_end_of_one_that_was_there),
		TEST(test_mapping_in_a_mapping),
		TEST(test_unmapped_memory_does_not_pile_up),
		TEST(test_layout),
		TEST(test_sweep),
		TEST(test_nothing_stays),
		TEST(test_file_written_to),
		TEST(test_kernel_symbols),
		TEST(test_until),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
