// SPDX-License-Identifier: MIT
/*
 * Opening a disk's image.
 *
 * After: fcntl(2), "Open file description locks"; and the bytes which QEMU locks: one from 100 on
 * for each thing that somebody does with the image, one from 200 on for each that nobody else may
 * do meanwhile. All locks are shared; who comes asks whether the opposite byte is locked.
 */
#define _GNU_SOURCE
#include "hw/disk-image.h"
#include "hw/die.h"
#include "hw/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
    DOES = 100, /* the first bytes that are locked */
    FORBIDS = 200,
    READS = 0, /* what one does, and forbids others */
    WRITES = 1,
    RESIZES = 3
};

static const struct {
    const char *format;
    unsigned at, len;
    const char *magic;
} formats[] = {
    {"qcow", 0, 8, "QFI\xfb\0\0\0\1"},
    {"qcow2", 0, 4, "QFI\xfb"},
    {"vmdk", 0, 4, "KDMV"},
    {"vmdk", 0, 4, "COWD"},
    {"vmdk", 0, 21, "# Disk DescriptorFile"},
    {"vhdx", 0, 8, "vhdxfile"},
    {"vpc", 0, 8, "conectix"},
    {"vdi", 64, 4, "\x7f\x10\xda\xbe"},
    {"qed", 0, 4, "QED\0"},
    {"parallels", 0, 16, "WithoutFreeSpace"},
    {"parallels", 0, 16, "WithouFreSpacExt"},
};

const char *disk_format(const void *head, size_t len)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        const char *magic = (const char *)head + formats[i].at;

        if (formats[i].at + formats[i].len <= len &&
            !memcmp(magic, formats[i].magic, formats[i].len))
            return formats[i].format;
    }
    return NULL;
}

/* Lock the byte at that offset, or ask whether somebody else has locked it. Where files cannot be
 * locked, nothing is. */
static bool lock(int fd, int at)
{
    struct flock l = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

    return fcntl(fd, F_OFD_SETLK, &l) == 0 || (errno != EAGAIN && errno != EACCES);
}

static bool locked(int fd, int at)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

    return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

static bool lock_image(int fd, bool only_read)
{
    return lock(fd, DOES + READS) && (only_read || lock(fd, DOES + WRITES)) &&
           lock(fd, FORBIDS + WRITES) && lock(fd, FORBIDS + RESIZES) &&
           !locked(fd, FORBIDS + READS) && (only_read || !locked(fd, FORBIDS + WRITES)) &&
           !locked(fd, DOES + WRITES) && !locked(fd, DOES + RESIZES);
}

static int open_file(const char *name, bool only_read)
{
    /* A fifo would be waited for without O_NONBLOCK. */
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0)
        die("%s: %m", name);
    if (fstat(fd, &st) < 0)
        die("%s: %m", name);
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        die("%s: %s is no disk: it must be a file or a block device", name,
            S_ISDIR(st.st_mode) ? "a directory" : "this");
    if (only_read) {
        /* Some kernels say EAGAIN to a read in a ring otherwise. */
        fcntl(fd, F_SETFL, 0);
        return fd;
    }
    close(fd);
    /* With O_EXCL a device that is mounted is refused. */
    fd = open(name, O_RDWR | O_CLOEXEC | (S_ISBLK(st.st_mode) ? O_EXCL : 0));
    if (fd < 0 && (errno == EACCES || errno == EPERM || errno == EROFS))
        die("%s: cannot write to it: %m; to use it as it is: --disk %s,ro or %s,snapshot", name,
            name, name);
    if (fd < 0)
        die("%s: %m%s", name, errno == EBUSY ? "; the host uses it: is it mounted?" : "");
    return fd;
}

const char *disk_image_open(struct disk *d, const char *name, bool only_read)
{
    int fd = open_file(name, only_read);
    char head[DISK_SECTOR];
    ssize_t len = pread(fd, head, sizeof(head), 0);
    const char *format = len < 0 ? NULL : disk_format(head, len);
    struct statfs fs;
    struct stat st;

    if (len < 0)
        die("%s: cannot read it: %m", name);
    if (format) {
        close(fd);
        return format;
    }
    if (!lock_image(fd, only_read))
        die("%s: in use: another disk of this guest, minivm or QEMU %s it", name,
            only_read ? "writes to" : "has");
    d->fd = fd;
    d->size = lseek(fd, 0, SEEK_END);
    d->is_device = fstat(fd, &st) == 0 && S_ISBLK(st.st_mode);
    d->in_memory = fstatfs(fd, &fs) == 0 && !d->is_device &&
                   (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
    return NULL;
}

void disk_image_check(const struct disk *d)
{
    if (!d->size)
        die("%s: is empty: a disk has at least one sector of %d bytes", d->name, DISK_SECTOR);
    if (d->size % DISK_SECTOR)
        die("%s: its %llu bytes are no whole sectors of %d: lengthen it, by truncate -s %%%d",
            d->name, (unsigned long long)d->size, DISK_SECTOR, DISK_SECTOR);
}
