// SPDX-License-Identifier: MIT
/*
 * Deadlines on a clock turned by hand.
 */
#include "hw/clock.h"
#include "tests/unit/test.h"

struct alarm {
    struct timer timer;
    int fired;
    uint64_t at;     /* when it fired last */
    uint64_t period; /* it arms itself again unless 0 */
};

static struct test_clock turned;
static struct clock *const c = &turned.clock;
static struct alarm a, b;
static int rearms;

static void fire(struct timer *t)
{
    struct alarm *alarm = container_of(t, struct alarm, timer);

    CHECK(!clock_armed(t));
    alarm->fired++;
    alarm->at = turned.time;
    if (alarm->period)
        clock_arm(c, t, turned.time + alarm->period);
}

static void rearm(struct clock *clock)
{
    CHECK(clock == c);
    rearms++;
}

static void setup(void)
{
    test_clock_init(&turned);
    a = b = (struct alarm){0};
    clock_add(c, &a.timer, fire);
    clock_add(c, &b.timer, fire);
    rearms = 0;
    c->rearm = rearm;
}

static void fires_once_when_due(void)
{
    setup();
    CHECK_EQ(clock_next(c), CLOCK_NEVER);
    clock_run(c);
    clock_arm(c, &a.timer, 100);
    CHECK_EQ(clock_next(c), 100);
    turned.time = 99;
    clock_run(c);
    CHECK_EQ(a.fired, 0);
    turned.time = 100;
    clock_run(c);
    clock_run(c);
    CHECK_EQ(a.fired, 1);
    CHECK_EQ(b.fired, 0);
    CHECK_EQ(clock_next(c), CLOCK_NEVER);
    clock_arm(c, &a.timer, 50);
    clock_run(c);
    CHECK_EQ(a.fired, 2);
}

static void earliest_comes_first(void)
{
    setup();
    clock_arm(c, &a.timer, 300);
    clock_arm(c, &b.timer, 200);
    CHECK_EQ(clock_next(c), 200);
    clock_arm(c, &b.timer, 400);
    CHECK_EQ(clock_next(c), 300);
    clock_arm(c, &a.timer, CLOCK_NEVER);
    CHECK_EQ(clock_next(c), 400);
    test_clock_advance(&turned, 1000);
    CHECK_EQ(a.fired, 0);
    CHECK_EQ(b.fired, 1);
    CHECK_EQ(b.at, 400);
    CHECK_EQ(turned.time, 1000);
}

static void periodic(void)
{
    setup();
    a.period = 10;
    b.period = 35;
    clock_arm(c, &a.timer, 10);
    clock_arm(c, &b.timer, 35);
    test_clock_advance(&turned, 100);
    CHECK_EQ(a.fired, 10);
    CHECK_EQ(a.at, 100);
    CHECK_EQ(b.fired, 2);
    CHECK_EQ(b.at, 70);
    CHECK_EQ(clock_next(c), 105);
}

static void tells_of_changes_only(void)
{
    setup();
    clock_arm(c, &a.timer, 100);
    CHECK_EQ(rearms, 1);
    clock_arm(c, &a.timer, 100);
    CHECK_EQ(rearms, 1);
    clock_arm(c, &b.timer, CLOCK_NEVER);
    CHECK_EQ(rearms, 1);
    clock_arm(c, &a.timer, CLOCK_NEVER);
    CHECK_EQ(rearms, 2);
    c->rearm = NULL;
    clock_arm(c, &a.timer, 5);
    CHECK_EQ(clock_next(c), 5);
}

static void holds_its_timers(void)
{
    enum {
        TIMERS = 100
    };
    struct alarm alarm[TIMERS] = {0};

    test_clock_init(&turned);
    for (int i = 0; i < TIMERS; i++) {
        clock_add(c, &alarm[i].timer, fire);
        clock_arm(c, &alarm[i].timer, 10 * i);
    }
    turned.time = 35;
    clock_run(c);
    for (int i = 0; i < TIMERS; i++)
        CHECK_EQ(alarm[i].fired, i < 4);
}

static void calendar(void)
{
    uint32_t ns;

    setup();
    turned.epoch = -5;
    turned.time = 7 * NS_PER_SECOND + 3;
    CHECK_EQ(clock_now(c), 7000000003);
    CHECK_EQ(clock_calendar(c, &ns), 2);
    CHECK_EQ(ns, 3);
}

static void sums(void)
{
    CHECK_EQ(clock_after(5, 7), 12);
    CHECK_EQ(clock_after(CLOCK_NEVER - 8, 7), CLOCK_NEVER - 1);
    CHECK_EQ(clock_after(CLOCK_NEVER - 8, 8), CLOCK_NEVER);
    CHECK_EQ(clock_after(CLOCK_NEVER - 8, UINT64_MAX), CLOCK_NEVER);
    CHECK_EQ(clock_after(0, CLOCK_NEVER), CLOCK_NEVER);
    CHECK_EQ(clock_after(CLOCK_NEVER, 0), CLOCK_NEVER);
    CHECK_EQ(clock_after(CLOCK_NEVER, CLOCK_NEVER), CLOCK_NEVER);
}

static void cycles(void)
{
    static const uint32_t hz[] = {1, 3, 32768, 1193182, 3579545, 1000000000};

    for (unsigned i = 0; i < sizeof(hz) / sizeof(hz[0]); i++) {
        uint64_t last = clock_cycles(CLOCK_NEVER - 1, hz[i]);

        CHECK_EQ(clock_at_cycle(0, hz[i]), 0);
        for (uint64_t n = 1; n < 1000; n++) {
            CHECK_EQ(clock_cycles(clock_at_cycle(n, hz[i]), hz[i]), n);
            CHECK_EQ(clock_cycles(clock_at_cycle(n, hz[i]) - 1, hz[i]), n - 1);
        }
        CHECK(clock_at_cycle(last, hz[i]) < CLOCK_NEVER);
        CHECK_EQ(clock_at_cycle(last + 1, hz[i]), CLOCK_NEVER);
        CHECK_EQ(clock_at_cycle(UINT64_MAX, hz[i]), CLOCK_NEVER);
    }
}

/* Beyond 1 GHz several begin in a nanosecond, and their count wraps. */
static void fast_cycles(void)
{
    CHECK_EQ(clock_cycles(1000, UINT64_C(2300000000)), 2300);
    CHECK_EQ(clock_at_cycle(2300, UINT64_C(2300000000)), 1000);
    CHECK_EQ(clock_at_cycle(2301, UINT64_C(2300000000)), 1001);
    CHECK_EQ(clock_at_cycle(2302, UINT64_C(2300000000)), 1001);
    CHECK_EQ(clock_at_cycle(2303, UINT64_C(2300000000)), 1002);
    CHECK_EQ(clock_cycles(UINT64_C(1) << 63, UINT64_C(5000000000)), UINT64_C(1) << 63);
    CHECK_EQ(clock_at_cycle(UINT64_MAX, UINT64_C(5000000000)), UINT64_MAX / 5);
}

int main(void)
{
    return test_main((struct test[]){
        {fires_once_when_due, "a timer fires once, when its time has come"},
        {earliest_comes_first, "the next deadline is the earliest of all"},
        {periodic, "a timer may arm itself again"},
        {tells_of_changes_only, "rearm is called for changes only"},
        {holds_its_timers, "all timers can be used"},
        {sums, "a sum of times ends where the clock does"},
        {cycles, "cycles of a crystal, and when they begin"},
        {fast_cycles, "those of one beyond 1 GHz"},
        {calendar, "the calendar counts seconds and a fraction"},
        {0},
    });
}
