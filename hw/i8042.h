/* SPDX-License-Identifier: MIT */
/*
 * Keyboard controller, with a keyboard on which nobody types and no mouse.
 */
#ifndef HW_I8042_H
#define HW_I8042_H

#include "hw/device.h"

#define I8042_RAM 32 /* bytes */

/* The longest answer of a keyboard to one byte, in bytes. */
#define I8042_ANSWER 3

PLAIN_BEGIN
struct i8042_state {
    uint8_t ram[I8042_RAM]; /* byte 0 is the command byte */
    uint8_t status;
    uint8_t output;      /* the output buffer: full when the status says so */
    uint8_t output_port; /* the pins that software sets */
    uint8_t expects;     /* the command that the next data byte belongs to, or 0 */

    bool has_reply; /* the controller's own answer waits for the output buffer */
    uint8_t reply;
    uint8_t reply_status; /* the status bits that come with it */

    /* The keyboard. */
    uint8_t answer[I8042_ANSWER]; /* what it has yet to send, first byte first */
    uint8_t nanswer;
    uint8_t sent;        /* the last byte that it sent */
    uint8_t kbd_expects; /* the command that its next byte belongs to, or 0 */
    uint8_t scan_set;    /* 1..3 */
};
PLAIN_END

struct i8042 {
    struct device data;    /* port 0x60, 1 byte */
    struct device command; /* port 0x64, 1 byte: writes are commands, reads give the status */
    struct irq irq1, irq12, a20, reset;
    struct i8042_state s;
};

/*
 * irq1 and irq12 are levels: high while a byte from the keyboard, or from the auxiliary port, is
 * there to be read and the command byte lets it interrupt. a20 follows the output port's A20 pin.
 * reset is set, never cleared, when the guest pulses the reset pin.
 */
void i8042_init(struct i8042 *k, struct irq irq1, struct irq irq12, struct irq a20,
                struct irq reset);

#endif
