// SPDX-License-Identifier: MIT
/*
 * Doorbells: a small table that is looked through without a lock.
 */
#include "x86/doorbell.h"
#include "x86/machine.h"

#include <unistd.h>

/* An address as a key, which is never 0. Ports and memory do not meet: no memory is at 2^62. */
static uint64_t key_of(bool port, uint64_t addr)
{
    return addr << 2 | port << 1 | 1;
}

/* Whoever rings a doorbell looks at it without a lock. So a slot changes only while it has no key;
 * who looks at it just then rings the wrong one at worst, which does no harm. */
static void hang(struct machine *m, struct doorbell_slot *slot)
{
    /* A trace tells of all kicks, so the engine may not take any. */
    bool ours =
        m->config.trace || !m->engine->doorbell || !m->engine->doorbell(m, &slot->bell, true);
    uint64_t key = ours ? key_of(slot->bell.port, slot->bell.addr) : 0;

    __atomic_store_n(&slot->key, key, __ATOMIC_RELEASE);
}

static void add(struct machine *m, const struct doorbell *b)
{
    struct doorbells *d = &m->doorbells;
    int i = 0;

    while (i < DOORBELLS && d->slot[i].there)
        i++;
    if (i == DOORBELLS)
        return;
    d->slot[i].there = true;
    d->slot[i].bell.port = b->port;
    d->slot[i].bell.addr = b->addr;
    __atomic_store_n(&d->slot[i].bell.match, b->match, __ATOMIC_RELAXED);
    __atomic_store_n(&d->slot[i].bell.fd, b->fd, __ATOMIC_RELAXED);
    __atomic_store_n(&d->slot[i].owner, b->answer ? b : NULL, __ATOMIC_RELAXED);
    hang(m, &d->slot[i]);
    if (i >= d->n)
        __atomic_store_n(&d->n, i + 1, __ATOMIC_RELEASE);
}

static void take_away(struct machine *m, const struct doorbell *b)
{
    struct doorbells *d = &m->doorbells;

    for (int i = 0; i < d->n; i++) {
        struct doorbell_slot *slot = &d->slot[i];

        if (!slot->there || slot->bell.fd != b->fd || slot->bell.port != b->port ||
            slot->bell.addr != b->addr)
            continue;
        if (!slot->key)
            m->engine->doorbell(m, &slot->bell, false);
        __atomic_store_n(&slot->key, 0, __ATOMIC_RELEASE);
        slot->there = false;
        return;
    }
}

void machine_doorbell(struct machine *m, const struct doorbell *b, bool on)
{
    if (on)
        add(m, b);
    else
        take_away(m, b);
}

void doorbells_move(struct machine *m)
{
    for (int i = 0; i < m->doorbells.n; i++)
        if (m->doorbells.slot[i].there)
            hang(m, &m->doorbells.slot[i]);
}

bool doorbell_ring(struct doorbells *d, bool port, uint64_t addr, uint16_t val)
{
    int bells = __atomic_load_n(&d->n, __ATOMIC_ACQUIRE);
    uint64_t key = key_of(port, addr), one = 1;

    for (int i = 0; i < bells; i++) {
        const struct doorbell_slot *slot = &d->slot[i];

        if (__atomic_load_n(&slot->key, __ATOMIC_ACQUIRE) != key)
            continue;
        int match = __atomic_load_n(&slot->bell.match, __ATOMIC_RELAXED);

        if (match >= 0 && match != val)
            continue;
        const struct doorbell *owner = __atomic_load_n(&slot->owner, __ATOMIC_RELAXED);

        if (!owner || !owner->answer(owner))
            (void)!write(__atomic_load_n(&slot->bell.fd, __ATOMIC_RELAXED), &one, sizeof(one));
        return true;
    }
    return false;
}
