/* SPDX-License-Identifier: BSD-2-Clause */
#include "serve/pack.h"

#include <errno.h>
#include <math.h>

json_t *pack_number(double value)
{
	return json_real(isfinite(value) ? value : 0);
}

json_t *pack_known(double value)
{
	return isfinite(value) && value >= 0 ? json_real(value) : json_null();
}

json_t *pack_above_zero(double value)
{
	return isfinite(value) && value > 0 ? json_real(value) : json_null();
}

json_t *pack_count(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

json_t *pack_text(const char *hostile)
{
	return hostile && *hostile ? serve_text(hostile) : json_null();
}

int pack_append(json_t *list, json_t *item, size_t *left_bytes)
{
	size_t bytes =
		item ? json_dumpb(item, NULL, 0, PACK_FLAGS | JSON_ENCODE_ANY) + 1 : 0; /* comma */

	if (bytes > *left_bytes) {
		json_decref(item);
		return 0;
	}
	*left_bytes -= bytes;
	return json_array_append_new(list, item) < 0 ? -ENOMEM : 1;
}

/* What is left of a list that was being filled: `rc` as of the last pack_append(). */
static json_t *list_or_null(json_t *list, int rc)
{
	if (rc >= 0)
		return list;
	json_decref(list);
	return NULL;
}

json_t *pack_texts(const char *const *texts, size_t n)
{
	json_t *list = json_array();
	size_t left = PACK_NOTES_BYTES;
	int rc = 1;

	for (size_t i = 0; rc == 1 && i < n; i++)
		rc = pack_append(list, serve_text(texts[i]), &left);
	return list_or_null(list, rc);
}

static json_t *pack_row(const struct profile *p, const struct top_row *row)
{
	const struct frame *f = &p->frames[row->frame];

	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "function",
		serve_text(p->strings[f->name]), "file", pack_text(p->strings[f->file]), "line",
		f->line ? json_integer(f->line) : json_null(), "module",
		pack_text(p->strings[f->module]), "kind", frame_kind_name((enum frame_kind)f->kind),
		"self", pack_number(row->self), "total", pack_number(row->total));
}

json_t *pack_rows(const struct profile *p, const struct top_row *rows, size_t n)
{
	json_t *list = json_array();
	size_t left = PACK_LIST_BYTES;
	int rc = 1;

	for (size_t i = 0; rc == 1 && i < n; i++)
		rc = pack_append(list, pack_row(p, &rows[i]), &left);
	return list_or_null(list, rc);
}

static void add_failure(void *arg, const char *cause, uint64_t n)
{
	json_object_set_new(arg, cause, pack_count(n));
}

json_t *pack_failures(const struct profile_quality *q)
{
	json_t *failed = json_object();

	if (failed)
		profile_failures(q, add_failure, failed);
	return failed;
}
