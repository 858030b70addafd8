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

#define HYPERCALL_CALLERS 64

/*
 * Who makes the access that is being handled: the one door from a chip to a vCPU. It is asked only
 * from within dev.read and dev.write, and for registers only by the functions that have arguments
 * there, as fetching them may cost a system call.
 */
struct hypercall_caller {
    unsigned (*index)(void *of); /* its number, 0 .. HYPERCALL_CALLERS-1 */
    void (*regs)(void *of, struct hypercall_regs *r);
    struct console *(*console)(void *of); /* its console */
    void (*exit)(void *of, int status);   /* it called EXIT with status 0..255 */
    void *of;
};

struct port_hypercall {
    struct device dev; /* attached over 2 addresses */
    const struct ram *ram;
    struct hypercall_caller caller;
    uint64_t getchar; /* bit n: caller n's next read is the answer to GETCHAR */
};

/* Make a hypercall port whose WRITE reads from ram. */
void port_hypercall_init(struct port_hypercall *h, const struct ram *ram,
                         struct hypercall_caller caller);

/* A call in words, for a trace: "PUTNUM 42". text has size bytes, of which 64 are always enough. */
void port_hypercall_describe(uint8_t function, const struct hypercall_regs *r, char *text,
                             size_t size);

#endif
