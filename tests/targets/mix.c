/* SPDX-License-Identifier: BSD-2-Clause */
/* Truth: rounds of 0.1 to 0.6 ms, of each of which mix_grown() takes the percentage given as the
 * second argument (20), mix_steady() a quarter of the rest and mix_other() what is left. So two of
 * these processes differ in a known way, and each is the same in every window of time. */
#include "truth.h"

static volatile uint64_t calls;

static NOINLINE void mix_grown(uint64_t units)
{
	burn(units);
	calls++;
}

static NOINLINE void mix_steady(uint64_t units)
{
	burn(units);
	calls++;
}

static NOINLINE void mix_other(uint64_t units)
{
	burn(units);
	calls++;
}

int main(int argc, char **argv)
{
	uint64_t percent = argc > 2 ? strtoull(argv[2], NULL, 10) : 20;
	struct truth t;

	if (percent > 100)
		return 2;
	truth_ready(argc, argv);
	truth_begin(&t, 11);
	while (!truth_stopped) {
		uint64_t units = 100 + truth_random(&t, 500), rest = units * (100 - percent) / 100;

		if (percent)
			TRUTH_BURST(&t, 0, "mix_grown", mix_grown(units * percent / 100));
		TRUTH_BURST(&t, 1, "mix_steady", mix_steady(rest / 4));
		TRUTH_BURST(&t, 2, "mix_other", mix_other(rest - rest / 4));
	}
	truth_print(&t, "TRUTH");
	return 0;
}
