// SPDX-License-Identifier: MIT
/*
 * Places in RAM: what is taken from the start, taking, finding from above and from below, and that
 * no range is ever given twice.
 */
#include "boot/place.h"
#include "tests/unit/test.h"

#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)

static struct ram ram;
static struct place p;

static void with_ram(uint64_t size)
{
    ram.size = size; /* the RAM itself is not looked at */
    place_init(&p, &ram);
}

/* In order, without overlaps or ranges that touch, up to the end of all addresses. */
static void check_order(void)
{
    CHECK(p.n >= 1 && p.n <= PLACE_MAX);
    for (int i = 0; i < p.n; i++) {
        CHECK(p.taken[i].start < p.taken[i].end);
        CHECK(!i || p.taken[i].start > p.taken[i - 1].end);
    }
    CHECK_EQ(p.taken[p.n - 1].end, UINT64_MAX);
}

static void from_the_start(void)
{
    with_ram(64 * MIB);
    CHECK(!place_take(&p, 0, 1));
    CHECK(!place_take(&p, 0xfff, 2));
    CHECK(!place_take(&p, 0x9fbff, 2));
    CHECK(!place_take(&p, 0x9fc00, 1));
    CHECK(!place_take(&p, MIB - 1, 1));
    CHECK(!place_take(&p, 64 * MIB - 1, 2));
    CHECK(!place_take(&p, 64 * MIB, 1));
    CHECK(place_take(&p, 0x1000, 0x9ec00));
    CHECK(place_take(&p, MIB, 63 * MIB));
    CHECK_EQ(p.n, 1);
    check_order();

    /* Above the hole there is RAM, but not for us. */
    with_ram(8 * GIB);
    CHECK(!place_take(&p, 3 * GIB, 1));
    CHECK(!place_take(&p, 4 * GIB, 1));
    CHECK_EQ(place_find(&p, MIB, 1, UINT64_MAX), 3 * GIB - MIB);
}

static void little_ram(void)
{
    static const uint64_t sizes[] = {0, 0x1000, 0x2000, 0x9f000, 0xa0000, MIB, MIB + 0x1000};
    static const uint64_t free_bytes[] = {0, 0, 0x1000, 0x9e000, 0x9ec00, 0x9ec00, 0x9fc00};

    for (int i = 0; i < 7; i++) {
        uint64_t n = 0;

        with_ram(sizes[i]);
        check_order();
        while (place_find(&p, 0x400, 1, UINT64_MAX))
            n += 0x400;
        CHECK_EQ(n, free_bytes[i]);
        check_order();
    }
}

static void any_numbers(void)
{
    with_ram(64 * MIB);
    CHECK(!place_take(&p, 2 * MIB, UINT64_MAX));
    CHECK(!place_take(&p, 2 * MIB, UINT64_MAX - 2 * MIB + 1));
    CHECK(!place_take(&p, UINT64_MAX, 1));
    CHECK(!place_take(&p, UINT64_MAX, UINT64_MAX));
    CHECK(!place_take(&p, 0, UINT64_MAX));
    CHECK(place_take(&p, 0, 0));
    CHECK(place_take(&p, UINT64_MAX, 0));
    CHECK_EQ(place_find(&p, UINT64_MAX, 1, UINT64_MAX), 0);
    CHECK_EQ(place_find(&p, 64 * MIB, 1, UINT64_MAX), 0);
    CHECK_EQ(place_find(&p, 1, 1, 0), 0);
    CHECK_EQ(place_find(&p, 1, UINT64_C(1) << 63, UINT64_MAX), 0);
    CHECK_EQ(place_above(&p, UINT64_MAX, 1, 0), 0);
    CHECK_EQ(place_above(&p, 1, 1, UINT64_MAX), 0);
    CHECK_EQ(place_above(&p, 1, UINT64_C(1) << 63, 1), 0);
    CHECK_EQ(p.n, 3);
    check_order();
}

static void from_above(void)
{
    with_ram(64 * MIB);
    CHECK_EQ(place_find(&p, 5, 4096, UINT64_MAX), 64 * MIB - 4096);
    CHECK_EQ(place_find(&p, 4096, 4096, UINT64_MAX), 64 * MIB - 8192);
    CHECK_EQ(place_find(&p, 4091, 1, UINT64_MAX), 64 * MIB - 4091);
    CHECK_EQ(place_find(&p, 4096, 4096, 32 * MIB + 1), 32 * MIB - 4096);
    CHECK_EQ(place_find(&p, 0x1000, 0x1000, 0x9fc00), 0x9e000);
    CHECK_EQ(place_find(&p, 0x1000, 0x1000, 0x9e000), 0x9d000);
    CHECK(place_take(&p, 0x1000, 0x9c000));
    CHECK_EQ(place_find(&p, 0x1000, 0x1000, MIB), 0);
    CHECK_EQ(place_find(&p, 0xc00, 1, MIB), 0x9f000);
    check_order();
}

static void from_below(void)
{
    with_ram(64 * MIB);
    CHECK_EQ(place_above(&p, 1, 1, 0), 0x1000);
    CHECK_EQ(place_above(&p, 0x1000, 0x1000, 0), 0x2000);
    CHECK_EQ(place_above(&p, 0x100000, 1, 0), MIB);
    CHECK_EQ(place_above(&p, 1, 4096, 16 * MIB + 1), 16 * MIB + 4096);
    CHECK_EQ(place_above(&p, 1, 4096, 16 * MIB + 1), 16 * MIB + 8192);
    CHECK_EQ(place_above(&p, 4097, 4096, 16 * MIB + 1), 16 * MIB + 12288);
    CHECK_EQ(place_above(&p, 1, 32 * MIB, 16 * MIB), 32 * MIB);
    CHECK_EQ(place_above(&p, 1, 64 * MIB, 16 * MIB), 0);
    CHECK_EQ(place_above(&p, 4096, 4096, 64 * MIB - 4096), 64 * MIB - 4096);
    CHECK_EQ(place_above(&p, 4096, 4096, 64 * MIB - 4096), 0);
    check_order();
}

/* More pieces than it can note: it says no, and what it noted stays right. */
static void many(void)
{
    int n = 0;

    with_ram(64 * MIB);
    while (place_take(&p, MIB + n * 8192 + 4096, 4096))
        n++;
    CHECK_EQ(n, PLACE_MAX - 3);
    CHECK_EQ(p.n, PLACE_MAX);
    check_order();

    /* What joins two ranges still goes, and makes room. */
    CHECK(place_take(&p, MIB + 8192, 4096));
    CHECK_EQ(p.n, PLACE_MAX - 1);
    CHECK(place_take(&p, 60 * MIB, 1));
    CHECK_EQ(p.n, PLACE_MAX);
    CHECK_EQ(place_find(&p, 4096, 4096, UINT64_MAX), 64 * MIB - 4096);
    check_order();
}

/* Against a byte for each page: no page twice, and all that is free is found. */
static void against_a_map(void)
{
    static bool taken[1024];
    uint32_t x = 1;
    int left = 1024 - 256 + 0x9e;

    with_ram(1024 * 4096);
    memset(taken, 0, sizeof(taken));
    for (int i = 0; i < 1024; i++)
        taken[i] = !i || (i >= 0x9f && i < 0x100);
    for (int round = 0; round < 20000; round++) {
        uint64_t size, at;

        x = x * 1664525 + 1013904223;
        size = 1 + (x >> 28) % 8;
        at = x >> 8 & 0x3ff;
        if (x >> 31) {
            bool is_free = at + size <= 1024;

            for (uint64_t i = at; i < at + size && is_free; i++)
                is_free = !taken[i];
            CHECK(place_take(&p, at * 4096, size * 4096) == is_free || p.n == PLACE_MAX);
            if (!is_free)
                continue;
        } else {
            at = x >> 30 ? place_find(&p, size * 4096, 4096, at * 4096)
                         : place_above(&p, size * 4096, 4096, at * 4096);
            at /= 4096;
            if (!at)
                continue;
        }
        for (uint64_t i = at; i < at + size; i++) {
            CHECK(!taken[i]);
            taken[i] = true;
            left--;
        }
        check_order();
    }
    while (place_find(&p, 4096, 4096, UINT64_MAX))
        left--;
    CHECK_EQ(left, 0);
}

int main(void)
{
    return test_main((struct test[]){
        {from_the_start, "the first page, the firmware's memory and what is no RAM are taken"},
        {little_ram, "any size of RAM will do"},
        {any_numbers, "no address or size makes it wrap"},
        {from_above, "the highest place below a limit"},
        {from_below, "the lowest place above a limit"},
        {many, "a full table says no"},
        {against_a_map, "thousands of pieces: none overlaps another, none is lost"},
        {0},
    });
}
