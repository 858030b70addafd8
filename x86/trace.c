// SPDX-License-Identifier: MIT
/*
 * What the guest did, in words.
 */
#include "x86/trace.h"
#include "hw/port-hypercall-abi.h"
#include "x86/machine.h"

#include <ctype.h>

/* A value, and the character that it is, if any. */
static void print_value(FILE *f, uint64_t val, int size)
{
    fprintf(f, "value %#llx", (unsigned long long)val);
    if (size == 1 && val < 128 && isprint((int)val))
        fprintf(f, " '%c'", (int)val);
}

static void print_device(FILE *f, const struct bus *b, uint64_t addr)
{
    const struct device *d = bus_device(b, addr);

    fprintf(f, " (%s)", d ? d->name : "nobody");
}

static void print_hypercall(FILE *f, struct vcpu *v, uint8_t function)
{
    struct hypercall_regs r;
    char text[64];

    v->hypercall.caller.regs(v, &r);
    port_hypercall_describe(function, &r, text, sizeof(text));
    fprintf(f, " (hypercall %s)", text);
}

void trace_io(struct vcpu *v, bool out, uint16_t port, int size, uint64_t val)
{
    FILE *f = v->machine->config.trace;

    if (!f)
        return;
    flockfile(f);
    fprintf(f, "%s: io %s port %#x size %d ", v->name, out ? "out" : "in", port, size);
    print_value(f, val & UINT64_MAX >> (64 - 8 * size), size);
    if (port == HYPERCALL_PORT && out && size == 1)
        print_hypercall(f, v, val);
    else
        print_device(f, &v->pio, port);
    putc('\n', f);
    funlockfile(f);
}

void trace_mmio(struct vcpu *v, bool write, uint64_t addr, int size, uint64_t val)
{
    FILE *f = v->machine->config.trace;

    if (!f)
        return;
    flockfile(f);
    fprintf(f, "%s: mmio %s address %#llx size %d ", v->name, write ? "write" : "read",
            (unsigned long long)addr, size);
    print_value(f, val & UINT64_MAX >> (64 - 8 * size), size);
    print_device(f, &v->board->mmio, addr);
    putc('\n', f);
    funlockfile(f);
}

void trace_exit(struct vcpu *v, const char *reason)
{
    FILE *f = v->machine->config.trace;

    if (f)
        fprintf(f, "%s: %s\n", v->name, reason);
}
