/* SPDX-License-Identifier: MIT */
/*
 * The MultiProcessor table: the CPUs and the interrupt wiring, for guests without ACPI.
 */
#ifndef BOOT_MPTABLE_H
#define BOOT_MPTABLE_H

#include "hw/pci.h"
#include "hw/ram.h"

/* The table lies in MPTABLE_BASE .. MPTABLE_END-1, which the memory map must not call usable RAM;
 * a guest finds it by its signature. */
#define MPTABLE_BASE 0xf0000
#define MPTABLE_END  0xf1000

/* Write the table for 1..PC_MAX_CPUS CPUs, and for PCI with all its functions, to RAM, of which
 * there must be at least MPTABLE_END bytes. */
void mptable_build(const struct ram *ram, int cpus, const struct pci *pci);

#endif
