// SPDX-License-Identifier: MIT
/*
 * A network card between a driver that writes all kinds of nonsense to its rings, and a peer that
 * sends all kinds of nonsense. It touches nothing but RAM, the peer gets whole frames only, and
 * after a reset the card works again. Every other time it has two links like a tap's in place of
 * the peer, and commands.
 *
 *     virtio-net-fuzz [rounds [seed]]
 */
#define _GNU_SOURCE
#include "hw/passt.h"
#include "hw/virtio-net.h"
#include "tests/unit/fuzz.h"
#include "tests/unit/test.h"
#include "tests/unit/virtio-driver.h"

#include <endian.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    STEPS = 200,
    SIZE = 16,
    QUEUE = 0x1000,
    BUFFERS = 0x10000,
    QUEUES = 5, /* of the card like a tap's */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct virtio_net net;
static struct passt passt;
static struct worker worker;
static struct event_loop loop;
static struct ram ram;
static struct ring ring[QUEUES];
static struct link taplike[2];
static int queues;
static int peer;
static uint8_t heard[1 << 20]; /* by the peer, and is no whole frame yet */
static size_t heard_len;

static void interrupt(void *to, int q)
{
    (void)to, (void)q;
}

static void sink(struct link *l, const struct link_header *h, const struct iovec *v, int count,
                 size_t len)
{
    (void)l, (void)h;
    CHECK(len >= LINK_FRAME_MIN && len <= LINK_FRAME_MAX);
    for (int i = 0; i < count; i++) {
        CHECK(len >= v[i].iov_len);
        len -= v[i].iov_len;
    }
    CHECK_EQ(len, 0);
}

static void nothing(struct link *l)
{
    (void)l;
}

static void offload(struct link *l, int takes)
{
    (void)l, (void)takes;
}

static void use(struct link *l, bool on)
{
    (void)on;
    CHECK(l == &taplike[0] || l == &taplike[1]);
}

static const struct link_kind kind = {.send = sink,
                                      .receive = nothing,
                                      .resume = nothing,
                                      .offload = offload,
                                      .use = use,
                                      .close = nothing};

static void make_taplike(void)
{
    queues = QUEUES;
    peer = -1;
    for (int i = 0; i < 2; i++)
        link_init(&taplike[i], &kind, eventfd(0, EFD_NONBLOCK));
    virtio_net_init(
        &net, &(struct virtio_net_options){{&taplike[0], &taplike[1]}, 2, {2}, PASST_MTU, false},
        &(struct virtio_memory){.ram = &ram}, &worker);
    net.virtio.interrupt = interrupt;
}

static void make(void)
{
    int pair[2];

    queues = 2;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    peer = pair[1];
    heard_len = 0;
    passt_talk(&passt, pair[0]);
    virtio_net_init(&net, &(struct virtio_net_options){{&passt.link}, 1, {2}, PASST_MTU, false},
                    &(struct virtio_memory){.ram = &ram}, &worker);
    net.virtio.interrupt = interrupt;
}

static void unmake(void)
{
    for (int i = 0; i < net.pairs; i++)
        worker_unwatch(&worker, &net.pair[i].link->watch);
    virtio_net_free(&net);
    if (peer >= 0)
        close(peer);
}

static void start(uint64_t features)
{
    for (int q = 0; q < queues; q++)
        ring_lay(&ring[q], &ram, QUEUE + q * 0x1000, SIZE);
    driver_start(&net.virtio, features, ring, queues);
}

/* A buffer as most drivers give it, or not. */
static void use_ring(int q)
{
    static const uint32_t lens[] = {10, 12, 64, 1526, 4096, 0x10000};
    static const uint8_t classes[] = {0, 1, 1, 4, 4, 9};
    struct ring *r = &ring[q];

    for (int i = 1 + below(3); i > 0; i--) {
        int n = below(SIZE);
        bool in = q % 2 == 0 && (q < 4 || below(2));
        uint16_t flags = below(40) ? (in ? RING_WRITE : 0) : below(8);
        uint64_t addr = BUFFERS + below(ram.size - BUFFERS - 0x10000);

        if (below(2))
            flags |= RING_NEXT;
        ring_desc(r, n, below(60) ? addr : random64(), below(60) ? PICK(lens) : random64(), flags,
                  below(30) ? (n + 1u) % SIZE : random64());
        if (q == 4 && ram_at(&ram, addr, 12)) {
            uint8_t command[12] = {PICK(classes), below(2), below(10), below(10) == 0, 0, 0,
                                   below(256)};

            memcpy(ring_at(r, addr), command, sizeof(command));
        } else if (q && ram_at(&ram, addr, 12)) {
            uint8_t header[12] = {below(2),  below(20) == 0, 0,        0, 0, 0,
                                  below(64), below(40) == 0, below(32)};

            memcpy(ring_at(r, addr), header, sizeof(header));
        }
        ring_add(r, below(60) ? (unsigned)n : random64());
    }
    virtio_kick(&net.virtio, q);
}

static void say(void)
{
    static uint8_t buf[0x20000];
    size_t len = below(4) ? below(2000) : below(0x10010);
    uint32_t prefix = htobe32(below(100) ? len : random64());

    if (len < LINK_FRAME_MIN && below(20))
        return;
    memcpy(buf, &prefix, 4);
    (void)!send(peer, buf, 4 + (below(100) ? len : below(len + 1)), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* What came is a series of frames. */
static void hear(void)
{
    ssize_t n = recv(peer, heard + heard_len, sizeof(heard) - heard_len, MSG_DONTWAIT);
    size_t at = 0;

    if (n > 0)
        heard_len += n;
    while (heard_len - at >= 4) {
        uint32_t len;

        memcpy(&len, heard + at, 4);
        len = be32toh(len);
        CHECK(len >= LINK_FRAME_MIN && len <= PASST_FRAME_MAX);
        if (heard_len - at - 4 < len || test_failures)
            break;
        at += 4 + len;
    }
    memmove(heard, heard + at, heard_len - at);
    heard_len -= at;
}

/* A frame for a card with links like a tap's, with any header. */
static void come(void)
{
    static uint8_t frame[LINK_FRAME_MAX];
    struct virtio_net_pair *p = &net.pair[below(2)];
    uint64_t header = random64();
    struct link_header h = {0};
    size_t len = LINK_FRAME_MIN + below(below(4) ? 2000 : LINK_FRAME_MAX - LINK_FRAME_MIN);

    if (below(2))
        memcpy(&h, &header, sizeof(header));
    frame[0] = below(4);
    p->link->user.received(p, &h, frame, len);
}

static void step_taplike(void)
{
    int n = below(8);

    if (n < 2)
        come();
    else if (n == 2)
        net.pair[1].link->watch.ready(&net.pair[1].link->watch);
    else if (below(200) == 0)
        link_down(net.pair[below(2)].link);
    else
        use_ring(below(queues));
}

static void step(void)
{
    if ((virtio_is_broken(&net.virtio) && below(2)) || below(60) == 0)
        start(random64() & net.virtio.offered);
    if (peer < 0) {
        step_taplike();
        return;
    }
    switch (below(8)) {
    case 0:
    case 1:
        say();
        break;
    case 2:
        hear();
        break;
    case 3:
    case 4:
        passt.link.watch.ready(&passt.link.watch);
        break;
    default:
        use_ring(below(2));
    }
}

/* Whatever was done to it, it sends a frame after a reset, or takes it where the link is down. */
static void check_works(void)
{
    uint32_t head = 0, len = 0;

    start(0);
    memset(ring_at(&ring[1], BUFFERS), 0, 12);
    ring_desc(&ring[1], 0, BUFFERS, 72, 0, 0);
    ring_add(&ring[1], 0);
    virtio_kick(&net.virtio, 1);
    for (int i = 0; i < 1000 && !(ring_get16(&ring[1], ring[1].used + 2)); i++) {
        if (peer >= 0)
            hear();
        net.pair[0].link->watch.ready(&net.pair[0].link->watch);
    }
    CHECK(ring_take(&ring[1], &head, &len));
    CHECK_EQ(head, 0);
}

static void fuzz(void)
{
    for (int i = 0; i < rounds / 10 && !test_failures; i++) {
        if (i % 2)
            make_taplike();
        else
            make();
        start(random64() & net.virtio.offered);
        for (int n = 0; n < STEPS && !test_failures; n++)
            step();
        check_works();
        unmake();
        if (test_failures)
            printf("# in round %d\n", i);
    }
}

int main(int argc, char **argv)
{
    fuzz_arguments(argc, argv);
    wall_ram_of(&ram, 0x100000);
    event_init(&loop, &lock);
    worker_init_in_line(&worker, &loop);
    return test_main((struct test[]){{fuzz, "hostile drivers and a hostile peer"}, {0}});
}
