/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernel symbols: fabricated lists, and the running kernel's own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "symbolize/symbolize.h"

struct list {
	int fd;
	char path[64];
	struct symbolizer *s;
};

static void list_init(struct list *l, const char *text)
{
	*l = (struct list){.fd = memfd_create("kallsyms", MFD_CLOEXEC), .s = symbolizer_new()};
	assert_true(l->fd >= 0);
	assert_non_null(l->s);
	assert_int_equal(fd_write_all(l->fd, text, strlen(text)), 0);
	snprintf(l->path, sizeof(l->path), "/proc/self/fd/%d", l->fd);
	symbolizer_set_kallsyms(l->s, l->path);
}

static void list_free(struct list *l)
{
	symbolizer_free(l->s);
	fd_close(&l->fd);
}

static void check(const struct list *l, uint64_t address, const char *name, const char *module,
	uint64_t offset)
{
	struct symbol symbol = {0};
	bool found = symbolize_kernel(l->s, address, &symbol);

	if (!name) {
		if (found)
			fail_msg("%#llx should have no name, but is %s",
				(unsigned long long)address, symbol.name);
		assert_null(symbol.name);
		return;
	}
	assert_true(found);
	assert_string_equal(symbol.name, name);
	assert_string_equal(symbol.module, module);
	assert_int_equal(symbol.offset, offset);
}

static void test_ranges(void **state)
{
	struct list l;

	(void)state;
	list_init(&l, "0000000000000000 A fixed_percpu_data\n"
		      "ffffffff81000000 T _stext\n"
		      "ffffffff81000000 T startup_64\n"
		      "ffffffff81000000 T _text\n"
		      "ffffffff81000100 t local_one\n"
		      "ffffffff81000200 W weak_one\n"
		      "ffffffff81000200 T __strong_one\n"
		      "ffffffff81000300 T _etext\n"
		      "ffffffff81000400 R some_table\n"
		      "ffffffff81000410 D some_data\n"
		      "ffffffff81000500 T behind_data\n"
		      "ffffffffc0002000 t later_function\t[nf_tables]\n"
		      "ffffffffc0001000 t early_function\t[nf_tables]\n"
		      "ffffffffc0001800 r table\t[nf_tables]\n"
		      "ffffffffc0900000 t bpf_prog_6deef7357e7b4530_sample\t[bpf]\n");
	check(&l, 0, NULL, NULL, 0);
	check(&l, 0xffffffff80ffffffULL, NULL, NULL, 0);
	check(&l, 0xffffffff81000000ULL, "startup_64", "kernel", 0);
	check(&l, 0xffffffff810000ffULL, "startup_64", "kernel", 0xff);
	check(&l, 0xffffffff81000100ULL, "local_one", "kernel", 0);
	check(&l, 0xffffffff81000200ULL, "weak_one", "kernel", 0);
	check(&l, 0xffffffff81000300ULL, NULL, NULL, 0); /* _etext: behind the last function */
	check(&l, 0xffffffff81000400ULL, NULL, NULL, 0);
	check(&l, 0xffffffff81000420ULL, NULL, NULL, 0);
	check(&l, 0xffffffff81000501ULL, "behind_data", "kernel", 1);
	check(&l, 0xffffffff81000500ULL + (64 << 10), NULL, NULL, 0); /* no function is that long */
	check(&l, 0xffffffffc0001004ULL, "early_function", "nf_tables",
		4); /* sorted although the file is not */
	check(&l, 0xffffffffc0001804ULL, NULL, NULL, 0);
	check(&l, 0xffffffffc0002000ULL, "later_function", "nf_tables", 0);
	check(&l, 0xffffffffc0900010ULL, "bpf_prog_6deef7357e7b4530_sample", "bpf", 0x10);
	check(&l, UINT64_MAX, NULL, NULL, 0);
	list_free(&l);
}

/* A function may reach up to data only: several data symbols in a row must not let it grow. */
static void test_data_ends_a_function(void **state)
{
	struct list l;

	(void)state;
	list_init(&l, "ffffffff81000000 T first\n"
		      "ffffffff81000010 D a\n"
		      "ffffffff81000020 D b\n"
		      "ffffffff81000020 D b2\n"
		      "ffffffff81000030 D c\n"
		      "ffffffff81000030 T second\n");
	check(&l, 0xffffffff8100000fULL, "first", "kernel", 15);
	check(&l, 0xffffffff81000010ULL, NULL, NULL, 0);
	check(&l, 0xffffffff8100002fULL, NULL, NULL, 0);
	check(&l, 0xffffffff81000030ULL, "second", "kernel", 0);
	list_free(&l);
}

static void test_malformed(void **state)
{
	static const char bad[] =
		"\n\n \nxyz\nffffffff81000000\nffffffff81000000 \nffffffff81000000 T\n"
		"ffffffff81000000 T \nffffffff81000001  T double_blank\n-1 T minus\n"
		"fffffffffffffffffffffffff T overflow\nffffffff81000010 T good\n"
		"ffffffff81000020 T odd\t[\nffffffff81000030 T module\t[]\nffffffff81000040 T ";
	char long_line[3000];
	struct list l;

	(void)state;
	memset(long_line, 'n', sizeof(long_line));
	memcpy(long_line, bad, sizeof(bad) - 1);
	long_line[sizeof(long_line) - 1] =
		'\0'; /* no newline at the end, and a name that is too long */
	list_init(&l, long_line);
	check(&l, 0xffffffff81000001ULL, NULL, NULL, 0);
	check(&l, 0xffffffff81000010ULL, "good", "kernel", 0);
	check(&l, 0xffffffff81000020ULL, "odd", "kernel", 0);
	check(&l, 0xffffffff81000030ULL, "module", "kernel", 0);
	list_free(&l);
	list_init(&l, "");
	check(&l, 0xffffffff81000010ULL, NULL, NULL, 0);
	list_free(&l);
}

/* With kptr_restrict all addresses read as zero: no name at all, and one line that says what to do.
 */
static void test_hidden(void **state)
{
	struct list l;
	FD_CLOSE int log = memfd_create("log", MFD_CLOEXEC);
	int saved = dup(STDERR_FILENO);
	char text[2000] = "";

	(void)state;
	list_init(&l, "0000000000000000 T do_syscall_64\n0000000000000000 t other\t[mod]\n");
	dup2(log, STDERR_FILENO);
	check(&l, 0, NULL, NULL, 0);
	check(&l, 0xffffffff81000010ULL, NULL, NULL, 0);
	symbolizer_refresh_kernel(l.s);
	check(&l, 0xffffffff81000010ULL, NULL, NULL, 0);
	dup2(saved, STDERR_FILENO);
	fd_close(&saved);
	assert_true(pread(log, text, sizeof(text) - 1, 0) > 0);
	assert_non_null(strstr(text, "kptr_restrict"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
	list_free(&l);
}

static void test_unreadable(void **state)
{
	struct symbolizer *s = symbolizer_new();
	struct symbol symbol;
	enum log_level level = log_get_level();

	(void)state;
	log_set_level(LOG_LEVEL_QUIET);
	symbolizer_set_kallsyms(s, "/nonexistent/kallsyms");
	assert_false(symbolize_kernel(s, 0xffffffff81000010ULL, &symbol));
	log_set_level(level);
	symbolizer_free(s);
}

/* Names that were given out stay valid when the list is read again. */
static void test_refresh(void **state)
{
	struct list l;
	struct symbol old, fresh;
	const char *more = "ffffffff81000000 T before\nffffffffc0000000 t bpf_prog_x\t[bpf]\n";

	(void)state;
	list_init(&l, "ffffffff81000000 T before\n");
	assert_true(symbolize_kernel(l.s, 0xffffffff81000000ULL, &old));
	assert_int_equal(pwrite(l.fd, more, strlen(more), 0), strlen(more));
	check(&l, 0xffffffffc0000001ULL, NULL, NULL, 0); /* it was read a moment ago */
	symbolizer_refresh_kernel(l.s);
	check(&l, 0xffffffffc0000001ULL, NULL, NULL, 0);
	symbolizer_set_kernel_pauses(l.s, 0, 0);
	assert_true(symbolize_kernel(l.s, 0xffffffffc0000001ULL, &fresh));
	assert_string_equal(fresh.name, "bpf_prog_x");
	assert_string_equal(fresh.module, "bpf");
	assert_string_equal(old.name, "before");
	assert_string_equal(old.module, "kernel");
	list_free(&l);
}

/* Every function of the running kernel is found at its own address, under one of its names there.
 */
static void test_running_kernel(void **state)
{
	struct symbolizer *s = symbolizer_new();
	FILE *f = fopen("/proc/kallsyms", "re");
	size_t same = 0, alias = 0;
	bool syscall_seen = false;
	char line[1024], name[512], type;
	unsigned long long address;

	(void)state;
	while (f && fgets(line, sizeof(line), f)) {
		struct symbol symbol;

		if (sscanf(line, "%llx %c %511s", &address, &type, name) != 3 || !address ||
			!strchr("Tt", type) || !strcmp(name, "_etext") ||
			!strcmp(name, "_einittext"))
			continue;
		if (!symbolize_kernel(s, address, &symbol) && same > 0)
			continue; /* shares its address with _etext */
		assert_int_equal(symbol.offset, 0);
		if (!strcmp(symbol.name, name))
			same++;
		else
			alias++;
		if (strstr(name, "do_syscall_64") || strstr(name, "el0_svc")) {
			assert_string_equal(symbol.module, "kernel");
			syscall_seen = true;
		}
	}
	if (f)
		fclose(f);
	symbolizer_free(s);
	if (!same) {
		print_message("skipped: /proc/kallsyms shows no addresses (needs root)\n");
		skip();
	}
	assert_true(syscall_seen);
	assert_true(same > 1000);
	assert_true(alias < same / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_data_ends_a_function),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_running_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
