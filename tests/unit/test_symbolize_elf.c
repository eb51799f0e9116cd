/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF files written by the test itself: what belongs to which symbol, and files that are cut, bent,
 * or huge. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "process/process.h"
#include "symbolize/symbolize.h"

enum {
	TEXT = 1,   /* section: 0x1000 .. 0x3000, executable */
	PLT = 2,    /* section: 0x3000 .. 0x3100, executable */
	DATA = 3,   /* section: 0x4000 .. 0x5000 */
	SYMTAB = 4, /* section */
	STRTAB = 5,
	SHSTRTAB = 6,
	SECTIONS = 7,
};

struct test_symbol {
	const char *name;
	uint64_t value, size;
	uint8_t bind, type;
	uint16_t section;
};

static const char section_names[] = "\0.text\0.plt\0.data\0.symtab\0.strtab\0.shstrtab";

static Elf64_Shdr section(
	uint32_t name, uint32_t type, uint64_t flags, uint64_t address, uint64_t bytes)
{
	return (Elf64_Shdr){.sh_name = name,
		.sh_type = type,
		.sh_flags = flags,
		.sh_addr = address,
		.sh_size = bytes,
		.sh_offset = type == SHT_NOBITS ? 0 : address,
		.sh_addralign = 1};
}

static Elf64_Ehdr elf_header(uint64_t sections_at)
{
	Elf64_Ehdr e = {
		.e_type = ET_DYN,
		.e_version = 1,
		.e_ehsize = sizeof(e),
		.e_phoff = sizeof(e),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
		.e_shoff = sections_at,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = SECTIONS,
		.e_shstrndx = SHSTRTAB,
#if defined(__x86_64__)
		.e_machine = EM_X86_64
	};
#else
		.e_machine = EM_AARCH64
	};
#endif

	memcpy(e.e_ident, ELFMAG, SELFMAG);
	e.e_ident[EI_CLASS] = ELFCLASS64;
	e.e_ident[EI_DATA] = ELFDATA2LSB;
	e.e_ident[EI_VERSION] = EV_CURRENT;
	return e;
}

/* Header, program header, sections, symbols, strings, in this order, so that all that matters comes
 * early. */
static void write_elf(
	struct buf *out, const struct test_symbol *symbols, size_t n, uint64_t text_bytes)
{
	Elf64_Phdr load = {
		.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = 0x10000, .p_align = 0x1000};
	uint64_t sections_at = sizeof(Elf64_Ehdr) + sizeof(load);
	uint64_t symbols_at = sections_at + SECTIONS * sizeof(Elf64_Shdr);
	uint64_t strings_at = symbols_at + (n + 1) * sizeof(Elf64_Sym);
	Elf64_Ehdr e = elf_header(sections_at);
	Elf64_Shdr sections[SECTIONS] = {{0}};
	Elf64_Sym zero = {0};
	struct buf strings;

	buf_init(&strings, 1 << 30);
	buf_putc(&strings, '\0');
	buf_add(out, &e, sizeof(e));
	buf_add(out, &load, sizeof(load));
	buf_add(out, sections, sizeof(sections));
	buf_add(out, &zero, sizeof(zero));
	for (size_t i = 0; i < n; i++) {
		Elf64_Sym s = {.st_name = (uint32_t)strings.len,
			.st_value = symbols[i].value,
			.st_size = symbols[i].size,
			.st_shndx = symbols[i].section,
			.st_info = (uint8_t)ELF64_ST_INFO(symbols[i].bind, symbols[i].type)};

		buf_add(&strings, symbols[i].name, strlen(symbols[i].name) + 1);
		buf_add(out, &s, sizeof(s));
	}
	sections[TEXT] = section(1, SHT_NOBITS, SHF_ALLOC | SHF_EXECINSTR, 0x1000, text_bytes);
	sections[PLT] =
		section(7, SHT_NOBITS, SHF_ALLOC | SHF_EXECINSTR, 0x1000 + text_bytes, 0x100);
	sections[DATA] =
		section(12, SHT_NOBITS, SHF_ALLOC | SHF_WRITE, 0x2000 + text_bytes, 0x1000);
	sections[SYMTAB] = section(18, SHT_SYMTAB, 0, symbols_at, (n + 1) * sizeof(Elf64_Sym));
	sections[SYMTAB].sh_addr = 0;
	sections[SYMTAB].sh_link = STRTAB;
	sections[SYMTAB].sh_entsize = sizeof(Elf64_Sym);
	sections[STRTAB] = section(26, SHT_STRTAB, 0, strings_at, strings.len);
	sections[SHSTRTAB] =
		section(34, SHT_STRTAB, 0, strings_at + strings.len, sizeof(section_names));
	memcpy(out->data + sections_at, sections, sizeof(sections));
	buf_add(out, strings.data, strings.len);
	buf_add(out, section_names, sizeof(section_names));
	assert_false(buf_failed(out) || buf_failed(&strings));
	buf_free(&strings);
}

static struct image *open_bytes(const void *data, size_t bytes)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct image *image;

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, bytes), 0);
	image = image_open(fd, "/lib/test.so", NULL);
	assert_non_null(image);
	return image;
}

struct fixture {
	struct symbolizer *s;
	struct image *image;
	struct buf elf;
};

static void begin(
	struct fixture *f, const struct test_symbol *symbols, size_t n, uint64_t text_bytes)
{
	buf_init(&f->elf, 1 << 30);
	write_elf(&f->elf, symbols, n, text_bytes);
	f->image = open_bytes(f->elf.data, f->elf.len);
	assert_true(f->image->is_elf);
	f->s = symbolizer_new();
	assert_non_null(f->s);
}

static void end(struct fixture *f)
{
	symbolizer_free(f->s);
	image_close(f->image);
	buf_free(&f->elf);
}

static void check(struct fixture *f, uint64_t vaddr, const char *name, uint64_t offset)
{
	struct symbol symbol = {0};
	bool found = symbolize_native(f->s, f->image, vaddr, &symbol);

	if (!name) {
		if (found)
			fail_msg("%#llx should have no name, but is %s", (unsigned long long)vaddr,
				symbol.name);
		return;
	}
	if (!found)
		fail_msg("%#llx should be %s", (unsigned long long)vaddr, name);
	assert_string_equal(symbol.name, name);
	assert_string_equal(symbol.module, "test.so");
	assert_int_equal(symbol.offset, offset);
}

#define FIXTURE(f, symbols, text_bytes)                                                            \
	begin(&f, symbols, sizeof(symbols) / sizeof(*symbols), text_bytes)

static void test_sized(void **state)
{
	const struct test_symbol symbols[] = {
		{"second", 0x1200, 0x10, STB_GLOBAL, STT_FUNC, TEXT},
		{"first", 0x1000, 0x100, STB_LOCAL, STT_FUNC, TEXT},
		{"resolver", 0x1300, 0x10, STB_GLOBAL, STT_GNU_IFUNC, TEXT},
		{"over_the_edge", 0x2ff0, 0x1000, STB_GLOBAL, STT_FUNC, TEXT},
		{"_ZN3foo3barEi", 0x1400, 0x10, STB_WEAK, STT_FUNC, TEXT},
		{"versioned@@V_1", 0x1500, 0x10, STB_GLOBAL, STT_FUNC, TEXT},
	};
	struct fixture f;

	(void)state;
	FIXTURE(f, symbols, 0x2000);
	check(&f, 0xfff, NULL, 0);
	check(&f, 0x1000, "first", 0);
	check(&f, 0x10ff, "first", 0xff);
	check(&f, 0x1100, NULL, 0);
	check(&f, 0x120f, "second", 15);
	check(&f, 0x1210, NULL, 0);
	check(&f, 0x1300, "resolver", 0);
	check(&f, 0x2fff, "over_the_edge", 15);
	check(&f, 0x3000, NULL, 0); /* .plt: not beyond its section */
	check(&f, 0x1404, "foo::bar", 4);
	check(&f, 0x1404, "foo::bar", 4);
	check(&f, 0x1500, "versioned", 0);
	check(&f, 0, NULL, 0);
	check(&f, UINT64_MAX, NULL, 0);
	end(&f);
}

static void test_not_functions(void **state)
{
	const struct test_symbol symbols[] = {
		{"object_in_text", 0x1000, 0x10, STB_GLOBAL, STT_OBJECT, TEXT},
		{".text", 0x1010, 0x10, STB_LOCAL, STT_SECTION, TEXT},
		{"file.c", 0x1020, 0x10, STB_LOCAL, STT_FILE, TEXT},
		{"undefined", 0x1030, 0x10, STB_GLOBAL, STT_FUNC, SHN_UNDEF},
		{"absolute", 0x1040, 0x10, STB_GLOBAL, STT_NOTYPE, SHN_ABS},
		{"in_data", 0x4010, 0x10, STB_GLOBAL, STT_FUNC, DATA},
		{"thread_local", 0x1050, 0x10, STB_GLOBAL, STT_TLS, TEXT},
		{"$x", 0x1060, 0, STB_LOCAL, STT_NOTYPE, TEXT},
		{".Lloop", 0x1070, 0, STB_LOCAL, STT_NOTYPE, TEXT},
		{"", 0x1080, 0x10, STB_GLOBAL, STT_FUNC, TEXT},
		{"elsewhere", 0x9000, 0x10, STB_GLOBAL, STT_FUNC, TEXT},
		{"no_such_section", 0x1090, 0x10, STB_GLOBAL, STT_FUNC, 77},
		{"end_of_text", 0x3000, 0, STB_GLOBAL, STT_NOTYPE, TEXT},
	};
	struct fixture f;

	(void)state;
	FIXTURE(f, symbols, 0x2000);
	for (uint64_t vaddr = 0; vaddr < 0xa000; vaddr += 8)
		check(&f, vaddr, NULL, 0);
	end(&f);
}

/* Assembly without .size: up to the next symbol, but within the section; a label inside a function
 * is no function. */
static void test_without_size(void **state)
{
	const struct test_symbol symbols[] = {
		{"asm_one", 0x1000, 0, STB_GLOBAL, STT_NOTYPE, TEXT},
		{"asm_two", 0x1100, 0, STB_LOCAL, STT_FUNC, TEXT},
		{"sized", 0x1200, 0x80, STB_GLOBAL, STT_FUNC, TEXT},
		{"label_inside", 0x1240, 0, STB_GLOBAL, STT_NOTYPE, TEXT},
		{"asm_three", 0x1280, 0, STB_LOCAL, STT_NOTYPE, TEXT},
		{"plt_stub", 0x3010, 0, STB_LOCAL, STT_NOTYPE, PLT},
	};
	struct fixture f;

	(void)state;
	FIXTURE(f, symbols, 0x2000);
	check(&f, 0x10ff, "asm_one", 0xff);
	check(&f, 0x1100, "asm_two", 0);
	check(&f, 0x11ff, "asm_two", 0xff);
	check(&f, 0x1240, "sized", 0x40);
	check(&f, 0x127f, "sized", 0x7f);
	check(&f, 0x2fff, "asm_three", 0x1d7f);
	check(&f, 0x3000, NULL, 0);
	check(&f, 0x30ff, "plt_stub", 0xef);
	check(&f, 0x3100, NULL, 0);
	end(&f);
}

static void test_nested(void **state)
{
	const struct test_symbol symbols[] = {
		{"outer", 0x1000, 0x1000, STB_GLOBAL, STT_FUNC, TEXT},
		{"middle", 0x1100, 0x200, STB_GLOBAL, STT_FUNC, TEXT},
		{"inner", 0x1180, 0x10, STB_GLOBAL, STT_FUNC, TEXT},
		{"overlap", 0x1280, 0x100, STB_GLOBAL, STT_FUNC, TEXT},
		{"tiny", 0x1fff, 1, STB_GLOBAL, STT_FUNC, TEXT},
	};
	struct fixture f;

	(void)state;
	FIXTURE(f, symbols, 0x2000);
	check(&f, 0x1000, "outer", 0);
	check(&f, 0x1100, "middle", 0);
	check(&f, 0x1185, "inner", 5);
	check(&f, 0x1190, "middle", 0x90);
	check(&f, 0x1290, "overlap", 0x10);
	check(&f, 0x1300, "overlap", 0x80);
	check(&f, 0x1380, "outer", 0x380);
	check(&f, 0x1ffe, "outer", 0xffe);
	check(&f, 0x1fff, "tiny", 0);
	check(&f, 0x2000, NULL, 0);
	end(&f);
}

static void test_aliases(void **state)
{
	const struct test_symbol symbols[] = {
		{"__GI___libc_read", 0x1000, 0x10, STB_LOCAL, STT_FUNC, TEXT},
		{"__read", 0x1000, 0x10, STB_GLOBAL, STT_FUNC, TEXT},
		{"read", 0x1000, 0x10, STB_WEAK, STT_FUNC, TEXT},
		{"__libc_read", 0x1000, 0x10, STB_GLOBAL, STT_FUNC, TEXT},
		{"malloc", 0x1100, 0x10, STB_GLOBAL, STT_FUNC, TEXT},
		{"__libc_malloc", 0x1100, 0x10, STB_GLOBAL, STT_FUNC, TEXT},
		{"static_one", 0x1200, 0x10, STB_LOCAL, STT_FUNC, TEXT},
		{"start_of_section", 0x1200, 0, STB_GLOBAL, STT_NOTYPE, TEXT},
	};
	struct fixture f;

	(void)state;
	FIXTURE(f, symbols, 0x2000);
	check(&f, 0x1004, "read", 4);
	check(&f, 0x1104, "malloc", 4);
	check(&f, 0x1204, "static_one", 4);
	end(&f);
}

/* The same file under another descriptor, the old one closed and taken by something else. */
static void test_descriptor_changes(void **state)
{
	const struct test_symbol symbols[] = {
		{"first", 0x1000, 0x100, STB_GLOBAL, STT_FUNC, TEXT},
		{"second", 0x1100, 0x100, STB_GLOBAL, STT_FUNC, TEXT},
	};
	struct fixture f;
	int other, old;

	(void)state;
	FIXTURE(f, symbols, 0x2000);
	check(&f, 0x1000, "first", 0);
	old = f.image->fd;
	f.image->fd = dup(old);
	other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(dup2(other, old), old);
	check(&f, 0x1100, "second", 0);
	fd_close(&other);
	fd_close(&old);
	end(&f);
}

/* A file that is cut after its index was built has no names any more; nothing worse happens. */
static void test_cut_later(void **state)
{
	const struct test_symbol symbols[] = {
		{"first", 0x1000, 0x100, STB_GLOBAL, STT_FUNC, TEXT},
		{"second", 0x1100, 0x100, STB_GLOBAL, STT_FUNC, TEXT},
	};
	struct fixture f;

	(void)state;
	FIXTURE(f, symbols, 0x2000);
	check(&f, 0x1000, "first", 0);
	assert_int_equal(ftruncate(f.image->fd, 64), 0);
	check(&f, 0x1000, "first", 0); /* known already */
	check(&f, 0x1100, NULL, 0);
	end(&f);
}

static const struct test_symbol hostile_base[] = {
	{"alpha", 0x1000, 0x100, STB_GLOBAL, STT_FUNC, TEXT},
	{"_ZN3foo3barEi", 0x1080, 0x10, STB_WEAK, STT_FUNC, TEXT},
	{"__alpha", 0x1000, 0, STB_LOCAL, STT_FUNC, TEXT},
	{"gamma", 0x2000, 0, STB_LOCAL, STT_NOTYPE, TEXT},
	{"delta", 0x2f00, 0x400, STB_GLOBAL, STT_GNU_IFUNC, TEXT},
};

/* Asks for many addresses of a bent file; returns how many have a name. */
static size_t ask(const void *bytes, size_t n)
{
	static const uint64_t addresses[] = {0, 0x1000, 0x1084, 0x10ff, 0x1fff, 0x2000, 0x2f10,
		0x3000, 0x4000, 0x1000000000001000, UINT64_MAX};
	struct image *image = open_bytes(bytes, n);
	struct symbolizer *s = symbolizer_new();
	size_t found = 0;

	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
		struct symbol symbol;

		if (!symbolize_native(s, image, addresses[i], &symbol))
			continue;
		found++;
		assert_true(strlen(symbol.name) > 0 && strlen(symbol.name) <= SYMBOL_NAME_MAX);
	}
	symbolizer_free(s);
	image_close(image);
	return found;
}

static void test_truncated(void **state)
{
	struct fixture f;
	size_t some = 0;

	(void)state;
	FIXTURE(f, hostile_base, 0x2000);
	for (size_t n = 0; n < f.elf.len; n++)
		some += ask(f.elf.data, n) > 0;
	assert_int_equal(ask(f.elf.data, f.elf.len), 5);
	assert_true(some > 0 && some < 200); /* only where nothing but section names is missing */
	end(&f);
}

static void test_flipped_bits(void **state)
{
	struct fixture f;
	size_t some = 0;

	(void)state;
	FIXTURE(f, hostile_base, 0x2000);
	for (size_t bit = 0; bit < f.elf.len * 8; bit++) {
		f.elf.data[bit / 8] ^= (char)(1 << bit % 8);
		some += ask(f.elf.data, f.elf.len) > 0;
		f.elf.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	assert_true(some > f.elf.len);
	end(&f);
}

/* Whole fields set to what arithmetic goes wrong with. */
static void test_extreme_fields(void **state)
{
	static const uint64_t values[] = {0, 1, 0x7fffffff, 0xffffffff, 0x100000000, INT64_MAX,
		INT64_MAX + 1ULL, UINT64_MAX - 0xfff, UINT64_MAX - 7, UINT64_MAX};
	struct fixture f;
	size_t some = 0;

	(void)state;
	FIXTURE(f, hostile_base, 0x2000);
	for (size_t at = 0; at + 8 <= f.elf.len && at < 0x400; at += 4) {
		char saved[8];

		memcpy(saved, f.elf.data + at, 8);
		for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
			memcpy(f.elf.data + at, &values[i], 8);
			some += ask(f.elf.data, f.elf.len) > 0;
		}
		memcpy(f.elf.data + at, saved, 8);
	}
	assert_true(some > 100);
	end(&f);
}

/* Real files with random damage to their headers, section table and symbols. */
static void test_damaged_real_file(void **state)
{
	static const char *const paths[] = {
		"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"};
	uint32_t random = 99;
	struct buf file;
	bool seen = false;

	(void)state;
	for (size_t p = 0; p < sizeof(paths) / sizeof(*paths); p++) {
		buf_init(&file, 16 << 20);
		if (file_read(paths[p], &file) < 0 || file.len < 10000) {
			buf_free(&file);
			continue;
		}
		seen = true;
		for (int round = 0; round < 600; round++) {
			size_t places[3] = {64, file.len > 30000 ? 30000 : file.len, 6000};
			size_t from = round % 3 == 2 ? file.len - places[2] : 0;
			char saved[8];
			size_t at[8];

			for (int i = 0; i < 8; i++) {
				random = random * 1664525 + 1013904223;
				at[i] = from + (random >> 8) % places[round % 3];
				saved[i] = file.data[at[i]];
				file.data[at[i]] = (char)(random >> 3);
			}
			ask(file.data, round % 7 ? file.len : (random >> 8) % file.len);
			for (int i = 7; i >= 0; i--)
				file.data[at[i]] = saved[i];
		}
		buf_free(&file);
	}
	if (!seen) {
		print_message("skipped: no dynamic linker of glibc on this machine\n");
		skip();
	}
}

/* A symbol table of a million functions in scattered order, with aliases. Says how long the index
 * took. */
static void test_million(void **state)
{
	enum { MANY = 1000000, STRIDE = 32 };
	struct test_symbol *symbols = calloc(MANY, sizeof(*symbols));
	char(*names)[32] = calloc(MANY, sizeof(*names));
	struct fixture f;
	uint64_t begin_ns;
	struct symbol symbol;

	(void)state;
	assert_non_null(symbols);
	assert_non_null(names);
	for (uint32_t i = 0; i < MANY; i++) {
		uint32_t place = (uint32_t)((uint64_t)i * 7919 % MANY);

		snprintf(names[i], sizeof(*names), "%s_ZN5space4f%u_Ev", i % 10 ? "" : "__",
			10000000 + place);
		symbols[i] = (struct test_symbol){names[i],
			0x1000 + (uint64_t)(place - (place % 10 == 1)) * STRIDE, STRIDE, STB_GLOBAL,
			STT_FUNC, TEXT};
	}
	begin(&f, symbols, MANY, (uint64_t)MANY * STRIDE);
	begin_ns = clock_now_ns();
	assert_true(symbolize_native(f.s, f.image, 0x1000, &symbol));
	print_message("index of %d symbols: %llu ms\n", MANY,
		(unsigned long long)((clock_now_ns() - begin_ns) / NS_PER_MS));
	for (uint32_t place = 2; place < MANY; place += 997) {
		char wanted[32];

		if (place % 10 < 2)
			continue;
		snprintf(wanted, sizeof(wanted), "f%u_", 10000000 + place);
		assert_true(symbolize_native(
			f.s, f.image, 0x1000 + (uint64_t)place * STRIDE + 31, &symbol));
		assert_non_null(strstr(symbol.name, wanted));
		assert_int_equal(symbol.offset, 31);
	}
	end(&f);
	free(symbols);
	free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sized),
		cmocka_unit_test(test_not_functions),
		cmocka_unit_test(test_without_size),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_descriptor_changes),
		cmocka_unit_test(test_cut_later),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped_bits),
		cmocka_unit_test(test_extreme_fields),
		cmocka_unit_test(test_damaged_real_file),
		cmocka_unit_test(test_million),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
