/* SPDX-License-Identifier: BSD-2-Clause */
/* Truth: the parent burns in parent_work; it starts two children, which burn in first_child_work
 * and second_child_work, about 1 : 2 : 3 of the CPU time. Another child is started every 100 ms,
 * burns 20 ms in short_child_work and exits: processes that are born and die while they are
 * profiled. Lines: TRUTH-parent, TRUTH-first, TRUTH-second; READY is printed by the parent alone,
 * before it forks, so that a profiler meets each birth. */
#include <errno.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "truth.h"

NOINLINE static void parent_work(uint64_t units)
{
	burn(units);
}

NOINLINE static void first_child_work(uint64_t units)
{
	burn(units);
}

NOINLINE static void second_child_work(uint64_t units)
{
	burn(units);
}

NOINLINE static void short_child_work(uint64_t units)
{
	burn(units);
}

NOINLINE static void rounds(
	void (*work)(uint64_t), const char *function, const char *word, uint64_t units)
{
	struct timespec pause = {.tv_nsec = 2000000};
	struct truth t;

	truth_begin(&t, units);
	while (!truth_stopped) {
		TRUTH_BURST(&t, 0, function, work(units));
		nanosleep(&pause, NULL);
	}
	truth_print(&t, word);
}

static pid_t child_start(
	void (*work)(uint64_t), const char *function, const char *word, uint64_t units)
{
	pid_t parent = getpid(), child = fork();

	if (child != 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() == parent)
		rounds(work, function, word, units);
	fflush(stdout);
	_exit(0);
}

/* Starts a child of 20 ms, and buries those that ended. */
static void short_child(void)
{
	if (fork() == 0) {
		uint64_t until = truth_clock_ns() + 20000000;

		while (truth_clock_ns() < until)
			short_child_work(200);
		_exit(0);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int main(int argc, char **argv)
{
	struct timespec pause = {.tv_nsec = 2000000};
	pid_t children[2];
	struct truth t;

	truth_ready(argc, argv);
	usleep(300000);
	children[0] = child_start(first_child_work, "first_child_work", "TRUTH-first", 400);
	children[1] = child_start(second_child_work, "second_child_work", "TRUTH-second", 600);
	truth_begin(&t, 5);
	for (int i = 0; !truth_stopped; i++) {
		TRUTH_BURST(&t, 0, "parent_work", parent_work(200));
		nanosleep(&pause, NULL);
		if (i % 40 == 0)
			short_child();
	}
	for (int i = 0; i < 2; i++)
		if (children[i] > 0)
			kill(children[i], SIGTERM);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	truth_print(&t, "TRUTH-parent");
	return 0;
}
