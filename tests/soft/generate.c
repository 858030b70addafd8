// SPDX-License-Identifier: MIT
/*
 * Random samples. The bytes come from a row's encoding and are decoded at once, so that the
 * registers of an address can be chosen to lead to memory that is there, or ends there.
 */
#include "tests/soft/sample.h"
#include "tests/unit/random.h"

#include <stdlib.h>

void generate_seed(uint64_t s)
{
    /* A step of splitmix64, so that neighbours have nothing in common. */
    s += 0x9e3779b97f4a7c15;
    s = (s ^ s >> 30) * 0xbf58476d1ce4e5b9;
    s = (s ^ s >> 27) * 0x94d049bb133111eb;
    seed = (s ^ s >> 31) | 1;
}

static bool one_in(int n)
{
    return below(n) == 0;
}

/* ---- values ---- */

static uint64_t data_address(void)
{
    uint64_t at = below(DATA_SIZE);

    switch (below(16)) {
    case 0:
    case 1:
        return DATA + 4096 - below(20); /* across the middle */
    case 2:
        return DATA + DATA_SIZE - below(20); /* over the end */
    case 3:
        return DATA - 16 + below(20);
    case 4:
        return one_in(2) ? CONST + below(CONST_SIZE) : CODE + below(CODE_SIZE);
    case 5:
    case 6:
    case 7:
        return DATA + at;
    default:
        return DATA + at / 16 * 16;
    }
}

static uint64_t code_address(void)
{
    return CODE + below(CODE_SIZE);
}

static uint64_t value(void)
{
    uint64_t sign = UINT64_C(1) << (8 * (1 << below(4)) - 1);

    switch (below(16)) {
    case 0:
        return 0;
    case 1:
        return below(3) - 1;
    case 2:
        return sign + below(3) - 1;
    case 3:
        return -sign + below(3) - 1;
    case 4:
        return UINT64_C(1) << below(64);
    case 5:
    case 6:
        return below(256);
    case 7:
        return random64() >> below(64);
    case 8:
        return (int64_t)random64() >> below(64);
    case 9:
        return data_address();
    case 10:
        return code_address();
    case 11:
        return below(256) * 0x0101010101010101;
    default:
        return random64();
    }
}

static uint64_t double_value(void)
{
    static const uint64_t odd[] = {
        0,                  /* 0 */
        0x3ff0000000000000, /* 1 */
        0x3fe0000000000000, /* 0.5 */
        0x7ff0000000000000, /* infinity */
        0x7ff8000000000000, /* quiet and */
        0x7ff8000000012345,
        0x7ff4000000054321, /* signalling NaN */
        0x0000000000000001, /* denormals */
        0x000fffffffffffff,
        0x0010000000000000, /* the least and */
        0x7fefffffffffffff, /* the greatest number */
        0x41dfffffffc00000, /* 2^31 - 1 */
        0x41e0000000000000, /* 2^31 */
        0x43e0000000000000, /* 2^63 */
        0x40dfffe000000000, /* 2^15 - 0.5 */
    };
    uint64_t sign = random64() << 63;

    if (one_in(2))
        return PICK(odd) ^ sign;
    /* Of a size that others can be added to. */
    return (random64() >> 12 << below(52) & 0x000fffffffffffff) | (1023 - 40 + below(80)) << 52 |
           sign;
}

static uint32_t float_value(void)
{
    static const uint32_t odd[] = {0,          0x3f800000, 0x3f000000, 0x7f800000, 0x7fc00000,
                                   0x7fc12345, 0x7fa12345, 0x00000001, 0x007fffff, 0x00800000,
                                   0x7f7fffff, 0x4effffff, 0x4f000000, 0x5f000000, 0x46ffff00};
    uint32_t sign = random64() << 31;

    if (one_in(2))
        return PICK(odd) ^ sign;
    return (random64() & 0x7fffff) | (127 - 16 + below(32)) << 23 | sign;
}

/* Sixteen bytes that mean something to somebody. */
static void any_bytes(uint8_t to[16])
{
    for (int i = 0, kind = below(4); i < 2; i++) {
        uint64_t val = kind == 0   ? double_value()
                       : kind == 1 ? float_value() | (uint64_t)float_value() << 32
                       : kind == 2 ? value()
                                   : random64();

        memcpy(to + 8 * i, &val, 8);
    }
}

/* A number of 80 bits. */
static void extended(uint8_t to[16])
{
    static const uint64_t mantissa[] = {
        0, UINT64_C(1) << 63, UINT64_C(3) << 62, UINT64_MAX, 1, UINT64_C(0x8000000000000001),
    };
    static const uint16_t exponent[] = {0, 1, 0x7fff, 0x7ffe, 0x3fff, 0x3ffe, 0x403e, 0x401e};
    uint64_t m = one_in(2) ? PICK(mantissa) : random64() | UINT64_C(1) << 63;
    uint16_t e = one_in(2) ? PICK(exponent) : 0x3fff - 70 + below(140);

    if (one_in(3)) { /* an integer */
        m = random64() | UINT64_C(1) << 63;
        m = m >> below(64) << below(64);
        m |= UINT64_C(1) << 63;
        e = 0x3fff + below(64);
    }
    e |= random64() << 15;
    memset(to, 0, 16);
    memcpy(to, &m, 8);
    memcpy(to + 8, &e, 2);
}

static void any_fpu(struct soft_fpu *f)
{
    f->fcw = 0x37f;
    if (one_in(2))
        f->fcw = 0x7f | below(16) << 8;
    if (one_in(8))
        f->fcw = (random64() & 0x1f3f) | 0x40;
    f->fsw = below(8) << 11 | (random64() & 0x4700);
    if (one_in(8))
        f->fsw |= below(128);
    /* Summary and busy follow from the rest. */
    if (f->fsw & ~f->fcw & 0x3f)
        f->fsw |= 0x8080;
    f->ftw = one_in(2) ? 0xff : random64();
    f->mxcsr = 0x1f80;
    if (one_in(2))
        f->mxcsr = 0x1f80 | (random64() & 0xe07f);
    if (one_in(16))
        f->mxcsr = random64() & 0xffff;
    for (int i = 0; i < 8; i++)
        extended(f->st[i]);
    for (int i = 0; i < 16; i++)
        any_bytes(f->xmm[i]);
}

static void any_state(struct state *s)
{
    static const uint64_t bases[] = {0, 0, 0x1000, DATA, DATA + 8, 0x7ffffffde000};

    plain_state(s);
    for (int i = 0; i < 16; i++)
        s->r[i] = value();
    s->r[RSP] = data_address();
    if (one_in(2))
        s->r[RSP] = DATA + 64 + below(DATA_SIZE / 8 - 16) * 8;
    for (int i = RBP; i <= RDI; i++)
        if (!one_in(4))
            s->r[i] = data_address();
    s->flags = EFLAGS_FIXED | EFLAGS_IF | (random64() & EFLAGS_ARITHMETIC);
    if (one_in(4))
        s->flags |= EFLAGS_DF;
    if (one_in(64))
        s->flags |= EFLAGS_AC;
    if (one_in(64))
        s->flags |= EFLAGS_ID;
    s->fs = PICK(bases);
    s->gs = PICK(bases);
    any_fpu(&s->fpu);
}

/* What memory has at an address in DATA. */
static void patch(struct sample *s, uint64_t at)
{
    struct patch *p = &s->patch[s->patches];

    at -= DATA;
    if (s->patches == PATCHES || at >= DATA_SIZE)
        return;
    p->at = at;
    p->n = at + 16 > DATA_SIZE ? DATA_SIZE - at : 16;
    any_bytes(p->bytes);
    if (one_in(4))
        extended(p->bytes);
    if (one_in(3)) {
        uint64_t to = code_address();

        memcpy(p->bytes, &to, 8);
    }
    s->patches++;
}

/* ---- bytes ---- */

/* What is known of a row from its text. */
struct shape {
    bool vex;
    uint8_t need; /* 66, f3, f2 that belongs to the opcode, or 0 */
    bool bare;    /* none may stand before it */
    int map;
    uint8_t opcode;
    bool low_reg;
    int digit, exact, mod; /* mod: 'm', 'r' or 0 */
};

static struct shape read_shape(const char *s)
{
    struct shape h = {.digit = -1, .exact = -1};
    bool opcode = false;

    while (*s) {
        char word[16];
        size_t n = strcspn(s, " ");

        memcpy(word, s, n);
        word[n] = 0;
        s += n + strspn(s + n, " ");
        unsigned byte = strtoul(word, NULL, 16);

        if (!strcmp(word, "vex"))
            h.vex = true;
        else if (!strcmp(word, "np"))
            h.bare = true;
        else if (!strcmp(word, "mem") || !strcmp(word, "reg"))
            h.mod = word[0];
        else if (word[0] == '/')
            h.digit = word[1] - '0';
        else if (word[0] == '=')
            h.exact = strtoul(word + 1, NULL, 16);
        else if (!opcode && !h.map && (byte == 0x66 || byte == 0xf3 || byte == 0xf2))
            h.need = byte;
        else if (!opcode && !h.map && byte == 0x0f)
            h.map = 1;
        else if (!opcode && h.map == 1 && (byte == 0x38 || byte == 0x3a))
            h.map = byte == 0x38 ? 2 : 3;
        else {
            h.opcode = byte;
            h.low_reg = strchr(word, '+');
            opcode = true;
        }
    }
    return h;
}

struct bytes {
    uint8_t *to;
    int n;
};

static void add(struct bytes *b, uint8_t byte)
{
    if (b->n < 32)
        b->to[b->n++] = byte;
}

static bool is_string(const char *text)
{
    return strpbrk(text, "XY");
}

static bool may_lock(const struct soft_row *row)
{
    struct soft_forms forms = {0};

    if (row->forms[3])
        row->forms[3](&forms);
    return row->attributes & ROW_LOCK || forms.lock;
}

static void add_prefixes(struct bytes *b, const struct soft_row *row, const struct shape *h,
                         bool compat)
{
    uint8_t list[8];
    int n = 0;
    bool mandatory = h->need || h->bare;

    if (h->need && !h->vex)
        list[n++] = h->need;
    if (!h->vex && one_in(mandatory ? 24 : 4))
        list[n++] = 0x66;
    if (one_in(10))
        list[n++] = 0x67;
    if (one_in(8))
        list[n++] = one_in(2) ? 0x64 : 0x65;
    else if (one_in(16))
        list[n++] = 0x26 | below(4) << 3;
    if (!h->vex && one_in(may_lock(row) ? 3 : 48))
        list[n++] = 0xf0;
    if (!h->vex && one_in(is_string(row->text) ? 2 : mandatory ? 48 : 16))
        list[n++] = 0xf2 | below(2);
    for (int i = n - 1; i > 0; i--) {
        int j = below(i + 1);
        uint8_t byte = list[i];

        list[i] = list[j];
        list[j] = byte;
    }
    for (int i = 0; i < n; i++)
        add(b, list[i]);
    if (!compat && !h->vex && one_in(2))
        add(b, 0x40 | below(16));
}

static void add_opcode(struct bytes *b, const struct shape *h, bool compat)
{
    static const uint8_t maps[4][2] = {{0}, {0x0f}, {0x0f, 0x38}, {0x0f, 0x3a}};
    int pp = h->need == 0x66 ? 1 : h->need == 0xf3 ? 2 : h->need == 0xf2 ? 3 : 0;
    uint8_t high = below(32) << 3; /* W vvvv */

    if (h->vex) {
        /* Outside 64-bit mode R and X look like a register operand of LES. */
        add(b, 0xc4);
        add(b, h->map | (compat ? 0xe0 : below(8) << 5));
        add(b, high | pp | (compat ? 0x40 : 0));
    } else {
        for (int i = 0; i < 2 && maps[h->map][i]; i++)
            add(b, maps[h->map][i]);
    }
    add(b, h->opcode + (h->low_reg ? below(8) : 0));
}

static uint8_t any_modrm(const struct shape *h)
{
    uint8_t modrm = random64();

    if (h->exact >= 0)
        return h->exact;
    if (h->digit >= 0)
        modrm = (modrm & ~0x38) | h->digit << 3;
    if (h->mod == 'r' || (!h->mod && one_in(3)))
        return modrm | 0xc0;
    if (h->mod == 'm' && modrm >= 0xc0)
        modrm &= 0x3f;
    return modrm;
}

static void add_rest(struct bytes *b, const struct shape *h)
{
    static const uint8_t odd[] = {0, 1, 0xff, 0x80, 0x7f};

    add(b, any_modrm(h));
    while (b->n < SOFT_MAX_LEN)
        add(b, one_in(3) ? PICK(odd) : (uint8_t)random64());
}

/* ---- fitting state to bytes ---- */

bool identify(struct sample *s)
{
    struct soft_decoded d =
        soft_decode(s->compat ? MODE_COMPAT : MODE_64, s->bytes, s->n, 0, &s->op);

    s->row = d.row;
    if (d.len)
        s->n = d.len;
    return d.len && d.row;
}

static bool is_prefix(uint8_t byte)
{
    return memchr("\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3", byte, 11);
}

/* Where the byte after the opcode stands: ModRM, if there is one. */
static int after_opcode(const struct sample *s)
{
    int at = 0;

    while (is_prefix(s->bytes[at]) || (!s->compat && (s->bytes[at] & 0xf0) == 0x40))
        at++;
    if (read_shape(s->row->encoding).vex)
        return at + (s->bytes[at] == 0xc4 ? 4 : 3);
    if (s->bytes[at] != 0x0f)
        return at + 1;
    return s->bytes[at + 1] == 0x38 || s->bytes[at + 1] == 0x3a ? at + 3 : at + 2;
}

/* LOCK where it must not stand: #UD, and no row. */
static bool identify_locked(struct sample *s)
{
    uint8_t *lock = s->bytes;
    struct sample without = *s;

    while (is_prefix(*lock) && *lock != 0xf0)
        lock++;

    if (identify(s))
        return true;
    if (*lock != 0xf0)
        return false;
    memmove(without.bytes + (lock - s->bytes), lock + 1, s->bytes + without.n - 1 - lock);
    without.n--;
    if (!identify(&without))
        return false;
    s->row = without.row;
    s->op = without.op;
    s->n = without.n + 1;
    return true;
}

static void set_bytes(struct sample *s, int at, int n, uint64_t val)
{
    memcpy(s->bytes + at, &val, n);
}

/* Make the address of the memory operand lead to target. */
static void aim(struct sample *s, uint64_t target)
{
    int modrm = after_opcode(s);
    const struct soft_op *op = &s->op;
    int base = op->base / 8, index = op->index / 8;
    uint64_t segment = s->compat           ? 0
                       : op->segment == FS ? s->in.fs
                       : op->segment == GS ? s->in.gs
                                           : 0;
    uint64_t offset = target - segment;

    if (strchr(s->row->text, 'O')) {
        set_bytes(s, modrm, 1 << op->asize, offset);
    } else if (base == RIP || (base == NO_REG && index == NO_REG)) {
        bool sib = s->bytes[modrm] < 0xc0 && (s->bytes[modrm] & 7) == 4 && op->asize > 1;
        uint64_t disp = base == RIP ? offset - s->in.rip - s->n : offset;

        set_bytes(s, modrm + 1 + sib, op->asize == 1 ? 2 : 4, disp);
    } else if (base == NO_REG) {
        s->in.r[index] = (offset - op->disp) >> op->scale;
    } else if (base == index) {
        s->in.r[base] = (offset - op->disp) / (1 + (1 << op->scale));
    } else {
        uint64_t rest = index == NO_REG ? 0 : s->in.r[index] << op->scale;

        s->in.r[base] = offset - op->disp - rest;
    }
    /* The upper half does not matter to an address of 32 bits. */
    if (op->asize == 2 && base < 16 && one_in(2))
        s->in.r[base] = (uint32_t)s->in.r[base] | random64() << 32;
}

static void place(struct sample *s)
{
    switch (below(16)) {
    case 0: /* across the pages of code, or ending the first */
        s->in.rip = CODE + 4096 - s->n + below(s->n);
        break;
    case 1: /* at the very end, or beyond it */
        s->in.rip = CODE + CODE_SIZE - s->n + (one_in(2) ? below(s->n) : 0);
        break;
    default:
        s->in.rip = CODE + 2048 + below(256);
    }
}

/* A direct branch goes to an INT3, most of the time. */
static void aim_branch(struct sample *s)
{
    const char *j = strchr(s->row->text, 'J');
    int n = j[1] == 'b' ? 1 : s->op.osize == 1 ? 2 : 4;
    uint64_t to = code_address() - s->in.rip - s->n;

    if (n == 1)
        to = (int8_t)random64();
    else if (one_in(8))
        to = random64();
    if (-to <= (uint64_t)s->n && -to > 0) /* not into itself */
        to = 1;
    set_bytes(s, s->n - n, n, to);
}

bool generate(struct sample *s, const struct soft_row *row, bool compat)
{
    struct shape h = read_shape(row->encoding);
    uint8_t buf[40] = {0};
    struct bytes b = {.to = buf};

    memset(s, 0, sizeof(*s));
    s->compat = compat;
    add_prefixes(&b, row, &h, compat);
    add_opcode(&b, &h, compat);
    add_rest(&b, &h);
    memcpy(s->bytes, buf, SOFT_MAX_LEN);
    s->n = SOFT_MAX_LEN;
    if (b.n > SOFT_MAX_LEN || !identify_locked(s) || row_excluded(s->row))
        return false;
    any_state(&s->in);
    place(s);
    uint64_t target = data_address();

    if (one_in(4))
        target = target & ~UINT64_C(15);
    if (s->op.mem && !one_in(50)) {
        aim(s, target);
        patch(s, target);
    }
    if (strchr(s->row->text, 'J'))
        aim_branch(s);
    if (!identify_locked(s)) /* again, for the displacement */
        return false;
    if (is_string(s->row->text) && !one_in(4))
        s->in.r[RCX] = below(40);
    patch(s, s->in.r[RSP]);
    patch(s, s->in.r[RSI]);
    patch(s, s->in.r[RDI]);
    if (compat) {
        for (int i = 0; i < 16; i++)
            s->in.r[i] = i < 8 ? (uint32_t)s->in.r[i] : 0;
    }
    return !sample_excluded(s);
}

void plain_state(struct state *s)
{
    memset(s, 0, sizeof(*s));
    s->r[RSP] = DATA + 4096;
    s->rip = CODE + 2048;
    s->flags = EFLAGS_FIXED | EFLAGS_IF;
    s->fpu.fcw = 0x37f;
    s->fpu.mxcsr = 0x1f80;
    s->fpu.mxcsr_mask = 0xffff;
}
