/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/signals.h"
#include "pipeline/pipeline.h"

enum { ENGINE_SOCKET = 3 };

/* Only the socket and stderr go along: the engine must hold open neither the output of the command
 * that is profiled nor a pipe of the shell. */
static void keep_socket_only(int socket_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (fcntl(STDERR_FILENO, F_GETFD) < 0)
		dup2(null, STDERR_FILENO);
	dup2(socket_fd, ENGINE_SOCKET);
	if (syscall(SYS_close_range, ENGINE_SOCKET + 1, ~0U, 0) == 0)
		return;
	for (int fd = ENGINE_SOCKET + 1; fd < (int)sysconf(_SC_OPEN_MAX); fd++)
		close(fd); /* kernels before 5.9 */
}

static void ignore(int signal_number)
{
	const struct sigaction action = {.sa_handler = SIG_IGN};

	sigaction(signal_number, &action, NULL);
}

/* A session of its own: Ctrl-C and Ctrl-Z of the terminal are meant for the command line, which
 * says `stop`, and writing to the terminal's stderr from another process group must not stop us
 * (SIGTTOU). */
__attribute__((noreturn)) static void engine_main(
	int socket_fd, pid_t parent, const struct signals *signals)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1); /* it died before the line above */
	prctl(PR_SET_NAME, "profd-engine");
	setsid();
	ignore(SIGINT); /* first: one may be waiting already */
	ignore(SIGHUP);
	signals_restore(signals);
	ignore(SIGPIPE);
	ignore(SIGXFSZ); /* a file size limit is an error to tell, not a death */
	keep_socket_only(socket_fd);
	if (chdir("/") < 0)
		_exit(1);
	_exit(pipeline_serve(ENGINE_SOCKET) < 0);
}

int private_start(struct peer *p, const struct signals *signals, struct err *err)
{
	int pair[2];
	pid_t parent = getpid();

	*p = (struct peer){0};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, -errno, "cannot connect to the engine: %s", strerror(errno));
	p->engine = fork();
	if (p->engine < 0) {
		p->engine = 0;
		err_set(err, -errno, "cannot start the engine: %s", strerror(errno));
		fd_close(&pair[0]);
		fd_close(&pair[1]);
		return err->code;
	}
	if (!p->engine) {
		fd_close(&pair[0]);
		engine_main(pair[1], parent, signals);
	}
	fd_close(&pair[1]);
	p->channel = channel_new(pair[0], err);
	return p->channel ? serve_send_hello(p->channel, err) : err->code;
}

int private_end(pid_t engine, int grace_ms)
{
	FD_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, engine, 0);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int status = 0;

	if (pidfd < 0 || poll(&p, 1, grace_ms) <= 0)
		kill(engine, SIGKILL);
	while (waitpid(engine, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

bool private_is_able(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[2] = {0};
	uint64_t has;

	if (syscall(SYS_capget, &head, sets) < 0)
		return false;
	has = (uint64_t)sets[1].effective << 32 | sets[0].effective;
	return has >> CAP_SYS_ADMIN & 1 || (has >> CAP_BPF & 1 && has >> CAP_PERFMON & 1);
}
