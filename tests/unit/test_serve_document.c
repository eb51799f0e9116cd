/* SPDX-License-Identifier: BSD-2-Clause */
/* schema/protocol.md is a contract: every example in it is read by the code, has the form of what
 * the code sends, and stands in a section that explains its members. */
#include "tests/unit/serve_pair.h"

#include "base/buf.h"
#include "base/fd.h"

#define DOCUMENT "schema/protocol.md"

enum { EXAMPLES_MAX = 64, TITLE_MAX = 80 };

struct example {
	json_t *message;
	enum serve_kind kind;
	bool from_client;
	char title[TITLE_MAX]; /* of its section */
	const char *section;   /* that section's text, up to `section_end` */
	const char *section_end;
	char line[4096]; /* as on the wire, without the newline */
};

static struct document {
	struct buf text;
	struct example *examples;
	size_t n;
} document;

/* ---- reading it --------------------------------------------------------------------------------
 */

static const char *line_end(const char *at)
{
	const char *end = strchr(at, '\n');

	return end ? end : at + strlen(at);
}

static const char *next_heading(const char *at)
{
	while (*at) {
		at = line_end(at);
		at += *at == '\n';
		if (!strncmp(at, "## ", 3) || !strncmp(at, "### ", 4))
			break;
	}
	return at;
}

/* An example begins with four spaces and a brace, and goes on in lines with five spaces. Returns
 * where it ends. */
static const char *example_read(struct example *e, const char *at)
{
	size_t n = 0;

	do {
		const char *end;

		at += strspn(at, " ");
		end = line_end(at);
		assert_true(n + (size_t)(end - at) < sizeof(e->line));
		memcpy(e->line + n, at, (size_t)(end - at));
		n += (size_t)(end - at);
		at = end + (*end == '\n');
	} while (!strncmp(at, "     ", 5));
	e->line[n] = '\0';
	return at;
}

static void example_parse(struct example *e)
{
	json_error_t error;
	uint64_t id;

	e->message = json_loads(e->line, JSON_REJECT_DUPLICATES, &error);
	if (!e->message)
		fail_msg("%s: %s: %s", e->title, error.text, e->line);
	e->kind = serve_message_kind(e->message, &id);
	if (e->kind == SERVE_UNKNOWN)
		fail_msg("%s: of an unknown kind: %s", e->title, e->line);
}

static void section_read(const char *at, const char *end, bool from_client)
{
	const char *section = at;

	for (at = line_end(at); at < end; at = line_end(at)) {
		struct example *e = &document.examples[document.n];

		at += *at == '\n';
		if (strncmp(at, "    {", 5) != 0)
			continue;
		assert_true(document.n + 1 < EXAMPLES_MAX);
		document.n++;
		snprintf(e->title, sizeof(e->title), "%.*s", (int)(line_end(section) - section),
			section);
		e->section = section;
		e->section_end = end;
		e->from_client = from_client;
		at = example_read(e, at) - 1; /* at the newline: the next may follow at once */
		example_parse(e);
	}
}

static int document_read(void **state)
{
	bool from_client = false;
	const char *at, *end;
	int rc;

	(void)state;
	buf_init(&document.text, 1 << 20);
	rc = file_read(DOCUMENT, &document.text);
	if (rc < 0) {
		print_error("cannot read " DOCUMENT ": %s; run this from the top of the tree\n",
			strerror(-rc));
		return -1;
	}
	document.examples = calloc(EXAMPLES_MAX, sizeof(*document.examples));
	for (at = next_heading(document.text.data); *at; at = end) {
		end = next_heading(at);
		if (!strncmp(at, "## ", 3))
			from_client = !strncmp(at, "## Client to server", 19);
		section_read(at, end, from_client);
	}
	return 0;
}

static int document_free(void **state)
{
	(void)state;
	for (size_t i = 0; i < document.n; i++)
		json_decref(document.examples[i].message);
	free(document.examples);
	buf_free(&document.text);
	return 0;
}

/* ---- what the code says of it ------------------------------------------------------------------
 */

/* Every kind has its example, on the side that sends it. */
static void test_every_kind_is_documented(void **state)
{
	static const enum serve_kind from_client[] = {SERVE_RECORD, SERVE_STOP, SERVE_REPORT,
		SERVE_PS, SERVE_STATUS, SERVE_PAUSE, SERVE_RESUME, SERVE_LIVE, SERVE_DOCTOR,
		SERVE_DIFF, SERVE_WATCH};
	static const enum serve_kind from_server[] = {SERVE_HELLO, SERVE_REPORTED, SERVE_PS,
		SERVE_STATUS, SERVE_DONE, SERVE_LIVE, SERVE_DOCTOR, SERVE_STARTED, SERVE_PROGRESS,
		SERVE_FINISHED, SERVE_ERROR, SERVE_COMPARED, SERVE_WATCH};
	size_t found = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(from_client); i++)
		for (size_t j = 0; j < document.n; j++)
			found += document.examples[j].from_client &&
				 document.examples[j].kind == from_client[i];
	assert_int_equal(found, COUNT(from_client));
	for (size_t i = 0; i < COUNT(from_server); i++)
		for (size_t j = 0; j < document.n; j++)
			found += !document.examples[j].from_client &&
				 document.examples[j].kind == from_server[i];
	assert_int_equal(found, COUNT(from_client) + COUNT(from_server));
	assert_int_equal(document.n, found);
}

/* A server takes each request as it is written there. */
static void test_requests_are_served(void **state)
{
	struct serve_call *call = calloc(1, sizeof(*call));
	int file = memfd_create("x", MFD_CLOEXEC);

	(void)state;
	for (size_t i = 0; i < document.n; i++) {
		const struct example *e = &document.examples[i];
		struct channel *client, *server;
		json_t *answer;
		int fd;

		if (!e->from_client)
			continue;
		make_channels(&client, &server);
		greet(client, server);
		assert_int_equal(channel_send(client, json_incref(e->message), file, NULL), 0);
		if (serve_next(server, call, NULL) != 1) {
			assert_int_equal(channel_receive(client, &answer, &fd, NULL), 1);
			fail_msg("%s: %s", e->line, json_dumps(answer, 0));
		}
		assert_int_equal(call->kind, e->kind);
		serve_call_clear(call);
		channel_free(client);
		channel_free(server);
	}
	close(file);
	free(call);
}

/* Whether `text` says something of the member, as `member`. */
static bool is_explained(const struct example *e, const char *member)
{
	char quoted[TITLE_MAX];
	const char *at;

	snprintf(quoted, sizeof(quoted), "`%s`", member);
	at = strstr(e->section, quoted);
	return (at && at < e->section_end) || (strstr(e->title, member) != NULL);
}

static void check_members(const struct example *e, const json_t *value)
{
	const char *key;
	json_t *item;
	size_t i;

	json_object_foreach((json_t *)value, key, item)
	{
		if (!is_explained(e, key) && strcmp(key, "id") != 0)
			fail_msg("%s: nothing is said of `%s`", e->title, key);
		if (strcmp(key, "failed") != 0) /* its members are causes */
			check_members(e, item);
	}
	json_array_foreach(value, i, item) check_members(e, item);
}

static void test_every_member_is_explained(void **state)
{
	static const char *const elsewhere[] = {"function", "file", "line", "module", "kind",
		"self", "total"}; /* rows of `live` are those of `finished` */

	(void)state;
	for (size_t i = 0; i < document.n; i++) {
		struct example *e = &document.examples[i];
		json_t *copy = json_deep_copy(e->message);
		json_t *top = json_object_get(json_object_get(copy, "live"), "top");

		for (size_t j = 0; j < COUNT(elsewhere); j++)
			json_object_del(json_array_get(top, 0), elsewhere[j]);
		check_members(e, copy);
		json_decref(copy);
	}
}

/* ---- what the code sends -----------------------------------------------------------------------
 */

static int send_finished(struct channel *ch)
{
	char *strings[] = {"", "Worker.run", "/app/worker.py"};
	struct frame frames[] = {{FRAME_ROOT, 0, 0, 0, 0}, {FRAME_PYTHON, 1, 2, 31, 0}};
	const struct profile p = {.strings = strings,
		.n_strings = 3,
		.frames = frames,
		.n_frames = 2,
		.source = "ebpf",
		.quality = {.native_end = {[WALK_NO_RULE] = 3}}};
	const struct top_row row = {.frame = 1, .self = 0.412, .total = 0.98};
	const struct serve_finished finished = {&p, &row, 1, ENDED_DURATION, NULL, 0};
	const struct serve_live live = {5, 1, 188, 0, &p, &row, 1};

	return serve_send_finished(ch, 1, &finished) | serve_send_live(ch, 3, &live);
}

static int send_recording(struct channel *ch)
{
	const uint32_t pid = 4711;
	const struct serve_started started = {"ebpf", NULL, "python3 (4711)", &pid, 1};
	const struct serve_reported reported = {
		.first_unix_s = 1767225600, .last_unix_s = 1767229200};

	return serve_send_started(ch, 1, &started) | serve_send_progress(ch, 1, 1.25, 123, 0) |
	       serve_send_reported(ch, 2, &reported);
}

static int send_comparison(struct channel *ch)
{
	const struct diff diff = {.verdict = DIFF_CHANGED};
	const struct serve_compared compared = {.before = {.first_unix_s = 1, .last_unix_s = 2},
		.after = {.first_unix_s = 3, .last_unix_s = 4},
		.diff = &diff,
		.worst = 0.042,
		.worst_function = "Worker.run"};

	return serve_send_compared(ch, 9, &compared);
}

static int send_watch(struct channel *ch)
{
	char *strings[] = {"", "gunicorn", "MainThread", "Worker.run", "/app/worker.py"};
	struct frame frames[] = {{FRAME_ROOT, 0, 0, 0, 0}, {FRAME_PROCESS, 1, 0, 4711, 0},
		{FRAME_THREAD, 2, 0, 4711, 0}, {FRAME_PYTHON, 3, 4, 31, 0}};
	struct stack_node nodes[] = {{0}, {0, 1, 0, 0}, {1, 2, 0, 0}, {2, 3, 98, 989898980}};
	const struct profile p = {.strings = strings,
		.n_strings = 5,
		.frames = frames,
		.n_frames = 4,
		.nodes = nodes,
		.n_nodes = 4};
	const struct serve_watch_process process = {
		4711, "gunicorn", "www-data", NULL, "3.12.3", 4, false, 0.412};
	const struct serve_watch interval = {.start_unix_s = 1767225600,
		.interval_s = 1,
		.elapsed_s = 5,
		.rate_hz = 99,
		.cpus = 8,
		.cpu_percent = 0.4,
		.kernel_cpu_percent = 0.1,
		.rss_bytes = 41943040,
		.shared = true,
		.profile = &p,
		.processes = &process,
		.n_processes = 1};
	struct watch_sender *w = watch_sender_new(10);
	int rc = watch_sender_send(w, ch, &interval);

	watch_sender_free(w);
	return rc;
}

/* The example of a watch is what is sent, and what a receiver understands. */
static void test_watch_is_understood(void **state)
{
	struct watch_receiver *w = watch_receiver_new();
	struct watch_interval interval;
	const struct watch_process *process;
	struct channel *client, *server;
	const struct profile *tree;
	struct err err = {0};
	json_t *sent;
	size_t at = 0, n;

	(void)state;
	while (document.examples[at].from_client || document.examples[at].kind != SERVE_WATCH)
		at++;
	make_channels(&client, &server);
	assert_int_equal(send_watch(server), 0);
	sent = next_message(client, SERVE_WATCH, 10);
	if (!json_equal(sent, document.examples[at].message))
		fail_msg("what is sent is %s", json_dumps(sent, 0));
	if (watch_receiver_take(w, sent, &interval, &err) != 1)
		fail_msg("%s", err.text);
	tree = watch_receiver_tree(w);
	assert_int_equal(interval.n_counts, 1);
	assert_string_equal(
		tree->strings[tree->frames[tree->nodes[interval.counts[0].node].frame].name],
		"Worker.run");
	process = watch_receiver_processes(w, &n);
	assert_int_equal(n, 1);
	assert_string_equal(process->user, "www-data");
	assert_true(process->gil == 0.412);
	watch_receiver_free(w);
	json_decref(sent);
	channel_free(client);
	channel_free(server);
}

static int send_daemon(struct channel *ch)
{
	const struct profile_quality quality = {.frames_seen = 100};
	const struct serve_process process = {4711, 33, "www-data", "gunicorn",
		"/usr/bin/python3.12", "4f1c2d3e5a6b", "3.12.3", 1767221043.25, 4, 0.74, 141};
	const struct serve_status status = {.version = "0.2.0",
		.source = "ebpf",
		.selection = "whole host",
		.max_cpu_percent = 2,
		.rss_bytes = 1,
		.quality = &quality,
		.store = "/var/lib/profd/profd.db",
		.store_max_bytes = 1,
		.store_first_unix_s = 1,
		.store_last_unix_s = 2};
	const struct serve_check check = {"ptrace", "warning", "scope is 2", "run it as root"};
	const struct err error = {-ESRCH, "there is no process 4711"};

	return serve_send_ps(ch, 4, 10, &process, 1) | serve_send_status(ch, 5, &status) |
	       serve_send_doctor(ch, 6, &check, 1) | serve_send_done(ch, 7, "paused") |
	       serve_send_error(ch, 1, &error) | serve_send_hello(ch, NULL);
}

static void check_same_form(const char *line, const json_t *a, const json_t *b);

static void check_same_members(const char *line, const json_t *a, const json_t *b)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)a, key, value)
	{
		if (!json_object_get(b, key))
			fail_msg("`%s` is on one side only: %s", key, line);
		if (strcmp(key, "failed") != 0)
			check_same_form(line, value, json_object_get(b, key));
	}
}

/* The same members of the same types, but for what is null. */
static void check_same_form(const char *line, const json_t *a, const json_t *b)
{
	if (json_is_null(a) || json_is_null(b) || (json_is_boolean(a) && json_is_boolean(b)))
		return;
	if (json_typeof(a) != json_typeof(b))
		fail_msg("a type differs: %s", line);
	if (json_is_object(a)) {
		check_same_members(line, a, b);
		check_same_members(line, b, a);
	}
	for (size_t i = 0; json_array_size(b) && i < json_array_size(a); i++)
		check_same_form(line, json_array_get(a, i), json_array_get(b, 0));
}

/* Takes what was sent and compares each message with its example. Returns how many it were. */
static size_t compare_all(struct channel *ch)
{
	json_t *sent;
	size_t n = 0;
	int fd;

	while (channel_receive(ch, &sent, &fd, NULL) == 1) {
		uint64_t id;
		enum serve_kind kind = serve_message_kind(sent, &id);
		size_t i = 0;

		while (i < document.n &&
			(document.examples[i].from_client || document.examples[i].kind != kind))
			i++;
		assert_true(i < document.n);
		check_same_form(document.examples[i].line, document.examples[i].message, sent);
		json_decref(sent);
		n++;
	}
	return n;
}

static void test_answers_have_this_form(void **state)
{
	struct channel *client, *server;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < document.n; i++)
		n += !document.examples[i].from_client;
	make_channels(&client, &server);
	assert_int_equal(send_finished(server), 0);
	assert_int_equal(send_recording(server), 0);
	assert_int_equal(send_daemon(server), 0);
	assert_int_equal(send_comparison(server), 0);
	assert_int_equal(send_watch(server), 0);
	assert_int_equal(compare_all(client), n);
	channel_free(client);
	channel_free(server);
}

/* The numbers of the document are those of the code. */
static void test_numbers(void **state)
{
	static const struct {
		const char *said;
		long is, said_is;
	} rows[] = {
		{"262,144 bytes", SERVE_LINE_MAX, 262144},
		{"1 to 1,024 process IDs", SERVE_PIDS_MAX, 1024},
		{"1 to 20,000", SERVE_RATE_MAX_HZ, 20000},
		{"lists of 0 to 256 texts", SERVE_TEXTS_MAX, 256},
		{"at most 4,095 bytes", SERVE_PATH_MAX - 1, 4095},
		{"| rows, 1 to 1,000 |", SERVE_LIVE_ROWS_MAX, 1000},
		{"31,622,400 (366 days)", (long)SERVE_DURATION_MAX_S, 31622400},
		{"read | 4 MiB |", SERVE_QUEUE_MAX, 4 << 20},
		{"one connection | 100 |", SERVE_ANSWERED_MAX, 100},
		{"At most 1,048,576 strings", WATCH_NODES_MAX, 1048576},
		{"with 64 MiB of text", WATCH_TEXT_BYTES_MAX, 64 << 20},
		{"# The protocol of profd, version 1\n", SERVE_PROTOCOL, 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(rows[i].is, rows[i].said_is);
		if (!strstr(document.text.data, rows[i].said))
			fail_msg("it does not say \"%s\"", rows[i].said);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_is_documented),
		cmocka_unit_test(test_requests_are_served),
		cmocka_unit_test(test_every_member_is_explained),
		cmocka_unit_test(test_answers_have_this_form),
		cmocka_unit_test(test_watch_is_understood),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, document_read, document_free);
}
