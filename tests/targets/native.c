/* SPDX-License-Identifier: BSD-2-Clause */
/* Truth: four leaf functions get about 10, 20, 30 and 40 % of the CPU time (the exact shares are
 * printed). No frame pointers. Stacks: main > work > share_NN, nothing else but the clock calls in
 * work. */
#include "truth.h"

NOINLINE static void share_10(uint64_t units)
{
	burn(units);
}

NOINLINE static void share_20(uint64_t units)
{
	burn(units);
}

NOINLINE static void share_30(uint64_t units)
{
	burn(units);
}

NOINLINE static void share_40(uint64_t units)
{
	burn(units);
}

NOINLINE static void work(struct truth *t)
{
	uint64_t part = truth_random(t, 4), units = (part + 1) * (20 + truth_random(t, 200));

	switch (part) {
	case 0:
		TRUTH_BURST(t, 0, "share_10", share_10(units));
		break;
	case 1:
		TRUTH_BURST(t, 1, "share_20", share_20(units));
		break;
	case 2:
		TRUTH_BURST(t, 2, "share_30", share_30(units));
		break;
	default:
		TRUTH_BURST(t, 3, "share_40", share_40(units));
	}
}

int main(int argc, char **argv)
{
	struct truth t;

	truth_ready(argc, argv);
	truth_begin(&t, 1);
	while (!truth_stopped)
		work(&t);
	truth_print(&t, "TRUTH");
	return 0;
}
