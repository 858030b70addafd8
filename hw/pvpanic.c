// SPDX-License-Identifier: MIT
/*
 * pvpanic.
 *
 * After: QEMU, docs/specs/pvpanic.rst ("PVPANIC DEVICE").
 *
 * The guest goes on: what it has to say on its console mostly comes after, and then it resets the
 * machine or waits for somebody to look.
 *
 * Left out: the events "crash kernel loaded", after which the guest still runs and ends as it
 * likes, and "shut down". A driver sends only those that a read offers.
 */
#include "hw/pvpanic.h"

enum {
    PANICKED = 1 << 0,
};

static uint64_t pvpanic_read(struct device *d, uint64_t off, int size)
{
    (void)d, (void)off, (void)size;
    return PANICKED;
}

static void pvpanic_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    (void)off, (void)size;
    if (val & PANICKED)
        container_of(d, struct pvpanic, dev)->s.panicked = true;
}

static void pvpanic_reset(struct device *d)
{
    container_of(d, struct pvpanic, dev)->s.panicked = false;
}

void pvpanic_init(struct pvpanic *p)
{
    *p = (struct pvpanic){
        .dev = {.name = "pvpanic",
                .read = pvpanic_read,
                .write = pvpanic_write,
                .reset = pvpanic_reset,
                .state = &p->s,
                .state_size = sizeof(p->s)},
    };
}
