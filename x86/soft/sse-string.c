// SPDX-License-Identifier: MIT
/*
 * SSE4.2: the string comparisons PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM.
 *
 * A set of elements is a number with a bit for each: what SSE2 compares at once becomes such a set
 * by PMOVMSKB. The host's own instruction is of no use, as its immediate is part of its code.
 *
 * After: Intel SDM vol. 2B, "Imm8 Control Byte Operation for PCMPESTRI / PCMPESTRM / PCMPISTRI /
 * PCMPISTRM".
 *
 * Left out: nothing.
 */
#include "x86/soft/sse.h"

/* The immediate. */
enum {
    WORDS = 1 << 0,
    SIGNED = 1 << 1,
    AGGREGATION = 3 << 2,
    EQUAL_ANY = 0 << 2,
    RANGES = 1 << 2,
    EQUAL_EACH = 2 << 2,
    EQUAL_ORDERED = 3 << 2,
    NEGATE = 1 << 4,
    NEGATE_VALID_ONLY = 1 << 5,
    MOST_SIGNIFICANT = 1 << 6, /* of an index */
    EXPAND = 1 << 6,           /* of a mask */
};

/* The elements for which a comparison's result is all ones. */
INLINE uint32_t set_of(vec result, bool words)
{
    if (words)
        result = _mm_packs_epi16(result, _mm_setzero_si128());
    return _mm_movemask_epi8(result);
}

INLINE uint32_t equal(vec a, vec b, bool words)
{
    return set_of(words ? _mm_cmpeq_epi16(a, b) : _mm_cmpeq_epi8(a, b), words);
}

INLINE uint32_t greater(vec a, vec b, bool words)
{
    return set_of(words ? _mm_cmpgt_epi16(a, b) : _mm_cmpgt_epi8(a, b), words);
}

/* Element i, everywhere. */
INLINE vec spread(const union lanes *a, int i, bool words)
{
    return words ? _mm_set1_epi16(a->w[i]) : _mm_set1_epi8(a->b[i]);
}

/* The first n elements. */
INLINE uint32_t first(int n)
{
    return (UINT32_C(1) << n) - 1;
}

/* The set, of elements of b (of which length_b are valid), that the aggregation finds in a. */
INLINE uint32_t aggregate(vec av, int length_a, vec b, int length_b, int how, bool words)
{
    int n = words ? 8 : 16;
    uint32_t valid = first(length_b), found = 0;
    union lanes a = {.v = av};

    switch (how & AGGREGATION) {
    case EQUAL_ANY:
        for (int i = 0; i < length_a; i++)
            found |= equal(spread(&a, i, words), b, words);
        return found & valid;
    case RANGES:
        if (!(how & SIGNED)) { /* SSE2 compares signed numbers only */
            vec top = words ? _mm_set1_epi16(INT16_MIN) : _mm_set1_epi8(INT8_MIN);

            a.v = _mm_xor_si128(a.v, top);
            b = _mm_xor_si128(b, top);
        }
        for (int i = 0; i + 1 < length_a; i += 2)
            found |= ~greater(spread(&a, i, words), b, words) &
                     ~greater(b, spread(&a, i + 1, words), words);
        return found & valid;
    case EQUAL_EACH: /* both ended: equal */
        found = equal(av, b, words) & first(length_a) & valid;
        return found | (first(n) & ~first(length_a) & ~valid);
    default: /* a begins here; the end of b may cut it off, if that is the vector's */
        found = first(n);
        for (int i = 0; i < length_a; i++)
            found &= ((equal(spread(&a, i, words), b, words) & valid) | ~first(n)) >> i;
        return found;
    }
}

/* The set that is the instruction's result before it becomes an index or a mask; sets the flags. */
SLOW static uint32_t compare(struct soft *c, vec a, int length_a, vec b, int length_b, int how)
{
    bool words = how & WORDS;
    int n = words ? 8 : 16;
    uint32_t found = words ? aggregate(a, length_a, b, length_b, how, true)
                           : aggregate(a, length_a, b, length_b, how, false);

    if (how & NEGATE)
        found ^= how & NEGATE_VALID_ONLY ? first(length_b) : first(n);
    soft_set_arith(c, (found ? EFLAGS_CF : 0) | (length_b < n ? EFLAGS_ZF : 0) |
                          (length_a < n ? EFLAGS_SF : 0) | (found & 1 ? EFLAGS_OF : 0));
    return found;
}

/* Up to the first zero. */
INLINE int implicit_length(vec a, int how)
{
    bool words = how & WORDS;
    uint32_t zeros = equal(a, _mm_setzero_si128(), words) | UINT32_C(1) << (words ? 8 : 16);

    return __builtin_ctz(zeros);
}

/* The length in a register: its magnitude, at most all elements. */
INLINE int explicit_length(const struct soft *c, const struct soft_op *op, int reg)
{
    int64_t length = op->prefix & SOFT_REX_W ? (int64_t)c->r[reg] : (int32_t)c->r[reg];
    int n = op->imm & WORDS ? 8 : 16;

    return length > n || length < -n ? n : length < 0 ? -length : length;
}

INLINE uint32_t run_explicit(struct soft *c, const struct soft_op *op)
{
    vec b;

    sse(c, op);
    b = op->mem ? load_vector(c, op, false) : get_vector(c, op->rm);
    return compare(c, get_vector(c, op->reg), explicit_length(c, op, RAX), b,
                   explicit_length(c, op, RDX), op->imm);
}

INLINE uint32_t run_implicit(struct soft *c, const struct soft_op *op)
{
    vec a, b;

    sse(c, op);
    b = op->mem ? load_vector(c, op, false) : get_vector(c, op->rm);
    a = get_vector(c, op->reg);
    return compare(c, a, implicit_length(a, op->imm), b, implicit_length(b, op->imm), op->imm);
}

/* To ECX: the first or the last element found, or how many there could be. */
INLINE void give_index(struct soft *c, const struct soft_op *op, uint32_t found)
{
    int index = op->imm & WORDS ? 8 : 16;

    if (found)
        index = op->imm & MOST_SIGNIFICANT ? 31 - __builtin_clz(found) : __builtin_ctz(found);
    soft_set_reg(c, 2, RCX, index);
}

/* To XMM0: the set, or ones in place of all its elements. */
INLINE void give_mask(struct soft *c, const struct soft_op *op, uint32_t found)
{
    union lanes r = {.q = {found, 0}};

    if (op->imm & EXPAND)
        for (int i = 0; i < 16; i++)
            r.b[i] = -(found >> (op->imm & WORDS ? i / 2 : i) & 1);
    set_vector(c, 0, r.v);
}

static void pcmpestrm(struct soft *c, const struct soft_op *op)
{
    give_mask(c, op, run_explicit(c, op));
    SOFT_NEXT(c, op);
}

static void pcmpestri(struct soft *c, const struct soft_op *op)
{
    give_index(c, op, run_explicit(c, op));
    SOFT_NEXT(c, op);
}

static void pcmpistrm(struct soft *c, const struct soft_op *op)
{
    give_mask(c, op, run_implicit(c, op));
    SOFT_NEXT(c, op);
}

static void pcmpistri(struct soft *c, const struct soft_op *op)
{
    give_index(c, op, run_implicit(c, op));
    SOFT_NEXT(c, op);
}

/* clang-format off */
SOFT_TABLE(soft_sse_string_rows)
    ROW("66 0f 3a 60", "pcmpestrm Vdq,Wdq,Ib", .run = pcmpestrm)
    ROW("66 0f 3a 61", "pcmpestri Vdq,Wdq,Ib", .run = pcmpestri)
    ROW("66 0f 3a 62", "pcmpistrm Vdq,Wdq,Ib", .run = pcmpistrm)
    ROW("66 0f 3a 63", "pcmpistri Vdq,Wdq,Ib", .run = pcmpistri)
SOFT_TABLE_END
/* clang-format on */
