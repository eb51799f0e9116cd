/* SPDX-License-Identifier: BSD-2-Clause */
/* What processes map, on a host that is watched for long: mappings, the files behind them, symbols
 * of the kernel; and that nothing of those that are gone stays. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "process_world.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
