// SPDX-License-Identifier: MIT
/*
 * Loading flat 64-bit programs.
 *
 * After: Intel SDM vol. 3A, "Initializing IA-32e Mode".
 */
#include "boot/longmode.h"
#include "hw/die.h"
#include "x86/paging.h"

#include <string.h>

enum {
    GDT = 0x500,
    TABLES = 0x1000,
    PROGRAM = 0x100000,
    MAPPED_GIB = 4,
};

/* With the selectors of cpu_long_mode(). */
static const uint64_t gdt[] = {
    0, 0, UINT64_C(0x00af9b000000ffff), /* 64-bit code */
    UINT64_C(0x00cf93000000ffff),       /* data */
};

void longmode_load(const struct image *img, const struct ram *ram, struct cpu_state *s)
{
    void *program = ram_at(ram, PROGRAM, img->size);

    image_check_flat(img);
    if (!program)
        die("%s: %llu bytes do not fit into %llu MiB of RAM from %#x on; say --mem", img->name,
            (unsigned long long)img->size, (unsigned long long)(ram->size >> 20), PROGRAM);
    memcpy(ram_at(ram, GDT, sizeof(gdt)), gdt, sizeof(gdt));
    paging_identity(ram, TABLES, MAPPED_GIB);
    image_read(img, 0, program, img->size);
    cpu_long_mode(s, TABLES);
    s->gdt = (struct descriptor_table){GDT, sizeof(gdt) - 1};
    s->idt.limit = 0;
    s->rip = PROGRAM;
    s->gpr[RSP] = PROGRAM;
}
