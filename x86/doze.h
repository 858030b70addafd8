/* SPDX-License-Identifier: MIT */
/*
 * Finds out that the guest sleeps for ever: all CPUs are halted with interrupts off.
 */
#ifndef X86_DOZE_H
#define X86_DOZE_H

#include "hw/clock.h"
#include "x86/still.h"

struct machine;

struct doze {
    struct timer timer; /* until the next look, */
    uint64_t ns;        /* and how long that is */
    struct still look;
    bool slept;      /* all CPUs did, at the first of two looks */
    uint64_t cpu_ns; /* the CPUs' time as of the last look */
};

/* While it is built; when it begins to run, where that makes sense; when it ends. Machine locked.
 */
void doze_init(struct machine *m);
void doze_start(struct machine *m);
void doze_end(struct machine *m);

#endif
