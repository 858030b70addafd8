// SPDX-License-Identifier: MIT
/*
 * pvpanic: the guest says that it panics.
 */
#include "hw/pvpanic.h"
#include "tests/unit/test.h"

static struct pvpanic p;

static void say(uint8_t event)
{
    p.dev.write(&p.dev, 0, 1, event);
}

static void test_panicked(void)
{
    pvpanic_init(&p);
    CHECK_EQ(p.dev.read(&p.dev, 0, 1), 1);
    CHECK(!pvpanic_is(&p));
    say(1);
    CHECK(pvpanic_is(&p));
    CHECK_EQ(p.dev.read(&p.dev, 0, 1), 1);
    say(0);
    CHECK(pvpanic_is(&p));
    p.dev.reset(&p.dev);
    CHECK(!pvpanic_is(&p));
    say(3);
    CHECK(pvpanic_is(&p));
}

static void test_others(void)
{
    pvpanic_init(&p);
    say(0);
    say(2);
    say(4);
    say(0xfe);
    CHECK(!pvpanic_is(&p));
}

int main(void)
{
    return test_main((struct test[]){
        {test_panicked, "a panic is remembered until the reset"},
        {test_others, "other events, which are not offered, are none"},
        {0},
    });
}
