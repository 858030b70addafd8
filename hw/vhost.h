/* SPDX-License-Identifier: MIT */
/*
 * vhost-net: the host's kernel serves a pair of a network card's queues, between the rings in the
 * guest's memory and a tap device, without coming to us.
 *
 * Called with the lock of the card's worker held.
 */
#ifndef HW_VHOST_H
#define HW_VHOST_H

#include "hw/virtio.h"

struct vhost {
    int fd; /* 0: not asked for yet; -1: the host has none for us */
    bool runs;
};

/* Who rings, and whom to ring: eventfds of the queue to receive, and of that to send. */
struct vhost_bells {
    int kick[2], call[2];
};

/*
 * Let the kernel serve queues rx and rx + 1 of a device, whose driver has agreed on the features
 * and enabled both, from where the device has left off; tap is a queue of a tap device. False where
 * it cannot, and nothing has changed.
 */
bool vhost_start(struct vhost *v, struct virtio *d, int rx, const struct vhost_bells *bells,
                 int tap);

/* No more: the device goes on from where the kernel has left off. */
void vhost_stop(struct vhost *v, struct virtio *d, int rx);

void vhost_close(struct vhost *v);

#endif
