// SPDX-License-Identifier: MIT
/*
 * The split ring, from the driver's side: what the specification promises it, and what a hostile
 * one gets, which is NEEDS_RESET and nothing else.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Basic Facilities of a Virtio Device".
 */
#include "hw/virtio.h"
#include "tests/unit/test.h"
#include "tests/unit/virtio-driver.h"

#define MIB UINT64_C(0x100000)

enum {
    SIZE = 8,          /* of the queue */
    QUEUE = 0x1000,    /* where it is, */
    TABLE = 0x4000,    /* tables of descriptors, */
    OTHER = 0x5000,    /* another one, */
    BUFFERS = 0x10000, /* and data */
};

static const uint64_t INDIRECT = VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC);
static const uint64_t EVENT = VIRTIO_BIT(VIRTIO_F_EVENT_IDX);
static const uint64_t VERSION_1 = VIRTIO_BIT(VIRTIO_F_VERSION_1);

/* A device, its driver's queue, and what either was told. */
static struct rig {
    struct virtio d;
    struct ram ram;
    struct ring ring;
    struct virtq_chain c;
    uint32_t config[2];
    int kicks, starts, resets, interrupts, config_interrupts;
    uint64_t written_at, written; /* what the engine was told of last, and how much in all */
} rig;

static void kicked(struct virtio *d, int q)
{
    (void)d, (void)q;
    rig.kicks++;
}

static void started(struct virtio *d)
{
    (void)d;
    rig.starts++;
}

static void was_reset(struct virtio *d)
{
    CHECK(d == &rig.d);
    rig.resets++;
}

static void config_write(struct virtio *d, uint32_t off, int size, uint32_t val)
{
    (void)d;
    memcpy((char *)rig.config + off, &val, size);
}

static const struct virtio_kind kind = {
    .name = "virtio-test",
    .id = 42,
    .kicked = kicked,
    .started = started,
    .reset = was_reset,
    .config_write = config_write,
};

static void interrupt(void *to, int q)
{
    CHECK(to == &rig);
    *(q == VIRTIO_CONFIG_IRQ ? &rig.config_interrupts : &rig.interrupts) += 1;
}

static void wrote(void *to, uint64_t gpa, uint64_t len)
{
    CHECK(to == &rig);
    rig.written_at = gpa;
    rig.written += len;
}

static void make(uint64_t ram)
{
    struct virtio_memory memory = {&rig.ram, wrote, &rig};

    if (rig.ram.host)
        ram_free(&rig.ram);
    memset(&rig, 0, sizeof(rig));
    ram_init(&rig.ram, ram);
    virtio_init(&rig.d, &kind, VIRTIO_BIT(5), 2, &memory, NULL);
    rig.d.config = rig.config;
    rig.d.config_len = 6;
    rig.d.interrupt = interrupt;
    rig.d.interrupt_to = &rig;
}

static void start(uint64_t features)
{
    make(MIB);
    ring_lay(&rig.ring, &rig.ram, QUEUE, SIZE);
    driver_start(&rig.d, features, &rig.ring, 1);
    CHECK_EQ(rig.d.s.status, 0x0f);
}

static bool pop(void)
{
    return virtq_pop(&rig.d, 0, &rig.c);
}

/* The driver did something that no driver may. */
static void expect_broken(void)
{
    CHECK(!pop());
    CHECK_EQ(rig.d.s.status, 0x4f);
    CHECK_EQ(rig.config_interrupts, 1);
    CHECK_EQ(rig.interrupts, 0);
    CHECK_EQ(ring_get16(&rig.ring, rig.ring.used + 2), 0);

    /* And it can do nothing more until it resets the device. */
    int kicks = rig.kicks;

    virtio_kick(&rig.d, 0);
    CHECK_EQ(rig.kicks, kicks);
    CHECK(!pop());
    CHECK_EQ(rig.config_interrupts, 1);
    virtio_set_status(&rig.d, 0x0f, false);
    CHECK_EQ(rig.d.s.status, 0x4f);
    virtio_set_status(&rig.d, 0, false);
    CHECK_EQ(rig.d.s.status, 0);
    CHECK_EQ(rig.resets, 2);
}

static void one_descriptor(struct ring *r, uint64_t addr, uint32_t len, uint16_t flags)
{
    ring_desc(r, 0, addr, len, flags, 0);
    ring_add(r, 0);
}

static void direct(void)
{
    uint32_t head = 0, len = 0;
    char buf[32] = "";

    start(0);
    CHECK(!pop());
    strcpy(ring_at(&rig.ring, BUFFERS), "Hello ");
    strcpy(ring_at(&rig.ring, BUFFERS + 0x100), "virtio");
    ring_desc(&rig.ring, 5, BUFFERS, 6, RING_NEXT, 2);
    ring_desc(&rig.ring, 2, BUFFERS + 0x100, 6, RING_NEXT, 7);
    ring_desc(&rig.ring, 7, BUFFERS + 0x200, 3, RING_NEXT | RING_WRITE, 1);
    ring_desc(&rig.ring, 1, BUFFERS + 0x300, 100, RING_WRITE, 5);
    ring_add(&rig.ring, 5);
    CHECK(pop());
    CHECK_EQ(rig.c.head, 5);
    CHECK_EQ(rig.c.outs, 2);
    CHECK_EQ(rig.c.ins, 2);
    CHECK_EQ(rig.c.out_len, 12);
    CHECK_EQ(rig.c.in_len, 103);
    CHECK(rig.c.v[3].iov_base == ring_at(&rig.ring, BUFFERS + 0x300));
    CHECK_EQ(rig.c.v[3].iov_len, 100);
    CHECK(!pop());

    CHECK_EQ(chain_read(&rig.c, 0, buf, sizeof(buf)), 12);
    CHECK(!strcmp(buf, "Hello virtio"));
    CHECK_EQ(chain_read(&rig.c, 4, buf, 5), 5);
    CHECK(!memcmp(buf, "o vir", 5));
    CHECK_EQ(chain_read(&rig.c, 12, buf, 1), 0);
    CHECK_EQ(chain_read(&rig.c, SIZE_MAX, buf, 1), 0);
    CHECK_EQ(chain_write(&rig.c, 1, "abcd", 4), 4);
    CHECK(!memcmp(ring_at(&rig.ring, BUFFERS + 0x201), "ab", 2));
    CHECK(!memcmp(ring_at(&rig.ring, BUFFERS + 0x300), "cd", 3));
    CHECK_EQ(chain_write(&rig.c, 101, "abcd", 4), 2);

    CHECK(!ring_take(&rig.ring, &head, &len));
    virtq_push(&rig.d, 0, &rig.c, 5);
    CHECK(ring_take(&rig.ring, &head, &len));
    CHECK_EQ(head, 5);
    CHECK_EQ(len, 5);
    CHECK_EQ(rig.interrupts, 1);
    CHECK_EQ(rig.written, 5);
    CHECK_EQ(rig.written_at, BUFFERS + 0x300);
    CHECK(!ring_take(&rig.ring, &head, &len));
}

static void rounds(void)
{
    uint32_t head = 0, len = 0;

    start(0);
    for (int i = 0; i < 0x20000; i++) {
        one_descriptor(&rig.ring, BUFFERS + i % 64, 1 + i % 7, RING_WRITE);
        CHECK(pop());
        CHECK_EQ(rig.c.in_len, 1 + i % 7);
        virtq_push(&rig.d, 0, &rig.c, i % 2);
        CHECK(ring_take(&rig.ring, &head, &len));
        CHECK_EQ(len, i % 2);
        if (test_failures)
            return;
    }
    CHECK_EQ(rig.interrupts, 0x20000);
}

/* As many requests as there are entries, given back the other way round, and all at once. */
static void out_of_order(void)
{
    uint16_t heads[SIZE];
    uint32_t head = 0, len = 0;

    start(0);
    for (int i = 0; i < SIZE; i++) {
        ring_desc(&rig.ring, i, BUFFERS + i, 1, RING_WRITE, 0);
        ring_add(&rig.ring, i);
    }
    for (int i = 0; i < SIZE; i++) {
        CHECK(pop());
        heads[i] = rig.c.head;
    }
    CHECK(!pop());
    for (int i = SIZE - 1; i >= 0; i--) {
        rig.c.head = heads[i];
        virtq_put(&rig.d, 0, &rig.c, 1);
    }
    CHECK(!ring_take(&rig.ring, &head, &len));
    CHECK_EQ(rig.interrupts, 0);
    virtq_publish(&rig.d, 0);
    virtq_publish(&rig.d, 0);
    CHECK_EQ(rig.interrupts, 1);
    for (int i = SIZE - 1; i >= 0; i--) {
        CHECK(ring_take(&rig.ring, &head, &len));
        CHECK_EQ(head, i);
    }
}

static void indirect(void)
{
    start(INDIRECT);
    ring_entry(&rig.ring, TABLE, 0, BUFFERS, 10, RING_NEXT, 2);
    ring_entry(&rig.ring, TABLE, 2, BUFFERS + 10, 20, RING_NEXT | RING_WRITE, 1);
    ring_entry(&rig.ring, TABLE, 1, BUFFERS + 30, 30, RING_WRITE, 0);
    /* The device ignores the write flag of what refers to a table. */
    one_descriptor(&rig.ring, TABLE, 48, RING_INDIRECT | RING_WRITE);
    CHECK(pop());
    CHECK_EQ(rig.c.outs, 1);
    CHECK_EQ(rig.c.ins, 2);
    CHECK_EQ(rig.c.in_len, 50);

    /* A table may come behind buffers. */
    ring_desc(&rig.ring, 3, BUFFERS + 100, 7, RING_NEXT, 4);
    ring_desc(&rig.ring, 4, TABLE, 48, RING_INDIRECT, 0);
    ring_add(&rig.ring, 3);
    CHECK(pop());
    CHECK_EQ(rig.c.out_len, 17);
    CHECK_EQ(rig.c.in_len, 50);
    CHECK_EQ(rig.c.head, 3);

    /* And be longer than the queue. */
    for (int i = 0; i < VIRTQ_SEGMENTS; i++)
        ring_entry(&rig.ring, TABLE, i, BUFFERS + i, 1, i < 255 ? RING_NEXT : 0, i + 1);
    ring_desc(&rig.ring, 6, TABLE, 16 * VIRTQ_SEGMENTS, RING_INDIRECT, 0);
    ring_add(&rig.ring, 6);
    CHECK(pop());
    CHECK_EQ(rig.c.outs, VIRTQ_SEGMENTS);
    CHECK(!virtio_is_broken(&rig.d));
}

static void flags(void)
{
    start(0);
    for (int i = 0; i < 3; i++) {
        one_descriptor(&rig.ring, BUFFERS, 1, RING_WRITE);
        CHECK(pop());
        ring_no_interrupt(&rig.ring, i == 1);
        virtq_push(&rig.d, 0, &rig.c, 0);
        CHECK_EQ(rig.interrupts, i == 0 ? 1 : i);
    }

    CHECK(!ring_no_notify(&rig.ring));
    virtq_want(&rig.d, 0, false);
    CHECK(ring_no_notify(&rig.ring));
    CHECK(!pop());
    CHECK(ring_no_notify(&rig.ring));
    virtq_want(&rig.d, 0, true);
    CHECK(!ring_no_notify(&rig.ring));
}

static void event_index(void)
{
    start(EVENT);
    CHECK_EQ(ring_avail_event(&rig.ring), 0);
    for (int i = 0; i < 3; i++)
        one_descriptor(&rig.ring, BUFFERS, 1, RING_WRITE);
    CHECK(pop());
    CHECK(pop());
    CHECK_EQ(ring_avail_event(&rig.ring), 0); /* it looks anyway */
    CHECK(pop());
    CHECK(!pop());
    CHECK_EQ(ring_avail_event(&rig.ring), 3);

    /* The flag means nothing then; the index does. */
    ring_no_interrupt(&rig.ring, true);
    ring_used_event(&rig.ring, 1);
    virtq_push(&rig.d, 0, &rig.c, 0);
    CHECK_EQ(rig.interrupts, 0);
    virtq_push(&rig.d, 0, &rig.c, 0);
    CHECK_EQ(rig.interrupts, 1);
    virtq_push(&rig.d, 0, &rig.c, 0);
    CHECK_EQ(rig.interrupts, 1);

    /* A batch that passes it. */
    for (int i = 0; i < 4; i++) {
        one_descriptor(&rig.ring, BUFFERS, 1, RING_WRITE);
        CHECK(pop());
        virtq_put(&rig.d, 0, &rig.c, 0);
    }
    ring_used_event(&rig.ring, 5);
    virtq_publish(&rig.d, 0);
    CHECK_EQ(rig.interrupts, 2);

    virtq_want(&rig.d, 0, false);
    one_descriptor(&rig.ring, BUFFERS, 1, RING_WRITE);
    CHECK(pop());
    CHECK(!pop());
    CHECK_EQ(ring_avail_event(&rig.ring), 3);
    virtq_want(&rig.d, 0, true);
    CHECK_EQ(ring_avail_event(&rig.ring), 8);
}

/* Over the end of 16 bits. */
static void event_index_wraps(void)
{
    int interrupts = 0;

    start(EVENT);
    for (int i = 0; i < 0x10000 + 24; i++) {
        if (i % 5 == 0) {
            ring_used_event(&rig.ring, i + 2);
            interrupts++;
        }
        one_descriptor(&rig.ring, BUFFERS, 1, RING_WRITE);
        CHECK(pop());
        CHECK(!pop());
        CHECK_EQ(ring_avail_event(&rig.ring), (i + 1) & 0xffff);
        virtq_push(&rig.d, 0, &rig.c, 0);
        if (test_failures)
            return;
    }
    CHECK_EQ(rig.interrupts, interrupts);
}

static void negotiation(void)
{
    make(MIB);
    CHECK_EQ(rig.d.offered, INDIRECT | EVENT | VERSION_1 | VIRTIO_BIT(5));
    virtio_set_status(&rig.d, 3, false);
    virtio_set_features(&rig.d, VERSION_1 | VIRTIO_BIT(6), false);
    virtio_set_status(&rig.d, 0x0b, false);
    CHECK_EQ(rig.d.s.status, 3); /* not offered */
    virtio_set_features(&rig.d, VIRTIO_BIT(5), false);
    virtio_set_status(&rig.d, 0x0b, false);
    CHECK_EQ(rig.d.s.status, 3); /* not version 1 */
    virtio_set_status(&rig.d, 0x07, false);
    CHECK_EQ(rig.d.s.status, 3); /* not ready without features */
    CHECK_EQ(rig.starts, 0);
    virtio_set_features(&rig.d, VERSION_1 | VIRTIO_BIT(5), false);
    virtio_set_status(&rig.d, 0x0b, false);
    CHECK_EQ(rig.d.s.status, 0x0b);
    virtio_set_features(&rig.d, VERSION_1, false); /* too late */
    CHECK(virtio_has(&rig.d, 5));
    CHECK(!virtio_is_live(&rig.d));
    virtio_set_status(&rig.d, 0x0f, false);
    CHECK_EQ(rig.d.s.status, 0x0f);
    CHECK_EQ(rig.starts, 1);
    CHECK(virtio_is_live(&rig.d));
    virtio_set_status(&rig.d, 0x8f, false);
    CHECK_EQ(rig.d.s.status, 0x8f);
    CHECK_EQ(rig.starts, 1);
    virtio_set_status(&rig.d, 0, false);
    CHECK_EQ(rig.d.s.status, 0);
    CHECK_EQ(rig.d.s.features, 0);
    CHECK(!virtio_is_live(&rig.d));
}

static void kicks(void)
{
    make(MIB);
    ring_lay(&rig.ring, &rig.ram, QUEUE, SIZE);
    virtio_kick(&rig.d, 0);
    virtio_kick(&rig.d, 1);
    virtio_kick(&rig.d, 2);
    virtio_kick(&rig.d, 0xffff);
    CHECK_EQ(rig.kicks, 0);
    driver_start(&rig.d, 0, &rig.ring, 1);
    CHECK_EQ(rig.kicks, 1); /* it may have had some before */
    virtio_kick(&rig.d, 0);
    CHECK_EQ(rig.kicks, 2);
    virtio_kick(&rig.d, 1);
    CHECK_EQ(rig.kicks, 2);
}

static void legacy(void)
{
    make(MIB);
    ring_lay(&rig.ring, &rig.ram, QUEUE, SIZE);
    virtio_set_status(&rig.d, 3, true);
    virtio_set_features(&rig.d, UINT32_MAX, true);
    CHECK_EQ(rig.d.s.features, INDIRECT | EVENT | VIRTIO_BIT(5) | VIRTIO_BIT(VIRTIO_F_ANY_LAYOUT));
    rig.d.s.q[0].desc = rig.ring.desc;
    rig.d.s.q[0].avail = rig.ring.avail;
    rig.d.s.q[0].used = rig.ring.used;
    rig.d.s.q[0].size = SIZE;
    virtq_enable(&rig.d, 0);
    CHECK(!virtio_is_live(&rig.d));
    CHECK_EQ(rig.starts, 0);
    virtio_kick(&rig.d, 0); /* before it is ready, as it says */
    CHECK_EQ(rig.starts, 1);
    CHECK_EQ(rig.kicks, 1);
    one_descriptor(&rig.ring, BUFFERS, 1, 0);
    CHECK(pop());
    virtio_set_status(&rig.d, 7, true);
    CHECK_EQ(rig.d.s.status, 7);
    CHECK_EQ(rig.starts, 1);
    virtio_set_status(&rig.d, 0, true);
    CHECK_EQ(rig.resets, 1);
    CHECK(!rig.d.s.legacy);
}

/* One that uses both interfaces cannot have what was not offered. */
static void mixed(void)
{
    make(MIB);
    virtio_set_features(&rig.d, VERSION_1 | VIRTIO_BIT(5) | VIRTIO_BIT(6), false);
    virtio_set_status(&rig.d, 7, true);
    CHECK_EQ(rig.starts, 1);
    CHECK_EQ(rig.d.s.features, VERSION_1 | VIRTIO_BIT(5));
}

static void config(void)
{
    make(MIB);
    rig.config[0] = 0x44332211;
    rig.config[1] = 0x88776655;
    CHECK_EQ(virtio_config_read(&rig.d, 0, 4), 0x44332211);
    CHECK_EQ(virtio_config_read(&rig.d, 3, 2), 0x5544);
    CHECK_EQ(virtio_config_read(&rig.d, 4, 4), 0x6655);
    CHECK_EQ(virtio_config_read(&rig.d, 5, 1), 0x66);
    CHECK_EQ(virtio_config_read(&rig.d, 6, 1), 0);
    CHECK_EQ(virtio_config_read(&rig.d, UINT64_MAX, 8), 0);
    virtio_config_write(&rig.d, 1, 2, 0xabcd);
    CHECK_EQ(rig.config[0], 0x44abcd11);
    virtio_config_write(&rig.d, 4, 4, 0);
    virtio_config_write(&rig.d, 6, 1, 0);
    virtio_config_write(&rig.d, UINT64_MAX, 2, 0);
    CHECK_EQ(rig.config[1], 0x88776655);

    virtio_config_changed(&rig.d);
    CHECK_EQ(rig.config_interrupts, 0);
    CHECK_EQ(rig.d.s.generation, 1);
    ring_lay(&rig.ring, &rig.ram, QUEUE, SIZE);
    driver_start(&rig.d, 0, &rig.ring, 1);
    virtio_config_changed(&rig.d);
    CHECK_EQ(rig.config_interrupts, 1);
    CHECK_EQ(rig.d.s.generation, 2); /* no reset makes it go back */
}

/* A request that was taken before the reset is not given back after it. */
static void reset_under_way(void)
{
    start(0);
    one_descriptor(&rig.ring, BUFFERS, 1, RING_WRITE);
    CHECK(pop());
    virtq_put(&rig.d, 0, &rig.c, 1);
    virtio_set_status(&rig.d, 0, false);
    CHECK_EQ(rig.resets, 2);
    virtq_publish(&rig.d, 0);
    virtq_push(&rig.d, 0, &rig.c, 1);
    CHECK_EQ(ring_get16(&rig.ring, rig.ring.used + 2), 0);
    ring_lay(&rig.ring, &rig.ram, QUEUE, SIZE);
    driver_start(&rig.d, 0, &rig.ring, 1);
    virtq_publish(&rig.d, 0);
    CHECK_EQ(ring_get16(&rig.ring, rig.ring.used + 2), 0);
    CHECK_EQ(rig.interrupts, 0);
}

static void carried(void)
{
    struct virtio_state s;
    uint32_t head = 0, len = 0;

    start(EVENT);
    one_descriptor(&rig.ring, BUFFERS, 1, RING_WRITE);
    one_descriptor(&rig.ring, BUFFERS, 1, RING_WRITE);
    CHECK(pop());
    virtq_push(&rig.d, 0, &rig.c, 0);
    s = rig.d.s;
    virtio_set_status(&rig.d, 0, false);
    rig.d.s = s;
    rig.d.dev.restored(&rig.d.dev);
    CHECK(pop());
    virtq_push(&rig.d, 0, &rig.c, 1);
    CHECK(!pop());
    CHECK(ring_take(&rig.ring, &head, &len));
    CHECK(ring_take(&rig.ring, &head, &len));
    CHECK_EQ(len, 1);
}

/* ---- hostile drivers ---- */

static void bad_queues(void)
{
    static const struct {
        uint64_t desc, avail, used;
        uint16_t size;
    } bad[] = {
        {QUEUE, QUEUE + 0x100, QUEUE + 0x200, 0},
        {QUEUE, QUEUE + 0x100, QUEUE + 0x200, 3},
        {QUEUE, QUEUE + 0x2000, QUEUE + 0x3000, 512},
        {QUEUE, QUEUE + 0x2000, QUEUE + 0x3000, 0x8000},
        {QUEUE + 8, QUEUE + 0x100, QUEUE + 0x200, SIZE},
        {QUEUE, QUEUE + 0x101, QUEUE + 0x200, SIZE},
        {QUEUE, QUEUE + 0x100, QUEUE + 0x202, SIZE},
        {MIB - 0x70, QUEUE + 0x100, QUEUE + 0x200, SIZE},
        {QUEUE, MIB - 20, QUEUE + 0x200, SIZE},
        {QUEUE, QUEUE + 0x100, MIB - 68, SIZE},
        {-UINT64_C(16), QUEUE + 0x100, QUEUE + 0x200, SIZE},
        {QUEUE, -UINT64_C(2), QUEUE + 0x200, SIZE},
        {QUEUE, QUEUE + 0x100, RAM_HOLE, SIZE},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        make(MIB);
        ring_lay(&rig.ring, &rig.ram, QUEUE, SIZE);
        rig.ring.desc = bad[i].desc;
        rig.ring.avail = bad[i].avail;
        rig.ring.used = bad[i].used;
        rig.ring.size = bad[i].size;
        driver_start(&rig.d, 0, &rig.ring, 1);
        CHECK_EQ(rig.d.s.status, 0x4f);
        CHECK(!rig.d.s.q[0].enabled);
        CHECK_EQ(rig.kicks, 0);
        CHECK(!pop());
    }
}

static void bad_index(void)
{
    start(0);
    ring_put16(&rig.ring, rig.ring.avail + 2, SIZE + 1);
    expect_broken();
    start(0);
    ring_put16(&rig.ring, rig.ring.avail + 2, -1); /* as if it went back */
    expect_broken();
    start(0);
    ring_add(&rig.ring, SIZE);
    expect_broken();
    start(0);
    ring_add(&rig.ring, 0xffff);
    expect_broken();
}

/* More requests under way than there are entries. */
static void too_many(void)
{
    start(0);
    for (int i = 0; i < SIZE; i++)
        one_descriptor(&rig.ring, BUFFERS, 1, 0);
    for (int i = 0; i < SIZE; i++)
        CHECK(pop());
    one_descriptor(&rig.ring, BUFFERS, 1, 0);
    expect_broken();
}

static void bad_buffers(void)
{
    static const struct {
        uint64_t addr;
        uint32_t len;
    } bad[] = {
        {BUFFERS, 0},    {MIB - 1, 2},    {MIB, 1},
        {UINT64_MAX, 1}, {UINT64_MAX, 2}, {-UINT64_C(0x1000), 0x2000},
        {0, UINT32_MAX}, {RAM_HOLE, 1},   {RAM_HIGH, 1},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        for (int flag = 0; flag <= RING_WRITE; flag += RING_WRITE) {
            start(0);
            one_descriptor(&rig.ring, bad[i].addr, bad[i].len, flag);
            expect_broken();
        }
}

static void hole(void)
{
    make(RAM_HOLE + MIB);
    ring_lay(&rig.ring, &rig.ram, QUEUE, SIZE);
    driver_start(&rig.d, 0, &rig.ring, 1);
    one_descriptor(&rig.ring, RAM_HOLE - 16, 16, RING_WRITE);
    CHECK(pop());
    virtq_push(&rig.d, 0, &rig.c, 16);
    CHECK_EQ(rig.written_at, RAM_HOLE - 16);
    one_descriptor(&rig.ring, RAM_HIGH + 16, 16, RING_WRITE);
    CHECK(pop());
    virtq_push(&rig.d, 0, &rig.c, 16);
    CHECK_EQ(rig.written_at, RAM_HIGH + 16);

    make(RAM_HOLE + MIB);
    ring_lay(&rig.ring, &rig.ram, QUEUE, SIZE);
    driver_start(&rig.d, 0, &rig.ring, 1);
    one_descriptor(&rig.ring, RAM_HOLE - 16, 17, RING_WRITE);
    expect_broken();
}

/* The driver's data comes first, and all of it is less than 4 GiB. */
static void bad_chains(void)
{
    start(0);
    ring_desc(&rig.ring, 0, BUFFERS, 1, RING_WRITE | RING_NEXT, 1);
    ring_desc(&rig.ring, 1, BUFFERS, 1, 0, 0);
    ring_add(&rig.ring, 0);
    expect_broken();

    start(0);
    ring_desc(&rig.ring, 0, BUFFERS, 1, RING_NEXT, SIZE);
    ring_add(&rig.ring, 0);
    expect_broken();

    make(RAM_HOLE);
    ring_lay(&rig.ring, &rig.ram, QUEUE, SIZE);
    driver_start(&rig.d, 0, &rig.ring, 1);
    ring_desc(&rig.ring, 0, 0, 0x80000000, RING_NEXT, 1);
    ring_desc(&rig.ring, 1, 0, 0x80000000, 0, 0);
    ring_add(&rig.ring, 0);
    expect_broken();
}

static void loops(void)
{
    start(0);
    ring_desc(&rig.ring, 0, BUFFERS, 1, RING_NEXT, 0);
    ring_add(&rig.ring, 0);
    expect_broken();

    start(0);
    ring_desc(&rig.ring, 2, BUFFERS, 1, RING_NEXT, 3);
    ring_desc(&rig.ring, 3, BUFFERS, 1, RING_NEXT, 2);
    ring_add(&rig.ring, 2);
    expect_broken();

    start(INDIRECT);
    ring_entry(&rig.ring, TABLE, 0, BUFFERS, 1, RING_NEXT | RING_WRITE, 1);
    ring_entry(&rig.ring, TABLE, 1, BUFFERS, 1, RING_NEXT | RING_WRITE, 0);
    one_descriptor(&rig.ring, TABLE, 32, RING_INDIRECT);
    expect_broken();
}

static void bad_tables(void)
{
    static const struct {
        uint64_t addr;
        uint32_t len;
        uint16_t flags;
    } bad[] = {
        {TABLE, 0, RING_INDIRECT},      {TABLE, 15, RING_INDIRECT},
        {TABLE, 33, RING_INDIRECT},     {TABLE, 32, RING_INDIRECT | RING_NEXT},
        {MIB - 16, 32, RING_INDIRECT},  {UINT64_MAX - 15, 16, RING_INDIRECT},
        {TABLE + 4, 16, RING_INDIRECT}, {OTHER, 16, RING_INDIRECT},
        {OTHER, 32, RING_INDIRECT},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        start(INDIRECT);
        ring_entry(&rig.ring, TABLE, 0, BUFFERS, 1, 0, 0);
        ring_entry(&rig.ring, OTHER, 0, BUFFERS, 1, RING_NEXT, 1);    /* behind its end */
        ring_entry(&rig.ring, OTHER, 1, TABLE, 16, RING_INDIRECT, 0); /* a table in a table */
        one_descriptor(&rig.ring, bad[i].addr, bad[i].len, bad[i].flags);
        expect_broken();
    }
    start(0); /* not negotiated */
    ring_entry(&rig.ring, TABLE, 0, BUFFERS, 1, 0, 0);
    one_descriptor(&rig.ring, TABLE, 16, RING_INDIRECT);
    expect_broken();

    start(INDIRECT); /* one segment too many */
    for (int i = 0; i <= VIRTQ_SEGMENTS; i++)
        ring_entry(&rig.ring, TABLE, i, BUFFERS, 1, i < VIRTQ_SEGMENTS ? RING_NEXT : 0, i + 1);
    one_descriptor(&rig.ring, TABLE, 16 * (VIRTQ_SEGMENTS + 1), RING_INDIRECT);
    expect_broken();
}

int main(void)
{
    return test_main((struct test[]){
        {direct, "a chain of buffers comes and goes"},
        {rounds, "indices go round"},
        {out_of_order, "requests come back in any order, and at once"},
        {indirect, "tables of descriptors are followed"},
        {flags, "flags suppress interrupts and kicks"},
        {event_index, "event indices suppress interrupts and kicks"},
        {event_index_wraps, "event indices go round"},
        {negotiation, "features are agreed on, once"},
        {kicks, "kicks before the driver is ready are not lost"},
        {legacy, "a legacy driver may use queues before it is ready"},
        {mixed, "a driver that mixes both interfaces has only features that were offered"},
        {config, "the device's configuration is read and written within its bounds"},
        {reset_under_way, "nothing is given back after a reset"},
        {carried, "a device goes on where it was saved"},
        {bad_queues, "a queue that is nowhere breaks the device"},
        {bad_index, "so do indices that jump"},
        {too_many, "and more requests than there are entries"},
        {bad_buffers, "and buffers that are not in RAM, or nothing"},
        {hole, "and buffers across the hole in RAM"},
        {bad_chains, "and chains in the wrong order, or too long"},
        {loops, "and loops"},
        {bad_tables, "and tables in tables, odd ones and those that were not agreed on"},
        {0},
    });
}
