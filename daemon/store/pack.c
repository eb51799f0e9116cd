/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/pack.h"

#include <errno.h>
#include <stdbool.h>

enum {
	NUMBER_BYTES = 10,
	STEP_LONG = 7,
	STACKS_BYTES_MAX = 4 * PACK_ROW_BYTES,
};

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

/* The open group goes into the row. Its first stack is written here: what it is relative to is
 * known now only. */
static int group_end(struct packer *p)
{
	uint64_t step, d, away;
	uint32_t expected;

	if (!p->n)
		return 0;
	if (!p->groups.len) {
		p->first = p->last = p->open.series;
		p->base = p->thread = 0;
	}
	step = p->open.series - p->last;
	expected = step ? 1 : p->thread + 1;
	number_put(&p->groups, (p->n - 1) << 4 | (step < STEP_LONG ? step : STEP_LONG) << 1 |
				       (p->open.thread != expected));
	if (step >= STEP_LONG)
		number_put(&p->groups, step - STEP_LONG);
	if (p->open.thread != expected)
		number_put(&p->groups, p->open.thread);
	away = p->open_first < p->base;
	d = away ? p->base - p->open_first - 1 : p->open_first - p->base;
	number_put(&p->groups, d << 2 | away << 1 | (p->open_samples > 1));
	if (p->open_samples > 1)
		number_put(&p->groups, p->open_samples - 2);
	buf_add(&p->groups, p->stacks.data, p->stacks.len);
	p->last = p->open.series;
	p->base = p->open_first;
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
	enum { MORE = 7 * 8 };
	int rc = 0;

	if (p->n && (entry->series != p->open.series || entry->thread != p->open.thread))
		rc = group_end(p);
	if (!rc && p->groups.len + p->stacks.len + MORE > PACK_ROW_BYTES)
		rc = packer_end(p);
	if (rc < 0)
		return rc;
	if (!p->n) {
		p->open_first = entry->stack;
		p->open_samples = entry->samples;
	} else {
		number_put(
			&p->stacks, (entry->stack - p->open.stack - 1) << 1 | (entry->samples > 1));
		if (entry->samples > 1)
			number_put(&p->stacks, entry->samples - 2);
	}
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

/* All but the stacks. */
static int group_start(struct unpacker *u)
{
	uint64_t head, step, more = 0, thread;

	if (number_get(u, &head) < 0)
		return -EUCLEAN;
	step = head >> 1 & STEP_LONG;
	if (step == STEP_LONG && number_get(u, &more) < 0)
		return -EUCLEAN;
	step += more;
	thread = step ? 1 : (uint64_t)u->now.thread + 1;
	if (head & 1 && number_get(u, &thread) < 0)
		return -EUCLEAN;
	u->now.series += step;
	if (!thread || thread > UINT32_MAX || u->now.series > PACK_NUMBER_MAX)
		return -EUCLEAN;
	u->now.thread = (uint32_t)thread;
	u->left = (head >> 4) + 1;
	return 0;
}

int unpacker_next(struct unpacker *u)
{
	uint64_t next, samples = 1;
	bool first = !u->left;

	if (first && u->at == u->end)
		return 0;
	if ((first && group_start(u) < 0) || number_get(u, &next) < 0)
		return -EUCLEAN;
	if (next & 1) {
		if (number_get(u, &samples) < 0)
			return -EUCLEAN;
		samples += 2;
	}
	/* Below 0 wraps to more than any stack's number. */
	if (!first)
		u->now.stack += (next >> 1) + 1;
	else if (next & 2)
		u->base = u->now.stack = u->base - (next >> 2) - 1;
	else
		u->base = u->now.stack = u->base + (next >> 2);
	if (u->now.stack > PACK_NUMBER_MAX)
		return -EUCLEAN;
	u->now.samples = samples;
	u->left--;
	return 1;
}
