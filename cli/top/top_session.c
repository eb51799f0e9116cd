/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/top/top_session.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/private.h"
#include "cli/subject.h"
#include "cli/terminal.h"

#define RETRY_NS (3 * NS_PER_S)

enum { MESSAGES_MAX = 64 }; /* at once: an engine that plays a file must not hold up the keys */

/* ---- names -------------------------------------------------------------------------------------
 */

static void name_pids(struct top_session *s, const char *name)
{
	subject_of_pids(s->subject, sizeof(s->subject), name, s->request.pids, s->request.n_pids);
}

/* "gunicorn of www-data in 4f1c2d3e5a6b": of each list the first, and that there are more. */
static void name_lists(struct top_session *s)
{
	const struct top_config *c = s->config;
	const struct {
		const struct client_texts *texts;
		const char *before, *usual;
	} lists[] = {{&c->comms, "", "all processes"}, {&c->users, " of ", ""},
		{&c->containers, " in ", ""}};
	size_t n = 0;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		const struct client_texts *t = lists[i].texts;

		snprintf(s->subject + n, sizeof(s->subject) - n, "%s%.60s%s",
			t->n ? lists[i].before : "", t->n ? t->list[0] : lists[i].usual,
			t->n > 1 ? ", ..." : "");
		n = strlen(s->subject);
	}
}

/* Not the command line of a process: it may hold secrets. */
static void name_subject(struct top_session *s)
{
	char comm[64];

	if (s->config->replay)
		snprintf(s->subject, sizeof(s->subject), "%.250s",
			subject_base_name(s->config->replay));
	else if (s->config->command)
		name_pids(s, subject_base_name(s->config->command[0]));
	else if (s->request.n_pids) {
		subject_comm(s->request.pids[0], comm, sizeof(comm));
		name_pids(s, comm);
	} else
		name_lists(s);
}

/* ---- asking ------------------------------------------------------------------------------------
 */

static int new_receiver(struct top_session *s, struct err *err)
{
	watch_receiver_free(s->receiver);
	s->receiver = watch_receiver_new();
	return s->receiver ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/* What became of the peer is found out by reading from it. */
static int send_request(struct top_session *s, struct err *err)
{
	int rc = new_receiver(s, err);

	s->phase = TOP_PREPARING;
	if (!rc)
		rc = serve_send_watch_request(s->peer.channel, &s->request, err);
	return rc == -EPIPE ? 0 : rc;
}

static void on_signal(struct top_session *s, int signal_number, bool from_terminal)
{
	if (signal_number == SIGCHLD) {
		child_reap(&s->child);
		return;
	}
	s->stop_signal = signal_number;
	s->forward = !from_terminal;
}

static void read_signals(struct top_session *s)
{
	bool from_terminal;
	int signal_number;

	while ((signal_number = signals_next(&s->signals, &from_terminal)))
		on_signal(s, signal_number, from_terminal);
}

/* Ctrl-C is not to wait for a daemon that does not answer. */
static int find_peer(struct top_session *s, struct err *err)
{
	int rc;

	if (s->config->replay)
		return private_start(&s->peer, &s->signals, err);
	do {
		rc = choose_peer(&s->peer, &s->choice, &s->signals, err);
		if (rc == -EINTR)
			read_signals(s);
	} while (rc == -EINTR && !s->stop_signal);
	return rc == -EINTR ? -ECANCELED : rc;
}

/* A private engine works in another folder. */
static int find_file(struct top_session *s, struct err *err)
{
	char path[PATH_MAX];
	json_t *whole;

	if (!s->config->replay)
		return 0;
	if (!realpath(s->config->replay, path))
		return err_set(
			err, -errno, "cannot read %.200s: %s", s->config->replay, strerror(errno));
	whole = json_string(path);
	if (!whole || strlen(path) >= sizeof(s->request.store)) {
		json_decref(whole);
		return err_set(err, -EINVAL,
			"the path of %.200s is too long or not UTF-8; make a link to it",
			s->config->replay);
	}
	json_decref(whole);
	memcpy(s->request.store, path, strlen(path) + 1);
	return 0;
}

/* What the command reads and writes while there is a screen: nothing, and into a pipe. */
static int start_command(struct top_session *s, bool captures, struct err *err)
{
	FD_CLOSE int null_fd = captures ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
	int ends[2] = {-1, -1}, rc;
	int private_fds[] = {channel_fd(s->peer.channel), s->signals.fd};

	if (captures) {
		s->output = calloc(1, sizeof(*s->output));
		if (!s->output)
			return err_set(err, -ENOMEM, "out of memory");
		if (null_fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
			return err_set(
				err, -errno, "cannot start the command: %s", strerror(errno));
		s->output_fd = ends[0];
		fcntl(ends[0], F_SETFL, O_NONBLOCK);
	}
	/* For a script standard output is the table's alone. */
	rc = child_start_with(&s->child, s->config->command, &s->signals, private_fds,
		sizeof(private_fds) / sizeof(private_fds[0]), null_fd,
		captures ? ends[1] : STDERR_FILENO, err);
	fd_close(&ends[1]);
	if (rc < 0)
		return rc;
	s->request.pids[0] = (uint32_t)s->child.pid;
	s->request.n_pids = 1;
	return 0;
}

int top_session_open(
	struct top_session *s, const struct top_config *config, bool captures, struct err *err)
{
	int rc;

	*s = (struct top_session){.config = config,
		.request = config->request,
		.choice = {config->client.socket, config->client.verbose},
		.child = {.release_fd = -1, .report_fd = -1},
		.signals = {.fd = -1},
		.output_fd = -1};
	s->model = top_model_new();
	if (!s->model)
		return err_set(err, -ENOMEM, "out of memory");
	rc = find_file(s, err);
	if (!rc)
		rc = signals_open(&s->signals, err);
	if (!rc)
		rc = find_peer(s, err);
	if (!rc && config->command)
		rc = start_command(s, captures, err);
	if (!rc) {
		name_subject(s);
		rc = send_request(s, err);
	}
	return rc;
}

/* Only where nothing was ever sampled a command is still held back. */
static int ask_again(struct top_session *s, struct err *err)
{
	int rc;

	peer_close(&s->peer, 0);
	s->request.on_exec = s->config->command && !s->child.released;
	rc = find_peer(s, err);
	return rc ? rc : send_request(s, err);
}

static void set_trouble(struct top_session *s, const char *text)
{
	snprintf(s->trouble, sizeof(s->trouble), "%.299s", text);
	s->phase = TOP_ENDED;
	s->changing = false;
}

void top_session_ask(struct top_session *s, uint32_t rate_hz, double interval_s)
{
	struct err err = {0};

	s->rate_before = s->request.rate_hz;
	s->request.rate_hz = rate_hz;
	s->request.interval_s = interval_s;
	s->changing = true;
	s->trouble[0] = '\0';
	s->retry_ns = 0;
	if (ask_again(s, &err) < 0)
		set_trouble(s, err.text);
}

void top_session_retry(struct top_session *s)
{
	const char *path = connect_path(s->choice.socket, NULL);
	struct err err = {0};

	s->retry_ns = 0;
	peer_close(&s->peer, 0);
	if (!connect_daemon(&s->peer, path, s->signals.fd, &err) && !send_request(s, &err)) {
		s->trouble[0] = '\0';
		return;
	}
	peer_close(&s->peer, 0);
	s->retry_ns = clock_now_ns() + RETRY_NS;
}

/* ---- what comes --------------------------------------------------------------------------------
 */

static void on_started(struct top_session *s)
{
	if (s->phase != TOP_PREPARING)
		return;
	s->phase = TOP_WATCHING;
	s->changing = false;
	if (!s->started_ns)
		s->started_ns = clock_now_ns();
	child_release(&s->child);
}

static int take(struct top_session *s, const json_t *message, struct err *err)
{
	struct watch_interval interval;
	int rc = watch_receiver_take(s->receiver, message, &interval, err);

	if (rc <= 0)
		return rc;
	rc = s->config->replay ? top_model_keep(s->model, s->receiver, &interval, err)
			       : top_model_add(s->model, s->receiver, &interval, err);
	if (rc < 0)
		return rc;
	s->elapsed_s = interval.elapsed_s;
	s->rate_hz = interval.rate_hz;
	if (interval.last)
		s->phase = TOP_ENDED;
	return 1;
}

static int on_watch(struct top_session *s, const json_t *message)
{
	struct err err = {0};
	int rc;

	if (s->phase != TOP_WATCHING)
		return 0;
	rc = take(s, message, &err);
	if (rc < 0)
		set_trouble(s, err.text);
	return rc != 0;
}

/* Before anything was sampled: a private engine may do what the daemon does not. After another rate
 * was asked for: the one before it was good. */
static int on_refused(struct top_session *s, struct err *why)
{
	struct err other = *why;

	if (!s->started_ns) {
		if (s->config->replay || choose_again(&s->peer, &s->choice, &s->signals, why) < 0)
			return why->code;
		return send_request(s, why);
	}
	if (!s->changing || s->rate_before == s->request.rate_hz)
		return why->code;
	s->changing = false;
	s->request.rate_hz = s->rate_before;
	snprintf(s->news, sizeof(s->news), "%.299s", other.text);
	return ask_again(s, why);
}

static int on_error(struct top_session *s, struct err *why)
{
	int rc = s->phase == TOP_PREPARING ? on_refused(s, why) : why->code;

	if (!rc)
		return 0;
	set_trouble(s, why->text);
	return s->started_ns ? 1 : rc;
}

static int on_gone(struct top_session *s, int code, struct err *why)
{
	const bool is_private = s->peer.engine != 0;

	if (s->phase == TOP_ENDED) {
		peer_close(&s->peer, 0);
		return 0;
	}
	err_set(why, code, "%s",
		is_private
			? "the engine ended unexpectedly"
			: "the daemon closed the connection: it was stopped, or see `journalctl -u "
			  "profd`");
	if (s->phase == TOP_WATCHING && !is_private) {
		snprintf(s->trouble, sizeof(s->trouble),
			"the daemon closed the connection; waiting for it to come back");
		s->phase = TOP_ENDED;
		s->retry_ns = clock_now_ns() + RETRY_NS;
		return 1;
	}
	return on_error(s, why);
}

static int handle_message(struct top_session *s, json_t *message, struct err *err)
{
	uint64_t id;
	int rc = 0;

	switch (serve_message_kind(message, &id)) {
	case SERVE_HELLO:
		if (serve_check_hello(message, err) < 0)
			rc = on_error(s, err);
		break;
	case SERVE_STARTED:
		on_started(s);
		break;
	case SERVE_WATCH:
		rc = on_watch(s, message);
		break;
	case SERVE_ERROR:
		serve_get_error(message, err);
		rc = on_error(s, err);
		break;
	default:
		log_message(LOG_LEVEL_DEBUG, "top", "a message of an unknown kind");
		break;
	}
	json_decref(message);
	return rc;
}

static int read_peer(struct top_session *s, struct err *err)
{
	int changed = 0;

	for (int i = 0; i < MESSAGES_MAX && s->peer.channel; i++) {
		json_t *message;
		int fd, rc = channel_receive(s->peer.channel, &message, &fd, err);

		if (!rc)
			break;
		if (rc == 1)
			fd_close(&fd);
		rc = rc == 1 ? handle_message(s, message, err) : on_gone(s, rc, err);
		if (rc < 0)
			return rc;
		changed |= rc;
	}
	return changed;
}

/* ---- waiting -----------------------------------------------------------------------------------
 */

/* While nothing is read the engine goes on gathering; that it has gone is noticed all the same. */
void top_session_fds(const struct top_session *s, bool reads, struct pollfd p[TOP_SESSION_FDS])
{
	p[0] = (struct pollfd){.fd = s->peer.channel ? channel_fd(s->peer.channel) : -1,
		.events = reads ? POLLIN : POLLRDHUP};
	p[1] = (struct pollfd){.fd = s->signals.fd, .events = POLLIN};
	p[2] = (struct pollfd){.fd = s->child.released ? s->child.report_fd : -1, .events = POLLIN};
	p[3] = (struct pollfd){.fd = s->output_fd, .events = POLLIN};
}

int top_session_handle(
	struct top_session *s, bool reads, const struct pollfd p[TOP_SESSION_FDS], struct err *err)
{
	read_signals(s);
	if (p[2].revents) {
		s->exec_error = child_exec_result(&s->child, s->config->command[0], err);
		if (s->exec_error < 0)
			return s->exec_error;
	}
	if (p[3].revents && !top_tail_read(s->output, s->output_fd))
		fd_close(&s->output_fd);
	return reads || p[0].revents ? read_peer(s, err) : 0;
}

/* ---- the end -----------------------------------------------------------------------------------
 */

void top_session_stop(struct top_session *s)
{
	peer_close(&s->peer, 0);
	watch_receiver_free(s->receiver);
	s->receiver = NULL;
}

/* What the command has written so far, and from now on what it writes. */
static void pass_output(struct top_session *s, int output_fd)
{
	bool more = s->output_fd >= 0;

	if (!s->output)
		return;
	if (more && !top_tail_read(s->output, s->output_fd))
		fd_close(&s->output_fd);
	if (s->output->total && top_tail_write(s->output, output_fd) < 0)
		fd_close(&s->output_fd); /* nobody reads it any more */
}

/* One signal is for the command, from whom it may come; another one ends the waiting: that signal.
 */
static int wait_for_command(struct top_session *s, int output_fd)
{
	bool told = s->config->client.quiet || s->stop_signal || s->exec_error;
	int n_signals = 0;

	for (;;) {
		struct pollfd p[] = {{.fd = s->signals.fd, .events = POLLIN},
			{.fd = s->output_fd, .events = POLLIN}};

		pass_output(s, output_fd);
		if (child_reap(&s->child))
			break;
		if (s->stop_signal && n_signals++)
			return s->stop_signal;
		if (s->stop_signal && s->forward)
			kill(s->child.pid, s->stop_signal);
		s->stop_signal = 0;
		if (!told)
			say("waiting for %s to end", s->subject);
		told = true;
		poll(p, 2, -1);
		read_signals(s);
	}
	pass_output(s, output_fd);
	return 0;
}

static int exit_status(const struct top_session *s, int status)
{
	if (s->exec_error)
		return s->exec_error == -ENOENT ? 127 : 126;
	if (s->child.exited && s->child.released && child_status(&s->child))
		return child_status(&s->child);
	return status;
}

int top_session_close(struct top_session *s, int status, int output_fd)
{
	int given_up = 0;

	top_session_stop(s);
	child_give_up(&s->child);
	if (s->child.pid)
		given_up = wait_for_command(s, output_fd);
	status = given_up ? 128 + given_up : exit_status(s, status);
	if (s->signals.fd >= 0)
		signals_close(&s->signals);
	fd_close(&s->output_fd);
	free(s->output);
	top_model_free(s->model);
	return status;
}
