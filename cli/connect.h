/* SPDX-License-Identifier: BSD-2-Clause */
/* The other side of a command: the system's daemon behind its socket, or a private engine. Which of
 * them it is makes no difference to what is asked and answered. */
#ifndef PROFD_CLI_CONNECT_H
#define PROFD_CLI_CONNECT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "serve/serve.h"

/* In place of a path: use no daemon. */
#define CONNECT_NONE "none"

struct peer {
	struct channel *channel; /* NULL: closed */
	pid_t engine;            /* of a private engine; 0: the system's daemon */
};

/* Where the daemon listens: `option` (what --socket says, or NULL), else PROFD_SOCKET, else the
 * place where it is by default. `*named` (may be NULL): the user has said it. */
const char *connect_path(const char *option, bool *named);

/* Connects to the daemon at `path` and exchanges greetings. 0, or negative errno with the cause and
 * the next step: -ENOENT and -ECONNREFUSED where no daemon listens there, -EACCES, -ETIMEDOUT,
 * -EPROTONOSUPPORT another version, ... While it waits `signals_fd` (-1: none) becoming readable
 * gives -EINTR, without a text. */
int connect_daemon(struct peer *p, const char *path, int signals_fd, struct err *err);

/* Waits for the next message, the caller's to json_decref: 0. While it waits `signals_fd` (-1:
 * none) becoming readable gives -EINTR. -ETIMEDOUT after `timeout_ms` (-1: never), -EPIPE: the peer
 * is gone; other: the socket failed. All but -EINTR have a text. */
int peer_receive(struct peer *p, int signals_fd, int timeout_ms, json_t **message, struct err *err);

/* Waits for the next answer of this kind to request `id`, as above; an answer of `error` gives its
 * code and text. What else comes is skipped. */
int peer_answer(struct peer *p, int signals_fd, uint64_t id, enum serve_kind kind, json_t **message,
	struct err *err);

/* Closes the channel. Waits until a private engine has gone, at most `grace_ms`, then it is killed;
 * returns its wait status (0 for a daemon, and at a second call). */
int peer_close(struct peer *p, int grace_ms);

#endif
