// SPDX-License-Identifier: MIT
/*
 * Two 8259A interrupt controllers, cascaded as in the PC/AT.
 *
 * After: Intel 8259A data sheet (order number 231468), "Programming the 8259A" and the sections on
 * its modes; for ELCR, Intel 82371AB (PIIX4) data sheet, "Edge/Level Control Registers".
 * Left out: MCS-80 vectors (no x86 reads a CALL from the bus); buffered mode and ICW3, which tell
 * the chip how the board is wired: here always with a slave on IR2.
 *
 * The data sheet wants a request to stay high until INTA. Here an edge is remembered until then,
 * although the line may have fallen since: the PICs of QEMU and KVM do so, and guests that were
 * written there rely on it. A level that falls is gone.
 */
#include "hw/pic.h"

#include <assert.h>

enum {
    COMMAND = 0, /* ICW1, OCW2, OCW3; reads IRR, ISR */
    DATA = 1,    /* ICW2..4, OCW1; reads IMR */

    ICW1_IC4 = 0x01,
    ICW1_SNGL = 0x02,
    ICW1_LTIM = 0x08,
    ICW1 = 0x10, /* the bit by which it differs from OCW2 and OCW3 */

    ICW2_VECTOR = 0xf8,

    ICW4_AEOI = 0x02,
    ICW4_SFNM = 0x10,

    OCW2_LEVEL = 0x07,
    OCW2_EOI = 0x20,
    OCW2_SL = 0x40,
    OCW2_R = 0x80,

    OCW3_RIS = 0x01,
    OCW3_RR = 0x02,
    OCW3_P = 0x04,
    OCW3 = 0x08, /* the bit by which it differs from OCW2 */
    OCW3_SMM = 0x20,
    OCW3_ESMM = 0x40,

    POLL_I = 0x80, /* there was a request */

    CASCADE_IR = 2,
    SPURIOUS_IR = 7,
    NONE = -1,

    /* Inputs that are edge-triggered on every PC: timer, keyboard, cascade; RTC, FPU. */
    ELCR1_RESERVED = 0x07,
    ELCR2_RESERVED = 0x21,
};

/* struct pic_state.expect. Before ICW1 the odd port is the mask: guests probe for the chip so. */
enum {
    EXPECT_ICW1,
    EXPECT_ICW2,
    EXPECT_ICW3,
    EXPECT_ICW4,
    EXPECT_OCW
};

/* The input of highest priority in a set, or NONE. */
static int highest(const struct pic_chip *c, uint8_t set)
{
    for (int i = 1; i <= 8; i++) {
        int n = (c->s.lowest + i) % 8;

        if (set >> n & 1)
            return n;
    }
    return NONE;
}

/*
 * The inputs that are sensed by level. The slave's INT is, whatever the mode: it may stay high from
 * one request to the next, and no edge would tell the master of the second.
 */
static uint8_t by_level(const struct pic_chip *c)
{
    return c->s.icw1 & ICW1_LTIM ? 0xff : c->s.elcr | c->cascade;
}

static uint8_t irr(const struct pic_chip *c)
{
    return c->s.latch | (c->s.lines & by_level(c));
}

/* The inputs in service that hold back others. A non-specific EOI ends the highest of them. */
static uint8_t in_service(const struct pic_chip *c)
{
    return c->s.special_mask ? c->s.isr & ~c->s.imr : c->s.isr;
}

static bool cascaded(const struct pic_chip *c, int n)
{
    return c->cascade >> n & 1 && !(c->s.icw1 & ICW1_SNGL);
}

/* The request that INT announces, or NONE. */
static int pending(const struct pic_chip *c)
{
    uint8_t request = irr(c) & ~c->s.imr, busy = in_service(c);
    int n = highest(c, request | busy);

    if (c->s.expect != EXPECT_OCW || n == NONE || !(request >> n & 1))
        return NONE;
    /* In special fully nested mode a slave in service may still bring a higher one of its own. */
    if (busy >> n & 1 && !(c->s.icw4 & ICW4_SFNM && cascaded(c, n)))
        return NONE;
    return n;
}

/* Drive the outputs. The timer may answer with an edge at once. */
static void update(struct pic_chip *c)
{
    bool deaf = c->s.latch & 1;

    irq_set(&c->intr, pending(c) != NONE);
    if (deaf != c->deaf) {
        c->deaf = deaf;
        irq_set(&c->hears, !deaf);
    }
}

static void set_line(void *to, int n, bool level)
{
    struct pic_chip *c = to;
    uint8_t bit = 1 << n;

    if (level)
        c->s.latch |= bit & ~c->s.lines & ~by_level(c);
    c->s.lines = level ? c->s.lines | bit : c->s.lines & ~bit;
    update(c);
}

static int acknowledge(struct pic_chip *c)
{
    int n = pending(c);

    if (n == NONE)
        return SPURIOUS_IR;
    c->s.latch &= ~(1 << n);
    if (!(c->s.icw4 & ICW4_AEOI))
        c->s.isr |= 1 << n;
    else if (c->s.rotate_in_aeoi)
        c->s.lowest = n;
    update(c);
    return n;
}

int pic_ack(struct pic *p)
{
    int n = acknowledge(&p->master);

    if (cascaded(&p->master, n))
        return p->slave.s.icw2 | acknowledge(&p->slave);
    return p->master.s.icw2 | n;
}

/* ICW1 clears the chip, and so does the reset pin. */
static void clear(struct pic_chip *c, uint8_t icw1, int expect)
{
    c->s.icw1 = icw1;
    c->s.icw4 = 0;
    c->s.expect = expect;
    c->s.latch = c->s.isr = c->s.imr = 0;
    c->s.lowest = 7;
    c->s.rotate_in_aeoi = c->s.special_mask = c->s.read_isr = c->s.poll = false;
}

static void write_ocw2(struct pic_chip *c, uint8_t val)
{
    int n = val & OCW2_SL ? val & OCW2_LEVEL : highest(c, in_service(c));

    if (!(val & (OCW2_SL | OCW2_EOI))) {
        c->s.rotate_in_aeoi = val & OCW2_R;
    } else if (n != NONE) {
        if (val & OCW2_EOI)
            c->s.isr &= ~(1 << n);
        if (val & OCW2_R)
            c->s.lowest = n;
    }
}

static void write_ocw3(struct pic_chip *c, uint8_t val)
{
    c->s.poll = val & OCW3_P;
    if (val & OCW3_RR && !c->s.poll)
        c->s.read_isr = val & OCW3_RIS;
    if (val & OCW3_ESMM)
        c->s.special_mask = val & OCW3_SMM;
}

static void write_data(struct pic_chip *c, uint8_t val)
{
    int last = c->s.icw1 & ICW1_IC4 ? EXPECT_ICW4 : EXPECT_OCW;

    switch (c->s.expect) {
    case EXPECT_ICW2:
        c->s.icw2 = val & ICW2_VECTOR;
        c->s.expect = c->s.icw1 & ICW1_SNGL ? last : EXPECT_ICW3;
        break;
    case EXPECT_ICW3:
        c->s.expect = last;
        break;
    case EXPECT_ICW4:
        c->s.icw4 = val;
        c->s.expect = EXPECT_OCW;
        break;
    default:
        c->s.imr = val;
    }
}

static void pic_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct pic_chip *c = container_of(d, struct pic_chip, dev);

    (void)size;
    if (off == DATA)
        write_data(c, val);
    else if (val & ICW1)
        clear(c, val, EXPECT_ICW2);
    else if (val & OCW3)
        write_ocw3(c, val);
    else
        write_ocw2(c, val);
    update(c);
}

static uint64_t pic_read(struct device *d, uint64_t off, int size)
{
    struct pic_chip *c = container_of(d, struct pic_chip, dev);

    (void)size;
    if (c->s.poll) {
        int found = pending(c) != NONE ? POLL_I : 0;

        c->s.poll = false;
        return found | acknowledge(c);
    }
    if (off == DATA)
        return c->s.imr;
    return c->s.read_isr ? c->s.isr : irr(c);
}

static void pic_reset(struct device *d)
{
    struct pic_chip *c = container_of(d, struct pic_chip, dev);

    clear(c, 0, EXPECT_ICW1);
    c->s.icw2 = 0;
    c->s.imr = 0xff;
    update(c);
}

static void pic_restored(struct device *d)
{
    struct pic_chip *c = container_of(d, struct pic_chip, dev);

    c->deaf = c->s.latch & 1;
    irq_set(&c->intr, pending(c) != NONE);
    irq_set(&c->hears, !c->deaf);
}

static uint64_t elcr_read(struct device *d, uint64_t off, int size)
{
    struct pic *p = container_of(d, struct pic, elcr);

    (void)size;
    return off ? p->slave.s.elcr : p->master.s.elcr;
}

static void elcr_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct pic *p = container_of(d, struct pic, elcr);
    struct pic_chip *c = off ? &p->slave : &p->master;

    (void)size;
    c->s.elcr = val & ~(off ? ELCR2_RESERVED : ELCR1_RESERVED);
    c->s.latch &= ~by_level(c);
    update(c);
}

static void elcr_reset(struct device *d)
{
    elcr_write(d, 0, 1, 0);
    elcr_write(d, 1, 1, 0);
}

static void chip_init(struct pic_chip *c, const char *name, struct irq intr, struct irq hears,
                      uint8_t cascade)
{
    *c = (struct pic_chip){
        .dev = {.name = name,
                .read = pic_read,
                .write = pic_write,
                .reset = pic_reset,
                .state = &c->s,
                .state_size = sizeof(c->s),
                .restored = pic_restored},
        .intr = intr,
        .hears = hears,
        .cascade = cascade,
    };
    pic_reset(&c->dev);
}

void pic_init(struct pic *p, struct irq intr, struct irq hears)
{
    struct irq to_master = {set_line, &p->master, CASCADE_IR}, none = {0};

    chip_init(&p->master, "pic-master", intr, hears, 1 << CASCADE_IR);
    chip_init(&p->slave, "pic-slave", to_master, none, 0);
    p->elcr = (struct device){
        .name = "pic-elcr", .read = elcr_read, .write = elcr_write, .reset = elcr_reset};
}

struct irq pic_pin(struct pic *p, int n)
{
    assert(n >= 0 && n < 16 && n != CASCADE_IR);
    return (struct irq){set_line, n < 8 ? &p->master : &p->slave, n % 8};
}
