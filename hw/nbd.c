// SPDX-License-Identifier: MIT
/*
 * A client of the NBD protocol, and its server.
 *
 * After: the NBD protocol (proto.md of nbd), "Fixed newstyle negotiation", "Transmission", with
 * simple replies only; qemu-nbd(8) and sd_listen_fds(3): who starts a server hands it a socket that
 * listens.
 */
#define _GNU_SOURCE
#include "hw/nbd.h"
#include "hw/clock.h"
#include "hw/device.h"
#include "hw/die.h"
#include "hw/disk.h"
#include "hw/units.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define NBDMAGIC          UINT64_C(0x4e42444d41474943)
#define IHAVEOPT          UINT64_C(0x49484156454f5054)
#define NBD_REP_MAGIC     UINT64_C(0x3e889045565a9)
#define NBD_REQUEST_MAGIC 0x25609513
#define NBD_REPLY_MAGIC   0x67446698

enum {
    NBD_FLAG_C_FIXED_NEWSTYLE = 1,
    NBD_FLAG_C_NO_ZEROES = 2,
    NBD_OPT_GO = 7,
    NBD_REP_ACK = 1,
    NBD_REP_INFO = 3,
    NBD_INFO_EXPORT = 0,
    NBD_INFO_BLOCK_SIZE = 3,

    NBD_FLAG_READ_ONLY = 1 << 1,
    NBD_FLAG_SEND_FLUSH = 1 << 2,
    NBD_FLAG_SEND_TRIM = 1 << 5,
    NBD_FLAG_SEND_WRITE_ZEROES = 1 << 6,

    NBD_CMD_READ = 0,
    NBD_CMD_WRITE = 1,
    NBD_CMD_DISC = 2,
    NBD_CMD_FLUSH = 3,
    NBD_CMD_TRIM = 4,
    NBD_CMD_WRITE_ZEROES = 6,
    NBD_CMD_FLAG_NO_HOLE = 1 << 1,

    LISTEN_FD = 3,       /* where a server that is started so finds its socket */
    START_S = 30,        /* that a child may take to be ready, */
    ANSWER_MS = 30000,   /* and to answer while we wait for it, or to end */
    DATA_MAX = 32 << 20, /* what every server takes, unless it says otherwise */
};

static void put16(uint8_t *p, uint16_t v)
{
    v = htobe16(v);
    memcpy(p, &v, sizeof(v));
}

static void put32(uint8_t *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, sizeof(v));
}

static void put64(uint8_t *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, sizeof(v));
}

static uint16_t get16(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return be16toh(v);
}

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return be32toh(v);
}

static uint64_t get64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return be64toh(v);
}

/* A socket that listens, with a name in dir that nobody else can reach and that is gone afterwards,
 * and another that is connected to it. */
static bool make_sockets(const char *dir, int *listener, int *ours)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char own[sizeof(a.sun_path) - 8];

    snprintf(own, sizeof(own), "%s/minivm-nbd.XXXXXX", dir);
    if (!mkdtemp(own))
        return false;
    snprintf(a.sun_path, sizeof(a.sun_path), "%s/socket", own);
    *listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *ours = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = bind(*listener, (struct sockaddr *)&a, sizeof(a)) == 0 &&
                     listen(*listener, 1) == 0 &&
                     connect(*ours, (struct sockaddr *)&a, sizeof(a)) == 0;
    int error = errno;

    unlink(a.sun_path);
    rmdir(own);
    if (!connected) {
        close(*listener);
        close(*ours);
    }
    errno = error;
    return connected;
}

static void connect_sockets(const char *image, int *listener, int *ours)
{
    struct timeval limit = {.tv_sec = START_S};

    /* Some file systems cannot hold sockets. */
    if (!make_sockets("/tmp", listener, ours) && !make_sockets("/dev/shm", listener, ours) &&
        !make_sockets("/run", listener, ours))
        die("%s: cannot make a socket for qemu-nbd in /tmp, /dev/shm or /run: %m", image);
    setsockopt(*ours, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(*ours, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

/* In the child. The image's name is one of a file, whatever it looks like. */
static _Noreturn void become_qemu_nbd(const char *image, const char *format, bool read_only,
                                      bool snapshot, int listener)
{
    const char *argv[10] = {"qemu-nbd", "--discard=unmap", "-f", format};
    int n = 4;
    char pid[16], *file;

    if (read_only)
        argv[n++] = "--read-only";
    if (snapshot)
        argv[n++] = "--snapshot";
    if (asprintf(&file, "%s%s", *image == '/' ? "" : "./", image) < 0)
        _exit(1);
    argv[n++] = "--";
    argv[n++] = file;
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("LISTEN_PID", pid, true);
    setenv("LISTEN_FDS", "1", true);
    unsetenv("LISTEN_FDNAMES");
    if (listener == LISTEN_FD)
        fcntl(listener, F_SETFD, 0);
    else
        dup2(listener, LISTEN_FD);
    child_become(argv);
}

/* Die of what the child said on its end, or else of what we have to say. */
static _Noreturn void die_of(struct nbd *n, const char *image, const char *format,
                             const char *words)
{
    char said[CHILD_SAID];

    child_kill(&n->child);
    child_said(&n->child, said);
    said[strcspn(said, "\n")] = 0;
    if (child_is_missing(&n->child))
        die("%s: is a %s image, which needs qemu-nbd (Debian: apt-get install qemu-utils): %s",
            image, format, said);
    die("%s: is a %s image: %s", image, format, *said ? said : words);
}

static bool receive(struct nbd *n, void *buf, size_t len)
{
    return recv(n->socket, buf, len, MSG_WAITALL) == (ssize_t)len;
}

static bool send_all(struct nbd *n, const void *buf, size_t len)
{
    return send(n->socket, buf, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* What the server tells of the image, in one of its answers. */
static void learn(struct nbd *n, const uint8_t *info, uint32_t len)
{
    if (len >= 12 && get16(info) == NBD_INFO_EXPORT) {
        n->size = get64(info + 2);
        n->flags = get16(info + 10);
    } else if (len >= 14 && get16(info) == NBD_INFO_BLOCK_SIZE) {
        n->max_data = get32(info + 2) <= DISK_SECTOR ? get32(info + 10) : 0;
    }
}

/* The handshake. False: this is no server that we understand. */
static bool agree(struct nbd *n)
{
    uint8_t hello[18], client[4], go[16 + 4 + 2 + 2], head[20], info[64];

    if (!receive(n, hello, sizeof(hello)) || get64(hello) != NBDMAGIC ||
        get64(hello + 8) != IHAVEOPT)
        return false;
    put32(client, NBD_FLAG_C_FIXED_NEWSTYLE | NBD_FLAG_C_NO_ZEROES);
    put64(go, IHAVEOPT);
    put32(go + 8, NBD_OPT_GO);
    put32(go + 12, sizeof(go) - 16);
    put32(go + 16, 0); /* the export without a name */
    put16(go + 20, 1);
    put16(go + 22, NBD_INFO_BLOCK_SIZE);
    if (!send_all(n, client, sizeof(client)) || !send_all(n, go, sizeof(go)))
        return false;
    for (;;) {
        if (!receive(n, head, sizeof(head)) || get64(head) != NBD_REP_MAGIC)
            return false;
        uint32_t len = get32(head + 16);

        if (len > sizeof(info) || (len && !receive(n, info, len)))
            return false;
        if (get32(head + 12) == NBD_REP_ACK)
            return n->size && n->max_data;
        if (get32(head + 12) != NBD_REP_INFO)
            return false;
        learn(n, info, len);
    }
}

void nbd_talk(struct nbd *n, int socket, void (*done)(void *to, struct disk_request *r, int error),
              void *to)
{
    struct epoll_event input = {.events = EPOLLIN};

    *n = (struct nbd){
        .socket = socket, .max_data = DATA_MAX, .child.log = -1, .done = done, .to = to};
    n->poll = epoll_create1(EPOLL_CLOEXEC);
    if (n->poll < 0 || epoll_ctl(n->poll, EPOLL_CTL_ADD, n->socket, &input) < 0)
        die("cannot watch a disk's socket: %m");
}

void nbd_open(struct nbd *n, const char *image, const char *format, bool read_only, bool snapshot,
              void (*done)(void *to, struct disk_request *r, int error), void *to)
{
    int listener, socket;

    connect_sockets(image, &listener, &socket);
    nbd_talk(n, socket, done, to);
    pid_t pid = child_start(&n->child, "qemu-nbd");

    if (pid < 0)
        die("%s: cannot start qemu-nbd: %m", image);
    if (!pid)
        become_qemu_nbd(image, format, read_only, snapshot, listener);
    close(listener);
    if (!agree(n))
        die_of(n, image, format, "qemu-nbd does not answer as it should");
    n->read_only = read_only || n->flags & NBD_FLAG_READ_ONLY;
    fcntl(n->socket, F_SETFL, O_NONBLOCK);
}

/* The conversation is over. */
static void broken(struct nbd *n)
{
    struct disk_request *queue[] = {n->in, n->sent, n->out};

    if (n->in)
        n->in->next = NULL;
    close(n->socket);
    n->socket = -1;
    n->in = n->sent = n->out = NULL;
    for (int i = 0; i < 3; i++)
        for (struct disk_request *r; (r = queue[i]);) {
            queue[i] = r->next;
            n->done(n->to, r, EIO);
        }
}

/* Ask to be told when the socket takes more, or not. */
static void want_room(struct nbd *n, bool wants)
{
    struct epoll_event e = {.events = EPOLLIN | (wants ? EPOLLOUT : 0)};

    if (n->wants_room != wants)
        epoll_ctl(n->poll, EPOLL_CTL_MOD, n->socket, &e);
    n->wants_room = wants;
}

/* The data of r that are to be sent or received. */
static struct msghdr data_of(struct disk_request *r)
{
    return (struct msghdr){.msg_iov = r->iov, .msg_iovlen = r->iovs < IOV_MAX ? r->iovs : IOV_MAX};
}

static void make_head(struct nbd *n, const struct disk_request *r)
{
    static const uint16_t command[] = {
        [DISK_READ] = NBD_CMD_READ,         [DISK_WRITE] = NBD_CMD_WRITE,
        [DISK_FLUSH] = NBD_CMD_FLUSH,       [DISK_DISCARD] = NBD_CMD_TRIM,
        [DISK_ZERO] = NBD_CMD_WRITE_ZEROES,
    };

    put32(n->head, NBD_REQUEST_MAGIC);
    put16(n->head + 4, r->op == DISK_ZERO && r->keep ? NBD_CMD_FLAG_NO_HOLE : 0);
    put16(n->head + 6, command[r->op]);
    put64(n->head + 8, (uintptr_t)r);
    put64(n->head + 16, r->op == DISK_FLUSH ? 0 : r->offset);
    put32(n->head + 24, r->len);
}

/* Send what there is to be sent, as far as that goes. False: the socket is broken. */
static bool send_on(struct nbd *n)
{
    struct disk_request *r;

    while ((r = n->out)) {
        bool in_head = n->head_sent < sizeof(n->head), has_data = r->op == DISK_WRITE;
        struct msghdr data = data_of(r);
        ssize_t got;

        if (!n->head_sent)
            make_head(n, r);
        if (in_head)
            got = send(n->socket, n->head + n->head_sent, sizeof(n->head) - n->head_sent,
                       MSG_NOSIGNAL | (has_data ? MSG_MORE : 0));
        else
            got = sendmsg(n->socket, &data, MSG_NOSIGNAL);
        if (got < 0) {
            bool later = errno == EAGAIN || errno == EINTR;

            want_room(n, later);
            return later;
        }
        if (in_head)
            n->head_sent += got;
        else
            disk_request_take(r, got);
        if (n->head_sent < sizeof(n->head) || (has_data && r->iovs))
            continue;
        n->head_sent = 0;
        n->out = r->next;
        r->next = n->sent;
        n->sent = r;
    }
    want_room(n, false);
    return true;
}

/* The request that was sent with this handle, no longer among those sent; NULL for none. */
static struct disk_request *find(struct nbd *n, uint64_t handle)
{
    for (struct disk_request **p = &n->sent, *r; (r = *p); p = &r->next)
        if ((uintptr_t)r == handle) {
            *p = r->next;
            return r;
        }
    return NULL;
}

/* Receive what there is. False: the socket is broken, or the server mad. */
static bool receive_on(struct nbd *n)
{
    for (;;) {
        struct disk_request *r = n->in;
        ssize_t got;

        if (r) {
            struct msghdr data = data_of(r);

            got = recvmsg(n->socket, &data, 0);
        } else {
            got = recv(n->socket, n->reply + n->reply_got, sizeof(n->reply) - n->reply_got, 0);
        }
        if (got <= 0)
            return got < 0 && (errno == EAGAIN || errno == EINTR);
        if (r) {
            disk_request_take(r, got);
            if (r->iovs)
                continue;
            n->in = NULL;
            n->done(n->to, r, 0);
            continue;
        }
        n->reply_got += got;
        if (n->reply_got < sizeof(n->reply))
            continue;
        n->reply_got = 0;
        uint32_t error = get32(n->reply + 4);

        r = get32(n->reply) == NBD_REPLY_MAGIC ? find(n, get64(n->reply + 8)) : NULL;
        if (!r)
            return false;
        if (!error && r->op == DISK_READ)
            n->in = r;
        else
            n->done(n->to, r, error < 4096 ? error : EIO);
    }
}

void nbd_go_on(struct nbd *n)
{
    if (n->socket >= 0 && !(receive_on(n) && send_on(n)) && n->socket >= 0)
        broken(n);
}

/* What the server cannot do, and need not. */
static bool advice(const struct nbd *n, const struct disk_request *r)
{
    return (r->op == DISK_FLUSH && !(n->flags & NBD_FLAG_SEND_FLUSH)) ||
           (r->op == DISK_DISCARD && !(n->flags & NBD_FLAG_SEND_TRIM));
}

void nbd_submit(struct nbd *n, struct disk_request *r)
{
    bool data = r->op == DISK_READ || r->op == DISK_WRITE;

    if (n->socket < 0 || r->len > (data ? n->max_data : UINT32_MAX & -DISK_SECTOR)) {
        n->done(n->to, r, EIO);
    } else if (advice(n, r)) {
        n->done(n->to, r, 0);
    } else if (r->op == DISK_ZERO && !(n->flags & NBD_FLAG_SEND_WRITE_ZEROES)) {
        n->done(n->to, r, EOPNOTSUPP);
    } else {
        r->next = NULL;
        *(n->out ? &n->out_last->next : &n->out) = r;
        n->out_last = r;
        if (!send_on(n))
            broken(n);
    }
}

void nbd_drain(struct nbd *n)
{
    while (n->out || n->sent || n->in) {
        struct pollfd p = {.fd = n->poll, .events = POLLIN};

        if (poll(&p, 1, ANSWER_MS) == 0)
            shutdown(n->socket, SHUT_RDWR);
        nbd_go_on(n);
    }
}

void nbd_hang_up(struct nbd *n)
{
    uint8_t disconnect[28] = {0};

    n->left = n->socket < 0;
    if (n->left)
        return;
    put32(disconnect, NBD_REQUEST_MAGIC);
    put16(disconnect + 6, NBD_CMD_DISC);
    (void)!send_all(n, disconnect, sizeof(disconnect));
    close(n->socket);
    n->socket = -1;
}

bool nbd_wait(struct nbd *n, uint64_t deadline)
{
    return child_wait(&n->child, deadline);
}

bool nbd_left(const struct nbd *n, char words[CHILD_SAID])
{
    const char *last;
    char said[CHILD_SAID];

    child_said(&n->child, said);
    last = strrchr(said, '\n') ? strrchr(said, '\n') + 1 : said;
    if (WIFSIGNALED(n->child.status))
        snprintf(words, CHILD_SAID, "it was ended by signal %d", WTERMSIG(n->child.status));
    else
        snprintf(words, CHILD_SAID, "%s", *last ? last : "it closed its socket");
    return n->left;
}

void nbd_close(struct nbd *n)
{
    if (n->socket >= 0)
        nbd_hang_up(n);
    nbd_wait(n, clock_after(clock_host(CLOCK_MONOTONIC), ANSWER_MS * (NS_PER_SECOND / 1000)));
    close(n->poll);
    child_forget(&n->child);
}
