/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/signals.h"

#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"

static bool is_ignored(int signal_number)
{
	struct sigaction action;

	return sigaction(signal_number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

int signals_open(struct signals *s, struct err *err)
{
	const struct sigaction usual = {.sa_handler = SIG_DFL}, ignore = {.sa_handler = SIG_IGN};

	sigemptyset(&s->held);
	sigaddset(&s->held, SIGINT);
	sigaddset(&s->held, SIGTERM);
	sigaddset(&s->held, SIGCHLD);
	if (!is_ignored(SIGHUP))
		sigaddset(&s->held, SIGHUP);
	sigprocmask(SIG_BLOCK, &s->held, &s->before);
	sigaction(SIGCHLD, &usual,
		&s->child_before); /* ignored, it would lose the status of children */
	sigaction(SIGPIPE, &ignore,
		&s->pipe_before); /* a closed stderr is no reason to lose a profile */
	s->fd = signalfd(-1, &s->held, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd < 0)
		return err_set(err, -errno, "cannot wait for signals: %s", strerror(errno));
	return 0;
}

void signals_close(struct signals *s)
{
	fd_close(&s->fd);
	signals_restore(s);
}

int signals_next(struct signals *s, bool *from_terminal)
{
	struct signalfd_siginfo info;

	if (read(s->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	*from_terminal = info.ssi_code == SI_KERNEL;
	return (int)info.ssi_signo;
}

void signals_restore(const struct signals *s)
{
	sigaction(SIGCHLD, &s->child_before, NULL);
	sigaction(SIGPIPE, &s->pipe_before, NULL);
	sigprocmask(SIG_SETMASK, &s->before, NULL);
}

void signals_let_go(const struct signals *s)
{
	sigprocmask(SIG_SETMASK, &s->before, NULL);
}

void signals_hold(const struct signals *s)
{
	sigprocmask(SIG_BLOCK, &s->held, NULL);
}
