// SPDX-License-Identifier: MIT
/*
 * The memory map.
 *
 * After: ACPI Specification, "System Address Map Interfaces", "INT 15H, E820H - Query System
 * Address Map".
 *
 * Left out: the BIOS call itself, for there is no BIOS: a loader hands the map to its kernel. Types
 * for ACPI tables: ours are small enough to stay reserved for ever.
 */
#include "boot/e820.h"
#include "boot/bios.h"
#include "hw/pc.h"
#include "hw/pci.h"
#include "hw/units.h"

#include <assert.h>

#define VIDEO UINT64_C(0xa0000)
#define BIOS  UINT64_C(0xe0000)    /* its tables: ACPI, MP */
#define CHIPS UINT64_C(0xfec00000) /* IOAPIC, local APIC, what the engine needs, boot ROM */

int e820_build(const struct ram *ram, struct e820_entry *map, int max)
{
    uint64_t low = ram_low(ram), high = ram_high(ram);
    const struct {
        uint64_t start, end;
        uint32_t type;
    } range[E820_MAX] = {
        {0, low < BIOS_EBDA ? low : BIOS_EBDA, E820_RAM}, /* base memory */
        {BIOS_EBDA, VIDEO, E820_RESERVED},
        {BIOS, MIB, E820_RESERVED},
        {MIB, low, E820_RAM}, /* empty when there is no more RAM */
        {PC_PCI_ECAM, PC_PCI_ECAM + PCI_ECAM_LEN, E820_RESERVED},
        {CHIPS, RAM_HIGH, E820_RESERVED},
        {RAM_HIGH, RAM_HIGH + high, E820_RAM}, /* likewise */
    };
    int n = 0;

    assert(max >= E820_MAX);
    for (int i = 0; i < E820_MAX; i++)
        if (range[i].start < range[i].end)
            map[n++] = (struct e820_entry){.addr = range[i].start,
                                           .size = range[i].end - range[i].start,
                                           .type = range[i].type};
    return n;
}
