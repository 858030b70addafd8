// SPDX-License-Identifier: MIT
/*
 * MC146818A real-time clock with CMOS RAM, as on a PC: a 32768 Hz crystal, the century at 0x32.
 *
 * After: Motorola MC146818A data sheet, "Address Map", "Time, Calendar, and Alarm Locations",
 * "Interrupts", "Divider Stages", "Update Cycle" and "Registers"; IBM PC AT Technical Reference,
 * "Real-Time Clock/CMOS RAM Information".
 * Left out: the square wave, whose pin is not connected; daylight saving, which no system uses
 * (DSE reads back); the 2 ms that an update takes (it is over at once, but UIP warns of it);
 * a day of week that disagrees with the date. An alarm hours ahead does not follow a step of the
 * host's calendar until the chip is next used.
 */
#include "hw/rtc.h"

enum { /* registers; those before A alternate between time and alarm */
    SECONDS = 0,
    MINUTES = 2,
    HOURS = 4,
    ALARM = 1, /* added to one of these */
    DAY_OF_WEEK = 6,
    DATE = 7,
    MONTH = 8,
    YEAR = 9,
    A = 0x0a,
    B = 0x0b,
    C = 0x0c,
    D = 0x0d,
    CENTURY = 0x32,
};

enum { /* what firmware leaves in RAM */
    BASE_KIB = 0x15,
    EXTENDED_KIB = 0x17,
    CHECKSUM = 0x2e, /* of 0x10..0x2d, high byte first */
    EXTENDED_KIB_2 = 0x30,
    ABOVE_16M = 0x34,
    ABOVE_4G = 0x5b,
};

enum { /* register A */
    UIP = 0x80,
    DV = 0x70,
    DV_32768_HZ = 0x20, /* the last of those that count; the others reset or test the divider */
    RS = 0x0f,
};

enum { /* register B */
    SET = 0x80,
    PIE = 0x40,
    AIE = 0x20,
    UIE = 0x10,
    SQWE = 0x08,
    DM = 0x04,
    HOUR_24 = 0x02,
};

enum { /* register C: the flags stand where B has their enables */
    IRQF = 0x80,
    PF = 0x40,
    AF = 0x20,
    UF = 0x10,
};

enum {
    VRT = 0x80,   /* register D */
    PM = 0x80,    /* hours, when they are 12 */
    ANY = 0xc0,   /* alarm: both bits set is "don't care" */
    INDEX = 0x7f, /* port 0x70; bit 7 masks NMI, of which there is none */
    CRYSTAL_HZ = 32768,
    UIP_NS = 244000, /* how long before an update UIP is set */
};

#define DAY INT64_C(86400)

/* Days from 0000-03-01, from where years are easiest to count, to 1970-01-01. */
#define EPOCH INT64_C(719468)

/* The chip's calendar begins at 0000-03-01: a time before that is taken for it. */
static int64_t since_year_0(int64_t t)
{
    return t > -EPOCH * DAY ? t : -EPOCH * DAY;
}

/* The chip's time in seconds, and the fraction. */
static int64_t time_now(struct rtc *r, uint32_t *ns)
{
    int64_t s = clock_calendar(r->clock, ns) + r->s.offset;

    *ns += r->s.phase;
    if (*ns >= NS_PER_SECOND) {
        *ns -= NS_PER_SECOND;
        s++;
    }
    return since_year_0(s);
}

static bool divider_runs(const struct rtc *r)
{
    return (r->s.cmos[A] & DV) <= DV_32768_HZ;
}

/* Does the time advance? While it does not, it is in cmos[], as the guest writes it. */
static bool running(const struct rtc *r)
{
    return divider_runs(r) && !(r->s.cmos[B] & SET);
}

static bool is_time(int index)
{
    return index == SECONDS || index == MINUTES || index == HOURS ||
           (index >= DAY_OF_WEEK && index <= YEAR) || index == CENTURY;
}

static uint8_t encode(const struct rtc *r, int v)
{
    return r->s.cmos[B] & DM ? v : v / 10 << 4 | v % 10;
}

static int decode(const struct rtc *r, uint8_t v)
{
    return r->s.cmos[B] & DM ? v : (v >> 4) * 10 + (v & 15);
}

static uint8_t encode_hours(const struct rtc *r, int h)
{
    if (r->s.cmos[B] & HOUR_24)
        return encode(r, h);
    return encode(r, h % 12 ? h % 12 : 12) | (h >= 12 ? PM : 0);
}

static int decode_hours(const struct rtc *r, uint8_t v)
{
    if (r->s.cmos[B] & HOUR_24)
        return decode(r, v);
    return decode(r, v & ~PM) % 12 + (v & PM ? 12 : 0);
}

/* Days from 0000-03-01 to the first of March of year y. */
static int64_t days_to_march(int64_t y)
{
    return 365 * y + y / 4 - y / 100 + y / 400;
}

/* Put a time into the registers. */
static void store_time(struct rtc *r, int64_t t)
{
    int64_t days, y;
    int s, m;

    t += EPOCH * DAY;
    days = t / DAY;
    s = t % DAY;
    r->s.cmos[SECONDS] = encode(r, s % 60);
    r->s.cmos[MINUTES] = encode(r, s / 60 % 60);
    r->s.cmos[HOURS] = encode_hours(r, s / 3600);
    r->s.cmos[DAY_OF_WEEK] = (days + 3) % 7 + 1; /* Sunday is 1, and 0000-03-01 a Wednesday */
    y = days * 400 / 146097; /* by the mean length of a year, and never too high */
    if (days_to_march(y + 1) <= days)
        y++;
    days -= days_to_march(y);
    m = (5 * days + 2) / 153; /* months of 31, 30, 31, 30, 31 days, 0 is March */
    r->s.cmos[DATE] = encode(r, days - (153 * m + 2) / 5 + 1);
    r->s.cmos[MONTH] = encode(r, m < 10 ? m + 3 : m - 9);
    y += m >= 10;
    r->s.cmos[YEAR] = encode(r, y % 100);
    r->s.cmos[CENTURY] = encode(r, y / 100 % 100);
}

/* Go on from the time in the registers; digits and dates that do not exist carry over. */
static void load_time(struct rtc *r)
{
    int64_t y = decode(r, r->s.cmos[CENTURY]) * 100 + decode(r, r->s.cmos[YEAR]);
    int m = (decode(r, r->s.cmos[MONTH]) + 9) % 12;
    int64_t days, t;
    uint32_t ns;

    if (m >= 10 && y > 0)
        y--;
    days = days_to_march(y) + (153 * m + 2) / 5 + decode(r, r->s.cmos[DATE]) - 1 - EPOCH;
    t = since_year_0(days * DAY + decode_hours(r, r->s.cmos[HOURS]) * 3600 +
                     decode(r, r->s.cmos[MINUTES]) * 60 + decode(r, r->s.cmos[SECONDS]));
    r->s.offset += t - time_now(r, &ns);
    r->s.second = t;
}

/* The divider starts anew: the first update is half a second away. */
static void start_divider(struct rtc *r)
{
    uint32_t ns;

    clock_calendar(r->clock, &ns);
    r->s.phase = (NS_PER_SECOND + NS_PER_SECOND / 2 - ns) % NS_PER_SECOND;
}

/* Does the alarm match v of a unit of time (SECONDS, MINUTES, HOURS)? */
static bool matches(const struct rtc *r, int unit, int v)
{
    uint8_t alarm = r->s.cmos[unit + ALARM];

    return (alarm & ANY) == ANY || alarm == (unit == HOURS ? encode_hours(r, v) : encode(r, v));
}

/* Seconds from t until the alarm next matches, up to a day; 0 if it never does. */
static int alarm_wait(const struct rtc *r, int64_t t)
{
    int s = 0;

    while (!matches(r, SECONDS, s))
        if (++s == 60)
            return 0;
    for (int wait = 1; wait <= DAY;) {
        s = (t + wait + EPOCH * DAY) % DAY;
        if (!matches(r, HOURS, s / 3600))
            wait += 3600 - s % 3600;
        else if (!matches(r, MINUTES, s / 60 % 60))
            wait += 60 - s % 60;
        else if (!matches(r, SECONDS, s % 60))
            wait++;
        else
            return wait;
    }
    return 0;
}

/* Crystal cycles from one periodic interrupt to the next; 0 if there is none. */
static uint64_t period(const struct rtc *r)
{
    int rs = r->s.cmos[A] & RS;

    if (rs == 0 || !divider_runs(r))
        return 0;
    return UINT64_C(1) << (rs < 3 ? rs + 6 : rs - 1);
}

/* Set the flags of what has happened since the last time. */
static void sync(struct rtc *r)
{
    uint64_t cycle = clock_cycles(clock_now(r->clock), CRYSTAL_HZ), n = period(r);
    uint32_t ns;
    int64_t t = time_now(r, &ns);

    if (n && cycle / n != r->s.cycle / n)
        r->s.cmos[C] |= PF;
    r->s.cycle = cycle;
    if (running(r) && t > r->s.second) {
        int wait = alarm_wait(r, r->s.second);

        r->s.cmos[C] |= UF | (wait && wait <= t - r->s.second ? AF : 0);
    }
    r->s.second = t;
}

/* ns on the clock when the chip's time will be t seconds. */
static uint64_t deadline_of(struct rtc *r, int64_t t)
{
    uint32_t ns;
    int64_t left = (t - time_now(r, &ns)) * (int64_t)NS_PER_SECOND;

    return clock_after(clock_now(r->clock), left > ns ? left - ns : 0);
}

static void drive_wire(struct rtc *r)
{
    irq_set(&r->irq8, r->s.cmos[B] & r->s.cmos[C] & (PF | AF | UF));
}

/* After each access: drive the wire, and see when the next interrupt is due. */
static void update(struct rtc *r)
{
    uint8_t idle = r->s.cmos[B] & ~r->s.cmos[C]; /* enabled and not pending */
    uint64_t n = period(r), next = CLOCK_NEVER, at;
    int wait;

    drive_wire(r);
    if ((idle & PIE) && n) {
        n = (r->s.cycle / n + 1) * n;
        next = clock_at_cycle(n, CRYSTAL_HZ);
    }
    if ((idle & (AIE | UIE)) && running(r)) {
        wait = idle & UIE ? 1 : alarm_wait(r, r->s.second);
        at = wait ? deadline_of(r, r->s.second + wait) : CLOCK_NEVER;
        next = at < next ? at : next;
    }
    clock_arm(r->clock, &r->timer, next);
}

static void timer_fire(struct timer *t)
{
    struct rtc *r = container_of(t, struct rtc, timer);

    sync(r);
    update(r);
}

static uint8_t read_register(struct rtc *r)
{
    uint8_t val;
    uint32_t ns;
    int64_t t = time_now(r, &ns);

    if (is_time(r->s.index) && running(r))
        store_time(r, t);
    val = r->s.cmos[r->s.index];
    if (r->s.index == A && running(r) && ns >= NS_PER_SECOND - UIP_NS)
        val |= UIP;
    if (r->s.index == C) {
        val |= r->s.cmos[B] & val & (PF | AF | UF) ? IRQF : 0;
        r->s.cmos[C] = 0;
    }
    return val;
}

static void write_register(struct rtc *r, uint8_t val)
{
    bool ran = running(r), divided = divider_runs(r);

    if (ran)
        store_time(r, r->s.second); /* before the data mode changes */
    if (r->s.index == A) {
        r->s.cmos[A] = val & ~UIP;
        if (!divided && divider_runs(r))
            start_divider(r);
    } else if (r->s.index == B) {
        r->s.cmos[B] = val & SET ? val & ~UIE : val;
    } else if (r->s.index != C && r->s.index != D) {
        r->s.cmos[r->s.index] = val;
    }
    if (running(r) && (!ran || is_time(r->s.index)))
        load_time(r);
}

static uint64_t rtc_read(struct device *d, uint64_t off, int size)
{
    struct rtc *r = container_of(d, struct rtc, dev);
    uint8_t val;

    (void)size;
    if (off == 0)
        return 0xff; /* a PC's index register cannot be read */
    sync(r);
    val = read_register(r);
    update(r);
    return val;
}

static void rtc_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct rtc *r = container_of(d, struct rtc, dev);

    (void)size;
    if (off == 0) {
        r->s.index = val & INDEX;
        return;
    }
    sync(r);
    write_register(r, val);
    update(r);
}

static void rtc_reset(struct device *d)
{
    struct rtc *r = container_of(d, struct rtc, dev);

    sync(r);
    r->s.cmos[B] &= ~(PIE | AIE | UIE | SQWE);
    r->s.cmos[C] = 0;
    update(r);
}

static void rtc_restored(struct device *d)
{
    struct rtc *r = container_of(d, struct rtc, dev);

    drive_wire(r);
    clock_changed(r->clock);
}

/* n bytes from a register up, low byte first; all ones if val is too great. */
static void store_size(struct rtc *r, int reg, int n, uint64_t val)
{
    if (val >> 8 * n)
        val = UINT64_MAX;
    for (int i = 0; i < n; i++)
        r->s.cmos[reg + i] = val >> 8 * i;
}

void rtc_set_memory(struct rtc *r, uint64_t low_bytes, uint64_t high_bytes)
{
    uint64_t kib = low_bytes >> 10;
    uint16_t sum = 0;

    store_size(r, BASE_KIB, 2, kib < 640 ? kib : 640);
    store_size(r, EXTENDED_KIB, 2, kib > 1024 ? kib - 1024 : 0);
    store_size(r, EXTENDED_KIB_2, 2, kib > 1024 ? kib - 1024 : 0);
    store_size(r, ABOVE_16M, 2, kib > 16384 ? (kib - 16384) >> 6 : 0);
    store_size(r, ABOVE_4G, 3, high_bytes >> 16);
    for (int i = 0x10; i < CHECKSUM; i++)
        sum += r->s.cmos[i];
    r->s.cmos[CHECKSUM] = sum >> 8;
    r->s.cmos[CHECKSUM + 1] = sum;
}

void rtc_init(struct rtc *r, struct clock *c, struct irq irq8)
{
    uint32_t ns;

    *r = (struct rtc){
        .dev = {.name = "rtc",
                .read = rtc_read,
                .write = rtc_write,
                .reset = rtc_reset,
                .state = &r->s,
                .state_size = sizeof(r->s),
                .restored = rtc_restored},
        .clock = c,
        .irq8 = irq8,
        .s.cmos = {[A] = DV_32768_HZ | 6, [B] = HOUR_24, [D] = VRT}, /* as firmware does: 1024 Hz */
    };
    clock_add_state(c, &r->timer, &r->s.deadline, timer_fire);
    r->s.second = time_now(r, &ns);
    rtc_reset(&r->dev);
}
