/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/selection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool selection_is_all(const struct daemon_config *c)
{
	return !c->n_pids && !c->names.n && !c->users.n && !c->cgroups.n && !c->containers.n;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool has_pid(const struct daemon_config *c, uint32_t pid)
{
	for (size_t i = 0; i < c->n_pids; i++)
		if (c->pids[i] == pid)
			return true;
	return false;
}

static bool has_name(const struct config_texts *t, const struct series *s)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->list[i], s->comm) || !strcmp(t->list[i], base_name(s->exe)))
			return true;
	return false;
}

static bool has_user(const struct config_texts *t, const struct series *s)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", s->uid);
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->list[i], s->user) || !strcmp(t->list[i], number))
			return true;
	return false;
}

/* The group itself and those below. */
static bool has_cgroup(const struct config_texts *t, const struct series *s)
{
	for (size_t i = 0; i < t->n; i++) {
		size_t n = strlen(t->list[i]);

		while (n && t->list[i][n - 1] == '/')
			n--;
		if (!strncmp(t->list[i], s->cgroup, n) &&
			(s->cgroup[n] == '/' || s->cgroup[n] == '\0'))
			return true;
	}
	return false;
}

static bool has_container(const struct config_texts *t, const struct series *s)
{
	for (size_t i = 0; i < t->n && *s->container; i++) {
		size_t given = strlen(t->list[i]), known = strlen(s->container);

		if (!strncmp(t->list[i], s->container, given < known ? given : known))
			return true;
	}
	return false;
}

bool selection_matches(const struct daemon_config *c, const struct series *s)
{
	return selection_is_all(c) || has_pid(c, s->pid) || has_name(&c->names, s) ||
	       has_user(&c->users, s) || has_cgroup(&c->cgroups, s) ||
	       has_container(&c->containers, s);
}

static void texts_add(char *to, size_t bytes, const char *what, const struct config_texts *t)
{
	for (size_t i = 0; i < t->n; i++) {
		size_t at = strlen(to);

		snprintf(to + at, bytes - at, "%s%s %s", at ? ", " : "", what, t->list[i]);
	}
}

void selection_text(const struct daemon_config *c, char *to, size_t bytes)
{
	*to = '\0';
	if (selection_is_all(c)) {
		snprintf(to, bytes, "whole host");
		return;
	}
	for (size_t i = 0; i < c->n_pids; i++) {
		size_t at = strlen(to);

		snprintf(to + at, bytes - at, "%sPID %u", at ? ", " : "", c->pids[i]);
	}
	texts_add(to, bytes, "name", &c->names);
	texts_add(to, bytes, "user", &c->users);
	texts_add(to, bytes, "cgroup", &c->cgroups);
	texts_add(to, bytes, "container", &c->containers);
}
