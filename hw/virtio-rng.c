// SPDX-License-Identifier: MIT
/*
 * virtio-rng.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Entropy Device"; getrandom(2).
 */
#include "hw/virtio-rng.h"

#include <string.h>
#include <sys/random.h>

enum {
    /* Of a request, at most: the device may give less than asked for, and has to be done soon. */
    MOST = 16384,
};

/* A multiplicative sequence, mixed (splitmix64). */
static uint64_t next(struct virtio_rng *r)
{
    uint64_t val = r->s.next += UINT64_C(0x9e3779b97f4a7c15);

    val = (val ^ val >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    val = (val ^ val >> 27) * UINT64_C(0x94d049bb133111eb);
    return val ^ val >> 31;
}

static void fill(struct virtio_rng *r, uint64_t *buf, size_t n)
{
    if (!r->fixed && getrandom(buf, n * sizeof(*buf), 0) == (ssize_t)(n * sizeof(*buf)))
        return;
    for (size_t i = 0; i < n; i++)
        buf[i] = next(r);
}

static void kicked(struct virtio *d, int q)
{
    struct virtio_rng *r = container_of(d, struct virtio_rng, virtio);
    struct virtq_chain c;
    uint64_t buf[32];

    while (virtq_pop(d, q, &c)) {
        size_t done = 0, part = sizeof(buf);

        while (part == sizeof(buf) && done < MOST) {
            fill(r, buf, sizeof(buf) / sizeof(buf[0]));
            part = chain_write(&c, done, buf, sizeof(buf));
            done += part;
        }
        virtq_push(d, q, &c, done);
    }
}

static const struct virtio_kind kind = {
    .name = "virtio-rng",
    .id = 4,
    .kicked = kicked,
};

static void reset(struct device *dev)
{
    container_of(dev, struct virtio_rng, dev)->s.next = 0;
}

void virtio_rng_init(struct virtio_rng *r, const struct virtio_memory *memory,
                     struct worker *worker, bool fixed)
{
    *r = (struct virtio_rng){
        .dev = {.name = "virtio-rng", .reset = reset, .state = &r->s, .state_size = sizeof(r->s)},
        .fixed = fixed,
    };
    virtio_init(&r->virtio, &kind, VIRTIO_BIT(VIRTIO_F_IN_ORDER), 1, memory, worker);
}
