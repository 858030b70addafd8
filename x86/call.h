/* SPDX-License-Identifier: MIT */
/*
 * Calls: eventfds by which devices interrupt the guest, so that neither the machine's lock nor,
 * where it is the host's kernel that serves a device, a return to minivm is needed. The counterpart
 * of doorbells.
 *
 * To tell the engine of a call is costly, and drivers change their minds while they begin. So it is
 * told of all that there are at once, when messages have become many; and again, when those that
 * have come or changed since then have.
 */
#ifndef X86_CALL_H
#define X86_CALL_H

#include "hw/worker.h"

#include <stdbool.h>
#include <stdint.h>

struct machine;

/* A call, embedded in its owner, which has a worker with a thread. */
struct call {
    struct worker *worker;

    /* Machine lock. */
    uint64_t addr; /* of its message; 0 where there is none that may be sent */
    uint32_t data;
    enum call_state {
        CALL_WAITS,   /* the engine was not told yet */
        CALL_TAKEN,   /* it sends the message whenever watch.fd is written to */
        CALL_REFUSED, /* it cannot */
    } state;
    int route; /* the engine's */
    struct call *next;

    /* Worker lock. */
    bool on;            /* it is taken, and the machine as a whole knows */
    struct watch watch; /* an eventfd, made when one is wanted first; 0 before */
    bool lent, watched; /* somebody else has it; the worker's loop was told of it */

    /* Somebody has written to it, and the message was not sent. Worker locked. */
    void (*answer)(struct call *c);
};

/* All calls of a machine. Machine lock. */
struct calls {
    struct call *first;
    int waiting; /* with a message */
    int missed;  /* interrupts while there were such */
};

/* Make one of m's, which is off. Before the machine runs. */
void call_init(struct call *c, struct machine *m, struct worker *w, void (*answer)(struct call *c));

/* Give its descriptor back. Its worker has ended. */
void call_free(struct call *c);

/* It is for this message from now on; addr 0: for none. Machine locked, its worker not. */
void call_set(struct machine *m, struct call *c, uint64_t addr, uint32_t data);

/* Send its message, if that can be done right here. Worker locked. */
bool call_send(const struct call *c);

/* Have somebody else write to it, until call_take_back(): returns its descriptor, or -1 where the
 * host has none left. Worker locked. */
int call_lend(struct call *c);
void call_take_back(struct call *c);

/* A device has interrupted without one. Machine locked, no worker. */
void calls_missed(struct machine *m);

/* The engine no longer sends any of them, and all that it should have sent has come to the CPUs:
 * before their states are read in order to be kept. Likewise. */
void calls_rest(struct machine *m);

#endif
