/* SPDX-License-Identifier: MIT */
/*
 * QEMU's isa-debug-exit, at 0xf4 by custom: a value written ends the machine.
 */
#ifndef HW_EXIT_PORT_H
#define HW_EXIT_PORT_H

#include "hw/device.h"

#define EXIT_PORT_LEN 4

struct exit_port {
    struct device dev; /* attached over EXIT_PORT_LEN addresses */
    void (*exit)(void *to, int status);
    void *to;
};

/* exit is called with the status (value << 1) | 1, of which a process has the low 8 bits. */
void exit_port_init(struct exit_port *e, void (*exit)(void *to, int status), void *to);

#endif
