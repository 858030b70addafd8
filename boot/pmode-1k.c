// SPDX-License-Identifier: MIT
/*
 * The boot contract of the 1K OS.
 *
 * After: Intel SDM vol. 3A, "32-Bit Paging".
 */
#include "boot/pmode-1k.h"
#include "boot/gdt.h"
#include "hw/die.h"
#include "x86/paging.h"

enum {
    IDT = GDT_END,
    KERNEL = 0x1000,
    PAGE_DIRECTORY = 0x100000,
};

uint32_t pmode_1k_end(const struct image *img)
{
    return KERNEL + img->size;
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
    paging_higher_half(ram, PAGE_DIRECTORY);
    image_read(img, 0, ram_at(ram, KERNEL, img->size), img->size);
    cpu_flat32(s);
    gdt_load(ram, s, 0x08, GDT_RINGS_0_3);
    s->idt = (struct descriptor_table){.base = IDT, .limit = 256 * 8 - 1};
    s->cr3 = PAGE_DIRECTORY;
    s->cr0 |= CR0_PG;
    s->rip = PAGING_HIGHER_HALF + KERNEL;
    s->gpr[RSP] = PAGING_HIGHER_HALF + PAGE_DIRECTORY;
}
