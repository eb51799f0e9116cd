/* SPDX-License-Identifier: BSD-2-Clause */
/* base/log where stderr is a stream of the journal, and where it only seems to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

enum { TEXT_MAX = 4096 };

static void messages(void)
{
	enum log_level level = log_get_level();

	log_set_level(LOG_LEVEL_INFO);
	log_message(LOG_LEVEL_WARN, "store", "disk %s", "full");
	log_message(LOG_LEVEL_INFO, "pipeline", "started");
	log_message(LOG_LEVEL_DEBUG, "collect", "too chatty");
	log_set_level(LOG_LEVEL_DEBUG);
	log_message(LOG_LEVEL_DEBUG, "collect", "name %s", "a\n<0>b");
	log_set_level(level);
}

/* What the messages look like with JOURNAL_STREAM made of the numbers of stderr and what is put
 * between them. */
static const char *logged(const char *between, unsigned long long inode_more, char *text)
{
	FD_CLOSE int into = memfd_create("log", MFD_CLOEXEC);
	FD_CLOSE int saved = dup(STDERR_FILENO);
	char variable[128];
	struct stat st;
	ssize_t n;

	assert_true(into >= 0 && saved >= 0);
	assert_int_equal(fstat(into, &st), 0);
	snprintf(variable, sizeof(variable), "%llu%s%llu", (unsigned long long)st.st_dev, between,
		(unsigned long long)st.st_ino + inode_more);
	setenv("JOURNAL_STREAM", variable, 1);
	dup2(into, STDERR_FILENO);
	messages();
	dup2(saved, STDERR_FILENO);
	unsetenv("JOURNAL_STREAM");
	n = pread(into, text, TEXT_MAX - 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static const char plain[] = "profd: store: disk full\nprofd: pipeline: started\n"
			    "profd: collect: name a?<0>b\n";

static void test_journal(void **state)
{
	char text[TEXT_MAX];

	(void)state;
	assert_string_equal(logged(":", 0, text),
		"<4>store: disk full\n<6>pipeline: started\n<7>collect: name a?<0>b\n");
}

static void test_another_stream(void **state)
{
	char text[TEXT_MAX];

	(void)state;
	assert_string_equal(logged(":", 1, text), plain);
}

static void test_malformed_variables(void **state)
{
	const char *const between[] = {"", " ", ":-", "::", ": ", ":0x", "99999999999999999999:"};
	char text[TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(between) / sizeof(between[0]); i++)
		assert_string_equal(logged(between[i], 0, text), plain);
}

/* However long the message, a line ends as one line. */
static void test_long_message(void **state)
{
	FD_CLOSE int into = memfd_create("log", MFD_CLOEXEC);
	FD_CLOSE int saved = dup(STDERR_FILENO);
	char variable[64], longer[3000], text[TEXT_MAX];
	struct stat st;
	ssize_t n;

	(void)state;
	assert_int_equal(fstat(into, &st), 0);
	snprintf(variable, sizeof(variable), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", variable, 1);
	memset(longer, 'z', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	dup2(into, STDERR_FILENO);
	log_message(LOG_LEVEL_WARN, "base", "%s", longer);
	dup2(saved, STDERR_FILENO);
	unsetenv("JOURNAL_STREAM");
	n = pread(into, text, sizeof(text), 0);
	assert_true(n > 1000 && n < 1100);
	assert_memory_equal(text, "<4>base: zzz", 12);
	assert_ptr_equal(memchr(text, '\n', (size_t)n), text + n - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_another_stream),
		cmocka_unit_test(test_malformed_variables),
		cmocka_unit_test(test_long_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
