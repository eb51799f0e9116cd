/* SPDX-License-Identifier: BSD-2-Clause */
/* The answer to `profd doctor` as a client gets it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "collect/collect.h"
#include "pipeline/doctor.h"

enum { ID = 77, WAIT_MS = 30000 };

/* The checks of one answer, which are the caller's to json_decref. */
static json_t *ask(void)
{
	json_t *message = NULL, *answer, *checks;
	struct channel *server, *client;
	int ends[2], rc = 0, fd;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	server = channel_new(ends[0], NULL);
	client = channel_new(ends[1], NULL);
	assert_true(server && client);
	assert_int_equal(doctor_answer(server, ID), 0);
	while (channel_is_queued(server) && channel_flush(server) > 0)
		;
	while (!rc) {
		struct pollfd wait = {.fd = channel_fd(client), .events = POLLIN};

		rc = channel_receive(client, &message, &fd, NULL);
		if (!rc)
			assert_true(poll(&wait, 1, WAIT_MS) > 0);
	}
	assert_int_equal(rc, 1);
	assert_int_equal(fd, -1);
	assert_int_equal(json_integer_value(json_object_get(message, "id")), ID);
	answer = json_object_get(message, "doctor");
	checks = json_object_get(answer, "checks");
	assert_true(json_is_array(checks));
	json_incref(checks);
	json_decref(message);
	channel_free(server);
	channel_free(client);
	return checks;
}

static const char *text_of(const json_t *check, const char *name)
{
	return json_string_value(json_object_get(check, name));
}

static const json_t *find(const json_t *checks, const char *name)
{
	size_t i;
	json_t *check;

	json_array_foreach(checks, i, check)
	{
		if (!strcmp(text_of(check, "name"), name))
			return check;
	}
	fail_msg("there is no check \"%s\"", name);
	return NULL;
}

static void test_answer(void **state)
{
	struct collect_check here[COLLECT_CHECKS_MAX];
	size_t n = collect_probe(here, COLLECT_CHECKS_MAX), i;
	json_t *checks = ask(), *check;

	(void)state;
	assert_int_equal(json_array_size(checks), n);
	json_array_foreach(checks, i, check)
	{
		const char *result = text_of(check, "result");

		assert_true(text_of(check, "name") && text_of(check, "found"));
		assert_true(!strcmp(result, "ok") || !strcmp(result, "warning") ||
			    !strcmp(result, "failed"));
		if (strcmp(result, "ok"))
			assert_non_null(text_of(check, "fix"));
		assert_string_equal(text_of(check, "name"), here[i].name);
	}
	assert_string_equal(text_of(find(checks, "kernel"), "result"), "ok");
	assert_non_null(strstr(text_of(find(checks, "kernel"), "found"), "Linux"));
	assert_true(json_is_null(json_object_get(find(checks, "kernel"), "fix")));
	json_decref(checks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
