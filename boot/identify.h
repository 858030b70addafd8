/* SPDX-License-Identifier: MIT */
/*
 * What a file that cannot be booted seems to be, and what would help: the words for an error.
 */
#ifndef BOOT_IDENTIFY_H
#define BOOT_IDENTIFY_H

#include "boot/image.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Describe img in text (at most size bytes, of which 256 are enough), to follow its name: "a kernel
 * for ARM (64 bits); minivm runs x86 code". One line of printable characters, whatever the file.
 * False, and no text, when nothing is known about it.
 */
bool identify(const struct image *img, char *text, size_t size);

/* Can it be a flat program? True when nothing is known of it but, perhaps, that it begins with
 * zeros or looks like a boot sector. */
bool identify_program(const struct image *img);

/* Is it a boot sector, and not something larger that is known, such as a disk? */
bool identify_boot_sector(const struct image *img);

#endif
