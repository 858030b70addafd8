/* SPDX-License-Identifier: MIT */
/*
 * The driver's half of virtio rings, as the specification has it, in the RAM of no machine: for
 * tests of the device's half, and of devices.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Split Virtqueues".
 */
#ifndef TESTS_UNIT_VIRTIO_DRIVER_H
#define TESTS_UNIT_VIRTIO_DRIVER_H

#include "hw/virtio.h"

#include <string.h>

enum {
    RING_NEXT = 1,
    RING_WRITE = 2,
    RING_INDIRECT = 4,
};

/* A queue, as its driver sees it: each part at an address in RAM. */
struct ring {
    const struct ram *ram;
    uint64_t desc, avail, used;
    uint16_t size;
    uint16_t added; /* to the available ring */
    uint16_t seen;  /* of the used ring */
};

static inline void *ring_at(const struct ring *r, uint64_t gpa)
{
    return ram_at(r->ram, gpa, 1);
}

static inline void ring_put16(const struct ring *r, uint64_t gpa, uint16_t val)
{
    memcpy(ring_at(r, gpa), &val, sizeof(val));
}

static inline uint16_t ring_get16(const struct ring *r, uint64_t gpa)
{
    uint16_t val;

    memcpy(&val, ring_at(r, gpa), sizeof(val));
    return val;
}

static inline uint32_t ring_get32(const struct ring *r, uint64_t gpa)
{
    uint32_t val;

    memcpy(&val, ring_at(r, gpa), sizeof(val));
    return val;
}

/* Write entry n of a table of descriptors. */
static inline void ring_entry(const struct ring *r, uint64_t table, int n, uint64_t addr,
                              uint32_t len, uint16_t flags, uint16_t next)
{
    uint8_t *at = ring_at(r, table + 16 * n);

    memcpy(at, &addr, 8);
    memcpy(at + 8, &len, 4);
    memcpy(at + 12, &flags, 2);
    memcpy(at + 14, &next, 2);
}

static inline void ring_desc(const struct ring *r, int n, uint64_t addr, uint32_t len,
                             uint16_t flags, uint16_t next)
{
    ring_entry(r, r->desc, n, addr, len, flags, next);
}

/* Make the chain available that begins at a descriptor. */
static inline void ring_add(struct ring *r, uint16_t head)
{
    ring_put16(r, r->avail + 4 + 2 * (r->added++ % r->size), head);
    ring_put16(r, r->avail + 2, r->added);
}

/* Has a chain come back? Its head, and how much was written. */
static inline bool ring_take(struct ring *r, uint32_t *head, uint32_t *len)
{
    uint64_t at = r->used + 4 + 8 * (r->seen % r->size);

    if (ring_get16(r, r->used + 2) == r->seen)
        return false;
    *head = ring_get32(r, at);
    *len = ring_get32(r, at + 4);
    r->seen++;
    return true;
}

/* What each side tells the other. */
static inline void ring_no_interrupt(const struct ring *r, bool no)
{
    ring_put16(r, r->avail, no);
}

static inline void ring_used_event(const struct ring *r, uint16_t index)
{
    ring_put16(r, r->avail + 4 + 2 * r->size, index);
}

static inline bool ring_no_notify(const struct ring *r)
{
    return ring_get16(r, r->used) & 1;
}

static inline uint16_t ring_avail_event(const struct ring *r)
{
    return ring_get16(r, r->used + 4 + 8 * r->size);
}

/* Lay a queue out from an address on, which is a multiple of 16, and zero it. */
static inline void ring_lay(struct ring *r, const struct ram *ram, uint64_t at, uint16_t size)
{
    *r = (struct ring){.ram = ram, .desc = at, .size = size};
    r->avail = at + 16 * size;
    r->used = (r->avail + 6 + 2 * size + 3) & ~UINT64_C(3);
    memset(ring_at(r, at), 0, r->used + 6 + 8 * size - at);
}

/* Start a device with these features, and with n queues. */
static inline void driver_start(struct virtio *d, uint64_t features, const struct ring *ring, int n)
{
    virtio_set_status(d, 0, false);
    virtio_set_status(d, VIRTIO_ACKNOWLEDGE, false);
    virtio_set_status(d, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER, false);
    virtio_set_features(d, features | VIRTIO_BIT(VIRTIO_F_VERSION_1), false);
    virtio_set_status(d, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK, false);
    for (int i = 0; i < n; i++) {
        d->s.q[i].desc = ring[i].desc;
        d->s.q[i].avail = ring[i].avail;
        d->s.q[i].used = ring[i].used;
        d->s.q[i].size = ring[i].size;
        virtq_enable(d, i);
    }
    virtio_set_status(d, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK,
                      false);
}

#endif
