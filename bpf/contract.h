/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The contract between the kernel side and user space: the records of the ring buffer and the tables that
 * user space fills. Seen by collect/, and by unwind/ and python/ for the tables they fill; nobody else.
 *
 *   processes[pid]  -> slice of mappings[] (sorted by start)
 *   mappings[i]     -> address range, bias, and the page index of the ELF file's unwind table
 *   cells[]         -> page indices and rows, both 32-bit cells:
 *                        page index: one cell per 64 KiB of the file's virtual addresses from `vaddr_start`,
 *                        plus one: the cell number of the first row of that page
 *                        row: (low 16 bits of the address) << 16 | rule number
 *                      Every page starts with a row at low 16 bits 0, so a search always finds one. A row holds
 *                      from its address up to that of the next row.
 *   rules[r]        -> how to get to the caller from an address that the row covers
 *   pythons[pid]    -> where the interpreter keeps its threads, and the offsets of its structs
 *
 * User space writes rows, page indices and mappings to free places first and then switches processes[pid]
 * to them, so a program never sees a half-written table. */
#ifndef PROFD_BPF_CONTRACT_H
#define PROFD_BPF_CONTRACT_H

#ifndef __bpf__
#include <linux/types.h>
#endif

enum profd_limits {
	PROFD_MAX_KERNEL_FRAMES = 127,
	PROFD_MAX_USER_FRAMES = 1024,
	PROFD_MAX_PYTHON_FRAMES = 1024,
	PROFD_PYTHON_WORDS = 2,        /* 64-bit words of a Python frame in a record */
	PROFD_STACK_COPY_BYTES = 32768, /* most of a stack that a deferred sample carries */
	PROFD_MAX_RULES = 65536,
	PROFD_PAGE_SHIFT = 16, /* of the page index */
	PROFD_SCRATCH_WORDS = 8192, /* a record of the largest size, a power of two */
};

/* ---- unwind tables (filled by unwind/) ---------------------------------------------------------- */

/* DWARF register numbers of x86-64 that rules can name. */
enum profd_register { PROFD_REG_RBP = 6, PROFD_REG_RSP = 7, PROFD_REG_RIP = 16, PROFD_REGISTERS = 17 };

/* How the canonical frame address (the caller's stack pointer) comes about. */
enum profd_cfa {
	PROFD_CFA_NONE,        /* a gap: no rule here */
	PROFD_CFA_UNSUPPORTED, /* there is a rule, but it cannot be expressed */
	PROFD_CFA_END,         /* return address undefined: the outermost frame */
	PROFD_CFA_REG,         /* reg[cfa_reg] + cfa_off */
	PROFD_CFA_DEREF,       /* *(reg[cfa_reg] + cfa_off) + cfa_add */
	PROFD_CFA_PLT,         /* rsp + 8 + ((rip & 15) >= cfa_off ? 8 : 0) */
	PROFD_CFA_SIGNAL,      /* signal frame: all registers from the ucontext at rsp */
};

/* How a register of the caller comes about. */
enum profd_restore {
	PROFD_RESTORE_SAME,   /* unchanged */
	PROFD_RESTORE_CFA,    /* *(CFA + off) */
	PROFD_RESTORE_REG,    /* return address: in register number `off` (innermost frame only) */
	PROFD_RESTORE_FP,     /* *(rbp + off): the frame pointer of a frame with a realigned stack */
};

struct profd_rule {
	__u8 cfa;     /* enum profd_cfa */
	__u8 cfa_reg; /* DWARF number; others than rsp and rbp are known in the innermost frame only */
	__u8 fp;      /* enum profd_restore, for rbp */
	__u8 ra;      /* enum profd_restore; PROFD_RESTORE_CFA almost always */
	__s32 cfa_off;
	__s16 cfa_add;
	__s16 fp_off;
	__s16 ra_off;
	__u16 pad;
};

enum profd_mapping_kind {
	PROFD_MAPPING_TABLE, /* `pages` is valid */
	PROFD_MAPPING_FP,    /* no table (JIT code): frame pointers */
};

struct profd_mapping {
	__u64 start, end;   /* process addresses */
	__u64 bias;         /* process address - bias = the file's virtual address */
	__u64 vaddr_start;  /* virtual address of the first page of the index; a multiple of 64 KiB */
	__u32 pages;        /* cell number of the page index */
	__u32 n_pages;      /* pages in it (n_pages + 1 cells) */
	__u32 kind;         /* enum profd_mapping_kind */
	__u32 pad;
};

struct profd_process {
	__u32 mappings; /* number of the first mapping of the slice */
	__u32 n_mappings;
};

/* ---- the Python side (filled by python/) -------------------------------------------------------- */

/* Kinds of Python frame by `owner` (3.11+: Include/internal/pycore_frame.h). */
struct profd_python {
	__u64 interpreters_head; /* address of the pointer to the first PyInterpreterState */
	/* Offsets in bytes. */
	__u16 interp_next, interp_threads_head;
	__u16 tstate_next, tstate_thread_id; /* thread_id: pthread_self() of the thread */
	__u16 tstate_frame;                  /* pointer to the frame, or to the _PyCFrame that points to it */
	__u16 cframe_frame;                  /* 0xffff: no _PyCFrame, tstate_frame is direct */
	__u16 frame_code, frame_previous, frame_instr, frame_owner;
	__u16 frame_entry;      /* 3.11: bool is_entry at this offset; 0xffff: boundaries are shim frames */
	__u16 frame_bytes;      /* how many bytes of a frame to read */
	__u16 code_bytecode;    /* offset of co_code_adaptive in a code object */
	__u16 code_ident[4];    /* offsets of 8-byte words hashed into the fingerprint; 0xffff: unused */
	__u16 shim_owner_min;   /* frames with an owner >= this are shims (3.12: 3); 0xffff: none */
	__u64 code_mask;        /* applied to the code pointer (3.14 tags its low bits) */
};

/* ---- records in the ring buffer ----------------------------------------------------------------- */

enum profd_record_kind { PROFD_RECORD_SAMPLE = 1 };

/* How a walk ended: the numbers of enum walk_end in flow/sample.h; collect/ asserts that they agree. */
enum profd_end {
	PROFD_END_NONE,
	PROFD_END_COMPLETE,
	PROFD_END_TRUNCATED,
	PROFD_END_NO_MAPPING,
	PROFD_END_NO_TABLE,
	PROFD_END_NO_RULE,
	PROFD_END_UNSUPPORTED,
	PROFD_END_UNREADABLE,
	PROFD_END_STUCK,
	PROFD_END_NOT_READY,
	PROFD_END_NO_THREAD,
	PROFD_END_BAD_FRAME,
};

enum profd_record_flags {
	PROFD_FLAG_USER_BY_FP = 1, /* a step relied on the frame pointer for want of a rule */
	PROFD_FLAG_DEFERRED = 2,   /* registers and a copy of the stack follow the frames */
};

/* Header of a sample. After it, 64-bit words: n_kernel kernel addresses, n_user user addresses, n_python
 * Python frames of two words: { code object address | entry flag << 63, instruction offset << 32 | fingerprint };
 * where PROFD_FLAG_DEFERRED is set then PROFD_REGISTERS registers, and `stack_bytes` bytes of the
 * stack from registers[rsp] on. Return addresses are already moved back by one. */
struct profd_sample_record {
	__u32 kind; /* PROFD_RECORD_SAMPLE */
	__u32 stack_bytes;
	__u64 time_ns;
	__u64 weight_ns;
	__u32 pid, tid;
	__u32 cpu;
	__u16 n_kernel, n_user, n_python;
	__u8 user_end, python_end; /* enum profd_end */
	__u8 flags;                /* enum profd_record_flags */
	__u8 pad[3];
	__u64 python_hash; /* of pid and all Python frames' code objects */
	char comm[16];
};

/* What the programs count, per CPU. */
struct profd_counters {
	__u64 runs;     /* of the sampling program */
	__u64 run_ns;   /* spent in it */
	__u64 lost;     /* samples for which the ring had no room */
	__u64 foreign;  /* threads outside profd's PID namespace: not sampled */
	__u64 deferred; /* samples handed over with a copy of their stack */
	__u64 window_ns, window_deferred; /* limits the deferred ones */
};

#if __STDC_VERSION__ >= 201112L
_Static_assert(sizeof(struct profd_rule) == 16, "rules are read by the kernel side");
_Static_assert(sizeof(struct profd_mapping) == 48, "mappings are read by the kernel side");
_Static_assert(sizeof(struct profd_sample_record) % 8 == 0, "words follow the header");
#endif

#endif
