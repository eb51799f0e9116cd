/* SPDX-License-Identifier: BSD-2-Clause */
/* What commands that ask a daemon have in common: options, and how an answer gets to the user. */
#ifndef PROFD_CLI_CLIENT_H
#define PROFD_CLI_CLIENT_H

#include <jansson.h>

#include "cli/command.h"
#include "cli/connect.h"

struct signals;

/* The first member of the config of such a command, so that the setters below fit all of them. */
struct client_config {
	const char *socket; /* as given, or NULL */
	bool json, quiet, verbose;
};

int client_set_socket(void *config, const char *value, struct err *err);
int client_set_json(void *config, const char *value, struct err *err);
int client_set_quiet(void *config, const char *value, struct err *err);
int client_set_verbose(void *config, const char *value, struct err *err);

#define CLIENT_SOCKET_PRESET "/run/profd/profd.sock"
#define CLIENT_SOCKET_HELP   "where the daemon listens; also PROFD_SOCKET"

/* Adds the process IDs of "7,8" to `pids` (room for SERVE_PIDS_MAX), each once. */
int client_add_pids(uint32_t *pids, size_t *n, const char *value, struct err *err);

/* A number of rows; 0 is all. */
enum { CLIENT_LIMIT_MAX = 1000000 };
int client_parse_limit(const char *value, uint32_t *rows, struct err *err);

/* Words of an option that may be repeated: any of them matches, and all where there are none. */
struct client_texts {
	const char *list[SERVE_TEXTS_MAX];
	size_t n;
};
int client_add_text(struct client_texts *texts, const char *value, struct err *err);

/* Parses the words of a command. False: it ends here, with the exit status `*status` (help was
 * shown, or usage was wrong and that is said). */
bool client_parse(const struct cli_command *self, int argc, char **argv, void *config, int *status);

/* The same after a parser of the command's own has returned `rc`, as cli_parse() does. */
bool client_parsed(const struct cli_command *self, int rc, const struct err *err, int *status);

void client_set_log_level(const struct client_config *config);

/* Connects to the daemon, asks a question without members, and waits for the answer: `*message` is
 * the caller's to json_decref. 0, or negative errno with a text. */
int client_ask(struct peer *p, const struct client_config *config, enum serve_kind question,
	enum serve_kind answer, json_t **message, struct err *err);

/* The next signal that waits, of those that end commands; 0: none. */
int client_signal(struct signals *signals);

/* peer_answer(), but a signal of `signals` ends it: -EINTR, and `*given_up` is that signal. */
int client_wait(struct peer *p, struct signals *signals, uint64_t id, enum serve_kind answer,
	json_t **message, int *given_up, struct err *err);

/* A whole command of that kind: asks, and shows the sentence of the answer. Exit status. */
int client_order(const struct cli_command *self, int argc, char **argv, enum serve_kind question);

/* Says what went wrong; returns CLI_FAILED. */
int client_failed(const struct err *err);

/* One JSON value and a newline on standard output. 0, or negative errno with a text. */
int client_print_json(const json_t *value, struct err *err);

/* Flushes standard output: the exit status, after saying what failed. */
int client_finish_output(void);

/* `hostile` made harmless, at most `columns` wide. The second pads it with blanks to that width, on
 * its left where `is_number`. */
void client_put(FILE *to, const char *hostile, size_t columns);
void client_put_cell(FILE *to, const char *hostile, size_t columns, bool is_number);

/* Members of an answer, nothing in it taken for granted: what is not there or of another type is 0,
 * or "". */
double client_real(const json_t *object, const char *key);
uint64_t client_count(const json_t *object, const char *key);
const char *client_text(const json_t *object, const char *key);
bool client_has(const json_t *object, const char *key); /* it is there and not null */

#endif
