/* SPDX-License-Identifier: MIT */
/*
 * The 8254 programmable interval timer, and port 0x61, through which a PC reaches counter 2.
 *
 * Nothing ticks: the counters are brought up to the machine's clock when somebody looks, and a
 * timer is armed only for the next edge of counter 0, if there is one that somebody hears.
 */
#ifndef HW_PIT_H
#define HW_PIT_H

#include "hw/clock.h"
#include "hw/device.h"

/* Clocks per second at the CLK pins: a PC's 14.31818 MHz crystal divided by 12. */
#define PIT_HZ 1193182

/* Who may hear the wire of counter 0: a PC's PIC and its IOAPIC. */
#define PIT_HEARERS 2

/* How many ticks of counter 0 may be owed to a guest when the host ran late; more are lost. */
#define PIT_OWED_MAX 100

PLAIN_BEGIN
struct pit_counter {
    uint64_t rises;  /* rising edges of out not yet passed on */
    uint32_t reload; /* count register, 1..65536; 0 is none since the control word */
    uint32_t count;  /* counting element; in mode 3 the clocks left in this half of the wave */
    uint16_t latch;
    uint8_t control; /* the control word without its counter number: RW, M, BCD */
    uint8_t lsb;     /* first byte of a two-byte count */
    uint8_t status;
    bool gate, out;   /* the pins */
    bool null_count;  /* the last control word or count has not reached the counting element */
    bool load;        /* the next clock loads the counting element */
    bool running;     /* it has been loaded since the control word */
    bool live;        /* modes 0, 1, 4, 5: the count has yet to expire */
    bool odd;         /* mode 3: this half of the wave began with an odd count */
    bool write_msb;   /* the second byte of a two-byte count is due */
    bool read_msb;    /* likewise when reading */
    bool latched;     /* latch holds a count */
    bool status_held; /* status holds a status byte */
};

struct pit_state {
    struct pit_counter counter[3];
    uint64_t deadline;
    uint64_t tick;   /* clocks of PIT_HZ up to which the counters have run */
    uint64_t owed;   /* rising edges of counter 0 that the wire has yet to make */
    uint64_t quiet;  /* the tick before which the wire makes no other */
    uint8_t control; /* port 0x61, bits 3:0 */
    uint8_t heard;   /* a bit for each hearer */
    bool wire;       /* the level of irq0 */
    bool idle;       /* the timer fired and nobody heard: it waits for a hearer */
    uint8_t unused[4];
};
PLAIN_END

struct pit {
    struct device dev;    /* offsets 0..3: the counters and the control word */
    struct device port61; /* one byte */
    struct clock *clock;
    struct timer timer;
    struct irq irq0;
    struct pit_state s;
};

/*
 * Make a PIT that runs by c, with counter 0's output on the wire irq0. Takes one of the clock's
 * timers. Until the guest programs counter 0 no timer is armed and the wire does not rise.
 *
 * A periodic guest that counts ticks loses none to a host that runs late: edges missed follow at
 * four times the pace, at most PIT_OWED_MAX of them. However short the period it programs, the
 * wire rises at most some 75,000 times per second, and the host wakes up twice for each at most.
 */
void pit_init(struct pit *p, struct clock *c, struct irq irq0);

/*
 * The wire by which hearer n, 0..PIT_HEARERS-1, tells whether a rise of irq0 makes a difference to
 * it now; high at first. If all are low when a rise is due, no timer is armed until one is high,
 * and rises until then are lost: a guest that has masked the fastest timer costs the host nothing.
 */
struct irq pit_heard(struct pit *p, int n);

#endif
