// SPDX-License-Identifier: MIT
/*
 * PCI: configuration mechanism 1 and ECAM, the host bridge, and functions with header type 0.
 *
 * After: PCI Local Bus Specification 3.0, "Configuration Space" and "Generating Configuration
 * Cycles"; PCI Express Base Specification 2.1, "PCI Express Enhanced Configuration Access
 * Mechanism"; Intel 82441FX (440FX) data sheet, "PCI Configuration Space Mapped Registers".
 *
 * Left out: further buses and functions of a device; expansion ROMs, as no firmware is here to run
 * them; errors, so that bits of the status register neither appear nor need be cleared; the
 * configuration space that PCI Express has beyond 256 bytes, which conventional functions lack; and
 * the bridge's own registers beyond the header: there is no firmware that would set up memory with
 * them.
 */
#include "hw/pci.h"
#include "hw/die.h"
#include "hw/msix.h"
#include "hw/pc.h"
#include "hw/units.h"

#include <assert.h>
#include <string.h>

#define ENABLE   UINT32_C(0x80000000)
#define RESERVED UINT32_C(0x7f000003)

enum {
    CF9 = 1,
    REGISTER = 0xfc, /* of the address register */
    ECAM_FUNCTION = 0x1000,

    /* Low bits of a BAR, which the guest cannot write. */
    BAR_IO = 1 << 0,
    BAR_64 = 2 << 1,
    BAR_IO_FLAGS = 3,
    BAR_MEM_FLAGS = 15,

    INTA = 1,
};

uint32_t pci_get(const struct pci_function *f, int off, int size)
{
    uint32_t val = 0;

    memcpy(&val, f->s.config + off, size);
    return val;
}

void pci_put(struct pci_function *f, int off, int size, uint32_t val)
{
    memcpy(f->s.config + off, &val, size);
}

bool pci_enabled(const struct pci_function *f, int command)
{
    return (pci_get(f, PCI_COMMAND, 2) & command) == (uint32_t)command;
}

/* ---- interrupts ---- */

bool pci_interrupts(const struct pci *p, int slot)
{
    return p->function[slot] && pci_get(p->function[slot], PCI_INTERRUPT_PIN, 1);
}

static bool asserts_inta(const struct pci_function *f)
{
    return pci_get(f, PCI_STATUS, 2) & PCI_STATUS_INTX &&
           !pci_enabled(f, PCI_COMMAND_INTX_DISABLE) && !(f->msix && msix_enabled(f->msix));
}

/* The functions in every other slot share a line. */
static void drive_line(struct pci *p, int odd)
{
    bool level = false;

    for (int i = odd; i < PCI_SLOTS; i += 2)
        level |= p->function[i] && asserts_inta(p->function[i]);
    irq_set(&p->intx[odd], level);
}

void pci_interrupt(struct pci_function *f, bool level)
{
    uint32_t status = pci_get(f, PCI_STATUS, 2);

    pci_put(f, PCI_STATUS, 2, level ? status | PCI_STATUS_INTX : status & ~PCI_STATUS_INTX);
    drive_line(f->pci, f->slot & 1);
}

/* ---- where BARs answer ---- */

static int bar_register(int n)
{
    return PCI_BAR + 4 * n;
}

static uint64_t bar_value(const struct pci_function *f, int n)
{
    bool io = f->bar[n].kind == PCI_BAR_IO;
    uint64_t val = pci_get(f, bar_register(n), 4) & ~(io ? BAR_IO_FLAGS : BAR_MEM_FLAGS);

    if (f->bar[n].kind == PCI_BAR_MEM64)
        val |= (uint64_t)pci_get(f, bar_register(n + 1), 4) << 32;
    return val;
}

static bool passes(const struct pci_window *w, uint64_t addr, uint64_t len)
{
    return addr >= w->base && len <= w->len && addr - w->base <= w->len - len;
}

/* Put a BAR on its bus if it is decoded, passed on by the bridge, and not where another one is. */
static uint64_t attach(struct pci *p, struct pci_function *f, int n)
{
    const struct pci_bar *b = &f->bar[n];
    bool io = b->kind == PCI_BAR_IO;
    struct bus *bus = io ? &p->io : &p->mem;
    uint64_t addr = bar_value(f, n);

    if (!b->len || !pci_enabled(f, io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY))
        return PCI_NOWHERE;
    if (io ? !passes(&p->window[PCI_BAR_IO], addr, b->len)
           : !passes(&p->window[PCI_BAR_MEM32], addr, b->len) &&
                 !passes(&p->window[PCI_BAR_MEM64], addr, b->len))
        return PCI_NOWHERE;
    if (!bus_is_free(bus, addr, b->len))
        return PCI_NOWHERE;
    bus_attach(bus, addr, b->len, b->dev);
    return addr;
}

static void tell(struct pci_function *f, int n, uint64_t addr)
{
    if (f->bar[n].at == addr)
        return;
    f->bar[n].at = addr;
    if (f->hooks->moved)
        f->hooks->moved(f, n, addr);
}

/* Have the BARs answer where the registers say. All are attached anew: which of two that overlap
 * answers then depends on the registers alone, and not on the order in which they were written. */
static void map(struct pci *p)
{
    p->io.n = p->mem.n = 0;
    for (int i = 0; i < PCI_SLOTS; i++)
        for (int n = 0; p->function[i] && n < PCI_BARS; n++)
            p->function[i]->bar[n].next = attach(p, p->function[i], n);

    for (int i = 0; i < PCI_SLOTS; i++)
        for (int n = 0; p->function[i] && n < PCI_BARS; n++)
            if (p->function[i]->bar[n].next != p->function[i]->bar[n].at)
                tell(p->function[i], n, PCI_NOWHERE);
    for (int i = 0; i < PCI_SLOTS; i++)
        for (int n = 0; p->function[i] && n < PCI_BARS; n++)
            tell(p->function[i], n, p->function[i]->bar[n].next);
}

/* ---- a function's configuration space ---- */

static uint64_t function_read(struct device *d, uint64_t off, int size)
{
    struct pci_function *f = container_of(d, struct pci_function, dev);

    if (f->hooks->config_read)
        f->hooks->config_read(f, (int)off, size);
    return pci_get(f, (int)off, size);
}

static void function_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct pci_function *f = container_of(d, struct pci_function, dev);
    uint8_t was[PCI_HEADER_LEN];

    memcpy(was, f->s.config, sizeof(was));
    for (int i = 0; i < size; i++) {
        uint8_t *byte = &f->s.config[off + i], mask = f->writable[off + i];

        *byte = (*byte & ~mask) | (val >> 8 * i & mask);
    }
    if (memcmp(was, f->s.config, sizeof(was)) != 0)
        map(f->pci);
    if (f->msix)
        msix_config_written(f->msix);
    drive_line(f->pci, f->slot & 1);
    if (f->hooks->config_written)
        f->hooks->config_written(f, (int)off, size);
}

static void function_reset(struct device *d)
{
    struct pci_function *f = container_of(d, struct pci_function, dev);

    memcpy(f->s.config, f->at_reset, sizeof(f->s.config));
    if (f->msix)
        msix_reset(f->msix);
    map(f->pci);
    if (f->hooks->reset)
        f->hooks->reset(f);
    drive_line(f->pci, f->slot & 1);
}

static void function_restored(struct device *d)
{
    struct pci_function *f = container_of(d, struct pci_function, dev);

    map(f->pci);
    drive_line(f->pci, f->slot & 1);
}

void pci_function_init(struct pci_function *f, const struct pci_id *id,
                       const struct pci_hooks *hooks)
{
    *f = (struct pci_function){
        .dev = {.name = "pci-function",
                .max_size = 4,
                .read = function_read,
                .write = function_write,
                .reset = function_reset,
                .state = &f->s,
                .state_size = sizeof(f->s),
                .restored = function_restored},
        .hooks = hooks,
        .capabilities_end = PCI_HEADER_LEN,
    };
    for (int n = 0; n < PCI_BARS; n++)
        f->bar[n].at = PCI_NOWHERE;

    pci_put(f, PCI_VENDOR_ID, 2, id->vendor);
    pci_put(f, PCI_DEVICE_ID, 2, id->device);
    pci_put(f, PCI_REVISION_ID, 1, id->revision);
    pci_put(f, PCI_CLASS, 3, id->class);
    pci_put(f, PCI_SUBSYSTEM_VENDOR_ID, 2, id->subsystem_vendor);
    pci_put(f, PCI_SUBSYSTEM_ID, 2, id->subsystem);
    pci_put(f, PCI_INTERRUPT_PIN, 1, INTA);

    f->writable[PCI_COMMAND] = PCI_COMMAND_MASTER;
    f->writable[PCI_COMMAND + 1] = PCI_COMMAND_INTX_DISABLE >> 8;
    f->writable[PCI_CACHE_LINE_SIZE] = 0xff;
    f->writable[PCI_INTERRUPT_LINE] = 0xff;
}

void pci_bar(struct pci_function *f, int n, uint64_t len, enum pci_bar_kind kind,
             struct device *dev)
{
    static const uint8_t flags[] = {[PCI_BAR_IO] = BAR_IO, [PCI_BAR_MEM64] = BAR_64};
    uint64_t mask = ~(len - 1);

    assert(!f->pci && n >= 0 && n + (kind == PCI_BAR_MEM64) < PCI_BARS && !f->bar[n].len);
    assert((len & (len - 1)) == 0 && len > (kind == PCI_BAR_IO ? BAR_IO_FLAGS : BAR_MEM_FLAGS));
    assert(kind == PCI_BAR_MEM64 || len <= UINT32_MAX);

    f->bar[n] = (struct pci_bar){.len = len, .kind = kind, .dev = dev, .at = PCI_NOWHERE};
    pci_put(f, bar_register(n), 4, flags[kind]);
    memcpy(f->writable + bar_register(n), &mask, kind == PCI_BAR_MEM64 ? 8 : 4);
    f->writable[PCI_COMMAND] |= kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
}

int pci_capability(struct pci_function *f, uint8_t id, const void *body, int len, const void *mask)
{
    int off = f->capabilities_end;

    assert(!f->pci && len >= 0 && off + 2 + len <= PCI_CONFIG_LEN);
    pci_put(f, f->last_capability ? f->last_capability + 1 : PCI_CAPABILITIES, 1, off);
    pci_put(f, PCI_STATUS, 2, pci_get(f, PCI_STATUS, 2) | PCI_STATUS_CAPABILITIES);
    pci_put(f, off, 1, id);
    memcpy(f->s.config + off + 2, body, len);
    if (mask)
        memcpy(f->writable + off + 2, mask, len);
    f->last_capability = off;
    f->capabilities_end = (int)align_up(off + 2 + len, 4);
    return off;
}

/* ---- what firmware does ---- */

/* An address for a BAR; 0 when there is no room, which the guest may make by moving others. A BAR
 * of 64 bits is below 4 GiB if possible, where a guest of 32 bits reaches it. */
static uint64_t take_room(struct pci *p, enum pci_bar_kind kind, uint64_t len)
{
    const struct pci_window *w = &p->window[kind];
    uint64_t addr = align_up(p->free[kind], len);

    if (kind == PCI_BAR_MEM64) {
        uint64_t low = take_room(p, PCI_BAR_MEM32, len);

        if (low)
            return low;
    }
    if (!passes(w, addr, len))
        return 0;
    p->free[kind] = addr + len;
    return addr;
}

static void set_up(struct pci_function *f)
{
    /* Of decoding and bus mastering, what the function has. */
    uint32_t command = f->writable[PCI_COMMAND];

    for (int n = 0; n < PCI_BARS; n++) {
        struct pci_bar *b = &f->bar[n];
        uint64_t addr = b->len ? take_room(f->pci, b->kind, b->len) : 0;

        if (!addr)
            continue;
        pci_put(f, bar_register(n), 4, pci_get(f, bar_register(n), 4) | (uint32_t)addr);
        if (b->kind == PCI_BAR_MEM64)
            pci_put(f, bar_register(n + 1), 4, addr >> 32);
    }
    pci_put(f, PCI_COMMAND, 2, command);
    if (pci_get(f, PCI_INTERRUPT_PIN, 1))
        pci_put(f, PCI_INTERRUPT_LINE, 1, PC_PCI_IRQ(f->slot));
    memcpy(f->at_reset, f->s.config, sizeof(f->at_reset));
}

void pci_add(struct pci *p, struct pci_function *f)
{
    int slot = 0;

    while (slot < PCI_SLOTS && p->function[slot])
        slot++;
    if (slot == PCI_SLOTS)
        die("a machine has room for %d devices, and this is one more", PCI_SLOTS - 1);
    for (int n = 0; n < PCI_BARS; n++)
        p->bars += f->bar[n].len && f->bar[n].kind != PCI_BAR_IO;
    assert(!f->pci && p->bars <= BUS_SLOTS);
    f->pci = p;
    f->slot = slot;
    p->function[slot] = f;
    set_up(f);
    map(p);
}

/* ---- the host bridge ---- */

/* A register of the configuration space of a function, of the bus's 256. NULL when nobody is there,
 * or nothing at that register. */
static struct device *function_at(struct pci *p, uint32_t function, uint64_t reg, int size)
{
    struct pci_function *f =
        function % 8 == 0 && function / 8 < PCI_SLOTS ? p->function[function / 8] : NULL;

    return f && reg + size <= PCI_CONFIG_LEN ? &f->dev : NULL;
}

static struct device *addressed(struct pci *p, uint64_t off, int size, uint64_t *reg)
{
    *reg = (p->s.address & REGISTER) + (off - PCI_CONFIG_DATA);
    if (off < PCI_CONFIG_DATA || !(p->s.address & ENABLE))
        return NULL;
    return function_at(p, (p->s.address & ~ENABLE) >> 8, *reg, size);
}

static uint64_t pci_read(struct device *d, uint64_t off, int size)
{
    struct pci *p = container_of(d, struct pci, dev);
    uint64_t reg;
    struct device *f = addressed(p, off, size, &reg);

    if (off == PCI_CONFIG_ADDRESS && size == 4)
        return p->s.address;
    if (off == CF9 && size == 1)
        return p->cf9->read(p->cf9, 0, 1);
    return f ? f->read(f, reg, size) : UINT32_MAX;
}

static void pci_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct pci *p = container_of(d, struct pci, dev);
    uint64_t reg;
    struct device *f = addressed(p, off, size, &reg);

    if (off == PCI_CONFIG_ADDRESS && size == 4)
        p->s.address = val & ~RESERVED;
    else if (off == CF9 && size == 1)
        p->cf9->write(p->cf9, 0, 1, val);
    else if (f)
        f->write(f, reg, size, val);
}

static uint64_t ecam_read(struct device *d, uint64_t off, int size)
{
    struct pci *p = container_of(d, struct pci, ecam);
    uint64_t reg = off % ECAM_FUNCTION;
    struct device *f = function_at(p, off / ECAM_FUNCTION, reg, size);

    return f ? f->read(f, reg, size) : UINT32_MAX;
}

static void ecam_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct pci *p = container_of(d, struct pci, ecam);
    uint64_t reg = off % ECAM_FUNCTION;
    struct device *f = function_at(p, off / ECAM_FUNCTION, reg, size);

    if (f)
        f->write(f, reg, size, val);
}

static void pci_reset(struct device *d)
{
    struct pci *p = container_of(d, struct pci, dev);

    p->s.address = 0;
    p->cf9->reset(p->cf9);
    for (int i = 0; i < PCI_SLOTS && p->function[i]; i++)
        p->function[i]->dev.reset(&p->function[i]->dev);
}

void pci_init(struct pci *p, struct device *cf9, struct irq even, struct irq odd, uint64_t mem64)
{
    static const struct pci_id bridge = {
        .vendor = 0x8086, .device = 0x1237, .class = 0x060000, .revision = 2};
    static const struct pci_hooks none;

    *p = (struct pci){
        .dev = {.name = "pci",
                .max_size = 4,
                .read = pci_read,
                .write = pci_write,
                .reset = pci_reset,
                .state = &p->s,
                .state_size = sizeof(p->s)},
        .ecam = {.name = "pci-ecam", .max_size = 4, .read = ecam_read, .write = ecam_write},
        .cf9 = cf9,
        .window = {[PCI_BAR_IO] = {PC_PCI_IO, PC_PCI_IO_LEN},
                   [PCI_BAR_MEM32] = {PC_PCI_MEM, PC_PCI_MEM_LEN},
                   [PCI_BAR_MEM64] = {mem64, mem64 ? PC_PCI_MEM64_LEN : 0}},
        .intx = {even, odd},
    };
    for (int kind = 0; kind < PCI_BAR_KINDS; kind++)
        p->free[kind] = p->window[kind].base;

    pci_function_init(&p->bridge, &bridge, &none);
    pci_put(&p->bridge, PCI_INTERRUPT_PIN, 1, 0);
    memset(p->bridge.writable, 0, sizeof(p->bridge.writable));
    pci_add(p, &p->bridge);
}
