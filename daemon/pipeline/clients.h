/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: the daemon's clients. What needs the daemon's own state is answered here, at
 * once; recordings, reports, comparisons and watches with a rate of their own are handed, client
 * and all, to a process of their own. */
#ifndef PROFD_PIPELINE_CLIENTS_H
#define PROFD_PIPELINE_CLIENTS_H

#include <poll.h>

#include "pipeline/host.h"
#include "serve/serve.h"

enum { CLIENTS_MAX = 64, CLIENTS_PER_USER = 16 };

/* What a client may ask the daemon for, or to do. */
struct clients_hooks {
	void *arg;
	void (*status)(void *arg, struct serve_status *out); /* texts hold until the next call */
	int (*pause)(void *arg, bool paused, const char **said, struct err *err);
};

struct clients;

/* `listen_fd` is taken over, also on failure. */
struct clients *clients_open(int listen_fd, const struct daemon_config *config, struct host *host,
	const struct clients_hooks *hooks, struct err *err);
void clients_close(struct clients *c); /* NULL is allowed; workers are told to end */

void clients_configure(struct clients *c, const struct daemon_config *config);

/* Descriptors to poll for: at most CLIENTS_MAX + 1. Returns how many. */
size_t clients_poll(const struct clients *c, struct pollfd *fds);

/* Handles what poll() found in these, timeouts, and the live views and watches that are due. */
void clients_handle(struct clients *c, const struct pollfd *fds, size_t n);

/* When something is due, in ms; -1: nothing. */
int clients_timeout_ms(const struct clients *c);

/* Children have ended. */
void clients_reap(struct clients *c);

size_t clients_count(const struct clients *c);

#endif
