/* SPDX-License-Identifier: MIT */
/*
 * A tap device of the host's: an Ethernet card there, of which we are the cable's other end. It has
 * several queues where it was made so, a link each.
 *
 * The links are down once the device is gone.
 */
#ifndef HW_TAP_H
#define HW_TAP_H

#include "hw/link.h"

enum {
    TAP_QUEUES = 8, /* at most */
    TAP_NAME = 15,  /* bytes of a device's name, at most */
    TAP_MTU_MIN = 68,
    TAP_MTU_MAX = 65520,
    TAP_HEADER = 12 /* before each frame: a link_header, and what counts merged buffers */
};

struct tap_queue {
    struct link link;
    bool used; /* by the driver: the host sends frames here */

    size_t in_len; /* of what came and was not received() yet, its header included */
    uint8_t in[TAP_HEADER + LINK_FRAME_MAX];
};

struct tap {
    struct tap_queue *queue[TAP_QUEUES];
    int queues;
    uint8_t mac[6]; /* for the card: the device's own, changed so that it is another one */
    int mtu;        /* the device's own */
    bool is_up;     /* was it, when it was opened? */
};

/*
 * Open a device that is there, with so many queues; 0: with as many as `most`, if it was made for
 * several, or else one. Dies in words that begin with --net. Each queue is freed by the close of
 * its link.
 */
void tap_open(struct tap *t, const char *name, int queues, int most);

#endif
