/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/reader.h"

uint64_t reader_uleb(struct reader *r)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = reader_u8(r);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift = shift < 64 ? shift + 7 : shift;
	} while (byte & 0x80);
	return value;
}

int64_t reader_sleb(struct reader *r)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = reader_u8(r);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift = shift < 64 ? shift + 7 : shift;
	} while (byte & 0x80);
	if (shift < 64 && (byte & 0x40))
		value |= ~0ULL << shift;
	return (int64_t)value;
}

static uint64_t pointer_value(struct reader *r, uint8_t format)
{
	switch (format) {
	case POINTER_ABSOLUTE:
	case POINTER_U8:
	case POINTER_S8:
		return reader_u64(r);
	case POINTER_ULEB:
		return reader_uleb(r);
	case POINTER_SLEB:
		return (uint64_t)reader_sleb(r);
	case POINTER_U2:
		return reader_u16(r);
	case POINTER_S2:
		return (uint64_t)(int64_t)(int16_t)reader_u16(r);
	case POINTER_U4:
		return reader_u32(r);
	case POINTER_S4:
		return (uint64_t)(int64_t)(int32_t)reader_u32(r);
	default:
		r->bad = true;
		return 0;
	}
}

uint64_t reader_pointer(struct reader *r, uint8_t encoding, uint64_t vaddr)
{
	uint64_t value;

	if (encoding == POINTER_OMIT)
		return 0;
	value = pointer_value(r, encoding & POINTER_FORMAT);
	switch (encoding & ~POINTER_FORMAT) {
	case 0:
		return value;
	case POINTER_PC_RELATIVE:
		return value + vaddr;
	default:
		r->bad = true;
		return 0;
	}
}
