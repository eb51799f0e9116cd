/* SPDX-License-Identifier: BSD-2-Clause */
/* Ring records (bpf/contract.h) -> struct sample. */
#include <string.h>

#include "bpf/contract.h"
#include "collect/ebpf.h"

_Static_assert(
	(int)WALK_COMPLETE == PROFD_END_COMPLETE && (int)WALK_TRUNCATED == PROFD_END_TRUNCATED &&
		(int)WALK_NO_MAPPING == PROFD_END_NO_MAPPING &&
		(int)WALK_NO_TABLE == PROFD_END_NO_TABLE &&
		(int)WALK_NO_RULE == PROFD_END_NO_RULE &&
		(int)WALK_UNSUPPORTED == PROFD_END_UNSUPPORTED &&
		(int)WALK_UNREADABLE == PROFD_END_UNREADABLE &&
		(int)WALK_STUCK == PROFD_END_STUCK && (int)WALK_NOT_READY == PROFD_END_NOT_READY &&
		(int)WALK_NO_THREAD == PROFD_END_NO_THREAD &&
		(int)WALK_BAD_FRAME == PROFD_END_BAD_FRAME,
	"both sides number the ends of a walk alike");
_Static_assert((int)USER_REGISTERS == PROFD_REGISTERS, "registers are handed on as they come");

#define ENTRY_BIT (1ULL << 63)

static void python_decode(struct collect *c, const uint64_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		c->python[i] = (struct python_frame){
			.code = words[2 * i] & ~ENTRY_BIT,
			.entry = words[2 * i] & ENTRY_BIT,
			.instruction = (uint32_t)(words[2 * i + 1] >> 32),
			.fingerprint = (uint32_t)words[2 * i + 1],
		};
}

/* The kernel is trusted, but a length that does not add up is a bug that must not become a wrong
 * read. */
static bool record_is_sane(const struct profd_sample_record *r, size_t bytes)
{
	size_t words = (size_t)r->n_kernel + r->n_user + (size_t)r->n_python * PROFD_PYTHON_WORDS;

	if (r->kind != PROFD_RECORD_SAMPLE || r->n_python > PROFD_MAX_PYTHON_FRAMES)
		return false;
	if (r->flags & PROFD_FLAG_DEFERRED)
		words += PROFD_REGISTERS;
	return bytes >= sizeof(*r) + words * sizeof(uint64_t) + r->stack_bytes;
}

int ring_record(void *arg, void *data, size_t bytes)
{
	struct collect *c = arg;
	const struct profd_sample_record *r = data;
	const uint64_t *words = (const uint64_t *)(r + 1);
	struct sample s;

	if (bytes < sizeof(*r) || !record_is_sane(r, bytes))
		return 0;
	s = (struct sample){
		.time_ns = r->time_ns,
		.weight_ns = r->weight_ns,
		.pid = r->pid,
		.tid = r->tid,
		.cpu = r->cpu,
		.kernel = words,
		.n_kernel = r->n_kernel,
		.user = words + r->n_kernel,
		.n_user = r->n_user,
		.user_end = (enum walk_end)r->user_end,
		.user_by_fp = r->flags & PROFD_FLAG_USER_BY_FP,
		.python = c->python,
		.n_python = r->n_python,
		.python_end = (enum walk_end)r->python_end,
	};
	memcpy(s.comm, r->comm, sizeof(s.comm));
	s.comm[sizeof(s.comm) - 1] = '\0';
	python_decode(c, words + r->n_kernel + r->n_user, r->n_python);
	if (r->flags & PROFD_FLAG_DEFERRED) {
		s.registers =
			words + r->n_kernel + r->n_user + (size_t)r->n_python * PROFD_PYTHON_WORDS;
		s.stack = (const uint8_t *)(s.registers + PROFD_REGISTERS);
		s.stack_at = s.registers[PROFD_REG_RSP] & ~7ULL;
		s.stack_bytes = r->stack_bytes;
	}
	c->decoded++;
	events_sampled(c, &s);
	c->each(c->each_arg, &s);
	return 0;
}
