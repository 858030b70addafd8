// SPDX-License-Identifier: MIT
/*
 * As much of libc as minivm-ports needs: a static program of all of it would be a third of the
 * initramfs, which every boot unpacks.
 *
 * After: Linux system call ABI, arch/x86/entry/syscalls/syscall_64.tbl; signal-safety(7) does not
 * matter here, as nothing handles a signal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    SIGSET = 8, /* bytes of the kernel's sigset_t */
};

int main(int argc, char **argv);

char **environ;

int *__errno_location(void)
{
    static int error;

    return &error;
}

static long call(long n, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    if (result >= 0 || result < -4095)
        return result;
    errno = -result;
    return -1;
}

#define P(pointer) ((long)(pointer))

int open(const char *path, int flags, ...)
{
    return call(SYS_open, P(path), flags, 0, 0);
}

int close(int fd)
{
    return call(SYS_close, fd, 0, 0, 0);
}

ssize_t read(int fd, void *buf, size_t n)
{
    return call(SYS_read, fd, P(buf), n, 0);
}

ssize_t write(int fd, const void *buf, size_t n)
{
    return call(SYS_write, fd, P(buf), n, 0);
}

int access(const char *path, int mode)
{
    return call(SYS_access, P(path), mode, 0, 0);
}

int fstat(int fd, struct stat *st)
{
    return call(SYS_fstat, fd, P(st), 0, 0);
}

int fcntl(int fd, int cmd, ...)
{
    va_list args;

    va_start(args, cmd);
    long arg = va_arg(args, long);

    va_end(args);
    return call(SYS_fcntl, fd, cmd, arg, 0);
}

int dup2(int from, int to)
{
    return call(SYS_dup2, from, to, 0, 0);
}

int pipe2(int fds[2], int flags)
{
    return call(SYS_pipe2, P(fds), flags, 0, 0);
}

pid_t fork(void)
{
    return call(SYS_fork, 0, 0, 0, 0);
}

int execve(const char *path, char *const argv[], char *const env[])
{
    return call(SYS_execve, P(path), P(argv), P(env), 0);
}

void _exit(int status)
{
    for (;;)
        call(SYS_exit, status, 0, 0, 0);
}

int kill(pid_t pid, int sig)
{
    return call(SYS_kill, pid, sig, 0, 0);
}

pid_t waitpid(pid_t pid, int *status, int options)
{
    return call(SYS_wait4, pid, P(status), options, 0);
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
    return call(SYS_poll, P(fds), n, timeout, 0);
}

int nanosleep(const struct timespec *t, struct timespec *rest)
{
    return call(SYS_nanosleep, P(t), P(rest), 0, 0);
}

/* To the default, or ignored: a handler would need a way back. */
__sighandler_t signal(int sig, __sighandler_t to)
{
    struct {
        __sighandler_t handler;
        long flags;
        void *restorer;
        long mask;
    } action = {.handler = to};

    return call(SYS_rt_sigaction, sig, P(&action), 0, SIGSET) ? SIG_ERR : SIG_DFL;
}

int sigemptyset(sigset_t *set)
{
    set->__val[0] = 0;
    return 0;
}

int sigaddset(sigset_t *set, int sig)
{
    set->__val[0] |= 1ul << (sig - 1);
    return 0;
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    return call(SYS_rt_sigprocmask, how, P(set), P(old), SIGSET);
}

int signalfd(int fd, const sigset_t *set, int flags)
{
    return call(SYS_signalfd4, fd, P(set), SIGSET, flags);
}

int reboot(int how)
{
    return call(SYS_reboot, 0xfee1dead, 672274793, how, 0);
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *(const unsigned char *)a - *(const unsigned char *)b;
}

/* The compiler may want them. */
void *memset(void *to, int byte, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((volatile char *)to)[i] = byte;
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((volatile char *)to)[i] = ((const char *)from)[i];
    return to;
}

__attribute__((used)) static _Noreturn void start(long *stack)
{
    char **argv = (char **)(stack + 1);

    environ = argv + *stack + 1;
    _exit(main(*stack, argv));
}

__asm__(".global _start\n"
        "_start: mov %rsp, %rdi\n"
        "        and $-16, %rsp\n"
        "        call start\n");
