/* SPDX-License-Identifier: MIT */
/*
 * A network card behind virtio rings, with a link at the end of its cable, or one for each pair of
 * its queues.
 *
 * Its worker's lock is held around everything here.
 */
#ifndef HW_VIRTIO_NET_H
#define HW_VIRTIO_NET_H

#include "hw/link.h"
#include "hw/vhost.h"
#include "hw/virtio.h"
#include "hw/worker.h"

enum {
    VIRTIO_NET_RX = 0, /* the queues of the first pair; others follow, and the control queue */
    VIRTIO_NET_TX = 1,
    VIRTIO_NET_PAIRS = 8,   /* at most */
    VIRTIO_NET_FILTER = 32, /* addresses beside its own, at most */
};

/* How one is to be. Links that have offload() are of one kind; others come alone. */
struct virtio_net_options {
    struct link *link[VIRTIO_NET_PAIRS];
    int pairs;
    uint8_t mac[6];
    int mtu;
    bool vhost; /* the links are a tap's, which the host's kernel may serve */
};

/* As the driver reads it. */
struct virtio_net_config {
    uint8_t mac[6];
    uint16_t status;
    uint16_t max_virtqueue_pairs;
    uint16_t mtu;
};

/* What the driver said over the control queue. */
PLAIN_BEGIN
struct virtio_net_state {
    uint16_t pairs;     /* that it uses */
    bool promiscuous;   /* it wants all frames, */
    bool all_multicast; /* or at least all multicasts */
    uint8_t mac[6];
    uint16_t filters;
    uint8_t filter[VIRTIO_NET_FILTER][6];
};
PLAIN_END

struct virtio_net {
    struct virtio virtio;
    struct device dev; /* on no bus: it has the state */
    uint8_t mac[6];
    int pairs;
    struct virtio_net_pair {
        struct virtio_net *net;
        int rx, tx; /* queues */
        struct link *link;
        struct vhost vhost;
    } pair[VIRTIO_NET_PAIRS];
    struct virtio_net_config config;
    bool commands; /* there may be more of them */
    bool vhost;
    struct worker_pause pause;
    struct virtq_chain chain, first; /* the current one, and the first of a received frame */
    uint8_t frame[LINK_FRAME_MAX];   /* one that gets its checksum */
    struct virtio_net_state s;
};

/* Make one, which gives its links to the worker. */
void virtio_net_init(struct virtio_net *n, const struct virtio_net_options *o,
                     const struct virtio_memory *memory, struct worker *worker);

/* End the links. The worker has ended. */
void virtio_net_free(struct virtio_net *n);

#endif
