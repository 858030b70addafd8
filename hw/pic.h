/* SPDX-License-Identifier: MIT */
/*
 * The pair of 8259A interrupt controllers of a PC: sixteen request lines in, INTR out.
 */
#ifndef HW_PIC_H
#define HW_PIC_H

#include "hw/device.h"

PLAIN_BEGIN
struct pic_state {
    uint8_t expect;   /* which command word the next write to the odd port is */
    uint8_t icw1;     /* LTIM, SNGL, IC4 */
    uint8_t icw2;     /* vector of IR0 */
    uint8_t icw4;     /* SFNM, AEOI */
    uint8_t lines;    /* level of each input now */
    uint8_t latch;    /* inputs sensed by edge that rose and have not been acknowledged since */
    uint8_t elcr;     /* inputs sensed by level */
    uint8_t isr, imr; /* in service; masked */
    uint8_t lowest;   /* the input of lowest priority; the next one has the highest */
    bool rotate_in_aeoi;
    bool special_mask;
    bool read_isr; /* a read of the even port gives ISR, else IRR */
    bool poll;     /* the next read is a poll */
};
PLAIN_END

/* One 8259A: two ports, at 0x20 (the master) or 0xa0 (the slave). */
struct pic_chip {
    struct device dev;
    struct irq intr;  /* its INT output: the CPU, or the master's IR2 */
    struct irq hears; /* pic_init() */
    bool deaf;        /* what hears was told last: it is low */
    uint8_t cascade;  /* the input that a slave drives, as a bit; 0 in the slave itself */
    struct pic_state s;
};

struct pic {
    struct pic_chip master, slave;
    struct device elcr; /* the edge/level control registers, two ports at 0x4d0 */
};

/*
 * intr leads to the CPU's INTR pin. It is high exactly while there is a request that pic_ack()
 * would take, so never before the guest has initialised the master with ICW1 and its followers.
 * It is driven after every access and every change of a line, also when its level stays the same.
 *
 * hears tells the timer at IRQ 0 whether it must be on time. It is high, but for the time in which
 * a request of IRQ 0 is there already, so that another rise makes no difference.
 */
void pic_init(struct pic *p, struct irq intr, struct irq hears);

/*
 * The wire into IRQ n, 0..15 but 2, where the slave is. A rise is a request until pic_ack(), and so
 * is a high level where the guest has chosen level mode.
 */
struct irq pic_pin(struct pic *p, int n);

/*
 * The INTA cycle: take the request of highest priority and return its vector, 0..255. If there is
 * none (any more), the answer is IR7's vector, and ISR stays as it is.
 */
int pic_ack(struct pic *p);

#endif
