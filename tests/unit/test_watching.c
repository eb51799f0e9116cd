/* SPDX-License-Identifier: BSD-2-Clause */
/* A watch: the stacks of an interval over what the host forgets meanwhile, the host that samples
 * what was asked for, and the whole of it in a private engine. */
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "serve_pair.h"

#include "base/clock.h"
#include "pipeline/gathering.h"
#include "pipeline/host.h"
#include "pipeline/watch_filter.h"

enum { DEADLINE_S = 60 };

/* ---- gathering ---------------------------------------------------------------------------------
 */

/* Names by the address, as long as `name` stands for them. */
struct book {
	const char *name;
	size_t asked;
};

static bool book_name(
	void *arg, const struct location *l, struct intern *strings, struct frame *out)
{
	struct book *book = arg;
	char text[4096];

	book->asked++;
	snprintf(text, sizeof(text), "%s%llu", book->name, (unsigned long long)l->address);
	out->name = intern(strings, text);
	out->line = (uint32_t)l->line;
	return true;
}

static void add(struct gathering *g, uint64_t outer, uint64_t inner, unsigned times)
{
	const struct location stack[] = {{.kind = FRAME_NATIVE, .address = outer},
		{.kind = FRAME_PYTHON, .address = inner, .line = 7}};

	while (times--)
		gathering_add(g, stack, COUNT(stack), 1000);
}

/* Samples, weight and depth of the stack that ends in a function of this name. */
static struct stack_node find(const struct profile *p, const char *name, const char *parent)
{
	struct stack_node sum = {0};

	for (uint32_t i = 1; i < p->n_nodes; i++) {
		const struct stack_node *n = &p->nodes[i];

		if (strcmp(p->strings[p->frames[n->frame].name], name) ||
			strcmp(p->strings[p->frames[p->nodes[n->parent].frame].name], parent))
			continue;
		assert_int_equal(sum.self_samples, 0);
		sum = *n;
		assert_int_equal(p->frames[n->frame].kind, FRAME_PYTHON);
		assert_int_equal(p->frames[n->frame].line, 7);
	}
	return sum;
}

static void test_gathering_begins_anew(void **state)
{
	struct book book = {.name = "f"};
	struct gathering *g = gathering_new(book_name, &book, NULL);
	struct profile *p;
	uint64_t lost = 99;

	(void)state;
	add(g, 1, 2, 3);
	p = gathering_take(g, &lost);
	assert_int_equal(lost, 0);
	assert_int_equal(p->quality.samples, 3);
	assert_int_equal(find(p, "f2", "f1").self_samples, 3);
	assert_int_equal(find(p, "f2", "f1").self_weight_ns, 3000);
	profile_free(p);
	p = gathering_take(g, &lost);
	assert_int_equal(p->quality.samples, 0);
	assert_int_equal(p->n_nodes, 1);
	profile_free(p);
	gathering_free(g);
}

/* After it was settled a number may stand for another function: both have to be there. */
static void test_gathering_keeps_names(void **state)
{
	struct book book = {.name = "old"};
	struct gathering *g = gathering_new(book_name, &book, NULL);
	struct profile *p;
	uint64_t lost;

	(void)state;
	add(g, 1, 2, 3);
	add(g, 1, 3, 1);
	gathering_settle(g);
	gathering_settle(g); /* there is nothing to do */
	assert_int_equal(book.asked, 3);
	book.name = "new";
	add(g, 1, 2, 4);
	gathering_settle(g);
	book.name = "old";
	add(g, 1, 2, 5);
	p = gathering_take(g, &lost);
	assert_int_equal(lost, 0);
	assert_int_equal(p->quality.samples, 13);
	assert_int_equal(find(p, "old2", "old1").self_samples, 8);
	assert_int_equal(find(p, "old2", "old1").self_weight_ns, 8000);
	assert_int_equal(find(p, "old3", "old1").self_samples, 1);
	assert_int_equal(find(p, "new2", "new1").self_samples, 4);
	assert_int_equal(p->n_nodes, 6); /* the root, two of five below it, and their three */
	profile_free(p);
	p = gathering_take(g, &lost);
	assert_int_equal(p->quality.samples, 0);
	profile_free(p);
	gathering_free(g);
}

/* A client that never reads, and a program that never does the same twice. */
static void test_gathering_is_bounded(void **state)
{
	struct book book = {.name = "f"};
	struct gathering *g = gathering_new(book_name, &book, NULL);
	uint64_t lost, all = 4 * GATHERING_NODES_MAX;
	struct profile *p;

	(void)state;
	for (uint64_t i = 0; i < all; i++)
		add(g, 2 * i, 2 * i + 1, 1);
	p = gathering_take(g, &lost);
	assert_true(p->n_nodes <= 2 * GATHERING_NODES_MAX);
	assert_true(p->quality.samples >= GATHERING_NODES_MAX / 2);
	assert_int_equal(p->quality.samples + lost, all);
	profile_free(p);
	add(g, 1, 2, 1); /* and then there is room again */
	p = gathering_take(g, &lost);
	assert_int_equal(lost, 0);
	assert_int_equal(p->quality.samples, 1);
	profile_free(p);
	gathering_free(g);
}

static void test_gathering_bounds_texts(void **state)
{
	char *long_name = malloc(4001);
	struct book book = {.name = long_name};
	struct gathering *g = gathering_new(book_name, &book, NULL);
	uint64_t lost, all = 3000;
	struct profile *p;
	size_t bytes = 0;

	(void)state;
	memset(long_name, 'x', 4000);
	long_name[4000] = '\0';
	for (uint64_t i = 0; i < all; i++) {
		add(g, 0, i, 1);
		gathering_settle(g);
	}
	p = gathering_take(g, &lost);
	for (uint32_t i = 0; i < p->n_strings; i++)
		bytes += strlen(p->strings[i]);
	assert_true(bytes <= GATHERING_TEXT_BYTES_MAX);
	assert_true(bytes > GATHERING_TEXT_BYTES_MAX / 2);
	assert_true(lost > 0);
	assert_int_equal(p->quality.samples + lost, all);
	profile_free(p);
	gathering_free(g);
	free(long_name);
}

/* ---- which processes
 * -----------------------------------------------------------------------------
 */

static bool matches(const char *comm, const char *user, const char *container)
{
	struct series s = {.pid = 4711,
		.uid = 1000,
		.user = "ann",
		.comm = "gunicorn",
		.exe = "/usr/bin/python3.11",
		.container = "0123456789ab"};
	char *comms[] = {"other", (char *)comm}, *users[] = {(char *)user},
	     *containers[] = {(char *)container};
	struct watch_request q = {.comms = comms,
		.n_comms = comm ? 2 : 0,
		.users = users,
		.n_users = user != NULL,
		.containers = containers,
		.n_containers = container != NULL};

	return watch_filter_matches(&q, &s);
}

static void test_filter(void **state)
{
	struct series outside = {.user = "ann", .comm = "sh", .container = ""};
	char *host[] = {"host"}, *id[] = {""};
	struct watch_request q = {.containers = host, .n_containers = 1};

	(void)state;
	assert_true(matches(NULL, NULL, NULL));
	assert_true(matches("gunicorn", NULL, NULL));
	assert_false(matches("gunicor", NULL, NULL));
	assert_false(matches("python3.11", NULL, NULL)); /* the name alone, as in a report */
	assert_true(matches(NULL, "ann", NULL));
	assert_true(matches(NULL, "1000", NULL));
	assert_false(matches(NULL, "100", NULL));
	assert_true(matches(NULL, NULL, "0123"));
	assert_true(matches(NULL, NULL, "0123456789abcdef0123")); /* more than is known of it */
	assert_false(matches(NULL, NULL, "123"));
	assert_false(matches(NULL, NULL, "host"));
	assert_true(matches("gunicorn", "ann", "0")); /* of the lists all have to match */
	assert_false(matches("gunicorn", "bob", "0"));
	assert_false(matches("gunicorn", "ann", "1"));
	assert_true(watch_filter_matches(&q, &outside));
	q.containers = id;
	assert_false(watch_filter_matches(&q, &outside));
}

static void test_filter_text(void **state)
{
	char *comms[] = {"a", "b", "c"}, *users[] = {"ann"};
	const struct watch_request q = {.comms = comms, .n_comms = 3, .users = users, .n_users = 1};
	struct buf text;

	(void)state;
	buf_init(&text, 400);
	watch_filter_text(&q, &text);
	assert_string_equal(text.data, "name a and 2 more, user ann");
	buf_free(&text);
}

/* ---- a host of what was asked for --------------------------------------------------------------
 */

static __attribute__((noinline)) void spin_here(void)
{
	static volatile unsigned long sink;

	for (;;)
		sink++;
}

static pid_t spinner_start(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "spinner");
		spin_here();
	}
	assert_true(pid > 0);
	return pid;
}

static void spinner_end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* NULL: the machine does not let us sample. */
static struct host *host_of(
	const struct daemon_config *config, const uint32_t *pid, const struct viewer *viewer)
{
	const struct host_targets targets = {.pids = pid, .n_pids = 1, .viewer = viewer};
	struct err err = {0};
	struct host *h = host_open(config, &targets, &err);

	if (!h && err.code != -EPERM && err.code != -EACCES)
		fail_msg("%s", err.text);
	if (!h)
		print_message("no eBPF here: %s\n", err.text);
	return h;
}

/* Until the process has used so much CPU time since: by then there were samples of it. */
static void drain_until(struct host *h, pid_t pid, double cpu_s)
{
	uint64_t until = clock_now_ns() + DEADLINE_S * NS_PER_S, before = 0;
	struct series_usage usage;

	do {
		struct pollfd fds[HOST_POLLS];

		host_poll(h, fds);
		poll(fds, HOST_POLLS, 20);
		host_drain(h);
		assert_int_equal(process_counters((uint32_t)pid, &usage), 0);
		if (!before)
			before = usage.user_ns + 1;
	} while ((double)(usage.user_ns + 1 - before) < cpu_s * NS_PER_S && clock_now_ns() < until);
	assert_true(clock_now_ns() < until);
}

static void test_host_of_targets(void **state)
{
	struct daemon_config *config = calloc(1, sizeof(*config));
	pid_t spinner = spinner_start(), other = spinner_start();
	uint32_t pid = (uint32_t)spinner;
	struct window *w;
	struct host *h;

	(void)state;
	config_default(config);
	config->rate_hz = 499;
	h = host_of(config, &pid, NULL);
	for (int i = 0; h && i < 2; i++) {
		drain_until(h, spinner, 0.3);
		w = host_close_window(h);
		assert_non_null(w);
		assert_int_equal(w->n_series, 1);
		assert_int_equal(w->series[0].pid, pid);
		assert_string_equal(w->series[0].comm, "spinner");
		assert_true(*w->series[0].user);
		assert_true(w->profile->quality.samples > 20);
		assert_true(w->profile->quality.achieved_hz > 0.8 * 499);
		assert_true(w->profile->quality.achieved_hz < 1.2 * 499);
		window_free(w);
		assert_false(host_ended(h, true));
	}
	spinner_end(spinner);
	spinner_end(other);
	if (h)
		assert_true(host_ended(h, true));
	else
		skip();
	host_close(h);
	free(config);
}

/* It was admitted once; what counts is whether it may be seen now. */
static void test_host_counts_nothing_that_may_not_be_seen(void **state)
{
	const struct viewer stranger = {.uid = 12345, .same_pid_namespace = true};
	struct daemon_config *config = calloc(1, sizeof(*config));
	pid_t spinner = spinner_start();
	uint32_t pid = (uint32_t)spinner;
	struct host_meters meters;
	struct window *w;
	struct host *h;

	(void)state;
	config_default(config);
	config->rate_hz = 499;
	h = host_of(config, &pid, &stranger);
	if (h) {
		drain_until(h, spinner, 0.2);
		host_meters(h, &meters);
		assert_int_equal(meters.lost, 0);
		w = host_close_window(h);
		assert_int_equal(w->profile->quality.samples, 0);
		assert_int_equal(w->profile->n_nodes, 1);
		window_free(w);
	}
	spinner_end(spinner);
	free(config);
	if (!h)
		skip();
	host_close(h);
}

/* ---- in a private engine -----------------------------------------------------------------------
 */

struct engine {
	struct channel *channel;
	pid_t pid;
	struct watch_receiver *receiver;
};

static json_t *receive(struct channel *ch)
{
	uint64_t until = clock_now_ns() + DEADLINE_S * NS_PER_S;
	struct pollfd fd = {.fd = channel_fd(ch), .events = POLLIN};
	struct err err = {0};
	json_t *message;
	int rc, came_fd;

	while (!(rc = channel_receive(ch, &message, &came_fd, &err)) && clock_now_ns() < until)
		poll(&fd, 1, 1000);
	if (rc != 1)
		fail_msg("channel_receive: %d %s", rc, err.text);
	return message;
}

static struct engine engine_start(void)
{
	struct engine e;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	e.pid = fork();
	if (!e.pid) {
		close(pair[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(pipeline_serve(pair[1]) < 0);
	}
	assert_true(e.pid > 0);
	close(pair[1]);
	e.channel = channel_new(pair[0], NULL);
	assert_int_equal(serve_send_hello(e.channel, NULL), 0);
	json_decref(receive(e.channel));
	e.receiver = NULL;
	return e;
}

static void engine_end(struct engine *e)
{
	int status;

	channel_free(e->channel);
	watch_receiver_free(e->receiver);
	assert_int_equal(waitpid(e->pid, &status, 0), e->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static struct watch_request request_of(uint64_t id, pid_t pid)
{
	struct watch_request q = {.id = id, .interval_s = 0.2, .kernel = true, .native = true};

	q.pids[q.n_pids++] = (uint32_t)pid;
	return q;
}

/* False: the machine does not let us sample. */
static bool engine_watch(struct engine *e, const struct watch_request *q)
{
	struct err err = {0};
	json_t *message;
	uint64_t id;
	bool started;

	watch_receiver_free(e->receiver);
	e->receiver = watch_receiver_new();
	assert_int_equal(serve_send_watch_request(e->channel, q, NULL), 0);
	message = receive(e->channel);
	started = serve_message_kind(message, &id) == SERVE_STARTED;
	assert_int_equal(id, q->id);
	if (!started) {
		serve_get_error(message, &err);
		if (err.code != -EPERM && err.code != -EACCES)
			fail_msg("%s", err.text);
		print_message("no eBPF here: %s\n", err.text);
	}
	json_decref(message);
	return started;
}

/* The next whole interval; false: something else came. */
static bool next_interval(struct engine *e, struct watch_interval *out, json_t **other)
{
	struct err err = {0};
	uint64_t id;
	int rc = 0;

	while (!rc) {
		json_t *message = receive(e->channel);

		if (serve_message_kind(message, &id) != SERVE_WATCH) {
			*other = message;
			return false;
		}
		rc = watch_receiver_take(e->receiver, message, out, &err);
		json_decref(message);
	}
	if (rc < 0)
		fail_msg("watch_receiver_take: %d %s", rc, err.text);
	return true;
}

static const char *name_of(const struct profile *p, uint32_t node)
{
	return p->strings[p->frames[p->nodes[node].frame].name];
}

static bool is_below(const struct profile *p, uint32_t node, const char *name)
{
	for (; node; node = p->nodes[node].parent)
		if (!strcmp(name_of(p, node), name))
			return true;
	return false;
}

/* How many samples of the interval have the function in their stacks. All have a process and a
 * thread at their root, and add up. */
static uint64_t samples_of(const struct engine *e, const struct watch_interval *i, const char *name)
{
	const struct profile *p = watch_receiver_tree(e->receiver);
	uint64_t all = 0, found = 0;

	for (size_t k = 0; k < i->n_counts; k++) {
		uint32_t node = i->counts[k].node, root = node, below = node;

		for (; p->nodes[root].parent; root = p->nodes[root].parent)
			below = root;
		assert_int_equal(p->frames[p->nodes[root].frame].kind, FRAME_PROCESS);
		assert_int_equal(p->frames[p->nodes[below].frame].kind, FRAME_THREAD);
		all += i->counts[k].samples;
		found += is_below(p, node, name) ? i->counts[k].samples : 0;
	}
	assert_int_equal(all, i->samples);
	return found;
}

static void process_check_alive(const struct engine *e, pid_t pid)
{
	size_t n;
	const struct watch_process *list = watch_receiver_processes(e->receiver, &n);

	assert_int_equal(n, 1);
	assert_int_equal(list[0].pid, pid);
	assert_string_equal(list[0].comm, "spinner");
	assert_int_equal(list[0].threads, 1);
	assert_false(list[0].ended);
}

static void test_private_watch(void **state)
{
	struct watch_interval i;
	pid_t pid = spinner_start();
	struct engine e = engine_start();
	struct watch_request q = request_of(5, pid);
	json_t *other = NULL;
	uint64_t found = 0;
	size_t n;

	(void)state;
	if (!engine_watch(&e, &q)) {
		engine_end(&e);
		spinner_end(pid);
		skip();
	}
	while (found < 20) {
		assert_true(next_interval(&e, &i, &other));
		found += samples_of(&e, &i, "spin_here");
		assert_false(i.last);
		assert_false(i.shared);
		assert_true(i.rate_hz > 98.9 && i.rate_hz < 99.1);
	}
	process_check_alive(&e, pid);
	/* Another rate, on the same connection. */
	assert_int_equal(serve_send_stop(e.channel, q.id, NULL), 0);
	q.id++;
	q.rate_hz = 499;
	assert_int_equal(serve_send_watch_request(e.channel, &q, NULL), 0);
	while (next_interval(&e, &i, &other))
		assert_false(i.last);
	assert_int_equal(serve_message_kind(other, &q.id), SERVE_STARTED);
	json_decref(other);
	watch_receiver_free(e.receiver);
	e.receiver = watch_receiver_new();
	for (found = 0; found < 50; found += samples_of(&e, &i, "spin_here"))
		assert_true(next_interval(&e, &i, &other));
	assert_true(i.rate_hz > 498.9 && i.rate_hz < 499.1);
	/* And its end. */
	spinner_end(pid);
	do
		assert_true(next_interval(&e, &i, &other));
	while (!i.last);
	assert_true(watch_receiver_processes(e.receiver, &n)[0].ended);
	assert_int_equal(n, 1);
	/* The engine is there for the next request. */
	assert_int_equal(serve_send_watch_request(e.channel, &q, NULL), 0);
	other = receive(e.channel);
	assert_int_equal(serve_message_kind(other, &q.id), SERVE_ERROR);
	json_decref(other);
	engine_end(&e);
}

/* The engine of a client that goes ends, though the client never said so. */
static void test_private_watch_ends_with_its_client(void **state)
{
	pid_t pid = spinner_start();
	struct engine e = engine_start();
	struct watch_request q = request_of(1, pid);

	(void)state;
	if (!engine_watch(&e, &q)) {
		engine_end(&e);
		spinner_end(pid);
		skip();
	}
	engine_end(&e); /* the test's time limit is the bound */
	spinner_end(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gathering_begins_anew),
		cmocka_unit_test(test_gathering_keeps_names),
		cmocka_unit_test(test_gathering_is_bounded),
		cmocka_unit_test(test_gathering_bounds_texts),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_filter_text),
		cmocka_unit_test(test_host_of_targets),
		cmocka_unit_test(test_host_counts_nothing_that_may_not_be_seen),
		cmocka_unit_test(test_private_watch),
		cmocka_unit_test(test_private_watch_ends_with_its_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
