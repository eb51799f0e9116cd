/* SPDX-License-Identifier: BSD-2-Clause */
/* A command line as it is typed. */
#ifndef PROFD_TESTS_UNIT_TYPED_WORDS_H
#define PROFD_TESTS_UNIT_TYPED_WORDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS_MAX = 40 };

/* Splits `line` at `|` into argv (room for WORDS_MAX + 1), `name` first. The words live in static
 * storage. */
static inline int split(const char *name, const char *line, char **argv)
{
	static char storage[2048];
	int argc = 0;

	snprintf(storage, sizeof(storage), "%s|%s", name, line);
	for (char *save, *word = strtok_r(storage, "|", &save); word;
		word = strtok_r(NULL, "|", &save)) {
		assert_true(argc < WORDS_MAX);
		argv[argc++] = word;
	}
	argv[argc] = NULL;
	return argc;
}

#endif
