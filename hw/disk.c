// SPDX-License-Identifier: MIT
/*
 * The host's side of a disk: requests to a raw image.
 *
 * After: preadv2(2), "RWF_NOWAIT"; fallocate(2); fdatasync(2).
 *
 * Left out: O_DIRECT, which guests that flush have no need of.
 */
#define _GNU_SOURCE
#include "hw/disk.h"
#include "hw/device.h"
#include "hw/disk-image.h"
#include "hw/units.h"
#include "hw/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* What can be copied while somebody is being woken up, roughly. */
#define QUICK (64 * KIB)

static void put(struct disk_queue *q, struct disk_request *r)
{
    r->next = NULL;
    *(q->first ? &q->last->next : &q->first) = r;
    q->last = r;
}

/* Let its iov end after n bytes, and say how many entries it has then, as a system call takes them.
 */
static int cut(struct disk_request *r, uint64_t n)
{
    int i = 0;

    while (n > r->iov[i].iov_len)
        n -= r->iov[i++].iov_len;
    r->cut = i;
    r->cut_len = r->iov[i].iov_len;
    r->iov[i].iov_len = n;
    return i < IOV_MAX ? i + 1 : IOV_MAX;
}

void disk_request_take(struct disk_request *r, size_t n)
{
    while (r->iovs && n >= r->iov->iov_len) {
        n -= r->iov->iov_len;
        r->iov++;
        r->iovs--;
    }
    if (n) {
        r->iov->iov_base = (char *)r->iov->iov_base + n;
        r->iov->iov_len -= n;
    }
}

static void step_over(struct disk_request *r, uint64_t n)
{
    r->offset += n;
    r->len -= n;
    disk_request_take(r, n);
}

/* n bytes were read or written, or n is -1 and errno says what went wrong. None at all is an error,
 * too: the file ends before the disk does. Returns an errno, 0 for success. */
static int went(struct disk_request *r, ssize_t n)
{
    r->iov[r->cut].iov_len = r->cut_len;
    if (n > 0)
        step_over(r, n);
    return n > 0 || (n < 0 && errno == EINTR) ? 0 : n < 0 ? errno : EIO;
}

/* Is all that it does done at once? */
static bool is_quick(const struct disk *d)
{
    return d->in_memory && !d->snapshot;
}

/* Around what may have to wait for the host's storage. */
static void leave(struct disk *d)
{
    if (is_quick(d))
        return;
    d->waits = true;
    worker_unlock(d->worker);
}

static void come_back(struct disk *d)
{
    int error = errno;

    if (is_quick(d))
        return;
    worker_lock(d->worker);
    d->waits = false;
    errno = error;
}

static void set_watch(struct disk *d, int fd);

/* The ring, or NULL where there is none. */
static struct uring *ring(struct disk *d)
{
    if (d->ring || d->no_ring || d->worker->in_line || d->in_memory)
        return d->ring;
    d->ring = uring_make();
    d->no_ring = !d->ring;
    if (!d->ring)
        return NULL;
    set_watch(d, uring_fd(d->ring));
    if (!event_try(d->worker->loop, &d->watch)) {
        uring_free(d->ring);
        d->ring = NULL;
        d->no_ring = true;
    }
    return d->ring;
}

/* Read from the file; if it may be done later and there is more to do, without waiting, or in the
 * ring: true, it is under way there. Else *n is what preadv() returned. */
static bool read_some(struct disk *d, struct disk_request *r, int fd, int iovs, bool later,
                      ssize_t *n)
{
    bool alone = !d->under_way && !d->queue.first;

    later = later && !alone && ring(d);
    *n = -1;
    errno = EAGAIN;
    if (later) {
        if (!d->no_nowait)
            *n = preadv2(fd, r->iov, iovs, r->offset, RWF_NOWAIT);
        d->no_nowait |= *n < 0 && errno == EOPNOTSUPP;
        if (*n < 0 && (errno == EAGAIN || errno == EOPNOTSUPP) &&
            uring_read(d->ring, fd, r->iov, iovs, r->offset, r)) {
            d->under_way++;
            return true;
        }
    }
    if (*n < 0 && (errno == EAGAIN || errno == EOPNOTSUPP)) {
        leave(d);
        *n = preadv(fd, r->iov, iovs, r->offset);
        come_back(d);
    }
    return false;
}

static void read_on(struct disk *d, struct disk_request *r, bool later)
{
    int error = 0;

    while (r->len && !error) {
        uint64_t len = r->len;
        int fd = d->snapshot ? overlay_file(&d->overlay, r->offset, &len) : d->fd;
        int iovs = cut(r, len);
        ssize_t n;

        if (read_some(d, r, fd, iovs, later, &n))
            return;
        error = went(r, n);
    }
    r->done(r, error);
}

/* Read what the host has in memory, and only if that is all; the rest is left in r. */
static bool read_now(struct disk *d, struct disk_request *r)
{
    int error = 0;

    while (r->len && !error) {
        uint64_t len = r->len;
        int fd = d->snapshot ? overlay_file(&d->overlay, r->offset, &len) : d->fd;
        int iovs = cut(r, len);
        ssize_t n = preadv2(fd, r->iov, iovs, r->offset, is_quick(d) ? 0 : RWF_NOWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EOPNOTSUPP)) {
            r->iov[r->cut].iov_len = r->cut_len;
            d->no_nowait |= errno == EOPNOTSUPP;
            return false;
        }
        error = went(r, n);
    }
    r->done(r, error);
    return true;
}

/* The first sector tells a raw image from those of other formats: a guest that could write any
 * other format's there would choose, for the next time, which of the host's files it is given. */
static int write_first(struct disk *d, struct disk_request *r)
{
    char sector[DISK_SECTOR];
    size_t got = 0;

    for (int i = 0; got < sizeof(sector); i++) {
        size_t rest = sizeof(sector) - got, len = r->iov[i].iov_len;

        memcpy(sector + got, r->iov[i].iov_base, len < rest ? len : rest);
        got += len < rest ? len : rest;
    }
    if (disk_format(sector, sizeof(sector)))
        return EPERM;
    ssize_t n = pwrite(d->fd, sector, sizeof(sector), 0);

    if (n == sizeof(sector))
        step_over(r, n);
    return n == sizeof(sector) ? 0 : n < 0 ? errno : EIO;
}

/* Is the file still as long as the disk? Written past its end it would grow again, over a hole. */
static bool whole(const struct disk *d)
{
    return lseek(d->fd, 0, SEEK_END) >= (off_t)d->size;
}

static int write_all(struct disk *d, struct disk_request *r)
{
    uint64_t offset = r->offset, len = r->len;
    int fd = d->snapshot ? d->overlay.fd : d->fd, error = 0;

    if (d->snapshot)
        error = overlay_begin(&d->overlay, offset, len);
    else if (!whole(d))
        error = EIO;
    else if (!offset)
        error = write_first(d, r);
    while (r->len && !error) {
        int iovs = cut(r, r->len);

        error = went(r, pwritev(fd, r->iov, iovs, r->offset));
    }
    if (d->snapshot && !error)
        overlay_end(&d->overlay, offset, len);
    return error;
}

/* Can the host not do this to this file, and is there another way? */
static bool unknown(int error)
{
    return error == EOPNOTSUPP || error == ENOSYS || error == ENOTTY || error == EINVAL;
}

static int punch(const struct disk *d, const struct disk_request *r, int mode)
{
    return fallocate(d->fd, mode | FALLOC_FL_KEEP_SIZE, r->offset, r->len) < 0 ? errno : 0;
}

static int discard(struct disk *d, struct disk_request *r)
{
    uint64_t range[2] = {r->offset, r->len};
    int error;

    if (d->snapshot)
        return overlay_zero(&d->overlay, r->offset, r->len);
    if (d->is_device)
        error = ioctl(d->fd, BLKDISCARD, range) < 0 ? errno : 0;
    else
        error = punch(d, r, FALLOC_FL_PUNCH_HOLE);
    /* To discard is to advise. */
    return unknown(error) ? 0 : error;
}

static int write_zeroes(const struct disk *d, const struct disk_request *r)
{
    static const char zeroes[64 * KIB];
    uint64_t done = 0;

    while (done < r->len) {
        uint64_t left = r->len - done;
        ssize_t n =
            pwrite(d->fd, zeroes, left < sizeof(zeroes) ? left : sizeof(zeroes), r->offset + done);

        if (n <= 0)
            return n < 0 ? errno : EIO;
        done += n;
    }
    return 0;
}

static int zero(struct disk *d, struct disk_request *r)
{
    int error = EOPNOTSUPP;

    if (d->snapshot)
        return overlay_zero(&d->overlay, r->offset, r->len);
    if (!whole(d))
        return EIO;
    if (r->keep)
        error = punch(d, r, FALLOC_FL_ZERO_RANGE);
    if (unknown(error)) {
        error = punch(d, r, FALLOC_FL_PUNCH_HOLE);
        if (!error && r->keep && !d->is_device)
            error = punch(d, r, 0);
    }
    return unknown(error) ? write_zeroes(d, r) : error;
}

static void flush(struct disk *d, struct disk_request *r)
{
    int error = 0;

    if (!d->snapshot && !d->read_only) {
        if (ring(d) && uring_sync(d->ring, d->fd, r)) {
            d->under_way++;
            return;
        }
        leave(d);
        error = fdatasync(d->fd) < 0 ? errno : 0;
        come_back(d);
    }
    r->done(r, error);
}

static void change(struct disk *d, struct disk_request *r)
{
    int error;

    leave(d);
    error = r->op == DISK_WRITE     ? write_all(d, r)
            : r->op == DISK_DISCARD ? discard(d, r)
                                    : zero(d, r);
    come_back(d);
    r->done(r, error);
}

static int refused(const struct disk *d, const struct disk_request *r)
{
    if (r->offset % DISK_SECTOR || r->len % DISK_SECTOR || r->offset > d->size ||
        r->len > d->size - r->offset)
        return EINVAL;
    return d->read_only && r->op != DISK_READ && r->op != DISK_FLUSH ? EROFS : 0;
}

static void begin(struct disk *d, struct disk_request *r)
{
    int error = refused(d, r);

    if (error || (!r->len && r->op != DISK_FLUSH))
        r->done(r, error);
    else if (d->fd < 0)
        nbd_submit(&d->nbd, r);
    else if (r->op == DISK_READ)
        read_on(d, r, true);
    else if (r->op == DISK_FLUSH)
        flush(d, r);
    else
        change(d, r);
}

bool disk_try(struct disk *d, struct disk_request *r)
{
    if (d->waits || d->fd < 0 || r->len > QUICK)
        return false;
    if (r->op == DISK_READ && r->len && !refused(d, r))
        return !d->no_nowait && read_now(d, r);
    if (!is_quick(d))
        return false;
    begin(d, r);
    return true;
}

static void go_ring(struct disk *d)
{
    if (!d->ring)
        return;
    leave(d);
    uring_go(d->ring);
    come_back(d);
}

static void reap(struct disk *d, bool wait)
{
    void *tag;
    int n;

    while (d->under_way && uring_reap(d->ring, wait, &tag, &n)) {
        struct disk_request *r = tag;

        d->under_way--;
        if (r->op == DISK_FLUSH) {
            r->done(r, n < 0 ? -n : 0);
            continue;
        }
        errno = n < 0 ? -n : 0;
        int error = went(r, n);

        /* Some kernels cannot do each read in a ring, and say EAGAIN, also the next time. */
        if (error && error != EAGAIN)
            r->done(r, error);
        else
            read_on(d, r, !error);
    }
    go_ring(d);
}

static void ready(struct watch *w)
{
    struct disk *d = container_of(w, struct disk, watch);

    worker_enter(d->worker);
    if (d->fd < 0)
        nbd_go_on(&d->nbd);
    else
        reap(d, false);
    worker_leave(d->worker);
}

/* What is under way also ends while the worker is to stand still. */
static void set_watch(struct disk *d, int fd)
{
    d->watch = (struct watch){.fd = fd, .ready = ready, .urgent = !d->worker->in_line};
}

static void nbd_done(void *to, struct disk_request *r, int error)
{
    (void)to;
    r->done(r, error);
}

void disk_open(struct disk *d, const char *name, bool read_only, bool snapshot)
{
    const char *format;

    *d = (struct disk){.name = name, .fd = -1, .read_only = read_only};
    format = disk_image_open(d, name, read_only || snapshot);
    if (format) {
        nbd_open(&d->nbd, name, format, read_only, snapshot, nbd_done, d);
        d->size = d->nbd.size;
        d->read_only |= d->nbd.read_only;
    }
    disk_image_check(d);
    d->snapshot = snapshot && !read_only && !format;
    if (d->snapshot)
        overlay_init(&d->overlay, d->fd, d->size, name);
}

void disk_attach(struct disk *d, struct worker *worker)
{
    d->worker = worker;
    if (d->fd >= 0)
        return;
    set_watch(d, d->nbd.poll);
    worker_watch(worker, &d->watch);
}

void disk_submit(struct disk *d, struct disk_request *r)
{
    put(&d->queue, r);
}

void disk_go(struct disk *d)
{
    struct disk_request *r;

    while ((r = d->queue.first)) {
        d->queue.first = r->next;
        begin(d, r);
        if (d->worker->in_line && d->fd < 0)
            nbd_drain(&d->nbd);
    }
    go_ring(d);
}

void disk_cancel(struct disk *d)
{
    struct disk_request *r;

    while ((r = d->queue.first)) {
        d->queue.first = r->next;
        r->done(r, ECANCELED);
    }
}

void disk_drain(struct disk *d)
{
    disk_go(d);
    while (d->under_way)
        reap(d, true);
    if (d->fd < 0)
        nbd_drain(&d->nbd);
}

void disk_hang_up(struct disk *d)
{
    if (d->fd < 0)
        nbd_hang_up(&d->nbd);
}

bool disk_wait(struct disk *d, uint64_t deadline)
{
    return d->fd >= 0 || nbd_wait(&d->nbd, deadline);
}

bool disk_left(const struct disk *d, char words[CHILD_SAID])
{
    return d->fd < 0 && nbd_left(&d->nbd, words);
}

void disk_close(struct disk *d)
{
    if (d->ring)
        uring_free(d->ring);
    if (d->snapshot)
        overlay_free(&d->overlay);
    if (d->fd < 0)
        nbd_close(&d->nbd);
    else
        close(d->fd);
}
