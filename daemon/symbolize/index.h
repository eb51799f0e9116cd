/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of one ELF image, sorted by address. 24 bytes each: names stay in the file (or in
 * the decompressed .gnu_debugdata) and are read when they are asked for. */
#ifndef PROFD_SYMBOLIZE_INDEX_H
#define PROFD_SYMBOLIZE_INDEX_H

#include <stdint.h>

#include "process/process.h"
#include "symbolize/elf_file.h"
#include "symbolize/starts.h"

struct index_entry {
	uint64_t value; /* virtual address of the function */
	uint32_t bytes; /* its length; never 0 in a finished index */
	uint32_t name;  /* table number << NAME_BITS | offset into that table's strings */
	uint32_t outer; /* index + 1 of the nearest earlier entry that reaches beyond our start; 0:
			   none */
	uint32_t
		text; /* for the owner of the index: where it keeps the finished name; 0 at first */
};

struct index {
	struct index_entry *entries;
	size_t count;
	struct index_table {
		struct elf_file *file;
		uint64_t strings_at, strings_bytes; /* in the file */
	} tables[3]; /* .dynsym, .symtab of image or debug file, .symtab of .gnu_debugdata */
	struct elf_file image, debug, mini;
	struct starts starts; /* of all functions, with or without a symbol; read on first need */
	bool starts_read;
	uint64_t used_at; /* for the owner: when it was last asked */
};

/* An image without any symbol gives an index with no entries. NULL: out of memory. The index reads
 * names through image->fd, so it may not outlive the image where it is asked for names again. */
struct index *index_build(const struct image *image, const char *debug_folder);
void index_free(struct index *x);
size_t index_bytes(const struct index *x); /* of memory */

/* The innermost function that holds the address, or NULL. */
struct index_entry *index_find(const struct index *x, uint64_t vaddr);

/* Start of the function that holds the address, as far as the unwind entries tell. */
bool index_start(struct index *x, uint64_t vaddr, uint64_t *start);

/* The name as it stands in the file, without its version. False: the file does not hold it any
 * more. */
bool index_name(const struct index *x, const struct index_entry *e, char *name, size_t bytes);

/* ---- where symbols hide when the image has none: debug_file.c, mini_debug.c ---------------------
 */

/* The separate debug file that belongs to the image, opened into `debug`; false: there is none. */
bool debug_file_open(struct elf_file *debug, const struct elf_file *file, const struct image *image,
	const char *debug_folder);

/* The ELF file compressed into section .gnu_debugdata; false: there is none, or it is not sound. */
bool mini_debug_open(struct elf_file *mini, const struct elf_file *file);

#endif
