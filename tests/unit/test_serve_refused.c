/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests: everything that is wrong with one. */
#include "tests/unit/serve_requests.h"

struct bad_member {
	const char *member, *value; /* JSON; NULL: the member is taken away */
};

static const struct bad_member bad_record[] = {
	{"pids", NULL},
	{"pids", "[]"},
	{"pids", "7"},
	{"pids", "[0]"},
	{"pids", "[-1]"},
	{"pids", "[1.5]"},
	{"pids", "[\"1\"]"},
	{"pids", "[1,1]"},
	{"pids", "[99999999999]"},
	{"pids", "{}"},
	{"pids", "[null]"},
	{"pids", "[[1]]"},
	{"duration_s", NULL},
	{"duration_s", "0"},
	{"duration_s", "-1"},
	{"duration_s", "\"5\""},
	{"duration_s", "true"},
	{"duration_s", "1e300"},
	{"rate_hz", NULL},
	{"rate_hz", "0"},
	{"rate_hz", "-5"},
	{"rate_hz", "99.5"},
	{"rate_hz", "20001"},
	{"rate_hz", "null"},
	{"format", "\"exe\""},
	{"format", "1"},
	{"format", "\"\""},
	{"format", "\"0123456789012345678901234567890123456789\""},
	{"source", "\"ptrace!\""},
	{"source", "[]"},
	{"source", NULL},
	{"subprocesses", "1"},
	{"threads", "\"yes\""},
	{"kernel", "null"},
	{"native", "{}"},
	{"on_exec", "0"},
	{"on_exec", NULL},
	{"title", "5"},
	{"title", NULL},
	{"surprise", "1"},
};

static const struct bad_member bad_report[] = {
	{"since_unix_s", NULL},
	{"since_unix_s", "0"},
	{"since_unix_s", "-1"},
	{"since_unix_s", "1e300"},
	{"since_unix_s", "\"yesterday\""},
	{"since_unix_s", "1767229200"}, /* that is until */
	{"until_unix_s", NULL},
	{"until_unix_s", "true"},
	{"until_unix_s", "1000"},
	{"pids", NULL},
	{"pids", "null"},
	{"pids", "[0]"},
	{"pids", "[3,3]"},
	{"pids", "[\"3\"]"},
	{"pids", "{\"3\":3}"},
	{"comms", NULL},
	{"comms", "null"},
	{"comms", "\"python3\""},
	{"comms", "[\"\"]"},
	{"comms", "[\"python3\",7]"},
	{"comms", "[[\"python3\"]]"},
	{"containers", "[null]"},
	{"containers", NULL},
	{"users", "{}"},
	{"users", NULL},
	{"threads", "true"},
	{"threads", NULL},
	{"by", "\"colour\""},
	{"by", "\"\""},
	{"by", "1"},
	{"by", "\"functionfunctionfunction\""},
	{"by", NULL},
	{"sort", "\"Self\""},
	{"sort", "\"self,total\""},
	{"sort", NULL},
	{"format", "\"exe\""},
	{"format", "null"},
	{"format", NULL},
	{"limit", "-1"},
	{"limit", "1000001"},
	{"limit", "2.5"},
	{"limit", NULL},
	{"columns", "65536"},
	{"columns", "\"80\""},
	{"columns", NULL},
	{"colours", "1"},
	{"colours", NULL},
	{"kernel", "null"},
	{"kernel", NULL},
	{"store", "null"},
	{"store", "\"profd.db\""},
	{"store", "\"../profd.db\""},
	{"store", NULL},
	{"surprise", "[]"},
};

static const struct bad_member bad_live[] = {
	{"interval_s", NULL},
	{"interval_s", "null"},
	{"interval_s", "0"},
	{"interval_s", "0.09"},
	{"interval_s", "60.5"},
	{"interval_s", "\"1\""},
	{"pids", NULL},
	{"pids", "[-7]"},
	{"pids", "7"},
	{"limit", NULL},
	{"limit", "0"},
	{"limit", "1001"},
	{"limit", "true"},
	{"by", "\"function\""},
};

static const struct bad_member bad_diff[] = {
	{"before", NULL},
	{"before", "null"},
	{"before", "[]"},
	{"before", "{}"},
	{"after", NULL},
	{"after", "\"/srv/after.profd\""},
	{"by", "\"process\""},
	{"by", "\"thread\""},
	{"by", "\"\""},
	{"by", NULL},
	{"sort", "\"name\""},
	{"sort", "null"},
	{"format", "\"collapsed\""},
	{"format", "\"exe\""},
	{"format", NULL},
	{"limit", "1000001"},
	{"columns", "65536"},
	{"colours", "0"},
	{"kernel", NULL},
	{"store", "\"/srv/a\""},
};

static const struct bad_member bad_watch[] = {
	{"interval_s", "0"},
	{"interval_s", "60.5"},
	{"interval_s", NULL},
	{"pids", "[0]"},
	{"pids", NULL},
	{"comms", "[\"\"]"},
	{"containers", "null"},
	{"users", NULL},
	{"rate_hz", "0"},
	{"rate_hz", "20001"},
	{"rate_hz", "1.5"},
	{"rate_hz", "null"}, /* with `on_exec` */
	{"rate_hz", NULL},
	{"subprocesses", "1"},
	{"kernel", "null"},
	{"native", NULL},
	{"on_exec", "\"yes\""},
	{"store", "\"a.profd\""},
	{"store", NULL},
	{"threads", "[]"},
};

/* Each row makes a good request bad, and must be refused with the member's name. */
static void check_bad_members(const struct request *request, const struct bad_member *bad, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_t *message = request->encode();
		json_t *body = json_object_get(message, request->kind);
		struct err err = {0};

		assert_int_equal(request->decode(message, NULL), 0);
		if (bad[i].value)
			json_object_set_new(body, bad[i].member,
				json_loads(bad[i].value, JSON_DECODE_ANY, NULL));
		else
			json_object_del(body, bad[i].member);
		if (request->decode(message, &err) != -EINVAL)
			fail_msg("%s: %s is accepted", bad[i].member, bad[i].value);
		assert_non_null(strstr(err.text, bad[i].member));
		json_decref(message);
	}
}

static void test_bad_members(void **state)
{
	(void)state;
	check_bad_members(&requests[0], bad_record, COUNT(bad_record));
	check_bad_members(&requests[1], bad_report, COUNT(bad_report));
	check_bad_members(&requests[2], bad_live, COUNT(bad_live));
	check_bad_members(&requests[3], bad_diff, COUNT(bad_diff));
	check_bad_members(&requests[4], bad_watch, COUNT(bad_watch));
}

/* The sides of a difference are refused for what a report is refused for, by the side's name. */
static void test_bad_sides(void **state)
{
	static const char *const sides[] = {"before", "after"};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(bad_report); i++) {
		const struct bad_member *bad = &bad_report[i / 2];
		json_t *message = encode_diff();
		json_t *side = json_object_get(json_object_get(message, "diff"), sides[i % 2]);
		struct err err = {0};

		if (json_object_get(side, bad->member) || !strcmp(bad->member, "surprise")) {
			if (bad->value)
				json_object_set_new(side, bad->member,
					json_loads(bad->value, JSON_DECODE_ANY, NULL));
			else
				json_object_del(side, bad->member);
			if (i % 2 && bad->value && !strcmp(bad->value, "1767229200"))
				json_object_set_new(side, bad->member, json_integer(1767315600));
			if (decode_diff(message, &err) != -EINVAL)
				fail_msg("%s: %s is accepted", bad->member, bad->value);
			assert_non_null(strstr(err.text, bad->member));
			assert_non_null(strstr(err.text, sides[i % 2]));
		}
		json_decref(message);
	}
}

/* Both sides are files or neither is; a watch waits for an exec of one process. */
static void test_what_belongs_together(void **state)
{
	static const char *const sides[] = {"before", "after"};
	json_t *message = encode_diff(), *body = json_object_get(message, "diff");
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(sides); i++) {
		json_object_set_new(json_object_get(body, sides[i]), "store", json_string(""));
		assert_int_equal(decode_diff(message, &err), i ? 0 : -EINVAL);
		assert_non_null(strstr(err.text, "store"));
	}
	json_decref(message);
	message = encode_watch();
	body = json_object_get(message, "watch");
	json_object_set_new(body, "pids", json_pack("[i, i]", 7, 8));
	assert_int_equal(decode_watch(message, &err), -EINVAL);
	assert_non_null(strstr(err.text, "on_exec"));
	json_object_set_new(body, "on_exec", json_false());
	assert_int_equal(decode_watch(message, &err), 0);
	json_decref(message);
}

/* Whichever member is missing or of a type that none has, of any request. */
static void test_every_member_counts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(requests); i++) {
		json_t *whole = requests[i].encode();
		json_t *members = json_deep_copy(json_object_get(whole, requests[i].kind));
		const char *member;
		json_t *value;

		json_object_foreach(members, member, value)
		{
			json_t *body = json_object_get(whole, requests[i].kind);
			struct err err = {0};

			json_object_del(body, member);
			assert_int_equal(requests[i].decode(whole, &err), -EINVAL);
			assert_non_null(strstr(err.text, member));
			json_object_set_new(body, member, json_pack("{s:[i]}", "x", 1));
			assert_int_equal(requests[i].decode(whole, &err), -EINVAL);
			assert_non_null(strstr(err.text, member));
			json_object_set(body, member, value);
			assert_int_equal(requests[i].decode(whole, &err), 0);
		}
		json_decref(members);
		json_decref(whole);
	}
}

/* Texts and lists of exactly the bound are taken, one more is not. */
static void test_bounds_of_lists(void **state)
{
	static const struct {
		size_t items, bytes;
		int rc;
	} rows[] = {{SERVE_TEXTS_MAX, 1, 0}, {SERVE_TEXTS_MAX + 1, 1, -EINVAL}, {1, 255, 0},
		{1, 256, -EINVAL}, {SERVE_TEXTS_MAX, 255, 0}};
	char text[257];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		json_t *message = encode_report(), *list = json_array();

		memset(text, 't', sizeof(text));
		text[rows[i].bytes] = '\0';
		for (size_t j = 0; j < rows[i].items; j++)
			json_array_append_new(list, json_string(text));
		json_object_set_new(json_object_get(message, "report"), "users", list);
		assert_int_equal(decode_report(message, NULL), rows[i].rc);
		json_decref(message);
	}
}

/* The object of a request that has the `pids`, with nothing that asks for one process. */
static json_t *body_with_pids(json_t *message, const char *kind)
{
	json_t *body = json_object_get(message, kind), *side = json_object_get(body, "before");

	if (!strcmp(kind, "watch"))
		json_object_set_new(body, "on_exec", json_false());
	return side ? side : body;
}

static void test_bounds_of_pids(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(requests); i++) {
		json_t *message = requests[i].encode(), *list = json_array();

		for (int pid = 1; pid <= SERVE_PIDS_MAX; pid++)
			json_array_append_new(list, json_integer(pid));
		json_object_set(body_with_pids(message, requests[i].kind), "pids", list);
		assert_int_equal(requests[i].decode(message, NULL), 0);
		json_array_append_new(list, json_integer(SERVE_PIDS_MAX + 1));
		assert_int_equal(requests[i].decode(message, NULL), -EINVAL);
		json_decref(list);
		json_decref(message);
	}
}

/* A text with a NUL in it is two different texts to two readers. */
static void test_no_nul_in_texts(void **state)
{
	json_t *message = encode_report(), *body = json_object_get(message, "report");

	(void)state;
	json_object_set_new(body, "by", json_stringn_nocheck("function\0x", 10));
	assert_int_equal(decode_report(message, NULL), -EINVAL);
	json_object_set_new(body, "by", json_string("function"));
	json_object_set_new(body, "comms", json_pack("[o]", json_stringn_nocheck("a\0b", 3)));
	assert_int_equal(decode_report(message, NULL), -EINVAL);
	json_decref(message);
}

/* Around the members: `%s` is the kind. */
static void test_envelope(void **state)
{
	static const char *const bad[] = {"{}", "{\"%s\":{}}", "{\"id\":1,\"%s\":[]}",
		"{\"id\":1,\"%s\":null}", "{\"id\":1,\"other\":{}}", "{\"id\":0,\"%s\":{}}",
		"{\"id\":\"1\",\"%s\":{}}", "{\"id\":1.0,\"%s\":{}}", "{\"id\":-1,\"%s\":{}}",
		"{\"id\":1,\"%s\":{}}", "{\"id\":1,\"%s\":{},\"stop\":{}}",
		"{\"other\":1,\"%s\":{}}"};

	(void)state;
	for (size_t i = 0; i < COUNT(requests); i++)
		for (size_t j = 0; j < COUNT(bad); j++) {
			const char *gap = strstr(bad[j], "%s");
			struct err err = {0};
			char line[100];
			json_t *message;

			snprintf(line, sizeof(line), "%.*s%s%s", gap ? (int)(gap - bad[j]) : 100,
				bad[j], gap ? requests[i].kind : "", gap ? gap + 2 : "");
			message = json_loads(line, 0, NULL);
			assert_non_null(message);
			assert_int_equal(requests[i].decode(message, &err), -EINVAL);
			assert_true(err.text[0]);
			json_decref(message);
		}
}

/* The members are all there, but not alone. */
static void test_envelope_of_a_whole_request(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(requests); i++) {
		json_t *message = requests[i].encode();

		json_object_set_new(message, "more", json_object());
		assert_int_equal(requests[i].decode(message, NULL), -EINVAL);
		json_object_del(message, "more");
		assert_int_equal(requests[i].decode(message, NULL), 0);
		json_decref(message);
	}
}

/* One byte of a valid message after the other is changed to each of some values: never a crash, and
 * what is accepted is in range (the decoders above look). */
static void test_mutations(void **state)
{
	static const char with[] = "\"{}[]:,0-9e.\\\x80 n";

	(void)state;
	for (size_t k = 0; k < COUNT(requests); k++) {
		json_t *message = requests[k].encode();
		char *line = json_dumps(message, JSON_COMPACT);
		unsigned accepted = 0, refused = 0;

		json_decref(message);
		for (size_t i = 0; i < strlen(line); i++)
			for (size_t j = 0; j < sizeof(with) - 1; j++) {
				char saved = line[i];

				line[i] = with[j];
				message = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
				if (message && requests[k].decode(message, NULL) == 0)
					accepted++;
				else
					refused++;
				json_decref(message);
				line[i] = saved;
			}
		assert_true(accepted > 0 && refused > accepted);
		free(line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_members),
		cmocka_unit_test(test_bad_sides),
		cmocka_unit_test(test_what_belongs_together),
		cmocka_unit_test(test_every_member_counts),
		cmocka_unit_test(test_bounds_of_lists),
		cmocka_unit_test(test_bounds_of_pids),
		cmocka_unit_test(test_no_nul_in_texts),
		cmocka_unit_test(test_envelope),
		cmocka_unit_test(test_envelope_of_a_whole_request),
		cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
