/* SPDX-License-Identifier: MIT */
/*
 * A child process that serves a device, as qemu-nbd and passt do, and what it says on its end.
 *
 * It ends when we do: a signal comes at our death. (As root a program may become somebody else,
 * which makes the kernel forget that; then it has to notice that its socket is closed.)
 */
#ifndef HW_CHILD_H
#define HW_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    CHILD_SAID = 4096 /* bytes of what a child says that are kept: the first ones */
};

struct child {
    pid_t pid; /* 0 for none: never started, or waited for */
    int log;   /* what it prints, on stdout and stderr */
    int status;
};

/* Start one, like fork(): returns twice, in the child with 0, where stdin is empty and stdout and
 * stderr are the log; or with -1 and errno. */
pid_t child_start(struct child *c, const char *name);

/* In the child: become the program argv[0]. A program that is not there ends with status 127. */
_Noreturn void child_become(const char *const *argv);

/* Wait for its end until then, on CLOCK_MONOTONIC in ns. Returns whether it has ended, with
 * c->status as of waitpid(2). True where there is none. */
bool child_wait(struct child *c, uint64_t deadline);

/* End it by force, and wait. Returns false where that takes more than a second. */
bool child_kill(struct child *c);

/* Could its program not be started? When it has ended. */
bool child_is_missing(const struct child *c);

/* What it has said: text without its end of line, "" for nothing. */
void child_said(const struct child *c, char said[CHILD_SAID]);

/* The child is nobody's any more; it goes on if it has not ended. */
void child_forget(struct child *c);

#endif
