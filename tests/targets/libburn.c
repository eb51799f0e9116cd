/* SPDX-License-Identifier: BSD-2-Clause */
/* Native work for pynative.py: burn_native burns, burn_through calls a function given to it (a
 * Python callback) first. */
#include "truth.h"

void burn_native(uint64_t units);
void burn_through(uint64_t units, void (*call_back)(uint64_t units));

NOINLINE void burn_native(uint64_t units)
{
	burn(units);
}

NOINLINE void burn_through(uint64_t units, void (*call_back)(uint64_t units))
{
	call_back(units);
	burn(units);
}
