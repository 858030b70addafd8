/* SPDX-License-Identifier: MIT */
/*
 * The checksum of firmware's tables, the same in ACPI and in the MP specification.
 */
#ifndef BOOT_CHECKSUM_H
#define BOOT_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* The checksum that makes the bytes of a table add up to 0. The table's checksum is still 0. */
static inline uint8_t checksum(const void *table, size_t len)
{
    const uint8_t *b = table;
    uint8_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum += b[i];
    return -sum;
}

#endif
