// SPDX-License-Identifier: MIT
/*
 * Reset control register and system control port A.
 *
 * After: Intel I/O Controller Hub 9 (ICH9) Family data sheet, "Processor Interface Registers":
 * "RST_CNT - Reset Control Register", "PORT92 - Fast A20 and Init Register".
 * Left out: INIT without a reset of the chips. Soft resets are hard ones: only 80286 code on its
 * way back to real mode told them apart. A machine may leave the a20 wire loose and have A20 always
 * on: the bit reads as written, and only 8086 programs relied on addresses that wrap at 1 MiB.
 */
#include "hw/reset-port.h"

/* System control port A. */
enum {
    INIT_NOW = 1 << 0,
    ALT_A20_GATE = 1 << 1,
};

static uint64_t control_read(struct device *d, uint64_t off, int size)
{
    struct reset_port *r = container_of(d, struct reset_port, control);

    (void)off, (void)size;
    return r->s.rst_cnt;
}

static void control_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct reset_port *r = container_of(d, struct reset_port, control);
    uint8_t rises = val & ~r->s.rst_cnt;

    (void)off, (void)size;
    r->s.rst_cnt = val & (RESET_PORT_SYS_RST | RESET_PORT_RST_CPU | RESET_PORT_FULL_RST);
    if (rises & RESET_PORT_RST_CPU)
        irq_set(&r->reset, true);
}

static uint64_t port_a_read(struct device *d, uint64_t off, int size)
{
    struct reset_port *r = container_of(d, struct reset_port, port_a);

    (void)off, (void)size;
    return r->s.port92;
}

static void port_a_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct reset_port *r = container_of(d, struct reset_port, port_a);
    uint8_t rises = val & ~r->s.port92;

    (void)off, (void)size;
    r->s.port92 = val & (INIT_NOW | ALT_A20_GATE);
    irq_set(&r->a20, r->s.port92 & ALT_A20_GATE);
    if (rises & INIT_NOW)
        irq_set(&r->reset, true);
}

static void reset_port_reset(struct device *d)
{
    struct reset_port *r = container_of(d, struct reset_port, control);

    r->s.rst_cnt = 0;
    r->s.port92 = ALT_A20_GATE; /* as firmware leaves it */
    irq_set(&r->a20, true);
}

static void reset_port_restored(struct device *d)
{
    struct reset_port *r = container_of(d, struct reset_port, control);

    irq_set(&r->a20, r->s.port92 & ALT_A20_GATE);
}

void reset_port_init(struct reset_port *r, struct irq a20, struct irq reset)
{
    *r = (struct reset_port){
        .control = {.name = "reset control",
                    .read = control_read,
                    .write = control_write,
                    .reset = reset_port_reset,
                    .state = &r->s,
                    .state_size = sizeof(r->s),
                    .restored = reset_port_restored},
        .port_a = {.name = "port A", .read = port_a_read, .write = port_a_write},
        .a20 = a20,
        .reset = reset,
    };
    reset_port_reset(&r->control);
}
