// SPDX-License-Identifier: MIT
/*
 * Samples of system instructions: random descriptors, selectors, frames, page tables, states, and
 * one instruction that meets them.
 */
#include "tests/soft/system.h"

#include "tests/unit/random.h"

struct sample t;
uint8_t *image;

/* ---- the image ---- */

static void image64(uint64_t at, uint64_t val)
{
    memcpy(image + at, &val, 8);
}

static void image32(uint64_t at, uint32_t val)
{
    memcpy(image + at, &val, 4);
}

static uint64_t gdt_entry(uint16_t selector)
{
    uint64_t d;

    memcpy(&d, image + GDT_AT + (selector & ~7), 8);
    return d;
}

static bool chance(int percent)
{
    return (int)below(100) < percent;
}

static uint64_t random_descriptor(void)
{
    static const uint8_t types[] = {0x13, 0x13, 0x1b, 0x1b, 0x1f, 0x12, 0x1a, 0x10, 0x11,
                                    0x19, 0x17, 0x02, 0x09, 0x0b, 0x0c, 0x0c, 0x04, 0x05};
    int type = chance(20) ? (int)below(32) : PICK(types);
    int dpl = chance(50) ? t.cpl : (int)below(4);
    uint64_t d;

    if (type == 0x05 && chance(90))
        type = 0x0c;
    if ((type == 0x0c || type == 0x04) && chance(90))
        return gate(chance(50) ? CPL_CODE : RANDOM + 8 * below(GDT_ENTRIES - RANDOM / 8),
                    below(0x1000) + 0x8000, type, chance(70) ? 3 : dpl,
                    chance(60) ? 0 : below(32)) &
               ~(chance(10) ? UINT64_C(1) << 47 : 0);
    d = descriptor(chance(60) ? 0 : (uint32_t)random64(), chance(60) ? 0xfffff : below(0x100000),
                   type, dpl, below(16));
    /* L is not for all. */
    if (!is_long() && chance(80))
        d &= ~(UINT64_C(1) << 53);
    return chance(12) ? absent(d) : d;
}

static void make_tables(void)
{
    bool lma = is_long();
    int flags = t.world == LONG64 ? LONG | PAGES : t.size == 1 ? SMALL : BIG | PAGES;

    memset(image + GDT_AT, 0, 0x400);
    image64(GDT_AT + 8, descriptor(0, 0xfffff, 0x1b, 0, BIG | PAGES));
    image64(GDT_AT + 16, descriptor(0, 0xfffff, 0x13, 0, BIG | PAGES));
    image64(GDT_AT + 24, descriptor(0, 0xfffff, 0x1b, 0, LONG | PAGES));
    image64(GDT_AT + CPL_CODE,
            descriptor(0, 0xfffff, 0x1b, t.cpl, flags | (t.size == 1 ? PAGES : 0)));
    image64(GDT_AT + CPL_STACK,
            descriptor(0, 0xfffff, 0x13, t.cpl, PAGES | (chance(80) || is_long() ? BIG : SMALL)));
    image64(GDT_AT + FREE_DATA, descriptor(0, 0xfffff, 0x13, 3, BIG | PAGES));
    image64(GDT_AT + TASK, descriptor(TSS_AT, 0x3ff, 0xb, 0, SMALL));
    image64(GDT_AT + LOCAL, descriptor(LDT_AT, LDT_ENTRIES * 8 - 1, 2, 0, SMALL));
    for (int i = RANDOM / 8; i < GDT_ENTRIES; i++)
        image64(GDT_AT + 8 * i, lma && i & 1 && chance(60) ? (chance(50) ? 0 : random64() & 0x1ffff)
                                                           : random_descriptor());
    for (int i = 0; i < LDT_ENTRIES; i++)
        image64(LDT_AT + 8 * i, random_descriptor());
    memset(image + TSS_AT, 0, 0x400);
    for (int cpl = 0; cpl < 3; cpl++) {
        if (lma) {
            image64(TSS_AT + 4 + 8 * cpl, STACK - 0x1000 * (cpl + 1));
        } else {
            image32(TSS_AT + 4 + 8 * cpl, STACK - 0x1000 * (cpl + 1));
            /* A stack for the level, unless chance has it. */
            image32(TSS_AT + 8 + 8 * cpl, (0x48 * 0 + RANDOM + 8 * (cpl + 1)) | cpl);
            if (chance(90))
                image64(GDT_AT + RANDOM + 8 * (cpl + 1),
                        descriptor(0, 0xfffff, 0x13, cpl, PAGES | BIG));
        }
    }
}

/* Everything in the first 4 MiB is itself, and for all; accessed and dirty already. */
static void make_identity(void)
{
    const uint64_t all = 0x67;
    uint64_t top = CPU_TABLES;

    memset(image + CPU_TABLES, 0, TABLES_END - CPU_TABLES);
    if (t.world == PSE) {
        image32(top, (top + 0x1000) | all);
        for (int i = 0; i < 1024; i++)
            image32(top + 0x1000 + 4 * i, i << 12 | all);
    } else if (t.world == PAE) {
        image64(top, (top + 0x1000) | 1);
        image64(top + 0x1000, (top + 0x2000) | all);
        image64(top + 0x1008, 0x200000 | all | 0x80);
        for (int i = 0; i < 512; i++)
            image64(top + 0x2000 + 8 * i, i << 12 | all);
    } else if (is_long()) {
        image64(top, (top + 0x1000) | all);
        image64(top + 0x1000, (top + 0x2000) | all);
        image64(top + 0x2000, (top + 0x3000) | all);
        image64(top + 0x2008, 0x200000 | all | 0x80);
        for (int i = 0; i < 512; i++)
            image64(top + 0x3000 + 8 * i, i << 12 | all);
    }
}

/* Flags of an entry on the way to a random page. */
static uint64_t random_flags(bool wide)
{
    uint64_t flags = below(0x1000) & ~UINT64_C(0x80) & ~UINT64_C(0xe00);

    flags |= chance(85) ? 1 : 0;
    flags |= chance(50) ? 6 : 0;
    flags &= ~(UINT64_C(0x18)); /* caches */
    if (wide && chance(15))
        flags |= UINT64_C(1) << 63;
    if (wide && chance(4))
        flags |= UINT64_C(1) << (40 + below(23));
    return flags;
}

/* The page tables behind `at`, two pages of it; returns their linear address. */
static uint64_t make_random_pages(void)
{
    uint64_t table = RANDOM_TABLES;

    if (t.world == PSE) {
        bool large = chance(30);

        if (large) {
            image32(CPU_TABLES + 4 * 256,
                    random_flags(false) | 0x80 | (t.in.cr4 & CR4_PSE && chance(8) ? 1 << 21 : 0));
            return PSE_AT + AREA;
        }
        image32(CPU_TABLES + 4 * 256, table | random_flags(false));
        for (int i = 0; i < 8; i++)
            image32(table + 4 * i,
                    (AREA + 0x1000 * i) | random_flags(false) | (chance(20) ? 0x80 : 0));
        return PSE_AT;
    }
    if (t.world == PAE) {
        image64(CPU_TABLES + 8, table | (chance(95) ? 1 : 0));
        table += 0x1000;
        image64(table - 0x1000, table | random_flags(true));
    } else {
        image64(CPU_TABLES + 8, table | random_flags(true) | (chance(2) ? 0x80 : 0));
        table += 0x1000;
        image64(table - 0x1000, table | random_flags(true));
        table += 0x1000;
        image64(table - 0x1000, table | random_flags(true));
    }
    if (chance(30)) /* a page of 2 MiB */
        image64(table - 0x1000,
                AREA | random_flags(true) | 0x80 | (chance(5) ? 0x2000 << below(8) : 0));
    for (int i = 0; i < 8; i++)
        image64(table + 8 * i, (AREA + 0x1000 * i) | random_flags(true) | (chance(20) ? 0x80 : 0));
    return t.world == PAE ? PSE_AT : LONG_AT;
}

/* ---- states ---- */

static struct hidden hidden_of(uint16_t selector, uint64_t d)
{
    struct hidden h = {selector, (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000),
                       (d & 0xffff) | (d >> 32 & 0xf0000), d >> 32 & 0x00f0ff00};

    if (h.flags & 1 << 23)
        h.limit = h.limit << 12 | 0xfff;
    return h;
}

static uint64_t random_number(void)
{
    switch (below(4)) {
    case 0:
        return below(64);
    case 1:
        return (int32_t)random64();
    case 2:
        return below(0x10000);
    default:
        return random64();
    }
}

/* The level that runs, by so many in a hundred, or any. */
static int some_level(int percent)
{
    return chance(percent) ? t.cpl : (int)below(4);
}

static uint16_t random_selector(void)
{
    if (chance(5))
        return below(4);
    if (chance(10))
        return below(LDT_ENTRIES + 2) * 8 | 4 | some_level(70);
    if (chance(20))
        return (CPL_CODE + 8 * below(5)) | some_level(80);
    return (RANDOM + 8 * below(GDT_ENTRIES - RANDOM / 8 + 1)) | some_level(70);
}

/* The state before the instruction. */
static void make_state(void)
{
    struct state *s = &t.in;
    bool lma = is_long();

    *s = (struct state){.vector = CPU_OK};
    for (int i = 0; i < 16; i++)
        s->r[i] = t.world == LONG64 || i < 8 ? random_number() : 0;
    if (t.world != LONG64)
        for (int i = 0; i < 8; i++)
            s->r[i] = (uint32_t)s->r[i];
    s->r[RSP] = is_real() ? 0x8000 : STACK;
    s->eflags = (random64() & (EFLAGS_ARITHMETIC | EFLAGS_IF | EFLAGS_DF | EFLAGS_IOPL)) | 2;
    if (chance(10))
        s->eflags |= EFLAGS_ID;
    if (chance(5))
        s->eflags |= EFLAGS_AC;
    s->cr0 = CR0_ET | (t.world == REAL ? 0 : CR0_PE) | (is_paged() ? CR0_PG : 0) |
             (chance(50) ? CR0_WP : 0) | (chance(10) ? CR0_TS : 0) | (chance(50) ? CR0_NE : 0);
    s->cr4 = (chance(50) ? CR4_PGE : 0) | CR4_OSFXSR;
    if (t.world == PSE && chance(70))
        s->cr4 |= CR4_PSE;
    if (t.world == PAE || lma)
        s->cr4 |= CR4_PAE;
    s->efer =
        (lma ? EFER_LME | EFER_LMA : 0) | ((lma || t.world == PAE) && chance(70) ? EFER_NXE : 0);
    s->cr3 = is_paged() ? CPU_TABLES : 0;
    s->gdt = (struct descriptor_table){.base = GDT_AT, .limit = GDT_ENTRIES * 8 - 1};
    s->idt = (struct descriptor_table){.base = t.world == REAL ? 0 : IDT_AT,
                                       .limit = t.world == REAL ? 0x3ff : 0xfff};
    s->dr[6] = 0xffff0ff0;
    s->dr[7] = 0x400;
    if (is_real()) {
        for (int i = 0; i < SEGMENTS; i++)
            s->segment[i] = (struct hidden){i == CS ? CODE >> 4 : 0x1000 * below(3) + below(0x80),
                                            0, 0xffff, 0x9300};
        for (int i = 0; i < SEGMENTS; i++) {
            s->segment[i].base = s->segment[i].selector << 4;
            if (t.world == V86)
                s->segment[i].flags |= 0x6000;
        }
        if (t.world == REAL)
            s->segment[CS].flags = 0x9b00;
        else
            s->eflags |= EFLAGS_VM;
    } else {
        for (int i = 0; i < SEGMENTS; i++) {
            uint16_t selector = i == CS   ? CPL_CODE | t.cpl
                                : i == SS ? CPL_STACK | t.cpl
                                          : FREE_DATA | 3;

            s->segment[i] = hidden_of(selector, gdt_entry(selector));
        }
    }
    s->segment[6] = hidden_of(LOCAL, gdt_entry(LOCAL));
    s->segment[7] = hidden_of(TASK, gdt_entry(TASK));
    s->rip = t.begin - s->segment[CS].base;
}

/* ---- instructions ---- */

static void byte(int b)
{
    t.code[t.n++] = b;
}

static void bytes(const char *b, int n)
{
    for (int i = 0; i < n; i++)
        byte((uint8_t)b[i]);
}

static void imm(uint64_t val, int n)
{
    for (int i = 0; i < n; i++, val >>= 8)
        byte(val & 0xff);
}

/* 66 and REX.W now and then; the operand's size that follows. */
static int operand_size(void)
{
    int size = t.size;

    if (chance(25)) {
        byte(0x66);
        size = size == 1 ? 2 : 1;
    }
    if (t.world == LONG64) {
        if (size == 3)
            size = 2;
        if (chance(40)) {
            byte(0x48);
            size = 3;
        }
    }
    return size;
}

/* The address for an operand in memory, before prefixes: 67 in 16-bit code, so that EBX is it. */
static void address(uint64_t at)
{
    t.memory = true;
    t.at = at;
    t.in.r[RBX] = at;
    if (t.size == 1)
        byte(0x67);
}

static void modrm_memory(int reg)
{
    byte(reg << 3 | 3);
}

static void modrm_reg(int reg, int rm)
{
    byte(0xc0 | reg << 3 | rm);
}

/* A register that is not RSP, which the rest needs. */
static int some_reg(void)
{
    static const uint8_t regs[] = {RAX, RCX, RDX, RBX, RBP, RSI, RDI};

    return PICK(regs);
}

/* Where n bytes are free. */
static uint64_t data_at(void)
{
    return 0x9000 + below(0x100);
}

static void data(uint64_t at, uint64_t val, int n)
{
    memcpy(image + (is_real() ? t.in.segment[DS].base : 0) + at, &val, n);
}

/* Where the stack is in the image. */
static uint64_t stack_at(void)
{
    uint64_t at = t.in.segment[SS].base + t.in.r[RSP];

    return t.random_pages && at >= PSE_AT ? AREA + (at & (AREA_SIZE - 1)) : at;
}

/* Does this world have random pages? Make them, now and then, for stacks and descriptors. */
static bool with_random_pages(void)
{
    if ((t.world != PSE && t.world != PAE && t.world != LONG64) || !chance(25))
        return false;
    t.random_pages = make_random_pages();
    return true;
}

/* The stack lies there. */
static void move_stack(void)
{
    if (with_random_pages())
        t.in.r[RSP] = t.random_pages + (chance(50) ? 0x1000 * (1 + below(5)) - 4 * below(12)
                                                   : 0x100 + below(0x5000));
}

/* The GDT lies there: unicorn's prologue still has it where it was. */
static void move_gdt(void)
{
    if (t.random_pages || !with_random_pages())
        return;
    uint64_t at = chance(30) ? 0x1000 * (1 + below(4)) - 8 * below(GDT_ENTRIES) : below(0x600) * 8;

    memcpy(image + AREA + at, image + GDT_AT, GDT_ENTRIES * 8);
    t.in.gdt.base = t.random_pages + at;
    t.gdt_at = AREA + at;
}

static void load_segment(void)
{
    static const uint8_t pops[] = {0x07, 0x17, 0x1f, 0xa1, 0xa9};
    static const uint8_t pointers[] = {0xc4, 0xc5, 0xb2, 0xb4, 0xb5};
    static const uint8_t segments[] = {ES, SS, DS, FS, GS};
    int how = below(8), i = below(5), size;
    uint16_t selector = is_real() ? below(0x3000) : random_selector();

    if (how < 4) {
        int reg = some_reg();

        operand_size();
        byte(0x8e);
        modrm_reg(chance(2) ? (int)below(8) : segments[i], reg);
        t.in.r[reg] = (t.in.r[reg] & ~UINT64_C(0xffff)) | selector;
    } else if (how < 5) {
        address(data_at());
        data(t.at, selector, 2);
        operand_size();
        byte(0x8e);
        modrm_memory(segments[i]);
    } else if (how < 6) {
        memcpy(image + stack_at(), &selector, 2);
        operand_size();
        if (pops[i] > 0x80)
            byte(0x0f);
        byte(pops[i]);
    } else if (how < 7) {
        address(data_at());
        size = operand_size();
        data(t.at, random64(), 8);
        data(t.at + (1 << size), selector, 2);
        if (i > 1)
            byte(0x0f);
        byte(pointers[i]);
        modrm_memory(some_reg() & 7);
    } else if (chance(50)) {
        operand_size();
        byte(0x8c);
        modrm_reg(below(6), some_reg());
    } else {
        static const uint8_t pushes[] = {0x06, 0x0e, 0x16, 0x1e, 0xa0, 0xa8};
        uint8_t push = PICK(pushes);

        operand_size();
        if (push > 0x80)
            byte(0x0f);
        byte(push);
    }
}

static void look(void)
{
    int how = below(5), reg = some_reg();
    uint16_t selector = random_selector();

    t.in.r[reg] = (t.in.r[reg] & ~UINT64_C(0xffff)) | selector;
    if (how < 2) {
        operand_size();
        byte(0x0f);
        byte(0x02 + how);
        modrm_reg(some_reg(), reg);
    } else if (how < 4) {
        bytes("\x0f\x00", 2);
        modrm_reg(2 + how, reg);
    } else if (t.world != LONG64) {
        byte(0x63);
        modrm_reg(some_reg(), reg);
    } else {
        byte(0x90);
    }
}

static void tables(void)
{
    int how = below(10), reg = some_reg();

    if (how < 2) { /* LLDT, LTR */
        t.in.r[reg] = (t.in.r[reg] & ~UINT64_C(0xffff)) |
                      (chance(50) ? TASK + 16 * below(2) : random_selector());
        operand_size();
        bytes("\x0f\x00", 2);
        modrm_reg(2 + how, reg);
    } else if (how < 4) { /* SLDT, STR */
        if (chance(50)) {
            operand_size();
            bytes("\x0f\x00", 2);
            modrm_reg(how - 2, reg);
        } else {
            address(data_at());
            operand_size();
            bytes("\x0f\x00", 2);
            modrm_memory(how - 2);
        }
    } else if (how < 8) { /* SGDT, SIDT, LGDT, LIDT */
        address(data_at());
        data(t.at, random64(), 8);
        data(t.at + 2, (int32_t)random64(), 8);
        if (chance(25))
            byte(0x66);
        bytes("\x0f\x01", 2);
        modrm_memory(how - 4);
    } else { /* LMSW, CLTS */
        if (chance(50)) {
            t.in.r[reg] &= chance(90) ? ~UINT64_C(1) : ~UINT64_C(0);
            bytes("\x0f\x01", 2);
            modrm_reg(6, reg);
        } else {
            bytes("\x0f\x06", 2);
        }
    }
}

/* Where a HLT is, so that TCG, which reads ahead, finds no random instructions; or nowhere. */
static uint64_t far_ip(uint16_t selector)
{
    uint64_t at = 0x8000 + below(0xff0);

    if (chance(8))
        return (uint32_t)random64() | 0x1000000;
    return is_real() ? at - (selector << 4) : at;
}

static uint16_t far_selector(void)
{
    if (is_real())
        return below(0x800);
    return chance(20) ? CPL_CODE | t.cpl : random_selector();
}

static void far(void)
{
    bool call = chance(50);

    t.selector = far_selector();
    if (t.world != LONG64 && chance(50)) {
        int size = operand_size();

        byte(call ? 0x9a : 0xea);
        imm(far_ip(t.selector), 1 << size);
        imm(t.selector, 2);
        return;
    }
    address(data_at());
    int size = operand_size();

    data(t.at, far_ip(t.selector), 8);
    data(t.at + (1 << size), t.selector, 2);
    byte(0xff);
    modrm_memory(call ? 3 : 5);
}

static void put_frame(int size, const uint64_t *val, int n)
{
    for (int i = 0; i < n; i++)
        memcpy(image + stack_at() + i * (1 << size), &val[i], 1 << size);
}

static void returns(void)
{
    int size = operand_size(), rpl = chance(50) ? t.cpl : t.cpl + (int)below(4 - t.cpl);
    bool iret = chance(50);
    uint64_t flags = random64() & ~(uint64_t)(EFLAGS_TF | EFLAGS_VM | EFLAGS_RF);
    uint16_t cs = is_real() ? (int)below(0x800) : (random_selector() & ~3) | rpl;
    uint16_t ss = is_real() ? (int)below(0x2000) : (random_selector() & ~3) | rpl;

    if (!is_real() && chance(50)) { /* segments that are good for the level */
        cs = OUTER_CODE | rpl;
        ss = OUTER_STACK | rpl;
        image64(GDT_AT + OUTER_CODE,
                descriptor(0, 0xfffff, chance(20) ? 0x1f : 0x1b, rpl,
                           t.world == LONG64 && chance(70) ? LONG | PAGES : BIG | PAGES));
        image64(GDT_AT + OUTER_STACK, descriptor(0, 0xfffff, 0x13, rpl, BIG | PAGES));
    }
    uint64_t frame[9] = {far_ip(cs), cs};

    t.selector = cs;
    t.stack = ss;
    int extra = 0, n = 2;

    if (chance(3))
        flags |= EFLAGS_VM;
    if (chance(10) && is_long())
        t.in.eflags |= EFLAGS_NT;
    if (iret) {
        frame[n++] = (uint32_t)flags;
        byte(0xcf);
    } else if (chance(50)) {
        byte(0xcb);
    } else {
        extra = below(8) * 4;
        byte(0xca);
        imm(extra, 2);
    }
    put_frame(size, frame, n);
    frame[0] = STACK - 0x100 - below(0x100) * 8;
    frame[1] = ss;
    for (int i = 2; i < 6; i++)
        frame[i] = below(0x2000);
    t.in.r[RSP] += (n << size) + extra;
    put_frame(size, frame, iret ? 6 : 2);
    t.in.r[RSP] -= (n << size) + extra;
}

static void flags(void)
{
    switch (below(5)) {
    case 0:
        operand_size();
        byte(0x9c);
        break;
    case 1:
    case 2: {
        uint64_t val = random64() & ~(uint64_t)(EFLAGS_TF | EFLAGS_RF);

        memcpy(image + stack_at(), &val, 8);
        operand_size();
        byte(0x9d);
        break;
    }
    case 3:
        byte(0xfa);
        break;
    default:
        byte(0xfb);
    }
}

/* Values that differ little from what the register has. */
static void control(void)
{
    static const uint64_t cr0_bits[] = {CR0_MP, CR0_EM, CR0_TS, CR0_NE, CR0_WP,
                                        CR0_AM, CR0_NW, CR0_CD, CR0_PG, CR0_PE};
    static const uint64_t cr4_bits[] = {CR4_TSD,        CR4_DE,   CR4_PSE,   CR4_PAE,
                                        CR4_MCE,        CR4_PGE,  CR4_PCE,   CR4_SMEP,
                                        CR4_OSXMMEXCPT, CR4_SMAP, CR4_PCIDE, CR4_OSFXSR};
    static const uint8_t numbers[] = {0, 0, 2, 3, 3, 4, 4, 4, 1, 5};
    int reg = some_reg(), n = PICK(numbers);
    uint64_t val = random_number();

    if (chance(30)) {
        int debug = below(8);

        if (debug > 3)
            val = debug & 1 ? 0x400 : 0;
        else if (t.world != LONG64)
            val = (uint32_t)val;
        t.in.r[reg] = val;
        byte(0x0f);
        byte(chance(50) ? 0x21 : 0x23);
        modrm_reg(debug, reg);
        return;
    }
    if (chance(40)) {
        bytes("\x0f\x20", 2);
        modrm_reg(n & 7, reg);
        return;
    }
    if (n == 0) {
        val = t.in.cr0 ^ PICK(cr0_bits) ^ (chance(30) ? PICK(cr0_bits) : 0);
        if (chance(95))
            val =
                t.in.cr0 & CR0_PG ? val | CR0_PE : val & ~(uint64_t)(t.world == REAL ? 0 : CR0_PG);
    } else if (n == 3) {
        val = chance(80) ? CPU_TABLES : CPU_TABLES + (random64() & 0x18);
    } else if (n == 4) {
        val = t.in.cr4 ^ PICK(cr4_bits) ^ (chance(30) ? PICK(cr4_bits) : 0);
    }
    t.in.r[reg] = val;
    bytes("\x0f\x22", 2);
    modrm_reg(n & 7, reg);
}

static void long_registers(void)
{
    static const uint32_t msrs[] = {0xc0000100, 0xc0000101, 0xc0000102};
    uint64_t val;

    if (t.world != LONG64) {
        bytes("\x0f\x01\x3b", 3); /* invlpg */
        return;
    }
    switch (below(4)) {
    case 0:
        bytes("\x0f\x01\xf8", 3); /* swapgs */
        break;
    case 1:
        t.in.r[RCX] = PICK(msrs);
        val = (int64_t)(random64() << 16) >> 16;
        t.in.r[RAX] = (uint32_t)val;
        t.in.r[RDX] = val >> 32;
        bytes("\x0f\x30", 2);
        break;
    case 2:
        t.in.r[RCX] = PICK(msrs);
        bytes("\x0f\x32", 2);
        break;
    default:
        bytes("\x0f\x01\x3b", 3);
    }
}

/* Accesses to random pages. */
static void pages(void)
{
    uint64_t base = make_random_pages(),
             at = base + (chance(85) ? below(0x5000) : 0x1000 * below(6) + 0xffc);
    int size, how = below(10);

    if (!base) {
        byte(0x90);
        return;
    }
    if (how == 9) { /* code; with SMEP */
        if (chance(40)) {
            t.in.cr4 |= CR4_SMEP;
        }
        t.begin = at & ~UINT64_C(15);
        t.in.rip = t.begin;
        t.n = 0;
        return;
    }
    address(at);
    switch (how) {
    case 0:
    case 1:
        size = operand_size();
        byte(0x8b);
        modrm_memory(some_reg());
        break;
    case 2:
    case 3:
        size = operand_size();
        byte(0x89);
        modrm_memory(some_reg());
        break;
    case 4:
        size = operand_size();
        byte(0x01);
        modrm_memory(some_reg());
        break;
    case 5:
        size = operand_size();
        byte(0x87);
        modrm_memory(RCX);
        break;
    case 6: /* push [] */
        operand_size();
        byte(0xff);
        modrm_memory(6);
        break;
    case 7: /* pop [] */
        operand_size();
        byte(0x8f);
        modrm_memory(0);
        break;
    default: /* push, to a random page */
        t.n = 0;
        t.in.r[RSP] = at;
        t.in.r[RBX] = 5;
        operand_size();
        byte(0x50 + RCX);
    }
    (void)size;
}

/* ---- samples ---- */

void make_sample(enum world world, enum kind kind, uint64_t number)
{
    static void (*const make[])(void) = {
        [LOADS] = load_segment, [LOOKS] = look,  [TABLES] = tables,   [FAR] = far,
        [RETURNS] = returns,    [FLAGS] = flags, [CONTROL] = control, [BASES] = long_registers,
        [PAGE_TABLES] = pages,
    };

    seed = number * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (int i = 0; i < 4; i++)
        random64();
    t = (struct sample){
        .world = world, .kind = kind, .begin = CODE + below(0x40), .cpl = 3, .gdt_at = GDT_AT};
    if (world == REAL)
        t.cpl = 0;
    else if (world != V86)
        t.cpl = chance(50) ? 0 : chance(60) ? 3 : (int)below(4);
    t.size = is_real() ? 1 : world == LONG64 ? 3 : world == PROTECTED && chance(40) ? 1 : 2;
    if (t.size == 1 && !is_real())
        t.begin -= CODE - CODE_LOW; /* IP has 16 bits */
    memset(image, 0xf4, LOW);
    memset(image + AREA, 0xf4, AREA_SIZE);
    make_tables();
    make_identity();
    make_state();
    /* TCG's far transfers take the stack as a supervisor, whatever the level. */
    if (kind == LOADS || (t.cpl < 3 && (kind == FAR || kind == RETURNS)))
        move_stack();
    make[kind]();
    if (kind == LOADS || kind == LOOKS || kind == FAR || kind == RETURNS)
        move_gdt();
    if (world != LONG64)
        for (int i = 0; i < 8; i++)
            t.in.r[i] = (uint32_t)t.in.r[i];
    memset(image + CODE, 0xf4, 0x80);
    memset(image + CODE_LOW, 0xf4, 0x80);
    if (t.begin < LOW)
        memcpy(image + t.begin, t.code, t.n);
}
