// SPDX-License-Identifier: MIT
/*
 * From bytes to operations: prefixes, opcode, ModRM, SIB, displacement, immediate.
 *
 * The tables of opcodes are written as the manual writes them. They are searched by map and opcode:
 * where in them an opcode is, is noted before the first instruction; its rows are read when it is
 * met for the first time. So a program of three instructions is not kept waiting for the other 900
 * rows.
 *
 * After: Intel SDM vol. 2A, "Instruction Format"; vol. 2D, "Opcode Map".
 *
 * Left out: EVEX and XOP encodings, and VEX ones of 256 bits: CPUID offers nothing that has them.
 */
#include "x86/soft/decode.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    MAPS = 4, /* one byte, 0f, 0f 38, 0f 3a */
    ENTRIES = 2048,
    ROWS = 2048,
    ANY = -1,
    END = -1, /* of a list of entries */
};

enum prefix_rule {
    FREE_PREFIX,
    NO_PREFIX,
    PREFIX_66,
    PREFIX_F3,
    PREFIX_F2,
};

enum mod_rule {
    ANY_MOD,
    MEMORY,
    REGISTER,
    NO_MOD, /* not looked at: a register */
};

/* The kind of register that ModRM's fields number. */
enum register_class {
    NUMBER,   /* as it stands, with REX's bit */
    NUMBER8,  /* three bits */
    GENERAL,  /* general register */
    GENERAL8, /* byte register */
};

enum immediate {
    NO_IMMEDIATE,
    IMM8,
    IMM16,
    IMM_Z,
    IMM_V,
    IMM_FAR,
    IMM_OFFSET,
    BRANCH8,
    BRANCH_Z,
};

/* A row after parsing. */
struct entry {
    const struct soft_row *row;
    uint16_t number;
    int16_t next; /* of the same map and opcode, or END */
    uint8_t map, opcode;
    bool vex, modrm, low_reg; /* low_reg: +r */
    uint8_t prefix, mod;
    int8_t digit;    /* ModRM.reg, or ANY */
    int16_t exact;   /* all of ModRM, or ANY */
    char size;       /* of op->osize: b w d q v z y */
    uint8_t reg, rm; /* enum register_class */
    uint8_t immediate[2];
};

static struct soft_row rows[ROWS]; /* by number, from 1 on; those that were met */
static struct entry entries[ENTRIES];
static int entry_count = 1;

/* By map and opcode. first: the entries of its rows, from 1 on, or END; 0 as long as they are not
 * read. The rows that it has are in places, from 1 on, the last one first. */
static int16_t first[MAPS][256];
static uint16_t places_of[MAPS][256];
static struct place {
    uint16_t number, next;
} places[ENTRIES];
static pthread_mutex_t reading = PTHREAD_MUTEX_INITIALIZER;

static soft_table *const tables[] = {
    /* clang-format off */
    soft_move_rows,
    soft_integer_rows,
    soft_muldiv_rows,
    soft_bits_rows,
    soft_bmi_rows,
    soft_string_rows,
    soft_control_rows,
    soft_gate_rows,
    soft_selector_rows,
    soft_system_rows,
    soft_x87_rows,
    soft_mmx_rows,
    soft_sse_rows,
    soft_sse_int_rows,
    soft_sse_float_rows,
    soft_sse4_rows,
    soft_sse_string_rows,
    soft_xsave_rows,
    /* clang-format on */
};
#define TABLES ((int)(sizeof(tables) / sizeof(tables[0])))
static uint16_t begin[TABLES + 1]; /* the numbers of their first rows, and of none */

/* Two hexadecimal digits. */
static uint8_t hex_byte(const char *s)
{
    return (s[0] <= '9' ? s[0] - '0' : s[0] - 'a' + 10) << 4 |
           (s[1] <= '9' ? s[1] - '0' : s[1] - 'a' + 10);
}

/* One word of an encoding of that length. Bytes are prefixes, escapes, and then the opcode, to
 * which *opcode is set then. */
static void read_word(struct entry *e, const char *word, size_t length, bool *opcode)
{
    uint8_t byte;

    switch (word[0]) {
    case 'v':
        e->vex = true;
        return;
    case 'n':
        e->prefix = NO_PREFIX;
        return;
    case 'm':
        e->mod = MEMORY;
        return;
    case 'r':
        e->mod = REGISTER;
        return;
    case '/':
        e->digit = word[1] - '0';
        return;
    case '=':
        e->exact = hex_byte(word + 1);
        return;
    }
    byte = hex_byte(word);
    assert(!*opcode && (length == 2 || (length == 4 && word[2] == '+')));
    if (e->map == 0 && byte == 0x66)
        e->prefix = PREFIX_66;
    else if (e->map == 0 && byte == 0xf3)
        e->prefix = PREFIX_F3;
    else if (e->map == 0 && byte == 0xf2)
        e->prefix = PREFIX_F2;
    else if (e->map == 0 && byte == 0x0f)
        e->map = 1;
    else if (e->map == 1 && length == 2 && (byte == 0x38 || byte == 0x3a))
        e->map = byte == 0x38 ? 2 : 3;
    else {
        *opcode = true;
        e->opcode = byte;
        e->low_reg = length > 2;
    }
}

static void read_encoding(struct entry *e, const char *s)
{
    bool opcode = false;

    for (;;) {
        size_t length = 0;

        while (s[length] && s[length] != ' ')
            length++;
        read_word(e, s, length, &opcode);
        if (!s[length])
            break;
        s += length + 1;
    }
    /* A mandatory prefix alone is no opcode, and an escape is not one either. */
    assert(opcode);
    e->modrm = e->mod || e->digit != ANY || e->exact != ANY;
}

/* The next word of s into word; false at the end. */
static bool next_word(const char **s, char *word, size_t size, const char *separators)
{
    size_t n;

    *s += strspn(*s, separators);
    n = strcspn(*s, separators);
    assert(n < size);
    memcpy(word, *s, n);
    word[n] = 0;
    *s += n;
    return n > 0;
}

/* One operand of a row's text. */
static void read_operand(struct entry *e, const char *word, char *size)
{
    char kind = word[0], letter = word[1] && !word[2] ? word[1] : 0;
    bool general = strchr("EGMRZXYO", kind), byte = letter == 'b';
    switch (kind) {
    case 'E':
    case 'R':
        e->modrm = true;
        e->rm = byte ? GENERAL8 : GENERAL;
        break;
    case 'G':
        e->modrm = true;
        e->reg = byte ? GENERAL8 : GENERAL;
        break;
    case 'Z':
        e->rm = byte ? GENERAL8 : GENERAL;
        break;
    case 'M':
        e->modrm = true;
        if (!e->mod)
            e->mod = MEMORY;
        break;
    case 'P':
    case 'S':
        e->modrm = true;
        e->reg = NUMBER8;
        break;
    case 'Q':
    case 'N':
        e->modrm = true;
        e->rm = NUMBER8;
        break;
    case 'V':
    case 'W':
    case 'U':
        e->modrm = true;
        break;
    case 'C':
    case 'D':
        e->modrm = true;
        e->mod = NO_MOD;
        break;
    case 'I':
        e->immediate[e->immediate[0] != NO_IMMEDIATE] = letter == 'b'   ? IMM8
                                                        : letter == 'w' ? IMM16
                                                        : letter == 'v' ? IMM_V
                                                                        : IMM_Z;
        break;
    case 'A':
        e->immediate[0] = IMM_FAR;
        break;
    case 'O':
        e->immediate[0] = IMM_OFFSET;
        break;
    case 'J':
        e->immediate[0] = byte ? BRANCH8 : BRANCH_Z;
        break;
    default:
        if (!strcmp(word, "al"))
            letter = 'b', general = true;
        else if (!strcmp(word, "rax"))
            letter = 'v', general = true;
        else if (!strcmp(word, "eax"))
            letter = 'z', general = true;
        break;
    }
    if ((kind == 'U' || kind == 'N' || kind == 'R') && e->mod != NO_MOD)
        e->mod = REGISTER;
    if (general && letter && strchr("bwdqvzy", letter) && !*size)
        *size = letter;
}

static void read_row(struct entry *e, int number)
{
    const struct soft_row *row = &rows[number];
    const char *s = row->text;
    char word[24], size = 0;

    *e = (struct entry){
        .row = row, .number = number, .digit = ANY, .exact = ANY, .reg = NUMBER, .rm = NUMBER};
    read_encoding(e, row->encoding);
    next_word(&s, word, sizeof(word), " ");
    while (next_word(&s, word, sizeof(word), " ,"))
        read_operand(e, word, &size);
    if (e->exact != ANY)
        e->mod = e->exact >= 0xc0 ? REGISTER : MEMORY;
    e->size = size ? size : 'v';
}

/* Note where the rows are. */
static void find_places(void)
{
    int number = 1, n = 1;

    for (int t = 0; t < TABLES; t++) {
        struct soft_row row;

        begin[t] = number;
        for (int i = 0; tables[t](i, &row); i++, number++) {
            struct entry e = {.digit = ANY, .exact = ANY};

            assert(number < ROWS);
            read_encoding(&e, row.encoding);
            for (int r = 0; r < (e.low_reg ? 8 : 1); r++, n++) {
                uint16_t *of = &places_of[e.map][e.opcode + r];

                assert(n < ENTRIES);
                places[n] = (struct place){number, *of};
                *of = n;
            }
        }
    }
    begin[TABLES] = number;
}

static void find_places_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, find_places);
}

/* The row of this number, with `reading` held. NULL when there is none. */
static const struct soft_row *meet_row(int number)
{
    struct soft_row *row = &rows[number];
    int t = 0;

    while (t < TABLES && begin[t + 1] <= number)
        t++;
    if (t < TABLES && !row->encoding)
        tables[t](number - begin[t], row);
    return row->encoding ? row : NULL;
}

/*
 * Read the rows of an opcode, with `reading` held. Rows that ask for a prefix are tried before
 * those that do not.
 */
static int16_t read_opcode(int map, int opcode)
{
    int16_t with = END, without = END, *end_of_with = &with;

    for (int p = places_of[map][opcode]; p; p = places[p].next) {
        int16_t index = entry_count++;
        struct entry *e = &entries[index];

        meet_row(places[p].number);
        read_row(e, places[p].number);
        int16_t *list = e->prefix == FREE_PREFIX ? &without : end_of_with;

        e->next = *list;
        *list = index;
        if (e->prefix != FREE_PREFIX)
            end_of_with = &e->next;
    }
    *end_of_with = without;
    return with;
}

/* The first entry of an opcode, or END. */
static int first_entry(int map, int opcode)
{
    int16_t *at = &first[map][opcode];
    int16_t index = __atomic_load_n(at, __ATOMIC_ACQUIRE);

    if (unlikely(!index)) {
        pthread_mutex_lock(&reading);
        index = *at;
        if (!index) {
            index = read_opcode(map, opcode);
            __atomic_store_n(at, index, __ATOMIC_RELEASE);
        }
        pthread_mutex_unlock(&reading);
    }
    return index;
}

const struct soft_row *soft_row(int number)
{
    const struct soft_row *row;

    find_places_once();
    if (number < 1 || number >= ROWS)
        return NULL;
    pthread_mutex_lock(&reading);
    row = meet_row(number);
    pthread_mutex_unlock(&reading);
    return row;
}

/* The instruction being decoded. */
struct source {
    const uint8_t *bytes;
    int n, at;
    bool short_of; /* more bytes were wanted than there are */
    uint32_t mode;
    bool data, address; /* prefixes 66, 67 */
    uint8_t rep;        /* f2, f3 or 0 */
    int segment;        /* or -1 */
    uint8_t rex;        /* with VEX's bits, too; 0 for none */
    bool has_rex;       /* a real one */
    bool lock, vex, vex_256;
    uint8_t vvvv;
    int map, opcode;
    uint8_t modrm;
};

static uint64_t take(struct source *s, int bytes)
{
    uint64_t val = 0;

    if (s->at + bytes > s->n) {
        s->short_of = true;
        s->at = s->n;
        return 0;
    }
    for (int i = 0; i < bytes; i++)
        val |= (uint64_t)s->bytes[s->at + i] << (8 * i);
    s->at += bytes;
    return val;
}

static int64_t take_signed(struct source *s, int osize)
{
    return soft_sign(osize, take(s, 1 << osize));
}

static bool is64(const struct source *s)
{
    return (s->mode & MODE_CODE_SIZE) == 3;
}

/* Prefixes and the first byte of the opcode. */
static uint8_t take_prefixes(struct source *s)
{
    for (;;) {
        uint8_t byte = take(s, 1);

        if (s->short_of)
            return 0;
        s->rex = 0;
        switch (byte) {
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
            if (!is64(s)) /* else they have no effect, and FS or GS stays */
                s->segment = byte >> 3 & 3;
            break;
        case 0x64:
        case 0x65:
            s->segment = byte & 7;
            break;
        case 0x66:
            s->data = true;
            break;
        case 0x67:
            s->address = true;
            break;
        case 0xf0:
            s->lock = true;
            break;
        case 0xf2:
        case 0xf3:
            s->rep = byte;
            break;
        default:
            if (!is64(s) || (byte & 0xf0) != 0x40)
                return byte;
            s->rex = byte;
            byte = take(s, 1);
            if (s->short_of)
                return 0;
            /* A REX prefix counts only just before the opcode. */
            if ((byte & 0xf0) == 0x40 ||
                memchr("\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3", byte, 11)) {
                s->at--;
                break;
            }
            return byte;
        }
    }
}

/* The rest of a VEX prefix. False when the combination is none. */
static bool take_vex(struct source *s, uint8_t byte)
{
    static const uint8_t pp[4] = {0, 0x66, 0xf3, 0xf2};
    uint8_t b1 = take(s, 1), b2 = byte == 0xc4 ? take(s, 1) : b1;
    int map = byte == 0xc4 ? b1 & 0x1f : 1;

    if (s->data || s->rep || s->lock || s->rex)
        return false;
    s->vex = true;
    s->rex = (~b1 >> 5 & 4) | 0x40; /* R */
    if (byte == 0xc4)
        s->rex |= (~b1 >> 5 & 2) | (~b1 >> 5 & 1) | (b2 >> 4 & 8); /* X B W */
    if (!is64(s))
        s->rex &= ~0xf;
    s->vvvv = ~b2 >> 3 & 15;
    if (!is64(s))
        s->vvvv &= 7;
    s->vex_256 = b2 & 4;
    s->data = pp[b2 & 3] == 0x66;
    s->rep = pp[b2 & 3] > 0x66 ? pp[b2 & 3] : 0;
    s->map = map;
    s->opcode = take(s, 1);
    return map >= 1 && map <= 3 && !s->vex_256;
}

static bool take_opcode(struct source *s)
{
    uint8_t byte = take_prefixes(s);

    if (s->short_of)
        return false;
    if (byte == 0xc4 || byte == 0xc5) {
        bool follows = s->at < s->n && s->bytes[s->at] >= 0xc0;

        if (!is64(s) && s->at == s->n) {
            s->short_of = true;
            return false;
        }
        if (is64(s) || (follows && s->mode & MODE_PROTECTED))
            return take_vex(s, byte);
    }
    s->map = 0;
    s->opcode = byte;
    if (byte != 0x0f)
        return true;
    s->map = 1;
    s->opcode = take(s, 1);
    if (s->opcode == 0x38 || s->opcode == 0x3a) {
        s->map = s->opcode == 0x38 ? 2 : 3;
        s->opcode = take(s, 1);
    }
    return true;
}

static bool prefix_fits(const struct source *s, int rule)
{
    switch (rule) {
    case NO_PREFIX:
        return !s->rep && !s->data;
    case PREFIX_66:
        return !s->rep && s->data;
    case PREFIX_F3:
        return s->rep == 0xf3;
    case PREFIX_F2:
        return s->rep == 0xf2;
    default:
        return true;
    }
}

/* What the byte at s->at says as a ModRM byte; 0 where there is none. */
static const struct entry *find_entry(const struct source *s)
{
    int modrm = s->at < s->n ? s->bytes[s->at] : -1;

    for (int i = first_entry(s->map, s->opcode); i != END; i = entries[i].next) {
        const struct entry *e = &entries[i];
        uint32_t attributes = e->row->attributes;

        if (e->vex != s->vex || !prefix_fits(s, e->prefix))
            continue;
        if (attributes & (is64(s) ? ROW_NO64 : ROW_ONLY64))
            continue;
        if (attributes & ROW_PROTECTED && !(s->mode & MODE_PROTECTED))
            continue;
        if (e->modrm && modrm < 0)
            return e; /* to ask for more */
        if ((e->digit != ANY && (modrm >> 3 & 7) != e->digit) ||
            (e->exact != ANY && modrm != e->exact) || (e->mod == MEMORY && modrm >= 0xc0) ||
            (e->mod == REGISTER && modrm < 0xc0))
            continue;
        return e;
    }
    return NULL;
}

/* The offset in the register file of a byte register. */
static uint8_t byte_register(const struct source *s, int n)
{
    return s->has_rex || n < 4 || n > 7 ? n * 8 : (n - 4) * 8 + 1;
}

static uint8_t name_register(const struct source *s, int class, int n)
{
    switch (class) {
    case GENERAL:
        return n * 8;
    case GENERAL8:
        return byte_register(s, n);
    case NUMBER8:
        return n & 7;
    default:
        return n;
    }
}

static void address16(struct source *s, struct soft_op *op)
{
    static const uint8_t base[8] = {RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX};
    static const uint8_t index[8] = {RSI, RDI, RSI, RDI, NO_REG, NO_REG, NO_REG, NO_REG};
    int mod = s->modrm >> 6, rm = s->modrm & 7;

    if (mod == 0 && rm == 6) {
        op->disp = take_signed(s, 1);
        return;
    }
    op->base = base[rm] * 8;
    op->index = index[rm] * 8;
    if (mod)
        op->disp = take_signed(s, mod - 1);
    if (base[rm] == RBP)
        op->segment = SS;
}

static void address32(struct source *s, struct soft_op *op)
{
    int mod = s->modrm >> 6, rm = s->modrm & 7, base = rm | (s->rex & 1) << 3;

    if (rm == 4) {
        uint8_t sib = take(s, 1);
        int index = (sib >> 3 & 7) | (s->rex & 2) << 2;

        base = (sib & 7) | (s->rex & 1) << 3;
        if (index != RSP) {
            op->index = index * 8;
            op->scale = sib >> 6;
        }
        if ((sib & 7) == RBP && mod == 0)
            base = NO_REG;
    } else if (rm == RBP && mod == 0) {
        base = is64(s) ? RIP : NO_REG;
    }
    op->base = base * 8;
    if (base == RSP || base == RBP)
        op->segment = SS;
    if (base == NO_REG || base == RIP)
        op->disp = take_signed(s, 2);
    else if (mod)
        op->disp = take_signed(s, mod == 1 ? 0 : 2);
}

static void take_immediate(struct source *s, struct soft_op *op, int kind, bool second)
{
    int z = op->osize > 2 ? 2 : op->osize;
    int64_t val = 0;

    switch (kind) {
    case NO_IMMEDIATE:
        return;
    case IMM8:
        val = take_signed(s, 0);
        break;
    case IMM16:
        val = take(s, 2);
        break;
    case IMM_Z:
        val = take_signed(s, z);
        break;
    case IMM_V:
        val = take_signed(s, op->osize);
        break;
    case IMM_FAR:
        op->imm = take(s, 1 << z);
        op->imm2 = take(s, 2);
        return;
    case IMM_OFFSET:
        op->disp = take(s, 1 << op->asize);
        op->mem = true;
        return;
    case BRANCH8:
        op->target = take_signed(s, 0);
        return;
    case BRANCH_Z:
        op->target = take_signed(s, z);
        return;
    }
    if (second)
        op->imm2 = val;
    else
        op->imm = val;
}

static uint8_t operand_size(const struct source *s, const struct entry *e)
{
    int code = s->mode & MODE_CODE_SIZE;
    uint32_t attributes = e->row->attributes;
    /* A mandatory 66 does not change sizes. */
    bool data = s->data && e->prefix != PREFIX_66;
    int v = code == 1 ? 1 + data : 2 - data;

    if (code == 3) {
        if (s->rex & 8 || attributes & ROW_FORCE64)
            v = 3;
        else if (attributes & ROW_DEFAULT64 && v == 2)
            v = 3;
    }
    switch (e->size) {
    case 'b':
        return 0;
    case 'w':
        return 1;
    case 'd':
        return 2;
    case 'q':
        return 3;
    case 'z':
        return v > 2 ? 2 : v;
    case 'y':
        return s->rex & 8 && code == 3 ? 3 : 2;
    default:
        return v;
    }
}

static int kind_of(uint32_t mode, const struct soft_row *row, const struct soft_op *op)
{
    if (row->attributes & ROW_STACK)
        return mode >> MODE_STACK_SHIFT & 3;
    if ((mode & MODE_CODE_SIZE) == 3)
        return op->asize == 3 && op->segment < FS ? FLAT64 : ANYHOW;
    return op->asize == 2 && mode >> (MODE_FLAT_SHIFT + op->segment) & 1 ? FLAT32 : ANYHOW;
}

static bool in_memory(const struct soft_row *row, const struct soft_op *op)
{
    return op->mem || row->attributes & ROW_STACK;
}

/* NULL for none. */
static soft_handler *choose(uint32_t mode, const struct soft_row *row, const struct soft_op *op)
{
    bool lock = op->prefix & SOFT_LOCK;
    struct soft_forms forms;

    if (lock && !op->mem)
        return NULL;
    if (row->run)
        return lock && !(row->attributes & ROW_LOCK) ? NULL : row->run;
    row->forms[op->osize](&forms);
    if (lock)
        return forms.lock;
    return in_memory(row, op) ? forms.mem[kind_of(mode, row, op)] : forms.reg;
}

void soft_join(uint32_t mode, struct soft_op *op)
{
    const struct soft_row *row = &rows[op[0].row], *jump = &rows[op[1].row];
    struct soft_forms forms;

    /* A jump of another size than the code's cuts its target. */
    if (!op[0].row || row->run || op->prefix & SOFT_LOCK || !(jump->attributes & ROW_CONDITION) ||
        op[1].osize != (mode & MODE_CODE_SIZE))
        return;
    row->forms[op->osize](&forms);
    soft_handler *run =
        in_memory(row, op) ? forms.mem_jump[kind_of(mode, row, op)] : forms.reg_jump;

    if (run)
        op->run = run;
}

static void invalid(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    soft_raise(c, EXCEPTION_UD);
}

static void too_long(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    soft_raise_code(c, EXCEPTION_GP, 0);
}

static struct soft_decoded bad(struct source *s, struct soft_op *op, soft_handler *run)
{
    op->run = run;
    op->row = 0;
    op->len = s->at;
    return (struct soft_decoded){.len = s->at, .attributes = ROW_END};
}

/* Bytes are missing: a fault only when the instruction is too long, too. */
static struct soft_decoded incomplete(struct source *s, struct soft_op *op)
{
    if (s->n >= SOFT_MAX_LEN)
        return bad(s, op, too_long);
    return (struct soft_decoded){0};
}

struct soft_decoded soft_decode(uint32_t mode, const uint8_t *bytes, int n, int offset,
                                struct soft_op *op)
{
    struct source s = {.bytes = bytes, .n = n, .mode = mode, .segment = -1};

    assert(n >= 1 && n <= SOFT_MAX_LEN);
    find_places_once();
    *op =
        (struct soft_op){.base = NO_REG * 8, .index = NO_REG * 8, .offset = offset, .segment = DS};
    bool ok = take_opcode(&s);

    if (s.short_of)
        return incomplete(&s, op);
    if (!ok)
        return bad(&s, op, invalid);
    s.has_rex = s.rex && !s.vex;
    const struct entry *e = find_entry(&s);

    if (!e)
        return bad(&s, op, invalid);
    int code = mode & MODE_CODE_SIZE;

    op->row = e->number;
    op->opcode = s.opcode;
    op->asize = code == 3 ? 3 - s.address : code == 2 ? 2 - s.address : 1 + s.address;
    op->osize = operand_size(&s, e);
    op->vreg = s.vvvv * 8;
    op->prefix = (s.lock ? SOFT_LOCK : 0) | (s.rep == 0xf3 ? SOFT_REP : 0) |
                 (s.rep == 0xf2 ? SOFT_REPNE : 0) | (s.data ? SOFT_DATA : 0) |
                 (s.rex & 8 ? SOFT_REX_W : 0);
    if (e->modrm) {
        s.modrm = take(&s, 1);
        op->reg = name_register(&s, e->reg, (s.modrm >> 3 & 7) | (s.rex & 4) << 1);
        op->mem = s.modrm < 0xc0 && e->mod != NO_MOD;
        if (e->row->attributes & ROW_FPU)
            op->modrm = s.modrm;
        if (!op->mem)
            op->rm = name_register(&s, e->rm, (s.modrm & 7) | (s.rex & 1) << 3);
        else if (op->asize == 1)
            address16(&s, op);
        else
            address32(&s, op);
    }
    if (e->low_reg)
        op->rm = name_register(&s, e->rm, (s.opcode & 7) | (s.rex & 1) << 3);
    if (s.segment >= 0)
        op->segment = s.segment;
    take_immediate(&s, op, e->immediate[0], false);
    take_immediate(&s, op, e->immediate[1], true);
    if (s.short_of)
        return incomplete(&s, op);
    op->len = s.at;
    if (e->immediate[0] >= BRANCH8)
        op->target += offset + op->len;
    else if (op->mem && op->base == RIP * 8)
        op->disp += offset + op->len;
    op->run = choose(mode, e->row, op);
    if (!op->run)
        return bad(&s, op, invalid);
    return (struct soft_decoded){.len = op->len, .attributes = e->row->attributes, .row = e->row};
}
