// SPDX-License-Identifier: MIT
/*
 * The BIOS data area, and interrupt vectors.
 *
 * After: IBM PS/2 and PC BIOS Interface Technical Reference, "BIOS Data Area" and "Extended BIOS
 * Data Area"; "Interrupt 15H" for how a function is refused. Xen goes back to real mode to ask for
 * memory, disks and video modes; without vectors it would go on at address 0, and overwrite itself.
 *
 * Left out: everything that a BIOS would go on to maintain, such as the tick count at 0x46c.
 */
#include "boot/bda.h"
#include "hw/pc.h"

#include <assert.h>
#include <string.h>

enum {
    BDA = 0x400,
    BDA_SIZE = 0x100,
    COM1_BASE = 0x00,
    EBDA_SEGMENT = 0x0e,
    EQUIPMENT = 0x10,
    MEMORY_SIZE = 0x13, /* KiB of base memory */

    VECTORS = 256,
    HANDLER = 0xfff53, /* where the first PC had its idle one */
    HANDLER_VECTOR = 0xf000ff53,

    EQUIPMENT_FPU = 1 << 1,
    EQUIPMENT_ONE_SERIAL = 1 << 9,
};

/* Returns with the carry flag set, which is what a function that is not there does. */
static const uint8_t handler[] = {
    0x55,                   /* push bp */
    0x89, 0xe5,             /* mov bp, sp */
    0x80, 0x4e, 0x06, 0x01, /* or byte [bp + 6], 1: in the flags that IRET takes */
    0x5d,                   /* pop bp */
    0xcf,                   /* iret */
};

static void put16(uint8_t *p, uint16_t val)
{
    p[0] = val;
    p[1] = val >> 8;
}

void bda_build(const struct ram *ram)
{
    uint8_t *bda = ram_at(ram, BDA, BDA_SIZE), *ebda = ram_at(ram, BDA_EBDA, 1024);
    uint8_t *vectors = ram_at(ram, 0, VECTORS * 4), *rom = ram_at(ram, HANDLER, sizeof(handler));

    assert(bda && ebda && rom);
    put16(bda + COM1_BASE, PC_COM1);
    put16(bda + EBDA_SEGMENT, BDA_EBDA >> 4);
    put16(bda + EQUIPMENT, EQUIPMENT_FPU | EQUIPMENT_ONE_SERIAL);
    put16(bda + MEMORY_SIZE, BDA_EBDA / 1024);
    ebda[0] = 1; /* its size in KiB */

    memcpy(rom, handler, sizeof(handler));
    for (int i = 0; i < VECTORS; i++) {
        put16(vectors + 4 * i, HANDLER_VECTOR & 0xffff);
        put16(vectors + 4 * i + 2, HANDLER_VECTOR >> 16);
    }
}
