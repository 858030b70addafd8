/* SPDX-License-Identifier: MIT */
/*
 * The BIOS data area: the words that kernels read there although no BIOS has run; and interrupt
 * vectors, all of a BIOS that refuses every function.
 */
#ifndef BOOT_BDA_H
#define BOOT_BDA_H

#include "hw/ram.h"

/* The extended BIOS data area, 1 KiB up to 640 KiB: where base memory ends. */
#define BDA_EBDA 0x9fc00

/* Write it to RAM, of which there must be at least 1 MiB. */
void bda_build(const struct ram *ram);

#endif
