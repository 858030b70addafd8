// SPDX-License-Identifier: MIT
/*
 * Deadlines on the machine's clock. A machine has a handful of timers, so a list serves.
 */
#include "hw/clock.h"

#include <assert.h>

void clock_add(struct clock *c, struct timer *t, void (*fire)(struct timer *t))
{
    assert(c->ntimers < CLOCK_TIMERS);
    t->deadline = CLOCK_NEVER;
    t->fire = fire;
    c->timers[c->ntimers++] = t;
}

void clock_arm(struct clock *c, struct timer *t, uint64_t deadline)
{
    if (t->deadline == deadline)
        return;
    t->deadline = deadline;
    if (c->rearm)
        c->rearm(c);
}

uint64_t clock_next(const struct clock *c)
{
    uint64_t next = CLOCK_NEVER;

    for (int i = 0; i < c->ntimers; i++)
        if (c->timers[i]->deadline < next)
            next = c->timers[i]->deadline;
    return next;
}

void clock_run(struct clock *c)
{
    uint64_t now = clock_now(c);

    for (int i = 0; i < c->ntimers; i++) {
        struct timer *t = c->timers[i];

        if (t->deadline <= now) {
            t->deadline = CLOCK_NEVER;
            t->fire(t);
        }
    }
}
