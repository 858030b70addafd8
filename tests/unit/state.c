// SPDX-License-Identifier: MIT
/*
 * Every chip is saved in the middle of what it does and put back into another, which then is the
 * same: its registers, its wires, its timers, what it says, and its state, byte by byte.
 *
 * What a chip does here is random. So that it gets somewhere, registers of some are hit more often,
 * and the values are those that a byte has bits for.
 */
#include "hw/acpi-pm.h"
#include "hw/crtc.h"
#include "hw/i8042.h"
#include "hw/ioapic.h"
#include "hw/lapic.h"
#include "hw/msix.h"
#include "hw/pc.h"
#include "hw/pc.h"
#include "hw/pci.h"
#include "hw/pic.h"
#include "hw/pit.h"
#include "hw/port-hypercall.h"
#include "hw/power-port.h"
#include "hw/pvpanic.h"
#include "hw/reset-port.h"
#include "hw/rtc.h"
#include "hw/serial8250.h"
#include "hw/virtio-pci.h"
#include "hw/virtio-rng.h"
#include "tests/unit/random.h"
#include "tests/unit/test.h"
#include "tests/unit/virtio-driver.h"

#include <assert.h>
#include <stdlib.h>

enum {
    WIRES = 8,
    FACES = 6,
    RAM = 0x10000,
    SEEDS = 150,
    BEFORE = 300, /* steps until it is saved, at most */
    AFTER = 300,
};

struct route {
    uint64_t addr;
    uint32_t data;
    uint32_t level;
};

/* A chip and its surroundings. */
struct rig {
    struct test_clock clk;
    struct test_console con;
    struct test_wire wire[WIRES]; /* out of the chip */
    struct route route[IOAPIC_PINS];
    uint64_t said; /* a digest of what it said otherwise */

    /* Its devices, how many addresses each has, and the wires into it. */
    struct device *face[FACES];
    int len[FACES], faces;
    int kept; /* those, and behind them some that nobody can reach */
    struct irq in[WIRES];
    int ins;

    /* What else can be done to it; n is random. May be NULL. */
    uint64_t (*poke)(struct rig *r, uint32_t n);

    union {
        struct acpi_pm acpi_pm;
        struct crtc crtc;
        struct i8042 i8042;
        struct ioapic ioapic;
        struct lapic lapic;
        struct pic pic;
        struct pit pit;
        struct port_hypercall hypercall;
        struct power_port power;
        struct pvpanic pvpanic;
        struct reset_port reset;
        struct rtc rtc;
        struct serial8250 uart;
    };
    struct pci pci; /* of several parts */
    struct pci_function function[2];
    struct msix msix;
    struct device nothing; /* where the functions' BARs are */
    struct reset_port cf9;
    struct virtio_rng rng;
    struct virtio_pci virtio_pci;
    struct ram ram; /* the hypercall port's; and the rings' */
    _Alignas(16) uint8_t bytes[RAM];
};

static void face(struct rig *r, struct device *d, int len)
{
    assert(r->faces < FACES);
    r->face[r->faces] = d;
    r->len[r->faces++] = len;
    r->kept++;
}

/* Its state counts, but nobody can reach it. After all that somebody can. */
static void keep(struct rig *r, struct device *d)
{
    assert(r->kept < FACES);
    r->face[r->kept++] = d;
}

static void input(struct rig *r, struct irq irq)
{
    assert(r->ins < WIRES);
    r->in[r->ins++] = irq;
}

static void say(void *to, uint64_t what)
{
    struct rig *r = to;

    r->said = (r->said ^ what) * UINT64_C(0x100000001b3) + 1;
}

/* The far end of a wire that tells of a moment. */
static void moment(void *to, int pin, bool level)
{
    say(to, pin << 1 | level);
}

static void make_pit(struct rig *r)
{
    pit_init(&r->pit, &r->clk.clock, test_wire(r->wire, 0));
    face(r, &r->pit.dev, 4);
    face(r, &r->pit.port61, 1);
    input(r, pit_heard(&r->pit, 0));
    input(r, pit_heard(&r->pit, 1));
}

static void make_rtc(struct rig *r)
{
    rtc_init(&r->rtc, &r->clk.clock, test_wire(r->wire, 0));
    face(r, &r->rtc.dev, 2);
}

static uint64_t press(struct rig *r, uint32_t n)
{
    (void)n;
    acpi_pm_power_button(&r->acpi_pm);
    return 0;
}

static void make_acpi_pm(struct rig *r)
{
    acpi_pm_init(&r->acpi_pm, &r->clk.clock, test_wire(r->wire, 0), (struct irq){moment, r, 0});
    face(r, &r->acpi_pm.dev, ACPI_PM_LEN);
    r->poke = press;
}

static void make_serial8250(struct rig *r)
{
    serial8250_init(&r->uart, &r->con.console, &r->clk.clock, test_wire(r->wire, 0));
    face(r, &r->uart.dev, 8);
}

static uint64_t acknowledge_pic(struct rig *r, uint32_t n)
{
    (void)n;
    return pic_ack(&r->pic);
}

static void make_pic(struct rig *r)
{
    static const uint8_t pins[WIRES] = {0, 1, 3, 4, 7, 8, 12, 15};

    r->wire[1].level = true; /* as it is at first */
    pic_init(&r->pic, test_wire(r->wire, 0), test_wire(r->wire, 1));
    face(r, &r->pic.master.dev, 2);
    face(r, &r->pic.slave.dev, 2);
    face(r, &r->pic.elcr, 2);
    for (int i = 0; i < WIRES; i++)
        input(r, pic_pin(&r->pic, pins[i]));
    r->poke = acknowledge_pic;
}

static void send(void *to, uint64_t addr, uint32_t data)
{
    say(to, addr);
    say(to, data);
}

static void route(void *to, int pin, uint64_t addr, uint32_t data, bool level)
{
    ((struct rig *)to)->route[pin] = (struct route){addr, data, level};
}

static uint64_t end_interrupt(struct rig *r, uint32_t n)
{
    ioapic_eoi(&r->ioapic, n & 0xff);
    return 0;
}

static void make_ioapic(struct rig *r)
{
    ioapic_init(&r->ioapic, 3, (struct ioapic_out){send, route, r});
    face(r, &r->ioapic.dev, 0x50);
    for (int i = 0; i < WIRES; i++)
        input(r, ioapic_pin(&r->ioapic, i));
    r->poke = end_interrupt;
}

static void make_i8042(struct rig *r)
{
    r->wire[2].level = true;
    i8042_init(&r->i8042, test_wire(r->wire, 0), test_wire(r->wire, 1), test_wire(r->wire, 2),
               (struct irq){moment, r, 0});
    face(r, &r->i8042.data, 1);
    face(r, &r->i8042.command, 1);
}

static void lapic_intr(void *to, bool level)
{
    test_wire_set(((struct rig *)to)->wire, 0, level);
}

static void lapic_nmi(void *to)
{
    say(to, 1);
}

static void lapic_init_message(void *to)
{
    say(to, 2);
}

static void lapic_startup(void *to, uint8_t vector)
{
    say(to, vector);
}

static void lapic_eoi(void *to, int vector)
{
    say(to, vector);
}

static void lapic_ipi(void *to, const struct lapic_message *m)
{
    say(to, m->dest ^ m->vector ^ (uint64_t)m->mode << 32);
}

/* All that a CPU and a bus do to a local APIC. */
static uint64_t use_lapic(struct rig *r, uint32_t n)
{
    struct lapic_message m = {.mode = LAPIC_FIXED, .vector = n >> 8, .level = n & 0x10};
    uint64_t val = 0;

    switch (n & 7) {
    case 0:
        lapic_receive(&r->lapic, &m);
        break;
    case 1:
        r->lapic.dev.write(&r->lapic.dev, 0xf0, 4, 0x1ff); /* enabled */
        break;
    case 2:
        lapic_set_cr8(&r->lapic, n >> 8 & 3);
        break;
    case 3:
        lapic_wrmsr(&r->lapic, LAPIC_MSR_TSC_DEADLINE, r->clk.time + (n >> 8));
        break;
    case 4:
        lapic_set_tsc_offset(&r->lapic, n >> 24);
        break;
    case 5:
        lapic_rdmsr(&r->lapic, LAPIC_MSR_TSC_DEADLINE, &val);
        return val;
    default:
        return lapic_ack(&r->lapic);
    }
    return lapic_extint(&r->lapic);
}

static void make_lapic(struct rig *r)
{
    lapic_init(&r->lapic, 5, &r->clk.clock, true,
               (struct lapic_out){.intr = lapic_intr,
                                  .nmi = lapic_nmi,
                                  .init = lapic_init_message,
                                  .startup = lapic_startup,
                                  .eoi = lapic_eoi,
                                  .ipi = lapic_ipi,
                                  .to = r});
    face(r, &r->lapic.dev, 0x3f4);
    r->poke = use_lapic;
}

static void moved(struct pci_function *f, int n, uint64_t addr)
{
    say(container_of(f->pci, struct rig, pci), addr + n);
}

/* What the functions do of their own accord, and what random writes do not hit upon. */
static uint64_t use_pci(struct rig *r, uint32_t n)
{
    struct pci_function *f = &r->function[n & 1];
    struct device *config = &f->dev, *table = &r->msix.dev;
    int vector = n >> 8 & 7;

    switch (n >> 1 & 7) {
    case 0:
        pci_interrupt(f, n & 0x10);
        break;
    case 1:
        msix_signal(&r->msix, vector);
        break;
    case 2: /* to places that overlap, some of them outside the windows */
        config->write(config, PCI_BAR + (n & 0x10), 4, PC_PCI_MEM - 0x1000 + (n & 0xf000));
        break;
    case 3:
        config->write(config, PCI_COMMAND, 2, n >> 8);
        break;
    case 4:
        table->write(table, 16 * vector, 8, 0xfee00000 | (n & 0xff000));
        break;
    case 5:
        table->write(table, 16 * vector + 12, 4, n >> 16 & 1);
        break;
    case 6:
        config = &r->function[0].dev;
        config->write(config, r->msix.capability + 2, 2, n >> 16);
        break;
    default:
        return bus_read(&r->pci.mem, PC_PCI_MEM + (n & 0xf) * 0x1000 + (n >> 16 & 0xff0), 8);
    }
    return f->bar[0].at ^ f->bar[4].at;
}

static uint64_t nothing_there(struct device *d, uint64_t off, int size)
{
    (void)d, (void)size;
    return off;
}

static void make_pci(struct rig *r)
{
    static const struct pci_id id = {.vendor = 1, .device = 2};
    static const struct pci_hooks hooks = {.moved = moved};

    r->nothing = (struct device){.name = "nothing", .max_size = 8, .read = nothing_there};
    reset_port_init(&r->cf9, (struct irq){0}, (struct irq){0});
    pci_init(&r->pci, &r->cf9.control, test_wire(r->wire, 0), test_wire(r->wire, 1), 0);
    for (int i = 0; i < 2; i++) {
        pci_function_init(&r->function[i], &id, &hooks);
        pci_bar(&r->function[i], 0, 0x2000, PCI_BAR_MEM32, &r->nothing);
        pci_bar(&r->function[i], 4, 0x1000, PCI_BAR_MEM64, &r->nothing);
    }
    msix_init(&r->msix, &r->function[0], 1, 8, send, r);
    face(r, &r->pci.dev, PCI_LEN);
    face(r, &r->cf9.control, 1);
    face(r, &r->msix.dev, 0x88);
    for (int i = 0; i < 2; i++) {
        pci_add(&r->pci, &r->function[i]);
        face(r, &r->function[i].dev, 0x50);
    }
    r->poke = use_pci;
}

/* What a driver does. */
static void drive(struct rig *r)
{
    const struct {
        int off, size;
        uint32_t val;
    } sets[] = {{20, 1, 0},      {20, 1, 3},      {8, 4, 0},  {12, 4, 3 << 28}, {8, 4, 1},
                {12, 4, 1},      {20, 1, 11},     {22, 2, 0}, {24, 2, 8},       {26, 2, 1},
                {16, 2, 0},      {32, 4, 0x1000}, {36, 4, 0}, {40, 4, 0x1080},  {44, 4, 0},
                {48, 4, 0x1098}, {52, 4, 0},      {28, 2, 1}, {20, 1, 15}};
    struct device *d = &r->virtio_pci.dev;

    memset(r->bytes + 0x1000, 0, 0x200);
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
        d->write(d, sets[i].off, sets[i].size, sets[i].val);
}

static void ask_for_bytes(struct rig *r, uint32_t n)
{
    struct device *d = &r->virtio_pci.dev;
    struct ring ring = {.ram = &r->ram, .desc = 0x1000, .avail = 0x1080, .used = 0x1098, .size = 8};
    int head = n & 7;

    ring.added = ring_get16(&ring, ring.avail + 2);
    ring_desc(&ring, head, n & 0xff00, n & 0x1ff, RING_WRITE, 0);
    ring_used_event(&ring, n >> 16 & 0xff);
    ring_add(&ring, head);
    if (n & 8)
        d->write(d, 0x100, 2, 0);
}

static uint64_t use_virtio(struct rig *r, uint32_t n)
{
    struct device *table = &r->virtio_pci.msix.dev, *config = &r->virtio_pci.function.dev;

    switch (n >> 28) {
    case 0:
    case 1:
        drive(r);
        break;
    case 2:
        virtio_config_changed(&r->rng.virtio);
        break;
    case 3:
        table->write(table, 16 * (n & 1), 8, 0xfee00000 | (n & 0xff000));
        table->write(table, 16 * (n & 1) + 12, 4, n >> 1 & 1);
        break;
    case 4:
        config->write(config, r->virtio_pci.msix.capability + 2, 2, n);
        break;
    default:
        ask_for_bytes(r, n);
    }
    return r->virtio_pci.s.isr;
}

static void make_virtio(struct rig *r)
{
    struct virtio_memory memory = {.ram = &r->ram};
    struct virtio_pci_out out = {.message = send, .to = r};

    r->ram = (struct ram){.host = r->bytes, .size = RAM};
    reset_port_init(&r->cf9, (struct irq){0}, (struct irq){0});
    pci_init(&r->pci, &r->cf9.control, test_wire(r->wire, 0), test_wire(r->wire, 1), 0);
    virtio_rng_init(&r->rng, &memory, NULL, &r->clk.clock, true);
    virtio_pci_init(&r->virtio_pci, &r->rng.virtio, &out);
    pci_add(&r->pci, &r->virtio_pci.function);
    face(r, &r->virtio_pci.dev, 0x180);
    face(r, &r->virtio_pci.function.dev, 0x100);
    face(r, &r->virtio_pci.msix.dev, 0x20);
    keep(r, &r->rng.virtio.dev);
    keep(r, &r->rng.dev);
    r->poke = use_virtio;
}

static void make_reset_port(struct rig *r)
{
    r->wire[0].level = true;
    reset_port_init(&r->reset, test_wire(r->wire, 0), (struct irq){moment, r, 0});
    face(r, &r->reset.control, 1);
    face(r, &r->reset.port_a, 1);
}

/* Spells what switches off. */
static uint64_t shut_down(struct rig *r, uint32_t n)
{
    (void)n;
    r->face[0]->write(r->face[0], 0, 1, "Shutdown"[r->power.s.matched]);
    return 0;
}

static void make_power_port(struct rig *r)
{
    power_port_init(&r->power, (struct irq){moment, r, 0});
    face(r, &r->power.shutdown, 1);
    face(r, &r->power.control, 2);
    r->poke = shut_down;
}

static void make_pvpanic(struct rig *r)
{
    pvpanic_init(&r->pvpanic);
    face(r, &r->pvpanic.dev, 1);
}

static void make_crtc(struct rig *r)
{
    crtc_init(&r->crtc);
    face(r, &r->crtc.dev, 2);
}

static void hypercall_regs(void *of, struct hypercall_regs *regs)
{
    (void)of;
    *regs = (struct hypercall_regs){.ebx = 'x'};
}

static void hypercall_exit(void *of, int status)
{
    say(of, status);
}

static void make_port_hypercall(struct rig *r)
{
    struct hypercall_caller caller = {hypercall_regs, hypercall_exit, r};

    port_hypercall_init(&r->hypercall, &r->ram, &r->con.console, caller);
    face(r, &r->hypercall.dev, 2);
}

static const struct kind {
    const char *name;
    void (*make)(struct rig *r);
    uint32_t off_mask; /* of the offsets that are any good; 0 for all */
} kinds[] = {
    {"pit", make_pit, 0},
    {"rtc", make_rtc, 0},
    {"acpi-pm", make_acpi_pm, 0},
    {"serial8250", make_serial8250, 0},
    {"pic", make_pic, 0},
    {"ioapic", make_ioapic, 0x50},
    {"i8042", make_i8042, 0},
    {"lapic", make_lapic, 0x3f0},
    {"pci", make_pci, 0},
    {"virtio", make_virtio, 0},
    {"reset-port", make_reset_port, 0},
    {"power-port", make_power_port, 0},
    {"pvpanic", make_pvpanic, 0},
    {"crtc", make_crtc, 0},
    {"port-hypercall", make_port_hypercall, 0},
};

static struct rig *make(const struct kind *k, uint64_t time)
{
    struct rig *r = calloc(1, sizeof(*r));

    assert(r);
    test_clock_init(&r->clk);
    test_console_init(&r->con);
    r->clk.epoch = 1709251195; /* five seconds before a leap day */
    r->clk.time = time;
    k->make(r);
    return r;
}

struct step {
    uint32_t what, where, val, size;
    uint64_t ns;
};

static struct step any_step(void)
{
    struct step s = {.what = random64() >> 40,
                     .where = random64() >> 40,
                     .val = random64() >> 32,
                     .size = random64() >> 40,
                     .ns = random64() >> 34};

    s.ns >>= s.size % 24;
    return s;
}

/* Do something to the chip, and tell what it answers. */
static uint64_t take(struct rig *r, const struct kind *k, const struct step *s)
{
    int n = s->where % r->faces;
    struct device *d = r->face[n];
    int size = 1 << s->size % 3;
    uint32_t off = (s->where >> 8) % r->len[n];

    while (size > 1 && (size > d->max_size || off + size > (uint32_t)r->len[n]))
        size /= 2;
    if (k->off_mask) {
        off &= k->off_mask;
        size = 4;
    }
    switch (s->what % 16) {
    case 0 ... 5:
        d->write(d, off, size, s->val & UINT32_MAX >> (32 - 8 * size));
        return 0;
    case 6 ... 8:
        return d->read(d, off, size);
    case 9 ... 10:
        if (r->ins)
            irq_set(&r->in[s->where % r->ins], s->val & 1);
        return 0;
    case 11 ... 12:
        test_clock_advance(&r->clk, s->ns);
        return 0;
    case 13:
        if (r->con.next == r->con.nin)
            r->con.next = r->con.nin = 0;
        test_console_type(&r->con, s->val & 0x7f);
        return 0;
    default:
        return r->poke ? r->poke(r, s->val) : 0;
    }
}

/* As on another host: what is not state is made anew, but for the world around. */
static struct rig *carry(const struct rig *a, const struct kind *k)
{
    struct rig *b = make(k, a->clk.time);

    memcpy(b->con.in, a->con.in, sizeof(b->con.in));
    b->con.nin = a->con.nin;
    b->con.next = a->con.next;
    memcpy(b->bytes, a->bytes, RAM);
    for (int i = 0; i < a->kept; i++)
        if (a->face[i]->state_size)
            memcpy(b->face[i]->state, a->face[i]->state, a->face[i]->state_size);
    for (int i = 0; i < b->kept; i++)
        if (b->face[i]->restored)
            b->face[i]->restored(b->face[i]);
    return b;
}

static void compare(const struct rig *a, const struct rig *b)
{
    for (int i = 0; i < a->kept; i++)
        if (a->face[i]->state_size)
            CHECK(!memcmp(a->face[i]->state, b->face[i]->state, a->face[i]->state_size));
    for (int i = 0; i < WIRES; i++)
        CHECK_EQ(a->wire[i].level, b->wire[i].level);
    CHECK(!memcmp(a->route, b->route, sizeof(a->route)));
    CHECK(!memcmp(a->bytes, b->bytes, RAM));
    CHECK_EQ(clock_next(&a->clk.clock), clock_next(&b->clk.clock));
    CHECK_EQ(a->con.next, b->con.next);
}

static void carried(const struct kind *k)
{
    struct rig *a = make(k, 0);

    for (uint64_t steps = below(BEFORE); steps > 0; steps--) {
        struct step s = any_step();

        take(a, k, &s);
    }

    struct rig *b = carry(a, k);

    compare(a, b);
    a->said = b->said = 0;
    a->con.nout = b->con.nout = 0;
    for (int i = 0; i < AFTER && !test_failures; i++) {
        struct step s = any_step();
        uint64_t wanted = take(a, k, &s), got = take(b, k, &s);

        CHECK_EQ(got, wanted);
        compare(a, b);
        CHECK_EQ(b->said, a->said);
        CHECK_EQ(b->con.nout, a->con.nout);
        CHECK(!memcmp(b->con.out, a->con.out, a->con.nout));
    }
    free(a);
    free(b);
}

static void test_chips(void)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        for (int n = 1; n <= SEEDS && !test_failures; n++) {
            seed = n * UINT64_C(0x9e3779b97f4a7c15);
            carried(&kinds[i]);
            if (test_failures)
                printf("# %s, number %d\n", kinds[i].name, n);
        }
}

int main(void)
{
    return test_main((struct test[]){
        {test_chips, "every chip goes on where it was saved"},
        {0},
    });
}
