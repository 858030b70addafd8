// SPDX-License-Identifier: MIT
/*
 * The board: a parts list, the wires between the parts, and where the bus decodes them.
 *
 * Left out: DMA, floppy, IDE, VGA, the second serial port and the parallel port. Nothing that
 * minivm boots needs them, and what is absent costs no probing.
 */
#include "x86/board.h"
#include "hw/die.h"
#include "hw/port-hypercall-abi.h"
#include "hw/units.h"
#include "x86/machine.h"

/* An ISA interrupt line ends at both interrupt controllers. */
static void isa_irq(void *to, int n, bool level)
{
    struct board *b = to;

    irq_set(&b->isa[n].pic, level);
    irq_set(&b->isa[n].ioapic, level);
}

static struct irq isa_line(struct board *b, int n)
{
    b->isa[n].pic = pic_pin(&b->pic, n);
    b->isa[n].ioapic = ioapic_pin(&b->ioapic, n == 0 ? PC_PIT_PIN : n);
    return (struct irq){isa_irq, b, n};
}

/* A wire that stops the machine for the reason that stands at its pin; of several guests, only the
 * board's own. */
static void stop_line(void *to, int pin, bool level)
{
    struct board *b = to;
    struct machine *m = b->machine;

    if (level && m->config.guests > 1)
        vcpu_exit(b->vcpu, 0);
    else if (level)
        machine_stop(m, pin);
}

static void ioapic_send(void *to, uint64_t addr, uint32_t data)
{
    struct machine *m = ((struct board *)to)->machine;

    m->engine->message(m, addr, data);
}

static void ioapic_route(void *to, int pin, uint64_t addr, uint32_t data, bool level)
{
    struct board *b = to;

    b->machine->engine->route(b->machine, pin, addr, data, level);
    if (pin == PC_PIT_PIN)
        irq_set(&b->ioapic_hears_pit, addr != 0);
}

/* Where PCI's window above RAM begins, or 0 when there is no room for one. */
static uint64_t pci_window(const struct ram *ram)
{
    uint64_t end = RAM_HIGH + ram_high(ram);
    uint64_t base = align_up(end, PC_PCI_MEM64_LEN);

    return base + PC_PCI_MEM64_LEN <= UINT64_C(1) << PC_ADDRESS_BITS ? base : 0;
}

static void caller_regs(void *of, struct hypercall_regs *r)
{
    struct vcpu *v = of;
    uint64_t gpr[16];

    v->machine->engine->gpr(v, gpr);
    *r = (struct hypercall_regs){.ebx = gpr[RBX], .ecx = gpr[RCX], .esi = gpr[RSI]};
}

static void caller_exit(void *of, int status)
{
    vcpu_exit(of, status);
}

/* The user may have chosen a port where something else is. 0x501, QEMU's default, is allowed: it is
 * the hypercall port's second byte, to which nobody writes alone. */
static void attach_exit_port(struct vcpu *v, uint16_t port)
{
    exit_port_init(&v->exit_port, caller_exit, v);
    if (!port)
        return;
    for (int i = 0; i < EXIT_PORT_LEN; i++) {
        const struct device *d = bus_device(&v->pio, port + i);

        if (d && !(d == &v->hypercall.dev && port > HYPERCALL_PORT))
            die("the exit port at %#x would be in the way of %s; put it elsewhere", port, d->name);
    }
    bus_cover(&v->pio, port, EXIT_PORT_LEN, &v->exit_port.dev);
}

void board_plug(struct board *b, struct vcpu *v, struct console *console)
{
    struct machine *m = b->machine;
    struct hypercall_caller caller = {caller_regs, caller_exit, v};

    v->board = b;
    v->console = console;
    v->pio.behind = &b->pio;
    port_hypercall_init(&v->hypercall, &m->ram, console, caller);
    bus_attach(&v->pio, HYPERCALL_PORT, 2, &v->hypercall.dev);
    attach_exit_port(v, m->config.exit_port);
}

void board_build(struct board *b, struct machine *m, struct vcpu *v, struct console *console)
{
    const struct config *c = &m->config;
    /* A20 is always on: a wrap at 1 MiB is nothing that a guest of today relies on. */
    struct irq a20 = {0};
    struct irq reset = {stop_line, b, STOP_RESET};
    struct irq off = {stop_line, b, STOP_POWEROFF};
    struct irq intr = {vcpu_intr, v, 0};
    struct ioapic_out messages = {ioapic_send, ioapic_route, b};

    b->machine = m;
    b->vcpu = v;

    /* Chips, and the wires that leave them. */
    pic_init(&b->pic, intr, pit_heard(&b->pit, 0));
    ioapic_init(&b->ioapic, PC_IOAPIC_ID & 0xf, messages);
    pit_init(&b->pit, &m->clock, isa_line(b, 0));
    b->ioapic_hears_pit = pit_heard(&b->pit, 1);
    irq_set(&b->ioapic_hears_pit, false); /* its pin is masked */
    i8042_init(&b->i8042, isa_line(b, 1), isa_line(b, 12), a20, reset);
    serial8250_init(&b->com1, console, &m->clock, isa_line(b, PC_COM1_IRQ));
    rtc_init(&b->rtc, &m->clock, isa_line(b, PC_RTC_IRQ));
    acpi_pm_init(&b->acpi_pm, &m->clock, isa_line(b, PC_SCI_IRQ), off);
    reset_port_init(&b->reset_port, a20, reset);
    pci_init(&b->pci, &b->reset_port.control, isa_line(b, PC_PCI_IRQ(0)),
             isa_line(b, PC_PCI_IRQ(1)), pci_window(&m->ram));
    debug_port_init(&b->debug_port, c->debug, c->debug_to);
    debug_port_init(&b->debug_port_402, c->debug, c->debug_to);
    power_port_init(&b->power_port, off);
    pvpanic_init(&b->pvpanic);
    crtc_init(&b->crtc);

    /* Where the board decodes them. */
    bus_attach(&b->pio, PC_PIC_MASTER, 2, &b->pic.master.dev);
    bus_attach(&b->pio, 0x040, 4, &b->pit.dev);
    bus_attach(&b->pio, 0x060, 1, &b->i8042.data);
    bus_attach(&b->pio, 0x061, 1, &b->pit.port61);
    bus_attach(&b->pio, 0x064, 1, &b->i8042.command);
    bus_attach(&b->pio, PC_RTC, 2, &b->rtc.dev);
    bus_attach(&b->pio, 0x092, 1, &b->reset_port.port_a);
    bus_attach(&b->pio, PC_PIC_SLAVE, 2, &b->pic.slave.dev);
    bus_attach(&b->pio, 0x0e9, 1, &b->debug_port.dev);
    bus_attach(&b->pio, 0x3d4, 2, &b->crtc.dev);
    bus_attach(&b->pio, PC_COM1, 8, &b->com1.dev);
    bus_attach(&b->pio, 0x402, 1, &b->debug_port_402.dev);
    bus_attach(&b->pio, PC_ELCR, 2, &b->pic.elcr);
    bus_attach(&b->pio, PC_PVPANIC, 1, &b->pvpanic.dev);
    bus_attach(&b->pio, PC_ACPI_PM, ACPI_PM_LEN, &b->acpi_pm.dev);
    bus_attach(&b->pio, PC_PCI_CONFIG, PCI_LEN, &b->pci.dev);
    bus_attach(&b->pio, 0x8900, 1, &b->power_port.shutdown);
    bus_attach(&b->pio, 0xb004, 2, &b->power_port.control);
    if (c->apic)
        bus_attach(&b->mmio, PC_IOAPIC_BASE, 0x1000, &b->ioapic.dev);
    bus_attach(&b->mmio, PC_PCI_ECAM, PCI_ECAM_LEN, &b->pci.ecam);
    b->pio.behind = &b->pci.io;
    b->mmio.behind = &b->pci.mem;

    devices_init(&b->devices, m, &b->pci);

    /* What firmware leaves in CMOS. */
    rtc_set_memory(&b->rtc, ram_low(&m->ram), ram_high(&m->ram));
}

bool board_wakes(const struct board *b)
{
    for (int i = 0; i < PCI_SLOTS; i++)
        if (b->pci.function[i] && b->pci.function[i]->msix && msix_wakes(b->pci.function[i]->msix))
            return true;
    return ioapic_wakes(&b->ioapic);
}

void board_reset(struct board *b)
{
    bus_reset(&b->pio);
    bus_reset(&b->mmio);
    devices_reset(&b->devices);
}

void board_show(struct board *b, struct parts *p)
{
    parts_show(p, "pic", 0, "", &b->pic.master.dev);
    parts_show(p, "pic", 1, "", &b->pic.slave.dev);
    parts_show(p, "ioapic", -1, "", &b->ioapic.dev);
    parts_show(p, "pit", -1, "", &b->pit.dev);
    parts_show(p, "rtc", -1, "", &b->rtc.dev);
    parts_show(p, "i8042", -1, "", &b->i8042.data);
    parts_show(p, "com1", -1, "", &b->com1.dev);
    parts_show(p, "acpi-pm", -1, "", &b->acpi_pm.dev);
    parts_show(p, "reset-port", -1, "", &b->reset_port.control);
    parts_show(p, "power-port", -1, "", &b->power_port.shutdown);
    parts_show(p, "pvpanic", -1, "", &b->pvpanic.dev);
    parts_show(p, "crtc", -1, "", &b->crtc.dev);
    parts_show(p, "pci", -1, "", &b->pci.dev);
    parts_show(p, "pci", 0, "", &b->pci.bridge.dev);
    devices_show(&b->devices, p);
}
