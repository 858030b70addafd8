/* SPDX-License-Identifier: MIT */
/*
 * A cpio archive in memory, for files that minivm itself gives to an initramfs.
 */
#ifndef BOOT_CPIO_H
#define BOOT_CPIO_H

#include <stddef.h>
#include <stdint.h>

/* Zero it before the first use; free(buf) after the last. */
struct cpio {
    uint8_t *buf;
    size_t size, capacity;
    uint32_t inode;
};

/* Add an entry. name has no leading slash, mode is that of stat(2) (S_IFREG | 0644 ...). */
void cpio_add(struct cpio *c, const char *name, uint32_t mode, const void *data, size_t size);

/* End the archive. */
void cpio_end(struct cpio *c);

#endif
