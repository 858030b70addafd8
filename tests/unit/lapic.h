/* SPDX-License-Identifier: MIT */
/*
 * For tests of local APICs: four on one bus, with an IOAPIC, and a clock turned by hand.
 */
#ifndef TESTS_UNIT_LAPIC_H
#define TESTS_UNIT_LAPIC_H

#include "hw/bus.h"
#include "hw/ioapic.h"
#include "hw/lapic.h"
#include "tests/unit/test.h"

#define BASE UINT64_C(0xfee00000)
#define EN   UINT64_C(0x800)
#define EXTD UINT64_C(0x400)
#define BSP  UINT64_C(0x100)

enum {
    CPUS = 4
};

enum { /* offsets */
    ID = 0x20,
    VERSION = 0x30,
    TPR = 0x80,
    APR = 0x90,
    PPR = 0xa0,
    EOI = 0xb0,
    LDR = 0xd0,
    DFR = 0xe0,
    SVR = 0xf0,
    ISR = 0x100,
    TMR = 0x180,
    IRR = 0x200,
    ESR = 0x280,
    ICR = 0x300,
    ICR_HIGH = 0x310,
    TIMER = 0x320,
    THERMAL = 0x330,
    PERFORMANCE = 0x340,
    LINT0 = 0x350,
    LINT1 = 0x360,
    ERROR = 0x370,
    INITIAL = 0x380,
    CURRENT = 0x390,
    DIVIDE = 0x3e0,
    MASK = 0x10000,
    BY_1 = 0xb,
};

enum { /* ICR */
    ASSERT = 0x4000,
    LEVEL = 0x8000,
    LOGICAL = 0x800,
    SELF = 1 << 18,
    ALL = 2 << 18,
    OTHERS = 3 << 18,
    LOWEST = 0x100,
    NMI = 0x400,
    INIT = 0x500,
    STARTUP = 0x600,
};

static struct test_cpu {
    struct lapic lapic;
    struct bus bus;
    bool intr;
    int rises, nmis, inits, startups, eois;
    uint8_t page;
    int ended;
} cpu[CPUS];

static struct lapic *all[CPUS];
static struct ioapic io;
static struct test_clock test_clock;

static inline void intr(void *to, bool level)
{
    struct test_cpu *c = to;

    CHECK(level != c->intr); /* on change only */
    c->intr = level;
    c->rises += level;
}

static inline void nmi(void *to)
{
    ((struct test_cpu *)to)->nmis++;
}

static inline void init(void *to)
{
    ((struct test_cpu *)to)->inits++;
}

static inline void startup(void *to, uint8_t vector)
{
    struct test_cpu *c = to;

    c->startups++;
    c->page = vector;
}

static inline void eoi(void *to, int vector)
{
    struct test_cpu *c = to;

    c->eois++;
    c->ended = vector;
    ioapic_eoi(&io, vector);
}

static inline void ipi(void *to, const struct lapic_message *m)
{
    (void)to;
    lapic_bus_send(all, CPUS, m);
}

static inline void send_msi(void *to, uint64_t addr, uint32_t data)
{
    struct lapic_message m;

    (void)to;
    if (lapic_message_from_msi(addr, data, &m))
        lapic_bus_send(all, CPUS, &m);
}

/* As after power-on. */
static inline void set_up_with(const uint32_t *ids)
{
    test_clock_init(&test_clock);
    memset(cpu, 0, sizeof(cpu));
    ioapic_init(&io, 0, (struct ioapic_out){.send = send_msi});
    for (int i = 0; i < CPUS; i++) {
        struct lapic_out out = {intr, nmi, init, startup, eoi, ipi, &cpu[i]};

        all[i] = &cpu[i].lapic;
        lapic_init(all[i], ids[i], &test_clock.clock, i == 0, out);
        bus_attach(&cpu[i].bus, BASE, 0x1000, &all[i]->dev);
    }
}

static inline uint32_t get_of(int i, int reg)
{
    return bus_read(&cpu[i].bus, BASE + reg, 4);
}

static inline void put_of(int i, int reg, uint32_t val)
{
    bus_write(&cpu[i].bus, BASE + reg, 4, val);
}

static inline uint32_t get(int reg)
{
    return get_of(0, reg);
}

static inline void put(int reg, uint32_t val)
{
    put_of(0, reg, val);
}

/* And enabled by software. */
static inline void set_up(void)
{
    set_up_with((const uint32_t[]){0, 1, 2, 3});
    for (int i = 0; i < CPUS; i++)
        put_of(i, SVR, 0x1ff);
}

static inline bool wrmsr(uint32_t msr, uint64_t val)
{
    return lapic_wrmsr(all[0], msr, val);
}

/* 0xbad when that is #GP. */
static inline uint64_t rdmsr(uint32_t msr)
{
    uint64_t val;

    return lapic_rdmsr(all[0], msr, &val) ? val : 0xbad;
}

static inline void go_x2apic(void)
{
    for (int i = 0; i < CPUS; i++)
        CHECK(lapic_wrmsr(all[i], LAPIC_MSR_BASE, BASE | EN | EXTD));
}

static inline void message_to(int i, int vector, bool level)
{
    struct lapic_message m = {.mode = LAPIC_FIXED, .vector = vector, .level = level};

    lapic_receive(all[i], &m);
}

static inline void interrupt(int vector)
{
    message_to(0, vector, false);
}

static inline int ack(void)
{
    CHECK_EQ(cpu[0].intr, all[0]->intr);
    return lapic_ack(all[0]);
}

/* Take what there is, and end it. */
static inline int take(int i)
{
    int vector = lapic_ack(all[i]);

    if (vector >= 0 && !lapic_wrmsr(all[i], 0x80b, 0))
        put_of(i, EOI, 0);
    return vector;
}

static inline bool bit(int i, int bits, int vector)
{
    return get_of(i, bits + vector / 32 * 16) >> vector % 32 & 1;
}

static inline void advance(uint64_t ns)
{
    test_clock_advance(&test_clock, ns);
}

static inline void program_pin(int n, uint64_t e)
{
    struct device *d = &io.dev;

    d->write(d, 0, 4, 0x11 + 2 * n);
    d->write(d, 0x10, 4, e >> 32);
    d->write(d, 0, 4, 0x10 + 2 * n);
    d->write(d, 0x10, 4, e);
}

static inline void pin(int n, bool level)
{
    struct irq irq = ioapic_pin(&io, n);

    irq_set(&irq, level);
}

/* The timer's deadlines while ns pass. */
static inline int deadlines(uint64_t ns)
{
    uint64_t end = test_clock.time + ns;
    int n = 0;

    while (clock_next(&test_clock.clock) <= end) {
        if (clock_next(&test_clock.clock) > test_clock.time)
            test_clock.time = clock_next(&test_clock.clock);
        clock_run(&test_clock.clock);
        if (++n > 1000000)
            break;
    }
    test_clock.time = end;
    return n;
}

#endif
