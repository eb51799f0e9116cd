/* SPDX-License-Identifier: BSD-2-Clause */
/* Points in time as people type them. */
#ifndef PROFD_CLI_WHEN_H
#define PROFD_CLI_WHEN_H

#include <stddef.h>

#include "base/err.h"

extern const char when_forms[]; /* what can be typed, for help and errors */

/* The time that `text` names, seen from `now_unix_s`, in the local time zone (TZ):
 *
 *   now
 *   90s  45m  1h  1h30m  2d  1w                       so long ago
 *   03:12  03:12:30                                   today; yesterday, where that is to come
 *   today  yesterday  yesterday 03:12                 without a time: 00:00
 *   2026-11-20  2026-11-20 03:12[:30[.5]]  2026-11-20T03:12
 *   2026-11-20T03:12:30Z  2026-11-20 03:12+02:00      with a time zone of its own
 *   @1700000000  @1700000000.25                       seconds since 1970 in UTC
 *
 * 0, or -EINVAL with a text that shows what can be typed. */
int when_parse(const char *text, double now_unix_s, double *unix_s, struct err *err);

double when_now(void); /* unix seconds */

/* "2026-11-20 03:12:30" in the local time zone into `to` (at least 32 bytes); returns `to`. */
char *when_text(double unix_s, char *to);

/* How long ago: "12 s", "5 min", "3 h", "12 d" into `to` (at least 32 bytes); returns `to`. */
char *when_age(double s, char *to);

#endif
