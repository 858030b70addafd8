// SPDX-License-Identifier: MIT
/*
 * Unit tests of x86/soft/xsave: images against the host's, and whatever is to raise an exception.
 */
#include "x86/soft/sse.h" /* first: tests call their CPU c */
#include "tests/unit/soft-native.h"

enum {
    AREA = 576,
    ROUNDS = 2000,
};

static const uint8_t fxsave32[] = {0x0f, 0xae, 0x06}, fxsave64[] = {0x48, 0x0f, 0xae, 0x06},
                     fxrstor32[] = {0x0f, 0xae, 0x0e}, fxrstor64[] = {0x48, 0x0f, 0xae, 0x0e},
                     xsave32[] = {0x0f, 0xae, 0x26}, xsave64[] = {0x48, 0x0f, 0xae, 0x26},
                     xrstor32[] = {0x0f, 0xae, 0x2e}, xrstor64[] = {0x48, 0x0f, 0xae, 0x2e},
                     xsaveopt32[] = {0x0f, 0xae, 0x36}, xsaveopt64[] = {0x48, 0x0f, 0xae, 0x36},
                     xsavec32[] = {0x0f, 0xc7, 0x26}, xsavec64[] = {0x48, 0x0f, 0xc7, 0x26},
                     xgetbv[] = {0x0f, 0x01, 0xd0}, xsetbv[] = {0x0f, 0x01, 0xd1},
                     ldmxcsr[] = {0x0f, 0xae, 0x16}, stmxcsr[] = {0x0f, 0xae, 0x1e};

#define RUN(bytes) cpu_run(bytes, sizeof(bytes))

static uint8_t *area(void)
{
    return cpu_at(CPU_DATA);
}

static uint64_t field(int at)
{
    return soft_peek(area() + at, 3);
}

static void set_field(int at, uint64_t val)
{
    soft_poke(area() + at, 3, val);
}

static void fill(uint8_t *p, int n)
{
    for (int i = 0; i < n; i++)
        p[i] = random64();
}

static void start(void)
{
    cpu_start(CPU_LONG64);
    c->xcr0 = 3;
    c->r[RSI] = CPU_DATA;
    c->r[RAX] = c->r[RDX] = UINT64_MAX;
    c->r[RCX] = 0;
}

/* An image that can be restored, with nothing in its initial configuration: what the host takes for
 * that is its own affair. */
static void random_image(uint8_t *image)
{
    struct soft_fpu *f = (struct soft_fpu *)image;

    fill(image, sizeof(*f));
    f->mxcsr &= 0xffff;
    /* The host's own pointers are fewer bits than 64. */
    f->fip &= 0x7fffffffffff;
    f->fdp &= 0x7fffffffffff;
    if (!below(3))
        f->mxcsr = MXCSR_DEFAULT;
}

static bool host_has_xsave(void)
{
    uint32_t a = 0, b, d, ecx = 0;

    __builtin_cpu_init();
    __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(ecx), "=d"(d) : "a"(1), "c"(0));
    if (!(ecx >> 27 & 1))
        return false;
    __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(ecx), "=d"(d) : "a"(0xd), "c"(1));
    return (a & 7) == 7;
}

/* The x87 pointers of the host: AMD's restores them only with an exception pending, and saves them
 * only then. And which bits MXCSR has is the host's affair. */
static void forget_pointers(uint8_t *image)
{
    memset(image + 6, 0, 18);
    if (soft_peek(image + 28, 2) != 0xa5a5a5a5)
        memset(image + 28, 0, 4);
}

/* Restore an image and save it again, on the host and here. */
static void round_trip(const uint8_t *restore, const uint8_t *save, int n)
{
    static uint8_t image[AREA] __attribute__((aligned(64))),
        host[AREA] __attribute__((aligned(64)));
    static uint8_t *code;
    static const uint8_t between[] = {0x48, 0x89, 0xfe}; /* mov rsi, rdi */
    int interrupted = 0;
    uint8_t *p;

    start();
    if (!code)
        code = native_page();
    p = code;
    memcpy(p, restore, n), p += n;
    memcpy(p, between, 3), p += 3;
    memcpy(p, save, n), p += n;
    memcpy(p, "\xdb\xe3\xc3", 3); /* fninit; ret */
    for (int i = 0; i < ROUNDS && test_failures < 5; i++) {
        struct native state = {.code = code, .flags = EFLAGS_FIXED, .mxcsr = MXCSR_DEFAULT};
        bool compact = restore[n - 2] == 0xae && restore[n - 1] == 0x2e && below(2);
        uint64_t asked = below(4);

        random_image(image);
        memset(image + 512, 0, 64);
        image[512] = below(4);
        if (compact) {
            image[520] = image[512] | below(4);
            image[527] = 0x80;
        }
        memset(host, 0xa5, sizeof(host));
        memset(host + 512, 0, 64);
        host[512] = below(8);
        memcpy(area(), image, AREA);
        memcpy(area() + 0x1000, host, AREA);
        memset(&c->fpu, 0, sizeof(c->fpu));
        c->fpu.fcw = 0x37f;
        c->fpu.mxcsr = MXCSR_DEFAULT;
        c->r[RSI] = CPU_DATA;
        c->r[RDI] = CPU_DATA + 0x1000;
        c->r[RAX] = state.gpr[RAX] = asked;
        c->r[RDX] = state.gpr[RDX] = 0;
        state.gpr[RSI] = (uintptr_t)image;
        state.gpr[RDI] = (uintptr_t)host;
        CHECK_EQ(native_run(&state), CPU_OK);
        CHECK_EQ(cpu_run(code, 2 * n + 3), CPU_OK);
        forget_pointers(host);
        forget_pointers(area() + 0x1000);
        /* An interrupt between the two: the host's kernel has put SSE in use. */
        if ((host[512] & ~area()[0x1000 + 512]) == 2 && ++interrupted < ROUNDS / 20)
            continue;
        for (int at = 0; at < AREA; at++)
            if (host[at] != area()[0x1000 + at]) {
                printf("# round %d, %d asked, bv %d, compact %d: byte %d is %#x, host's %#x\n", i,
                       (int)asked, image[512], compact, at, area()[0x1000 + at], host[at]);
                test_failures++;
                break;
            }
    }
    cpu_end();
}

static void test_fx_native(void)
{
    round_trip(fxrstor32, fxsave32, sizeof(fxsave32));
    round_trip(fxrstor64, fxsave64, sizeof(fxsave64));
}

static void test_xsave_native(void)
{
    if (!host_has_xsave()) {
        printf("# the host has none\n");
        return;
    }
    round_trip(xrstor32, xsave32, sizeof(xsave32));
    round_trip(xrstor64, xsave64, sizeof(xsave64));
    round_trip(xrstor32, xsavec32, sizeof(xsavec32));
    round_trip(xrstor64, xsavec64, sizeof(xsavec64));
    round_trip(xrstor32, xsaveopt32, sizeof(xsaveopt32));
    round_trip(xrstor64, xsaveopt64, sizeof(xsaveopt64));
}

static void test_pointers(void)
{
    start();
    c->fpu.fip = 0x123456789abcdef0;
    c->fpu.fdp = 0xfedcba9876543210;
    c->fpu.fop = 0x234;
    CHECK_EQ(RUN(fxsave64), CPU_OK);
    CHECK_EQ(field(8), 0x123456789abcdef0);
    CHECK_EQ(field(16), 0xfedcba9876543210);
    CHECK_EQ(soft_peek(area() + 6, 1), 0x234);
    CHECK_EQ(RUN(fxsave32), CPU_OK);
    CHECK_EQ(field(8), 0x9abcdef0);
    CHECK_EQ(field(16), 0x76543210);
    set_field(8, UINT64_MAX);
    CHECK_EQ(RUN(fxrstor32), CPU_OK);
    CHECK_EQ(c->fpu.fip, 0xffffffff);
    CHECK_EQ(c->fpu.fdp, 0x76543210);
    set_field(8, UINT64_MAX);
    CHECK_EQ(RUN(fxrstor64), CPU_OK);
    CHECK_EQ(c->fpu.fip, UINT64_MAX);
    cpu_end();
}

/* Outside 64-bit mode, eight XMM registers. */
static void test_eight_registers(void)
{
    cpu_start(CPU_FLAT32);
    c->xcr0 = 3;
    c->r[RSI] = CPU_DATA;
    c->r[RAX] = 3;
    fill((uint8_t *)c->fpu.xmm, 256);
    memset(area(), 0xa5, AREA);
    memset(area() + 512, 0, 64);
    CHECK_EQ(RUN(fxsave32), CPU_OK);
    CHECK(!memcmp(area() + 160, c->fpu.xmm, 128));
    CHECK_EQ(field(288), 0xa5a5a5a5a5a5a5a5);
    CHECK_EQ(RUN(xsave32), CPU_OK);
    CHECK_EQ(field(288), 0xa5a5a5a5a5a5a5a5);
    CHECK_EQ(field(512) & 2, 2);
    uint64_t ninth = soft_peek(c->fpu.xmm[8], 3);

    CHECK_EQ(RUN(fxrstor32), CPU_OK);
    CHECK_EQ(soft_peek(c->fpu.xmm[8], 3), ninth);
    CHECK_EQ(RUN(xrstor32), CPU_OK);
    CHECK_EQ(soft_peek(c->fpu.xmm[8], 3), ninth);
    set_field(512, 0);
    CHECK_EQ(RUN(xrstor32), CPU_OK);
    CHECK_EQ(soft_peek(c->fpu.xmm[0], 3), 0);
    CHECK_EQ(soft_peek(c->fpu.xmm[8], 3), ninth);
    cpu_end();
}

/* What runs, and then does not with CR0.TS, CR0.EM or without CR4's permission. */
static void check_enabled(const uint8_t *code, int n, int ts, int em, int osfxsr, int osxsave)
{
    start();
    memset(area(), 0, AREA);
    soft_poke(area() + 24, 2, MXCSR_DEFAULT);
    c->r[RAX] = 3;
    c->r[RDX] = 0;
    CHECK_EQ(cpu_run(code, n), CPU_OK);
    c->r[RAX] = 3;
    c->cr0 |= CR0_TS;
    CHECK_EQ(cpu_run(code, n), ts);
    c->cr0 |= CR0_EM;
    CHECK_EQ(cpu_run(code, n), ts == CPU_OK ? CPU_OK : em == CPU_OK ? ts : em);
    c->cr0 &= ~(uint64_t)CR0_TS;
    CHECK_EQ(cpu_run(code, n), em);
    c->cr0 &= ~(uint64_t)CR0_EM;
    c->cr4 &= ~(uint64_t)CR4_OSFXSR;
    CHECK_EQ(cpu_run(code, n), osfxsr);
    c->cr4 |= CR4_OSFXSR;
    c->cr4 &= ~(uint64_t)CR4_OSXSAVE;
    CHECK_EQ(cpu_run(code, n), osxsave);
    cpu_end();
}

#define ENABLED(code, ...) check_enabled(code, sizeof(code), __VA_ARGS__)

static void test_enabled(void)
{
    enum {
        OK = CPU_OK,
        UD = EXCEPTION_UD,
        NM = EXCEPTION_NM
    };

    ENABLED(fxsave64, NM, NM, OK, OK);
    ENABLED(fxrstor64, NM, NM, OK, OK);
    ENABLED(ldmxcsr, NM, UD, UD, OK);
    ENABLED(stmxcsr, NM, UD, UD, OK);
    ENABLED(xsave64, NM, OK, OK, UD);
    ENABLED(xsavec64, NM, OK, OK, UD);
    ENABLED(xsaveopt64, NM, OK, OK, UD);
    ENABLED(xrstor64, NM, OK, OK, UD);
    ENABLED(xgetbv, OK, OK, OK, UD);
    ENABLED(xsetbv, OK, OK, OK, UD);
}

static void check_gp(const uint8_t *code, int n)
{
    struct soft_fpu before = c->fpu;

    CHECK_EQ(cpu_run(code, n), EXCEPTION_GP);
    CHECK_EQ(c->error_code, 0);
    CHECK(!memcmp(&before, &c->fpu, sizeof(before)));
}

#define GP(code) check_gp(code, sizeof(code))

static void test_alignment(void)
{
    start();
    c->r[RSI] = CPU_DATA + 8;
    GP(fxsave64);
    GP(fxrstor64);
    c->r[RSI] = CPU_DATA + 32;
    CHECK_EQ(RUN(fxsave64), CPU_OK);
    CHECK_EQ(RUN(fxrstor64), CPU_OK);
    GP(xsave64);
    GP(xsavec64);
    GP(xsaveopt64);
    GP(xrstor64);
    c->r[RSI] = CPU_DATA + 1;
    CHECK_EQ(RUN(stmxcsr), CPU_OK);
    CHECK_EQ(RUN(ldmxcsr), CPU_OK);
    cpu_end();
}

static void test_mxcsr(void)
{
    start();
    soft_poke(area(), 2, 0x10000);
    GP(ldmxcsr);
    soft_poke(area(), 2, 0xffbf);
    CHECK_EQ(RUN(ldmxcsr), CPU_OK);
    CHECK_EQ(c->fpu.mxcsr, 0xffbf);
    soft_poke(area(), 2, 0);
    CHECK_EQ(RUN(stmxcsr), CPU_OK);
    CHECK_EQ(soft_peek(area(), 2), 0xffbf);

    CHECK_EQ(RUN(fxsave64), CPU_OK);
    CHECK_EQ(soft_peek(area() + 28, 2), 0xffff);
    soft_poke(area() + 24, 2, 0x11f80);
    GP(fxrstor64);
    /* The standard form of XRSTOR looks at MXCSR when SSE is asked for, the compacted one when it
     * is there. */
    set_field(512, 0);
    GP(xrstor64);
    c->r[RAX] = 1;
    CHECK_EQ(RUN(xrstor64), CPU_OK);
    c->r[RAX] = 3;
    set_field(520, UINT64_C(1) << 63 | 3);
    CHECK_EQ(RUN(xrstor64), CPU_OK);
    CHECK_EQ(c->fpu.mxcsr, MXCSR_DEFAULT);
    set_field(512, 2);
    GP(xrstor64);
    cpu_end();
}

static void check_header(uint64_t bv, uint64_t comp, int at, int expected)
{
    set_field(512, bv);
    set_field(520, comp);
    for (int i = 528; i < AREA; i += 8)
        set_field(i, 0);
    if (at)
        area()[at] = 1;
    if (expected == CPU_OK)
        CHECK_EQ(RUN(xrstor64), CPU_OK);
    else
        GP(xrstor64);
}

static void test_headers(void)
{
    const uint64_t compact = UINT64_C(1) << 63;

    start();
    memset(area(), 0, 512);
    soft_poke(area() + 24, 2, MXCSR_DEFAULT);
    check_header(0, 0, 0, CPU_OK);
    check_header(3, 0, 0, CPU_OK);
    check_header(4, 0, 0, EXCEPTION_GP);
    check_header(compact, 0, 0, EXCEPTION_GP);
    check_header(3, 3, 0, EXCEPTION_GP); /* XCOMP_BV without its top bit */
    check_header(3, 0, 528, EXCEPTION_GP);
    check_header(3, 0, 535, EXCEPTION_GP);
    check_header(3, 0, 536, CPU_OK); /* not looked at in the standard form */
    check_header(3, 0, 575, CPU_OK);
    check_header(3, compact | 3, 0, CPU_OK);
    check_header(1, compact | 3, 0, CPU_OK);
    check_header(3, compact | 1, 0, EXCEPTION_GP);
    check_header(3, compact | 7, 0, EXCEPTION_GP);
    check_header(compact | 3, compact | 3, 0, EXCEPTION_GP);
    check_header(3, compact | 3, 528, EXCEPTION_GP);
    check_header(3, compact | 3, 575, EXCEPTION_GP);
    c->xcr0 = 1;
    check_header(2, 0, 0, EXCEPTION_GP);
    check_header(1, 0, 0, CPU_OK);
    check_header(1, compact | 3, 0, EXCEPTION_GP);
    cpu_end();
}

/* What is in its initial configuration; and nothing but XCR0's components is written. */
static void test_in_use(void)
{
    start();
    c->fpu = (struct soft_fpu){.fcw = 0x37f, .mxcsr = MXCSR_DEFAULT};
    c->r[RCX] = 1;
    CHECK_EQ(RUN(xgetbv), CPU_OK);
    CHECK_EQ(c->r[RAX], 0);
    CHECK_EQ(c->r[RDX], 0);
    c->fpu.xmm[15][15] = 1;
    CHECK_EQ(RUN(xgetbv), CPU_OK);
    CHECK_EQ(c->r[RAX], 2);
    c->fpu.st[7][9] = 1;
    CHECK_EQ(RUN(xgetbv), CPU_OK);
    CHECK_EQ(c->r[RAX], 3);
    c->xcr0 = 1;
    CHECK_EQ(RUN(xgetbv), CPU_OK);
    CHECK_EQ(c->r[RAX], 1);

    memset(area(), 0xa5, AREA);
    set_field(512, 6);
    c->r[RAX] = UINT64_MAX;
    CHECK_EQ(RUN(xsave64), CPU_OK);
    CHECK_EQ(field(512), 7);
    CHECK_EQ(field(520), 0xa5a5a5a5a5a5a5a5);
    CHECK_EQ(field(24), 0xa5a5a5a5a5a5a5a5);
    CHECK_EQ(field(160), 0xa5a5a5a5a5a5a5a5);
    CHECK_EQ(field(0) & 0xffff, 0x37f);
    cpu_end();
}

static void test_xcr0(void)
{
    static const struct {
        uint64_t rax, rdx, rcx;
        int result;
    } tries[] = {
        {1, 0, 0, CPU_OK},
        {3, 0, 0, CPU_OK},
        {UINT64_C(0xffffffff00000003), UINT64_C(0xffffffff00000000), 0, CPU_OK},
        {0, 0, 0, EXCEPTION_GP},
        {2, 0, 0, EXCEPTION_GP},
        {7, 0, 0, EXCEPTION_GP},
        {3, 1, 0, EXCEPTION_GP},
        {3, 0, 1, EXCEPTION_GP},
    };

    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        start();
        c->xcr0 = 1;
        c->r[RAX] = tries[i].rax;
        c->r[RDX] = tries[i].rdx;
        c->r[RCX] = tries[i].rcx;
        CHECK_EQ(RUN(xsetbv), tries[i].result);
        CHECK_EQ(c->xcr0, tries[i].result == CPU_OK ? tries[i].rax & 3 : 1);
    }
    c->r[RCX] = 0;
    c->r[RAX] = c->r[RDX] = UINT64_MAX;
    CHECK_EQ(RUN(xgetbv), CPU_OK);
    CHECK_EQ(c->r[RAX], c->xcr0);
    CHECK_EQ(c->r[RDX], 0);
    c->r[RCX] = 2;
    CHECK_EQ(RUN(xgetbv), EXCEPTION_GP);
    c->r[RCX] = 0;
    struct soft_op ops[2];

    c->r[RAX] = 3;
    c->r[RCX] = c->r[RDX] = 0;
    soft_decode(c->mode, xsetbv, sizeof(xsetbv), 0, ops);
    CHECK_EQ(soft_run_op(ops), CPU_OK);
    c->cpl = 3;
    CHECK_EQ(soft_run_op(ops), EXCEPTION_GP);
    cpu_end();
}

/* A page that is missing in the middle: nothing has changed. */
static void test_faults(void)
{
    start();
    uint64_t *directory = (uint64_t *)cpu_at(CPU_TABLES + 0x2000), entry = directory[1];

    CHECK(entry & 1);
    directory[1] = 0;
    soft_flush_tlb(c, true);
    c->r[RSI] = 0x200000 - 64;
    memset(cpu_at(0x200000 - 64), 0xa5, 64);
    CHECK_EQ(RUN(fxsave64), EXCEPTION_PF);
    CHECK_EQ(c->cr2, 0x200000);
    CHECK_EQ(RUN(xsave64), EXCEPTION_PF);
    CHECK_EQ(RUN(xsavec64), EXCEPTION_PF);
    CHECK_EQ(soft_peek(cpu_at(0x200000 - 64), 3), 0xa5a5a5a5a5a5a5a5);
    struct soft_fpu before = c->fpu;

    CHECK_EQ(RUN(fxrstor64), EXCEPTION_PF);
    CHECK_EQ(RUN(xrstor64), EXCEPTION_PF);
    CHECK(!memcmp(&before, &c->fpu, sizeof(before)));
    directory[1] = entry;
    CHECK_EQ(RUN(fxsave64), CPU_OK);
    CHECK_EQ(RUN(fxrstor64), CPU_OK);
    cpu_end();
}

int main(void)
{
    return test_main(
        (struct test[]){{test_fx_native, "FXRSTOR and FXSAVE"},
                        {test_xsave_native, "XRSTOR, XSAVE, XSAVEC, XSAVEOPT"},
                        {test_pointers, "x87's pointers, of 32 and of 64 bits"},
                        {test_eight_registers, "eight XMM registers outside 64-bit mode"},
                        {test_enabled, "CR0 and CR4"},
                        {test_alignment, "alignment"},
                        {test_mxcsr, "reserved bits of MXCSR"},
                        {test_headers, "headers that XRSTOR refuses"},
                        {test_in_use, "components in use"},
                        {test_xcr0, "XCR0"},
                        {test_faults, "page faults"},
                        {0}});
}
