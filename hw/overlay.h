/* SPDX-License-Identifier: MIT */
/*
 * What is written over a disk that itself stays as it is, and forgotten at the end.
 *
 * An overlay is a nameless file as long as the disk, with holes where nothing was written, and a
 * bit for each cluster that tells where it is read from. Offsets and lengths are in bytes, within
 * the disk. Its owner serialises all calls.
 */
#ifndef HW_OVERLAY_H
#define HW_OVERLAY_H

#include <stdint.h>

enum {
    OVERLAY_CLUSTER = 4096
};

struct overlay {
    int fd, under; /* the file, and that of the disk beneath it */
    uint64_t size;
    uint8_t *map; /* a bit per cluster: it is in the overlay */
};

/* Lay one over the disk of size bytes in file under; name is the disk's, for messages. Dies when
 * the host cannot. */
void overlay_init(struct overlay *o, int under, uint64_t size, const char *name);
void overlay_free(struct overlay *o);

/* The file which the bytes from offset on are read from; *len is cut to those that it has. */
int overlay_file(const struct overlay *o, uint64_t offset, uint64_t *len);

/* To write len bytes: overlay_begin(), then the bytes into o->fd at the same offset, and after
 * success overlay_end(). Returns an errno, 0 for success. */
int overlay_begin(struct overlay *o, uint64_t offset, uint64_t len);
void overlay_end(struct overlay *o, uint64_t offset, uint64_t len);

/* Make len bytes zeroes. Returns an errno, 0 for success. */
int overlay_zero(struct overlay *o, uint64_t offset, uint64_t len);

#endif
