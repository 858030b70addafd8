// SPDX-License-Identifier: MIT
/*
 * PCI configuration mechanism 1, and the host bridge.
 *
 * After: PCI Local Bus Specification 3.0, "Generating Configuration Cycles"; Intel 82441FX
 * (440FX) data sheet, "PCI Configuration Space Mapped Registers".
 *
 * Left out: devices, and the bridge's own registers beyond the header: there is no firmware that
 * would set up memory with them.
 */
#include "hw/pci.h"

#include <string.h>

#define ENABLE UINT32_C(0x80000000)

/* Bus, device and function; the host bridge is 0. */
#define FUNCTION_MASK UINT32_C(0x00ffff00)

enum {
    VENDOR_ID = 0x00,
    DEVICE_ID = 0x02,
    REVISION_ID = 0x08,
    CLASS = 0x0a,
    CF9 = 1,
};

static void put16(uint8_t *p, uint16_t val)
{
    p[0] = val;
    p[1] = val >> 8;
}

static uint64_t pci_read(struct device *d, uint64_t off, int size)
{
    struct pci *p = container_of(d, struct pci, dev);
    uint32_t val = UINT32_MAX;

    if (off == PCI_CONFIG_ADDRESS && size == 4)
        return p->s.address;
    if (off == CF9 && size == 1)
        return p->cf9->read(p->cf9, 0, 1);
    if (off >= PCI_CONFIG_DATA && p->s.address & ENABLE && !(p->s.address & FUNCTION_MASK))
        memcpy(&val, p->bridge + (p->s.address & 0xfc) + (off & 3), size);
    return val;
}

static void pci_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct pci *p = container_of(d, struct pci, dev);

    if (off == PCI_CONFIG_ADDRESS && size == 4)
        p->s.address = val & ~UINT32_C(0x7f000003);
    else if (off == CF9 && size == 1)
        p->cf9->write(p->cf9, 0, 1, val);
}

static void pci_reset(struct device *d)
{
    struct pci *p = container_of(d, struct pci, dev);

    p->s.address = 0;
    p->cf9->reset(p->cf9);
}

void pci_init(struct pci *p, struct device *cf9)
{
    *p = (struct pci){
        .dev = {.name = "pci",
                .max_size = 4,
                .read = pci_read,
                .write = pci_write,
                .reset = pci_reset,
                .state = &p->s,
                .state_size = sizeof(p->s)},
        .cf9 = cf9,
    };
    put16(p->bridge + VENDOR_ID, 0x8086);
    put16(p->bridge + DEVICE_ID, 0x1237);
    p->bridge[REVISION_ID] = 2;
    put16(p->bridge + CLASS, 0x0600);
}
