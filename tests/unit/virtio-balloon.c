// SPDX-License-Identifier: MIT
/*
 * A balloon, from the driver's side.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Traditional Memory Balloon Device".
 */
#include "hw/virtio-balloon.h"
#include "tests/unit/random.h"
#include "tests/unit/test.h"
#include "tests/unit/virtio-driver.h"

#include <unistd.h>

enum {
    SIZE = 64,
    PAGE = 4096,
    LIST = 0x8000, /* where the lists of pages are, and the requests' descriptors */
    FIRST = 16,    /* the first page that is for the balloon, */
    PAGES = 240,   /* and all of RAM */
    INFLATEQ = 0,
    DEFLATEQ = 1,
    REPORTING_VQ = 2,
    QUEUES = 3,
};

static struct rig {
    struct virtio_balloon balloon;
    struct ram ram;
    struct ring ring[QUEUES];
    int interrupts;
    uint64_t wrote, from; /* bytes that changed, and the first of them */
} rig;

static void interrupt(void *to, int q)
{
    (void)to;
    (void)q;
    rig.interrupts++;
}

static void wrote(void *to, uint64_t gpa, uint64_t len)
{
    (void)to;
    if (!rig.wrote)
        rig.from = gpa;
    rig.wrote += len;
}

static void start(void)
{
    memset(&rig, 0, sizeof(rig));
    ram_init(&rig.ram, PAGES * PAGE);
    virtio_balloon_init(&rig.balloon, &(struct virtio_memory){&rig.ram, wrote, NULL}, NULL);
    rig.balloon.virtio.interrupt = interrupt;
    for (int q = 0; q < QUEUES; q++)
        ring_lay(&rig.ring[q], &rig.ram, 0x1000 * (q + 1), SIZE);
    driver_start(&rig.balloon.virtio, rig.balloon.virtio.offered, rig.ring, QUEUES);
    memset(ram_at(&rig.ram, FIRST * PAGE, 1), 0xa5, (PAGES - FIRST) * PAGE);
}

static void stop(void)
{
    virtio_balloon_free(&rig.balloon);
    ram_free(&rig.ram);
}

/* Give a list of pages to a queue. */
static void give(int q, const uint32_t *list, int n)
{
    uint32_t head, written = 1;

    memcpy(ram_at(&rig.ram, LIST, n * sizeof(*list)), list, n * sizeof(*list));
    ring_desc(&rig.ring[q], 0, LIST, n * sizeof(*list), 0, 0);
    ring_add(&rig.ring[q], 0);
    virtio_kick(&rig.balloon.virtio, q);
    CHECK(ring_take(&rig.ring[q], &head, &written));
    CHECK_EQ(written, 0);
}

/* Which of the bytes of a page are there. */
static bool has(int page, int off)
{
    return *(uint8_t *)ram_at(&rig.ram, page * PAGE + off, 1) == 0xa5;
}

static void inflate(void)
{
    start();
    give(INFLATEQ, (uint32_t[]){20, 21, 22, 30, 20}, 5);
    for (int page = FIRST; page < PAGES; page++)
        CHECK_EQ(has(page, 0) && has(page, PAGE - 1), !(page >= 20 && page <= 22) && page != 30);
    CHECK_EQ(rig.from, 20 * PAGE);
    CHECK_EQ(rig.wrote, 5 * PAGE);
    give(DEFLATEQ, (uint32_t[]){40}, 1);
    CHECK(has(40, 0));
    stop();
}

static void hostile(void)
{
    uint32_t list[600];

    start();
    give(INFLATEQ, (uint32_t[]){PAGES - 1, PAGES, PAGES + 1, UINT32_MAX, 0xc0000, 0x100000}, 6);
    CHECK(!has(PAGES - 1, 0));
    CHECK(has(PAGES - 2, PAGE - 1));
    CHECK_EQ(rig.wrote, PAGE);
    for (int i = 0; i < 600; i++)
        list[i] = i % 2 ? (uint32_t)(FIRST + i % (PAGES - FIRST)) : (uint32_t)random64();
    give(INFLATEQ, list, 600);
    CHECK(!virtio_is_broken(&rig.balloon.virtio));
    stop();
}

/* What is reported is given as buffers to be filled, whole pages or not. */
static void reported(void)
{
    struct ring *r = &rig.ring[REPORTING_VQ];
    uint32_t head, written = 1;

    start();
    ring_desc(r, 0, 20 * PAGE, 3 * PAGE, RING_WRITE | RING_NEXT, 1);
    ring_desc(r, 1, 30 * PAGE + 100, 2 * PAGE, RING_WRITE | RING_NEXT, 2);
    ring_desc(r, 2, 40 * PAGE + 1, PAGE - 1, RING_WRITE, 0);
    ring_add(r, 0);
    virtio_kick(&rig.balloon.virtio, REPORTING_VQ);
    CHECK(ring_take(r, &head, &written));
    CHECK_EQ(rig.wrote, 6 * PAGE - 1);
    for (int page = FIRST; page < PAGES; page++)
        CHECK_EQ(has(page, 0) && has(page, PAGE - 1), !(page >= 20 && page <= 22) && page != 31);
    CHECK(!virtio_is_broken(&rig.balloon.virtio));
    stop();
}

/* A driver with many requests: others have their turn, and all are served. */
static void turns(void)
{
    struct ring *r = &rig.ring[REPORTING_VQ];
    uint32_t head, written = 1;
    int served = 0;
    uint64_t rung;

    start();
    for (int i = 0; i < SIZE; i++) {
        ring_desc(r, i, (FIRST + i) * PAGE, PAGE, RING_WRITE, 0);
        ring_add(r, i);
    }
    virtio_kick(&rig.balloon.virtio, REPORTING_VQ);
    while (ring_take(r, &head, &written))
        served++;
    CHECK(served > 0 && served < SIZE);
    for (int i = 0; served < SIZE && i < SIZE; i++) {
        CHECK_EQ(read(rig.balloon.again.fd, &rung, sizeof(rung)), sizeof(rung));
        rig.balloon.again.ready(&rig.balloon.again);
        while (ring_take(r, &head, &written))
            served++;
    }
    CHECK_EQ(served, SIZE);
    stop();
}

static void configuration(void)
{
    struct virtio *d = &rig.balloon.virtio;

    start();
    CHECK_EQ(virtio_config_read(d, 0, 8), 0);
    virtio_balloon_ask(&rig.balloon, 0x1234);
    CHECK_EQ(rig.interrupts, 1);
    CHECK_EQ(virtio_config_read(d, 0, 4), 0x1234);
    virtio_config_write(d, 0, 4, 0x99);
    CHECK_EQ(virtio_config_read(d, 4, 4), 0);
    virtio_config_write(d, 4, 4, 0x777);
    CHECK_EQ(virtio_config_read(d, 0, 4), 0x1234);
    CHECK_EQ(virtio_config_read(d, 4, 4), 0x777);
    virtio_set_status(d, 0, false);
    CHECK_EQ(virtio_config_read(d, 0, 4), 0x1234);
    CHECK_EQ(virtio_config_read(d, 4, 4), 0);
    stop();
}

int main(void)
{
    return test_main((struct test[]){
        {inflate, "pages in the balloon are the host's, and read as zeros"},
        {hostile, "numbers that are no pages of RAM"},
        {reported, "whole pages that are reported are the host's too"},
        {turns, "a driver with many requests leaves others their turn"},
        {configuration, "how large it is to be, and is"},
        {0},
    });
}
