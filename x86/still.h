/* SPDX-License-Identifier: MIT */
/*
 * Standing still: who asks for it, and learns that it is so.
 */
#ifndef X86_STILL_H
#define X86_STILL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A request that the machine stand still: every CPU comes out of the guest and waits, and every
 * worker finishes its present work. The main thread goes on with its events meanwhile.
 */
struct still {
    /* Called when it stands still or the time is up; main thread, machine locked. v->state,
     * v->waiting and v->inspected then tell about each vCPU. */
    void (*ready)(struct still *s);

    bool all;     /* every CPU and worker came in time */
    bool pending; /* ready() has not been called yet */
    uint64_t deadline;
    struct still *next;
};

struct machine;

/* For x86/machine only. The others' door to this are machine_hold() and those that follow it. */

/* Make what times these requests. The loop is there. */
void still_init(struct machine *m);

/* Get all CPUs out of the guest, and have all workers stand still. Returns how many do not within
 * our patience, 0 for success. Meanwhile the user may want out. */
int still_assemble(struct machine *m);

#endif
