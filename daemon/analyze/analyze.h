/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to a finished profile. Pure: same profile, same answer. */
#ifndef PROFD_ANALYZE_ANALYZE_H
#define PROFD_ANALYZE_ANALYZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow/profile.h"

/* A function: all frames of one kind, name and file (where the file is not known: of one module).
 */
struct top_row {
	uint32_t frame; /* index into profile.frames: the function's frame with the most total
			 * weight, so that its line is the one seen most */
	uint64_t self_samples, total_samples;
	uint64_t self_weight_ns, total_weight_ns;
	double self, total; /* shares of the profile's whole weight, 0 to 1 */
};

/* Writes the `n` hottest functions into `rows` (room for `n`), the most self weight first; then the
 * most total weight, then by name, file and kind, so that the order never depends on chance. A
 * function that calls itself counts once per stack in `total`. Containers, processes, threads and
 * profd's own notes are no functions and get no row, but their weight is part of the whole; nor
 * does a function that was never seen innermost. `*n_rows` is how many were written: 0 for an empty
 * profile. 0, -ENOMEM, or -EINVAL for a profile whose indices do not hold together. */
int analyze_top(const struct profile *p, size_t n, struct top_row *rows, size_t *n_rows);

/* ---- reports: rows by whatever one asks for
 * ------------------------------------------------------
 */

enum report_by {
	REPORT_FUNCTION,
	REPORT_LINE,
	REPORT_MODULE,
	REPORT_PROCESS,
	REPORT_THREAD,
	REPORT_CONTAINER,
	REPORT_BYS
};
const char *report_by_name(enum report_by by);             /* "function", ... */
bool report_by_find(const char *name, enum report_by *by); /* false: no such */

enum report_sort { REPORT_SELF, REPORT_TOTAL };

enum { REPORT_SLICES_MIN = 5 }; /* with samples, for error bars */

struct report_row {
	const char *name;          /* the profile's, as are the next two; never NULL or "" */
	const char *file, *module; /* "": not known, or of no meaning for this kind of row */
	uint32_t line;             /* 0: likewise */
	enum frame_kind kind;
	uint64_t self_samples, total_samples;
	uint64_t self_weight_ns, total_weight_ns;
	double self, total; /* shares of the profile's whole weight, 0 to 1 */
	/* Half the width of the 95 % interval of the share. Negative: not known (too few slices).
	 */
	double self_error, total_error;
};

struct report {
	struct report_row *rows;
	size_t n_rows;
	size_t n_all; /* how many there would be without the limit */
	uint64_t samples, weight_ns;
	enum report_by by;
	enum report_sort sort;
	bool has_errors; /* slices were enough for error bars */
};

/* Rows by `by`, in order of `sort` (ties as in analyze_top), at most `limit` of them (0: all).
 * Lines are function and line; modules are those of the leaf for self. PROCESS, THREAD and
 * CONTAINER need a profile with such frames at its roots; for those self equals total. Frames of
 * notes give rows only by line and function, marked by their kind. The error is that of a ratio
 * over slices, sum of x over sum of n: samples in bursts shorter than a slice do not deceive it, as
 * they do a binomial one, which is its lower bound. Multiplied with Student's t for the number of
 * slices; below REPORT_SLICES_MIN slices with samples it is not known. `out` is to be cleared by
 * report_clear, and holds as long as `p`. 0, -ENOMEM, or -EINVAL for a profile whose indices do not
 * hold together. */
int analyze_report(const struct profile *p, enum report_by by, enum report_sort sort, size_t limit,
	struct report *out);
void report_clear(struct report *r);

#endif
