/* SPDX-License-Identifier: MIT */
/*
 * The board: a PC with the chips that kernels expect, and nothing else.
 *
 *  memory
 *    0000_0000  RAM
 *    000a_0000    no VGA: RAM nobody is told of
 *    000e_0000    tables that firmware would leave: ACPI, MP
 *    0010_0000    RAM up to --mem, at most to the hole
 *    c000_0000  the hole: nobody
 *    fec0_0000    IOAPIC
 *    fee0_0000    local APICs (the engine's)
 *  1_0000_0000  the rest of RAM
 *
 *  ports                                   interrupts (IRQ = PIC pin = IOAPIC pin, but 0 -> 2)
 *    0020 00a0 04d0  pic                     0  pit counter 0
 *    0040 0061       pit                     1  i8042
 *    0060 0064       i8042                   4  serial8250, COM1
 *    0070            rtc                     8  rtc
 *    0092            reset-port              9  acpi-pm (SCI)
 *    00e9            debug-port             12  i8042, aux
 *    03f8            serial8250, COM1
 *    0500            port-hypercall
 *    0600            acpi-pm
 *    0cf8            pci, in it 0cf9: reset-port
 */
#ifndef X86_MACHINE_H
#define X86_MACHINE_H

#include "hw/acpi-pm.h"
#include "hw/bus.h"
#include "hw/clock.h"
#include "hw/debug-port.h"
#include "hw/event.h"
#include "hw/i8042.h"
#include "hw/ioapic.h"
#include "hw/pc.h"
#include "hw/pic.h"
#include "hw/pci.h"
#include "hw/pit.h"
#include "hw/port-hypercall.h"
#include "hw/ram.h"
#include "hw/reset-port.h"
#include "hw/rtc.h"
#include "hw/serial8250.h"
#include "x86/vcpu.h"

struct config {
    const struct engine *engine;
    uint64_t ram; /* bytes, a multiple of 4 KiB */
    int cpus;     /* 1 to PC_MAX_CPUS */
    bool apic;    /* with local APICs and an IOAPIC; without, HLT comes back from the engine */
    void (*debug)(void *to, uint8_t byte); /* port 0xe9; NULL for nobody */
    void *debug_to;
};

/* Why the machine stopped. The first reason wins, but that the user's wishes win over a reset. */
enum machine_stop {
    STOP_NONE,
    STOP_EXIT,     /* the guest, or the last of several, ended with machine.status */
    STOP_POWEROFF, /* the guest switched the machine off */
    STOP_RESET,    /* the guest asked for a reset */
    STOP_SHUTDOWN, /* triple fault on machine.culprit */
    STOP_FAILED,   /* the engine failed on machine.culprit, which says why */
    STOP_TIMEOUT,  /* the user's time limit */
    STOP_QUIT,     /* the user wants out */
    STOP_SIGNAL,   /* a signal to minivm: machine.signal */
};

struct machine {
    struct config config;
    const struct engine *engine;
    void *vm; /* the engine's part */
    struct ram ram;
    struct bus pio, mmio;

    pthread_mutex_t lock; /* the board: all chips, wires and buses */
    struct event_loop loop;
    struct clock clock;
    struct watch alarm;   /* the timerfd behind the clock */
    uint64_t epoch;       /* host's monotonic ns when the clock read 0 */
    struct vcpu *current; /* who makes the bus access being handled */

    struct isa_line {
        struct irq pic, ioapic;
    } isa[16];
    struct pic pic;
    struct ioapic ioapic;
    struct pit pit;
    struct rtc rtc;
    struct i8042 i8042;
    struct serial8250 com1;
    struct acpi_pm acpi_pm;
    struct reset_port reset_port;
    struct pci pci;
    struct port_hypercall hypercall;
    struct debug_port debug_port;

    struct vcpu vcpu[PC_MAX_CPUS];
    int running; /* vCPUs that have not exited; machine lock */

    enum machine_stop stop; /* atomic */
    struct vcpu *culprit;
    int status, signal;
};

/*
 * Build a machine as it is after power-on, with console at COM1 and behind the hypercall port. Dies
 * with the cause when the host cannot hold it. The struct must stay where it is.
 */
void machine_build(struct machine *m, const struct config *c, struct console *console);

/* Press the reset button: RAM is cleared, chips and vCPUs are as after power-on. No vCPU runs. */
void machine_reset(struct machine *m);

/* Give everything back to the host. No vCPU runs. */
void machine_free(struct machine *m);

/* Start the vCPUs and serve events until the machine stops; all vCPU threads have ended then. */
enum machine_stop machine_run(struct machine *m);

/* Stop the machine. Any thread, any lock state. */
void machine_stop(struct machine *m, enum machine_stop why);

static inline bool machine_stopping(struct machine *m)
{
    return __atomic_load_n(&m->stop, __ATOMIC_ACQUIRE) != STOP_NONE;
}

/* Bring v->state up to date for every vCPU, waiting up to a second. v->inspected tells
 * whether it came. In the main thread, machine locked. */
void machine_inspect(struct machine *m);

/* Bus accesses of a vCPU, from its engine. Machine not locked. */
uint64_t machine_read(struct vcpu *v, struct bus *b, uint64_t addr, int size);
void machine_write(struct vcpu *v, struct bus *b, uint64_t addr, int size, uint64_t val);

/* The interrupt acknowledge cycle of vCPU 0: a vector, or -1 when INTR has fallen. Not locked. */
int machine_ack(struct vcpu *v);

/* A level-triggered interrupt of the IOAPIC ended. Not locked. */
void machine_eoi(struct machine *m, int vector);

#endif
