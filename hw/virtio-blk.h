/* SPDX-License-Identifier: MIT */
/*
 * A disk behind a virtio ring: vda, vdb ...
 *
 * Its worker's lock is held around everything here, but while the host's storage may have to be
 * waited for: meanwhile the driver may reset the device, which is finished when the last request
 * has ended that the host has.
 */
#ifndef HW_VIRTIO_BLK_H
#define HW_VIRTIO_BLK_H

#include "hw/disk.h"
#include "hw/virtio.h"
#include "hw/worker.h"

enum {
    VIRTIO_BLK_QUEUES = 4,    /* at most */
    VIRTIO_BLK_REQUESTS = 64, /* under way, at most */
    VIRTIO_BLK_ID_LEN = 20
};

/* As the driver reads it. */
struct virtio_blk_config {
    uint64_t capacity; /* in sectors */
    uint32_t size_max;
    uint32_t seg_max;
    uint8_t geometry[4];
    uint32_t blk_size;
    uint8_t physical_block_exp;
    uint8_t alignment_offset;
    uint16_t min_io_size;
    uint32_t opt_io_size;
    uint8_t writeback;
    uint8_t unused0;
    uint16_t num_queues;
    uint32_t max_discard_sectors;
    uint32_t max_discard_seg;
    uint32_t discard_sector_alignment;
    uint32_t max_write_zeroes_sectors;
    uint32_t max_write_zeroes_seg;
    uint8_t write_zeroes_may_unmap;
    uint8_t unused1[3];
};

struct virtio_blk;

struct virtio_blk_request {
    struct disk_request r;
    struct virtio_blk *blk;
    struct virtio_blk_request *next; /* while it is free */
    int queue;
    struct iovec iov[VIRTQ_SEGMENTS];
    struct virtq_chain chain;
};

struct virtio_blk {
    struct virtio virtio;
    struct disk *disk;
    char id[VIRTIO_BLK_ID_LEN];
    struct virtio_blk_config config;
    struct watch again; /* an eventfd: there is more to do than was done at a stretch */
    bool starved;       /* requests wait until one of those below is free */
    int fresh;          /* the first of them that was never used */
    struct virtio_blk_request *free;
    struct virtio_blk_request request[VIRTIO_BLK_REQUESTS];
};

/* Make one of so many queues of a disk, which it gives to the worker. Dies when the host is out of
 * descriptors. */
void virtio_blk_init(struct virtio_blk *b, struct disk *disk, int queues,
                     const struct virtio_memory *memory, struct worker *worker);

/* Wait for what is under way, and close the disk. The worker has ended, or never ran. */
void virtio_blk_free(struct virtio_blk *b);

#endif
