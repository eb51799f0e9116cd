/* SPDX-License-Identifier: BSD-2-Clause */
#include "serve/member.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 255 }; /* bytes of a text in a list */
#define INTERVAL_MIN_S 0.1
#define INTERVAL_MAX_S 60.0

static void *field(void *request, size_t at)
{
	return (char *)request + at;
}

/* A NUL within would make two readers see two different texts. */
static const char *whole_string(const json_t *value)
{
	const char *s = json_string_value(value);

	return s && strlen(s) == json_string_length(value) ? s : NULL;
}

int member_bool(const json_t *value, const struct member *m, void *request, struct err *err)
{
	bool *to = field(request, m->at);

	if (!json_is_boolean(value))
		return err_set(err, -EINVAL, "`%s` is neither true nor false", m->name);
	*to = json_is_true(value);
	return 0;
}

int member_count(const json_t *value, const struct member *m, void *request, struct err *err)
{
	uint32_t *to = field(request, m->at);
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < m->least || n > m->most)
		return err_set(err, -EINVAL, "`%s` is not a whole number from %u to %u", m->name,
			m->least, m->most);
	*to = (uint32_t)n;
	return 0;
}

int member_text(const json_t *value, const struct member *m, void *request, struct err *err)
{
	const char *s = whole_string(value);

	if (!s || strlen(s) >= m->bytes)
		return err_set(err, -EINVAL, "`%s` is not a string of at most %zu bytes", m->name,
			m->bytes - 1);
	memcpy(field(request, m->at), s, strlen(s) + 1);
	return 0;
}

int member_choice(const json_t *value, const struct member *m, void *request, struct err *err)
{
	const char *s = whole_string(value);

	for (const char *const *choice = m->choices; s && *choice; choice++)
		if (!strcmp(s, *choice))
			return member_text(value, m, request, err);
	return err_set(err, -EINVAL, "`%s` cannot be `%.40s`: there is no such choice", m->name,
		s ? s : "what it is");
}

int member_interval(const json_t *value, const struct member *m, void *request, struct err *err)
{
	double s = json_number_value(value), *to = field(request, m->at);

	if (!json_is_number(value) || !isfinite(s) || s < INTERVAL_MIN_S || s > INTERVAL_MAX_S)
		return err_set(err, -EINVAL, "`%s` is not a number of seconds from %.1f to %.0f",
			m->name, INTERVAL_MIN_S, INTERVAL_MAX_S);
	*to = s;
	return 0;
}

int member_pids(const json_t *value, const struct member *m, void *request, struct err *err)
{
	uint32_t *pids = field(request, m->at);
	size_t *n_pids = field(request, m->count_at), n = json_array_size(value);

	if (!json_is_array(value) || n < m->least || n > m->most)
		return err_set(err, -EINVAL, "`%s` is not a list of %u to %u process IDs", m->name,
			m->least, m->most);
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(value, i);
		json_int_t pid = json_integer_value(item);

		if (!json_is_integer(item) || pid < 1 || pid > INT32_MAX)
			return err_set(err, -EINVAL, "`%s` holds something that is no process ID",
				m->name);
		for (size_t j = 0; j < *n_pids; j++)
			if (pids[j] == (uint32_t)pid)
				return err_set(err, -EINVAL, "`%s` names process %u twice", m->name,
					(unsigned)pid);
		pids[(*n_pids)++] = (uint32_t)pid;
	}
	return 0;
}

int member_texts(const json_t *value, const struct member *m, void *request, struct err *err)
{
	char ***texts = field(request, m->at);
	size_t *n_texts = field(request, m->count_at), n = json_array_size(value);

	if (!json_is_array(value) || n < m->least || n > m->most)
		return err_set(err, -EINVAL, "`%s` is not a list of %u to %u texts", m->name,
			m->least, m->most);
	*texts = calloc(n + 1, sizeof(**texts));
	if (!*texts)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const char *s = whole_string(json_array_get(value, i));

		if (!s || !*s || strlen(s) > TEXT_MAX)
			return err_set(err, -EINVAL,
				"`%s` holds something that is no text of 1 to %d bytes", m->name,
				TEXT_MAX);
		(*texts)[i] = strdup(s);
		if (!(*texts)[i])
			return err_set(err, -ENOMEM, "out of memory");
		*n_texts = i + 1;
	}
	return 0;
}

static bool is_known(const char *key, const struct members *tables, size_t n_tables)
{
	for (size_t i = 0; i < n_tables; i++)
		for (size_t j = 0; j < tables[i].n; j++)
			if (!strcmp(key, tables[i].table[j].name))
				return true;
	return false;
}

/* Every member of the tables is there by now, so one more than that is one too many. */
static int refuse_unknown(const json_t *body, const char *name, const struct members *tables,
	size_t n_tables, struct err *err)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)body, key, value)
	{
		if (!is_known(key, tables, n_tables))
			return err_set(
				err, -EINVAL, "`%s` has an unknown member `%.40s`", name, key);
	}
	return 0;
}

int members_decode_body(const json_t *body, const char *name, const struct members *tables,
	size_t n_tables, void *request, struct err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < n_tables; i++)
		for (size_t j = 0; j < tables[i].n; j++, n++) {
			const struct member *m = &tables[i].table[j];
			const json_t *value = json_object_get(body, m->name);
			int rc = value ? m->decode(value, m, field(request, tables[i].at), err)
				       : err_set(err, -EINVAL, "`%s` lacks its member `%s`", name,
						 m->name);

			if (rc < 0)
				return rc;
		}
	return json_object_size(body) == n ? 0 : refuse_unknown(body, name, tables, n_tables, err);
}

int members_decode(const json_t *message, const char *kind, const struct members *tables,
	size_t n_tables, void *request, uint64_t *id, struct err *err)
{
	const json_t *number = json_object_get(message, "id");
	const json_t *body = json_object_get(message, kind);

	if (!json_is_object(body) || !number || json_object_size(message) != 2)
		return err_set(err, -EINVAL,
			"a `%s` message holds `id` and the object `%s`, and nothing else", kind,
			kind);
	if (!json_is_integer(number) || json_integer_value(number) < 1)
		return err_set(err, -EINVAL, "`id` is not a whole number above 0");
	*id = (uint64_t)json_integer_value(number);
	return members_decode_body(body, kind, tables, n_tables, request, err);
}

json_t *member_encode_pids(const uint32_t *pids, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < n; i++)
		if (json_array_append_new(list, json_integer(pids[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

json_t *member_encode_texts(char *const *texts, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < n; i++)
		if (json_array_append_new(list, serve_text(texts[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

void member_texts_clear(char ***texts, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		free((*texts)[i]);
	free(*texts);
	*texts = NULL;
	*n = 0;
}
