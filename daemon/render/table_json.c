/* SPDX-License-Identifier: BSD-2-Clause */
/* One object, on one line:
 *
 *     {"by":"function","sort":"self","samples":5922,"weight_s":59.22,"rows_all":340,"rows":[
 *      {"name":"Worker.run","file":"/app/worker.py","line":31,"module":null,"kind":"python",
 *       "self":0.41,"total":0.98,"self_error":0.012,"total_error":0.003,"self_samples":2428,
 *       "total_samples":5803,"self_s":24.28,"total_s":58.03}]}
 *
 * Shares are 0 to 1; what is not known is null; what was not UTF-8 is U+FFFD. */
#include "render/table.h"

#include <errno.h>
#include <jansson.h>

#include "render/text.h"

enum { TEXT_BYTES_MAX = 1 << 20 };

/* A new reference, or NULL: out of memory. */
static json_t *text_value(const char *s)
{
	struct buf clean;
	json_t *value = NULL;

	buf_init(&clean, TEXT_BYTES_MAX);
	while (*s && clean.len < TEXT_BYTES_MAX - 8)
		text_put(&clean, text_next(&s));
	if (!buf_failed(&clean))
		value = json_stringn_nocheck(clean.data ? clean.data : "", clean.len);
	buf_free(&clean);
	return value;
}

static json_t *known_text(const char *s)
{
	return *s ? text_value(s) : json_null();
}

static json_t *count_value(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

static json_t *share_value(double share)
{
	return share >= 0 ? json_real(share) : json_null();
}

static json_t *seconds_value(uint64_t ns)
{
	return json_real((double)ns / 1e9);
}

static json_t *row_value(const struct report_row *row)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		"name", text_value(row->name), "file", known_text(row->file), "line",
		row->line ? count_value(row->line) : json_null(), "module", known_text(row->module),
		"kind", frame_kind_name(row->kind), "self", share_value(row->self), "total",
		share_value(row->total), "self_error", share_value(row->self_error), "total_error",
		share_value(row->total_error), "self_samples", count_value(row->self_samples),
		"total_samples", count_value(row->total_samples), "self_s",
		seconds_value(row->self_weight_ns), "total_s", seconds_value(row->total_weight_ns));
}

static json_t *report_value(const struct report *r)
{
	json_t *rows = json_array();

	for (size_t i = 0; rows && i < r->n_rows; i++) {
		if (json_array_append_new(rows, row_value(&r->rows[i])) == 0)
			continue;
		json_decref(rows);
		rows = NULL;
	}
	if (!rows)
		return NULL;
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "by", report_by_name(r->by), "sort",
		r->sort == REPORT_SELF ? "self" : "total", "samples", count_value(r->samples),
		"weight_s", seconds_value(r->weight_ns), "rows_all", count_value(r->n_all), "rows",
		rows);
}

static int sink(const char *text, size_t len, void *out)
{
	return buf_add(out, text, len) < 0 ? -1 : 0;
}

int table_render_json(const struct profile *p, const struct report *r,
	const struct table_style *style, struct buf *out, struct err *err)
{
	json_t *value = report_value(r);

	(void)p;
	(void)style;
	if (!value)
		return err_set(err, -ENOMEM,
			"not enough memory to write %zu rows; ask for fewer of them", r->n_rows);
	if (json_dump_callback(value, sink, out, JSON_COMPACT | JSON_REAL_PRECISION(12)) < 0 &&
		!buf_failed(out)) {
		json_decref(value);
		return err_set(err, -ENOMEM,
			"not enough memory to write %zu rows; ask for fewer of them", r->n_rows);
	}
	json_decref(value);
	buf_putc(out, '\n');
	return text_result(out, err);
}
