// SPDX-License-Identifier: MIT
/*
 * The memory map, for RAM of every size.
 */
#include "boot/e820.h"
#include "tests/unit/test.h"

#define KIB UINT64_C(0x400)
#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)

static int build(uint64_t size, struct e820_entry *map)
{
    struct ram ram = {.size = size};

    return e820_build(&ram, map, E820_MAX);
}

static void check_map(uint64_t size, const struct e820_entry *want, int n)
{
    struct e820_entry map[E820_MAX];

    CHECK_EQ(build(size, map), n);
    for (int i = 0; i < n; i++) {
        CHECK_EQ(map[i].addr, want[i].addr);
        CHECK_EQ(map[i].size, want[i].size);
        CHECK_EQ(map[i].type, want[i].type);
    }
}

static void small_pc(void)
{
    check_map(64 * MIB,
              (struct e820_entry[]){{0, 0x9fc00, E820_RAM},
                                    {0x9fc00, 0x400, E820_RESERVED},
                                    {0xe0000, 0x20000, E820_RESERVED},
                                    {MIB, 63 * MIB, E820_RAM},
                                    {0xe0000000, 0x100000, E820_RESERVED},
                                    {0xfec00000, 0x1400000, E820_RESERVED}},
              6);
}

static void large_pc(void)
{
    check_map(5 * GIB,
              (struct e820_entry[]){{0, 0x9fc00, E820_RAM},
                                    {0x9fc00, 0x400, E820_RESERVED},
                                    {0xe0000, 0x20000, E820_RESERVED},
                                    {MIB, 3 * GIB - MIB, E820_RAM},
                                    {0xe0000000, 0x100000, E820_RESERVED},
                                    {0xfec00000, 0x1400000, E820_RESERVED},
                                    {4 * GIB, 2 * GIB, E820_RAM}},
              7);
}

static void tiny_pc(void)
{
    check_map(256 * KIB,
              (struct e820_entry[]){{0, 256 * KIB, E820_RAM},
                                    {0x9fc00, 0x400, E820_RESERVED},
                                    {0xe0000, 0x20000, E820_RESERVED},
                                    {0xe0000000, 0x100000, E820_RESERVED},
                                    {0xfec00000, 0x1400000, E820_RESERVED}},
              5);
}

/* How much of [start, end) the map calls RAM. */
static uint64_t ram_within(const struct e820_entry *map, int n, uint64_t start, uint64_t end)
{
    uint64_t sum = 0;

    for (int i = 0; i < n; i++) {
        uint64_t from = map[i].addr > start ? map[i].addr : start;
        uint64_t to = map[i].addr + map[i].size < end ? map[i].addr + map[i].size : end;

        if (map[i].type == E820_RAM && from < to)
            sum += to - from;
    }
    return sum;
}

static void every_size(void)
{
    static const uint64_t sizes[] = {
        0,           4 * KIB, 0x9f000,           0xa0000,           0xdf000,
        0xe1000,     MIB,     MIB + 4 * KIB,     3 * GIB - 4 * KIB, 3 * GIB,
        3 * GIB + 1, 4 * GIB, 4 * GIB + 4 * KIB, 1024 * GIB,
    };
    struct e820_entry map[E820_MAX];

    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        uint64_t size = sizes[s], low = size < RAM_HOLE ? size : RAM_HOLE;
        int n = build(size, map);

        for (int i = 0; i < n; i++) {
            CHECK(map[i].size > 0);
            CHECK(i == 0 || map[i].addr >= map[i - 1].addr + map[i - 1].size);
        }
        CHECK_EQ(ram_within(map, n, 0, 0x9fc00), low < 0x9fc00 ? low : 0x9fc00);
        CHECK_EQ(ram_within(map, n, 0x9fc00, MIB), 0);
        CHECK_EQ(ram_within(map, n, MIB, RAM_HOLE), low > MIB ? low - MIB : 0);
        CHECK_EQ(ram_within(map, n, RAM_HOLE, RAM_HIGH), 0);
        CHECK_EQ(ram_within(map, n, RAM_HIGH, UINT64_MAX), size - low);
    }
}

int main(void)
{
    return test_main((struct test[]){
        {small_pc, "64 MiB: base memory, firmware, the rest, chips"},
        {large_pc, "5 GiB: a hole below 4 GiB, the rest above"},
        {tiny_pc, "256 KiB: no entry for RAM that is not there"},
        {every_size, "RAM of any size is all listed, in order, never twice, never in the hole"},
        {0},
    });
}
