/* SPDX-License-Identifier: MIT */
/*
 * What fuzzers share: odd numbers, and RAM between two walls.
 */
#ifndef TESTS_UNIT_FUZZ_H
#define TESTS_UNIT_FUZZ_H

#include "hw/ram.h"
#include "tests/unit/random.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#define WALL (UINT64_C(2) << 20)

static int rounds = 5000;

/* From the command line: [rounds [seed]]. */
static inline void fuzz_arguments(int argc, char **argv)
{
    if (argc > 1)
        rounds = atoi(argv[1]);
    if (argc > 2)
        seed ^= strtoull(argv[2], NULL, 0) << 8;
}

/* What a number may turn into: one of n special ones, one next to a power of 2, one below max, any.
 */
static inline uint64_t odd_number(const uint64_t *special, int n, uint64_t max)
{
    switch (below(4)) {
    case 0:
        return special[below(n)];
    case 1:
        return (UINT64_C(1) << below(64)) + below(3) - 1;
    case 2:
        return below(max);
    default:
        return random64();
    }
}

/* RAM between two walls: at either end the next byte is unmapped. */
static inline void wall_ram_of(struct ram *ram, uint64_t size)
{
    ram->size = size;
    ram->host = mmap(NULL, ram->size + 2 * WALL, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ram->host == MAP_FAILED)
        abort();
    ram->host += WALL;
    if (mprotect(ram->host, ram->size, PROT_READ | PROT_WRITE))
        abort();
}

/* The same of any size. */
static inline void wall_ram(struct ram *ram)
{
    static const uint32_t pages[] = {1,      0x9f,   0x100,   0x200,   0x1100,   0x1800,  0x2800,
                                     0x4000, 0x8000, 0x20000, 0xc0000, 0x100000, 0x200000};

    wall_ram_of(ram, (PICK(pages) + (below(2) ? 0 : below(64))) * UINT64_C(4096));
}

static inline void unwall_ram(struct ram *ram)
{
    munmap(ram->host - WALL, ram->size + 2 * WALL);
}

#endif
