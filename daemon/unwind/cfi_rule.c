/* SPDX-License-Identifier: BSD-2-Clause */
/* From the state of the instructions to a rule that the walker knows. */
#include <string.h>

#include "unwind/cfi.h"
#include "unwind/reader.h"

/* DWARF expression operations, DWARF 5 section 7.7.1. */
enum {
	OP_DEREF = 0x06,
	OP_CONST1U = 0x08,
	OP_CONST1S = 0x09,
	OP_CONST2U = 0x0a,
	OP_CONST2S = 0x0b,
	OP_CONST4S = 0x0d,
	OP_CONSTS = 0x11,
	OP_MINUS = 0x1c,
	OP_PLUS = 0x22,
	OP_PLUS_UCONST = 0x23,
	OP_LIT0 = 0x30,
	OP_LIT31 = 0x4f,
	OP_BREG0 = 0x70,
	OP_BREG31 = 0x8f,
	OP_BREGX = 0x92,
};

/* In struct sigcontext_64 rsp is the 16th word: arch/x86/include/uapi/asm/sigcontext.h. */
enum { SIGCONTEXT_RSP_AT = 15 * 8 };

/* An expression of the form reg + off, or *(reg + off) + add. */
struct address {
	uint64_t reg;
	int64_t off, add;
	bool deref;
};

/* A constant operand and the plus or minus that uses it. */
static bool read_addend(struct reader *r, uint8_t op, int64_t *addend)
{
	if (op == OP_PLUS_UCONST) {
		*addend = (int64_t)reader_uleb(r);
		return true;
	}
	if (op >= OP_LIT0 && op <= OP_LIT31)
		*addend = op - OP_LIT0;
	else if (op == OP_CONST1U)
		*addend = reader_u8(r);
	else if (op == OP_CONST1S)
		*addend = (int8_t)reader_u8(r);
	else if (op == OP_CONST2U)
		*addend = reader_u16(r);
	else if (op == OP_CONST2S)
		*addend = (int16_t)reader_u16(r);
	else if (op == OP_CONST4S)
		*addend = (int32_t)reader_u32(r);
	else if (op == OP_CONSTS)
		*addend = reader_sleb(r);
	else
		return false;
	op = reader_u8(r);
	if (op == OP_MINUS)
		*addend = (int64_t)(0 - (uint64_t)*addend);
	return op == OP_PLUS || op == OP_MINUS;
}

static bool parse_address(const struct cfi_register *from, struct address *a)
{
	struct reader r = {
		.at = from->expression, .end = from->expression + from->expression_bytes};
	uint8_t op = reader_u8(&r);
	int64_t addend;

	memset(a, 0, sizeof(*a));
	if (op == OP_BREGX)
		a->reg = reader_uleb(&r);
	else if (op >= OP_BREG0 && op <= OP_BREG31)
		a->reg = op - OP_BREG0;
	else
		return false;
	a->off = reader_sleb(&r);
	while (reader_left(&r) && !r.bad) {
		int64_t *sum = a->deref ? &a->add : &a->off;

		op = reader_u8(&r);
		if (op == OP_DEREF && !a->deref)
			a->deref = true;
		else if (!read_addend(&r, op, &addend) || __builtin_add_overflow(*sum, addend, sum))
			return false;
	}
	return !r.bad;
}

/* What linkers write for a PLT of 16-byte entries whose second half has pushed a word:
 * rsp + 8 + ((rip & 15) >= N) << 3. */
static bool parse_plt(const struct cfi_register *cfa, struct profd_rule *rule)
{
	static const uint8_t head[] = {0x77, 0x08, 0x80, 0x00, 0x3f, 0x1a};
	static const uint8_t tail[] = {0x2a, 0x33, 0x24, 0x22};
	const uint8_t *e = cfa->expression;

	if (cfa->expression_bytes != sizeof(head) + 1 + sizeof(tail) ||
		memcmp(e, head, sizeof(head)) || memcmp(e + sizeof(head) + 1, tail, sizeof(tail)) ||
		e[6] < OP_LIT0 || e[6] > OP_LIT0 + 15)
		return false;
	rule->cfa = PROFD_CFA_PLT;
	rule->cfa_reg = PROFD_REG_RSP;
	rule->cfa_off = e[6] - OP_LIT0;
	return true;
}

static bool set_address(struct profd_rule *rule, const struct address *a)
{
	if (a->reg >= PROFD_REGISTERS || a->off < INT32_MIN || a->off > INT32_MAX ||
		a->add < INT16_MIN || a->add > INT16_MAX)
		return false;
	rule->cfa = a->deref ? PROFD_CFA_DEREF : PROFD_CFA_REG;
	rule->cfa_reg = (uint8_t)a->reg;
	rule->cfa_off = (int32_t)a->off;
	rule->cfa_add = (int16_t)a->add;
	return true;
}

static bool set_cfa(struct profd_rule *rule, const struct cfi_register *cfa)
{
	struct address a = {.reg = cfa->base, .off = cfa->value};

	if (cfa->kind == CFI_EXPRESSION) {
		if (parse_plt(cfa, rule))
			return true;
		if (!parse_address(cfa, &a))
			return false;
	} else if (cfa->kind != CFI_REGISTER) {
		return false;
	}
	return set_address(rule, &a);
}

/* The kernel's signal frame as the trampolines of C libraries describe it: the CFA is the
 * interrupted rsp, which is kept in a sigcontext on the stack. */
static bool set_signal(struct profd_rule *rule, const struct cfi_state *s)
{
	struct address a;

	if (s->cfa.kind != CFI_EXPRESSION || !parse_address(&s->cfa, &a) || !a.deref || a.add ||
		a.reg != PROFD_REG_RSP || a.off < SIGCONTEXT_RSP_AT || a.off > INT16_MAX)
		return false;
	rule->cfa = PROFD_CFA_SIGNAL;
	rule->cfa_off = (int32_t)a.off - SIGCONTEXT_RSP_AT;
	return true;
}

/* Where an expression tells the place of a saved register: relative to rbp, or to the register that
 * the CFA is counted from. False: neither. */
static bool place_of(const struct profd_rule *rule, const struct cfi_register *saved,
	uint8_t *restore, int64_t *off)
{
	struct address a;

	if (!parse_address(saved, &a) || a.deref)
		return false;
	if (rule->cfa == PROFD_CFA_REG && a.reg == rule->cfa_reg) {
		*restore = PROFD_RESTORE_CFA;
		*off = a.off - rule->cfa_off;
		return true;
	}
	*restore = PROFD_RESTORE_FP;
	*off = a.off;
	return a.reg == PROFD_REG_RBP;
}

static void set_fp(struct profd_rule *rule, const struct cfi_register *fp)
{
	uint8_t restore = PROFD_RESTORE_LOST;
	int64_t off = 0;

	switch (fp->kind) {
	case CFI_UNSET: /* callee-saved: the ABI's default */
	case CFI_SAME:
		restore = PROFD_RESTORE_SAME;
		break;
	case CFI_OFFSET:
		restore = PROFD_RESTORE_CFA;
		off = fp->value;
		break;
	case CFI_REGISTER:
		if (fp->value >= 0 && fp->value < PROFD_REGISTERS) {
			restore = PROFD_RESTORE_REG;
			off = fp->value;
		}
		break;
	case CFI_EXPRESSION:
		if (!place_of(rule, fp, &restore, &off))
			restore = PROFD_RESTORE_LOST;
		break;
	default:
		break;
	}
	if (off < INT16_MIN || off > INT16_MAX || restore == PROFD_RESTORE_LOST) {
		restore = PROFD_RESTORE_LOST;
		off = 0;
	}
	rule->fp = restore;
	rule->fp_off = (int16_t)off;
}

static bool set_ra(struct profd_rule *rule, const struct cfi_register *ra)
{
	int64_t off = ra->value;
	uint8_t restore;

	switch (ra->kind) {
	case CFI_OFFSET:
		restore = PROFD_RESTORE_CFA;
		break;
	case CFI_REGISTER:
		restore = PROFD_RESTORE_REG;
		if (off < 0 || off >= PROFD_REGISTERS)
			return false;
		break;
	case CFI_EXPRESSION:
		if (!place_of(rule, ra, &restore, &off) || restore != PROFD_RESTORE_CFA)
			return false;
		break;
	default:
		return false;
	}
	if (off < INT16_MIN || off > INT16_MAX)
		return false;
	rule->ra = restore;
	rule->ra_off = (int16_t)off;
	return true;
}

uint16_t cfi_rule(struct rules *rules, const struct cfi_state *s, bool signal_frame)
{
	struct profd_rule rule;

	memset(&rule, 0, sizeof(rule)); /* it is compared byte by byte */
	if (s->ra.kind == CFI_UNDEFINED)
		return RULE_END;
	if (signal_frame && set_signal(&rule, s))
		return rules_add(rules, &rule);
	/* rsp of the caller is the CFA; what says otherwise switches stacks. */
	if (s->sp.kind != CFI_UNSET && (s->sp.kind != CFI_VALUE || s->sp.value != 0))
		return RULE_UNSUPPORTED;
	if (!set_cfa(&rule, &s->cfa) || !set_ra(&rule, &s->ra))
		return RULE_UNSUPPORTED;
	set_fp(&rule, &s->fp);
	rule.flags = signal_frame ? PROFD_RULE_EXACT : 0;
	return rules_add(rules, &rule);
}
