// SPDX-License-Identifier: MIT
/*
 * Page tables.
 *
 * After: Intel SDM vol. 3A, "Paging": "32-Bit Paging", "PAE Paging", "4-Level Paging and 5-Level
 * Paging".
 *
 * Left out: access rights, protection keys and reserved bits, as the processor checks those; pages
 * beyond 4 GiB without PAE (PSE-36).
 */
#include "x86/paging.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define ENTRIES 512

void paging_identity(const struct ram *ram, uint64_t at, int gib)
{
    uint64_t *pml4 = ram_at(ram, at, PAGING_IDENTITY_SIZE(gib));

    assert(pml4 && gib > 0 && gib <= ENTRIES && !(at & 0xfff));

    uint64_t *pdpt = pml4 + ENTRIES, *pd = pdpt + ENTRIES;

    memset(pml4, 0, 2 * ENTRIES * sizeof(*pml4));
    pml4[0] = (at + 0x1000) | PTE_P | PTE_W;
    for (int i = 0; i < gib; i++)
        pdpt[i] = (at + 0x2000 + i * UINT64_C(0x1000)) | PTE_P | PTE_W;
    for (int i = 0; i < gib * ENTRIES; i++)
        pd[i] = i * UINT64_C(0x200000) | PTE_P | PTE_W | PTE_PS;
}

void paging_identity_add(const struct ram *ram, uint64_t at, uint64_t table, int n)
{
    uint64_t *pdpt = ram_at(ram, at + 0x1000, 0x1000), *pd = ram_at(ram, table, 0x1000);

    assert(pdpt && pd && n >= 0 && n < ENTRIES && !(table & 0xfff));
    pdpt[n] = table | PTE_P | PTE_W;
    for (int i = 0; i < ENTRIES; i++)
        pd[i] = (n * UINT64_C(512) + i) * UINT64_C(0x200000) | PTE_P | PTE_W | PTE_PS;
}

void paging_higher_half(const struct ram *ram, uint32_t at)
{
    uint32_t *directory = ram_at(ram, at, PAGING_HIGHER_HALF_SIZE);

    assert(directory && !(at & 0xfff));

    uint32_t *low = directory + 1024, *high = low + 1024;

    memset(directory, 0, PAGING_HIGHER_HALF_SIZE);
    directory[0] = (at + 0x1000) | PTE_P | PTE_W;
    directory[PAGING_HIGHER_HALF >> 22] = (at + 0x2000) | PTE_P | PTE_W;
    for (uint32_t i = 0; i < 1024; i++)
        low[i] = high[i] = i << 12 | PTE_P | PTE_W;
}

/* One shape of paging: how many levels, how wide an index and an entry. */
struct shape {
    int levels, index_bits, entry_size;
};

static struct shape shape_of(const struct cpu_state *s)
{
    if (s->efer & EFER_LMA)
        return (struct shape){s->cr4 & CR4_LA57 ? 5 : 4, 9, 8};
    if (s->cr4 & CR4_PAE)
        return (struct shape){3, 9, 8};
    return (struct shape){2, 10, 4};
}

bool paging_walk(const struct ram *ram, const struct cpu_state *s, uint64_t linear, uint64_t *gpa)
{
    struct shape shape = shape_of(s);
    uint64_t table = s->cr3 & PTE_ADDRESS;

    if (!(s->efer & EFER_LMA))
        linear = (uint32_t)linear;
    if (!(s->cr0 & CR0_PG)) {
        *gpa = linear;
        return true;
    }
    if (shape.levels == 3)
        table = s->cr3 & UINT64_C(0xffffffe0);
    for (int level = shape.levels; level > 0; level--) {
        int shift = 12 + (level - 1) * shape.index_bits;
        uint64_t index = (linear >> shift) & ((1 << shape.index_bits) - 1), pte = 0;
        const void *p = ram_at(ram, table + index * shape.entry_size, shape.entry_size);

        if (!p)
            return false;
        memcpy(&pte, p, shape.entry_size);
        if (!(pte & PTE_P))
            return false;
        bool large = (pte & PTE_PS) && level > 1 && (shape.entry_size == 8 || s->cr4 & CR4_PSE);

        if (large || level == 1) {
            uint64_t offset = (UINT64_C(1) << shift) - 1;

            *gpa = (pte & PTE_ADDRESS & ~offset) | (linear & offset);
            return true;
        }
        table = pte & PTE_ADDRESS;
    }
    return false;
}

int paging_peek(const struct ram *ram, const struct cpu_state *s, uint64_t linear, void *buf, int n)
{
    for (int i = 0; i < n; i++) {
        uint64_t gpa;
        const uint8_t *p = NULL;

        if (paging_walk(ram, s, linear + i, &gpa))
            p = ram_at(ram, gpa, 1);
        if (!p)
            return i;
        ((uint8_t *)buf)[i] = *p;
    }
    return n;
}
