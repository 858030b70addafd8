/* SPDX-License-Identifier: MIT */
/*
 * pvpanic: the port by which a kernel says that it panics, at 0x505 by custom.
 */
#ifndef HW_PVPANIC_H
#define HW_PVPANIC_H

#include "hw/device.h"

PLAIN_BEGIN
struct pvpanic_state {
    uint8_t panicked; /* since the last reset */
};
PLAIN_END

struct pvpanic {
    struct device dev; /* one address */
    struct pvpanic_state s;
};

void pvpanic_init(struct pvpanic *p);

/* Has the guest said that it panicked? */
static inline bool pvpanic_is(const struct pvpanic *p)
{
    return p->s.panicked;
}

#endif
