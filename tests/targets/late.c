/* SPDX-License-Identifier: BSD-2-Clause */
/* Truth: for one second before_plugin burns; then liblate.so (second argument: its path) is loaded,
 * and about a half of the time from then on is burnt in late_work of that library, which calls back
 * into the program: main > late_work > called_back. */
#include <dlfcn.h>

#include "truth.h"

NOINLINE static void before_plugin(uint64_t units)
{
	burn(units);
}

NOINLINE static void called_back(uint64_t units)
{
	burn(units);
}

int main(int argc, char **argv)
{
	void (*late_work)(uint64_t, void (*)(uint64_t)) = NULL;
	struct truth t;
	void *library;

	if (argc < 3)
		return 2;
	truth_ready(argc, argv);
	truth_begin(&t, 8);
	while (!truth_stopped && truth_clock_ns() - t.start_ns < 1000000000ULL)
		TRUTH_BURST(&t, 0, "before_plugin", before_plugin(200));
	library = dlopen(argv[2], RTLD_NOW);
	if (library)
		*(void **)&late_work = dlsym(library, "late_work");
	if (!late_work) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	while (!truth_stopped) {
		TRUTH_BURST(&t, 0, "before_plugin", before_plugin(200 + truth_random(&t, 400)));
		TRUTH_BURST(
			&t, 1, "late_work", late_work(100 + truth_random(&t, 200), called_back));
	}
	truth_print(&t, "TRUTH");
	return 0;
}
