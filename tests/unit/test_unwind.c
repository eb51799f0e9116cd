/* SPDX-License-Identifier: BSD-2-Clause */
/* Call frame information -> unwind tables: cases made by hand, and hostile files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/fd.h"
#include "bpf/env.h"
#include "bpf/native.h"
#include "unwind/table.h"
#include "unwind_elf.h"

enum { F = TEXT_AT }; /* where the first function of a test lies */

struct world {
	struct rules *rules;
	struct table table;
	struct image *image;
	struct profd_mapping mapping;
	struct profd_host host;
	int rc;
};

static void world_open(struct world *w, struct image *image)
{
	memset(w, 0, sizeof(*w));
	w->rules = rules_new();
	w->image = image;
	assert_non_null(w->rules);
	assert_non_null(image);
	w->rc = table_compile(&w->table, image, w->rules);
	w->mapping = (struct profd_mapping){.end = UINT64_MAX,
		.vaddr_start = w->table.vaddr_start,
		.n_pages = w->table.n_pages};
	w->host = (struct profd_host){.cells = (const uint64_t *)(const void *)w->table.cells,
		.n_cells = w->table.n_cells,
		.mappings = &w->mapping,
		.n_mappings = 1};
	w->host.rules = rules_all(w->rules, &w->host.n_rules);
	profd_host = &w->host;
}

static void world_close(struct world *w)
{
	profd_host = NULL;
	table_free_cells(&w->table);
	rules_free(w->rules);
	image_close(w->image);
}

/* The rule at an address; one of kind NONE where there is no row. */
static struct profd_rule rule_at(const struct world *w, uint64_t vaddr)
{
	uint32_t number;

	if (native_rule(&w->mapping, vaddr, &number) < 0)
		return (struct profd_rule){.cfa = PROFD_CFA_NONE};
	return w->host.rules[number];
}

static void assert_cfa(const struct world *w, uint64_t vaddr, int reg, int off)
{
	struct profd_rule r = rule_at(w, vaddr);

	assert_int_equal(r.cfa, PROFD_CFA_REG);
	assert_int_equal(r.cfa_reg, reg);
	assert_int_equal(r.cfa_off, off);
	assert_int_equal(r.ra, PROFD_RESTORE_CFA);
	assert_int_equal(r.ra_off, -8);
}

/* A file with one function of 0x100 bytes at F. */
static void world_of(struct world *w, const char *augmentation, const void *program, size_t bytes)
{
	struct bytes eh = {.n = 0};
	size_t cie = put_cie(&eh, augmentation, false);

	put_fde(&eh, cie, false, F, 0x100, program, bytes);
	world_open(w, elf_image(&(struct elf_parts){.eh_frame = &eh}));
	assert_int_equal(w->rc, 0);
}

#define WORLD_OF(w, augmentation, ...)                                                             \
	do {                                                                                       \
		static const uint8_t program_[] = {__VA_ARGS__};                                   \
		world_of((w), (augmentation), program_, sizeof(program_));                         \
	} while (0)

/* ---- ordinary functions ---------------------------------------------------------------------- */

static void test_rows(void **state)
{
	struct world w;

	(void)state;
	WORLD_OF(&w, "z", 0x41, /* advance 1 */ 0x0e, 16, /* def_cfa_offset */ 0x86,
		2,                             /* rbp at cfa-16 */
		0x43, /* advance 3 */ 0x0d, 6, /* def_cfa_register rbp */
		0x02, 0x80, /* advance 0x80 */ 0x0a, /* remember */ 0x0c, 7, 8, /* def_cfa rsp+8 */
		0xc6, /* restore rbp */ 0x41, 0x0b /* restore state */);
	assert_cfa(&w, F, 7, 8);
	assert_int_equal(rule_at(&w, F).fp, PROFD_RESTORE_SAME);
	assert_cfa(&w, F + 1, 7, 16);
	assert_int_equal(rule_at(&w, F + 1).fp, PROFD_RESTORE_CFA);
	assert_int_equal(rule_at(&w, F + 1).fp_off, -16);
	assert_cfa(&w, F + 3, 7, 16);
	assert_cfa(&w, F + 4, 6, 16);
	assert_cfa(&w, F + 0x83, 6, 16);
	assert_cfa(&w, F + 0x84, 7, 8);
	assert_int_equal(rule_at(&w, F + 0x84).fp, PROFD_RESTORE_SAME);
	assert_cfa(&w, F + 0x85, 6, 16);
	assert_int_equal(rule_at(&w, F + 0xff).fp_off, -16);
	assert_int_equal(rule_at(&w, F + 0x100).cfa, PROFD_CFA_NONE);
	world_close(&w);
}

static void test_wide_instructions(void **state)
{
	struct world w;

	(void)state;
	WORLD_OF(&w, "z", 0x03, 0x10, 0, /* advance2 16 */ 0x12, 7,
		0x7c,                                               /* def_cfa_sf rsp, -4 * -8 */
		0x04, 0x10, 0, 0, 0, /* advance4 16 */ 0x13, 0x7a,  /* def_cfa_offset_sf -6 * -8 */
		0x05, 6, 3, /* offset_extended rbp, 3 * -8 */ 0x50, /* advance 16 */
		0x11, 6, 4, /* offset_extended_sf */ 0x2e, 16, /* GNU_args_size */ 0x50, 0x2f, 6,
		0x70,
		/* GNU_negative_offset_extended */ 0x50, 0x08, 6, /* same_value */ 0x50, 0x07,
		6 /* undefined */);
	assert_cfa(&w, F + 16, 7, 32);
	assert_cfa(&w, F + 32, 7, 48);
	assert_int_equal(rule_at(&w, F + 32).fp_off, -24);
	assert_int_equal(rule_at(&w, F + 48).fp_off, -32);
	assert_int_equal(rule_at(&w, F + 64).fp_off, 0x70 * 8);
	assert_int_equal(rule_at(&w, F + 80).fp, PROFD_RESTORE_SAME);
	assert_int_equal(rule_at(&w, F + 96).fp, PROFD_RESTORE_LOST);
	assert_cfa(&w, F + 96, 7, 48);
	world_close(&w);
}

static void test_end_and_register(void **state)
{
	struct world w;

	(void)state;
	WORLD_OF(&w, "z", 0x48, 0x0e, 0, 0x09, 16, 5, /* return address in rdi: vfork */ 0x48, 0x07,
		16);
	assert_cfa(&w, F, 7, 8);
	assert_int_equal(rule_at(&w, F + 8).ra, PROFD_RESTORE_REG);
	assert_int_equal(rule_at(&w, F + 8).ra_off, 5);
	assert_int_equal(rule_at(&w, F + 8).cfa_off, 0);
	assert_int_equal(rule_at(&w, F + 16).cfa, PROFD_CFA_END);
	world_close(&w);
}

/* ---- expressions ----------------------------------------------------------------------------- */

static void test_expressions(void **state)
{
	struct profd_rule r;
	struct world w;

	(void)state;
	WORLD_OF(&w, "z", /* the PLT of binutils */
		0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22,
		/* *(rbp - 8), rbp at *(rbp + 0): a realigned stack */
		0x48, 0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0,
		/* *(rsp + 16) + 8 in three spellings */
		0x48, 0x0f, 5, 0x77, 16, 0x06, 0x23, 8, 0xc6, 0x48, 0x0f, 6, 0x77, 16, 0x06, 0x08,
		8, 0x22, 0x48, 0x0f, 6, 0x77, 14, 0x23, 2, 0x06, 0x38,
		0x48 /* ... without its plus */,
		/* r12 + 40 */ 0x0f, 2, 0x7c, 40, 0x48, /* something else: lit0 */ 0x0f, 1, 0x30);
	r = rule_at(&w, F);
	assert_int_equal(r.cfa, PROFD_CFA_PLT);
	assert_int_equal(r.cfa_off, 11);
	r = rule_at(&w, F + 8);
	assert_int_equal(r.cfa, PROFD_CFA_DEREF);
	assert_int_equal(r.cfa_reg, 6);
	assert_int_equal(r.cfa_off, -8);
	assert_int_equal(r.fp, PROFD_RESTORE_FP);
	for (unsigned at = 16; at < 32; at += 8) {
		r = rule_at(&w, F + at);
		assert_int_equal(r.cfa, PROFD_CFA_DEREF);
		assert_int_equal(r.cfa_reg, 7);
		assert_int_equal(r.cfa_off, 16);
		assert_int_equal(r.cfa_add, 8);
	}
	assert_int_equal(rule_at(&w, F + 32).cfa, PROFD_CFA_UNSUPPORTED);
	r = rule_at(&w, F + 40);
	assert_int_equal(r.cfa, PROFD_CFA_REG);
	assert_int_equal(r.cfa_reg, 12);
	assert_int_equal(r.cfa_off, 40);
	assert_int_equal(rule_at(&w, F + 48).cfa, PROFD_CFA_UNSUPPORTED);
	world_close(&w);
}

static void test_signal_frames(void **state)
{
	struct world w;

	(void)state;
	WORLD_OF(&w, "zS", 0x0f, 4, 0x77, 0xa0, 0x01, 0x06 /* *(rsp + 160): glibc's trampoline */);
	assert_int_equal(rule_at(&w, F).cfa, PROFD_CFA_SIGNAL);
	assert_int_equal(rule_at(&w, F).cfa_off, 40);
	world_close(&w);
	WORLD_OF(&w, "zS", 0x0e, 24);
	assert_cfa(&w, F, 7, 24);
	assert_int_equal(rule_at(&w, F).flags, PROFD_RULE_EXACT);
	world_close(&w);
}

static void test_stack_switch_is_unsupported(void **state)
{
	struct world w;

	(void)state;
	WORLD_OF(
		&w, "z", 0x14, 7, 0, /* val_offset rsp = CFA: says nothing new */ 0x48, 0x05, 7, 2);
	assert_cfa(&w, F, 7, 8);
	assert_int_equal(rule_at(&w, F + 8).cfa, PROFD_CFA_UNSUPPORTED);
	world_close(&w);
}

/* ---- pages and ranges ------------------------------------------------------------------------ */

static void test_pages(void **state)
{
	static const uint8_t two_rows[] = {0x04, 0, 0, 1, 0, /* advance 0x10000 */ 0x0e, 16};
	static const uint8_t late_row[] = {0x04, 0xff, 0xff, 2, 0, 0x0e, 32};
	struct bytes eh = {.n = 0};
	size_t cie = put_cie(&eh, "z", false);
	struct world w;

	(void)state;
	put_fde(&eh, cie, false, 0x10000, 0x20000, two_rows,
		sizeof(two_rows)); /* a row at a page's first byte */
	put_fde(&eh, cie, false, 0x30000, 0x30000, late_row,
		sizeof(late_row)); /* at a page's last; pages without */
	put_fde(&eh, cie, false, 0x60000, 0x10, "", 0);
	world_open(&w, elf_image(&(struct elf_parts){.eh_frame = &eh}));
	assert_int_equal(w.rc, 0);
	assert_int_equal(w.table.vaddr_start, 0x10000);
	assert_int_equal(w.table.n_pages, 6);
	assert_cfa(&w, 0x10000, 7, 8);
	assert_cfa(&w, 0x1ffff, 7, 8);
	assert_cfa(&w, 0x20000, 7, 16);
	assert_cfa(&w, 0x2ffff, 7, 16);
	assert_cfa(&w, 0x30000, 7, 8);
	assert_cfa(&w, 0x4ffff, 7, 8);
	assert_cfa(&w, 0x5fffe, 7, 8);
	assert_cfa(&w, 0x5ffff, 7, 32);
	assert_cfa(&w, 0x60000, 7, 8);
	assert_int_equal(rule_at(&w, 0x60010).cfa, PROFD_CFA_NONE);
	assert_int_equal(rule_at(&w, 0x70000).cfa, PROFD_CFA_NONE); /* outside of all pages */
	assert_int_equal(rule_at(&w, 0xffff).cfa, PROFD_CFA_NONE);
	world_close(&w);
}

static void test_ranges(void **state)
{
	static const uint8_t other[] = {0x0e, 48};
	struct bytes eh = {.n = 0};
	size_t cie = put_cie(&eh, "z", false);
	struct world w;

	(void)state;
	put_fde(&eh, cie, false, F + 0x300, 0x10, other, sizeof(other)); /* not in order */
	put_fde(&eh, cie, false, F + 0x100, 0x100, "", 0);
	put_fde(&eh, cie, false, F + 0x180, 0x100, other,
		sizeof(other)); /* overlaps: the first one wins */
	put_fde(&eh, cie, false, F + 0x400, 0, other, sizeof(other));
	put_fde(&eh, cie, false, 0, 0x20, other, sizeof(other)); /* dropped by the linker */
	put_fde(&eh, cie, false, UINT64_MAX - 4, 0x20, other, sizeof(other));
	put_fde(&eh, cie, false, TEXT_AT + TEXT_BYTES - 1, 2, other,
		sizeof(other)); /* leaves its segment */
	world_open(&w, elf_image(&(struct elf_parts){.eh_frame = &eh}));
	assert_int_equal(w.rc, 0);
	assert_int_equal(rule_at(&w, F).cfa, PROFD_CFA_NONE);
	assert_cfa(&w, F + 0x100, 7, 8);
	assert_cfa(&w, F + 0x1ff, 7, 8);
	assert_cfa(&w, F + 0x200, 7, 48);
	assert_cfa(&w, F + 0x27f, 7, 48);
	assert_int_equal(rule_at(&w, F + 0x280).cfa, PROFD_CFA_NONE);
	assert_cfa(&w, F + 0x30f, 7, 48);
	assert_int_equal(rule_at(&w, F + 0x400).cfa, PROFD_CFA_NONE);
	assert_int_equal(rule_at(&w, TEXT_AT + TEXT_BYTES - 1).cfa, PROFD_CFA_NONE);
	world_close(&w);
}

static void test_debug_frame_fills_gaps(void **state)
{
	static const uint8_t other[] = {0x0e, 48};
	struct bytes eh = {.n = 0}, debug = {.n = 0};
	size_t cie = put_cie(&eh, "z", false);
	struct world w;

	(void)state;
	put_fde(&eh, cie, false, F + 0x100, 0x100, "", 0);
	cie = put_cie(&debug, "", true);
	put_fde(&debug, cie, true, F + 0x80, 0x100, other, sizeof(other));
	put_fde(&debug, cie, true, F + 0x1c0, 0x80, other, sizeof(other));
	world_open(&w, elf_image(&(struct elf_parts){.eh_frame = &eh, .debug_frame = &debug}));
	assert_int_equal(w.rc, 0);
	assert_cfa(&w, F + 0x80, 7, 48);
	assert_cfa(&w, F + 0xff, 7, 48);
	assert_cfa(&w, F + 0x100, 7, 8);
	assert_cfa(&w, F + 0x1ff, 7, 8);
	assert_cfa(&w, F + 0x200, 7, 48);
	assert_int_equal(rule_at(&w, F + 0x240).cfa, PROFD_CFA_NONE);
	world_close(&w);
	world_open(&w, elf_image(&(struct elf_parts){.debug_frame = &debug}));
	assert_cfa(&w, F + 0x100, 7, 48);
	world_close(&w);
}

static void test_without_sections(void **state)
{
	struct bytes eh = {.n = 0};
	size_t cie = put_cie(&eh, "z", false);
	struct world w;

	(void)state;
	put_fde(&eh, cie, false, F, 0x100, "", 0);
	put_u32(&eh, 0); /* the end; entries behind it belong to something else */
	put_fde(&eh, cie, false, F + 0x100, 0x100, "", 0);
	world_open(&w, elf_image(&(struct elf_parts){.eh_frame = &eh, .by_segment = true}));
	assert_int_equal(w.rc, 0);
	assert_cfa(&w, F, 7, 8);
	assert_int_equal(rule_at(&w, F + 0x100).cfa, PROFD_CFA_NONE);
	world_close(&w);
}

static void test_no_information(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, elf_image(&(struct elf_parts){0}));
	assert_int_equal(w.rc, -ENOENT);
	assert_null(w.table.cells);
	world_close(&w);
}

static void test_rules_are_shared(void **state)
{
	struct bytes eh = {.n = 0};
	size_t cie = put_cie(&eh, "z", false);
	struct table second;
	struct world w;
	uint32_t before, after;

	(void)state;
	put_fde(&eh, cie, false, F, 0x100, "\x48\x0e\x10\x48\x0e\x08", 6);
	world_open(&w, elf_image(&(struct elf_parts){.eh_frame = &eh}));
	rules_all(w.rules, &before);
	assert_int_equal(before, RULE_FIRST + 2);
	assert_int_equal(table_compile(&second, w.image, w.rules), 0);
	rules_all(w.rules, &after);
	assert_int_equal(after, before);
	assert_int_equal(second.n_cells, w.table.n_cells);
	assert_memory_equal(second.cells, w.table.cells, second.n_cells * sizeof(*second.cells));
	table_free_cells(&second);
	world_close(&w);
}

/* ---- hostile files --------------------------------------------------------------------------- */

static void test_bad_instruction(void **state)
{
	struct world w;

	(void)state;
	WORLD_OF(&w, "z", 0x48, 0x0e, 16, 0x48, 0x3f /* no such instruction */, 0x0e, 32);
	assert_cfa(&w, F, 7, 8);
	assert_cfa(&w, F + 8, 7, 16);
	assert_int_equal(rule_at(&w, F + 16).cfa, PROFD_CFA_UNSUPPORTED);
	assert_int_equal(w.table.n_bad_entries, 1);
	world_close(&w);
	WORLD_OF(&w, "z", 0x0b /* restore what was never remembered */);
	assert_int_equal(rule_at(&w, F).cfa, PROFD_CFA_UNSUPPORTED);
	world_close(&w);
	WORLD_OF(&w, "z", 0x0f, 0xff, 0xff, 0x7f /* an expression longer than the entry */);
	assert_int_equal(rule_at(&w, F).cfa, PROFD_CFA_UNSUPPORTED);
	world_close(&w);
	WORLD_OF(
		&w, "z", 0x04, 0xff, 0xff, 0xff, 0xff, 0x0e, 64 /* advances out of the function */);
	assert_cfa(&w, F + 0xff, 7, 8);
	world_close(&w);
}

static void test_remember_without_end(void **state)
{
	static uint8_t program[4096];
	struct world w;

	(void)state;
	memset(program, 0x0a, sizeof(program));
	world_of(&w, "z", program, sizeof(program));
	assert_int_equal(rule_at(&w, F).cfa, PROFD_CFA_UNSUPPORTED);
	world_close(&w);
}

/* Each CIE a copy of the one before it, the rest of the section its instructions: read once each
 * that would take time that grows with the square of the size. */
static void test_nested_cies(void **state)
{
	enum { CIES = 120 };
	static const uint8_t body[] = {0, 0, 0, 0, 1, 'z', 0, 1, 0x78, 16, 0};
	struct bytes eh = {.n = 0};
	size_t starts[CIES];
	struct world w;

	(void)state;
	put_fde(&eh, put_cie(&eh, "z", false), false, F, 0x100, "", 0);
	for (int i = 0; i < CIES; i++) {
		starts[i] = eh.n;
		put_u32(&eh, 0); /* its length follows */
		put(&eh, body, sizeof(body));
		put_u8(&eh, 0x16); /* val_expression of rax, over the next one's head */
		put_u8(&eh, 0);
		put_u8(&eh, 4 + sizeof(body) + 3);
	}
	for (int i = 0; i < 20; i++)
		put_u8(&eh, 0);
	for (int i = 0; i < CIES; i++) {
		uint32_t n = (uint32_t)(eh.n - starts[i] - 4);

		memcpy(eh.data + starts[i], &n, sizeof(n));
	}
	for (int i = 0; i < CIES; i++)
		put_fde(&eh, starts[i], false, F + 0x100 + (unsigned)i * 0x10, 0x10, "", 0);
	world_open(&w, elf_image(&(struct elf_parts){.eh_frame = &eh}));
	assert_int_equal(w.rc, 0);
	assert_cfa(&w, F, 7, 8);
	assert_true(w.table.n_bad_entries > CIES / 2);
	world_close(&w);
}

/* Rule numbers are shared by all files, so that one file may not use them up. */
static void test_too_many_rules(void **state)
{
	struct profd_rule rule = {.cfa = PROFD_CFA_REG, .cfa_off = 1};
	struct rules *rules = rules_new();
	uint32_t n;

	(void)state;
	assert_non_null(rules);
	rules_allow(rules, 1);
	assert_int_equal(rules_add(rules, &rule), RULE_FIRST);
	rule.cfa_off = 2;
	assert_int_equal(rules_add(rules, &rule), RULE_UNSUPPORTED);
	rule.cfa_off = 1;
	assert_int_equal(rules_add(rules, &rule), RULE_FIRST);
	rule.cfa_off = 2;
	assert_int_equal(rules_add(rules, &rule), RULE_UNSUPPORTED);
	rules_allow(rules, 1);
	assert_int_equal(rules_add(rules, &rule), RULE_FIRST + 1);
	rules_all(rules, &n);
	assert_int_equal(n, RULE_FIRST + 2);
	rules_free(rules);
}

/* What a walker relies on: it holds for every table, whatever it was made of. */
static void assert_sound(const struct table *t, const struct rules *rules)
{
	uint32_t n_rules, last;

	rules_all(rules, &n_rules);
	for (uint32_t page = 0; page < t->n_pages; page++) {
		uint32_t from = t->cells[page], to = t->cells[page + 1];

		assert_true(from < to && to <= t->n_cells && from > t->n_pages);
		assert_int_equal(t->cells[from] >> 16, 0);
		last = 0;
		for (uint32_t i = from; i < to; i++) {
			assert_true(i == from || t->cells[i] >> 16 > last);
			assert_true((t->cells[i] & 0xffff) < n_rules);
			last = t->cells[i] >> 16;
		}
	}
}

static uint32_t draw(uint64_t *random, uint32_t below)
{
	*random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*random >> 33) % below;
}

/* A copy of this very program with some bytes changed, most of them where unwinding looks. */
static struct image *damaged_self(
	const struct buf *self, uint64_t *random, uint32_t at, uint32_t bytes)
{
	FD_CLOSE int fd = memfd_create("damaged", MFD_CLOEXEC);
	uint32_t n = 1 + draw(random, 8);
	struct err err;
	int copy;

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, self->data, self->len), 0);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t where = draw(random, 8) ? at + draw(random, bytes) : draw(random, 512);
		uint8_t byte = (uint8_t)draw(random, 256);

		assert_int_equal(pwrite(fd, &byte, 1, where), 1);
	}
	if (!draw(random, 8))
		assert_int_equal(ftruncate(fd, draw(random, (uint32_t)self->len)), 0);
	copy = fd;
	fd = -1;
	return image_open(copy, "damaged", &err);
}

static void find_eh_frame(const struct buf *self, uint32_t *at, uint32_t *bytes)
{
	const Elf64_Ehdr *e = (const void *)self->data;
	const Elf64_Shdr *sh = (const void *)(self->data + e->e_shoff);
	const char *names = self->data + sh[e->e_shstrndx].sh_offset;

	*at = *bytes = 0;
	for (unsigned i = 0; i < e->e_shnum; i++)
		if (strcmp(names + sh[i].sh_name, ".eh_frame") == 0) {
			*at = (uint32_t)sh[i].sh_offset;
			*bytes = (uint32_t)sh[i].sh_size;
		}
	assert_true(*bytes > 1000);
}

static void test_damaged_files(void **state)
{
	uint32_t at, bytes, usable = 0;
	uint64_t random = 1;
	struct buf self;

	(void)state;
	buf_init(&self, 64 << 20);
	assert_int_equal(file_read("/proc/self/exe", &self), 0);
	find_eh_frame(&self, &at, &bytes);
	for (int i = 0; i < 400; i++) {
		struct rules *rules = rules_new();
		struct image *image = damaged_self(&self, &random, at, bytes);
		struct table t;

		assert_non_null(rules);
		if (image && table_compile(&t, image, rules) == 0) {
			assert_sound(&t, rules);
			table_free_cells(&t);
			usable++;
		}
		image_close(image);
		rules_free(rules);
	}
	assert_true(usable > 200); /* one bad entry does not spoil the others */
	buf_free(&self);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_wide_instructions),
		cmocka_unit_test(test_end_and_register),
		cmocka_unit_test(test_expressions),
		cmocka_unit_test(test_signal_frames),
		cmocka_unit_test(test_stack_switch_is_unsupported),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_debug_frame_fills_gaps),
		cmocka_unit_test(test_without_sections),
		cmocka_unit_test(test_no_information),
		cmocka_unit_test(test_rules_are_shared),
		cmocka_unit_test(test_bad_instruction),
		cmocka_unit_test(test_remember_without_end),
		cmocka_unit_test(test_nested_cies),
		cmocka_unit_test(test_too_many_rules),
		cmocka_unit_test(test_damaged_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
