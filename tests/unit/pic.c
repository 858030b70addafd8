// SPDX-License-Identifier: MIT
/*
 * The 8259A pair, through its ports, its pins and its INTA cycle.
 */
#include "hw/pic.h"
#include "tests/unit/test.h"

#include <stdlib.h>

static struct pic pic;
static struct test_wire intr, hears;
static struct pic_chip *const master = &pic.master, *const slave = &pic.slave;

static void out(struct pic_chip *c, int port, uint8_t val)
{
    c->dev.write(&c->dev, port, 1, val);
}

static uint8_t in(struct pic_chip *c, int port)
{
    return c->dev.read(&c->dev, port, 1);
}

static uint8_t in_irr(struct pic_chip *c)
{
    out(c, 0, 0x0a);
    return in(c, 0);
}

static uint8_t in_isr(struct pic_chip *c)
{
    out(c, 0, 0x0b);
    return in(c, 0);
}

static uint8_t in_poll(struct pic_chip *c)
{
    out(c, 0, 0x0c);
    return in(c, 0);
}

static void set_elcr(int n, uint8_t val)
{
    pic.elcr.write(&pic.elcr, n, 1, val);
}

static uint8_t get_elcr(int n)
{
    return pic.elcr.read(&pic.elcr, n, 1);
}

static void pin(int n, bool level)
{
    struct irq irq = pic_pin(&pic, n);

    irq_set(&irq, level);
}

static void raise(int n)
{
    pin(n, false);
    pin(n, true);
}

static void program(struct pic_chip *c, uint8_t icw1, uint8_t icw4)
{
    out(c, 0, icw1);
    out(c, 1, c == master ? 0x20 : 0x28);
    if (!(icw1 & 0x02))
        out(c, 1, c == master ? 0x04 : 0x02);
    if (icw1 & 0x01)
        out(c, 1, icw4);
}

static void power_on(void)
{
    intr = (struct test_wire){0};
    hears = (struct test_wire){.level = true};
    pic_init(&pic, test_wire(&intr, 0), test_wire(&hears, 0));
}

/* As an operating system leaves it: vectors 0x20 and 0x28, 8086 mode, nothing masked. */
static void set_up(uint8_t icw4)
{
    power_on();
    program(master, 0x11, icw4 | 1);
    program(slave, 0x11, icw4 | 1);
}

static void test_silent(void)
{
    power_on();
    CHECK_EQ(in(master, 1) & in(slave, 1), 0xff);
    for (int n = 0; n < 16; n++) {
        if (n == 2)
            continue;
        raise(n);
        CHECK(!intr.level);
    }
    set_elcr(0, 0xff);
    set_elcr(1, 0xff);
    /* What Linux probes with: the mask is there before ICW1. */
    out(slave, 1, 0xff);
    out(master, 1, 0xfb);
    CHECK_EQ(in(master, 1), 0xfb);
    out(master, 1, 0);
    out(slave, 1, 0);
    CHECK_EQ(in_poll(master), 0x07);
    CHECK_EQ(pic_ack(&pic) & 7, 7);
    CHECK_EQ(in_isr(master), 0);
    CHECK_EQ(intr.changes, 0);
}

static void test_icw(void)
{
    power_on();
    out(master, 1, 0xaa);
    set_elcr(0, 0x08);
    pin(3, true);
    out(master, 0, 0x11);
    CHECK_EQ(in(master, 1), 0); /* ICW1 clears the mask */
    out(master, 1, 0x47);       /* ICW2: only the high five bits */
    CHECK(!intr.level);
    out(master, 1, 0x04);
    CHECK(!intr.level);
    out(master, 1, 0x01);
    CHECK(intr.level); /* the first moment it is complete */
    CHECK_EQ(pic_ack(&pic), 0x43);
    out(master, 1, 0x5a);
    CHECK_EQ(in(master, 1), 0x5a); /* from now on OCW1 */

    /* Without ICW4, and its functions cleared. */
    set_up(0x02);
    program(master, 0x10, 0);
    pin(3, true);
    CHECK_EQ(pic_ack(&pic), 0x23);
    CHECK_EQ(in_isr(master), 0x08);
    out(master, 1, 0x77);
    CHECK_EQ(in(master, 1), 0x77);

    /* Single: no ICW3, with and without ICW4. */
    power_on();
    program(master, 0x13, 0x03);
    out(master, 1, 0x12);
    CHECK_EQ(in(master, 1), 0x12);
    raise(3);
    CHECK_EQ(pic_ack(&pic), 0x23);
    CHECK_EQ(in_isr(master), 0);
    program(master, 0x12, 0);
    out(master, 1, 0x34);
    CHECK_EQ(in(master, 1), 0x34);
    raise(3);
    CHECK_EQ(pic_ack(&pic), 0x23);
    CHECK_EQ(in_isr(master), 0x08);
}

/* A single master does not ask the slave for the vector. */
static void test_single(void)
{
    set_up(0);
    program(master, 0x13, 0x01);
    raise(12);
    CHECK(intr.level);
    CHECK_EQ(pic_ack(&pic), 0x22);
    CHECK_EQ(in_isr(slave), 0);
    CHECK_EQ(in_irr(slave), 0x10);
}

static void test_icw1_clears(void)
{
    set_up(0x02);
    raise(5);
    raise(4);
    out(master, 1, 0x20);
    out(master, 0, 0x80); /* rotate in AEOI */
    CHECK_EQ(pic_ack(&pic), 0x24);
    program(master, 0x11, 0x03);
    CHECK_EQ(in_irr(master), 0); /* IR5 is high, but no edge since */
    CHECK_EQ(in(master, 1), 0);
    raise(6);
    CHECK_EQ(pic_ack(&pic), 0x26);
    raise(0);
    raise(7);
    CHECK_EQ(pic_ack(&pic), 0x20); /* IR7 is lowest, and nothing rotates */

    set_up(0);
    raise(1);
    CHECK_EQ(pic_ack(&pic), 0x21);
    set_elcr(0, 0x08);
    pin(3, true);
    out(master, 0, 0xc3); /* IR3 lowest */
    out(master, 0, 0x68); /* special mask mode */
    CHECK_EQ(in_isr(master), 0x02);
    program(master, 0x11, 0x01);
    CHECK_EQ(in(master, 0), 0x08); /* IRR now */
    CHECK_EQ(in_isr(master), 0);
    CHECK_EQ(pic_ack(&pic), 0x23);
    raise(4);
    raise(1);
    CHECK_EQ(pic_ack(&pic), 0x21);
    out(master, 1, 0x0a);
    CHECK(!intr.level); /* special mask mode is off */

    out(master, 0, 0x0c);
    program(master, 0x11, 0x01);
    CHECK_EQ(in(master, 0), 0x08); /* a poll is forgotten */
}

static void test_edge(void)
{
    set_up(0);
    pin(3, true);
    CHECK(intr.level);
    CHECK_EQ(in_irr(master), 0x08);
    CHECK_EQ(pic_ack(&pic), 0x23);
    CHECK(!intr.level);
    CHECK_EQ(in_irr(master), 0);
    CHECK_EQ(in_isr(master), 0x08);
    pin(3, true);
    out(master, 0, 0x20);
    CHECK_EQ(in_isr(master), 0);
    CHECK(!intr.level); /* still high, but no edge */
    raise(3);
    CHECK(intr.level);
    pin(3, false); /* not taken back */
    CHECK(intr.level);
    CHECK_EQ(in_irr(master), 0x08);
    raise(3); /* nor counted */
    CHECK_EQ(pic_ack(&pic), 0x23);
    out(master, 0, 0x20);
    CHECK(!intr.level);
    CHECK_EQ(in_irr(master), 0);

    /* The slave's, too. */
    raise(12);
    pin(12, false);
    CHECK(intr.level);
    CHECK_EQ(pic_ack(&pic), 0x2c);
    out(slave, 0, 0x20);
    out(master, 0, 0x20);
    CHECK(!intr.level);

    /* The mask hides a request, and keeps it. */
    out(master, 1, 0x08);
    raise(3);
    pin(3, false);
    CHECK(!intr.level);
    CHECK_EQ(in_irr(master), 0x08);
    out(master, 1, 0);
    CHECK(intr.level);

    /* A line that was sensed by level for a while has no edge from that time. */
    set_up(0);
    raise(3);
    set_elcr(0, 0x08);
    CHECK(intr.level);
    pin(3, false);
    CHECK(!intr.level);
    pin(3, true);
    CHECK(intr.level);
    set_elcr(0, 0);
    CHECK(!intr.level);
}

static void test_level(void)
{
    set_up(0);
    set_elcr(0, 0x20);
    set_elcr(1, 0x08);
    pin(5, true);
    CHECK_EQ(pic_ack(&pic), 0x25);
    CHECK_EQ(in_irr(master), 0x20); /* as long as it is high */
    CHECK(!intr.level);
    out(master, 0, 0x20);
    CHECK(intr.level);
    pin(5, false);
    CHECK(!intr.level);

    pin(11, true);
    CHECK_EQ(pic_ack(&pic), 0x2b);
    out(slave, 0, 0x20);
    out(master, 0, 0x20);
    CHECK_EQ(pic_ack(&pic), 0x2b);
    out(slave, 0, 0x20);
    out(master, 0, 0x20);
    set_elcr(1, 0);
    CHECK(!intr.level); /* its edge was spent by the first acknowledge */
    set_elcr(1, 0x08);
    CHECK(intr.level);
    pin(11, false);

    /* LTIM makes every input a level. */
    set_up(0);
    pin(1, true);
    program(master, 0x19, 0x01);
    CHECK_EQ(pic_ack(&pic), 0x21);
    out(master, 0, 0x61);
    CHECK_EQ(pic_ack(&pic), 0x21);
}

static void test_elcr(void)
{
    set_up(0);
    CHECK_EQ(get_elcr(0), 0);
    CHECK_EQ(get_elcr(1), 0);
    set_elcr(0, 0xff);
    CHECK_EQ(get_elcr(0), 0xf8);
    CHECK_EQ(get_elcr(1), 0);
    set_elcr(0, 0x20);
    set_elcr(1, 0xff);
    CHECK_EQ(get_elcr(0), 0x20);
    CHECK_EQ(get_elcr(1), 0xde);
    program(master, 0x11, 0x01);
    CHECK_EQ(get_elcr(0), 0x20); /* no concern of ICW1 */
    pic.elcr.reset(&pic.elcr);
    CHECK_EQ(get_elcr(0) | get_elcr(1), 0);
}

static void test_fixed_priority(void)
{
    set_up(0);
    raise(7);
    raise(4);
    raise(0);
    CHECK_EQ(pic_ack(&pic), 0x20);
    CHECK(!intr.level);
    out(master, 0, 0x20);
    CHECK_EQ(pic_ack(&pic), 0x24);
    CHECK(!intr.level);
    raise(4);
    CHECK(!intr.level); /* not by its equal */
    raise(1);
    CHECK(intr.level);
    CHECK_EQ(pic_ack(&pic), 0x21);
    CHECK_EQ(in_isr(master), 0x12);
    out(master, 0, 0x20); /* non-specific: the higher one */
    CHECK_EQ(in_isr(master), 0x10);
    out(master, 0, 0x20);
    CHECK_EQ(pic_ack(&pic), 0x24);
    out(master, 0, 0x67); /* specific, of another */
    CHECK_EQ(in_isr(master), 0x10);
    out(master, 0, 0x64);
    CHECK_EQ(in_isr(master), 0);
    CHECK_EQ(pic_ack(&pic), 0x27);
}

static void test_cascade(void)
{
    set_up(0);
    raise(12);
    raise(3);
    CHECK_EQ(in_irr(master), 0x0c);
    CHECK_EQ(pic_ack(&pic), 0x2c); /* the slave goes before IRQ 3 */
    CHECK_EQ(in_isr(master), 0x04);
    CHECK_EQ(in_isr(slave), 0x10);
    raise(9);
    CHECK(!intr.level); /* held back by the master */
    raise(1);
    CHECK_EQ(pic_ack(&pic), 0x21);
    out(master, 0, 0x20);
    out(master, 0, 0x20);
    CHECK_EQ(pic_ack(&pic), 0x29);
    CHECK_EQ(in_isr(slave), 0x12);
    out(slave, 0, 0x20);
    out(slave, 0, 0x20);
    out(master, 0, 0x20);
    CHECK_EQ(pic_ack(&pic), 0x23);
    out(master, 0, 0x20);

    /* Two at the slave at once: the second must not be forgotten. */
    raise(14);
    raise(10);
    CHECK_EQ(pic_ack(&pic), 0x2a);
    out(master, 0, 0x62);
    CHECK(!intr.level);
    out(slave, 0, 0x62);
    CHECK_EQ(pic_ack(&pic), 0x2e);
    out(slave, 0, 0x66);
    out(master, 0, 0x62);

    out(master, 1, 0x04);
    raise(8);
    CHECK(!intr.level);
    out(slave, 1, 0x01);
    out(master, 1, 0);
    CHECK(!intr.level);
    out(slave, 1, 0);
    CHECK_EQ(pic_ack(&pic), 0x28);
}

static void test_rotation(void)
{
    set_up(0);
    raise(3);
    raise(6);
    CHECK_EQ(pic_ack(&pic), 0x23);
    out(master, 0, 0xa0); /* rotate on non-specific EOI */
    CHECK_EQ(in_isr(master), 0);
    raise(3);
    CHECK_EQ(pic_ack(&pic), 0x26); /* 3 is the lowest now */
    raise(4);
    CHECK(intr.level);
    raise(7);
    CHECK_EQ(pic_ack(&pic), 0x24);
    out(master, 0, 0xe6); /* rotate on specific EOI */
    CHECK_EQ(in_isr(master), 0x10);
    CHECK_EQ(pic_ack(&pic), 0x27);
    out(master, 0, 0x20); /* the highest in service by rotated priority */
    CHECK_EQ(in_isr(master), 0x10);
    out(master, 0, 0x20);
    CHECK_EQ(pic_ack(&pic), 0x23);
    out(master, 0, 0x20);

    out(master, 0, 0xc4); /* set priority: 5 is highest */
    raise(4);
    raise(0);
    raise(5);
    CHECK_EQ(pic_ack(&pic), 0x25);
    out(master, 0, 0x20);
    CHECK_EQ(pic_ack(&pic), 0x20);
    out(master, 0, 0x20);
    CHECK_EQ(pic_ack(&pic), 0x24);
    out(master, 0, 0x44); /* no operation */
    CHECK_EQ(in_isr(master), 0x10);
    out(master, 0, 0xc4); /* a priority is no EOI */
    CHECK_EQ(in_isr(master), 0x10);
    out(master, 0, 0x20);
    out(master, 0, 0xa0); /* nothing in service, nothing to rotate */
    raise(4);
    raise(5);
    CHECK_EQ(pic_ack(&pic), 0x25);
}

static void test_aeoi(void)
{
    set_up(0x02);
    raise(3);
    raise(5);
    CHECK_EQ(pic_ack(&pic), 0x23);
    CHECK_EQ(in_isr(master), 0);
    CHECK(intr.level); /* nothing holds back a lower one */
    CHECK_EQ(pic_ack(&pic), 0x25);
    CHECK(!intr.level);

    raise(9);
    raise(12);
    CHECK_EQ(pic_ack(&pic), 0x29);
    CHECK(intr.level); /* the slave's INT did not even fall */
    CHECK_EQ(pic_ack(&pic), 0x2c);
    CHECK(!intr.level);

    out(master, 0, 0x80); /* rotate in AEOI: set */
    raise(3);
    CHECK_EQ(pic_ack(&pic), 0x23);
    raise(3);
    raise(5);
    CHECK_EQ(pic_ack(&pic), 0x25);
    CHECK_EQ(pic_ack(&pic), 0x23);
    out(master, 0, 0x00); /* and clear: 3 stays the lowest */
    raise(5);
    CHECK_EQ(pic_ack(&pic), 0x25);
    raise(3);
    raise(5);
    CHECK_EQ(pic_ack(&pic), 0x25);
}

static void test_special_mask(void)
{
    set_up(0);
    raise(1);
    CHECK_EQ(pic_ack(&pic), 0x21);
    raise(6);
    CHECK(!intr.level);
    out(master, 0, 0x68);
    CHECK(!intr.level); /* only where IMR and ISR meet */
    out(master, 1, 0x02);
    CHECK(intr.level);
    out(master, 0, 0x08); /* ESMM clear: SMM is ignored */
    CHECK(intr.level);
    out(master, 0, 0x28);
    CHECK(intr.level);
    CHECK_EQ(pic_ack(&pic), 0x26);
    out(master, 0, 0x20); /* non-specific EOI does not see the masked one */
    CHECK_EQ(in_isr(master), 0x02);
    out(master, 0, 0x20);
    CHECK_EQ(in_isr(master), 0x02);
    raise(6);
    CHECK(intr.level);
    out(master, 0, 0x48); /* reset special mask */
    CHECK(!intr.level);
    out(master, 0, 0x61);
    CHECK(intr.level);
}

static void test_special_fully_nested(void)
{
    set_up(0);
    program(master, 0x11, 0x11);
    raise(12);
    CHECK_EQ(pic_ack(&pic), 0x2c);
    raise(3);
    raise(15);
    CHECK(!intr.level); /* lower ones wait, at either chip */
    raise(9);
    CHECK(intr.level); /* a higher one of the same slave does not */
    CHECK_EQ(pic_ack(&pic), 0x29);
    CHECK_EQ(in_isr(slave), 0x12);
    CHECK_EQ(in_isr(master), 0x04);
    CHECK(!intr.level);
    out(slave, 0, 0x20);
    out(slave, 0, 0x20);
    CHECK(intr.level);
    CHECK_EQ(pic_ack(&pic), 0x2f);
    out(slave, 0, 0x20);
    out(master, 0, 0x20);
    CHECK_EQ(pic_ack(&pic), 0x23);
    raise(3);
    CHECK(!intr.level); /* only slaves nest */

    /* In single mode IR2 is an input like any other. */
    set_up(0);
    program(master, 0x13, 0x11);
    raise(12);
    CHECK_EQ(pic_ack(&pic), 0x22);
    raise(9);
    CHECK(!intr.level);
}

static void test_poll(void)
{
    set_up(0);
    CHECK_EQ(in_poll(master) & 0x80, 0);
    CHECK_EQ(in_isr(master), 0);
    raise(3);
    raise(1);
    CHECK_EQ(in_poll(master), 0x81);
    CHECK_EQ(in(master, 0), 0x02); /* once; then ISR, as before */
    CHECK_EQ(in_isr(master), 0x02);
    CHECK_EQ(in_poll(master) & 0x80, 0);
    out(master, 0, 0x20);
    out(master, 0, 0x0c);
    CHECK_EQ(in(master, 1), 0x83); /* at either port */
    CHECK_EQ(in(master, 1), 0);
    out(master, 0, 0x20);

    out(master, 0, 0x0b);
    out(master, 0, 0x0e); /* P overrides RR */
    in(master, 0);
    raise(4);
    CHECK_EQ(in(master, 0), 0);
    out(master, 0, 0x0c);
    out(master, 0, 0x08); /* taken back */
    CHECK_EQ(in(master, 0), 0);
    CHECK(intr.level);
    CHECK_EQ(pic_ack(&pic), 0x24);
    out(master, 0, 0x20);

    /* Each chip is polled for itself. */
    raise(10);
    CHECK_EQ(in_poll(master), 0x82);
    CHECK_EQ(in_isr(slave), 0);
    CHECK_EQ(in_poll(slave), 0x82);
    CHECK_EQ(in_isr(slave), 0x04);
    out(slave, 0, 0x20);
    out(master, 0, 0x20);
    CHECK(!intr.level);
    program(master, 0x11, 0x03);
    raise(3);
    CHECK_EQ(in_poll(master), 0x83);
    CHECK_EQ(in_isr(master), 0);
}

/* Take IRQ 12, a level, back in the middle of the INTA cycle, when the master has made its choice.
 */
static void withdraw(void *to, int n, bool level)
{
    if (!level && slave->s.lines & 0x10)
        pin(12, false);
    test_wire_set(to, n, level);
}

/* The timer is told when it need not be on time: while its request waits, masked or not. */
static void test_hears(void)
{
    for (int masked = 0; masked < 2; masked++) {
        set_up(0);
        CHECK_EQ(hears.changes, 0);
        out(master, 1, masked);
        raise(1);
        CHECK(hears.level);
        raise(0);
        CHECK(!hears.level);
        raise(0);
        pin(0, false);
        CHECK_EQ(hears.changes, 1);
        out(master, 1, 0);
        CHECK(!hears.level);
        CHECK_EQ(pic_ack(&pic), 0x20);
        CHECK(hears.level);
        raise(0); /* in service: remembered */
        CHECK(!hears.level);
        program(master, 0x11, 0x01);
        CHECK(hears.level);
        raise(0);
        CHECK_EQ(in_poll(master), 0x80);
        CHECK(hears.level);
        raise(0);
        master->dev.reset(&master->dev);
        CHECK(hears.level);
    }

    /* A timer that answers at once, having been late. */
    set_up(0);
    pic.master.hears = pic_pin(&pic, 0);
    pin(0, true);
    CHECK(intr.level);
    CHECK_EQ(pic_ack(&pic), 0x20);
    CHECK(pic.master.deaf);
    out(master, 0, 0x20);
    CHECK(intr.level);

    /* A level makes a difference whenever it falls. */
    set_up(0);
    program(master, 0x19, 0x01);
    raise(0);
    CHECK(hears.level);
}

static void test_spurious(void)
{
    set_up(0);
    set_elcr(0, 0x20);
    pin(5, true);
    pin(5, false);
    CHECK(!intr.level);
    CHECK_EQ(pic_ack(&pic), 0x27);
    CHECK_EQ(in_isr(master), 0); /* so that the handler can tell */
    raise(7);
    CHECK_EQ(pic_ack(&pic), 0x27);
    CHECK_EQ(in_isr(master), 0x80);
    CHECK_EQ(pic_ack(&pic), 0x27);
    CHECK_EQ(in_isr(master), 0x80);
    out(master, 0, 0x20);

    intr = (struct test_wire){0};
    pic_init(&pic, (struct irq){withdraw, &intr, 0}, (struct irq){0});
    program(master, 0x11, 0x01);
    program(slave, 0x11, 0x01);
    set_elcr(1, 0x10);
    pin(12, true);
    CHECK_EQ(pic_ack(&pic), 0x2f);
    CHECK_EQ(in_isr(slave), 0);
    CHECK_EQ(in_isr(master), 0x04); /* the master does not know */

    set_up(0x02);
    out(master, 0, 0x80);
    CHECK_EQ(pic_ack(&pic), 0x27);
    raise(0);
    raise(7);
    CHECK_EQ(pic_ack(&pic), 0x20); /* and rotates nothing */
}

static void test_reset(void)
{
    set_up(0);
    set_elcr(0, 0x20);
    pin(5, true);
    pin(9, true);
    CHECK(intr.level);
    master->dev.reset(&master->dev);
    CHECK(!intr.level);
    slave->dev.reset(&slave->dev);
    pic.elcr.reset(&pic.elcr);
    out(master, 1, 0);
    CHECK(!intr.level);
    program(master, 0x11, 0x01);
    program(slave, 0x11, 0x01);
    CHECK(!intr.level); /* both lines are high, and old */
    raise(5);
    CHECK(intr.level);
}

static int top(uint8_t set, int lowest)
{
    for (int i = lowest + 1; i <= lowest + 8; i++)
        if (set & 1 << i % 8)
            return i % 8;
    return 8;
}

/* What INT must be, said differently: no level at or above the request is in service. */
static bool expected_int(const struct pic_chip *c, uint8_t irr, uint8_t isr, uint8_t imr)
{
    int r = top(irr & ~imr, c->s.lowest),
        s = top(c->s.special_mask ? isr & ~imr : isr, c->s.lowest);
    bool slave_again = c == master && r == 2 && s == 2 && c->s.icw4 & 0x10 && !(c->s.icw1 & 0x02);

    if (c->s.expect != 4 || r == 8)
        return false;
    return s == 8 || slave_again || (r - c->s.lowest + 7) % 8 < (s - c->s.lowest + 7) % 8;
}

static bool check_chip(struct pic_chip *c)
{
    bool poll = c->s.poll, read_isr = c->s.read_isr;
    uint8_t irr = in_irr(c), isr = in_isr(c), imr = in(c, 1);
    bool level = expected_int(c, irr, isr, imr);

    c->s.poll = poll;
    c->s.read_isr = read_isr;
    CHECK((irr & ~c->s.lines & c->s.elcr) == 0);
    return level;
}

static void test_random(void)
{
    srand(8259);
    power_on();
    for (int i = 0; i < 300000 && !test_failures; i++) {
        struct pic_chip *c = rand() % 2 ? master : slave;
        int n = rand() % 16;

        switch (rand() % 8) {
        case 0:
            if (rand() % 64 == 0)
                program(c, 0x10 | rand() % 16, rand());
            break;
        case 1:
            if (rand() % 64 == 0 || c->s.expect != 4)
                out(c, rand() % 2, rand());
            break;
        case 2:
            out(c, 0, rand() & 0xef);
            break;
        case 3:
            out(c, 1, rand() & rand());
            break;
        case 4:
            in(c, rand() % 2);
            break;
        case 5:
            if (rand() % 16 == 0)
                set_elcr(rand() % 2, rand());
            break;
        case 6:
            if (n != 2)
                pin(n, rand() % 3);
            break;
        case 7: {
            bool real = intr.level;
            uint8_t isr = master->s.isr;
            int v = pic_ack(&pic);

            CHECK(v >= 0 && v < 256);
            if (!real) {
                CHECK_EQ(v, master->s.icw2 | 7);
                CHECK_EQ(master->s.isr, isr);
            } else if (!(master->s.icw4 & 0x02) && master->s.isr & 0x04 &&
                       v >> 3 == slave->s.icw2 >> 3) {
                CHECK(slave->s.icw4 & 0x02 || slave->s.isr & 1 << v % 8 ||
                      master->s.isr & 1 << v % 8);
            } else if (!(master->s.icw4 & 0x02)) {
                CHECK(master->s.isr & 1 << v % 8);
            }
            break;
        }
        }
        CHECK_EQ(check_chip(slave), master->s.lines >> 2 & 1);
        CHECK_EQ(check_chip(master), intr.level);
        CHECK_EQ(get_elcr(0) & 0x07, 0);
        CHECK_EQ(get_elcr(1) & 0x21, 0);
    }
    CHECK(intr.rises > 1000);
}

int main(void)
{
    return test_main((struct test[]){
        {test_silent, "pic: silent until it is initialised"},
        {test_icw, "pic: ICW1 to ICW4"},
        {test_single, "pic: single mode"},
        {test_icw1_clears, "pic: ICW1 clears"},
        {test_edge, "pic: edges and the mask"},
        {test_level, "pic: levels, by ELCR and LTIM"},
        {test_elcr, "pic: ELCR and its reserved bits"},
        {test_fixed_priority, "pic: fixed priority, EOI"},
        {test_cascade, "pic: the cascade"},
        {test_rotation, "pic: rotating priority"},
        {test_aeoi, "pic: automatic EOI, rotating"},
        {test_special_mask, "pic: special mask mode"},
        {test_special_fully_nested, "pic: special fully nested mode"},
        {test_poll, "pic: poll"},
        {test_hears, "pic: whether the timer makes a difference"},
        {test_spurious, "pic: spurious IRQ 7 and 15"},
        {test_reset, "pic: reset"},
        {test_random, "pic: random accesses"},
        {0},
    });
}
