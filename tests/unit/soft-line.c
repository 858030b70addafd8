// SPDX-License-Identifier: MIT
/*
 * Lines of the soft CPU: what they do is what their instructions do one by one, also where two are
 * executed at once, and whatever becomes of their code and its segment on the way.
 */
#include "tests/unit/soft-cpu.h"

enum {
    GP_HANDLER = 0x3000, /* of real mode */
    TIMES = 5,           /* a link is there from the second time on */
};

/* An instruction before a conditional jump. */
struct form {
    uint8_t code[4];
    int n;
    bool only64;
};

static const struct form forms[] = {
    {{0x39, 0xd8}, 2, false},            /* cmp eax, ebx */
    {{0x38, 0xd8}, 2, false},            /* cmp al, bl */
    {{0x66, 0x39, 0xd8}, 3, false},      /* cmp ax, bx, or eax, ebx */
    {{0x83, 0xf8, 0x80}, 3, false},      /* cmp eax, -128 */
    {{0x3b, 0x07}, 2, false},            /* cmp eax, [rdi] or [bx] */
    {{0x80, 0x3f, 0x7f}, 3, false},      /* cmp byte ptr [rdi], 127 */
    {{0x39, 0x07}, 2, false},            /* cmp [rdi], eax */
    {{0x85, 0xd8}, 2, false},            /* test eax, ebx */
    {{0xa8, 0x81}, 2, false},            /* test al, 129 */
    {{0x83, 0xc0, 0x11}, 3, false},      /* add eax, 17 */
    {{0x28, 0xd8}, 2, false},            /* sub al, bl */
    {{0xfe, 0xc8}, 2, false},            /* dec al */
    {{0xf7, 0xd8}, 2, false},            /* neg eax */
    {{0x11, 0xd8}, 2, false},            /* adc eax, ebx */
    {{0x48, 0x39, 0xd8}, 3, true},       /* cmp rax, rbx */
    {{0x48, 0x3b, 0x07}, 3, true},       /* cmp rax, [rdi] */
    {{0x48, 0x83, 0xe8, 0x01}, 4, true}, /* sub rax, 1 */
    {{0x48, 0x83, 0x3f, 0x00}, 4, true}, /* cmp qword ptr [rdi], 0 */
};

/* A loop over the pair and a conditional jump, and what comes of it in DL, DH and AL. */
static void write_loop(enum cpu_mode mode, const struct form *f, int cc)
{
    static const uint8_t begin[] = {0xb1, TIMES}; /* mov cl, TIMES */
    static const uint8_t end[] = {0x70, 4,        /* jcc over two */
                                  0xfe, 0xc2,     /* inc dl */
                                  0xd0, 0xc0,     /* rol al, 1 */
                                  0xfe, 0xc6,     /* inc dh */
                                  0xfe, 0xc9,     /* dec cl */
                                  0x75, 0,        /* jnz to the pair */
                                  0xf4};          /* hlt */
    uint8_t *p = cpu_at(CPU_CODE);

    memcpy(p, begin, sizeof(begin));
    p += sizeof(begin);
    memcpy(p, f->code, f->n);
    if (mode == CPU_REAL16 && (p[f->n - 1] & 7) == 7) /* 16-bit addresses have [di] elsewhere */
        p[f->n - 1] -= 2;
    memcpy(p + f->n, end, sizeof(end));
    p[f->n] |= cc;
    p[f->n + sizeof(end) - 2] = -(f->n + sizeof(end) - 1);
    soft_cache_flush(c);
}

static void prepare(enum cpu_mode mode, uint64_t a, uint64_t b)
{
    c->r[RIP] = mode == CPU_REAL16 ? 0 : CPU_CODE;
    c->r[RAX] = a;
    c->r[RBX] = b;
    c->r[RCX] = c->r[RDX] = 0;
    c->r[RDI] = mode == CPU_REAL16 ? CPU_DATA - CPU_CODE - 0x8000 : CPU_DATA;
    memcpy(cpu_at(mode == CPU_REAL16 ? CPU_DATA - 0x8000 : CPU_DATA), &b, 8);
    c->arith = 0;
    c->halted = false;
    c->count = 0;
}

static void pairs(enum cpu_mode mode)
{
    static const uint64_t values[] = {0, 1, 0x7f, 0xffffff80, 0x7fffffff, UINT64_MAX / 2 + 1};
    enum {
        VALUES = sizeof(values) / sizeof(values[0])
    };

    cpu_start(mode);
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]) * 16; i++) {
        const struct form *f = &forms[i / 16];

        if (f->only64 && mode != CPU_LONG64)
            continue;
        write_loop(mode, f, i % 16);
        for (int n = 0; n < VALUES * VALUES; n++) {
            uint64_t a = values[n / VALUES], b = values[n % VALUES], r[REGISTERS], count;
            uint16_t arith;

            prepare(mode, a, b);
            CHECK_EQ(cpu_go(), CPU_OK);
            memcpy(r, c->r, sizeof(r));
            arith = c->arith;
            count = c->count;
            prepare(mode, a, b);
            for (int steps = 0; steps < 100 && !c->halted; steps++)
                CHECK_EQ(cpu_step(), CPU_OK);
            CHECK(!memcmp(r, c->r, sizeof(r)));
            CHECK_EQ(arith, c->arith);
            CHECK_EQ(count, c->count);
        }
    }
}

static void test_pairs16(void)
{
    pairs(CPU_REAL16);
}

static void test_pairs32(void)
{
    pairs(CPU_FLAT32);
}

static void test_pairs64(void)
{
    pairs(CPU_LONG64);
}

/* Code in real mode, at ip in the segment at base, run until it halts. */
static void go_real(uint32_t base, uint16_t ip)
{
    c->segment[CS].base = base;
    c->segment[CS].selector = base >> 4;
    soft_mode(c);
    c->r[RIP] = ip;
    c->halted = false;
    CHECK_EQ(cpu_go(), CPU_OK);
}

static const uint8_t jump_far_away[] = {0x38, 0xc0,  /* cmp al, al */
                                        0x74, 0x2c}; /* je 0x30 from the begin */

/* The jump's link was made when the limit let it pass. */
static void test_limit(void)
{
    static const uint8_t gate[] = {0, 0, GP_HANDLER >> 4 & 255, GP_HANDLER >> 12};

    cpu_start(CPU_REAL16);
    memcpy(cpu_at(CPU_CODE), jump_far_away, sizeof(jump_far_away));
    memset(cpu_at(CPU_CODE + 0x30), 0xf4, 2); /* hlt */
    memcpy(cpu_at(4 * EXCEPTION_GP), gate, sizeof(gate));
    *cpu_at(GP_HANDLER) = 0xf4;
    c->r[RSP] = 0x8000;
    for (int i = 0; i < TIMES; i++) {
        go_real(CPU_CODE, 0);
        CHECK_EQ(c->r[RIP], 0x31);
    }
    c->segment[CS].limit = 0x2f;
    go_real(CPU_CODE, 0);
    CHECK_EQ(c->segment[CS].base, GP_HANDLER);
    CHECK_EQ(c->r[RIP], 1);
    CHECK_EQ(c->r[RSP], 0x8000 - 6);
    CHECK_EQ(cpu_at(c->segment[SS].base + 0x8000 - 6)[0], 2); /* the jump, which does not happen */
}

/* The same bytes jump elsewhere where the offset wraps around. */
static void test_wrap(void)
{
    const uint32_t high = CPU_CODE + 0x500, low = high - 0xfff0;

    cpu_start(CPU_REAL16);
    memcpy(cpu_at(high), jump_far_away, sizeof(jump_far_away));
    memset(cpu_at(high + 0x30), 0xf4, 2); /* hlt */
    memset(cpu_at(low + 0x20), 0xf4, 2);
    for (int i = 0; i < TIMES; i++) {
        go_real(high, 0);
        CHECK_EQ(c->r[RIP], 0x31);
        go_real(low, 0xfff0);
        CHECK_EQ(c->r[RIP], 0x21);
    }
}

/* A line that turns its own jump around, each time before it gets there. */
static void test_changed(void)
{
    static const uint8_t code[] = {0xb1, TIMES * 2,       /* mov cl, 2 * TIMES */
                                   0x80, 0x37,      0x01, /* xor byte ptr [rdi], 1: je or jne */
                                   0x38, 0xc0,            /* cmp al, al */
                                   0x75, 0x02,            /* jne, at first */
                                   0xfe, 0xc2,            /* inc dl */
                                   0xfe, 0xc9,            /* dec cl */
                                   0x75, 0xf3,            /* jnz to the xor */
                                   0xf4};                 /* hlt */

    cpu_start(CPU_LONG64);
    memcpy(cpu_at(CPU_CODE), code, sizeof(code));
    c->r[RDI] = CPU_CODE + 7;
    CHECK_EQ(cpu_go(), CPU_OK);
    CHECK_EQ(c->r[RDX] & 0xff, TIMES);
    CHECK_EQ(c->count, 1 + TIMES * 2 * 5 + TIMES + 1);
}

int main(void)
{
    static const struct test tests[] = {
        {test_pairs16, "an instruction and a conditional jump, 16 bits"},
        {test_pairs32, "the same, 32 bits"},
        {test_pairs64, "the same, 64 bits"},
        {test_limit, "a jump past a limit that has shrunk"},
        {test_wrap, "a jump around the end of the segment"},
        {test_changed, "a line changes its own jump"},
        {0},
    };
    int failed = test_main(tests);

    cpu_end();
    return failed;
}
