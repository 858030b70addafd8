// SPDX-License-Identifier: MIT
/*
 * A disk from the driver's side: what each request does, and what wrong ones get.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Block Device".
 */
#define _GNU_SOURCE
#include "hw/virtio-blk.h"
#include "tests/unit/random.h"
#include "tests/unit/test.h"
#include "tests/unit/thread.h"
#include "tests/unit/virtio-driver.h"

#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SECTORS = 1024,
    SIZE = 256,        /* of a queue */
    QUEUE = 0x1000,    /* where the first is, */
    HEADERS = 0x20000, /* a header and a status for each request, */
    DATA = 0x40000,    /* and its data */
    DATA_LEN = 4096,
    RAM = 0x200000,

    IN = 0,
    OUT = 1,
    FLUSH = 4,
    GET_ID = 8,
    DISCARD = 11,
    WRITE_ZEROES = 13,
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct rig {
    struct virtio_blk blk;
    struct disk disk;
    struct worker worker;
    struct event_loop loop;
    struct ram ram;
    struct ring ring[2];
    int interrupts, stills; /* atomic */
    uint8_t model[SECTORS * DISK_SECTOR];
} rig;

static char path[64];

static void interrupt(void *to, int q)
{
    (void)to, (void)q;
    __atomic_add_fetch(&rig.interrupts, 1, __ATOMIC_SEQ_CST);
}

static void still(void *to)
{
    (void)to;
    __atomic_add_fetch(&rig.stills, 1, __ATOMIC_SEQ_CST);
}

/* The host's storage, in the place of the C library's function: it hangs when it is told to. */
static bool hangs; /* atomic */
static sem_t hung, answers;

ssize_t pwritev(int fd, const struct iovec *v, int n, off_t offset)
{
    if (__atomic_exchange_n(&hangs, false, __ATOMIC_SEQ_CST)) {
        sem_post(&hung);
        sem_wait(&answers);
    }
    return syscall(SYS_pwritev, fd, v, n, offset, 0);
}

/* A disk of random bytes, in a machine's main thread or with one of its own. */
static void start(bool read_only, bool in_line, uint64_t features)
{
    strcpy(path, "/var/tmp/minivm-blk.XXXXXX");
    int fd = mkstemp(path);

    for (size_t i = 0; i < sizeof(rig.model); i++)
        rig.model[i] = random64() >> 40;
    CHECK_EQ(write(fd, rig.model, sizeof(rig.model)), sizeof(rig.model));
    fsync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);

    memset(&rig.blk, 0, sizeof(rig.blk));
    rig.interrupts = rig.stills = 0;
    ram_init(&rig.ram, RAM);
    event_init(&rig.loop, &lock);
    if (in_line)
        worker_init_in_line(&rig.worker, &rig.loop);
    else
        worker_init(&rig.worker, 0, still, NULL);
    disk_open(&rig.disk, path, read_only, false);
    virtio_blk_init(&rig.blk, &rig.disk, 2, &(struct virtio_memory){.ram = &rig.ram}, &rig.worker);
    rig.blk.virtio.interrupt = interrupt;
    for (int q = 0; q < 2; q++)
        ring_lay(&rig.ring[q], &rig.ram, QUEUE + q * 0x8000, SIZE);
    driver_start(&rig.blk.virtio, features & rig.blk.virtio.offered, rig.ring, 2);
    worker_start(&rig.worker);
}

static void stop(void)
{
    worker_lock(&rig.worker);
    virtio_reset(&rig.blk.virtio);
    worker_unlock(&rig.worker);
    worker_free(&rig.worker);
    virtio_blk_free(&rig.blk);
    event_free(&rig.loop);
    ram_free(&rig.ram);
    unlink(path);
}

static uint8_t *header(int n)
{
    return ram_at(&rig.ram, HEADERS + 32 * n, 32);
}

static uint8_t *data(int n)
{
    return ram_at(&rig.ram, DATA + DATA_LEN * n, DATA_LEN);
}

/* Describe request n, of three descriptors, and make it available. */
static void add(int q, int n, uint32_t type, uint64_t sector, uint32_t len)
{
    const struct ring *r = &rig.ring[q];
    uint64_t at = HEADERS + 32 * n;
    int in = type == IN || type == GET_ID ? RING_WRITE : 0;

    memset(header(n), 0, 32);
    memcpy(header(n), &type, 4);
    memcpy(header(n) + 8, &sector, 8);
    header(n)[16] = 0xff;
    ring_desc(r, 3 * n, at, 16, RING_NEXT, len ? 3 * n + 1 : 3 * n + 2);
    ring_desc(r, 3 * n + 1, DATA + DATA_LEN * n, len, RING_NEXT | in, 3 * n + 2);
    ring_desc(r, 3 * n + 2, at + 16, 1, RING_WRITE, 0);
    ring_add(&rig.ring[q], 3 * n);
}

/* All that is served by a thread is looked at then. */
static void kick(int q)
{
    if (rig.worker.in_line)
        virtio_kick(&rig.blk.virtio, q);
    else
        event_ring(&rig.blk.again);
}

/* One request; its status. */
static int ask(uint32_t type, uint64_t sector, uint32_t len)
{
    uint32_t head, written;

    add(0, 0, type, sector, len);
    kick(0);
    while (!ring_take(&rig.ring[0], &head, &written))
        sched_yield();
    CHECK_EQ(head, 0);
    CHECK_EQ(written, type == IN || type == GET_ID ? len + 1 : 1);
    return header(0)[16];
}

/* A discard or write-zeroes. */
static int ask_range(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
    memcpy(data(0), &sector, 8);
    memcpy(data(0) + 8, &sectors, 4);
    memcpy(data(0) + 12, &flags, 4);
    return ask(type, 0, 16);
}

static bool disk_is(const uint8_t *bytes)
{
    static uint8_t got[sizeof(rig.model)];
    int fd = open(path, O_RDONLY);
    bool same = read(fd, got, sizeof(got)) == sizeof(got) && !memcmp(got, bytes, sizeof(got));

    close(fd);
    return same;
}

static void requests(void)
{
    for (int in_line = 0; in_line < 2; in_line++) {
        start(false, in_line, UINT64_MAX & ~VIRTIO_BIT(VIRTIO_F_EVENT_IDX));
        CHECK_EQ(virtio_config_read(&rig.blk.virtio, 0, 8), SECTORS);
        CHECK_EQ(virtio_config_read(&rig.blk.virtio, 20, 4), 512);
        CHECK_EQ(virtio_config_read(&rig.blk.virtio, 34, 2), 2);

        CHECK_EQ(ask(IN, 8, DATA_LEN), 0);
        CHECK(!memcmp(data(0), rig.model + 8 * 512, DATA_LEN));
        memset(data(0), 0x5a, 1024);
        CHECK_EQ(ask(OUT, SECTORS - 2, 1024), 0);
        memset(rig.model + (SECTORS - 2) * 512, 0x5a, 1024);
        CHECK_EQ(ask(FLUSH, 0, 0), 0);
        CHECK_EQ(ask_range(DISCARD, 16, 8, 0), 0);
        memset(rig.model + 16 * 512, 0, 8 * 512);
        CHECK_EQ(ask_range(WRITE_ZEROES, 33, 2, 0), 0);
        CHECK_EQ(ask_range(WRITE_ZEROES, 35, 2, 1), 0);
        memset(rig.model + 33 * 512, 0, 4 * 512);
        CHECK_EQ(ask(GET_ID, 0, 20), 0);
        CHECK(!memcmp(data(0), path + 9, 17) && !data(0)[17]);
        CHECK(rig.interrupts >= 7);
        CHECK(disk_is(rig.model));
        CHECK(!virtio_is_broken(&rig.blk.virtio));
        stop();
    }
}

/* Each of these has no effect. */
static void wrong_requests(void)
{
    start(false, true, UINT64_MAX);
    CHECK_EQ(ask(IN, SECTORS, 512), 1);
    CHECK_EQ(ask(IN, SECTORS - 1, 1024), 1);
    CHECK_EQ(ask(OUT, SECTORS, 512), 1);
    CHECK_EQ(ask(OUT, UINT64_MAX / 512 + 1, 512), 1);
    CHECK_EQ(ask(OUT, 0, 513), 1);
    CHECK_EQ(ask(IN, 0, 100), 1);
    CHECK_EQ(ask_range(DISCARD, SECTORS - 1, 2, 0), 1);
    CHECK_EQ(ask_range(DISCARD, UINT64_MAX / 512 + 1, 2, 0), 1);
    CHECK_EQ(ask_range(DISCARD, 0, UINT32_MAX, 0), 1);
    CHECK_EQ(ask_range(DISCARD, 0, 1, 1), 2);
    CHECK_EQ(ask_range(WRITE_ZEROES, 0, UINT32_MAX, 0), 1);
    CHECK_EQ(ask_range(WRITE_ZEROES, 0, 1, 2), 2);
    CHECK_EQ(ask(WRITE_ZEROES, 0, 15), 1);
    CHECK_EQ(ask(DISCARD, 0, 32), 1);
    CHECK_EQ(ask(2, 0, 512), 2);
    CHECK_EQ(ask(UINT32_MAX, 0, 0), 2);
    CHECK(!virtio_is_broken(&rig.blk.virtio));

    /* No place for the status. */
    ring_desc(&rig.ring[0], 0, HEADERS, 16, 0, 0);
    ring_add(&rig.ring[0], 0);
    kick(0);
    CHECK(virtio_is_broken(&rig.blk.virtio));
    CHECK(disk_is(rig.model));
    stop();

    /* Half a header. */
    start(false, true, UINT64_MAX);
    ring_desc(&rig.ring[0], 0, HEADERS, 15, RING_NEXT, 1);
    ring_desc(&rig.ring[0], 1, HEADERS + 16, 1, RING_WRITE, 0);
    ring_add(&rig.ring[0], 0);
    kick(0);
    CHECK(virtio_is_broken(&rig.blk.virtio));
    stop();
}

static void read_only(void)
{
    start(true, true, UINT64_MAX);
    CHECK(rig.blk.virtio.offered & VIRTIO_BIT(5));
    CHECK_EQ(ask(OUT, 0, 512), 1);
    CHECK_EQ(ask_range(DISCARD, 0, 1, 0), 1);
    CHECK_EQ(ask(IN, 0, 512), 0);
    CHECK(disk_is(rig.model));
    stop();
}

/* A driver that knows no flush: each write is flushed, and comes back once. */
static void write_through(void)
{
    for (int in_line = 0; in_line < 2; in_line++) {
        start(false, in_line, 0);
        memset(data(0), 0x77, 1024);
        CHECK_EQ(ask(OUT, 4, 1024), 0);
        CHECK_EQ(ask(OUT, 0, 513), 1);
        CHECK_EQ(ask(IN, 0, 1024), 0);
        memset(rig.model + 4 * 512, 0x77, 1024);
        CHECK(disk_is(rig.model));
        stop();
    }
}

/* Both queues full, of more requests than can be under way. */
static void many(void)
{
    enum {
        N = SIZE / 3
    };

    for (int in_line = 0; in_line < 2; in_line++) {
        start(false, in_line, UINT64_MAX & ~VIRTIO_BIT(VIRTIO_F_EVENT_IDX));
        for (int round = 0; round < 20; round++) {
            int left = 2 * N;
            uint32_t head, written;

            for (int n = 0; n < N; n++) {
                add(0, n, IN, n * 8, DATA_LEN);
                memcpy(ram_at(&rig.ram, HEADERS + 0x8000 + 32 * n, 32), header(n), 32);
                ring_desc(&rig.ring[1], 3 * n, HEADERS + 0x8000 + 32 * n, 16, RING_NEXT, 3 * n + 1);
                ring_desc(&rig.ring[1], 3 * n + 1, DATA + 0x80000 + DATA_LEN * n, DATA_LEN,
                          RING_NEXT | RING_WRITE, 3 * n + 2);
                ring_desc(&rig.ring[1], 3 * n + 2, HEADERS + 0x8010 + 32 * n, 1, RING_WRITE, 0);
                ring_add(&rig.ring[1], 3 * n);
            }
            kick(0);
            kick(1);
            while (left) {
                for (int q = 0; q < 2; q++)
                    while (ring_take(&rig.ring[q], &head, &written)) {
                        CHECK_EQ(written, DATA_LEN + 1);
                        left--;
                    }
                sched_yield();
            }
            for (int n = 0; n < N; n++) {
                CHECK_EQ(header(n)[16], 0);
                CHECK(!memcmp(data(n), rig.model + n * DATA_LEN, DATA_LEN));
                CHECK(!memcmp(ram_at(&rig.ram, DATA + 0x80000 + DATA_LEN * n, DATA_LEN),
                              rig.model + n * DATA_LEN, DATA_LEN));
            }
            int fd = open(path, O_RDONLY);

            posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
            close(fd);
        }
        CHECK(!virtio_is_broken(&rig.blk.virtio));
        stop();
    }
}

static void make_cold(void)
{
    int fd = open(path, O_RDONLY);

    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

static uint16_t used(void)
{
    return ring_get16(&rig.ring[0], rig.ring[0].used + 2);
}

/* The driver writes 0 to the status. */
static void ask_for_reset(void)
{
    worker_lock(&rig.worker);
    virtio_set_status(&rig.blk.virtio, 0, false);
    worker_unlock(&rig.worker);
}

/* It is reset; the driver begins anew. */
static void drive(void)
{
    worker_lock(&rig.worker);
    CHECK_EQ(rig.blk.virtio.s.status, 0);
    CHECK_EQ(rig.blk.virtio.under_way, 0);
    for (int q = 0; q < 2; q++)
        ring_lay(&rig.ring[q], &rig.ram, QUEUE + q * 0x8000, SIZE);
    driver_start(&rig.blk.virtio, rig.blk.virtio.offered, rig.ring, 2);
    worker_unlock(&rig.worker);
}

/* Requests of which some wait for the disk. */
static void add_many(void)
{
    make_cold();
    for (int n = 0; n < 60; n++)
        add(0, n, n % 8 ? IN : FLUSH, n * 8, n % 8 ? DATA_LEN : 0);
}

/* A reset while requests are under way: when it is finished nothing comes back, and nothing is
 * written. */
static void reset(void)
{
    start(false, false, UINT64_MAX);
    for (int round = 0; round < 50; round++) {
        uint16_t index;

        add_many();
        kick(0);
        for (int n = below(200); n; n--)
            sched_yield();
        ask_for_reset();
        index = used();
        while (virtio_is_resetting(&rig.blk.virtio))
            sched_yield();
        memset(data(0), 0, 60 * DATA_LEN);
        for (int n = 0; n < 60; n++)
            header(n)[16] = 0xff;
        make_cold();
        CHECK_EQ(used(), index);
        for (int n = 0; n < 60; n++)
            CHECK_EQ(header(n)[16], 0xff);
        for (int n = 0; n < 60 * DATA_LEN; n++)
            if (data(0)[n]) {
                CHECK(!"written after the reset");
                break;
            }
        drive();
        CHECK_EQ(ask(IN, 0, 512), 0);
    }
    stop();
}

/* Wait until the worker's thread hangs in a write, behind which there are 20 reads. */
static void hang(void)
{
    sem_init(&hung, 0, 0);
    sem_init(&answers, 0, 0);
    __atomic_store_n(&hangs, true, __ATOMIC_SEQ_CST);
    memset(data(0), 0x11, 512);
    add(0, 0, OUT, 8, 512);
    for (int n = 1; n <= 20; n++)
        add(0, n, IN, 0, 512);
    kick(0);
    sem_wait(&hung);
}

/* While the host's storage hangs, all but its requests goes on. */
static void hung_storage(void)
{
    struct virtio *d = &rig.blk.virtio;
    uint8_t before[512];

    start(false, false, UINT64_MAX);
    hang();
    /* The registers are there, also for a CPU that does itself what is done at once. */
    CHECK(worker_try(&rig.worker));
    CHECK_EQ(virtio_config_read(d, 0, 8), SECTORS);
    add(0, 21, IN, 0, 512);
    CHECK(!virtio_try_serve(d, 0));
    CHECK_EQ(d->under_way, 21);
    worker_unlock(&rig.worker);
    worker_end(&rig.worker);

    /* Who wants it to stand still can tell that it does not. */
    worker_hold(&rig.worker);
    CHECK(!worker_is_still(&rig.worker));
    worker_release(&rig.worker);
    CHECK_EQ(used(), 0);

    /* And it goes on where it was. */
    kick(0);
    sem_post(&answers);
    while (used() < 22)
        sched_yield();
    CHECK_EQ(header(0)[16], 0);
    CHECK_EQ(header(21)[16], 0);

    /* A reset begins, and is finished when the write has ended. What came after it is forgotten. */
    ask_for_reset();
    drive();
    hang();
    for (int i = 0; i < 2; i++) {
        ask_for_reset();
        CHECK(d->s.status != 0);
        CHECK(virtio_is_resetting(d));
    }
    add(0, 30, IN, 0, 512);
    kick(0);
    worker_hold(&rig.worker);
    memcpy(before, header(1), 512);
    sem_post(&answers);
    while (virtio_is_resetting(d))
        sched_yield();
    while (!worker_is_still(&rig.worker))
        sched_yield();
    CHECK_EQ(d->s.status, 0);
    CHECK_EQ(used(), 0);
    CHECK(!memcmp(before, header(1), 512));
    while (!__atomic_load_n(&rig.stills, __ATOMIC_SEQ_CST)) /* it says so */
        sched_yield();
    worker_release(&rig.worker);
    drive();
    CHECK_EQ(ask(IN, 8, 512), 0);
    CHECK_EQ(data(0)[0], 0x11);
    stop();
}

/* A disk that stands still has nothing under way, and begins nothing. What came meanwhile is served
 * after, once the queue is looked at. */
static void stands_still(void)
{
    static uint8_t before[RAM];

    start(false, false, UINT64_MAX);
    for (int round = 0; round < 50; round++) {
        add_many();
        kick(0);
        for (int n = below(100); n; n--)
            sched_yield();
        worker_hold(&rig.worker);
        while (!worker_is_still(&rig.worker))
            sched_yield();
        CHECK_EQ(rig.blk.virtio.under_way, 0);
        CHECK_EQ(rig.disk.under_way, 0);
        add(0, 60, GET_ID, 0, 20);
        kick(0);
        memcpy(before, ram_at(&rig.ram, 0, RAM), RAM);
        usleep(500);
        CHECK(worker_is_still(&rig.worker));
        CHECK(!memcmp(before, ram_at(&rig.ram, 0, RAM), RAM));
        worker_release(&rig.worker);
        while ((uint16_t)(used() - rig.ring[0].seen) < 61)
            sched_yield();
        rig.ring[0].seen += 61;
        for (int n = 0; n <= 60; n++)
            CHECK_EQ(header(n)[16], 0);
    }
    stop();
}

/* Random chains with random headers: nothing but errors, and the disk keeps its size. */
static void hostile(void)
{
    start(false, true, UINT64_MAX);
    for (int round = 0; round < 20000; round++) {
        struct ring *r = &rig.ring[0];
        int n = 1 + below(6);

        for (int i = 0; i < 32; i++)
            header(0)[i] = below(4) ? 0 : random64();
        header(0)[0] = below(16);
        for (int i = 0; i < n; i++)
            ring_desc(r, i, below(8) ? i ? DATA + below(0x1000) : HEADERS : random64() >> below(64),
                      below(8) ? i ? 512 * below(20) : 16 : below(1 << 17),
                      (i < n - 1 ? RING_NEXT : 0) | (i > n / 2 ? RING_WRITE : 0), i + 1);
        ring_add(r, 0);
        kick(0);
        if (virtio_is_broken(&rig.blk.virtio)) {
            for (int q = 0; q < 2; q++)
                ring_lay(&rig.ring[q], &rig.ram, QUEUE + q * 0x8000, SIZE);
            driver_start(&rig.blk.virtio, rig.blk.virtio.offered, rig.ring, 2);
        }
    }
    int fd = open(path, O_RDONLY);

    CHECK_EQ(lseek(fd, 0, SEEK_END), SECTORS * 512);
    close(fd);
    stop();
}

/* Each request reads the next one into its header and into the ring: such a guest may not keep the
 * machine's lock for itself, as a worker in line has that. */
static void feeds_itself(void)
{
    struct ring *r = &rig.ring[0];
    uint64_t count;

    start(false, true, 0);
    int fd = open(path, O_WRONLY);

    for (int n = 0; n < SECTORS; n++) {
        uint16_t avail[4] = {0, n + 2};
        uint64_t next[2] = {IN, n + 1};

        CHECK_EQ(pwrite(fd, avail, sizeof(avail), n * 512), sizeof(avail));
        CHECK_EQ(pwrite(fd, next, sizeof(next), n * 512 + sizeof(avail)), sizeof(next));
    }
    close(fd);
    ring_lay(r, &rig.ram, QUEUE, 4);
    driver_start(&rig.blk.virtio, 0, rig.ring, 2);
    memset(header(0), 0, 16);
    ring_desc(r, 0, HEADERS, 16, RING_NEXT, 1);
    ring_desc(r, 1, r->avail, 8, RING_NEXT | RING_WRITE, 2);
    ring_desc(r, 2, HEADERS, 16, RING_NEXT | RING_WRITE, 3);
    ring_desc(r, 3, DATA, 512 - 24 + 1, RING_WRITE, 0);
    ring_add(r, 0);
    kick(0);
    CHECK(!virtio_is_broken(&rig.blk.virtio));
    CHECK(ring_get16(r, r->used + 2) > 1);
    CHECK(ring_get16(r, r->used + 2) < 64);
    /* The rest has its turn. */
    CHECK_EQ(read(rig.blk.again.fd, &count, sizeof(count)), sizeof(count));
    stop();
}

int main(void)
{
    alarm(TEST_LIMIT_S);
    return test_main((struct test[]){
        {requests, "each request does what it says"},
        {wrong_requests, "wrong requests have errors, and no effect"},
        {read_only, "a read-only disk says so, and is"},
        {write_through, "a driver without FLUSH has its writes flushed"},
        {many, "more requests than can be under way all come back, from two queues"},
        {reset, "nothing comes back after a reset"},
        {hung_storage, "storage that hangs holds up nobody, and a reset until it answers"},
        {stands_still, "one that stands still has nothing under way, and goes on after"},
        {hostile, "hostile requests"},
        {feeds_itself, "requests that make requests leave the machine to others now and then"},
        {0},
    });
}
