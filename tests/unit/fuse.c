// SPDX-License-Identifier: MIT
/*
 * A shared directory as a guest sees it: requests made by hand.
 */
#define _GNU_SOURCE
#include "tests/unit/fuse.h"
#include "tests/unit/die.h"
#include "tests/unit/test.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#define ALL_FLAGS 0x7fffffffu

static void begin(bool read_only)
{
    begin_share(read_only);
    CHECK_EQ(init_fuse(38, ALL_FLAGS), 0);
}

static int count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static uint64_t open_file(uint64_t node, int flags)
{
    struct fuse_open_out *o = body;

    return ASK(FUSE_OPEN, node, NULL, open_in, flags, 0) ? 0 : o->fh;
}

static int write_file(uint64_t node, uint64_t fh, uint64_t off, const char *text)
{
    struct fuse_write_in w = {.fh = fh, .offset = off, .size = strlen(text)};

    return ask_bytes(FUSE_WRITE, node, &w, sizeof(w), text, strlen(text));
}

static bool reads(uint64_t node, uint64_t fh, uint64_t off, const char *text)
{
    return !ASK(FUSE_READ, node, NULL, read_in, .fh = fh, .offset = off, .size = 4096) &&
           reply_len == strlen(text) && !memcmp(body, text, reply_len);
}

static bool host_reads(const char *name, const char *text)
{
    char buf[256];
    int fd = openat(top, name, O_RDONLY | O_CLOEXEC);
    ssize_t got = read(fd, buf, sizeof(buf));

    close(fd);
    return got == (ssize_t)strlen(text) && !memcmp(buf, text, got);
}

static void init_agrees(void)
{
    struct fuse_init_out *o = body;

    begin_share(false);
    CHECK_EQ(ask(FUSE_GETATTR, 1, NULL, 0, NULL), -EIO);
    CHECK_EQ(init_fuse(30, ALL_FLAGS), -EPROTO);
    CHECK_EQ(ASK(FUSE_INIT, 0, NULL, init_in, 8, 1, 0, 0, 0, {0}), 0);
    CHECK_EQ(o->major, 7);
    CHECK_EQ(ask(FUSE_GETATTR, 1, NULL, 0, NULL), -EIO);
    CHECK_EQ(init_fuse(31, FUSE_ASYNC_READ | FUSE_MAX_PAGES), 0);
    CHECK_EQ(o->flags, FUSE_ASYNC_READ | FUSE_MAX_PAGES);
    CHECK_EQ(o->max_write, 1 << 20);
    CHECK_EQ(o->max_pages, 256);
    CHECK_EQ(init_fuse(38, ALL_FLAGS), 0);
    CHECK(o->flags & FUSE_WRITEBACK_CACHE && o->flags & FUSE_POSIX_LOCKS);
    CHECK(!(o->flags & (FUSE_SUBMOUNTS | FUSE_HANDLE_KILLPRIV | FUSE_NO_OPEN_SUPPORT)));
    CHECK_EQ(ask(FUSE_DESTROY, 0, NULL, 0, NULL), 0);
    CHECK_EQ(ask(FUSE_GETATTR, 1, NULL, 0, NULL), -EIO);
    end_share();
}

static void files_are_read_and_written(void)
{
    struct fuse_entry_out *e = body;
    struct fuse_open_out *o = (void *)((char *)body + sizeof(*e));
    struct fuse_attr_out *a = body;
    uint64_t node, fh;

    begin(false);
    CHECK_EQ(ASK(FUSE_CREATE, 1, "new", create_in, O_WRONLY, S_IFREG | 0666, 022, 0), 0);
    CHECK_EQ(reply_len, sizeof(*e) + sizeof(*o));
    node = e->nodeid;
    fh = o->fh;
    CHECK_EQ(e->attr.mode, S_IFREG | 0644);
    CHECK_EQ(write_file(node, fh, 0, "hello"), 0);
    CHECK_EQ(((struct fuse_write_out *)body)->size, 5);
    CHECK_EQ(write_file(node, fh, 5, " world"), 0);
    CHECK(host_reads("new", "hello world"));
    CHECK(reads(node, fh, 6, "world"));
    CHECK(reads(node, fh, 11, ""));
    CHECK_EQ(ask(FUSE_GETATTR, node, NULL, 0, NULL), 0);
    CHECK_EQ(a->attr.size, 11);
    CHECK_EQ(ASK(FUSE_FSYNC, node, NULL, fsync_in, fh, 1, 0), 0);
    CHECK_EQ(ASK(FUSE_SETATTR, node, NULL, setattr_in, .valid = FATTR_SIZE | FATTR_FH, .fh = fh,
                 .size = 5),
             0);
    CHECK(host_reads("new", "hello"));
    CHECK_EQ(ASK(FUSE_FALLOCATE, node, NULL, fallocate_in, fh, 4096, 4096, 0, 0), 0);
    CHECK_EQ(ASK(FUSE_LSEEK, node, NULL, lseek_in, fh, 100, SEEK_HOLE, 0), 0);
    CHECK(((struct fuse_lseek_out *)body)->offset >= 100);
    CHECK_EQ(ASK(FUSE_LSEEK, node, NULL, lseek_in, fh, 0, SEEK_SET, 0), -EINVAL);
    CHECK_EQ(ASK(FUSE_FLUSH, node, NULL, flush_in, .fh = fh), 0);
    CHECK_EQ(ASK(FUSE_RELEASE, node, NULL, release_in, .fh = fh), 0);
    CHECK_EQ(ASK(FUSE_RELEASE, node, NULL, release_in, .fh = fh), -EBADF);
    CHECK_EQ(write_file(node, fh, 0, "gone"), -EBADF);

    /* Without a handle of its own; a second creation opens what is there. */
    CHECK_EQ(ASK(FUSE_SETATTR, node, NULL, setattr_in, .valid = FATTR_SIZE, .size = 3), 0);
    CHECK(host_reads("new", "hel"));
    CHECK_EQ(ASK(FUSE_CREATE, 1, "new", create_in, O_RDWR | O_EXCL, 0666, 0, 0), -EEXIST);
    CHECK_EQ(ASK(FUSE_CREATE, 1, "new", create_in, O_RDWR, 0666, 0, 0), 0);
    CHECK_EQ(e->nodeid, node);
    CHECK(reads(node, o->fh, 0, "hel"));
    fh = open_file(node, O_RDWR | O_TRUNC);
    CHECK(fh && reads(node, fh, 0, ""));
    end_share();
}

static void names_come_and_go(void)
{
    struct fuse_entry_out *e = body;
    struct stat st;
    uint64_t sub, file;

    begin(false);
    CHECK_EQ(ASK(FUSE_MKDIR, 1, "sub", mkdir_in, 0777, 027), 0);
    sub = e->nodeid;
    CHECK_EQ(e->attr.mode, S_IFDIR | 0750);
    CHECK_EQ(ASK(FUSE_MKNOD, sub, "fifo", mknod_in, S_IFIFO | 0600, 0, 0, 0), 0);
    CHECK(!fstatat(top, "sub/fifo", &st, 0) && S_ISFIFO(st.st_mode));
    CHECK_EQ(ASK(FUSE_OPEN, e->nodeid, NULL, open_in, O_RDONLY, 0), -ENXIO);
    CHECK_EQ(ASK(FUSE_MKNOD, sub, "null", mknod_in, S_IFCHR | 0666, 0x103, 0, 0), -EPERM);
    CHECK_EQ(ASK(FUSE_MKNOD, sub, "disk", mknod_in, S_IFBLK | 0666, 0x800, 0, 0), -EPERM);
    CHECK_EQ(ASK(FUSE_MKNOD, sub, "disk", mknod_in, S_IFBLK | 0666, 0, 0, 0), -EPERM);
    CHECK_EQ(ASK(FUSE_MKNOD, sub, "whiteout", mknod_in, S_IFCHR, 0, 0, 0), 0);
    CHECK_EQ(ask(FUSE_UNLINK, sub, NULL, 0, "whiteout"), 0);
    CHECK_EQ(ask_bytes(FUSE_SYMLINK, sub, NULL, 0, "link\0/etc/passwd", 17), 0);
    CHECK_EQ(e->attr.mode & S_IFMT, S_IFLNK);
    CHECK_EQ(ask(FUSE_READLINK, e->nodeid, NULL, 0, NULL), 0);
    CHECK(reply_len == 11 && !memcmp(body, "/etc/passwd", 11));
    host_file("file", "text");
    file = look_up(1, "file");
    CHECK(file);
    CHECK_EQ(look_up(1, "file"), file);
    CHECK_EQ(ASK(FUSE_LINK, sub, "hard", link_in, file), 0);
    CHECK_EQ(e->nodeid, file);
    CHECK_EQ(e->attr.nlink, 2);
    CHECK_EQ(ask_bytes(FUSE_RENAME, 1, &(struct fuse_rename_in){sub}, 8, "file\0moved", 11), 0);
    CHECK_EQ(look_up(sub, "moved"), file);
    CHECK_EQ(
        ask_bytes(FUSE_RENAME2, sub, &(struct fuse_rename2_in){sub, 1, 0}, 16, "moved\0hard", 11),
        -EEXIST);
    CHECK_EQ(ask(FUSE_UNLINK, sub, NULL, 0, "hard"), 0);
    CHECK_EQ(ask(FUSE_UNLINK, sub, NULL, 0, "moved"), 0);
    CHECK_EQ(ask(FUSE_GETATTR, file, NULL, 0, NULL), 0); /* without a name it is still there */
    CHECK_EQ(((struct fuse_attr_out *)body)->attr.nlink, 0);
    CHECK_EQ(ask(FUSE_RMDIR, 1, NULL, 0, "sub"), -ENOTEMPTY);
    CHECK_EQ(ask(FUSE_UNLINK, 1, NULL, 0, "sub"), -EISDIR);
    CHECK_EQ(ask(FUSE_LOOKUP, 1, NULL, 0, "none"), 0); /* which is told to be so for a while */
    CHECK_EQ(e->nodeid, 0);
    CHECK_EQ(e->entry_valid, 1);
    end_share();
}

static void attributes_change(void)
{
    struct fuse_attr_out *a = body;
    uint64_t node;

    begin(false);
    host_file("file", "");
    node = look_up(1, "file");
    CHECK_EQ(ASK(FUSE_SETATTR, node, NULL, setattr_in, .valid = FATTR_MODE | FATTR_MTIME,
                 .mode = 04711, .mtime = 1000000, .mtimensec = 5),
             0);
    CHECK_EQ(a->attr.mode, S_IFREG | 04711);
    CHECK_EQ(a->attr.mtime, 1000000);
    CHECK_EQ(a->attr.mtimensec, 5);
    CHECK_EQ(ASK(FUSE_SETATTR, node, NULL, setattr_in, .valid = FATTR_SIZE | FATTR_KILL_SUIDGID,
                 .size = 1),
             0);
    CHECK_EQ(a->attr.mode, S_IFREG | 0711);
    CHECK_EQ(ASK(FUSE_SETATTR, node, NULL, setattr_in, .valid = FATTR_ATIME_NOW), 0);
    CHECK(a->attr.atime > 1000000);
    if (geteuid() == 0) {
        CHECK_EQ(ASK(FUSE_SETATTR, node, NULL, setattr_in, .valid = FATTR_UID | FATTR_GID, .uid = 7,
                     .gid = 8),
                 0);
        CHECK_EQ(a->attr.uid, 7);
        CHECK_EQ(a->attr.gid, 8);
    }
    CHECK_EQ(ask_bytes(FUSE_SYMLINK, 1, NULL, 0, "l\0file", 7), 0);
    node = ((struct fuse_entry_out *)body)->nodeid;
    CHECK_EQ(ASK(FUSE_SETATTR, node, NULL, setattr_in, .valid = FATTR_MODE, .mode = 0),
             -EOPNOTSUPP);
    /* What are too many nanoseconds here means "now" to the host. */
    CHECK_EQ(ASK(FUSE_SETATTR, node, NULL, setattr_in, .valid = FATTR_MTIME, .mtime = 77,
                 .mtimensec = UTIME_NOW),
             0);
    CHECK_EQ(a->attr.mtime, 77);
    CHECK_EQ(ask(FUSE_STATFS, 1, NULL, 0, NULL), 0);
    CHECK(((struct fuse_statfs_out *)body)->st.bsize >= 512);
    end_share();
}

/* A file that is cut by somebody else than its owner loses its set-user-ID bit. */
static void cutting_takes_ids(void)
{
    struct fuse_attr_out *a = body;
    struct fuse_open_out *o = body;
    uint64_t node;

    begin(false);
    host_file("file", "text");
    CHECK(!fchmodat(top, "file", 04755, 0));
    node = look_up(1, "file");
    CHECK_EQ(ASK(FUSE_OPEN, node, NULL, open_in, O_WRONLY | O_TRUNC, FUSE_OPEN_KILL_SUIDGID), 0);
    CHECK_EQ(ASK(FUSE_RELEASE, node, NULL, release_in, .fh = o->fh), 0);
    CHECK_EQ(ASK(FUSE_GETATTR, node, NULL, getattr_in, 0), 0);
    CHECK_EQ(a->attr.mode, S_IFREG | 0755);
    CHECK_EQ(a->attr.size, 0);
    end_share();
}

/* The host moves directories so that, by what was seen of them, each would be in the other. */
static void directories_that_change_places(void)
{
    struct fuse_entry_out *e = body;
    uint64_t a, b;

    begin(false);
    CHECK(!mkdirat(top, "a", 0755) && !mkdirat(top, "a/b", 0755));
    a = look_up(1, "a");
    b = look_up(a, "b");
    CHECK_EQ(look_up(b, "none"), 0); /* b is open from now on */
    CHECK(!renameat(top, "a/b", top, "b") && !renameat(top, "a", top, "b/a"));
    CHECK_EQ(look_up(b, "a"), a);
    CHECK_EQ(e->attr.mode & S_IFMT, S_IFDIR);
    for (int i = 0; i < 2; i++)
        ASK(FUSE_FORGET, a, NULL, forget_in, 1);
    ASK(FUSE_FORGET, b, NULL, forget_in, 1);
    CHECK_EQ(share.known, 1);
    end_share();
}

/* Files of different file systems have different numbers in the guest. */
static void numbers_of_file_systems(void)
{
    begin(false);
    uint64_t one = share_ino(&share, makedev(200, 1), 5),
             other = share_ino(&share, makedev(200, 2), 5);

    CHECK(one != other);
    CHECK_EQ(share_ino(&share, makedev(200, 1), 5), one);
    end_share();
}

static void extended_attributes(void)
{
    char list[64];
    uint64_t node;

    begin(false);
    host_file("file", "");
    node = look_up(1, "file");
    CHECK_EQ(ask_bytes(FUSE_SETXATTR, node, (uint32_t[]){5, 0}, 8, "user.a\0value", 12), 0);
    CHECK_EQ(ASK(FUSE_GETXATTR, node, "user.a", getxattr_in, 100, 0), 0);
    CHECK(reply_len == 5 && !memcmp(body, "value", 5));
    CHECK_EQ(ASK(FUSE_GETXATTR, node, "user.a", getxattr_in, 0, 0), 0);
    CHECK_EQ(((struct fuse_getxattr_out *)body)->size, 5);
    CHECK_EQ(ASK(FUSE_GETXATTR, node, "user.a", getxattr_in, 2, 0), -ERANGE);
    CHECK_EQ(ASK(FUSE_GETXATTR, node, "user.b", getxattr_in, 2, 0), -ENODATA);
    ASK(FUSE_GETXATTR, node, "user.a", getxattr_in, 100, 0);
    CHECK_EQ(serve_request(40 + 8 + 7, 16 + 4), 16); /* a reply has less room than it says */
    CHECK_EQ(((struct fuse_out_header *)reply)->error, -EINVAL);
    snprintf(list, sizeof(list), "%s/file", dir);
    CHECK_EQ(getxattr(list, "user.a", list, 2) + errno, ERANGE - 1);
    CHECK_EQ(ASK(FUSE_LISTXATTR, node, NULL, getxattr_in, 4096, 0), 0);
    CHECK(memmem(body, reply_len, "user.a", 7));
    CHECK_EQ(ask_bytes(FUSE_SETXATTR, node, (uint32_t[]){5, XATTR_CREATE}, 8, "user.a\0value", 12),
             -EEXIST);
    CHECK_EQ(ask_bytes(FUSE_SETXATTR, node, (uint32_t[]){50, 0}, 8, "user.a\0value", 12), -EINVAL);
    CHECK_EQ(ask(FUSE_REMOVEXATTR, node, NULL, 0, "user.a"), 0);
    CHECK_EQ(ask(FUSE_REMOVEXATTR, node, NULL, 0, "user.a"), -ENODATA);
    end_share();
}

/* Read a whole directory in replies of size bytes; how many entries, of which nodes_found had a
 * number. */
static int nodes_found;

static int list_all(bool plus, uint32_t size)
{
    uint64_t off = 0, fh;
    int n = 0;

    nodes_found = 0;
    if (ASK(FUSE_OPENDIR, 1, NULL, open_in, 0, 0))
        return -1;
    fh = ((struct fuse_open_out *)body)->fh;
    while (!ASK(plus ? FUSE_READDIRPLUS : FUSE_READDIR, 1, NULL, read_in, .fh = fh, .offset = off,
                .size = size) &&
           reply_len) {
        const char *at = body, *end = at + reply_len;

        while (at < end) {
            const struct fuse_entry_out *e = (const void *)at;
            const struct fuse_dirent *d = (const void *)(plus ? at + sizeof(*e) : at);

            if (plus && e->nodeid) {
                nodes_found++;
                CHECK_EQ(d->type, e->attr.mode >> 12);
                CHECK_EQ(d->ino, e->attr.ino);
            }
            n++;
            off = d->off;
            at = (const char *)d + FUSE_DIRENT_SIZE(d);
        }
        CHECK(at == end);
    }
    CHECK_EQ(ASK(FUSE_RELEASEDIR, 1, NULL, release_in, .fh = fh), 0);
    return n;
}

static void directories_are_listed(void)
{
    static const uint32_t sizes[] = {300, 1000, 4096, 65536};
    char name[32];

    begin(false);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "a-name-that-is-long-%d", i);
        host_file(name, "");
    }
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(list_all(false, sizes[i]), 3002);
        CHECK_EQ(list_all(true, sizes[i]), 3002);
        CHECK_EQ(nodes_found, 3000);
    }
    CHECK_EQ(ASK(FUSE_READDIR, 1, NULL, read_in, .fh = 99, .size = 4096), -EBADF);
    end_share();
}

/* What a directory has in memory until all of it is shown, hostile guests ask for again and again.
 */
static void few_listings_are_unfinished(void)
{
    struct fuse_open_out *o = body;
    uint64_t fh[1100] = {0};
    char name[32];
    int good = 0;

    begin(false);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "a-name-that-is-long-%d", i);
        host_file(name, "");
    }
    for (int i = 0; i < 1100; i++) {
        CHECK_EQ(ASK(FUSE_OPENDIR, 1, NULL, open_in, 0, 0), 0);
        fh[i] = o->fh;
        good += !ASK(FUSE_READDIR, 1, NULL, read_in, .fh = fh[i], .size = 300);
    }
    CHECK_EQ(good, 1024);
    CHECK_EQ(list_all(false, 4096), 0);
    CHECK_EQ(ASK(FUSE_RELEASEDIR, 1, NULL, release_in, .fh = fh[0]), 0);
    CHECK_EQ(list_all(false, 4096), 22);
    CHECK_EQ(ASK(FUSE_READDIR, 1, NULL, read_in, .fh = fh[1], .size = 4096), 0);
    CHECK_EQ(list_all(false, 4096), 22); /* two are done with */
    end_share();
}

/* What was read of the directory before it was gone, as entries that were looked up are counted. */
static void listings_end_with_errors(void)
{
    struct fuse_open_out *o = body;
    const struct fuse_direntplus *d;
    char name[64];
    uint64_t fh, off = 0, sub;
    int told = 0, error;

    begin(false);
    mkdirat(top, "sub", 0755);
    sub = look_up(1, "sub");
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "sub/a-name-that-is-long-%d", i);
        host_file(name, "");
    }
    CHECK_EQ(ASK(FUSE_OPENDIR, sub, NULL, open_in, 0, 0), 0);
    fh = o->fh;
    while (!(error = ASK(FUSE_READDIRPLUS, sub, NULL, read_in, .fh = fh, .offset = off,
                         .size = 4096)) &&
           reply_len) {
        for (size_t at = 0; at < reply_len; told++) {
            d = (const void *)((char *)body + at);
            off = d->dirent.off;
            at += FUSE_DIRENTPLUS_SIZE(d);
        }
        for (int i = 0; i < 1000; i++) {
            snprintf(name, sizeof(name), "sub/a-name-that-is-long-%d", i);
            unlinkat(top, name, 0);
        }
        unlinkat(top, "sub", AT_REMOVEDIR);
    }
    CHECK(error == 0 || error == -ENOENT);
    CHECK_EQ(told, 2 + (32768 - 2 * 24) / 48); /* what the host had told in 32 KiB */
    end_share();
}

static void what_is_forgotten_is_closed(void)
{
    uint64_t node[50], fh;
    char name[16];
    int before;

    begin(false);
    before = count_fds();
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "%d", i);
        host_file(name, "");
        node[i] = look_up(1, name);
        CHECK_EQ(look_up(1, name), node[i]);
    }
    CHECK_EQ(count_fds(), before); /* what is only looked at costs none */
    for (int i = 0; i < 50; i++) {
        fh = open_file(node[i], O_RDONLY);
        CHECK_EQ(ASK(FUSE_RELEASE, node[i], NULL, release_in, .fh = fh), 0);
    }
    CHECK_EQ(count_fds(), before + 50);
    for (int i = 0; i < 49; i++) {
        struct fuse_forget_one one[2] = {{node[i], 1}, {node[i], 1}};

        CHECK_EQ(ask_bytes(FUSE_BATCH_FORGET, 0, &(struct fuse_batch_forget_in){2, 0}, 8, one,
                           sizeof(one)),
                 0);
        CHECK_EQ(ask(FUSE_GETATTR, node[i], NULL, 0, NULL), -ESTALE);
    }
    CHECK_EQ(ASK(FUSE_FORGET, node[49], NULL, forget_in, 1), 0);
    CHECK_EQ(reply_len, 0);
    fh = open_file(node[49], O_RDONLY);
    CHECK_EQ(ASK(FUSE_FORGET, node[49], NULL, forget_in, UINT64_MAX), 0);
    CHECK(reads(node[49], fh, 0, "")); /* a file that is open is */
    CHECK_EQ(ASK(FUSE_RELEASE, node[49], NULL, release_in, .fh = fh), 0);
    CHECK_EQ(ASK(FUSE_FORGET, 1, NULL, forget_in, UINT64_MAX), 0);
    CHECK_EQ(ask(FUSE_GETATTR, 1, NULL, 0, NULL), 0); /* and the root always */
    CHECK_EQ(count_fds(), before);
    CHECK(look_up(1, "3") != node[3]);
    open_file(look_up(1, "4"), O_RDWR);
    CHECK_EQ(ask(FUSE_DESTROY, 0, NULL, 0, NULL), 0);
    CHECK_EQ(count_fds(), before);
    end_share();
}

/* No name leads out, and none means two things. */
static void names_of_paths_are_refused(void)
{
    static const char *const bad[] = {"", ".", "..", "/", "/etc", "a/b", "../x", "a/"};
    char longer[400];
    uint64_t link;

    begin(false);
    mkdirat(top, "a", 0755);
    CHECK(!symlinkat("/", top, "out"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_EQ(ask(FUSE_LOOKUP, 1, NULL, 0, bad[i]), -EINVAL);
        CHECK_EQ(ASK(FUSE_MKDIR, 1, bad[i], mkdir_in, 0777, 0), -EINVAL);
        CHECK_EQ(ask(FUSE_RMDIR, 1, NULL, 0, bad[i]), -EINVAL);
        CHECK_EQ(ASK(FUSE_CREATE, 1, bad[i], create_in, O_RDWR, 0666, 0, 0), -EINVAL);
    }
    memset(longer, 'x', sizeof(longer));
    CHECK_EQ(ask_bytes(FUSE_LOOKUP, 1, NULL, 0, longer, 5), -EINVAL); /* that has no end */
    longer[300] = 0;
    CHECK_EQ(ask(FUSE_LOOKUP, 1, NULL, 0, longer), -ENAMETOOLONG);
    link = look_up(1, "out");
    CHECK(link);
    CHECK_EQ(((struct fuse_entry_out *)body)->attr.mode & S_IFMT, S_IFLNK);
    CHECK_EQ(ask(FUSE_LOOKUP, link, NULL, 0, "etc"), -ENOTDIR);
    CHECK_EQ(ASK(FUSE_CREATE, link, "x", create_in, O_RDWR, 0666, 0, 0), -ENOTDIR);
    CHECK_EQ(ASK(FUSE_OPENDIR, link, NULL, open_in, 0, 0), -ENOTDIR);
    CHECK(ASK(FUSE_OPEN, link, NULL, open_in, O_RDWR, 0) < 0);
    end_share();
}

/* Our memory is in /proc, which may be mounted in what is shared. */
static void files_of_proc_are_not_opened(void)
{
    char pid[16];
    uint64_t mem, version;

    share_init(&share, "/proc", false);
    fuse_init(&fuse, &share);
    CHECK_EQ(init_fuse(38, ALL_FLAGS), 0);
    snprintf(pid, sizeof(pid), "%d", getpid());
    version = look_up(1, "version");
    CHECK(version);
    CHECK_EQ(ASK(FUSE_OPEN, version, NULL, open_in, O_RDONLY, 0), -EACCES);
    mem = look_up(look_up(1, pid), "mem");
    CHECK(mem);
    CHECK_EQ(ASK(FUSE_OPEN, mem, NULL, open_in, O_RDONLY, 0), -EACCES);
    CHECK_EQ(ASK(FUSE_OPEN, mem, NULL, open_in, O_RDWR, 0), -EACCES);
    CHECK_EQ(ASK(FUSE_SETATTR, mem, NULL, setattr_in, .valid = FATTR_SIZE), -EACCES);
    share_free(&share);
}

static void read_only_refuses(void)
{
    struct fuse_open_out *o = body;
    uint64_t file, fh;

    begin_share(true);
    host_file("file", "text");
    CHECK_EQ(init_fuse(38, ALL_FLAGS), 0);
    CHECK(!(((struct fuse_init_out *)body)->flags & (FUSE_WRITEBACK_CACHE | FUSE_POSIX_LOCKS)));
    file = look_up(1, "file");
    CHECK_EQ(ASK(FUSE_OPEN, file, NULL, open_in, O_RDONLY, 0), 0);
    CHECK(o->open_flags & FOPEN_KEEP_CACHE);
    fh = o->fh;
    CHECK(reads(file, fh, 0, "text"));
    CHECK_EQ(ASK(FUSE_OPEN, file, NULL, open_in, O_RDWR, 0), -EROFS);
    CHECK_EQ(ASK(FUSE_OPEN, file, NULL, open_in, O_RDONLY | O_TRUNC, 0), -EROFS);
    CHECK_EQ(ASK(FUSE_CREATE, 1, "x", create_in, O_RDWR, 0666, 0, 0), -EROFS);
    CHECK_EQ(ASK(FUSE_CREATE, 1, "file", create_in, O_RDWR, 0666, 0, 0), -EROFS);
    CHECK_EQ(ASK(FUSE_TMPFILE, 1, "x", create_in, O_RDWR, 0666, 0, 0), -EROFS);
    CHECK_EQ(ASK(FUSE_MKDIR, 1, "x", mkdir_in, 0777, 0), -EROFS);
    CHECK_EQ(ASK(FUSE_MKNOD, 1, "x", mknod_in, S_IFREG | 0777, 0, 0, 0), -EROFS);
    CHECK_EQ(ask_bytes(FUSE_SYMLINK, 1, NULL, 0, "x\0y", 4), -EROFS);
    CHECK_EQ(ASK(FUSE_LINK, 1, "x", link_in, file), -EROFS);
    CHECK_EQ(ask(FUSE_UNLINK, 1, NULL, 0, "file"), -EROFS);
    CHECK_EQ(ask(FUSE_RMDIR, 1, NULL, 0, "file"), -EROFS);
    CHECK_EQ(ask_bytes(FUSE_RENAME, 1, &(struct fuse_rename_in){1}, 8, "file\0y", 7), -EROFS);
    CHECK_EQ(ASK(FUSE_SETATTR, file, NULL, setattr_in, .valid = FATTR_MODE), -EROFS);
    CHECK_EQ(ask_bytes(FUSE_SETXATTR, file, (uint32_t[]){1, 0}, 8, "user.a\0v", 8), -EROFS);
    CHECK_EQ(ask(FUSE_REMOVEXATTR, file, NULL, 0, "user.a"), -EROFS);
    CHECK_EQ(write_file(file, fh, 0, "x"), -EBADF);
    CHECK(ASK(FUSE_FALLOCATE, file, NULL, fallocate_in, fh, 0, 9, 0, 0) < 0);
    CHECK_EQ(ASK(FUSE_SETLK, file, NULL, lk_in, fh, 1, {0, 9, F_WRLCK, 1}, 0, 0), -EROFS);
    CHECK_EQ(ASK(FUSE_SETLK, file, NULL, lk_in, fh, 1, {0, 9, F_WRLCK, 1}, FUSE_LK_FLOCK, 0),
             -EROFS);
    CHECK(host_reads("file", "text"));
    CHECK_EQ(list_all(true, 4096), 3);
    end_share();
}

static int lock(uint32_t opcode, uint64_t node, uint64_t owner, int type)
{
    return ASK(opcode, node, NULL, lk_in, 0, owner, {10, 19, type, 1}, 0, 0);
}

static void locks_are_the_hosts(void)
{
    struct fuse_lk_out *out = body;
    struct flock here = {.l_type = F_WRLCK, .l_start = 15, .l_len = 1};
    uint64_t node, fh;
    int fd;

    begin(false);
    host_file("file", "text");
    node = look_up(1, "file");
    fd = openat(top, "file", O_RDWR | O_CLOEXEC);
    CHECK_EQ(lock(FUSE_SETLK, node, 1, F_WRLCK), 0);
    CHECK_EQ(lock(FUSE_SETLK, node, 2, F_RDLCK), -EAGAIN);
    CHECK_EQ(lock(FUSE_SETLKW, node, 2, F_RDLCK), 1); /* later */
    CHECK_EQ(fcntl(fd, F_OFD_SETLK, &here) + errno, EAGAIN - 1);
    CHECK_EQ(lock(FUSE_GETLK, node, 2, F_RDLCK), 0);
    CHECK(out->lk.type == F_WRLCK && out->lk.start == 10 && out->lk.end == 19);
    CHECK_EQ(ASK(FUSE_FLUSH, node, NULL, flush_in, .lock_owner = 1), 0);
    CHECK_EQ(lock(FUSE_SETLKW, node, 2, F_RDLCK), 0);
    CHECK_EQ(lock(FUSE_SETLK, node, 2, F_UNLCK), 0);
    CHECK_EQ(fcntl(fd, F_OFD_SETLK, &here), 0);
    CHECK_EQ(lock(FUSE_SETLK, node, 1, F_WRLCK), -EAGAIN);
    CHECK_EQ(lock(FUSE_SETLK, node, 1, 77), -EINVAL);
    here.l_type = F_UNLCK;
    CHECK_EQ(fcntl(fd, F_OFD_SETLK, &here), 0);
    here = (struct flock){.l_type = F_WRLCK, .l_start = INT64_MAX - 1, .l_len = 1};
    CHECK_EQ(ASK(FUSE_SETLK, node, NULL, lk_in, 0, 1, {0, INT64_MAX, F_WRLCK, 1}, 0, 0), 0);
    CHECK_EQ(fcntl(fd, F_OFD_SETLK, &here) + errno, EAGAIN - 1);
    CHECK_EQ(ASK(FUSE_SETLK, node, NULL, lk_in, 0, 1, {0, INT64_MAX, F_UNLCK, 1}, 0, 0), 0);
    here = (struct flock){.l_type = F_WRLCK, .l_start = 15, .l_len = 1};
    CHECK_EQ(fcntl(fd, F_OFD_SETLK, &here), 0);
    CHECK_EQ(ASK(FUSE_SETLK, node, NULL, lk_in, 0, 1, {9, 8, F_WRLCK, 1}, 0, 0), -EINVAL);

    /* One that waits is called off: the request comes again with its number. */
    CHECK_EQ(lock(FUSE_SETLKW, node, 1, F_WRLCK), 1);
    CHECK_EQ(ASK(FUSE_INTERRUPT, 0, NULL, interrupt_in, unique), 0);
    unique -= 2;
    CHECK_EQ(lock(FUSE_SETLKW, node, 1, F_WRLCK), -EINTR);

    /* What a guest called off is not what the next one asks under the same number. */
    fuse_reset(&fuse);
    CHECK_EQ(init_fuse(38, ALL_FLAGS), 0);
    node = look_up(1, "file");
    unique -= 3;
    CHECK_EQ(lock(FUSE_SETLKW, node, 1, F_WRLCK), 1);

    fh = open_file(node, O_RDWR);
    CHECK_EQ(ASK(FUSE_SETLK, node, NULL, lk_in, fh, 1, {0, 0, F_WRLCK, 1}, FUSE_LK_FLOCK, 0), 0);
    CHECK_EQ(flock(fd, LOCK_SH | LOCK_NB) + errno, EAGAIN - 1);
    CHECK_EQ(ASK(FUSE_RELEASE, node, NULL, release_in, .fh = fh), 0);
    CHECK_EQ(flock(fd, LOCK_EX | LOCK_NB), 0);
    close(fd);
    end_share();
}

static int lock_at(uint32_t opcode, uint64_t node, uint64_t owner, int type, uint64_t first,
                   uint64_t last)
{
    return ASK(opcode, node, NULL, lk_in, 0, owner, {first, last, type, 1}, 0, 0);
}

/* Who would wait for itself in the end is told so, as by the host; nobody else is. */
static void circles_of_locks(void)
{
    uint64_t a, b;

    begin(false);
    host_file("a", "text");
    host_file("b", "text");
    a = look_up(1, "a");
    b = look_up(1, "b");

    /* Two, and two files; the other one goes on when it has given up what it had. */
    CHECK_EQ(lock_at(FUSE_SETLK, a, 1, F_WRLCK, 0, 99), 0);
    CHECK_EQ(lock_at(FUSE_SETLK, b, 2, F_WRLCK, 0, INT64_MAX), 0);
    CHECK_EQ(lock_at(FUSE_SETLKW, b, 1, F_RDLCK, 5, 5), 1); /* later */
    CHECK_EQ(lock_at(FUSE_SETLKW, a, 2, F_WRLCK, 99, 200), -EDEADLK);
    CHECK_EQ(lock_at(FUSE_SETLKW, a, 2, F_WRLCK, 100, 200), 0);
    CHECK_EQ(lock_at(FUSE_SETLK, b, 2, F_UNLCK, 0, INT64_MAX), 0);
    unique -= 4;
    CHECK_EQ(lock_at(FUSE_SETLKW, b, 1, F_RDLCK, 5, 5), 0);
    unique += 4;

    /* Three; of a lock cut in the middle both ends count, and what is in between does not. */
    CHECK_EQ(lock_at(FUSE_SETLK, a, 1, F_UNLCK, 10, 19), 0);
    CHECK_EQ(lock_at(FUSE_SETLK, a, 3, F_WRLCK, 12, 12), 0);
    CHECK_EQ(lock_at(FUSE_SETLKW, a, 1, F_WRLCK, 200, 200), 1);
    CHECK_EQ(lock_at(FUSE_SETLKW, a, 2, F_WRLCK, 11, 12), 1);
    CHECK_EQ(lock_at(FUSE_SETLKW, b, 3, F_RDLCK, 0, 99), 0);
    CHECK_EQ(lock_at(FUSE_SETLKW, a, 3, F_RDLCK, 9, 9), -EDEADLK);
    CHECK_EQ(lock_at(FUSE_SETLKW, a, 3, F_RDLCK, 20, 25), -EDEADLK);
    CHECK_EQ(lock_at(FUSE_SETLK, a, 3, F_UNLCK, 12, 12), 0);
    CHECK_EQ(lock_at(FUSE_SETLKW, a, 3, F_RDLCK, 20, 25), 1);

    /* Called off, it is waited for no longer. */
    CHECK_EQ(ASK(FUSE_INTERRUPT, 0, NULL, interrupt_in, unique), 0);
    unique -= 2;
    CHECK_EQ(lock_at(FUSE_SETLKW, a, 3, F_RDLCK, 20, 25), -EINTR);
    unique += 1;
    CHECK_EQ(lock_at(FUSE_SETLK, b, 3, F_WRLCK, 50, 59), 0);
    CHECK_EQ(lock_at(FUSE_SETLKW, b, 4, F_RDLCK, 50, 50), 1);

    /* A reset ends all of it: the same again, by readers of one range, both of which want to write.
     */
    fuse_reset(&fuse);
    CHECK_EQ(init_fuse(38, ALL_FLAGS), 0);
    a = look_up(1, "a");
    CHECK_EQ(lock_at(FUSE_SETLK, a, 1, F_RDLCK, 0, 9), 0);
    CHECK_EQ(lock_at(FUSE_SETLK, a, 2, F_RDLCK, 0, 9), 0);
    CHECK_EQ(lock_at(FUSE_SETLKW, a, 1, F_WRLCK, 0, 9), 1);
    CHECK_EQ(lock_at(FUSE_SETLKW, a, 2, F_RDLCK, 20, 29), 0);
    CHECK_EQ(lock_at(FUSE_SETLKW, a, 2, F_WRLCK, 0, 9), -EDEADLK);
    end_share();
}

static void files_without_names(void)
{
    struct fuse_entry_out *e = body;
    struct fuse_open_out *o = (void *)((char *)body + sizeof(*e));
    uint64_t node, fh, from, to;

    begin(false);
    CHECK_EQ(ASK(FUSE_TMPFILE, 1, "whatever", create_in, O_WRONLY, S_IFREG | 0600, 0, 0), 0);
    node = e->nodeid;
    fh = o->fh;
    CHECK_EQ(e->attr.nlink, 0);
    CHECK_EQ(write_file(node, fh, 0, "text"), 0);
    CHECK_EQ(ASK(FUSE_LINK, 1, "named", link_in, node), 0);
    CHECK_EQ(e->nodeid, node);
    CHECK(host_reads("named", "text"));

    host_file("to", "");
    to = look_up(1, "to");
    from = fh;
    fh = open_file(to, O_RDWR);
    CHECK_EQ(ASK(FUSE_COPY_FILE_RANGE, node, NULL, copy_file_range_in, from, 1, to, fh, 0, 3, 0),
             0);
    CHECK_EQ(((struct fuse_write_out *)body)->size, 3);
    CHECK(host_reads("to", "ext"));
    CHECK_EQ(ask(FUSE_SYNCFS, 1, &(uint64_t){0}, 8, NULL), 0);
    end_share();
}

static void owners_are_the_guests(void)
{
    struct fuse_entry_out *e = body;

    if (geteuid() != 0)
        return;
    begin(false);
    asking_uid = 1234;
    asking_gid = 567;
    CHECK_EQ(ASK(FUSE_MKDIR, 1, "sub", mkdir_in, 0700, 0), 0);
    CHECK_EQ(e->attr.uid, 1234);
    CHECK_EQ(e->attr.gid, 567);
    CHECK_EQ(ASK(FUSE_CREATE, e->nodeid, "f", create_in, O_RDWR, 0600, 0, 0), 0);
    CHECK_EQ(e->attr.uid, 1234);
    asking_uid = 1;
    CHECK_EQ(ask_bytes(FUSE_SYMLINK, look_up(1, "sub"), NULL, 0, "l\0x", 4), 0);
    CHECK_EQ(e->attr.uid, 1); /* in a directory of another: the guest has looked at its rights */
    asking_uid = asking_gid = 0;
    CHECK_EQ(ASK(FUSE_MKDIR, 1, "ours", mkdir_in, 0700, 0), 0);
    CHECK_EQ(e->attr.uid, 0);
    CHECK_EQ(e->attr.gid, 0);
    end_share();
}

/* Without root: all that is made is the user's. */
static void owners_are_the_user(void)
{
    int status = -1;
    pid_t child;

    if (geteuid() != 0)
        return;
    fflush(stdout);
    child = fork();
    if (!child) {
        struct fuse_entry_out *e = body;

        test_failures = 0;
        if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
            _exit(2);
        begin(false);
        asking_uid = asking_gid = 0;
        CHECK_EQ(ASK(FUSE_MKDIR, 1, "sub", mkdir_in, 0755, 0), 0);
        CHECK_EQ(e->attr.uid, 65534);
        CHECK_EQ(ASK(FUSE_SETATTR, e->nodeid, NULL, setattr_in, .valid = FATTR_UID, .uid = 0),
                 -EPERM);
        CHECK_EQ(ASK(FUSE_CREATE, 1, "secret", create_in, O_WRONLY, 0200, 0, 0), 0);
        CHECK(open_file(e->nodeid, O_WRONLY)); /* which cannot be read, as a cache would like to */
        end_share();
        fflush(stdout);
        _exit(test_failures > 0);
    }
    waitpid(child, &status, 0);
    CHECK_EQ(status, 0);
}

/* What the host changes behind a guest that believes its own sizes. */
static void the_hosts_changes_are_seen(void)
{
    struct fuse_open_out *o = body;
    uint64_t node, newer, fh;

    begin(false);
    host_file("file", "old");
    node = look_up(1, "file");
    CHECK_EQ(ASK(FUSE_OPEN, node, NULL, open_in, O_RDWR, 0), 0);
    CHECK(o->open_flags & FOPEN_KEEP_CACHE);
    fh = o->fh;
    CHECK_EQ(write_file(node, fh, 3, " and ours"), 0);
    CHECK_EQ(look_up(1, "file"), node);
    CHECK_EQ(ASK(FUSE_SETATTR, node, NULL, setattr_in, .valid = FATTR_MTIME, .mtime = 9), 0);
    CHECK_EQ(ASK(FUSE_OPEN, node, NULL, open_in, O_RDONLY, 0), 0);
    CHECK(o->open_flags & FOPEN_KEEP_CACHE);
    CHECK_EQ(look_up(1, "file"), node);
    host_file("file", "from the host, and longer");
    CHECK_EQ(ASK(FUSE_OPEN, node, NULL, open_in, O_RDONLY, 0), -ESTALE);
    newer = look_up(1, "file");
    CHECK(newer && newer != node);
    CHECK(reads(node, fh, 0, "from the host, and longer"));
    CHECK(open_file(newer, O_RDONLY));
    CHECK_EQ(look_up(1, "file"), newer);
    CHECK_EQ(ask(FUSE_GETATTR, node, NULL, 0, NULL), 0);
    end_share();
}

static void too_many_files_are_an_error(void)
{
    struct rlimit old, few = {200, 200};
    char name[16];
    uint64_t node[300], fh = 0;
    int error = 0, i, status = -1;
    pid_t child;

    getrlimit(RLIMIT_NOFILE, &old);
    fflush(stdout);
    child = fork();
    if (!child) {
        setrlimit(RLIMIT_NOFILE, &few);
        test_failures = 0;
        begin(false);
        for (i = 0; i < 300; i++) {
            snprintf(name, sizeof(name), "%d", i);
            host_file(name, "");
            node[i] = look_up(1, name);
            CHECK(node[i]);
        }
        for (i = 0; i < 300 && !error; i++) {
            error = ASK(FUSE_OPEN, node[i], NULL, open_in, O_RDONLY, 0);
            fh = error ? fh : ((struct fuse_open_out *)body)->fh;
        }
        CHECK_EQ(error, -ENFILE);
        CHECK(i > 50 && i < 100);
        CHECK_EQ(ask(FUSE_LOOKUP, 1, NULL, 0, "7"), 0);
        i = open("/dev/null", O_RDONLY | O_CLOEXEC); /* the rest of minivm still has some */
        CHECK(i >= 0);
        close(i);
        CHECK_EQ(ASK(FUSE_RELEASE, 0, NULL, release_in, .fh = fh), 0);
        CHECK_EQ(ASK(FUSE_OPEN, node[200], NULL, open_in, O_RDONLY, 0), 0);
        end_share();
        fflush(stdout);
        _exit(test_failures > 0);
    }
    waitpid(child, &status, 0);
    CHECK_EQ(status, 0);
}

/* After which all others are closed. */
static void use_others(const uint64_t sub[8])
{
    for (int i = 0; i < 8; i++)
        CHECK_EQ(ASK(FUSE_SETATTR, sub[i], NULL, setattr_in, .valid = FATTR_MODE, .mode = 0755), 0);
}

/* With few descriptors a hundred directories below each other, and a file in the last: by its
 * number it is found again, whatever the guest has moved. */
static void few_descriptors_are_enough(void)
{
    struct fuse_attr_out *attr = body;
    uint64_t sub[100], file, other, gone, fh;
    int at, before;

    begin(false);
    share.node_fd_limit = 4;
    before = count_fds();
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(ASK(FUSE_MKDIR, i ? sub[i - 1] : 1, "d", mkdir_in, 0777, 0), 0);
        sub[i] = ((struct fuse_entry_out *)body)->nodeid;
    }
    CHECK_EQ(ASK(FUSE_CREATE, sub[99], "file", create_in, O_RDWR, 0644, 0, 0), 0);
    file = ((struct fuse_entry_out *)body)->nodeid;
    fh = ((struct fuse_open_out *)((struct fuse_entry_out *)body + 1))->fh;
    CHECK_EQ(ask_bytes(FUSE_WRITE, file, &(struct fuse_write_in){.fh = fh, .size = 4},
                       sizeof(struct fuse_write_in), "text", 4),
             0);
    CHECK_EQ(ASK(FUSE_RELEASE, file, NULL, release_in, .fh = fh), 0);
    CHECK_EQ(ASK(FUSE_MKDIR, 1, "e", mkdir_in, 0777, 0), 0);
    other = ((struct fuse_entry_out *)body)->nodeid;
    use_others(sub);
    CHECK(count_fds() <= before + 4);

    CHECK_EQ(ask(FUSE_GETATTR, file, NULL, 0, NULL), 0);
    CHECK_EQ(attr->attr.size, 4);
    CHECK_EQ(ask_bytes(FUSE_RENAME, sub[9], &(struct fuse_rename_in){other}, 8, "d\0moved", 8), 0);
    use_others(sub);
    fh = open_file(file, O_RDONLY);
    CHECK(reads(file, fh, 0, "text"));
    CHECK_EQ(ASK(FUSE_RELEASE, file, NULL, release_in, .fh = fh), 0);
    CHECK_EQ(look_up(other, "moved"), sub[10]);

    /* A directory cannot come to be below itself, and what the guest removed it still has. */
    CHECK_EQ(ask_bytes(FUSE_RENAME, other, &(struct fuse_rename_in){sub[12]}, 8, "moved\0x", 8),
             -EINVAL);
    host_file("gone", "still");
    gone = look_up(1, "gone");
    CHECK_EQ(ask(FUSE_UNLINK, 1, NULL, 0, "gone"), 0);
    host_file("a", "");
    host_file("over", "over");
    CHECK(look_up(1, "a"));
    at = (int)look_up(1, "over");
    CHECK_EQ(ask_bytes(FUSE_RENAME, 1, &(struct fuse_rename_in){1}, 8, "a\0over", 7), 0);
    use_others(sub);
    CHECK(reads(gone, open_file(gone, O_RDONLY), 0, "still"));
    CHECK(reads(at, open_file(at, O_RDONLY), 0, "over"));

    /* What the host moves, or makes anew, is looked up again. */
    CHECK(!renameat(top, "e/moved", top, "e/elsewhere"));
    use_others(sub);
    CHECK_EQ(ask(FUSE_GETATTR, sub[10], NULL, 0, NULL), -ESTALE);
    CHECK_EQ(ASK(FUSE_OPEN, file, NULL, open_in, O_RDONLY, 0), -ESTALE);
    CHECK_EQ(look_up(other, "elsewhere"), sub[10]);
    CHECK_EQ(ASK(FUSE_OPEN, file, NULL, open_in, O_RDONLY, 0), 0);
    host_file("new", "1");
    gone = look_up(1, "new");
    unlinkat(top, "new", 0);
    CHECK_EQ(ask(FUSE_GETATTR, gone, NULL, 0, NULL), -ESTALE);
    host_file("new", "2"); /* it may get the same number on the host */
    CHECK_EQ(ask(FUSE_GETATTR, gone, NULL, 0, NULL), -ESTALE);
    CHECK(look_up(1, "new") != gone);

    /* Two that the host puts into each other in turn. */
    share.node_fd_limit = 16;
    mkdirat(top, "p", 0777);
    mkdirat(top, "p/q", 0777);
    other = look_up(1, "p");
    gone = look_up(other, "q");
    CHECK_EQ(look_up(gone, "nothing"), 0); /* with descriptors for both */
    CHECK(!renameat(top, "p/q", top, "q") && !renameat(top, "p", top, "q/p"));
    CHECK_EQ(look_up(gone, "p"), other);
    CHECK_EQ(look_up(other, "q"), 0);
    end_share();
}

/* A process of the host swaps a directory and a link out of the share, as fast as it can, while the
 * guest creates, opens, renames and looks up what would be there. Outside nothing is touched. */
static void links_swapped_meanwhile_lead_nowhere(void)
{
    char outside[] = "/tmp/minivm-outside-XXXXXX", swap[64], name[64];
    struct stat st;
    int leaks = 0, inside = 0;
    uint64_t secret;
    pid_t child;

    CHECK(mkdtemp(outside));
    snprintf(name, sizeof(name), "%s/file", outside);
    close(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    stat(name, &st);
    secret = st.st_ino;
    begin(false);
    mkdirat(top, "dir", 0777);
    host_file("dir/file", "inside");
    CHECK(!symlinkat(outside, top, "swap"));
    snprintf(swap, sizeof(swap), "%s/swap", dir);
    child = fork();
    if (!child)
        for (prctl(PR_SET_PDEATHSIG, SIGKILL);;)
            renameat2(top, "dir", top, "swap", RENAME_EXCHANGE);
    for (int i = 0; i < 5000; i++) {
        struct fuse_entry_out *e = body;
        uint64_t node = look_up(1, "dir"), file = node ? look_up(node, "file") : 0, fh;

        if (file) {
            inside++;
            leaks += e->attr.ino == secret;
            fh = open_file(file, O_RDWR);
            if (fh) {
                write_file(file, fh, 0, "written");
                ASK(FUSE_RELEASE, file, NULL, release_in, .fh = fh);
            }
        }
        if (node) {
            ASK(FUSE_MKDIR, node, "made", mkdir_in, 0777, 0);
            ask(FUSE_RMDIR, node, NULL, 0, "made");
            if (!ASK(FUSE_CREATE, node, "created", create_in, O_RDWR, 0666, 0, 0))
                ASK(FUSE_RELEASE, e->nodeid, NULL, release_in,
                    .fh = ((struct fuse_open_out *)(e + 1))->fh);
            ask_bytes(FUSE_RENAME, node, &(struct fuse_rename_in){node}, 8, "created\0file", 13);
        }
        if (i % 500 == 0)
            fuse_reset(&fuse), init_fuse(38, ALL_FLAGS);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    CHECK(inside > 0);
    CHECK_EQ(leaks, 0);
    CHECK(!stat(name, &st) && st.st_size == 0);
    unlink(name);
    CHECK_EQ(rmdir(outside), 0); /* it has nothing else in it */
    end_share();
}

/* Several threads on the same few files; the sanitizers and the descriptors tell. */
static void *hammer(void *arg)
{
    uint64_t *seeds = arg;
    uint64_t x = *seeds;
    struct {
        struct fuse_in_header h;
        union {
            struct fuse_open_in open;
            struct fuse_forget_in forget;
            struct fuse_read_in read;
            char name[48];
        };
    } q;
    char r[8192];
    struct iovec in = {&q, sizeof(q)}, out = {r, sizeof(r)};
    uint64_t fh = 0, node = 1;

    for (int i = 0; i < 10000; i++) {
        static const uint32_t ops[] = {FUSE_LOOKUP,  FUSE_OPEN,   FUSE_READ,    FUSE_RELEASE,
                                       FUSE_GETATTR, FUSE_FORGET, FUSE_OPENDIR, FUSE_READDIRPLUS};

        x = x * 6364136223846793005 + 1442695040888963407;
        memset(&q, 0, sizeof(q));
        q.h = (struct fuse_in_header){.len = sizeof(q),
                                      .opcode = ops[x >> 61],
                                      .unique = 1,
                                      .nodeid = q.h.opcode == FUSE_LOOKUP ? 1 : x >> 32 & 15};
        if (q.h.opcode == FUSE_LOOKUP) {
            q.h.nodeid = 1;
            snprintf(q.name, sizeof(q.name), "%d", (int)(x >> 40 & 7));
        } else if (q.h.opcode == FUSE_FORGET) {
            q.forget.nlookup = 1;
        } else {
            q.h.nodeid = x & 1 ? node : 1;
            q.read = (struct fuse_read_in){.fh = fh, .size = 4096};
            if (q.h.opcode == FUSE_OPEN || q.h.opcode == FUSE_OPENDIR)
                q.open = (struct fuse_open_in){0, 0};
        }
        if (fuse_serve(&fuse, &in, 1, &out, 1) > (ssize_t)sizeof(struct fuse_out_header)) {
            if (q.h.opcode == FUSE_LOOKUP)
                memcpy(&node, r + sizeof(struct fuse_out_header), 8);
            if (q.h.opcode == FUSE_OPEN || q.h.opcode == FUSE_OPENDIR)
                memcpy(&fh, r + sizeof(struct fuse_out_header), 8);
        }
    }
    return NULL;
}

static void threads_serve_at_once(void)
{
    pthread_t thread[4];
    uint64_t seeds[4] = {1, 2, 3, 4};
    char name[16];
    int before;

    begin(false);
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "%d", i);
        host_file(name, name);
    }
    before = count_fds();
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&thread[i], NULL, hammer, &seeds[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    CHECK_EQ(ask(FUSE_DESTROY, 0, NULL, 0, NULL), 0);
    CHECK_EQ(count_fds(), before);
    end_share();
}

static bool share_dies(const char *path, const char *text)
{
    struct share s;

    if (setjmp(died))
        return strstr(last_words, path) && strstr(last_words, text) && !strchr(last_words, '\n');
    share_init(&s, path, false);
    return false;
}

static void bad_directories_are_named(void)
{
    CHECK(share_dies("/does/not/exist", "No such file or directory"));
    CHECK(share_dies("/dev/null", "Not a directory"));
}

/* A directory that the host deletes is an empty one, and no more. */
static void a_deleted_directory(void)
{
    begin(false);
    CHECK_EQ(rmdir(dir), 0);
    CHECK_EQ(look_up(1, "x"), 0);
    CHECK_EQ(ASK(FUSE_MKDIR, 1, "x", mkdir_in, 0777, 0), -ENOENT);
    CHECK_EQ(ask(FUSE_GETATTR, 1, NULL, 0, NULL), 0);
    end_share();
}

static void short_requests_are_refused(void)
{
    struct fuse_in_header h = {40, FUSE_GETATTR, 7, 1, 0, 0, 0, 0, 0};

    begin(false);
    memcpy(request, &h, sizeof(h));
    CHECK_EQ(serve_request(39, REPLY), 0);
    CHECK_EQ(serve_request(40, 15), 0);
    CHECK_EQ(serve_request(40, 16), 16); /* EINVAL: no room for attributes */
    CHECK_EQ(((struct fuse_out_header *)reply)->error, -EINVAL);
    CHECK_EQ(serve_request(40, 16 + sizeof(struct fuse_attr_out)),
             16 + sizeof(struct fuse_attr_out));
    for (uint32_t op = 0; op < 4200; op++) {
        h.opcode = op;
        h.len = 41;
        memcpy(request, &h, sizeof(h));
        CHECK_EQ(serve_request(40, REPLY),
                 op == FUSE_FORGET || op == FUSE_INTERRUPT || op == FUSE_BATCH_FORGET ? 0 : 16);
    }
    CHECK_EQ(ASK(FUSE_WRITE, 1, NULL, write_in, .size = 1), -EINVAL);
    CHECK_EQ(ask(FUSE_IOCTL, 1, NULL, 0, NULL), -ENOSYS);
    CHECK_EQ(ask(UINT32_MAX, 1, NULL, 0, NULL), -ENOSYS);
    end_share();
}

/* Buffers of 4 GiB can be made of a few pages, again and again. */
static void long_requests_are_refused(void)
{
    enum {
        MIB = 1 << 20
    };
    char *data = calloc(3, MIB);
    struct iovec from[2] = {{request, 80}, {data, 2 * MIB}}, to[2] = {{reply, 16}, {data, 3 * MIB}};
    struct fuse_write_in w = {0};
    struct fuse_in_header h = {80 + MIB, FUSE_WRITE, 1, 1, 0, 0, 0, 0, 0};
    uint64_t node;

    begin(false);
    host_file("file", "");
    node = look_up(1, "file");
    h.nodeid = node;
    w.fh = open_file(node, O_RDWR);
    w.size = MIB;
    for (int i = 0; i < 2; i++) {
        memcpy(request, &h, 40);
        memcpy(request + 40, &w, 40);
        CHECK_EQ(fuse_serve(&fuse, from, 2, &(struct iovec){reply, REPLY}, 1), i ? 16 : 24);
        CHECK_EQ(((struct fuse_out_header *)reply)->error, i ? -EINVAL : 0);
        h.len += MIB;
        w.size += MIB;
    }

    CHECK_EQ(ASK(FUSE_SETATTR, node, NULL, setattr_in, .valid = FATTR_SIZE, .size = 2 * MIB), 0);
    h.opcode = FUSE_READ;
    h.len = 80;
    memcpy(request, &h, 40);
    memcpy(request + 40, &w, 40);
    CHECK_EQ(fuse_serve(&fuse, from, 1, to, 2), 16 + MIB);

    CHECK_EQ(ASK(FUSE_RELEASE, node, NULL, release_in, .fh = w.fh), 0);
    /* Not one is forgotten of more than a guest ever forgets at once. */
    h.opcode = FUSE_BATCH_FORGET;
    h.len = 80 + 2 * MIB;
    memcpy(request, &h, 40);
    memcpy(request + 40, &(struct fuse_batch_forget_in){MIB / 8, 0}, 8);
    memcpy(request + 48, (uint64_t[]){node, 1, node, 1}, 32);
    CHECK_EQ(fuse_serve(&fuse, from, 2, NULL, 0), 0);
    CHECK_EQ(ask(FUSE_GETATTR, node, NULL, 0, NULL), 0);
    free(data);
    end_share();
}

int main(void)
{
    return test_main((struct test[]){
        {init_agrees, "guest and host agree on what both can, from 7.31 on"},
        {files_are_read_and_written, "files are created, read, written, cut and given back"},
        {names_come_and_go, "names are made, linked, moved and removed"},
        {attributes_change, "attributes change"},
        {cutting_takes_ids, "a file that is cut loses its set-user-ID bit"},
        {directories_that_change_places, "directories that change places are not in each other"},
        {numbers_of_file_systems, "files of several file systems differ in their numbers"},
        {extended_attributes, "extended attributes are set, read and removed"},
        {directories_are_listed, "directories are listed, with replies of any size"},
        {few_listings_are_unfinished, "few listings are unfinished at a time"},
        {listings_end_with_errors, "an error in a directory comes after what was listed"},
        {what_is_forgotten_is_closed, "what the guest forgets is closed"},
        {names_of_paths_are_refused, "a name is one name, and links are not followed"},
        {files_of_proc_are_not_opened, "files of /proc are not opened"},
        {read_only_refuses, "a read-only share refuses changes"},
        {locks_are_the_hosts, "locks are the host's, and waiting for one can be called off"},
        {circles_of_locks, "who would wait for itself in the end gets no lock"},
        {files_without_names, "files without names get one, and files are copied"},
        {owners_are_the_guests, "with root what is made belongs to who made it"},
        {owners_are_the_user, "without root what is made belongs to the user"},
        {the_hosts_changes_are_seen, "what the host changes is seen by the next to open it"},
        {too_many_files_are_an_error, "too many open files are an error, until some are closed"},
        {few_descriptors_are_enough, "what the guest knows costs few descriptors"},
        {links_swapped_meanwhile_lead_nowhere, "links swapped during lookups lead nowhere"},
        {threads_serve_at_once, "several threads serve at once"},
        {bad_directories_are_named, "what cannot be shared is named"},
        {a_deleted_directory, "a directory that is deleted has nothing in it"},
        {short_requests_are_refused, "requests and replies that are too short are refused"},
        {long_requests_are_refused, "requests that are too long are refused"},
        {0},
    });
}
