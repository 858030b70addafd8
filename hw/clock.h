/* SPDX-License-Identifier: MIT */
/*
 * Time, as a chip is given it: a counter of nanoseconds, and deadlines on it.
 *
 * The machine keeps one clock and runs the timers that fall due; a unit test keeps its own and
 * turns it by hand.
 */
#ifndef HW_CLOCK_H
#define HW_CLOCK_H

#include <stdint.h>

#define NS_PER_SECOND UINT64_C(1000000000)

/* No deadline. */
#define CLOCK_NEVER UINT64_MAX

/* A deadline of a chip, embedded in it. fire is called, once, when the clock has reached it. */
struct timer {
    uint64_t deadline; /* ns on the clock; CLOCK_NEVER when not armed */
    void (*fire)(struct timer *t);
    struct timer *next;
};

struct clock {
    /* Nanoseconds since the machine was made: monotonic, not stopped by anything. */
    uint64_t (*now)(struct clock *c);

    /* Seconds since 1970-01-01 UTC on the host's calendar, with the fraction in *ns (0..1e9-1). */
    int64_t (*calendar)(struct clock *c, uint32_t *ns);

    /* Called whenever the earliest deadline may have changed. May be NULL. */
    void (*rearm)(struct clock *c);

    struct timer *timers;
};

static inline uint64_t clock_now(struct clock *c)
{
    return c->now(c);
}

static inline int64_t clock_calendar(struct clock *c, uint32_t *ns)
{
    return c->calendar(c, ns);
}

/* Give the clock a timer to watch from now on, not armed. */
void clock_add(struct clock *c, struct timer *t, void (*fire)(struct timer *t));

/* Take a timer away from it. */
void clock_remove(struct clock *c, struct timer *t);

/* Arm a timer for a deadline in ns on the clock (one in the past falls due at once), or disarm it
 * with CLOCK_NEVER. Costs nothing when the deadline does not change. */
void clock_arm(struct clock *c, struct timer *t, uint64_t deadline);

/* The earliest deadline, or CLOCK_NEVER. */
uint64_t clock_next(const struct clock *c);

/* Disarm and fire every timer that is due. */
void clock_run(struct clock *c);

#endif
