// SPDX-License-Identifier: MIT
/*
 * The state of x87 and SSE as memory: FXSAVE, FXRSTOR, the XSAVE family, MXCSR and XCR0.
 *
 * After: Intel SDM vol. 1, "Managing State Using the XSAVE Feature Set"; vol. 2, each instruction's
 * page.
 *
 * Left out: XSAVES and XRSTORS, which CPUID does not offer; the modified optimization: a processor
 * may take everything for modified; FCS and FDS, which CPUID says are always zero.
 */
#include "x86/soft/fpu.h"
#include "x86/soft/sse.h"

enum {
    LEGACY = 512, /* bytes of the area, as of FXSAVE */
    AREA = 576,   /* with the header */
    X87 = 1 << 0, /* state components: bits of XCR0 */
    SSE = 1 << 1,
    COMPONENTS = X87 | SSE,

    FCW_INIT = 0x37f,
    MXCSR_MASK = 0xffff,
};
#define COMPACTED (UINT64_C(1) << 63)

/* The header, after the legacy area. */
struct header {
    uint64_t xstate_bv, xcomp_bv, reserved[6];
};

/* Where fields stand in the area. */
enum {
    AT_FIP = offsetof(struct soft_fpu, fip),
    AT_FDP = offsetof(struct soft_fpu, fdp),
    AT_MXCSR = offsetof(struct soft_fpu, mxcsr),
    AT_ST = offsetof(struct soft_fpu, st),
    AT_XMM = offsetof(struct soft_fpu, xmm),
};

static int xmm_registers(const struct soft *c)
{
    return c->code_size == 3 ? 16 : 8;
}

/* The image's pointers are of 64 bits with REX.W, else 32 bits and a selector. */
static void put_x87(const struct soft *c, const struct soft_op *op, struct soft_fpu *image)
{
    const struct soft_fpu *f = &c->fpu;
    bool wide = op->prefix & SOFT_REX_W;

    image->fcw = f->fcw;
    image->fsw = f->fsw;
    image->ftw = f->ftw;
    image->reserved = 0;
    image->fop = f->fop;
    image->fip = wide ? f->fip : (uint32_t)f->fip;
    image->fdp = wide ? f->fdp : (uint32_t)f->fdp;
    for (int i = 0; i < 8; i++) {
        memcpy(image->st[i], f->st[i], 10);
        memset(image->st[i] + 10, 0, 6);
    }
}

static void take_x87(struct soft *c, const struct soft_op *op, const struct soft_fpu *image)
{
    struct soft_fpu *f = &c->fpu;
    bool wide = op->prefix & SOFT_REX_W;

    f->fcw = image->fcw;
    f->fsw = image->fsw;
    fpu_settle(f);
    f->ftw = image->ftw;
    f->fop = image->fop & 0x7ff;
    f->fip = wide ? image->fip : (uint32_t)image->fip;
    f->fdp = wide ? image->fdp : (uint32_t)image->fdp;
    for (int i = 0; i < 8; i++)
        memcpy(f->st[i], image->st[i], 10);
}

static void init_x87(struct soft *c)
{
    struct soft_fpu *f = &c->fpu;

    f->fcw = FCW_INIT;
    f->fsw = f->fop = f->fip = f->fdp = f->ftw = 0;
    memset(f->st, 0, sizeof(f->st));
}

static bool all_zero(const void *p, size_t n)
{
    static const uint8_t zeros[256];

    return !memcmp(p, zeros, n);
}

/* The components that are not in their initial configuration. MXCSR does not count. */
static uint32_t xinuse(const struct soft *c)
{
    const struct soft_fpu *f = &c->fpu;
    uint32_t in_use = 0;

    if (f->fcw != FCW_INIT || f->fsw || f->ftw || f->fop || f->fip || f->fdp)
        in_use |= X87;
    for (int i = 0; i < 8; i++)
        if (!all_zero(f->st[i], 10))
            in_use |= X87;
    if (!all_zero(f->xmm, xmm_registers(c) * 16))
        in_use |= SSE;
    return in_use;
}

/* ---- FXSAVE and FXRSTOR ---- */

static void fx_check(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    if (c->cr0 & (CR0_EM | CR0_TS))
        soft_raise(c, EXCEPTION_NM);
}

static uint64_t area(struct soft *c, const struct soft_op *op, int n, int access)
{
    uint64_t linear = soft_linear(c, op, ANYHOW, n, access);
    int align = n == AREA ? 64 : 16;

    if (linear & (align - 1))
        soft_misaligned(c, op);
    soft_probe(c, op->segment, linear, n, access);
    return linear;
}

SLOW static void do_fxsave(struct soft *c, const struct soft_op *op)
{
    struct soft_fpu image;
    uint64_t linear;

    fx_check(c, op);
    linear = area(c, op, LEGACY, ACCESS_WRITE);
    put_x87(c, op, &image);
    image.mxcsr = c->fpu.mxcsr;
    image.mxcsr_mask = MXCSR_MASK;
    memcpy(image.xmm, c->fpu.xmm, sizeof(image.xmm));
    soft_store_bytes(c, op->segment, linear, &image, AT_XMM + xmm_registers(c) * 16);
}

SLOW static void do_fxrstor(struct soft *c, const struct soft_op *op)
{
    struct soft_fpu image;
    uint64_t linear;
    int bytes = xmm_registers(c) * 16;

    fx_check(c, op);
    linear = area(c, op, LEGACY, ACCESS_READ);
    soft_load_bytes(c, op->segment, linear, &image, AT_XMM + bytes);
    if (image.mxcsr & ~MXCSR_MASK)
        soft_raise_code(c, EXCEPTION_GP, 0);
    take_x87(c, op, &image);
    c->fpu.mxcsr = image.mxcsr;
    memcpy(c->fpu.xmm, image.xmm, bytes);
}

/* ---- the XSAVE family ---- */

static void xsave_check(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    if (!(c->cr4 & CR4_OSXSAVE))
        soft_raise(c, EXCEPTION_UD);
    if (c->cr0 & CR0_TS)
        soft_raise(c, EXCEPTION_NM);
}

/* The components that the guest asks for, of those that there are. */
static uint32_t requested(const struct soft *c)
{
    return c->r[RAX] & c->xcr0;
}

static void write_area(struct soft *c, const struct soft_op *op, uint64_t linear, const void *image,
                       int from, int to)
{
    soft_store_bytes(c, op->segment, linear + from, (const uint8_t *)image + from, to - from);
}

/* Components of the set go to their places, and MXCSR where asked for; nothing else is touched. */
static void write_components(struct soft *c, const struct soft_op *op, uint64_t linear,
                             uint32_t set, bool mxcsr)
{
    struct soft_fpu image;

    put_x87(c, op, &image);
    image.mxcsr = c->fpu.mxcsr;
    image.mxcsr_mask = MXCSR_MASK;
    memcpy(image.xmm, c->fpu.xmm, sizeof(image.xmm));
    if (set & X87) {
        write_area(c, op, linear, &image, 0, AT_MXCSR);
        write_area(c, op, linear, &image, AT_ST, AT_XMM);
    }
    if (mxcsr)
        write_area(c, op, linear, &image, AT_MXCSR, AT_ST);
    if (set & SSE)
        write_area(c, op, linear, &image, AT_XMM, AT_XMM + xmm_registers(c) * 16);
}

/* XSAVE, and XSAVEOPT, which leaves out what is in its initial configuration. */
SLOW static void do_xsave(struct soft *c, const struct soft_op *op, bool optimized)
{
    uint64_t linear, old;
    uint32_t asked = requested(c), in_use;

    xsave_check(c, op);
    linear = area(c, op, AREA, ACCESS_READ | ACCESS_WRITE);
    in_use = xinuse(c);
    old = soft_load_at(c, op, op->segment, linear + LEGACY, 3);
    write_components(c, op, linear, optimized ? asked & in_use : asked, asked & SSE);
    soft_store_at(c, op, op->segment, linear + LEGACY, 3,
                  (old & ~(uint64_t)asked) | (asked & in_use));
}

/* The compacted form is the same as the standard one, having no components after the header. */
SLOW static void do_xsavec(struct soft *c, const struct soft_op *op)
{
    uint64_t linear;
    uint32_t asked = requested(c), set;

    xsave_check(c, op);
    linear = area(c, op, AREA, ACCESS_WRITE);
    set = xinuse(c) & asked;
    if (c->fpu.mxcsr != MXCSR_DEFAULT)
        set |= asked & SSE;
    write_components(c, op, linear, set, set & SSE);
    soft_store_at(c, op, op->segment, linear + LEGACY, 3, set);
    soft_store_at(c, op, op->segment, linear + LEGACY + 8, 3, COMPACTED | asked);
}

static bool header_is_good(const struct soft *c, const struct header *h)
{
    if (!(h->xcomp_bv & COMPACTED))
        return !(h->xstate_bv & ~c->xcr0) && !h->xcomp_bv && !h->reserved[0];
    return !(h->xcomp_bv & ~COMPACTED & ~c->xcr0) && !(h->xstate_bv & ~h->xcomp_bv) &&
           !(h->xstate_bv & COMPACTED) && all_zero(h->reserved, sizeof(h->reserved));
}

SLOW static void do_xrstor(struct soft *c, const struct soft_op *op)
{
    struct {
        struct soft_fpu legacy;
        struct header header;
    } image;
    uint64_t linear;
    uint32_t asked = requested(c), restore;
    int bytes = xmm_registers(c) * 16;
    bool mxcsr;

    xsave_check(c, op);
    linear = area(c, op, AREA, ACCESS_READ);
    soft_load_bytes(c, op->segment, linear, &image, AREA);
    if (!header_is_good(c, &image.header))
        soft_raise_code(c, EXCEPTION_GP, 0);
    restore = asked & image.header.xstate_bv;
    /* The standard form stores MXCSR even without XMM registers. */
    mxcsr = (image.header.xcomp_bv & COMPACTED ? restore : asked) & SSE;
    if (mxcsr && image.legacy.mxcsr & ~MXCSR_MASK)
        soft_raise_code(c, EXCEPTION_GP, 0);
    if (restore & X87)
        take_x87(c, op, &image.legacy);
    else if (asked & X87)
        init_x87(c);
    if (restore & SSE)
        memcpy(c->fpu.xmm, image.legacy.xmm, bytes);
    else if (asked & SSE)
        memset(c->fpu.xmm, 0, bytes);
    if (mxcsr)
        c->fpu.mxcsr = image.legacy.mxcsr;
    else if (asked & SSE)
        c->fpu.mxcsr = MXCSR_DEFAULT;
}

#define HANDLER(name, action)                                                                      \
    static void name(struct soft *c, const struct soft_op *op)                                     \
    {                                                                                              \
        action;                                                                                    \
        SOFT_NEXT(c, op);                                                                          \
    }

HANDLER(fxsave, do_fxsave(c, op))
HANDLER(fxrstor, do_fxrstor(c, op))
HANDLER(xsave, do_xsave(c, op, false))
HANDLER(xsaveopt, do_xsave(c, op, true))
HANDLER(xsavec, do_xsavec(c, op))
HANDLER(xrstor, do_xrstor(c, op))

/* ---- control registers ---- */

static void ldmxcsr(struct soft *c, const struct soft_op *op)
{
    uint32_t mxcsr;

    sse(c, op);
    mxcsr = soft_load(c, op, ANYHOW, 2);
    if (mxcsr & ~MXCSR_MASK)
        soft_misaligned(c, op);
    c->fpu.mxcsr = mxcsr;
    SOFT_NEXT(c, op);
}

static void stmxcsr(struct soft *c, const struct soft_op *op)
{
    sse(c, op);
    soft_store(c, op, ANYHOW, 2, c->fpu.mxcsr);
    SOFT_NEXT(c, op);
}

/* XCR0, and which of its components are in use. */
static void xgetbv(struct soft *c, const struct soft_op *op)
{
    uint32_t index = c->r[RCX];
    uint64_t val;

    c->op = op;
    if (!(c->cr4 & CR4_OSXSAVE))
        soft_raise(c, EXCEPTION_UD);
    if (index > 1)
        soft_raise_code(c, EXCEPTION_GP, 0);
    val = index ? c->xcr0 & xinuse(c) : c->xcr0;
    soft_set_reg(c, 2, RAX, val);
    soft_set_reg(c, 2, RDX, val >> 32);
    SOFT_NEXT(c, op);
}

static void xsetbv(struct soft *c, const struct soft_op *op)
{
    uint64_t val = (uint32_t)c->r[RAX] | c->r[RDX] << 32;

    c->op = op;
    if (!(c->cr4 & CR4_OSXSAVE))
        soft_raise(c, EXCEPTION_UD);
    if (c->cpl || (uint32_t)c->r[RCX] || val & ~(uint64_t)COMPONENTS || !(val & X87))
        soft_raise_code(c, EXCEPTION_GP, 0);
    c->xcr0 = val;
    SOFT_NEXT(c, op);
}

/* clang-format off */
SOFT_TABLE(soft_xsave_rows)
    ROW("np 0f ae /0 mem", "fxsave M", .run = fxsave)
    ROW("np 0f ae /1 mem", "fxrstor M", .run = fxrstor)
    ROW("np 0f ae /2 mem", "ldmxcsr Md", .run = ldmxcsr)
    ROW("np 0f ae /3 mem", "stmxcsr Md", .run = stmxcsr)
    ROW("np 0f ae /4 mem", "xsave M", .run = xsave)
    ROW("np 0f ae /5 mem", "xrstor M", .run = xrstor)
    ROW("np 0f ae /6 mem", "xsaveopt M", .run = xsaveopt)
    ROW("np 0f c7 /4 mem", "xsavec M", .run = xsavec)
    ROW("np 0f 01 =d0", "xgetbv", .run = xgetbv)
    ROW("np 0f 01 =d1", "xsetbv", .run = xsetbv)
SOFT_TABLE_END
