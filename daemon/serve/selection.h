/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside serve/ only: what of a store is asked for. Its members lie flat in a `report`, and are an
 * object for each side of a `diff`. */
#ifndef PROFD_SERVE_SELECTION_H
#define PROFD_SERVE_SELECTION_H

#include "serve/member.h"

enum {
	SELECTION_MEMBERS = 8,
	SELECTION_ROWS_MAX = 1000000, /* of an answer */
	SELECTION_COLUMNS_MAX = 65535,
};

/* Of a struct report_selection. */
extern const struct member selection_members[SELECTION_MEMBERS];

extern const char *const selection_sorts[]; /* choices of `sort` */

/* An absolute path, or "", into an array of SERVE_PATH_MAX bytes: whoever reads it has a working
 * directory of its own. */
int selection_store(const json_t *value, const struct member *m, void *request, struct err *err);

/* What the members cannot tell one by one. -EINVAL. */
int selection_check(const struct report_selection *s, struct err *err);

/* NULL: out of memory, or the store's path is not UTF-8, which has to arrive whole. */
json_t *selection_encode(const struct report_selection *s);

/* -EILSEQ where the path of a store is not UTF-8. */
int selection_check_path(const char *store, struct err *err);

#endif
