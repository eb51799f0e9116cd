/* SPDX-License-Identifier: BSD-2-Clause */
/* What unwind.c, place.c and finish.c share. */
#ifndef PROFD_UNWIND_STATE_H
#define PROFD_UNWIND_STATE_H

#include "unwind/area.h"
#include "unwind/rules.h"
#include "unwind/table.h"
#include "unwind/unwind.h"

/* A piece of the kernel's mappings[] that a processes[pid] names or named. It holds its tables. */
struct slice {
	uint32_t at, n;
	uint32_t memo_generation; /* for struct profd_process */
	struct table **tables;
	size_t n_tables;
	uint32_t refs;    /* the space that it is of, and the processes that it was announced for */
	uint64_t retired; /* epoch when refs became 0 */
	struct slice *next;
};

/* The mappings of one process, or of several that have the same: what user space walks. */
struct space {
	uint64_t layout;                /* struct process.layout; 0: of one process alone */
	uint32_t refs;                  /* processes */
	uint32_t memo_generation;       /* of its mappings, for the walker in user space */
	struct profd_mapping *mappings; /* sorted; `pages` is filled in when it is used */
	struct table **tables; /* [n]: of each mapping, or NULL; each counted in its refs */
	size_t n;
	struct slice *slice; /* what the kernel walks; NULL: nothing */
	bool incomplete;     /* something had no room in the kernel's tables */
	uint64_t room;       /* unwind.room at that time */
};

/* A process as unwind/ knows it. */
struct known {
	uint32_t pid;
	uint64_t generation;
	struct space *space; /* NULL: nothing yet */
	struct slice *slice; /* that processes[pid] names; NULL: none */
};

struct unwind {
	struct rules *rules;
	struct map *tables;                  /* const struct image * -> struct table * */
	struct map *spaces;                  /* layout -> struct space * */
	struct map *known;                   /* pid -> struct known * */
	const struct collect_tables *kernel; /* NULL before unwind_bind */
	struct area cells, slices;           /* of the kernel's tables */
	struct slice *retired;
	struct table *forgotten;  /* those of images that are gone, but not of use no more */
	uint64_t epoch;           /* calls of unwind_reclaim */
	uint64_t room;            /* grows when room is given back */
	uint64_t idle_bytes;      /* of unused tables that have no place in the kernel's area */
	uint32_t memo_generation; /* last one given out */
	uint32_t new_tables;      /* since the rules were last swept */
	bool no_room_said;
	struct profd_scratch *scratch; /* for unwind_finish; NULL before the first */
	struct unwind_stats stats;
};

/* For struct profd_process: a number that no entry of the walkers' memos has from anything else. */
uint32_t next_memo_generation(struct unwind *u);

void table_take(struct unwind *u, struct table *t); /* one reference more */
void table_put(struct unwind *u, struct table *t);  /* one less */
void table_drop(struct unwind *u, struct table *t); /* frees it; nothing refers to it */

/* The cells of a table, wherever it is. */
const uint32_t *table_cells(const struct unwind *u, const struct table *t);

/* Puts the table into the kernel's area if it is not there. False: no room. */
bool place_table(struct unwind *u, struct table *t);

/* Gives the kernel a slice of what is placed of the process's space. 0, -ENOMEM, -ENOSPC
 * (incomplete), or the error of the kernel. */
int place_process(struct unwind *u, struct known *k, struct err *err);

/* Takes it away from the kernel. */
void place_forget(struct unwind *u, struct known *k);

void slice_put(struct unwind *u, struct slice *s); /* one reference less; NULL is allowed */

/* Frees slices that were retired at least two epochs ago; all of them with `now`. */
void place_reclaim(struct unwind *u, bool now);

#endif
