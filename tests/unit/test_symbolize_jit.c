/* SPDX-License-Identifier: BSD-2-Clause */
/* Perf maps of this process and of children: as /tmp/perf-PID.map, well-formed, growing, hostile.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "symbolize/symbolize.h"

struct jit_test {
	struct symbolizer *s;
	char path[64];
	uint32_t pid;
};

static int setup(void **state)
{
	struct jit_test *t = calloc(1, sizeof(*t));

	t->s = symbolizer_new();
	t->pid = (uint32_t)getpid();
	snprintf(t->path, sizeof(t->path), "/tmp/perf-%u.map", t->pid);
	unlink(t->path);
	*state = t;
	return t->s ? 0 : -1;
}

static int teardown(void **state)
{
	struct jit_test *t = *state;

	unlink(t->path);
	symbolizer_free(t->s);
	free(t);
	return 0;
}

static void append(const struct jit_test *t, const char *text)
{
	FD_CLOSE int fd = open(t->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static void check(const struct jit_test *t, uint64_t address, const char *name, uint64_t offset)
{
	struct symbol symbol = {0};
	bool found = symbolize_jit(t->s, t->pid, address, &symbol);

	if (!name) {
		if (found)
			fail_msg("%#llx should have no name, but is %s",
				(unsigned long long)address, symbol.name);
		return;
	}
	assert_true(found);
	assert_string_equal(symbol.name, name);
	assert_string_equal(symbol.module, "[jit]");
	assert_int_equal(symbol.offset, offset);
}

static void test_plain(void **state)
{
	struct jit_test *t = *state;

	append(t, "7f0000001000 40 py::main:/srv/app.py\n"
		  "0x7f0000002000 0x10 LazyCompile:*run /srv/app.js:10\r\n"
		  "7F0000000000 80 first in memory, last in file\n");
	check(t, 0x7f0000001000, "py::main:/srv/app.py", 0);
	check(t, 0x7f000000103f, "py::main:/srv/app.py", 0x3f);
	check(t, 0x7f0000001040, NULL, 0);
	check(t, 0x7f000000200f, "LazyCompile:*run /srv/app.js:10", 15);
	check(t, 0x7f0000000000, "first in memory, last in file", 0);
	check(t, 0x7effffffffff, NULL, 0);
	check(t, 0, NULL, 0);
	check(t, UINT64_MAX, NULL, 0);
}

static void test_malformed(void **state)
{
	struct jit_test *t = *state;
	char text[5000];

	append(t,
		"\n\n   \nnonsense\n1000\n1000 \n1000 10\n1000 10 \n 1000 10 indented\n1000 0 empty\n"
		"1000 zz name\n-1000 10 minus\n1000\t10\ttabs\n0x 10 digits\n"
		"10000000000000000000 10 too_wide\nffffffffffffffff 10 wraps\n"
		"1000 100000000 over_4_gib\n1000  10 two_blanks\n");
	check(t, 0x1000, NULL, 0);
	check(t, 0, NULL, 0);
	check(t, UINT64_MAX, NULL, 0);
	append(t, "2000 10 good\n");
	check(t, 0x2001, "good", 1);
	memset(text, 'n', sizeof(text));
	memcpy(text, "3000 10 ", 8);
	memcpy(text + sizeof(text) - 2, "\n", 2);
	append(t, text);
	text[8 + SYMBOL_NAME_MAX] = '\0';
	memcpy(text + 8 + SYMBOL_NAME_MAX - 3, "...", 3);
	check(t, 0x3000, text + 8, 0);
	append(t, "4000 10 control\x01\x1b[31m\xff;<script>\n");
	check(t, 0x4000, "control\x01\x1b[31m\xff;<script>", 0);
}

static void test_later_wins(void **state)
{
	struct jit_test *t = *state;

	append(t, "1000 100 old\n1000 80 new\n2000 1000 large_old\n2800 100 inner_new\n"
		  "5000 100 second_half_reused\n5080 100 reuse\n"
		  "8010 10 covered\n8000 100 cover\n");
	check(t, 0x1000, "new", 0);
	check(t, 0x1090, NULL, 0); /* the old one is gone with all its bytes */
	check(t, 0x2000, "large_old", 0);
	check(t, 0x2810, "inner_new", 0x10);
	check(t, 0x2900, "large_old", 0x900);
	check(t, 0x507f, "second_half_reused", 0x7f);
	check(t, 0x5080, "reuse", 0);
	check(t, 0x5100, "reuse", 0x80);
	check(t, 0x8018, "cover", 0x18);
}

static void test_grows(void **state)
{
	struct jit_test *t = *state;
	struct symbol early;

	append(t, "1000 10 early\n");
	assert_true(symbolize_jit(t->s, t->pid, 0x1000, &early));
	append(t, "2000 10 la");
	check(t, 0x2000, "la", 0); /* half-written: as good as it is */
	append(t, "ter\n3000 ");
	check(t, 0x3000, NULL, 0);
	append(t, "10 third\n");
	check(t, 0x3000, "third", 0);
	check(t, 0x2000, "later", 0); /* and read again with its end */
	for (int i = 0; i < 300; i++) {
		char line[64];

		snprintf(line, sizeof(line), "%x 8 function %d\n", 0x100000 + i * 16, i);
		append(t, line);
		check(t, 0x100004U + (unsigned)i * 16,
			strchr(line, 'f') ? strtok(strstr(line, "func"), "\n") : "", 4);
	}
	assert_string_equal(early.name, "early");
	check(t, 0x1000, "early", 0);
}

static void test_replaced(void **state)
{
	struct jit_test *t = *state;

	append(t, "1000 10 one\n2000 10 two\n");
	check(t, 0x1000, "one", 0);
	unlink(t->path);
	append(t, "3000 10 three\n4000 10 four\n5000 10 five\n");
	check(t, 0x3000, "three", 0);
	check(t, 0x1000, NULL, 0);
	assert_int_equal(truncate(t->path, 0), 0); /* the same file, written anew */
	append(t, "6000 10 six\n");
	check(t, 0x6000, "six", 0);
	check(t, 0x3000, NULL, 0);
}

static void test_missing(void **state)
{
	struct jit_test *t = *state;
	struct err err = {0};
	struct symbol symbol;

	assert_int_equal(symbolizer_preload_jit(t->s, t->pid, &err), -ENOENT);
	assert_non_null(strstr(err.text, t->path));
	check(t, 0x1000, NULL, 0);
	append(t, "1000 10 one\n");
	assert_int_equal(symbolizer_preload_jit(t->s, t->pid, &err), 0);
	check(t, 0x1000, "one", 0);
	assert_true(symbolizer_preload_jit(t->s, 0x7fffffff, &err) < 0);
	assert_false(symbolize_jit(t->s, 0x7fffffff, 0x1000, &symbol));
	symbolizer_forget_jit(t->s, 0x7ffffffe); /* never seen */
}

static void test_foreign_owner(void **state)
{
	struct jit_test *t = *state;
	struct err err = {0};

	if (getuid() != 0) {
		print_message("skipped: only root can give files away\n");
		skip();
	}
	append(t, "1000 10 planted\n");
	assert_int_equal(chown(t->path, 12345, 12345), 0);
	assert_int_equal(symbolizer_preload_jit(t->s, t->pid, &err), -EPERM);
	assert_non_null(strstr(err.text, "12345"));
	check(t, 0x1000, NULL, 0);
	assert_int_equal(chown(t->path, 0, 0), 0);
	assert_int_equal(symbolizer_preload_jit(t->s, t->pid, &err), 0);
	check(t, 0x1000, "planted", 0);
}

static void test_no_regular_file(void **state)
{
	struct jit_test *t = *state;
	struct err err = {0};

	assert_int_equal(mkfifo(t->path, 0644), 0); /* must not block */
	assert_true(symbolizer_preload_jit(t->s, t->pid, &err) < 0);
	unlink(t->path);
	assert_int_equal(symlink("/dev/zero", t->path), 0); /* must not read without end */
	assert_true(symbolizer_preload_jit(t->s, t->pid, &err) < 0);
	unlink(t->path);
	assert_int_equal(mkdir(t->path, 0755), 0);
	assert_true(symbolizer_preload_jit(t->s, t->pid, &err) < 0);
	rmdir(t->path);
	check(t, 0x1000, NULL, 0);
}

/* 80 MiB: one line without end, then a good one within the limit; nothing behind it counts. */
static void test_too_large(void **state)
{
	struct jit_test *t = *state;
	struct err err = {0};
	FD_CLOSE int fd = open(t->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	const char *good = "\n1000 10 good\n", *late = "\n2000 10 late\n";

	assert_true(fd >= 0);
	assert_int_equal(
		pwrite(fd, good, strlen(good), 20 << 20), strlen(good)); /* zeros before: a hole */
	assert_int_equal(pwrite(fd, late, strlen(late), 80 << 20), strlen(late));
	assert_int_equal(symbolizer_preload_jit(t->s, t->pid, &err), -E2BIG);
	check(t, 0x1000, "good", 0);
	check(t, 0x2000, NULL, 0);
}

static void test_many(void **state)
{
	struct jit_test *t = *state;
	FILE *f = fopen(t->path, "we");

	assert_non_null(f);
	for (uint32_t i = 0; i < 100000; i++) /* in a scattered order */
		fprintf(f, "%x 20 f%u\n", 0x10000000 + (i * 7919 % 100000) * 32, i * 7919 % 100000);
	fclose(f);
	for (uint32_t i = 0; i < 100000; i += 111) {
		char name[16];

		snprintf(name, sizeof(name), "f%u", i);
		check(t, 0x10000000 + i * 32 + 31, name, 31);
	}
}

/* Writes its map under the number that it has in its own PID namespace, waits for a word, and ends.
 */
static void run_target(int ready, int go_on)
{
	char path[64] = "";
	int fd;

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd_write_all(fd, "1000 10 from the child\n", 23) < 0 ||
		write(ready, path, sizeof(path)) != sizeof(path) || read(go_on, path, 1) != 1)
		_exit(1);
	_exit(0);
}

enum { NO_NAMESPACE = 77 };

/* The target is a grandchild, because a process cannot enter a new PID namespace itself. */
static void run_middle(bool new_namespace, int pids, int ready, int go_on)
{
	int status;
	pid_t target;

	if (new_namespace && unshare(CLONE_NEWPID) < 0)
		_exit(NO_NAMESPACE);
	target = fork();
	if (!target)
		run_target(ready, go_on);
	if (target < 0 || write(pids, &target, sizeof(target)) != sizeof(target) ||
		waitpid(target, &status, 0) != target)
		_exit(1);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void check_child(struct jit_test *t, bool new_namespace)
{
	int pids[2], ready[2], go_on[2], status;
	struct symbol symbol;
	struct err err = {0};
	char path[64];
	pid_t middle, target = 0;

	assert_int_equal(
		pipe2(pids, O_CLOEXEC) | pipe2(ready, O_CLOEXEC) | pipe2(go_on, O_CLOEXEC), 0);
	middle = fork();
	if (!middle)
		run_middle(new_namespace, pids[1], ready[1], go_on[0]);
	assert_true(middle > 0);
	fd_close(&pids[1]);
	if (read(pids[0], &target, sizeof(target)) != sizeof(target)) {
		assert_int_equal(waitpid(middle, &status, 0), middle);
		assert_int_equal(WEXITSTATUS(status), NO_NAMESPACE);
		print_message("skipped: a new PID namespace needs root\n");
		skip();
	}
	assert_int_equal(read(ready[0], path, sizeof(path)), sizeof(path));
	if (new_namespace)
		assert_string_equal(path, "/tmp/perf-1.map");
	assert_int_equal(symbolizer_preload_jit(t->s, (uint32_t)target, &err), 0);
	assert_int_equal(write(go_on[1], "x", 1), 1);
	assert_int_equal(waitpid(middle, &status, 0), middle);
	assert_int_equal(status, 0);
	unlink(path);
	assert_true(
		symbolize_jit(t->s, (uint32_t)target, 0x1008, &symbol)); /* its names outlive it */
	assert_string_equal(symbol.name, "from the child");
	assert_false(symbolize_jit(t->s, (uint32_t)target, 0x2000, &symbol));
	assert_false(symbolize_jit(t->s, t->pid, 0x1008, &symbol)); /* and are not anybody else's */
	symbolizer_forget_jit(t->s, (uint32_t)target);
	assert_false(symbolize_jit(t->s, (uint32_t)target, 0x1008, &symbol));
	fd_close(&pids[0]);
	for (int i = 0; i < 2; i++) {
		fd_close(&ready[i]);
		fd_close(&go_on[i]);
	}
}

static void test_ended_process(void **state)
{
	check_child(*state, false);
}

static void test_pid_namespace(void **state)
{
	check_child(
		*state, true); /* last: later children of ours would be born in that namespace */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_plain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_later_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_regular_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ended_process, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pid_namespace, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
