// SPDX-License-Identifier: MIT
/*
 * I/O APIC with 24 pins, whose messages go over the system bus.
 *
 * After: Intel 82093AA data sheet (order number 290566), "Register Description"; for version 0x20,
 * its EOI register and its message format, Intel 82801EB (ICH5) data sheet, "Advanced Programmable
 * Interrupt Controller" and Intel SDM vol. 3A, "Message Signalled Interrupts".
 * Left out: the APIC bus, hence arbitration (the ID stands for it) and a delivery status other than
 * idle, as a message is gone at once; input polarity, which guests may set, but which depends on
 * the board's wiring: our wires mean "asserted"; the reserved delivery modes, never sent.
 *
 * An edge on a masked pin is ignored, "not delivered or held pending" (82093AA, Interrupt Mask).
 * QEMU and KVM do the same, and Linux, when it unmasks a pin, asks the 8259A's IRR about it.
 */
#include "hw/ioapic.h"

#include <assert.h>

enum {
    /* Offsets. */
    IOREGSEL = 0x00,
    IOWIN = 0x10,
    EOIR = 0x40,

    /* What IOREGSEL selects. */
    IOAPICID = 0x00,
    IOAPICVER = 0x01,
    IOAPICARB = 0x02,
    IOREDTBL = 0x10,

    ID_SHIFT = 24,
    ID_MASK = 0xf,
    VERSION = 0x20 | (IOAPIC_PINS - 1) << 16,
};

/* A redirection table entry. */
#define INTVEC       UINT64_C(0xff)
#define DELMOD_SHIFT 8
#define DELMOD       (UINT64_C(7) << DELMOD_SHIFT)
#define DESTMOD      (UINT64_C(1) << 11)
#define INTPOL       (UINT64_C(1) << 13)
#define REMOTE_IRR   (UINT64_C(1) << 14)
#define TRIGGER_MODE (UINT64_C(1) << 15)
#define MASK         (UINT64_C(1) << 16)
#define DEST_SHIFT   56
#define DEST         (UINT64_C(0xff) << DEST_SHIFT)
#define WRITABLE     (INTVEC | DELMOD | DESTMOD | INTPOL | TRIGGER_MODE | MASK | DEST)

enum {
    DELMOD_FIXED = 0,
    DELMOD_LOWEST = 1,
    DELMOD_RESERVED3 = 3,
    DELMOD_RESERVED6 = 6,
    DELMOD_EXTINT = 7,
};

enum {
    MSI_DATA_DELMOD_SHIFT = 8,
    MSI_DATA_ASSERT = 1 << 14,
    MSI_DATA_LEVEL = 1 << 15,
};

#define MSI_ADDR            UINT64_C(0xfee00000)
#define MSI_ADDR_DESTMOD    (UINT64_C(1) << 2)
#define MSI_ADDR_HINT       (UINT64_C(1) << 3)
#define MSI_ADDR_DEST_SHIFT 12

struct message {
    uint64_t addr;
    uint32_t data;
};

static int delmod(uint64_t e)
{
    return (e & DELMOD) >> DELMOD_SHIFT;
}

static bool sends(uint64_t e)
{
    return !(e & MASK) && delmod(e) != DELMOD_RESERVED3 && delmod(e) != DELMOD_RESERVED6;
}

/* NMI, INIT, SMI and ExtINT are edges even if programmed as levels: no EOI would ever come. */
static bool is_level(uint64_t e)
{
    return e & TRIGGER_MODE && (delmod(e) == DELMOD_FIXED || delmod(e) == DELMOD_LOWEST);
}

static struct message message(uint64_t e)
{
    struct message m = {
        .addr = MSI_ADDR | e >> DEST_SHIFT << MSI_ADDR_DEST_SHIFT,
        .data = (e & INTVEC) | (uint32_t)delmod(e) << MSI_DATA_DELMOD_SHIFT | MSI_DATA_ASSERT,
    };

    if (e & DESTMOD)
        m.addr |= MSI_ADDR_DESTMOD;
    if (delmod(e) == DELMOD_LOWEST)
        m.addr |= MSI_ADDR_HINT;
    if (is_level(e))
        m.data |= MSI_DATA_LEVEL;
    return m;
}

static struct message route(uint64_t e)
{
    return sends(e) || e & REMOTE_IRR ? message(e) : (struct message){0};
}

static void tell_route(struct ioapic *io, int pin, struct message m)
{
    if (io->out.route)
        io->out.route(io->out.to, pin, m.addr, m.data, m.data & MSI_DATA_LEVEL);
}

static void set_entry(struct ioapic *io, int pin, uint64_t e)
{
    struct message before = route(io->s.ioredtbl[pin]), now = route(e);

    io->s.ioredtbl[pin] = e;
    if (now.addr != before.addr || now.data != before.data)
        tell_route(io, pin, now);
}

static void send(struct ioapic *io, int pin)
{
    struct message m = message(io->s.ioredtbl[pin]);

    io->out.send(io->out.to, m.addr, m.data);
}

/* Send the message of an asserted level-triggered pin, unless the last one awaits its EOI. */
static void service_level(struct ioapic *io, int pin)
{
    uint64_t e = io->s.ioredtbl[pin];

    if (io->s.pins >> pin & 1 && sends(e) && is_level(e) && !(e & REMOTE_IRR)) {
        io->s.ioredtbl[pin] |= REMOTE_IRR;
        send(io, pin);
    }
}

static void set_pin(void *to, int pin, bool level)
{
    struct ioapic *io = to;
    uint32_t bit = UINT32_C(1) << pin;
    bool rises = level && !(io->s.pins & bit);
    uint64_t e = io->s.ioredtbl[pin];

    io->s.pins = level ? io->s.pins | bit : io->s.pins & ~bit;
    if (is_level(e))
        service_level(io, pin);
    else if (rises && sends(e))
        send(io, pin);
}

void ioapic_eoi(struct ioapic *io, int vector)
{
    for (int pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t e = io->s.ioredtbl[pin];

        if ((int)(e & INTVEC) == vector) {
            set_entry(io, pin, e & ~REMOTE_IRR);
            service_level(io, pin);
        }
    }
}

static uint32_t read_register(const struct ioapic *io)
{
    unsigned half = io->s.ioregsel - IOREDTBL;

    switch (io->s.ioregsel) {
    case IOAPICID:
    case IOAPICARB:
        return (uint32_t)io->s.id << ID_SHIFT;
    case IOAPICVER:
        return VERSION;
    }
    return half < 2 * IOAPIC_PINS ? io->s.ioredtbl[half / 2] >> half % 2 * 32 : 0;
}

static void write_register(struct ioapic *io, uint32_t val)
{
    unsigned half = io->s.ioregsel - IOREDTBL, shift = half % 2 * 32, pin = half / 2;

    if (io->s.ioregsel == IOAPICID)
        io->s.id = val >> ID_SHIFT & ID_MASK;
    if (half >= 2 * IOAPIC_PINS)
        return;

    uint64_t lane = UINT64_C(0xffffffff) << shift & WRITABLE;
    uint64_t e = (io->s.ioredtbl[pin] & ~lane) | ((uint64_t)val << shift & lane);

    /* Guests that know no EOI register end an interrupt by making its pin edge-triggered. */
    if (!is_level(e))
        e &= ~REMOTE_IRR;
    set_entry(io, pin, e);
    service_level(io, pin);
}

/* Registers are 32 bits wide; a narrower access has only its own bytes, the others are kept. */
static uint64_t ioapic_read(struct device *d, uint64_t off, int size)
{
    struct ioapic *io = container_of(d, struct ioapic, dev);
    int shift = off % 4 * 8;

    (void)size;
    switch (off - off % 4) {
    case IOREGSEL:
        return io->s.ioregsel >> shift;
    case IOWIN:
        return read_register(io) >> shift;
    }
    return 0;
}

static void ioapic_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct ioapic *io = container_of(d, struct ioapic, dev);
    int shift = off % 4 * 8;
    uint32_t lanes = UINT32_MAX >> (32 - 8 * size) << shift;
    uint32_t bytes = (uint32_t)val << shift & lanes;

    switch (off - off % 4) {
    case IOREGSEL:
        io->s.ioregsel = (io->s.ioregsel & ~lanes) | bytes;
        break;
    case IOWIN:
        write_register(io, (read_register(io) & ~lanes) | bytes);
        break;
    case EOIR:
        if (lanes & INTVEC)
            ioapic_eoi(io, bytes & INTVEC);
        break;
    }
}

static void ioapic_reset(struct device *d)
{
    struct ioapic *io = container_of(d, struct ioapic, dev);

    io->s.id = io->reset_id;
    io->s.ioregsel = 0;
    for (int pin = 0; pin < IOAPIC_PINS; pin++)
        set_entry(io, pin, MASK);
}

static void ioapic_restored(struct device *d)
{
    struct ioapic *io = container_of(d, struct ioapic, dev);

    for (int pin = 0; pin < IOAPIC_PINS; pin++)
        tell_route(io, pin, route(io->s.ioredtbl[pin]));
}

bool ioapic_wakes(const struct ioapic *io)
{
    for (int pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t e = io->s.ioredtbl[pin];

        if (sends(e) && delmod(e) != DELMOD_FIXED && delmod(e) != DELMOD_LOWEST &&
            delmod(e) != DELMOD_EXTINT)
            return true;
    }
    return false;
}

void ioapic_init(struct ioapic *io, int id, struct ioapic_out out)
{
    assert(id >= 0 && id <= ID_MASK && out.send);
    *io = (struct ioapic){.out = out, .reset_id = id, .s.id = id};
    io->dev = (struct device){.name = "ioapic",
                              .max_size = 4,
                              .read = ioapic_read,
                              .write = ioapic_write,
                              .reset = ioapic_reset,
                              .state = &io->s,
                              .state_size = sizeof(io->s),
                              .restored = ioapic_restored};
    for (int pin = 0; pin < IOAPIC_PINS; pin++)
        io->s.ioredtbl[pin] = MASK;
}

struct irq ioapic_pin(struct ioapic *io, int n)
{
    assert(n >= 0 && n < IOAPIC_PINS);
    return (struct irq){set_pin, io, n};
}
