/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
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

void log_message(enum log_level level, const char *room, const char *fmt, ...)
{
	char line[1024];
	size_t n;
	va_list ap;

	if (level > log_limit)
		return;
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
