// SPDX-License-Identifier: MIT
/*
 * Runs a command on a terminal of its own, 24 by 80, whose reader does as it is told.
 *
 * usage: pty ACTION... -- COMMAND [ARG]...
 *     see        read until something has come
 *     read MS    read for that time
 *     sleep MS   do not read
 *     wait FILE  read until it is there
 *     type TEXT  type it; ^A is Ctrl-A
 *     kill N     send signal N
 *
 * Then the command has 20 seconds to end. What was read, with all that is left, goes to stdout; at
 * the end there is a line "status N" or "signal N" or "it did not end", with ", modes as before"
 * when the terminal has got its modes back.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum {
    LIMIT_MS = 20000,
    WAIT_MS = 900000,
    STEP_MS = 10,
};

static int master, slave;

/* Read what comes within ms; did anything? */
static int pump(int ms)
{
    struct pollfd p = {.fd = master, .events = POLLIN};
    char buf[4096];

    if (poll(&p, 1, ms) != 1)
        return 0;
    ssize_t n = read(master, buf, sizeof(buf));

    if (n > 0) {
        fwrite(buf, 1, n, stdout);
        fflush(stdout);
    }
    return n > 0;
}

static void type(const char *text)
{
    for (; *text; text++) {
        char c = *text == '^' ? *++text & 0x1f : *text;

        if (write(master, &c, 1) != 1)
            perror("pty: write");
    }
}

static void act(pid_t child, char ***arg)
{
    const char *action = *(*arg)++;

    if (!strcmp(action, "see")) {
        pump(LIMIT_MS);
        return;
    }
    const char *value = *(*arg)++;

    if (!strcmp(action, "read"))
        for (int ms = atoi(value); ms > 0; ms -= STEP_MS)
            pump(STEP_MS);
    else if (!strcmp(action, "sleep"))
        usleep(atoi(value) * 1000);
    else if (!strcmp(action, "wait"))
        for (int ms = 0; ms < WAIT_MS && access(value, F_OK); ms += STEP_MS)
            pump(STEP_MS);
    else if (!strcmp(action, "type"))
        type(value);
    else if (!strcmp(action, "kill"))
        kill(child, atoi(value));
}

static void start(char **command)
{
    setsid();
    ioctl(slave, TIOCSCTTY, 0);
    for (int fd = 0; fd < 3; fd++)
        dup2(slave, fd);
    execvp(*command, command);
    perror(*command);
    _exit(127);
}

int main(int argc, char **argv)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    struct termios before, after;
    char **arg = argv + 1;
    int status = 0;
    pid_t ended = 0;

    (void)argc;
    master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) || unlockpt(master) ||
        (slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0)
        return 4;
    ioctl(slave, TIOCSWINSZ, &size);
    tcgetattr(slave, &before);

    char **command = arg;

    while (*command && strcmp(*command, "--"))
        command++;
    pid_t child = fork();

    if (child == 0)
        start(command + 1);
    while (*arg && strcmp(*arg, "--"))
        act(child, &arg);
    for (int ms = 0; ms < LIMIT_MS && !ended; ms += STEP_MS) {
        ended = waitpid(child, &status, WNOHANG);
        if (!ended)
            usleep(STEP_MS * 1000);
    }
    if (!ended) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    while (pump(100))
        ;
    tcgetattr(slave, &after);
    if (!ended)
        printf("\nit did not end");
    else if (WIFSIGNALED(status))
        printf("\nsignal %d", WTERMSIG(status));
    else
        printf("\nstatus %d", WEXITSTATUS(status));
    int same = before.c_iflag == after.c_iflag && before.c_oflag == after.c_oflag &&
               before.c_lflag == after.c_lflag && before.c_cflag == after.c_cflag;

    printf("%s\n", same ? ", modes as before" : "");
    return 0;
}
