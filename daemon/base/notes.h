/* SPDX-License-Identifier: BSD-2-Clause */
/* A short list of sentences for people, each said once. */
#ifndef PROFD_BASE_NOTES_H
#define PROFD_BASE_NOTES_H

#include <stddef.h>

enum { NOTES_MAX = 8 };

struct notes {
	const char *list[NOTES_MAX]; /* [n], in the order they came */
	size_t n;
	char text[NOTES_MAX][320]; /* what `list` points to: a struct notes is not to be copied */
};

/* Adds a sentence, unless it is there already or the list is full. Zeroed memory is an empty list.
 */
void notes_add(struct notes *notes, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
