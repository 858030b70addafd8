/* SPDX-License-Identifier: MIT */
/*
 * The local APIC of a CPU: messages and its own timer in, interrupts to the CPU out.
 *
 * For an engine whose CPU is made of C; KVM has its own. The CPU owns its local APIC, passes
 * accesses to its page and MSRs to it, and takes interrupts from it. lapic_bus_send() is the bus to
 * the other local APICs and from the IOAPIC.
 */
#ifndef HW_LAPIC_H
#define HW_LAPIC_H

#include "hw/clock.h"
#include "hw/device.h"

/* The timer ticks once a nanosecond, before the divide register. This is the shortest time between
 * two wakes of the host for a periodic timer; a shorter period loses ticks, as in a slow guest. */
#define LAPIC_MIN_PERIOD_NS UINT64_C(100000)

/* MSRs; those of x2APIC mode are LAPIC_MSR_X2APIC + 0..LAPIC_MSR_X2APIC_COUNT - 1. */
#define LAPIC_MSR_BASE         0x1b
#define LAPIC_MSR_TSC_DEADLINE 0x6e0
#define LAPIC_MSR_X2APIC       0x800
#define LAPIC_MSR_X2APIC_COUNT 0x100

#define LAPIC_BROADCAST UINT32_MAX

/* Delivery modes, in their usual encoding. */
enum lapic_mode {
    LAPIC_FIXED = 0,
    LAPIC_LOWEST = 1,
    LAPIC_SMI = 2,
    LAPIC_NMI = 4,
    LAPIC_INIT = 5,
    LAPIC_STARTUP = 6,
    LAPIC_EXTINT = 7,
};

struct lapic;

/* A message on the bus. */
struct lapic_message {
    uint32_t dest; /* an id or a logical destination; LAPIC_BROADCAST for everybody */
    bool logical;
    const struct lapic *except; /* not for this one; may be NULL */
    enum lapic_mode mode;
    uint8_t vector;
    bool level; /* level-triggered: out.eoi will be called; FIXED and LOWEST only */
};

/*
 * Where its outputs go. eoi and ipi, but none of the others, may come back to this chip by
 * lapic_receive(), as they do through an IOAPIC or lapic_bus_send().
 */
struct lapic_out {
    /* lapic_ack() has, or no longer has, a vector to give. Called on change, and when a state was
     * put back. */
    void (*intr)(void *to, bool level);

    void (*nmi)(void *to);

    /* INIT: sooner or later the CPU calls lapic_init_reset(), and waits for startup. */
    void (*init)(void *to);

    /* Start-up message: begin at vector << 12 in real mode, if the CPU waits for that. */
    void (*startup)(void *to, uint8_t vector);

    /* A level-triggered interrupt ended: for the IOAPIC. */
    void (*eoi)(void *to, int vector);

    /* The CPU sends a message: for lapic_bus_send(). */
    void (*ipi)(void *to, const struct lapic_message *m);

    void *to;
};

PLAIN_BEGIN
struct lapic_state {
    uint64_t deadline;
    uint64_t zero;         /* when the count is 0 (again), in ns on the clock */
    uint64_t tsc_deadline; /* 0 for none */
    uint64_t tsc_offset;   /* what the TSC is ahead of the clock's cycles */
    uint64_t base;         /* IA32_APIC_BASE */
    uint64_t icr;
    uint32_t tpr, ldr, dfr, svr;
    uint32_t irr[8], isr[8], tmr[8];
    uint32_t esr, errors; /* as read; and the errors found since it was written */
    uint32_t lvt[6];
    uint32_t initial, divide;
    bool counting; /* one-shot, periodic: the count is running, or 0 only for a moment */
    uint8_t unused[7];
};
PLAIN_END

struct lapic {
    struct device dev; /* the page at 0xfee00000; nothing there unless lapic_mmio() */
    struct lapic_out out;
    struct clock *clock;
    struct timer timer;
    uint32_t id;
    uint64_t tsc_hz; /* the TSC's rate: 1 GHz, unless its owner changes that before it is used */
    bool intr;       /* what out.intr was told last */
    struct lapic_state s;
};

/*
 * Make the local APIC of the CPU with that id, 0..0xfe; bsp: it is the one that boots. Takes one of
 * the clock's timers, so is done once; from then on there is lapic_reset(). No function in out may
 * be NULL. It is in the state after power-on: enabled in xAPIC mode, disabled by software, LINT0
 * and LINT1 masked.
 */
void lapic_init(struct lapic *l, uint32_t id, struct clock *c, bool bsp, struct lapic_out out);

/* Power-on. The TSC's offset stays, as it is the CPU's. */
void lapic_reset(struct lapic *l);

/* What INIT does to it: as lapic_reset(), but the mode (xAPIC, x2APIC, none) stays. */
void lapic_init_reset(struct lapic *l);

/* Is the page there: enabled, and not in x2APIC mode? */
bool lapic_mmio(const struct lapic *l);

/* RDMSR and WRMSR of the MSRs above; false is #GP, and so is any other MSR. */
bool lapic_rdmsr(struct lapic *l, uint32_t msr, uint64_t *val);
bool lapic_wrmsr(struct lapic *l, uint32_t msr, uint64_t val);

/* CR8, 0..15: the CPU checks its reserved bits. */
uint64_t lapic_cr8(const struct lapic *l);
void lapic_set_cr8(struct lapic *l, uint64_t val);

/* All that there is to save of it: its MSRs, and its registers as the page shows them, register n
 * at n << 4. */
struct lapic_page {
    uint64_t base, tsc_deadline;
    uint32_t reg[64];
};

/* Save it as of now, and load it: the timer's count goes on from there. The id stays. */
void lapic_save(struct lapic *l, struct lapic_page *p);
void lapic_load(struct lapic *l, const struct lapic_page *p);

/* The page after a reset. For the CPU that boots, as firmware leaves it: enabled, with the PIC on
 * LINT0 and NMI on LINT1. */
void lapic_page_reset(struct lapic_page *p, uint32_t id, bool boots);

/* The guest's TSC is the cycles that the clock made of l->tsc_hz, plus offset, modulo 2^64, from
 * now on. */
void lapic_set_tsc_offset(struct lapic *l, uint64_t offset);

/*
 * The CPU takes an interrupt. Returns its vector, 16..255, which is then in service. There may be
 * none to give, when l->intr has fallen since the CPU saw it: returns the spurious vector, 0..255,
 * which needs no EOI, if an interrupt waits for a lower priority of the CPU, else -1.
 */
int lapic_ack(struct lapic *l);

/* Does INTR of the PIC reach the CPU, past the local APIC or through it? Changes only by accesses
 * of the CPU and by resets. */
bool lapic_extint(const struct lapic *l);

/* Accept a message that is for this one, wherever it came from. */
void lapic_receive(struct lapic *l, const struct lapic_message *m);

/*
 * Give a message to those of the n local APICs that it is for. In LOWEST mode that is at most one:
 * of those that can take it, the first with the lowest PPR. They do not take turns, so that runs
 * can be repeated.
 */
void lapic_bus_send(struct lapic *const *all, int n, const struct lapic_message *m);

/* Decode a message in MSI format, a write of data to addr. False when there is nothing to be
 * delivered: no such address, a level going down, ExtINT, SMI or a reserved mode. */
bool lapic_message_from_msi(uint64_t addr, uint32_t data, struct lapic_message *m);

#endif
