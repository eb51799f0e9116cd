/* SPDX-License-Identifier: BSD-2-Clause */
/* Compares profd's walker with two independent unwinders, frame by frame, on a real program: stops
 * a thread at random instants, lets it run on instruction by instruction, and walks its stack at
 * each of these points.
 *
 *   walk STOPS STEPS COMMAND [ARG...]
 *
 * A stack counts as equal when libunwind (over ptrace) has the same frames. Where it has not,
 * elfutils' libdwfl decides: a stack that it agrees with is `libunwind wrong`. One that neither
 * agrees with is a failure, unless both are proved wrong: profd reached the outermost frame, which
 * the program's own information marks, and each of them has a return address that is in no
 * executable mapping. Prints how the walks ended. Exit status 1 on a failure, or where fewer than
 * 99 of 100 walks are complete. */
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <inttypes.h>
#include <libunwind-ptrace.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "process/process.h"
#include "unwind/unwind.h"

enum { FRAMES_MAX = 1024, THREADS_MAX = 64, REPORT_MAX = 5, COPY_BYTES = 32768, START_MS = 300 };

struct stack {
	uint64_t pcs[FRAMES_MAX];
	size_t n;
	enum walk_end end;
	bool by_fp;
};

struct thread {
	uint32_t tid;
	void *upt; /* libunwind's view */
};

struct oracle {
	pid_t pid;
	struct process_table *processes;
	struct unwind *unwind;
	unw_addr_space_t space;
	Dwfl *dwfl;
	struct thread threads[THREADS_MAX];
	size_t n_threads;
	uint64_t random;
	uint64_t stops, equal, libunwind_wrong, both_wrong, failed, by_fp, frames;
	uint64_t ends[WALK_ENDS];
};

static uint64_t draw(struct oracle *o, uint64_t below)
{
	o->random = o->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (o->random >> 33) % below;
}

static void die(const char *what)
{
	fprintf(stderr, "walk: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- profd ----------------------------------------------------------------------------------- */

static void forget(struct oracle *o)
{
	unwind_free(o->unwind);
	process_table_free(o->processes);
	o->unwind = NULL;
	o->processes = NULL;
}

static struct process *known_process(struct oracle *o)
{
	struct err err = {0};
	struct process *p;

	if (!o->processes)
		o->processes = process_table_new(&err);
	if (!o->unwind)
		o->unwind = unwind_new(&err);
	p = o->processes && o->unwind ? process_get(o->processes, (uint32_t)o->pid, &err) : NULL;
	if (!p) {
		fprintf(stderr, "walk: %s\n", err.text);
		exit(2);
	}
	return p;
}

static void registers_of(const struct user_regs_struct *r, uint64_t *to)
{
	const uint64_t in_order[USER_REGISTERS] = {r->rax, r->rdx, r->rcx, r->rbx, r->rsi, r->rdi,
		r->rbp, r->rsp, r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15,
		r->rip};

	memcpy(to, in_order, sizeof(in_order));
}

/* Every second time from a copy of the stack, as deferred samples are walked. */
static void by_profd(struct oracle *o, const struct user_regs_struct *r, struct stack *out)
{
	static uint8_t copy[COPY_BYTES];
	uint64_t registers[USER_REGISTERS];
	struct sample s = {
		.pid = (uint32_t)o->pid, .registers = registers, .stack = copy, .stack_at = r->rsp};
	struct process *p = known_process(o);
	ssize_t n = draw(o, 2) ? process_read(s.pid, r->rsp, copy, sizeof(copy)) : 0;

	s.stack_bytes = n > 0 ? (size_t)n : 0;
	registers_of(r, registers);
	if (unwind_finish(o->unwind, p, &s, out->pcs, FRAMES_MAX) < 0)
		die("unwind_finish");
	out->n = s.n_user;
	out->end = s.user_end;
	out->by_fp = s.user_by_fp;
}

/* ---- libunwind ------------------------------------------------------------------------------- */

/* unw_is_signal_frame() says no where the trampoline has unwind information. */
static bool is_trampoline(const struct oracle *o, uint64_t ip)
{
	static const uint8_t sigreturn[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05};
	uint8_t code[sizeof(sigreturn)];

	return process_read((uint32_t)o->pid, ip, code, sizeof(code)) == sizeof(code) &&
	       memcmp(code, sigreturn, sizeof(code)) == 0;
}

static void by_libunwind(struct oracle *o, struct thread *t, struct stack *out)
{
	unw_cursor_t cursor;
	bool exact = true;
	unw_word_t ip;

	out->n = 0;
	if (unw_init_remote(&cursor, o->space, t->upt) < 0)
		return;
	do {
		bool is_signal;

		if (unw_get_reg(&cursor, UNW_REG_IP, &ip) < 0 || !ip)
			break;
		is_signal = is_trampoline(o, ip);
		out->pcs[out->n++] = exact || is_signal ? ip : ip - 1;
		exact = is_signal;
	} while (out->n < FRAMES_MAX && unw_step(&cursor) > 0);
}

/* ---- libdwfl --------------------------------------------------------------------------------- */

static int dwfl_frame(Dwfl_Frame *frame, void *arg)
{
	struct stack *out = arg;
	bool exact;
	Dwarf_Addr ip;

	if (!dwfl_frame_pc(frame, &ip, &exact) || out->n == FRAMES_MAX)
		return DWARF_CB_ABORT;
	out->pcs[out->n++] = exact ? ip : ip - 1;
	return DWARF_CB_OK;
}

static void by_libdwfl(struct oracle *o, uint32_t tid, struct stack *out)
{
	static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_linux_proc_find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo};

	out->n = 0;
	if (!o->dwfl) {
		o->dwfl = dwfl_begin(&callbacks);
		if (!o->dwfl || dwfl_linux_proc_report(o->dwfl, o->pid) ||
			dwfl_report_end(o->dwfl, NULL, NULL) ||
			dwfl_linux_proc_attach(o->dwfl, o->pid, true))
			die("libdwfl");
	}
	dwfl_getthread_frames(o->dwfl, (pid_t)tid, dwfl_frame, out);
}

/* ---- comparing ------------------------------------------------------------------------------- */

static bool same(const struct stack *a, const struct stack *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->pcs[i] != b->pcs[i])
			return false;
	return true;
}

static void print_stack(const char *who, const struct stack *s)
{
	printf("  %-9s %zu:", who, s->n);
	for (size_t i = 0; i < s->n && i < 24; i++)
		printf(" %" PRIx64, s->pcs[i]);
	printf("\n");
}

static void print_all(const struct oracle *o, const struct thread *t, const struct stack *own,
	const struct stack *unw, const struct stack *dwfl)
{
	printf("  stop %" PRIu64 ", thread %u, %s%s:\n", o->stops, t->tid, walk_end_name(own->end),
		own->by_fp ? ", by frame pointer" : "");
	print_stack("profd", own);
	print_stack("libunwind", unw);
	print_stack("libdwfl", dwfl);
}

/* Whether it has a frame outside the program's executable mappings. */
static bool is_wild(struct oracle *o, const struct stack *s)
{
	const struct process *p = known_process(o);

	for (size_t i = 0; i < s->n; i++)
		if (!process_mapping(p, s->pcs[i]))
			return true;
	return false;
}

static void compare(struct oracle *o, struct thread *t, const struct user_regs_struct *r)
{
	static struct stack own, unw, dwfl;

	by_profd(o, r, &own);
	if (own.end == WALK_NO_MAPPING) { /* the program mapped something meanwhile */
		forget(o);
		by_profd(o, r, &own);
	}
	by_libunwind(o, t, &unw);
	o->stops++;
	o->frames += own.n;
	o->ends[own.end]++;
	o->by_fp += own.by_fp;
	if (same(&own, &unw)) {
		o->equal++;
		return;
	}
	by_libdwfl(o, t->tid, &dwfl);
	if (same(&own, &dwfl))
		o->libunwind_wrong++;
	else if (own.end == WALK_COMPLETE && !own.by_fp && is_wild(o, &unw) && is_wild(o, &dwfl))
		o->both_wrong++;
	else if (o->failed++ < REPORT_MAX)
		print_all(o, t, &own, &unw, &dwfl);
}

/* ---- the program under test ------------------------------------------------------------------ */

static pid_t start(char **argv)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* it would run for ever */
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0)
		die("fork");
	usleep(START_MS * 1000);
	return pid;
}

static void attach_new_threads(struct oracle *o)
{
	uint32_t *tids;
	size_t n, known;

	if (process_threads((uint32_t)o->pid, &tids, &n) < 0)
		die("the program ended");
	for (size_t i = 0; i < n && o->n_threads < THREADS_MAX; i++) {
		for (known = 0; known < o->n_threads && o->threads[known].tid != tids[i]; known++)
			;
		if (known < o->n_threads)
			continue;
		if (ptrace(PTRACE_SEIZE, tids[i], 0, PTRACE_O_EXITKILL) < 0)
			die("PTRACE_SEIZE");
		o->threads[o->n_threads++] = (struct thread){tids[i], _UPT_create((pid_t)tids[i])};
	}
	free(tids);
}

/* Waits for a stop of the thread that is no signal on its way to it; such go on to the program. */
static void wait_stop(uint32_t tid, int resume)
{
	int status, signo;

	for (;;) {
		if (waitpid((pid_t)tid, &status, __WALL) < 0 || !WIFSTOPPED(status)) {
			fprintf(stderr, "walk: the program ended (status %x)\n", status);
			exit(2);
		}
		signo = WSTOPSIG(status);
		if (status >> 16 == PTRACE_EVENT_STOP || signo == SIGTRAP)
			return;
		if (ptrace(resume, tid, 0, signo) < 0)
			die("resume");
	}
}

static void look(struct oracle *o, unsigned steps)
{
	struct thread *t = &o->threads[draw(o, o->n_threads)];
	struct user_regs_struct r;

	if (ptrace(PTRACE_INTERRUPT, t->tid, 0, 0) < 0)
		die("PTRACE_INTERRUPT");
	wait_stop(t->tid, PTRACE_CONT);
	for (unsigned i = 0; i <= steps; i++) {
		if (ptrace(PTRACE_GETREGS, t->tid, 0, &r) < 0)
			die("PTRACE_GETREGS");
		compare(o, t, &r);
		if (i == steps)
			break;
		if (ptrace(PTRACE_SINGLESTEP, t->tid, 0, 0) < 0)
			die("PTRACE_SINGLESTEP");
		wait_stop(t->tid, PTRACE_SINGLESTEP);
	}
	if (ptrace(PTRACE_CONT, t->tid, 0, 0) < 0)
		die("PTRACE_CONT");
	if (o->dwfl) { /* it remembers memory of this stop */
		dwfl_end(o->dwfl);
		o->dwfl = NULL;
	}
	unw_flush_cache(o->space, 0, 0);
}

static int report(const struct oracle *o, const char *name)
{
	uint64_t complete = o->ends[WALK_COMPLETE];

	printf("%s: %" PRIu64 " stacks (%.1f frames): %" PRIu64 " equal, %" PRIu64
	       " libunwind wrong (libdwfl agrees with profd), %" PRIu64
	       " both proved wrong, %" PRIu64 " failed; %" PRIu64 " used a frame pointer; ends:",
		name, o->stops, (double)o->frames / (double)o->stops, o->equal, o->libunwind_wrong,
		o->both_wrong, o->failed, o->by_fp);
	for (int i = 0; i < WALK_ENDS; i++)
		if (o->ends[i])
			printf(" %s %" PRIu64, walk_end_name((enum walk_end)i), o->ends[i]);
	printf("\n");
	return o->failed || complete * 100 < o->stops * 99;
}

int main(int argc, char **argv)
{
	struct oracle o = {.random = 1};
	unsigned stops, steps;
	int status;

	if (argc < 4) {
		fprintf(stderr, "usage: walk STOPS STEPS COMMAND [ARG...]\n");
		return 2;
	}
	stops = (unsigned)atoi(argv[1]);
	steps = (unsigned)atoi(argv[2]);
	o.space = unw_create_addr_space(&_UPT_accessors, 0);
	o.pid = start(argv + 3);
	for (unsigned i = 0; i < stops; i++) {
		attach_new_threads(&o);
		usleep((useconds_t)draw(&o, 2000));
		look(&o, steps);
	}
	kill(o.pid, SIGKILL);
	while (waitpid(-1, &status, __WALL) > 0) /* each traced thread, then the process */
		;
	forget(&o);
	return report(&o, argv[argc - 1]);
}
