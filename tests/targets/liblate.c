/* SPDX-License-Identifier: BSD-2-Clause */
/* The library that late.c loads while it is profiled. Half of late_work's time is its own, half
 * called_back's. */
#include "truth.h"

void late_work(uint64_t units, void (*call_back)(uint64_t units));

NOINLINE void late_work(uint64_t units, void (*call_back)(uint64_t units))
{
	burn(units);
	call_back(units);
	burn(1);
}
