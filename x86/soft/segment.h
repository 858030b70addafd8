/* SPDX-License-Identifier: MIT */
/*
 * Descriptors, stacks and task states, of which transfers between segments, privilege levels and
 * tasks are made.
 */
#ifndef X86_SOFT_SEGMENT_H
#define X86_SOFT_SEGMENT_H

#include "x86/soft/decode.h"

/* Bits of the type of code and data segments, and types of system segments and gates. */
enum {
    TYPE_ACCESSED = 1,
    TYPE_WRITABLE = 2, /* data */
    TYPE_READABLE = 2, /* code */
    TYPE_DOWN = 4,     /* data: expands down */
    TYPE_CONFORMING = 4,
    TYPE_CODE = 8,

    TYPE_TSS16 = 0x1,
    TYPE_LDT = 0x2,
    TYPE_CALL16 = 0x4,
    TYPE_TASK = 0x5,
    TYPE_INTERRUPT16 = 0x6,
    TYPE_TRAP16 = 0x7,
    TYPE_TSS32 = 0x9, /* 64 bits in long mode */
    TYPE_CALL32 = 0xc,
    TYPE_INTERRUPT32 = 0xe,
    TYPE_TRAP32 = 0xf,
    TYPE_BUSY = 2, /* of a TSS */
};

struct soft_descriptor {
    uint16_t selector;
    uint64_t at;            /* linear address */
    uint64_t raw, raw_high; /* the second only of system segments in long mode */
    struct segment s;
};

/* A stack to push on, which need not be the one in use. */
struct soft_stack {
    struct segment ss;
    struct soft_window window;
    uint64_t sp;
    uint8_t size; /* log2 of the stack pointer's size */
    uint8_t cpl;
    uint32_t error; /* error code of #SS where it has no room */
};

static inline bool soft_long_mode(const struct soft *c)
{
    return c->efer & EFER_LMA;
}

static inline bool soft_is_null(uint16_t selector)
{
    return !(selector & 0xfffc);
}

static inline bool soft_is_code(const struct segment *s)
{
    return s->s && s->type & TYPE_CODE;
}

static inline bool soft_is_conforming(const struct segment *s)
{
    return s->s && (s->type & (TYPE_CODE | TYPE_CONFORMING)) == (TYPE_CODE | TYPE_CONFORMING);
}

static inline bool soft_is_writable(const struct segment *s)
{
    return s->s && (s->type & (TYPE_CODE | TYPE_WRITABLE)) == TYPE_WRITABLE;
}

static inline bool soft_is_tss(const struct segment *s)
{
    return !s->s && (s->type & ~(TYPE_BUSY | 8)) == TYPE_TSS16;
}

/* Raise an exception whose error code names a selector; ext is that code's lowest bit. */
_Noreturn void soft_raise_selector(struct soft *c, int vector, uint16_t selector, uint32_t ext);

/* ---- segment.c ---- */

/* The descriptor that a selector, which is not null, names. False when its table ends before it.
 * Where a code or data segment is asked for, only the first 8 bytes of a system segment are read.
 */
bool soft_find_segment(struct soft *c, uint16_t selector, struct soft_descriptor *d);
bool soft_find_descriptor(struct soft *c, uint16_t selector, struct soft_descriptor *d);

/* Set the accessed bit of a code or data segment, where it is not set. */
void soft_mark_accessed(struct soft *c, struct soft_descriptor *d);

/* A segment that allows no access. */
struct segment soft_null_segment(uint16_t selector);

/* The segment for a stack at cpl: null, as long mode lets it be, or with its descriptor checked and
 * marked. Raises vector, or #SS for a segment that is not present. may_null: the code to run is
 * 64-bit. */
struct segment soft_stack_segment(struct soft *c, uint16_t selector, int cpl, bool may_null,
                                  int vector, uint32_t ext);

/* Load LDTR. Raises vector, #GP or #TS, also for a segment that is not present. */
void soft_load_ldt(struct soft *c, uint16_t selector, int vector, int absent, uint32_t ext);

/* The accesses that a segment allows in protected mode, except 64-bit mode. */
struct soft_window soft_window_of(const struct segment *s);

/* ---- gate.c ---- */

/* Raise #GP(ext) unless code in the segment can run from offset ip. */
void soft_check_target(struct soft *c, const struct segment *cs, uint64_t ip, uint32_t ext);

/* Set the bits of EFLAGS that are in mask, as an instruction or a task leaves them, and all that
 * follows from them but soft_mode(). True when the line must end. */
bool soft_set_eflags(struct soft *c, uint32_t flags, uint32_t mask);

/* ---- exception.c ---- */

/* As soft_interrupt(), from an instruction, c->op, to return to ip. */
void soft_interrupt_from(struct soft *c, int vector, enum soft_source source, uint64_t ip);

/* The stack in use. */
struct soft_stack soft_present_stack(const struct soft *c);

/* The stack of an inner privilege level, as the TSS has it; ist is 0 but in long mode. */
struct soft_stack soft_inner_stack(struct soft *c, int cpl, int ist, uint32_t ext);

/* Push n values of 1 << osize bytes, the first one first: all or, with a fault, none. */
void soft_push_frame(struct soft *c, struct soft_stack *st, int osize, const uint64_t *val, int n);

/* Make it the stack in use. soft_mode() is to follow. */
void soft_use_stack(struct soft *c, const struct soft_stack *st);

/* ---- task.c ---- */

enum soft_switch {
    SWITCH_JUMP,
    SWITCH_CALL,
    SWITCH_RETURN,
    SWITCH_EVENT, /* through a task gate in the IDT */
};

/*
 * Switch to the task whose TSS's descriptor is d: all checks but those of its limit are done. next
 * is where the old task will go on. Faults of the new task's segments are raised in the new task.
 * True when the new task wants a #DB before its first instruction: for soft_begin_task().
 */
bool soft_switch_task(struct soft *c, struct soft_descriptor *d, enum soft_switch how,
                      uint64_t next, uint32_t ext);

/* The switch is complete: check the new task's IP, and raise its #DB. */
void soft_begin_task(struct soft *c, bool trap, uint32_t ext);

/* The TSS's descriptor behind the selector in a task gate, checked. */
struct soft_descriptor soft_find_task(struct soft *c, uint16_t selector, uint32_t ext);

#endif
