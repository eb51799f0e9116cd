/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The few kernel types that the programs read, with only the members they need. libbpf relocates
 * each access to the running kernel's own layout (CO-RE), so this stands in for a generated
 * vmlinux.h and the build needs no BTF of its host. */
#ifndef PROFD_BPF_CORE_H
#define PROFD_BPF_CORE_H

#include <linux/types.h>
#include <linux/bpf.h>
#include <stdbool.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip,
		cs, flags, sp, ss;
};
struct thread_struct {
	unsigned long fsbase;
};
#else
#error "no register layout for this architecture yet"
#endif

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	unsigned int level;
	struct ns_common ns;
};

struct task_struct {
	unsigned int flags;
	int pid, tgid;
	struct mm_struct *mm;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	struct thread_struct thread;
	char comm[16];
};

#pragma clang attribute pop

/* The context of a perf event program: user-space ABI (asm/bpf_perf_event.h), hence not relocated.
 */
#if defined(__TARGET_ARCH_x86)
struct profd_perf_context {
	__u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs,
		flags, sp, ss;
	__u64 sample_period;
	__u64 addr;
};
#endif

#endif
