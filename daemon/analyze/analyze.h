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
	uint32_t frame; /* index into profile.frames: one of the row's, the heaviest */
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

/* Shares of the rows of a report by slice: writes [r->n_rows * p->n_slices] values, row by row,
 * into `self` and `total` (either may be NULL): the samples of the row among all samples of that
 * slice, 0 where it has none. Of a report of the same profile. 0, -ENOMEM or -EINVAL. */
int analyze_trends(const struct profile *p, const struct report *r, float *self, float *total);

/* Who calls the function (or line, module) of row `row` of the report, and whom it calls: rows of
 * the same kind, and in the same order; shares are of the weight of the row's own total. A caller's
 * `total` is the part of the row's weight that came by it, a callee's what the row spent in it, its
 * callees included; recursion counts once: callers are those of the outermost call, a stack counts
 * once for each callee on it, and calls of itself are none. `self` of a caller is 0; the row's own
 * self time stands in `callees` as a row of its own name. Where nobody calls it the caller is
 * missing. Function, line and module only. Both to be cleared by report_clear. 0, -ENOMEM, or
 * -EINVAL as above or without such a row. */
int analyze_neighbours(const struct profile *p, const struct report *r, size_t row,
	struct report *callers, struct report *callees);

/* ---- what changed
 * ------------------------------------------------------------------------------
 */

/* How a share changed between two profiles. */
struct diff_share {
	double before, after; /* shares of the whole, 0 to 1 */
	double low, high;     /* 95 % interval of after - before, for this row alone; -1 and 1 where
				 there is too little to tell */
	double p;             /* of no change, corrected for the number of rows; 1 where untested */
	bool significant;
};

struct diff_row {
	const char *name; /* one of the profiles' own, as are the next two; never NULL or "" */
	const char *file, *module; /* "": not known */
	uint32_t line;
	enum frame_kind kind;
	uint64_t self_samples[2], total_samples[2]; /* before, after */
	struct diff_share self, total;
};

enum diff_verdict {
	DIFF_NOT_ENOUGH, /* too few slices or samples to tell anything */
	DIFF_SAME,       /* nothing that can be told from chance */
	DIFF_CHANGED     /* at least one row is significant */
};

struct diff {
	/* Those whose share by `sort` changed significantly first, then those whose other share
	 * did; each by size of change. */
	struct diff_row *rows;
	size_t n_rows, n_all; /* n_all: without the limit */
	size_t n_significant; /* of all: self, total or both are */
	enum report_by by;
	enum report_sort sort; /* the share that the order goes by */
	enum diff_verdict verdict;
	uint64_t samples[2], weight_ns[2], duration_ns[2];
	size_t slices[2]; /* with samples */
	size_t blocks[2]; /* what they were joined to, to be compared; 0: too few slices */
	size_t n_tested;  /* shares of rows that had samples enough */
	/* The change of share, in shares of the whole, that would be found in four of five
	 * comparisons like this one, for a row of middling size (the median of the tested ones),
	 * and for the largest; by `sort`, or by the other share where none of it was tested. 95 %
	 * is a size like 5 %. It shrinks with the root of the number of windows. Negative: not
	 * known. */
	double detectable, detectable_largest;
	char why[160]; /* of DIFF_NOT_ENOUGH: what is missing, for people */
};

enum { DIFF_SLICES_MIN = 5 }; /* with samples, on each side */
#define DIFF_LEVEL 0.05       /* chance of any false finding in a comparison of equals */

/* Compares by function, line or module. Both profiles have slices: they are what is permuted
 * (analyze/diff.h has the method). Same input, same output: the permutations come from a fixed
 * seed. To be cleared by diff_clear; holds as long as both profiles. 0, -ENOMEM, or -EINVAL. */
int analyze_diff(const struct profile *before, const struct profile *after, enum report_by by,
	enum report_sort sort, size_t limit, struct diff *out);
void diff_clear(struct diff *d);

#endif
