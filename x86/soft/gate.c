// SPDX-License-Identifier: MIT
/*
 * Transfers to other code segments: far jumps, calls and returns, call gates, software interrupts,
 * IRET, fast system calls.
 *
 * After: Intel SDM vol. 2, "JMP", "CALL", "RET", "INT n/INTO/INT3/INT1", "IRET", "SYSCALL",
 * "SYSRET", "SYSENTER", "SYSEXIT", "SWAPGS"; vol. 3A, "Program Control Transfers Between Code
 * Segments", "Call Gates", "Fast System Calls in 64-Bit Mode".
 *
 * Left out: shadow stacks and virtual interrupts: CPUID does not offer them.
 */
#include "x86/soft/line.h"
#include "x86/soft/segment.h"

#define NOINLINE static __attribute__((noinline))

enum {
    SYSRET_FLAGS = 0x3c7fd7,
};

/* ---- targets ---- */

void soft_check_target(struct soft *c, const struct segment *cs, uint64_t ip, uint32_t ext)
{
    bool is64 = soft_long_mode(c) && cs->l && c->cr0 & CR0_PE;

    if (is64 ? !soft_canonical(ip) : ip > cs->limit)
        soft_raise_code(c, EXCEPTION_GP, ext);
}

/* In long mode a segment with both L and D is no code segment. */
static bool is_runnable(const struct soft *c, const struct segment *s)
{
    return soft_is_code(s) && !(soft_long_mode(c) && s->l && s->db);
}

static bool in_protected_mode(const struct soft *c)
{
    return c->mode & MODE_PROTECTED;
}

/* Go on at ip in a code segment, at a privilege level. */
static void enter(struct soft *c, const struct soft_descriptor *d, int cpl, uint64_t ip)
{
    c->segment[CS] = d->s;
    c->segment[CS].selector = (d->selector & ~3) | cpl;
    c->cpl = cpl;
    c->op = NULL;
    c->r[RIP] = ip;
    soft_mode(c);
}

/* Real and virtual-8086 mode. */
static void enter_real(struct soft *c, uint16_t selector, uint64_t ip)
{
    c->op = NULL;
    c->r[RIP] = ip;
    soft_load_segment(c, CS, selector);
}

static void check_real_target(struct soft *c, uint64_t ip)
{
    if (ip > c->window[CS].last)
        soft_raise_code(c, EXCEPTION_GP, 0);
}

/* ---- far jumps and calls ---- */

/* The code segment that JMP or CALL names, or, through a gate, what the gate names. */
static void check_code(struct soft *c, const struct soft_descriptor *d, bool rpl)
{
    bool fits = soft_is_conforming(&d->s)
                    ? d->s.dpl <= c->cpl
                    : d->s.dpl == c->cpl && !(rpl && (d->selector & 3) > c->cpl);

    if (!is_runnable(c, &d->s) || !fits)
        soft_raise_selector(c, EXCEPTION_GP, d->selector, 0);
    if (!d->s.present)
        soft_raise_selector(c, EXCEPTION_NP, d->selector, 0);
}

/* The code segment behind a call gate, which may be more privileged when it is called. */
static struct soft_descriptor behind_gate(struct soft *c, uint16_t selector, bool call)
{
    struct soft_descriptor d;

    if (soft_is_null(selector))
        soft_raise_code(c, EXCEPTION_GP, 0);
    if (!soft_find_segment(c, selector, &d) || (soft_long_mode(c) && (!d.s.l || d.s.db)))
        soft_raise_selector(c, EXCEPTION_GP, selector, 0);
    if (call && soft_is_code(&d.s) && d.s.dpl < c->cpl) {
        if (!d.s.present)
            soft_raise_selector(c, EXCEPTION_NP, selector, 0);
    } else {
        check_code(c, &d, false);
    }
    return d;
}

/* Call more privileged code: on its own stack, with the parameters that the gate counts. */
static void call_inner(struct soft *c, const struct soft_op *op, struct soft_descriptor *d,
                       uint64_t ip, int osize, int parameters)
{
    uint64_t frame[4 + 31];
    int n = 0;
    struct soft_stack st = soft_inner_stack(c, d->s.dpl, 0, 0);

    soft_check_target(c, &d->s, ip, 0);
    frame[n++] = c->segment[SS].selector;
    frame[n++] = c->r[RSP];
    while (parameters--)
        frame[n++] = soft_stack_load(c, op, ANYHOW, osize, parameters << osize);
    frame[n++] = c->segment[CS].selector;
    frame[n++] = soft_next_ip(c, op);
    soft_mark_accessed(c, d);
    soft_push_frame(c, &st, osize, frame, n);
    soft_use_stack(c, &st);
    enter(c, d, d->s.dpl, ip);
}

/* To code at no higher privilege. */
static void enter_level(struct soft *c, const struct soft_op *op, struct soft_descriptor *d,
                        uint64_t ip, int osize, bool call)
{
    soft_check_target(c, &d->s, ip, 0);
    soft_mark_accessed(c, d);
    if (call) {
        struct soft_stack st = soft_present_stack(c);
        uint64_t frame[2] = {c->segment[CS].selector, soft_next_ip(c, op)};

        soft_push_frame(c, &st, osize, frame, 2);
        soft_use_stack(c, &st);
    }
    enter(c, d, c->cpl, ip);
}

static void through_gate(struct soft *c, const struct soft_op *op,
                         const struct soft_descriptor *gate, bool call)
{
    bool lma = soft_long_mode(c);
    uint64_t raw = gate->raw;
    int osize = lma ? 3 : gate->s.type == TYPE_CALL32 ? 2 : 1;
    uint64_t ip = (raw & 0xffff) | (osize > 1 ? raw >> 32 & 0xffff0000 : 0);

    if (lma)
        ip |= gate->raw_high << 32;
    struct soft_descriptor d = behind_gate(c, raw >> 16, call);

    if (call && !soft_is_conforming(&d.s) && d.s.dpl < c->cpl)
        call_inner(c, op, &d, ip, osize, lma ? 0 : raw >> 32 & 31);
    else
        enter_level(c, op, &d, ip, osize, call);
}

static void far_system(struct soft *c, const struct soft_op *op, struct soft_descriptor *d,
                       bool call)
{
    bool lma = soft_long_mode(c), tss = soft_is_tss(&d->s);
    bool gate = d->s.type == TYPE_CALL32 || (!lma && d->s.type == TYPE_CALL16);
    bool task = !lma && d->s.type == TYPE_TASK, upper = lma && d->raw_high >> 40 & 0x1f;

    if (!(gate || task || (tss && !lma && !(d->s.type & TYPE_BUSY))) || upper ||
        d->s.dpl < c->cpl || d->s.dpl < (d->selector & 3))
        soft_raise_selector(c, EXCEPTION_GP, d->selector, 0);
    if (tss && d->selector & 4)
        soft_raise_selector(c, EXCEPTION_GP, d->selector, 0);
    if (!d->s.present)
        soft_raise_selector(c, EXCEPTION_NP, d->selector, 0);
    if (gate) {
        through_gate(c, op, d, call);
        return;
    }
    struct soft_descriptor t = task ? soft_find_task(c, d->raw >> 16, 0) : *d;

    bool trap = soft_switch_task(c, &t, call ? SWITCH_CALL : SWITCH_JUMP, soft_next_ip(c, op), 0);

    soft_begin_task(c, trap, 0);
}

NOINLINE void far_transfer(struct soft *c, const struct soft_op *op, uint16_t selector, uint64_t ip,
                           bool call)
{
    struct soft_descriptor d;

    c->op = op;
    if (!in_protected_mode(c)) {
        check_real_target(c, ip);
        if (call) {
            struct soft_stack st = soft_present_stack(c);
            uint64_t frame[2] = {c->segment[CS].selector, soft_next_ip(c, op)};

            soft_push_frame(c, &st, op->osize, frame, 2);
            soft_use_stack(c, &st);
        }
        enter_real(c, selector, ip);
        return;
    }
    if (soft_is_null(selector))
        soft_raise_code(c, EXCEPTION_GP, 0);
    if (!soft_find_descriptor(c, selector, &d))
        soft_raise_selector(c, EXCEPTION_GP, selector, 0);
    if (!d.s.s) {
        far_system(c, op, &d, call);
        return;
    }
    check_code(c, &d, true);
    enter_level(c, op, &d, ip, op->osize, call);
}

static void jmp_far(struct soft *c, const struct soft_op *op)
{
    far_transfer(c, op, op->imm2, op->imm, false);
    return soft_go(c);
}

static void call_far(struct soft *c, const struct soft_op *op)
{
    far_transfer(c, op, op->imm2, op->imm, true);
    return soft_go(c);
}

/* The pointer in memory. */
static void far_indirect(struct soft *c, const struct soft_op *op, bool call)
{
    int size = 1 << op->osize;
    uint64_t linear = soft_linear(c, op, ANYHOW, size + 2, ACCESS_READ);
    uint64_t ip = soft_load_at(c, op, op->segment, linear, op->osize);
    uint16_t selector = soft_load_at(c, op, op->segment, (linear + size) & c->linear_mask, 1);

    far_transfer(c, op, selector, ip, call);
}

static void jmp_far_m(struct soft *c, const struct soft_op *op)
{
    far_indirect(c, op, false);
    return soft_go(c);
}

static void call_far_m(struct soft *c, const struct soft_op *op)
{
    far_indirect(c, op, true);
    return soft_go(c);
}

/* ---- far returns ---- */

/* What lies on the stack at a depth, counted in items of op's size. */
static uint64_t item(struct soft *c, const struct soft_op *op, int n, int extra)
{
    return soft_stack_load(c, op, ANYHOW, op->osize, (n << op->osize) + extra);
}

static void drop(struct soft *c, const struct soft_op *op, int n, int extra)
{
    soft_set_sp(c, ANYHOW, soft_sp(c, ANYHOW) + (n << op->osize) + extra);
}

/* The code segment that is returned to. */
static struct soft_descriptor return_target(struct soft *c, uint16_t selector)
{
    struct soft_descriptor d;
    int rpl = selector & 3;

    if (soft_is_null(selector))
        soft_raise_code(c, EXCEPTION_GP, 0);
    if (!soft_find_segment(c, selector, &d) || !is_runnable(c, &d.s) || rpl < c->cpl ||
        (soft_is_conforming(&d.s) ? d.s.dpl > rpl : d.s.dpl != rpl))
        soft_raise_selector(c, EXCEPTION_GP, selector, 0);
    if (!d.s.present)
        soft_raise_selector(c, EXCEPTION_NP, selector, 0);
    return d;
}

/* Make data segments null that the outer level may not use. Their bases and limits stay. */
static void drop_segments(struct soft *c, int cpl)
{
    static const uint8_t data[] = {ES, DS, FS, GS};

    for (int i = 0; i < 4; i++) {
        struct segment *s = &c->segment[data[i]];

        if (s->present && !soft_is_conforming(s) && s->dpl < cpl)
            *s = (struct segment){.base = s->base, .limit = s->limit};
    }
}

/* Back to an outer level, or from IRET in 64-bit mode to any, where the stack is switched. */
static void return_with_stack(struct soft *c, struct soft_descriptor *d, uint64_t ip, uint64_t sp,
                              uint16_t ss)
{
    int cpl = d->selector & 3;
    bool to64 = soft_long_mode(c) && d->s.l;
    struct soft_stack st = {
        .ss = soft_stack_segment(c, ss, cpl, to64, EXCEPTION_GP, 0), .sp = sp, .cpl = cpl};

    soft_check_target(c, &d->s, ip, 0);
    soft_mark_accessed(c, d);
    st.size = to64 ? 3 : st.ss.db ? 2 : 1;
    soft_use_stack(c, &st);
    if (cpl > c->cpl)
        drop_segments(c, cpl);
    enter(c, d, cpl, ip);
}

/* The immediate, 0 where there is none, is added to both stack pointers. */
NOINLINE void do_retf(struct soft *c, const struct soft_op *op)
{
    uint64_t ip = item(c, op, 0, 0);
    uint16_t selector = item(c, op, 1, 0);

    c->op = op;
    if (!in_protected_mode(c)) {
        check_real_target(c, ip);
        drop(c, op, 2, op->imm);
        enter_real(c, selector, ip);
        return;
    }
    struct soft_descriptor d = return_target(c, selector);

    if ((selector & 3) == c->cpl) {
        soft_check_target(c, &d.s, ip, 0);
        soft_mark_accessed(c, &d);
        drop(c, op, 2, op->imm);
        enter(c, &d, c->cpl, ip);
        return;
    }
    uint64_t sp = item(c, op, 2, op->imm);

    return_with_stack(c, &d, ip, sp + op->imm, item(c, op, 3, op->imm));
}

static void retf(struct soft *c, const struct soft_op *op)
{
    do_retf(c, op);
    return soft_go(c);
}

/* ---- IRET ---- */

/* The flags that IRET may change at the present level. */
static uint32_t iret_flags(const struct soft *c, int osize)
{
    uint32_t mask = EFLAGS_ARITHMETIC | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT;

    if (osize > 1)
        mask |= EFLAGS_RF | EFLAGS_AC | EFLAGS_ID;
    if (c->cpl <= (int)(c->eflags >> 12 & 3))
        mask |= EFLAGS_IF;
    if (c->cpl == 0)
        mask |= EFLAGS_IOPL | (osize > 1 ? EFLAGS_VIF | EFLAGS_VIP : 0);
    return mask;
}

static void iret_real(struct soft *c, const struct soft_op *op)
{
    if (c->eflags & EFLAGS_VM && (c->eflags & EFLAGS_IOPL) != EFLAGS_IOPL)
        soft_raise_code(c, EXCEPTION_GP, 0);
    uint64_t ip = item(c, op, 0, 0);
    uint16_t selector = item(c, op, 1, 0);
    uint32_t flags = item(c, op, 2, 0);
    uint32_t mask = iret_flags(c, op->osize) & ~(EFLAGS_VIF | EFLAGS_VIP);

    check_real_target(c, ip);
    drop(c, op, 3, 0);
    enter_real(c, selector, ip);
    soft_set_eflags(c, flags, mask);
}

static void iret_to_v86(struct soft *c, const struct soft_op *op, uint64_t ip, uint16_t cs,
                        uint32_t flags)
{
    static const uint8_t order[] = {SS, ES, DS, FS, GS};
    uint64_t sp = item(c, op, 3, 0);
    uint16_t selector[5];

    for (int i = 0; i < 5; i++)
        selector[i] = item(c, op, 4 + i, 0);
    if (ip > 0xffff)
        soft_raise_code(c, EXCEPTION_GP, 0);
    soft_set_eflags(c, flags, iret_flags(c, 2) | EFLAGS_VM);
    c->cpl = 3;
    c->r[RSP] = (uint32_t)sp;
    soft_mode(c);
    for (int i = 0; i < 5; i++)
        soft_load_segment(c, order[i], selector[i]);
    enter_real(c, cs, ip);
}

/* Back to the task that called this one. */
static void iret_task(struct soft *c, const struct soft_op *op)
{
    uint16_t selector = soft_system_load(c, c->tr.base, 2);
    struct soft_descriptor d;

    if (selector & 4 || !soft_find_descriptor(c, selector, &d) || !soft_is_tss(&d.s) ||
        !(d.s.type & TYPE_BUSY))
        soft_raise_selector(c, EXCEPTION_TS, selector, 0);
    if (!d.s.present)
        soft_raise_selector(c, EXCEPTION_NP, selector, 0);
    soft_begin_task(c, soft_switch_task(c, &d, SWITCH_RETURN, soft_next_ip(c, op), 0), 0);
}

static void iret_protected(struct soft *c, const struct soft_op *op)
{
    bool lma = soft_long_mode(c);

    if (c->eflags & EFLAGS_NT) {
        if (lma)
            soft_raise_code(c, EXCEPTION_GP, 0);
        iret_task(c, op);
        return;
    }
    uint64_t ip = item(c, op, 0, 0);
    uint16_t selector = item(c, op, 1, 0);
    uint32_t flags = item(c, op, 2, 0), mask = iret_flags(c, op->osize);

    if (flags & EFLAGS_VM && op->osize > 1 && !lma && c->cpl == 0) {
        iret_to_v86(c, op, ip, selector, flags);
        return;
    }
    struct soft_descriptor d = return_target(c, selector);

    if ((selector & 3) > c->cpl || c->code_size == 3) {
        uint64_t sp = item(c, op, 3, 0);

        return_with_stack(c, &d, ip, sp, item(c, op, 4, 0));
    } else {
        soft_check_target(c, &d.s, ip, 0);
        soft_mark_accessed(c, &d);
        drop(c, op, 3, 0);
        enter(c, &d, c->cpl, ip);
    }
    soft_set_eflags(c, flags, mask);
}

NOINLINE void do_iret(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    if (c->nmi_masked) { /* even if the rest faults */
        c->nmi_masked = false;
        /* Only one has waited. */
        if ((__atomic_load_n(&c->request, __ATOMIC_SEQ_CST) & REQUEST_NMIS) == REQUEST_NMIS)
            __atomic_fetch_and(&c->request, ~REQUEST_NEXT_NMI, __ATOMIC_SEQ_CST);
        soft_attend(c);
    }
    if (in_protected_mode(c))
        iret_protected(c, op);
    else
        iret_real(c, op);
}

static void iret(struct soft *c, const struct soft_op *op)
{
    do_iret(c, op);
    return soft_go(c);
}

/* ---- software interrupts ---- */

static void int_n(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    if (c->eflags & EFLAGS_VM && (c->eflags & EFLAGS_IOPL) != EFLAGS_IOPL)
        soft_raise_code(c, EXCEPTION_GP, 0);
    soft_interrupt_from(c, op->imm & 0xff, SOURCE_SOFTWARE, soft_next_ip(c, op));
    return soft_go(c);
}

static void int3(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    soft_interrupt_from(c, EXCEPTION_BP, SOURCE_SOFTWARE, soft_next_ip(c, op));
    return soft_go(c);
}

/* Breakpoints that a load of SS has put off are reported with this #DB. */
static void int1(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    if (c->hit)
        soft_note_debug(c, c->hit);
    c->hit = 0;
    soft_interrupt_from(c, EXCEPTION_DB, SOURCE_INT1, soft_next_ip(c, op));
    return soft_go(c);
}

static void into(struct soft *c, const struct soft_op *op)
{
    if (!(c->arith & 1))
        return soft_leave(c, op);
    c->op = op;
    soft_interrupt_from(c, EXCEPTION_OF, SOURCE_SOFTWARE, soft_next_ip(c, op));
    return soft_go(c);
}

/* ---- fast system calls ---- */

static struct segment flat(uint16_t selector, int type, int dpl, bool is64)
{
    return (struct segment){.limit = 0xffffffff,
                            .selector = selector,
                            .type = type,
                            .dpl = dpl,
                            .s = true,
                            .present = true,
                            .l = is64,
                            .db = !is64,
                            .g = true};
}

/* Flat segments, whatever is in the tables. */
static void enter_flat(struct soft *c, uint16_t cs, uint16_t ss, int cpl, bool is64, uint64_t ip)
{
    c->segment[CS] = flat((cs & ~3) | cpl, SEGMENT_CODE, cpl, is64);
    c->segment[SS] = flat((ss & ~3) | cpl, SEGMENT_DATA, cpl, false);
    c->cpl = cpl;
    c->r[RIP] = ip;
    soft_mode(c);
}

static void syscall_(struct soft *c, const struct soft_op *op)
{
    uint64_t ip = soft_next_ip(c, op);

    c->op = op;
    if (!(c->efer & EFER_SCE))
        soft_raise(c, EXCEPTION_UD);
    c->r[RCX] = ip;
    c->r[R11] = soft_eflags(c) & ~EFLAGS_RF;
    enter_flat(c, c->star >> 32, (c->star >> 32) + 8, 0, true, c->lstar);
    soft_set_eflags(c, 0, (uint32_t)c->fmask | EFLAGS_RF);
    c->stepped = c->eflags & EFLAGS_TF;
    return soft_go(c);
}

/* TF as it is now traps at once: as if SYSCALL had just ended. */
static void sysret(struct soft *c, const struct soft_op *op)
{
    bool is64 = op->osize == 3;
    uint16_t base = c->star >> 48;
    uint64_t ip = is64 ? c->r[RCX] : (uint32_t)c->r[RCX];

    c->op = op;
    if (!(c->efer & EFER_SCE))
        soft_raise(c, EXCEPTION_UD);
    if (c->cpl || !soft_canonical(ip))
        soft_raise_code(c, EXCEPTION_GP, 0);
    enter_flat(c, base + (is64 ? 16 : 0), base + 8, 3, is64, ip);
    soft_set_eflags(c, c->r[R11] & SYSRET_FLAGS, SYSRET_FLAGS | EFLAGS_RF);
    if (c->eflags & EFLAGS_TF) {
        soft_note_debug(c, DR6_BS);
        c->stepped = false;
        soft_interrupt(c, EXCEPTION_DB, SOURCE_EXCEPTION, false, 0);
    }
    return soft_go(c);
}

static void sysenter(struct soft *c, const struct soft_op *op)
{
    bool lma = soft_long_mode(c);
    uint16_t cs = c->sysenter_cs;

    c->op = op;
    if (!(c->cr0 & CR0_PE) || soft_is_null(cs))
        soft_raise_code(c, EXCEPTION_GP, 0);
    c->eflags &= ~(EFLAGS_VM | EFLAGS_IF | EFLAGS_RF);
    c->r[RSP] = lma ? c->sysenter_esp : (uint32_t)c->sysenter_esp;
    enter_flat(c, cs, cs + 8, 0, lma, lma ? c->sysenter_eip : (uint32_t)c->sysenter_eip);
    return soft_go(c);
}

static void sysexit(struct soft *c, const struct soft_op *op)
{
    bool is64 = op->osize == 3;
    uint16_t base = c->sysenter_cs + (is64 ? 32 : 16);
    uint64_t ip = is64 ? c->r[RDX] : (uint32_t)c->r[RDX];
    uint64_t sp = is64 ? c->r[RCX] : (uint32_t)c->r[RCX];

    c->op = op;
    if (!(c->cr0 & CR0_PE) || c->cpl || soft_is_null(c->sysenter_cs) || !soft_canonical(ip) ||
        !soft_canonical(sp))
        soft_raise_code(c, EXCEPTION_GP, 0);
    c->r[RSP] = sp;
    enter_flat(c, base, base + 8, 3, is64, ip);
    return soft_go(c);
}

static void swapgs(struct soft *c, const struct soft_op *op)
{
    uint64_t base = c->segment[GS].base;

    c->op = op;
    if (c->cpl)
        soft_raise_code(c, EXCEPTION_GP, 0);
    c->window[GS].base = c->segment[GS].base = c->kernel_gs_base;
    c->kernel_gs_base = base;
    SOFT_NEXT(c, op);
}

/* clang-format off */
SOFT_TABLE(soft_gate_rows)
    ROW("ea", "jmp Ap", .run = jmp_far, .attributes = ROW_NO64 | ROW_END)
    ROW("9a", "call Ap", .run = call_far, .attributes = ROW_NO64 | ROW_END)
    ROW("ff /5", "jmp Mp", .run = jmp_far_m, .attributes = ROW_END)
    ROW("ff /3", "call Mp", .run = call_far_m, .attributes = ROW_END)
    ROW("cb", "retf", .run = retf, .attributes = ROW_END)
    ROW("ca", "retf Iw", .run = retf, .attributes = ROW_END)
    ROW("cf", "iret", .run = iret, .attributes = ROW_END)

    ROW("cd", "int Ib", .run = int_n, .attributes = ROW_END)
    ROW("cc", "int3", .run = int3, .attributes = ROW_END)
    ROW("f1", "int1", .run = int1, .attributes = ROW_END)
    ROW("ce", "into", .run = into, .attributes = ROW_NO64 | ROW_END)

    ROW("0f 05", "syscall", .run = syscall_, .attributes = ROW_ONLY64 | ROW_END)
    ROW("0f 07", "sysret", .run = sysret, .attributes = ROW_ONLY64 | ROW_END)
    ROW("0f 34", "sysenter", .run = sysenter, .attributes = ROW_END)
    ROW("0f 35", "sysexit", .run = sysexit, .attributes = ROW_END)
    ROW("np 0f 01 =f8", "swapgs", .run = swapgs, .attributes = ROW_ONLY64)
SOFT_TABLE_END
