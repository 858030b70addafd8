// SPDX-License-Identifier: MIT
/*
 * MSI-X.
 *
 * After: PCI Local Bus Specification 3.0, "MSI-X Capability and Table Structures".
 * Left out: messages that are no interrupts: the specification has a write to any address, which
 * may then be RAM, and no guest wants that.
 */
#include "hw/msix.h"

#include <assert.h>
#include <string.h>

enum {
    ID = 0x11,

    /* The capability. */
    CONTROL = 2, /* 2 bytes: vectors - 1, and these */
    CONTROL_MASK_ALL = 1 << 14,
    CONTROL_ENABLE = 1 << 15,

    ENTRY_LEN = 16,
    ENTRY_MASKED = 1 << 0,

    /* The BAR. */
    PBA = 0x800,
    LEN = 0x1000,

    /* The data of a message to local APICs: 3 bits say how it is delivered; these modes wake a CPU
     * whose interrupts are off. */
    DATA_MODE = 8,
    WAKING_MODES = 1 << 2 | 1 << 4 | 1 << 5, /* SMI, NMI, INIT */
};

#define LOCAL_APICS UINT64_C(0xfee) /* the address of a message, less the low 20 bits */

_Static_assert(sizeof(struct msix_entry) == ENTRY_LEN, "the table is the state");
_Static_assert(MSIX_VECTORS *ENTRY_LEN <= PBA, "the BAR has room");

static uint32_t control(const struct msix *x)
{
    return pci_get(x->f, x->capability + CONTROL, 2);
}

bool msix_enabled(const struct msix *x)
{
    return control(x) & CONTROL_ENABLE;
}

/* A message is a write to memory: a function that is no bus master keeps it. */
static bool masked(const struct msix *x, int vector)
{
    return x->s.table[vector].control & ENTRY_MASKED || control(x) & CONTROL_MASK_ALL ||
           !pci_enabled(x->f, PCI_COMMAND_MASTER);
}

static bool is_interrupt(const struct msix_entry *e)
{
    return e->addr >> 20 == LOCAL_APICS;
}

bool msix_sends(const struct msix *x, int vector, uint64_t *addr, uint32_t *data)
{
    const struct msix_entry *e = &x->s.table[vector];

    *addr = e->addr;
    *data = e->data;
    return msix_enabled(x) && !masked(x, vector) && is_interrupt(e);
}

bool msix_wakes(const struct msix *x)
{
    for (int i = 0; i < x->vectors; i++) {
        uint64_t addr;
        uint32_t data;

        if (msix_sends(x, i, &addr, &data) && WAKING_MODES >> (data >> DATA_MODE & 7) & 1)
            return true;
    }
    return false;
}

/* Send what has become unmasked. */
static void send_pending(struct msix *x)
{
    if (!msix_enabled(x))
        return;
    for (int i = 0; i < MSIX_VECTORS / 64; i++)
        for (uint64_t left = x->s.pending[i]; left; left &= left - 1) {
            int vector = 64 * i + __builtin_ctzll(left);
            const struct msix_entry *e = &x->s.table[vector];

            if (masked(x, vector))
                continue;
            x->s.pending[i] &= ~(UINT64_C(1) << vector % 64);
            if (is_interrupt(e))
                x->send(x->to, e->addr, e->data);
        }
}

/* After the guest has said what vectors are to do. */
static void settle(struct msix *x)
{
    send_pending(x);
    if (x->changed)
        x->changed(x);
}

void msix_signal(struct msix *x, int vector)
{
    assert(vector >= 0 && vector < x->vectors);
    if (!msix_enabled(x))
        return;
    x->s.pending[vector / 64] |= UINT64_C(1) << vector % 64;
    send_pending(x);
}

static uint64_t msix_read(struct device *d, uint64_t off, int size)
{
    struct msix *x = container_of(d, struct msix, dev);
    uint64_t val = 0;

    if (off + size <= (uint64_t)x->vectors * ENTRY_LEN)
        memcpy(&val, (uint8_t *)x->s.table + off, size);
    else if (off >= PBA && off - PBA + size <= sizeof(x->s.pending))
        memcpy(&val, (uint8_t *)x->s.pending + (off - PBA), size);
    return val;
}

static void msix_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct msix *x = container_of(d, struct msix, dev);

    if (off + size > (uint64_t)x->vectors * ENTRY_LEN)
        return;
    memcpy((uint8_t *)x->s.table + off, &val, size);
    x->s.table[off / ENTRY_LEN].control &= ENTRY_MASKED;
    x->s.table[(off + size - 1) / ENTRY_LEN].control &= ENTRY_MASKED;
    settle(x);
}

void msix_config_written(struct msix *x)
{
    if (!msix_enabled(x))
        memset(x->s.pending, 0, sizeof(x->s.pending));
    settle(x);
}

void msix_reset(struct msix *x)
{
    x->s = (struct msix_state){0};
    for (int i = 0; i < MSIX_VECTORS; i++)
        x->s.table[i].control = ENTRY_MASKED;
}

void msix_init(struct msix *x, struct pci_function *f, int bar, int vectors,
               void (*send)(void *to, uint64_t addr, uint32_t data), void *to)
{
    assert(vectors >= 1 && vectors <= MSIX_VECTORS);
    *x = (struct msix){
        .dev = {.name = "msix",
                .max_size = 8,
                .read = msix_read,
                .write = msix_write,
                .state = &x->s,
                .state_size = sizeof(x->s)},
        .f = f,
        .vectors = vectors,
        .send = send,
        .to = to,
    };
    msix_reset(x);

    /* Control, where the table is, where the pending bits are. */
    uint8_t body[10] = {vectors - 1, 0, bar, 0, 0, 0, bar, PBA >> 8};
    static const uint8_t mask[10] = {0, (CONTROL_ENABLE | CONTROL_MASK_ALL) >> 8};

    f->msix = x;
    x->capability = pci_capability(f, ID, body, sizeof(body), mask);
    pci_bar(f, bar, LEN, PCI_BAR_MEM32, &x->dev);
}
