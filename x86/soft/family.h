/* SPDX-License-Identifier: MIT */
/*
 * How families of handlers are made: one for each size of the operand and each kind of its address,
 * from a template, which is an inline function that gets the size as a constant n.
 *
 * What a handler does most of the time needs no frame on the stack: it finds the operand by the
 * TLB, or leaves all of its work to its slow twin, which may call whatever it needs.
 */
#ifndef X86_SOFT_FAMILY_H
#define X86_SOFT_FAMILY_H

#include "x86/soft/block.h"

#define SOFT_SLOW static __attribute__((cold, noinline)) void
#define SOFT_FAST static __attribute__((unused)) void /* there is no FLAT32 of 64 bits */

/* Where a general register is. */
INLINE void *soft_place(struct soft *c, uint8_t reg)
{
    return (uint8_t *)c->r + reg;
}

/* Set a register to what is known to be zero-extended: a result of the host's own instruction. */
INLINE void soft_put(struct soft *c, int n, uint8_t reg, uint64_t val)
{
    soft_poke((uint8_t *)c->r + reg, n == 2 ? 3 : n, val);
}

/* Where 1 << n bytes at linear are on the host, by the TLB; else NULL. */
INLINE void *soft_quick_at(struct soft *c, uint64_t linear, int n, int access)
{
    const struct soft_tlb_entry *e = &c->tlb->entry[linear >> 12 & (SOFT_TLB_SIZE - 1)];
    uint64_t page = access & ACCESS_WRITE ? e->write : e->read;

    if (unlikely(((linear + (1 << n) - 1) & ~SOFT_PAGE) != page))
        return NULL;
    void *p = (void *)(e->host + linear);

    if (!p)
        __builtin_unreachable();
    return p;
}

/* The same for what lies at an offset in a segment. */
INLINE void *soft_quick_in(struct soft *c, int seg, uint64_t offset, int n, int access)
{
    const struct soft_window *w = &c->window[seg];

    if (unlikely(offset < w->first || offset + ((1 << n) - 1) > w->last || access & ~w->rights))
        return NULL;
    return soft_quick_at(c, (w->base + offset) & c->linear_mask, n, access);
}

/* And for op's memory operand. */
INLINE void *soft_quick(struct soft *c, const struct soft_op *op, int kind, int n, int access)
{
    uint64_t sum = soft_get(c, 3, op->base) + (soft_get(c, 3, op->index) << op->scale) + op->disp;

    if (kind == FLAT64)
        return soft_quick_at(c, sum, n, access);
    if (kind == FLAT32)
        return soft_quick_at(c, (uint32_t)sum, n, access);
    return soft_quick_in(c, op->segment, soft_cut(op->asize, sum), n, access);
}

/* And for what stands at sp in the stack. */
INLINE void *soft_quick_stack(struct soft *c, int kind, uint64_t sp, int n, int access)
{
    if (kind == FLAT64)
        return soft_quick_at(c, sp, n, access);
    if (kind == FLAT32)
        return soft_quick_at(c, (uint32_t)sp, n, access);
    return soft_quick_in(c, SS, soft_cut(c->stack_size, sp), n, access);
}

/* soft_rmw() of a linear address. */
INLINE void *soft_rmw_at(struct soft *c, const struct soft_op *op, uint64_t linear, int n)
{
    void *p = soft_quick_at(c, linear, n, ACCESS_READ | ACCESS_WRITE);

    if (likely(p))
        return p;
    c->op = op;
    return soft_rmw_slow(c, op->segment, linear, 1 << n);
}

/* A copy of op's memory operand. */
INLINE const void *soft_copy(struct soft *c, const struct soft_op *op, int n)
{
    soft_poke(c->scratch, n, soft_load(c, op, ANYHOW, n));
    return c->scratch;
}

/* A table of handlers t_reg_n and t_KIND_n, for sizes from 8 or from 16 bits on. */
#define SOFT_FAMILY(t, reg0, flat64_0, flat32_0, anyhow0, with)                                    \
    static const struct soft_family t##_family = {                                                 \
        .jump = with,                                                                              \
        .reg = {reg0, t##_reg_1, t##_reg_2, t##_reg_3},                                            \
        .mem = {[FLAT64] = {flat64_0, t##_FLAT64_1, t##_FLAT64_2, t##_FLAT64_3},                   \
                [FLAT32] = {flat32_0, t##_FLAT32_1, t##_FLAT32_2},                                 \
                [ANYHOW] = {anyhow0, t##_ANYHOW_1, t##_ANYHOW_2, t##_ANYHOW_3}},                   \
    }
#define SOFT_FAMILY_8(t)  SOFT_FAMILY(t, t##_reg_0, t##_FLAT64_0, t##_FLAT32_0, t##_ANYHOW_0, NULL)
#define SOFT_FAMILY_16(t) SOFT_FAMILY(t, NULL, NULL, NULL, NULL, NULL)
#define SOFT_FAMILY_JUMP(t)                                                                        \
    SOFT_FAMILY(t, t##_reg_0, t##_FLAT64_0, t##_FLAT32_0, t##_ANYHOW_0, &t##_jump_family)

/* Handlers of all kinds. */
#define SOFT_KINDS(make, t, n, m) make(t, FLAT64, n, m) make(t, FLAT32, n, m) make(t, ANYHOW, n, m)

/*
 * Operand E is only read: t(c, op, n, p), p being where it is, in a register or in memory. In
 * memory it has 1 << m bytes.
 */
#define SOFT_LOAD_KIND(t, kind, n, m)                                                              \
    SOFT_FAST t##_##kind##_##n(struct soft *c, const struct soft_op *op)                           \
    {                                                                                              \
        const void *p = soft_quick(c, op, kind, m, ACCESS_READ);                                   \
                                                                                                   \
        if (unlikely(!p))                                                                          \
            return t##_slow_##n(c, op);                                                            \
        t(c, op, n, p);                                                                            \
        SOFT_NEXT(c, op);                                                                          \
    }

#define SOFT_MEMORY_LOADS(t, n, m)                                                                 \
    SOFT_SLOW t##_slow_##n(struct soft *c, const struct soft_op *op)                               \
    {                                                                                              \
        t(c, op, n, soft_copy(c, op, m));                                                          \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    SOFT_KINDS(SOFT_LOAD_KIND, t, n, m)

#define SOFT_LOADS(t, n, m)                                                                        \
    static void t##_reg_##n(struct soft *c, const struct soft_op *op)                              \
    {                                                                                              \
        t(c, op, n, soft_place(c, op->rm));                                                        \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    SOFT_MEMORY_LOADS(t, n, m)

#define LOAD_FAMILY(t)                                                                             \
    SOFT_LOADS(t, 0, 0)                                                                            \
    SOFT_LOADS(t, 1, 1) SOFT_LOADS(t, 2, 2) SOFT_LOADS(t, 3, 3) SOFT_FAMILY_8(t)
#define LOAD_FAMILY_16(t)                                                                          \
    SOFT_LOADS(t, 1, 1) SOFT_LOADS(t, 2, 2) SOFT_LOADS(t, 3, 3) SOFT_FAMILY_16(t)
#define LOAD_FAMILY_FROM(t, m1, m2, m3)                                                            \
    SOFT_LOADS(t, 1, m1) SOFT_LOADS(t, 2, m2) SOFT_LOADS(t, 3, m3) SOFT_FAMILY_16(t)

/* The same, and the conditional jump that follows. What is not at hand takes the slow way of the
 * instruction alone. */
#define SOFT_LOAD_JUMP_KIND(t, kind, n, m)                                                         \
    SOFT_FAST t##_jump_##kind##_##n(struct soft *c, const struct soft_op *op)                      \
    {                                                                                              \
        const void *p = soft_quick(c, op, kind, m, ACCESS_READ);                                   \
                                                                                                   \
        if (unlikely(!p))                                                                          \
            return t##_slow_##n(c, op);                                                            \
        t(c, op, n, p);                                                                            \
        return soft_jump(c, op + 1);                                                               \
    }

#define SOFT_LOAD_JUMPS(t, n)                                                                      \
    SOFT_LOADS(t, n, n)                                                                            \
    static void t##_jump_reg_##n(struct soft *c, const struct soft_op *op)                         \
    {                                                                                              \
        t(c, op, n, soft_place(c, op->rm));                                                        \
        return soft_jump(c, op + 1);                                                               \
    }                                                                                              \
    SOFT_KINDS(SOFT_LOAD_JUMP_KIND, t, n, n)

#define LOAD_JUMP_FAMILY(t)                                                                        \
    SOFT_LOAD_JUMPS(t, 0)                                                                          \
    SOFT_LOAD_JUMPS(t, 1)                                                                          \
    SOFT_LOAD_JUMPS(t, 2)                                                                          \
    SOFT_LOAD_JUMPS(t, 3)                                                                          \
    SOFT_FAMILY_8(t##_jump);                                                                       \
    SOFT_FAMILY_JUMP(t)

/* Operand E is only written: t(c, op, n) is what. */
#define SOFT_STORE_KIND(t, kind, n, m)                                                             \
    SOFT_FAST t##_##kind##_##n(struct soft *c, const struct soft_op *op)                           \
    {                                                                                              \
        void *p = soft_quick(c, op, kind, m, ACCESS_WRITE);                                        \
                                                                                                   \
        if (unlikely(!p))                                                                          \
            return t##_slow_##n(c, op);                                                            \
        soft_poke(p, m, t(c, op, n));                                                              \
        SOFT_NEXT(c, op);                                                                          \
    }

#define SOFT_MEMORY_STORES(t, n)                                                                   \
    SOFT_SLOW t##_slow_##n(struct soft *c, const struct soft_op *op)                               \
    {                                                                                              \
        soft_store(c, op, ANYHOW, n, t(c, op, n));                                                 \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    SOFT_KINDS(SOFT_STORE_KIND, t, n, n)

#define SOFT_STORES(t, n)                                                                          \
    static void t##_reg_##n(struct soft *c, const struct soft_op *op)                              \
    {                                                                                              \
        soft_set(c, n, op->rm, t(c, op, n));                                                       \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    SOFT_MEMORY_STORES(t, n)

#define STORE_FAMILY(t)                                                                            \
    SOFT_STORES(t, 0) SOFT_STORES(t, 1) SOFT_STORES(t, 2) SOFT_STORES(t, 3) SOFT_FAMILY_8(t)

/*
 * Operand E is read and written: t(c, op, n, p, lock) where it is memory, t_reg(c, op, n) where it
 * is a register. t_lock is the handler of the locked form.
 */
#define SOFT_CHANGE_KIND(t, kind, n, m)                                                            \
    SOFT_FAST t##_##kind##_##n(struct soft *c, const struct soft_op *op)                           \
    {                                                                                              \
        void *p = soft_quick(c, op, kind, m, ACCESS_READ | ACCESS_WRITE);                          \
                                                                                                   \
        if (unlikely(!p))                                                                          \
            return t##_slow_##n(c, op);                                                            \
        t(c, op, n, p, false);                                                                     \
        SOFT_NEXT(c, op);                                                                          \
    }

#define SOFT_CHANGES(t, n)                                                                         \
    static void t##_reg_##n(struct soft *c, const struct soft_op *op)                              \
    {                                                                                              \
        t##_reg(c, op, n);                                                                         \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    SOFT_SLOW t##_slow_##n(struct soft *c, const struct soft_op *op)                               \
    {                                                                                              \
        t(c, op, n, soft_rmw(c, op, ANYHOW, n), true);                                             \
        soft_rmw_end(c);                                                                           \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    SOFT_KINDS(SOFT_CHANGE_KIND, t, n, n)

#define SOFT_LOCKED_CHANGES(t, n)                                                                  \
    SOFT_CHANGES(t, n)                                                                             \
    static void t##_locked_##n(struct soft *c, const struct soft_op *op)                           \
    {                                                                                              \
        void *p = soft_quick(c, op, ANYHOW, n, ACCESS_READ | ACCESS_WRITE);                        \
                                                                                                   \
        if (unlikely(!p))                                                                          \
            return t##_slow_##n(c, op);                                                            \
        t(c, op, n, p, true);                                                                      \
        SOFT_NEXT(c, op);                                                                          \
    }

#define SOFT_LOCKED(t, locked0)                                                                    \
    static void t##_lock(struct soft *c, const struct soft_op *op)                                 \
    {                                                                                              \
        static soft_handler *const by_size[4] = {locked0, t##_locked_1, t##_locked_2,              \
                                                 t##_locked_3};                                    \
                                                                                                   \
        return by_size[op->osize](c, op);                                                          \
    }

#define CHANGE_FAMILY(t)                                                                           \
    SOFT_LOCKED_CHANGES(t, 0)                                                                      \
    SOFT_LOCKED_CHANGES(t, 1)                                                                      \
    SOFT_LOCKED_CHANGES(t, 2)                                                                      \
    SOFT_LOCKED_CHANGES(t, 3)                                                                      \
    SOFT_LOCKED(t, t##_locked_0)                                                                   \
    SOFT_FAMILY_8(t)
#define CHANGE_FAMILY_16(t)                                                                        \
    SOFT_LOCKED_CHANGES(t, 1)                                                                      \
    SOFT_LOCKED_CHANGES(t, 2)                                                                      \
    SOFT_LOCKED_CHANGES(t, 3)                                                                      \
    SOFT_LOCKED(t, NULL)                                                                           \
    SOFT_FAMILY_16(t)

/* And the conditional jump that follows, where the operand is a register. */
#define SOFT_CHANGE_JUMP(t, n)                                                                     \
    SOFT_LOCKED_CHANGES(t, n)                                                                      \
    static void t##_jump_reg_##n(struct soft *c, const struct soft_op *op)                         \
    {                                                                                              \
        t##_reg(c, op, n);                                                                         \
        return soft_jump(c, op + 1);                                                               \
    }

#define CHANGE_JUMP_FAMILY(t)                                                                      \
    SOFT_CHANGE_JUMP(t, 0)                                                                         \
    SOFT_CHANGE_JUMP(t, 1)                                                                         \
    SOFT_CHANGE_JUMP(t, 2)                                                                         \
    SOFT_CHANGE_JUMP(t, 3)                                                                         \
    SOFT_LOCKED(t, t##_locked_0)                                                                   \
    static const struct soft_family t##_jump_family = {                                            \
        .reg = {t##_jump_reg_0, t##_jump_reg_1, t##_jump_reg_2, t##_jump_reg_3},                   \
    };                                                                                             \
    SOFT_FAMILY_JUMP(t)

/* The same of instructions that have no locked form. */
#define PRIVATE_FAMILY(t)                                                                          \
    SOFT_CHANGES(t, 0)                                                                             \
    SOFT_CHANGES(t, 1)                                                                             \
    SOFT_CHANGES(t, 2)                                                                             \
    SOFT_CHANGES(t, 3)                                                                             \
    SOFT_FAMILY_8(t)
#define PRIVATE_FAMILY_16(t)                                                                       \
    SOFT_CHANGES(t, 1)                                                                             \
    SOFT_CHANGES(t, 2)                                                                             \
    SOFT_CHANGES(t, 3)                                                                             \
    SOFT_FAMILY_16(t)

/* The operand is no memory, whatever the rows say: t(c, op, n). */
#define SOFT_PLAIN(t, n)                                                                           \
    static void t##_reg_##n(struct soft *c, const struct soft_op *op)                              \
    {                                                                                              \
        t(c, op, n);                                                                               \
        SOFT_NEXT(c, op);                                                                          \
    }
#define PLAIN_FAMILY_16(t)                                                                         \
    SOFT_PLAIN(t, 1)                                                                               \
    SOFT_PLAIN(t, 2)                                                                               \
    SOFT_PLAIN(t, 3)                                                                               \
    static const struct soft_family t##_family = {                                                 \
        .reg = {NULL, t##_reg_1, t##_reg_2, t##_reg_3},                                            \
    }

/*
 * The stack. t(c, op, n) is what is pushed; t(c, op, n, val) gets what was popped, the stack
 * pointer having moved.
 */
#define SOFT_PUSH_KIND(t, kind, n, m)                                                              \
    SOFT_FAST t##_##kind##_##n(struct soft *c, const struct soft_op *op)                           \
    {                                                                                              \
        uint64_t sp = soft_sp(c, kind) - (1 << (m));                                               \
        void *p = soft_quick_stack(c, kind, sp, m, ACCESS_WRITE);                                  \
                                                                                                   \
        if (unlikely(!p))                                                                          \
            return t##_slow_##n(c, op);                                                            \
        soft_poke(p, m, t(c, op, n));                                                              \
        soft_set_sp(c, kind, sp);                                                                  \
        SOFT_NEXT(c, op);                                                                          \
    }
#define SOFT_PUSHES(t, n)                                                                          \
    SOFT_SLOW t##_slow_##n(struct soft *c, const struct soft_op *op)                               \
    {                                                                                              \
        soft_push(c, op, ANYHOW, n, t(c, op, n));                                                  \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    SOFT_KINDS(SOFT_PUSH_KIND, t, n, n)

#define SOFT_POP_KIND(t, kind, n, m)                                                               \
    SOFT_FAST t##_##kind##_##n(struct soft *c, const struct soft_op *op)                           \
    {                                                                                              \
        uint64_t sp = soft_sp(c, kind);                                                            \
        const void *p = soft_quick_stack(c, kind, sp, m, ACCESS_READ);                             \
                                                                                                   \
        if (unlikely(!p))                                                                          \
            return t##_slow_##n(c, op);                                                            \
        uint64_t val = soft_peek(p, m);                                                            \
                                                                                                   \
        soft_set_sp(c, kind, sp + (1 << (m)));                                                     \
        t(c, op, n, val);                                                                          \
        SOFT_NEXT(c, op);                                                                          \
    }
#define SOFT_POPS(t, n)                                                                            \
    SOFT_SLOW t##_slow_##n(struct soft *c, const struct soft_op *op)                               \
    {                                                                                              \
        uint64_t val = soft_stack_load(c, op, ANYHOW, n, 0);                                       \
                                                                                                   \
        soft_set_sp(c, ANYHOW, soft_sp(c, ANYHOW) + (1 << (n)));                                   \
        t(c, op, n, val);                                                                          \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    SOFT_KINDS(SOFT_POP_KIND, t, n, n)

#define SOFT_STACK_FAMILY(t)                                                                       \
    static const struct soft_family t##_family = {                                                 \
        .mem = {[FLAT64] = {NULL, t##_FLAT64_1, t##_FLAT64_2, t##_FLAT64_3},                       \
                [FLAT32] = {NULL, t##_FLAT32_1, t##_FLAT32_2},                                     \
                [ANYHOW] = {NULL, t##_ANYHOW_1, t##_ANYHOW_2, t##_ANYHOW_3}},                      \
    }
#define PUSH_FAMILY(t) SOFT_PUSHES(t, 1) SOFT_PUSHES(t, 2) SOFT_PUSHES(t, 3) SOFT_STACK_FAMILY(t)
#define POP_FAMILY(t)  SOFT_POPS(t, 1) SOFT_POPS(t, 2) SOFT_POPS(t, 3) SOFT_STACK_FAMILY(t)

/*
 * What the host's own instructions are given and leave of the flags, in AX: see soft.arith.
 * SOFT_CARRY_IN is enough for those that change all others.
 */
#define SOFT_CARRY_IN  "sahf\n\t"
#define SOFT_FLAGS_IN  "add al, 0x7f\n\tsahf\n\t"
#define SOFT_FLAGS_OUT "\n\tlahf\n\tseto al"

#endif
