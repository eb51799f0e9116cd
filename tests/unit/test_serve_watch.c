/* SPDX-License-Identifier: BSD-2-Clause */
/* A watch from one end to the other: what is sent arrives, whatever the bounds. */
#include <poll.h>
#include <pthread.h>

#include "tests/unit/watch_profiles.h"

/* ---- stacks ------------------------------------------------------------------------------------
 */

static void pass_exactly(struct ends *e, const struct profile *p, struct watch_interval *out)
{
	char *sent = sent_text(p), *received;

	ends_pass(e, p, out);
	received = received_text(watch_receiver_tree(e->receiver), out);
	assert_string_equal(received, sent);
	assert_true(out->samples == sum_of(p, false));
	free(sent);
	free(received);
}

static void test_round_trips(void **state)
{
	uint64_t seed = 0x5eed;
	struct watch_interval interval;
	struct ends e;

	(void)state;
	ends_open(&e, &watch_limits_shared);
	for (int i = 0; i < 60; i++) {
		struct made *m = made_new();

		made_fill(m, &seed, chance(&seed, 150), 40 + 5 * (uint32_t)i, 12);
		pass_exactly(&e, &m->profile, &interval);
		assert_false(interval.reset);
		free(m);
	}
	ends_close(&e);
}

/* Where bounds are small the numbers begin anew again and again, and nothing is missing. */
static void test_resets(void **state)
{
	static const struct watch_limits rows[] = {
		{3000, 5000, 5000, 99, 1 << 20, 1 << 20, 16384},
		{50000, 380, 5000, 99, 1 << 20, 1 << 20, 16384},
		{50000, 5000, 400, 99, 1 << 20, 1 << 20, 16384},
		{50000, 5000, 5000, 99, 12000, 1 << 20, 16384},
	};

	(void)state;
	for (size_t k = 0; k < COUNT(rows); k++) {
		uint64_t seed = 0xcafe + k;
		struct watch_interval interval;
		unsigned resets = 0;
		struct ends e;

		ends_open(&e, &rows[k]);
		for (int i = 0; i < 40; i++) {
			struct made *m = made_new();

			made_fill(m, &seed, 60, MADE_FUNCTIONS, 9);
			pass_exactly(&e, &m->profile, &interval);
			assert_true(i || !interval.reset);
			resets += interval.reset;
			free(m);
		}
		if (!resets || resets > 39)
			fail_msg("bounds %zu: %u resets", k, resets);
		ends_close(&e);
	}
}

/* One interval alone is over a bound: stacks are cut, sums are not. */
static void test_more_than_there_is_room_for(void **state)
{
	static const struct watch_limits rows[] = {
		{100, 5000, 5000, 99, 1 << 20, 1 << 20, 16384},
		{50000, 20, 5000, 99, 1 << 20, 1 << 20, 16384},
		{50000, 5000, 30, 99, 1 << 20, 1 << 20, 16384},
		{50000, 5000, 5000, 99, 10000, 1 << 20, 16384},
		{50000, 5000, 5000, 99, 1 << 20, 3000, 16384},
		{50000, 5000, 5000, 99, 1 << 20, 0, 16384},
		{1, 1, 1, 1, 1, 1 << 20, 16384},
	};

	(void)state;
	for (size_t k = 0; k < COUNT(rows); k++) {
		uint64_t seed = 0xbeef + k;
		struct ends e;

		ends_open(&e, &rows[k]);
		for (int i = 0; i < 5; i++) {
			struct made *m = made_new();
			struct watch_interval interval;
			uint64_t weight_ns = 0;

			made_fill(m, &seed, 300, MADE_FUNCTIONS, 15);
			ends_pass(&e, &m->profile, &interval);
			for (size_t c = 0; c < interval.n_counts; c++)
				weight_ns += interval.counts[c].weight_ns;
			assert_true(interval.samples == sum_of(&m->profile, false));
			assert_true(weight_ns == sum_of(&m->profile, true));
			assert_in_range(interval.n_counts, 1, 299);
			free(m);
		}
		ends_close(&e);
	}
}

/* The next interval goes on where the room of the one before ended, as long as stacks repeat. */
static void test_room_of_the_next_interval(void **state)
{
	const struct watch_limits limits = {50000, 5000, 5000, 99, 1 << 20, 8000, 16384};
	struct made *m = made_new();
	uint64_t seed = 7;
	struct watch_interval interval;
	size_t first;
	struct ends e;

	(void)state;
	made_fill(m, &seed, 150, MADE_FUNCTIONS, 15);
	ends_open(&e, &limits);
	ends_pass(&e, &m->profile, &interval);
	first = interval.n_counts;
	assert_true(first < 100);
	for (int i = 0; i < 20; i++)
		ends_pass(&e, &m->profile, &interval);
	assert_true(interval.n_counts > first);
	pass_exactly(&e, &m->profile, &interval);
	free(m);
	ends_close(&e);
}

/* What a process at 99 Hz costs once its stacks are known. */
static void test_steady_state(void **state)
{
	struct made *m = made_new();
	uint64_t seed = 11;
	struct watch_interval interval;
	struct ends e;
	json_t *message;
	char *line;

	(void)state;
	made_fill(m, &seed, 99, 40, 30);
	ends_open(&e, &watch_limits_shared);
	ends_pass(&e, &m->profile, &interval);
	ends_pass(&e, &m->profile, &interval);
	assert_int_equal(e.messages, 2);
	assert_int_equal(watch_sender_send(
				 e.sender, e.server, &(struct serve_watch){.profile = &m->profile}),
		0);
	message = next_message(e.client, SERVE_WATCH, 3);
	line = json_dumps(message, JSON_COMPACT);
	assert_in_range(strlen(line), 500, 3000);
	free(line);
	json_decref(message);
	free(m);
	ends_close(&e);
}

/* Many lines, and a client that reads a little now and then. */
static void test_slow_reader(void **state)
{
	struct watch_limits limits = watch_limits_shared;
	uint64_t seed = 13;
	struct ends e;

	(void)state;
	limits.line_bytes = 16384;
	ends_open(&e, &limits);
	for (int i = 0; i < 5; i++) {
		struct made *m = made_new();
		struct serve_watch interval = {.profile = &m->profile, .interval_s = 1};
		struct watch_interval out;
		char *sent, *received;

		made_fill(m, &seed, 900, MADE_FUNCTIONS, 20);
		assert_int_equal(watch_sender_send(e.sender, e.server, &interval), 0);
		sent = sent_text(&m->profile);
		ends_receive(&e, &out);
		assert_false(channel_is_queued(e.server));
		received = received_text(watch_receiver_tree(e.receiver), &out);
		assert_string_equal(received, sent);
		free(sent);
		free(received);
		free(m);
	}
	assert_true(e.messages > 20);
	ends_close(&e);
}

/* One that never reads is told apart. */
static void test_nobody_reads(void **state)
{
	uint64_t seed = 17;
	struct ends e;
	int rc = 0, n = 0;

	(void)state;
	ends_open(&e, &watch_limits_shared);
	for (; !rc && n < 1000; n++) {
		struct made *m = made_new();
		const struct serve_watch interval = {.profile = &m->profile};

		made_fill(m, &seed, 900, MADE_FUNCTIONS, 20);
		rc = watch_sender_send(e.sender, e.server, &interval);
		free(m);
	}
	assert_int_equal(rc, -ENOBUFS);
	assert_true(n > 3);
	ends_close(&e);
}

/* ---- waiting for the client --------------------------------------------------------------------
 */

static void *send_waiting(void *arg)
{
	enum { NODES = 300000 };
	struct ends *e = arg;
	struct made *m = made_new();
	struct stack_node *nodes = calloc(NODES, sizeof(*nodes));
	intptr_t rc;

	for (uint32_t i = 1; i < NODES; i++)
		nodes[i] = (struct stack_node){
			(i - 1) / 300, 1 + 2 * MADE_PROCESSES + i % 300, 1, 10101010};
	m->profile.nodes = nodes;
	m->profile.n_nodes = NODES;
	rc = watch_sender_send(e->sender, e->server, &(struct serve_watch){.profile = &m->profile});
	free(nodes);
	free(m);
	return (void *)rc;
}

/* An interval larger than all that may be queued arrives whole. */
static void test_waiting(void **state)
{
	struct watch_interval interval;
	pthread_t thread;
	struct err err = {0};
	struct ends e;
	void *sent;
	int rc = 0;

	(void)state;
	ends_open(&e, &watch_limits_most);
	watch_sender_wait(e.sender);
	assert_int_equal(pthread_create(&thread, NULL, send_waiting, &e), 0);
	while (!rc) {
		struct pollfd p = {channel_fd(e.client), POLLIN, 0};
		json_t *message;
		int fd;

		if (!channel_is_ready(e.client))
			assert_int_equal(poll(&p, 1, 30000), 1);
		rc = channel_receive(e.client, &message, &fd, &err);
		if (rc == 1)
			rc = watch_receiver_take(e.receiver, message, &interval, &err);
		json_decref(message);
	}
	pthread_join(thread, &sent);
	assert_int_equal((intptr_t)sent, 0);
	assert_int_equal(rc, 1);
	assert_int_equal(interval.n_counts, 299999);
	assert_int_equal(interval.samples, 299999);
	assert_int_equal(watch_receiver_tree(e.receiver)->n_nodes, 300000);
	ends_close(&e);
}

/* ---- names -------------------------------------------------------------------------------------
 */

static void test_hostile_names(void **state)
{
	char longer[9000], *strings[] = {"", "sp\xffin", "\x1b[31m\"\\", longer, "spi\xffn", ""};
	struct frame frames[] = {{FRAME_ROOT, 0, 0, 0, 0}, {FRAME_PROCESS, 1, 0, 7, 0},
		{FRAME_THREAD, 5, 0, 8, 0}, {FRAME_NATIVE, 2, 3, 1, 3}, {FRAME_JIT, 3, 1, 0, 4},
		{FRAME_KERNEL, 5, 0, 0, 0}};
	struct stack_node nodes[] = {
		{0, 0, 2, 5}, {0, 1, 0, 0}, {1, 2, 0, 0}, {2, 3, 1, 1}, {3, 4, 1, 1}, {4, 5, 1, 1}};
	const struct profile p = {.strings = strings,
		.n_strings = COUNT(strings),
		.frames = frames,
		.n_frames = COUNT(frames),
		.nodes = nodes,
		.n_nodes = COUNT(nodes)};
	struct watch_interval interval;
	const struct profile *tree;
	const char *name[COUNT(frames)];
	struct ends e;

	(void)state;
	memset(longer, 1, sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	ends_open(&e, &watch_limits_shared);
	ends_pass(&e, &p, &interval);
	ends_pass(&e, &p, &interval); /* all is known by now */
	tree = watch_receiver_tree(e.receiver);
	assert_int_equal(tree->n_frames, COUNT(frames));
	assert_int_equal(tree->n_nodes, COUNT(nodes));
	assert_int_equal(interval.n_counts, 4);
	assert_int_equal(interval.samples, 5);
	for (size_t i = 0; i < COUNT(frames); i++)
		name[i] = tree->strings[tree->frames[i].name];
	assert_string_equal(name[0], "");
	assert_string_equal(name[1], "sp\xef\xbf\xbdin (7)");
	assert_string_equal(name[2], "(8)");
	assert_string_equal(name[3], "\x1b[31m\"\\");
	assert_int_equal(strlen(name[4]), 2051);
	assert_string_equal(name[5], "[unknown]");
	assert_string_equal(tree->strings[tree->frames[4].module], "spi\xef\xbf\xbdn");
	assert_string_equal(tree->strings[tree->frames[3].module], name[4]);
	ends_close(&e);
}

/* Different bytes that look the same where they are sent are one frame there, and one node. */
static void test_names_that_become_equal(void **state)
{
	char *strings[] = {"", "p", "t", "a\xff", "a\xfe"};
	struct frame frames[] = {{FRAME_ROOT, 0, 0, 0, 0}, {FRAME_PROCESS, 1, 0, 7, 0},
		{FRAME_THREAD, 2, 0, 7, 0}, {FRAME_NATIVE, 3, 0, 0, 0}, {FRAME_NATIVE, 4, 0, 0, 0}};
	struct stack_node nodes[] = {{0}, {0, 1, 0, 0}, {1, 2, 0, 0}, {2, 3, 3, 30}, {2, 4, 4, 40}};
	const struct profile p = {.strings = strings,
		.n_strings = COUNT(strings),
		.frames = frames,
		.n_frames = COUNT(frames),
		.nodes = nodes,
		.n_nodes = COUNT(nodes)};
	struct watch_interval interval;
	struct ends e;

	(void)state;
	ends_open(&e, &watch_limits_shared);
	ends_pass(&e, &p, &interval);
	assert_int_equal(watch_receiver_tree(e.receiver)->n_nodes, 4);
	assert_int_equal(interval.n_counts, 1);
	assert_int_equal(interval.counts[0].samples, 7);
	assert_int_equal(interval.counts[0].weight_ns, 70);
	ends_close(&e);
}

/* ---- the rest of an interval -------------------------------------------------------------------
 */

static void test_numbers_of_an_interval(void **state)
{
	struct made *m = made_new();
	struct serve_watch sent = {.start_unix_s = 1767225600.25,
		.interval_s = 1.5,
		.elapsed_s = 12.75,
		.rate_hz = 99,
		.lost = 1,
		.truncated = 2,
		.failed = 3,
		.cpus = 8,
		.cpu_percent = -1,
		.kernel_cpu_percent = 0.5,
		.rss_bytes = 1 << 20,
		.shared = true,
		.profile = &m->profile};
	struct watch_interval got;
	struct ends e;

	(void)state;
	ends_open(&e, &watch_limits_shared);
	assert_int_equal(watch_sender_send(e.sender, e.server, &sent), 0);
	ends_receive(&e, &got);
	assert_true(got.start_unix_s == 1767225600.25 && got.interval_s == 1.5);
	assert_true(got.elapsed_s == 12.75 && got.rate_hz == 99);
	assert_true(got.lost == 1 && got.truncated == 2 && got.failed == 3 && got.cpus == 8);
	assert_true(got.cpu_percent < 0 && got.kernel_cpu_percent == 0.5);
	assert_true(got.rss_bytes == 1 << 20 && got.shared && !got.last && !got.reset);
	assert_int_equal(got.n_counts + got.samples, 0);
	sent.last = true;
	sent.shared = false;
	assert_int_equal(watch_sender_send(e.sender, e.server, &sent), 0);
	ends_receive(&e, &got);
	assert_true(got.last && !got.shared);
	free(m);
	ends_close(&e);
}

static size_t pass_processes(struct ends *e, const struct serve_watch_process *list, size_t n)
{
	struct made *m = made_new();
	const struct serve_watch sent = {
		.profile = &m->profile, .processes = list, .n_processes = n};
	struct watch_interval interval;
	struct err err = {0};
	json_t *message;
	size_t told;

	assert_int_equal(watch_sender_send(e->sender, e->server, &sent), 0);
	message = next_message(e->client, SERVE_WATCH, 3);
	told = json_array_size(json_object_get(body_of(message, "watch"), "processes")) / 8;
	if (watch_receiver_take(e->receiver, message, &interval, &err) != 1)
		fail_msg("%s", err.text);
	json_decref(message);
	free(m);
	return told;
}

/* Told when they are new or something of them has changed. */
static void test_processes(void **state)
{
	struct serve_watch_process list[] = {
		{4711, "pyth\xffon3", "www-data", "4f1c2d3e5a6b", "3.12.3", 4, false, 0.4124},
		{0, "of another namespace", NULL, NULL, NULL, 1, false, -1},
		{7, "", NULL, NULL, NULL, 1, false, -1}};
	const struct watch_process *got;
	struct ends e;
	size_t n;

	(void)state;
	ends_open(&e, &watch_limits_shared);
	assert_int_equal(pass_processes(&e, list, 3), 2);
	assert_int_equal(pass_processes(&e, list, 3), 0);
	list[0].gil = 0.4119; /* no change in thousandths */
	assert_int_equal(pass_processes(&e, list, 3), 0);
	list[2].ended = true;
	list[2].gil = 5;
	assert_int_equal(pass_processes(&e, list, 3), 1);
	assert_int_equal(pass_processes(&e, list, 2), 0); /* is kept there */
	got = watch_receiver_processes(e.receiver, &n);
	assert_int_equal(n, 2);
	assert_int_equal(got[0].pid, 4711);
	assert_string_equal(got[0].comm, "pyth\xef\xbf\xbdon3");
	assert_string_equal(got[0].user, "www-data");
	assert_string_equal(got[0].container, "4f1c2d3e5a6b");
	assert_string_equal(got[0].python, "3.12.3");
	assert_int_equal(got[0].threads, 4);
	assert_true(!got[0].ended && got[0].gil == 0.412);
	assert_string_equal(got[1].comm, "");
	assert_string_equal(got[1].python, "");
	assert_true(got[1].ended && got[1].gil == 1);
	ends_close(&e);
}

/* A reset tells of all that are listed, and forgets those that are not. */
static void test_processes_over_resets(void **state)
{
	const struct watch_limits limits = {1000, 1000, 1000, 3, 1 << 20, 1 << 20, 16384};
	struct serve_watch_process list[5];
	const struct watch_process *got;
	struct ends e;
	size_t n;

	(void)state;
	for (uint32_t i = 0; i < COUNT(list); i++)
		list[i] = (struct serve_watch_process){.pid = i + 1, .comm = "x", .gil = -1};
	ends_open(&e, &limits);
	assert_int_equal(pass_processes(&e, list, 3), 3);
	assert_int_equal(pass_processes(&e, list + 1, 3), 3);
	got = watch_receiver_processes(e.receiver, &n);
	assert_int_equal(n, 3);
	assert_int_equal(got[0].pid, 2);
	assert_int_equal(pass_processes(&e, list, 5), 3); /* as many as there may be */
	got = watch_receiver_processes(e.receiver, &n);
	assert_int_equal(n, 3);
	assert_int_equal(got[0].pid, 1);
	ends_close(&e);
}

/* ---- what is no profile ------------------------------------------------------------------------
 */

static void test_senseless_profiles(void **state)
{
	struct made *m = made_new();
	struct profile *p = &m->profile;
	const struct serve_watch interval = {.profile = p};
	struct watch_interval out;
	uint64_t seed = 19;
	struct ends e;

	(void)state;
	made_fill(m, &seed, 5, 10, 5);
	ends_open(&e, &watch_limits_shared);
	for (int i = 0; i < 8; i++) {
		struct stack_node node = m->nodes[2];
		struct frame frame = m->frames[1];
		uint32_t n_nodes = p->n_nodes;

		switch (i) {
		case 0:
			m->nodes[2].parent = 2;
			break;
		case 1:
			m->nodes[2].parent = UINT32_MAX;
			break;
		case 2:
			m->nodes[2].frame = p->n_frames;
			break;
		case 3:
			m->nodes[2].frame = 0;
			break;
		case 4:
			m->frames[1].name = p->n_strings;
			break;
		case 5:
			m->frames[1].kind = FRAME_KINDS;
			break;
		case 6:
			p->n_nodes = 0;
			break;
		default:
			m->nodes[2].self_weight_ns = UINT64_MAX;
		}
		if (watch_sender_send(e.sender, e.server, &interval) != -EINVAL)
			fail_msg("case %d is sent", i);
		assert_int_equal(next_result(e.client), 0);
		m->nodes[2] = node;
		m->frames[1] = frame;
		p->n_nodes = n_nodes;
	}
	pass_exactly(&e, p, &out);
	free(m);
	ends_close(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_resets),
		cmocka_unit_test(test_more_than_there_is_room_for),
		cmocka_unit_test(test_room_of_the_next_interval),
		cmocka_unit_test(test_steady_state),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_nobody_reads),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_names_that_become_equal),
		cmocka_unit_test(test_numbers_of_an_interval),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_processes_over_resets),
		cmocka_unit_test(test_senseless_profiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
