/* SPDX-License-Identifier: MIT */
/*
 * virtio-rng: random bytes, for a guest that needs some before it has seen anything random.
 */
#ifndef HW_VIRTIO_RNG_H
#define HW_VIRTIO_RNG_H

#include "hw/clock.h"
#include "hw/virtio.h"

PLAIN_BEGIN
struct virtio_rng_state {
    uint64_t next;  /* in the fixed sequence */
    uint64_t go_on; /* when requests that wait are served, on the clock; or CLOCK_NEVER */
};
PLAIN_END

struct virtio_rng {
    struct virtio virtio;
    struct device dev; /* on no bus: it has the state */
    struct clock *clock;
    struct timer timer;
    bool fixed; /* a sequence that is the same in each run, and not the host's bytes */
    struct virtio_rng_state s;
};

/* The worker is in line, as the clock is the machine's. */
void virtio_rng_init(struct virtio_rng *r, const struct virtio_memory *memory,
                     struct worker *worker, struct clock *clock, bool fixed);

#endif
