/* SPDX-License-Identifier: MIT */
/*
 * The memory map as a PC's firmware reports it.
 */
#ifndef BOOT_E820_H
#define BOOT_E820_H

#include "hw/ram.h"

#include <stdint.h>

/* Types of ranges; an address in no range is free for devices. */
enum {
    E820_RAM = 1,
    E820_RESERVED = 2
};

/* One range, in the layout that the firmware call and the Linux zero page share. */
struct e820_entry {
    uint64_t addr; /* guest-physical */
    uint64_t size; /* in bytes, never 0 */
    uint32_t type;
} __attribute__((packed));

/* The most entries that e820_build() makes. */
#define E820_MAX 7

/*
 * Describe ram in map, which has room for max entries (at least E820_MAX): in ascending order and
 * without overlaps. Returns the number of entries. RAM of any size will do.
 */
int e820_build(const struct ram *ram, struct e820_entry *map, int max);

#endif
