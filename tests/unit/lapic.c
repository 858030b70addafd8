// SPDX-License-Identifier: MIT
/*
 * Local APICs: four on one bus, with an IOAPIC, and a clock turned by hand.
 */
#include "hw/bus.h"
#include "hw/ioapic.h"
#include "hw/lapic.h"
#include "tests/unit/random.h"
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

static void intr(void *to, bool level)
{
    struct test_cpu *c = to;

    CHECK(level != c->intr); /* on change only */
    c->intr = level;
    c->rises += level;
}

static void nmi(void *to)
{
    ((struct test_cpu *)to)->nmis++;
}

static void init(void *to)
{
    ((struct test_cpu *)to)->inits++;
}

static void startup(void *to, uint8_t vector)
{
    struct test_cpu *c = to;

    c->startups++;
    c->page = vector;
}

static void eoi(void *to, int vector)
{
    struct test_cpu *c = to;

    c->eois++;
    c->ended = vector;
    ioapic_eoi(&io, vector);
}

static void ipi(void *to, const struct lapic_message *m)
{
    (void)to;
    lapic_bus_send(all, CPUS, m);
}

static void send_msi(void *to, uint64_t addr, uint32_t data)
{
    struct lapic_message m;

    (void)to;
    if (lapic_message_from_msi(addr, data, &m))
        lapic_bus_send(all, CPUS, &m);
}

/* As after power-on. */
static void set_up_with(const uint32_t *ids)
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

static uint32_t get_of(int i, int reg)
{
    return bus_read(&cpu[i].bus, BASE + reg, 4);
}

static void put_of(int i, int reg, uint32_t val)
{
    bus_write(&cpu[i].bus, BASE + reg, 4, val);
}

static uint32_t get(int reg)
{
    return get_of(0, reg);
}

static void put(int reg, uint32_t val)
{
    put_of(0, reg, val);
}

/* And enabled by software. */
static void set_up(void)
{
    set_up_with((const uint32_t[]){0, 1, 2, 3});
    for (int i = 0; i < CPUS; i++)
        put_of(i, SVR, 0x1ff);
}

static bool wrmsr(uint32_t msr, uint64_t val)
{
    return lapic_wrmsr(all[0], msr, val);
}

/* 0xbad when that is #GP. */
static uint64_t rdmsr(uint32_t msr)
{
    uint64_t val;

    return lapic_rdmsr(all[0], msr, &val) ? val : 0xbad;
}

static void go_x2apic(void)
{
    for (int i = 0; i < CPUS; i++)
        CHECK(lapic_wrmsr(all[i], LAPIC_MSR_BASE, BASE | EN | EXTD));
}

static void message_to(int i, int vector, bool level)
{
    struct lapic_message m = {.mode = LAPIC_FIXED, .vector = vector, .level = level};

    lapic_receive(all[i], &m);
}

static void interrupt(int vector)
{
    message_to(0, vector, false);
}

static int ack(void)
{
    CHECK_EQ(cpu[0].intr, all[0]->intr);
    return lapic_ack(all[0]);
}

/* Take what there is, and end it. */
static int take(int i)
{
    int vector = lapic_ack(all[i]);

    if (vector >= 0 && !lapic_wrmsr(all[i], 0x80b, 0))
        put_of(i, EOI, 0);
    return vector;
}

static bool bit(int i, int bits, int vector)
{
    return get_of(i, bits + vector / 32 * 16) >> vector % 32 & 1;
}

static void advance(uint64_t ns)
{
    test_clock_advance(&test_clock, ns);
}

static void test_power_on(void)
{
    static const struct {
        int reg;
        uint32_t val;
    } t[] = {
        {ID, 0x03000000},  {VERSION, 0x00050014},
        {TPR, 0},          {APR, 0},
        {PPR, 0},          {EOI, 0},
        {0xc0, 0},         {LDR, 0},
        {DFR, UINT32_MAX}, {SVR, 0xff},
        {ESR, 0},          {ICR, 0},
        {ICR_HIGH, 0},     {TIMER, MASK},
        {THERMAL, MASK},   {PERFORMANCE, MASK},
        {LINT0, MASK},     {LINT1, MASK},
        {ERROR, MASK},     {INITIAL, 0},
        {CURRENT, 0},      {DIVIDE, 0},
    };
    uint64_t val;

    set_up_with((const uint32_t[]){0, 1, 2, 3});
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
        CHECK_EQ(get_of(3, t[i].reg), t[i].val);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(get(ISR + 16 * i) | get(TMR + 16 * i) | get(IRR + 16 * i), 0);
    CHECK_EQ(rdmsr(LAPIC_MSR_BASE), BASE | EN | BSP);
    CHECK(lapic_rdmsr(all[3], LAPIC_MSR_BASE, &val));
    CHECK_EQ(val, BASE | EN);
    CHECK(lapic_mmio(all[0]));
    CHECK(!lapic_extint(all[0]));
    CHECK_EQ(ack(), -1);

    /* Disabled by software: no interrupt, and no mask to be cleared. */
    interrupt(0x30);
    CHECK(!bit(0, IRR, 0x30));
    for (int reg = TIMER; reg <= ERROR; reg += 16) {
        put(reg, 0x30);
        CHECK_EQ(get(reg), MASK | 0x30);
    }
    put(SVR, 0x1ff);
    for (int reg = TIMER; reg <= ERROR; reg += 16) {
        CHECK_EQ(get(reg), MASK | 0x30);
        put(reg, 0x30);
        CHECK_EQ(get(reg), 0x30);
    }
    put(SVR, 0xff);
    for (int reg = TIMER; reg <= ERROR; reg += 16)
        CHECK_EQ(get(reg), MASK | 0x30);
    CHECK_EQ(cpu[0].rises, 0);
}

static void test_register_bits(void)
{
    static const struct {
        int reg;
        uint32_t bits;
    } t[] = {
        {ID, 0},
        {VERSION, 0},
        {TPR, 0xff},
        {LDR, 0xff000000},
        {SVR, 0x3ff},
        {TIMER, 0x700ff},
        {THERMAL, 0x107ff},
        {PERFORMANCE, 0x107ff},
        {LINT0, 0x1a7ff},
        {LINT1, 0x1a7ff},
        {ERROR, 0x100ff},
        {ICR_HIGH, 0xff000000},
        {INITIAL, 0xffffffff},
        {DIVIDE, 0xb},
    };

    set_up();
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        uint32_t was = get(t[i].reg);

        put(t[i].reg, 0xffffffff);
        if (t[i].bits)
            CHECK_EQ(get(t[i].reg), t[i].bits);
        else
            CHECK_EQ(get(t[i].reg), was);
        if (t[i].reg != SVR)
            put(t[i].reg, 0);
        if (t[i].bits && t[i].reg != SVR)
            CHECK_EQ(get(t[i].reg), 0);
    }
    put(DFR, 0);
    CHECK_EQ(get(DFR), 0x0fffffff);
    put(ICR, 0xfff3f7ff); /* mode 7, to CPU 0: nothing comes of it */
    CHECK_EQ(get(ICR), 0xfff3f7ff & 0xccfff & ~0x1000u);
    CHECK_EQ(cpu[0].nmis + cpu[0].inits + cpu[0].startups, 0);
    put(ESR, 0);
    CHECK_EQ(get(ESR), 0);
}

static void test_access_sizes(void)
{
    struct bus *b = &cpu[0].bus;

    set_up();
    put(TPR, 0x5a);
    CHECK_EQ(bus_read(b, BASE + TPR, 1), 0x5a);
    CHECK_EQ(bus_read(b, BASE + TPR + 4, 4), 0);
    CHECK_EQ(bus_read(b, BASE + TPR, 8), 0x5a);
    CHECK_EQ(bus_read(b, BASE + VERSION + 2, 2), 5);
    CHECK_EQ(bus_read(b, BASE + VERSION + 2, 1), 5);
    bus_write(b, BASE + TPR, 1, 0);
    bus_write(b, BASE + TPR, 2, 0);
    bus_write(b, BASE + TPR + 4, 4, 0);
    bus_write(b, BASE + TPR + 1, 4, 0);
    CHECK_EQ(get(TPR), 0x5a);
    bus_write(b, BASE + TPR, 8, UINT64_C(0xffffffff00000021)); /* the bus makes two of it */
    CHECK_EQ(get(TPR), 0x21);
    CHECK_EQ(bus_read(b, BASE + 0xffc, 4), 0);
    interrupt(0x41);
    CHECK_EQ(ack(), 0x41);
    bus_write(b, BASE + EOI, 1, 0);
    CHECK(bit(0, ISR, 0x41));
    bus_write(b, BASE + EOI, 4, 0x12345); /* any value */
    CHECK(!bit(0, ISR, 0x41));
}

static void test_priorities(void)
{
    set_up();
    interrupt(0x31);
    interrupt(0x35);
    interrupt(0x62);
    interrupt(0x62); /* one is as good as two */
    CHECK_EQ(cpu[0].rises, 1);
    CHECK(bit(0, IRR, 0x62));
    CHECK_EQ(get(APR), 0x60);
    CHECK_EQ(ack(), 0x62);
    CHECK(!cpu[0].intr);
    CHECK(!bit(0, IRR, 0x62));
    CHECK(bit(0, ISR, 0x62));
    CHECK_EQ(get(PPR), 0x60);
    interrupt(0x6f); /* of the same class: waits */
    CHECK(!cpu[0].intr);
    interrupt(0x70); /* nests */
    CHECK(cpu[0].intr);
    CHECK_EQ(ack(), 0x70);
    CHECK_EQ(get(PPR), 0x70);
    put(EOI, 0);
    CHECK_EQ(get(PPR), 0x60);
    CHECK(!cpu[0].intr);
    interrupt(0x62); /* again while in service */
    put(EOI, 0);
    CHECK_EQ(ack(), 0x6f);
    put(EOI, 0);
    CHECK_EQ(ack(), 0x62);
    put(EOI, 0);
    CHECK_EQ(ack(), 0x35);
    CHECK(!cpu[0].intr);
    put(EOI, 0);
    CHECK_EQ(take(0), 0x31);
    CHECK_EQ(take(0), -1);
    put(EOI, 0); /* of nothing */
    CHECK_EQ(get(PPR), 0);
    CHECK_EQ(cpu[0].eois, 0);

    /* All vectors, the highest first. */
    for (int v = 16; v < 256; v++)
        interrupt(v);
    for (int v = 255; v >= 16; v--) {
        CHECK(cpu[0].intr);
        CHECK_EQ(take(0), v);
    }
    CHECK(!cpu[0].intr);
}

static void test_task_priority(void)
{
    set_up();
    put(TPR, 0x0f);
    CHECK_EQ(get(PPR), 0x0f);
    CHECK_EQ(get(APR), 0);
    put(TPR, 0x4f);
    CHECK_EQ(lapic_cr8(all[0]), 4);
    CHECK_EQ(get(PPR), 0x4f);
    interrupt(0x4f);
    CHECK(!cpu[0].intr);
    put(TPR, 0x3f);
    CHECK(cpu[0].intr);
    CHECK_EQ(get(APR), 0x40);
    lapic_set_cr8(all[0], 4);
    CHECK_EQ(get(TPR), 0x40);
    CHECK_EQ(get(APR), 0x40);
    CHECK(!cpu[0].intr);
    lapic_set_cr8(all[0], 15);
    interrupt(0xff);
    CHECK(!cpu[0].intr);
    lapic_set_cr8(all[0], 14);
    CHECK_EQ(ack(), 0xff);
    put(TPR, 0xf5);
    CHECK_EQ(get(PPR), 0xf5); /* the task's, of equal classes */
    put(TPR, 0x05);
    CHECK_EQ(get(PPR), 0xf0);
    put(EOI, 0);
    CHECK_EQ(get(PPR), 0x05);
    CHECK_EQ(take(0), 0x4f);
    interrupt(0x10); /* class 1 is the lowest */
    lapic_set_cr8(all[0], 1);
    CHECK(!cpu[0].intr);
    lapic_set_cr8(all[0], 0);
    CHECK_EQ(take(0), 0x10);
}

static void test_spurious(void)
{
    set_up();
    put(SVR, 0x1ef);
    CHECK_EQ(ack(), -1);
    interrupt(0x50);
    CHECK(cpu[0].intr);
    put(TPR, 0x50); /* between INTR and its acknowledgement */
    CHECK_EQ(ack(), 0xef);
    CHECK(!bit(0, ISR, 0xef));
    CHECK_EQ(get(PPR), 0x50);
    put(TPR, 0);
    put(SVR, 0xef);
    CHECK(!cpu[0].intr);
    CHECK_EQ(ack(), -1);
    interrupt(0x51);
    CHECK(!bit(0, IRR, 0x51));
    CHECK(bit(0, IRR, 0x50)); /* held */
    put(SVR, 0x1ef);
    CHECK(cpu[0].intr);
    CHECK_EQ(take(0), 0x50);
}

static void test_esr(void)
{
    set_up();
    put(ERROR, 0xfe);
    interrupt(0x0f);
    CHECK_EQ(get(ESR), 0); /* not before a write */
    CHECK_EQ(take(0), 0xfe);
    interrupt(0x00);
    CHECK_EQ(take(0), -1); /* not before a write, either */
    put(ESR, 0x55);
    CHECK_EQ(get(ESR), 0x40);
    CHECK_EQ(get(ESR), 0x40);
    put(ESR, 0);
    CHECK_EQ(get(ESR), 0);

    put(ICR, SELF | ASSERT | 5);
    CHECK_EQ(take(0), 0xfe);
    put(ESR, 0);
    CHECK_EQ(get(ESR), 0x60);
    put(ICR_HIGH, 1 << 24);
    put(ICR, ASSERT | LOWEST | 0xf);
    CHECK_EQ(take(0), 0xfe);
    put(ESR, 0);
    put_of(1, ESR, 0);
    CHECK_EQ(get(ESR), 0x20);
    CHECK_EQ(get_of(1, ESR), 0x40);
    put(ICR, NMI | 5); /* its vector is nobody's */
    put(ICR, SELF | 0x10);
    CHECK_EQ(take(0), 0x10);
    put(ESR, 0);
    CHECK_EQ(get(ESR), 0);

    for (int reg = 0; reg < 0x1000; reg += 0x10) {
        bool reserved = reg < ID || (reg > VERSION && reg < TPR) || (reg > ESR && reg < ICR) ||
                        (reg > CURRENT && reg < DIVIDE) || reg > DIVIDE;

        put(ESR, 0);
        put(ESR, 0);
        CHECK_EQ(get(ESR), 0);
        get(reg);
        put(ESR, 0);
        CHECK_EQ(get(ESR), reserved ? 0x80 : 0);
        if (reserved) {
            put(reg, 0xffffffff);
            CHECK_EQ(get(reg), 0);
            put(ESR, 0);
            CHECK_EQ(get(ESR), 0x80);
        }
    }

    /* A vector of its own that is illegal: no end to it, were it an error each time. */
    put(ERROR, 0x03);
    get(0);
    put(ESR, 0);
    CHECK_EQ(get(ESR), 0xc0);
    put(TIMER, 0x08);
    put(ERROR, MASK);
    put(INITIAL, 1);
    advance(10);
    put(ESR, 0);
    CHECK_EQ(get(ESR), 0x40);
}

static void test_virtual_wire(void)
{
    set_up_with((const uint32_t[]){0, 1, 2, 3});
    lapic_wire(all[0]);
    CHECK_EQ(get(SVR), 0x1ff);
    CHECK_EQ(get(LINT0), 0x700);
    CHECK_EQ(get(LINT1), 0x400);
    CHECK(lapic_extint(all[0]));
    lapic_lint(all[0], 0, true); /* the CPU asks the PIC, not us */
    CHECK(!cpu[0].intr);
    lapic_lint(all[0], 1, true);
    lapic_lint(all[0], 1, true);
    CHECK_EQ(cpu[0].nmis, 1);
    lapic_lint(all[0], 1, false);
    put(LINT1, LEVEL | 0x400); /* an edge all the same */
    lapic_lint(all[0], 1, true);
    CHECK_EQ(cpu[0].nmis, 2);
    lapic_lint(all[0], 1, false);
    put(LINT1, MASK | 0x400);
    lapic_lint(all[0], 1, true);
    put(LINT1, 0x400);
    CHECK_EQ(cpu[0].nmis, 2);
    put(LINT0, MASK | 0x700);
    CHECK(!lapic_extint(all[0]));
    put(LINT0, 0x700);
    CHECK(lapic_extint(all[0]));
    put(LINT0, 0x400);
    CHECK(!lapic_extint(all[0]));

    /* Without a local APIC the pins are INTR and NMI. */
    lapic_lint(all[0], 1, false);
    CHECK(wrmsr(LAPIC_MSR_BASE, BASE));
    CHECK(lapic_extint(all[0]));
    lapic_lint(all[0], 1, true);
    CHECK_EQ(cpu[0].nmis, 3);
    lapic_lint(all[0], 1, false);
    lapic_lint(all[0], 0, false);
    lapic_lint(all[0], 0, true);
    CHECK_EQ(cpu[0].nmis, 3);
}

static void test_lint_fixed(void)
{
    set_up();
    put(LINT0, 0x44);
    put(LINT1, 0x45);
    lapic_lint(all[0], 0, true);
    lapic_lint(all[0], 1, true);
    CHECK_EQ(take(0), 0x45);
    CHECK_EQ(take(0), 0x44);
    lapic_lint(all[0], 0, true);
    lapic_lint(all[0], 0, false);
    CHECK_EQ(take(0), -1);
    CHECK_EQ(cpu[0].eois, 0);
    put(LINT1, INIT);
    lapic_lint(all[0], 1, false);
    lapic_lint(all[0], 1, true);
    CHECK_EQ(cpu[0].inits, 1);

    /* Levels, on LINT0. */
    lapic_lint(all[0], 0, true);
    take(0);
    put(LINT0, MASK | LEVEL | 0x44);
    CHECK(!cpu[0].intr);
    put(LINT0, LEVEL | 0x44);
    CHECK(cpu[0].intr);
    CHECK_EQ(get(LINT0), LEVEL | 0x4000 | 0x44);
    CHECK(bit(0, TMR, 0x44));
    CHECK_EQ(ack(), 0x44);
    lapic_lint(all[0], 0, false);
    lapic_lint(all[0], 0, true);
    CHECK(!bit(0, IRR, 0x44)); /* not before the EOI */
    put(EOI, 0);
    CHECK(bit(0, IRR, 0x44));
    CHECK_EQ(ack(), 0x44);
    lapic_lint(all[0], 0, false);
    put(EOI, 0);
    CHECK_EQ(get(LINT0), LEVEL | 0x44);
    CHECK(!cpu[0].intr);
    lapic_lint(all[0], 0, true);
    CHECK_EQ(ack(), 0x44);
}

static void program_pin(int n, uint64_t e)
{
    struct device *d = &io.dev;

    d->write(d, 0, 4, 0x11 + 2 * n);
    d->write(d, 0x10, 4, e >> 32);
    d->write(d, 0, 4, 0x10 + 2 * n);
    d->write(d, 0x10, 4, e);
}

static void pin(int n, bool level)
{
    struct irq irq = ioapic_pin(&io, n);

    irq_set(&irq, level);
}

static void test_ioapic(void)
{
    set_up();
    program_pin(4, UINT64_C(2) << 56 | 0x34); /* an edge, to CPU 2 */
    pin(4, true);
    CHECK(cpu[2].intr);
    CHECK(!bit(2, TMR, 0x34));
    CHECK_EQ(take(2), 0x34);
    CHECK_EQ(cpu[2].eois, 0);

    program_pin(9, UINT64_C(1) << 56 | LEVEL | 0x39);
    pin(9, true);
    CHECK(bit(1, TMR, 0x39));
    CHECK_EQ(lapic_ack(all[1]), 0x39);
    CHECK(!cpu[1].intr);
    put_of(1, EOI, 0); /* the pin is still high: there it is again, from within the EOI */
    CHECK_EQ(cpu[1].eois, 1);
    CHECK_EQ(cpu[1].ended, 0x39);
    CHECK(cpu[1].intr);
    CHECK_EQ(lapic_ack(all[1]), 0x39);
    pin(9, false);
    put_of(1, EOI, 0);
    CHECK_EQ(cpu[1].eois, 2);
    CHECK(!cpu[1].intr);

    /* The same vector as an edge, then: TMR follows the last message. */
    message_to(1, 0x39, false);
    CHECK(!bit(1, TMR, 0x39));
    CHECK_EQ(take(1), 0x39);
    CHECK_EQ(cpu[1].eois, 2);

    /* Nested, each EOI is of the highest in service. */
    program_pin(10, UINT64_C(1) << 56 | LEVEL | 0x5a);
    pin(9, true);
    lapic_ack(all[1]);
    pin(10, true);
    lapic_ack(all[1]);
    pin(9, false);
    pin(10, false);
    put_of(1, EOI, 0);
    CHECK_EQ(cpu[1].ended, 0x5a);
    put_of(1, EOI, 0);
    CHECK_EQ(cpu[1].ended, 0x39);

    program_pin(11, UINT64_C(0xff) << 56 | 0x3b); /* to all */
    pin(11, true);
    for (int i = 0; i < CPUS; i++)
        CHECK_EQ(take(i), 0x3b);
    program_pin(12, UINT64_C(3) << 56 | 0x400);
    pin(12, true);
    CHECK_EQ(cpu[3].nmis, 1);
}

static void test_msi(void)
{
    static const struct {
        uint64_t addr;
        uint32_t data;
        bool ok;
        struct lapic_message m;
    } t[] = {
        {0xfee00000, 0x4030, true, {.dest = 0, .mode = LAPIC_FIXED, .vector = 0x30}},
        {0xfee00000, 0x0030, true, {.dest = 0, .mode = LAPIC_FIXED, .vector = 0x30}},
        {0xfee2a000, 0xc031, true, {.dest = 0x2a, .vector = 0x31, .level = true}},
        {0xfee2a000, 0x8031, false, {0}}, /* going down */
        {0xfee03004, 0x4032, true, {.dest = 3, .logical = true, .vector = 0x32}},
        {0xfee0300c, 0x4032, true, {3, true, NULL, LAPIC_LOWEST, 0x32, false}}, /* the hint */
        {0xfee0300c, 0x4132, true, {3, true, NULL, LAPIC_LOWEST, 0x32, false}},
        {0xfeeff000, 0x4033, true, {.dest = LAPIC_BROADCAST, .vector = 0x33}},
        {0xfeeff004, 0x4033, true, {LAPIC_BROADCAST, true, NULL, LAPIC_FIXED, 0x33, false}},
        {0xfee01000, 0x4402, true, {.dest = 1, .mode = LAPIC_NMI, .vector = 2}},
        {0xfee01000, 0xc400, true, {.dest = 1, .mode = LAPIC_NMI}},
        {0xfee01000, 0x4500, true, {.dest = 1, .mode = LAPIC_INIT}},
        {0xfee01000, 0x0500, true, {.dest = 1, .mode = LAPIC_INIT}},
        {0xfee01000, 0x8500, false, {0}},
        {0xfee01000, 0x4200, false, {0}}, /* SMI */
        {0xfee01000, 0x4300, false, {0}},
        {0xfee01000, 0x4600, false, {0}}, /* start-up is for CPUs to send */
        {0xfee01000, 0x4700, false, {0}}, /* ExtINT */
        {0xfed00000, 0x4030, false, {0}},
        {UINT64_C(0x1fee00000), 0x4030, false, {0}},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct lapic_message m = {0};

        CHECK_EQ(lapic_message_from_msi(t[i].addr, t[i].data, &m), t[i].ok);
        if (!t[i].ok)
            continue;
        CHECK_EQ(m.dest, t[i].m.dest);
        CHECK_EQ(m.logical, t[i].m.logical);
        CHECK(!m.except);
        CHECK_EQ(m.mode, t[i].m.mode);
        CHECK_EQ(m.vector, t[i].m.vector);
        CHECK_EQ(m.level, t[i].m.level);
    }
}

/* Who got vector 0x40 by the command? A bit for each CPU. */
static int targets(uint32_t high, uint32_t low)
{
    int who = 0;

    put(ICR_HIGH, high);
    put(ICR, low | 0x40);
    CHECK_EQ(get(ICR) & 0x1000, 0); /* idle at once */
    for (int i = 0; i < CPUS; i++) {
        int vector = take(i);

        CHECK(vector == -1 || vector == 0x40);
        who |= (vector == 0x40) << i;
    }
    return who;
}

static void test_destinations(void)
{
    set_up();
    CHECK_EQ(targets(0, ASSERT), 1);
    CHECK_EQ(targets(2 << 24, ASSERT), 4);
    CHECK_EQ(targets(2 << 24, 0), 4);              /* the level is INIT's alone, */
    CHECK_EQ(targets(2 << 24, LEVEL | ASSERT), 4); /* and so is the trigger mode */
    CHECK(!bit(2, TMR, 0x40));
    CHECK_EQ(targets(9 << 24, ASSERT), 0);
    CHECK_EQ(targets(UINT32_C(0xff) << 24, ASSERT), 15);
    CHECK_EQ(targets(UINT32_C(0xff) << 24, ASSERT | LOGICAL), 15);
    CHECK_EQ(targets(9 << 24, ASSERT | SELF), 1);
    CHECK_EQ(targets(9 << 24, ASSERT | ALL), 15);
    CHECK_EQ(targets(9 << 24, ASSERT | OTHERS), 14);

    /* Flat. */
    for (int i = 0; i < CPUS; i++)
        put_of(i, LDR, UINT32_C(1) << (24 + i));
    CHECK_EQ(targets(0x0a << 24, ASSERT | LOGICAL), 10);
    CHECK_EQ(targets(0x11 << 24, ASSERT | LOGICAL), 1);
    CHECK_EQ(targets(0x10 << 24, ASSERT | LOGICAL), 0);
    CHECK_EQ(targets(0, ASSERT | LOGICAL), 0);

    /* Clusters: 0 and 1 in cluster 1, 2 and 3 in cluster 2. */
    for (int i = 0; i < CPUS; i++) {
        put_of(i, DFR, 0);
        put_of(i, LDR, (i / 2 + 1) << 28 | (1 + i % 2) << 24);
    }
    CHECK_EQ(targets(0x13 << 24, ASSERT | LOGICAL), 3);
    CHECK_EQ(targets(0x1e << 24, ASSERT | LOGICAL), 2);
    CHECK_EQ(targets(0x2f << 24, ASSERT | LOGICAL), 12);
    CHECK_EQ(targets(0x3f << 24, ASSERT | LOGICAL), 0);
    CHECK_EQ(targets(UINT32_C(0xff) << 24, ASSERT | LOGICAL), 15);
    put_of(1, DFR, 0x70000000); /* no model */
    CHECK_EQ(targets(0x13 << 24, ASSERT | LOGICAL), 1);

    /* Who is off gets nothing. */
    put_of(1, SVR, 0xff);
    CHECK(lapic_wrmsr(all[2], LAPIC_MSR_BASE, BASE));
    CHECK_EQ(targets(0, ASSERT | ALL), 9);
}

/* A sender in x2APIC mode, the others not (yet). */
static void test_mixed_destinations(void)
{
    static const struct {
        uint64_t icr;
        int who;
    } t[] = {
        {UINT64_C(2) << 32, 4},
        {UINT64_C(0x102) << 32, 0},
        {UINT64_C(0xff) << 32, 0},
        {UINT64_C(0xffffffff) << 32, 14},
        {UINT64_C(0x06) << 32 | LOGICAL, 6},
        {UINT64_C(0x106) << 32 | LOGICAL, 0},
        {OTHERS, 14},
    };

    set_up();
    for (int i = 0; i < CPUS; i++)
        put_of(i, LDR, UINT32_C(1) << (24 + i));
    CHECK(wrmsr(LAPIC_MSR_BASE, BASE | EN | EXTD));
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        int who = 0;

        CHECK(wrmsr(0x830, t[i].icr | ASSERT | 0x40));
        for (int c = 1; c < CPUS; c++)
            who |= (take(c) == 0x40) << c;
        CHECK_EQ(who, t[i].who);
    }
}

static void test_lowest_priority(void)
{
    set_up();
    CHECK_EQ(targets(0, ASSERT | LOWEST | ALL), 1);
    CHECK_EQ(targets(0, ASSERT | LOWEST | ALL), 1);
    CHECK_EQ(targets(0, ASSERT | LOWEST | OTHERS), 2);
    put_of(0, TPR, 0x20);
    put_of(1, TPR, 0x18);
    put_of(2, TPR, 0x10);
    put_of(3, TPR, 0x10);
    CHECK_EQ(targets(0, ASSERT | LOWEST | ALL), 4);
    message_to(2, 0x90, false);
    CHECK_EQ(lapic_ack(all[2]), 0x90); /* busy with that */
    CHECK_EQ(targets(UINT32_C(0xff) << 24, ASSERT | LOWEST), 8);
    put_of(3, SVR, 0xff);
    CHECK_EQ(targets(UINT32_C(0xff) << 24, ASSERT | LOWEST), 2);
    CHECK_EQ(targets(UINT32_C(0xff) << 24, ASSERT | LOWEST | LOGICAL), 2);
    CHECK_EQ(targets(3 << 24, ASSERT | LOWEST), 0);
    CHECK_EQ(targets(0, ASSERT | LOWEST | SELF), 1);
}

static void test_init_startup(void)
{
    set_up_with((const uint32_t[]){0, 1, 2, 3}); /* a CPU that starts has not enabled its own */
    put(ICR_HIGH, 1 << 24);
    put(ICR, INIT | LEVEL | ASSERT);
    CHECK_EQ(cpu[1].inits, 1);
    put(ICR, INIT | LEVEL); /* de-assert */
    CHECK_EQ(cpu[1].inits, 1);
    put(ICR, INIT);
    CHECK_EQ(cpu[1].inits, 2);
    put(ICR, STARTUP | ASSERT | 0x9a);
    CHECK_EQ(cpu[1].startups, 1);
    CHECK_EQ(cpu[1].page, 0x9a);
    put(ICR, STARTUP | 5); /* no vector of an interrupt: no error */
    CHECK_EQ(cpu[1].page, 5);
    put(ESR, 0);
    CHECK_EQ(get(ESR), 0);
    put(ICR, NMI | ASSERT);
    CHECK_EQ(cpu[1].nmis, 1);
    put(ICR, INIT | ASSERT | OTHERS);
    put(ICR, STARTUP | ASSERT | OTHERS | 0x10);
    put(ICR, INIT | ASSERT | ALL);
    put(ICR, STARTUP | ASSERT | ALL | 0x10);
    put(ICR, INIT | ASSERT | SELF);
    put(ICR, STARTUP | ASSERT | SELF | 0x10);
    put(ICR, INIT | LEVEL | ALL);
    CHECK_EQ(cpu[0].inits + cpu[0].startups, 0);
    for (int i = 1; i < CPUS; i++) {
        CHECK_EQ(cpu[i].inits, i == 1 ? 4 : 2);
        CHECK_EQ(cpu[i].startups, i == 1 ? 4 : 2);
    }
    put(ICR, NMI | ASSERT | SELF);
    put(ICR, NMI | ASSERT | ALL);
    put(ICR, NMI | ASSERT | OTHERS);
    CHECK_EQ(cpu[0].nmis, 2);
    CHECK_EQ(cpu[3].nmis, 2);
    put(ICR_HIGH, 0);
    put(ICR, INIT | ASSERT); /* by its own id it may */
    CHECK_EQ(cpu[0].inits, 1);
    CHECK(lapic_wrmsr(all[1], LAPIC_MSR_BASE, BASE));
    put(ICR_HIGH, 1 << 24);
    put(ICR, INIT | ASSERT);
    CHECK_EQ(cpu[1].inits, 4); /* no local APIC, no messages */
}

/* Give every register something to lose. */
static void scribble(void)
{
    put(LDR, 0x01000000);
    put(DFR, 0);
    put(TPR, 0x20);
    put(TIMER, 0x20000 | 0xec);
    put(DIVIDE, BY_1);
    put(INITIAL, 1000000);
    put(LINT0, 0x700);
    interrupt(0x80);
    CHECK_EQ(ack(), 0x80);
    message_to(0, 0x91, true);
    put(ICR_HIGH, 7 << 24);
    put(ICR, 0x45);
    get(0);
    CHECK(cpu[0].intr);
}

static void check_reset(bool by_msr)
{
    for (int reg = TPR; reg <= DIVIDE; reg += 16) {
        uint32_t want = reg == SVR ? 0xff : reg == DFR ? UINT32_MAX : 0;
        uint64_t val = 0;

        if (reg >= TIMER && reg <= ERROR)
            want = MASK;
        if (!by_msr)
            CHECK_EQ(get(reg), want);
        else if (reg != LDR && lapic_rdmsr(all[0], LAPIC_MSR_X2APIC + reg / 16, &val))
            CHECK_EQ(val, want);
    }
    CHECK(!cpu[0].intr);
    CHECK_EQ(clock_next(&test_clock.clock), CLOCK_NEVER);
}

static void test_resets(void)
{
    set_up();
    scribble();
    lapic_init_reset(all[0]);
    check_reset(false);
    put(SVR, 0x1ff);
    scribble();
    lapic_lint(all[0], 0, true);
    lapic_reset(all[0]);
    check_reset(false);
    CHECK_EQ(rdmsr(LAPIC_MSR_BASE), BASE | EN | BSP);
    put(SVR, 0x1ff);
    put(LINT0, LEVEL | 0x33);
    CHECK(cpu[0].intr); /* the pin is somebody else's */
    lapic_lint(all[0], 0, false);

    /* To be disabled loses everything, too. */
    scribble();
    CHECK(wrmsr(LAPIC_MSR_BASE, BASE));
    CHECK(!cpu[0].intr);
    CHECK(!lapic_mmio(all[0]));
    CHECK_EQ(get(TPR), UINT32_MAX);
    put(SVR, 0x1ff);
    lapic_init_reset(all[0]);
    CHECK_EQ(rdmsr(LAPIC_MSR_BASE), BASE | BSP); /* INIT leaves the mode */
    CHECK(wrmsr(LAPIC_MSR_BASE, BASE | EN));
    check_reset(false);

    put(SVR, 0x1ff);
    scribble();
    CHECK(wrmsr(LAPIC_MSR_BASE, BASE | EN | EXTD));
    CHECK(cpu[0].intr); /* this transition loses nothing */
    CHECK_EQ(rdmsr(0x808), 0x20);
    lapic_init_reset(all[0]);
    CHECK_EQ(rdmsr(LAPIC_MSR_BASE), BASE | EN | EXTD | BSP);
    check_reset(true);
    bus_reset(&cpu[0].bus);
    CHECK_EQ(rdmsr(LAPIC_MSR_BASE), BASE | EN | BSP);
    check_reset(false);
}

static void test_base(void)
{
    static const uint64_t state[] = {0, EN, EN | EXTD};
    static const bool ok[3][4] = {
        /* to off, xAPIC, x2APIC, EXTD alone */
        {true, true, false, false},
        {true, true, true, false},
        {true, false, true, false},
    };

    for (int from = 0; from < 3; from++) {
        for (int to = 0; to < 4; to++) {
            uint64_t next = to < 3 ? state[to] : EXTD;

            set_up();
            CHECK(from != 2 || wrmsr(LAPIC_MSR_BASE, BASE | EN));
            CHECK(wrmsr(LAPIC_MSR_BASE, BASE | state[from]));
            CHECK_EQ(wrmsr(LAPIC_MSR_BASE, BASE | BSP | next), ok[from][to]);
            CHECK_EQ(rdmsr(LAPIC_MSR_BASE), BASE | BSP | (ok[from][to] ? next : state[from]));
        }
    }
    set_up();
    for (int b = 0; b < 64; b++) {
        bool known = UINT64_C(1) << b & (BSP | EXTD | EN | BASE);

        if (!known)
            CHECK(!wrmsr(LAPIC_MSR_BASE, BASE | EN | UINT64_C(1) << b));
    }
    CHECK(!wrmsr(LAPIC_MSR_BASE, UINT64_C(0xfec00000) | EN));
    CHECK(!wrmsr(0x1c, 0));
    CHECK_EQ(rdmsr(0x1c), 0xbad);
    CHECK_EQ(rdmsr(LAPIC_MSR_BASE), BASE | EN | BSP);
}

static void test_x2apic_registers(void)
{
    static const struct {
        int msr;
        bool read, write;
        uint64_t bits; /* that may be written */
    } t[] = {
        {0x802, true, false, 0},
        {0x803, true, false, 0},
        {0x808, true, true, 0xff},
        {0x80a, true, false, 0},
        {0x80b, false, true, 0},
        {0x80d, true, false, 0},
        {0x80f, true, true, 0x3ff},
        {0x828, true, true, 0},
        {0x830, true, true, UINT64_C(0xffffffff000cdfff)},
        {0x832, true, true, 0x710ff},
        {0x833, true, true, 0x117ff},
        {0x834, true, true, 0x117ff},
        {0x835, true, true, 0x1f7ff},
        {0x836, true, true, 0x1f7ff},
        {0x837, true, true, 0x110ff},
        {0x838, true, true, 0xffffffff},
        {0x839, true, false, 0},
        {0x83e, true, true, 0xb},
        {0x83f, false, true, 0xff},
    };

    set_up();
    for (int msr = 0x800; msr < 0x900; msr++) {
        CHECK_EQ(rdmsr(msr), 0xbad); /* not in xAPIC mode */
        CHECK(!wrmsr(msr, 0));
    }
    go_x2apic();
    CHECK(!lapic_mmio(all[0]));
    CHECK_EQ(get(ID), UINT32_MAX);
    for (int msr = 0x7ff; msr <= 0x900; msr++) {
        bool read = msr >= 0x810 && msr < 0x828, write = false;
        uint64_t bits = 0;

        for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
            if (t[i].msr == msr) {
                read = t[i].read;
                write = t[i].write;
                bits = t[i].bits;
            }
        }
        CHECK_EQ(rdmsr(msr) != 0xbad, read);
        CHECK_EQ(wrmsr(msr, 0), write);
        for (int b = 0; b < 64; b++)
            CHECK_EQ(wrmsr(msr, UINT64_C(1) << b), bits >> b & 1);
        wrmsr(msr, 0);
    }
    CHECK(wrmsr(0x830, UINT64_C(0x87654321000cc7ff)));
    CHECK_EQ(rdmsr(0x830), UINT64_C(0x87654321000cc7ff));
    CHECK(wrmsr(0x808, 0x70));
    CHECK_EQ(lapic_cr8(all[0]), 7);
}

static void test_x2apic(void)
{
    static const struct {
        uint32_t id, ldr;
    } t[] = {{0, 1}, {5, 0x20}, {15, 0x8000}, {33, 0x20002}};
    uint64_t val;

    set_up_with((const uint32_t[]){t[0].id, t[1].id, t[2].id, t[3].id});
    for (int i = 0; i < CPUS; i++)
        put_of(i, SVR, 0x1ff);
    go_x2apic();
    for (int i = 0; i < CPUS; i++) {
        CHECK(lapic_rdmsr(all[i], 0x802, &val));
        CHECK_EQ(val, t[i].id);
        CHECK(lapic_rdmsr(all[i], 0x80d, &val));
        CHECK_EQ(val, t[i].ldr);
    }

    static const struct {
        uint64_t icr;
        int who;
    } sent[] = {
        {UINT64_C(5) << 32, 2},
        {UINT64_C(33) << 32, 8},
        {UINT64_C(0xff) << 32, 0}, /* no broadcast here */
        {UINT64_C(0xffffffff) << 32, 15},
        {UINT64_C(0xffffffff) << 32 | LOGICAL, 15},
        {UINT64_C(0x0021) << 32 | LOGICAL, 3},
        {UINT64_C(0xffff) << 32 | LOGICAL, 7},
        {UINT64_C(0x20002) << 32 | LOGICAL, 8},
        {UINT64_C(0x2fffd) << 32 | LOGICAL, 0},
        {UINT64_C(0x10001) << 32 | LOGICAL, 0},
        {UINT64_C(33) << 32 | SELF, 1},
        {UINT64_C(33) << 32 | ALL, 15},
        {UINT64_C(33) << 32 | OTHERS, 14},
        {UINT64_C(0xffff) << 32 | LOGICAL | LOWEST, 1},
    };

    for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
        int who = 0;

        CHECK(wrmsr(0x830, sent[i].icr | ASSERT | 0x40));
        for (int c = 0; c < CPUS; c++)
            if (lapic_ack(all[c]) == 0x40) {
                who |= 1 << c;
                CHECK(lapic_wrmsr(all[c], 0x80b, 0));
            }
        CHECK_EQ(who, sent[i].who);
    }

    CHECK(wrmsr(0x83f, 0x61));
    CHECK_EQ(ack(), 0x61);
    CHECK_EQ(rdmsr(0x810 + 3), 2);
    CHECK(!wrmsr(0x80b, 1));
    CHECK(wrmsr(0x80b, 0));
    CHECK_EQ(rdmsr(0x810 + 3), 0);
    CHECK(wrmsr(0x83f, 0x05));
    CHECK(wrmsr(0x828, 0));
    CHECK_EQ(rdmsr(0x828), 0x60);
    rdmsr(0x801);
    CHECK(wrmsr(0x828, 0));
    CHECK_EQ(rdmsr(0x828), 0); /* #GP, and no error on top of it */

    send_msi(NULL, 0xfee21000, 0x4050); /* messages from devices have 8 bits */
    CHECK_EQ(lapic_ack(all[3]), 0x50);
    send_msi(NULL, 0xfeeff000, 0x4060);
    for (int c = 0; c < CPUS; c++)
        CHECK_EQ(lapic_ack(all[c]), 0x60);
}

/* The timer's deadlines while ns pass. */
static int deadlines(uint64_t ns)
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

    /* One too many CPUs that do it at once. */
    set_up();
    for (int c = 0; c < CPUS; c++) {
        put_of(c, TIMER, 0x20000 | 0xec);
        put_of(c, DIVIDE, BY_1);
        put_of(c, INITIAL, 1);
    }
    CHECK(deadlines(NS_PER_SECOND) <= CPUS * 10000);
}

/* What must be true of an APIC at any time, by its registers. */
static void check_invariants(int i)
{
    struct lapic copy = *all[i];
    int vector = -1, top = -1, served = -1, priority;

    for (int v = 0; v < 256; v++) {
        if (copy.s.irr[v / 32] >> v % 32 & 1)
            top = v;
        if (copy.s.isr[v / 32] >> v % 32 & 1)
            served = v;
    }
    CHECK(top < 0 || !(copy.s.irr[0] & 0xffff));
    CHECK(!(copy.s.isr[0] & 0xffff));
    priority = (int)copy.s.tpr >> 4;
    if (served >> 4 > priority)
        priority = served >> 4;
    if (copy.s.base & EN && copy.s.svr & 0x100 && top >> 4 > priority)
        vector = top;
    CHECK_EQ(cpu[i].intr, vector >= 0);
    CHECK_EQ(copy.intr, cpu[i].intr);
    if (!(copy.s.svr & 0x100))
        for (int n = 0; n < 6; n++)
            CHECK(copy.s.lvt[n] & MASK);

    copy.out.to = &(struct test_cpu){.intr = cpu[i].intr};
    int given = lapic_ack(&copy);

    if (vector >= 0)
        CHECK_EQ(given, vector);
    else
        CHECK(given == -1 || (top >= 0 && given == (int)(copy.s.svr & 0xff)));
}

static void random_message(int i)
{
    static const enum lapic_mode modes[] = {LAPIC_FIXED, LAPIC_FIXED,   LAPIC_LOWEST, LAPIC_NMI,
                                            LAPIC_INIT,  LAPIC_STARTUP, LAPIC_EXTINT};
    struct lapic_message m = {
        .dest = below(2) ? below(0x100) : LAPIC_BROADCAST,
        .logical = below(2),
        .except = below(2) ? all[i] : NULL,
        .mode = PICK(modes),
        .vector = below(256),
        .level = below(2),
    };

    if (below(4))
        lapic_bus_send(all, CPUS, &m);
    else
        send_msi(NULL, 0xfee00000 | below(0x100000), random64());
}

static void random_step(int i)
{
    static const uint64_t bases[] = {BASE, BASE | EN, BASE | EN, BASE | EN | EXTD};
    int reg = below(8) ? (int)below(0x40) * 16 : (int)below(0x1000);
    uint64_t val = random64() >> below(64);

    switch (below(12)) {
    case 0:
        bus_write(&cpu[i].bus, BASE + (reg & ~3), 1 << below(4), val);
        break;
    case 1:
        bus_read(&cpu[i].bus, BASE + (reg & ~7), 1 << below(4));
        break;
    case 2:
        lapic_wrmsr(all[i], LAPIC_MSR_X2APIC + below(0x42), val);
        break;
    case 3:
        lapic_rdmsr(all[i], LAPIC_MSR_X2APIC + below(0x102), &val);
        break;
    case 4:
    case 5:
        random_message(i);
        break;
    case 6:
        deadlines(below(1000000));
        break;
    case 7:
        take(i);
        break;
    case 8:
        lapic_ack(all[i]);
        break;
    case 9:
        lapic_lint(all[i], below(2), below(2));
        pin(below(IOAPIC_PINS), below(2));
        break;
    case 10:
        lapic_set_cr8(all[i], below(16) & below(16) & below(16));
        if (below(4) == 0)
            lapic_set_tsc_offset(all[i], random64() >> below(64));
        lapic_wrmsr(all[i], LAPIC_MSR_TSC_DEADLINE, test_clock.time + below(1000000));
        break;
    default: /* seldom, as most of the rest does nothing while it is off */
        put_of(i, SVR, 0x100 | below(256));
        lapic_wrmsr(all[i], 0x80f, 0x100 | below(256));
        program_pin(below(IOAPIC_PINS), random64());
        if (below(20) == 0)
            lapic_wrmsr(all[i], LAPIC_MSR_BASE, PICK(bases));
        if (below(100) == 0)
            lapic_init_reset(all[i]);
        if (below(100) == 0)
            lapic_reset(all[i]);
    }
}

static void test_random(void)
{
    int taken = 0;

    set_up();
    for (int n = 0; n < 200000 && !test_failures; n++) {
        random_step(below(CPUS));
        for (int i = 0; i < CPUS; i++)
            check_invariants(i);
    }
    for (int i = 0; i < CPUS; i++) {
        CHECK(cpu[i].nmis > 0 && cpu[i].inits > 0 && cpu[i].startups > 0 && cpu[i].eois > 0);
        taken += cpu[i].rises;
    }
    CHECK(taken > 5000);
}

int main(void)
{
    return test_main((struct test[]){
        {test_power_on, "lapic: after power-on"},
        {test_register_bits, "lapic: the bits of the registers"},
        {test_access_sizes, "lapic: accesses that are not 32 bits wide"},
        {test_priorities, "lapic: priorities, nesting, EOI"},
        {test_task_priority, "lapic: TPR, CR8, PPR, APR"},
        {test_spurious, "lapic: the spurious vector, interrupts held"},
        {test_esr, "lapic: errors"},
        {test_virtual_wire, "lapic: virtual wire mode, ExtINT and NMI"},
        {test_lint_fixed, "lapic: edges and levels on the pins"},
        {test_ioapic, "lapic: from an IOAPIC, and EOI back to it"},
        {test_msi, "lapic: messages in MSI format"},
        {test_destinations, "lapic: destinations and shorthands"},
        {test_mixed_destinations, "lapic: destinations, from x2APIC to xAPIC mode"},
        {test_lowest_priority, "lapic: lowest priority"},
        {test_init_startup, "lapic: INIT, start-up, NMI"},
        {test_resets, "lapic: resets"},
        {test_base, "lapic: IA32_APIC_BASE"},
        {test_x2apic_registers, "lapic: registers of x2APIC mode"},
        {test_x2apic, "lapic: x2APIC destinations, self IPI"},
        {test_one_shot, "lapic: timer, one-shot"},
        {test_divide, "lapic: timer, divide register"},
        {test_periodic, "lapic: timer, periodic"},
        {test_timer_modes, "lapic: timer, changes of its mode"},
        {test_end_of_time, "the timer when the clock ends"},
        {test_tsc_deadline, "lapic: timer, TSC deadline"},
        {test_no_storm, "lapic: timer, tiny periods"},
        {test_random, "lapic: random accesses"},
        {0},
    });
}
