/* SPDX-License-Identifier: BSD-2-Clause */
/* Samples that fall into the few instructions at which CPython's chain of frames is not whole
 * (bpf/python_again.h): made by hand here, one by one; tests/oracle/python_steps.c finds them in
 * interpreters. Such stacks were once empty, torn, or of another moment (seen at 5 kHz on code that
 * calls all the time). */
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
	FAR = STACK + 0x7400,  /* out of reach of a search through the stack */
	SHIM = STACK + 0x7000, /* of 3.12 */
	/* on the heap */
	HEAD = HEAP,
	INTERP = HEAP + 0x100,
	STATE = HEAP + 0x400,
	ROOT = STATE + 0x150, /* the first _PyCFrame, inside the thread state */
	EXC = STATE + 0x1c0,  /* exc_info outside of generators */
	CODE = HEAP + 0x1000,
	GENERATOR = HEAP + 0x3000, /* frames in generators */
	OTHER = HEAP + 0x3200,
	CHUNK = HEAP + 0x4000, /* the data stack, with frames end to end */
	MAIN = CHUNK + 32,
	FRAME_BYTES = (9 + 3 + 4) * 8, /* FRAME_SPECIALS_SIZE, co_nlocalsplus, co_stacksize */
	INNER = MAIN + FRAME_BYTES,
	LAST = INNER + FRAME_BYTES,
	GARBAGE = 0x1234567,
	UNMAPPED = 0x50000000,
	RUNS = -1, /* stacktop of a frame that runs */
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

static uint8_t *at_address(uint64_t address)
{
	return address >= HEAP ? heap + (address - HEAP) : stack + (address - STACK);
}

static void put(uint64_t address, uint64_t value)
{
	memcpy(at_address(address), &value, sizeof(value));
}

static void put_frame(uint64_t frame, uint64_t previous, bool entry)
{
	put(frame + py.frame_code, CODE);
	put(frame + py.frame_previous, previous);
	put(frame + py.frame_instr, CODE + py.code_bytecode + 4);
	put(frame + py.frame_stacktop, (uint32_t)RUNS);
	*at_address(frame + py.frame_owner) = PYTHON_OWNER_THREAD;
	if (py.frame_entry != PROFD_PYTHON_NONE)
		*at_address(frame + py.frame_entry) = entry;
}

/* One that has not reached its first instruction. */
static void put_new_frame(uint64_t frame, uint64_t previous)
{
	put_frame(frame, previous, false);
	put(frame + py.frame_instr, CODE + py.code_bytecode - 2);
}

/* `state`: gi_frame_state, 0 is executing. */
static void put_generator(uint64_t frame, uint64_t previous, bool entry, int8_t state)
{
	put_frame(frame, previous, entry);
	*at_address(frame + py.frame_owner) = PYTHON_OWNER_GENERATOR;
	*at_address(frame - 5) = (uint8_t)state;
}

static void put_cframe(uint64_t cframe, uint64_t frame, uint64_t previous)
{
	put(cframe + py.cframe_frame, frame);
	put(cframe + py.cframe_frame + 8, previous);
}

static void put_top(uint64_t top)
{
	put(STATE + py.tstate_chunk + 8, top);
}

static void setup_version(unsigned minor)
{
	memset(stack, 0, sizeof(stack));
	memset(heap, 0, sizeof(heap));
	memset(&s, 0, sizeof(s));
	s.record.time_ns = 1;
	s.registers[PROFD_REG_RSP] = STACK + 0x80;
	py = layout_known(3, minor)->walk;
	py.interpreters_head = HEAD;
	py.code_type = CODE_TYPE;
	put(HEAD, INTERP);
	put(INTERP + py.interp_threads, STATE);
	put(STATE + py.tstate_thread_id, FSBASE);
	put(STATE + py.tstate_frame, NEW);
	put(STATE + py.tstate_exc_info, EXC);
	put(STATE + py.tstate_chunk, CHUNK);
	put_top(INNER);
	put(CHUNK + 8, 0x1000); /* size */
	put(CODE + 8, CODE_TYPE);
	put(CODE + 16, 100);
	if (py.code_stack != PROFD_PYTHON_NONE)
		put(CODE + py.code_stack, 4);
	memcpy(at_address(CODE + py.code_locals),
		&(uint32_t){py.code_stack != PROFD_PYTHON_NONE ? 3 : FRAME_BYTES / 8}, 4);
}

/* 3.11: main(), entered from C, calls C code that is about to run another eval loop. */
static int setup(void **state)
{
	(void)state;
	setup_version(11);
	put_frame(MAIN, 0, true);
	put_cframe(OUTER, MAIN, ROOT);
	return 0;
}

/* 3.11: main() runs. */
static int setup_running(void **state)
{
	setup(state);
	put_cframe(OUTER, 0, 0);
	put_cframe(NEW, MAIN, ROOT);
	return 0;
}

/* The same in 3.12. */
static int setup_12(void **state)
{
	(void)state;
	setup_version(12);
	put_frame(SHIM, 0, false);
	*at_address(SHIM + py.frame_owner) = (uint8_t)py.frame_shim_owner;
	put_frame(MAIN, SHIM, false);
	put_cframe(NEW, MAIN, ROOT);
	return 0;
}

/* How many frames there are, and how many of them are entries. */
static void walk_here(enum walk_end end, size_t n, size_t entries)
{
	struct profd_host host = {.read_user = read_piece};
	size_t found = 0;

	profd_host = &host;
	python_walk(&s, 0, &py, FSBASE);
	profd_host = NULL;
	assert_int_equal(s.record.python_end, end);
	assert_int_equal(s.record.n_python, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(s.words[i * 2] & ~PYTHON_ENTRY_FLAG, CODE);
		found += s.words[i * 2] >> 63;
	}
	assert_int_equal(found, entries);
}

static void test_filled(void **state)
{
	(void)state;
	put_frame(INNER, MAIN, true);
	put_top(LAST);
	put_cframe(NEW, INNER, OUTER);
	walk_here(WALK_COMPLETE, 2, 2);
}

/* ---- entering an eval loop ---------------------------------------------------------------------
 */

/* The _PyCFrame is not filled; the one outside is in a register. */
static void test_cframe_in_register(void **state)
{
	(void)state;
	put_cframe(NEW, GARBAGE, GARBAGE);
	put_cframe(FAR, MAIN, ROOT);
	put_cframe(OUTER, 0, 0);
	s.registers[3] = FAR;
	walk_here(WALK_COMPLETE, 1, 1);
	put_new_frame(INNER, GARBAGE); /* the frame that is entered */
	put_top(LAST);
	walk_here(WALK_COMPLETE, 1, 1);
}

static void test_frame_in_register(void **state)
{
	(void)state;
	put_cframe(NEW, 0, 0);
	put_new_frame(INNER, GARBAGE);
	put_top(LAST);
	s.registers[12] = MAIN;
	walk_here(WALK_COMPLETE, 1, 1);
}

static void test_frame_in_outer(void **state)
{
	(void)state;
	put_cframe(NEW, GARBAGE, OUTER);
	walk_here(WALK_COMPLETE, 1, 1);
}

/* At every place of the stack, also across the pieces that are read. */
static void test_stack_everywhere(void **state)
{
	for (uint64_t at = STACK + 0x80; at < STACK + 0x3000; at += 8) {
		setup(state);
		put_cframe(OUTER, 0, 0);
		put(at, MAIN);
		walk_here(WALK_COMPLETE, 1, 1);
	}
}

/* Copies of a _PyCFrame that is gone, with a frame that was called by another: not to be believed.
 */
static void test_stale(void **state)
{
	(void)state;
	put_frame(LAST, INNER, true);
	put_frame(INNER, MAIN, false);
	put_cframe(NEW, LAST, OUTER);
	put_cframe(STALE, LAST, OUTER);
	s.registers[0] = STALE;
	s.registers[1] = LAST;
	walk_here(WALK_COMPLETE, 1, 1);
}

/* A generator that was once run with a _PyCFrame at the same place, and has no caller now. */
static void test_stale_generator(void **state)
{
	(void)state;
	put_generator(GENERATOR, 0, true, -1);
	put_cframe(NEW, GENERATOR, ROOT);
	s.registers[3] = OUTER;
	walk_here(WALK_COMPLETE, 1, 1);
}

/* While main() takes down the frame of a call that has returned, a finalizer is about to run. */
static void test_finalizer(void **state)
{
	(void)state;
	put_frame(INNER, MAIN, false);
	put(INNER + py.frame_stacktop, 0);
	put_new_frame(LAST, GARBAGE);
	put_top(LAST + FRAME_BYTES);
	put_cframe(NEW, 0, 0);
	s.registers[5] = INNER;
	s.registers[6] = MAIN;
	walk_here(WALK_COMPLETE, 1, 1);
}

/* Nothing can be proven: no stack, rather than a wrong one. */
static void test_nothing(void **state)
{
	(void)state;
	put_frame(INNER, 0, false);
	put_cframe(OUTER, 0, 0);
	put_cframe(NEW, INNER, GARBAGE);
	put_top(LAST);
	walk_here(WALK_BAD_FRAME, 0, 0);
}

/* ---- calls and returns within an eval loop -----------------------------------------------------
 */

static void test_call(void **state)
{
	(void)state;
	put_new_frame(INNER, MAIN);
	put_top(LAST);
	put_cframe(NEW, INNER, ROOT);
	walk_here(WALK_COMPLETE, 1, 1);
}

/* The new frame's `previous` is what an earlier frame at its place was called from. */
static void test_call_stale(void **state)
{
	(void)state;
	put_generator(GENERATOR, 0, true, -1);
	put_new_frame(INNER, GENERATOR);
	put_top(LAST);
	put_cframe(NEW, INNER, ROOT);
	walk_here(WALK_BAD_FRAME, 0, 0);
	s.registers[6] = MAIN;
	walk_here(WALK_COMPLETE, 1, 1);
}

/* The data stack has got a new piece for it. */
static void test_call_chunk(void **state)
{
	const uint64_t chunk = CHUNK + 0x800;

	(void)state;
	put(CHUNK + 16, (INNER - CHUNK - 24) / 8); /* top */
	put(chunk, CHUNK);
	put(chunk + 8, 0x400);
	put(STATE + py.tstate_chunk, chunk);
	put_top(chunk + 24 + FRAME_BYTES);
	put_new_frame(chunk + 24, MAIN);
	put_cframe(NEW, chunk + 24, ROOT);
	walk_here(WALK_COMPLETE, 1, 1);
}

/* It has returned, and its piece is gone. */
static void test_return_chunk(void **state)
{
	(void)state;
	put_cframe(NEW, UNMAPPED, ROOT);
	s.registers[3] = MAIN;
	walk_here(WALK_COMPLETE, 1, 1);
}

/* It has returned, and its piece is not the last one any more, but has the top still. */
static void test_return_chunk_half(void **state)
{
	const uint64_t other = HEAP + 0x800 + 24; /* in one that is below */

	(void)state;
	put_top(other + FRAME_BYTES);
	put_frame(other, MAIN, false);
	s.registers[3] = other;
	walk_here(WALK_COMPLETE, 1, 1);
}

/* It has returned, and is off the data stack. */
static void test_return(void **state)
{
	(void)state;
	put_frame(INNER, MAIN, false);
	put_cframe(NEW, INNER, ROOT);
	walk_here(WALK_COMPLETE, 1, 1);
}

/* ---- generators --------------------------------------------------------------------------------
 */

/* Resumed, and not linked yet; or it yields, and is not linked any more. */
static void test_generator_unlinked(void **state)
{
	(void)state;
	put_generator(GENERATOR, 0, false, 0);
	put_cframe(NEW, GENERATOR, ROOT);
	walk_here(WALK_BAD_FRAME, 0, 0);
	s.registers[3] = MAIN;
	walk_here(WALK_COMPLETE, 1, 1);
	put_generator(OTHER, MAIN, false, 0); /* `yield from` */
	s.registers[13] = OTHER;
	walk_here(WALK_COMPLETE, 2, 1);
}

/* main() called a function, then a generator, which calls a function: the new frame has the same
 * place as the first one, and as long as it has its `previous` too the generator may be missed. */
static void test_generator_between(void **state)
{
	(void)state;
	put_generator(GENERATOR, MAIN, false, 0);
	put_new_frame(INNER, MAIN);
	put_top(LAST);
	put_cframe(NEW, INNER, ROOT);
	s.registers[3] = GENERATOR;
	walk_here(WALK_COMPLETE, 2, 1);
	*at_address(GENERATOR - 5) = 0xff; /* suspended: not in between */
	walk_here(WALK_COMPLETE, 1, 1);
}

/* gen.throw() for a generator that waits for another one: linked, but in no eval loop of its own.
 */
static void test_generator_thrown(void **state)
{
	(void)state;
	put_generator(GENERATOR, MAIN, true, 0);
	put(GENERATOR + py.frame_stacktop, 1);
	put_cframe(NEW, GENERATOR, ROOT);
	walk_here(WALK_COMPLETE, 2, 1);
	put_generator(OTHER, GENERATOR, true, 0);
	put_cframe(NEW, OTHER, OUTER);
	put_cframe(OUTER, GENERATOR, ROOT);
	walk_here(WALK_COMPLETE, 3, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_filled, setup),
		cmocka_unit_test_setup(test_cframe_in_register, setup),
		cmocka_unit_test_setup(test_frame_in_register, setup),
		cmocka_unit_test_setup(test_frame_in_outer, setup),
		cmocka_unit_test_setup(test_stack_everywhere, setup),
		cmocka_unit_test_setup(test_stale, setup),
		cmocka_unit_test_setup(test_stale_generator, setup),
		cmocka_unit_test_setup(test_finalizer, setup),
		cmocka_unit_test_setup(test_nothing, setup),
		cmocka_unit_test_setup(test_call, setup_running),
		cmocka_unit_test_setup(test_call_stale, setup_running),
		cmocka_unit_test_setup(test_call_chunk, setup_running),
		cmocka_unit_test_setup(test_return_chunk, setup_running),
		cmocka_unit_test_setup(test_return_chunk_half, setup_running),
		cmocka_unit_test_setup(test_return, setup_running),
		cmocka_unit_test_setup(test_generator_unlinked, setup_12),
		cmocka_unit_test_setup(test_generator_between, setup_12),
		cmocka_unit_test_setup(test_generator_thrown, setup_running),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
