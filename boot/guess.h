/* SPDX-License-Identifier: MIT */
/*
 * What a flat program seems to be written for, where nothing but its code can tell.
 */
#ifndef BOOT_GUESS_H
#define BOOT_GUESS_H

#include "boot/image.h"

/*
 * 32 or 64 when the program's first instructions are sound with so many bits and hardly make sense
 * with 16; else 0: it may be a 16-bit program, or no program at all.
 */
int guess_bits(const struct image *img);

#endif
