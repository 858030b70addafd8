/* SPDX-License-Identifier: MIT */
/*
 * The two ports by which software resets a PC without the keyboard controller.
 */
#ifndef HW_RESET_PORT_H
#define HW_RESET_PORT_H

#include "hw/device.h"

/* The reset control register. */
enum {
    RESET_PORT_SYS_RST = 1 << 1,  /* hard reset, not only INIT */
    RESET_PORT_RST_CPU = 1 << 2,  /* 0 -> 1 resets */
    RESET_PORT_FULL_RST = 1 << 3, /* with a power cycle */
};

PLAIN_BEGIN
struct reset_port_state {
    uint8_t rst_cnt;
    uint8_t port92;
};
PLAIN_END

struct reset_port {
    struct device control; /* the reset control register: port 0xcf9, 1 byte */
    struct device port_a;  /* system control port A: port 0x92, 1 byte */
    struct irq a20, reset;
    struct reset_port_state s;
};

/* a20 follows the A20 bit of port A. reset is set, never cleared, when the guest asks for it. */
void reset_port_init(struct reset_port *r, struct irq a20, struct irq reset);

#endif
