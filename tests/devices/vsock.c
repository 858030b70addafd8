// SPDX-License-Identifier: MIT
/*
 * Both ends of vsock, for tests: the same program runs in the guest and on the host.
 *
 *     vsock dial ADDR        stdin goes to whoever listens there, what comes back to stdout
 *     vsock serve ADDR       each that connects gets back what it sends
 *     vsock many ADDR N      N connections at once, each of which gets back what it sends
 *     vsock flow ADDR MIB    so much is sent, and a byte awaited; prints MiB/s
 *     vsock sink ADDR        each that connects gets a byte when it has sent all
 *     vsock silent PATH N    N connections that say nothing; then a byte more each, until each ends
 *
 * ADDR is CID:PORT, PATH, or PATH:PORT for a guest's port.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* An address of vsock when it begins with a number, else a path. */
static socklen_t parse(const char *addr, struct sockaddr_storage *a)
{
    struct sockaddr_vm *vm = (void *)a;
    struct sockaddr_un *un = (void *)a;
    const char *colon = strchr(addr, ':');

    memset(a, 0, sizeof(*a));
    if (*addr >= '0' && *addr <= '9') {
        vm->svm_family = AF_VSOCK;
        vm->svm_cid = strtoul(addr, NULL, 10);
        vm->svm_port = strtoul(colon + 1, NULL, 10);
        return sizeof(*vm);
    }
    un->sun_family = AF_UNIX;
    snprintf(un->sun_path, sizeof(un->sun_path), "%.*s", (int)(colon ? colon - addr : 107), addr);
    return sizeof(*un);
}

static void write_all(int fd, const char *buf, ssize_t n)
{
    for (ssize_t done = 0; done < n;) {
        ssize_t k = write(fd, buf + done, n - done);

        if (k < 0)
            exit(3);
        done += k;
    }
}

/* A connection, or -1. */
static int dial(const char *addr)
{
    struct sockaddr_storage a;
    socklen_t len = parse(addr, &a);
    int fd = socket(a.ss_family, SOCK_STREAM, 0);
    const char *colon = strchr(addr, ':');
    char line[32];
    int failed = fd < 0;

    /* Linux gives up after two seconds, which are few where everything is slow. */
    while (!failed && connect(fd, (void *)&a, len) < 0)
        failed = errno != ETIMEDOUT;
    if (failed) {
        perror(addr);
        return -1;
    }
    if (a.ss_family != AF_UNIX || !colon)
        return fd;
    write_all(fd, line, snprintf(line, sizeof(line), "CONNECT %s\n", colon + 1));
    for (size_t n = 0; n < sizeof(line) && read(fd, line + n, 1) == 1; n++)
        if (line[n] == '\n')
            return strncmp(line, "OK ", 3) ? -1 : fd;
    fprintf(stderr, "%s: not connected\n", addr);
    return -1;
}

static int pump(const char *addr)
{
    static char in[65536], out[65536];
    int fd = dial(addr);
    ssize_t n = 0, sent = 0;
    bool more = true;

    if (fd < 0)
        return 1;
    for (;;) {
        struct pollfd p[2] = {{.fd = fd, .events = POLLIN | (sent < n ? POLLOUT : 0)}, {.fd = 0}};

        p[1].events = more && sent == n ? POLLIN : 0;
        poll(p, more && sent == n ? 2 : 1, -1);
        if (p[1].revents && more && sent == n) {
            sent = 0;
            if ((n = read(0, in, sizeof(in))) <= 0) {
                more = false;
                n = 0;
                shutdown(fd, SHUT_WR);
            }
        }
        if (p[0].revents & POLLOUT && sent < n) {
            ssize_t k = send(fd, in + sent, n - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

            if (k > 0)
                sent += k;
        }
        if (p[0].revents & (POLLIN | POLLHUP | POLLERR)) {
            ssize_t k = read(fd, out, sizeof(out));

            if (k <= 0)
                return k < 0 ? 2 : 0;
            write_all(1, out, k);
        }
    }
}

static int serve(const char *addr, bool echo)
{
    static char buf[65536];
    struct sockaddr_storage a;
    socklen_t len = parse(addr, &a);
    int fd = socket(a.ss_family, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (void *)&a, len) < 0 ||
        listen(fd, a.ss_family == AF_UNIX ? 4 : 128) < 0) {
        perror(addr);
        return 1;
    }
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int c = accept(fd, NULL, NULL);
        ssize_t n;

        if (c < 0)
            return 1;
        if (fork()) {
            close(c);
            continue;
        }
        while ((n = read(c, buf, sizeof(buf))) > 0)
            if (echo)
                write_all(c, buf, n);
        if (!echo)
            write_all(c, "", 1);
        return 0;
    }
}

static int many(const char *addr, int n)
{
    enum {
        MOST = 512,
        BYTES = 5000
    };
    static int fd[MOST];
    static char sent[BYTES], got[BYTES + 1];
    int fine = 0;

    for (int i = 0; i < n; i++)
        if ((fd[i] = dial(addr)) < 0)
            return 1;
    for (int i = 0; i < n; i++) {
        memset(sent, 'a' + i % 26, sizeof(sent));
        write_all(fd[i], sent, snprintf(sent, sizeof(sent), "%d", i));
        write_all(fd[i], sent, sizeof(sent));
        shutdown(fd[i], SHUT_WR);
    }
    for (int i = n - 1; i >= 0; i--) {
        size_t all = 0;
        ssize_t k;
        char number[16];
        int len = snprintf(number, sizeof(number), "%d", i);
        bool same = true;

        while ((k = read(fd[i], got, sizeof(got))) > 0) {
            if (!all)
                same = k < len || !memcmp(got, number, len);
            all += k;
        }
        fine += same && k == 0 && all == sizeof(sent) + len;
        close(fd[i]);
    }
    printf("%d\n", fine);
    return 0;
}

static int flow(const char *addr, int mib)
{
    static char buf[65536];
    struct timespec from, to;
    int fd = dial(addr);

    if (fd < 0)
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < mib * 16; i++)
        write_all(fd, buf, sizeof(buf));
    shutdown(fd, SHUT_WR);
    if (read(fd, buf, 1) != 1)
        return 2;
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%.0f MiB/s\n", mib / (to.tv_sec - from.tv_sec + (to.tv_nsec - from.tv_nsec) / 1e9));
    return 0;
}

static int silent(const char *path, int n)
{
    struct sockaddr_storage a;
    socklen_t len = parse(path, &a);
    char byte;
    int ended = 0, fd[512];

    for (int i = 0; i < n; i++) {
        fd[i] = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd[i], (void *)&a, len) < 0)
            return 1;
    }
    for (int i = 0; i < n; i++) {
        while (send(fd[i], "C", 1, MSG_NOSIGNAL) == 1)
            ;
        ended += read(fd[i], &byte, 1) <= 0;
    }
    printf("%d\n", ended);
    return 0;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 2 ? argv[1] : "";
    int n = argc > 3 ? atoi(argv[3]) : 0;

    signal(SIGPIPE, SIG_IGN);
    if (!strcmp(verb, "dial"))
        return pump(argv[2]);
    if (!strcmp(verb, "serve") || !strcmp(verb, "sink"))
        return serve(argv[2], *verb == 's' && verb[1] == 'e');
    if (!strcmp(verb, "many"))
        return many(argv[2], n);
    if (!strcmp(verb, "flow"))
        return flow(argv[2], n);
    if (!strcmp(verb, "silent"))
        return silent(argv[2], n);
    return 125;
}
