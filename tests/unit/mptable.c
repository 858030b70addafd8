// SPDX-License-Identifier: MIT
/* The MP table, read as an operating system does. Offsets are those of the specification. */
#include "boot/mptable.h"

#include "boot/acpi.h"
#include "hw/pc.h"
#include "tests/unit/pci.h"
#include "tests/unit/tables.h"
#include "tests/unit/test.h"

static uint64_t find_pointer(void)
{
    for (uint64_t gpa = 0xf0000; gpa < 0x100000; gpa += 16)
        if (is(gpa, "_MP_") && sum(gpa, 16) == 0)
            return gpa;
    return 0;
}

static void check(int cpus, int functions)
{
    uint64_t pointer, table, e;
    int entries[5] = {0}, ints[16] = {0}, pci = 0;

    ram_init(&ram, UINT64_C(2) << 20);
    mptable_build(&ram, cpus, pci_of(functions));

    pointer = find_pointer();
    CHECK_EQ(pointer, MPTABLE_BASE);
    CHECK_EQ(get(pointer + 8, 1), 1);  /* length */
    CHECK_EQ(get(pointer + 9, 1), 4);  /* 1.4 */
    CHECK_EQ(get(pointer + 11, 5), 0); /* features */

    table = get(pointer + 4, 4);
    CHECK(table >= pointer + 16);
    CHECK(is(table, "PCMP"));
    CHECK_EQ(sum(table, get(table + 4, 2)), 0);
    CHECK(table + get(table + 4, 2) <= MPTABLE_END);
    CHECK_EQ(get(table + 6, 1), 4);
    CHECK(is(table + 8, "MINIVM  MINIVM      "));
    CHECK_EQ(get(table + 28, 6), 0); /* no OEM table */
    CHECK_EQ(get(table + 36, 4), 0xfee00000);
    CHECK_EQ(get(table + 40, 4), 0); /* nothing extended */

    e = table + 44;
    for (uint64_t n = get(table + 34, 2); n > 0; n--) {
        uint64_t type = get(e, 1), irq = get(e + 5, 1), pin = get(e + 7, 1);

        CHECK(type <= 4);
        switch (type) {
        case 0: /* processor */
            CHECK_EQ(get(e + 1, 1), entries[0]);
            CHECK_EQ(get(e + 2, 1), 0x14);
            CHECK_EQ(get(e + 3, 1), entries[0] ? 1 : 3); /* enabled, first is the BSP */
            CHECK_EQ(get(e + 8, 4), 0x301);              /* FPU, CX8, APIC */
            break;
        case 1: /* bus */
            CHECK_EQ(get(e + 1, 1), entries[1]);
            CHECK(is(e + 2, entries[1] ? "ISA   " : "PCI   "));
            break;
        case 2: /* I/O APIC */
            CHECK_EQ(get(e + 1, 1), PC_IOAPIC_ID);
            CHECK(get(e + 1, 1) >= PC_MAX_CPUS && get(e + 1, 1) < 0xff);
            CHECK_EQ(get(e + 2, 1), 0x20);
            CHECK_EQ(get(e + 3, 1), 1);
            CHECK_EQ(get(e + 4, 4), 0xfec00000);
            break;
        case 3: /* I/O interrupt */
            CHECK_EQ(get(e + 1, 1), 0);
            CHECK_EQ(get(e + 6, 1), PC_IOAPIC_ID);
            if (get(e + 4, 1) == 0) { /* INTA of a slot */
                CHECK_EQ(irq, ++pci << 2);
                CHECK_EQ(get(e + 2, 2), 0xd);
                CHECK_EQ(pin, pci % 2 ? 11 : 10);
                break;
            }
            CHECK_EQ(get(e + 4, 1), 1);
            CHECK_EQ(get(e + 2, 2), irq >= 9 && irq <= 11 ? 0xd : 0);
            CHECK(irq < 16 && irq != 2);
            CHECK_EQ(pin, irq == 0 ? 2 : irq);
            ints[irq % 16]++;
            break;
        case 4: /* local interrupt: LINT0 is ExtINT, LINT1 is NMI, of every CPU */
            CHECK_EQ(get(e + 1, 1), pin == 0 ? 3 : 1);
            CHECK_EQ(get(e + 6, 1), 0xff);
            CHECK_EQ(pin, entries[4]);
            break;
        }
        entries[type % 5]++;
        e += type == 0 ? 20 : 8;
    }
    CHECK_EQ(e, table + get(table + 4, 2));
    CHECK_EQ(entries[0], cpus);
    CHECK_EQ(pci, functions);
    CHECK_EQ(entries[1], 2);
    CHECK_EQ(entries[2], 1);
    CHECK_EQ(entries[4], 2);
    for (int i = 0; i < 16; i++)
        CHECK_EQ(ints[i], i != 2);
    ram_free(&ram);
}

static void test_one(void)
{
    check(1, 0);
}

static void test_many(void)
{
    check(4, 5);
    check(64, 31);
}

static void test_room(void)
{
    const struct pci *pci = pci_of(PCI_SLOTS - 1);
    uint8_t *before;

    ram_init(&ram, UINT64_C(2) << 20);
    acpi_build(&ram, 64, pci);
    before = ram_at(&ram, ACPI_BASE, ACPI_END - ACPI_BASE);
    uint8_t sum_before = sum(ACPI_BASE, ACPI_END - ACPI_BASE);
    CHECK(is((uint64_t)(before - ram.host), "RSD PTR "));
    mptable_build(&ram, 64, pci);
    CHECK_EQ(sum(ACPI_BASE, ACPI_END - ACPI_BASE), sum_before);
    for (uint64_t gpa = 0; gpa < ram.size; gpa++)
        if ((gpa < ACPI_BASE || gpa >= ACPI_END) && (gpa < MPTABLE_BASE || gpa >= MPTABLE_END))
            if (get(gpa, 1))
                CHECK_EQ(gpa, 0); /* says where */
    ram_free(&ram);
}

int main(void)
{
    return test_main((struct test[]){
        {test_one, "the table of one CPU, without PCI functions"},
        {test_many, "the tables of 4 and 64 CPUs, with functions"},
        {test_room, "MP and ACPI tables leave each other and the rest of RAM alone"},
        {0},
    });
}
