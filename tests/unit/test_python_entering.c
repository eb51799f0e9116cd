/* SPDX-License-Identifier: BSD-2-Clause */
/* Samples that fall into the few instructions in which CPython 3.11 and 3.12 have pointed the
 * thread to a new _PyCFrame that is not filled yet, or take a generator's frame out of the chain.
 * Such a stack was once reported as empty or torn (seen at 5 kHz on code that calls Python from C
 * all the time). */
#include "process/process.h"
#include "python/layout.h"
#include "test_python_target.h"

/* The target: two pieces of memory, far apart like a stack and a heap. */
enum {
	STACK = 0x10000000,
	HEAP = 0x40000000,
	PIECE = 0x8000,
	FSBASE = 0x7f00,
	CODE_TYPE = 0x7000,
	/* on the stack */
	NEW = STACK + 0x100, /* the _PyCFrame being filled */
	STALE = STACK + 0x280,
	OUTER = STACK + 0x1400,
	/* on the heap */
	HEAD = HEAP,
	INTERP = HEAP + 0x100,
	STATE = HEAP + 0x400,
	ROOT = STATE + 0x150, /* the first _PyCFrame, inside the thread state */
	CODE = HEAP + 0x1000,
	MAIN = HEAP + 0x2000, /* frames */
	INNER = HEAP + 0x2100,
	OLD = HEAP + 0x2200,
	GARBAGE = 0x1234567,
};

static uint8_t stack[PIECE], heap[PIECE];
static struct profd_python py;
static struct profd_scratch s;

static long read_piece(void *arg, void *to, uint32_t bytes, uint64_t address)
{
	(void)arg;
	if (address >= STACK && address + bytes <= STACK + PIECE)
		memcpy(to, stack + (address - STACK), bytes);
	else if (address >= HEAP && address + bytes <= HEAP + PIECE)
		memcpy(to, heap + (address - HEAP), bytes);
	else
		return -1;
	return 0;
}

static void put(uint64_t address, uint64_t value)
{
	memcpy(address >= HEAP ? heap + (address - HEAP) : stack + (address - STACK), &value,
		sizeof(value));
}

static void put_frame(uint64_t frame, uint64_t previous, bool entry)
{
	put(frame + py.frame_code, CODE);
	put(frame + py.frame_previous, previous);
	put(frame + py.frame_instr, CODE + py.code_bytecode + 4);
	heap[frame + py.frame_owner - HEAP] = 0;
	heap[frame + py.frame_entry - HEAP] = entry;
}

static void put_cframe(uint64_t cframe, uint64_t frame, uint64_t previous)
{
	put(cframe + py.cframe_frame, frame);
	put(cframe + py.cframe_frame + 8, previous);
}

/* main(), entered from C, calls C code that is about to run another eval loop. */
static int setup(void **state)
{
	(void)state;
	memset(stack, 0, sizeof(stack));
	memset(heap, 0, sizeof(heap));
	memset(&s, 0, sizeof(s));
	s.record.time_ns = 1;
	py = layout_known(3, 11)->walk;
	py.interpreters_head = HEAD;
	py.code_type = CODE_TYPE;
	put(HEAD, INTERP);
	put(INTERP + py.interp_threads, STATE);
	put(STATE + py.tstate_thread_id, FSBASE);
	put(STATE + py.tstate_frame, NEW);
	put(CODE + 8, CODE_TYPE);
	put(CODE + 16, 100);
	put_frame(MAIN, 0, true);
	put_cframe(OUTER, MAIN, ROOT);
	return 0;
}

static void walk_here(enum walk_end end, size_t n)
{
	struct profd_host host = {.read_user = read_piece};

	profd_host = &host;
	python_walk(&s, 0, &py, FSBASE);
	profd_host = NULL;
	assert_int_equal(s.record.python_end, end);
	assert_int_equal(s.record.n_python, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(s.words[i * 2], CODE | PYTHON_ENTRY_FLAG);
}

static void test_filled(void **state)
{
	(void)state;
	put_frame(INNER, MAIN, true);
	put_cframe(NEW, INNER, OUTER);
	walk_here(WALK_COMPLETE, 2);
}

static void test_register(void **state)
{
	(void)state;
	put_cframe(NEW, GARBAGE, GARBAGE);
	put_cframe(OUTER + 0x6000, MAIN, ROOT); /* out of reach of a search through the stack */
	put_cframe(OUTER, 0, 0);
	s.registers[3] = OUTER + 0x6000;
	walk_here(WALK_COMPLETE, 1);
}

static void test_stack(void **state)
{
	(void)state;
	put_cframe(NEW, 0, 0);
	walk_here(WALK_COMPLETE, 1);
}

/* At every place of the stack, also across the windows that are read. */
static void test_stack_everywhere(void **state)
{
	(void)state;
	for (uint64_t at = NEW + 24; at < NEW + 0x3000; at += 8) {
		setup(NULL);
		put_cframe(OUTER, 0, 0);
		put_cframe(at, MAIN, ROOT);
		walk_here(WALK_COMPLETE, 1);
	}
}

/* Copies of a _PyCFrame that is gone, with a frame that was called by another: not to be believed.
 */
static void test_stale(void **state)
{
	(void)state;
	put_frame(OLD, INNER, true);
	put_frame(INNER, MAIN, false);
	put_cframe(NEW, OLD, OUTER);
	put_cframe(STALE, OLD, OUTER);
	put_cframe(STALE + 0x40, OLD, OUTER);
	s.registers[0] = STALE;
	walk_here(WALK_COMPLETE, 1);
}

/* A generator that returns loses its `previous` before the thread leaves it. */
static void test_unlinked(void **state)
{
	(void)state;
	put_frame(INNER, 0, false);
	put_cframe(NEW, INNER, OUTER);
	walk_here(WALK_COMPLETE, 1);
}

/* The same where nothing can be proven: no stack, rather than a wrong one. */
static void test_unlinked_alone(void **state)
{
	(void)state;
	put_frame(INNER, 0, false);
	put_cframe(OUTER, 0, 0);
	put_cframe(NEW, INNER, GARBAGE);
	walk_here(WALK_BAD_FRAME, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_filled, setup),
		cmocka_unit_test_setup(test_register, setup),
		cmocka_unit_test_setup(test_stack, setup),
		cmocka_unit_test_setup(test_stack_everywhere, setup),
		cmocka_unit_test_setup(test_stale, setup),
		cmocka_unit_test_setup(test_unlinked, setup),
		cmocka_unit_test_setup(test_unlinked_alone, setup),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
