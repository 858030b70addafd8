// SPDX-License-Identifier: MIT
/*
 * A network card between a driver that writes all kinds of nonsense to its rings, and a peer that
 * sends all kinds of nonsense. It touches nothing but RAM, the peer gets whole frames only, and
 * after a reset the card works again.
 *
 *     virtio-net-fuzz [rounds [seed]]
 */
#define _GNU_SOURCE
#include "hw/virtio-net.h"
#include "tests/unit/fuzz.h"
#include "tests/unit/test.h"
#include "tests/unit/virtio-driver.h"

#include <endian.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    STEPS = 200,
    SIZE = 16,
    QUEUE = 0x1000,
    BUFFERS = 0x10000
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct virtio_net net;
static struct passt passt;
static struct worker worker;
static struct event_loop loop;
static struct ram ram;
static struct ring ring[2];
static int peer;
static uint8_t heard[1 << 20]; /* by the peer, and is no whole frame yet */
static size_t heard_len;

static void interrupt(void *to, int q)
{
    (void)to, (void)q;
}

static void make(void)
{
    int pair[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    peer = pair[1];
    heard_len = 0;
    passt_talk(&passt, pair[0]);
    virtio_net_init(&net, &passt, (uint8_t[6]){2}, PASST_MTU, &(struct virtio_memory){.ram = &ram},
                    &worker);
    net.virtio.interrupt = interrupt;
}

static void unmake(void)
{
    worker_unwatch(&worker, &passt.watch);
    virtio_net_free(&net);
    close(peer);
}

static void start(uint64_t features)
{
    for (int q = 0; q < 2; q++)
        ring_lay(&ring[q], &ram, QUEUE + q * 0x1000, SIZE);
    driver_start(&net.virtio, features, ring, 2);
}

/* A buffer as most drivers give it, or not. */
static void use_ring(int q)
{
    static const uint32_t lens[] = {10, 12, 64, 1526, 4096, 0x10000};
    struct ring *r = &ring[q];

    for (int i = 1 + below(3); i > 0; i--) {
        int n = below(SIZE);
        uint16_t flags = below(40) ? (q ? 0 : RING_WRITE) : below(8);
        uint64_t addr = BUFFERS + below(ram.size - BUFFERS - 0x10000);

        if (below(2))
            flags |= RING_NEXT;
        ring_desc(r, n, below(60) ? addr : random64(), below(60) ? PICK(lens) : random64(), flags,
                  below(30) ? (n + 1u) % SIZE : random64());
        if (q && ram_at(&ram, addr, 12)) {
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

    if (len < PASST_FRAME_MIN && below(20))
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
        CHECK(len >= PASST_FRAME_MIN && len <= PASST_FRAME_MAX);
        if (heard_len - at - 4 < len || test_failures)
            break;
        at += 4 + len;
    }
    memmove(heard, heard + at, heard_len - at);
    heard_len -= at;
}

static void step(void)
{
    if ((virtio_is_broken(&net.virtio) && below(2)) || below(60) == 0)
        start(random64() & net.virtio.offered);
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
        passt.watch.ready(&passt.watch);
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
        hear();
        passt.watch.ready(&passt.watch);
    }
    CHECK(ring_take(&ring[1], &head, &len));
    CHECK_EQ(head, 0);
}

static void fuzz(void)
{
    for (int i = 0; i < rounds / 10 && !test_failures; i++) {
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
    ram.size = 0x100000;
    ram.host = mmap(NULL, ram.size + 2 * WALL, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ram.host == MAP_FAILED)
        return 1;
    ram.host += WALL;
    if (mprotect(ram.host, ram.size, PROT_READ | PROT_WRITE))
        return 1;
    event_init(&loop, &lock);
    worker_init_in_line(&worker, &loop);
    return test_main((struct test[]){{fuzz, "hostile drivers and a hostile peer"}, {0}});
}
