/* SPDX-License-Identifier: BSD-2-Clause */
/* What collect/ hands on: one sample of one thread, as numbers, before anything has a name.
 *
 * All arrays are leaf first: [0] is the innermost frame. They belong to the giver and hold until it
 * returns to its ring. */
#ifndef PROFD_FLOW_SAMPLE_H
#define PROFD_FLOW_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a walk over a stack ended. Everything but the first two is a failure of its own cause. */
enum walk_end {
	WALK_NONE,       /* there was nothing to walk (kernel thread, or switched off) */
	WALK_COMPLETE,   /* reached the entry point of the thread */
	WALK_TRUNCATED,  /* deeper than the limit */
	WALK_NO_MAPPING, /* an address that no executable mapping holds */
	WALK_NO_TABLE, /* a mapping without unwind information (JIT code: frame pointers were tried)
			*/
	WALK_NO_RULE,  /* inside a mapping, but no rule for this address */
	WALK_UNSUPPORTED, /* a rule that the tables cannot express */
	WALK_UNREADABLE,  /* the stack memory was not present or not readable */
	WALK_STUCK, /* the frame address did not move outwards: a corrupted stack or a wrong rule */
	WALK_NOT_READY, /* the process was too new: its tables were not loaded yet */
	WALK_NO_THREAD, /* Python: the thread has no Python thread state; not a failure */
	WALK_BAD_FRAME, /* Python: a frame whose contents do not make sense */
	WALK_ENDS       /* how many there are */
};

const char *walk_end_name(enum walk_end end); /* short, for tables and JSON: "no-rule" */
const char *walk_end_text(enum walk_end end); /* a sentence for people */

/* A Python frame as read at the sample's instant. */
struct python_frame {
	uint64_t code;        /* address of the code object */
	uint32_t instruction; /* offset of the current instruction into the bytecode, in bytes */
	uint32_t fingerprint; /* of the code object's identity fields; tells a reused address */
	bool entry;           /* the outermost Python frame of one run of the C eval loop */
};

/* User-space registers, numbered as DWARF numbers them on the architecture (x86-64: rax rdx rcx rbx
 * rsi rdi rbp rsp r8-r15, [16] the instruction pointer). */
enum { USER_REGISTERS = 17 };

struct sample {
	uint64_t time_ns;   /* CLOCK_MONOTONIC */
	uint64_t weight_ns; /* the time this sample stands for */
	uint32_t pid, tid;  /* in profd's own PID namespace */
	uint32_t cpu;
	char comm[16]; /* the thread's name, NUL-terminated; hostile */

	const uint64_t *kernel; /* [0] is exact, the others are return addresses */
	size_t n_kernel;
	const uint64_t *user; /* return addresses are already moved back by one byte */
	size_t n_user;
	enum walk_end user_end;
	bool user_by_fp; /* at least one step relied on a frame pointer because no table had a rule
			  */
	const struct python_frame *python;
	size_t n_python;
	enum walk_end python_end;

	/* Set where the kernel could not unwind yet (WALK_NOT_READY and its like): the registers
	 * and a copy of the stack from `stack_at` on, for unwind/ to finish the walk. */
	const uint64_t *registers; /* [USER_REGISTERS], or NULL */
	const uint8_t *stack;
	uint64_t stack_at;
	size_t stack_bytes;
};

#endif
