/* SPDX-License-Identifier: BSD-2-Clause */
#include "serve/selection.h"

#include <errno.h>
#include <math.h>
#include <string.h>

const char *const selection_sorts[] = {"self", "total", NULL};

/* Seconds of the day 9999-12-31: what is above that cannot be meant, and would not fit ns. */
#define TIME_MAX_S 253402300799.0

static int decode_time(const json_t *value, const struct member *m, void *request, struct err *err)
{
	double s = json_number_value(value);

	if (json_is_null(value))
		return 0;
	if (!json_is_number(value) || !isfinite(s) || s <= 0 || s > TIME_MAX_S)
		return err_set(err, -EINVAL,
			"`%s` is neither null nor a time in seconds since 1970 (above 0)", m->name);
	memcpy((char *)request + m->at, &s, sizeof(s));
	return 0;
}

int selection_store(const json_t *value, const struct member *m, void *request, struct err *err)
{
	const char *path = (char *)request + m->at;
	int rc = member_text(value, m, request, err);

	if (rc < 0 || !*path || *path == '/')
		return rc;
	return err_set(err, -EINVAL, "`%s` is not an absolute path", m->name);
}

#define FIELD(field) MEMBER_FIELD(struct report_selection, field)
#define TEXTS(list)                                                                                \
	FIELD(list), .decode = member_texts,                                                       \
		     .count_at = offsetof(struct report_selection, n_##list),                      \
		     .most = SERVE_TEXTS_MAX
const struct member selection_members[SELECTION_MEMBERS] = {
	{FIELD(since_unix_s), .decode = decode_time},
	{FIELD(until_unix_s), .decode = decode_time},
	{FIELD(pids), .decode = member_pids, .count_at = offsetof(struct report_selection, n_pids),
		.most = SERVE_PIDS_MAX},
	{TEXTS(comms)},
	{TEXTS(containers)},
	{TEXTS(users)},
	{TEXTS(threads)},
	{FIELD(store), .decode = selection_store},
};

int selection_check(const struct report_selection *s, struct err *err)
{
	if (!(s->until_unix_s > 0) || s->until_unix_s > s->since_unix_s)
		return 0;
	return err_set(err, -EINVAL, "`until_unix_s` is not after `since_unix_s`");
}

json_t *selection_encode(const struct report_selection *s)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "since_unix_s",
		s->since_unix_s > 0 ? json_real(s->since_unix_s) : json_null(), "until_unix_s",
		s->until_unix_s > 0 ? json_real(s->until_unix_s) : json_null(), "pids",
		member_encode_pids(s->pids, s->n_pids), "comms",
		member_encode_texts(s->comms, s->n_comms), "containers",
		member_encode_texts(s->containers, s->n_containers), "users",
		member_encode_texts(s->users, s->n_users), "threads",
		member_encode_texts(s->threads, s->n_threads), "store", json_string(s->store));
}

int selection_check_path(const char *store, struct err *err)
{
	json_t *path = json_string(store);

	if (!path)
		return err_set(err, -EILSEQ,
			"the path of the store is not UTF-8; name it by a path that is, for example a symbolic link");
	json_decref(path);
	return 0;
}

void report_selection_clear(struct report_selection *s)
{
	member_texts_clear(&s->comms, &s->n_comms);
	member_texts_clear(&s->containers, &s->n_containers);
	member_texts_clear(&s->users, &s->n_users);
	member_texts_clear(&s->threads, &s->n_threads);
}
