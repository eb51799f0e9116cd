/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine: wires the rooms together and answers the protocol of schema/protocol.md.
 *
 *     pipeline_serve    one client, over a socket; a recording at a time       (private engine,
 * worker) daemon_run        the host, into a store; many clients                   (profd daemon)
 */
#ifndef PROFD_PIPELINE_PIPELINE_H
#define PROFD_PIPELINE_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Serves one client on a connected stream socket, which is taken over, until it reaches its end or
 * the client asks for nothing more: every recording is stopped then, and nothing of it stays
 * behind. Blocks. 0 after an orderly end, negative errno where the socket failed. */
int pipeline_serve(int socket_fd);

/* A process that the daemon started for one client's request: what it is for stands in `order_fd`
 * (the daemon's own words), the client's socket is `socket_fd`, and `output_fd` the descriptor that
 * came with the request, or -1. All are taken over. */
int pipeline_work(int socket_fd, int output_fd, int order_fd);

/* ---- the daemon --------------------------------------------------------------------------------
 */

#define PROFD_DEFAULT_CONFIG "/etc/profd/profd.conf"
#define PROFD_DEFAULT_STORE  "/var/lib/profd/profd.db"
#define PROFD_DEFAULT_SOCKET "/run/profd/profd.sock"

enum { CONFIG_TEXTS_MAX = 256, CONFIG_TEXT_BYTES = 256 };

struct config_texts {
	char list[CONFIG_TEXTS_MAX][CONFIG_TEXT_BYTES];
	size_t n;
};

struct daemon_config {
	char store[4096], socket[4096]; /* taken at the start only; all else also by a reload */
	char group[64];                 /* whose members may see all; "": nobody but root */
	uint32_t rate_hz;               /* 1 to 999; default 19 */
	double window_s;                /* 1 to 60; default 10 */
	double max_cpu_percent; /* of one CPU, programs in the kernel included; 0: no limit; default
				   2 */
	bool kernel, native;    /* frames; default both */
	bool command_lines;     /* keep them in the store: they can hold secrets; default no */
	/* What is profiled; with all of them empty the whole host, else what any of them names. */
	uint32_t pids[1024];
	size_t n_pids;
	struct config_texts names;      /* comm or base name of the executable */
	struct config_texts users;      /* name or number */
	struct config_texts cgroups;    /* path, that one and those below */
	struct config_texts containers; /* how the ID begins */
	uint64_t keep_fine_s, keep_minute_s, keep_hour_s, store_max_bytes; /* as store_limits */
};

void config_default(struct daemon_config *c);

/* Reads a file of `name = value` lines over what `c` holds. Unknown names, wrong values and values
 * out of range are errors that name the line; `c` is then as it was. -ENOENT: no such file. */
int config_load(struct daemon_config *c, const char *path, struct err *err);

/* One setting as in the file, for command line options. */
int config_set(struct daemon_config *c, const char *name, const char *value, struct err *err);

struct daemon_start {
	struct daemon_config config;
	/* How to make the configuration anew at SIGHUP; `arg` is passed on. On failure the old one
	 * stays. */
	int (*reload)(void *arg, struct daemon_config *out, struct err *err);
	void *arg;
};

/* Runs until SIGTERM or SIGINT. 0 after a clean stop; negative errno with the reason where it could
 * not start: no permission to sample, -EBUSY another daemon on the socket or the store. */
int daemon_run(const struct daemon_start *start, struct err *err);

#endif
