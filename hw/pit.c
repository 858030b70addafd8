// SPDX-License-Identifier: MIT
/*
 * 8254 programmable interval timer, as on a PC: the gates of counters 0 and 1 are tied high, that
 * of counter 2 is bit 0 of port 0x61.
 *
 * After: Intel 8254 data sheet (231164), "Programming the 8254", "Mode Definitions" and "Operation
 * Common to All Modes"; IBM PC AT Technical Reference, "System Board", port 0x61.
 * Left out: the speaker, which nobody hears; NMI causes (port 0x61 bits 6, 7), which do not arise;
 * counter 1's hold on the refresh request, which toggles as if firmware had programmed it.
 * Where the data sheet leaves it open: between a control word and its count a counter stands still
 * at 0, and a count of 1 in modes 2 and 3, which is illegal, is taken as 2.
 */
#include "hw/pit.h"

#include <assert.h>

#define CONTROL 3 /* the offset of the control word, behind the counters */

enum { /* control word */
    BCD = 0x01,
    M_SHIFT = 1,
    RW = 0x30,
    RW_LSB = 0x10,
    RW_MSB = 0x20,
    SC_SHIFT = 6,
    READ_BACK = 0xc0,
    READ_BACK_COUNT_N = 0x20, /* these two are active low */
    READ_BACK_STATUS_N = 0x10,
    READ_BACK_COUNTER_0 = 0x02,
};

enum { /* status byte; below them is the control word */
    STATUS_OUT = 0x80,
    STATUS_NULL_COUNT = 0x40,
};

enum { /* port 0x61 */
    GATE2 = 0x01,
    PORT61_WRITABLE = 0x0f,
    REFRESH = 0x10,
    OUT2 = 0x20,
};

enum {
    REFRESH_CLOCKS = 18, /* counter 1's period on a PC, 15 us */
    WIRE_MIN_GAP = 16,   /* clocks between two rises of irq0 */
    NEVER = 0,           /* the number of clocks until what will not happen */
};

static int mode(const struct pit_counter *c)
{
    int m = c->control >> M_SHIFT & 7;

    return m < 6 ? m : m - 4; /* M2 is "don't care" in modes 2 and 3 */
}

static uint32_t modulus(const struct pit_counter *c)
{
    return c->control & BCD ? 10000 : 0x10000;
}

static void set_out(struct pit_counter *c, bool level)
{
    c->rises += level && !c->out;
    c->out = level;
}

/* Mode 3: clocks in this half of the wave. An odd count's odd clock belongs to the high half. */
static uint32_t half(const struct pit_counter *c)
{
    return (c->reload + c->out) / 2;
}

/* Count register to counting element. */
static void load(struct pit_counter *c)
{
    int m = mode(c);

    if (m == 1)
        set_out(c, false);
    c->count = m == 3 ? half(c) : c->reload;
    c->odd = c->reload & 1;
    c->load = c->null_count = false;
    c->running = c->live = true;
}

/* May the counting element count? */
static bool enabled(const struct pit_counter *c)
{
    int m = mode(c);

    if (m == 0 && c->write_msb)
        return false; /* the first byte of a new count stops mode 0 */
    return c->running && (c->gate || m == 1 || m == 5);
}

/* Modes 0, 1, 4, 5: the count expires once, and goes on past zero. */
static void count_once(struct pit_counter *c, uint64_t n)
{
    bool strobe = mode(c) >= 4;

    if (c->live && n >= c->count) {
        c->live = false;
        set_out(c, !strobe);
        if (strobe && n > c->count)
            set_out(c, true);
    }
    if (n <= c->count)
        c->count -= n;
    else
        c->count = (modulus(c) - (n - c->count) % modulus(c)) % modulus(c);
}

/* Mode 2: the output is low while the count is 1. */
static void count_rate(struct pit_counter *c, uint64_t n)
{
    if (n < c->count) {
        c->count -= n;
    } else {
        n -= c->count;
        c->rises += 1 + n / c->reload;
        c->count = c->reload - n % c->reload;
        c->null_count = false;
    }
    c->out = c->count != 1;
}

/* Mode 3: the output changes each time that half a period is over. */
static void count_wave(struct pit_counter *c, uint64_t n)
{
    if (n < c->count) {
        c->count -= n;
        return;
    }
    n -= c->count;
    c->rises += n / c->reload;
    n %= c->reload;
    set_out(c, !c->out);
    if (n >= half(c)) {
        n -= half(c);
        set_out(c, !c->out);
    }
    c->count = half(c) - n;
    c->odd = c->reload & 1;
    c->null_count = false;
}

/* Let n clocks pass. */
static void run(struct pit_counter *c, uint64_t n)
{
    if (n == 0)
        return;
    if (mode(c) >= 4)
        set_out(c, true); /* a strobe lasts one clock, whatever the gate does */
    if (c->load) {
        load(c);
        n--;
    }
    if (n == 0 || !enabled(c))
        return;
    if (mode(c) == 2)
        count_rate(c, n);
    else if (mode(c) == 3)
        count_wave(c, n);
    else
        count_once(c, n);
}

/* Clocks until the output next changes for more than a clock: in modes 2, 4 and 5 until the end of
 * the low pulse. */
static uint64_t next_edge(const struct pit_counter *c)
{
    bool strobe = mode(c) >= 4;

    if (strobe && !c->out)
        return 1;
    if (c->load)
        return 1 + (mode(c) == 3 ? half(c) : c->reload) + strobe;
    if (!enabled(c) || (mode(c) != 2 && mode(c) != 3 && !c->live))
        return NEVER;
    return c->count + strobe;
}

static void set_wire(struct pit *p, bool level)
{
    p->s.wire = level;
    irq_set(&p->irq0, level);
}

/*
 * Let the wire follow counter 0's output. A rise is made from a low level even if the fall before
 * it went by unseen, as in mode 2, where it is one clock long. Rises that the host was too late
 * for are made one by one, with time between them for the guest to take each.
 */
static void drive_wire(struct pit *p)
{
    struct pit_counter *c = &p->s.counter[0];

    p->s.owed += p->s.idle ? 0 : c->rises;
    c->rises = 0;
    if (p->s.owed > PIT_OWED_MAX)
        p->s.owed = PIT_OWED_MAX;
    if (!c->out) {
        set_wire(p, false);
    } else if (p->s.owed && p->s.tick >= p->s.quiet) {
        p->s.owed--;
        p->s.quiet = p->s.tick + WIRE_MIN_GAP;
        if (p->s.owed && c->reload / 4 > WIRE_MIN_GAP)
            p->s.quiet = p->s.tick + c->reload / 4;
        set_wire(p, false);
        set_wire(p, true);
    }
}

/* Bring everything up to now. */
static void sync(struct pit *p)
{
    uint64_t now = clock_cycles(clock_now(p->clock), PIT_HZ);

    for (int i = 0; i < 3; i++)
        run(&p->s.counter[i], now - p->s.tick);
    p->s.tick = now;
    drive_wire(p);
}

/* After each access: pass on what it did to counter 0, and see when to look again. */
static void update(struct pit *p)
{
    struct pit_counter *c = &p->s.counter[0];
    uint64_t wait, at;

    drive_wire(p);
    wait = p->s.owed && c->out ? 1 : next_edge(c);
    at = p->s.tick + wait;
    if (at < p->s.quiet)
        at = p->s.quiet;
    if (wait == NEVER || p->s.idle)
        clock_arm(p->clock, &p->timer, CLOCK_NEVER);
    else
        clock_arm(p->clock, &p->timer, clock_at_cycle(at, PIT_HZ));
}

/* Rises of an idle timer are lost. A rise that the guest has not taken yet makes the timer idle
 * only when the next is due, so that a host which is late with both makes up for them. */
static void set_heard(void *to, int n, bool level)
{
    struct pit *p = to;
    bool woken = level && p->s.idle;

    /* This comes first, as a rise below may be answered by another call. */
    p->s.heard = level ? p->s.heard | 1 << n : p->s.heard & ~(1 << n);
    if (woken) {
        sync(p);
        p->s.idle = false;
        update(p);
    }
}

static void timer_fire(struct timer *t)
{
    struct pit *p = container_of(t, struct pit, timer);
    bool heard = p->s.heard;

    sync(p);
    p->s.idle = !heard;
    update(p);
}

/* The counting element as the guest sees it. */
static uint16_t element(const struct pit_counter *c)
{
    uint32_t v = c->count;
    uint16_t bcd = 0;

    /* Mode 3 counts by two, from the count less its odd one, and shows 0 in the odd clock. */
    if (mode(c) == 3 && c->running)
        v = 2 * v - 2 * (c->odd && c->out);
    if (!(c->control & BCD))
        return v;
    for (int shift = 0; shift < 16; shift += 4, v /= 10)
        bcd |= v % 10 << shift;
    return bcd;
}

static void latch_count(struct pit_counter *c)
{
    if (!c->latched)
        c->latch = element(c);
    c->latched = true;
}

static void latch_status(struct pit_counter *c)
{
    if (!c->status_held)
        c->status =
            (c->out ? STATUS_OUT : 0) | (c->null_count ? STATUS_NULL_COUNT : 0) | c->control;
    c->status_held = true;
}

static uint8_t read_counter(struct pit_counter *c)
{
    uint16_t v = c->latched ? c->latch : element(c);
    bool both = (c->control & RW) == RW;
    bool msb = both ? c->read_msb : (c->control & RW) == RW_MSB;

    if (c->status_held) {
        c->status_held = false;
        return c->status;
    }
    c->read_msb = both && !msb;
    if (!c->read_msb)
        c->latched = false;
    return msb ? v >> 8 : v;
}

/* A whole count has been written. */
static void set_count(struct pit_counter *c, uint16_t val)
{
    int m = mode(c);
    uint32_t n = val;

    if (c->control & BCD)
        n = (val >> 12) * 1000 + (val >> 8 & 15) * 100 + (val >> 4 & 15) * 10 + (val & 15);
    if (n == 0)
        n = modulus(c);
    if (n == 1 && (m == 2 || m == 3))
        n = 2;
    c->reload = n;
    c->null_count = true;
    if (m == 0)
        set_out(c, false);
    /* Modes 1 and 5 wait for a trigger; 2 and 3, once running, for the end of their cycle. */
    if (m == 0 || m == 4 || (!c->running && m != 1 && m != 5))
        c->load = true;
}

static void write_counter(struct pit_counter *c, uint8_t val)
{
    if ((c->control & RW) == RW_LSB) {
        set_count(c, val);
    } else if ((c->control & RW) == RW_MSB) {
        set_count(c, val << 8);
    } else if (c->write_msb) {
        c->write_msb = false;
        set_count(c, val << 8 | c->lsb);
    } else {
        c->write_msb = true;
        c->lsb = val;
        if (mode(c) == 0)
            set_out(c, false);
    }
}

static void write_control(struct pit *p, uint8_t val)
{
    struct pit_counter *c = &p->s.counter[val >> SC_SHIFT];

    if ((val & READ_BACK) == READ_BACK) {
        for (int i = 0; i < 3; i++) {
            if ((val & READ_BACK_COUNTER_0 << i) && !(val & READ_BACK_COUNT_N))
                latch_count(&p->s.counter[i]);
            if ((val & READ_BACK_COUNTER_0 << i) && !(val & READ_BACK_STATUS_N))
                latch_status(&p->s.counter[i]);
        }
    } else if ((val & RW) == 0) {
        latch_count(c);
    } else {
        *c = (struct pit_counter){
            .control = val & ~READ_BACK, .gate = c->gate, .out = c->out, .null_count = true};
        set_out(c, mode(c) != 0);
        if (c == &p->s.counter[0])
            p->s.owed = p->s.quiet = 0; /* what is owed belongs to the old programming */
    }
}

static void set_gate(struct pit_counter *c, bool level)
{
    int m = mode(c);

    if (level && !c->gate && c->reload && m != 0 && m != 4)
        c->load = true; /* a trigger */
    if (!level && (m == 2 || m == 3))
        set_out(c, true);
    c->gate = level;
}

static uint64_t pit_read(struct device *d, uint64_t off, int size)
{
    struct pit *p = container_of(d, struct pit, dev);
    uint8_t val;

    (void)size;
    if (off >= CONTROL)
        return 0xff; /* the control word cannot be read: nobody drives the bus */
    sync(p);
    val = read_counter(&p->s.counter[off]);
    update(p);
    return val;
}

static void pit_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct pit *p = container_of(d, struct pit, dev);

    (void)size;
    sync(p);
    if (off >= CONTROL)
        write_control(p, val);
    else
        write_counter(&p->s.counter[off], val);
    update(p);
}

static uint64_t port61_read(struct device *d, uint64_t off, int size)
{
    struct pit *p = container_of(d, struct pit, port61);

    (void)off, (void)size;
    sync(p);
    update(p);
    return p->s.control | (p->s.tick / REFRESH_CLOCKS & 1 ? REFRESH : 0) |
           (p->s.counter[2].out ? OUT2 : 0);
}

static void port61_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct pit *p = container_of(d, struct pit, port61);

    (void)off, (void)size;
    sync(p);
    p->s.control = val & PORT61_WRITABLE;
    set_gate(&p->s.counter[2], val & GATE2);
    update(p);
}

/*
 * The 8254 has no reset pin and wakes up undefined, so this is the state in which firmware leaves
 * it, but standing still: mode 3, output high. The wire is low, and follows the output from its
 * next change on, so that neither a reset nor the first control word is an interrupt.
 */
static void pit_reset(struct device *d)
{
    struct pit *p = container_of(d, struct pit, dev);

    for (int i = 0; i < 3; i++)
        p->s.counter[i] =
            (struct pit_counter){.control = RW | 3 << M_SHIFT, .gate = i < 2, .out = true};
    p->s.tick = clock_cycles(clock_now(p->clock), PIT_HZ);
    p->s.owed = p->s.quiet = 0;
    p->s.control = 0;
    set_wire(p, false);
    clock_arm(p->clock, &p->timer, CLOCK_NEVER);
}

static void pit_restored(struct device *d)
{
    struct pit *p = container_of(d, struct pit, dev);

    set_wire(p, p->s.wire);
    clock_changed(p->clock);
}

void pit_init(struct pit *p, struct clock *c, struct irq irq0)
{
    *p = (struct pit){
        .dev = {.name = "pit",
                .read = pit_read,
                .write = pit_write,
                .reset = pit_reset,
                .state = &p->s,
                .state_size = sizeof(p->s),
                .restored = pit_restored},
        .port61 = {.name = "port61", .read = port61_read, .write = port61_write},
        .clock = c,
        .irq0 = irq0,
        .s.heard = (1 << PIT_HEARERS) - 1,
    };
    clock_add_state(c, &p->timer, &p->s.deadline, timer_fire);
    pit_reset(&p->dev);
}

struct irq pit_heard(struct pit *p, int n)
{
    assert(n >= 0 && n < PIT_HEARERS);
    return (struct irq){set_heard, p, n};
}
