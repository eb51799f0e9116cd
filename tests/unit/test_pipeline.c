/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of pipeline/ that decide without a kernel: the governor of the rate, the selection of
 * processes, the order to a worker, the socket. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "pipeline/governor.h"
#include "pipeline/listening.h"
#include "pipeline/order.h"
#include "pipeline/selection.h"

/* ---- governor ----------------------------------------------------------------------------------
 */

static void test_governor_lowers_after_two_windows(void **state)
{
	struct governor g = {.rate_hz = 100};

	(void)state;
	assert_int_equal(governor_next(&g, 4, 2, 100), 100); /* one may be chance */
	assert_int_equal(governor_next(&g, 1, 2, 100), 100);
	assert_int_equal(governor_next(&g, 4, 2, 100), 100);
	assert_int_equal(governor_next(&g, 4, 2, 100), 40); /* 80 % of what the limit allows */
}

static void test_governor_never_stops_sampling(void **state)
{
	struct governor g = {.rate_hz = 3};

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_true(governor_next(&g, 500, 0.01, 100) >= 1);
	assert_int_equal(g.rate_hz, 1);
}

static void test_governor_raises_to_what_was_asked_for(void **state)
{
	struct governor g = {.rate_hz = 1};
	unsigned windows = 0;

	(void)state;
	while (g.rate_hz < 19 && windows++ < 200)
		governor_next(&g, 0.01 * g.rate_hz, 2, 19);
	assert_int_equal(g.rate_hz, 19);
	assert_true(windows >= 6); /* not at once */
	for (int i = 0; i < 20; i++)
		assert_int_equal(governor_next(&g, 0.2, 2, 19), 19);
}

/* Where the cost grows with the rate there is one rate that fits; it must settle there. */
static void test_governor_settles(void **state)
{
	struct governor g = {.rate_hz = 999};
	uint32_t changes = 0, before;

	(void)state;
	for (int i = 0; i < 300; i++) {
		before = g.rate_hz;
		governor_next(&g, 0.5 + 0.01 * g.rate_hz, 2, 999);
		changes += i >= 100 && g.rate_hz != before;
	}
	assert_int_equal(changes, 0);
	assert_true(0.5 + 0.01 * g.rate_hz <= 2);
	assert_true(g.rate_hz > 20);
}

static void test_governor_without_limit(void **state)
{
	struct governor g = {.rate_hz = 50};

	(void)state;
	assert_int_equal(governor_next(&g, 90, 0, 99), 99);
	assert_int_equal(governor_next(&g, 0, 2, 10), 10); /* less was asked for meanwhile */
}

/* ---- selection ---------------------------------------------------------------------------------
 */

static struct series example(void)
{
	return (struct series){.pid = 4711,
		.uid = 1000,
		.user = "ann",
		.comm = "gunicorn",
		.exe = "/usr/bin/python3.11",
		.command_line = "",
		.cgroup = "/system.slice/docker-0123456789ab.scope",
		.container = "0123456789ab",
		.python = ""};
}

static bool selects(const char *name, const char *value)
{
	struct daemon_config *c = calloc(1, sizeof(*c));
	struct series s = example();
	struct err err = {0};
	bool matches;

	assert_non_null(c);
	config_default(c);
	assert_int_equal(config_set(c, name, value, &err), 0);
	matches = selection_matches(c, &s);
	free(c);
	return matches;
}

static void test_selection(void **state)
{
	static const struct {
		const char *name, *value;
		bool matches;
	} cases[] = {
		{"rate", "19", true}, /* nothing is selected: all is */
		{"pid", "4711", true},
		{"pid", "471", false},
		{"name", "gunicorn", true},
		{"name", "python3.11", true}, /* of the executable */
		{"name", "python3", false},
		{"name", "nginx, gunicorn", true},
		{"user", "ann", true},
		{"user", "1000", true},
		{"user", "root", false},
		{"cgroup", "/system.slice", true},
		{"cgroup", "/system.slice/", true},
		{"cgroup", "/system.slic", false}, /* a whole name, not how it begins */
		{"container", "0123", true},
		{"container", "0123456789abcdef0123", true}, /* the whole ID */
		{"container", "0124", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (selects(cases[i].name, cases[i].value) != cases[i].matches)
			fail_msg("%s = %s", cases[i].name, cases[i].value);
}

static void test_selection_text(void **state)
{
	struct daemon_config *c = calloc(1, sizeof(*c));
	char text[64];

	(void)state;
	assert_non_null(c);
	config_default(c);
	selection_text(c, text, sizeof(text));
	assert_string_equal(text, "whole host");
	assert_int_equal(config_set(c, "name", "nginx", NULL), 0);
	assert_int_equal(config_set(c, "pid", "7", NULL), 0);
	selection_text(c, text, sizeof(text));
	assert_string_equal(text, "PID 7, name nginx");
	for (int i = 0; i < 50; i++) {
		char name[48];

		snprintf(name, sizeof(name), "somebody-with-a-long-name-%d", i);
		assert_int_equal(config_set(c, "user", name, NULL), 0);
	}
	selection_text(c, text, sizeof(text)); /* cut, not over the end */
	assert_int_equal(strlen(text), sizeof(text) - 1);
	free(c);
}

/* ---- order -------------------------------------------------------------------------------------
 */

static void test_order_comes_back_as_it_went(void **state)
{
	struct order out = {.viewer = {.uid = 4294967294U,
				    .pid_namespace = 4026531836,
				    .pid_level = 2},
			     .store = "/var/lib/x \"y\"/profd.db"},
		     back;
	struct err err = {0};
	int fd;

	(void)state;
	buf_init(&out.unread, 4096);
	assert_int_equal(buf_add(&out.unread, "{\"id\":1}\n\0{\"x\"", 14), 0);
	fd = order_write(&out, &err);
	assert_true(fd >= 0);
	assert_int_equal(order_read(&back, fd, &err), 0);
	assert_memory_equal(&back.viewer, &out.viewer, sizeof(out.viewer));
	assert_string_equal(back.store, out.store);
	assert_int_equal(back.unread.len, 14);
	assert_memory_equal(back.unread.data, out.unread.data, 14);
	buf_free(&out.unread);
	buf_free(&back.unread);
	close(fd);
}

static void test_order_that_makes_no_sense_is_refused(void **state)
{
	static const char *const texts[] = {"", "\n", "{}", "{}\n", "[1]\n",
		"{\"all\":1,\"uid\":0,\"same\":true,\"namespace\":0,\"level\":0,\"store\":\"\"}\n",
		"{\"all\":true,\"uid\":0,\"same\":true,\"namespace\":0,\"level\":0,\"store\":7}\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int fd = memfd_create("order", MFD_CLOEXEC);
		struct order order;
		struct err err = {0};

		assert_int_equal(fd_write_all(fd, texts[i], strlen(texts[i])), 0);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(order_read(&order, fd, &err), -EBADMSG);
		assert_true(err.text[0]);
		buf_free(&order.unread);
		close(fd);
	}
}

/* ---- socket ------------------------------------------------------------------------------------
 */

static void test_socket_takes_the_place_of_a_dead_one_only(void **state)
{
	char folder[] = "/tmp/profd-test-XXXXXX", path[64], file[64];
	struct err err = {0};
	struct stat st;
	int first, second;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/run/s", folder);
	snprintf(file, sizeof(file), "%s/run/f", folder);
	first = listening_open(path, &err); /* makes its folder */
	assert_true(first >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	assert_int_equal(listening_open(path, &err), -EBUSY);
	assert_non_null(strstr(err.text, "another profd daemon"));
	close(first);
	second = listening_open(path, &err);
	assert_true(second >= 0);
	close(second);
	close(creat(file, 0600));
	assert_int_equal(listening_open(file, &err), -EEXIST); /* never a file */
	assert_int_equal(access(file, F_OK), 0);
	assert_int_equal(listening_open("/nowhere/at/all/s", &err), -ENOENT);
	unlink(path);
	snprintf(file, sizeof(file), "%s/run/f", folder);
	unlink(file);
	snprintf(file, sizeof(file), "%s/run", folder);
	rmdir(file);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_governor_lowers_after_two_windows),
		cmocka_unit_test(test_governor_never_stops_sampling),
		cmocka_unit_test(test_governor_raises_to_what_was_asked_for),
		cmocka_unit_test(test_governor_settles),
		cmocka_unit_test(test_governor_without_limit),
		cmocka_unit_test(test_selection),
		cmocka_unit_test(test_selection_text),
		cmocka_unit_test(test_order_comes_back_as_it_went),
		cmocka_unit_test(test_order_that_makes_no_sense_is_refused),
		cmocka_unit_test(test_socket_takes_the_place_of_a_dead_one_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
