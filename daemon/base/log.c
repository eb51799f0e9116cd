/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum log_level log_limit = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	log_limit = level;
}

enum log_level log_get_level(void)
{
	return log_limit;
}

/* Whether stderr is what the variable describes, `DEVICE:INODE` in decimal. The variable alone says
 * nothing: it is inherited, and stderr may have been sent elsewhere since. */
static bool stderr_is_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	device = strtoull(text, &end, 10);
	if (end[0] != ':' || end[1] < '0' || end[1] > '9')
		return false;
	inode = strtoull(end + 1, &end, 10);
	return !*end && !fstat(STDERR_FILENO, &st) && st.st_dev == device && st.st_ino == inode;
}

/* syslog(3) has the numbers: LOG_WARNING, LOG_INFO, LOG_DEBUG. */
static int log_priority(enum log_level level)
{
	return level >= LOG_LEVEL_DEBUG ? 7 : level == LOG_LEVEL_INFO ? 6 : 4;
}

void log_message(enum log_level level, const char *room, const char *fmt, ...)
{
	char line[1024];
	size_t n;
	va_list ap;

	if (level > log_limit)
		return;
	if (stderr_is_journal())
		n = (size_t)snprintf(line, sizeof(line), "<%d>%s: ", log_priority(level), room);
	else
		n = (size_t)snprintf(line, sizeof(line), "profd: %s: ", room);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	n = strlen(line);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* nobody is left to tell */
}
