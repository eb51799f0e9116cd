/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the `manual` command: pages for man(1), in the macros of man(7). */
#ifndef PROFD_CLI_MANUAL_H
#define PROFD_CLI_MANUAL_H

#include "cli/command.h"

/* profd(1): what there is. */
void manual_overview(FILE *to, const struct cli_command *const *commands);

/* profd-COMMAND(1). */
void manual_command_page(
	FILE *to, const struct cli_command *command, const struct cli_command *const *commands);

/* profd.conf(5), out of the file of settings itself: comments and `#name = default` lines. */
void manual_settings(FILE *to, const char *settings);

/* ---- roff
 * ------------------------------------------------------------------------------------- */

/* `.TH`: the page's name in capitals, its section. */
void roff_title(FILE *to, const char *name, int section);
void roff_section(FILE *to, const char *title);

/* `len` bytes of running text, escaped. A newline stays one, and a line of its own begins at the
 * start. Words that are options, and what stands between backquotes, are bold. */
void roff_text(FILE *to, const char *text, size_t len);

/* Escaped and nothing else, for the middle of a line. */
void roff_plain(FILE *to, const char *text, size_t len);

/* How a command is used: options bold, what one puts in (in capitals) in italics. */
void roff_usage(FILE *to, const char *text, size_t len);

/* Paragraphs with empty lines between them; lines that begin with a blank stay as they are. */
void roff_paragraphs(FILE *to, const char *text);

#endif
