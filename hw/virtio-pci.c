// SPDX-License-Identifier: MIT
/*
 * Virtio over PCI, modern and transitional.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Virtio Over PCI Bus", with its parts about the
 * legacy interface.
 *
 * Left out: shared memory, and the registers of features that no device here offers (notification
 * data, reset of a queue), which read 0.
 */
#include "hw/virtio-pci.h"
#include "hw/worker.h"

#include <assert.h>
#include <string.h>

enum { /* the BARs */
    LEGACY_BAR = 0,
    MSIX_BAR = 1,
    BAR = 4,

    /* What is where in the modern one, and how long. */
    COMMON = 0x000,
    COMMON_LEN = 0x40,
    ISR = 0x080,
    NOTIFY = 0x100,
    NOTIFY_STEP = 4,
    CONFIG = 0x200,
    LEN = 0x1000,

    NO_VECTOR = 0xffff,
    ISR_QUEUE = 1,
    ISR_CONFIG = 2,

    PAGE_SHIFT = 12, /* of the legacy interface's queues, and how their used rings are aligned */
    PAGE = 1 << PAGE_SHIFT,
};

enum { /* the common configuration */
    DEVICE_FEATURE_SELECT = 0,
    DEVICE_FEATURE = 4,
    DRIVER_FEATURE_SELECT = 8,
    DRIVER_FEATURE = 12,
    CONFIG_MSIX_VECTOR = 16,
    NUM_QUEUES = 18,
    DEVICE_STATUS = 20,
    CONFIG_GENERATION = 21,
    QUEUE_SELECT = 22,
    QUEUE_SIZE = 24,
    QUEUE_MSIX_VECTOR = 26,
    QUEUE_ENABLE = 28,
    QUEUE_NOTIFY_OFF = 30,
    QUEUE_DESC = 32, /* and the following two: 8 bytes each, written by halves */
    QUEUE_DRIVER = 40,
    QUEUE_DEVICE = 48,
};

enum { /* the legacy interface */
    LEGACY_DEVICE_FEATURES = 0,
    LEGACY_DRIVER_FEATURES = 4,
    LEGACY_QUEUE_ADDRESS = 8,
    LEGACY_QUEUE_SIZE = 12,
    LEGACY_QUEUE_SELECT = 14,
    LEGACY_QUEUE_NOTIFY = 16,
    LEGACY_STATUS = 18,
    LEGACY_ISR = 19,
    LEGACY_CONFIG_VECTOR = 20, /* these only while MSI-X is enabled */
    LEGACY_QUEUE_VECTOR = 22,
    LEGACY_HEADER = 20,      /* its length; the device's configuration follows */
    LEGACY_HEADER_MSIX = 24, /* likewise then */
};

enum { /* capabilities: what they are about, in their order */
    CAP_ID = 0x09,
    CAP_COMMON = 1,
    CAP_NOTIFY = 2,
    CAP_ISR = 3,
    CAP_DEVICE = 4,
    CAP_PCI = 5,

    CAP_BAR = 4, /* offsets in one */
    CAP_OFFSET = 8,
    CAP_LENGTH = 12,
    CAP_DATA = 16,
};

/* What PCI calls them. Those with a transitional number speak the legacy interface. */
static const struct identity {
    uint16_t id, transitional;
    uint32_t class;
} identities[] = {
    {1, 0x1000, 0x020000}, /* net */
    {2, 0x1001, 0x010000}, /* blk */
    {3, 0x1003, 0x078000}, /* console */
};

/* ---- interrupts ---- */

static void interrupt(void *to, int q)
{
    struct virtio_pci *p = to;
    int bit = q == VIRTIO_CONFIG_IRQ ? VIRTIO_QUEUES : q;

    if (q != VIRTIO_CONFIG_IRQ && p->out.interrupt && p->out.interrupt(p->out.to, q))
        return;
    __atomic_fetch_or(&p->due, UINT64_C(1) << bit, __ATOMIC_ACQ_REL);
    /* In line, the machine is locked. */
    if (!p->d->worker || p->d->worker->in_line)
        virtio_pci_deliver(p);
}

static void set_isr(struct virtio_pci *p, uint8_t isr)
{
    p->s.isr = isr;
    pci_interrupt(&p->function, isr != 0);
}

void virtio_pci_deliver(struct virtio_pci *p)
{
    uint64_t due = __atomic_exchange_n(&p->due, 0, __ATOMIC_ACQ_REL);

    for (; due; due &= due - 1) {
        int n = __builtin_ctzll(due);
        bool config = n == VIRTIO_QUEUES;
        uint16_t vector = config ? p->s.config_vector : p->s.queue_vector[n];

        if (!msix_enabled(&p->msix))
            set_isr(p, p->s.isr | (config ? ISR_CONFIG : ISR_QUEUE));
        else if (vector != NO_VECTOR)
            msix_signal(&p->msix, vector);
    }
}

static struct virtio_pci_call call_of(const struct virtio_pci *p, int q)
{
    uint16_t vector = p->s.queue_vector[q];
    struct virtio_pci_call c;

    if (!p->d->s.q[q].enabled || vector == NO_VECTOR ||
        !msix_sends(&p->msix, vector, &c.addr, &c.data))
        return (struct virtio_pci_call){0};
    return c;
}

/* Tell by which messages queues interrupt, as far as that has changed. */
static void update_calls(struct virtio_pci *p)
{
    for (int q = 0; p->out.call && q < p->d->queues; q++) {
        struct virtio_pci_call now = call_of(p, q);

        if (now.addr == p->call[q].addr && now.data == p->call[q].data)
            continue;
        p->call[q] = now;
        p->out.call(p->out.to, q, now.addr, now.data);
    }
}

/* What could not be sent in another way any more is noted, and becomes pending. */
static void msix_changed(struct msix *x)
{
    struct virtio_pci *p = container_of(x, struct virtio_pci, msix);

    update_calls(p);
    virtio_pci_deliver(p);
}

static uint16_t vector_or_none(const struct virtio_pci *p, uint64_t val)
{
    return val < (uint64_t)p->msix.vectors ? val : NO_VECTOR;
}

/* ---- kicks ---- */

static struct virtio_pci_bell bell_of(const struct virtio_pci *p, int q)
{
    const struct virtio_state *s = &p->d->s;
    int bar = s->legacy ? LEGACY_BAR : BAR;
    uint64_t at = p->function.bar[bar].at;

    if (at == PCI_NOWHERE || !s->begun || !s->q[q].enabled)
        return (struct virtio_pci_bell){PCI_NOWHERE, false};
    return (struct virtio_pci_bell){
        at + (s->legacy ? LEGACY_QUEUE_NOTIFY : NOTIFY + NOTIFY_STEP * q), s->legacy};
}

static void ring(struct virtio_pci *p, int q)
{
    if (p->out.ring)
        p->out.ring(p->out.to, q);
}

/* Tell the board which queues are kicked at another address than before. There may be something in
 * a queue before it has one, so such a queue is looked at. */
static void update_bells(struct virtio_pci *p)
{
    for (int q = 0; p->out.bell && q < p->d->queues; q++) {
        struct virtio_pci_bell now = bell_of(p, q);

        if (now.addr == p->bell[q].addr && now.port == p->bell[q].port)
            continue;
        p->bell[q] = now;
        p->out.bell(p->out.to, q, now.port, now.addr);
        if (now.addr != PCI_NOWHERE)
            ring(p, q);
    }
}

static void kick(struct virtio_pci *p, uint64_t q)
{
    if (q >= (uint64_t)p->d->queues)
        return;
    if (p->out.bell)
        ring(p, q);
    if (p->bell[q].addr != PCI_NOWHERE)
        return;
    worker_lock(p->d->worker);
    virtio_kick(p->d, q);
    worker_unlock(p->d->worker);
}

/* ---- registers ---- */

static void reset_registers(struct virtio_pci *p)
{
    p->s = (struct virtio_pci_state){.config_vector = NO_VECTOR};
    for (int i = 0; i < VIRTIO_QUEUES; i++)
        p->s.queue_vector[i] = NO_VECTOR;
    __atomic_store_n(&p->due, 0, __ATOMIC_RELEASE);
}

static void write_status(struct virtio_pci *p, uint8_t status, bool legacy)
{
    virtio_set_status(p->d, status, legacy);
    if (!status) {
        reset_registers(p);
        set_isr(p, 0);
    }
}

/* The queue that is selected, or NULL when there is no such. */
static struct virtq_state *selected(struct virtio_pci *p)
{
    return p->s.queue_select < p->d->queues ? &p->d->s.q[p->s.queue_select] : NULL;
}

static uint32_t half(uint64_t features, uint32_t select)
{
    return select < 2 ? features >> 32 * select : 0;
}

static void set_half(uint64_t *of, int high, uint32_t val)
{
    *of = high ? (*of & UINT32_MAX) | (uint64_t)val << 32 : (*of & ~(uint64_t)UINT32_MAX) | val;
}

static void put(uint8_t *regs, int off, int size, uint64_t val)
{
    memcpy(regs + off, &val, size);
}

static void fill_common(struct virtio_pci *p, uint8_t *regs)
{
    const struct virtq_state *q = selected(p);

    put(regs, DEVICE_FEATURE_SELECT, 4, p->s.device_feature_select);
    put(regs, DEVICE_FEATURE, 4, half(p->d->offered, p->s.device_feature_select));
    put(regs, DRIVER_FEATURE_SELECT, 4, p->s.driver_feature_select);
    put(regs, DRIVER_FEATURE, 4, half(p->d->s.features, p->s.driver_feature_select));
    put(regs, CONFIG_MSIX_VECTOR, 2, p->s.config_vector);
    put(regs, NUM_QUEUES, 2, p->d->queues);
    put(regs, DEVICE_STATUS, 1, p->d->s.status);
    put(regs, CONFIG_GENERATION, 1, p->d->s.generation);
    put(regs, QUEUE_SELECT, 2, p->s.queue_select);
    if (!q)
        return;
    put(regs, QUEUE_SIZE, 2, q->size);
    put(regs, QUEUE_MSIX_VECTOR, 2, p->s.queue_vector[p->s.queue_select]);
    put(regs, QUEUE_ENABLE, 2, q->enabled);
    put(regs, QUEUE_NOTIFY_OFF, 2, p->s.queue_select);
    put(regs, QUEUE_DESC, 8, q->desc);
    put(regs, QUEUE_DRIVER, 8, q->avail);
    put(regs, QUEUE_DEVICE, 8, q->used);
}

static void write_driver_feature(struct virtio_pci *p, uint32_t val)
{
    uint64_t features = p->d->s.features;

    if (p->s.driver_feature_select > 1)
        return;
    set_half(&features, p->s.driver_feature_select, val);
    virtio_set_features(p->d, features, false);
}

/* What describes a queue cannot be changed once it is enabled. */
static void write_queue(struct virtio_pci *p, uint64_t off, uint64_t val)
{
    struct virtq_state *q = selected(p);
    int high = off / 4 % 2;

    if (!q)
        return;
    if (off == QUEUE_MSIX_VECTOR)
        p->s.queue_vector[p->s.queue_select] = vector_or_none(p, val);
    if (q->enabled)
        return;
    switch (off) {
    case QUEUE_SIZE:
        q->size = val;
        break;
    case QUEUE_ENABLE:
        if (val == 1)
            virtq_enable(p->d, p->s.queue_select);
        break;
    case QUEUE_DESC:
    case QUEUE_DESC + 4:
        set_half(&q->desc, high, val);
        break;
    case QUEUE_DRIVER:
    case QUEUE_DRIVER + 4:
        set_half(&q->avail, high, val);
        break;
    case QUEUE_DEVICE:
    case QUEUE_DEVICE + 4:
        set_half(&q->used, high, val);
        break;
    }
}

/* Drivers write each register whole, so other sizes are ignored. */
static void write_common(struct virtio_pci *p, uint64_t off, int size, uint64_t val)
{
    int whole = off == DEVICE_STATUS ? 1 : off >= CONFIG_MSIX_VECTOR && off < QUEUE_DESC ? 2 : 4;

    if (size != whole)
        return;
    switch (off) {
    case DEVICE_FEATURE_SELECT:
        p->s.device_feature_select = val;
        break;
    case DRIVER_FEATURE_SELECT:
        p->s.driver_feature_select = val;
        break;
    case DRIVER_FEATURE:
        write_driver_feature(p, val);
        break;
    case CONFIG_MSIX_VECTOR:
        p->s.config_vector = vector_or_none(p, val);
        break;
    case DEVICE_STATUS:
        write_status(p, val, false);
        break;
    case QUEUE_SELECT:
        p->s.queue_select = val;
        break;
    default:
        write_queue(p, off, val);
    }
}

/* Reading it takes the interrupt back. */
static uint8_t take_isr(struct virtio_pci *p)
{
    uint8_t isr = p->s.isr;

    set_isr(p, 0);
    return isr;
}

static uint64_t read_registers(struct virtio_pci *p, uint64_t off, int size)
{
    uint8_t regs[COMMON_LEN] = {0};
    uint64_t val = 0;

    if (off >= CONFIG)
        return virtio_config_read(p->d, off - CONFIG, size);
    if (off == ISR)
        return take_isr(p);
    if (off + size > COMMON_LEN)
        return 0;
    fill_common(p, regs);
    memcpy(&val, regs + off, size);
    return val;
}

static uint64_t virtio_pci_read(struct device *dev, uint64_t off, int size)
{
    struct virtio_pci *p = container_of(dev, struct virtio_pci, dev);

    worker_lock(p->d->worker);
    uint64_t val = read_registers(p, off, size);

    worker_unlock(p->d->worker);
    return val;
}

/* After a register was written. */
static void settle(struct virtio_pci *p)
{
    update_bells(p);
    update_calls(p);
    virtio_pci_deliver(p);
}

static void virtio_pci_write(struct device *dev, uint64_t off, int size, uint64_t val)
{
    struct virtio_pci *p = container_of(dev, struct virtio_pci, dev);

    /* The address alone names the queue, whatever number the driver writes there. */
    if (off >= NOTIFY && off < CONFIG) {
        if (off % NOTIFY_STEP == 0)
            kick(p, (off - NOTIFY) / NOTIFY_STEP);
        settle(p);
        return;
    }
    worker_lock(p->d->worker);
    if (off >= CONFIG)
        virtio_config_write(p->d, off - CONFIG, size, val);
    else
        write_common(p, off, size, val);
    worker_unlock(p->d->worker);
    settle(p);
}

/* ---- the legacy interface ---- */

static int legacy_header(const struct virtio_pci *p)
{
    return msix_enabled(&p->msix) ? LEGACY_HEADER_MSIX : LEGACY_HEADER;
}

static uint64_t read_legacy(struct virtio_pci *p, uint64_t off, int size)
{
    uint8_t regs[LEGACY_HEADER_MSIX] = {0};
    const struct virtq_state *q = selected(p);
    uint64_t val = 0, header = legacy_header(p);

    if (off >= header)
        return virtio_config_read(p->d, off - header, size);
    if (off + size > header)
        return 0;
    put(regs, LEGACY_DEVICE_FEATURES, 4, p->d->offered | VIRTIO_BIT(VIRTIO_F_ANY_LAYOUT));
    put(regs, LEGACY_DRIVER_FEATURES, 4, p->d->s.features);
    put(regs, LEGACY_QUEUE_ADDRESS, 4, q && q->enabled ? q->desc >> PAGE_SHIFT : 0);
    put(regs, LEGACY_QUEUE_SIZE, 2, q ? q->size : 0);
    put(regs, LEGACY_QUEUE_SELECT, 2, p->s.queue_select);
    put(regs, LEGACY_STATUS, 1, p->d->s.status);
    put(regs, LEGACY_CONFIG_VECTOR, 2, p->s.config_vector);
    put(regs, LEGACY_QUEUE_VECTOR, 2, q ? p->s.queue_vector[p->s.queue_select] : NO_VECTOR);
    if (off <= LEGACY_ISR && off + size > LEGACY_ISR)
        regs[LEGACY_ISR] = take_isr(p);
    memcpy(&val, regs + off, size);
    return val;
}

static uint64_t legacy_read(struct device *dev, uint64_t off, int size)
{
    struct virtio_pci *p = container_of(dev, struct virtio_pci, legacy);

    worker_lock(p->d->worker);
    uint64_t val = read_legacy(p, off, size);

    worker_unlock(p->d->worker);
    return val;
}

/* All three parts follow each other from a page on; page 0 takes all queues away. */
static void write_queue_address(struct virtio_pci *p, uint32_t page)
{
    struct virtq_state *q = selected(p);

    if (!page) {
        write_status(p, 0, true);
        return;
    }
    if (!q || q->enabled)
        return;
    q->size = p->d->size[p->s.queue_select];
    q->desc = (uint64_t)page << PAGE_SHIFT;
    q->avail = q->desc + 16 * q->size;
    q->used = (q->avail + 6 + 2 * q->size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    virtq_enable(p->d, p->s.queue_select);
}

static void write_legacy(struct virtio_pci *p, uint64_t off, int size, uint64_t val)
{
    uint64_t header = legacy_header(p);

    if (off >= header) {
        virtio_config_write(p->d, off - header, size, val);
        return;
    }
    switch (off | (uint64_t)size << 32) {
    case LEGACY_DRIVER_FEATURES | UINT64_C(4) << 32:
        virtio_set_features(p->d, val, true);
        break;
    case LEGACY_QUEUE_ADDRESS | UINT64_C(4) << 32:
        write_queue_address(p, val);
        break;
    case LEGACY_QUEUE_SELECT | UINT64_C(2) << 32:
        p->s.queue_select = val;
        break;
    case LEGACY_STATUS | UINT64_C(1) << 32:
        write_status(p, val, true);
        break;
    case LEGACY_CONFIG_VECTOR | UINT64_C(2) << 32:
        p->s.config_vector = vector_or_none(p, val);
        break;
    case LEGACY_QUEUE_VECTOR | UINT64_C(2) << 32:
        if (selected(p))
            p->s.queue_vector[p->s.queue_select] = vector_or_none(p, val);
        break;
    }
}

static void legacy_write(struct device *dev, uint64_t off, int size, uint64_t val)
{
    struct virtio_pci *p = container_of(dev, struct virtio_pci, legacy);

    if (off == LEGACY_QUEUE_NOTIFY && size == 2) {
        kick(p, val);
    } else {
        worker_lock(p->d->worker);
        write_legacy(p, off, size, val);
        worker_unlock(p->d->worker);
    }
    settle(p);
    if (p->out.wait && virtio_is_resetting(p->d))
        p->out.wait(p->out.to);
}

/* ---- the function ---- */

/* The registers, by way of configuration space: at which offset, if there. */
static bool access_at(struct virtio_pci *p, int off, int size, uint64_t *at, int *len)
{
    const struct pci_function *f = &p->function;

    if (off + size <= p->access + CAP_DATA || off >= p->access + CAP_DATA + 4)
        return false;
    *at = pci_get(f, p->access + CAP_OFFSET, 4);
    *len = pci_get(f, p->access + CAP_LENGTH, 4);
    return pci_get(f, p->access + CAP_BAR, 1) == BAR && (*len == 1 || *len == 2 || *len == 4) &&
           *at % *len == 0 && *at + *len <= LEN;
}

static void config_read(struct pci_function *f, int off, int size)
{
    struct virtio_pci *p = container_of(f, struct virtio_pci, function);
    uint64_t at;
    int len;

    if (access_at(p, off, size, &at, &len))
        pci_put(f, p->access + CAP_DATA, 4, p->dev.read(&p->dev, at, len));
}

static void config_written(struct pci_function *f, int off, int size)
{
    struct virtio_pci *p = container_of(f, struct virtio_pci, function);
    uint64_t at;
    int len;

    if (access_at(p, off, size, &at, &len))
        p->dev.write(&p->dev, at, len, pci_get(f, p->access + CAP_DATA, len));
}

static void moved(struct pci_function *f, int n, uint64_t addr)
{
    (void)n, (void)addr;
    update_bells(container_of(f, struct virtio_pci, function));
}

static void reset(struct pci_function *f)
{
    struct virtio_pci *p = container_of(f, struct virtio_pci, function);

    worker_lock(p->d->worker);
    p->d->dev.reset(&p->d->dev);
    worker_unlock(p->d->worker);
    reset_registers(p);
    set_isr(p, 0);
    update_bells(p);
    update_calls(p);
}

/* The driver does not kick again for what it had before the state was saved. */
static void restored(struct device *dev)
{
    struct virtio_pci *p = container_of(dev, struct virtio_pci, dev);

    update_bells(p);
    update_calls(p);
    for (int q = 0; q < p->d->queues; q++)
        ring(p, q);
}

static const struct pci_hooks hooks = {
    .config_read = config_read,
    .config_written = config_written,
    .moved = moved,
    .reset = reset,
};

/* Say where in the BAR a structure is. */
static int capability(struct virtio_pci *p, uint8_t type, uint32_t at, uint32_t len, bool more,
                      bool writable)
{
    static const uint8_t mask[18] = {[2] = 0xff, [6 ... 17] = 0xff};
    uint8_t body[18] = {more ? 20 : 16, type, type == CAP_PCI ? 0 : BAR};

    put(body, 6, 4, at);
    put(body, 10, 4, len);
    if (type == CAP_NOTIFY)
        put(body, 14, 4, NOTIFY_STEP);
    return pci_capability(&p->function, CAP_ID, body, more ? 18 : 14, writable ? mask : NULL);
}

/* The least power of two that is not less. */
static uint64_t round_up(uint64_t n)
{
    uint64_t p = 1;

    while (p < n)
        p *= 2;
    return p;
}

void virtio_pci_init(struct virtio_pci *p, struct virtio *d, const struct virtio_pci_out *out)
{
    uint16_t type = d->kind->id;
    const struct identity *known = NULL;

    for (size_t i = 0; i < sizeof(identities) / sizeof(identities[0]); i++)
        if (identities[i].id == type)
            known = &identities[i];

    const struct pci_id id = {
        .vendor = 0x1af4,
        .device = known ? known->transitional : 0x1040 + type,
        .subsystem_vendor = 0x1af4,
        .subsystem = type,
        .class = known ? known->class : 0xff0000, /* what fits no other */
        .revision = known ? 0 : 1,
    };

    assert(d->config_len <= LEN - CONFIG);
    *p = (struct virtio_pci){
        .dev = {.name = d->kind->name,
                .max_size = 4,
                .read = virtio_pci_read,
                .write = virtio_pci_write,
                .state = &p->s,
                .state_size = sizeof(p->s),
                .restored = restored},
        .legacy = {.name = d->kind->name,
                   .max_size = 4,
                   .read = legacy_read,
                   .write = legacy_write},
        .d = d,
        .out = *out,
    };
    for (int q = 0; q < VIRTIO_QUEUES; q++)
        p->bell[q].addr = PCI_NOWHERE;
    reset_registers(p);
    d->interrupt = interrupt;
    d->interrupt_to = p;

    pci_function_init(&p->function, &id, &hooks);
    if (known)
        pci_bar(&p->function, LEGACY_BAR, round_up(LEGACY_HEADER_MSIX + d->config_len), PCI_BAR_IO,
                &p->legacy);
    pci_bar(&p->function, BAR, LEN, PCI_BAR_MEM64, &p->dev);
    msix_init(&p->msix, &p->function, MSIX_BAR, d->queues + 1, out->message, out->to);
    p->msix.changed = msix_changed;
    capability(p, CAP_COMMON, COMMON, COMMON_LEN, false, false);
    capability(p, CAP_NOTIFY, NOTIFY, NOTIFY_STEP * VIRTIO_QUEUES, true, false);
    capability(p, CAP_ISR, ISR, 1, false, false);
    if (d->config_len)
        capability(p, CAP_DEVICE, CONFIG, d->config_len, false, false);
    p->access = capability(p, CAP_PCI, 0, 0, true, true);
}
