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
#define JUMP (ROW_BRANCH | ROW_FORCE64)

const struct soft_row soft_control_rows[] = {
    {"70", "jo Jb", .family = &jump_o, .attributes = JUMP | ROW_CONDITION},
    {"71", "jno Jb", .family = &jump_no, .attributes = JUMP | ROW_CONDITION},
    {"72", "jb Jb", .family = &jump_b, .attributes = JUMP | ROW_CONDITION},
    {"73", "jae Jb", .family = &jump_nb, .attributes = JUMP | ROW_CONDITION},
    {"74", "je Jb", .family = &jump_z, .attributes = JUMP | ROW_CONDITION},
    {"75", "jne Jb", .family = &jump_nz, .attributes = JUMP | ROW_CONDITION},
    {"76", "jbe Jb", .family = &jump_be, .attributes = JUMP | ROW_CONDITION},
    {"77", "ja Jb", .family = &jump_nbe, .attributes = JUMP | ROW_CONDITION},
    {"78", "js Jb", .family = &jump_s, .attributes = JUMP | ROW_CONDITION},
    {"79", "jns Jb", .family = &jump_ns, .attributes = JUMP | ROW_CONDITION},
    {"7a", "jp Jb", .family = &jump_p, .attributes = JUMP | ROW_CONDITION},
    {"7b", "jnp Jb", .family = &jump_np, .attributes = JUMP | ROW_CONDITION},
    {"7c", "jl Jb", .family = &jump_l, .attributes = JUMP | ROW_CONDITION},
    {"7d", "jge Jb", .family = &jump_nl, .attributes = JUMP | ROW_CONDITION},
    {"7e", "jle Jb", .family = &jump_le, .attributes = JUMP | ROW_CONDITION},
    {"7f", "jg Jb", .family = &jump_nle, .attributes = JUMP | ROW_CONDITION},
    {"0f 80", "jo Jz", .family = &jump_o, .attributes = JUMP | ROW_CONDITION},
    {"0f 81", "jno Jz", .family = &jump_no, .attributes = JUMP | ROW_CONDITION},
    {"0f 82", "jb Jz", .family = &jump_b, .attributes = JUMP | ROW_CONDITION},
    {"0f 83", "jae Jz", .family = &jump_nb, .attributes = JUMP | ROW_CONDITION},
    {"0f 84", "je Jz", .family = &jump_z, .attributes = JUMP | ROW_CONDITION},
    {"0f 85", "jne Jz", .family = &jump_nz, .attributes = JUMP | ROW_CONDITION},
    {"0f 86", "jbe Jz", .family = &jump_be, .attributes = JUMP | ROW_CONDITION},
    {"0f 87", "ja Jz", .family = &jump_nbe, .attributes = JUMP | ROW_CONDITION},
    {"0f 88", "js Jz", .family = &jump_s, .attributes = JUMP | ROW_CONDITION},
    {"0f 89", "jns Jz", .family = &jump_ns, .attributes = JUMP | ROW_CONDITION},
    {"0f 8a", "jp Jz", .family = &jump_p, .attributes = JUMP | ROW_CONDITION},
    {"0f 8b", "jnp Jz", .family = &jump_np, .attributes = JUMP | ROW_CONDITION},
    {"0f 8c", "jl Jz", .family = &jump_l, .attributes = JUMP | ROW_CONDITION},
    {"0f 8d", "jge Jz", .family = &jump_nl, .attributes = JUMP | ROW_CONDITION},
    {"0f 8e", "jle Jz", .family = &jump_le, .attributes = JUMP | ROW_CONDITION},
    {"0f 8f", "jg Jz", .family = &jump_nle, .attributes = JUMP | ROW_CONDITION},
    {"e0", "loopne Jb", .family = &loops, .attributes = JUMP},
    {"e1", "loope Jb", .family = &loops, .attributes = JUMP},
    {"e2", "loop Jb", .family = &loops, .attributes = JUMP},
    {"e3", "jcxz Jb", .family = &loops, .attributes = JUMP},
    {"eb", "jmp Jb", .family = &jumps, .attributes = JUMP | ROW_END},
    {"e9", "jmp Jz", .family = &jumps, .attributes = JUMP | ROW_END},
    {"ff /4", "jmp Ev", .family = &jumps_e, .attributes = ROW_FORCE64 | ROW_END},
    {"e8", "call Jz", .family = &calls, .attributes = JUMP | ROW_STACK | ROW_END},
    {"ff /2", "call Ev", .family = &calls_e, .attributes = ROW_FORCE64 | ROW_STACK | ROW_END},
    {"c3", "ret", .family = &rets, .attributes = ROW_FORCE64 | ROW_STACK | ROW_END},
    {"c2", "ret Iw", .family = &rets, .attributes = ROW_FORCE64 | ROW_STACK | ROW_END},

    {"9c", "pushf", .run = pushf, .attributes = ROW_DEFAULT64},
    {"9d", "popf", .run = popf, .attributes = ROW_DEFAULT64},
    {"fa", "cli", .run = cli},
    {"fb", "sti", .run = sti},
    {"0f 0b", "ud2", .run = ud2, .attributes = ROW_END},
    {"f4", "hlt", .run = hlt, .attributes = ROW_END},
    {"62", "bound Gv,Ma", .run = bound, .attributes = ROW_NO64},
    {"np 0f 01 =ca", "clac", .run = set_ac},
    {"np 0f 01 =cb", "stac", .run = set_ac},
    {0},
};
