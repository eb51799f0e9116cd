/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/intern.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"

/* Open addressing over numbers; the texts lie in an array of separately owned strings, so that
 * pointers given out stay valid while the table grows. */
struct intern {
	char **texts;
	uint32_t *hashes;
	uint32_t count, cap;
	uint32_t *slots; /* number + 1; 0: empty */
	uint32_t mask;
};

static uint32_t *slot_find(const struct intern *in, const char *s, size_t len, uint32_t hash)
{
	for (uint32_t i = hash & in->mask;; i = (i + 1) & in->mask) {
		uint32_t n = in->slots[i];

		if (!n)
			return &in->slots[i];
		if (in->hashes[n - 1] == hash && !strncmp(in->texts[n - 1], s, len) &&
			in->texts[n - 1][len] == '\0')
			return &in->slots[i];
	}
}

static int slots_grow(struct intern *in, uint32_t slots)
{
	uint32_t *fresh = calloc(slots, sizeof(*fresh));

	if (!fresh)
		return -1;
	free(in->slots);
	in->slots = fresh;
	in->mask = slots - 1;
	for (uint32_t n = 0; n < in->count; n++) {
		uint32_t i = in->hashes[n] & in->mask;

		while (in->slots[i])
			i = (i + 1) & in->mask;
		in->slots[i] = n + 1;
	}
	return 0;
}

static int texts_grow(struct intern *in)
{
	uint32_t cap = in->cap ? in->cap * 2 : 64;
	char **texts = realloc(in->texts, cap * sizeof(*texts));
	uint32_t *hashes;

	if (!texts)
		return -1;
	in->texts = texts;
	hashes = realloc(in->hashes, cap * sizeof(*hashes));
	if (!hashes)
		return -1;
	in->hashes = hashes;
	in->cap = cap;
	return 0;
}

struct intern *intern_new(void)
{
	struct intern *in = calloc(1, sizeof(*in));

	if (!in || slots_grow(in, 128) < 0) {
		free(in);
		return NULL;
	}
	intern(in, "");
	if (!in->count) {
		intern_free(in);
		return NULL;
	}
	return in;
}

void intern_free(struct intern *in)
{
	if (!in)
		return;
	for (uint32_t i = 0; i < in->count; i++)
		free(in->texts[i]);
	free(in->texts);
	free(in->hashes);
	free(in->slots);
	free(in);
}

uint32_t intern_bytes(struct intern *in, const char *s, size_t len)
{
	size_t n = strnlen(s, len);
	uint32_t hash = (uint32_t)hash_bytes(s, n), *slot = slot_find(in, s, n, hash);

	if (*slot)
		return *slot - 1;
	if (in->count == in->cap && texts_grow(in) < 0)
		return 0;
	if (in->count * 4 >= in->mask * 3) {
		if (slots_grow(in, (in->mask + 1) * 2) < 0)
			return 0;
		slot = slot_find(in, s, n, hash);
	}
	in->texts[in->count] = strndup(s, n);
	if (!in->texts[in->count])
		return 0;
	in->hashes[in->count] = hash;
	*slot = ++in->count;
	return in->count - 1;
}

uint32_t intern(struct intern *in, const char *s)
{
	return intern_bytes(in, s, strlen(s));
}

const char *intern_text(const struct intern *in, uint32_t number)
{
	return number < in->count ? in->texts[number] : "";
}

uint32_t intern_count(const struct intern *in)
{
	return in->count;
}
