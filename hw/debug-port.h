/* SPDX-License-Identifier: MIT */
/*
 * The debug port of Bochs and QEMU, at 0xe9 on a PC: a byte written is a byte of debug output.
 */
#ifndef HW_DEBUG_PORT_H
#define HW_DEBUG_PORT_H

#include "hw/device.h"

struct debug_port {
    struct device dev; /* attached over 1 address */
    void (*put)(void *to, uint8_t byte);
    void *to;
};

/* Make a debug port that hands each byte to put. put may be NULL: bytes vanish, but the guest
 * still finds the port. */
void debug_port_init(struct debug_port *d, void (*put)(void *to, uint8_t byte), void *to);

#endif
