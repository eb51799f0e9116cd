/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void notes_add(struct notes *notes, const char *fmt, ...)
{
	char *text;
	va_list ap;

	if (notes->n == NOTES_MAX)
		return;
	text = notes->text[notes->n];
	va_start(ap, fmt);
	vsnprintf(text, sizeof(notes->text[0]), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < notes->n; i++)
		if (!strcmp(notes->list[i], text))
			return;
	notes->list[notes->n++] = text;
}
