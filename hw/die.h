/* SPDX-License-Identifier: MIT */
/*
 * The end of a machine that cannot be built.
 */
#ifndef HW_DIE_H
#define HW_DIE_H

/* The exit statuses of minivm that are not the guest's own. */
enum {
    EXIT_TIMEOUT = 124, /* --timeout ran out */
    EXIT_USAGE = 125,   /* minivm could not start */
    EXIT_CRASH = 126,   /* the guest crashed */
};

/* Print "minivm: " and one line on stderr, and exit with EXIT_USAGE. The text names the file or the
 * option, the cause and, where there is one, the cure; %m stands for errno. Only while a machine is
 * being built, never because of a running guest. */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
