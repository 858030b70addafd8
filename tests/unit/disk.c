// SPDX-License-Identifier: MIT
/*
 * Unit tests of the host's side of disks, with real files, and qemu-nbd where it is installed.
 * takes: 10
 */
#define _GNU_SOURCE
#include "hw/disk-image.h"
#include "hw/disk.h"
#include "hw/units.h"
#include "hw/uring.h"
#include "tests/unit/die.h"
#include "tests/unit/random.h"
#include "tests/unit/test.h"
#include "tests/unit/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SIZE = 256 * 1024 + 1536, /* the last cluster of an overlay is a part of one */
    DEPTH = 24
};

static char dir[] = "/var/tmp/minivm-disk.XXXXXX", path[64];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct worker worker;
static struct event_loop main_loop;

/* A request, with its data in two or more pieces. */
static struct slot {
    struct disk_request r;
    struct iovec v[3];
    uint8_t data[96 * 1024];
    int error;
    bool done;
} slot[DEPTH];

static int under_way;

static void done(struct disk_request *r, int error)
{
    struct slot *s = container_of(r, struct slot, r);

    CHECK(!s->done);
    s->done = true;
    s->error = error;
    under_way--;
    event_stop(worker.loop);
}

static bool at_once; /* what ends at once is done so */
static bool keep;    /* the room of what is zeroed */

static bool try(struct disk *d, struct disk_request *r)
{
    worker_lock(&worker);
    bool done = disk_try(d, r);

    worker_unlock(&worker);
    return done;
}

static void hand_in(struct disk *d, struct slot *s, enum disk_op op, uint64_t offset, uint64_t len)
{
    uint64_t data = len < sizeof(s->data) ? len : 0, one = data / 3, two = data / 2;

    s->r =
        (struct disk_request){.op = op, .keep = keep, .offset = offset, .len = len, .done = done};
    s->v[0] = (struct iovec){s->data, one};
    s->v[1] = (struct iovec){s->data + one, two};
    s->v[2] = (struct iovec){s->data + one + two, data - one - two};
    if (op == DISK_READ || op == DISK_WRITE) {
        s->r.iov = s->v;
        s->r.iovs = 3;
    }
    s->done = false;
    under_way++;
    if (!at_once || !try(d, &s->r))
        disk_submit(d, &s->r);
}

static void wait_for_all(void)
{
    while (under_way)
        event_run(worker.loop);
}

/* The disk is asked with its worker's lock. */
static void go(struct disk *d)
{
    worker_lock(&worker);
    disk_go(d);
    worker_unlock(&worker);
}

static void drain(struct disk *d)
{
    worker_lock(&worker);
    disk_drain(d);
    worker_unlock(&worker);
}

/* One request from its beginning to its end. */
static int ask(struct disk *d, enum disk_op op, uint64_t offset, uint64_t len)
{
    hand_in(d, &slot[0], op, offset, len);
    go(d);
    wait_for_all();
    return slot[0].error;
}

static void random_bytes(uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        p[i] = random64() >> 32;
}

/* Make a new file of that name, with these bytes, and go on with it. (What died may have locked the
 * old one.) */
static void make(const char *name, const void *bytes, size_t len)
{
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    unlink(path);
    int fd = open(path, O_RDWR | O_CREAT, 0644);

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, bytes, len), len);
    close(fd);
}

static void make_zeroes(const char *name, size_t len)
{
    make(name, "", 0);
    CHECK_EQ(truncate(path, len), 0);
}

static void still(void *to)
{
    (void)to;
}

/* One whose thread is this one. */
static void make_worker(bool in_line)
{
    event_init(&main_loop, &lock);
    if (in_line)
        worker_init_in_line(&worker, &main_loop);
    else
        worker_init(&worker, 0, still, NULL);
}

static void free_worker(void)
{
    worker_free(&worker);
    event_free(&main_loop);
}

static void start(struct disk *d, bool read_only, bool snapshot, bool in_line)
{
    disk_open(d, path, read_only, snapshot);
    make_worker(in_line);
    disk_attach(d, &worker);
}

static void stop(struct disk *d)
{
    drain(d);
    disk_close(d);
    free_worker();
}

/* Random requests, several at once that do not touch each other, against a model. */
static void compare(struct disk *d, uint8_t *model, int rounds)
{
    uint64_t piece = d->size / DEPTH & -DISK_SECTOR;
    struct {
        enum disk_op op;
        uint64_t offset, len;
    } did[DEPTH];

    for (int round = 0; round < rounds; round++) {
        int n = 1 + below(DEPTH);

        at_once = below(2);
        for (int i = 0; i < n; i++) {
            uint64_t from = below(piece / DISK_SECTOR);
            uint64_t len = 1 + below(piece / DISK_SECTOR - from);
            struct slot *s = &slot[i];

            did[i].op = below(8) ? below(2) : below(5);
            /* What is discarded need not be zeroes, and with qemu-nbd is not. */
            if (did[i].op == DISK_DISCARD && d->fd < 0)
                did[i].op = DISK_ZERO;
            did[i].offset = i * piece + from * DISK_SECTOR;
            did[i].len = did[i].op == DISK_FLUSH ? 0 : len * DISK_SECTOR;
            /* The very end, now and then. */
            if (i == DEPTH - 1)
                did[i].len = did[i].len ? d->size - did[i].offset : 0;
            random_bytes(s->data, did[i].len);
            if (did[i].op == DISK_WRITE)
                memcpy(model + did[i].offset, s->data, did[i].len);
            keep = below(2);
            hand_in(d, s, did[i].op, did[i].offset, did[i].len);
        }
        at_once = keep = false;
        go(d);
        if (below(2))
            drain(d);
        CHECK(!worker.in_line || !under_way);
        wait_for_all();
        for (int i = 0; i < n; i++) {
            CHECK_EQ(slot[i].error, 0);
            if (did[i].op == DISK_READ)
                CHECK(!memcmp(slot[i].data, model + did[i].offset, did[i].len));
            if (did[i].op == DISK_DISCARD || did[i].op == DISK_ZERO)
                memset(model + did[i].offset, 0, did[i].len);
        }
    }
}

/* The file as it is. */
static bool file_is(const uint8_t *bytes, size_t len)
{
    uint8_t *got = malloc(len + 1);
    int fd = open(path, O_RDONLY);
    bool same = read(fd, got, len + 1) == (ssize_t)len && !memcmp(got, bytes, len);

    close(fd);
    free(got);
    return same;
}

/* Forget what the host has of the file in memory: reads must wait, then. */
static void make_cold(void)
{
    int fd = open(path, O_RDWR);

    fsync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

static uint8_t first[SIZE], model[SIZE];

static void make_random(void)
{
    random_bytes(first, SIZE);
    memcpy(model, first, SIZE);
    make("raw", first, SIZE);
}

static void raw(void)
{
    struct disk d;

    for (int in_line = 0; in_line < 2; in_line++) {
        make_random();
        make_cold();
        start(&d, false, false, in_line);
        CHECK_EQ(d.size, SIZE);
        compare(&d, model, 200);
        CHECK(!in_line || !d.ring);
        stop(&d);
        CHECK(file_is(model, SIZE));
    }
}

static void filter(struct sock_filter *f, int n)
{
    struct sock_fprog p = {.len = n, .filter = f};

    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p), 0);
}

/* From now on these system calls fail in this process. */
static void forbid(void)
{
    struct sock_filter f[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_fallocate, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 2, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM), /* as in containers */
    };

    filter(f, sizeof(f) / sizeof(f[0]));
}

/* Likewise: the user has as many descriptors watched as may be. */
static void forbid_watching(void)
{
    struct sock_filter f[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_epoll_ctl, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSPC),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };

    filter(f, sizeof(f) / sizeof(f[0]));
}

static void read_deep(struct disk *d)
{
    for (int i = 0; i < DEPTH; i++)
        hand_in(d, &slot[i], DISK_READ, i * 8192, 8192);
    go(d);
    wait_for_all();
    for (int i = 0; i < DEPTH; i++)
        CHECK(!slot[i].error && !memcmp(slot[i].data, model + i * 8192, 8192));
}

static void on_poor_host(void)
{
    struct disk d;

    forbid();
    make_random();
    make_cold();
    start(&d, false, false, false);
    CHECK_EQ(ask(&d, DISK_ZERO, 1024, 80 * KIB), 0);
    memset(model + 1024, 0, 80 * KIB);
    hand_in(&d, &slot[0], DISK_ZERO, 96 * KIB, 96 * KIB);
    slot[0].r.keep = true;
    go(&d);
    wait_for_all();
    memset(model + 96 * KIB, 0, 96 * KIB);
    /* To discard does nothing here. */
    CHECK_EQ(ask(&d, DISK_DISCARD, 0, 512), 0);
    read_deep(&d);
    CHECK_EQ(ask(&d, DISK_FLUSH, 0, 0), 0);
    CHECK(!d.ring);
    stop(&d);
    CHECK(file_is(model, SIZE));
}

static void unwatched(void)
{
    struct disk d;

    make_random();
    make_cold();
    start(&d, false, false, false);
    forbid_watching();
    read_deep(&d);
    CHECK_EQ(ask(&d, DISK_FLUSH, 0, 0), 0);
    CHECK(!d.ring && d.no_ring);
    stop(&d);
}

static void in_child(void (*test)(void))
{
    int status = -1;

    fflush(stdout);
    pid_t pid = fork();

    if (!pid) {
        test();
        fflush(stdout);
        _exit(test_failures > 0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

/* A host that has neither fallocate() nor io_uring. */
static void poor_host(void)
{
    in_child(on_poor_host);
}

/* One that cannot watch a ring once the guest runs. */
static void full_host(void)
{
    in_child(unwatched);
}

static void snapshot(void)
{
    struct disk d;

    for (int in_line = 0; in_line < 2; in_line++) {
        make_random();
        make_cold();
        chmod(path, 0444);
        start(&d, false, true, in_line);
        CHECK(!d.read_only);
        compare(&d, model, 400);
        stop(&d);
        CHECK(file_is(first, SIZE));
        unlink(path);
    }
}

/* What comes back from a cold file at a deep queue, through the ring where there is one. */
static void deep(void)
{
    struct uring *u = uring_make();
    struct disk d;

    make_random();
    make_cold();
    start(&d, true, false, false);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < DEPTH; i++)
            hand_in(&d, &slot[i], DISK_READ, i * 8192, 8192);
        CHECK_EQ(under_way, DEPTH);
        go(&d);
        if (round == 1)
            drain(&d);
        wait_for_all();
        for (int i = 0; i < DEPTH; i++) {
            CHECK_EQ(slot[i].error, 0);
            CHECK(!memcmp(slot[i].data, first + i * 8192, 8192));
        }
        make_cold();
    }
    CHECK(d.in_memory || !u || d.ring);
    stop(&d);
    if (u)
        uring_free(u);
}

static void outside(void)
{
    struct disk d;

    make_random();
    start(&d, false, false, false);
    CHECK_EQ(ask(&d, DISK_READ, SIZE - 512, 512), 0);
    CHECK_EQ(ask(&d, DISK_READ, SIZE, 512), EINVAL);
    CHECK_EQ(ask(&d, DISK_WRITE, SIZE - 512, 1024), EINVAL);
    CHECK_EQ(ask(&d, DISK_READ, -UINT64_C(512), 1024), EINVAL);
    CHECK_EQ(ask(&d, DISK_DISCARD, 512, -UINT64_C(512)), EINVAL);
    CHECK_EQ(ask(&d, DISK_READ, 1, 512), EINVAL);
    CHECK_EQ(ask(&d, DISK_ZERO, 0, 511), EINVAL);
    CHECK_EQ(ask(&d, DISK_READ, 512, 0), 0);
    CHECK_EQ(ask(&d, DISK_READ, SIZE, 0), 0);
    stop(&d);
    CHECK(file_is(first, SIZE));
}

static void read_only(void)
{
    struct disk d;

    make_random();
    start(&d, true, false, false);
    CHECK(d.read_only);
    /* To a read from such a descriptor some kernels' rings say EAGAIN for ever. */
    CHECK(!(fcntl(d.fd, F_GETFL) & O_NONBLOCK));
    CHECK_EQ(ask(&d, DISK_WRITE, 0, 512), EROFS);
    CHECK_EQ(ask(&d, DISK_DISCARD, 0, 512), EROFS);
    CHECK_EQ(ask(&d, DISK_ZERO, 0, 512), EROFS);
    CHECK_EQ(ask(&d, DISK_FLUSH, 0, 0), 0);
    CHECK_EQ(ask(&d, DISK_READ, 0, 512), 0);
    stop(&d);
    CHECK(file_is(first, SIZE));
}

static void shrunk(void)
{
    struct disk d;
    struct stat st;

    make_random();
    start(&d, false, false, false);
    CHECK_EQ(truncate(path, 8192 + 100), 0);
    CHECK_EQ(ask(&d, DISK_READ, 4096, 4096), 0);
    CHECK_EQ(ask(&d, DISK_READ, 8192, 512), EIO);
    CHECK_EQ(ask(&d, DISK_READ, 65536, 512), EIO);
    CHECK_EQ(ask(&d, DISK_WRITE, 65536, 512), EIO);
    CHECK_EQ(ask(&d, DISK_ZERO, 65536, 512), EIO);
    CHECK_EQ(stat(path, &st), 0);
    CHECK_EQ(st.st_size, 8192 + 100);
    stop(&d);

    make_random();
    start(&d, false, true, false);
    CHECK_EQ(truncate(path, 8192), 0);
    CHECK_EQ(ask(&d, DISK_READ, 65536, 512), EIO);
    CHECK_EQ(ask(&d, DISK_WRITE, 65536, 512), EIO);
    CHECK_EQ(ask(&d, DISK_WRITE, 65536, 4096), 0);
    CHECK_EQ(ask(&d, DISK_READ, 65536, 4096), 0);
    stop(&d);
}

/* Holes are made in the file, and where its room is to be kept there are none. */
static void room(void)
{
    struct disk d;
    struct stat before, after;
    uint8_t *bytes = malloc(4 * MIB);

    memset(bytes, 7, 4 * MIB);
    make("raw", bytes, 4 * MIB);
    start(&d, false, false, false);
    ask(&d, DISK_FLUSH, 0, 0);
    stat(path, &before);
    CHECK_EQ(ask(&d, DISK_DISCARD, 0, MIB), 0);
    stat(path, &after);
    CHECK_EQ(before.st_blocks - after.st_blocks, MIB / 512);
    hand_in(&d, &slot[0], DISK_ZERO, MIB, MIB);
    slot[0].r.keep = true;
    go(&d);
    wait_for_all();
    CHECK_EQ(slot[0].error, 0);
    stat(path, &after);
    CHECK_EQ(before.st_blocks - after.st_blocks, MIB / 512);
    CHECK_EQ(ask(&d, DISK_ZERO, 2 * MIB, MIB), 0);
    stat(path, &after);
    CHECK_EQ(before.st_blocks - after.st_blocks, 2 * MIB / 512);
    stop(&d);
    memset(bytes, 0, 3 * MIB);
    CHECK(file_is(bytes, 4 * MIB));
    free(bytes);
}

/* A file system that is full, or nearly: files may have 64 KiB. */
static void full(void)
{
    struct rlimit whole, little = {64 * KIB, RLIM_INFINITY};
    struct disk d;

    make_random();
    start(&d, false, true, false);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &whole);
    setrlimit(RLIMIT_FSIZE, &little);
    CHECK_EQ(ask(&d, DISK_WRITE, 60 * KIB, 4096), 0);
    CHECK_EQ(ask(&d, DISK_WRITE, 64 * KIB, 4096), EFBIG);
    CHECK_EQ(ask(&d, DISK_WRITE, 64 * KIB + 512, 512), EFBIG);
    CHECK_EQ(ask(&d, DISK_WRITE, 60 * KIB, 8192), EFBIG);
    setrlimit(RLIMIT_FSIZE, &whole);
    CHECK_EQ(ask(&d, DISK_READ, 64 * KIB, 4096), 0);
    CHECK(!memcmp(slot[0].data, first + 64 * KIB, 4096));
    stop(&d);
}

static void formats(void)
{
    static const struct {
        const char *format, *bytes;
        int at, len;
    } known[] = {
        {"qcow2", "QFI\xfb\0\0\0\3", 0, 8},
        {"qcow", "QFI\xfb\0\0\0\1", 0, 8},
        {"vmdk", "KDMV", 0, 4},
        {"vmdk", "# Disk DescriptorFile\n", 0, 22},
        {"vhdx", "vhdxfile", 0, 8},
        {"vpc", "conectix", 0, 8},
        {"vdi", "\x7f\x10\xda\xbe", 64, 4},
        {NULL, "\xeb\x63\x90", 0, 3},
    };
    uint8_t sector[512];

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        memset(sector, 0, sizeof(sector));
        memcpy(sector + known[i].at, known[i].bytes, known[i].len);
        const char *format = disk_format(sector, sizeof(sector));

        CHECK(!format == !known[i].format);
        CHECK(!format || !strcmp(format, known[i].format));
        CHECK(!known[i].format || !disk_format(sector, known[i].at + 3));
    }
}

/* A raw disk stays one, whatever the guest writes. */
static void stays_raw(void)
{
    struct disk d;

    make_random();
    start(&d, false, false, false);
    memset(slot[0].data, 0, 4096);
    memcpy(slot[0].data, "QFI\xfb\0\0\0\3", 8);
    CHECK_EQ(ask(&d, DISK_WRITE, 0, 4096), EPERM);
    CHECK(file_is(first, SIZE));
    memcpy(slot[0].data, "\0FI\xfb\0\0\0\3", 8);
    CHECK_EQ(ask(&d, DISK_WRITE, 0, 4096), 0);
    memcpy(slot[0].data, "QFI\xfb\0\0\0\3", 8);
    CHECK_EQ(ask(&d, DISK_WRITE, 512, 512), 0);
    stop(&d);
    memset(first, 0, 4096);
    memcpy(first, "\0FI\xfb\0\0\0\3", 8);
    memcpy(first + 512, "QFI\xfb\0\0\0\3", 8);
    CHECK(file_is(first, SIZE));
}

static bool dies(bool read_only, bool snapshot, const char *words)
{
    static struct disk d;
    static int unused;

    unused = dup(STDOUT_FILENO);
    close(unused);
    if (setjmp(died)) {
        close_range(unused, ~0U, 0);
        return died_of(path, words);
    }
    disk_open(&d, path, read_only, snapshot);
    disk_close(&d);
    return false;
}

static void refused(void)
{
    snprintf(path, sizeof(path), "%s/none", dir);
    CHECK(dies(false, false, "No such file or directory"));
    strcpy(path, dir);
    CHECK(dies(false, false, "a directory is no disk"));
    CHECK(dies(true, false, "a directory is no disk"));
    strcpy(path, "/dev/null");
    CHECK(dies(false, false, "is no disk"));
    make_zeroes("raw", 0);
    CHECK(dies(false, false, "is empty"));
    make_zeroes("raw", 1000);
    CHECK(dies(false, true, "its 1000 bytes are no whole sectors of 512"));
    make("raw", "QFI\xfb\0\0\0\3", 8);
    CHECK(dies(true, false, "is a qcow2 image"));
    snprintf(path, sizeof(path), "%s/fifo", dir);
    mkfifo(path, 0600);
    CHECK(dies(true, false, "is no disk"));
    unlink(path);
}

static void not_writable(void)
{
    uid_t us = geteuid();
    struct disk d;

    make_zeroes("raw", 4096);
    CHECK_EQ(chmod(dir, 0755) | chmod(path, 0444), 0);
    /* Root may write to all. */
    CHECK_EQ(us ? 0 : seteuid(65534), 0);
    CHECK(dies(false, false, "cannot write to it: Permission denied; to use it as it is: --disk "));
    start(&d, true, false, false);
    CHECK_EQ(ask(&d, DISK_READ, 0, 4096), 0);
    stop(&d);
    start(&d, false, true, false);
    CHECK_EQ(ask(&d, DISK_WRITE, 0, 4096), 0);
    stop(&d);
    CHECK_EQ(seteuid(us), 0);
}

static void locks(void)
{
    static const char *const uses[] = {"has it", "writes to it"};
    char image[sizeof(path)];
    struct disk d, other;

    for (int writes = 0; writes < 2; writes++) {
        make_zeroes("raw", 4096);
        disk_open(&d, path, !writes, false);
        CHECK(dies(false, false, uses[0]));
        for (int snap = 0; snap < 2; snap++) {
            if (writes) {
                CHECK(dies(true, snap, uses[1]));
            } else {
                disk_open(&other, path, true, snap);
                disk_close(&other);
            }
        }
        disk_close(&d);
        disk_open(&d, path, false, false);
        disk_close(&d);
    }

    /* By whichever name. */
    disk_open(&d, path, false, false);
    strcpy(image, path);
    snprintf(path, sizeof(path), "%s/link", dir);
    CHECK_EQ(symlink(image, path), 0);
    CHECK(dies(false, false, "in use: another disk of this guest"));
    disk_close(&d);
}

/* Run a command of the shell, with $image for the disk's path; its status. */
static int shell(const char *command)
{
    setenv("image", path, 1);
    int status = system(command);

    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool no_qemu(void)
{
    bool none = shell("command -v qemu-nbd qemu-img >/dev/null") != 0;

    if (none)
        printf("# not looked at: no qemu-nbd here\n");
    return none;
}

/* QEMU sees our locks, and we see its. */
static void locks_of_qemu(void)
{
    struct disk d;
    char pidfile[80];
    int pid = 0;

    if (no_qemu())
        return;
    make_zeroes("raw", MIB);
    disk_open(&d, path, false, false);
    CHECK_EQ(shell("qemu-io -f raw -c 'write 0 512' $image >/dev/null 2>&1"), 1);
    disk_close(&d);
    disk_open(&d, path, true, false);
    CHECK_EQ(shell("qemu-io -f raw -r -c 'read 0 512' $image >/dev/null 2>&1"), 0);
    CHECK_EQ(shell("qemu-io -f raw -c 'write 0 512' $image >/dev/null 2>&1"), 1);
    disk_close(&d);

    CHECK_EQ(shell("qemu-nbd --fork --pid-file $image.pid -f raw -k $image.socket $image"), 0);
    CHECK(dies(false, false, "in use"));
    CHECK(dies(true, false, "in use"));
    snprintf(pidfile, sizeof(pidfile), "%s.pid", path);
    FILE *f = fopen(pidfile, "r");

    CHECK(f && fscanf(f, "%d", &pid) == 1 && pid > 1 && kill(pid, SIGKILL) == 0);
    fclose(f);
}

static void other_formats(void)
{
    static const char *const format[] = {"qcow2", "vmdk", "vhdx", "vdi"};
    struct disk d;
    char command[256];

    if (no_qemu())
        return;
    for (int i = 0; i < 4; i++)
        for (int in_line = 0; in_line < (i ? 1 : 2); in_line++) {
            snprintf(path, sizeof(path), "%s/disk.%s", dir, format[i]);
            snprintf(command, sizeof(command), "qemu-img create -q -f %s $image %d", format[i],
                     SIZE);
            CHECK_EQ(shell(command), 0);
            memset(model, 0, SIZE);
            start(&d, false, false, in_line);
            CHECK(d.size >= SIZE && d.size < SIZE + MIB && !d.read_only);
            d.size = SIZE;
            compare(&d, model, i ? 50 : 200);
            CHECK_EQ(ask(&d, DISK_FLUSH, 0, 0), 0);
            stop(&d);
            /* It has been let go of, and is whole. */
            CHECK(i > 2 || shell("qemu-img check -q $image") == 0);
            snprintf(command, sizeof(command), "qemu-img convert -O raw $image %s/converted", dir);
            CHECK_EQ(shell(command), 0);
            snprintf(path, sizeof(path), "%s/converted", dir);
            CHECK_EQ(truncate(path, SIZE), 0);
            CHECK(file_is(model, SIZE));
        }
}

static void other_formats_kept(void)
{
    struct disk d;

    if (no_qemu())
        return;
    snprintf(path, sizeof(path), "%s/kept.qcow2", dir);
    CHECK_EQ(shell("qemu-img create -q -f qcow2 $image 256k && cp $image $image.copy"), 0);
    memset(model, 0, SIZE);
    start(&d, false, true, false);
    CHECK(!d.read_only);
    compare(&d, model, 20);
    stop(&d);
    CHECK_EQ(shell("cmp $image $image.copy"), 0);

    start(&d, true, false, false);
    CHECK(d.read_only);
    CHECK_EQ(ask(&d, DISK_WRITE, 0, 512), EROFS);
    CHECK_EQ(ask(&d, DISK_READ, 0, 512), 0);
    CHECK(dies(false, false, "lock"));
    stop(&d);
    CHECK_EQ(shell("cmp $image $image.copy"), 0);
}

/* Without a child there are errors, now and later. */
static void child_dies(void)
{
    struct disk d;

    if (no_qemu())
        return;
    snprintf(path, sizeof(path), "%s/kept.qcow2", dir);
    start(&d, false, false, false);
    CHECK_EQ(ask(&d, DISK_READ, 0, 512), 0);
    kill(d.nbd.child.pid, SIGSTOP);
    for (int i = 0; i < DEPTH; i++)
        hand_in(&d, &slot[i], i % 2 ? DISK_WRITE : DISK_READ, 0, 64 * KIB);
    go(&d);
    CHECK_EQ(under_way, DEPTH);
    kill(d.nbd.child.pid, SIGKILL);
    wait_for_all();
    for (int i = 0; i < DEPTH; i++)
        CHECK_EQ(slot[i].error, EIO);
    CHECK_EQ(ask(&d, DISK_READ, 0, 512), EIO);
    CHECK_EQ(ask(&d, DISK_FLUSH, 0, 0), EIO);
    stop(&d);
}

static void no_child(void)
{
    char *old = strdup(getenv("PATH"));

    make("raw", "QFI\xfb\0\0\0\3", 8);
    setenv("PATH", dir, 1);
    CHECK(dies(false, false,
               "is a qcow2 image, which needs qemu-nbd (Debian: apt-get install "
               "qemu-utils)"));
    make("qemu-nbd", "#!/bin/sh\nexit 1\n", 17);
    chmod(path, 0755);
    snprintf(path, sizeof(path), "%s/raw", dir);
    CHECK(dies(false, false, "qemu-nbd does not answer as it should"));
    setenv("PATH", old, 1);
    free(old);
}

static void forward(void *to, struct disk_request *r, int error)
{
    (void)to;
    r->done(r, error);
}

/* A server that answers what it likes. */
static void mad_server(void)
{
    static const struct {
        const char *answer;
        size_t len;
        bool own_handle;
    } mad[] = {
        {"", 0, false},
        {"\x67\x44\x66\x98\0\0\0\0ABCDEFGH", 16, false},
        {"\x67\x44\x66\x99\0\0\0\0", 8, true},
        {"\x67\x44\x66\x98\0\0\0\0", 8, true},         /* data are cut off */
        {"\x67\x44\x66\x98\xff\xff\xff\xff", 8, true}, /* what error? */
    };

    for (size_t i = 0; i < sizeof(mad) / sizeof(mad[0]); i++) {
        struct disk d = {.size = MIB, .fd = -1};
        int sv[2];
        uint8_t request[28];

        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
        nbd_talk(&d.nbd, sv[0], forward, NULL);
        make_worker(false);
        disk_attach(&d, &worker);
        hand_in(&d, &slot[0], DISK_READ, 0, 512);
        hand_in(&d, &slot[1], DISK_READ, 0, 512);
        go(&d);
        CHECK_EQ(read(sv[1], request, 28), 28);
        CHECK_EQ(write(sv[1], mad[i].answer, mad[i].len), mad[i].len);
        if (mad[i].own_handle)
            CHECK_EQ(write(sv[1], request + 8, 8), 8);
        shutdown(sv[1], SHUT_WR);
        wait_for_all();
        CHECK_EQ(slot[0].error, EIO);
        CHECK_EQ(slot[1].error, EIO);
        free_worker();
        close(sv[1]);
    }
}

/* What is left of the directory. */
static void remove_files(void)
{
    strcpy(path, dir);
    shell("rm -rf $image");
}

int main(void)
{
    alarm(TEST_LIMIT_S);
    if (!mkdtemp(dir))
        return 1;
    int status = test_main((struct test[]){
        {raw, "a raw image holds what was written, many requests at once"},
        {poor_host, "so does one on a host without fallocate and io_uring"},
        {full_host, "or on one that cannot watch the ring"},
        {snapshot, "so does a snapshot, and the image stays as it was"},
        {deep, "reads of what the host has not in memory, through its ring where it has one"},
        {outside, "requests outside the disk, or not of whole sectors, change nothing"},
        {read_only, "a read-only disk"},
        {shrunk, "a file that shrinks gives errors, and does not grow again"},
        {room, "discarded sectors give their room back, zeroed ones only where they may"},
        {full, "a full file system gives errors"},
        {formats, "formats are known by their first bytes"},
        {stays_raw, "a guest cannot make a raw image look like another one"},
        {refused, "what is no disk is refused"},
        {not_writable,
         "what may not be written to is refused, but not to be read, or for a snapshot"},
        {locks, "an image has one writer, or readers"},
        {locks_of_qemu, "also between QEMU and us"},
        {other_formats, "other formats, by qemu-nbd, hold what was written"},
        {other_formats_kept, "and stay as they were, read-only or in a snapshot"},
        {child_dies, "a qemu-nbd that dies gives errors"},
        {no_child, "without qemu-nbd one line says what to install"},
        {mad_server, "a server that answers what it likes gives errors"},
        {0},
    });

    remove_files();
    return status;
}
