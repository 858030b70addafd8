// SPDX-License-Identifier: MIT
/*
 * The 8254 and port 0x61, against the tables and figures of the data sheet.
 */
#include "hw/pit.h"
#include "tests/unit/test.h"

static struct pit pit;
static struct test_clock clk;
static struct test_wire irq0;

static void out(int reg, int val)
{
    pit.dev.write(&pit.dev, reg, 1, val);
}

static int in(int reg)
{
    return pit.dev.read(&pit.dev, reg, 1);
}

static void out61(int val)
{
    pit.port61.write(&pit.port61, 0, 1, val);
}

static int in61(void)
{
    return pit.port61.read(&pit.port61, 0, 1);
}

/* Right after clock n, in ns. */
static uint64_t edge_ns(uint64_t n)
{
    return ((unsigned __int128)n * NS_PER_SECOND + PIT_HZ - 1) / PIT_HZ;
}

static uint64_t now_clocks(void)
{
    return (unsigned __int128)clk.time * PIT_HZ / NS_PER_SECOND;
}

static void clocks(uint64_t n)
{
    test_clock_advance(&clk, edge_ns(now_clocks() + n) - clk.time);
}

static void start(void)
{
    irq0 = (struct test_wire){0};
    test_clock_init(&clk);
    clk.time = 12345;
    pit_init(&pit, &clk.clock, test_wire(&irq0, 0));
}

/* Control word, then a two-byte count. */
static void program(int counter, int mode, int count)
{
    out(3, counter << 6 | 0x30 | mode << 1);
    out(counter, count & 0xff);
    out(counter, count >> 8);
}

/* What a two-byte counter shows now. */
static int count_of(int counter)
{
    int lsb;

    out(3, counter << 6);
    lsb = in(counter);
    return lsb | in(counter) << 8;
}

static int status_of(int counter)
{
    out(3, 0xe0 | 2 << counter);
    return in(counter);
}

static bool out_of(int counter)
{
    return status_of(counter) & 0x80;
}

/* Let counter 2 run clock by clock: its output must be as drawn, '1' high and '0' low. */
static void check_wave(const char *wave)
{
    for (int i = 0; wave[i]; i++) {
        clocks(1);
        if (out_of(2) != (wave[i] == '1')) {
            printf("# clock %d of %s\n", i + 1, wave);
            CHECK_EQ(out_of(2), wave[i] == '1');
        }
    }
}

static void check_counts(const int *want, int n)
{
    for (int i = 0; i < n; i++) {
        clocks(1);
        CHECK_EQ(count_of(2), want[i]);
    }
}

#define COUNTS(...)                                                                                \
    check_counts((const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void untouched(void)
{
    start();
    CHECK_EQ(irq0.rises, 0);
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);
    test_clock_advance(&clk, 10 * NS_PER_SECOND);
    CHECK_EQ(in(3), 0xff);
    CHECK_EQ(in61() & ~0x10, 0x20);
    in(0);
    CHECK_EQ(irq0.changes, 0);
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);

    out(3, 0x34); /* the output stays high: no edge */
    CHECK_EQ(irq0.rises, 0);
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);
}

static void reset(void)
{
    start();
    out61(0x0f);
    program(0, 2, 100);
    program(2, 0, 100);
    clocks(250);
    CHECK_EQ(irq0.rises, 2);
    pit.dev.reset(&pit.dev);
    CHECK_EQ(irq0.level, 0);
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);
    clocks(1000);
    CHECK_EQ(irq0.rises, 2);
    CHECK_EQ(in61() & 0x0f, 0);
    CHECK_EQ(out_of(2), 1);

    program(0, 0, 50); /* reset with the output low: that it is high again is no edge */
    clocks(10);
    pit.dev.reset(&pit.dev);
    out(3, 0x34);
    CHECK_EQ(irq0.rises, 2);
}

static void mode0(void)
{
    start();
    out61(1);
    out(3, 0xb0);
    CHECK_EQ(out_of(2), 0);
    clocks(50);
    CHECK_EQ(out_of(2), 0); /* no count yet */
    out(2, 4);
    clocks(50);
    CHECK_EQ(out_of(2), 0); /* half a count */
    out(2, 0);
    check_wave("000011"); /* N + 1 clocks */
    CHECK_EQ(count_of(2), 0xffff);
    check_wave("1111");

    program(2, 0, 4);
    COUNTS(4, 3, 2, 1, 0, 0xffff, 0xfffe);
    clocks(0x10000 + 0xfffe);
    CHECK_EQ(count_of(2), 0);
    CHECK_EQ(out_of(2), 1);

    out(2, 3); /* a new count: the first byte stops it and pulls the output low at once */
    CHECK_EQ(out_of(2), 0);
    clocks(100);
    CHECK_EQ(count_of(2), 0);
    out(2, 0);
    check_wave("0001");

    program(2, 0, 4); /* a new count while counting starts over */
    clocks(3);
    out(2, 6);
    out(2, 0);
    check_wave("0000001");

    out(3, 0x90); /* single byte */
    out(2, 2);
    check_wave("001");
    out(2, 3);
    check_wave("0001");
}

static void mode0_gate(void)
{
    start();
    program(2, 0, 3); /* loaded though the gate is low; it then takes N clocks */
    clocks(10);
    CHECK_EQ(count_of(2), 3);
    out61(1);
    check_wave("00");
    out61(0);
    clocks(10);
    CHECK_EQ(count_of(2), 1);
    CHECK_EQ(out_of(2), 0);
    out61(1);
    check_wave("1111");
    out61(0);
    CHECK_EQ(out_of(2), 1);
}

static void mode1(void)
{
    start();
    out(3, 0xb2);
    out61(1); /* without a count there is nothing to trigger */
    check_wave("111");
    out61(0);
    program(2, 1, 3);
    check_wave("111");
    CHECK_EQ(status_of(2) & 0x40, 0x40);
    out61(1);
    check_wave("000");
    CHECK_EQ(status_of(2) & 0x40, 0);
    out61(0); /* the level does not matter */
    check_wave("111");
    CHECK_EQ(count_of(2), 0xfffe);
    out61(1);
    check_wave("00");
    out61(1); /* no edge, no trigger */
    check_wave("01");
    out61(0);
    out61(1);
    check_wave("00");
    out61(0);
    out61(1); /* again before it is over */
    check_wave("0001");

    out61(0);
    out61(1);
    clocks(1);
    out(2, 5); /* a new count waits for the next trigger */
    out(2, 0);
    check_wave("00111");
    out61(0);
    out61(1);
    check_wave("000001");
}

static void mode2(void)
{
    start();
    out61(1);
    program(2, 2, 3);
    check_wave("110110110");
    program(2, 2, 4);
    COUNTS(4, 3, 2, 1, 4, 3, 2, 1, 4);
    clocks(4 * 1000 + 1);
    CHECK_EQ(count_of(2), 3);

    program(2, 2, 4);
    clocks(2);
    out(2, 3); /* a new count from the next period on */
    out(2, 0);
    CHECK_EQ(status_of(2) & 0x40, 0x40);
    COUNTS(2, 1);
    CHECK_EQ(status_of(2) & 0x40, 0x40);
    COUNTS(3);
    CHECK_EQ(status_of(2) & 0x40, 0);
    COUNTS(2, 1, 3, 2);

    out(2, 5); /* or from a trigger on */
    out(2, 0);
    out61(0);
    clocks(20);
    CHECK_EQ(count_of(2), 2);
    CHECK_EQ(out_of(2), 1);
    out61(1);
    COUNTS(5, 4, 3, 2, 1);
    CHECK_EQ(out_of(2), 0);
    out61(0); /* at once, without a clock */
    CHECK_EQ(out_of(2), 1);
    out61(1);
    check_wave("1111011110");

    program(2, 6, 3); /* M2 is "don't care" */
    check_wave("110110");
    CHECK_EQ(status_of(2) & 0x3f, 0x3c);

    program(2, 2, 1); /* illegal */
    check_wave("101010");
}

static void mode3(void)
{
    start();
    out61(1);
    program(2, 3, 4);
    check_wave("110011001100");
    program(2, 3, 4);
    COUNTS(4, 2, 4, 2, 4, 2);
    program(2, 3, 5);
    check_wave("111001110011100");
    program(2, 7, 5);
    COUNTS(4, 2, 0, 4, 2, 4, 2, 0, 4, 2);
    clocks(5 * 1000 + 2);
    CHECK_EQ(count_of(2), 2);
    CHECK_EQ(out_of(2), 1);
    clocks(5 * 1000 + 2);
    CHECK_EQ(out_of(2), 0);

    program(2, 3, 4);
    clocks(1);
    out(2, 6); /* a new count from the next half on */
    out(2, 0);
    check_wave("1000111000");
    program(2, 3, 5);
    COUNTS(4, 2);
    out(2, 8);
    out(2, 0);
    COUNTS(0, 8, 6, 4, 2, 8);
    out(2, 7);
    out(2, 0);
    COUNTS(6, 4, 2, 6, 4, 2, 6, 4, 2, 0, 6);
    program(2, 3, 8);
    check_wave("111100");
    out61(0);
    CHECK_EQ(out_of(2), 1);
    check_wave("111111");
    out61(1);
    check_wave("11110000");
    program(2, 3, 1); /* illegal */
    check_wave("101010");
}

static void mode4(void)
{
    start();
    out61(1);
    program(2, 4, 3);
    check_wave("1110111111"); /* N + 1 clocks */
    program(2, 4, 3);
    COUNTS(3, 2, 1, 0, 0xffff);
    clocks(0x20000);
    CHECK_EQ(out_of(2), 1); /* strobes once */
    program(2, 4, 3);
    clocks(3);
    out(2, 4);
    CHECK_EQ(count_of(2), 1); /* the first byte does nothing */
    out(2, 0);
    check_wave("1111011");
    program(2, 4, 3);
    clocks(2);
    out61(0);
    check_wave("111");
    out61(1);
    check_wave("10");
    out61(0); /* the strobe is over all the same */
    check_wave("111");
}

static void mode5(void)
{
    start();
    out61(1);
    program(2, 5, 3);
    check_wave("111111");
    out61(0);
    out61(1);
    check_wave("111011");
    CHECK_EQ(count_of(2), 0xfffe);
    out61(0);
    out61(1);
    clocks(2);
    out61(0);
    out61(1);
    check_wave("11101");
}

static void bcd(void)
{
    static const int bad[] = {0xffff, 0x1f2f, 0x00ff};

    start();
    out61(1);
    out(3, 0xb1);
    out(2, 0x00);
    out(2, 0x10); /* 1000 */
    clocks(2);
    CHECK_EQ(count_of(2), 0x0999);
    clocks(998);
    CHECK_EQ(out_of(2), 0);
    clocks(1);
    CHECK_EQ(out_of(2), 1);
    clocks(1);
    CHECK_EQ(count_of(2), 0x9999);

    out(3, 0xb1);
    out(2, 0);
    out(2, 0); /* 10000 */
    clocks(1);
    CHECK_EQ(count_of(2), 0);
    clocks(9999);
    CHECK_EQ(count_of(2), 1);
    CHECK_EQ(out_of(2), 0);
    clocks(1);
    CHECK_EQ(out_of(2), 1);
    for (int i = 0; i < 3; i++) { /* digits that do not exist do no harm */
        for (int m = 0; m < 6; m++) {
            out(3, 0xb1 | m << 1);
            out(2, bad[i] & 0xff);
            out(2, bad[i] >> 8);
            out61(0);
            out61(1);
            clocks(7);
            clocks(40000);
        }
    }
}

static void count_zero(void)
{
    start();
    program(0, 2, 0);
    clocks(65536);
    CHECK_EQ(irq0.rises, 0);
    CHECK_EQ(count_of(0), 1);
    clocks(1);
    CHECK_EQ(irq0.rises, 1);
    CHECK_EQ(count_of(0), 0);
    program(0, 3, 0);
    clocks(32768);
    CHECK_EQ(out_of(0), 1);
    clocks(1);
    CHECK_EQ(out_of(0), 0);
    program(0, 0, 0);
    clocks(65536);
    CHECK_EQ(out_of(0), 0);
    clocks(1);
    CHECK_EQ(out_of(0), 1);
}

static void access_modes(void)
{
    start();
    out61(1);
    out(3, 0x90); /* low byte only: the high one is 0 */
    out(2, 0x80);
    clocks(2);
    CHECK_EQ(in(2), 0x7f);
    CHECK_EQ(in(2), 0x7f);
    out(3, 0xa0); /* high byte only: the low one is 0 */
    out(2, 0x12);
    clocks(1);
    CHECK_EQ(in(2), 0x12);
    clocks(1);
    CHECK_EQ(in(2), 0x11);
    CHECK_EQ(in(2), 0x11);
    CHECK_EQ(status_of(2) & 0x3f, 0x20);
    program(2, 0, 0x1234);
    clocks(1);
    CHECK_EQ(in(2), 0x34); /* live, in turns */
    CHECK_EQ(in(2), 0x12);
    CHECK_EQ(in(2), 0x34);
    clocks(0x35);
    CHECK_EQ(in(2), 0x11);
    out(2, 0x78); /* the flip-flops of reading and writing are two */
    CHECK_EQ(in(2), 0xff);
    out(2, 0x56);
    clocks(1);
    CHECK_EQ(in(2), 0x56);
    in(2);
    out(3, 0xb0); /* a control word starts over */
    out(2, 0x21);
    out(2, 0x43);
    clocks(1);
    CHECK_EQ(in(2), 0x21);
    CHECK_EQ(in(2), 0x43);
    CHECK_EQ(pit.s.counter[1].running, 0); /* and nobody else's */
}

static void latching(void)
{
    start();
    out61(1);
    program(2, 2, 0x1000);
    clocks(1);
    out(3, 0x80);
    clocks(0x111);
    out(3, 0x80); /* ignored until the first has been read */
    out(3, 0xd8);
    CHECK_EQ(in(2), 0x00);
    clocks(1);
    CHECK_EQ(in(2), 0x10);
    CHECK_EQ(in(2), 0xee);
    CHECK_EQ(in(2), 0x0e);

    program(1, 2, 0x2000); /* read-back: several counters, and status before count */
    clocks(1);
    out(3, 0xcc);
    out(3, 0xec);
    clocks(100);
    CHECK_EQ(in(1), 0xb4);
    CHECK_EQ(in(1), 0x00);
    CHECK_EQ(in(1), 0x20);
    CHECK_EQ(in(1), 0x9c);
    CHECK_EQ(in(1), 0x1f);
    CHECK_EQ(in(2), 0xb4);
    in(2);
    CHECK_EQ(in(2), 0x0e);

    program(1, 2, 0x2000); /* a status too is held until it has been read */
    out(3, 0xe4);
    clocks(1);
    out(3, 0xe4);
    CHECK_EQ(in(1), 0xf4);
    CHECK_EQ(in(1), 0x00);
    CHECK_EQ(in(1), 0x20);

    out(3, 0xd0); /* neither's bit set: nobody is latched */
    CHECK_EQ(in(2) != in(2), 1);
    out(3, 0xb0); /* a control word undoes the latches */
    out(3, 0xc8);
    out(3, 0xb4);
    out(2, 0x55);
    out(2, 0);
    clocks(1);
    CHECK_EQ(in(2), 0x55);
    in(2);

    out(3, 0x94); /* one byte: one read empties the latch */
    out(2, 9);
    clocks(1);
    out(3, 0x80);
    clocks(3);
    CHECK_EQ(in(2), 9);
    CHECK_EQ(in(2), 6);
}

static void null_count(void)
{
    start();
    out61(1);
    out(3, 0xb0);
    CHECK_EQ(status_of(2), 0x70);
    out(2, 2);
    out(2, 0);
    CHECK_EQ(status_of(2), 0x70);
    clocks(1);
    CHECK_EQ(status_of(2), 0x30);
    clocks(2);
    CHECK_EQ(status_of(2), 0xb0);
    program(2, 3, 6);
    clocks(1);
    CHECK_EQ(status_of(2), 0xb6);
    out(2, 8);
    CHECK_EQ(status_of(2), 0xb6); /* half a count is none */
    out(2, 0);
    CHECK_EQ(status_of(2), 0xf6);
    clocks(3);
    CHECK_EQ(status_of(2), 0x36);
}

static void port61(void)
{
    uint64_t first;
    int level, changes = 0;

    start();
    out61(0xff);
    CHECK_EQ(in61() & ~0x30, 0x0f);
    out61(0x02);
    CHECK_EQ(in61() & ~0x30, 0x02);
    program(2, 0, 1);
    CHECK_EQ(in61() & 0x20, 0);
    clocks(5);
    CHECK_EQ(in61() & 0x20, 0); /* gated */
    out61(1);
    clocks(1);
    CHECK_EQ(in61() & 0x20, 0x20);
    CHECK_EQ(irq0.changes, 0);

    first = clk.time;
    for (level = in61() & 0x10; clk.time < first + 1000000; test_clock_advance(&clk, 500)) {
        changes += (in61() & 0x10) != level;
        level = in61() & 0x10;
    }
    CHECK(changes >= 66 && changes <= 67); /* every 15.085 us */
}

static void irq_one_shot(void)
{
    uint64_t t;

    start();
    program(0, 0, 1000);
    t = edge_ns(now_clocks() + 1001);
    CHECK_EQ(clock_next(&clk.clock), t);
    test_clock_advance(&clk, t - clk.time - 1);
    CHECK_EQ(irq0.level, 0);
    test_clock_advance(&clk, 1);
    CHECK_EQ(irq0.level, 1);
    CHECK_EQ(irq0.rises, 1);
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER); /* expired: no wake-up ever again */
    test_clock_advance(&clk, NS_PER_SECOND);
    in(0);
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);
    CHECK_EQ(irq0.rises, 1);
    out(0, 100);
    CHECK_EQ(irq0.level, 0);
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER); /* half a count */
    out(0, 0);
    clocks(101);
    CHECK_EQ(irq0.rises, 2);

    program(0, 4, 100); /* one-shot as Linux has it: one wake-up, when the strobe is over */
    CHECK_EQ(clock_next(&clk.clock), edge_ns(now_clocks() + 102));
    clocks(1);
    in(0);
    CHECK_EQ(clock_next(&clk.clock), edge_ns(now_clocks() + 101));
    program(0, 4, 100);
    CHECK_EQ(irq0.level, 1);
    clocks(101);
    CHECK_EQ(irq0.rises, 2);
    clocks(1);
    CHECK_EQ(irq0.rises, 3);
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);
    program(0, 4, 100);
    clocks(100);
    clk.time = edge_ns(now_clocks() + 1); /* somebody looks during the strobe */
    CHECK_EQ(out_of(0), 0);
    CHECK_EQ(irq0.level, 0);
    clocks(1);
    CHECK_EQ(irq0.level, 1);
    CHECK_EQ(irq0.rises, 4);
    program(0, 1, 100); /* and counter 0 has nothing that triggers it */
    program(0, 5, 100);
    clocks(1000);
    CHECK_EQ(irq0.rises, 4);
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);

    program(0, 0, 100); /* the edge of the old programming is not lost to a late host */
    clk.time += 200 * 839;
    program(0, 0, 200);
    CHECK_EQ(irq0.rises, 5);
}

static void irq_periodic(void)
{
    int rises;

    start();
    program(0, 2, 11932); /* 100 Hz */
    CHECK_EQ(clock_next(&clk.clock), edge_ns(now_clocks() + 11933));
    clocks(11932);
    CHECK_EQ(irq0.rises, 0);
    clocks(1);
    CHECK_EQ(irq0.rises, 1);
    CHECK_EQ(irq0.level, 1);
    clocks(11932 * 99);
    CHECK_EQ(irq0.rises, 100);

    rises = irq0.rises;
    program(0, 3, 1000);
    clocks(500);
    CHECK_EQ(irq0.level, 1);
    clocks(1);
    CHECK_EQ(irq0.level, 0);
    CHECK_EQ(clock_next(&clk.clock), edge_ns(now_clocks() + 500));
    clocks(500);
    CHECK_EQ(irq0.level, 1);
    CHECK_EQ(irq0.rises, rises + 1);
    clocks(1000 * 50);
    CHECK_EQ(irq0.rises, rises + 51);
    CHECK_EQ(irq0.changes, 2 * irq0.rises - 1);
}

/* Years on, a tick is still a tick. */
static void no_drift(void)
{
    start();
    clk.time = UINT64_C(100) * 365 * 86400 * NS_PER_SECOND;
    pit.dev.reset(&pit.dev);
    program(0, 2, 59659); /* 20.0003 Hz */
    for (int i = 1; i <= 20; i++) {
        test_clock_advance(&clk, UINT64_C(3600) * NS_PER_SECOND);
        CHECK_EQ(irq0.rises, (UINT64_C(3600) * i * PIT_HZ - 1) / 59659);
    }
    clk.time = CLOCK_NEVER - 1; /* and the end of time is survived */
    in(0);
    program(0, 2, 59659);
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);
}

/* Ticks that the host was too late for follow, but not all at once and not without end. */
static void catching_up(void)
{
    for (int mode = 2; mode <= 3; mode++) {
        start();
        program(0, mode, 1000);
        clocks(1);
        clk.time = edge_ns(now_clocks() + 10 * 1000 + 50);
        clock_run(&clk.clock);
        CHECK_EQ(irq0.rises, 1);
        clocks(100);
        CHECK_EQ(irq0.rises, 1);
        clocks(200);
        CHECK_EQ(irq0.rises, 2);
        clocks(20000);
        CHECK_EQ(irq0.rises, 30);
        clocks(10000);
        CHECK_EQ(irq0.rises, 40);
        CHECK_EQ(irq0.level, 1);

        clk.time += 1000 * NS_PER_SECOND;
        clock_run(&clk.clock);
        clocks(1000 * 400);
        CHECK(irq0.rises >= 40 + 400 + PIT_OWED_MAX - 1);
        CHECK(irq0.rises <= 40 + 400 + PIT_OWED_MAX + 1);
    }

    clk.time += 5000 * 839; /* what is owed goes with the programming that owes it */
    clock_run(&clk.clock);
    int rises = irq0.rises;
    program(0, 0, 100);
    clocks(5000);
    CHECK_EQ(irq0.rises, rises + 1);

    program(0, 2, 1000); /* or with a reset */
    clk.time += 5000 * 839;
    clock_run(&clk.clock);
    pit.dev.reset(&pit.dev);
    rises = irq0.rises;
    out(0, 100);
    out(0, 0);
    clocks(101);
    CHECK_EQ(irq0.rises, rises + 1);
    clocks(50);
    CHECK_EQ(irq0.rises, rises + 1);
}

/* However short the period, the wire and the host's timer have their limit. */
static void storm(void)
{
    for (int mode = 2; mode <= 3; mode++) {
        int wakeups = 0;

        start();
        program(0, mode, 2);
        for (uint64_t end = clk.time + NS_PER_SECOND / 100; clock_next(&clk.clock) < end;) {
            CHECK(clock_next(&clk.clock) > clk.time);
            clk.time = clock_next(&clk.clock);
            clock_run(&clk.clock);
            wakeups++;
        }
        CHECK(irq0.rises > 600 && irq0.rises < 750);
        CHECK(wakeups < 1600);
    }
}

static uint32_t rnd(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    return *seed ^= *seed << 5;
}

/*
 * Two chips get the same accesses at the same times; the first is also looked at on every clock
 * between them. If running n clocks at once is running one clock n times, no one can tell.
 */
static void lazy_is_exact(void)
{
    static struct pit p[2];
    static struct test_clock c[2];
    struct test_wire w[2] = {0};
    uint32_t seed = 1;

    for (int i = 0; i < 2; i++) {
        test_clock_init(&c[i]);
        pit_init(&p[i], &c[i].clock, test_wire(w, i));
    }
    for (int round = 0; round < 20000; round++) {
        uint32_t r = rnd(&seed), what = r % 8, reg = r >> 8 & 3, val = r >> 16 & 0xff;
        uint64_t n = rnd(&seed) % 16 ? rnd(&seed) % 64 : rnd(&seed) % 1024, tick;
        uint64_t got[2] = {0};

        if (reg == 3 && (val & 0x30) == 0x30 && val % 4 < 3)
            val ^= 0x20; /* single bytes: short counts happen more often */
        if (what == 1 && val < 40)
            val += 40; /* and periods for which the wire's limit plays no part */
        for (int i = 0; i < 2; i++) {
            tick = (unsigned __int128)c[i].time * PIT_HZ / NS_PER_SECOND;
            for (uint64_t k = i ? n : 1; k <= n; k++) {
                test_clock_advance(&c[i], edge_ns(tick + k) - c[i].time);
                if (!i)
                    p[i].port61.read(&p[i].port61, 0, 1);
            }
            if (what < 2)
                p[i].dev.write(&p[i].dev, what ? reg % 3 : 3, 1, val);
            else if (what < 4)
                p[i].port61.write(&p[i].port61, 0, 1, val);
            else
                got[i] = p[i].dev.read(&p[i].dev, reg, 1);
            got[i] = got[i] << 8 | p[i].port61.read(&p[i].port61, 0, 1);
        }
        CHECK_EQ(got[0], got[1]);
        for (int i = 0; i < 3; i++) {
            struct pit_counter *a = &p[0].s.counter[i], *b = &p[1].s.counter[i];

            CHECK_EQ(a->count, b->count);
            CHECK_EQ(a->out, b->out);
            CHECK_EQ(a->null_count, b->null_count);
            CHECK_EQ(a->load, b->load);
            CHECK_EQ(a->running, b->running);
            CHECK_EQ(a->live, b->live);
            CHECK_EQ(a->odd, b->odd);
        }
        CHECK_EQ(w[0].level, w[1].level);
        CHECK_EQ(*c[0].clock.timers->deadline, *c[1].clock.timers->deadline);
        if (test_failures)
            return;
    }
    CHECK_EQ(w[0].rises, w[1].rises);
    CHECK(w[0].rises > 100);
}

/* Whatever a guest does, the chip stays within its bounds and time goes on. */
static void random_accesses(void)
{
    uint32_t seed = 42;

    start();
    for (int round = 0; round < 300000; round++) {
        uint32_t r = rnd(&seed), val = r >> 16 & 0xff;

        switch (r % 8) {
        case 0:
        case 1:
            out(3, val);
            break;
        case 2:
        case 3:
            out(r >> 8 & 3, val);
            break;
        case 4:
            in(r >> 8 & 3);
            break;
        case 5:
            out61(val);
            CHECK_EQ(in61() & 0xcf, val & 0x0f);
            break;
        case 6:
            test_clock_advance(&clk, rnd(&seed) % 4000000 >> r % 23);
            break;
        case 7: /* the host is late */
            clk.time += val < 2 ? NS_PER_SECOND * 1000000 * val : rnd(&seed) >> r % 31;
            if (r & 0x100)
                clock_run(&clk.clock);
            break;
        }
        for (int i = 0; i < 3; i++) {
            CHECK(pit.s.counter[i].count <= 65536);
            CHECK(pit.s.counter[i].reload <= 65536);
            CHECK_EQ(pit.s.counter[i].rises && i == 0, 0);
        }
        CHECK(pit.s.owed <= PIT_OWED_MAX);
        if (test_failures)
            return;
    }
}

/* Edges that nobody hears are not made, and cost no timer; those after them come in time. */
static void test_heard(void)
{
    struct irq first, second;

    start();
    first = pit_heard(&pit, 0);
    second = pit_heard(&pit, 1);
    program(0, 2, 1000);
    clocks(2001);
    CHECK_EQ(irq0.rises, 2);
    irq_set(&first, false);
    clocks(1000);
    CHECK_EQ(irq0.rises, 3); /* the second hears */
    irq_set(&second, false);
    clocks(1000);
    int rises = irq0.rises;

    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);
    clocks(10300);
    CHECK_EQ(count_of(0), 700); /* the counter runs on */
    CHECK_EQ(irq0.rises, rises);
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);

    /* The next edge is on time, and none is made up for. */
    irq_set(&second, true);
    irq_set(&first, true);
    CHECK_EQ(irq0.rises, rises);
    clocks(699);
    CHECK_EQ(irq0.rises, rises);
    clocks(1);
    CHECK_EQ(irq0.rises, rises + 1);
    clocks(1000);
    CHECK_EQ(irq0.rises, rises + 2);

    /* A one-shot that expires unheard is over; the next one is heard. */
    start();
    first = pit_heard(&pit, 0);
    second = pit_heard(&pit, 1);
    irq_set(&first, false);
    irq_set(&second, false);
    program(0, 0, 1000);
    clocks(5000);
    CHECK(out_of(0));
    rises = irq0.rises;
    program(0, 0, 1000);
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);
    clocks(5000);
    irq_set(&first, true);
    clocks(5000);
    CHECK_EQ(irq0.rises, rises);
    program(0, 0, 1000);
    clocks(1002);
    CHECK_EQ(irq0.rises, rises + 1);

    /* A host that is late, and a guest that is late with it to hear: no tick is lost. */
    start();
    first = pit_heard(&pit, 0);
    second = pit_heard(&pit, 1);
    irq_set(&second, false);
    program(0, 2, 1000);
    clocks(1001);
    CHECK_EQ(irq0.rises, 1);
    irq_set(&first, false);
    clk.time = edge_ns(now_clocks() + 5000);
    irq_set(&first, true);
    clocks(5000);
    CHECK_EQ(irq0.rises, 11);
}

static struct irq hearer;
static bool deaf;

/* A PIC that answers a rise at once, if it heard till then: it has its request now. */
static void answer(void *to, int n, bool level)
{
    (void)to, (void)n;
    if (!level || deaf)
        return;
    deaf = true;
    irq_set(&hearer, false);
}

/* The answer to a rise that is made because somebody hears again is not forgotten. */
static void test_heard_once(void)
{
    test_clock_init(&clk);
    pit_init(&pit, &clk.clock, (struct irq){answer, NULL, 0});
    hearer = pit_heard(&pit, 0);
    struct irq other = pit_heard(&pit, 1);

    deaf = false;
    irq_set(&other, false);
    program(0, 2, 1000);
    clk.time = edge_ns(now_clocks() + 5001); /* a host that is late */
    clocks(3000);                            /* and a guest that does not look */
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);
    deaf = false;
    irq_set(&hearer, true);
    clocks(3000);
    CHECK(deaf);
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);
}

static void test_end_of_time(void)
{
    for (int mode = 0; mode < 6; mode++) {
        start();
        test_clock_end(&clk, 10);
        irq0 = (struct test_wire){0};
        program(0, mode, 1000);
        CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);
        test_clock_end(&clk, 0);
        CHECK_EQ(irq0.rises, 0);
    }
}

int main(void)
{
    return test_main((struct test[]){
        {untouched, "an untouched PIT never interrupts and arms no timer"},
        {reset, "reset stops everything, without an edge"},
        {mode0, "mode 0: interrupt on terminal count"},
        {mode0_gate, "mode 0: gate"},
        {mode1, "mode 1: hardware retriggerable one-shot"},
        {mode2, "mode 2: rate generator"},
        {mode3, "mode 3: square wave"},
        {mode4, "mode 4: software triggered strobe"},
        {mode5, "mode 5: hardware triggered strobe"},
        {bcd, "BCD counting"},
        {count_zero, "a count of 0 is 65536"},
        {access_modes, "access by low byte, high byte, both"},
        {latching, "counter latch and read-back"},
        {null_count, "null count and output in the status byte"},
        {port61, "port 0x61: gate, speaker, refresh, output"},
        {irq_one_shot, "irq0 from one-shot modes, then no timer"},
        {irq_periodic, "irq0 from periodic modes, on time"},
        {no_drift, "no drift over years"},
        {catching_up, "a late host makes up for missed ticks, within bounds"},
        {storm, "short periods make no storm"},
        {lazy_is_exact, "n clocks at once are one clock n times"},
        {random_accesses, "random accesses and time jumps do no harm"},
        {test_heard, "what nobody hears costs nothing"},
        {test_heard_once, "a hearer that has heard enough at once"},
        {test_end_of_time, "what falls due after the clock's end never does"},
        {0},
    });
}
