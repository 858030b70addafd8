// SPDX-License-Identifier: MIT
/*
 * Unit tests of MSI-X: of a function with ten vectors, by the addresses at which a guest sees it.
 */
#include "hw/msix.h"
#include "hw/pc.h"
#include "hw/pci.h"
#include "hw/reset-port.h"
#include "tests/unit/test.h"

enum {
    VECTORS = 10,
    PBA = 0x800,

    ENABLE = 0x8000,
    MASK_ALL = 0x4000,
    MASTER = 4,
    MEMORY = 2,
};

#define APIC UINT64_C(0xfee01000)

static struct test_wire wires[4];
static struct reset_port reset;
static struct pci pci;
static struct pci_function f;
static struct msix x;
static struct bus mem;
static uint64_t table; /* where it is */

/* What was sent. */
static int sent;
static uint64_t last_addr;
static uint32_t last_data;

static void send(void *to, uint64_t addr, uint32_t data)
{
    CHECK(to == &x);
    sent++;
    last_addr = addr;
    last_data = data;
}

static uint64_t get(int reg, int size)
{
    return bus_read(&mem, PC_PCI_ECAM + 0x8000 + reg, size);
}

static void set(int reg, int size, uint32_t val)
{
    bus_write(&mem, PC_PCI_ECAM + 0x8000 + reg, size, val);
}

static void setup(int vectors)
{
    static const struct pci_id id = {.vendor = 1, .device = 2};
    static const struct pci_hooks none;

    memset(wires, 0, sizeof(wires));
    sent = 0;
    reset_port_init(&reset, test_wire(wires, 0), test_wire(wires, 1));
    pci_init(&pci, &reset.control, test_wire(wires, 2), test_wire(wires, 3), 0);
    mem = (struct bus){.behind = &pci.mem};
    bus_attach(&mem, PC_PCI_ECAM, PCI_ECAM_LEN, &pci.ecam);
    pci_function_init(&f, &id, &none);
    msix_init(&x, &f, 1, vectors, send, &x);
    pci_add(&pci, &f);
    table = get(0x14, 4);
}

static void control(uint16_t val)
{
    set(0x42, 2, val);
}

/* Write an entry: a message that says which vector it is. */
static void entry(int vector, uint32_t masked)
{
    bus_write(&mem, table + 16 * vector, 4, APIC);
    bus_write(&mem, table + 16 * vector + 4, 4, 0);
    bus_write(&mem, table + 16 * vector + 8, 4, 0x4000 + vector);
    bus_write(&mem, table + 16 * vector + 12, 4, masked);
}

static uint64_t pending(void)
{
    return bus_read(&mem, table + PBA, 8);
}

static void capability(void)
{
    setup(VECTORS);
    CHECK_EQ(get(0x34, 1), 0x40);
    CHECK_EQ(get(0x40, 1), 0x11);
    CHECK_EQ(get(0x42, 2), VECTORS - 1);
    CHECK_EQ(get(0x44, 4), 0 | 1);
    CHECK_EQ(get(0x48, 4), PBA | 1);
    set(0x44, 4, 0xffffffff);
    set(0x48, 4, 0);
    control(0xffff);
    CHECK_EQ(get(0x42, 2), ENABLE | MASK_ALL | (VECTORS - 1));
    CHECK_EQ(get(0x44, 4), 0 | 1);
    CHECK_EQ(get(0x48, 4), PBA | 1);
    set(4, 2, 0);
    set(0x14, 4, 0xffffffff);
    CHECK_EQ(get(0x14, 4), 0xfffff000);

    setup(MSIX_VECTORS);
    CHECK_EQ(get(0x42, 2), MSIX_VECTORS - 1);
    setup(1);
    CHECK_EQ(get(0x42, 2), 0);
}

static void registers(void)
{
    setup(VECTORS);
    for (int i = 0; i < VECTORS; i++) {
        CHECK_EQ(bus_read(&mem, table + 16 * i, 8), 0);
        CHECK_EQ(bus_read(&mem, table + 16 * i + 8, 8), UINT64_C(1) << 32);
    }
    CHECK_EQ(bus_read(&mem, table + 16 * VECTORS, 8), 0);
    entry(3, 0);
    CHECK_EQ(bus_read(&mem, table + 48, 8), APIC);
    CHECK_EQ(bus_read(&mem, table + 56, 8), 0x4003);
    bus_write(&mem, table + 56, 8, 0xffffffff12345678); /* of control there is one bit */
    CHECK_EQ(bus_read(&mem, table + 56, 8), UINT64_C(0x112345678));
    bus_write(&mem, table + 60, 1, 0);
    bus_write(&mem, table + 61, 1, 0xff);
    CHECK_EQ(bus_read(&mem, table + 60, 4), 0);
    bus_write(&mem, table + 54, 8, UINT64_MAX); /* of two entries */
    CHECK_EQ(bus_read(&mem, table + 60, 4), 1);
    /* Beyond the table is nothing, and pending bits cannot be written. */
    for (uint64_t off = 16 * VECTORS; off < 0x1000; off += 8) {
        bus_write(&mem, table + off, 8, UINT64_MAX);
        CHECK_EQ(bus_read(&mem, table + off, 8), 0);
    }
    bus_write(&mem, table + 16 * VECTORS - 4, 8, 0); /* not even in part */
    CHECK_EQ(bus_read(&mem, table + 16 * VECTORS - 4, 4), 1);
}

static void sends(void)
{
    setup(VECTORS);
    entry(0, 0);
    entry(9, 0);
    msix_signal(&x, 0); /* not enabled */
    CHECK_EQ(sent, 0);
    CHECK(!msix_enabled(&x));
    control(ENABLE);
    CHECK(msix_enabled(&x));
    CHECK_EQ(sent, 0);
    msix_signal(&x, 9);
    CHECK_EQ(sent, 1);
    CHECK_EQ(last_addr, APIC);
    CHECK_EQ(last_data, 0x4009);
    msix_signal(&x, 0);
    msix_signal(&x, 0);
    CHECK_EQ(sent, 3);
    CHECK_EQ(last_data, 0x4000);
    CHECK_EQ(pending(), 0);
}

static void masks(void)
{
    setup(VECTORS);
    control(ENABLE);
    entry(2, 1);
    entry(3, 0);
    for (int i = 0; i < 3; i++)
        msix_signal(&x, 2);
    CHECK_EQ(sent, 0);
    CHECK_EQ(pending(), 4);
    entry(2, 0); /* once, however often */
    CHECK_EQ(sent, 1);
    CHECK_EQ(last_data, 0x4002);
    CHECK_EQ(pending(), 0);

    control(ENABLE | MASK_ALL);
    msix_signal(&x, 2);
    msix_signal(&x, 3);
    CHECK_EQ(pending(), 0xc);
    entry(2, 1);
    CHECK_EQ(sent, 1);
    control(ENABLE);
    CHECK_EQ(sent, 2);
    CHECK_EQ(last_data, 0x4003);
    CHECK_EQ(pending(), 4);

    /* What was pending is forgotten when it is disabled. */
    control(0);
    CHECK_EQ(pending(), 0);
    control(ENABLE);
    entry(2, 0);
    CHECK_EQ(sent, 2);

    /* A message is a write to memory. */
    set(4, 2, MEMORY);
    msix_signal(&x, 2);
    CHECK_EQ(sent, 2);
    set(4, 2, MEMORY | MASTER);
    CHECK_EQ(sent, 3);
}

/* A message that is no interrupt would be a write to RAM. */
static void elsewhere(void)
{
    static const uint64_t addr[] = {0, 0x1000, 0xfed00000, 0xfef00000, 0x1fee00000, UINT64_MAX};

    setup(VECTORS);
    control(ENABLE);
    for (size_t i = 0; i < sizeof(addr) / sizeof(addr[0]); i++) {
        entry(1, 0);
        bus_write(&mem, table + 16, 8, addr[i]);
        msix_signal(&x, 1);
        CHECK_EQ(sent, 0);
        CHECK_EQ(pending(), 0);
    }
}

/* MSI-X instead of INTA: the function need not know. */
static void instead_of_inta(void)
{
    setup(VECTORS);
    pci_interrupt(&f, true);
    CHECK(wires[3].level);
    control(ENABLE);
    CHECK(!wires[3].level);
    pci_interrupt(&f, true);
    CHECK(!wires[3].level);
    control(0);
    CHECK(wires[3].level);
    pci_interrupt(&f, false);
    CHECK(!wires[3].level);
}

static void resets(void)
{
    setup(VECTORS);
    control(ENABLE);
    entry(4, 0);
    entry(5, 1);
    msix_signal(&x, 5);
    set(0x14, 4, 0xd0000000);
    CHECK_EQ(bus_read(&mem, 0xd0000000 + 64, 4), APIC);
    pci.dev.reset(&pci.dev);
    CHECK(!msix_enabled(&x));
    CHECK_EQ(bus_read(&mem, table + 64, 8), 0);
    CHECK_EQ(bus_read(&mem, table + 72, 8), UINT64_C(1) << 32);
    CHECK_EQ(pending(), 0);
    control(ENABLE);
    CHECK_EQ(sent, 0);
}

static void all_vectors(void)
{
    setup(MSIX_VECTORS);
    control(ENABLE);
    for (int i = 0; i < MSIX_VECTORS; i++) {
        msix_signal(&x, i);
        CHECK_EQ(sent, i);
        CHECK(bus_read(&mem, table + PBA + i / 8, 1) >> i % 8 & 1);
        entry(i, 0);
        CHECK_EQ(sent, i + 1);
        CHECK_EQ(last_data, 0x4000 + i);
    }
}

static int changes;

static void changed(struct msix *of)
{
    CHECK(of == &x);
    changes++;
}

/* Would vector 1 be sent at once? Whoever wants to know is told when that may have changed. */
static bool sends_now(void)
{
    uint64_t addr;
    uint32_t data;
    bool now = msix_sends(&x, 1, &addr, &data);
    int before = sent;

    CHECK(!now || (addr == APIC && data == 0x4001));
    CHECK(changes > 0);
    changes = 0;
    msix_signal(&x, 1);
    CHECK_EQ(sent > before, now);
    return now;
}

static void told(void)
{
    setup(VECTORS);
    x.changed = changed;
    changes = 0;
    entry(1, 0);
    CHECK(!sends_now());
    control(ENABLE);
    CHECK(sends_now());
    entry(1, 1);
    CHECK(!sends_now());
    entry(1, 0);
    CHECK(sends_now());
    control(ENABLE | MASK_ALL);
    CHECK(!sends_now());
    control(ENABLE);
    CHECK(sends_now());
    set(4, 2, MEMORY);
    CHECK(!sends_now());
    set(4, 2, MEMORY | MASTER);
    CHECK(sends_now());
    bus_write(&mem, table + 16, 4, 0x1000);
    CHECK(!sends_now());
}

/* SMI, NMI and INIT come through where interrupts are off. */
static void wakes(void)
{
    static const bool wakes_by[8] = {[2] = true, [4] = true, [5] = true};

    setup(VECTORS);
    control(ENABLE);
    CHECK(!msix_wakes(&x));
    for (int mode = 0; mode < 8; mode++) {
        entry(9, 0);
        bus_write(&mem, table + 16 * 9 + 8, 4, mode << 8 | 0x30);
        CHECK_EQ(msix_wakes(&x), wakes_by[mode]);
        control(0);
        CHECK(!msix_wakes(&x));
        control(ENABLE);
        entry(9, 1);
        CHECK(!msix_wakes(&x));
    }
}

int main(void)
{
    return test_main((struct test[]){
        {capability, "the capability says how many vectors there are, and where"},
        {registers, "the table can be written, and nothing else"},
        {sends, "a vector sends its message while MSI-X is enabled"},
        {masks, "a masked vector is pending, and sent once when it no longer is"},
        {elsewhere, "a message to any place but the local APICs is dropped"},
        {instead_of_inta, "INTA rests while MSI-X is enabled"},
        {resets, "reset disables it and masks all vectors"},
        {all_vectors, "all vectors work"},
        {told, "it tells what would be sent at once, and when that may have changed"},
        {wakes, "and what wakes a CPU with interrupts off"},
        {0},
    });
}
