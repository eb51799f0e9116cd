/* SPDX-License-Identifier: BSD-2-Clause */
/* A finished profile: names, frames, the tree of stacks, and how good it is. aggregate/ makes it;
 * analyze/ and render/ read it. Plain data: indices, no pointers between the parts. */
#ifndef PROFD_FLOW_PROFILE_H
#define PROFD_FLOW_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "flow/sample.h"

enum frame_kind {
	FRAME_ROOT,    /* only node 0 */
	FRAME_PROCESS, /* `comm (pid)` */
	FRAME_THREAD,  /* `name (tid)` */
	FRAME_PYTHON,
	FRAME_NATIVE,
	FRAME_INLINED,
	FRAME_JIT,
	FRAME_KERNEL,
	FRAME_NOTE,      /* said by profd itself: `[truncated]`, `[unwind failed: no-rule]` */
	FRAME_CONTAINER, /* a container's ID, or `(host)` */
	FRAME_KINDS
};

const char *frame_kind_name(
	enum frame_kind kind); /* "python", "native", ... for JSON and legends */

/* Where one frame of a sample was, before it has a name. Equal locations are one frame of the tree.
 * `scope` and `address` by kind:
 *   PROCESS  pid, its start in ticks or 0   THREAD  tid, 0
 *   PYTHON   function number of python/, 0  (and `line`)
 *   NATIVE   image number of process/, address as the file's own (ELF virtual) addresses
 *   JIT      pid, address                   KERNEL  0, address
 *   NOTE     0, enum walk_end */
struct location {
	uint64_t scope;
	uint64_t address;
	uint32_t line;
	uint32_t kind; /* enum frame_kind */
};

/* A frame with its names. Two frames of equal content are one. Strings are numbers into
 * profile.strings; 0 is the empty string, "not known". */
struct frame {
	uint32_t kind;   /* enum frame_kind */
	uint32_t name;   /* function as people read it: qualified and demangled; never empty */
	uint32_t file;   /* source file */
	uint32_t line;   /* 1-based; 0: not known. PROCESS, THREAD: a number, see flow/window.h */
	uint32_t module; /* the ELF file or mapping it lies in, by base name */
};

/* A node of the stack tree. Parents stand before their children; nodes[0] is the root. */
struct stack_node {
	uint32_t parent; /* index; nodes[0].parent is 0 */
	uint32_t frame;  /* index into frames */
	uint64_t self_samples;
	uint64_t self_weight_ns;
};

/* What a reader needs in order to trust the profile. */
struct profile_quality {
	double requested_hz, achieved_hz; /* per running thread */
	uint64_t duration_ns;             /* wall clock */
	uint64_t samples;                 /* all that are in the tree */
	uint64_t lost;                    /* the kernel had no room in the ring for them */
	uint64_t truncated;               /* samples with a stack deeper than the limit */
	uint64_t native_end[WALK_ENDS];   /* samples by how the native walk ended */
	uint64_t python_end[WALK_ENDS];   /* likewise the Python walk */
	uint64_t unmerged; /* samples whose Python frames did not match the eval-loop frames one to
			      one */
	uint64_t failed_otherwise; /* samples whose cause is not known here */
	uint64_t unsymbolized_frames,
		frames_seen;         /* weighted by samples: frames without a symbol, and all */
	uint64_t profiler_cpu_ns;    /* profd in user space */
	uint64_t profiler_kernel_ns; /* its programs in the kernel */
	uint64_t profiler_rss_bytes;
};

/* The same samples by time, for error bars: a slice is one window of a store, or some in a row. */
struct profile_slice {
	uint64_t start_unix_ns, duration_ns;
	size_t first, n; /* its counts: counts[first] to counts[first + n - 1] */
};

struct profile_count {
	uint32_t node; /* index into profile.nodes; once per slice */
	uint32_t samples;
};

struct profile {
	char **strings; /* [n_strings], NUL-terminated, hostile bytes */
	uint32_t n_strings;
	struct frame *frames;
	uint32_t n_frames;
	struct stack_node *nodes;
	uint32_t n_nodes; /* at least 1: the root */
	char *title;      /* what was profiled, for people: "python3 (4711)"; hostile */
	char *source;     /* "ebpf" */
	uint64_t start_unix_ns;
	struct profile_quality quality;
	struct profile_slice *slices; /* in order of time; NULL where it was not kept by time */
	size_t n_slices;
	struct profile_count *counts;
	size_t n_counts;
};

/* Frees all that it owns, and `p`. NULL is allowed. */
void profile_free(struct profile *p);

/* Samples by failure cause: every walk_end of either walk that is a failure. Calls `each` for
 * causes that happened, as ("native-no-rule", count). */
void profile_failures(const struct profile_quality *q,
	void (*each)(void *arg, const char *cause, uint64_t n), void *arg);

#endif
