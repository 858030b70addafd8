// SPDX-License-Identifier: MIT
/*
 * What is written over a disk: a sparse file and a bitmap.
 *
 * After: open(2), "O_TMPFILE"; fallocate(2), "Deallocating file space".
 */
#define _GNU_SOURCE
#include "hw/overlay.h"
#include "hw/die.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t map_len(const struct overlay *o)
{
    return o->size / OVERLAY_CLUSTER / 8 + 1;
}

static int punch(int fd, uint64_t offset, uint64_t len)
{
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len) < 0 ? errno : 0;
}

/* A file without a name in which holes can be made; in memory where there is no better place. */
static int nameless(void)
{
    const char *dir = getenv("TMPDIR");
    int fd = open(dir && *dir ? dir : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 && punch(fd, 0, 1) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return memfd_create("minivm-overlay", MFD_CLOEXEC);
}

void overlay_init(struct overlay *o, int under, uint64_t size, const char *name)
{
    *o = (struct overlay){.fd = nameless(), .under = under, .size = size};
    if (o->fd < 0 || ftruncate(o->fd, size) < 0)
        die("%s: cannot make a file for what the guest writes: %m; TMPDIR=DIR names another place",
            name);
    o->map = mmap(NULL, map_len(o), PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (o->map == MAP_FAILED)
        die("%s: cannot allocate a map of what the guest writes: %m", name);
}

void overlay_free(struct overlay *o)
{
    munmap(o->map, map_len(o));
    close(o->fd);
}

static bool has(const struct overlay *o, uint64_t cluster)
{
    return o->map[cluster / 8] >> cluster % 8 & 1;
}

static void add(struct overlay *o, uint64_t cluster)
{
    o->map[cluster / 8] |= 1 << cluster % 8;
}

int overlay_file(const struct overlay *o, uint64_t offset, uint64_t *len)
{
    uint64_t cluster = offset / OVERLAY_CLUSTER;
    bool above = has(o, cluster);

    for (uint64_t end = ++cluster * OVERLAY_CLUSTER - offset; end < *len; end += OVERLAY_CLUSTER)
        if (has(o, cluster++) != above)
            *len = end;
    return above ? o->fd : o->under;
}

/* Copy the cluster at offset from the disk, unless the overlay has it. */
static int copy(struct overlay *o, uint64_t offset)
{
    uint64_t from = offset & -(uint64_t)OVERLAY_CLUSTER;
    uint64_t len = o->size - from < OVERLAY_CLUSTER ? o->size - from : OVERLAY_CLUSTER;
    char buf[OVERLAY_CLUSTER];

    if (has(o, from / OVERLAY_CLUSTER))
        return 0;
    for (int way = 0; way < 2; way++) {
        ssize_t n = way ? pwrite(o->fd, buf, len, from) : pread(o->under, buf, len, from);

        if (n != (ssize_t)len)
            return n < 0 ? errno : EIO;
    }
    add(o, from / OVERLAY_CLUSTER);
    return 0;
}

int overlay_begin(struct overlay *o, uint64_t offset, uint64_t len)
{
    uint64_t end = offset + len;
    int error = offset % OVERLAY_CLUSTER ? copy(o, offset) : 0;

    if (!error && end % OVERLAY_CLUSTER && end != o->size)
        error = copy(o, end);
    return error;
}

void overlay_end(struct overlay *o, uint64_t offset, uint64_t len)
{
    for (uint64_t c = offset / OVERLAY_CLUSTER; c <= (offset + len - 1) / OVERLAY_CLUSTER; c++)
        add(o, c);
}

int overlay_zero(struct overlay *o, uint64_t offset, uint64_t len)
{
    int error = overlay_begin(o, offset, len);

    if (!error)
        error = punch(o->fd, offset, len);
    if (!error)
        overlay_end(o, offset, len);
    return error;
}
