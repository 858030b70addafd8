// SPDX-License-Identifier: MIT
/*
 * The board: a parts list, the wires between the parts, and where the bus decodes them.
 *
 * Left out: DMA, floppy, IDE, VGA, the second serial port and the parallel port. Nothing that
 * minivm boots needs them, and what is absent costs no probing.
 */
#define _GNU_SOURCE
#include "x86/machine.h"
#include "hw/die.h"
#include "hw/port-hypercall-abi.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static uint64_t monotonic(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

static uint64_t now(struct clock *c)
{
    return monotonic() - container_of(c, struct machine, clock)->epoch;
}

static int64_t calendar(struct clock *c, uint32_t *ns)
{
    struct timespec t;

    (void)c;
    clock_gettime(CLOCK_REALTIME, &t);
    *ns = t.tv_nsec;
    return t.tv_sec;
}

/* Set the timerfd to the clock's earliest deadline. */
static void rearm(struct clock *c)
{
    struct machine *m = container_of(c, struct machine, clock);
    uint64_t next = clock_next(c);
    struct itimerspec t = {0};

    if (next != CLOCK_NEVER) {
        next += m->epoch;
        t.it_value.tv_sec = next / NS_PER_SECOND;
        t.it_value.tv_nsec = next % NS_PER_SECOND;
    }
    timerfd_settime(m->alarm.fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static void alarm_rang(struct watch *w)
{
    struct machine *m = container_of(w, struct machine, alarm);
    uint64_t count;

    (void)!read(w->fd, &count, sizeof(count));
    clock_run(&m->clock);
    rearm(&m->clock);
}

/* An ISA interrupt line ends at both interrupt controllers. */
static void isa_irq(void *to, int n, bool level)
{
    struct machine *m = to;

    irq_set(&m->isa[n].pic, level);
    irq_set(&m->isa[n].ioapic, level);
}

static struct irq isa_line(struct machine *m, int n)
{
    m->isa[n].pic = pic_pin(&m->pic, n);
    m->isa[n].ioapic = ioapic_pin(&m->ioapic, n == 0 ? PC_PIT_PIN : n);
    return (struct irq){isa_irq, m, n};
}

/* A wire that stops the machine for the reason that stands at its pin. */
static void stop_line(void *to, int pin, bool level)
{
    if (level)
        machine_stop(to, pin);
}

static void ioapic_send(void *to, uint64_t addr, uint32_t data)
{
    struct machine *m = to;

    m->engine->message(m, addr, data);
}

static void ioapic_route(void *to, int pin, uint64_t addr, uint32_t data, bool level)
{
    struct machine *m = to;

    m->engine->route(m, pin, addr, data, level);
}

static unsigned caller_index(void *of)
{
    return ((struct machine *)of)->current->index;
}

static void caller_regs(void *of, struct hypercall_regs *r)
{
    struct machine *m = of;
    struct cpu_state s;

    m->engine->get(m->current, &s);
    *r = (struct hypercall_regs){.ebx = s.gpr[RBX], .ecx = s.gpr[RCX], .esi = s.gpr[RSI]};
}

static struct console *caller_console(void *of)
{
    return ((struct machine *)of)->current->console;
}

static void caller_exit(void *of, int status)
{
    vcpu_exit(((struct machine *)of)->current, status);
}

static void start_clock(struct machine *m)
{
    m->clock = (struct clock){.now = now, .calendar = calendar, .rearm = rearm};
    m->epoch = monotonic();
    m->alarm = (struct watch){
        .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
        .ready = alarm_rang,
    };
    if (m->alarm.fd < 0)
        die("cannot make a timer: %m");
    event_add(&m->loop, &m->alarm);
}

static void make_vcpus(struct machine *m)
{
    m->running = m->config.cpus;
    for (int i = 0; i < m->config.cpus; i++) {
        struct vcpu *v = &m->vcpu[i];

        v->exited = v->intr = false;
        m->engine->vcpu_init(v);
    }
}

void machine_build(struct machine *m, const struct config *c, struct console *console)
{
    /* A20 is always on: a wrap at 1 MiB is nothing that a guest of today relies on. */
    struct irq a20 = {0};
    struct irq reset = {stop_line, m, STOP_RESET};
    struct irq off = {stop_line, m, STOP_POWEROFF};
    struct irq intr = {vcpu_intr, &m->vcpu[0], 0};
    struct ioapic_out messages = {ioapic_send, ioapic_route, m};
    pthread_condattr_t attr;
    struct hypercall_caller caller = {caller_index, caller_regs, caller_console, caller_exit, m};

    assert(c->cpus >= 1 && c->cpus <= PC_MAX_CPUS);
    memset(m, 0, sizeof(*m));
    m->config = *c;
    m->engine = c->engine;
    pthread_mutex_init(&m->lock, NULL);
    event_init(&m->loop, &m->lock);
    start_clock(m);
    ram_init(&m->ram, c->ram);

    /* Chips, and the wires that leave them. */
    pic_init(&m->pic, intr);
    ioapic_init(&m->ioapic, PC_IOAPIC_ID & 0xf, messages);
    pit_init(&m->pit, &m->clock, isa_line(m, 0));
    i8042_init(&m->i8042, isa_line(m, 1), isa_line(m, 12), a20, reset);
    serial8250_init(&m->com1, console, isa_line(m, PC_COM1_IRQ));
    rtc_init(&m->rtc, &m->clock, isa_line(m, PC_RTC_IRQ));
    acpi_pm_init(&m->acpi_pm, &m->clock, isa_line(m, PC_SCI_IRQ), off);
    reset_port_init(&m->reset_port, a20, reset);
    pci_init(&m->pci, &m->reset_port.control);
    port_hypercall_init(&m->hypercall, &m->ram, caller);
    debug_port_init(&m->debug_port, c->debug, c->debug_to);

    /* Where the board decodes them. */
    bus_attach(&m->pio, 0x020, 2, &m->pic.master.dev);
    bus_attach(&m->pio, 0x040, 4, &m->pit.dev);
    bus_attach(&m->pio, 0x060, 1, &m->i8042.data);
    bus_attach(&m->pio, 0x061, 1, &m->pit.port61);
    bus_attach(&m->pio, 0x064, 1, &m->i8042.command);
    bus_attach(&m->pio, PC_RTC, 2, &m->rtc.dev);
    bus_attach(&m->pio, 0x092, 1, &m->reset_port.port_a);
    bus_attach(&m->pio, 0x0a0, 2, &m->pic.slave.dev);
    bus_attach(&m->pio, 0x0e9, 1, &m->debug_port.dev);
    bus_attach(&m->pio, PC_COM1, 8, &m->com1.dev);
    bus_attach(&m->pio, 0x4d0, 2, &m->pic.elcr);
    bus_attach(&m->pio, HYPERCALL_PORT, 2, &m->hypercall.dev);
    bus_attach(&m->pio, PC_ACPI_PM, ACPI_PM_LEN, &m->acpi_pm.dev);
    bus_attach(&m->pio, 0xcf8, PCI_LEN, &m->pci.dev);
    if (c->apic)
        bus_attach(&m->mmio, PC_IOAPIC_BASE, 0x1000, &m->ioapic.dev);

    /* What firmware leaves in CMOS. */
    rtc_set_memory(&m->rtc, ram_low(&m->ram), ram_high(&m->ram));

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    for (int i = 0; i < c->cpus; i++) {
        struct vcpu *v = &m->vcpu[i];

        v->machine = m;
        v->index = i;
        v->console = console;
        pthread_cond_init(&v->wake, &attr);
    }
    m->engine->open(m);
    make_vcpus(m);
}

void machine_reset(struct machine *m)
{
    enum machine_stop old = m->stop;

    /* Somebody may be stopping it for good just now. */
    if (old == STOP_RESET || old == STOP_SHUTDOWN)
        __atomic_compare_exchange_n(&m->stop, &old, STOP_NONE, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST);
    m->engine->close(m);
    madvise(m->ram.host, m->ram.size, MADV_DONTNEED);
    m->engine->open(m);
    bus_reset(&m->pio);
    bus_reset(&m->mmio);
    make_vcpus(m);
}

void machine_free(struct machine *m)
{
    m->engine->close(m);
    ram_free(&m->ram);
    event_free(&m->loop);
    close(m->alarm.fd);
}

enum machine_stop machine_run(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    for (int i = 0; i < m->config.cpus; i++) {
        console_release(m->vcpu[i].console, false);
        vcpu_start(&m->vcpu[i]);
    }
    pthread_mutex_unlock(&m->lock);

    while (!machine_stopping(m))
        event_run(&m->loop);

    pthread_mutex_lock(&m->lock);
    for (int i = 0; i < m->config.cpus; i++) {
        m->engine->kick(&m->vcpu[i]);
        m->vcpu[i].started = false; /* it may end any time now */
        pthread_cond_broadcast(&m->vcpu[i].wake);
        console_release(m->vcpu[i].console, true);
    }
    pthread_mutex_unlock(&m->lock);
    for (int i = 0; i < m->config.cpus; i++)
        vcpu_join(&m->vcpu[i]);
    return m->stop;
}

/* May the reason for which the machine is stopping give way to another? A reset is not the end of
 * it, but what the user wants is. */
static bool gives_way(enum machine_stop old, enum machine_stop why)
{
    if (old == STOP_RESET || old == STOP_SHUTDOWN)
        return why == STOP_TIMEOUT || why == STOP_QUIT || why == STOP_SIGNAL;
    return old == STOP_NONE;
}

void machine_stop(struct machine *m, enum machine_stop why)
{
    enum machine_stop old = __atomic_load_n(&m->stop, __ATOMIC_ACQUIRE);

    while (gives_way(old, why) && !__atomic_compare_exchange_n(&m->stop, &old, why, false,
                                                               __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE))
        ;
    event_stop(&m->loop);
}

void machine_inspect(struct machine *m)
{
    struct timespec deadline;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec++;
    for (int i = 0; i < m->config.cpus; i++)
        m->vcpu[i].inspected = false;
    if (machine_stopping(m))
        return;
    for (int i = 0; i < m->config.cpus; i++) {
        __atomic_store_n(&m->vcpu[i].inspect, true, __ATOMIC_RELEASE);
        m->engine->kick(&m->vcpu[i]);
        pthread_cond_broadcast(&m->vcpu[i].wake);
    }
    for (int i = 0; i < m->config.cpus; i++) {
        struct vcpu *v = &m->vcpu[i];

        while (!v->inspected && !v->exited)
            if (pthread_cond_timedwait(&v->wake, &m->lock, &deadline) == ETIMEDOUT)
                break;
        __atomic_store_n(&v->inspect, false, __ATOMIC_RELEASE);
    }
}

uint64_t machine_read(struct vcpu *v, struct bus *b, uint64_t addr, int size)
{
    struct machine *m = v->machine;

    pthread_mutex_lock(&m->lock);
    m->current = v;
    uint64_t val = bus_read(b, addr, size);

    m->current = NULL;
    pthread_mutex_unlock(&m->lock);
    return val;
}

void machine_write(struct vcpu *v, struct bus *b, uint64_t addr, int size, uint64_t val)
{
    struct machine *m = v->machine;

    pthread_mutex_lock(&m->lock);
    m->current = v;
    bus_write(b, addr, size, val);
    m->current = NULL;
    pthread_mutex_unlock(&m->lock);
    console_wait(v->console);
}

int machine_ack(struct vcpu *v)
{
    struct machine *m = v->machine;
    int vector = -1;

    pthread_mutex_lock(&m->lock);
    m->current = v;
    if (v->intr)
        vector = pic_ack(&m->pic);
    m->current = NULL;
    pthread_mutex_unlock(&m->lock);
    return vector;
}

void machine_eoi(struct machine *m, int vector)
{
    pthread_mutex_lock(&m->lock);
    ioapic_eoi(&m->ioapic, vector);
    pthread_mutex_unlock(&m->lock);
}
