// SPDX-License-Identifier: MIT
/*
 * A disk behind a virtio ring.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Block Device".
 *
 * Left out: CONFIG_WCE, as the host's cache is always used and a driver without FLUSH has every
 * write flushed; lifetime, secure erase and zones, which no file has; SCSI commands, which went
 * with the legacy interface.
 */
#include "hw/virtio-blk.h"
#include "hw/device.h"
#include "hw/units.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { /* features */
    VIRTIO_BLK_F_SEG_MAX = 2,
    VIRTIO_BLK_F_RO = 5,
    VIRTIO_BLK_F_BLK_SIZE = 6,
    VIRTIO_BLK_F_FLUSH = 9,
    VIRTIO_BLK_F_TOPOLOGY = 10,
    VIRTIO_BLK_F_MQ = 12,
    VIRTIO_BLK_F_DISCARD = 13,
    VIRTIO_BLK_F_WRITE_ZEROES = 14,
};

enum { /* requests */
    VIRTIO_BLK_T_IN = 0,
    VIRTIO_BLK_T_OUT = 1,
    VIRTIO_BLK_T_FLUSH = 4,
    VIRTIO_BLK_T_GET_ID = 8,
    VIRTIO_BLK_T_DISCARD = 11,
    VIRTIO_BLK_T_WRITE_ZEROES = 13,

    VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP = 1 << 0,
};

enum { /* how they end */
    VIRTIO_BLK_S_OK = 0,
    VIRTIO_BLK_S_IOERR = 1,
    VIRTIO_BLK_S_UNSUPP = 2,
};

enum {
    MAX_DISCARD = GIB / DISK_SECTOR, /* sectors; what takes the host long is cut by the driver */
    MAX_ZEROES = 64 * MIB / DISK_SECTOR,
    /* Times that a queue is looked at before others have their turn. In line, where each time ends
     * what it begins, they are more than a full queue needs. */
    ROUNDS = 8
};

/* What a request begins with, and what is to be discarded or zeroed. */
struct header {
    uint32_t type, ioprio;
    uint64_t sector;
};

struct range {
    uint64_t sector;
    uint32_t sectors, flags;
};

_Static_assert(VIRTQ_SIZE / VIRTIO_BLK_REQUESTS < ROUNDS, "a full queue is served in line");

static struct virtio_blk *blk_of(struct virtio *d)
{
    return container_of(d, struct virtio_blk, virtio);
}

/* ---- requests: free ones, and their end ---- */

static bool has_free(const struct virtio_blk *b)
{
    return b->free || b->fresh < VIRTIO_BLK_REQUESTS;
}

static struct virtio_blk_request *take(struct virtio_blk *b)
{
    struct virtio_blk_request *r = b->free;

    if (r)
        b->free = r->next;
    else if (has_free(b))
        r = &b->request[b->fresh++];
    return r;
}

static void give(struct virtio_blk *b, struct virtio_blk_request *r)
{
    r->next = b->free;
    b->free = r;
    if (b->starved)
        event_ring(&b->again);
    b->starved = false;
}

static void forget(struct virtio_blk_request *r)
{
    give(r->blk, r);
    virtio_end(&r->blk->virtio);
}

static void end(struct virtio_blk_request *r, uint8_t status)
{
    struct virtio_blk *b = r->blk;

    if (!b->virtio.resetting) {
        chain_write(&r->chain, r->chain.in_len - 1, &status, 1);
        virtq_push(&b->virtio, r->queue, &r->chain, r->chain.in_len);
    }
    forget(r);
}

static void done(struct disk_request *disk_request, int error)
{
    struct virtio_blk_request *r = container_of(disk_request, struct virtio_blk_request, r);
    struct virtio_blk *b = r->blk;
    bool through = disk_request->op != DISK_READ && disk_request->op != DISK_FLUSH &&
                   !virtio_has(&b->virtio, VIRTIO_BLK_F_FLUSH);

    if (through && !error && !b->virtio.resetting) {
        r->r = (struct disk_request){.op = DISK_FLUSH, .done = done};
        disk_submit(b->disk, &r->r);
        disk_go(b->disk);
        return;
    }
    end(r, !error                ? VIRTIO_BLK_S_OK
           : error == EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP
                                 : VIRTIO_BLK_S_IOERR);
}

/* ---- and their beginning ---- */

/* Let the disk's request have the data of count segments at v, of len bytes after the first skip.
 */
static void set_data(struct virtio_blk_request *r, const struct iovec *v, int count, size_t skip,
                     size_t len)
{
    r->r.len = len;
    r->r.iov = r->iov;
    for (int i = 0; i < count && len; i++) {
        size_t off = skip < v[i].iov_len ? skip : v[i].iov_len;
        size_t n = v[i].iov_len - off < len ? v[i].iov_len - off : len;

        skip -= off;
        len -= n;
        if (n)
            r->iov[r->r.iovs++] = (struct iovec){(char *)v[i].iov_base + off, n};
    }
}

/* A discard or write-zeroes. Returns the status it ends with at once, or VIRTIO_BLK_S_OK. */
static uint8_t set_range(struct virtio_blk_request *r, bool zero)
{
    struct range range;

    if (r->chain.out_len != sizeof(struct header) + sizeof(range))
        return VIRTIO_BLK_S_IOERR;
    chain_read(&r->chain, sizeof(struct header), &range, sizeof(range));
    if (range.flags & ~(zero ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0))
        return VIRTIO_BLK_S_UNSUPP;
    if (range.sectors > (zero ? MAX_ZEROES : MAX_DISCARD) || range.sector > r->blk->config.capacity)
        return VIRTIO_BLK_S_IOERR;
    r->r.op = zero ? DISK_ZERO : DISK_DISCARD;
    r->r.keep = !(range.flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
    r->r.offset = range.sector * DISK_SECTOR;
    r->r.len = (uint64_t)range.sectors * DISK_SECTOR;
    return VIRTIO_BLK_S_OK;
}

/* Begin a request. True: it is one for the disk. Else it has ended. */
static bool begin(struct virtio_blk *b, struct virtio_blk_request *r)
{
    const struct virtq_chain *c = &r->chain;
    uint8_t status = VIRTIO_BLK_S_OK;
    struct header h;

    virtio_begin(&b->virtio);
    if (chain_read(c, 0, &h, sizeof(h)) < sizeof(h) || !c->in_len) {
        virtio_broken(&b->virtio);
        forget(r);
        return false;
    }
    r->r = (struct disk_request){.done = done};
    switch (h.type) {
    case VIRTIO_BLK_T_IN:
        r->r.op = DISK_READ;
        set_data(r, c->v + c->outs, c->ins, 0, c->in_len - 1);
        break;
    case VIRTIO_BLK_T_OUT:
        r->r.op = DISK_WRITE;
        set_data(r, c->v, c->outs, sizeof(h), c->out_len - sizeof(h));
        break;
    case VIRTIO_BLK_T_FLUSH:
        r->r.op = DISK_FLUSH;
        break;
    case VIRTIO_BLK_T_GET_ID:
        chain_write(c, 0, b->id, c->in_len - 1 < sizeof(b->id) ? c->in_len - 1 : sizeof(b->id));
        end(r, VIRTIO_BLK_S_OK);
        return false;
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES:
        status = set_range(r, h.type == VIRTIO_BLK_T_WRITE_ZEROES);
        break;
    default:
        status = VIRTIO_BLK_S_UNSUPP;
    }
    if (r->r.op == DISK_READ || r->r.op == DISK_WRITE) {
        if (h.sector > b->config.capacity)
            status = VIRTIO_BLK_S_IOERR;
        r->r.offset = h.sector * DISK_SECTOR;
    }
    if (status != VIRTIO_BLK_S_OK)
        end(r, status);
    return status == VIRTIO_BLK_S_OK;
}

/* The next request, or NULL where there is none, or no room for it. */
static struct virtio_blk_request *next(struct virtio_blk *b, int q)
{
    struct virtio_blk_request *r = take(b);

    if (r && !virtq_pop(&b->virtio, q, &r->chain)) {
        give(b, r);
        return NULL;
    }
    if (r) {
        r->blk = b;
        r->queue = q;
    }
    return r;
}

/* Hand in all requests that are there, as far as there is room for them. False: there is none. */
static bool take_all(struct virtio_blk *b, int q)
{
    struct virtio_blk_request *r;
    bool began = false;

    while ((r = next(b, q))) {
        if (begin(b, r))
            disk_submit(b->disk, &r->r);
        began = true;
    }
    return began;
}

static void kicked(struct virtio *d, int q)
{
    struct virtio_blk *b = blk_of(d);

    for (int round = 0; round < ROUNDS && !worker_is_held(d->worker); round++) {
        bool began = take_all(b, q);

        disk_go(b->disk);
        if (!began) {
            b->starved = !has_free(b);
            return;
        }
    }
    event_ring(&b->again);
}

/* What does not end at once is left to the worker, as if it had not been looked at. */
static bool quick(struct virtio *d, int q)
{
    struct virtio_blk *b = blk_of(d);

    for (int n = 0; n < VIRTQ_SIZE; n++) {
        struct virtio_blk_request *r = next(b, q);

        if (!r)
            return has_free(b);
        if (!begin(b, r) || disk_try(b->disk, &r->r))
            continue;
        virtq_unpop(d, q);
        forget(r);
        return false;
    }
    return false;
}

static void again(struct watch *w)
{
    struct virtio_blk *b = container_of(w, struct virtio_blk, again);

    event_hush(w);
    for (int q = 0; q < b->virtio.queues; q++)
        kicked(&b->virtio, q);
}

static void cancel(struct virtio *d)
{
    disk_cancel(blk_of(d)->disk);
}

static void reset(struct virtio *d)
{
    blk_of(d)->starved = false;
}

static const struct virtio_kind virtio_blk = {
    .name = "virtio-blk",
    .id = 2,
    .kicked = kicked,
    .quick = quick,
    .cancel = cancel,
    .reset = reset,
};

static void set_config(struct virtio_blk *b, int queues)
{
    b->config = (struct virtio_blk_config){
        .capacity = b->disk->size / DISK_SECTOR,
        .seg_max = VIRTQ_SEGMENTS - 2, /* beside the header and the status */
        .blk_size = DISK_SECTOR,
        .physical_block_exp = 3, /* what the host's file systems count in */
        .min_io_size = OVERLAY_CLUSTER / DISK_SECTOR,
        .writeback = 1,
        .num_queues = queues,
        .max_discard_sectors = MAX_DISCARD,
        .max_discard_seg = 1,
        .discard_sector_alignment = OVERLAY_CLUSTER / DISK_SECTOR,
        .max_write_zeroes_sectors = MAX_ZEROES,
        .max_write_zeroes_seg = 1,
        .write_zeroes_may_unmap = 1,
    };
    b->virtio.config = &b->config;
    b->virtio.config_len = sizeof(b->config);
}

void virtio_blk_init(struct virtio_blk *b, struct disk *disk, int queues,
                     const struct virtio_memory *memory, struct worker *worker)
{
    uint64_t offered = VIRTIO_BIT(VIRTIO_BLK_F_SEG_MAX) | VIRTIO_BIT(VIRTIO_BLK_F_BLK_SIZE) |
                       VIRTIO_BIT(VIRTIO_BLK_F_FLUSH) | VIRTIO_BIT(VIRTIO_BLK_F_TOPOLOGY) |
                       VIRTIO_BIT(VIRTIO_BLK_F_MQ);
    const char *slash = strrchr(disk->name, '/'), *name = slash ? slash + 1 : disk->name;

    offered |= disk->read_only
                   ? VIRTIO_BIT(VIRTIO_BLK_F_RO)
                   : VIRTIO_BIT(VIRTIO_BLK_F_DISCARD) | VIRTIO_BIT(VIRTIO_BLK_F_WRITE_ZEROES);
    b->disk = disk;
    b->fresh = 0;
    b->free = NULL;
    b->starved = false;
    virtio_init(&b->virtio, &virtio_blk, offered, queues, memory, worker);
    set_config(b, queues);
    memset(b->id, 0, sizeof(b->id));
    memcpy(b->id, name, strnlen(name, sizeof(b->id)));
    event_bell(&b->again, again);
    worker_watch(worker, &b->again);
    disk_attach(disk, worker);
}

void virtio_blk_free(struct virtio_blk *b)
{
    worker_lock(b->virtio.worker);
    disk_drain(b->disk);
    worker_unlock(b->virtio.worker);
    close(b->again.fd);
    disk_close(b->disk);
}
