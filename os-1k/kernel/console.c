// SPDX-License-Identifier: MIT
/*
 * The console: input by COM1 and its interrupt, output by the monitor's port 0x500.
 *
 * COM1 would do for output too, but there each byte is an OUT, which leaves the machine for the
 * monitor; WRITE does a whole text in one. Either way nothing has to be waited for.
 *
 * After: National Semiconductor PC16550D data sheet (1995), "Registers"; hw/port-hypercall-abi.h.
 */
#include "os-1k/kernel/kernel.h"
#include "hw/port-hypercall-abi.h"

enum {
    COM1 = 0x3f8,
    RBR = COM1 + 0,
    IER = COM1 + 1,
    IIR = COM1 + 2,
    FCR = COM1 + 2,
    MCR = COM1 + 4,
    MSR = COM1 + 6,

    IER_RECEIVED_DATA = 0x01,
    IER_MODEM_STATUS = 0x08,
    IIR_NONE = 0x01,
    IIR_RECEIVED_DATA = 0x04, /* else it is the modem status */
    FCR_FIFO_ENABLE = 0x01,
    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT2 = 0x08, /* on a PC, the gate between COM1 and its interrupt line */
    MSR_DCD = 0x80,

    CTRL_C = 0x03,
};

/* Input that nobody has read yet. The indices count up for ever, and wrap with the ring. */
static uint8_t ring[256];
static uint8_t ring_in, ring_out;
static bool ring_full; /* so that COM1 holds back what comes next */
static bool hung_up;   /* there will be no more input */

static void put_in_ring(uint8_t byte)
{
    if (byte == CTRL_C && process_kill_foreground()) {
        ring_out = ring_in; /* what was typed before was meant for that process */
        print("^C\n");
        return;
    }
    ring[ring_in++] = byte;
    wake();
}

/* Everything must be served: only then does the interrupt line fall, so that it can rise again,
 * which is what the interrupt controller sees. */
void console_interrupt(void)
{
    uint8_t why;

    while (!((why = in8(IIR)) & IIR_NONE)) {
        if (!(why & IIR_RECEIVED_DATA)) {
            hung_up = !(in8(MSR) & MSR_DCD);
            wake();
            continue;
        }
        ring_full = (uint8_t)(ring_in + 1) == ring_out;
        if (ring_full)
            return;
        put_in_ring(in8(RBR));
    }
}

void console_init(void)
{
    out8(FCR, FCR_FIFO_ENABLE);
    out8(MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
    hung_up = !(in8(MSR) & MSR_DCD);
    out8(IER, IER_RECEIVED_DATA | IER_MODEM_STATUS);
}

int console_getchar(void)
{
    int byte;

    while (!current->killed && (!process_has_input() || (ring_in == ring_out && !hung_up)))
        sleep();
    if (current->killed || ring_in == ring_out)
        return END_OF_INPUT;
    byte = ring[ring_out++];
    if (ring_full)
        console_interrupt(); /* in its place, as the line is high already */
    return byte;
}

/* The text lies in the kernel's half, which is physical memory in one piece. */
void console_write(const char *text, size_t n)
{
    __asm__ volatile("out dx, al"
                     :
                     : "d"(HYPERCALL_PORT), "a"(HYPERCALL_WRITE), "c"(n),
                       "S"((uint32_t)text - KERNEL_BASE)
                     : "memory");
}

void print(const char *text, ...)
{
    char buf[160];
    va_list args;

    va_start(args, text);
    console_write(buf, format(buf, sizeof(buf), text, args));
    va_end(args);
}

void machine_exit(int status)
{
    __asm__ volatile("out dx, al" : : "d"(HYPERCALL_PORT), "a"(HYPERCALL_EXIT), "b"(status));
    for (;;)
        __asm__ volatile("cli; hlt");
}
