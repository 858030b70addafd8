// SPDX-License-Identifier: MIT
/*
 * The boot contract of the 1K OS.
 *
 * After: Intel SDM vol. 3A, "32-Bit Paging", "Segment Descriptors".
 */
#include "boot/pmode-1k.h"
#include "hw/die.h"

#include <string.h>

enum {
    GDT = 0x500,
    IDT = 0x528,
    KERNEL = 0x1000,
    PAGE_DIRECTORY = 0x100000,
    PAGE_TABLE_LOW = 0x101000,
    PAGE_TABLE_HIGH = 0x102000,
    TABLES_SIZE = 0x3000,

    CODE_SELECTOR = 0x08,
    DATA_SELECTOR = 0x10,
};

#define HIGHER_HALF UINT32_C(0x80000000)

/* Flat 4 GiB, 32-bit: base 0, limit 0xfffff pages; accessed, as a loaded segment is. */
static const uint64_t gdt[] = {
    0,
    UINT64_C(0x00cf9b000000ffff), /* ring-0 code */
    UINT64_C(0x00cf93000000ffff), /* ring-0 data */
    UINT64_C(0x00cffb000000ffff), /* ring-3 code */
    UINT64_C(0x00cff3000000ffff), /* ring-3 data */
};

static void build_page_tables(const struct ram *ram)
{
    uint32_t *directory = ram_at(ram, PAGE_DIRECTORY, TABLES_SIZE);
    uint32_t *low = directory + 1024, *high = low + 1024;

    memset(directory, 0, TABLES_SIZE);
    directory[0] = PAGE_TABLE_LOW | PTE_P | PTE_W;
    directory[HIGHER_HALF >> 22] = PAGE_TABLE_HIGH | PTE_P | PTE_W;
    for (uint32_t i = 0; i < 1024; i++)
        low[i] = high[i] = i << 12 | PTE_P | PTE_W;
}

static void start_state(struct cpu_state *s)
{
    cpu_flat32(s);
    s->cs.selector = CODE_SELECTOR;
    s->ds.selector = s->es.selector = s->fs.selector = s->gs.selector = s->ss.selector =
        DATA_SELECTOR;
    s->gdt = (struct descriptor_table){GDT, sizeof(gdt) - 1};
    s->idt = (struct descriptor_table){IDT, 256 * 8 - 1};
    s->cr3 = PAGE_DIRECTORY;
    s->cr0 |= CR0_PG;
    s->rip = HIGHER_HALF + KERNEL;
    s->gpr[RSP] = HIGHER_HALF + PAGE_DIRECTORY;
}

void pmode_1k_load(const struct image *img, const struct ram *ram, struct cpu_state *s)
{
    image_check_flat(img);
    if (img->size > PAGE_DIRECTORY - KERNEL)
        die("%s: %llu bytes, but a --pmode kernel has %u, from %#x to the page directory at %#x",
            img->name, (unsigned long long)img->size, PAGE_DIRECTORY - KERNEL, KERNEL,
            PAGE_DIRECTORY);
    if (ram->size < PMODE_1K_RAM)
        die("%s: a --pmode kernel needs %u MiB of RAM; say --mem %uM or nothing", img->name,
            PMODE_1K_RAM >> 20, PMODE_1K_RAM >> 20);
    memcpy(ram_at(ram, GDT, sizeof(gdt)), gdt, sizeof(gdt));
    build_page_tables(ram);
    image_read(img, 0, ram_at(ram, KERNEL, img->size), img->size);
    start_state(s);
}
