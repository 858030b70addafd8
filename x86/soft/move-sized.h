/* SPDX-License-Identifier: MIT */
/*
 * Moves of operands of one size: a template of move.c, see sizes.h.
 */

/* ---- mov and xchg ---- */

STORES(mov_eg)
{
    return soft_get(c, SIZE, op->reg);
}

STORES(mov_ei)
{
    return op->imm;
}

LOADS(mov_ge)
{
    soft_set(c, SIZE, op->reg, e);
}

/* Memory is always locked. */
EXCHANGES(xchg_eg)
{
    uint64_t val = soft_get(c, SIZE, op->reg);

    if (place == REGISTER) {
        uint64_t old = soft_peek(e, SIZE);

        soft_put(e, SIZE, val);
        soft_set(c, SIZE, op->reg, old);
        return;
    }
    asm volatile("xchg %0, %" REG "1" : "+m"(*(TYPE *)e), "+q"(val) : : "memory");
    soft_set(c, SIZE, op->reg, val);
}

/* ---- conditions ---- */

#if SIZE == 0

/* In memory one handler is for all conditions; with registers each has its own. */
STORES(set)
{
    return soft_condition(c, op->opcode & 15);
}

#define SETS(name, cc)                                                                             \
    HANDLER(name##_reg)                                                                            \
    {                                                                                              \
        soft_set(c, 0, op->rm, soft_condition(c, cc));                                             \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    SOFT_FORMS(SIZED(name##_forms), .reg = SIZED(name##_reg), .mem = BY_KIND(set))

SETS(seto, 0x0)
SETS(setno, 0x1)
SETS(setb, 0x2)
SETS(setae, 0x3)
SETS(sete, 0x4)
SETS(setne, 0x5)
SETS(setbe, 0x6)
SETS(seta, 0x7)
SETS(sets, 0x8)
SETS(setns, 0x9)
SETS(setp, 0xa)
SETS(setnp, 0xb)
SETS(setl, 0xc)
SETS(setge, 0xd)
SETS(setle, 0xe)
SETS(setg, 0xf)
#undef SETS

#else

/* The source is loaded, and with 32 bits the upper half cleared, even if nothing is moved. */
INLINE void SIZED(move_if)(struct soft *c, const struct soft_op *op, int cc, uint64_t e)
{
    uint64_t old = soft_get(c, SIZE, op->reg);

    soft_set(c, SIZE, op->reg, soft_condition(c, cc) ? e : old);
}

LOADS(cmov)
{
    SIZED(move_if)(c, op, op->opcode & 15, e);
}

#define MOVES_IF(name, cc)                                                                         \
    HANDLER(name##_reg)                                                                            \
    {                                                                                              \
        SIZED(move_if)(c, op, cc, soft_get(c, SIZE, op->rm));                                      \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    SOFT_FORMS(SIZED(name##_forms), .reg = SIZED(name##_reg), .mem = BY_KIND(cmov))

MOVES_IF(cmovo, 0x0)
MOVES_IF(cmovno, 0x1)
MOVES_IF(cmovb, 0x2)
MOVES_IF(cmovae, 0x3)
MOVES_IF(cmove, 0x4)
MOVES_IF(cmovne, 0x5)
MOVES_IF(cmovbe, 0x6)
MOVES_IF(cmova, 0x7)
MOVES_IF(cmovs, 0x8)
MOVES_IF(cmovns, 0x9)
MOVES_IF(cmovp, 0xa)
MOVES_IF(cmovnp, 0xb)
MOVES_IF(cmovl, 0xc)
MOVES_IF(cmovge, 0xd)
MOVES_IF(cmovle, 0xe)
MOVES_IF(cmovg, 0xf)
#undef MOVES_IF

/* All that follows has operands of 16 bits at least. */

/* ---- conversions ---- */

LOADS_FROM(movzx8, 0)
{
    soft_set(c, SIZE, op->reg, e);
}

LOADS_FROM(movzx16, 1)
{
    soft_set(c, SIZE, op->reg, e);
}

LOADS_FROM(movsx8, 0)
{
    soft_set(c, SIZE, op->reg, soft_sign(0, e));
}

LOADS_FROM(movsx16, 1)
{
    soft_set(c, SIZE, op->reg, soft_sign(1, e));
}

/* With 16-bit operands the source has 16 bits, too. */
LOADS_FROM(movsxd, SIZE == 1 ? 1 : 2)
{
    soft_set(c, SIZE, op->reg, soft_sign(SIZE == 1 ? 1 : 2, e));
}

/* With 16 bits the result is undefined: processors leave zeros. */
PLAIN(bswap)
{
    soft_set(c, SIZE, op->rm, SIZE == 1 ? 0 : swapped(SIZE, soft_get(c, SIZE, op->rm)));
}

PLAIN(cbw)
{
    soft_set_reg(c, SIZE, RAX, soft_sign(SIZE - 1, c->r[RAX]));
}

PLAIN(cwd)
{
    soft_set_reg(c, SIZE, RDX, (int64_t)soft_sign(SIZE, c->r[RAX]) < 0 ? UINT64_MAX : 0);
}

/* With RAX itself it is NOP: not even RAX's upper half changes. */
PLAIN(xchg_z)
{
    uint64_t a = soft_get(c, SIZE, op->rm), b = soft_reg(c, SIZE, RAX);

    if (op->rm == RAX * 8)
        return;
    soft_set(c, SIZE, op->rm, b);
    soft_set_reg(c, SIZE, RAX, a);
}

/* ---- lea ---- */

/* An address cut to 32 bits is right where no operand has more. */
HANDLER(lea_flat)
{
    soft_set(c, SIZE, op->reg,
             soft_get(c, 3, op->base) + (soft_get(c, 3, op->index) << op->scale) + op->disp);
    SOFT_NEXT(c, op);
}

HANDLER(lea_anyhow)
{
    soft_set(c, SIZE, op->reg, soft_offset(c, op));
    SOFT_NEXT(c, op);
}

SOFT_FORMS(
    SIZED(lea_forms),
    .mem = {[FLAT64] = SIZED(lea_flat), [FLAT32] = SIZED(lea_flat), [ANYHOW] = SIZED(lea_anyhow)})

/* ---- the stack ---- */

PUSHES(push_z)
{
    return soft_get(c, SIZE, op->rm);
}

PUSHES(push_i)
{
    return op->imm;
}

POPS(pop_z)
{
    soft_set(c, SIZE, op->rm, e);
}

HANDLER(leave_anyhow)
{
    uint64_t bp = soft_cut(c->stack_size, c->r[RBP]);
    uint64_t val = soft_load_at(c, op, SS, frame_linear(c, op, bp, SIZE, ACCESS_READ), SIZE);

    soft_set_sp(c, ANYHOW, bp + (1 << SIZE));
    soft_set_reg(c, SIZE, RBP, val);
    SOFT_NEXT(c, op);
}

HANDLER(leave_flat64)
{
    uint64_t bp = c->r[RBP];
    const void *p = soft_quick_at(c, bp, SIZE, ACCESS_READ);

    if (unlikely(!p))
        return SIZED(leave_anyhow)(c, op);
    c->r[RSP] = bp + (1 << SIZE);
    soft_set_reg(c, SIZE, RBP, soft_peek(p, SIZE));
    SOFT_NEXT(c, op);
}

SOFT_FORMS(SIZED(leave_forms),
           .mem = {SIZED(leave_flat64), SIZED(leave_anyhow), SIZED(leave_anyhow)})

#endif
