// SPDX-License-Identifier: MIT
/*
 * From bytes to text: the mnemonic and the notation of operands in the row that the decoder finds.
 *
 * After: Intel SDM vol. 2D, "Key to Abbreviations".
 *
 * Left out: prefixes that do nothing, and how an assembler would choose among several encodings:
 * the text is for reading.
 */
#include "x86/soft/disasm.h"
#include "x86/soft/decode.h"

#include <stdarg.h>
#include <stdio.h>

struct line {
    char *text;
    size_t size, at;
    const struct soft_op *op;
    uint32_t mode, attributes;
    uint64_t ip;
    int general; /* log2 of the operand size, as v in the notation */
    int immediates;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *l, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    int n = vsnprintf(l->text + l->at, l->size - l->at, format, list);

    va_end(list);
    l->at += n;
    if (l->at >= l->size)
        l->at = l->size - 1;
}

/* A general register by its number, of 1 << size bytes. */
static void put_register(struct line *l, int number, int size)
{
    static const char *const name[8] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};
    static const char suffix[4] = {'b', 'w', 'd', 0};

    if (number >= 8)
        put(l, "r%d%.1s", number, &suffix[size]);
    else if (size)
        put(l, "%s%s", size == 1 ? "" : size == 2 ? "e" : "r", name[number]);
    else
        put(l, number < 4 ? "%.1sl" : "%sl", name[number]);
}

/* The same by its offset in the register file, where AH follows AL. */
static void put_general(struct line *l, int offset, int size)
{
    if (size == 0 && offset & 7)
        put(l, "%ch", "acdb"[offset / 8 & 3]);
    else
        put_register(l, offset / 8, size);
}

static void put_segment(struct line *l, int segment)
{
    put(l, "%.2s", &"escsssdsfsgs????"[2 * (segment & 7)]);
}

/* The size of an operand from the letters after its kind: log2 of the bytes, 4 and more for an XMM
 * register or what only the mnemonic tells, -1. */
static int size_of(const struct line *l, const char *letters)
{
    static const struct {
        char letters[4];
        int8_t size;
    } fixed[] = {{"b", 0},  {"w", 1},  {"d", 2},  {"q", 3}, {"ss", 2}, {"sd", 3},
                 {"dq", 4}, {"ps", 4}, {"pd", 4}, {"x", 4}, {"pi", 3}};

    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (!strcmp(letters, fixed[i].letters))
            return fixed[i].size;
    if (!strcmp(letters, "v"))
        return l->general;
    if (!strcmp(letters, "z"))
        return l->general > 2 ? 2 : l->general;
    if (!strcmp(letters, "y"))
        return l->op->prefix & SOFT_REX_W ? 3 : 2;
    return -1;
}

static void put_memory(struct line *l, int size)
{
    static const char *const names[] = {"byte", "word", "dword", "qword", "xmmword"};
    const struct soft_op *op = l->op;
    int base = op->base / 8, index = op->index / 8;
    int usual = base == RSP || base == RBP ? SS : DS;
    uint64_t disp = op->disp;

    if (size >= 0)
        put(l, "%s ptr ", names[size]);
    if (op->segment != usual) {
        put_segment(l, op->segment);
        put(l, ":");
    }
    put(l, "[");
    if (base == RIP || (base == NO_REG && index == NO_REG)) {
        disp = soft_cut(op->asize, disp + (base == RIP ? l->ip : 0));
        put(l, "%#llx]", (unsigned long long)disp);
        return;
    }
    if (base != NO_REG)
        put_register(l, base, op->asize);
    if (index != NO_REG) {
        put(l, base != NO_REG ? "+" : "");
        put_register(l, index, op->asize);
        if (op->scale)
            put(l, "*%d", 1 << op->scale);
    }
    if (op->disp)
        put(l, "%c%#llx", op->disp < 0 ? '-' : '+',
            (unsigned long long)(op->disp < 0 ? -disp : disp));
    put(l, "]");
}

/* An operand that ModRM names: memory, or what stands in front of a register's number. */
static void put_rm(struct line *l, const char *name, int size)
{
    if (l->op->mem)
        put_memory(l, size);
    else
        put(l, "%s%d", name, l->op->rm);
}

/* An immediate of the one or two that there are. */
static void put_immediate(struct line *l, int size)
{
    uint64_t val = l->immediates++ ? l->op->imm2 : l->op->imm;

    /* Show it as extended to the operand's size. */
    if (size < l->op->osize && (int64_t)val < 0)
        size = l->op->osize;
    put(l, "%#llx", (unsigned long long)(size < 0 || size > 3 ? val : val & soft_size_mask(size)));
}

/* An operand that the mnemonic implies. */
static void put_implied(struct line *l, const char *word)
{
    if (!strcmp(word, "rax"))
        put_register(l, RAX, l->general);
    else if (!strcmp(word, "eax"))
        put_register(l, RAX, l->general > 2 ? 2 : l->general);
    else if (!strcmp(word, "st(i)"))
        put(l, "st(%d)", l->op->rm & 7);
    else if (!strcmp(word, "st0"))
        put(l, "st");
    else
        put(l, "%s", word);
}

static void put_operand(struct line *l, const char *word)
{
    const struct soft_op *op = l->op;
    int size = size_of(l, word + 1);

    switch (word[0]) {
    case 'E':
    case 'R':
        if (op->mem)
            put_memory(l, size);
        else
            put_general(l, op->rm, size < 0 || size > 3 ? l->general : size);
        break;
    case 'M':
        put_memory(l, size);
        break;
    case 'G':
        put_general(l, op->reg, size < 0 || size > 3 ? l->general : size);
        break;
    case 'Z':
        put_general(l, op->rm, size < 0 || size > 3 ? l->general : size);
        break;
    case 'B':
        put_general(l, op->vreg, size < 0 || size > 3 ? l->general : size);
        break;
    case 'S':
        put_segment(l, op->reg);
        break;
    case 'C':
        put(l, "cr%d", op->reg);
        break;
    case 'D':
        put(l, "dr%d", op->reg);
        break;
    case 'P':
        put(l, "mm%d", op->reg);
        break;
    case 'V':
        put(l, "xmm%d", op->reg);
        break;
    case 'Q':
    case 'N':
        put_rm(l, "mm", size < 0 || size > 3 ? 3 : size);
        break;
    case 'W':
    case 'U':
        put_rm(l, "xmm", size);
        break;
    case 'I':
        put_immediate(l, size);
        break;
    case 'O':
        put_memory(l, size);
        break;
    case 'J':
        put(l, "%#llx", (unsigned long long)soft_cut(l->general, l->ip + op->target));
        break;
    case 'A':
        put(l, "%#llx:%#llx", (unsigned long long)op->imm2, (unsigned long long)op->imm);
        break;
    case 'X':
        put(l, "%s", "");
        put_segment(l, op->segment);
        put(l, ":[");
        put_register(l, RSI, op->asize);
        put(l, "]");
        break;
    case 'Y':
        put(l, "es:[");
        put_register(l, RDI, op->asize);
        put(l, "]");
        break;
    default:
        put_implied(l, word);
    }
}

/* Does F3 or F2 repeat it? */
static bool is_string(const char *text)
{
    return strpbrk(text, "XY");
}

static int general_size(uint32_t mode, const struct soft_op *op, uint32_t attributes)
{
    int code = mode & MODE_CODE_SIZE;
    bool data = op->prefix & SOFT_DATA;

    if (code < 3)
        return code == 1 ? 1 + data : 2 - data;
    if (op->prefix & SOFT_REX_W || attributes & ROW_FORCE64)
        return 3;
    return data ? 1 : attributes & ROW_DEFAULT64 ? 3 : 2;
}

static void put_row(struct line *l, const struct soft_row *row)
{
    const char *s = row->text, *between = " ";
    bool compares = strstr(s, "cmps") || strstr(s, "scas");

    if (l->op->prefix & SOFT_LOCK)
        put(l, "lock ");
    if (is_string(s) && l->op->prefix & (SOFT_REP | SOFT_REPNE))
        put(l, "%s ", l->op->prefix & SOFT_REPNE ? "repne" : compares ? "repe" : "rep");
    size_t n = strcspn(s, " ");

    put(l, "%.*s", (int)n, s);
    s += n;
    for (;;) {
        char word[24];

        s += strspn(s, " ,");
        n = strcspn(s, " ,");
        if (!n)
            break;
        snprintf(word, sizeof(word), "%.*s", (int)n, s);
        s += n;
        put(l, "%s", between);
        put_operand(l, word);
        between = ", ";
    }
}

int soft_disassemble(uint32_t mode, const uint8_t *bytes, int n, uint64_t ip, char *text,
                     size_t size)
{
    /* Only handlers depend on the kind of stack: take any that code of this size can have. */
    mode &= ~(3 << MODE_STACK_SHIFT);
    if ((mode & MODE_CODE_SIZE) != 3)
        mode |= ANYHOW << MODE_STACK_SHIFT;
    struct soft_op op;
    struct soft_decoded d = soft_decode(mode, bytes, n, 0, &op);
    struct line l = {.text = text,
                     .size = size,
                     .op = &op,
                     .mode = mode,
                     .attributes = d.attributes,
                     .ip = ip,
                     .general = general_size(mode, &op, d.attributes)};

    text[0] = 0;
    if (d.row)
        put_row(&l, d.row);
    else
        put(&l, "%s", d.len ? "(bad)" : "(incomplete)");
    return d.len;
}
