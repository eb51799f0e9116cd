/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands at the root of an answer's stacks: processes, threads, containers. Inner to store/.
 */
#ifndef PROFD_STORE_ROOTS_H
#define PROFD_STORE_ROOTS_H

#include <stdint.h>

#include "store/forest.h"
#include "store/pack.h"
#include "store/reader.h"

#define ROOTS_NO_MATCH UINT32_MAX

struct map;

struct roots {
	struct db *db;
	const struct store_query *query;
	const struct chosen *chosen;
	struct forest *forest;
	struct map *known; /* series and thread -> node, or ROOTS_NO_MATCH */
};

int roots_init(struct roots *r); /* the others are the caller's to set; -ENOMEM */
void roots_free(struct roots *r);

/* The node below which the stacks of an entry's thread stand, or ROOTS_NO_MATCH where the query
 * does not mean it. */
int roots_find(struct roots *r, const struct pack_entry *e, uint32_t *root, struct err *err);

#endif
