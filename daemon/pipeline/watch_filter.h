/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: which processes the lists of a watch name; by the rules of a report. */
#ifndef PROFD_PIPELINE_WATCH_FILTER_H
#define PROFD_PIPELINE_WATCH_FILTER_H

#include "base/buf.h"
#include "flow/series.h"
#include "serve/serve.h"

/* Of each list that is not empty one text has to match: `comms` exactly, `users` by name or number,
 * `containers` by how the ID begins, `host` for processes in none. */
bool watch_filter_matches(const struct watch_request *q, const struct series *s);

/* The lists for people, behind what `to` holds already: ", user www-data". At most 300 bytes. */
void watch_filter_text(const struct watch_request *q, struct buf *to);

#endif
