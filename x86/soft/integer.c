// SPDX-License-Identifier: MIT
/*
 * Arithmetic and logic: what changes the arithmetic flags, but for shifts, products and quotients.
 *
 * The host computes each result, and the flags with it, by the guest's own instruction.
 *
 * After: Intel SDM vol. 2, "Instruction Set Reference"; vol. 1, "EFLAGS Register".
 *
 * Left out: nothing.
 */
#include "x86/soft/family.h"

/* host_name(c, n, a, b) is a's new value; host_name_at(c, n, p, b, lock) is for an a in memory.
 * flags is the constraint of AX, before what stands before the instruction. */
#define HOST_BINARY(name, flags, before)                                                           \
    INLINE uint64_t host_##name(struct soft *c, int n, uint64_t a, uint64_t b)                     \
    {                                                                                              \
        uint16_t f = c->arith;                                                                     \
                                                                                                   \
        if (n == 0)                                                                                \
            asm(before #name " %b0, %b2" SOFT_FLAGS_OUT : "+r"(a), flags(f) : "r"(b) : "cc");      \
        else if (n == 1)                                                                           \
            asm(before #name " %w0, %w2" SOFT_FLAGS_OUT : "+r"(a), flags(f) : "r"(b) : "cc");      \
        else if (n == 2)                                                                           \
            asm(before #name " %k0, %k2" SOFT_FLAGS_OUT : "+r"(a), flags(f) : "r"(b) : "cc");      \
        else                                                                                       \
            asm(before #name " %0, %2" SOFT_FLAGS_OUT : "+r"(a), flags(f) : "r"(b) : "cc");        \
        c->arith = f;                                                                              \
        return a;                                                                                  \
    }

#define HOST_AT(insn, type, p, flags, f, b)                                                        \
    asm volatile(insn SOFT_FLAGS_OUT                                                               \
                 : "+m"(*(type *)(p)), flags(f)                                                    \
                 : "r"((type)(b))                                                                  \
                 : "cc", "memory")
#define HOST_AT_SIZES(insn, n, p, flags, f, b)                                                     \
    do {                                                                                           \
        if ((n) == 0)                                                                              \
            HOST_AT(insn, uint8_t, p, flags, f, b);                                                \
        else if ((n) == 1)                                                                         \
            HOST_AT(insn, any16, p, flags, f, b);                                                  \
        else if ((n) == 2)                                                                         \
            HOST_AT(insn, any32, p, flags, f, b);                                                  \
        else                                                                                       \
            HOST_AT(insn, any64, p, flags, f, b);                                                  \
    } while (0)

#define HOST_CHANGE(name, operands, flags, before)                                                 \
    INLINE void host_##name##_at(struct soft *c, int n, void *p, uint64_t b, bool lock)            \
    {                                                                                              \
        uint16_t f = c->arith;                                                                     \
                                                                                                   \
        if (lock)                                                                                  \
            HOST_AT_SIZES(before "lock " #name operands, n, p, flags, f, b);                       \
        else                                                                                       \
            HOST_AT_SIZES(before #name operands, n, p, flags, f, b);                               \
        c->arith = f;                                                                              \
    }

/* The forms Ev,Gv  Ev,Iz  Gv,Ev of an instruction that writes its first operand. */
#define ARITHMETIC(name, flags, before)                                                            \
    HOST_BINARY(name, flags, before)                                                               \
    HOST_CHANGE(name, " %0, %2", flags, before)                                                    \
    INLINE void name##_eg(struct soft *c, const struct soft_op *op, int n, void *p, bool lock)     \
    {                                                                                              \
        host_##name##_at(c, n, p, soft_get(c, n, op->reg), lock);                                  \
    }                                                                                              \
    INLINE void name##_eg_reg(struct soft *c, const struct soft_op *op, int n)                     \
    {                                                                                              \
        uint64_t a = soft_get(c, n, op->rm), b = soft_get(c, n, op->reg);                          \
                                                                                                   \
        soft_put(c, n, op->rm, host_##name(c, n, a, b));                                           \
    }                                                                                              \
    INLINE void name##_ei(struct soft *c, const struct soft_op *op, int n, void *p, bool lock)     \
    {                                                                                              \
        host_##name##_at(c, n, p, op->imm, lock);                                                  \
    }                                                                                              \
    INLINE void name##_ei_reg(struct soft *c, const struct soft_op *op, int n)                     \
    {                                                                                              \
        soft_put(c, n, op->rm, host_##name(c, n, soft_get(c, n, op->rm), op->imm));                \
    }                                                                                              \
    INLINE void name##_ge(struct soft *c, const struct soft_op *op, int n, const void *p)          \
    {                                                                                              \
        soft_put(c, n, op->reg, host_##name(c, n, soft_get(c, n, op->reg), soft_peek(p, n)));      \
    }                                                                                              \
    CHANGE_JUMP_FAMILY(name##_eg);                                                                 \
    CHANGE_JUMP_FAMILY(name##_ei);                                                                 \
    LOAD_FAMILY(name##_ge)

ARITHMETIC(add, "=&a", "");
ARITHMETIC(or, "=&a", "");
ARITHMETIC(adc, "+&a", SOFT_CARRY_IN);
ARITHMETIC(sbb, "+&a", SOFT_CARRY_IN);
ARITHMETIC(and, "=&a", "");
ARITHMETIC(sub, "=&a", "");
ARITHMETIC(xor, "=&a", "");

/* The same of one that writes nothing but flags. */
#define COMPARISON(name)                                                                           \
    HOST_BINARY(name, "=&a", "")                                                                   \
    INLINE void name##_eg(struct soft *c, const struct soft_op *op, int n, const void *p)          \
    {                                                                                              \
        host_##name(c, n, soft_peek(p, n), soft_get(c, n, op->reg));                               \
    }                                                                                              \
    INLINE void name##_ei(struct soft *c, const struct soft_op *op, int n, const void *p)          \
    {                                                                                              \
        host_##name(c, n, soft_peek(p, n), op->imm);                                               \
    }                                                                                              \
    LOAD_JUMP_FAMILY(name##_eg);                                                                   \
    LOAD_JUMP_FAMILY(name##_ei)

COMPARISON(cmp);
COMPARISON(test);

INLINE void cmp_ge(struct soft *c, const struct soft_op *op, int n, const void *p)
{
    host_cmp(c, n, soft_get(c, n, op->reg), soft_peek(p, n));
}
LOAD_JUMP_FAMILY(cmp_ge);

#define HOST_UNARY(name, flags, before)                                                            \
    INLINE uint64_t host_##name(struct soft *c, int n, uint64_t a)                                 \
    {                                                                                              \
        uint16_t f = c->arith;                                                                     \
                                                                                                   \
        if (n == 0)                                                                                \
            asm(before #name " %b0" SOFT_FLAGS_OUT : "+r"(a), flags(f) : : "cc");                  \
        else if (n == 1)                                                                           \
            asm(before #name " %w0" SOFT_FLAGS_OUT : "+r"(a), flags(f) : : "cc");                  \
        else if (n == 2)                                                                           \
            asm(before #name " %k0" SOFT_FLAGS_OUT : "+r"(a), flags(f) : : "cc");                  \
        else                                                                                       \
            asm(before #name " %0" SOFT_FLAGS_OUT : "+r"(a), flags(f) : : "cc");                   \
        c->arith = f;                                                                              \
        return a;                                                                                  \
    }

#define UNARY(name, flags, before)                                                                 \
    HOST_UNARY(name, flags, before)                                                                \
    HOST_CHANGE(name, " %0", flags, before)                                                        \
    INLINE void name##_e(struct soft *c, const struct soft_op *op, int n, void *p, bool lock)      \
    {                                                                                              \
        (void)op;                                                                                  \
        host_##name##_at(c, n, p, 0, lock);                                                        \
    }                                                                                              \
    INLINE void name##_e_reg(struct soft *c, const struct soft_op *op, int n)                      \
    {                                                                                              \
        soft_put(c, n, op->rm, host_##name(c, n, soft_get(c, n, op->rm)));                         \
    }                                                                                              \
    CHANGE_JUMP_FAMILY(name##_e)

UNARY(inc, "+&a", SOFT_CARRY_IN);
UNARY(dec, "+&a", SOFT_CARRY_IN);
UNARY(neg, "=&a", "");

/* Leaves the flags alone. */
INLINE void not_e(struct soft *c, const struct soft_op *op, int n, void *p, bool lock)
{
    (void)c, (void)op;
    if (!lock)
        soft_poke(p, n, ~soft_peek(p, n));
    else if (n == 0)
        asm volatile("lock not %0" : "+m"(*(uint8_t *)p) : : "memory");
    else if (n == 1)
        asm volatile("lock not %0" : "+m"(*(any16 *)p) : : "memory");
    else if (n == 2)
        asm volatile("lock not %0" : "+m"(*(any32 *)p) : : "memory");
    else
        asm volatile("lock not %0" : "+m"(*(any64 *)p) : : "memory");
}
INLINE void not_e_reg(struct soft *c, const struct soft_op *op, int n)
{
    soft_set(c, n, op->rm, ~soft_get(c, n, op->rm));
}
CHANGE_FAMILY(not_e);

/* ---- Exchanges ---- */

INLINE void xadd_eg(struct soft *c, const struct soft_op *op, int n, void *p, bool lock)
{
    uint64_t val = soft_get(c, n, op->reg);
    uint16_t f;

#define XADD(prefix, type, operand)                                                                \
    asm volatile(prefix "xadd %0, %" operand SOFT_FLAGS_OUT                                        \
                 : "+m"(*(type *)p), "+r"(val), "=&a"(f)                                           \
                 :                                                                                 \
                 : "cc", "memory")
#define XADD_SIZES(prefix)                                                                         \
    do {                                                                                           \
        if (n == 0)                                                                                \
            XADD(prefix, uint8_t, "b1");                                                           \
        else if (n == 1)                                                                           \
            XADD(prefix, any16, "w1");                                                             \
        else if (n == 2)                                                                           \
            XADD(prefix, any32, "k1");                                                             \
        else                                                                                       \
            XADD(prefix, any64, "1");                                                              \
    } while (0)

    if (lock)
        XADD_SIZES("lock ");
    else
        XADD_SIZES("");
    c->arith = f;
    soft_set(c, n, op->reg, val);
}
INLINE void xadd_eg_reg(struct soft *c, const struct soft_op *op, int n)
{
    uint64_t a = soft_get(c, n, op->rm), b = soft_get(c, n, op->reg);

    soft_set(c, n, op->reg, a);
    soft_put(c, n, op->rm, host_add(c, n, a, b));
}
CHANGE_FAMILY(xadd_eg);

/* RAX changes, its upper half included, just as the host's does. */
INLINE void cmpxchg_eg(struct soft *c, const struct soft_op *op, int n, void *p, bool lock)
{
    uint64_t val = soft_get(c, n, op->reg), a = c->r[RAX], out;

#define CMPXCHG(prefix, type, operand)                                                             \
    asm volatile(prefix "cmpxchg %0, %" operand "\n\tmov %2, rax" SOFT_FLAGS_OUT                   \
                 : "+m"(*(type *)p), "+a"(a), "=&r"(out)                                           \
                 : "r"(val)                                                                        \
                 : "cc", "memory")
#define CMPXCHG_SIZES(prefix)                                                                      \
    do {                                                                                           \
        if (n == 0)                                                                                \
            CMPXCHG(prefix, uint8_t, "b3");                                                        \
        else if (n == 1)                                                                           \
            CMPXCHG(prefix, any16, "w3");                                                          \
        else if (n == 2)                                                                           \
            CMPXCHG(prefix, any32, "k3");                                                          \
        else                                                                                       \
            CMPXCHG(prefix, any64, "3");                                                           \
    } while (0)

    if (lock)
        CMPXCHG_SIZES("lock ");
    else
        CMPXCHG_SIZES("");
    c->arith = a;
    c->r[RAX] = out;
}
INLINE void cmpxchg_eg_reg(struct soft *c, const struct soft_op *op, int n)
{
    uint64_t val = soft_get(c, n, op->reg), dest = soft_get(c, n, op->rm);

    host_cmp(c, n, soft_reg(c, n, RAX), dest);
    if (c->arith >> 8 & EFLAGS_ZF)
        soft_set(c, n, op->rm, val);
    else
        soft_set_reg(c, n, RAX, dest);
}
CHANGE_FAMILY(cmpxchg_eg);

static void set_zf(struct soft *c, bool zf)
{
    soft_set_arith(c, (soft_arith(c) & ~EFLAGS_ZF) | (zf ? EFLAGS_ZF : 0));
}

/* Always locked, which nobody but other CPUs can tell. */
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
#define ROWS(name, op0, op1, op2, op3, op4, op5, digit)                                            \
    {op0, #name " Eb,Gb", .family = &name##_eg_family, .lock = name##_eg_lock, .attributes = ROW_LOCK},                             \
    {op1, #name " Ev,Gv", .family = &name##_eg_family, .lock = name##_eg_lock, .attributes = ROW_LOCK},                             \
    {op2, #name " Gb,Eb", .family = &name##_ge_family},                                       \
    {op3, #name " Gv,Ev", .family = &name##_ge_family},                                       \
    {op4, #name " al,Ib", .family = &name##_ei_family},                                       \
    {op5, #name " rax,Iz", .family = &name##_ei_family},                                      \
    {"80 /" digit, #name " Eb,Ib", .family = &name##_ei_family, .lock = name##_ei_lock, .attributes = ROW_LOCK},                    \
    {"81 /" digit, #name " Ev,Iz", .family = &name##_ei_family, .lock = name##_ei_lock, .attributes = ROW_LOCK},                    \
    {"82 /" digit, #name " Eb,Ib", .family = &name##_ei_family, .lock = name##_ei_lock, .attributes = ROW_NO64 | ROW_LOCK},             \
    {"83 /" digit, #name " Ev,Ib", .family = &name##_ei_family, .lock = name##_ei_lock, .attributes = ROW_LOCK}

#define cmp_eg_lock NULL
#define cmp_ei_lock NULL

const struct soft_row soft_integer_rows[] = {
    ROWS(add, "00", "01", "02", "03", "04", "05", "0"),
    ROWS(or, "08", "09", "0a", "0b", "0c", "0d", "1"),
    ROWS(adc, "10", "11", "12", "13", "14", "15", "2"),
    ROWS(sbb, "18", "19", "1a", "1b", "1c", "1d", "3"),
    ROWS(and, "20", "21", "22", "23", "24", "25", "4"),
    ROWS(sub, "28", "29", "2a", "2b", "2c", "2d", "5"),
    ROWS(xor, "30", "31", "32", "33", "34", "35", "6"),
    ROWS(cmp, "38", "39", "3a", "3b", "3c", "3d", "7"),
    {"84", "test Eb,Gb", .family = &test_eg_family},
    {"85", "test Ev,Gv", .family = &test_eg_family},
    {"a8", "test al,Ib", .family = &test_ei_family},
    {"a9", "test rax,Iz", .family = &test_ei_family},
    {"f6 /0", "test Eb,Ib", .family = &test_ei_family},
    {"f7 /0", "test Ev,Iz", .family = &test_ei_family},
    {"f6 /1", "test Eb,Ib", .family = &test_ei_family},
    {"f7 /1", "test Ev,Iz", .family = &test_ei_family},
    {"40+r", "inc Zv", .family = &inc_e_family, .attributes = ROW_NO64},
    {"48+r", "dec Zv", .family = &dec_e_family, .attributes = ROW_NO64},
    {"fe /0", "inc Eb", .family = &inc_e_family, .lock = inc_e_lock, .attributes = ROW_LOCK},
    {"ff /0", "inc Ev", .family = &inc_e_family, .lock = inc_e_lock, .attributes = ROW_LOCK},
    {"fe /1", "dec Eb", .family = &dec_e_family, .lock = dec_e_lock, .attributes = ROW_LOCK},
    {"ff /1", "dec Ev", .family = &dec_e_family, .lock = dec_e_lock, .attributes = ROW_LOCK},
    {"f6 /2", "not Eb", .family = &not_e_family, .lock = not_e_lock, .attributes = ROW_LOCK},
    {"f7 /2", "not Ev", .family = &not_e_family, .lock = not_e_lock, .attributes = ROW_LOCK},
    {"f6 /3", "neg Eb", .family = &neg_e_family, .lock = neg_e_lock, .attributes = ROW_LOCK},
    {"f7 /3", "neg Ev", .family = &neg_e_family, .lock = neg_e_lock, .attributes = ROW_LOCK},
    {"0f c0", "xadd Eb,Gb", .family = &xadd_eg_family, .lock = xadd_eg_lock, .attributes = ROW_LOCK},
    {"0f c1", "xadd Ev,Gv", .family = &xadd_eg_family, .lock = xadd_eg_lock, .attributes = ROW_LOCK},
    {"0f b0", "cmpxchg Eb,Gb", .family = &cmpxchg_eg_family, .lock = cmpxchg_eg_lock, .attributes = ROW_LOCK},
    {"0f b1", "cmpxchg Ev,Gv", .family = &cmpxchg_eg_family, .lock = cmpxchg_eg_lock, .attributes = ROW_LOCK},
    {"0f c7 /1 mem", "cmpxchg8b M", .run = cmpxchg_wide, .attributes = ROW_LOCK},
    {0},
};
