/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside collect/: what the checks of `profd doctor` share. probe.c tries out what sampling needs;
 * settings.c and surroundings.c read files alone, so that tests can show them another host's. */
#ifndef PROFD_COLLECT_PROBE_H
#define PROFD_COLLECT_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "collect/collect.h"

struct probe {
	const char *root;      /* before /proc, /sys, ...: "" but in tests */
	uint64_t capabilities; /* effective ones, a bit each */
	uint32_t seccomp;      /* 0: none, 1: strict, 2: filter */
	/* Of the attempts, negative errno where they failed: */
	int own_events, cpu_events; /* perf events on own threads, on a whole CPU */
	int programs;
	struct err programs_err;
	uint64_t programs_ms; /* that loading took */
	bool hardware;        /* a PMU counts cycles */
	unsigned processes;   /* that were tried to read, */
	unsigned readable;    /* and could be */
};

/* From linux/capability.h, which older headers have without the last three. */
enum probe_capability {
	PROBE_DAC_READ_SEARCH = 2,
	PROBE_SYS_PTRACE = 19,
	PROBE_SYS_ADMIN = 21,
	PROBE_SYSLOG = 34,
	PROBE_PERFMON = 38,
	PROBE_BPF = 39,
	PROBE_CHECKPOINT_RESTORE = 40,
};

/* Whether profd has it, also as a part of CAP_SYS_ADMIN. */
bool probe_has(const struct probe *p, enum probe_capability capability);

/* Capabilities and the seccomp mode of this process out of /proc/self/status. */
void probe_self(struct probe *p);

/* A path below the root. */
const char *probe_place(const struct probe *p, const char *path, char *full, size_t bytes);

/* The first line of a file below the root, without its newline. Negative errno. */
int probe_line(const struct probe *p, const char *path, char *text, size_t bytes);

/* A number below /proc/sys; `missing` where there is none. */
long probe_setting(const struct probe *p, const char *path, long missing);
bool probe_exists(const struct probe *p, const char *path);

__attribute__((format(printf, 3, 4))) void probe_found(
	struct collect_check *c, enum collect_result result, const char *fmt, ...);
__attribute__((format(printf, 2, 3))) void probe_fix(struct collect_check *c, const char *fmt, ...);

/* The checks of a file, in order; `p` is filled in before. */
struct probe_check {
	const char *name;
	void (*run)(const struct probe *p, struct collect_check *c);
};
extern const struct probe_check probe_settings[];
extern const size_t probe_settings_n;
extern const struct probe_check probe_surroundings[];
extern const size_t probe_surroundings_n;

#endif
