/* SPDX-License-Identifier: MIT */
/*
 * The ports by which small kernels that were written on other machines switch off: Bochs's 0x8900,
 * and the power management register of its and QEMU's older boards, 0xb004. (That of QEMU's newer
 * board, 0x604, is a register of hw/acpi-pm.)
 */
#ifndef HW_POWER_PORT_H
#define HW_POWER_PORT_H

#include "hw/device.h"

PLAIN_BEGIN
struct power_port_state {
    uint8_t matched; /* letters of "Shutdown" that came in a row */
};
PLAIN_END

struct power_port {
    struct device shutdown; /* port 0x8900, 1 address */
    struct device control;  /* port 0xb004, 2 addresses */
    struct irq off;
    struct power_port_state s;
};

/* off is set, never cleared, when the guest switches the machine off. */
void power_port_init(struct power_port *p, struct irq off);

#endif
