/* SPDX-License-Identifier: MIT */
/*
 * A file that the user named to boot from: a kernel, an initramfs.
 */
#ifndef BOOT_IMAGE_H
#define BOOT_IMAGE_H

#include "boot/unpack.h"

#include <stdbool.h>
#include <stdint.h>

/* An open file. It stays open for the life of minivm: a guest that reboots is loaded again. A small
 * one is read at once. */
struct image {
    const char *name; /* as the user wrote it, for messages */
    int fd;
    const uint8_t *data;  /* the content in memory, in place of fd, when not NULL */
    uint64_t size;        /* in bytes, never 0 */
    enum packing packing; /* how the file was packed that this was unpacked from */
    bool mapped;          /* data is the content of fd, a file that nobody changes */
};

/*
 * Open a file for reading. A pipe is read to its end, a compressed file (boot/unpack.h) is unpacked
 * when packed is true; both then live in memory, in less than 1 GiB. Dies when there is no such
 * file, it cannot be read or unpacked, is a directory or is empty.
 */
void image_open(struct image *img, const char *name, bool packed);
void image_close(struct image *img);

/* Make of an image one that lives in memory, and cannot change any more. Dies like image_read(). */
void image_copy(struct image *to, const struct image *from);

/*
 * Unpack the len bytes at off in from. The new image, to, lives in memory and has the same name.
 * NULL when all went well, else why it cannot be done, to follow a name: "compressed by xz, but
 * damaged or truncated". sized is as in unpack(): true for the payload of a bzImage. Dies like
 * image_read().
 */
const char *image_unpack(struct image *to, const struct image *from, uint64_t off, uint64_t len,
                         bool sized);

/* Die when what should be a flat binary begins like something else: an ELF file, a Linux kernel, a
 * script. */
void image_check_flat(const struct image *img);

/* Read len bytes from offset off. Dies when the file does not have them, or reading fails. */
void image_read(const struct image *img, uint64_t off, void *buf, uint64_t len);

/* Read bytes that may be beyond the file's end, which read as zeros. Returns how many are the
 * file's. */
uint64_t image_peek(const struct image *img, uint64_t off, void *buf, uint64_t len);

#endif
