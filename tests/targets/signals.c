/* SPDX-License-Identifier: BSD-2-Clause */
/* Truth: a timer signal every 2 ms of CPU time (or kernel tick, if that is longer) interrupts
 * interrupted_work and burns about 1 ms in on_tick > handler_work; the exact shares are printed.
 * Below on_tick lies the C library's signal return frame, then interrupted_work (or, seldom, main
 * itself), then main. */
#include <sys/time.h>

#include "truth.h"

static struct truth truth;
static volatile uint64_t handler_ns, handler_calls;

NOINLINE static void handler_work(uint64_t units)
{
	burn(units);
}

/* clock_gettime() is async-signal-safe. */
NOINLINE static void on_tick(int signal)
{
	uint64_t from = truth_clock_ns();

	(void)signal;
	handler_work(1200);
	handler_ns += truth_clock_ns() - from;
	handler_calls++;
}

NOINLINE static void interrupted_work(uint64_t units)
{
	burn(units);
}

int main(int argc, char **argv)
{
	struct itimerval every = {.it_interval = {.tv_usec = 2000}, .it_value = {.tv_usec = 2000}};
	struct sigaction act = {.sa_handler = on_tick, .sa_flags = SA_RESTART};

	truth_ready(argc, argv);
	truth_begin(&truth, 3);
	sigaction(SIGPROF, &act, NULL);
	setitimer(ITIMER_PROF, &every, NULL);
	while (!truth_stopped)
		interrupted_work(500);
	setitimer(ITIMER_PROF, &(struct itimerval){0}, NULL);
	truth.parts[0] = (struct truth_part){"handler_work", handler_ns, handler_calls};
	truth.parts[1] = (struct truth_part){
		"interrupted_work", truth_clock_ns() - truth.start_ns - handler_ns, handler_calls};
	truth_print(&truth, "TRUTH");
	return 0;
}
