/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside serve/ only: pieces of which several answers consist. All give NULL where memory is out,
 * which json_pack() takes for a failure of the whole. */
#ifndef PROFD_SERVE_PACK_H
#define PROFD_SERVE_PACK_H

#include "serve/serve.h"

/* How the channel writes JSON, for measuring what a piece will take of a line. */
#define PACK_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(12))

/* What lists of one message may take of its line, so that hostile names (a control character takes
 * six bytes) never make it too long. */
enum { PACK_LIST_BYTES = SERVE_LINE_MAX / 4 * 3, PACK_NOTES_BYTES = SERVE_LINE_MAX / 8 };

json_t *pack_number(double value);      /* JSON has no NaN and no infinity: 0 */
json_t *pack_known(double value);       /* null where it is negative or no number */
json_t *pack_above_zero(double value);  /* null where it is not */
json_t *pack_count(uint64_t value);     /* what JSON integers do not hold: the largest of them */
json_t *pack_text(const char *hostile); /* null for NULL and "" */

/* Appends `item` (its reference is taken) unless it takes more than `*left_bytes` of the line, of
 * which it is subtracted. 1: appended; 0: no room; -ENOMEM. */
int pack_append(json_t *list, json_t *item, size_t *left_bytes);

/* As many of them, from the first on, as there is room for. */
json_t *pack_texts(const char *const *texts, size_t n);
json_t *pack_rows(const struct profile *p, const struct top_row *rows, size_t n);

json_t *pack_failures(const struct profile_quality *q);

#endif
