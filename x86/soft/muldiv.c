// SPDX-License-Identifier: MIT
/*
 * Products and quotients, and the adjustments of decimal digits.
 *
 * Products and quotients are in muldiv-sized.h.
 *
 * After: Intel SDM vol. 2, "Instruction Set Reference".
 *
 * Left out: nothing. The host has no decimal adjustments in 64-bit mode: what they leave undefined
 * in the flags is computed from AL here.
 */
#include "x86/soft/family.h"

/* ---- quotients ---- */

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

#define TEMPLATE "x86/soft/muldiv-sized.h"
#include "x86/soft/sizes.h"

/* ---- decimal digits ---- */

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
SOFT_TABLE(soft_muldiv_rows)
    ROW("f6 /4", "mul Eb", .forms = SIZES(mul))
    ROW("f7 /4", "mul Ev", .forms = SIZES(mul))
    ROW("f6 /5", "imul Eb", .forms = SIZES(imul))
    ROW("f7 /5", "imul Ev", .forms = SIZES(imul))
    ROW("f6 /6", "div Eb", .forms = SIZES(div))
    ROW("f7 /6", "div Ev", .forms = SIZES(div))
    ROW("f6 /7", "idiv Eb", .forms = SIZES(idiv))
    ROW("f7 /7", "idiv Ev", .forms = SIZES(idiv))
    ROW("0f af", "imul Gv,Ev", .forms = SIZES_16(imul_ge))
    ROW("69", "imul Gv,Ev,Iz", .forms = SIZES_16(imul_gei))
    ROW("6b", "imul Gv,Ev,Ib", .forms = SIZES_16(imul_gei))
    ROW("27", "daa", .run = daa, .attributes = ROW_NO64)
    ROW("2f", "das", .run = das, .attributes = ROW_NO64)
    ROW("37", "aaa", .run = aaa, .attributes = ROW_NO64)
    ROW("3f", "aas", .run = aas, .attributes = ROW_NO64)
    ROW("d4", "aam Ib", .run = aam, .attributes = ROW_NO64)
    ROW("d5", "aad Ib", .run = aad, .attributes = ROW_NO64)
SOFT_TABLE_END
