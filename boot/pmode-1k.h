/* SPDX-License-Identifier: MIT */
/*
 * 32-bit kernels that start with paging on, as the 1K OS does.
 *
 *     0000_0500   GDT: null, ring-0 code 0x08, ring-0 data 0x10, ring-3 code 0x1b, ring-3 data 0x23
 *     0000_0528   IDT: 256 gates, all zero
 *     0000_1000   the kernel, a flat binary; entered at 8000_1000
 *     0010_0000   page directory
 *     0010_1000   page table: 4 MiB at 0
 *     0010_2000   page table: the same memory at 8000_0000
 *
 * DS = ES = FS = GS = SS = 0x10, all segments flat 4 GiB, pages of 4 KiB present, writable and the
 * supervisor's, interrupts off, ESP = 8010_0000. The memory of 16-bit programs that run beside it
 * (boot/realmode.h) is mapped, too, but not for its use.
 */
#ifndef BOOT_PMODE_1K_H
#define BOOT_PMODE_1K_H

#include "boot/image.h"
#include "hw/ram.h"
#include "x86/cpu.h"

#define PMODE_1K_RAM 0x400000 /* bytes of RAM that it needs */

/* Where the kernel's image ends; 16-bit programs beside it come after that. */
uint32_t pmode_1k_end(const struct image *img);

/* Load a kernel, and set s to its start. Dies when it does not fit, or RAM is too small. */
void pmode_1k_load(const struct image *img, const struct ram *ram, struct cpu_state *s);

#endif
