// SPDX-License-Identifier: MIT
/*
 * What a BIOS leaves: its data area, interrupt vectors, and chips that it has programmed.
 *
 * After: IBM PS/2 and PC BIOS Interface Technical Reference, "BIOS Data Area" and "Extended BIOS
 * Data Area"; "Interrupt 15H" for how a function is refused. Xen goes back to real mode to ask for
 * memory, disks and video modes; without vectors it would run on at address 0 and overwrite itself.
 * Intel 8259A data sheet (order number 231468), "Initialization Command Words", for the PICs.
 *
 * Left out: everything that a BIOS would keep up to date, such as the tick count at 0x46c, and so
 * the timer that makes the ticks.
 */
#include "boot/bios.h"
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
    HANDLER = 0xfff53, /* where the first PC had its unused one */
    HANDLER_VECTOR = 0xf000ff53,

    EQUIPMENT_FPU = 1 << 1,
    EQUIPMENT_ONE_SERIAL = 1 << 9,

    ICW1 = 0x11,          /* initialise: edges, a slave, ICW4 follows */
    ICW3_MASTER = 1 << 2, /* where the slave is */
    ICW3_SLAVE = 2,
    ICW4 = 0x01, /* 8086 mode, an EOI for each interrupt */
    MASTER_VECTOR = 0x08,
    SLAVE_VECTOR = 0x70,
};

/* Returns with the carry flag set, as a missing function does. */
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

static void build_memory(const struct ram *ram)
{
    uint8_t *bda = ram_at(ram, BDA, BDA_SIZE), *ebda = ram_at(ram, BIOS_EBDA, 1024);
    uint8_t *vectors = ram_at(ram, 0, VECTORS * 4), *rom = ram_at(ram, HANDLER, sizeof(handler));

    assert(bda && ebda && rom);
    put16(bda + COM1_BASE, PC_COM1);
    put16(bda + EBDA_SEGMENT, BIOS_EBDA >> 4);
    put16(bda + EQUIPMENT, EQUIPMENT_FPU | EQUIPMENT_ONE_SERIAL);
    put16(bda + MEMORY_SIZE, BIOS_EBDA / 1024);
    ebda[0] = 1; /* its size in KiB */

    memcpy(rom, handler, sizeof(handler));
    for (int i = 0; i < VECTORS; i++) {
        put16(vectors + 4 * i, HANDLER_VECTOR & 0xffff);
        put16(vectors + 4 * i + 2, HANDLER_VECTOR >> 16);
    }
}

static void program_pic(struct bus *pio, uint16_t port, uint8_t vector, uint8_t icw3, uint8_t mask)
{
    bus_write(pio, port, 1, ICW1);
    bus_write(pio, port + 1, 1, vector);
    bus_write(pio, port + 1, 1, icw3);
    bus_write(pio, port + 1, 1, ICW4);
    bus_write(pio, port + 1, 1, mask);
}

void bios_build(const struct ram *ram, struct bus *pio)
{
    build_memory(ram);
    /* The masks let through what a BIOS serves: timer, keyboard, slave and floppy; clock, mouse,
     * FPU and disk. */
    program_pic(pio, PC_PIC_MASTER, MASTER_VECTOR, ICW3_MASTER, 0xb8);
    program_pic(pio, PC_PIC_SLAVE, SLAVE_VECTOR, ICW3_SLAVE, 0x8e);
    /* Interrupts of PCI are levels. */
    bus_write(pio, PC_ELCR, 2, 1 << PC_PCI_IRQ(0) | 1 << PC_PCI_IRQ(1));
}
