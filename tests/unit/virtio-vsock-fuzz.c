// SPDX-License-Identifier: MIT
/*
 * Sockets between a driver that writes all kinds of nonsense to its rings, and programs that do
 * likewise to theirs. Nothing but RAM is touched, no more is kept than there is place for, nobody
 * is served without end, and after a reset connections can be made again.
 *
 *     virtio-vsock-fuzz [rounds [seed]]
 */
#define _GNU_SOURCE
#include "hw/virtio-vsock.h"
#include "tests/unit/fuzz.h"
#include "tests/unit/test.h"
#include "tests/unit/virtio-driver.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    STEPS = 200,
    SIZE = 16,
    QUEUE = 0x1000,
    BUFFERS = 0x10000,
    CID = 3,
    PORT = 52,
    PROGRAMS = 24
};

struct packet {
    uint64_t src_cid, dst_cid;
    uint32_t src_port, dst_port, len;
    uint16_t type, op;
    uint32_t flags, buf_alloc, fwd_cnt;
} __attribute__((packed));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct virtio_vsock vsock;
static struct vsock_unix host;
static struct worker worker;
static struct event_loop loop;
static struct ram ram;
static struct ring ring[3];
static char directory[] = "/tmp/minivm-vsock.XXXXXX", path[48];
static int listener, program[PROGRAMS];

static void interrupt(void *to, int q)
{
    (void)to, (void)q;
}

static struct sockaddr_un address(const char *suffix)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    snprintf(a.sun_path, sizeof(a.sun_path), "%s%s", path, suffix);
    return a;
}

static void make(void)
{
    vsock_unix_open(&host, path);
    virtio_vsock_init(&vsock, &host, CID, &(struct virtio_memory){.ram = &ram}, &worker);
    vsock.virtio.interrupt = interrupt;
    vsock_unix_listen(&host);
    for (int i = 0; i < PROGRAMS; i++)
        program[i] = -1;
}

static void close_programs(void)
{
    for (int i = 0; i < PROGRAMS; i++) {
        if (program[i] >= 0)
            close(program[i]);
        program[i] = -1;
    }
}

static void unmake(void)
{
    worker_unwatch(&worker, &host.watch);
    virtio_vsock_free(&vsock);
}

static void start(uint64_t features)
{
    for (int q = 0; q < 3; q++)
        ring_lay(&ring[q], &ram, QUEUE + q * 0x1000, SIZE);
    driver_start(&vsock.virtio, features, ring, 3);
}

/* A port that is in use, or not. */
static uint32_t some_port(bool guest)
{
    const struct virtio_vsock_connection *c = &vsock.c[vsock.top ? below(vsock.top) : 0];

    if (below(3))
        return guest ? c->guest_port : c->host_port;
    return guest ? 1024 + below(4) : below(2) ? PORT : below(100);
}

static struct packet some_packet(void)
{
    int i = vsock.top ? below(vsock.top) : 0;
    static const uint32_t lens[] = {0, 1, 100, 4096, 0x8000};

    return (struct packet){
        .src_cid = below(60) ? CID : random64(),
        .dst_cid = below(60) ? 2 : random64(),
        .src_port = below(4) ? vsock.c[i].guest_port : some_port(true),
        .dst_port = below(4) ? vsock.c[i].host_port : some_port(false),
        .len = below(60) ? PICK(lens) : random64(),
        .type = below(60) ? 1 : random64(),
        .op = below(4)    ? (below(2) ? 5 : 1 + below(2))
              : below(60) ? below(9)
                          : random64(),
        .flags = below(8) ? below(4) : random64(),
        .buf_alloc = below(8) ? 0x40000 : random64(),
        .fwd_cnt = below(8) ? vsock.c[i].sent : random64(),
    };
}

/* A buffer as most drivers give it, or not. */
static void use_ring(int q)
{
    static const uint32_t lens[] = {44, 45, 100, 4140, 0x8000};
    struct ring *r = &ring[q];

    for (int i = 1 + below(3); i > 0; i--) {
        int n = below(SIZE);
        uint16_t flags = below(60) ? (q == VIRTIO_VSOCK_TX ? 0 : RING_WRITE) : below(8);
        uint64_t addr = BUFFERS + below(ram.size - BUFFERS - 0x10000);

        if (below(8) == 0)
            flags |= RING_NEXT;
        ring_desc(r, n, below(100) ? addr : random64(), below(100) ? PICK(lens) : random64(), flags,
                  below(30) ? (n + 1u) % SIZE : random64());
        if (q == VIRTIO_VSOCK_TX && ram_at(&ram, addr, sizeof(struct packet))) {
            struct packet p = some_packet();

            memcpy(ring_at(r, addr), &p, sizeof(p));
        }
        ring_add(r, below(100) ? (unsigned)n : random64());
    }
    virtio_kick(&vsock.virtio, q);
}

/* A program comes, or does something. */
static void use_program(void)
{
    static char buf[0x10000];
    struct sockaddr_un a = address("");
    int *fd = &program[below(PROGRAMS)];
    char line[32];

    if (*fd < 0 && below(2)) {
        *fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    } else if (*fd < 0) {
        *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(*fd, (void *)&a, sizeof(a)) < 0) {
            close(*fd);
            *fd = -1;
        } else if (below(8)) {
            snprintf(line, sizeof(line), "CONNECT %d%s", 1024 + (int)below(4),
                     below(8) ? "\n" : "");
            (void)!send(*fd, line, strlen(line), MSG_NOSIGNAL);
        }
    } else {
        switch (below(8)) {
        case 0:
            close(*fd);
            *fd = -1;
            break;
        case 1:
            shutdown(*fd, below(3));
            break;
        case 2:
        case 3:
        case 4:
            (void)!recv(*fd, buf, below(sizeof(buf)), MSG_DONTWAIT);
            break;
        default:
            (void)!send(*fd, buf, below(sizeof(buf)), MSG_DONTWAIT | MSG_NOSIGNAL);
        }
    }
}

/* Until there is nothing to do, which must be soon. */
static void serve(void)
{
    struct pollfd p = {.fd = host.watch.fd, .events = POLLIN};
    int turns = 0;

    while (poll(&p, 1, 0) == 1 && turns++ < 1000)
        host.watch.ready(&host.watch);
    CHECK(turns < 1000);
}

static void step(void)
{
    if ((virtio_is_broken(&vsock.virtio) && below(2)) || below(100) == 0)
        start(random64() & vsock.virtio.offered);
    switch (below(8)) {
    case 0:
    case 1:
        use_program();
        break;
    case 2:
        serve();
        break;
    case 3:
        host.watch.ready(&host.watch);
        break;
    case 4:
        if (below(4) == 0)
            host.user.turn(host.user.to, true);
        if (below(20) == 0)
            vsock.dev.restored(&vsock.dev);
        break;
    default:
        use_ring(below(8) ? below(2) : 2);
    }
    for (int i = vsock.top; i < VSOCK_STREAMS; i++)
        CHECK(vsock.c[i].state == VIRTIO_VSOCK_FREE);
    CHECK(vsock.losts <= VIRTIO_VSOCK_RESETS);
}

/* Whatever was done to it, a guest's program that connects after a reset is answered. */
static void check_works(void)
{
    struct packet p = {
        .src_cid = CID, .dst_cid = 2, .src_port = 7, .dst_port = PORT, .type = 1, .op = 1};
    uint32_t head = 0, len = 0;
    int fd;

    close_programs();
    while ((fd = accept(listener, NULL, NULL)) >= 0)
        close(fd);
    start(0);
    serve();
    start(0); /* those that are gone, and left something for the guest, wait no longer */
    CHECK_EQ(host.used, 0);
    ring_desc(&ring[0], 0, BUFFERS, 4096, RING_WRITE, 0);
    ring_add(&ring[0], 0);
    virtio_kick(&vsock.virtio, 0);
    memcpy(ring_at(&ring[1], BUFFERS + 0x2000), &p, sizeof(p));
    ring_desc(&ring[1], 0, BUFFERS + 0x2000, sizeof(p), 0, 0);
    ring_add(&ring[1], 0);
    virtio_kick(&vsock.virtio, 1);
    CHECK(ring_take(&ring[0], &head, &len));
    CHECK_EQ(len, sizeof(p));
    CHECK_EQ(ring_get16(&ring[0], BUFFERS + 30), 2); /* RESPONSE */
}

static void fuzz(void)
{
    for (int i = 0; i < rounds / 10 && !test_failures; i++) {
        make();
        start(random64() & vsock.virtio.offered);
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
    struct sockaddr_un a;

    fuzz_arguments(argc, argv);
    wall_ram_of(&ram, 0x100000);
    if (!mkdtemp(directory))
        return 1;
    snprintf(path, sizeof(path), "%s/vm", directory);
    a = address("_52");
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (void *)&a, sizeof(a)) < 0 || listen(listener, 8) < 0)
        return 1;
    event_init(&loop, &lock);
    worker_init_in_line(&worker, &loop);

    int status = test_main((struct test[]){{fuzz, "hostile drivers and hostile programs"}, {0}});

    unlink(a.sun_path);
    rmdir(directory);
    return status;
}
