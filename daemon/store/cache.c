/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/cache.h"

#include <string.h>

#include "base/map.h"

void cache_init(struct cache *c, size_t key_bytes, size_t value_bytes, size_t max)
{
	*c = (struct cache){.key_bytes = key_bytes, .value_bytes = value_bytes, .max = max};
}

void cache_drop(struct cache *c)
{
	map_free(c->young);
	map_free(c->old);
	c->young = c->old = NULL;
}

void *cache_get(struct cache *c, const void *key)
{
	void *value = c->young ? map_get(c->young, key) : NULL;

	if (value || !c->old)
		return value;
	value = map_get(c->old, key);
	if (!value)
		return NULL;
	cache_put(c, key, value);
	/* That may have turned the generations, and the value with them. */
	value = map_get(c->young, key);
	return value;
}

void cache_put(struct cache *c, const void *key, const void *value)
{
	char copy[64];
	void *slot;

	/* `value` may lie in the generation that goes. */
	memcpy(copy, value, c->value_bytes);
	if (c->young && map_count(c->young) >= c->max) {
		map_free(c->old);
		c->old = c->young;
		c->young = NULL;
	}
	if (!c->young) {
		c->young = map_new(c->key_bytes, c->value_bytes);
		/* All of its memory now: a daemon whose memory grows for hours looks like one that
		 * leaks. */
		if (c->young)
			map_reserve(c->young, c->max);
	}
	slot = c->young ? map_put(c->young, key, NULL) : NULL;
	if (slot)
		memcpy(slot, copy, c->value_bytes);
}
