/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic and logic of operands of one size: a template of integer.c, see sizes.h.
 */

/* ---- by the host's own instructions, at a place that holds a ---- */

/* flags is the constraint of AX, before is assembly in front of the instruction. */
#define BINARY(name, flags, before)                                                                \
    INLINE void SIZED(name)(struct soft * c, int place, void *a, uint64_t b)                       \
    {                                                                                              \
        uint16_t f = c->arith;                                                                     \
                                                                                                   \
        if (place == REGISTER) {                                                                   \
            uint64_t val = soft_peek(a, SIZE);                                                     \
                                                                                                   \
            asm(before #name " %" REG "0, %" REG "2" SOFT_FLAGS_OUT                                \
                : "+r"(val), flags(f)                                                              \
                : "r"(b)                                                                           \
                : "cc");                                                                           \
            soft_put(a, SIZE, val);                                                                \
        } else if (place == MEMORY) {                                                              \
            asm volatile(before #name " %0, %" REG "2" SOFT_FLAGS_OUT                              \
                         : "+m"(*(TYPE *)a), flags(f)                                              \
                         : "r"(b)                                                                  \
                         : "cc", "memory");                                                        \
        } else {                                                                                   \
            asm volatile(before "lock " #name " %0, %" REG "2" SOFT_FLAGS_OUT                      \
                         : "+m"(*(TYPE *)a), flags(f)                                              \
                         : "r"(b)                                                                  \
                         : "cc", "memory");                                                        \
        }                                                                                          \
        c->arith = f;                                                                              \
    }

BINARY(add, "=&a", "")
BINARY(or, "=&a", "")
BINARY(adc, "+&a", SOFT_CARRY_IN)
BINARY(sbb, "+&a", SOFT_CARRY_IN)
BINARY(and, "=&a", "")
BINARY(sub, "=&a", "")
BINARY(xor, "=&a", "")
#undef BINARY

#define UNARY(name, flags, before)                                                                 \
    INLINE void SIZED(name)(struct soft * c, int place, void *a)                                   \
    {                                                                                              \
        uint16_t f = c->arith;                                                                     \
                                                                                                   \
        if (place == REGISTER) {                                                                   \
            uint64_t val = soft_peek(a, SIZE);                                                     \
                                                                                                   \
            asm(before #name " %" REG "0" SOFT_FLAGS_OUT : "+r"(val), flags(f) : : "cc");          \
            soft_put(a, SIZE, val);                                                                \
        } else if (place == MEMORY) {                                                              \
            asm volatile(before #name " %0" SOFT_FLAGS_OUT                                         \
                         : "+m"(*(TYPE *)a), flags(f)                                              \
                         :                                                                         \
                         : "cc", "memory");                                                        \
        } else {                                                                                   \
            asm volatile(before "lock " #name " %0" SOFT_FLAGS_OUT                                 \
                         : "+m"(*(TYPE *)a), flags(f)                                              \
                         :                                                                         \
                         : "cc", "memory");                                                        \
        }                                                                                          \
        c->arith = f;                                                                              \
    }

UNARY(inc, "+&a", SOFT_CARRY_IN)
UNARY(dec, "+&a", SOFT_CARRY_IN)
UNARY(neg, "=&a", "")
#undef UNARY

/* These leave nothing but flags. */
#define COMPARISON(name)                                                                           \
    INLINE void SIZED(name)(struct soft * c, uint64_t a, uint64_t b)                               \
    {                                                                                              \
        uint16_t f;                                                                                \
                                                                                                   \
        asm(#name " %" REG "1, %" REG "2" SOFT_FLAGS_OUT : "=&a"(f) : "r"(a), "r"(b) : "cc");      \
        c->arith = f;                                                                              \
    }

COMPARISON(cmp)
COMPARISON(test)
#undef COMPARISON

/* ---- the forms E,G  E,I  G,E  and E ---- */

#define CHANGES_BY_G(name, insn)                                                                   \
    CHANGES(name)                                                                                  \
    {                                                                                              \
        SIZED(insn)(c, place, e, soft_get(c, SIZE, op->reg));                                      \
    }
#define CHANGES_BY_I(name, insn)                                                                   \
    CHANGES(name)                                                                                  \
    {                                                                                              \
        SIZED(insn)(c, place, e, op->imm);                                                         \
    }
#define CHANGES_G(name, insn)                                                                      \
    LOADS(name)                                                                                    \
    {                                                                                              \
        SIZED(insn)(c, REGISTER, soft_place(c, op->reg), e);                                       \
    }
#define CHANGES_E(name, insn)                                                                      \
    CHANGES(name)                                                                                  \
    {                                                                                              \
        SIZED(insn)(c, place, e);                                                                  \
    }

CHANGES_BY_G(add_eg, add)
CHANGES_BY_I(add_ei, add)
CHANGES_G(add_ge, add)
CHANGES_BY_G(or_eg, or)
CHANGES_BY_I(or_ei, or)
CHANGES_G(or_ge, or)
CHANGES_BY_G(adc_eg, adc)
CHANGES_BY_I(adc_ei, adc)
CHANGES_G(adc_ge, adc)
CHANGES_BY_G(sbb_eg, sbb)
CHANGES_BY_I(sbb_ei, sbb)
CHANGES_G(sbb_ge, sbb)
CHANGES_BY_G(and_eg, and)
CHANGES_BY_I(and_ei, and)
CHANGES_G(and_ge, and)
CHANGES_BY_G(sub_eg, sub)
CHANGES_BY_I(sub_ei, sub)
CHANGES_G(sub_ge, sub)
CHANGES_BY_G(xor_eg, xor)
CHANGES_BY_I(xor_ei, xor)
CHANGES_G(xor_ge, xor)
CHANGES_E(inc_e, inc)
CHANGES_E(dec_e, dec)
CHANGES_E(neg_e, neg)
#undef CHANGES_BY_G
#undef CHANGES_BY_I
#undef CHANGES_G
#undef CHANGES_E

COMPARES(cmp_eg)
{
    SIZED(cmp)(c, e, soft_get(c, SIZE, op->reg));
}

COMPARES(cmp_ei)
{
    SIZED(cmp)(c, e, op->imm);
}

COMPARES(cmp_ge)
{
    SIZED(cmp)(c, soft_get(c, SIZE, op->reg), e);
}

COMPARES(test_eg)
{
    SIZED(test)(c, e, soft_get(c, SIZE, op->reg));
}

COMPARES(test_ei)
{
    SIZED(test)(c, e, op->imm);
}

/* Leaves the flags alone. */
CHANGES(not_e)
{
    if (place == REGISTER)
        soft_put(e, SIZE, ~soft_peek(e, SIZE) & soft_size_mask(SIZE));
    else if (place == MEMORY)
        soft_poke(e, SIZE, ~soft_peek(e, SIZE));
    else
        asm volatile("lock not %0" : "+m"(*(TYPE *)e) : : "memory");
}

/* ---- exchanges ---- */

CHANGES(xadd_eg)
{
    uint64_t val = soft_get(c, SIZE, op->reg);
    uint16_t f;

    if (place == REGISTER) {
        soft_set(c, SIZE, op->reg, soft_peek(e, SIZE));
        SIZED(add)(c, REGISTER, e, val);
        return;
    }
    if (place == MEMORY)
        asm volatile("xadd %0, %" REG "1" SOFT_FLAGS_OUT
                     : "+m"(*(TYPE *)e), "+r"(val), "=&a"(f)
                     :
                     : "cc", "memory");
    else
        asm volatile("lock xadd %0, %" REG "1" SOFT_FLAGS_OUT
                     : "+m"(*(TYPE *)e), "+r"(val), "=&a"(f)
                     :
                     : "cc", "memory");
    c->arith = f;
    soft_set(c, SIZE, op->reg, val);
}

/* RAX changes, its upper half included, just as the host's does. */
CHANGES(cmpxchg_eg)
{
    uint64_t val = soft_get(c, SIZE, op->reg), a = c->r[RAX], out;

    if (place == REGISTER) {
        uint64_t old = soft_peek(e, SIZE);

        SIZED(cmp)(c, soft_reg(c, SIZE, RAX), old);
        if (c->arith >> 8 & EFLAGS_ZF)
            soft_put(e, SIZE, val);
        else
            soft_set_reg(c, SIZE, RAX, old);
        return;
    }
    if (place == MEMORY)
        asm volatile("cmpxchg %0, %" REG "3\n\tmov %2, rax" SOFT_FLAGS_OUT
                     : "+m"(*(TYPE *)e), "+a"(a), "=&r"(out)
                     : "r"(val)
                     : "cc", "memory");
    else
        asm volatile("lock cmpxchg %0, %" REG "3\n\tmov %2, rax" SOFT_FLAGS_OUT
                     : "+m"(*(TYPE *)e), "+a"(a), "=&r"(out)
                     : "r"(val)
                     : "cc", "memory");
    c->arith = a;
    c->r[RAX] = out;
}
