/* SPDX-License-Identifier: BSD-2-Clause */
/* Stacks of the file -> a tree of nodes with names, as far as they are asked for. Inner to store/.
 */
#ifndef PROFD_STORE_FOREST_H
#define PROFD_STORE_FOREST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "flow/profile.h"
#include "store/rowmap.h"
#include "store/reader.h"

struct intern;
struct map;

/* A stack of the file. */
struct stack_slot {
	int64_t frame;       /* row number */
	uint32_t parent;     /* its slot */
	uint32_t root, node; /* its node below that root; node 0: none yet */
	bool kernel; /* the kernel's part of the stack has begun; known once it has a node */
};

struct forest {
	struct db *db;
	bool no_kernel; /* stacks end where the kernel's part begins */
	struct intern *strings;
	struct frame *frames;
	uint32_t n_frames, cap_frames;
	struct stack_node *nodes;
	uint32_t n_nodes, cap_nodes;

	struct rowmap stacks; /* row -> slot; slot 0 is stack 0, the thread itself */
	struct rowmap rows;   /* row of frames -> number + 1 */
	struct rowmap names;  /* row of strings -> number + 1 */
	struct stack_slot *slots;
	uint32_t n_slots, cap_slots;
	int64_t rows_max;   /* the largest number of a stack */
	uint32_t asked;     /* stacks that were looked up one by one */
	unsigned depth;     /* of such a look-up */
	bool whole;         /* all stacks are loaded */
	struct map *others; /* {root, slot} -> node: stacks below a second root and further ones */
	struct map *roots;  /* {parent, kind, name, line} -> node: the roots themselves */
	struct {
		uint32_t *slots, n, cap;
	} path; /* slots without a node yet, leaf first */
};

int forest_init(struct forest *t, struct db *db, bool kernel, struct err *err);
void forest_free(struct forest *t);

/* The node of frames that are made up: processes, threads, containers. */
int forest_root(struct forest *t, uint32_t parent, enum frame_kind kind, const char *name,
	uint32_t line, uint32_t *node, struct err *err);

/* The node of a stack below `root`. */
int forest_node(struct forest *t, uint32_t root, uint64_t stack, uint32_t *node, struct err *err);

/* Moves all into `p`; what `t` still holds is to be freed as before. */
int forest_move(struct forest *t, struct profile *p, struct err *err);

#endif
