/* SPDX-License-Identifier: MIT */
/*
 * PCI, as far as a machine without PCI devices has it: the configuration ports and a host bridge,
 * so that a kernel which looks for a bus finds one, and finds it empty.
 */
#ifndef HW_PCI_H
#define HW_PCI_H

#include "hw/device.h"

/* Where the chip answers: the address register, and the data behind it. */
enum {
    PCI_CONFIG_ADDRESS = 0, /* 4 bytes */
    PCI_CONFIG_DATA = 4,    /* 4 bytes */
    PCI_LEN = 8,
};

PLAIN_BEGIN
struct pci_state {
    uint32_t address;
};
PLAIN_END

struct pci {
    struct device dev;   /* attached over PCI_LEN addresses, at port 0xcf8 on a PC */
    struct device *cf9;  /* who has the byte at offset 1 */
    uint8_t bridge[256]; /* the host bridge's configuration space, which nobody can write */
    struct pci_state s;
};

/* cf9 is the device of one byte that shares offset 1 with the address register, which takes only
 * accesses of 4 bytes: a PC's reset control register. */
void pci_init(struct pci *p, struct device *cf9);

#endif
