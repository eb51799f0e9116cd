/* SPDX-License-Identifier: BSD-2-Clause */
/* The answers to people who look: live, reported, doctor. */
#include <errno.h>

#include "serve/pack.h"

int serve_send_live(struct channel *ch, uint64_t id, const struct serve_live *l)
{
	return channel_offer(ch,
		json_pack("{s:o, s:{s:o, s:o, s:o, s:o, s:o}}", "id", pack_count(id), "live",
			"elapsed_s", pack_number(l->elapsed_s), "interval_s",
			pack_number(l->interval_s), "samples", pack_count(l->samples), "lost",
			pack_count(l->lost), "top", pack_rows(l->profile, l->rows, l->n_rows)),
		NULL);
}

int serve_send_reported(struct channel *ch, uint64_t id, const struct serve_reported *r)
{
	return channel_send(ch,
		json_pack("{s:o, s:{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}}", "id",
			pack_count(id), "reported", "first_unix_s",
			pack_above_zero(r->first_unix_s), "last_unix_s",
			pack_above_zero(r->last_unix_s), "covered_s", pack_number(r->covered_s),
			"longest_window_s", pack_number(r->longest_window_s), "windows",
			pack_count(r->windows), "samples", pack_count(r->samples), "lost",
			pack_count(r->lost), "rows", pack_count(r->rows), "rows_all",
			pack_count(r->rows_all), "notes", pack_texts(r->notes, r->n_notes)),
		-1, NULL);
}

static json_t *pack_check(const struct serve_check *c)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "name", serve_text(c->name), "result",
		serve_text(c->result), "found", pack_text(c->found), "fix", pack_text(c->fix));
}

int serve_send_doctor(struct channel *ch, uint64_t id, const struct serve_check *list, size_t n)
{
	json_t *checks = json_array();

	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(checks, pack_check(&list[i])) < 0) {
			json_decref(checks);
			return -ENOMEM;
		}
	return channel_send(ch,
		json_pack("{s:o, s:{s:o}}", "id", pack_count(id), "doctor", "checks", checks), -1,
		NULL);
}
