/* SPDX-License-Identifier: MIT */
/*
 * The ACPI tables that firmware would leave: by them today's operating systems find the CPUs, the
 * interrupt wiring and the way to turn the machine off.
 */
#ifndef BOOT_ACPI_H
#define BOOT_ACPI_H

#include "hw/pci.h"
#include "hw/ram.h"

#include <stdint.h>

/* All tables lie in ACPI_BASE .. ACPI_END-1, which the memory map must not call usable RAM. */
#define ACPI_BASE 0xe0000
#define ACPI_END  0xe1000

/* Write the tables for 1..PC_MAX_CPUS CPUs, and PCI with all its functions, to RAM, of which there
 * must be at least ACPI_END bytes, and return the guest-physical address of the RSDP. A guest also
 * finds it by its signature at ACPI_BASE. */
uint64_t acpi_build(const struct ram *ram, int cpus, const struct pci *pci);

#endif
