/* SPDX-License-Identifier: BSD-2-Clause */
/* A question to a store whose answer goes into a descriptor: the output is opened, then a daemon is
 * asked, or a private engine where it is about a file, and the output gets its name at the end. */
#ifndef PROFD_CLI_INQUIRY_H
#define PROFD_CLI_INQUIRY_H

#include "cli/client.h"
#include "cli/output.h"
#include "cli/signals.h"

struct inquiry {
	struct output output;
	struct signals signals;
	struct peer peer;
	int given_up; /* the signal that ended it; 0: none */
};

void inquiry_init(struct inquiry *q); /* so that it can be closed at any time */

/* The output (NULL: standard output), and signals held. 0, or negative errno with a text. */
int inquiry_open(struct inquiry *q, const char *output, struct err *err);

/* A private engine works in another folder: the whole path of a store, into `to` (SERVE_PATH_MAX
 * bytes). */
int inquiry_path(const char *store, char *to, struct err *err);

/* Connects to the daemon (`socket` as connect_path() takes it), or starts a private engine. 0, or
 * negative errno: with a text, unless a signal ended it. */
int inquiry_connect(struct inquiry *q, bool is_private, const char *socket, struct err *err);

/* Waits for the answer, the caller's to json_decref, and closes the connection. As above. */
int inquiry_wait(
	struct inquiry *q, uint64_t id, enum serve_kind answer, json_t **message, struct err *err);

/* Puts the output in its place. As above. */
int inquiry_keep(struct inquiry *q, struct err *err);

void inquiry_close(struct inquiry *q);

/* "3 min", "10 s": how coarse in time an answer is. `to` has 32 bytes; returns it. */
char *inquiry_coarseness(double s, char *to);

/* What a part of a store covered, as a line on stderr with `lead` before it: `answer` is an object
 * as in `reported`. */
void inquiry_say_span(const char *lead, const json_t *answer);

#endif
