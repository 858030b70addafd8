// SPDX-License-Identifier: MIT
/*
 * The BIOS data area.
 *
 * After: IBM PS/2 and PC BIOS Interface Technical Reference, "BIOS Data Area" and "Extended BIOS
 * Data Area".
 *
 * Left out: everything that a BIOS would go on to maintain, such as the tick count at 0x46c.
 */
#include "boot/bda.h"
#include "hw/pc.h"

#include <assert.h>

enum {
    BDA = 0x400,
    BDA_SIZE = 0x100,
    COM1_BASE = 0x00,
    EBDA_SEGMENT = 0x0e,
    EQUIPMENT = 0x10,
    MEMORY_SIZE = 0x13, /* KiB of base memory */

    EQUIPMENT_FPU = 1 << 1,
    EQUIPMENT_ONE_SERIAL = 1 << 9,
};

static void put16(uint8_t *p, uint16_t val)
{
    p[0] = val;
    p[1] = val >> 8;
}

void bda_build(const struct ram *ram)
{
    uint8_t *bda = ram_at(ram, BDA, BDA_SIZE), *ebda = ram_at(ram, BDA_EBDA, 1024);

    assert(bda && ebda);
    put16(bda + COM1_BASE, PC_COM1);
    put16(bda + EBDA_SEGMENT, BDA_EBDA >> 4);
    put16(bda + EQUIPMENT, EQUIPMENT_FPU | EQUIPMENT_ONE_SERIAL);
    put16(bda + MEMORY_SIZE, BDA_EBDA / 1024);
    ebda[0] = 1; /* its size in KiB */
}
