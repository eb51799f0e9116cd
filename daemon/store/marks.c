/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/marks.h"

#include <errno.h>
#include <stdlib.h>

#include "base/map.h"

enum {
	PAGE_BITS = 1 << 15,
	WORD_BITS = 64,
	PAGES_MAX = 4096,      /* 16 MiB of bits: 128 million rows close together */
	NUMBERS_MAX = 1 << 17, /* of pages: row numbers below 4 billion */
	THREADS_MAX = 1 << 18,
};

struct thread_key {
	uint64_t series, number;
};

int marks_init(struct marks *m, const int64_t ends[MARK_TABLES])
{
	*m = (struct marks){.pages_max = PAGES_MAX};
	for (int i = 0; i < MARK_TABLES; i++) {
		struct bits *b = &m->tables[i];

		b->end = ends[i] > 0 ? (uint64_t)ends[i] : 0;
		if (b->end / PAGE_BITS >= NUMBERS_MAX) {
			marks_free(m);
			return -E2BIG;
		}
		b->n_pages = (size_t)(b->end / PAGE_BITS + 1);
		b->pages = calloc(b->n_pages, sizeof(*b->pages));
	}
	m->threads = map_new(sizeof(struct thread_key), 1);
	for (int i = 0; i < MARK_TABLES; i++)
		if (!m->tables[i].pages || !m->threads) {
			marks_free(m);
			return -ENOMEM;
		}
	return 0;
}

void marks_free(struct marks *m)
{
	for (int i = 0; i < MARK_TABLES; i++) {
		struct bits *b = &m->tables[i];

		for (size_t page = 0; b->pages && page < b->n_pages; page++)
			free(b->pages[page]);
		free(b->pages);
	}
	map_free(m->threads);
	*m = (struct marks){0};
}

void marks_set(struct marks *m, enum mark_table table, int64_t id)
{
	struct bits *b = &m->tables[table];
	uint64_t at = (uint64_t)id, **page;

	if (id < 0 || at >= b->end)
		return;
	page = &b->pages[at / PAGE_BITS];
	if (!*page && m->pages < m->pages_max) {
		*page = calloc(PAGE_BITS / WORD_BITS, sizeof(**page));
		m->pages++;
	}
	if (!*page) {
		m->failed = true;
		return;
	}
	(*page)[at % PAGE_BITS / WORD_BITS] |= 1ULL << (at % WORD_BITS);
}

bool marks_has(const struct marks *m, enum mark_table table, int64_t id)
{
	const struct bits *b = &m->tables[table];
	uint64_t at = (uint64_t)id;
	const uint64_t *page;

	if (id < 0 || at >= b->end)
		return true;
	page = b->pages[at / PAGE_BITS];
	return page && (page[at % PAGE_BITS / WORD_BITS] >> (at % WORD_BITS) & 1);
}

void marks_set_thread(struct marks *m, int64_t series, uint32_t number)
{
	struct thread_key key = {(uint64_t)series, number};

	if (m->threads_full)
		return;
	if (map_count(m->threads) >= THREADS_MAX || !map_put(m->threads, &key, NULL))
		m->threads_full = true;
}

bool marks_has_thread(const struct marks *m, int64_t series, uint32_t number)
{
	struct thread_key key = {(uint64_t)series, number};

	return m->threads_full || map_get(m->threads, &key);
}
