/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/watch_filter.h"

#include <stdio.h>
#include <string.h>

static bool has_text(char *const *list, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], text))
			return true;
	return false;
}

static bool has_user(const struct watch_request *q, const struct series *s)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", s->uid);
	return has_text(q->users, q->n_users, s->user) || has_text(q->users, q->n_users, number);
}

/* By how its ID begins; `host` is the processes in none. */
static bool has_container(const struct watch_request *q, const struct series *s)
{
	size_t known = strlen(s->container);

	for (size_t i = 0; i < q->n_containers; i++) {
		size_t given = strlen(q->containers[i]);

		if (!known && !strcmp(q->containers[i], "host"))
			return true;
		if (known && given &&
			!strncmp(q->containers[i], s->container, given < known ? given : known))
			return true;
	}
	return false;
}

bool watch_filter_matches(const struct watch_request *q, const struct series *s)
{
	return (!q->n_comms || has_text(q->comms, q->n_comms, s->comm)) &&
	       (!q->n_users || has_user(q, s)) && (!q->n_containers || has_container(q, s));
}

static void text_list(struct buf *to, const char *what, char *const *list, size_t n)
{
	if (n)
		buf_printf(to, "%s%s %.60s", to->len ? ", " : "", what, list[0]);
	if (n > 1)
		buf_printf(to, " and %zu more", n - 1);
}

void watch_filter_text(const struct watch_request *q, struct buf *to)
{
	text_list(to, "name", q->comms, q->n_comms);
	text_list(to, "user", q->users, q->n_users);
	text_list(to, "container", q->containers, q->n_containers);
}
