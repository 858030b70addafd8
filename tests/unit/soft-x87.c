// SPDX-License-Identifier: MIT
/*
 * The soft CPU's x87 against the host's: each form of each instruction, on random states of the
 * FPU that are rich in what is special, natively in a page of code and on the soft CPU.
 */
#include "tests/unit/random.h"
#include "tests/unit/soft-cpu.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

enum {
    EXCEPTIONS = 0x3f,
    RUNS = 400, /* of each form */
};

static uint8_t *page;
static sigjmp_buf back;

static void no_instruction(int sig)
{
    siglongjmp(back, sig);
}

/* What an instruction works on. */
struct world {
    struct soft_fpu fpu;
    uint64_t rax;
    uint16_t arith;
    uint8_t mem[128];
};

/*
 * Run an instruction on the host, its operand in memory at RSI. False when the host has no such
 * instruction. An exception that it leaves pending is never raised.
 */
static bool native(struct world *w, const uint8_t *code, int n)
{
    static const uint8_t before[] = {
        0x48, 0x0f, 0xae, 0x0f,       /* fxrstor64 [rdi] */
        0x8b, 0x01, 0x04, 0x7f, 0x9e, /* mov eax,[rcx]; add al,0x7f; sahf */
        0x48, 0x8b, 0x02,             /* mov rax,[rdx] */
    };
    static const uint8_t after[] = {
        0x48, 0x89, 0x02,       /* mov [rdx],rax */
        0x9f, 0x0f, 0x90, 0xc0, /* lahf; seto al */
        0x48, 0x0f, 0xae, 0x07, /* fxsave64 [rdi] */
        0xdb, 0xe3, 0xc3,       /* fninit; ret */
    };
    struct sigaction act = {.sa_handler = no_instruction}, old;
    uint32_t arith = w->arith;
    uint8_t *at = page;
    bool ok;

    memcpy(at, before, sizeof(before));
    at += sizeof(before);
    memcpy(at, code, n);
    memcpy(at + n, after, sizeof(after));
    sigaction(SIGILL, &act, &old);
    ok = !sigsetjmp(back, 1);
    if (ok) {
        uint64_t (*run)(struct soft_fpu *, void *, uint64_t *, uint32_t *);

        memcpy(&run, &page, sizeof(run));
        w->arith = run(&w->fpu, w->mem, &w->rax, &arith);
    } else {
        asm volatile("fninit");
    }
    sigaction(SIGILL, &old, NULL);
    return ok;
}

/* The same on the soft CPU: its exception, or CPU_OK. */
static int soft(struct world *w, const uint8_t *code, int n, uint64_t address)
{
    int result;

    c->fpu = w->fpu;
    c->r[RAX] = w->rax;
    c->r[RSI] = address;
    c->r[RIP] = CPU_CODE;
    c->arith = w->arith;
    memcpy(cpu_at(CPU_CODE), code, n);
    memcpy(cpu_at(address), w->mem, sizeof(w->mem));
    result = cpu_step();
    memcpy(w->mem, cpu_at(address), sizeof(w->mem));
    w->fpu = c->fpu;
    w->rax = c->r[RAX];
    w->arith = c->arith;
    return result;
}

static void put80(uint8_t *st, unsigned sign_exponent, uint64_t significand)
{
    memcpy(st, &significand, 8);
    st[8] = sign_exponent;
    st[9] = sign_exponent >> 8;
}

static void random80(uint8_t *st)
{
    static const uint64_t few[] = {0,
                                   1,
                                   2,
                                   UINT64_MAX,
                                   1ull << 63,
                                   3ull << 62,
                                   1ull << 62,
                                   0xfff,
                                   0x8000000000000400,
                                   0xfffffffffffffbff,
                                   0x8000008000000000};
    unsigned sign = random64() & 0x8000;
    uint64_t bits = below(3) ? random64() : PICK(few), one = 1ull << 63;

    switch (below(16)) {
    case 0:
        return put80(st, sign, 0);
    case 1:
        return put80(st, sign | 0x7fff, one);
    case 2:
        return put80(st, sign | 0x7fff, bits | 3ull << 62);
    case 3:
        return put80(st, sign | 0x7fff, (bits | one | 1) & ~(1ull << 62));
    case 4:
        return put80(st, sign, bits & ~one);
    case 5:
        return put80(st, sign, bits | one);
    case 6:
        return put80(st, sign | (random64() & 0x7fff), bits & ~one);
    case 7:
        return put80(st, sign | 0x7fff, bits & ~one);
    case 8: /* about where a double ends */
        return put80(st, sign | (0x3fff + (below(2) ? 1020 : -1030) + below(10)), bits | one);
    case 9: /* and a float */
        return put80(st, sign | (0x3fff + (below(2) ? 124 : -130) + below(10)), bits | one);
    case 10: /* and this format */
        return put80(st, sign | (below(2) ? 0x7ffe - below(70) : below(70)), bits | one);
    case 11:
        return put80(st, sign | (random64() & 0x7fff), bits | one);
    case 12: /* small integers */
        bits = 1 + below(20);
        for (sign |= 0x403e; !(bits & one); bits <<= 1)
            sign--;
        return put80(st, sign, bits);
    default:
        return put80(st, sign | (0x3fff - 10 + below(80)), bits | one);
    }
}

/* Operands of all formats, including decimal. */
static void random_memory(uint8_t *mem)
{
    static const uint32_t floats[] = {0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001,
                                      1, 0x807fffff, 0x00800000, 0x7f7fffff, 0x3f800000};
    static const uint64_t doubles[] = {0,
                                       1ull << 63,
                                       0x7ff0000000000000,
                                       0xfff0000000000000,
                                       0x7ff8000000000000,
                                       0x7ff0000000000001,
                                       1,
                                       0x800fffffffffffff,
                                       0x0010000000000000,
                                       0x7fefffffffffffff,
                                       0x3ff0000000000000};

    for (int i = 0; i < 128; i++)
        mem[i] = random64();
    switch (below(6)) {
    case 0:
        memcpy(mem, &PICK(floats), 4);
        break;
    case 1:
        memcpy(mem, &PICK(doubles), 8);
        break;
    case 2:
    case 3:
        random80(mem);
        break;
    case 4:
        for (int i = 0; i < 9; i++)
            mem[i] = below(10) << 4 | below(10);
        mem[9] = random64() & 0x80;
        break;
    }
}

static void random_world(struct world *w)
{
    memset(w, 0, sizeof(*w));
    w->fpu.mxcsr = 0x1f80;
    w->fpu.mxcsr_mask = 0xffff;
    w->fpu.fcw = 0x40 | (random64() & 0xf00) | (below(3) ? EXCEPTIONS : random64() & EXCEPTIONS);
    w->fpu.fsw = random64() & 0x7f00;
    if (below(2))
        w->fpu.fsw |= random64() & 0x7f;
    if (below(8)) /* else maybe pending */
        w->fpu.fsw &= ~EXCEPTIONS | w->fpu.fcw;
    if (w->fpu.fsw & ~w->fpu.fcw & EXCEPTIONS)
        w->fpu.fsw |= 0x8080;
    w->fpu.ftw = below(3) ? 0xff : below(4) ? random64() : 0;
    for (int i = 0; i < 8; i++)
        random80(w->fpu.st[i]);
    for (int i = 0; i < 16; i++)
        memset(w->fpu.xmm[i], i + 1, 16);
    random_memory(w->mem);
    w->rax = random64();
    w->arith = (random64() & 0xd500) | 0x200 | (random64() & 1);
}

static void show(const char *what, const struct world *w)
{
    printf("#   %s: fcw %04x fsw %04x ftw %02x arith %04x rax %llx mem ", what, w->fpu.fcw,
           w->fpu.fsw, w->fpu.ftw, w->arith, (unsigned long long)w->rax);
    for (int i = 9; i >= 0; i--)
        printf("%02x", w->mem[i]);
    for (int i = 0; i < 8; i++) {
        printf(" ");
        for (int b = 9; b >= 0; b--)
            printf("%02x", w->fpu.st[i][b]);
    }
    printf("\n");
}

static bool same(const struct world *a, const struct world *b)
{
    bool ok = a->fpu.fcw == b->fpu.fcw && a->fpu.fsw == b->fpu.fsw && a->fpu.ftw == b->fpu.ftw &&
              a->arith == b->arith && a->rax == b->rax && !memcmp(a->mem, b->mem, 128) &&
              !memcmp(a->fpu.xmm, b->fpu.xmm, sizeof(a->fpu.xmm));

    for (int i = 0; i < 8; i++)
        ok = ok && !memcmp(a->fpu.st[i], b->fpu.st[i], 10);
    return ok;
}

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
    CHECK_EQ(f.fcw, 0x40);
    CHECK_EQ(f.fsw, 0);
    CHECK_EQ(f.ftw, 0xff);
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
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return 1;
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
