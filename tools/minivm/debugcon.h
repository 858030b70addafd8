/* SPDX-License-Identifier: MIT */
/*
 * Where the guests' debug output goes: stderr or a file.
 *
 * Bytes come from within a chip, so nothing here waits for a reader: unread bytes are kept, up to
 * DEBUGCON_KEPT, and more are counted as lost.
 */
#ifndef TOOLS_MINIVM_DEBUGCON_H
#define TOOLS_MINIVM_DEBUGCON_H

#include "tools/minivm/ending.h"
#include "tools/minivm/writer.h"

#define DEBUGCON_KEPT (256 * 1024)

struct debugcon {
    const char *name;   /* of the file; NULL for stderr */
    struct writer file; /* where there is one */
    struct writer *to;
};

/* Open it: file is made or overwritten; NULL stands for stderr, which err writes. Dies when the
 * file cannot be opened. */
void debugcon_open(struct debugcon *d, const char *file, struct writer *err);

/* A byte. For config.debug; any lock. */
void debugcon_put(void *debugcon, uint8_t byte);

/* The guests have ended: write the rest to the file, waiting until the deadline. A failure is added
 * to the ending. */
void debugcon_finish(struct debugcon *d, uint64_t deadline, struct ending *e);

#endif
