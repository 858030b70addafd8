/* SPDX-License-Identifier: MIT */
/*
 * The host's side of a disk: a file or block device, and requests to it.
 *
 * A raw image is served by us; one of another format, known by its first bytes, by a child
 * qemu-nbd.
 *
 * What the host can do at once is done at once. An io_uring, made when it is first wanted, is for
 * what waits: flushes, and reads of what the host has not in memory while there is more to do.
 * Writes end in the host's page cache; they are safe from the host's crash after a flush.
 *
 * Images are locked as QEMU does it, so that neither another minivm nor QEMU writes to one that is
 * in use, and neither do we.
 *
 * Nothing here knows virtio. A disk is served by a worker, with whose lock functions that take a
 * disk are called, or while nothing runs. disk_go(), in the worker's thread, leaves the lock while
 * it may have to wait for the host's storage; meanwhile others may call disk_try() and
 * disk_cancel().
 */
#ifndef HW_DISK_H
#define HW_DISK_H

#include "hw/nbd.h"
#include "hw/overlay.h"
#include "hw/worker.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    DISK_SECTOR = 512
};

enum disk_op {
    DISK_READ,
    DISK_WRITE,
    DISK_FLUSH,
    DISK_DISCARD,
    DISK_ZERO
};

/* Its owner fills in the first part, and keeps it until done() is called. */
struct disk_request {
    enum disk_op op;
    bool keep;            /* DISK_ZERO: the room on the host is kept */
    uint64_t offset, len; /* bytes; 0 for a flush */
    struct iovec *iov;    /* the len bytes of a read or a write; the array is used up */
    int iovs;
    void (*done)(struct disk_request *r, int error); /* an errno, 0 for success */

    /* The disk's own. */
    struct disk_request *next;
    int cut; /* iov[cut] is shorter than its owner made it */
    size_t cut_len;
};

struct disk_queue {
    struct disk_request *first, *last;
};

struct disk {
    const char *name;
    uint64_t size; /* bytes, whole sectors */
    bool read_only;

    int fd; /* -1: qemu-nbd has it */
    bool is_device;
    bool in_memory; /* nothing is ever waited for */
    bool no_nowait; /* the host cannot tell whether a read would wait */
    bool snapshot;
    struct overlay overlay;
    struct nbd nbd;

    struct worker *worker;
    bool waits; /* the worker's thread is in a system call, without the lock */
    struct disk_queue queue;
    int under_way; /* in the ring */
    struct uring *ring;
    bool no_ring;
    struct watch watch; /* of the ring, or the nbd: what is under way ends */
};

/* Open the image of that name. snapshot: it is not written to, and what the guest writes is
 * forgotten at the end. Dies when it cannot be used. */
void disk_open(struct disk *d, const char *name, bool read_only, bool snapshot);

/* Give it to a worker, which must not run. In line, each request has ended when disk_go() returns:
 * what is read and written is then the same, and in the same order, each time. */
void disk_attach(struct disk *d, struct worker *worker);

/* Hand in a request. Nothing happens before disk_go(), which begins what was handed in; done() is
 * called by that, or later by the worker, in any order. One that is not within the disk, not of
 * whole sectors, or a change of a read-only disk ends with an error. */
void disk_submit(struct disk *d, struct disk_request *r);
void disk_go(struct disk *d);

/* Do a request that ends at once, in any thread: a small read of what the host has in memory, or
 * any small one where it has everything there. False: it does not, and is to be handed in or
 * forgotten.
 */
bool disk_try(struct disk *d, struct disk_request *r);

/* Let all requests that were handed in, but not begun yet, end with an error. In any thread. */
void disk_cancel(struct disk *d);

/* The first n bytes of what is left of its buffers are done. For those that serve it. */
void disk_request_take(struct disk_request *r, size_t n);

/* Wait until every request has ended. While nothing runs. */
void disk_drain(struct disk *d);

/* Let go of the image, which is written out, and wait for the end of that, until then on
 * CLOCK_MONOTONIC in ns: false where it takes longer. Every request has ended. */
void disk_hang_up(struct disk *d);
bool disk_wait(struct disk *d, uint64_t deadline);

/* Was qemu-nbd gone before? Then words tell why. After both. */
bool disk_left(const struct disk *d, char words[CHILD_SAID]);

/* Close it. Every request has ended, and its loop does not run any more. */
void disk_close(struct disk *d);

#endif
