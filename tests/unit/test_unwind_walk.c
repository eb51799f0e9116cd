/* SPDX-License-Identifier: BSD-2-Clause */
/* The walker of bpf/native.h in a made-up world: a code mapping whose rows the tests choose, and a
 * stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "bpf/env.h"
#include "bpf/native.h"

enum {
	CODE = 0x400000, /* rule number i holds from CODE + 0x100 * i on */
	STACK = 0x7f0000,
	STACK_WORDS = 4096,
	JIT = 0x900000,
	BARE = 0xa00000, /* a file without a table */
	RULES = 16,
};

enum rules {
	R_GAP,
	R_UNSUPPORTED,
	R_END,
	R_PUSHED,
	R_LEAF,
	R_FP,
	R_FAR_FP,
	R_SIGNAL,
	R_IN_RDI,
	R_STUCK,
	R_DEREF,
	R_REALIGNED,
	R_PLT,
	R_LOST,
	R_R12
};

struct world {
	struct profd_host host;
	struct profd_process process;
	struct profd_mapping mappings[3];
	struct profd_rule rules[RULES];
	uint32_t cells[2 + RULES];
	uint64_t stack[STACK_WORDS];
	uint8_t code[0x2000];
	struct profd_scratch scratch;
};

static const struct profd_rule rules[RULES] = {
	[R_GAP] = {.cfa = PROFD_CFA_NONE},
	[R_UNSUPPORTED] = {.cfa = PROFD_CFA_UNSUPPORTED},
	[R_END] = {.cfa = PROFD_CFA_END},
	[R_PUSHED] = {.cfa = PROFD_CFA_REG,
		.cfa_reg = 7,
		.cfa_off = 16,
		.ra = PROFD_RESTORE_CFA,
		.ra_off = -8,
		.fp = PROFD_RESTORE_CFA,
		.fp_off = -16},
	[R_LEAF] = {.cfa = PROFD_CFA_REG,
		.cfa_reg = 7,
		.cfa_off = 8,
		.ra = PROFD_RESTORE_CFA,
		.ra_off = -8},
	[R_FP] = {.cfa = PROFD_CFA_REG,
		.cfa_reg = 6,
		.cfa_off = 16,
		.ra = PROFD_RESTORE_CFA,
		.ra_off = -8,
		.fp = PROFD_RESTORE_CFA,
		.fp_off = -16},
	[R_FAR_FP] = {.cfa = PROFD_CFA_REG,
		.cfa_reg = 7,
		.cfa_off = 64,
		.ra = PROFD_RESTORE_CFA,
		.ra_off = -8,
		.fp = PROFD_RESTORE_CFA,
		.fp_off = -56},
	[R_SIGNAL] = {.cfa = PROFD_CFA_SIGNAL, .cfa_off = 40},
	[R_IN_RDI] = {.cfa = PROFD_CFA_REG, .cfa_reg = 7, .ra = PROFD_RESTORE_REG, .ra_off = 5},
	[R_STUCK] = {.cfa = PROFD_CFA_REG, .cfa_reg = 7, .ra = PROFD_RESTORE_CFA, .ra_off = 0},
	[R_DEREF] = {.cfa = PROFD_CFA_DEREF,
		.cfa_reg = 7,
		.cfa_off = 8,
		.cfa_add = 8,
		.ra = PROFD_RESTORE_CFA,
		.ra_off = -8},
	[R_REALIGNED] = {.cfa = PROFD_CFA_REG,
		.cfa_reg = 10,
		.ra = PROFD_RESTORE_CFA,
		.ra_off = -8,
		.fp = PROFD_RESTORE_FP},
	[R_PLT] = {.cfa = PROFD_CFA_PLT,
		.cfa_reg = 7,
		.cfa_off = 11,
		.ra = PROFD_RESTORE_CFA,
		.ra_off = -8},
	[R_LOST] = {.cfa = PROFD_CFA_REG,
		.cfa_reg = 7,
		.cfa_off = 8,
		.ra = PROFD_RESTORE_CFA,
		.ra_off = -8,
		.fp = PROFD_RESTORE_LOST},
	[R_R12] = {.cfa = PROFD_CFA_REG,
		.cfa_reg = 12,
		.cfa_off = 8,
		.ra = PROFD_RESTORE_CFA,
		.ra_off = -8},
};

static long read_world(void *arg, void *to, uint32_t bytes, uint64_t address)
{
	struct world *w = arg;
	uint64_t in_stack = address - STACK, in_code = address - CODE;

	if (in_stack < sizeof(w->stack) && bytes <= sizeof(w->stack) - in_stack)
		memcpy(to, (char *)w->stack + in_stack, bytes);
	else if (in_code < sizeof(w->code) && bytes <= sizeof(w->code) - in_code)
		memcpy(to, w->code + in_code, bytes);
	else
		return -1;
	return 0;
}

/* Code that rule `r` holds for, and not at its first byte. */
static uint64_t in(enum rules r)
{
	return CODE + 0x100 * (uint64_t)r + 0x10;
}

/* A return address after a call in such code. */
static uint64_t after(enum rules r)
{
	return in(r) + 1;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	memcpy(w->rules, rules, sizeof(rules));
	w->mappings[0] = (struct profd_mapping){
		.start = CODE, .end = CODE + 0x2000, .bias = CODE, .n_pages = 1};
	w->mappings[1] = (struct profd_mapping){
		.start = JIT, .end = JIT + 0x1000, .kind = PROFD_MAPPING_ANON};
	w->mappings[2] = (struct profd_mapping){
		.start = BARE, .end = BARE + 0x1000, .kind = PROFD_MAPPING_FP};
	w->cells[0] = 2;
	w->cells[1] = 2 + RULES;
	for (uint32_t i = 0; i < RULES; i++)
		w->cells[2 + i] = (i * 0x100) << 16 | i;
	w->process = (struct profd_process){.n_mappings = 3, .generation = 1};
	w->host = (struct profd_host){.read_user = read_world,
		.arg = w,
		.cells = (const uint64_t *)(const void *)w->cells,
		.n_cells = 2 + RULES,
		.mappings = w->mappings,
		.n_mappings = 3,
		.rules = w->rules,
		.n_rules = RULES,
		.process = &w->process};
	profd_host = &w->host;
	w->scratch.registers[PROFD_REG_RSP] = STACK;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	profd_host = NULL;
	free(*state);
	return 0;
}

static struct profd_sample_record *walk(struct world *w, uint64_t ip)
{
	w->scratch.record = (struct profd_sample_record){.pid = 1};
	w->scratch.registers[PROFD_REG_RIP] = ip;
	native_walk(&w->scratch, 3);
	return &w->scratch.record;
}

#define ASSERT_FRAMES(w, ...)                                                                      \
	do {                                                                                       \
		const uint64_t want_[] = {__VA_ARGS__};                                            \
		assert_int_equal((w)->scratch.record.n_user, sizeof(want_) / sizeof(*want_));      \
		assert_memory_equal((w)->scratch.words + 3, want_, sizeof(want_));                 \
	} while (0)

/* ---- with rules ------------------------------------------------------------------------------ */

static void test_complete(void **state)
{
	struct world *w = *state;

	w->stack[0] = after(R_PUSHED);
	w->stack[1] = 0x1234; /* rbp of the caller */
	w->stack[2] = after(R_END);
	assert_int_equal(walk(w, CODE + 0x100 * R_LEAF)->user_end,
		PROFD_END_COMPLETE); /* looked up exactly */
	ASSERT_FRAMES(w, CODE + 0x100 * R_LEAF, in(R_PUSHED), in(R_END));
	assert_int_equal(w->scratch.record.flags, 0);
	assert_int_equal(w->scratch.registers[PROFD_REG_RIP], CODE + 0x100 * R_LEAF);
}

/* A call as the last instruction: its return address belongs to the code behind it. */
static void test_return_address_is_looked_up_before(void **state)
{
	struct world *w = *state;

	w->stack[0] = CODE + 0x100 * (R_END + 1); /* there another rule begins */
	assert_int_equal(walk(w, in(R_LEAF))->user_end, PROFD_END_COMPLETE);
	ASSERT_FRAMES(w, in(R_LEAF), CODE + 0x100 * (R_END + 1) - 1);
}

static void test_return_to_zero_is_the_end(void **state)
{
	struct world *w = *state;

	assert_int_equal(walk(w, in(R_LEAF))->user_end, PROFD_END_COMPLETE);
	ASSERT_FRAMES(w, in(R_LEAF));
}

static void test_frame_pointer_rules(void **state)
{
	struct world *w = *state;

	w->scratch.registers[PROFD_REG_RBP] = STACK + 80;
	w->stack[10] = STACK + 160; /* what rbp points to */
	w->stack[11] = after(R_FAR_FP);
	w->stack[13] = STACK + 240; /* CFA - 56 of the second frame */
	w->stack[19] = after(R_FP);
	w->stack[30] = 0;
	w->stack[31] = after(R_END);
	assert_int_equal(walk(w, in(R_FP))->user_end, PROFD_END_COMPLETE);
	ASSERT_FRAMES(w, in(R_FP), in(R_FAR_FP), in(R_FP), in(R_END));
}

static void test_return_address_in_register(void **state)
{
	struct world *w = *state;

	w->scratch.registers[5] = after(R_LEAF);
	w->stack[0] =
		after(R_IN_RDI); /* an outer frame's rdi is not known, and it would use no stack */
	assert_int_equal(walk(w, in(R_IN_RDI))->user_end, PROFD_END_STUCK);
	ASSERT_FRAMES(w, in(R_IN_RDI), in(R_LEAF), in(R_IN_RDI));
	w->rules[R_IN_RDI].cfa_off = 8;
	w->stack[1] = after(R_IN_RDI);
	assert_int_equal(walk(w, in(R_IN_RDI))->user_end, PROFD_END_UNSUPPORTED);
}

static void test_cfa_forms(void **state)
{
	struct world *w = *state;

	w->stack[1] = STACK + 32; /* DEREF: CFA = STACK + 40 */
	w->stack[4] = after(R_END);
	assert_int_equal(walk(w, in(R_DEREF))->user_end, PROFD_END_COMPLETE);
	ASSERT_FRAMES(w, in(R_DEREF), in(R_END));
	w->stack[0] = after(R_UNSUPPORTED);
	w->stack[1] = after(R_END);
	assert_int_equal(
		walk(w, in(R_PLT))->user_end, PROFD_END_UNSUPPORTED); /* ...0: nothing is pushed */
	ASSERT_FRAMES(w, in(R_PLT), in(R_UNSUPPORTED));
	assert_int_equal(walk(w, in(R_PLT) + 11)->user_end, PROFD_END_COMPLETE);
	w->scratch.registers[12] = STACK;
	assert_int_equal(walk(w, in(R_R12))->user_end, PROFD_END_UNSUPPORTED);
	ASSERT_FRAMES(w, in(R_R12), in(R_UNSUPPORTED));
}

/* The same rule before and after rbp is restored, as GCC writes it. */
static void test_realigned_frame(void **state)
{
	struct world *w = *state;

	w->scratch.registers[10] = STACK + 64; /* CFA */
	w->scratch.registers[PROFD_REG_RBP] = STACK + 16;
	w->stack[2] = STACK + 800;
	w->stack[7] = after(R_FP);
	w->stack[100] = 0;
	w->stack[101] = after(R_END);
	assert_int_equal(walk(w, in(R_REALIGNED))->user_end, PROFD_END_COMPLETE);
	ASSERT_FRAMES(w, in(R_REALIGNED), in(R_FP), in(R_END));
	w->scratch.registers[PROFD_REG_RBP] = STACK + 800; /* the caller's already */
	assert_int_equal(walk(w, in(R_REALIGNED))->user_end, PROFD_END_COMPLETE);
	ASSERT_FRAMES(w, in(R_REALIGNED), in(R_FP), in(R_END));
}

static void test_lost_frame_pointer(void **state)
{
	struct world *w = *state;

	w->scratch.registers[PROFD_REG_RBP] = STACK + 80;
	w->stack[0] = after(R_FP);
	assert_int_equal(walk(w, in(R_LOST))->user_end, PROFD_END_UNSUPPORTED);
	w->stack[0] = after(R_PUSHED); /* finds it again */
	w->stack[1] = STACK + 80;
	w->stack[2] = after(R_FP);
	w->stack[11] = after(R_END);
	assert_int_equal(walk(w, in(R_LOST))->user_end, PROFD_END_COMPLETE);
}

/* ---- signals --------------------------------------------------------------------------------- */

/* A sigcontext at word `at` with these registers. */
static void put_sigcontext(struct world *w, unsigned at, uint64_t ip, uint64_t sp, uint64_t rdi)
{
	w->stack[at + 8] = rdi;
	w->stack[at + 15] = sp;
	w->stack[at + 16] = ip;
}

static void test_signal_frame(void **state)
{
	struct world *w = *state;
	uint64_t trampoline = CODE + 0x100 * R_SIGNAL; /* returned to at its first byte ... */

	w->cells[2 + R_SIGNAL] =
		(R_SIGNAL * 0x100 - 1) << 16 | R_SIGNAL; /* ... which is what glibc describes */
	w->stack[0] = trampoline;
	put_sigcontext(w, 1 + 5, CODE + 0x100 * R_IN_RDI, STACK + 400, after(R_LEAF));
	w->stack[50] = after(R_END);
	assert_int_equal(walk(w, in(R_LEAF))->user_end, PROFD_END_COMPLETE);
	/* The interrupted function is looked up at its own first byte, and its registers are all
	 * known. */
	ASSERT_FRAMES(w, in(R_LEAF), trampoline, CODE + 0x100 * R_IN_RDI, in(R_LEAF), in(R_END));
}

static void test_signal_frame_on_lower_stack(void **state)
{
	struct world *w = *state;

	w->scratch.registers[PROFD_REG_RSP] = STACK + 8000; /* the alternate stack lies above */
	w->stack[1000] = CODE + 0x100 * R_SIGNAL + 1;
	put_sigcontext(w, 1001 + 5, in(R_LEAF), STACK, 0);
	w->stack[0] = after(R_END);
	assert_int_equal(walk(w, in(R_LEAF))->user_end, PROFD_END_COMPLETE);
	ASSERT_FRAMES(w, in(R_LEAF), CODE + 0x100 * R_SIGNAL + 1, in(R_LEAF), in(R_END));
}

static void test_trampoline_without_rule(void **state)
{
	static const uint8_t sigreturn[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05};
	struct world *w = *state;

	memcpy(w->code + 0x20, sigreturn,
		sizeof(sigreturn)); /* in the gap that rule 0 stands for */
	w->stack[0] = CODE + 0x20;
	put_sigcontext(w, 1 + 5, in(R_LEAF), STACK + 400, 0);
	w->stack[50] = after(R_END);
	assert_int_equal(walk(w, in(R_LEAF))->user_end, PROFD_END_COMPLETE);
	ASSERT_FRAMES(w, in(R_LEAF), CODE + 0x20, in(R_LEAF), in(R_END));
	/* In the system call itself: the instruction pointer stands behind it. */
	put_sigcontext(w, 5, in(R_LEAF), STACK + 400, 0);
	assert_int_equal(walk(w, CODE + 0x29)->user_end, PROFD_END_COMPLETE);
	ASSERT_FRAMES(w, CODE + 0x29, in(R_LEAF), in(R_END));
	assert_int_equal(w->scratch.record.flags, 0);
}

/* ---- without rules --------------------------------------------------------------------------- */

static void test_jit_by_frame_pointer(void **state)
{
	struct world *w = *state;

	w->scratch.registers[PROFD_REG_RBP] = STACK + 80;
	w->stack[10] = STACK + 160;
	w->stack[11] = JIT + 0x50;
	w->stack[20] = 0;
	w->stack[21] = after(R_LEAF);
	w->stack[22] = after(R_END);
	assert_int_equal(walk(w, JIT + 0x10)->user_end, PROFD_END_COMPLETE);
	ASSERT_FRAMES(w, JIT + 0x10, JIT + 0x4f, in(R_LEAF), in(R_END));
	assert_int_equal(w->scratch.record.flags, PROFD_FLAG_USER_BY_FP);
}

static void test_bad_frame_pointers(void **state)
{
	struct world *w = *state;
	const uint64_t bad[] = {
		0, STACK - 8, STACK + 81, STACK + (2 << 20), STACK + sizeof(w->stack) - 8};

	w->stack[10] = STACK + 160;
	w->stack[11] = 0x1000; /* no mapping */
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		w->scratch.registers[PROFD_REG_RBP] = bad[i];
		assert_int_equal(walk(w, JIT + 0x10)->user_end, PROFD_END_NO_TABLE);
		assert_int_equal(walk(w, in(R_GAP))->user_end, PROFD_END_NO_RULE);
		ASSERT_FRAMES(w, in(R_GAP));
		assert_int_equal(w->scratch.record.flags, 0);
	}
	w->scratch.registers[PROFD_REG_RBP] = STACK + 80;
	assert_int_equal(walk(w, JIT + 0x10)->user_end, PROFD_END_NO_TABLE);
	ASSERT_FRAMES(w, JIT + 0x10);
	assert_int_equal(w->scratch.record.flags, 0);
	assert_int_equal(walk(w, in(R_GAP))->user_end, PROFD_END_NO_RULE);
}

/* Entry code without rules: rbp is cleared in the outermost frame, by the ABI. */
static void test_cleared_frame_pointer_is_the_end(void **state)
{
	struct world *w = *state;

	w->stack[0] = after(R_GAP);
	assert_int_equal(walk(w, in(R_LEAF))->user_end, PROFD_END_COMPLETE);
	ASSERT_FRAMES(w, in(R_LEAF), in(R_GAP));
	assert_int_equal(w->scratch.record.flags, PROFD_FLAG_USER_BY_FP);
	w->stack[0] = BARE + 0x100;
	assert_int_equal(walk(w, in(R_LEAF))->user_end, PROFD_END_COMPLETE);
	w->stack[0] = JIT + 0x100; /* nothing begins there */
	assert_int_equal(walk(w, in(R_LEAF))->user_end, PROFD_END_NO_TABLE);
}

/* ---- the memo -------------------------------------------------------------------------------- */

static void test_memo(void **state)
{
	struct world *w = *state;

	w->stack[0] = after(R_END);
	assert_int_equal(walk(w, in(R_LEAF))->user_end, PROFD_END_COMPLETE);
	w->process.n_mappings =
		0; /* as long as the slice is the same nothing is looked up again ... */
	assert_int_equal(walk(w, in(R_LEAF))->user_end, PROFD_END_COMPLETE);
	ASSERT_FRAMES(w, in(R_LEAF), in(R_END));
	w->process.generation++; /* ... and all of it in another one */
	assert_int_equal(walk(w, in(R_LEAF))->user_end, PROFD_END_NO_MAPPING);
	assert_int_equal(walk(w, 0)->user_end, PROFD_END_NO_MAPPING);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void test_unknown_process(void **state)
{
	struct world *w = *state;

	w->host.process = NULL;
	assert_int_equal(walk(w, in(R_LEAF))->user_end, PROFD_END_NOT_READY);
	assert_int_equal(w->scratch.record.n_user, 0);
}

static void test_no_mapping(void **state)
{
	struct world *w = *state;

	w->stack[0] = 0x1000;
	assert_int_equal(walk(w, in(R_LEAF))->user_end, PROFD_END_NO_MAPPING);
	ASSERT_FRAMES(w, in(R_LEAF));
	assert_int_equal(walk(w, 0x1000)->user_end, PROFD_END_NO_MAPPING);
	ASSERT_FRAMES(w, 0x1000);
	w->process = (struct profd_process){.n_mappings = 0, .generation = 2};
	assert_int_equal(walk(w, in(R_LEAF))->user_end, PROFD_END_NO_MAPPING);
}

static void test_unreadable(void **state)
{
	struct world *w = *state;

	w->scratch.registers[PROFD_REG_RSP] = STACK - 8;
	assert_int_equal(walk(w, in(R_LEAF))->user_end, PROFD_END_UNREADABLE);
	assert_int_equal(walk(w, in(R_PUSHED))->user_end, PROFD_END_UNREADABLE);
	w->scratch.registers[PROFD_REG_RSP] = STACK + sizeof(w->stack) - 64;
	assert_int_equal(walk(w, in(R_SIGNAL))->user_end, PROFD_END_UNREADABLE);
}

static void test_stuck(void **state)
{
	struct world *w = *state;

	w->stack[0] = after(R_STUCK);
	w->stack[1] = after(R_STUCK);
	assert_int_equal(walk(w, in(R_LEAF))->user_end, PROFD_END_STUCK);
	ASSERT_FRAMES(w, in(R_LEAF), in(R_STUCK));
	w->scratch.registers[PROFD_REG_RBP] = STACK - 4096; /* leads inwards */
	assert_int_equal(walk(w, in(R_FP))->user_end, PROFD_END_STUCK);
}

static void test_truncated(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < STACK_WORDS; i++)
		w->stack[i] = after(R_LEAF);
	assert_int_equal(walk(w, in(R_LEAF))->user_end, PROFD_END_TRUNCATED);
	assert_int_equal(w->scratch.record.n_user, PROFD_MAX_USER_FRAMES);
	w->stack[PROFD_MAX_USER_FRAMES - 1] = 0; /* one frame fewer is whole */
	assert_int_equal(walk(w, in(R_LEAF))->user_end, PROFD_END_COMPLETE);
	assert_int_equal(w->scratch.record.n_user, PROFD_MAX_USER_FRAMES);
}

/* Signal frames may lead anywhere, also in a circle. */
static void test_circle_of_signals_ends(void **state)
{
	struct world *w = *state;

	put_sigcontext(w, 5, in(R_SIGNAL), STACK, 0);
	assert_int_equal(walk(w, in(R_SIGNAL))->user_end, PROFD_END_TRUNCATED);
	assert_int_equal(w->scratch.record.n_user, PROFD_MAX_USER_FRAMES);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_complete),
		TEST(test_return_address_is_looked_up_before),
		TEST(test_return_to_zero_is_the_end),
		TEST(test_frame_pointer_rules),
		TEST(test_return_address_in_register),
		TEST(test_cfa_forms),
		TEST(test_realigned_frame),
		TEST(test_lost_frame_pointer),
		TEST(test_signal_frame),
		TEST(test_signal_frame_on_lower_stack),
		TEST(test_trampoline_without_rule),
		TEST(test_jit_by_frame_pointer),
		TEST(test_bad_frame_pointers),
		TEST(test_cleared_frame_pointer_is_the_end),
		TEST(test_memo),
		TEST(test_unknown_process),
		TEST(test_no_mapping),
		TEST(test_unreadable),
		TEST(test_stuck),
		TEST(test_truncated),
		TEST(test_circle_of_signals_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
