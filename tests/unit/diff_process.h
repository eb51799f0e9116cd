/* SPDX-License-Identifier: BSD-2-Clause */
/* A made-up process for the tests of comparisons: it works in bursts, each of one activity, and
 * sleeps in between. An activity is a function below main(), and calls leaves that all activities
 * share; in which proportions differs between activities and, some, between bursts. */
#ifndef PROFD_TESTS_DIFF_PROCESS_H
#define PROFD_TESTS_DIFF_PROCESS_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "tests/unit/report_rows.h"
#include "tests/web/samples.h"

enum { ACTIVITIES = 5, LEAVES = 6, STACKS = ACTIVITIES * LEAVES };
enum { LOOP_NODE = 2, FIRST_STACK = 3 + ACTIVITIES };

enum burst_kind { BURST_EXPONENTIAL, BURST_UNIFORM, BURST_HEAVY, BURST_KINDS };

struct process_model {
	enum burst_kind kind;
	double burst_s, idle_s; /* means */
	double rate_hz, slice_s;
	double slower; /* how much longer leaf 0 takes: 0.2 is a fifth */
};

struct process {
	const struct process_model *model;
	uint64_t chance;
	unsigned activity;
	double mix[LEAVES]; /* of the burst, summed up: the last is 1 */
	double left_s;      /* of the burst, or (negative) of the sleep */
};

static inline double chance_unit(uint64_t *chance)
{
	return (dice(chance, 1u << 30) + 0.5) / (1u << 30);
}

static inline double chance_exponential(uint64_t *chance, double mean)
{
	return -mean * log(chance_unit(chance));
}

/* Heavy tails: Pareto's with an exponent of 1.5, whose variance has no bound but the one set here.
 */
static inline double burst_length(struct process *p)
{
	double mean = p->model->burst_s;

	switch (p->model->kind) {
	case BURST_UNIFORM:
		return mean * (0.2 + 1.6 * chance_unit(&p->chance));
	case BURST_HEAVY:
		return fmin(mean / 3 * pow(chance_unit(&p->chance), -1 / 1.5), 40 * mean);
	default:
		return chance_exponential(&p->chance, mean);
	}
}

/* Leaf 0 has about a third of a burst, give or take a third of that. */
static inline void burst_begin(struct process *p)
{
	double sum = 0, longer;

	p->activity = chance_unit(&p->chance) < 0.4 ? 0 : dice(&p->chance, ACTIVITIES);
	for (unsigned i = 0; i < LEAVES; i++) {
		double usual = i ? 1 + (i + p->activity) % LEAVES : 8;

		sum += usual * (0.5 + chance_unit(&p->chance));
		p->mix[i] = sum;
	}
	longer = p->mix[0] * p->model->slower;
	for (unsigned i = 0; i < LEAVES; i++)
		p->mix[i] = (p->mix[i] + longer) / (sum + longer);
	p->left_s = burst_length(p) * (1 + longer / sum);
}

static inline void process_start(struct process *p, const struct process_model *m, uint64_t seed)
{
	*p = (struct process){.model = m, .chance = seed};
	for (unsigned i = 0; i < 8; i++)
		dice(&p->chance, 2);
	burst_begin(p);
	p->left_s *= chance_unit(&p->chance);
}

/* Goes on by so much time; whether it works then. */
static inline bool process_step(struct process *p, double seconds)
{
	while (seconds > 0) {
		double stretch = fmin(seconds, fabs(p->left_s));

		seconds -= stretch;
		p->left_s += p->left_s < 0 ? stretch : -stretch;
		if (p->left_s > 0 || p->left_s < 0)
			continue;
		if (stretch > 0 && p->model->idle_s > 0 && p->activity < ACTIVITIES) {
			p->left_s = -chance_exponential(&p->chance, p->model->idle_s);
			p->activity = ACTIVITIES;
		} else {
			burst_begin(p);
		}
	}
	return p->left_s > 0;
}

static inline unsigned process_stack(struct process *p)
{
	double x = chance_unit(&p->chance);
	unsigned leaf = 0;

	while (leaf < LEAVES - 1 && x > p->mix[leaf])
		leaf++;
	return p->activity * LEAVES + leaf;
}

static inline uint32_t stack_node(unsigned stack)
{
	return FIRST_STACK + stack;
}

/* main, loop, the activities, and their leaves; no samples yet. */
static inline struct profile *process_tree(void)
{
	struct builder b;
	char activity[16], leaf[16];

	builder_start(&b, "process");
	BUILDER_ADD(&b, 0, 0, {FRAME_NATIVE, "main", NULL, 0, "app"},
		{FRAME_NATIVE, "loop", NULL, 0, "app"});
	for (unsigned a = 0; a < ACTIVITIES; a++) {
		snprintf(activity, sizeof(activity), "activity%u", a);
		BUILDER_ADD(&b, 0, 0, {FRAME_NATIVE, "main", NULL, 0, "app"},
			{FRAME_NATIVE, "loop", NULL, 0, "app"},
			{FRAME_NATIVE, activity, NULL, 0, "app"});
	}
	for (unsigned stack = 0; stack < STACKS; stack++) {
		snprintf(activity, sizeof(activity), "activity%u", stack / LEAVES);
		snprintf(leaf, sizeof(leaf), "leaf%u", stack % LEAVES);
		BUILDER_ADD(&b, 0, 0, {FRAME_NATIVE, "main", NULL, 0, "app"},
			{FRAME_NATIVE, "loop", NULL, 0, "app"},
			{FRAME_NATIVE, activity, NULL, 0, "app"},
			{FRAME_NATIVE, leaf, NULL, 0, "lib"});
	}
	return builder_end(&b);
}

/* What a sampling profiler makes of that many slices. */
static inline struct profile *process_profile(
	const struct process_model *m, uint64_t seed, unsigned slices)
{
	struct profile *p = process_tree();
	struct process process;
	double period_s = 1 / m->rate_hz, at_s = 0;

	process_start(&process, m, seed);
	for (unsigned i = 0; i < slices; i++) {
		uint32_t counts[FIRST_STACK + STACKS] = {0};

		for (; at_s < m->slice_s; at_s += period_s)
			if (process_step(&process, period_s))
				counts[stack_node(process_stack(&process))]++;
		at_s -= m->slice_s;
		add_slice(p, counts, FIRST_STACK + STACKS);
		p->slices[i].duration_ns = (uint64_t)(m->slice_s * 1e9);
		for (uint32_t node = 0; node < FIRST_STACK + STACKS; node++) {
			p->nodes[node].self_samples += counts[node];
			p->nodes[node].self_weight_ns += (uint64_t)counts[node] * PERIOD_NS;
		}
	}
	return p;
}

static inline const struct diff_row *diff_find(const struct diff *d, const char *name)
{
	for (size_t i = 0; i < d->n_rows; i++)
		if (!strcmp(d->rows[i].name, name))
			return &d->rows[i];
	fail_msg("no row %s", name);
	return NULL;
}

#endif
