/* SPDX-License-Identifier: BSD-2-Clause */
/* The sections of an ELF file that hold unwind information, read into memory. Files are hostile:
 * every number is checked against the size of the file, and nothing is mapped (a file that shrinks
 * would kill us). */
#ifndef PROFD_UNWIND_SECTIONS_H
#define PROFD_UNWIND_SECTIONS_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/process.h"

struct sections {
	const struct image *image;
	uint64_t file_bytes;
	Elf64_Shdr *headers; /* NULL: the file has none */
	size_t n_headers;
	char *names; /* NUL-terminated as a whole */
	size_t names_bytes;
};

struct section {
	uint64_t vaddr;
	uint8_t *data; /* owned */
	size_t size;
	bool open_ended; /* its own end is not known: what a terminator ends may be followed by
			    anything */
};

/* 0 also where the section headers are missing or broken: then there are none. -ENOMEM. */
int sections_open(struct sections *s, const struct image *image);
void sections_close(struct sections *s);

/* Contents of the named section, decompressed. 0, -ENOENT, -ENOMEM, or -EINVAL where it is broken
 * or too large. */
int sections_read(const struct sections *s, const char *name, struct section *section);

/* .eh_frame, found by name or else through the program headers (PT_GNU_EH_FRAME). Likewise. */
int sections_read_eh_frame(const struct sections *s, struct section *section);

/* Address range of a section, without its contents. False: not there. */
bool sections_range(const struct sections *s, const char *name, uint64_t *start, uint64_t *end);

void section_free(struct section *section);

#endif
