/* SPDX-License-Identifier: MIT */
/*
 * How handlers are made of operations: one for each size of the operands, and each place where
 * operand E may be.
 *
 * What an operation does is written once, as the body of a C function, in a template that sizes.h
 * includes for each size. In front of the body stands what it does with operand E:
 *
 *     LOADS(add_ge)
 *     {
 *         SIZED(add)(c, REGISTER, soft_place(c, op->reg), e);
 *     }
 *
 * makes the function add_ge_d() of the body and, around it, the handlers add_ge_reg_d(), for an E
 * that is a register; add_ge_flat64_d(), add_ge_flat32_d() and add_ge_anyhow_d(), for memory of
 * each kind that the TLB finds; and add_ge_slow_d(), to which these leave all other memory, so that
 * they need no frame on the stack. add_ge_forms_d lists them. In a table of opcodes, SIZES(add_ge)
 * is the lists of all sizes.
 */
#ifndef X86_SOFT_FAMILY_H
#define X86_SOFT_FAMILY_H

#include "x86/soft/line.h"

/* Where a general register is. */
INLINE void *soft_place(struct soft *c, uint8_t reg)
{
    return (uint8_t *)c->r + reg;
}

/* Set a register, by its place, to a result of the host's own instruction, which is zero-extended.
 */
INLINE void soft_put(void *place, int n, uint64_t val)
{
    soft_poke(place, n == 2 ? 3 : n, val);
}

/* ---- where an operand is on the host, by the TLB; NULL: it has to be found the slow way ---- */

/* 1 << n bytes at linear. */
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

/* What lies at an offset in a segment. */
INLINE void *soft_quick_in(struct soft *c, int seg, uint64_t offset, int n, int access)
{
    const struct soft_window *w = &c->window[seg];

    if (unlikely(offset < w->first || offset + ((1 << n) - 1) > w->last || access & ~w->rights))
        return NULL;
    return soft_quick_at(c, (w->base + offset) & c->linear_mask, n, access);
}

/* op's memory operand. */
INLINE void *soft_quick(struct soft *c, const struct soft_op *op, int kind, int n, int access)
{
    uint64_t sum = soft_get(c, 3, op->base) + (soft_get(c, 3, op->index) << op->scale) + op->disp;

    if (kind == FLAT64)
        return soft_quick_at(c, sum, n, access);
    if (kind == FLAT32)
        return soft_quick_at(c, (uint32_t)sum, n, access);
    return soft_quick_in(c, op->segment, soft_cut(op->asize, sum), n, access);
}

/* What stands at sp in the stack. */
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

    if (likely(p && !soft_splits(linear, 1 << n)))
        return p;
    c->op = op;
    return soft_rmw_slow(c, op->segment, linear, 1 << n);
}

/* ---- from bodies to handlers. All parameters but c and op are constants. ---- */

/* Where the operand is that a body changes. Bodies ask, since a register of 32 bits is written as
 * one of 64, and LOCK is for memory. */
enum {
    REGISTER,
    MEMORY,
    LOCKED,
};

/* Write what a body has computed; for registers see soft_put(). */
INLINE void soft_write(int place, void *e, int n, uint64_t val)
{
    if (place == REGISTER)
        soft_put(e, n, val);
    else
        soft_poke(e, n, val);
}

typedef void soft_load_body(struct soft *c, const struct soft_op *op, uint64_t e);
typedef uint64_t soft_store_body(struct soft *c, const struct soft_op *op);
typedef void soft_change_body(struct soft *c, const struct soft_op *op, int place, void *e);

/* What comes after an operation: the next one or, when the two are one, the jump. */
INLINE void soft_then(struct soft *c, const struct soft_op *op, bool jumps)
{
    if (jumps)
        return soft_jump(c, op + 1);
    SOFT_NEXT(c, op);
}

/* Operand E is read, of 1 << n bytes. */
INLINE void soft_do_load(struct soft *c, const struct soft_op *op, int kind, int n,
                         soft_load_body *body, soft_handler *slow, bool jumps)
{
    const void *p = soft_quick(c, op, kind, n, ACCESS_READ);

    if (unlikely(!p))
        return slow(c, op);
    body(c, op, soft_peek(p, n));
    return soft_then(c, op, jumps);
}

/* Operand E is written. */
INLINE void soft_do_store(struct soft *c, const struct soft_op *op, int kind, int n,
                          soft_store_body *body, soft_handler *slow)
{
    void *p = soft_quick(c, op, kind, n, ACCESS_WRITE);

    if (unlikely(!p))
        return slow(c, op);
    soft_poke(p, n, body(c, op));
    SOFT_NEXT(c, op);
}

/* Operand E is read and written. */
INLINE void soft_do_change(struct soft *c, const struct soft_op *op, int kind, int place, int n,
                           soft_change_body *body, soft_handler *slow)
{
    void *p = soft_quick(c, op, kind, n, ACCESS_READ | ACCESS_WRITE);

    if (unlikely(!p || (place == LOCKED && soft_splits((uintptr_t)p, 1 << n))))
        return slow(c, op);
    body(c, op, place, p);
    SOFT_NEXT(c, op);
}

/* The body's result is pushed. */
INLINE void soft_do_push(struct soft *c, const struct soft_op *op, int kind, int n,
                         soft_store_body *body, soft_handler *slow)
{
    uint64_t sp = soft_sp(c, kind) - (1 << n);
    void *p = soft_quick_stack(c, kind, sp, n, ACCESS_WRITE);

    if (unlikely(!p))
        return slow(c, op);
    soft_poke(p, n, body(c, op));
    soft_set_sp(c, kind, sp);
    SOFT_NEXT(c, op);
}

/* The body gets what was popped, after the stack pointer has moved. */
INLINE void soft_do_pop(struct soft *c, const struct soft_op *op, int kind, int n,
                        soft_load_body *body, soft_handler *slow)
{
    uint64_t sp = soft_sp(c, kind);
    const void *p = soft_quick_stack(c, kind, sp, n, ACCESS_READ);

    if (unlikely(!p))
        return slow(c, op);
    uint64_t val = soft_peek(p, n);

    soft_set_sp(c, kind, sp + (1 << n));
    body(c, op, val);
    SOFT_NEXT(c, op);
}

/* ---- an operation's handlers, in front of its body ---- */

#define HANDLER(name) static void SIZED(name)(struct soft * c, const struct soft_op *op)
#define SLOW_HANDLER(name)                                                                         \
    static __attribute__((cold, noinline)) void SIZED(name)(struct soft * c,                       \
                                                            const struct soft_op *op)

/* A body need not use all that it gets. */
#define ANY(parameter) parameter __attribute__((unused))
#define PLAIN_BODY(name)                                                                           \
    INLINE void SIZED(name)(ANY(struct soft * c), ANY(const struct soft_op *op))
#define LOAD_BODY(name)                                                                            \
    INLINE void SIZED(name)(ANY(struct soft * c), ANY(const struct soft_op *op), ANY(uint64_t e))
#define STORE_BODY(name)                                                                           \
    INLINE uint64_t SIZED(name)(ANY(struct soft * c), ANY(const struct soft_op *op))
#define CHANGE_BODY(name)                                                                          \
    INLINE void SIZED(name)(ANY(struct soft * c), ANY(const struct soft_op *op), ANY(int place),   \
                            void *e)

/* The handlers of all kinds, each made by the given macro with its KIND; and their list. No code of
 * 32 bits has operands of 64: the compiler drops those handlers again. */
#define HANDLERS_BY_KIND(name, does)                                                               \
    HANDLER(name##_flat64)                                                                         \
    {                                                                                              \
        const int KIND = FLAT64;                                                                   \
                                                                                                   \
        return does;                                                                               \
    }                                                                                              \
    HANDLER(name##_flat32)                                                                         \
    {                                                                                              \
        const int KIND = FLAT32;                                                                   \
                                                                                                   \
        return does;                                                                               \
    }                                                                                              \
    HANDLER(name##_anyhow)                                                                         \
    {                                                                                              \
        const int KIND = ANYHOW;                                                                   \
                                                                                                   \
        return does;                                                                               \
    }
#define BY_KIND(name)                                                                              \
    {                                                                                              \
        [FLAT64] = SIZED(name##_flat64), [FLAT32] = SIZE == 3 ? NULL : SIZED(name##_flat32),       \
        [ANYHOW] = SIZED(name##_anyhow)                                                            \
    }

/* LOADS(name) { ... e ... }: e is the value of operand E; of 1 << n bytes where n is given. */
#define LOADS(name) LOADS_FROM(name, SIZE)
#define LOADS_FROM(name, n)                                                                        \
    LOAD_HANDLERS(name, n)                                                                         \
    SOFT_FORMS(SIZED(name##_forms), .reg = SIZED(name##_reg), .mem = BY_KIND(name))                \
    LOAD_BODY(name)

#define LOAD_HANDLERS(name, n)                                                                     \
    LOAD_BODY(name);                                                                               \
    SLOW_HANDLER(name##_slow)                                                                      \
    {                                                                                              \
        SIZED(name)(c, op, soft_load(c, op, ANYHOW, n));                                           \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    HANDLER(name##_reg)                                                                            \
    {                                                                                              \
        SIZED(name)(c, op, soft_get(c, n, op->rm));                                                \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    HANDLERS_BY_KIND(name, soft_do_load(c, op, KIND, n, SIZED(name), SIZED(name##_slow), false))

/* The same for an operation that often stands before a conditional jump: with handlers that jump,
 * too. For these the slow way executes only the operation itself. */
#define COMPARES(name)                                                                             \
    LOAD_HANDLERS(name, SIZE)                                                                      \
    HANDLER(name##_jump_reg)                                                                       \
    {                                                                                              \
        SIZED(name)(c, op, soft_get(c, SIZE, op->rm));                                             \
        return soft_jump(c, op + 1);                                                               \
    }                                                                                              \
    HANDLERS_BY_KIND(name##_jump,                                                                  \
                     soft_do_load(c, op, KIND, SIZE, SIZED(name), SIZED(name##_slow), true))       \
    SOFT_FORMS(SIZED(name##_forms), .reg = SIZED(name##_reg), .mem = BY_KIND(name),                \
               .reg_jump = SIZED(name##_jump_reg), .mem_jump = BY_KIND(name##_jump))               \
    LOAD_BODY(name)

/* STORES(name) { ... return what operand E becomes; } */
#define STORES(name)                                                                               \
    STORE_BODY(name);                                                                              \
    SLOW_HANDLER(name##_slow)                                                                      \
    {                                                                                              \
        soft_store(c, op, ANYHOW, SIZE, SIZED(name)(c, op));                                       \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    HANDLER(name##_reg)                                                                            \
    {                                                                                              \
        soft_set(c, SIZE, op->rm, SIZED(name)(c, op));                                             \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    HANDLERS_BY_KIND(name, soft_do_store(c, op, KIND, SIZE, SIZED(name), SIZED(name##_slow)))      \
    SOFT_FORMS(SIZED(name##_forms), .reg = SIZED(name##_reg), .mem = BY_KIND(name))                \
    STORE_BODY(name)

/* CHANGES(name) { ... place ... e ... }: e is where operand E is. It may have LOCK; and it may
 * stand before a conditional jump, which is worth a handler where E is a register. */
#define CHANGES(name)                                                                              \
    CHANGE_BODY(name);                                                                             \
    SLOW_HANDLER(name##_slow);                                                                     \
    HANDLER(name##_lock)                                                                           \
    {                                                                                              \
        return soft_do_change(c, op, ANYHOW, LOCKED, SIZE, SIZED(name), SIZED(name##_slow));       \
    }                                                                                              \
    CHANGE_HANDLERS(name, SIZED(name##_lock), MEMORY)

/* The same for an operation that is locked in memory, with LOCK or without. */
#define EXCHANGES(name)                                                                            \
    CHANGE_BODY(name);                                                                             \
    SLOW_HANDLER(name##_slow);                                                                     \
    CHANGE_HANDLERS(name, SIZED(name##_anyhow), LOCKED)

/* The same for an operation that cannot have LOCK. */
#define UPDATES(name)                                                                              \
    CHANGE_BODY(name);                                                                             \
    CHANGE_HANDLERS(name, NULL, MEMORY)

#define CHANGE_HANDLERS(name, locked, where)                                                       \
    SLOW_HANDLER(name##_slow)                                                                      \
    {                                                                                              \
        SIZED(name)(c, op, LOCKED, soft_rmw(c, op, ANYHOW, SIZE));                                 \
        soft_rmw_end(c);                                                                           \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    HANDLER(name##_reg)                                                                            \
    {                                                                                              \
        SIZED(name)(c, op, REGISTER, soft_place(c, op->rm));                                       \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    HANDLER(name##_jump_reg)                                                                       \
    {                                                                                              \
        SIZED(name)(c, op, REGISTER, soft_place(c, op->rm));                                       \
        return soft_jump(c, op + 1);                                                               \
    }                                                                                              \
    HANDLERS_BY_KIND(name,                                                                         \
                     soft_do_change(c, op, KIND, where, SIZE, SIZED(name), SIZED(name##_slow)))    \
    SOFT_FORMS(SIZED(name##_forms), .reg = SIZED(name##_reg), .mem = BY_KIND(name),                \
               .lock = locked, .reg_jump = SIZED(name##_jump_reg))                                 \
    CHANGE_BODY(name)

/* PUSHES(name) { ... return what is pushed; }, and POPS(name) { ... e ... }: e was popped. */
#define PUSHES(name)                                                                               \
    STORE_BODY(name);                                                                              \
    SLOW_HANDLER(name##_slow)                                                                      \
    {                                                                                              \
        soft_push(c, op, ANYHOW, SIZE, SIZED(name)(c, op));                                        \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    HANDLERS_BY_KIND(name, soft_do_push(c, op, KIND, SIZE, SIZED(name), SIZED(name##_slow)))       \
    SOFT_FORMS(SIZED(name##_forms), .mem = BY_KIND(name))                                          \
    STORE_BODY(name)

#define POPS(name)                                                                                 \
    LOAD_BODY(name);                                                                               \
    SLOW_HANDLER(name##_slow)                                                                      \
    {                                                                                              \
        uint64_t val = soft_stack_load(c, op, ANYHOW, SIZE, 0);                                    \
                                                                                                   \
        soft_set_sp(c, ANYHOW, soft_sp(c, ANYHOW) + (1 << SIZE));                                  \
        SIZED(name)(c, op, val);                                                                   \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    HANDLERS_BY_KIND(name, soft_do_pop(c, op, KIND, SIZE, SIZED(name), SIZED(name##_slow)))        \
    SOFT_FORMS(SIZED(name##_forms), .mem = BY_KIND(name))                                          \
    LOAD_BODY(name)

/* PLAIN(name) { ... }: there is no operand E, or it is always a register. */
#define PLAIN(name)                                                                                \
    PLAIN_BODY(name);                                                                              \
    HANDLER(name##_reg)                                                                            \
    {                                                                                              \
        SIZED(name)(c, op);                                                                        \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    SOFT_FORMS(SIZED(name##_forms), .reg = SIZED(name##_reg))                                      \
    PLAIN_BODY(name)

/* For handlers that are written out, name_reg and name_mem, the same for all kinds. */
#define REG_AND_MEM(name, locked)                                                                  \
    SOFT_FORMS(SIZED(name##_forms), .reg = SIZED(name##_reg),                                      \
               .mem = {SIZED(name##_mem), SIZED(name##_mem), SIZED(name##_mem)}, .lock = locked)

/* For rows: an operation in all sizes, and one that has none of 8 bits. */
#define SIZES(name)                                                                                \
    {                                                                                              \
        name##_forms_b, name##_forms_w, name##_forms_d, name##_forms_q                             \
    }
#define SIZES_16(name)                                                                             \
    {                                                                                              \
        NULL, name##_forms_w, name##_forms_d, name##_forms_q                                       \
    }

/*
 * The flags that the host's own instructions are given and leave, in AX: see soft.arith.
 * SOFT_CARRY_IN is enough for those that change all others.
 */
#define SOFT_CARRY_IN  "sahf\n\t"
#define SOFT_FLAGS_IN  "add al, 0x7f\n\tsahf\n\t"
#define SOFT_FLAGS_OUT "\n\tlahf\n\tseto al"

#endif
