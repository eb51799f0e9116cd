/* SPDX-License-Identifier: BSD-2-Clause */
/* Truth: compare_slowly is called back by the C library's qsort (built without frame pointers), and
 * burns more than 90 % of the CPU time. Stacks: main > sort_records > frames of libc >
 * compare_slowly. search_records calls it through bsearch for some 5 %. */
#include "truth.h"

enum { RECORDS = 64 };

NOINLINE static int compare_slowly(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	burn(2);
	return *x < *y ? -1 : *x > *y;
}

NOINLINE static void sort_records(uint32_t *records)
{
	qsort(records, RECORDS, sizeof(*records), compare_slowly);
}

/* A pointer, because the C library's headers would put bsearch in line. */
static void *(*volatile search)(
	const void *, const void *, size_t, size_t, int (*)(const void *, const void *)) = bsearch;

NOINLINE static const uint32_t *search_records(const uint32_t *records, uint32_t key)
{
	return search(&key, records, RECORDS, sizeof(*records), compare_slowly);
}

int main(int argc, char **argv)
{
	struct truth t;
	uint32_t records[RECORDS];
	uint64_t found = 0;

	truth_ready(argc, argv);
	truth_begin(&t, 4);
	while (!truth_stopped) {
		for (int i = 0; i < RECORDS; i++)
			records[i] = (uint32_t)truth_random(&t, 1000000);
		TRUTH_BURST(&t, 0, "sort_records", sort_records(records));
		TRUTH_BURST(&t, 1, "search_records",
			found += search_records(records, records[RECORDS / 3]) != NULL);
	}
	truth_print(&t, "TRUTH");
	return found ? 0 : 1;
}
