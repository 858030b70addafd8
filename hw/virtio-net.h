/* SPDX-License-Identifier: MIT */
/*
 * A network card behind virtio rings, with passt at the other end of its cable.
 *
 * Its worker's lock is held around everything here.
 */
#ifndef HW_VIRTIO_NET_H
#define HW_VIRTIO_NET_H

#include "hw/passt.h"
#include "hw/virtio.h"
#include "hw/worker.h"

enum { /* queues */
    VIRTIO_NET_RX = 0,
    VIRTIO_NET_TX = 1,
    VIRTIO_NET_QUEUES
};

/* As the driver reads it. */
struct virtio_net_config {
    uint8_t mac[6];
    uint16_t status;
    uint16_t max_virtqueue_pairs;
    uint16_t mtu;
};

struct virtio_net {
    struct virtio virtio;
    struct passt *passt;
    struct virtio_net_config config;
    struct virtq_chain chain, first; /* the one at hand, and a received frame's first */
    uint8_t frame[PASST_FRAME_MAX];  /* one that gets its checksum */
};

/* Make one of a link, which it gives to the worker. */
void virtio_net_init(struct virtio_net *n, struct passt *passt, const uint8_t mac[6], int mtu,
                     const struct virtio_memory *memory, struct worker *worker);

/* End the link. The worker has ended. */
void virtio_net_free(struct virtio_net *n);

#endif
