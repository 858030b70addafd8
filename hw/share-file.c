// SPDX-License-Identifier: MIT
/*
 * A shared directory's files: attributes, what is in them, and locks.
 *
 * After: open(2), proc_pid_fd(5), utimensat(2), xattr(7), getdents(2), fcntl(2) "Open file
 * description locks", path_resolution(7).
 *
 * Left out: O_DIRECT, whose rules for addresses are the host's and not the guest's: the guest reads
 * and writes at once all the same. ioctl(2), of which a guest's are not always the host's.
 */
#define _GNU_SOURCE
#include "hw/share-inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum {
    ENTRIES = 32768, /* bytes of a directory that are read at a time */
    LISTS = 1024,    /* directories, at most, of which some were read and not yet shown */
    COPY = 64 << 20  /* bytes that are copied at a time, so that no call takes long */
};

static int error_of(int64_t result)
{
    return result < 0 ? -errno : 0;
}

/*
 * Handles.
 */

/* A directory's buffer, or NULL: a guest may open hundreds of thousands of them. */
static char *get_entries(struct share *s)
{
    char *entries = NULL;

    if (__atomic_add_fetch(&s->lists, 1, __ATOMIC_RELAXED) <= LISTS)
        entries = malloc(ENTRIES);
    if (!entries)
        __atomic_sub_fetch(&s->lists, 1, __ATOMIC_RELAXED);
    return entries;
}

static void put_entries(struct share *s, struct share_handle *h)
{
    if (h->entries)
        __atomic_sub_fetch(&s->lists, 1, __ATOMIC_RELAXED);
    free(h->entries);
    h->entries = NULL;
}

static int get_handle(struct share *s, uint64_t fh, struct share_handle **h)
{
    pthread_mutex_lock(&s->lock);
    *h = share_find(&s->handles, fh);
    if (*h)
        (*h)->uses++;
    pthread_mutex_unlock(&s->lock);
    return *h ? 0 : -EBADF;
}

static void put_handle(struct share *s, struct share_handle *h)
{
    bool last;

    pthread_mutex_lock(&s->lock);
    last = --h->uses == 0;
    pthread_mutex_unlock(&s->lock);
    if (!last)
        return;
    share_put_node(s, h->node);
    close(h->fd);
    pthread_mutex_destroy(&h->lock);
    put_entries(s, h);
    free(h);
}

/* Makes fd, which it takes, a handle of n's. */
static int new_handle(struct share *s, struct share_node *n, int fd, uint64_t *fh)
{
    struct share_handle *h = calloc(1, sizeof(*h));

    if (h) {
        *h = (struct share_handle){.fd = fd, .uses = 1, .node = n};
        pthread_mutex_init(&h->lock, NULL);
        pthread_mutex_lock(&s->lock);
        *fh = h->id = share_number(&s->handles, h);
        if (h->id)
            share_use_node(s, n);
        pthread_mutex_unlock(&s->lock);
        if (h->id)
            return 0;
        free(h);
    }
    close(fd);
    return -ENOMEM;
}

int share_release(struct share *s, uint64_t fh)
{
    struct share_handle *h;

    pthread_mutex_lock(&s->lock);
    h = share_find(&s->handles, fh);
    if (h)
        share_drop(&s->handles, fh);
    pthread_mutex_unlock(&s->lock);
    if (!h)
        return -EBADF;
    put_handle(s, h);
    return 0;
}

void share_release_all(struct share *s)
{
    struct share_handle *h;
    uint32_t i = 0;

    do {
        pthread_mutex_lock(&s->lock);
        for (h = NULL; i < s->handles.slots && !h; i++)
            h = share_nth(&s->handles, i);
        if (h)
            share_drop(&s->handles, h->id);
        pthread_mutex_unlock(&s->lock);
        if (h)
            put_handle(s, h);
    } while (h);
}

/* A guest with writeback reads a page before it changes a part of it, also of a file that is open
 * for writing only; and as it knows the end of the file, it appends by itself. */
static int host_flags(const struct share *s, int flags)
{
    flags &= O_ACCMODE | O_APPEND | O_TRUNC | O_SYNC | O_DSYNC;
    if (s->writeback) {
        flags &= ~O_APPEND;
        if ((flags & O_ACCMODE) == O_WRONLY)
            flags = (flags & ~O_ACCMODE) | O_RDWR;
    }
    return flags;
}

/* With files of /proc a guest would read and write our own memory, which decides what we do. */
static bool is_of_proc(const struct share_node *n)
{
    struct statfs st;

    return fstatfs(n->fd, &st) < 0 || st.f_type == PROC_SUPER_MAGIC;
}

int share_open_node(const struct share *s, const struct share_node *n, int flags)
{
    int fd;

    if (!S_ISREG(n->mode))
        return S_ISDIR(n->mode) ? -EISDIR : -ENXIO;
    if (is_of_proc(n))
        return -EACCES;
    fd = share_reopen(s, n->fd, host_flags(s, flags));
    if (fd == -EACCES && (flags & O_ACCMODE) == O_WRONLY)
        fd = share_reopen(s, n->fd, (host_flags(s, flags) & ~O_ACCMODE) | O_WRONLY);
    return fd;
}

/* Is what the guest has cached still right? -ESTALE: it must look the file up again. */
static int look_again(struct share *s, struct share_node *n, bool *keep)
{
    struct statx st;
    int error = share_stat(n->fd, &st);
    bool opened;

    if (error)
        return error;
    pthread_mutex_lock(&s->lock);
    *keep = !share_changed(n, n->fd, "", &st);
    opened = n->opened;
    n->opened = *keep;
    pthread_mutex_unlock(&s->lock);
    return *keep || !opened || !s->writeback ? 0 : -ESTALE;
}

int share_open(struct share *s, uint64_t node, int flags, uint64_t *fh, bool *keep)
{
    struct share_node *n;
    bool change = (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC;
    int error = share_get_node(s, node, change, &n), fd;

    if (error)
        return error;
    error = look_again(s, n, keep);
    if (!error) {
        if (flags & O_TRUNC)
            share_change_begins(n);
        fd = share_open_node(s, n, flags);
        error = fd < 0 ? fd : new_handle(s, n, fd, fh);
        if (flags & O_TRUNC)
            share_change_ends(n);
    }
    share_put_node(s, n);
    return error;
}

int share_opendir(struct share *s, uint64_t node, uint64_t *fh)
{
    struct share_node *n;
    int error = share_get_node(s, node, false, &n), fd;

    if (error)
        return error;
    fd = share_reopen(s, n->fd, O_RDONLY | O_DIRECTORY);
    error = fd < 0 ? fd : new_handle(s, n, fd, fh);
    share_put_node(s, n);
    return error;
}

/* A file that was just made, open as fd, which it takes: name in dir, or one without a name. */
static int enter_new(struct share *s, struct share_node *dir, const char *name, int fd,
                     struct share_entry *e, uint64_t *fh)
{
    struct share_node *n;
    int path = share_reopen(s, fd, O_PATH);
    int error = path < 0 ? path : share_stat(path, &e->st);

    if (!error)
        error = share_enter(s, dir, name, path, e);
    else if (path >= 0)
        close(path);

    if (!error)
        error = share_get_node(s, e->node, false, &n);
    if (error) {
        close(fd);
        return error;
    }
    error = new_handle(s, n, fd, fh);
    share_put_node(s, n);
    if (error)
        share_forget(s, e->node, 1);
    return error;
}

static int open_existing(struct share *s, uint64_t node, const char *name, int flags,
                         struct share_entry *e, uint64_t *fh)
{
    bool keep;
    int error = share_lookup(s, node, name, e);

    if (error)
        return error;
    error = share_open(s, e->node, flags, fh, &keep);
    if (!error)
        error = share_getattr(s, e->node, &e->st);
    if (error)
        share_forget(s, e->node, 1);
    return error;
}

int share_create(struct share *s, uint64_t node, const char *name, int flags, uint32_t mode,
                 const struct share_caller *who, struct share_entry *e, uint64_t *fh)
{
    struct share_node *dir;
    mode_t old;
    int error = share_get_dir(s, node, name, true, &dir), fd;

    if (error)
        return error;
    old = share_become(s, who);
    /* What is there already may be a device, which is opened with more care, as share_open_node()
     * does.
     */
    fd = share_keep_fd(s, openat(dir->fd, name,
                                 host_flags(s, flags) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC |
                                     O_NONBLOCK | O_NOCTTY,
                                 mode & 07777));
    share_be_self(s, who, old);
    error = fd < 0 ? fd : enter_new(s, dir, name, fd, e, fh);
    share_put_node(s, dir);
    if (error == -EEXIST && !(flags & O_EXCL))
        return open_existing(s, node, name, flags, e, fh);
    return error;
}

int share_tmpfile(struct share *s, uint64_t node, int flags, uint32_t mode,
                  const struct share_caller *who, struct share_entry *e, uint64_t *fh)
{
    struct share_node *dir;
    mode_t old;
    struct share_path p;
    int error = share_get_node(s, node, true, &dir), fd;

    if (error)
        return error;
    old = share_become(s, who);
    fd = share_keep_fd(s, openat(s->proc, share_fd_name(&p, dir->fd),
                                 (host_flags(s, flags) & ~(O_ACCMODE | O_TRUNC)) | O_RDWR |
                                     O_TMPFILE | (flags & O_EXCL) | O_CLOEXEC,
                                 mode & 07777));
    share_be_self(s, who, old);
    share_put_node(s, dir);
    return fd < 0 ? fd : enter_new(s, NULL, NULL, fd, e, fh);
}

/*
 * Attributes.
 */

/* A write by another user than root takes the set-user-ID bits from a file. We may be root where
 * the guest's user is not, so we take them. */
static void kill_ids(const struct share *s, const struct share_node *n)
{
    struct share_path p;
    struct statx st;
    uint32_t ids = S_ISUID;

    if (!s->root || share_stat(n->fd, &st) < 0)
        return;
    if (st.stx_mode & S_IXGRP)
        ids |= S_ISGID;
    if (st.stx_mode & ids)
        (void)!fchmodat(s->proc, share_fd_name(&p, n->fd), st.stx_mode & 07777 & ~ids, 0);
}

static int set_size(struct share *s, const struct share_node *n, uint64_t fh, uint64_t size)
{
    struct share_handle *h;
    int error, fd;

    if (!get_handle(s, fh, &h)) {
        error = h->node == n ? error_of(ftruncate(h->fd, size)) : -EBADF;
        put_handle(s, h);
        return error;
    }
    fd = share_open_node(s, n, O_WRONLY);
    if (fd < 0)
        return fd;
    error = error_of(ftruncate(fd, size));
    close(fd);
    return error;
}

static int set_attributes(struct share *s, const struct share_node *n, uint64_t fh,
                          const struct share_change *c)
{
    struct share_path p;
    const char *name = share_fd_name(&p, n->fd);
    int error = 0;

    if (c->mode)
        error = S_ISLNK(n->mode) ? -EOPNOTSUPP
                                 : error_of(fchmodat(s->proc, name, c->to.stx_mode & 07777, 0));
    if (!error && (c->uid || c->gid))
        error = error_of(fchownat(n->fd, "", c->uid ? c->to.stx_uid : (uid_t)-1,
                                  c->gid ? c->to.stx_gid : (gid_t)-1,
                                  AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
    if (!error && c->size)
        error = set_size(s, n, fh, c->to.stx_size);
    if (!error && c->kill)
        kill_ids(s, n);
    if (!error && !(c->time[0].tv_nsec == UTIME_OMIT && c->time[1].tv_nsec == UTIME_OMIT))
        error = error_of(utimensat(s->proc, name, c->time, 0));
    return error;
}

int share_setattr(struct share *s, uint64_t node, uint64_t fh, const struct share_change *c,
                  struct statx *st)
{
    struct share_node *n;
    int error = share_get_node(s, node, true, &n);

    if (error)
        return error;
    share_change_begins(n);
    error = set_attributes(s, n, fh, c);
    share_change_ends(n);
    if (!error)
        error = share_stat(n->fd, st);
    share_put_node(s, n);
    return error;
}

int share_readlink(struct share *s, uint64_t node, char *buf, size_t size)
{
    struct share_node *n;
    int error = share_get_node(s, node, false, &n), got;

    if (error)
        return error;
    got = readlinkat(n->fd, "", buf, size);
    error = error_of(got);
    share_put_node(s, n);
    return error ? error : got;
}

int share_statfs(struct share *s, uint64_t node, struct statvfs *st)
{
    struct share_node *n;
    int error = share_get_node(s, node, false, &n);

    if (error)
        return error;
    error = error_of(fstatvfs(n->fd, st));
    share_put_node(s, n);
    return error;
}

int share_getxattr(struct share *s, uint64_t node, const char *name, void *buf, size_t size)
{
    struct share_node *n;
    struct share_path p;
    int error = share_get_node(s, node, false, &n), got;

    if (error)
        return error;
    share_fd_name(&p, n->fd);
    got = getxattr(p.whole, name, buf, size);
    error = error_of(got);
    share_put_node(s, n);
    return error ? error : got;
}

int share_listxattr(struct share *s, uint64_t node, char *buf, size_t size)
{
    struct share_node *n;
    struct share_path p;
    int error = share_get_node(s, node, false, &n), got;

    if (error)
        return error;
    share_fd_name(&p, n->fd);
    got = listxattr(p.whole, buf, size);
    error = error_of(got);
    share_put_node(s, n);
    return error ? error : got;
}

int share_setxattr(struct share *s, uint64_t node, const char *name, const void *val, size_t size,
                   int flags)
{
    struct share_node *n;
    struct share_path p;
    int error = share_get_node(s, node, true, &n);

    if (error)
        return error;
    share_fd_name(&p, n->fd);
    error = error_of(setxattr(p.whole, name, val, size, flags));
    share_put_node(s, n);
    return error;
}

int share_removexattr(struct share *s, uint64_t node, const char *name)
{
    struct share_node *n;
    struct share_path p;
    int error = share_get_node(s, node, true, &n);

    if (error)
        return error;
    share_fd_name(&p, n->fd);
    error = error_of(removexattr(p.whole, name));
    share_put_node(s, n);
    return error;
}

bool share_has_acls(struct share *s)
{
    int error = share_getxattr(s, SHARE_ROOT, "system.posix_acl_access", NULL, 0);

    return error >= 0 || error == -ENODATA;
}

/*
 * What is in files.
 */

ssize_t share_read(struct share *s, uint64_t fh, uint64_t off, const struct iovec *v, int n)
{
    struct share_handle *h;
    ssize_t error = get_handle(s, fh, &h), got;

    if (error)
        return error;
    got = preadv(h->fd, v, n, off);
    error = error_of(got);
    put_handle(s, h);
    return error ? error : got;
}

ssize_t share_write(struct share *s, uint64_t fh, uint64_t off, const struct iovec *v, int n,
                    bool kill)
{
    struct share_handle *h;
    ssize_t error = get_handle(s, fh, &h), wrote;

    if (error)
        return error;
    share_change_begins(h->node);
    wrote = pwritev(h->fd, v, n, off);
    error = error_of(wrote);
    if (!error && kill)
        kill_ids(s, h->node);
    share_change_ends(h->node);
    put_handle(s, h);
    return error ? error : wrote;
}

int share_fsync(struct share *s, uint64_t fh, bool data_only)
{
    struct share_handle *h;
    int error = get_handle(s, fh, &h);

    if (error)
        return error;
    error = error_of(data_only ? fdatasync(h->fd) : fsync(h->fd));
    put_handle(s, h);
    return error;
}

int share_syncfs(struct share *s, uint64_t node)
{
    struct share_node *n;
    int error = share_get_node(s, node, false, &n), fd;

    if (error)
        return error;
    fd = share_reopen(s, n->fd, O_RDONLY | O_DIRECTORY);
    error = fd < 0 ? fd : error_of(syncfs(fd));
    if (fd >= 0)
        close(fd);
    share_put_node(s, n);
    return error;
}

int share_fallocate(struct share *s, uint64_t fh, uint32_t mode, uint64_t off, uint64_t len)
{
    struct share_handle *h;
    int error = get_handle(s, fh, &h);

    if (error)
        return error;
    share_change_begins(h->node);
    error = error_of(fallocate(h->fd, mode, off, len));
    share_change_ends(h->node);
    put_handle(s, h);
    return error;
}

int share_lseek(struct share *s, uint64_t fh, uint64_t off, uint32_t whence, uint64_t *to)
{
    struct share_handle *h;
    int error;

    if (whence != SEEK_DATA && whence != SEEK_HOLE)
        return -EINVAL;
    error = get_handle(s, fh, &h);
    if (error)
        return error;
    *to = lseek(h->fd, off, whence);
    error = error_of(*to);
    put_handle(s, h);
    return error;
}

ssize_t share_copy(struct share *s, uint64_t fh, uint64_t off, uint64_t fh_to, uint64_t off_to,
                   uint64_t len)
{
    struct share_handle *h, *to;
    off64_t from_at = off, to_at = off_to;
    ssize_t error = get_handle(s, fh, &h), copied = 0;

    if (error)
        return error;
    error = get_handle(s, fh_to, &to);
    if (!error) {
        share_change_begins(to->node);
        copied = copy_file_range(h->fd, &from_at, to->fd, &to_at, len < COPY ? len : COPY, 0);
        error = error_of(copied);
        share_change_ends(to->node);
        put_handle(s, to);
    }
    put_handle(s, h);
    return error ? error : copied;
}

/* The directory's entries from off on, h->lock held. 0 at its end. */
static ssize_t fill(struct share *s, struct share_handle *h, uint64_t off)
{
    ssize_t got;

    if (!h->entries && !(h->entries = get_entries(s)))
        return -ENOMEM;
    if (off == h->next && h->at < h->filled)
        return h->filled - h->at;
    if ((off != h->next || off == 0) && lseek(h->fd, off, SEEK_SET) < 0)
        return -errno;
    h->at = h->filled = 0;
    h->next = off;
    got = getdents64(h->fd, h->entries, ENTRIES);
    if (got < 0)
        return -errno;
    h->filled = got;
    if (!got)
        put_entries(s, h);
    return got;
}

/* The entry at h->at goes to take(), unless that has no room. */
static bool pass_on(struct share *s, struct share_handle *h,
                    bool (*take)(void *to, const struct share_dirent *d), void *to)
{
    const struct dirent64 *d = (const struct dirent64 *)(h->entries + h->at);
    uint64_t ino = share_ino(s, h->node->dev, d->d_ino);

    if (!take(to, &(struct share_dirent){d->d_name, ino, d->d_off, d->d_type}))
        return false;
    h->at += d->d_reclen;
    h->next = d->d_off;
    return true;
}

int share_readdir(struct share *s, uint64_t fh, uint64_t off,
                  bool (*take)(void *to, const struct share_dirent *d), void *to)
{
    struct share_handle *h;
    ssize_t error = get_handle(s, fh, &h);

    if (error)
        return error;
    pthread_mutex_lock(&h->lock);
    while ((error = fill(s, h, off)) > 0) {
        while (h->at < h->filled && pass_on(s, h, take, to))
            ;
        if (h->at < h->filled)
            break;
        off = h->next;
    }
    pthread_mutex_unlock(&h->lock);
    put_handle(s, h);
    return error < 0 ? error : 0;
}

/*
 * Locks of whole files; those of ranges are share-lock.c's.
 */

int share_flock(struct share *s, uint64_t fh, int operation)
{
    struct share_handle *h;
    int error = s->read_only ? -EROFS : get_handle(s, fh, &h);

    if (error)
        return error;
    error = error_of(flock(h->fd, operation | LOCK_NB));
    put_handle(s, h);
    return error;
}
