// SPDX-License-Identifier: MIT
/*
 * The tables of opcodes, and what the decoder makes of them.
 */
#include "tests/unit/test.h"
#include "x86/soft/decode.h"
#include "x86/soft/disasm.h"

#include <stdlib.h>

enum {
    ROWS = 4096,
    REAL = 1 | ANYHOW << MODE_STACK_SHIFT,
    MODE16 = 1 | MODE_PROTECTED | ANYHOW << MODE_STACK_SHIFT,
    MODE32 = 2 | MODE_PROTECTED | FLAT32 << MODE_STACK_SHIFT,
    MODE64 = 3 | MODE_PROTECTED | FLAT64 << MODE_STACK_SHIFT,
};

/* Every row can be met: by some prefix, opcode and ModRM byte. */
static void reachable(void)
{
    static const uint32_t modes[] = {MODE16, MODE32, MODE64};
    static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};
    static bool met[ROWS];

    for (unsigned n = 0; n < 3U * 4 * 2 * 4 * 256 * 256; n++) {
        unsigned rest = n;
        uint8_t bytes[SOFT_MAX_LEN] = {0}, modrm = rest, opcode = rest >> 8;
        int at = 0, pp = rest >> 16 & 3, map = rest >> 18 & 3;
        bool vex = rest >> 20 & 1;
        uint32_t mode = modes[rest >> 21];
        struct soft_op op;

        if (vex && (!map || mode == MODE16))
            continue;
        if (vex) {
            bytes[at++] = 0xc4;
            bytes[at++] = 0xe0 | map;
            bytes[at++] = 0x78 | pp;
        } else {
            if (pp)
                bytes[at++] = prefixes[pp];
            if (map)
                bytes[at++] = 0x0f;
            if (map > 1)
                bytes[at++] = map == 2 ? 0x38 : 0x3a;
        }
        bytes[at++] = opcode;
        bytes[at++] = modrm;
        struct soft_decoded d = soft_decode(mode, bytes, SOFT_MAX_LEN, 0, &op);

        CHECK(d.len > 0);
        CHECK(soft_row(op.row) == d.row);
        met[op.row] = true;
    }
    const struct soft_row *row;

    for (int i = 1; (row = soft_row(i)); i++)
        if (!met[i]) {
            printf("# never met: %s, %s\n", row->encoding, row->text);
            test_failures++;
        }
}

/* What a row asks of the bytes. */
struct claim {
    char prefix[8], map[16]; /* as in the encoding; map with VEX */
    int opcode, last;        /* of +r */
    int digit, exact, mod;   /* -1 for any; mod 0: memory, 1: register */
    uint32_t modes;          /* bits: not 64, 64 */
};

static struct claim read_claim(const struct soft_row *row)
{
    struct claim c = {.opcode = -1, .digit = -1, .exact = -1, .mod = -1};
    char text[100], *save, *s = text;

    snprintf(text, sizeof(text), "%s", row->encoding);
    for (char *word; (word = strtok_r(s, " ", &save)); s = NULL) {
        bool first = c.opcode < 0 && !strstr(c.map, "0f");

        if (!strcmp(word, "mem") || !strcmp(word, "reg"))
            c.mod = word[0] == 'r';
        else if (word[0] == '/')
            c.digit = word[1] - '0';
        else if (word[0] == '=')
            c.exact = strtol(word + 1, NULL, 16);
        else if (!strcmp(word, "vex"))
            strcat(c.map, "vex ");
        else if (first && (!strcmp(word, "np") || !strcmp(word, "66") || !strcmp(word, "f2") ||
                           !strcmp(word, "f3")))
            strcpy(c.prefix, word);
        else if ((first && !strcmp(word, "0f")) ||
                 (strstr(c.map, "0f") && !strstr(c.map, "3") &&
                  (!strcmp(word, "38") || !strcmp(word, "3a")) && c.opcode < 0))
            strcat(strcat(c.map, word), " ");
        else {
            CHECK(c.opcode < 0);
            c.opcode = strtol(word, NULL, 16);
            c.last = c.opcode + (strchr(word, '+') ? 7 : 0);
        }
    }
    CHECK(c.opcode >= 0);
    if (c.exact >= 0) {
        c.digit = c.exact >> 3 & 7;
        c.mod = c.exact >= 0xc0;
    }
    if (c.mod < 0 && strstr(row->text, " M"))
        c.mod = 0;
    c.modes = row->attributes & ROW_NO64 ? 1 : row->attributes & ROW_ONLY64 ? 2 : 3;
    return c;
}

static bool meet(const struct claim *a, const struct claim *b)
{
    if (strcmp(a->map, b->map) || strcmp(a->prefix, b->prefix) || !(a->modes & b->modes) ||
        a->last < b->opcode || b->last < a->opcode)
        return false;
    if (a->exact >= 0 && b->exact >= 0 && a->exact != b->exact)
        return false;
    return (a->digit < 0 || b->digit < 0 || a->digit == b->digit) &&
           (a->mod < 0 || b->mod < 0 || a->mod == b->mod);
}

/* No two rows want the same bytes, but that one with a prefix goes before one without. */
static void disjoint(void)
{
    static struct claim claims[ROWS];
    int n = 1;

    for (const struct soft_row *row; (row = soft_row(n)); n++)
        claims[n] = read_claim(row);
    for (int i = 1; i < n; i++)
        for (int k = 1; k < i; k++)
            if (meet(&claims[i], &claims[k])) {
                printf("# \"%s\" %s and \"%s\" %s\n", soft_row(k)->encoding, soft_row(k)->text,
                       soft_row(i)->encoding, soft_row(i)->text);
                test_failures++;
            }
    CHECK(n > 500);
}

/* A handler, and only one way to find it. */
static void handlers(void)
{
    const struct soft_row *row;

    for (int i = 1; (row = soft_row(i)); i++)
        if (!row->run == !(row->forms[0] || row->forms[3])) {
            printf("# %s, %s\n", row->encoding, row->text);
            test_failures++;
        }
}

static const struct {
    uint32_t mode;
    const char *bytes, *text;
} known[] = {
    {MODE64, "48 01 d8", "add rax, rbx"},
    {MODE32, "01 d8", "add eax, ebx"},
    {MODE16, "01 d8", "add ax, bx"},
    {MODE64, "66 01 d8", "add ax, bx"},
    {MODE64, "00 e0", "add al, ah"},
    {MODE64, "40 00 e0", "add al, spl"},
    {MODE64, "45 00 c1", "add r9b, r8b"},
    {MODE64, "8b 05 10 00 00 00", "mov eax, dword ptr [0x1016]"},
    {MODE32, "8b 05 10 00 00 00", "mov eax, dword ptr [0x10]"},
    {MODE16, "8b 46 fe", "mov ax, word ptr [bp-0x2]"},
    {MODE16, "8b 06 34 12", "mov ax, word ptr [0x1234]"},
    {MODE16, "67 66 8b 44 8b 10", "mov eax, dword ptr [ebx+ecx*4+0x10]"},
    {MODE64, "65 48 8b 04 25 28 00 00 00", "mov rax, qword ptr gs:[0x28]"},
    {MODE64, "48 b8 88 77 66 55 44 33 22 11", "mov rax, 0x1122334455667788"},
    {MODE64, "48 83 c4 f8", "add rsp, 0xfffffffffffffff8"},
    {MODE32, "83 c4 f8", "add esp, 0xfffffff8"},
    {MODE64, "f0 48 0f b1 0e", "lock cmpxchg qword ptr [rsi], rcx"},
    {MODE64, "e8 fb ff ff ff", "call 0x1000"},
    {MODE64, "74 02", "je 0x1004"},
    {MODE64, "41 57", "push r15"},
    {MODE64, "c3", "ret"},
    {MODE32, "c2 08 00", "ret 0x8"},
    /* What is not known of the stack. */
    {1, "c3", "ret"},
    {2, "e8 fb ff ff ff", "call 0x1000"},
    {2, "c3", "ret"},
    {2, "50", "push eax"},
    {2 | FLAT32 << MODE_STACK_SHIFT, "ff d0", "call eax"},
    {MODE64, "66 0f 6f 0c 24", "movdqa xmm1, xmmword ptr [rsp]"},
    {MODE64, "0f 28 c1", "movaps xmm0, xmm1"},
    {MODE64, "c4 e2 60 f2 c1", "andn eax, ebx, ecx"},
    {MODE64, "f3 48 0f b8 c1", "popcnt rax, rcx"},
    {MODE64, "d8 c1", "fadd st, st(1)"},
    {MODE64, "62 f1 7c 48 58 c1", NULL}, /* EVEX */
    {MODE64, "c5 f8 58 c1", NULL},       /* AVX */
    {MODE64, "c5 fc 58 c1", NULL},
    {MODE64, "66 0f 38 dc c1", NULL}, /* AES */
    {MODE64, "06", NULL},
    {MODE64, "f0 01 d8", NULL}, /* LOCK without memory */
    {MODE64, "f0 8b 00", NULL}, /* LOCK of a load */
};

static int parse(const char *text, uint8_t *bytes)
{
    int n = 0;
    char *end;

    for (; *text; text = end + strspn(end, " "))
        bytes[n++] = strtoul(text, &end, 16);
    return n;
}

static void texts(void)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        uint8_t bytes[SOFT_MAX_LEN];
        char text[100];
        const char *want = known[i].text ? known[i].text : "(bad)";
        int n = parse(known[i].bytes, bytes);
        int len = soft_disassemble(known[i].mode, bytes, n, 0x1000, text, sizeof(text));

        if ((known[i].text && len != n) || strcmp(text, want)) {
            printf("# %s: %d, %s, not %s\n", known[i].bytes, len, text, want);
            test_failures++;
        }
        /* Any bytes less are not enough; any bytes more do not matter. */
        for (int k = 1; known[i].text && k < n; k++)
            CHECK_EQ(soft_disassemble(known[i].mode, bytes, k, 0x1000, text, sizeof(text)), 0);
    }
}

/* Fifteen bytes are the limit, prefixes included. */
static void limit(void)
{
    uint8_t bytes[SOFT_MAX_LEN];
    struct soft_op op;

    memset(bytes, 0x66, sizeof(bytes));
    bytes[14] = 0x90;
    CHECK_EQ(soft_decode(MODE64, bytes, 15, 0, &op).len, 15);
    bytes[14] = 0x66;
    struct soft_decoded d = soft_decode(MODE64, bytes, 15, 0, &op);

    CHECK(d.len == 15 && !d.row);
    bytes[13] = 0x01;
    bytes[14] = 0x05;
    d = soft_decode(MODE64, bytes, 15, 0, &op);
    CHECK(d.len == 15 && !d.row);
    CHECK_EQ(soft_decode(MODE64, bytes, 14, 0, &op).len, 0);
}

/* Where LES and LDS are, and BOUND, VEX and EVEX begin in other modes. */
static void vex_or_not(void)
{
    uint8_t les[] = {0xc4, 0x07}, andn[] = {0xc4, 0xe2, 0x60, 0xf2, 0xc1};
    struct soft_op op;
    struct soft_decoded d = soft_decode(MODE32, les, 2, 0, &op);

    CHECK(d.len == 2 && d.row && !strncmp(d.row->text, "les", 3));
    d = soft_decode(MODE32, andn, 5, 0, &op);
    CHECK(d.len == 5 && d.row && !strncmp(d.row->text, "andn", 4));
    d = soft_decode(REAL, andn, 5, 0, &op);
    CHECK(!d.row);
}

/* A conditional jump becomes one with what stands before it, when the rows of both say so. */
static void joined(void)
{
    static const struct {
        uint32_t mode;
        const char *bytes[2];
        bool joined;
    } pairs[] = {
        {MODE64, {"39 c8", "74 00"}, true},                /* cmp eax, ecx; je */
        {MODE64, {"48 85 03", "0f 85 00 00 00 00"}, true}, /* test [rbx], rax; jne */
        {MODE32, {"65 3b 03", "7c 00"}, true},             /* cmp eax, gs:[ebx]; jl */
        {MODE16, {"48", "75 00"}, true},                   /* dec ax; jne */
        {MODE64, {"c1 e8 04", "74 00"}, true},             /* shr eax, 4; je */
        {MODE64, {"01 03", "74 00"}, false},               /* add [rbx], eax: memory is written */
        {MODE64, {"f0 01 03", "74 00"}, false},
        {MODE64, {"89 c8", "74 00"}, false},    /* mov */
        {MODE64, {"39 c8", "eb 00"}, false},    /* jmp */
        {MODE64, {"39 c8", "e2 00"}, false},    /* loop */
        {MODE32, {"39 c8", "66 74 00"}, false}, /* cuts its target */
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct soft_op ops[2];

        for (int k = 0; k < 2; k++) {
            uint8_t bytes[SOFT_MAX_LEN];
            int n = parse(pairs[i].bytes[k], bytes);

            CHECK_EQ(soft_decode(pairs[i].mode, bytes, n, 0, &ops[k]).len, n);
        }
        soft_handler *alone = ops[0].run;

        soft_join(pairs[i].mode, ops);
        CHECK_EQ(ops[0].run != alone, pairs[i].joined);
    }
}

int main(void)
{
    return test_main((struct test[]){
        {handlers, "every row has a handler or a family"},
        {reachable, "every row can be met"},
        {disjoint, "no two rows claim the same bytes in the same mode"},
        {texts, "known instructions have their length and text"},
        {limit, "no instruction has more than 15 bytes"},
        {vex_or_not, "VEX is LES where it has to be"},
        {joined, "a conditional jump is joined to what stands before it"},
        {0},
    });
}
