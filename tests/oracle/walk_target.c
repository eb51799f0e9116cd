/* SPDX-License-Identifier: BSD-2-Clause */
/* What tests/oracle/walk stops and looks at: stacks that are hard to walk. Runs the scenario named
 * by its argument until it is killed. Build with -O2 -fomit-frame-pointer. */
#define _GNU_SOURCE
#include <alloca.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

static volatile unsigned long sink;

static NOINLINE unsigned long spin(unsigned n)
{
	unsigned long v = n;

	for (unsigned i = 0; i < n; i++)
		v = v * 6364136223846793005UL + sink;
	sink = v;
	return v;
}

/* ---- callbacks from the C library ------------------------------------------------------------ */

static NOINLINE int compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	spin(20);
	return x < y ? -1 : x > y;
}

static void run_qsort(void)
{
	int values[512];

	for (;;) {
		for (int i = 0; i < 512; i++)
			values[i] = (int)(spin(3) >> 33);
		qsort(values, 512, sizeof(*values), compare);
	}
}

/* ---- depth ----------------------------------------------------------------------------------- */

static NOINLINE unsigned long recurse(unsigned depth)
{
	unsigned long v = depth ? recurse(depth - 1) : spin(20000);

	sink += v;
	return v + depth;
}

static void run_recursion(void)
{
	for (;;)
		recurse(300);
}

/* ---- signals --------------------------------------------------------------------------------- */

static NOINLINE void on_signal(int signo)
{
	(void)signo;
	spin(2000);
}

static void tick(int flags)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = flags | SA_RESTART};
	struct itimerval every = {{0, 300}, {0, 300}};

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
}

static NOINLINE void run_signal(void)
{
	tick(0);
	for (;;)
		recurse(5);
}

static NOINLINE void run_altstack(void)
{
	stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};

	sigaltstack(&stack, NULL);
	tick(SA_ONSTACK);
	for (;;)
		recurse(5);
}

/* A synchronous signal in the middle of a leaf function. */
static NOINLINE void fault(const volatile char *at)
{
	sink += (unsigned long)*at;
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	(void)signo;
	(void)info;
	spin(500);
	u->uc_mcontext.gregs[REG_RIP] =
		(greg_t)spin; /* runs `spin` in its place, which returns to the caller */
	u->uc_mcontext.gregs[REG_RDI] = 500;
}

static NOINLINE void run_fault(void)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGSEGV, &sa, NULL);
	for (;;)
		fault((const volatile char *)8);
}

/* ---- frames of unusual shape ----------------------------------------------------------------- */

static NOINLINE unsigned long variable(unsigned n)
{
	char *p = alloca(n);

	memset(p, (int)n, n);
	sink += (unsigned long)p[n / 2];
	return spin(50);
}

static NOINLINE unsigned long aligned(unsigned n)
{
	_Alignas(64) unsigned char block[256];

	memset(block, (int)n, sizeof(block));
	sink += block[n & 255];
	return spin(50);
}

static NOINLINE unsigned long aligned_variable(unsigned n)
{
	_Alignas(64) unsigned char block[256];
	char *p = alloca(n);

	memset(block, (int)n, sizeof(block));
	memset(p, (int)n, n);
	sink += block[n & 255] + (unsigned long)p[n / 2];
	return variable(n) + aligned(n);
}

__attribute__((noinline, noclone, force_align_arg_pointer)) static unsigned long realigned(
	unsigned n)
{
	return aligned_variable(n) + spin(30);
}

static void run_shapes(void)
{
	for (unsigned n = 16;; n = n % 1000 + 16)
		realigned(n);
}

/* ---- threads and processes ------------------------------------------------------------------- */

static void *thread_work(void *arg)
{
	for (;;)
		recurse((unsigned)(unsigned long)arg);
	return NULL;
}

static void run_threads(void)
{
	pthread_t t;

	for (unsigned long i = 1; i < 4; i++)
		pthread_create(&t, NULL, thread_work, (void *)(i * 10));
	thread_work((void *)3);
}

static NOINLINE pid_t spawn(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(0);
	return pid;
}

static void run_vfork(void)
{
	for (;;) {
		pid_t pid = spawn();

		while (waitpid(pid, NULL, 0) < 0)
			;
		spin(100);
	}
}

/* ---- library code ---------------------------------------------------------------------------- */

static void run_library(void)
{
	char text[256];

	for (unsigned i = 0;; i++) {
		snprintf(text, sizeof(text), "%u %s %g %p", i, "text", (double)i / 7, (void *)text);
		sink += strtoul(text, NULL, 10) + strlen(text);
		free(realloc(malloc(i % 5000), i % 90000));
		syscall(SYS_getppid);
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} scenarios[] = {{"qsort", run_qsort}, {"recursion", run_recursion}, {"signal", run_signal},
		{"altstack", run_altstack}, {"fault", run_fault}, {"shapes", run_shapes},
		{"threads", run_threads}, {"vfork", run_vfork}, {"library", run_library}};

	for (size_t i = 0; argc > 1 && i < sizeof(scenarios) / sizeof(*scenarios); i++)
		if (strcmp(argv[1], scenarios[i].name) == 0)
			scenarios[i].run();
	fprintf(stderr, "usage: walk_target SCENARIO\n");
	return 2;
}
