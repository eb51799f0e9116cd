/* SPDX-License-Identifier: BSD-2-Clause */
/* store --> profile with slices --> slice by slice a small tree of its own --> watch_sender.
 *
 * The whole is read first: an answer may then still be refused, and the client sees times, names
 * and processes of one moment of the file. */
#include "pipeline/replaying.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "store/store.h"

enum { SLICES = 3600 };

/* A process of the file, by its PID: who had the number last. */
struct player {
	struct serve_watch_process told; /* its texts are ours */
	size_t first;                    /* slice with its first samples; SIZE_MAX: none */
};

struct replaying {
	struct channel *channel;
	const struct watch_request *request;
	struct store_reader *reader;
	struct store_about about;
	struct profile *whole;
	struct map *by_pid; /* pid -> index into players + 1 */
	struct player *players;
	size_t n_players, cap_players;
	struct serve_watch_process *told; /* [n_players] in the order in which they come */
	struct profile slice;             /* its nodes are ours, all else is the whole's */
	uint32_t *numbers;                /* node of the whole -> of the slice; 0: not in it */
	uint32_t *picked;                 /* nodes of the whole that are in the slice */
	struct watch_sender *sender;
	bool stop;
};

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory for playing the file");
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static int whole_read(struct replaying *r, struct err *err)
{
	const struct watch_request *q = r->request;
	const struct store_query query = {
		.pids = q->pids,
		.n_pids = q->n_pids,
		.comms = {(const char *const *)q->comms, q->n_comms},
		.containers = {(const char *const *)q->containers, q->n_containers},
		.users = {(const char *const *)q->users, q->n_users},
		.kernel = true,
		.root = STORE_ROOT_NUMBERED,
		.slices_max = SLICES,
	};

	r->reader = store_reader_open(q->store, err);
	if (!r->reader)
		return err->code;
	store_reader_about(r->reader, &r->about);
	return store_read(r->reader, &query, &r->whole, err);
}

/* ---- processes ---------------------------------------------------------------------------------
 */

static bool is_process(const struct profile *p, uint32_t node)
{
	return node && !p->nodes[node].parent &&
	       p->frames[p->nodes[node].frame].kind == FRAME_PROCESS;
}

/* Room for each process with samples, by the PROCESS frames. */
static int pids_collect(struct replaying *r)
{
	const struct profile *p = r->whole;

	for (uint32_t i = 1; i < p->n_nodes; i++) {
		uint32_t pid = p->frames[p->nodes[i].frame].line;

		if (is_process(p, i) && !map_put(r->by_pid, &pid, NULL))
			return -ENOMEM;
	}
	r->cap_players = map_count(r->by_pid);
	r->players = calloc(r->cap_players + 1, sizeof(*r->players));
	r->told = calloc(r->cap_players + 1, sizeof(*r->told));
	return r->players && r->told ? 0 : -ENOMEM;
}

static void player_clear(struct player *p)
{
	free((char *)(uintptr_t)p->told.comm);
	free((char *)(uintptr_t)p->told.user);
	free((char *)(uintptr_t)p->told.container);
	free((char *)(uintptr_t)p->told.python);
}

static int player_take(void *arg, const struct store_process *from)
{
	struct replaying *r = arg;
	size_t *known = map_get(r->by_pid, &from->pid);
	struct player *p;

	if (!known)
		return 0; /* it has no samples here */
	if (!*known)
		*known = ++r->n_players;
	p = &r->players[*known - 1];
	player_clear(p);
	*p = (struct player){.told = {.pid = from->pid,
				     .comm = strdup(from->comm),
				     .user = strdup(from->user),
				     .container = strdup(from->container),
				     .python = strdup(from->python),
				     .threads = from->threads,
				     .gil = -1},
		.first = SIZE_MAX};
	return p->told.comm && p->told.user && p->told.container && p->told.python ? 0 : -ENOMEM;
}

static int compare_players(const void *a, const void *b)
{
	const struct player *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return (x->told.pid > y->told.pid) - (x->told.pid < y->told.pid);
}

/* When each of them was sampled first. */
static int firsts_find(struct replaying *r)
{
	const struct profile *p = r->whole;
	size_t *player_of = calloc(p->n_nodes, sizeof(*player_of)); /* of a node, + 1; 0: none */

	if (!player_of)
		return -ENOMEM;
	for (uint32_t i = 1; i < p->n_nodes; i++) {
		uint32_t pid = p->frames[p->nodes[i].frame].line;
		const size_t *known = is_process(p, i) ? map_get(r->by_pid, &pid) : NULL;

		player_of[i] = known ? *known : player_of[p->nodes[i].parent];
	}
	for (size_t i = p->n_slices; i-- > 0;)
		for (size_t k = 0; k < p->slices[i].n; k++) {
			size_t player = player_of[p->counts[p->slices[i].first + k].node];

			if (player)
				r->players[player - 1].first = i;
		}
	free(player_of);
	qsort(r->players, r->n_players, sizeof(*r->players), compare_players);
	for (size_t i = 0; i < r->n_players; i++)
		r->told[i] = r->players[i].told;
	return 0;
}

static int players_read(struct replaying *r, struct err *err)
{
	int rc;

	r->by_pid = map_new(sizeof(uint32_t), sizeof(size_t));
	if (!r->by_pid || pids_collect(r) < 0)
		return no_memory(err);
	rc = store_reader_processes(r->reader, player_take, r, err);
	if (!rc)
		rc = firsts_find(r);
	return rc == -ENOMEM ? no_memory(err) : rc;
}

/* ---- one slice ---------------------------------------------------------------------------------
 */

static int slice_room(struct replaying *r)
{
	size_t n = (size_t)r->whole->n_nodes + 1;

	r->numbers = calloc(n, sizeof(*r->numbers));
	r->picked = calloc(n, sizeof(*r->picked));
	r->slice = *r->whole;
	r->slice.nodes = calloc(n, sizeof(*r->slice.nodes));
	r->slice.slices = NULL;
	r->slice.counts = NULL;
	r->slice.n_slices = r->slice.n_counts = 0;
	return r->numbers && r->picked && r->slice.nodes ? 0 : -ENOMEM;
}

static int compare_nodes(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Nodes with samples in the slice, and those above them, in the order of the whole: parents first.
 */
static size_t nodes_pick(struct replaying *r, const struct profile_count *counts, size_t n_counts)
{
	size_t n = 0;

	for (size_t i = 0; i < n_counts; i++)
		for (uint32_t at = counts[i].node; at && !r->numbers[at];
			at = r->whole->nodes[at].parent) {
			r->numbers[at] = 1;
			r->picked[n++] = at;
		}
	if (n)
		qsort(r->picked, n, sizeof(*r->picked), compare_nodes);
	return n;
}

/* A node's mean weight of a sample: exact unless the rate was changed meanwhile. */
static uint64_t weight_of(const struct stack_node *node, uint32_t samples)
{
	return node->self_samples ? node->self_weight_ns / node->self_samples * samples : 0;
}

static void slice_make(struct replaying *r, const struct profile_slice *of)
{
	const struct profile_count *counts = r->whole->counts + of->first;
	size_t n = nodes_pick(r, counts, of->n);
	struct stack_node *nodes = r->slice.nodes;

	nodes[0] = (struct stack_node){.frame = r->whole->nodes[0].frame};
	for (size_t i = 0; i < n; i++) {
		const struct stack_node *node = &r->whole->nodes[r->picked[i]];

		r->numbers[r->picked[i]] = (uint32_t)i + 1;
		nodes[i + 1] = (struct stack_node){
			.parent = r->numbers[node->parent], .frame = node->frame};
	}
	r->slice.n_nodes = (uint32_t)n + 1;
	r->slice.quality = (struct profile_quality){.duration_ns = of->duration_ns};
	for (size_t i = 0; i < of->n; i++) {
		struct stack_node *node = &nodes[r->numbers[counts[i].node]];

		node->self_samples = counts[i].samples;
		node->self_weight_ns =
			weight_of(&r->whole->nodes[counts[i].node], counts[i].samples);
		r->slice.quality.samples += counts[i].samples;
	}
	for (size_t i = 0; i < n; i++)
		r->numbers[r->picked[i]] = 0;
}

static double percent(uint64_t part_ns, uint64_t whole_ns)
{
	return whole_ns ? 100.0 * (double)part_ns / (double)whole_ns : -1;
}

/* The number `i` of the slices; n_slices 0: an empty one that is the last. */
static int slice_send(struct replaying *r, size_t i)
{
	const struct profile *p = r->whole;
	const struct profile_slice none = {0}, *of = i < p->n_slices ? &p->slices[i] : &none,
				   *begin = p->n_slices ? &p->slices[0] : &none;
	const struct store_slice *quality = store_reader_slices(r->reader);
	struct serve_watch w = {
		.start_unix_s = (double)of->start_unix_ns / NS_PER_S,
		.interval_s = (double)of->duration_ns / NS_PER_S,
		.cpu_percent = -1,
		.kernel_cpu_percent = -1,
		.shared = !r->about.is_recording,
		.last = i + 1 >= p->n_slices,
		.profile = &r->slice,
		.processes = r->told,
	};

	if (of->start_unix_ns + of->duration_ns > begin->start_unix_ns)
		w.elapsed_s = (double)(of->start_unix_ns + of->duration_ns - begin->start_unix_ns) /
			      NS_PER_S;
	if (i < p->n_slices) {
		w.rate_hz = quality[i].requested_hz;
		w.lost = quality[i].lost;
		w.truncated = quality[i].truncated;
		w.failed = quality[i].failed;
		w.cpu_percent = percent(quality[i].profiler_cpu_ns, of->duration_ns);
		w.kernel_cpu_percent = percent(quality[i].profiler_kernel_ns, of->duration_ns);
		w.rss_bytes = quality[i].profiler_rss_bytes;
	}
	while (w.n_processes < r->n_players && r->players[w.n_processes].first <= i)
		w.n_processes++;
	slice_make(r, of);
	return watch_sender_send(r->sender, r->channel, &w);
}

/* ---- the client --------------------------------------------------------------------------------
 */

/* What it says meanwhile: stop, or it has gone. */
static int client_listen(struct replaying *r)
{
	struct serve_call call;
	struct err err = {0};
	int rc;

	while ((rc = serve_next(r->channel, &call, &err)) == 1) {
		if (call.kind == SERVE_STOP && call.id == r->request->id)
			r->stop = true;
		else if (call.kind != SERVE_STOP) {
			err_set(&err, -EBUSY, "a file is played on this connection already");
			serve_send_error(r->channel, call.id, &err);
		}
		serve_call_clear(&call);
	}
	return rc;
}

static int started_tell(struct replaying *r)
{
	const struct serve_started started = {.source = r->whole->source,
		.title = r->whole->title,
		.pids = r->request->pids,
		.n_pids = r->request->n_pids};

	return serve_send_started(r->channel, r->request->id, &started);
}

static int play(struct replaying *r)
{
	size_t i = 0;
	int rc = started_tell(r);

	do {
		if (!rc)
			rc = slice_send(r, i);
		if (!rc)
			rc = client_listen(r);
	} while (!rc && !r->stop && ++i < r->whole->n_slices);
	return rc;
}

static int run(struct replaying *r, struct err *err)
{
	int rc = whole_read(r, err);

	if (!rc)
		rc = players_read(r, err);
	if (rc)
		return rc;
	r->sender = watch_sender_new(r->request->id);
	if (!r->sender || slice_room(r) < 0)
		return no_memory(err);
	watch_sender_wait(r->sender);
	rc = play(r);
	if (rc < 0 && rc != -EPIPE)
		err_set(err, rc, "cannot play the file: %s", strerror(-rc));
	return rc;
}

int replaying_run(struct channel *channel, const struct watch_request *request, struct err *err)
{
	struct replaying *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return no_memory(err);
	r->channel = channel;
	r->request = request;
	rc = run(r, err);
	watch_sender_free(r->sender);
	for (size_t i = 0; i < r->n_players; i++)
		player_clear(&r->players[i]);
	free(r->players);
	free(r->told);
	free(r->numbers);
	free(r->picked);
	free(r->slice.nodes);
	map_free(r->by_pid);
	profile_free(r->whole);
	store_reader_close(r->reader);
	free(r);
	return rc;
}
