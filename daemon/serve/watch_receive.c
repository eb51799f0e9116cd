/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines of a watch -> its tree and the counts of each interval. Nothing that comes is believed:
 * whatever is out of order ends the watch. */
#include "serve/watch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/intern.h"
#include "base/map.h"

enum { STRING_MAX = 2048 + 3 }; /* bytes of a serve_text() with its ellipsis */

struct watch_receiver {
	struct watch_limits limits;
	bool failed, ended; /* ended: after the last interval */
	bool within;        /* further lines of this interval are to come */
	bool reset;         /* numbers began anew before this interval */

	struct intern *strings;
	uint32_t *string_of; /* [n_strings] number on the line -> number in `strings` */
	uint32_t n_strings;
	size_t text_bytes;
	struct profile tree;    /* its strings are those of `strings` */
	struct map *process_of; /* pid -> index */
	struct watch_process *processes;
	size_t n_processes;

	struct watch_count *counts;
	size_t n_counts;
	uint64_t samples, weight_ns; /* sums of the counts */
	uint32_t *counted;           /* [n_nodes] number of the interval that a node was last in */
	uint32_t interval;

	size_t cap_strings, cap_texts, cap_frames, cap_nodes, cap_processes, cap_counts,
		cap_counted;
};

/* ---- its life ----------------------------------------------------------------------------------
 */

/* Room in the array that `at` points to for one more than `n`. */
static int grow(void *at, size_t *cap, size_t n, size_t bytes)
{
	size_t wanted = *cap ? *cap * 2 : 64;
	char *fresh;

	if (n < *cap)
		return 0;
	memcpy(&fresh, at, sizeof(fresh));
	fresh = realloc(fresh, wanted * bytes);
	if (!fresh)
		return -ENOMEM;
	memcpy(at, &fresh, sizeof(fresh));
	*cap = wanted;
	return 0;
}

static void told_free(struct watch_receiver *w)
{
	intern_free(w->strings);
	map_free(w->process_of);
	w->strings = NULL;
	w->process_of = NULL;
}

/* The number of the text in the profile. 0 or -ENOMEM. */
static int text_number(struct watch_receiver *w, const char *text, uint32_t *number)
{
	*number = intern(w->strings, text);
	if (!*number && *text)
		return -ENOMEM;
	if (*number < w->tree.n_strings)
		return 0;
	if (grow(&w->tree.strings, &w->cap_texts, *number, sizeof(char *)) < 0)
		return -ENOMEM;
	w->tree.strings[w->tree.n_strings++] = (char *)intern_text(w->strings, *number);
	return 0;
}

/* Everything as both ends know it from the beginning. */
static int told_begin(struct watch_receiver *w)
{
	uint32_t number;

	told_free(w);
	w->strings = intern_new();
	w->process_of = map_new(sizeof(uint32_t), sizeof(size_t));
	w->n_strings = w->tree.n_strings = w->tree.n_frames = w->tree.n_nodes = 0;
	w->n_processes = 0;
	w->text_bytes = 0;
	if (!w->strings || !w->process_of || text_number(w, "", &number) < 0 ||
		grow(&w->string_of, &w->cap_strings, 0, sizeof(*w->string_of)) < 0 ||
		grow(&w->tree.frames, &w->cap_frames, 0, sizeof(*w->tree.frames)) < 0 ||
		grow(&w->tree.nodes, &w->cap_nodes, 0, sizeof(*w->tree.nodes)) < 0 ||
		grow(&w->counted, &w->cap_counted, 0, sizeof(*w->counted)) < 0)
		return -ENOMEM;
	w->string_of[w->n_strings++] = number;
	w->tree.frames[w->tree.n_frames++] = (struct frame){.kind = FRAME_ROOT};
	w->tree.nodes[w->tree.n_nodes++] = (struct stack_node){0};
	w->counted[0] = 0;
	return 0;
}

struct watch_receiver *watch_receiver_new_limited(const struct watch_limits *limits)
{
	struct watch_receiver *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->limits = *limits;
	if (told_begin(w) < 0) {
		watch_receiver_free(w);
		return NULL;
	}
	return w;
}

struct watch_receiver *watch_receiver_new(void)
{
	return watch_receiver_new_limited(&watch_limits_most);
}

void watch_receiver_free(struct watch_receiver *w)
{
	if (!w)
		return;
	told_free(w);
	free(w->string_of);
	free(w->tree.strings);
	free(w->tree.frames);
	free(w->tree.nodes);
	free(w->processes);
	free(w->counts);
	free(w->counted);
	free(w);
}

const struct profile *watch_receiver_tree(const struct watch_receiver *w)
{
	return &w->tree;
}

const struct watch_process *watch_receiver_processes(const struct watch_receiver *w, size_t *n)
{
	*n = w->n_processes;
	return w->processes;
}

/* ---- what a line tells -------------------------------------------------------------------------
 */

static int senseless(struct err *err, const char *what)
{
	return err_set(err, -EPROTO,
		"the daemon sent a `watch` that makes no sense (%s); use the same version of profd on "
		"both sides",
		what);
}

static int out_of_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* The `n` numbers from item `at` on, each of `least` to `most`. */
static bool numbers_take(const json_t *list, size_t at, size_t n, json_int_t least, json_int_t most,
	uint64_t *numbers)
{
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(list, at + i);
		json_int_t number = json_integer_value(item);

		if (!json_is_integer(item) || number < least || number > most)
			return false;
		numbers[i] = (uint64_t)number;
	}
	return true;
}

static int strings_take(struct watch_receiver *w, const json_t *list, struct err *err)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);
		const char *text = json_string_value(item);
		size_t length = json_string_length(item);

		if (!text || length != strlen(text) || length > STRING_MAX)
			return senseless(err, "a string is none");
		w->text_bytes += watch_text_bytes(length);
		if (w->n_strings >= w->limits.strings || w->text_bytes > w->limits.text_bytes)
			return senseless(err, "too many strings");
		if (grow(&w->string_of, &w->cap_strings, w->n_strings, sizeof(*w->string_of)) < 0 ||
			text_number(w, text, &w->string_of[w->n_strings]) < 0)
			return out_of_memory(err);
		w->n_strings++;
	}
	return 0;
}

/* The name with which a process or thread is shown. */
static int numbered_name(struct watch_receiver *w, struct frame *f)
{
	const char *name = w->tree.strings[f->name];
	char text[STRING_MAX + 16];

	snprintf(text, sizeof(text), "%s%s(%u)", name, *name ? " " : "", f->line);
	return text_number(w, text, &f->name);
}

static int frame_take(struct watch_receiver *w, const uint64_t *n, struct err *err)
{
	struct frame f = {.kind = (uint32_t)n[0], .line = (uint32_t)n[3]};
	bool numbered = n[0] == FRAME_PROCESS || n[0] == FRAME_THREAD;

	if (n[0] <= FRAME_ROOT || n[0] >= FRAME_KINDS)
		return senseless(err, "a frame of no kind");
	if (n[1] >= w->n_strings || n[2] >= w->n_strings || n[4] >= w->n_strings)
		return senseless(err, "a frame of a string that was not told");
	f.name = w->string_of[n[1]];
	f.file = w->string_of[n[2]];
	f.module = w->string_of[n[4]];
	if (!f.name && !numbered)
		return senseless(err, "a frame without a name");
	w->text_bytes += watch_frame_text_bytes(f.kind, strlen(w->tree.strings[f.name]));
	if (w->tree.n_frames >= w->limits.frames || w->text_bytes > w->limits.text_bytes)
		return senseless(err, "too many frames");
	if ((numbered && numbered_name(w, &f) < 0) ||
		grow(&w->tree.frames, &w->cap_frames, w->tree.n_frames, sizeof(f)) < 0)
		return out_of_memory(err);
	w->tree.frames[w->tree.n_frames++] = f;
	return 0;
}

static int frames_take(struct watch_receiver *w, const json_t *list, struct err *err)
{
	uint64_t n[5];
	int rc = 0;

	for (size_t i = 0; !rc && i < json_array_size(list); i += 5)
		rc = numbers_take(list, i, 5, 0, UINT32_MAX, n)
			     ? frame_take(w, n, err)
			     : senseless(err, "a frame's numbers");
	return rc;
}

static int nodes_take(struct watch_receiver *w, const json_t *list, struct err *err)
{
	struct profile *t = &w->tree;
	uint64_t n[2];

	for (size_t i = 0; i < json_array_size(list); i += 2) {
		if (!numbers_take(list, i, 2, 0, UINT32_MAX, n))
			return senseless(err, "a node's numbers");
		if (n[0] >= t->n_nodes || !n[1] || n[1] >= t->n_frames)
			return senseless(err, "a node of what was not told");
		if (t->n_nodes >= w->limits.nodes)
			return senseless(err, "too many nodes");
		if (grow(&t->nodes, &w->cap_nodes, t->n_nodes, sizeof(*t->nodes)) < 0 ||
			grow(&w->counted, &w->cap_counted, t->n_nodes, sizeof(*w->counted)) < 0)
			return out_of_memory(err);
		w->counted[t->n_nodes] = 0;
		t->nodes[t->n_nodes++] =
			(struct stack_node){.parent = (uint32_t)n[0], .frame = (uint32_t)n[1]};
	}
	return 0;
}

static int counts_take(struct watch_receiver *w, const json_t *list, struct err *err)
{
	uint64_t n[3];

	for (size_t i = 0; i < json_array_size(list); i += 3) {
		if (!numbers_take(list, i, 2, 0, UINT32_MAX, n) ||
			!numbers_take(list, i + 2, 1, 0, INT64_MAX, n + 2) || !n[1])
			return senseless(err, "a count's numbers");
		if (n[0] >= w->tree.n_nodes || w->counted[n[0]] == w->interval)
			return senseless(
				err, "a count of a node that was not told, or counted before");
		if (n[2] > INT64_MAX - w->weight_ns)
			return senseless(err, "more weight than there can be");
		if (grow(&w->counts, &w->cap_counts, w->n_counts, sizeof(*w->counts)) < 0)
			return out_of_memory(err);
		w->counted[n[0]] = w->interval;
		w->counts[w->n_counts++] = (struct watch_count){
			.node = (uint32_t)n[0], .samples = (uint32_t)n[1], .weight_ns = n[2]};
		w->samples += n[1];
		w->weight_ns += n[2];
	}
	return 0;
}

/* The process of that number, added where it is new. */
static struct watch_process *process_get(struct watch_receiver *w, uint32_t pid)
{
	size_t *at = map_get(w->process_of, &pid);

	if (at)
		return &w->processes[*at];
	if (grow(&w->processes, &w->cap_processes, w->n_processes, sizeof(*w->processes)) < 0)
		return NULL;
	at = map_put(w->process_of, &pid, NULL);
	if (!at)
		return NULL;
	*at = w->n_processes;
	return &w->processes[w->n_processes++];
}

static const char *told_text(const struct watch_receiver *w, uint64_t number)
{
	return w->tree.strings[w->string_of[number]];
}

static int processes_take(struct watch_receiver *w, const json_t *list, struct err *err)
{
	for (size_t i = 0; i < json_array_size(list); i += 8) {
		struct watch_process *p;
		uint64_t n[8];
		uint32_t pid;

		if (!numbers_take(list, i, 1, 1, INT32_MAX, n) ||
			!numbers_take(list, i + 1, 4, 0, (json_int_t)w->n_strings - 1, n + 1) ||
			!numbers_take(list, i + 5, 1, 0, UINT32_MAX, n + 5) ||
			!numbers_take(list, i + 6, 1, 0, 1, n + 6) ||
			!numbers_take(list, i + 7, 1, -1, 1000, n + 7))
			return senseless(err, "a process's numbers");
		pid = (uint32_t)n[0];
		if (w->n_processes >= w->limits.processes && !map_get(w->process_of, &pid))
			return senseless(err, "too many processes");
		p = process_get(w, pid);
		if (!p)
			return out_of_memory(err);
		*p = (struct watch_process){.pid = pid,
			.comm = told_text(w, n[1]),
			.user = told_text(w, n[2]),
			.container = told_text(w, n[3]),
			.python = told_text(w, n[4]),
			.threads = (uint32_t)n[5],
			.ended = n[6],
			.gil = (int64_t)n[7] < 0 ? -1 : (double)n[7] / 1000};
	}
	return 0;
}

/* ---- an interval -------------------------------------------------------------------------------
 */

/* -1: not known. */
static bool take_known(const json_t *object, const char *key, double *to)
{
	const json_t *value = json_object_get(object, key);

	*to = json_is_null(value) ? -1 : json_number_value(value);
	return json_is_null(value) || (json_is_number(value) && *to >= 0);
}

static bool take_whole(const json_t *object, const char *key, uint64_t most, uint64_t *to)
{
	const json_t *value = json_object_get(object, key);

	*to = (uint64_t)json_integer_value(value);
	return json_is_integer(value) && json_integer_value(value) >= 0 && *to <= most;
}

static bool take_bool(const json_t *object, const char *key, bool *to)
{
	const json_t *value = json_object_get(object, key);

	*to = json_is_true(value);
	return json_is_boolean(value);
}

static int interval_take(
	struct watch_receiver *w, const json_t *body, struct watch_interval *out, struct err *err)
{
	const json_t *i = json_object_get(body, "interval");
	uint64_t cpus;

	*out = (struct watch_interval){
		.reset = w->reset, .counts = w->counts, .n_counts = w->n_counts};
	if (!json_is_object(i) || !take_known(i, "start_unix_s", &out->start_unix_s) ||
		!take_known(i, "interval_s", &out->interval_s) ||
		!take_known(i, "elapsed_s", &out->elapsed_s) ||
		!take_known(i, "rate_hz", &out->rate_hz) ||
		!take_known(i, "cpu_percent", &out->cpu_percent) ||
		!take_known(i, "kernel_cpu_percent", &out->kernel_cpu_percent) ||
		!take_whole(i, "samples", INT64_MAX, &out->samples) ||
		!take_whole(i, "lost", INT64_MAX, &out->lost) ||
		!take_whole(i, "truncated", INT64_MAX, &out->truncated) ||
		!take_whole(i, "failed", INT64_MAX, &out->failed) ||
		!take_whole(i, "cpus", UINT32_MAX, &cpus) ||
		!take_whole(i, "rss_bytes", INT64_MAX, &out->rss_bytes) ||
		!take_bool(i, "shared", &out->shared) || !take_bool(i, "last", &out->last))
		return senseless(err, "an interval's numbers");
	if (out->samples != w->samples)
		return senseless(err, "not as many samples as there should be");
	out->cpus = (uint32_t)cpus;
	w->ended = out->last;
	return 1;
}

/* Before the first line of an interval. */
static int interval_begin(struct watch_receiver *w, bool reset)
{
	w->within = true;
	w->reset = reset;
	w->n_counts = 0;
	w->samples = w->weight_ns = 0;
	if (!++w->interval) { /* 0 is no number of an interval */
		memset(w->counted, 0, w->tree.n_nodes * sizeof(*w->counted));
		w->interval = 1;
	}
	return reset ? told_begin(w) : 0;
}

static int line_take(
	struct watch_receiver *w, const json_t *body, struct watch_interval *out, struct err *err)
{
	static const struct {
		const char *name;
		size_t numbers; /* of an item */
		int (*take)(struct watch_receiver *w, const json_t *list, struct err *err);
	} sections[] = {{"strings", 1, strings_take}, {"frames", 5, frames_take},
		{"nodes", 2, nodes_take}, {"counts", 3, counts_take},
		{"processes", 8, processes_take}};
	bool reset, more;
	int rc;

	if (!take_bool(body, "reset", &reset) || !take_bool(body, "more", &more))
		return senseless(err, "a member is missing");
	if (w->ended || (w->within && reset))
		return senseless(err, "a message out of order");
	if (!w->within && interval_begin(w, reset) < 0)
		return out_of_memory(err);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		const json_t *list = json_object_get(body, sections[i].name);

		if (!json_is_array(list) || json_array_size(list) % sections[i].numbers)
			return senseless(err, "a list is missing or incomplete");
		rc = sections[i].take(w, list, err);
		if (rc < 0)
			return rc;
	}
	w->within = more;
	return more ? 0 : interval_take(w, body, out, err);
}

int watch_receiver_take(struct watch_receiver *w, const json_t *message, struct watch_interval *out,
	struct err *err)
{
	int rc = w->failed ? senseless(err, "as one before")
			   : line_take(w, json_object_get(message, "watch"), out, err);

	w->failed = rc < 0;
	return rc;
}
