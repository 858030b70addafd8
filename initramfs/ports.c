// SPDX-License-Identifier: MIT
/*
 * A command between ports.
 *
 * After: Linux drivers/char/virtio_console.c: ports appear one by one after the driver has been
 * loaded, each with its name in sysfs. A write to a port that poll(2) calls writable takes 32 KiB
 * without waiting.
 */
#define _GNU_SOURCE
#include "initramfs/ports.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    DEVICES = 32,     /* of virtio, at most, by whose number ports are called */
    WAIT_NS = 500000, /* between looks for ports */
    LOOKS = 20000,
    PIECE = 32 * 1024,
    PATH = 64,
    CANNOT_RUN = 126,
};

/* What passes from a pipe to a port. */
struct stream {
    int from; /* -1 when it has ended */
    int to;
    bool full; /* the pipe has something, for which the port is waited for */
};

static char buffer[PIECE];

/* ---- finding them ---- */

/* Does the driver have the device of that number? */
static bool is_driven(int device)
{
    char path[PATH];

    snprintf(path, sizeof(path), "/sys/bus/virtio/drivers/virtio_console/virtio%d", device);
    return !access(path, F_OK);
}

/* What a port is called, in buffer, and its device in path; false when it has no name yet. */
static bool find(int device, int n, char path[PATH])
{
    char sys[PATH];
    int fd, len;

    snprintf(sys, PATH, "/sys/class/virtio-ports/vport%dp%d/name", device, n);
    snprintf(path, PATH, "/dev/vport%dp%d", device, n);
    fd = open(sys, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    len = read(fd, buffer, sizeof(buffer) - 1);
    close(fd);
    buffer[len > 0 ? len : 0] = 0;
    return len > 0 && !access(path, F_OK);
}

/* The next device of the driver's, from that number on; DEVICES when there is none. */
static int next_driven(int device)
{
    while (device < DEVICES && !is_driven(device))
        device++;
    return device;
}

static int count(int device)
{
    char path[PATH];
    int n = 0;

    for (; device < DEVICES; device = next_driven(device + 1))
        for (int i = 0; i < PORTS; i++)
            n += find(device, i, path);
    return n;
}

bool ports_wait(int n)
{
    int first = next_driven(0);

    for (int i = 0; first < DEVICES && i < LOOKS; i++) {
        if (count(first) >= n)
            return true;
        nanosleep(&(struct timespec){0, WAIT_NS}, NULL);
    }
    return false;
}

void ports_open(struct ports *p)
{
    static const char *const names[PORTS] = {"minivm.stdin\n", "minivm.stdout\n", "minivm.stderr\n",
                                             "minivm.status\n"};
    char path[PATH];

    for (int i = 0; i < PORTS; i++)
        p->fd[i] = -1;
    for (int device = next_driven(0); device < DEVICES; device = next_driven(device + 1))
        for (int i = 0; i < PORTS; i++) {
            if (!find(device, i, path))
                continue;
            for (int n = 0; n < PORTS; n++)
                if (!strcmp(buffer, names[n]))
                    p->fd[n] = open(path, O_RDWR);
            if (!strcmp(buffer, "minivm.output\n"))
                p->fd[STDOUT_FILENO] = p->fd[STDERR_FILENO] = open(path, O_RDWR);
        }
}

/* ---- passing on ---- */

static bool write_all(int fd, const char *buf, ssize_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, buf, n);

        if (done < 0 && errno != EINTR)
            return false;
        if (done > 0) {
            buf += done;
            n -= done;
        }
    }
    return true;
}

/* Pass a piece on. False when the pipe is empty, or has ended. */
static bool pass(struct stream *s)
{
    ssize_t n = read(s->from, buffer, sizeof(buffer));

    s->full = false;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return errno == EINTR;
    if (n > 0 && write_all(s->to, buffer, n))
        return true;
    close(s->from);
    s->from = -1;
    return false;
}

/* The end of a port is the end of a pipe. In a process of its own, which is ended at the latest
 * when the program is: a port has one user at a time, and this one has them all. */
static _Noreturn void feed(int port, int pipe)
{
    ssize_t n;

    do
        n = read(port, buffer, sizeof(buffer));
    while ((n < 0 && errno == EINTR) || (n > 0 && write_all(pipe, buffer, n)));
    _exit(0);
}

/* Bury children; true when pid was among them. The feeder is 0 once it was. */
static bool has_ended(pid_t pid, pid_t *feeder, int *status)
{
    pid_t ended;
    int how;

    while ((ended = waitpid(-1, &how, WNOHANG)) > 0) {
        if (ended == *feeder)
            *feeder = 0;
        if (ended == pid) {
            *status = how;
            return true;
        }
    }
    return false;
}

/* Pass on until pid ends, and what it left. Returns its wait status. */
static int serve(struct stream *s, int streams, pid_t pid, pid_t feeder, int children)
{
    int status = 0;

    for (;;) {
        struct pollfd f[3] = {{.fd = children, .events = POLLIN}};

        for (int i = 0; i < streams; i++) {
            f[1 + i].fd = s[i].from < 0 ? -1 : s[i].full ? s[i].to : s[i].from;
            f[1 + i].events = s[i].full ? POLLOUT : POLLIN;
        }
        if (poll(f, 1 + streams, -1) < 0)
            continue;
        for (int i = 0; i < streams; i++)
            if (s[i].full && f[1 + i].revents)
                pass(&s[i]);
            else if (f[1 + i].revents)
                s[i].full = true;
        if (!f[0].revents)
            continue;
        read(children, buffer, sizeof(struct signalfd_siginfo));
        if (has_ended(pid, &feeder, &status))
            break;
    }
    if (feeder > 0) {
        kill(feeder, SIGKILL);
        waitpid(feeder, NULL, 0);
    }
    for (int i = 0; i < streams; i++)
        while (s[i].from >= 0 && pass(&s[i]))
            ;
    return status;
}

/* Signals from the terminal are for the program, not for us. */
static void set_signals(void (*to)(int))
{
    static const int all[] = {SIGINT, SIGQUIT, SIGTSTP, SIGTTOU};

    for (int i = 0; i < 4; i++)
        signal(all[i], to);
}

void ports_tell(const struct ports *p, int status)
{
    if (p->fd[PORT_STATUS] >= 0)
        dprintf(p->fd[PORT_STATUS], "%d\n", status);
}

/* In the child: stdin, stdout and stderr become pipes, as far as they have ports. */
static void use_pipes(const struct ports *p, int pipes[3][2], bool both)
{
    for (int fd = 0; fd < 3; fd++)
        if (p->fd[fd] >= 0)
            dup2(pipes[fd == STDERR_FILENO && both ? STDOUT_FILENO : fd][fd > 0], fd);
    for (int i = 0; i < PORTS; i++)
        if (p->fd[i] >= 0)
            close(p->fd[i]);
}

int ports_run(const struct ports *p, void (*run)(void *arg), void *arg)
{
    struct stream stream[2];
    int pipes[3][2], streams = 0, children, status;
    pid_t feeder = 0;
    bool both = p->fd[STDOUT_FILENO] >= 0 && p->fd[STDOUT_FILENO] == p->fd[STDERR_FILENO];
    sigset_t child;
    pid_t pid;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    children = signalfd(-1, &child, SFD_CLOEXEC);
    if (children < 0)
        return -1;
    for (int fd = 0; fd < 3; fd++) {
        bool has_pipe = p->fd[fd] >= 0 && !(fd == STDERR_FILENO && both);

        if (has_pipe && pipe2(pipes[fd], O_CLOEXEC))
            return -1;
        if (!has_pipe || fd == STDIN_FILENO)
            continue;
        fcntl(pipes[fd][0], F_SETFL, O_NONBLOCK);
        stream[streams++] = (struct stream){pipes[fd][0], p->fd[fd], false};
    }
    set_signals(SIG_IGN);

    pid = fork();
    if (pid < 0)
        return -1;
    if (!pid) {
        use_pipes(p, pipes, both);
        sigprocmask(SIG_UNBLOCK, &child, NULL);
        set_signals(SIG_DFL);
        run(arg);
        _exit(CANNOT_RUN);
    }
    for (int fd = 1; fd < 3; fd++)
        if (p->fd[fd] >= 0 && !(fd == STDERR_FILENO && both))
            close(pipes[fd][1]);
    if (p->fd[STDIN_FILENO] >= 0) {
        close(pipes[STDIN_FILENO][0]);
        feeder = fork();
        if (!feeder)
            feed(p->fd[STDIN_FILENO], pipes[STDIN_FILENO][1]);
        close(pipes[STDIN_FILENO][1]);
    }
    status = serve(stream, streams, pid, feeder, children);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
