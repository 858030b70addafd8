// SPDX-License-Identifier: MIT
/*
 * Moves: between registers and memory, to and from the stack, with conditions and conversions; and
 * the instructions that do nothing.
 *
 * What comes in several sizes is in move-sized.h.
 *
 * After: Intel SDM vol. 2, "Instruction Set Reference".
 *
 * Left out: nothing.
 */
#include "x86/soft/family.h"

INLINE uint64_t swapped(int n, uint64_t val)
{
    return n == 1   ? __builtin_bswap16(val)
           : n == 2 ? __builtin_bswap32(val)
                    : __builtin_bswap64(val);
}

/* They have no REP prefix. */
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

static void nop(struct soft *c, const struct soft_op *op)
{
    SOFT_NEXT(c, op);
}

/* ---- the stack ---- */

static void push_m(struct soft *c, const struct soft_op *op)
{
    soft_push(c, op, ANYHOW, op->osize, soft_load(c, op, ANYHOW, op->osize));
    SOFT_NEXT(c, op);
}

/* An address with rSP uses the value after the pop; yet nothing changes before the store. */
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
    /* A write there must be possible. */
    c->op = op;
    soft_probe(c, SS, frame_linear(c, op, sp, n, ACCESS_WRITE), 1 << n, ACCESS_WRITE);
    soft_set_reg(c, n, RBP, frame);
    soft_set_sp(c, ANYHOW, sp);
    SOFT_NEXT(c, op);
}

#define TEMPLATE "x86/soft/move-sized.h"
#include "x86/soft/sizes.h"

/* ---- RAX, and the flags ---- */

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
    uint64_t sp = soft_sp(c, ANYHOW), val[8];

    for (int n = RDI; n >= RAX; n--)
        val[n] = soft_load_at(c, op, SS, pushed(c, op, sp, n, ACCESS_READ), op->osize);
    for (int n = RAX; n <= RDI; n++)
        if (n != RSP)
            soft_set_reg(c, op->osize, n, val[n]);
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
SOFT_TABLE(soft_move_rows)
    ROW("88", "mov Eb,Gb", .forms = SIZES(mov_eg))
    ROW("89", "mov Ev,Gv", .forms = SIZES(mov_eg))
    ROW("8a", "mov Gb,Eb", .forms = SIZES(mov_ge))
    ROW("8b", "mov Gv,Ev", .forms = SIZES(mov_ge))
    ROW("a0", "mov al,Ob", .forms = SIZES(mov_ge))
    ROW("a1", "mov rax,Ov", .forms = SIZES(mov_ge))
    ROW("a2", "mov Ob,al", .forms = SIZES(mov_eg))
    ROW("a3", "mov Ov,rax", .forms = SIZES(mov_eg))
    ROW("b0+r", "mov Zb,Ib", .forms = SIZES(mov_ei))
    ROW("b8+r", "mov Zv,Iv", .forms = SIZES(mov_ei))
    ROW("c6 /0", "mov Eb,Ib", .forms = SIZES(mov_ei))
    ROW("c7 /0", "mov Ev,Iz", .forms = SIZES(mov_ei))
    ROW("np 0f c3", "movnti My,Gy", .forms = SIZES(mov_eg))
    ROW("0f b6", "movzx Gv,Eb", .forms = SIZES_16(movzx8))
    ROW("0f b7", "movzx Gv,Ew", .forms = SIZES_16(movzx16))
    ROW("0f be", "movsx Gv,Eb", .forms = SIZES_16(movsx8))
    ROW("0f bf", "movsx Gv,Ew", .forms = SIZES_16(movsx16))
    ROW("63", "movsxd Gv,Ed", .forms = SIZES_16(movsxd), .attributes = ROW_ONLY64)
    ROW("0f 38 f0", "movbe Gv,Mv", .run = movbe_gm)
    ROW("0f 38 f1", "movbe Mv,Gv", .run = movbe_mg)
    ROW("0f c8+r", "bswap Zv", .forms = SIZES_16(bswap))
    ROW("8d", "lea Gv,M", .forms = SIZES_16(lea))
    ROW("86", "xchg Eb,Gb", .forms = SIZES(xchg_eg))
    ROW("87", "xchg Ev,Gv", .forms = SIZES(xchg_eg))
    ROW("90+r", "xchg Zv,rax", .forms = SIZES_16(xchg_z))
    ROW("50+r", "push Zv", .forms = SIZES_16(push_z), .attributes = ROW_DEFAULT64 | ROW_STACK)
    ROW("58+r", "pop Zv", .forms = SIZES_16(pop_z), .attributes = ROW_DEFAULT64 | ROW_STACK)
    ROW("68", "push Iz", .forms = SIZES_16(push_i), .attributes = ROW_DEFAULT64 | ROW_STACK)
    ROW("6a", "push Ib", .forms = SIZES_16(push_i), .attributes = ROW_DEFAULT64 | ROW_STACK)
    ROW("ff /6 reg", "push Ev", .forms = SIZES_16(push_z), .attributes = ROW_DEFAULT64 | ROW_STACK)
    ROW("ff /6 mem", "push Ev", .run = push_m, .attributes = ROW_DEFAULT64)
    ROW("8f /0 reg", "pop Ev", .forms = SIZES_16(pop_z), .attributes = ROW_DEFAULT64 | ROW_STACK)
    ROW("8f /0 mem", "pop Ev", .run = pop_m, .attributes = ROW_DEFAULT64)
    ROW("60", "pusha", .run = pusha, .attributes = ROW_NO64)
    ROW("61", "popa", .run = popa, .attributes = ROW_NO64)
    ROW("c8", "enter Iw,Ib", .run = enter, .attributes = ROW_DEFAULT64)
    ROW("c9", "leave", .forms = SIZES_16(leave), .attributes = ROW_DEFAULT64 | ROW_STACK)
    ROW("0f 40", "cmovo Gv,Ev", .forms = SIZES_16(cmovo))
    ROW("0f 41", "cmovno Gv,Ev", .forms = SIZES_16(cmovno))
    ROW("0f 42", "cmovb Gv,Ev", .forms = SIZES_16(cmovb))
    ROW("0f 43", "cmovae Gv,Ev", .forms = SIZES_16(cmovae))
    ROW("0f 44", "cmove Gv,Ev", .forms = SIZES_16(cmove))
    ROW("0f 45", "cmovne Gv,Ev", .forms = SIZES_16(cmovne))
    ROW("0f 46", "cmovbe Gv,Ev", .forms = SIZES_16(cmovbe))
    ROW("0f 47", "cmova Gv,Ev", .forms = SIZES_16(cmova))
    ROW("0f 48", "cmovs Gv,Ev", .forms = SIZES_16(cmovs))
    ROW("0f 49", "cmovns Gv,Ev", .forms = SIZES_16(cmovns))
    ROW("0f 4a", "cmovp Gv,Ev", .forms = SIZES_16(cmovp))
    ROW("0f 4b", "cmovnp Gv,Ev", .forms = SIZES_16(cmovnp))
    ROW("0f 4c", "cmovl Gv,Ev", .forms = SIZES_16(cmovl))
    ROW("0f 4d", "cmovge Gv,Ev", .forms = SIZES_16(cmovge))
    ROW("0f 4e", "cmovle Gv,Ev", .forms = SIZES_16(cmovle))
    ROW("0f 4f", "cmovg Gv,Ev", .forms = SIZES_16(cmovg))
    ROW("0f 90", "seto Eb", .forms = {&seto_forms_b})
    ROW("0f 91", "setno Eb", .forms = {&setno_forms_b})
    ROW("0f 92", "setb Eb", .forms = {&setb_forms_b})
    ROW("0f 93", "setae Eb", .forms = {&setae_forms_b})
    ROW("0f 94", "sete Eb", .forms = {&sete_forms_b})
    ROW("0f 95", "setne Eb", .forms = {&setne_forms_b})
    ROW("0f 96", "setbe Eb", .forms = {&setbe_forms_b})
    ROW("0f 97", "seta Eb", .forms = {&seta_forms_b})
    ROW("0f 98", "sets Eb", .forms = {&sets_forms_b})
    ROW("0f 99", "setns Eb", .forms = {&setns_forms_b})
    ROW("0f 9a", "setp Eb", .forms = {&setp_forms_b})
    ROW("0f 9b", "setnp Eb", .forms = {&setnp_forms_b})
    ROW("0f 9c", "setl Eb", .forms = {&setl_forms_b})
    ROW("0f 9d", "setge Eb", .forms = {&setge_forms_b})
    ROW("0f 9e", "setle Eb", .forms = {&setle_forms_b})
    ROW("0f 9f", "setg Eb", .forms = {&setg_forms_b})
    ROW("98", "cbw", .forms = SIZES_16(cbw))
    ROW("99", "cwd", .forms = SIZES_16(cwd))
    ROW("d7", "xlat", .run = xlat)
    ROW("d6", "salc", .run = salc, .attributes = ROW_NO64)
    ROW("9e", "sahf", .run = sahf)
    ROW("9f", "lahf", .run = lahf)
    ROW("f5", "cmc", .run = cmc)
    ROW("f8", "clc", .run = clc)
    ROW("f9", "stc", .run = stc)
    ROW("fc", "cld", .run = cld)
    ROW("fd", "std", .run = std)
    /* Hints, and instructions of later processors that others take for NOP. */
    ROW("0f 0d mem", "prefetchw Mb", .run = nop)
    ROW("0f 18", "prefetch Ev", .run = nop)
    ROW("0f 19", "nop Ev", .run = nop)
    ROW("0f 1a", "nop Ev", .run = nop)
    ROW("0f 1b", "nop Ev", .run = nop)
    ROW("0f 1c", "nop Ev", .run = nop)
    ROW("0f 1d", "nop Ev", .run = nop)
    ROW("0f 1e", "nop Ev", .run = nop)
    ROW("0f 1f", "nop Ev", .run = nop)
SOFT_TABLE_END
