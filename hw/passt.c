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
#include "hw/device.h"
#include "hw/die.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PREFIX = 4,       /* a frame's length */
    START_MS = 30000, /* a child that does not answer by then is not waited for */
    END_MS = 1000,    /* nor one that hung up, and has this long to say why */
    BUFFER = 1 << 20  /* of the socket, if the host allows that much */
};

/* ---- the child ---- */

/* In the child. As root passt becomes nobody, which makes the kernel forget the signal at our
 * death; then it ends because the socket does. */
static _Noreturn void become_passt(const struct passt_options *o, int socket, int log, pid_t parent)
{
    char fd[16], mtu[16];
    const char *argv[8 + 2 * PASST_FORWARDS] = {"passt", "-f", "-q", "-m", mtu, "-F", fd};
    int n = 7;
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* A terminal's Ctrl-C is the guest's. */
    setpgid(0, 0);
    snprintf(fd, sizeof(fd), "%d", socket);
    snprintf(mtu, sizeof(mtu), "%d", o->mtu);
    for (int i = 0; i < o->forwards; i++) {
        argv[n++] = o->forward[i].udp ? "-u" : "-t";
        argv[n++] = o->forward[i].spec;
    }
    fcntl(socket, F_SETFD, 0);
    close(STDIN_FILENO);
    open("/dev/null", O_RDONLY);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execvp(argv[0], (char **)argv);
    dprintf(STDERR_FILENO, "%s", errno == ENOENT ? "not there" : strerror(errno));
    _exit(127);
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
    (void)!send(p->socket, q, sizeof(q), MSG_NOSIGNAL);
}

/* The last line that the child said, but for what it always says: that there is no syslog, and who
 * it becomes. */
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
    char said[4096];
    int status;

    kill(p->child, SIGKILL);
    waitpid(p->child, &status, 0);
    ssize_t len = pread(p->log, said, sizeof(said) - 1, 0);

    said[len < 0 ? 0 : len] = 0;
    const char *last = last_words(said);

    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
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
    pid_t us = getpid();

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        die("--net: cannot make a socket pair: %m");
    for (int i = 0; i < 2; i++)
        setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    passt_talk(p, pair[0]);
    p->log = memfd_create("passt", MFD_CLOEXEC);
    probe(p, o->mac);
    p->child = fork();
    if (p->child < 0 || p->log < 0)
        die("--net: cannot start passt: %m");
    if (!p->child)
        become_passt(o, pair[1], p->log, us);
    close(pair[1]);
}

void passt_wait(struct passt *p, const struct passt_options *o)
{
    struct pollfd in = {.fd = p->socket, .events = POLLIN};
    char byte;
    int n;

    while ((n = poll(&in, 1, START_MS)) < 0 && errno == EINTR)
        ;
    if (!n)
        die_of(p, o, "does not answer");
    if (recv(p->socket, &byte, 1, MSG_PEEK) != 1) {
        struct pollfd end = {.fd = syscall(SYS_pidfd_open, p->child, 0), .events = POLLIN};

        poll(&end, 1, END_MS);
        die_of(p, o, "ended at once");
    }
}

/* ---- the conversation ---- */

static void hang_up(struct passt *p)
{
    if (p->socket < 0)
        return;
    close(p->socket);
    p->socket = -1;
    p->out_len = 0;
    if (p->user.down)
        p->user.down(p->user.to);
}

/* Watch for what is of interest now. */
static void watch_again(struct passt *p)
{
    struct epoll_event e = {.events = (p->full ? 0 : EPOLLIN) | (p->out_len ? EPOLLOUT : 0),
                            .data.fd = p->socket};

    if (p->socket < 0 || e.events == p->events)
        return;
    p->events = e.events;
    epoll_ctl(p->poll, EPOLL_CTL_MOD, p->socket, &e);
}

/* Did the socket fail, and not only want no more now? */
static bool failed(ssize_t n)
{
    return n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS;
}

static void send_rest(struct passt *p)
{
    ssize_t n = send(p->socket, p->out + p->out_sent, p->out_len - p->out_sent,
                     MSG_DONTWAIT | MSG_NOSIGNAL);

    if (failed(n))
        hang_up(p);
    else if (n > 0 && (p->out_sent += n) == p->out_len)
        p->out_sent = p->out_len = 0;
}

/* Keep what is left of a message of which n bytes are gone. */
static void keep_rest(struct passt *p, const struct iovec *v, int count, size_t n)
{
    for (int i = 0; i < count; i++) {
        size_t skip = n < v[i].iov_len ? n : v[i].iov_len;

        memcpy(p->out + p->out_len, (char *)v[i].iov_base + skip, v[i].iov_len - skip);
        p->out_len += v[i].iov_len - skip;
        n -= skip;
    }
}

void passt_send(struct passt *p, const struct iovec *v, int count, size_t len)
{
    uint32_t prefix = htobe32(len);
    struct iovec all[1 + PASST_SEGMENTS] = {{&prefix, sizeof(prefix)}};
    struct msghdr m = {.msg_iov = all, .msg_iovlen = 1 + count};

    assert(passt_has_room(p) && count <= PASST_SEGMENTS);
    if (p->socket < 0 || len < PASST_FRAME_MIN || len > PASST_FRAME_MAX)
        return;
    memcpy(all + 1, v, count * sizeof(*v));
    ssize_t n = sendmsg(p->socket, &m, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (failed(n)) {
        hang_up(p);
    } else if (n < (ssize_t)(PREFIX + len)) {
        keep_rest(p, all, 1 + count, n < 0 ? 0 : n);
        watch_again(p);
    }
}

void passt_ask(struct passt *p)
{
    uint64_t one = 1;

    p->asked = true;
    (void)!write(p->again, &one, sizeof(one));
}

/* Hand on the frames that are here as a whole. */
static void deliver(struct passt *p)
{
    p->full = false;
    while (p->socket >= 0 && p->in_end - p->in_start >= PREFIX) {
        const uint8_t *frame = p->in + p->in_start + PREFIX;
        uint32_t len;

        memcpy(&len, frame - PREFIX, PREFIX);
        len = be32toh(len);
        if (len < PASST_FRAME_MIN || len > PASST_FRAME_MAX) {
            hang_up(p);
            return;
        }
        if (p->in_end - p->in_start - PREFIX < len)
            break;
        if (!p->user.received(p->user.to, frame, len)) {
            p->full = true;
            return;
        }
        p->in_start += PREFIX + len;
    }
    memmove(p->in, p->in + p->in_start, p->in_end - p->in_start);
    p->in_end -= p->in_start;
    p->in_start = 0;
}

static void receive(struct passt *p)
{
    ssize_t n = recv(p->socket, p->in + p->in_end, sizeof(p->in) - p->in_end, MSG_DONTWAIT);

    if (!n || failed(n)) {
        hang_up(p);
    } else if (n > 0) {
        p->in_end += n;
        deliver(p);
    }
}

static void ready(struct watch *w)
{
    struct passt *p = container_of(w, struct passt, watch);
    struct epoll_event e[2];
    uint64_t count;

    for (int i = epoll_wait(p->poll, e, 2, 0) - 1; i >= 0; i--) {
        if (e[i].data.fd == p->again)
            (void)!read(p->again, &count, sizeof(count));
        else if (e[i].events & EPOLLIN)
            receive(p);
        else if (e[i].events & (EPOLLHUP | EPOLLERR))
            hang_up(p);
    }
    if (p->socket >= 0 && p->out_len)
        send_rest(p);
    if (p->asked && passt_has_room(p)) {
        p->asked = false;
        p->user.room(p->user.to);
    }
    watch_again(p);
}

void passt_resume(struct passt *p)
{
    if (!p->full)
        return;
    deliver(p);
    watch_again(p);
}

void passt_attach(struct passt *p, const struct passt_user *user)
{
    p->user = *user;
    p->watch = (struct watch){.fd = p->poll, .ready = ready};
}

void passt_talk(struct passt *p, int socket)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = socket}, again = {.events = EPOLLIN};

    p->socket = socket;
    p->events = e.events;
    p->log = -1;
    p->child = 0;
    p->asked = p->full = false;
    p->out_sent = p->out_len = p->in_start = p->in_end = 0;
    p->user = (struct passt_user){0};
    p->poll = epoll_create1(EPOLL_CLOEXEC);
    p->again = again.data.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->poll < 0 || p->again < 0 || epoll_ctl(p->poll, EPOLL_CTL_ADD, socket, &e) < 0 ||
        epoll_ctl(p->poll, EPOLL_CTL_ADD, p->again, &again) < 0)
        die("--net: cannot watch a socket: %m");
}

void passt_close(struct passt *p)
{
    if (p->socket >= 0)
        close(p->socket);
    p->socket = -1;
    close(p->poll);
    close(p->again);
    if (p->log >= 0)
        close(p->log);
    if (!p->child)
        return;
    kill(p->child, SIGKILL);
    waitpid(p->child, NULL, 0);
    p->child = 0;
}
