// SPDX-License-Identifier: MIT
/*
 * A virtio device in a machine.
 *
 * With a worker in line, everything happens in the CPU's thread that kicks, with the machine
 * locked. With a thread, each queue has an eventfd: a kick rings it without the machine's lock. So
 * does its interrupt where the engine sends the message (x86/call.h); else the worker takes that
 * lock to deliver the interrupts of all that it has done. Where the kick has come to minivm anyway,
 * as on engine soft, and the worker has nothing to do, the CPU's thread does what is done at once:
 * to wake another one, and be woken, takes longer.
 */
#include "x86/virtio-slot.h"
#include "hw/die.h"
#include "x86/machine.h"

#include <sys/eventfd.h>
#include <unistd.h>

static void wrote(void *to, uint64_t gpa, uint64_t len)
{
    struct machine *m = to;

    if (m->engine->wrote)
        m->engine->wrote(m, gpa, len);
}

struct virtio_memory virtio_slot_memory(struct machine *m)
{
    return (struct virtio_memory){&m->ram, wrote, m};
}

static void message(void *to, uint64_t addr, uint32_t data)
{
    struct machine *m = ((struct virtio_slot *)to)->machine;

    m->engine->message(m, addr, data);
}

static void deliver(struct worker_after *a)
{
    struct virtio_slot *s = container_of(a, struct virtio_slot, after);

    if (!virtio_pci_is_due(&s->pci))
        return;
    pthread_mutex_lock(&s->machine->lock);
    virtio_pci_deliver(&s->pci);
    calls_missed(s->machine);
    pthread_mutex_unlock(&s->machine->lock);
}

static void move_bell(void *to, int q, bool port, uint64_t addr)
{
    struct virtio_slot *s = to;
    struct virtio_slot_bell *b = &s->bell[q];

    if (b->there)
        machine_doorbell(s->machine, &b->bell, false);
    b->there = addr != PCI_NOWHERE;
    b->bell.port = port;
    b->bell.addr = addr;
    b->bell.match = port ? q : -1;
    if (b->there)
        machine_doorbell(s->machine, &b->bell, true);
}

static void ring(void *to, int q)
{
    uint64_t one = 1;

    (void)!write(((struct virtio_slot *)to)->bell[q].bell.fd, &one, sizeof(one));
}

/* When the driver has reset the device since, this is for nobody. */
static void rung(struct watch *w)
{
    struct virtio_slot_bell *b = container_of(w, struct virtio_slot_bell, watch);
    struct virtio *d = b->slot->pci.d;
    uint64_t count;

    (void)!read(w->fd, &count, sizeof(count));
    virtio_serve(d, b->q);
}

/* Its own thread may have left the worker with more to do, which then comes first. */
static bool answer(const struct doorbell *bell)
{
    struct virtio_slot_bell *b = container_of(bell, struct virtio_slot_bell, bell);
    struct virtio *d = b->slot->pci.d;

    if (!d->kind->quick || !worker_try(d->worker))
        return false;
    bool done = virtio_try_serve(d, b->q);

    worker_unlock(d->worker);
    worker_end(d->worker);
    return done;
}

/* Whoever has the queue has asked for an interrupt. */
static void answer_call(struct call *c)
{
    struct virtio_slot_bell *b = container_of(c, struct virtio_slot_bell, call);
    struct virtio *d = b->slot->pci.d;

    if (virtio_is_live(d))
        d->interrupt(d->interrupt_to, b->q);
}

static void set_call(void *to, int q, uint64_t addr, uint32_t data)
{
    struct virtio_slot *s = to;

    call_set(s->machine, &s->bell[q].call, addr, data);
}

static bool interrupt(void *to, int q)
{
    return call_send(&((struct virtio_slot *)to)->bell[q].call);
}

/* Only beside an engine to which it is nothing that RAM is written. */
static bool lend(void *to, int q, int *kick, int *call)
{
    struct virtio_slot *s = to;
    struct virtio_slot_bell *b = &s->bell[q];

    if (s->machine->engine->wrote)
        return false;
    *call = call_lend(&b->call);
    if (*call < 0)
        return false;
    event_enable(s->pci.d->worker->loop, &b->watch, false);
    *kick = b->bell.fd;
    return true;
}

static void take_back(void *to, int q)
{
    struct virtio_slot *s = to;

    call_take_back(&s->bell[q].call);
    event_enable(s->pci.d->worker->loop, &s->bell[q].watch, true);
}

static void wait(void *to)
{
    struct virtio_slot *s = to;

    s->machine->resetting = s->pci.d;
}

static void make_bells(struct virtio_slot *s, struct virtio *d)
{
    for (int q = 0; q < d->queues; q++) {
        struct virtio_slot_bell *b = &s->bell[q];
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

        if (fd < 0)
            die("cannot make the doorbells of %s: %m", d->kind->name);
        *b = (struct virtio_slot_bell){.slot = s,
                                       .q = q,
                                       .watch = {.fd = fd, .ready = rung},
                                       .bell = {.fd = fd, .answer = answer}};
        worker_watch(d->worker, &b->watch);
        if (!d->worker->in_line)
            call_init(&b->call, s->machine, d->worker, answer_call);
    }
}

void virtio_slot_init(struct virtio_slot *s, struct machine *m, struct pci *pci, struct virtio *d)
{
    struct virtio_pci_out out = {.message = message, .ring = ring, .to = s};

    *s = (struct virtio_slot){.machine = m, .after = {.call = deliver}};
    make_bells(s, d);
    if (!d->worker->in_line) {
        out.bell = move_bell;
        out.wait = wait;
        out.call = set_call;
        out.interrupt = interrupt;
        d->lender = (struct virtio_lender){lend, take_back, s};
        worker_add_after(d->worker, &s->after);
    }
    virtio_pci_init(&s->pci, d, &out);
    pci_add(pci, &s->pci.function);
}

void virtio_slot_show(struct virtio_slot *s, const char *name, int n, struct device *own,
                      struct parts *p)
{
    parts_show(p, name, n, "rings", &s->pci.d->dev);
    if (own)
        parts_show(p, name, n, "own", own);
    parts_show(p, name, n, "registers", &s->pci.dev);
    parts_show(p, name, n, "msix", &s->pci.msix.dev);
    parts_show(p, name, n, "pci", &s->pci.function.dev);
}

void virtio_slot_free(struct virtio_slot *s)
{
    if (s->pci.d)
        for (int q = 0; q < s->pci.d->queues; q++) {
            close(s->bell[q].bell.fd);
            call_free(&s->bell[q].call);
        }
}
