/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks the Python stack of an interpreter at every single instruction: stops a script at random
 * instants, lets it run on instruction by instruction, and looks at each of these points whether
 * the walk is complete and what it found is possible.
 *
 *   python_steps 3.MINOR STOPS STEPS SCRIPT...
 *
 * With each interpreter of that version (test_python_target.h says where they are looked for). The
 * docstring of a script states who calls whom (python_rules.h).
 *
 * A point fails where
 *   - the walk did not reach the outermost frame,
 *   - a frame is called by one that does not call it,
 *   - more than one frame came or went since the instruction before, or one came or went for a few
 *     instructions only, or another one took its place (so a possible stack of a wrong moment does
 *     not pass),
 *   - the runs of frames do not fit the eval loops of the native stack.
 * Prints the failures by cause and instruction; the last line is `N passed, N failed, N skipped`
 * (interpreter and script are one test). */
#include "tests/unit/test_python_target.h"

#include <inttypes.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "python_rules.h"
#include "symbolize/symbolize.h"
#include "unwind/unwind.h"

enum {
	CODES_MAX = 4096, /* power of two */
	FAILURES_MAX = 200,
	SHOWN_MAX = 40,
	TEXT_BYTES = 1500,
	WARM_UP_MS = 300,
	BLINK_STEPS = 12, /* no frame lives, and none is left, for so few instructions */
	NATIVE_MAX = 2048,
	NATIVE_EVERY = 16,  /* steps, and whenever the Python stack changes */
	COPY_BYTES = 16384, /* of the stack */
	PAGE = 4096,
	PAGES = 32, /* power of two */
};

/* The target's memory at one step. */
struct memory {
	pid_t pid;
	uint64_t at[PAGES]; /* 0: none */
	bool used[PAGES];   /* in this step */
	uint8_t pages[PAGES][PAGE];
};

struct failure {
	char cause[64];
	uint64_t pc;           /* where it began, */
	uint64_t count;        /* how often, */
	uint64_t steps;        /* and for how many instructions in all */
	char text[TEXT_BYTES]; /* the first stack of that kind */
};

struct chain {
	uint64_t names[PROFD_MAX_PYTHON_FRAMES]; /* function numbers, outermost first */
	size_t n, runs;
	enum walk_end end;
	bool is_new;  /* the innermost frame is at its first instruction */
	unsigned age; /* in instructions */
};

/* What a code object was found to be. */
struct code_name {
	uint64_t code;
	uint32_t fingerprint;
	uint64_t number;
};

struct oracle {
	struct target target;
	struct rules *rules;
	struct memory memory;
	struct unwind *unwind;
	struct symbolizer *symbolizer;
	struct profd_python_thread thread;
	struct code_name codes[CODES_MAX];
	struct failure failures[FAILURES_MAX];
	size_t n_failures;
	struct failure *open;           /* that `last` is */
	struct chain now, last, before; /* `before`: the one that `last` took the place of */
	uint64_t random, steps, failed;
};

static void die(const char *what)
{
	fprintf(stderr, "python_steps: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t draw(struct oracle *o, uint64_t below)
{
	o->random = o->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (o->random >> 33) % below;
}

/* ---- memory ------------------------------------------------------------------------------------
 */

/* Reads what the step before has used, all at once: this one is likely to use the same. */
static void memory_begin(struct memory *m)
{
	struct iovec here[PAGES], there[PAGES];
	unsigned slots[PAGES], n = 0;
	ssize_t got;

	for (unsigned i = 0; i < PAGES; i++) {
		if (!m->used[i])
			m->at[i] = 0;
		m->used[i] = false;
		if (!m->at[i])
			continue;
		slots[n] = i;
		here[n] = (struct iovec){m->pages[i], PAGE};
		there[n++] = (struct iovec){(void *)m->at[i], PAGE}; /* an address over there */
	}
	got = n ? process_vm_readv(m->pid, here, n, there, n, 0) : 0;
	for (unsigned i = 0; i < n; i++)
		if (got < (ssize_t)((i + 1) * PAGE))
			m->at[slots[i]] = 0;
}

static long memory_read(void *arg, void *to, uint32_t bytes, uint64_t address)
{
	struct memory *m = arg;

	while (bytes) {
		uint64_t page = address & ~(uint64_t)(PAGE - 1);
		unsigned i = (unsigned)(page / PAGE) & (PAGES - 1);
		uint32_t offset = (uint32_t)(address - page);
		uint32_t n = bytes < PAGE - offset ? bytes : PAGE - offset;

		if (!page || m->at[i] != page) {
			m->at[i] = 0;
			if (process_read((uint32_t)m->pid, page, m->pages[i], PAGE) != PAGE)
				return -1;
			m->at[i] = page;
		}
		m->used[i] = true;
		memcpy(to, m->pages[i] + offset, n);
		to = (char *)to + n;
		address += n;
		bytes -= n;
	}
	return 0;
}

/* ---- one stack --------------------------------------------------------------------------------
 */

static const char *name_of(const struct oracle *o, uint64_t number)
{
	const struct python_function *f = python_function(o->target.python, number);

	return f ? f->qualname : "?";
}

/* A code object may be freed already while its frame is being taken down: what it was before
 * holds. */
static uint64_t function_of(struct oracle *o, uint64_t code, uint64_t where)
{
	struct python_frame frame = {.code = code & ~PYTHON_ENTRY_FLAG,
		.instruction = (uint32_t)(where >> 32),
		.fingerprint = (uint32_t)where};
	struct code_name *known =
		&o->codes[(frame.code >> 4 ^ frame.fingerprint) & (CODES_MAX - 1)];
	struct location at;

	if (known->code == frame.code && known->fingerprint == frame.fingerprint)
		return known->number;
	if (python_location(o->target.python, o->target.process, &frame, &at))
		return UINT64_MAX;
	*known = (struct code_name){frame.code, frame.fingerprint, at.scope};
	return at.scope;
}

static void registers_of(const struct user_regs_struct *r, void *to)
{
	const uint64_t in_order[USER_REGISTERS] = {r->rax, r->rdx, r->rcx, r->rbx, r->rsi, r->rdi,
		r->rbp, r->rsp, r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15,
		r->rip};

	memcpy(to, in_order, sizeof(in_order));
}

static void walk_python(struct oracle *o, const struct user_regs_struct *r, struct chain *out)
{
	static struct profd_scratch s;
	struct profd_host host = {
		.read_user = memory_read, .arg = &o->memory, .python_thread = &o->thread};

	memory_begin(&o->memory);
	memset(&s.python, 0x5a, sizeof(s.python));
	s.record.pid = s.record.tid = (uint32_t)o->target.pid;
	s.record.time_ns = o->steps + 1;
	registers_of(r, s.registers);
	profd_host = &host;
	python_walk(&s, 0, &o->target.layout, r->fs_base);
	profd_host = NULL;
	out->n = s.record.n_python;
	out->end = s.record.python_end;
	out->runs = 0;
	out->age = 1;
	out->is_new = out->n > 1 && !(s.words[1] >> 32);
	for (size_t i = 0; i < out->n; i++) {
		const __u64 *w = &s.words[i * PROFD_PYTHON_WORDS];

		out->names[out->n - 1 - i] = function_of(o, w[0], w[1]);
		out->runs += w[0] >> 63;
	}
}

/* Eval loops in the native stack; -1: it is not known. */
static int count_evals(struct oracle *o, const struct user_regs_struct *r)
{
	static uint64_t pcs[NATIVE_MAX];
	static uint8_t copy[COPY_BYTES];
	uint64_t registers[USER_REGISTERS];
	struct sample s = {.pid = (uint32_t)o->target.pid,
		.registers = registers,
		.stack = copy,
		.stack_at = r->rsp};
	ssize_t got = process_read(s.pid, r->rsp, copy, sizeof(copy));
	int n = 0;

	s.stack_bytes = got > 0 ? (size_t)got : 0;
	registers_of(r, registers);
	if (unwind_finish(o->unwind, o->target.process, &s, pcs, NATIVE_MAX) < 0 ||
		s.user_end != WALK_COMPLETE)
		return -1;
	for (size_t i = 0; i < s.n_user; i++) {
		const struct mapping *m = process_mapping(o->target.process, s.user[i]);

		n += m && m->image &&
		     python_is_eval(o->target.python, m->image->number, s.user[i] - m->bias);
	}
	return n;
}

static bool same_chain(const struct chain *a, const struct chain *b)
{
	return a->end == b->end && a->n == b->n &&
	       !memcmp(a->names, b->names, a->n * sizeof(*a->names));
}

static const char *print_chain(const struct oracle *o, const struct chain *c, char *text, size_t n)
{
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < c->n && at < n; i++)
		at += (size_t)snprintf(
			text + at, n - at, "%s%s", i ? " > " : "", name_of(o, c->names[i]));
	return text;
}

static void blame(struct oracle *o, const char *cause, uint64_t pc, const struct chain *also)
{
	struct failure *f = o->failures;
	size_t at;

	o->failed++;
	for (; f < o->failures + o->n_failures; f++)
		if (f->pc == pc && !strcmp(f->cause, cause)) {
			f->count++;
			f->steps++;
			o->open = f;
			return;
		}
	if (o->n_failures == FAILURES_MAX)
		return;
	o->n_failures++;
	*f = (struct failure){.pc = pc, .count = 1, .steps = 1};
	o->open = f;
	snprintf(f->cause, sizeof(f->cause), "%s", cause);
	print_chain(o, &o->now, f->text, sizeof(f->text) / 2);
	if (also) {
		strcat(f->text, "\n      after ");
		at = strlen(f->text);
		print_chain(o, also, f->text + at, sizeof(f->text) - at);
	}
}

/* ---- what may be ------------------------------------------------------------------------------
 */

static bool is_possible(const struct oracle *o, const struct chain *c)
{
	if (c->n < 2 || strcmp(name_of(o, c->names[0]), "<module>") != 0 ||
		strcmp(name_of(o, c->names[1]), "main") != 0)
		return false;
	for (size_t i = 2; i < c->n; i++)
		if (!rule_holds(o->rules, name_of(o, c->names[i - 1]), name_of(o, c->names[i])))
			return false;
	return true;
}

/* A frame that its eval loop has not begun with is as good as not there yet. */
static void drop_new(struct chain *c)
{
	c->n -= c->is_new;
	c->is_new = false;
}

/* One frame came, or one went, or none did. */
static bool is_neighbour(const struct chain *a, const struct chain *b)
{
	const struct chain *less = a->n < b->n ? a : b, *more = less == a ? b : a;

	return more->n - less->n <= 1 &&
	       !memcmp(more->names, less->names, less->n * sizeof(*less->names));
}

static void check_runs(struct oracle *o, const struct user_regs_struct *r)
{
	int evals = count_evals(o, r);
	char cause[64];

	if (evals < 0 || o->now.end != WALK_COMPLETE || (size_t)evals == o->now.runs ||
		(size_t)evals == o->now.runs + 1)
		return;
	snprintf(cause, sizeof(cause), "%zu runs in %d eval loops", o->now.runs, evals);
	blame(o, cause, r->rip, NULL);
}

static void see(struct oracle *o)
{
	const char *leaf = name_of(o, o->now.names[o->now.n - 1]);

	for (size_t i = 0; i < o->rules->n; i++)
		o->rules->rules[i].seen |= !strcmp(o->rules->rules[i].callee, leaf);
}

static void check_chain(struct oracle *o, uint64_t pc)
{
	if (o->now.end != WALK_COMPLETE)
		blame(o, walk_end_name(o->now.end), pc, &o->last);
	else if (!is_possible(o, &o->now))
		blame(o, "impossible", pc, &o->last);
	else if (o->last.age && o->last.end == WALK_COMPLETE && !is_neighbour(&o->now, &o->last))
		blame(o, "no neighbour", pc, &o->last);
	else if (o->before.age && o->last.age <= BLINK_STEPS && same_chain(&o->before, &o->now))
		blame(o, "blink", pc, &o->last);
	else
		see(o);
}

static void check(struct oracle *o, const struct user_regs_struct *r)
{
	bool same;

	walk_python(o, r, &o->now);
	if (o->now.end == WALK_COMPLETE && is_possible(o, &o->now))
		drop_new(&o->now);
	same = o->last.age && same_chain(&o->now, &o->last);
	if (!same || o->steps % NATIVE_EVERY == 0)
		check_runs(o, r);
	o->steps++;
	if (same) {
		o->last.age++;
		if (o->open) {
			o->open->steps++;
			o->failed++;
		}
		return;
	}
	o->open = NULL;
	check_chain(o, r->rip);
	o->before = o->last;
	o->last = o->now;
}

/* ---- the program under test -------------------------------------------------------------------
 */

/* Lets the thread run one instruction; signals on their way to it go on. */
static void step(pid_t pid)
{
	int status, signo = 0;

	do {
		if (ptrace(PTRACE_SINGLESTEP, pid, 0, signo) < 0)
			die("PTRACE_SINGLESTEP");
		if (waitpid(pid, &status, __WALL) < 0 || !WIFSTOPPED(status)) {
			fprintf(stderr, "python_steps: the script ended (status %x)\n", status);
			exit(2);
		}
		signo = WSTOPSIG(status);
	} while (status >> 16 != PTRACE_EVENT_STOP && signo != SIGTRAP);
}

static void look(struct oracle *o, unsigned steps)
{
	struct user_regs_struct r;
	pid_t pid = o->target.pid;

	o->last = o->before = (struct chain){0};
	o->open = NULL;
	for (unsigned i = 0; i < steps; i++) {
		if (ptrace(PTRACE_GETREGS, pid, 0, &r) < 0)
			die("PTRACE_GETREGS");
		check(o, &r);
		step(pid);
	}
}

static void start(struct oracle *o, const char *interpreter, const char *script)
{
	struct target *t = &o->target;
	struct err err = {0};
	char line[64] = "";
	int out[2];

	memset(t, 0, sizeof(*t));
	if (pipe2(out, O_CLOEXEC) < 0)
		die("pipe");
	t->pid = fork();
	if (t->pid < 0)
		die("fork");
	if (!t->pid) {
		dup2(out[1], 1);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setenv("PYTHONHASHSEED", "0", 1);
		execlp(interpreter, interpreter, script, "100000", (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	t->out = fdopen(out[0], "r");
	if (!fgets(line, sizeof(line), t->out) || strncmp(line, "READY", 5) != 0) {
		fprintf(stderr, "python_steps: %s did not start with %s\n", script, interpreter);
		exit(2);
	}
	o->memory.pid = t->pid;
	usleep(WARM_UP_MS * 1000);
	target_inspect(t);
	o->unwind = unwind_new(&err);
	if (!o->unwind || unwind_process(o->unwind, t->process, &err)) {
		fprintf(stderr, "python_steps: %s\n", err.text);
		exit(2);
	}
}

static void stop(struct oracle *o)
{
	kill(o->target.pid, SIGKILL);
	waitpid(o->target.pid, NULL, __WALL);
	fclose(o->target.out);
	unwind_free(o->unwind);
	symbolizer_free(o->symbolizer);
	python_free(o->target.python);
	process_table_free(o->target.processes);
}

static void print_failure(const struct oracle *o, const struct failure *f)
{
	const struct mapping *m = process_mapping(o->target.process, f->pc);
	struct symbol symbol = {.name = "?"};
	uint64_t vaddr = m ? f->pc - m->bias : f->pc;

	if (m && m->image)
		symbolize_native(o->symbolizer, m->image, vaddr, &symbol);
	printf("  %s: %" PRIu64 " times (%" PRIu64 " instructions) from %s+0x%" PRIx64
	       " (%s 0x%" PRIx64 ") on\n      %s\n",
		f->cause, f->count, f->steps, symbol.name, symbol.offset,
		m && m->image ? m->image->name : "?", vaddr, f->text);
}

static bool report(const struct oracle *o, const char *interpreter, const char *script)
{
	size_t seen = 0;
	bool passed;

	for (size_t i = 0; i < o->rules->n; i++)
		seen += o->rules->rules[i].seen;
	passed = !o->failed && seen * 4 >= o->rules->n; /* or it has not looked at much */
	printf("%s %s %s: %" PRIu64 " instructions, %zu of %zu calls seen, %" PRIu64 " failures\n",
		passed ? "ok" : "not ok", interpreter,
		strrchr(script, '/') ? strrchr(script, '/') + 1 : script, o->steps, seen,
		o->rules->n, o->failed);
	for (size_t i = 0; i < o->n_failures && i < SHOWN_MAX; i++)
		print_failure(o, &o->failures[i]);
	fflush(stdout);
	return passed;
}

/* Whether nothing failed. */
static bool run(const char *interpreter, const char *script, struct rules *rules, unsigned stops,
	unsigned steps)
{
	struct oracle *o = calloc(1, sizeof(*o));
	bool passed;

	if (!o)
		die("memory");
	o->rules = rules;
	o->random = 1;
	o->symbolizer = symbolizer_new();
	start(o, interpreter, script);
	if (ptrace(PTRACE_SEIZE, o->target.pid, 0, PTRACE_O_EXITKILL) < 0)
		die("PTRACE_SEIZE");
	for (unsigned i = 0; i < stops; i++) {
		usleep((useconds_t)draw(o, 20000));
		if (ptrace(PTRACE_INTERRUPT, o->target.pid, 0, 0) < 0)
			die("PTRACE_INTERRUPT");
		waitpid(o->target.pid, NULL, __WALL);
		look(o, steps);
		if (ptrace(PTRACE_CONT, o->target.pid, 0, 0) < 0)
			die("PTRACE_CONT");
	}
	passed = report(o, interpreter, script);
	stop(o);
	free(o);
	return passed;
}

/* Stepping between two CPUs takes three times as long. */
static void stay_on_one_cpu(void)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	CPU_ZERO(&set);
	if (cpu >= 0)
		CPU_SET(cpu, &set);
	if (cpu < 0 || sched_setaffinity(0, sizeof(set), &set))
		fprintf(stderr, "python_steps: not bound to a CPU: %s\n", strerror(errno));
}

int main(int argc, char **argv)
{
	static struct interpreters in;
	static struct rules rules;
	unsigned minor, passed = 0, failed = 0, skipped = 0;

	if (argc < 5 || sscanf(argv[1], "3.%u", &minor) != 1) {
		fprintf(stderr, "usage: python_steps 3.MINOR STOPS STEPS SCRIPT...\n");
		return 2;
	}
	stay_on_one_cpu();
	interpreters_find(&in, minor);
	if (!in.n) {
		printf("skipped: no CPython %s here\n", argv[1]);
		skipped++;
	}
	for (int s = 4; s < argc; s++) {
		if (!rules_read(&rules, argv[s]))
			die(argv[s]);
		for (size_t i = 0; i < in.n; i++) {
			bool ok = run(in.paths[i], argv[s], &rules, (unsigned)atoi(argv[2]),
				(unsigned)atoi(argv[3]));

			passed += ok;
			failed += !ok;
		}
	}
	printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
	return failed != 0;
}
