/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables for a soft CPU: a GDT with a segment of each kind, an IDT whose handlers halt,
 * a TSS with a stack for ring 0.
 */
#ifndef TESTS_UNIT_SOFT_TABLES_H
#define TESTS_UNIT_SOFT_TABLES_H

#include "x86/soft/segment.h"

#include "tests/unit/soft-cpu.h"

enum {
    GDT_AT = 0x1000,
    IDT_AT = 0x2000,
    TSS_AT = 0x3000,
    TSS2_AT = 0x3400,
    LDT_AT = 0x3800,
    HANDLERS = 0x11000, /* of vector v: HLT at HANDLERS + v * 16 */
    TARGET = 0x12000,   /* free for code */
    STACK0 = 0x70000,   /* of ring 0, in the TSS */
    STACK3 = 0x60000,
    IST1 = 0x50000,
};

/* Selectors. */
enum {
    CODE16 = 0x08,
    CODE0 = 0x10,
    DATA0 = 0x18,
    CODE3 = 0x20,
    DATA3 = 0x28,
    TSS = 0x30, /* 16 bytes in long mode */
    CONFORMING = 0x40,
    ABSENT = 0x48,
    DOWN = 0x50,
    EXECUTE = 0x58,
    CODE64 = 0x60,
    CODE64_3 = 0x68,
    GATE = 0x70, /* 16 bytes in long mode */
    TASK_GATE = 0x80,
    TSS2 = 0x88, /* 16 bytes in long mode */
    LDT = 0x98,  /* 16 bytes in long mode */
    DATA16 = 0xa8,
    READ_ONLY = 0xb0,
    ABSENT_CODE = 0xb8,
    GDT_END = 0xc0,
};

enum {
    SMALL = 0,   /* flags of descriptors: bytes, 16 bits */
    BIG = 4,     /* 32 bits */
    PAGES = 8,   /* limit in pages */
    LONG = 2,    /* 64 bits */
    PRESENT = 8, /* in the nibble of S and DPL */
    CODE_OR_DATA = 1,
};

static inline uint64_t descriptor(uint32_t base, uint32_t limit, int type, int dpl, int flags)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)type << 40 |
           (uint64_t)dpl << 45 | UINT64_C(1) << 47 | (uint64_t)(limit >> 16 & 15) << 48 |
           (uint64_t)flags << 52 | (uint64_t)(base >> 24) << 56;
}

static inline uint64_t absent(uint64_t d)
{
    return d & ~(UINT64_C(1) << 47);
}

static inline uint64_t gate(uint16_t selector, uint32_t offset, int type, int dpl, int count)
{
    return (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)count << 32 |
           (uint64_t)type << 40 | (uint64_t)dpl << 45 | UINT64_C(1) << 47 |
           (uint64_t)(offset >> 16) << 48;
}

static inline void set_descriptor(uint16_t selector, uint64_t d)
{
    memcpy(cpu_at(GDT_AT + (selector & ~7)), &d, 8);
}

static inline uint64_t get_descriptor(uint16_t selector)
{
    uint64_t d;

    memcpy(&d, cpu_at(GDT_AT + (selector & ~7)), 8);
    return d;
}

static inline void put32(uint64_t at, uint32_t val)
{
    memcpy(cpu_at(at), &val, 4);
}

static inline uint32_t get16(uint64_t at)
{
    uint16_t val;

    memcpy(&val, cpu_at(at), 2);
    return val;
}

static inline uint32_t get32(uint64_t at)
{
    uint32_t val;

    memcpy(&val, cpu_at(at), 4);
    return val;
}

static inline uint64_t get64(uint64_t at)
{
    return get32(at) | (uint64_t)get32(at + 4) << 32;
}

static inline void put64(uint64_t at, uint64_t val)
{
    memcpy(cpu_at(at), &val, 8);
}

/* The gate of a vector; in long mode it has 16 bytes. */
static inline void set_gate(int vector, uint64_t g)
{
    int size = c->efer & EFER_LMA ? 16 : 8;

    put64(IDT_AT + vector * size, g);
    if (size == 16)
        put64(IDT_AT + vector * size + 8, 0);
}

static inline uint32_t handler(int vector)
{
    return HANDLERS + vector * 16;
}

/* Let ring 3 have all pages. */
static inline void open_pages(void)
{
    for (uint64_t at = CPU_TABLES; at < CPU_TABLES + 3 * 4096; at += 8)
        if (get64(at) & 1)
            put64(at, get64(at) | 4);
    soft_flush_tlb(c, true);
}

/* Protected or long mode with all these tables, in ring 0 with the selectors of the table. */
static inline void tables_start(enum cpu_mode mode)
{
    bool is64 = mode == CPU_LONG64;

    cpu_start(mode);
    if (is64)
        open_pages();
    set_descriptor(CODE16, descriptor(0, 0xffff, 0x1b, 0, SMALL));
    set_descriptor(CODE0, descriptor(0, 0xfffff, 0x1b, 0, BIG | PAGES));
    set_descriptor(DATA0, descriptor(0, 0xfffff, 0x13, 0, BIG | PAGES));
    set_descriptor(CODE3, descriptor(0, 0xfffff, 0x1b, 3, BIG | PAGES));
    set_descriptor(DATA3, descriptor(0, 0xfffff, 0x13, 3, BIG | PAGES));
    set_descriptor(TSS, descriptor(TSS_AT, 0x88, 9, 0, SMALL));
    set_descriptor(CONFORMING, descriptor(0, 0xfffff, 0x1f, 0, BIG | PAGES));
    set_descriptor(ABSENT, absent(descriptor(0, 0xfffff, 0x13, 0, BIG | PAGES)));
    set_descriptor(DOWN, descriptor(0, 0xffff, 0x17, 0, BIG));
    set_descriptor(EXECUTE, descriptor(0, 0xfffff, 0x19, 0, BIG | PAGES));
    set_descriptor(CODE64, descriptor(0, 0xfffff, 0x1b, 0, LONG | PAGES));
    set_descriptor(CODE64_3, descriptor(0, 0xfffff, 0x1b, 3, LONG | PAGES));
    set_descriptor(TSS2, descriptor(TSS2_AT, 0x67, 9, 0, SMALL));
    set_descriptor(LDT, descriptor(LDT_AT, 0xf, 2, 0, SMALL));
    set_descriptor(DATA16, descriptor(0, 0xffff, 0x13, 0, SMALL));
    set_descriptor(READ_ONLY, descriptor(0, 0xfffff, 0x11, 0, BIG | PAGES));
    set_descriptor(ABSENT_CODE, absent(descriptor(0, 0xfffff, 0x1b, 0, BIG | PAGES)));
    c->gdt = (struct descriptor_table){.base = GDT_AT, .limit = GDT_END - 1};
    c->idt = (struct descriptor_table){.base = IDT_AT, .limit = (is64 ? 16 : 8) * 256 - 1};
    for (int v = 0; v < 256; v++) {
        set_gate(v, gate(is64 ? CODE64 : CODE0, handler(v), TYPE_INTERRUPT32, 0, 0));
        *cpu_at(handler(v)) = 0xf4;
    }
    c->tr = (struct segment){
        .base = TSS_AT, .limit = 0x88, .selector = TSS, .type = 0xb, .present = true};
    set_descriptor(TSS, get_descriptor(TSS) | UINT64_C(2) << 40);
    if (is64) {
        put64(TSS_AT + 4, STACK0);
        put64(TSS_AT + 36, IST1);
        c->segment[CS].selector = CODE64;
    } else {
        put32(TSS_AT + 4, STACK0);
        put32(TSS_AT + 8, DATA0);
        c->segment[CS].selector = CODE0;
    }
    c->segment[SS].selector = c->segment[DS].selector = c->segment[ES].selector = DATA0;
}

/* Put code at CPU_CODE and RIP there. */
static inline void put_code(const void *code, size_t n)
{
    memcpy(cpu_at(CPU_CODE), code, n);
    soft_cache_flush(c);
    c->r[RIP] = CPU_CODE - c->window[CS].base;
    c->halted = false;
}

/* Run the one instruction in code, without delivering what it raises: as cpu_step(). */
static inline int one(const void *code, size_t n)
{
    put_code(code, n);
    return cpu_step();
}

/* Run code until something halts. */
static inline int until_halt(const void *code, size_t n)
{
    put_code(code, n);
    return cpu_go();
}

#define ONE(bytes)        one(bytes, sizeof(bytes) - 1)
#define UNTIL_HALT(bytes) until_halt(bytes, sizeof(bytes) - 1)

/* To ring 3, by IRET: RIP is CPU_CODE, the stack STACK3. */
static inline void to_ring3(uint32_t eflags)
{
    bool is64 = c->efer & EFER_LMA;
    int size = is64 ? 8 : 4;
    uint64_t frame[5] = {CPU_CODE, is64 ? CODE64_3 | 3 : CODE3 | 3, eflags, STACK3, DATA3 | 3};

    c->r[RSP] = CPU_STACK - 5 * size;
    for (int i = 0; i < 5; i++)
        memcpy(cpu_at(c->r[RSP] + i * size), &frame[i], size);
    CHECK_EQ(is64 ? ONE("\x48\xcf") : ONE("\xcf"), CPU_OK);
    CHECK_EQ(c->cpl, 3);
}

#endif
