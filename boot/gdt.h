/* SPDX-License-Identifier: MIT */
/*
 * The GDT that a guest finds at its start: flat segments of 4 GiB, at 0x500.
 */
#ifndef BOOT_GDT_H
#define BOOT_GDT_H

#include "hw/ram.h"
#include "x86/cpu.h"

/* Where it is; GDT_END is the first byte behind the longest. */
#define GDT_GPA 0x500
#define GDT_END 0x528

/* What follows ring 0's segments. */
enum gdt_rings {
    GDT_RING_0,
    GDT_RINGS_0_3, /* code and data of ring 3 */
};

/*
 * Write the GDT and load it into s, which is in protected mode with flat segments already: ring 0's
 * code at selector code (8 or 16; 64-bit code where s is in 64-bit mode), and its data behind it,
 * in all data registers. There is 1 MiB of RAM.
 */
void gdt_load(const struct ram *ram, struct cpu_state *s, uint16_t code, enum gdt_rings rings);

#endif
