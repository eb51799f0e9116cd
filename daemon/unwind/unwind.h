/* SPDX-License-Identifier: BSD-2-Clause */
/* Unwind tables: .eh_frame (and .debug_frame) of the ELF files that a process maps, compiled for
 * the unwinder of bpf/native.h, and the end of those walks that the kernel had to leave to user
 * space.
 *
 *    image --compile--> table: page index + rows      (once per image, shared by all processes)
 *                         |
 *    unwind_bind ---------+--> copied to cells[] as long as there is room
 *                         |
 *    process mappings ----+--> slice of mappings[] --> processes[pid]
 *
 * Order of use at start: unwind_new, unwind_process for the processes that are there, the sizes
 * from unwind_cells_needed and unwind_mappings_needed into collect_open, unwind_bind. From then on
 * unwind_process for every process that is new or whose generation changed, and unwind_reclaim now
 * and then.
 *
 * What has no room in the kernel's tables stays in user memory: its samples come deferred
 * (no-mapping) and unwind_finish walks them. Not thread-safe. Images are referred to by pointer and
 * have to stay alive until unwind_forget_image. Processes with the same mappings (struct
 * process.layout), as after a fork, share one slice. */
#ifndef PROFD_UNWIND_UNWIND_H
#define PROFD_UNWIND_UNWIND_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "collect/collect.h"
#include "flow/sample.h"
#include "process/process.h"

struct unwind;

struct unwind *unwind_new(struct err *err); /* NULL: out of memory */
void unwind_free(struct unwind *u);         /* NULL is allowed; call it after collect_detach */

/* Makes the tables fit the process as it is now: compiles images seen for the first time, and, once
 * bound, places their rows and switches the kernel to the new slice (unless the process has exited:
 * then it is for unwind_finish alone). Cheap where process->generation did not change. An image
 * without a usable table is no error: frame pointers are tried in it. 0, -ENOMEM, -ENOSPC (some of
 * it has no room; the deferred path serves it; said in the log once) or what the kernel refused. */
int unwind_process(struct unwind *u, const struct process *p, struct err *err);

/* The process is gone, and no sample of it is waiting any more. */
void unwind_forget(struct unwind *u, uint32_t pid);

/* The image is about to be closed (process_images_sweep): its table goes, and what place it has in
 * the kernel's area. Where a process that was not looked at since still has it, that happens with
 * the next unwind_process or unwind_forget of it. */
void unwind_forget_image(struct unwind *u, const struct image *image);

/* Call it regularly, at least 10 ms apart (every drain of the ring will do): what the kernel may
 * still be reading after a switch is freed at the second call after it. */
void unwind_reclaim(struct unwind *u);

/* Sizes for struct collect_options: what is compiled so far, and room for more to come. */
uint32_t unwind_cells_needed(const struct unwind *u);
uint32_t unwind_mappings_needed(const struct unwind *u);

/* Moves all that is compiled into the kernel's tables and announces the known processes. Once only.
 * `t` has to outlive `u`; with t->processes_fd < 0 nothing is announced (no kernel side). */
int unwind_bind(struct unwind *u, const struct collect_tables *t, struct err *err);

/* Walks a sample that carries registers and a stack copy, and sets s->user (in `pcs`, room for
 * `cap`), n_user, user_end and user_by_fp. Memory outside the copy is read from the process as long
 * as it lives. Where it carries none, or memory is out, it stays as it is. 0 or -ENOMEM. */
int unwind_finish(
	struct unwind *u, const struct process *p, struct sample *s, uint64_t *pcs, size_t cap);

struct unwind_stats {
	uint64_t tables, table_failures; /* images compiled; of these without a usable table */
	uint64_t rows;                   /* in all tables */
	uint64_t unsupported_rows;       /* of these with a rule that cannot be expressed */
	uint64_t rules;                  /* distinct ones */
	uint64_t cells_used, cells;      /* of the kernel's area */
	uint64_t no_room;  /* times that something did not fit into the kernel's tables */
	uint64_t evicted;  /* tables that made room for others */
	uint64_t finished; /* samples walked by unwind_finish */
	uint64_t compile_ns;
};
void unwind_stats(const struct unwind *u, struct unwind_stats *stats);

#endif
