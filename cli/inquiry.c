/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/inquiry.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/private.h"
#include "cli/terminal.h"
#include "cli/when.h"

enum { ENGINE_GRACE_MS = 5000, DATE_CHARS = 10 };

void inquiry_init(struct inquiry *q)
{
	*q = (struct inquiry){
		.output = {.fd = -1, .folder_fd = -1, .direct_fd = -1},
		.signals = {.fd = -1},
	};
}

int inquiry_open(struct inquiry *q, const char *output, struct err *err)
{
	int rc = output_open(&q->output, output ? output : "-", err);

	return rc ? rc : signals_open(&q->signals, err);
}

int inquiry_path(const char *store, char *to, struct err *err)
{
	char path[PATH_MAX];
	json_t *whole;
	bool fits;

	if (!realpath(store, path))
		return err_set(err, -errno, "cannot read %.200s: %s", store, strerror(errno));
	whole = json_string(path);
	fits = whole && strlen(path) < SERVE_PATH_MAX;
	json_decref(whole);
	if (!fits)
		return err_set(err, -EINVAL,
			"the path of %.200s is too long or not UTF-8; make a link to it", store);
	memcpy(to, path, strlen(path) + 1);
	return 0;
}

int inquiry_connect(struct inquiry *q, bool is_private, const char *socket, struct err *err)
{
	int rc;

	if (is_private)
		return private_start(&q->peer, &q->signals, err);
	do {
		rc = connect_daemon(&q->peer, connect_path(socket, NULL), q->signals.fd, err);
		if (rc == -EINTR)
			q->given_up = client_signal(&q->signals);
	} while (rc == -EINTR && !q->given_up);
	return rc;
}

int inquiry_wait(
	struct inquiry *q, uint64_t id, enum serve_kind answer, json_t **message, struct err *err)
{
	const bool is_private = q->peer.engine != 0;
	int rc = client_wait(&q->peer, &q->signals, id, answer, message, &q->given_up, err);
	int wait_status = peer_close(&q->peer, rc ? 0 : ENGINE_GRACE_MS);

	if (is_private && rc == -EPIPE && WIFSIGNALED(wait_status))
		return err_set(err, rc,
			"the engine that read the store was killed by signal %d (%s)",
			WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
	return rc;
}

/* A pipe may be slow to take it: signals then act as usual. */
int inquiry_keep(struct inquiry *q, struct err *err)
{
	const bool direct = q->output.direct_fd >= 0;
	int rc;

	if (direct)
		signals_let_go(&q->signals);
	rc = output_commit(&q->output, err);
	if (direct)
		signals_hold(&q->signals);
	/* Who reads has seen enough (`| head`): the same end as without signals held, and no words.
	 */
	if (rc == -EPIPE && direct)
		q->given_up = SIGPIPE;
	return rc;
}

void inquiry_close(struct inquiry *q)
{
	peer_close(&q->peer, 0);
	output_discard(&q->output);
	if (q->signals.fd >= 0)
		signals_close(&q->signals);
}

char *inquiry_coarseness(double s, char *to)
{
	if (s < 60)
		snprintf(to, 32, "%.2g s", s);
	else if (s < 3600)
		snprintf(to, 32, "%.2g min", s / 60);
	else
		snprintf(to, 32, "%.3g h", s / 3600);
	return to;
}

void inquiry_say_span(const char *lead, const json_t *r)
{
	char first[32], last[32], covered[32], coarse[32], samples[32], lost[32];
	bool same_day;

	when_text(client_real(r, "first_unix_s"), first);
	when_text(client_real(r, "last_unix_s"), last);
	same_day = !strncmp(first, last, DATE_CHARS);
	say("%s%s to %s: %s covered, %s samples, %s lost; windows of %s%s", lead, first,
		same_day ? last + DATE_CHARS + 1 : last,
		terminal_duration(client_real(r, "covered_s"), covered),
		terminal_count(client_count(r, "samples"), samples),
		terminal_count(client_count(r, "lost"), lost),
		client_count(r, "windows") > 1 ? "at most " : "",
		inquiry_coarseness(client_real(r, "longest_window_s"), coarse));
}
