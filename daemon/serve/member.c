/* SPDX-License-Identifier: BSD-2-Clause */
#include "serve/member.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 255 }; /* bytes of a text in a list */

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

/* Every member of the table is there by now, so one more than that is one too many. */
static int refuse_unknown(
	const json_t *body, const char *kind, const struct member *table, size_t n, struct err *err)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)body, key, value)
	{
		size_t i = 0;

		while (i < n && strcmp(key, table[i].name) != 0)
			i++;
		if (i == n)
			return err_set(
				err, -EINVAL, "`%s` has an unknown member `%.40s`", kind, key);
	}
	return 0;
}

int members_decode(const json_t *message, const char *kind, const struct member *table, size_t n,
	void *request, uint64_t *id, struct err *err)
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
	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_object_get(body, table[i].name);
		int rc = value ? table[i].decode(value, &table[i], request, err)
			       : err_set(err, -EINVAL, "`%s` lacks its member `%s`", kind,
					 table[i].name);

		if (rc < 0)
			return rc;
	}
	return json_object_size(body) == n ? 0 : refuse_unknown(body, kind, table, n, err);
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
