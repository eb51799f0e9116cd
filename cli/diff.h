/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the `diff` command: what was asked for on the command line, and the recording of processes
 * that are compared while they run. */
#ifndef PROFD_CLI_DIFF_H
#define PROFD_CLI_DIFF_H

#include "cli/client.h"
#include "cli/inquiry.h"
#include "render/render.h"

enum diff_kind { DIFF_FILE, DIFF_SPAN, DIFF_PROCESS };

/* BEFORE or AFTER. Its texts are those of the command line. */
struct diff_side {
	enum diff_kind kind;
	const char *word;              /* as typed, for people */
	char *copy;                    /* of it, cut into pieces; what follows points there */
	const char *path;              /* of a file, as given */
	uint32_t pids[SERVE_PIDS_MAX]; /* of processes */
	size_t n_pids;
	struct client_texts comms, containers, users, threads;
	uint32_t only_pids[SERVE_PIDS_MAX]; /* `,pid=` */
	size_t n_only_pids;
};

/* What chooses of both sides. */
struct diff_common {
	uint32_t pids[SERVE_PIDS_MAX];
	size_t n_pids;
	struct client_texts comms, containers, users, threads;
};

struct diff_config {
	struct client_config client;
	/* All but the paths of stores. Its lists point into the sides: never diff_request_clear()
	 * it. */
	struct diff_request request;
	struct diff_side sides[2];
	struct diff_common common;
	const struct diff_format *format;
	const char *format_name, *output, *store; /* as given, or NULL */
	double duration_s, fail_above;            /* of shares, in percent; negative: never */
	uint32_t rate_hz;
	bool subprocesses, has_limit, has_recording_option;
};

extern const struct cli_option diff_options[];
extern const struct cli_choice diff_choices[];

/* Parses and validates, seen from the time `now_unix_s`. As cli_parse(). To be cleared in any case.
 */
int diff_parse(const struct cli_command *self, int argc, char **argv, double now_unix_s,
	struct diff_config *config, struct err *err);
void diff_config_clear(struct diff_config *config);

/* A side as typed, seen from `now_unix_s`; `of` gets its span. 0, or negative errno with a text. */
int diff_side_parse(struct diff_side *side, struct report_selection *of, const char *word,
	double now_unix_s, struct err *err);
/* What is chosen of it, into `of`; the lists stay those of `side` and `common`. */
void diff_side_select(const struct diff_side *side, const struct diff_common *common,
	struct report_selection *of);

/* Whether a process has to be recorded first; whether both sides are of the daemon's own store. */
bool diff_records(const struct diff_config *config);
bool diff_asks_daemon(const struct diff_config *config);

/* Recordings of the processes of both sides, as files in a folder of their own. */
struct diff_recording {
	char folder[96], paths[2][112]; /* "": none */
};

/* Records all processes of both sides at the same time. 0, or negative errno: with a text, unless a
 * signal ended it (q->given_up). One Ctrl-C ends the recording early, and what there is is
 * compared. Whatever came, diff_recording_remove() has to follow. */
int diff_record(struct diff_recording *r, const struct diff_config *config, struct inquiry *q,
	struct err *err);
void diff_recording_remove(struct diff_recording *r);

#endif
