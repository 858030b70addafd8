// SPDX-License-Identifier: MIT
/*
 * Task states: the hardware's task switch, and the I/O permission bitmap.
 *
 * After: Intel SDM vol. 3A, "Task Management": "Task Switching", "Task-State Segment (TSS)",
 * "16-Bit Task-State Segment (TSS)"; vol. 1, "I/O Permission Bit Map".
 *
 * Left out: nothing.
 */
#include "x86/soft/segment.h"

/* Where a TSS has what. */
struct layout {
    uint8_t item; /* log2 of the size of IP, FLAGS and general registers */
    uint8_t step; /* from one segment register to the next, in bytes */
    uint8_t ip, flags, gpr, segments, ldt, cr3;
    uint8_t nsegments;
    uint8_t last; /* offset of the last byte that must be there */
};

static const struct layout layout16 = {.item = 1,
                                       .step = 2,
                                       .ip = 0x0e,
                                       .flags = 0x10,
                                       .gpr = 0x12,
                                       .segments = 0x22,
                                       .ldt = 0x2a,
                                       .nsegments = 4,
                                       .last = 0x2b};
static const struct layout layout32 = {.item = 2,
                                       .step = 4,
                                       .ip = 0x20,
                                       .flags = 0x24,
                                       .gpr = 0x28,
                                       .segments = 0x48,
                                       .ldt = 0x60,
                                       .cr3 = 0x1c,
                                       .nsegments = 6,
                                       .last = 0x67};

enum {
    TSS_TRAP = 0x64,
    TSS_MAP = 0x66,
};

/* What a TSS says about its task. */
struct task {
    uint64_t ip, gpr[8], cr3;
    uint32_t flags;
    uint16_t segment[SEGMENTS], ldt;
    bool trap;
};

static const struct layout *layout_of(const struct segment *tss)
{
    return tss->type & 8 ? &layout32 : &layout16;
}

static struct task read_task(struct soft *c, const struct segment *tss)
{
    const struct layout *l = layout_of(tss);
    struct task t = {0};
    int size = 1 << l->item;

    t.ip = soft_system_load(c, tss->base + l->ip, size);
    t.flags = soft_system_load(c, tss->base + l->flags, size);
    for (int i = 0; i < 8; i++)
        t.gpr[i] = soft_system_load(c, tss->base + l->gpr + i * size, size);
    for (int i = 0; i < l->nsegments; i++)
        t.segment[i] = soft_system_load(c, tss->base + l->segments + i * l->step, 2);
    t.ldt = soft_system_load(c, tss->base + l->ldt, 2);
    if (l->cr3) {
        t.cr3 = soft_system_load(c, tss->base + l->cr3, 4);
        t.trap = soft_system_load(c, tss->base + TSS_TRAP, 2) & 1;
    }
    return t;
}

static void write_task(struct soft *c, const struct layout *l, const struct soft_span *tss,
                       uint64_t ip, uint32_t flags)
{
    int size = 1 << l->item;

    soft_span_store(c, tss, l->ip, size, ip);
    soft_span_store(c, tss, l->flags, size, flags);
    for (int i = 0; i < 8; i++)
        soft_span_store(c, tss, l->gpr + i * size, size, c->r[i]);
    for (int i = 0; i < l->nsegments; i++)
        soft_span_store(c, tss, l->segments + i * l->step, 2, c->segment[i].selector);
}

struct soft_descriptor soft_find_task(struct soft *c, uint16_t selector, uint32_t ext)
{
    struct soft_descriptor d;

    if (selector & 4 || soft_is_null(selector) || !soft_find_descriptor(c, selector, &d) ||
        !soft_is_tss(&d.s) || d.s.type & TYPE_BUSY)
        soft_raise_selector(c, EXCEPTION_GP, selector, ext);
    if (!d.s.present)
        soft_raise_selector(c, EXCEPTION_NP, selector, ext);
    return d;
}

static void set_cr3(struct soft *c, uint64_t cr3)
{
    if (!(c->cr0 & CR0_PG))
        return;
    if (c->cr4 & CR4_PAE && !soft_load_pdptes(c, cr3))
        soft_raise_code(c, EXCEPTION_GP, 0);
    c->cr3 = cr3;
    soft_flush_tlb(c, false);
}

/* Load CS of the new task. Its segments raise #TS, #NP and #SS in the new task. */
static void load_code(struct soft *c, uint16_t selector, uint32_t ext)
{
    struct soft_descriptor d;
    int rpl = selector & 3;

    if (soft_is_null(selector) || !soft_find_descriptor(c, selector, &d) || !soft_is_code(&d.s) ||
        (soft_is_conforming(&d.s) ? d.s.dpl > rpl : d.s.dpl != rpl))
        soft_raise_selector(c, EXCEPTION_TS, selector, ext);
    if (!d.s.present)
        soft_raise_selector(c, EXCEPTION_NP, selector, ext);
    soft_mark_accessed(c, &d);
    c->segment[CS] = d.s;
}

static void load_data(struct soft *c, int seg, uint16_t selector, uint32_t ext)
{
    struct soft_descriptor d;

    if (soft_is_null(selector))
        return;
    if (!soft_find_descriptor(c, selector, &d) || !d.s.s ||
        (d.s.type & TYPE_CODE && !(d.s.type & TYPE_READABLE)) ||
        (!soft_is_conforming(&d.s) && ((selector & 3) > d.s.dpl || c->cpl > d.s.dpl)))
        soft_raise_selector(c, EXCEPTION_TS, selector, ext);
    if (!d.s.present)
        soft_raise_selector(c, EXCEPTION_NP, selector, ext);
    soft_mark_accessed(c, &d);
    c->segment[seg] = d.s;
}

static void load_segments(struct soft *c, const struct task *t, uint32_t ext)
{
    static const uint8_t data[] = {ES, DS, FS, GS};

    soft_load_ldt(c, t->ldt, EXCEPTION_TS, EXCEPTION_TS, ext);
    if (c->eflags & EFLAGS_VM) {
        for (int seg = 0; seg < SEGMENTS; seg++)
            soft_load_segment(c, seg, t->segment[seg]);
        return;
    }
    load_code(c, t->segment[CS], ext);
    c->segment[SS] = soft_stack_segment(c, t->segment[SS], c->cpl, false, EXCEPTION_TS, ext);
    soft_mode(c);
    for (int i = 0; i < 4; i++)
        load_data(c, data[i], t->segment[data[i]], ext);
    soft_mode(c);
}

/* Enter the new task, in which faults are raised from here on. */
static void enter_task(struct soft *c, const struct task *t, uint32_t flags, uint32_t ext)
{
    const uint32_t known = EFLAGS_ARITHMETIC | EFLAGS_TF | EFLAGS_IF | EFLAGS_DF | EFLAGS_IOPL |
                           EFLAGS_NT | EFLAGS_RF | EFLAGS_VM | EFLAGS_AC | EFLAGS_VIF | EFLAGS_VIP |
                           EFLAGS_ID;

    c->op = NULL;
    c->r[RIP] = t->ip;
    memcpy(c->r, t->gpr, sizeof(t->gpr));
    c->cpl = flags & EFLAGS_VM ? 3 : t->segment[CS] & 3;
    for (int seg = 0; seg < SEGMENTS; seg++)
        c->segment[seg] = soft_null_segment(t->segment[seg]);
    c->segment[SS].dpl = c->cpl;
    c->ldt = soft_null_segment(t->ldt);
    c->dr[7] &= ~UINT64_C(0x55); /* local breakpoints */
    soft_set_eflags(c, flags, known);
    soft_mode(c);
    load_segments(c, t, ext);
}

bool soft_switch_task(struct soft *c, struct soft_descriptor *d, enum soft_switch how,
                      uint64_t next, uint32_t ext)
{
    const struct layout *l = layout_of(&d->s);
    bool nests = how == SWITCH_CALL || how == SWITCH_EVENT;
    uint32_t flags = soft_eflags(c);
    uint16_t old = c->tr.selector;

    if (d->s.limit < l->last)
        soft_raise_selector(c, EXCEPTION_TS, d->selector, ext);
    struct task t = read_task(c, &d->s);

    /* Find all that is to be written first: then nothing can fault any more. */
    const struct layout *old_layout = layout_of(&c->tr);
    struct soft_span old_tss = soft_system_span(c, c->tr.base, old_layout->last + 1);
    struct soft_span type = soft_system_span(c, d->at + 5, 1);
    struct soft_span old_type = {0}, link = {0};

    if (nests)
        link = soft_system_span(c, d->s.base, 2);
    else
        old_type = soft_system_span(c, c->gdt.base + (old & ~7) + 5, 1);
    if (!nests)
        soft_span_bits(c, &old_type, TYPE_BUSY, 0);
    write_task(c, old_layout, &old_tss, next, how == SWITCH_RETURN ? flags & ~EFLAGS_NT : flags);
    if (nests) {
        soft_span_store(c, &link, 0, 2, old);
        t.flags |= EFLAGS_NT;
    }
    if (how != SWITCH_RETURN)
        soft_span_bits(c, &type, 0, TYPE_BUSY);
    c->tr = d->s;
    c->tr.type |= TYPE_BUSY;
    c->cr0 |= CR0_TS;
    if (l->cr3)
        set_cr3(c, t.cr3);
    enter_task(c, &t, t.flags, ext);
    return t.trap;
}

void soft_begin_task(struct soft *c, bool trap, uint32_t ext)
{
    soft_check_target(c, &c->segment[CS], c->r[RIP], ext);
    if (trap) {
        soft_note_debug(c, DR6_BT);
        soft_interrupt(c, EXCEPTION_DB, SOURCE_EXCEPTION, false, 0);
    }
}

/* ---- I/O permission ---- */

void soft_check_io_permission(struct soft *c, uint16_t port, int size)
{
    bool v86 = c->eflags & EFLAGS_VM;

    if (!(c->cr0 & CR0_PE) || (!v86 && c->cpl <= (int)(c->eflags >> 12 & 3)))
        return;
    if (!c->tr.present || !(c->tr.type & 8) || c->tr.limit < TSS_MAP + 1)
        soft_raise_code(c, EXCEPTION_GP, 0);
    uint32_t at = soft_system_load(c, c->tr.base + TSS_MAP, 2) + port / 8;

    /* Two bytes are always read, which is why the map ends with a byte of ones. */
    if (at + 1 > c->tr.limit)
        soft_raise_code(c, EXCEPTION_GP, 0);
    uint32_t map = soft_system_load(c, c->tr.base + at, 2);

    if (map >> (port & 7) & ((1 << size) - 1))
        soft_raise_code(c, EXCEPTION_GP, 0);
}
