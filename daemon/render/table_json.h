/* SPDX-License-Identifier: BSD-2-Clause */
/* What the JSON of tables is made of. All give a new reference, or NULL: out of memory. */
#ifndef PROFD_RENDER_TABLE_JSON_H
#define PROFD_RENDER_TABLE_JSON_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

json_t *json_value_text(const char *hostile);  /* what was not UTF-8 is U+FFFD */
json_t *json_value_known(const char *hostile); /* null where it is empty */
json_t *json_value_count(uint64_t n);
json_t *json_value_share(double share); /* null where it is negative: not known */
json_t *json_value_seconds(uint64_t ns);

/* `value` (taken over; NULL is an error) on one line. 0, or negative errno with a text about that
 * many rows. */
int json_value_write(json_t *value, size_t rows, struct buf *out, struct err *err);

#endif
