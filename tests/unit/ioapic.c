// SPDX-License-Identifier: MIT
/*
 * The I/O APIC, through a bus: what it sends, and what it says of its routes.
 */
#include "hw/bus.h"
#include "hw/ioapic.h"
#include "tests/unit/test.h"

#include <stdlib.h>

#define BASE     UINT64_C(0xfec00000)
#define MASK     UINT64_C(0x10000)
#define LEVEL    UINT64_C(0x8000)
#define IRR      UINT64_C(0x4000)
#define LOGICAL  UINT64_C(0x800)
#define DEST(id) ((uint64_t)(id) << 56)

static struct ioapic io;
static struct bus bus;

static int sent, routed;
static uint64_t sent_addr;
static uint32_t sent_data;
static struct test_route {
    uint64_t addr;
    uint32_t data;
    bool level;
} routes[IOAPIC_PINS];

static void send(void *to, uint64_t addr, uint32_t data)
{
    bool known = false;

    CHECK(to == &io);
    for (int i = 0; i < IOAPIC_PINS; i++)
        known |= routes[i].addr == addr && routes[i].data == data;
    CHECK(known); /* the route comes before its messages */
    sent++;
    sent_addr = addr;
    sent_data = data;
}

static void route(void *to, int pin, uint64_t addr, uint32_t data, bool level)
{
    struct test_route *r = &routes[pin];

    CHECK(to == &io);
    CHECK(r->addr != addr || r->data != data); /* only what changed */
    CHECK_EQ(level, data >> 15 & 1);
    *r = (struct test_route){addr, data, level};
    routed++;
}

static void set_up(void)
{
    memset(routes, 0, sizeof(routes));
    sent = routed = 0;
    bus = (struct bus){0};
    ioapic_init(&io, 5, (struct ioapic_out){send, route, &io});
    bus_attach(&bus, BASE, 0x1000, &io.dev);
}

static uint32_t get(int reg)
{
    bus_write(&bus, BASE, 4, reg);
    return bus_read(&bus, BASE + 0x10, 4);
}

static void put(int reg, uint32_t val)
{
    bus_write(&bus, BASE, 4, reg);
    bus_write(&bus, BASE + 0x10, 4, val);
}

static uint64_t get_entry(int n)
{
    return get(0x10 + 2 * n) | (uint64_t)get(0x11 + 2 * n) << 32;
}

static void put_entry(int n, uint64_t e)
{
    put(0x11 + 2 * n, e >> 32);
    put(0x10 + 2 * n, e);
}

static void pin(int n, bool level)
{
    struct irq irq = ioapic_pin(&io, n);

    irq_set(&irq, level);
}

static void test_registers(void)
{
    set_up();
    CHECK_EQ(get(1), 0x00170020);
    CHECK_EQ(get(0), 0x05000000);
    CHECK_EQ(get(2), 0x05000000);
    put(0, 0xfaffffff);
    CHECK_EQ(get(0), 0x0a000000);
    CHECK_EQ(get(2), 0x0a000000); /* arbitration starts from the ID */
    put(1, 0);
    put(2, 0);
    CHECK_EQ(get(1), 0x00170020);
    CHECK_EQ(get(2), 0x0a000000);
    bus_write(&bus, BASE, 4, 0xffffff12);
    CHECK_EQ(bus_read(&bus, BASE, 4), 0x12);
    for (int reg = 3; reg < 256; reg++) {
        if (reg >= 0x10 && reg < 0x40)
            continue;
        put(reg, 0xffffffff);
        CHECK_EQ(get(reg), 0);
    }
    for (int off = 4; off < 0x1000; off += 4) {
        if (off == 0x10)
            continue;
        bus_write(&bus, BASE + off, 4, 0xffffffff);
        CHECK_EQ(bus_read(&bus, BASE + off, 4), 0);
    }
    for (int n = 0; n < IOAPIC_PINS; n++)
        CHECK_EQ(get_entry(n), MASK);
    CHECK_EQ(sent + routed, 0);
}

static void test_entry_bits(void)
{
    set_up();
    for (int n = 0; n < IOAPIC_PINS; n++) {
        put_entry(n, UINT64_MAX);
        CHECK_EQ(get_entry(n), UINT64_C(0xff0000000001afff));
        put(0x10 + 2 * n, MASK | n);
        CHECK_EQ(get_entry(n), DEST(0xff) | MASK | n);
        put(0x11 + 2 * n, (uint32_t)n << 24);
    }
    for (int n = 0; n < IOAPIC_PINS; n++)
        CHECK_EQ(get_entry(n), DEST(n) | MASK | n);
    CHECK_EQ(sent + routed, 0);
}

static void test_narrow(void)
{
    set_up();
    bus_write(&bus, BASE, 1, 0x14);
    CHECK_EQ(bus_read(&bus, BASE, 1), 0x14);
    CHECK_EQ(bus_read(&bus, BASE + 1, 1), 0);
    CHECK_EQ(bus_read(&bus, BASE, 2), 0x14);
    bus_write(&bus, BASE + 1, 1, 0xff);
    CHECK_EQ(bus_read(&bus, BASE, 4), 0x14);
    bus_write(&bus, BASE + 0x10, 1, 0x33); /* the vector; the mask stays */
    bus_write(&bus, BASE + 0x11, 1, 0x80);
    CHECK_EQ(get_entry(2), MASK | LEVEL | 0x33);
    bus_write(&bus, BASE, 2, 0x14);
    CHECK_EQ(bus_read(&bus, BASE + 0x11, 1), 0x80);
    CHECK_EQ(bus_read(&bus, BASE + 0x12, 2), 1);
    bus_write(&bus, BASE + 0x12, 2, 0);
    CHECK_EQ(get_entry(2), LEVEL | 0x33);
    CHECK_EQ(routes[2].data, 0xc033);
    pin(2, true);
    put_entry(3, LEVEL);
    pin(3, true);
    CHECK_EQ(sent, 2);
    bus_write(&bus, BASE + 0x41, 1, 0x33); /* not the vector's byte */
    CHECK_EQ(sent, 2);
    bus_write(&bus, BASE + 0x40, 1, 0x33);
    CHECK_EQ(sent, 3);
    CHECK_EQ(bus_read(&bus, BASE, 8), 0x16); /* the bus makes two of it */
}

static void test_message(void)
{
    static const struct {
        uint64_t entry, addr;
        uint32_t data;
    } t[] = {
        {DEST(0) | 0x30, 0xfee00000, 0x4030},
        {DEST(3) | 0x31, 0xfee03000, 0x4031},
        {DEST(0xff) | 0xfe, 0xfeeff000, 0x40fe},
        {DEST(0xa5) | LOGICAL | 0x40, 0xfeea5004, 0x4040},
        {DEST(1) | LOGICAL | 0x100 | 0x41, 0xfee0100c, 0x4141}, /* lowest priority */
        {DEST(1) | 0x100 | 0x41, 0xfee01008, 0x4141},
        {DEST(1) | 0x200, 0xfee01000, 0x4200},        /* SMI */
        {DEST(1) | 0x400 | 0x02, 0xfee01000, 0x4402}, /* NMI */
        {DEST(1) | 0x500, 0xfee01000, 0x4500},        /* INIT */
        {DEST(1) | 0x700, 0xfee01000, 0x4700},        /* ExtINT */
        {DEST(2) | LEVEL | 0x50, 0xfee02000, 0xc050},
        {DEST(2) | LEVEL | LOGICAL | 0x100 | 0x51, 0xfee0200c, 0xc151},
        {DEST(2) | LEVEL | 0x400, 0xfee02000, 0x4400},         /* an edge all the same */
        {DEST(2) | LEVEL | 0x2000 | 0x52, 0xfee02000, 0xc052}, /* active low */
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        set_up();
        put_entry(7, t[i].entry);
        CHECK_EQ(routes[7].addr, t[i].addr);
        CHECK_EQ(routes[7].data, t[i].data);
        CHECK_EQ(sent, 0);
        pin(7, true);
        CHECK_EQ(sent, 1);
        CHECK_EQ(sent_addr, t[i].addr);
        CHECK_EQ(sent_data, t[i].data);
    }
}

static void test_reserved_modes(void)
{
    for (int mode = 3; mode <= 6; mode += 3) {
        set_up();
        put_entry(7, mode << 8 | 0x30);
        pin(7, true);
        put_entry(7, mode << 8 | LEVEL | 0x30);
        CHECK_EQ(get_entry(7), mode << 8 | LEVEL | 0x30);
        CHECK_EQ(sent + routed, 0);
    }
}

static void test_edge(void)
{
    set_up();
    put_entry(4, 0x34);
    pin(4, false);
    CHECK_EQ(sent, 0);
    pin(4, true);
    CHECK_EQ(sent, 1);
    CHECK_EQ(get_entry(4), 0x34); /* no remote IRR */
    pin(4, true);
    CHECK_EQ(sent, 1);
    ioapic_eoi(&io, 0x34);
    put_entry(4, 0x34);
    CHECK_EQ(sent, 1);
    pin(4, false);
    CHECK_EQ(sent, 1);
    pin(4, true);
    CHECK_EQ(sent, 2);

    /* An edge while masked is lost. */
    pin(4, false);
    put_entry(4, MASK | 0x34);
    pin(4, true);
    put_entry(4, 0x34);
    CHECK_EQ(sent, 2);
    pin(4, false);
    pin(4, true);
    CHECK_EQ(sent, 3);
}

static void test_level(void)
{
    set_up();
    put_entry(10, LEVEL | 0x3a);
    pin(10, true);
    CHECK_EQ(sent, 1);
    CHECK_EQ(get_entry(10), LEVEL | IRR | 0x3a);
    pin(10, false);
    pin(10, true);
    CHECK_EQ(sent, 1); /* not before the EOI */
    ioapic_eoi(&io, 0x3b);
    CHECK_EQ(sent, 1);
    ioapic_eoi(&io, 0x3a);
    CHECK_EQ(sent, 2); /* still asserted */
    CHECK_EQ(get_entry(10), LEVEL | IRR | 0x3a);
    put_entry(10, LEVEL | 0x3a); /* remote IRR is not for guests to write */
    CHECK_EQ(get_entry(10), LEVEL | IRR | 0x3a);
    CHECK_EQ(sent, 2);
    pin(10, false);
    ioapic_eoi(&io, 0x3a);
    CHECK_EQ(sent, 2);
    CHECK_EQ(get_entry(10), LEVEL | 0x3a);

    /* A level while masked waits. */
    put_entry(10, MASK | LEVEL | 0x3a);
    pin(10, true);
    CHECK_EQ(sent, 2);
    CHECK_EQ(get_entry(10), MASK | LEVEL | 0x3a);
    put_entry(10, LEVEL | 0x3a);
    CHECK_EQ(sent, 3);

    /* To be ended by a guest without EOI register: masked and edge-triggered, then back. */
    put_entry(10, MASK | LEVEL | 0x3a);
    CHECK_EQ(get_entry(10), MASK | LEVEL | IRR | 0x3a);
    put_entry(10, MASK | 0x3a);
    CHECK_EQ(get_entry(10), MASK | 0x3a);
    put_entry(10, LEVEL | 0x3a);
    CHECK_EQ(sent, 4);

    /* The EOI register. */
    bus_write(&bus, BASE + 0x40, 4, 0x3b);
    CHECK_EQ(sent, 4);
    bus_write(&bus, BASE + 0x40, 4, 0x3a);
    CHECK_EQ(sent, 5);
}

/* Pins that share a vector all end, and only those still asserted send again. */
static void test_shared_vector(void)
{
    set_up();
    put_entry(16, LEVEL | 0x60);
    put_entry(17, LEVEL | DEST(1) | 0x60);
    put_entry(23, LEVEL | 0x60);
    pin(16, true);
    pin(17, true);
    pin(23, true);
    CHECK_EQ(sent, 3);
    pin(16, false);
    pin(23, false);
    ioapic_eoi(&io, 0x60);
    CHECK_EQ(sent, 4);
    CHECK_EQ(sent_addr, 0xfee01000);
    CHECK_EQ(get_entry(16) & IRR, 0);
    CHECK_EQ(get_entry(17) & IRR, IRR);
    CHECK_EQ(get_entry(23) & IRR, 0);
}

static void test_routes(void)
{
    set_up();
    put_entry(9, MASK | LEVEL | 0x39);
    CHECK_EQ(routed, 0);
    put_entry(9, LEVEL | 0x39);
    CHECK_EQ(routed, 1);
    CHECK(routes[9].level);
    put_entry(9, LEVEL | 0x39);
    put_entry(9, LEVEL | 0x2039); /* polarity is no part of it */
    CHECK_EQ(routed, 1);
    put(0x11 + 18, 0x02000000);
    CHECK_EQ(routed, 2);
    CHECK_EQ(routes[9].addr, 0xfee02000);
    put_entry(9, MASK | LEVEL | DEST(2) | 0x39);
    CHECK_EQ(routed, 3);
    CHECK_EQ(routes[9].addr, 0);
    CHECK(!routes[9].level);

    /* Masked between message and EOI, as Linux does for threaded handlers. */
    put_entry(9, LEVEL | 0x39);
    pin(9, true);
    CHECK_EQ(routed, 4);
    put_entry(9, MASK | LEVEL | 0x39);
    CHECK_EQ(routed, 4);
    CHECK(routes[9].level);
    ioapic_eoi(&io, 0x39);
    CHECK_EQ(routed, 5);
    CHECK_EQ(routes[9].addr, 0);
    CHECK_EQ(sent, 1);
    put_entry(9, LEVEL | 0x39);
    CHECK_EQ(routed, 6);
    CHECK_EQ(sent, 2);
    ioapic_eoi(&io, 0x39);
    CHECK_EQ(routed, 6); /* nothing to tell when it sends again */
    CHECK_EQ(sent, 3);

    /* Nobody needs to listen. */
    ioapic_init(&io, 0, (struct ioapic_out){send, NULL, &io});
    put_entry(9, LEVEL | 0x39);
    CHECK_EQ(routed, 6);
}

static void test_reset(void)
{
    set_up();
    put(0, 0x03000000);
    put_entry(9, LEVEL | 0x39);
    put_entry(4, 0x34);
    pin(9, true);
    CHECK_EQ(routed, 2);
    bus_reset(&bus);
    CHECK_EQ(routed, 4);
    CHECK_EQ(bus_read(&bus, BASE, 4), 0);
    CHECK_EQ(get(0), 0x05000000);
    for (int n = 0; n < IOAPIC_PINS; n++) {
        CHECK_EQ(get_entry(n), MASK);
        CHECK_EQ(routes[n].addr, 0);
    }
    CHECK_EQ(sent, 1);
    put_entry(9, LEVEL | 0x39); /* the pin is its device's: still asserted */
    CHECK_EQ(sent, 2);
}

static void check_pin(int n, bool level)
{
    uint64_t e = get_entry(n);
    int mode = e >> 8 & 7;
    bool by_level = e & LEVEL && mode <= 1, sends = !(e & MASK) && mode != 3 && mode != 6;

    CHECK_EQ(e & ~UINT64_C(0xff0000000001efff), 0);
    CHECK(!(e & IRR) || by_level);
    if (by_level && sends && level)
        CHECK(e & IRR);
    if (sends || e & IRR) {
        CHECK_EQ(routes[n].addr, 0xfee00000 | e >> 56 << 12 | (mode == 1) << 3 | (e >> 9 & 4));
        CHECK_EQ(routes[n].data, (e & 0x7ff) | 0x4000 | by_level << 15);
    } else {
        CHECK_EQ(routes[n].addr, 0);
    }
}

static void test_random(void)
{
    bool level[IOAPIC_PINS] = {false};

    set_up();
    srand(82093);
    for (int i = 0; i < 100000 && !test_failures; i++) {
        int n = rand() % IOAPIC_PINS, before = sent;
        uint64_t e = get_entry(n), r = (uint64_t)rand() << 32 ^ (uint64_t)rand() << 16 ^ rand();

        switch (rand() % 6) {
        case 0:
            bus_write(&bus, BASE + rand() % 0x50, 1 << rand() % 4, r);
            break;
        case 1:
            bus_read(&bus, BASE + rand() % 0x50, 1 << rand() % 4);
            break;
        case 2:
            put_entry(n, (r & ~UINT64_C(0xff)) | n % 4);
            break;
        case 3:
            ioapic_eoi(&io, rand() % 8);
            break;
        default: {
            bool rises = !level[n], up = rand() % 2;
            int mode = e >> 8 & 7;

            level[n] = up;
            pin(n, up);
            rises = rises && up && !(e & MASK) && mode != 3 && mode != 6;
            if (!(e & LEVEL) || mode > 1)
                CHECK_EQ(sent - before, rises);
            else
                CHECK_EQ(sent - before, up && !(e & MASK) && !(e & IRR));
        }
        }
        for (n = 0; n < IOAPIC_PINS; n++)
            check_pin(n, level[n]);
        CHECK_EQ(get(1), 0x00170020);
        if (rand() % 1000 == 0)
            bus_reset(&bus);
    }
    CHECK(sent > 1000);
}

/* NMI, SMI and INIT come through where interrupts are off. */
static void test_wakes(void)
{
    static const bool wakes[8] = {[2] = true, [4] = true, [5] = true};

    set_up();
    CHECK(!ioapic_wakes(&io));
    for (uint64_t mode = 0; mode < 8; mode++) {
        put_entry(7, mode << 8 | 0x30);
        CHECK_EQ(ioapic_wakes(&io), wakes[mode]);
        put_entry(7, mode << 8 | 0x30 | 1 << 16);
        CHECK(!ioapic_wakes(&io));
    }
}

int main(void)
{
    return test_main((struct test[]){
        {test_registers, "ioapic: registers"},
        {test_entry_bits, "ioapic: the bits of an entry"},
        {test_narrow, "ioapic: narrow accesses"},
        {test_message, "ioapic: messages"},
        {test_reserved_modes, "ioapic: reserved delivery modes"},
        {test_edge, "ioapic: edges"},
        {test_level, "ioapic: levels, remote IRR, EOI"},
        {test_shared_vector, "ioapic: EOI of a shared vector"},
        {test_routes, "ioapic: routes"},
        {test_reset, "ioapic: reset"},
        {test_random, "ioapic: random accesses"},
        {test_wakes, "ioapic: what wakes a CPU with interrupts off"},
        {0},
    });
}
