/* SPDX-License-Identifier: MIT */
/*
 * What a BIOS would leave: the words that kernels read in its data area; interrupt vectors, all to
 * code that refuses every function; and the interrupt controllers with its vectors and masks, which
 * some kernels take as they are.
 */
#ifndef BOOT_BIOS_H
#define BOOT_BIOS_H

#include "hw/bus.h"
#include "hw/ram.h"

/* The extended BIOS data area, 1 KiB up to 640 KiB: where base memory ends. */
#define BIOS_EBDA UINT64_C(0x9fc00)

/* Write it to RAM, of which there must be at least 1 MiB, and to the chips behind the ports. */
void bios_build(const struct ram *ram, struct bus *pio);

#endif
