// SPDX-License-Identifier: MIT
/*
 * SSE2: integers in vectors. All of them are the host's own instructions.
 *
 * After: Intel SDM vol. 2, each instruction's page.
 *
 * Left out: MMX registers, which are mmx.c's.
 */
#include "x86/soft/sse.h"

/* clang-format off */
#define INTEGER(X) \
    X(punpcklbw, "66 0f 60") \
    X(punpcklwd, "66 0f 61") \
    X(punpckldq, "66 0f 62") \
    X(packsswb, "66 0f 63") \
    X(pcmpgtb, "66 0f 64") \
    X(pcmpgtw, "66 0f 65") \
    X(pcmpgtd, "66 0f 66") \
    X(packuswb, "66 0f 67") \
    X(punpckhbw, "66 0f 68") \
    X(punpckhwd, "66 0f 69") \
    X(punpckhdq, "66 0f 6a") \
    X(packssdw, "66 0f 6b") \
    X(punpcklqdq, "66 0f 6c") \
    X(punpckhqdq, "66 0f 6d") \
    X(pcmpeqb, "66 0f 74") \
    X(pcmpeqw, "66 0f 75") \
    X(pcmpeqd, "66 0f 76") \
    X(psrlw, "66 0f d1") \
    X(psrld, "66 0f d2") \
    X(psrlq, "66 0f d3") \
    X(paddq, "66 0f d4") \
    X(pmullw, "66 0f d5") \
    X(psubusb, "66 0f d8") \
    X(psubusw, "66 0f d9") \
    X(pminub, "66 0f da") \
    X(pand, "66 0f db") \
    X(paddusb, "66 0f dc") \
    X(paddusw, "66 0f dd") \
    X(pmaxub, "66 0f de") \
    X(pandn, "66 0f df") \
    X(pavgb, "66 0f e0") \
    X(psraw, "66 0f e1") \
    X(psrad, "66 0f e2") \
    X(pavgw, "66 0f e3") \
    X(pmulhuw, "66 0f e4") \
    X(pmulhw, "66 0f e5") \
    X(psubsb, "66 0f e8") \
    X(psubsw, "66 0f e9") \
    X(pminsw, "66 0f ea") \
    X(por, "66 0f eb") \
    X(paddsb, "66 0f ec") \
    X(paddsw, "66 0f ed") \
    X(pmaxsw, "66 0f ee") \
    X(pxor, "66 0f ef") \
    X(psllw, "66 0f f1") \
    X(pslld, "66 0f f2") \
    X(psllq, "66 0f f3") \
    X(pmuludq, "66 0f f4") \
    X(pmaddwd, "66 0f f5") \
    X(psadbw, "66 0f f6") \
    X(psubb, "66 0f f8") \
    X(psubw, "66 0f f9") \
    X(psubd, "66 0f fa") \
    X(psubq, "66 0f fb") \
    X(paddb, "66 0f fc") \
    X(paddw, "66 0f fd") \
    X(paddd, "66 0f fe")
/* clang-format on */

#define DEFINE(name, encoding) HOST_VECTORS(name, 16)
INTEGER(DEFINE)

/* ---- shifts by an immediate ---- */

#define SHIFT(name, insn)                                                                          \
    static void name(struct soft *c, const struct soft_op *op)                                     \
    {                                                                                              \
        vec d, count = _mm_cvtsi32_si128(op->imm & 0xff);                                          \
                                                                                                   \
        sse(c, op);                                                                                \
        d = get_vector(c, op->rm);                                                                 \
        asm(#insn " %0, %1" : "+x"(d) : "x"(count));                                               \
        set_vector(c, op->rm, d);                                                                  \
        SOFT_NEXT(c, op);                                                                          \
    }

SHIFT(psrlw_imm, psrlw)
SHIFT(psraw_imm, psraw)
SHIFT(psllw_imm, psllw)
SHIFT(psrld_imm, psrld)
SHIFT(psrad_imm, psrad)
SHIFT(pslld_imm, pslld)
SHIFT(psrlq_imm, psrlq)
SHIFT(psllq_imm, psllq)

typedef unsigned __int128 __attribute__((may_alias)) uint128;

static void psrldq(struct soft *c, const struct soft_op *op)
{
    int bytes = op->imm & 0xff;
    uint128 *d = (uint128 *)c->fpu.xmm[op->rm];

    sse(c, op);
    *d = bytes < 16 ? *d >> (8 * bytes) : 0;
    SOFT_NEXT(c, op);
}

static void pslldq(struct soft *c, const struct soft_op *op)
{
    int bytes = op->imm & 0xff;
    uint128 *d = (uint128 *)c->fpu.xmm[op->rm];

    sse(c, op);
    *d = bytes < 16 ? *d << (8 * bytes) : 0;
    SOFT_NEXT(c, op);
}

/* ---- shuffles by an immediate ---- */

static void pshufd(struct soft *c, const struct soft_op *op)
{
    union lanes r, s;

    sse(c, op);
    s.v = any_source(c, op, 16);
    for (int i = 0; i < 4; i++)
        r.d[i] = s.d[op->imm >> (2 * i) & 3];
    set_vector(c, op->reg, r.v);
    SOFT_NEXT(c, op);
}

INLINE void shuffle_words(struct soft *c, const struct soft_op *op, int first)
{
    union lanes r, s;

    sse(c, op);
    r.v = s.v = any_source(c, op, 16);
    for (int i = 0; i < 4; i++)
        r.w[first + i] = s.w[first + (op->imm >> (2 * i) & 3)];
    set_vector(c, op->reg, r.v);
}

static void pshufhw(struct soft *c, const struct soft_op *op)
{
    shuffle_words(c, op, 4);
    SOFT_NEXT(c, op);
}

static void pshuflw(struct soft *c, const struct soft_op *op)
{
    shuffle_words(c, op, 0);
    SOFT_NEXT(c, op);
}

/* ---- one word ---- */

static void pinsrw(struct soft *c, const struct soft_op *op)
{
    sse(c, op);
    soft_poke(c->fpu.xmm[op->reg] + 2 * (op->imm & 7), 1, soft_load_e(c, op, 1));
    SOFT_NEXT(c, op);
}

static void pextrw(struct soft *c, const struct soft_op *op)
{
    sse(c, op);
    soft_set(c, 2, op->reg, soft_peek(c->fpu.xmm[op->rm] + 2 * (op->imm & 7), 1));
    SOFT_NEXT(c, op);
}

/* clang-format off */
#define EACH_ROW(name, encoding) ROW(encoding, #name " Vx,Wx", .forms = ALL_SIZES(name))

SOFT_TABLE(soft_sse_int_rows)
    INTEGER(EACH_ROW)
    ROW("66 0f 70", "pshufd Vx,Wx,Ib", .run = pshufd)
    ROW("f3 0f 70", "pshufhw Vx,Wx,Ib", .run = pshufhw)
    ROW("f2 0f 70", "pshuflw Vx,Wx,Ib", .run = pshuflw)
    ROW("66 0f 71 /2", "psrlw Ux,Ib", .run = psrlw_imm)
    ROW("66 0f 71 /4", "psraw Ux,Ib", .run = psraw_imm)
    ROW("66 0f 71 /6", "psllw Ux,Ib", .run = psllw_imm)
    ROW("66 0f 72 /2", "psrld Ux,Ib", .run = psrld_imm)
    ROW("66 0f 72 /4", "psrad Ux,Ib", .run = psrad_imm)
    ROW("66 0f 72 /6", "pslld Ux,Ib", .run = pslld_imm)
    ROW("66 0f 73 /2", "psrlq Ux,Ib", .run = psrlq_imm)
    ROW("66 0f 73 /3", "psrldq Ux,Ib", .run = psrldq)
    ROW("66 0f 73 /6", "psllq Ux,Ib", .run = psllq_imm)
    ROW("66 0f 73 /7", "pslldq Ux,Ib", .run = pslldq)
    ROW("66 0f c4", "pinsrw Vdq,Ew,Ib", .run = pinsrw)
    ROW("66 0f c5", "pextrw Gd,Udq,Ib", .run = pextrw)
SOFT_TABLE_END
