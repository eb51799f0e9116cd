/* SPDX-License-Identifier: BSD-2-Clause */
/* Loading the programs of bpf/ and sharing their tables. */
#include "collect/ebpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/contract.h"
#include "sample.skel.h"

#define LOG_ROOM "collect"
#include "base/clock.h"
#include "base/log.h"

enum {
	RING_BYTES_PER_CPU = 2 << 20,
	RING_BYTES_MIN = 4 << 20,
	RING_BYTES_MAX = 64 << 20,
	/* The host is sampled all the time at a low rate, and what is resident counts. */
	HOST_RING_BYTES_PER_CPU = 512 << 10,
	HOST_RING_BYTES_MIN = 2 << 20, /* above RING_HURRY_BYTES of the program */
};

/* libbpf's talk, the verifier's log included, is for --verbose. */
static int libbpf_talk(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char *text = NULL, *line, *rest;

	if (log_get_level() < LOG_LEVEL_DEBUG || level == LIBBPF_DEBUG ||
		vasprintf(&text, fmt, ap) < 0)
		return 0;
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			log_debug("%s", line);
	free(text);
	return 0;
}

static int load_error(struct err *err, int rc)
{
	if (rc == -EPERM) /* -EACCES is the verifier's word for a program that it rejects */
		return err_set(err, rc,
			"loading eBPF programs is not permitted here; run as root, or give profd the capabilities "
			"CAP_BPF and CAP_PERFMON");
	if (rc == -ENOSYS)
		return err_set(err, rc,
			"this kernel has no eBPF (bpf system call missing); profd needs Linux 5.17 or later");
	if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT, BPF_FUNC_loop, NULL) == 0)
		return err_set(err, rc,
			"this kernel is too old: its eBPF has no loops (bpf_loop); profd needs Linux 5.17 or later");
	if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
		return err_set(err, rc,
			"this kernel does not describe its types (/sys/kernel/btf/vmlinux is missing); it must be built "
			"with CONFIG_DEBUG_INFO_BTF");
	return err_set(err, rc,
		"cannot load the eBPF programs: %s; --verbose shows the kernel's reasons",
		strerror(-rc));
}

static uint32_t round_up_cells(uint32_t cells)
{
	uint32_t n = 1U << 16;

	while (n < cells && n < 1U << 28)
		n *= 2;
	return n;
}

/* A power of two, as the kernel wants it. */
static uint32_t ring_bytes(uint32_t cpus, bool host)
{
	uint32_t per_cpu = host ? HOST_RING_BYTES_PER_CPU : RING_BYTES_PER_CPU;
	uint32_t bytes = host ? HOST_RING_BYTES_MIN : RING_BYTES_MIN;

	while (bytes < RING_BYTES_MAX && bytes / per_cpu < cpus)
		bytes *= 2;
	return bytes;
}

static void maps_size(struct collect *c)
{
	int possible = libbpf_num_possible_cpus();
	uint32_t cpus = possible > 0 ? (uint32_t)possible : 1;

	c->tables.n_cells = round_up_cells(c->options.table_cells);
	c->tables.n_mappings = c->options.table_mappings < 4096 ? 4096 : c->options.table_mappings;
	c->tables.n_rules = PROFD_MAX_RULES;
	bpf_map__set_max_entries(c->skeleton->maps.cells, c->tables.n_cells / 2);
	bpf_map__set_max_entries(c->skeleton->maps.mappings, c->tables.n_mappings);
	bpf_map__set_max_entries(c->skeleton->maps.scratches, cpus);
	bpf_map__set_max_entries(c->skeleton->maps.samples, ring_bytes(cpus, c->options.host));
}

static int skeleton_load(struct collect *c, struct err *err)
{
	int rc;

	c->skeleton = sample_bpf__open();
	if (!c->skeleton)
		return load_error(err, errno ? -errno : -EINVAL);
	maps_size(c);
	c->use_cycles = events_have_pmu();
	c->skeleton->rodata->profd_weight_ns = c->use_cycles ? NS_PER_S / c->options.rate_hz : 0;
	c->skeleton->rodata->profd_kernel_stacks = c->options.kernel_stacks;
	c->skeleton->data->profd_native_stacks = c->options.native_stacks;
	c->skeleton->rodata->profd_filter_targets = c->options.per_cpu && !c->options.host;
	rc = sample_bpf__load(c->skeleton);
	return rc ? load_error(err, rc) : 0;
}

static void *map_share(
	const struct bpf_map *map, size_t element_bytes, uint32_t n, size_t *bytes, struct err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p;

	*bytes = (((element_bytes + 7) & ~(size_t)7) * n + page - 1) & ~(page - 1);
	p = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	if (p != MAP_FAILED)
		return p;
	err_set(err, -errno, "cannot share the table %s with the kernel: %s", bpf_map__name(map),
		strerror(errno));
	return NULL;
}

static int tables_share(struct collect *c, struct err *err)
{
	struct collect_tables *t = &c->tables;

	t->cells = map_share(
		c->skeleton->maps.cells, sizeof(uint64_t), t->n_cells / 2, &c->cells_bytes, err);
	t->mappings = map_share(c->skeleton->maps.mappings, sizeof(struct profd_mapping),
		t->n_mappings, &c->mappings_bytes, err);
	t->rules = map_share(c->skeleton->maps.rules, sizeof(struct profd_rule), t->n_rules,
		&c->rules_bytes, err);
	t->processes_fd = bpf_map__fd(c->skeleton->maps.processes);
	t->pythons_fd = bpf_map__fd(c->skeleton->maps.pythons);
	return t->cells && t->mappings && t->rules ? 0 : -ENOMEM;
}

/* The programs translate PIDs into the namespace that profd itself runs in. */
static int namespace_tell(struct collect *c, struct err *err)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);
	int rc = bpf_prog_test_run_opts(bpf_program__fd(c->skeleton->progs.profd_whoami), &run);

	if (rc < 0 || run.retval != 1)
		return err_set(err, rc < 0 ? rc : -EINVAL,
			"cannot ask the kernel for profd's PID namespace: %s",
			strerror(rc < 0 ? -rc : EINVAL));
	return 0;
}

struct collect *collect_open(const struct collect_options *options, struct err *err)
{
	struct collect *c = calloc(1, sizeof(*c));
	int rc = -ENOMEM;

	if (!c) {
		err_set(err, rc, "out of memory");
		return NULL;
	}
	c->options = *options;
	c->options.per_cpu |= options->host;
	c->random = clock_now_ns() | 1;
	c->event_of_tid = map_new(sizeof(uint32_t), sizeof(size_t));
	c->python = calloc(PROFD_MAX_PYTHON_FRAMES, sizeof(*c->python));
	if (!c->event_of_tid || !c->python) {
		err_set(err, rc, "out of memory");
		goto fail;
	}
	libbpf_set_print(libbpf_talk);
	events_limit_raise();
	rc = skeleton_load(c, err);
	if (rc < 0 || tables_share(c, err) < 0 || namespace_tell(c, err) < 0)
		goto fail;
	c->ring = ring_buffer__new(bpf_map__fd(c->skeleton->maps.samples), ring_record, c, NULL);
	if (c->ring)
		return c;
	err_set(err, -errno, "cannot map the ring buffer: %s", strerror(errno));
fail:
	collect_close(c);
	return NULL;
}

static void unshare_table(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes);
}

void collect_close(struct collect *c)
{
	if (!c)
		return;
	events_close(c);
	ring_buffer__free(c->ring);
	unshare_table(c->tables.cells, c->cells_bytes);
	unshare_table(c->tables.mappings, c->mappings_bytes);
	unshare_table(c->tables.rules, c->rules_bytes);
	sample_bpf__destroy(c->skeleton);
	map_free(c->event_of_tid);
	free(c->python);
	free(c);
}

const struct collect_tables *collect_tables(const struct collect *c)
{
	return &c->tables;
}

void collect_detach(struct collect *c)
{
	events_stop(c);
}

int collect_fd(const struct collect *c)
{
	return ring_buffer__epoll_fd(c->ring);
}

int collect_drain(struct collect *c, void (*each)(void *arg, const struct sample *s), void *arg)
{
	int rc;

	c->each = each;
	c->each_arg = arg;
	c->decoded = 0;
	rc = ring_buffer__consume(c->ring);
	return rc < 0 ? rc : c->decoded;
}

void collect_stats(const struct collect *c, struct collect_stats *stats)
{
	int cpus = libbpf_num_possible_cpus();
	struct profd_counters *counters = calloc(cpus > 0 ? (size_t)cpus : 1, sizeof(*counters));
	uint32_t zero = 0;

	*stats = (struct collect_stats){.running_ns = events_running_ns(c)};
	if (counters &&
		!bpf_map_lookup_elem(bpf_map__fd(c->skeleton->maps.counters), &zero, counters))
		for (int i = 0; i < cpus; i++) {
			stats->runs += counters[i].runs;
			stats->run_ns += counters[i].run_ns;
			stats->lost += counters[i].lost;
			stats->deferred += counters[i].deferred;
		}
	free(counters);
}
