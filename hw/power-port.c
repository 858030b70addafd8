// SPDX-License-Identifier: MIT
/*
 * Other machines' power switches.
 *
 * After: Bochs, iodev/unmapped.cc's port 0x8900: the letters of "Shutdown", one by one; Intel
 * 82371AB (PIIX4) data sheet, "PMCNTRL - Power Management Control Register": SUS_EN with SUS_TYP 0
 * is soft off.
 *
 * Left out: the rest of PIIX4's power management; nobody drives it without finding it by PCI first.
 */
#include "hw/power-port.h"

enum {
    SUS_EN = 1 << 13,
    SUS_TYP = 7 << 10,
};

static uint64_t nothing(struct device *d, uint64_t off, int size)
{
    (void)d, (void)off, (void)size;
    return UINT64_MAX;
}

static void shutdown_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    static const char word[] = "Shutdown";
    struct power_port *p = container_of(d, struct power_port, shutdown);

    (void)off, (void)size;
    if (val == (uint8_t)word[p->s.matched])
        p->s.matched++;
    else
        p->s.matched = val == (uint8_t)word[0];
    if (!word[p->s.matched]) {
        p->s.matched = 0;
        irq_set(&p->off, true);
    }
}

static void control_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct power_port *p = container_of(d, struct power_port, control);

    if (off == 0 && size == 2 && (val & (SUS_EN | SUS_TYP)) == SUS_EN)
        irq_set(&p->off, true);
}

static void power_port_reset(struct device *d)
{
    container_of(d, struct power_port, shutdown)->s.matched = 0;
}

void power_port_init(struct power_port *p, struct irq off)
{
    *p = (struct power_port){
        .shutdown = {.name = "power-port",
                     .read = nothing,
                     .write = shutdown_write,
                     .reset = power_port_reset,
                     .state = &p->s,
                     .state_size = sizeof(p->s)},
        .control = {.name = "power-port", .max_size = 2, .read = nothing, .write = control_write},
        .off = off,
    };
}
