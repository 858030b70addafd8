/* SPDX-License-Identifier: MIT */
/*
 * Time, as a chip is given it: a counter of nanoseconds, and deadlines on it.
 *
 * The machine keeps one clock and runs the timers that fall due; a unit test keeps its own and
 * turns it by hand.
 */
#ifndef HW_CLOCK_H
#define HW_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_SECOND UINT64_C(1000000000)

/* No deadline: a clock stops just before it, 584 years after it began. */
#define CLOCK_NEVER UINT64_MAX

/* A deadline, embedded in its owner. fire is called once, when the clock has reached it.
 */
struct timer {
    uint64_t *deadline; /* ns on the clock; CLOCK_NEVER when not armed */
    uint64_t own;       /* where the deadline is, unless it is in a chip's state */
    void (*fire)(struct timer *t);
    struct timer *next;
};

struct clock {
    /* Nanoseconds since the machine was made, below CLOCK_NEVER: monotonic, not stopped by
     * anything. */
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

/* The time ns after another; CLOCK_NEVER when the clock does not go that far. Every sum of times is
 * made by this or by clock_at_cycle(): a deadline that wrapped would be due for ever. */
static inline uint64_t clock_after(uint64_t time, uint64_t ns)
{
    return ns < CLOCK_NEVER - time ? time + ns : CLOCK_NEVER;
}

/* How many cycles has a crystal of hz made at a time? Modulo 2^64, which only one beyond 1 GHz gets
 * to. */
uint64_t clock_cycles(uint64_t time, uint64_t hz);

/* The first time at which it has made n; CLOCK_NEVER when the clock does not go that far. */
uint64_t clock_at_cycle(uint64_t n, uint64_t hz);

/* Add a timer to the clock, not armed. */
void clock_add(struct clock *c, struct timer *t, void (*fire)(struct timer *t));

/* Likewise for a chip, whose state has the deadline. */
void clock_add_state(struct clock *c, struct timer *t, uint64_t *deadline,
                     void (*fire)(struct timer *t));

/* Remove a timer from the clock. */
void clock_remove(struct clock *c, struct timer *t);

/* Arm a timer for a deadline in ns on the clock (one in the past falls due at once), or disarm it
 * with CLOCK_NEVER. Costs nothing when the deadline does not change. */
void clock_arm(struct clock *c, struct timer *t, uint64_t deadline);

static inline bool clock_armed(const struct timer *t)
{
    return *t->deadline != CLOCK_NEVER;
}

/* Deadlines have changed without clock_arm(): a state was put back. */
void clock_changed(struct clock *c);

/* The earliest deadline, or CLOCK_NEVER. */
uint64_t clock_next(const struct clock *c);

/* Disarm and fire every timer that is due. */
void clock_run(struct clock *c);

/* Nanoseconds on a clock of the host, as clock_gettime(2) knows them. Any lock; safe in signal
 * handlers. */
uint64_t clock_host(clockid_t clock);

#endif
