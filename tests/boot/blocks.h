/* What a disk that is written to in a test holds: each sector tells which one it is. */
#ifndef TESTS_BOOT_BLOCKS_H
#define TESTS_BOOT_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

enum {
    SECTOR = 512,
    BLOCK = 4096,
    MANY = 16 * BLOCK
};

/* The bytes from that offset on; both are multiples of 8. */
static inline void blocks_fill(void *p, uint64_t at, size_t len)
{
    uint64_t *word = p;

    for (size_t i = 0; i < len; i += 8)
        *word++ = (at + i) * 0x9e3779b97f4a7c15 | 1;
}

#endif
