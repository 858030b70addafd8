// SPDX-License-Identifier: MIT
/*
 * A directory of the host that a guest shares: names in directories.
 *
 * After: openat(2), linkat(2), renameat2(2), statx(2), proc_pid_fd(5), capabilities(7).
 *
 * Left out: the names "." and "..", which a guest resolves by itself.
 */
#define _GNU_SOURCE
#include "hw/share-inside.h"
#include "hw/die.h"
#include "hw/pc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    FDS_LEFT = 64,   /* for the rest of minivm */
    NODE_FDS = 4096, /* of what the guest holds without using it, at most: each costs the host more
                        than a kilobyte */
    BUCKETS = 64
};

int share_keep_fd(const struct share *s, int fd)
{
    if (fd < 0)
        return errno == EMFILE ? -ENFILE : -errno;
    if (fd < s->fd_limit)
        return fd;
    close(fd);
    return -ENFILE;
}

const char *share_fd_name(struct share_path *p, int fd)
{
    snprintf(p->whole, sizeof(p->whole), SHARE_PROC "%d", fd);
    return p->whole + sizeof(SHARE_PROC) - 1;
}

int share_reopen(const struct share *s, int fd, int flags)
{
    struct share_path p;

    return share_keep_fd(
        s, openat(s->proc, share_fd_name(&p, fd), flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

int share_stat_at(int fd, const char *name, struct statx *st)
{
    int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH);

    return statx(fd, name, flags, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, st) < 0 ? -errno
                                                                                          : 0;
}

int share_stat(int fd, struct statx *st)
{
    return share_stat_at(fd, "", st);
}

static void raise_fd_limit(struct share *s)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) < 0)
        die("cannot get the limit of open files: %m");
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    getrlimit(RLIMIT_NOFILE, &r);
    s->fd_limit = r.rlim_cur > INT_MAX ? INT_MAX : r.rlim_cur;
    s->fd_limit -= s->fd_limit > 2 * FDS_LEFT ? FDS_LEFT : s->fd_limit / 2;
    /* Even the most shares leave half of the limit to open files. */
    s->node_fd_limit = s->fd_limit / 2 / PC_MAX_SHARES;
    if (s->node_fd_limit > NODE_FDS)
        s->node_fd_limit = NODE_FDS;
}

void share_init(struct share *s, const char *dir, bool read_only)
{
    int readable = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct share_node *root;
    struct statx st;

    if (readable < 0)
        die("--share %s: %m", dir);
    *s = (struct share){.read_only = read_only, .root = geteuid() == 0, .buckets = BUCKETS};
    raise_fd_limit(s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->file_locks, NULL);
    s->proc = open(SHARE_PROC, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (s->proc < 0)
        die("--share %s: sharing needs " SHARE_PROC ", and that is not there: %m", dir);
    s->bucket = calloc(s->buckets, sizeof(struct share_node *));
    if (!s->bucket || share_stat(readable, &st) < 0 || !(root = share_new_node(s, &st)) ||
        (root->fd = share_reopen(s, readable, O_PATH | O_DIRECTORY)) < 0)
        die("--share %s: out of memory or open files", dir);
    root->lookups = s->node_fds = 1;
    share_ino(s, root->dev, root->ino);
    close(readable);
    /* A write beyond RLIMIT_FSIZE is the guest's error, and not our end. */
    signal(SIGXFSZ, SIG_IGN);
}

void share_free(struct share *s)
{
    share_forget_all(s);
    share_free_nodes(s);
    free(s->handles.slot);
    close(s->proc);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->file_locks);
}

/*
 * Names.
 */

int share_get_dir(struct share *s, uint64_t id, const char *name, bool to_change,
                  struct share_node **n)
{
    if (!*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
        return -EINVAL;
    if (strlen(name) > NAME_MAX)
        return -ENAMETOOLONG;
    return share_get_node(s, id, to_change, n);
}

static int error_of(int result)
{
    return result < 0 ? -errno : 0;
}

/* All threads of a process share umask and working directory, unless one asks for its own. */
static void own_umask(void)
{
    static _Thread_local bool own;

    if (!own)
        (void)!unshare(CLONE_FS);
    own = true;
}

/* A thread of root's that becomes another user loses rights. It needs them: the guest has already
 * checked who may do what. */
static void regain_rights(void)
{
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct c[_LINUX_CAPABILITY_U32S_3];

    if (syscall(SYS_capget, &h, c) < 0)
        return;
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        c[i].effective = c[i].permitted;
    (void)syscall(SYS_capset, &h, c);
}

mode_t share_become(const struct share *s, const struct share_caller *who)
{
    own_umask();
    if (s->root && who->gid)
        setfsgid(who->gid);
    if (s->root && who->uid) {
        setfsuid(who->uid);
        regain_rights();
    }
    return umask(who->umask & 0777);
}

void share_be_self(const struct share *s, const struct share_caller *who, mode_t old)
{
    int error = errno;

    umask(old);
    if (s->root && who->uid)
        setfsuid(0);
    if (s->root && who->gid)
        setfsgid(getegid());
    errno = error;
}

static int lookup(struct share *s, struct share_node *dir, const char *name, struct share_entry *e)
{
    int error = share_stat_at(dir->fd, name, &e->st);

    return error ? error : share_enter(s, dir, name, -1, e);
}

int share_lookup(struct share *s, uint64_t node, const char *name, struct share_entry *e)
{
    struct share_node *dir;
    int error = share_get_dir(s, node, name, false, &dir);

    if (error)
        return error;
    error = lookup(s, dir, name, e);
    share_put_node(s, dir);
    return error;
}

/* Whoever may open it would have that device of the host's. Character device 0:0 is none: with it
 * overlayfs marks what is deleted. */
static bool is_device(uint32_t mode, dev_t dev)
{
    return S_ISBLK(mode) || (S_ISCHR(mode) && dev);
}

int share_mknod(struct share *s, uint64_t node, const char *name, uint32_t mode, dev_t dev,
                const struct share_caller *who, struct share_entry *e)
{
    struct share_node *dir;
    mode_t old;
    int error = share_get_dir(s, node, name, true, &dir);

    if (error)
        return error;
    if (is_device(mode, dev)) {
        share_put_node(s, dir);
        return -EPERM;
    }
    old = share_become(s, who);
    if (S_ISDIR(mode))
        error = error_of(mkdirat(dir->fd, name, mode & 07777));
    else
        error = error_of(mknodat(dir->fd, name, mode, dev));
    share_be_self(s, who, old);
    if (!error)
        error = lookup(s, dir, name, e);
    share_put_node(s, dir);
    return error;
}

int share_symlink(struct share *s, uint64_t node, const char *name, const char *target,
                  const struct share_caller *who, struct share_entry *e)
{
    struct share_node *dir;
    mode_t old;
    int error = share_get_dir(s, node, name, true, &dir);

    if (error)
        return error;
    old = share_become(s, who);
    error = error_of(symlinkat(target, dir->fd, name));
    share_be_self(s, who, old);
    if (!error)
        error = lookup(s, dir, name, e);
    share_put_node(s, dir);
    return error;
}

int share_link(struct share *s, uint64_t old, uint64_t node, const char *name,
               struct share_entry *e)
{
    struct share_node *dir, *file;
    struct share_path p;
    int error = share_get_dir(s, node, name, true, &dir);

    if (error)
        return error;
    error = share_get_node(s, old, true, &file);
    if (!error) {
        error = error_of(
            linkat(s->proc, share_fd_name(&p, file->fd), dir->fd, name, AT_SYMLINK_FOLLOW));
        if (!error)
            error = lookup(s, dir, name, e);
        share_put_node(s, file);
    }
    share_put_node(s, dir);
    return error;
}

int share_unlink(struct share *s, uint64_t node, const char *name, bool is_dir)
{
    struct share_node *dir, *n;
    int error = share_get_dir(s, node, name, true, &dir);

    if (error)
        return error;
    n = share_hold(s, dir, name);
    error = error_of(unlinkat(dir->fd, name, is_dir ? AT_REMOVEDIR : 0));
    if (n && !error)
        share_moved(s, n, dir, name, NULL, NULL);
    if (n)
        share_put_node(s, n);
    share_put_node(s, dir);
    return error;
}

static int rename_held(struct share *s, struct share_node *dir, const char *name,
                       struct share_node *to, const char *to_name, uint32_t flags)
{
    struct share_node *n = share_hold(s, dir, name), *over = share_hold(s, to, to_name);
    int error = error_of(renameat2(dir->fd, name, to->fd, to_name, flags));

    if (over && over != n && !error)
        share_moved(s, over, to, to_name, flags & RENAME_EXCHANGE ? dir : NULL, name);
    if (n && !error)
        share_moved(s, n, dir, name, to, to_name);
    if (over)
        share_put_node(s, over);
    if (n)
        share_put_node(s, n);
    return error;
}

int share_rename(struct share *s, uint64_t node, const char *name, uint64_t to, const char *to_name,
                 uint32_t flags)
{
    struct share_node *dir, *to_dir;
    int error = share_get_dir(s, node, name, true, &dir);

    if (error)
        return error;
    error = share_get_dir(s, to, to_name, true, &to_dir);
    if (!error) {
        error = rename_held(s, dir, name, to_dir, to_name, flags);
        share_put_node(s, to_dir);
    }
    share_put_node(s, dir);
    return error;
}
