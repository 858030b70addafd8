// SPDX-License-Identifier: MIT
/*
 * A file system with one file, DIR/file, that hangs when it is told to, as one whose server on the
 * network is gone.
 *
 * usage: hang DIR
 *
 * It goes to the background when DIR is mounted, and says its process number. From SIGUSR1 on it
 * answers nothing; DIR.hangs is made when somebody waits for it then. SIGTERM unmounts it, and
 * gives errors to all who wait. Status 77: it cannot mount.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    SIZE = 1 << 20,
    FILE_ID = 2,
    REQUEST = SIZE + 4096,
};

static char data[SIZE], request[REQUEST];
static volatile sig_atomic_t hangs, ends;
static int fuse;

static void told(int sig)
{
    *(sig == SIGUSR1 ? &hangs : &ends) = 1;
}

static void answer(uint64_t unique, int error, const void *buf, size_t len)
{
    struct fuse_out_header h = {sizeof(h) + len, error, unique};
    struct iovec v[2] = {{&h, sizeof(h)}, {(void *)buf, len}};

    (void)!writev(fuse, v, 2);
}

static struct fuse_attr attr_of(uint64_t id)
{
    return (struct fuse_attr){.ino = id,
                              .size = id == FILE_ID ? SIZE : 0,
                              .mode = id == FILE_ID ? S_IFREG | 0666 : S_IFDIR | 0777,
                              .nlink = 1,
                              .blksize = 4096};
}

static void serve(const struct fuse_in_header *h, const void *arg)
{
    const struct fuse_read_in *r = arg;
    const struct fuse_write_in *w = arg;
    struct fuse_init_out init = {.major = 7, .minor = 31, .max_write = 128 << 10};
    struct fuse_attr_out attr = {.attr = attr_of(h->nodeid)};
    struct fuse_entry_out entry = {.nodeid = FILE_ID, .attr = attr_of(FILE_ID)};
    struct fuse_open_out opened = {.open_flags = FOPEN_DIRECT_IO};
    struct fuse_write_out written = {0};

    switch (h->opcode) {
    case FUSE_INIT:
        answer(h->unique, 0, &init, sizeof(init));
        break;
    case FUSE_LOOKUP:
        if (strcmp(arg, "file"))
            answer(h->unique, -ENOENT, NULL, 0);
        else
            answer(h->unique, 0, &entry, sizeof(entry));
        break;
    case FUSE_GETATTR:
    case FUSE_SETATTR:
        answer(h->unique, 0, &attr, sizeof(attr));
        break;
    case FUSE_OPEN:
    case FUSE_OPENDIR:
        answer(h->unique, 0, &opened, sizeof(opened));
        break;
    case FUSE_READ:
        answer(h->unique, 0, data + r->offset, r->offset < SIZE ? r->size : 0);
        break;
    case FUSE_WRITE:
        if (w->offset + w->size <= SIZE)
            memcpy(data + w->offset, w + 1, w->size);
        written.size = w->size;
        answer(h->unique, 0, &written, sizeof(written));
        break;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        break;
    case FUSE_READDIR:
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
    case FUSE_FSYNC:
        answer(h->unique, 0, NULL, 0);
        break;
    default:
        answer(h->unique, -ENOSYS, NULL, 0);
    }
}

int main(int argc, char **argv)
{
    struct sigaction sa = {.sa_handler = told};
    struct pollfd p = {.events = POLLIN};
    char options[128], flag[4096];

    if (argc != 2)
        return 2;
    p.fd = fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%d,group_id=%d,allow_other",
             fuse, getuid(), getgid());
    if (fuse < 0 || mount("hang", argv[1], "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
        perror("hang: cannot mount");
        return 77;
    }
    pid_t child = fork();

    if (child) {
        printf("%d\n", child);
        return child < 0;
    }
    freopen("/dev/null", "w", stdout);
    sigaction(SIGUSR1, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    snprintf(flag, sizeof(flag), "%s.hangs", argv[1]);
    while (!ends) {
        if (poll(&p, 1, 100) != 1)
            continue;
        if (hangs) {
            close(open(flag, O_WRONLY | O_CREAT, 0666));
            usleep(100000);
        } else if (read(fuse, request, sizeof(request)) > 0) {
            serve((void *)request, request + sizeof(struct fuse_in_header));
        }
    }
    umount2(argv[1], MNT_DETACH);
    return 0;
}
