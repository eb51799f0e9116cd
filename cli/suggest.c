/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/command.h"

#include <string.h>

enum { WORD_MAX = 40 };

static size_t least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`: the optimal string
 * alignment distance, three rows at a time. Words over WORD_MAX are never near. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > WORD_MAX || m > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *now = rows[i % 3], *before = rows[(i + 2) % 3],
		       *earlier = rows[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t replace = before[j - 1] + (a[i - 1] != b[j - 1]);

			now[j] = least(now[j - 1] + 1, before[j] + 1, replace);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				earlier[j - 2] + 1 < now[j])
				now[j] = earlier[j - 2] + 1;
		}
	}
	return rows[n % 3][m];
}

const char *cli_nearest(const char *word, const char *const *names, size_t n)
{
	const char *nearest = NULL;
	size_t best = strlen(word) / 3 + 1; /* more edits than that is another word */

	for (size_t i = 0; i < n; i++) {
		size_t d = distance(word, names[i]);

		if (strlen(word) >= 3 && !strncmp(word, names[i], strlen(word)))
			d = 1; /* the start of a name */
		if (d < best || (d == best && !nearest)) {
			best = d;
			nearest = names[i];
		}
	}
	return nearest;
}
