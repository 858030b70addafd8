/* SPDX-License-Identifier: MIT */
/*
 * A guest's RAM, for tests of what stands in it.
 */
#ifndef TESTS_UNIT_MEMORY_H
#define TESTS_UNIT_MEMORY_H

#include "hw/ram.h"
#include "tests/unit/test.h"

#include <string.h>

#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)

static struct ram ram;

/* A number in RAM; 0 and a failure when it is not there. */
static inline uint64_t get(uint64_t gpa, int size)
{
    const void *p = ram_at(&ram, gpa, size);
    uint64_t val = 0;

    CHECK(p);
    if (p)
        memcpy(&val, p, size);
    return val;
}

static inline bool holds(uint64_t gpa, const void *data, size_t size)
{
    const void *p = ram_at(&ram, gpa, size);

    return p && !memcmp(p, data, size);
}

/* New RAM, in place of what there was. */
static inline void set_ram(uint64_t size)
{
    if (ram.host)
        ram_free(&ram);
    ram_init(&ram, size);
}

#endif
