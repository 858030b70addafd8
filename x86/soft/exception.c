// SPDX-License-Identifier: MIT
/*
 * Faults, and how events of all kinds are delivered: the interrupt vector table of real mode, the
 * gates of the IDT, the stacks of inner privilege levels.
 *
 * After: Intel SDM vol. 3A, "Exception and Interrupt Handling", "Error Code", "Interrupt 8 - Double
 * Fault Exception", "Interrupt Stack Table", "Stack Switching in IA-32e Mode"; vol. 2, "INT
 * n/INTO/INT3/INT1"; vol. 3B, "Interrupt and Exception Handling in Virtual-8086 Mode", "Debug
 * Registers".
 *
 * Left out: virtual-8086 mode extensions and protected-mode virtual interrupts (CPUID has no VME).
 */
#include "x86/soft/segment.h"
#include "x86/soft/line.h"

#include <assert.h>

enum {
    IDT_ERROR = 2,         /* of an error code: a gate in the IDT is at fault */
    NOT_EXCEPTION = 0x100, /* in soft.delivering: interrupts, by whatever vector */
    FRAME_MAX = 10,        /* pushed at most: from virtual-8086 mode, with an error code */
};

/* What is to be delivered. */
struct event {
    int vector;
    enum soft_source source;
    bool fault; /* the instruction at ip is to be run again */
    bool has_error_code;
    uint32_t error_code;
    uint64_t ip; /* to return to */
};

_Noreturn void soft_raise(struct soft *c, int vector)
{
    c->vector = vector;
    c->has_error_code = false;
    c->error_code = 0;
    longjmp(c->fault, 1);
}

_Noreturn void soft_raise_code(struct soft *c, int vector, uint32_t error_code)
{
    c->vector = vector;
    c->has_error_code = true;
    c->error_code = error_code;
    longjmp(c->fault, 1);
}

void soft_note_debug(struct soft *c, uint32_t conditions)
{
    c->dr[6] = (c->dr[6] & ~(uint64_t)DR6_HITS) | conditions;
}

/* ---- stacks ---- */

struct soft_stack soft_present_stack(const struct soft *c)
{
    return (struct soft_stack){.ss = c->segment[SS],
                               .window = c->window[SS],
                               .sp = c->r[RSP],
                               .size = c->stack_size,
                               .cpl = c->cpl};
}

/* A stack of 64-bit mode. */
static void make_long(struct soft_stack *st, uint64_t sp)
{
    st->sp = sp;
    st->size = 3;
    st->window = (struct soft_window){.last = UINT64_MAX, .rights = ACCESS_READ | ACCESS_WRITE};
}

static struct soft_stack inner_stack64(struct soft *c, int cpl, int ist, uint32_t ext)
{
    uint32_t at = ist ? 28 + 8 * ist : 4 + 8 * cpl;
    struct soft_stack st = {.cpl = cpl, .error = ext};

    if (at + 7 > c->tr.limit)
        soft_raise_selector(c, EXCEPTION_TS, c->tr.selector, ext);
    make_long(&st, soft_system_load(c, c->tr.base + at, 8));
    st.ss = soft_null_segment(cpl);
    st.ss.dpl = cpl;
    return st;
}

struct soft_stack soft_inner_stack(struct soft *c, int cpl, int ist, uint32_t ext)
{
    int size = c->tr.type & 8 ? 4 : 2;
    uint32_t at = size * (1 + 2 * cpl);
    struct soft_stack st = {.cpl = cpl};

    if (soft_long_mode(c))
        return inner_stack64(c, cpl, ist, ext);
    if (at + size + 1 > c->tr.limit)
        soft_raise_selector(c, EXCEPTION_TS, c->tr.selector, ext);
    uint16_t selector = soft_system_load(c, c->tr.base + at + size, 2);

    st.sp = soft_system_load(c, c->tr.base + at, size);
    st.ss = soft_stack_segment(c, selector, cpl, false, EXCEPTION_TS, ext);
    st.size = st.ss.db ? 2 : 1;
    st.window = soft_window_of(&st.ss);
    st.error = (selector & 0xfffc) | ext;
    return st;
}

/* Write n bytes to the stack of some privilege level, all or none. Raises the fault that the first
 * failing push of size bytes would raise. */
static void store_as(struct soft *c, const struct soft_stack *st, uint64_t linear, const void *buf,
                     int n, int size)
{
    uint8_t cpl = c->cpl;
    uint64_t mask = c->linear_mask;
    struct soft_tlb *tlb = c->tlb;
    jmp_buf outer;

    c->cpl = st->cpl;
    soft_choose_tlb(c);
    const struct soft_tlb_entry *e = &c->tlb->entry[linear >> 12 & (SOFT_TLB_SIZE - 1)];

    if (likely(((linear + n - 1) & ~SOFT_PAGE) == e->write)) {
        memcpy((void *)(e->host + linear), buf, n);
    } else {
        memcpy(&outer, &c->fault, sizeof(outer));
        if (st->size == 3)
            c->linear_mask = UINT64_MAX;
        if (_setjmp(c->fault)) {
            memcpy(&c->fault, &outer, sizeof(outer));
            c->cpl = cpl;
            c->linear_mask = mask;
            c->tlb = tlb;
            longjmp(c->fault, 1);
        }
        for (int at = n - size; at >= 0; at -= size)
            soft_probe(c, SS, (linear + at) & c->linear_mask, size, ACCESS_WRITE);
        soft_store_bytes(c, SS, linear, buf, n);
        memcpy(&c->fault, &outer, sizeof(outer));
        c->linear_mask = mask;
    }
    c->cpl = cpl;
    c->tlb = tlb;
}

/* The linear address of n bytes at an offset of the stack. */
static uint64_t stack_linear(struct soft *c, const struct soft_stack *st, uint64_t offset, int n)
{
    const struct soft_window *w = &st->window;

    if (st->size == 3) {
        if (!soft_canonical(offset) || !soft_canonical(offset + n - 1))
            soft_raise_code(c, EXCEPTION_SS, st->error);
        return offset;
    }
    if (offset < w->first || offset + n - 1 > w->last || !(w->rights & ACCESS_WRITE))
        soft_raise_code(c, EXCEPTION_SS, st->error);
    return (uint32_t)(w->base + offset);
}

/* Push one by one: for a frame that wraps around in its segment, and for ring 3, where the
 * alignment of each push is checked. */
static void push_singly(struct soft *c, struct soft_stack *st, int osize, const uint64_t *val,
                        int n)
{
    uint64_t linear[40];
    int size = 1 << osize;

    for (int i = 0; i < n; i++) {
        linear[i] = stack_linear(c, st, soft_cut(st->size, st->sp - (i + 1) * size), size);
        if (c->cpl == st->cpl)
            soft_probe(c, SS, linear[i], size, ACCESS_WRITE);
    }
    for (int i = 0; i < n; i++)
        store_as(c, st, linear[i], &val[i], size, size);
}

void soft_push_frame(struct soft *c, struct soft_stack *st, int osize, const uint64_t *val, int n)
{
    int size = 1 << osize, total = n * size;
    uint64_t end = soft_cut(st->size, st->sp), begin = soft_cut(st->size, end - total);
    uint8_t frame[40 * 8];

    assert(total <= (int)sizeof(frame));
    if ((end && end < (uint64_t)total) || st->cpl == 3) {
        push_singly(c, st, osize, val, n);
    } else {
        uint64_t linear = stack_linear(c, st, begin, total);

        for (int i = 0; i < n; i++)
            soft_poke(frame + total - (i + 1) * size, osize, val[i]);
        store_as(c, st, linear, frame, total, size);
    }
    st->sp = begin;
}

void soft_use_stack(struct soft *c, const struct soft_stack *st)
{
    c->segment[SS] = st->ss;
    if (st->size == 1)
        *(any16 *)&c->r[RSP] = st->sp;
    else
        c->r[RSP] = st->size == 2 ? (uint32_t)st->sp : st->sp;
}

/* ---- delivery ---- */

static void deliver_real(struct soft *c, const struct event *e)
{
    struct soft_stack st = soft_present_stack(c);
    uint64_t frame[3] = {soft_eflags(c), c->segment[CS].selector, e->ip};

    if (e->vector * 4 + 3 > c->idt.limit)
        soft_raise_code(c, EXCEPTION_GP, e->vector * 8 + IDT_ERROR);
    uint32_t to = soft_system_load(c, c->idt.base + e->vector * 4, 4);

    soft_push_frame(c, &st, 1, frame, 3);
    soft_use_stack(c, &st);
    c->eflags &= ~(EFLAGS_IF | EFLAGS_TF | EFLAGS_AC | EFLAGS_RF);
    c->op = NULL;
    c->r[RIP] = to & 0xffff;
    soft_load_segment(c, CS, to >> 16);
}

/* The code segment that a gate leads to. */
static struct soft_descriptor gate_target(struct soft *c, uint16_t selector, uint32_t ext)
{
    struct soft_descriptor d;

    if (soft_is_null(selector))
        soft_raise_code(c, EXCEPTION_GP, ext);
    if (!soft_find_segment(c, selector, &d) || !soft_is_code(&d.s) || d.s.dpl > c->cpl ||
        (soft_long_mode(c) && (!d.s.l || d.s.db)))
        soft_raise_selector(c, EXCEPTION_GP, selector, ext);
    if (!d.s.present)
        soft_raise_selector(c, EXCEPTION_NP, selector, ext);
    if (c->eflags & EFLAGS_VM && (soft_is_conforming(&d.s) || d.s.dpl != 0))
        soft_raise_selector(c, EXCEPTION_GP, selector, ext);
    return d;
}

/* The gate of an event, checked: its 8 or 16 bytes. */
static void find_gate(struct soft *c, const struct event *e, uint32_t ext, uint64_t gate[2])
{
    int size = soft_long_mode(c) ? 16 : 8, at = e->vector * size;
    uint32_t error = e->vector * 8 + IDT_ERROR + ext;

    if (at + size - 1 > c->idt.limit)
        soft_raise_code(c, EXCEPTION_GP, error);
    gate[0] = soft_system_load(c, c->idt.base + at, 8);
    gate[1] = size == 16 ? soft_system_load(c, c->idt.base + at + 8, 8) : 0;
    int type = gate[0] >> 40 & 31, dpl = gate[0] >> 45 & 3;

    if (type != TYPE_INTERRUPT32 && type != TYPE_TRAP32 &&
        (size == 16 || (type != TYPE_INTERRUPT16 && type != TYPE_TRAP16 && type != TYPE_TASK)))
        soft_raise_code(c, EXCEPTION_GP, error);
    if (e->source == SOURCE_SOFTWARE && dpl < c->cpl)
        soft_raise_code(c, EXCEPTION_GP, error);
    if (!(gate[0] >> 47 & 1))
        soft_raise_code(c, EXCEPTION_NP, error);
}

static void deliver_to_task(struct soft *c, const struct event *e, uint16_t selector, uint32_t ext)
{
    struct soft_descriptor d = soft_find_task(c, selector, ext);

    if (e->fault)
        c->eflags |= EFLAGS_RF; /* in the old task's TSS */
    bool trap = soft_switch_task(c, &d, SWITCH_EVENT, e->ip, ext);

    if (e->has_error_code) {
        struct soft_stack st = soft_present_stack(c);
        uint64_t code = e->error_code;

        st.error = ext;
        soft_push_frame(c, &st, c->tr.type & 8 ? 2 : 1, &code, 1);
        soft_use_stack(c, &st);
    }
    soft_begin_task(c, trap, ext);
}

/* What is pushed for an event, in order. */
static int make_frame(struct soft *c, const struct event *e, bool with_stack, uint64_t *frame)
{
    static const uint8_t order[] = {GS, FS, DS, ES};
    int n = 0;

    if (c->eflags & EFLAGS_VM)
        for (int i = 0; i < 4; i++)
            frame[n++] = c->segment[order[i]].selector;
    if (with_stack) {
        frame[n++] = c->segment[SS].selector;
        frame[n++] = c->r[RSP];
    }
    frame[n++] = soft_eflags(c) | (e->fault ? EFLAGS_RF : 0);
    frame[n++] = c->segment[CS].selector;
    frame[n++] = e->ip;
    if (e->has_error_code)
        frame[n++] = e->error_code;
    return n;
}

static void deliver_protected(struct soft *c, const struct event *e)
{
    bool lma = soft_long_mode(c);
    uint32_t ext = e->source != SOURCE_SOFTWARE;
    uint64_t gate[2], frame[FRAME_MAX];

    find_gate(c, e, ext, gate);
    int type = gate[0] >> 40 & 15, ist = lma ? gate[0] >> 32 & 7 : 0;
    int osize = lma ? 3 : type & 8 ? 2 : 1;
    uint64_t ip = (gate[0] & 0xffff) | (osize > 1 ? gate[0] >> 32 & 0xffff0000 : 0) | gate[1] << 32;

    if (type == TYPE_TASK) {
        deliver_to_task(c, e, gate[0] >> 16, ext);
        return;
    }
    struct soft_descriptor d = gate_target(c, gate[0] >> 16, ext);
    bool inner = !soft_is_conforming(&d.s) && d.s.dpl < c->cpl;
    int cpl = inner ? d.s.dpl : c->cpl;
    struct soft_stack st;

    if (inner || ist) {
        st = soft_inner_stack(c, cpl, ist, ext);
        if (!inner)
            st.ss = c->segment[SS];
    } else {
        st = soft_present_stack(c);
        st.error = ext;
    }
    if (lma)
        make_long(&st, st.sp & ~UINT64_C(15));
    soft_check_target(c, &d.s, ip, ext);
    soft_mark_accessed(c, &d);
    soft_push_frame(c, &st, osize, frame, make_frame(c, e, inner || lma, frame));
    /* Nothing can fault any more. */
    if (c->eflags & EFLAGS_VM)
        for (int seg = 0; seg < SEGMENTS; seg++)
            if (seg != CS && seg != SS)
                c->segment[seg] = soft_null_segment(0);
    soft_use_stack(c, &st);
    c->segment[CS] = d.s;
    c->segment[CS].selector = (d.selector & ~3) | cpl;
    c->cpl = cpl;
    c->op = NULL;
    c->r[RIP] = ip;
    c->eflags &= ~(EFLAGS_TF | EFLAGS_NT | EFLAGS_VM | EFLAGS_RF | (type & 1 ? 0 : EFLAGS_IF));
    soft_mode(c);
}

/* INT3 and INTO. */
static bool is_trap(const struct event *e)
{
    return e->source == SOURCE_SOFTWARE && (e->vector == EXCEPTION_BP || e->vector == EXCEPTION_OF);
}

static void deliver(struct soft *c, const struct event *e)
{
    bool exception = e->source == SOURCE_EXCEPTION || e->source == SOURCE_INT1;

    if (!c->chained)
        c->first = (struct vcpu_event){.known = true,
                                       .exception = exception || is_trap(e),
                                       .vector = e->vector,
                                       .has_error_code = e->has_error_code,
                                       .error_code = e->error_code,
                                       .cr2 = c->cr2,
                                       .rip = c->op ? soft_ip(c, c->op) : c->r[RIP]};
    c->delivering = exception ? e->vector : NOT_EXCEPTION | e->vector;
    if (c->cr0 & CR0_PE)
        deliver_protected(c, e);
    else
        deliver_real(c, e);
    c->delivering = -1;
    c->chained = false;
    c->shadow = c->quiet = false;
    c->halted = false;
    if (exception && e->vector == EXCEPTION_DB)
        c->dr[7] &= ~(uint64_t)DR7_GD;
}

void soft_interrupt_from(struct soft *c, int vector, enum soft_source source, uint64_t ip)
{
    struct event e = {.vector = vector, .source = source, .ip = ip};

    deliver(c, &e);
    c->stepped = false; /* with TF clear now */
}

void soft_interrupt(struct soft *c, int vector, enum soft_source source, bool has_error_code,
                    uint32_t error_code)
{
    struct event e = {.vector = vector,
                      .source = source,
                      .has_error_code = has_error_code,
                      .error_code = error_code,
                      .ip = c->r[RIP]};

    c->op = NULL;
    deliver(c, &e);
}

/* ---- faults within faults ---- */

static bool is_contributory(int vector)
{
    return vector == EXCEPTION_DE || (vector >= EXCEPTION_TS && vector <= EXCEPTION_GP);
}

bool soft_catch_fault(struct soft *c)
{
    int first = c->delivering;
    bool page = first == EXCEPTION_PF;

    soft_undo(c);
    c->count++;
    c->delivering = -1;
    c->chained = first != -1;
    c->raised = first != EXCEPTION_DF;
    if (!c->raised)
        return false;
    if ((is_contributory(first) && is_contributory(c->vector)) ||
        (page && (is_contributory(c->vector) || c->vector == EXCEPTION_PF))) {
        c->vector = EXCEPTION_DF;
        c->has_error_code = true;
        c->error_code = 0;
    }
    return true;
}

void soft_deliver_fault(struct soft *c)
{
    struct event e = {.vector = c->vector,
                      .source = SOURCE_EXCEPTION,
                      .fault = c->vector != EXCEPTION_DF,
                      .has_error_code = c->has_error_code,
                      .error_code = c->error_code,
                      .ip = c->r[RIP]};

    deliver(c, &e);
    c->raised = false;
}
