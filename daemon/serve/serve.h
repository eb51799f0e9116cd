/* SPDX-License-Identifier: BSD-2-Clause */
/* The protocol between the command line and a daemon (schema/protocol.md), both sides of it.
 *
 *     client                                  server
 *       hello                ------------->
 *                            <-------------     hello
 *       record + descriptor  ------------->
 *                            <-------------     started      every event is attached
 *                            <-------------     progress     4 to 10 times a second
 *       stop (optional)      ------------->
 *                            <-------------     finished     the profile is in the descriptor
 *       report + descriptor  ------------->
 *                            <-------------     reported     the answer is in the descriptor
 *       live                 ------------->
 *                            <-------------     live         again and again, until `stop`
 *       ps, status, doctor   ------------->
 *                            <-------------     the same, with the answer
 *       diff + descriptor    ------------->
 *                            <-------------     compared     the answer is in the descriptor
 *       watch                ------------->
 *                            <-------------     started, watch   again and again, until `stop`
 *       pause, resume        ------------->
 *                            <-------------     done
 *                                               (or error, at any point)
 *
 * One JSON object a line over a stream socket. Bulk never is JSON: the client passes the descriptor
 * of its output file, and the daemon writes into that. */
#ifndef PROFD_SERVE_SERVE_H
#define PROFD_SERVE_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "analyze/analyze.h"
#include "base/err.h"
#include "flow/profile.h"

enum {
	SERVE_PROTOCOL = 1,
	SERVE_LINE_MAX = 256 * 1024, /* bytes, newline included */
	SERVE_PIDS_MAX = 1024,
	SERVE_RATE_MAX_HZ = 20000,
	SERVE_TEXTS_MAX = 256, /* names in one filter */
	SERVE_PATH_MAX = 4096,
	SERVE_QUEUE_MAX = 4 << 20, /* bytes; what waits for a slow client stays below it */
	SERVE_LIVE_ROWS_MAX = 1000,
	SERVE_ANSWERED_MAX = 100, /* greetings and messages without sense of one client */
};
#define SERVE_DURATION_MAX_S (366.0 * 86400)
/* The format of a recording that is no picture but a file of the store's own form. */
#define SERVE_FORMAT_PROFD "profd"

/* ---- a channel: lines of JSON and descriptors over one socket ----------------------------------
 */

struct channel;

/* Takes `fd` over (also on failure) and makes it non-blocking. NULL: out of memory. */
struct channel *channel_new(int fd, struct err *err);
void channel_free(
	struct channel *ch); /* NULL is allowed; closes the socket and descriptors nobody took */
int channel_fd(const struct channel *ch);

/* Takes the next message without blocking, and with a bounded number of reads.
 *   1          `*message` is an object, the caller's to json_decref; `*fd` the descriptor that
 *              came with it, the caller's to close, or -1
 *   0          nothing whole is there yet; poll() tells when there is more
 *   -EPIPE     the peer has closed, and all that it sent was handed out
 *   -EBADMSG   a line that is no JSON object; -EMSGSIZE: a line over SERVE_LINE_MAX. That line is
 *              gone, and the channel can still be read
 *   other      the socket failed */
int channel_receive(struct channel *ch, json_t **message, int *fd, struct err *err)
	__attribute__((warn_unused_result));

/* Whether bytes that were read are not looked at yet: who takes one message at a time must not wait
 * in poll() then. */
bool channel_is_ready(const struct channel *ch);

/* Sends `message` (its reference is taken, also on failure; NULL gives -ENOMEM) with a copy of
 * descriptor `fd` unless that is -1. Waits until the peer takes it; -EPIPE where there is no peer
 * any more. */
int channel_send(struct channel *ch, json_t *message, int fd, struct err *err);

/* The same, but never waits: where the peer does not read, the message is dropped and 0 returned.
 * For messages that the next one replaces. */
int channel_offer(struct channel *ch, json_t *message, struct err *err);

/* The same, for a server of many clients: what the peer does not take now waits in the channel, to
 * be sent by channel_flush. -ENOBUFS: over SERVE_QUEUE_MAX is waiting; who reads so slowly is to be
 * let go. */
int channel_queue(struct channel *ch, json_t *message, struct err *err);
int channel_flush(struct channel *ch); /* 0: nothing waits any more; 1: some does; -EPIPE, other */
bool channel_is_queued(const struct channel *ch); /* so that poll() asks for POLLOUT */

/* For handing a client over to another process, once nothing is queued any more: what was read from
 * the socket and not yet taken by channel_receive, valid until the next call; and the other way
 * round. What is preloaded, before the first channel_receive, is received before anything from the
 * socket, `fd` (-1: none; taken over, also on failure) with its first message; the peer counts as
 * greeted. 0, -ENOMEM, or -E2BIG: more than a message and what may have been read behind it. */
const char *channel_unread(const struct channel *ch, size_t *bytes);
int channel_preload(struct channel *ch, const char *bytes, size_t n, int fd);

/* A JSON string of hostile bytes: what is not UTF-8 becomes U+FFFD, and what is over 2 KiB is cut
 * with an ellipsis. NULL: out of memory. */
json_t *serve_text(const char *bytes);

/* ---- messages ----------------------------------------------------------------------------------
 */

struct record_request {
	uint64_t id;                   /* chosen by the client, repeated in every answer */
	uint32_t pids[SERVE_PIDS_MAX]; /* each once, in the client's order; never 0 */
	size_t n_pids;                 /* at least 1 */
	double duration_s;             /* 0: until `stop` or until the processes end */
	uint32_t rate_hz;
	char format[32]; /* a name that render_format_find() knows, or SERVE_FORMAT_PROFD */
	char source[16]; /* "auto" or "ebpf" */
	char title[256]; /* for people; "": the server makes one up. Hostile */
	bool subprocesses, threads, kernel, native;
	bool on_exec; /* the first sample is taken after the next exec of the process */
};

/* The request as a message, and back. Decoding is strict: unknown members, wrong types and values
 * out of range are errors with a text that names the member. NULL: out of memory. */
json_t *serve_encode_record(const struct record_request *r);
int serve_decode_record(const json_t *message, struct record_request *r, struct err *err);

/* What of a store is asked for. Lists are NULL-terminated and, like the texts, belong to the
 * request. */
struct report_selection {
	double since_unix_s, until_unix_s; /* 0: no bound */
	uint32_t pids[SERVE_PIDS_MAX];
	size_t n_pids;
	char **comms, **containers, **users, **threads;
	size_t n_comms, n_containers, n_users, n_threads; /* at most SERVE_TEXTS_MAX each */
	/* An absolute path; "": the daemon's own. A private engine alone takes a path */
	char store[SERVE_PATH_MAX];
};
void report_selection_clear(struct report_selection *s);

/* A question to a store (STORE in schema/README.md). */
struct report_request {
	uint64_t id;
	struct report_selection of;
	char by[16];      /* a name that report_by_find() knows */
	char sort[8];     /* "self" or "total" */
	char format[32];  /* a name that table_format_find() or render_format_find() knows */
	uint32_t limit;   /* rows; 0: all */
	uint32_t columns; /* of the reader's terminal; 0: no limit */
	bool colours, kernel;
};

/* As those of a recording; NULL also where the store's path is not UTF-8. */
json_t *serve_encode_report(const struct report_request *r);
int serve_decode_report(const json_t *message, struct report_request *r, struct err *err);
void report_request_clear(struct report_request *r); /* also after an error of the decoding */

/* A live view: every `interval_s` the hottest functions of that span. */
struct live_request {
	uint64_t id;
	double interval_s;             /* 0.1 to 60 */
	uint32_t pids[SERVE_PIDS_MAX]; /* n_pids 0: all that the client may see */
	size_t n_pids;
	uint32_t limit; /* rows, 1 to SERVE_LIVE_ROWS_MAX */
};

json_t *serve_encode_live(const struct live_request *r);
int serve_decode_live(const json_t *message, struct live_request *r, struct err *err);

/* What changed from one side to the other. Both sides are of the daemon's own store, or both name
 * files. */
struct diff_request {
	uint64_t id;
	struct report_selection before, after; /* on the wire `before` and `after`, objects */
	char by[16];                           /* as in a report: function, line or module */
	char sort[8];    /* "self", "total": which share the order and the limit go by */
	char format[32]; /* a name that diff_format_find() knows */
	uint32_t limit;  /* rows; 0: all */
	uint32_t columns;
	bool colours, kernel;
};

json_t *serve_encode_diff(const struct diff_request *r);
int serve_decode_diff(const json_t *message, struct diff_request *r, struct err *err);
void diff_request_clear(struct diff_request *r); /* also after an error of the decoding */

/* The tree of stacks itself, interval by interval: for `profd top`. */
struct watch_request {
	uint64_t id;
	double interval_s; /* 0.1 to 60 */
	uint32_t pids[SERVE_PIDS_MAX];
	size_t n_pids; /* with all four lists empty: all that the client may see */
	char **comms, **containers, **users; /* as in a report; of a list one has to match, and of
						the lists all */
	size_t n_comms, n_containers, n_users;
	/* Samples of its own at that rate. 0: whatever rate the daemon samples the host at, which
	 * costs nothing more; a private engine takes 99. */
	uint32_t rate_hz;
	bool subprocesses, kernel, native; /* the last two with a rate of its own only */
	bool on_exec;                      /* as in a recording; with one PID, and a rate */
	/* Of a private engine: plays what this file holds (a store, or a profile file), window by
	 * window, as fast as the client reads. Only the lists above count then. "": what runs now
	 */
	char store[SERVE_PATH_MAX];
};

json_t *serve_encode_watch(const struct watch_request *r);
int serve_decode_watch(const json_t *message, struct watch_request *r, struct err *err);
void watch_request_clear(struct watch_request *r); /* also after an error of the decoding */

enum serve_kind {
	SERVE_UNKNOWN,
	SERVE_HELLO,
	SERVE_RECORD,
	SERVE_STOP,
	SERVE_REPORT,   /* client: with a descriptor for the answer */
	SERVE_REPORTED, /* server: the descriptor has it all */
	SERVE_PS,       /* either side */
	SERVE_STATUS,   /* either side */
	SERVE_PAUSE,    /* client */
	SERVE_RESUME,   /* client */
	SERVE_DONE,     /* server: of pause and resume */
	SERVE_LIVE,     /* either side: again and again, until `stop` */
	SERVE_DOCTOR,   /* either side */
	SERVE_DIFF,     /* client: with a descriptor for the answer */
	SERVE_COMPARED, /* server: the descriptor has it all */
	SERVE_WATCH,    /* either side: again and again, until `stop` */
	SERVE_STARTED,
	SERVE_PROGRESS,
	SERVE_FINISHED,
	SERVE_ERROR
};

/* What a message is, and the `id` in it (0 where it has none). */
enum serve_kind serve_message_kind(const json_t *message, uint64_t *id);

/* ---- the server's side -------------------------------------------------------------------------
 */

struct serve_call {
	enum serve_kind kind; /* one that a client sends, but not SERVE_HELLO */
	uint64_t id;
	int fd; /* of RECORD, REPORT and DIFF: the output, open for writing; the caller's to close.
		   Else -1 */
	struct record_request record; /* of SERVE_RECORD: valid; and so on */
	struct report_request report; /* to be cleared by serve_call_clear */
	struct live_request live;
	struct diff_request diff;
	struct watch_request watch;
};

/* Frees what came with a call, and closes its descriptor. */
void serve_call_clear(struct serve_call *call);

/* channel_receive() for a server: answers greetings, malformed, unknown and invalid messages by
 * itself and hands out valid requests only. 1: `*call` is one; 0: nothing to do now; -EPIPE: the
 * client is gone; -EPROTO: it has sent more than SERVE_ANSWERED_MAX messages that were answered
 * here and is to be let go, as it is where its answers pile up (-ENOBUFS); other negative errno:
 * the socket failed. `*call` needs no initialisation and can be cleared after any of them. */
int serve_next(struct channel *ch, struct serve_call *call, struct err *err)
	__attribute__((warn_unused_result));

struct serve_started {
	const char *source; /* "ebpf" */
	const char *note;   /* why not a better source; NULL: nothing to say */
	const char
		*title; /* what is recorded, for people: "python3 (4711)"; may be NULL. Hostile */
	const uint32_t *pids;
	size_t n_pids;
};

enum serve_ended { ENDED_DURATION, ENDED_STOPPED, ENDED_EXITED };

struct serve_finished {
	const struct profile *profile; /* source, title and quality are taken from it */
	const struct top_row *top;     /* of analyze_top() on that profile */
	size_t n_top;
	enum serve_ended ended;
	const char *const *notes; /* sentences for people; NULL where n_notes is 0 */
	size_t n_notes;
};

/* A process in the answer to `ps`. Texts may be hostile; NULL is sent as null. */
struct serve_process {
	uint32_t pid;
	uint32_t uid;
	const char *user, *comm, *exe, *container, *python;
	double started_unix_s;
	uint32_t threads;
	/* CPUs used, by samples of the last closed window: 1.0 is one CPU. Negative: not known */
	double cpu;
	uint64_t samples; /* in that window */
};

/* Sent in as many `ps` messages as it takes, `more` in all but the last. Queued (channel_queue).
 * What is over three quarters of SERVE_QUEUE_MAX is left out, and its number told, so the busiest
 * should come first. `window_s` 0: no window was closed yet. */
int serve_send_ps(struct channel *ch, uint64_t id, double window_s,
	const struct serve_process *list, size_t n);

/* Negative rates and percentages are "not known". */
struct serve_status {
	const char *version, *source;
	double uptime_s, window_s;
	bool paused;
	const char *selection; /* "whole host", or what was chosen, for people */
	double requested_hz, current_hz,
		achieved_hz;    /* `current` is below `requested` to keep the budget */
	double max_cpu_percent; /* 0: none */
	uint64_t samples, lost, truncated, windows, windows_waiting,
		windows_lost; /* since the start */
	const struct profile_quality
		*quality; /* of the last window: failures by cause; NULL: none yet */
	double cpu_percent,
		kernel_cpu_percent; /* of one CPU, in the last window: profd and its programs */
	uint64_t rss_bytes;         /* 0: not known */
	uint32_t processes, clients;
	const char *store;       /* path */
	const char *store_error; /* NULL: it is fine */
	uint64_t store_bytes, store_max_bytes, store_samples, store_windows[3];
	double store_first_unix_s, store_last_unix_s; /* 0: empty */
	const char *const *notes;                     /* sentences for people */
	size_t n_notes;
};
int serve_send_status(struct channel *ch, uint64_t id, const struct serve_status *s); /* queued */

int serve_send_done(struct channel *ch, uint64_t id, const char *what); /* queued; a sentence */

struct serve_live {
	double elapsed_s, interval_s; /* since the start; the span that this is about */
	uint64_t samples, lost;
	const struct profile *profile;
	const struct top_row *rows;
	size_t n_rows;
};
int serve_send_live(struct channel *ch, uint64_t id, const struct serve_live *l); /* never waits */

struct serve_reported {
	double first_unix_s, last_unix_s, covered_s, longest_window_s; /* what was read */
	uint64_t windows, samples, lost;
	uint64_t rows, rows_all; /* of a table */
	const char *const *notes;
	size_t n_notes;
};
int serve_send_reported(struct channel *ch, uint64_t id, const struct serve_reported *r);

/* What a comparison is about, and its outcome. */
struct serve_compared {
	struct serve_reported before, after; /* rows, rows_all and notes are not used */
	const struct diff *diff;
	double worst; /* the largest significant growth of a row's share (by the request's `sort`),
			 in shares of the whole; 0: none */
	const char *worst_function; /* its name; NULL: none. Hostile */
	const char *const *notes;
	size_t n_notes;
};
int serve_send_compared(struct channel *ch, uint64_t id, const struct serve_compared *c);

/* A process of a watch: sent when it is new there or something of it has changed. */
struct serve_watch_process {
	uint32_t pid;                                 /* the client's number */
	const char *comm, *user, *container, *python; /* hostile; NULL is sent as null */
	uint32_t threads;
	bool ended;
	double gil; /* share of the interval in which a thread held the GIL; negative: not known */
};

/* What one interval held. */
struct serve_watch {
	double start_unix_s, interval_s; /* of the interval: when it began, how long it was */
	double elapsed_s;                /* since the watch began, at its end */
	double rate_hz;
	uint64_t lost, truncated; /* samples, in this interval */
	uint64_t failed;          /* samples in which a part of the stack is missing */
	uint32_t cpus;            /* online */
	/* profd's own cost in the interval, of one CPU; negative: not known. Where the daemon's own
	 * samples are shared, that of the whole daemon. */
	double cpu_percent, kernel_cpu_percent;
	uint64_t rss_bytes;
	bool shared; /* these are the daemon's own samples */
	bool last;   /* nothing will follow: every process has ended, or the file is at its end */
	/* The interval alone. Every stack begins with a PROCESS frame (name: its comm, line: the
	 * client's PID) and a THREAD frame (its name, its ID). */
	const struct profile *profile;
	const struct serve_watch_process *processes; /* those with samples so far, and those asked
							for */
	size_t n_processes;
};

/* Sends intervals: texts, frames and nodes of the tree are numbered and told once, so that an
 * interval is little more than its counts. After many of them (WATCH_NODES_MAX, ...) the numbers
 * begin anew, which the message tells. */
struct watch_sender;
enum { WATCH_NODES_MAX = 1 << 20, WATCH_TEXT_BYTES_MAX = 64 << 20 };

struct watch_sender *watch_sender_new(uint64_t id); /* NULL: out of memory */
void watch_sender_free(struct watch_sender *w);     /* NULL is allowed */

/* For one who serves nobody else: from now on sending waits for the client, as channel_send() does,
 * and an interval may be of any size. Without it what is over three quarters of SERVE_QUEUE_MAX is
 * left out of an interval: such samples count for the nearest ancestor that the client knows. */
void watch_sender_wait(struct watch_sender *w);

/* In as many messages as it takes (`more` in all but the last), queued as by channel_queue: with
 * -ENOBUFS the client is to be let go. Who sends the next interval only when nothing is queued any
 * more loses nothing by a slow client. `i->processes` is the whole list each time; of it those are
 * told that are new or have changed, and those without a PID are not. 0, -ENOMEM, -EINVAL: not such
 * a profile (nothing was sent); after other errors the sender is of no use any more. */
int watch_sender_send(struct watch_sender *w, struct channel *ch, const struct serve_watch *i);

/* What works here and what does not. */
struct serve_check {
	const char *name;   /* "kernel", "BTF", ... */
	const char *result; /* "ok", "warning", "failed" */
	const char *found;  /* "6.18.5" */
	const char *fix;    /* the next step; NULL: none needed */
};
int serve_send_doctor(struct channel *ch, uint64_t id, const struct serve_check *list, size_t n);

/* Strings in what is sent may be hostile: what is not UTF-8 is replaced. Rows and notes are sent as
 * far as a line has room for them. */
int serve_send_started(struct channel *ch, uint64_t id, const struct serve_started *s);
int serve_queue_started(
	struct channel *ch, uint64_t id, const struct serve_started *s); /* queued */
int serve_send_progress(struct channel *ch, uint64_t id, double elapsed_s, uint64_t samples,
	uint64_t lost); /* never waits */
int serve_send_finished(struct channel *ch, uint64_t id, const struct serve_finished *f);
int serve_send_error(struct channel *ch, uint64_t id, const struct err *error);
int serve_queue_error(struct channel *ch, uint64_t id, const struct err *error); /* queued */

/* ---- the client's side -------------------------------------------------------------------------
 */

int serve_send_hello(struct channel *ch, struct err *err);

/* Whether a hello answer is one of this protocol; the text names both versions where it is not. */
int serve_check_hello(const json_t *message, struct err *err);

/* The output's descriptor goes along, and stays open here. */
int serve_send_record(
	struct channel *ch, const struct record_request *r, int output_fd, struct err *err);
int serve_send_stop(struct channel *ch, uint64_t id, struct err *err);
int serve_send_report(
	struct channel *ch, const struct report_request *r, int output_fd, struct err *err);
int serve_send_live_request(struct channel *ch, const struct live_request *r, struct err *err);
int serve_send_diff(
	struct channel *ch, const struct diff_request *r, int output_fd, struct err *err);
int serve_send_watch_request(struct channel *ch, const struct watch_request *r, struct err *err);

/* The other end of a watch_sender: puts the numbers back into names. Everything that comes is
 * checked: a number that was not told, a node before its parent, more than the bounds above give
 * -EPROTO with a text, and the watch cannot be used on. */
struct watch_receiver;

struct watch_receiver *watch_receiver_new(void); /* NULL: out of memory */
void watch_receiver_free(struct watch_receiver *w);

struct watch_count {
	uint32_t node; /* of the tree below; each once */
	uint32_t samples;
	uint64_t weight_ns;
};

struct watch_process {
	uint32_t pid;
	const char *comm, *user, *container, *python; /* "": not known, or none */
	uint32_t threads;
	bool ended;
	double gil; /* negative: not known */
};

/* One whole interval; what it points to holds until the next message is given. Numbers that are
 * not known are negative. */
struct watch_interval {
	double start_unix_s, interval_s, elapsed_s, rate_hz;
	uint64_t samples, lost, truncated, failed;
	uint32_t cpus;
	double cpu_percent, kernel_cpu_percent;
	uint64_t rss_bytes;
	bool shared, last;
	/* The numbers of frames and nodes began anew before this interval: what is kept by number
	 * is of no use any more. */
	bool reset;
	const struct watch_count *counts;
	size_t n_counts;
};

/* 1: `out` is an interval; 0: more messages belong to it; -EPROTO, -ENOMEM with a text. */
int watch_receiver_take(struct watch_receiver *w, const json_t *message, struct watch_interval *out,
	struct err *err);

/* Names, frames and nodes told so far, as a profile without any sample (self_samples and
 * self_weight_ns are 0; no slices). Grows with each interval: numbers stay, pointers do not.
 * PROCESS and THREAD frames have their number in their name, too: "python3 (4711)". */
const struct profile *watch_receiver_tree(const struct watch_receiver *w);

/* Every process told of since the numbers began, in the order in which they came: after a reset
 * those that the sender still lists. */
const struct watch_process *watch_receiver_processes(const struct watch_receiver *w, size_t *n);

/* A request without members of its own: SERVE_PS, SERVE_STATUS, SERVE_PAUSE, SERVE_RESUME,
 * SERVE_DOCTOR, SERVE_STOP. Others: -EINVAL. */
int serve_send_plain(struct channel *ch, enum serve_kind kind, uint64_t id, struct err *err);

/* The text and code of an error answer into `err`; returns that code, always negative. */
int serve_get_error(const json_t *message, struct err *err);

#endif
