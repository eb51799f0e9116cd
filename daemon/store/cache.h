/* SPDX-License-Identifier: BSD-2-Clause */
/* A map of bounded size: what was not asked for lately is forgotten. Two generations: when the
 * young one is full it becomes the old one, and the old one goes. Inner to store/. */
#ifndef PROFD_STORE_CACHE_H
#define PROFD_STORE_CACHE_H

#include <stddef.h>

struct map;

struct cache {
	struct map *young, *old;
	size_t key_bytes, value_bytes;
	size_t max; /* entries of a generation */
};

void cache_init(struct cache *c, size_t key_bytes, size_t value_bytes, size_t max);
void cache_drop(struct cache *c); /* forgets all, and gives the memory back */

/* The value, or NULL. It holds until the next call. */
void *cache_get(struct cache *c, const void *key);
/* Remembers; out of memory is no error, it is just not remembered. */
void cache_put(struct cache *c, const void *key, const void *value);

#endif
