// SPDX-License-Identifier: MIT
/*
 * Messages between local APICs, from an IOAPIC and as MSIs: whom they reach, and what they do
 * there.
 */
#include "tests/unit/lapic.h"

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

int main(void)
{
    return test_main((struct test[]){
        {test_ioapic, "lapic: from an IOAPIC, and EOI back to it"},
        {test_msi, "lapic: messages in MSI format"},
        {test_destinations, "lapic: destinations and shorthands"},
        {test_mixed_destinations, "lapic: destinations, from x2APIC to xAPIC mode"},
        {test_lowest_priority, "lapic: lowest priority"},
        {test_init_startup, "lapic: INIT, start-up, NMI"},
        {test_x2apic, "lapic: x2APIC destinations, self IPI"},
        {0},
    });
}
