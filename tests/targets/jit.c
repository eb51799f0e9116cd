/* SPDX-License-Identifier: BSD-2-Clause */
/* Truth: about two thirds of the CPU time lie in code that the program wrote itself into anonymous
 * memory, one third in around_jit > plain_work. The two made functions are announced in
 * /tmp/perf-PID.map as `jitted_loop` and `jitted;odd name`, half of that time each. They keep a
 * frame pointer, as JIT compilers do for profilers: main > around_jit > jitted_loop. The map file
 * is removed at the end. */
#include <sys/mman.h>

#include "truth.h"

/* push %rbp; mov %rsp,%rbp; 1: dec %rdi; jnz 1b; pop %rbp; ret */
static const unsigned char code[] = {
	0x55, 0x48, 0x89, 0xe5, 0x48, 0xff, 0xcf, 0x75, 0xfb, 0x5d, 0xc3};

enum { PAGE = 4096, SECOND_AT = 256 };

NOINLINE static void plain_work(uint64_t units)
{
	burn(units);
}

NOINLINE static void around_jit(struct truth *t, void (*jitted)(uint64_t), void (*odd)(uint64_t))
{
	uint64_t turns = 100000 + truth_random(t, 200000);

	TRUTH_BURST(t, 0, "jitted_loop", jitted(turns));
	TRUTH_BURST(t, 1, "odd_name", odd(turns));
	TRUTH_BURST(t, 2, "plain_work", plain_work(turns / 1500));
}

static void map_write(const char *path, const char *memory)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return;
	fprintf(f, "%lx %x jitted_loop\n", (unsigned long)memory, (unsigned)sizeof(code));
	fprintf(f, "%lx %x jitted;odd name\n", (unsigned long)memory + SECOND_AT,
		(unsigned)sizeof(code));
	fclose(f);
}

int main(int argc, char **argv)
{
	void (*jitted)(uint64_t), (*odd)(uint64_t);
	char path[64], *memory;
	struct truth t;

	memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	memcpy(memory, code, sizeof(code));
	memcpy(memory + SECOND_AT, code, sizeof(code));
	if (mprotect(memory, PAGE, PROT_READ | PROT_EXEC))
		return 1;
	*(void **)&jitted = memory;
	*(void **)&odd = memory + SECOND_AT;
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	map_write(path, memory);
	truth_ready(argc, argv);
	truth_begin(&t, 9);
	while (!truth_stopped)
		around_jit(&t, jitted, odd);
	unlink(path);
	truth_print(&t, "TRUTH");
	return 0;
}
