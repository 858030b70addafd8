// SPDX-License-Identifier: MIT
/*
 * Places in RAM. The ranges that are taken are kept sorted, and joined where they touch: a loader
 * has few of them, so all is done by walking along.
 *
 * Left out: RAM above 4 GiB: what is loaded fits below the hole, where every kernel can reach it.
 * Giving places back: a loader dies, or is done.
 */
#include "boot/place.h"
#include "hw/units.h"

#include <assert.h>
#include <string.h>

/* Between the taken ranges: gap i is before range i, and the last range ends at UINT64_MAX. */
static uint64_t gap_start(const struct place *p, int i)
{
    return i ? p->taken[i - 1].end : 0;
}

static bool take_in_gap(struct place *p, int i, uint64_t start, uint64_t end)
{
    struct place_range *next = &p->taken[i];
    bool joins_before = gap_start(p, i) == start && i, joins_next = next->start == end;

    if (joins_before && joins_next) {
        next[-1].end = next->end;
        memmove(next, next + 1, (--p->n - i) * sizeof(*next));
    } else if (joins_before) {
        next[-1].end = end;
    } else if (joins_next) {
        next->start = start;
    } else {
        if (p->n == PLACE_MAX)
            return false;
        memmove(next + 1, next, (p->n++ - i) * sizeof(*next));
        *next = (struct place_range){start, end};
    }
    return true;
}

void place_init(struct place *p, const struct ram *ram)
{
    p->ram = ram;
    p->taken[0] = (struct place_range){ram_low(ram), UINT64_MAX};
    p->n = 1;
    place_take(p, 0, ram_low(ram) < PLACE_LOW ? ram_low(ram) : PLACE_LOW);
    if (ram_low(ram) > BIOS_EBDA)
        place_take(p, BIOS_EBDA, (ram_low(ram) < MIB ? ram_low(ram) : MIB) - BIOS_EBDA);
}

bool place_take(struct place *p, uint64_t start, uint64_t size)
{
    if (!size)
        return true;
    for (int i = 0; i < p->n; i++) {
        uint64_t end = p->taken[i].start;

        if (start >= gap_start(p, i) && start < end)
            return size <= end - start && take_in_gap(p, i, start, start + size);
    }
    return false;
}

uint64_t place_find(struct place *p, uint64_t size, uint64_t align, uint64_t end)
{
    assert(size && align && !(align & (align - 1)));
    for (int i = p->n - 1; i >= 0; i--) {
        uint64_t from = gap_start(p, i), to = p->taken[i].start;

        if (to > end)
            to = end;
        if (to <= from || size > to - from)
            continue;

        uint64_t start = (to - size) & -align;

        if (start >= from && place_take(p, start, size))
            return start;
    }
    return 0;
}

uint64_t place_above(struct place *p, uint64_t size, uint64_t align, uint64_t start)
{
    assert(size && align && !(align & (align - 1)));
    for (int i = 0; i < p->n; i++) {
        uint64_t from = gap_start(p, i), to = p->taken[i].start;

        if (from < start)
            from = start;
        if (from >= to || (-from & (align - 1)) >= to - from)
            continue;
        from += -from & (align - 1);
        if (size <= to - from && place_take(p, from, size))
            return from;
    }
    return 0;
}
