/* SPDX-License-Identifier: MIT */
/*
 * What the user wants while a guest runs: the keys after Ctrl-A, signals, and the time limit.
 */
#ifndef TOOLS_MINIVM_STEER_H
#define TOOLS_MINIVM_STEER_H

#include "tools/minivm/outlet.h"
#include "tools/minivm/symbols.h"

struct steer {
    const struct options *options;
    struct machine *machine;
    struct outlet *outlet;
    const struct symbols *symbols; /* or NULL */
    struct watch timeout;          /* a timerfd: the user's time, whatever the guest's is */
    uint64_t began;                /* on CLOCK_MONOTONIC */
    struct watch signals;
    struct still look, last_look; /* where it is: for the user, and when its time is up */
    bool registers;               /* the user wants to see those */
    char *where;                  /* the guest was, when its time was up; or NULL */
};

/* The terminal's callbacks, whose `to` is a struct steer. */
void steer_command(void *to, int key);
void steer_closed(void *to);

/* Watch signals and the time, which begins now, in the machine's loop. Dies when the host is out of
 * descriptors. */
void steer_start(struct steer *s);

/* From here on a signal ends minivm in its own way, once the terminal is given back. */
void steer_free_signals(void);

/* How long a reader of the guest's last words may sleep, where the user did not end it: what
 * --timeout leaves, and a moment at least. As writer_patience() counts it. */
uint64_t steer_deadline(const struct steer *s);

/* The moment that a reader gets when minivm is to end. Likewise. */
uint64_t steer_soon(void);

#endif
