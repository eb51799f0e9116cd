/* SPDX-License-Identifier: BSD-2-Clause */
/* The output file: found unwritable before it matters, whole or not there at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "cli/output.h"

static int setup(void **state)
{
	char folder[] = "/tmp/profd-test-XXXXXX";

	*state = NULL;
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	char folder[PATH_MAX], command[PATH_MAX + 16];

	(void)state;
	if (!getcwd(folder, sizeof(folder)) || strncmp(folder, "/tmp/profd-test-", 16) != 0 ||
		chdir("/") < 0)
		return -1;
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

/* Files in the current folder, hidden ones included. */
static int count_files(void)
{
	DIR *dir = opendir(".");
	int n = -2; /* . and .. */

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void put_file(const char *name, const char *text, mode_t mode)
{
	int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void expect_file(const char *name, const char *text)
{
	struct buf b;

	buf_init(&b, 1000);
	assert_int_equal(file_read(name, &b), 0);
	assert_string_equal(b.data, text);
	buf_free(&b);
}

static void open_well(struct output *o, const char *path)
{
	struct err err = {0};

	if (output_open(o, path, &err) < 0)
		fail_msg("%s: %s", path, err.text);
}

static void open_badly(const char *path, int code, const char *text)
{
	struct output o;
	struct err err = {0};
	int files = count_files();

	assert_int_equal(output_open(&o, path, &err), -code);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" lacks \"%s\"", err.text, text);
	assert_int_equal(count_files(), files);
	output_discard(&o);
}

static void test_new_file(void **state)
{
	struct output o;
	struct stat st;
	mode_t mask = umask(027);

	(void)state;
	open_well(&o, "new.svg");
	assert_int_equal(access("new.svg", F_OK), -1); /* not before it is whole */
	assert_int_equal(fd_write_all(o.fd, "hello", 5), 0);
	assert_int_equal(output_commit(&o, NULL), 0);
	umask(mask);
	assert_int_equal(o.bytes, 5);
	expect_file("new.svg", "hello");
	assert_int_equal(stat("new.svg", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(count_files(), 1);
	output_discard(&o); /* does no harm */
	expect_file("new.svg", "hello");
}

static void test_old_file_survives(void **state)
{
	struct output o;
	struct stat st;

	(void)state;
	put_file("old.svg", "old", 0600);
	open_well(&o, "old.svg");
	assert_int_equal(fd_write_all(o.fd, "half of it", 10), 0);
	expect_file("old.svg", "old");
	output_discard(&o);
	expect_file("old.svg", "old");
	open_well(&o, "./old.svg");
	assert_int_equal(fd_write_all(o.fd, "new", 3), 0);
	assert_int_equal(output_commit(&o, NULL), 0);
	expect_file("old.svg", "new");
	assert_int_equal(stat("old.svg", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600); /* what was private stays private */
	assert_int_equal(count_files(), 1);
}

/* A profile of no bytes is a failure of the engine, not a result. */
static void test_nothing_written(void **state)
{
	struct output o;
	struct err err = {0};

	(void)state;
	open_well(&o, "x.svg");
	assert_true(output_commit(&o, &err) < 0);
	assert_non_null(strstr(err.text, "x.svg"));
	assert_int_equal(count_files(), 0);
}

static void test_renamed_before_it_is_there(void **state)
{
	struct output o;

	(void)state;
	open_well(&o, "one.svg");
	output_rename(&o, "two.svg");
	assert_int_equal(fd_write_all(o.fd, "x", 1), 0);
	assert_int_equal(output_commit(&o, NULL), 0);
	expect_file("two.svg", "x");
	assert_int_equal(count_files(), 1);
}

static void test_symbolic_link(void **state)
{
	struct output o;
	struct stat st;

	(void)state;
	assert_int_equal(mkdir("sub", 0755), 0);
	put_file("sub/real.svg", "old", 0644);
	assert_int_equal(symlink("sub/real.svg", "link.svg"), 0);
	open_well(&o, "link.svg");
	assert_int_equal(fd_write_all(o.fd, "new", 3), 0);
	assert_int_equal(output_commit(&o, NULL), 0);
	expect_file("sub/real.svg", "new");
	assert_int_equal(lstat("link.svg", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
}

static void test_unwritable_places(void **state)
{
	char longest[NAME_MAX + 10], path[PATH_MAX + 10];

	(void)state;
	memset(longest, 'n', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(mkdir("sub", 0755), 0);
	put_file("file", "x", 0644);
	open_badly("sub", EISDIR, "is a folder; name a file in it, as in --output sub/profile.svg");
	open_badly("sub/", EISDIR, "sub/profile.svg");
	open_badly("missing/", EISDIR, "is a folder");
	open_badly(".", EISDIR, "is a folder");
	open_badly("/", EISDIR, "is a folder");
	open_badly("missing/x.svg", ENOENT, "create the folder first");
	open_badly("file/x.svg", ENOTDIR, "--output");
	open_badly("", EINVAL, "empty");
	open_badly(longest, ENAMETOOLONG, "shorter");
	open_badly(path, ENAMETOOLONG, "too long");
	open_badly("/proc/x.svg", ENOENT, "/proc/x.svg");
	assert_int_equal(symlink("loop", "loop"), 0);
	open_badly("loop", ELOOP, "loop");
}

static void test_no_permission(void **state)
{
	(void)state;
	assert_int_equal(chmod(".", 0755), 0);
	if (geteuid() == 0) {
		assert_int_equal(setegid(65534), 0);
		assert_int_equal(seteuid(65534), 0);
	}
	open_badly("/root-owned.svg", EACCES, "choose a place that you may write to");
	open_badly("/etc/passwd", EACCES, "choose a place");
	if (getuid() == 0) {
		assert_int_equal(seteuid(0), 0);
		assert_int_equal(setegid(0), 0);
	}
}

/* A pipe gets all of the profile or nothing. */
static void test_pipe(void **state)
{
	struct output o;
	char got[16] = "";
	int fd;

	(void)state;
	assert_int_equal(mkfifo("pipe", 0600), 0);
	fd = open("pipe", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	open_well(&o, "pipe");
	assert_int_equal(fd_write_all(o.fd, "half", 4), 0);
	output_discard(&o);
	assert_int_equal(read(fd, got, sizeof(got)), -1);
	open_well(&o, "pipe");
	assert_int_equal(fd_write_all(o.fd, "whole", 5), 0);
	assert_int_equal(output_commit(&o, NULL), 0);
	assert_int_equal(read(fd, got, sizeof(got)), 5);
	assert_memory_equal(got, "whole", 5);
	close(fd);
	assert_int_equal(count_files(), 1);
}

static void test_full_device(void **state)
{
	struct output o;
	struct err err = {0};

	(void)state;
	open_well(&o, "/dev/full");
	assert_int_equal(fd_write_all(o.fd, "x", 1), 0);
	assert_int_equal(output_commit(&o, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "/dev/full"));
	assert_non_null(strstr(err.text, "free some space"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_new_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_file_survives, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_renamed_before_it_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_symbolic_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unwritable_places, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_permission, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pipe, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_device, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
