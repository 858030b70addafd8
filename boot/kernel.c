// SPDX-License-Identifier: MIT
/*
 * The ways of booting a kernel, the best first.
 *
 * A kernel's own way comes before one that it shares with others; and 32-bit entries that take a
 * memory map before the bare ELF entry, which only Linux can be entered by.
 */
#include "boot/kernel.h"

#include <string.h>

const struct way *const ways[] = {
    &way_bzimage, &way_pvh, &way_multiboot2, &way_multiboot, &way_linux64, NULL,
};

const struct way *way_named(const char *name)
{
    for (int i = 0; ways[i]; i++)
        if (!strcmp(ways[i]->name, name))
            return ways[i];
    return NULL;
}

const struct way *way_of(const struct image *img)
{
    for (int i = 0; ways[i]; i++)
        if (ways[i]->offered(img))
            return ways[i];
    return NULL;
}
