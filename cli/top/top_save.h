/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside `profd top`: what is on the screen, as a file. */
#ifndef PROFD_CLI_TOP_SAVE_H
#define PROFD_CLI_TOP_SAVE_H

#include "cli/top/top_model.h"

/* `profd-top-TIME.svg` in the current folder. */
void top_save_name(char *to, size_t bytes);

/* -EEXIST, with a text, where there is such a file already; other errors: no file can go there. */
int top_save_check(const char *path, struct err *err);

/* Writes the page (.json) or the stacks it is made of (.svg, .collapsed, ...), by the end of the
 * name. An older file survives a failure. Adds up to 80 bytes on what was written to `what`. */
int top_save(struct top_model *m, const struct top_query *q, const char *path, const char *title,
	char *what, size_t what_bytes, struct err *err);

#endif
