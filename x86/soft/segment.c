// SPDX-License-Identifier: MIT
/*
 * Segment registers: what they let through, how they are loaded, and the mode that follows from
 * them.
 *
 * After: Intel SDM vol. 3A, "Segment Descriptors", "Segment Descriptor Tables in IA-32e Mode",
 * "Type Checking", "Privilege Levels"; vol. 3B, "8086 Emulation"; vol. 2, "MOV".
 *
 * Left out: nothing. In real mode a load changes no limit, so that "unreal" mode works.
 */
#include "x86/soft/segment.h"

enum {
    SEGMENT_TABLE = 4, /* of a selector: the LDT */
};

/* ---- what follows from the segments ---- */

static bool is_flat(const struct soft_window *w)
{
    return w->base == 0 && w->first == 0 && w->last == 0xffffffff &&
           (w->rights & (ACCESS_READ | ACCESS_WRITE)) == (ACCESS_READ | ACCESS_WRITE);
}

struct soft_window soft_window_of(const struct segment *s)
{
    struct soft_window w = {.base = s->base, .last = s->limit};

    if (s->present && s->type & TYPE_CODE) {
        w.rights = ACCESS_EXECUTE | (s->type & TYPE_READABLE ? ACCESS_READ : 0);
    } else if (s->present) {
        w.rights = ACCESS_READ | (s->type & TYPE_WRITABLE ? ACCESS_WRITE : 0);
        if (s->type & TYPE_DOWN) {
            w.first = (uint64_t)s->limit + 1;
            w.last = s->db ? 0xffffffff : 0xffff;
        }
    }
    return w;
}

/* Is one of the data breakpoints armed? */
static bool watches_data(const struct soft *c)
{
    for (int i = 0; c->dr[7] & DR7_ENABLES && i < 4; i++)
        if (c->dr[7] >> (2 * i) & 3 && c->dr[7] >> (16 + 4 * i) & 1)
            return true;
    return false;
}

void soft_choose_tlb(struct soft *c)
{
    bool aligned = c->cpl == 3 && c->cr0 & CR0_AM && c->eflags & EFLAGS_AC;
    bool smap = c->cr4 & CR4_SMAP && !(c->eflags & EFLAGS_AC);

    c->tlb = &c->tlbs[aligned || watches_data(c) ? TLB_CAREFUL
                      : c->cpl == 3              ? TLB_USER
                      : smap                     ? TLB_SUPERVISOR
                                                 : TLB_SMAP_OFF];
}

/* Set a segment register's window, and the bit of soft.mode that says whether it is flat. */
static void set_window(struct soft *c, int seg)
{
    const int all = ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE;
    const struct segment *s = &c->segment[seg];
    struct soft_window *w = &c->window[seg];

    if (c->code_size == 3) {
        *w =
            (struct soft_window){.base = seg < FS ? 0 : s->base, .last = UINT64_MAX, .rights = all};
        return;
    }
    *w = c->mode & MODE_PROTECTED
             ? soft_window_of(s)
             : (struct soft_window){.base = s->base, .last = s->limit, .rights = all};
    if (seg == ES || seg == SS || seg == DS) {
        uint32_t flat = 1 << (MODE_FLAT_SHIFT + seg);

        c->mode = is_flat(w) ? c->mode | flat : c->mode & ~flat;
    }
}

void soft_mode(struct soft *c)
{
    const struct segment *cs = &c->segment[CS], *ss = &c->segment[SS];
    bool is64 = soft_long_mode(c) && cs->l, v86 = c->eflags & EFLAGS_VM;
    int stack = FLAT64;

    c->code_size = is64 ? 3 : cs->db ? 2 : 1;
    c->stack_size = is64 ? 3 : ss->db ? 2 : 1;
    c->linear_mask = is64 ? UINT64_MAX : UINT32_MAX;
    c->mode = c->code_size | (c->cpl == 3 ? MODE_USER : 0) |
              (c->cr0 & CR0_PE && !v86 ? MODE_PROTECTED : 0);
    for (int seg = 0; seg < SEGMENTS; seg++)
        set_window(c, seg);
    if (!is64) {
        stack = c->stack_size == 2 && is_flat(&c->window[SS]) ? FLAT32 : ANYHOW;
        c->mode |= c->window[CS].last != 0xffffffff ? MODE_LIMITED : 0;
    }
    c->mode |= stack << MODE_STACK_SHIFT;
    soft_choose_tlb(c);
}

_Noreturn void soft_segment_fault(struct soft *c, int seg)
{
    soft_raise_code(c, seg == SS ? EXCEPTION_SS : EXCEPTION_GP, 0);
}

_Noreturn void soft_raise_selector(struct soft *c, int vector, uint16_t selector, uint32_t ext)
{
    soft_raise_code(c, vector, (selector & 0xfffc) | ext);
}

/* ---- descriptors ---- */

static struct segment segment_of(const struct soft_descriptor *d)
{
    uint64_t raw = d->raw;
    struct segment s = {
        .base = (raw >> 16 & 0xffffff) | (raw >> 32 & 0xff000000) | d->raw_high << 32,
        .limit = (raw & 0xffff) | (raw >> 32 & 0xf0000),
        .selector = d->selector,
        .type = raw >> 40 & 15,
        .s = raw >> 44 & 1,
        .dpl = raw >> 45 & 3,
        .present = raw >> 47 & 1,
        .avl = raw >> 52 & 1,
        .l = raw >> 53 & 1,
        .db = raw >> 54 & 1,
        .g = raw >> 55 & 1,
    };

    if (s.g)
        s.limit = s.limit << 12 | 0xfff;
    return s;
}

bool soft_find_segment(struct soft *c, uint16_t selector, struct soft_descriptor *d)
{
    bool local = selector & SEGMENT_TABLE;
    uint64_t base = local ? c->ldt.base : c->gdt.base;
    uint32_t limit = local ? c->ldt.limit : c->gdt.limit, index = selector & ~7;

    if ((local && !c->ldt.present) || index + 7 > limit)
        return false;
    *d = (struct soft_descriptor){.selector = selector, .at = base + index};
    d->raw = soft_system_load(c, d->at, 8);
    d->s = segment_of(d);
    return true;
}

bool soft_find_descriptor(struct soft *c, uint16_t selector, struct soft_descriptor *d)
{
    uint32_t limit = selector & SEGMENT_TABLE ? c->ldt.limit : c->gdt.limit;

    if (!soft_find_segment(c, selector, d))
        return false;
    if (soft_long_mode(c) && !d->s.s) {
        if ((selector & ~7U) + 15 > limit)
            return false;
        d->raw_high = soft_system_load(c, d->at + 8, 8);
        d->s = segment_of(d);
    }
    return true;
}

void soft_mark_accessed(struct soft *c, struct soft_descriptor *d)
{
    if (d->s.type & TYPE_ACCESSED)
        return;
    soft_system_bits(c, d->at + 5, 0, TYPE_ACCESSED);
    d->s.type |= TYPE_ACCESSED;
}

struct segment soft_null_segment(uint16_t selector)
{
    return (struct segment){.selector = selector};
}

/* ---- loading ---- */

struct segment soft_stack_segment(struct soft *c, uint16_t selector, int cpl, bool may_null,
                                  int vector, uint32_t ext)
{
    struct soft_descriptor d;

    if (soft_is_null(selector)) {
        struct segment s = soft_null_segment(selector);

        if (!may_null || cpl == 3 || (selector & 3) != cpl)
            soft_raise_code(c, vector, ext);
        s.dpl = cpl;
        return s;
    }
    if (!soft_find_segment(c, selector, &d) || (selector & 3) != cpl || !soft_is_writable(&d.s) ||
        d.s.dpl != cpl)
        soft_raise_selector(c, vector, selector, ext);
    if (!d.s.present)
        soft_raise_selector(c, EXCEPTION_SS, selector, ext);
    soft_mark_accessed(c, &d);
    return d.s;
}

static struct segment data_segment(struct soft *c, int seg, uint16_t selector)
{
    struct soft_descriptor d;

    if (soft_is_null(selector)) {
        struct segment s = soft_null_segment(selector);

        s.limit = c->segment[seg].limit; /* real mode will see it again */
        return s;
    }
    if (!soft_find_segment(c, selector, &d) || !d.s.s ||
        (d.s.type & TYPE_CODE && !(d.s.type & TYPE_READABLE)))
        soft_raise_selector(c, EXCEPTION_GP, selector, 0);
    if (!soft_is_conforming(&d.s) && ((selector & 3) > d.s.dpl || c->cpl > d.s.dpl))
        soft_raise_selector(c, EXCEPTION_GP, selector, 0);
    if (!d.s.present)
        soft_raise_selector(c, EXCEPTION_NP, selector, 0);
    soft_mark_accessed(c, &d);
    return d.s;
}

/* In virtual-8086 mode all is as on an 8086; in real mode a load leaves the limit as it is. */
static struct segment real_segment(const struct soft *c, int seg, uint16_t selector)
{
    struct segment s = c->segment[seg];

    if (c->eflags & EFLAGS_VM)
        s = (struct segment){.limit = 0xffff, .dpl = 3};
    s.base = (uint32_t)selector << 4;
    s.selector = selector;
    s.type = seg == CS && !(c->eflags & EFLAGS_VM) ? SEGMENT_CODE : SEGMENT_DATA;
    s.s = s.present = true;
    return s;
}

void soft_load_segment(struct soft *c, int seg, uint16_t selector)
{
    if (!(c->mode & MODE_PROTECTED))
        c->segment[seg] = real_segment(c, seg, selector);
    else if (seg == SS)
        c->segment[SS] =
            soft_stack_segment(c, selector, c->cpl, c->code_size == 3, EXCEPTION_GP, 0);
    else
        c->segment[seg] = data_segment(c, seg, selector);
    if (seg == SS || seg == CS)
        soft_mode(c);
    else
        set_window(c, seg);
}

void soft_load_ldt(struct soft *c, uint16_t selector, int vector, int absent, uint32_t ext)
{
    struct soft_descriptor d;

    if (soft_is_null(selector)) {
        c->ldt = soft_null_segment(selector);
        return;
    }
    if (selector & SEGMENT_TABLE || !soft_find_descriptor(c, selector, &d) || d.s.s ||
        d.s.type != TYPE_LDT || d.raw_high >> 40 & 0x1f)
        soft_raise_selector(c, vector, selector, ext);
    if (!d.s.present)
        soft_raise_selector(c, absent, selector, ext);
    if (soft_long_mode(c) && !soft_canonical(d.s.base))
        soft_raise_selector(c, vector, selector, ext);
    c->ldt = d.s;
}
