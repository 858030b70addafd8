// SPDX-License-Identifier: MIT
/*
 * A network card from its driver's side, with a socket at the far end of its cable: frames out and
 * in, merged buffers, checksums, back pressure, a link that goes down, old drivers. And with links
 * like a tap's: frames that are not finished, commands, several pairs of queues.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Network Device".
 */
#define _GNU_SOURCE
#include "hw/passt.h"
#include "hw/virtio-net.h"
#include "tests/unit/test.h"
#include "tests/unit/virtio-driver.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CSUM = 1 << 0,
    GUEST_CSUM = 1 << 1,
    MRG_RXBUF = 1 << 15,
    STATUS = 1 << 16,
    GUEST_TSO4 = 1 << 7,
    HOST_TSO4 = 1 << 11,
    HOST_ECN = 1 << 13,
    CTRL_VQ = 1 << 17,
    MQ = 1 << 22,

    PAIRS = 3, /* of links like a tap's */
    QUEUES = 2 * PAIRS + 1,

    RAM = 0x800000,
    SIZE = 64,      /* of a queue */
    QUEUE = 0x1000, /* where the first is, */
    RX_AT = 0x10000,
    TX_AT = 0x100000,
    SLOT = 0x11000, /* for each buffer of TX */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct rig {
    struct virtio_net net;
    struct passt passt;
    struct worker worker;
    struct event_loop loop;
    struct ram ram;
    struct ring ring[QUEUES];
    int peer;
    int interrupts[QUEUES], config_interrupts;
    struct taplike {
        struct link link;
        int takes, frames;
        bool used;
        struct link_header header; /* of the last frame sent, and its length */
        size_t len;
    } taplike[PAIRS];
} rig;

static void interrupt(void *to, int q)
{
    (void)to;
    if (q == VIRTIO_CONFIG_IRQ)
        rig.config_interrupts++;
    else
        rig.interrupts[q]++;
}

static void make(void)
{
    int pair[2];

    memset(&rig, 0, sizeof(rig));
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    rig.peer = pair[1];
    ram_init(&rig.ram, RAM);
    event_init(&rig.loop, &lock);
    worker_init_in_line(&rig.worker, &rig.loop);
    passt_talk(&rig.passt, pair[0]);
    virtio_net_init(&rig.net,
                    &(struct virtio_net_options){
                        {&rig.passt.link}, 1, {0x52, 0x54, 0, 1, 2, 3}, PASST_MTU, false},
                    &(struct virtio_memory){.ram = &rig.ram}, &rig.worker);
    rig.net.virtio.interrupt = interrupt;
    for (int q = 0; q < 2; q++)
        ring_lay(&rig.ring[q], &rig.ram, QUEUE + q * 0x2000, SIZE);
}

/* ---- a link like a tap's ---- */

static struct taplike *taplike_of(struct link *l)
{
    return container_of(l, struct taplike, link);
}

static void take_frame(struct link *l, const struct link_header *h, const struct iovec *v,
                       int count, size_t len)
{
    size_t sum = 0;

    for (int i = 0; i < count; i++)
        sum += v[i].iov_len;
    CHECK_EQ(sum, len);
    taplike_of(l)->header = *h;
    taplike_of(l)->len = len;
    taplike_of(l)->frames++;
}

static void nothing(struct link *l)
{
    (void)l;
}

static void offload(struct link *l, int takes)
{
    taplike_of(l)->takes = takes;
}

static void use(struct link *l, bool on)
{
    taplike_of(l)->used = on;
}

static const struct link_kind taplike = {.send = take_frame,
                                         .receive = nothing,
                                         .resume = nothing,
                                         .offload = offload,
                                         .use = use,
                                         .close = nothing};

/* A card with so many pairs, of whose queues the driver enables the first n. */
static bool vhost; /* may the host's kernel serve them? */

static void start_taplike(int pairs, uint64_t features, int n)
{
    struct virtio_net_options o = {
        .pairs = pairs, .mac = {2, 0, 0, 1, 2, 3}, .mtu = 1500, .vhost = vhost};

    memset(&rig, 0, sizeof(rig));
    rig.peer = -1;
    ram_init(&rig.ram, RAM);
    event_init(&rig.loop, &lock);
    worker_init_in_line(&rig.worker, &rig.loop);
    for (int i = 0; i < pairs; i++) {
        o.link[i] = &rig.taplike[i].link;
        link_init(o.link[i], &taplike, eventfd(0, 0));
    }
    virtio_net_init(&rig.net, &o, &(struct virtio_memory){.ram = &rig.ram}, &rig.worker);
    rig.net.virtio.interrupt = interrupt;
    for (int q = 0; q < n; q++)
        ring_lay(&rig.ring[q], &rig.ram, QUEUE + q * 0x2000, SIZE);
    driver_start(&rig.net.virtio, features, rig.ring, n);
    CHECK_EQ(rig.net.virtio.s.status, 0x0f);
}

/* ---- */

static void start(uint64_t features)
{
    make();
    driver_start(&rig.net.virtio, features, rig.ring, 2);
    CHECK_EQ(rig.net.virtio.s.status, 0x0f);
}

static void stop(void)
{
    virtio_net_free(&rig.net);
    if (rig.peer >= 0)
        close(rig.peer);
    event_free(&rig.loop);
    ram_free(&rig.ram);
}

static void serve(void)
{
    rig.passt.link.watch.ready(&rig.passt.link.watch);
}

static void *at(uint64_t gpa)
{
    return ring_at(&rig.ring[0], gpa);
}

/* Give the device a buffer of RX. */
static void offer(int n, uint32_t len)
{
    uint64_t gpa = RX_AT + n * 0x1000;

    memset(at(gpa), 0xee, 0x1000);
    ring_desc(&rig.ring[0], n, gpa, len, RING_WRITE, 0);
    ring_add(&rig.ring[0], n);
    virtio_kick(&rig.net.virtio, 0);
}

/* The peer sends a frame of which byte i is fill + i. */
static void say(size_t len, uint8_t fill)
{
    static uint8_t buf[4 + PASST_FRAME_MAX];
    uint32_t prefix = htobe32(len);

    memcpy(buf, &prefix, 4);
    for (size_t i = 0; i < len; i++)
        buf[4 + i] = fill + i;
    CHECK(send(rig.peer, buf, 4 + len, MSG_NOSIGNAL) == (ssize_t)(4 + len));
    serve();
}

/* Does a frame's part, from its byte i on, lie at gpa? */
static bool lies(uint64_t gpa, size_t len, uint8_t fill, size_t i)
{
    const uint8_t *p = at(gpa);

    for (size_t n = 0; n < len; n++)
        if (p[n] != (uint8_t)(fill + i + n))
            return false;
    return true;
}

/* What the peer gets next: the frame's length, or 0. */
static uint8_t heard[PASST_FRAME_MAX];

static size_t hear(void)
{
    uint32_t prefix;

    if (recv(rig.peer, &prefix, 4, MSG_DONTWAIT) != 4)
        return 0;
    prefix = be32toh(prefix);
    CHECK(prefix <= sizeof(heard));
    CHECK(recv(rig.peer, heard, prefix, MSG_WAITALL) == (ssize_t)prefix);
    return prefix;
}

/* Make a frame of TX available whose header is there, behind it len bytes. */
static void add_tx(int n, size_t header, size_t len)
{
    uint64_t gpa = TX_AT + n * SLOT;

    ring_desc(&rig.ring[1], 2 * n, gpa, header, RING_NEXT, 2 * n + 1);
    ring_desc(&rig.ring[1], 2 * n + 1, gpa + 16, len, 0, 0);
    ring_add(&rig.ring[1], 2 * n);
}

static uint8_t *tx(int n)
{
    return at(TX_AT + n * SLOT);
}

static bool came_back(int q)
{
    uint32_t head = 0, len = 0;

    return ring_take(&rig.ring[q], &head, &len);
}

static void shows(void)
{
    struct virtio *d = &rig.net.virtio;

    make();
    CHECK_EQ(virtio_config_read(d, 0, 4), 0x01005452);
    CHECK_EQ(virtio_config_read(d, 4, 2), 0x0302);
    CHECK_EQ(virtio_config_read(d, 6, 2), 1);
    CHECK_EQ(virtio_config_read(d, 10, 2), PASST_MTU);
    CHECK_EQ(d->offered & 0xffffff, 0x01802b);
    stop();
}

static void sends(void)
{
    start(0);
    memset(tx(0), 0, 16);
    memcpy(tx(0) + 16, "a frame of twenty-six byte", 26);
    add_tx(0, 12, 26);
    /* In one piece, and with the header cut in two. */
    ring_desc(&rig.ring[1], 2, TX_AT + 4, 38, 0, 0);
    ring_add(&rig.ring[1], 2);
    ring_desc(&rig.ring[1], 3, TX_AT, 5, RING_NEXT, 4);
    ring_desc(&rig.ring[1], 4, TX_AT + 9, 33, 0, 0);
    ring_add(&rig.ring[1], 3);
    /* Too short, and too long. */
    add_tx(3, 12, 13);
    add_tx(4, 12, PASST_FRAME_MAX + 1);
    virtio_kick(&rig.net.virtio, 1);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(hear(), 26);
        CHECK(!memcmp(heard, "a frame of twenty-six byte", 26));
    }
    CHECK_EQ(hear(), 0);
    for (int i = 0; i < 5; i++)
        CHECK(came_back(1));
    CHECK_EQ(rig.interrupts[1], 1);

    /* A request shorter than a header. */
    ring_desc(&rig.ring[1], 6, TX_AT, 11, 0, 0);
    ring_add(&rig.ring[1], 6);
    virtio_kick(&rig.net.virtio, 1);
    CHECK(virtio_is_broken(&rig.net.virtio));
    stop();
}

static void receives(void)
{
    uint32_t head = 0, len = 0;

    start(GUEST_CSUM);
    say(100, 5); /* for nobody yet: it waits */
    offer(0, 0x800);
    CHECK(ring_take(&rig.ring[0], &head, &len));
    CHECK_EQ(head, 0);
    CHECK_EQ(len, 112);
    CHECK_EQ(ring_get16(&rig.ring[0], RX_AT), 2); /* checksums are valid */
    CHECK_EQ(ring_get16(&rig.ring[0], RX_AT + 10), 1);
    CHECK(lies(RX_AT + 12, 100, 5, 0));
    CHECK_EQ(*(uint8_t *)at(RX_AT + 112), 0xee);

    /* What does not fit is lost, and its buffer serves the next. */
    offer(1, 0x100);
    say(0x100, 6);
    CHECK(!ring_take(&rig.ring[0], &head, &len));
    say(0xf4, 7);
    CHECK(ring_take(&rig.ring[0], &head, &len));
    CHECK_EQ(head, 1);
    CHECK_EQ(len, 0x100);
    CHECK(lies(RX_AT + 0x100c, 0xf4, 7, 0));

    offer(2, 12); /* no room for any frame */
    say(20, 0);
    CHECK(virtio_is_broken(&rig.net.virtio));
    stop();
}

static void merges(void)
{
    uint32_t head = 0, len = 0;

    start(MRG_RXBUF);
    for (int n = 0; n < 3; n++)
        offer(n, 0x100);
    say(0x300, 1);
    CHECK(!came_back(0));
    CHECK_EQ(rig.interrupts[0], 0);
    offer(3, 0x100);
    for (int n = 0; n < 4; n++) {
        CHECK(ring_take(&rig.ring[0], &head, &len));
        CHECK_EQ(head, n);
        CHECK_EQ(len, n < 3 ? 0x100 : 12);
        CHECK(n ? lies(RX_AT + n * 0x1000, len, 1, n * 0x100 - 12)
                : lies(RX_AT + 12, 0x100 - 12, 1, 0));
    }
    CHECK_EQ(ring_get16(&rig.ring[0], RX_AT + 10), 4);
    CHECK_EQ(rig.interrupts[0], 1);

    /* More than all of the ring can hold. */
    for (int n = 0; n < SIZE; n++)
        offer(n, 0x100);
    say(SIZE * 0x100, 2);
    CHECK(!came_back(0));
    say(30, 3);
    CHECK(ring_take(&rig.ring[0], &head, &len));
    CHECK_EQ(len, 42);
    CHECK(lies(RX_AT + 12, 30, 3, 0));
    CHECK(!virtio_is_broken(&rig.net.virtio));
    stop();
}

/* The sum of 16-bit big-endian words. */
static uint16_t sum_of(const uint8_t *p, size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum += i % 2 ? p[i] : p[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static void checksums(void)
{
    for (size_t len = 40; len < 60; len++) {
        start(CSUM);
        memset(tx(0), 0, 16);
        tx(0)[0] = 1;  /* NEEDS_CSUM */
        tx(0)[6] = 20; /* csum_start */
        tx(0)[8] = 6;  /* csum_offset */
        for (size_t i = 0; i < len; i++)
            tx(0)[16 + i] = len * 37 + i * 101;
        add_tx(0, 12, len);
        virtio_kick(&rig.net.virtio, 1);
        CHECK_EQ(hear(), len);
        CHECK(!memcmp(heard, tx(0) + 16, 26));
        CHECK(!memcmp(heard + 28, tx(0) + 16 + 28, len - 28));
        /* What was in the field is part of the sum; and the guest's memory stays as it was. */
        uint16_t old = sum_of(tx(0) + 16 + 20, len - 20), new = ~old;

        CHECK_EQ(heard[26] << 8 | heard[27], new ? new : 0xffff);
        stop();
    }

    /* Places outside the frame. */
    static const uint16_t bad[][2] = {{60, 0}, {20, 39}, {59, 0}, {0xffff, 0xffff}, {0, 59}};

    start(CSUM);
    for (int i = 0; i < 5; i++) {
        memset(tx(i), 0, 16);
        tx(i)[0] = 1;
        memcpy(tx(i) + 6, bad[i], 4);
        add_tx(i, 12, 60);
    }
    add_tx(5, 12, PASST_FRAME_MAX + 1);
    tx(5)[0] = 1;
    virtio_kick(&rig.net.virtio, 1);
    CHECK_EQ(hear(), 0);
    for (int i = 0; i < 6; i++)
        CHECK(came_back(1));
    CHECK(!virtio_is_broken(&rig.net.virtio));
    stop();
}

static void legacy(void)
{
    struct virtio *d = &rig.net.virtio;
    uint32_t head = 0, len = 0;

    for (int merged = 0; merged < 2; merged++) {
        size_t header = merged ? 12 : 10;

        make();
        virtio_set_status(d, 1, true);
        virtio_set_status(d, 3, true);
        virtio_set_features(d, merged ? MRG_RXBUF : 0, true);
        for (int q = 0; q < 2; q++) {
            d->s.q[q].desc = rig.ring[q].desc;
            d->s.q[q].avail = rig.ring[q].avail;
            d->s.q[q].used = rig.ring[q].used;
            d->s.q[q].size = SIZE;
            virtq_enable(d, q);
        }
        virtio_set_status(d, 7, true);
        offer(0, 0x200);
        say(50, 9);
        CHECK(ring_take(&rig.ring[0], &head, &len));
        CHECK_EQ(len, header + 50);
        CHECK(lies(RX_AT + header, 50, 9, 0));
        memset(tx(0), 0, 100);
        add_tx(0, header, 60);
        virtio_kick(d, 1);
        CHECK_EQ(hear(), 60);
        stop();
    }
}

/* The peer does not read: frames stay in the ring, and go on when it does. */
static void waits(void)
{
    int sent = 0, came = 0, seen = 0;

    start(0);
    for (int n = 0; n < SIZE / 2; n++) {
        memset(tx(n), 0, 16);
        memset(tx(n) + 16, n, 0x10000 - 32);
        add_tx(n, 12, 0x10000 - 32);
        sent++;
    }
    virtio_kick(&rig.net.virtio, 1);
    while (came_back(1))
        came++;
    CHECK(came < sent);
    serve();
    CHECK(!came_back(1));
    for (; seen < sent; seen++) {
        size_t got = 0;
        static uint8_t buf[4 + 0x10000 - 32];

        while (got < sizeof(buf)) {
            ssize_t k = recv(rig.peer, buf + got, sizeof(buf) - got, MSG_DONTWAIT);

            serve();
            if (k > 0)
                got += k;
            else if (came == sent && !link_is_busy(&rig.passt.link))
                break;
            while (came_back(1))
                came++;
        }
        CHECK_EQ(got, sizeof(buf));
        CHECK_EQ(buf[4], seen);
        CHECK_EQ(buf[sizeof(buf) - 1], seen);
        if (test_failures)
            break;
    }
    CHECK_EQ(came, sent);
    stop();
}

static void goes_down(void)
{
    start(STATUS);
    close(rig.peer);
    rig.peer = -1;
    serve();
    CHECK_EQ(virtio_config_read(&rig.net.virtio, 6, 2), 0);
    CHECK_EQ(rig.config_interrupts, 1);
    for (int n = 0; n < SIZE / 2; n++)
        add_tx(n, 12, 60);
    virtio_kick(&rig.net.virtio, 1);
    for (int n = 0; n < SIZE / 2; n++)
        CHECK(came_back(1));

    /* The driver's reset does not mend it. */
    for (int q = 0; q < 2; q++)
        ring_lay(&rig.ring[q], &rig.ram, QUEUE + q * 0x2000, SIZE);
    driver_start(&rig.net.virtio, STATUS, rig.ring, 2);
    CHECK_EQ(virtio_config_read(&rig.net.virtio, 6, 2), 0);
    stop();
}

/* A reset while a frame waits for a place: it is the next driver's. */
static void resets(void)
{
    uint32_t head = 0, len = 0;

    start(MRG_RXBUF);
    offer(0, 0x100);
    say(0x200, 1);
    virtio_set_status(&rig.net.virtio, 0, false);
    ring_lay(&rig.ring[0], &rig.ram, QUEUE, SIZE);
    driver_start(&rig.net.virtio, 0, rig.ring, 2);
    offer(0, 0x800);
    CHECK(ring_take(&rig.ring[0], &head, &len));
    CHECK_EQ(len, 0x20c);

    /* And without a driver they are lost. */
    virtio_set_status(&rig.net.virtio, 0, false);
    say(100, 1);
    ring_lay(&rig.ring[0], &rig.ram, QUEUE, SIZE);
    driver_start(&rig.net.virtio, 0, rig.ring, 2);
    offer(0, 0x800);
    CHECK(!came_back(0));
    stop();
}

/* A frame comes to a pair; is it shown to the driver there, and with which flags? -1: no. */
static int comes(int pair, struct link_header h, uint8_t to)
{
    uint8_t frame[60] = {to, 0, 0, 1, 2, 3};
    uint32_t head = 0, len = 0;
    struct ring *r = &rig.ring[2 * pair];

    ring_desc(r, 0, RX_AT, 0x800, RING_WRITE, 0);
    ring_add(r, 0);
    CHECK(rig.taplike[pair].link.user.received(&rig.net.pair[pair], &h, frame, sizeof(frame)));
    if (ring_take(r, &head, &len))
        return ring_get16(r, RX_AT);
    r->added--; /* it is not taken yet */
    return -1;
}

/* What is left to do is passed on both ways, as far as it was agreed on. */
static void unfinished(void)
{
    const struct link_header csum = {.flags = LINK_NEEDS_CSUM},
                             tso4 = {1, LINK_GSO_TCPV4, 54, 1448, 34, 16},
                             tso6 = {1, LINK_GSO_TCPV6, 74, 1428, 54, 16};

    start_taplike(1, CSUM | GUEST_CSUM | HOST_TSO4 | HOST_ECN | GUEST_TSO4, 2);
    CHECK_EQ(rig.net.virtio.offered & 0xffffff, 0x87bbab);
    CHECK_EQ(rig.taplike[0].takes, LINK_TAKES_CSUM | LINK_TAKES_TSO4);
    CHECK_EQ(comes(0, (struct link_header){0}, 2), 0);
    CHECK_EQ(comes(0, csum, 2), LINK_NEEDS_CSUM);
    CHECK_EQ(comes(0, tso4, 2), LINK_NEEDS_CSUM | LINK_GSO_TCPV4 << 8);
    CHECK_EQ(comes(0, tso6, 2), -1);
    CHECK_EQ(comes(0, (struct link_header){.gso_type = LINK_GSO_TCPV4 | LINK_GSO_ECN}, 2), -1);

    memset(tx(0), 0, 16);
    memcpy(tx(0), &tso4, sizeof(tso4));
    add_tx(0, 12, 0x9000);
    virtio_kick(&rig.net.virtio, 1);
    CHECK_EQ(rig.taplike[0].len, 0x9000);
    CHECK(!memcmp(&rig.taplike[0].header, &tso4, sizeof(tso4)));
    memcpy(tx(1), &tso6, sizeof(tso6));
    add_tx(1, 12, 0x9000);
    virtio_kick(&rig.net.virtio, 1);
    CHECK_EQ(rig.taplike[0].frames, 1);
    CHECK(came_back(1) && came_back(1));
    stop();

    start_taplike(1, 0, 2);
    CHECK_EQ(rig.taplike[0].takes, 0);
    CHECK_EQ(comes(0, csum, 2), -1);
    CHECK_EQ(comes(0, (struct link_header){.flags = LINK_DATA_VALID}, 2), 0);
    stop();
}

/* A command over queue q; the answer. */
static int command(int q, const void *data, size_t len)
{
    uint64_t at_data = TX_AT, answer = TX_AT + 0x800;

    memcpy(at(at_data), data, len);
    *(uint8_t *)at(answer) = 0xee;
    ring_desc(&rig.ring[q], 0, at_data, len, RING_NEXT, 1);
    ring_desc(&rig.ring[q], 1, answer, 1, RING_WRITE, 0);
    ring_add(&rig.ring[q], 0);
    virtio_kick(&rig.net.virtio, q);
    CHECK(came_back(q));
    return *(uint8_t *)at(answer);
}
#define COMMAND(q, ...) command(q, (uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}))

static void commands(void)
{
    struct link_header none = {0};
    uint8_t many[2 + 4 + 6 * 40 + 4] = {1, 0, 40};

    start_taplike(1, CTRL_VQ, 3);
    CHECK_EQ(comes(0, none, 0x42), 0); /* all, until it says what it wants */
    CHECK_EQ(COMMAND(2, 0, 0, 0), 0);
    CHECK_EQ(comes(0, none, 0x42), -1);
    CHECK_EQ(comes(0, none, 2), 0);
    CHECK_EQ(comes(0, none, 3), -1);
    CHECK_EQ(COMMAND(2, 0, 1, 1), 0);
    CHECK_EQ(comes(0, none, 3), 0);
    CHECK_EQ(comes(0, none, 0x44), -1);
    CHECK_EQ(COMMAND(2, 0, 1, 0), 0);
    CHECK_EQ(COMMAND(2, 1, 0, 1, 0, 0, 0, 0x42, 0, 0, 1, 2, 3, 1, 0, 0, 0, 3, 0, 0, 1, 2, 3), 0);
    CHECK_EQ(comes(0, none, 0x42), 0);
    CHECK_EQ(comes(0, none, 3), 0);
    CHECK_EQ(comes(0, none, 5), -1);
    CHECK_EQ(COMMAND(2, 1, 1, 0x42, 0, 0, 1, 2, 3), 0);
    CHECK_EQ(virtio_config_read(&rig.net.virtio, 0, 1), 0x42);
    CHECK_EQ(COMMAND(2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0);
    CHECK_EQ(comes(0, none, 2), -1);
    CHECK_EQ(comes(0, none, 3), -1);
    CHECK_EQ(comes(0, none, 0x42), 0);
    /* More than there is place for. */
    CHECK_EQ(command(2, many, sizeof(many)), 0);
    CHECK_EQ(comes(0, none, 5), 0);

    /* No such, or not whole. */
    CHECK_EQ(COMMAND(2, 9, 0, 0), 1);
    CHECK_EQ(COMMAND(2, 1), 1);
    CHECK_EQ(COMMAND(2, 1, 1, 2, 0, 0), 1);
    CHECK_EQ(COMMAND(2, 1, 0, 2, 0, 0, 0, 1, 2, 3, 4, 5, 6), 1);
    CHECK_EQ(COMMAND(2, 1, 0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5, 6), 1);
    /* Six times this is 2 in 32 bits. */
    CHECK_EQ(COMMAND(2, 1, 0, 0xab, 0xaa, 0xaa, 0x2a, 0, 0, 0, 0, 0, 0), 1);
    CHECK_EQ(COMMAND(2, 4, 0, 1, 0), 1); /* there are no pairs */

    /* A reset forgets them. */
    virtio_set_status(&rig.net.virtio, 0, false);
    CHECK(rig.net.s.promiscuous);
    CHECK_EQ(virtio_config_read(&rig.net.virtio, 0, 1), 2);
    stop();
}

/* A turn's worth of commands, and one more: for that no kick comes, as none was asked for. */
static void many_commands(void)
{
    static const uint8_t promiscuous[3] = {0, 0, 1};
    struct ring *r = &rig.ring[2];
    uint32_t head = 0, len = 0;
    int done = 0;

    start_taplike(1, CTRL_VQ, 3);
    memcpy(at(TX_AT), promiscuous, sizeof(promiscuous));
    ring_desc(r, 0, TX_AT, sizeof(promiscuous), 0, 0);
    for (int i = 0; i < SIZE; i++)
        ring_add(r, 0);
    virtio_kick(&rig.net.virtio, 2);
    while (ring_take(r, &head, &len))
        done++;
    CHECK_EQ(done, SIZE);
    ring_add(r, 0);
    rig.taplike[0].link.watch.ready(&rig.taplike[0].link.watch);
    CHECK(ring_take(r, &head, &len));
    stop();
}

/* Somebody else has the link: frames that wait for that one do not keep the loop awake. */
static void lent(void)
{
    struct link *l = &rig.taplike[0].link;
    struct pollfd p;

    start_taplike(1, 0, 2);
    p = (struct pollfd){.fd = l->watch.fd, .events = POLLIN};
    CHECK(!eventfd_write(l->fd, 1));
    CHECK_EQ(poll(&p, 1, 0), 1);
    link_lend(l, true);
    CHECK_EQ(poll(&p, 1, 0), 0);
    link_lend(l, false);
    CHECK_EQ(poll(&p, 1, 0), 1);
    stop();
}

/* A guest that moves to an engine without vhost has the card that it had. */
static void with_vhost(void)
{
    start_taplike(1, CTRL_VQ, 3);
    uint64_t offered = rig.net.virtio.offered;

    stop();
    vhost = true;
    start_taplike(1, CTRL_VQ, 3);
    CHECK_EQ(rig.net.virtio.offered, offered);
    CHECK_EQ(COMMAND(2, 0, 0, 0), 0);
    CHECK_EQ(comes(0, (struct link_header){0}, 0x42), -1);
    stop();
    vhost = false;
}

static void pairs(void)
{
    struct link_header none = {0};

    start_taplike(PAIRS, CTRL_VQ | MQ, QUEUES);
    CHECK_EQ(virtio_config_read(&rig.net.virtio, 8, 2), PAIRS);
    CHECK(rig.taplike[0].used && !rig.taplike[1].used && !rig.taplike[2].used);
    CHECK_EQ(COMMAND(6, 4, 0, 2, 0), 0);
    CHECK(rig.taplike[0].used && rig.taplike[1].used && !rig.taplike[2].used);
    CHECK_EQ(COMMAND(6, 4, 0, 0, 0), 1);
    CHECK_EQ(COMMAND(6, 4, 0, 4, 0), 1);
    CHECK_EQ(COMMAND(6, 4, 0), 1);
    CHECK_EQ(comes(1, none, 2), 0);
    CHECK_EQ(comes(0, none, 2), 0);

    memset(tx(0), 0, 16);
    ring_desc(&rig.ring[3], 0, TX_AT, 12 + 60, 0, 0);
    ring_add(&rig.ring[3], 0);
    virtio_kick(&rig.net.virtio, 3);
    CHECK(came_back(3));
    CHECK_EQ(rig.taplike[1].frames, 1);
    CHECK_EQ(rig.taplike[0].frames, 0);

    /* A state that is put back. */
    CHECK_EQ(COMMAND(6, 4, 0, 3, 0), 0);
    rig.net.s.pairs = 1;
    rig.net.s.mac[0] = 0x66;
    rig.net.dev.restored(&rig.net.dev);
    CHECK_EQ(virtio_config_read(&rig.net.virtio, 0, 1), 0x66);
    CHECK(rig.taplike[0].used && !rig.taplike[1].used && !rig.taplike[2].used);

    /* One that goes down takes the card down, once. */
    link_down(&rig.taplike[2].link);
    link_down(&rig.taplike[1].link);
    CHECK_EQ(rig.config_interrupts, 1);
    CHECK_EQ(virtio_config_read(&rig.net.virtio, 6, 2), 0);
    CHECK_EQ(COMMAND(6, 4, 0, 3, 0), 0);
    stop();

    /* A driver that knows no pairs has its commands behind the first. */
    start_taplike(PAIRS, CTRL_VQ, 3);
    CHECK_EQ(COMMAND(2, 0, 0, 0), 0);
    CHECK(!rig.net.s.promiscuous);
    stop();
}

int main(void)
{
    return test_main((struct test[]){
        {shows, "its driver learns the address, the MTU and that the link is up"},
        {sends, "frames are sent, however they lie"},
        {receives, "frames are received, and those without a place wait or are lost"},
        {merges, "a long frame takes several buffers"},
        {checksums, "checksums that are left to it"},
        {legacy, "legacy drivers have their own headers"},
        {waits, "a peer that does not read holds frames in the ring"},
        {goes_down, "the link goes down"},
        {resets, "a reset while a frame waits"},
        {unfinished, "frames that are not finished"},
        {commands, "which frames the driver wants"},
        {many_commands, "commands without end have their turns"},
        {lent, "a link that somebody else serves"},
        {with_vhost, "what it offers does not depend on vhost"},
        {pairs, "several pairs of queues"},
        {0}});
}
