/* SPDX-License-Identifier: BSD-2-Clause */
/* BEFORE and AFTER as they are typed: FILE, FROM..TO or PID, and what is chosen of it. */
#include "cli/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/when.h"

static const char *const keys[] = {"comm=", "container=", "user=", "thread=", "pid="};
enum { KEY_COMM, KEY_CONTAINER, KEY_USER, KEY_THREAD, KEY_PID, KEYS };

/* The next `,KEY=`: values and names of files may have commas themselves. NULL: none. */
static char *next_filter(char *at, int *key)
{
	for (char *comma = at; (comma = strchr(comma, ',')); comma++)
		for (*key = 0; *key < KEYS; ++*key)
			if (!strncmp(comma + 1, keys[*key], strlen(keys[*key])))
				return comma;
	return NULL;
}

static int add_filter(struct diff_side *s, int key, const char *value, struct err *err)
{
	struct client_texts *const lists[] = {
		[KEY_COMM] = &s->comms,
		[KEY_CONTAINER] = &s->containers,
		[KEY_USER] = &s->users,
		[KEY_THREAD] = &s->threads,
	};
	int rc;

	if (key == KEY_PID)
		rc = client_add_pids(s->only_pids, &s->n_only_pids, value, err);
	else
		rc = client_add_text(lists[key], value, err);
	return rc < 0 ? err_prefix(err, "%.*s", (int)strlen(keys[key]) - 1, keys[key]) : 0;
}

/* Cuts the filters off `copy`, which is what they belong to then. */
static int take_filters(struct diff_side *s, struct err *err)
{
	int key, rc = 0;
	char *at = next_filter(s->copy, &key);

	while (at && !rc) {
		int next_key = 0;
		char *value = at + 1 + strlen(keys[key]), *next = next_filter(value, &next_key);

		*at = '\0';
		if (next)
			*next = '\0';
		rc = add_filter(s, key, value, err);
		at = next;
		key = next_key;
	}
	return rc;
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

static bool is_path(const char *word)
{
	return *word == '/' || !strncmp(word, "./", 2) || !strncmp(word, "../", 3);
}

static int parse_time(const char *text, double now_unix_s, double *unix_s, struct err *err)
{
	*unix_s = 0; /* no bound */
	return *text ? when_parse(text, now_unix_s, unix_s, err) : 0;
}

/* `dots` is where FROM ends. */
static int parse_span(struct diff_side *s, struct report_selection *of, char *dots,
	double now_unix_s, struct err *err)
{
	int rc;

	s->kind = DIFF_SPAN;
	*dots = '\0';
	rc = parse_time(s->copy, now_unix_s, &of->since_unix_s, err);
	if (!rc)
		rc = parse_time(dots + 2, now_unix_s, &of->until_unix_s, err);
	if (rc < 0)
		return rc;
	if (of->since_unix_s > now_unix_s)
		return err_set(err, -EINVAL, "'%.60s' is still to come", s->copy);
	if (of->until_unix_s > 0 && of->since_unix_s >= of->until_unix_s)
		return err_set(
			err, -EINVAL, "the start of '%.100s' has to be before its end", s->word);
	return 0;
}

static int parse_processes(struct diff_side *s, const char *numbers, struct err *err)
{
	s->kind = DIFF_PROCESS;
	return client_add_pids(s->pids, &s->n_pids, numbers, err);
}

static int refuse_side(const struct diff_side *s, double now_unix_s, struct err *err)
{
	double time;

	if (!*s->copy)
		return err_set(err, -EINVAL,
			"'%.60s' names nothing; give a file, a span FROM..TO, or a process ID",
			s->word);
	if (when_parse(s->copy, now_unix_s, &time, NULL) == 0)
		return err_set(err, -EINVAL,
			"'%.60s' is one time; a span has two, as in 2h..1h, or `%.60s..` until now",
			s->copy, s->copy);
	return err_set(err, -EINVAL,
		"'%.100s' is no file that is there, no span FROM..TO (as in 2h..1h), and no process ID",
		s->copy);
}

int diff_side_parse(struct diff_side *s, struct report_selection *of, const char *word,
	double now_unix_s, struct err *err)
{
	char *dots;
	int rc;

	s->word = word;
	s->copy = strdup(word);
	if (!s->copy)
		return err_set(err, -ENOMEM, "out of memory");
	rc = take_filters(s, err);
	if (rc < 0)
		return rc;
	if (!strncmp(s->copy, "pid:", 4))
		return parse_processes(s, s->copy + 4, err);
	if (*s->copy && !s->copy[strspn(s->copy, "0123456789,")])
		return parse_processes(s, s->copy, err);
	if (is_path(s->copy) || is_file(s->copy)) {
		s->kind = DIFF_FILE;
		s->path = s->copy;
		return 0;
	}
	dots = strstr(s->copy, "..");
	return dots ? parse_span(s, of, dots, now_unix_s, err) : refuse_side(s, now_unix_s, err);
}

/* A side's own filter takes the place of the common one. */
static void point(
	const struct client_texts *own, const struct client_texts *common, char ***list, size_t *n)
{
	const struct client_texts *texts = own->n ? own : common;

	*list = (char **)texts->list;
	*n = texts->n;
}

void diff_side_select(
	const struct diff_side *s, const struct diff_common *c, struct report_selection *of)
{
	point(&s->comms, &c->comms, &of->comms, &of->n_comms);
	point(&s->containers, &c->containers, &of->containers, &of->n_containers);
	point(&s->users, &c->users, &of->users, &of->n_users);
	point(&s->threads, &c->threads, &of->threads, &of->n_threads);
	of->n_pids = s->n_only_pids ? s->n_only_pids : c->n_pids;
	memcpy(of->pids, s->n_only_pids ? s->only_pids : c->pids, of->n_pids * sizeof(*of->pids));
}
