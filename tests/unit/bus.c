// SPDX-License-Identifier: MIT
/*
 * The bus, with devices that note how they are accessed.
 */
#include "hw/bus.h"
#include "tests/unit/test.h"

struct probe {
    struct device dev;
    uint8_t mem[32];
    int reads, writes, resets;
    uint64_t off; /* of the last access */
    int size;
    uint64_t val;
};

static uint64_t probe_read(struct device *d, uint64_t off, int size)
{
    struct probe *p = container_of(d, struct probe, dev);
    uint64_t val = UINT64_MAX; /* dirt above size bytes, which the bus must cut off */

    p->reads++;
    p->off = off;
    p->size = size;
    CHECK(off + size <= sizeof(p->mem));
    memcpy(&val, p->mem + off, size);
    return val;
}

static void probe_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct probe *p = container_of(d, struct probe, dev);

    p->writes++;
    p->off = off;
    p->size = size;
    p->val = val;
    CHECK(off + size <= sizeof(p->mem));
    memcpy(p->mem + off, &val, size);
}

static void probe_reset(struct device *d)
{
    container_of(d, struct probe, dev)->resets++;
}

static void probe_init(struct probe *p, int max_size)
{
    *p = (struct probe){
        .dev = {"probe", max_size, probe_read, probe_write, probe_reset},
    };
    for (size_t i = 0; i < sizeof(p->mem); i++)
        p->mem[i] = 0x10 + i;
}

static struct bus bus;
static struct probe a, b;

static void setup(int max_a, int max_b)
{
    bus = (struct bus){0};
    probe_init(&a, max_a);
    probe_init(&b, max_b);
}

static void finds_the_device(void)
{
    setup(0, 0);
    bus_attach(&bus, 0x3f8, 8, &a.dev);
    bus_attach(&bus, 0x400, 1, &b.dev);
    CHECK(bus_device(&bus, 0x3ff) == &a.dev);
    CHECK(bus_device(&bus, 0x400) == &b.dev);
    CHECK(!bus_device(&bus, 0x401));
    CHECK_EQ(bus_read(&bus, 0x3f8, 1), 0x10);
    CHECK_EQ(bus_read(&bus, 0x3ff, 1), 0x17);
    CHECK_EQ(a.off, 7);
    CHECK_EQ(bus_read(&bus, 0x400, 1), 0x10);
    bus_write(&bus, 0x3fa, 1, 0xffffffffffffff42);
    CHECK_EQ(a.val, 0x42);
    CHECK_EQ(a.off, 2);
    CHECK_EQ(a.size, 1);
    CHECK_EQ(b.writes, 0);
}

static void nobody_home(void)
{
    setup(8, 8);
    CHECK_EQ(bus_read(&bus, 0, 1), 0xff);
    bus_attach(&bus, 0x3f8, 8, &a.dev);
    CHECK_EQ(bus_read(&bus, 0x3f7, 1), 0xff);
    CHECK_EQ(bus_read(&bus, 0x400, 1), 0xff);
    CHECK_EQ(bus_read(&bus, 0x400, 2), 0xffff);
    CHECK_EQ(bus_read(&bus, 0x400, 4), 0xffffffff);
    CHECK_EQ(bus_read(&bus, 0x400, 8), UINT64_MAX);
    CHECK_EQ(bus_read(&bus, UINT64_MAX, 8), UINT64_MAX);
    for (int size = 1; size <= 8; size *= 2) {
        bus_write(&bus, 0x400, size, 0);
        bus_write(&bus, UINT64_MAX, size, 0);
    }
    CHECK_EQ(a.reads + a.writes, 0);
}

static void splits_for_narrow_devices(void)
{
    for (int max = 1; max <= 8; max *= 2) {
        setup(max, 0);
        bus_attach(&bus, 0x1000, 16, &a.dev);
        for (int size = 1; size <= 8; size *= 2) {
            uint64_t mask = UINT64_MAX >> (64 - 8 * size);
            int parts = size > max ? size / max : 1;

            a.reads = a.writes = 0;
            CHECK_EQ(bus_read(&bus, 0x1000, size), 0x1716151413121110 & mask);
            CHECK_EQ(a.reads, parts);
            CHECK_EQ(bus_read(&bus, 0x1003, size), 0x1a19181716151413 & mask);
            bus_write(&bus, 0x1008, size, 0x8877665544332211);
            CHECK_EQ(a.writes, parts);
            CHECK_EQ(a.size, size < max ? size : max);
            CHECK_EQ(bus_read(&bus, 0x1008, size), 0x8877665544332211 & mask);
            memcpy(a.mem,
                   (uint8_t[]){0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a,
                               0x1b, 0x1c, 0x1d, 0x1e, 0x1f},
                   16);
        }
    }
}

static void splits_between_devices(void)
{
    setup(4, 8);
    bus_attach(&bus, 0x1000, 3, &a.dev);
    bus_attach(&bus, 0x1003, 2, &b.dev);
    CHECK_EQ(bus_read(&bus, 0x1000, 4), 0x10121110);
    CHECK_EQ(bus_read(&bus, 0x1000, 8), 0xffffff1110121110);
    CHECK_EQ(bus_read(&bus, 0x0fff, 2), 0x10ff);
    CHECK_EQ(bus_read(&bus, 0x1004, 2), 0xff11);
    bus_write(&bus, 0x1002, 4, 0x44332211);
    CHECK_EQ(a.mem[2], 0x11);
    CHECK_EQ(b.mem[0], 0x22);
    CHECK_EQ(b.mem[1], 0x33);
    CHECK_EQ(b.mem[2], 0x12);
}

static void highest_addresses(void)
{
    setup(8, 0);
    bus_attach(&bus, UINT64_MAX - 15, 15, &a.dev);
    CHECK_EQ(bus_read(&bus, UINT64_MAX - 15, 8), 0x1716151413121110);
    CHECK_EQ(bus_read(&bus, UINT64_MAX - 1, 1), 0x1e);
    CHECK_EQ(bus_read(&bus, UINT64_MAX - 1, 2), 0xff1e);
    CHECK_EQ(bus_read(&bus, UINT64_MAX, 1), 0xff);
}

static void resets_each_once(void)
{
    struct probe none;

    setup(0, 0);
    probe_init(&none, 0);
    none.dev.reset = NULL;
    bus_attach(&bus, 0x10, 1, &a.dev);
    bus_attach(&bus, 0x20, 1, &b.dev);
    bus_attach(&bus, 0x30, 1, &a.dev);
    bus_attach(&bus, 0x40, 1, &none.dev);
    bus_reset(&bus);
    CHECK_EQ(a.resets, 1);
    CHECK_EQ(b.resets, 1);
    CHECK_EQ(bus_read(&bus, 0x30, 1), 0x10);
}

static void one_covers_another(void)
{
    setup(2, 4);
    bus_attach(&bus, 0x500, 2, &a.dev);
    bus_cover(&bus, 0x501, 4, &b.dev);
    bus_write(&bus, 0x501, 1, 1);
    CHECK_EQ(b.writes, 1);
    CHECK_EQ(a.writes, 0);
    bus_write(&bus, 0x500, 2, 2); /* an access is whose first byte it is */
    CHECK_EQ(a.writes, 1);
    CHECK_EQ(a.size, 2);
    CHECK_EQ(b.writes, 1);
    CHECK(bus_device(&bus, 0x500) == &a.dev);
    CHECK(bus_device(&bus, 0x504) == &b.dev);
}

static void holds_its_slots(void)
{
    static struct probe p[BUS_SLOTS];

    setup(0, 0);
    for (int i = 0; i < BUS_SLOTS; i++) {
        probe_init(&p[i], 0);
        p[i].mem[0] = i;
        bus_attach(&bus, 2 * i, 1, &p[i].dev);
    }
    for (int i = 0; i < BUS_SLOTS; i++) {
        CHECK_EQ(bus_read(&bus, 2 * i, 1), i);
        CHECK_EQ(bus_read(&bus, 2 * i + 1, 1), 0xff);
    }
}

int main(void)
{
    return test_main((struct test[]){
        {finds_the_device, "an access reaches its device at its offset"},
        {nobody_home, "where nobody answers, ones are read and writes vanish"},
        {splits_for_narrow_devices, "an access is split to what the device takes"},
        {splits_between_devices, "an access is split between neighbours"},
        {highest_addresses, "the highest addresses work and do not wrap"},
        {resets_each_once, "reset reaches each device once"},
        {one_covers_another, "a device can cover another, in part"},
        {holds_its_slots, "all slots can be used"},
        {0},
    });
}
