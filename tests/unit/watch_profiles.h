/* SPDX-License-Identifier: BSD-2-Clause */
/* Profiles by chance, and what a watch makes of them, for the tests of it. */
#ifndef PROFD_TESTS_WATCH_PROFILES_H
#define PROFD_TESTS_WATCH_PROFILES_H

#include "tests/unit/serve_pair.h"

#include "base/buf.h"
#include "serve/watch.h"

enum {
	MADE_FUNCTIONS = 400,
	MADE_PROCESSES = 3,
	MADE_NODES = 20000,
	MADE_FRAMES = 1 + 2 * MADE_PROCESSES + MADE_FUNCTIONS,
	MADE_STRINGS = 1 + 2 + MADE_FUNCTIONS + 16,
};

/* A profile in one piece; `made.profile` is it. */
struct made {
	struct profile profile;
	char texts[MADE_STRINGS][24];
	char *strings[MADE_STRINGS];
	struct frame frames[MADE_FRAMES];
	struct stack_node nodes[MADE_NODES];
};

/* The same numbers each time. */
static inline uint32_t chance(uint64_t *seed, uint32_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 33) % below;
}

static inline void made_frames(struct made *m)
{
	struct profile *p = &m->profile;

	for (uint32_t i = 0; i < MADE_STRINGS; i++)
		m->strings[i] = m->texts[i];
	strcpy(m->texts[1], "python3");
	strcpy(m->texts[2], "MainThread");
	for (uint32_t i = 0; i < MADE_FUNCTIONS; i++)
		snprintf(m->texts[3 + i], sizeof(m->texts[0]), "Class%u.run", i);
	for (uint32_t i = 0; i < 16; i++)
		snprintf(m->texts[3 + MADE_FUNCTIONS + i], sizeof(m->texts[0]), "/app/m%u.py", i);
	m->frames[p->n_frames++] = (struct frame){.kind = FRAME_ROOT};
	for (uint32_t i = 0; i < MADE_PROCESSES; i++) {
		m->frames[p->n_frames++] = (struct frame){FRAME_PROCESS, 1, 0, 4711 + i, 0};
		m->frames[p->n_frames++] = (struct frame){FRAME_THREAD, 2, 0, 4711 + i, 0};
	}
	for (uint32_t i = 0; i < MADE_FUNCTIONS; i++)
		m->frames[p->n_frames++] = (struct frame){FRAME_PYTHON + i % 5, 3 + i,
			i % 3 ? 3 + MADE_FUNCTIONS + i % 16 : 0, i % 3 ? i : 0,
			i % 3 ? 0 : 3 + MADE_FUNCTIONS + i % 7};
}

static inline struct made *made_new(void)
{
	struct made *m = calloc(1, sizeof(*m));

	m->profile = (struct profile){.strings = m->strings,
		.n_strings = MADE_STRINGS,
		.frames = m->frames,
		.nodes = m->nodes,
		.n_nodes = 1};
	made_frames(m);
	return m;
}

static inline uint32_t made_child(struct made *m, uint32_t parent, uint32_t frame)
{
	struct profile *p = &m->profile;

	for (uint32_t i = parent + 1; i < p->n_nodes; i++)
		if (m->nodes[i].parent == parent && m->nodes[i].frame == frame)
			return i;
	assert_true(p->n_nodes < MADE_NODES);
	m->nodes[p->n_nodes] = (struct stack_node){.parent = parent, .frame = frame};
	return p->n_nodes++;
}

/* `stacks` stacks of functions below `functions`, `depth` deep at most, a sample or some each. */
static inline void made_fill(
	struct made *m, uint64_t *seed, unsigned stacks, uint32_t functions, uint32_t depth)
{
	for (unsigned i = 0; i < stacks; i++) {
		uint32_t process = chance(seed, MADE_PROCESSES), deep = chance(seed, depth) + 1;
		uint32_t node = made_child(m, 0, 1 + 2 * process);

		node = made_child(m, node, 2 + 2 * process);
		for (uint32_t d = 0; d < deep; d++)
			node = made_child(
				m, node, 1 + 2 * MADE_PROCESSES + chance(seed, functions));
		m->nodes[node].self_samples += 1 + chance(seed, 3);
		m->nodes[node].self_weight_ns += 10101010 + chance(seed, 1000);
	}
}

/* ---- comparing ---------------------------------------------------------------------------------
 * A line for each stack with samples: its frames from the root on, samples, weight. */

static inline void stack_text(
	const struct profile *p, uint32_t node, bool numbers_in_names, struct buf *out)
{
	const struct frame *f = &p->frames[p->nodes[node].frame];
	char number[16] = "";

	if (!node)
		return;
	stack_text(p, p->nodes[node].parent, numbers_in_names, out);
	if (!numbers_in_names && (f->kind == FRAME_PROCESS || f->kind == FRAME_THREAD))
		snprintf(number, sizeof(number), " (%u)", f->line);
	buf_printf(out, "%u|%s%s|%s|%u|%s;", f->kind, p->strings[f->name], number,
		p->strings[f->file], f->line, p->strings[f->module]);
}

static inline int line_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline char *sorted(char **lines, size_t n)
{
	struct buf all;

	qsort(lines, n, sizeof(*lines), line_compare);
	buf_init(&all, 1 << 28);
	buf_puts(&all, "");
	for (size_t i = 0; i < n; i++) {
		buf_puts(&all, lines[i]);
		buf_putc(&all, '\n');
		free(lines[i]);
	}
	free(lines);
	assert_false(buf_failed(&all));
	return all.data;
}

static inline char *stack_line(const struct profile *p, uint32_t node, bool numbers_in_names,
	uint64_t samples, uint64_t weight_ns)
{
	struct buf line;

	buf_init(&line, 1 << 24);
	stack_text(p, node, numbers_in_names, &line);
	buf_printf(&line, " %llu %llu", (unsigned long long)samples, (unsigned long long)weight_ns);
	assert_false(buf_failed(&line));
	return line.data;
}

/* What was sent, as text; the caller's to free. */
static inline char *sent_text(const struct profile *p)
{
	char **lines = calloc(p->n_nodes, sizeof(*lines));
	size_t n = 0;

	for (uint32_t i = 0; i < p->n_nodes; i++)
		if (p->nodes[i].self_samples)
			lines[n++] = stack_line(
				p, i, false, p->nodes[i].self_samples, p->nodes[i].self_weight_ns);
	return sorted(lines, n);
}

static inline char *received_text(const struct profile *tree, const struct watch_interval *i)
{
	char **lines = calloc(i->n_counts + 1, sizeof(*lines));

	for (size_t k = 0; k < i->n_counts; k++)
		lines[k] = stack_line(tree, i->counts[k].node, true, i->counts[k].samples,
			i->counts[k].weight_ns);
	return sorted(lines, i->n_counts);
}

static inline uint64_t sum_of(const struct profile *p, bool weights)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < p->n_nodes; i++)
		sum += weights ? p->nodes[i].self_weight_ns : p->nodes[i].self_samples;
	return sum;
}

/* ---- both ends ---------------------------------------------------------------------------------
 */

struct ends {
	struct channel *client, *server;
	struct watch_sender *sender;
	struct watch_receiver *receiver;
	size_t messages; /* that came */
};

static inline void ends_open(struct ends *e, const struct watch_limits *limits)
{
	*e = (struct ends){.sender = watch_sender_new_limited(3, limits),
		.receiver = watch_receiver_new_limited(limits)};
	make_channels(&e->client, &e->server);
	assert_true(e->sender && e->receiver);
}

static inline void ends_close(struct ends *e)
{
	watch_sender_free(e->sender);
	watch_receiver_free(e->receiver);
	channel_free(e->client);
	channel_free(e->server);
}

/* Receives up to the end of an interval. */
static inline void ends_receive(struct ends *e, struct watch_interval *out)
{
	struct err err = {0};
	int rc = 0;

	while (!rc) {
		json_t *message;
		int fd;

		assert_true(channel_flush(e->server) >= 0);
		rc = channel_receive(e->client, &message, &fd, &err);
		if (rc == 1) {
			e->messages++;
			rc = watch_receiver_take(e->receiver, message, out, &err);
		}
		if (rc < 0)
			fail_msg("%d %s", rc, err.text);
		json_decref(message);
	}
}

static inline void ends_pass(struct ends *e, const struct profile *p, struct watch_interval *out)
{
	const struct serve_watch interval = {.profile = p, .interval_s = 1};

	assert_int_equal(watch_sender_send(e->sender, e->server, &interval), 0);
	ends_receive(e, out);
}

#endif
