// SPDX-License-Identifier: MIT
/*
 * Arithmetic and logic: what changes the arithmetic flags, but for shifts, products and quotients.
 *
 * The host computes each result, and the flags with it, by the guest's own instruction.
 *
 * Here are the operations that have one size; all others are in integer-sized.h.
 *
 * After: Intel SDM vol. 2, "Instruction Set Reference"; vol. 1, "EFLAGS Register".
 *
 * Left out: nothing.
 */
#include "x86/soft/family.h"

#define TEMPLATE "x86/soft/integer-sized.h"
#include "x86/soft/sizes.h"

static void set_zf(struct soft *c, bool zf)
{
    soft_set_arith(c, (soft_arith(c) & ~EFLAGS_ZF) | (zf ? EFLAGS_ZF : 0));
}

/* Always locked, which only other CPUs can see. */
static void cmpxchg8b(struct soft *c, const struct soft_op *op)
{
    any64 *p = soft_rmw(c, op, ANYHOW, 3);
    uint64_t a = c->r[RDX] << 32 | (uint32_t)c->r[RAX], old = a;
    uint64_t b = c->r[RCX] << 32 | (uint32_t)c->r[RBX];

    asm volatile("lock cmpxchg %0, %2" : "+m"(*p), "+a"(a) : "r"(b) : "cc", "memory");
    soft_rmw_end(c);
    set_zf(c, a == old);
    if (a != old) {
        soft_set_reg(c, 2, RAX, (uint32_t)a);
        soft_set_reg(c, 2, RDX, a >> 32);
    }
    SOFT_NEXT(c, op);
}

/* Every 64-bit host since 2006 has it. */
static void cmpxchg16b(struct soft *c, const struct soft_op *op)
{
    typedef unsigned __int128 __attribute__((may_alias)) any128;
    uint64_t linear = soft_linear(c, op, ANYHOW, 16, ACCESS_READ | ACCESS_WRITE);
    bool equal;

    c->op = op;
    if (linear & 15)
        soft_raise_code(c, EXCEPTION_GP, 0);
    any128 *p = soft_rmw_at(c, op, linear, 4);

    asm volatile("lock cmpxchg16b %0\n\tsete %1"
                 : "+m"(*p), "=q"(equal), "+a"(c->r[RAX]), "+d"(c->r[RDX])
                 : "b"(c->r[RBX]), "c"(c->r[RCX])
                 : "cc", "memory");
    soft_rmw_end(c);
    set_zf(c, equal);
    SOFT_NEXT(c, op);
}

static void cmpxchg_wide(struct soft *c, const struct soft_op *op)
{
    return op->prefix & SOFT_REX_W ? cmpxchg16b(c, op) : cmpxchg8b(c, op);
}

/* clang-format off */
SOFT_TABLE(soft_integer_rows)
    ROW("00", "add Eb,Gb", .forms = SIZES(add_eg))
    ROW("01", "add Ev,Gv", .forms = SIZES(add_eg))
    ROW("02", "add Gb,Eb", .forms = SIZES(add_ge))
    ROW("03", "add Gv,Ev", .forms = SIZES(add_ge))
    ROW("04", "add al,Ib", .forms = SIZES(add_ei))
    ROW("05", "add rax,Iz", .forms = SIZES(add_ei))
    ROW("80 /0", "add Eb,Ib", .forms = SIZES(add_ei))
    ROW("81 /0", "add Ev,Iz", .forms = SIZES(add_ei))
    ROW("82 /0", "add Eb,Ib", .forms = SIZES(add_ei), .attributes = ROW_NO64)
    ROW("83 /0", "add Ev,Ib", .forms = SIZES(add_ei))
    ROW("08", "or Eb,Gb", .forms = SIZES(or_eg))
    ROW("09", "or Ev,Gv", .forms = SIZES(or_eg))
    ROW("0a", "or Gb,Eb", .forms = SIZES(or_ge))
    ROW("0b", "or Gv,Ev", .forms = SIZES(or_ge))
    ROW("0c", "or al,Ib", .forms = SIZES(or_ei))
    ROW("0d", "or rax,Iz", .forms = SIZES(or_ei))
    ROW("80 /1", "or Eb,Ib", .forms = SIZES(or_ei))
    ROW("81 /1", "or Ev,Iz", .forms = SIZES(or_ei))
    ROW("82 /1", "or Eb,Ib", .forms = SIZES(or_ei), .attributes = ROW_NO64)
    ROW("83 /1", "or Ev,Ib", .forms = SIZES(or_ei))
    ROW("10", "adc Eb,Gb", .forms = SIZES(adc_eg))
    ROW("11", "adc Ev,Gv", .forms = SIZES(adc_eg))
    ROW("12", "adc Gb,Eb", .forms = SIZES(adc_ge))
    ROW("13", "adc Gv,Ev", .forms = SIZES(adc_ge))
    ROW("14", "adc al,Ib", .forms = SIZES(adc_ei))
    ROW("15", "adc rax,Iz", .forms = SIZES(adc_ei))
    ROW("80 /2", "adc Eb,Ib", .forms = SIZES(adc_ei))
    ROW("81 /2", "adc Ev,Iz", .forms = SIZES(adc_ei))
    ROW("82 /2", "adc Eb,Ib", .forms = SIZES(adc_ei), .attributes = ROW_NO64)
    ROW("83 /2", "adc Ev,Ib", .forms = SIZES(adc_ei))
    ROW("18", "sbb Eb,Gb", .forms = SIZES(sbb_eg))
    ROW("19", "sbb Ev,Gv", .forms = SIZES(sbb_eg))
    ROW("1a", "sbb Gb,Eb", .forms = SIZES(sbb_ge))
    ROW("1b", "sbb Gv,Ev", .forms = SIZES(sbb_ge))
    ROW("1c", "sbb al,Ib", .forms = SIZES(sbb_ei))
    ROW("1d", "sbb rax,Iz", .forms = SIZES(sbb_ei))
    ROW("80 /3", "sbb Eb,Ib", .forms = SIZES(sbb_ei))
    ROW("81 /3", "sbb Ev,Iz", .forms = SIZES(sbb_ei))
    ROW("82 /3", "sbb Eb,Ib", .forms = SIZES(sbb_ei), .attributes = ROW_NO64)
    ROW("83 /3", "sbb Ev,Ib", .forms = SIZES(sbb_ei))
    ROW("20", "and Eb,Gb", .forms = SIZES(and_eg))
    ROW("21", "and Ev,Gv", .forms = SIZES(and_eg))
    ROW("22", "and Gb,Eb", .forms = SIZES(and_ge))
    ROW("23", "and Gv,Ev", .forms = SIZES(and_ge))
    ROW("24", "and al,Ib", .forms = SIZES(and_ei))
    ROW("25", "and rax,Iz", .forms = SIZES(and_ei))
    ROW("80 /4", "and Eb,Ib", .forms = SIZES(and_ei))
    ROW("81 /4", "and Ev,Iz", .forms = SIZES(and_ei))
    ROW("82 /4", "and Eb,Ib", .forms = SIZES(and_ei), .attributes = ROW_NO64)
    ROW("83 /4", "and Ev,Ib", .forms = SIZES(and_ei))
    ROW("28", "sub Eb,Gb", .forms = SIZES(sub_eg))
    ROW("29", "sub Ev,Gv", .forms = SIZES(sub_eg))
    ROW("2a", "sub Gb,Eb", .forms = SIZES(sub_ge))
    ROW("2b", "sub Gv,Ev", .forms = SIZES(sub_ge))
    ROW("2c", "sub al,Ib", .forms = SIZES(sub_ei))
    ROW("2d", "sub rax,Iz", .forms = SIZES(sub_ei))
    ROW("80 /5", "sub Eb,Ib", .forms = SIZES(sub_ei))
    ROW("81 /5", "sub Ev,Iz", .forms = SIZES(sub_ei))
    ROW("82 /5", "sub Eb,Ib", .forms = SIZES(sub_ei), .attributes = ROW_NO64)
    ROW("83 /5", "sub Ev,Ib", .forms = SIZES(sub_ei))
    ROW("30", "xor Eb,Gb", .forms = SIZES(xor_eg))
    ROW("31", "xor Ev,Gv", .forms = SIZES(xor_eg))
    ROW("32", "xor Gb,Eb", .forms = SIZES(xor_ge))
    ROW("33", "xor Gv,Ev", .forms = SIZES(xor_ge))
    ROW("34", "xor al,Ib", .forms = SIZES(xor_ei))
    ROW("35", "xor rax,Iz", .forms = SIZES(xor_ei))
    ROW("80 /6", "xor Eb,Ib", .forms = SIZES(xor_ei))
    ROW("81 /6", "xor Ev,Iz", .forms = SIZES(xor_ei))
    ROW("82 /6", "xor Eb,Ib", .forms = SIZES(xor_ei), .attributes = ROW_NO64)
    ROW("83 /6", "xor Ev,Ib", .forms = SIZES(xor_ei))
    ROW("38", "cmp Eb,Gb", .forms = SIZES(cmp_eg))
    ROW("39", "cmp Ev,Gv", .forms = SIZES(cmp_eg))
    ROW("3a", "cmp Gb,Eb", .forms = SIZES(cmp_ge))
    ROW("3b", "cmp Gv,Ev", .forms = SIZES(cmp_ge))
    ROW("3c", "cmp al,Ib", .forms = SIZES(cmp_ei))
    ROW("3d", "cmp rax,Iz", .forms = SIZES(cmp_ei))
    ROW("80 /7", "cmp Eb,Ib", .forms = SIZES(cmp_ei))
    ROW("81 /7", "cmp Ev,Iz", .forms = SIZES(cmp_ei))
    ROW("82 /7", "cmp Eb,Ib", .forms = SIZES(cmp_ei), .attributes = ROW_NO64)
    ROW("83 /7", "cmp Ev,Ib", .forms = SIZES(cmp_ei))
    ROW("84", "test Eb,Gb", .forms = SIZES(test_eg))
    ROW("85", "test Ev,Gv", .forms = SIZES(test_eg))
    ROW("a8", "test al,Ib", .forms = SIZES(test_ei))
    ROW("a9", "test rax,Iz", .forms = SIZES(test_ei))
    ROW("f6 /0", "test Eb,Ib", .forms = SIZES(test_ei))
    ROW("f7 /0", "test Ev,Iz", .forms = SIZES(test_ei))
    ROW("f6 /1", "test Eb,Ib", .forms = SIZES(test_ei))
    ROW("f7 /1", "test Ev,Iz", .forms = SIZES(test_ei))
    ROW("40+r", "inc Zv", .forms = SIZES(inc_e), .attributes = ROW_NO64)
    ROW("48+r", "dec Zv", .forms = SIZES(dec_e), .attributes = ROW_NO64)
    ROW("fe /0", "inc Eb", .forms = SIZES(inc_e))
    ROW("ff /0", "inc Ev", .forms = SIZES(inc_e))
    ROW("fe /1", "dec Eb", .forms = SIZES(dec_e))
    ROW("ff /1", "dec Ev", .forms = SIZES(dec_e))
    ROW("f6 /2", "not Eb", .forms = SIZES(not_e))
    ROW("f7 /2", "not Ev", .forms = SIZES(not_e))
    ROW("f6 /3", "neg Eb", .forms = SIZES(neg_e))
    ROW("f7 /3", "neg Ev", .forms = SIZES(neg_e))
    ROW("0f c0", "xadd Eb,Gb", .forms = SIZES(xadd_eg))
    ROW("0f c1", "xadd Ev,Gv", .forms = SIZES(xadd_eg))
    ROW("0f b0", "cmpxchg Eb,Gb", .forms = SIZES(cmpxchg_eg))
    ROW("0f b1", "cmpxchg Ev,Gv", .forms = SIZES(cmpxchg_eg))
    ROW("0f c7 /1 mem", "cmpxchg8b M", .run = cmpxchg_wide, .attributes = ROW_LOCK)
SOFT_TABLE_END
