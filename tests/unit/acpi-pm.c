// SPDX-License-Identifier: MIT
/* ACPI fixed hardware on fake wires and a clock turned by hand. */
#include "hw/acpi-pm.h"

#include "tests/unit/test.h"

enum {
    STATUS = 0,
    ENABLE = 2,
    CONTROL = 4,
    TIMER = 8,

    TMR = 1 << 0,
    PWRBTN = 1 << 8,
};

/* 2^31 ticks take a little less than 600 s. */
#define HALF_TURN_NS UINT64_C(599932015941)

static struct acpi_pm pm;
static struct test_clock clk;
static struct test_wire sci, off;

static uint64_t rd(uint64_t port, int size)
{
    return pm.dev.read(&pm.dev, port, size);
}

static void wr(uint64_t port, int size, uint64_t val)
{
    pm.dev.write(&pm.dev, port, size, val);
}

static void make(void)
{
    memset(&sci, 0, sizeof(sci));
    memset(&off, 0, sizeof(off));
    test_clock_init(&clk);
    acpi_pm_init(&pm, &clk.clock, test_wire(&sci, 0), test_wire(&off, 0));
}

static void test_reset_state(void)
{
    make();
    CHECK_EQ(rd(STATUS, 4), 0);
    CHECK_EQ(rd(CONTROL, 2), 1); /* SCI_EN */
    CHECK_EQ(rd(CONTROL, 4), 1); /* nothing behind it */
    wr(ENABLE, 2, 0xffff);
    CHECK_EQ(rd(ENABLE, 2), 0x721); /* TMR, GBL, PWRBTN, SLPBTN, RTC */
    wr(CONTROL, 2, 0xdffe);
    CHECK_EQ(rd(CONTROL, 2), 0x1c03); /* SCI_EN stays; GBL_RLS and the unused bits read 0 */
    acpi_pm_power_button(&pm);
    CHECK(sci.level);
    pm.dev.reset(&pm.dev);
    CHECK(!sci.level);
    CHECK_EQ(rd(STATUS, 4), 0);
    CHECK_EQ(rd(CONTROL, 2), 1);
    CHECK_EQ(off.changes, 0);
}

static void test_power_button(void)
{
    make();
    acpi_pm_power_button(&pm);
    CHECK_EQ(rd(STATUS, 2), PWRBTN);
    CHECK(!sci.level);
    wr(ENABLE, 2, PWRBTN);
    CHECK(sci.level);
    wr(STATUS, 2, 0xffff & ~PWRBTN);
    CHECK(sci.level);
    wr(STATUS, 2, PWRBTN);
    CHECK(!sci.level);
    CHECK_EQ(rd(STATUS, 2), 0);
    acpi_pm_power_button(&pm);
    CHECK(sci.level);
    wr(ENABLE, 2, 0);
    CHECK(!sci.level);
    CHECK_EQ(sci.rises, 2);
}

static void test_access_sizes(void)
{
    make();
    wr(ENABLE + 1, 1, 0x01); /* one byte of a register leaves the other alone */
    wr(ENABLE, 1, 0x20);
    CHECK_EQ(rd(ENABLE, 2), 0x120);
    CHECK_EQ(rd(ENABLE + 1, 1), 0x01);
    acpi_pm_power_button(&pm);
    CHECK_EQ(rd(STATUS, 4), 0x01200100);
    CHECK_EQ(rd(STATUS + 1, 2), 0x2001);
    CHECK_EQ(rd(STATUS + 3, 4), 0x00000101); /* across two blocks */
    wr(STATUS + 1, 1, 0x01);
    CHECK_EQ(rd(STATUS, 2), 0);
    wr(STATUS, 4, 0x07210000); /* status and enable at once */
    CHECK_EQ(rd(ENABLE, 2), 0x721);
    wr(CONTROL + 1, 1, 0x04); /* SLP_TYP 1, without SLP_EN */
    CHECK_EQ(rd(CONTROL, 2), 0x0401);
    wr(TIMER, 4, 0x12345678); /* read-only */
    wr(6, 2, 0xffff);
    CHECK_EQ(rd(TIMER, 4), 0);
    CHECK_EQ(rd(6, 2), 0);

    /* Any access that the bus may make. */
    for (int size = 1; size <= 4; size *= 2)
        for (int at = 0; at + size <= ACPI_PM_LEN; at++) {
            rd((uint64_t)at, size);
            wr((uint64_t)at, size, 0);
        }
    CHECK_EQ(off.changes, 0);
}

static void test_soft_off(void)
{
    make();
    wr(CONTROL, 2, 0x1401); /* SLP_TYP 5 without and with SLP_EN: not a state that we have */
    wr(CONTROL, 2, 0x3401);
    CHECK(!off.level);
    CHECK_EQ(rd(CONTROL, 2) & 0x2000, 0); /* SLP_EN reads 0 */
    wr(CONTROL, 2, 0x0001);
    CHECK(!off.level);
    wr(CONTROL, 2, 0x2001);
    CHECK(off.level);

    make();
    wr(CONTROL, 2, 0x2000); /* as guests for QEMU do */
    CHECK(off.level);

    make();
    wr(CONTROL + 1, 1, 0x20);
    CHECK(off.level);

    make();
    wr(CONTROL, 4, 0x2001);
    CHECK(off.level);
}

static void test_timer(void)
{
    make();
    CHECK_EQ(rd(TIMER, 4), 0);
    test_clock_advance(&clk, NS_PER_SECOND);
    CHECK_EQ(rd(TIMER, 4), 3579545);
    CHECK_EQ(rd(TIMER + 1, 2), 3579545 >> 8 & 0xffff);
    test_clock_advance(&clk, 280); /* one tick is 279.4 ns */
    CHECK_EQ(rd(TIMER, 4), 3579546);
    clk.time = 2 * HALF_TURN_NS + 1000; /* all 32 bits, and round */
    CHECK(rd(TIMER, 4) < 10);
    clk.time = UINT64_MAX / 2; /* 292 years: no overflow */
    CHECK_EQ(rd(TIMER, 4), (uint32_t)((unsigned __int128)clk.time * 3579545 / 1000000000));
}

static void test_timer_status(void)
{
    make();
    CHECK(clk.clock.timers && !clk.clock.timers->next);
    test_clock_advance(&clk, HALF_TURN_NS - 1000);
    CHECK_EQ(rd(STATUS, 2), 0);
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER); /* nobody waits for it */
    test_clock_advance(&clk, 2000);
    CHECK_EQ(rd(STATUS, 2), TMR);
    CHECK(!sci.level);
    wr(STATUS, 2, TMR);
    CHECK_EQ(rd(STATUS, 2), 0);

    wr(ENABLE, 2, TMR);
    CHECK(!sci.level);
    CHECK(clock_next(&clk.clock) != CLOCK_NEVER);
    test_clock_advance(&clk, HALF_TURN_NS - 5000);
    CHECK(!sci.level);
    test_clock_advance(&clk, 10000);
    CHECK(sci.level);
    CHECK_EQ(rd(TIMER, 4) >> 31, 0); /* the second change: from set to clear */
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);
    wr(STATUS, 2, TMR);
    CHECK(!sci.level);
    test_clock_advance(&clk, 3 * HALF_TURN_NS); /* sticky, and one interrupt */
    CHECK(sci.level);
    CHECK_EQ(sci.rises, 2);
    wr(ENABLE, 2, 0);
    CHECK(!sci.level);
    CHECK_EQ(rd(STATUS, 2), TMR);
    pm.dev.reset(&pm.dev);
    CHECK_EQ(rd(STATUS, 2), 0);
}

static void test_end_of_time(void)
{
    make();
    test_clock_end(&clk, 1000);
    wr(STATUS, 2, TMR);
    wr(ENABLE, 2, TMR);
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);
    CHECK(!sci.level);
}

int main(void)
{
    return test_main((struct test[]){
        {test_reset_state, "registers after reset, and the bits they have"},
        {test_power_button, "the power button interrupts and is acknowledged"},
        {test_access_sizes, "accesses of every size and alignment"},
        {test_soft_off, "S5 turns off, other sleep types do not"},
        {test_timer, "the PM timer counts at 3.579545 MHz in 32 bits"},
        {test_timer_status, "TMR_STS follows bit 31; the clock is armed only for TMR_EN"},
        {test_end_of_time, "the last half turn before the clock's end never ends"},
        {0},
    });
}
