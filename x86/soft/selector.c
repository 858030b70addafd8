// SPDX-License-Identifier: MIT
/*
 * Instructions on selectors and descriptor tables.
 *
 * After: Intel SDM vol. 2, "MOV", "PUSH", "POP", "LDS/LES/LFS/LGS/LSS", "LLDT", "LTR", "SLDT",
 * "STR", "LAR", "LSL", "VERR/VERW", "ARPL", "LGDT/LIDT", "SGDT", "SIDT".
 *
 * Left out: nothing.
 */
#include "x86/soft/segment.h"

#define NOINLINE static __attribute__((noinline))

static void set_zf(struct soft *c, bool zf)
{
    c->arith = (c->arith & ~(EFLAGS_ZF << 8)) | (zf ? EFLAGS_ZF << 8 : 0);
}

static void need_cpl0(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    if (c->cpl)
        soft_raise_code(c, EXCEPTION_GP, 0);
}

/* Under UMIP, programs may not use SGDT, SIDT, SLDT and STR. */
static void check_umip(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    if (c->cpl && c->cr4 & CR4_UMIP)
        soft_raise_code(c, EXCEPTION_GP, 0);
}

/* A selector to a register of the operand's size, or to 16 bits of memory. */
static void store_selector(struct soft *c, const struct soft_op *op, uint16_t selector)
{
    if (op->mem)
        soft_store(c, op, ANYHOW, 1, selector);
    else
        soft_set(c, op->osize, op->rm, selector);
}

/* ---- segment registers ---- */

/* Load a segment register. Must the line end? */
static bool load(struct soft *c, const struct soft_op *op, int seg, uint16_t selector)
{
    uint32_t mode = c->mode;

    c->op = op;
    soft_load_segment(c, seg, selector);
    return c->mode != mode;
}

static void mov_from_segment(struct soft *c, const struct soft_op *op)
{
    if (op->reg >= SEGMENTS) {
        c->op = op;
        soft_raise(c, EXCEPTION_UD);
    }
    store_selector(c, op, c->segment[op->reg].selector);
    SOFT_NEXT(c, op);
}

static void mov_to_segment(struct soft *c, const struct soft_op *op)
{
    int seg = op->reg;

    if (seg >= SEGMENTS || seg == CS) {
        c->op = op;
        soft_raise(c, EXCEPTION_UD);
    }
    bool leaves = load(c, op, seg, soft_load_e(c, op, 1));

    if (seg == SS) {
        c->shadow = c->quiet = true;
        leaves = true;
    }
    if (leaves)
        return soft_leave(c, op);
    SOFT_NEXT(c, op);
}

/* The segment of PUSH and POP, by the opcode. */
static int segment_of_opcode(const struct soft_op *op)
{
    return op->opcode >> 3 & (op->opcode & 0x80 ? 5 : 3);
}

/* Only 16 bits are written, whatever the size of the item. */
static void push_segment(struct soft *c, const struct soft_op *op)
{
    int n = op->osize == 3 ? 3 : 1; /* of 32 bits only half is written */
    uint64_t sp = soft_sp(c, ANYHOW) - (1 << op->osize);

    soft_store_at(c, op, SS, soft_stack_linear(c, op, ANYHOW, sp, 1 << n, ACCESS_WRITE), n,
                  c->segment[segment_of_opcode(op)].selector);
    soft_set_sp(c, ANYHOW, sp);
    SOFT_NEXT(c, op);
}

/* The stack pointer has the size that it had before. */
static void pop_segment(struct soft *c, const struct soft_op *op)
{
    int seg = segment_of_opcode(op), size = c->stack_size;
    uint64_t sp = soft_sp(c, ANYHOW) + (1 << op->osize);
    bool leaves = load(c, op, seg, soft_stack_load(c, op, ANYHOW, 1, 0));

    if (size == 1)
        *(any16 *)&c->r[RSP] = sp;
    else
        c->r[RSP] = soft_cut(size, sp);
    if (seg == SS) {
        c->shadow = c->quiet = true;
        leaves = true;
    }
    if (leaves)
        return soft_leave(c, op);
    SOFT_NEXT(c, op);
}

static void load_far_pointer(struct soft *c, const struct soft_op *op)
{
    int size = 1 << op->osize;
    int seg = op->opcode == 0xc4 ? ES : op->opcode == 0xc5 ? DS : op->opcode & 7;
    uint64_t linear = soft_linear(c, op, ANYHOW, size + 2, ACCESS_READ);
    uint64_t offset = soft_load_at(c, op, op->segment, linear, op->osize);
    uint16_t selector = soft_load_at(c, op, op->segment, (linear + size) & c->linear_mask, 1);
    bool leaves = load(c, op, seg, selector);

    soft_set(c, op->osize, op->reg, offset);
    if (leaves)
        return soft_leave(c, op);
    SOFT_NEXT(c, op);
}

/* ---- LDTR and TR ---- */

static void sldt(struct soft *c, const struct soft_op *op)
{
    check_umip(c, op);
    store_selector(c, op, c->ldt.selector);
    SOFT_NEXT(c, op);
}

static void str(struct soft *c, const struct soft_op *op)
{
    check_umip(c, op);
    store_selector(c, op, c->tr.selector);
    SOFT_NEXT(c, op);
}

static void lldt(struct soft *c, const struct soft_op *op)
{
    need_cpl0(c, op);
    soft_load_ldt(c, soft_load_e(c, op, 1), EXCEPTION_GP, EXCEPTION_NP, 0);
    SOFT_NEXT(c, op);
}

NOINLINE void load_tr(struct soft *c, uint16_t selector)
{
    struct soft_descriptor d;
    bool lma = soft_long_mode(c);

    if (soft_is_null(selector))
        soft_raise_code(c, EXCEPTION_GP, 0);
    if (selector & 4 || !soft_find_descriptor(c, selector, &d) || !soft_is_tss(&d.s) ||
        d.s.type & TYPE_BUSY ||
        (lma && (d.s.type != TYPE_TSS32 || d.raw_high >> 40 & 0x1f || !soft_canonical(d.s.base))))
        soft_raise_selector(c, EXCEPTION_GP, selector, 0);
    if (!d.s.present)
        soft_raise_selector(c, EXCEPTION_NP, selector, 0);
    soft_system_bits(c, d.at + 5, 0, TYPE_BUSY);
    c->tr = d.s;
    c->tr.type |= TYPE_BUSY;
}

static void ltr(struct soft *c, const struct soft_op *op)
{
    need_cpl0(c, op);
    load_tr(c, soft_load_e(c, op, 1));
    SOFT_NEXT(c, op);
}

/* ---- looking at descriptors ---- */

/* The descriptor, if the program may know of it; of system segments only those in types. */
static bool find_visible(struct soft *c, uint16_t selector, uint16_t types,
                         struct soft_descriptor *d)
{
    if (soft_is_null(selector) || !soft_find_segment(c, selector, d))
        return false;
    if (types && !soft_find_descriptor(c, selector, d))
        return false;
    if (!d->s.s && !(types >> d->s.type & 1))
        return false;
    return soft_is_conforming(&d->s) || (c->cpl <= d->s.dpl && (selector & 3) <= d->s.dpl);
}

NOINLINE bool find_rights(struct soft *c, uint16_t selector, uint64_t *val)
{
    struct soft_descriptor d;
    bool lma = soft_long_mode(c);

    /* In long mode: LDT, TSS, call gate. Else also 16-bit ones, and task gates. */
    if (!find_visible(c, selector, lma ? 0x1a04 : 0x1a3e, &d))
        return false;
    *val = d.raw >> 32 & 0xffff00;
    return true;
}

NOINLINE bool find_limit(struct soft *c, uint16_t selector, uint64_t *val)
{
    struct soft_descriptor d;

    if (!find_visible(c, selector, soft_long_mode(c) ? 0x0a04 : 0x0a0e, &d))
        return false;
    *val = d.s.limit;
    return true;
}

NOINLINE uint64_t look_up(struct soft *c, const struct soft_op *op, uint16_t selector)
{
    uint64_t val = 0;

    c->op = op;
    set_zf(c, op->opcode == 2 ? find_rights(c, selector, &val) : find_limit(c, selector, &val));
    return val;
}

/* LAR and LSL. */
static void look(struct soft *c, const struct soft_op *op)
{
    uint16_t selector = soft_load_e(c, op, 1);
    uint64_t val = look_up(c, op, selector);

    if (c->arith & EFLAGS_ZF << 8)
        soft_set(c, op->osize, op->reg, val);
    SOFT_NEXT(c, op);
}

NOINLINE bool verify(struct soft *c, uint16_t selector, bool write)
{
    struct soft_descriptor d;

    if (!find_visible(c, selector, 0, &d))
        return false;
    return write ? soft_is_writable(&d.s) : !(d.s.type & TYPE_CODE) || d.s.type & TYPE_READABLE;
}

static void verr(struct soft *c, const struct soft_op *op)
{
    uint16_t selector = soft_load_e(c, op, 1);

    c->op = op;
    set_zf(c, verify(c, selector, false));
    SOFT_NEXT(c, op);
}

static void verw(struct soft *c, const struct soft_op *op)
{
    uint16_t selector = soft_load_e(c, op, 1);

    c->op = op;
    set_zf(c, verify(c, selector, true));
    SOFT_NEXT(c, op);
}

/* Memory that stays as it is need not be writable, as AMD's processors see it. */
static void arpl(struct soft *c, const struct soft_op *op)
{
    uint16_t rpl = soft_get(c, 1, op->reg) & 3;
    uint16_t selector = soft_load_e(c, op, 1);
    bool raises = (selector & 3) < rpl;

    if (raises)
        soft_store_e(c, op, 1, (selector & ~3) | rpl);
    set_zf(c, raises);
    SOFT_NEXT(c, op);
}

/* ---- descriptor tables ---- */

/* The base has 64 bits in 64-bit mode, and is stored with 32 in all others, whatever the operand's
 * size. */
static void store_table(struct soft *c, const struct soft_op *op)
{
    const struct descriptor_table *t = (op->reg & 7) == 1 ? &c->idt : &c->gdt;
    int osize = c->code_size == 3 ? 3 : 2;

    check_umip(c, op);
    uint64_t linear = soft_linear(c, op, ANYHOW, 2 + (1 << osize), ACCESS_WRITE);

    soft_probe(c, op->segment, linear, 2 + (1 << osize), ACCESS_WRITE);
    soft_store_at(c, op, op->segment, linear, 1, t->limit);
    soft_store_at(c, op, op->segment, (linear + 2) & c->linear_mask, osize, t->base);
    SOFT_NEXT(c, op);
}

static void load_table(struct soft *c, const struct soft_op *op)
{
    struct descriptor_table *t = (op->reg & 7) == 3 ? &c->idt : &c->gdt;
    int osize = c->code_size == 3 ? 3 : 2;

    need_cpl0(c, op);
    uint64_t linear = soft_linear(c, op, ANYHOW, 2 + (1 << osize), ACCESS_READ);
    uint16_t limit = soft_load_at(c, op, op->segment, linear, 1);
    uint64_t base = soft_load_at(c, op, op->segment, (linear + 2) & c->linear_mask, osize);

    if (op->osize == 1 && osize == 2)
        base &= 0xffffff;
    c->op = op;
    if (osize == 3 && !soft_canonical(base))
        soft_raise_code(c, EXCEPTION_GP, 0);
    t->limit = limit;
    t->base = base;
    SOFT_NEXT(c, op);
}

/* clang-format off */
SOFT_TABLE(soft_selector_rows)
    ROW("8c", "mov Ev,Sw", .run = mov_from_segment)
    ROW("8e", "mov Sw,Ev", .run = mov_to_segment)
    ROW("06", "push es", .run = push_segment, .attributes = ROW_NO64)
    ROW("0e", "push cs", .run = push_segment, .attributes = ROW_NO64)
    ROW("16", "push ss", .run = push_segment, .attributes = ROW_NO64)
    ROW("1e", "push ds", .run = push_segment, .attributes = ROW_NO64)
    ROW("0f a0", "push fs", .run = push_segment, .attributes = ROW_DEFAULT64)
    ROW("0f a8", "push gs", .run = push_segment, .attributes = ROW_DEFAULT64)
    ROW("07", "pop es", .run = pop_segment, .attributes = ROW_NO64)
    ROW("17", "pop ss", .run = pop_segment, .attributes = ROW_NO64)
    ROW("1f", "pop ds", .run = pop_segment, .attributes = ROW_NO64)
    ROW("0f a1", "pop fs", .run = pop_segment, .attributes = ROW_DEFAULT64)
    ROW("0f a9", "pop gs", .run = pop_segment, .attributes = ROW_DEFAULT64)
    ROW("c4", "les Gv,Mp", .run = load_far_pointer, .attributes = ROW_NO64)
    ROW("c5", "lds Gv,Mp", .run = load_far_pointer, .attributes = ROW_NO64)
    ROW("0f b2", "lss Gv,Mp", .run = load_far_pointer)
    ROW("0f b4", "lfs Gv,Mp", .run = load_far_pointer)
    ROW("0f b5", "lgs Gv,Mp", .run = load_far_pointer)

    ROW("0f 00 /0", "sldt Ev", .run = sldt, .attributes = ROW_PROTECTED)
    ROW("0f 00 /1", "str Ev", .run = str, .attributes = ROW_PROTECTED)
    ROW("0f 00 /2", "lldt Ew", .run = lldt, .attributes = ROW_PROTECTED)
    ROW("0f 00 /3", "ltr Ew", .run = ltr, .attributes = ROW_PROTECTED)
    ROW("0f 00 /4", "verr Ew", .run = verr, .attributes = ROW_PROTECTED)
    ROW("0f 00 /5", "verw Ew", .run = verw, .attributes = ROW_PROTECTED)
    ROW("0f 02", "lar Gv,Ew", .run = look, .attributes = ROW_PROTECTED)
    ROW("0f 03", "lsl Gv,Ew", .run = look, .attributes = ROW_PROTECTED)
    ROW("63", "arpl Ew,Gw", .run = arpl, .attributes = ROW_NO64 | ROW_PROTECTED)

    ROW("0f 01 mem /0", "sgdt Ms", .run = store_table)
    ROW("0f 01 mem /1", "sidt Ms", .run = store_table)
    ROW("0f 01 mem /2", "lgdt Ms", .run = load_table)
    ROW("0f 01 mem /3", "lidt Ms", .run = load_table)
SOFT_TABLE_END
