// SPDX-License-Identifier: MIT
/*
 * The MP floating pointer structure, and the MP configuration table behind it.
 *
 * After: Intel MultiProcessor Specification 1.4, "MP Configuration Table".
 * Left out: the extended entries, which say where PCI's windows are: BARs have addresses already.
 */
#include "boot/mptable.h"
#include "boot/checksum.h"

#include "hw/pc.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define PACKED __attribute__((packed))

struct floating_pointer {
    char signature[4];
    uint32_t table;
    uint8_t length; /* in units of 16 bytes */
    uint8_t spec_rev, checksum;
    uint8_t feature[5]; /* all 0: there is a table, and the machine starts in virtual wire mode */
} PACKED;
_Static_assert(sizeof(struct floating_pointer) == 16, "MP floating pointer");

struct header {
    char signature[4];
    uint16_t length;
    uint8_t spec_rev, checksum;
    char oem_id[8], product_id[12];
    uint32_t oem_table;
    uint16_t oem_table_size, entries;
    uint32_t local_apic;
    uint16_t extended_length;
    uint8_t extended_checksum, reserved;
} PACKED;
_Static_assert(sizeof(struct header) == 44, "MP configuration table header");

struct processor {
    uint8_t type, local_apic_id, local_apic_version, flags;
    uint32_t signature, features, reserved[2];
} PACKED;
_Static_assert(sizeof(struct processor) == 20, "processor entry");

struct bus_entry {
    uint8_t type, id;
    char name[6];
} PACKED;
_Static_assert(sizeof(struct bus_entry) == 8, "bus entry");

struct io_apic {
    uint8_t type, id, version, flags;
    uint32_t address;
} PACKED;
_Static_assert(sizeof(struct io_apic) == 8, "I/O APIC entry");

/* An I/O or local interrupt assignment. */
struct interrupt {
    uint8_t type, interrupt_type;
    uint16_t flags;
    uint8_t bus, irq, apic, pin;
} PACKED;
_Static_assert(sizeof(struct interrupt) == 8, "interrupt assignment entry");

enum {
    /* Entry types. */
    PROCESSOR = 0,
    BUS = 1,
    IO_APIC = 2,
    IO_INTERRUPT = 3,
    LOCAL_INTERRUPT = 4,

    /* CPU flags, and the flag of an I/O APIC. */
    CPU_EN = 1 << 0,
    CPU_BP = 1 << 1,
    IO_APIC_EN = 1 << 0,

    /* Feature flags, as CPUID's. */
    FPU = 1 << 0,
    CX8 = 1 << 8,
    APIC = 1 << 9,

    /* Interrupt types. */
    INT = 0,
    NMI = 1,
    EXTINT = 3,

    /* Interrupt flags: 0 means as the bus has it, which for ISA is by edge, active high. */
    PO_HIGH = 1 << 0,
    EL_LEVEL = 3 << 2,

    /* Ids of buses. That of PCI must be its number. */
    PCI = 0,
    ISA = 1,

    ISA_IRQS = 16,
    ALL_LOCAL_APICS = 0xff,

    SPEC_1_4 = 4,
    XAPIC_VERSION = 0x14,
    FAMILY_6 = 6 << 8,
};

/* The table while it grows, in RAM. */
struct table {
    uint8_t *end;
    uint16_t entries;
};

static void put(struct table *t, const void *entry, size_t len)
{
    memcpy(t->end, entry, len);
    t->end += len;
    t->entries++;
}

static void put_interrupts(struct table *t, const struct pci *pci)
{
    struct interrupt lint0 = {LOCAL_INTERRUPT, EXTINT, 0, ISA, 0, ALL_LOCAL_APICS, 0};
    struct interrupt lint1 = {LOCAL_INTERRUPT, NMI, 0, ISA, 0, ALL_LOCAL_APICS, 1};

    for (uint8_t irq = 0; irq < ISA_IRQS; irq++) {
        struct interrupt e = {IO_INTERRUPT, INT, 0, ISA, irq, PC_IOAPIC_ID, irq};

        if (irq == 2) /* the cascade */
            continue;
        if (irq == 0)
            e.pin = PC_PIT_PIN;
        if (irq == PC_SCI_IRQ || irq == PC_PCI_IRQ(0) || irq == PC_PCI_IRQ(1))
            e.flags = PO_HIGH | EL_LEVEL;
        put(t, &e, sizeof(e));
    }
    for (uint8_t slot = 0; slot < PCI_SLOTS; slot++)
        if (pci_interrupts(pci, slot)) {
            struct interrupt inta = {IO_INTERRUPT, INT,          PO_HIGH | EL_LEVEL, PCI,
                                     slot << 2,    PC_IOAPIC_ID, PC_PCI_IRQ(slot)};

            put(t, &inta, sizeof(inta));
        }
    put(t, &lint0, sizeof(lint0));
    put(t, &lint1, sizeof(lint1));
}

void mptable_build(const struct ram *ram, int cpus, const struct pci *pci)
{
    uint8_t *start = ram_at(ram, MPTABLE_BASE, MPTABLE_END - MPTABLE_BASE);
    struct floating_pointer pointer = {
        .signature = "_MP_",
        .table = MPTABLE_BASE + sizeof(pointer),
        .length = sizeof(pointer) / 16,
        .spec_rev = SPEC_1_4,
    };
    struct header header = {
        .signature = "PCMP",
        .spec_rev = SPEC_1_4,
        .oem_id = "MINIVM  ",
        .product_id = "MINIVM      ",
        .local_apic = PC_LAPIC_BASE,
    };
    struct bus_entry bus[] = {{BUS, PCI, "PCI   "}, {BUS, ISA, "ISA   "}};
    struct io_apic io_apic = {IO_APIC, PC_IOAPIC_ID, PC_IOAPIC_VERSION, IO_APIC_EN, PC_IOAPIC_BASE};
    uint8_t *table = start + sizeof(pointer);
    struct table t = {.end = table + sizeof(header)};

    assert(cpus >= 1 && cpus <= PC_MAX_CPUS);
    _Static_assert(sizeof(pointer) + sizeof(header) + PC_MAX_CPUS * sizeof(struct processor) +
                           sizeof(bus) + sizeof(io_apic) +
                           (ISA_IRQS + PCI_SLOTS + 2) * sizeof(struct interrupt) <=
                       MPTABLE_END - MPTABLE_BASE,
                   "the table fits");

    /* Guests ask CPUID what the CPUs are; this is the least of a CPU that has an APIC. */
    for (int i = 0; i < cpus; i++) {
        struct processor e = {
            .type = PROCESSOR,
            .local_apic_id = (uint8_t)i,
            .local_apic_version = XAPIC_VERSION,
            .flags = CPU_EN | (i == 0 ? CPU_BP : 0),
            .signature = FAMILY_6,
            .features = FPU | CX8 | APIC,
        };

        put(&t, &e, sizeof(e));
    }
    put(&t, &bus[0], sizeof(bus[0]));
    put(&t, &bus[1], sizeof(bus[1]));
    put(&t, &io_apic, sizeof(io_apic));
    put_interrupts(&t, pci);

    header.length = (uint16_t)(t.end - table);
    header.entries = t.entries;
    memcpy(table, &header, sizeof(header));
    header.checksum = checksum(table, header.length);
    memcpy(table, &header, sizeof(header));

    pointer.checksum = checksum(&pointer, sizeof(pointer));
    memcpy(start, &pointer, sizeof(pointer));
}
