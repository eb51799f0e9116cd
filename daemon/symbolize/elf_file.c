/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/elf_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

enum { SECTIONS_MAX = 1 << 16, SECTION_NAME_MAX = 32 };

size_t elf_file_read(const struct elf_file *f, void *data, size_t bytes, uint64_t offset)
{
	size_t done = 0;

	if (offset >= f->size)
		return 0;
	if (bytes > f->size - offset)
		bytes = (size_t)(f->size - offset);
	if (f->bytes) {
		memcpy(data, f->bytes + offset, bytes);
		return bytes;
	}
	while (done < bytes) {
		ssize_t n = pread(f->fd, (char *)data + done, bytes - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

static bool read_exactly(const struct elf_file *f, void *data, size_t bytes, uint64_t offset)
{
	return elf_file_read(f, data, bytes, offset) == bytes;
}

/* The counts that do not fit into the header stand in section 0 (gABI, "extended section header").
 */
static int read_sections(struct elf_file *f)
{
	Elf64_Ehdr e;
	Elf64_Shdr first;
	uint64_t n, names;

	if (!read_exactly(f, &e, sizeof(e), 0) || memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 ||
		e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_ident[EI_DATA] != ELFDATA2LSB ||
		e.e_shentsize != sizeof(Elf64_Shdr) || !e.e_shoff)
		return -ENOEXEC;
	if (!read_exactly(f, &first, sizeof(first), e.e_shoff))
		return -ENOEXEC;
	n = e.e_shnum ? e.e_shnum : first.sh_size;
	names = e.e_shstrndx == SHN_XINDEX ? first.sh_link : e.e_shstrndx;
	if (!n || n > SECTIONS_MAX)
		return -ENOEXEC;
	f->sections = malloc(n * sizeof(*f->sections));
	if (!f->sections)
		return -ENOMEM;
	f->n_sections = elf_file_read(f, f->sections, n * sizeof(*f->sections), e.e_shoff) /
			sizeof(*f->sections);
	if (names < f->n_sections)
		f->names = f->sections[names];
	return f->n_sections ? 0 : -ENOEXEC;
}

static int open_fd(struct elf_file *f, int fd, bool own)
{
	struct stat st;

	*f = (struct elf_file){.fd = fd, .owns_fd = own};
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0)
		return -ENOEXEC;
	f->size = (uint64_t)st.st_size;
	return read_sections(f);
}

int elf_file_borrow(struct elf_file *f, int fd)
{
	return open_fd(f, fd, false);
}

int elf_file_own(struct elf_file *f, int fd)
{
	return open_fd(f, fd, true);
}

int elf_file_memory(struct elf_file *f, uint8_t *bytes, size_t size)
{
	*f = (struct elf_file){.fd = -1, .bytes = bytes, .size = size};
	return read_sections(f);
}

void elf_file_close(struct elf_file *f)
{
	if (f->owns_fd)
		fd_close(&f->fd);
	free(f->bytes);
	free(f->sections);
	*f = (struct elf_file){.fd = -1};
}

static bool section_is_named(const struct elf_file *f, const Elf64_Shdr *s, const char *name)
{
	char found[SECTION_NAME_MAX];
	size_t bytes = strlen(name) + 1;

	if (s->sh_name >= f->names.sh_size || bytes > f->names.sh_size - s->sh_name ||
		f->names.sh_offset > f->size || bytes > sizeof(found))
		return false;
	return read_exactly(f, found, bytes, f->names.sh_offset + s->sh_name) &&
	       !memcmp(found, name, bytes);
}

const Elf64_Shdr *elf_file_section(const struct elf_file *f, const char *name)
{
	for (size_t i = 1; i < f->n_sections; i++)
		if (section_is_named(f, &f->sections[i], name))
			return &f->sections[i];
	return NULL;
}

const Elf64_Shdr *elf_file_section_of_type(const struct elf_file *f, uint32_t type)
{
	for (size_t i = 1; i < f->n_sections; i++)
		if (f->sections[i].sh_type == type)
			return &f->sections[i];
	return NULL;
}

uint8_t *elf_file_load(
	const struct elf_file *f, const Elf64_Shdr *section, size_t max_bytes, size_t *bytes)
{
	uint8_t *data;

	if (section->sh_type == SHT_NOBITS || (section->sh_flags & SHF_COMPRESSED) ||
		section->sh_offset >= f->size || section->sh_size > f->size - section->sh_offset ||
		section->sh_size > max_bytes)
		return NULL;
	data = malloc(section->sh_size + 1);
	if (!data)
		return NULL;
	if (!read_exactly(f, data, section->sh_size, section->sh_offset)) {
		free(data);
		return NULL;
	}
	data[section->sh_size] = '\0';
	*bytes = section->sh_size;
	return data;
}
