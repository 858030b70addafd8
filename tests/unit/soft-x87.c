// SPDX-License-Identifier: MIT
/*
 * The soft CPU's x87 against the host's: each form of each instruction.
 */
#include "tests/unit/soft-fpu.h"

enum {
    RUNS = 400, /* of each form */
};

/* Does the instruction work with an exception pending? */
static bool no_wait(uint8_t escape, uint8_t modrm)
{
    int reg = modrm >> 3 & 7;

    if (modrm >= 0xc0)
        return (escape == 0xdb && modrm >= 0xe0 && modrm <= 0xe4) ||
               (escape == 0xdf && modrm == 0xe0);
    return (escape == 0xd9 || escape == 0xdd) && (reg == 6 || (reg == 7));
}

/* FCOMI and its kin: the manual says that they clear C1, AMD's processors leave it. */
static bool clears_c1(uint8_t escape, uint8_t modrm)
{
    return (escape == 0xdb || escape == 0xdf) && modrm >= 0xe8 && modrm <= 0xf7;
}

/* Run one form in a random state on both. */
static void compare(const uint8_t *code, int n, uint8_t escape, uint8_t modrm)
{
    static bool shown[8][256];
    struct world start, host, guest;
    uint64_t address = CPU_DATA + 0x1000 - (below(2) ? 64 : below(16));
    bool exists = true;

    random_world(&start);
    host = guest = start;
    bool pending = start.fpu.fsw & ~start.fpu.fcw & EXCEPTIONS && !no_wait(escape, modrm);

    if (!pending)
        exists = native(&host, code, n);
    int result = soft(&guest, code, n, address);

    if (clears_c1(escape, modrm) && !pending)
        host.fpu.fsw &= ~0x200;
    if (pending && (result == EXCEPTION_UD || result == EXCEPTION_MF) && same(&start, &guest))
        return;
    if (!pending && !exists && result == EXCEPTION_UD)
        return;
    if (!pending && exists && result == CPU_OK && same(&host, &guest))
        return;
    test_failures++;
    if (shown[escape & 7][modrm])
        return;
    shown[escape & 7][modrm] = true;
    printf("# %02x %02x: exception %d, pending %d, native %d\n", escape, modrm, result, pending,
           exists);
    show("start", &start);
    show(" host", &host);
    show(" soft", &guest);
}

static void registers(void)
{
    cpu_start(CPU_LONG64);
    for (int form = 0; form < 512; form++)
        for (int i = 0; i < RUNS; i++) {
            uint8_t code[2] = {0xd8 + (form >> 6), 0xc0 | (form & 63)};

            compare(code, 2, code[0], code[1]);
        }
}

/* The environment has addresses of instructions, which cannot be the same. */
static bool environment(uint8_t escape, int reg)
{
    return (escape == 0xd9 || escape == 0xdd) && (reg == 4 || reg == 6);
}

static void memory(void)
{
    cpu_start(CPU_LONG64);
    for (int form = 0; form < 64; form++)
        for (int i = 0; i < RUNS * 4; i++) {
            uint8_t code[2] = {0xd8 + (form >> 3), (form & 7) << 3 | RSI};

            if (!environment(code[0], form & 7))
                compare(code, 2, code[0], code[1]);
        }
}

/* Make an environment in memory one that can be loaded without harm. */
static void mend_environment(struct world *w, bool wide)
{
    int step = wide ? 4 : 2;

    memcpy(w->mem, &w->fpu.fcw, 2);
    if (below(2))
        w->mem[0] |= EXCEPTIONS;
    w->mem[1] &= 0x1f;
    /* FIP and the rest: no addresses, for the host checks nothing but may keep them. */
    memset(w->mem + 3 * step, 0, 4 * step);
}

static void environments(void)
{
    static const struct {
        uint8_t escape, reg;
    } form[] = {{0xd9, 4}, {0xd9, 6}, {0xdd, 4}, {0xdd, 6}};

    cpu_start(CPU_LONG64);
    for (int i = 0; i < 4 * 2 * RUNS; i++) {
        uint8_t escape = form[i & 3].escape, reg = form[i & 3].reg;
        bool wide = i & 4, stores = reg == 6;
        uint8_t code[3] = {0x66, escape, reg << 3 | RSI};
        struct world start, host, guest;
        int skip = wide, step = wide ? 4 : 2;

        random_world(&start);
        if (!stores)
            mend_environment(&start, wide);
        host = guest = start;
        if (!stores && start.fpu.fsw & ~start.fpu.fcw & EXCEPTIONS) {
            CHECK_EQ(soft(&guest, code + skip, 3 - skip, CPU_DATA), EXCEPTION_MF);
            continue;
        }
        CHECK(native(&host, code + skip, 3 - skip));
        CHECK_EQ(soft(&guest, code + skip, 3 - skip, CPU_DATA + (i * 8 & 0xfff)), CPU_OK);
        memset(host.mem + 3 * step, 0, 4 * step);
        memset(guest.mem + 3 * step, 0, 4 * step);
        if (!same(&host, &guest)) {
            if (!test_failures++) {
                printf("# %02x /%d, %d bits\n", escape, reg, 8 * step);
                show("start", &start);
                show(" host", &host);
                show(" soft", &guest);
            }
        }
    }
}

static void load_pointers(void)
{
    struct world w;

    random_world(&w);
    w.fpu.fcw = 0x37f;
    w.fpu.fsw = 0;
    c->fpu = w.fpu;
    c->fpu.fip = 0x1abcd;
    c->fpu.fdp = 0x2fedc;
    c->fpu.fop = 0x765;
    c->r[RSI] = 0x3000; /* SI, too */
}

/* The other formats, which a program of the host cannot see: by the manual's figures. */
static void formats(void)
{
    uint8_t *mem;

    cpu_start(CPU_REAL16);
    mem = cpu_at(c->segment[DS].base + 0x3000);
    load_pointers();
    CHECK_EQ(cpu_run("\xd9\x34", 2), CPU_OK); /* fnstenv [si] */
    CHECK_EQ(mem[0] | mem[1] << 8, 0x37f);
    CHECK_EQ(*(uint16_t *)(mem + 6), 0xabcd);
    CHECK_EQ(*(uint16_t *)(mem + 8), 0x1765);
    CHECK_EQ(*(uint16_t *)(mem + 10), 0xfedc);
    CHECK_EQ(*(uint16_t *)(mem + 12), 0x2000);
    c->fpu.fip = c->fpu.fdp = c->fpu.fop = 0;
    CHECK_EQ(cpu_run("\xd9\x24", 2), CPU_OK); /* fldenv [si] */
    CHECK_EQ(c->fpu.fip, 0x1abcd);
    CHECK_EQ(c->fpu.fdp, 0x2fedc);
    CHECK_EQ(c->fpu.fop, 0x765);
    c->fpu.fip = 0xabcd1234;
    c->fpu.fdp = 0xdcba4321;
    CHECK_EQ(cpu_run("\x66\xdd\x34", 3), CPU_OK); /* fnsave [si], 32 bits */
    CHECK_EQ(*(uint32_t *)(mem + 0), 0xffff037f);
    CHECK_EQ(*(uint32_t *)(mem + 12) & 0xffff, 0x1234);
    CHECK_EQ(*(uint32_t *)(mem + 16), 0x0abcd765);
    CHECK_EQ(*(uint32_t *)(mem + 20) & 0xffff, 0x4321);
    CHECK_EQ(*(uint32_t *)(mem + 24), 0x0dcba000);
    CHECK_EQ(c->fpu.fip, 0);
    CHECK_EQ(c->fpu.ftw, 0);
    CHECK_EQ(c->fpu.fcw, 0x37f);
    CHECK_EQ(cpu_run("\x66\xdd\x24", 3), CPU_OK); /* frstor [si], 32 bits */
    CHECK_EQ(c->fpu.fip, 0xabcd1234);
    CHECK_EQ(c->fpu.fdp, 0xdcba4321);
    CHECK_EQ(c->fpu.fop, 0x765);

    cpu_start(CPU_FLAT32);
    mem = cpu_at(c->segment[DS].base + 0x3000);
    load_pointers();
    CHECK_EQ(cpu_run("\xd9\x36", 2), CPU_OK); /* fnstenv [esi] */
    CHECK_EQ(*(uint32_t *)(mem + 12), 0x1abcd);
    CHECK_EQ(*(uint32_t *)(mem + 16), 0x7650000);
    CHECK_EQ(*(uint32_t *)(mem + 20), 0x2fedc);
    CHECK_EQ(*(uint32_t *)(mem + 24) & 0xffff, 0);
    CHECK_EQ(cpu_run("\x66\xd9\x36", 3), CPU_OK);
    CHECK_EQ(*(uint16_t *)(mem + 6), 0xabcd);
    CHECK_EQ(*(uint16_t *)(mem + 8), 0);
    CHECK_EQ(*(uint16_t *)(mem + 10), 0xfedc);
    CHECK_EQ(*(uint16_t *)(mem + 12), 0);
}

/* Where the last instruction and its operand were, and which it was. */
static void pointers(void)
{
    cpu_start(CPU_LONG64);
    load_pointers();
    c->r[RSI] = CPU_DATA;
    CHECK_EQ(cpu_run("\x90\x48\xd8\x46\x10", 5), CPU_OK); /* fadd dword [rsi + 16] */
    CHECK_EQ(c->fpu.fip, CPU_CODE + 1);
    CHECK_EQ(c->fpu.fdp, CPU_DATA + 16);
    CHECK_EQ(c->fpu.fop, 0x046);
    CHECK_EQ(cpu_run("\xdb\xe9", 2), CPU_OK); /* fucomi: no operand, its address stays */
    CHECK_EQ(c->fpu.fip, CPU_CODE);
    CHECK_EQ(c->fpu.fdp, CPU_DATA + 16);
    CHECK_EQ(c->fpu.fop, 0x3e9);
    CHECK_EQ(cpu_run("\xd9\x6e\x20\xd9\x7e\x20\xdd\x7e\x20\xdf\xe0\xdb\xe2\x9b", 14), CPU_OK);
    CHECK_EQ(c->fpu.fip, CPU_CODE); /* control instructions change none */
    CHECK_EQ(c->fpu.fop, 0x3e9);
    CHECK_EQ(cpu_run("\xdb\xe3", 2), CPU_OK);
    CHECK_EQ(c->fpu.fip, 0);
    CHECK_EQ(c->fpu.fdp, 0);
}

/* #NM by TS and EM, and that of FWAIT. */
static void not_available(void)
{
    cpu_start(CPU_LONG64);
    load_pointers();
    c->r[RSI] = CPU_DATA;
    for (int i = 0; i < 8; i++) {
        uint64_t bits = (i & 1 ? CR0_MP : 0) | (i & 2 ? CR0_EM : 0) | (i & 4 ? CR0_TS : 0);
        int expect = bits & (CR0_EM | CR0_TS) ? EXCEPTION_NM : CPU_OK;

        c->cr0 = (c->cr0 & ~(uint64_t)(CR0_MP | CR0_EM | CR0_TS)) | bits;
        CHECK_EQ(cpu_run("\xd9\xe8", 2), expect);
        CHECK_EQ(cpu_run("\xd9\x3e", 2), expect);
        CHECK_EQ(cpu_run("\xdf\xe0", 2), expect);
        CHECK_EQ(cpu_run("\xdb\xe3", 2), expect);
        CHECK_EQ(cpu_run("\xdb\xe0", 2), expect);
        CHECK_EQ(cpu_run("\xdd\x36", 2), expect);
        CHECK_EQ(cpu_run("\x9b", 1), (i & 5) == 5 ? EXCEPTION_NM : CPU_OK);
        CHECK_EQ(cpu_run("\xf0\xd8\xc0", 3), EXCEPTION_UD);
    }
}

/* An unmasked exception waits until an instruction looks. */
static void unmasked(void)
{
    cpu_start(CPU_LONG64);
    c->fpu = (struct soft_fpu){.fcw = 0x37b, .mxcsr = 0x1f80, .mxcsr_mask = 0xffff};
    /* fld1; fldz; fdivp: zero divide */
    CHECK_EQ(cpu_run("\xd9\xe8\xd9\xee\xde\xf9", 6), CPU_OK);
    CHECK_EQ(c->fpu.fsw & 0x80ff, 0x8084);
    CHECK_EQ(cpu_run("\x9b", 1), EXCEPTION_MF);
    CHECK_EQ(c->r[RIP], CPU_CODE);
    CHECK_EQ(cpu_run("\xd9\xe8", 2), EXCEPTION_MF);
    CHECK_EQ(cpu_run("\xdf\xe0", 2), CPU_OK);
    CHECK_EQ(c->r[RAX] & 0x80ff, 0x8084);
    CHECK_EQ(cpu_run("\xdb\xe2\x9b\xd9\xe8", 5), CPU_OK);

    /* What cannot be stored leaves memory and the stack alone. */
    c->fpu = (struct soft_fpu){.fcw = 0x37e, .mxcsr = 0x1f80, .mxcsr_mask = 0xffff};
    c->r[RSI] = CPU_DATA;
    memset(cpu_at(CPU_DATA), 0x5a, 8);
    CHECK_EQ(cpu_run("\xd9\x1e", 2), CPU_OK); /* fstp of an empty register */
    CHECK_EQ(c->fpu.fsw, 0x80c1);
    CHECK_EQ(*cpu_at(CPU_DATA), 0x5a);
    CHECK_EQ(cpu_run("\x9b", 1), EXCEPTION_MF);
}

/* An operand that cannot be reached: the FPU is as it was. */
static void faults(void)
{
    cpu_start(CPU_LONG64);
    for (int form = 0; form < 64; form++)
        for (int i = 0; i < 4; i++) {
            uint8_t code[2] = {0xd8 + (form >> 3), (form & 7) << 3 | RSI};
            struct world w;

            random_world(&w);
            w.fpu.fcw |= EXCEPTIONS;
            w.fpu.fsw &= 0x7fff & ~0x80;
            if (i & 1)
                w.fpu.fcw &= ~1;
            if (w.fpu.fsw & ~w.fpu.fcw & EXCEPTIONS)
                w.fpu.fsw &= ~1;
            w.fpu.ftw = i & 2 ? 0xff : 0;
            c->fpu = w.fpu;
            c->r[RSI] = (UINT64_C(1) << 47) - 1;
            int result = cpu_run(code, 2);

            CHECK(result == EXCEPTION_GP || result == EXCEPTION_UD);
            CHECK(!memcmp(&c->fpu, &w.fpu, sizeof(w.fpu)));
            c->r[RSI] = (UINT64_C(1) << 30) - 1; /* where the page tables end */
            c->cr2 = 0;
            result = cpu_run(code, 2);
            CHECK(result == EXCEPTION_PF || result == EXCEPTION_UD);
            CHECK(result == EXCEPTION_UD || c->cr2 == UINT64_C(1) << 30);
            CHECK(!memcmp(&c->fpu, &w.fpu, sizeof(w.fpu)));
        }
}

static void reset(void)
{
    struct soft_fpu f;

    soft_fpu_reset(&f);
    CHECK_EQ(f.fcw, 0x37f);
    CHECK_EQ(f.fsw, 0);
    CHECK_EQ(f.ftw, 0);
}

/* A loop of usual instructions as a line, not one by one: FSIN's and FPATAN's results make pi. */
static void program(void)
{
    long double pi;

    cpu_start(CPU_LONG64);
    c->r[RSI] = CPU_DATA;
    /* fninit; fld1; fld1; fpatan; fadd st0,st0; fadd st0,st0; fld st0; fsin; fstp tbyte [rsi+16];
     * fstp tbyte [rsi]; hlt */
    memcpy(cpu_at(CPU_CODE),
           "\xdb\xe3\xd9\xe8\xd9\xe8\xd9\xf3\xd8\xc0\xd8\xc0\xd9\xc0\xd9\xfe"
           "\xdb\x7e\x10\xdb\x3e\xf4",
           22);
    soft_cache_flush(c);
    c->r[RIP] = CPU_CODE;
    c->stop_at = UINT64_MAX;
    for (int i = 0; i < 10; i++)
        CHECK_EQ(cpu_step(), CPU_OK);
    memcpy(&pi, cpu_at(CPU_DATA), 10);
    CHECK(pi == 3.141592653589793238462643383279502884L);
    CHECK_EQ(c->fpu.ftw, 0);
}

int main(void)
{
    fpu_begin();
    return test_main((struct test[]){
        {registers, "every instruction on registers does what the host's does"},
        {memory, "every instruction with memory does what the host's does"},
        {environments, "environments and states come and go as on the host"},
        {formats, "formats of real and protected mode"},
        {pointers, "pointers to the last instruction and its operand"},
        {not_available, "#NM"},
        {unmasked, "unmasked exceptions wait"},
        {faults, "an operand that faults changes nothing"},
        {reset, "the state after reset"},
        {program, "a program"},
        {0},
    });
}
