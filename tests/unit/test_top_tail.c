/* SPDX-License-Identifier: BSD-2-Clause */
/* What a command writes below the screen of `profd top`: the end of it is kept. Files that the
 * screen is saved to: which names will do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/top/top_save.h"
#include "cli/top/top_tail.h"

/* Writes `bytes` of a pattern through a pipe in pieces, reading after each. */
static void feed(struct top_tail *t, size_t bytes, size_t piece)
{
	char data[4096];
	int ends[2];

	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	assert_true(piece <= sizeof(data));
	for (size_t at = 0; at < bytes; at += piece) {
		const size_t n = bytes - at < piece ? bytes - at : piece;

		for (size_t i = 0; i < n; i++)
			data[i] = (char)('a' + (at + i) % 23);
		assert_int_equal(fd_write_all(ends[1], data, n), 0);
		assert_true(top_tail_read(t, ends[0]));
	}
	fd_close(&ends[1]);
	assert_false(top_tail_read(t, ends[0])); /* its end */
	fd_close(&ends[0]);
}

static size_t written(struct top_tail *t, char *to, size_t room)
{
	int fd = memfd_create("tail", MFD_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	assert_int_equal(top_tail_write(t, fd), 0);
	n = pread(fd, to, room, 0);
	assert_true(n >= 0);
	fd_close(&fd);
	return (size_t)n;
}

static void test_tail(void **state)
{
	static const size_t sizes[] = {0, 1, 5000, TOP_TAIL_BYTES - 1, TOP_TAIL_BYTES,
		TOP_TAIL_BYTES + 1, 3 * TOP_TAIL_BYTES + 77};
	static struct top_tail t;
	static char out[2 * TOP_TAIL_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const size_t bytes = sizes[i];
		const size_t kept = bytes < TOP_TAIL_BYTES ? bytes : TOP_TAIL_BYTES;

		feed(&t, bytes, 1000);
		assert_int_equal(t.total, bytes);
		assert_int_equal(written(&t, out, sizeof(out)), kept);
		for (size_t j = 0; j < kept; j++)
			assert_int_equal(out[j], 'a' + (bytes - kept + j) % 23);
		assert_int_equal(written(&t, out, sizeof(out)), 0); /* once */
	}
}

static void test_names_to_save_as(void **state)
{
	static const struct {
		const char *name;
		int rc;
	} names[] = {{"", -EINVAL}, {"a", -EINVAL}, {"a.png", -EINVAL}, {"-", -EINVAL},
		{"dir.svg/a", -EINVAL}, {"a.svg", 0}, {"a.SVG", 0}, {"a.json", 0},
		{"a.collapsed", 0}, {"a.folded", 0}, {"a.txt", 0}, {"file.svg", -EEXIST},
		{"folder.svg", -EINVAL}, {"pipe.svg", -EINVAL}};
	char folder[] = "/tmp/profd-test-XXXXXX", path[200];

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(close(open("file.svg", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	assert_int_equal(mkdir("folder.svg", 0700), 0);
	assert_int_equal(mkfifo("pipe.svg", 0600), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct err err = {0};
		int rc = top_save_check(names[i].name, &err);

		if (rc != names[i].rc || (rc && !err.text[0]))
			fail_msg("'%s': %d %s", names[i].name, rc, err.text);
	}
	top_save_name(path, sizeof(path));
	assert_int_equal(top_save_check(path, NULL), 0);
	assert_int_equal(unlink("file.svg") | unlink("pipe.svg") | rmdir("folder.svg"), 0);
	assert_int_equal(chdir("/") | rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tail),
		cmocka_unit_test(test_names_to_save_as),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
