// SPDX-License-Identifier: MIT
/*
 * Ports that end the machine: exit-port and power-port.
 */
#include "hw/power-port.h"
#include "hw/exit-port.h"
#include "tests/unit/test.h"

static struct power_port p;
static struct test_wire off;

static void setup(void)
{
    off = (struct test_wire){0};
    power_port_init(&p, test_wire(&off, 0));
}

static void type(const char *word)
{
    while (*word)
        p.shutdown.write(&p.shutdown, 0, 1, (uint8_t)*word++);
}

static void test_shutdown(void)
{
    setup();
    type("Shutdow");
    CHECK(!off.level);
    type("n");
    CHECK(off.level);

    setup();
    type("ShutdoShutdown");
    CHECK(off.level);
    setup();
    type("SShutdown");
    CHECK(off.level);
    setup();
    type("shutdownShutdo wn");
    CHECK(!off.level);

    setup();
    type("Shut");
    p.shutdown.reset(&p.shutdown);
    type("down");
    CHECK(!off.level);
    CHECK_EQ(p.shutdown.read(&p.shutdown, 0, 1) & 0xff, 0xff);
}

static void test_control(void)
{
    static const uint16_t no[] = {0, 0x0001, 0x2400, 0x3c00, 0x1000};

    setup();
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        p.control.write(&p.control, 0, 2, no[i]);
    p.control.write(&p.control, 0, 1, 0x00);
    p.control.write(&p.control, 1, 1, 0x20);
    CHECK(!off.level);
    p.control.write(&p.control, 0, 2, 0x2000);
    CHECK(off.level);
}

static int status;

static void note(void *to, int s)
{
    CHECK(to == &status);
    status = s;
}

static void test_exit(void)
{
    struct exit_port e;

    exit_port_init(&e, note, &status);
    e.dev.write(&e.dev, 0, 1, 0);
    CHECK_EQ(status, 1);
    e.dev.write(&e.dev, 3, 1, 0x10);
    CHECK_EQ(status, 0x21);
    e.dev.write(&e.dev, 0, 2, 0x7f);
    CHECK_EQ(status, 0xff);
    e.dev.write(&e.dev, 0, 4, 0xffffff80);
    CHECK_EQ(status, 0x01);
    CHECK_EQ(e.dev.read(&e.dev, 0, 1) & 0xff, 0);
}

int main(void)
{
    return test_main((struct test[]){
        {test_shutdown, "the letters of Shutdown, in a row"},
        {test_control, "soft off by the power management register"},
        {test_exit, "the exit port's status"},
        {0},
    });
}
