/* SPDX-License-Identifier: BSD-2-Clause */
/* A page as one JSON object:
 *
 *     {"view":"functions","span_s":10.0,"samples":990,"rate_hz":99.0,"lost":0,"truncated":0,
 *      "failed":0,"busy_cpus":1.0,"cpus":2,"processes":1,"threads":4,"ended":0,"gil":0.98,
 *      "profiler":{"cpu_percent":0.2,"kernel_cpu_percent":0.1,"rss_bytes":41943040},"rows_all":340,
 *      "rows":[{"function":"Worker.run","file":"/app/worker.py","line":31,"module":null,
 *       "kind":"python","process":"python3 (4711)","more_processes":0,"ended":false,"self":0.41,
 *       "total":0.98,"self_samples":406,"total_samples":970,"trend":[0.4,0.42]}]}
 *
 * `function` is `name` in the views of processes, threads and the tree; rows of processes and
 * threads have `pid`, those of threads `tid`, those of the tree `depth`, `has_children` and
 * `unfolded`, and those of callers `role`. Shares are 0 to 1; what is not known is null; what was
 * not UTF-8 is U+FFFD. */
#include "cli/top/top_model.h"

static json_t *known_text(const char *s)
{
	return *s ? serve_text(s) : json_null();
}

static json_t *count(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

static json_t *known_count(uint64_t n)
{
	return n ? count(n) : json_null();
}

static json_t *known_real(double value)
{
	return value >= 0 ? json_real(value) : json_null();
}

/* Takes `value` over. */
static bool put(json_t *object, const char *name, json_t *value)
{
	return json_object_set_new(object, name, value) == 0;
}

static bool put_trend(json_t *row, const struct top_item *item)
{
	json_t *trend = json_array();

	for (unsigned i = 0; trend && i < item->n_trend; i++)
		if (json_array_append_new(trend, json_real((double)item->trend[i])) < 0) {
			json_decref(trend);
			return false;
		}
	return put(row, "trend", trend);
}

/* What only this view has. */
static bool put_special(json_t *row, const struct top_item *item, enum top_view view)
{
	static const char *const roles[] = {
		[TOP_ROLE_NONE] = NULL,
		[TOP_ROLE_CALLER] = "caller",
		[TOP_ROLE_SELF] = "self",
		[TOP_ROLE_CALLEE] = "callee",
	};
	bool ok = true;

	if (view == TOP_TREE)
		ok = put(row, "depth", count(item->depth)) &&
		     put(row, "has_children", json_boolean(item->has_children)) &&
		     put(row, "unfolded", json_boolean(item->unfolded));
	if (view == TOP_PROCESSES || view == TOP_THREADS)
		ok = put(row, "pid", known_count(item->pid));
	if (ok && view == TOP_THREADS)
		ok = put(row, "tid", known_count(item->tid));
	if (ok && view == TOP_CALLERS && roles[item->role])
		ok = put(row, "role", json_string(roles[item->role]));
	return ok;
}

static json_t *row_value(const struct top_item *item, enum top_view view)
{
	bool is_function = view == TOP_FUNCTIONS || view == TOP_LINES || view == TOP_CALLERS;
	json_t *row = json_object();

	if (row && put(row, is_function ? "function" : "name", serve_text(item->name)) &&
		put(row, "file", known_text(item->file)) &&
		put(row, "line", known_count(item->line)) &&
		put(row, "module", known_text(item->module)) &&
		put(row, "kind", json_string(frame_kind_name(item->kind))) &&
		put(row, "process", known_text(item->process)) &&
		put(row, "more_processes", count(item->more_processes)) &&
		put(row, "ended", json_boolean(item->ended)) &&
		put(row, "self", json_real(item->self)) &&
		put(row, "total", json_real(item->total)) &&
		put(row, "self_samples", count(item->self_samples)) &&
		put(row, "total_samples", count(item->total_samples)) && put_trend(row, item) &&
		put_special(row, item, view))
		return row;
	json_decref(row);
	return NULL;
}

static json_t *rows_value(const struct top_page *page, enum top_view view)
{
	json_t *rows = json_array();

	for (size_t i = 0; rows && i < page->n_rows; i++)
		if (json_array_append_new(rows, row_value(&page->rows[i], view)) < 0) {
			json_decref(rows);
			return NULL;
		}
	return rows;
}

static json_t *profiler_value(const struct top_page *page)
{
	json_t *object = json_object();

	if (object && put(object, "cpu_percent", known_real(page->cpu_percent)) &&
		put(object, "kernel_cpu_percent", known_real(page->kernel_cpu_percent)) &&
		put(object, "rss_bytes", known_count(page->rss_bytes)))
		return object;
	json_decref(object);
	return NULL;
}

json_t *top_page_json(const struct top_page *page, const struct top_query *q)
{
	json_t *object = json_object();

	if (object && put(object, "view", json_string(top_view_name(q->view))) &&
		put(object, "span_s", known_real(page->span_s)) &&
		put(object, "samples", count(page->samples)) &&
		put(object, "rate_hz", known_real(page->rate_hz)) &&
		put(object, "lost", count(page->lost)) &&
		put(object, "truncated", count(page->truncated)) &&
		put(object, "failed", count(page->failed)) &&
		put(object, "busy_cpus", known_real(page->busy_cpus)) &&
		put(object, "cpus", known_count(page->cpus)) &&
		put(object, "processes", count(page->processes)) &&
		put(object, "threads", count(page->threads)) &&
		put(object, "ended", count(page->ended)) &&
		put(object, "gil", known_real(page->gil)) &&
		put(object, "profiler", profiler_value(page)) &&
		put(object, "rows_all", count(page->n_all)) &&
		put(object, "rows", rows_value(page, q->view)))
		return object;
	json_decref(object);
	return NULL;
}
