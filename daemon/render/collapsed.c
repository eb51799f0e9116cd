/* SPDX-License-Identifier: BSD-2-Clause */
/* One line per stack that was sampled itself: frames root first, joined by `;`, a blank, samples.
 * Stacks that read the same are one line. A stack stands before those that go on from it, and
 * siblings in the order of their bytes. */
#include "render/formats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "render/text.h"
#include "render/tree.h"

/* Labels of all frames, one after the other, each NUL-terminated. */
struct labels {
	struct buf text;
	size_t *at; /* [n_frames] offset into text */
};

enum { LABEL_BYTES_MAX = 1 << 30 };

static void labels_free(struct labels *l)
{
	buf_free(&l->text);
	free(l->at);
}

static int labels_make(struct labels *l, const struct profile *p, struct err *err)
{
	buf_init(&l->text, LABEL_BYTES_MAX);
	l->at = calloc((size_t)p->n_frames + 1, sizeof(*l->at));
	if (!l->at)
		return err_set(err, -ENOMEM, "not enough memory to name %u frames", p->n_frames);
	for (uint32_t i = 0; i < p->n_frames; i++) {
		l->at[i] = l->text.len;
		render_frame_label(p, &p->frames[i], &l->text);
		buf_putc(&l->text, '\0');
	}
	return text_result(&l->text, err);
}

static int compare_labels(const void *a, const void *b, void *arg)
{
	const struct labels *l = arg;

	return strcmp(l->text.data + l->at[*(const uint32_t *)a],
		l->text.data + l->at[*(const uint32_t *)b]);
}

/* `line` holds the path to the node before; `ends[d]` is where its frame at depth d ends. */
static void write_stacks(const struct tree *t, const struct ranks *r, const struct labels *l,
	size_t *ends, struct buf *line, struct buf *out)
{
	ends[0] = 0;
	if (t->nodes[0].self_samples) {
		buf_puts(out, "[no stack] ");
		buf_u64(out, t->nodes[0].self_samples);
		buf_putc(out, '\n');
	}
	for (uint32_t i = 1; i < t->n_nodes && !buf_failed(out); i++) {
		const struct tree_node *node = &t->nodes[i];

		line->len = ends[node->depth - 1];
		if (line->len)
			buf_putc(line, ';');
		buf_puts(line, l->text.data + l->at[r->frame[node->rank]]);
		ends[node->depth] = line->len;
		if (!node->self_samples)
			continue;
		buf_add(out, line->data, line->len);
		buf_putc(out, ' ');
		buf_u64(out, node->self_samples);
		buf_putc(out, '\n');
	}
}

static int write_tree(const struct tree *t, const struct ranks *r, const struct labels *l,
	struct buf *out, struct err *err)
{
	size_t *ends = calloc((size_t)t->depth + 1, sizeof(*ends));
	struct buf line;
	int rc;

	if (!ends)
		return err_set(err, -ENOMEM, "not enough memory for stacks of %u frames", t->depth);
	buf_init(&line, LABEL_BYTES_MAX);
	write_stacks(t, r, l, ends, &line, out);
	rc = text_result(&line, err);
	if (rc == 0)
		rc = text_result(out, err);
	buf_free(&line);
	free(ends);
	return rc;
}

int render_collapsed(const struct profile *p, struct buf *out, struct err *err)
{
	struct labels labels = {0};
	struct ranks ranks = {0};
	struct tree tree = {0};
	int rc;

	rc = labels_make(&labels, p, err);
	if (rc == 0)
		rc = ranks_make(&ranks, p->n_frames, compare_labels, &labels, err);
	if (rc == 0)
		rc = tree_make(&tree, p, &ranks, err);
	if (rc == 0)
		rc = write_tree(&tree, &ranks, &labels, out, err);
	tree_free(&tree);
	ranks_free(&ranks);
	labels_free(&labels);
	return rc;
}
