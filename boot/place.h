/* SPDX-License-Identifier: MIT */
/*
 * Places in RAM for what a loader puts there: which ranges are taken, and which are free.
 *
 * The first page and what firmware uses (BIOS_EBDA .. 1 MiB) are taken from the start, and so is
 * everything that is not RAM.
 */
#ifndef BOOT_PLACE_H
#define BOOT_PLACE_H

#include "boot/bios.h"
#include "hw/ram.h"

#include <stdbool.h>
#include <stdint.h>

#define PLACE_MAX 256 /* ranges that can be taken; those that touch count as one */

#define PLACE_LOW 0x1000 /* base memory is free from here to BIOS_EBDA */

struct place {
    const struct ram *ram;
    int n;
    struct place_range {
        uint64_t start, end; /* guest-physical; ascending, without overlaps */
    } taken[PLACE_MAX];
};

/* Make it, with only the ranges named above taken. */
void place_init(struct place *p, const struct ram *ram);

/* Take size bytes at start. False, and nothing taken, unless all of them are RAM below the hole and
 * free. Safe against any start and size; a size of 0 takes nothing and is true. */
bool place_take(struct place *p, uint64_t start, uint64_t size);

/* Take size bytes (not 0) wherever they fit, on a multiple of align (a power of two): the highest
 * such place below end. 0 when there is none. */
uint64_t place_find(struct place *p, uint64_t size, uint64_t align, uint64_t end);

/* The same, but the lowest such place from start on. */
uint64_t place_above(struct place *p, uint64_t size, uint64_t align, uint64_t start);

#endif
