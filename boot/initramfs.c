// SPDX-License-Identifier: MIT
/*
 * A look at an initramfs.
 *
 * After: Linux Documentation/driver-api/early-userspace/buffer-format.rst ("initramfs buffer
 * format"); Documentation/admin-guide/kernel-parameters.txt ("rdinit=", "root="); init/do_mounts.c
 * for what becomes of an initramfs without a program to start.
 *
 * Left out: whether that program could run: a script's interpreter, a program's libraries. Links
 * are not followed: what is behind one is taken to be there.
 */
#include "boot/initramfs.h"
#include "hw/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    HEADER = 110, /* "070701" and fields of 8 hexadecimal digits, of which: */
    MODE = 14,
    FILESIZE = 54,
    NAMESIZE = 94,

    NAME = 256, /* no more of a name is looked at */
};

/* How much of a compressed archive is looked at, packed and unpacked. */
#define ROOM (16 * MIB)

struct look {
    const char *path; /* of the program, without the first slash */
    bool archive;     /* an entry has been found */
    bool there, executable;
    bool unseen; /* not all can be seen: the program may be there */
};

static uint32_t field(const char *header, int at)
{
    char digits[9] = "";

    memcpy(digits, header + at, 8);
    return strtoul(digits, NULL, 16);
}

/* Is the entry the program, or a link on the way to it? */
static void see(struct look *l, const char *name, uint32_t mode)
{
    size_t n;

    if (!strncmp(name, "./", 2))
        name++;
    name += *name == '/';
    n = strlen(name);
    if (!strcmp(l->path, name)) {
        l->there = true;
        l->executable = S_ISLNK(mode) || (S_ISREG(mode) && mode & 0111);
    }
    if (n && S_ISLNK(mode) && !strncmp(l->path, name, n) && l->path[n] == '/')
        l->unseen = true;
}

/* Look at the entry at off, and return where the next one is; UINT64_MAX when there is none. */
static uint64_t entry(struct look *l, const struct image *img, uint64_t off)
{
    char buf[HEADER + NAME + 1];
    uint64_t n = image_peek(img, off, buf, sizeof(buf) - 1);

    if (n < HEADER || (memcmp(buf, "070701", 6) && memcmp(buf, "070702", 6)))
        return UINT64_MAX;
    buf[n] = 0;
    l->archive = true;
    see(l, buf + HEADER, field(buf, MODE));
    off = align_up(off + HEADER + field(buf, NAMESIZE), 4);
    return align_up(off + field(buf, FILESIZE), 4);
}

static void look(struct look *l, const struct image *img, bool packed);

/* The rest of an image from off on is compressed. */
static void look_inside(struct look *l, const struct image *img, uint64_t off, enum packing p)
{
    uint64_t n = img->size - off < ROOM ? img->size - off : ROOM;
    uint8_t *packed = malloc(n), *unpacked = malloc(ROOM);
    size_t got = 0;

    /* If anything ends it early, such as a lack of room, there is more. */
    l->unseen = true;
    if (packed && unpacked) {
        image_read(img, off, packed, n);
        l->unseen = unpack(p, packed, n, false, unpacked, ROOM, &got);
    }
    if (got)
        look(l, &(struct image){.name = img->name, .data = unpacked, .size = got}, false);
    free(packed);
    free(unpacked);
}

/* packed: it may be compressed, unlike an archive in a compressed one. */
static void look(struct look *l, const struct image *img, bool packed)
{
    uint64_t off = 0, next;
    char start[512];

    while (off < img->size) {
        uint64_t n = image_peek(img, off, start, sizeof(start)), zeros = 0;
        enum packing p;

        while (zeros < n && !start[zeros])
            zeros++;
        off += zeros;
        if (zeros)
            continue;
        next = entry(l, img, off);
        if (next != UINT64_MAX) {
            off = next;
            continue;
        }
        p = packing_of(start, n);
        if (p != PACKING_NONE && packed)
            look_inside(l, img, off, p);
        return;
    }
}

/* What follows name in the last word of a command line that begins with it; NULL when there is
 * none. */
static const char *parameter(const char *cmdline, const char *name, size_t *len)
{
    const char *found = NULL;

    for (const char *s = cmdline; *s; s += *len) {
        s += strspn(s, " \t\n");
        *len = strcspn(s, " \t\n");
        if (!strncmp(s, name, strlen(name)))
            found = s + strlen(name);
    }
    if (found)
        *len = strcspn(found, " \t\n");
    return found;
}

bool initramfs_problem(const struct kernel *k, char *text, size_t size)
{
    size_t len;
    const char *rdinit = parameter(k->cmdline, "rdinit=", &len);
    char path[NAME];
    struct look l = {.path = path + 1};

    snprintf(path, sizeof(path), "%.*s", rdinit ? (int)len : 5, rdinit ? rdinit : "/init");
    if (parameter(k->cmdline, "root=", &len) || (rdinit && !k->modules) || path[0] != '/')
        return false;
    for (int i = 0; i < k->modules; i++) {
        bool before = l.archive;

        l.archive = false;
        look(&l, &k->module[i].image, true);
        if (!l.archive && !l.unseen) {
            snprintf(text, size, "%s: no cpio archive, so Linux finds no program to start in it",
                     k->module[i].image.name);
            return true;
        }
        l.archive |= before;
    }
    if (l.unseen || (l.there && l.executable))
        return false;
    if (!k->modules)
        snprintf(text, size,
                 "%s: there is neither --initrd nor --root, nor root= on its command line: Linux "
                 "will panic, "
                 "unless an initramfs is built into it",
                 k->image.name);
    else
        snprintf(text, size,
                 "%s: %s%s, and there is no root= on the command line: Linux will panic",
                 initramfs_name(k), l.there ? "cannot execute " : "has no ", path);
    return true;
}
