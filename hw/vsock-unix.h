/* SPDX-License-Identifier: MIT */
/*
 * The host's side of vsock: Unix sockets, one for each connection.
 *
 * At PATH we listen: a program connects, says "CONNECT PORT\n", and is connected with that port of
 * the guest's; then it reads "OK PORT\n", which is its own port. A guest that connects to the
 * host's port P is connected with whoever listens at PATH_P.
 *
 * Streams have numbers, from 0 to VSOCK_STREAMS - 1, by which their user knows them. No function
 * waits for a program, and what a program did not read yet is bounded: it is its user's part to
 * send no more than VSOCK_BUFFER bytes that are not gone.
 *
 * Nothing here knows virtio. All but opening and closing is called with the lock of the loop held
 * that watches it, or while nothing runs.
 */
#ifndef HW_VSOCK_UNIX_H
#define HW_VSOCK_UNIX_H

#include "hw/event.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

enum {
    VSOCK_STREAMS = 512,
    VSOCK_SAYING = 64, /* of them those whose program has not said yet what it wants */
    VSOCK_BUFFER = 128 << 10,
    VSOCK_PATH_MAX = 107 - 11, /* bytes of PATH: _4294967295 and a 0 stand behind it */
    VSOCK_TICK_MS = 50
};

/* What is of interest about a stream. */
enum vsock_interest {
    VSOCK_NOTHING,
    VSOCK_CLOSED, /* that its program closed it */
    VSOCK_INPUT   /* that there is something to receive, if only the end */
};

/* Whom it serves. Called with the loop's lock held. */
struct vsock_user {
    /* A program wants to be connected with a port of the guest's, by stream i, which is the user's
     * from now on, until vsock_unix_release(). False: it cannot be. */
    bool (*asked)(void *to, int i, uint32_t port);
    void (*readable)(void *to, int i);       /* as of interest */
    void (*closed)(void *to, int i);         /* likewise; there may be something to receive yet */
    void (*gone)(void *to, int i, size_t n); /* n bytes that waited went to the program, or are lost
                                              */
    /* The end of each turn of the above, or vsock_unix_ask() asked for it; or with tick, the time
     * is up that vsock_unix_tick() set. */
    void (*turn)(void *to, bool tick);
    void *to;
};

struct vsock_unix {
    const char *path;
    uint64_t device, inode; /* of the socket there */
    int listener;           /* -1 before vsock_unix_listen() */
    struct watch again;     /* a bell: vsock_unix_ask() rings it */
    struct watch timer;     /* of vsock_unix_tick() */
    int poll;               /* an epoll of all */
    bool ticking;           /* the timer runs */
    bool crowded; /* the host is out of descriptors: nobody is let in until the next tick */
    struct watch watch;
    struct vsock_user user;
    int used;      /* streams */
    uint64_t came; /* programs */
    struct vsock_stream {
        enum {
            VSOCK_FREE,
            VSOCK_NEW, /* its program has not said yet what it wants */
            VSOCK_USED,
            VSOCK_LEAVING /* the user is done with it, but not all has been written */
        } state;
        enum vsock_interest interest;
        int fd;          /* -1 when it is closed */
        uint32_t serial; /* how often the number was used */
        uint32_t events; /* that are watched, */
        bool watched;    /* if it is */
        bool deaf;       /* its program reads no more */
        bool last;       /* after what waits nothing will be sent */
        uint64_t age;    /* of a new one: the number of its program */
        char line[24];   /* what it said */
        int line_len;
        uint8_t *out; /* what waits, or NULL */
        size_t out_start, out_len;
    } stream[VSOCK_STREAMS];
};

/* Make one. Dies when the path is too long, in words that begin with --vsock. */
void vsock_unix_open(struct vsock_unix *u, const char *path);

/* Let it serve user, and have its watch, whose loop begins later. */
void vsock_unix_attach(struct vsock_unix *u, const struct vsock_user *user);

/* Listen at the path, where a socket may be at which nobody listens any more. Meanwhile there is a
 * file PATH.lock. Dies when that cannot be. */
void vsock_unix_listen(struct vsock_unix *u);

/* Remove the socket that listens, if it is still there. Any time, also in an exit handler. */
void vsock_unix_remove(const struct vsock_unix *u);

/* End it. What programs have not read yet they may read for a moment. Its loop does not run any
 * more. */
void vsock_unix_close(struct vsock_unix *u);

/* A new stream, which is the user's; -1 when all are in use. */
int vsock_unix_new(struct vsock_unix *u);

/* Connect one with the program that serves a port of the host's. */
enum vsock_answer {
    VSOCK_CONNECTED,
    VSOCK_REFUSED,
    VSOCK_BUSY /* others are before it: try again later */
} vsock_unix_connect(struct vsock_unix *u, int i, uint32_t port);

void vsock_unix_watch(struct vsock_unix *u, int i, enum vsock_interest interest);

/* Receive something. -1: nothing is there now. 0: nothing will come any more. */
ssize_t vsock_unix_receive(struct vsock_unix *u, int i, const struct iovec *v, int count);

/* Is there something to receive? */
bool vsock_unix_has_input(const struct vsock_unix *u, int i);

/* Has its program closed it, or do both sides send nothing any more? */
bool vsock_unix_is_closed(const struct vsock_unix *u, int i);

/* Send len bytes. Tells how many are gone, to the program or because it is deaf; gone() is called
 * for the others. */
size_t vsock_unix_send(struct vsock_unix *u, int i, const struct iovec *v, int count, size_t len);

/* Does its program read no more? */
static inline bool vsock_unix_is_deaf(const struct vsock_unix *u, int i)
{
    return u->stream[i].deaf;
}

/* Nothing more will be sent, and nothing received. */
void vsock_unix_end_output(struct vsock_unix *u, int i);
void vsock_unix_end_input(struct vsock_unix *u, int i);

/* Close it at once. Its number remains the user's. */
void vsock_unix_hang_up(struct vsock_unix *u, int i);

/* The user is done with the number. What waits is written, then the stream is closed. */
void vsock_unix_release(struct vsock_unix *u, int i);

/* Have turn() called, but not at once. */
void vsock_unix_ask(struct vsock_unix *u);

/* Have turn() called with a tick, within VSOCK_TICK_MS. */
void vsock_unix_tick(struct vsock_unix *u);

#endif
