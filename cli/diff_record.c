/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes that run are compared by profile files: those of both sides are recorded at the same
 * time, each side by a daemon or engine of its own, so that children are told apart, too. */
#include "cli/diff.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/choose.h"
#include "cli/progress.h"
#include "cli/terminal.h"

enum { GRACE_MS = 5000 };

struct recorder {
	const struct diff_side *side; /* NULL: nothing to record on this one */
	struct record_request request;
	struct peer peer;
	int fd;
	bool started, ended;
	double elapsed_s;
	uint64_t samples, lost;
};

struct taking {
	const struct diff_config *config;
	struct inquiry *q;
	struct choice choice;
	struct progress progress;
	struct recorder of[2];
	bool stopping;
};

/* ---- files -------------------------------------------------------------------------------------
 */

static int folder_make(struct diff_recording *r, struct err *err)
{
	const char *top = getenv("TMPDIR");

	if (!top || *top != '/' || strlen(top) > sizeof(r->folder) - sizeof("/profd-diff-XXXXXX"))
		top = "/tmp";
	snprintf(r->folder, sizeof(r->folder), "%s/profd-diff-XXXXXX", top);
	if (mkdtemp(r->folder))
		return 0;
	r->folder[0] = '\0';
	return err_set(err, -errno,
		"cannot make a folder for the recordings in %.100s: %s; set TMPDIR to a place that you "
		"may write to",
		top, strerror(errno));
}

static int file_make(struct diff_recording *r, int i, int *fd, struct err *err)
{
	char path[sizeof(r->paths[i])];

	snprintf(path, sizeof(path), "%s/%s.profd", r->folder, i ? "after" : "before");
	*fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (*fd < 0)
		return err_set(
			err, -errno, "cannot write to %.100s: %s", r->folder, strerror(errno));
	memcpy(r->paths[i], path, sizeof(path));
	return 0;
}

void diff_recording_remove(struct diff_recording *r)
{
	for (int i = 0; i < 2; i++)
		if (r->paths[i][0])
			unlink(r->paths[i]);
	if (r->folder[0])
		rmdir(r->folder);
	*r = (struct diff_recording){0};
}

/* ---- asking ------------------------------------------------------------------------------------
 */

static void request_make(struct recorder *rec, const struct diff_config *c, uint64_t id)
{
	rec->request = (struct record_request){
		.id = id,
		.n_pids = rec->side->n_pids,
		.duration_s = c->duration_s,
		.rate_hz = c->rate_hz,
		.format = SERVE_FORMAT_PROFD,
		.source = "auto",
		.subprocesses = c->subprocesses,
		.kernel = c->request.kernel,
		.native = true,
	};
	memcpy(rec->request.pids, rec->side->pids, sizeof(rec->request.pids));
}

/* Ctrl-C is not to wait for a daemon that does not answer. */
static int ask(struct taking *t, struct recorder *rec, struct err *err)
{
	int rc;

	do {
		rc = choose_peer(&rec->peer, &t->choice, &t->q->signals, err);
		if (rc == -EINTR)
			t->q->given_up = client_signal(&t->q->signals);
	} while (rc == -EINTR && !t->q->given_up);
	if (!rc)
		rc = serve_send_record(rec->peer.channel, &rec->request, rec->fd, err);
	return rc == -EPIPE ? 0 : rc; /* the loop finds out what became of the engine */
}

/* The daemon does not do it: a private engine may. */
static int ask_again(struct taking *t, struct recorder *rec, struct err *why)
{
	int rc = why->code;

	if (!rec->started)
		rc = choose_again(&rec->peer, &t->choice, &t->q->signals, why);
	if (!rc)
		rc = serve_send_record(rec->peer.channel, &rec->request, rec->fd, why);
	return rc < 0 ? err_prefix(why, "%.60s", rec->side->word) : 0;
}

/* ---- while they run ----------------------------------------------------------------------------
 */

static bool all_started(const struct taking *t)
{
	for (int i = 0; i < 2; i++)
		if (t->of[i].side && !t->of[i].started)
			return false;
	return true;
}

static void say_started(struct taking *t)
{
	const struct recorder *a = &t->of[t->of[0].side ? 0 : 1], *b = &t->of[1];
	char duration[32];

	progress_clear(&t->progress);
	if (!t->config->client.quiet)
		say("sampling %.60s%s%.60s at %u Hz for %s; Ctrl-C stops earlier, and compares what there "
		    "is then",
			a->side->word, a != b && b->side ? " and " : "",
			a != b && b->side ? b->side->word : "", t->config->rate_hz,
			terminal_duration(t->config->duration_s, duration));
}

static void on_started(struct taking *t, struct recorder *rec)
{
	if (rec->started)
		return;
	rec->started = true;
	if (all_started(t))
		say_started(t);
}

static void on_progress(struct taking *t, struct recorder *rec, const json_t *message)
{
	const json_t *p = json_object_get(message, "progress");
	double elapsed_s = 0;
	uint64_t samples = 0, lost = 0;

	rec->elapsed_s = client_real(p, "elapsed_s");
	rec->samples = client_count(p, "samples");
	rec->lost = client_count(p, "lost");
	for (int i = 0; i < 2; i++) {
		elapsed_s = elapsed_s > t->of[i].elapsed_s ? elapsed_s : t->of[i].elapsed_s;
		samples += t->of[i].samples;
		lost += t->of[i].lost;
	}
	if (all_started(t) && !t->stopping)
		progress_show(&t->progress, elapsed_s, samples, lost);
}

static int on_error(struct taking *t, struct recorder *rec, const json_t *message, struct err *err)
{
	serve_get_error(message, err);
	return ask_again(t, rec, err);
}

static int handle(struct taking *t, struct recorder *rec, const json_t *message, struct err *err)
{
	uint64_t id;

	switch (serve_message_kind(message, &id)) {
	case SERVE_HELLO:
		return serve_check_hello(message, err);
	case SERVE_STARTED:
		on_started(t, rec);
		return 0;
	case SERVE_PROGRESS:
		on_progress(t, rec, message);
		return 0;
	case SERVE_FINISHED:
		rec->ended = true;
		return 0;
	case SERVE_ERROR:
		return on_error(t, rec, message, err);
	default:
		return 0;
	}
}

static int receive(struct taking *t, struct recorder *rec, struct err *err)
{
	while (!rec->ended) {
		json_t *message;
		int fd, rc = channel_receive(rec->peer.channel, &message, &fd, err);

		if (!rc)
			return 0;
		fd_close(&fd);
		if (rc == 1) {
			rc = handle(t, rec, message, err);
			json_decref(message);
		} else {
			err_set(err, rc, "the daemon closed the connection");
			rc = ask_again(t, rec, err);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The first signal ends the recording, the second one profd. */
static void on_signal(struct taking *t, int signal_number)
{
	if (t->stopping || !all_started(t)) {
		t->q->given_up = signal_number;
		return;
	}
	t->stopping = true;
	progress_say(&t->progress, "stopping; Ctrl-C again gives it up");
	for (int i = 0; i < 2; i++)
		if (t->of[i].side && !t->of[i].ended)
			serve_send_stop(t->of[i].peer.channel, t->of[i].request.id, NULL);
}

static bool is_open(const struct recorder *rec)
{
	return rec->side && !rec->ended;
}

static int follow(struct taking *t, struct err *err)
{
	int rc = 0;

	while (!rc && !t->q->given_up && (is_open(&t->of[0]) || is_open(&t->of[1]))) {
		struct pollfd fds[3] = {
			{.fd = -1}, {.fd = -1}, {.fd = t->q->signals.fd, .events = POLLIN}};
		int signal_number;

		for (int i = 0; i < 2; i++)
			if (is_open(&t->of[i]))
				fds[i] = (struct pollfd){
					.fd = channel_fd(t->of[i].peer.channel), .events = POLLIN};
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return err_set(
				err, -errno, "cannot wait for the recordings: %s", strerror(errno));
		while ((signal_number = client_signal(&t->q->signals)))
			on_signal(t, signal_number);
		for (int i = 0; i < 2 && !rc; i++)
			if (is_open(&t->of[i]))
				rc = receive(t, &t->of[i], err);
	}
	return t->q->given_up ? -EINTR : rc;
}

static int begin(struct taking *t, struct diff_recording *r, struct err *err)
{
	int rc = folder_make(r, err);

	for (int i = 0; i < 2; i++)
		t->of[i].fd = -1;
	for (int i = 0; i < 2 && !rc; i++) {
		if (t->config->sides[i].kind != DIFF_PROCESS)
			continue;
		t->of[i].side = &t->config->sides[i];
		request_make(&t->of[i], t->config, (uint64_t)i + 1);
		rc = file_make(r, i, &t->of[i].fd, err);
	}
	for (int i = 0; i < 2 && !rc; i++)
		if (t->of[i].side)
			rc = ask(t, &t->of[i], err);
	return rc;
}

int diff_record(struct diff_recording *r, const struct diff_config *config, struct inquiry *q,
	struct err *err)
{
	struct taking *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return err_set(err, -ENOMEM, "out of memory");
	t->config = config;
	t->q = q;
	t->choice = (struct choice){config->client.socket, config->client.verbose};
	progress_init(
		&t->progress, config->client.quiet, config->client.verbose, config->duration_s);
	rc = begin(t, r, err);
	if (!rc)
		rc = follow(t, err);
	progress_clear(&t->progress);
	for (int i = 0; i < 2; i++) {
		if (t->of[i].side)
			peer_close(&t->of[i].peer, rc ? 0 : GRACE_MS);
		fd_close(&t->of[i].fd);
	}
	free(t);
	return rc;
}
