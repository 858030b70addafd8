/* SPDX-License-Identifier: MIT */
/*
 * 64-bit programs: a flat binary that finds itself in long mode.
 *
 *     0000_0500   GDT: two null descriptors, code 0x10, data 0x18
 *     0000_1000   page tables: the first 4 GiB, mapped onto themselves
 *     0010_0000   the program, a flat binary; entered at its first byte
 *
 * RSP = 0010_0000, interrupts off, no interrupt table. HLT ends it.
 */
#ifndef BOOT_LONGMODE_H
#define BOOT_LONGMODE_H

#include "boot/image.h"
#include "hw/ram.h"
#include "x86/cpu.h"

#define LONGMODE_RAM     0x400000 /* bytes of RAM unless the user says otherwise */
#define LONGMODE_LOW_END 0x7000   /* behind the page tables: 16-bit programs beside it are there */

/* Load a program, and set s to its start. Dies when it does not fit into RAM. */
void longmode_load(const struct image *img, const struct ram *ram, struct cpu_state *s);

#endif
