/* SPDX-License-Identifier: BSD-2-Clause */
#include "analyze/diff.h"

#include <errno.h>
#include <stdlib.h>

#include "base/intern.h"

/* Numbers of a side's strings in the joint profile: equal texts get equal numbers, whatever their
 * profile calls them. */
static int join_strings(
	struct diff_joint *j, struct intern *texts, unsigned side, uint32_t *numbers)
{
	const struct profile *p = j->sides[side];

	for (uint32_t i = 0; i < p->n_strings; i++) {
		numbers[i] = intern(texts, p->strings[i]);
		if (!numbers[i] && *p->strings[i])
			return -ENOMEM;
		if (numbers[i] == j->p.n_strings)
			j->p.strings[j->p.n_strings++] = p->strings[i];
	}
	return 0;
}

static uint32_t joint_text(const struct profile *p, const uint32_t *numbers, uint32_t number)
{
	return number < p->n_strings ? numbers[number] : 0;
}

static int join_frames(struct diff_joint *j, struct intern *texts, unsigned side)
{
	const struct profile *p = j->sides[side];
	uint32_t *numbers = calloc((size_t)p->n_strings + 1, sizeof(*numbers));
	int rc = numbers ? join_strings(j, texts, side, numbers) : -ENOMEM;

	for (uint32_t i = 0; rc == 0 && i < p->n_frames; i++) {
		const struct frame *f = &p->frames[i];

		j->p.frames[j->p.n_frames++] = (struct frame){
			.kind = f->kind,
			.name = joint_text(p, numbers, f->name),
			.file = joint_text(p, numbers, f->file),
			.line = f->line,
			.module = joint_text(p, numbers, f->module),
		};
	}
	free(numbers);
	return rc;
}

/* Before its numbers mean something else. */
static int join_nodes(struct diff_joint *j, unsigned side)
{
	const struct profile *p = j->sides[side];
	uint32_t first_frame = side == DIFF_BEFORE ? 0 : j->sides[DIFF_BEFORE]->n_frames;

	j->shift[side] = j->p.n_nodes - 1;
	j->p.nodes[0].self_samples += p->nodes[0].self_samples;
	j->p.nodes[0].self_weight_ns += p->nodes[0].self_weight_ns;
	for (uint32_t i = 1; i < p->n_nodes; i++) {
		struct stack_node node = p->nodes[i];

		if (node.parent >= i || node.frame >= p->n_frames)
			return -EINVAL;
		node.parent = diff_joint_node(j, side, node.parent);
		node.frame += first_frame;
		j->p.nodes[j->p.n_nodes++] = node;
	}
	return 0;
}

static int join_slices(struct diff_joint *j, unsigned side)
{
	const struct profile *p = j->sides[side];

	for (size_t i = 0; i < p->n_slices; i++) {
		struct profile_slice slice = p->slices[i];

		if (slice.first > p->n_counts || slice.n > p->n_counts - slice.first)
			return -EINVAL;
		slice.first += j->p.n_counts;
		j->p.slices[j->p.n_slices++] = slice;
	}
	for (size_t i = 0; i < p->n_counts; i++) {
		struct profile_count count = p->counts[i];

		if (count.node >= p->n_nodes)
			return -EINVAL;
		count.node = diff_joint_node(j, side, count.node);
		j->p.counts[j->p.n_counts++] = count;
	}
	return 0;
}

static int join(struct diff_joint *j)
{
	struct intern *texts = intern_new();
	int rc = texts ? 0 : -ENOMEM;

	j->p.strings[0] = "";
	j->p.n_strings = 1;
	j->p.n_nodes = 1;
	for (unsigned side = 0; rc == 0 && side < DIFF_SIDES; side++) {
		rc = join_frames(j, texts, side);
		if (rc == 0)
			rc = join_nodes(j, side);
		if (rc == 0)
			rc = join_slices(j, side);
	}
	intern_free(texts);
	return rc;
}

static int joint_alloc(struct diff_joint *j)
{
	const struct profile *before = j->sides[DIFF_BEFORE], *after = j->sides[DIFF_AFTER];
	uint64_t strings = (uint64_t)before->n_strings + after->n_strings + 1;
	uint64_t frames = (uint64_t)before->n_frames + after->n_frames + 1;
	uint64_t nodes = (uint64_t)before->n_nodes + after->n_nodes;

	if (!before->n_nodes || !after->n_nodes || strings > UINT32_MAX || frames > UINT32_MAX ||
		nodes > UINT32_MAX)
		return -EINVAL;
	j->p.strings = calloc(strings, sizeof(*j->p.strings));
	j->p.frames = calloc(frames, sizeof(*j->p.frames));
	j->p.nodes = calloc(nodes, sizeof(*j->p.nodes));
	j->p.slices = calloc(before->n_slices + after->n_slices + 1, sizeof(*j->p.slices));
	j->p.counts = calloc(before->n_counts + after->n_counts + 1, sizeof(*j->p.counts));
	if (!j->p.strings || !j->p.frames || !j->p.nodes || !j->p.slices || !j->p.counts)
		return -ENOMEM;
	return 0;
}

static void amount_add(struct diff_amount *to, const struct stack_node *self,
	const struct stack_node *all, bool outermost)
{
	to->self_samples += self->self_samples;
	to->self_weight_ns += self->self_weight_ns;
	if (!outermost)
		return;
	to->total_samples += all->self_samples;
	to->total_weight_ns += all->self_weight_ns;
}

/* What the rows have on each side: as the tally's own sums, which know no sides. */
static int add_up(struct diff_joint *j)
{
	struct stack_node *all = calloc(j->p.n_nodes, sizeof(*all));

	j->amounts = calloc((size_t)j->t.n_rows + 1, sizeof(*j->amounts));
	if (!all || !j->amounts) {
		free(all);
		return -ENOMEM;
	}
	for (unsigned side = 0; side < DIFF_SIDES; side++) {
		j->samples[side] = j->sides[side]->nodes[0].self_samples;
		j->weight_ns[side] = j->sides[side]->nodes[0].self_weight_ns;
	}
	for (uint32_t i = j->p.n_nodes; i-- > 1;) {
		const struct stack_node *node = &j->p.nodes[i];
		unsigned side = i > j->shift[DIFF_AFTER] ? DIFF_AFTER : DIFF_BEFORE;
		uint32_t row = j->t.nodes[i].row;

		all[i].self_samples += node->self_samples;
		all[i].self_weight_ns += node->self_weight_ns;
		if (row != NO_ROW)
			amount_add(&j->amounts[row][side], node, &all[i], j->t.nodes[i].outermost);
		j->samples[side] += node->self_samples;
		j->weight_ns[side] += node->self_weight_ns;
		all[node->parent].self_samples += all[i].self_samples;
		all[node->parent].self_weight_ns += all[i].self_weight_ns;
	}
	free(all);
	return 0;
}

int diff_joint_make(struct diff_joint *j, const struct profile *before, const struct profile *after,
	enum report_by by)
{
	int rc;

	*j = (struct diff_joint){.sides = {before, after}};
	rc = joint_alloc(j);
	if (rc == 0)
		rc = join(j);
	if (rc == 0)
		rc = tally_make(&j->t, &j->p, by);
	return rc == 0 ? add_up(j) : rc;
}

void diff_joint_clear(struct diff_joint *j)
{
	tally_clear(&j->t);
	free(j->p.strings);
	free(j->p.frames);
	free(j->p.nodes);
	free(j->p.slices);
	free(j->p.counts);
	free(j->amounts);
	*j = (struct diff_joint){0};
}
