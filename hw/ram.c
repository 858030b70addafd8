// SPDX-License-Identifier: MIT
/*
 * Guest RAM.
 *
 * Left out: swapping, ballooning and memory hot-plug; the host's own paging does the first two.
 */
#define _GNU_SOURCE
#include "hw/ram.h"
#include "hw/die.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Aligned so, the host can back the guest with huge pages. */
#define HUGE_PAGE UINT64_C(0x200000)

/* Ranges of RAM, by their offset in host, that are what a file has. */
struct ram_parts {
    int n;
    struct {
        uint64_t at, len;
    } part[256];
};

static void advise(struct ram *ram)
{
    madvise(ram->host, ram->size, MADV_HUGEPAGE);
    /* The guest's memory is its own: a core dump of minivm is for minivm's bugs. */
    madvise(ram->host, ram->size, MADV_DONTDUMP);
}

void ram_init(struct ram *ram, uint64_t size)
{
    uint8_t *map = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (map == MAP_FAILED)
        die("cannot allocate %llu MiB of guest RAM: %m; try a smaller --mem",
            (unsigned long long)(size >> 20));

    uint64_t skip = -(uintptr_t)map & (HUGE_PAGE - 1);

    if (skip)
        munmap(map, skip);
    munmap(map + skip + size, HUGE_PAGE - skip);
    ram->host = map + skip;
    ram->size = size;
    ram->parts = calloc(1, sizeof(*ram->parts));
    assert(ram->parts);
    advise(ram);
}

void ram_free(struct ram *ram)
{
    munmap(ram->host, ram->size);
    if (ram->file)
        close(ram->file);
    free(ram->parts);
    *ram = (struct ram){0};
}

int ram_use(struct ram *ram, int file)
{
    if (mmap(ram->host, ram->size, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED | (file ? 0 : MAP_ANONYMOUS), file ? file : -1,
             0) == MAP_FAILED)
        return errno;
    advise(ram);
    if (ram->file)
        close(ram->file);
    ram->file = file;
    if (ram->parts)
        ram->parts->n = 0;
    return 0;
}

bool ram_part(const struct ram *ram, uint64_t gpa, uint64_t len, int fd, uint64_t off)
{
    uint8_t *to = ram_at(ram, gpa, len);
    struct ram_parts *p = ram->parts;

    assert(to && len);
    if (!p || p->n == sizeof(p->part) / sizeof(p->part[0]) ||
        mmap(to, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, fd, off) ==
            MAP_FAILED)
        return false;
    madvise(to, len, MADV_DONTDUMP);
    p->part[p->n].at = to - ram->host;
    p->part[p->n++].len = len;
    return true;
}

bool ram_has_part(const struct ram *ram, uint64_t at, uint64_t len)
{
    for (int i = 0; ram->parts && i < ram->parts->n; i++)
        if (ram->parts->part[i].at < at + len &&
            at < ram->parts->part[i].at + ram->parts->part[i].len)
            return true;
    return false;
}

void ram_clear(struct ram *ram)
{
    if (ram_use(ram, 0))
        memset(ram->host, 0, ram->size);
}

uint64_t ram_low(const struct ram *ram)
{
    return ram->size < RAM_HOLE ? ram->size : RAM_HOLE;
}

uint64_t ram_high(const struct ram *ram)
{
    return ram->size - ram_low(ram);
}

void *ram_at(const struct ram *ram, uint64_t gpa, uint64_t len)
{
    uint64_t low = ram_low(ram), high = ram_high(ram);

    if (gpa <= low && len <= low - gpa)
        return ram->host + gpa;
    if (gpa >= RAM_HIGH && gpa - RAM_HIGH <= high && len <= high - (gpa - RAM_HIGH))
        return ram->host + low + (gpa - RAM_HIGH);
    return NULL;
}

uint64_t ram_gpa(const struct ram *ram, const void *host)
{
    uint64_t at = (const uint8_t *)host - ram->host, low = ram_low(ram);

    return at < low ? at : RAM_HIGH + (at - low);
}
