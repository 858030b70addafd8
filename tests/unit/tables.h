/* SPDX-License-Identifier: MIT */
/*
 * RAM as an operating system reads it that looks for firmware's tables.
 */
#ifndef TESTS_UNIT_TABLES_H
#define TESTS_UNIT_TABLES_H

#include "tests/unit/memory.h"

static uint8_t sum(uint64_t gpa, uint64_t len)
{
    uint8_t s = 0;

    for (uint64_t i = 0; i < len; i++)
        s += (uint8_t)get(gpa + i, 1);
    return s;
}

static bool is(uint64_t gpa, const char *text)
{
    return memcmp(ram_at(&ram, gpa, strlen(text)), text, strlen(text)) == 0;
}

#endif
