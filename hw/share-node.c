// SPDX-License-Identifier: MIT
/*
 * The files that a guest has numbers of.
 *
 * Most are only looked at, and for that a directory's descriptor and a name in it are enough. So a
 * node has a place, where it was seen last, and gets a descriptor of its own (O_PATH) when more is
 * done with it. Of descriptors that are not in use the oldest are closed when there are too many,
 * and what is opened again must still be the same file: else the guest is told so (-ESTALE), and
 * looks it up again. What the guest itself moves or removes is opened before, so that what it holds
 * stays what it is.
 *
 * After: statx(2), openat(2).
 *
 * Left out: handles of files (name_to_handle_at(2)), which find a file that the host has moved, but
 * which only root may open.
 */
#define _GNU_SOURCE
#include "hw/share-inside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
    SLOTS = 64,    /* to begin with */
    INO_BITS = 48, /* of a number that tells file systems apart */
    CHAIN = 64     /* directories that are opened on the way to one, without memory of their own */
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

static struct statx_timestamp born(const struct statx *st)
{
    return st->stx_mask & STATX_BTIME ? st->stx_btime : (struct statx_timestamp){0};
}

/* The inode number alone is not enough: when a file is gone, the host may give its number to
 * another. */
static bool is_same(const struct share_node *n, const struct statx *st)
{
    struct statx_timestamp t = born(st);

    return n->ino == st->stx_ino && n->dev == device(st) && n->mount == st->stx_mnt_id &&
           n->mode == (st->stx_mode & S_IFMT) && n->born.tv_sec == t.tv_sec &&
           n->born.tv_nsec == t.tv_nsec;
}

static struct share_node *find_node(const struct share *s, const struct statx *st)
{
    struct share_node *n = *bucket_of(s, device(st), st->stx_ino, st->stx_mnt_id);

    while (n && !is_same(n, st))
        n = n->next;
    return n;
}

/*
 * Descriptors. s->lock held, unless it says otherwise.
 */

/* Have it in the list of those whose descriptors may be closed, or not, as its state says. */
static void settle(struct share *s, struct share_node *n)
{
    bool idle = !n->uses && n->fd >= 0 && n->parent;

    if (idle == n->idle)
        return;
    n->idle = idle;
    if (idle) {
        n->older = s->newest;
        n->newer = NULL;
        *(s->newest ? &s->newest->newer : &s->oldest) = n;
        s->newest = n;
        return;
    }
    *(n->older ? &n->older->newer : &s->oldest) = n->newer;
    *(n->newer ? &n->newer->older : &s->newest) = n->older;
}

static void drop_fd(struct share *s, struct share_node *n)
{
    if (n->fd < 0)
        return;
    close(n->fd);
    n->fd = -1;
    s->node_fds--;
    settle(s, n);
}

static void close_oldest(struct share *s)
{
    while (s->node_fds > s->node_fd_limit && s->oldest)
        drop_fd(s, s->oldest);
}

static void set_fd(struct share *s, struct share_node *n, int fd)
{
    n->fd = fd;
    s->node_fds++;
    settle(s, n);
    close_oldest(s);
}

static void free_if_unused(struct share *s, struct share_node *n)
{
    while (n && !n->lookups && !n->uses && !n->below) {
        struct share_node *parent = n->parent;

        n->parent = NULL;
        drop_fd(s, n);
        unhash(s, n);
        share_drop(&s->nodes, n->id);
        share_free_owners(s, n);
        free(n->name);
        free(n);
        if (parent)
            parent->below--;
        n = parent;
    }
}

static void use(struct share *s, struct share_node *n)
{
    n->uses++;
    settle(s, n);
}

static void end_use(struct share *s, struct share_node *n)
{
    n->uses--;
    settle(s, n);
    free_if_unused(s, n);
    close_oldest(s);
}

/*
 * Places. s->lock held.
 */

static bool is_at(const struct share_node *n, const struct share_node *dir, const char *name)
{
    return n->parent == dir && !strcmp(n->name, name);
}

static void leave_place(struct share *s, struct share_node *n)
{
    struct share_node *parent = n->parent;

    if (!parent)
        return;
    free(n->name);
    n->name = NULL;
    n->parent = NULL;
    settle(s, n);
    parent->below--;
    free_if_unused(s, parent);
}

/* The place of n is `name` in dir. Where the host moves directories about, places that were seen at
 * different times need not fit together: then n keeps the one it has, so that none is below itself.
 * Without memory for the name it has none. */
static void set_place(struct share *s, struct share_node *n, struct share_node *dir,
                      const char *name)
{
    if (is_at(n, dir, name) || n->id == SHARE_ROOT)
        return;
    for (struct share_node *x = dir; S_ISDIR(n->mode) && x; x = x->parent)
        if (x == n)
            return;
    dir->below++;
    leave_place(s, n);
    n->name = strdup(name);
    if (n->name)
        n->parent = dir;
    else
        dir->below--;
    settle(s, n);
}

/* A new descriptor for n, name in the directory dir. */
static int open_at(const struct share *s, const struct share_node *n, int dir, const char *name)
{
    int fd = share_keep_fd(s, openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC)), error;
    struct statx st;

    if (fd < 0)
        return fd == -ENOENT || fd == -ENOTDIR ? -ESTALE : fd;
    error = share_stat(fd, &st);
    if (!error && is_same(n, &st))
        return fd;
    close(fd);
    return error ? error : -ESTALE;
}

/* Give n a descriptor, by its place in dir or the name given; both are in use. No lock held. */
static int open_in(struct share *s, struct share_node *n, const struct share_node *dir,
                   const char *name)
{
    char at[NAME_MAX + 1] = "";
    int fd;

    pthread_mutex_lock(&s->lock);
    fd = n->fd;
    if (name)
        strcpy(at, name);
    else if (n->parent == dir)
        strcpy(at, n->name);
    pthread_mutex_unlock(&s->lock);
    if (fd >= 0)
        return 0;
    fd = open_at(s, n, dir->fd, at);
    if (fd < 0)
        return fd;
    pthread_mutex_lock(&s->lock);
    if (n->fd < 0)
        set_fd(s, n, fd);
    else
        close(fd);
    pthread_mutex_unlock(&s->lock);
    return 0;
}

/* Give n, which is in use, a descriptor, and all directories on the way that need one. No lock
 * held. */
static int reach(struct share *s, struct share_node *n)
{
    struct share_node *some[CHAIN], **chain = some, *dir;
    int depth = 0, error = 0;

    pthread_mutex_lock(&s->lock);
    for (dir = n; dir && dir->fd < 0; dir = dir->parent)
        depth++;
    if (depth > CHAIN)
        chain = malloc(depth * sizeof(*chain));
    if (!dir || !chain) {
        pthread_mutex_unlock(&s->lock);
        return dir ? -ENOMEM : -ESTALE;
    }
    use(s, dir);
    for (int i = depth; i; n = n->parent) {
        chain[--i] = n;
        use(s, n);
    }
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < depth; i++) {
        if (!error)
            error = open_in(s, chain[i], dir, NULL);
        share_put_node(s, dir);
        dir = chain[i];
    }
    share_put_node(s, dir);
    if (chain != some)
        free(chain);
    return error;
}

int share_get_node(struct share *s, uint64_t id, bool to_change, struct share_node **n)
{
    int fd = -1, error;

    if (to_change && s->read_only)
        return -EROFS;
    pthread_mutex_lock(&s->lock);
    *n = share_find(&s->nodes, id);
    if (*n) {
        use(s, *n);
        fd = (*n)->fd;
    }
    pthread_mutex_unlock(&s->lock);
    if (!*n)
        return -ESTALE;
    error = fd >= 0 ? 0 : reach(s, *n);
    if (error)
        share_put_node(s, *n);
    return error;
}

void share_use_node(struct share *s, struct share_node *n)
{
    use(s, n);
}

void share_put_node(struct share *s, struct share_node *n)
{
    pthread_mutex_lock(&s->lock);
    end_use(s, n);
    pthread_mutex_unlock(&s->lock);
}

int share_getattr(struct share *s, uint64_t node, struct statx *st)
{
    struct share_node *n, *dir = NULL;
    char name[NAME_MAX + 1];
    int error;

    pthread_mutex_lock(&s->lock);
    n = share_find(&s->nodes, node);
    if (n && n->fd < 0 && n->parent && n->parent->fd >= 0) {
        dir = n->parent;
        use(s, n);
        use(s, dir);
        strcpy(name, n->name);
    }
    pthread_mutex_unlock(&s->lock);
    if (dir) {
        error = share_stat_at(dir->fd, name, st);
        if (error == -ENOENT || error == -ENOTDIR || (!error && !is_same(n, st)))
            error = -ESTALE;
        share_put_node(s, dir);
        share_put_node(s, n);
        /* It has moved meanwhile, perhaps. */
        if (error != -ESTALE)
            return error;
    }
    error = share_get_node(s, node, false, &n);
    if (error)
        return error;
    error = share_stat(n->fd, st);
    share_put_node(s, n);
    return error;
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

bool share_changed(struct share_node *n, int fd, const char *name, struct statx *st)
{
    struct statx now;
    uint32_t ended;

    if (as_told(n, st))
        return false;
    /* If the guest's own changes had all ended before this look, what is seen now is the result of
     * them, and known. */
    ended = __atomic_load_n(&n->ended, __ATOMIC_SEQ_CST);
    if (share_stat_at(fd, name, &now) < 0 || !is_same(n, &now))
        return true;
    *st = now;
    if (as_told(n, st))
        return false;
    if (__atomic_load_n(&n->begun, __ATOMIC_SEQ_CST) == n->seen)
        return true;
    n->seen = ended;
    tell(n, st);
    return false;
}

struct share_node *share_new_node(struct share *s, const struct statx *st)
{
    struct share_node *n = calloc(1, sizeof(*n));

    if (!n || !(n->id = share_number(&s->nodes, n))) {
        free(n);
        return NULL;
    }
    n->dev = device(st);
    n->ino = st->stx_ino;
    n->mount = st->stx_mnt_id;
    n->born = born(st);
    n->fd = -1;
    n->mode = st->stx_mode & S_IFMT;
    tell(n, st);
    rehash(s);
    hash(s, n);
    return n;
}

int share_enter(struct share *s, struct share_node *dir, const char *name, int fd,
                struct share_entry *e)
{
    struct share_node *n;

    pthread_mutex_lock(&s->lock);
    n = find_node(s, &e->st);
    if (n && s->writeback && S_ISREG(n->mode) &&
        share_changed(n, dir ? dir->fd : fd, dir ? name : "", &e->st)) {
        unhash(s, n);
        n = NULL;
    }
    if (!n)
        n = share_new_node(s, &e->st);
    if (n) {
        n->lookups++;
        e->node = n->id;
        if (dir)
            set_place(s, n, dir, name);
        if (fd >= 0 && n->fd < 0) {
            set_fd(s, n, fd);
            fd = -1;
        }
    }
    pthread_mutex_unlock(&s->lock);
    if (fd >= 0)
        close(fd);
    return n ? 0 : -ENOMEM;
}

struct share_node *share_hold(struct share *s, const struct share_node *dir, const char *name)
{
    struct share_node *n = NULL;
    struct statx st;

    if (share_stat_at(dir->fd, name, &st) < 0)
        return NULL;
    pthread_mutex_lock(&s->lock);
    n = find_node(s, &st);
    if (n)
        use(s, n);
    pthread_mutex_unlock(&s->lock);
    if (n && open_in(s, n, dir, name) < 0) {
        share_put_node(s, n);
        n = NULL;
    }
    return n;
}

void share_moved(struct share *s, struct share_node *n, const struct share_node *dir,
                 const char *name, struct share_node *to, const char *to_name)
{
    pthread_mutex_lock(&s->lock);
    if (to)
        set_place(s, n, to, to_name);
    else if (is_at(n, dir, name))
        leave_place(s, n);
    pthread_mutex_unlock(&s->lock);
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

void share_free_nodes(struct share *s)
{
    struct share_node *root = share_find(&s->nodes, SHARE_ROOT);

    root->lookups = 0;
    free_if_unused(s, root);
    free(s->nodes.slot);
    free(s->bucket);
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
