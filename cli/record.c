/* SPDX-License-Identifier: BSD-2-Clause */
/* profd record: a profile of running processes, or of a command from its first instruction on.
 *
 *   open the output  ->  connect to the daemon, or start an engine  ->  hold the command  ->  ask
 * for the recording
 *   ->  `started`: let the command go  ->  progress ...  ->  `finished`: name the output, sum up
 *   ->  wait for the command, pass its status on
 *
 * One loop waits for the engine, for signals and for the command; what happens in it is `struct
 * session`. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "cli/child.h"
#include "cli/choose.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/record.h"
#include "cli/signals.h"
#include "cli/subject.h"
#include "cli/summary.h"
#include "cli/terminal.h"

enum { ENGINE_GRACE_MS = 5000 };

enum phase {
	PREPARING, /* nothing is sampled yet */
	RECORDING,
	STOPPING, /* asked to stop; the profile is being written */
	ENDED,    /* the engine has said its last word, or has gone */
};

struct session {
	const struct record_config *config;
	struct record_request request;
	struct output output;
	struct signals signals;
	struct choice choice;
	struct peer engine; /* a private one, or the system's daemon */
	struct child child;
	struct progress progress;
	enum phase phase;
	json_t *finished;  /* the message; NULL: there is no profile */
	char subject[300]; /* "python3 (4711)"; hostile */
	bool broken;       /* the engine ended without a word */
	int stop_signal;   /* the first that asked us to stop */
	bool forward;      /* it came to us alone: the command is to get it as well */
	int give_up;       /* the second one: leave now */
	int exec_error;    /* negative errno: the command could not be run */
};

/* ---- names -------------------------------------------------------------------------------------
 */

static void name_subject(struct session *s, const char *name)
{
	subject_of_pids(s->subject, sizeof(s->subject), name, s->request.pids, s->request.n_pids);
}

static void default_output(const struct session *s, char *path, size_t bytes)
{
	char comm[64];

	if (s->config->command)
		snprintf(comm, sizeof(comm), "%s", subject_base_name(s->config->command[0]));
	else
		subject_comm(s->request.pids[0], comm, sizeof(comm));
	record_default_output(path, bytes, comm, s->request.pids[0], s->config->format.extension);
}

/* Before the command is started, because that may be in vain; so its PID gets into the name later.
 */
static int open_output(struct session *s, struct err *err)
{
	char path[256];

	if (s->config->output)
		return output_open(&s->output, s->config->output, err);
	default_output(s, path, sizeof(path));
	return output_open(&s->output, path, err);
}

/* ---- messages from the engine ------------------------------------------------------------------
 */

static void on_started(struct session *s, const json_t *message)
{
	const json_t *started = json_object_get(message, "started");
	const char *source = json_string_value(json_object_get(started, "source"));
	const char *note = json_string_value(json_object_get(started, "note"));
	char duration[32], until[80];

	if (s->phase != PREPARING)
		return;
	s->phase = RECORDING;
	progress_clear(&s->progress);
	if (!s->config->client.quiet) {
		snprintf(until, sizeof(until), "Ctrl-C stops");
		if (s->request.duration_s > 0)
			snprintf(until, sizeof(until), "for %s; Ctrl-C stops earlier",
				terminal_duration(s->request.duration_s, duration));
		say("sampling %s at %u Hz with %s%s%s%s; %s", s->subject, s->request.rate_hz,
			source ? source : "an unnamed source", note ? " (" : "", note ? note : "",
			note ? ")" : "", until);
	}
	child_release(&s->child);
}

static void on_progress(struct session *s, const json_t *message)
{
	const json_t *p = json_object_get(message, "progress");
	json_int_t samples = json_integer_value(json_object_get(p, "samples"));
	json_int_t lost = json_integer_value(json_object_get(p, "lost"));

	if (s->phase == RECORDING)
		progress_show(&s->progress, json_number_value(json_object_get(p, "elapsed_s")),
			samples > 0 ? (uint64_t)samples : 0, lost > 0 ? (uint64_t)lost : 0);
}

/* The daemon does not do it: a private engine may. A command is still held back. True: one has
 * begun; false: `why` is to be told. */
static bool ask_another(struct session *s, struct err *why)
{
	if (s->phase != PREPARING || s->engine.engine)
		return false;
	progress_clear(&s->progress);
	if (choose_again(&s->engine, &s->choice, &s->signals, why) < 0)
		return false;
	if (serve_send_record(s->engine.channel, &s->request, s->output.fd, NULL) < 0) {
		s->broken = true;
		s->phase = ENDED;
	}
	return true;
}

static void on_error(struct session *s, const json_t *message)
{
	struct err err = {0};
	int code = serve_get_error(message, &err);

	if (ask_another(s, &err))
		return;
	progress_clear(&s->progress);
	say("%s", err.text);
	if (s->phase != PREPARING && (code == -ENOSPC || code == -EDQUOT || code == -EFBIG))
		say("nothing was written to %s; free some space, or choose another place with --output",
			output_label(&s->output));
	s->phase = ENDED;
}

static void handle_message(struct session *s, json_t *message)
{
	struct err err = {0};
	uint64_t id;

	switch (serve_message_kind(message, &id)) {
	case SERVE_HELLO:
		if (serve_check_hello(message, &err) < 0) {
			say("%s", err.text);
			s->phase = ENDED;
		}
		break;
	case SERVE_STARTED:
		on_started(s, message);
		break;
	case SERVE_PROGRESS:
		on_progress(s, message);
		break;
	case SERVE_FINISHED:
		s->finished = json_incref(message);
		s->phase = ENDED;
		break;
	case SERVE_ERROR:
		on_error(s, message);
		break;
	default:
		log_message(LOG_LEVEL_DEBUG, "record", "a message of an unknown kind");
		break;
	}
	json_decref(message);
}

static void on_broken(struct session *s, int rc)
{
	struct err why = {0};

	err_set(&why, rc, "the daemon closed the connection");
	if (ask_another(s, &why))
		return;
	s->broken = true;
	s->phase = ENDED;
}

static void read_engine(struct session *s)
{
	while (s->phase != ENDED) {
		struct err err = {0};
		json_t *message;
		int fd, rc = channel_receive(s->engine.channel, &message, &fd, &err);

		fd_close(&fd);
		if (rc == 1)
			handle_message(s, message);
		else if (!rc)
			return;
		else
			on_broken(s, rc);
	}
}

/* ---- signals and the command -------------------------------------------------------------------
 */

static void ask_to_stop(struct session *s)
{
	if (s->phase == PREPARING) { /* there is nothing yet that could be written */
		s->give_up = s->stop_signal;
		return;
	}
	if (s->phase != RECORDING)
		return;
	s->phase = STOPPING;
	progress_say(&s->progress, "stopping, writing the profile; Ctrl-C again gives it up");
	if (serve_send_stop(s->engine.channel, s->request.id, NULL) < 0)
		s->broken = true;
}

static void on_signal(struct session *s, int signal_number, bool from_terminal)
{
	if (signal_number == SIGCHLD) {
		child_reap(&s->child);
		return;
	}
	if (s->stop_signal) {
		s->give_up = signal_number;
		return;
	}
	s->stop_signal = signal_number;
	s->forward = !from_terminal;
	if (s->phase != ENDED)
		ask_to_stop(s);
}

static void forward_signal(struct session *s)
{
	if (s->forward && s->child.pid && !s->child.exited)
		kill(s->child.pid, s->stop_signal);
	s->forward = false;
}

static void read_signals(struct session *s)
{
	bool from_terminal;
	int signal_number;

	while ((signal_number = signals_next(&s->signals, &from_terminal)))
		on_signal(s, signal_number, from_terminal);
}

/* Whether the command could be run is known now: waits for that, which is short. */
static void check_exec(struct session *s)
{
	struct err err = {0};

	s->exec_error = child_exec_result(&s->child, s->config->command[0], &err);
	if (s->exec_error < 0) {
		progress_clear(&s->progress);
		say("%s", err.text);
	}
}

/* Until the engine has said its last word, the user gives up, or the command turns out not to run.
 */
static int run_loop(struct session *s, struct err *err)
{
	while (s->phase != ENDED && !s->give_up && !s->exec_error) {
		struct pollfd p[] = {
			{.fd = channel_fd(s->engine.channel), .events = POLLIN},
			{.fd = s->signals.fd, .events = POLLIN},
			{.fd = s->phase == PREPARING ? -1 : s->child.report_fd, .events = POLLIN},
		};

		if (poll(p, 3, -1) < 0 && errno != EINTR)
			return err_set(
				err, -errno, "cannot wait for the engine: %s", strerror(errno));
		read_signals(s);
		if (p[2].revents)
			check_exec(s);
		read_engine(s);
	}
	if (s->phase == ENDED && s->config->command && s->child.release_fd < 0 && !s->exec_error)
		check_exec(s);
	return 0;
}

/* The profile is done, or has failed; the command goes on as if profd were not there. */
static void wait_for_command(struct session *s)
{
	const json_t *finished = json_object_get(s->finished, "finished");
	const char *ended = json_string_value(json_object_get(finished, "ended"));
	bool told = s->config->client.quiet || s->stop_signal || s->exec_error ||
		    (ended && !strcmp(ended, "exited"));

	while (!child_reap(&s->child) && !s->give_up) {
		struct pollfd p = {.fd = s->signals.fd, .events = POLLIN};

		forward_signal(s);
		if (!told)
			say("waiting for %s to end", s->subject);
		told = true;
		poll(&p, 1, -1);
		read_signals(s);
	}
}

/* ---- from start to end -------------------------------------------------------------------------
 */

static int start_command(struct session *s, struct err *err)
{
	const int private_fds[] = {channel_fd(s->engine.channel), s->signals.fd, s->output.fd,
		s->output.folder_fd, s->output.direct_fd};
	int rc = child_start(&s->child, s->config->command, &s->signals, private_fds,
		sizeof(private_fds) / sizeof(private_fds[0]), err);

	char path[256];

	if (rc < 0)
		return rc;
	s->request.pids[0] = (uint32_t)s->child.pid;
	s->request.n_pids = 1;
	if (!s->config->output) {
		default_output(s, path, sizeof(path));
		output_rename(&s->output, path);
	}
	name_subject(s, subject_base_name(s->config->command[0]));
	snprintf(s->request.title, sizeof(s->request.title), "%.255s", s->subject);
	return 0;
}

/* Ctrl-C is not to wait for a daemon that does not answer. */
static int find_peer(struct session *s, struct err *err)
{
	int rc;

	do {
		rc = choose_peer(&s->engine, &s->choice, &s->signals, err);
		if (rc == -EINTR)
			read_signals(s);
	} while (rc == -EINTR && !s->give_up);
	return rc;
}

static int start(struct session *s, struct err *err)
{
	int rc = open_output(s, err);

	if (!rc)
		rc = signals_open(&s->signals, err);
	if (!rc)
		rc = find_peer(s, err);
	if (!rc && s->config->command)
		rc = start_command(s, err);
	else if (!rc) {
		char comm[64];

		subject_comm(s->request.pids[0], comm, sizeof(comm));
		name_subject(s, comm);
	}
	if (!rc && s->progress.bar)
		progress_say(&s->progress, "preparing ...");
	if (!rc)
		rc = serve_send_record(s->engine.channel, &s->request, s->output.fd, err);
	return rc == -EPIPE ? 0 : rc; /* the loop finds out what became of the engine */
}

static int explain_broken(struct session *s, bool is_private, int wait_status)
{
	progress_clear(&s->progress);
	if (!is_private)
		say("the daemon closed the connection: it was stopped, or see `journalctl -u profd`; "
		    "nothing was written to %s",
			output_label(&s->output));
	else if (WIFSIGNALED(wait_status))
		say("the engine was killed by signal %d (%s); nothing was written to %s",
			WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)),
			output_label(&s->output));
	else
		say("the engine ended unexpectedly; nothing was written to %s",
			output_label(&s->output));
	return -EPIPE;
}

static int write_summary(const struct session *s, const char *path, uint64_t bytes, struct err *err)
{
	struct summary summary = {.output = path,
		.format = s->config->format.name,
		.output_bytes = bytes,
		.subject = s->subject,
		.finished = json_object_get(s->finished, "finished")};
	int rc = s->config->client.json ? summary_print_json(stdout, &summary) : 0;

	if (!s->config->client.quiet)
		summary_print(stderr, &summary, terminal_columns(STDERR_FILENO));
	return rc < 0 ? err_set(err, rc, "cannot write the summary to standard output: %s",
				strerror(-rc))
		      : 0;
}

/* Puts the profile in its place. A pipe may be slow to take it: signals then act as usual. */
static int keep_profile(struct session *s, struct err *err)
{
	bool direct = s->output.direct_fd >= 0;
	int rc;

	progress_clear(&s->progress);
	if (direct)
		signals_let_go(&s->signals);
	rc = output_commit(&s->output, err);
	if (direct)
		signals_hold(&s->signals);
	return rc < 0 ? rc : write_summary(s, s->output.path, s->output.bytes, err);
}

/* 0 where there is a profile. */
static int conclude(struct session *s, struct err *err)
{
	const bool is_private = s->engine.engine != 0;
	int wait_status = peer_close(&s->engine, s->give_up ? 0 : ENGINE_GRACE_MS);

	progress_clear(&s->progress);
	if (s->give_up || s->exec_error)
		return -ECANCELED;
	if (s->finished)
		return keep_profile(s, err);
	return s->broken ? explain_broken(s, is_private, wait_status)
			 : -EIO; /* else it was told already */
}

static int exit_status(const struct session *s, int rc)
{
	if (s->exec_error)
		return s->exec_error == -ENOENT ? 127 : 126;
	if (s->give_up)
		return 128 + s->give_up;
	if (s->child.exited && s->child.released && child_status(&s->child))
		return child_status(&s->child);
	return rc < 0 ? CLI_FAILED : CLI_OK;
}

static int record(const struct record_config *config)
{
	struct session *s = calloc(1, sizeof(*s));
	struct err err = {0};
	int rc, status;

	if (!s) {
		say("out of memory");
		return CLI_FAILED;
	}
	s->config = config;
	s->request = config->request;
	s->choice = (struct choice){config->client.socket, config->client.verbose};
	s->child = (struct child){.release_fd = -1, .report_fd = -1};
	s->signals.fd = -1;
	progress_init(&s->progress, config->client.quiet,
		config->client.verbose || (config->command && isatty(STDOUT_FILENO)),
		s->request.duration_s);
	rc = start(s, &err);
	if (!rc)
		rc = run_loop(s, &err);
	if (!rc)
		rc = conclude(s, &err);
	else
		peer_close(&s->engine, 0);
	output_discard(&s->output);
	if (rc < 0 && err.text[0])
		say("%s", err.text);
	child_give_up(&s->child);
	if (s->child.pid)
		wait_for_command(s);
	status = exit_status(s, rc);
	if (s->signals.fd >= 0)
		signals_close(&s->signals);
	json_decref(s->finished);
	free(s);
	return status;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
	struct record_config config;
	struct err err = {0};
	int status, rc = record_parse(self, argc, argv, &config, &err);

	if (!client_parsed(self, rc, &err, &status))
		return status;
	client_set_log_level(&config.client);
	return record(&config);
}

static const struct cli_example examples[] = {
	{"profd record --pid 4711 --duration 60",
		"a flamegraph of process 4711 after a minute; open the SVG in a browser"},
	{"profd record --pid 4711 --subprocesses --output web.svg",
		"with its workers, as under gunicorn, until Ctrl-C"},
	{"profd record --rate 999 -- python3 app.py --port 8000",
		"a command from its first instruction to its end, 999 times a second"},
	{"profd record -p 4711 -d 10 -f collapsed -o - | grep parse",
		"stacks as text, for other tools"},
	{"profd record -p 4711 -d 60 -o monday.profd",
		"a file of all samples, to make reports, flamegraphs and comparisons of later"},
	{NULL, NULL},
};

const struct cli_command record_command = {
	.name = "record",
	.group = "Record now",
	.summary = "profile running processes or a command, and write a flamegraph",
	.usage = "(-p|--pid) PID[,PID...] [OPTION...]\n[OPTION...] -- COMMAND [ARG...]",
	.about =
		"Nothing is changed in the processes, and they are never stopped. Where the daemon runs it\n"
		"takes no privilege to record one's own processes; without it, root or the capabilities\n"
		"CAP_BPF and CAP_PERFMON. The file is written at the end, in one piece: an older file of\n"
		"its name survives a failure. Ctrl-C, SIGTERM or the end of the processes stops, and what\n"
		"was gathered is written.\n"
		"\n"
		"A COMMAND runs as the user who calls profd. When --duration ends before it does, the\n"
		"profile is written and profd waits for it; SIGTERM and SIGHUP to profd are passed on.\n"
		"It shares the terminal, so there are plain lines instead of a progress bar, unless its\n"
		"output goes elsewhere.",
	.examples = examples,
	.n_shown = 4,
	.takes_command = true,
	.options = record_options,
	.choices = record_choices,
	.trailer =
		"Exit status: 0, or that of COMMAND (128+N where signal N killed it, 127 where it was not\n"
		"found, 126 where it cannot be run); 1 failure; 2 wrong usage; 128+N given up by signal N.",
	.run = run,
};
