// SPDX-License-Identifier: MIT
/*
 * SSSE3, SSE4.1 and PCMPGTQ of SSE4.2: by the host's own instruction where it has it, else in C.
 *
 * After: Intel SDM vol. 2, each instruction's page.
 *
 * Left out: MMX registers, which are mmx.c's; strings, which are sse-string.c's.
 */
#include "x86/soft/sse.h"

/* clang-format off */
#define NEW(X) \
    X(pshufb, "66 0f 38 00", 16) \
    X(phaddw, "66 0f 38 01", 16) \
    X(phaddd, "66 0f 38 02", 16) \
    X(phaddsw, "66 0f 38 03", 16) \
    X(pmaddubsw, "66 0f 38 04", 16) \
    X(phsubw, "66 0f 38 05", 16) \
    X(phsubd, "66 0f 38 06", 16) \
    X(phsubsw, "66 0f 38 07", 16) \
    X(psignb, "66 0f 38 08", 16) \
    X(psignw, "66 0f 38 09", 16) \
    X(psignd, "66 0f 38 0a", 16) \
    X(pmulhrsw, "66 0f 38 0b", 16) \
    X(pabsb, "66 0f 38 1c", 16) \
    X(pabsw, "66 0f 38 1d", 16) \
    X(pabsd, "66 0f 38 1e", 16) \
    X(pmovsxbw, "66 0f 38 20", 8) \
    X(pmovsxbd, "66 0f 38 21", 4) \
    X(pmovsxbq, "66 0f 38 22", 2) \
    X(pmovsxwd, "66 0f 38 23", 8) \
    X(pmovsxwq, "66 0f 38 24", 4) \
    X(pmovsxdq, "66 0f 38 25", 8) \
    X(pmovzxbw, "66 0f 38 30", 8) \
    X(pmovzxbd, "66 0f 38 31", 4) \
    X(pmovzxbq, "66 0f 38 32", 2) \
    X(pmovzxwd, "66 0f 38 33", 8) \
    X(pmovzxwq, "66 0f 38 34", 4) \
    X(pmovzxdq, "66 0f 38 35", 8) \
    X(pmuldq, "66 0f 38 28", 16) \
    X(pcmpeqq, "66 0f 38 29", 16) \
    X(packusdw, "66 0f 38 2b", 16) \
    X(pcmpgtq, "66 0f 38 37", 16) \
    X(pminsb, "66 0f 38 38", 16) \
    X(pminsd, "66 0f 38 39", 16) \
    X(pminuw, "66 0f 38 3a", 16) \
    X(pminud, "66 0f 38 3b", 16) \
    X(pmaxsb, "66 0f 38 3c", 16) \
    X(pmaxsd, "66 0f 38 3d", 16) \
    X(pmaxuw, "66 0f 38 3e", 16) \
    X(pmaxud, "66 0f 38 3f", 16) \
    X(pmulld, "66 0f 38 40", 16) \
    X(phminposuw, "66 0f 38 41", 16)
/* clang-format on */

/* ---- in C ---- */

/* The result r of n lanes of the destination d and the source s. */
#define LANES(name, n, statement)                                                                  \
    SLOW static vec plain_##name(vec dv, vec sv)                                                   \
    {                                                                                              \
        union lanes d = {.v = dv}, s = {.v = sv}, r = {.q = {0, 0}};                               \
                                                                                                   \
        (void)d;                                                                                   \
        for (int i = 0; i < (n); i++)                                                              \
            statement;                                                                             \
        return r.v;                                                                                \
    }

INLINE int16_t saturate(int val)
{
    return val < INT16_MIN ? INT16_MIN : val > INT16_MAX ? INT16_MAX : val;
}

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Two lanes next to each other, of the destination and then of the source, make one. */
#define PAIR(lane, half, operator)                                                                 \
    ((i < half ? d : s).lane[2 * (i % half)] operator(i < half ? d : s).lane[2 * (i % half) + 1])

LANES(pshufb, 16, r.ub[i] = s.ub[i] & 0x80 ? 0 : d.ub[s.ub[i] & 15])
LANES(phaddw, 8, r.w[i] = PAIR(w, 4, +))
LANES(phaddd, 4, r.ud[i] = PAIR(ud, 2, +))
LANES(phaddsw, 8, r.w[i] = saturate(PAIR(w, 4, +)))
LANES(pmaddubsw, 8, r.w[i] = saturate(d.ub[2 * i] * s.b[2 * i] + d.ub[2 * i + 1] * s.b[2 * i + 1]))
LANES(phsubw, 8, r.w[i] = PAIR(w, 4, -))
LANES(phsubd, 4, r.ud[i] = PAIR(ud, 2, -))
LANES(phsubsw, 8, r.w[i] = saturate(PAIR(w, 4, -)))
LANES(psignb, 16, r.b[i] = s.b[i] < 0 ? -d.b[i] : s.b[i] ? d.b[i] : 0)
LANES(psignw, 8, r.w[i] = s.w[i] < 0 ? -d.w[i] : s.w[i] ? d.w[i] : 0)
LANES(psignd, 4, r.ud[i] = s.d[i] < 0 ? -d.ud[i] : s.d[i] ? d.ud[i] : 0)
LANES(pmulhrsw, 8, r.w[i] = ((d.w[i] * s.w[i] >> 14) + 1) >> 1)
LANES(pabsb, 16, r.b[i] = s.b[i] < 0 ? -s.b[i] : s.b[i])
LANES(pabsw, 8, r.w[i] = s.w[i] < 0 ? -s.w[i] : s.w[i])
LANES(pabsd, 4, r.ud[i] = s.d[i] < 0 ? -s.ud[i] : s.ud[i])
LANES(pmovsxbw, 8, r.w[i] = s.b[i])
LANES(pmovsxbd, 4, r.d[i] = s.b[i])
LANES(pmovsxbq, 2, r.q[i] = s.b[i])
LANES(pmovsxwd, 4, r.d[i] = s.w[i])
LANES(pmovsxwq, 2, r.q[i] = s.w[i])
LANES(pmovsxdq, 2, r.q[i] = s.d[i])
LANES(pmovzxbw, 8, r.w[i] = s.ub[i])
LANES(pmovzxbd, 4, r.d[i] = s.ub[i])
LANES(pmovzxbq, 2, r.q[i] = s.ub[i])
LANES(pmovzxwd, 4, r.d[i] = s.uw[i])
LANES(pmovzxwq, 2, r.q[i] = s.uw[i])
LANES(pmovzxdq, 2, r.q[i] = s.ud[i])
LANES(pmuldq, 2, r.q[i] = (int64_t)d.d[2 * i] * s.d[2 * i])
LANES(pcmpeqq, 2, r.q[i] = -(d.q[i] == s.q[i]))
LANES(pcmpgtq, 2, r.q[i] = -(d.q[i] > s.q[i]))
LANES(packusdw, 8, r.uw[i] = MIN(MAX((i < 4 ? d : s).d[i % 4], 0), UINT16_MAX))
LANES(pminsb, 16, r.b[i] = MIN(d.b[i], s.b[i]))
LANES(pminsd, 4, r.d[i] = MIN(d.d[i], s.d[i]))
LANES(pminuw, 8, r.uw[i] = MIN(d.uw[i], s.uw[i]))
LANES(pminud, 4, r.ud[i] = MIN(d.ud[i], s.ud[i]))
LANES(pmaxsb, 16, r.b[i] = MAX(d.b[i], s.b[i]))
LANES(pmaxsd, 4, r.d[i] = MAX(d.d[i], s.d[i]))
LANES(pmaxuw, 8, r.uw[i] = MAX(d.uw[i], s.uw[i]))
LANES(pmaxud, 4, r.ud[i] = MAX(d.ud[i], s.ud[i]))
LANES(pmulld, 4, r.ud[i] = d.ud[i] * s.ud[i])

/* The least word and its place, the first of several. */
SLOW static vec plain_phminposuw(vec dv, vec sv)
{
    union lanes s = {.v = sv}, r = {.q = {s.uw[0], 0}};

    (void)dv;
    for (int i = 1; i < 8; i++)
        if (s.uw[i] < r.uw[0]) {
            r.uw[0] = s.uw[i];
            r.uw[1] = i;
        }
    return r.v;
}

#define DEFINE(name, encoding, bytes)                                                              \
    VECTORS(name, bytes)                                                                           \
    {                                                                                              \
        vec d = get_vector(c, op->reg);                                                            \
                                                                                                   \
        if (likely(soft_host_sse42))                                                               \
            asm(#name " %0, %1" : "+x"(d) : "x"(s));                                               \
        else                                                                                       \
            d = plain_##name(d, s);                                                                \
        set_vector(c, op->reg, d);                                                                 \
    }

NEW(DEFINE)

/* ---- what takes SSE2 only ---- */

INLINE void blend(struct soft *c, const struct soft_op *op, vec s, vec mask)
{
    vec d = get_vector(c, op->reg);

    set_vector(c, op->reg, _mm_or_si128(_mm_and_si128(mask, s), _mm_andnot_si128(mask, d)));
}

/* By the top bits of XMM0. */
VECTORS(pblendvb, 16)
{
    blend(c, op, s, _mm_cmpgt_epi8(_mm_setzero_si128(), get_vector(c, 0)));
}

VECTORS(blendvps, 16)
{
    blend(c, op, s, _mm_srai_epi32(get_vector(c, 0), 31));
}

VECTORS(blendvpd, 16)
{
    blend(c, op, s, _mm_shuffle_epi32(_mm_srai_epi32(get_vector(c, 0), 31), 0xf5));
}

VECTORS(ptest, 16)
{
    union lanes d = {.v = get_vector(c, op->reg)}, t = {.v = s};
    bool zf = !(d.q[0] & t.q[0]) && !(d.q[1] & t.q[1]);
    bool cf = !(~d.q[0] & t.q[0]) && !(~d.q[1] & t.q[1]);

    soft_set_arith(c, (zf ? EFLAGS_ZF : 0) | (cf ? EFLAGS_CF : 0));
}

static void movntdqa(struct soft *c, const struct soft_op *op)
{
    sse(c, op);
    set_vector(c, op->reg, load_vector(c, op, true));
    SOFT_NEXT(c, op);
}

/* ---- by an immediate ---- */

VECTORS(palignr, 16)
{
    typedef unsigned __int128 uint128;
    int n = (op->imm & 0xff) * 8;
    union {
        vec v;
        uint128 all;
    } d = {.v = get_vector(c, op->reg)}, r = {.v = s};

    if (n >= 256)
        r.all = 0;
    else if (n >= 128)
        r.all = d.all >> (n - 128);
    else if (n)
        r.all = r.all >> n | d.all << (128 - n);
    set_vector(c, op->reg, r.v);
}

/* Lanes of 1 << osize bytes whose bit is set come from the source. */
INLINE void blend_lanes(struct soft *c, const struct soft_op *op, vec s, int osize)
{
    union lanes mask;

    for (int i = 0; i < 16; i++)
        mask.b[i] = -(op->imm >> (i >> osize) & 1);
    blend(c, op, s, mask.v);
}

VECTORS(pblendw, 16)
{
    blend_lanes(c, op, s, 1);
}

VECTORS(blendps, 16)
{
    blend_lanes(c, op, s, 2);
}

VECTORS(blendpd, 16)
{
    blend_lanes(c, op, s, 3);
}

/* Sums of the differences of four bytes of the source and each four of eleven
 * bytes of the destination. */
VECTORS(mpsadbw, 16)
{
    union lanes d = {.v = get_vector(c, op->reg)}, t = {.v = s}, r;
    const uint8_t *a = d.ub + (op->imm & 4), *b = t.ub + 4 * (op->imm & 3);

    for (int i = 0; i < 8; i++) {
        r.uw[i] = 0;
        for (int k = 0; k < 4; k++)
            r.uw[i] += a[i + k] > b[k] ? a[i + k] - b[k] : b[k] - a[i + k];
    }
    set_vector(c, op->reg, r.v);
}

/* Memory has just the one lane. */
VECTORS(insertps, 4)
{
    union lanes d = {.v = get_vector(c, op->reg)}, t = {.v = s};

    d.d[op->imm >> 4 & 3] = t.d[op->mem ? 0 : op->imm >> 6 & 3];
    for (int i = 0; i < 4; i++)
        if (op->imm >> i & 1)
            d.d[i] = 0;
    set_vector(c, op->reg, d.v);
}

/* A lane of 1 << osize bytes, to a general register (32 bits at least) or memory. */
INLINE void extract(struct soft *c, const struct soft_op *op, int osize)
{
    uint64_t val;

    sse(c, op);
    val = soft_peek(c->fpu.xmm[op->reg] + ((op->imm << osize) & 15), osize);
    if (op->mem)
        soft_store(c, op, ANYHOW, osize, val);
    else
        soft_set(c, osize < 2 ? 2 : osize, op->rm, val);
}

INLINE void insert(struct soft *c, const struct soft_op *op, int osize)
{
    sse(c, op);
    soft_poke(c->fpu.xmm[op->reg] + ((op->imm << osize) & 15), osize, soft_load_e(c, op, osize));
}

#define LANE(name, action, osize)                                                                  \
    static void name(struct soft *c, const struct soft_op *op)                                     \
    {                                                                                              \
        action(c, op, osize);                                                                      \
        SOFT_NEXT(c, op);                                                                          \
    }

LANE(pextrb, extract, 0)
LANE(pextrw, extract, 1)
LANE(pextrd, extract, op->osize)
LANE(pinsrb, insert, 0)
LANE(pinsrd, insert, op->osize)

/* ---- floating point ---- */

/*
 * Round a number, given as bits, with `fraction` bits of fraction to an integer. Returns the bits,
 * and sets exceptions in *flags. Denormals count as numbers, or zeros with DAZ, but never raise.
 */
SLOW static uint64_t round_bits(uint64_t x, int fraction, int bias, uint32_t mxcsr, int how,
                                uint32_t *flags)
{
    uint64_t one = UINT64_C(1) << fraction, sign = x & (uint64_t)(bias + 1) * 2 * one;
    uint64_t magnitude = x ^ sign;
    int exponent = (int)(magnitude >> fraction) - bias;

    if (exponent == bias + 1) {
        if ((magnitude & (one - 1)) && !(x & one >> 1))
            *flags |= MXCSR_IE;
        return magnitude & (one - 1) ? x | one >> 1 : x;
    }
    if (magnitude < one && mxcsr & MXCSR_DAZ)
        return sign;
    if (!magnitude || exponent >= fraction)
        return x;
    /* The bits below the unit; all of them when that is above the number. */
    uint64_t unit = exponent >= 0 ? one >> exponent : 0;
    uint64_t below = exponent >= 0 ? magnitude & (unit - 1) : magnitude;
    uint64_t low = exponent >= 0 ? magnitude - below : 0;
    uint64_t next = exponent >= 0 ? low + unit : (uint64_t)bias * one;
    uint64_t half = exponent >= 0 ? unit / 2 : (uint64_t)(bias - 1) * one;
    bool up;

    if (!below)
        return x;
    *flags |= MXCSR_PE;
    if (how == 0)
        up = below > half || (below == half && low & unit);
    else
        up = how == (sign ? 1 : 2);
    return sign | (up ? next : low);
}

/* count lanes of 1 << osize bytes; the others stay. */
INLINE vec plain_round(vec dv, vec sv, int count, int osize, uint32_t mxcsr, uint32_t *flags)
{
    union lanes d = {.v = dv}, s = {.v = sv};
    int how = (mxcsr & MXCSR_RC) >> MXCSR_RC_SHIFT;
    uint32_t all = 0;

    for (int i = 0; i < count; i++) {
        uint32_t met = 0;

        if (osize == 2)
            d.ud[i] = round_bits(s.ud[i], 23, 127, mxcsr, how, &met);
        else
            d.uq[i] = round_bits(s.uq[i], 52, 1023, mxcsr, how, &met);
        all |= met;
    }
    *flags = all;
    return d.v;
}

/* The immediate says how to round, or to do so by MXCSR, and whether a precise result matters. */
INLINE uint32_t round_mxcsr(const struct soft *c, const struct soft_op *op)
{
    uint32_t mxcsr = (c->fpu.mxcsr & ~MXCSR_FLAGS) | MXCSR_MASKS;

    if (op->imm & 4)
        return mxcsr;
    return (mxcsr & ~MXCSR_RC) | (op->imm & 3) << MXCSR_RC_SHIFT;
}

#define ROUND(name, bytes, count, osize)                                                           \
    SLOW static vec plain_##name(vec d, vec s, uint32_t *mxcsr)                                    \
    {                                                                                              \
        uint32_t flags;                                                                            \
                                                                                                   \
        d = plain_round(d, s, count, osize, *mxcsr, &flags);                                       \
        *mxcsr = flags;                                                                            \
        return d;                                                                                  \
    }                                                                                              \
    VECTORS(name, bytes)                                                                           \
    {                                                                                              \
        uint32_t *mxcsr = (uint32_t *)c->scratch;                                                  \
        vec d = get_vector(c, op->reg);                                                            \
                                                                                                   \
        *mxcsr = round_mxcsr(c, op);                                                               \
        if (likely(soft_host_sse42))                                                               \
            asm volatile("ldmxcsr %1\n\t" #name " %0, %2, 4\n\tstmxcsr %1\n\tldmxcsr %3"           \
                         : "+x"(d), "+m"(*mxcsr)                                                   \
                         : "x"(s), "m"(soft_host_mxcsr));                                          \
        else                                                                                       \
            d = plain_##name(d, s, mxcsr);                                                         \
        if (op->imm & 8)                                                                           \
            *mxcsr &= MXCSR_IE;                                                                    \
        soft_float_flags(c, op, mxcsr[0] & MXCSR_FLAGS);                                           \
        set_vector(c, op->reg, d);                                                                 \
    }

ROUND(roundps, 16, 4, 2)
ROUND(roundpd, 16, 2, 3)
ROUND(roundss, 4, 1, 2)
ROUND(roundsd, 8, 1, 3)

/* Dot products, in steps, each of which may raise: what does not take part is 0 * 0. */
static void dpps(struct soft *c, const struct soft_op *op)
{
    union lanes mask;
    vec d, r, s;

    sse(c, op);
    s = any_source(c, op, 16);
    for (int i = 0; i < 4; i++)
        mask.d[i] = -(op->imm >> (4 + i) & 1);
    d = _mm_and_si128(get_vector(c, op->reg), mask.v);
    s = _mm_and_si128(s, mask.v);
    RUN_FLOAT_PAIR(c, op, "mulps", r, d, s);
    d = r;
    s = _mm_shuffle_epi32(r, 0xb1); /* neighbours */
    RUN_FLOAT_PAIR(c, op, "addps", r, d, s);
    d = r;
    s = _mm_shuffle_epi32(r, 0xee); /* the upper half */
    RUN_FLOAT_PAIR(c, op, "addss", r, d, s);
    for (int i = 0; i < 4; i++)
        mask.d[i] = -(op->imm >> i & 1);
    set_vector(c, op->reg, _mm_and_si128(_mm_shuffle_epi32(r, 0), mask.v));
    SOFT_NEXT(c, op);
}

static void dppd(struct soft *c, const struct soft_op *op)
{
    union lanes mask;
    vec d, r, s;

    sse(c, op);
    s = any_source(c, op, 16);
    for (int i = 0; i < 2; i++)
        mask.q[i] = -(int64_t)(op->imm >> (4 + i) & 1);
    d = _mm_and_si128(get_vector(c, op->reg), mask.v);
    s = _mm_and_si128(s, mask.v);
    RUN_FLOAT_PAIR(c, op, "mulpd", r, d, s);
    d = r;
    s = _mm_shuffle_epi32(r, 0xee);
    RUN_FLOAT_PAIR(c, op, "addsd", r, d, s);
    for (int i = 0; i < 2; i++)
        mask.q[i] = -(int64_t)(op->imm >> i & 1);
    set_vector(c, op->reg, _mm_and_si128(_mm_shuffle_epi32(r, 0x44), mask.v));
    SOFT_NEXT(c, op);
}

/* clang-format off */
#define EACH_ROW(name, encoding, bytes) ROW(encoding, #name " Vx,Wx", .forms = ALL_SIZES(name))

SOFT_TABLE(soft_sse4_rows)
    NEW(EACH_ROW)
    ROW("66 0f 38 10", "pblendvb Vx,Wx", .forms = ALL_SIZES(pblendvb))
    ROW("66 0f 38 14", "blendvps Vps,Wps", .forms = ALL_SIZES(blendvps))
    ROW("66 0f 38 15", "blendvpd Vpd,Wpd", .forms = ALL_SIZES(blendvpd))
    ROW("66 0f 38 17", "ptest Vx,Wx", .forms = ALL_SIZES(ptest))
    ROW("66 0f 38 2a mem", "movntdqa Vx,Mx", .run = movntdqa)
    ROW("66 0f 3a 08", "roundps Vps,Wps,Ib", .forms = ALL_SIZES(roundps))
    ROW("66 0f 3a 09", "roundpd Vpd,Wpd,Ib", .forms = ALL_SIZES(roundpd))
    ROW("66 0f 3a 0a", "roundss Vss,Wss,Ib", .forms = ALL_SIZES(roundss))
    ROW("66 0f 3a 0b", "roundsd Vsd,Wsd,Ib", .forms = ALL_SIZES(roundsd))
    ROW("66 0f 3a 0c", "blendps Vps,Wps,Ib", .forms = ALL_SIZES(blendps))
    ROW("66 0f 3a 0d", "blendpd Vpd,Wpd,Ib", .forms = ALL_SIZES(blendpd))
    ROW("66 0f 3a 0e", "pblendw Vx,Wx,Ib", .forms = ALL_SIZES(pblendw))
    ROW("66 0f 3a 0f", "palignr Vx,Wx,Ib", .forms = ALL_SIZES(palignr))
    ROW("66 0f 3a 14", "pextrb Ed,Vdq,Ib", .run = pextrb)
    ROW("66 0f 3a 15", "pextrw Ed,Vdq,Ib", .run = pextrw)
    ROW("66 0f 3a 16", "pextrd Ey,Vdq,Ib", .run = pextrd)
    ROW("66 0f 3a 17", "extractps Ed,Vdq,Ib", .run = pextrd)
    ROW("66 0f 3a 20", "pinsrb Vdq,Ed,Ib", .run = pinsrb)
    ROW("66 0f 3a 21", "insertps Vdq,Wd,Ib", .forms = ALL_SIZES(insertps))
    ROW("66 0f 3a 22", "pinsrd Vdq,Ey,Ib", .run = pinsrd)
    ROW("66 0f 3a 40", "dpps Vps,Wps,Ib", .run = dpps)
    ROW("66 0f 3a 41", "dppd Vpd,Wpd,Ib", .run = dppd)
    ROW("66 0f 3a 42", "mpsadbw Vx,Wx,Ib", .forms = ALL_SIZES(mpsadbw))
SOFT_TABLE_END
