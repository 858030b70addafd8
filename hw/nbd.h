/* SPDX-License-Identifier: MIT */
/*
 * A client of the NBD protocol, and the qemu-nbd that it talks to: a child process, over a socket
 * that has no name. It ends when we do.
 *
 * When the child dies or does not speak the protocol, all requests end with EIO, then and later.
 */
#ifndef HW_NBD_H
#define HW_NBD_H

#include "hw/child.h"

#include <stdbool.h>
#include <stdint.h>

struct disk_request;

struct nbd {
    uint64_t size; /* bytes */
    bool read_only;

    int socket; /* -1 after the end of the conversation */
    int poll;   /* readable when nbd_go_on() has something to do: an epoll of the socket, for input,
                 * and for output while there is some to do */
    bool wants_room; /* the socket took no more */
    bool left;       /* the conversation was over before nbd_hang_up() */
    struct child child;
    uint16_t flags;    /* what the server can do */
    uint32_t max_data; /* bytes of data in a request */

    struct disk_request *out, *out_last; /* to be sent */
    uint8_t head[28];                    /* the first one's header, of which so much was sent */
    unsigned head_sent;
    struct disk_request *sent; /* waiting for their answers, in no order */
    uint8_t reply[16];         /* the next answer's header, of which so much has come */
    unsigned reply_got;
    struct disk_request *in; /* whose data follow */
    void (*done)(void *to, struct disk_request *r, int error);
    void *to;
};

/* Start qemu-nbd for an image of that format. snapshot: what is written is forgotten at its end.
 * done is called for each request when it has ended, from nbd_submit() or nbd_go_on(). Dies in
 * words that begin with the image's name. */
void nbd_open(struct nbd *n, const char *image, const char *format, bool read_only, bool snapshot,
              void (*done)(void *to, struct disk_request *r, int error), void *to);

/* The same with a server that has shaken hands, over a socket that does not block. */
void nbd_talk(struct nbd *n, int socket, void (*done)(void *to, struct disk_request *r, int error),
              void *to);

/* Send a request that was found to be within the disk. */
void nbd_submit(struct nbd *n, struct disk_request *r);

/* Receive and send what the socket has, and has room for. */
void nbd_go_on(struct nbd *n);

/* Wait until every request has ended. */
void nbd_drain(struct nbd *n);

/* End the conversation, upon which the child writes what it still has, lets go of the image, and
 * ends. Every request has ended. */
void nbd_hang_up(struct nbd *n);

/* Wait for its end, as child_wait(). */
bool nbd_wait(struct nbd *n, uint64_t deadline);

/* Had the child ended the conversation itself? Then words tell why, as far as is known. */
bool nbd_left(const struct nbd *n, char words[CHILD_SAID]);

/* Give everything back. The child is waited for, but not for ever. Every request has ended. */
void nbd_close(struct nbd *n);

#endif
