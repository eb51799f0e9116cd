/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside collect/: the state shared by ebpf.c (programs and tables), events.c (perf events) and
 * ring.c (records). */
#ifndef PROFD_COLLECT_EBPF_H
#define PROFD_COLLECT_EBPF_H

#include "base/map.h"
#include "collect/collect.h"

/* A perf event of ours, on a thread (and what it inherits to) or on a CPU. */
struct event {
	int fd;
	uint32_t tid;          /* 0: per CPU */
	uint32_t cpu;          /* per CPU only */
	uint32_t until_change; /* samples left before its period changes */
	uint64_t period_ns;    /* now, */
	uint64_t changed_ns;   /* since this moment, */
	uint64_t before_ns;    /* and the one it had before that */
	bool on_exec;
	bool mirror; /* the period now and the one before have the nominal one as their mean */
};

struct collect {
	struct collect_options options;
	struct sample_bpf *skeleton;
	struct ring_buffer *ring;
	struct collect_tables tables;
	size_t cells_bytes, mappings_bytes, rules_bytes;
	struct event *events;
	size_t n_events, cap_events;
	struct map *event_of_tid; /* tid -> index into events */
	bool use_cycles; /* a PMU is there: cycles at a frequency, the kernel adapts the period */
	uint64_t random; /* state of the period's jitter */
	void (*each)(void *arg, const struct sample *s);
	void *each_arg;
	struct python_frame *python; /* scratch of the record being decoded */
	int decoded;
};

/* events.c */
bool events_have_pmu(void);
void events_limit_raise(void);
void events_close(struct collect *c);
void events_stop(struct collect *c);
uint64_t events_running_ns(const struct collect *c);

/* A sample came in: corrects its weight where the kernel does not tell the period's changes, and
 * after some samples makes such a change. */
void events_sampled(struct collect *c, struct sample *s);

/* ring.c: called by the ring for each record */
int ring_record(void *arg, void *data, size_t bytes);

#endif
