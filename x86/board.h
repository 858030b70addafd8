/* SPDX-License-Identifier: MIT */
/*
 * The board: a PC with the chips that kernels expect, and nothing else.
 *
 *  memory
 *    0000_0000  RAM
 *    000a_0000    no VGA: RAM nobody is told of
 *    000e_0000    tables that firmware would leave: ACPI, MP
 *    0010_0000    RAM up to --mem, at most to the hole
 *    c000_0000  the hole: pci, the BARs below 4 GiB
 *    e000_0000    pci, configuration space
 *    fec0_0000    IOAPIC
 *    fee0_0000    local APICs (the engine's)
 *  1_0000_0000  the rest of RAM
 *  4_0000_0000  pci, 16 GiB for more BARs; higher up if RAM is
 *
 *  ports                                   interrupts (IRQ = PIC pin = IOAPIC pin, but 0 -> 2)
 *    0020 00a0 04d0  pic                     0  pit counter 0
 *    0040 0061       pit                     1  i8042
 *    0060 0064       i8042                   4  serial8250, COM1
 *    0070            rtc                     8  rtc
 *    0092            reset-port              9  acpi-pm (SCI)
 *    00e9 0402       debug-port             10  pci, INTA of even slots
 *    03d4            crtc                   11  pci, INTA of odd slots
 *    00f4            exit-port              12  i8042, aux
 *                      (or where config.exit_port says; each CPU's own)
 *    03f8            serial8250, COM1
 *    0500            port-hypercall: each CPU's own
 *    0505            pvpanic
 *    0600            acpi-pm
 *    0cf8            pci, in it 0cf9: reset-port
 *    c000            pci, the BARs
 *    8900 b004       power-port
 */
#ifndef X86_BOARD_H
#define X86_BOARD_H

#include "hw/acpi-pm.h"
#include "hw/bus.h"
#include "hw/crtc.h"
#include "hw/debug-port.h"
#include "hw/i8042.h"
#include "hw/ioapic.h"
#include "hw/pc.h"
#include "hw/pci.h"
#include "hw/pic.h"
#include "hw/pit.h"
#include "hw/power-port.h"
#include "hw/pvpanic.h"
#include "hw/reset-port.h"
#include "hw/rtc.h"
#include "hw/serial8250.h"
#include "x86/devices.h"
#include "x86/parts.h"

struct machine;
struct vcpu;

struct board {
    struct machine *machine;
    struct vcpu *vcpu; /* the CPU that boots */
    struct bus pio, mmio;

    struct isa_line {
        struct irq pic, ioapic;
    } isa[16];
    struct irq ioapic_hears_pit;
    struct pic pic;
    struct ioapic ioapic;
    struct pit pit;
    struct rtc rtc;
    struct i8042 i8042;
    struct serial8250 com1;
    struct acpi_pm acpi_pm;
    struct reset_port reset_port;
    struct pci pci;
    struct debug_port debug_port, debug_port_402;
    struct power_port power_port;
    struct pvpanic pvpanic;
    struct crtc crtc;
    struct devices devices;
};

/* Put a board together in machine m, with a console at COM1. v is the CPU that boots, which the PIC
 * interrupts. The struct must stay where it is. */
void board_build(struct board *b, struct machine *m, struct vcpu *v, struct console *console);

/* Put a CPU into it: v->board, v->pio, and the ports that only this CPU sees. */
void board_plug(struct board *b, struct vcpu *v, struct console *console);

/* Show every part that has a state. Machine locked, and what has workers stands still. */
void board_show(struct board *b, struct parts *p);

/* Is there an interrupt that a chip or a device may send to a CPU whose interrupts are off, as an
 * NMI? Machine locked. */
bool board_wakes(const struct board *b);

/* Pull the reset line of all chips. Machine locked, or nothing runs. */
void board_reset(struct board *b);

#endif
