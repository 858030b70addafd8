// SPDX-License-Identifier: MIT
/*
 * Engine KVM and the routes of level-triggered IOAPIC pins: what KVM is told of them, and how
 * often; and what becomes of a machine whose interrupts KVM does not take. Skipped where there is
 * no KVM.
 */
#include "hw/pc.h"
#include "tests/unit/kvm.h"
#include "x86/machine.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    PIN = 9,
    LEVEL = 1 << 15,
    MASK = 1 << 16,
    TOGGLES = 100,
};

static struct machine *m;
static int tables;            /* that KVM was given */
static unsigned long failing; /* the call that fails, 0 for none */
static union {
    struct kvm_irq_routing head;
    uint8_t bytes[sizeof(struct kvm_irq_routing) + 64 * sizeof(struct kvm_irq_routing_entry)];
} table; /* the last one */

/* In the place of the C library's. */
int ioctl(int fd, unsigned long request, ...)
{
    va_list ap;

    va_start(ap, request);
    void *arg = va_arg(ap, void *);

    va_end(ap);
    if (request == failing) {
        errno = EIO;
        return -1;
    }
    if (request == KVM_SET_GSI_ROUTING) {
        const struct kvm_irq_routing *r = arg;

        tables++;
        memcpy(&table, r, sizeof(*r) + r->nr * sizeof(r->entries[0]));
    }
    return syscall(SYS_ioctl, fd, request, arg);
}

static void build(void)
{
    struct config config = {
        .engine = &kvm_engine, .ram = 1 << 20, .cpus = 2, .guests = 1, .apic = true};
    static struct test_console console;
    struct console *consoles[] = {&console.console};

    m = calloc(1, sizeof(*m));
    test_console_init(&console);
    machine_build(m, &config, consoles);
    tables = 0;
    table.head.nr = 0;
}

static void end(void)
{
    machine_free(m);
    free(m);
}

static void ioapic_write(uint8_t reg, uint32_t val)
{
    bus_write(&m->board[0].mmio, PC_IOAPIC_BASE, 4, reg);
    bus_write(&m->board[0].mmio, PC_IOAPIC_BASE + 0x10, 4, val);
}

static void route(int cpu, uint32_t low)
{
    ioapic_write(0x10 + 2 * PIN, MASK);
    ioapic_write(0x11 + 2 * PIN, (uint32_t)cpu << 24);
    ioapic_write(0x10 + 2 * PIN, low);
}

/* Does KVM report the end of this vector's interrupts on that CPU? */
static bool reported(int cpu, uint8_t vector)
{
    const struct kvm_irq_routing_entry *e = table.head.entries;

    for (uint32_t i = 0; i < table.head.nr; i++)
        if ((e[i].u.msi.address_lo >> 12 & 0xff) == (uint32_t)cpu &&
            (e[i].u.msi.data & 0xff) == vector)
            return true;
    return false;
}

static void toggles(void)
{
    build();
    for (int i = 0; i < TOGGLES; i++) {
        route(0, LEVEL | 0x40);
        ioapic_write(0x10 + 2 * PIN, LEVEL | MASK | 0x40);
    }
    CHECK(reported(0, 0x40));
    CHECK_EQ(tables, 1);
    end();
}

/* An interrupt that is in service ends on the CPU that took it. */
static void moves(void)
{
    build();
    route(0, LEVEL | 0x40);
    route(1, LEVEL | 0x51);
    CHECK(reported(0, 0x40) && reported(1, 0x51));
    for (int i = 0; i < TOGGLES; i++)
        route(i & 1, LEVEL | (i & 1 ? 0x51 : 0x40));
    CHECK_EQ(tables, 2);
    route(0, LEVEL | 0x62);
    CHECK(reported(1, 0x51) && reported(0, 0x62) && !reported(0, 0x40));
    end();
}

static void edges(void)
{
    build();
    for (int i = 0; i < TOGGLES; i++)
        route(i & 1, 0x40 + i);
    CHECK_EQ(tables, 0);
    end();
}

/* An interrupt that KVM does not take is lost, so that the machine ends. */
static void failures(void)
{
    static const struct {
        unsigned long request;
        const char *failure;
    } calls[] = {{KVM_SET_GSI_ROUTING, "KVM_SET_GSI_ROUTING: Input/output error"},
                 {KVM_SIGNAL_MSI, "KVM_SIGNAL_MSI: Input/output error"}};

    for (int i = 0; i < 2; i++) {
        build();
        failing = calls[i].request;
        route(0, LEVEL | 0x40);

        struct irq pin = ioapic_pin(&m->board[0].ioapic, PIN);

        irq_set(&pin, true);
        failing = 0;
        CHECK(machine_stopping(m));
        CHECK(!strcmp(m->failure, calls[i].failure));
        end();
    }
}

int main(void)
{
    return test_main_kvm((struct test[]){
        {toggles, "a pin that is masked and unmasked costs one table"},
        {moves, "a pin's route before the last one stays"},
        {edges, "edge-triggered pins cost none"},
        {failures, "a call that fails is the machine's end, and named"},
        {0},
    });
}
