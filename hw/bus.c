// SPDX-License-Identifier: MIT
/*
 * The bus: an array of ranges, searched in order. A PC has some twenty of them and an exit costs
 * a thousand times more than the search.
 */
#include "hw/bus.h"

#include <assert.h>
#include <string.h>

bool bus_is_free(const struct bus *b, uint64_t base, uint64_t len)
{
    for (int i = 0; i < b->n; i++)
        if (base < b->slot[i].base + b->slot[i].len && b->slot[i].base < base + len)
            return false;
    return true;
}

void bus_attach(struct bus *b, uint64_t base, uint64_t len, struct device *d)
{
    assert(b->n < BUS_SLOTS && len > 0 && len <= UINT64_MAX - base && bus_is_free(b, base, len));
    b->slot[b->n++] = (struct bus_slot){base, len, d};
}

void bus_cover(struct bus *b, uint64_t base, uint64_t len, struct device *d)
{
    assert(b->n < BUS_SLOTS && len > 0 && len <= UINT64_MAX - base);
    memmove(b->slot + 1, b->slot, b->n++ * sizeof(b->slot[0]));
    b->slot[0] = (struct bus_slot){base, len, d};
}

static const struct bus_slot *find(const struct bus *b, uint64_t addr)
{
    for (; b; b = b->behind)
        for (int i = 0; i < b->n; i++)
            if (addr - b->slot[i].base < b->slot[i].len)
                return &b->slot[i];
    return NULL;
}

/* Does the slot take the whole access at once? */
static bool takes(const struct bus_slot *s, uint64_t addr, int size)
{
    int max = s->dev->max_size ? s->dev->max_size : 1;

    return size <= max && s->len - (addr - s->base) >= (uint64_t)size;
}

static uint64_t ones(int size)
{
    return UINT64_MAX >> (64 - 8 * size);
}

uint64_t bus_read(struct bus *b, uint64_t addr, int size)
{
    const struct bus_slot *s = find(b, addr);

    if (s && takes(s, addr, size))
        return s->dev->read(s->dev, addr - s->base, size) & ones(size);
    if (size == 1)
        return 0xff;

    int half = size / 2;
    uint64_t low = bus_read(b, addr, half);

    return low | bus_read(b, addr + half, half) << (8 * half);
}

void bus_write(struct bus *b, uint64_t addr, int size, uint64_t val)
{
    const struct bus_slot *s = find(b, addr);

    if (s && takes(s, addr, size)) {
        s->dev->write(s->dev, addr - s->base, size, val & ones(size));
    } else if (size > 1) {
        int half = size / 2;

        bus_write(b, addr, half, val);
        bus_write(b, addr + half, half, val >> (8 * half));
    }
}

void bus_reset(struct bus *b)
{
    for (int i = 0; i < b->n; i++) {
        struct device *d = b->slot[i].dev;
        bool seen = false;

        for (int j = 0; j < i; j++)
            seen |= b->slot[j].dev == d;
        if (!seen && d->reset)
            d->reset(d);
    }
}

const struct device *bus_device(const struct bus *b, uint64_t addr)
{
    const struct bus_slot *s = find(b, addr);

    return s ? s->dev : NULL;
}
