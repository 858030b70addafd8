// SPDX-License-Identifier: MIT
/*
 * Moves: between registers and memory, to and from the stack, with conditions and conversions; and
 * the instructions that do nothing.
 *
 * After: Intel SDM vol. 2, "Instruction Set Reference".
 *
 * Left out: nothing.
 */
#include "x86/soft/family.h"

/* ---- mov ---- */

INLINE uint64_t mov_eg(struct soft *c, const struct soft_op *op, int n)
{
    return soft_get(c, n, op->reg);
}
STORE_FAMILY(mov_eg);

INLINE uint64_t mov_ei(struct soft *c, const struct soft_op *op, int n)
{
    (void)c, (void)n;
    return op->imm;
}
STORE_FAMILY(mov_ei);

INLINE void mov_ge(struct soft *c, const struct soft_op *op, int n, const void *p)
{
    soft_set(c, n, op->reg, soft_peek(p, n));
}
LOAD_FAMILY(mov_ge);

INLINE void movzx8(struct soft *c, const struct soft_op *op, int n, const void *p)
{
    soft_set(c, n, op->reg, soft_peek(p, 0));
}
LOAD_FAMILY_FROM(movzx8, 0, 0, 0);

INLINE void movzx16(struct soft *c, const struct soft_op *op, int n, const void *p)
{
    soft_set(c, n, op->reg, soft_peek(p, 1));
}
LOAD_FAMILY_FROM(movzx16, 1, 1, 1);

INLINE void movsx8(struct soft *c, const struct soft_op *op, int n, const void *p)
{
    soft_set(c, n, op->reg, soft_sign(0, soft_peek(p, 0)));
}
LOAD_FAMILY_FROM(movsx8, 0, 0, 0);

INLINE void movsx16(struct soft *c, const struct soft_op *op, int n, const void *p)
{
    soft_set(c, n, op->reg, soft_sign(1, soft_peek(p, 1)));
}
LOAD_FAMILY_FROM(movsx16, 1, 1, 1);

/* With 16-bit operands the source has 16 bits, too. */
INLINE void movsxd(struct soft *c, const struct soft_op *op, int n, const void *p)
{
    int from = n == 1 ? 1 : 2;

    soft_set(c, n, op->reg, soft_sign(from, soft_peek(p, from)));
}
LOAD_FAMILY_FROM(movsxd, 1, 2, 2);

INLINE uint64_t swapped(int n, uint64_t val)
{
    return n == 1   ? __builtin_bswap16(val)
           : n == 2 ? __builtin_bswap32(val)
                    : __builtin_bswap64(val);
}

/* REP is no prefix of theirs. */
static void check_movbe(struct soft *c, const struct soft_op *op)
{
    if (!(op->prefix & SOFT_REP))
        return;
    c->op = op;
    soft_raise(c, EXCEPTION_UD);
}

static void movbe_gm(struct soft *c, const struct soft_op *op)
{
    check_movbe(c, op);
    uint64_t val = soft_load(c, op, ANYHOW, op->osize);

    soft_set(c, op->osize, op->reg, swapped(op->osize, val));
    SOFT_NEXT(c, op);
}

static void movbe_mg(struct soft *c, const struct soft_op *op)
{
    check_movbe(c, op);
    soft_store(c, op, ANYHOW, op->osize, swapped(op->osize, soft_get(c, op->osize, op->reg)));
    SOFT_NEXT(c, op);
}

/* Of 16 bits it is undefined: processors leave zeros. */
INLINE void bswap(struct soft *c, const struct soft_op *op, int n)
{
    soft_set(c, n, op->rm, n == 1 ? 0 : swapped(n, soft_get(c, n, op->rm)));
}
PLAIN_FAMILY_16(bswap);

/* ---- lea ---- */

INLINE void lea64(struct soft *c, const struct soft_op *op, int n)
{
    soft_set(c, n, op->reg,
             soft_get(c, 3, op->base) + (soft_get(c, 3, op->index) << op->scale) + op->disp);
}
SOFT_PLAIN(lea64, 1)
SOFT_PLAIN(lea64, 2)
SOFT_PLAIN(lea64, 3)

INLINE void lea(struct soft *c, const struct soft_op *op, int n)
{
    soft_set(c, n, op->reg, soft_offset(c, op));
}
SOFT_PLAIN(lea, 1)
SOFT_PLAIN(lea, 2)
SOFT_PLAIN(lea, 3)

/* Cutting the address to 32 bits changes nothing in code where no operand has more. */
static const struct soft_family lea_family = {
    .mem = {[FLAT64] = {NULL, lea64_reg_1, lea64_reg_2, lea64_reg_3},
            [FLAT32] = {NULL, lea64_reg_1, lea64_reg_2},
            [ANYHOW] = {NULL, lea_reg_1, lea_reg_2, lea_reg_3}},
};

/* ---- xchg ---- */

/* Memory is always locked. */
INLINE void xchg_eg(struct soft *c, const struct soft_op *op, int n, void *p, bool lock)
{
    uint64_t val = soft_get(c, n, op->reg);

    (void)lock;
    if (n == 0)
        asm volatile("xchg %0, %b1" : "+m"(*(uint8_t *)p), "+q"(val) : : "memory");
    else if (n == 1)
        asm volatile("xchg %0, %w1" : "+m"(*(any16 *)p), "+r"(val) : : "memory");
    else if (n == 2)
        asm volatile("xchg %0, %k1" : "+m"(*(any32 *)p), "+r"(val) : : "memory");
    else
        asm volatile("xchg %0, %1" : "+m"(*(any64 *)p), "+r"(val) : : "memory");
    soft_set(c, n, op->reg, val);
}
INLINE void xchg_eg_reg(struct soft *c, const struct soft_op *op, int n)
{
    uint64_t a = soft_get(c, n, op->rm), b = soft_get(c, n, op->reg);

    soft_set(c, n, op->rm, b);
    soft_set(c, n, op->reg, a);
}
CHANGE_FAMILY(xchg_eg);

/* With RAX itself it does nothing, not even to RAX's upper half: that is NOP. */
INLINE void xchg_z(struct soft *c, const struct soft_op *op, int n)
{
    uint64_t a = soft_get(c, n, op->rm), b = soft_reg(c, n, RAX);

    if (op->rm == RAX * 8)
        return;
    soft_set(c, n, op->rm, b);
    soft_set_reg(c, n, RAX, a);
}
PLAIN_FAMILY_16(xchg_z);

static void nop(struct soft *c, const struct soft_op *op)
{
    SOFT_NEXT(c, op);
}

/* ---- The stack ---- */

INLINE uint64_t push_z(struct soft *c, const struct soft_op *op, int n)
{
    return soft_get(c, n, op->rm);
}
PUSH_FAMILY(push_z);

INLINE uint64_t push_i(struct soft *c, const struct soft_op *op, int n)
{
    (void)c, (void)n;
    return op->imm;
}
PUSH_FAMILY(push_i);

INLINE void pop_z(struct soft *c, const struct soft_op *op, int n, uint64_t val)
{
    soft_set(c, n, op->rm, val);
}
POP_FAMILY(pop_z);

static void push_m(struct soft *c, const struct soft_op *op)
{
    soft_push(c, op, ANYHOW, op->osize, soft_load(c, op, ANYHOW, op->osize));
    SOFT_NEXT(c, op);
}

/* An address with rSP is that after the pop; yet nothing changes before the store. */
static void pop_m(struct soft *c, const struct soft_op *op)
{
    int n = op->osize;
    uint64_t val = soft_stack_load(c, op, ANYHOW, n, 0), old = c->r[RSP], popped;

    soft_set_sp(c, ANYHOW, soft_sp(c, ANYHOW) + (1 << n));
    popped = c->r[RSP];
    uint64_t offset = soft_offset(c, op);

    c->r[RSP] = old;
    soft_store_at(c, op, op->segment,
                  soft_segmented(c, op, op->segment, offset, 1 << n, ACCESS_WRITE), n, val);
    c->r[RSP] = popped;
    SOFT_NEXT(c, op);
}

/* What lies at an offset of the stack segment. */
INLINE uint64_t frame_linear(struct soft *c, const struct soft_op *op, uint64_t offset, int n,
                             int access)
{
    return soft_segmented(c, op, SS, soft_cut(c->stack_size, offset), 1 << n, access);
}

static void enter(struct soft *c, const struct soft_op *op)
{
    int n = op->osize, level = op->imm2 & 31;
    uint64_t sp = soft_sp(c, ANYHOW) - (1 << n), bp = c->r[RBP], old = c->r[RSP], frame;

    /* What the stack pointer is after the first push. */
    soft_set_sp(c, ANYHOW, sp);
    frame = c->r[RSP];
    c->r[RSP] = old;
    soft_store_at(c, op, SS, frame_linear(c, op, sp, n, ACCESS_WRITE), n, bp);
    for (int i = 1; i < level; i++) {
        bp -= 1 << n;
        uint64_t val = soft_load_at(c, op, SS, frame_linear(c, op, bp, n, ACCESS_READ), n);

        sp -= 1 << n;
        soft_store_at(c, op, SS, frame_linear(c, op, sp, n, ACCESS_WRITE), n, val);
    }
    if (level) {
        sp -= 1 << n;
        soft_store_at(c, op, SS, frame_linear(c, op, sp, n, ACCESS_WRITE), n, frame);
    }
    sp -= op->imm;
    /* It shall be possible to write there. */
    c->op = op;
    soft_probe(c, SS, frame_linear(c, op, sp, n, ACCESS_WRITE), 1 << n, ACCESS_WRITE);
    soft_set_reg(c, n, RBP, frame);
    soft_set_sp(c, ANYHOW, sp);
    SOFT_NEXT(c, op);
}

static void leave(struct soft *c, const struct soft_op *op)
{
    int n = op->osize;
    uint64_t bp = soft_cut(c->stack_size, c->r[RBP]);
    uint64_t val = soft_load_at(c, op, SS, frame_linear(c, op, bp, n, ACCESS_READ), n);

    soft_set_sp(c, ANYHOW, bp + (1 << n));
    soft_set_reg(c, n, RBP, val);
    SOFT_NEXT(c, op);
}

static void leave64(struct soft *c, const struct soft_op *op)
{
    uint64_t bp = c->r[RBP];
    const void *p = soft_quick_at(c, bp, 3, ACCESS_READ);

    if (unlikely(!p))
        return leave(c, op);
    c->r[RSP] = bp + 8;
    c->r[RBP] = soft_peek(p, 3);
    SOFT_NEXT(c, op);
}

static const struct soft_family leave_family = {
    .mem = {[FLAT64] = {NULL, leave, NULL, leave64},
            [FLAT32] = {NULL, leave, leave},
            [ANYHOW] = {NULL, leave, leave, leave}},
};

/* ---- Conditions ---- */

/* What is not moved is loaded all the same, and 32 bits clear the upper half all the same. */
INLINE void cmov(struct soft *c, const struct soft_op *op, int n, const void *p, int cc)
{
    uint64_t val = soft_peek(p, n), old = soft_get(c, n, op->reg);

    soft_set(c, n, op->reg, soft_condition(c, cc) ? val : old);
}

INLINE void cmov_any(struct soft *c, const struct soft_op *op, int n, const void *p)
{
    cmov(c, op, n, p, op->opcode & 15);
}
SOFT_MEMORY_LOADS(cmov_any, 1, 1)
SOFT_MEMORY_LOADS(cmov_any, 2, 2)
SOFT_MEMORY_LOADS(cmov_any, 3, 3)

INLINE uint64_t set_any(struct soft *c, const struct soft_op *op, int n)
{
    (void)n;
    return soft_condition(c, op->opcode & 15);
}
SOFT_MEMORY_STORES(set_any, 0)

/* With registers each condition has its own handler. */
#define CONDITION(cc)                                                                              \
    static void cmov##cc##_reg_1(struct soft *c, const struct soft_op *op)                         \
    {                                                                                              \
        cmov(c, op, 1, soft_place(c, op->rm), 0x##cc);                                             \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    static void cmov##cc##_reg_2(struct soft *c, const struct soft_op *op)                         \
    {                                                                                              \
        cmov(c, op, 2, soft_place(c, op->rm), 0x##cc);                                             \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    static void cmov##cc##_reg_3(struct soft *c, const struct soft_op *op)                         \
    {                                                                                              \
        cmov(c, op, 3, soft_place(c, op->rm), 0x##cc);                                             \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    static const struct soft_family cmov##cc##_family = {                                          \
        .reg = {NULL, cmov##cc##_reg_1, cmov##cc##_reg_2, cmov##cc##_reg_3},                       \
        .mem = {[FLAT64] = {NULL, cmov_any_FLAT64_1, cmov_any_FLAT64_2, cmov_any_FLAT64_3},        \
                [FLAT32] = {NULL, cmov_any_FLAT32_1, cmov_any_FLAT32_2},                           \
                [ANYHOW] = {NULL, cmov_any_ANYHOW_1, cmov_any_ANYHOW_2, cmov_any_ANYHOW_3}},       \
    };                                                                                             \
    static void set##cc##_reg(struct soft *c, const struct soft_op *op)                            \
    {                                                                                              \
        soft_set(c, 0, op->rm, soft_condition(c, 0x##cc));                                         \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    static const struct soft_family set##cc##_family = {                                           \
        .reg = {set##cc##_reg},                                                                    \
        .mem = {[FLAT64] = {set_any_FLAT64_0},                                                     \
                [FLAT32] = {set_any_FLAT32_0},                                                     \
                [ANYHOW] = {set_any_ANYHOW_0}},                                                    \
    }

CONDITION(0);
CONDITION(1);
CONDITION(2);
CONDITION(3);
CONDITION(4);
CONDITION(5);
CONDITION(6);
CONDITION(7);
CONDITION(8);
CONDITION(9);
CONDITION(a);
CONDITION(b);
CONDITION(c);
CONDITION(d);
CONDITION(e);
CONDITION(f);

/* ---- RAX, and the flags ---- */

INLINE void cbw(struct soft *c, const struct soft_op *op, int n)
{
    (void)op;
    soft_set_reg(c, n, RAX, soft_sign(n - 1, c->r[RAX]));
}
PLAIN_FAMILY_16(cbw);

INLINE void cwd(struct soft *c, const struct soft_op *op, int n)
{
    (void)op;
    soft_set_reg(c, n, RDX, (int64_t)soft_sign(n, c->r[RAX]) < 0 ? UINT64_MAX : 0);
}
PLAIN_FAMILY_16(cwd);

static void xlat(struct soft *c, const struct soft_op *op)
{
    uint64_t offset = soft_cut(op->asize, c->r[RBX] + soft_reg(c, 0, RAX));
    uint64_t linear = soft_segmented(c, op, op->segment, offset, 1, ACCESS_READ);

    soft_set_reg(c, 0, RAX, soft_load_at(c, op, op->segment, linear, 0));
    SOFT_NEXT(c, op);
}

/* Where the n-th of eight registers is, in the stack that PUSHA has left or POPA finds at sp. */
static uint64_t pushed(struct soft *c, const struct soft_op *op, uint64_t sp, int n, int access)
{
    uint64_t at = sp + ((7 - n) << op->osize);

    return soft_stack_linear(c, op, ANYHOW, at, 1 << op->osize, access);
}

static void pusha(struct soft *c, const struct soft_op *op)
{
    uint64_t sp = soft_sp(c, ANYHOW) - (8 << op->osize);

    c->op = op;
    for (int n = 0; n < 8; n++)
        soft_probe(c, SS, pushed(c, op, sp, n, ACCESS_WRITE), 1 << op->osize, ACCESS_WRITE);
    for (int n = 0; n < 8; n++)
        soft_store_at(c, op, SS, pushed(c, op, sp, n, ACCESS_WRITE), op->osize,
                      soft_reg(c, op->osize, n));
    soft_set_sp(c, ANYHOW, sp);
    SOFT_NEXT(c, op);
}

static void popa(struct soft *c, const struct soft_op *op)
{
    uint64_t sp = soft_sp(c, ANYHOW);

    c->op = op;
    for (int n = RDI; n >= RAX; n--)
        soft_probe(c, SS, pushed(c, op, sp, n, ACCESS_READ), 1 << op->osize, ACCESS_READ);
    for (int n = RAX; n <= RDI; n++) {
        uint64_t val = soft_load_at(c, op, SS, pushed(c, op, sp, n, ACCESS_READ), op->osize);

        if (n != RSP)
            soft_set_reg(c, op->osize, n, val);
    }
    soft_set_sp(c, ANYHOW, sp + (8 << op->osize));
    SOFT_NEXT(c, op);
}

static void salc(struct soft *c, const struct soft_op *op)
{
    soft_set_reg(c, 0, RAX, soft_arith(c) & EFLAGS_CF ? 0xff : 0);
    SOFT_NEXT(c, op);
}

static void lahf(struct soft *c, const struct soft_op *op)
{
    soft_set(c, 0, RAX * 8 + 1, (soft_arith(c) & 0xff) | EFLAGS_FIXED);
    SOFT_NEXT(c, op);
}

static void sahf(struct soft *c, const struct soft_op *op)
{
    uint64_t ah = soft_get(c, 0, RAX * 8 + 1);

    soft_set_arith(c, (ah & 0xff) | (soft_arith(c) & EFLAGS_OF));
    SOFT_NEXT(c, op);
}

static void clc(struct soft *c, const struct soft_op *op)
{
    soft_set_arith(c, soft_arith(c) & ~EFLAGS_CF);
    SOFT_NEXT(c, op);
}

static void stc(struct soft *c, const struct soft_op *op)
{
    soft_set_arith(c, soft_arith(c) | EFLAGS_CF);
    SOFT_NEXT(c, op);
}

static void cmc(struct soft *c, const struct soft_op *op)
{
    soft_set_arith(c, soft_arith(c) ^ EFLAGS_CF);
    SOFT_NEXT(c, op);
}

static void cld(struct soft *c, const struct soft_op *op)
{
    c->eflags &= ~EFLAGS_DF;
    SOFT_NEXT(c, op);
}

static void std(struct soft *c, const struct soft_op *op)
{
    c->eflags |= EFLAGS_DF;
    SOFT_NEXT(c, op);
}

/* clang-format off */
#define CONDITION_ROWS(digit, cc)                                                                  \
    {"0f 4" #digit, "cmov" cc " Gv,Ev", .family = &cmov##digit##_family},                     \
    {"0f 9" #digit, "set" cc " Eb", .family = &set##digit##_family}

const struct soft_row soft_move_rows[] = {
    {"88", "mov Eb,Gb", .family = &mov_eg_family},
    {"89", "mov Ev,Gv", .family = &mov_eg_family},
    {"8a", "mov Gb,Eb", .family = &mov_ge_family},
    {"8b", "mov Gv,Ev", .family = &mov_ge_family},
    {"a0", "mov al,Ob", .family = &mov_ge_family},
    {"a1", "mov rax,Ov", .family = &mov_ge_family},
    {"a2", "mov Ob,al", .family = &mov_eg_family},
    {"a3", "mov Ov,rax", .family = &mov_eg_family},
    {"b0+r", "mov Zb,Ib", .family = &mov_ei_family},
    {"b8+r", "mov Zv,Iv", .family = &mov_ei_family},
    {"c6 /0", "mov Eb,Ib", .family = &mov_ei_family},
    {"c7 /0", "mov Ev,Iz", .family = &mov_ei_family},
    {"np 0f c3", "movnti My,Gy", .family = &mov_eg_family},
    {"0f b6", "movzx Gv,Eb", .family = &movzx8_family},
    {"0f b7", "movzx Gv,Ew", .family = &movzx16_family},
    {"0f be", "movsx Gv,Eb", .family = &movsx8_family},
    {"0f bf", "movsx Gv,Ew", .family = &movsx16_family},
    {"63", "movsxd Gv,Ed", .family = &movsxd_family, .attributes = ROW_ONLY64},
    {"0f 38 f0", "movbe Gv,Mv", .run = movbe_gm},
    {"0f 38 f1", "movbe Mv,Gv", .run = movbe_mg},
    {"0f c8+r", "bswap Zv", .family = &bswap_family},
    {"8d", "lea Gv,M", .family = &lea_family},
    {"86", "xchg Eb,Gb", .family = &xchg_eg_family, .lock = xchg_eg_lock, .attributes = ROW_LOCK},
    {"87", "xchg Ev,Gv", .family = &xchg_eg_family, .lock = xchg_eg_lock, .attributes = ROW_LOCK},
    {"90+r", "xchg Zv,rax", .family = &xchg_z_family},
    {"50+r", "push Zv", .family = &push_z_family, .attributes = ROW_DEFAULT64 | ROW_STACK},
    {"58+r", "pop Zv", .family = &pop_z_family, .attributes = ROW_DEFAULT64 | ROW_STACK},
    {"68", "push Iz", .family = &push_i_family, .attributes = ROW_DEFAULT64 | ROW_STACK},
    {"6a", "push Ib", .family = &push_i_family, .attributes = ROW_DEFAULT64 | ROW_STACK},
    {"ff /6 reg", "push Ev", .family = &push_z_family, .attributes = ROW_DEFAULT64 | ROW_STACK},
    {"ff /6 mem", "push Ev", .run = push_m, .attributes = ROW_DEFAULT64},
    {"8f /0 reg", "pop Ev", .family = &pop_z_family, .attributes = ROW_DEFAULT64 | ROW_STACK},
    {"8f /0 mem", "pop Ev", .run = pop_m, .attributes = ROW_DEFAULT64},
    {"60", "pusha", .run = pusha, .attributes = ROW_NO64},
    {"61", "popa", .run = popa, .attributes = ROW_NO64},
    {"c8", "enter Iw,Ib", .run = enter, .attributes = ROW_DEFAULT64},
    {"c9", "leave", .family = &leave_family, .attributes = ROW_DEFAULT64 | ROW_STACK},
    CONDITION_ROWS(0, "o"),
    CONDITION_ROWS(1, "no"),
    CONDITION_ROWS(2, "b"),
    CONDITION_ROWS(3, "ae"),
    CONDITION_ROWS(4, "e"),
    CONDITION_ROWS(5, "ne"),
    CONDITION_ROWS(6, "be"),
    CONDITION_ROWS(7, "a"),
    CONDITION_ROWS(8, "s"),
    CONDITION_ROWS(9, "ns"),
    CONDITION_ROWS(a, "p"),
    CONDITION_ROWS(b, "np"),
    CONDITION_ROWS(c, "l"),
    CONDITION_ROWS(d, "ge"),
    CONDITION_ROWS(e, "le"),
    CONDITION_ROWS(f, "g"),
    {"98", "cbw", .family = &cbw_family},
    {"99", "cwd", .family = &cwd_family},
    {"d7", "xlat", .run = xlat},
    {"d6", "salc", .run = salc, .attributes = ROW_NO64},
    {"9e", "sahf", .run = sahf},
    {"9f", "lahf", .run = lahf},
    {"f5", "cmc", .run = cmc},
    {"f8", "clc", .run = clc},
    {"f9", "stc", .run = stc},
    {"fc", "cld", .run = cld},
    {"fd", "std", .run = std},
    /* Hints, and what later processors have as instructions that others take for NOP. */
    {"0f 0d mem", "prefetchw Mb", .run = nop},
    {"0f 18", "prefetch Ev", .run = nop},
    {"0f 19", "nop Ev", .run = nop},
    {"0f 1a", "nop Ev", .run = nop},
    {"0f 1b", "nop Ev", .run = nop},
    {"0f 1c", "nop Ev", .run = nop},
    {"0f 1d", "nop Ev", .run = nop},
    {"0f 1e", "nop Ev", .run = nop},
    {"0f 1f", "nop Ev", .run = nop},
    {0},
};
