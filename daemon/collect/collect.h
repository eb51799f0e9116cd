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
	/* Events per CPU instead of per thread: for targets with very many threads, */
	bool per_cpu;
	bool host;               /* or (it implies per_cpu) for every process there is */
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

/* The same for every process of the host (options.host). To be called again when CPUs came online
 * or went; what was sampling goes on sampling then. */
int collect_host(struct collect *c, struct err *err);

int collect_start(struct collect *c, struct err *err);

/* Told of a new child of a process attached with `children`. */
void collect_follow(struct collect *c, uint32_t pid);

/* Changes the rate of the events that are there. 0 or negative errno. */
int collect_set_rate(struct collect *c, uint32_t rate_hz);

/* Stops sampling; what is in the ring can still be drained, and collect_start starts it again. */
void collect_detach(struct collect *c);

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

/* ---- what works here (profd doctor) ------------------------------------------------------------
 */

enum collect_result { CHECK_OK, CHECK_WARNING, CHECK_FAILED };
enum { COLLECT_CHECKS_MAX = 32 };

struct collect_check {
	const char *name;           /* constant */
	enum collect_result result; /* CHECK_FAILED: nothing can be sampled because of it */
	char found[200];            /* what was found, for people; may hold text of the system's */
	char fix[300];              /* the next step; "": none. Also with CHECK_OK, as advice */
};

/* Tries out and reads what sampling needs, as this process, and says how to get what is missing:
 * COLLECT_CHECKS_MAX at most. Loads the real programs for a moment. Fills out[0..] up to `cap`;
 * returns how many. Never fails: what cannot be read is a finding. */
size_t collect_probe(struct collect_check *out, size_t cap);

#endif
