/* SPDX-License-Identifier: MIT */
/*
 * Opening a disk's image: which format it has, and whether we may use it.
 */
#ifndef HW_DISK_IMAGE_H
#define HW_DISK_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

struct disk;

/* The format, as QEMU calls it, of an image that begins with these len bytes (at least 68 if it has
 * as many); NULL for a raw one. */
const char *disk_format(const void *head, size_t len);

/* Open the image, to read it only or not. Returns NULL after d->fd and d->size are set and the
 * image is locked; or the format, when it is not raw and nothing is open. Dies when it cannot be
 * used. */
const char *disk_image_open(struct disk *d, const char *name, bool only_read);

/* Die unless a disk can be of its size. */
void disk_image_check(const struct disk *d);

#endif
