/* SPDX-License-Identifier: MIT */
/*
 * A file that the user named to boot from: a kernel, an initramfs.
 */
#ifndef BOOT_IMAGE_H
#define BOOT_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

/* An open file. It stays open for the life of minivm: a guest that reboots is loaded again. */
struct image {
    const char *name; /* as the user wrote it, for messages */
    int fd;
    uint64_t size; /* in bytes, never 0 */
};

/*
 * Open a file for reading. A pipe is read to its end, a gzip-compressed file is unpacked when
 * unpack is true; both are then kept in memory, up to 1 GiB. Dies when there is no such file, it
 * cannot be read or unpacked, is a directory or is empty.
 */
void image_open(struct image *img, const char *name, bool unpack);

/* A flat binary has nothing to be known by. Dies when the file begins as something else does: an
 * ELF file, a Linux kernel, a script. */
void image_check_flat(const struct image *img);

/* Read len bytes from offset off. Dies when the file does not have them, or reading fails. */
void image_read(const struct image *img, uint64_t off, void *buf, uint64_t len);

#endif
