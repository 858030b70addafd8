/* SPDX-License-Identifier: MIT */
/*
 * A directory of the host that a guest shares: its files, known by number.
 *
 * The guest never names a path, only one name in a directory whose number it was given. A directory
 * that is used is a descriptor of the host's (O_PATH), and one name that is looked up from it
 * without following links cannot lead out, whatever links the guest or the host make meanwhile.
 * What the host moves out of the shared directory while the guest uses it may stay in reach by its
 * number, as an open file does; a number of what is not there any more is -ESTALE, after which a
 * guest looks it up again.
 *
 * How many files the guest knows does not matter. Of those that it has open there may be as many as
 * the process may have open: half of its hard limit, at least; then opening one is -ENFILE.
 *
 * Functions return 0 or what they say, or the negative of an errno; they are for any thread, at any
 * time, and take no lock of the machine. They wait for the host's file system and for nothing else.
 * Numbers, names and sizes may be anything at all; other numbers than those given are -ESTALE, and
 * other handles -EBADF. On a read-only share whatever would change something is -EROFS.
 *
 * Mounts in the directory are shared with it, but files of a /proc are not opened (-EACCES), as our
 * memory is among them.
 *
 * With minivm as root the owners are those of the guest, and so programs that the guest makes
 * set-user-ID root are that on the host as well: systems that are built in a guest need them.
 * Device nodes are made for no guest (-EPERM): nobody but root could, and nothing in a guest needs
 * those of the host. Without root all that is made belongs to the user who runs minivm.
 */
#ifndef HW_SHARE_H
#define HW_SHARE_H

#include <fcntl.h>
#include <linux/stat.h> /* struct statx, whatever <sys/stat.h> is asked for */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>

enum {
    SHARE_ROOT = 1 /* the number of the directory itself; it is always known */
};

/* What the guest knows by numbers, of which none comes twice. */
struct share_table {
    struct share_slot *slot;
    uint32_t slots, free;
};

struct share {
    int proc; /* /proc/self/fd, by which descriptors are opened anew */
    int fd_limit;
    bool read_only, root /* minivm is run by root */;
    bool writeback; /* the guest keeps what it writes for a while; see share_open() */
    pthread_mutex_t lock, file_locks;
    struct share_table nodes, handles;
    struct share_node **bucket; /* nodes by what they are on the host */
    uint32_t buckets, known;
    struct share_node *oldest, *newest; /* nodes with descriptors that are not in use */
    int node_fds, node_fd_limit;
    uint32_t lists; /* directories that have a buffer */
    dev_t dev[64];  /* the file systems met, the directory's own first */
    int devs;
    struct share_wait *waits; /* who waits for which lock; under file_locks */
};

/* On whose behalf something is made. */
struct share_caller {
    uint32_t uid, gid, umask;
};

/* A file that was looked up or made; the guest holds its number once more. */
struct share_entry {
    uint64_t node;
    struct statx st;
};

/* What share_setattr() changes. */
struct share_change {
    bool mode, uid, gid, size;
    bool kill; /* set-user-ID and set-group-ID go, as after a write */
    struct statx to;
    struct timespec time[2]; /* of access and of change, as for utimensat(2) */
};

struct share_dirent {
    const char *name;
    uint64_t ino, next; /* where to go on after it */
    uint8_t type;
};

/* Share directory dir. Raises the process's limit of open files as far as it may. Dies with a line
 * when dir is not there, no directory or not readable. */
void share_init(struct share *s, const char *dir, bool read_only);
void share_free(struct share *s);

/* The guest knows nothing any more: all is closed, but for calls under way, which end first. */
void share_forget_all(struct share *s);

/* Names. node is the number of the directory. */
int share_lookup(struct share *s, uint64_t node, const char *name, struct share_entry *e);
int share_mknod(struct share *s, uint64_t node, const char *name, uint32_t mode, dev_t dev,
                const struct share_caller *who, struct share_entry *e); /* directories as well */
int share_symlink(struct share *s, uint64_t node, const char *name, const char *target,
                  const struct share_caller *who, struct share_entry *e);
int share_link(struct share *s, uint64_t old, uint64_t node, const char *name,
               struct share_entry *e);
int share_unlink(struct share *s, uint64_t node, const char *name, bool dir);
int share_rename(struct share *s, uint64_t node, const char *name, uint64_t to, const char *to_name,
                 uint32_t flags);

/* The guest gives back n of what lookups gave it. */
void share_forget(struct share *s, uint64_t node, uint64_t n);

/* Attributes. fh is a handle of the same file, or 0: by one that was opened for writing the size
 * changes even if the file could not be opened so again. */
int share_getattr(struct share *s, uint64_t node, struct statx *st);
int share_setattr(struct share *s, uint64_t node, uint64_t fh, const struct share_change *c,
                  struct statx *st);
int share_readlink(struct share *s, uint64_t node, char *buf, size_t size); /* length */
int share_statfs(struct share *s, uint64_t node, struct statvfs *st);
int share_getxattr(struct share *s, uint64_t node, const char *name, void *buf, size_t size);
int share_listxattr(struct share *s, uint64_t node, char *buf, size_t size);
int share_setxattr(struct share *s, uint64_t node, const char *name, const void *val, size_t size,
                   int flags);
int share_removexattr(struct share *s, uint64_t node, const char *name);
bool share_has_acls(struct share *s);

/* The number that a program in the guest sees: files of several file systems of the host are on
 * one of the guest. */
uint64_t share_ino(struct share *s, dev_t dev, uint64_t ino);

/*
 * Open files. Of flags O_ACCMODE, O_APPEND, O_TRUNC, O_SYNC and O_DSYNC count. *keep: what the
 * guest has cached of the file is still so.
 *
 * A guest that keeps what it writes (writeback) believes its own sizes and times. So where the host
 * has changed the file since, a lookup gives it another number, and an open under the old one is
 * -ESTALE, after which the guest looks it up again.
 */
int share_open(struct share *s, uint64_t node, int flags, uint64_t *fh, bool *keep);
int share_create(struct share *s, uint64_t node, const char *name, int flags, uint32_t mode,
                 const struct share_caller *who, struct share_entry *e, uint64_t *fh);
int share_tmpfile(struct share *s, uint64_t node, int flags, uint32_t mode,
                  const struct share_caller *who, struct share_entry *e, uint64_t *fh);
int share_opendir(struct share *s, uint64_t node, uint64_t *fh);
int share_release(struct share *s, uint64_t fh);

ssize_t share_read(struct share *s, uint64_t fh, uint64_t off, const struct iovec *v, int n);
ssize_t share_write(struct share *s, uint64_t fh, uint64_t off, const struct iovec *v, int n,
                    bool kill);
int share_fsync(struct share *s, uint64_t fh, bool data_only);
int share_syncfs(struct share *s, uint64_t node);
int share_fallocate(struct share *s, uint64_t fh, uint32_t mode, uint64_t off, uint64_t len);
int share_lseek(struct share *s, uint64_t fh, uint64_t off, uint32_t whence, uint64_t *to);
ssize_t share_copy(struct share *s, uint64_t fh, uint64_t off, uint64_t fh_to, uint64_t off_to,
                   uint64_t len);

/* Show what is in a directory from off on (0, or an entry's next) to take(), until that returns
 * false for one that has no room. -ENOMEM where a thousand others are not read to their ends. */
int share_readdir(struct share *s, uint64_t fh, uint64_t off,
                  bool (*take)(void *to, const struct share_dirent *d), void *to);

/*
 * Locks of ranges (fcntl), which belong to an owner, whatever that is. l->l_whence is SEEK_SET.
 * test: what is in the way goes to *l. Never waits: -EAGAIN. With a number of the caller's, wait,
 * that is who will ask again under the same number, until it is something else than -EAGAIN, or
 * called off by share_lock_off(); -EDEADLK where those in the way wait for this owner in turn.
 * share_drop_locks(): the owner has closed the file. share_flock(): of flock(2), which belong to a
 * handle.
 */
int share_lock(struct share *s, uint64_t node, uint64_t owner, struct flock *l, bool test,
               uint64_t wait);
void share_lock_off(struct share *s, uint64_t wait);
int share_drop_locks(struct share *s, uint64_t node, uint64_t owner);
int share_flock(struct share *s, uint64_t fh, int operation);

#endif
