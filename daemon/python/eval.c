/* SPDX-License-Identifier: BSD-2-Clause */
/* The code of the C eval loop. The compiler splits it: the part it takes for cold (which can be
 * nearly all of it: the hot part of Debian's 3.13 is 2 KiB, of 60) becomes a fragment elsewhere,
 * with an entry of its own in .eh_frame and a local symbol `_PyEval_EvalFrameDefault.cold`, which
 * stripped files lack.
 *
 * A fragment is proven by jumps. Compilers enter a function at its first byte; only code of the
 * same function jumps into the middle of it. So an .eh_frame entry is part of the eval loop where
 * direct jumps go from the known parts into its middle, and from it into the middle of the known
 * parts. Jumps are found by their bytes at any offset, without decoding instructions; a chance
 * match of an operand does not make MIN_JUMPS both ways. */
#include "python/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	TEXT_MAX = 1 << 22,    /* bytes of one range: the eval loop is far below 1 MiB */
	ENTRIES_MAX = 1 << 20, /* of .eh_frame_hdr */
	MIN_JUMPS = 2,
	ROUNDS = 4, /* fragments of fragments */
	HDR_BYTES = 12,
	/* .eh_frame_hdr (Linux Standard Base Core, 10.6.2) as GNU ld, gold, lld and mold write it
	 */
	ENC_PCREL_SDATA4 = 0x1b,
	ENC_UDATA4 = 0x03,
	ENC_DATAREL_SDATA4 = 0x3b,
};

int eval_add(struct eval_ranges *eval, uint64_t start, uint64_t end)
{
	struct eval_range *fresh;
	size_t i;

	if (end <= start || end - start > TEXT_MAX)
		return 0;
	for (i = 0; i < eval->n && eval->ranges[i].start < start; i++)
		;
	if (i < eval->n && eval->ranges[i].start == start) { /* in .symtab and in .dynsym */
		if (end > eval->ranges[i].end)
			eval->ranges[i].end = end;
		return 0;
	}
	fresh = realloc(eval->ranges, (eval->n + 1) * sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	eval->ranges = fresh;
	memmove(&fresh[i + 1], &fresh[i], (eval->n - i) * sizeof(*fresh));
	fresh[i] = (struct eval_range){start, end};
	eval->n++;
	return 0;
}

bool eval_contains(const struct eval_ranges *eval, uint64_t vaddr)
{
	for (size_t i = 0; i < eval->n; i++)
		if (vaddr >= eval->ranges[i].start && vaddr < eval->ranges[i].end)
			return true;
	return false;
}

#if defined(__x86_64__)

struct entry {
	uint64_t start;
	uint32_t jumps; /* into its middle, from the known parts */
};

struct entries {
	struct entry *e; /* sorted by start */
	size_t n;
};

static int32_t s32(const uint8_t *p)
{
	int32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The binary search table of .eh_frame_hdr: where every function and fragment begins. */
static struct entries entries_read(const struct image *image, uint64_t hdr)
{
	struct entries out = {0};
	uint8_t head[HDR_BYTES], *table;
	uint32_t n;

	if (image_bytes(image, hdr, head, sizeof(head)) != sizeof(head) || head[0] != 1 ||
		head[1] != ENC_PCREL_SDATA4 || head[2] != ENC_UDATA4 ||
		head[3] != ENC_DATAREL_SDATA4)
		return out;
	n = (uint32_t)s32(head + 8);
	if (!n || n > ENTRIES_MAX)
		return out;
	table = malloc((size_t)n * 8);
	out.e = calloc(n, sizeof(*out.e));
	if (table && out.e &&
		image_bytes(image, hdr + HDR_BYTES, table, (size_t)n * 8) == (size_t)n * 8) {
		for (uint32_t i = 0; i < n; i++)
			out.e[i].start = hdr + (uint64_t)(int64_t)s32(table + i * 8);
		out.n = n;
	}
	for (size_t i = 1; i < out.n; i++)
		if (out.e[i].start <= out.e[i - 1].start)
			out.n = 0; /* not sorted: no table at all */
	free(table);
	return out;
}

/* The entry that holds `vaddr` beyond its first byte, or NULL. */
static struct entry *entry_inside(const struct entries *es, uint64_t vaddr)
{
	size_t low = 0, n = es->n;

	if (!n || vaddr <= es->e[0].start)
		return NULL;
	while (n > 1) {
		size_t half = n / 2;

		if (es->e[low + half].start <= vaddr)
			low += half;
		n -= half;
	}
	return es->e[low].start == vaddr ? NULL : &es->e[low];
}

/* Calls `jump` with the target of whatever looks like jmp rel32 or jcc rel32 in [start, end). */
static void each_jump(const struct image *image, uint64_t start, uint64_t end,
	void (*jump)(void *arg, uint64_t target), void *arg)
{
	size_t bytes = (size_t)(end - start), n;
	uint8_t *code = malloc(bytes);

	n = code ? image_bytes(image, start, code, bytes) : 0;
	for (size_t i = 0; i + 6 <= n; i++) {
		if (code[i] == 0xe9)
			jump(arg, start + i + 5 + (uint64_t)(int64_t)s32(code + i + 1));
		else if (code[i] == 0x0f && (code[i + 1] & 0xf0) == 0x80)
			jump(arg, start + i + 6 + (uint64_t)(int64_t)s32(code + i + 2));
	}
	free(code);
}

static void count_out(void *arg, uint64_t target)
{
	struct entry *e = entry_inside(arg, target);

	if (e)
		e->jumps++;
}

struct back {
	const struct eval_ranges *eval;
	uint32_t jumps;
};

static void count_back(void *arg, uint64_t target)
{
	struct back *b = arg;

	for (size_t i = 0; i < b->eval->n; i++)
		if (target > b->eval->ranges[i].start && target < b->eval->ranges[i].end)
			b->jumps++;
}

/* One round: whether a fragment was added. */
static bool add_proven(struct eval_ranges *eval, const struct image *image, struct entries *es)
{
	bool added = false;

	for (size_t i = 0; i < es->n; i++)
		es->e[i].jumps = 0;
	for (size_t i = 0; i < eval->n; i++)
		each_jump(image, eval->ranges[i].start, eval->ranges[i].end, count_out, es);
	for (size_t i = 0; i + 1 < es->n; i++) {
		uint64_t start = es->e[i].start, end = es->e[i + 1].start;
		struct back back = {.eval = eval};

		if (es->e[i].jumps < MIN_JUMPS || eval_contains(eval, start) ||
			end - start > TEXT_MAX)
			continue;
		each_jump(image, start, end, count_back, &back);
		if (back.jumps >= MIN_JUMPS && !eval_add(eval, start, end))
			added = true;
	}
	return added;
}

void eval_add_fragments(struct eval_ranges *eval, const struct image *image, uint64_t eh_frame_hdr)
{
	struct entries es = entries_read(image, eh_frame_hdr);

	for (int i = 0; es.n && i < ROUNDS && add_proven(eval, image, &es); i++)
		;
	free(es.e);
}

#else

/* Elsewhere the jumps of the instruction set are not known yet: symbols only. */
void eval_add_fragments(struct eval_ranges *eval, const struct image *image, uint64_t eh_frame_hdr)
{
	(void)eval;
	(void)image;
	(void)eh_frame_hdr;
}

#endif
