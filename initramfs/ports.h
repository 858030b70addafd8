/* SPDX-License-Identifier: MIT */
/*
 * The ports of virtio-console that minivm gives a command in place of stdin, stdout, stderr, and
 * for its status. Needs /sys and /dev.
 */
#ifndef INITRAMFS_PORTS_H
#define INITRAMFS_PORTS_H

#include <stdbool.h>

enum {               /* of struct ports */
    PORT_STATUS = 3, /* behind stdin, stdout, stderr */
    PORTS = 4,
};

/* A descriptor for each; -1 where the terminal serves. stdout and stderr may have the same. */
struct ports {
    int fd[PORTS];
};

/* Wait for n ports, which a driver that has been loaded makes in its own time. False at once when
 * there is no driver for them, and in the end when they do not come. */
bool ports_wait(int n);

/* Open those that are there, to be inherited. */
void ports_open(struct ports *p);

/*
 * Run a program in a new process, which calls run(arg), and pass on between its pipes and the
 * ports until it ends. What it wrote is in the ports then. Returns its status, 128 + N when signal
 * N killed it; -1 when the system lacks something, with errno.
 *
 * Pipes, as a port can be opened once only: /dev/stdin, /dev/stdout and /dev/stderr would be busy.
 */
int ports_run(const struct ports *p, void (*run)(void *arg), void *arg);

/* Tell the status, before the machine is switched off, where the hypercall port cannot. */
void ports_tell(const struct ports *p, int status);

#endif
