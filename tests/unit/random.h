/* SPDX-License-Identifier: MIT */
/*
 * Random numbers for fuzzers: the same every time, but for another seed.
 */
#ifndef TESTS_UNIT_RANDOM_H
#define TESTS_UNIT_RANDOM_H

#include <stdint.h>

static uint64_t seed = 0x9e3779b97f4a7c15;

/* xorshift64. */
static inline uint64_t random64(void)
{
    uint64_t x = seed;

    x ^= x << 13;
    x ^= x >> 7;
    return seed = x ^ x << 17;
}

static inline uint64_t below(uint64_t n)
{
    return random64() % n;
}

#define PICK(array) (array)[below(sizeof(array) / sizeof((array)[0]))]

#endif
