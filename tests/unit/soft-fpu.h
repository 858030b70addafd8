/* SPDX-License-Identifier: MIT */
/*
 * An instruction of x87 or MMX, on a random state of the FPU that is rich in what is special: run
 * natively, in a page of code, and on the soft CPU.
 */
#ifndef TESTS_UNIT_SOFT_FPU_H
#define TESTS_UNIT_SOFT_FPU_H

#include "tests/unit/random.h"
#include "tests/unit/soft-cpu.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

enum {
    EXCEPTIONS = 0x3f,
};

static uint8_t *page; /* fpu_begin() makes it */
static sigjmp_buf back;

static void fpu_begin(void)
{
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        exit(1);
    cpu_start(CPU_LONG64);
}

static void no_instruction(int sig)
{
    siglongjmp(back, sig);
}

/* What an instruction works on. */
struct world {
    struct soft_fpu fpu;
    uint64_t rax;
    uint16_t arith;
    uint8_t mem[128] __attribute__((aligned(16)));
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
    bool ok = a->fpu.mxcsr == b->fpu.mxcsr && a->fpu.fcw == b->fpu.fcw &&
              a->fpu.fsw == b->fpu.fsw && a->fpu.ftw == b->fpu.ftw && a->arith == b->arith &&
              a->rax == b->rax && !memcmp(a->mem, b->mem, 128) &&
              !memcmp(a->fpu.xmm, b->fpu.xmm, sizeof(a->fpu.xmm));

    for (int i = 0; i < 8; i++)
        ok = ok && !memcmp(a->fpu.st[i], b->fpu.st[i], 10);
    return ok;
}

#endif
