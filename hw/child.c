// SPDX-License-Identifier: MIT
/*
 * A child process that serves a device.
 *
 * After: prctl(2), "PR_SET_PDEATHSIG"; memfd_create(2) and fcntl(2), "File Sealing"; pidfd_open(2).
 */
#define _GNU_SOURCE
#include "hw/child.h"
#include "hw/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A file of one size: what is written beyond its end is refused, so that a child that talks and
 * talks fills no memory. */
static int make_log(const char *name)
{
    int log = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (log >= 0 &&
        (ftruncate(log, CHILD_SAID) < 0 || fcntl(log, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK))) {
        close(log);
        log = -1;
    }
    return log;
}

pid_t child_start(struct child *c, const char *name)
{
    pid_t us = getpid();
    sigset_t none;

    *c = (struct child){.log = make_log(name)};
    if (c->log < 0)
        return -1;
    c->pid = fork();
    if (c->pid)
        return c->pid;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != us)
        _exit(1);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* Ctrl-C on the terminal must not end the child. */
    setpgid(0, 0);
    close(STDIN_FILENO);
    open("/dev/null", O_RDONLY);
    dup2(c->log, STDOUT_FILENO);
    dup2(c->log, STDERR_FILENO);
    return 0;
}

void child_become(const char *const *argv)
{
    execvp(argv[0], (char *const *)argv);
    dprintf(STDERR_FILENO, "%s", errno == ENOENT ? "not there" : strerror(errno));
    _exit(127);
}

bool child_wait(struct child *c, uint64_t deadline)
{
    struct pollfd end = {.events = POLLIN};
    pid_t ended;

    if (c->pid <= 0)
        return true;
    end.fd = syscall(SYS_pidfd_open, c->pid, 0);
    while ((ended = waitpid(c->pid, &c->status, WNOHANG)) == 0) {
        uint64_t now = clock_host(CLOCK_MONOTONIC);
        uint64_t ms = now < deadline ? (deadline - now) / 1000000 + 1 : 0;

        if (!ms)
            break;
        /* Old kernels have no such descriptor. */
        poll(&end, 1, end.fd < 0 ? 1 : ms < INT32_MAX ? ms : INT32_MAX);
    }
    if (end.fd >= 0)
        close(end.fd);
    if (ended)
        c->pid = 0;
    return ended;
}

bool child_kill(struct child *c)
{
    if (c->pid > 0)
        kill(c->pid, SIGKILL);
    return child_wait(c, clock_after(clock_host(CLOCK_MONOTONIC), NS_PER_SECOND));
}

bool child_is_missing(const struct child *c)
{
    return WIFEXITED(c->status) && WEXITSTATUS(c->status) == 127;
}

void child_said(const struct child *c, char said[CHILD_SAID])
{
    ssize_t n = c->log < 0 ? 0 : pread(c->log, said, CHILD_SAID - 1, 0);

    said[n < 0 ? 0 : n] = 0;
    for (n = strlen(said); n && said[n - 1] == '\n'; n--)
        said[n - 1] = 0;
}

void child_forget(struct child *c)
{
    if (c->log >= 0)
        close(c->log);
    *c = (struct child){.log = -1};
}
