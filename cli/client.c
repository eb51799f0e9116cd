/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli/signals.h"
#include "cli/terminal.h"

enum {
	CLIENT_TEXT_BYTES = 255,
	PUT_BYTES = 8192,
	REAL_DIGITS = 15, /* times since 1970 keep their microseconds */
};

/* ---- options -----------------------------------------------------------------------------------
 */

int client_set_socket(void *config, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "an empty path");
	((struct client_config *)config)->socket = value;
	return 0;
}

int client_set_json(void *config, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	((struct client_config *)config)->json = true;
	return 0;
}

int client_set_quiet(void *config, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	((struct client_config *)config)->quiet = true;
	return 0;
}

int client_set_verbose(void *config, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	((struct client_config *)config)->verbose = true;
	return 0;
}

static int add_pid(uint32_t *pids, size_t *n, const char *digits, size_t len, struct err *err)
{
	unsigned long pid = 0;

	for (size_t i = 0; i < len; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return err_set(err, -EINVAL,
				"'%.*s' is not a process ID (a whole number); `pgrep -a NAME` finds it",
				(int)(len < 60 ? len : 60), digits);
		pid = pid * 10 + (unsigned long)(digits[i] - '0');
		if (pid > INT32_MAX)
			return err_set(err, -EINVAL, "%.*s is too large for a process ID",
				(int)(len < 60 ? len : 60), digits);
	}
	if (!len)
		return err_set(
			err, -EINVAL, "an empty process ID; give numbers, as in --pid 4711,4712");
	if (!pid)
		return err_set(err, -EINVAL, "process IDs start at 1");
	for (size_t i = 0; i < *n; i++)
		if (pids[i] == pid)
			return 0;
	if (*n == SERVE_PIDS_MAX)
		return err_set(err, -E2BIG, "more than %d processes at once", SERVE_PIDS_MAX);
	pids[(*n)++] = (uint32_t)pid;
	return 0;
}

int client_add_pids(uint32_t *pids, size_t *n, const char *value, struct err *err)
{
	for (const char *at = value;;) {
		size_t len = strcspn(at, ",");
		int rc = add_pid(pids, n, at, len, err);

		if (rc < 0 || !at[len])
			return rc;
		at += len + 1;
	}
}

int client_add_text(struct client_texts *texts, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "an empty value");
	if (strlen(value) > CLIENT_TEXT_BYTES)
		return err_set(
			err, -ENAMETOOLONG, "a value of more than %d bytes", CLIENT_TEXT_BYTES);
	if (texts->n == SERVE_TEXTS_MAX)
		return err_set(err, -E2BIG, "given more than %d times", SERVE_TEXTS_MAX);
	texts->list[texts->n++] = value;
	return 0;
}

int client_parse_limit(const char *value, uint32_t *rows, struct err *err)
{
	size_t len = strspn(value, "0123456789");
	unsigned long n = len && len < 8 ? strtoul(value, NULL, 10) : CLIENT_LIMIT_MAX + 1;

	if (value[len] || n > CLIENT_LIMIT_MAX)
		return err_set(err, -EINVAL,
			"'%.60s' is not a whole number of rows up to %d; 0 shows all", value,
			CLIENT_LIMIT_MAX);
	*rows = (uint32_t)n;
	return 0;
}

bool client_parsed(const struct cli_command *self, int rc, const struct err *err, int *status)
{
	if (rc == CLI_PARSED)
		return true;
	if (rc == CLI_HELP) {
		cli_help_command(stdout, self);
		*status = fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
	} else
		*status = cli_wrong_usage(self, err);
	return false;
}

bool client_parse(const struct cli_command *self, int argc, char **argv, void *config, int *status)
{
	struct err err = {0};
	char **rest;
	int rc = cli_parse(self, argc, argv, config, &rest, &err);

	return client_parsed(self, rc, &err, status);
}

void client_set_log_level(const struct client_config *config)
{
	log_set_level(config->quiet     ? LOG_LEVEL_QUIET
		      : config->verbose ? LOG_LEVEL_DEBUG
					: LOG_LEVEL_WARN);
}

/* ---- questions and answers ---------------------------------------------------------------------
 */

int client_ask(struct peer *p, const struct client_config *config, enum serve_kind question,
	enum serve_kind answer, json_t **message, struct err *err)
{
	int rc = connect_daemon(p, connect_path(config->socket, NULL), -1, err);

	if (!rc)
		rc = serve_send_plain(p->channel, question, 1, err);
	return rc ? rc : peer_answer(p, -1, 1, answer, message, err);
}

int client_signal(struct signals *signals)
{
	bool from_terminal;
	int signal_number;

	do /* that a private engine has ended shows on its channel */
		signal_number = signals_next(signals, &from_terminal);
	while (signal_number == SIGCHLD);
	return signal_number;
}

int client_wait(struct peer *p, struct signals *signals, uint64_t id, enum serve_kind answer,
	json_t **message, int *given_up, struct err *err)
{
	for (;;) {
		int rc = peer_answer(p, signals->fd, id, answer, message, err);

		if (rc == -EINTR)
			*given_up = client_signal(signals);
		if (rc != -EINTR || *given_up)
			return rc;
	}
}

int client_order(const struct cli_command *self, int argc, char **argv, enum serve_kind question)
{
	struct client_config config = {0};
	struct peer peer = {0};
	struct err err = {0};
	json_t *message;
	int status, rc;

	if (!client_parse(self, argc, argv, &config, &status))
		return status;
	rc = client_ask(&peer, &config, question, SERVE_DONE, &message, &err);
	peer_close(&peer, 0);
	if (rc < 0)
		return client_failed(&err);
	if (!config.quiet)
		say("%s", client_text(json_object_get(message, "done"), "text"));
	json_decref(message);
	return CLI_OK;
}

int client_failed(const struct err *err)
{
	say("%s", err->text);
	return CLI_FAILED;
}

int client_print_json(const json_t *value, struct err *err)
{
	char *line = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS));
	int rc = 0;

	if (!line)
		return err_set(err, -ENOMEM, "out of memory");
	errno = EIO;
	if (fprintf(stdout, "%s\n", line) < 0 || fflush(stdout) != 0)
		rc = err_set(err, -errno, "cannot write to standard output: %s", strerror(errno));
	free(line);
	return rc;
}

int client_finish_output(void)
{
	errno = EIO;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CLI_OK;
	say("cannot write to standard output: %s", strerror(errno));
	return CLI_FAILED;
}

void client_put(FILE *to, const char *hostile, size_t columns)
{
	char clean[PUT_BYTES];

	terminal_text(hostile, columns, clean, sizeof(clean));
	fputs(clean, to);
}

void client_put_cell(FILE *to, const char *hostile, size_t columns, bool is_number)
{
	char clean[PUT_BYTES];
	size_t width = terminal_text(hostile, columns, clean, sizeof(clean));
	int blanks = width < columns ? (int)(columns - width) : 0;

	fprintf(to, "%*s%s%*s", is_number ? blanks : 0, "", clean, is_number ? 0 : blanks, "");
}

double client_real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

uint64_t client_count(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n > 0 ? (uint64_t)n : 0;
}

const char *client_text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

bool client_has(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return value && !json_is_null(value);
}
