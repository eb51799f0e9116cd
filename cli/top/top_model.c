/* SPDX-License-Identifier: BSD-2-Clause */
/* What is shown. A node's samples since the reset stand in the forest itself; the last intervals
 * are kept one by one, for spans and trends, until there are too many. */
#include "cli/top/top_model_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "not enough memory for another interval");
}

struct top_model *top_model_new(void)
{
	struct top_model *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->nodes_max = TOP_NODES_MAX;
	m->text_bytes_max = TOP_TEXT_BYTES_MAX;
	m->kept_bytes_max = TOP_KEPT_BYTES_MAX;
	m->processes_max = TOP_PROCESSES_MAX;
	m->process_by_pid = map_new(sizeof(uint32_t), sizeof(uint32_t));
	m->folds = map_new(sizeof(uint64_t), sizeof(uint64_t));
	if (top_forest_init(&m->forest) < 0 || !m->process_by_pid || !m->folds) {
		top_model_free(m);
		return NULL;
	}
	return m;
}

/* ---- the ring ----------------------------------------------------------------------------------
 */

struct top_interval *top_model_recent(const struct top_model *m, size_t back)
{
	return m->recent[(m->recent_first + m->n_recent - 1 - back) % TOP_RECENT_MAX];
}

static void drop_oldest(struct top_model *m)
{
	struct top_interval *oldest = m->recent[m->recent_first];

	m->recent_first = (m->recent_first + 1) % TOP_RECENT_MAX;
	m->n_recent--;
	m->recent_bytes -= top_interval_bytes(oldest);
	if (!oldest->kept)
		top_interval_free(oldest);
}

static void push(struct top_model *m, struct top_interval *i)
{
	if (m->n_recent == TOP_RECENT_MAX)
		drop_oldest(m);
	m->recent[(m->recent_first + m->n_recent++) % TOP_RECENT_MAX] = i;
	m->recent_bytes += top_interval_bytes(i);
	while (m->n_recent > 1 && m->recent_bytes > TOP_RECENT_BYTES_MAX)
		drop_oldest(m);
}

void top_model_reset(struct top_model *m)
{
	struct profile *p = &m->forest.p;

	while (m->n_recent)
		drop_oldest(m);
	for (uint32_t i = 0; i < p->n_nodes; i++)
		p->nodes[i].self_samples = p->nodes[i].self_weight_ns = 0;
	for (uint32_t i = 0; i < m->n_processes; i++)
		m->processes[i].gil_s = -1;
	m->totals = (struct top_totals){0};
}

/* As if nothing had been shown yet. */
static void forget_shown(struct top_model *m)
{
	top_model_reset(m);
	for (uint32_t i = 0; i < m->n_processes; i++) {
		struct top_process *p = &m->processes[i];

		p->listed = p->ended = false;
		p->threads = 0;
	}
	m->has_last = false;
	m->last = (struct watch_interval){0};
	m->elapsed_before_s = 0;
	m->position = 0;
}

void top_model_free(struct top_model *m)
{
	if (!m)
		return;
	while (m->n_recent)
		drop_oldest(m);
	for (size_t i = 0; i < m->n_kept; i++)
		top_interval_free(m->kept[i]);
	free(m->kept);
	top_forest_clear(&m->forest);
	top_filter_clear(&m->filter);
	map_free(m->process_by_pid);
	map_free(m->folds);
	free(m->processes);
	free(m->texts.at);
	free(m->frames.at);
	free(m->nodes.at);
	free(m->path);
	free(m->page.rows);
	free(m->span_nodes);
	free(m);
}

/* ---- showing -----------------------------------------------------------------------------------
 */

static void show_processes(struct top_model *m, const struct top_interval *i)
{
	for (uint32_t k = 0; i->anew && k < m->n_processes; k++)
		m->processes[k].listed = false;
	for (size_t k = 0; k < i->n_told; k++) {
		const struct top_told *told = &i->told[k];
		struct top_process *p = top_model_process(m, told->pid);

		if (!p) /* forgotten since it was told */
			continue;
		p->listed = true;
		p->ended = told->ended;
		p->threads = told->threads;
		if (told->gil_s >= 0)
			p->gil_s = (p->gil_s > 0 ? p->gil_s : 0) + (double)told->gil_s;
	}
}

static double part_s(double percent, double seconds)
{
	return percent > 0 ? percent / 100 * seconds : 0;
}

static void add_totals(struct top_totals *t, const struct top_interval *i)
{
	if (t->seconds <= 0)
		t->start_unix_s = i->head.start_unix_s;
	t->seconds += top_interval_s(i);
	t->samples += i->samples;
	t->weight_ns += i->weight_ns;
	t->lost += i->head.lost;
	t->truncated += i->head.truncated;
	t->failed += i->head.failed;
	t->cpu_s += part_s(i->head.cpu_percent, top_interval_s(i));
	t->kernel_cpu_s += part_s(i->head.kernel_cpu_percent, top_interval_s(i));
}

/* The interval is in the ring afterwards. */
static int show(struct top_model *m, struct top_interval *i, struct err *err)
{
	struct stack_node *nodes = m->forest.p.nodes;

	if (i->weight_ns > UINT64_MAX / 2 - m->totals.weight_ns)
		return err_set(err, -EINVAL,
			"the weights have no room in 64 bits; reset, or look at a shorter time");
	for (size_t k = 0; k < i->n_counts; k++) {
		nodes[i->counts[k].node].self_samples += i->counts[k].samples;
		nodes[i->counts[k].node].self_weight_ns += i->counts[k].weight_ns;
	}
	show_processes(m, i);
	add_totals(&m->totals, i);
	push(m, i);
	if (m->has_last && i->head.elapsed_s < m->last.elapsed_s)
		m->elapsed_before_s += m->last.elapsed_s;
	m->last = i->head;
	m->has_last = true;
	return 0;
}

int top_model_show(struct top_model *m, struct top_interval *taken, struct err *err)
{
	int rc = show(m, taken, err);

	if (rc < 0)
		top_interval_free(taken);
	return rc;
}

int top_model_add(struct top_model *m, const struct watch_receiver *w,
	const struct watch_interval *interval, struct err *err)
{
	struct top_interval *taken;
	size_t n;
	const struct watch_process *processes = watch_receiver_processes(w, &n);
	int rc = top_model_take(m, watch_receiver_tree(w), processes, n, interval, &taken, err);

	return rc < 0 ? rc : top_model_show(m, taken, err);
}

/* ---- kept for later ----------------------------------------------------------------------------
 */

static void *append(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
	char *both = malloc(a_bytes + b_bytes + 1);

	if (both) {
		memcpy(both, a, a_bytes);
		memcpy(both + a_bytes, b, b_bytes);
	}
	return both;
}

static int compare_counts(const void *a, const void *b)
{
	const struct top_count *x = a, *y = b;

	return (x->node > y->node) - (x->node < y->node);
}

/* One count for each node, in order. */
static void join_counts(struct top_interval *i)
{
	size_t n = 0;

	qsort(i->counts, i->n_counts, sizeof(*i->counts), compare_counts);
	for (size_t k = 0; k < i->n_counts; k++) {
		struct top_count *last = n ? &i->counts[n - 1] : NULL;

		if (last && last->node == i->counts[k].node &&
			last->samples <= UINT32_MAX - i->counts[k].samples) {
			last->samples += i->counts[k].samples;
			last->weight_ns += i->counts[k].weight_ns;
		} else {
			i->counts[n++] = i->counts[k];
		}
	}
	i->n_counts = n;
}

/* What was known of either; negative: of none. */
static double mean(double a, double a_s, double b, double b_s)
{
	if (a < 0 || b < 0 || a_s + b_s <= 0)
		return a < 0 ? b : a;
	return (a * a_s + b * b_s) / (a_s + b_s);
}

/* `b` follows `a`. */
static struct top_interval *join(const struct top_interval *a, const struct top_interval *b)
{
	struct top_interval *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	*i = (struct top_interval){.head = b->head,
		.anew = a->anew || b->anew,
		.kept = true,
		.n_counts = a->n_counts + b->n_counts,
		.n_told = a->n_told + b->n_told,
		.samples = a->samples + b->samples,
		.weight_ns = a->weight_ns + b->weight_ns};
	i->counts = append(a->counts, a->n_counts * sizeof(*a->counts), b->counts,
		b->n_counts * sizeof(*b->counts));
	i->told = append(
		a->told, a->n_told * sizeof(*a->told), b->told, b->n_told * sizeof(*b->told));
	if (!i->counts || !i->told) {
		top_interval_free(i);
		return NULL;
	}
	join_counts(i);
	i->head.start_unix_s = a->head.start_unix_s;
	i->head.interval_s = top_interval_s(a) + top_interval_s(b);
	i->head.lost += a->head.lost;
	i->head.truncated += a->head.truncated;
	i->head.failed += a->head.failed;
	i->head.cpu_percent = mean(
		a->head.cpu_percent, top_interval_s(a), b->head.cpu_percent, top_interval_s(b));
	i->head.kernel_cpu_percent = mean(a->head.kernel_cpu_percent, top_interval_s(a),
		b->head.kernel_cpu_percent, top_interval_s(b));
	return i;
}

/* Makes one of every two, so that a long file needs no more memory than a short one. */
static int coarsen(struct top_model *m, struct err *err)
{
	size_t position = m->position, n = 0;

	forget_shown(m);
	m->kept_bytes = 0;
	for (size_t i = 0; i < m->n_kept; i += 2) {
		struct top_interval *one = m->kept[i];

		if (i + 1 < m->n_kept) {
			struct top_interval *both = join(m->kept[i], m->kept[i + 1]);

			if (!both) { /* the rest stays as it is: nothing is lost */
				for (; i < m->n_kept; i++) {
					m->kept_bytes += top_interval_bytes(m->kept[i]);
					m->kept[n++] = m->kept[i];
				}
				break;
			}
			top_interval_free(m->kept[i]);
			top_interval_free(m->kept[i + 1]);
			one = both;
		}
		m->kept_bytes += top_interval_bytes(one);
		m->kept[n++] = one;
	}
	m->n_kept = n;
	return top_model_seek(m, (position + 1) / 2, err);
}

int top_model_keep_taken(struct top_model *m, struct top_interval *taken, struct err *err)
{
	if (m->n_kept == m->cap_kept) {
		size_t cap = m->cap_kept ? m->cap_kept * 2 : 64;
		struct top_interval **more = realloc(m->kept, cap * sizeof(struct top_interval *));

		if (!more) {
			top_interval_free(taken);
			return no_memory(err);
		}
		m->kept = more;
		m->cap_kept = cap;
	}
	taken->kept = true;
	m->kept[m->n_kept++] = taken;
	m->kept_bytes += top_interval_bytes(taken);
	return m->kept_bytes > m->kept_bytes_max && m->n_kept > 1 ? coarsen(m, err) : 0;
}

int top_model_keep(struct top_model *m, const struct watch_receiver *w,
	const struct watch_interval *interval, struct err *err)
{
	struct top_interval *taken;
	size_t n;
	const struct watch_process *processes = watch_receiver_processes(w, &n);
	int rc = top_model_take(m, watch_receiver_tree(w), processes, n, interval, &taken, err);

	return rc < 0 ? rc : top_model_keep_taken(m, taken, err);
}

size_t top_model_kept(const struct top_model *m)
{
	return m->n_kept;
}

int top_model_seek(struct top_model *m, size_t n, struct err *err)
{
	if (n > m->n_kept)
		n = m->n_kept;
	if (n < m->position)
		forget_shown(m);
	while (m->position < n) {
		int rc = show(m, m->kept[m->position], err);

		if (rc < 0)
			return rc;
		m->position++;
	}
	return 0;
}

size_t top_model_position(const struct top_model *m)
{
	return m->position;
}

double top_model_time(const struct top_model *m)
{
	if (m->has_last)
		return m->last.start_unix_s + (m->last.interval_s > 0 ? m->last.interval_s : 0);
	return m->n_kept ? m->kept[0]->head.start_unix_s : 0;
}
