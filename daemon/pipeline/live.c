/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/analyze.h"
#include "base/clock.h"
#include "pipeline/gathering.h"
#include "pipeline/targets.h"

struct live {
	struct live_request request; /* with PIDs of our own namespace */
	const struct viewer *viewer;
	struct gathering *stacks;
	struct namer namer;
	struct map *visible; /* process.identity -> bool */
	uint64_t start_ns, interval_start_ns, due_ns;
	uint64_t lost_before;
	bool began; /* lost_before is known */
};

static void interval_begin(struct live *l)
{
	l->interval_start_ns = clock_now_ns();
	l->due_ns = l->interval_start_ns + (uint64_t)(l->request.interval_s * NS_PER_S);
}

struct live *live_open(const struct live_request *request, const struct viewer *viewer,
	const struct sampling *s, struct err *err)
{
	struct live *l = calloc(1, sizeof(*l));

	if (l) {
		l->request = *request;
		l->viewer = viewer;
		l->visible = map_new(sizeof(uint64_t), sizeof(bool));
		l->namer = (struct namer){.processes = s->processes,
			.python = s->python,
			.symbols = s->symbols,
			.stacker = s->stacker};
		l->stacks = gathering_new(location_name, &l->namer, err);
	}
	if (!l || !l->visible || !l->stacks) {
		live_close(l);
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	if (targets_admit(viewer, l->request.pids, l->request.n_pids, err) < 0) {
		live_close(l);
		return NULL;
	}
	interval_begin(l);
	l->start_ns = l->interval_start_ns;
	return l;
}

void live_close(struct live *l)
{
	if (!l)
		return;
	gathering_free(l->stacks);
	map_free(l->visible);
	free(l);
}

uint64_t live_id(const struct live *l)
{
	return l->request.id;
}

uint64_t live_due_ns(const struct live *l)
{
	return l->due_ns;
}

static bool is_asked_for(const struct live *l, uint32_t pid)
{
	for (size_t i = 0; i < l->request.n_pids; i++)
		if (l->request.pids[i] == pid)
			return true;
	return l->request.n_pids == 0;
}

static bool is_visible(struct live *l, const struct process *p)
{
	bool fresh, *visible = map_put(l->visible, &p->identity, &fresh);

	if (visible && fresh)
		*visible = viewer_may_see(l->viewer, p->pid);
	return visible && *visible;
}

void live_add(struct live *l, struct process *p, const struct sample *s, const struct stack *stack)
{
	if (!is_asked_for(l, p->pid) || !is_visible(l, p))
		return;
	gathering_add(l->stacks, stack->locations, stack->n, s->weight_ns);
}

void live_settle(struct live *l)
{
	gathering_settle(l->stacks);
}

static int rows_send(struct live *l, struct channel *ch, const struct profile *p, uint64_t lost)
{
	uint64_t now = clock_now_ns();
	struct top_row *rows = calloc(l->request.limit, sizeof(*rows));
	struct serve_live message = {.elapsed_s = (double)(now - l->start_ns) / NS_PER_S,
		.interval_s = (double)(now - l->interval_start_ns) / NS_PER_S,
		.samples = p->quality.samples,
		.lost = lost,
		.profile = p,
		.rows = rows};
	int rc = rows ? analyze_top(p, l->request.limit, rows, &message.n_rows) : -ENOMEM;

	if (!rc)
		rc = serve_send_live(ch, l->request.id, &message);
	free(rows);
	return rc;
}

void live_send(struct live *l, struct channel *ch, uint64_t lost)
{
	uint64_t no_room = 0;
	struct profile *p = gathering_take(l->stacks, &no_room);

	if (p)
		rows_send(l, ch, p, no_room + (l->began ? lost - l->lost_before : 0));
	profile_free(p);
	l->lost_before = lost;
	l->began = true;
	interval_begin(l);
}
