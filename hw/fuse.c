// SPDX-License-Identifier: MIT
/*
 * Requests of FUSE, protocol 7.31 and later, answered from a shared directory.
 *
 * After: <linux/fuse.h>; Linux Documentation/filesystems/fuse.rst and fuse-io.rst.
 *
 * Left out: ACCESS, BMAP, IOCTL, POLL and mappings for DAX, which a guest does without as soon as
 * it hears ENOSYS; notifications, for which virtio-fs has no queue that a driver uses. The guest
 * checks who may do what, as virtio-fs demands.
 */
#define _GNU_SOURCE
#include "hw/fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sysmacros.h>

enum {
    MINOR_AT_LEAST = 31,
    VALID = 1, /* seconds for which the guest believes names and attributes */
    MAX_PAGES = 256,
    MAX_DATA = MAX_PAGES * 4096,    /* bytes of a file that are read or written at once */
    REQUEST = MAX_DATA + 4096,      /* the longest: none takes so long that a stop has to wait */
    TEXT = PATH_MAX + NAME_MAX + 2, /* the longest: a symbolic link's name and its target */
    VALUE = 65536,                  /* of an extended attribute */
    ENTRIES = 16384,                /* bytes of a directory in a reply */
    SEGMENTS = 1024,                /* IOV_MAX */
    NO_REPLY = -4096,               /* below all errors */
    LATER = -4097
};

#define WANTED                                                                                     \
    (FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_AUTO_INVAL_DATA |              \
     FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS |         \
     FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS | FUSE_HANDLE_KILLPRIV_V2)
#define WANTED_TO_WRITE (FUSE_WRITEBACK_CACHE | FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS)
#define WANTED_FOR_ACLS (FUSE_POSIX_ACL | FUSE_DONT_MASK)

/* A request that is being served. */
struct call {
    struct fuse *f;
    struct share *share;
    struct fuse_in_header h;
    union {
        struct fuse_init_in init;
        struct fuse_forget_in forget;
        struct fuse_batch_forget_in batch_forget;
        struct fuse_setattr_in setattr;
        struct fuse_mknod_in mknod;
        struct fuse_mkdir_in mkdir;
        struct fuse_rename_in rename;
        struct fuse_rename2_in rename2;
        struct fuse_link_in link;
        struct fuse_open_in open;
        struct fuse_create_in create;
        struct fuse_release_in release;
        struct fuse_flush_in flush;
        struct fuse_read_in read;
        struct fuse_write_in write;
        struct fuse_fsync_in fsync;
        struct fuse_setxattr_in setxattr;
        struct fuse_getxattr_in getxattr;
        struct fuse_lk_in lk;
        struct fuse_interrupt_in interrupt;
        struct fuse_fallocate_in fallocate;
        struct fuse_lseek_in lseek;
        struct fuse_copy_file_range_in copy;
    } a;
    const char *name, *second;
    size_t rest; /* where what follows it begins, in the request */
    const struct iovec *in, *out;
    int ins, outs;
    size_t in_len, room; /* room: for the reply without its header */
    char text[TEXT];
};

/*
 * The guest's buffers.
 */

static size_t length(const struct iovec *v, int n)
{
    size_t len = 0;

    for (int i = 0; i < n; i++)
        len += v[i].iov_len;
    return len;
}

/* len bytes at off of v[n], as to[]; how many that are, SEGMENTS at most. */
static int slice(const struct iovec *v, int n, size_t off, size_t len, struct iovec to[SEGMENTS])
{
    int count = 0;

    for (int i = 0; i < n && len && count < SEGMENTS; i++) {
        size_t part = v[i].iov_len;

        if (off >= part) {
            off -= part;
            continue;
        }
        part -= off;
        to[count++] = (struct iovec){(char *)v[i].iov_base + off, part < len ? part : len};
        len -= part < len ? part : len;
        off = 0;
    }
    return count;
}

/* Copy up to len bytes from off on, to or from buf; how many. */
static size_t copy(const struct iovec *v, int n, size_t off, void *buf, size_t len, bool to_guest)
{
    char *at = buf, *end = at + len;

    for (int i = 0; i < n && at < end; i++) {
        size_t part = v[i].iov_len;
        char *guest = v[i].iov_base;

        if (off >= part) {
            off -= part;
            continue;
        }
        guest += off;
        part -= off;
        off = 0;
        if (part > (size_t)(end - at))
            part = end - at;
        if (to_guest)
            memcpy(guest, at, part);
        else
            memcpy(at, guest, part);
        at += part;
    }
    return at - (char *)buf;
}

/* Write the reply; its length. There is room for what ops[] says. */
static int put(const struct call *c, const void *reply, size_t len)
{
    return copy(c->out, c->outs, sizeof(struct fuse_out_header), (void *)reply, len, true);
}

static struct share_caller caller(const struct call *c, uint32_t umask)
{
    return (struct share_caller){c->h.uid, c->h.gid, umask};
}

/* As Linux numbers devices in 32 bits. */
static uint32_t to_rdev(unsigned int major, unsigned int minor)
{
    return (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

static dev_t from_rdev(uint32_t rdev)
{
    return makedev(rdev >> 8 & 0xfff, (rdev & 0xff) | (rdev >> 12 & 0xfff00));
}

static struct fuse_attr attributes(const struct call *c, const struct statx *st)
{
    return (struct fuse_attr){
        .ino = share_ino(c->share, makedev(st->stx_dev_major, st->stx_dev_minor), st->stx_ino),
        .size = st->stx_size,
        .blocks = st->stx_blocks,
        .atime = st->stx_atime.tv_sec,
        .mtime = st->stx_mtime.tv_sec,
        .ctime = st->stx_ctime.tv_sec,
        .atimensec = st->stx_atime.tv_nsec,
        .mtimensec = st->stx_mtime.tv_nsec,
        .ctimensec = st->stx_ctime.tv_nsec,
        .mode = st->stx_mode,
        .nlink = st->stx_nlink,
        .uid = st->stx_uid,
        .gid = st->stx_gid,
        .rdev = to_rdev(st->stx_rdev_major, st->stx_rdev_minor),
        .blksize = st->stx_blksize,
    };
}

static struct fuse_entry_out entry(const struct call *c, const struct share_entry *e)
{
    return (struct fuse_entry_out){
        .nodeid = e->node,
        .entry_valid = VALID,
        .attr_valid = VALID,
        .attr = attributes(c, &e->st),
    };
}

static int put_entry(const struct call *c, int error, const struct share_entry *e)
{
    struct fuse_entry_out out;

    if (error)
        return error;
    out = entry(c, e);
    return put(c, &out, sizeof(out));
}

static int put_attributes(const struct call *c, int error, const struct statx *st)
{
    struct fuse_attr_out out = {.attr_valid = VALID};

    if (error)
        return error;
    out.attr = attributes(c, st);
    return put(c, &out, sizeof(out));
}

/* Write the bytes of which a function has returned the length, unless that is an error. */
static int put_bytes(const struct call *c, int got, const void *bytes)
{
    return got < 0 ? got : put(c, bytes, got);
}

/*
 * The connection.
 */

static int serve_init(struct call *c)
{
    uint32_t offered = c->a.init.flags, wanted = WANTED;
    struct fuse_init_out out = {
        .major = FUSE_KERNEL_VERSION,
        .minor = FUSE_KERNEL_MINOR_VERSION,
        .max_readahead = c->a.init.max_readahead,
        .max_background = 64,
        .congestion_threshold = 48,
        .max_write = MAX_DATA,
        .time_gran = 1,
        .max_pages = MAX_PAGES,
    };

    if (c->a.init.major > FUSE_KERNEL_VERSION)
        return put(c, &out, sizeof(out)); /* and it comes again, with our version */
    if (c->a.init.major < FUSE_KERNEL_VERSION || c->a.init.minor < MINOR_AT_LEAST)
        return -EPROTO;
    share_forget_all(c->share);
    if (!c->share->read_only)
        wanted |= WANTED_TO_WRITE | (share_has_acls(c->share) ? WANTED_FOR_ACLS : 0);
    out.flags = offered & wanted;
    c->share->writeback = out.flags & FUSE_WRITEBACK_CACHE;
    __atomic_store_n(&c->f->begun, true, __ATOMIC_RELEASE);
    return put(c, &out, sizeof(out));
}

static int serve_destroy(struct call *c)
{
    __atomic_store_n(&c->f->begun, false, __ATOMIC_RELEASE);
    share_forget_all(c->share);
    return 0;
}

static int serve_interrupt(struct call *c)
{
    uint32_t i = __atomic_fetch_add(&c->f->interrupts, 1, __ATOMIC_RELAXED);

    __atomic_store_n(&c->f->interrupted[i % FUSE_INTERRUPTED], c->a.interrupt.unique,
                     __ATOMIC_RELAXED);
    return NO_REPLY;
}

static bool interrupted(const struct call *c)
{
    for (int i = 0; i < FUSE_INTERRUPTED; i++)
        if (__atomic_load_n(&c->f->interrupted[i], __ATOMIC_RELAXED) == c->h.unique)
            return c->h.unique != 0;
    return false;
}

/*
 * Names.
 */

static int serve_lookup(struct call *c)
{
    static const struct fuse_entry_out none = {.entry_valid = VALID};
    struct share_entry e;
    int error = share_lookup(c->share, c->h.nodeid, c->name, &e);

    return error == -ENOENT ? put(c, &none, sizeof(none)) : put_entry(c, error, &e);
}

static int serve_forget(struct call *c)
{
    share_forget(c->share, c->h.nodeid, c->a.forget.nlookup);
    return NO_REPLY;
}

static int serve_batch_forget(struct call *c)
{
    struct fuse_forget_one one;

    for (uint32_t i = 0; i < c->a.batch_forget.count && c->rest + sizeof(one) <= c->in_len; i++) {
        copy(c->in, c->ins, c->rest, &one, sizeof(one), false);
        share_forget(c->share, one.nodeid, one.nlookup);
        c->rest += sizeof(one);
    }
    return NO_REPLY;
}

static int serve_mknod(struct call *c)
{
    struct share_caller who = caller(c, c->a.mknod.umask);
    struct share_entry e;

    if (S_ISDIR(c->a.mknod.mode))
        return -EINVAL;
    return put_entry(c,
                     share_mknod(c->share, c->h.nodeid, c->name, c->a.mknod.mode,
                                 from_rdev(c->a.mknod.rdev), &who, &e),
                     &e);
}

static int serve_mkdir(struct call *c)
{
    struct share_caller who = caller(c, c->a.mkdir.umask);
    struct share_entry e;

    return put_entry(c,
                     share_mknod(c->share, c->h.nodeid, c->name,
                                 (c->a.mkdir.mode & 07777) | S_IFDIR, 0, &who, &e),
                     &e);
}

static int serve_symlink(struct call *c)
{
    struct share_caller who = caller(c, 0);
    struct share_entry e;

    return put_entry(c, share_symlink(c->share, c->h.nodeid, c->name, c->second, &who, &e), &e);
}

static int serve_link(struct call *c)
{
    struct share_entry e;

    return put_entry(c, share_link(c->share, c->a.link.oldnodeid, c->h.nodeid, c->name, &e), &e);
}

static int serve_unlink(struct call *c)
{
    return share_unlink(c->share, c->h.nodeid, c->name, c->h.opcode == FUSE_RMDIR);
}

static int serve_rename(struct call *c)
{
    return share_rename(c->share, c->h.nodeid, c->name, c->a.rename.newdir, c->second, 0);
}

static int serve_rename2(struct call *c)
{
    return share_rename(c->share, c->h.nodeid, c->name, c->a.rename2.newdir, c->second,
                        c->a.rename2.flags);
}

/*
 * Attributes.
 */

static int serve_getattr(struct call *c)
{
    struct statx st;

    return put_attributes(c, share_getattr(c->share, c->h.nodeid, &st), &st);
}

static struct timespec new_time(uint32_t valid, uint32_t set, uint32_t now, uint64_t sec,
                                uint32_t nsec)
{
    if (valid & now)
        return (struct timespec){0, UTIME_NOW};
    if (valid & set)
        return (struct timespec){sec, nsec < 1000000000 ? nsec : 0};
    return (struct timespec){0, UTIME_OMIT};
}

static int serve_setattr(struct call *c)
{
    const struct fuse_setattr_in *a = &c->a.setattr;
    const struct share_change change = {
        .mode = a->valid & FATTR_MODE,
        .uid = a->valid & FATTR_UID,
        .gid = a->valid & FATTR_GID,
        .size = a->valid & FATTR_SIZE,
        .kill = a->valid & FATTR_KILL_SUIDGID,
        .to = {.stx_mode = a->mode, .stx_uid = a->uid, .stx_gid = a->gid, .stx_size = a->size},
        .time = {new_time(a->valid, FATTR_ATIME, FATTR_ATIME_NOW, a->atime, a->atimensec),
                 new_time(a->valid, FATTR_MTIME, FATTR_MTIME_NOW, a->mtime, a->mtimensec)},
    };
    uint64_t fh = a->valid & FATTR_FH ? a->fh : 0;
    struct statx st;

    return put_attributes(c, share_setattr(c->share, c->h.nodeid, fh, &change, &st), &st);
}

static int serve_readlink(struct call *c)
{
    char target[PATH_MAX];
    size_t room = c->room < sizeof(target) ? c->room : sizeof(target);

    return put_bytes(c, share_readlink(c->share, c->h.nodeid, target, room), target);
}

static int serve_statfs(struct call *c)
{
    struct statvfs st;
    int error = share_statfs(c->share, c->h.nodeid, &st);
    struct fuse_statfs_out out;

    if (error)
        return error;
    out = (struct fuse_statfs_out){{
        .blocks = st.f_blocks,
        .bfree = st.f_bfree,
        .bavail = st.f_bavail,
        .files = st.f_files,
        .ffree = st.f_ffree,
        .bsize = st.f_bsize,
        .namelen = st.f_namemax,
        .frsize = st.f_frsize,
    }};
    return put(c, &out, sizeof(out));
}

/* Of GETXATTR and LISTXATTR: without room only the length is asked for. */
static int serve_getxattr(struct call *c)
{
    char value[VALUE];
    size_t size = c->a.getxattr.size;
    struct fuse_getxattr_out out = {0};
    int got;

    if (size > sizeof(value))
        size = sizeof(value);
    if (size ? size > c->room : c->room < sizeof(out))
        return -EINVAL;
    if (c->h.opcode == FUSE_GETXATTR)
        got = share_getxattr(c->share, c->h.nodeid, c->name, value, size);
    else
        got = share_listxattr(c->share, c->h.nodeid, value, size);
    if (size || got < 0)
        return put_bytes(c, got, value);
    out.size = got;
    return put(c, &out, sizeof(out));
}

static int serve_setxattr(struct call *c)
{
    char value[VALUE];
    size_t size = c->a.setxattr.size;

    if (size > sizeof(value))
        return -E2BIG;
    if (size > c->in_len - c->rest)
        return -EINVAL;
    copy(c->in, c->ins, c->rest, value, size, false);
    return share_setxattr(c->share, c->h.nodeid, c->name, value, size, c->a.setxattr.flags);
}

static int serve_removexattr(struct call *c)
{
    return share_removexattr(c->share, c->h.nodeid, c->name);
}

/*
 * Files.
 */

static struct fuse_open_out opened(const struct call *c, uint64_t fh, bool keep)
{
    return (struct fuse_open_out){
        .fh = fh,
        .open_flags = (keep ? FOPEN_KEEP_CACHE : 0) |
                      (c->share->read_only ? (1 << 5) /* FOPEN_NOFLUSH */ : 0),
    };
}

static void kill_ids(const struct call *c)
{
    const struct share_change kill = {.kill = true, .time = {{0, UTIME_OMIT}, {0, UTIME_OMIT}}};
    struct statx st;

    share_setattr(c->share, c->h.nodeid, 0, &kill, &st);
}

static int serve_open(struct call *c)
{
    uint32_t flags = c->a.open.flags;
    struct fuse_open_out out;
    uint64_t fh;
    bool keep;
    int error = share_open(c->share, c->h.nodeid, flags, &fh, &keep);

    if (error)
        return error;
    if (flags & O_TRUNC && c->a.open.open_flags & FUSE_OPEN_KILL_SUIDGID)
        kill_ids(c);
    out = opened(c, fh, keep);
    return put(c, &out, sizeof(out));
}

/* Of CREATE and TMPFILE. */
static int serve_create(struct call *c)
{
    struct share_caller who = caller(c, c->a.create.umask);
    struct share_entry e;
    uint64_t fh;
    struct {
        struct fuse_entry_out entry;
        struct fuse_open_out open;
    } out;
    int error;

    if (c->h.opcode == FUSE_CREATE)
        error = share_create(c->share, c->h.nodeid, c->name, c->a.create.flags, c->a.create.mode,
                             &who, &e, &fh);
    else
        error = share_tmpfile(c->share, c->h.nodeid, c->a.create.flags, c->a.create.mode, &who, &e,
                              &fh);
    if (error)
        return error;
    out.entry = entry(c, &e);
    out.open = opened(c, fh, false);
    return put(c, &out, sizeof(out));
}

static int serve_opendir(struct call *c)
{
    struct fuse_open_out out = {0};
    int error = share_opendir(c->share, c->h.nodeid, &out.fh);

    return error ? error : put(c, &out, sizeof(out));
}

/* Of RELEASE and RELEASEDIR. */
static int serve_release(struct call *c)
{
    if (c->h.opcode == FUSE_RELEASE && c->a.release.release_flags & FUSE_RELEASE_FLOCK_UNLOCK)
        share_flock(c->share, c->a.release.fh, LOCK_UN);
    return share_release(c->share, c->a.release.fh);
}

static int serve_flush(struct call *c)
{
    return share_drop_locks(c->share, c->h.nodeid, c->a.flush.lock_owner);
}

static int serve_read(struct call *c)
{
    struct iovec v[SEGMENTS];
    size_t size = c->a.read.size < c->room ? c->a.read.size : c->room;
    int n;

    if (size > MAX_DATA)
        size = MAX_DATA;
    n = slice(c->out, c->outs, sizeof(struct fuse_out_header), size, v);
    return share_read(c->share, c->a.read.fh, c->a.read.offset, v, n);
}

static int serve_write(struct call *c)
{
    struct iovec v[SEGMENTS];
    struct fuse_write_out out = {0};
    ssize_t wrote;
    int n;

    if (c->a.write.size > c->in_len - c->rest)
        return -EINVAL;
    n = slice(c->in, c->ins, c->rest, c->a.write.size, v);
    wrote = share_write(c->share, c->a.write.fh, c->a.write.offset, v, n,
                        c->a.write.write_flags & FUSE_WRITE_KILL_SUIDGID);
    if (wrote < 0)
        return wrote;
    out.size = wrote;
    return put(c, &out, sizeof(out));
}

/* Of FSYNC and FSYNCDIR. */
static int serve_fsync(struct call *c)
{
    return share_fsync(c->share, c->a.fsync.fh, c->a.fsync.fsync_flags & FUSE_FSYNC_FDATASYNC);
}

static int serve_syncfs(struct call *c)
{
    return share_syncfs(c->share, c->h.nodeid);
}

static int serve_fallocate(struct call *c)
{
    return share_fallocate(c->share, c->a.fallocate.fh, c->a.fallocate.mode, c->a.fallocate.offset,
                           c->a.fallocate.length);
}

static int serve_lseek(struct call *c)
{
    struct fuse_lseek_out out;
    int error =
        share_lseek(c->share, c->a.lseek.fh, c->a.lseek.offset, c->a.lseek.whence, &out.offset);

    return error ? error : put(c, &out, sizeof(out));
}

static int serve_copy_file_range(struct call *c)
{
    const struct fuse_copy_file_range_in *a = &c->a.copy;
    struct fuse_write_out out = {0};
    ssize_t copied;

    if (a->flags)
        return -EINVAL;
    copied = share_copy(c->share, a->fh_in, a->off_in, a->fh_out, a->off_out, a->len);
    if (copied < 0)
        return copied;
    out.size = copied;
    return put(c, &out, sizeof(out));
}

/*
 * Directories.
 */

struct listing {
    const struct call *c;
    bool plus; /* with a lookup of each entry */
    size_t size, filled;
    char entries[ENTRIES];
};

/* Add an entry if there is room, with a lookup of it, which counts as one. */
static bool list(void *to, const struct share_dirent *d)
{
    struct listing *l = to;
    struct fuse_dirent ent = {d->ino, d->next, strlen(d->name), d->type};
    size_t head = l->plus ? sizeof(struct fuse_entry_out) : 0;
    size_t len = FUSE_REC_ALIGN(head + FUSE_NAME_OFFSET + ent.namelen);
    char *at = l->entries + l->filled;
    struct share_entry e;
    struct fuse_entry_out out = {0};

    if (len > l->size - l->filled)
        return false;
    /* An entry that cannot be looked up now is one without attributes, as "." and ".." are. */
    if (l->plus && !share_lookup(l->c->share, l->c->h.nodeid, d->name, &e)) {
        out = entry(l->c, &e);
        ent.ino = out.attr.ino;
    }
    memset(at, 0, len);
    memcpy(at, &out, head);
    memcpy(at + head, &ent, FUSE_NAME_OFFSET);
    memcpy(at + head + FUSE_NAME_OFFSET, d->name, ent.namelen);
    l->filled += len;
    return true;
}

/* Of READDIR and READDIRPLUS. */
static int serve_readdir(struct call *c)
{
    struct listing l;
    int error;

    l.c = c;
    l.plus = c->h.opcode == FUSE_READDIRPLUS;
    l.filled = 0;
    l.size = c->a.read.size;
    if (l.size > c->room)
        l.size = c->room;
    if (l.size > sizeof(l.entries))
        l.size = sizeof(l.entries);
    error = share_readdir(c->share, c->a.read.fh, c->a.read.offset, list, &l);
    /* Entries that were listed have been looked up, so the guest has to hear of them. The error
     * comes with its next request. */
    return error && !l.filled ? error : put(c, l.entries, l.filled);
}

/*
 * Locks.
 */

static int serve_flock(const struct call *c, bool wait)
{
    uint32_t type = c->a.lk.lk.type;
    int op = type == F_RDLCK ? LOCK_SH : type == F_WRLCK ? LOCK_EX : type == F_UNLCK ? LOCK_UN : -1;
    int error = op < 0 ? -EINVAL : share_flock(c->share, c->a.lk.fh, op);

    if (error != -EAGAIN || !wait)
        return error;
    return interrupted(c) ? -EINTR : LATER;
}

/* Of GETLK, SETLK and SETLKW. */
static int serve_lk(struct call *c)
{
    const struct fuse_file_lock *a = &c->a.lk.lk;
    struct flock l = {.l_type = a->type, .l_whence = SEEK_SET, .l_start = a->start};
    struct fuse_lk_out out = {0};
    bool test = c->h.opcode == FUSE_GETLK, wait = c->h.opcode == FUSE_SETLKW;
    int error;

    if (c->a.lk.lk_flags & FUSE_LK_FLOCK && !test)
        return serve_flock(c, wait);
    if (a->start > a->end || a->end > INT64_MAX)
        return -EINVAL;
    l.l_len = a->end == INT64_MAX ? 0 : a->end - a->start + 1;
    if (test && c->room < sizeof(out))
        return -EINVAL;
    error = share_lock(c->share, c->h.nodeid, c->a.lk.owner, &l, test, wait ? c->h.unique : 0);
    if (error == -EAGAIN && wait) {
        if (!interrupted(c))
            return LATER;
        share_lock_off(c->share, c->h.unique);
        return -EINTR;
    }
    if (error || !test)
        return error;
    out.lk = (struct fuse_file_lock){
        .start = l.l_start,
        .end = l.l_len ? l.l_start + l.l_len - 1 : INT64_MAX,
        .type = l.l_type,
        .pid = l.l_pid > 0 ? l.l_pid : 0,
    };
    return put(c, &out, sizeof(out));
}

/*
 * Requests: who serves which, and what there must be: a structure, names, and room for the reply.
 */

#define FIXED(type) sizeof(struct fuse_##type)

static const struct op {
    int (*serve)(struct call *c); /* its reply's length, an error below 0, or NO_REPLY */
    uint8_t in, names;
    uint16_t room;
} ops[] = {
    [FUSE_LOOKUP] = {serve_lookup, 0, 1, FIXED(entry_out)},
    [FUSE_FORGET] = {serve_forget, FIXED(forget_in), 0, 0},
    [FUSE_GETATTR] = {serve_getattr, 0, 0, FIXED(attr_out)},
    [FUSE_SETATTR] = {serve_setattr, FIXED(setattr_in), 0, FIXED(attr_out)},
    [FUSE_READLINK] = {serve_readlink, 0, 0, 0},
    [FUSE_SYMLINK] = {serve_symlink, 0, 2, FIXED(entry_out)},
    [FUSE_MKNOD] = {serve_mknod, FIXED(mknod_in), 1, FIXED(entry_out)},
    [FUSE_MKDIR] = {serve_mkdir, FIXED(mkdir_in), 1, FIXED(entry_out)},
    [FUSE_UNLINK] = {serve_unlink, 0, 1, 0},
    [FUSE_RMDIR] = {serve_unlink, 0, 1, 0},
    [FUSE_RENAME] = {serve_rename, FIXED(rename_in), 2, 0},
    [FUSE_LINK] = {serve_link, FIXED(link_in), 1, FIXED(entry_out)},
    [FUSE_OPEN] = {serve_open, FIXED(open_in), 0, FIXED(open_out)},
    [FUSE_READ] = {serve_read, FIXED(read_in), 0, 0},
    [FUSE_WRITE] = {serve_write, FIXED(write_in), 0, FIXED(write_out)},
    [FUSE_STATFS] = {serve_statfs, 0, 0, FIXED(statfs_out)},
    [FUSE_RELEASE] = {serve_release, FIXED(release_in), 0, 0},
    [FUSE_FSYNC] = {serve_fsync, FIXED(fsync_in), 0, 0},
    [FUSE_SETXATTR] = {serve_setxattr, FUSE_COMPAT_SETXATTR_IN_SIZE, 1, 0},
    [FUSE_GETXATTR] = {serve_getxattr, FIXED(getxattr_in), 1, 0},
    [FUSE_LISTXATTR] = {serve_getxattr, FIXED(getxattr_in), 0, 0},
    [FUSE_REMOVEXATTR] = {serve_removexattr, 0, 1, 0},
    [FUSE_FLUSH] = {serve_flush, FIXED(flush_in), 0, 0},
    [FUSE_INIT] = {serve_init, offsetof(struct fuse_init_in, flags2), 0, FIXED(init_out)},
    [FUSE_OPENDIR] = {serve_opendir, FIXED(open_in), 0, FIXED(open_out)},
    [FUSE_READDIR] = {serve_readdir, FIXED(read_in), 0, 0},
    [FUSE_RELEASEDIR] = {serve_release, FIXED(release_in), 0, 0},
    [FUSE_FSYNCDIR] = {serve_fsync, FIXED(fsync_in), 0, 0},
    [FUSE_GETLK] = {serve_lk, FIXED(lk_in), 0, FIXED(lk_out)},
    [FUSE_SETLK] = {serve_lk, FIXED(lk_in), 0, 0},
    [FUSE_SETLKW] = {serve_lk, FIXED(lk_in), 0, 0},
    [FUSE_CREATE] = {serve_create, FIXED(create_in), 1, FIXED(entry_out) + FIXED(open_out)},
    [FUSE_INTERRUPT] = {serve_interrupt, FIXED(interrupt_in), 0, 0},
    [FUSE_DESTROY] = {serve_destroy, 0, 0, 0},
    [FUSE_BATCH_FORGET] = {serve_batch_forget, FIXED(batch_forget_in), 0, 0},
    [FUSE_FALLOCATE] = {serve_fallocate, FIXED(fallocate_in), 0, 0},
    [FUSE_READDIRPLUS] = {serve_readdir, FIXED(read_in), 0, 0},
    [FUSE_RENAME2] = {serve_rename2, FIXED(rename2_in), 2, 0},
    [FUSE_LSEEK] = {serve_lseek, FIXED(lseek_in), 0, FIXED(lseek_out)},
    [FUSE_COPY_FILE_RANGE] = {serve_copy_file_range, FIXED(copy_file_range_in), 0,
                              FIXED(write_out)},
    [FUSE_SYNCFS] = {serve_syncfs, 0, 0, 0},
    [51 /* FUSE_TMPFILE */] = {serve_create, FIXED(create_in), 0,
                               FIXED(entry_out) + FIXED(open_out)},
};

/* The name at *at of text, of which len bytes are valid; *at goes to where the next one begins.
 * NULL where the name has no end. */
static const char *next_name(const struct call *c, size_t *at, size_t len)
{
    const char *name = c->text + *at, *end = memchr(name, 0, len - *at);

    if (!end)
        return NULL;
    *at += end + 1 - name;
    return name;
}

/* Copy what the request consists of, but for data. */
static bool parse(struct call *c, const struct op *op)
{
    size_t at = 0, len;

    c->rest = sizeof(c->h) + op->in;
    if (c->in_len < c->rest)
        return false;
    memset(&c->a, 0, sizeof(c->a));
    copy(c->in, c->ins, sizeof(c->h), &c->a, op->in, false);
    if (!op->names)
        return true;
    len = c->in_len - c->rest;
    len = copy(c->in, c->ins, c->rest, c->text, len < TEXT ? len : TEXT, false);
    c->name = next_name(c, &at, len);
    c->second = c->name && op->names > 1 ? next_name(c, &at, len) : "";
    c->rest += at;
    return c->name && c->second;
}

static int serve(struct call *c)
{
    const struct op *op;

    if (c->h.opcode >= sizeof(ops) / sizeof(ops[0]) || !ops[c->h.opcode].serve)
        return -ENOSYS;
    op = &ops[c->h.opcode];
    if (c->h.len > c->in_len || c->h.len < sizeof(c->h) || c->h.len > REQUEST)
        return -EINVAL;
    c->in_len = c->h.len;
    if (!fuse_has_begun(c->f) && c->h.opcode != FUSE_INIT)
        return -EIO;
    if (!parse(c, op) || c->room < op->room)
        return -EINVAL;
    return op->serve(c);
}

static bool has_no_reply(uint32_t opcode)
{
    return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET || opcode == FUSE_INTERRUPT;
}

static ssize_t answer(const struct fuse_in_header *in, int result, const struct iovec *out,
                      int outs)
{
    struct fuse_out_header h = {
        .len = sizeof(h) + (result > 0 ? result : 0),
        .error = result < 0 ? result : 0,
        .unique = in->unique,
    };

    copy(out, outs, 0, &h, sizeof(h), true);
    return h.len;
}

ssize_t fuse_refuse(const struct iovec *in, int ins, const struct iovec *out, int outs, int error)
{
    struct fuse_in_header h = {0};

    copy(in, ins, 0, &h, sizeof(h), false);
    return answer(&h, error, out, outs);
}

ssize_t fuse_serve(struct fuse *f, const struct iovec *in, int ins, const struct iovec *out,
                   int outs)
{
    struct call c;
    size_t room = length(out, outs);
    int result;

    c.f = f;
    c.share = f->share;
    c.in = in;
    c.ins = ins;
    c.in_len = length(in, ins);
    c.out = out;
    c.outs = outs;
    if (copy(in, ins, 0, &c.h, sizeof(c.h), false) < sizeof(c.h))
        return 0;
    if (room < sizeof(struct fuse_out_header) && !has_no_reply(c.h.opcode))
        return 0;
    c.room = room < sizeof(struct fuse_out_header) ? 0 : room - sizeof(struct fuse_out_header);
    result = serve(&c);
    if (result == LATER)
        return FUSE_LATER;
    if (result == NO_REPLY || has_no_reply(c.h.opcode))
        return 0;
    return answer(&c.h, result, out, outs);
}

void fuse_init(struct fuse *f, struct share *share)
{
    *f = (struct fuse){.share = share};
}

bool fuse_has_begun(const struct fuse *f)
{
    return __atomic_load_n(&f->begun, __ATOMIC_ACQUIRE);
}

void fuse_reset(struct fuse *f)
{
    __atomic_store_n(&f->begun, false, __ATOMIC_RELEASE);
    memset(f->interrupted, 0, sizeof(f->interrupted)); /* the next guest numbers anew */
    share_forget_all(f->share);
}
