// SPDX-License-Identifier: MIT
/*
 * cpio archives in the "newc" format that Linux unpacks as an initramfs.
 *
 * After: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
 *
 * Left out: hard links, device nodes, time stamps, reading.
 */
#include "boot/cpio.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER = 110, /* "070701" and 13 fields of 8 hexadecimal digits */
    ALIGN = 4,
};

static void append(struct cpio *c, const void *data, size_t n)
{
    if (c->size + n + ALIGN > c->capacity) {
        c->capacity = 2 * (c->size + n + ALIGN);
        c->buf = realloc(c->buf, c->capacity);
        assert(c->buf);
    }
    memcpy(c->buf + c->size, data, n);
    c->size += n;
}

/* Name and data each end on a multiple of 4. */
static void pad(struct cpio *c)
{
    append(c, "\0\0\0", -c->size & (ALIGN - 1));
}

void cpio_add(struct cpio *c, const char *name, uint32_t mode, const void *data, size_t size)
{
    char header[HEADER + 1];
    size_t length = strlen(name) + 1;

    assert(size <= UINT32_MAX);
    snprintf(header, sizeof(header), "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
             ++c->inode, mode, 0, 0, 1, 0, (uint32_t)size, 0, 0, 0, 0, (uint32_t)length, 0);
    append(c, header, HEADER);
    append(c, name, length);
    pad(c);
    append(c, data, size);
    pad(c);
}

void cpio_end(struct cpio *c)
{
    cpio_add(c, "TRAILER!!!", 0, "", 0);
}
