/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct map {
	size_t key_bytes, value_bytes, value_at, slot_bytes;
	size_t count, mask; /* mask + 1 slots, a power of two */
	char *slots;        /* each: 32 bits of hash (0: empty), key, value aligned to 8 */
};

enum { MAP_FIRST_SLOTS = 16, KEY_AT = 8 };

static uint64_t hash_seed(void)
{
	static uint64_t seed;

	if (!seed) {
		if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
			seed = (uintptr_t)&seed;
		seed |= 1;
	}
	return seed;
}

/* Multiply and fold, eight bytes at a time. */
static uint64_t mix(uint64_t h, uint64_t word)
{
	__uint128_t p = (__uint128_t)(h ^ word) * 0x9e3779b97f4a7c15ULL;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

uint64_t hash_bytes(const void *data, size_t len)
{
	const char *p = data;
	uint64_t h = hash_seed() ^ len, word;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, 8);
		h = mix(h, word);
	}
	word = 0;
	if (len)
		memcpy(&word, p, len);
	return mix(mix(h, word), hash_seed());
}

static uint32_t slot_tag(const char *slot)
{
	uint32_t tag;

	memcpy(&tag, slot, sizeof(tag));
	return tag;
}

static char *slot_at(const struct map *m, size_t i)
{
	return m->slots + i * m->slot_bytes;
}

/* The slot that holds the key, or the empty one where it belongs. */
static char *slot_find(const struct map *m, const void *key, uint32_t tag)
{
	for (size_t i = tag & m->mask;; i = (i + 1) & m->mask) {
		char *slot = slot_at(m, i);
		uint32_t t = slot_tag(slot);

		if (!t || (t == tag && !memcmp(slot + KEY_AT, key, m->key_bytes)))
			return slot;
	}
}

static uint32_t key_tag(const struct map *m, const void *key)
{
	uint32_t tag = (uint32_t)hash_bytes(key, m->key_bytes);

	return tag ? tag : 1;
}

struct map *map_new(size_t key_bytes, size_t value_bytes)
{
	struct map *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->key_bytes = key_bytes;
	m->value_bytes = value_bytes;
	m->value_at = KEY_AT + ((key_bytes + 7) & ~(size_t)7);
	m->slot_bytes = (m->value_at + value_bytes + 7) & ~(size_t)7;
	m->mask = MAP_FIRST_SLOTS - 1;
	m->slots = calloc(MAP_FIRST_SLOTS, m->slot_bytes);
	if (!m->slots) {
		free(m);
		return NULL;
	}
	return m;
}

void map_free(struct map *m)
{
	if (!m)
		return;
	free(m->slots);
	free(m);
}

size_t map_count(const struct map *m)
{
	return m->count;
}

void *map_get(const struct map *m, const void *key)
{
	char *slot = slot_find(m, key, key_tag(m, key));

	return slot_tag(slot) ? slot + m->value_at : NULL;
}

static bool map_resize(struct map *m, size_t n_slots)
{
	char *old = m->slots, *slots = calloc(n_slots, m->slot_bytes);
	size_t n = m->mask + 1;

	if (!slots)
		return false;
	m->slots = slots;
	m->mask = n_slots - 1;
	for (size_t i = 0; i < n; i++) {
		char *slot = old + i * m->slot_bytes;

		if (slot_tag(slot))
			memcpy(slot_find(m, slot + KEY_AT, slot_tag(slot)), slot, m->slot_bytes);
	}
	free(old);
	return true;
}

/* Whether one more entry would make it too full to be fast. */
static bool is_full(size_t count, size_t n_slots)
{
	return count * 4 >= n_slots * 3;
}

int map_reserve(struct map *m, size_t n)
{
	size_t n_slots = m->mask + 1;

	while (n && is_full(n - 1, n_slots))
		n_slots *= 2;
	return n_slots == m->mask + 1 || map_resize(m, n_slots) ? 0 : -ENOMEM;
}

void *map_put(struct map *m, const void *key, bool *fresh)
{
	uint32_t tag = key_tag(m, key);
	char *slot = slot_find(m, key, tag);

	if (fresh)
		*fresh = !slot_tag(slot);
	if (slot_tag(slot))
		return slot + m->value_at;
	if (is_full(m->count, m->mask + 1)) {
		if (!map_resize(m, (m->mask + 1) * 2))
			return NULL;
		slot = slot_find(m, key, tag);
	}
	memset(slot, 0, m->slot_bytes);
	memcpy(slot, &tag, sizeof(tag));
	memcpy(slot + KEY_AT, key, m->key_bytes);
	m->count++;
	return slot + m->value_at;
}

/* Backward-shift deletion: later entries of the same run move up, so that no tombstones stay. */
bool map_del(struct map *m, const void *key)
{
	char *slot = slot_find(m, key, key_tag(m, key));
	size_t hole, i;

	if (!slot_tag(slot))
		return false;
	hole = (size_t)(slot - m->slots) / m->slot_bytes;
	for (i = (hole + 1) & m->mask; slot_tag(slot_at(m, i)); i = (i + 1) & m->mask) {
		size_t home = slot_tag(slot_at(m, i)) & m->mask;

		if (((i - home) & m->mask) < ((i - hole) & m->mask))
			continue;
		memcpy(slot_at(m, hole), slot_at(m, i), m->slot_bytes);
		hole = i;
	}
	memset(slot_at(m, hole), 0, m->slot_bytes);
	m->count--;
	return true;
}

bool map_next(const struct map *m, size_t *at, const void **key, void **value)
{
	for (; *at <= m->mask; (*at)++) {
		char *slot = slot_at(m, *at);

		if (!slot_tag(slot))
			continue;
		*key = slot + KEY_AT;
		if (value)
			*value = slot + m->value_at;
		(*at)++;
		return true;
	}
	return false;
}
