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
static bool legacy; /* 32-bit code: no REX */

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

    return numbers[below(legacy ? 5 : sizeof(numbers))];
}

static int any_register(void)
{
    return below(legacy ? 8 : 16);
}

static int assemble(const struct form *f, uint8_t *to, bool mem)
{
    int n = 0;
    uint8_t reg = f->digit >= 0 ? f->digit : f->general_reg ? general() : any_register();
    uint8_t rm = mem ? RSI : f->general_rm ? general() : any_register();
    uint8_t rex = 0x40 | (reg >> 3) << 2 | rm >> 3 | (below(3) ? 0 : 8);

    if (!mem && !f->general_reg && !f->general_rm && !below(4))
        rm = reg, rex = (rex & ~1) | (rex >> 2 & 1);
    if (f->prefix)
        to[n++] = f->prefix;
    if (!legacy && (rex != 0x40 || !below(4)))
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
static const char *difference(const struct native *n, const uint8_t *host_at,
                              const uint8_t *soft_at, uint32_t ignored)
{
    static char text[64];

    for (int i = 0; i < 16; i++)
        if (memcmp(n->xmm[i], c->fpu.xmm[i], 16)) {
            snprintf(text, sizeof(text), "xmm%d", i);
            return text;
        }
    for (int i = 0; i < 15; i++)
        if (i != RSP && i != RSI && i != RDI &&
            (n->gpr[i] ^ c->r[i]) & (legacy ? UINT32_MAX : UINT64_MAX)) {
            snprintf(text, sizeof(text), "register %d: host %#llx, soft %#llx", i,
                     (unsigned long long)n->gpr[i], (unsigned long long)c->r[i]);
            return text;
        }
    if ((n->mxcsr ^ c->fpu.mxcsr) & ~(uint64_t)ignored) {
        snprintf(text, sizeof(text), "mxcsr: host %#x, soft %#x", (unsigned)n->mxcsr, c->fpu.mxcsr);
        return text;
    }
    if ((n->flags ^ soft_arith(c)) & EFLAGS_ARITHMETIC) {
        snprintf(text, sizeof(text), "flags: host %#x, soft %#x",
                 (unsigned)(n->flags & EFLAGS_ARITHMETIC), soft_arith(c));
        return text;
    }
    if (memcmp(host_at, soft_at, BYTES))
        return "memory";
    return NULL;
}

/* After an overflow or underflow that is not masked, PE tells whether the result would be precise
 * had it an exponent without bounds, which the soft CPU does not know. And where a dot product
 * stops is the processor's own affair. */
static uint32_t unknown_flags(const struct soft_row *row, const struct native *n, int vector)
{
    uint32_t raised = n->mxcsr & ~(n->mxcsr >> MXCSR_MASK_SHIFT);

    if (vector != EXCEPTION_XM)
        return 0;
    if (!strncmp(row->text, "dpp", 3))
        return MXCSR_FLAGS;
    return raised & (MXCSR_OE | MXCSR_UE) ? MXCSR_PE : 0;
}

/* A quiet NaN that an operation makes of a and b, vectors of elements of 1 << shift bytes. */
static bool nan_of(uint64_t val, const uint8_t *a, const uint8_t *b, int shift)
{
    uint64_t infinity = shift == 2 ? 0x7f800000 : 0x7ff0000000000000;
    uint64_t sign = shift == 2 ? 0x80000000 : UINT64_C(1) << 63;
    uint64_t quiet = shift == 2 ? 0x00400000 : 0x0008000000000000;

    if (val == (sign | infinity | quiet)) /* the default */
        return true;
    if ((val & ~sign) <= infinity)
        return false;
    for (int i = 0; i < 16; i += 1 << shift) {
        uint64_t x = soft_peek(a + i, shift), y = soft_peek(b + i, shift);

        if (((x & ~sign) > infinity && (x | quiet) == val) ||
            ((y & ~sign) > infinity && (y | quiet) == val))
            return true;
    }
    return false;
}

/* SDM 2, DPPS and DPPD: which of several NaNs comes out depends on the order of the additions,
 * which is the processor's own affair, in each element. */
static void accept_nans(const struct soft_row *row, const uint8_t *host, uint8_t *soft,
                        const uint8_t *a, const uint8_t *b)
{
    int shift = strncmp(row->text, "dpps", 4) ? 3 : 2;

    if (strncmp(row->text, "dpp", 3) != 0)
        return;
    for (int i = 0; i < 16; i += 1 << shift) {
        uint64_t val = soft_peek(host + i, shift);

        if (nan_of(val, a, b, shift) && nan_of(soft_peek(soft + i, shift), a, b, shift))
            soft_poke(soft + i, shift, val);
    }
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
    int len = assemble(f, code, mem), host, soft;
    /* Sometimes at the end of a page, or unaligned. */
    int begin = below(4) ? 0 : 4096 - 32, offset = below(6) ? 0 : below(32);
    uint8_t *host_at = memory + begin, *soft_at = cpu_at(CPU_DATA + begin);
    uint32_t mode = c->mode;

    for (int i = 0; i < 16; i++) {
        fill_vector(n.xmm[i]);
        n.gpr[i] = below(3) ? random64() : below(2) ? special32() : (uint64_t)(below(41) - 20);
    }
    for (int i = 0; i < BYTES; i += 16)
        fill_vector(host_at + i);
    n.flags = (random64() & EFLAGS_ARITHMETIC) | EFLAGS_FIXED;
    n.gpr[RSI] = n.gpr[RDI] = (uintptr_t)host_at + offset;

    memcpy(c->r, n.gpr, sizeof(n.gpr));
    c->r[RSI] = c->r[RDI] = CPU_DATA + begin + offset;
    memcpy(c->fpu.xmm, n.xmm, sizeof(n.xmm));
    memcpy(soft_at, host_at, BYTES);
    c->fpu.mxcsr = n.mxcsr;
    soft_set_arith(c, n.flags);
    /* Addresses of any kind, and the TLB or no TLB. */
    if (legacy && below(2))
        mode &= ~(UINT32_C(63) << MODE_FLAT_SHIFT);
    c->tlb = &c->tlbs[below(4) ? TLB_SUPERVISOR : TLB_CAREFUL];
    if (soft_decode(mode, code, len, 0, ops).len != len) {
        printf("# %s: length\n", row->text);
        test_failures++;
        return true;
    }
    before = n;
    host = native_run(&n);
    if (host == EXCEPTION_UD)
        return false;
    soft = soft_run_op(ops);

    int modrm = (code[0] == f->prefix && f->prefix ? 1 : 0) + (f->map ? 3 : 2), reg, rm, rex = 0;

    if ((code[f->prefix ? 1 : 0] & 0xf0) == 0x40)
        rex = code[f->prefix ? 1 : 0], modrm++;
    reg = (code[modrm] >> 3 & 7) | (rex & 4) << 1;
    rm = (code[modrm] & 7) | (rex & 1) << 3;
    accept_nans(row, n.xmm[reg], c->fpu.xmm[reg], before.xmm[reg],
                mem ? soft_at + offset : before.xmm[rm]);

    const char *what = difference(&n, host_at, soft_at, unknown_flags(row, &n, host));

    if (host == soft && !what)
        return true;
    test_failures++;
    printf("# %s: host %d, soft %d; %s\n", row->text, host, soft, what ? what : "");
    dump("code", code, len);
    printf("# mxcsr before %#x\n", (unsigned)before.mxcsr);
    dump("reg ", before.xmm[reg], 16);
    if (mem)
        dump("mem ", soft_at + offset, 16);
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

static void try_rows(soft_table *table)
{
    struct soft_row row;

    cpu_start(legacy ? CPU_FLAT32 : CPU_LONG64);
    if (!code)
        code = native_page();
    if (!memory)
        memory = native_page();
    for (int i = 0; table(i, &row); i++)
        try_row(&row);
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

static void test_legacy(void)
{
    legacy = true;
    try_rows(soft_sse_rows);
    try_rows(soft_sse_int_rows);
    try_rows(soft_sse_float_rows);
    try_rows(soft_sse4_rows);
    try_rows(soft_sse_string_rows);
    legacy = false;
}

/* Each row: #UD and #NM come before all else. */
static void try_off(soft_table *table)
{
    struct soft_row row;

    for (int i = 0; table(i, &row); i++) {
        struct form f = form_of(&row);
        struct soft_op ops[2];
        uint8_t bytes[16];
        int n = assemble(&f, bytes, f.mem);

        soft_decode(c->mode, bytes, n, 0, ops);
        c->r[RSI] = 1; /* neither aligned nor mapped */
        c->cr0 |= CR0_TS;
        CHECK_EQ(soft_run_op(ops), EXCEPTION_NM);
        c->cr4 &= ~(uint64_t)CR4_OSFXSR;
        CHECK_EQ(soft_run_op(ops), EXCEPTION_UD);
        c->cr4 |= CR4_OSFXSR;
        c->cr0 |= CR0_EM;
        CHECK_EQ(soft_run_op(ops), EXCEPTION_UD);
        c->cr0 &= ~(uint64_t)CR0_TS;
        CHECK_EQ(soft_run_op(ops), EXCEPTION_UD);
        c->cr0 &= ~(uint64_t)CR0_EM;
    }
}

static void test_off(void)
{
    cpu_start(CPU_LONG64);
    try_off(soft_sse_rows);
    try_off(soft_sse_int_rows);
    try_off(soft_sse_float_rows);
    try_off(soft_sse4_rows);
    try_off(soft_sse_string_rows);
    cpu_end();
}

/* Memory that ends where a page is missing: nothing of the instruction happens. */
static void try_faults(soft_table *table)
{
    struct soft_row row;

    for (int at = 0; table(at, &row); at++) {
        struct form f = form_of(&row);
        struct soft_op ops[2];
        struct soft_fpu before;
        uint64_t r[REGISTERS];
        uint8_t bytes[16];
        int n = assemble(&f, bytes, true);
        bool mask = !strncmp(row.text, "maskmov", 7);

        if (!f.mem && !mask)
            continue;
        if (mask)
            n = assemble(&f, bytes, false);
        for (int i = 0; i < 16; i++) {
            fill_vector(c->fpu.xmm[i]);
            c->r[i] = random64();
            if (mask)
                c->fpu.xmm[i][0] = c->fpu.xmm[i][15] = 0x80;
        }
        c->r[RSI] = c->r[RDI] = 0x200000 - (mask ? 8 : 0);
        memset(cpu_at(0x200000 - 16), 0xa5, 16);
        soft_decode(c->mode, bytes, n, 0, ops);
        before = c->fpu;
        memcpy(r, c->r, sizeof(r));
        CHECK_EQ(soft_run_op(ops), EXCEPTION_PF);
        CHECK_EQ(c->cr2 & ~(uint64_t)15, 0x200000);
        if (!mask) {
            /* Across pages: unaligned, or a fault of the second page. */
            int vector;

            c->r[RSI]--;
            r[RSI]--;
            vector = soft_run_op(ops);
            CHECK(vector == EXCEPTION_PF || vector == EXCEPTION_GP || vector == CPU_OK);
            if (vector == CPU_OK) /* a single byte */
                continue;
            if (vector == EXCEPTION_PF)
                CHECK_EQ(c->cr2, 0x200000);
        }
        CHECK(!memcmp(&before, &c->fpu, sizeof(before)));
        CHECK(!memcmp(r, c->r, sizeof(r)));
        CHECK_EQ(soft_peek(cpu_at(0x200000 - 8), 3), 0xa5a5a5a5a5a5a5a5);
    }
}

static void test_faults(void)
{
    cpu_start(CPU_LONG64);
    uint64_t *directory = (uint64_t *)cpu_at(CPU_TABLES + 0x2000);

    directory[1] = 0; /* from 2 MiB on */
    soft_flush_tlb(c, true);
    try_faults(soft_sse_rows);
    try_faults(soft_sse_int_rows);
    try_faults(soft_sse_float_rows);
    try_faults(soft_sse4_rows);
    try_faults(soft_sse_string_rows);
    cpu_end();
}

static void test_xmmexcpt(void)
{
    static const uint8_t divps[] = {0x0f, 0x5e, 0xc1};

    cpu_start(CPU_LONG64);
    c->fpu.mxcsr = MXCSR_DEFAULT & ~(MXCSR_IE << MXCSR_MASK_SHIFT);
    CHECK_EQ(cpu_run(divps, 3), EXCEPTION_XM);
    CHECK_EQ(c->fpu.mxcsr & MXCSR_FLAGS, MXCSR_IE);
    CHECK_EQ(c->r[RIP], CPU_CODE);
    c->cr4 &= ~(uint64_t)CR4_OSXMMEXCPT;
    CHECK_EQ(cpu_run(divps, 3), EXCEPTION_UD);
    cpu_end();
}

/* Encodings that look like ours and are none. */
static void test_undefined(void)
{
    static const uint8_t codes[][8] = {
        "\xf0\x0f\x58\x06",         /* lock addps */
        "\xf0\x0f\x11\x06",         /* lock movups */
        "\x0f\x13\xc0",             /* movlps to a register */
        "\x66\x0f\x12\xc0",         /* movlpd from a register */
        "\x0f\x2b\xc0",             /* movntps to a register */
        "\x66\x0f\x71\x10",         /* psrlw of memory */
        "\x66\x0f\x71\xc8\x01",     /* /1 */
        "\x66\x0f\x38\x2a\xc0",     /* movntdqa from a register */
        "\xf2\x0f\xf0\xc0",         /* lddqu from a register */
        "\x0f\x50\x06",             /* movmskps of memory */
        "\xf3\x0f\x14\xc0",         /* unpcklss */
        "\x66\x0f\x38\xdc\xc1",     /* aesenc */
        "\x66\x0f\x3a\x44\xc1\x00", /* pclmulqdq */
        "\xc5\xf8\x58\xc1",         /* vaddps */
        "\x0f\x38\xc8\xc1",         /* sha1nexte */
        "\x66\x0f\x79\xc1",         /* SSE4a's extrq */
        "\xf2\x0f\x2b\x06",         /* SSE4a's movntsd */
    };

    cpu_start(CPU_LONG64);
    c->r[RSI] = CPU_DATA;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (cpu_run(codes[i], 8) != EXCEPTION_UD) {
            printf("# undefined %d is not\n", (int)i);
            test_failures++;
        }
    cpu_end();
}

int main(void)
{
    return test_main((struct test[]){{test_moves, "moves"},
                                     {test_integers, "integers of SSE2"},
                                     {test_floats, "floating point"},
                                     {test_sse4, "SSSE3 and SSE4"},
                                     {test_sse4_plain, "SSSE3 and SSE4, on a host without"},
                                     {test_strings, "strings of SSE4.2"},
                                     {test_legacy, "all of them in 32-bit code"},
                                     {test_off, "CR0.EM, CR0.TS, CR4.OSFXSR"},
                                     {test_faults, "page faults"},
                                     {test_xmmexcpt, "CR4.OSXMMEXCPT"},
                                     {test_undefined, "what is undefined, or not offered"},
                                     {0}});
}
