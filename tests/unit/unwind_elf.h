/* SPDX-License-Identifier: BSD-2-Clause */
/* Small ELF files with call frame information made by hand, for the tests of unwind/. */
#ifndef PROFD_TESTS_UNWIND_ELF_H
#define PROFD_TESTS_UNWIND_ELF_H

#include <elf.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "process/process.h"

/* Bytes of a section on their way. */
struct bytes {
	uint8_t data[16384];
	size_t n;
};

static inline void put(struct bytes *b, const void *data, size_t n)
{
	assert_true(b->n + n <= sizeof(b->data));
	memcpy(b->data + b->n, data, n);
	b->n += n;
}

static inline void put_u8(struct bytes *b, uint8_t v)
{
	put(b, &v, sizeof(v));
}

static inline void put_u32(struct bytes *b, uint32_t v)
{
	put(b, &v, sizeof(v));
}

static inline void put_u64(struct bytes *b, uint64_t v)
{
	put(b, &v, sizeof(v));
}

/* Begins an entry; returns where its length stands. */
static inline size_t entry_begin(struct bytes *b)
{
	put_u32(b, 0);
	return b->n - 4;
}

static inline void entry_end(struct bytes *b, size_t at)
{
	uint32_t n;

	while (b->n % 8)
		put_u8(b, 0); /* DW_CFA_nop */
	n = (uint32_t)(b->n - at - 4);
	memcpy(b->data + at, &n, sizeof(n));
}

/* A CIE as compilers write it, CFA = rsp + 8, return address at CFA - 8; absolute addresses of 8
 * bytes. Returns its offset. */
static inline size_t put_cie(struct bytes *b, const char *augmentation, bool debug_frame)
{
	static const uint8_t program[] = {0x0c, 7, 8, 0x80 | 16, 1};
	size_t at = entry_begin(b);

	put_u32(b, debug_frame ? UINT32_MAX : 0);
	put_u8(b, 1); /* version */
	put(b, augmentation, strlen(augmentation) + 1);
	put_u8(b, 1);    /* code alignment */
	put_u8(b, 0x78); /* data alignment: -8 */
	put_u8(b, 16);   /* return address */
	if (augmentation[0] == 'z')
		put_u8(b, 0); /* no augmentation data */
	put(b, program, sizeof(program));
	entry_end(b, at);
	return at;
}

static inline void put_fde(struct bytes *b, size_t cie, bool debug_frame, uint64_t start,
	uint64_t size, const void *program, size_t program_bytes)
{
	size_t at = entry_begin(b);

	put_u32(b, (uint32_t)(debug_frame ? cie : b->n - cie));
	put_u64(b, start);
	put_u64(b, size);
	if (!debug_frame)
		put_u8(b, 0); /* augmentation data of "z" */
	put(b, program, program_bytes);
	entry_end(b, at);
}

enum { TEXT_AT = 0x10000, TEXT_BYTES = 0x60000 };

struct elf_parts {
	const struct bytes *eh_frame, *debug_frame; /* NULL: no such section */
	bool by_segment;                            /* no section headers, but .eh_frame_hdr */
};

/* Layout: ELF header, three program headers, four section headers and their names, then the
 * sections. The text is one executable segment at TEXT_AT; what lies there does not matter. */
static inline struct image *elf_image(const struct elf_parts *parts)
{
	static const char names[] = "\0.eh_frame\0.debug_frame\0.names";
	enum { HDR_AT = 0x800, EH_AT = 0x1000, DEBUG_AT = 0x6000, EH_VADDR = 0x1000, SECTIONS = 4 };
	Elf64_Ehdr e = {
		.e_type = ET_DYN, .e_machine = EM_X86_64, .e_version = 1, .e_ehsize = sizeof(e)};
	Elf64_Phdr ph[3] = {
		{.p_type = PT_LOAD, .p_flags = PF_R, .p_filesz = DEBUG_AT, .p_memsz = DEBUG_AT},
		{.p_type = PT_LOAD,
			.p_flags = PF_R | PF_X,
			.p_offset = TEXT_AT,
			.p_vaddr = TEXT_AT,
			.p_filesz = TEXT_BYTES,
			.p_memsz = TEXT_BYTES},
		{.p_type = PT_GNU_EH_FRAME, .p_offset = HDR_AT, .p_vaddr = HDR_AT, .p_filesz = 12}};
	Elf64_Shdr sh[SECTIONS] = {{0}};
	uint8_t hdr[12] = {1, 0x1b, 0xff, 0xff};
	int32_t distance = EH_VADDR - (HDR_AT + 4);
	int fd = memfd_create("elf", MFD_CLOEXEC);
	struct err err;

	memcpy(hdr + 4, &distance, sizeof(distance));
	memcpy(e.e_ident, ELFMAG, SELFMAG);
	e.e_ident[EI_CLASS] = ELFCLASS64;
	e.e_ident[EI_DATA] = ELFDATA2LSB;
	e.e_ident[EI_VERSION] = EV_CURRENT;
	e.e_phoff = sizeof(e);
	e.e_phentsize = sizeof(ph[0]);
	e.e_phnum = parts->by_segment ? 3 : 2;
	if (!parts->by_segment) {
		e.e_shoff = 0x200;
		e.e_shentsize = sizeof(sh[0]);
		e.e_shnum = SECTIONS;
		e.e_shstrndx = 3;
	}
	sh[1] = (Elf64_Shdr){
		.sh_name = 1, .sh_type = SHT_PROGBITS, .sh_addr = EH_VADDR, .sh_offset = EH_AT};
	sh[1].sh_size = parts->eh_frame ? parts->eh_frame->n : 0;
	sh[2] = (Elf64_Shdr){.sh_name = 11, .sh_type = SHT_PROGBITS, .sh_offset = DEBUG_AT};
	sh[2].sh_size = parts->debug_frame ? parts->debug_frame->n : 0;
	sh[3] = (Elf64_Shdr){
		.sh_name = 24, .sh_type = SHT_STRTAB, .sh_offset = 0x400, .sh_size = sizeof(names)};
	assert_true(fd >= 0 && ftruncate(fd, TEXT_AT + TEXT_BYTES) == 0);
	assert_int_equal(pwrite(fd, &e, sizeof(e), 0), sizeof(e));
	assert_int_equal(pwrite(fd, ph, sizeof(ph), sizeof(e)), sizeof(ph));
	assert_int_equal(pwrite(fd, sh, sizeof(sh), 0x200), sizeof(sh));
	assert_int_equal(pwrite(fd, names, sizeof(names), 0x400), sizeof(names));
	assert_int_equal(pwrite(fd, hdr, sizeof(hdr), HDR_AT), sizeof(hdr));
	if (parts->eh_frame)
		assert_true(pwrite(fd, parts->eh_frame->data, parts->eh_frame->n, EH_AT) > 0);
	if (parts->debug_frame)
		assert_true(
			pwrite(fd, parts->debug_frame->data, parts->debug_frame->n, DEBUG_AT) > 0);
	return image_open(fd, "test.so", &err);
}

#endif
