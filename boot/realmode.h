/* SPDX-License-Identifier: MIT */
/*
 * 16-bit programs: flat binaries, each with a CPU and memory of its own in the first MiB.
 *
 *     guests   guest n is loaded at   and owns
 *     1..4     n * 0x40000            256 KiB
 *     5..16    n * 0x10000            64 KiB
 *
 * Beside a 32-bit or 64-bit program, which has the start of that MiB and, for its stack, the last
 * 64 KiB, guest n of those with 16 bits is loaded at 0xe0000 - n * 0x10000 and owns 64 KiB.
 *
 * It starts in real mode at its first byte: CS = DS = ES = SS = its memory's segment, IP = 0,
 * SP = 0xfffe, interrupts off, no interrupt table (IDTR limit 0). HLT with interrupts off ends it.
 */
#ifndef BOOT_REALMODE_H
#define BOOT_REALMODE_H

#include "boot/image.h"
#include "hw/ram.h"
#include "x86/cpu.h"

#define REALMODE_MAX 16       /* guests */
#define REALMODE_RAM 0x100000 /* what any number of them needs */

/* Load guest index of count, and set s to its start. Dies when it does not fit. */
void realmode_load(const struct image *img, int index, int count, const struct ram *ram,
                   struct cpu_state *s);

/* The same for guest index beside a program called other, which has the memory below end. */
void realmode_load_beside(const struct image *img, int index, const char *other, uint32_t end,
                          const struct ram *ram, struct cpu_state *s);

#endif
