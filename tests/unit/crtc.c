// SPDX-License-Identifier: MIT
/* The CRT controller's registers, by bytes and by words. */
#include "hw/bus.h"
#include "hw/crtc.h"

#include "tests/unit/test.h"

enum {
    CURSOR_HIGH = 0x0e,
    CURSOR_LOW = 0x0f,
};

static struct crtc crtc;
static struct bus bus;

static void setup(void)
{
    crtc_init(&crtc);
    bus = (struct bus){0};
    bus_attach(&bus, 0x3d4, 2, &crtc.dev);
}

static uint8_t get(int reg)
{
    bus_write(&bus, 0x3d4, 1, reg);
    return bus_read(&bus, 0x3d5, 1);
}

static void test_reads_back(void)
{
    setup();
    for (int i = 0; i < 0x100; i++)
        CHECK_EQ(get(i), 0);
    for (int i = 0; i < 0x20; i++) {
        bus_write(&bus, 0x3d4, 1, i);
        bus_write(&bus, 0x3d5, 1, 0x80 + i);
    }
    for (int i = 0; i < 0x20; i++) {
        CHECK_EQ(get(i), i < 0x19 ? 0x80 + i : 0);
        CHECK_EQ(bus_read(&bus, 0x3d4, 1), i);
        CHECK_EQ(get(0xe0 | i), i < 0x19 ? 0x80 + i : 0); /* the index has five bits */
        CHECK_EQ(bus_read(&bus, 0x3d4, 1), i);
    }
    crtc.dev.reset(&crtc.dev);
    CHECK_EQ(bus_read(&bus, 0x3d4, 2), 0);
    CHECK_EQ(get(CURSOR_LOW), 0);
}

/* Index and data at once. */
static void test_words(void)
{
    setup();
    bus_write(&bus, 0x3d4, 2, 0x0700 | CURSOR_HIGH);
    bus_write(&bus, 0x3d4, 2, 0xcf00 | CURSOR_LOW);
    CHECK_EQ(get(CURSOR_HIGH) << 8 | get(CURSOR_LOW), 24 * 80 + 79);
    CHECK_EQ(bus_read(&bus, 0x3d4, 2), 0xcf0f);
}

int main(void)
{
    return test_main((struct test[]){
        {test_reads_back, "what is written reads back"},
        {test_words, "a word writes index and data"},
        {0},
    });
}
