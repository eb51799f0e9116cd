/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unwind/cfi.h"
#include "unwind/sections.h"

enum {
	PAGE_BYTES = 1 << PROFD_PAGE_SHIFT,
	PAGES_MAX = 1 << 16, /* 4 GiB of addresses in one file */
	CELLS_MAX = 32 << 20,
};

/* Rows on their way into pages. */
struct writer {
	struct table *t;
	uint32_t *index; /* [n_pages + 1] */
	uint32_t *rows;
	size_t n, cap;
	uint32_t page; /* the last page that has begun + 1 */
	uint16_t rule; /* of the last row */
	int rc;
};

static void write_cell(struct writer *w, uint16_t low, uint16_t rule)
{
	if (w->n == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 4096;
		uint32_t *rows = cap <= CELLS_MAX ? realloc(w->rows, cap * sizeof(*rows)) : NULL;

		if (!rows) {
			w->rc = cap <= CELLS_MAX ? -ENOMEM : -E2BIG;
			return;
		}
		w->rows = rows;
		w->cap = cap;
	}
	w->rows[w->n++] = (uint32_t)low << 16 | rule;
}

/* Begins all pages up to and including `page`, each with the rule that holds at its start. */
static void begin_pages(struct writer *w, uint32_t page)
{
	while (w->page <= page && w->rc == 0) {
		w->index[w->page++] = (uint32_t)w->n;
		write_cell(w, 0, w->rule);
	}
}

/* From `vaddr` on `rule` holds. */
static void write_row(struct writer *w, uint64_t vaddr, uint16_t rule)
{
	uint64_t offset = vaddr - w->t->vaddr_start;
	uint32_t page = (uint32_t)(offset >> PROFD_PAGE_SHIFT);
	uint16_t low = (uint16_t)offset;

	if (w->rc < 0 || (rule == w->rule && w->page))
		return;
	if (page >= w->t->n_pages) /* the gap behind the last row of the last page */
		return;
	begin_pages(w, page);
	if (w->rc < 0)
		return;
	w->rule = rule;
	w->t->n_rows++;
	w->t->n_unsupported += rule == RULE_UNSUPPORTED;
	if (low == 0) /* instead of the row that began the page */
		w->rows[w->n - 1] = rule;
	else
		write_cell(w, low, rule);
}

/* ---- order ----------------------------------------------------------------------------------- */

static int by_start(const void *left, const void *right)
{
	const struct cfi_range *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	return a->first < b->first ? -1 : a->first > b->first;
}

static void sort_ranges(struct cfi *cfi)
{
	for (size_t i = 1; i < cfi->n_ranges; i++) {
		if (by_start(&cfi->ranges[i - 1], &cfi->ranges[i]) <= 0)
			continue;
		qsort(cfi->ranges, cfi->n_ranges, sizeof(*cfi->ranges), by_start);
		return;
	}
}

/* Ends ranges where one of a better source begins. Only the start of that one matters: what it
 * covers is already taken when a range that begins inside it comes up. */
static void clip_ranges(struct cfi *cfi)
{
	uint64_t next[CFI_SOURCES];

	for (int s = 0; s < CFI_SOURCES; s++)
		next[s] = UINT64_MAX;
	for (size_t i = cfi->n_ranges; i-- > 0;) {
		struct cfi_range *r = &cfi->ranges[i];

		for (uint32_t s = 0; s < r->source; s++)
			if (r->end > next[s])
				r->end = next[s];
		next[r->source] = r->start;
	}
}

/* The rows of a range that lie at `from` or behind it. */
static void write_range(
	struct writer *w, const struct cfi *cfi, const struct cfi_range *r, uint64_t from)
{
	for (uint32_t i = 0; i < r->n; i++) {
		const struct cfi_row *row = &cfi->rows[r->first + i];
		uint64_t start = r->start + row->offset;
		uint64_t end = i + 1 < r->n ? r->start + row[1].offset : r->end;

		if (start < from)
			start = from;
		if (end > r->end)
			end = r->end;
		if (start < end)
			write_row(w, start, row->rule);
	}
}

static void write_all(struct writer *w, const struct cfi *cfi)
{
	uint64_t covered = w->t->vaddr_start;

	for (size_t i = 0; i < cfi->n_ranges && w->rc == 0; i++) {
		const struct cfi_range *r = &cfi->ranges[i];

		if (r->end <= covered)
			continue;
		if (r->start > covered)
			write_row(w, covered, RULE_NONE);
		write_range(w, cfi, r, covered);
		covered = r->end;
	}
	write_row(w, covered, RULE_NONE);
	begin_pages(w, w->t->n_pages - 1);
	w->index[w->t->n_pages] = (uint32_t)w->n;
}

/* Index and rows into one piece. */
static int join(struct table *t, const struct writer *w)
{
	uint32_t n_index = t->n_pages + 1;
	uint32_t n = n_index + (uint32_t)w->n;

	t->n_cells = (n + 1) & ~1U;
	t->cells = calloc(t->n_cells, sizeof(*t->cells));
	if (!t->cells) {
		t->n_cells = 0;
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n_index; i++)
		t->cells[i] = n_index + w->index[i];
	memcpy(t->cells + n_index, w->rows, w->n * sizeof(*w->rows));
	return 0;
}

static int build(struct table *t, struct cfi *cfi)
{
	struct writer w = {.t = t, .rule = RULE_NONE};
	uint64_t end = 0;

	if (!cfi->n_ranges)
		return -ENOENT;
	sort_ranges(cfi);
	clip_ranges(cfi);
	for (size_t i = 0; i < cfi->n_ranges; i++)
		if (cfi->ranges[i].end > end)
			end = cfi->ranges[i].end;
	t->vaddr_start = cfi->ranges[0].start & ~(uint64_t)(PAGE_BYTES - 1);
	if ((end - 1 - t->vaddr_start) >> PROFD_PAGE_SHIFT >= PAGES_MAX)
		return -E2BIG;
	t->n_pages = (uint32_t)((end - 1 - t->vaddr_start) >> PROFD_PAGE_SHIFT) + 1;
	w.index = calloc(t->n_pages + 1, sizeof(*w.index));
	w.rc = w.index ? 0 : -ENOMEM;
	if (w.rc == 0)
		write_all(&w, cfi);
	if (w.rc == 0)
		w.rc = join(t, &w);
	free(w.index);
	free(w.rows);
	return w.rc;
}

/* ---- sources --------------------------------------------------------------------------------- */

/* Jump tables of linkers that describe them in no entry (lld, mold): a stub has the return address
 * on top of the stack, and in .plt, once it pushed the number of its function, one word below. */
static int add_plt(struct cfi *cfi, const struct sections *s)
{
	static const struct {
		const char *name;
		uint8_t cfa;
	} plts[] = {{".plt", PROFD_CFA_PLT}, {".plt.sec", PROFD_CFA_REG},
		{".plt.got", PROFD_CFA_REG}, {".iplt", PROFD_CFA_REG}};
	enum { PUSHED_AT = 11 }; /* jmp *slot(%rip): 6 bytes, push $n: 5 bytes */
	uint64_t start, end;
	int rc = 0;

	for (size_t i = 0; i < sizeof(plts) / sizeof(*plts) && rc == 0; i++) {
		struct profd_rule rule = {.cfa = plts[i].cfa,
			.cfa_reg = PROFD_REG_RSP,
			.ra = PROFD_RESTORE_CFA,
			.cfa_off = plts[i].cfa == PROFD_CFA_PLT ? PUSHED_AT : 8,
			.ra_off = -8};

		if (sections_range(s, plts[i].name, &start, &end))
			rc = cfi_add_range(cfi, start, end, rules_add(cfi->rules, &rule), CFI_PLT);
	}
	return rc;
}

static int add_section(struct cfi *cfi, int found, struct section *section, enum cfi_source source)
{
	int rc = 0;

	if (found == 0) {
		rc = cfi_read(cfi, section, source);
		section_free(section);
	}
	return found == -ENOMEM ? found : rc;
}

static int read_sources(struct cfi *cfi, const struct image *image)
{
	struct section section = {0};
	struct sections sections;
	int rc = sections_open(&sections, image);

	if (rc == 0)
		rc = add_section(
			cfi, sections_read_eh_frame(&sections, &section), &section, CFI_EH_FRAME);
	if (rc == 0)
		rc = add_section(cfi, sections_read(&sections, ".debug_frame", &section), &section,
			CFI_DEBUG_FRAME);
	if (rc == 0 && cfi->n_ranges)
		rc = add_plt(cfi, &sections);
	sections_close(&sections);
	return rc;
}

int table_compile(struct table *t, const struct image *image, struct rules *rules)
{
	struct cfi cfi = {.rules = rules, .image = image};
	int rc = -ENOENT;

	memset(t, 0, sizeof(*t));
	t->image = image;
	if (image->fd < 0 || !image->is_elf)
		return -ENOENT;
	rules_allow(rules, RULES_OF_A_FILE_MAX);
	rc = read_sources(&cfi, image);
	if (rc == 0)
		rc = build(t, &cfi);
	t->n_bad_entries = cfi.bad_entries;
	cfi_free(&cfi);
	return rc;
}

void table_free_cells(struct table *t)
{
	free(t->cells);
	t->cells = NULL;
}
