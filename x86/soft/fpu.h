/* SPDX-License-Identifier: MIT */
/*
 * What x87 and MMX instructions share: the state in struct soft_fpu, whose st[0] is the register
 * that TOP names, while ftw and MMX go by the registers' own numbers.
 */
#ifndef X86_SOFT_FPU_H
#define X86_SOFT_FPU_H

#include "x86/soft/exec.h"

enum {
    FPU_EXCEPTIONS = 0x3f, /* of FSW; their masks in FCW */
    FPU_STACK_FAULT = 1 << 6,
    FPU_SUMMARY = 1 << 7 | 1 << 15, /* ES and B */
    FPU_C1 = 1 << 9,
    FPU_CONDITION = 0x4700, /* C3 C2 C1 C0 */
    FPU_TOP_SHIFT = 11,
    FPU_TOP = 7 << FPU_TOP_SHIFT,
};

/* An exception waits for the next instruction that looks. */
INLINE bool fpu_pending(const struct soft_fpu *f)
{
    return f->fsw & ~f->fcw & FPU_EXCEPTIONS;
}

/* FCW or FSW was loaded: set its reserved bits right, and ES and B to what follows from the rest.
 */
INLINE void fpu_settle(struct soft_fpu *f)
{
    f->fcw = (f->fcw & 0x1f3f) | 0x40;
    f->fsw = (f->fsw & ~FPU_SUMMARY) | (fpu_pending(f) ? FPU_SUMMARY : 0);
}

INLINE int fpu_top(const struct soft_fpu *f)
{
    return f->fsw >> FPU_TOP_SHIFT & 7;
}

/* Make register number `top` the first, with all registers and tags as they are. */
INLINE void fpu_set_top(struct soft_fpu *f, int top)
{
    int by = (top - fpu_top(f)) & 7;
    uint8_t old[8][16];

    f->fsw = (f->fsw & ~FPU_TOP) | (top & 7) << FPU_TOP_SHIFT;
    if (!by)
        return;
    memcpy(old, f->st, sizeof(old));
    for (int i = 0; i < 8; i++)
        memcpy(f->st[i], old[(i + by) & 7], 16);
}

#endif
