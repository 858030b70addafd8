// SPDX-License-Identifier: MIT
/*
 * MMX, with what SSE, SSE2 and SSSE3 added to it.
 *
 * Computed with the SSE2 that every host has, on the low half of a register, so that the host's own
 * x87 is left alone; what SSE2 lacks is done by loops.
 *
 * MMX registers are the significands of x87 registers, numbered without TOP: an MMX instruction
 * makes TOP 0 and all registers full, and a write sets all bits of the exponent.
 *
 * After: Intel SDM vol. 1, "Programming with Intel MMX Technology"; vol. 3, "Intel MMX Technology
 * System Programming", "Exception Conditions of Legacy SIMD Instructions Operating on MMX
 * Registers"; vol. 2, the instructions.
 *
 * Left out: 3DNow!, which no Intel processor has.
 */
#include "x86/soft/fpu.h"

#include <emmintrin.h>

enum {
    MXCSR_FLAGS = 0x3f,
    MXCSR_BEFORE = 7, /* flags of exceptions that are found before a result is computed */
    MXCSR_MASKS = 0x1f80,
    MXCSR_MASK_SHIFT = 7,
};

/* ---- state ---- */

static _Noreturn __attribute__((noinline)) void refuse(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    soft_raise(c, c->cr0 & CR0_EM ? EXCEPTION_UD : c->cr0 & CR0_TS ? EXCEPTION_NM : EXCEPTION_MF);
}

INLINE void await(struct soft *c, const struct soft_op *op)
{
    if (unlikely(c->cr0 & (CR0_EM | CR0_TS) || fpu_pending(&c->fpu)))
        refuse(c, op);
}

/* For instructions that work on XMM registers, too. */
INLINE void await_sse(struct soft *c, const struct soft_op *op)
{
    if (unlikely(!(c->cr4 & CR4_OSFXSR))) {
        c->op = op;
        soft_raise(c, EXCEPTION_UD);
    }
    await(c, op);
}

static __attribute__((noinline)) void turn(struct soft_fpu *f)
{
    fpu_set_top(f, 0);
}

/* From x87 to MMX: after the last access that may fault. */
INLINE void enter(struct soft *c)
{
    if (unlikely(c->fpu.fsw & FPU_TOP))
        turn(&c->fpu);
    c->fpu.ftw = 0xff;
}

/* A register before and after that. */
INLINE uint64_t get_early(const struct soft *c, int n)
{
    return *(const any64 *)c->fpu.st[(n - fpu_top(&c->fpu)) & 7];
}

INLINE uint64_t get(const struct soft *c, int n)
{
    return *(const any64 *)c->fpu.st[n];
}

INLINE void set(struct soft *c, int n, uint64_t val)
{
    *(any64 *)c->fpu.st[n] = val;
    *(any16 *)(c->fpu.st[n] + 8) = 0xffff;
}

/* The operand Q, of 4 or 8 bytes where it is memory. MMX is entered. */
INLINE uint64_t source(struct soft *c, const struct soft_op *op, int osize)
{
    uint64_t val = 0;

    await(c, op);
    if (op->mem)
        val = soft_load(c, op, ANYHOW, osize);
    enter(c);
    return op->mem ? val : get(c, op->rm);
}

/* ---- computing ---- */

INLINE __m128i v(uint64_t val)
{
    return _mm_cvtsi64_si128(val);
}

INLINE uint64_t low(__m128i x)
{
    return _mm_cvtsi128_si64(x);
}

INLINE uint64_t high(__m128i x)
{
    return low(_mm_unpackhi_epi64(x, x));
}

/* An instruction P op= Q: result of a and b. */
#define MMX_SIZED(name, osize, result)                                                             \
    static void name(struct soft *c, const struct soft_op *op)                                     \
    {                                                                                              \
        uint64_t b = source(c, op, osize), a = get(c, op->reg);                                    \
                                                                                                   \
        (void)a;                                                                                   \
        set(c, op->reg, result);                                                                   \
        SOFT_NEXT(c, op);                                                                          \
    }
#define MMX(name, result)         MMX_SIZED(name, 3, result)
#define MMX_SSE2(name, intrinsic) MMX(name, low(intrinsic(v(a), v(b))))

MMX_SSE2(paddb, _mm_add_epi8)
MMX_SSE2(paddw, _mm_add_epi16)
MMX_SSE2(paddd, _mm_add_epi32)
MMX_SSE2(paddsb, _mm_adds_epi8)
MMX_SSE2(paddsw, _mm_adds_epi16)
MMX_SSE2(paddusb, _mm_adds_epu8)
MMX_SSE2(paddusw, _mm_adds_epu16)
MMX_SSE2(psubb, _mm_sub_epi8)
MMX_SSE2(psubw, _mm_sub_epi16)
MMX_SSE2(psubd, _mm_sub_epi32)
MMX_SSE2(psubsb, _mm_subs_epi8)
MMX_SSE2(psubsw, _mm_subs_epi16)
MMX_SSE2(psubusb, _mm_subs_epu8)
MMX_SSE2(psubusw, _mm_subs_epu16)
MMX_SSE2(pmullw, _mm_mullo_epi16)
MMX_SSE2(pmulhw, _mm_mulhi_epi16)
MMX_SSE2(pmulhuw, _mm_mulhi_epu16)
MMX_SSE2(pmuludq, _mm_mul_epu32)
MMX_SSE2(pmaddwd, _mm_madd_epi16)
MMX_SSE2(pcmpeqb, _mm_cmpeq_epi8)
MMX_SSE2(pcmpeqw, _mm_cmpeq_epi16)
MMX_SSE2(pcmpeqd, _mm_cmpeq_epi32)
MMX_SSE2(pcmpgtb, _mm_cmpgt_epi8)
MMX_SSE2(pcmpgtw, _mm_cmpgt_epi16)
MMX_SSE2(pcmpgtd, _mm_cmpgt_epi32)
MMX_SSE2(pavgb, _mm_avg_epu8)
MMX_SSE2(pavgw, _mm_avg_epu16)
MMX_SSE2(pminub, _mm_min_epu8)
MMX_SSE2(pmaxub, _mm_max_epu8)
MMX_SSE2(pminsw, _mm_min_epi16)
MMX_SSE2(pmaxsw, _mm_max_epi16)
MMX_SSE2(psadbw, _mm_sad_epu8)
MMX(paddq, a + b)
MMX(psubq, a - b)
MMX(pand, a &b)
MMX(pandn, ~a &b)
MMX(por, a | b)
MMX(pxor, a ^ b)

/* Interleave both operands' elements: their lower or their upper halves. */
MMX_SIZED(punpcklbw, 2, low(_mm_unpacklo_epi8(v(a), v(b))))
MMX_SIZED(punpcklwd, 2, low(_mm_unpacklo_epi16(v(a), v(b))))
MMX_SIZED(punpckldq, 2, low(_mm_unpacklo_epi32(v(a), v(b))))
MMX(punpckhbw, high(_mm_unpacklo_epi8(v(a), v(b))))
MMX(punpckhwd, high(_mm_unpacklo_epi16(v(a), v(b))))
MMX(punpckhdq, high(_mm_unpacklo_epi32(v(a), v(b))))

INLINE __m128i both(uint64_t a, uint64_t b)
{
    return _mm_unpacklo_epi64(v(a), v(b));
}

MMX(packsswb, low(_mm_packs_epi16(both(a, b), both(a, b))))
MMX(packssdw, low(_mm_packs_epi32(both(a, b), both(a, b))))
MMX(packuswb, low(_mm_packus_epi16(both(a, b), both(a, b))))

/* Shifts: by Q, and of N by an immediate. */
#define MMX_SHIFT(name, name_i, intrinsic)                                                         \
    MMX_SSE2(name, intrinsic)                                                                      \
    static void name_i(struct soft *c, const struct soft_op *op)                                   \
    {                                                                                              \
        await(c, op);                                                                              \
        enter(c);                                                                                  \
        set(c, op->rm, low(intrinsic(v(get(c, op->rm)), v((uint8_t)op->imm))));                    \
        SOFT_NEXT(c, op);                                                                          \
    }

MMX_SHIFT(psrlw, psrlw_i, _mm_srl_epi16)
MMX_SHIFT(psrld, psrld_i, _mm_srl_epi32)
MMX_SHIFT(psrlq, psrlq_i, _mm_srl_epi64)
MMX_SHIFT(psraw, psraw_i, _mm_sra_epi16)
MMX_SHIFT(psrad, psrad_i, _mm_sra_epi32)
MMX_SHIFT(psllw, psllw_i, _mm_sll_epi16)
MMX_SHIFT(pslld, pslld_i, _mm_sll_epi32)
MMX_SHIFT(psllq, psllq_i, _mm_sll_epi64)

/* The i-th element of a. */
INLINE uint8_t byte(uint64_t a, int i)
{
    return a >> (8 * i);
}

INLINE int16_t word(uint64_t a, int i)
{
    return a >> (16 * i);
}

INLINE int32_t dword(uint64_t a, int i)
{
    return a >> (32 * i);
}

INLINE int saturate(int x)
{
    return x > 32767 ? 32767 : x < -32768 ? -32768 : x;
}

/* A result made of n elements, the i-th of which is `element`. */
#define MMX_EACH(name, n, element)                                                                 \
    INLINE uint64_t name##_of(uint64_t a, uint64_t b)                                              \
    {                                                                                              \
        uint64_t result = 0;                                                                       \
                                                                                                   \
        (void)a, (void)b;                                                                          \
        for (int i = 0; i < (n); i++)                                                              \
            result |= ((uint64_t)(element) & (UINT64_MAX >> (64 - 64 / (n)))) << (64 / (n)*i);     \
        return result;                                                                             \
    }                                                                                              \
    MMX(name, name##_of(a, b))

/* An element made of two neighbours in a, or in b for the upper half of the result. */
#define NEIGHBOURS(element, n, f)                                                                  \
    f(element(i < (n) / 2 ? a : b, 2 * i % (n)), element(i < (n) / 2 ? a : b, 2 * i % (n) + 1))
#define PLUS(x, y)           ((x) + (y))
#define MINUS(x, y)          ((x) - (y))
#define WRAPPING_PLUS(x, y)  ((uint32_t)(x) + (uint32_t)(y))
#define WRAPPING_MINUS(x, y) ((uint32_t)(x) - (uint32_t)(y))

MMX_EACH(pshufb, 8, byte(b, i) & 0x80 ? 0 : byte(a, byte(b, i) & 7))
MMX_EACH(phaddw, 4, NEIGHBOURS(word, 4, PLUS))
MMX_EACH(phaddd, 2, NEIGHBOURS(dword, 2, WRAPPING_PLUS))
MMX_EACH(phaddsw, 4, saturate(NEIGHBOURS(word, 4, PLUS)))
MMX_EACH(phsubw, 4, NEIGHBOURS(word, 4, MINUS))
MMX_EACH(phsubd, 2, NEIGHBOURS(dword, 2, WRAPPING_MINUS))
MMX_EACH(phsubsw, 4, saturate(NEIGHBOURS(word, 4, MINUS)))
MMX_EACH(pmaddubsw, 4,
         saturate(byte(a, 2 * i) * (int8_t)byte(b, 2 * i) +
                  byte(a, 2 * i + 1) * (int8_t)byte(b, 2 * i + 1)))
MMX_EACH(pmulhrsw, 4, ((word(a, i) * word(b, i) >> 14) + 1) >> 1)
MMX_EACH(psignb, 8, (int8_t)byte(b, i) < 0 ? -byte(a, i) : byte(b, i) ? byte(a, i) : 0)
MMX_EACH(psignw, 4, word(b, i) < 0 ? -word(a, i) : word(b, i) ? word(a, i) : 0)
MMX_EACH(psignd, 2,
         dword(b, i) < 0 ? -(uint32_t)dword(a, i)
         : dword(b, i)   ? (uint32_t)dword(a, i)
                         : 0)
MMX_EACH(pabsb, 8, (int8_t)byte(b, i) < 0 ? -byte(b, i) : byte(b, i))
MMX_EACH(pabsw, 4, word(b, i) < 0 ? -word(b, i) : word(b, i))
MMX_EACH(pabsd, 2, dword(b, i) < 0 ? -(uint32_t)dword(b, i) : (uint32_t)dword(b, i))

INLINE uint64_t align(uint64_t a, uint64_t b, int by)
{
    return by == 0   ? b
           : by < 8  ? b >> (8 * by) | a << (64 - 8 * by)
           : by < 16 ? a >> (8 * (by - 8))
                     : 0;
}

MMX(palignr, align(a, b, (uint8_t)op->imm))

INLINE uint64_t shuffle(uint64_t b, int order)
{
    uint64_t result = 0;

    for (int i = 0; i < 4; i++)
        result |= (uint64_t)(uint16_t)word(b, order >> (2 * i) & 3) << (16 * i);
    return result;
}

MMX(pshufw, shuffle(b, (uint8_t)op->imm))

/* ---- moves ---- */

MMX(movq_load, b)

static void movd_load(struct soft *c, const struct soft_op *op)
{
    uint64_t val;

    await(c, op);
    val = soft_load_e(c, op, op->osize);
    enter(c);
    set(c, op->reg, val);
    SOFT_NEXT(c, op);
}

static void movd_store(struct soft *c, const struct soft_op *op)
{
    await(c, op);
    soft_store_e(c, op, op->osize, get_early(c, op->reg));
    enter(c);
    SOFT_NEXT(c, op);
}

static void movq_store(struct soft *c, const struct soft_op *op)
{
    uint64_t val;

    await(c, op);
    val = get_early(c, op->reg);
    if (op->mem)
        soft_store(c, op, ANYHOW, 3, val);
    enter(c);
    if (!op->mem)
        set(c, op->rm, val);
    SOFT_NEXT(c, op);
}

static void pinsrw(struct soft *c, const struct soft_op *op)
{
    int at = (op->imm & 3) * 16;
    uint64_t val;

    await(c, op);
    val = soft_load_e(c, op, 1);
    enter(c);
    set(c, op->reg, (get(c, op->reg) & ~(UINT64_C(0xffff) << at)) | val << at);
    SOFT_NEXT(c, op);
}

static void pextrw(struct soft *c, const struct soft_op *op)
{
    await(c, op);
    enter(c);
    soft_set(c, 2, op->reg, get(c, op->rm) >> ((op->imm & 3) * 16) & 0xffff);
    SOFT_NEXT(c, op);
}

static void pmovmskb(struct soft *c, const struct soft_op *op)
{
    await(c, op);
    enter(c);
    soft_set(c, 2, op->reg, _mm_movemask_epi8(v(get(c, op->rm))));
    SOFT_NEXT(c, op);
}

/* The bytes of P whose mask in N is set, to rDI. */
static void maskmovq(struct soft *c, const struct soft_op *op)
{
    uint64_t val, linear;
    int mask;

    await(c, op);
    val = get_early(c, op->reg);
    mask = _mm_movemask_epi8(v(get_early(c, op->rm)));
    linear = soft_segmented(c, op, op->segment, soft_cut(op->asize, c->r[RDI]), 8, ACCESS_WRITE);
    if (mask == 0xff) {
        soft_store_at(c, op, op->segment, linear, 3, val);
    } else if (mask) {
        c->op = op;
        soft_probe(c, op->segment, linear, 8, ACCESS_WRITE);
        for (int i = 0; i < 8; i++)
            if (mask >> i & 1)
                soft_store_at(c, op, op->segment, (linear + i) & c->linear_mask, 0, byte(val, i));
    }
    enter(c);
    SOFT_NEXT(c, op);
}

static void emms(struct soft *c, const struct soft_op *op)
{
    await(c, op);
    enter(c);
    c->fpu.ftw = 0;
    SOFT_NEXT(c, op);
}

/* ---- with XMM registers ---- */

static void movdq2q(struct soft *c, const struct soft_op *op)
{
    await_sse(c, op);
    enter(c);
    set(c, op->reg, *(any64 *)c->fpu.xmm[op->rm]);
    SOFT_NEXT(c, op);
}

static void movq2dq(struct soft *c, const struct soft_op *op)
{
    await_sse(c, op);
    enter(c);
    *(any64 *)c->fpu.xmm[op->reg] = get(c, op->rm);
    *(any64 *)(c->fpu.xmm[op->reg] + 8) = 0;
    SOFT_NEXT(c, op);
}

/* The host computes a conversion, by the guest's MXCSR but with all exceptions masked; then those
 * that the guest has not masked are raised. */
#define CONVERT(name, instruction)                                                                 \
    static __attribute__((noinline)) __m128i name(struct soft *c, const struct soft_op *op,        \
                                                  __m128i x)                                       \
    {                                                                                              \
        uint32_t saved, mxcsr = (c->fpu.mxcsr & ~MXCSR_FLAGS) | MXCSR_MASKS;                       \
                                                                                                   \
        asm volatile("stmxcsr %1\n\tldmxcsr %2\n\t" instruction " %0, %0\n\t"                      \
                     "stmxcsr %2\n\tldmxcsr %1"                                                    \
                     : "+x"(x), "=m"(saved), "+m"(mxcsr));                                         \
        report(c, op, mxcsr &MXCSR_FLAGS);                                                         \
        return x;                                                                                  \
    }

static void report(struct soft *c, const struct soft_op *op, uint32_t flags)
{
    uint32_t unmasked = flags & ~(c->fpu.mxcsr >> MXCSR_MASK_SHIFT);

    if (unmasked & MXCSR_BEFORE)
        flags &= MXCSR_BEFORE;
    c->fpu.mxcsr |= flags;
    if (unmasked) {
        c->op = op;
        soft_raise(c, c->cr4 & CR4_OSXMMEXCPT ? EXCEPTION_XM : EXCEPTION_UD);
    }
}

CONVERT(dwords_to_floats, "cvtdq2ps")
CONVERT(dwords_to_doubles, "cvtdq2pd")
CONVERT(floats_to_dwords, "cvtps2dq")
CONVERT(floats_to_dwords_cut, "cvttps2dq")
CONVERT(doubles_to_dwords, "cvtpd2dq")
CONVERT(doubles_to_dwords_cut, "cvttpd2dq")

/* The operand Q of a conversion. A source in memory does not switch to MMX. The manual says so of
 * CVTPI2PD and says otherwise of CVTPI2PS, but processors do the same for both. */
INLINE uint64_t integers(struct soft *c, const struct soft_op *op)
{
    if (!op->mem) {
        await_sse(c, op);
        return get_early(c, op->rm);
    }
    if (unlikely(!(c->cr4 & CR4_OSFXSR) || c->cr0 & (CR0_EM | CR0_TS))) {
        c->op = op;
        soft_raise(c, c->cr4 & CR4_OSFXSR && !(c->cr0 & CR0_EM) ? EXCEPTION_NM : EXCEPTION_UD);
    }
    return soft_load(c, op, ANYHOW, 3);
}

static void cvtpi2ps(struct soft *c, const struct soft_op *op)
{
    __m128i result = dwords_to_floats(c, op, v(integers(c, op)));

    if (!op->mem)
        enter(c);
    *(any64 *)c->fpu.xmm[op->reg] = low(result);
    SOFT_NEXT(c, op);
}

static void cvtpi2pd(struct soft *c, const struct soft_op *op)
{
    __m128i result = dwords_to_doubles(c, op, v(integers(c, op)));

    if (!op->mem)
        enter(c);
    _mm_storeu_si128((__m128i *)c->fpu.xmm[op->reg], result);
    SOFT_NEXT(c, op);
}

#define TO_MMX(name, load, convert)                                                                \
    static void name(struct soft *c, const struct soft_op *op)                                     \
    {                                                                                              \
        uint64_t val;                                                                              \
                                                                                                   \
        await_sse(c, op);                                                                          \
        val = low(convert(c, op, load(c, op)));                                                    \
        enter(c);                                                                                  \
        set(c, op->reg, val);                                                                      \
        SOFT_NEXT(c, op);                                                                          \
    }

INLINE __m128i load64(struct soft *c, const struct soft_op *op)
{
    return v(op->mem ? soft_load(c, op, ANYHOW, 3) : *(any64 *)c->fpu.xmm[op->rm]);
}

INLINE __m128i load128(struct soft *c, const struct soft_op *op)
{
    uint64_t linear, a;

    if (!op->mem)
        return _mm_loadu_si128((const __m128i *)c->fpu.xmm[op->rm]);
    linear = soft_linear(c, op, ANYHOW, 16, ACCESS_READ);
    if (linear & 15) {
        c->op = op;
        soft_raise_code(c, EXCEPTION_GP, 0);
    }
    a = soft_load_at(c, op, op->segment, linear, 3);
    return both(a, soft_load_at(c, op, op->segment, linear + 8, 3));
}

TO_MMX(cvtps2pi, load64, floats_to_dwords)
TO_MMX(cvttps2pi, load64, floats_to_dwords_cut)
TO_MMX(cvtpd2pi, load128, doubles_to_dwords)
TO_MMX(cvttpd2pi, load128, doubles_to_dwords_cut)

/* ---- rows ---- */

#define PQ(opcode, name) ROW("np 0f " opcode, #name " Pq,Qq", .run = name)
#define PD(opcode, name) ROW("np 0f " opcode, #name " Pq,Qd", .run = name)

/* clang-format off */
SOFT_TABLE(soft_mmx_rows)
    ROW("np 0f 2a", "cvtpi2ps Vps,Qq", .run = cvtpi2ps)
    ROW("66 0f 2a", "cvtpi2pd Vpd,Qq", .run = cvtpi2pd)
    ROW("np 0f 2c", "cvttps2pi Pq,Wps", .run = cvttps2pi)
    ROW("66 0f 2c", "cvttpd2pi Pq,Wpd", .run = cvttpd2pi)
    ROW("np 0f 2d", "cvtps2pi Pq,Wps", .run = cvtps2pi)
    ROW("66 0f 2d", "cvtpd2pi Pq,Wpd", .run = cvtpd2pi)
    ROW("f3 0f d6", "movq2dq Vdq,Nq", .run = movq2dq)
    ROW("f2 0f d6", "movdq2q Pq,Uq", .run = movdq2q)

    PD("60", punpcklbw) PD("61", punpcklwd) PD("62", punpckldq)
    PQ("63", packsswb) PQ("64", pcmpgtb) PQ("65", pcmpgtw) PQ("66", pcmpgtd)
    PQ("67", packuswb) PQ("68", punpckhbw) PQ("69", punpckhwd) PQ("6a", punpckhdq)
    PQ("6b", packssdw)
    ROW("np 0f 6e", "movd Pd,Ey", .run = movd_load)
    ROW("np 0f 6f", "movq Pq,Qq", .run = movq_load)
    ROW("np 0f 70", "pshufw Pq,Qq,Ib", .run = pshufw)
    ROW("np 0f 71 /2", "psrlw Nq,Ib", .run = psrlw_i)
    ROW("np 0f 71 /4", "psraw Nq,Ib", .run = psraw_i)
    ROW("np 0f 71 /6", "psllw Nq,Ib", .run = psllw_i)
    ROW("np 0f 72 /2", "psrld Nq,Ib", .run = psrld_i)
    ROW("np 0f 72 /4", "psrad Nq,Ib", .run = psrad_i)
    ROW("np 0f 72 /6", "pslld Nq,Ib", .run = pslld_i)
    ROW("np 0f 73 /2", "psrlq Nq,Ib", .run = psrlq_i)
    ROW("np 0f 73 /6", "psllq Nq,Ib", .run = psllq_i)
    PQ("74", pcmpeqb) PQ("75", pcmpeqw) PQ("76", pcmpeqd)
    ROW("np 0f 77", "emms", .run = emms)
    ROW("np 0f 7e", "movd Ey,Pd", .run = movd_store)
    ROW("np 0f 7f", "movq Qq,Pq", .run = movq_store)
    ROW("np 0f c4", "pinsrw Pq,Ew,Ib", .run = pinsrw)
    ROW("np 0f c5", "pextrw Gd,Nq,Ib", .run = pextrw)
    PQ("d1", psrlw) PQ("d2", psrld) PQ("d3", psrlq) PQ("d4", paddq) PQ("d5", pmullw)
    ROW("np 0f d7", "pmovmskb Gd,Nq", .run = pmovmskb)
    PQ("d8", psubusb) PQ("d9", psubusw) PQ("da", pminub) PQ("db", pand)
    PQ("dc", paddusb) PQ("dd", paddusw) PQ("de", pmaxub) PQ("df", pandn)
    PQ("e0", pavgb) PQ("e1", psraw) PQ("e2", psrad) PQ("e3", pavgw)
    PQ("e4", pmulhuw) PQ("e5", pmulhw)
    ROW("np 0f e7", "movntq Mq,Pq", .run = movq_store)
    PQ("e8", psubsb) PQ("e9", psubsw) PQ("ea", pminsw) PQ("eb", por)
    PQ("ec", paddsb) PQ("ed", paddsw) PQ("ee", pmaxsw) PQ("ef", pxor)
    PQ("f1", psllw) PQ("f2", pslld) PQ("f3", psllq) PQ("f4", pmuludq)
    PQ("f5", pmaddwd) PQ("f6", psadbw)
    ROW("np 0f f7", "maskmovq Pq,Nq", .run = maskmovq)
    PQ("f8", psubb) PQ("f9", psubw) PQ("fa", psubd) PQ("fb", psubq)
    PQ("fc", paddb) PQ("fd", paddw) PQ("fe", paddd)

    PQ("38 00", pshufb) PQ("38 01", phaddw) PQ("38 02", phaddd) PQ("38 03", phaddsw)
    PQ("38 04", pmaddubsw) PQ("38 05", phsubw) PQ("38 06", phsubd) PQ("38 07", phsubsw)
    PQ("38 08", psignb) PQ("38 09", psignw) PQ("38 0a", psignd) PQ("38 0b", pmulhrsw)
    PQ("38 1c", pabsb) PQ("38 1d", pabsw) PQ("38 1e", pabsd)
    ROW("np 0f 3a 0f", "palignr Pq,Qq,Ib", .run = palignr)
SOFT_TABLE_END
