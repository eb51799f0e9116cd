/* SPDX-License-Identifier: BSD-2-Clause */
/* An ELF file's section table and bytes, read by pread into bounded memory. Nothing here trusts the
 * file: it may be crafted, cut short, or be rewritten while it is read. */
#ifndef PROFD_SYMBOLIZE_ELF_FILE_H
#define PROFD_SYMBOLIZE_ELF_FILE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file {
	int fd;         /* -1: the bytes are in memory */
	bool owns_fd;   /* close it at the end */
	uint8_t *bytes; /* owned; NULL: in the file */
	uint64_t size;
	Elf64_Shdr *sections;
	size_t n_sections;
	Elf64_Shdr names; /* the table of section names */
};

/* -ENOEXEC where it is no ELF64 file with a section table; -ENOMEM. `f` may be closed in any case.
 * elf_file_borrow leaves `fd` with the caller; elf_file_own and elf_file_memory take what they are
 * given. */
int elf_file_borrow(struct elf_file *f, int fd);
int elf_file_own(struct elf_file *f, int fd);
int elf_file_memory(struct elf_file *f, uint8_t *bytes, size_t size);
void elf_file_close(struct elf_file *f);

/* How many bytes there were, up to `bytes`: fewer at the end of the file or at a read error. */
size_t elf_file_read(const struct elf_file *f, void *data, size_t bytes, uint64_t offset);

const Elf64_Shdr *elf_file_section(const struct elf_file *f, const char *name);
const Elf64_Shdr *elf_file_section_of_type(const struct elf_file *f, uint32_t type);

/* The section's bytes with a NUL behind them, for the caller to free; NULL where they are more than
 * `max_bytes`, not in the file, or compressed. */
uint8_t *elf_file_load(
	const struct elf_file *f, const Elf64_Shdr *section, size_t max_bytes, size_t *bytes);

#endif
