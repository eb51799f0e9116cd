/* SPDX-License-Identifier: BSD-2-Clause */
/* The instructions of call frame information, and which rule a state of them amounts to. */
#include <errno.h>
#include <string.h>

#include "unwind/cfi.h"
#include "unwind/reader.h"

/* DWARF 5 section 7.24; the GNU ones from the Linux Standard Base and binutils. */
enum {
	CFA_ADVANCE_LOC = 0x40, /* low six bits: delta */
	CFA_OFFSET = 0x80,      /* low six bits: register */
	CFA_RESTORE = 0xc0,     /* likewise */
	CFA_NOP = 0x00,
	CFA_SET_LOC = 0x01,
	CFA_ADVANCE_LOC1 = 0x02,
	CFA_ADVANCE_LOC2 = 0x03,
	CFA_ADVANCE_LOC4 = 0x04,
	CFA_OFFSET_EXTENDED = 0x05,
	CFA_RESTORE_EXTENDED = 0x06,
	CFA_UNDEFINED = 0x07,
	CFA_SAME_VALUE = 0x08,
	CFA_REGISTER = 0x09,
	CFA_REMEMBER_STATE = 0x0a,
	CFA_RESTORE_STATE = 0x0b,
	CFA_DEF_CFA = 0x0c,
	CFA_DEF_CFA_REGISTER = 0x0d,
	CFA_DEF_CFA_OFFSET = 0x0e,
	CFA_DEF_CFA_EXPRESSION = 0x0f,
	CFA_EXPRESSION = 0x10,
	CFA_OFFSET_EXTENDED_SF = 0x11,
	CFA_DEF_CFA_SF = 0x12,
	CFA_DEF_CFA_OFFSET_SF = 0x13,
	CFA_VAL_OFFSET = 0x14,
	CFA_VAL_OFFSET_SF = 0x15,
	CFA_VAL_EXPRESSION = 0x16,
	CFA_GNU_ARGS_SIZE = 0x2e,
	CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
};

enum { REMEMBER_MAX = 32 }; /* compilers nest once or twice */

struct machine {
	struct cfi *cfi;
	const struct cfi_entry *cie;
	struct cfi_state *state;
	struct cfi_range *range; /* NULL: a CIE */
	struct reader r;
	const uint8_t *code; /* and its address: for set_loc */
	uint64_t vaddr_of_code;
	uint64_t offset; /* of the present row from the start of the range */
	struct cfi_state stack[REMEMBER_MAX];
	unsigned depth;
	int rc;
};

/* Where the state of a register is kept; NULL: it is none of those that matter. */
static struct cfi_register *slot(struct cfi_state *s, uint64_t number)
{
	switch (number) {
	case PROFD_REG_RBP:
		return &s->fp;
	case PROFD_REG_RSP:
		return &s->sp;
	case PROFD_REG_RIP:
		return &s->ra;
	default:
		return NULL;
	}
}

static void set(struct machine *m, uint64_t number, enum cfi_kind kind, int64_t value)
{
	struct cfi_register *r = slot(m->state, number);

	if (r)
		*r = (struct cfi_register){.kind = kind, .value = value};
}

static void set_expression(struct machine *m, struct cfi_register *r, enum cfi_kind kind)
{
	uint64_t bytes = reader_uleb(&m->r);
	const uint8_t *at = m->r.at;

	reader_skip(&m->r, bytes);
	if (r && !m->r.bad)
		*r = (struct cfi_register){
			.kind = kind, .expression = at, .expression_bytes = bytes};
}

static void restore(struct machine *m, uint64_t number)
{
	struct cfi_register *to = slot(m->state, number);

	if (to)
		*to = *slot((struct cfi_state *)&m->cie->initial, number);
}

static void define_cfa(struct machine *m, uint64_t base, int64_t value)
{
	m->state->cfa = (struct cfi_register){.kind = CFI_REGISTER, .base = base, .value = value};
}

/* CFA register or offset alone may change only where the CFA is a register and an offset. */
static struct cfi_register *cfa_of_register(struct machine *m)
{
	if (m->state->cfa.kind != CFI_REGISTER)
		m->r.bad = true;
	return &m->state->cfa;
}

/* N * data_align, wrapping: nonsense is refused where a rule is made of it. */
static int64_t factored(const struct machine *m, uint64_t n)
{
	return (int64_t)(n * (uint64_t)m->cie->data_align);
}

/* Ends the present row and begins the next one `bytes` further on. */
static void advance(struct machine *m, uint64_t bytes)
{
	uint64_t size;

	if (!m->range) {
		m->r.bad = true;
		return;
	}
	size = m->range->end - m->range->start;
	if (bytes) {
		uint16_t rule = cfi_rule(m->cfi->rules, m->state, m->cie->signal_frame);

		m->rc = cfi_add_row(m->cfi, m->range, m->offset, rule);
	}
	if (bytes >= size - m->offset) /* the rest describes no instruction of this range */
		m->r.at = m->r.end;
	else
		m->offset += bytes;
}

static void advance_units(struct machine *m, uint64_t units)
{
	uint64_t bytes;

	if (__builtin_mul_overflow(units, m->cie->code_align, &bytes))
		bytes = UINT64_MAX;
	advance(m, bytes);
}

static void set_location(struct machine *m)
{
	uint64_t vaddr = m->vaddr_of_code + (uint64_t)(m->r.at - m->code), to;

	to = reader_pointer(&m->r, m->cie->pointer_encoding, vaddr);
	if (!m->range || to < m->range->start + m->offset)
		m->r.bad = true;
	if (!m->r.bad)
		advance(m, to - m->range->start - m->offset);
}

static void remember(struct machine *m)
{
	if (m->depth == REMEMBER_MAX) {
		m->r.bad = true;
		return;
	}
	m->stack[m->depth++] = *m->state;
}

static void recall(struct machine *m)
{
	if (!m->depth) {
		m->r.bad = true;
		return;
	}
	*m->state = m->stack[--m->depth];
}

/* Instructions about the CFA. False: another one. */
static bool step_cfa(struct machine *m, uint8_t op)
{
	uint64_t number;

	switch (op) {
	case CFA_DEF_CFA:
		number = reader_uleb(&m->r);
		define_cfa(m, number, (int64_t)reader_uleb(&m->r));
		return true;
	case CFA_DEF_CFA_SF:
		number = reader_uleb(&m->r);
		define_cfa(m, number, factored(m, (uint64_t)reader_sleb(&m->r)));
		return true;
	case CFA_DEF_CFA_REGISTER:
		cfa_of_register(m)->base = reader_uleb(&m->r);
		return true;
	case CFA_DEF_CFA_OFFSET:
		cfa_of_register(m)->value = (int64_t)reader_uleb(&m->r);
		return true;
	case CFA_DEF_CFA_OFFSET_SF:
		cfa_of_register(m)->value = factored(m, (uint64_t)reader_sleb(&m->r));
		return true;
	case CFA_DEF_CFA_EXPRESSION:
		set_expression(m, &m->state->cfa, CFI_EXPRESSION);
		return true;
	default:
		return false;
	}
}

/* Instructions about a register. False: another one. */
static bool step_register(struct machine *m, uint8_t op)
{
	uint64_t number;

	if (op < CFA_OFFSET_EXTENDED || op == CFA_REMEMBER_STATE || op == CFA_RESTORE_STATE)
		return false;
	number = op == CFA_GNU_ARGS_SIZE ? 0 : reader_uleb(&m->r);
	switch (op) {
	case CFA_OFFSET_EXTENDED:
		set(m, number, CFI_OFFSET, factored(m, reader_uleb(&m->r)));
		return true;
	case CFA_OFFSET_EXTENDED_SF:
		set(m, number, CFI_OFFSET, factored(m, (uint64_t)reader_sleb(&m->r)));
		return true;
	case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		set(m, number, CFI_OFFSET, factored(m, 0 - reader_uleb(&m->r)));
		return true;
	case CFA_VAL_OFFSET:
		set(m, number, CFI_VALUE, factored(m, reader_uleb(&m->r)));
		return true;
	case CFA_VAL_OFFSET_SF:
		set(m, number, CFI_VALUE, factored(m, (uint64_t)reader_sleb(&m->r)));
		return true;
	case CFA_RESTORE_EXTENDED:
		restore(m, number);
		return true;
	case CFA_UNDEFINED:
		set(m, number, CFI_UNDEFINED, 0);
		return true;
	case CFA_SAME_VALUE:
		set(m, number, CFI_SAME, 0);
		return true;
	case CFA_REGISTER:
		set(m, number, CFI_REGISTER, (int64_t)reader_uleb(&m->r));
		return true;
	case CFA_EXPRESSION:
		set_expression(m, slot(m->state, number), CFI_EXPRESSION);
		return true;
	case CFA_VAL_EXPRESSION:
		set_expression(m, slot(m->state, number), CFI_VALUE_EXPRESSION);
		return true;
	case CFA_GNU_ARGS_SIZE:
		reader_uleb(&m->r);
		return true;
	default:
		return false;
	}
}

static void step(struct machine *m)
{
	uint8_t op = reader_u8(&m->r);

	switch (op & 0xc0) {
	case CFA_ADVANCE_LOC:
		advance_units(m, op & 0x3f);
		return;
	case CFA_OFFSET:
		set(m, op & 0x3f, CFI_OFFSET, factored(m, reader_uleb(&m->r)));
		return;
	case CFA_RESTORE:
		restore(m, op & 0x3f);
		return;
	}
	switch (op) {
	case CFA_NOP:
		return;
	case CFA_SET_LOC:
		set_location(m);
		return;
	case CFA_ADVANCE_LOC1:
		advance_units(m, reader_u8(&m->r));
		return;
	case CFA_ADVANCE_LOC2:
		advance_units(m, reader_u16(&m->r));
		return;
	case CFA_ADVANCE_LOC4:
		advance_units(m, reader_u32(&m->r));
		return;
	case CFA_REMEMBER_STATE:
		remember(m);
		return;
	case CFA_RESTORE_STATE:
		recall(m);
		return;
	default:
		if (!step_cfa(m, op) && !step_register(m, op))
			m->r.bad = true;
	}
}

int cfi_run(struct cfi *cfi, const struct cfi_entry *cie, const uint8_t *code, const uint8_t *end,
	uint64_t vaddr_of_code, struct cfi_state *state, struct cfi_range *range)
{
	struct machine m;
	uint16_t rule;

	m.cfi = cfi;
	m.cie = cie;
	m.state = state;
	m.range = range;
	m.r = (struct reader){.at = code, .end = end};
	m.code = code;
	m.vaddr_of_code = vaddr_of_code;
	m.offset = 0;
	m.depth = 0;
	m.rc = 0;
	while (m.r.at < m.r.end && !m.r.bad && m.rc == 0)
		step(&m);
	if (m.rc < 0 || !range)
		return m.rc < 0 ? m.rc : m.r.bad ? -EINVAL : 0;
	rule = m.r.bad ? RULE_UNSUPPORTED : cfi_rule(cfi->rules, state, cie->signal_frame);
	m.rc = cfi_add_row(cfi, range, m.offset, rule);
	return m.rc < 0 ? m.rc : m.r.bad ? -EINVAL : 0;
}
