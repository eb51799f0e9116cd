/* SPDX-License-Identifier: BSD-2-Clause */
/* Real files: this program, libc against an independent reader (libelf), the vDSO, and small
 * programs that are compiled, stripped and split here. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "process/process.h"
#include "symbolize/symbolize.h"

#define NO_DEBUG_FOLDER "/nonexistent/debug"

__attribute__((noinline)) static int a_static_function_of_the_test(int x)
{
	__asm__ volatile("" : "+r"(x));
	return x * 3;
}

static struct image *open_image(const char *path)
{
	struct err err = {0};
	struct image *image = image_open(open(path, O_RDONLY | O_CLOEXEC), path, &err);

	assert_non_null(image);
	return image;
}

static struct symbolizer *new_symbolizer(const char *debug_folder)
{
	struct symbolizer *s = symbolizer_new();

	assert_non_null(s);
	if (debug_folder)
		symbolizer_set_debug_folder(s, debug_folder);
	return s;
}

struct loaded {
	const char *part; /* of the path; "" for the program itself */
	uint64_t bias;
	char path[512];
};

static int find_loaded(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct loaded *l = arg;

	(void)size;
	if (*l->part ? !strstr(info->dlpi_name, l->part) : *info->dlpi_name != '\0')
		return 0;
	l->bias = info->dlpi_addr;
	snprintf(l->path, sizeof(l->path), "%s", *l->part ? info->dlpi_name : "/proc/self/exe");
	return 1;
}

static void test_own_functions(void **state)
{
	struct loaded self = {.part = ""};
	struct symbolizer *s = new_symbolizer(NULL);
	uint64_t address = (uint64_t)(uintptr_t)a_static_function_of_the_test;
	struct image *image;
	struct symbol symbol;

	(void)state;
	assert_int_equal(a_static_function_of_the_test(14), 42);
	assert_int_equal(dl_iterate_phdr(find_loaded, &self), 1);
	image = open_image(self.path);
	assert_true(symbolize_native(s, image, address - self.bias, &symbol));
	assert_string_equal(symbol.name, "a_static_function_of_the_test");
	assert_string_equal(symbol.module, "exe");
	assert_int_equal(symbol.offset, 0);
	assert_true(symbolize_native(s, image, address - self.bias + 2, &symbol));
	assert_string_equal(symbol.name, "a_static_function_of_the_test");
	assert_int_equal(symbol.offset, 2);
	assert_true(symbolize_native(
		s, image, (uint64_t)(uintptr_t)symbolize_native - self.bias + 1, &symbol));
	assert_string_equal(symbol.name, "symbolize_native");
	assert_false(symbolize_native(s, image, 0, &symbol));
	symbolizer_free(s);
	image_close(image);
}

/* ---- libc and the dynamic linker, read a second time by libelf
 * ----------------------------------- */

/* Calls `each` for every sized function of .dynsym; returns how many. */
static size_t each_dynamic(const char *path,
	void (*each)(void *arg, const char *name, const GElf_Sym *symbol), void *arg)
{
	FD_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf_Scn *scn = NULL;
	size_t calls = 0;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	assert_non_null(elf);
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr header;
		Elf_Data *data = elf_getdata(scn, NULL);

		if (!gelf_getshdr(scn, &header) || header.sh_type != SHT_DYNSYM)
			continue;
		for (size_t i = 0; i < header.sh_size / header.sh_entsize; i++) {
			GElf_Sym symbol;

			gelf_getsym(data, (int)i, &symbol);
			if (symbol.st_shndx == SHN_UNDEF || !symbol.st_size ||
				(GELF_ST_TYPE(symbol.st_info) != STT_FUNC &&
					GELF_ST_TYPE(symbol.st_info) != STT_GNU_IFUNC))
				continue;
			each(arg, elf_strptr(elf, header.sh_link, symbol.st_name), &symbol);
			calls++;
		}
	}
	elf_end(elf);
	return calls;
}

struct dynamic_check {
	struct symbolizer *s;
	const struct image *image;
	uint64_t vaddr;   /* of the function asked about */
	const char *name; /* what the symbolizer said */
	size_t fewest_underscores;
	bool is_alias;
};

static void compare_alias(void *arg, const char *name, const GElf_Sym *symbol)
{
	struct dynamic_check *c = arg;
	size_t underscores = strspn(name, "_");

	if (symbol->st_value != c->vaddr)
		return;
	c->is_alias |= !strcmp(name, c->name);
	if (underscores < c->fewest_underscores)
		c->fewest_underscores = underscores;
}

static void check_dynamic(void *arg, const char *name, const GElf_Sym *symbol)
{
	struct dynamic_check *c = arg;
	struct symbol first, last;

	if (!symbolize_native(c->s, c->image, symbol->st_value, &first))
		fail_msg("%s is not found", name);
	assert_int_equal(first.offset, 0);
	assert_true(
		symbolize_native(c->s, c->image, symbol->st_value + symbol->st_size - 1, &last));
	if (symbol->st_value % 64)
		return; /* a part of them is compared with all others, that is slow enough */
	c->vaddr = symbol->st_value;
	c->name = first.name;
	c->fewest_underscores = SIZE_MAX;
	c->is_alias = false;
	each_dynamic(c->image->path, compare_alias, c);
	if (!c->is_alias || strspn(first.name, "_") != c->fewest_underscores)
		fail_msg("%s has become %s", name, first.name);
}

static void check_library(const char *part, size_t functions_min)
{
	struct loaded l = {.part = part};
	struct dynamic_check c = {.s = new_symbolizer(NO_DEBUG_FOLDER)};
	struct image *image;

	if (!dl_iterate_phdr(find_loaded, &l)) {
		symbolizer_free(c.s);
		print_message("skipped: %s is not loaded\n", part);
		skip();
	}
	c.image = image = open_image(l.path);
	assert_true(each_dynamic(l.path, check_dynamic, &c) >= functions_min);
	symbolizer_free(c.s);
	image_close(image);
}

static void test_libc_dynamic(void **state)
{
	(void)state;
	check_library("libc.so", 1000);
}

static void test_linker_dynamic(void **state)
{
	(void)state;
	check_library("ld-linux", 5);
}

/* Names as people know them, asked for by the addresses that the dynamic linker gives. */
static void check_common_names(const char *debug_folder)
{
	static const char *const names[] = {"malloc", "free", "calloc", "realloc", "read", "write",
		"open", "close", "fork", "printf", "puts", "fwrite", "strtol", "qsort", "getenv",
		"poll", "select", "epoll_wait", "accept", "connect", "send", "recv", "nanosleep",
		"pthread_create", "pthread_mutex_lock", "pthread_cond_wait", "sem_wait", "mmap",
		"munmap", "ioctl", "fcntl", "getpid", "kill", "exit", "abort", "sigaction",
		"readdir", "opendir", "getrandom", "regexec"};
	struct loaded l = {.part = "libc.so"};
	struct symbolizer *s = new_symbolizer(debug_folder);
	struct image *image;

	if (!dl_iterate_phdr(find_loaded, &l)) {
		symbolizer_free(s);
		print_message("skipped: there is no libc.so\n");
		skip();
	}
	image = open_image(l.path);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		void *handle = dlopen(l.path, RTLD_NOW | RTLD_NOLOAD);
		uint64_t address = (uint64_t)(uintptr_t)dlsym(handle, names[i]);
		struct symbol symbol;

		assert_true(address > l.bias);
		assert_true(symbolize_native(s, image, address - l.bias, &symbol));
		/* Names of equal rank are told apart by length: open64 is as good as open, and
		 * longer. */
		assert_string_equal(symbol.name, names[i]);
		dlclose(handle);
	}
	symbolizer_free(s);
	image_close(image);
}

static void test_common_names(void **state)
{
	(void)state;
	check_common_names(NO_DEBUG_FOLDER);
}

static void test_common_names_with_debug_file(void **state)
{
	(void)state;
	check_common_names(NULL); /* the machine's own debug folder, whatever is in it */
}

/* ---- the vDSO -------------------------------------------------------------------------------- */

static void test_vdso(void **state)
{
	const uint8_t *vdso = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	int fd = memfd_create("vdso", MFD_CLOEXEC);
	struct symbolizer *s = new_symbolizer(NULL);
	struct image *image;
	size_t found = 0;
	char last[256] = "";
	bool time_seen = false;

	(void)state;
	if (!vdso) {
		print_message("skipped: this kernel gives no vDSO\n");
		skip();
	}
	while (write(fd, vdso, 4096) == 4096) /* up to the first page that cannot be read */
		vdso += 4096;
	image = image_open(fd, "[vdso]", NULL);
	assert_non_null(image);
	assert_true(image->is_elf);
	assert_string_equal(image->name, "[vdso]");
	for (uint64_t vaddr = 0; vaddr < 0x4000; vaddr++) {
		struct symbol symbol;

		if (!symbolize_native(s, image, vaddr, &symbol) || !strcmp(symbol.name, last))
			continue;
		snprintf(last, sizeof(last), "%s", symbol.name);
		assert_string_equal(symbol.module, "[vdso]");
		found++;
		/* The name with the prefix: it tells the vDSO's function from the one of libc that
		 * called it. */
		time_seen |= !strcmp(symbol.name, "__vdso_clock_gettime") ||
			     !strcmp(symbol.name, "__kernel_clock_gettime");
	}
	assert_true(found >= 4);
	assert_true(time_seen);
	symbolizer_free(s);
	image_close(image);
}

/* ---- programs compiled here -------------------------------------------------------------------
 */

struct workshop {
	char folder[64];
	struct image *image;
	struct symbolizer *s;
};

static int enter_workshop(void **state)
{
	struct workshop *w = calloc(1, sizeof(*w));

	strcpy(w->folder, "/tmp/profd-symbolize-XXXXXX");
	*state = w;
	return mkdtemp(w->folder) ? 0 : -1;
}

/* Runs a line of shell in the workshop. */
static bool run(const struct workshop *w, const char *line)
{
	char command[2048];
	int status;

	snprintf(command, sizeof(command), "cd %s && { %s; } >output.txt 2>&1", w->folder, line);
	status = system(command);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int leave_workshop(void **state)
{
	struct workshop *w = *state;
	char command[128];
	int status;

	image_close(w->image);
	symbolizer_free(w->s);
	snprintf(command, sizeof(command), "rm -rf %s", w->folder);
	status = system(command);
	free(w);
	return status;
}

static void need_tool(const struct workshop *w, const char *tool)
{
	char line[64];

	snprintf(line, sizeof(line), "command -v %s", tool);
	if (run(w, line))
		return;
	print_message("skipped: %s is not installed\n", tool);
	skip();
}

static void write_source(const struct workshop *w, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", w->folder, name);
	FD_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

/* Every address that has a name, asked in turn, gives the names of the file; true where `wanted` is
 * among them. */
static bool knows(
	struct workshop *w, const char *file, const char *debug_folder, const char *wanted)
{
	char path[128], debug[128];
	bool seen = false;

	snprintf(path, sizeof(path), "%s/%s", w->folder, file);
	snprintf(debug, sizeof(debug), "%s/%s", w->folder, debug_folder);
	image_close(w->image);
	symbolizer_free(w->s);
	w->image = open_image(path);
	w->s = new_symbolizer(debug);
	assert_true(w->image->is_elf);
	for (size_t i = 0; i < w->image->n_segments && !seen; i++) {
		const struct image_segment *segment = &w->image->segments[i];

		if (!(segment->flags & PF_X))
			continue;
		for (uint64_t at = 0; at < segment->file_bytes && !seen; at++) {
			struct symbol symbol;

			seen = symbolize_native(w->s, w->image, segment->vaddr + at, &symbol) &&
			       !strcmp(symbol.name, wanted);
		}
	}
	return seen;
}

static const char c_source[] =
	"__attribute__((noinline)) static int hidden_in_c(int x) { return x * 3 + 1; }\n"
	"__attribute__((noinline)) int shown_in_c(int x) { return hidden_in_c(x) ^ 5; }\n"
	"int main(int argc, char **argv) { (void)argv; return shown_in_c(argc) == 0; }\n";

static void build_c(struct workshop *w, const char *options)
{
	char line[512];

	need_tool(w, "cc");
	need_tool(w, "strip");
	need_tool(w, "objcopy");
	write_source(w, "program.c", c_source);
	snprintf(line, sizeof(line),
		"cc -O1 -rdynamic %s -o full program.c && cp full stripped && strip stripped",
		options);
	assert_true(run(w, line));
}

static void test_stripped(void **state)
{
	struct workshop *w = *state;

	build_c(w, "");
	assert_true(knows(w, "full", "none", "hidden_in_c"));
	assert_true(knows(w, "full", "none", "shown_in_c"));
	assert_true(knows(w, "full", "none", "main"));
	assert_false(knows(
		w, "stripped", "none", "hidden_in_c")); /* and nobody else's name in its place: */
	assert_true(knows(w, "stripped", "none", "shown_in_c"));
	assert_true(run(w, "cc -O1 -no-pie -o fixed program.c"));
	assert_true(knows(w, "fixed", "none", "hidden_in_c"));
}

static void test_debug_file_by_build_id(void **state)
{
	struct workshop *w = *state;

	build_c(w, "-Wl,--build-id=0x0123456789abcdef");
	assert_true(
		run(w, "mkdir -p debug/.build-id/01 && "
		       "objcopy --only-keep-debug full debug/.build-id/01/23456789abcdef.debug"));
	assert_true(knows(w, "stripped", "debug", "hidden_in_c"));
	assert_true(knows(w, "stripped", "debug", "shown_in_c"));
	assert_false(knows(w, "stripped", "none", "hidden_in_c"));
	/* The debug file of another build under this name is refused. */
	assert_true(
		run(w, "cc -O1 -Wl,--build-id=0x1123456789abcdef -o other program.c && "
		       "objcopy --only-keep-debug other debug/.build-id/01/23456789abcdef.debug"));
	assert_false(knows(w, "stripped", "debug", "hidden_in_c"));
	assert_true(run(w,
		"rm debug/.build-id/01/*.debug && mkfifo debug/.build-id/01/23456789abcdef.debug"));
	assert_false(knows(w, "stripped", "debug", "hidden_in_c")); /* does not wait for a writer */
	assert_true(knows(w, "stripped", "debug", "shown_in_c"));
}

static void test_debug_link(void **state)
{
	struct workshop *w = *state;

	build_c(w, "-Wl,--build-id=none");
	assert_true(run(w, "objcopy --only-keep-debug full stripped.dbg && "
			   "objcopy --add-gnu-debuglink=stripped.dbg stripped"));
	assert_true(
		knows(w, "stripped", "none", "hidden_in_c")); /* beside the program, by checksum */
	assert_true(run(w, "mkdir .debug && mv stripped.dbg .debug/"));
	assert_true(knows(w, "stripped", "none", "hidden_in_c"));
	assert_true(run(w, "mkdir -p debug/$PWD && mv .debug/stripped.dbg debug/$PWD/"));
	assert_true(knows(w, "stripped", "debug", "hidden_in_c"));
	assert_false(knows(w, "stripped", "none", "hidden_in_c"));
	assert_true(run(w, "printf x >> debug/$PWD/stripped.dbg")); /* the checksum is wrong now */
	assert_false(knows(w, "stripped", "debug", "hidden_in_c"));
	assert_true(knows(w, "stripped", "debug", "shown_in_c"));
}

static void test_mini_debug(void **state)
{
	struct workshop *w = *state;

	need_tool(w, "xz");
	build_c(w, "");
	assert_true(run(w,
		"objcopy --only-keep-debug full mini && strip --strip-debug mini && xz -k mini && "
		"objcopy --add-section .gnu_debugdata=mini.xz stripped with_mini"));
	assert_true(knows(w, "with_mini", "none", "hidden_in_c"));
	assert_true(knows(w, "with_mini", "none", "shown_in_c"));
	/* Cut, or no xz at all: only .dynsym is left. */
	assert_true(run(w, "head -c 300 mini.xz > cut.xz && "
			   "objcopy --add-section .gnu_debugdata=cut.xz stripped with_cut && "
			   "objcopy --add-section .gnu_debugdata=program.c stripped with_text"));
	assert_false(knows(w, "with_cut", "none", "hidden_in_c"));
	assert_true(knows(w, "with_cut", "none", "shown_in_c"));
	assert_false(knows(w, "with_text", "none", "hidden_in_c"));
	/* A bomb: 500 MB of zeros in 73 kB. */
	assert_true(run(w, "head -c 500000000 /dev/zero | xz -1 > bomb.xz && "
			   "objcopy --add-section .gnu_debugdata=bomb.xz stripped with_bomb"));
	assert_true(knows(w, "with_bomb", "none", "shown_in_c"));
}

static void test_cxx_program(void **state)
{
	static const char source[] =
		"#include <vector>\n"
		"namespace shop { namespace {\n"
		"template <class T> __attribute__((noinline)) T twice(T x) { asm volatile(\"\"); return x + x; }\n"
		"} class Basket { public: __attribute__((noinline)) Basket(int n) : n_(n) { asm volatile(\"\"); }\n"
		"__attribute__((noinline)) int total() const { asm volatile(\"\"); return twice(n_); }\n"
		"int n_; }; }\n"
		"int main(int argc, char **) { shop::Basket b(argc); return b.total() == 1; }\n";
	struct workshop *w = *state;

	need_tool(w, "g++");
	write_source(w, "program.cc", source);
	assert_true(run(w, "g++ -O1 -o program program.cc"));
	assert_true(knows(w, "program", "none", "shop::Basket::total"));
	assert_true(knows(w, "program", "none", "shop::Basket::Basket"));
	assert_true(knows(w, "program", "none", "shop::(anonymous namespace)::twice<int>"));
	assert_true(knows(w, "program", "none", "main"));
}

static void test_rust_program(void **state)
{
	static const char source[] =
		"mod shop { pub struct Basket(pub u64);\n"
		"impl Basket { #[inline(never)] pub fn total(&self) -> u64 { std::hint::black_box(self.0) * 2 } } }\n"
		"fn main() { let b = shop::Basket(std::env::args().count() as u64); println!(\"{}\", b.total()); }\n";
	struct workshop *w = *state;

	need_tool(w, "rustc");
	write_source(w, "program.rs", source);
	if (!run(w, "rustc -O -o legacy program.rs && rustc -O -C symbol-mangling-version=v0 -o v0 program.rs")) {
		print_message("skipped: rustc does not work here\n");
		skip();
	}
	if (!knows(w, "legacy", "none", "program::shop::Basket::total") &&
		!knows(w, "legacy", "none", "legacy::shop::Basket::total"))
		assert_true(knows(
			w, "legacy", "none", "<program::shop::Basket>::total")); /* v0 by default */
	assert_true(knows(w, "v0", "none", "<program::shop::Basket>::total") ||
		    knows(w, "v0", "none", "<v0::shop::Basket>::total"));
}

static void test_no_elf(void **state)
{
	struct workshop *w = *state;
	struct symbol symbol;
	char path[128];

	write_source(w, "text", "no ELF file\n");
	snprintf(path, sizeof(path), "%s/text", w->folder);
	w->image = open_image(path);
	w->s = new_symbolizer(NULL);
	assert_false(symbolize_native(w->s, w->image, 0x1000, &symbol));
}

#define IN_WORKSHOP(test) cmocka_unit_test_setup_teardown(test, enter_workshop, leave_workshop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_functions),
		cmocka_unit_test(test_libc_dynamic),
		cmocka_unit_test(test_linker_dynamic),
		cmocka_unit_test(test_common_names),
		cmocka_unit_test(test_common_names_with_debug_file),
		cmocka_unit_test(test_vdso),
		IN_WORKSHOP(test_stripped),
		IN_WORKSHOP(test_debug_file_by_build_id),
		IN_WORKSHOP(test_debug_link),
		IN_WORKSHOP(test_mini_debug),
		IN_WORKSHOP(test_cxx_program),
		IN_WORKSHOP(test_rust_program),
		IN_WORKSHOP(test_no_elf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
