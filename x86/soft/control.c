// SPDX-License-Identifier: MIT
/*
 * Near jumps, calls, returns and loops; flags as a whole; halting.
 *
 * The handlers of jumps, calls and returns are in control-sized.h.
 *
 * After: Intel SDM vol. 2, "Jcc", "JMP", "CALL", "RET", "LOOP", "PUSHF", "POPF", "CLI", "STI",
 * "HLT", "BOUND"; vol. 3A, "System Flags and Fields in the EFLAGS Register".
 *
 * Left out: virtual interrupts (VME, PVI): CPUID does not offer them.
 */
#include "x86/soft/family.h"
#include "x86/soft/segment.h"

/* ---- targets ---- */

static _Noreturn __attribute__((noinline)) void bad_target(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    soft_raise_code(c, EXCEPTION_GP, 0);
}

/* Raise #GP(0) unless the present CS allows code at ip, which has 1 << osize bytes. */
INLINE void check_ip(struct soft *c, const struct soft_op *op, int osize, uint64_t ip)
{
    if (osize == 3 ? unlikely(!soft_canonical(ip)) : unlikely(ip > c->window[CS].last))
        bad_target(c, op);
}

/* The same for a direct branch. One that has a link stays in its page, which is canonical. */
INLINE void check_branch(struct soft *c, const struct soft_op *op, int osize)
{
    if (osize != 3 || !op->link)
        check_ip(c, op, osize, soft_cut(osize, c->r[RIP] + op->target));
}

/* ---- conditional jumps ---- */

INLINE void jump_if(struct soft *c, const struct soft_op *op, int osize, int cc)
{
    if (soft_condition(c, cc)) {
        check_branch(c, op, osize);
        return soft_branch(c, op, osize);
    }
    SOFT_NEXT(c, op);
}

/* ---- loops ---- */

INLINE void loop_sized(struct soft *c, const struct soft_op *op, int osize, int asize)
{
    uint64_t count = soft_reg(c, asize, RCX);
    uint8_t opcode = op->opcode;
    bool zero = c->arith >> 14 & 1, taken;

    if (opcode == 0xe3) {
        taken = !count;
    } else {
        count = (count - 1) & soft_size_mask(asize);
        taken = count && (opcode == 0xe2 || zero == (opcode == 0xe1));
    }
    if (taken)
        check_branch(c, op, osize);
    if (opcode != 0xe3)
        soft_set_reg(c, asize, RCX, count);
    if (taken)
        return soft_branch(c, op, osize);
    SOFT_NEXT(c, op);
}

INLINE void loop(struct soft *c, const struct soft_op *op, int osize)
{
    if (likely(op->asize == osize))
        return loop_sized(c, op, osize, osize);
    return loop_sized(c, op, osize, op->asize);
}

/* ---- jumps, calls, returns ---- */

INLINE void jump(struct soft *c, const struct soft_op *op, int osize)
{
    check_branch(c, op, osize);
    return soft_branch(c, op, osize);
}

INLINE void jump_to(struct soft *c, const struct soft_op *op, int osize, uint64_t ip)
{
    check_ip(c, op, osize, ip);
    c->r[RIP] = ip;
    return soft_go(c);
}

INLINE void jump_reg(struct soft *c, const struct soft_op *op, int osize)
{
    return jump_to(c, op, osize, soft_get(c, osize, op->rm));
}

INLINE void jump_mem(struct soft *c, const struct soft_op *op, int kind, int osize)
{
    return jump_to(c, op, osize, soft_load(c, op, kind, osize));
}

/* The return address; what is above osize is not pushed. */
INLINE uint64_t next_ip(const struct soft *c, const struct soft_op *op)
{
    return c->r[RIP] + op->offset + op->len;
}

INLINE void call(struct soft *c, const struct soft_op *op, int kind, int osize)
{
    check_branch(c, op, osize);
    soft_push(c, op, kind, osize, next_ip(c, op));
    return soft_branch(c, op, osize);
}

/* kind is that of the stack; the operand's is seen here. */
INLINE void call_e(struct soft *c, const struct soft_op *op, int kind, int osize)
{
    uint64_t ip;

    if (!op->mem)
        ip = soft_get(c, osize, op->rm);
    else if (kind == FLAT64 && likely(op->asize == 3 && op->segment < FS))
        ip = soft_load(c, op, FLAT64, osize);
    else
        ip = soft_load(c, op, ANYHOW, osize);
    check_ip(c, op, osize, ip);
    soft_push(c, op, kind, osize, next_ip(c, op));
    c->r[RIP] = ip;
    return soft_go(c);
}

/* The immediate is 0 where there is none. */
INLINE void ret(struct soft *c, const struct soft_op *op, int kind, int osize)
{
    uint64_t ip = soft_stack_load(c, op, kind, osize, 0);

    check_ip(c, op, osize, ip);
    soft_set_sp(c, kind, soft_sp(c, kind) + (1 << osize) + op->imm);
    c->r[RIP] = ip;
    return soft_go(c);
}

#define TEMPLATE "x86/soft/control-sized.h"
#include "x86/soft/sizes.h"

/* ---- flags ---- */

static bool is_v86(const struct soft *c)
{
    return c->eflags & EFLAGS_VM;
}

static int iopl(const struct soft *c)
{
    return c->eflags >> 12 & 3;
}

bool soft_set_eflags(struct soft *c, uint32_t flags, uint32_t mask)
{
    uint32_t old = c->eflags, arith = EFLAGS_ARITHMETIC & mask;

    soft_set_arith(c, (soft_arith(c) & ~arith) | (flags & arith));
    mask &= ~(EFLAGS_ARITHMETIC | EFLAGS_FIXED);
    c->eflags = (old & ~mask) | (flags & mask);
    if ((old ^ c->eflags) & EFLAGS_AC)
        soft_choose_tlb(c);
    bool opens = c->eflags & ~old & EFLAGS_IF && __atomic_load_n(&c->request, __ATOMIC_SEQ_CST);

    /* The run loop looks at TF and RF before each instruction, if it is given the chance. */
    if (!opens && !(c->eflags & (EFLAGS_TF | EFLAGS_RF)))
        return false;
    soft_attend(c);
    return true;
}

static void pushf(struct soft *c, const struct soft_op *op)
{
    if (is_v86(c) && iopl(c) < 3) {
        c->op = op;
        soft_raise_code(c, EXCEPTION_GP, 0);
    }
    soft_push(c, op, ANYHOW, op->osize, soft_eflags(c) & ~(EFLAGS_VM | EFLAGS_RF));
    SOFT_NEXT(c, op);
}

static void popf(struct soft *c, const struct soft_op *op)
{
    uint32_t mask = EFLAGS_ARITHMETIC | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT | EFLAGS_RF;

    if (is_v86(c) && iopl(c) < 3) {
        c->op = op;
        soft_raise_code(c, EXCEPTION_GP, 0);
    }
    uint32_t flags = soft_stack_load(c, op, ANYHOW, op->osize, 0);

    if (op->osize > 1)
        mask |= EFLAGS_AC | EFLAGS_ID;
    if (c->cpl <= iopl(c))
        mask |= EFLAGS_IF;
    if (c->cpl == 0)
        mask |= EFLAGS_IOPL;
    soft_set_sp(c, ANYHOW, soft_sp(c, ANYHOW) + (1 << op->osize));
    if (soft_set_eflags(c, flags & ~EFLAGS_RF, mask))
        return soft_leave(c, op);
    SOFT_NEXT(c, op);
}

/* CLI and STI: IOPL decides, in virtual-8086 mode, too. */
static void check_iopl(struct soft *c, const struct soft_op *op)
{
    if (c->cpl > iopl(c)) {
        c->op = op;
        soft_raise_code(c, EXCEPTION_GP, 0);
    }
}

static void cli(struct soft *c, const struct soft_op *op)
{
    check_iopl(c, op);
    c->eflags &= ~EFLAGS_IF;
    SOFT_NEXT(c, op);
}

static void sti(struct soft *c, const struct soft_op *op)
{
    check_iopl(c, op);
    if (!(c->eflags & EFLAGS_IF)) {
        c->shadow = true;
        if (soft_set_eflags(c, EFLAGS_IF, EFLAGS_IF))
            return soft_leave(c, op);
    }
    SOFT_NEXT(c, op);
}

static void ud2(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    soft_raise(c, EXCEPTION_UD);
}

static void hlt(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    if (c->cpl)
        soft_raise_code(c, EXCEPTION_GP, 0);
    soft_halt(c);
    return soft_leave(c, op);
}

static void bound(struct soft *c, const struct soft_op *op)
{
    int size = 1 << op->osize;
    uint64_t linear = soft_linear(c, op, ANYHOW, 2 * size, ACCESS_READ);
    int32_t lower = soft_sign(op->osize, soft_load_at(c, op, op->segment, linear, op->osize));
    int32_t upper = soft_sign(
        op->osize, soft_load_at(c, op, op->segment, (linear + size) & c->linear_mask, op->osize));
    int32_t index = soft_sign(op->osize, soft_get(c, op->osize, op->reg));

    if (index < lower || index > upper) {
        c->op = op;
        soft_raise(c, EXCEPTION_BR);
    }
    SOFT_NEXT(c, op);
}

/* STAC and CLAC. */
static void set_ac(struct soft *c, const struct soft_op *op)
{
    if (c->cpl) {
        c->op = op;
        soft_raise(c, EXCEPTION_UD);
    }
    c->eflags = op->rm & 1 ? c->eflags | EFLAGS_AC : c->eflags & ~EFLAGS_AC;
    soft_choose_tlb(c);
    SOFT_NEXT(c, op);
}

/* clang-format off */
#define JUMP (ROW_BRANCH | ROW_FORCE64)

SOFT_TABLE(soft_control_rows)
    ROW("70", "jo Jb", .forms = SIZES_16(jo), .attributes = JUMP | ROW_CONDITION)
    ROW("71", "jno Jb", .forms = SIZES_16(jno), .attributes = JUMP | ROW_CONDITION)
    ROW("72", "jb Jb", .forms = SIZES_16(jb), .attributes = JUMP | ROW_CONDITION)
    ROW("73", "jae Jb", .forms = SIZES_16(jae), .attributes = JUMP | ROW_CONDITION)
    ROW("74", "je Jb", .forms = SIZES_16(je), .attributes = JUMP | ROW_CONDITION)
    ROW("75", "jne Jb", .forms = SIZES_16(jne), .attributes = JUMP | ROW_CONDITION)
    ROW("76", "jbe Jb", .forms = SIZES_16(jbe), .attributes = JUMP | ROW_CONDITION)
    ROW("77", "ja Jb", .forms = SIZES_16(ja), .attributes = JUMP | ROW_CONDITION)
    ROW("78", "js Jb", .forms = SIZES_16(js), .attributes = JUMP | ROW_CONDITION)
    ROW("79", "jns Jb", .forms = SIZES_16(jns), .attributes = JUMP | ROW_CONDITION)
    ROW("7a", "jp Jb", .forms = SIZES_16(jp), .attributes = JUMP | ROW_CONDITION)
    ROW("7b", "jnp Jb", .forms = SIZES_16(jnp), .attributes = JUMP | ROW_CONDITION)
    ROW("7c", "jl Jb", .forms = SIZES_16(jl), .attributes = JUMP | ROW_CONDITION)
    ROW("7d", "jge Jb", .forms = SIZES_16(jge), .attributes = JUMP | ROW_CONDITION)
    ROW("7e", "jle Jb", .forms = SIZES_16(jle), .attributes = JUMP | ROW_CONDITION)
    ROW("7f", "jg Jb", .forms = SIZES_16(jg), .attributes = JUMP | ROW_CONDITION)
    ROW("0f 80", "jo Jz", .forms = SIZES_16(jo), .attributes = JUMP | ROW_CONDITION)
    ROW("0f 81", "jno Jz", .forms = SIZES_16(jno), .attributes = JUMP | ROW_CONDITION)
    ROW("0f 82", "jb Jz", .forms = SIZES_16(jb), .attributes = JUMP | ROW_CONDITION)
    ROW("0f 83", "jae Jz", .forms = SIZES_16(jae), .attributes = JUMP | ROW_CONDITION)
    ROW("0f 84", "je Jz", .forms = SIZES_16(je), .attributes = JUMP | ROW_CONDITION)
    ROW("0f 85", "jne Jz", .forms = SIZES_16(jne), .attributes = JUMP | ROW_CONDITION)
    ROW("0f 86", "jbe Jz", .forms = SIZES_16(jbe), .attributes = JUMP | ROW_CONDITION)
    ROW("0f 87", "ja Jz", .forms = SIZES_16(ja), .attributes = JUMP | ROW_CONDITION)
    ROW("0f 88", "js Jz", .forms = SIZES_16(js), .attributes = JUMP | ROW_CONDITION)
    ROW("0f 89", "jns Jz", .forms = SIZES_16(jns), .attributes = JUMP | ROW_CONDITION)
    ROW("0f 8a", "jp Jz", .forms = SIZES_16(jp), .attributes = JUMP | ROW_CONDITION)
    ROW("0f 8b", "jnp Jz", .forms = SIZES_16(jnp), .attributes = JUMP | ROW_CONDITION)
    ROW("0f 8c", "jl Jz", .forms = SIZES_16(jl), .attributes = JUMP | ROW_CONDITION)
    ROW("0f 8d", "jge Jz", .forms = SIZES_16(jge), .attributes = JUMP | ROW_CONDITION)
    ROW("0f 8e", "jle Jz", .forms = SIZES_16(jle), .attributes = JUMP | ROW_CONDITION)
    ROW("0f 8f", "jg Jz", .forms = SIZES_16(jg), .attributes = JUMP | ROW_CONDITION)
    ROW("e0", "loopne Jb", .forms = SIZES_16(loop), .attributes = JUMP)
    ROW("e1", "loope Jb", .forms = SIZES_16(loop), .attributes = JUMP)
    ROW("e2", "loop Jb", .forms = SIZES_16(loop), .attributes = JUMP)
    ROW("e3", "jcxz Jb", .forms = SIZES_16(loop), .attributes = JUMP)
    ROW("eb", "jmp Jb", .forms = SIZES_16(jump), .attributes = JUMP | ROW_END)
    ROW("e9", "jmp Jz", .forms = SIZES_16(jump), .attributes = JUMP | ROW_END)
    ROW("ff /4", "jmp Ev", .forms = SIZES_16(jump_e), .attributes = ROW_FORCE64 | ROW_END)
    ROW("e8", "call Jz", .forms = SIZES_16(call), .attributes = JUMP | ROW_STACK | ROW_END)
    ROW("ff /2", "call Ev", .forms = SIZES_16(call_e), .attributes = ROW_FORCE64 | ROW_STACK | ROW_END)
    ROW("c3", "ret", .forms = SIZES_16(ret), .attributes = ROW_FORCE64 | ROW_STACK | ROW_END)
    ROW("c2", "ret Iw", .forms = SIZES_16(ret), .attributes = ROW_FORCE64 | ROW_STACK | ROW_END)

    ROW("9c", "pushf", .run = pushf, .attributes = ROW_DEFAULT64)
    ROW("9d", "popf", .run = popf, .attributes = ROW_DEFAULT64)
    ROW("fa", "cli", .run = cli)
    ROW("fb", "sti", .run = sti)
    ROW("0f 0b", "ud2", .run = ud2, .attributes = ROW_END)
    ROW("f4", "hlt", .run = hlt, .attributes = ROW_END)
    ROW("62", "bound Gv,Ma", .run = bound, .attributes = ROW_NO64)
    ROW("np 0f 01 =ca", "clac", .run = set_ac)
    ROW("np 0f 01 =cb", "stac", .run = set_ac)
SOFT_TABLE_END
