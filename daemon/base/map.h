/* SPDX-License-Identifier: BSD-2-Clause */
/* A hash map from keys of one fixed size to values of one fixed size, both stored inside it (open
 * addressing). Keys are compared byte by byte: zero the padding of a struct used as a key. The hash
 * is seeded per process, because keys can come from hostile input. */
#ifndef PROFD_BASE_MAP_H
#define PROFD_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map;

struct map *map_new(size_t key_bytes, size_t value_bytes); /* NULL: out of memory */
void map_free(struct map *m);                              /* NULL is allowed */
size_t map_count(const struct map *m);

/* Makes room for `n` entries at once, so that memory does not grow with them. 0 or -ENOMEM (the map
 * is as it was then). */
int map_reserve(struct map *m, size_t n);

/* The value, or NULL. Pointers into a map hold until the next map_put or map_del on it. */
void *map_get(const struct map *m, const void *key);

/* The value of `key`, added with zeroes where it was absent (`*fresh` then true; `fresh` may be
 * NULL). NULL: out of memory. */
void *map_put(struct map *m, const void *key, bool *fresh);

bool map_del(struct map *m, const void *key); /* whether it was there */

/* Walks all entries in no order: start with *at = 0; false at the end. Not across map_put or
 * map_del. */
bool map_next(const struct map *m, size_t *at, const void **key, void **value);

uint64_t hash_bytes(const void *data, size_t len); /* the seeded hash itself */

#endif
