/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables in the kernel's area: what fits, what does not, when places are used again; and walks
 * finished in user space. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unwind.h>

#include "bpf/contract.h"
#include "unwind/area.h"
#include "unwind/unwind.h"
#include "unwind_elf.h"

/* ---- area ------------------------------------------------------------------------------------ */

static void test_area(void **state)
{
	enum { SIZE = 500, PIECES = 64 };
	static uint8_t taken[SIZE];
	struct {
		uint32_t at, n;
	} pieces[PIECES] = {{0}};
	uint64_t random = 7;
	struct area a;
	uint32_t at, used = 0;

	(void)state;
	assert_int_equal(area_init(&a, SIZE), 0);
	for (int step = 0; step < 20000; step++) {
		unsigned i =
			(unsigned)((random = random * 6364136223846793005ULL + 1) >> 40) % PIECES;
		uint32_t n = 1 + (uint32_t)(random >> 33) % 30;

		if (pieces[i].n) {
			area_give(&a, pieces[i].at, pieces[i].n);
			memset(taken + pieces[i].at, 0, pieces[i].n);
			used -= pieces[i].n;
			pieces[i].n = 0;
		} else if (area_take(&a, n, &at)) {
			assert_true(at + n <= SIZE && !memchr(taken + at, 1, n));
			memset(taken + at, 1, n);
			pieces[i].at = at;
			pieces[i].n = n;
			used += n;
		}
		assert_int_equal(a.used, used);
	}
	for (unsigned i = 0; i < PIECES; i++)
		if (pieces[i].n)
			area_give(&a, pieces[i].at, pieces[i].n);
	assert_int_equal(a.n_free, 1); /* all pieces have grown together again */
	assert_true(area_take(&a, SIZE, &at));
	assert_false(area_take(&a, 1, &at));
	area_close(&a);
}

/* ---- processes with made-up files ------------------------------------------------------------ */

enum { N_CELLS = 64, N_MAPPINGS = 8 };

struct world {
	struct unwind *unwind;
	struct collect_tables tables;
	uint64_t cells[N_CELLS / 2];
	struct profd_mapping mappings[N_MAPPINGS];
	struct profd_rule rules[64];
	struct image *images[4];
	struct mapping process_mappings[2];
	struct process process;
};

/* A file whose table takes 2 + 2 * functions + 1 cells: one page, and for each function a row and a
 * gap. */
static struct image *file_of(unsigned functions)
{
	struct bytes eh = {.n = 0};
	size_t cie = put_cie(&eh, "z", false);

	for (unsigned i = 0; i < functions; i++)
		put_fde(&eh, cie, false, TEXT_AT + 0x100 + i * 0x100, 0x80, "", 0);
	return elf_image(&(struct elf_parts){.eh_frame = &eh});
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err err;

	assert_non_null(w);
	w->unwind = unwind_new(&err);
	assert_non_null(w->unwind);
	w->tables = (struct collect_tables){.cells = w->cells,
		.n_cells = N_CELLS,
		.mappings = w->mappings,
		.n_mappings = N_MAPPINGS,
		.rules = w->rules,
		.n_rules = 64,
		.processes_fd = -1,
		.pythons_fd = -1};
	for (int i = 0; i < 4; i++)
		w->images[i] = file_of(10);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	unwind_free(w->unwind);
	for (int i = 0; i < 4; i++)
		image_close(w->images[i]);
	free(w);
	return 0;
}

/* The process maps these files (NULL: one fewer) from now on. */
static int map(struct world *w, uint32_t pid, struct image *a, struct image *b)
{
	struct image *images[2] = {a, b};
	static uint64_t generation;

	w->process = (struct process){
		.pid = pid, .mappings = w->process_mappings, .generation = ++generation};
	for (int i = 0; i < 2 && images[i]; i++) {
		uint64_t bias = 0x7f0000000000 + (uint64_t)i * 0x1000000;

		w->process_mappings[i] = (struct mapping){.start = bias + TEXT_AT,
			.end = bias + TEXT_AT + TEXT_BYTES,
			.bias = bias,
			.image = images[i]};
		w->process.n_mappings++;
	}
	return unwind_process(w->unwind, &w->process, NULL);
}

/* A sample in the first function of mapping `i`, whose return address leads nowhere. */
static enum walk_end finish(struct world *w, unsigned i, size_t *n)
{
	static const uint64_t stack[4] = {0};
	uint64_t registers[USER_REGISTERS] = {0}, pcs[8];
	struct sample s = {.pid = w->process.pid,
		.registers = registers,
		.stack = (const uint8_t *)stack,
		.stack_at = 0x1000,
		.stack_bytes = sizeof(stack)};

	registers[PROFD_REG_RIP] = w->process_mappings[i].start + 0x110;
	registers[PROFD_REG_RSP] = 0x1000;
	assert_int_equal(unwind_finish(w->unwind, &w->process, &s, pcs, 8), 0);
	*n = s.n_user;
	return s.user_end;
}

static uint32_t cells_used(const struct world *w)
{
	struct unwind_stats s;

	unwind_stats(w->unwind, &s);
	return (uint32_t)s.cells_used;
}

static void test_bind_and_share(void **state)
{
	struct world *w = *state;
	uint32_t one;
	size_t n;

	assert_int_equal(map(w, 1, w->images[0], NULL), 0);
	assert_int_equal(finish(w, 0, &n), WALK_COMPLETE); /* before there is a kernel side */
	assert_int_equal(n, 1);
	assert_true(unwind_cells_needed(w->unwind) > N_CELLS);
	assert_int_equal(unwind_bind(w->unwind, &w->tables, NULL), 0);
	one = cells_used(w);
	assert_true(one > 20);
	assert_int_equal(map(w, 2, w->images[0], NULL), 0);
	assert_int_equal(cells_used(w), one);
	assert_int_equal(finish(w, 0, &n), WALK_COMPLETE);
	assert_int_equal(w->mappings[0].kind, PROFD_MAPPING_TABLE);
	assert_int_equal(w->mappings[0].start, w->process_mappings[0].start);
	assert_memory_equal(&w->mappings[0], &w->mappings[1], sizeof(w->mappings[0]));
}

static void test_area_full(void **state)
{
	struct world *w = *state;
	struct unwind_stats stats;
	size_t n;

	assert_int_equal(unwind_bind(w->unwind, &w->tables, NULL), 0);
	assert_int_equal(map(w, 1, w->images[0], w->images[1]), 0);
	assert_int_equal(map(w, 2, w->images[1], w->images[2]), -ENOSPC);
	assert_int_equal(
		w->mappings[2].start, w->process_mappings[0].start); /* what fits is there */
	assert_int_equal(w->mappings[3].start, 0);
	assert_int_equal(finish(w, 0, &n), WALK_COMPLETE);
	assert_int_equal(finish(w, 1, &n), WALK_COMPLETE); /* from user memory */
	unwind_stats(w->unwind, &stats);
	assert_int_equal(stats.no_room, 1);
	assert_int_equal(stats.tables, 3);
	/* As soon as the first process is gone there is room, after the grace period. */
	unwind_forget(w->unwind, 1);
	unwind_reclaim(w->unwind);
	assert_int_equal(unwind_process(w->unwind, &w->process, NULL), 0);
	unwind_stats(w->unwind, &stats);
	assert_int_equal(stats.evicted, 0);
	unwind_reclaim(w->unwind);
	assert_int_equal(unwind_process(w->unwind, &w->process, NULL), 0);
	unwind_stats(w->unwind, &stats);
	assert_int_equal(stats.evicted, 1);
	assert_int_equal(stats.no_room, 1);
	assert_int_equal(finish(w, 1, &n), WALK_COMPLETE);
}

static void test_old_slice_stays_for_a_while(void **state)
{
	struct world *w = *state;
	struct profd_mapping old;

	assert_int_equal(unwind_bind(w->unwind, &w->tables, NULL), 0);
	assert_int_equal(map(w, 1, w->images[0], NULL), 0);
	old = w->mappings[0];
	assert_int_equal(map(w, 1, w->images[1], NULL), 0);
	assert_memory_equal(&w->mappings[0], &old, sizeof(old));
	assert_int_not_equal(w->mappings[1].pages, old.pages);
	unwind_reclaim(w->unwind);
	assert_int_equal(map(w, 1, w->images[1], NULL), 0); /* still not in its place */
	assert_memory_equal(&w->mappings[0], &old, sizeof(old));
	unwind_reclaim(w->unwind);
	assert_int_equal(map(w, 1, w->images[1], NULL), 0);
	assert_memory_not_equal(&w->mappings[0], &old, sizeof(old));
}

static void test_nothing_to_do(void **state)
{
	struct world *w = *state;
	struct profd_mapping before[N_MAPPINGS];

	assert_int_equal(unwind_bind(w->unwind, &w->tables, NULL), 0);
	assert_int_equal(map(w, 1, w->images[0], NULL), 0);
	memcpy(before, w->mappings, sizeof(before));
	for (int i = 0; i < 20; i++) /* more often than there are places */
		assert_int_equal(unwind_process(w->unwind, &w->process, NULL), 0);
	assert_memory_equal(before, w->mappings, sizeof(before));
	assert_int_equal(unwind_bind(w->unwind, &w->tables, NULL), -EALREADY);
}

static void test_no_table_and_no_file(void **state)
{
	struct world *w = *state;
	struct image *bare = elf_image(&(struct elf_parts){0});

	assert_int_equal(map(w, 1, bare, NULL), 0);
	assert_int_equal(unwind_bind(w->unwind, &w->tables, NULL), 0);
	assert_int_equal(w->mappings[0].kind, PROFD_MAPPING_FP);
	w->process_mappings[0].image = NULL;
	w->process.generation += 1000;
	assert_int_equal(unwind_process(w->unwind, &w->process, NULL), 0);
	assert_int_equal(w->mappings[1].kind, PROFD_MAPPING_ANON);
	unwind_free(w->unwind);
	w->unwind = NULL;
	image_close(bare);
}

/* A child has its parent's mappings: one slice, and what one of them changes is its own. */
static void test_fork_shares_the_slice(void **state)
{
	struct world *w = *state;
	struct mapping added[2];
	struct process child;
	size_t n;

	assert_int_equal(unwind_bind(w->unwind, &w->tables, NULL), 0);
	map(w, 1, w->images[0], NULL);
	w->process.layout = 7;
	w->process.generation += 100;
	assert_int_equal(unwind_process(w->unwind, &w->process, NULL), 0);
	for (uint32_t pid = 2; pid < 50; pid++) { /* more than there are places */
		child = w->process;
		child.pid = pid;
		child.generation += pid;
		assert_int_equal(unwind_process(w->unwind, &child, NULL), 0);
	}
	/* The parent goes; what it leaves behind is still of use. */
	unwind_forget(w->unwind, 1);
	for (int i = 0; i < 4; i++)
		unwind_reclaim(w->unwind);
	w->process = child;
	assert_int_equal(finish(w, 0, &n), WALK_COMPLETE);
	memcpy(added, w->process_mappings, sizeof(added));
	added[1] = added[0];
	added[1].start += 0x1000000;
	added[1].end += 0x1000000;
	added[1].bias += 0x1000000;
	added[1].image = w->images[1];
	child.mappings = added;
	child.n_mappings = 2;
	child.layout = 8;
	child.generation += 100;
	assert_int_equal(unwind_process(w->unwind, &child, NULL), 0);
	w->process.pid = 2;
	w->process.generation = child.generation - 100 - 49 + 2;
	assert_int_equal(finish(w, 0, &n), WALK_COMPLETE);
	for (uint32_t pid = 2; pid < 50; pid++)
		unwind_forget(w->unwind, pid);
	for (int i = 0; i < 4; i++)
		unwind_reclaim(w->unwind);
	for (uint32_t pid = 50; pid < 54; pid++) /* all places are free again */
		assert_int_equal(map(w, pid, w->images[0], w->images[1]), 0);
}

static void test_image_forgotten(void **state)
{
	struct world *w = *state;
	struct unwind_stats stats;
	uint32_t both;
	size_t n;

	assert_int_equal(unwind_bind(w->unwind, &w->tables, NULL), 0);
	assert_int_equal(map(w, 1, w->images[0], w->images[1]), 0);
	both = cells_used(w);
	/* Still of use: it goes with the last that uses it, and as late as the kernel needs it. */
	unwind_forget_image(w->unwind, w->images[0]);
	assert_int_equal(finish(w, 0, &n), WALK_COMPLETE);
	assert_int_equal(cells_used(w), both);
	assert_int_equal(map(w, 1, w->images[1], NULL), 0);
	unwind_reclaim(w->unwind);
	assert_int_equal(cells_used(w), both);
	unwind_reclaim(w->unwind);
	assert_int_equal(cells_used(w), both / 2);
	/* Idle: it goes at once. */
	unwind_forget(w->unwind, 1);
	unwind_reclaim(w->unwind);
	unwind_reclaim(w->unwind);
	assert_int_equal(cells_used(w), both / 2);
	unwind_forget_image(w->unwind, w->images[1]);
	assert_int_equal(cells_used(w), 0);
	/* Another file may lie where it was. */
	assert_int_equal(map(w, 1, w->images[0], w->images[1]), 0);
	unwind_stats(w->unwind, &stats);
	assert_int_equal(stats.tables, 4);
	assert_int_equal(finish(w, 1, &n), WALK_COMPLETE);
	unwind_forget_image(w->unwind, w->images[3]); /* never seen */
}

/* Weeks of programs, each a file of its own. */
static void test_images_come_and_go(void **state)
{
	struct world *w = *state;
	size_t n;

	assert_int_equal(unwind_bind(w->unwind, &w->tables, NULL), 0);
	for (uint32_t i = 1; i < 300; i++) {
		struct image *image = file_of(10);

		assert_int_equal(map(w, i, image, NULL), 0);
		assert_int_equal(finish(w, 0, &n), WALK_COMPLETE);
		if (i % 2) /* in either order */
			unwind_forget_image(w->unwind, image);
		unwind_forget(w->unwind, i);
		unwind_reclaim(w->unwind);
		unwind_reclaim(w->unwind);
		unwind_reclaim(w->unwind);
		if (!(i % 2))
			unwind_forget_image(w->unwind, image);
		image_close(image);
		assert_int_equal(cells_used(w), 0);
	}
}

/* Its first sample comes after its end: the tables are made for the walk, and the kernel is told
 * nothing. */
static void test_first_sample_after_the_end(void **state)
{
	struct world *w = *state;
	size_t n;

	assert_int_equal(unwind_bind(w->unwind, &w->tables, NULL), 0);
	map(w, 1, w->images[0], NULL);
	unwind_forget(w->unwind, 1);
	memset(w->mappings, 0, sizeof(w->mappings));
	w->process.pid = 2;
	w->process.exited = true;
	assert_int_equal(finish(w, 0, &n), WALK_COMPLETE);
	assert_int_equal(n, 1);
	for (size_t i = 0; i < N_MAPPINGS; i++)
		assert_int_equal(w->mappings[i].end, 0);
	w->process.n_mappings = 0; /* what was known last serves */
	w->process.generation++;
	assert_int_equal(finish(w, 0, &n), WALK_COMPLETE);
	unwind_forget(w->unwind, 2);
}

static void test_sample_without_registers_stays(void **state)
{
	struct world *w = *state;
	struct sample s = {.pid = 1, .user_end = WALK_NOT_READY};

	assert_int_equal(map(w, 1, w->images[0], NULL), 0);
	assert_int_equal(unwind_finish(w->unwind, &w->process, &s, NULL, 0), 0);
	assert_int_equal(s.user_end, WALK_NOT_READY);
}

/* ---- this very process ----------------------------------------------------------------------- */

enum { DEPTH = 50, CAP = 256 };

struct self {
	ucontext_t context;
	uint64_t frames[CAP]; /* addresses, those of calls moved back by one */
	size_t n_frames;
	uint8_t stack[32768];
	size_t stack_bytes;
};

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *arg)
{
	struct self *s = arg;
	int exact;
	uint64_t ip = _Unwind_GetIPInfo(context, &exact);

	if (ip && s->n_frames < CAP)
		s->frames[s->n_frames++] = exact ? ip : ip - 1;
	return _URC_NO_REASON;
}

/* Registers, a copy of the stack and libgcc's own view of it, from the bottom of a recursion. */
static __attribute__((noinline)) int capture(struct self *s, int depth)
{
	const volatile uint8_t *sp;

	if (depth)
		return capture(s, depth - 1) + 1;
	getcontext(&s->context);
	_Unwind_Backtrace(note_frame, s);
	sp = (const uint8_t *)s->context.uc_mcontext.gregs[REG_RSP];
	s->stack_bytes =
		(size_t)process_read((uint32_t)getpid(), (uint64_t)sp, s->stack, sizeof(s->stack));
	return 1;
}

static void registers_of(const ucontext_t *c, uint64_t *to)
{
	static const int order[USER_REGISTERS] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI,
		REG_RDI, REG_RBP, REG_RSP, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13,
		REG_R14, REG_R15, REG_RIP};

	for (int i = 0; i < USER_REGISTERS; i++)
		to[i] = (uint64_t)c->uc_mcontext.gregs[order[i]];
}

/* All but the innermost frame, where the two calls stand one behind the other. */
static void assert_same_frames(const struct self *self, const struct sample *s)
{
	assert_int_equal(s->user_end, WALK_COMPLETE);
	assert_false(s->user_by_fp);
	assert_int_equal(s->n_user, self->n_frames);
	assert_memory_equal(s->user + 1, self->frames + 1, (s->n_user - 1) * sizeof(*s->user));
}

static void test_own_stack(void **state)
{
	static struct self self;
	struct err err;
	struct process_table *table = process_table_new(&err);
	struct unwind *u = unwind_new(&err);
	uint64_t registers[USER_REGISTERS], pcs[CAP];
	struct sample s = {.pid = (uint32_t)getpid(), .registers = registers};
	struct process *p = process_get(table, s.pid, &err);

	(void)state;
	assert_non_null(p);
	capture(&self, DEPTH);
	assert_true(self.n_frames > DEPTH);
	registers_of(&self.context, registers);
	s.stack = self.stack;
	s.stack_at = registers[PROFD_REG_RSP];
	s.stack_bytes = self.stack_bytes;
	assert_int_equal(unwind_finish(u, p, &s, pcs, CAP), 0);
	assert_same_frames(&self, &s);
	/* The copy alone has to do when the process is gone, its mappings with it. */
	p->exited = true;
	assert_int_equal(unwind_finish(u, p, &s, pcs, CAP), 0);
	assert_same_frames(&self, &s);
	s.stack_bytes = 0;
	assert_int_equal(unwind_finish(u, p, &s, pcs, CAP), 0);
	assert_int_equal(s.user_end, WALK_UNREADABLE);
	s.stack_bytes = self.stack_bytes;
	assert_int_equal(unwind_finish(u, p, &s, pcs, 5), 0);
	assert_int_equal(s.user_end, WALK_TRUNCATED);
	assert_int_equal(s.n_user, 5);
	unwind_free(u);
	process_table_free(table);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_area),
		TEST(test_bind_and_share),
		TEST(test_area_full),
		TEST(test_old_slice_stays_for_a_while),
		TEST(test_nothing_to_do),
		TEST(test_no_table_and_no_file),
		TEST(test_fork_shares_the_slice),
		TEST(test_image_forgotten),
		TEST(test_images_come_and_go),
		TEST(test_first_sample_after_the_end),
		TEST(test_sample_without_registers_stays),
		cmocka_unit_test(test_own_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
