// SPDX-License-Identifier: MIT
/*
 * Loading 16-bit programs.
 *
 * Left out: a BIOS. There is nobody behind INT, and no interrupt table: an exception in a guest
 * that has not loaded one by LIDT is a triple fault, which is reported, where a table of zeros
 * would send it into its own code or that of guest 0.
 */
#include "boot/realmode.h"
#include "hw/die.h"

#include <assert.h>

uint32_t realmode_window(int count)
{
    return count <= 4 ? 0x40000 : 0x10000;
}

void realmode_load(const struct image *img, int index, int count, const struct ram *ram,
                   struct cpu_state *s)
{
    uint32_t window = realmode_window(count), base = index * window;

    assert(count <= REALMODE_MAX && index < count);
    image_check_flat(img);
    if (img->size > window)
        die("%s: %llu bytes, but a 16-bit program has %u KiB%s", img->name,
            (unsigned long long)img->size, window / 1024,
            count > 4 ? " where there are more than four" : "");
    image_read(img, 0, ram_at(ram, base, window), img->size);
    cpu_real_mode(s, base);
    s->idt.limit = 0;
}
