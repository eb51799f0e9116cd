/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said to people on stderr. Names are hostile: nothing that moves a cursor, changes a
 * colour or turns the direction of writing passes through. */
#ifndef PROFD_CLI_TERMINAL_H
#define PROFD_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One line on stderr, `profd: ` before it; harmless for a terminal whatever the arguments are. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Copies `bytes` into `to` (NUL-terminated), harmless and at most `columns` wide on the display,
 * cut with an ellipsis where it is wider. Returns its width in columns. */
size_t terminal_text(const char *bytes, size_t columns, char *to, size_t to_bytes);

bool terminal_is_utf8(void);         /* by the locale */
bool terminal_has_colour(int fd);    /* a terminal that is not dumb, and NO_COLOR is not set */
unsigned terminal_columns(int fd);   /* 80 where it is not known */
bool terminal_is_foreground(int fd); /* a terminal on which this process may draw */

/* "1,234,567" into `to` (at least 32 bytes); returns `to`. */
char *terminal_count(uint64_t n, char *to);
/* "12.3 s", "1:05:09" */
char *terminal_duration(double s, char *to); /* at least 32 bytes */
/* "412 KiB" */
char *terminal_bytes(uint64_t n, char *to); /* at least 32 bytes */

#endif
