/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define LOG_ROOM "workers"
#include "base/log.h"

enum { SOCKET_FD = 3, OUTPUT_FD, ORDER_FD, FIRST_OTHER_FD };

static size_t count_of(const struct workers *w, uint32_t uid)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++)
		n += w->list[i].uid == uid;
	return n;
}

/* Puts a descriptor out of the way of the numbers that the worker expects. */
static int away(int fd)
{
	return fd < 0 ? -1 : fcntl(fd, F_DUPFD, FIRST_OTHER_FD);
}

/* A program of its own, not only a process: nothing of the daemon's memory, store or descriptors
 * goes along. */
__attribute__((noreturn)) static void worker_main(
	int socket_fd, int output_fd, int order_fd, pid_t parent)
{
	char *const argv[] = {"profd", "engine", NULL};
	char journal[64], zone[256];
	const char *stream = getenv("JOURNAL_STREAM"), *tz = getenv("TZ");
	/* Reports tell the time as the daemon would. An empty TZ is another one than none. */
	char *const environment[] = {journal, tz && strlen(tz) < 200 ? zone : NULL, NULL};
	int null = open("/dev/null", O_RDWR),
	    away_fds[] = {away(socket_fd), away(output_fd), away(order_fd)};
	sigset_t none;

	snprintf(journal, sizeof(journal), "JOURNAL_STREAM=%s", stream ? stream : "");
	snprintf(zone, sizeof(zone), "TZ=%s", tz ? tz : "");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || away_fds[0] < 0 || away_fds[2] < 0)
		_exit(1);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	close(OUTPUT_FD);
	for (int i = 0; i < 3; i++)
		if (away_fds[i] >= 0)
			dup2(away_fds[i], SOCKET_FD + i);
	syscall(SYS_close_range, FIRST_OTHER_FD, ~0U, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve("/proc/self/exe", argv, environment);
	_exit(127);
}

int workers_start(
	struct workers *w, int socket_fd, int output_fd, const struct order *order, struct err *err)
{
	pid_t parent = getpid(), pid;

	if (w->n == WORKERS_MAX)
		return err_set(err, -EBUSY,
			"%d recordings, watches and reports are running already; try again when one has ended",
			WORKERS_MAX);
	if (count_of(w, order->viewer.uid) >= WORKERS_PER_USER)
		return err_set(err, -EBUSY,
			"%d recordings, watches and reports of yours are running already; try again when one has ended",
			WORKERS_PER_USER);
	FD_CLOSE int order_fd = order_write(order, err);
	if (order_fd < 0)
		return err->code;
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "cannot start a worker: %s", strerror(errno));
	if (!pid)
		worker_main(socket_fd, output_fd, order_fd, parent);
	w->list[w->n++] = (struct worker){.pid = pid, .uid = order->viewer.uid};
	return 0;
}

static void ended(const struct worker *worker, int status)
{
	if (WIFSIGNALED(status))
		log_warn("worker %d was ended by signal %d (%s)", worker->pid, WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == 127)
		log_warn("a worker could not be started: /proc/self/exe cannot be executed");
}

void workers_reap(struct workers *w)
{
	for (size_t i = 0; i < w->n;) {
		int status;

		if (waitpid(w->list[i].pid, &status, WNOHANG) != w->list[i].pid) {
			i++;
			continue;
		}
		ended(&w->list[i], status);
		w->list[i] = w->list[--w->n];
	}
}

void workers_end(struct workers *w)
{
	for (size_t i = 0; i < w->n; i++)
		kill(w->list[i].pid, SIGKILL);
	for (size_t i = 0; i < w->n; i++)
		waitpid(w->list[i].pid, NULL, 0);
	w->n = 0;
}
