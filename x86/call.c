// SPDX-License-Identifier: MIT
/*
 * Calls: who sends the message of each, the engine or we.
 *
 * After: eventfd(2).
 */
#include "x86/call.h"
#include "hw/device.h"
#include "x86/machine.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* To tell KVM costs as much as some hundreds of messages, and drivers need fewer to begin. */
#define MANY 128

static void written(struct watch *w)
{
    struct call *c = container_of(w, struct call, watch);

    if (event_hush(w))
        c->answer(c);
}

/* Make its descriptor where it has none. */
static bool make(struct call *c)
{
    int fd = c->watch.fd ? c->watch.fd : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    c->watch.fd = fd < 0 ? 0 : fd;
    return c->watch.fd;
}

/* Have the worker look at it if nobody else does who should. */
static void update_watch(struct call *c)
{
    if (c->watched)
        event_enable(c->worker->loop, &c->watch, c->lent && !c->on);
}

void call_init(struct call *c, struct machine *m, struct worker *w, void (*answer)(struct call *c))
{
    *c = (struct call){
        .worker = w, .watch = {.ready = written}, .answer = answer, .next = m->calls.first};
    m->calls.first = c;
}

void call_free(struct call *c)
{
    if (c->watch.fd)
        close(c->watch.fd);
}

/* The engine no longer has it. What was written and not sent is answered. */
static void hang_up(struct machine *m, struct call *c)
{
    worker_lock(c->worker);
    c->on = false;
    m->engine->hang_up(m, c);
    c->state = CALL_WAITS;
    written(&c->watch);
    update_watch(c);
    worker_unlock(c->worker);
}

static bool waits(const struct call *c)
{
    return c->addr && c->state == CALL_WAITS;
}

void call_set(struct machine *m, struct call *c, uint64_t addr, uint32_t data)
{
    m->calls.waiting -= waits(c);
    if (c->state == CALL_TAKEN)
        hang_up(m, c);
    c->state = CALL_WAITS;
    c->addr = addr;
    c->data = data;
    m->calls.waiting += waits(c);
}

bool call_send(const struct call *c)
{
    if (c->on)
        event_ring(&c->watch);
    return c->on;
}

int call_lend(struct call *c)
{
    if (!make(c))
        return -1;
    c->watched = c->watched || event_try(c->worker->loop, &c->watch);
    c->lent = c->watched;
    update_watch(c);
    return c->lent ? c->watch.fd : -1;
}

void call_take_back(struct call *c)
{
    c->lent = false;
    update_watch(c);
}

/* Tell the engine of all that it has not been told of. */
static void connect(struct machine *m)
{
    for (struct call *c = m->calls.first; c; c = c->next)
        if (waits(c)) {
            worker_lock(c->worker);
            c->state = make(c) ? CALL_WAITS : CALL_REFUSED;
            worker_unlock(c->worker);
        }
    m->engine->connect(m, m->calls.first);
    for (struct call *c = m->calls.first; c; c = c->next) {
        worker_lock(c->worker);
        c->on = c->state == CALL_TAKEN;
        update_watch(c);
        worker_unlock(c->worker);
    }
    m->calls.waiting = m->calls.missed = 0;
}

void calls_missed(struct machine *m)
{
    if (m->engine->connect && m->calls.waiting && ++m->calls.missed >= MANY)
        connect(m);
}

void calls_rest(struct machine *m)
{
    for (struct call *c = m->calls.first; c; c = c->next) {
        call_set(m, c, c->addr, c->data); /* which is how each begins */
    }
}
