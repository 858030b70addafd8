/* SPDX-License-Identifier: MIT */
/*
 * What a guest asks of a shared directory, in the protocol that Linux speaks to file systems in
 * user space.
 */
#ifndef HW_FUSE_H
#define HW_FUSE_H

#include "hw/share.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    FUSE_LATER = -1,      /* in place of a reply's length, which is never negative */
    FUSE_INTERRUPTED = 16 /* requests that were called off; older ones are forgotten */
};

/* A guest's connection to a directory. */
struct fuse {
    struct share *share;
    bool begun; /* by INIT */
    uint64_t interrupted[FUSE_INTERRUPTED];
    uint32_t interrupts;
};

void fuse_init(struct fuse *f, struct share *share);

/* Is there a guest that may hold something? */
bool fuse_has_begun(const struct fuse *f);

/* The guest is gone, or begins anew: what it held is given back, which waits for the host's file
 * system. No call is under way. */
void fuse_reset(struct fuse *f);

/*
 * Serve the request in in[], with room for the reply in out[]. Returns the reply's length, 0 where
 * there is none, or FUSE_LATER where it waits for a lock that somebody else has: nothing was done,
 * and the same request is to be served again after a while.
 *
 * Any thread, several at once, no lock held; waits for the host's file system. All of a request may
 * be wrong. The guest's memory is read once, and written only within out[].
 */
ssize_t fuse_serve(struct fuse *f, const struct iovec *in, int ins, const struct iovec *out,
                   int outs);

/* Answer a request for which FUSE_LATER was returned with an error (below 0) in place of serving it
 * again. The reply's length. */
ssize_t fuse_refuse(const struct iovec *in, int ins, const struct iovec *out, int outs, int error);

#endif
