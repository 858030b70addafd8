// SPDX-License-Identifier: MIT
/*
 * Local APICs: registers, priorities, pins, resets and modes, and random accesses.
 */
#include "tests/unit/lapic.h"
#include "tests/unit/random.h"

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

/* LINT0 leads INTR of the PIC to the CPU. */
static void test_extint(void)
{
    set_up();
    CHECK(!lapic_extint(all[0]));
    put(LINT0, 0x700);
    CHECK(lapic_extint(all[0]));
    put(LINT0, MASK | 0x700);
    CHECK(!lapic_extint(all[0]));
    put(LINT0, 0x400);
    CHECK(!lapic_extint(all[0]));

    /* Without a local APIC the pin is INTR. */
    CHECK(wrmsr(LAPIC_MSR_BASE, BASE));
    CHECK(lapic_extint(all[0]));
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
    lapic_reset(all[0]);
    check_reset(false);
    CHECK_EQ(rdmsr(LAPIC_MSR_BASE), BASE | EN | BSP);
    put(SVR, 0x1ff);

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
        {test_extint, "lapic: ExtINT"},
        {test_resets, "lapic: resets"},
        {test_base, "lapic: IA32_APIC_BASE"},
        {test_x2apic_registers, "lapic: registers of x2APIC mode"},
        {test_random, "lapic: random accesses"},
        {0},
    });
}
