// SPDX-License-Identifier: MIT
/*
 * Segment registers and descriptors of the soft CPU, and transfers between code segments.
 */
#include "tests/unit/soft-tables.h"

/* Load a segment register, by MOV from AX: the exception, or CPU_OK. */
static int mov_to(int seg, uint16_t selector)
{
    uint8_t code[2] = {0x8e, 0xc0 | seg << 3};

    c->r[RAX] = selector;
    return one(code, 2);
}

struct load {
    int seg;
    uint16_t selector;
    int vector;
    uint32_t error;
};

static void check_loads(const struct load *load, int n)
{
    for (int i = 0; i < n; i++) {
        int result = mov_to(load[i].seg, load[i].selector);

        if (result != load[i].vector ||
            (result >= 0 && result != EXCEPTION_UD && c->error_code != load[i].error)) {
            printf("# load %d: segment %d, selector %x: %d, %x\n", i, load[i].seg, load[i].selector,
                   result, c->error_code);
            test_failures++;
        }
    }
}

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static void test_loads_ring0(void)
{
    static const struct load load[] = {
        {DS, DATA0, CPU_OK, 0},
        {DS, DATA3 | 3, CPU_OK, 0},
        {DS, 0, CPU_OK, 0},
        {ES, 3, CPU_OK, 0},
        {DS, DATA0 | 1, EXCEPTION_GP, DATA0},
        {DS, CODE0, CPU_OK, 0},
        {FS, EXECUTE, EXCEPTION_GP, EXECUTE},
        {FS, CONFORMING | 3, CPU_OK, 0},
        {GS, ABSENT, EXCEPTION_NP, ABSENT},
        {GS, TSS, EXCEPTION_GP, TSS},
        {GS, GDT_END, EXCEPTION_GP, GDT_END},
        {DS, 0x0c, EXCEPTION_GP, 0x0c}, /* there is no LDT */
        {SS, DATA0, CPU_OK, 0},
        {SS, 0, EXCEPTION_GP, 0},
        {SS, DATA0 | 3, EXCEPTION_GP, DATA0},
        {SS, DATA3 | 3, EXCEPTION_GP, DATA3},
        {SS, READ_ONLY, EXCEPTION_GP, READ_ONLY},
        {SS, CODE0, EXCEPTION_GP, CODE0},
        {SS, ABSENT, EXCEPTION_SS, ABSENT},
        {CS, CODE0, EXCEPTION_UD, 0},
        {6, DATA0, EXCEPTION_UD, 0},
    };

    tables_start(CPU_FLAT32);
    c->ldt.present = false;
    check_loads(load, COUNT(load));
}

static void test_loads_ring3(void)
{
    static const struct load load[] = {
        {DS, DATA0, EXCEPTION_GP, DATA0}, {DS, DATA3 | 3, CPU_OK, 0},
        {DS, DATA3, CPU_OK, 0},           {DS, CODE3, CPU_OK, 0},
        {DS, CONFORMING | 3, CPU_OK, 0},  {SS, DATA3 | 3, CPU_OK, 0},
        {SS, DATA3, EXCEPTION_GP, DATA3}, {SS, 3, EXCEPTION_GP, 0},
    };

    tables_start(CPU_FLAT32);
    to_ring3(0);
    check_loads(load, COUNT(load));
}

static void test_loads_long(void)
{
    static const struct load load[] = {
        {SS, 0, CPU_OK, 0},
        {SS, 3, EXCEPTION_GP, 0},
        {SS, DATA0, CPU_OK, 0},
        {DS, 0, CPU_OK, 0},
    };

    tables_start(CPU_LONG64);
    check_loads(load, COUNT(load));
    c->segment[GS].base = 0x123;
    CHECK_EQ(mov_to(GS, 0), CPU_OK);
    CHECK_EQ(c->segment[GS].base, 0);
    CHECK_EQ(c->window[GS].base, 0);
    set_descriptor(DATA16, descriptor(0x12345678, 0xffff, 0x13, 0, SMALL));
    CHECK_EQ(mov_to(FS, DATA16), CPU_OK);
    CHECK_EQ(c->window[FS].base, 0x12345678);
    CHECK_EQ(mov_to(DS, DATA16), CPU_OK);
    CHECK_EQ(c->window[DS].base, 0);
    to_ring3(0);
    CHECK_EQ(mov_to(SS, 3), EXCEPTION_GP);
}

static void test_accessed(void)
{
    tables_start(CPU_FLAT32);
    set_descriptor(DATA16, descriptor(0x20000, 0xfff, 0x12, 0, SMALL));
    CHECK_EQ(mov_to(DS, DATA16), CPU_OK);
    CHECK_EQ(get_descriptor(DATA16) >> 40 & 1, 1);
    CHECK_EQ(c->segment[DS].base, 0x20000);
    CHECK_EQ(c->segment[DS].limit, 0xfff);
    /* The last byte can be read, the last word not. */
    CHECK_EQ(ONE("\xa0\xff\x0f\x00\x00"), CPU_OK);
    CHECK_EQ(ONE("\x66\xa1\xff\x0f\x00\x00"), EXCEPTION_GP);
    CHECK_EQ(c->error_code, 0);
}

static void test_expand_down(void)
{
    tables_start(CPU_FLAT32);
    CHECK_EQ(mov_to(DS, DOWN), CPU_OK);
    CHECK_EQ(ONE("\xa0\xff\xff\x00\x00"), EXCEPTION_GP);
    CHECK_EQ(ONE("\xa0\x00\x00\x01\x00"), CPU_OK);
    CHECK_EQ(mov_to(SS, DOWN), CPU_OK);
    c->r[RSP] = 0x10002;
    CHECK_EQ(ONE("\x50"), EXCEPTION_SS);
    CHECK_EQ(c->r[RSP], 0x10002);
    CHECK_EQ(mov_to(DS, 0), CPU_OK);
    CHECK_EQ(ONE("\xa0\x00\x00\x01\x00"), EXCEPTION_GP);
    CHECK_EQ(mov_to(DS, READ_ONLY), CPU_OK);
    CHECK_EQ(ONE("\xa0\x00\x00\x01\x00"), CPU_OK);
    CHECK_EQ(ONE("\xa2\x00\x00\x01\x00"), EXCEPTION_GP);
    CHECK_EQ(ONE("\x2e\xa2\x00\x00\x01\x00"), EXCEPTION_GP);
}

static void test_ldt(void)
{
    tables_start(CPU_FLAT32);
    put64(LDT_AT + 8, descriptor(0x4000, 0xff, 0x12, 0, SMALL));
    c->r[RAX] = LDT;
    CHECK_EQ(ONE("\x0f\x00\xd0"), CPU_OK); /* lldt ax */
    CHECK_EQ(mov_to(ES, 0x0c), CPU_OK);
    CHECK_EQ(c->segment[ES].base, 0x4000);
    CHECK_EQ(get64(LDT_AT + 8) >> 40 & 1, 1);
    CHECK_EQ(mov_to(ES, 0x14), EXCEPTION_GP);
    CHECK_EQ(c->error_code, 0x14);
    c->r[RCX] = UINT64_MAX;
    CHECK_EQ(ONE("\x0f\x00\xc1"), CPU_OK); /* sldt ecx */
    CHECK_EQ(c->r[RCX], LDT);
    c->r[RAX] = 0;
    CHECK_EQ(ONE("\x0f\x00\xd0"), CPU_OK);
    CHECK_EQ(mov_to(ES, 0x0c), EXCEPTION_GP);
    c->r[RAX] = DATA0;
    CHECK_EQ(ONE("\x0f\x00\xd0"), EXCEPTION_GP);
    CHECK_EQ(c->error_code, DATA0);
}

static void test_ltr(void)
{
    tables_start(CPU_FLAT32);
    c->r[RAX] = TSS2;
    CHECK_EQ(ONE("\x0f\x00\xd8"), CPU_OK); /* ltr ax */
    CHECK_EQ(c->tr.base, TSS2_AT);
    CHECK_EQ(get_descriptor(TSS2) >> 40 & 15, 0xb);
    CHECK_EQ(ONE("\x0f\x00\xd8"), EXCEPTION_GP); /* busy */
    CHECK_EQ(c->error_code, TSS2);
    c->r[RAX] = 0;
    CHECK_EQ(ONE("\x0f\x00\xd8"), EXCEPTION_GP);
    CHECK_EQ(c->error_code, 0);
    CHECK_EQ(ONE("\x0f\x00\xc9"), CPU_OK); /* str ecx */
    CHECK_EQ(c->r[RCX], TSS2);
    to_ring3(0);
    CHECK_EQ(ONE("\x0f\x00\xd8"), EXCEPTION_GP);
    c->cr4 |= CR4_UMIP;
    CHECK_EQ(ONE("\x0f\x00\xc9"), EXCEPTION_GP);
    CHECK_EQ(ONE("\x0f\x01\x05\x00\x00\x02\x00"), EXCEPTION_GP); /* sgdt */
    c->cr4 &= ~(uint64_t)CR4_UMIP;
    CHECK_EQ(mov_to(DS, DATA3 | 3), CPU_OK);
    CHECK_EQ(ONE("\x0f\x00\xc9"), CPU_OK);
    CHECK_EQ(ONE("\x0f\x01\x05\x00\x00\x02\x00"), CPU_OK);
    CHECK_EQ(get16(CPU_DATA), GDT_END - 1);
    CHECK_EQ(get32(CPU_DATA + 2), GDT_AT);
}

static bool zf(void)
{
    return soft_arith(c) & EFLAGS_ZF;
}

static void test_look(void)
{
    tables_start(CPU_FLAT32);
    c->r[RAX] = CODE3;
    CHECK_EQ(ONE("\x0f\x02\xc8"), CPU_OK); /* lar ecx, eax */
    CHECK(zf());
    CHECK_EQ(c->r[RCX], 0xcffb00);
    CHECK_EQ(ONE("\x0f\x03\xc8"), CPU_OK); /* lsl */
    CHECK_EQ(c->r[RCX], 0xffffffff);
    c->r[RAX] = TSS2;
    CHECK_EQ(ONE("\x0f\x03\xc8"), CPU_OK);
    CHECK(zf());
    CHECK_EQ(c->r[RCX], 0x67);
    set_descriptor(GATE, gate(CODE0, TARGET, TYPE_CALL32, 0, 0));
    c->r[RAX] = GATE;
    CHECK_EQ(ONE("\x0f\x03\xc8"), CPU_OK);
    CHECK(!zf());
    CHECK_EQ(ONE("\x0f\x02\xc8"), CPU_OK);
    CHECK(zf());
    c->r[RAX] = GDT_END;
    CHECK_EQ(ONE("\x0f\x02\xc8"), CPU_OK);
    CHECK(!zf());
    c->r[RAX] = EXECUTE;
    CHECK_EQ(ONE("\x0f\x00\xe0"), CPU_OK); /* verr ax */
    CHECK(!zf());
    c->r[RAX] = READ_ONLY;
    CHECK_EQ(ONE("\x0f\x00\xe0"), CPU_OK);
    CHECK(zf());
    CHECK_EQ(ONE("\x0f\x00\xe8"), CPU_OK); /* verw ax */
    CHECK(!zf());
    to_ring3(0);
    c->r[RAX] = DATA0;
    CHECK_EQ(ONE("\x0f\x00\xe0"), CPU_OK);
    CHECK(!zf());
    c->r[RAX] = CONFORMING | 3;
    CHECK_EQ(ONE("\x0f\x02\xc8"), CPU_OK);
    CHECK(zf());
}

static void test_arpl(void)
{
    tables_start(CPU_FLAT32);
    c->r[RAX] = 0x10;
    c->r[RCX] = 3;
    CHECK_EQ(ONE("\x63\xc8"), CPU_OK); /* arpl ax, cx */
    CHECK(zf());
    CHECK_EQ(c->r[RAX], 0x13);
    CHECK_EQ(ONE("\x63\xc8"), CPU_OK);
    CHECK(!zf());
    /* Where nothing may be written, and nothing is. */
    c->r[RDX] = READ_ONLY;
    CHECK_EQ(ONE("\x8e\xda"), CPU_OK); /* mov ds, dx */
    put32(CPU_DATA, 0x13);
    CHECK_EQ(ONE("\x63\x0d\x00\x00\x02\x00"), CPU_OK); /* arpl [CPU_DATA], cx */
    CHECK(!zf());
    put32(CPU_DATA, 0x12);
    CHECK_EQ(ONE("\x63\x0d\x00\x00\x02\x00"), EXCEPTION_GP);
    cpu_start(CPU_REAL16);
    CHECK_EQ(cpu_run("\x63\xc8", 2), EXCEPTION_UD);
    CHECK_EQ(cpu_run("\x0f\x00\xc0", 3), EXCEPTION_UD); /* sldt ax */
}

static void test_push_pop(void)
{
    tables_start(CPU_FLAT32);
    put32(CPU_STACK - 4, 0xdeadbeef);
    CHECK_EQ(ONE("\x1e"), CPU_OK); /* push ds */
    CHECK_EQ(c->r[RSP], CPU_STACK - 4);
    CHECK_EQ(get32(CPU_STACK - 4), 0xdead0000 | DATA0);
    CHECK_EQ(ONE("\x0f\xa1"), CPU_OK); /* pop fs */
    CHECK_EQ(c->r[RSP], CPU_STACK);
    CHECK_EQ(c->segment[FS].selector, DATA0);
    put32(CPU_DATA, 0x11223344);
    put32(CPU_DATA + 4, DATA16);
    CHECK_EQ(ONE("\xc4\x0d\x00\x00\x02\x00"), CPU_OK); /* les ecx, [] */
    CHECK_EQ(c->r[RCX], 0x11223344);
    CHECK_EQ(c->segment[ES].selector, DATA16);
    put32(CPU_DATA + 4, ABSENT);
    c->r[RCX] = 0;
    CHECK_EQ(ONE("\x0f\xb2\x0d\x00\x00\x02\x00"), EXCEPTION_SS); /* lss ecx, [] */
    CHECK_EQ(c->r[RCX], 0);
    c->r[RSP] = 0x12345678;
    CHECK_EQ(mov_to(SS, DATA16), CPU_OK);
    CHECK(c->shadow);
    CHECK_EQ(c->stack_size, 1);
    CHECK_EQ(ONE("\x6a\x05"), CPU_OK);
    CHECK_EQ(c->r[RSP], 0x12345674);
    CHECK_EQ(get32(0x5674), 5);
}

static void test_real_mode(void)
{
    cpu_start(CPU_REAL16);
    c->r[RAX] = 0x1234;
    CHECK_EQ(cpu_run("\x8e\xd8", 2), CPU_OK); /* mov ds, ax */
    CHECK_EQ(c->segment[DS].base, 0x12340);
    CHECK_EQ(c->segment[DS].limit, 0xffff);
    CHECK_EQ(cpu_run("\x66\xb9\x00\x00\x01\x00\x67\x8a\x01", 9), EXCEPTION_GP); /* [ecx] */
    c->segment[DS].limit = 0xffffffff;                                          /* unreal mode */
    CHECK_EQ(cpu_run("\x8e\xd8\x67\x8a\x01", 5), CPU_OK);
    CHECK_EQ(c->r[RAX] & 0xff, 0);
    CHECK_EQ(c->segment[DS].limit, 0xffffffff);
}

/* ---- far transfers ---- */

static void test_far_jump(void)
{
    tables_start(CPU_FLAT32);
    CHECK_EQ(ONE("\xea\x00\x20\x01\x00\x10\x00"), CPU_OK);
    CHECK_EQ(c->r[RIP], TARGET);
    CHECK_EQ(ONE("\xea\x00\x20\x01\x00\x40\x00"), CPU_OK); /* conforming */
    CHECK_EQ(c->segment[CS].selector, CONFORMING);
    CHECK_EQ(ONE("\xea\x00\x20\x01\x00\x00\x00"), EXCEPTION_GP);
    CHECK_EQ(c->error_code, 0);
    CHECK_EQ(ONE("\xea\x00\x20\x01\x00\x20\x00"), EXCEPTION_GP); /* DPL 3 */
    CHECK_EQ(c->error_code, CODE3);
    CHECK_EQ(ONE("\xea\x00\x20\x01\x00\x11\x00"), EXCEPTION_GP); /* RPL 1 */
    CHECK_EQ(c->error_code, CODE0);
    CHECK_EQ(ONE("\xea\x00\x20\x01\x00\xb8\x00"), EXCEPTION_NP);
    CHECK_EQ(c->error_code, ABSENT_CODE);
    CHECK_EQ(ONE("\xea\x00\x20\x01\x00\x08\x00"), EXCEPTION_GP); /* past the limit */
    CHECK_EQ(c->error_code, 0);
    CHECK_EQ(c->code_size, 2);
    CHECK_EQ(ONE("\x66\xea\x00\x20\x08\x00"), CPU_OK); /* 16-bit code */
    CHECK_EQ(c->code_size, 1);
    CHECK_EQ(c->r[RIP], 0x2000);
}

static void test_far_call(void)
{
    tables_start(CPU_FLAT32);
    *cpu_at(TARGET) = 0xca; /* retf 8 */
    *cpu_at(TARGET + 1) = 8;
    c->r[RSP] = CPU_STACK - 8;
    CHECK_EQ(ONE("\x9a\x00\x20\x01\x00\x10\x00"), CPU_OK);
    CHECK_EQ(c->r[RSP], CPU_STACK - 16);
    CHECK_EQ(get32(CPU_STACK - 16), CPU_CODE + 7);
    CHECK_EQ(get32(CPU_STACK - 12), CODE0);
    CHECK_EQ(cpu_step(), CPU_OK);
    CHECK_EQ(c->r[RIP], CPU_CODE + 7);
    CHECK_EQ(c->r[RSP], CPU_STACK);
    put32(CPU_DATA, 0x2000);
    put32(CPU_DATA + 4, CODE16);
    CHECK_EQ(ONE("\xff\x1d\x00\x00\x02\x00"), CPU_OK); /* call far [] */
    CHECK_EQ(c->segment[CS].selector, CODE16);
    CHECK_EQ(get32(CPU_STACK - 4), CODE0);
}

/* From ring 3, with two parameters, and back. */
static void test_call_gate(void)
{
    tables_start(CPU_FLAT32);
    set_descriptor(GATE, gate(CODE0, TARGET, TYPE_CALL32, 3, 2));
    *cpu_at(TARGET) = 0xca; /* retf 8 */
    *cpu_at(TARGET + 1) = 8;
    to_ring3(0);
    c->r[RSP] = STACK3 - 8;
    put32(STACK3 - 8, 111);
    put32(STACK3 - 4, 222);
    CHECK_EQ(mov_to(DS, DATA3 | 3), CPU_OK);
    CHECK_EQ(ONE("\x9a\x00\x00\x00\x00\x73\x00"), CPU_OK);
    CHECK_EQ(c->cpl, 0);
    CHECK_EQ(c->r[RIP], TARGET);
    CHECK_EQ(c->segment[CS].selector, CODE0);
    CHECK_EQ(c->segment[SS].selector, DATA0);
    CHECK_EQ(c->r[RSP], STACK0 - 24);
    CHECK_EQ(get32(STACK0 - 4), DATA3 | 3);
    CHECK_EQ(get32(STACK0 - 8), STACK3 - 8);
    CHECK_EQ(get32(STACK0 - 12), 222);
    CHECK_EQ(get32(STACK0 - 16), 111);
    CHECK_EQ(get32(STACK0 - 20), CODE3 | 3);
    CHECK_EQ(get32(STACK0 - 24), CPU_CODE + 7);
    uint64_t back = c->r[RIP];

    CHECK_EQ(mov_to(ES, DATA0), CPU_OK);
    c->r[RIP] = back;
    soft_cache_flush(c);
    CHECK_EQ(cpu_step(), CPU_OK);
    CHECK_EQ(c->cpl, 3);
    CHECK_EQ(c->r[RSP], STACK3);
    CHECK_EQ(c->segment[SS].selector, DATA3 | 3);
    CHECK_EQ(c->segment[ES].selector, 0); /* ring 0's is taken away */
    CHECK_EQ(c->segment[DS].selector, DATA3 | 3);
}

/* A 16-bit gate copies words; the TSS is 16-bit, too. */
static void test_call_gate16(void)
{
    tables_start(CPU_FLAT32);
    set_descriptor(GATE, gate(CODE16, 0x3000, TYPE_CALL16, 3, 3));
    c->tr.type = 3;
    put32(TSS_AT + 2, DATA16 << 16 | 0x8000);
    to_ring3(0);
    put32(STACK3, 0x22221111);
    put32(STACK3 + 4, 0x3333);
    CHECK_EQ(ONE("\x9a\x00\x00\x00\x00\x70\x00"), CPU_OK);
    CHECK_EQ(c->r[RIP], 0x3000);
    CHECK_EQ(c->r[RSP] & 0xffff, 0x8000 - 14);
    CHECK_EQ(get16(0x8000 - 2), DATA3 | 3);
    CHECK_EQ(get16(0x8000 - 4), STACK3 & 0xffff);
    CHECK_EQ(get16(0x8000 - 6), 0x3333);
    CHECK_EQ(get16(0x8000 - 8), 0x2222);
    CHECK_EQ(get16(0x8000 - 10), 0x1111);
    CHECK_EQ(get16(0x8000 - 12), CODE3 | 3);
    CHECK_EQ(get16(0x8000 - 14), (CPU_CODE + 7) & 0xffff);
}

static void test_tables_long(void)
{
    tables_start(CPU_LONG64);
    set_descriptor(LDT + 8, 0xffff8000);
    c->r[RAX] = LDT;
    CHECK_EQ(ONE("\x0f\x00\xd0"), CPU_OK);
    CHECK_EQ(c->ldt.base, UINT64_C(0xffff800000000000) + LDT_AT);
    set_descriptor(TSS2 + 8, 0xffff8000);
    c->r[RAX] = TSS2;
    CHECK_EQ(ONE("\x0f\x00\xd8"), CPU_OK);
    CHECK_EQ(c->tr.base, UINT64_C(0xffff800000000000) + TSS2_AT);
    set_descriptor(LDT + 8, 0x8000); /* not canonical */
    c->r[RAX] = LDT;
    CHECK_EQ(ONE("\x0f\x00\xd0"), EXCEPTION_GP);
    CHECK_EQ(c->error_code, LDT);
    CHECK_EQ(ONE("\x0f\x01\x04\x25\x00\x00\x02\x00"), CPU_OK); /* sgdt */
    CHECK_EQ(get64(CPU_DATA + 2), GDT_AT);
    put64(CPU_DATA + 2, UINT64_C(1) << 47);
    CHECK_EQ(ONE("\x0f\x01\x14\x25\x00\x00\x02\x00"), EXCEPTION_GP); /* lgdt */
    put64(CPU_DATA + 2, UINT64_C(0xffff800000001000));
    CHECK_EQ(ONE("\x0f\x01\x1c\x25\x00\x00\x02\x00"), CPU_OK); /* lidt */
    CHECK_EQ(c->idt.base, UINT64_C(0xffff800000001000));
    CHECK_EQ(c->idt.limit, GDT_END - 1);
}

static void test_far_real(void)
{
    cpu_start(CPU_REAL16);
    CHECK_EQ(ONE("\x9a\x00\x20\x00\x30"), CPU_OK); /* call 3000:2000 */
    CHECK_EQ(c->segment[CS].base, 0x30000);
    CHECK_EQ(c->r[RIP], 0x2000);
    CHECK_EQ(get16(CPU_CODE + 0xfffc), CPU_CODE >> 4);
    CHECK_EQ(get16(CPU_CODE + 0xfffa), 5);
    *cpu_at(0x32000) = 0xcb;
    soft_cache_flush(c);
    CHECK_EQ(cpu_step(), CPU_OK);
    CHECK_EQ(c->segment[CS].selector, CPU_CODE >> 4);
    CHECK_EQ(c->r[RIP], 5);
    CHECK_EQ(c->r[RSP], 0xfffe);
    CHECK_EQ(ONE("\x66\xea\x00\x00\x01\x00\x00\x30"), EXCEPTION_GP); /* past the limit */
    CHECK_EQ(c->segment[CS].selector, CPU_CODE >> 4);
    c->r[RSP] = 1; /* a word at ffff */
    CHECK_EQ(ONE("\x9a\x00\x20\x00\x30"), EXCEPTION_SS);
    CHECK_EQ(c->r[RSP], 1);
    CHECK_EQ(c->r[RIP], 0);
}

static void test_call_gate_faults(void)
{
    tables_start(CPU_FLAT32);
    set_descriptor(GATE, gate(CODE0, TARGET, TYPE_CALL32, 0, 0));
    to_ring3(0);
    CHECK_EQ(ONE("\x9a\x00\x00\x00\x00\x70\x00"), EXCEPTION_GP); /* the gate's DPL */
    CHECK_EQ(c->error_code, GATE);
    set_descriptor(GATE, absent(gate(CODE0, TARGET, TYPE_CALL32, 3, 0)));
    CHECK_EQ(ONE("\x9a\x00\x00\x00\x00\x70\x00"), EXCEPTION_NP);
    set_descriptor(GATE, gate(0, TARGET, TYPE_CALL32, 3, 0));
    CHECK_EQ(ONE("\x9a\x00\x00\x00\x00\x70\x00"), EXCEPTION_GP);
    CHECK_EQ(c->error_code, 0);
    set_descriptor(GATE, gate(DATA0, TARGET, TYPE_CALL32, 3, 0));
    CHECK_EQ(ONE("\x9a\x00\x00\x00\x00\x70\x00"), EXCEPTION_GP);
    CHECK_EQ(c->error_code, DATA0);
    set_descriptor(GATE, gate(CODE0, TARGET, TYPE_CALL32, 3, 0));
    CHECK_EQ(ONE("\xea\x00\x00\x00\x00\x70\x00"), EXCEPTION_GP); /* JMP cannot go inward */
    CHECK_EQ(c->error_code, CODE0);
    put32(TSS_AT + 8, READ_ONLY);
    CHECK_EQ(ONE("\x9a\x00\x00\x00\x00\x70\x00"), EXCEPTION_TS);
    CHECK_EQ(c->error_code, READ_ONLY);
    put32(TSS_AT + 8, ABSENT);
    CHECK_EQ(ONE("\x9a\x00\x00\x00\x00\x70\x00"), EXCEPTION_SS);
    CHECK_EQ(c->error_code, ABSENT);
    c->tr.limit = 8;
    CHECK_EQ(ONE("\x9a\x00\x00\x00\x00\x70\x00"), EXCEPTION_TS);
    CHECK_EQ(c->error_code, TSS);
    CHECK_EQ(c->cpl, 3);
    CHECK_EQ(c->r[RSP], STACK3);
}

static void test_call_gate_long(void)
{
    tables_start(CPU_LONG64);
    set_descriptor(GATE, gate(CODE64, TARGET, TYPE_CALL32, 3, 0));
    set_descriptor(GATE + 8, 0);
    *cpu_at(TARGET) = 0x48; /* retfq */
    *cpu_at(TARGET + 1) = 0xcb;
    to_ring3(0);
    put64(CPU_DATA, 0);
    put32(CPU_DATA + 4, GATE | 3);
    CHECK_EQ(ONE("\xff\x1c\x25\x00\x00\x02\x00"), CPU_OK);
    CHECK_EQ(c->cpl, 0);
    CHECK_EQ(c->segment[SS].selector, 0);
    CHECK_EQ(c->r[RSP], STACK0 - 32);
    CHECK_EQ(get64(STACK0 - 8), DATA3 | 3);
    CHECK_EQ(get64(STACK0 - 16), STACK3);
    CHECK_EQ(get64(STACK0 - 24), CODE64_3 | 3);
    CHECK_EQ(get64(STACK0 - 32), CPU_CODE + 7);
    CHECK_EQ(cpu_step(), CPU_OK);
    CHECK_EQ(c->cpl, 3);
    CHECK_EQ(c->r[RSP], STACK3);
    CHECK_EQ(c->r[RIP], CPU_CODE + 7);
    set_descriptor(GATE, gate(CODE0, TARGET, TYPE_CALL32, 3, 0));
    CHECK_EQ(ONE("\xff\x1c\x25\x00\x00\x02\x00"), EXCEPTION_GP); /* no 64-bit code */
    CHECK_EQ(c->error_code, CODE0);
}

/* To compatibility mode and back. */
static void test_compatibility(void)
{
    tables_start(CPU_LONG64);
    put32(CPU_DATA, TARGET);
    put32(CPU_DATA + 4, CODE0);
    CHECK_EQ(ONE("\xff\x2c\x25\x00\x00\x02\x00"), CPU_OK);
    CHECK_EQ(c->code_size, 2);
    CHECK_EQ(c->r[RIP], TARGET);
    CHECK_EQ(ONE("\xea\x00\x20\x01\x00\x60\x00"), CPU_OK);
    CHECK_EQ(c->code_size, 3);
    set_descriptor(DATA16, descriptor(0, 0xfffff, 0x1b, 0, LONG | BIG | PAGES));
    put32(CPU_DATA + 4, DATA16);
    CHECK_EQ(ONE("\xff\x2c\x25\x00\x00\x02\x00"), EXCEPTION_GP);
    CHECK_EQ(c->error_code, DATA16);
}

/* ---- near transfers ---- */

static void test_jcc(void)
{
    for (int cc = 0; cc < 16; cc++) {
        cpu_start(CPU_LONG64);
        for (int i = 0; i < 64; i++) {
            uint8_t code[2] = {0x70 | cc, 0x10};
            bool cf = i & 1, pf = i & 2, z = i & 8, sf = i & 16, of = i & 32;
            bool yes[8] = {of, cf, z, cf || z, sf, pf, sf != of, z || sf != of};

            soft_set_arith(c, cf | pf << 2 | z << 6 | sf << 7 | of << 11);
            CHECK_EQ(one(code, 2), CPU_OK);
            CHECK_EQ(c->r[RIP], CPU_CODE + 2 + (yes[cc / 2] != (cc & 1) ? 0x10 : 0));
        }
    }
}

static void test_near(void)
{
    tables_start(CPU_FLAT32);
    CHECK_EQ(ONE("\xe8\xfb\x1f\x00\x00"), CPU_OK); /* call TARGET */
    CHECK_EQ(c->r[RIP], TARGET);
    CHECK_EQ(get32(CPU_STACK - 4), CPU_CODE + 5);
    CHECK_EQ(ONE("\xc2\x04\x00"), CPU_OK); /* ret 4 */
    CHECK_EQ(c->r[RIP], CPU_CODE + 5);
    CHECK_EQ(c->r[RSP], CPU_STACK + 4);
    c->r[RAX] = TARGET;
    CHECK_EQ(ONE("\xff\xe0"), CPU_OK);
    CHECK_EQ(c->r[RIP], TARGET);
    CHECK_EQ(ONE("\x66\xff\xe0"), CPU_OK); /* 16 bits */
    CHECK_EQ(c->r[RIP], TARGET & 0xffff);
    c->r[RCX] = 1;
    CHECK_EQ(ONE("\xe2\x10"), CPU_OK);
    CHECK_EQ(c->r[RIP], CPU_CODE + 2);
    CHECK_EQ(c->r[RCX], 0);
    CHECK_EQ(ONE("\xe2\x10"), CPU_OK);
    CHECK_EQ(c->r[RIP], CPU_CODE + 0x12);
    CHECK_EQ(c->r[RCX], 0xffffffff);
    CHECK_EQ(ONE("\x67\xe3\x10"), CPU_OK); /* jcxz */
    CHECK_EQ(c->r[RIP], CPU_CODE + 3);
    c->r[RCX] = 0xffff0000;
    CHECK_EQ(ONE("\x67\xe3\x10"), CPU_OK);
    CHECK_EQ(c->r[RIP], CPU_CODE + 0x13);
    /* Out of the segment. */
    c->segment[CS].limit = 0x1ffff;
    soft_mode(c);
    c->r[RAX] = 0x20000;
    CHECK_EQ(ONE("\xff\xe0"), EXCEPTION_GP);
    CHECK_EQ(c->r[RIP], CPU_CODE);
    CHECK_EQ(ONE("\xe8\x00\x00\x02\x00"), EXCEPTION_GP);
    CHECK_EQ(c->r[RSP], CPU_STACK + 4);
    CHECK_EQ(ONE("\xe9\x00\x00\x00\x80"), EXCEPTION_GP);
    c->r[RCX] = 5;
    CHECK_EQ(ONE("\x66\xe2\x10"), CPU_OK);
    CHECK_EQ(c->r[RIP], 0x13);
}

static void test_near_long(void)
{
    tables_start(CPU_LONG64);
    CHECK_EQ(ONE("\x66\xe8\xfa\x1f\x00\x00"), CPU_OK); /* 66 means nothing */
    CHECK_EQ(c->r[RIP], TARGET);
    CHECK_EQ(get64(CPU_STACK - 8), CPU_CODE + 6);
    CHECK_EQ(c->r[RSP], CPU_STACK - 8);
    put64(CPU_STACK - 8, UINT64_C(1) << 47);
    CHECK_EQ(ONE("\xc3"), EXCEPTION_GP);
    CHECK_EQ(c->r[RSP], CPU_STACK - 8);
    c->r[RAX] = UINT64_C(0xffff7fffffffffff);
    CHECK_EQ(ONE("\xff\xd0"), EXCEPTION_GP);
    CHECK_EQ(c->r[RSP], CPU_STACK - 8);
    c->r[RAX] = CPU_DATA;
    put64(CPU_DATA, TARGET);
    CHECK_EQ(ONE("\xff\x10"), CPU_OK); /* call [rax] */
    CHECK_EQ(c->r[RIP], TARGET);
}

/* The second half of a system segment, behind which there is no page, is only read by who wants a
 * system segment. */
static void test_upper_half(void)
{
    const uint64_t end = 2 << 20, gdt = end - LDT - 8;

    tables_start(CPU_LONG64);
    memcpy(cpu_at(gdt), cpu_at(GDT_AT), GDT_END);
    c->gdt.base = gdt;
    put64(CPU_TABLES + 2 * 4096 + 8, 0);
    soft_flush_tlb(c, true);
    CHECK_EQ(mov_to(DS, LDT), EXCEPTION_GP);
    CHECK_EQ(c->error_code, LDT);
    CHECK_EQ(mov_to(SS, LDT), EXCEPTION_GP);
    CHECK_EQ(c->error_code, LDT);
    c->r[RAX] = LDT;
    CHECK_EQ(ONE("\x0f\x00\xe0"), CPU_OK); /* verr */
    CHECK(!zf());
    CHECK_EQ(ONE("\x0f\x00\xd0"), EXCEPTION_PF); /* lldt */
    CHECK_EQ(c->cr2, end);
}

/* Tables that begin at odd addresses, and have a descriptor in two pages. */
static void test_crossing(void)
{
    uint64_t d = descriptor(0x12345678, 0xfffff, 0x13, 0, BIG | PAGES);

    for (int first = 1; first < 8; first++) {
        tables_start(CPU_FLAT32);
        c->gdt.base = 0x6000 - first - 8;
        memcpy(cpu_at(c->gdt.base), cpu_at(GDT_AT), GDT_END);
        memcpy(cpu_at(c->gdt.base + 8), &d, 8);
        c->r[RAX] = 8;
        CHECK_EQ(ONE("\x8e\xd8"), CPU_OK); /* mov ds, ax */
        CHECK_EQ(c->segment[DS].base, 0x12345678);
        CHECK_EQ(c->segment[DS].limit, 0xffffffff);
        CHECK_EQ(c->segment[DS].type, 3);
        CHECK_EQ(*cpu_at(c->gdt.base + 8 + 5) & 1, 1);
    }
}

int main(void)
{
    return test_main((struct test[]){
        {test_loads_ring0, "segment registers load, or fault as they shall, in ring 0"},
        {test_loads_ring3, "and in ring 3"},
        {test_loads_long, "null segments are good in 64-bit mode"},
        {test_accessed, "a loaded descriptor is marked accessed; its limit counts"},
        {test_expand_down, "segments that expand down, are null or read-only"},
        {test_crossing, "descriptors in two pages"},
        {test_ldt, "the LDT"},
        {test_ltr, "the task register, and UMIP"},
        {test_look, "LAR, LSL, VERR, VERW"},
        {test_upper_half, "a segment that loads reads 8 bytes, LLDT 16"},
        {test_arpl, "ARPL"},
        {test_push_pop, "PUSH and POP of segments, far pointers, 16-bit stacks"},
        {test_real_mode, "real mode keeps limits: unreal mode"},
        {test_far_jump, "far jumps"},
        {test_far_call, "far calls and returns"},
        {test_call_gate, "a call gate to ring 0 and back"},
        {test_call_gate16, "a 16-bit call gate and TSS"},
        {test_tables_long, "descriptor tables in 64-bit mode"},
        {test_far_real, "far calls in real mode"},
        {test_call_gate_faults, "call gates that do not work"},
        {test_call_gate_long, "a call gate of long mode"},
        {test_compatibility, "between 64-bit and compatibility mode"},
        {test_jcc, "conditional jumps, by all flags"},
        {test_near, "near jumps, calls, returns and loops"},
        {test_near_long, "and in 64-bit mode"},
        {0},
    });
}
