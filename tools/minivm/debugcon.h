/* SPDX-License-Identifier: MIT */
/*
 * Where the guests' debug output goes: stderr or a file.
 *
 * Bytes come from within a chip, so nothing here ever waits for a reader: what nobody reads is
 * kept, up to DEBUGCON_KEPT, and the rest counted as lost.
 */
#ifndef TOOLS_MINIVM_DEBUGCON_H
#define TOOLS_MINIVM_DEBUGCON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DEBUGCON_KEPT = 256 * 1024
};

struct debugcon {
    const char *name; /* of the file; NULL for stderr */
    int fd;
    int error; /* errno of a write that failed */
    uint64_t lost;
    size_t n;
    char kept[DEBUGCON_KEPT];
};

/* Open it: file is a file's name, which is made or overwritten, or NULL for stderr. Dies when that
 * cannot be. */
void debugcon_open(struct debugcon *d, const char *file);

/* A byte. For config.debug; machine locked. */
void debugcon_put(void *debugcon, uint8_t byte);

/* The guests have ended: write the rest, for at most timeout_ms without progress. Says on stderr
 * what could not be written; returns false when that is an error of the file. */
bool debugcon_finish(struct debugcon *d, int timeout_ms);

#endif
