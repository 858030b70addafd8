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
    struct watch timeout;          /* a timer: the user's time, whatever the guest's is */
    struct watch limit;            /* another: when a look that takes long is not waited for */
    uint64_t began;                /* on CLOCK_MONOTONIC */
    struct watch ends, signals;    /* the signals that end minivm, and others */
    struct still look, last_look;  /* looks at the CPUs: for the user, and when time is up */
    bool registers;                /* the look is for them */
    char *where;                   /* where the guest was when time was up; or NULL */
};

/* The terminal's callbacks, whose `to` is a struct steer. */
bool steer_at_once(void *to, int key);
void steer_command(void *to, int key);
void steer_closed(void *to);

/* Watch signals and the time, which begins now, in the machine's loop. Dies when the host is out of
 * descriptors. */
void steer_start(struct steer *s);

/* Have the CPUs stand still, for ms milliseconds at most, as machine_hold(); those that wait for a
 * reader of the console or of --verbose stop waiting. And let them go on. Machine locked. */
void steer_hold(struct steer *s, struct still *still, int ms);
void steer_release(struct steer *s);

/* From here on signals have their default effect again; the terminal is given back first. */
void steer_free_signals(void);

/* How long a reader of the guest's last output may sleep, where the user did not end the guest:
 * what --timeout leaves, and a moment at least. As writer_patience() counts it. */
uint64_t steer_deadline(const struct steer *s);

/* How long the images of disks may take to be complete. Likewise. */
uint64_t steer_storage(const struct steer *s);

/* The moment that a reader gets when minivm is to end. Likewise. */
uint64_t steer_soon(void);

#endif
