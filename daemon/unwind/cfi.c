/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/cfi.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "unwind/reader.h"

enum {
	ROWS_MAX = 16 << 20, /* libLLVM-14 has one million */
	DWARF64_MARK = 0xffffffff,
	AUGMENTATION_MAX = 8,
	CIES_MAX = 1 << 16, /* linkers merge equal ones: libLLVM-14 has one, node 14 */
};

/* One pass over a section. */
struct pass {
	struct cfi *cfi;
	const struct section *section;
	enum cfi_source source;
	struct map *cies;  /* offset in the section -> struct cfi_entry */
	size_t cies_bytes; /* of their instructions */
};

/* The head that CIEs and FDEs share. */
struct head {
	size_t offset; /* of the entry, in the section */
	size_t id_offset;
	uint64_t id;
	bool is_64;
	struct reader body; /* after the id */
};

static int grow(void **array, size_t *cap, size_t n, size_t element_bytes, size_t max)
{
	size_t more = *cap ? *cap * 2 : 1024;
	void *p;

	if (n < *cap)
		return 0;
	if (n >= max)
		return -E2BIG;
	p = realloc(*array, more * element_bytes);
	if (!p)
		return -ENOMEM;
	*array = p;
	*cap = more;
	return 0;
}

int cfi_add_row(struct cfi *cfi, struct cfi_range *range, uint64_t offset, uint16_t rule)
{
	struct cfi_row *last = range->n ? &cfi->rows[cfi->n_rows - 1] : NULL;
	int rc;

	if (last && last->offset == offset) { /* nothing between them: only the later one counts */
		last->rule = rule;
		return 0;
	}
	if (last && last->rule == rule)
		return 0;
	rc = grow((void **)&cfi->rows, &cfi->cap_rows, cfi->n_rows, sizeof(*cfi->rows), ROWS_MAX);
	if (rc < 0)
		return rc;
	cfi->rows[cfi->n_rows++] = (struct cfi_row){.offset = (uint32_t)offset, .rule = rule};
	range->n++;
	return 0;
}

static bool is_executable(const struct image *image, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < image->n_segments; i++) {
		const struct image_segment *s = &image->segments[i];

		if (s->flags & PF_X && start >= s->vaddr && end > start &&
			end - s->vaddr <= s->file_bytes)
			return true;
	}
	return false;
}

static int add_range(struct cfi *cfi, const struct cfi_range *range)
{
	int rc = grow(
		(void **)&cfi->ranges, &cfi->cap_ranges, cfi->n_ranges, sizeof(*range), ROWS_MAX);

	if (rc == 0 && range->n)
		cfi->ranges[cfi->n_ranges++] = *range;
	return rc;
}

int cfi_add_range(
	struct cfi *cfi, uint64_t start, uint64_t end, uint16_t rule, enum cfi_source source)
{
	struct cfi_range range = {
		.start = start, .end = end, .first = (uint32_t)cfi->n_rows, .source = source};
	int rc;

	if (!is_executable(cfi->image, start, end) || end - start > UINT32_MAX)
		return 0;
	rc = cfi_add_row(cfi, &range, 0, rule);
	return rc < 0 ? rc : add_range(cfi, &range);
}

void cfi_free(struct cfi *cfi)
{
	free(cfi->rows);
	free(cfi->ranges);
	cfi->rows = NULL;
	cfi->ranges = NULL;
	cfi->n_rows = cfi->n_ranges = cfi->cap_rows = cfi->cap_ranges = 0;
}

/* ---- CIEs ------------------------------------------------------------------------------------ */

static uint64_t vaddr_at(const struct pass *p, const uint8_t *at)
{
	return p->section->vaddr + (uint64_t)(at - p->section->data);
}

/* Reads the entry at `offset`. False: there is none (the end). */
static bool read_head(const struct pass *p, size_t offset, struct head *h, size_t *next)
{
	struct reader r = {
		.at = p->section->data + offset, .end = p->section->data + p->section->size};
	uint64_t bytes = reader_u32(&r);

	h->offset = offset;
	h->id = 0;
	h->is_64 = bytes == DWARF64_MARK;
	if (h->is_64)
		bytes = reader_u64(&r);
	if (r.bad || bytes > reader_left(&r))
		return false;
	*next = (size_t)(r.at - p->section->data) + bytes;
	h->body = (struct reader){.at = r.at, .end = r.at + bytes};
	h->id_offset = (size_t)(r.at - p->section->data);
	if (!bytes) /* a terminator; where the size is known there may be more behind it */
		return !p->section->open_ended;
	h->id = h->is_64 && p->source == CFI_DEBUG_FRAME ? reader_u64(&h->body)
							 : reader_u32(&h->body);
	return true;
}

static bool is_cie(const struct pass *p, const struct head *h)
{
	if (p->source == CFI_EH_FRAME)
		return h->id == 0;
	return h->id == (h->is_64 ? UINT64_MAX : UINT32_MAX);
}

/* Letters of the augmentation string, and the data that goes with them. */
static void read_augmentation(
	const struct pass *p, struct cfi_entry *cie, const char *letters, struct reader *r)
{
	uint64_t bytes = reader_uleb(r);
	struct reader data = {.at = r->at, .end = r->at};

	reader_skip(r, bytes);
	data.end = r->at;
	cie->augmented = true;
	for (; *letters && !data.bad; letters++) {
		uint8_t encoding;

		switch (*letters) {
		case 'R':
			cie->pointer_encoding = reader_u8(&data);
			break;
		case 'S':
			cie->signal_frame = true;
			break;
		case 'L':
			reader_u8(&data);
			break;
		case 'P': /* the value is of no interest, only its size */
			encoding = reader_u8(&data);
			reader_pointer(&data, encoding & POINTER_FORMAT, vaddr_at(p, data.at));
			break;
		case 'B': /* arm64 */
			break;
		default: /* unknown, but its data's size is known: what stands before it holds */
			return;
		}
	}
	cie->bad |= data.bad;
}

static void read_cie_fields(const struct pass *p, struct cfi_entry *cie, struct reader *r)
{
	char letters[AUGMENTATION_MAX + 1] = "";
	uint8_t version = reader_u8(r);
	size_t n = 0;

	for (uint8_t c; (c = reader_u8(r)) != 0; n++) {
		if (n == AUGMENTATION_MAX) {
			cie->bad = true;
			return;
		}
		letters[n] = (char)c;
	}
	if (version == 4 && (reader_u8(r) != 8 || reader_u8(r) != 0))
		cie->bad = true; /* addresses of another size, or segmented */
	cie->code_align = reader_uleb(r);
	cie->data_align = reader_sleb(r);
	cie->ra_register = version == 1 ? reader_u8(r) : reader_uleb(r);
	cie->pointer_encoding = POINTER_ABSOLUTE;
	if (letters[0] == 'z')
		read_augmentation(p, cie, letters + 1, r);
	else if (letters[0])
		cie->bad = true;
	if (r->bad || (version != 1 && version != 3 && version != 4) ||
		cie->ra_register != PROFD_REG_RIP)
		cie->bad = true;
}

/* Instructions of a CIE. Together those of all CIEs are no longer than the section, unless CIEs lie
 * one inside the other, by the thousand, to keep us busy. */
static bool run_cie(struct pass *p, struct cfi_entry *cie, const struct reader *r)
{
	p->cies_bytes += reader_left(r);
	if (p->cies_bytes > p->section->size)
		return false;
	return cfi_run(p->cfi, cie, r->at, r->end, vaddr_at(p, r->at), &cie->initial, NULL) == 0;
}

static void read_cie(struct pass *p, uint64_t offset, struct cfi_entry *cie)
{
	struct head h;
	size_t next;

	cie->bad = true;
	if (offset >= p->section->size || !read_head(p, offset, &h, &next) ||
		!reader_left(&h.body) || !is_cie(p, &h))
		return;
	cie->bad = false;
	read_cie_fields(p, cie, &h.body);
	if (!cie->bad && !run_cie(p, cie, &h.body))
		cie->bad = true;
}

/* The CIE at `offset`, parsed once. NULL: out of memory. */
static const struct cfi_entry *get_cie(struct pass *p, uint64_t offset)
{
	static const struct cfi_entry one_too_many = {.bad = true};
	struct cfi_entry *cie = map_get(p->cies, &offset);

	if (cie)
		return cie;
	if (map_count(p->cies) >= CIES_MAX)
		return &one_too_many;
	cie = map_put(p->cies, &offset, NULL);
	if (cie)
		read_cie(p, offset, cie);
	return cie;
}

/* ---- FDEs ------------------------------------------------------------------------------------ */

/* Rows that precede a malformed instruction hold up to there, from where nothing is known. */
static int run_fde(
	struct pass *p, const struct cfi_entry *cie, struct reader *r, struct cfi_range *range)
{
	struct cfi_state state = cie->initial;
	int rc = cfi_run(p->cfi, cie, r->at, r->end, vaddr_at(p, r->at), &state, range);

	if (rc == -EINVAL) {
		p->cfi->bad_entries++;
		rc = 0;
	}
	return rc < 0 ? rc : add_range(p->cfi, range);
}

static int read_fde(struct pass *p, struct head *h)
{
	uint64_t at = p->source == CFI_EH_FRAME ? h->id_offset - h->id : h->id;
	struct cfi_range range = {.source = p->source, .first = (uint32_t)p->cfi->n_rows};
	const struct cfi_entry *cie;
	uint64_t bytes;

	if (p->source == CFI_EH_FRAME && h->id > h->id_offset) {
		p->cfi->bad_entries++;
		return 0;
	}
	cie = get_cie(p, at);
	if (!cie)
		return -ENOMEM;
	range.start = reader_pointer(&h->body, cie->pointer_encoding, vaddr_at(p, h->body.at));
	bytes = reader_pointer(&h->body, cie->pointer_encoding & POINTER_FORMAT, 0);
	if (cie->augmented)
		reader_skip(&h->body, reader_uleb(&h->body));
	if (cie->bad || h->body.bad) {
		p->cfi->bad_entries++;
		return 0;
	}
	range.end = range.start + bytes;
	if (bytes > UINT32_MAX || !is_executable(p->cfi->image, range.start, range.end))
		return 0; /* also functions that the linker dropped: their address is 0 */
	return run_fde(p, cie, &h->body, &range);
}

int cfi_read(struct cfi *cfi, const struct section *section, enum cfi_source source)
{
	struct pass p = {.cfi = cfi, .section = section, .source = source};
	size_t offset = 0, next;
	struct head h;
	int rc = 0;

	p.cies = map_new(sizeof(uint64_t), sizeof(struct cfi_entry));
	if (!p.cies)
		return -ENOMEM;
	while (rc == 0 && offset < section->size && read_head(&p, offset, &h, &next)) {
		if (reader_left(&h.body) && !h.body.bad && !is_cie(&p, &h))
			rc = read_fde(&p, &h);
		offset = next;
	}
	map_free(p.cies);
	return rc;
}
