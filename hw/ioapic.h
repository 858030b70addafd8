/* SPDX-License-Identifier: MIT */
/*
 * The I/O APIC: 24 pins in, interrupt messages to the local APICs out.
 */
#ifndef HW_IOAPIC_H
#define HW_IOAPIC_H

#include "hw/device.h"

#define IOAPIC_PINS 24

/* Where its output goes. Neither function may call back into the chip, but route may set pins. */
struct ioapic_out {
    /* An interrupt message in MSI format: a write of data to addr, 0xfee..... */
    void (*send)(void *to, uint64_t addr, uint32_t data);

    /*
     * The message that pin would send has changed; addr 0 says that it sends none. level: the local
     * APIC must report the EOI of its vector to ioapic_eoi(). A masked pin sends none, but its
     * route stays as long as the EOI of a message sent earlier is due. Called on each change,
     * before a message that depends on it, and for each pin when a state was put back; all pins
     * begin without a route. May be NULL.
     */
    void (*route)(void *to, int pin, uint64_t addr, uint32_t data, bool level);

    void *to;
};

PLAIN_BEGIN
struct ioapic_state {
    uint64_t ioredtbl[IOAPIC_PINS];
    uint32_t pins; /* level of each pin now */
    uint8_t id;
    uint8_t ioregsel;
    uint8_t unused[2];
};
PLAIN_END

struct ioapic {
    struct device dev; /* the MMIO page at 0xfec00000 */
    struct ioapic_out out;
    uint8_t reset_id;
    struct ioapic_state s;
};

/* id, 0..15, is the APIC ID after reset, which hardware leaves to its firmware. */
void ioapic_init(struct ioapic *io, int id, struct ioapic_out out);

/*
 * The wire into pin n, 0..IOAPIC_PINS-1. True means asserted, be that high or low voltage. As with
 * the real chip, an edge that comes while the pin is masked is lost.
 */
struct irq ioapic_pin(struct ioapic *io, int n);

/* Can a pin wake a CPU whose interrupts are off, by NMI, SMI or INIT? */
bool ioapic_wakes(const struct ioapic *io);

/* EOI of a level-triggered vector, 0..255, at a local APIC: pins still asserted send again. */
void ioapic_eoi(struct ioapic *io, int vector);

#endif
