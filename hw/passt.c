// SPDX-License-Identifier: MIT
/*
 * User networking by passt.
 *
 * After: passt(1), as of version 0.0~git20230309; QEMU's documentation of -netdev stream, whose
 * frames each have their length before them, in four bytes, big-endian; RFC 826 (ARP).
 *
 * Left out: vhost-user, which Debian 12's passt does not have yet.
 */
#define _GNU_SOURCE
#include "hw/passt.h"
#include "hw/clock.h"
#include "hw/device.h"
#include "hw/die.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PREFIX = 4,       /* a frame's length */
    START_MS = 30000, /* a child that does not answer by then is not waited for */
    BUFFER = 1 << 20  /* of the socket, if the host allows that much */
};

/* How long one that hung up has to say why. */
#define END_NS NS_PER_SECOND

/* ---- the child ---- */

/* In the child. */
static _Noreturn void become_passt(const struct passt_options *o, int socket)
{
    char fd[16], mtu[16];
    const char *argv[8 + 2 * PASST_FORWARDS] = {"passt", "-f", "-q", "-m", mtu, "-F", fd};
    int n = 7;

    snprintf(fd, sizeof(fd), "%d", socket);
    snprintf(mtu, sizeof(mtu), "%d", o->mtu);
    for (int i = 0; i < o->forwards; i++) {
        argv[n++] = o->forward[i].udp ? "-u" : "-t";
        argv[n++] = o->forward[i].spec;
    }
    fcntl(socket, F_SETFD, 0);
    child_become(argv);
}

/* Ask who has an address that nobody has. passt answers for every one but the guest's, so that the
 * answer shows that it is up; and it hears the guest's MAC address. */
static void probe(const struct passt *p, const uint8_t mac[6])
{
    uint8_t q[PREFIX + 42] = {0,    0, 0,    42, 0xff, 0xff, 0xff, 0xff, 0xff,
                              0xff, 0, 0,    0,  0,    0,    0,    0x08, 0x06, /* ARP */
                              0,    1, 0x08, 0,  6,    4,    0,    1};
    static const uint8_t link_local[4] = {169, 254, 0, 1};

    memcpy(q + PREFIX + 6, mac, 6);
    memcpy(q + PREFIX + 22, mac, 6);
    memcpy(q + PREFIX + 38, link_local, 4);
    (void)!send(p->link.fd, q, sizeof(q), MSG_NOSIGNAL);
}

/* The last line that the child said, less those that passt always says: that there is no syslog,
 * and as which user it goes on. */
static const char *last_words(char *said)
{
    const char *last = "";

    for (char *line = strtok(said, "\n"); line; line = strtok(NULL, "\n"))
        if (strncmp(line, "Failed to send ", 15) != 0 &&
            strncmp(line, "Don't run as root", 17) != 0)
            last = line;
    return last;
}

static _Noreturn void die_of(struct passt *p, const struct passt_options *o, const char *words)
{
    char said[CHILD_SAID];

    child_kill(&p->child);
    child_said(&p->child, said);
    const char *last = last_words(said);

    if (child_is_missing(&p->child))
        die("--net needs passt (Debian: apt-get install passt): %s", last);
    for (int i = 0; i < o->forwards; i++)
        if (!strncmp(last, "Failed to bind ", 15) && strstr(last, o->forward[i].spec))
            die("--net forward=%s: the port is taken, or may not be had at that address",
                o->forward[i].said);
    die("--net: passt: %s", *last ? last : words);
}

void passt_open(struct passt *p, const struct passt_options *o)
{
    int pair[2], size = BUFFER;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        die("--net: cannot make a socket pair: %m");
    for (int i = 0; i < 2; i++)
        setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    passt_talk(p, pair[0]);
    probe(p, o->mac);
    pid_t pid = child_start(&p->child, "passt");

    if (pid < 0)
        die("--net: cannot start passt: %m");
    if (!pid)
        become_passt(o, pair[1]);
    close(pair[1]);
}

void passt_wait(struct passt *p, const struct passt_options *o)
{
    struct pollfd in = {.fd = p->link.fd, .events = POLLIN};
    char byte;
    int n;

    while ((n = poll(&in, 1, START_MS)) < 0 && errno == EINTR)
        ;
    if (!n)
        die_of(p, o, "does not answer");
    if (recv(p->link.fd, &byte, 1, MSG_PEEK) != 1) {
        child_wait(&p->child, clock_after(clock_host(CLOCK_MONOTONIC), END_NS));
        die_of(p, o, "ended at once");
    }
}

/* ---- the conversation ---- */

static struct passt *passt_of(struct link *l)
{
    return container_of(l, struct passt, link);
}

/* Did the socket fail, and not only want no more now? */
static bool failed(ssize_t n)
{
    return n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS;
}

static void flush(struct link *l)
{
    struct passt *p = passt_of(l);
    ssize_t n =
        send(l->fd, p->out + p->out_sent, p->out_len - p->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (failed(n))
        link_down(l);
    else if (n > 0 && (p->out_sent += n) == p->out_len)
        l->busy = false;
}

/* Keep what is left of a message of which n bytes are gone. */
static void keep_rest(struct passt *p, const struct iovec *v, int count, size_t n)
{
    p->out_sent = p->out_len = 0;
    for (int i = 0; i < count; i++) {
        size_t skip = n < v[i].iov_len ? n : v[i].iov_len;

        memcpy(p->out + p->out_len, (char *)v[i].iov_base + skip, v[i].iov_len - skip);
        p->out_len += v[i].iov_len - skip;
        n -= skip;
    }
    p->link.busy = true;
    link_wait(&p->link);
}

static void send_frame(struct link *l, const struct link_header *h, const struct iovec *v,
                       int count, size_t len)
{
    uint32_t prefix = htobe32(len);
    struct iovec all[1 + LINK_SEGMENTS] = {{&prefix, sizeof(prefix)}};
    struct msghdr m = {.msg_iov = all, .msg_iovlen = 1 + count};

    (void)h;
    if (len > PASST_FRAME_MAX)
        return;
    memcpy(all + 1, v, count * sizeof(*v));
    ssize_t n = sendmsg(l->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (failed(n))
        link_down(l);
    else if (n < (ssize_t)(PREFIX + len))
        keep_rest(passt_of(l), all, 1 + count, n < 0 ? 0 : n);
}

/* Hand on the frames that are here as a whole. They need no checksums made or checked: a socket
 * pair falsifies nothing. */
static void deliver(struct link *l)
{
    static const struct link_header valid = {.flags = LINK_DATA_VALID};
    struct passt *p = passt_of(l);

    while (l->fd >= 0 && p->in_end - p->in_start >= PREFIX) {
        const uint8_t *frame = p->in + p->in_start + PREFIX;
        uint32_t len;

        memcpy(&len, frame - PREFIX, PREFIX);
        len = be32toh(len);
        if (len < LINK_FRAME_MIN || len > PASST_FRAME_MAX) {
            link_down(l);
            return;
        }
        if (p->in_end - p->in_start - PREFIX < len)
            break;
        l->full = !l->user.received(l->user.to, &valid, frame, len);
        if (l->full)
            return;
        p->in_start += PREFIX + len;
    }
    memmove(p->in, p->in + p->in_start, p->in_end - p->in_start);
    p->in_end -= p->in_start;
    p->in_start = 0;
}

static void receive(struct link *l)
{
    struct passt *p = passt_of(l);
    ssize_t n = recv(l->fd, p->in + p->in_end, sizeof(p->in) - p->in_end, MSG_DONTWAIT);

    if (!n || failed(n)) {
        link_down(l);
    } else if (n > 0) {
        p->in_end += n;
        deliver(l);
    }
}

void passt_end(struct passt *p)
{
    child_kill(&p->child);
}

static void close_passt(struct link *l)
{
    struct passt *p = passt_of(l);

    passt_end(p);
    child_forget(&p->child);
}

static const struct link_kind kind = {
    .send = send_frame,
    .receive = receive,
    .resume = deliver,
    .flush = flush,
    .close = close_passt,
};

void passt_talk(struct passt *p, int socket)
{
    link_init(&p->link, &kind, socket);
    p->child = (struct child){.log = -1};
    p->out_sent = p->out_len = p->in_start = p->in_end = 0;
}
