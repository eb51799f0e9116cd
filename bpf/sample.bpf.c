// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* One sample: who runs, its kernel stack, its native user stack, its Python stack, into the ring
 * buffer. Runs in the interrupt of a perf event, on the CPU and at the instant of the sample. */
#include "bpf/env.h"
#include "bpf/native.h"
#include "bpf/python.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Constants set before load. */
const volatile __u64 profd_weight_ns = 0; /* of a sample; 0: the event's own period is in ns */
const volatile bool profd_kernel_stacks = true;
const volatile bool profd_filter_targets = false; /* only processes in `targets` */

/* Not a constant: the verifier would remove the walk as dead code and then miss the body of its
 * loop. */
bool profd_native_stacks = true;

/* profd's own PID namespace, told by profd_whoami before sampling starts: nesting depth, inode
 * number. */
__u32 profd_pid_level = 0;
__u32 profd_pid_namespace = 0;

enum {
	PF_KTHREAD = 0x00200000, /* include/linux/sched.h */
	BPF_USER_MODE = 3,       /* privilege level in CS */
	DEFER_WINDOW_NS = 100000000,
	DEFER_MAX_PER_WINDOW = 64, /* 2 MiB of stack copies a window and CPU at most */
	STACK_PAGE = 4096,
	RING_HURRY_BYTES = 1 << 20, /* so much waiting: ask for a drain */
};

/* Where a struct pid keeps its number in the namespace of that depth. */
static __always_inline const void *pid_numbers(struct pid *pid, __u32 level)
{
	return (const char *)pid + bpf_core_field_offset(struct pid, numbers) +
	       level * bpf_core_type_size(struct upid);
}

/* Number of a struct pid in profd's namespace; 0: it is not visible there. */
static __always_inline __u32 pid_number(struct pid *pid)
{
	struct upid upid;

	if (BPF_CORE_READ(pid, level) < profd_pid_level ||
		bpf_probe_read_kernel(&upid, sizeof(upid), pid_numbers(pid, profd_pid_level)))
		return 0;
	if (BPF_CORE_READ(upid.ns, ns.inum) != profd_pid_namespace)
		return 0;
	return upid.nr;
}

static __always_inline bool identify(struct profd_sample_record *r, struct task_struct *task)
{
	if (profd_pid_level) {
		r->tid = pid_number(BPF_CORE_READ(task, thread_pid));
		r->pid = pid_number(BPF_CORE_READ(task, group_leader, thread_pid));
	} else {
		__u64 both = bpf_get_current_pid_tgid();

		r->tid = (__u32)both;
		r->pid = both >> 32;
	}
	return r->pid && r->tid;
}

/* User registers in DWARF numbering: those of the interrupted instruction, or, inside the kernel,
 * those at its entry. (volatile: the verifier wants each load to start at the context itself, so
 * the compiler must not make one piece of code of these two.) */
static __always_inline void registers_at_interrupt(
	__u64 *to, const volatile struct profd_perf_context *c)
{
	to[0] = c->ax, to[1] = c->dx, to[2] = c->cx, to[3] = c->bx, to[4] = c->si, to[5] = c->di;
	to[6] = c->bp, to[7] = c->sp, to[8] = c->r8, to[9] = c->r9, to[10] = c->r10,
	to[11] = c->r11;
	to[12] = c->r12, to[13] = c->r13, to[14] = c->r14, to[15] = c->r15, to[16] = c->ip;
}

static __always_inline void registers_at_entry(__u64 *to, const struct pt_regs *c)
{
	to[0] = c->ax, to[1] = c->dx, to[2] = c->cx, to[3] = c->bx, to[4] = c->si, to[5] = c->di;
	to[6] = c->bp, to[7] = c->sp, to[8] = c->r8, to[9] = c->r9, to[10] = c->r10,
	to[11] = c->r11;
	to[12] = c->r12, to[13] = c->r13, to[14] = c->r14, to[15] = c->r15, to[16] = c->ip;
}

/* False: the thread has no user space (a kernel thread). */
static __always_inline bool registers_fill(
	__u64 *to, const struct profd_perf_context *ctx, struct task_struct *task)
{
	if (BPF_CORE_READ(task, flags) & PF_KTHREAD || !BPF_CORE_READ(task, mm))
		return false;
	if ((ctx->cs & 3) == BPF_USER_MODE)
		registers_at_interrupt(to, ctx);
	else
		registers_at_entry(to, (const struct pt_regs *)bpf_task_pt_regs(task));
	return true;
}

static __always_inline __u32 kernel_stack(struct profd_scratch *s, struct profd_perf_context *ctx)
{
	long bytes;

	if (!profd_kernel_stacks || (ctx->cs & 3) == BPF_USER_MODE)
		return 0;
	bytes = bpf_get_stack(ctx, s->words, PROFD_MAX_KERNEL_FRAMES * sizeof(__u64), 0);
	return bytes > 0 ? (__u32)bytes / sizeof(__u64) : 0;
}

struct copy {
	struct profd_scratch *s;
	__u32 at, done;
	__u64 from;
};

/* One page of the stack, or less up to a page border, so that the copy ends where the stack does.
 */
static long copy_page(__u32 i, void *data)
{
	struct copy *c = data;
	__u64 from = c->from + c->done;
	__u32 bytes = STACK_PAGE - (from & (STACK_PAGE - 1)), at = c->at + c->done / 8;

	if (c->done + bytes > PROFD_STACK_COPY_BYTES)
		bytes = PROFD_STACK_COPY_BYTES - c->done;
	if (!bytes || at > PROFD_SCRATCH_WORDS - STACK_PAGE / 8)
		return 1;
	bytes &= 2 * STACK_PAGE - 1; /* for the verifier: it forgets the bound above */
	if (bytes > STACK_PAGE)
		return 1;
	if (bpf_probe_read_user(&c->s->words[at], bytes, (const void *)from))
		return 1;
	c->done += bytes;
	return 0;
}

/* The kernel has no table yet for where the stack leads: user space gets what it needs to walk it.
 */
static __always_inline __u32 defer(struct profd_scratch *s, __u32 at, struct profd_counters *count)
{
	struct copy c = {
		.s = s, .at = at + PROFD_REGISTERS, .from = s->registers[PROFD_REG_RSP] & ~7ULL};
	__u64 now = s->record.time_ns;

	if (now - count->window_ns > DEFER_WINDOW_NS) {
		count->window_ns = now;
		count->window_deferred = 0;
	}
	if (count->window_deferred >= DEFER_MAX_PER_WINDOW)
		return 0;
	if (at > PROFD_SCRATCH_WORDS - PROFD_REGISTERS)
		return 0;
	count->window_deferred++;
	count->deferred++;
	for (int i = 0; i < PROFD_REGISTERS; i++)
		s->words[at + i] = s->registers[i];
	bpf_loop(PROFD_STACK_COPY_BYTES / STACK_PAGE + 1, copy_page, &c, 0);
	s->record.flags |= PROFD_FLAG_DEFERRED;
	s->record.stack_bytes = c.done;
	return PROFD_REGISTERS + c.done / 8;
}

static __always_inline bool should_defer(const struct profd_sample_record *r)
{
	return r->user_end == PROFD_END_NOT_READY || r->user_end == PROFD_END_NO_MAPPING;
}

/* Native frames, or, where the kernel has no table for them yet, none and the sample marked for
 * deferral. */
static __always_inline __u32 native_stack(
	struct profd_scratch *s, struct profd_perf_context *ctx, struct task_struct *task, __u32 at)
{
	/* The walk of Python frames looks into the registers, too. */
	if (!registers_fill(s->registers, ctx, task) || !profd_native_stacks)
		return at;
	native_walk(s, at);
	if (should_defer(&s->record))
		s->record.n_user = 0;
	return at + s->record.n_user;
}

static __always_inline __u32 python_stack(
	struct profd_scratch *s, struct task_struct *task, __u32 at)
{
	__u32 pid = s->record.pid;
	const struct profd_python *py = bpf_map_lookup_elem(&pythons, &pid);

	if (!py)
		return at;
	python_walk(s, at, py, BPF_CORE_READ(task, thread.fsbase));
	return at + s->record.n_python * PROFD_PYTHON_WORDS;
}

/* Whether user space should come at once: a new Python stack or a deferred one has memory that may
 * vanish, and a ring that fills up loses samples. */
static __always_inline __u64 wakeup_flag(struct profd_sample_record *r)
{
	__u64 hash = r->python_hash;
	__u8 one = 1;

	if (r->flags & PROFD_FLAG_DEFERRED)
		return BPF_RB_FORCE_WAKEUP;
	if (r->n_python && !bpf_map_lookup_elem(&seen, &hash)) {
		bpf_map_update_elem(&seen, &hash, &one, BPF_ANY);
		return BPF_RB_FORCE_WAKEUP;
	}
	if (bpf_ringbuf_query(&samples, BPF_RB_AVAIL_DATA) > RING_HURRY_BYTES)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

static __always_inline void sample_take(struct profd_perf_context *ctx, struct profd_scratch *s,
	struct task_struct *task, struct profd_counters *count)
{
	struct profd_sample_record *r = &s->record;
	__u32 words;
	__u64 bytes;

	r->kind = PROFD_RECORD_SAMPLE;
	r->stack_bytes = 0;
	r->weight_ns = profd_weight_ns ? profd_weight_ns : ctx->sample_period;
	r->cpu = bpf_get_smp_processor_id();
	r->n_user = r->n_python = 0;
	r->user_end = r->python_end = PROFD_END_NONE;
	r->flags = 0;
	r->python_hash = 0;
	bpf_get_current_comm(r->comm, sizeof(r->comm));
	words = kernel_stack(s, ctx);
	r->n_kernel = words;
	words = native_stack(s, ctx, task, words);
	words = python_stack(s, task, words);
	if (should_defer(r))
		words += defer(s, words, count);
	bytes = sizeof(*r) + (__u64)words * sizeof(__u64);
	if (bytes > sizeof(*r) + sizeof(s->words))
		return;
	if (bpf_ringbuf_output(&samples, r, bytes, wakeup_flag(r)))
		count->lost++;
}

SEC("perf_event")
int profd_sample(struct profd_perf_context *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 cpu = bpf_get_smp_processor_id(), zero = 0;
	struct profd_scratch *s = bpf_map_lookup_elem(&scratches, &cpu);
	struct profd_counters *count = bpf_map_lookup_elem(&counters, &zero);

	if (!s || !count || !task)
		return 0;
	s->record.time_ns = bpf_ktime_get_ns();
	count->runs++;
	if (!identify(&s->record, task)) {
		count->foreign++;
		return 0;
	}
	if (profd_filter_targets && !bpf_map_lookup_elem(&targets, &s->record.pid))
		return 0;
	sample_take(ctx, s, task, count);
	count->run_ns += bpf_ktime_get_ns() - s->record.time_ns;
	return 0;
}

/* Run once by profd itself before it samples: which PID namespace its numbers are of. */
SEC("raw_tp")
int profd_whoami(void *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);
	struct upid upid;

	if (bpf_probe_read_kernel(&upid, sizeof(upid), pid_numbers(pid, level)))
		return 0;
	profd_pid_level = level;
	profd_pid_namespace = BPF_CORE_READ(upid.ns, ns.inum);
	return 1;
}
