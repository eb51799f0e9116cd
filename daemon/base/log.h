/* SPDX-License-Identifier: BSD-2-Clause */
/* Talk on stderr, one line a message, with the room it comes from: `profd: unwind: ...`. Debug
 * lines appear with --verbose only. Control characters in the text are replaced, since names are
 * hostile.
 *
 * Where stderr is a stream of the journal ($JOURNAL_STREAM tells, systemd.exec(5)), a line begins
 * with its priority instead, as the journal wants it, and without our name, which the journal adds:
 * `<4>unwind: ...`. */
#ifndef PROFD_BASE_LOG_H
#define PROFD_BASE_LOG_H

enum log_level { LOG_LEVEL_QUIET, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);

void log_message(enum log_level level, const char *room, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Define LOG_ROOM before use. */
#define log_warn(...)  log_message(LOG_LEVEL_WARN, LOG_ROOM, __VA_ARGS__)
#define log_info(...)  log_message(LOG_LEVEL_INFO, LOG_ROOM, __VA_ARGS__)
#define log_debug(...) log_message(LOG_LEVEL_DEBUG, LOG_ROOM, __VA_ARGS__)

#endif
