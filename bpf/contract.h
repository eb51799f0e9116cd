/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The contract between the kernel side and user space: the records of the ring buffer and the
 * tables that user space fills. Seen by collect/, and by unwind/ and python/ for the tables they
 * fill; nobody else.
 *
 *   processes[pid]  -> slice of mappings[] (sorted by start)
 *   mappings[i]     -> address range, bias, and the page index of the ELF file's unwind table
 *   cells[]         -> page indices and rows, both 32-bit cells:
 *                        page index: one cell per 64 KiB of the file's virtual addresses from
 * `vaddr_start`, plus one: where the first row of that page is, counted in cells from the first
 * cell of the index row: (low 16 bits of the address) << 16 | rule number Every page starts with a
 * row at low 16 bits 0, so a search always finds one. A row holds from its address up to that of
 * the next row. rules[r]        -> how to get to the caller from an address that the row covers
 *   pythons[pid]    -> where the interpreter keeps its threads, and the offsets of its structs
 *
 * User space writes rows, page indices and mappings to free places first and then switches
 * processes[pid] to them, so a program never sees a half-written table. */
#ifndef PROFD_BPF_CONTRACT_H
#define PROFD_BPF_CONTRACT_H

#ifndef __bpf__
#include <linux/types.h>
#endif

enum profd_limits {
	PROFD_MAX_KERNEL_FRAMES = 127,
	PROFD_MAX_USER_FRAMES = 1024,
	PROFD_MAX_PYTHON_FRAMES = 1024,
	PROFD_PYTHON_WORDS = 2,         /* 64-bit words of a Python frame in a record */
	PROFD_STACK_COPY_BYTES = 32768, /* most of a stack that a deferred sample carries */
	PROFD_MAX_RULES = 65536,
	PROFD_PAGE_SHIFT = 16,      /* of the page index */
	PROFD_SCRATCH_WORDS = 8192, /* a record of the largest size, a power of two */
};

/* ---- unwind tables (filled by unwind/) ----------------------------------------------------------
 */

/* DWARF register numbers of x86-64 that rules can name. */
enum profd_register {
	PROFD_REG_RBP = 6,
	PROFD_REG_RSP = 7,
	PROFD_REG_RIP = 16,
	PROFD_REGISTERS = 17
};

/* How the canonical frame address (the caller's stack pointer) comes about. */
enum profd_cfa {
	PROFD_CFA_NONE,        /* a gap: no rule here */
	PROFD_CFA_UNSUPPORTED, /* there is a rule, but it cannot be expressed */
	PROFD_CFA_END,         /* return address undefined: the outermost frame */
	PROFD_CFA_REG,         /* reg[cfa_reg] + cfa_off */
	PROFD_CFA_DEREF,       /* *(reg[cfa_reg] + cfa_off) + cfa_add */
	PROFD_CFA_PLT,         /* rsp + 8 + ((rip & 15) >= cfa_off ? 8 : 0) */
	PROFD_CFA_SIGNAL, /* signal frame: all registers from the sigcontext at rsp + cfa_off */
};

/* How a register of the caller comes about. */
enum profd_restore {
	PROFD_RESTORE_SAME, /* unchanged */
	PROFD_RESTORE_CFA,  /* *(CFA + off) */
	PROFD_RESTORE_REG,  /* in register number `off`, which is known in the innermost frame only
			     */
	PROFD_RESTORE_FP,   /* *(rbp + off): the frame pointer of a frame with a realigned stack */
	PROFD_RESTORE_LOST, /* not known: the walk goes on as long as nobody needs it */
};

enum profd_rule_flags {
	PROFD_RULE_EXACT =
		1, /* the caller was interrupted and did not call: its address is exact */
};

struct profd_rule {
	__u8 cfa;     /* enum profd_cfa */
	__u8 cfa_reg; /* DWARF number; others than rsp and rbp are known in the innermost frame only
		       */
	__u8 fp;      /* enum profd_restore, for rbp */
	__u8 ra;      /* enum profd_restore; PROFD_RESTORE_CFA almost always */
	__s32 cfa_off;
	__s16 cfa_add;
	__s16 fp_off;
	__s16 ra_off;
	__u16 flags; /* enum profd_rule_flags */
};

enum profd_mapping_kind {
	PROFD_MAPPING_TABLE, /* `pages` is valid */
	PROFD_MAPPING_FP,    /* a file without a table: frame pointers */
	PROFD_MAPPING_ANON, /* memory of no file (JIT code): likewise, but no thread begins in it */
};

struct profd_mapping {
	__u64 start, end;  /* process addresses */
	__u64 bias;        /* process address - bias = the file's virtual address */
	__u64 vaddr_start; /* virtual address of the first page of the index; a multiple of 64 KiB
			    */
	__u32 pages;       /* cell number of the page index */
	__u32 n_pages;     /* pages in it (n_pages + 1 cells) */
	__u32 kind;        /* enum profd_mapping_kind */
	__u32 pad;
};

struct profd_process {
	__u32 mappings; /* number of the first mapping of the slice */
	__u32 n_mappings;
	__u32 generation; /* of the slice; no two slices have the same within 2^32 changes, 0 is
			     none */
	__u32 pad;
};

/* ---- the Python side (filled by python/) --------------------------------------------------------
 */

enum profd_python_limits {
	PROFD_PYTHON_NONE = 0xffff, /* in an offset: this version has no such field */
	PROFD_PYTHON_STATE_BYTES =
		512, /* most of a thread state that is read, less one; powers of two */
	PROFD_PYTHON_FRAME_BYTES = 128, /* of a frame, likewise */
	PROFD_PYTHON_CODE_BYTES = 256,  /* of a code object, likewise */
	PROFD_PYTHON_IDENT_WORDS = 7,   /* of a code object that tell it from another */
	PROFD_PYTHON_WINDOW_BYTES =
		4096,               /* of a thread's frames that are read at once; a power of two */
	PROFD_PYTHON_CODE_UNIT = 2, /* bytes of an instruction */
};

/* Where an interpreter keeps its threads, and the offsets of its structs in bytes (of 8-byte fields
 * multiples of 8). python/ fills it from its table of versions or from the target's own
 * _Py_DebugOffsets. */
struct profd_python {
	__u64 interpreters_head; /* address of the pointer to the first PyInterpreterState */
	__u64 code_type; /* address of PyCode_Type, the type of every code object; 0: not known */
	__u64 code_mask; /* applied to a frame's code pointer (3.14 tags its low bits) */
	__u16 interp_next,
		interp_threads; /* threads: first PyThreadState; new ones are put at the head */
	__u16 tstate_next, tstate_thread_id; /* thread_id: pthread_self() of the thread */
	__u16 tstate_frame;    /* the current frame, or the _PyCFrame that points to it */
	__u16 tstate_chunk;    /* datastack_chunk: where the frames of functions lie; datastack_top
				  follows */
	__u16 tstate_exc_info; /* of the innermost generator that runs; only where there are
				  _PyCFrames */
	__u16 tstate_from, tstate_bytes; /* the part of a thread state that holds all of these */
	__u16 cframe_frame; /* `previous` follows; PROFD_PYTHON_NONE: no _PyCFrame, tstate_frame is
			       direct */
	__u16 frame_code, frame_previous, frame_instr, frame_owner;
	__u16 frame_entry; /* 3.11: bool is_entry; PROFD_PYTHON_NONE: shim frames are the boundaries
			    */
	__u16 frame_stacktop; /* int, below 0 while the frame runs; only where there are _PyCFrames
			       */
	__u16 frame_shim_owner; /* frames with an owner >= this are shims */
	__u16 frame_bytes;      /* how many bytes of a frame to read */
	__u16 code_first_line;  /* int */
	__u16 code_ident; /* first of PROFD_PYTHON_IDENT_WORDS words, the last is co_linetable */
	__u16 code_traceable; /* int, instructions: frames before it have not started; read up to
				 here */
	__u16 code_bytecode;  /* co_code_adaptive */
	/* Words of a frame: int code_locals, and where there is code_stack also that int and
	 * frame_words. */
	__u16 code_locals, code_stack, frame_words;
};

/* Fingerprint of a code object: `ident` as above, its first line, and its length in instructions
 * (ob_size). Never changed while the object lives, and hardly ever equal for another one at the
 * same address. */
static inline __u32 profd_python_fingerprint(
	const __u64 *ident, __u32 first_line, __u64 instructions)
{
	__u64 h = instructions << 32 ^ first_line;

	for (int i = 0; i < PROFD_PYTHON_IDENT_WORDS; i++)
		h = (h ^ ident[i] ^ h >> 29) * 0x9e3779b97f4a7c15ULL;
	return (__u32)(h >> 32);
}

/* The thread state that a thread was last seen with; key: pid << 32 | tid. */
struct profd_python_thread {
	__u64 tstate;  /* 0: it had none */
	__u64 interp;  /* first interpreter then, */
	__u64 head;    /* and its first thread state: what came since stands before it */
	__u64 time_ns; /* of the last search through all threads */
};

/* State of a walk over Python frames (python.h), in map memory like that of the native walk. */
struct profd_python_walk {
	__u64 fsbase;
	__u64 interp, tstate; /* where the search for the thread is */
	__u64 stop;           /* thread state that ends it; 0: none */
	__u64 found;          /* the thread's state; 0: none */
	__u64 chunk;          /* its datastack chunk; 0: not to be used */
	__u64 base, top;      /* datastack_chunk, datastack_top */
	__u64 frame;          /* that comes next; 0: none */
	__u64 fresh;          /* innermost frame, of a call just made; 0: there is none */
	__u64 above;        /* frame that a generator may have been called from, as well; 0: none */
	__u64 cframe;       /* the innermost _PyCFrame; 0: there is none */
	__u64 generator;    /* frame of the generator that tstate_exc_info is of */
	__u64 outer;        /* frame that the first run must lead to, where `check` is set */
	__u64 guess;        /* a frame that may be the innermost one; 0: none */
	__u64 code_at;      /* address of the code object in `code`; 0: none */
	__u64 window_from;  /* address of window[0] */
	__u32 window_bytes; /* valid from there on */
	__u32 fingerprint;  /* of the code object in `code` */
	__u32 at, n;        /* first word of the frames; frames so far */
	__u32 run;          /* frames so far in this run of the eval loop */
	__u32 scan;         /* next place where a frame is looked for */
	__u8 end;           /* enum profd_end; PROFD_END_NONE: go on */
	__u8 check;
	__u8 unproven; /* the next function's frame must be the innermost one of the data stack */
	__u8 is_first; /* the next frame is */
	__u8 has_unstarted;
	__u8 has_function; /* there was a frame of a function */
	__u8 guessed;      /* `guess` is a new one */
	__u8 pad;
	__u64 unstarted[PROFD_PYTHON_WORDS]; /* the last frame of the run that was before its first
						instruction */
	__u64 state[PROFD_PYTHON_STATE_BYTES / 8];
	__u64 code[PROFD_PYTHON_CODE_BYTES / 8]; /* a code object, from its start */
	/* Frames from window_from on; its last PROFD_PYTHON_FRAME_BYTES hold a frame from
	 * elsewhere. */
	__u64 window[PROFD_PYTHON_WINDOW_BYTES / 8];
};

/* ---- records in the ring buffer -----------------------------------------------------------------
 */

enum profd_record_kind { PROFD_RECORD_SAMPLE = 1 };

/* How a walk ended: the numbers of enum walk_end in flow/sample.h; collect/ asserts that they
 * agree. */
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

/* Header of a sample. After it, 64-bit words: n_kernel kernel addresses, n_user user addresses,
 * n_python Python frames of two words: { code object address | entry flag << 63, instruction offset
 * in bytes << 32 | fingerprint }; where PROFD_FLAG_DEFERRED is set then PROFD_REGISTERS registers,
 * and `stack_bytes` bytes of the stack from registers[rsp] on. Return addresses are already moved
 * back by one. */
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
	__u64 runs;                       /* of the sampling program */
	__u64 run_ns;                     /* spent in it */
	__u64 lost;                       /* samples for which the ring had no room */
	__u64 foreign;                    /* threads outside profd's PID namespace: not sampled */
	__u64 deferred;                   /* samples handed over with a copy of their stack */
	__u64 window_ns, window_deferred; /* limits the deferred ones */
};

/* ---- the place where a sample is put together ---------------------------------------------------
 */

enum { PROFD_MEMO = 4096 }; /* a power of two */

/* What the lookup of an address in a slice came to: stacks have most of their frames in common with
 * those before. An entry of another slice or address is just not found, so none is ever cleared. */
struct profd_memo {
	__u64 address;
	__u32 generation; /* of the slice */
	__u32 rule;
};

/* State of a native walk (native.h). It lies in map memory and not on the stack: the verifier knows
 * nothing about values it reads back from there, so it proves one step of the walk once for all
 * steps. */
struct profd_native {
	__u64 ip, sp, fp;           /* of the frame that comes next */
	__u32 at;                   /* first word of the frames */
	__u32 n;                    /* frames so far */
	__u32 mappings, n_mappings; /* slice of the process */
	__u32 last;                 /* mapping of the frame before */
	__u32 generation;           /* of the slice */
	__u8 end;                   /* enum profd_end; PROFD_END_NONE: go on */
	__u8 exact;                 /* `ip` is the next instruction to run, not a return address */
	__u8 full;    /* where registers beyond ip, sp, fp are: enum native_registers */
	__u8 fp_lost; /* `fp` is not known */
	__u8 guessed; /* `ip` is a guess by frame pointer: the enum profd_end if it proves bad */
	__u8 by_fp;   /* a guess proved good */
	__u8 pad[2];
	__u64 window[8];                   /* stack words around a return address */
	__u64 sigcontext[PROFD_REGISTERS]; /* registers as a signal frame keeps them */
	__u64 registers[PROFD_REGISTERS]; /* of the frame that a signal interrupted, DWARF numbering
					   */
};

/* One per CPU, as an array indexed by CPU, because a value of a per-CPU map may not exceed 32 KiB.
 */
struct profd_scratch {
	struct profd_sample_record record;
	__u64 words[PROFD_SCRATCH_WORDS]; /* follows the record directly: both are one piece in the
					     ring */
	__u64 registers[PROFD_REGISTERS]; /* user registers at the sample */
	struct profd_native native;
	struct profd_python_walk python;
	struct profd_memo memo[PROFD_MEMO];
};

#if __STDC_VERSION__ >= 201112L
_Static_assert(sizeof(struct profd_rule) == 16, "rules are read by the kernel side");
_Static_assert(sizeof(struct profd_mapping) == 48, "mappings are read by the kernel side");
_Static_assert(sizeof(struct profd_sample_record) % 8 == 0, "words follow the header");
#endif

#endif
