// SPDX-License-Identifier: MIT
/*
 * The host's io_uring, by liburing.
 *
 * After: io_uring(7), and the manual pages of liburing.
 */
#include "hw/uring.h"

#ifdef HAVE_URING

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

enum {
    ENTRIES = 64 /* requests under way at most */
};

struct uring {
    struct io_uring ring;
    int under_way;
};

struct uring *uring_make(void)
{
    struct uring *u = calloc(1, sizeof(*u));

    if (u && io_uring_queue_init(ENTRIES, &u->ring, 0) == 0)
        return u;
    free(u);
    return NULL;
}

void uring_free(struct uring *u)
{
    io_uring_queue_exit(&u->ring);
    free(u);
}

int uring_fd(const struct uring *u)
{
    return u->ring.ring_fd;
}

static struct io_uring_sqe *next(struct uring *u)
{
    struct io_uring_sqe *sqe = u->under_way < ENTRIES ? io_uring_get_sqe(&u->ring) : NULL;

    u->under_way += sqe != NULL;
    return sqe;
}

bool uring_read(struct uring *u, int fd, const struct iovec *v, int n, uint64_t offset, void *tag)
{
    struct io_uring_sqe *sqe = next(u);

    if (!sqe)
        return false;
    io_uring_prep_readv(sqe, fd, v, n, offset);
    io_uring_sqe_set_data(sqe, tag);
    return true;
}

bool uring_sync(struct uring *u, int fd, void *tag)
{
    struct io_uring_sqe *sqe = next(u);

    if (!sqe)
        return false;
    io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
    io_uring_sqe_set_data(sqe, tag);
    return true;
}

void uring_go(struct uring *u)
{
    int result;

    do
        result = io_uring_submit(&u->ring);
    while (result == -EINTR || result == -EAGAIN);
}

bool uring_reap(struct uring *u, bool wait, void **tag, int *result)
{
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(&u->ring, &cqe) != 0) {
        if (!wait || !u->under_way)
            return false;
        io_uring_submit_and_wait(&u->ring, 1);
    }
    *tag = io_uring_cqe_get_data(cqe);
    *result = cqe->res;
    io_uring_cqe_seen(&u->ring, cqe);
    u->under_way--;
    return true;
}

#else

struct uring *uring_make(void)
{
    return NULL;
}

void uring_free(struct uring *u)
{
    (void)u;
}

int uring_fd(const struct uring *u)
{
    (void)u;
    return -1;
}

bool uring_read(struct uring *u, int fd, const struct iovec *v, int n, uint64_t offset, void *tag)
{
    (void)u, (void)fd, (void)v, (void)n, (void)offset, (void)tag;
    return false;
}

bool uring_sync(struct uring *u, int fd, void *tag)
{
    (void)u, (void)fd, (void)tag;
    return false;
}

void uring_go(struct uring *u)
{
    (void)u;
}

bool uring_reap(struct uring *u, bool wait, void **tag, int *result)
{
    (void)u, (void)wait, (void)tag, (void)result;
    return false;
}

#endif
