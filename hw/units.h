/* SPDX-License-Identifier: MIT */
/*
 * Units of size, and rounding to them.
 */
#ifndef HW_UNITS_H
#define HW_UNITS_H

#include <stdint.h>

#define KIB       UINT64_C(0x400)
#define MIB       UINT64_C(0x100000)
#define GIB       UINT64_C(0x40000000)
#define PAGE_SIZE UINT64_C(0x1000)

/* The next multiple of align (a power of two) from n on; n is at most UINT64_MAX - align. */
static inline uint64_t align_up(uint64_t n, uint64_t align)
{
    return (n + align - 1) & -align;
}

/* Bytes in whole MiB, rounded up: for messages. */
static inline unsigned long long to_mib(uint64_t bytes)
{
    return bytes / MIB + (bytes % MIB != 0);
}

#endif
