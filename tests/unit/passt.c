// SPDX-License-Identifier: MIT
/*
 * The conversation with passt, by a peer that is not passt: frames in pieces, more than there is
 * place for, a peer that does not read, and one that breaks the rules.
 *
 * After: QEMU's documentation of -netdev stream: each frame has its length before it.
 */
#define _GNU_SOURCE
#include "hw/passt.h"
#include "tests/unit/test.h"

#include <endian.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static struct passt p;
static const struct link_header none;
static int peer = -1;
static int frames, rooms, downs;
static size_t places; /* received() has */
static uint8_t last[PASST_FRAME_MAX];
static size_t last_len;

static bool received(void *to, const struct link_header *h, const uint8_t *frame, size_t len)
{
    CHECK(to == &p);
    CHECK_EQ(h->flags, LINK_DATA_VALID);
    if (!places)
        return false;
    places--;
    frames++;
    memcpy(last, frame, len);
    last_len = len;
    return true;
}

static void room(void *to)
{
    CHECK(to == &p);
    CHECK(!link_is_busy(&p.link));
    rooms++;
}

static void down(void *to)
{
    CHECK(to == &p);
    downs++;
}

static void start(void)
{
    int pair[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    passt_talk(&p, pair[0]);
    link_attach(&p.link, &(struct link_user){received, room, down, &p});
    peer = pair[1];
    frames = rooms = downs = 0;
    places = SIZE_MAX;
}

static void stop(void)
{
    link_close(&p.link);
    if (peer >= 0)
        close(peer);
    peer = -1;
}

static void serve(void)
{
    p.link.watch.ready(&p.link.watch);
}

/* What the peer says: a length, and so many bytes. */
static void say(uint32_t len, size_t bytes, uint8_t fill)
{
    static uint8_t buf[4 + PASST_FRAME_MAX + 16];
    uint32_t prefix = htobe32(len);

    memcpy(buf, &prefix, 4);
    memset(buf + 4, fill, bytes);
    CHECK(send(peer, buf, 4 + bytes, MSG_NOSIGNAL) == (ssize_t)(4 + bytes));
}

static void in_pieces(void)
{
    const uint8_t message[] = {0, 0, 0, 15, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

    start();
    for (size_t i = 0; i < sizeof(message); i++) {
        CHECK_EQ(frames, 0);
        CHECK(send(peer, message + i, 1, 0) == 1);
        serve();
    }
    CHECK_EQ(frames, 1);
    CHECK_EQ(last_len, 15);
    CHECK(!memcmp(last, message + 4, 15));

    /* And several at once, with the longest among them. */
    say(20, 20, 1);
    say(PASST_FRAME_MAX, PASST_FRAME_MAX, 2);
    say(LINK_FRAME_MIN, LINK_FRAME_MIN, 3);
    serve();
    CHECK_EQ(frames, 4);
    CHECK_EQ(last_len, LINK_FRAME_MIN);
    CHECK_EQ(last[0], 3);
    CHECK_EQ(downs, 0);
    stop();
}

/* Nothing is lost, nothing comes twice, and nobody waits in a loop. */
static void no_place(void)
{
    start();
    places = 2;
    for (int i = 0; i < 5; i++)
        say(100 + i, 100 + i, i);
    serve();
    CHECK_EQ(frames, 2);
    CHECK(p.link.full);
    CHECK_EQ(p.link.events, 0);
    serve();
    CHECK_EQ(frames, 2);
    link_resume(&p.link);
    CHECK_EQ(frames, 2);
    places = 1;
    link_resume(&p.link);
    CHECK_EQ(frames, 3);
    CHECK_EQ(last_len, 102);
    CHECK_EQ(last[0], 2);
    places = SIZE_MAX;
    link_resume(&p.link);
    CHECK_EQ(frames, 5);
    CHECK(!p.link.full);
    say(50, 50, 9);
    serve();
    CHECK_EQ(frames, 6);

    /* The peer ends while a frame waits. */
    places = 0;
    say(50, 50, 9);
    serve();
    close(peer);
    peer = -1;
    serve();
    CHECK_EQ(downs, 1);
    serve();
    link_resume(&p.link);
    CHECK_EQ(frames, 6);
    CHECK_EQ(downs, 1);
    stop();
}

static void against_the_rules(void)
{
    static const uint32_t lens[] = {0,          1,         LINK_FRAME_MIN - 1, PASST_FRAME_MAX + 1,
                                    UINT32_MAX, 0x80000000};

    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        start();
        say(20, 20, 0);
        say(lens[i], 16, 0);
        serve();
        CHECK_EQ(frames, 1);
        CHECK_EQ(downs, 1);
        CHECK(p.link.fd < 0);
        serve();
        CHECK_EQ(downs, 1);
        stop();
    }
}

/* Frame n: its length tells it, and each byte. */
static size_t frame_len(int n)
{
    return LINK_FRAME_MIN + n * 7919 % (PASST_FRAME_MAX - LINK_FRAME_MIN + 1);
}

static uint8_t frame_byte(int n, size_t at)
{
    return n * 31 + at * 7 + (at >> 8);
}

static void send_frame(int n)
{
    static uint8_t buf[PASST_FRAME_MAX];
    size_t len = frame_len(n), cut = len / 3;
    struct iovec v[] = {{buf, cut}, {buf + cut, 0}, {buf + cut, len - cut}};

    for (size_t i = 0; i < len; i++)
        buf[i] = frame_byte(n, i);
    link_send(&p.link, &none, v, 3, len);
    memset(buf, 0xee, sizeof(buf)); /* it is the sender's again */
}

/* Read frame n at the peer's, in odd pieces, and serve meanwhile. False: it is not what it should
 * be. */
static bool read_frame(int n)
{
    static uint8_t buf[4 + PASST_FRAME_MAX];
    size_t len = frame_len(n), got = 0;
    uint32_t prefix;

    while (got < 4 + len) {
        size_t want = 4 + len - got < 10007 ? 4 + len - got : 10007;
        ssize_t k = recv(peer, buf + got, want, MSG_DONTWAIT);

        serve();
        if (k < 0 && errno == EAGAIN && link_is_busy(&p.link))
            continue;
        if (k <= 0)
            return false;
        got += k;
    }
    memcpy(&prefix, buf, 4);
    if (be32toh(prefix) != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (buf[4 + i] != frame_byte(n, i))
            return false;
    return true;
}

static void reads_nothing(void)
{
    int sent = 0, seen = 0;

    start();
    for (int round = 0; round < 4; round++) {
        while (!link_is_busy(&p.link) && sent < 1000)
            send_frame(sent++);
        CHECK(sent < 1000);
        link_ask(&p.link);
        serve();
        CHECK_EQ(rooms, round);
        while (seen < sent && read_frame(seen))
            seen++;
        CHECK_EQ(seen, sent);
        serve();
        CHECK_EQ(rooms, round + 1);
        serve();
        CHECK_EQ(rooms, round + 1);
    }

    /* What is no frame is not sent. */
    link_send(&p.link, &none, &(struct iovec){last, 13}, 1, 13);
    CHECK(!link_is_busy(&p.link));
    CHECK(recv(peer, last, 1, MSG_DONTWAIT) < 0);

    /* The peer ends, with a frame half sent: what is sent from then on is lost, at once. */
    while (!link_is_busy(&p.link))
        send_frame(sent++);
    close(peer);
    peer = -1;
    serve();
    CHECK_EQ(downs, 1);
    CHECK(!link_is_busy(&p.link));
    send_frame(0);
    CHECK(!link_is_busy(&p.link));
    rooms = 0;
    link_ask(&p.link);
    serve();
    CHECK_EQ(rooms, 1);
    serve();
    CHECK_EQ(rooms, 1);
    CHECK_EQ(downs, 1);
    stop();
}

/* The end is seen by the one who sends. */
static void ends(void)
{
    start();
    close(peer);
    peer = -1;
    send_frame(1);
    CHECK_EQ(downs, 1);
    serve();
    CHECK_EQ(downs, 1);
    stop();
}

int main(void)
{
    return test_main((struct test[]){
        {in_pieces, "frames come in pieces, and several at once"},
        {no_place, "frames for which there is no place wait, and nothing is lost"},
        {against_the_rules, "a length that no frame has takes the link down"},
        {reads_nothing, "a peer that does not read holds nobody up, and loses nothing"},
        {ends, "a peer that is gone takes the link down"},
        {0}});
}
