/* SPDX-License-Identifier: MIT */
/*
 * Where a Linux goes that is to be hard to find (KASLR).
 */
#ifndef BOOT_KASLR_H
#define BOOT_KASLR_H

#include "hw/ram.h"

#include <stdint.h>

/* What its command line says about it. */
enum kaslr {
    KASLR_OFF,     /* nokaslr */
    KASLR_VIRTUAL, /* it limits the RAM that is used, so the kernel stays low */
    KASLR_FULL,
};
enum kaslr kaslr_wanted(const char *cmdline);

/* What is to be placed, and where it may be: physical addresses, align is a power of two. */
struct kaslr_need {
    uint64_t size, align, lowest;
    uint64_t taken, taken_size; /* a range that is not free; taken_size may be 0 */
};

/* The place in RAM that a random number stands for, each as likely as the others; or 0 when there
 * is none. */
uint64_t kaslr_physical(const struct kaslr_need *need, const struct ram *ram, uint64_t random);

/* Likewise, how much higher than linked it runs; link is the physical address that it is linked
 * for. 0 also when there is no other place. */
uint64_t kaslr_offset(const struct kaslr_need *need, uint64_t link, uint64_t random);

#endif
