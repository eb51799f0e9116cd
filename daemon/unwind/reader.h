/* SPDX-License-Identifier: BSD-2-Clause */
/* Bounded reading of the encodings that call frame information consists of. A read beyond the end
 * yields 0 and sets `bad`, which stays set: check it once after several reads. */
#ifndef PROFD_UNWIND_READER_H
#define PROFD_UNWIND_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
	const uint8_t *at, *end;
	bool bad;
};

/* Encodings of pointers (DW_EH_PE_*, Linux Standard Base 10.5.1). */
enum pointer_encoding {
	POINTER_ABSOLUTE = 0x00,
	POINTER_ULEB = 0x01,
	POINTER_U2 = 0x02,
	POINTER_U4 = 0x03,
	POINTER_U8 = 0x04,
	POINTER_SLEB = 0x09,
	POINTER_S2 = 0x0a,
	POINTER_S4 = 0x0b,
	POINTER_S8 = 0x0c,
	POINTER_FORMAT = 0x0f,
	POINTER_RELATIVE_MASK = 0x70,
	POINTER_PC_RELATIVE = 0x10,
	POINTER_INDIRECT = 0x80,
	POINTER_OMIT = 0xff,
};

static inline size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->at);
}

static inline void reader_bytes(struct reader *r, void *to, size_t n)
{
	if (reader_left(r) < n) {
		memset(to, 0, n);
		r->at = r->end;
		r->bad = true;
		return;
	}
	memcpy(to, r->at, n);
	r->at += n;
}

static inline void reader_skip(struct reader *r, uint64_t n)
{
	if (reader_left(r) < n) {
		r->at = r->end;
		r->bad = true;
		return;
	}
	r->at += n;
}

static inline uint8_t reader_u8(struct reader *r)
{
	uint8_t v;

	reader_bytes(r, &v, sizeof(v));
	return v;
}

static inline uint16_t reader_u16(struct reader *r)
{
	uint16_t v;

	reader_bytes(r, &v, sizeof(v));
	return v;
}

static inline uint32_t reader_u32(struct reader *r)
{
	uint32_t v;

	reader_bytes(r, &v, sizeof(v));
	return v;
}

static inline uint64_t reader_u64(struct reader *r)
{
	uint64_t v;

	reader_bytes(r, &v, sizeof(v));
	return v;
}

/* LEB128; bits beyond 64 are dropped. */
uint64_t reader_uleb(struct reader *r);
int64_t reader_sleb(struct reader *r);

/* A pointer by its encoding; `vaddr` is the address of the first byte read. Relative to something
 * else than that address, or indirect: `bad`. */
uint64_t reader_pointer(struct reader *r, uint8_t encoding, uint64_t vaddr);

#endif
