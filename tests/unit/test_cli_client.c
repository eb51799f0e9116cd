/* SPDX-License-Identifier: BSD-2-Clause */
/* Help of all commands; how a daemon is found and spoken to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/choose.h"
#include "cli/client.h"
#include "pipeline/pipeline.h"

static const struct cli_command *const commands[] = {&record_command, &top_command, &report_command,
	&diff_command, &ps_command, &status_command, &daemon_command, &pause_command,
	&resume_command, &doctor_command, &completion_command, &manual_command, &engine_command,
	NULL};

/* ---- help --------------------------------------------------------------------------------------
 */

static char *help_of(const struct cli_command *command)
{
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	assert_non_null(to);
	cli_help_command(to, command);
	fclose(to);
	return text;
}

static void expect_narrow(const char *text, const char *name)
{
	for (const char *line = text; *line;) {
		const char *end = strchr(line, '\n');

		assert_non_null(end);
		if (end - line > 80)
			fail_msg("%s: %.*s", name, (int)(end - line), line);
		line = end + 1;
	}
}

static void test_help_of_all_commands(void **state)
{
	(void)state;
	for (size_t i = 0; commands[i]; i++) {
		const struct cli_command *c = commands[i];
		char *text = help_of(c);

		expect_narrow(text, c->name);
		for (const struct cli_option *o = c->options; o->name; o++) {
			assert_non_null(strstr(text, o->name));
			assert_non_null(o->set);
		}
		for (const struct cli_example *e = c->examples; e->line; e++)
			assert_non_null(strstr(text, e->line));
		if (c->group) {
			assert_memory_equal(c->trailer, "Exit status: 0", 14);
			assert_non_null(c->examples[0].line);
		}
		free(text);
	}
}

static void test_overview(void **state)
{
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);
	unsigned groups = 0;

	(void)state;
	assert_non_null(to);
	cli_help_overview(to, commands);
	fclose(to);
	expect_narrow(text, "overview");
	for (size_t i = 0; commands[i]; i++) {
		char line[128];

		snprintf(line, sizeof(line), "  %-11s %s\n", commands[i]->name,
			commands[i]->summary);
		assert_int_equal(strstr(text, line) != NULL, commands[i]->group != NULL);
		groups += i && commands[i]->group &&
			  !strcmp(commands[i]->group, commands[i - 1]->group);
	}
	assert_true(groups > 0); /* commands of a group stand together */
	free(text);
}

/* ---- finding and asking a daemon ---------------------------------------------------------------
 */

static void test_which_socket(void **state)
{
	bool named;

	(void)state;
	unsetenv("PROFD_SOCKET");
	assert_string_equal(connect_path(NULL, &named), PROFD_DEFAULT_SOCKET);
	assert_string_equal(CLIENT_SOCKET_PRESET, PROFD_DEFAULT_SOCKET);
	assert_false(named);
	setenv("PROFD_SOCKET", "", 1);
	assert_string_equal(connect_path(NULL, &named), PROFD_DEFAULT_SOCKET);
	assert_false(named);
	setenv("PROFD_SOCKET", "/run/other.sock", 1);
	assert_string_equal(connect_path(NULL, &named), "/run/other.sock");
	assert_true(named);
	assert_string_equal(connect_path("/run/mine.sock", &named), "/run/mine.sock");
	assert_true(named);
	unsetenv("PROFD_SOCKET");
}

/* A process that accepts one client on `path`, reads what it says first, answers with `answer` and
 * closes. */
static pid_t start_daemon(const char *path, const char *answer)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char heard[512];
	pid_t pid;

	assert_true(fd >= 0);
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		int client = accept(fd, NULL, NULL);

		if (read(client, heard, sizeof(heard)) <= 0)
			_exit(1);
		_exit(fd_write_all(client, answer, strlen(answer)) < 0);
	}
	close(fd);
	return pid;
}

static int connect_to(const char *answer, struct err *err)
{
	char folder[] = "/tmp/profd-socket-XXXXXX", path[64];
	struct peer peer;
	pid_t pid;
	int rc;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/sock", folder);
	pid = start_daemon(path, answer);
	*err = (struct err){0};
	rc = connect_daemon(&peer, path, -1, err);
	assert_int_equal(peer.channel != NULL, rc == 0);
	assert_int_equal(peer_close(&peer, 0), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	unlink(path);
	rmdir(folder);
	return rc;
}

static void test_greeting(void **state)
{
	char hello[128];
	struct err err;

	(void)state;
	snprintf(hello, sizeof(hello), "{\"hello\":{\"protocol\":%d,\"version\":\"9.9\"}}\n",
		SERVE_PROTOCOL);
	assert_int_equal(connect_to(hello, &err), 0);
	snprintf(hello, sizeof(hello), "{\"hello\":{\"protocol\":%d,\"version\":\"9.9\"}}\n",
		SERVE_PROTOCOL + 1);
	assert_int_equal(connect_to(hello, &err), -EPROTONOSUPPORT);
	assert_non_null(strstr(err.text, "9.9"));
	assert_int_equal(
		connect_to("{\"id\":null,\"error\":{\"code\":11,\"text\":\"too many clients\"}}\n",
			&err),
		-EAGAIN);
	assert_string_equal(err.text, "too many clients");
	assert_int_equal(connect_to("", &err), -EPIPE);
	assert_non_null(strstr(err.text, "journalctl"));
	assert_int_equal(connect_to("220 mail ready\r\n", &err), -EBADMSG);
	assert_int_equal(connect_to("{\"hello\":3}\n", &err), -EPROTO);
}

static void test_no_daemon(void **state)
{
	char folder[] = "/tmp/profd-socket-XXXXXX", path[200];
	struct peer peer;
	struct err err = {0};

	(void)state;
	assert_int_equal(connect_daemon(&peer, "/nonexistent/sock", -1, &err), -ENOENT);
	assert_non_null(strstr(err.text, "systemctl start profd"));
	assert_int_equal(connect_daemon(&peer, CONNECT_NONE, -1, &err), -ENOENT);
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(connect_daemon(&peer, path, -1, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.text, "107"));
	/* What a daemon that was killed leaves behind. */
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/sock", folder);
	assert_int_equal(mknod(path, S_IFSOCK | 0600, 0), 0);
	assert_int_equal(connect_daemon(&peer, path, -1, &err), -ECONNREFUSED);
	assert_non_null(strstr(err.text, "any more"));
	assert_null(peer.channel);
	unlink(path);
	rmdir(folder);
}

/* A peer on a socketpair; `other` is the end that the test speaks for. */
static void pair_open(struct peer *p, int *other)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*p = (struct peer){.channel = channel_new(fds[0], NULL)};
	assert_non_null(p->channel);
	*other = fds[1];
}

static void tell(int fd, const char *lines)
{
	assert_int_equal(fd_write_all(fd, lines, strlen(lines)), 0);
}

static void test_answers(void **state)
{
	struct err err = {0};
	struct peer p;
	json_t *message;
	int other, signals_fd = eventfd(1, EFD_CLOEXEC);

	(void)state;
	assert_true(signals_fd >= 0);
	pair_open(&p, &other);
	tell(other, "{\"hello\":{\"protocol\":1,\"version\":\"9.9\"}}\n"
		    "{\"id\":4,\"status\":{}}\n{\"id\":3,\"ps\":{}}\n{\"sense\":{}}\n"
		    "{\"id\":3,\"status\":{\"version\":\"9.9\"}}\n"
		    "{\"id\":4,\"error\":{\"code\":5,\"text\":\"of another\"}}\n"
		    "{\"id\":3,\"error\":{\"code\":1,\"text\":\"not for you\"}}\n");
	assert_int_equal(peer_answer(&p, -1, 3, SERVE_STATUS, &message, &err), 0);
	assert_string_equal(client_text(json_object_get(message, "status"), "version"), "9.9");
	json_decref(message);
	assert_int_equal(peer_answer(&p, -1, 3, SERVE_STATUS, &message, &err), -EPERM);
	assert_string_equal(err.text, "not for you");
	/* A signal ends the waiting, not the connection. */
	assert_int_equal(peer_answer(&p, signals_fd, 3, SERVE_STATUS, &message, &err), -EINTR);
	assert_int_equal(peer_receive(&p, -1, 1, &message, &err), -ETIMEDOUT);
	tell(other, "{\"id\":3,\"status\":{}}\n");
	assert_int_equal(peer_answer(&p, signals_fd, 3, SERVE_STATUS, &message, &err), 0);
	json_decref(message);
	close(other);
	assert_int_equal(peer_answer(&p, -1, 3, SERVE_STATUS, &message, &err), -EPIPE);
	close(signals_fd);
	peer_close(&p, 0);
}

/* Nothing in an answer is taken for granted. */
static void test_members_of_an_answer(void **state)
{
	json_t *o = json_loads("{\"n\":-5,\"r\":1.5,\"t\":\"x\",\"z\":null,\"big\":9}", 0, NULL);

	(void)state;
	assert_int_equal(client_count(o, "n"), 0);
	assert_int_equal(client_count(o, "t"), 0);
	assert_int_equal(client_count(o, "big"), 9);
	assert_int_equal(client_count(NULL, "big"), 0);
	assert_true(client_real(o, "r") == 1.5 && client_real(o, "big") == 9);
	assert_true(client_real(o, "t") == 0 && client_real(o, "none") == 0);
	assert_string_equal(client_text(o, "t"), "x");
	assert_string_equal(client_text(o, "r"), "");
	assert_string_equal(client_text(o, "z"), "");
	assert_true(client_has(o, "n") && !client_has(o, "z") && !client_has(o, "none"));
	json_decref(o);
}

/* A refusal that is no matter of rights stays one, and a private engine has nobody to replace it.
 */
static void test_what_is_not_tried_again(void **state)
{
	const struct choice choice = {.socket = CONNECT_NONE};
	struct peer p;
	struct err why = {0};
	int other;

	(void)state;
	pair_open(&p, &other);
	err_set(&why, -ESRCH, "there is no process 5");
	assert_int_equal(choose_again(&p, &choice, NULL, &why), -ESRCH);
	assert_string_equal(why.text, "there is no process 5");
	assert_non_null(p.channel);
	err_set(&why, -EPERM, "not yours");
	p.engine = getpid();
	assert_int_equal(choose_again(&p, &choice, NULL, &why), -EPERM);
	p.engine = 0;
	peer_close(&p, 0);
	close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_help_of_all_commands),
		cmocka_unit_test(test_overview),
		cmocka_unit_test(test_which_socket),
		cmocka_unit_test(test_greeting),
		cmocka_unit_test(test_no_daemon),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_members_of_an_answer),
		cmocka_unit_test(test_what_is_not_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
