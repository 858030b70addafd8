// SPDX-License-Identifier: MIT
/*
 * A local APIC's timer: one-shot, periodic, by the TSC.
 */
#include "tests/unit/lapic.h"

static void test_one_shot(void)
{
    set_up();
    put(TIMER, 0xec);
    put(DIVIDE, BY_1);
    put(INITIAL, 1000);
    CHECK_EQ(get(CURRENT), 1000);
    advance(1);
    CHECK_EQ(get(CURRENT), 999);
    advance(998);
    CHECK_EQ(get(CURRENT), 1);
    CHECK(!cpu[0].intr);
    advance(1);
    CHECK_EQ(get(CURRENT), 0);
    CHECK_EQ(get(INITIAL), 1000);
    CHECK_EQ(take(0), 0xec);
    CHECK_EQ(deadlines(1000000), 0);
    CHECK_EQ(take(0), -1);

    put(INITIAL, 1000); /* again, and again before it is over */
    advance(900);
    put(INITIAL, 500);
    CHECK_EQ(get(CURRENT), 500);
    advance(499);
    CHECK(!cpu[0].intr);
    advance(1);
    CHECK_EQ(take(0), 0xec);

    put(INITIAL, 1000); /* stopped */
    advance(500);
    put(INITIAL, 0);
    CHECK_EQ(get(CURRENT), 0);
    CHECK_EQ(clock_next(&test_clock.clock), CLOCK_NEVER);

    put(TIMER, MASK | 0xec); /* masked, it counts all the same */
    put(INITIAL, 1000);
    advance(500);
    CHECK_EQ(get(CURRENT), 500);
    advance(5000);
    put(TIMER, 0xec);
    CHECK_EQ(take(0), -1);

    put(DIVIDE, 0xa); /* 128 */
    put(INITIAL, UINT32_MAX);
    advance(127 + 128 * UINT64_C(0xfffffffe));
    CHECK_EQ(get(CURRENT), 1);
    CHECK(!cpu[0].intr);
    advance(1);
    CHECK_EQ(take(0), 0xec);
}

static void test_divide(void)
{
    static const struct {
        int code, by;
    } t[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        set_up();
        put(TIMER, 0xec);
        put(DIVIDE, t[i].code);
        put(INITIAL, 100);
        advance(40 * t[i].by);
        CHECK_EQ(get(CURRENT), 60);
        if (t[i].by > 1) {
            advance(1);
            CHECK_EQ(get(CURRENT), 60);
            advance(t[i].by - 1);
            CHECK_EQ(get(CURRENT), 59);
        }
        put(DIVIDE, 9); /* on the way */
        advance(64 * get(CURRENT) - 1);
        CHECK(!cpu[0].intr);
        CHECK_EQ(get(CURRENT), 1);
        advance(1);
        CHECK_EQ(take(0), 0xec);
    }
}

static void test_periodic(void)
{
    set_up();
    put(TIMER, 0x20000 | 0xec);
    put(DIVIDE, BY_1);
    put(INITIAL, 1000000);
    for (int i = 1; i <= 100; i++) {
        advance(999999);
        CHECK(!cpu[0].intr);
        CHECK_EQ(get(CURRENT), 1);
        advance(1);
        CHECK_EQ(get(CURRENT), 1000000);
        CHECK_EQ(take(0), 0xec);
    }

    /* A host that is late: one interrupt for all that was missed, then on time again. */
    test_clock.time += 3300000;
    CHECK_EQ(get(CURRENT), 700000);
    clock_run(&test_clock.clock);
    CHECK_EQ(take(0), 0xec);
    CHECK_EQ(take(0), -1);
    advance(699999);
    CHECK(!cpu[0].intr);
    advance(1);
    CHECK_EQ(take(0), 0xec);

    /* Late, and a new divisor comes first. */
    test_clock.time += 1500000;
    put(DIVIDE, 0);
    CHECK_EQ(take(0), 0xec);
    CHECK_EQ(get(CURRENT), 500000);
    advance(1000000);
    CHECK_EQ(take(0), 0xec);
    put(DIVIDE, BY_1);
    put(INITIAL, 1000000);

    /* Late, and a new count comes first. */
    test_clock.time += 1500000;
    put(INITIAL, 2000000);
    CHECK_EQ(take(0), 0xec);
    CHECK_EQ(get(CURRENT), 2000000);
    advance(1999999);
    CHECK(!cpu[0].intr);
    put(INITIAL, 0);
    CHECK_EQ(deadlines(10000000), 0);
}

static void test_timer_modes(void)
{
    set_up();
    put(DIVIDE, BY_1);
    put(TIMER, 0xec);
    put(INITIAL, 1000000);
    advance(300000);
    put(TIMER, 0x20000 | 0xec); /* the count goes on */
    CHECK_EQ(get(CURRENT), 700000);
    advance(700000);
    CHECK_EQ(take(0), 0xec);
    CHECK_EQ(get(CURRENT), 1000000);
    advance(2400000);
    CHECK_EQ(take(0), 0xec);
    put(TIMER, 0xec);
    CHECK_EQ(get(CURRENT), 600000);
    advance(600000);
    CHECK_EQ(take(0), 0xec);
    CHECK_EQ(get(CURRENT), 0);
    put(TIMER, 0x20000 | 0xec); /* it is over */
    CHECK_EQ(get(CURRENT), 0);
    CHECK_EQ(deadlines(10000000), 0);

    /* Late, and then the mode changes: what was due comes by the old mode, once. */
    put(INITIAL, 1000000);
    test_clock.time += 1200000;
    put(TIMER, 0xed);
    CHECK_EQ(take(0), 0xec);
    CHECK_EQ(get(CURRENT), 800000);
    advance(800000);
    CHECK_EQ(take(0), 0xed);
    put(INITIAL, 1000000);
    test_clock.time += 1200000;
    put(TIMER, 0x20000 | 0xec);
    CHECK_EQ(take(0), 0xed);
    CHECK_EQ(get(CURRENT), 0);

    /* While a short period runs without anybody being told. */
    put(INITIAL, 1000);
    test_clock.time += 1300;
    put(TIMER, 0xec);
    CHECK_EQ(take(0), -1);
    CHECK_EQ(get(CURRENT), 700);
    advance(700);
    CHECK_EQ(take(0), 0xec);
    put(TIMER, 0x20000 | 0xec);

    /* To TSC-deadline mode and back disarms. */
    put(INITIAL, 1000000);
    put(TIMER, 0x40000 | 0xee);
    CHECK_EQ(get(CURRENT) + get(INITIAL), 0);
    CHECK_EQ(deadlines(10000000), 0);
    put(INITIAL, 5);
    CHECK_EQ(get(CURRENT) + get(INITIAL), 0);
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, test_clock.time + 1000));
    put(TIMER, 0x40000 | 0xec); /* no change of the mode */
    CHECK_EQ(rdmsr(LAPIC_MSR_TSC_DEADLINE), test_clock.time + 1000);
    put(TIMER, 0xec);
    CHECK_EQ(rdmsr(LAPIC_MSR_TSC_DEADLINE), 0);
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, 1)); /* ignored */
    CHECK_EQ(rdmsr(LAPIC_MSR_TSC_DEADLINE), 0);
    CHECK_EQ(deadlines(10000000), 0);
    put(TIMER, 0x60000 | 0xec); /* no mode */
    put(INITIAL, 1000);
    CHECK_EQ(get(CURRENT), 0);
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, 1));
    CHECK_EQ(rdmsr(LAPIC_MSR_TSC_DEADLINE), 0);
    CHECK_EQ(deadlines(10000000), 0);
    CHECK(!cpu[0].intr);
}

static void test_end_of_time(void)
{
    for (uint32_t mode = 0; mode < 0x40000; mode += 0x20000)
        for (int divide = 0; divide < 16; divide++) {
            set_up();
            test_clock_end(&test_clock, 1000);
            put(TIMER, 0x55 | mode);
            put(DIVIDE, divide);
            put(INITIAL, 2000);
            CHECK_EQ(clock_next(&test_clock.clock), CLOCK_NEVER);
            put(DIVIDE, divide ^ 1); /* the rest of the count, as far as the clock goes */
            CHECK(clock_next(&test_clock.clock) > test_clock.time);
            put(INITIAL, 100); /* may end before the clock; the next period does not */
            test_clock_end(&test_clock, 0);
            CHECK_EQ(clock_next(&test_clock.clock), CLOCK_NEVER);
        }
}

static void test_tsc_deadline(void)
{
    set_up();
    advance(5000);
    put(TIMER, 0x40000 | 0xec);
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, 6000));
    CHECK_EQ(rdmsr(LAPIC_MSR_TSC_DEADLINE), 6000);
    advance(999);
    CHECK(!cpu[0].intr);
    advance(1);
    CHECK_EQ(take(0), 0xec);
    CHECK_EQ(rdmsr(LAPIC_MSR_TSC_DEADLINE), 0);
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, 6000)); /* now, without waiting for the host */
    CHECK_EQ(take(0), 0xec);
    CHECK_EQ(rdmsr(LAPIC_MSR_TSC_DEADLINE), 0);
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, 7000));
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, 0));
    CHECK_EQ(deadlines(100000), 0);
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, UINT64_MAX)); /* in some hundred years */
    CHECK_EQ(rdmsr(LAPIC_MSR_TSC_DEADLINE), UINT64_MAX);
    CHECK_EQ(take(0), -1);

    /* The offset, with a TSC that is behind, and one that wraps. */
    lapic_set_tsc_offset(all[0], -(uint64_t)100000);
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, 7000)); /* it is 6000 now */
    advance(999);
    CHECK(!cpu[0].intr);
    lapic_set_tsc_offset(all[0], -(uint64_t)100500);
    advance(500);
    CHECK(!cpu[0].intr);
    advance(1);
    CHECK_EQ(take(0), 0xec);
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, 1000000));
    lapic_set_tsc_offset(all[0], 2000000); /* there at a leap */
    CHECK_EQ(take(0), 0xec);
    lapic_set_tsc_offset(all[0], UINT64_MAX - 1000 - test_clock.time);
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, UINT64_MAX - 1));
    advance(999);
    CHECK_EQ(take(0), 0xec);
    lapic_set_tsc_offset(all[0], UINT64_MAX - 1 - test_clock.time);
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, 100));
    CHECK_EQ(take(0), 0xec); /* long past, as the wrap is to come */

    /* The host is late, and the deadline or the TSC changes first. */
    lapic_set_tsc_offset(all[0], 0);
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, test_clock.time + 100));
    test_clock.time += 150;
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, test_clock.time + 100));
    CHECK_EQ(take(0), 0xec);
    test_clock.time += 150;
    lapic_set_tsc_offset(all[0], -(uint64_t)1000);
    CHECK_EQ(take(0), 0xec);

    lapic_set_tsc_offset(all[0], 0);
    put(TIMER, MASK | 0x40000 | 0xec);
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, test_clock.time + 100));
    advance(100);
    CHECK_EQ(rdmsr(LAPIC_MSR_TSC_DEADLINE), 0);
    put(TIMER, 0x40000 | 0xec);
    CHECK_EQ(take(0), -1);
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, test_clock.time + 100));
    lapic_init_reset(all[0]);
    CHECK_EQ(rdmsr(LAPIC_MSR_TSC_DEADLINE), 0);
    CHECK_EQ(clock_next(&test_clock.clock), CLOCK_NEVER);
}

static void test_no_storm(void)
{
    static const uint32_t counts[] = {1, 2, 3, 7, 1000, 99999, 100000, 100001};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        uint64_t n;

        set_up();
        put(TIMER, 0x20000 | 0xec);
        put(DIVIDE, BY_1);
        put(INITIAL, counts[i]);
        n = deadlines(NS_PER_SECOND);
        CHECK(n >= 5000 && n <= NS_PER_SECOND / LAPIC_MIN_PERIOD_NS);
        CHECK(get(CURRENT) >= 1 && get(CURRENT) <= counts[i]);
        CHECK_EQ(get(CURRENT), counts[i] - NS_PER_SECOND % counts[i]);
        CHECK_EQ(take(0), 0xec);
    }

    /* A masked one keeps its phase, without a deadline. */
    set_up();
    put(TIMER, 0x20000 | MASK | 0xec);
    put(DIVIDE, BY_1);
    put(INITIAL, 1000);
    CHECK_EQ(deadlines(NS_PER_SECOND + 300), 0);
    CHECK_EQ(get(CURRENT), 700);
    CHECK_EQ(take(0), -1);
    put(TIMER, 0x20000 | 0xec);
    CHECK_EQ(get(CURRENT), 700);
    CHECK_EQ(clock_next(&test_clock.clock) % 1000, 0);
    CHECK(deadlines(NS_PER_SECOND) > 5000);
    CHECK_EQ(take(0), 0xec);
    put(TIMER, 0x20000 | MASK | 0xec);
    CHECK(deadlines(NS_PER_SECOND) <= 1);

    /* One too many CPUs that do it at once. */
    set_up();
    for (int c = 0; c < CPUS; c++) {
        put_of(c, TIMER, 0x20000 | 0xec);
        put_of(c, DIVIDE, BY_1);
        put_of(c, INITIAL, 1);
    }
    CHECK(deadlines(NS_PER_SECOND) <= CPUS * 10000);
}

/* A TSC of another rate: the deadline is the first nanosecond at which it is reached. */
static void test_tsc_rate(void)
{
    set_up();
    advance(5000);
    all[0]->tsc_hz = UINT64_C(2300000000);
    put(TIMER, 0x40000 | 0xec);
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, 11500 + 2301));
    advance(1000);
    CHECK(!cpu[0].intr);
    advance(1);
    CHECK_EQ(take(0), 0xec);
    lapic_set_tsc_offset(all[0], -(uint64_t)10000);
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, 3802 + 2300)); /* it is 3802 now */
    advance(999);
    CHECK(!cpu[0].intr);
    advance(1);
    CHECK_EQ(take(0), 0xec);
    CHECK(wrmsr(LAPIC_MSR_TSC_DEADLINE, 6102));
    CHECK_EQ(take(0), 0xec); /* now */
}

int main(void)
{
    return test_main((struct test[]){
        {test_one_shot, "lapic: timer, one-shot"},
        {test_divide, "lapic: timer, divide register"},
        {test_periodic, "lapic: timer, periodic"},
        {test_timer_modes, "lapic: timer, changes of its mode"},
        {test_end_of_time, "the timer when the clock ends"},
        {test_tsc_deadline, "lapic: timer, TSC deadline"},
        {test_tsc_rate, "lapic: timer, TSC deadline, of another rate"},
        {test_no_storm, "lapic: timer, tiny periods"},
        {0},
    });
}
