// SPDX-License-Identifier: MIT
/*
 * Unit tests of page tables: those for a start, and walks of all kinds.
 */
#include "x86/paging.h"
#include "tests/unit/test.h"

enum {
    RAM = 0x300000,
    /* entry bits */
    P = 1 << 0,
    W = 1 << 1,
    PS = 1 << 7,
    PAT = 1 << 12, /* of a large page */
    G = 1 << 8,
};
#define NX (UINT64_C(1) << 63)

static _Alignas(4096) uint8_t memory[RAM];
static const struct ram ram = {.host = memory, .size = RAM};

static void set32(uint32_t table, int index, uint32_t entry)
{
    memcpy(memory + table + 4 * index, &entry, sizeof(entry));
}

static void set64(uint32_t table, int index, uint64_t entry)
{
    memcpy(memory + table + 8 * index, &entry, sizeof(entry));
}

static uint64_t get64(uint32_t table, int index)
{
    uint64_t entry;

    memcpy(&entry, memory + table + 8 * index, sizeof(entry));
    return entry;
}

/* Paging modes, with tables that start at cr3. */
static struct cpu_state paged(uint64_t cr3, uint64_t cr4, uint64_t efer)
{
    memset(memory, 0, sizeof(memory));
    return (struct cpu_state){.cr0 = CR0_PE | CR0_PG, .cr3 = cr3, .cr4 = cr4, .efer = efer};
}

#define LONG_MODE (EFER_LME | EFER_LMA)

/* Where an address leads to, or NOWHERE. */
#define NOWHERE UINT64_MAX

static uint64_t walk(const struct cpu_state *s, uint64_t linear)
{
    uint64_t gpa;

    return paging_walk(&ram, s, linear, &gpa) ? gpa : NOWHERE;
}

static void test_identity(void)
{
    static const int sizes[] = {1, 4, 512};
    const uint64_t gib = 1 << 30, at = 0x3000;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct cpu_state s = paged(at, CR4_PAE, LONG_MODE);
        uint64_t end = sizes[i] * gib, filled = at + PAGING_IDENTITY_SIZE(sizes[i]);
        uint64_t places[] = {0, 0x1000, 0x1fffff, 0x200000, gib - 1, end - gib, end - 1};

        memset(memory, 0xa5, sizeof(memory));
        paging_identity(&ram, at, sizes[i]);
        for (size_t j = 0; j < sizeof(places) / sizeof(places[0]); j++)
            CHECK_EQ(walk(&s, places[j]), places[j]);
        CHECK_EQ(walk(&s, end), NOWHERE);
        CHECK_EQ(walk(&s, 0xffff800000000000), NOWHERE);
        CHECK_EQ(memory[at - 1], 0xa5);
        CHECK_EQ(memory[filled], 0xa5);
        CHECK(memory[filled - 1] != 0xa5);
    }
}

static void test_identity_rights(void)
{
    paged(0, 0, 0);
    paging_identity(&ram, 0x3000, 1);
    CHECK_EQ(get64(0x3000, 0), 0x4000 | P | W);
    CHECK_EQ(get64(0x4000, 0), 0x5000 | P | W);
    CHECK_EQ(get64(0x5000, 3), 0x600000 | P | W | PS);
}

static void test_none(void)
{
    struct cpu_state s = {.cr0 = CR0_PE, .cr3 = 0x1000, .cr4 = CR4_PAE};

    CHECK_EQ(walk(&s, 0x123456), 0x123456);
    CHECK_EQ(walk(&s, 0xfffffff0), 0xfffffff0);
    CHECK_EQ(walk(&s, 0x1fffffff0), 0xfffffff0);
}

static void test_32bit(void)
{
    struct cpu_state s = paged(0x1000 | 0x18, 0, 0);

    set32(0x1000, 0x200, 0x2000 | P);
    set32(0x2000, 5, 0xfedcb000 | P | G);
    set32(0x2000, 6, 0xfedcb000);
    set32(0x2000, 1023, 0x7000 | P | W);
    CHECK_EQ(walk(&s, 0x80005abc), 0xfedcbabc);
    CHECK_EQ(walk(&s, 0x180005abc), 0xfedcbabc);
    CHECK_EQ(walk(&s, 0x80006abc), NOWHERE);
    CHECK_EQ(walk(&s, 0x803fffff), 0x7fff);
    CHECK_EQ(walk(&s, 0x80400000), NOWHERE);
    CHECK_EQ(walk(&s, 0), NOWHERE);
}

/* Without CR4.PSE the bit in a directory entry is ignored. */
static void test_pse(void)
{
    struct cpu_state s = paged(0x1000, CR4_PSE, 0);

    set32(0x1000, 0x300, 0x00400000 | P | PS);
    CHECK_EQ(walk(&s, 0xc0123456), 0x523456);
    CHECK_EQ(walk(&s, 0xc03fffff), 0x7fffff);
    set32(0x1000, 0x300, 0x00002000 | P | PS);
    set32(0x2000, 0x123, 0x9000 | P);
    CHECK_EQ(walk(&s, 0xc0123456), 0x123456);
    s.cr4 = 0;
    CHECK_EQ(walk(&s, 0xc0123456), 0x9456);
}

/* The page-directory-pointer table has four entries on a boundary of 32 bytes. */
static void test_pae(void)
{
    struct cpu_state s = paged(0x1020 | 0x18, CR4_PAE, 0);

    set64(0x1020, 0, 0x2000 | P);
    set64(0x1020, 3, 0x3000 | P);
    set64(0x2000, 1, 0x4000 | P);
    set64(0x4000, 511, NX | 0xfedcba987000 | P | PS);
    set64(0x3000, 511, NX | 0x123400000000 | PAT | PS | P);
    CHECK_EQ(walk(&s, 0x3ff123), 0xfedcba987123);
    CHECK_EQ(walk(&s, 0x1003ff123), 0xfedcba987123);
    CHECK_EQ(walk(&s, 0x3fe123), NOWHERE);
    CHECK_EQ(walk(&s, 0xffffffff), 0x1234001fffff);
    CHECK_EQ(walk(&s, 0x40000000), NOWHERE);
    CHECK_EQ(walk(&s, 0xc0000000), NOWHERE);
}

/* In the lower half of CR3 there may be a PCID. */
static void test_4_level(void)
{
    struct cpu_state s = paged(0x1000 | 0xabc, CR4_PAE, LONG_MODE);

    set64(0x1000, 0x1ff, NX | 0x2000 | P);
    set64(0x2000, 0x1fe, 0x3000 | P);
    set64(0x3000, 8, 0x4000 | P);
    set64(0x4000, 3, NX | 0xfedcba9876000 | P | G);
    CHECK_EQ(walk(&s, 0xffffffff81003def), 0xfedcba9876def);
    CHECK_EQ(walk(&s, 0xffffffff81004def), NOWHERE);
    CHECK_EQ(walk(&s, 0xffffffff81203def), NOWHERE);
    CHECK_EQ(walk(&s, 0xffffffffc1003def), NOWHERE);
    CHECK_EQ(walk(&s, 0x81003def), NOWHERE);
    set64(0x1000, 0, 0x2000 | P);
    set64(0x2000, 2, 0x3000 | P);
    CHECK_EQ(walk(&s, 0x81003def), 0xfedcba9876def);
}

static void test_large(void)
{
    struct cpu_state s = paged(0x1000, CR4_PAE, LONG_MODE);

    set64(0x1000, 0x100, 0x2000 | P);
    set64(0x2000, 0, 0x3000 | P);
    set64(0x2000, 1, 0x7540000000 | PAT | PS | P);
    set64(0x3000, 7, 0x1234400000 | PAT | PS | P);
    CHECK_EQ(walk(&s, 0xffff800000e12345), 0x1234412345);
    CHECK_EQ(walk(&s, 0xffff800000ffffff), 0x12345fffff);
    CHECK_EQ(walk(&s, 0xffff80007abcdef0), 0x757abcdef0);
    set64(0x2000, 1, 0x7540000000 | PS);
    CHECK_EQ(walk(&s, 0xffff80007abcdef0), NOWHERE);
}

static void test_5_level(void)
{
    struct cpu_state s = paged(0x1000, CR4_PAE | CR4_LA57, LONG_MODE);

    set64(0x1000, 0x1aa, 0x2000 | P);
    set64(0x2000, 0x111, 0x3000 | P);
    set64(0x3000, 0x022, 0x4000 | P);
    set64(0x4000, 0x033, 0x5000 | P);
    set64(0x5000, 0x144, 0x678000 | P);
    uint64_t linear = UINT64_C(0xfe) << 56 | UINT64_C(0x1aa) << 48 | UINT64_C(0x111) << 39 |
                      UINT64_C(0x022) << 30 | 0x033 << 21 | 0x144 << 12;

    CHECK_EQ(walk(&s, linear | 0x9ab), 0x6789ab);
    CHECK_EQ(walk(&s, linear ^ UINT64_C(1) << 48), NOWHERE);
    s.cr4 = CR4_PAE;
    CHECK_EQ(walk(&s, linear | 0x9ab), NOWHERE);
}

/* A guest may point anywhere; nothing outside RAM is read. */
static void test_outside(void)
{
    static const uint64_t outside[] = {RAM, RAM_HOLE, RAM_HIGH, UINT64_C(0xffffffffff000)};

    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        struct cpu_state s = paged(outside[i], CR4_PAE, LONG_MODE);

        CHECK_EQ(walk(&s, 0), NOWHERE);
        CHECK_EQ(walk(&s, UINT64_MAX), NOWHERE);
        s.cr3 = 0x1000;
        for (int level = 0; level < 3; level++) {
            set64(0x1000 + level * 0x1000, 0, outside[i] | P);
            CHECK_EQ(walk(&s, 0), NOWHERE);
            set64(0x1000 + level * 0x1000, 0, (0x2000 + level * 0x1000) | P);
        }
        set64(0x4000, 0, outside[i] | P);
        CHECK_EQ(walk(&s, 0), outside[i]);
    }

    struct cpu_state s = paged(RAM, 0, 0);

    CHECK_EQ(walk(&s, 0), NOWHERE);
    s = paged(UINT64_MAX, CR4_PAE, 0);
    CHECK_EQ(walk(&s, 0), NOWHERE);
    s = paged(RAM - 32, CR4_PAE, 0);
    set64(RAM - 32, 3, 0x1000 | P);
    set64(0x1000, 0, PS | P);
    CHECK_EQ(walk(&s, 0xc0000123), 0x123);
}

static void test_peek(void)
{
    struct cpu_state s = paged(0x1000, CR4_PAE, LONG_MODE);
    char buf[16] = "";

    set64(0x1000, 0, 0x2000 | P);
    set64(0x2000, 0, 0x3000 | P);
    set64(0x3000, 0, 0x4000 | P);
    set64(0x4000, 0, 0x9000 | P);
    set64(0x4000, 1, 0x7000 | P);
    set64(0x4000, 3, RAM | P);
    memcpy(memory + 0x9ffc, "over", 4);
    memcpy(memory + 0x7000, " the edge", 10);
    CHECK_EQ(paging_peek(&ram, &s, 0xffc, buf, 14), 14);
    CHECK(!strcmp(buf, "over the edge"));

    memset(buf, 'x', sizeof(buf));
    CHECK_EQ(paging_peek(&ram, &s, 0x1ffd, buf, 8), 3);
    CHECK_EQ(buf[2], 0);
    CHECK_EQ(buf[3], 'x');
    CHECK_EQ(paging_peek(&ram, &s, 0x2000, buf, 8), 0);
    CHECK_EQ(paging_peek(&ram, &s, 0x3000, buf, 8), 0);
    CHECK_EQ(paging_peek(&ram, &s, 0, buf, 0), 0);
}

/* Linear addresses of 32 bits go round. */
static void test_peek_wraps(void)
{
    struct cpu_state s = paged(0x1000, 0, 0);
    char buf[8];

    set32(0x1000, 0, 0x2000 | P);
    set32(0x1000, 1023, 0x2000 | P);
    set32(0x2000, 0, 0x5000 | P);
    set32(0x2000, 1023, 0x6000 | P);
    memcpy(memory + 0x6ffe, "ab", 2);
    memcpy(memory + 0x5000, "cd", 2);
    CHECK_EQ(paging_peek(&ram, &s, 0xfffffffe, buf, 4), 4);
    CHECK(!memcmp(buf, "abcd", 4));
}

int main(void)
{
    return test_main((struct test[]){
        {test_identity, "identity tables map what they should, and fill no more than they say"},
        {test_identity_rights, "identity tables are present and writable throughout"},
        {test_none, "no paging: the address itself, of 32 bits"},
        {test_32bit, "32-bit paging"},
        {test_pse, "32-bit paging with pages of 4 MiB"},
        {test_pae, "PAE paging, with pages of 2 MiB"},
        {test_4_level, "4-level paging"},
        {test_large, "4-level paging with pages of 2 MiB and 1 GiB"},
        {test_5_level, "5-level paging"},
        {test_outside, "tables outside RAM map nothing"},
        {test_peek, "peeking crosses pages and stops at the first that is not there"},
        {test_peek_wraps, "peeking goes round at 4 GiB"},
        {0},
    });
}
