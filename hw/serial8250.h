/* SPDX-License-Identifier: MIT */
/*
 * A 16550A serial port, as PC COM1: eight byte registers, one interrupt, one console.
 */
#ifndef HW_SERIAL8250_H
#define HW_SERIAL8250_H

#include "hw/clock.h"
#include "hw/console.h"
#include "hw/device.h"

#define SERIAL8250_FIFO 16

/* How many bytes the line delivers without a pause to a guest that takes interrupts and has the
 * FIFOs on, and how long the pause is: a character at 115200 baud. */
#define SERIAL8250_BURST    256
#define SERIAL8250_PAUSE_NS 86806

PLAIN_BEGIN
struct serial8250_state {
    uint64_t deadline; /* of the line's pause */

    /* Bytes or CONSOLE_BREAK, oldest first: what the receiver holds, and what is still on the line
     * although the console has given it away. */
    uint16_t rx[SERIAL8250_FIFO], line[SERIAL8250_FIFO];
    uint8_t nrx, nline;
    uint16_t burst; /* bytes that the line has delivered without a pause */

    uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
    uint8_t deltas;  /* the low half of MSR */
    bool thre;       /* THR has become empty and no IIR read has said so yet */
    bool overrun;    /* LSR.OE */
    bool watched;    /* the guest polls for input: serial8250.c, "Input" */
    bool handshakes; /* the guest has raised RTS, so a low RTS means: wait */
    bool hung_up;    /* the line has lost its carrier, MSR.DCD */
    uint8_t unused[7];
};
PLAIN_END

struct serial8250 {
    struct device dev; /* attached over 8 addresses */
    struct console *console;
    struct clock *clock;
    struct timer pause; /* armed while the line pauses */
    struct irq irq;
    bool held; /* the line waits until the guest raises OUT1 */
    struct serial8250_state s;
};

/*
 * Make a serial port between a console and an interrupt wire. The console then tells it of input
 * (c->arrived). It takes input only as its guest is ready for it, so the guest gets every byte, in
 * order, unless it never looks again. Takes one of the clock's timers, which is armed only while
 * more input waits than a guest was given in one burst.
 */
void serial8250_init(struct serial8250 *u, struct console *c, struct clock *clock, struct irq irq);

/* Let no input in until the guest raises OUT1, a modem line that no driver uses by itself. A guest
 * does so when it has set its terminal's modes. A reset does not undo it. */
void serial8250_hold(struct serial8250 *u);

#endif
