/* SPDX-License-Identifier: BSD-2-Clause */
/* A watch_receiver believes nothing. */
#include "tests/unit/watch_profiles.h"

/* A message of these lists; NULL: an empty one. `last` of the interval's lines. */
struct lists {
	const char *strings, *frames, *nodes, *counts, *processes;
};

static json_t *make_message(const struct lists *l, bool reset, bool more, unsigned samples)
{
	char line[4096];
	json_t *message;

	snprintf(line, sizeof(line),
		"{\"id\":3,\"watch\":{\"reset\":%s,\"strings\":[%s],\"frames\":[%s],\"nodes\":[%s],"
		"\"counts\":[%s],\"processes\":[%s],\"more\":%s,\"interval\":{\"start_unix_s\":1,"
		"\"interval_s\":1.0,\"elapsed_s\":2,\"rate_hz\":99,\"samples\":%u,\"lost\":0,"
		"\"truncated\":0,\"failed\":0,\"cpus\":8,\"cpu_percent\":null,"
		"\"kernel_cpu_percent\":0.1,\"rss_bytes\":0,\"shared\":true,\"last\":false}}}",
		reset ? "true" : "false", l->strings ? l->strings : "", l->frames ? l->frames : "",
		l->nodes ? l->nodes : "", l->counts ? l->counts : "",
		l->processes ? l->processes : "", more ? "true" : "false", samples);
	message = json_loads(line, JSON_ALLOW_NUL, NULL);
	assert_non_null(message);
	return message;
}

static int take(struct watch_receiver *w, json_t *message, struct watch_interval *out)
{
	struct err err = {0};
	int rc = watch_receiver_take(w, message, out, &err);

	assert_true(rc >= 0 || err.text[0]);
	json_decref(message);
	return rc;
}

static const struct lists good = {"\"python3\",\"main\",\"run\",\"a.py\"",
	"1,1,0,7,0,2,2,0,7,0,3,3,4,31,0", "0,1,1,2,2,3", "3,98,980000000,2,1,10000000",
	"7,1,0,0,0,4,0,-1"};

/* What all the refusals below are variations of. */
static void test_good_message(void **state)
{
	struct watch_receiver *w = watch_receiver_new();
	struct watch_interval interval;
	const struct profile *tree = watch_receiver_tree(w);

	(void)state;
	assert_int_equal(take(w, make_message(&good, false, false, 99), &interval), 1);
	assert_int_equal(interval.n_counts, 2);
	assert_true(interval.samples == 99 && interval.cpu_percent < 0 && !interval.reset);
	assert_int_equal(tree->n_nodes, 4);
	assert_string_equal(tree->strings[tree->frames[1].name], "python3 (7)");
	assert_string_equal(tree->strings[tree->frames[3].file], "a.py");
	assert_int_equal(take(w, make_message(&good, true, false, 99), &interval), 1);
	assert_true(interval.reset);
	assert_int_equal(tree->n_nodes, 4);
	watch_receiver_free(w);
}

static void test_refusals(void **state)
{
	static const struct lists rows[] = {
		{.strings = "1"}, {.strings = "null"}, {.strings = "\"a\\u0000b\""},
		{.strings = "[\"a\"]"}, {.frames = "3,1,0,0,0"}, /* string 1 was not told */
		{.frames = "3,0,0,0,0"}, {.strings = "\"\"", .frames = "3,1,0,0,0"},
		{.strings = "\"a\"", .frames = "0,1,0,0,0"},
		{.strings = "\"a\"", .frames = "10,1,0,0,0"},
		{.strings = "\"a\"", .frames = "3,1,2,0,0"},
		{.strings = "\"a\"", .frames = "3,1,0,0,2"},
		{.strings = "\"a\"", .frames = "3,1,0,-1,0"},
		{.strings = "\"a\"", .frames = "3,1,0,4294967296,0"},
		{.strings = "\"a\"", .frames = "3,1,0,1.0,0"},
		{.strings = "\"a\"", .frames = "3,1,0,0"},
		{.strings = "\"a\"", .frames = "\"python\",1,0,0,0"}, {.nodes = "0,1"},
		{.nodes = "0,0"}, {.strings = "\"a\"", .frames = "3,1,0,0,0", .nodes = "1,1"},
		{.strings = "\"a\"", .frames = "3,1,0,0,0", .nodes = "0,2"},
		{.strings = "\"a\"", .frames = "3,1,0,0,0", .nodes = "-1,1"},
		{.strings = "\"a\"", .frames = "3,1,0,0,0", .nodes = "0"},
		{.strings = "\"a\"", .frames = "3,1,0,0,0", .nodes = "0,null"}, {.counts = "1,1,1"},
		{.counts = "0,0,1"}, {.counts = "0,1,-1"}, {.counts = "0,1,1,0,1,1"},
		{.counts = "0,4294967296,1"}, {.counts = "0,1"}, {.counts = "0,1,1e9"},
		{.processes = "0,0,0,0,0,1,0,-1"}, {.processes = "2147483648,0,0,0,0,1,0,-1"},
		{.processes = "7,1,0,0,0,1,0,-1"}, {.processes = "7,0,0,0,1,1,0,-1"},
		{.processes = "7,0,0,0,0,-1,0,-1"}, {.processes = "7,0,0,0,0,1,2,-1"},
		{.processes = "7,0,0,0,0,1,true,-1"}, {.processes = "7,0,0,0,0,1,0,-2"},
		{.processes = "7,0,0,0,0,1,0,1001"}, {.processes = "7,0,0,0,0,1,0"},
		{.processes = "{}"},
		{.counts = "0,1,9223372036854775807",
			.strings = "\"a\"",
			.frames = "3,1,0,0,0",
			.nodes = "0,1,0,1"}, /* good but for its sum, and for what follows */
	};
	struct watch_interval interval;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct watch_receiver *w = watch_receiver_new();
		struct lists l = rows[i];

		if (i == COUNT(rows) - 1)
			l.counts = "0,1,9223372036854775807,1,1,1";
		if (take(w, make_message(&l, false, false, 1), &interval) != -EPROTO)
			fail_msg("row %zu is accepted", i);
		/* and from then on everything is refused */
		assert_int_equal(take(w, make_message(&good, true, false, 99), &interval), -EPROTO);
		watch_receiver_free(w);
	}
}

/* Each member taken away, and made something else. */
static void test_members(void **state)
{
	static const char *const parts[] = {"watch", "interval"};
	struct watch_interval interval;

	(void)state;
	for (size_t part = 0; part < COUNT(parts); part++) {
		json_t *whole = make_message(&good, false, false, 99), *body, *value;
		const char *key;

		body = json_object_get(whole, "watch");
		body = part ? json_object_get(body, "interval") : body;
		json_object_foreach(body, key, value)
		{
			for (int how = 0; how < 3; how++) {
				struct watch_receiver *w = watch_receiver_new();
				json_t *message = json_deep_copy(whole);
				json_t *at = json_object_get(message, "watch");

				at = part ? json_object_get(at, "interval") : at;
				if (!how)
					json_object_del(at, key);
				else
					json_object_set_new(at, key,
						how == 1 ? json_string("x") : json_integer(-1));
				if (take(w, message, &interval) != -EPROTO)
					fail_msg("%s: %d is accepted", key, how);
				watch_receiver_free(w);
			}
		}
		json_decref(whole);
	}
}

static void test_order(void **state)
{
	const struct lists nothing = {0};
	struct watch_receiver *w = watch_receiver_new();
	struct watch_interval interval;
	json_t *message;

	(void)state;
	assert_int_equal(take(w, make_message(&good, false, true, 99), &interval), 0);
	assert_int_equal(take(w, make_message(&nothing, false, false, 99), &interval), 1);
	assert_int_equal(interval.n_counts, 2);
	assert_int_equal(take(w, make_message(&nothing, false, false, 0), &interval), 1);
	assert_int_equal(interval.n_counts, 0);
	assert_int_equal(take(w, make_message(&nothing, false, false, 1), &interval), -EPROTO);
	watch_receiver_free(w);
	w = watch_receiver_new(); /* nothing begins anew in the midst of an interval */
	assert_int_equal(take(w, make_message(&good, false, true, 99), &interval), 0);
	assert_int_equal(take(w, make_message(&good, true, false, 99), &interval), -EPROTO);
	watch_receiver_free(w);
	w = watch_receiver_new(); /* a node counts once in all lines of an interval */
	assert_int_equal(take(w, make_message(&good, false, true, 99), &interval), 0);
	assert_int_equal(
		take(w, make_message(&(struct lists){.counts = "3,1,1"}, false, false, 100),
			&interval),
		-EPROTO);
	watch_receiver_free(w);
	w = watch_receiver_new(); /* nothing follows the last one */
	message = make_message(&good, false, false, 99);
	json_object_set_new(
		json_object_get(body_of(message, "watch"), "interval"), "last", json_true());
	assert_int_equal(take(w, message, &interval), 1);
	assert_true(interval.last);
	assert_int_equal(take(w, make_message(&nothing, false, false, 0), &interval), -EPROTO);
	watch_receiver_free(w);
	w = watch_receiver_new(); /* something else altogether */
	assert_int_equal(take(w, json_pack("{s:i}", "id", 3), &interval), -EPROTO);
	watch_receiver_free(w);
}

/* One more than there may be of anything. */
static void test_bounds(void **state)
{
	static const struct {
		struct watch_limits limits;
		int rc;
	} rows[] = {
		{{4, 4, 5, 1, 72, 0, 0}, 1},
		{{3, 4, 5, 1, 72, 0, 0}, -EPROTO},
		{{4, 3, 5, 1, 72, 0, 0}, -EPROTO},
		{{4, 4, 4, 1, 72, 0, 0}, -EPROTO},
		{{4, 4, 5, 0, 72, 0, 0}, -EPROTO},
		{{4, 4, 5, 1, 64, 0, 0}, -EPROTO}, /* the strings have 22, the frames 43 */
		{{4, 4, 5, 1, 65, 0, 0}, 1},
	};
	char longer[2100];
	struct watch_interval interval;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct watch_receiver *w = watch_receiver_new_limited(&rows[i].limits);

		if (take(w, make_message(&good, false, false, 99), &interval) != rows[i].rc)
			fail_msg("row %zu", i);
		watch_receiver_free(w);
	}
	for (size_t bytes = 2051; bytes <= 2052; bytes++) {
		struct watch_receiver *w = watch_receiver_new();

		memset(longer, 'x', sizeof(longer));
		longer[0] = longer[bytes + 1] = '"';
		longer[bytes + 2] = '\0';
		assert_int_equal(
			take(w, make_message(&(struct lists){.strings = longer}, false, false, 0),
				&interval),
			bytes == 2051 ? 1 : -EPROTO);
		watch_receiver_free(w);
	}
}

/* ---- real messages, damaged --------------------------------------------------------------------
 */

enum { LINES_MAX = 64 };

/* The lines of some intervals; the caller's to free. */
static size_t record_lines(char **lines)
{
	struct watch_limits limits = watch_limits_shared;
	const struct serve_watch_process processes[] = {
		{4711, "python3", "www-data", "4f1c2d3e5a6b", "3.12.3", 4, false, 0.4},
		{7, "x\xff", NULL, NULL, NULL, 1, true, -1}};
	struct channel *client, *server;
	struct watch_sender *w;
	uint64_t seed = 23;
	size_t n = 0;

	limits.line_bytes = 4000;
	limits.text_bytes = 12000; /* with a reset */
	w = watch_sender_new_limited(3, &limits);
	make_channels(&client, &server);
	for (int i = 0; i < 6; i++) {
		struct made *m = made_new();
		const struct serve_watch interval = {.profile = &m->profile,
			.processes = processes,
			.n_processes = COUNT(processes),
			.interval_s = 1,
			.cpus = 2};
		json_t *message;
		int fd;

		made_fill(m, &seed, 40, MADE_FUNCTIONS, 8);
		assert_int_equal(watch_sender_send(w, server, &interval), 0);
		while (channel_receive(client, &message, &fd, NULL) == 1) {
			assert_true(n < LINES_MAX);
			lines[n++] = json_dumps(message, JSON_COMPACT);
			json_decref(message);
		}
		free(m);
	}
	watch_sender_free(w);
	channel_free(client);
	channel_free(server);
	return n;
}

static void check_interval(const struct watch_receiver *w, const struct watch_interval *out)
{
	const struct profile *tree = watch_receiver_tree(w);
	size_t n, bytes = 0;
	const struct watch_process *p = watch_receiver_processes(w, &n);

	for (size_t i = 0; i < n; i++)
		bytes += strlen(p[i].comm) + strlen(p[i].user) + strlen(p[i].container) +
			 strlen(p[i].python);
	for (uint32_t i = 1; i < tree->n_frames; i++) {
		const struct frame *f = &tree->frames[i];

		assert_true(f->name && f->kind > FRAME_ROOT && f->kind < FRAME_KINDS);
		bytes += strlen(tree->strings[f->name]) + strlen(tree->strings[f->file]) +
			 strlen(tree->strings[f->module]);
	}
	assert_true(bytes > 0 || !n);
	for (uint32_t i = 1; i < tree->n_nodes; i++)
		assert_true(tree->nodes[i].parent < i && tree->nodes[i].frame < tree->n_frames);
	for (size_t i = 0; i < out->n_counts; i++)
		assert_true(out->counts[i].node < tree->n_nodes && out->counts[i].samples);
}

/* Up to three bytes become others; a digit mostly another digit, so that it stays JSON. */
static void damage(char *line, size_t len, uint64_t *seed)
{
	static const char with[] = "\"{}[],:0123456789-e.tfn\\";

	for (uint32_t k = chance(seed, 4); k > 0; k--) {
		char *at = &line[chance(seed, (uint32_t)len)];

		if (*at >= '0' && *at <= '9' && chance(seed, 8))
			*at = (char)('0' + chance(seed, 10));
		else if (chance(seed, 2))
			*at = with[chance(seed, sizeof(with) - 1)];
		else if (*at < 'a' || *at > 'z')
			*at = (char)(*at ^ 1 << chance(seed, 7));
	}
}

/* A byte or a few of a line are changed: it is refused or makes sense, and never crashes. */
static void test_mutations(void **state)
{
	enum { ROUNDS = 3000 };
	char *lines[LINES_MAX];
	size_t n = record_lines(lines), refused = 0, whole = 0;
	uint64_t seed = 29;

	(void)state;
	assert_true(n > 6);
	for (int round = 0; round < ROUNDS; round++) {
		struct watch_receiver *w = watch_receiver_new();
		int rc = 0;

		for (size_t i = 0; i < n && rc >= 0; i++) {
			size_t len = strlen(lines[i]);
			char *line = strdup(lines[i]);
			struct watch_interval out;
			json_t *message;

			damage(line, len, &seed);
			message = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
			if (message) {
				rc = take(w, message, &out);
				assert_true(rc == 0 || rc == 1 || rc == -EPROTO);
				refused += rc < 0;
				whole += rc == 1;
				if (rc == 1)
					check_interval(w, &out);
			}
			free(line);
		}
		watch_receiver_free(w);
	}
	if (refused < ROUNDS / 4 || whole < ROUNDS / 4)
		fail_msg("%zu refused, %zu taken", refused, whole);
	for (size_t i = 0; i < n; i++)
		free(lines[i]);
}

/* ---- memory ------------------------------------------------------------------------------------
 */

static size_t allocations_left;

static void *limited_malloc(size_t bytes)
{
	if (!allocations_left)
		return NULL;
	allocations_left--;
	return malloc(bytes);
}

/* Whichever allocation of JSON fails, nothing is sent of that line, and nothing leaks. */
static void test_sender_without_memory(void **state)
{
	struct made *m = made_new();
	const struct serve_watch_process process = {.pid = 7, .comm = "x\xff", .gil = -1};
	const struct serve_watch interval = {
		.profile = &m->profile, .processes = &process, .n_processes = 1};
	uint64_t seed = 31;
	size_t n = 0;
	int rc;

	(void)state;
	made_fill(m, &seed, 5, 10, 5);
	do {
		struct watch_sender *w = watch_sender_new(3);
		struct channel *client, *server;

		make_channels(&client, &server);
		json_set_alloc_funcs(limited_malloc, free);
		allocations_left = n++;
		rc = watch_sender_send(w, server, &interval);
		json_set_alloc_funcs(malloc, free);
		assert_true(!rc || rc == -ENOMEM);
		assert_int_equal(next_result(client), !rc);
		watch_sender_free(w);
		channel_free(client);
		channel_free(server);
	} while (rc && n < 10000);
	assert_true(n > 20);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_message),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_sender_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
