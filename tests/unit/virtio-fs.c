// SPDX-License-Identifier: MIT
/*
 * A shared directory from the virtio driver's side: one request, many at once, those that wait, and
 * resets in the middle, also where the host's file system hangs.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "File System Device".
 */
#define _GNU_SOURCE
#include "hw/virtio-fs.h"
#include "tests/unit/fuse.h"
#include "tests/unit/test.h"
#include "tests/unit/thread.h"
#include "tests/unit/virtio-driver.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

enum {
    SIZE = 64,      /* of a queue */
    QUEUE = 0x1000, /* where the first is, */
    SLOT = 0x10000, /* and requests: each has a place for itself and its reply */
    SLOT_LEN = 0x2000,
    REPLY_AT = 0x1000,
    RAM = 0x200000
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct rig {
    struct virtio_fs fs;
    struct helpers helpers;
    struct worker worker;
    struct event_loop loop;
    struct ram ram;
    struct ring ring[2];
    struct watch bell;
} rig;

/* The host's file system, in the place of the C library's function: it hangs when it is told to. */
static bool hangs; /* atomic */
static sem_t hung, answers;

ssize_t preadv(int fd, const struct iovec *v, int n, off_t offset)
{
    if (__atomic_exchange_n(&hangs, false, __ATOMIC_SEQ_CST)) {
        sem_post(&hung);
        sem_wait(&answers);
    }
    return syscall(SYS_preadv, fd, v, n, offset, 0);
}

static void interrupt(void *to, int q)
{
    (void)to, (void)q;
}

static void still(void *to)
{
    (void)to;
}

static void rung(struct watch *w)
{
    uint64_t count;

    CHECK_EQ(read(w->fd, &count, sizeof(count)), sizeof(count));
    virtio_serve(&rig.fs.virtio, 0);
    virtio_serve(&rig.fs.virtio, 1);
}

static void drive(void)
{
    for (int q = 0; q < 2; q++)
        ring_lay(&rig.ring[q], &rig.ram, QUEUE + q * 0x4000, SIZE);
    driver_start(&rig.fs.virtio, 0, rig.ring, 2);
}

static void start(bool in_line)
{
    begin_share(false);
    memset(&rig, 0, sizeof(rig));
    ram_init(&rig.ram, RAM);
    event_init(&rig.loop, &lock);
    helpers_init(&rig.helpers);
    if (in_line)
        worker_init_in_line(&rig.worker, &rig.loop);
    else
        worker_init(&rig.worker, 0, still, NULL);
    virtio_fs_init(&rig.fs, "tag", &fuse, &(struct virtio_memory){.ram = &rig.ram}, &rig.worker,
                   in_line ? NULL : &rig.helpers);
    rig.fs.virtio.interrupt = interrupt;
    drive();
    rig.bell = (struct watch){.fd = eventfd(0, EFD_CLOEXEC), .ready = rung};
    worker_watch(&rig.worker, &rig.bell);
    worker_start(&rig.worker);
}

static void stop(void)
{
    worker_free(&rig.worker);
    helpers_free(&rig.helpers);
    virtio_fs_free(&rig.fs);
    close(rig.bell.fd);
    event_free(&rig.loop);
    ram_free(&rig.ram);
    end_share();
}

static void *slot(int n, int at)
{
    return ram_at(&rig.ram, SLOT + n * SLOT_LEN + at, REPLY_AT);
}

/* Make a request available. */
static void add(int q, int n, uint32_t opcode, uint64_t nodeid, const void *args, size_t len)
{
    struct fuse_in_header h = {sizeof(h) + len, opcode, n + 1, nodeid, 0, 0, 0, 0, 0};
    const struct ring *r = &rig.ring[q];
    uint64_t at = SLOT + n * SLOT_LEN;

    memcpy(slot(n, 0), &h, sizeof(h));
    if (len)
        memcpy((char *)slot(n, 0) + sizeof(h), args, len);
    memset(slot(n, REPLY_AT), 0xee, REPLY_AT);
    ring_desc(r, 2 * n, at, sizeof(h) + len, RING_NEXT, 2 * n + 1);
    ring_desc(r, 2 * n + 1, at + REPLY_AT, REPLY_AT, RING_WRITE, 0);
    ring_add(&rig.ring[q], 2 * n);
}

/* By the worker's thread, or this one. */
static void kick(void)
{
    uint64_t one = 1;

    if (rig.worker.in_line) {
        virtio_kick(&rig.fs.virtio, 0);
        virtio_kick(&rig.fs.virtio, 1);
    } else {
        CHECK_EQ(write(rig.bell.fd, &one, sizeof(one)), sizeof(one));
    }
}

/* Wait for one that comes back; its number. */
static int take(int q)
{
    uint32_t head, len;

    alarm(TEST_LIMIT_S);
    while (!ring_take(&rig.ring[q], &head, &len))
        sched_yield();
    CHECK(!len || len == *(uint32_t *)slot(head / 2, REPLY_AT));
    return head / 2;
}

/* Begin a connection, and look up a file of the host's, with number 0. Its node. */
static uint64_t look(const char *name)
{
    const struct fuse_init_in init = {.major = 7, .minor = 38, .flags = FUSE_POSIX_LOCKS};
    const struct fuse_out_header *h = slot(0, REPLY_AT);

    add(1, 0, FUSE_INIT, 0, &init, sizeof(init));
    kick();
    CHECK_EQ(take(1), 0);
    CHECK_EQ(h->error, 0);
    add(1, 0, FUSE_LOOKUP, 1, name, strlen(name) + 1);
    kick();
    CHECK_EQ(take(1), 0);
    CHECK_EQ(h->error, 0);
    return ((struct fuse_entry_out *)(h + 1))->nodeid;
}

static void reset(void)
{
    worker_lock(&rig.worker);
    virtio_reset(&rig.fs.virtio);
    worker_unlock(&rig.worker);
    while (virtio_is_resetting(&rig.fs.virtio))
        sched_yield();
}

static void requests(void)
{
    for (int in_line = 0; in_line < 2; in_line++) {
        const struct fuse_lk_in lk = {0, 1, {0, 9, F_RDLCK, 1}, 0, 0};
        const struct fuse_out_header *h;
        uint64_t node;

        start(in_line);
        CHECK_EQ(virtio_config_read(&rig.fs.virtio, 0, 4), 0x676174);
        CHECK_EQ(virtio_config_read(&rig.fs.virtio, 36, 4), 1);
        host_file("file", "text");
        node = look("file");
        CHECK(node);
        for (int i = 0; i < 50; i++) {
            for (int n = 1; n < SIZE / 2; n++)
                add(1, n, n % 8 ? FUSE_GETATTR : FUSE_SETLKW, n == 16 ? 77 : node, &lk,
                    n % 8 ? 0 : sizeof(lk));
            kick();
            for (int n = 1; n < SIZE / 2; n++) {
                int done = take(1);

                h = slot(done, REPLY_AT);
                CHECK_EQ(h->unique, done + 1);
                CHECK_EQ(h->error, done == 16 ? -ESTALE : 0);
            }
        }
        add(0, 0, FUSE_FORGET, node, &(struct fuse_forget_in){1}, 8);
        kick();
        CHECK_EQ(take(0), 0);
        add(1, 0, FUSE_GETATTR, node, NULL, 0);
        kick();
        CHECK_EQ(take(1), 0);
        CHECK_EQ(((struct fuse_out_header *)slot(0, REPLY_AT))->error, -ESTALE);
        CHECK(!virtio_is_broken(&rig.fs.virtio));
        stop();
    }
}

/* One owner has a lock, another waits for it, and all others go on meanwhile. */
static void locks_wait(void)
{
    struct fuse_lk_in lk = {0, 1, {0, 9, F_WRLCK, 1}, 0, 0};
    const struct fuse_flush_in flush = {.lock_owner = 1};
    uint64_t node;

    start(false);
    host_file("file", "");
    node = look("file");
    add(1, 0, FUSE_SETLK, node, &lk, sizeof(lk));
    kick();
    CHECK_EQ(take(1), 0);
    lk.owner = 2;
    add(1, 1, FUSE_SETLKW, node, &lk, sizeof(lk));
    kick();
    for (int i = 0; i < 20; i++) {
        add(1, 2, FUSE_GETATTR, node, NULL, 0);
        kick();
        CHECK_EQ(take(1), 2);
        usleep(1000);
    }
    add(1, 2, FUSE_FLUSH, node, &flush, sizeof(flush));
    kick();
    CHECK_EQ(take(1), 2);
    CHECK_EQ(take(1), 1);
    CHECK_EQ(((struct fuse_out_header *)slot(1, REPLY_AT))->error, 0);

    /* A reset forgets who waits, and the locks. */
    lk.owner = 3;
    add(1, 1, FUSE_SETLKW, node, &lk, sizeof(lk));
    kick();
    reset();
    drive();
    node = look("file");
    add(1, 2, FUSE_SETLK, node, &lk, sizeof(lk));
    kick();
    CHECK_EQ(take(1), 2);
    CHECK_EQ(((struct fuse_out_header *)slot(2, REPLY_AT))->error, 0);
    lk.owner = 4;
    add(1, 1, FUSE_SETLKW, node, &lk, sizeof(lk));
    kick();
    stop(); /* with one that waits */
}

/* In line, or where the host has no threads: until another request gives the lock back. */
static void locks_in_line(void)
{
    struct fuse_lk_in lk = {0, 1, {0, 9, F_WRLCK, 1}, 0, 0};
    const struct fuse_out_header *h[3];

    for (int in_line = 0; in_line < 2; in_line++) {
        const struct fuse_interrupt_in interrupt = {.unique = 3};
        uint32_t head, len;
        uint64_t node;

        start(in_line);
        for (int i = 0; i < 3; i++)
            h[i] = slot(i, REPLY_AT);
        if (!in_line)
            rig.fs.helpers = NULL;
        host_file("file", "");
        node = look("file");
        for (int n = 0; n < 3; n++) {
            lk.owner = n + 1;
            add(1, n, FUSE_SETLKW, node, &lk, sizeof(lk));
            kick();
            if (n == 0)
                CHECK_EQ(take(1), 0);
        }
        CHECK_EQ(h[0]->error, 0);
        add(1, 3, FUSE_GETATTR, node, NULL, 0);
        kick();
        CHECK_EQ(take(1), 3);
        CHECK(!ring_take(&rig.ring[1], &head, &len));
        add(0, 4, FUSE_INTERRUPT, 0, &interrupt, sizeof(interrupt));
        kick();
        CHECK_EQ(take(0), 4);
        CHECK_EQ(take(1), 2);
        CHECK_EQ(h[2]->error, -EINTR);
        add(1, 3, FUSE_FLUSH, node, &(struct fuse_flush_in){.lock_owner = 1},
            sizeof(struct fuse_flush_in));
        kick();
        CHECK_EQ(take(1), 3);
        CHECK_EQ(take(1), 1);
        CHECK_EQ(h[1]->error, 0);

        /* A reset forgets who waits. */
        lk.owner = 3;
        add(1, 2, FUSE_SETLKW, node, &lk, sizeof(lk));
        kick();
        reset();
        drive();
        node = look("file");
        add(1, 0, FUSE_SETLKW, node, &lk, sizeof(lk));
        kick();
        CHECK_EQ(take(1), 0);
        lk.owner = 4;
        add(1, 1, FUSE_SETLKW, node, &lk, sizeof(lk));
        kick();
        stop(); /* with one that waits */
    }
}

/* Resets at any moment: what was under way ends before, and is not answered after. */
static void resets(void)
{
    start(false);
    host_file("file", "text");
    for (int i = 0; i < 200; i++) {
        uint64_t node = look("file");

        for (int n = 1; n < SIZE / 2; n++)
            add(1, n, n % 4 ? FUSE_GETATTR : FUSE_SETLKW, node, NULL, 0);
        kick();
        for (int n = below(2000); n; n--)
            sched_yield();
        reset();
        memset(ram_at(&rig.ram, SLOT, 0x100000), 0x55, 0x100000);
        for (int n = below(200); n; n--)
            sched_yield();
        for (int at = 0; at < 0x100000; at += 8)
            if (*(uint64_t *)ram_at(&rig.ram, SLOT + at, 8) != 0x5555555555555555)
                test_failures++;
        CHECK(!test_failures);
        drive();
    }
    stop();
}

/* While a read of the host's hangs, another request is served, and the registers are there. A reset
 * is finished when the read has ended, of which nothing comes back. */
static void hung_host(void)
{
    const struct fuse_out_header *h;
    struct virtio *d = &rig.fs.virtio;
    struct fuse_read_in in = {.size = 4};
    uint64_t node;

    start(false);
    sem_init(&hung, 0, 0);
    sem_init(&answers, 0, 0);
    host_file("file", "text");
    node = look("file");
    add(1, 0, FUSE_OPEN, node, &(struct fuse_open_in){0}, sizeof(struct fuse_open_in));
    kick();
    CHECK_EQ(take(1), 0);
    h = slot(0, REPLY_AT);
    CHECK_EQ(h->error, 0);
    in.fh = ((const struct fuse_open_out *)(h + 1))->fh;

    hangs = true;
    add(1, 1, FUSE_READ, node, &in, sizeof(in));
    add(1, 2, FUSE_GETATTR, node, NULL, 0);
    kick();
    sem_wait(&hung);
    CHECK_EQ(take(1), 2);
    worker_lock(&rig.worker);
    CHECK_EQ(virtio_config_read(d, 0, 4), 0x676174);
    virtio_reset(d);
    CHECK(d->s.status != 0);
    worker_unlock(&rig.worker);
    CHECK(virtio_is_resetting(d));
    worker_hold(&rig.worker);
    CHECK(!worker_is_still(&rig.worker));
    sem_post(&answers);
    while (virtio_is_resetting(d) || !worker_is_still(&rig.worker))
        sched_yield();
    CHECK_EQ(d->s.status, 0);
    CHECK_EQ(ring_get16(&rig.ring[1], rig.ring[1].used + 2), rig.ring[1].seen);
    worker_release(&rig.worker);

    /* What the guest had is closed. */
    drive();
    look("file");
    add(1, 1, FUSE_READ, node, &in, sizeof(in));
    kick();
    CHECK_EQ(take(1), 1);
    h = slot(1, REPLY_AT);
    CHECK(h->error < 0);
    stop();
}

int main(void)
{
    return test_main((struct test[]){
        {requests, "requests are served, many at once, in line and by threads"},
        {locks_wait, "who waits for a lock holds nobody up, and is forgotten by a reset"},
        {locks_in_line, "without helpers who waits for a lock gets it when another gives it back"},
        {hung_host, "a host that hangs holds up nobody, and a reset until it answers"},
        {resets, "after a reset nothing is written to the guest's memory"},
        {0},
    });
}
