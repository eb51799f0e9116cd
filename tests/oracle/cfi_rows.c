/* SPDX-License-Identifier: BSD-2-Clause */
/* Compares profd's unwind tables with elfutils' reading of the same files, address by address: for
 * each row that libdw sees, at its first, second and last byte, and for each byte that libdw has no
 * entry for, both compute CFA, return address and rbp of the caller on a machine with made-up
 * registers and memory.
 *
 *   cfi_rows FILE...     exit status 1 when anything differs, or when nothing was compared */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "bpf/env.h"
#include "bpf/native.h"
#include "unwind/table.h"

enum { STACK_MAX = 32, REPORT_MAX = 10 };

static const uint64_t RSP = 0x600000000000, OTHERS = 0x600000100000;

struct counts {
	uint64_t rows, addresses, agree, unsupported, lost_fp, left_fp, gaps, extra, differ;
};

struct file {
	const char *path;
	Elf *elf;
	Dwarf_CFI *cfi[2]; /* .eh_frame, .debug_frame; NULL: has none */
};

struct caller {
	bool known;     /* there is information about the address */
	bool outermost; /* it is that nobody called */
	bool supported;
	bool fp_known;
	uint64_t cfa, ip, fp;
};

/* ---- the made-up machine --------------------------------------------------------------------- */

static uint64_t memory_at(uint64_t address)
{
	uint64_t h = (address + 1) * 0x9e3779b97f4a7c15ULL;

	return 0x610000000000 +
	       (h >> 20 & ~7ULL); /* above RSP, so that a CFA read from memory is sane */
}

static uint64_t register_value(unsigned number, uint64_t ip)
{
	return number == PROFD_REG_RSP   ? RSP
	       : number == PROFD_REG_RIP ? ip
					 : OTHERS + number * 4096;
}

/* Aligned words only overlap where both sides ask for the same ones. */
static long read_memory(void *arg, void *to, uint32_t bytes, uint64_t address)
{
	(void)arg;
	for (uint32_t i = 0; i < bytes; i += 8) {
		uint64_t v = memory_at(address + i);

		memcpy((char *)to + i, &v, bytes - i < 8 ? bytes - i : 8);
	}
	return 0;
}

/* ---- libdw ----------------------------------------------------------------------------------- */

struct evaluation {
	uint64_t stack[STACK_MAX];
	size_t n;
	bool is_value; /* DW_OP_stack_value, or a register: the result is no address */
	bool bad;
};

static void push(struct evaluation *e, uint64_t v)
{
	if (e->n == STACK_MAX)
		e->bad = true;
	else
		e->stack[e->n++] = v;
}

static uint64_t pop(struct evaluation *e)
{
	if (!e->n) {
		e->bad = true;
		return 0;
	}
	return e->stack[--e->n];
}

static void evaluate_two(struct evaluation *e, uint8_t atom)
{
	uint64_t b = pop(e), a = pop(e);

	if (atom == DW_OP_plus)
		push(e, a + b);
	else if (atom == DW_OP_minus)
		push(e, a - b);
	else if (atom == DW_OP_and)
		push(e, a & b);
	else if (atom == DW_OP_shl)
		push(e, b < 64 ? a << b : 0);
	else if (atom == DW_OP_ge)
		push(e, (int64_t)a >= (int64_t)b);
	else
		e->bad = true;
}

static void evaluate_op(struct evaluation *e, const Dwarf_Op *op, uint64_t ip, uint64_t cfa)
{
	uint8_t a = op->atom;

	if (a >= DW_OP_breg0 && a <= DW_OP_breg31)
		push(e, register_value(a - DW_OP_breg0, ip) + op->number);
	else if (a == DW_OP_bregx)
		push(e, register_value((unsigned)op->number, ip) + op->number2);
	else if (a >= DW_OP_lit0 && a <= DW_OP_lit31)
		push(e, a - DW_OP_lit0);
	else if (a >= DW_OP_const1u && a <= DW_OP_consts)
		push(e, op->number);
	else if (a == DW_OP_plus_uconst)
		push(e, pop(e) + op->number);
	else if (a == DW_OP_deref)
		push(e, memory_at(pop(e)));
	else if (a == DW_OP_call_frame_cfa)
		push(e, cfa);
	else if (a == DW_OP_stack_value)
		e->is_value = true;
	else if (a == DW_OP_regx || (a >= DW_OP_reg0 && a <= DW_OP_reg31)) {
		push(e, register_value(
				a == DW_OP_regx ? (unsigned)op->number : (unsigned)(a - DW_OP_reg0),
				ip));
		e->is_value = true;
	} else
		evaluate_two(e, a);
}

static uint64_t evaluate(
	const Dwarf_Op *ops, size_t n, uint64_t ip, uint64_t cfa, struct evaluation *e)
{
	memset(e, 0, sizeof(*e));
	for (size_t i = 0; i < n; i++)
		evaluate_op(e, &ops[i], ip, cfa);
	return pop(e);
}

static void by_libdw(Dwarf_Frame *frame, uint64_t ip, struct caller *c)
{
	Dwarf_Op memory[3], *ops;
	struct evaluation e;
	size_t n;

	*c = (struct caller){.known = true, .supported = true, .fp_known = true};
	if (dwarf_frame_register(frame, PROFD_REG_RIP, memory, &ops, &n) == 0 && n == 0 && ops) {
		c->outermost = true;
		return;
	}
	if (dwarf_frame_cfa(frame, &ops, &n) != 0) {
		c->supported = false;
		return;
	}
	c->cfa = evaluate(ops, n, ip, 0, &e);
	c->supported = !e.bad;
	if (dwarf_frame_register(frame, PROFD_REG_RIP, memory, &ops, &n) != 0 || !ops) {
		c->supported = false;
		return;
	}
	c->ip = evaluate(ops, n, ip, c->cfa, &e);
	c->ip = e.is_value ? c->ip : memory_at(c->ip);
	c->supported &= !e.bad;
	if (dwarf_frame_register(frame, PROFD_REG_RBP, memory, &ops, &n) != 0 || (n == 0 && ops)) {
		c->fp_known = false;
	} else if (!ops) {
		c->fp = register_value(PROFD_REG_RBP, ip);
	} else {
		c->fp = evaluate(ops, n, ip, c->cfa, &e);
		c->fp = e.is_value ? c->fp : memory_at(c->fp);
	}
}

/* ---- profd ----------------------------------------------------------------------------------- */

static struct profd_scratch scratch;

static void by_profd(const struct profd_mapping *m, uint64_t ip, struct caller *c)
{
	struct profd_native *w = &scratch.native;
	const struct profd_rule *rule = NULL;
	uint32_t number;
	int rc;

	if (native_rule(m, ip, &number) == 0)
		rule = env_rule(number);
	*c = (struct caller){.known = rule && rule->cfa != PROFD_CFA_NONE};
	if (!c->known)
		return;
	c->outermost = rule->cfa == PROFD_CFA_END;
	for (unsigned i = 0; i < PROFD_REGISTERS; i++)
		scratch.registers[i] = register_value(i, ip);
	*w = (struct profd_native){.ip = ip, .sp = RSP, .fp = register_value(PROFD_REG_RBP, ip)};
	w->exact = 1;
	w->full = NATIVE_REGISTERS_SAMPLE;
	if (rule->cfa == PROFD_CFA_SIGNAL)
		rc = native_step_signal(&scratch, rule->cfa_off);
	else
		rc = native_step_rule(&scratch, rule);
	c->supported = rc == 0;
	c->cfa = w->sp;
	c->ip = w->ip;
	c->fp = w->fp;
	c->fp_known = !w->fp_lost;
}

/* ---- comparing ------------------------------------------------------------------------------- */

static void differ(struct counts *n, const char *path, uint64_t at, const char *what,
	const struct caller *a, const struct caller *b)
{
	if (n->differ++ >= REPORT_MAX)
		return;
	printf("%s: 0x%" PRIx64 ": %s: libdw cfa %" PRIx64 " ip %" PRIx64 " fp %" PRIx64
	       " end %d, profd cfa %" PRIx64 " ip %" PRIx64 " fp %" PRIx64 " end %d\n",
		path, at, what, a->cfa, a->ip, a->fp, a->outermost, b->cfa, b->ip, b->fp,
		b->outermost);
}

/* GCC says that rbp is saved where rbp points to also where rbp is the caller's again, above the
 * CFA. */
static bool is_left_fp(uint64_t at, const struct caller *dw, const struct caller *own)
{
	uint64_t fp = register_value(PROFD_REG_RBP, at);

	return dw->fp == memory_at(fp) && own->fp == fp && fp >= own->cfa;
}

static void compare(struct counts *n, const char *path, uint64_t at, const struct caller *dw,
	const struct profd_mapping *m)
{
	struct caller own;

	by_profd(m, at, &own);
	n->addresses++;
	if (!own.known)
		differ(n, path, at, "no row", dw, &own);
	else if (own.outermost != dw->outermost)
		differ(n, path, at, "end", dw, &own);
	else if (own.outermost)
		n->agree++;
	else if (!own.supported)
		n->unsupported++;
	else if (!dw->supported)
		differ(n, path, at, "libdw cannot", dw, &own);
	else if (own.cfa != dw->cfa || own.ip != dw->ip)
		differ(n, path, at, "cfa or ip", dw, &own);
	else if (dw->fp_known && own.fp_known && own.fp != dw->fp && is_left_fp(at, dw, &own))
		n->left_fp++;
	else if (dw->fp_known && own.fp_known && own.fp != dw->fp)
		differ(n, path, at, "fp", dw, &own);
	else if (dw->fp_known && !own.fp_known)
		n->lost_fp++;
	else
		n->agree++;
}

static void compare_row(struct counts *n, const char *path, Dwarf_Frame *frame, uint64_t from,
	uint64_t end, const struct profd_mapping *m)
{
	const uint64_t at[] = {from, from + 1, end - 1};
	struct caller dw;

	n->rows++;
	for (size_t i = 0; i < 3; i++) {
		if (at[i] >= end || (i && at[i] == at[i - 1]))
			continue;
		by_libdw(frame, at[i], &dw);
		compare(n, path, at[i], &dw, m);
	}
}

static bool in_jump_table(Elf *elf, uint64_t at)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return false;
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr sh;
		const char *name =
			gelf_getshdr(scn, &sh) ? elf_strptr(elf, names, sh.sh_name) : NULL;

		if (name && at - sh.sh_addr < sh.sh_size && strstr(name, "plt"))
			return true;
	}
	return false;
}

/* What no entry covers has no row either, unless profd knows it for a linker's jump table. */
static void compare_gap(
	struct counts *n, const struct file *f, uint64_t at, const struct profd_mapping *m)
{
	struct caller none = {0}, own;

	by_profd(m, at, &own);
	n->gaps++;
	if (own.known && own.supported && own.cfa - RSP <= 16 && in_jump_table(f->elf, at))
		n->extra++;
	else if (own.known)
		differ(n, f->path, at, "libdw has no entry", &none, &own);
}

/* .eh_frame goes before .debug_frame. */
static Dwarf_Frame *find_frame(const struct file *f, uint64_t at, uint64_t *end)
{
	Dwarf_Addr start;
	Dwarf_Frame *frame;
	bool signal;

	for (int i = 0; i < 2; i++) {
		if (!f->cfi[i] || dwarf_cfi_addrframe(f->cfi[i], at, &frame) != 0)
			continue;
		if (dwarf_frame_info(frame, &start, end, &signal) >= 0 && *end > at)
			return frame;
		free(frame);
	}
	return NULL;
}

static void compare_segment(struct counts *n, const struct file *f, const struct image_segment *s,
	const struct profd_mapping *m)
{
	uint64_t at = s->vaddr, limit = s->vaddr + s->file_bytes, end;

	while (at < limit) {
		Dwarf_Frame *frame = find_frame(f, at, &end);

		if (!frame) {
			compare_gap(n, f, at++, m);
			continue;
		}
		compare_row(n, f->path, frame, at, end, m);
		at = end;
		free(frame);
	}
}

static void compare_image(struct counts *n, const struct image *image, const struct file *f,
	const struct table *t, const struct rules *rules)
{
	struct profd_mapping m = {
		.end = UINT64_MAX, .vaddr_start = t->vaddr_start, .n_pages = t->n_pages};
	struct profd_host host = {.read_user = read_memory,
		.cells = (const uint64_t *)(const void *)t->cells,
		.n_cells = t->n_cells,
		.mappings = &m,
		.n_mappings = 1};

	host.rules = rules_all(rules, &host.n_rules);
	profd_host = &host;
	for (size_t i = 0; i < image->n_segments; i++)
		if (image->segments[i].flags & PF_X)
			compare_segment(n, f, &image->segments[i], &m);
	profd_host = NULL;
}

static void print_counts(const char *path, const struct counts *n)
{
	printf("%s: %" PRIu64 " rows, %" PRIu64 " addresses: %" PRIu64 " agree, %" PRIu64
	       " unsupported, %" PRIu64 " without rbp, %" PRIu64 " where rbp is left, %" PRIu64
	       " differ; %" PRIu64 " bytes in no entry, %" PRIu64
	       " of these known as jump tables\n",
		path, n->rows, n->addresses, n->agree, n->unsupported, n->lost_fp, n->left_fp,
		n->differ, n->gaps, n->extra);
}

static int check_file(const char *path)
{
	struct counts n = {0};
	struct err err = {0};
	struct image *image = image_open(open(path, O_RDONLY | O_CLOEXEC), path, &err);
	struct rules *rules = rules_new();
	struct file f = {.path = path};
	struct table t = {0};
	Dwarf *dwarf = NULL;
	int rc = image && rules ? table_compile(&t, image, rules) : -1;

	f.elf = image ? elf_begin(image->fd, ELF_C_READ, NULL) : NULL;
	if (rc == 0 && f.elf) {
		f.cfi[0] = dwarf_getcfi_elf(f.elf);
		dwarf = dwarf_begin_elf(f.elf, DWARF_C_READ, NULL);
		f.cfi[1] = dwarf ? dwarf_getcfi(dwarf) : NULL;
		compare_image(&n, image, &f, &t, rules);
		print_counts(path, &n);
	} else {
		printf("%s: profd has no table\n", path);
	}
	dwarf_end(dwarf);
	elf_end(f.elf);
	image_close(image);
	rules_free(rules);
	table_free_cells(&t);
	return n.differ || !n.agree;
}

int main(int argc, char **argv)
{
	int failed = argc < 2;

	elf_version(EV_CURRENT);
	for (int i = 1; i < argc; i++)
		failed |= check_file(argv[i]);
	if (argc < 2)
		fprintf(stderr, "usage: cfi_rows FILE...\n");
	return failed;
}
