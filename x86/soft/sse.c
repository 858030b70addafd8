// SPDX-License-Identifier: MIT
/*
 * SSE, SSE2, SSE3: moves between XMM registers, memory and general registers; and what all files of
 * SSE share.
 *
 * After: Intel SDM vol. 2, each instruction's page; vol. 1, "Programming with Intel Streaming SIMD
 * Extensions"; vol. 2A, "Exception conditions of legacy SIMD instructions".
 *
 * Left out: that MOVNT... bypasses the caches, of which there are none here.
 */
#include "x86/soft/sse.h"

bool soft_host_sse42;
const uint32_t soft_host_mxcsr = MXCSR_DEFAULT;

__attribute__((constructor)) static void know_the_host(void)
{
    __builtin_cpu_init();
    soft_host_sse42 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("sse4.1") &&
                      __builtin_cpu_supports("ssse3");
}

void soft_sse_off(struct soft *c)
{
    if (c->cr0 & CR0_EM || !(c->cr4 & CR4_OSFXSR))
        soft_raise(c, EXCEPTION_UD);
    soft_raise(c, EXCEPTION_NM);
}

void soft_misaligned(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    soft_raise_code(c, EXCEPTION_GP, 0);
}

vec soft_load_vector_slow(struct soft *c, const struct soft_op *op, uint64_t linear)
{
    c->op = op;
    soft_load_bytes(c, op->segment, linear, c->scratch, 16);
    return *(const vec *)c->scratch;
}

void soft_store_vector_slow(struct soft *c, const struct soft_op *op, uint64_t linear, vec val)
{
    c->op = op;
    *(vec *)c->scratch = val;
    soft_store_bytes(c, op->segment, linear, c->scratch, 16);
}

void soft_float_flags(struct soft *c, const struct soft_op *op, uint32_t flags)
{
    uint32_t raised = flags & ~(c->fpu.mxcsr >> MXCSR_MASK_SHIFT);
    const uint32_t before = MXCSR_IE | MXCSR_DE | MXCSR_ZE; /* anything is computed */

    if (unlikely(raised & before))
        flags &= before;
    c->fpu.mxcsr |= flags;
    if (likely(!raised))
        return;
    c->op = op;
    soft_raise(c, c->cr4 & CR4_OSXMMEXCPT ? EXCEPTION_XM : EXCEPTION_UD);
}

/*
 * For the host, all exceptions are masked. But where the guest has not masked underflow, an exact
 * one counts, too. The host reports that only when it flushes to zero, which spoils the other
 * flags: then the instruction runs twice, and the zero is dropped.
 */
void soft_float_begin(struct soft *c)
{
    uint32_t *mxcsr = (uint32_t *)c->scratch;

    mxcsr[0] = (c->fpu.mxcsr & ~MXCSR_FLAGS) | MXCSR_MASKS;
    mxcsr[1] = c->fpu.mxcsr & MXCSR_UE << MXCSR_MASK_SHIFT; /* this is the last run */
    if (!mxcsr[1])
        mxcsr[0] &= ~MXCSR_FTZ;
    mxcsr[2] = 0; /* flags of the run before */
}

bool soft_float_again(struct soft *c, const struct soft_op *op)
{
    uint32_t *mxcsr = (uint32_t *)c->scratch;

    if (!mxcsr[1]) {
        mxcsr[1] = 1;
        mxcsr[2] = mxcsr[0] & MXCSR_FLAGS;
        mxcsr[0] = (mxcsr[0] & ~MXCSR_FLAGS) | MXCSR_FTZ;
        return true;
    }
    if (mxcsr[1] == 1)
        mxcsr[0] = mxcsr[2] | (mxcsr[0] & MXCSR_UE);
    soft_float_flags(c, op, mxcsr[0] & MXCSR_FLAGS);
    return false;
}

/* ---- whole vectors ---- */

VECTORS(move, 16)
{
    set_vector(c, op->reg, s);
}

/* A load that may be unaligned; and stores. */
static void load_anyhow(struct soft *c, const struct soft_op *op)
{
    sse(c, op);
    set_vector(c, op->reg, load_vector(c, op, false));
    SOFT_NEXT(c, op);
}

static void store_anyhow(struct soft *c, const struct soft_op *op)
{
    sse(c, op);
    store_vector(c, op, false, get_vector(c, op->reg));
    SOFT_NEXT(c, op);
}

static void store_aligned_anyhow(struct soft *c, const struct soft_op *op)
{
    sse(c, op);
    store_vector(c, op, true, get_vector(c, op->reg));
    SOFT_NEXT(c, op);
}

#define LOAD(name, kind, align, anyhow)                                                            \
    static void name(struct soft *c, const struct soft_op *op)                                     \
    {                                                                                              \
        sse(c, op);                                                                                \
        const void *p = quick_operand(c, op, kind, 16, align, ACCESS_READ);                        \
                                                                                                   \
        if (unlikely(!p))                                                                          \
            return anyhow(c, op);                                                                  \
        set_vector(c, op->reg, _mm_loadu_si128(p));                                                \
        SOFT_NEXT(c, op);                                                                          \
    }

#define STORE(name, kind, align, anyhow)                                                           \
    static void name(struct soft *c, const struct soft_op *op)                                     \
    {                                                                                              \
        sse(c, op);                                                                                \
        void *p = quick_operand(c, op, kind, 16, align, ACCESS_WRITE);                             \
                                                                                                   \
        if (unlikely(!p))                                                                          \
            return anyhow(c, op);                                                                  \
        _mm_storeu_si128(p, get_vector(c, op->reg));                                               \
        SOFT_NEXT(c, op);                                                                          \
    }

LOAD(load_flat64, FLAT64, 1, load_anyhow)
LOAD(load_flat32, FLAT32, 1, load_anyhow)
STORE(store_flat64, FLAT64, 1, store_anyhow)
STORE(store_flat32, FLAT32, 1, store_anyhow)
STORE(store_aligned_flat64, FLAT64, 16, store_aligned_anyhow)
STORE(store_aligned_flat32, FLAT32, 16, store_aligned_anyhow)

/* The register form of a store goes the other way. */
static void move_back(struct soft *c, const struct soft_op *op)
{
    sse(c, op);
    set_vector(c, op->rm, get_vector(c, op->reg));
    SOFT_NEXT(c, op);
}

SOFT_FORMS(load_unaligned_forms, .reg = move_reg, .mem = {load_flat64, load_flat32, load_anyhow})
SOFT_FORMS(store_unaligned_forms, .reg = move_back,
           .mem = {store_flat64, store_flat32, store_anyhow})
SOFT_FORMS(store_aligned_forms, .reg = move_back,
           .mem = {store_aligned_flat64, store_aligned_flat32, store_aligned_anyhow})

/* ---- parts of vectors ---- */

/* MOVSS and MOVSD load a whole register from memory, but only the lowest lane from another. Lanes
 * are counted in 1 << osize bytes. */
INLINE void set_lane(struct soft *c, int n, int osize, int lane, uint64_t val)
{
    soft_poke(c->fpu.xmm[n] + (lane << osize), osize, val);
}

INLINE uint64_t get_lane(const struct soft *c, int n, int osize, int lane)
{
    return soft_peek(c->fpu.xmm[n] + (lane << osize), osize);
}

#define LOADS_SCALAR(name, osize)                                                                  \
    VECTORS(name, 1 << (osize))                                                                    \
    {                                                                                              \
        if (op->mem)                                                                               \
            set_vector(c, op->reg, s);                                                             \
        else                                                                                       \
            set_lane(c, op->reg, osize, 0, _mm_cvtsi128_si64(s));                                  \
    }
#define STORES_SCALAR(name, osize)                                                                 \
    static void name##_reg(struct soft *c, const struct soft_op *op)                               \
    {                                                                                              \
        sse(c, op);                                                                                \
        set_lane(c, op->rm, osize, 0, get_lane(c, op->reg, osize, 0));                             \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    static void name##_anyhow(struct soft *c, const struct soft_op *op)                            \
    {                                                                                              \
        sse(c, op);                                                                                \
        soft_store(c, op, ANYHOW, osize, get_lane(c, op->reg, osize, 0));                          \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    static void name##_flat64(struct soft *c, const struct soft_op *op)                            \
    {                                                                                              \
        sse(c, op);                                                                                \
        void *p = quick_operand(c, op, FLAT64, 1 << (osize), 1, ACCESS_WRITE);                     \
                                                                                                   \
        if (unlikely(!p))                                                                          \
            return name##_anyhow(c, op);                                                           \
        soft_poke(p, osize, get_lane(c, op->reg, osize, 0));                                       \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    SOFT_FORMS(name##_forms, .reg = name##_reg,                                                    \
               .mem = {name##_flat64, name##_anyhow, name##_anyhow})

LOADS_SCALAR(load_single, 2)
LOADS_SCALAR(load_double, 3)
STORES_SCALAR(store_single, 2)
STORES_SCALAR(store_double, 3)

/* MOVQ clears the upper half. */
VECTORS(load_movq, 8)
{
    set_vector(c, op->reg, _mm_move_epi64(s));
}

static void store_movq(struct soft *c, const struct soft_op *op)
{
    sse(c, op);
    if (op->mem)
        soft_store(c, op, ANYHOW, 3, get_lane(c, op->reg, 3, 0));
    else
        set_vector(c, op->rm, _mm_move_epi64(get_vector(c, op->reg)));
    SOFT_NEXT(c, op);
}

/* MOVLPS and MOVHPS: halves, to and from memory; and MOVHLPS, MOVLHPS. */
#define HALF(load, store, cross, half)                                                             \
    static void load(struct soft *c, const struct soft_op *op)                                     \
    {                                                                                              \
        sse(c, op);                                                                                \
        set_lane(c, op->reg, 3, half, soft_load(c, op, ANYHOW, 3));                                \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    static void store(struct soft *c, const struct soft_op *op)                                    \
    {                                                                                              \
        sse(c, op);                                                                                \
        soft_store(c, op, ANYHOW, 3, get_lane(c, op->reg, 3, half));                               \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    static void cross(struct soft *c, const struct soft_op *op)                                    \
    {                                                                                              \
        sse(c, op);                                                                                \
        set_lane(c, op->reg, 3, half, get_lane(c, op->rm, 3, !half));                              \
        SOFT_NEXT(c, op);                                                                          \
    }

HALF(load_low, store_low, cross_low, 0)
HALF(load_high, store_high, cross_high, 1)

VECTORS(movsldup, 16)
{
    set_vector(c, op->reg, _mm_shuffle_epi32(s, 0xa0));
}

VECTORS(movshdup, 16)
{
    set_vector(c, op->reg, _mm_shuffle_epi32(s, 0xf5));
}

VECTORS(movddup, 8)
{
    set_vector(c, op->reg, _mm_unpacklo_epi64(s, s));
}

/* ---- general registers ---- */

static void load_movd(struct soft *c, const struct soft_op *op)
{
    sse(c, op);
    set_vector(c, op->reg, _mm_cvtsi64_si128(soft_load_e(c, op, op->osize)));
    SOFT_NEXT(c, op);
}

static void store_movd(struct soft *c, const struct soft_op *op)
{
    sse(c, op);
    soft_store_e(c, op, op->osize, get_lane(c, op->reg, op->osize, 0));
    SOFT_NEXT(c, op);
}

#define MASK(name)                                                                                 \
    static void name(struct soft *c, const struct soft_op *op)                                     \
    {                                                                                              \
        uint32_t mask;                                                                             \
                                                                                                   \
        sse(c, op);                                                                                \
        asm(#name " %0, %1" : "=r"(mask) : "x"(get_vector(c, op->rm)));                            \
        soft_set(c, 2, op->reg, mask);                                                             \
        SOFT_NEXT(c, op);                                                                          \
    }

MASK(movmskps)
MASK(movmskpd)
MASK(pmovmskb)

/* Bytes whose mask has its top bit set go to [rDI]; only these are accessed. */
static void maskmovdqu(struct soft *c, const struct soft_op *op)
{
    uint64_t offset = soft_cut(op->asize, c->r[RDI]);
    int mask;

    sse(c, op);
    mask = _mm_movemask_epi8(get_vector(c, op->rm));
    if (!mask)
        SOFT_NEXT(c, op);
    uint64_t linear = soft_segmented(c, op, op->segment, offset, 16, ACCESS_WRITE);

    c->op = op;
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1)
            soft_probe(c, op->segment, (linear + i) & c->linear_mask, 1, ACCESS_WRITE);
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1)
            soft_store_at(c, op, op->segment, (linear + i) & c->linear_mask, 0,
                          c->fpu.xmm[op->reg][i]);
    SOFT_NEXT(c, op);
}

/* clang-format off */
SOFT_TABLE(soft_sse_rows)
    ROW("np 0f 10", "movups Vps,Wps", .forms = ALL_SIZES(load_unaligned))
    ROW("66 0f 10", "movupd Vpd,Wpd", .forms = ALL_SIZES(load_unaligned))
    ROW("f3 0f 10", "movss Vss,Wss", .forms = ALL_SIZES(load_single))
    ROW("f2 0f 10", "movsd Vsd,Wsd", .forms = ALL_SIZES(load_double))
    ROW("np 0f 11", "movups Wps,Vps", .forms = ALL_SIZES(store_unaligned))
    ROW("66 0f 11", "movupd Wpd,Vpd", .forms = ALL_SIZES(store_unaligned))
    ROW("f3 0f 11", "movss Wss,Vss", .forms = ALL_SIZES(store_single))
    ROW("f2 0f 11", "movsd Wsd,Vsd", .forms = ALL_SIZES(store_double))
    ROW("np 0f 12 mem", "movlps Vq,Mq", .run = load_low)
    ROW("np 0f 12 reg", "movhlps Vq,Uq", .run = cross_low)
    ROW("66 0f 12 mem", "movlpd Vq,Mq", .run = load_low)
    ROW("f3 0f 12", "movsldup Vx,Wx", .forms = ALL_SIZES(movsldup))
    ROW("f2 0f 12", "movddup Vx,Wq", .forms = ALL_SIZES(movddup))
    ROW("np 0f 13 mem", "movlps Mq,Vq", .run = store_low)
    ROW("66 0f 13 mem", "movlpd Mq,Vq", .run = store_low)
    ROW("np 0f 16 mem", "movhps Vq,Mq", .run = load_high)
    ROW("np 0f 16 reg", "movlhps Vq,Uq", .run = cross_high)
    ROW("66 0f 16 mem", "movhpd Vq,Mq", .run = load_high)
    ROW("f3 0f 16", "movshdup Vx,Wx", .forms = ALL_SIZES(movshdup))
    ROW("np 0f 17 mem", "movhps Mq,Vq", .run = store_high)
    ROW("66 0f 17 mem", "movhpd Mq,Vq", .run = store_high)
    ROW("np 0f 28", "movaps Vps,Wps", .forms = ALL_SIZES(move))
    ROW("66 0f 28", "movapd Vpd,Wpd", .forms = ALL_SIZES(move))
    ROW("np 0f 29", "movaps Wps,Vps", .forms = ALL_SIZES(store_aligned))
    ROW("66 0f 29", "movapd Wpd,Vpd", .forms = ALL_SIZES(store_aligned))
    ROW("np 0f 2b mem", "movntps Mps,Vps", .forms = ALL_SIZES(store_aligned))
    ROW("66 0f 2b mem", "movntpd Mpd,Vpd", .forms = ALL_SIZES(store_aligned))
    ROW("np 0f 50", "movmskps Gd,Ups", .run = movmskps)
    ROW("66 0f 50", "movmskpd Gd,Upd", .run = movmskpd)
    ROW("66 0f 6e", "movd Vy,Ey", .run = load_movd)
    ROW("66 0f 6f", "movdqa Vx,Wx", .forms = ALL_SIZES(move))
    ROW("f3 0f 6f", "movdqu Vx,Wx", .forms = ALL_SIZES(load_unaligned))
    ROW("66 0f 7e", "movd Ey,Vy", .run = store_movd)
    ROW("f3 0f 7e", "movq Vq,Wq", .forms = ALL_SIZES(load_movq))
    ROW("66 0f 7f", "movdqa Wx,Vx", .forms = ALL_SIZES(store_aligned))
    ROW("f3 0f 7f", "movdqu Wx,Vx", .forms = ALL_SIZES(store_unaligned))
    ROW("66 0f d6", "movq Wq,Vq", .run = store_movq)
    ROW("66 0f d7", "pmovmskb Gd,Udq", .run = pmovmskb)
    ROW("66 0f e7 mem", "movntdq Mx,Vx", .forms = ALL_SIZES(store_aligned))
    ROW("f2 0f f0 mem", "lddqu Vx,Mx", .forms = ALL_SIZES(load_unaligned))
    ROW("66 0f f7", "maskmovdqu Vdq,Udq", .run = maskmovdqu)
SOFT_TABLE_END
