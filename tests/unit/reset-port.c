// SPDX-License-Identifier: MIT
/* The reset control register and port A on fake wires. */
#include "hw/reset-port.h"

#include "tests/unit/test.h"

static struct reset_port r;
static struct test_wire a20, reset;

static void make(void)
{
    memset(&a20, 0, sizeof(a20));
    memset(&reset, 0, sizeof(reset));
    reset_port_init(&r, test_wire(&a20, 0), test_wire(&reset, 0));
}

static uint64_t rd(struct device *d)
{
    return d->read(d, 0, 1);
}

static void wr(struct device *d, uint8_t val)
{
    d->write(d, 0, 1, val);
}

static void test_control(void)
{
    make();
    CHECK_EQ(rd(&r.control), 0);
    wr(&r.control, 0x0a); /* the type alone does nothing */
    CHECK(!reset.level);
    CHECK_EQ(rd(&r.control), 0x0a);
    wr(&r.control, 0x0e);
    CHECK(reset.level);
    CHECK_EQ(rd(&r.control), 0x0e);

    reset.level = false;
    wr(&r.control, 0x06); /* no edge */
    CHECK(!reset.level);
    wr(&r.control, 0x02);
    wr(&r.control, 0x06);
    CHECK(reset.level);

    r.control.reset(&r.control);
    CHECK_EQ(rd(&r.control), 0);
    reset.level = false;
    wr(&r.control, 0xf1); /* no such bits */
    CHECK(!reset.level);
    CHECK_EQ(rd(&r.control), 0);

    make();
    wr(&r.control, 0x06); /* both at once, as ACPI does */
    CHECK(reset.level);

    make();
    wr(&r.control, 0x04);
    CHECK(reset.level);
}

static void test_port_a(void)
{
    make();
    CHECK_EQ(rd(&r.port_a), 0x02); /* A20 is on */
    CHECK(a20.level);
    wr(&r.port_a, 0x00);
    CHECK(!a20.level);
    CHECK_EQ(rd(&r.port_a), 0x00);
    wr(&r.port_a, 0xfe);
    CHECK(a20.level);
    CHECK_EQ(rd(&r.port_a), 0x02);
    CHECK_EQ(a20.rises, 2);
    CHECK(!reset.level);

    wr(&r.port_a, 0x03);
    CHECK(reset.level);
    reset.level = false;
    wr(&r.port_a, 0x03); /* no edge */
    CHECK(!reset.level);
    wr(&r.port_a, 0x00);
    r.control.reset(&r.control);
    CHECK_EQ(rd(&r.port_a), 0x02);
    CHECK(a20.level);
    CHECK(!reset.level);
}

int main(void)
{
    return test_main((struct test[]){
        {test_control, "the rising edge of RST_CPU resets"},
        {test_port_a, "port A: A20, and the rising edge of bit 0 resets"},
        {0},
    });
}
