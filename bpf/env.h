/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the walkers (native.h, python.h) need from the world, twice: in the kernel these are BPF
 * helpers and maps; in user space they are functions over plain arrays, so that the very same
 * walkers finish deferred samples in unwind/ and are compared with independent unwinders in
 * tests/oracle/. */
#ifndef PROFD_BPF_ENV_H
#define PROFD_BPF_ENV_H

#ifdef __bpf__

#include "bpf/core.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "bpf/contract.h"
#include "bpf/maps.h"

#define ENV_INLINE   static __always_inline
#define ENV_NOINLINE static __noinline

/* 0, or negative where any byte was not present. */
ENV_INLINE long env_read_user(void *to, __u32 bytes, __u64 address)
{
	return bpf_probe_read_user(to, bytes, (const void *)address);
}

/* Calls step(i, ctx) for i = 0 .. n - 1 until it returns 1. */
#define env_loop(n, step, ctx) bpf_loop((n), (step), (ctx), 0)

#else

#include <stddef.h>
#include <stdint.h>

#include "bpf/contract.h"

#define ENV_INLINE   static inline
#define ENV_NOINLINE static __attribute__((unused))

/* The world of a walk in user space; set `profd_host` (it is per thread; daemon/unwind/host.c)
 * before. */
struct profd_host {
	long (*read_user)(
		void *arg, void *to, uint32_t bytes, uint64_t address); /* 0 or negative */
	void *arg;
	const uint64_t *cells; /* two cells each, low half first */
	uint32_t n_cells;
	const struct profd_mapping *mappings;
	uint32_t n_mappings;
	const struct profd_rule *rules;
	uint32_t n_rules;
	const struct profd_process
		*process; /* slice of `mappings` of the process at hand; NULL: not known */
	/* Cells from number n_cells on (tables outside `cells`), in pairs; may be NULL. */
	const uint64_t *(*far_pair)(void *arg, uint32_t pair);
	void *far_arg;
	struct profd_python_thread *python_thread; /* see env_python_thread; zeroed before the first
						      walk; may be NULL */
};
extern __thread const struct profd_host *profd_host;

ENV_INLINE long env_read_user(void *to, __u32 bytes, __u64 address)
{
	return profd_host->read_user(profd_host->arg, to, bytes, address);
}

ENV_INLINE long env_loop(__u32 n, long (*step)(__u32 i, void *ctx), void *ctx)
{
	for (__u32 i = 0; i < n; i++)
		if (step(i, ctx))
			return (long)i + 1;
	return n;
}

#endif

/* Table lookups: NULL where the index is out of bounds. */
ENV_INLINE const __u64 *env_cell_pair(__u32 pair)
{
#ifdef __bpf__
	return bpf_map_lookup_elem(&cells, &pair);
#else
	if (pair < profd_host->n_cells / 2)
		return (const __u64 *)&profd_host->cells[pair];
	if (!profd_host->far_pair)
		return NULL;
	return (const __u64 *)profd_host->far_pair(profd_host->far_arg, pair);
#endif
}

/* The slice of a process, or NULL where its tables are not loaded. */
ENV_INLINE const struct profd_process *env_process(__u32 pid)
{
#ifdef __bpf__
	return bpf_map_lookup_elem(&processes, &pid);
#else
	(void)pid;
	return profd_host->process;
#endif
}

ENV_INLINE const struct profd_mapping *env_mapping(__u32 i)
{
#ifdef __bpf__
	return bpf_map_lookup_elem(&mappings, &i);
#else
	return i < profd_host->n_mappings ? &profd_host->mappings[i] : NULL;
#endif
}

ENV_INLINE const struct profd_rule *env_rule(__u32 i)
{
#ifdef __bpf__
	return bpf_map_lookup_elem(&rules, &i);
#else
	return i < profd_host->n_rules ? &profd_host->rules[i] : NULL;
#endif
}

/* The Python thread state that the thread was last seen with; NULL: not known. The next two go by
 * `key` = pid << 32 | tid; in user space there is room for the one thread that is walked. */
ENV_INLINE struct profd_python_thread *env_python_thread(__u64 key)
{
#ifdef __bpf__
	return bpf_map_lookup_elem(&python_threads, &key);
#else
	(void)key;
	return profd_host->python_thread && profd_host->python_thread->time_ns
		       ? profd_host->python_thread
		       : NULL;
#endif
}

ENV_INLINE void env_python_thread_set(__u64 key, const struct profd_python_thread *thread)
{
#ifdef __bpf__
	bpf_map_update_elem(&python_threads, &key, thread, BPF_ANY);
#else
	(void)key;
	if (profd_host->python_thread)
		*profd_host->python_thread = *thread;
#endif
}

#endif
