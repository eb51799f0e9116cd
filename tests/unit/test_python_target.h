/* SPDX-License-Identifier: BSD-2-Clause */
/* For test_python*.c: finds interpreters, runs a script with one, and walks its threads with the
 * walker of the kernel side, compiled for user space. */
#ifndef PROFD_TEST_PYTHON_TARGET_H
#define PROFD_TEST_PYTHON_TARGET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf/python.h"
#include "process/process.h"
#include "python/python.h"

enum { PATH_BYTES = 512, INTERPRETERS_MAX = 16 };

/* Interpreters of one minor version. */
struct interpreters {
	char paths[INTERPRETERS_MAX][PATH_BYTES];
	char real[INTERPRETERS_MAX][PATH_BYTES];
	size_t n;
};

/* Adds `path` where it runs and is a CPython of that version, unless its executable is there
 * already. */
static inline void interpreters_add(struct interpreters *in, const char *path, unsigned minor)
{
	char command[PATH_BYTES * 2], line[PATH_BYTES] = "";
	unsigned got = 0;
	int at = 0;
	FILE *f;

	if (in->n == INTERPRETERS_MAX || strlen(path) >= PATH_BYTES)
		return;
	snprintf(command, sizeof(command),
		"'%s' -c 'import os,sys;print(sys.version_info[1],os.path.realpath(sys.executable))' 2>/dev/null",
		path);
	f = popen(command, "r");
	if (!f)
		return;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	pclose(f);
	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%u %n", &got, &at) != 1 || got != minor)
		return;
	for (size_t i = 0; i < in->n; i++)
		if (!strcmp(in->real[i], line + at))
			return;
	snprintf(in->paths[in->n], PATH_BYTES, "%s", path);
	snprintf(in->real[in->n++], PATH_BYTES, "%s", line + at);
}

/* python3.N in PATH and in /usr/bin, all that pyenv has, and those named in PROFD_TEST_PYTHONS
 * (colons between). */
static inline void interpreters_find(struct interpreters *in, unsigned minor)
{
	char name[PATH_BYTES], root[PATH_BYTES - 64] = "", *list, *save = NULL;
	const char *named = getenv("PROFD_TEST_PYTHONS");
	FILE *f = popen("pyenv root 2>/dev/null", "r");
	glob_t g;

	in->n = 0;
	snprintf(name, sizeof(name), "/usr/bin/python3.%u", minor);
	if (!access(name, X_OK))
		interpreters_add(in, name, minor);
	snprintf(name, sizeof(name), "python3.%u", minor);
	interpreters_add(in, name, minor);
	if (f && fgets(root, sizeof(root), f) && root[0] == '/') {
		root[strcspn(root, "\n")] = '\0';
		snprintf(name, sizeof(name), "%s/versions/3.%u.*/bin/python3.%u", root, minor,
			minor);
		if (!glob(name, 0, NULL, &g)) {
			for (size_t i = 0; i < g.gl_pathc; i++)
				interpreters_add(in, g.gl_pathv[i], minor);
			globfree(&g);
		}
	}
	if (f)
		pclose(f);
	list = strdup(named ? named : "");
	for (char *p = strtok_r(list, ":", &save); p; p = strtok_r(NULL, ":", &save))
		interpreters_add(in, p, minor);
	free(list);
}

/* ---- a running script --------------------------------------------------------------------------
 */

struct target {
	pid_t pid;
	FILE *in, *out; /* its standard input and output */
	char script[64];
	struct process_table *processes;
	struct process *process;
	struct python *python;
	struct profd_python layout;
};

static inline void target_start(struct target *t, const char *interpreter, const char *script)
{
	int in[2], out[2], fd;

	memset(t, 0, sizeof(*t));
	strcpy(t->script, "/tmp/profd-test-XXXXXX");
	fd = mkstemp(t->script);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, script, strlen(script)), (ssize_t)strlen(script));
	close(fd);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	t->pid = fork();
	if (!t->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
		setenv("PYTHONIOENCODING", "utf-8", 1);
		execlp(interpreter, interpreter, "-X", "utf8", t->script, (char *)NULL);
		_exit(127);
	}
	assert_true(t->pid > 0);
	close(in[0]);
	close(out[1]);
	t->in = fdopen(in[1], "w");
	t->out = fdopen(out[0], "r");
}

/* Once it has printed something, so that it runs Python. */
static inline void target_inspect(struct target *t)
{
	struct err err = {0};

	t->processes = process_table_new(&err);
	assert_non_null(t->processes);
	t->process = process_get(t->processes, (uint32_t)t->pid, &err);
	if (!t->process)
		fail_msg("%s", err.text);
	t->python = python_new(&err);
	assert_non_null(t->python);
	if (python_process(t->python, t->process, &err) != 1)
		fail_msg("not recognised: %s", err.text);
	assert_true(python_layout(t->python, (uint32_t)t->pid, &t->layout));
}

static inline void target_stop(struct target *t)
{
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
	fclose(t->in);
	fclose(t->out);
	unlink(t->script);
	python_free(t->python);
	process_table_free(t->processes);
}

/* ---- what it says of its threads ---------------------------------------------------------------
 */

struct expected_frame {
	unsigned line;
	char qualname[600], file[600];
};

enum { FRAMES_MAX = 2048 };

struct expected {
	unsigned tid;
	uint64_t self; /* pthread_self() */
	struct expected_frame *frames;
	size_t n;
};

static inline bool expected_take(struct expected *e, char *line)
{
	struct expected_frame *f = &e->frames[e->n];
	char *tab = strchr(line, '\t');
	int at = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "frame %u %n", &f->line, &at) != 1 || !tab || e->n == FRAMES_MAX)
		return false;
	*tab = '\0';
	snprintf(f->qualname, sizeof(f->qualname), "%s", line + at);
	snprintf(f->file, sizeof(f->file), "%s", tab + 1);
	e->n++;
	return true;
}

/* Reads a whole report and calls `each` for every thread; returns how many there were. */
static inline size_t expected_read(struct target *t,
	void (*each)(struct target *t, const struct expected *e, void *arg), void *arg)
{
	struct expected e = {.frames = calloc(FRAMES_MAX, sizeof(*e.frames))};
	char line[2048];
	size_t n = 0;
	bool done = false;

	while (!done && fgets(line, sizeof(line), t->out)) {
		done = !strcmp(line, "done\n");
		if ((done || !strncmp(line, "thread ", 7)) && n && each) {
			if (!t->process)
				target_inspect(t);
			each(t, &e, arg);
		}
		if (!done && sscanf(line, "thread %u %lu", &e.tid, &e.self) == 2) {
			n++;
			e.n = 0;
		} else if (!done) {
			assert_true(expected_take(&e, line));
		}
	}
	assert_true(done);
	free(e.frames);
	return n;
}

/* ---- walking -----------------------------------------------------------------------------------
 */

struct walked {
	struct python_frame frames[PROFD_MAX_PYTHON_FRAMES];
	size_t n;
	enum walk_end end;
	unsigned reads;
};

struct reader {
	uint32_t pid;
	unsigned reads;
};

static inline long read_target(void *arg, void *to, uint32_t bytes, uint64_t address)
{
	struct reader *r = arg;

	r->reads++;
	return process_read(r->pid, address, to, bytes) == (ssize_t)bytes ? 0 : -1;
}

/* `cache`: what is remembered of the thread from walk to walk; may be NULL. */
static inline void walk(struct target *t, uint32_t tid, uint64_t self,
	struct profd_python_thread *cache, uint64_t time_ns, struct walked *out)
{
	enum { AT = 100 };
	static struct profd_scratch s;
	struct reader r = {.pid = (uint32_t)t->pid};
	struct profd_host host = {.read_user = read_target, .arg = &r, .python_thread = cache};

	memset(&s, 0x5a, sizeof(s));
	s.record.pid = (uint32_t)t->pid;
	s.record.tid = tid;
	s.record.time_ns = time_ns;
	profd_host = &host;
	python_walk(&s, AT, &t->layout, self);
	profd_host = NULL;
	out->n = s.record.n_python;
	out->end = s.record.python_end;
	out->reads = r.reads;
	for (size_t i = 0; i < out->n; i++) {
		const __u64 *w = &s.words[AT + i * PROFD_PYTHON_WORDS];

		out->frames[i] = (struct python_frame){.code = w[0] & ~PYTHON_ENTRY_FLAG,
			.instruction = (uint32_t)(w[1] >> 32),
			.fingerprint = (uint32_t)w[1],
			.entry = w[0] & PYTHON_ENTRY_FLAG};
	}
}

#endif
