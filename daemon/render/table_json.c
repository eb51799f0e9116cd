/* SPDX-License-Identifier: BSD-2-Clause */
/* One object, on one line:
 *
 *     {"by":"function","sort":"self","samples":5922,"weight_s":59.22,"rows_all":340,"rows":[
 *      {"name":"Worker.run","file":"/app/worker.py","line":31,"module":null,"kind":"python",
 *       "self":0.41,"total":0.98,"self_error":0.012,"total_error":0.003,"self_samples":2428,
 *       "total_samples":5803,"self_s":24.28,"total_s":58.03}]}
 *
 * Shares are 0 to 1; what is not known is null; what was not UTF-8 is U+FFFD. */
#include "render/table_json.h"

#include <errno.h>

#include "render/table.h"
#include "render/text.h"

enum { TEXT_BYTES_MAX = 1 << 20 };

json_t *json_value_text(const char *s)
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

json_t *json_value_known(const char *s)
{
	return *s ? json_value_text(s) : json_null();
}

json_t *json_value_count(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

json_t *json_value_share(double share)
{
	return share >= 0 ? json_real(share) : json_null();
}

json_t *json_value_seconds(uint64_t ns)
{
	return json_real((double)ns / 1e9);
}

static json_t *row_value(const struct report_row *row)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		"name", json_value_text(row->name), "file", json_value_known(row->file), "line",
		row->line ? json_value_count(row->line) : json_null(), "module",
		json_value_known(row->module), "kind", frame_kind_name(row->kind), "self",
		json_value_share(row->self), "total", json_value_share(row->total), "self_error",
		json_value_share(row->self_error), "total_error",
		json_value_share(row->total_error), "self_samples",
		json_value_count(row->self_samples), "total_samples",
		json_value_count(row->total_samples), "self_s",
		json_value_seconds(row->self_weight_ns), "total_s",
		json_value_seconds(row->total_weight_ns));
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
		r->sort == REPORT_SELF ? "self" : "total", "samples", json_value_count(r->samples),
		"weight_s", json_value_seconds(r->weight_ns), "rows_all",
		json_value_count(r->n_all), "rows", rows);
}

static int sink(const char *text, size_t len, void *out)
{
	return buf_add(out, text, len) < 0 ? -1 : 0;
}

int json_value_write(json_t *value, size_t rows, struct buf *out, struct err *err)
{
	bool written = value && json_dump_callback(value, sink, out,
					JSON_COMPACT | JSON_REAL_PRECISION(12)) == 0;

	json_decref(value);
	if (!written && !buf_failed(out))
		return err_set(err, -ENOMEM,
			"not enough memory to write %zu rows; ask for fewer of them", rows);
	buf_putc(out, '\n');
	return text_result(out, err);
}

int table_render_json(const struct profile *p, const struct report *r,
	const struct table_style *style, struct buf *out, struct err *err)
{
	(void)p;
	(void)style;
	return json_value_write(report_value(r), r->n_rows, out, err);
}
