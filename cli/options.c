/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/command.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { OPTIONS_MAX = 64 };

/* Where parsing is. */
struct parser {
	const struct cli_command *command;
	char **argv;
	int argc, at;     /* argv[at] is the next word */
	unsigned n_words; /* that are no options: argv[1] to argv[n_words], all read before */
	void *config;
	struct err *err;
};

static const struct cli_option *find_long(
	const struct cli_command *command, const char *name, size_t len)
{
	for (const struct cli_option *o = command->options; o->name; o++)
		if (strlen(o->name) == len && !memcmp(o->name, name, len))
			return o;
	return NULL;
}

static const struct cli_option *find_letter(const struct cli_command *command, char letter)
{
	for (const struct cli_option *o = command->options; o->name; o++)
		if (o->letter && o->letter == letter)
			return o;
	return NULL;
}

static int unknown_long(const struct parser *p, const char *name, size_t len)
{
	const char *names[OPTIONS_MAX] = {"help"};
	char word[64];
	const char *nearest;
	size_t n = 1;

	for (const struct cli_option *o = p->command->options; o->name && n < OPTIONS_MAX; o++)
		names[n++] = o->name;
	if (len >= sizeof(word))
		len = sizeof(word) - 1;
	memcpy(word, name, len);
	word[len] = '\0';
	nearest = cli_nearest(word, names, n);
	return err_set(p->err, -EINVAL, "there is no option '--%s'%s%s%s", word,
		nearest ? "; did you mean '--" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* `shown` is the option as it was typed, for messages. */
static int set(struct parser *p, const struct cli_option *o, const char *value, const char *shown)
{
	int rc = o->set(p->config, value, p->err);

	return rc < 0 ? err_prefix(p->err, "%s", shown) : 0;
}

/* The next word as the value of an option that needs one. */
static const char *next_value(struct parser *p, const struct cli_option *o, const char *shown)
{
	if (p->at < p->argc && strcmp(p->argv[p->at], "--") != 0)
		return p->argv[p->at++];
	err_set(p->err, -EINVAL, "%s needs a value: %s %s", shown, shown, o->argument);
	return NULL;
}

static int parse_long(struct parser *p, const char *word)
{
	const char *name = word + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct cli_option *o = find_long(p->command, name, len);
	const char *value = equals ? equals + 1 : NULL;
	char shown[64];

	if (!o && len == 4 && !memcmp(name, "help", 4))
		return CLI_HELP;
	if (!o)
		return unknown_long(p, name, len);
	snprintf(shown, sizeof(shown), "--%s", o->name);
	if (!o->argument && value)
		return err_set(p->err, -EINVAL, "%s takes no value", shown);
	if (o->argument && !value) {
		value = next_value(p, o, shown);
		if (!value)
			return -EINVAL;
	}
	return set(p, o, value, shown);
}

/* `-d5`, `-d 5`, `-qv`. */
static int parse_letters(struct parser *p, const char *word)
{
	for (const char *at = word + 1; *at; at++) {
		const struct cli_option *o = find_letter(p->command, *at);
		const char shown[] = {'-', *at, '\0'};
		const char *value = NULL;
		int rc;

		if (!o && *at == 'h')
			return CLI_HELP;
		if (!o)
			return err_set(p->err, -EINVAL, "there is no option '%s' (in '%.40s')",
				shown, word);
		if (o->argument) {
			value = at[1] ? at + 1 : next_value(p, o, shown);
			if (!value)
				return -EINVAL;
		}
		rc = set(p, o, value, shown);
		if (rc || value)
			return rc;
	}
	return CLI_PARSED;
}

static int refuse_word(const struct parser *p, const char *word)
{
	const char *name = p->command->name;

	if (word[strspn(word, "0123456789,")] == '\0' && *word &&
		find_long(p->command, "pid", strlen("pid")))
		return err_set(p->err, -EINVAL,
			"'%.60s' is no option; for a process: profd %s --pid %.60s", word, name,
			word);
	if (!p->command->takes_command)
		return err_set(p->err, -EINVAL,
			"'%.60s' is no option, and profd %s takes nothing else", word, name);
	return err_set(p->err, -EINVAL,
		"'%.60s' is no option; put -- before a command to run: profd %s ... -- %.60s", word,
		name, word);
}

static int take_word(struct parser *p, char *word)
{
	const struct cli_command *c = p->command;

	if (p->n_words == c->takes_words.most) {
		if (!p->n_words)
			return refuse_word(p, word);
		return err_set(p->err, -EINVAL, "'%.60s' is one word too many: profd %s %s", word,
			c->name, c->takes_words.name);
	}
	p->argv[++p->n_words] = word;
	return 0;
}

static int take_words(struct parser *p, char ***rest)
{
	const struct cli_command *c = p->command;

	while (p->at < p->argc) { /* behind `--` */
		int rc = take_word(p, p->argv[p->at++]);

		if (rc)
			return rc;
	}
	if (!c->takes_words.most)
		return 0;
	if (p->n_words < c->takes_words.least)
		return err_set(p->err, -EINVAL, "too few words: profd %s %s", c->name,
			c->takes_words.name);
	p->argv[p->n_words + 1] = NULL;
	*rest = p->argv + 1;
	return 0;
}

int cli_parse(const struct cli_command *command, int argc, char **argv, void *config, char ***rest,
	struct err *err)
{
	struct parser p = {command, argv, argc, 1, 0, config, err};

	*rest = NULL;
	while (p.at < argc) {
		char *word = argv[p.at++];
		int rc;

		if (!strcmp(word, "--") && p.command->takes_command) {
			*rest = argv + p.at;
			return CLI_PARSED;
		}
		if (!strcmp(word, "--") && p.command->takes_words.most)
			break;
		if (!strcmp(word, "--"))
			rc = refuse_word(&p, word);
		else if (word[0] == '-' && word[1] == '-')
			rc = parse_long(&p, word);
		else if (word[0] == '-' && word[1])
			rc = parse_letters(&p, word);
		else
			rc = take_word(&p, word);
		if (rc)
			return rc;
	}
	return take_words(&p, rest);
}
