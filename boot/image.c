// SPDX-License-Identifier: MIT
/*
 * The files that the user named to boot from.
 *
 * After: mmap(2), madvise(2), read(2) of the Linux manual pages.
 *
 * Left out: mapping the files that the user named. A mapped file that somebody shortens kills its
 * reader by a signal; one that is read gives an error.
 */
#define _GNU_SOURCE
#include "boot/image.h"
#include "boot/unpack.h"
#include "hw/die.h"
#include "hw/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file of at most so many bytes is read once, at once: it is looked at in more than a hundred
 * places to tell what it is. */
#define SMALL (64 * KIB)

/* The host's memory that an endless pipe, or a small file that unpacks to a huge one, may take. */
#define ROOM GIB

/* Memory for n bytes of img; only those that are used cost anything. Without huge pages, if the
 * host gives them, page faults would take longer than the unpacking. */
static void *get_memory(const struct image *img, uint64_t n)
{
    void *at =
        mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at == MAP_FAILED)
        die("%s: cannot keep it in memory: %m", img->name);
    madvise(at, n, MADV_HUGEPAGE);
    return at;
}

/* Make the first size bytes of data, which has so much room, the content of img; the rest is given
 * back. */
static void keep(struct image *img, uint8_t *data, uint64_t room, uint64_t size)
{
    uint64_t used = align_up(size, PAGE_SIZE);

    *img = (struct image){.name = img->name, .fd = -1, .data = data, .size = size};
    if (used < room)
        munmap(data + used, room - used);
}

static void read_to_end(struct image *img)
{
    uint8_t *data = get_memory(img, ROOM);
    uint64_t size = 0;
    ssize_t n;

    while ((n = read(img->fd, data + size, ROOM - size)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            die("%s: %m", img->name);
        size += n;
        if (size == ROOM)
            die("%s: a pipe of 1 GiB or more, which is not kept in memory", img->name);
    }
    close(img->fd);
    keep(img, data, ROOM, size);
}

static void read_small(struct image *img)
{
    uint8_t *data = get_memory(img, SMALL);

    image_read(img, 0, data, img->size);
    close(img->fd);
    keep(img, data, SMALL, img->size);
}

void image_copy(struct image *to, const struct image *from)
{
    void *data = get_memory(from, from->size);

    image_read(from, 0, data, from->size);
    *to = (struct image){.name = from->name, .fd = -1, .data = data, .size = from->size};
}

const char *image_unpack(struct image *to, const struct image *from, uint64_t off, uint64_t len,
                         bool sized)
{
    static char text[200];
    uint8_t start[PACKING_START] = {0};
    const char *problem;
    enum packing p;
    void *packed, *out;
    size_t got;

    image_read(from, off, start, len < sizeof(start) ? len : sizeof(start));
    p = packing_of(start, len < sizeof(start) ? len : sizeof(start));
    if (p == PACKING_NONE)
        return "not compressed by anything that is known";
    problem = packing_missing(p);
    if (problem) {
        snprintf(text, sizeof(text), "compressed by %s; %s", packing_name(p), problem);
        return text;
    }
    if (len > ROOM)
        return "compressed, and larger than 1 GiB";

    packed = get_memory(from, len);
    image_read(from, off, packed, len);
    out = get_memory(from, ROOM);
    problem = unpack(p, packed, len, sized, out, ROOM, &got);
    munmap(packed, len);
    *to = (struct image){.name = from->name};
    keep(to, out, ROOM, got);
    if (!problem && got)
        return NULL;
    image_close(to);
    if (!problem)
        problem = "empty";
    else if (problem == UNPACK_TOO_LARGE)
        problem = "larger than 1 GiB when it is unpacked";
    snprintf(text, sizeof(text), "compressed by %s, but %s", packing_name(p), problem);
    return text;
}

static enum packing packing(const struct image *img)
{
    uint8_t start[PACKING_START];

    return packing_of(start, image_peek(img, 0, start, sizeof(start)));
}

void image_open(struct image *img, const char *name, bool packed)
{
    struct stat st;

    *img = (struct image){.name = name, .fd = open(name, O_RDONLY | O_CLOEXEC)};
    if (img->fd < 0 || fstat(img->fd, &st) < 0)
        die("%s: %m", name);
    /* Files of /proc claim to be empty until they are read. */
    if (S_ISREG(st.st_mode) && st.st_size > 0)
        img->size = st.st_size;
    else
        read_to_end(img);
    if (!img->data && img->size <= SMALL)
        read_small(img);
    if (packed && packing(img) != PACKING_NONE) {
        struct image file = *img;
        const char *problem = image_unpack(img, &file, 0, file.size, false);

        if (problem)
            die("%s: %s", name, problem);
        img->packing = packing(&file);
        image_close(&file);
    }
    if (!img->size)
        die("%s: empty", name);
}

void image_close(struct image *img)
{
    if (img->data && img->size)
        munmap((void *)img->data, img->size);
    if (!img->data || img->mapped)
        close(img->fd);
    *img = (struct image){.name = img->name, .fd = -1};
}

void image_check_flat(const struct image *img)
{
    char magic[4], header[4];

    image_peek(img, 0, magic, 4);
    image_peek(img, 0x202, header, 4);
    if (!memcmp(magic, "\177ELF", 4))
        die("%s: an ELF file, where a flat binary is needed; 'objcopy -O binary %s %s.bin' makes "
            "one",
            img->name, img->name, img->name);
    if (!memcmp(header, "HdrS", 4))
        die("%s: a Linux kernel; say --kernel %s", img->name, img->name);
    if (!memcmp(magic, "#!", 2))
        die("%s: a script, where a flat binary is needed", img->name);
}

void image_read(const struct image *img, uint64_t off, void *buf, uint64_t len)
{
    char *to = buf;

    if (off > img->size || len > img->size - off)
        die("%s: truncated: it ends after %llu bytes", img->name, (unsigned long long)img->size);
    if (img->data) {
        memcpy(buf, img->data + off, len);
        return;
    }
    while (len) {
        ssize_t n = pread(img->fd, to, len, off);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            die("%s: %m", img->name);
        if (!n)
            die("%s: became shorter while it was being read", img->name);
        to += n;
        off += n;
        len -= n;
    }
}

uint64_t image_peek(const struct image *img, uint64_t off, void *buf, uint64_t len)
{
    uint64_t there = off < img->size ? img->size - off : 0;

    if (there > len)
        there = len;
    memset(buf, 0, len);
    if (there)
        image_read(img, off, buf, there);
    return there;
}
