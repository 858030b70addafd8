// SPDX-License-Identifier: MIT
/*
 * Unit tests of the PCI configuration ports.
 */
#include "hw/bus.h"
#include "hw/pci.h"
#include "hw/reset-port.h"
#include "tests/unit/test.h"

enum {
    CF8 = 0xcf8,
    CFC = 0xcfc
};

static struct test_wire wires[2];
static struct reset_port reset;
static struct pci pci;
static struct bus bus;

static void setup(void)
{
    memset(wires, 0, sizeof(wires));
    bus = (struct bus){0};
    reset_port_init(&reset, test_wire(wires, 0), test_wire(wires, 1));
    pci_init(&pci, &reset.control);
    bus_attach(&bus, CF8, PCI_LEN, &pci.dev);
}

static void test_bridge(void)
{
    setup();
    bus_write(&bus, CF8, 4, 0x80000000);
    CHECK_EQ(bus_read(&bus, CF8, 4), 0x80000000);
    CHECK_EQ(bus_read(&bus, CFC, 4), 0x12378086);
    CHECK_EQ(bus_read(&bus, CFC, 2), 0x8086);
    CHECK_EQ(bus_read(&bus, CFC + 2, 2), 0x1237);
    CHECK_EQ(bus_read(&bus, CFC + 3, 1), 0x12);
    bus_write(&bus, CF8, 4, 0x80000008);
    CHECK_EQ(bus_read(&bus, CFC + 2, 2), 0x0600);
    bus_write(&bus, CF8, 4, 0x800000fc);
    CHECK_EQ(bus_read(&bus, CFC, 4), 0);
}

static void test_empty(void)
{
    setup();
    for (uint32_t function = 1; function < 0x10000; function++) {
        bus_write(&bus, CF8, 4, 0x80000000 | function << 8);
        CHECK_EQ(bus_read(&bus, CFC, 4), 0xffffffff);
    }
}

static void test_disabled(void)
{
    setup();
    CHECK_EQ(bus_read(&bus, CFC, 4), 0xffffffff);
    bus_write(&bus, CF8, 4, 0x7fffffff);
    CHECK_EQ(bus_read(&bus, CF8, 4), 0x00fffffc);
    CHECK_EQ(bus_read(&bus, CFC, 4), 0xffffffff);
}

static void test_read_only(void)
{
    setup();
    bus_write(&bus, CF8, 4, 0x80000000);
    bus_write(&bus, CFC, 4, 0);
    CHECK_EQ(bus_read(&bus, CFC, 4), 0x12378086);
}

/* Bytes in the address register are not its own: one is the reset control register. */
static void test_cf9(void)
{
    setup();
    bus_write(&bus, CF8, 4, 0x80000000);
    bus_write(&bus, CF8 + 1, 1, RESET_PORT_SYS_RST);
    CHECK_EQ(bus_read(&bus, CF8 + 1, 1), RESET_PORT_SYS_RST);
    CHECK_EQ(bus_read(&bus, CF8, 1), 0xff);
    CHECK_EQ(bus_read(&bus, CF8, 2), 0xffff);
    CHECK_EQ(bus_read(&bus, CF8, 4), 0x80000000);
    CHECK(!wires[1].level);
    bus_write(&bus, CF8, 4, 0x80000600);
    CHECK(!wires[1].level);
    bus_write(&bus, CF8 + 1, 1, RESET_PORT_SYS_RST | RESET_PORT_RST_CPU);
    CHECK(wires[1].level);
}

static void test_reset(void)
{
    setup();
    bus_write(&bus, CF8, 4, 0x80000000);
    bus_write(&bus, CF8 + 1, 1, RESET_PORT_SYS_RST);
    bus_reset(&bus);
    CHECK_EQ(bus_read(&bus, CF8, 4), 0);
    CHECK_EQ(bus_read(&bus, CF8 + 1, 1), 0);
}

int main(void)
{
    return test_main((struct test[]){
        {test_bridge, "the host bridge is at 0:0.0"},
        {test_empty, "nothing else is on any bus"},
        {test_disabled, "data without the enable bit is nowhere"},
        {test_read_only, "the bridge cannot be overwritten"},
        {test_cf9, "the reset control register shares the address register's place"},
        {test_reset, "reset clears the address and the reset control register"},
        {0},
    });
}
