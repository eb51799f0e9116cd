/* SPDX-License-Identifier: BSD-2-Clause */
/* Truth: three threads named red, green and blue burn in red_work, green_work and blue_work and in
 * nothing else, about 1 : 2 : 3 of the CPU time by their own thread clocks; they sleep in between,
 * so that two CPUs suffice. The main thread sleeps. Each thread prints its own line: TRUTH-red
 * {...}. */
#include <pthread.h>

#include "truth.h"

struct worker {
	const char *name;
	void (*work)(uint64_t units);
	const char *function;
	uint64_t units;
	struct truth truth;
};

NOINLINE static void red_work(uint64_t units)
{
	burn(units);
}

NOINLINE static void green_work(uint64_t units)
{
	burn(units);
}

NOINLINE static void blue_work(uint64_t units)
{
	burn(units);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct timespec pause = {.tv_nsec = 1000000};
	static pthread_mutex_t printing = PTHREAD_MUTEX_INITIALIZER;
	char word[32];

	pthread_setname_np(pthread_self(), w->name);
	truth_begin(&w->truth, w->units);
	while (!truth_stopped) {
		TRUTH_BURST(&w->truth, 0, w->function,
			w->work(w->units * (10 + truth_random(&w->truth, 20))));
		nanosleep(&pause, NULL);
	}
	snprintf(word, sizeof(word), "TRUTH-%s", w->name);
	pthread_mutex_lock(&printing);
	truth_print(&w->truth, word);
	pthread_mutex_unlock(&printing);
	return NULL;
}

int main(int argc, char **argv)
{
	struct worker workers[] = {
		{.name = "red", .work = red_work, .function = "red_work", .units = 10},
		{.name = "green", .work = green_work, .function = "green_work", .units = 20},
		{.name = "blue", .work = blue_work, .function = "blue_work", .units = 30}};
	pthread_t threads[3];

	truth_ready(argc, argv);
	for (int i = 0; i < 3; i++)
		if (pthread_create(&threads[i], NULL, worker_main, &workers[i]))
			return 1;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
