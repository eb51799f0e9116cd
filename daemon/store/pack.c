/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/pack.h"

#include <errno.h>

enum { NUMBER_BYTES = 10, STACKS_BYTES_MAX = 4 * PACK_ROW_BYTES };

int pack_compare(const struct pack_entry *a, const struct pack_entry *b)
{
	if (a->series != b->series)
		return a->series < b->series ? -1 : 1;
	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	if (a->stack != b->stack)
		return a->stack < b->stack ? -1 : 1;
	return 0;
}

static void number_put(struct buf *b, uint64_t value)
{
	char bytes[NUMBER_BYTES];
	size_t n = 0;

	do {
		bytes[n++] = (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
		value >>= 7;
	} while (value);
	buf_add(b, bytes, n);
}

void packer_init(struct packer *p, pack_row_fn *row, void *arg)
{
	*p = (struct packer){.row = row, .arg = arg};
	buf_init(&p->groups, STACKS_BYTES_MAX);
	buf_init(&p->stacks, STACKS_BYTES_MAX);
}

void packer_free(struct packer *p)
{
	buf_free(&p->groups);
	buf_free(&p->stacks);
}

static int group_end(struct packer *p)
{
	uint32_t expected;

	if (!p->n)
		return 0;
	if (!p->groups.len)
		p->first = p->last = p->open.series, p->thread = 0;
	expected = p->open.series == p->last ? p->thread + 1 : 1;
	number_put(&p->groups, p->open.series - p->last);
	number_put(&p->groups, p->n * 2 + (p->open.thread != expected));
	if (p->open.thread != expected)
		number_put(&p->groups, p->open.thread);
	buf_add(&p->groups, p->stacks.data, p->stacks.len);
	p->last = p->open.series;
	p->thread = p->open.thread;
	p->n = 0;
	buf_reset(&p->stacks);
	return p->groups.error;
}

int packer_end(struct packer *p)
{
	int rc = group_end(p);

	if (!rc && p->groups.len)
		rc = p->row(p->arg, p->first, p->last, p->groups.data, p->groups.len);
	buf_reset(&p->groups);
	return rc;
}

int packer_add(struct packer *p, const struct pack_entry *entry)
{
	/* What an entry and the head of its group take at the most. */
	enum { MORE = 5 * NUMBER_BYTES };
	int rc = 0;

	if (p->n && (entry->series != p->open.series || entry->thread != p->open.thread))
		rc = group_end(p);
	if (!rc && p->groups.len + p->stacks.len + MORE > PACK_ROW_BYTES)
		rc = packer_end(p);
	if (rc < 0)
		return rc;
	number_put(
		&p->stacks, (entry->stack - (p->n ? p->open.stack : 0)) * 2 + (entry->samples > 1));
	if (entry->samples > 1)
		number_put(&p->stacks, entry->samples - 2);
	p->open = *entry;
	p->n++;
	return p->stacks.error;
}

/* ---- reading: the bytes are hostile ------------------------------------------------------------
 */

static int number_get(struct unpacker *u, uint64_t *out)
{
	uint64_t value = 0;

	for (unsigned shift = 0; u->at < u->end && shift < 56; shift += 7) {
		uint8_t byte = *u->at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*out = value;
			return value <= PACK_NUMBER_MAX ? 0 : -EUCLEAN;
		}
	}
	return -EUCLEAN;
}

void unpacker_init(struct unpacker *u, uint64_t series_first, const void *data, size_t len)
{
	*u = (struct unpacker){.at = data, .now.series = series_first};
	u->end = u->at + len;
}

static int group_start(struct unpacker *u)
{
	uint64_t step, n, thread;

	if (number_get(u, &step) < 0 || number_get(u, &n) < 0)
		return -EUCLEAN;
	u->now.series += step;
	thread = step ? 1 : (uint64_t)u->now.thread + 1;
	if (n & 1 && number_get(u, &thread) < 0)
		return -EUCLEAN;
	if (n < 2 || !thread || thread > UINT32_MAX || u->now.series > PACK_NUMBER_MAX)
		return -EUCLEAN;
	u->now.thread = (uint32_t)thread;
	u->now.stack = 0;
	u->left = n >> 1;
	return 0;
}

int unpacker_next(struct unpacker *u)
{
	uint64_t step, samples = 1;

	if (!u->left) {
		if (u->at == u->end)
			return 0;
		if (group_start(u) < 0)
			return -EUCLEAN;
	}
	if (number_get(u, &step) < 0)
		return -EUCLEAN;
	if (step & 1) {
		if (number_get(u, &samples) < 0)
			return -EUCLEAN;
		samples += 2;
	}
	u->now.stack += step >> 1;
	if (u->now.stack > PACK_NUMBER_MAX)
		return -EUCLEAN;
	u->now.samples = samples;
	u->left--;
	return 1;
}
