/* SPDX-License-Identifier: MIT */
/*
 * Random numbers that are the same in each run, for guests that do the same again: a multiplicative
 * sequence, mixed (splitmix64).
 */
#ifndef HW_RANDOM_H
#define HW_RANDOM_H

#include <stdint.h>

/* The next number; *sequence may begin with any value. */
static inline uint64_t random_next(uint64_t *sequence)
{
    uint64_t val = *sequence += UINT64_C(0x9e3779b97f4a7c15);

    val = (val ^ val >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    val = (val ^ val >> 27) * UINT64_C(0x94d049bb133111eb);
    return val ^ val >> 31;
}

#endif
