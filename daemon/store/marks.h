/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of row numbers that are in use, as a sweep of the store gathers them: bit maps of which only
 * the pages with a bit in them take memory. Inner to store/. */
#ifndef PROFD_STORE_MARKS_H
#define PROFD_STORE_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map;

struct bits {
	uint64_t **pages; /* [n_pages] */
	size_t n_pages;
	uint64_t end; /* numbers from here on count as set */
};

enum mark_table {
	MARK_STRINGS,
	MARK_FUNCTIONS,
	MARK_FRAMES,
	MARK_STACKS,
	MARK_SERIES,
	MARK_TABLES
};

struct marks {
	struct bits tables[MARK_TABLES];
	struct map *threads; /* { series, number } in use */
	bool threads_full;   /* too many to tell: none is to be deleted */
	size_t pages, pages_max;
	bool failed; /* no memory, or too many: the marks are not complete, nothing may be deleted
		      */
};

/* `ends` as bits.end, by table: rows that are made later are never swept. -ENOMEM, -E2BIG. */
int marks_init(struct marks *m, const int64_t ends[MARK_TABLES]);
void marks_free(struct marks *m);

void marks_set(struct marks *m, enum mark_table table, int64_t id);
bool marks_has(const struct marks *m, enum mark_table table, int64_t id);
void marks_set_thread(struct marks *m, int64_t series, uint32_t number);
bool marks_has_thread(const struct marks *m, int64_t series, uint32_t number);

#endif
