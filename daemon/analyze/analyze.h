/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to a finished profile. Pure: same profile, same answer. */
#ifndef PROFD_ANALYZE_ANALYZE_H
#define PROFD_ANALYZE_ANALYZE_H

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
 * function that calls itself counts once per stack in `total`. Processes, threads and profd's own
 * notes are no functions and get no row, but their weight is part of the whole; nor
 * does a function that was never seen innermost. `*n_rows` is how
 * many were written: 0 for an empty profile. 0, or -ENOMEM. */
int analyze_top(const struct profile *p, size_t n, struct top_row *rows, size_t *n_rows);

#endif
