/* SPDX-License-Identifier: MIT */
/*
 * A PCI bus for firmware's tables to tell of.
 */
#ifndef TESTS_UNIT_PCI_H
#define TESTS_UNIT_PCI_H

#include "hw/pci.h"
#include "hw/reset-port.h"

#define MEM64 (UINT64_C(5) << 34)

/* A bus with so many functions besides the host bridge. */
static inline const struct pci *pci_of(int functions)
{
    static struct reset_port reset;
    static struct pci pci;
    static struct pci_function function[PCI_SLOTS];
    static const struct pci_id id;
    static const struct pci_hooks hooks;

    pci_init(&pci, &reset.control, (struct irq){0}, (struct irq){0}, MEM64);
    for (int i = 0; i < functions; i++) {
        pci_function_init(&function[i], &id, &hooks);
        pci_add(&pci, &function[i]);
    }
    return &pci;
}

#endif
