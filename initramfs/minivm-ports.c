// SPDX-License-Identifier: MIT
/*
 * What init asks of the ports (initramfs/ports.c), and before that of modules: one process for all
 * of them, as each costs boot time.
 *
 *     minivm-ports load FILE...        loads modules, in order; those that find nothing are no
 * mistake minivm-ports later FILE...       the same, when nobody else wants the processor
 *     minivm-ports wait N              succeeds when N of them are there
 *     minivm-ports open PROGRAM...     opens them, and becomes PROGRAM
 *     minivm-ports run PROGRAM...      runs PROGRAM on those that are open; its status is PROGRAM's
 *     minivm-ports end STATUS          tells STATUS, and switches the machine off
 */
#include "initramfs/ports.h"

#include <fcntl.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    FIRST = 10, /* the descriptors of open ones begin here */
    NOT_FOUND = 127,
    LOWEST = 19, /* priority */
};

extern char **environ;

static void become(void *program)
{
    char **argv = program;

    execve(argv[0], argv, environ);
    _exit(NOT_FOUND);
}

static void hand_over(char **program)
{
    struct ports p;

    ports_open(&p);
    for (int i = 0; i < PORTS; i++)
        if (p.fd[i] >= 0)
            dup2(p.fd[i], FIRST + i);
    for (int i = 0; i < PORTS; i++)
        if (p.fd[i] >= 0)
            close(p.fd[i]);
    become(program);
}

/* stdout and stderr may have the same port. */
static void find_open(struct ports *p)
{
    struct stat st[PORTS];

    for (int i = 0; i < PORTS; i++)
        p->fd[i] = fstat(FIRST + i, &st[i]) ? -1 : FIRST + i;
    if (p->fd[STDOUT_FILENO] >= 0 && p->fd[STDERR_FILENO] >= 0 &&
        st[STDOUT_FILENO].st_rdev == st[STDERR_FILENO].st_rdev)
        p->fd[STDERR_FILENO] = p->fd[STDOUT_FILENO];
}

static void end(const char *digit)
{
    struct ports p;
    int status = 0;

    for (; *digit >= '0' && *digit <= '9'; digit++)
        status = (status * 10 + *digit - '0') & 0xff;
    ports_open(&p);
    ports_tell(&p, status);
    reboot(RB_POWER_OFF);
}

static int load(char **file)
{
    for (; *file; file++) {
        int fd = open(*file, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
            continue;
        syscall(SYS_finit_module, fd, "", 0);
        close(fd);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct ports p;

    if (argc < 3)
        return NOT_FOUND;
    if (!strcmp(argv[1], "later"))
        setpriority(PRIO_PROCESS, 0, LOWEST);
    if (!strcmp(argv[1], "load") || !strcmp(argv[1], "later"))
        return load(argv + 2);
    if (!strcmp(argv[1], "wait"))
        return !ports_wait(argv[2][0] - '0');
    if (!strcmp(argv[1], "open"))
        hand_over(argv + 2);
    if (!strcmp(argv[1], "end"))
        end(argv[2]);
    find_open(&p);
    int status = ports_run(&p, become, argv + 2);

    return status < 0 ? NOT_FOUND : status;
}
