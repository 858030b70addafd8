/* SPDX-License-Identifier: MIT */
/*
 * What a network card's cable leads to, for one pair of its queues: frames go there, and come.
 *
 * Of whatever kind it is, it has one descriptor of the host's. When that fails, or the other side
 * breaks the rules, the link is down from then on: frames that are sent are lost, and none come.
 *
 * Nothing here knows virtio's rings. Functions are called with the lock of the loop held that
 * watches the link, or while nothing runs.
 */
#ifndef HW_LINK_H
#define HW_LINK_H

#include "hw/event.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    LINK_FRAME_MIN = 14,         /* an Ethernet header */
    LINK_FRAME_MAX = 65535 + 18, /* the longest IP packet behind one with a VLAN's tag */
    LINK_SEGMENTS = 256          /* of a frame, at most */
};

/* What is left to be done to a frame, as virtio has it: struct virtio_net_hdr. All zero: nothing.
 */
struct link_header {
    uint8_t flags, gso_type;
    uint16_t hdr_len, gso_size, csum_start, csum_offset;
};

enum {
    LINK_NEEDS_CSUM = 1, /* flags: its checksum is to be made; */
    LINK_DATA_VALID = 2, /* or needs no look */

    LINK_GSO_NONE = 0, /* gso_type: what it is to be cut into */
    LINK_GSO_TCPV4 = 1,
    LINK_GSO_TCPV6 = 4,
    LINK_GSO_ECN = 0x80, /* beside one of those */
};

/* Unfinished frames that a card takes. */
enum {
    LINK_TAKES_CSUM = 1,
    LINK_TAKES_TSO4 = 2,
    LINK_TAKES_TSO6 = 4,
    LINK_TAKES_ECN = 8,
};

struct link;

struct link_kind {
    /* Send a frame of a length that is allowed: all of it is taken, without waiting, or it is lost.
     * Not while busy. Its header is of interest only to a kind that has offload(). */
    void (*send)(struct link *l, const struct link_header *h, const struct iovec *v, int count,
                 size_t len);

    /* Something came: hand it to user.received(), until that has no place, which full tells. */
    void (*receive)(struct link *l);

    /* There may be a place again for what had none. */
    void (*resume)(struct link *l);

    /* It can send more of what it was busy with. NULL where it is never busy. */
    void (*flush)(struct link *l);

    /* The card takes such frames from now on, LINK_TAKES_*. NULL where all frames, both ways, are
     * finished ones. */
    void (*offload)(struct link *l, int takes);

    /* The driver uses this pair from now on, or does not. NULL where there is but one. */
    void (*use)(struct link *l, bool on);

    /* Give everything back. fd is closed already. */
    void (*close)(struct link *l);
};

/* The card. Called with the loop's lock held. */
struct link_user {
    /* A frame came. False: there is no place for it. It is offered again at link_resume(), and no
     * other one before. */
    bool (*received)(void *to, const struct link_header *h, const uint8_t *frame, size_t len);
    void (*room)(void *to); /* link_send() may be called again, as link_ask() asked */
    void (*down)(void *to); /* the link is down, for good */
    void *to;
};

struct link {
    const struct link_kind *kind;
    int fd;             /* -1 when it is down */
    struct watch again; /* a bell: link_ask() rings it */
    int poll;           /* an epoll of both, the first for what is of interest now, */
    uint32_t events;    /* which is this */
    int news;           /* one that tells when fd may have failed; -1: fd itself does */
    bool asked;         /* room() is to be called */
    bool full;          /* received() had no place */
    bool busy;          /* part of a frame waits to be sent */
    bool lent;          /* somebody else sends and receives */
    struct watch watch; /* of the epoll */
    struct link_user user;
};

/* Make one of a descriptor, which is the link's from now on. Dies when it cannot be watched. */
void link_init(struct link *l, const struct link_kind *kind, int fd);

/* Let it serve user, and have its watch, whose loop begins later. */
void link_attach(struct link *l, const struct link_user *user);

/* Send a frame of that length, in so many segments. One that is too short or too long is lost. Not
 * while link_is_busy(). */
void link_send(struct link *l, const struct link_header *h, const struct iovec *v, int count,
               size_t len);

static inline bool link_is_busy(const struct link *l)
{
    return l->busy;
}

/* Have room() called, once, when it is not busy, but not at once; also when the link is down. */
void link_ask(struct link *l);

/* There may be a place for the frame that had none. */
void link_resume(struct link *l);

/* Leave the descriptor to somebody else from now on, or no more. That it fails is still noticed. */
void link_lend(struct link *l, bool on);

/* End it. Its loop does not run any more. */
void link_close(struct link *l);

/* ---- for kinds ---- */

/* Something comes at news, which is the link's from now on, when fd may have failed. For
 * descriptors that do not tell it while nobody reads from them. */
void link_watch_news(struct link *l, int news);

/* It is of no more use. */
void link_down(struct link *l);

/* busy has become true. */
void link_wait(struct link *l);

#endif
