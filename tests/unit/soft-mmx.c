// SPDX-License-Identifier: MIT
/*
 * The soft CPU's MMX against the host's: each instruction, on registers and memory.
 */
#include "tests/unit/soft-fpu.h"

enum {
    RUNS = 200, /* of each form */
};

/* Instructions by their bytes before ModRM, how they end, and what they may name. */
enum {
    IMMEDIATE = 1,
    MEMORY = 2,
    REGISTER = 4,
    RAX_REG = 8, /* ModRM.reg is a general register: RAX */
    RAX_RM = 16, /* so is ModRM.rm */
    SSSE3 = 32,
    ALIGNED = 64, /* memory of 16 bytes */
    BOTH = MEMORY | REGISTER,
};

struct form {
    const char *code;
    int n, what, digit; /* digit: ModRM.reg, where it is not 0 */
};

static const struct form forms[] = {
    {"\x0f\x38\x00", 3, BOTH | SSSE3, 0},
    {"\x0f\x38\x01", 3, BOTH | SSSE3, 0},
    {"\x0f\x38\x02", 3, BOTH | SSSE3, 0},
    {"\x0f\x38\x03", 3, BOTH | SSSE3, 0},
    {"\x0f\x38\x04", 3, BOTH | SSSE3, 0},
    {"\x0f\x38\x05", 3, BOTH | SSSE3, 0},
    {"\x0f\x38\x06", 3, BOTH | SSSE3, 0},
    {"\x0f\x38\x07", 3, BOTH | SSSE3, 0},
    {"\x0f\x38\x08", 3, BOTH | SSSE3, 0},
    {"\x0f\x38\x09", 3, BOTH | SSSE3, 0},
    {"\x0f\x38\x0a", 3, BOTH | SSSE3, 0},
    {"\x0f\x38\x0b", 3, BOTH | SSSE3, 0},
    {"\x0f\x38\x1c", 3, BOTH | SSSE3, 0},
    {"\x0f\x38\x1d", 3, BOTH | SSSE3, 0},
    {"\x0f\x38\x1e", 3, BOTH | SSSE3, 0},
    {"\x0f\x3a\x0f", 3, BOTH | SSSE3 | IMMEDIATE, 0},
    {"\x0f\x2a", 2, BOTH, 0},
    {"\x66\x0f\x2a", 3, BOTH, 0},
    {"\x0f\x2c", 2, BOTH, 0},
    {"\x66\x0f\x2c", 3, BOTH | ALIGNED, 0},
    {"\x0f\x2d", 2, BOTH, 0},
    {"\x66\x0f\x2d", 3, BOTH | ALIGNED, 0},
    {"\xf3\x0f\xd6", 3, REGISTER, 0},
    {"\xf2\x0f\xd6", 3, REGISTER, 0},
    {"\x0f\x6e", 2, BOTH | RAX_RM, 0},
    {"\x48\x0f\x6e", 3, BOTH | RAX_RM, 0},
    {"\x0f\x7e", 2, BOTH | RAX_RM, 0},
    {"\x48\x0f\x7e", 3, BOTH | RAX_RM, 0},
    {"\x0f\x7f", 2, BOTH, 0},
    {"\x0f\x70", 2, BOTH | IMMEDIATE, 0},
    {"\x0f\x71", 2, REGISTER | IMMEDIATE, 2},
    {"\x0f\x71", 2, REGISTER | IMMEDIATE, 4},
    {"\x0f\x71", 2, REGISTER | IMMEDIATE, 6},
    {"\x0f\x72", 2, REGISTER | IMMEDIATE, 2},
    {"\x0f\x72", 2, REGISTER | IMMEDIATE, 4},
    {"\x0f\x72", 2, REGISTER | IMMEDIATE, 6},
    {"\x0f\x73", 2, REGISTER | IMMEDIATE, 2},
    {"\x0f\x73", 2, REGISTER | IMMEDIATE, 6},
    {"\x0f\xc4", 2, BOTH | IMMEDIATE | RAX_RM, 0},
    {"\x48\x0f\xc4", 3, BOTH | IMMEDIATE | RAX_RM, 0},
    {"\x0f\xc5", 2, REGISTER | IMMEDIATE | RAX_REG, 0},
    {"\x48\x0f\xc5", 3, REGISTER | IMMEDIATE | RAX_REG, 0},
    {"\x0f\xd7", 2, REGISTER | RAX_REG, 0},
    {"\x48\x0f\xd7", 3, REGISTER | RAX_REG, 0},
    {"\x0f\xe7", 2, MEMORY, 0},
    {"\x4d\x0f\xfc", 3, REGISTER, 0}, /* REX says nothing about MMX registers */
};

/* P op= Q, all of one shape. */
static const uint8_t plain[] = {
    0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6f, 0x74,
    0x75, 0x76, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde,
    0xdf, 0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xee,
    0xef, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe,
};

/* Elements that meet each other often, and counts that are small. */
static void random_mmx(uint8_t *p)
{
    static const uint16_t few[] = {0, 1, 0xffff, 0x8000, 0x7fff, 0x80, 0x7f, 0xff, 0x8080, 0x7f7f};
    uint64_t val = random64();

    switch (below(4)) {
    case 0:
        for (int i = 0; i < 4; i++)
            val = val << 16 | PICK(few);
        break;
    case 1:
        val = below(70);
        break;
    }
    memcpy(p, &val, 8);
}

static void random_floats(uint8_t *p)
{
    static const uint32_t floats[] = {0,          0x80000000, 0x7f800000, 0xff800000, 0x7fc00000,
                                      0x7f800001, 1,          0x807fffff, 0x4effffff, 0x4f000000,
                                      0xcf000000, 0xcf000001, 0x3f000000, 0x3fc00000, 0xbf000000};
    static const uint64_t doubles[] = {0,
                                       1,
                                       0x7ff0000000000000,
                                       0x7ff0000000000001,
                                       0xfff8000000000000,
                                       0x41dfffffffc00000,
                                       0x41dfffffffe00000,
                                       0x41e0000000000000,
                                       0xc1e0000000000000,
                                       0xc1e0000000100000,
                                       0xc1e0000000200000,
                                       0x3fe0000000000000,
                                       0xbff8000000000000};

    for (int i = 0; i < 16; i++)
        p[i] = random64();
    if (below(3) == 0)
        for (int i = 0; i < 4; i++)
            memcpy(p + 4 * i, &PICK(floats), 4);
    else if (below(2))
        for (int i = 0; i < 2; i++)
            memcpy(p + 8 * i, &PICK(doubles), 8);
    else if (below(2))
        for (int i = 0; i < 4; i++)
            p[4 * i + 3] = (p[4 * i + 3] & 0x80) | (0x40 + below(16));
    else
        for (int i = 0; i < 2; i++)
            p[8 * i + 7] = (p[8 * i + 7] & 0x80) | (0x40 + below(2));
}

static void random_mmx_world(struct world *w)
{
    random_world(w);
    w->fpu.fcw |= EXCEPTIONS;
    w->fpu.fsw &= ~0x8080;
    w->fpu.mxcsr = 0x1f80 | (random64() & 0xe07f);
    for (int i = 0; i < 8; i++)
        if (below(4))
            random_mmx(w->fpu.st[i]);
    for (int i = 0; i < 16; i++)
        random_floats(w->fpu.xmm[i]);
    if (below(2))
        random_mmx(w->mem);
    else
        random_floats(w->mem);
}

/* Run code on the host and on the soft CPU. */
static bool agree(struct world *start, const uint8_t *code, int n, uint64_t address)
{
    struct world host = *start, guest = *start;
    int result;

    if (!native(&host, code, n)) {
        printf("# the host has no %02x %02x %02x\n", code[0], code[1], code[2]);
        return false;
    }
    result = soft(&guest, code, n, address);
    if (result == CPU_OK && same(&host, &guest))
        return true;
    printf("# %02x %02x %02x %02x %02x: exception %d\n", code[0], code[1], code[2], code[3],
           code[4], result);
    show("start", start);
    show(" host", &host);
    show(" soft", &guest);
    printf("#   mxcsr %x, host %x, soft %x\n", start->fpu.mxcsr, host.fpu.mxcsr, guest.fpu.mxcsr);
    return false;
}

static bool try(const struct form *f)
{
    struct world w;
    uint8_t code[8] = {0};
    int n = f->n;
    bool mem = f->what & MEMORY && (!(f->what & REGISTER) || below(2));
    int reg = f->digit ? f->digit : f->what & RAX_REG ? 0 : (int)below(8);
    int rm = mem ? RSI : f->what & RAX_RM ? 0 : (int)below(8);
    uint64_t address = CPU_DATA + 0x1000 - (f->what & ALIGNED || below(2) ? 64 : below(16));

    random_mmx_world(&w);
    memcpy(code, f->code, n);
    code[n++] = (mem ? 0 : 0xc0) | reg << 3 | rm;
    if (f->what & IMMEDIATE)
        code[n++] = below(2) ? random64() : below(20);
    return agree(&w, code, n, address);
}

static void instructions(void)
{
    cpu_start(CPU_LONG64);
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (forms[i].what & SSSE3 && !__builtin_cpu_supports("ssse3"))
            continue;
        for (int n = 0; n < RUNS; n++) {
            bool ok = try(&forms[i]);

            CHECK(ok);
            if (!ok)
                break;
        }
    }
    for (size_t i = 0; i < sizeof(plain); i++)
        for (int n = 0; n < RUNS; n++) {
            char code[2] = {0x0f, plain[i]};
            bool ok = try(&(struct form){code, 2, BOTH, 0});

            CHECK(ok);
            if (!ok)
                break;
        }
}

static void empty(void)
{
    for (int n = 0; n < RUNS; n++) {
        struct world w;

        random_mmx_world(&w);
        CHECK(agree(&w, (const uint8_t *)"\x0f\x77\0\0", 2, CPU_DATA));
    }
}

/* MASKMOVQ writes to RDI, which native() has other plans for. */
static void masked_store(void)
{
    static const uint8_t whole[] = {
        0x49, 0x89, 0xf8, /* mov r8,rdi */
        0x48, 0x89, 0xf7, /* mov rdi,rsi */
        0x0f, 0xf7, 0xca, /* maskmovq mm1,mm2 */
        0x4c, 0x89, 0xc7, /* mov rdi,r8 */
    };

    for (int n = 0; n < RUNS; n++) {
        struct world start, host, guest;
        uint64_t address = CPU_DATA + 0x1000 - (below(2) ? 64 : below(16));

        random_mmx_world(&start);
        host = guest = start;
        CHECK(native(&host, whole, sizeof(whole)));
        c->r[RDI] = address;
        CHECK_EQ(soft(&guest, whole + 6, 3, address), CPU_OK);
        CHECK(same(&host, &guest));
    }
}

/* Unmasked exceptions of conversions: #XM, or #UD without OSXMMEXCPT, and only MXCSR changes. */
static void conversions(void)
{
    static const struct {
        const char *code;
        int n;
    } form[] = {{"\x0f\x2d\xca", 3},
                {"\x0f\x2c\xca", 3},
                {"\x66\x0f\x2d\xca", 4},
                {"\x66\x0f\x2c\xca", 4},
                {"\x0f\x2a\xca", 3}};
    int raised = 0;

    cpu_start(CPU_LONG64);
    for (int n = 0; n < RUNS * 10; n++) {
        struct world start, host, guest;
        int i = below(5), expect = CPU_OK;

        random_mmx_world(&start);
        start.fpu.mxcsr &= ~0x3f;
        host = guest = start;
        CHECK(native(&host, (const uint8_t *)form[i].code, form[i].n));
        guest.fpu.mxcsr &= ~(1 << (7 + (below(2) ? 0 : 5)));
        uint32_t masks = guest.fpu.mxcsr, unmasked = host.fpu.mxcsr & ~(masks >> 7) & 0x3f;

        if (below(2))
            c->cr4 |= CR4_OSXMMEXCPT;
        else
            c->cr4 &= ~(uint64_t)CR4_OSXMMEXCPT;
        if (unmasked) {
            expect = c->cr4 & CR4_OSXMMEXCPT ? EXCEPTION_XM : EXCEPTION_UD;
            raised++;
        }
        CHECK_EQ(soft(&guest, (const uint8_t *)form[i].code, form[i].n, CPU_DATA), expect);
        if (unmasked) {
            CHECK_EQ(guest.fpu.mxcsr & 0x3f, host.fpu.mxcsr & (unmasked & 7 ? 7 : 0x3f));
            guest.fpu.mxcsr = start.fpu.mxcsr;
            CHECK(same(&start, &guest));
        } else {
            guest.fpu.mxcsr |= 0x1f80;
            CHECK(same(&host, &guest));
        }
    }
    CHECK(raised > RUNS);
}

static void not_available(void)
{
    cpu_start(CPU_LONG64);
    c->fpu.fcw = 0x37f;
    c->r[RSI] = CPU_DATA;
    c->cr0 |= CR0_TS;
    CHECK_EQ(cpu_run("\x0f\x6f\xc1", 3), EXCEPTION_NM);
    CHECK_EQ(cpu_run("\x0f\x77", 2), EXCEPTION_NM);
    CHECK_EQ(cpu_run("\x66\x0f\x2a\x06", 4), EXCEPTION_NM);
    c->cr0 |= CR0_EM;
    CHECK_EQ(cpu_run("\x0f\x6f\xc1", 3), EXCEPTION_UD);
    CHECK_EQ(cpu_run("\x66\x0f\x2a\x06", 4), EXCEPTION_UD);
    c->cr0 &= ~(uint64_t)(CR0_EM | CR0_TS);
    c->cr4 &= ~(uint64_t)CR4_OSFXSR;
    CHECK_EQ(cpu_run("\x0f\x6f\xc1", 3), CPU_OK);
    CHECK_EQ(cpu_run("\x0f\xfc\xc1", 3), CPU_OK);
    CHECK_EQ(cpu_run("\x0f\x2d\xc1", 3), EXCEPTION_UD);
    CHECK_EQ(cpu_run("\xf2\x0f\xd6\xc1", 4), EXCEPTION_UD);
    c->cr4 |= CR4_OSFXSR;
    c->fpu.fcw = 0x37e; /* an exception is pending */
    c->fpu.fsw = 0x8081;
    CHECK_EQ(cpu_run("\x0f\x6f\xc1", 3), EXCEPTION_MF);
    CHECK_EQ(cpu_run("\x0f\x77", 2), EXCEPTION_MF);
    CHECK_EQ(cpu_run("\x0f\x2d\xc1", 3), EXCEPTION_MF);
    CHECK_EQ(cpu_run("\x66\x0f\x2a\x06", 4), CPU_OK);
    CHECK_EQ(cpu_run("\x66\x0f\x2a\xc0", 4), EXCEPTION_MF);
    CHECK_EQ(cpu_run("\xf3\x0f\xfc\xc1", 4), EXCEPTION_UD);
    CHECK_EQ(cpu_run("\xf0\x0f\xfc\x06", 4), EXCEPTION_UD);
}

/* An operand that cannot be reached: the FPU is as it was. */
static void faults(void)
{
    static const char *const code[] = {"\x0f\xfc\x06", "\x0f\x6e\x06", "\x0f\x7e\x06",
                                       "\x0f\x7f\x06", "\x0f\x2d\x06", "\x0f\xf7\xca"};
    struct world w;

    cpu_start(CPU_LONG64);
    for (int i = 0; i < 6; i++) {
        random_mmx_world(&w);
        w.fpu.st[2][0] = w.fpu.st[(2 - (w.fpu.fsw >> 11)) & 7][0] = 0x80;
        c->fpu = w.fpu;
        c->r[RSI] = c->r[RDI] = (UINT64_C(1) << 30) - 1;
        CHECK_EQ(cpu_run(code[i], 3), EXCEPTION_PF);
        CHECK(!memcmp(&c->fpu, &w.fpu, sizeof(w.fpu)));
    }
    c->r[RSI] = CPU_DATA + 8;
    CHECK_EQ(cpu_run("\x66\x0f\x2d\x06", 4), EXCEPTION_GP); /* not aligned */
    CHECK(!memcmp(&c->fpu, &w.fpu, sizeof(w.fpu)));
}

int main(void)
{
    fpu_begin();
    return test_main((struct test[]){
        {instructions, "every instruction does what the host's does"},
        {empty, "EMMS"},
        {masked_store, "MASKMOVQ"},
        {conversions, "unmasked exceptions of conversions"},
        {not_available, "#UD, #NM, #MF"},
        {faults, "an operand that faults changes nothing"},
        {0},
    });
}
