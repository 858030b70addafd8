// SPDX-License-Identifier: MIT
/*
 * virtio-console from the driver's side: what it is told of ports, data both ways, a slow reader,
 * the end of input, and drivers that write nonsense.
 *
 *     virtio-console [rounds [seed]]
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Console Device".
 */
#include "hw/virtio-console.h"
#include "hw/worker.h"
#include "tests/unit/random.h"
#include "tests/unit/test.h"
#include "tests/unit/virtio-driver.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    PORTS = 2,
    QUEUES = 2 + 2 * PORTS,
    SIZE = 16,       /* of a queue */
    QUEUE = 0x1000,  /* where the first is, */
    BUFFER = 0x8000, /* and buffers: each queue has as many as entries */
    BUFFER_LEN = 0x100,
    RAM = 0x200000,

    MULTIPORT = 1 << 1,
    EMERGENCY = 8, /* in the configuration */
};

enum {
    CONTROL_IN = 2,
    CONTROL_OUT = 3,
    OUT = 4
}; /* queues */
enum {
    READY = 0,
    ADD = 1,
    PORT_READY = 3,
    CONSOLE = 4,
    RESIZE = 5,
    OPEN = 6,
    NAME = 7
};

static struct end {
    struct test_console t;
    size_t unwritten;
    bool ended;
    uint16_t rows, columns;
} ends[PORTS];

static struct virtio_console v;
static struct ram ram;
static struct ring ring[QUEUES];
static int config_changes;

static size_t unwritten(struct console *c)
{
    return container_of(c, struct end, t.console)->unwritten;
}

static bool ended(struct console *c)
{
    struct end *e = container_of(c, struct end, t.console);

    return e->ended && e->t.next == e->t.nin;
}

static void size(struct console *c, uint16_t *rows, uint16_t *columns)
{
    *rows = container_of(c, struct end, t.console)->rows;
    *columns = container_of(c, struct end, t.console)->columns;
}

static void interrupt(void *to, int q)
{
    (void)to;
    config_changes += q == VIRTIO_CONFIG_IRQ;
}

static void make(void)
{
    const struct virtio_console_end behind[PORTS] = {{NULL, &ends[0].t.console},
                                                     {"minivm.out", &ends[1].t.console}};

    for (int i = 0; i < PORTS; i++) {
        ends[i] = (struct end){.rows = 24 + i, .columns = 80 + i};
        test_console_init(&ends[i].t);
        ends[i].t.console.unwritten = unwritten;
        ends[i].t.console.ended = ended;
        ends[i].t.console.size = size;
    }
    config_changes = 0;
    virtio_console_init(&v, behind, PORTS, &(struct virtio_memory){.ram = &ram}, NULL);
    v.virtio.interrupt = interrupt;
}

static void drive(uint64_t features)
{
    for (int q = 0; q < QUEUES; q++)
        ring_lay(&ring[q], &ram, QUEUE + q * 0x1000, SIZE);
    driver_start(&v.virtio, features, ring, QUEUES);
}

static void start(uint64_t features)
{
    ram_init(&ram, RAM);
    make();
    drive(features);
}

static uint64_t buffer(int q, int n)
{
    return BUFFER + (q * SIZE + n) * BUFFER_LEN;
}

/* Give a buffer of len bytes to be filled; or what is to be taken. */
static void give_room(int q, int n, uint32_t len)
{
    ring_desc(&ring[q], n, buffer(q, n), len, RING_WRITE, 0);
    ring_add(&ring[q], n);
    virtio_kick(&v.virtio, q);
}

static void give(int q, int n, const void *data, uint32_t len)
{
    memcpy(ram_at(&ram, buffer(q, n), len), data, len);
    ring_desc(&ring[q], n, buffer(q, n), len, 0, 0);
    ring_add(&ring[q], n);
    virtio_kick(&v.virtio, q);
}

/* Take what has been filled: its bytes as text. */
static const char *take(int q)
{
    static char text[BUFFER_LEN + 1];
    uint32_t head, len;

    if (!ring_take(&ring[q], &head, &len))
        return NULL;
    CHECK(len <= BUFFER_LEN);
    memcpy(text, ram_at(&ram, buffer(q, head), len), len);
    text[len] = 0;
    return text;
}

static bool took(int q, const char *text)
{
    const char *got = take(q);

    return got && !strcmp(got, text);
}

static void tell(uint32_t id, uint16_t event, uint16_t value)
{
    struct {
        uint32_t id;
        uint16_t event, value;
    } m = {id, event, value};

    give(CONTROL_OUT, ring[CONTROL_OUT].added % SIZE, &m, sizeof(m));
    take(CONTROL_OUT);
}

/* Is the next message this one, with so many bytes behind it? */
static bool told(uint32_t id, uint16_t event, uint16_t value, const void *more, uint32_t len)
{
    uint32_t head, n;
    uint8_t want[BUFFER_LEN];

    memcpy(want, &id, 4);
    memcpy(want + 4, &event, 2);
    memcpy(want + 6, &value, 2);
    if (len)
        memcpy(want + 8, more, len);
    return ring_take(&ring[CONTROL_IN], &head, &n) && n == 8 + len &&
           !memcmp(ram_at(&ram, buffer(CONTROL_IN, head), n), want, n);
}

static void type(int port, const char *text)
{
    while (*text)
        test_console_type(&ends[port].t, (uint8_t)*text++);
}

static void test_handshake(void)
{
    static const uint16_t sizes[2] = {24, 80}, later[2] = {50, 132};

    start(MULTIPORT);
    CHECK_EQ(virtio_config_read(&v.virtio, 0, 4), 24 << 16 | 80);
    CHECK_EQ(virtio_config_read(&v.virtio, 4, 4), PORTS);
    tell(0, READY, 1);
    CHECK(!take(CONTROL_IN));
    for (int i = 0; i < SIZE; i++)
        give_room(CONTROL_IN, i, BUFFER_LEN);
    CHECK(told(0, ADD, 1, NULL, 0));
    CHECK(told(1, ADD, 1, NULL, 0));
    CHECK(!take(CONTROL_IN));
    tell(0, PORT_READY, 1);
    CHECK(told(0, CONSOLE, 1, NULL, 0));
    CHECK(told(0, OPEN, 1, NULL, 0));
    CHECK(told(0, RESIZE, 1, sizes, sizeof(sizes)));
    tell(1, PORT_READY, 1);
    CHECK(told(1, OPEN, 1, NULL, 0));
    CHECK(told(1, NAME, 1, "minivm.out", 10));
    CHECK(!take(CONTROL_IN));

    tell(0, OPEN, 1);
    ends[0].rows = 50;
    ends[0].columns = 132;
    console_resized(&ends[0].t.console);
    CHECK(told(0, RESIZE, 1, later, sizeof(later)));
    CHECK_EQ(config_changes, 0);
    tell(PORTS, PORT_READY, 1);
    tell(UINT32_MAX, OPEN, 1);
    CHECK(!take(CONTROL_IN));
    ram_free(&ram);
}

static void test_input(void)
{
    start(MULTIPORT);
    type(1, "ab");
    give_room(OUT, 0, 4);
    CHECK(!take(OUT)); /* it is not open */
    tell(1, OPEN, 1);
    CHECK(took(OUT, "ab"));
    test_console_type(&ends[1].t, CONSOLE_BREAK);
    type(1, "cdefgh");
    CHECK(!take(OUT)); /* no buffer */
    give_room(OUT, 1, 4);
    CHECK(took(OUT, "cdef"));
    give_room(OUT, 2, 1);
    CHECK(took(OUT, "g"));
    ends[1].ended = true;
    for (int i = 0; i < 4; i++)
        give_room(CONTROL_IN, i, BUFFER_LEN);
    CHECK(!take(CONTROL_IN)); /* a byte is left */
    give_room(OUT, 3, 4);
    CHECK(took(OUT, "h"));
    CHECK(told(1, OPEN, 0, NULL, 0));
    give_room(OUT, 4, 4);
    ends[1].t.console.arrived(ends[1].t.console.to);
    CHECK(!take(CONTROL_IN)); /* once */

    /* What had no buffer is the next driver's. */
    ram_free(&ram);
    start(MULTIPORT);
    tell(1, OPEN, 1);
    type(1, "xyz");
    drive(MULTIPORT);
    tell(1, OPEN, 1);
    give_room(OUT, 0, 4);
    CHECK(took(OUT, "xyz"));
    ram_free(&ram);
}

static void test_large_input(void)
{
    enum {
        LEN = 1000
    };
    uint32_t head, n = 0;

    start(MULTIPORT);
    tell(1, OPEN, 1);
    for (int i = 0; i < LEN; i++)
        test_console_type(&ends[1].t, i * 7 & 0xff);
    ring_desc(&ring[OUT], 0, 0x100000, 10000, RING_WRITE, 0);
    ring_add(&ring[OUT], 0);
    virtio_kick(&v.virtio, OUT);
    CHECK(ring_take(&ring[OUT], &head, &n));
    CHECK_EQ(n, LEN);
    for (int i = 0; i < LEN; i++)
        CHECK_EQ(*(uint8_t *)ram_at(&ram, 0x100000 + i, 1), (i * 7 & 0xff));
    ram_free(&ram);
}

static void test_output(void)
{
    start(MULTIPORT);
    give(OUT + 1, 0, "hello ", 6);
    CHECK(take(OUT + 1));
    ends[1].unwritten = 1000000;
    give(OUT + 1, 1, "wo", 2);
    give(OUT + 1, 2, "rld", 3);
    CHECK(!take(OUT + 1));
    CHECK(!strcmp(ends[1].t.out, "hello "));
    give(1, 0, "other", 5);
    CHECK(!strcmp(ends[0].t.out, "other"));
    ends[1].unwritten = 0;
    virtio_console_drained(&v);
    CHECK(take(OUT + 1));
    CHECK(take(OUT + 1));
    CHECK(!strcmp(ends[1].t.out, "hello world"));

    /* Nobody sends so much at once. */
    for (int i = 0; i < 2; i++)
        ring_desc(&ring[1], i, 0x80000, 0x90000, i ? 0 : RING_NEXT, 1);
    ring_add(&ring[1], 0);
    virtio_kick(&v.virtio, 1);
    CHECK(virtio_is_broken(&v.virtio));
    ram_free(&ram);
}

/* A console that has blocks, of which each byte is what follows the last. */
static uint8_t block_next;
static size_t block_left, blocks;

static size_t take_block(struct console *c, void *buf, size_t n)
{
    (void)c;
    n = n < block_left ? n : block_left;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)buf)[i] = block_next++;
    block_left -= n;
    blocks++;
    return n;
}

static void test_blocks(void)
{
    enum {
        LEN = 5000
    };
    uint32_t head, n = 0;
    const uint8_t *got;

    start(MULTIPORT);
    ends[1].t.console.take = take_block;
    block_next = 0;
    block_left = LEN;
    blocks = 0;
    tell(1, OPEN, 1);
    for (int i = 0; i < 2; i++)
        ring_desc(&ring[OUT], i, 0x100000 + i * 0x1000, 0x1000, RING_WRITE | (i ? 0 : RING_NEXT),
                  1);
    ring_add(&ring[OUT], 0);
    virtio_kick(&v.virtio, OUT);
    CHECK(ring_take(&ring[OUT], &head, &n));
    CHECK_EQ(n, LEN);
    CHECK_EQ(blocks, 2);
    got = ram_at(&ram, 0x100000, LEN);
    for (int i = 0; i < LEN; i++)
        CHECK_EQ(got[i], (i & 0xff));

    /* A request that nothing is there for waits, and more is not read than a request's share. */
    ring_add(&ring[OUT], 0);
    virtio_kick(&v.virtio, OUT);
    CHECK(!ring_take(&ring[OUT], &head, &n));
    block_left = 10;
    ends[1].t.console.arrived(ends[1].t.console.to);
    CHECK(ring_take(&ring[OUT], &head, &n) && n == 10);
    ring_desc(&ring[OUT], 2, 0x100000, 0x80000, RING_WRITE, 0);
    ring_add(&ring[OUT], 2);
    block_left = 0x80000;
    virtio_kick(&v.virtio, OUT);
    CHECK(ring_take(&ring[OUT], &head, &n) && n == 0x10000);
    CHECK_EQ(block_left, 0x70000);
    ram_free(&ram);
}

/* Served by a thread, a guest that always has one more request does not keep it from the rest. */
static void test_turns(void)
{
    struct worker worker;
    const struct virtio_console_end behind = {"minivm.out", &ends[0].t.console};
    uint64_t count;
    int puts = 0;

    ram_init(&ram, RAM);
    ends[0] = (struct end){0};
    test_console_init(&ends[0].t);
    worker_init(&worker, 1, NULL, NULL);
    virtio_console_init(&v, &behind, 1, &(struct virtio_memory){.ram = &ram}, &worker);
    v.virtio.interrupt = interrupt;
    for (int q = 0; q < 4; q++)
        ring_lay(&ring[q], &ram, QUEUE + q * 0x1000, q < 2 ? 64 : SIZE);
    driver_start(&v.virtio, MULTIPORT, ring, 4);
    ring_desc(&ring[1], 0, BUFFER, 1, 0, 0);
    for (int i = 0; i < 64; i++)
        ring_add(&ring[1], 0);
    virtio_serve(&v.virtio, 1);
    CHECK_EQ(ends[0].t.nout, 64);
    CHECK(read(v.again.fd, &count, sizeof(count)) == sizeof(count));
    for (uint32_t head, n; ring_take(&ring[1], &head, &n); puts++)
        ring_add(&ring[1], 0);
    CHECK_EQ(puts, 64);
    v.again.ready(&v.again);
    CHECK_EQ(ends[0].t.nout, 128);
    worker_free(&worker);
    virtio_console_free(&v);
    ram_free(&ram);
}

static void test_single(void)
{
    start(0);
    give(1, 0, "$ ", 2);
    CHECK(!strcmp(ends[0].t.out, "$ "));
    type(0, "ls\n");
    give_room(0, 0, 8);
    CHECK(took(0, "ls\n"));
    tell(0, READY, 1);
    give_room(CONTROL_IN, 0, BUFFER_LEN);
    CHECK(!take(CONTROL_IN));
    ends[0].ended = true;
    ends[0].t.console.arrived(ends[0].t.console.to);
    ends[0].rows = 10;
    console_resized(&ends[0].t.console);
    CHECK_EQ(config_changes, 1);
    CHECK_EQ(virtio_config_read(&v.virtio, 0, 4), 10 << 16 | 80);
    ram_free(&ram);
}

static void test_emergency(void)
{
    ram_init(&ram, RAM);
    make();
    virtio_config_write(&v.virtio, EMERGENCY, 4, '!');
    virtio_config_write(&v.virtio, EMERGENCY, 1, '?');
    virtio_config_write(&v.virtio, 0, 4, 'x');
    ends[0].unwritten = 1000000;
    virtio_config_write(&v.virtio, EMERGENCY, 4, 'x');
    CHECK(!strcmp(ends[0].t.out, "!?"));
    ram_free(&ram);
}

static void fuzz_step(void)
{
    int q = below(QUEUES), n = below(SIZE);
    uint16_t flags = below(8) ? (q % 2 ? 0 : RING_WRITE) : below(8);
    struct end *e = &ends[below(PORTS)];

    switch (below(8)) {
    case 0:
        if (e->t.nin < 1000)
            test_console_type(&e->t, below(0x101));
        break;
    case 1:
        e->unwritten = below(2) * 100000;
        virtio_console_drained(&v);
        break;
    case 2:
        tell(below(PORTS + 1), below(9), below(2));
        break;
    case 3:
        console_resized(&e->t.console);
        e->ended |= below(50) == 0;
        break;
    case 4:
        if (below(8) == 0)
            drive(below(8) ? MULTIPORT : 0);
        virtio_config_write(&v.virtio, below(16), 1 << below(3), below(256));
        break;
    default:
        ring_desc(&ring[q], n, below(64) ? buffer(q, n) : below(2 * RAM), below(300), flags,
                  below(SIZE));
        ring_add(&ring[q], below(64) ? n : (int)below(100));
        virtio_kick(&v.virtio, q);
    }
    e->t.nout = 0;
}

static int rounds = 300;

static void test_fuzz(void)
{
    ram_init(&ram, RAM);
    for (int i = 0; i < rounds; i++) {
        make();
        drive(MULTIPORT);
        for (int step = 0; step < 300; step++)
            fuzz_step();

        /* It works after a reset, and has all input that it had not given away. */
        drive(MULTIPORT);
        ends[1].unwritten = 0;
        ends[1].t.nout = 0;
        give(OUT + 1, 0, "fine", 4);
        CHECK(!strcmp(ends[1].t.out, "fine"));
    }
    ram_free(&ram);
}

int main(int argc, char **argv)
{
    rounds = argc > 1 ? atoi(argv[1]) : rounds;
    seed ^= argc > 2 ? strtoull(argv[2], NULL, 0) << 8 : 0;
    return test_main((struct test[]){
        {test_handshake, "the driver is told of consoles, names and sizes"},
        {test_input, "input waits for a reader and for buffers, and its end comes behind it"},
        {test_large_input, "input of many bytes"},
        {test_blocks, "input of a console that has blocks"},
        {test_turns, "queues have turns"},
        {test_output, "output waits for a slow reader of its port only"},
        {test_single, "a driver of a single console"},
        {test_emergency, "emergency writes"},
        {test_fuzz, "drivers that write nonsense"},
        {0},
    });
}
