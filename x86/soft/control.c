// SPDX-License-Identifier: MIT
/*
 * Near jumps, calls, returns and loops; flags as a whole; halting.
 *
 * After: Intel SDM vol. 2, "Jcc", "JMP", "CALL", "RET", "LOOP", "PUSHF", "POPF", "CLI", "STI",
 * "HLT", "BOUND"; vol. 3A, "System Flags and Fields in the EFLAGS Register".
 *
 * Left out: virtual interrupts (VME, PVI): CPUID does not offer them.
 */
#include "x86/soft/block.h"
#include "x86/soft/segment.h"

/* ---- targets ---- */

static _Noreturn __attribute__((noinline)) void bad_target(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    soft_raise_code(c, EXCEPTION_GP, 0);
}

/* Is ip, of 1 << osize bytes, where the present CS lets code be? Else #GP(0). */
INLINE void check_ip(struct soft *c, const struct soft_op *op, int osize, uint64_t ip)
{
    if (osize == 3 ? unlikely(!soft_canonical(ip)) : unlikely(ip > c->window[CS].last))
        bad_target(c, op);
}

/* The same of a direct branch: one that has a link stays in its page, which is canonical. */
INLINE void check_branch(struct soft *c, const struct soft_op *op, int osize)
{
    if (osize != 3 || !op->imm)
        check_ip(c, op, osize, soft_cut(osize, c->r[RIP] + op->disp));
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

#define JCC(cc, n)                                                                                 \
    static void jump_##cc##_w(struct soft *c, const struct soft_op *op)                            \
    {                                                                                              \
        return jump_if(c, op, 1, n);                                                               \
    }                                                                                              \
    static void jump_##cc##_d(struct soft *c, const struct soft_op *op)                            \
    {                                                                                              \
        return jump_if(c, op, 2, n);                                                               \
    }                                                                                              \
    static void jump_##cc##_q(struct soft *c, const struct soft_op *op)                            \
    {                                                                                              \
        return jump_if(c, op, 3, n);                                                               \
    }                                                                                              \
    static const struct soft_family jump_##cc = {                                                  \
        .reg = {NULL, jump_##cc##_w, jump_##cc##_d, jump_##cc##_q}};

JCC(o, 0)
JCC(no, 1)
JCC(b, 2)
JCC(nb, 3)
JCC(z, 4)
JCC(nz, 5)
JCC(be, 6)
JCC(nbe, 7)
JCC(s, 8)
JCC(ns, 9)
JCC(p, 10)
JCC(np, 11)
JCC(l, 12)
JCC(nl, 13)
JCC(le, 14)
JCC(nle, 15)

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

static void loop_w(struct soft *c, const struct soft_op *op)
{
    return loop(c, op, 1);
}

static void loop_d(struct soft *c, const struct soft_op *op)
{
    return loop(c, op, 2);
}

static void loop_q(struct soft *c, const struct soft_op *op)
{
    return loop(c, op, 3);
}

static const struct soft_family loops = {.reg = {NULL, loop_w, loop_d, loop_q}};

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

/* To return to; what is above osize is not pushed. */
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

/* Handlers for the three sizes; and for those that occur with each kind of address: near branches
 * have 64 bits in 64-bit mode, and nowhere else. */
#define BY_SIZE(name)                                                                              \
    static void name##_w(struct soft *c, const struct soft_op *op)                                 \
    {                                                                                              \
        return name(c, op, 1);                                                                     \
    }                                                                                              \
    static void name##_d(struct soft *c, const struct soft_op *op)                                 \
    {                                                                                              \
        return name(c, op, 2);                                                                     \
    }                                                                                              \
    static void name##_q(struct soft *c, const struct soft_op *op)                                 \
    {                                                                                              \
        return name(c, op, 3);                                                                     \
    }

#define WITH_KIND(name, suffix, kind, osize)                                                       \
    static void name##suffix(struct soft *c, const struct soft_op *op)                             \
    {                                                                                              \
        return name(c, op, kind, osize);                                                           \
    }

#define BY_KIND(name)                                                                              \
    WITH_KIND(name, _w, ANYHOW, 1)                                                                 \
    WITH_KIND(name, _d, ANYHOW, 2)                                                                 \
    WITH_KIND(name, _q, ANYHOW, 3)                                                                 \
    WITH_KIND(name, _flat_w, FLAT32, 1)                                                            \
    WITH_KIND(name, _flat_d, FLAT32, 2)                                                            \
    WITH_KIND(name, _flat_q, FLAT64, 3)

#define HANDLERS(name)                                                                             \
    {                                                                                              \
        [FLAT64] = {NULL, NULL, NULL, name##_flat_q},                                              \
        [FLAT32] = {NULL, name##_flat_w, name##_flat_d}, [ANYHOW] = {                              \
            NULL,                                                                                  \
            name##_w,                                                                              \
            name##_d,                                                                              \
            name##_q                                                                               \
        }                                                                                          \
    }

BY_SIZE(jump)
BY_SIZE(jump_reg)
BY_KIND(jump_mem)
BY_KIND(call)
BY_KIND(call_e)
BY_KIND(ret)

static const struct soft_family jumps = {.reg = {NULL, jump_w, jump_d, jump_q}};
static const struct soft_family jumps_e = {.reg = {NULL, jump_reg_w, jump_reg_d, jump_reg_q},
                                           .mem = HANDLERS(jump_mem)};
static const struct soft_family calls = {.mem = HANDLERS(call)};
static const struct soft_family calls_e = {.mem = HANDLERS(call_e)};
static const struct soft_family rets = {.mem = HANDLERS(ret)};

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
#define JUMP (ROW_BRANCH | ROW_FORCE64 | ROW_FLOW)

const struct soft_row soft_control_rows[] = {
    {"70", "jo Jb", NULL, &jump_o, JUMP, NULL},
    {"71", "jno Jb", NULL, &jump_no, JUMP, NULL},
    {"72", "jb Jb", NULL, &jump_b, JUMP, NULL},
    {"73", "jae Jb", NULL, &jump_nb, JUMP, NULL},
    {"74", "je Jb", NULL, &jump_z, JUMP, NULL},
    {"75", "jne Jb", NULL, &jump_nz, JUMP, NULL},
    {"76", "jbe Jb", NULL, &jump_be, JUMP, NULL},
    {"77", "ja Jb", NULL, &jump_nbe, JUMP, NULL},
    {"78", "js Jb", NULL, &jump_s, JUMP, NULL},
    {"79", "jns Jb", NULL, &jump_ns, JUMP, NULL},
    {"7a", "jp Jb", NULL, &jump_p, JUMP, NULL},
    {"7b", "jnp Jb", NULL, &jump_np, JUMP, NULL},
    {"7c", "jl Jb", NULL, &jump_l, JUMP, NULL},
    {"7d", "jge Jb", NULL, &jump_nl, JUMP, NULL},
    {"7e", "jle Jb", NULL, &jump_le, JUMP, NULL},
    {"7f", "jg Jb", NULL, &jump_nle, JUMP, NULL},
    {"0f 80", "jo Jz", NULL, &jump_o, JUMP, NULL},
    {"0f 81", "jno Jz", NULL, &jump_no, JUMP, NULL},
    {"0f 82", "jb Jz", NULL, &jump_b, JUMP, NULL},
    {"0f 83", "jae Jz", NULL, &jump_nb, JUMP, NULL},
    {"0f 84", "je Jz", NULL, &jump_z, JUMP, NULL},
    {"0f 85", "jne Jz", NULL, &jump_nz, JUMP, NULL},
    {"0f 86", "jbe Jz", NULL, &jump_be, JUMP, NULL},
    {"0f 87", "ja Jz", NULL, &jump_nbe, JUMP, NULL},
    {"0f 88", "js Jz", NULL, &jump_s, JUMP, NULL},
    {"0f 89", "jns Jz", NULL, &jump_ns, JUMP, NULL},
    {"0f 8a", "jp Jz", NULL, &jump_p, JUMP, NULL},
    {"0f 8b", "jnp Jz", NULL, &jump_np, JUMP, NULL},
    {"0f 8c", "jl Jz", NULL, &jump_l, JUMP, NULL},
    {"0f 8d", "jge Jz", NULL, &jump_nl, JUMP, NULL},
    {"0f 8e", "jle Jz", NULL, &jump_le, JUMP, NULL},
    {"0f 8f", "jg Jz", NULL, &jump_nle, JUMP, NULL},
    {"e0", "loopne Jb", NULL, &loops, JUMP, NULL},
    {"e1", "loope Jb", NULL, &loops, JUMP, NULL},
    {"e2", "loop Jb", NULL, &loops, JUMP, NULL},
    {"e3", "jcxz Jb", NULL, &loops, JUMP, NULL},
    {"eb", "jmp Jb", NULL, &jumps, JUMP | ROW_END, NULL},
    {"e9", "jmp Jz", NULL, &jumps, JUMP | ROW_END, NULL},
    {"ff /4", "jmp Ev", NULL, &jumps_e, ROW_FORCE64 | ROW_END, NULL},
    {"e8", "call Jz", NULL, &calls, JUMP | ROW_STACK | ROW_END, NULL},
    {"ff /2", "call Ev", NULL, &calls_e, ROW_FORCE64 | ROW_STACK | ROW_END, NULL},
    {"c3", "ret", NULL, &rets, ROW_FORCE64 | ROW_STACK | ROW_END, NULL},
    {"c2", "ret Iw", NULL, &rets, ROW_FORCE64 | ROW_STACK | ROW_END, NULL},

    {"9c", "pushf", pushf, NULL, ROW_DEFAULT64, NULL},
    {"9d", "popf", popf, NULL, ROW_DEFAULT64, NULL},
    {"fa", "cli", cli, NULL, 0, NULL},
    {"fb", "sti", sti, NULL, 0, NULL},
    {"0f 0b", "ud2", ud2, NULL, ROW_END, NULL},
    {"f4", "hlt", hlt, NULL, ROW_END, NULL},
    {"62", "bound Gv,Ma", bound, NULL, ROW_NO64, NULL},
    {"np 0f 01 =ca", "clac", set_ac, NULL, 0, NULL},
    {"np 0f 01 =cb", "stac", set_ac, NULL, 0, NULL},
    {0},
};
