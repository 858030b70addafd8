// SPDX-License-Identifier: MIT
/*
 * Loading 16-bit programs.
 *
 * Left out: a BIOS. Nothing answers INT, and there is no interrupt table. So an exception in a
 * guest that has not loaded one by LIDT is a triple fault, which is reported; a table of zeros
 * would send it into its own code or that of guest 0.
 */
#include "boot/realmode.h"
#include "hw/die.h"

#include <assert.h>
#include <stdbool.h>

enum {
    WINDOW = 0x10000, /* where there are many of them */
    WINDOW_OF_FEW = 0x40000,
    FEW = 4,

    BESIDE = 0xe0000, /* the first one beside another program; the next ones are below */
};

static void load(const struct image *img, uint32_t base, uint32_t window, const char *where,
                 const struct ram *ram, struct cpu_state *s)
{
    image_check_flat(img);
    if (img->size > window)
        die("%s: %llu bytes, but a 16-bit program has %u KiB%s", img->name,
            (unsigned long long)img->size, window / 1024, where);
    image_read(img, 0, ram_at(ram, base, window), img->size);
    cpu_real_mode(s, base);
    s->idt.limit = 0;
}

void realmode_load(const struct image *img, int index, int count, const struct ram *ram,
                   struct cpu_state *s)
{
    bool few = count <= FEW;
    uint32_t window = few ? WINDOW_OF_FEW : WINDOW;

    assert(count <= REALMODE_MAX && index < count);
    load(img, index * window, window, few ? "" : " where there are more than four", ram, s);
}

void realmode_load_beside(const struct image *img, int index, const char *other, uint32_t end,
                          const struct ram *ram, struct cpu_state *s)
{
    if (BESIDE < end + index * WINDOW)
        die("%s: no room beside %s, which leaves it to %u 16-bit programs", img->name, other,
            BESIDE < end ? 0 : (BESIDE - end) / WINDOW + 1);
    load(img, BESIDE - index * WINDOW, WINDOW, " beside another kind", ram, s);
}
