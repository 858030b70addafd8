// SPDX-License-Identifier: MIT
/*
 * KASLR.
 *
 * After: Linux, arch/x86/boot/compressed/kaslr.c, and KERNEL_IMAGE_SIZE in
 * arch/x86/include/asm/page_64_types.h; Documentation/admin-guide/kernel-parameters.txt ("nokaslr",
 * "mem=", "memmap=", "hugepages=").
 *
 * Left out: RAM within a limit of the command line, and between huge pages that it reserves: there
 * the kernel stays where it prefers to be. RAM from 511 GiB on, for which more page tables
 * would be needed.
 */
#include "boot/kaslr.h"
#include "hw/units.h"

#include <stdbool.h>
#include <string.h>

/* Virtual addresses for a kernel that moves, from where physical address 0 would be. */
#define VIRTUAL_END GIB

#define PHYSICAL_END (511 * GIB)

static bool is_space(char c)
{
    return (unsigned char)c <= ' ';
}

/* Is this a word of the command line, or what one begins with? */
static bool says(const char *cmdline, const char *word, bool begin)
{
    size_t len = strlen(word);

    for (const char *at = cmdline; (at = strstr(at, word)); at += len)
        if ((at == cmdline || is_space(at[-1])) && (begin || is_space(at[len])))
            return true;
    return false;
}

enum kaslr kaslr_wanted(const char *cmdline)
{
    if (says(cmdline, "nokaslr", false))
        return KASLR_OFF;
    return says(cmdline, "mem=", true) || says(cmdline, "memmap=", true) ||
                   says(cmdline, "hugepages", true)
               ? KASLR_VIRTUAL
               : KASLR_FULL;
}

struct gap {
    uint64_t start, end;
};

/* How many places there are in a gap, of which start becomes the first. */
static uint64_t places_in(struct gap *g, const struct kaslr_need *n)
{
    g->start = align_up(g->start < n->lowest ? n->lowest : g->start, n->align);
    if (g->end > PHYSICAL_END)
        g->end = PHYSICAL_END;
    return g->start < g->end && n->size <= g->end - g->start
               ? (g->end - g->start - n->size) / n->align + 1
               : 0;
}

uint64_t kaslr_physical(const struct kaslr_need *need, const struct ram *ram, uint64_t random)
{
    uint64_t low = ram_low(ram);
    uint64_t taken = need->taken_size ? need->taken : low;
    struct gap gaps[] = {
        {MIB, taken}, {taken + need->taken_size, low}, {RAM_HIGH, RAM_HIGH + ram_high(ram)}};
    uint64_t places[3], sum = 0;

    for (int i = 0; i < 3; i++)
        sum += places[i] = places_in(&gaps[i], need);
    if (!sum)
        return 0;
    random %= sum;
    for (int i = 0;; i++) {
        if (random < places[i])
            return gaps[i].start + random * need->align;
        random -= places[i];
    }
}

uint64_t kaslr_offset(const struct kaslr_need *need, uint64_t link, uint64_t random)
{
    uint64_t first = align_up(link, need->align), size = align_up(need->size, need->align);

    if (first != link || first >= VIRTUAL_END || size > VIRTUAL_END - first)
        return 0;
    return random % ((VIRTUAL_END - first - size) / need->align + 1) * need->align;
}
