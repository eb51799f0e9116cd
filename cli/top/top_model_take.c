/* SPDX-License-Identifier: BSD-2-Clause */
/* An interval in the receiver's numbers -> one in those of the forest.
 *
 * Most numbers mean what they meant in the interval before, so what was found then is a guess that
 * only has to be compared: texts by their bytes, frames and nodes by their numbers here. Where it
 * is wrong, or there is none, the forest is asked. So it does not matter when the receiver's
 * numbers begin anew, or whether it is still the same one. */
#include "cli/top/top_model_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "not enough memory for the stacks; reset with a shorter span");
}

static int damaged(struct err *err, const char *what, uint32_t number)
{
	return err_set(err, -EINVAL,
		"the interval is damaged: %s %u is out of range; is the daemon of another version?",
		what, number);
}

/* ---- names, frames and nodes -------------------------------------------------------------------
 */

/* Room for guesses about numbers below `n`. */
static int guesses_reserve(struct top_guesses *g, uint32_t n)
{
	struct top_guess *more;

	if (n <= g->cap)
		return 0;
	more = realloc(g->at, (size_t)n * 2 * sizeof(*more));
	if (!more)
		return -ENOMEM;
	memset(more + g->cap, 0, ((size_t)n * 2 - g->cap) * sizeof(*more));
	g->at = more;
	g->cap = n > UINT32_MAX / 2 ? UINT32_MAX : n * 2;
	return 0;
}

static int find_text(struct top_model *m, const struct profile *tree, uint32_t i, uint32_t *number,
	struct err *err)
{
	struct top_guess *guess = &m->texts.at[i];
	const struct profile *p = &m->forest.p;

	if (guess->looked != m->looks) {
		const char *text = tree->strings[i];
		bool right =
			guess->number < p->n_strings && !strcmp(p->strings[guess->number], text);

		if (!right && top_forest_text(&m->forest, text, &guess->number) < 0)
			return no_memory(err);
		guess->looked = m->looks;
	}
	*number = guess->number;
	return 0;
}

/* The frame with its texts in the forest's numbers. */
static int translate(struct top_model *m, const struct profile *tree, const struct frame *f,
	struct frame *out, struct err *err)
{
	const uint32_t texts[] = {f->name, f->file, f->module};
	uint32_t *const to[] = {&out->name, &out->file, &out->module};

	*out = (struct frame){.kind = f->kind, .line = f->line};
	for (size_t i = 0; i < 3; i++) {
		int rc;

		if (texts[i] >= tree->n_strings)
			return damaged(err, "text", texts[i]);
		rc = find_text(m, tree, texts[i], to[i], err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int find_frame(struct top_model *m, const struct profile *tree, uint32_t i, uint32_t *number,
	struct err *err)
{
	struct top_guess *guess = &m->frames.at[i];
	const struct profile *p = &m->forest.p;

	if (guess->looked != m->looks) {
		const struct frame *f = &tree->frames[i];
		struct frame content;
		int rc;

		if (f->kind == FRAME_ROOT || f->kind >= FRAME_KINDS)
			return damaged(err, "the kind of frame", i);
		rc = translate(m, tree, f, &content, err);
		if (rc < 0)
			return rc;
		if (guess->number >= p->n_frames ||
			memcmp(&p->frames[guess->number], &content, sizeof(content)) != 0)
			rc = top_forest_frame(&m->forest, &content, &guess->number);
		if (rc < 0)
			return no_memory(err);
		guess->looked = m->looks;
	}
	*number = guess->number;
	return 0;
}

/* Those above it have been looked at. */
static int find_node(struct top_model *m, const struct profile *tree, uint32_t i, struct err *err)
{
	struct top_guess *guess = &m->nodes.at[i];
	const struct stack_node *node = &tree->nodes[i], *known;
	uint32_t parent = m->nodes.at[node->parent].number, frame = 0;
	int rc;

	if (node->frame >= tree->n_frames)
		return damaged(err, "the frame of stack node", i);
	rc = find_frame(m, tree, node->frame, &frame, err);
	if (rc < 0)
		return rc;
	known = guess->number && guess->number < m->forest.p.n_nodes
			? &m->forest.p.nodes[guess->number]
			: NULL;
	if ((!known || known->parent != parent || known->frame != frame) &&
		top_forest_node(&m->forest, parent, frame, &guess->number) < 0)
		return no_memory(err);
	guess->looked = m->looks;
	return 0;
}

/* The forest's number of a node, found from the root on. */
static int find_path(struct top_model *m, const struct profile *tree, uint32_t i, struct err *err)
{
	uint32_t n = 0;

	if (i >= tree->n_nodes)
		return damaged(err, "stack node", i);
	for (uint32_t at = i; m->nodes.at[at].looked != m->looks; at = tree->nodes[at].parent) {
		if (tree->nodes[at].parent >= at)
			return damaged(err, "the parent of stack node", at);
		m->path[n++] = at;
	}
	while (n) {
		int rc = find_node(m, tree, m->path[--n], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int begin(struct top_model *m, const struct profile *tree, struct err *err)
{
	if (!tree->n_nodes)
		return damaged(err, "stack node", 0);
	if (guesses_reserve(&m->texts, tree->n_strings) < 0 ||
		guesses_reserve(&m->frames, tree->n_frames) < 0 ||
		guesses_reserve(&m->nodes, tree->n_nodes) < 0)
		return no_memory(err);
	if (m->cap_path < m->nodes.cap) {
		uint32_t *more = realloc(m->path, m->nodes.cap * sizeof(*more));

		if (!more)
			return no_memory(err);
		m->path = more;
		m->cap_path = m->nodes.cap;
	}
	if (!++m->looks) { /* all that was looked at in the first interval seems to be new again */
		memset(m->texts.at, 0, m->texts.cap * sizeof(*m->texts.at));
		memset(m->frames.at, 0, m->frames.cap * sizeof(*m->frames.at));
		memset(m->nodes.at, 0, m->nodes.cap * sizeof(*m->nodes.at));
		m->looks = 1;
	}
	m->nodes.at[0] = (struct top_guess){.number = 0, .looked = m->looks};
	return 0;
}

static int take_counts(struct top_model *m, const struct profile *tree,
	const struct watch_interval *in, struct top_interval *out, struct err *err)
{
	out->counts = calloc(in->n_counts + 1, sizeof(*out->counts));
	if (!out->counts)
		return no_memory(err);
	for (size_t i = 0; i < in->n_counts; i++) {
		const struct watch_count *c = &in->counts[i];
		int rc = find_path(m, tree, c->node, err);

		if (rc < 0)
			return rc;
		if (c->weight_ns > UINT64_MAX / 4 - out->weight_ns)
			return damaged(err, "the weight of stack node", c->node);
		out->counts[out->n_counts++] =
			(struct top_count){m->nodes.at[c->node].number, c->samples, c->weight_ns};
		out->samples += c->samples;
		out->weight_ns += c->weight_ns;
	}
	return 0;
}

/* ---- processes ---------------------------------------------------------------------------------
 */

struct top_process *top_model_process(const struct top_model *m, uint32_t pid)
{
	const uint32_t *at = map_get(m->process_by_pid, &pid);

	return at ? &m->processes[*at] : NULL;
}

/* Forgets those that have ended, when there are too many of them. */
static int forget_ended(struct top_model *m)
{
	struct map *by_pid = map_new(sizeof(uint32_t), sizeof(uint32_t));
	uint32_t n = 0;

	for (uint32_t i = 0; by_pid && i < m->n_processes; i++) {
		struct top_process p = m->processes[i];
		uint32_t *at = p.told_ended ? NULL : map_put(by_pid, &p.pid, NULL);

		if (!p.told_ended && !at) {
			map_free(by_pid);
			return -ENOMEM;
		}
		if (at)
			*at = n++;
	}
	if (!by_pid)
		return -ENOMEM;
	n = 0;
	for (uint32_t i = 0; i < m->n_processes; i++)
		if (!m->processes[i].told_ended)
			m->processes[n++] = m->processes[i];
	m->n_forgotten += m->n_processes - n;
	m->n_processes = n;
	map_free(m->process_by_pid);
	m->process_by_pid = by_pid;
	return 0;
}

/* The entry of a PID, added where it is new. NULL: it gets none (`*full`), or no memory. */
static struct top_process *process_put(struct top_model *m, uint32_t pid, bool ended, bool *full)
{
	struct top_process *known = top_model_process(m, pid);
	uint32_t *at;

	*full = false;
	if (known)
		return known;
	if (m->n_processes >= m->processes_max && !ended && forget_ended(m) < 0)
		return NULL;
	/* Who has ended may be one that was forgotten, and is counted */
	*full = m->n_processes >= m->processes_max || (ended && m->n_forgotten);
	if (*full)
		return NULL;
	if (m->n_processes == m->cap_processes) {
		uint32_t cap = m->cap_processes ? m->cap_processes * 2 : 16;
		struct top_process *more = realloc(m->processes, cap * sizeof(*more));

		if (!more)
			return NULL;
		m->processes = more;
		m->cap_processes = cap;
	}
	at = map_put(m->process_by_pid, &pid, NULL);
	if (!at)
		return NULL;
	*at = m->n_processes++;
	m->processes[*at] = (struct top_process){.pid = pid, .gil_s = -1};
	return &m->processes[*at];
}

static int take_processes(struct top_model *m, const struct watch_process *processes, size_t n,
	const struct watch_interval *in, struct top_interval *out, struct err *err)
{
	out->told = calloc(n + 1, sizeof(*out->told));
	if (!out->told)
		return no_memory(err);
	for (uint32_t i = 0; out->anew && i < m->n_processes; i++)
		m->processes[i].is_told = false;
	for (size_t i = 0; i < n; i++) {
		const struct watch_process *w = &processes[i];
		bool has_gil = w->gil >= 0 && !w->ended, full = !w->pid;
		struct top_process *p = full ? NULL : process_put(m, w->pid, w->ended, &full);

		if (!p && !full)
			return no_memory(err);
		if (!p || (!has_gil && p->is_told && p->told_ended == w->ended &&
				  p->told_threads == w->threads))
			continue;
		p->is_told = true;
		p->told_ended = w->ended;
		p->told_threads = w->threads;
		out->told[out->n_told++] = (struct top_told){w->pid, w->threads,
			has_gil ? (float)(w->gil * in->interval_s) : -1, w->ended};
	}
	return 0;
}

/* ---- intervals ---------------------------------------------------------------------------------
 */

void top_interval_free(struct top_interval *i)
{
	if (!i)
		return;
	free(i->counts);
	free(i->told);
	free(i);
}

size_t top_interval_bytes(const struct top_interval *i)
{
	return sizeof(*i) + i->n_counts * sizeof(*i->counts) + i->n_told * sizeof(*i->told);
}

double top_interval_s(const struct top_interval *i)
{
	return i->head.interval_s > 0 ? i->head.interval_s : 0;
}

/* Most processes have nothing to tell. */
static void shrink(struct top_interval *i)
{
	struct top_told *less = realloc(i->told, (i->n_told + 1) * sizeof(*less));

	if (less)
		i->told = less;
}

static bool is_too_much(const struct top_model *m)
{
	return m->forest.p.n_nodes > m->nodes_max || m->forest.text_bytes > m->text_bytes_max;
}

int top_model_take(struct top_model *m, const struct profile *tree,
	const struct watch_process *processes, size_t n_processes,
	const struct watch_interval *interval, struct top_interval **taken, struct err *err)
{
	struct top_interval *i = calloc(1, sizeof(*i));
	int rc;

	*taken = NULL;
	if (!i)
		return no_memory(err);
	i->head = *interval;
	i->head.counts = NULL;
	i->anew = interval->elapsed_s < m->taken_elapsed_s;
	rc = begin(m, tree, err);
	if (rc == 0)
		rc = take_counts(m, tree, interval, i, err);
	if (rc == 0)
		rc = take_processes(m, processes, n_processes, interval, i, err);
	if (rc == 0 && is_too_much(m) && top_model_prune(m, i) < 0)
		rc = no_memory(err);
	if (rc < 0) {
		top_interval_free(i);
		return rc;
	}
	shrink(i);
	m->taken_elapsed_s = interval->elapsed_s;
	*taken = i;
	return 0;
}
