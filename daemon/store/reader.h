/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the reader share. Inner to store/. */
#ifndef PROFD_STORE_READER_H
#define PROFD_STORE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/db.h"
#include "store/store.h"

enum read_statement {
	READ_WINDOWS,
	READ_WALKS,
	READ_WALKS_EACH,
	READ_COUNTS,
	READ_SERIES,
	READ_THREAD,
	READ_STACK,
	READ_STACKS,
	READ_FRAME,
	READ_TEXT,
	READ_META,
	READ_PROCESSES,
	READ_STATEMENTS
};

struct store_reader {
	struct db db;
	int version;
	struct store_about about;
	struct store_span span; /* of the last read, as are the slices */
	struct store_slice *slices;
};

/* An error for a file whose rows contradict each other. */
int reader_damaged(const struct db *db, struct err *err, const char *what, int64_t number);

/* ---- choose.c: which series a query means ---- */

struct chosen {
	bool all;
	int64_t *ids; /* [n] ascending, unless all */
	size_t n;
};

int chosen_make(struct chosen *c, struct db *db, const struct store_query *q, struct err *err);
void chosen_free(struct chosen *c);
bool chosen_has(const struct chosen *c, int64_t id);
bool chosen_any(const struct chosen *c, int64_t first, int64_t last); /* inclusive */
/* Whether the query's threads, if it names any, include this one. */
bool thread_chosen(const struct store_query *q, uint32_t tid, const char *name);
bool query_is_chosen(const struct store_query *q); /* not simply all */

#endif
