/* SPDX-License-Identifier: MIT */
/*
 * What hw/share.c, hw/share-file.c and hw/share-lock.c know of a shared directory between them.
 */
#ifndef HW_SHARE_INSIDE_H
#define HW_SHARE_INSIDE_H

#include "hw/share.h"

/* A file that the guest has a number of. */
struct share_node {
    uint64_t id;
    dev_t dev;
    uint64_t ino, mount; /* what it is on the host */
    struct statx_timestamp born;
    int fd;                    /* O_PATH; -1: it is opened when it is used */
    uint16_t mode;             /* its type, which never changes */
    bool hashed;               /* found by what it is */
    bool idle;                 /* among those whose descriptors may be closed */
    uint64_t lookups;          /* how often the guest holds its number */
    uint32_t uses;             /* calls under way and open handles */
    uint32_t below;            /* nodes whose place is in it */
    struct share_node *parent; /* its place, and name in it; NULL: none is known */
    char *name;
    struct share_node *next, *older, *newer; /* in its bucket, and of those that are idle */
    struct share_owner *owners;              /* of locks; under file_locks */

    /* Size and time as last told to the guest, and how many changes by the guest itself had begun
     * and ended: what differs without one of them is the host's doing. */
    uint64_t told_size;
    struct statx_timestamp told_time;
    uint32_t begun, ended, seen;
    bool opened; /* and found as told, once at least */
};

struct share_handle {
    uint64_t id;
    int fd;
    uint32_t uses; /* its number is one, each call under way another */
    struct share_node *node;
    pthread_mutex_t lock; /* of a directory's buffer */
    char *entries;
    size_t at, filled;
    uint64_t next; /* the offset of the entry at at */
};

/* An error or 0; put back what is got, which has a descriptor until then. The node is still what it
 * was if the guest forgets it. share_use_node(): once more; s->lock held. */
int share_get_node(struct share *s, uint64_t id, bool to_change, struct share_node **n);
void share_use_node(struct share *s, struct share_node *n);
void share_put_node(struct share *s, struct share_node *n);

/* The same of a directory in which name, of one part, means something. */
int share_get_dir(struct share *s, uint64_t id, const char *name, bool to_change,
                  struct share_node **n);

/* A number for a thing, and the thing by its number. 0: no memory. s->lock held. */
uint64_t share_number(struct share_table *t, void *thing);
void *share_find(const struct share_table *t, uint64_t id);
void share_drop(struct share_table *t, uint64_t id);
void *share_nth(const struct share_table *t,
                uint32_t n); /* below t->slots; NULL for an empty one */

/* fd, or -ENFILE where there are too many already, or -errno for a negative one. */
int share_keep_fd(const struct share *s, int fd);

/* Open anew, with other flags, what descriptor fd stands for: a descriptor or -errno. */
int share_reopen(const struct share *s, int fd, int flags);

/* "N" in /proc/self/fd, and the whole path. */
struct share_path {
    char whole[32];
};
#define SHARE_PROC "/proc/self/fd/"
const char *share_fd_name(struct share_path *p, int fd);

/* Make what e->st tells of an entry that the guest has a number of: name in dir, which is in use,
 * or where dir is NULL one without a name. fd, which it takes: O_PATH, or -1. */
int share_enter(struct share *s, struct share_node *dir, const char *name, int fd,
                struct share_entry *e);
struct share_node *share_new_node(struct share *s, const struct statx *st); /* s->lock held */
void share_free_nodes(struct share *s);

/* What name in dir is, if the guest knows it, with a descriptor whatever becomes of the name; put
 * it back. Then tell that it has a new name (to, to_name), or that this one of it is gone (NULL).
 */
struct share_node *share_hold(struct share *s, const struct share_node *dir, const char *name);
void share_moved(struct share *s, struct share_node *n, const struct share_node *dir,
                 const char *name, struct share_node *to, const char *to_name);

/* What this thread makes between these two belongs to `who`. old is what the first returned: our
 * umask. */
mode_t share_become(const struct share *s, const struct share_caller *who);
void share_be_self(const struct share *s, const struct share_caller *who, mode_t old);

/* Around what the guest changes in a file's contents or times. */
static inline void share_change_begins(struct share_node *n)
{
    __atomic_add_fetch(&n->begun, 1, __ATOMIC_SEQ_CST);
}

static inline void share_change_ends(struct share_node *n)
{
    __atomic_add_fetch(&n->ended, 1, __ATOMIC_SEQ_CST);
}

/* The node looked like *st: has the host changed it since the guest was told of it? *st may be read
 * anew, from name in directory fd, or fd itself (""). s->lock held. */
bool share_changed(struct share_node *n, int fd, const char *name, struct statx *st);

/* Of name in directory fd, which is not followed, or of fd itself (""). */
int share_stat_at(int fd, const char *name, struct statx *st);
int share_stat(int fd, struct statx *st);
void share_release_all(struct share *s);

/* Open n's file, or fail as the host does; O_WRONLY also where it may not be read. */
int share_open_node(const struct share *s, const struct share_node *n, int flags);

/* Give n's locks back, and forget who waits for one. s->lock held. */
void share_free_owners(struct share *s, struct share_node *n);

#endif
