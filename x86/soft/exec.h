/* SPDX-License-Identifier: MIT */
/*
 * What handlers are written with: registers, flags, addresses, memory, and the step to the next
 * operation.
 */
#ifndef X86_SOFT_EXEC_H
#define X86_SOFT_EXEC_H

#include "x86/soft/soft.h"

#include <string.h>

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Handlers are made of these by the hundred, each with constant sizes. */
#define INLINE static inline __attribute__((always_inline, unused))

/*
 * Go on with the next operation of the line. The compiler makes a jump of this call, so that a line
 * of any length needs one frame. So it comes last in a handler, and no local variable's address may
 * be given to others before it (use soft.scratch, or a function that is not inlined). The empty asm
 * makes the compiler step op itself; else it would load by the old op and keep both.
 */
#define SOFT_NEXT(c, op)                                                                           \
    do {                                                                                           \
        const struct soft_op *next_ = (op) + 1;                                                    \
                                                                                                   \
        asm("" : "+r"(next_));                                                                     \
        return next_->run((c), next_);                                                             \
    } while (0)

/* Guest memory and registers are accessed by whatever size the guest likes, aligned or not. */
typedef uint16_t __attribute__((may_alias, aligned(1))) any16;
typedef uint32_t __attribute__((may_alias, aligned(1))) any32;
typedef uint64_t __attribute__((may_alias, aligned(1))) any64;

INLINE uint64_t soft_peek(const void *p, int osize)
{
    return osize == 0   ? *(const uint8_t *)p
           : osize == 1 ? *(const any16 *)p
           : osize == 2 ? *(const any32 *)p
                        : *(const any64 *)p;
}

INLINE void soft_poke(void *p, int osize, uint64_t val)
{
    if (osize == 0)
        *(uint8_t *)p = val;
    else if (osize == 1)
        *(any16 *)p = val;
    else if (osize == 2)
        *(any32 *)p = val;
    else
        *(any64 *)p = val;
}

/* A general register by its offset, zero-extended; osize is log2 of the bytes. Writing 32 bits
 * clears the upper half, as in 64-bit mode; in other modes nobody sees it. */
INLINE uint64_t soft_get(const struct soft *c, int osize, uint8_t reg)
{
    return soft_peek((const uint8_t *)c->r + reg, osize);
}

INLINE void soft_set(struct soft *c, int osize, uint8_t reg, uint64_t val)
{
    if (osize == 2)
        soft_poke((uint8_t *)c->r + reg, 3, (uint32_t)val);
    else
        soft_poke((uint8_t *)c->r + reg, osize, val);
}

/* The same by its number, RAX .. R15; a byte register is the low one. */
INLINE uint64_t soft_reg(const struct soft *c, int osize, int n)
{
    return soft_get(c, osize, n * 8);
}

INLINE void soft_set_reg(struct soft *c, int osize, int n, uint64_t val)
{
    soft_set(c, osize, n * 8, val);
}

INLINE uint64_t soft_size_mask(int osize)
{
    return UINT64_MAX >> (64 - (8 << osize));
}

/* From osize to 64 bits, with the sign. */
INLINE uint64_t soft_sign(int osize, uint64_t val)
{
    return osize == 0   ? (uint64_t)(int8_t)val
           : osize == 1 ? (uint64_t)(int16_t)val
           : osize == 2 ? (uint64_t)(int32_t)val
                        : val;
}

/* The arithmetic flags, as in EFLAGS. */
INLINE uint32_t soft_arith(const struct soft *c)
{
    return (c->arith >> 8 & 0xd5) | (c->arith & 1) << 11;
}

INLINE void soft_set_arith(struct soft *c, uint32_t flags)
{
    c->arith = (flags & 0xd5) << 8 | (flags >> 11 & 1);
}

/* All of EFLAGS; to write it, control.c and system.c check who may change what. */
INLINE uint32_t soft_eflags(const struct soft *c)
{
    return c->eflags | soft_arith(c) | EFLAGS_FIXED;
}

/* A condition, by the low four bits of Jcc's opcode: any of some flags, or none of them. */
INLINE bool soft_condition(const struct soft *c, int cc)
{
    enum {
        OF = 1,
        CF = 1 << 8,
        PF = 1 << 10,
        ZF = 1 << 14,
        SF = 1 << 15,
        LESS = 1 << 16, /* SF != OF */
    };
    static const uint32_t asked[8] = {OF, CF, ZF, CF | ZF, SF, PF, LESS, LESS | ZF};
    uint32_t f = c->arith;

    f |= ((f ^ f >> 15) & 1) << 16;
    bool any = f & asked[cc >> 1];

    return any != (cc & 1);
}

/* An offset cut to 1: 16, 2: 32, 3: 64 bits. */
INLINE uint64_t soft_cut(int asize, uint64_t offset)
{
    return asize == 3 ? offset : asize == 2 ? (uint32_t)offset : (uint16_t)offset;
}

/* The offset of op's memory operand in its segment. */
INLINE uint64_t soft_offset(const struct soft *c, const struct soft_op *op)
{
    return soft_cut(op->asize,
                    soft_get(c, 3, op->base) + (soft_get(c, 3, op->index) << op->scale) + op->disp);
}

/* Raise #SS or #GP: the segment does not allow offset..offset+n-1. c->op is set. */
_Noreturn void soft_segment_fault(struct soft *c, int seg);

/* The linear address of n bytes (1 to 4096) at an offset of a segment, checked. */
INLINE uint64_t soft_segmented(struct soft *c, const struct soft_op *op, int seg, uint64_t offset,
                               int n, int access)
{
    const struct soft_window *w = &c->window[seg];

    if (unlikely(offset < w->first || offset + (n - 1) > w->last || access & ~w->rights)) {
        c->op = op;
        soft_segment_fault(c, seg);
    }
    return (w->base + offset) & c->linear_mask;
}

/* The linear address of op's memory operand of n bytes; kind is a constant: FLAT64 ... Where speed
 * does not matter, a file has only ANYHOW. */
INLINE uint64_t soft_linear(struct soft *c, const struct soft_op *op, int kind, int n, int access)
{
    uint64_t sum = soft_get(c, 3, op->base) + (soft_get(c, 3, op->index) << op->scale) + op->disp;

    if (kind == FLAT64)
        return sum;
    if (kind == FLAT32)
        return (uint32_t)sum;
    return soft_segmented(c, op, op->segment, soft_cut(op->asize, sum), n, access);
}

/* Memory at a linear address, of 1 << osize bytes. seg as in memory.c. */
INLINE uint64_t soft_load_at(struct soft *c, const struct soft_op *op, int seg, uint64_t linear,
                             int osize)
{
    const struct soft_tlb_entry *e = &c->tlb->entry[linear >> 12 & (SOFT_TLB_SIZE - 1)];

    if (likely(((linear + (1 << osize) - 1) & ~SOFT_PAGE) == e->read))
        return soft_peek((const void *)(e->host + linear), osize);
    c->op = op;
    return soft_load_slow(c, seg, linear, 1 << osize);
}

INLINE void soft_store_at(struct soft *c, const struct soft_op *op, int seg, uint64_t linear,
                          int osize, uint64_t val)
{
    const struct soft_tlb_entry *e = &c->tlb->entry[linear >> 12 & (SOFT_TLB_SIZE - 1)];

    if (likely(((linear + (1 << osize) - 1) & ~SOFT_PAGE) == e->write)) {
        soft_poke((void *)(e->host + linear), osize, val);
        return;
    }
    c->op = op;
    soft_store_slow(c, seg, linear, 1 << osize, val);
}

/* op's memory operand. */
INLINE uint64_t soft_load(struct soft *c, const struct soft_op *op, int kind, int osize)
{
    return soft_load_at(c, op, op->segment, soft_linear(c, op, kind, 1 << osize, ACCESS_READ),
                        osize);
}

INLINE void soft_store(struct soft *c, const struct soft_op *op, int kind, int osize, uint64_t val)
{
    soft_store_at(c, op, op->segment, soft_linear(c, op, kind, 1 << osize, ACCESS_WRITE), osize,
                  val);
}

/* Does it lie across two lines of the host's cache? There a locked instruction would hold up all of
 * the host's processors, or fault where the host forbids that. */
INLINE bool soft_splits(uint64_t linear, int size)
{
    return (linear & (SOFT_CACHE_LINE - 1)) + size > SOFT_CACHE_LINE;
}

/* op's memory operand, to be read, changed and written back: where it is on the host. Nothing that
 * raises may come between this and soft_rmw_end(). Atomic with a LOCK instruction of the host, but
 * for a copy: see soft_rmw_slow(). */
INLINE void *soft_rmw(struct soft *c, const struct soft_op *op, int kind, int osize)
{
    uint64_t linear = soft_linear(c, op, kind, 1 << osize, ACCESS_READ | ACCESS_WRITE);
    const struct soft_tlb_entry *e = &c->tlb->entry[linear >> 12 & (SOFT_TLB_SIZE - 1)];

    if (likely(((linear + (1 << osize) - 1) & ~SOFT_PAGE) == e->write &&
               !soft_splits(linear, 1 << osize)))
        return (void *)(e->host + linear);
    c->op = op;
    return soft_rmw_slow(c, op->segment, linear, 1 << osize);
}

INLINE void soft_rmw_end(struct soft *c)
{
    if (unlikely(c->bounce.left))
        soft_rmw_commit(c);
}

/* The operand E: a register or memory, of a size that is only known when it runs. */
INLINE uint64_t soft_load_e(struct soft *c, const struct soft_op *op, int osize)
{
    return op->mem ? soft_load(c, op, ANYHOW, osize) : soft_get(c, osize, op->rm);
}

INLINE void soft_store_e(struct soft *c, const struct soft_op *op, int osize, uint64_t val)
{
    if (op->mem)
        soft_store(c, op, ANYHOW, osize, val);
    else
        soft_set(c, osize, op->rm, val);
}

/* The handlers of an operation with operands of one size, by where its operand E is; NULL where it
 * cannot be. family.h makes them. */
struct soft_forms {
    soft_handler *reg, *mem[KINDS];
    soft_handler *lock;                       /* memory, with LOCK; NULL: #UD */
    soft_handler *reg_jump, *mem_jump[KINDS]; /* do the conditional jump behind it, too, or NULL */
};

/*
 * Tables of opcodes. A row reads like the manual's: the encoding, the mnemonic and operands in the
 * notation of its appendix "Opcode Map", what executes it, and attributes.
 *
 *     encoding   [vex] [np|66|f3|f2] [0f [38|3a]] OP[+r] [/n] [mem|reg] [=MODRM]
 *                np: no prefix 66, f3 or f2 may stand before; without any of the four they may, and
 *                66 is the operand-size prefix. /n: ModRM.reg is n. mem, reg: what ModRM names.
 *                =MODRM: the whole ModRM byte, in hex. +r: a register in the opcode's low bits.
 *     operands   E G M R: general register or memory by ModRM; S C D: segment, control, debug
 *                register in ModRM.reg; P Q N: MMX, V W U: XMM (reg, rm, rm only a register);
 *                B: VEX.vvvv; I J O A: immediate, branch, offset, far pointer; Z: register of +r;
 *                X Y: strings; lower case and other words (al, dx, 1, cl, st0, st(i)): implied.
 *     sizes      b w d q, dq; v: by operand size; z: v, but an immediate of 32 bits at most;
 *                y: 32, or 64 with REX.W; p: far pointer; x, s and others: as the handler knows.
 *                op->osize is that of the first operand with a size of b w d q v z y.
 */
struct soft_row {
    const char *encoding, *text;
    soft_handler *run;                     /* executes all of it, or NULL: */
    void (*forms[4])(struct soft_forms *); /* gives its forms, by osize */
    uint32_t attributes;
};

enum {
    ROW_END = 1 << 0,        /* ends the line: the handler never goes on with SOFT_NEXT */
    ROW_NO64 = 1 << 1,       /* #UD in 64-bit mode */
    ROW_ONLY64 = 1 << 2,     /* #UD in all others */
    ROW_DEFAULT64 = 1 << 3,  /* in 64-bit mode operands have 64 bits, or 16 with prefix 66 */
    ROW_FORCE64 = 1 << 4,    /* in 64-bit mode operands have 64 bits, whatever the prefixes */
    ROW_STACK = 1 << 5,      /* the kind is that of the stack, as for soft_push() */
    ROW_PROTECTED = 1 << 6,  /* #UD in real and virtual-8086 mode */
    ROW_BRANCH = 1 << 7,     /* a direct near branch has a link; if not taken the line goes on */
    ROW_FPU = 1 << 8,        /* the operation keeps the ModRM byte */
    ROW_LOCK = 1 << 9,       /* `run` also runs with LOCK, where the operand is memory; else #UD */
    ROW_CONDITION = 1 << 10, /* a conditional jump, which soft_join() may join to what is before */
};

/*
 * A table gives its row of a number, from 0 on; false after the last. Tables are code, and so are
 * forms: in data, addresses would have to be put right whenever the program starts, which would
 * take longer than all else that a small guest needs. (Tables are cold: few pages, side by side.)
 *
 *     SOFT_TABLE(soft_NAME_rows)
 *         ROW("00", "add Eb,Gb", .forms = SIZES(add_eg))
 *         ...
 *     SOFT_TABLE_END
 */
typedef bool soft_table(int number, struct soft_row *row);

soft_table soft_move_rows, soft_integer_rows, soft_muldiv_rows, soft_bits_rows, soft_bmi_rows,
    soft_string_rows, soft_control_rows, soft_gate_rows, soft_selector_rows, soft_system_rows,
    soft_x87_rows, soft_mmx_rows, soft_sse_rows, soft_sse_int_rows, soft_sse_float_rows,
    soft_sse4_rows, soft_sse_string_rows, soft_xsave_rows;

/* clang-format off */
#define SOFT_TABLE(name)                                                                           \
    __attribute__((cold)) bool name(int number, struct soft_row *row)                              \
    {                                                                                              \
        enum { FIRST = __COUNTER__ + 1 };                                                          \
                                                                                                   \
        switch (FIRST + number) {
#define ROW(...)                                                                                   \
        case __COUNTER__:                                                                          \
            *row = (struct soft_row){__VA_ARGS__};                                                 \
            return true;
#define SOFT_TABLE_END                                                                             \
        }                                                                                          \
        return false;                                                                              \
    }
/* clang-format on */

/* SOFT_FORMS(name, .reg = ...): a function that gives the forms of an operation of one size. Some
 * are only made for their handlers: inline, they may stay unused. */
#define SOFT_FORMS(name, ...)                                                                      \
    static inline void name(struct soft_forms *forms)                                              \
    {                                                                                              \
        *forms = (struct soft_forms){__VA_ARGS__};                                                 \
    }

/* The stack. kind says how SS:rSP gives an address: FLAT64, FLAT32 or ANYHOW (then by
 * c->stack_size). Push: address and check first, the register last, so that a fault changes
 * nothing. n is the size pushed, as log2. */
INLINE uint64_t soft_sp(const struct soft *c, int kind)
{
    return kind == FLAT64   ? c->r[RSP]
           : kind == FLAT32 ? (uint32_t)c->r[RSP]
                            : soft_cut(c->stack_size, c->r[RSP]);
}

INLINE void soft_set_sp(struct soft *c, int kind, uint64_t sp)
{
    if (kind == FLAT64 || (kind == ANYHOW && c->stack_size == 3))
        c->r[RSP] = sp;
    else if (kind == FLAT32 || c->stack_size == 2)
        c->r[RSP] = (uint32_t)sp;
    else
        *(any16 *)&c->r[RSP] = sp;
}

INLINE uint64_t soft_stack_linear(struct soft *c, const struct soft_op *op, int kind, uint64_t sp,
                                  int n, int access)
{
    if (kind == FLAT64)
        return sp;
    if (kind == FLAT32)
        return (uint32_t)sp;
    return soft_segmented(c, op, SS, soft_cut(c->stack_size, sp), n, access);
}

INLINE void soft_push(struct soft *c, const struct soft_op *op, int kind, int osize, uint64_t val)
{
    uint64_t sp = soft_sp(c, kind) - (1 << osize);

    soft_store_at(c, op, SS, soft_stack_linear(c, op, kind, sp, 1 << osize, ACCESS_WRITE), osize,
                  val);
    soft_set_sp(c, kind, sp);
}

/* What is depth bytes above the top; soft_set_sp() afterwards pops it. */
INLINE uint64_t soft_stack_load(struct soft *c, const struct soft_op *op, int kind, int osize,
                                int depth)
{
    uint64_t sp = soft_sp(c, kind) + depth;

    return soft_load_at(c, op, SS, soft_stack_linear(c, op, kind, sp, 1 << osize, ACCESS_READ),
                        osize);
}

#endif
