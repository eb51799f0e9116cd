/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: which processes the configuration names. */
#ifndef PROFD_PIPELINE_SELECTION_H
#define PROFD_PIPELINE_SELECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "flow/series.h"
#include "pipeline/pipeline.h"

bool selection_is_all(const struct daemon_config *c);
bool selection_matches(const struct daemon_config *c, const struct series *s);
void selection_text(const struct daemon_config *c, char *to, size_t bytes); /* for people */

#endif
