// SPDX-License-Identifier: MIT
/*
 * The host's side of vsock, by Unix sockets.
 *
 * After: Firecracker's docs/vsock.md ("Firecracker Virtio-vsock Design"), for the names of the
 * sockets and the line that a program says; unix(7).
 *
 * Left out: nothing of these. (A line may end in CR LF, as terminals send it.)
 */
#define _GNU_SOURCE
#include "hw/vsock-unix.h"
#include "hw/clock.h"
#include "hw/device.h"
#include "hw/die.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    OUTPUT = VSOCK_BUFFER + 64, /* with a line before it */
    BACKLOG = 128,
    BATCH = 32,  /* events of a turn */
    END_MS = 200 /* for programs that have not read all when we end */
};

/* In the epoll's events, beside the streams' numbers. */
enum {
    LISTENER = VSOCK_STREAMS,
    AGAIN,
    TIMER
};

/* Did a socket fail, and not only want no more now? */
static bool failed(ssize_t n)
{
    return n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS && errno != ENOMEM;
}

static struct sockaddr_un address(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    return a;
}

static int make_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* ---- streams ---- */

/* Watch for what is of interest now. A stream of which nothing is must not be in the set, where its
 * end would be reported again and again. */
static void watch_again(struct vsock_unix *u, int i)
{
    struct vsock_stream *s = &u->stream[i];
    bool want = s->fd >= 0 && (s->interest != VSOCK_NOTHING || s->out_len);
    struct epoll_event e = {.events = (s->interest == VSOCK_INPUT ? EPOLLIN : 0) |
                                      (s->out_len ? EPOLLOUT : 0),
                            .data.u64 = (uint64_t)s->serial << 32 | (unsigned)i};

    if (want == s->watched && (!want || e.events == s->events))
        return;
    int op = !want ? EPOLL_CTL_DEL : s->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    /* The host may have no memory for it; then the stream is as good as closed. */
    if (epoll_ctl(u->poll, op, s->fd, &e) < 0 && want) {
        s->deaf = true;
        want = false;
    }
    s->watched = want;
    s->events = e.events;
}

static void free_stream(struct vsock_unix *u, int i)
{
    struct vsock_stream *s = &u->stream[i];

    if (s->fd >= 0)
        close(s->fd);
    free(s->out);
    *s = (struct vsock_stream){.fd = -1, .serial = s->serial + 1};
    u->used--;
}

static int new_stream(struct vsock_unix *u, int fd)
{
    for (int i = 0; i < VSOCK_STREAMS; i++) {
        struct vsock_stream *s = &u->stream[i];

        if (s->state != VSOCK_FREE)
            continue;
        s->state = VSOCK_USED;
        s->fd = fd;
        u->used++;
        return i;
    }
    return -1;
}

int vsock_unix_new(struct vsock_unix *u)
{
    return new_stream(u, -1);
}

enum vsock_answer vsock_unix_connect(struct vsock_unix *u, int i, uint32_t port)
{
    struct vsock_stream *s = &u->stream[i];
    struct sockaddr_un a;
    char path[sizeof(a.sun_path)];

    assert(s->state == VSOCK_USED && s->fd < 0);
    snprintf(path, sizeof(path), "%s_%u", u->path, port);
    a = address(path);
    s->fd = make_socket();
    if (s->fd < 0)
        return VSOCK_REFUSED;
    if (!connect(s->fd, (struct sockaddr *)&a, sizeof(a)))
        return VSOCK_CONNECTED;
    bool busy = errno == EAGAIN;

    close(s->fd);
    s->fd = -1;
    return busy ? VSOCK_BUSY : VSOCK_REFUSED;
}

void vsock_unix_watch(struct vsock_unix *u, int i, enum vsock_interest interest)
{
    u->stream[i].interest = interest;
    watch_again(u, i);
}

ssize_t vsock_unix_receive(struct vsock_unix *u, int i, const struct iovec *v, int count)
{
    struct vsock_stream *s = &u->stream[i];
    struct msghdr m = {.msg_iov = (struct iovec *)v, .msg_iovlen = count};

    if (s->fd < 0)
        return 0;
    ssize_t n = recvmsg(s->fd, &m, MSG_DONTWAIT);

    return failed(n) ? 0 : n;
}

bool vsock_unix_has_input(const struct vsock_unix *u, int i)
{
    int n = 0;

    return u->stream[i].fd >= 0 && !ioctl(u->stream[i].fd, FIONREAD, &n) && n > 0;
}

bool vsock_unix_is_closed(const struct vsock_unix *u, int i)
{
    struct pollfd p = {.fd = u->stream[i].fd};

    return p.fd < 0 || (poll(&p, 1, 0) == 1 && p.revents & (POLLHUP | POLLERR));
}

/* Its program reads no more: how much is lost by that? */
static size_t lose(struct vsock_stream *s)
{
    size_t n = s->out_len;

    s->deaf = true;
    s->out_len = 0;
    return n;
}

/* Keep what is left of a message of which n bytes are gone. False: the host has no memory. */
static bool keep_rest(struct vsock_stream *s, const struct iovec *v, int count, size_t n)
{
    if (!s->out && !(s->out = malloc(OUTPUT)))
        return false;
    for (int k = 0; k < count; k++) {
        size_t skip = n < v[k].iov_len ? n : v[k].iov_len, len = v[k].iov_len - skip;

        n -= skip;
        assert(len <= OUTPUT - s->out_len);
        if (s->out_start + s->out_len + len > OUTPUT) {
            memmove(s->out, s->out + s->out_start, s->out_len);
            s->out_start = 0;
        }
        memcpy(s->out + s->out_start + s->out_len, (const char *)v[k].iov_base + skip, len);
        s->out_len += len;
    }
    return true;
}

size_t vsock_unix_send(struct vsock_unix *u, int i, const struct iovec *v, int count, size_t len)
{
    struct vsock_stream *s = &u->stream[i];
    struct msghdr m = {.msg_iov = (struct iovec *)v, .msg_iovlen = count};
    size_t gone = 0;

    if (s->fd < 0 || s->deaf || s->last || !len)
        return len;
    if (!s->out_len) {
        ssize_t n = sendmsg(s->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);

        s->deaf = failed(n);
        gone = s->deaf ? len : n < 0 ? 0 : n;
    }
    if (gone < len && !keep_rest(s, v, count, gone)) {
        s->deaf = true;
        gone = len;
    }
    watch_again(u, i);
    return gone;
}

/* Write what waits; tell how much is gone. */
static size_t send_rest(struct vsock_stream *s)
{
    ssize_t n = send(s->fd, s->out + s->out_start, s->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (failed(n))
        return lose(s);
    if (n < 0)
        return 0;
    s->out_start += n;
    s->out_len -= n;
    if (!s->out_len) {
        free(s->out);
        s->out = NULL;
        s->out_start = 0;
        if (s->last)
            shutdown(s->fd, SHUT_WR);
    }
    return n;
}

void vsock_unix_end_output(struct vsock_unix *u, int i)
{
    struct vsock_stream *s = &u->stream[i];

    if (s->fd >= 0 && !s->last && !s->out_len)
        shutdown(s->fd, SHUT_WR);
    s->last = true;
}

void vsock_unix_end_input(struct vsock_unix *u, int i)
{
    if (u->stream[i].fd >= 0)
        shutdown(u->stream[i].fd, SHUT_RD);
}

void vsock_unix_hang_up(struct vsock_unix *u, int i)
{
    struct vsock_stream *s = &u->stream[i];

    lose(s);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    s->watched = false;
    s->serial++; /* events of it that are on their way are nobody's */
}

void vsock_unix_release(struct vsock_unix *u, int i)
{
    struct vsock_stream *s = &u->stream[i];

    assert(s->state == VSOCK_USED);
    if (!s->out_len) {
        free_stream(u, i);
        return;
    }
    s->state = VSOCK_LEAVING;
    vsock_unix_watch(u, i, VSOCK_NOTHING);
}

/* ---- programs that come ---- */

/* One that says nothing gives way to the next. */
static void make_room(struct vsock_unix *u)
{
    int oldest = -1, count = 0;

    for (int i = 0; i < VSOCK_STREAMS; i++)
        if (u->stream[i].state == VSOCK_NEW) {
            count++;
            if (oldest < 0 || u->stream[i].age < u->stream[oldest].age)
                oldest = i;
        }
    if (oldest >= 0 && (count >= VSOCK_SAYING || u->used == VSOCK_STREAMS))
        free_stream(u, oldest);
}

static void let_in(struct vsock_unix *u)
{
    int fd = accept4(u->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            u->crowded = true;
            epoll_ctl(u->poll, EPOLL_CTL_DEL, u->listener, NULL);
            vsock_unix_tick(u);
        }
        return;
    }
    make_room(u);
    int i = new_stream(u, fd);

    if (i < 0) {
        close(fd);
        return;
    }
    u->stream[i].state = VSOCK_NEW;
    u->stream[i].age = u->came++;
    vsock_unix_watch(u, i, VSOCK_INPUT);
}

static void watch_listener(struct vsock_unix *u)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = LISTENER};

    u->crowded = epoll_ctl(u->poll, EPOLL_CTL_ADD, u->listener, &e) < 0;
    if (u->crowded)
        vsock_unix_tick(u);
}

/* "CONNECT PORT", without its newline. */
static bool parse(char *line, uint32_t *port)
{
    static const char word[] = "CONNECT ";
    char *digits = line + sizeof(word) - 1, *end;
    size_t len = strlen(line);

    if (len && line[len - 1] == '\r')
        line[len - 1] = 0;
    if (strncasecmp(line, word, sizeof(word) - 1) != 0 || !isdigit((unsigned char)*digits))
        return false;
    unsigned long long n = strtoull(digits, &end, 10);

    *port = n;
    return !*end && n <= UINT32_MAX;
}

/* A new program says something. What is behind the newline is the guest's already. */
static void listen_to(struct vsock_unix *u, int i)
{
    struct vsock_stream *s = &u->stream[i];
    char *at = s->line + s->line_len, *newline;
    uint32_t port;
    ssize_t n = recv(s->fd, at, sizeof(s->line) - s->line_len, MSG_DONTWAIT | MSG_PEEK);

    if (n < 0 && !failed(n))
        return;
    newline = n > 0 ? memchr(at, '\n', n) : NULL;
    if (newline)
        n = newline + 1 - at;
    if (n <= 0 || recv(s->fd, at, n, MSG_DONTWAIT) != n) {
        free_stream(u, i);
        return;
    }
    s->line_len += n;
    if (!newline) {
        if (s->line_len == sizeof(s->line))
            free_stream(u, i);
        return;
    }
    *newline = 0;
    s->state = VSOCK_USED;
    vsock_unix_watch(u, i, VSOCK_NOTHING);
    if (!parse(s->line, &port) || !u->user.asked(u->user.to, i, port))
        free_stream(u, i);
}

/* ---- turns ---- */

static void serve_stream(struct vsock_unix *u, int i, uint32_t events)
{
    struct vsock_stream *s = &u->stream[i];

    if (s->state == VSOCK_NEW) {
        listen_to(u, i);
        return;
    }
    if (s->out_len && events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
        size_t n = send_rest(s);

        if (s->state == VSOCK_LEAVING) {
            if (!s->out_len)
                free_stream(u, i);
            return;
        }
        watch_again(u, i);
        if (n)
            u->user.gone(u->user.to, i, n);
    }
    if (s->state != VSOCK_USED)
        return;
    if (s->interest == VSOCK_INPUT && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        u->user.readable(u->user.to, i);
    else if (s->interest == VSOCK_CLOSED && events & (EPOLLHUP | EPOLLERR))
        u->user.closed(u->user.to, i);
}

static void ready(struct watch *w)
{
    struct vsock_unix *u = container_of(w, struct vsock_unix, watch);
    struct epoll_event e[BATCH];
    int n = epoll_wait(u->poll, e, BATCH, 0);
    bool tick = false;

    for (int k = 0; k < n; k++) {
        uint32_t i = e[k].data.u64;

        if (i == LISTENER) {
            let_in(u);
        } else if (i == AGAIN) {
            event_hush(&u->again);
        } else if (i == TIMER) {
            event_hush(&u->timer);
            tick = true;
        } else if (u->stream[i].serial == e[k].data.u64 >> 32) {
            serve_stream(u, i, e[k].events);
        }
    }
    if (tick) {
        u->ticking = false;
        if (u->crowded)
            watch_listener(u);
    }
    u->user.turn(u->user.to, tick);
}

void vsock_unix_ask(struct vsock_unix *u)
{
    event_ring(&u->again);
}

void vsock_unix_tick(struct vsock_unix *u)
{
    if (u->ticking)
        return;
    u->ticking = true;
    event_set_timer(&u->timer,
                    clock_host(CLOCK_MONOTONIC) + VSOCK_TICK_MS * (NS_PER_SECOND / 1000));
}

/* ---- opening and closing ---- */

void vsock_unix_open(struct vsock_unix *u, const char *path)
{
    struct epoll_event again = {.events = EPOLLIN, .data.u64 = AGAIN};
    struct epoll_event timer = {.events = EPOLLIN, .data.u64 = TIMER};

    if (strlen(path) > VSOCK_PATH_MAX)
        die("--vsock: %s: the path is too long: it may have %d bytes, as the guest's ports are "
            "added "
            "to it",
            path, VSOCK_PATH_MAX);
    *u = (struct vsock_unix){.path = path, .listener = -1};
    for (int i = 0; i < VSOCK_STREAMS; i++)
        u->stream[i].fd = -1;
    u->poll = epoll_create1(EPOLL_CLOEXEC);
    event_bell(&u->again, NULL);
    event_timer(&u->timer, NULL);
    if (u->poll < 0 || epoll_ctl(u->poll, EPOLL_CTL_ADD, u->again.fd, &again) < 0 ||
        epoll_ctl(u->poll, EPOLL_CTL_ADD, u->timer.fd, &timer) < 0)
        die("--vsock: cannot watch sockets: %m");
}

void vsock_unix_attach(struct vsock_unix *u, const struct vsock_user *user)
{
    u->user = *user;
    u->watch = (struct watch){.fd = u->poll, .ready = ready};
}

/* Lock a path: of all minivms only one at a time looks at what is there and changes it. Otherwise
 * two that find the same stale socket might both remove it, the later one its successor. */
static int lock_path(const char *path, const char *lock)
{
    for (;;) {
        struct stat held, there;
        int fd = open(lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (fd < 0 || flock(fd, LOCK_EX) < 0)
            die("--vsock: %s: cannot listen there: %m (%s)", path, lock);
        /* The one who had the lock before has removed the file: then it locks nothing. */
        if (!fstat(fd, &held) && !lstat(lock, &there) && held.st_ino == there.st_ino &&
            held.st_dev == there.st_dev)
            return fd;
        close(fd);
    }
}

/* Remove the socket of a program that has ended. NULL, or why what is there cannot be removed. */
static const char *make_way(const char *path, const struct sockaddr_un *a)
{
    const char *why = NULL;
    struct stat st;
    int fd = make_socket();

    if (!lstat(path, &st) && !S_ISSOCK(st.st_mode))
        why = "is there, and no socket: name another path, or remove it";
    else if (!connect(fd, (const struct sockaddr *)a, sizeof(*a)) || errno == EAGAIN)
        why = "another program listens there: name another path";
    else if (errno == ECONNREFUSED && unlink(path) < 0)
        why = "is of a program that has ended, and you may not remove it: name another path";
    close(fd);
    return why;
}

void vsock_unix_listen(struct vsock_unix *u)
{
    struct sockaddr_un a = address(u->path);
    char lock[sizeof(a.sun_path)];
    const char *why = NULL;
    struct stat st;

    snprintf(lock, sizeof(lock), "%s.lock", u->path);
    int held = lock_path(u->path, lock), fd = make_socket();
    int result = bind(fd, (struct sockaddr *)&a, sizeof(a));

    if (result < 0 && errno == EADDRINUSE && !(why = make_way(u->path, &a)))
        result = bind(fd, (struct sockaddr *)&a, sizeof(a));
    if (!result)
        result = listen(fd, BACKLOG);
    int error = errno;

    unlink(lock);
    close(held);
    if (why)
        die("--vsock: %s: %s", u->path, why);
    if (result < 0)
        die("--vsock: %s: cannot listen there: %s", u->path, strerror(error));
    if (!lstat(u->path, &st)) {
        u->device = st.st_dev;
        u->inode = st.st_ino;
    }
    u->listener = fd;
    watch_listener(u);
}

void vsock_unix_remove(const struct vsock_unix *u)
{
    struct stat st;

    if (u->listener >= 0 && !lstat(u->path, &st) && st.st_dev == u->device && st.st_ino == u->inode)
        unlink(u->path);
}

/* Programs that read get what waits for them; those that do not, do not hold us up for long. */
static void drain(struct vsock_unix *u)
{
    uint64_t end = clock_host(CLOCK_MONOTONIC) + END_MS * (NS_PER_SECOND / 1000);
    static const int patience = 10; /* ms between looks at the clock */

    for (;;) {
        struct pollfd p[VSOCK_STREAMS];
        int n = 0;

        for (int i = 0; i < VSOCK_STREAMS; i++)
            if (u->stream[i].out_len) {
                send_rest(&u->stream[i]);
                p[n++] = (struct pollfd){.fd = u->stream[i].fd, .events = POLLOUT};
            }
        if (!n || clock_host(CLOCK_MONOTONIC) >= end)
            return;
        poll(p, n, patience);
    }
}

void vsock_unix_close(struct vsock_unix *u)
{
    drain(u);
    vsock_unix_remove(u);
    for (int i = 0; i < VSOCK_STREAMS; i++)
        if (u->stream[i].state != VSOCK_FREE)
            free_stream(u, i);
    if (u->listener >= 0)
        close(u->listener);
    u->listener = -1; /* what is at the path from now on is another's */
    close(u->again.fd);
    close(u->timer.fd);
    close(u->poll);
}
