// SPDX-License-Identifier: MIT
/*
 * Loading flat 64-bit programs.
 *
 * After: Intel SDM vol. 3A, "Initializing IA-32e Mode".
 */
#include "boot/longmode.h"
#include "boot/gdt.h"
#include "hw/die.h"
#include "x86/paging.h"

enum {
    TABLES = 0x1000,
    PROGRAM = 0x100000,
    MAPPED_GIB = 4,
};

_Static_assert(TABLES + PAGING_IDENTITY_SIZE(MAPPED_GIB) == LONGMODE_LOW_END, "page tables");

void longmode_load(const struct image *img, const struct ram *ram, struct cpu_state *s)
{
    void *program = ram_at(ram, PROGRAM, img->size);

    image_check_flat(img);
    if (!program)
        die("%s: %llu bytes do not fit into %llu MiB of RAM from %#x on; say --mem", img->name,
            (unsigned long long)img->size, (unsigned long long)(ram->size >> 20), PROGRAM);
    paging_identity(ram, TABLES, MAPPED_GIB);
    image_read(img, 0, program, img->size);
    cpu_long_mode(s, TABLES);
    gdt_load(ram, s, 0x10, GDT_RING_0);
    s->idt.limit = 0;
    s->rip = PROGRAM;
    s->gpr[RSP] = PROGRAM;
}
