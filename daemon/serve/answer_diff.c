/* SPDX-License-Identifier: BSD-2-Clause */
/* The answer to a comparison. */
#include "serve/pack.h"

static json_t *pack_side(const struct serve_reported *r)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "first_unix_s",
		pack_above_zero(r->first_unix_s), "last_unix_s", pack_above_zero(r->last_unix_s),
		"covered_s", pack_number(r->covered_s), "longest_window_s",
		pack_number(r->longest_window_s), "windows", pack_count(r->windows), "samples",
		pack_count(r->samples), "lost", pack_count(r->lost));
}

static const char *verdict_name(enum diff_verdict verdict)
{
	switch (verdict) {
	case DIFF_CHANGED:
		return "changed";
	case DIFF_SAME:
		return "same";
	case DIFF_NOT_ENOUGH:
		break;
	}
	return "not enough data";
}

int serve_send_compared(struct channel *ch, uint64_t id, const struct serve_compared *c)
{
	const struct diff *d = c->diff;

	return channel_send(ch,
		json_pack("{s:o, s:{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}}",
			"id", pack_count(id), "compared", "before", pack_side(&c->before), "after",
			pack_side(&c->after), "verdict", verdict_name(d->verdict), "why",
			pack_text(d->why), "rows", pack_count(d->n_rows), "rows_all",
			pack_count(d->n_all), "significant", pack_count(d->n_significant),
			"detectable", pack_known(d->detectable), "detectable_largest",
			pack_known(d->detectable_largest), "worst", pack_number(c->worst),
			"worst_function", pack_text(c->worst_function), "notes",
			pack_texts(c->notes, c->n_notes)),
		-1, NULL);
}
