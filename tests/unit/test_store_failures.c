/* SPDX-License-Identifier: BSD-2-Clause */
/* What can go wrong around a store: two writers, other versions, no space, no permission, kill -9.
 */
#include "test_store_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <sqlite3.h>

/* ---- helpers -----------------------------------------------------------------------------------
 */

/* A child cannot fail the test by cmocka's means. */
#define CHILD_CHECK(condition, text)                                                               \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, text);          \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

enum { SKIPPED = 77 };

/* Runs `body` in a process of its own; whether it could be run at all. */
static bool child_run(void (*body)(const struct folder *f), const struct folder *f)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		body(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIPPED)
		return false;
	assert_int_equal(WEXITSTATUS(status), 0);
	return true;
}

/* ---- two writers -------------------------------------------------------------------------------
 */

static void second_writer(const struct folder *f)
{
	struct err err = {0};

	CHILD_CHECK(!store_open(f->store, &store_limits_default, &err), "");
	CHILD_CHECK(err.code == -EBUSY, err.text);
}

static void test_two_writers(void **state)
{
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	char pid[32], link[128];

	snprintf(pid, sizeof(pid), "PID %ld ", (long)getpid());
	check_refused(f->store, -EBUSY, 0, pid);
	assert_true(child_run(second_writer, f));
	/* A second name does not get around it. */
	snprintf(link, sizeof(link), "%s/link", f->path);
	assert_int_equal(symlink(f->store, link), 0);
	check_refused(link, -EBUSY, 0, pid);
	unlink(link);
	store_close(s);
	store_close(store_must(f->store));
}

/* Another program holds a lock on the tables themselves: an error, and the window can be written
 * later. */
static void test_foreign_lock(void **state)
{
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	struct chance c = {1};
	struct window *w = window_any(&c, DAY_ONE, 1000, 20);
	struct model m = {0};
	struct err err = {0};
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->store, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(store_write(s, w, &err), -EBUSY);
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	write_must(s, w);
	model_window(&m, w);
	window_free(w);
	check_store(f->store, &m);
	model_free(&m);
	store_close(s);
}

/* ---- reading beside a writer -------------------------------------------------------------------
 */

/* Each window has the same number of samples: an answer with another number saw half a window. */
static void reader_beside(const struct folder *f)
{
	const struct store_query q = {.root = STORE_ROOT_COMM, .slices_max = 10};
	struct err err = {0};
	struct store_reader *r = store_reader_open(f->store, &err);
	struct store_span span = {0};
	struct profile *p;
	uint64_t before = 0;

	CHILD_CHECK(r, err.text);
	while (before < 100 * 50) {
		CHILD_CHECK(store_read(r, &q, &p, &err) == 0, err.text);
		store_reader_span(r, &span);
		CHILD_CHECK(p->quality.samples % 50 == 0, "half a window");
		CHILD_CHECK(p->quality.samples >= before, "a window has gone");
		before = p->quality.samples;
		profile_free(p);
	}
	CHILD_CHECK(span.covered_ns == 100 * 10 * NS_PER_S, "a wrong span");
	store_reader_close(r);
}

static void test_reader_beside_writer(void **state)
{
	const struct folder *f = *state;
	const struct store_limits limits = {
		.fine_s = 60, .minute_s = 3600, .hour_s = 86400 * 365, .max_bytes = 1 << 30};
	struct store *s = store_must(f->store);
	struct chance c = {2};
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		reader_beside(f);
		_exit(0);
	}
	store_set_limits(s, &limits);
	for (unsigned i = 0; i < 100; i++) {
		uint64_t at = DAY_ONE + i * 100 * NS_PER_S;
		struct window *w = window_new(at, 1000);

		for (unsigned k = 0; k < 50; k++) {
			struct sample_text t = sample_any(&c);

			window_sample(w, &t, 1);
		}
		write_must(s, w);
		window_free(w);
		maintain_all(s, at, true);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	store_close(s);
}

/* ---- versions ----------------------------------------------------------------------------------
 */

static void test_newer(void **state)
{
	const struct folder *f = *state;

	store_close(store_must(f->store));
	sql(f->store, "PRAGMA user_version = 4711");
	check_refused(
		f->store, -ENOTSUP, -ENOTSUP, "version 4711, this profd knows versions up to ");
}

/* data/store-vN.sql was dumped from a store of the version N when that was released. */
static void test_every_released_version(void **state)
{
	const struct folder *f = *state;
	unsigned n = 0;

	for (unsigned version = 1;; version++) {
		char name[64];
		size_t len;
		char *dump;
		struct store *s;
		struct profile *p, *after;
		struct model m = {0};

		snprintf(name, sizeof(name), "tests/unit/data/store-v%u.sql", version);
		if (access(name, R_OK) < 0)
			break;
		dump = file_get(name, &len);
		sql(f->store, dump);
		free(dump);
		/* Read as it is, then migrated, then written to. */
		p = read_must(f->store, &everything);
		assert_int_equal(p->quality.samples, 3 * 40);
		assert_int_equal(p->quality.lost, 3);
		model_profile(&m, p, NULL);
		s = store_must(f->store);
		check_store(f->store, &m);
		store_close(s);
		s = store_must(f->store);
		maintain_all(s, DAY_ONE + 100 * DAY_NS / 10 * 3, true);
		check_store(f->store, &m);
		after = read_must(f->store, &everything);
		assert_int_equal(after->quality.native_end[WALK_NO_RULE],
			p->quality.native_end[WALK_NO_RULE]);
		store_close(s);
		assert_true(is_whole(f->store));
		profile_free(p);
		profile_free(after);
		model_free(&m);
		store_remove(f);
		n++;
	}
	assert_true(n >= 1);
}

/* ---- a full disk -------------------------------------------------------------------------------
 */

/* Writes until the disk is full, checks what is there, and `relieves`: then the same window is
 * taken. */
static void fill_and_relieve(const struct folder *f, void (*relieve)(const struct folder *f))
{
	struct store *s = store_must(f->store);
	struct chance c = {8};
	struct model m = {0};
	struct err err = {0};
	struct profile *p;
	struct window *w;
	unsigned n = 0;
	int rc = 0;

	for (;; n++) {
		w = window_any(&c, DAY_ONE + n * 10 * NS_PER_S, 1000, 200);
		rc = store_write(s, w, &err);
		if (rc)
			break;
		model_window(&m, w);
		window_free(w);
		CHILD_CHECK(n < 100000, "it never got full");
	}
	CHILD_CHECK(rc == -ENOSPC && n > 2, err.text);
	CHILD_CHECK(strstr(err.text, "no space"), err.text);
	for (unsigned i = 0; i < 3; i++) {
		CHILD_CHECK(store_write(s, w, &err) == -ENOSPC, err.text);
		/* No page is free for it either; what matters is that nothing breaks. */
		rc = store_maintain(s, DAY_ONE + DAY_NS, true, 50, &err);
		CHILD_CHECK(rc == -ENOSPC || rc >= 0, err.text);
	}
	relieve(f);
	CHILD_CHECK(store_write(s, w, &err) == 0, err.text);
	model_window(&m, w);
	window_free(w);
	maintain_all(s, DAY_ONE + DAY_NS, true);
	p = read_must(f->store, &everything);
	CHILD_CHECK(p->quality.samples == m.samples, "samples are missing");
	model_check(&m, p); /* a failure ends the child by a signal */
	profile_free(p);
	store_close(s);
	CHILD_CHECK(is_whole(f->store), "integrity_check");
	model_free(&m);
}

static void more_space(const struct folder *f)
{
	CHILD_CHECK(mount("none", f->path, NULL, MS_REMOUNT, "size=64m") == 0, "remount");
}

static void full_disk(const struct folder *f)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", f->path, "tmpfs", 0, "size=640k") < 0)
		_exit(SKIPPED);
	fill_and_relieve(f, more_space);
}

static void test_full_disk(void **state)
{
	if (!child_run(full_disk, *state)) {
		print_message("a file system of its own could not be mounted\n");
		skip();
	}
}

static void larger_files(const struct folder *f)
{
	const struct rlimit none = {64 << 20, RLIM_INFINITY};

	(void)f;
	CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0, "setrlimit");
}

static void limited_file(const struct folder *f)
{
	const struct rlimit small = {800 << 10, RLIM_INFINITY};

	signal(SIGXFSZ, SIG_IGN);
	CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0, "setrlimit");
	fill_and_relieve(f, larger_files);
}

static void test_limited_file(void **state)
{
	assert_true(child_run(limited_file, *state));
}

/* ---- no permission -----------------------------------------------------------------------------
 */

/* Somebody who is not the owner. */
static void become_other(void)
{
	if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		_exit(SKIPPED);
}

static void read_only(const struct folder *f)
{
	struct err err = {0};
	struct store_reader *r;
	struct profile *p;

	become_other();
	CHILD_CHECK(!store_open(f->store, &store_limits_default, &err), "");
	CHILD_CHECK(err.code == -EACCES, err.text);
	CHILD_CHECK(strstr(err.text, "may not be written"), err.text);
	r = store_reader_open(f->store, &err);
	CHILD_CHECK(r, err.text);
	CHILD_CHECK(store_read(r, &everything, &p, &err) == 0, err.text);
	CHILD_CHECK(p->quality.samples > 0, "");
	profile_free(p);
	store_reader_close(r);
}

static void unreadable(const struct folder *f)
{
	struct err err = {0};

	become_other();
	CHILD_CHECK(!store_reader_open(f->store, &err), "");
	CHILD_CHECK(err.code == -EACCES, err.text);
}

static void test_read_only(void **state)
{
	const struct folder *f = *state;
	struct store *s = store_must(f->store);
	struct chance c = {9};
	struct stat st;
	bool ran;

	write_some(s, &c, 3, NULL);
	assert_int_equal(stat(f->store, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	store_close(s);
	/* The file alone, where it cannot be written, then the folder. */
	chmod(f->store, 0444);
	chmod(f->path, 0777);
	ran = child_run(read_only, f);
	chmod(f->path, 0555);
	ran = ran && child_run(read_only, f);
	chmod(f->store, 0000);
	ran = ran && child_run(unreadable, f);
	chmod(f->path, 0755);
	if (!ran) {
		print_message("this user cannot become another one\n");
		skip();
	}
}

static void read_only_disk(const struct folder *f)
{
	struct store *s;
	struct chance c = {10};
	struct err err = {0};
	struct store_reader *r;
	struct profile *p;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", f->path, "tmpfs", 0, "size=8m") < 0)
		_exit(SKIPPED);
	s = store_must(f->store);
	write_some(s, &c, 3, NULL);
	store_close(s);
	CHILD_CHECK(mount("none", f->path, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0, "remount");
	CHILD_CHECK(!store_open(f->store, &store_limits_default, &err), "");
	CHILD_CHECK(err.code == -EROFS, err.text);
	r = store_reader_open(f->store, &err);
	CHILD_CHECK(r, err.text);
	CHILD_CHECK(store_read(r, &everything, &p, &err) == 0, err.text);
	CHILD_CHECK(p->quality.samples > 0, "");
	profile_free(p);
	store_reader_close(r);
}

static void test_read_only_disk(void **state)
{
	if (!child_run(read_only_disk, *state)) {
		print_message("a file system of its own could not be mounted\n");
		skip();
	}
}

/* ---- kill -9 -----------------------------------------------------------------------------------
 */

enum { KILLS = 40, KILL_SAMPLES = 25, KILL_WINDOWS_MAX = 40 };

/* Writes and maintains as fast as it can, and tells of each window after it was written. */
static void writer_to_kill(const struct folder *f, unsigned first, int pipe_fd)
{
	const struct store_limits limits = {
		.fine_s = 60, .minute_s = 600, .hour_s = 86400 * 365, .max_bytes = 1 << 30};
	struct store *s = store_must(f->store);
	struct chance c = {first};
	struct err err = {0};

	store_set_limits(s, &limits);
	for (unsigned i = first;; i++) {
		uint64_t at = DAY_ONE + i * 10 * NS_PER_S;
		struct window *w = window_new(at, 1000);

		for (unsigned k = 0; k < KILL_SAMPLES; k++) {
			struct sample_text t = sample_any(&c);

			window_sample(w, &t, 1);
		}
		CHILD_CHECK(store_write(s, w, &err) == 0, err.text);
		CHILD_CHECK(write(pipe_fd, &i, sizeof(i)) == sizeof(i), "pipe");
		CHILD_CHECK(store_maintain(s, at, true, 1, &err) >= 0, err.text);
		window_free(w);
	}
}

/* Starts a writer, kills it after it has told of some windows and a random while; how many windows
 * it has told of in all. */
static unsigned kill_one(const struct folder *f, struct chance *c, unsigned first)
{
	unsigned told = first, until = 1 + chance_below(c, KILL_WINDOWS_MAX), number;
	uint64_t moment;
	int pipe_fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(pipe_fds[0]);
		writer_to_kill(f, first, pipe_fds[1]);
	}
	close(pipe_fds[1]);
	while (told < first + until && read(pipe_fds[0], &number, sizeof(number)) == sizeof(number))
		told = number + 1;
	moment = clock_now_ns() + chance_below(c, 2000000);
	while (clock_now_ns() < moment)
		;
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	while (read(pipe_fds[0], &number, sizeof(number)) == sizeof(number))
		told = number + 1;
	close(pipe_fds[0]);
	return told;
}

static void test_kill(void **state)
{
	const struct folder *f = *state;
	struct chance c = {11};
	unsigned windows = 0;

	for (unsigned i = 0; i < KILLS; i++) {
		unsigned told = kill_one(f, &c, windows), there;
		struct profile *p = read_must(f->store, &everything);

		assert_int_equal(p->quality.samples % KILL_SAMPLES, 0);
		there = (unsigned)(p->quality.samples / KILL_SAMPLES);
		/* One may have been written and not told of. */
		assert_in_range(there, told, told + 1);
		assert_int_equal(p->quality.lost, there);
		assert_int_equal(p->quality.duration_ns, there * 10 * NS_PER_S);
		assert_true(is_whole(f->store));
		profile_free(p);
		windows = there;
	}
	assert_true(windows > KILLS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
		TEST(test_two_writers),
		TEST(test_foreign_lock),
		TEST(test_reader_beside_writer),
		TEST(test_newer),
		TEST(test_every_released_version),
		TEST(test_full_disk),
		TEST(test_limited_file),
		TEST(test_read_only),
		TEST(test_read_only_disk),
		TEST(test_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
