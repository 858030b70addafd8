/* SPDX-License-Identifier: MIT */
/*
 * Samples of system instructions: what tests/soft/unicorn.c runs on two engines.
 */
#ifndef TESTS_SOFT_SYSTEM_H
#define TESTS_SOFT_SYSTEM_H

#include "tests/unit/soft-tables.h"

enum {
    GDT_ENTRIES = 48,
    LDT_ENTRIES = 8,
    PROLOGUE = 0x5000, /* code and stack that unicorn begins with */
    PROLOGUE_STACK = 0x6800,
    LANDING = 0x7000,  /* where the prologue ends */
    CODE = 0x10000,    /* the base of CS in real mode */
    CODE_LOW = 0xc000, /* of 16-bit code in protected mode */
    AREA = 0x200000,   /* physical: what the pages of the random page tables lead to */
    AREA_SIZE = 0x8000,
    LOW = 0x40000, /* RAM in use from 0 */
    RANDOM_TABLES = CPU_TABLES + 0x8000,
    TABLES_END = CPU_TABLES + 0x10000,
    STACK = 0x38000,

    CPL_CODE = 0x20, /* selectors: what the case runs with */
    CPL_STACK = 0x28,
    FREE_DATA = 0x30, /* DPL 3 */
    TASK = 0x38,      /* 16 bytes in long mode */
    LOCAL = 0x48,
    OUTER_CODE = 0x80,
    OUTER_STACK = 0x88,
    RANDOM = 0x58, /* the first of random ones */
};

#define PSE_AT  UINT64_C(0x40000000) /* linear: random pages with 32 bits */
#define LONG_AT UINT64_C(0x8000000000)

enum world {
    REAL,
    V86,
    PROTECTED, /* no paging */
    PSE,
    PAE,
    LONG64,
    COMPATIBILITY,
    WORLDS
};

enum kind {
    LOADS,
    LOOKS,
    TABLES,
    FAR,
    RETURNS,
    FLAGS,
    CONTROL,
    BASES,
    PAGE_TABLES,
    KINDS_OF_SAMPLES
};

struct hidden {
    uint16_t selector;
    uint64_t base;
    uint32_t limit, flags; /* as the upper half of a descriptor has them: 0x00f0ff00 */
};

/* All that is compared. */
struct state {
    uint64_t r[16], rip;
    uint32_t eflags;
    struct hidden segment[8]; /* 6: LDTR, 7: TR */
    struct descriptor_table gdt, idt;
    uint64_t cr0, cr2, cr3, cr4, efer, dr[8];
    int vector; /* CPU_OK: none */
    uint32_t error;
};

/* One instruction and what it meets. */
struct sample {
    enum world world;
    enum kind kind;
    int cpl, size;  /* log2 of the default operand's size */
    uint64_t begin; /* linear */
    uint8_t code[16];
    int n;
    bool memory; /* it has an operand in memory, at */
    uint64_t at;
    struct state in;
    uint16_t selector, stack; /* of a far transfer */
    uint64_t random_pages;    /* the linear address of the pages that lead to AREA, or 0 */
    uint64_t gdt_at;          /* in the image */
};

extern struct sample t;
extern uint8_t *image; /* RAM as it is before the instruction */

static inline bool is_long(void)
{
    return t.world == LONG64 || t.world == COMPATIBILITY;
}

static inline bool is_paged(void)
{
    return t.world >= PSE;
}

static inline bool is_real(void)
{
    return t.world <= V86;
}

/* Make `t` and `image`: always the same ones for a number. */
void make_sample(enum world world, enum kind kind, uint64_t number);

/* What a selector names in the image's tables, or 0. */
uint64_t named(uint16_t selector);

/* Is it a sample that unicorn is not to be asked about? */
bool is_left_out(void);

/* Can unicorn not say what the instruction does? soft and uni are what the engines made of it. */
bool is_excluded(const struct state *soft, const struct state *uni);

/* Is a difference, in what compare() calls it, one of those where unicorn is known to be wrong? */
bool is_known(const struct state *soft, const struct state *uni, const char *what);

/* A line of KTAP's comments for each of those that were met. */
void show_known(void);

#endif
