// SPDX-License-Identifier: MIT
/*
 * The MC146818A: time, alarm, the three interrupts, CMOS RAM.
 */
#include "hw/rtc.h"
#include "tests/unit/test.h"

#include <time.h>

enum {
    A = 10,
    B = 11,
    C = 12,
    D = 13,
    MS = 1000000,
};

static struct rtc rtc;
static struct test_clock clk;
static struct test_wire irq8;

static int get(int reg)
{
    rtc.dev.write(&rtc.dev, 0, 1, reg);
    return rtc.dev.read(&rtc.dev, 1, 1);
}

static void set(int reg, int val)
{
    rtc.dev.write(&rtc.dev, 0, 1, reg);
    rtc.dev.write(&rtc.dev, 1, 1, val);
}

/* Register C without PF, which comes and goes with the rate that firmware leaves. */
static int events(void)
{
    return get(C) & ~0x40;
}

static void pass(uint64_t ns)
{
    test_clock_advance(&clk, ns);
}

static void seconds(uint64_t s)
{
    pass(s * NS_PER_SECOND);
}

static int64_t epoch_of(int y, int mon, int d, int h, int min, int s)
{
    struct tm tm = {.tm_year = y - 1900,
                    .tm_mon = mon - 1,
                    .tm_mday = d,
                    .tm_hour = h,
                    .tm_min = min,
                    .tm_sec = s};

    return timegm(&tm);
}

/* At time 0, exactly on a second, the host's calendar says epoch. */
static void start(int64_t epoch)
{
    irq8 = (struct test_wire){0};
    test_clock_init(&clk);
    clk.epoch = epoch;
    rtc_init(&rtc, &clk.clock, test_wire(&irq8, 0));
}

#define NO_TIMER() CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER)

/* The time registers as the chip shows them: century, year, month, date, hours, ... in hex. */
static uint64_t raw_time(void)
{
    static const int regs[] = {0x32, 9, 8, 7, 4, 2, 0};
    uint64_t v = 0;

    for (int i = 0; i < 7; i++)
        v = v << 8 | get(regs[i]);
    return v;
}

static void set_raw_time(uint64_t v)
{
    static const int regs[] = {0, 2, 4, 7, 8, 9, 0x32};

    for (int i = 0; i < 7; i++, v >>= 8)
        set(regs[i], v & 0xff);
}

static void time_of_day(void)
{
    start(epoch_of(2024, 2, 29, 23, 59, 58));
    CHECK_EQ(raw_time(), 0x20240229235958);
    CHECK_EQ(get(6), 5); /* a Thursday */
    CHECK_EQ(get(A), 0x26);
    CHECK_EQ(get(B), 0x02);
    CHECK_EQ(get(D), 0x80);
    seconds(2);
    CHECK_EQ(raw_time(), 0x20240301000000);
    CHECK_EQ(get(6), 6);
    pass(NS_PER_SECOND - 1);
    CHECK_EQ(raw_time(), 0x20240301000000);
    pass(1);
    CHECK_EQ(raw_time(), 0x20240301000001);
    NO_TIMER();
}

/* Every day of some centuries, and a second somewhere in it, as libc has it. */
static void calendar(void)
{
    int64_t first = epoch_of(1, 1, 1, 0, 0, 0), last = epoch_of(2501, 1, 1, 0, 0, 0);
    int64_t step = 86400 + 1237;

    start(0);
    set(B, 0x06); /* binary */
    for (int64_t t = first; t < last; t += step) {
        struct tm tm;
        time_t tt = t;

        clk.epoch = t;
        gmtime_r(&tt, &tm);
        CHECK_EQ(get(0x32), (tm.tm_year + 1900) / 100);
        CHECK_EQ(get(9), (tm.tm_year + 1900) % 100);
        CHECK_EQ(get(8), tm.tm_mon + 1);
        CHECK_EQ(get(7), tm.tm_mday);
        CHECK_EQ(get(6), tm.tm_wday + 1);
        CHECK_EQ(get(4), tm.tm_hour);
        CHECK_EQ(get(2), tm.tm_min);
        CHECK_EQ(get(0), tm.tm_sec);
        if (t % 7 == 0) { /* and back */
            uint64_t raw = raw_time();

            set(B, 0x86);
            set_raw_time(raw);
            set(B, 0x06);
            CHECK_EQ(rtc.s.offset, 0);
        }
        if (test_failures)
            return;
    }
}

static void formats(void)
{
    static const int hour12[] = {0x12, 0x01, 0x11, 0x92, 0x81, 0x91},
                     hour[] = {0, 1, 11, 12, 13, 23};

    start(epoch_of(1999, 12, 31, 0, 34, 56));
    for (int i = 0; i < 6; i++) {
        clk.epoch = epoch_of(1999, 12, 31, hour[i], 34, 56);
        set(B, 0x00);
        CHECK_EQ(get(4), hour12[i]);
        set(B, 0x04);
        CHECK_EQ(get(4), (hour12[i] & 0x7f) - (hour12[i] & 0x10 ? 6 : 0) + (hour12[i] & 0x80));
        set(B, 0x06);
        CHECK_EQ(get(4), hour[i]);
        CHECK_EQ(get(2), 34);
        CHECK_EQ(get(0), 56);
        CHECK_EQ(get(9), 99);
        CHECK_EQ(get(0x32), 19);
    }
    for (int i = 0; i < 6; i++) { /* set in 12 hours, read in 24 */
        set(B, 0x80);
        set(4, hour12[i]);
        set(B, 0x00);
        CHECK_EQ(get(4), hour12[i]);
        set(B, 0x06);
        CHECK_EQ(get(4), hour[i]);
    }
}

static void setting(void)
{
    start(epoch_of(2024, 5, 6, 7, 8, 9));
    pass(300 * MS);
    set(B, 0x82);
    seconds(5); /* stands still */
    CHECK_EQ(raw_time(), 0x20240506070809);
    CHECK_EQ(events(), 0);
    set_raw_time(0x20311231235958);
    CHECK_EQ(raw_time(), 0x20311231235958);
    set(0, 0x59);
    CHECK_EQ(get(0), 0x59);
    seconds(2);
    set(B, 0x02);
    CHECK_EQ(raw_time(), 0x20311231235959);
    pass(699 * MS); /* the divider has gone on: the fraction is what it was */
    CHECK_EQ(raw_time(), 0x20311231235959);
    pass(1 * MS);
    CHECK_EQ(raw_time(), 0x20320101000000);
    CHECK_EQ(events(), 0x30); /* midnight is also what the alarm says */

    set(7, 0x15); /* without SET it works too */
    CHECK_EQ(raw_time(), 0x20320115000000);
    set(0x32, 0x19);
    CHECK_EQ(raw_time(), 0x19320115000000);
    seconds(61);
    CHECK_EQ(raw_time(), 0x19320115000101);
    rtc.dev.reset(&rtc.dev);
    CHECK_EQ(raw_time(), 0x19320115000101);

    set(B, 0x82); /* nonsense goes on as something */
    set_raw_time(0xffffffffffffff);
    set(B, 0x02);
    raw_time();
    set(B, 0x82);
    set_raw_time(0);
    set(B, 0x02);
    raw_time();
    NO_TIMER();
}

static void divider(void)
{
    start(epoch_of(2024, 5, 6, 7, 8, 9));
    pass(123 * MS);
    set(A, 0x76);
    CHECK_EQ(get(A), 0x76);
    seconds(3);
    CHECK_EQ(events(), 0);
    CHECK_EQ(raw_time(), 0x20240506070809);
    set_raw_time(0x20240506100000);
    pass(456 * MS);
    set(A, 0x26);
    CHECK_EQ(raw_time(), 0x20240506100000);
    pass(500 * MS - 1); /* the first update comes after half a second */
    CHECK_EQ(get(0), 0);
    pass(1);
    CHECK_EQ(get(0), 1);
    pass(NS_PER_SECOND - 1);
    CHECK_EQ(get(0), 1);
    pass(1);
    CHECK_EQ(get(0), 2);

    /* As Linux does it: SET, divider, time, SET off, divider on. */
    set(B, 0x82);
    set(A, 0x76);
    set_raw_time(0x20300101000000);
    set(B, 0x02);
    seconds(2);
    CHECK_EQ(get(0), 0);
    set(A, 0x26);
    pass(501 * MS);
    CHECK_EQ(raw_time(), 0x20300101000001);

    /* And the other way round. */
    set(B, 0x82);
    set(A, 0x76);
    set_raw_time(0x20300101000000);
    set(A, 0x26);
    pass(700 * MS);
    CHECK_EQ(get(0), 0);
    set(B, 0x02);
    pass(799 * MS);
    CHECK_EQ(get(0), 0);
    pass(1 * MS);
    CHECK_EQ(get(0), 1);
}

static void update_in_progress(void)
{
    start(1000000000);
    CHECK_EQ(get(A), 0x26);
    pass(NS_PER_SECOND - 244001);
    CHECK_EQ(get(A), 0x26);
    pass(1);
    CHECK_EQ(get(A), 0xa6);
    set(A, 0xa6); /* read-only */
    pass(243999);
    CHECK_EQ(get(A), 0xa6);
    pass(1);
    CHECK_EQ(get(A), 0x26);
    pass(NS_PER_SECOND - 1000);
    set(B, 0x82); /* SET clears it */
    CHECK_EQ(get(A), 0x26);
    set(B, 0x02);
    CHECK_EQ(get(A), 0xa6);
    set(A, 0x66);
    CHECK_EQ(get(A), 0x66);
}

static void update_ended(void)
{
    start(1000000000);
    pass(250 * MS);
    CHECK_EQ(events(), 0);
    seconds(1);
    NO_TIMER();
    CHECK_EQ(events(), 0x10); /* polled: a flag without IRQF */
    CHECK_EQ(events(), 0);
    set(B, 0x12);
    CHECK_EQ(clock_next(&clk.clock), 2 * NS_PER_SECOND);
    pass(750 * MS - 1);
    CHECK_EQ(irq8.level, 0);
    pass(1);
    CHECK_EQ(irq8.level, 1);
    NO_TIMER(); /* until the guest has seen this one */
    seconds(10);
    CHECK_EQ(irq8.rises, 1);
    CHECK_EQ(events(), 0x90);
    CHECK_EQ(irq8.level, 0);
    CHECK_EQ(clock_next(&clk.clock), 13 * NS_PER_SECOND);

    set(B, 0x02);
    NO_TIMER();
    seconds(2);
    CHECK_EQ(irq8.level, 0);
    set(B, 0x12); /* enabling an interrupt whose flag is up */
    CHECK_EQ(irq8.level, 1);
    set(B, 0x02);
    CHECK_EQ(irq8.level, 0);
    set(B, 0x92); /* SET clears UIE */
    CHECK_EQ(get(B), 0x82);
    CHECK_EQ(events(), 0x10);
    seconds(1);
    CHECK_EQ(events(), 0);
    set(B, 0x12);
    CHECK_EQ(clock_next(&clk.clock) - clk.time, NS_PER_SECOND);
    set(A, 0x70);
    NO_TIMER();
}

static void set_alarm(int h, int m, int s)
{
    set(5, h);
    set(3, m);
    set(1, s);
}

static void alarm(void)
{
    uint64_t t;

    start(epoch_of(2024, 5, 6, 7, 8, 9));
    set_alarm(0x07, 0x08, 0x20);
    seconds(10);
    CHECK_EQ(events(), 0x10);
    seconds(1);
    NO_TIMER();
    CHECK_EQ(events(), 0x30); /* polled */
    set(B, 0x22);
    t = clk.time + 86400 * NS_PER_SECOND;
    CHECK_EQ(clock_next(&clk.clock), t); /* the exact time, tomorrow */
    pass(86400 * NS_PER_SECOND - 1);
    CHECK_EQ(irq8.level, 0);
    pass(1);
    CHECK_EQ(irq8.level, 1);
    CHECK_EQ(raw_time(), 0x20240507070820);
    NO_TIMER();
    CHECK_EQ(events(), 0xb0);
    CHECK_EQ(irq8.level, 0);

    set_alarm(0xc0, 0xff, 0x05); /* every minute */
    CHECK_EQ(clock_next(&clk.clock) - clk.time, 45 * NS_PER_SECOND);
    set_alarm(0xc0, 0x03, 0x05); /* every hour */
    CHECK_EQ(clock_next(&clk.clock) - clk.time, (54 * 60 + 45) * NS_PER_SECOND);
    set_alarm(0xff, 0xff, 0xff); /* every second */
    CHECK_EQ(clock_next(&clk.clock) - clk.time, NS_PER_SECOND);
    set_alarm(0x06, 0xff, 0xff);
    CHECK_EQ(clock_next(&clk.clock) - clk.time, (22 * 3600 + 51 * 60 + 40) * NS_PER_SECOND);
    set_alarm(0x07, 0xff, 0x00);
    CHECK_EQ(clock_next(&clk.clock) - clk.time, 40 * NS_PER_SECOND);
    set_alarm(0xff, 0xff, 0x61); /* never */
    NO_TIMER();
    set_alarm(0xff, 0x99, 0xff);
    NO_TIMER();
    seconds(86400);
    CHECK_EQ(events(), 0x10);
    set_alarm(0x24, 0xff, 0xff);
    NO_TIMER();
    set_alarm(0x07, 0x08, 0x10); /* just past: tomorrow */
    CHECK_EQ(clock_next(&clk.clock) - clk.time, 86390 * NS_PER_SECOND);
    set(2, 0x07); /* the guest turns the clock back a minute */
    CHECK_EQ(clock_next(&clk.clock) - clk.time, 50 * NS_PER_SECOND);
    seconds(49);
    CHECK_EQ(events() & 0x20, 0);
    set(B, 0x32); /* with the update interrupt as well, whichever is first */
    CHECK_EQ(clock_next(&clk.clock) - clk.time, NS_PER_SECOND);
    seconds(1);
    CHECK_EQ(events(), 0xb0);

    set(B, 0x20); /* 12 hours */
    set_alarm(0x92, 0x00, 0x00);
    CHECK_EQ(raw_time(), 0x20240508070810);
    CHECK_EQ(clock_next(&clk.clock) - clk.time, (4 * 3600 + 51 * 60 + 50) * NS_PER_SECOND);
    set(B, 0x26); /* binary */
    set_alarm(23, 59, 59);
    CHECK_EQ(clock_next(&clk.clock) - clk.time, (16 * 3600 + 51 * 60 + 49) * NS_PER_SECOND);

    set(B, 0xa6); /* while time stands still there is no alarm */
    NO_TIMER();
    set(4, 23), set(2, 59), set(0, 58);
    set(B, 0x26);
    CHECK_EQ(clock_next(&clk.clock) - clk.time, NS_PER_SECOND);
    set(0, 59); /* setting the clock to it is none either */
    CHECK_EQ(events() & 0x20, 0);
}

static void periodic(void)
{
    static const int hz[16] = {0,   256, 128, 8192, 4096, 2048, 1024, 512,
                               256, 128, 64,  32,   16,   8,    4,    2};

    for (int rs = 0; rs < 16; rs++) {
        int n = 0;

        start(1000000000);
        set(A, 0x20 | rs);
        NO_TIMER();
        seconds(1);
        CHECK_EQ(get(C) & 0x40, rs ? 0x40 : 0); /* polled */
        set(B, 0x42);
        if (rs == 0)
            NO_TIMER();
        for (uint64_t end = clk.time + 2 * NS_PER_SECOND; clock_next(&clk.clock) <= end; n++) {
            pass(clock_next(&clk.clock) - clk.time);
            CHECK_EQ(irq8.level, 1);
            NO_TIMER();
            CHECK_EQ(get(C) & 0xc0, 0xc0);
            CHECK_EQ(irq8.level, 0);
        }
        CHECK_EQ(n, 2 * hz[rs]);
        set(B, 0x02);
        NO_TIMER();
    }

    start(1000000000); /* polled at four times the rate: one in four */
    for (int i = 1; i <= 400; i++) {
        pass(NS_PER_SECOND / 4096 + 1);
        CHECK_EQ(get(C) & 0x40, i % 4 ? 0 : 0x40);
    }
    set(B, 0x72); /* with the others, the first of them */
    CHECK_EQ(clock_next(&clk.clock) / 1000000, clk.time / 1000000 + 1);
    set(B, 0x42);
    set(A, 0x76); /* a divider held in reset gives no interrupts */
    NO_TIMER();
    seconds(1);
    CHECK_EQ(get(C), 0);
    set(A, 0x26);
    CHECK(clock_next(&clk.clock) <= clk.time + NS_PER_SECOND / 1024);

    clk.time = UINT64_C(100) * 365 * 86400 * NS_PER_SECOND; /* exact for years */
    get(C);
    CHECK_EQ(clock_next(&clk.clock), clk.time + 976563);
}

static void reset(void)
{
    start(1000000000);
    set(0x7f, 0x5a);
    set(B, 0x7a);
    seconds(1);
    CHECK_EQ(irq8.level, 1);
    rtc.dev.reset(&rtc.dev);
    CHECK_EQ(irq8.level, 0);
    NO_TIMER();
    CHECK_EQ(get(B), 0x02);
    CHECK_EQ(get(C), 0);
    CHECK_EQ(get(A), 0x26);
    CHECK_EQ(get(0x7f), 0x5a);
    seconds(1);
    rtc.dev.reset(&rtc.dev); /* also the flags that nobody has looked at */
    CHECK_EQ(get(C), 0);
}

static void cmos(void)
{
    start(1000000000);
    CHECK_EQ(rtc.dev.read(&rtc.dev, 0, 1), 0xff);
    for (int i = 14; i < 128; i++)
        if (i != 0x32)
            set(i, i ^ 0x55);
    for (int i = 14; i < 128; i++)
        if (i != 0x32)
            CHECK_EQ(get(i | 0x80), i ^ 0x55); /* bit 7 of the index is another's */
    set(C, 0xff);
    set(D, 0x00);
    CHECK_EQ(get(C), 0);
    CHECK_EQ(get(D), 0x80);
    CHECK_EQ(irq8.changes, 0);
}

static int word(int reg)
{
    return get(reg) | get(reg + 1) << 8;
}

static void memory(void)
{
    int sum = 0;

    start(1000000000);
    rtc_set_memory(&rtc, 128 << 20, 0);
    CHECK_EQ(word(0x15), 640);
    CHECK_EQ(word(0x17), 0xffff);
    CHECK_EQ(word(0x30), 0xffff);
    CHECK_EQ(word(0x34), (128 - 16) * 16);
    CHECK_EQ(word(0x5b) | get(0x5d) << 16, 0);
    rtc_set_memory(&rtc, UINT64_C(0xc0000000), UINT64_C(5) << 30);
    CHECK_EQ(word(0x34), (3072 - 16) * 16);
    CHECK_EQ(word(0x5b) | get(0x5d) << 16, 5 << 14);
    rtc_set_memory(&rtc, UINT64_C(1) << 32, UINT64_C(1) << 50);
    CHECK_EQ(word(0x34), 0xff00);
    CHECK_EQ(word(0x5b) | get(0x5d) << 16, 0xffffff);
    rtc_set_memory(&rtc, UINT64_C(1) << 40, 0);
    CHECK_EQ(word(0x34), 0xffff);
    rtc_set_memory(&rtc, 8 << 20, 0);
    CHECK_EQ(word(0x17), 7 * 1024);
    CHECK_EQ(word(0x30), 7 * 1024);
    CHECK_EQ(word(0x34), 0);
    for (int i = 0x10; i < 0x2e; i++)
        sum += get(i);
    CHECK_EQ(get(0x2e) << 8 | get(0x2f), sum);
    rtc_set_memory(&rtc, 256 << 10, 0);
    CHECK_EQ(word(0x15), 256);
    CHECK_EQ(word(0x17), 0);
    CHECK_EQ(raw_time(), 0x20010909014640);
}

/* The host's calendar is set: the time follows, and nothing is left behind. */
static void host_steps(void)
{
    start(epoch_of(2024, 5, 6, 7, 8, 9));
    set(B, 0x12);
    clk.epoch -= 3600;
    seconds(1);
    CHECK_EQ(irq8.level, 0);
    CHECK_EQ(raw_time(), 0x20240506060810);
    seconds(1);
    CHECK_EQ(irq8.level, 1);
    CHECK_EQ(get(C) & 0x90, 0x90);
    clk.epoch += 7200;
    CHECK_EQ(raw_time(), 0x20240506080811);
    CHECK_EQ(get(C) & 0x90, 0x90);
    clk.epoch = -(INT64_C(1) << 40);
    raw_time();
    seconds(2);
    raw_time();
    clk.epoch = INT64_C(1) << 40;
    raw_time();
    CHECK_EQ(get(C) & 0x90, 0x90);
}

static uint32_t rnd(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    return *seed ^= *seed << 5;
}

/*
 * Whatever a guest does: flags, enables and wire agree, a timer is armed only for an enabled
 * interrupt that is not pending, and it is never in the past.
 */
static void random_accesses(void)
{
    static const int ns[] = {1000, 30000, 244000, 1000000, 250000000, 1000000000, 2000000000};
    uint32_t seed = 7;

    start(1700000000);
    for (int round = 0; round < 300000; round++) {
        uint32_t r = rnd(&seed), reg = r >> 8 & (r & 0x80 ? 0x7f : 0x0f);
        uint8_t *reg_b = &rtc.s.cmos[B], *reg_c = &rtc.s.cmos[C];

        switch (r % 4) {
        case 0:
            set(reg, r >> 16 & 0xff);
            break;
        case 1:
            get(reg);
            break;
        case 2:
            pass(rnd(&seed) % ns[r >> 8 & 3]);
            break;
        case 3: /* the host is late */
            clk.time += rnd(&seed) % ns[(r >> 8) % 7];
            if ((r >> 16) % 64 == 0)
                clk.epoch += (int64_t)(rnd(&seed) % 20000000) - 10000000;
            clock_run(&clk.clock);
            break;
        }
        CHECK_EQ(irq8.level, (*reg_b & *reg_c & 0x70) != 0);
        CHECK_EQ(*reg_c & 0x8f, 0);
        CHECK_EQ(rtc.s.cmos[D], 0x80);
        CHECK_EQ(rtc.s.cmos[A] & 0x80, 0);
        if (!(*reg_b & ~*reg_c & 0x70))
            NO_TIMER();
        CHECK(clock_next(&clk.clock) > clk.time);
        if (test_failures)
            return;
    }
    CHECK(irq8.rises > 1000);
}

/* There is no date before 0000-03-01, from where the chip counts days. */
static void begin_of_time(void)
{
    start(0);
    set(B, 0x82);
    set_raw_time(0x00000300000000);
    set(B, 0x02);
    set(0x40, 1);
    set(B, 0x82);
    CHECK_EQ(raw_time(), 0x00000301000000);
}

static void end_of_time(void)
{
    start(0);
    test_clock_end(&clk, 1000);
    for (int rate = 1; rate < 16; rate++) {
        set(A, 0x20 | rate);
        for (int enabled = 0x10; enabled <= 0x70; enabled += 0x10) {
            get(C);
            set(B, 0x02 | enabled);
            CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);
        }
    }
    test_clock_end(&clk, 0);
}

int main(void)
{
    return test_main((struct test[]){
        {time_of_day, "time of day, without a timer"},
        {calendar, "the calendar of 2500 years, there and back"},
        {formats, "BCD and binary, 12 and 24 hours"},
        {setting, "setting the time"},
        {divider, "divider reset: half a second to the first update"},
        {update_in_progress, "UIP, 244 us before the update"},
        {update_ended, "update-ended flag and interrupt"},
        {alarm, "alarm, armed for its very time"},
        {periodic, "periodic interrupt at all rates"},
        {reset, "reset clears enables and flags, and nothing else"},
        {cmos, "CMOS RAM and index"},
        {memory, "the size of memory as firmware leaves it"},
        {host_steps, "the host's calendar is set"},
        {random_accesses, "random accesses and time jumps do no harm"},
        {begin_of_time, "a date before year 0 is its first"},
        {end_of_time, "what falls due after the clock's end never does"},
        {0},
    });
}
