/* SPDX-License-Identifier: MIT */
/*
 * Kernels that were unpacked, kept for the next time: in $XDG_CACHE_HOME/minivm, or else
 * ~/.cache/minivm, at most 1 GiB; those that were not used for longest go first.
 *
 * Where that cannot be written, or does not belong to the user alone, nothing is kept, and nothing
 * is said. What is found there is mapped, so minivms that run the same kernel share its pages.
 */
#ifndef BOOT_KERNEL_CACHE_H
#define BOOT_KERNEL_CACHE_H

#include "boot/image.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* A packed file, as the cache knows it. */
struct kernel_cache_key {
    bool named; /* it is a file; then who it is, and when it was last changed */
    struct kernel_cache_identity {
        uint64_t dev, ino, size, mtime_s, mtime_ns, ctime_s, ctime_ns;
    } id;
    char hash[65]; /* SHA-256; "" when it is not known yet */
};

/* Find what was unpacked from a file, by what the file is and when it changed, without reading it.
 * The new image, to, has its name. False when that is not enough, or nothing is there. */
bool kernel_cache_recall(struct kernel_cache_key *key, const struct image *packed,
                         struct image *to);

/* The same for the same file, by what is in it: packed is in memory now. Nothing that is damaged is
 * found. */
bool kernel_cache_find(struct kernel_cache_key *key, const struct image *packed, struct image *to);

/* Keep what was unpacked from it, after kernel_cache_find() found nothing: what says in a few words
 * what it is. Any number of minivms may do so at once. True when it is kept and *to is that; else
 * it is as it was. */
bool kernel_cache_keep(const struct kernel_cache_key *key, struct image *to, const char *what);

/* What is kept, the last used first. The text, and the path that kernel_cache_path() gives, live
 * until the next call. */
struct kernel_cache_entry {
    uint64_t size;
    time_t used;
    const char *what;
};
void kernel_cache_each(void (*each)(const struct kernel_cache_entry *entry, void *to), void *to);

/* Where it is, or NULL when there is none. */
const char *kernel_cache_path(void);

/* Remove all; the number of kernels. */
int kernel_cache_clear(void);

#endif
