/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The native unwinder: from the user registers of a sample to the addresses of its frames, by the
 * tables of contract.h, without frame pointers. One step a frame:
 *
 *   ip --mapping--> file address --page index, binary search--> row --> rule
 *      --> CFA --> ip, sp, fp of the caller
 *
 * A frame that was interrupted (the innermost one, or the one a signal handler runs on top of) is
 * looked up at its own address, all others one byte before the return address, which may lie in the
 * next function. Compiled for the kernel and for user space (env.h).
 *
 * void native_walk(struct profd_scratch *s, __u32 at)
 *   In:  s->record.pid, s->registers; `at`: number of the first free word in s->words.
 *   Out: s->words[at ...] = addresses, innermost first, return addresses moved back by one;
 *        s->record.n_user, user_end; PROFD_FLAG_USER_BY_FP set in flags where a step relied on rbp.
 *   Uses s->native; s->registers stays. */
#ifndef PROFD_BPF_NATIVE_H
#define PROFD_BPF_NATIVE_H

#include "bpf/env.h"

#ifdef __bpf__
#define NATIVE_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define NATIVE_ROLLED
#endif

/* Where the registers other than ip, sp and fp of the present frame are. */
enum native_registers {
	NATIVE_REGISTERS_NONE,   /* not tracked */
	NATIVE_REGISTERS_SAMPLE, /* the innermost frame: in s->registers */
	NATIVE_REGISTERS_SIGNAL, /* a frame that a signal interrupted: in s->native.registers */
};

enum native_limits {
	NATIVE_SEARCH_STEPS = 17,          /* halvings of at most 65536 rows or mappings, and one */
	NATIVE_FP_FRAME_BYTES = 1 << 20,   /* a frame pointer that far above sp is not one */
	NATIVE_WINDOW_BYTES = 64,          /* sizeof(profd_native.window) */
	NATIVE_SIGCONTEXT_REGISTERS = 17,  /* struct sigcontext_64: Linux uapi/asm/sigcontext.h */
	NATIVE_UCONTEXT_REGISTERS_AT = 40, /* uc_flags, uc_link, uc_stack before uc_mcontext */
	NATIVE_SIGRETURN_BYTES = 9,        /* mov $15,%rax; syscall */
	NATIVE_SIGRETURN_SYSCALL_AT = 7,
};

struct native_context {
	struct profd_scratch *s;
};

ENV_INLINE int native_stop(struct profd_native *w, __u32 end)
{
	w->end = (__u8)end;
	return -1;
}

/* ---- lookups --------------------------------------------------------------------------------- */

/* The mapping that holds `address`, or NULL. The one of the frame before is tried first. */
ENV_INLINE const struct profd_mapping *native_mapping(struct profd_native *w, __u64 address)
{
	const struct profd_mapping *m = env_mapping(w->last);
	__u32 low = w->mappings, n = w->n_mappings;

	if (m && w->last - low < n && address >= m->start && address < m->end)
		return m;
	if (!n)
		return NULL;
	NATIVE_ROLLED
	for (int i = 0; i < NATIVE_SEARCH_STEPS && n > 1; i++) {
		__u32 half = n >> 1;

		m = env_mapping(low + half);
		if (!m)
			return NULL;
		if (m->start <= address)
			low += half;
		n -= half;
	}
	m = env_mapping(low);
	if (!m || address < m->start || address >= m->end)
		return NULL;
	w->last = low;
	return m;
}

ENV_INLINE int native_cell(__u32 cell, __u32 *value)
{
	const __u64 *pair = env_cell_pair(cell >> 1);

	if (!pair)
		return -1;
	*value = (__u32)(*pair >> ((cell & 1) * 32));
	return 0;
}

/* The number of the rule for a process address inside `m`. */
ENV_INLINE int native_rule(const struct profd_mapping *m, __u64 address, __u32 *rule)
{
	__u64 offset = address - m->bias - m->vaddr_start;
	__u64 page = offset >> PROFD_PAGE_SHIFT;
	__u32 key = (__u32)offset << 16 | 0xffff, low, end, n, row;

	if (page >= m->n_pages || native_cell(m->pages + (__u32)page, &low) ||
		native_cell(m->pages + (__u32)page + 1, &end) || end <= low)
		return -1;
	n = end - low;
	low += m->pages;
	NATIVE_ROLLED
	for (int i = 0; i < NATIVE_SEARCH_STEPS && n > 1; i++) {
		__u32 half = n >> 1;

		if (native_cell(low + half, &row))
			return -1;
		if (row <= key)
			low += half;
		n -= half;
	}
	if (native_cell(low, &row))
		return -1;
	*rule = row & 0xffff;
	return 0;
}

ENV_INLINE struct profd_memo *native_memo(struct profd_scratch *s, __u64 address)
{
	/* 2^64 / golden ratio: spreads over the high bits. */
	__u64 mixed = address * 0x9e3779b97f4a7c15ULL;

	return &s->memo[mixed >> 52 & (PROFD_MEMO - 1)];
}

/* Value of a register of the present frame by its DWARF number. */
ENV_INLINE int native_register(const struct profd_scratch *s, __u32 number, __u64 *value)
{
	const struct profd_native *w = &s->native;

	if (number == PROFD_REG_RSP) {
		*value = w->sp;
		return 0;
	}
	if (number == PROFD_REG_RBP) {
		*value = w->fp;
		return w->fp_lost ? -1 : 0;
	}
	if (number >= PROFD_REGISTERS || w->full == NATIVE_REGISTERS_NONE)
		return -1;
	*value = w->full == NATIVE_REGISTERS_SAMPLE ? s->registers[number] : w->registers[number];
	return 0;
}

/* ---- frames without a rule ------------------------------------------------------------------- */

/* Whether the two instructions of an rt_sigreturn trampoline stand at `address`. */
ENV_INLINE int native_sigreturn_at(__u64 address)
{
	__u8 code[16];
	__u64 head;

	if (env_read_user(code, NATIVE_SIGRETURN_BYTES, address))
		return 0;
	__builtin_memcpy(&head, code, sizeof(head));
	return head == 0x0f0000000fc0c748ULL && code[8] == 0x05;
}

ENV_INLINE int native_is_sigreturn(const struct profd_native *w)
{
	if (native_sigreturn_at(w->ip))
		return 1;
	if (!w->exact)
		return 0;
	return native_sigreturn_at(w->ip - NATIVE_SIGRETURN_BYTES) ||
	       native_sigreturn_at(w->ip - NATIVE_SIGRETURN_SYSCALL_AT);
}

/* The frame that a signal interrupted: all its registers lie on the stack, at sp + at. */
ENV_INLINE int native_step_signal(struct profd_scratch *s, __s32 at)
{
	/* DWARF numbers in the order of struct sigcontext_64: r8-r15 di si bp bx dx ax cx sp ip. */
	struct profd_native *w = &s->native;
	__u64 *r = w->registers, *c = s->native.sigcontext;

	if (env_read_user(c, NATIVE_SIGCONTEXT_REGISTERS * 8, w->sp + (__s64)at))
		return native_stop(w, PROFD_END_UNREADABLE);
	r[8] = c[0], r[9] = c[1], r[10] = c[2], r[11] = c[3], r[12] = c[4], r[13] = c[5];
	r[14] = c[6], r[15] = c[7], r[5] = c[8], r[4] = c[9], r[6] = c[10], r[3] = c[11];
	r[1] = c[12], r[0] = c[13], r[2] = c[14], r[7] = c[15], r[16] = c[16];
	w->ip = r[PROFD_REG_RIP];
	w->sp = r[PROFD_REG_RSP];
	w->fp = r[PROFD_REG_RBP];
	w->fp_lost = 0;
	w->exact = 1;
	w->full = NATIVE_REGISTERS_SIGNAL;
	return 0;
}

/* By the convention that rbp points to { caller's rbp, return address }. `why` tells how the walk
 * ends where that does not hold. A thread's first function clears rbp (System V ABI for
 * AMD64, 3.4.1), which is the only mark of the end where hand-written entry code has no rules. */
ENV_INLINE int native_step_fp(struct profd_scratch *s, __u32 kind, __u32 why)
{
	struct profd_native *w = &s->native;

	if (!w->fp && !w->exact && !w->fp_lost && kind != PROFD_MAPPING_ANON) {
		w->by_fp = 1;
		return native_stop(w, PROFD_END_COMPLETE);
	}
	if (w->fp_lost || (w->fp & 7) || w->fp < w->sp || w->fp - w->sp > NATIVE_FP_FRAME_BYTES)
		return native_stop(w, why);
	if (env_read_user(w->window, 16, w->fp))
		return native_stop(w, why);
	w->sp = w->fp + 16;
	w->fp = w->window[0];
	w->ip = w->window[1];
	w->exact = 0;
	w->full = NATIVE_REGISTERS_NONE;
	w->guessed = (__u8)why;
	if (!w->ip) /* no mapping can prove the guess: believe it only if the chain ends too */
		return native_stop(w, w->fp ? why : PROFD_END_COMPLETE);
	return 0;
}

/* ---- frames with a rule ---------------------------------------------------------------------- */

ENV_INLINE int native_cfa(struct profd_scratch *s, const struct profd_rule *rule, __u64 *cfa)
{
	struct profd_native *w = &s->native;
	__u64 base;

	if (rule->cfa == PROFD_CFA_PLT) {
		*cfa = w->sp + 8 + ((w->ip & 15) >= (__u32)rule->cfa_off ? 8 : 0);
		return 0;
	}
	if (native_register(s, rule->cfa_reg, &base))
		return native_stop(w, PROFD_END_UNSUPPORTED);
	base += (__s64)rule->cfa_off;
	if (rule->cfa == PROFD_CFA_DEREF) {
		if (env_read_user(w->window, 8, base))
			return native_stop(w, PROFD_END_UNREADABLE);
		base = w->window[0] + (__s64)rule->cfa_add;
	}
	*cfa = base;
	return 0;
}

/* Return address and rbp where both lie closely together below the CFA: one read. */
ENV_INLINE int native_restore_near(struct profd_native *w, __u32 bytes, __u64 cfa)
{
	bytes &= NATIVE_WINDOW_BYTES - 8;
	if (env_read_user(w->window, bytes, cfa - bytes))
		return native_stop(w, PROFD_END_UNREADABLE);
	w->fp = w->window[0];
	w->fp_lost = 0;
	w->ip = w->window[((bytes >> 3) - 1) & 7];
	return 0;
}

ENV_INLINE int native_restore_fp(struct profd_scratch *s, const struct profd_rule *rule, __u64 cfa)
{
	struct profd_native *w = &s->native;
	__u64 from = cfa;

	switch (rule->fp) {
	case PROFD_RESTORE_SAME:
		return 0;
	case PROFD_RESTORE_REG:
		w->fp_lost = native_register(s, (__u16)rule->fp_off, &from) ? 1 : 0;
		w->fp = from;
		return 0;
	case PROFD_RESTORE_FP:
		/* In the epilogue of a function that realigns its stack GCC goes on saying that rbp
		 * is saved where rbp points to, after it restored rbp. A frame's own rbp points
		 * into it. */
		if (w->fp_lost || w->fp < w->sp || w->fp >= cfa)
			return 0;
		from = w->fp;
		break;
	case PROFD_RESTORE_CFA:
		break;
	default:
		w->fp_lost = 1;
		return 0;
	}
	w->fp_lost = 0;
	if (env_read_user(w->window, 8, from + (__s64)rule->fp_off))
		return native_stop(w, PROFD_END_UNREADABLE);
	w->fp = w->window[0];
	return 0;
}

/* Return address and rbp in their general forms. */
ENV_INLINE int native_restore_far(struct profd_scratch *s, const struct profd_rule *rule, __u64 cfa)
{
	struct profd_native *w = &s->native;
	__u64 ip = 0;

	if (rule->ra == PROFD_RESTORE_REG) {
		if (native_register(s, (__u16)rule->ra_off, &ip))
			return native_stop(w, PROFD_END_UNSUPPORTED);
	} else {
		if (env_read_user(w->window, 8, cfa + (__s64)rule->ra_off))
			return native_stop(w, PROFD_END_UNREADABLE);
		ip = w->window[0];
	}
	if (native_restore_fp(s, rule, cfa))
		return -1;
	w->ip = ip;
	return 0;
}

ENV_INLINE int native_step_rule(struct profd_scratch *s, const struct profd_rule *rule)
{
	struct profd_native *w = &s->native;
	__s32 fp_off = rule->fp_off;
	__u64 cfa = 0;

	if (rule->cfa == PROFD_CFA_END)
		return native_stop(w, PROFD_END_COMPLETE);
	if (rule->cfa == PROFD_CFA_UNSUPPORTED)
		return native_stop(w, PROFD_END_UNSUPPORTED);
	if (native_cfa(s, rule, &cfa))
		return -1;
	/* Only an innermost frame that keeps its return address in a register uses no stack. */
	if (cfa < w->sp || (cfa == w->sp && !w->exact))
		return native_stop(w, PROFD_END_STUCK);
	if (rule->ra == PROFD_RESTORE_CFA && rule->ra_off == -8 && rule->fp == PROFD_RESTORE_CFA &&
		fp_off <= -16 && fp_off > -NATIVE_WINDOW_BYTES && !(fp_off & 7)) {
		if (native_restore_near(w, -fp_off, cfa))
			return -1;
	} else if (native_restore_far(s, rule, cfa)) {
		return -1;
	}
	w->sp = cfa;
	w->exact = rule->flags & PROFD_RULE_EXACT;
	w->full = NATIVE_REGISTERS_NONE;
	return w->ip ? 0 : native_stop(w, PROFD_END_COMPLETE);
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* The rule that a frame of this address had before in the same slice, or NULL. */
ENV_INLINE const struct profd_rule *native_known(struct profd_scratch *s, __u64 address)
{
	const struct profd_memo *memo = native_memo(s, address);

	if (memo->address != address || memo->generation != s->native.generation)
		return NULL;
	return env_rule(memo->rule);
}

/* Looks the rule up. NULL: there is none, and `*m` is the mapping if there is at least that. */
ENV_INLINE const struct profd_rule *native_find(
	struct profd_scratch *s, __u64 address, const struct profd_mapping **m)
{
	const struct profd_rule *rule;
	struct profd_memo *memo;
	__u32 number;

	*m = native_mapping(&s->native, address);
	if (!*m || (*m)->kind != PROFD_MAPPING_TABLE || native_rule(*m, address, &number))
		return NULL;
	rule = env_rule(number);
	if (!rule || rule->cfa == PROFD_CFA_NONE)
		return NULL;
	memo = native_memo(s, address);
	memo->address = address;
	memo->generation = s->native.generation;
	memo->rule = number;
	return rule;
}

/* The caller of a frame that has no rule. */
ENV_INLINE int native_step_bare(struct profd_scratch *s, const struct profd_mapping *m, __u32 slot)
{
	struct profd_native *w = &s->native;

	if (m->kind != PROFD_MAPPING_TABLE)
		return native_step_fp(s, m->kind, PROFD_END_NO_TABLE);
	if (!native_is_sigreturn(w))
		return native_step_fp(s, m->kind, PROFD_END_NO_RULE);
	s->words[slot] = w->ip; /* nobody called it */
	return native_step_signal(s, NATIVE_UCONTEXT_REGISTERS_AT);
}

/* Notes the frame and finds its caller. */
ENV_INLINE int native_frame(struct profd_scratch *s, __u32 i)
{
	struct profd_native *w = &s->native;
	__u64 address = w->exact ? w->ip : w->ip - 1;
	__u32 slot = (w->at + i) & (PROFD_SCRATCH_WORDS - 1);
	const struct profd_rule *rule = native_known(s, address);
	const struct profd_mapping *m = NULL;

	if (!rule) {
		rule = native_find(s, address, &m);
		if (!rule && !m && i)
			return native_stop(w, w->guessed ? w->guessed : PROFD_END_NO_MAPPING);
	}
	w->by_fp |= w->guessed ? 1 : 0;
	w->guessed = 0;
	s->words[slot] = address;
	w->n = i + 1;
	if (rule && rule->cfa == PROFD_CFA_SIGNAL) {
		s->words[slot] = w->ip;
		return native_step_signal(s, rule->cfa_off);
	}
	if (rule)
		return native_step_rule(s, rule);
	if (!m)
		return native_stop(w, PROFD_END_NO_MAPPING);
	return native_step_bare(s, m, slot);
}

static long native_step(__u32 i, void *context)
{
	struct profd_scratch *s = ((struct native_context *)context)->s;

	if (i >= PROFD_MAX_USER_FRAMES) {
		s->native.end = PROFD_END_TRUNCATED;
		return 1;
	}
	return native_frame(s, i) ? 1 : 0;
}

ENV_NOINLINE void native_walk(struct profd_scratch *s, __u32 at)
{
	struct native_context context = {.s = s};
	struct profd_native *w = &s->native;
	const struct profd_process *p = env_process(s->record.pid);

	s->record.n_user = 0;
	if (!p) {
		s->record.user_end = PROFD_END_NOT_READY;
		return;
	}
	w->ip = s->registers[PROFD_REG_RIP];
	w->sp = s->registers[PROFD_REG_RSP];
	w->fp = s->registers[PROFD_REG_RBP];
	w->at = at;
	w->n = 0;
	w->mappings = w->last = p->mappings;
	w->n_mappings = p->n_mappings;
	w->generation = p->generation;
	w->end = PROFD_END_NONE;
	w->exact = 1;
	w->full = NATIVE_REGISTERS_SAMPLE;
	w->fp_lost = w->guessed = w->by_fp = 0;
	env_loop(PROFD_MAX_USER_FRAMES + 1, native_step, &context);
	s->record.n_user = (__u16)w->n;
	s->record.user_end = w->end;
	if (w->by_fp)
		s->record.flags |= PROFD_FLAG_USER_BY_FP;
}

#endif
