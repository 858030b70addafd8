// SPDX-License-Identifier: MIT
/*
 * The GDT that a guest finds at its start.
 *
 * After: Intel SDM vol. 3A, "Segment Descriptors", "Code- and Data-Segment Descriptor Types".
 */
#include "boot/gdt.h"

#include <assert.h>
#include <string.h>

/* Base 0, limit 0xfffff pages, present; accessed, as a loaded segment is. */
#define CODE32 UINT64_C(0x00cf9b000000ffff)
#define CODE64 UINT64_C(0x00af9b000000ffff)
#define DATA   UINT64_C(0x00cf93000000ffff)
#define RING_3 (UINT64_C(3) << 45)

void gdt_load(const struct ram *ram, struct cpu_state *s, uint16_t code, enum gdt_rings rings)
{
    uint64_t gdt[(GDT_END - GDT_GPA) / 8] = {0}, *to;
    int n = code / 8;

    gdt[n++] = s->cs.l ? CODE64 : CODE32;
    gdt[n++] = DATA;
    if (rings == GDT_RINGS_0_3) {
        gdt[n++] = CODE32 | RING_3;
        gdt[n++] = DATA | RING_3;
    }
    to = ram_at(ram, GDT_GPA, sizeof(gdt));
    assert(to && n <= (GDT_END - GDT_GPA) / 8);
    memcpy(to, gdt, n * sizeof(gdt[0]));
    s->gdt = (struct descriptor_table){.base = GDT_GPA, .limit = n * sizeof(gdt[0]) - 1};
    s->cs.selector = code;
    s->ds.selector = s->es.selector = s->fs.selector = s->gs.selector = s->ss.selector = code + 8;
}
