/* SPDX-License-Identifier: BSD-2-Clause */
/* Names for weeks: what is kept stays below a bound, and the kernel's list is read again when it
 * pays. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "process/process.h"
#include "symbolize/symbolize.h"

enum { OWN, LIBC, IMAGES };

/* This program and its libc. */
struct files {
	struct process_table *table;
	struct image *images[IMAGES];
	uint64_t vaddrs[IMAGES]; /* of a function in each */
	const char *names[IMAGES];
};

static void file_find(struct files *f, int i, uint64_t address, const char *name)
{
	struct process *p = process_get(f->table, (uint32_t)getpid(), NULL);
	const struct mapping *m = process_mapping(p, address);

	assert_non_null(m);
	f->images[i] = m->image;
	f->vaddrs[i] = address - m->bias;
	f->names[i] = name;
}

static void files_open(struct files *f)
{
	f->table = process_table_new(NULL);
	file_find(f, OWN, (uint64_t)(uintptr_t)symbolize_native, "symbolize_native");
	file_find(f, LIBC, (uint64_t)(uintptr_t)strtoull, "strtoull");
}

static void ask(struct symbolizer *s, const struct files *f, int i)
{
	struct symbol symbol = {0};

	assert_true(symbolize_native(s, f->images[i], f->vaddrs[i], &symbol));
	/* libc has several names for it. */
	assert_non_null(strstr(symbol.name, i == LIBC ? "strtou" : f->names[i]));
	assert_string_equal(symbol.module, f->images[i]->name);
}

static void test_trim(void **state)
{
	struct symbolizer *s = symbolizer_new();
	struct files f;
	size_t both, one;

	(void)state;
	files_open(&f);
	ask(s, &f, OWN);
	one = symbolizer_bytes(s);
	assert_true(one > 1000);
	ask(s, &f, LIBC);
	both = symbolizer_bytes(s);
	assert_true(both > one + 1000);
	symbolizer_trim(s, both); /* it is below */
	assert_int_equal(symbolizer_bytes(s), both);
	symbolizer_trim(s, both - 1); /* the names are enough */
	assert_true(symbolizer_bytes(s) < both && symbolizer_bytes(s) > both - 1000);
	ask(s, &f, LIBC);
	ask(s, &f, OWN);
	assert_int_equal(symbolizer_bytes(s), both);
	symbolizer_trim(s, both - 1000); /* libc's was not asked for longest */
	assert_true(symbolizer_bytes(s) <= one);
	ask(s, &f, OWN);
	assert_int_equal(symbolizer_bytes(s), one);
	ask(s, &f, LIBC);
	assert_int_equal(symbolizer_bytes(s), both);
	symbolizer_trim(s, 0);
	assert_int_equal(symbolizer_bytes(s), 0);
	for (int i = 0; i < 20; i++) { /* nothing is counted wrong */
		ask(s, &f, i % 2);
		symbolizer_trim(s, 0);
		assert_int_equal(symbolizer_bytes(s), 0);
	}
	symbolizer_free(s);
	process_table_free(f.table);
}

static void test_forget_image(void **state)
{
	struct symbolizer *s = symbolizer_new();
	struct files f;
	size_t one;

	(void)state;
	files_open(&f);
	ask(s, &f, OWN);
	one = symbolizer_bytes(s);
	ask(s, &f, LIBC);
	symbolizer_forget_image(s, f.images[LIBC]->number);
	symbolizer_forget_image(s, 12345);
	assert_true(symbolizer_bytes(s) < one + 1000);
	symbolizer_forget_image(s, f.images[OWN]->number);
	assert_true(symbolizer_bytes(s) < 1000);
	ask(s, &f, OWN);
	ask(s, &f, LIBC);
	symbolizer_free(s);
	process_table_free(f.table);
}

/* Perf maps are trimmed like indexes, and read again. */
static void test_trim_perf_maps(void **state)
{
	struct symbolizer *s = symbolizer_new();
	uint32_t pid = (uint32_t)getpid();
	struct symbol symbol;
	char path[64];
	FILE *map;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/perf-%u.map", pid);
	map = fopen(path, "w");
	assert_non_null(map);
	for (unsigned i = 0; i < 1000; i++)
		fprintf(map, "%x 10 function_%u\n", 0x10000 + i * 0x10, i);
	fclose(map);
	for (int i = 0; i < 3; i++) {
		assert_true(symbolize_jit(s, pid, 0x10000 + 0x105, &symbol));
		assert_string_equal(symbol.name, "function_16");
		assert_true(symbolizer_bytes(s) > 10000);
		symbolizer_trim(s, 0);
		assert_int_equal(symbolizer_bytes(s), 0);
	}
	for (uint32_t other = 1; other < 100; other++) /* processes that have none */
		symbolize_jit(s, 0x70000000 + other, 0x1000, &symbol);
	assert_true(symbolizer_bytes(s) > 0);
	symbolizer_trim(s, 0);
	assert_int_equal(symbolizer_bytes(s), 0);
	unlink(path);
	symbolizer_free(s);
}

/* ---- the kernel --------------------------------------------------------------------------------
 */

struct list {
	int fd;
	char path[64];
	struct symbolizer *s;
};

static void list_write(struct list *l, const char *text)
{
	assert_int_equal(ftruncate(l->fd, 0), 0);
	assert_int_equal(pwrite(l->fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

static void list_open(struct list *l, const char *text)
{
	*l = (struct list){.fd = memfd_create("kallsyms", MFD_CLOEXEC), .s = symbolizer_new()};
	assert_true(l->fd >= 0);
	list_write(l, text);
	snprintf(l->path, sizeof(l->path), "/proc/self/fd/%d", l->fd);
	symbolizer_set_kallsyms(l->s, l->path);
}

static void list_close(struct list *l)
{
	symbolizer_free(l->s);
	fd_close(&l->fd);
}

static void check(struct list *l, uint64_t address, const char *name)
{
	struct symbol symbol = {0};
	bool found = symbolize_kernel(l->s, address, &symbol);

	assert_int_equal(found, name != NULL);
	if (name)
		assert_string_equal(symbol.name, name);
}

#define LIST_OLD                                                                                   \
	"ffffffff81000000 T kernel_old\nffffffffc0000000 t prog_old\t[bpf]\n"                      \
	"ffffffffc0001000 t prog_later\t[bpf]\n"
#define LIST_NEW                                                                                   \
	"ffffffff81000000 T kernel_new\nffffffffc0000000 t prog_new\t[bpf]\n"                      \
	"ffffffffc0001000 t prog_later\t[bpf]\nffffffffc0800000 t module_new\t[mod]\n"

static const uint64_t kernel_at = 0xffffffff81000010ULL, prog_at = 0xffffffffc0000010ULL,
		      module_at = 0xffffffffc0800010ULL, nowhere = 0xffffffffd0000000ULL;

/* What nothing was told of is not asked for again; what may have changed is, when its time has
 * come. */
static void test_list_changed(void **state)
{
	struct list l;

	(void)state;
	list_open(&l, LIST_OLD);
	symbolizer_set_kernel_pauses(l.s, UINT64_MAX, 0);
	check(&l, prog_at, "prog_old");
	list_write(&l, LIST_NEW);
	check(&l, prog_at, "prog_old"); /* nobody said anything */
	symbolizer_refresh_kernel(l.s);
	check(&l, kernel_at, "kernel_old"); /* the kernel itself does not change */
	check(&l, prog_at, "prog_new");
	check(&l, kernel_at, "kernel_new"); /* (this one did) */
	list_write(&l, LIST_OLD);
	check(&l, prog_at, "prog_new"); /* the change has been seen */
	symbolizer_set_kernel_pauses(l.s, UINT64_MAX, UINT64_MAX);
	symbolizer_refresh_kernel(l.s);
	check(&l, prog_at, "prog_new"); /* too early */
	list_close(&l);
}

static void test_list_unknown(void **state)
{
	struct list l;

	(void)state;
	list_open(&l, LIST_OLD);
	check(&l, kernel_at, "kernel_old");
	list_write(&l, LIST_NEW);
	check(&l, module_at, NULL); /* the list was read a moment ago */
	symbolizer_set_kernel_pauses(l.s, 0, UINT64_MAX);
	check(&l, module_at, "module_new"); /* nothing tells of modules: none was needed */
	check(&l, kernel_at, "kernel_new");
	list_close(&l);
}

/* An address that stays without a name does not have the list read each time. */
static void test_list_unknown_for_good(void **state)
{
	struct list l;

	(void)state;
	list_open(&l, LIST_OLD);
	symbolizer_set_kernel_pauses(l.s, 3600 * NS_PER_S, UINT64_MAX);
	check(&l, nowhere, NULL); /* the list is read, and does not have it */
	symbolizer_set_kernel_pauses(l.s, 0, UINT64_MAX);
	list_write(&l, LIST_NEW);
	for (unsigned i = 0; i < 64; i++)
		check(&l, nowhere + i, NULL);
	check(&l, kernel_at, "kernel_old"); /* it was not read for that */
	check(&l, module_at, "module_new"); /* but for another address */
	list_close(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trim),
		cmocka_unit_test(test_forget_image),
		cmocka_unit_test(test_trim_perf_maps),
		cmocka_unit_test(test_list_changed),
		cmocka_unit_test(test_list_unknown),
		cmocka_unit_test(test_list_unknown_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
