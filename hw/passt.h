/* SPDX-License-Identifier: MIT */
/*
 * User networking: a child process, passt, to which the guest's frames go over a socket pair, and
 * which has the host's sockets do what they ask for. It ends when we do.
 *
 * When it dies or breaks the rules of the conversation, the link is down from then on: frames that
 * are sent are lost, and none come.
 *
 * Nothing here knows virtio. Functions that take a passt are called with the lock of the loop held
 * that watches it, or while nothing runs.
 */
#ifndef HW_PASST_H
#define HW_PASST_H

#include "hw/event.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

enum {
    PASST_MTU = 65520, /* at most, and unless the user wants less */
    PASST_MTU_MIN = 1280,
    PASST_FRAME_MIN = 14, /* an Ethernet header */
    PASST_FRAME_MAX = PASST_MTU + 14,
    PASST_SEGMENTS = 256, /* of a frame, at most */
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

/* Whom it serves. Called with the loop's lock held. */
struct passt_user {
    /* A frame came. False: there is no place for it. It is offered again at passt_resume(), and no
     * other one before. */
    bool (*received)(void *to, const uint8_t *frame, size_t len);
    void (*room)(void *to); /* passt_send() may be called again, as passt_ask() asked */
    void (*down)(void *to); /* the link is down, for good */
    void *to;
};

struct passt {
    int socket;      /* -1 when the link is down */
    int again;       /* an eventfd: there is more to send */
    int poll;        /* an epoll of both, the socket for what is of interest now, */
    uint32_t events; /* which is this */
    int log;         /* what the child prints on stderr */
    pid_t child;
    bool asked; /* room() is to be called */
    bool full;  /* received() had no place */
    struct watch watch;
    struct passt_user user;

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

/* Let it serve user, and have its watch, whose loop begins later. */
void passt_attach(struct passt *p, const struct passt_user *user);

/* May a frame be sent? Then all of it is taken, without waiting. */
static inline bool passt_has_room(const struct passt *p)
{
    return !p->out_len;
}

/* Send a frame of that length, in so many segments. One that is too short or too long is lost. */
void passt_send(struct passt *p, const struct iovec *v, int count, size_t len);

/* Have room() called, once, when there is some, but not at once; also when the link is down. */
void passt_ask(struct passt *p);

/* There may be a place for the frame that had none. */
void passt_resume(struct passt *p);

/* End it. Its loop does not run any more. */
void passt_close(struct passt *p);

#endif
