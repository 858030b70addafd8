// SPDX-License-Identifier: MIT
/*
 * The files that the user named to boot from.
 *
 * After: zlib.h, "gzip File Access Functions".
 *
 * Left out: other compressions than gzip. Distributions ship bzImages, which unpack themselves;
 * gzip around one is what some archives and build trees add.
 */
#define _GNU_SOURCE
#include "boot/image.h"
#include "hw/die.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* What a pipe without end, or a small file that unpacks to a huge one, may take of the host. */
#define KEPT_MAX (UINT64_C(1) << 30)

/* A copy of img, empty yet, that lives in memory. */
static struct image keep(const struct image *img)
{
    struct image kept = {.name = img->name, .fd = memfd_create("image", MFD_CLOEXEC)};

    if (kept.fd < 0)
        die("%s: cannot keep it in memory: %m", img->name);
    return kept;
}

static void append(struct image *kept, const char *buf, size_t len)
{
    if (len > KEPT_MAX - kept->size)
        die("%s: pipes and unpacked files may have 1 GiB at most", kept->name);
    while (len) {
        ssize_t n = pwrite(kept->fd, buf, len, kept->size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            die("%s: cannot keep it in memory: %m", kept->name);
        buf += n;
        len -= n;
        kept->size += n;
    }
}

static void read_to_end(struct image *img)
{
    struct image kept = keep(img);
    char buf[65536];
    ssize_t n;

    while ((n = read(img->fd, buf, sizeof(buf))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            die("%s: %m", img->name);
        append(&kept, buf, n);
    }
    close(img->fd);
    *img = kept;
}

static bool is_gzip(const struct image *img)
{
    uint8_t magic[2] = {0};

    if (img->size > sizeof(magic))
        image_read(img, 0, magic, sizeof(magic));
    return magic[0] == 0x1f && magic[1] == 0x8b;
}

static void gunzip(struct image *img)
{
    struct image kept = keep(img);
    gzFile z = gzdopen(img->fd, "rb");
    char buf[65536];
    int n;

    if (!z)
        die("%s: no memory to unpack it", img->name);
    while ((n = gzread(z, buf, sizeof(buf))) > 0)
        append(&kept, buf, n);
    /* Only closing tells that the file ended too early. */
    if (gzclose_r(z) != Z_OK || n < 0)
        die("%s: damaged or truncated: gzip cannot unpack it", img->name);
    *img = kept;
}

void image_open(struct image *img, const char *name, bool unpack)
{
    struct stat st;

    *img = (struct image){.name = name, .fd = open(name, O_RDONLY | O_CLOEXEC)};
    if (img->fd < 0 || fstat(img->fd, &st) < 0)
        die("%s: %m", name);
    /* Files of /proc say that they are empty until they are read. */
    if (S_ISREG(st.st_mode) && st.st_size > 0)
        img->size = st.st_size;
    else
        read_to_end(img);
    if (unpack && is_gzip(img))
        gunzip(img);
    if (!img->size)
        die("%s: empty", name);
}

void image_check_flat(const struct image *img)
{
    char magic[4] = {0}, header[4] = {0};

    image_read(img, 0, magic, img->size < 4 ? img->size : 4);
    if (img->size >= 0x206)
        image_read(img, 0x202, header, 4);
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
