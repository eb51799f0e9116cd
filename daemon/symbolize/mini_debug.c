/* SPDX-License-Identifier: BSD-2-Clause */
/* "MiniDebugInfo" (GDB manual of that name): section .gnu_debugdata holds an xz-compressed ELF file
 * whose .symtab names the functions that .dynsym does not. Fedora and its relatives ship it in
 * every binary. */
#include "symbolize/index.h"

#include <lzma.h>
#include <stdlib.h>

#include "base/buf.h"

enum {
	PACKED_BYTES_MAX =
		16 << 20, /* libc's is 20 kB; the largest seen in distributions are a few MB */
	ELF_BYTES_MAX = 64 << 20,
	STEP_BYTES = 256 << 10,
};
#define DECODER_BYTES_MAX ((uint64_t)128 << 20)

static bool unpack(const uint8_t *packed, size_t bytes, struct buf *out)
{
	lzma_stream x = LZMA_STREAM_INIT;
	lzma_ret rc = lzma_stream_decoder(&x, DECODER_BYTES_MAX, 0);

	x.next_in = packed;
	x.avail_in = bytes;
	while (rc == LZMA_OK && buf_reserve(out, STEP_BYTES) == 0) {
		x.next_out = (uint8_t *)out->data + out->len;
		x.avail_out = STEP_BYTES;
		rc = lzma_code(&x, LZMA_FINISH);
		out->len += STEP_BYTES - x.avail_out;
	}
	lzma_end(&x);
	return rc == LZMA_STREAM_END;
}

bool mini_debug_open(struct elf_file *mini, const struct elf_file *file)
{
	const Elf64_Shdr *section = elf_file_section(file, ".gnu_debugdata");
	struct buf elf;
	uint8_t *packed;
	size_t bytes;
	bool ok;

	if (!section)
		return false;
	packed = elf_file_load(file, section, PACKED_BYTES_MAX, &bytes);
	if (!packed)
		return false;
	buf_init(&elf, ELF_BYTES_MAX);
	ok = unpack(packed, bytes, &elf);
	free(packed);
	if (!ok) {
		buf_free(&elf);
		return false;
	}
	if (elf_file_memory(mini, (uint8_t *)elf.data, elf.len) == 0)
		return true;
	elf_file_close(mini);
	return false;
}
