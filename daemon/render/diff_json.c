/* SPDX-License-Identifier: BSD-2-Clause */
/* One object, on one line:
 *
 *     {"by":"function","sort":"total","verdict":"changed","why":null,"level":0.05,
 *      "detectable":0.011,"detectable_largest":0.03,"significant":1,"tested":52,
 *      "rows_all":340,
 *      "before":{"title":"web (4711)","start_unix_s":1767225600.0,"duration_s":60.0,
 *       "samples":5922,"weight_s":59.22,"lost":0,"windows":60,"blocks":60},
 *      "after":{...},
 *      "rows":[{"name":"parse","file":"/app/parse.py","line":31,"module":null,"kind":"python",
 *       "self":{"before":0.02,"after":0.03,"change":0.01,"low":-0.001,"high":0.021,"p":0.4,
 *        "significant":false,"samples_before":118,"samples_after":176},
 *       "total":{...}}]}
 *
 * Shares are 0 to 1; `low` and `high` are the 95 % interval of `change` for that row alone, `p` is
 * corrected for the number of rows; `blocks` are windows joined to be compared, `tested` are shares
 * of rows that had samples enough; `verdict` is "changed", "same" or "not enough data", and `why`
 * tells of the last what is missing. What is not known is null. */
#include "render/diff.h"

#include "render/table_json.h"

static json_t *side_value(const struct profile *p, const struct diff *d, int side)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "title",
		json_value_known(p->title ? p->title : ""), "start_unix_s",
		p->start_unix_ns ? json_value_seconds(p->start_unix_ns) : json_null(), "duration_s",
		json_value_seconds(d->duration_ns[side]), "samples",
		json_value_count(d->samples[side]), "weight_s",
		json_value_seconds(d->weight_ns[side]), "lost", json_value_count(p->quality.lost),
		"windows", json_value_count(d->slices[side]), "blocks",
		json_value_count(d->blocks[side]));
}

static json_t *change_value(const struct diff_share *s, const uint64_t *samples)
{
	bool known = diff_has_interval(s);

	return json_pack("{s:f, s:f, s:f, s:o, s:o, s:o, s:b, s:o, s:o}", "before", s->before,
		"after", s->after, "change", s->after - s->before, "low",
		known ? json_real(s->low) : json_null(), "high",
		known ? json_real(s->high) : json_null(), "p", json_value_share(s->p),
		"significant", s->significant, "samples_before", json_value_count(samples[0]),
		"samples_after", json_value_count(samples[1]));
}

static json_t *row_value(const struct diff_row *row)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "name", json_value_text(row->name),
		"file", json_value_known(row->file), "line",
		row->line ? json_value_count(row->line) : json_null(), "module",
		json_value_known(row->module), "kind", frame_kind_name(row->kind), "self",
		change_value(&row->self, row->self_samples), "total",
		change_value(&row->total, row->total_samples));
}

static json_t *rows_value(const struct diff *d)
{
	json_t *rows = json_array();

	for (size_t i = 0; rows && i < d->n_rows; i++) {
		if (json_array_append_new(rows, row_value(&d->rows[i])) == 0)
			continue;
		json_decref(rows);
		rows = NULL;
	}
	return rows;
}

int diff_render_json(const struct profile *before, const struct profile *after,
	const struct diff *d, const struct table_style *style, struct buf *out, struct err *err)
{
	json_t *value = json_pack(
		"{s:s, s:s, s:s, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "by",
		report_by_name(d->by), "sort", d->sort == REPORT_SELF ? "self" : "total", "verdict",
		diff_verdict_name(d->verdict), "why",
		d->verdict == DIFF_NOT_ENOUGH ? json_value_known(d->why) : json_null(), "level",
		DIFF_LEVEL, "detectable", json_value_share(d->detectable), "detectable_largest",
		json_value_share(d->detectable_largest), "significant",
		json_value_count(d->n_significant), "tested", json_value_count(d->n_tested),
		"rows_all", json_value_count(d->n_all), "before", side_value(before, d, 0), "after",
		side_value(after, d, 1), "rows", rows_value(d));

	(void)style;
	return json_value_write(value, d->n_rows, out, err);
}
