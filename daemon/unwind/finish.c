/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks that the kernel left to user space: the kernel's walker, compiled for here, over the copy
 * of the stack that the sample carries. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "bpf/env.h"
#include "bpf/native.h"
#include "unwind/state.h"

enum {
	FAR_FIRST = 1U << 31, /* tables in user memory are numbered from here: above any cell of the
				 kernel's */
};

struct walk {
	const struct process *process;
	const struct sample *sample;
	struct profd_host host;
	struct profd_process slice;
	/* Tables that are not in the kernel's area, in order of `at`. */
	struct far_table {
		uint32_t at, n;
		const struct table *table;
	} * far;
	size_t n_far;
};

static long read_user(void *arg, void *to, uint32_t bytes, uint64_t address)
{
	const struct walk *w = arg;
	const struct sample *s = w->sample;
	uint64_t skip = address - s->stack_at;

	if (address >= s->stack_at && skip < s->stack_bytes && bytes <= s->stack_bytes - skip) {
		memcpy(to, s->stack + skip, bytes);
		return 0;
	}
	if (w->process->exited)
		return -EFAULT;
	return process_read(s->pid, address, to, bytes) == (ssize_t)bytes ? 0 : -EFAULT;
}

static const uint64_t *far_pair(void *arg, uint32_t pair)
{
	const struct walk *w = arg;
	uint64_t cell = (uint64_t)pair * 2;

	for (size_t i = 0; i < w->n_far; i++)
		if (cell >= w->far[i].at && cell - w->far[i].at < w->far[i].n)
			return (const uint64_t *)(const void *)(w->far[i].table->cells +
								(cell - w->far[i].at));
	return NULL;
}

/* The number of the first cell of a table in user memory. */
static int far_number(struct walk *w, const struct table *t, uint32_t *at)
{
	uint64_t next = FAR_FIRST;

	for (size_t i = 0; i < w->n_far; i++) {
		if (w->far[i].table == t) {
			*at = w->far[i].at;
			return 0;
		}
		next = (uint64_t)w->far[i].at + w->far[i].n;
	}
	if (next + t->n_cells > UINT32_MAX)
		return -E2BIG;
	*at = (uint32_t)next;
	w->far[w->n_far++] = (struct far_table){.at = *at, .n = t->n_cells, .table = t};
	return 0;
}

/* Fills in where the tables are at this moment. */
static int locate(struct walk *w, struct space *space)
{
	w->far = calloc(space->n + 1, sizeof(*w->far));
	if (!w->far)
		return -ENOMEM;
	for (size_t i = 0; i < space->n; i++) {
		const struct table *t = space->tables[i];
		int rc = 0;

		if (t && t->placed)
			space->mappings[i].pages = t->at;
		else if (t)
			rc = far_number(w, t, &space->mappings[i].pages);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void set_host(struct walk *w, const struct unwind *u, const struct space *space)
{
	w->slice = (struct profd_process){
		.n_mappings = (uint32_t)space->n, .generation = space->memo_generation};
	w->host = (struct profd_host){
		.read_user = read_user,
		.arg = w,
		.cells = u->kernel ? u->kernel->cells : NULL,
		.n_cells = u->kernel ? u->cells.size : 0,
		.mappings = space->mappings,
		.n_mappings = (uint32_t)space->n,
		.process = &w->slice,
		.far_pair = far_pair,
		.far_arg = w,
	};
	w->host.rules = rules_all(u->rules, &w->host.n_rules);
}

static void run(struct walk *w, struct profd_scratch *scratch)
{
	const struct profd_host *outer = profd_host;

	scratch->record = (struct profd_sample_record){.pid = w->sample->pid};
	memcpy(scratch->registers, w->sample->registers, sizeof(scratch->registers));
	profd_host = &w->host;
	native_walk(scratch, 0);
	profd_host = outer;
}

static void take(const struct profd_scratch *scratch, struct sample *s, uint64_t *pcs, size_t cap)
{
	size_t n = scratch->record.n_user;

	s->user_end = (enum walk_end)scratch->record.user_end;
	s->user_by_fp = scratch->record.flags & PROFD_FLAG_USER_BY_FP;
	if (n > cap) {
		n = cap;
		s->user_end = WALK_TRUNCATED;
	}
	memcpy(pcs, scratch->words, n * sizeof(*pcs));
	s->user = pcs;
	s->n_user = n;
}

/* The mappings of the process; of one that is gone those that were known last, since its own went
 * with it. */
static struct space *find_space(struct unwind *u, const struct process *p)
{
	struct known **k = map_get(u->known, &p->pid);

	if (k && (*k)->space && p->exited && !p->n_mappings)
		return (*k)->space;
	if (unwind_process(u, p, NULL) == -ENOMEM)
		return NULL;
	k = map_get(u->known, &p->pid);
	return k ? (*k)->space : NULL;
}

int unwind_finish(
	struct unwind *u, const struct process *p, struct sample *s, uint64_t *pcs, size_t cap)
{
	struct walk w = {.process = p, .sample = s};
	struct space *space;
	int rc;

	if (!s->registers)
		return 0;
	space = find_space(u, p);
	if (!u->scratch)
		u->scratch = calloc(1, sizeof(*u->scratch));
	if (!space || !u->scratch)
		return -ENOMEM;
	rc = locate(&w, space);
	if (rc == 0) {
		set_host(&w, u, space);
		run(&w, u->scratch);
		take(u->scratch, s, pcs, cap);
		u->stats.finished++;
	}
	free(w.far);
	return rc;
}
