// SPDX-License-Identifier: MIT
/*
 * Kernels that were unpacked. There are two kinds of files:
 *
 *     HASH.vmlinux   what was unpacked from a file with this SHA-256, and behind it, on a page of
 *                    its own, struct trailer
 *     DEV-INO.seen   struct seen: since this host booted, a file with this identity had that hash,
 *                    and its .vmlinux was whole. Its time of modification says when it was last of
 *                    use
 *
 * So a kernel is hashed, and what was made of it checked, once in each run of the host, and again
 * when one of the two files was touched; which also finds what a crash of the host left unwritten.
 * Files are written aside, locked, and get their name when they are whole; nobody writes to them
 * after that, or shortens them: it is safe to map them.
 *
 * After: XDG Base Directory Specification; rename(2), flock(2), utimensat(2);
 * Documentation/admin-guide/sysctl/kernel.rst ("random", boot_id).
 *
 * Left out: fsync(2): a crash of the host costs an unpacking.
 */
#define _GNU_SOURCE
#include "boot/kernel-cache.h"
#include "hw/units.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define LIMIT GIB /* of all together */

#define KERNEL ".vmlinux"
#define SEEN   ".seen"
#define ASIDE  ".new"

enum {
    HASH_TEXT = 2 * SHA256_DIGEST_LENGTH,
    BOOT_ID = 36,
    YOUNG_S = 3, /* a file that changed so lately may change again without another time */
};

struct seen {
    char magic[16];
    char boot[BOOT_ID + 4];
    struct kernel_cache_identity packed, kept;
    char hash[HASH_TEXT + 8];
};

struct trailer {
    char magic[16];
    uint64_t size; /* of what is before it, without the padding to whole pages */
    uint32_t crc;  /* of that */
    uint32_t unused;
    char hash[HASH_TEXT + 8]; /* of the packed file */
    char what[128];
    uint32_t trailer_crc; /* of all before it */
};

static const char seen_magic[16] = "minivm seen 1\n", trailer_magic[16] = "minivm kept 1\n";

static struct kernel_cache_identity identify(const struct stat *st)
{
    return (struct kernel_cache_identity){
        st->st_dev,          st->st_ino,         st->st_size,        st->st_mtim.tv_sec,
        st->st_mtim.tv_nsec, st->st_ctim.tv_sec, st->st_ctim.tv_nsec};
}

/* ---- the directory ---- */

static const char *home(const char *name)
{
    const char *dir = getenv(name);

    return dir && *dir == '/' ? dir : NULL;
}

const char *kernel_cache_path(void)
{
    static char *path;
    const char *xdg = home("XDG_CACHE_HOME"), *user = home("HOME");

    free(path);
    path = NULL;
    if (!xdg && !user)
        return NULL;
    if (asprintf(&path, "%s%s/minivm", xdg ? xdg : user, xdg ? "" : "/.cache") < 0)
        path = NULL;
    return path;
}

/* Does it belong to the user, and can nobody else write to it? */
static bool is_ours(const struct stat *st)
{
    return st->st_uid == geteuid() && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* A descriptor of the directory, which is made if it is not there; or -1. */
static int open_dir(bool make)
{
    const char *path = kernel_cache_path();
    struct stat st;
    int dir;

    if (!path)
        return -1;
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 && errno == ENOENT && make) {
        char *parent = strdup(path);

        *strrchr(parent, '/') = 0;
        mkdir(parent, 0700);
        free(parent);
        mkdir(path, 0700);
        dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (dir >= 0 && (fstat(dir, &st) < 0 || !is_ours(&st))) {
        close(dir);
        dir = -1;
    }
    return dir;
}

/* A file in it that is ours, or -1. */
static int open_file(int dir, const char *name, struct stat *st)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0 && (fstat(fd, st) < 0 || !S_ISREG(st->st_mode) || !is_ours(st))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool has_end(const char *name, const char *end)
{
    size_t n = strlen(name), len = strlen(end);

    return n > len && !strcmp(name + n - len, end);
}

static bool write_at(int fd, uint64_t off, const void *data, uint64_t n)
{
    const char *from = data;

    while (n) {
        ssize_t done = pwrite(fd, from, n, off);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        from += done;
        off += done;
        n -= done;
    }
    return true;
}

/* A new file in it, locked until it is closed: who looks for what was left behind leaves it alone.
 */
static int begin_file(int dir, char name[40])
{
    uint64_t random = 0;
    int fd;

    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        return -1;
    snprintf(name, 40, "%016llx" ASIDE, (unsigned long long)random);
    fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        flock(fd, LOCK_EX | LOCK_NB);
    return fd;
}

/* Give it its name if all went well, else remove it. */
static bool end_file(int dir, const char *aside, const char *name, bool good)
{
    good = good && !renameat(dir, aside, dir, name);
    if (!good)
        unlinkat(dir, aside, 0);
    return good;
}

/* ---- what was seen ---- */

static bool boot_id(char id[BOOT_ID + 4])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, id, BOOT_ID);

    if (fd >= 0)
        close(fd);
    return n == BOOT_ID;
}

static void seen_name(char name[64], const struct kernel_cache_identity *packed)
{
    snprintf(name, 64, "%llx-%llx" SEEN, (unsigned long long)packed->dev,
             (unsigned long long)packed->ino);
}

/* Read a file of that kind whatever it says. */
static bool read_seen(int dir, const char *name, struct seen *seen, struct stat *st)
{
    int fd = open_file(dir, name, st);
    bool good;

    if (fd < 0)
        return false;
    good = pread(fd, seen, sizeof(*seen), 0) == sizeof(*seen) && st->st_size == sizeof(*seen) &&
           !memcmp(seen->magic, seen_magic, sizeof(seen_magic)) &&
           strnlen(seen->hash, sizeof(seen->hash)) == HASH_TEXT;
    close(fd);
    return good;
}

/* The hash of a file that was seen, and is still the same. */
static bool recall(int dir, const struct kernel_cache_identity *packed, struct seen *seen)
{
    char name[64], id[BOOT_ID + 4] = "";
    struct stat st;

    seen_name(name, packed);
    return boot_id(id) && read_seen(dir, name, seen, &st) && !memcmp(seen->boot, id, BOOT_ID) &&
           !memcmp(&seen->packed, packed, sizeof(*packed));
}

static void remember(int dir, const struct kernel_cache_identity *packed,
                     const struct kernel_cache_identity *kept, const char *hash)
{
    struct seen seen = {.packed = *packed, .kept = *kept};
    struct timespec now;
    char name[64], aside[40];
    int fd;

    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec < (time_t)packed->ctime_s + YOUNG_S || !boot_id(seen.boot))
        return;
    memcpy(seen.magic, seen_magic, sizeof(seen_magic));
    memcpy(seen.hash, hash, HASH_TEXT);
    seen_name(name, packed);
    fd = begin_file(dir, aside);
    if (fd < 0)
        return;
    end_file(dir, aside, name, write_at(fd, 0, &seen, sizeof(seen)));
    close(fd);
}

/* ---- the kernels ---- */

static void hash_image(const struct image *img, char hash[HASH_TEXT + 1])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA2_CTX s;

    SHA256Init(&s);
    SHA256Update(&s, img->data, img->size);
    SHA256Final(digest, &s);
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++)
        sprintf(hash + 2 * i, "%02x", digest[i]);
}

static uint32_t crc_of(const void *data, uint64_t n)
{
    return crc32_z(0, data, n);
}

/* The trailer of a file, whose content may still be damaged. */
static bool read_trailer(int fd, const struct stat *st, struct trailer *t)
{
    uint64_t at = (uint64_t)st->st_size - PAGE_SIZE;

    return st->st_size > (off_t)PAGE_SIZE && st->st_size <= (off_t)LIMIT &&
           pread(fd, t, sizeof(*t), at) == sizeof(*t) &&
           !memcmp(t->magic, trailer_magic, sizeof(trailer_magic)) &&
           t->trailer_crc == crc_of(t, offsetof(struct trailer, trailer_crc)) && t->size &&
           t->size <= at && align_up(t->size, PAGE_SIZE) == at;
}

static void kernel_name(char name[HASH_TEXT + 16], const char *hash)
{
    snprintf(name, HASH_TEXT + 16, "%.*s" KERNEL, HASH_TEXT, hash);
}

static void set_image(struct image *to, int fd, const void *map, uint64_t size)
{
    *to = (struct image){.name = to->name, .fd = fd, .data = map, .size = size, .mapped = true};
}

/* Map what was unpacked from a file with that hash; check it unless it is still what it was when
 * that was done. */
static bool map_kernel(int dir, const char *hash, const struct kernel_cache_identity *checked,
                       struct image *to, struct kernel_cache_identity *kept)
{
    char name[HASH_TEXT + 16];
    struct trailer t;
    struct stat st;
    int fd;

    kernel_name(name, hash);
    fd = open_file(dir, name, &st);
    if (fd < 0)
        return false;
    *kept = identify(&st);

    bool good = read_trailer(fd, &st, &t) && !memcmp(t.hash, hash, HASH_TEXT);
    void *map = good ? mmap(NULL, t.size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;

    good = map != MAP_FAILED;
    if (good && !(checked && !memcmp(checked, kept, sizeof(*kept))) &&
        crc_of(map, t.size) != t.crc) {
        munmap(map, t.size);
        good = false;
    }
    if (good) {
        set_image(to, fd, map, t.size);
    } else {
        unlinkat(dir, name, 0);
        close(fd);
    }
    return good;
}

bool kernel_cache_recall(struct kernel_cache_key *key, const struct image *packed, struct image *to)
{
    int dir = open_dir(false);
    struct kernel_cache_identity kept;
    struct seen seen;
    struct stat st;
    char name[64];
    bool found;

    *key = (struct kernel_cache_key){0};
    to->name = packed->name;
    if (!packed->data && !fstat(packed->fd, &st) && S_ISREG(st.st_mode)) {
        key->named = true;
        key->id = identify(&st);
    }
    if (dir < 0)
        return false;
    found = key->named && recall(dir, &key->id, &seen) &&
            map_kernel(dir, seen.hash, &seen.kept, to, &kept);
    if (found) {
        seen_name(name, &key->id);
        utimensat(dir, name, NULL, 0);
        if (memcmp(&kept, &seen.kept, sizeof(kept)))
            remember(dir, &key->id, &kept, seen.hash);
    }
    close(dir);
    return found;
}

bool kernel_cache_find(struct kernel_cache_key *key, const struct image *packed, struct image *to)
{
    int dir = open_dir(true);
    struct kernel_cache_identity kept;
    bool found;

    if (dir < 0)
        return false;
    hash_image(packed, key->hash);
    to->name = packed->name;
    found = map_kernel(dir, key->hash, NULL, to, &kept);
    if (found && key->named)
        remember(dir, &key->id, &kept, key->hash);
    close(dir);
    return found;
}

/* ---- room ---- */

struct listed {
    char name[HASH_TEXT + 16];
    uint64_t size;
    time_t used;
};

struct list {
    struct listed *entry;
    int n;
    uint64_t size;
};

static int by_use(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;

    return x->used < y->used ? -1 : x->used > y->used;
}

static DIR *open_list(int dir)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d && fd >= 0)
        close(fd);
    return d;
}

static void list_kernel(struct list *l, int dir, const char *name)
{
    struct stat st;

    if (strlen(name) >= sizeof(l->entry->name) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    l->entry = realloc(l->entry, (l->n + 1) * sizeof(*l->entry));
    assert(l->entry);
    l->entry[l->n] = (struct listed){.size = st.st_size, .used = st.st_mtim.tv_sec};
    strcpy(l->entry[l->n++].name, name);
    l->size += st.st_size;
}

/* A kernel was also used when one of the files was that it came from. */
static void list_use(struct list *l, int dir, const char *name)
{
    struct seen seen;
    struct stat st;

    if (!read_seen(dir, name, &seen, &st))
        return;
    for (int i = 0; i < l->n; i++)
        if (!strncmp(l->entry[i].name, seen.hash, HASH_TEXT) &&
            l->entry[i].used < st.st_mtim.tv_sec)
            l->entry[i].used = st.st_mtim.tv_sec;
}

/* Call each for the name of each file. */
static void each_name(int dir, void (*each)(struct list *l, int dir, const char *name),
                      struct list *l, const char *end)
{
    DIR *d = open_list(dir);
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (has_end(e->d_name, end))
            each(l, dir, e->d_name);
    if (d)
        closedir(d);
}

/* All kernels, those that were not used for longest first; the caller frees l->entry. */
static void list_all(struct list *l, int dir)
{
    *l = (struct list){0};
    each_name(dir, list_kernel, l, KERNEL);
    each_name(dir, list_use, l, SEEN);
    if (l->n)
        qsort(l->entry, l->n, sizeof(*l->entry), by_use);
}

/* Remove a file aside whose writer is gone. */
static void sweep_aside(struct list *l, int dir, const char *name)
{
    struct stat st;
    int fd = open_file(dir, name, &st);

    (void)l;
    if (fd < 0)
        return;
    if (!flock(fd, LOCK_EX | LOCK_NB))
        unlinkat(dir, name, 0);
    close(fd);
}

/* Remove what was seen of kernels that are not kept any more. */
static void sweep_seen(struct list *l, int dir, const char *name)
{
    struct seen seen;
    struct stat st;
    char kernel[HASH_TEXT + 16];

    (void)l;
    if (read_seen(dir, name, &seen, &st)) {
        kernel_name(kernel, seen.hash);
        if (!fstatat(dir, kernel, &st, AT_SYMLINK_NOFOLLOW))
            return;
    }
    unlinkat(dir, name, 0);
}

/* Make room for so many bytes. */
static void make_room(int dir, uint64_t size)
{
    struct list l;

    each_name(dir, sweep_aside, NULL, ASIDE);
    list_all(&l, dir);
    for (int i = 0; i < l.n && l.size + size > LIMIT; i++) {
        unlinkat(dir, l.entry[i].name, 0);
        l.size -= l.entry[i].size;
    }
    free(l.entry);
    each_name(dir, sweep_seen, NULL, SEEN);
}

/* Write it without its pages of zeros, which take no room then. */
static bool write_content(int fd, const struct image *img)
{
    static const uint8_t zeros[PAGE_SIZE];
    uint64_t from = 0;

    for (uint64_t at = 0; at < img->size; at += PAGE_SIZE) {
        uint64_t n = img->size - at < PAGE_SIZE ? img->size - at : PAGE_SIZE;

        if (memcmp(img->data + at, zeros, n))
            continue;
        if (!write_at(fd, from, img->data + from, at - from))
            return false;
        from = at + n;
    }
    return write_at(fd, from, img->data + from, img->size - from);
}

/* Write what is kept, all of it. */
static bool write_kernel(int fd, const struct kernel_cache_key *key, const struct image *img,
                         const char *what)
{
    struct trailer t = {.size = img->size, .crc = crc_of(img->data, img->size)};
    uint64_t end = align_up(img->size, PAGE_SIZE);

    memcpy(t.magic, trailer_magic, sizeof(trailer_magic));
    memcpy(t.hash, key->hash, HASH_TEXT);
    snprintf(t.what, sizeof(t.what), "%s", what);
    t.trailer_crc = crc_of(&t, offsetof(struct trailer, trailer_crc));
    return !ftruncate(fd, end + PAGE_SIZE) && write_content(fd, img) &&
           write_at(fd, end, &t, sizeof(t));
}

bool kernel_cache_keep(const struct kernel_cache_key *key, struct image *to, const char *what)
{
    uint64_t size = align_up(to->size, PAGE_SIZE) + PAGE_SIZE;
    char name[HASH_TEXT + 16], aside[40];
    void *map = MAP_FAILED;
    struct stat st;
    int dir, fd;

    assert(to->data);
    if (!*key->hash || size > LIMIT || (dir = open_dir(true)) < 0)
        return false;
    make_room(dir, size);
    kernel_name(name, key->hash);
    fd = begin_file(dir, aside);
    if (fd >= 0 && end_file(dir, aside, name, write_kernel(fd, key, to, what)) && !fstat(fd, &st))
        map = mmap(NULL, to->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map != MAP_FAILED) {
        const struct kernel_cache_identity kept = identify(&st);

        if (key->named)
            remember(dir, &key->id, &kept, key->hash);
        size = to->size;
        image_close(to);
        set_image(to, fd, map, size);
    } else if (fd >= 0) {
        close(fd);
    }
    close(dir);
    return map != MAP_FAILED;
}

void kernel_cache_each(void (*each)(const struct kernel_cache_entry *entry, void *to), void *to)
{
    int dir = open_dir(false);
    struct list l;

    if (dir < 0)
        return;
    list_all(&l, dir);
    for (int i = l.n - 1; i >= 0; i--) {
        struct trailer t;
        struct stat st;
        int fd = open_file(dir, l.entry[i].name, &st);
        bool good = fd >= 0 && read_trailer(fd, &st, &t);

        t.what[good ? sizeof(t.what) - 1 : 0] = 0;
        each(&(struct kernel_cache_entry){l.entry[i].size, l.entry[i].used,
                                          good ? t.what : "damaged"},
             to);
        if (fd >= 0)
            close(fd);
    }
    free(l.entry);
    close(dir);
}

static void remove_file(struct list *l, int dir, const char *name)
{
    if (!unlinkat(dir, name, 0) && l)
        l->n++;
}

int kernel_cache_clear(void)
{
    int dir = open_dir(false);
    struct list l = {0};

    if (dir < 0)
        return 0;
    each_name(dir, sweep_aside, NULL, ASIDE);
    each_name(dir, remove_file, NULL, SEEN);
    each_name(dir, remove_file, &l, KERNEL);
    close(dir);
    return l.n;
}
