/* SPDX-License-Identifier: MIT */
/*
 * What handlers of SSE instructions are made of.
 *
 * Most instructions make one vector of two: of the destination's register and of the source, which
 * is a register or memory. What such an instruction does is the body behind VECTORS(), which makes
 * its handlers: one for a register, one for memory that is quick to reach, one for any memory. The
 * host's own instruction computes wherever there is one.
 */
#ifndef X86_SOFT_SSE_H
#define X86_SOFT_SSE_H

#include "x86/soft/exec.h"

#include <emmintrin.h>

typedef __m128i vec;

/* A vector by its lanes. */
union lanes {
    vec v;
    int8_t b[16];
    uint8_t ub[16];
    int16_t w[8];
    uint16_t uw[8];
    int32_t d[4];
    uint32_t ud[4];
    int64_t q[2];
    uint64_t uq[2];
};

enum {
    MXCSR_IE = 1 << 0,
    MXCSR_DE = 1 << 1,
    MXCSR_ZE = 1 << 2,
    MXCSR_OE = 1 << 3,
    MXCSR_UE = 1 << 4,
    MXCSR_PE = 1 << 5,
    MXCSR_FLAGS = 0x3f,
    MXCSR_DAZ = 1 << 6,
    MXCSR_MASKS = 0x1f80,
    MXCSR_MASK_SHIFT = 7,
    MXCSR_RC_SHIFT = 13,
    MXCSR_RC = 3 << 13,
    MXCSR_FTZ = 1 << 15,
    MXCSR_DEFAULT = 0x1f80,
};

/* Does the host have SSSE3, SSE4.1 and SSE4.2? Tests clear it, to see what happens without. */
extern bool soft_host_sse42;

/* SSE is off: #UD or #NM. */
_Noreturn void soft_sse_off(struct soft *c);

/* An operand that must be aligned is not: #GP(0). */
_Noreturn void soft_misaligned(struct soft *c, const struct soft_op *op);

/* Never inlined, so that the quick way need not save registers. */
#define SLOW __attribute__((noinline, cold))
SLOW vec soft_load_vector_slow(struct soft *c, const struct soft_op *op, uint64_t linear);
SLOW void soft_store_vector_slow(struct soft *c, const struct soft_op *op, uint64_t linear,
                                 vec val);

/* An instruction met these exceptions: note them in MXCSR; #XM for one that is not masked. */
SLOW void soft_float_flags(struct soft *c, const struct soft_op *op, uint32_t flags);

/* Put the MXCSR by which the host computes for the guest into soft.scratch; afterwards, look at
 * what it became. True when the host is to compute once more. */
SLOW void soft_float_begin(struct soft *c);
SLOW bool soft_float_again(struct soft *c, const struct soft_op *op);

/* May SSE instructions run? Each handler asks first. */
INLINE void sse(struct soft *c, const struct soft_op *op)
{
    if (unlikely((c->cr0 & (CR0_EM | CR0_TS)) | (~c->cr4 & CR4_OSFXSR))) {
        c->op = op;
        soft_sse_off(c);
    }
}

INLINE vec get_vector(const struct soft *c, int n)
{
    return *(const vec *)c->fpu.xmm[n];
}

INLINE void set_vector(struct soft *c, int n, vec val)
{
    *(vec *)c->fpu.xmm[n] = val;
}

/* Any vector in memory. */
INLINE vec load_vector(struct soft *c, const struct soft_op *op, bool aligned)
{
    uint64_t linear = soft_linear(c, op, ANYHOW, 16, ACCESS_READ);
    const struct soft_tlb_entry *e = &c->tlb->entry[linear >> 12 & (SOFT_TLB_SIZE - 1)];

    if (aligned && unlikely(linear & 15))
        soft_misaligned(c, op);
    if (likely(((linear + 15) & ~SOFT_PAGE) == e->read))
        return _mm_loadu_si128((const void *)(e->host + linear));
    return soft_load_vector_slow(c, op, linear);
}

INLINE void store_vector(struct soft *c, const struct soft_op *op, bool aligned, vec val)
{
    uint64_t linear = soft_linear(c, op, ANYHOW, 16, ACCESS_WRITE);
    const struct soft_tlb_entry *e = &c->tlb->entry[linear >> 12 & (SOFT_TLB_SIZE - 1)];

    if (aligned && unlikely(linear & 15))
        soft_misaligned(c, op);
    if (likely(((linear + 15) & ~SOFT_PAGE) == e->write))
        _mm_storeu_si128((void *)(e->host + linear), val);
    else
        soft_store_vector_slow(c, op, linear, val);
}

/*
 * Where the memory operand is on the host, when the TLB knows and it is aligned to `align`; else
 * NULL. A handler of a quick kind then becomes the one of kind ANYHOW, by a jump: so it calls
 * nothing that returns, and needs no frame.
 */
INLINE void *quick_operand(struct soft *c, const struct soft_op *op, int kind, int bytes, int align,
                           int access)
{
    uint64_t linear = soft_linear(c, op, kind, bytes, access);
    const struct soft_tlb_entry *e = &c->tlb->entry[linear >> 12 & (SOFT_TLB_SIZE - 1)];
    uint64_t page = access & ACCESS_WRITE ? e->write : e->read;

    if (unlikely(((linear + bytes - 1) & ~SOFT_PAGE) != page || linear & (align - 1)))
        return NULL;
    return (void *)(e->host + linear);
}

/* A memory operand of 16 bytes (aligned), or of 8, 4, 2, which come zero-extended. */
INLINE vec load_source(struct soft *c, const struct soft_op *op, int bytes)
{
    if (bytes == 16)
        return load_vector(c, op, true);
    return _mm_cvtsi64_si128(soft_load(c, op, ANYHOW, bytes == 8 ? 3 : bytes == 4 ? 2 : 1));
}

INLINE vec quick_source(const void *p, int bytes)
{
    if (bytes == 16)
        return _mm_loadu_si128(p);
    return _mm_cvtsi64_si128(soft_peek(p, bytes == 8 ? 3 : bytes == 4 ? 2 : 1));
}

/* The source, in handlers of all forms. */
INLINE vec any_source(struct soft *c, const struct soft_op *op, int bytes)
{
    return op->mem ? load_source(c, op, bytes) : get_vector(c, op->rm);
}

/* For rows: the same handlers whatever the operand size is. */
#define ALL_SIZES(name)                                                                            \
    {                                                                                              \
        name##_forms, name##_forms, name##_forms, name##_forms                                     \
    }

#define VECTOR_BODY(name)                                                                          \
    INLINE void name(struct soft *c, __attribute__((unused)) const struct soft_op *op, vec s)

/* VECTORS(name, bytes) { ... s ... } is an operation with the source s, of so many bytes in memory.
 * See family.h. */
#define VECTORS(name, bytes)                                                                       \
    VECTOR_BODY(name);                                                                             \
    static void name##_reg(struct soft *c, const struct soft_op *op)                               \
    {                                                                                              \
        sse(c, op);                                                                                \
        name(c, op, get_vector(c, op->rm));                                                        \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    static void name##_anyhow(struct soft *c, const struct soft_op *op)                            \
    {                                                                                              \
        sse(c, op);                                                                                \
        name(c, op, load_source(c, op, bytes));                                                    \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    static void name##_flat64(struct soft *c, const struct soft_op *op)                            \
    {                                                                                              \
        sse(c, op);                                                                                \
        const void *p = quick_operand(c, op, FLAT64, bytes, (bytes) == 16 ? 16 : 1, ACCESS_READ);  \
                                                                                                   \
        if (unlikely(!p))                                                                          \
            return name##_anyhow(c, op);                                                           \
        name(c, op, quick_source(p, bytes));                                                       \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    SOFT_FORMS(name##_forms, .reg = name##_reg,                                                    \
               .mem = {name##_flat64, name##_anyhow, name##_anyhow})                               \
    VECTOR_BODY(name)

/* destination = destination OP source, by the host's instruction of the same name, which does not
 * use MXCSR. */
#define HOST_VECTORS(name, bytes)                                                                  \
    VECTORS(name, bytes)                                                                           \
    {                                                                                              \
        vec d = get_vector(c, op->reg);                                                            \
                                                                                                   \
        asm(#name " %0, %1" : "+x"(d) : "x"(s));                                                   \
        set_vector(c, op->reg, d);                                                                 \
    }

extern const uint32_t soft_host_mxcsr;

/*
 * Let the host run floating-point `code` with the guest's MXCSR, and note what exceptions it met.
 * All is one piece of assembly, since a compiler moves floating point without regard to MXCSR.
 * `begin` is done before each attempt.
 *
 * Most guests have the host's MXCSR, with the flags set that are met all the time: then nothing
 * need be loaded, and the flags from before make no difference.
 */
#define RUN_FLOAT(c, op, begin, code, outputs, ...)                                                \
    do {                                                                                           \
        uint32_t *mxcsr_ = (uint32_t *)(c)->scratch;                                               \
                                                                                                   \
        if (likely(((c)->fpu.mxcsr & ~MXCSR_FLAGS) == MXCSR_DEFAULT)) {                            \
            begin;                                                                                 \
            asm volatile(code "\n\tstmxcsr %[after]"                                               \
                         : outputs, [after] "=m"(*mxcsr_)                                          \
                         : __VA_ARGS__);                                                           \
            if (likely(!(*mxcsr_ & MXCSR_FLAGS & ~(c)->fpu.mxcsr)))                                \
                break;                                                                             \
        }                                                                                          \
        soft_float_begin(c);                                                                       \
        do {                                                                                       \
            begin;                                                                                 \
            asm volatile("ldmxcsr %[after]\n\t" code "\n\tstmxcsr %[after]\n\tldmxcsr %[host]"     \
                         : outputs, [after] "+m"(*mxcsr_)                                          \
                         : [host] "m"(soft_host_mxcsr), __VA_ARGS__);                              \
        } while (soft_float_again(c, op));                                                         \
    } while (0)

/* d = d OP s, where insn is a string. */
#define RUN_FLOAT_PAIR(c, op, insn, r, d, s)                                                       \
    RUN_FLOAT(c, op, r = d, insn " %[to], %[from]", [to] "+x"(r), [from] "x"(s))

/* destination = destination OP source, by the host's instruction of the same name, under MXCSR. */
#define FLOAT_VECTORS(name, bytes)                                                                 \
    VECTORS(name, bytes)                                                                           \
    {                                                                                              \
        vec d = get_vector(c, op->reg), r;                                                         \
                                                                                                   \
        RUN_FLOAT_PAIR(c, op, #name, r, d, s);                                                     \
        set_vector(c, op->reg, r);                                                                 \
    }

#endif
