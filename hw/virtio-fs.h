/* SPDX-License-Identifier: MIT */
/*
 * A shared directory behind a virtio ring, which the guest mounts by its tag.
 */
#ifndef HW_VIRTIO_FS_H
#define HW_VIRTIO_FS_H

#include "hw/fuse.h"
#include "hw/helpers.h"
#include "hw/virtio.h"
#include "hw/worker.h"

enum {
    VIRTIO_FS_TAG = 36 /* bytes at most, of UTF-8 */
};

/* As the driver reads it. */
struct virtio_fs_config {
    char tag[VIRTIO_FS_TAG];
    uint32_t num_request_queues;
};

struct virtio_fs_job;

struct virtio_fs {
    struct virtio virtio;
    struct virtio_fs_config config;
    struct fuse *fuse;
    struct helpers *helpers; /* NULL where the worker is in line */

    /* Worker locked. */
    uint32_t generation;          /* of requests: a reset forgets those that are older */
    struct virtio_fs_job *parked; /* that wait, where no helper does */

    struct helper_job end; /* of what the guest holds, as a part of a reset */
};

/* Make one. A worker with a thread needs helpers. */
void virtio_fs_init(struct virtio_fs *f, const char *tag, struct fuse *fuse,
                    const struct virtio_memory *memory, struct worker *worker,
                    struct helpers *helpers);

/* The worker and the helpers do not run any more. */
void virtio_fs_free(struct virtio_fs *f);

#endif
