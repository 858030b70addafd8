// SPDX-License-Identifier: MIT
/*
 * Deadlines on the machine's clock. A board has a handful of timers, so a list serves.
 */
#include "hw/clock.h"

uint64_t clock_cycles(uint64_t time, uint64_t hz)
{
    return hz == NS_PER_SECOND ? time : (unsigned __int128)time * hz / NS_PER_SECOND;
}

uint64_t clock_at_cycle(uint64_t n, uint64_t hz)
{
    unsigned __int128 time = ((unsigned __int128)n * NS_PER_SECOND + hz - 1) / hz;

    return time < CLOCK_NEVER ? (uint64_t)time : CLOCK_NEVER;
}

void clock_add_state(struct clock *c, struct timer *t, uint64_t *deadline,
                     void (*fire)(struct timer *t))
{
    *deadline = CLOCK_NEVER;
    *t = (struct timer){.deadline = deadline, .fire = fire, .next = c->timers};
    c->timers = t;
}

void clock_add(struct clock *c, struct timer *t, void (*fire)(struct timer *t))
{
    clock_add_state(c, t, &t->own, fire);
    t->own = CLOCK_NEVER;
}

void clock_remove(struct clock *c, struct timer *t)
{
    struct timer **at = &c->timers;

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
}

void clock_arm(struct clock *c, struct timer *t, uint64_t deadline)
{
    if (*t->deadline == deadline)
        return;
    *t->deadline = deadline;
    clock_changed(c);
}

void clock_changed(struct clock *c)
{
    if (c->rearm)
        c->rearm(c);
}

uint64_t clock_next(const struct clock *c)
{
    uint64_t next = CLOCK_NEVER;

    for (const struct timer *t = c->timers; t; t = t->next)
        if (*t->deadline < next)
            next = *t->deadline;
    return next;
}

uint64_t clock_host(clockid_t clock)
{
    struct timespec t = {0};

    clock_gettime(clock, &t);
    return t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

void clock_run(struct clock *c)
{
    uint64_t now = clock_now(c);

    for (struct timer *t = c->timers; t; t = t->next) {
        if (*t->deadline <= now) {
            *t->deadline = CLOCK_NEVER;
            t->fire(t);
        }
    }
}
