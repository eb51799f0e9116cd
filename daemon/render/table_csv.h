/* SPDX-License-Identifier: BSD-2-Clause */
/* Fields of a line of CSV, each with the comma behind it. */
#ifndef PROFD_RENDER_TABLE_CSV_H
#define PROFD_RENDER_TABLE_CSV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

void csv_put_text(struct buf *b, const char *hostile); /* in quotes; never a formula */
void csv_put_share(struct buf *b, double share);       /* empty where it is negative: not known */
void csv_put_count(struct buf *b, uint64_t n);

#endif
