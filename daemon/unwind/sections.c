/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/sections.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "unwind/reader.h"

enum {
	SECTION_MAX_BYTES = 64 << 20, /* .eh_frame of libLLVM-14, a file of 105 MiB, has 6 MiB */
	NAMES_MAX_BYTES = 16 << 20,
	HEADERS_MAX = 1 << 18,
	PROGRAM_HEADERS_MAX = 256,
	EH_FRAME_HDR_BYTES = 12, /* version, three encodings, eh_frame_ptr of at most 8 bytes */
};

/* All of [offset, offset + bytes) into fresh memory with a NUL behind it. */
static int read_piece(
	const struct sections *s, uint64_t offset, uint64_t bytes, uint64_t max, void **out)
{
	uint8_t *data;
	size_t done = 0;

	if (bytes > max || offset > s->file_bytes || bytes > s->file_bytes - offset)
		return -EINVAL;
	data = malloc(bytes + 1);
	if (!data)
		return -ENOMEM;
	while (done < bytes) {
		ssize_t n = pread(s->image->fd, data + done, bytes - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) { /* the file is shorter now */
			free(data);
			return -EINVAL;
		}
		done += (size_t)n;
	}
	data[bytes] = 0;
	*out = data;
	return 0;
}

static int read_headers(struct sections *s, const Elf64_Ehdr *eh)
{
	uint64_t count = eh->e_shnum, names = eh->e_shstrndx;
	Elf64_Shdr *first = NULL;
	void *data = NULL;
	int rc;

	if (!eh->e_shoff || eh->e_shentsize != sizeof(Elf64_Shdr))
		return -ENOENT;
	if (!count || names == SHN_XINDEX) { /* too many for the header: they are in section 0 */
		rc = read_piece(s, eh->e_shoff, sizeof(*first), sizeof(*first), &data);
		if (rc < 0)
			return rc;
		first = data;
		count = count ? count : first->sh_size;
		names = names == SHN_XINDEX ? first->sh_link : names;
		free(first);
	}
	if (!count || count > HEADERS_MAX || names >= count)
		return -EINVAL;
	rc = read_piece(s, eh->e_shoff, count * sizeof(Elf64_Shdr), SECTION_MAX_BYTES, &data);
	if (rc < 0)
		return rc;
	s->headers = data;
	s->n_headers = count;
	rc = read_piece(
		s, s->headers[names].sh_offset, s->headers[names].sh_size, NAMES_MAX_BYTES, &data);
	if (rc < 0)
		return rc;
	s->names = data;
	s->names_bytes = s->headers[names].sh_size;
	return 0;
}

int sections_open(struct sections *s, const struct image *image)
{
	Elf64_Ehdr *eh;
	void *data;
	int rc;

	memset(s, 0, sizeof(*s));
	s->image = image;
	s->file_bytes = image->size;
	rc = read_piece(s, 0, sizeof(*eh), sizeof(*eh), &data);
	if (rc == 0) {
		eh = data;
		rc = read_headers(s, eh);
		free(eh);
	}
	if (rc < 0 && rc != -ENOMEM) {
		sections_close(s);
		s->n_headers = 0;
		return 0;
	}
	return rc;
}

void sections_close(struct sections *s)
{
	free(s->headers);
	free(s->names);
	s->headers = NULL;
	s->names = NULL;
}

static const Elf64_Shdr *find(const struct sections *s, const char *name)
{
	for (size_t i = 0; i < s->n_headers; i++) {
		const Elf64_Shdr *h = &s->headers[i];

		if (h->sh_name < s->names_bytes && strcmp(s->names + h->sh_name, name) == 0)
			return h;
	}
	return NULL;
}

static int decompress(struct section *section)
{
	Elf64_Chdr ch;
	uLongf bytes;
	uint8_t *data;

	if (section->size < sizeof(ch))
		return -EINVAL;
	memcpy(&ch, section->data, sizeof(ch));
	if (ch.ch_type != ELFCOMPRESS_ZLIB || ch.ch_size > SECTION_MAX_BYTES)
		return -EINVAL;
	bytes = ch.ch_size;
	data = malloc(bytes + 1);
	if (!data)
		return -ENOMEM;
	if (uncompress(data, &bytes, section->data + sizeof(ch), section->size - sizeof(ch)) !=
		Z_OK) {
		free(data);
		return -EINVAL;
	}
	free(section->data);
	section->data = data;
	section->size = bytes;
	return 0;
}

int sections_read(const struct sections *s, const char *name, struct section *section)
{
	const Elf64_Shdr *h = find(s, name);
	void *data;
	int rc;

	memset(section, 0, sizeof(*section));
	if (!h || h->sh_type == SHT_NOBITS || !h->sh_size)
		return -ENOENT;
	rc = read_piece(s, h->sh_offset, h->sh_size, SECTION_MAX_BYTES, &data);
	if (rc < 0)
		return rc;
	section->vaddr = h->sh_addr;
	section->data = data;
	section->size = h->sh_size;
	if (h->sh_flags & SHF_COMPRESSED) {
		rc = decompress(section);
		if (rc < 0)
			section_free(section);
	}
	return rc;
}

bool sections_range(const struct sections *s, const char *name, uint64_t *start, uint64_t *end)
{
	const Elf64_Shdr *h = find(s, name);

	if (!h || !h->sh_addr || !h->sh_size || h->sh_addr + h->sh_size < h->sh_addr)
		return false;
	*start = h->sh_addr;
	*end = h->sh_addr + h->sh_size;
	return true;
}

/* Where .eh_frame_hdr says that .eh_frame is. */
static int eh_frame_vaddr(const struct sections *s, const Elf64_Phdr *hdr, uint64_t *vaddr)
{
	struct reader r;
	void *data;
	int rc = read_piece(s, hdr->p_offset, EH_FRAME_HDR_BYTES, EH_FRAME_HDR_BYTES, &data);
	uint8_t encoding;

	if (rc < 0)
		return rc;
	r = (struct reader){.at = data, .end = (uint8_t *)data + EH_FRAME_HDR_BYTES};
	rc = reader_u8(&r) == 1 ? 0 : -EINVAL; /* version */
	encoding = reader_u8(&r);
	reader_skip(&r, 2);
	*vaddr = reader_pointer(&r, encoding, hdr->p_vaddr + 4);
	free(data);
	return r.bad ? -EINVAL : rc;
}

/* .eh_frame without section headers: from where the header says to the end of its segment; a zero
 * length ends it before that. */
static int read_by_segment(const struct sections *s, const Elf64_Phdr *hdr, struct section *section)
{
	uint64_t vaddr;
	void *data;
	int rc = eh_frame_vaddr(s, hdr, &vaddr);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < s->image->n_segments; i++) {
		const struct image_segment *g = &s->image->segments[i];
		uint64_t skip = vaddr - g->vaddr;

		if (vaddr < g->vaddr || skip >= g->file_bytes)
			continue;
		rc = read_piece(
			s, g->offset + skip, g->file_bytes - skip, SECTION_MAX_BYTES, &data);
		if (rc < 0)
			return rc;
		section->vaddr = vaddr;
		section->data = data;
		section->size = g->file_bytes - skip;
		section->open_ended = true;
		return 0;
	}
	return -EINVAL;
}

int sections_read_eh_frame(const struct sections *s, struct section *section)
{
	int rc = sections_read(s, ".eh_frame", section);
	const Elf64_Phdr *ph;
	Elf64_Ehdr *eh;
	size_t n;
	void *data;

	if (rc == 0 || rc == -ENOMEM)
		return rc;
	rc = read_piece(s, 0, sizeof(*eh), sizeof(*eh), &data);
	if (rc < 0)
		return rc;
	eh = data;
	n = eh->e_phentsize == sizeof(*ph) && eh->e_phnum <= PROGRAM_HEADERS_MAX ? eh->e_phnum : 0;
	rc = read_piece(s, eh->e_phoff, n * sizeof(*ph), SECTION_MAX_BYTES, &data);
	free(eh);
	if (rc < 0)
		return rc;
	rc = -ENOENT;
	ph = data;
	for (size_t i = 0; i < n && rc == -ENOENT; i++)
		if (ph[i].p_type == PT_GNU_EH_FRAME)
			rc = read_by_segment(s, &ph[i], section);
	free(data);
	return rc;
}

void section_free(struct section *section)
{
	free(section->data);
	memset(section, 0, sizeof(*section));
}
