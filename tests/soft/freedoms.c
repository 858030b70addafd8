// SPDX-License-Identifier: MIT
/*
 * What the manuals leave to the processor, each freedom once, with the section that leaves it open.
 *
 * The CPU made of C does one of several things that are all right. For each freedom there is a
 * function that knows the others: if the real processor did one of them, the CPU made of C is taken
 * to have done that as well. Everything is compared after that, so no more than this is accepted.
 *
 * After: Intel SDM (SDM below) and AMD64 APM; sections by their titles, as their numbers change.
 * Left out: what a program cannot see: which bits A and D a fault leaves behind, and all that
 * happens at CPL 0. And the order of a POP's read and write, of which both vendors seem to have the
 * same.
 */
#include "tests/soft/sample.h"

#include <string.h>

enum {
    CF = EFLAGS_CF,
    PF = EFLAGS_PF,
    AF = EFLAGS_AF,
    ZF = EFLAGS_ZF,
    SF = EFLAGS_SF,
    OF = EFLAGS_OF,

    FSW_ES = 1 << 7,
    FSW_C0 = 1 << 8,
    FSW_C1 = 1 << 9,
    FSW_C2 = 1 << 10,
    FSW_TOP = 7 << 11,
    FSW_C3 = 1 << 14,

    MXCSR_OE_UE = 3 << 3,
    MXCSR_PE = 1 << 5,
    MXCSR_MASKS = 7, /* a shift: from a flag to its mask */

    FXSAVE_SIZE = 512,
};
#define MXCSR_MM  (1 << 17)
#define OPERAND   16 /* the greatest one of a single access */
#define CANONICAL 47

struct freedom;

/* A sample that both have run. */
struct both {
    const struct sample *s;
    const struct state *want;         /* what the real processor made of it */
    struct state *got;                /* what the CPU made of C did */
    const struct memory *real, *made; /* their memories after it */
    const uint8_t *before;            /* DATA before it */
};

struct freedom {
    enum {
        ANY,
        INTEL,
        AMD
    } vendor;          /* of the real processor; the others do as the CPU in C */
    const char *names; /* mnemonics, separated by spaces, or "*" */
    void (*follow)(const struct both *b, const struct freedom *f);
    uint32_t bits;
    const char *section;
};

/* ---- the sample ---- */

static bool faulted(const struct state *s)
{
    return s->vector >= 0;
}

/* Did the instruction do its work, even if the next one faulted? */
static bool ended(const struct both *b)
{
    return b->want->vector == ENDED || b->want->rip != b->s->in.rip;
}

/* Where the memory operand is within its segment. */
static uint64_t offset(const struct sample *s)
{
    const struct soft_op *op = &s->op;
    uint64_t base = op->base / 8 < 16 ? s->in.r[op->base / 8] : 0;
    uint64_t index = op->index / 8 < 16 ? s->in.r[op->index / 8] : 0;

    if (op->base / 8 == RIP)
        base = s->in.rip;
    return soft_cut(op->asize, base + (index << op->scale) + op->disp);
}

static uint64_t address(const struct sample *s)
{
    uint64_t base = s->op.segment == FS ? s->in.fs : s->op.segment == GS ? s->in.gs : 0;

    return s->compat ? offset(s) : base + offset(s);
}

static uint64_t extended(uint64_t at)
{
    return (int64_t)(at << (63 - CANONICAL)) >> (63 - CANONICAL);
}

/* Of the processors that know five levels of page tables, used or not. */
static uint64_t extended57(uint64_t at)
{
    return (int64_t)(at << 7) >> 7;
}

static bool canonical(uint64_t at)
{
    return extended(at) == at;
}

/* Is one of n bytes beyond what its segment allows? */
static bool beyond(const struct sample *s, uint64_t at, int n)
{
    return s->compat ? (uint32_t)at + (uint64_t)n > UINT64_C(1) << 32
                     : !canonical(at) || !canonical(at + n - 1);
}

/* The page fault of an access to the byte at `at`, or false when it has none. */
static bool page_fault(uint64_t at, bool write, uint32_t *error)
{
    bool code = at - CODE < CODE_SIZE, data = at - DATA < DATA_SIZE;
    bool constant = at - CONST < CONST_SIZE;

    *error = 4 | (write ? 2 : 0) | (code || constant || at >= USER_END ? 1 : 0);
    return write ? !data : !code && !data && !constant;
}

static bool same_end(const struct state *a, const struct state *b)
{
    return a->vector == b->vector && a->error == b->error && a->cr2 == b->cr2;
}

static void end_as(struct state *s, const struct state *end)
{
    s->vector = end->vector;
    s->error = end->error;
    s->cr2 = end->cr2;
}

/* What the CPU made of C makes of other bytes in other's state, and in memory. */
static struct state again(const struct both *b, const struct sample *other)
{
    uint8_t code[SOFT_MAX_LEN];
    uint64_t at = other->in.rip - CODE;
    int n = at + other->n > CODE_SIZE ? CODE_SIZE - (int)at : other->n;
    struct state end = {0};

    memcpy(code, b->made->code + at, n);
    memcpy(b->made->code + at, other->bytes, n);
    made_run(other, &end);
    memcpy(b->made->code + at, code, n);
    return end;
}

/* The same; memory stays as it was. */
static struct state alone(const struct both *b, const struct sample *other)
{
    static uint8_t data[DATA_SIZE];

    memcpy(data, b->made->data, DATA_SIZE);
    struct state end = again(b, other);

    memcpy(b->made->data, data, DATA_SIZE);
    return end;
}

/* What DATA, CONST or CODE had there; 0 elsewhere. */
static uint64_t value_at(const struct both *b, uint64_t at, int size)
{
    uint64_t val = 0;

    if (at - DATA <= (uint64_t)DATA_SIZE - size)
        memcpy(&val, b->before + (at - DATA), size);
    else if (at - CONST <= (uint64_t)CONST_SIZE - size)
        memcpy(&val, b->real->constant + (at - CONST), size);
    else if (at - CODE <= (uint64_t)CODE_SIZE - size)
        memcpy(&val, b->real->code + (at - CODE), size);
    return val;
}

/* ---- flags ---- */

static void take_flags(const struct both *b, uint32_t bits)
{
    b->got->flags = (b->got->flags & ~(uint64_t)bits) | (b->want->flags & bits);
}

static void flags_open(const struct both *b, const struct freedom *f)
{
    if (ended(b))
        take_flags(b, f->bits);
}

static int operand_bits(const struct sample *s)
{
    return strstr(s->row->text, " Eb") ? 8 : 8 << s->op.osize;
}

/* By how much a shift or rotate does it. */
static int count_of(const struct sample *s)
{
    size_t n = strlen(s->row->text);
    const char *by = s->row->text + n - 2;
    int count = !strcmp(by, "Ib") ? s->bytes[s->n - 1] : !strcmp(by, "cl") ? s->in.r[RCX] : 1;

    return count & (operand_bits(s) == 64 ? 63 : 31);
}

/* OF of more than one step; AF, and CF once all bits have left, of a shift. */
static void shift_flags(const struct both *b, const struct freedom *f)
{
    int count = count_of(b->s);

    if (!ended(b) || count == 0)
        return;
    take_flags(b, f->bits & (AF | (count > 1 ? OF : 0)));
    if (count >= operand_bits(b->s))
        take_flags(b, f->bits & CF);
}

/* "The EFLAGS value is restored to the state prior to the execution of the instruction"; or the
 * flags are those of the last repetition that came to its end. */
static void flags_repeated(const struct both *b, const struct freedom *f)
{
    struct sample done = *b->s;
    uint64_t count = soft_cut(b->s->op.asize, b->s->in.r[RCX]);

    if (ended(b) || !(b->s->op.prefix & (SOFT_REP | SOFT_REPNE)))
        return;
    done.in.r[RCX] = count - soft_cut(b->s->op.asize, b->got->r[RCX]);
    struct state end = alone(b, &done);

    if (end.rip != done.in.rip && !((end.flags ^ b->want->flags) & f->bits))
        take_flags(b, f->bits);
}

/* Flags as they were before the first repetition. */
static void flags_restored(const struct both *b, const struct freedom *f)
{
    if (!ended(b) && b->s->op.prefix & (SOFT_REP | SOFT_REPNE) &&
        !((b->want->flags ^ b->s->in.flags) & f->bits))
        take_flags(b, f->bits);
}

/* ---- results ---- */

/* What is written to a register of 16 bits or more. */
static void register_open(const struct both *b, uint8_t reg)
{
    uint64_t bits = b->s->op.osize == 1 ? UINT16_MAX : UINT64_MAX;

    b->got->r[reg] = (b->got->r[reg] & ~bits) | (b->want->r[reg] & bits);
}

static void double_shift(const struct both *b, const struct freedom *f)
{
    uint64_t at = address(b->s) - DATA;

    if (!ended(b) || count_of(b->s) <= operand_bits(b->s))
        return;
    take_flags(b, f->bits);
    if (!b->s->op.mem)
        register_open(b, b->s->op.rm / 8);
    else if (at <= DATA_SIZE - 2)
        memcpy(b->made->data + at, b->real->data + at, 2);
}

static void no_bit_found(const struct both *b, const struct freedom *f)
{
    (void)f;
    if (ended(b) && b->want->flags & ZF)
        register_open(b, b->s->op.reg / 8);
}

static void swap_of_16_bits(const struct both *b, const struct freedom *f)
{
    (void)f;
    if (ended(b) && b->s->op.osize == 1)
        register_open(b, b->s->op.rm / 8);
}

/* Registers that a repetition with addresses of 32 bits leaves as they are: each either whole, or
 * written with its 32 bits. */
static void repeated_extends(const struct both *b, const struct freedom *f)
{
    static const uint8_t registers[] = {RCX, RSI, RDI};
    const struct sample *s = b->s;

    (void)f;
    if (s->compat || s->op.asize != 2 || !(s->op.prefix & (SOFT_REP | SOFT_REPNE)))
        return;
    for (size_t i = 0; i < sizeof(registers); i++) {
        uint8_t r = registers[i];

        if (b->got->r[r] == s->in.r[r] && b->want->r[r] == (uint32_t)s->in.r[r])
            b->got->r[r] = b->want->r[r];
    }
}

/* F3 90 is PAUSE even if REX.B makes R8 of what would be RAX. */
static void pause_of_r8(const struct both *b, const struct freedom *f)
{
    const uint64_t *in = b->s->in.r, *want = b->want->r;

    (void)f;
    if (b->s->op.prefix & SOFT_REP && b->s->bytes[b->s->n - 1] == 0x90 && want[RAX] == in[RAX] &&
        want[R8] == in[R8]) {
        b->got->r[RAX] = in[RAX];
        b->got->r[R8] = in[R8];
    }
}

static bool is_nan(uint64_t val, int size)
{
    return size == 4 ? (val & INT32_MAX) > 0x7f800000
                     : (val & INT64_MAX) > UINT64_C(0x7ff0000000000000);
}

/* The sums of several NaNs: each is one of the factors, made quiet, or the default. */
static void nan_of_sum(const struct both *b, const struct freedom *f)
{
    const struct sample *s = b->s;
    int size = f->bits;
    uint64_t quiet = size == 4 ? 1 << 22 : UINT64_C(1) << 51;
    uint64_t first = size == 4 ? 0xffc00000 : UINT64_C(0xfff8000000000000);
    const uint8_t *to = s->in.fpu.xmm[s->op.reg];
    const uint8_t *want = b->want->fpu.xmm[s->op.reg];
    uint8_t *got = b->got->fpu.xmm[s->op.reg];

    if (!ended(b))
        return;
    for (int i = 0; i < 16; i += size) {
        uint64_t w = 0, g = 0;
        bool known;

        memcpy(&w, want + i, size);
        memcpy(&g, got + i, size);
        known = w == first;
        for (int k = 0; k < 16; k += size) {
            uint64_t a = 0, c = 0;

            memcpy(&a, to + k, size);
            if (s->op.mem)
                c = value_at(b, address(s) + k, size);
            else
                memcpy(&c, s->in.fpu.xmm[s->op.rm] + k, size);
            known |= (is_nan(a, size) && w == (a | quiet)) || (is_nan(c, size) && w == (c | quiet));
        }
        if (is_nan(w, size) && is_nan(g, size) && known)
            memcpy(got + i, &w, size);
    }
}

/* An unmasked overflow or underflow: was the result inexact as well? */
static void inexact_unmasked(const struct both *b, const struct freedom *f)
{
    uint32_t mxcsr = b->want->fpu.mxcsr;

    (void)f;
    if (b->want->vector == EXCEPTION_XM && mxcsr & ~(mxcsr >> MXCSR_MASKS) & MXCSR_OE_UE)
        b->got->fpu.mxcsr = (b->got->fpu.mxcsr & ~MXCSR_PE) | (mxcsr & MXCSR_PE);
}

/* Misaligned exception mask, which SSE's other implementations reserve. */
static void mxcsr_mm(const struct both *b, const struct freedom *f)
{
    (void)f;
    if (b->want->fpu.mxcsr & MXCSR_MM && b->got->vector == EXCEPTION_GP)
        *b->got = *b->want;
}

static void mxcsr_mask(const struct both *b, const struct freedom *f)
{
    uint64_t at = address(b->s) - DATA + offsetof(struct soft_fpu, mxcsr_mask);
    uint32_t real, made;

    (void)f;
    if (at > DATA_SIZE - 4)
        return;
    memcpy(&real, b->real->data + at, 4);
    memcpy(&made, b->made->data + at, 4);
    if ((real ^ made) == MXCSR_MM)
        memcpy(b->made->data + at, &real, 4);
}

/* ---- x87 ---- */

static void codes_open(const struct both *b, const struct freedom *f)
{
    if (ended(b))
        b->got->fpu.fsw = (b->got->fpu.fsw & ~f->bits) | (b->want->fpu.fsw & f->bits);
}

static void code_unchanged(const struct both *b, const struct freedom *f)
{
    if ((b->want->fpu.fsw & f->bits) == (b->s->in.fpu.fsw & f->bits))
        codes_open(b, f);
}

/* A pointer that is kept, in as many bits as a canonical address has; or, while no exception is
 * pending, 0 or as it was. */
static void pointer_open(const struct both *b, uint64_t in, uint64_t want, uint64_t *got)
{
    bool pending = b->want->fpu.fsw & FSW_ES;

    if (want == extended(*got) || (host_is_intel() && want == extended57(*got)) ||
        (!pending && (want == 0 || want == in || want == extended(in))))
        *got = want;
}

static void pointers(const struct both *b, const struct freedom *f)
{
    const struct soft_fpu *in = &b->s->in.fpu, *want = &b->want->fpu;
    struct soft_fpu *got = &b->got->fpu;
    uint64_t fop = got->fop;

    (void)f;
    pointer_open(b, in->fop, want->fop, &fop);
    got->fop = fop;
    pointer_open(b, in->fip, want->fip, &got->fip);
    pointer_open(b, in->fdp, want->fdp, &got->fdp);
}

/* A store to memory, at DATA instead. value: what it wrote there. */
static struct state stored_elsewhere(const struct both *b, uint8_t value[OPERAND])
{
    static uint8_t data[DATA_SIZE];
    struct sample other = *b->s;
    int i = 0;

    while (i < b->s->n - 2 && (b->s->bytes[i] & 0xf8) != 0xd8)
        i++;
    other.n = 0;
    other.bytes[other.n++] = b->s->bytes[i];
    other.bytes[other.n++] = (b->s->bytes[i + 1] & 0x38) | (b->s->compat ? 5 : 4);
    if (!b->s->compat)
        other.bytes[other.n++] = 0x25;
    memcpy(other.bytes + other.n, &(uint32_t){DATA}, 4);
    other.n += 4;
    other.in.rip = CODE + (b->s->in.rip < CODE + CODE_SIZE / 2 ? 3 : 1) * CODE_SIZE / 4;
    memcpy(data, b->made->data, DATA_SIZE);
    struct state end = again(b, &other);

    memcpy(value, b->made->data, OPERAND);
    memcpy(b->made->data, data, DATA_SIZE);
    return end;
}

/* A store that causes an exception which is not masked writes nothing: so its address need not be
 * looked at. */
static void store_pending(const struct both *b, const struct freedom *f)
{
    uint8_t value[OPERAND];

    (void)f;
    if (!ended(b) || !faulted(b->got) || b->got->rip != b->s->in.rip)
        return;
    struct state end = stored_elsewhere(b, value);

    if (end.vector != ENDED || !(end.fpu.fsw & FSW_ES) || memcmp(value, b->made->data, OPERAND))
        return;
    end.rip = b->s->in.rip + b->s->n;
    end.fpu.fop = b->want->fpu.fop; /* which have the address */
    end.fpu.fip = b->want->fpu.fip;
    end.fpu.fdp = b->want->fpu.fdp;
    *b->got = end;
    end_as(b->got, b->want);
}

/* The eight bytes of ten that are in the first of two pages may be there already. */
static void store_halved(const struct both *b, const struct freedom *f)
{
    uint64_t at = address(b->s) - DATA;
    uint8_t value[OPERAND];

    (void)f;
    if (!same_end(b->want, b->got) || b->want->vector != EXCEPTION_PF || at < DATA_SIZE - 10 + 1 ||
        at > DATA_SIZE - 8)
        return;
    stored_elsewhere(b, value);
    if (!memcmp(b->real->data + at, value, 8))
        memcpy(b->made->data + at, value, 8);
}

/* Have the registers become MMX's already when the instruction that begins it faults? Or, with
 * bits, TOP alone? */
static void half_mmx(const struct both *b, const struct freedom *f)
{
    const struct soft_fpu *in = &b->s->in.fpu, *want = &b->want->fpu;
    struct soft_fpu *got = &b->got->fpu;

    if (!faulted(b->want))
        return;
    if ((want->ftw == in->ftw && want->fsw == (in->fsw & ~f->bits)) ||
        (want->ftw == in->ftw && want->fsw == in->fsw) ||
        (want->ftw == 0xff && want->fsw == (in->fsw & ~FSW_TOP))) {
        /* The registers' values stay, but their numbers count from TOP. */
        int turn = (want->fsw >> 11 & 7) - (got->fsw >> 11 & 7);
        struct soft_fpu old = *got;

        for (int i = 0; i < 8; i++)
            memcpy(got->st[i], old.st[(i + turn) & 7], sizeof(got->st[i]));
        got->ftw = want->ftw;
        got->fsw = want->fsw;
    }
}

/* ---- which of several faults ---- */

/* CMPS and MOVS have two operands: that of ES:rDI may be the first. */
static void string_order(const struct both *b, const struct freedom *f)
{
    struct sample other = *b->s;
    uint8_t *opcode = &other.bytes[other.n - 1];

    if (!faulted(b->want) || !faulted(b->got) || ended(b))
        return;
    memcpy(other.in.r, b->got->r, sizeof(other.in.r));
    *opcode += f->bits;
    struct state end = alone(b, &other);

    if (same_end(&end, b->want))
        end_as(b->got, &end);
}

/* The parts of a large operand are accessed in any order; where their offsets have 16 bits, each
 * may be cut to those. */
static void parts_order(const struct both *b, const struct freedom *f)
{
    const struct state *want = b->want;
    bool write = f->bits;
    uint64_t at = address(b->s);
    uint32_t error;

    if (!faulted(want) || !faulted(b->got))
        return;
    if (want->vector == EXCEPTION_PF) {
        uint64_t part = want->cr2 - at;

        if ((part < FXSAVE_SIZE || soft_cut(b->s->op.asize, part) < FXSAVE_SIZE) &&
            page_fault(want->cr2, write, &error) && want->error == error)
            end_as(b->got, want);
    } else if ((want->vector == EXCEPTION_GP || want->vector == EXCEPTION_SS) &&
               b->got->vector == EXCEPTION_PF && beyond(b->s, at, FXSAVE_SIZE)) {
        end_as(b->got, want);
    }
}

/* Of an operand across two pages the second may be the first to fault. */
static void second_page(const struct both *b, const struct freedom *f)
{
    const struct state *want = b->want, *got = b->got;
    uint32_t error;

    (void)f;
    if (want->vector == EXCEPTION_PF && got->vector == EXCEPTION_PF && !(got->error & 16) &&
        want->cr2 == (got->cr2 | 4095) + 1 && want->cr2 - got->cr2 < OPERAND &&
        page_fault(want->cr2, got->error & 2, &error) && want->error == error)
        end_as(b->got, want);
}

/* Of an operand that wraps at 4 GiB it is either the segment's limit that faults, or the page of
 * its first byte, or of the first one after that. */
static void wraps(const struct both *b, const struct freedom *f)
{
    const struct state *want = b->want;
    uint64_t at = (uint32_t)address(b->s);
    uint32_t error;

    (void)f;
    if (b->s->compat && beyond(b->s, at, OPERAND) && want->vector == EXCEPTION_PF &&
        (b->got->vector == EXCEPTION_GP || b->got->vector == EXCEPTION_SS) &&
        (want->cr2 == at || want->cr2 == 0) && page_fault(want->cr2, want->error & 2, &error) &&
        want->error == error)
        end_as(b->got, want);
}

/* The same of operands that instructions have without naming them, of which there may be two: that
 * of ES:rDI may be the first. And with #AC, that may come instead. */
static void wraps_implied(const struct both *b, const struct freedom *f)
{
    const struct state *want = b->want, *got = b->got;
    bool limit = got->vector == EXCEPTION_GP || got->vector == EXCEPTION_SS;
    bool ac = b->s->in.flags & EFLAGS_AC && want->vector == EXCEPTION_AC && want->error == 0;
    uint32_t error;

    if (!b->s->compat)
        return;
    if (limit && ac &&
        (beyond(b->s, got->r[RBP] - OPERAND, 2 * OPERAND) || beyond(b->s, got->r[RSI], OPERAND) ||
         beyond(b->s, got->r[RDI], OPERAND)))
        end_as(b->got, want);
    if (!limit && (!f->bits || got->vector != EXCEPTION_PF || (uint32_t)got->r[RDI] != want->cr2))
        return;
    if (want->vector == EXCEPTION_PF &&
        (want->cr2 == 0 || (want->cr2 <= UINT32_MAX && beyond(b->s, want->cr2, OPERAND))) &&
        page_fault(want->cr2, want->error & 2, &error) && want->error == error)
        end_as(b->got, want);
}

/* No #AC for what need not be aligned. */
static void alignment_free(const struct both *b, const struct freedom *f)
{
    struct sample other = *b->s;

    (void)f;
    if (!(b->s->in.flags & EFLAGS_AC) || b->got->vector != EXCEPTION_AC || !ended(b))
        return;
    other.in.flags &= ~EFLAGS_AC;
    *b->got = again(b, &other);
    b->got->flags |= EFLAGS_AC;
}

/* INS and OUTS look at IOPL, and at the map of ports, even if there is nothing to repeat. */
static void ports_first(const struct both *b, const struct freedom *f)
{
    (void)f;
    if (b->want->vector == EXCEPTION_GP && b->want->error == 0 && b->want->rip == b->s->in.rip &&
        b->got->rip == b->s->in.rip + b->s->n && b->s->op.prefix & (SOFT_REP | SOFT_REPNE) &&
        soft_cut(b->s->op.asize, b->s->in.r[RCX]) == 0) {
        end_as(b->got, b->want);
        b->got->rip = b->s->in.rip;
    }
}

/* Below the lower bound, the upper one need not be read. */
static void lower_first(const struct both *b, const struct freedom *f)
{
    int size = 1 << b->s->op.osize;
    int32_t index = b->s->in.r[b->s->op.reg / 8];
    int32_t lower = value_at(b, (uint32_t)address(b->s), size);

    (void)f;
    if (size == 2) {
        index = (int16_t)index;
        lower = (int16_t)lower;
    }
    if (b->want->vector == EXCEPTION_BR && faulted(b->got) && index < lower)
        end_as(b->got, b->want);
}

/* #AC and another fault of the same access. */
static void alignment_order(const struct both *b, const struct freedom *f)
{
    struct sample other = *b->s;

    (void)f;
    if (!(b->s->in.flags & EFLAGS_AC) || !faulted(b->want) || !faulted(b->got))
        return;
    if (b->got->vector == EXCEPTION_AC) {
        other.in.flags &= ~EFLAGS_AC;
        struct state end = alone(b, &other);

        if (faulted(&end) && same_end(&end, b->want))
            end_as(b->got, &end);
    } else if (b->want->vector == EXCEPTION_AC && b->want->error == 0 && address(b->s) & 15) {
        end_as(b->got, b->want);
    }
}

/* #AC is not guaranteed for an operand that must be aligned to 16 bytes: #GP may come instead. */
static void alignment_kind(const struct both *b, const struct freedom *f)
{
    int want = b->want->vector, got = b->got->vector;

    (void)f;
    if (b->s->in.flags & EFLAGS_AC && address(b->s) & 15 && b->want->error == 0 &&
        (want == EXCEPTION_AC || want == EXCEPTION_GP) &&
        (got == EXCEPTION_AC || got == EXCEPTION_GP || got == EXCEPTION_PF))
        end_as(b->got, b->want);
}

/* A wrong alignment is #GP, an offset beyond SS is #SS: with both, either. */
static void alignment_or_limit(const struct both *b, const struct freedom *f)
{
    int want = b->want->vector, got = b->got->vector;

    (void)f;
    if (b->s->op.segment == SS && want + got == EXCEPTION_GP + EXCEPTION_SS && want != got &&
        address(b->s) & 15 && beyond(b->s, address(b->s), OPERAND))
        end_as(b->got, b->want);
}

/* Not only the linear address must be canonical, but also the offset from FS or GS. */
static void offset_canonical(const struct both *b, const struct freedom *f)
{
    uint64_t base = b->s->op.segment == FS ? b->s->in.fs : b->s->in.gs;

    (void)f;
    if (b->s->op.segment >= FS && base && !b->s->compat && b->want->vector == EXCEPTION_GP &&
        !b->want->error)
        *b->got = *b->want;
}

/* CALL to where nothing can be: the return address may be pushed first, and that may fault. */
static void push_first(const struct both *b, const struct freedom *f)
{
    struct sample push = *b->s;

    (void)f;
    if (b->s->compat || b->got->vector != EXCEPTION_GP || !faulted(b->want))
        return;
    push.n = 2;
    memcpy(push.bytes, (uint8_t[]){0x6a, 0}, 2);
    struct state end = alone(b, &push);

    if (faulted(&end) && same_end(&end, b->want))
        end_as(b->got, &end);
}

/* CALL to where nothing can be: the return address may be there already. */
static void pushed_first(const struct both *b, const struct freedom *f)
{
    uint64_t at = b->s->in.r[RSP] - 8 - DATA;
    uint64_t next = b->s->in.rip + b->s->n;

    (void)f;
    if (!b->s->compat && b->want->vector == EXCEPTION_GP && same_end(b->want, b->got) &&
        at <= DATA_SIZE - 8 && !memcmp(b->real->data + at, &next, 8))
        memcpy(b->made->data + at, &next, 8);
}

/* ---- a fault in the middle ---- */

/* Registers that were popped may have their new values already: it can be repeated. */
static void popped(const struct both *b, const struct freedom *f)
{
    int size = 1 << b->s->op.osize;
    uint64_t bits = size == 2 ? UINT16_MAX : UINT32_MAX;

    (void)f;
    if (!faulted(b->want))
        return;
    for (int i = 0; i < 8; i++) {
        int r = RDI - i;
        uint64_t old = b->s->in.r[r];
        uint64_t val = value_at(b, (uint32_t)(b->s->in.r[RSP] + i * size), size);

        if (r != RSP && (b->want->r[r] == old || b->want->r[r] == ((old & ~bits) | val)))
            b->got->r[r] = b->want->r[r];
    }
}

/* What was pushed may be there already, or not. */
static void pushed(const struct both *b, const struct freedom *f)
{
    int size = 1 << b->s->op.osize;

    (void)f;
    if (!faulted(b->want))
        return;
    for (int i = 0; i < 8; i++) {
        uint64_t at = (uint32_t)(b->s->in.r[RSP] - (i + 1) * size) - DATA;

        if (at > (uint64_t)DATA_SIZE - size)
            continue;
        if (!memcmp(b->real->data + at, b->before + at, size) ||
            !memcmp(b->real->data + at, &b->s->in.r[i], size))
            memcpy(b->made->data + at, b->real->data + at, size);
    }
}

/* ---- the table ---- */

#define CONCURRENT                                                                                 \
    "SDM 3A, Prioritization of Concurrent Events: faults of one class come in an order that "      \
    "depends on the processor; APM 2, Priorities"
#define X87_CODES                                                                                  \
    "fabs fadd faddp fiadd fbld fbstp fchs fcmovb fcmove fcmovbe fcmovu fcmovnb fcmovne "          \
    "fcmovnbe fcmovnu fdecstp fdiv fdivp fidiv fdivr fdivrp fidivr fild fincstp fist fistp "       \
    "fisttp fld fld1 fldl2t fldl2e fldpi fldlg2 fldln2 fldz fmul fmulp fimul f2xm1 fpatan "        \
    "frndint fscale fsqrt fst fstp fsub fsubp fisub fsubr fsubrp fisubr fxch fxtract fyl2x "       \
    "fyl2xp1 ffree ffreep fnop fxch4 fxch7 fstp8 fstp9 fstpnce"

/* In an order in which each finds what those before it left. */
static const struct freedom freedoms[] = {
    /* What is done after all. */
    {INTEL, "movups movupd movdqu lddqu pcmpestri pcmpestrm pcmpistri pcmpistrm", alignment_free, 0,
     "SDM 2, MOVUPS, MOVUPD, MOVDQU: #AC may or may not be generated for 16 bytes; LDDQU, "
     "PCMPESTRI: likewise"},
    {INTEL, "fst fstp fist fistp fisttp fbstp", store_pending, 0,
     "SDM 1, x87 FPU Floating-Point Exception Conditions: not masked, a store leaves its "
     "destination as it was; nothing is said of whether its address is looked at"},

    /* Flags: SDM 2, each instruction's "Flags Affected"; APM 3, Instruction Effects on RFLAGS. */
    {ANY, "and or xor test andn blsi blsr blsmsk bextr bzhi", flags_open, AF, "Flags Affected"},
    {ANY, "blsi blsr blsmsk andn bzhi", flags_open, PF, "Flags Affected"},
    {ANY, "bextr", flags_open, SF | PF, "Flags Affected"},
    {ANY, "mul imul", flags_open, SF | ZF | AF | PF, "Flags Affected"},
    {ANY, "div idiv", flags_open, CF | OF | SF | ZF | AF | PF, "Flags Affected"},
    {ANY, "bt bts btr btc", flags_open, OF | SF | AF | PF, "Flags Affected"},
    {ANY, "bsf bsr", flags_open, CF | OF | SF | AF | PF, "Flags Affected"},
    {ANY, "lzcnt tzcnt", flags_open, OF | SF | PF | AF, "Flags Affected"},
    {ANY, "aaa aas", flags_open, OF | SF | ZF | PF, "Flags Affected"},
    {ANY, "aad aam", flags_open, OF | AF | CF, "Flags Affected"},
    {ANY, "daa das", flags_open, OF, "Flags Affected"},
    {ANY, "sar", shift_flags, AF | OF, "Flags Affected"},
    {ANY, "shl sal shr shld shrd", shift_flags, AF | OF | CF, "Flags Affected"},
    {ANY, "rol ror rcl rcr", shift_flags, OF, "Flags Affected"},
    {AMD, "cmps scas", flags_repeated, EFLAGS_ARITHMETIC,
     "SDM 2, REP: flags before a repetition that faults; APM 3, Repeat Prefixes, says nothing"},
    {INTEL, "cmps scas", flags_restored, EFLAGS_ARITHMETIC,
     "SDM 2, REP: EFLAGS is restored to the state prior to the execution of the instruction"},

    /* Results. */
    {INTEL, "shld shrd", double_shift, CF | OF | SF | ZF | AF | PF,
     "SDM 2, SHLD: a count greater than the operand's size; APM 3, SHLD"},
    {INTEL, "bsf bsr", no_bit_found, 0, "SDM 2, BSF: a source of 0"},
    {INTEL, "bswap", swap_of_16_bits, 0, "SDM 2, BSWAP: registers of 16 bits; APM 3, BSWAP"},
    {INTEL, "movs cmps stos lods scas ins outs", repeated_extends, 0,
     "SDM 2, REP: which registers are written when there is nothing to repeat, or a fault"},
    {INTEL, "xchg", pause_of_r8, 0, "SDM 2, PAUSE: F3 90; XCHG: REX.B and F3"},
    {INTEL, "dpps", nan_of_sum, 4, "SDM 2, DPPS: propagation of NaNs"},
    {INTEL, "dppd", nan_of_sum, 8, "SDM 2, DPPD: propagation of NaNs"},
    {ANY, "*", inexact_unmasked, 0,
     "SDM 1, Unmasked Response to SIMD Floating-Point Exceptions: flags that are set beside"},
    {AMD, "ldmxcsr fxrstor fxrstor64", mxcsr_mm, 0,
     "APM 1, MXCSR: MM, bit 17; SDM 1, MXCSR: bits that are reserved"},
    {AMD, "fxsave fxsave64", mxcsr_mask, 0, "APM 2, MXCSR_MASK; SDM 1, likewise"},

    /* x87. */
    {INTEL, X87_CODES, codes_open, FSW_C0 | FSW_C2 | FSW_C3, "SDM 2, FPU Flags Affected"},
    {INTEL, "fsin fcos fsincos fptan", codes_open, FSW_C0 | FSW_C3, "SDM 2, FPU Flags Affected"},
    {INTEL, "fldcw fnstcw fnclex", codes_open, FSW_C0 | FSW_C1 | FSW_C2 | FSW_C3,
     "SDM 2, FPU Flags Affected"},
    {ANY, "fcomi fcomip fucomi fucomip", code_unchanged, FSW_C1,
     "SDM 2, FCOMI: C1 is cleared; APM 5, FCOMI: is only for the stack's faults"},
    {ANY, "*", pointers, 0,
     "APM 2, FXSAVE and FXRSTOR: pointers only while an exception is pending; SDM 1, x87 FPU "
     "Instruction and Data (Operand) Pointers, Last Instruction Opcode"},
    {AMD, "cvtps2pi cvttps2pi cvtpd2pi cvttpd2pi cvtpi2ps cvtpi2pd maskmovq", half_mmx, 0,
     "APM 1, Mixing Media Code with x87 Code; SDM 3A, Effect of MMX Instructions"},
    {INTEL, "cvtps2pi cvttps2pi cvtpd2pi cvttpd2pi cvtpi2ps cvtpi2pd maskmovq movd movq movntq",
     half_mmx, FSW_TOP,
     "SDM 3A, Effect of MMX Instructions on x87 FPU State; does not speak of faults"},

    /* Faults. */
    {ANY, "cmps", string_order, 0xae - 0xa6 /* to SCAS */, CONCURRENT},
    {INTEL, "movs", string_order, 0xaa - 0xa4 /* to STOS */, CONCURRENT},
    {ANY, "fxsave fxsave64 fnsave fnstenv", parts_order, true, CONCURRENT},
    {ANY, "fxrstor fxrstor64 frstor fldenv", parts_order, false, CONCURRENT},
    {INTEL, "*", second_page, 0, CONCURRENT},
    {ANY, "*", wraps, 0,
     "SDM 3A, Limit Checking: with a limit of 4 GiB it may or may not cause an exception"},
    {INTEL, "enter leave stos lods scas", wraps_implied, false, "SDM 3A, Limit Checking, likewise"},
    {INTEL, "movs cmps", wraps_implied, true, "SDM 3A, Limit Checking, likewise"},
    {INTEL, "ins outs", ports_first, 0,
     "SDM 2, INS and OUTS: #GP of a port that is not allowed; REP: a count of 0; not which is "
     "first"},
    {INTEL, "bound", lower_first, 0, CONCURRENT},
    {INTEL, "*", alignment_order, 0, CONCURRENT},
    {ANY, "*", alignment_or_limit, 0, CONCURRENT},
    {ANY, "fxsave fxrstor fxsave64 fxrstor64", alignment_kind, 0,
     "SDM 2, FXSAVE: #AC may be signaled for some of the misalignments, #GP for the others"},
    {AMD, "*", offset_canonical, 0,
     "APM 2, Canonicalization: of effective addresses; SDM 1, Canonical Addressing: of linear "
     "ones"},
    {ANY, "call", push_first, 0,
     "SDM 2, CALL: the target is looked at before the push, of which some processors do parts "
     "before; APM 3, CALL: after it"},
    {INTEL, "call", pushed_first, 0, "SDM 3A, Restart of Program or Task"},
    {INTEL, "fstp fbstp", store_halved, 0, "SDM 3A, Restart of Program or Task"},
    {ANY, "popa", popped, 0, "SDM 3A, Restart of Program or Task; APM 2, Faults"},
    {ANY, "pusha", pushed, 0, "SDM 3A, Restart of Program or Task; APM 2, Faults"},
};

void follow(const struct sample *s, const struct state *want, struct state *got,
            const struct memory *real, const struct memory *made, const uint8_t *before)
{
    const struct both both = {s, want, got, real, made, before};

    for (size_t i = 0; i < sizeof(freedoms) / sizeof(freedoms[0]); i++) {
        const struct freedom *f = &freedoms[i];

        if ((f->vendor == ANY || f->vendor == (host_is_intel() ? INTEL : AMD)) &&
            (f->names[0] == '*' || is_one_of(f->names, s->row->text)))
            f->follow(&both, f);
    }
}
