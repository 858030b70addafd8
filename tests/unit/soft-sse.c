// SPDX-License-Identifier: MIT
/*
 * Unit tests of x86/soft/sse*: each row of the tables, with random and special operands, against
 * the host's own processor.
 */
#include "x86/soft/sse.h" /* first: tests call their CPU c */
#include "tests/unit/soft-native.h"

#include <ctype.h>

enum {
    ROUNDS = 3000, /* of each row */
    BYTES = 64,    /* of memory that are compared */
};

/* What a row asks for. */
struct form {
    uint8_t prefix, map, opcode;
    int digit;
    bool reg, mem, imm;
    bool general_reg, general_rm; /* operands are general registers */
};

static uint8_t *code, *memory;

static struct form form_of(const struct soft_row *row)
{
    struct form f = {.digit = -1, .reg = true, .mem = true};
    char text[64], *save, *word;
    bool zero_f = false;

    snprintf(text, sizeof(text), "%s", row->encoding);
    for (word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        if (!strcmp(word, "mem"))
            f.reg = false;
        else if (!strcmp(word, "reg"))
            f.mem = false;
        else if (word[0] == '/')
            f.digit = word[1] - '0';
        else if (!strcmp(word, "0f") && !zero_f)
            zero_f = true;
        else if (!zero_f)
            f.prefix = strtol(word, NULL, 16); /* np: 0 */
        else if ((!strcmp(word, "38") || !strcmp(word, "3a")) && !f.map && !f.opcode)
            f.map = strtol(word, NULL, 16);
        else
            f.opcode = strtol(word, NULL, 16);
    }
    snprintf(text, sizeof(text), "%s", row->text);
    strtok_r(text, " ", &save);
    while ((word = strtok_r(NULL, ",", &save))) {
        if (word[0] == 'I')
            f.imm = true;
        if (word[0] == 'U')
            f.mem = false;
        if (word[0] == 'M')
            f.reg = false;
        if (word[0] == 'G')
            f.general_reg = true;
        if (word[0] == 'E')
            f.general_rm = true;
    }
    return f;
}

static uint64_t special32(void)
{
    static const uint32_t values[] = {
        0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000,
        0x7f800001, 0xffa00000, 1,          0x80000001, 0x007fffff, 0x00800000, 0x80800000,
        0x7f7fffff, 0x3f000000, 0x3fc00000, 0x40200000, 0x4b000000, 0x4affffff, 0xcb000001,
        0x4f000000, 0xcf000000, 0x5f000000, 0xdf000000, 0x00800001, 0x34000000, 0x3effffff,
    };

    switch (below(4)) {
    case 0:
        return (uint32_t)random64();
    case 1: /* an exponent near the middle */
        return (random64() & 0x807fffff) | (uint32_t)(0x3f800000 + (below(60) << 23) - (30 << 23));
    default:
        return PICK(values);
    }
}

static uint64_t special64(void)
{
    static const uint64_t values[] = {
        0,
        0x8000000000000000,
        0x3ff0000000000000,
        0xbff0000000000000,
        0x7ff0000000000000,
        0xfff0000000000000,
        0x7ff8000000000000,
        0x7ff0000000000001,
        0xfff4000000000000,
        1,
        0x8000000000000001,
        0x000fffffffffffff,
        0x0010000000000000,
        0x8010000000000000,
        0x7fefffffffffffff,
        0x3fe0000000000000,
        0x3ff8000000000000,
        0x4004000000000000,
        0x4330000000000000,
        0x432fffffffffffff,
        0x41e0000000000000,
        0xc1e0000000000000,
        0x43e0000000000000,
        0xc3e0000000000000,
        0x3810000000000000,
        0x47efffffe0000000,
        0x47effffff0000000,
        0x0010000000000001,
        0x3fdfffffffffffff,
        0x36a0000000000000,
        0x3800000000000001,
    };

    switch (below(4)) {
    case 0:
        return random64();
    case 1:
        return (random64() & 0x800fffffffffffff) |
               (0x3ff0000000000000 + (below(160) << 52) - (UINT64_C(80) << 52));
    default:
        return PICK(values);
    }
}

static void fill_vector(uint8_t *v)
{
    int how = below(6);

    for (int i = 0; i < 16; i += 8) {
        uint64_t val = how == 0   ? random64()
                       : how <= 2 ? special32() | special32() << 32
                       : how <= 4 ? special64()
                                  : 0;

        soft_poke(v + i, 3, val);
    }
    if (how == 5) /* a short string of few letters */
        for (int i = 0; i < 16; i++)
            v[i] = below(12) ? below(2) ? 'a' + below(3) : below(3) : 0;
}

static uint32_t random_mxcsr(void)
{
    uint32_t mxcsr = random64() & 0xffff;

    switch (below(4)) {
    case 0:
        return mxcsr;
    case 1: /* one exception is not masked */
        return (mxcsr | MXCSR_MASKS) & ~(UINT32_C(0x80) << below(6));
    case 2:
        return MXCSR_DEFAULT | (mxcsr & 0x3f);
    default:
        return mxcsr | MXCSR_MASKS;
    }
}

/* General registers that an instruction may name: not RSP, R15, nor RSI and RDI, which point. */
static int general(void)
{
    static const uint8_t numbers[] = {RAX, RCX, RDX, RBX, RBP, 8, 9, 10, 11, 12, 13, 14};

    return PICK(numbers);
}

static int assemble(const struct form *f, uint8_t *to, bool mem)
{
    int n = 0;
    uint8_t reg = f->digit >= 0 ? f->digit : f->general_reg ? general() : (int)below(16);
    uint8_t rm = mem ? RSI : f->general_rm ? general() : (int)below(16);
    uint8_t rex = 0x40 | (reg >> 3) << 2 | rm >> 3 | (below(3) ? 0 : 8);

    if (!mem && !f->general_reg && !f->general_rm && !below(4))
        rm = reg, rex = (rex & ~1) | (rex >> 2 & 1);
    if (f->prefix)
        to[n++] = f->prefix;
    if (rex != 0x40 || !below(4))
        to[n++] = rex;
    to[n++] = 0x0f;
    if (f->map)
        to[n++] = f->map;
    to[n++] = f->opcode;
    to[n++] = (mem ? 0 : 0xc0) | (reg & 7) << 3 | (rm & 7);
    if (f->imm)
        to[n++] = random64();
    to[n] = 0xc3;
    return n;
}

/* Where they differ, if they do. */
static const char *difference(const struct native *n, const uint8_t *native_memory,
                              uint32_t ignored)
{
    static char text[64];

    for (int i = 0; i < 16; i++)
        if (memcmp(n->xmm[i], c->fpu.xmm[i], 16)) {
            snprintf(text, sizeof(text), "xmm%d", i);
            return text;
        }
    for (int i = 0; i < 15; i++)
        if (i != RSP && i != RSI && i != RDI && n->gpr[i] != c->r[i]) {
            snprintf(text, sizeof(text), "register %d: host %#llx, soft %#llx", i,
                     (unsigned long long)n->gpr[i], (unsigned long long)c->r[i]);
            return text;
        }
    if ((n->mxcsr ^ c->fpu.mxcsr) & ~(uint64_t)ignored) {
        snprintf(text, sizeof(text), "mxcsr: host %#x, soft %#x", (unsigned)n->mxcsr,
                 c->fpu.mxcsr);
        return text;
    }
    if ((n->flags ^ soft_arith(c)) & EFLAGS_ARITHMETIC) {
        snprintf(text, sizeof(text), "flags: host %#x, soft %#x",
                 (unsigned)(n->flags & EFLAGS_ARITHMETIC), soft_arith(c));
        return text;
    }
    if (memcmp(native_memory, cpu_at(CPU_DATA), BYTES))
        return "memory";
    return NULL;
}

/* After an overflow or underflow that is not masked, PE tells whether the result would be precise had
 * it an exponent without bounds, which the soft CPU does not know. And where a dot product stops is
 * the processor's own affair. */
static uint32_t unknown_flags(const struct soft_row *row, const struct native *n, int vector)
{
    uint32_t raised = n->mxcsr & ~(n->mxcsr >> MXCSR_MASK_SHIFT);

    if (vector != EXCEPTION_XM)
        return 0;
    if (!strncmp(row->text, "dpp", 3))
        return MXCSR_FLAGS;
    return raised & (MXCSR_OE | MXCSR_UE) ? MXCSR_PE : 0;
}

static void dump(const char *what, const uint8_t *p, int n)
{
    printf("# %s", what);
    for (int i = 0; i < n; i++)
        printf("%s%02x", i % 4 ? "" : " ", p[i]);
    printf("\n");
}

/* Run one instruction here and there. False when the host has none such. */
static bool try_one(const struct soft_row *row, const struct form *f, bool mem)
{
    struct native n = {.code = code, .mxcsr = random_mxcsr()}, before;
    struct soft_op ops[2];
    int len = assemble(f, code, mem), offset = 0, host, soft;

    for (int i = 0; i < 16; i++) {
        fill_vector(n.xmm[i]);
        n.gpr[i] = below(3) ? random64() : below(2) ? special32() : (uint64_t)(below(41) - 20);
    }
    for (int i = 0; i < BYTES; i += 16)
        fill_vector(memory + i);
    if (!below(8))
        offset = below(16);
    n.flags = (random64() & EFLAGS_ARITHMETIC) | RFLAGS_FIXED;
    n.gpr[RSI] = n.gpr[RDI] = (uintptr_t)memory + offset;

    memcpy(c->r, n.gpr, sizeof(n.gpr));
    c->r[RSI] = c->r[RDI] = CPU_DATA + offset;
    memcpy(c->fpu.xmm, n.xmm, sizeof(n.xmm));
    memcpy(cpu_at(CPU_DATA), memory, BYTES);
    c->fpu.mxcsr = n.mxcsr;
    soft_set_arith(c, n.flags);
    if (soft_decode(c->mode, code, len, 0, ops).len != len) {
        printf("# %s: length\n", row->text);
        test_failures++;
        return true;
    }
    before = n;
    host = native_run(&n);
    if (host == EXCEPTION_UD)
        return false;
    soft = soft_run_op(ops);
    const char *what = difference(&n, memory, unknown_flags(row, &n, host));

    if (host == soft && !what)
        return true;
    test_failures++;
    printf("# %s: host %d, soft %d; %s\n", row->text, host, soft, what ? what : "");
    dump("code", code, len);
    printf("# mxcsr before %#x\n", (unsigned)before.mxcsr);
    int modrm = (code[0] == f->prefix && f->prefix ? 1 : 0) + (f->map ? 3 : 2), reg, rm, rex = 0;

    if ((code[f->prefix ? 1 : 0] & 0xf0) == 0x40)
        rex = code[f->prefix ? 1 : 0], modrm++;
    reg = (code[modrm] >> 3 & 7) | (rex & 4) << 1;
    rm = (code[modrm] & 7) | (rex & 1) << 3;
    dump("reg ", before.xmm[reg], 16);
    if (mem)
        dump("mem ", cpu_at(CPU_DATA) + offset, 16);
    else
        dump("rm  ", before.xmm[rm], 16);
    dump("host", n.xmm[reg], 16);
    dump("soft", c->fpu.xmm[reg], 16);
    return true;
}

static void try_row(const struct soft_row *row)
{
    struct form f = form_of(row);

    for (int i = 0; i < ROUNDS && test_failures < 10; i++)
        if (!try_one(row, &f, f.mem && (!f.reg || below(2)))) {
            printf("# %s: the host has none\n", row->text);
            return;
        }
}

static void try_rows(const struct soft_row *rows)
{
    cpu_start(CPU_LONG64);
    if (!code)
        code = native_page();
    if (!memory)
        memory = native_page();
    for (; rows->encoding; rows++)
        try_row(rows);
    cpu_end();
}

static void test_moves(void)
{
    try_rows(soft_sse_rows);
}

static void test_integers(void)
{
    try_rows(soft_sse_int_rows);
}

static void test_floats(void)
{
    try_rows(soft_sse_float_rows);
}

static void test_sse4(void)
{
    try_rows(soft_sse4_rows);
}

static void test_sse4_plain(void)
{
    bool had = soft_host_sse42;

    soft_host_sse42 = false;
    try_rows(soft_sse4_rows);
    soft_host_sse42 = had;
}

static void test_strings(void)
{
    try_rows(soft_sse_string_rows);
}

int main(void)
{
    return test_main((struct test[]){
        {test_moves, "moves"},
        {test_integers, "integers of SSE2"},
        {test_floats, "floating point"},
        {test_sse4, "SSSE3 and SSE4"},
        {test_sse4_plain, "SSSE3 and SSE4, on a host without"},
        {test_strings, "strings of SSE4.2"},
        {0}});
}
