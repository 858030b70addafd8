/* SPDX-License-Identifier: MIT */
/*
 * virtio-balloon: memory that the guest does not need goes back to the host.
 *
 * The driver reports free pages. They are the host's until the guest touches them again, when they
 * read as zeros. The device can also ask the guest to put pages into the balloon, which are the
 * host's for longer; by itself it asks for none.
 */
#ifndef HW_VIRTIO_BALLOON_H
#define HW_VIRTIO_BALLOON_H

#include "hw/event.h"
#include "hw/virtio.h"

PLAIN_BEGIN
/* As the driver reads it. */
struct virtio_balloon_state {
    uint32_t num_pages; /* that the balloon is to hold, of 4 KiB */
    uint32_t actual;    /* that it does hold, the driver says */
};
PLAIN_END

struct virtio_balloon {
    struct virtio virtio;
    struct device dev;  /* on no bus: it has the state */
    struct watch again; /* a bell: the other queues have had their turn */
    struct virtio_balloon_state s;
};

/* Dies when the host is out of descriptors. */
void virtio_balloon_init(struct virtio_balloon *b, const struct virtio_memory *memory,
                         struct worker *worker);

/* Give the descriptor back. The worker has ended. */
void virtio_balloon_free(struct virtio_balloon *b);

/* Ask the guest for so many pages of 4 KiB in all; it gives what it can. Worker locked. */
void virtio_balloon_ask(struct virtio_balloon *b, uint32_t pages);

#endif
