/* SPDX-License-Identifier: MIT */
/*
 * The hypercall port: console and exit for guests of a few bytes (hw/port-hypercall-abi.h).
 */
#ifndef HW_PORT_HYPERCALL_H
#define HW_PORT_HYPERCALL_H

#include "hw/console.h"
#include "hw/device.h"
#include "hw/ram.h"

/* The registers that carry arguments. */
struct hypercall_regs {
    uint32_t ebx, ecx, esi;
};

/*
 * The CPU whose port it is: the one door from a chip to a vCPU. Its registers are asked for only
 * within dev.write, and only by functions that have arguments there, as fetching them may cost a
 * system call.
 */
struct hypercall_caller {
    void (*regs)(void *of, struct hypercall_regs *r);
    void (*exit)(void *of, int status); /* it called EXIT with status 0..255 */
    void *of;
};

PLAIN_BEGIN
struct port_hypercall_state {
    uint8_t asked; /* the function that the next read answers; 0 for none */
};
PLAIN_END

struct port_hypercall {
    struct device dev; /* attached over 2 addresses */
    const struct ram *ram;
    struct console *console;
    struct hypercall_caller caller;
    struct port_hypercall_state s;
};

/* Make the hypercall port of one CPU. WRITE reads from ram. */
void port_hypercall_init(struct port_hypercall *h, const struct ram *ram, struct console *console,
                         struct hypercall_caller caller);

/* A call in words, for a trace: "PUTNUM 42". text has size bytes, of which 64 are always enough. */
void port_hypercall_describe(uint8_t function, const struct hypercall_regs *r, char *text,
                             size_t size);

#endif
