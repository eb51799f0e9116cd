/* SPDX-License-Identifier: BSD-2-Clause */
/* The writer's dictionaries: names -> row numbers, each made where it is new. What was asked for
 * lately is remembered in a few megabytes at most; the rest is looked up in the file. Inner to
 * store/. */
#ifndef PROFD_STORE_DICT_H
#define PROFD_STORE_DICT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "flow/series.h"
#include "store/cache.h"

struct db;
struct intern;
struct marks;

struct dict {
	struct db *db;
	struct intern *texts; /* texts by whose number `ids` are: row numbers, -1 not known */
	int64_t *ids;
	size_t cap_ids, text_bytes;
	struct cache functions, frames, stacks;
	struct marks *marks;        /* what is asked for is in use: NULL while nothing sweeps */
	int64_t n_stacks, n_series; /* rows; -1: not counted yet */
};

int dict_init(struct dict *d, struct db *db);
void dict_free(struct dict *d);
/* After a rollback, and after rows were deleted. */
void dict_drop(struct dict *d);

struct dict_function {
	int64_t kind, name, file, module; /* the last three as dict_text gave them */
};

/* All give 0 and the number, or a negative errno with a text. Texts are cut at 8 KiB. */
int dict_text(struct dict *d, const char *text, int64_t *id, struct err *err);
int dict_frame(struct dict *d, const struct dict_function *function, uint32_t line, int64_t *id,
	struct err *err);
int dict_stack(struct dict *d, int64_t parent, int64_t frame, int64_t *id, struct err *err);
int dict_series(struct dict *d, const struct series *series, int64_t *id, struct err *err);
int dict_thread(struct dict *d, int64_t series, uint32_t tid, const char *name, uint32_t *number,
	struct err *err);

#endif
