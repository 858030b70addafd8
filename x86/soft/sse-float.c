// SPDX-License-Identifier: MIT
/*
 * SSE, SSE2, SSE3: floating point. The host computes, with the guest's MXCSR but with all
 * exceptions masked: one that the guest has not masked is seen in the flags afterwards.
 *
 * After: Intel SDM vol. 1, "SSE and SSE2 SIMD Floating-Point Exceptions"; vol. 2, each
 * instruction's page.
 *
 * Left out: the right value of MXCSR.PE beside an overflow or underflow that the guest has not
 * masked. It is set here even where the result would be exact if exponents had no bounds; a handler
 * has the other flag to go by. RCPPS and RSQRTPS are as exact as the host's, as any guest must
 * expect.
 */
#include "x86/soft/sse.h"

/* clang-format off */

/* Instructions that MXCSR does not concern. */
#define BITS(X) \
    X(rsqrtps, "np 0f 52", 16, "Vps,Wps") \
    X(rsqrtss, "f3 0f 52", 4, "Vss,Wss") \
    X(rcpps, "np 0f 53", 16, "Vps,Wps") \
    X(rcpss, "f3 0f 53", 4, "Vss,Wss") \
    X(unpcklps, "np 0f 14", 16, "Vps,Wps") \
    X(unpcklpd, "66 0f 14", 16, "Vpd,Wpd") \
    X(unpckhps, "np 0f 15", 16, "Vps,Wps") \
    X(unpckhpd, "66 0f 15", 16, "Vpd,Wpd") \
    X(andps, "np 0f 54", 16, "Vps,Wps") \
    X(andpd, "66 0f 54", 16, "Vpd,Wpd") \
    X(andnps, "np 0f 55", 16, "Vps,Wps") \
    X(andnpd, "66 0f 55", 16, "Vpd,Wpd") \
    X(orps, "np 0f 56", 16, "Vps,Wps") \
    X(orpd, "66 0f 56", 16, "Vpd,Wpd") \
    X(xorps, "np 0f 57", 16, "Vps,Wps") \
    X(xorpd, "66 0f 57", 16, "Vpd,Wpd") \
    X(cvtdq2pd, "f3 0f e6", 8, "Vpd,Wdq")

#define FLOATS(X) \
    X(sqrtps, "np 0f 51", 16, "Vps,Wps") \
    X(sqrtpd, "66 0f 51", 16, "Vpd,Wpd") \
    X(sqrtss, "f3 0f 51", 4, "Vss,Wss") \
    X(sqrtsd, "f2 0f 51", 8, "Vsd,Wsd") \
    X(addps, "np 0f 58", 16, "Vps,Wps") \
    X(addpd, "66 0f 58", 16, "Vpd,Wpd") \
    X(addss, "f3 0f 58", 4, "Vss,Wss") \
    X(addsd, "f2 0f 58", 8, "Vsd,Wsd") \
    X(mulps, "np 0f 59", 16, "Vps,Wps") \
    X(mulpd, "66 0f 59", 16, "Vpd,Wpd") \
    X(mulss, "f3 0f 59", 4, "Vss,Wss") \
    X(mulsd, "f2 0f 59", 8, "Vsd,Wsd") \
    X(subps, "np 0f 5c", 16, "Vps,Wps") \
    X(subpd, "66 0f 5c", 16, "Vpd,Wpd") \
    X(subss, "f3 0f 5c", 4, "Vss,Wss") \
    X(subsd, "f2 0f 5c", 8, "Vsd,Wsd") \
    X(minps, "np 0f 5d", 16, "Vps,Wps") \
    X(minpd, "66 0f 5d", 16, "Vpd,Wpd") \
    X(minss, "f3 0f 5d", 4, "Vss,Wss") \
    X(minsd, "f2 0f 5d", 8, "Vsd,Wsd") \
    X(divps, "np 0f 5e", 16, "Vps,Wps") \
    X(divpd, "66 0f 5e", 16, "Vpd,Wpd") \
    X(divss, "f3 0f 5e", 4, "Vss,Wss") \
    X(divsd, "f2 0f 5e", 8, "Vsd,Wsd") \
    X(maxps, "np 0f 5f", 16, "Vps,Wps") \
    X(maxpd, "66 0f 5f", 16, "Vpd,Wpd") \
    X(maxss, "f3 0f 5f", 4, "Vss,Wss") \
    X(maxsd, "f2 0f 5f", 8, "Vsd,Wsd") \
    X(cvtps2pd, "np 0f 5a", 8, "Vpd,Wps") \
    X(cvtpd2ps, "66 0f 5a", 16, "Vps,Wpd") \
    X(cvtss2sd, "f3 0f 5a", 4, "Vsd,Wss") \
    X(cvtsd2ss, "f2 0f 5a", 8, "Vss,Wsd") \
    X(cvtdq2ps, "np 0f 5b", 16, "Vps,Wdq") \
    X(cvtps2dq, "66 0f 5b", 16, "Vdq,Wps") \
    X(cvttps2dq, "f3 0f 5b", 16, "Vdq,Wps") \
    X(haddpd, "66 0f 7c", 16, "Vpd,Wpd") \
    X(haddps, "f2 0f 7c", 16, "Vps,Wps") \
    X(hsubpd, "66 0f 7d", 16, "Vpd,Wpd") \
    X(hsubps, "f2 0f 7d", 16, "Vps,Wps") \
    X(addsubpd, "66 0f d0", 16, "Vpd,Wpd") \
    X(addsubps, "f2 0f d0", 16, "Vps,Wps") \
    X(cvttpd2dq, "66 0f e6", 16, "Vdq,Wpd") \
    X(cvtpd2dq, "f2 0f e6", 16, "Vdq,Wpd")

/* clang-format on */

#define DEFINE_BITS(name, encoding, bytes, operands)   HOST_VECTORS(name, bytes)
#define DEFINE_FLOATS(name, encoding, bytes, operands) FLOAT_VECTORS(name, bytes)
BITS(DEFINE_BITS)
FLOATS(DEFINE_FLOATS)

/* ---- comparisons ---- */

#define COMPARE(type, bytes)                                                                       \
    static void cmp##type(struct soft *c, const struct soft_op *op)                                \
    {                                                                                              \
        vec d, r, s;                                                                               \
                                                                                                   \
        sse(c, op);                                                                                \
        s = any_source(c, op, bytes);                                                              \
        d = get_vector(c, op->reg);                                                                \
        switch (op->imm & 7) {                                                                     \
        case 0:                                                                                    \
            RUN_FLOAT_PAIR(c, op, "cmpeq" #type, r, d, s);                                         \
            break;                                                                                 \
        case 1:                                                                                    \
            RUN_FLOAT_PAIR(c, op, "cmplt" #type, r, d, s);                                         \
            break;                                                                                 \
        case 2:                                                                                    \
            RUN_FLOAT_PAIR(c, op, "cmple" #type, r, d, s);                                         \
            break;                                                                                 \
        case 3:                                                                                    \
            RUN_FLOAT_PAIR(c, op, "cmpunord" #type, r, d, s);                                      \
            break;                                                                                 \
        case 4:                                                                                    \
            RUN_FLOAT_PAIR(c, op, "cmpneq" #type, r, d, s);                                        \
            break;                                                                                 \
        case 5:                                                                                    \
            RUN_FLOAT_PAIR(c, op, "cmpnlt" #type, r, d, s);                                        \
            break;                                                                                 \
        case 6:                                                                                    \
            RUN_FLOAT_PAIR(c, op, "cmpnle" #type, r, d, s);                                        \
            break;                                                                                 \
        default:                                                                                   \
            RUN_FLOAT_PAIR(c, op, "cmpord" #type, r, d, s);                                        \
            break;                                                                                 \
        }                                                                                          \
        set_vector(c, op->reg, r);                                                                 \
        SOFT_NEXT(c, op);                                                                          \
    }

COMPARE(ps, 16)
COMPARE(pd, 16)
COMPARE(ss, 4)
COMPARE(sd, 8)

#define COMPARE_FLAGS(name, bytes)                                                                 \
    VECTORS(name, bytes)                                                                           \
    {                                                                                              \
        vec d = get_vector(c, op->reg);                                                            \
        uint16_t flags;                                                                            \
                                                                                                   \
        RUN_FLOAT(c, op, , #name " %[to], %[from]\n\tlahf\n\tseto al",                             \
                  "=&a"(flags), [to] "x"(d), [from] "x"(s));                                       \
        c->arith = flags;                                                                          \
    }

COMPARE_FLAGS(comiss, 4)
COMPARE_FLAGS(comisd, 8)
COMPARE_FLAGS(ucomiss, 4)
COMPARE_FLAGS(ucomisd, 8)

/* ---- integers of general registers ---- */

#define FROM_INTEGER(name)                                                                         \
    static void name(struct soft *c, const struct soft_op *op)                                     \
    {                                                                                              \
        uint64_t val;                                                                              \
        vec d, r;                                                                                  \
                                                                                                   \
        sse(c, op);                                                                                \
        val = soft_load_e(c, op, op->osize);                                                       \
        d = get_vector(c, op->reg);                                                                \
        if (op->osize == 3)                                                                        \
            RUN_FLOAT(c, op, r = d, #name " %[to], %q[from]", [to] "+x"(r), [from] "r"(val));      \
        else                                                                                       \
            RUN_FLOAT(c, op, r = d, #name " %[to], %k[from]", [to] "+x"(r), [from] "r"(val));      \
        set_vector(c, op->reg, r);                                                                 \
        SOFT_NEXT(c, op);                                                                          \
    }

FROM_INTEGER(cvtsi2ss)
FROM_INTEGER(cvtsi2sd)

#define TO_INTEGER(name, bytes)                                                                    \
    VECTORS(name, bytes)                                                                           \
    {                                                                                              \
        uint64_t val;                                                                              \
                                                                                                   \
        if (op->osize == 3)                                                                        \
            RUN_FLOAT(c, op, , #name " %q[to], %[from]", [to] "=&r"(val), [from] "x"(s));          \
        else                                                                                       \
            RUN_FLOAT(c, op, , #name " %k[to], %[from]", [to] "=&r"(val), [from] "x"(s));          \
        soft_set(c, op->osize, op->reg, val);                                                      \
    }

TO_INTEGER(cvtss2si, 4)
TO_INTEGER(cvttss2si, 4)
TO_INTEGER(cvtsd2si, 8)
TO_INTEGER(cvttsd2si, 8)

/* ---- shuffles by an immediate ---- */

static void shufps(struct soft *c, const struct soft_op *op)
{
    union lanes d, r, s;

    sse(c, op);
    s.v = any_source(c, op, 16);
    d.v = get_vector(c, op->reg);
    for (int i = 0; i < 4; i++)
        r.d[i] = (i < 2 ? d : s).d[op->imm >> (2 * i) & 3];
    set_vector(c, op->reg, r.v);
    SOFT_NEXT(c, op);
}

static void shufpd(struct soft *c, const struct soft_op *op)
{
    union lanes d, r, s;

    sse(c, op);
    s.v = any_source(c, op, 16);
    d.v = get_vector(c, op->reg);
    r.q[0] = d.q[op->imm & 1];
    r.q[1] = s.q[op->imm >> 1 & 1];
    set_vector(c, op->reg, r.v);
    SOFT_NEXT(c, op);
}

/* clang-format off */
#define EACH_ROW(name, encoding, bytes, operands) ROW(encoding, #name " " operands, .forms = ALL_SIZES(name))

SOFT_TABLE(soft_sse_float_rows)
    BITS(EACH_ROW)
    FLOATS(EACH_ROW)
    ROW("f3 0f 2a", "cvtsi2ss Vss,Ey", .run = cvtsi2ss)
    ROW("f2 0f 2a", "cvtsi2sd Vsd,Ey", .run = cvtsi2sd)
    ROW("f3 0f 2c", "cvttss2si Gy,Wss", .forms = ALL_SIZES(cvttss2si))
    ROW("f2 0f 2c", "cvttsd2si Gy,Wsd", .forms = ALL_SIZES(cvttsd2si))
    ROW("f3 0f 2d", "cvtss2si Gy,Wss", .forms = ALL_SIZES(cvtss2si))
    ROW("f2 0f 2d", "cvtsd2si Gy,Wsd", .forms = ALL_SIZES(cvtsd2si))
    ROW("np 0f 2e", "ucomiss Vss,Wss", .forms = ALL_SIZES(ucomiss))
    ROW("66 0f 2e", "ucomisd Vsd,Wsd", .forms = ALL_SIZES(ucomisd))
    ROW("np 0f 2f", "comiss Vss,Wss", .forms = ALL_SIZES(comiss))
    ROW("66 0f 2f", "comisd Vsd,Wsd", .forms = ALL_SIZES(comisd))
    ROW("np 0f c2", "cmpps Vps,Wps,Ib", .run = cmpps)
    ROW("66 0f c2", "cmppd Vpd,Wpd,Ib", .run = cmppd)
    ROW("f3 0f c2", "cmpss Vss,Wss,Ib", .run = cmpss)
    ROW("f2 0f c2", "cmpsd Vsd,Wsd,Ib", .run = cmpsd)
    ROW("np 0f c6", "shufps Vps,Wps,Ib", .run = shufps)
    ROW("66 0f c6", "shufpd Vpd,Wpd,Ib", .run = shufpd)
SOFT_TABLE_END
