// SPDX-License-Identifier: MIT
/*
 * The debug port.
 */
#include "hw/debug-port.h"
#include "hw/bus.h"
#include "tests/unit/test.h"

static char got[8];
static size_t ngot;

static void put(void *to, uint8_t byte)
{
    CHECK(to == got);
    if (ngot < sizeof(got))
        got[ngot++] = byte;
}

static void writes_are_output(void)
{
    struct debug_port d;
    struct bus bus = {0};

    debug_port_init(&d, put, got);
    bus_attach(&bus, 0xe9, 1, &d.dev);
    bus_write(&bus, 0xe9, 1, 'a');
    bus_write(&bus, 0xe9, 1, 0xff);
    bus_write(&bus, 0xe9, 4, 0x64636261);
    bus_reset(&bus);
    CHECK_EQ(ngot, 3);
    CHECK(!memcmp(got, "a\377a", 3));
}

static void reads_tell_of_the_port(void)
{
    struct debug_port d;
    struct bus bus = {0};

    debug_port_init(&d, NULL, NULL);
    bus_attach(&bus, 0xe9, 1, &d.dev);
    bus_write(&bus, 0xe9, 1, 'a');
    CHECK_EQ(bus_read(&bus, 0xe9, 1), 0xe9);
    CHECK_EQ(bus_read(&bus, 0xe9, 2), 0xffe9);
}

int main(void)
{
    return test_main((struct test[]){
        {writes_are_output, "a byte written is handed on"},
        {reads_tell_of_the_port, "reads give 0xe9, with nobody listening too"},
        {0},
    });
}
