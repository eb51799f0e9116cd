/* SPDX-License-Identifier: BSD-2-Clause */
/* Where samples come from. One source today: eBPF programs on perf events.
 *
 *   collect_open    loads the programs                     (needs root, or CAP_BPF + CAP_PERFMON)
 *   collect_tables  gives unwind/ and python/ their tables to fill
 *   collect_attach  starts sampling threads
 *   collect_drain   hands each sample to a callback
 */
#ifndef PROFD_COLLECT_COLLECT_H
#define PROFD_COLLECT_COLLECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "flow/sample.h"

struct profd_mapping; /* bpf/contract.h */
struct profd_rule;

struct collect_options {
	uint32_t rate_hz;
	bool kernel_stacks, native_stacks;
	bool per_cpu; /* events per CPU, for targets with very many threads, instead of per thread
		       */
	uint32_t table_cells;    /* room for unwind rows, at least; rounded up */
	uint32_t table_mappings; /* likewise */
};

/* The tables that the programs read, as memory shared with the kernel. unwind/ owns what is in the
 * first three and in `processes_fd`; python/ what is in `pythons_fd`. */
struct collect_tables {
	uint64_t *cells; /* two 32-bit cells each, low half first */
	uint32_t n_cells;
	struct profd_mapping *mappings;
	uint32_t n_mappings;
	struct profd_rule *rules;
	uint32_t n_rules;
	int processes_fd; /* BPF hash: pid -> struct profd_process */
	int pythons_fd;   /* BPF hash: pid -> struct profd_python */
};

struct collect;

struct collect *collect_open(const struct collect_options *options, struct err *err);
void collect_close(struct collect *c); /* NULL is allowed; detaches everything */
const struct collect_tables *collect_tables(const struct collect *c);

/* Samples every thread of the process and those that it starts later; with `children` also the
 * processes it starts. With `on_exec` nothing is sampled before its next exec. Sampling begins with
 * collect_start. -ESRCH: no such process. */
int collect_attach(struct collect *c, uint32_t pid, bool children, bool on_exec, struct err *err);
int collect_start(struct collect *c, struct err *err);

/* Told of a new child of a process attached with `children`. */
void collect_follow(struct collect *c, uint32_t pid);

void collect_detach(
	struct collect *c); /* stops sampling; what is in the ring can still be drained */

int collect_fd(const struct collect *c); /* readable when the kernel asks for a drain soon */

/* Hands over all waiting samples in the order of the ring. Returns how many, or negative errno. */
int collect_drain(struct collect *c, void (*each)(void *arg, const struct sample *s), void *arg);

struct collect_stats {
	uint64_t runs;       /* of the sampling program, also those that yielded no sample */
	uint64_t run_ns;     /* time spent in it, by its own clock */
	uint64_t lost;       /* samples that found no room in the ring */
	uint64_t deferred;   /* samples whose stack was copied for user space to walk */
	uint64_t running_ns; /* CPU time of the sampled threads; 0: not known (per_cpu) */
};
void collect_stats(const struct collect *c, struct collect_stats *stats);

#endif
