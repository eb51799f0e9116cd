/* SPDX-License-Identifier: BSD-2-Clause */
/* An interval's profile -> what of it was not told before, by numbers.
 *
 * What is known to the other side is known here by content, because each interval has a profile of
 * its own: strings by their bytes as they are sent, frames by the numbers of their strings, nodes
 * by (parent, frame). Where a bound is reached everything begins anew, with the interval at hand.
 * What is too much even then, or for a client's queue, is not told: its samples count for the
 * nearest ancestor that is, so that sums stay right. */
#include "serve/watch.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/intern.h"
#include "base/map.h"

enum {
	SHARED_NODES = WATCH_NODES_MAX / 8, /* 10 MiB here, and the texts */
	PROCESSES_MAX = 1 << 16,
	STRING_BYTES_MAX = 2048 + 4, /* serve_text(), with ellipsis and NUL */
};
static const uint32_t NONE = UINT32_MAX;

const struct watch_limits watch_limits_shared = {
	.nodes = SHARED_NODES,
	.frames = SHARED_NODES,
	.strings = SHARED_NODES,
	.processes = PROCESSES_MAX / 4,
	.text_bytes = WATCH_TEXT_BYTES_MAX / 8,
	.interval_bytes = SERVE_QUEUE_MAX / 4 * 3,
	.line_bytes = SERVE_LINE_MAX - 1,
};

const struct watch_limits watch_limits_most = {
	.nodes = WATCH_NODES_MAX,
	.frames = WATCH_NODES_MAX,
	.strings = WATCH_NODES_MAX,
	.processes = PROCESSES_MAX,
	.text_bytes = WATCH_TEXT_BYTES_MAX,
	.interval_bytes = SSIZE_MAX,
	.line_bytes = SERVE_LINE_MAX - 1,
};

struct watch_sender {
	uint64_t id;
	struct watch_limits limits;
	bool waits;
	bool fresh; /* nothing was told since the numbers began */

	/* What was told, the news at hand included. */
	struct intern *strings;
	struct map *frames;    /* struct frame of numbers -> number */
	struct map *nodes;     /* struct watch_edge -> number */
	struct map *processes; /* pid -> struct watch_told_process */
	uint32_t n_frames, n_nodes;
	size_t text_bytes;

	/* The news at hand; arrays grow and stay. */
	bool reset;
	uint32_t first_string;
	struct frame *new_frames;
	struct watch_edge *new_nodes;
	struct watch_count *counts;
	struct watch_told_process *new_processes;
	size_t n_new_frames, n_new_nodes, n_counts, n_new_processes;
	size_t cap_new_frames, cap_new_nodes, cap_counts, cap_new_processes;
	uint32_t *count_of; /* [cap_count_of] of a node: 1 + index into counts, 0: none */
	size_t cap_count_of;
	int64_t room_bytes; /* for what this interval may still tell */

	/* Of the profile at hand: its indices -> numbers. */
	uint32_t *frame_of, *node_of;
	size_t cap_frame_of, cap_node_of;
};

/* Room in the array that `at` points to for one more than `n`; what is new is zero. */
static int grow(void *at, size_t *cap, size_t n, size_t bytes)
{
	size_t wanted = *cap ? *cap : 64;
	char *fresh;

	if (n < *cap)
		return 0;
	while (wanted <= n)
		wanted *= 2;
	memcpy(&fresh, at, sizeof(fresh));
	fresh = realloc(fresh, wanted * bytes);
	if (!fresh)
		return -ENOMEM;
	memset(fresh + *cap * bytes, 0, (wanted - *cap) * bytes);
	memcpy(at, &fresh, sizeof(fresh));
	*cap = wanted;
	return 0;
}

/* ---- its life ----------------------------------------------------------------------------------
 */

static void told_free(struct watch_sender *w)
{
	intern_free(w->strings);
	map_free(w->frames);
	map_free(w->nodes);
	map_free(w->processes);
}

/* Forgets all that was told. */
static int told_begin(struct watch_sender *w)
{
	told_free(w);
	w->strings = intern_new();
	w->frames = map_new(sizeof(struct frame), sizeof(uint32_t));
	w->nodes = map_new(sizeof(struct watch_edge), sizeof(uint32_t));
	w->processes = map_new(sizeof(uint32_t), sizeof(struct watch_told_process));
	w->n_frames = w->n_nodes = 1;
	w->text_bytes = 0;
	w->fresh = true;
	return w->strings && w->frames && w->nodes && w->processes ? 0 : -ENOMEM;
}

struct watch_sender *watch_sender_new_limited(uint64_t id, const struct watch_limits *limits)
{
	struct watch_sender *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->id = id;
	w->limits = *limits;
	if (told_begin(w) < 0) {
		watch_sender_free(w);
		return NULL;
	}
	return w;
}

struct watch_sender *watch_sender_new(uint64_t id)
{
	return watch_sender_new_limited(id, &watch_limits_shared);
}

void watch_sender_wait(struct watch_sender *w)
{
	w->waits = true;
	w->limits = watch_limits_most;
}

void watch_sender_free(struct watch_sender *w)
{
	if (!w)
		return;
	told_free(w);
	free(w->new_frames);
	free(w->new_nodes);
	free(w->counts);
	free(w->new_processes);
	free(w->count_of);
	free(w->frame_of);
	free(w->node_of);
	free(w);
}

/* ---- telling -----------------------------------------------------------------------------------
 * Functions that tell something return 0; 1: there is no room for it in this interval; -ENOSPC: a
 * bound is reached, and it would not be if the numbers began anew; -ENOMEM. */

/* What a number takes of a line, with its comma. */
static int64_t digits(uint64_t n)
{
	int64_t digits = 2;

	for (; n >= 10; n /= 10)
		digits++;
	return digits;
}

/* What a string takes at most: JSON has a control character as six bytes. */
static int64_t string_bytes(const char *s)
{
	int64_t bytes = 3;

	for (; *s; s++)
		bytes += (unsigned char)*s < ' ' ? 6 : *s == '"' || *s == '\\' ? 2 : 1;
	return bytes;
}

/* Whether one more frame, node or process with up to `n_strings` new strings may be told. */
static int check_room(const struct watch_sender *w, bool below_limit, uint32_t n_strings)
{
	if (!below_limit || intern_count(w->strings) + n_strings > w->limits.strings ||
		w->text_bytes + (n_strings + 1) * (size_t)STRING_BYTES_MAX > w->limits.text_bytes)
		return w->fresh ? 1 : -ENOSPC;
	return w->room_bytes > 0 ? 0 : 1;
}

static int tell_text(struct watch_sender *w, const char *text, uint32_t *number)
{
	uint32_t before = intern_count(w->strings);

	*number = intern(w->strings, text);
	if (!*number && *text)
		return -ENOMEM;
	if (intern_count(w->strings) > before) {
		w->text_bytes += watch_text_bytes(strlen(text));
		w->room_bytes -= string_bytes(text);
	}
	return 0;
}

/* Hostile bytes, or NULL. */
static int tell_string(struct watch_sender *w, const char *bytes, uint32_t *number)
{
	json_t *clean;
	int rc;

	if (!bytes || serve_text_is_clean(bytes))
		return tell_text(w, bytes ? bytes : "", number);
	clean = serve_text(bytes);
	rc = clean ? tell_text(w, json_string_value(clean), number) : -ENOMEM;
	json_decref(clean);
	return rc;
}

static int tell_frame(
	struct watch_sender *w, const struct profile *p, const struct frame *f, uint32_t *number)
{
	bool numbered = f->kind == FRAME_PROCESS || f->kind == FRAME_THREAD, fresh;
	const char *name = p->strings[f->name];
	struct frame told = {.kind = f->kind, .line = f->line};
	uint32_t *known;
	int rc = check_room(w, w->n_frames < w->limits.frames, 3);

	if (!rc)
		rc = tell_string(w, *name || numbered ? name : "[unknown]", &told.name);
	if (!rc)
		rc = tell_string(w, p->strings[f->file], &told.file);
	if (!rc)
		rc = tell_string(w, p->strings[f->module], &told.module);
	if (rc)
		return rc;
	known = map_put(w->frames, &told, &fresh);
	if (!known || grow(&w->new_frames, &w->cap_new_frames, w->n_new_frames, sizeof(told)) < 0)
		return -ENOMEM;
	if (fresh) {
		w->new_frames[w->n_new_frames++] = told;
		*known = w->n_frames++;
		w->text_bytes += watch_frame_text_bytes(
			told.kind, strlen(intern_text(w->strings, told.name)));
		w->room_bytes -= digits(told.kind) + digits(told.name) + digits(told.file) +
				 digits(told.line) + digits(told.module);
	}
	*number = *known;
	return 0;
}

/* The node below `parent`, which is a number, for node `i` of the profile. */
static int tell_node(struct watch_sender *w, const struct profile *p, size_t i, uint32_t parent,
	uint32_t *number)
{
	uint32_t *frame = &w->frame_of[p->nodes[i].frame], *known;
	struct watch_edge edge;
	int rc = 0;

	if (*frame == NONE)
		rc = tell_frame(w, p, &p->frames[p->nodes[i].frame], frame);
	if (rc)
		return rc;
	edge = (struct watch_edge){parent, *frame};
	known = map_get(w->nodes, &edge);
	if (known) {
		*number = *known;
		return 0;
	}
	rc = check_room(w, w->n_nodes < w->limits.nodes, 0);
	if (rc)
		return rc;
	known = map_put(w->nodes, &edge, NULL);
	if (!known || grow(&w->new_nodes, &w->cap_new_nodes, w->n_new_nodes, sizeof(edge)) < 0 ||
		grow(&w->count_of, &w->cap_count_of, w->n_nodes, sizeof(*w->count_of)) < 0)
		return -ENOMEM;
	w->new_nodes[w->n_new_nodes++] = edge;
	w->room_bytes -= digits(edge.parent) + digits(edge.frame);
	*known = *number = w->n_nodes++;
	return 0;
}

/* Counts for the node of the profile, or for an ancestor that is counted already. */
static int count_add(struct watch_sender *w, const struct profile *p, size_t i)
{
	const struct stack_node *n = &p->nodes[i];
	uint32_t node = w->node_of[i];
	struct watch_count *c;

	while (node && !w->count_of[node] && w->room_bytes <= 0) {
		i = p->nodes[i].parent;
		node = w->node_of[i];
	}
	if (!w->count_of[node]) {
		if (grow(&w->counts, &w->cap_counts, w->n_counts, sizeof(*c)) < 0)
			return -ENOMEM;
		w->counts[w->n_counts] = (struct watch_count){.node = node};
		w->count_of[node] = (uint32_t)++w->n_counts;
		w->room_bytes -= digits(node) + digits(n->self_samples) + digits(n->self_weight_ns);
	}
	c = &w->counts[w->count_of[node] - 1];
	c->samples = n->self_samples < UINT32_MAX - c->samples
			     ? c->samples + (uint32_t)n->self_samples
			     : UINT32_MAX;
	c->weight_ns += n->self_weight_ns;
	return 0;
}

static int tell_process(struct watch_sender *w, const struct serve_watch_process *p)
{
	struct watch_told_process told = {.pid = p->pid,
					  .threads = p->threads,
					  .ended = p->ended,
					  .gil = -1},
				  *known;
	bool below =
		map_count(w->processes) < w->limits.processes || map_get(w->processes, &p->pid);
	int rc = p->pid ? check_room(w, below, 4) : 1; /* the client has no number for it */

	if (!rc)
		rc = tell_string(w, p->comm, &told.comm);
	if (!rc)
		rc = tell_string(w, p->user, &told.user);
	if (!rc)
		rc = tell_string(w, p->container, &told.container);
	if (!rc)
		rc = tell_string(w, p->python, &told.python);
	if (rc)
		return rc;
	if (isfinite(p->gil) && p->gil >= 0)
		told.gil = p->gil < 1 ? (int32_t)lround(p->gil * 1000) : 1000;
	known = map_put(w->processes, &p->pid, NULL);
	if (!known || grow(&w->new_processes, &w->cap_new_processes, w->n_new_processes,
			      sizeof(told)) < 0)
		return -ENOMEM;
	if (!memcmp(known, &told, sizeof(told)))
		return 0;
	*known = told;
	w->new_processes[w->n_new_processes++] = told;
	w->room_bytes -= 9 * digits(UINT32_MAX); /* more than it takes */
	return 0;
}

/* ---- an interval -------------------------------------------------------------------------------
 */

/* All that the code above relies on. */
static bool makes_sense(const struct profile *p)
{
	uint64_t weight_ns = 0;

	for (uint32_t i = 0; i < p->n_frames; i++) {
		const struct frame *f = &p->frames[i];

		if (f->name >= p->n_strings || f->file >= p->n_strings ||
			f->module >= p->n_strings || f->kind >= FRAME_KINDS)
			return false;
	}
	for (uint32_t i = 0; i < p->n_nodes; i++) {
		const struct stack_node *n = &p->nodes[i];

		if (n->frame >= p->n_frames || n->self_weight_ns > INT64_MAX - weight_ns ||
			(i && (n->parent >= i || p->frames[n->frame].kind == FRAME_ROOT)))
			return false;
		weight_ns += n->self_weight_ns;
	}
	return p->n_nodes > 0;
}

static void news_begin(struct watch_sender *w, bool reset)
{
	for (size_t i = 0; i < w->n_counts; i++)
		w->count_of[w->counts[i].node] = 0;
	w->reset = reset;
	w->first_string = intern_count(w->strings);
	w->n_new_frames = w->n_new_nodes = w->n_counts = w->n_new_processes = 0;
	w->room_bytes = (int64_t)w->limits.interval_bytes;
}

/* 0, -ENOSPC or -ENOMEM. */
static int news_gather(struct watch_sender *w, const struct serve_watch *interval)
{
	const struct profile *p = interval->profile;
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < interval->n_processes; i++)
		rc = tell_process(w, &interval->processes[i]);
	memset(w->frame_of, 0xff, p->n_frames * sizeof(*w->frame_of));
	w->node_of[0] = 0;
	for (size_t i = 0; rc >= 0 && i < p->n_nodes; i++) {
		uint32_t parent = w->node_of[p->nodes[i].parent];

		rc = i ? tell_node(w, p, i, parent, &w->node_of[i]) : 0;
		if (rc == 1)
			w->node_of[i] = parent;
		if (rc >= 0 && p->nodes[i].self_samples)
			rc = count_add(w, p, i);
	}
	return rc < 0 ? rc : 0;
}

static int news_make(struct watch_sender *w, const struct serve_watch *interval)
{
	const struct profile *p = interval->profile;
	int rc;

	if (grow(&w->frame_of, &w->cap_frame_of, p->n_frames, sizeof(*w->frame_of)) < 0 ||
		grow(&w->node_of, &w->cap_node_of, p->n_nodes, sizeof(*w->node_of)) < 0 ||
		grow(&w->count_of, &w->cap_count_of, w->n_nodes, sizeof(*w->count_of)) < 0)
		return -ENOMEM;
	news_begin(w, false);
	rc = news_gather(w, interval);
	if (rc != -ENOSPC)
		return rc;
	rc = told_begin(w);
	if (rc < 0)
		return rc;
	news_begin(w, true);
	return news_gather(w, interval);
}

int watch_sender_send(struct watch_sender *w, struct channel *ch, const struct serve_watch *i)
{
	struct watch_news news;
	int rc;

	if (!makes_sense(i->profile))
		return -EINVAL;
	rc = news_make(w, i);
	if (rc < 0)
		return rc;
	w->fresh = false;
	news = (struct watch_news){.reset = w->reset,
		.strings = w->strings,
		.first_string = w->first_string,
		.frames = w->new_frames,
		.n_frames = w->n_new_frames,
		.nodes = w->new_nodes,
		.n_nodes = w->n_new_nodes,
		.counts = w->counts,
		.n_counts = w->n_counts,
		.processes = w->new_processes,
		.n_processes = w->n_new_processes};
	for (size_t k = 0; k < w->n_counts; k++)
		news.samples += w->counts[k].samples;
	return watch_write(ch, w->id, i, &news, w->limits.line_bytes, w->waits);
}
