/* SPDX-License-Identifier: MIT */
/*
 * Shifts, rotations and single bits of operands of one size: a template of bits.c, see sizes.h.
 */

/* ---- shifts and rotations ---- */

/* By a count, which the host masks as the guest's processor would, leaving the flags alone where it
 * is 0; and by 1. flags is the constraint of AX, before is assembly in front of the instruction. */
#define SHIFT(name, by_1, flags, before)                                                           \
    INLINE uint64_t SIZED(name)(struct soft * c, uint64_t a, uint64_t count)                       \
    {                                                                                              \
        uint16_t f = c->arith;                                                                     \
                                                                                                   \
        asm(SOFT_FLAGS_IN #name " %" REG "0, cl" SOFT_FLAGS_OUT                                    \
            : "+r"(a), "+&a"(f)                                                                    \
            : "c"(count)                                                                           \
            : "cc");                                                                               \
        c->arith = f;                                                                              \
        return a;                                                                                  \
    }                                                                                              \
    INLINE uint64_t SIZED(by_1)(struct soft * c, uint64_t a)                                       \
    {                                                                                              \
        uint16_t f = c->arith;                                                                     \
                                                                                                   \
        asm(before #name " %" REG "0, 1" SOFT_FLAGS_OUT : "+r"(a), flags(f) : : "cc");             \
        c->arith = f;                                                                              \
        return a;                                                                                  \
    }

SHIFT(shl, shl_by_1, "=&a", "")
SHIFT(shr, shr_by_1, "=&a", "")
SHIFT(sar, sar_by_1, "=&a", "")
SHIFT(rol, rol_by_1, "+&a", SOFT_FLAGS_IN)
SHIFT(ror, ror_by_1, "+&a", SOFT_FLAGS_IN)
SHIFT(rcl, rcl_by_1, "+&a", SOFT_FLAGS_IN)
SHIFT(rcr, rcr_by_1, "+&a", SOFT_FLAGS_IN)
#undef SHIFT

#define SHIFTS_BY_I(name, insn)                                                                    \
    UPDATES(name)                                                                                  \
    {                                                                                              \
        soft_write(place, e, SIZE, SIZED(insn)(c, soft_peek(e, SIZE), op->imm));                   \
    }
#define SHIFTS_BY_1(name, insn)                                                                    \
    UPDATES(name)                                                                                  \
    {                                                                                              \
        soft_write(place, e, SIZE, SIZED(insn)(c, soft_peek(e, SIZE)));                            \
    }
#define SHIFTS_BY_CL(name, insn)                                                                   \
    UPDATES(name)                                                                                  \
    {                                                                                              \
        soft_write(place, e, SIZE, SIZED(insn)(c, soft_peek(e, SIZE), c->r[RCX]));                 \
    }

SHIFTS_BY_I(shl_i, shl)
SHIFTS_BY_1(shl_1, shl_by_1)
SHIFTS_BY_CL(shl_cl, shl)
SHIFTS_BY_I(shr_i, shr)
SHIFTS_BY_1(shr_1, shr_by_1)
SHIFTS_BY_CL(shr_cl, shr)
SHIFTS_BY_I(sar_i, sar)
SHIFTS_BY_1(sar_1, sar_by_1)
SHIFTS_BY_CL(sar_cl, sar)
SHIFTS_BY_I(rol_i, rol)
SHIFTS_BY_1(rol_1, rol_by_1)
SHIFTS_BY_CL(rol_cl, rol)
SHIFTS_BY_I(ror_i, ror)
SHIFTS_BY_1(ror_1, ror_by_1)
SHIFTS_BY_CL(ror_cl, ror)
SHIFTS_BY_I(rcl_i, rcl)
SHIFTS_BY_1(rcl_1, rcl_by_1)
SHIFTS_BY_CL(rcl_cl, rcl)
SHIFTS_BY_I(rcr_i, rcr)
SHIFTS_BY_1(rcr_1, rcr_by_1)
SHIFTS_BY_CL(rcr_cl, rcr)
#undef SHIFTS_BY_I
#undef SHIFTS_BY_1
#undef SHIFTS_BY_CL

/* All that follows has operands of 16 bits at least. */
#if SIZE > 0

#define DOUBLE_SHIFT(name)                                                                         \
    INLINE uint64_t SIZED(name)(struct soft * c, uint64_t a, uint64_t b, uint64_t count)           \
    {                                                                                              \
        uint16_t f = c->arith;                                                                     \
                                                                                                   \
        asm(SOFT_FLAGS_IN #name " %" REG "0, %" REG "2, cl" SOFT_FLAGS_OUT                         \
            : "+r"(a), "+&a"(f)                                                                    \
            : "r"(b), "c"(count)                                                                   \
            : "cc");                                                                               \
        c->arith = f;                                                                              \
        return a & soft_size_mask(SIZE);                                                           \
    }

DOUBLE_SHIFT(shld)
DOUBLE_SHIFT(shrd)
#undef DOUBLE_SHIFT

UPDATES(shld_i)
{
    uint64_t g = soft_get(c, SIZE, op->reg);

    soft_write(place, e, SIZE, SIZED(shld)(c, soft_peek(e, SIZE), g, op->imm));
}

UPDATES(shld_cl)
{
    uint64_t g = soft_get(c, SIZE, op->reg);

    soft_write(place, e, SIZE, SIZED(shld)(c, soft_peek(e, SIZE), g, c->r[RCX]));
}

UPDATES(shrd_i)
{
    uint64_t g = soft_get(c, SIZE, op->reg);

    soft_write(place, e, SIZE, SIZED(shrd)(c, soft_peek(e, SIZE), g, op->imm));
}

UPDATES(shrd_cl)
{
    uint64_t g = soft_get(c, SIZE, op->reg);

    soft_write(place, e, SIZE, SIZED(shrd)(c, soft_peek(e, SIZE), g, c->r[RCX]));
}

/* ---- single bits ---- */

/* Bit b of what is at a, modulo its size. In memory the host would reach beyond that. */
#define BIT(name)                                                                                  \
    INLINE void SIZED(name)(struct soft * c, int place, void *a, uint64_t b)                       \
    {                                                                                              \
        uint16_t f = c->arith;                                                                     \
                                                                                                   \
        if (place == LOCKED) {                                                                     \
            b &= (8 << SIZE) - 1;                                                                  \
            asm volatile(SOFT_FLAGS_IN "lock " #name " %0, %" REG "2" SOFT_FLAGS_OUT               \
                         : "+m"(*(TYPE *)a), "+&a"(f)                                              \
                         : "r"(b)                                                                  \
                         : "cc", "memory");                                                        \
        } else {                                                                                   \
            uint64_t val = soft_peek(a, SIZE);                                                     \
                                                                                                   \
            asm(SOFT_FLAGS_IN #name " %" REG "0, %" REG "2" SOFT_FLAGS_OUT                         \
                : "+r"(val), "+&a"(f)                                                              \
                : "r"(b)                                                                           \
                : "cc");                                                                           \
            soft_write(place, a, SIZE, val);                                                       \
        }                                                                                          \
        c->arith = f;                                                                              \
    }

BIT(bts)
BIT(btr)
BIT(btc)
#undef BIT

INLINE void SIZED(bt)(struct soft *c, uint64_t a, uint64_t b)
{
    uint16_t f = c->arith;

    asm(SOFT_FLAGS_IN "bt %" REG "1, %" REG "2" SOFT_FLAGS_OUT : "+&a"(f) : "r"(a), "r"(b) : "cc");
    c->arith = f;
}

LOADS(bt_i)
{
    SIZED(bt)(c, e, op->imm);
}

CHANGES(bts_i)
{
    SIZED(bts)(c, place, e, op->imm);
}

CHANGES(btr_i)
{
    SIZED(btr)(c, place, e, op->imm);
}

CHANGES(btc_i)
{
    SIZED(btc)(c, place, e, op->imm);
}

/* Where the bit is that a register names: in memory it may be far beyond the operand. */
INLINE uint64_t SIZED(bit_linear)(struct soft *c, const struct soft_op *op, int access)
{
    int64_t bit = soft_sign(SIZE, soft_get(c, SIZE, op->reg));
    uint64_t offset =
        soft_cut(op->asize, soft_offset(c, op) + ((uint64_t)(bit >> (3 + SIZE)) << SIZE));

    return soft_segmented(c, op, op->segment, offset, 1 << SIZE, access);
}

HANDLER(bt_g_reg)
{
    SIZED(bt)(c, soft_get(c, SIZE, op->rm), soft_get(c, SIZE, op->reg));
    SOFT_NEXT(c, op);
}

HANDLER(bt_g_mem)
{
    uint64_t linear = SIZED(bit_linear)(c, op, ACCESS_READ);
    uint64_t e = soft_load_at(c, op, op->segment, linear, SIZE);

    SIZED(bt)(c, e, soft_get(c, SIZE, op->reg));
    SOFT_NEXT(c, op);
}

#define BIT_BY_G(name, insn)                                                                       \
    HANDLER(name##_reg)                                                                            \
    {                                                                                              \
        SIZED(insn)(c, REGISTER, soft_place(c, op->rm), soft_get(c, SIZE, op->reg));               \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    HANDLER(name##_mem)                                                                            \
    {                                                                                              \
        uint64_t linear = SIZED(bit_linear)(c, op, ACCESS_READ | ACCESS_WRITE);                    \
        void *e = soft_rmw_at(c, op, linear, SIZE);                                                \
                                                                                                   \
        if (op->prefix & SOFT_LOCK)                                                                \
            SIZED(insn)(c, LOCKED, e, soft_get(c, SIZE, op->reg));                                 \
        else                                                                                       \
            SIZED(insn)(c, MEMORY, e, soft_get(c, SIZE, op->reg));                                 \
        soft_rmw_end(c);                                                                           \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    REG_AND_MEM(name, SIZED(name##_mem))

REG_AND_MEM(bt_g, NULL)
BIT_BY_G(bts_g, bts)
BIT_BY_G(btr_g, btr)
BIT_BY_G(btc_g, btc)
#undef BIT_BY_G

/* For 0 they leave all of the register as the host does. */
LOADS(bsf)
{
    uint64_t a = soft_get(c, 3, op->reg);
    uint16_t f = c->arith;

    asm(SOFT_FLAGS_IN "bsf %" REG "0, %" REG "2" SOFT_FLAGS_OUT
        : "+r"(a), "+&a"(f)
        : "r"(e)
        : "cc");
    c->arith = f;
    soft_set(c, 3, op->reg, a);
}

LOADS(bsr)
{
    uint64_t a = soft_get(c, 3, op->reg);
    uint16_t f = c->arith;

    asm(SOFT_FLAGS_IN "bsr %" REG "0, %" REG "2" SOFT_FLAGS_OUT
        : "+r"(a), "+&a"(f)
        : "r"(e)
        : "cc");
    c->arith = f;
    soft_set(c, 3, op->reg, a);
}

#endif
