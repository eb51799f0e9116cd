/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests: round trips, and everything that is wrong with one. */
#include "tests/unit/serve_pair.h"

/* What decoding one kind of request says of a message; what it has made is freed. */
typedef int decode_fn(const json_t *message, struct err *err);

static int decode_record(const json_t *message, struct err *err)
{
	struct record_request r;
	int rc = serve_decode_record(message, &r, err);

	if (!rc) {
		assert_in_range(r.n_pids, 1, SERVE_PIDS_MAX);
		assert_in_range(r.rate_hz, 1, SERVE_RATE_MAX_HZ);
		assert_true(r.duration_s >= 0 && r.duration_s <= SERVE_DURATION_MAX_S);
	}
	return rc;
}

static int decode_report(const json_t *message, struct err *err)
{
	struct report_request r;
	int rc = serve_decode_report(message, &r, err);

	if (!rc) {
		assert_true(r.n_pids <= SERVE_PIDS_MAX && r.limit <= 1000000);
		assert_true(r.since_unix_s >= 0 && r.until_unix_s >= 0);
		assert_true(r.comms && !r.comms[r.n_comms]);
	}
	report_request_clear(&r);
	assert_null(r.comms);
	return rc;
}

static int decode_live(const json_t *message, struct err *err)
{
	struct live_request r;
	int rc = serve_decode_live(message, &r, err);

	if (!rc) {
		assert_true(r.interval_s >= 0.1 && r.interval_s <= 60);
		assert_in_range(r.limit, 1, SERVE_LIVE_ROWS_MAX);
	}
	return rc;
}

static json_t *encode_record(void)
{
	struct record_request r = a_record();

	return serve_encode_record(&r);
}

static json_t *encode_report(void)
{
	struct report_request r = a_report();

	return serve_encode_report(&r);
}

static json_t *encode_live(void)
{
	struct live_request r = a_live();

	return serve_encode_live(&r);
}

static const struct request {
	const char *kind;
	json_t *(*encode)(void);
	decode_fn *decode;
} requests[] = {
	{"record", encode_record, decode_record},
	{"report", encode_report, decode_report},
	{"live", encode_live, decode_live},
};

/* ---- round trips -------------------------------------------------------------------------------
 */

static void test_record_round_trip(void **state)
{
	struct record_request r = a_record(), back;
	struct err err = {0};
	json_t *message = serve_encode_record(&r);

	(void)state;
	assert_non_null(message);
	if (serve_decode_record(message, &back, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(back.id, 1);
	assert_int_equal(back.n_pids, 2);
	assert_int_equal(back.pids[0], 4711);
	assert_int_equal(back.pids[1], 12);
	assert_true(back.duration_s == 2.5);
	assert_int_equal(back.rate_hz, 99);
	assert_string_equal(back.format, "flamegraph");
	assert_string_equal(back.source, "auto");
	assert_string_equal(back.title, "python3 (4711)");
	assert_true(back.subprocesses && back.kernel && back.on_exec);
	assert_false(back.threads || back.native);
	json_decref(message);
	r.duration_s = 0;
	message = serve_encode_record(&r);
	assert_int_equal(serve_decode_record(message, &back, &err), 0);
	assert_true(back.duration_s == 0);
	json_decref(message);
}

static void assert_texts(char *const *got, size_t n_got, char *const *texts, size_t n)
{
	assert_int_equal(n_got, n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(got[i], texts[i]);
	assert_null(got[n]);
}

static void test_report_round_trip(void **state)
{
	struct report_request r = a_report(), back;
	struct err err = {0};
	json_t *message = serve_encode_report(&r);

	(void)state;
	assert_non_null(message);
	if (serve_decode_report(message, &back, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(back.id, 2);
	assert_true(back.since_unix_s == r.since_unix_s && back.until_unix_s == r.until_unix_s);
	assert_int_equal(back.n_pids, 1);
	assert_int_equal(back.pids[0], 4711);
	assert_texts(back.comms, back.n_comms, r.comms, r.n_comms);
	assert_texts(back.containers, back.n_containers, r.containers, r.n_containers);
	assert_texts(back.users, back.n_users, r.users, r.n_users);
	assert_texts(back.threads, back.n_threads, r.threads, r.n_threads);
	assert_string_equal(back.by, "function");
	assert_string_equal(back.sort, "total");
	assert_string_equal(back.format, "table");
	assert_int_equal(back.limit, 20);
	assert_int_equal(back.columns, 120);
	assert_true(back.kernel && !back.colours);
	assert_string_equal(back.store, "/var/lib/profd/profd.db");
	report_request_clear(&back);
	report_request_clear(&back); /* a second time does nothing */
	json_decref(message);
}

/* The least a question can be: everything, of all time. */
static void test_report_of_everything(void **state)
{
	struct report_request r = {.id = 9, .by = "module", .sort = "self", .format = "csv"}, back;
	json_t *message = serve_encode_report(&r);

	(void)state;
	assert_int_equal(serve_decode_report(message, &back, NULL), 0);
	assert_true(back.since_unix_s == 0 && back.until_unix_s == 0);
	assert_int_equal(back.n_pids + back.n_comms + back.n_users + back.limit, 0);
	assert_string_equal(back.store, "");
	report_request_clear(&back);
	json_decref(message);
}

/* A path arrives as it is or not at all: another file must not be read in its place. */
static void test_report_paths(void **state)
{
	struct report_request r = a_report(), back;
	struct channel *client, *server;
	struct err err = {0};
	json_t *message;

	(void)state;
	memset(r.store, 'd', sizeof(r.store));
	r.store[0] = '/';
	r.store[sizeof(r.store) - 1] = '\0';
	message = serve_encode_report(&r);
	assert_int_equal(serve_decode_report(message, &back, NULL), 0);
	assert_string_equal(back.store, r.store);
	report_request_clear(&back);
	json_decref(message);
	strcpy(r.store, "/srv/\xff");
	make_channels(&client, &server);
	assert_int_equal(serve_send_report(client, &r, -1, &err), -EILSEQ);
	assert_true(err.text[0]);
	assert_int_equal(next_result(server), 0);
	channel_free(client);
	channel_free(server);
}

/* A title that is not UTF-8 grows when it is replaced, and still fits. */
static void test_title_of_any_bytes(void **state)
{
	struct record_request r = a_record(), back;
	json_t *message;

	(void)state;
	memset(r.title, 0xff, sizeof(r.title) - 1);
	r.title[sizeof(r.title) - 1] = '\0';
	message = serve_encode_record(&r);
	assert_int_equal(serve_decode_record(message, &back, NULL), 0);
	assert_true(strlen(back.title) > 240);
	json_decref(message);
	memset(r.title, 'x', sizeof(r.title) - 1);
	message = serve_encode_record(&r);
	assert_int_equal(serve_decode_record(message, &back, NULL), 0);
	assert_string_equal(back.title, r.title);
	json_decref(message);
}

static void test_live_round_trip(void **state)
{
	struct live_request r = a_live(), back;
	json_t *message = serve_encode_live(&r);

	(void)state;
	assert_int_equal(serve_decode_live(message, &back, NULL), 0);
	assert_int_equal(back.id, 3);
	assert_true(back.interval_s == 0.5);
	assert_int_equal(back.n_pids, 2);
	assert_int_equal(back.pids[1], 8);
	assert_int_equal(back.limit, 40);
	json_decref(message);
}

/* ---- what is refused ---------------------------------------------------------------------------
 */

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

static void test_bounds_of_pids(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(requests); i++) {
		json_t *message = requests[i].encode(), *list = json_array();

		for (int pid = 1; pid <= SERVE_PIDS_MAX; pid++)
			json_array_append_new(list, json_integer(pid));
		json_object_set(json_object_get(message, requests[i].kind), "pids", list);
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
		cmocka_unit_test(test_record_round_trip),
		cmocka_unit_test(test_report_round_trip),
		cmocka_unit_test(test_report_of_everything),
		cmocka_unit_test(test_report_paths),
		cmocka_unit_test(test_title_of_any_bytes),
		cmocka_unit_test(test_live_round_trip),
		cmocka_unit_test(test_bad_members),
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
