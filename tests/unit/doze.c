// SPDX-License-Identifier: MIT
/*
 * The end of a guest that sleeps for ever, with an engine, $MINIVM_ENGINE or soft: and not of one
 * that an NMI may wake. Skipped where there is no such engine.
 *
 * engines: kvm soft
 */
#include "tests/unit/kvm.h"
#include "tests/unit/test.h"
#include "tests/unit/thread.h"
#include "x86/machine.h"

#include <stdlib.h>

enum {
    BASE = 0x10000,
    NMI_MODE = 4 << 8, /* of a message */
    ENTRY_MASKED = 1,
};

#define MSIX_CONTROL UINT64_C(0x42)

/* Sleeps with interrupts off; an NMI ends it, with status 7. */
extern const uint8_t guest[], guest_end[];
__asm__(".pushsection .rodata\n.code16\n.intel_syntax noprefix\n"
        "guest:\n"
        "xor ax, ax\nmov ds, ax\n"
        "mov word ptr [4 * 2], offset 2f - guest\nmov [4 * 2 + 2], cs\n"
        "cli\n1: hlt\njmp 1b\n"
        "2: mov ax, 0x700\nmov dx, 0x500\nout dx, ax\nhlt\n"
        "guest_end:\n.att_syntax\n.code64\n.popsection");

static const struct engine *engine = &soft_engine;
static struct machine *m;
static struct msix *msix; /* of the machine's random numbers */
static struct timer later;

static void build(bool instruction_clock)
{
    struct config config = {.engine = engine,
                            .ram = 1 << 20,
                            .cpus = 1,
                            .guests = 1,
                            .apic = true,
                            .instruction_clock = instruction_clock};
    static struct test_console console;
    struct console *consoles[] = {&console.console};
    struct cpu_state s;

    m = calloc(1, sizeof(*m));
    test_console_init(&console);
    machine_build(m, &config, consoles);
    msix = &m->board->devices.rng_slot.pci.msix;
    memcpy(ram_at(&m->ram, BASE, guest_end - guest), guest, guest_end - guest);
    machine_inspect(m);
    cpu_real_mode(&s, BASE);
    s.lapic = m->vcpu[0].state.lapic;
    machine_set(&m->vcpu[0], &s);
}

static void teardown(void)
{
    machine_free(m);
    free(m);
}

/* The device's vector 0 is an NMI. */
static void set_vector(uint32_t masked)
{
    const struct pci_function *f = msix->f;
    struct bus *mem = &m->board->mmio;

    bus_write(mem, PC_PCI_ECAM + 0x8000 * f->slot + MSIX_CONTROL, 2, 0x8000);
    bus_write(mem, f->bar[1].at, 4, 0xfee00000);
    bus_write(mem, f->bar[1].at + 8, 4, NMI_MODE);
    bus_write(mem, f->bar[1].at + 12, 4, masked);
}

static void signal_it(struct timer *t)
{
    (void)t;
    msix_signal(msix, 0);
}

/* Nothing can come by a vector that is masked. */
static void test_sleeps(void)
{
    build(false);
    set_vector(ENTRY_MASKED);
    CHECK_EQ(machine_run(m), STOP_HALTED);
    teardown();
}

/* The device takes longer than a sleeper is left alone. */
static void test_waits(void)
{
    for (int instructions = 0; instructions <= !!engine->instructions; instructions++) {
        build(instructions);
        set_vector(0);
        clock_add(&m->clock, &later, signal_it);
        clock_arm(&m->clock, &later, clock_now(&m->clock) + 3 * NS_PER_SECOND / 2);
        CHECK_EQ(machine_run(m), STOP_EXIT);
        CHECK_EQ(m->status, 7);
        teardown();
    }
}

/* What a look at CPU 0 says when it is like that. */
static bool slept(bool nmi_pending, bool nmi_masked, uint64_t rflags, uint8_t activity)
{
    struct vcpu *v = &m->vcpu[0];

    machine_hold(m, &m->doze.look, 1000);
    m->stills = NULL;
    m->doze.look.pending = m->doze.slept = false;
    v->state.nmi_pending = nmi_pending;
    v->state.nmi_masked = nmi_masked;
    v->state.rflags = rflags;
    v->state.activity = activity;
    v->inspected = v->waiting = true;
    m->doze.look.ready(&m->doze.look);
    return m->doze.slept;
}

static void test_pending(void)
{
    build(false);
    CHECK(slept(false, false, 2, CPU_HALTED));
    CHECK(!slept(false, false, 2 | EFLAGS_IF, CPU_HALTED));
    CHECK(!slept(true, false, 2, CPU_HALTED));
    CHECK(slept(true, true, 2, CPU_HALTED));
    CHECK(slept(true, false, 2, CPU_WAITING)); /* which waits for another CPU */
    teardown();
}

/* The state that engines tell has it. */
static void test_told(void)
{
    struct cpu_state s;

    build(false);
    m->vcpu[0].state.activity = CPU_HALTED;
    cpu_real_mode(&s, BASE);
    s.lapic = m->vcpu[0].state.lapic;
    s.activity = CPU_HALTED;
    s.nmi_pending = true;
    machine_set(&m->vcpu[0], &s);
    machine_inspect(m);
    CHECK(m->vcpu[0].state.nmi_pending);
    CHECK_EQ(m->vcpu[0].state.activity, CPU_HALTED);
    teardown();
}

int main(void)
{
    const struct test tests[] = {
        {test_sleeps, "a guest that nothing can wake is at its end"},
        {test_waits, "one to which a device may send an NMI is not"},
        {test_pending, "nor one to which an NMI has come"},
        {test_told, "of which engines tell"},
        {0},
    };

    return test_main_engine(tests, &engine);
}
