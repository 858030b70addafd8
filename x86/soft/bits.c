// SPDX-License-Identifier: MIT
/*
 * Shifts, rotations, and single bits.
 *
 * The host's own instructions compute results and flags, from the guest's flags, so that whatever
 * they leave alone stays.
 *
 * After: Intel SDM vol. 2, "Instruction Set Reference"; vol. 1, "Shift and Rotate Instructions",
 * "Bit and Byte Instructions".
 *
 * Left out: nothing; what came with BMI is in bmi.c.
 */
#include "x86/soft/family.h"

/* ---- Shifts and rotations ---- */

/* By a count that the host masks as the guest's processor would. */
#define HOST_SHIFT(name)                                                                           \
    INLINE uint64_t host_##name(struct soft *c, int n, uint64_t a, uint64_t count)                 \
    {                                                                                              \
        uint16_t f = c->arith;                                                                     \
                                                                                                   \
        if (n == 0)                                                                                \
            asm(SOFT_FLAGS_IN #name " %b0, cl" SOFT_FLAGS_OUT                                      \
                : "+r"(a), "+&a"(f)                                                                \
                : "c"(count)                                                                       \
                : "cc");                                                                           \
        else if (n == 1)                                                                           \
            asm(SOFT_FLAGS_IN #name " %w0, cl" SOFT_FLAGS_OUT                                      \
                : "+r"(a), "+&a"(f)                                                                \
                : "c"(count)                                                                       \
                : "cc");                                                                           \
        else if (n == 2)                                                                           \
            asm(SOFT_FLAGS_IN #name " %k0, cl" SOFT_FLAGS_OUT                                      \
                : "+r"(a), "+&a"(f)                                                                \
                : "c"(count)                                                                       \
                : "cc");                                                                           \
        else                                                                                       \
            asm(SOFT_FLAGS_IN #name " %0, cl" SOFT_FLAGS_OUT                                       \
                : "+r"(a), "+&a"(f)                                                                \
                : "c"(count)                                                                       \
                : "cc");                                                                           \
        c->arith = f;                                                                              \
        return a;                                                                                  \
    }

/* By 1; flags is the constraint of AX, before what stands before the instruction. */
#define HOST_SHIFT_1(name, flags, before)                                                          \
    INLINE uint64_t host_##name##_1(struct soft *c, int n, uint64_t a, uint64_t count)             \
    {                                                                                              \
        uint16_t f = c->arith;                                                                     \
                                                                                                   \
        (void)count;                                                                               \
        if (n == 0)                                                                                \
            asm(before #name " %b0, 1" SOFT_FLAGS_OUT : "+r"(a), flags(f) : : "cc");               \
        else if (n == 1)                                                                           \
            asm(before #name " %w0, 1" SOFT_FLAGS_OUT : "+r"(a), flags(f) : : "cc");               \
        else if (n == 2)                                                                           \
            asm(before #name " %k0, 1" SOFT_FLAGS_OUT : "+r"(a), flags(f) : : "cc");               \
        else                                                                                       \
            asm(before #name " %0, 1" SOFT_FLAGS_OUT : "+r"(a), flags(f) : : "cc");                \
        c->arith = f;                                                                              \
        return a;                                                                                  \
    }

/* The form of a shift that gets its count from there. */
#define SHIFT_FORM(form, host, count)                                                              \
    INLINE void form(struct soft *c, const struct soft_op *op, int n, void *p, bool lock)          \
    {                                                                                              \
        (void)op, (void)lock;                                                                      \
        soft_poke(p, n, host(c, n, soft_peek(p, n), count));                                       \
    }                                                                                              \
    INLINE void form##_reg(struct soft *c, const struct soft_op *op, int n)                        \
    {                                                                                              \
        soft_put(c, n, op->rm, host(c, n, soft_get(c, n, op->rm), count));                         \
    }                                                                                              \
    PRIVATE_FAMILY(form)

#define SHIFT(name, flags, before)                                                                 \
    HOST_SHIFT(name)                                                                               \
    HOST_SHIFT_1(name, flags, before)                                                              \
    SHIFT_FORM(name##_i, host_##name, op->imm);                                                    \
    SHIFT_FORM(name##_1, host_##name##_1, 1);                                                      \
    SHIFT_FORM(name##_cl, host_##name, c->r[RCX])

SHIFT(shl, "=&a", "");
SHIFT(shr, "=&a", "");
SHIFT(sar, "=&a", "");
SHIFT(rol, "+&a", SOFT_FLAGS_IN);
SHIFT(ror, "+&a", SOFT_FLAGS_IN);
SHIFT(rcl, "+&a", SOFT_FLAGS_IN);
SHIFT(rcr, "+&a", SOFT_FLAGS_IN);

#define HOST_DOUBLE_SHIFT(name)                                                                    \
    INLINE uint64_t host_##name(struct soft *c, int n, uint64_t a, uint64_t b, uint64_t count)     \
    {                                                                                              \
        uint16_t f = c->arith;                                                                     \
                                                                                                   \
        if (n == 1)                                                                                \
            asm(SOFT_FLAGS_IN #name " %w0, %w2, cl" SOFT_FLAGS_OUT                                 \
                : "+r"(a), "+&a"(f)                                                                \
                : "r"(b), "c"(count)                                                               \
                : "cc");                                                                           \
        else if (n == 2)                                                                           \
            asm(SOFT_FLAGS_IN #name " %k0, %k2, cl" SOFT_FLAGS_OUT                                 \
                : "+r"(a), "+&a"(f)                                                                \
                : "r"(b), "c"(count)                                                               \
                : "cc");                                                                           \
        else                                                                                       \
            asm(SOFT_FLAGS_IN #name " %0, %2, cl" SOFT_FLAGS_OUT                                   \
                : "+r"(a), "+&a"(f)                                                                \
                : "r"(b), "c"(count)                                                               \
                : "cc");                                                                           \
        c->arith = f;                                                                              \
        return a;                                                                                  \
    }

#define DOUBLE_SHIFT_FORM(form, host, count)                                                       \
    INLINE void form(struct soft *c, const struct soft_op *op, int n, void *p, bool lock)          \
    {                                                                                              \
        (void)lock;                                                                                \
        soft_poke(p, n, host(c, n, soft_peek(p, n), soft_get(c, n, op->reg), count));              \
    }                                                                                              \
    INLINE void form##_reg(struct soft *c, const struct soft_op *op, int n)                        \
    {                                                                                              \
        uint64_t a = soft_get(c, n, op->rm), b = soft_get(c, n, op->reg);                          \
                                                                                                   \
        soft_set(c, n, op->rm, host(c, n, a, b, count));                                           \
    }                                                                                              \
    PRIVATE_FAMILY_16(form)

#define DOUBLE_SHIFT(name)                                                                         \
    HOST_DOUBLE_SHIFT(name)                                                                        \
    DOUBLE_SHIFT_FORM(name##_i, host_##name, op->imm);                                             \
    DOUBLE_SHIFT_FORM(name##_cl, host_##name, c->r[RCX])

DOUBLE_SHIFT(shld);
DOUBLE_SHIFT(shrd);

/* ---- Single bits ---- */

/* Bit b of a, b being less than a's size in memory. */
#define HOST_BIT(name)                                                                             \
    INLINE uint64_t host_##name(struct soft *c, int n, uint64_t a, uint64_t b)                     \
    {                                                                                              \
        uint16_t f = c->arith;                                                                     \
                                                                                                   \
        if (n == 1)                                                                                \
            asm(SOFT_FLAGS_IN #name " %w0, %w2" SOFT_FLAGS_OUT                                     \
                : "+r"(a), "+&a"(f)                                                                \
                : "r"(b)                                                                           \
                : "cc");                                                                           \
        else if (n == 2)                                                                           \
            asm(SOFT_FLAGS_IN #name " %k0, %k2" SOFT_FLAGS_OUT                                     \
                : "+r"(a), "+&a"(f)                                                                \
                : "r"(b)                                                                           \
                : "cc");                                                                           \
        else                                                                                       \
            asm(SOFT_FLAGS_IN #name " %0, %2" SOFT_FLAGS_OUT : "+r"(a), "+&a"(f) : "r"(b) : "cc"); \
        c->arith = f;                                                                              \
        return a;                                                                                  \
    }

#define BIT_AT(name, type, p, f, b)                                                                \
    asm volatile(SOFT_FLAGS_IN "lock " #name " %0, %2" SOFT_FLAGS_OUT                              \
                 : "+m"(*(type *)(p)), "+&a"(f)                                                    \
                 : "r"((type)(b))                                                                  \
                 : "cc", "memory")
#define HOST_BIT_AT(name)                                                                          \
    INLINE void host_##name##_at(struct soft *c, int n, void *p, uint64_t b, bool lock)            \
    {                                                                                              \
        uint16_t f = c->arith;                                                                     \
                                                                                                   \
        b &= (8 << n) - 1;                                                                         \
        if (!lock) {                                                                               \
            soft_poke(p, n, host_##name(c, n, soft_peek(p, n), b));                                \
            return;                                                                                \
        }                                                                                          \
        if (n == 1)                                                                                \
            BIT_AT(name, any16, p, f, b);                                                          \
        else if (n == 2)                                                                           \
            BIT_AT(name, any32, p, f, b);                                                          \
        else                                                                                       \
            BIT_AT(name, any64, p, f, b);                                                          \
        c->arith = f;                                                                              \
    }

/* In memory a register reaches bits far beyond the operand: where they are. */
INLINE uint64_t bit_linear(struct soft *c, const struct soft_op *op, int access)
{
    int n = op->osize;
    int64_t bit = soft_sign(n, soft_get(c, n, op->reg));
    uint64_t offset = soft_cut(op->asize, soft_offset(c, op) + ((uint64_t)(bit >> (3 + n)) << n));

    return soft_segmented(c, op, op->segment, offset, 1 << n, access);
}

#define BIT(name)                                                                                  \
    HOST_BIT(name)                                                                                 \
    HOST_BIT_AT(name)                                                                              \
    INLINE void name##_i(struct soft *c, const struct soft_op *op, int n, void *p, bool lock)      \
    {                                                                                              \
        host_##name##_at(c, n, p, op->imm, lock);                                                  \
    }                                                                                              \
    INLINE void name##_i_reg(struct soft *c, const struct soft_op *op, int n)                      \
    {                                                                                              \
        soft_put(c, n, op->rm, host_##name(c, n, soft_get(c, n, op->rm), op->imm));                \
    }                                                                                              \
    CHANGE_FAMILY_16(name##_i);                                                                    \
    INLINE void name##_g(struct soft *c, const struct soft_op *op, int n)                          \
    {                                                                                              \
        uint64_t a = soft_get(c, n, op->rm), b = soft_get(c, n, op->reg);                          \
                                                                                                   \
        soft_put(c, n, op->rm, host_##name(c, n, a, b));                                           \
    }                                                                                              \
    PLAIN_FAMILY_16(name##_g);                                                                     \
    static void name##_mg(struct soft *c, const struct soft_op *op)                                \
    {                                                                                              \
        int n = op->osize;                                                                         \
        uint64_t linear = bit_linear(c, op, ACCESS_READ | ACCESS_WRITE);                           \
        uint64_t bit = soft_get(c, n, op->reg);                                                    \
        void *p = soft_rmw_at(c, op, linear, n);                                                   \
                                                                                                   \
        host_##name##_at(c, n, p, bit, op->prefix &SOFT_LOCK);                                     \
        soft_rmw_end(c);                                                                           \
        SOFT_NEXT(c, op);                                                                          \
    }

BIT(bts);
BIT(btr);
BIT(btc);

HOST_BIT(bt)
INLINE void bt_i(struct soft *c, const struct soft_op *op, int n, const void *p)
{
    host_bt(c, n, soft_peek(p, n), op->imm);
}
LOAD_FAMILY_16(bt_i);

INLINE void bt_g(struct soft *c, const struct soft_op *op, int n)
{
    host_bt(c, n, soft_get(c, n, op->rm), soft_get(c, n, op->reg));
}
PLAIN_FAMILY_16(bt_g);

static void bt_mg(struct soft *c, const struct soft_op *op)
{
    int n = op->osize;
    uint64_t linear = bit_linear(c, op, ACCESS_READ);

    host_bt(c, n, soft_load_at(c, op, op->segment, linear, n), soft_get(c, n, op->reg));
    SOFT_NEXT(c, op);
}

/* Of 0 they leave what the host leaves in the register, all of it. */
#define HOST_SCAN(name)                                                                            \
    INLINE void name(struct soft *c, const struct soft_op *op, int n, const void *p)               \
    {                                                                                              \
        uint64_t a = soft_get(c, 3, op->reg), b = soft_peek(p, n);                                 \
        uint16_t f = c->arith;                                                                     \
                                                                                                   \
        if (n == 1)                                                                                \
            asm(SOFT_FLAGS_IN #name " %w0, %w2" SOFT_FLAGS_OUT                                     \
                : "+r"(a), "+&a"(f)                                                                \
                : "r"(b)                                                                           \
                : "cc");                                                                           \
        else if (n == 2)                                                                           \
            asm(SOFT_FLAGS_IN #name " %k0, %k2" SOFT_FLAGS_OUT                                     \
                : "+r"(a), "+&a"(f)                                                                \
                : "r"(b)                                                                           \
                : "cc");                                                                           \
        else                                                                                       \
            asm(SOFT_FLAGS_IN #name " %0, %2" SOFT_FLAGS_OUT : "+r"(a), "+&a"(f) : "r"(b) : "cc"); \
        c->arith = f;                                                                              \
        soft_set(c, 3, op->reg, a);                                                                \
    }                                                                                              \
    LOAD_FAMILY_16(name)

HOST_SCAN(bsf);
HOST_SCAN(bsr);

/* clang-format off */
#define SHIFT_ROWS(name, digit)                                                                    \
    {"c0 /" digit, #name " Eb,Ib", .family = &name##_i_family},                               \
    {"c1 /" digit, #name " Ev,Ib", .family = &name##_i_family},                               \
    {"d0 /" digit, #name " Eb,1", .family = &name##_1_family},                                \
    {"d1 /" digit, #name " Ev,1", .family = &name##_1_family},                                \
    {"d2 /" digit, #name " Eb,cl", .family = &name##_cl_family},                              \
    {"d3 /" digit, #name " Ev,cl", .family = &name##_cl_family}

#define BIT_ROWS(name, opcode, digit)                                                              \
    {"0f " opcode " reg", #name " Ev,Gv", .family = &name##_g_family},                        \
    {"0f " opcode " mem", #name " Ev,Gv", .run = name##_mg, .attributes = ROW_LOCK},                          \
    {"0f ba /" digit, #name " Ev,Ib", .family = &name##_i_family, .lock = name##_i_lock, .attributes = ROW_LOCK}

const struct soft_row soft_bits_rows[] = {
    SHIFT_ROWS(rol, "0"),
    SHIFT_ROWS(ror, "1"),
    SHIFT_ROWS(rcl, "2"),
    SHIFT_ROWS(rcr, "3"),
    SHIFT_ROWS(shl, "4"),
    SHIFT_ROWS(shr, "5"),
    SHIFT_ROWS(shl, "6"),
    SHIFT_ROWS(sar, "7"),
    {"0f a4", "shld Ev,Gv,Ib", .family = &shld_i_family},
    {"0f a5", "shld Ev,Gv,cl", .family = &shld_cl_family},
    {"0f ac", "shrd Ev,Gv,Ib", .family = &shrd_i_family},
    {"0f ad", "shrd Ev,Gv,cl", .family = &shrd_cl_family},
    {"0f a3 reg", "bt Ev,Gv", .family = &bt_g_family},
    {"0f a3 mem", "bt Ev,Gv", .run = bt_mg},
    {"0f ba /4", "bt Ev,Ib", .family = &bt_i_family},
    BIT_ROWS(bts, "ab", "5"),
    BIT_ROWS(btr, "b3", "6"),
    BIT_ROWS(btc, "bb", "7"),
    {"0f bc", "bsf Gv,Ev", .family = &bsf_family},
    {"0f bd", "bsr Gv,Ev", .family = &bsr_family},
    {0},
};
