/* SPDX-License-Identifier: BSD-2-Clause */
/* An interval of a watch as lines. They are written by hand instead of as a tree of JSON values:
 * nearly all of it is numbers, a daemon does this each second, and where a line is full shows while
 * it is written. */
#include "serve/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/intern.h"
#include "serve/pack.h"

enum { TAIL_BYTES = 1024 }; /* for the rest of the sections and the interval's own numbers */

/* In the order in which they are written: what is told comes before who refers to it. */
enum section { NOT_BEGUN, STRINGS, FRAMES, NODES, COUNTS, PROCESSES, SECTIONS };
static const char *const section_names[SECTIONS] = {
	[STRINGS] = "strings",
	[FRAMES] = "frames",
	[NODES] = "nodes",
	[COUNTS] = "counts",
	[PROCESSES] = "processes",
};

struct writer {
	struct channel *ch;
	uint64_t id;
	size_t line_bytes;
	bool waits, reset; /* reset: the line to be begun tells so */
	struct buf line, item;
	enum section section;
	bool has_item; /* in the section */
};

/* Closes the open section and opens all up to this one. */
static void section_open(struct writer *w, enum section section)
{
	while (w->section < section) {
		if (w->section != NOT_BEGUN)
			buf_putc(&w->line, ']');
		w->section++;
		buf_printf(&w->line, ",\"%s\":[", section_names[w->section]);
		w->has_item = false;
	}
}

static void line_begin(struct writer *w)
{
	buf_reset(&w->line);
	buf_puts(&w->line, "{\"id\":");
	buf_u64(&w->line, w->id);
	buf_printf(&w->line, ",\"watch\":{\"reset\":%s", w->reset ? "true" : "false");
	w->reset = false;
	w->section = NOT_BEGUN;
}

/* `interval` is what the last line says of the whole; NULL: more lines follow. */
static int line_end(struct writer *w, const char *interval)
{
	section_open(w, PROCESSES);
	buf_printf(&w->line, "],\"more\":%s,\"interval\":%s}}", interval ? "false" : "true",
		interval ? interval : "null");
	if (buf_failed(&w->line))
		return w->line.error == -E2BIG ? -EMSGSIZE : w->line.error;
	return channel_queue_line(w->ch, w->line.data, w->line.len, w->waits);
}

/* Puts `item` into its section, of a further line where this one is full. */
static int item_add(struct writer *w, enum section section)
{
	int rc;

	if (buf_failed(&w->item))
		return w->item.error;
	section_open(w, section);
	if (w->line.len + w->item.len + TAIL_BYTES > w->line_bytes) {
		rc = line_end(w, NULL);
		if (rc < 0)
			return rc;
		line_begin(w);
		section_open(w, section);
	}
	if (w->has_item)
		buf_putc(&w->line, ',');
	w->has_item = true;
	buf_add(&w->line, w->item.data, w->item.len);
	return 0;
}

static int numbers_add(struct writer *w, enum section section, const uint64_t *numbers, size_t n)
{
	buf_reset(&w->item);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_putc(&w->item, ',');
		buf_u64(&w->item, numbers[i]);
	}
	return item_add(w, section);
}

static int dump(const char *bytes, size_t n, void *item)
{
	return buf_add(item, bytes, n) < 0 ? -1 : 0;
}

static int string_add(struct writer *w, const char *text)
{
	json_t *json = json_string_nocheck(text);
	int rc;

	buf_reset(&w->item);
	rc = json ? json_dump_callback(json, dump, &w->item, PACK_FLAGS | JSON_ENCODE_ANY) : -1;
	json_decref(json);
	return rc < 0 ? -ENOMEM : item_add(w, STRINGS);
}

static int process_add(struct writer *w, const struct watch_told_process *p)
{
	const uint64_t numbers[] = {
		p->pid, p->comm, p->user, p->container, p->python, p->threads, p->ended};

	buf_reset(&w->item);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		buf_u64(&w->item, numbers[i]);
		buf_putc(&w->item, ',');
	}
	buf_printf(&w->item, "%d", p->gil);
	return item_add(w, PROCESSES);
}

static int news_add(struct writer *w, const struct watch_news *news)
{
	uint32_t n_strings = intern_count(news->strings);
	int rc = 0;

	for (uint32_t i = news->first_string; !rc && i < n_strings; i++)
		rc = string_add(w, intern_text(news->strings, i));
	for (size_t i = 0; !rc && i < news->n_frames; i++) {
		const struct frame *f = &news->frames[i];

		rc = numbers_add(w, FRAMES,
			(const uint64_t[]){f->kind, f->name, f->file, f->line, f->module}, 5);
	}
	for (size_t i = 0; !rc && i < news->n_nodes; i++)
		rc = numbers_add(w, NODES,
			(const uint64_t[]){news->nodes[i].parent, news->nodes[i].frame}, 2);
	for (size_t i = 0; !rc && i < news->n_counts; i++) {
		const struct watch_count *c = &news->counts[i];

		rc = numbers_add(
			w, COUNTS, (const uint64_t[]){c->node, c->samples, c->weight_ns}, 3);
	}
	for (size_t i = 0; !rc && i < news->n_processes; i++)
		rc = process_add(w, &news->processes[i]);
	return rc;
}

/* The interval's own numbers as JSON; the caller's to free. NULL: out of memory. */
static char *interval_text(const struct serve_watch *i, const struct watch_news *news)
{
	json_t *json = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b}",
		"start_unix_s", pack_known(i->start_unix_s), "interval_s",
		pack_known(i->interval_s), "elapsed_s", pack_known(i->elapsed_s), "rate_hz",
		pack_known(i->rate_hz), "samples", pack_count(news->samples), "lost",
		pack_count(i->lost), "truncated", pack_count(i->truncated), "failed",
		pack_count(i->failed), "cpus", json_integer(i->cpus), "cpu_percent",
		pack_known(i->cpu_percent), "kernel_cpu_percent", pack_known(i->kernel_cpu_percent),
		"rss_bytes", pack_count(i->rss_bytes), "shared", i->shared, "last", i->last);
	char *text = json ? json_dumps(json, PACK_FLAGS) : NULL;

	json_decref(json);
	return text;
}

int watch_write(struct channel *ch, uint64_t id, const struct serve_watch *interval,
	const struct watch_news *news, size_t line_bytes, bool waits)
{
	struct writer w = {
		.ch = ch, .id = id, .line_bytes = line_bytes, .waits = waits, .reset = news->reset};
	char *text = interval_text(interval, news);
	int rc = -ENOMEM;

	buf_init(&w.line, SERVE_LINE_MAX - 1);
	buf_init(&w.item, SERVE_LINE_MAX - 1);
	if (text) {
		line_begin(&w);
		rc = news_add(&w, news);
	}
	if (!rc)
		rc = line_end(&w, text);
	free(text);
	buf_free(&w.line);
	buf_free(&w.item);
	return rc;
}
