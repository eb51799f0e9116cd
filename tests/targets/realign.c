/* SPDX-License-Identifier: BSD-2-Clause */
/* Truth: four shapes of frame that are hard to unwind, about a quarter of the CPU time each:
 *   main > work > with_alloca   > leaf_alloca     the frame's size is known at run time alone
 *   main > work > with_realign  > leaf_realign    the stack is realigned to 64 bytes
 *   main > work > with_both     > leaf_both       both at once: the CFA is kept on the stack
 *   main > work > with_noreturn > never_returns   the call is the last instruction of its function
 */
#include <alloca.h>
#include <setjmp.h>

#include "truth.h"

static jmp_buf back;

NOINLINE static void leaf_alloca(volatile char *room, uint64_t units)
{
	room[0] = 1;
	burn(units);
}

NOINLINE static void leaf_realign(volatile char *room, uint64_t units)
{
	room[0] = 1;
	burn(units);
}

NOINLINE static void leaf_both(volatile char *room, volatile char *more, uint64_t units)
{
	room[0] = more[0] = 1;
	burn(units);
}

NOINLINE static _Noreturn void never_returns(uint64_t units)
{
	burn(units);
	longjmp(back, 1);
}

NOINLINE static void with_alloca(uint64_t units)
{
	volatile char *room = alloca(16 + units % 1000);

	leaf_alloca(room, units);
	room[1] = 2;
}

NOINLINE static void with_realign(uint64_t units)
{
	volatile char room[256] __attribute__((aligned(64)));

	leaf_realign(room, units);
	room[1] = 2;
}

NOINLINE static void with_both(uint64_t units)
{
	volatile char room[256] __attribute__((aligned(64)));
	volatile char *more = alloca(16 + units % 1000);

	leaf_both(room, more, units);
	room[1] = more[1] = 2;
}

NOINLINE static void with_noreturn(uint64_t units)
{
	never_returns(units);
}

NOINLINE static void work(struct truth *t)
{
	uint64_t units = 50 + truth_random(t, 400);

	switch (truth_random(t, 4)) {
	case 0:
		TRUTH_BURST(t, 0, "leaf_alloca", with_alloca(units));
		break;
	case 1:
		TRUTH_BURST(t, 1, "leaf_realign", with_realign(units));
		break;
	case 2:
		TRUTH_BURST(t, 2, "leaf_both", with_both(units));
		break;
	default: {
		uint64_t from = truth_clock_ns();

		if (!setjmp(back))
			with_noreturn(units);
		truth_add(&t->parts[3], "never_returns", truth_clock_ns() - from);
	}
	}
}

int main(int argc, char **argv)
{
	struct truth t;

	truth_ready(argc, argv);
	truth_begin(&t, 7);
	while (!truth_stopped)
		work(&t);
	truth_print(&t, "TRUTH");
	return 0;
}
