/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/starts.h"

#include <stdlib.h>
#include <string.h>

/* DW_EH_PE_* as every linker writes them: the count in four bytes, the table as signed four-byte
 * offsets from the section's start. */
enum {
	COUNT_UDATA4 = 0x03,
	TABLE_DATAREL_SDATA4 = 0x3b,
	STARTS_MAX_BYTES = 64 << 20,
	PAIR_BYTES = 8
};

/* Bytes of the pointer to .eh_frame, which stands between the header and the count. */
static size_t pointer_bytes(uint8_t encoding)
{
	switch (encoding & 0x0f) {
	case 0x03: /* udata4 */
	case 0x0b: /* sdata4 */
		return 4;
	case 0x00: /* absptr */
	case 0x04: /* udata8 */
	case 0x0c: /* sdata8 */
		return 8;
	default:
		return 0;
	}
}

/* The first words of the pairs, as long as they ascend. */
static bool table_copy(struct starts *st, const uint8_t *pairs, size_t n)
{
	st->offsets = malloc((n ? n : 1) * sizeof(*st->offsets));
	if (!st->offsets)
		return false;
	for (size_t i = 0; i < n; i++) {
		int32_t offset;

		memcpy(&offset, pairs + i * PAIR_BYTES, sizeof(offset));
		if (st->n && offset < st->offsets[st->n - 1])
			break;
		st->offsets[st->n++] = offset;
	}
	return true;
}

bool starts_read(struct starts *st, const struct elf_file *file)
{
	const Elf64_Shdr *section = elf_file_section(file, ".eh_frame_hdr");
	uint8_t *data;
	size_t bytes, at;
	uint32_t count;
	bool good = true;

	*st = (struct starts){0};
	data = section ? elf_file_load(file, section, STARTS_MAX_BYTES, &bytes) : NULL;
	if (!data)
		return true;
	at = bytes > 4 && data[0] == 1 ? pointer_bytes(data[1]) : 0;
	if (at && data[2] == COUNT_UDATA4 && data[3] == TABLE_DATAREL_SDATA4 &&
		bytes >= 4 + at + sizeof(count)) {
		size_t pairs = (bytes - 4 - at - sizeof(count)) / PAIR_BYTES;

		memcpy(&count, data + 4 + at, sizeof(count));
		st->base = section->sh_addr;
		good = table_copy(st, data + 4 + at + sizeof(count), count < pairs ? count : pairs);
	}
	free(data);
	return good;
}

void starts_free(struct starts *st)
{
	free(st->offsets);
	*st = (struct starts){0};
}

bool starts_find(const struct starts *st, uint64_t vaddr, uint64_t *start)
{
	size_t low = 0, high = st->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (st->base + (uint64_t)(int64_t)st->offsets[mid] <= vaddr)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return false;
	*start = st->base + (uint64_t)(int64_t)st->offsets[low - 1];
	return true;
}
