// SPDX-License-Identifier: MIT
/*
 * virtio-rng.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Entropy Device"; getrandom(2).
 */
#include "hw/virtio-rng.h"
#include "hw/random.h"

#include <string.h>
#include <sys/random.h>

enum {
    /* Bytes of a request, at most: the device may give less than asked for. */
    MOST = 16384,

    /* Requests in a row: other CPUs may add them as fast as they are served, and all the while the
     * machine is locked. */
    AT_ONCE = 16,
    PAUSE_NS = 1000000,
};

/* False when the host has none: a guest must not take what can be guessed for random. */
static bool fill(struct virtio_rng *r, uint64_t *buf, size_t n)
{
    if (!r->fixed)
        return getrandom(buf, n * sizeof(*buf), 0) == (ssize_t)(n * sizeof(*buf));
    for (size_t i = 0; i < n; i++)
        buf[i] = random_next(&r->s.next);
    return true;
}

static void serve(struct virtio_rng *r, int q, const struct virtq_chain *c)
{
    uint64_t buf[32];
    size_t done = 0, part = sizeof(buf);

    while (part == sizeof(buf) && done < MOST) {
        if (!fill(r, buf, sizeof(buf) / sizeof(buf[0]))) {
            virtio_broken(&r->virtio);
            return;
        }
        part = chain_write(c, done, buf, sizeof(buf));
        done += part;
    }
    virtq_push(&r->virtio, q, c, done);
}

static void kicked(struct virtio *d, int q)
{
    struct virtio_rng *r = container_of(d, struct virtio_rng, virtio);
    struct virtq_chain c;

    for (int i = 0; i < AT_ONCE; i++) {
        if (!virtq_pop(d, q, &c))
            return;
        serve(r, q, &c);
    }
    clock_arm(r->clock, &r->timer, clock_after(clock_now(r->clock), PAUSE_NS));
}

static void go_on(struct timer *t)
{
    kicked(&container_of(t, struct virtio_rng, timer)->virtio, 0);
}

static const struct virtio_kind kind = {
    .name = "virtio-rng",
    .id = 4,
    .kicked = kicked,
};

static void reset(struct device *dev)
{
    struct virtio_rng *r = container_of(dev, struct virtio_rng, dev);

    r->s.next = 0;
    clock_arm(r->clock, &r->timer, CLOCK_NEVER);
}

static void restored(struct device *dev)
{
    clock_changed(container_of(dev, struct virtio_rng, dev)->clock);
}

void virtio_rng_init(struct virtio_rng *r, const struct virtio_memory *memory,
                     struct worker *worker, struct clock *clock, bool fixed)
{
    *r = (struct virtio_rng){
        .dev = {.name = "virtio-rng",
                .reset = reset,
                .state = &r->s,
                .state_size = sizeof(r->s),
                .restored = restored},
        .clock = clock,
        .fixed = fixed,
    };
    clock_add_state(clock, &r->timer, &r->s.go_on, go_on);
    virtio_init(&r->virtio, &kind, VIRTIO_BIT(VIRTIO_F_IN_ORDER), 1, memory, worker);
}
