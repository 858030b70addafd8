// SPDX-License-Identifier: MIT
/*
 * A directory of the host that a guest shares: numbers for its files, and names in directories.
 *
 * After: openat(2), linkat(2), renameat2(2), statx(2), proc_pid_fd(5), capabilities(7).
 *
 * Left out: handles of files in place of descriptors (name_to_handle_at(2)), which only root may
 * open: what the guest holds costs a descriptor each, and past the host's limit a lookup fails with
 * ENFILE until the guest forgets some. The names "." and "..", which a guest resolves by itself.
 */
#define _GNU_SOURCE
#include "hw/share-inside.h"
#include "hw/die.h"

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
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
    FDS_LEFT = 64, /* for the rest of minivm */
    SLOTS = 64,    /* to begin with */
    BUCKETS = 64,
    INO_BITS = 48 /* of a number that tells file systems apart */
};

/* A number is its slot's place and, above it, how often the slot was used before. */
struct share_slot {
    void *thing;
    uint32_t generation;
    uint32_t next_free;
};

static bool grow(struct share_table *t)
{
    uint32_t slots = t->slots ? t->slots * 2 : SLOTS;
    struct share_slot *v = reallocarray(t->slot, slots, sizeof(*v));

    if (!v)
        return false;
    /* Slot 0 is nobody's, so that no number is 0. */
    for (uint32_t i = t->slots; i < slots; i++)
        v[i] = (struct share_slot){.next_free = i + 1 < slots ? i + 1 : 0};
    t->free = t->slots ? t->slots : 1;
    t->slot = v;
    t->slots = slots;
    return true;
}

uint64_t share_number(struct share_table *t, void *thing)
{
    uint32_t i;

    if (!t->free && !grow(t))
        return 0;
    i = t->free;
    t->free = t->slot[i].next_free;
    t->slot[i].thing = thing;
    return (uint64_t)t->slot[i].generation << 32 | i;
}

void *share_find(const struct share_table *t, uint64_t id)
{
    uint32_t i = id;

    return i < t->slots && t->slot[i].generation == id >> 32 ? t->slot[i].thing : NULL;
}

void share_drop(struct share_table *t, uint64_t id)
{
    struct share_slot *slot = &t->slot[(uint32_t)id];

    slot->thing = NULL;
    slot->generation++;
    slot->next_free = t->free;
    t->free = id;
}

void *share_nth(const struct share_table *t, uint32_t n)
{
    return t->slot[n].thing;
}

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

int share_stat(int fd, struct statx *st)
{
    return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, st) < 0 ? -errno : 0;
}

/*
 * Nodes.
 */

static struct share_node **bucket_of(const struct share *s, dev_t dev, uint64_t ino, uint64_t mount)
{
    uint64_t h = (ino ^ dev << 40 ^ mount << 52) * UINT64_C(0x9e3779b97f4a7c15);

    return &s->bucket[h >> 32 & (s->buckets - 1)];
}

static void hash(struct share *s, struct share_node *n)
{
    struct share_node **b = bucket_of(s, n->dev, n->ino, n->mount);

    n->next = *b;
    *b = n;
    n->hashed = true;
    s->known++;
}

static void unhash(struct share *s, struct share_node *n)
{
    struct share_node **p = bucket_of(s, n->dev, n->ino, n->mount);

    if (!n->hashed)
        return;
    while (*p != n)
        p = &(*p)->next;
    *p = n->next;
    n->hashed = false;
    s->known--;
}

/* One node for each bucket, more or less. Without memory for it lookups take longer. */
static void rehash(struct share *s)
{
    struct share_node **old = s->bucket, **new;
    uint32_t n = s->buckets;

    if (s->known < n || !(new = calloc(n * 2, sizeof(*new))))
        return;
    s->bucket = new;
    s->buckets = n * 2;
    s->known = 0;
    for (uint32_t i = 0; i < n; i++)
        for (struct share_node *node = old[i], *next; node; node = next) {
            next = node->next;
            hash(s, node);
        }
    free(old);
}

static dev_t device(const struct statx *st)
{
    return makedev(st->stx_dev_major, st->stx_dev_minor);
}

static struct share_node *find_node(const struct share *s, const struct statx *st)
{
    dev_t dev = device(st);
    struct share_node *n = *bucket_of(s, dev, st->stx_ino, st->stx_mnt_id);

    while (n && !(n->ino == st->stx_ino && n->dev == dev && n->mount == st->stx_mnt_id))
        n = n->next;
    return n;
}

static void free_if_unused(struct share *s, struct share_node *n)
{
    if (n->lookups || n->uses)
        return;
    unhash(s, n);
    share_drop(&s->nodes, n->id);
    share_free_owners(n);
    close(n->fd);
    free(n);
}

int share_get_node(struct share *s, uint64_t id, bool to_change, struct share_node **n)
{
    if (to_change && s->read_only)
        return -EROFS;
    pthread_mutex_lock(&s->lock);
    *n = share_find(&s->nodes, id);
    if (*n)
        (*n)->uses++;
    pthread_mutex_unlock(&s->lock);
    return *n ? 0 : -ESTALE;
}

void share_put_node(struct share *s, struct share_node *n)
{
    pthread_mutex_lock(&s->lock);
    n->uses--;
    free_if_unused(s, n);
    pthread_mutex_unlock(&s->lock);
}

static void tell(struct share_node *n, const struct statx *st)
{
    n->told_size = st->stx_size;
    n->told_time = st->stx_mtime;
}

static bool as_told(const struct share_node *n, const struct statx *st)
{
    return n->told_size == st->stx_size && n->told_time.tv_sec == st->stx_mtime.tv_sec &&
           n->told_time.tv_nsec == st->stx_mtime.tv_nsec;
}

bool share_changed(struct share_node *n, struct statx *st)
{
    uint32_t ended;

    if (as_told(n, st))
        return false;
    /* A change that had ended before this look, and none begun since: then what is seen is known.
     */
    ended = __atomic_load_n(&n->ended, __ATOMIC_SEQ_CST);
    if (share_stat(n->fd, st) < 0 || as_told(n, st))
        return false;
    if (__atomic_load_n(&n->begun, __ATOMIC_SEQ_CST) == n->seen)
        return true;
    n->seen = ended;
    tell(n, st);
    return false;
}

/* s->lock held. */
static struct share_node *new_node(struct share *s, int fd, const struct statx *st)
{
    struct share_node *n = calloc(1, sizeof(*n));

    if (!n || !(n->id = share_number(&s->nodes, n))) {
        free(n);
        return NULL;
    }
    n->dev = device(st);
    n->ino = st->stx_ino;
    n->mount = st->stx_mnt_id;
    n->fd = fd;
    n->mode = st->stx_mode & S_IFMT;
    tell(n, st);
    rehash(s);
    hash(s, n);
    return n;
}

int share_enter(struct share *s, int fd, struct share_entry *e)
{
    struct share_node *n;
    int error = share_stat(fd, &e->st);

    if (error) {
        close(fd);
        return error;
    }
    pthread_mutex_lock(&s->lock);
    n = find_node(s, &e->st);
    if (n && s->writeback && S_ISREG(n->mode) && share_changed(n, &e->st)) {
        unhash(s, n);
        n = NULL;
    }
    if (n)
        close(fd);
    else
        n = new_node(s, fd, &e->st);
    if (n) {
        n->lookups++;
        e->node = n->id;
    }
    pthread_mutex_unlock(&s->lock);
    if (n)
        return 0;
    close(fd);
    return -ENOMEM;
}

void share_forget(struct share *s, uint64_t node, uint64_t count)
{
    struct share_node *n;

    pthread_mutex_lock(&s->lock);
    n = node == SHARE_ROOT ? NULL : share_find(&s->nodes, node);
    if (n) {
        n->lookups -= count < n->lookups ? count : n->lookups;
        free_if_unused(s, n);
    }
    pthread_mutex_unlock(&s->lock);
}

void share_forget_all(struct share *s)
{
    share_release_all(s);
    pthread_mutex_lock(&s->lock);
    for (uint32_t i = 1; i < s->nodes.slots; i++) {
        struct share_node *n = s->nodes.slot[i].thing;

        if (n && n->id != SHARE_ROOT) {
            n->lookups = 0;
            free_if_unused(s, n);
        }
    }
    pthread_mutex_unlock(&s->lock);
}

uint64_t share_ino(struct share *s, dev_t dev, uint64_t ino)
{
    int i = 0;

    pthread_mutex_lock(&s->lock);
    while (i < s->devs && s->dev[i] != dev)
        i++;
    if (i == s->devs && s->devs < (int)(sizeof(s->dev) / sizeof(s->dev[0])))
        s->dev[s->devs++] = dev;
    pthread_mutex_unlock(&s->lock);
    return ino + ((uint64_t)i << INO_BITS);
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
    if (!s->bucket || share_stat(readable, &st) < 0 ||
        !(root = new_node(s, share_reopen(s, readable, O_PATH | O_DIRECTORY), &st)) || root->fd < 0)
        die("--share %s: out of memory or open files", dir);
    root->lookups = 1;
    share_ino(s, root->dev, root->ino);
    close(readable);
    /* A write beyond RLIMIT_FSIZE is the guest's error, and not our end. */
    signal(SIGXFSZ, SIG_IGN);
}

void share_free(struct share *s)
{
    struct share_node *root = share_find(&s->nodes, SHARE_ROOT);

    share_forget_all(s);
    root->lookups = 0;
    free_if_unused(s, root);
    free(s->nodes.slot);
    free(s->handles.slot);
    free(s->bucket);
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

/* Threads have one umask and directory together, unless they say that they want their own. */
static void own_umask(void)
{
    static _Thread_local bool own;

    if (!own)
        (void)!unshare(CLONE_FS);
    own = true;
}

/* As another user a thread of root's has fewer rights, and the guest has looked already. */
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

static int lookup(struct share *s, const struct share_node *dir, const char *name,
                  struct share_entry *e)
{
    int fd = share_keep_fd(s, openat(dir->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));

    return fd < 0 ? fd : share_enter(s, fd, e);
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
    struct share_node *dir;
    int error = share_get_dir(s, node, name, true, &dir);

    if (error)
        return error;
    error = error_of(unlinkat(dir->fd, name, is_dir ? AT_REMOVEDIR : 0));
    share_put_node(s, dir);
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
        error = error_of(renameat2(dir->fd, name, to_dir->fd, to_name, flags));
        share_put_node(s, to_dir);
    }
    share_put_node(s, dir);
    return error;
}
