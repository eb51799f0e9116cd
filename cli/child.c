/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/signals.h"

/* Statuses of a shell: POSIX, Shell Command Language, 2.8.2. */
enum { STATUS_CANNOT_RUN = 126, STATUS_NOT_FOUND = 127 };

/* The end of the pipe without a byte means that profd has gone: the command then never runs. */
__attribute__((noreturn)) static void held(
	char **argv, const struct signals *signals, int go_fd, int report_fd)
{
	char go;
	ssize_t n;
	int error;

	do
		n = read(go_fd, &go, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(STATUS_CANNOT_RUN);
	signals_restore(signals);
	execvp(argv[0], argv);
	error = errno;
	if (write(report_fd, &error, sizeof(error)) < 0)
		error = EIO;
	_exit(error == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN);
}

static void take_standard(int input_fd, int output_fd)
{
	if (input_fd >= 0)
		dup2(input_fd, STDIN_FILENO);
	if (output_fd < 0)
		return;
	dup2(output_fd, STDOUT_FILENO);
	dup2(output_fd, STDERR_FILENO);
}

int child_start(struct child *c, char **argv, const struct signals *signals, const int *private_fds,
	size_t n_private_fds, struct err *err)
{
	return child_start_with(c, argv, signals, private_fds, n_private_fds, -1, -1, err);
}

int child_start_with(struct child *c, char **argv, const struct signals *signals,
	const int *private_fds, size_t n_private_fds, int input_fd, int output_fd, struct err *err)
{
	int go[2] = {-1, -1}, report[2] = {-1, -1};

	*c = (struct child){.release_fd = -1, .report_fd = -1};
	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0)
		goto failed;
	c->pid = fork();
	if (c->pid < 0)
		goto failed;
	if (!c->pid) {
		for (size_t i = 0; i < n_private_fds; i++)
			close(private_fds[i]);
		close(go[1]);
		close(report[0]);
		take_standard(input_fd, output_fd);
		held(argv, signals, go[0], report[1]);
	}
	close(go[0]);
	close(report[1]);
	c->release_fd = go[1];
	c->report_fd = report[0];
	return 0;
failed:
	c->pid = 0;
	err_set(err, -errno, "cannot start the command: %s", strerror(errno));
	fd_close(&go[0]);
	fd_close(&go[1]);
	fd_close(&report[0]);
	fd_close(&report[1]);
	return err->code;
}

void child_release(struct child *c)
{
	if (c->release_fd >= 0) /* fails only where it has died, which SIGCHLD tells */
		c->released = fd_write_all(c->release_fd, "g", 1) == 0;
	fd_close(&c->release_fd);
}

static const char *explain(int error, const char *name)
{
	if (error == ENOENT)
		return strchr(name, '/') ? "no such file; check the path of the command"
					 : "command not found; check its spelling and PATH";
	return error == EACCES ? "permission denied: it is not an executable file"
			       : strerror(error);
}

int child_exec_result(struct child *c, const char *name, struct err *err)
{
	int error;
	ssize_t n;

	if (c->report_fd < 0)
		return 0;
	do
		n = read(c->report_fd, &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	fd_close(&c->report_fd);
	return n == sizeof(error) ? err_set(err, -error, "%.200s: %s", name, explain(error, name))
				  : 0;
}

bool child_reap(struct child *c)
{
	if (c->pid && !c->exited && waitpid(c->pid, &c->wait_status, WNOHANG) == c->pid)
		c->exited = true;
	return c->exited;
}

void child_give_up(struct child *c)
{
	if (c->release_fd >= 0 && c->pid && !c->exited) {
		fd_close(&c->release_fd);
		while (waitpid(c->pid, &c->wait_status, 0) < 0 && errno == EINTR)
			;
		c->exited = true;
	}
	fd_close(&c->report_fd);
}

int child_status(const struct child *c)
{
	return WIFSIGNALED(c->wait_status) ? 128 + WTERMSIG(c->wait_status)
					   : WEXITSTATUS(c->wait_status);
}
