// SPDX-License-Identifier: MIT
/*
 * A shared directory behind a virtio ring.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "File System Device".
 *
 * A guest mostly has one request under way and waits for it. So the worker's thread, which is
 * awake, serves it, without its lock; what else is in the queue, or may take the host a while, goes
 * to helpers.
 *
 * Who waits for a lock is asked for again after a while by a helper. Where there are none, as with
 * the instruction clock, after each request that follows, as one of them may give the lock back.
 *
 * Left out: the notification queue, which no driver uses, and the DAX window.
 */
#define _GNU_SOURCE
#include "hw/virtio-fs.h"
#include "hw/device.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>

enum {
    QUEUES = 2, /* one of requests that are to pass others, and one of all others */
    RETRY_MS = 64
};

/* A request that a helper serves, or that waits. */
struct virtio_fs_job {
    struct helper_job job;
    struct virtio_fs *f;
    struct virtio_fs_job *next;
    int q, wait_ms;
    uint32_t generation;
    struct virtq_chain chain;
};

static ssize_t serve(struct virtio_fs *f, const struct virtq_chain *c)
{
    return fuse_serve(f->fuse, c->v, c->outs, c->v + c->outs, c->ins);
}

/* Serve a request without the worker's lock, which is held before and after. FUSE_LATER also where
 * the device was reset meanwhile: then there is nobody to answer. */
static ssize_t serve_unlocked(struct virtio_fs *f, const struct virtq_chain *c)
{
    uint32_t generation = f->generation;
    ssize_t len;

    virtio_begin(&f->virtio);
    worker_unlock(f->virtio.worker);
    len = serve(f, c);
    worker_lock(f->virtio.worker);
    virtio_end(&f->virtio);
    return f->generation == generation ? len : FUSE_LATER;
}

static void drop(struct helper_job *job)
{
    free(container_of(job, struct virtio_fs_job, job));
}

/* In a helper's thread. */
static void run(struct helper_job *job)
{
    struct virtio_fs_job *j = container_of(job, struct virtio_fs_job, job);
    struct virtio_fs *f = j->f;
    struct worker *w = f->virtio.worker;
    ssize_t len = FUSE_LATER;
    bool again = false;

    if (!worker_begin(w)) {
        free(j);
        return;
    }
    worker_lock(w);
    if (j->generation == f->generation)
        len = serve_unlocked(f, &j->chain);
    if (len != FUSE_LATER)
        virtq_push(&f->virtio, j->q, &j->chain, len);
    else if (j->generation == f->generation)
        again = true;
    worker_unlock(w);
    worker_end(w);
    j->wait_ms = j->wait_ms * 2 < RETRY_MS ? j->wait_ms * 2 + 1 : RETRY_MS;
    if (!again || !helpers_give(f->helpers, job, j->wait_ms))
        free(j);
}

static struct virtio_fs_job *new_job(struct virtio_fs *f, int q, const struct virtq_chain *c)
{
    struct virtio_fs_job *j = malloc(sizeof(*j));

    if (!j)
        return NULL;
    j->job = (struct helper_job){.run = run, .drop = drop};
    j->f = f;
    j->q = q;
    j->wait_ms = 0;
    j->generation = f->generation;
    j->chain = *c;
    return j;
}

/* Have a helper serve a request. False when that is not possible. */
static bool hand_over(struct virtio_fs *f, int q, const struct virtq_chain *c)
{
    struct virtio_fs_job *j = f->helpers ? new_job(f, q, c) : NULL;

    if (!j)
        return false;
    if (helpers_give(f->helpers, &j->job, 0))
        return true;
    free(j);
    return false;
}

/* May a request take the host long? This only decides who serves it: the guest may change the
 * request meanwhile, and it is read again. */
static bool is_slow(const struct virtq_chain *c)
{
    struct fuse_in_header h = {0};

    chain_read(c, 0, &h, sizeof(h));
    switch (h.opcode) {
    case FUSE_FSYNC:
    case FUSE_FSYNCDIR:
    case FUSE_SYNCFS:
    case FUSE_FALLOCATE:
    case FUSE_COPY_FILE_RANGE:
    case FUSE_SETLKW:
        return true;
    default:
        return false;
    }
}

/* Keep one that waits for a lock. */
static void park(struct virtio_fs *f, int q, const struct virtq_chain *c)
{
    struct virtio_fs_job *j = new_job(f, q, c);

    if (!j) {
        virtq_push(&f->virtio, q, c, fuse_refuse(c->v, c->outs, c->v + c->outs, c->ins, -ENOLCK));
        return;
    }
    j->next = f->parked;
    f->parked = j;
}

static void serve_here(struct virtio_fs *f, int q, const struct virtq_chain *c)
{
    uint32_t generation = f->generation;
    ssize_t len = serve_unlocked(f, c);

    if (len != FUSE_LATER)
        virtq_push(&f->virtio, q, c, len);
    else if (generation == f->generation)
        park(f, q, c);
}

static void serve_parked(struct virtio_fs *f)
{
    struct virtio_fs_job *next = f->parked;

    f->parked = NULL;
    while (next) {
        struct virtio_fs_job *j = next;

        next = j->next;
        if (j->generation == f->generation)
            serve_here(f, j->q, &j->chain);
        free(j);
    }
}

static void forget_parked(struct virtio_fs *f)
{
    while (f->parked) {
        struct virtio_fs_job *j = f->parked;

        f->parked = j->next;
        free(j);
    }
}

static void kicked(struct virtio *d, int q)
{
    struct virtio_fs *f = container_of(d, struct virtio_fs, virtio);
    struct virtq_chain first, c;
    uint32_t generation = 0;
    bool mine = false;

    /* All are taken, so that the driver kicks for the next; only then the lock is left. */
    while (virtq_pop(d, q, &c)) {
        if (!mine && !is_slow(&c) && worker_is_here(d->worker)) {
            first = c;
            generation = f->generation;
            mine = true;
        } else if (!hand_over(f, q, &c)) {
            serve_here(f, q, &c);
        }
    }
    if (mine && generation == f->generation)
        serve_here(f, q, &first);
    if (f->parked)
        serve_parked(f);
}

/* What waits is forgotten. */
static void cancel(struct virtio *d)
{
    struct virtio_fs *f = container_of(d, struct virtio_fs, virtio);

    f->generation++;
    forget_parked(f);
}

static void end(struct helper_job *job)
{
    struct virtio_fs *f = container_of(job, struct virtio_fs, end);

    fuse_reset(f->fuse);
    worker_enter(f->virtio.worker);
    virtio_end(&f->virtio);
    worker_leave(f->virtio.worker);
}

/* virtio_fs_free() does it. */
static void drop_end(struct helper_job *job)
{
    (void)job;
}

/* To close a file may take the host a while, too. */
static void reset(struct virtio *d)
{
    struct virtio_fs *f = container_of(d, struct virtio_fs, virtio);

    if (!fuse_has_begun(f->fuse))
        return;
    if (f->helpers && helpers_give(f->helpers, &f->end, 0))
        virtio_begin(d);
    else
        fuse_reset(f->fuse);
}

static const struct virtio_kind virtio_fs = {
    .name = "virtio-fs",
    .id = 26,
    .kicked = kicked,
    .cancel = cancel,
    .reset = reset,
};

void virtio_fs_init(struct virtio_fs *f, const char *tag, struct fuse *fuse,
                    const struct virtio_memory *memory, struct worker *worker,
                    struct helpers *helpers)
{
    memset(f, 0, sizeof(*f));
    f->fuse = fuse;
    f->helpers = helpers;
    f->config.num_request_queues = QUEUES - 1;
    memcpy(f->config.tag, tag, strnlen(tag, VIRTIO_FS_TAG));
    f->end = (struct helper_job){.run = end, .drop = drop_end};
    virtio_init(&f->virtio, &virtio_fs, 0, QUEUES, memory, worker);
    f->virtio.config = &f->config;
    f->virtio.config_len = sizeof(f->config);
}

void virtio_fs_free(struct virtio_fs *f)
{
    forget_parked(f);
    fuse_reset(f->fuse);
}
