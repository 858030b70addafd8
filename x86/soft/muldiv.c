// SPDX-License-Identifier: MIT
/*
 * Products and quotients, and the adjustments of decimal digits.
 *
 * After: Intel SDM vol. 2, "Instruction Set Reference".
 *
 * Left out: nothing. The host has no decimal adjustments in 64-bit mode: what they leave undefined
 * in the flags is computed from AL here.
 */
#include "x86/soft/family.h"

/* ---- Products ---- */

/* The flags come out in AX, and with them the product has to leave it. */
#define HOST_WIDE(name)                                                                            \
    INLINE void name(struct soft *c, const struct soft_op *op, int n, const void *p)               \
    {                                                                                              \
        uint64_t a = soft_reg(c, n, RAX), b = soft_peek(p, n), low, high = 0;                      \
                                                                                                   \
        (void)op;                                                                                  \
        if (n == 0)                                                                                \
            asm(#name " %b2\n\tmovzx %k0, ax" SOFT_FLAGS_OUT                                       \
                : "=&r"(low), "+a"(a)                                                              \
                : "r"(b)                                                                           \
                : "cc");                                                                           \
        else if (n == 1)                                                                           \
            asm(#name " %w3\n\tmov %0, rax" SOFT_FLAGS_OUT                                         \
                : "=&r"(low), "+a"(a), "=&d"(high)                                                 \
                : "r"(b)                                                                           \
                : "cc");                                                                           \
        else if (n == 2)                                                                           \
            asm(#name " %k3\n\tmov %0, rax" SOFT_FLAGS_OUT                                         \
                : "=&r"(low), "+a"(a), "=&d"(high)                                                 \
                : "r"(b)                                                                           \
                : "cc");                                                                           \
        else                                                                                       \
            asm(#name " %3\n\tmov %0, rax" SOFT_FLAGS_OUT                                          \
                : "=&r"(low), "+a"(a), "=&d"(high)                                                 \
                : "r"(b)                                                                           \
                : "cc");                                                                           \
        c->arith = a;                                                                              \
        soft_set_reg(c, n ? n : 1, RAX, low);                                                      \
        if (n)                                                                                     \
            soft_set_reg(c, n, RDX, high);                                                         \
    }                                                                                              \
    LOAD_FAMILY(name)

HOST_WIDE(mul);
HOST_WIDE(imul);

INLINE uint64_t product(struct soft *c, int n, uint64_t a, uint64_t b)
{
    uint16_t f;

    if (n == 1)
        asm("imul %w0, %w2" SOFT_FLAGS_OUT : "+r"(a), "=&a"(f) : "r"(b) : "cc");
    else if (n == 2)
        asm("imul %k0, %k2" SOFT_FLAGS_OUT : "+r"(a), "=&a"(f) : "r"(b) : "cc");
    else
        asm("imul %0, %2" SOFT_FLAGS_OUT : "+r"(a), "=&a"(f) : "r"(b) : "cc");
    c->arith = f;
    return a;
}

INLINE void imul_ge(struct soft *c, const struct soft_op *op, int n, const void *p)
{
    soft_put(c, n, op->reg, product(c, n, soft_get(c, n, op->reg), soft_peek(p, n)));
}
LOAD_FAMILY_16(imul_ge);

INLINE void imul_gei(struct soft *c, const struct soft_op *op, int n, const void *p)
{
    soft_put(c, n, op->reg, product(c, n, soft_peek(p, n), op->imm));
}
LOAD_FAMILY_16(imul_gei);

/* ---- Quotients ---- */

static _Noreturn __attribute__((cold)) void divide_error(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    soft_raise(c, EXCEPTION_DE);
}

struct quotient {
    uint64_t q, r;
};

/* high:low / by, which is known to be less than 1 << 64. Volatile, or the compiler might do it
 * before that is known. */
INLINE struct quotient divide(uint64_t high, uint64_t low, uint64_t by)
{
    struct quotient res;

    asm volatile("div %4" : "=a"(res.q), "=d"(res.r) : "a"(low), "d"(high), "r"(by) : "cc");
    return res;
}

/* The same of 32 bits each: much quicker on many hosts. */
INLINE struct quotient divide32(uint64_t high, uint64_t low, uint64_t by)
{
    struct quotient res;

    asm volatile("div %k4" : "=a"(res.q), "=d"(res.r) : "a"(low), "d"(high), "r"(by) : "cc");
    return res;
}

INLINE void set_quotient(struct soft *c, int n, uint64_t q, uint64_t r)
{
    if (n == 0) {
        soft_set(c, 0, RAX * 8, q);
        soft_set(c, 0, RAX * 8 + 1, r);
    } else {
        soft_set_reg(c, n, RAX, q);
        soft_set_reg(c, n, RDX, r);
    }
}

/* The flags are undefined, and stay. */
INLINE void div(struct soft *c, const struct soft_op *op, int n, const void *p)
{
    uint64_t by = soft_peek(p, n), low = soft_reg(c, n, RAX);
    uint64_t high = n ? soft_reg(c, n, RDX) : soft_get(c, 0, RAX * 8 + 1);

    if (unlikely(high >= by))
        divide_error(c, op);
    struct quotient res = n == 3   ? divide(high, low, by)
                          : n == 2 ? divide32(high, low, by)
                                   : divide32(0, high << (8 << n) | low, by);

    set_quotient(c, n, res.q, res.r);
}
LOAD_FAMILY(div);

/* By magnitudes; the remainder has the sign of the dividend. */
INLINE void idiv(struct soft *c, const struct soft_op *op, int n, const void *p)
{
    int bits = 8 << n;
    int64_t by = soft_sign(n, soft_peek(p, n));
    uint64_t low = soft_reg(c, n, RAX);
    uint64_t high = n ? soft_reg(c, n, RDX) : soft_get(c, 0, RAX * 8 + 1);
    bool minus = soft_sign(n, high) >> 63;
    uint64_t divisor = by < 0 ? -(uint64_t)by : (uint64_t)by;

    if (minus) {
        low = -low & soft_size_mask(n);
        high = (~high + !low) & soft_size_mask(n);
    }
    if (unlikely(high >= divisor))
        divide_error(c, op);
    struct quotient res = n == 3   ? divide(high, low, divisor)
                          : n == 2 ? divide32(high, low, divisor)
                                   : divide32(0, high << bits | low, divisor);
    bool negative = minus != (by < 0);

    if (unlikely(res.q > (soft_size_mask(n) >> 1) + negative))
        divide_error(c, op);
    set_quotient(c, n, negative ? -res.q : res.q, minus ? -res.r : res.r);
}
LOAD_FAMILY(idiv);

/* ---- Decimal digits ---- */

/* AL's new value, which all other flags follow. */
static void set_al(struct soft *c, uint8_t al, uint32_t flags)
{
    soft_set_reg(c, 0, RAX, al);
    soft_set_arith(c, flags | (al ? 0 : EFLAGS_ZF) | (al & 0x80 ? EFLAGS_SF : 0) |
                          (__builtin_parity(al) ? 0 : EFLAGS_PF));
}

/* DAA and DAS: sign is what they do. */
static void adjust(struct soft *c, int sign)
{
    uint32_t flags = soft_arith(c), result = 0;
    int old = soft_reg(c, 0, RAX), al = old;

    if ((al & 15) > 9 || flags & EFLAGS_AF) {
        al += 6 * sign;
        result = EFLAGS_AF | (al < 0 || al > 0xff ? EFLAGS_CF : 0);
    }
    if (old > 0x99 || flags & EFLAGS_CF) {
        al += 0x60 * sign;
        result |= EFLAGS_CF;
    }
    set_al(c, al, result);
}

static void daa(struct soft *c, const struct soft_op *op)
{
    adjust(c, 1);
    SOFT_NEXT(c, op);
}

static void das(struct soft *c, const struct soft_op *op)
{
    adjust(c, -1);
    SOFT_NEXT(c, op);
}

/* AAA and AAS: what they add to AX. */
static void adjust_ascii(struct soft *c, int delta)
{
    uint16_t ax = soft_reg(c, 1, RAX);
    bool carry = (ax & 15) > 9 || soft_arith(c) & EFLAGS_AF;

    if (carry)
        ax += delta;
    soft_set_reg(c, 1, RAX, ax);
    set_al(c, ax & 15, carry ? EFLAGS_AF | EFLAGS_CF : 0);
}

static void aaa(struct soft *c, const struct soft_op *op)
{
    adjust_ascii(c, 0x106);
    SOFT_NEXT(c, op);
}

static void aas(struct soft *c, const struct soft_op *op)
{
    adjust_ascii(c, -0x106);
    SOFT_NEXT(c, op);
}

static void aam(struct soft *c, const struct soft_op *op)
{
    uint8_t base = op->imm, al = soft_reg(c, 0, RAX);

    if (!base)
        divide_error(c, op);
    soft_set(c, 0, RAX * 8 + 1, al / base);
    set_al(c, al % base, 0);
    SOFT_NEXT(c, op);
}

static void aad(struct soft *c, const struct soft_op *op)
{
    uint8_t al = soft_reg(c, 0, RAX) + soft_get(c, 0, RAX * 8 + 1) * op->imm;

    soft_set(c, 0, RAX * 8 + 1, 0);
    set_al(c, al, 0);
    SOFT_NEXT(c, op);
}

/* clang-format off */
const struct soft_row soft_muldiv_rows[] = {
    {"f6 /4", "mul Eb", .family = &mul_family},
    {"f7 /4", "mul Ev", .family = &mul_family},
    {"f6 /5", "imul Eb", .family = &imul_family},
    {"f7 /5", "imul Ev", .family = &imul_family},
    {"f6 /6", "div Eb", .family = &div_family},
    {"f7 /6", "div Ev", .family = &div_family},
    {"f6 /7", "idiv Eb", .family = &idiv_family},
    {"f7 /7", "idiv Ev", .family = &idiv_family},
    {"0f af", "imul Gv,Ev", .family = &imul_ge_family},
    {"69", "imul Gv,Ev,Iz", .family = &imul_gei_family},
    {"6b", "imul Gv,Ev,Ib", .family = &imul_gei_family},
    {"27", "daa", .run = daa, .attributes = ROW_NO64},
    {"2f", "das", .run = das, .attributes = ROW_NO64},
    {"37", "aaa", .run = aaa, .attributes = ROW_NO64},
    {"3f", "aas", .run = aas, .attributes = ROW_NO64},
    {"d4", "aam Ib", .run = aam, .attributes = ROW_NO64},
    {"d5", "aad Ib", .run = aad, .attributes = ROW_NO64},
    {0},
};
