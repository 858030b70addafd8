/* SPDX-License-Identifier: MIT */
/*
 * Guest RAM in a file, byte by byte, with holes where it is zero.
 */
#ifndef HW_RAM_FILE_H
#define HW_RAM_FILE_H

#include "hw/ram.h"

/* Write it to an empty file, which may be kept. Returns an errno, 0 for success. */
int ram_save(const struct ram *ram, int fd);

/* Let it be what is in such a file, of the same size: it is read where it is touched first, and not
 * changed. What RAM was before is gone. Returns an errno, 0 for success. */
int ram_map(struct ram *ram, int fd);

#endif
