// SPDX-License-Identifier: MIT
/*
 * Sockets from the driver's side, and from that of the host's programs: connections both ways,
 * their ends, credit, back pressure, and what neither side should do.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Socket Device".
 */
#define _GNU_SOURCE
#include "hw/virtio-vsock.h"
#include "tests/unit/die.h"
#include "tests/unit/test.h"
#include "tests/unit/virtio-driver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { /* operations */
    REQUEST = 1,
    RESPONSE,
    RST,
    SHUTDOWN,
    RW,
    CREDIT_UPDATE,
    CREDIT_REQUEST
};

enum {
    RCV = 1,
    SEND = 2,
    BOTH = 3,

    CID = 42,
    PORT = 52, /* of the host's, at which a program listens */
    GUEST = 1024,
    ALLOC = 1 << 18, /* what the guest has place for */

    RAM = 0x800000,
    SIZE = 64, /* of a queue */
    QUEUE = 0x1000,
    RX_AT = 0x10000,
    RX_SLOT = 0x1000,
    TX_AT = 0x100000,
    TX_SLOT = 0x11000,
};

struct packet {
    uint64_t src_cid, dst_cid;
    uint32_t src_port, dst_port, len;
    uint16_t type, op;
    uint32_t flags, buf_alloc, fwd_cnt;
} __attribute__((packed));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct rig {
    struct virtio_vsock vsock;
    struct vsock_unix host;
    struct worker worker;
    struct event_loop loop;
    struct ram ram;
    struct ring ring[3];
    char directory[32], path[48];
    int listener; /* a program of the host's */
    int offered;  /* buffers of RX */
    int sent;     /* packets of TX */
    int interrupts[3];
    uint32_t fwd; /* what the guest says of the one connection that it has */
    uint32_t alloc;
} rig;

static void interrupt(void *to, int q)
{
    (void)to;
    if (q != VIRTIO_CONFIG_IRQ)
        rig.interrupts[q]++;
}

/* ---- the host's programs ---- */

static int unix_socket(const char *suffix, bool listens)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s%s", rig.path, suffix);
    if (listens)
        CHECK(!bind(fd, (void *)&a, sizeof(a)) && !listen(fd, 1));
    else if (connect(fd, (void *)&a, sizeof(a)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Serve the host's side until nothing is left to do, which is soon. */
static void serve(void)
{
    struct pollfd p = {.fd = rig.host.watch.fd, .events = POLLIN};
    int turns = 0;

    while (poll(&p, 1, 0) == 1 && turns++ < 5000)
        rig.host.watch.ready(&rig.host.watch);
    CHECK(turns < 5000);
}

static void say(int fd, const char *text)
{
    CHECK(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
    serve();
}

/* What a program hears: up to 99 bytes. NULL: nothing; "": the end. */
static const char *hear(int fd)
{
    static char text[100];
    ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

    if (n < 0)
        return errno == ECONNRESET ? "" : NULL;
    text[n] = 0;
    return text;
}

static bool hears(int fd, const char *text)
{
    const char *got = hear(fd);

    if (got && text && !strcmp(got, text))
        return true;
    if (!got && !text)
        return true;
    printf("# heard %s\n", got ? got : "nothing");
    return false;
}

/* ---- the driver ---- */

static void *at(uint64_t gpa)
{
    return ring_at(&rig.ring[0], gpa);
}

static void offer_one(uint32_t len)
{
    int n = rig.offered++ % SIZE;

    ring_desc(&rig.ring[0], n, RX_AT + n * RX_SLOT, len, RING_WRITE, 0);
    ring_add(&rig.ring[0], n);
    virtio_kick(&rig.vsock.virtio, VIRTIO_VSOCK_RX);
}

static void offer(int count)
{
    while (count--)
        offer_one(RX_SLOT);
}

static struct packet packet(int op, uint32_t guest, uint32_t host)
{
    return (struct packet){.src_cid = CID,
                           .dst_cid = 2,
                           .src_port = guest,
                           .dst_port = host,
                           .type = 1,
                           .op = op,
                           .buf_alloc = rig.alloc,
                           .fwd_cnt = rig.fwd};
}

/* Send a packet with so many bytes behind it, each of which is fill. */
static void send_packet(const struct packet *p, size_t bytes, int fill)
{
    int n = rig.sent++ % (SIZE / 2);
    uint64_t gpa = TX_AT + n * TX_SLOT;
    uint32_t head, len;

    memcpy(at(gpa), p, sizeof(*p));
    memset(at(gpa + sizeof(*p)), fill, bytes);
    ring_desc(&rig.ring[1], 2 * n, gpa, sizeof(*p), bytes ? RING_NEXT : 0, 2 * n + 1);
    ring_desc(&rig.ring[1], 2 * n + 1, gpa + sizeof(*p), bytes, 0, 0);
    ring_add(&rig.ring[1], 2 * n);
    virtio_kick(&rig.vsock.virtio, VIRTIO_VSOCK_TX);
    while (ring_take(&rig.ring[1], &head, &len))
        ;
}

static void tx(int op, uint32_t guest, uint32_t host)
{
    struct packet p = packet(op, guest, host);

    send_packet(&p, 0, 0);
}

static void tx_shutdown(uint32_t guest, uint32_t host, int flags)
{
    struct packet p = packet(SHUTDOWN, guest, host);

    p.flags = flags;
    send_packet(&p, 0, 0);
}

static void tx_data(uint32_t guest, uint32_t host, size_t bytes, int fill)
{
    struct packet p = packet(RW, guest, host);

    p.len = bytes;
    send_packet(&p, bytes, fill);
}

/* The next packet of RX, whose bytes are at rx_data; its op is 0 when there is none. */
static const uint8_t *rx_data;

static struct packet rx(void)
{
    struct packet p = {.op = 0};
    uint32_t head = 0, len = 0;

    if (!ring_take(&rig.ring[0], &head, &len))
        return p;
    memcpy(&p, at(RX_AT + head * RX_SLOT), sizeof(p));
    rx_data = at(RX_AT + head * RX_SLOT + sizeof(p));
    CHECK_EQ(len, sizeof(p) + p.len);
    CHECK_EQ(p.dst_cid, CID);
    return p;
}

/* Is the next packet of that kind, for the guest's port? */
static bool is_next(int op, uint32_t guest, uint32_t host)
{
    struct packet p = rx();

    if (p.op == op && (!op || (p.dst_port == guest && p.src_port == host && p.src_cid == 2)))
        return true;
    printf("# packet %d for %u from %u\n", p.op, p.dst_port, p.src_port);
    return false;
}

static bool is_quiet(void)
{
    return is_next(0, 0, 0);
}

static void lay(void)
{
    for (int q = 0; q < 3; q++)
        ring_lay(&rig.ring[q], &rig.ram, QUEUE + q * 0x2000, SIZE);
    rig.offered = rig.sent = 0;
    rig.fwd = 0;
    rig.alloc = ALLOC;
}

static void make(void)
{
    memset(&rig, 0, sizeof(rig));
    strcpy(rig.directory, "/tmp/minivm-vsock.XXXXXX");
    CHECK(mkdtemp(rig.directory));
    snprintf(rig.path, sizeof(rig.path), "%s/vm", rig.directory);
    ram_init(&rig.ram, RAM);
    event_init(&rig.loop, &lock);
    worker_init_in_line(&rig.worker, &rig.loop);
    vsock_unix_open(&rig.host, rig.path);
    virtio_vsock_init(&rig.vsock, &rig.host, CID, &(struct virtio_memory){.ram = &rig.ram},
                      &rig.worker);
    rig.vsock.virtio.interrupt = interrupt;
    vsock_unix_listen(&rig.host);
    rig.listener = unix_socket("_52", true);
    lay();
}

static void start(void)
{
    make();
    driver_start(&rig.vsock.virtio, 0, rig.ring, 3);
    CHECK_EQ(rig.vsock.virtio.s.status, 0x0f);
}

static void stop(void)
{
    char path[64];

    virtio_vsock_free(&rig.vsock);
    CHECK(access(rig.path, F_OK) < 0);
    close(rig.listener);
    snprintf(path, sizeof(path), "%s_52", rig.path);
    unlink(path);
    CHECK(!rmdir(rig.directory));
    event_free(&rig.loop);
    ram_free(&rig.ram);
}

/* The guest connects to PORT: the program's socket. */
static int guest_connects(uint32_t guest)
{
    tx(REQUEST, guest, PORT);
    CHECK(is_next(RESPONSE, guest, PORT));
    int fd = accept4(rig.listener, NULL, NULL, SOCK_NONBLOCK);

    CHECK(fd >= 0);
    return fd;
}

/* A program connects to the guest's port: its socket, and its port. */
static int program_connects(uint32_t guest, uint32_t *port)
{
    int fd = unix_socket("", false);
    char text[32];

    snprintf(text, sizeof(text), "CONNECT %u\n", guest);
    say(fd, text);
    struct packet p = rx();

    CHECK_EQ(p.op, REQUEST);
    CHECK_EQ(p.dst_port, guest);
    CHECK_EQ(p.src_cid, 2);
    *port = p.src_port;
    tx(RESPONSE, guest, *port);
    snprintf(text, sizeof(text), "OK %u\n", *port);
    CHECK(hears(fd, text));
    return fd;
}

static int streams(void)
{
    serve();
    return rig.host.used;
}

/* ---- the tests ---- */

static void shows(void)
{
    make();
    CHECK_EQ(rig.vsock.virtio.kind->id, 19);
    CHECK_EQ(virtio_config_read(&rig.vsock.virtio, 0, 8), CID);
    CHECK_EQ(rig.vsock.virtio.offered, VIRTIO_FEATURES);
    stop();
}

static void from_guest(void)
{
    start();
    offer(8);
    int fd = guest_connects(GUEST);

    tx_data(GUEST, PORT, 5, 'a');
    CHECK(hears(fd, "aaaaa"));
    say(fd, "hello");
    struct packet p = rx();

    CHECK_EQ(p.op, RW);
    CHECK_EQ(p.len, 5);
    CHECK_EQ(p.fwd_cnt, 5);
    CHECK_EQ(p.buf_alloc, VSOCK_BUFFER);
    CHECK_EQ(p.type, 1);
    CHECK(!memcmp(rx_data, "hello", 5));

    /* Bytes in more than is said, which do not count; and none. */
    p = packet(RW, GUEST, PORT);
    p.len = 3;
    send_packet(&p, 10, 'b');
    CHECK(hears(fd, "bbb"));
    tx_data(GUEST, PORT, 0, 0);
    CHECK(hears(fd, NULL));

    tx(CREDIT_REQUEST, GUEST, PORT);
    p = rx();
    CHECK_EQ(p.op, CREDIT_UPDATE);
    CHECK_EQ(p.fwd_cnt, 8);
    tx_shutdown(GUEST, PORT, BOTH);
    CHECK(is_next(RST, GUEST, PORT));
    CHECK(hears(fd, ""));
    CHECK_EQ(streams(), 0);
    close(fd);

    /* Its port is free again. */
    fd = guest_connects(GUEST);
    tx(RST, GUEST, PORT);
    CHECK(hears(fd, ""));
    CHECK(is_quiet());
    CHECK_EQ(streams(), 0);
    close(fd);
    stop();
}

static void from_host(void)
{
    uint32_t port = 0, other = 0;

    start();
    offer(10);
    int fd = program_connects(GUEST, &port), more = program_connects(GUEST, &other);

    CHECK(port >= 1 << 30 && other >= 1 << 30 && port != other);
    tx_data(GUEST, port, 2, 'x');
    tx_data(GUEST, other, 2, 'y');
    CHECK(hears(fd, "xx"));
    CHECK(hears(more, "yy"));
    tx(RST, GUEST, port);
    tx(RST, GUEST, other);
    CHECK(hears(fd, ""));
    CHECK(hears(more, ""));
    close(fd);
    close(more);

    /* The guest refuses. */
    fd = unix_socket("", false);
    say(fd, "connect 77\r\n");
    struct packet p = rx();

    CHECK_EQ(p.op, REQUEST);
    CHECK_EQ(p.dst_port, 77);
    CHECK(hears(fd, NULL));
    tx(RST, 77, p.src_port);
    CHECK(hears(fd, ""));
    close(fd);

    /* One that does not wait for the answer, and is gone before it comes. */
    fd = unix_socket("", false);
    say(fd, "CONNECT 78\nearly");
    close(fd);
    serve();
    p = rx();
    CHECK_EQ(p.op, REQUEST);
    tx(RESPONSE, 78, p.src_port);
    serve();
    p = rx();
    CHECK_EQ(p.op, RW);
    CHECK_EQ(p.len, 5);
    CHECK(!memcmp(rx_data, "early", 5));
    p = rx();
    CHECK_EQ(p.op, SHUTDOWN);
    CHECK_EQ(p.flags, BOTH);
    tx(RST, 78, p.src_port);
    CHECK_EQ(streams(), 0);

    /* The guest does not answer. */
    fd = unix_socket("", false);
    say(fd, "CONNECT 78\n");
    p = rx();
    CHECK_EQ(p.op, REQUEST);
    for (int i = 0; i < 10000 / VSOCK_TICK_MS; i++)
        rig.host.user.turn(rig.host.user.to, true);
    CHECK(is_quiet());
    CHECK(hears(fd, NULL));
    rig.host.user.turn(rig.host.user.to, true);
    CHECK(is_next(RST, 78, p.src_port));
    CHECK(hears(fd, ""));
    CHECK_EQ(streams(), 0);
    close(fd);
    offer(4);

    /* And one that is gone without a word. */
    fd = unix_socket("", false);
    say(fd, "CONNECT 79\n");
    close(fd);
    serve();
    p = rx();
    CHECK_EQ(p.op, REQUEST);
    CHECK(is_next(RST, 79, p.src_port));
    CHECK_EQ(streams(), 0);
    CHECK(is_quiet());
    stop();
}

static void refuses(void)
{
    struct packet p, got;

    start();
    offer(32);
    tx(REQUEST, GUEST, 53); /* nobody is there */
    CHECK(is_next(RST, GUEST, 53));
    for (int op = RESPONSE; op <= CREDIT_REQUEST; op++) {
        tx(op, GUEST, PORT);
        CHECK(op == RST ? is_quiet() : is_next(RST, GUEST, PORT));
    }
    tx(0, GUEST, PORT);
    CHECK(is_next(RST, GUEST, PORT));

    p = packet(REQUEST, GUEST, PORT); /* another type */
    p.type = 2;
    send_packet(&p, 0, 0);
    got = rx();
    CHECK_EQ(got.op, RST);
    CHECK_EQ(got.type, 2);
    p.type = 1; /* other CIDs */
    p.dst_cid = 77;
    send_packet(&p, 0, 0);
    got = rx();
    CHECK_EQ(got.op, RST);
    CHECK_EQ(got.src_cid, 77);
    CHECK_EQ(got.src_port, PORT);
    p.src_cid = 1;
    send_packet(&p, 0, 0);
    p.dst_cid = 2;
    send_packet(&p, 0, 0);
    p.src_cid = CID | UINT64_C(1) << 32;
    send_packet(&p, 0, 0);
    CHECK(is_quiet());
    CHECK_EQ(streams(), 0);

    /* What does not belong into a connection ends it. */
    static const int odd[] = {REQUEST, RESPONSE, 0, 8, 0xffff};

    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        int fd = guest_connects(GUEST + i);

        tx(odd[i], GUEST + i, PORT);
        CHECK(is_next(RST, GUEST + i, PORT));
        CHECK(hears(fd, ""));
        CHECK_EQ(streams(), 0);
        close(fd);
        offer(2);
    }
    int fd = guest_connects(GUEST);

    p = packet(RW, GUEST, PORT); /* it says more than it has */
    p.len = 100;
    send_packet(&p, 99, 'x');
    CHECK(is_next(RST, GUEST, PORT));
    CHECK(hears(fd, ""));
    close(fd);
    CHECK(!virtio_is_broken(&rig.vsock.virtio));
    stop();
}

static void half_closes(void)
{
    uint32_t port = 0;

    /* The guest has said all, and still hears. */
    start();
    offer(40);
    int fd = guest_connects(GUEST);

    tx_data(GUEST, PORT, 3, 'q');
    tx_shutdown(GUEST, PORT, SEND);
    CHECK(hears(fd, "qqq"));
    CHECK(hears(fd, ""));
    say(fd, "answer");
    CHECK(is_next(RW, GUEST, PORT));
    shutdown(fd, SHUT_WR); /* and so has the program */
    serve();
    struct packet p = rx();

    CHECK_EQ(p.op, SHUTDOWN);
    CHECK_EQ(p.flags, BOTH);
    tx(RST, GUEST, PORT);
    CHECK_EQ(streams(), 0);
    close(fd);

    /* The same, and the program begins. */
    fd = program_connects(GUEST, &port);
    say(fd, "all");
    shutdown(fd, SHUT_WR);
    serve();
    CHECK(is_next(RW, GUEST, port));
    p = rx();
    CHECK_EQ(p.op, SHUTDOWN);
    CHECK_EQ(p.flags, SEND);
    tx_data(GUEST, port, 3, 'r');
    CHECK(hears(fd, "rrr"));
    tx_shutdown(GUEST, port, BOTH);
    CHECK(is_next(RST, GUEST, port));
    CHECK(hears(fd, ""));
    CHECK_EQ(streams(), 0);
    close(fd);

    /* The guest reads no more: the program's next bytes fail. */
    fd = guest_connects(GUEST);
    tx_shutdown(GUEST, PORT, RCV);
    CHECK(send(fd, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
    tx_data(GUEST, PORT, 1, 'x');
    CHECK(hears(fd, "x"));
    close(fd);
    serve();
    p = rx();
    CHECK_EQ(p.op, SHUTDOWN);
    CHECK_EQ(p.flags, BOTH);
    tx_shutdown(GUEST, PORT, BOTH); /* not as Linux ends it, but an end as well */
    CHECK(is_next(RST, GUEST, PORT));
    CHECK_EQ(streams(), 0);

    /* The program reads no more. */
    fd = guest_connects(GUEST);
    shutdown(fd, SHUT_RD);
    tx_data(GUEST, PORT, 10, 'x');
    p = rx();
    CHECK_EQ(p.op, SHUTDOWN);
    CHECK_EQ(p.flags, RCV);
    say(fd, "still");
    CHECK(is_next(RW, GUEST, PORT));
    tx_data(GUEST, PORT, 10, 'x'); /* sent before it heard of that: lost */
    close(fd);
    serve();
    p = rx();
    CHECK_EQ(p.op, SHUTDOWN);
    CHECK_EQ(p.flags, BOTH);

    /* Nobody says anything more, so that it takes too long. */
    for (int i = 0; i < 8000 / VSOCK_TICK_MS; i++)
        rig.host.user.turn(rig.host.user.to, true);
    CHECK(is_quiet());
    rig.host.user.turn(rig.host.user.to, true);
    CHECK(is_next(RST, GUEST, PORT));
    CHECK_EQ(streams(), 0);

    /* It sends after it said that it would not. */
    fd = guest_connects(GUEST);
    tx_shutdown(GUEST, PORT, SEND);
    tx_data(GUEST, PORT, 1, 'x');
    CHECK(is_next(RST, GUEST, PORT));
    CHECK(hears(fd, ""));
    close(fd);
    stop();
}

/* A program that does not read: so much waits, and no more is taken. */
static void guest_credit(void)
{
    enum {
        PART = 0x4000
    };
    uint32_t sent = 0, window = 0, seen = 0;
    static uint8_t buf[PART];
    bool updated = false;
    ssize_t n;

    start();
    offer(64);
    int fd = guest_connects(GUEST);
    struct packet p;

    for (window = VSOCK_BUFFER; sent + PART <= window && sent < 100 << 20; sent += PART) {
        tx_data(GUEST, PORT, PART, sent / PART);
        while ((p = rx()).op) {
            CHECK_EQ(p.op, CREDIT_UPDATE);
            window = p.fwd_cnt + p.buf_alloc;
            offer(1);
        }
    }
    CHECK(sent > VSOCK_BUFFER && sent < 8 << 20);
    tx(CREDIT_REQUEST, GUEST, PORT);
    p = rx();
    CHECK(sent - p.fwd_cnt <= VSOCK_BUFFER && sent + PART > p.fwd_cnt + p.buf_alloc);

    /* It reads, all that there was. */
    while (seen < sent) {
        if ((n = recv(fd, buf, PART - seen % PART, MSG_DONTWAIT)) > 0) {
            CHECK(buf[0] == (uint8_t)(seen / PART) && buf[n - 1] == buf[0]);
            seen += n;
        } else {
            CHECK(rig.host.stream[0].out_len > 0);
            serve();
        }
        if (test_failures)
            break;
    }
    serve();
    while ((p = rx()).op)
        updated |= p.op == CREDIT_UPDATE && p.fwd_cnt + p.buf_alloc > window;
    CHECK(updated);
    CHECK(!rig.host.stream[0].out);

    /* Once more, and one byte more than it may: that ends it. */
    for (int i = 0; i < 1000; i++) {
        tx_data(GUEST, PORT, PART, 0);
        while ((p = rx()).op == CREDIT_UPDATE)
            offer(1);
        if (p.op == RST)
            break;
    }
    CHECK_EQ(p.op, RST);
    CHECK_EQ(streams(), 0);
    while ((n = recv(fd, buf, PART, MSG_DONTWAIT)) > 0)
        ;
    CHECK(n == 0);
    close(fd);
    stop();
}

/* The guest sends to a program that does not read, until something waits. How much it was in all.
 */
static size_t fill_up(void)
{
    enum {
        PART = 0x4000
    };
    size_t sent = 0;

    while (rig.host.stream[0].out_len < PART && sent < 8 << 20) {
        tx_data(GUEST, PORT, PART, 'f');
        sent += PART;
        while (rx().op == CREDIT_UPDATE)
            offer(1);
    }
    CHECK(rig.host.stream[0].out_len >= PART);
    return sent;
}

/* Read all that comes until the end, and serve the host's side where that is not there. */
static size_t read_all(int fd, bool served)
{
    static uint8_t buf[0x10000];
    size_t all = 0;
    ssize_t n;

    while ((n = recv(fd, buf, sizeof(buf), served ? 0 : MSG_DONTWAIT)) > 0 ||
           (n < 0 && errno == EAGAIN && !served && rig.host.stream[0].out_len)) {
        all += n > 0 ? n : 0;
        if (!served)
            serve();
    }
    CHECK_EQ(n, 0);
    return all;
}

/* What waits when a side ends. */
static void waits(void)
{
    struct packet p;

    /* The guest says no more: the program reads all of it, and then the end. */
    start();
    offer(16);
    int fd = guest_connects(GUEST);
    size_t sent = fill_up();

    tx_shutdown(GUEST, PORT, SEND);
    CHECK_EQ(read_all(fd, false), sent);
    close(fd);
    stop();

    /* The program ends and reads no more: the guest is told that nothing waits. */
    start();
    offer(16);
    fd = guest_connects(GUEST);
    sent = fill_up();
    close(fd);
    serve();
    do
        p = rx();
    while (p.op == CREDIT_UPDATE);
    CHECK_EQ(p.op, SHUTDOWN);
    CHECK_EQ(p.fwd_cnt, sent);
    stop();

    /* The machine ends: a program that reads gets what waits. */
    start();
    offer(16);
    fd = guest_connects(GUEST);
    sent = fill_up();
    fcntl(fd, F_SETFL, 0);
    pid_t reader = fork();
    int status = -1;

    if (!reader) {
        for (int i = 3; i < 64; i++)
            if (i != fd)
                close(i);
        _exit(read_all(fd, true) != sent);
    }
    close(fd);
    stop();
    CHECK(waitpid(reader, &status, 0) == reader && !status);
}

/* A guest that has no place for more. */
static void host_credit(void)
{
    start();
    offer(64);
    rig.alloc = 1000;
    int fd = guest_connects(GUEST);
    char bytes[600];
    struct packet p;

    memset(bytes, 'z', sizeof(bytes));
    for (int i = 0; i < 3; i++)
        CHECK(send(fd, bytes, sizeof(bytes), 0) == sizeof(bytes));
    serve();
    p = rx();
    CHECK_EQ(p.op, RW);
    CHECK_EQ(p.len, 1000);
    CHECK(is_next(CREDIT_REQUEST, GUEST, PORT));
    serve();
    CHECK(is_quiet());
    tx(CREDIT_UPDATE, GUEST, PORT);
    serve();
    CHECK(is_quiet());
    rig.fwd = 300;
    tx(CREDIT_UPDATE, GUEST, PORT);
    serve();
    p = rx();
    CHECK_EQ(p.len, 300);
    CHECK(is_next(CREDIT_REQUEST, GUEST, PORT));

    /* It claims to have got more than was sent, or takes its place back. */
    rig.fwd = 5000;
    tx(CREDIT_UPDATE, GUEST, PORT);
    rig.fwd = 1300;
    rig.alloc = 0;
    tx(CREDIT_UPDATE, GUEST, PORT);
    serve();
    CHECK(is_quiet());
    close(fd); /* which is seen when the rest was read */
    serve();
    CHECK(is_quiet());
    rig.alloc = 0xffffffff;
    tx(CREDIT_UPDATE, GUEST, PORT);
    serve();
    p = rx();
    CHECK_EQ(p.len, 500);
    p = rx();
    CHECK_EQ(p.op, SHUTDOWN);
    CHECK_EQ(p.flags, BOTH);
    stop();
}

/* The driver has no buffers: nothing is read from sockets, and nothing lost. */
static void no_buffers(void)
{
    struct packet p;
    size_t all = 0;

    start();
    offer(1);
    int fd = guest_connects(GUEST);
    static char bytes[20000];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = i * 7 + (i >> 8);
    CHECK(send(fd, bytes, sizeof(bytes), 0) == sizeof(bytes));
    shutdown(fd, SHUT_WR);
    serve();
    CHECK(is_quiet());
    for (int i = 0; i < 14; i++) {
        offer_one(i % 2 ? RX_SLOT : 45 + i);
        serve();
        p = rx();
        if (p.op != RW)
            break;
        CHECK(p.len <= RX_SLOT - sizeof(p) && p.len > 0);
        CHECK(!memcmp(rx_data, bytes + all, p.len));
        all += p.len;
        CHECK(is_quiet());
    }
    CHECK_EQ(p.op, SHUTDOWN);
    CHECK_EQ(p.flags, SEND);
    CHECK_EQ(all, sizeof(bytes));
    tx_shutdown(GUEST, PORT, BOTH);

    /* Answers wait, a bounded number of them, and then packets do. */
    for (int i = 0; i < SIZE / 2; i++)
        tx(RW, 2000 + i, PORT);
    CHECK_EQ(rig.vsock.losts, SIZE / 2);
    for (int i = 0; i < 2 * SIZE; i++) {
        tx(RW, 3000 + i, PORT);
        if (rig.vsock.held)
            break;
    }
    CHECK(rig.vsock.held);
    CHECK_EQ(rig.vsock.losts, VIRTIO_VSOCK_RESETS);
    offer(40);
    for (int i = 0; i < 40; i++)
        CHECK_EQ(rx().op, RST);
    offer(40);
    while ((p = rx()).op)
        CHECK_EQ(p.op, RST);
    CHECK(!rig.vsock.held);
    CHECK_EQ(rig.vsock.losts, 0);
    CHECK_EQ(streams(), 0);
    close(fd);
    stop();

    /* A program that gives up before the guest was asked. */
    start();
    fd = unix_socket("", false);
    say(fd, "CONNECT 5\n");
    CHECK_EQ(streams(), 1);
    close(fd);
    CHECK_EQ(streams(), 0);
    offer(1);
    CHECK(is_quiet());
    stop();
}

static void too_many(void)
{
    static int fd[VSOCK_STREAMS + 8];
    int open = 0, refused = 0, program;

    start();
    for (int i = 0; i < VSOCK_STREAMS + 8; i++) {
        offer(1);
        tx(REQUEST, GUEST + i, PORT);
        struct packet p = rx();

        refused += p.op == RST;
        if (p.op == RESPONSE)
            fd[open++] = accept4(rig.listener, NULL, NULL, SOCK_NONBLOCK);
    }
    CHECK_EQ(open, VSOCK_STREAMS);
    CHECK_EQ(refused, 8);
    program = unix_socket("", false);
    serve();
    CHECK(hears(program, ""));
    close(program);
    for (int i = 0; i < open; i++)
        close(fd[i]);
    CHECK_EQ(streams(), VSOCK_STREAMS);
    virtio_set_status(&rig.vsock.virtio, 0, false);
    CHECK_EQ(streams(), 0);
    stop();
}

/* Programs that say nothing, or nonsense, or are gone at once. */
static void odd_programs(void)
{
    static const char *const lines[] = {"CONNECT\n",
                                        "CONNECT \n",
                                        "CONNECT x\n",
                                        "CONNECT -1\n",
                                        "CONNECT 4294967296\n",
                                        "CONNECT 99999999999\n",
                                        "CONNECT 1 \n",
                                        "\n",
                                        "GET / HTTP/1.1\r\n",
                                        "CONNECT 0000000000000000000000000000001\n",
                                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    int fd[VSOCK_SAYING + 1];

    start();
    offer(8);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        fd[0] = unix_socket("", false);
        say(fd[0], lines[i]);
        CHECK(hears(fd[0], ""));
        CHECK_EQ(streams(), 0);
        close(fd[0]);
    }
    close(unix_socket("", false));
    CHECK_EQ(streams(), 0);
    fd[0] = unix_socket("", false);
    say(fd[0], "CONN");
    close(fd[0]);
    CHECK_EQ(streams(), 0);
    CHECK(is_quiet());

    fd[0] = unix_socket("", false); /* in pieces */
    for (const char *s = "CONNECT 4294967295\n"; *s; s++)
        say(fd[0], (char[]){*s, 0});
    struct packet p = rx();

    CHECK_EQ(p.op, REQUEST);
    CHECK_EQ(p.dst_port, UINT32_MAX);
    tx(RST, UINT32_MAX, p.src_port);
    close(fd[0]);

    /* The oldest of those that say nothing gives way. */
    for (int i = 0; i < VSOCK_SAYING; i++) {
        fd[i] = unix_socket("", false);
        serve();
    }
    CHECK(hears(fd[0], NULL));
    fd[VSOCK_SAYING] = unix_socket("", false);
    serve();
    CHECK(hears(fd[0], ""));
    CHECK(hears(fd[1], NULL));
    CHECK_EQ(streams(), VSOCK_SAYING);
    say(fd[VSOCK_SAYING], "CONNECT 1\n");
    CHECK_EQ(rx().op, REQUEST);
    for (int i = 0; i <= VSOCK_SAYING; i++)
        close(fd[i]);
    CHECK_EQ(streams(), 0);
    stop();

    /* Without a driver nobody is there. */
    make();
    fd[0] = unix_socket("", false);
    say(fd[0], "CONNECT 1\n");
    CHECK(hears(fd[0], ""));
    close(fd[0]);
    stop();
}

/* The host's ports of programs that come: none is used twice with a port of the guest's. */
static void host_ports(void)
{
    uint32_t port[4] = {0};
    int fd[4];

    start();
    offer(40);
    rig.vsock.next_port = UINT32_MAX - 1;
    for (int i = 0; i < 3; i++)
        fd[i] = program_connects(7, &port[i]);
    CHECK_EQ(port[0], UINT32_MAX - 1);
    CHECK_EQ(port[1], 1 << 30);
    rig.vsock.next_port = port[1];
    fd[3] = program_connects(7, &port[3]);
    CHECK_EQ(port[3], port[2] + 1);
    for (int i = 0; i < 4; i++)
        close(fd[i]);
    stop();
}

/* A guest that accepts what it was not asked yet. */
static void answers_early(void)
{
    start();
    int fd = unix_socket("", false);

    say(fd, "CONNECT 7\n");
    tx(RESPONSE, 7, 1 << 30);
    serve();
    CHECK(hears(fd, ""));
    offer(1);
    CHECK(is_next(RST, 7, 1 << 30));
    close(fd);
    stop();
}

/* The host has no descriptors for a while. */
static void crowded(void)
{
    struct rlimit limit, none;

    start();
    int fd = unix_socket("", false);

    CHECK(!getrlimit(RLIMIT_NOFILE, &limit));
    none = limit;
    none.rlim_cur = 3;
    CHECK(!setrlimit(RLIMIT_NOFILE, &none));
    rig.host.watch.ready(&rig.host.watch);
    CHECK_EQ(rig.host.used, 0);
    CHECK(!setrlimit(RLIMIT_NOFILE, &limit));
    rig.host.watch.ready(&rig.host.watch); /* it is not tried again and again */
    CHECK_EQ(rig.host.used, 0);
    for (int i = 0; !rig.host.used && i < 10000; i++) {
        usleep(1000);
        rig.host.watch.ready(&rig.host.watch);
    }
    CHECK_EQ(rig.host.used, 1);
    close(fd);
    CHECK_EQ(streams(), 0);
    stop();
}

/* A program that accepts nobody for a while, or for too long. */
static void busy_program(void)
{
    struct packet p;
    int n = 0;

    start();
    offer(16);
    do {
        tx(REQUEST, GUEST + n, PORT);
        p = rx();
        n++;
    } while (p.op == RESPONSE && n < 10);
    CHECK_EQ(p.op, 0);
    rig.host.user.turn(rig.host.user.to, true);
    CHECK(is_quiet());
    close(accept(rig.listener, NULL, NULL));
    rig.host.user.turn(rig.host.user.to, true);
    CHECK(is_next(RESPONSE, GUEST + n - 1, PORT));
    tx(REQUEST, GUEST + n, PORT);
    for (int i = 0; i < 2000 / VSOCK_TICK_MS - 1; i++)
        rig.host.user.turn(rig.host.user.to, true);
    serve();
    do
        p = rx();
    while (p.op == SHUTDOWN); /* of the one that was accepted, and closed */
    CHECK_EQ(p.op, 0);
    rig.host.user.turn(rig.host.user.to, true);
    rig.host.user.turn(rig.host.user.to, true);
    CHECK(is_next(RST, GUEST + n, PORT));
    stop();
}

/* The driver resets the device: programs read what there was, then the end. */
static void resets(void)
{
    uint32_t port = 0, head = 0, len = 0, id = 1;

    start();
    offer(16);
    int fd = guest_connects(GUEST), other = program_connects(7, &port);

    tx_data(GUEST, PORT, 4, 'e');
    virtio_set_status(&rig.vsock.virtio, 0, false);
    CHECK(hears(fd, "eeee"));
    CHECK(hears(fd, ""));
    CHECK(hears(other, ""));
    CHECK_EQ(streams(), 0);
    close(fd);
    close(other);
    lay();
    driver_start(&rig.vsock.virtio, 0, rig.ring, 3);
    offer(16);
    fd = guest_connects(GUEST);

    /* A machine that is put back to a state has no connections; its driver is told. */
    struct virtio_state saved = rig.vsock.virtio.s;

    rig.vsock.virtio.s = saved;
    rig.vsock.virtio.dev.restored(&rig.vsock.virtio.dev);
    rig.vsock.dev.restored(&rig.vsock.dev);
    CHECK(hears(fd, ""));
    CHECK_EQ(streams(), 0);
    CHECK(!ring_take(&rig.ring[2], &head, &len));
    ring_desc(&rig.ring[2], 0, RX_AT, 4, RING_WRITE, 0);
    ring_add(&rig.ring[2], 0);
    virtio_kick(&rig.vsock.virtio, VIRTIO_VSOCK_EVENT);
    CHECK(ring_take(&rig.ring[2], &head, &len));
    CHECK_EQ(len, 4);
    memcpy(&id, at(RX_AT), 4);
    CHECK_EQ(id, 0);
    ring_add(&rig.ring[2], 0);
    virtio_kick(&rig.vsock.virtio, VIRTIO_VSOCK_EVENT);
    CHECK(!ring_take(&rig.ring[2], &head, &len));
    close(fd);

    /* Buffers were there when it was put back. */
    rig.vsock.dev.restored(&rig.vsock.dev);
    serve();
    CHECK(ring_take(&rig.ring[2], &head, &len));
    stop();

    /* There was no driver when it was put back. */
    make();
    rig.vsock.dev.restored(&rig.vsock.dev);
    CHECK(!rig.vsock.s.interrupted);
    stop();
}

/* What a driver may not put into rings. */
static void breaks(void)
{
    start();
    ring_desc(&rig.ring[1], 0, TX_AT, 43, 0, 0);
    ring_add(&rig.ring[1], 0);
    virtio_kick(&rig.vsock.virtio, VIRTIO_VSOCK_TX);
    CHECK(virtio_is_broken(&rig.vsock.virtio));
    stop();

    start();
    offer_one(43);
    tx(REQUEST, GUEST, PORT);
    CHECK(virtio_is_broken(&rig.vsock.virtio));
    serve();
    stop();

    /* Enough for what only tells, but not for data. */
    start();
    offer_one(44);
    int fd = guest_connects(GUEST);

    offer_one(44);
    say(fd, "x");
    CHECK(virtio_is_broken(&rig.vsock.virtio));
    close(fd);
    serve();
    stop();

    start();
    rig.vsock.dev.restored(&rig.vsock.dev);
    ring_desc(&rig.ring[2], 0, RX_AT, 3, RING_WRITE, 0);
    ring_add(&rig.ring[2], 0);
    virtio_kick(&rig.vsock.virtio, VIRTIO_VSOCK_EVENT);
    CHECK(virtio_is_broken(&rig.vsock.virtio));
    stop();
}

/* ---- the socket's name ---- */

static struct vsock_unix second;

static void listen_second(void)
{
    vsock_unix_open(&second, rig.path);
    vsock_unix_listen(&second);
}

static void open_long(void)
{
    static char path[VSOCK_PATH_MAX + 2];

    memset(path, 'a', VSOCK_PATH_MAX + 1);
    vsock_unix_open(&second, path);
}

/* Does it die with that in its last words? The descriptors that it had are the test's loss. */
static bool dies_with(void (*f)(void), const char *text)
{
    if (!setjmp(died)) {
        f();
        return false;
    }
    return died_of(NULL, text);
}

static void names(void)
{
    char moved[64];
    struct stat st;

    make();
    CHECK(dies_with(listen_second, "another program listens there"));
    CHECK(dies_with(open_long, "too long"));

    /* What is there at the end is another's. */
    snprintf(moved, sizeof(moved), "%s.old", rig.path);
    CHECK(!rename(rig.path, moved));
    int fd = open(rig.path, O_CREAT | O_WRONLY, 0600);

    vsock_unix_remove(&rig.host);
    CHECK(!lstat(rig.path, &st) && S_ISREG(st.st_mode));
    CHECK(dies_with(listen_second, "no socket"));
    close(fd);
    unlink(rig.path);
    CHECK(!symlink("elsewhere", rig.path));
    CHECK(dies_with(listen_second, "no socket"));
    unlink(rig.path);

    /* A program that has ended left a socket, which is nobody's. */
    close(unix_socket("", true));
    CHECK(!lstat(rig.path, &st) && S_ISSOCK(st.st_mode));
    listen_second();
    int program = unix_socket("", false);

    CHECK(program >= 0);
    close(program);
    char other[64];

    snprintf(other, sizeof(other), "%s.other", rig.path);
    CHECK(!link(rig.path, other));
    vsock_unix_close(&second);
    CHECK(lstat(rig.path, &st) < 0);

    /* After that the file is not its own, if only its number is the same. */
    CHECK(!rename(other, rig.path));
    vsock_unix_remove(&second);
    CHECK(!lstat(rig.path, &st));
    CHECK(!rename(moved, rig.path));
    stop();
}

/* A child that listens at the path until the pipe's other end is closed: status 0; or 1 where it
 * was told that another program does. */
static pid_t start_listener(const int end[2])
{
    pid_t pid = fork();
    char c;

    if (pid)
        return pid;
    if (setjmp(died))
        _exit(died_of(NULL, "another program listens there") ? 1 : 2);
    close(end[1]);
    listen_second();
    (void)!read(end[0], &c, 1);
    vsock_unix_close(&second);
    _exit(0);
}

/* Does a process wait for the lock of a file? */
static bool waits_for(pid_t pid, int fd)
{
    char line[128];
    struct stat st;
    bool found = false;
    FILE *f = fopen("/proc/locks", "r");

    CHECK(f && !fstat(fd, &st));
    while (f && !found && fgets(line, sizeof(line), f)) {
        unsigned long inode;
        int who;

        found = sscanf(line, "%*s -> FLOCK ADVISORY WRITE %d %*x:%*x:%lu", &who, &inode) == 2 &&
                who == pid && inode == st.st_ino;
    }
    if (f)
        fclose(f);
    return found;
}

static int take_lock(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    CHECK(fd >= 0 && !flock(fd, LOCK_EX));
    return fd;
}

/* Until it waits for the lock. False: it listens, or ended, before. */
static bool await_waiter(pid_t pid, int fd)
{
    siginfo_t ended = {0};
    int program = -1;

    while (!waits_for(pid, fd) && !ended.si_pid && program < 0) {
        CHECK(!waitid(P_PID, pid, &ended, WEXITED | WNOHANG | WNOWAIT));
        program = unix_socket("", false);
        usleep(1000);
    }
    if (program >= 0)
        close(program);
    return !ended.si_pid && program < 0;
}

/* Two that find the same stale socket: the later one must see that it is stale no more. */
static void race(void)
{
    char guard[64];
    struct stat st;
    int end[2], status = 0;

    make();
    snprintf(guard, sizeof(guard), "%s.lock", rig.path);
    vsock_unix_remove(&rig.host);
    close(unix_socket("", true));
    CHECK(!pipe2(end, O_CLOEXEC));

    /* The other has the lock, another lock after that, and then a socket. */
    int first = take_lock(guard);
    pid_t pid = start_listener(end);

    bool waits = await_waiter(pid, first);

    CHECK(!unlink(guard));
    int next = take_lock(guard);

    CHECK(!flock(first, LOCK_UN)); /* the child has the descriptor, too */
    close(first);
    waits = waits && await_waiter(pid, next);
    CHECK(waits);
    if (!waits)
        return;
    CHECK(!unlink(rig.path));
    int live = unix_socket("", true);

    CHECK(!unlink(guard));
    close(next);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    int program = unix_socket("", false);

    CHECK(program >= 0);
    CHECK(lstat(guard, &st) < 0);
    close(program);
    close(live);

    /* Several at once: one has it. */
    int refused = 0;

    for (int i = 0; i < 4; i++)
        start_listener(end);
    while (refused < 3 && wait(&status) > 0)
        refused += WIFEXITED(status) && WEXITSTATUS(status) == 1;
    CHECK_EQ(refused, 3);
    program = unix_socket("", false);
    CHECK(program >= 0);
    close(program);
    close(end[1]);
    CHECK(wait(&status) > 0 && !status);
    CHECK(lstat(rig.path, &st) < 0 && lstat(guard, &st) < 0);
    close(end[0]);
    stop();
}

int main(void)
{
    return test_main((struct test[]){
        {shows, "its driver learns the CID"},
        {from_guest, "the guest connects to a program"},
        {from_host, "a program connects to the guest"},
        {refuses, "what nobody waits for, and what does not belong"},
        {half_closes, "either side ends, by halves and as a whole"},
        {guest_credit, "a program that does not read holds the guest up, within bounds"},
        {waits, "what waits when a side ends"},
        {host_credit, "a guest that does not read holds the program up"},
        {no_buffers, "a driver without buffers holds both up, and nothing is lost"},
        {too_many, "so many connections, and no more"},
        {odd_programs, "programs that say nothing, or nonsense"},
        {host_ports, "the host's ports of programs"},
        {answers_early, "a guest that answers before it was asked"},
        {crowded, "a host without descriptors"},
        {busy_program, "a program that has no time is asked again"},
        {resets, "a reset ends all, and a restored driver is told"},
        {breaks, "what no driver may do"},
        {names, "the socket's name: in use, stale, or no socket"},
        {race, "the socket's name: only one of those that want it at once has it"},
        {0}});
}
