/* SPDX-License-Identifier: BSD-2-Clause */
/* CPython: finds the interpreter of a process, tells the kernel side how to walk its frames, and
 * turns the frames of a sample into functions, files and lines.
 *
 *   images of the process --> _PyRuntime, version --> offsets of structs --> pythons[pid]
 * (bpf/contract.h) python_frame of a sample (code address, instruction) --> function, line
 *
 * Nothing here stops or changes the target; all that is read from it is checked. PIDs are those of
 * profd's own PID namespace. */
#ifndef PROFD_PYTHON_PYTHON_H
#define PROFD_PYTHON_PYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "flow/profile.h"
#include "flow/sample.h"
#include "process/process.h"

struct python;
struct profd_python; /* bpf/contract.h */

struct python *python_new(struct err *err);
void python_free(struct python *p); /* NULL is allowed */

/* From now on what is found goes into the BPF hash `pythons_fd` (pid -> struct profd_python), too.
 * The descriptor stays the caller's. Without it everything else works. */
void python_bind(struct python *p, int pythons_fd);

/* Looks whether the process runs CPython, and if so lets the kernel side walk its frames. Call it
 * at first sight of a process and whenever its `generation` changed (exec, or libpython loaded
 * later); it does nothing where the generation is the one it saw last. Returns 1         CPython of
 * a supported version 0         no CPython -ENOTSUP   CPython, but of a version or build that
 * cannot be walked: native stacks only; `err` names it other      negative errno: could not be
 * read; `err` says why A process whose runtime is not initialised yet is fine. A result other than
 * 1 takes it out of the BPF map. */
int python_process(struct python *p, const struct process *process, struct err *err);

/* "3.12.1" for people, or "" where the process runs no (known) CPython. */
const char *python_version(const struct python *p, uint32_t pid);

/* Drops what is known of a process that exited (or is to be looked at anew), also from the BPF map,
 * and its code objects. */
void python_forget(struct python *p, uint32_t pid);

/* The image is about to be closed (process_images_sweep): what was found in it goes, with the last
 * process that runs it. */
void python_forget_image(struct python *p, uint32_t number);

/* Whether a thread of the process holds the GIL (of the main interpreter) at this moment: one or
 * two short reads, so that it may be asked many times a second. 0, or -ESRCH  the process is gone,
 * or was never found to run CPython -ENOTSUP  a CPython that cannot be walked, or without a GIL
 * other negative errno: unreadable or senseless memory and leaves `held` as it was. */
int python_gil_held(const struct python *p, const struct process *process, bool *held);

/* What the kernel side was told of the process: for tests and tools. False: nothing. */
bool python_layout(const struct python *p, uint32_t pid, struct profd_python *layout);

/* ---- merging with native frames -----------------------------------------------------------------
 *
 * Each run of Python frames, up to and with the one marked `entry`, was executed by one native
 * frame of the C eval loop. The innermost native eval-loop frame may be in its prologue or epilogue
 * and have no Python frames (yet, or any more): where the counts differ, match from the outermost
 * end. A run always has at least one frame. */

/* Whether the file's own virtual address `vaddr` (of a native frame, already moved back by one
 * where it is a return address) lies in the C eval loop of an image that python_process found to
 * hold CPython. `.cold` parts count, in stripped files too as far as they can be proven (eval.c).
 */
bool python_is_eval(const struct python *p, uint32_t image, uint64_t vaddr);

/* ---- code objects -------------------------------------------------------------------------------
 */

struct python_function {
	const char *qualname; /* UTF-8, hostile; "Class.method", "<module>"; never "" */
	const char *file; /* as the code object names it; UTF-8, hostile; may be "" or "<string>" */
	uint32_t first_line; /* of its definition */
};

/* Function and current line of a frame: `out` = { .kind = FRAME_PYTHON, .scope = function number,
 * .line } (line 0: the instruction belongs to no line). Call it soon after the sample, while the
 * code object is likely to be there; what was once resolved is cached and needs no target any more.
 * Returns 0, or -ESTALE  another object is at that address by now (the fingerprint differs) -ESRCH
 * the process is gone (and its parent does not have the code object either), or was never found to
 * run CPython other    negative errno: unreadable or senseless memory and leaves `out` as it was.
 */
int python_location(struct python *p, const struct process *process,
	const struct python_frame *frame, struct location *out);

/* The function by its number (location.scope), or NULL. Equal qualname, file and first line make
 * equal numbers, in all processes. Holds until python_functions_reset; the strings too. */
const struct python_function *python_function(const struct python *p, uint64_t number);

/* For those who run for weeks: to be called when no number is of use any more, right after a window
 * was closed. Where code objects and functions take more than `max_bytes`, by python_bytes, all of
 * them are forgotten, and read again when they are met again; numbers begin anew then. Whether it
 * was so. */
bool python_functions_reset(struct python *p, size_t max_bytes);
size_t python_bytes(const struct python *p);

struct python_stats {
	uint64_t code_objects; /* resolved */
	uint64_t changed;      /* lookups that met another object at the address */
	uint64_t unreadable;   /* lookups that met memory that could not be read or made no sense */
};
void python_stats(const struct python *p, struct python_stats *stats);

#endif
