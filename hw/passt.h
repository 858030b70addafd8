/* SPDX-License-Identifier: MIT */
/*
 * User networking: a link to a child process, passt. The guest's frames go to it over a socket
 * pair, and it does what they ask for by ordinary sockets of the host's. passt ends when we do;
 * when it ends before, the link is down.
 */
#ifndef HW_PASST_H
#define HW_PASST_H

#include "hw/child.h"
#include "hw/link.h"

enum {
    PASST_MTU = 65520, /* at most, and unless the user wants less */
    PASST_MTU_MIN = 1280,
    PASST_FRAME_MAX = PASST_MTU + LINK_FRAME_MIN,
    PASST_FORWARDS = 32
};

/* What the user asks for. */
struct passt_options {
    uint8_t mac[6]; /* the guest's */
    int mtu;
    int forwards;
    struct passt_forward {
        char said[96]; /* as the user wrote it */
        bool udp;
        char spec[96]; /* as passt's own options have it: ADDR/PORT:PORT */
    } forward[PASST_FORWARDS];
};

struct passt {
    struct link link;
    struct child child;

    size_t out_sent, out_len; /* the rest of a frame of which the socket took a part */
    uint8_t out[4 + PASST_FRAME_MAX];
    size_t in_start, in_end; /* what came and was not received() yet */
    uint8_t in[4 * (4 + PASST_FRAME_MAX)];
};

/* Start one; passt_wait() sees whether it came up. Dies in words that begin with --net. */
void passt_open(struct passt *p, const struct passt_options *o);

/* Wait until it serves, and so has opened the ports that it forwards. Dies, when it cannot, of what
 * it said. Its loop has not begun yet. */
void passt_wait(struct passt *p, const struct passt_options *o);

/* The same as both with a process that is there, over a stream socket. */
void passt_talk(struct passt *p, int socket);

/* End the child, so that the host's ports are free; the link goes down. Any lock. */
void passt_end(struct passt *p);

#endif
